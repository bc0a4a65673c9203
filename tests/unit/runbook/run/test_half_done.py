"""Which change that failed may be taken back by what the runbook says for the whole of it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.runbook.run.dispatcher import outcome_of
from lilfox_tui.runbook.run.reducer import RunReducer, half_done
from lilfox_tui.runbook.run.state import Turn
from tests.unit.runbook.made import AT, began, command, ended, opened, runbook

MAKE = command("make", "change", name="make")
BACK = command("back", "change", rollback_of="make")
TURN = Turn(0, 0, ("web1",))
LOOK = "may have changed something: check web1"


@pytest.fixture
def reducer() -> RunReducer:
    made = RunReducer(runbook((MAKE, BACK, command("other", "change"), command("read", name="read"))))
    made.take([opened({"": ("web1",)}), began("1", 0, 0, "web1")])
    return made


def _began_later(run: str, number: int) -> object:
    return replace(began(run, 0, number, "web1", rollback=True), at=AT + timedelta(seconds=1))


def test_what_failed_on_its_way_is_offered_until_what_takes_it_back_has_run(reducer: RunReducer) -> None:
    assert half_done(reducer, TURN) == "", "it runs"
    reducer.take([ended("1", "failed")])
    assert half_done(reducer, TURN) == "1"
    assert LOOK in outcome_of(reducer).hint
    reducer.take([_began_later("2", 1), ended("2", "failed")])  # type: ignore[list-item]
    assert half_done(reducer, TURN) == "1"
    reducer.take([_began_later("3", 1), ended("3")])  # type: ignore[list-item]
    assert half_done(reducer, TURN) == ""
    assert LOOK not in outcome_of(reducer).hint
    assert reducer.state_of(TURN) == "failed", "the run does not go on behind it"
    reducer.take([replace(began("4", 0, 0, "web1"), at=AT + timedelta(seconds=2)), ended("4", "failed")])
    assert half_done(reducer, TURN) == "4", "it was tried again"


@pytest.mark.parametrize("state", ["done", "unknown"])
def test_what_is_done_is_a_change_and_beside_what_may_still_run_nothing_is_taken_back(
    reducer: RunReducer, state: str
) -> None:
    reducer.take([ended("1", state)])  # type: ignore[arg-type]
    assert half_done(reducer, TURN) == ""


def test_nothing_is_offered_for_what_never_began_or_has_no_way_back(reducer: RunReducer) -> None:
    reducer.take([replace(ended("1", "not begun"), exit_status=None)])
    assert half_done(reducer, TURN) == ""
    reducer.take(
        [began("5", 0, 2, "web1"), ended("5", "failed"), began("6", 0, 3, "web1", "read"), ended("6", "failed")]
    )
    assert (half_done(reducer, Turn(0, 2)), half_done(reducer, Turn(0, 3))) == ("", "")
