"""How a run says that it ended."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from lilfox_tui.runbook.facts import EndState
from lilfox_tui.runbook.result import outcome_of
from lilfox_tui.runbook.session import Folding
from tests.unit.runbook.made import began, command, ended, opened, runbook


def folding() -> Folding:
    made = Folding(
        runbook(
            (command("make", "change", fence=1, name="make"), command("unmake", "change", fence=2, rollback_of="make")),
            (command("look", fence=3),),
        )
    )
    made.take([opened({"": ("here",)})])
    return made


@pytest.mark.parametrize(
    ("end", "state", "code"), [("unknown", "unknown", 1), ("failed", "partly", 3), ("done", "failed", 1)]
)
def test_how_a_way_back_ended_counts(end: EndState, state: str, code: int) -> None:
    """Also where all that it takes back was done before."""
    run = folding()
    run.take([began("r1", 0, 0), ended("r1"), began("r2", 1, 0, kind="read"), ended("r2")])
    assert outcome_of(run).exit_code == 0
    run.take([began("r3", 0, 1, rollback=True, undoes=("r1",)), ended("r3", end, "no answer")])
    outcome = outcome_of(run)
    assert (outcome.state, outcome.exit_code) == (state, code)
    assert ("no answer" in outcome.message) is (end != "done")


def test_what_a_change_did_before_it_failed_is_not_said_to_be_nothing() -> None:
    run = folding()
    run.take([began("r1", 0, 0), ended("r1", "failed")])
    assert "look there" in outcome_of(run).hint
    run = folding()
    run.take([began("r1", 0, 0), replace(ended("r1", "not begun"), exit_status=None)])
    assert outcome_of(run).hint == ""
    run = folding()
    run.take([began("r1", 0, 0), ended("r1"), began("r2", 1, 0, kind="read"), ended("r2", "failed")])
    assert "look there" not in outcome_of(run).hint
