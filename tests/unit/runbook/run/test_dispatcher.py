"""How a run says that it ended."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest
from msgspec.structs import replace

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import in_language, tr
from lilfox_tui.runbook.run import dispatcher
from lilfox_tui.runbook.run.dispatcher import OrderDispatcher, RunOwnership, ending_at_terminal, outcome_of
from lilfox_tui.runbook.run.protocol import CommandSkipped, EndState, RunFact
from lilfox_tui.runbook.run.reducer import RunReducer
from lilfox_tui.runbook.run.runner import Runner
from tests.unit.runbook.made import AT, began, command, ended, opened, runbook


def reducer() -> RunReducer:
    made = RunReducer(
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
    run = reducer()
    run.take([began("r1", 0, 0), ended("r1"), began("r2", 1, 0, kind="read"), ended("r2")])
    assert outcome_of(run).exit_code == 0
    run.take([began("r3", 0, 1, rollback=True, undoes=("r1",)), ended("r3", end, "no answer")])
    outcome = outcome_of(run)
    assert (outcome.state, outcome.exit_code) == (state, code)
    assert ("no answer" in outcome.message) is (end != "done")


def test_what_a_change_did_before_it_failed_is_not_said_to_be_nothing() -> None:
    run = reducer()
    run.take([began("r1", 0, 0), ended("r1", "failed")])
    assert "may have changed something: check " in outcome_of(run).hint
    run = reducer()
    run.take([began("r1", 0, 0), replace(ended("r1", "not begun"), exit_status=None)])
    assert outcome_of(run).hint == ""
    run = reducer()
    run.take([began("r1", 0, 0), ended("r1"), began("r2", 1, 0, kind="read"), ended("r2", "failed")])
    assert "may have changed something: check " not in outcome_of(run).hint


MADE: list[RunFact] = [began("r1", 0, 0), ended("r1")]
LOOKED: list[RunFact] = [began("r2", 1, 0, kind="read"), ended("r2")]
UNMADE: list[RunFact] = [began("r3", 0, 1, rollback=True, undoes=("r1",)), ended("r3")]
PASSED: list[RunFact] = [CommandSkipped(at=AT, step=1, command=0, reason="no", by="fox@den")]


@pytest.mark.parametrize(
    ("facts", "aborted", "state", "code", "hint"),
    [
        ([*MADE, *LOOKED], False, "ok", 0, False),
        (MADE, False, "partly", 3, True),
        ([], False, "cancelled", 130, False),
        ([*MADE, *LOOKED], True, "partly", 3, True),
        ([*MADE, *UNMADE, *LOOKED], True, "cancelled", 130, False),
        ([*MADE, *UNMADE, *LOOKED], False, "failed", 1, False),
        ([*MADE, *PASSED], False, "partly", 3, False),
    ],
)
def test_it_is_ok_only_where_all_is_done_and_stands(
    facts: list[RunFact], aborted: bool, state: str, code: int, hint: bool
) -> None:
    run = reducer()
    run.take(facts)
    outcome = outcome_of(run, aborted=aborted)
    assert (outcome.state, outcome.exit_code) == (state, code)
    assert ("can undo some of them" in outcome.hint) is hint
    assert outcome.result["changes_in_force"] == len(run.changes())


def test_what_nobody_takes_back_by_a_runbook_is_not_said_to_be_taken_back_by_it() -> None:
    run = RunReducer(runbook((command("make", "change"), command("look"))))
    run.take([opened({"": ("here",)}), *MADE])
    assert outcome_of(run).hint.startswith("changes in force: 1")
    assert "can undo some of them" not in outcome_of(run).hint


def test_why_the_run_itself_failed_comes_before_what_failed_in_it() -> None:
    failure = LilFoxError(tr("the configuration is gone"), tr("put it back"))
    run = reducer()
    assert (outcome_of(run, failure=failure).state, outcome_of(run, failure=failure).exit_code) == ("failed", 1)
    run.take([*MADE, began("r2", 1, 0, kind="read"), ended("r2", "failed", "refused")])
    outcome = outcome_of(run, failure=failure)
    assert (outcome.state, outcome.exit_code) == ("partly", 3)
    assert (outcome.message, outcome.hint) == ("the configuration is gone", "put it back")


def test_a_look_that_failed_before_its_check_worked_is_no_failure() -> None:
    run = RunReducer(runbook((command("look"), command("curl", check=True))))
    run.take([opened({"": ("here",), "local": ("here",)})])
    run.take([began("1", 0, 0, kind="read"), ended("1", "failed"), began("2", 0, 1, kind="read"), ended("2")])
    assert (outcome_of(run).state, outcome_of(run).exit_code) == ("ok", 0)


async def never_ends() -> None:
    await asyncio.Event().wait()


async def test_where_nothing_is_recorded_as_running_nobody_is_said_to_run_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "_ENDS_S", 0.01)
    runner = SimpleNamespace(record=None, reducer=reducer(), fault=None)
    made = OrderDispatcher(cast("Runner", runner), cast("RunOwnership", None))
    made._busy = asyncio.create_task(never_ends())
    with pytest.raises(LilFoxError, match="busy: the previous order has not finished yet"):
        await made._free()
    made._busy.cancel()


@pytest.mark.parametrize(
    ("status", "worked", "english", "chinese"),
    [
        (0, True, "", ""),
        (0, False, "ann reports that it did not work", "ann 报告没有成功"),
        (1, False, "it exited with status 1", "退出码为 1"),
        (1, True, "it exited with status 1, but ann reports that it worked", "退出码为 1，但 ann 报告已成功"),
    ],
)
def test_how_a_program_in_a_terminal_ended_is_one_sentence(
    status: int, worked: bool, english: str, chinese: str
) -> None:
    assert ending_at_terminal(status, "ann", worked=worked) == english
    with in_language("zh_CN"):
        assert ending_at_terminal(status, "ann", worked=worked) == chinese
