"""What is known of a run now; ``session.py`` makes it from facts. Times are aware UTC."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Literal

from msgspec import Struct

from lilfox_tui.runbook.model import Kind, Runbook
from lilfox_tui.runbook.turns import Turn

State = Literal["ready", "running", "done", "failed", "unknown", "skipped", "undone"]
"""Of a command, and of a step. ``unknown``: it was begun, and nobody knows how it ended; look at the host.
``undone``: it was done, and was taken back, if only on one of its hosts."""
Asked = Literal["nothing", "order", "confirm", "value", "terminal", "hand", "decision", "end"]
"""What the run waits for. ``nothing``: a command runs. ``order``: the next command only reads. ``confirm``: it changes.
``value``: it needs values. ``terminal``: it needs one, of the face. ``hand``: a step without commands. ``decision``:
the last command failed or is unknown. ``end``: all is done, skipped or undone."""


class Result(Struct, frozen=True, kw_only=True):
    """A command on one host: the last time that it was tried."""

    host: str
    run: str
    kind: Kind
    state: State
    shown: str
    by: str
    began: datetime
    ended: datetime | None = None
    exit_status: int | None = None
    message: str = ""
    stopped: bool = False
    size_bytes: int = 0
    lines: int = 0
    left_out_bytes: int = 0
    uncounted: bool = False
    """It printed more than these say."""
    link_lost: str = ""
    """Why the way to the host is gone now, while the command runs there."""
    rollback: bool = False
    undoes: tuple[str, ...] = ()
    """``run`` of those that are taken back when it is done."""
    undone_by: str = ""
    """The ``run`` that took it back."""
    attempts: int = 1


class CommandState(Struct, frozen=True, kw_only=True):
    """A command: what became of it on each host where it was begun, in the order of their beginning."""

    state: State
    hosts: tuple[str, ...]
    """Where it is to run; empty where that is not known yet (a variable says it)."""
    results: tuple[Result, ...] = ()
    reason: str = ""
    """Why it was skipped."""


class StepState(Struct, frozen=True, kw_only=True):
    """``done`` when all of its commands are, or were skipped; ``undone`` where one of them was taken back."""

    state: State
    commands: tuple[CommandState, ...]
    reason: str = ""


class Waiting(Struct, frozen=True, kw_only=True):
    what: Asked
    turn: Turn | None = None
    """Which command it is about."""
    names: tuple[str, ...] = ()
    """Of the values that are needed."""


class RunState(Struct, frozen=True, kw_only=True):
    """The whole run."""

    runbook: Runbook
    sha256: str
    """Of the file as it was confirmed last."""
    hosts: dict[str, tuple[str, ...]]
    steps: tuple[StepState, ...]
    waiting: Waiting
    values: dict[str, str]
    """Of those that are not secret."""
    secrets: frozenset[str]
    """Names of secret ones that the job has."""
    changes: tuple[Result, ...]
    """Done, and not taken back, in the order in which they were begun: what is otherwise than before."""
    undoable: tuple[str, ...]
    """``run`` of those among them for which the runbook has a rollback, the last one first: what Undo would do."""
    incident: str = ""
    resumes: str = ""
    runs_all: bool = False
    """It goes on by itself, and asks nobody."""


def in_force(result: Result) -> bool:
    """Whether something is otherwise by it than before."""
    return result.state == "done" and result.kind == "change" and not result.rollback


def together(states: Collection[State]) -> State:
    """What a step is whose turns are these."""
    for state in ("running", "unknown", "failed", "ready", "undone"):
        if state in states:
            return state
    return next(iter(states)) if len(set(states)) == 1 else "done"
