"""The model of a job: its request, events, state and outcome, and what can go wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _

# What is known of a job: an effect that runs in a process of its own, told by the events that it writes.
#
# A job is a folder ``jobs/ID`` of the state folder with ``request.json`` (what was asked; no secret), ``events.jsonl``
# (what happened, one event a line) and ``output.log`` (what its programs said). The process may outlive who started
# it; whoever reads the folder knows as much as they do.


JobState = Literal["running", "ok", "partly", "failed", "cancelled", "unknown"]
"""``partly``: some of it was done (exit code 3). ``unknown``: its process is gone and left no result."""
Level = Literal["note", "good", "warning", "bad"]


class JobRequest(Struct, frozen=True, kw_only=True):
    """The effect that a job runs, and its arguments. ``entry`` is ``package.module:function`` of this package, an
    ``Effect``."""

    entry: str
    kind: str
    """What it is in one word, for lists: ``backup``, ``restore``, ``drill``."""
    title: str
    """In the language of the one who asks."""
    key: str
    """What it acts on (``backup lilfox``); of two jobs with the same key the second does not begin."""
    arguments: dict[str, Any] = field(name="wanted")
    """The effect's own arguments, as JSON; paths are absolute. Secrets are references here, never values."""


class Progress(Struct, frozen=True):
    """The progress of one part. The rate is in bytes per second over the last seconds; unknown values are None."""

    part: str
    done_bytes: int
    total_bytes: int | None = None
    rate: float | None = None
    remaining_s: float | None = None

    def current(self, *, ended: bool) -> Progress:
        """The progress as it is now: without rate and remaining time if the part is complete, or the job has
        ``ended``."""
        moves = not ended and self.done_bytes != self.total_bytes
        return self if moves else replace(self, rate=None, remaining_s=None)


class Began(Struct, frozen=True, tag="began", tag_field="event"):
    """The process is running. ``started`` is its kernel start time (clock ticks since boot) and ``boot`` the kernel's
    id of that boot; together they detect a reused pid."""

    at: datetime
    pid: int
    started: int
    boot: str
    host: str
    user: str


class Intent(Struct, frozen=True, tag="intent", tag_field="event"):
    """A change about to be made, written to disk before it is made (write-ahead)."""

    at: datetime
    text: str


class StepDone(Struct, frozen=True, tag="done", tag_field="event"):
    """The last intent has ended: it succeeded, or ``worked`` is false and ``text`` says why it did not."""

    at: datetime
    text: str
    worked: bool = True


class ProgressMade(Struct, frozen=True, tag="moved", tag_field="event"):
    """Progress, a few times a second at most."""

    at: datetime
    progress: Progress


class MessageLogged(Struct, frozen=True, tag="said", tag_field="event"):
    """A line for the user; untrusted text."""

    at: datetime
    text: str
    level: Level = "note"


class JobFact(Struct, frozen=True, tag="fact", tag_field="event"):
    """A fact in the terms of the effect's own kind: readers that know the kind use it, all others skip it."""

    at: datetime
    name: str
    value: dict[str, Any]


class Ended(Struct, frozen=True, tag="ended", tag_field="event"):
    """The last event: the result in a sentence, and what to do now."""

    at: datetime
    state: JobState
    message: str
    hint: str = ""
    exit_code: int = 0
    result: dict[str, Any] = {}
    """The effect's own result, as JSON."""


Event: TypeAlias = Began | Intent | StepDone | ProgressMade | MessageLogged | JobFact | Ended


class Job(Struct, frozen=True, kw_only=True):
    """The current state of a job, as recorded in its folder."""

    id: str
    kind: str
    title: str
    key: str
    folder: str
    state: JobState
    started: datetime
    ended: datetime | None = None
    pid: int | None = None
    host: str = ""
    user: str = ""
    message: str = ""
    hint: str = ""
    exit_code: int | None = None
    progress: tuple[Progress, ...] = ()
    """The newest of each part, in the order in which they began; only what still moves has a rate."""
    result: dict[str, Any] = {}
    checked: bool = False
    """Of an unknown one: somebody looked what it left (``lilfox jobs checked ID``)."""


# What can go wrong with jobs.


class LockHolder(Struct, frozen=True):
    """The job that holds a key, as it recorded itself when it took the key. Its text is untrusted; the time is aware
    UTC."""

    id: str
    user: str
    host: str
    since: datetime


class JobError(LilFoxError):
    """A job could not be started, found or cancelled."""


class KeyHeld(JobError):
    """Another job with the same key is running. ``holder`` is None if it has not recorded itself."""

    def __init__(self, message: Message | str, hint: Message | str = "", *, holder: LockHolder | None) -> None:
        super().__init__(message, hint)
        self.holder = holder


class NoSuchJob(JobError):
    """No job has this id, or several ids end in it."""

    exit_code = 2


# How a job's state is said to people.


def state_text(state: str) -> str:
    """The state of a job in the user's language; an unknown one unchanged."""
    return {
        "running": _("running"),
        "ok": _("ok"),
        "partly": _("partly done"),
        "failed": _("failed"),
        "cancelled": _("cancelled"),
        "unknown": _("unknown"),
    }.get(state, state)


# What an effect has in its hands while it runs as a job.


class Outcome(Struct, frozen=True):
    """The outcome of an effect that was not cancelled; if it raised an error, ``failed`` with that error's exit
    code."""

    state: JobState
    message: str
    hint: str = ""
    exit_code: int = 0
    result: dict[str, Any] = {}


class Run(Protocol):
    """The interface through which a job's effect reports progress. Cancelling the job cancels the effect's task; the
    job ends after the effect's own clean-up."""

    id: str
    folder: Path
    """Its own, where it may keep files; they go with the job."""

    def intent(self, text: str, *, sync: bool = True) -> None:
        """Writes the intended change to disk (fsync); without ``sync`` it is on disk after the next synced write.
        Raises LilFoxError if that fails: the change must then not be made."""
        ...

    def done(self, text: str, *, worked: bool = True, sync: bool = True) -> None:
        """Records that the last intent has succeeded or failed (fsync as in :meth:`intent`)."""
        ...

    def say(self, text: str, level: Level = "note") -> None:
        """Logs a line for the user."""
        ...

    def moved(self, part: str, done_bytes: int, total_bytes: int | None = None) -> None:
        """Reports the progress of ``part``; call it as often as you like, only few of the calls are written."""
        ...

    def fact(self, name: str, value: dict[str, Any], *, sync: bool = False) -> None:
        """Records a :class:`JobFact`, its texts masked like all others; with ``sync`` it is on disk afterwards. Raises
        LilFoxError if it cannot be written: steps that depend on it must then not be taken."""
        ...


Effect = Callable[[Run, dict[str, Any]], Awaitable[Outcome]]
"""``async def effect(run, wanted) -> Outcome``, named by ``JobRequest.entry``; raises LilFoxError."""
