"""A run as its facts tell it now. Pure: a face folds what it hears of the job, the job folds what it tells.

folding = Folding(runbook)
folding.take(heard(events))
folding.state().waiting
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from msgspec import Struct

from lilfox_tui.runbook.facts import RunFact
from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.turns import Turn

State = Literal["ready", "running", "done", "failed", "unknown", "skipped", "undone"]
"""Of a command, and of a step. ``unknown``: it was begun, and nobody knows how it ended; look at the host."""
Asked = Literal["nothing", "order", "confirm", "value", "terminal", "hand", "decision", "end"]
"""What the run waits for. ``nothing``: a command runs. ``order``: the next command only reads. ``confirm``: it changes.
``value``: it needs values. ``terminal``: it needs one, of the face. ``hand``: a step without commands. ``decision``:
the last command failed or is unknown. ``end``: all is done, skipped or undone."""


class Result(Struct, frozen=True, kw_only=True):
    """A command on one host: the last time that it was tried."""

    host: str
    run: str
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
    link_lost: str = ""
    """Why the way to the host is gone now, while the command runs there."""
    undone_by: str = ""
    """The ``run`` that took it back, or tried to."""
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
    """``done`` when all of its commands are, or were skipped or undone."""

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


class Folding:
    """Takes facts in their order. ``runbook`` is that of the run; after ReadAgain ``read_again`` takes the new one."""

    def __init__(self, runbook: Runbook) -> None:
        raise NotImplementedError

    def take(self, facts: Iterable[RunFact]) -> None:
        """The next facts."""
        raise NotImplementedError

    def read_again(self, runbook: Runbook) -> None:
        """The runbook as ReadAgain's ``sha256`` has it."""
        raise NotImplementedError

    def state(self) -> RunState:
        """The run now."""
        raise NotImplementedError


def fold(runbook: Runbook, facts: Iterable[RunFact]) -> RunState:
    """The run that ``facts`` tell."""
    folding = Folding(runbook)
    folding.take(facts)
    return folding.state()
