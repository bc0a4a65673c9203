"""What the job of a run tells, fact after fact: all that is known of a run is folded from them (``session.py``).

A fact that says what is about to run is on the disk before it runs. Texts are masked as everything in a job's events
is; secret values are in none of them, only their names. Times are aware UTC, and stay when a run is resumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec
from msgspec import Struct

from lilfox_tui.jobs.model import Event
from lilfox_tui.jobs.model import Fact as JobFact
from lilfox_tui.runbook.faces import Face, this_face
from lilfox_tui.runbook.model import Kind

EndState = Literal["done", "failed", "unknown", "not begun"]
"""How a command ended on a host. ``unknown``: it was begun, and nobody knows how it ended. ``not begun``: it is certain
that it did not run."""


class Opened(Struct, frozen=True, kw_only=True, tag="opened", tag_field="fact"):
    """The run began: of which runbook, as it was read."""

    at: datetime
    run: str
    """The job's id."""
    runbook: str
    """Its id."""
    title: str
    path: str
    sha256: str
    hosts: dict[str, tuple[str, ...]]
    """What the host words of its commands mean: ``web*`` → names of hosts, in their order (``targets.py``)."""
    by: str
    incident: str = ""
    resumes: str = ""
    """The run (job) that it goes on with: its facts follow, then :class:`Resumed`."""


class Resumed(Struct, frozen=True, kw_only=True, tag="resumed", tag_field="fact"):
    """All facts of the run that it goes on with stand before this one. Secret values are known no more."""

    at: datetime
    run: str
    hosts: dict[str, tuple[str, ...]]
    """As in :class:`Opened`: of the configuration now."""


class ReadAgain(Struct, frozen=True, kw_only=True, tag="read again", tag_field="fact"):
    """The file was changed since it was read, and somebody confirmed what it says now."""

    at: datetime
    sha256: str
    moved: tuple[tuple[int, int, int, int], ...]
    """Of each command that is in both: its step and number before, its step and number now."""
    hosts: dict[str, tuple[str, ...]]
    by: str


class Stays(Struct, frozen=True, kw_only=True, tag="stays", tag_field="fact"):
    """Somebody said that the run goes on with the text that it has, whatever its file says from now on."""

    at: datetime
    sha256: str
    by: str


class Valued(Struct, frozen=True, kw_only=True, tag="values", tag_field="fact"):
    """Values were given, or captured from the output of ``run``."""

    at: datetime
    values: dict[str, str]
    secret: tuple[str, ...] = ()
    """Names of those that are secret: only the job has them, and a resumed one asks anew."""
    run: str = ""
    host: str = ""
    """They are this host's own: its output held them, and the same command ran on others."""


class CommandBegan(Struct, frozen=True, kw_only=True, tag="began", tag_field="fact"):
    """On the disk before the command runs on the host. Commands count from 0 in their step, steps in their runbook."""

    at: datetime
    run: str
    """The command's id: of one command on one host, once."""
    step: int
    command: int
    host: str
    kind: Kind
    shown: str
    """As it runs, its values written in, secrets masked."""
    by: str
    rollback: bool = False
    """It is of a fence that takes another one back."""
    undoes: tuple[str, ...] = ()
    """``run`` of those that are taken back when it is done."""


class Printed(Struct, frozen=True, kw_only=True, tag="printed", tag_field="fact"):
    """So much a running command has printed; told twice a second at most."""

    run: str
    size_bytes: int
    lines: int


class LinkLost(Struct, frozen=True, kw_only=True, tag="link lost", tag_field="fact"):
    """The way to the host went while the command runs there; it is waited for. ``reason`` is empty once it is back."""

    at: datetime
    run: str
    reason: str


class CommandEnded(Struct, frozen=True, kw_only=True, tag="ended", tag_field="fact"):
    at: datetime
    run: str
    state: EndState
    message: str
    """Why it failed or is unknown; empty when all is said by the state."""
    exit_status: int | None = None
    stopped: bool = False
    """We ended it: somebody asked, or its time was over."""
    size_bytes: int = 0
    """Of all that it printed, as far as that is known."""
    lines: int = 0
    left_out_bytes: int = 0
    """Of the middle: what is kept (``output.py``) has its head and its tail."""
    uncounted: bool = False
    """There was more in the middle than these three say: the host has left it out."""


class RunsAll(Struct, frozen=True, kw_only=True, tag="runs all", tag_field="fact"):
    """From now on it asks nobody, until its end."""

    at: datetime
    by: str


class Skipped(Struct, frozen=True, kw_only=True, tag="skipped", tag_field="fact"):
    """``command`` None: all of the step that has not been done."""

    at: datetime
    step: int
    command: int | None
    reason: str
    by: str


class DoneByHand(Struct, frozen=True, kw_only=True, tag="by hand", tag_field="fact"):
    """A step without commands: somebody says that it is done."""

    at: datetime
    step: int
    by: str


class Acts(Struct, frozen=True, kw_only=True, tag="acts", tag_field="fact"):
    """From now on this face orders, and no other one; without one it has left, and who orders next acts."""

    at: datetime
    face: Face | None = None
    before: str = ""
    """Who acted before, for people."""

    @property
    def last(self) -> str:
        """Who acts, or acted last."""
        return self.before if self.face is None else self.face.who

    @property
    def other(self) -> str:
        """Who acts instead of the face that asks; empty where that one may."""
        return "" if self.face is None or self.face.process == this_face().process else self.face.who


RunFact: TypeAlias = (
    Opened | Resumed | ReadAgain | Stays | Valued | CommandBegan | Printed | LinkLost | CommandEnded | RunsAll | Skipped
    | DoneByHand | Acts
)  # fmt: skip


def told(fact: RunFact) -> tuple[str, dict[str, Any]]:
    """Name and value of the job's fact that tells it."""
    value: dict[str, Any] = msgspec.to_builtins(fact)
    return value.pop("fact"), value


def heard(events: Iterable[Event]) -> Iterator[RunFact]:
    """The facts among a job's events; what is none of these is passed over."""
    for event in events:
        if isinstance(event, JobFact):
            try:
                yield msgspec.convert({"fact": event.name, **event.value}, RunFact)
            except msgspec.ValidationError:
                continue
