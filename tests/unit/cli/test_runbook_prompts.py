"""What ``lilfox runbook run`` asks at a terminal before it orders something."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.app.panes.runbook.dialogs import hand_rows
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.cli import runbook_console
from lilfox_tui.cli.runbook_console import RunPrompts
from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.core.i18n import Message
from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.run.protocol import ByHand, Order, RunbookPinned, RunFact, RunOne, Undo
from lilfox_tui.runbook.run.reducer import RunReducer
from tests.unit.runbook.made import AT, began, command, ended, opened, runbook


class Answers:
    """Somebody at the terminal who gives these answers, and then leaves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[str] = []
        self._left: list[str] = []
        monkeypatch.setattr(runbook_console, "asked_line", self._answer)

    async def _answer(self, question: Message) -> str | None:
        self.asked.append(str(question))
        return self._left.pop(0) if self._left else None

    async def given(self, made: Runbook, facts: list[RunFact], *answers: str) -> Order | None:
        """The order that comes of these answers."""
        self._left = list(answers)
        reducer = RunReducer(made)
        pinned = RunbookPinned(at=AT, sha256=made.sha256, by="fox@den")
        reducer.take([opened({"local": ("here",)}), pinned, *facts])
        return await RunPrompts(Config(hosts={"here": HostConfig(local=True)}), Path(), {}).answer(
            reducer, reducer.waiting()
        )


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    return Answers(monkeypatch)


DESTROYS = runbook((command("rm -rf x", "change", risk="destroy", confirm="none"),))
AT_TERMINAL = runbook((command("fdisk /dev/sdb", "interactive", risk="destroy"),))
UNDOES = runbook(
    (
        command("make", "change", name="make"),
        command("rm -rf made", "change", rollback_of="make", risk="destroy"),
        command("more", "change"),
    )
)
MADE: list[RunFact] = [began("1", 0, 0), ended("1")]


@pytest.mark.fault("4.7")
@pytest.mark.parametrize("facts", [[], [began("1", 0, 0), ended("1", "failed")]])
async def test_what_destroys_runs_once_its_host_is_typed_also_when_it_is_tried_again(
    answers: Answers, facts: list[RunFact]
) -> None:
    first = ["r"] if facts else []
    assert await answers.given(DESTROYS, facts, *first, "y") is None
    assert any("type here" in each for each in answers.asked)
    order = await answers.given(DESTROYS, facts, *first, "here")
    assert isinstance(order, RunOne)
    assert order.seen


@pytest.mark.fault("4.7")
async def test_what_destroys_from_a_terminal_runs_once_its_host_is_typed(answers: Answers) -> None:
    assert await answers.given(AT_TERMINAL, [], "y") is None
    assert any("type here" in each for each in answers.asked)


@pytest.mark.fault("4.7")
@pytest.mark.parametrize("facts", [MADE, [began("1", 0, 0), ended("1", "failed")]])
async def test_an_undo_that_destroys_runs_once_its_host_is_typed(answers: Answers, facts: list[RunFact]) -> None:
    first = "u" if facts is MADE else "b"
    assert await answers.given(UNDOES, facts, first, "y") is None
    assert any("type here" in each for each in answers.asked)
    assert isinstance(await answers.given(UNDOES, facts, first, "here"), Undo)


async def test_the_commands_that_no_run_starts_are_shown_to_who_does_them_by_hand(
    answers: Answers, capsys: pytest.CaptureFixture[str]
) -> None:
    made = runbook((command("reboot", "change", exclude_from_run_all=True),))
    assert isinstance(await answers.given(made, [], "y"), ByHand)
    said = capsys.readouterr().out
    assert said.split("\n")[1:3] == [
        "   no run starts these commands (excludeFromRunAll): run them yourself",
        "     reboot",
    ]
    rows = ["".join(piece.text for piece in row).strip() for row in hand_rows(made.steps[0], UNICODE)]
    assert rows == ["no run starts these commands (excludeFromRunAll): run them yourself", "reboot"]
