"""The state of a run: the order of its commands, what is known of each, and the words for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct

from lilfox_tui.core.i18n import _
from lilfox_tui.runbook.model import Command, Kind, Runbook, Step

# In which order the commands of a runbook are run, and where.


HERE = "local"
"""The host word for this machine."""
EACH = "each"
"""The host word for the hosts of the run, one after the other: all commands of a step that have it are done on one
before the next one's turn."""


class Turn(Struct, frozen=True):
    """The unit of a run: one command of a step on its hosts. ``command`` None: a step that is done by hand, because it
    has no commands, or only ones that no run starts."""

    step: int
    command: int | None
    hosts: tuple[str, ...] = ()


def word_of(command: Command, runbook: Runbook) -> str:
    """Return the host word of the command, else of the runbook, else this machine."""
    return command.attributes.host or runbook.hosts or HERE


def named_host(command: Command, runbook: Runbook) -> str | None:
    """Return the name of the variable that names the command's host; None if there is none."""
    word = word_of(command, runbook)
    return word[1:-1] if word.startswith("<") and word.endswith(">") else None


def hosts_of(
    command: Command, runbook: Runbook, hosts: Mapping[str, tuple[str, ...]], values: Mapping[str, str]
) -> tuple[str, ...]:
    """Return the names of the hosts where the command runs: ``hosts`` resolves each word, ``values`` those that a
    variable names. Empty if that is not known yet."""
    if (name := named_host(command, runbook)) is not None:
        return (values[name],) if name in values else ()
    return hosts.get(word_of(command, runbook), ())


def asks(command: Command) -> bool:
    """Return whether the user must confirm the command before it runs. ``confirm: none`` lets a change run without
    confirmation, except one that destroys something, and one that its fence wrongly calls ``read``."""
    attributes = command.attributes
    if attributes.risk == "destroy" or (command.kind == "change" and attributes.risk == "read"):
        return True
    return attributes.confirm != "none" if attributes.confirm else command.kind == "change"


def runnable(command: Command) -> bool:
    """Return whether the command has its own turn: it is not display-only, a rollback, or excluded from running all."""
    attributes = command.attributes
    return command.kind != "none" and attributes.rollback_of is None and not attributes.exclude_from_run_all


def excluded(step: Step) -> list[Command]:
    """Return the commands of a step that no run starts."""
    commands = (command for command in step.commands if command.attributes.rollback_of is None)
    return [command for command in commands if command.kind != "none" and command.attributes.exclude_from_run_all]


def turns(runbook: Runbook, hosts: Mapping[str, tuple[str, ...]], values: Mapping[str, str]) -> Iterator[Turn]:
    """Yield all turns in order, with the hosts known so far (``hosts_of``)."""
    for number, step in enumerate(runbook.steps):
        commands = [at for at, command in enumerate(step.commands) if runnable(command)]
        if all(command.kind == "none" for command in step.commands) or (not commands and excluded(step)):
            yield Turn(number, None)
        while commands:
            block = _leading(step, commands)
            if step.commands[block[0]].attributes.host == EACH:
                for host in hosts.get(EACH, ()):
                    yield from (Turn(number, at, (host,)) for at in block)
            else:
                for at in block:
                    yield Turn(number, at, hosts_of(step.commands[at], runbook, hosts, values))
            commands = commands[len(block) :]


def _leading(step: Step, commands: list[int]) -> list[int]:
    """Return the leading commands that all run on each host in turn, or all do not."""
    each = step.commands[commands[0]].attributes.host == EACH
    for number, at in enumerate(commands):
        if (step.commands[at].attributes.host == EACH) is not each:
            return commands[:number]
    return commands


def rollbacks(runbook: Runbook) -> dict[str, list[tuple[int, int]]]:
    """Map the name of a fence to step and number of the commands that roll it back."""
    found: dict[str, list[tuple[int, int]]] = {}
    for step, each in enumerate(runbook.steps):
        for number, command in enumerate(each.commands):
            if command.attributes.rollback_of is not None:
                found.setdefault(command.attributes.rollback_of, []).append((step, number))
    return found


# What is known of a run now; ``reducer.py`` makes it from facts. Times are aware UTC.


State = Literal["ready", "running", "done", "failed", "unknown", "skipped", "undone"]
"""Of a command, and of a step. ``unknown``: it was begun, and nobody knows how it ended; look at the host.
``undone``: it was done, and was taken back, if only on one of its hosts."""
Asked = Literal["nothing", "order", "confirm", "value", "terminal", "hand", "decision", "end"]
"""What the run waits for. ``nothing``: a command runs. ``order``: the next command only reads. ``confirm``: it changes.
``value``: it needs values. ``terminal``: it needs one, of the face. ``hand``: a step without commands. ``decision``:
the last command failed or is unknown. ``end``: all is done, skipped or undone."""


class CommandResult(Struct, frozen=True, kw_only=True):
    """The last attempt of a command on one host."""

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
    unchanged: bool = False
    """It says that it changed nothing."""


class CommandState(Struct, frozen=True, kw_only=True):
    """The state of a command: its result on each host where it was started, in that order."""

    state: State
    hosts: tuple[str, ...]
    """Where it is to run; empty where that is not known yet (a variable says it)."""
    results: tuple[CommandResult, ...] = ()
    reason: str = ""
    """Why it was skipped."""


class StepState(Struct, frozen=True, kw_only=True):
    """The state of a step: ``done`` when all of its commands are, or were skipped; ``undone`` if one of them was rolled
    back."""

    state: State
    commands: tuple[CommandState, ...]
    reason: str = ""


class WaitingFor(Struct, frozen=True, kw_only=True):
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
    waiting: WaitingFor
    values: dict[str, str]
    """Of those that are not secret."""
    secrets: frozenset[str]
    """Names of secret ones that the job has."""
    changes: tuple[CommandResult, ...]
    """Done, and not taken back, in the order in which they were begun: what is otherwise than before."""
    undoable: tuple[str, ...]
    """``run`` of those among them for which the runbook has a rollback, the last one first: what Undo would do."""
    incident: str = ""
    resumes: str = ""
    runs_all: bool = False
    """It goes on by itself, and asks nobody."""


def in_force(result: CommandResult) -> bool:
    """Whether the command made a change that still applies."""
    return result.state == "done" and result.kind == "change" and not result.rollback and not result.unchanged


def together(states: Collection[State]) -> State:
    """Return the state of a step with turns in these states."""
    for state in ("running", "unknown", "failed", "ready", "undone"):
        if state in states:
            return state
    return next(iter(states)) if len(set(states)) == 1 else "done"


# Words of runs, in the reader's language.


def kind_text(kind: str) -> str:
    """Return what a kind of command does, in words."""
    return {
        "read": _("reads"),
        "change": _("makes changes"),
        "follow": _("follows output"),
        "interactive": _("needs a terminal"),
        "none": _("display only"),
    }[kind]


def excluded_text() -> str:
    """Return what is to be done with the commands of a step that no run starts, in words."""
    return _("no run starts these commands (excludeFromRunAll): run them yourself")


def state_text(state: str) -> str:
    """Return the state of a command or step, in words."""
    return {
        "ready": _("not run"),
        "running": _("running"),
        "done": _("done"),
        "failed": _("failed"),
        "unknown": _("unknown"),
        "skipped": _("skipped"),
        "undone": _("undone"),
    }[state]
