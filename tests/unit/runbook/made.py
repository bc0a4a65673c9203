"""Runbooks without a file, and what a run of one tells."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lilfox_tui.runbook.bash.placeholders import placeholders_of
from lilfox_tui.runbook.model import Attributes, Command, Kind, Runbook, Step, Variable
from lilfox_tui.runbook.run.protocol import CommandBegan, CommandEnded, EndState, RunOpened

AT = datetime(2023, 12, 30, 2, 0, tzinfo=UTC)


def command(text: str, kind: Kind = "read", *, fence: int = 0, **attributes: Any) -> Command:
    """A command of a bash fence."""
    return Command(
        text=text,
        kind=kind,
        language="bash",
        placeholders=placeholders_of(text),
        fence=fence,
        attributes=Attributes(**attributes),
    )


def runbook(*steps: tuple[Command, ...], hosts: str = "", variables: tuple[Variable, ...] = ()) -> Runbook:
    """One whose steps have these commands."""
    return Runbook(
        id="made",
        title="Made",
        path="/made.md",
        line=1,
        sha256="0" * 64,
        steps=tuple(Step(title=f"Step {number + 1}", commands=each) for number, each in enumerate(steps)),
        hosts=hosts,
        variables=variables,
    )


def opened(hosts: dict[str, tuple[str, ...]], run: str = "1", resumes: str = "") -> RunOpened:
    """How a run of it begins."""
    return RunOpened(
        at=AT, run=run, runbook="made", title="Made", path="/made.md", sha256="0" * 64, hosts=hosts, by="fox@den",
        resumes=resumes,
    )  # fmt: skip


def began(run: str, step: int, number: int, host: str = "here", kind: Kind = "change", **more: Any) -> CommandBegan:
    """A command began."""
    return CommandBegan(
        at=AT, run=run, step=step, command=number, host=host, kind=kind, shown=run, by="fox@den", **more
    )


def ended(run: str, state: EndState = "done", message: str = "") -> CommandEnded:
    """It ended."""
    return CommandEnded(at=AT, run=run, state=state, message=message, exit_status=0 if state == "done" else 1)
