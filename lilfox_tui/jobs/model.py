"""What is known of a job: an effect that runs in a process of its own, told by the events that it writes.

A job is a folder ``jobs/ID`` of the state folder with ``request.json`` (what was asked; no secret), ``events.jsonl``
(what happened, one event a line) and ``output.log`` (what its programs said). The process may outlive who started
it; whoever reads the folder knows as much as they do.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeAlias

from msgspec import Struct

JobState = Literal["running", "ok", "partly", "failed", "cancelled", "unknown"]
"""``partly``: some of it was done (exit code 3). ``unknown``: its process is gone and left no result."""
Level = Literal["note", "good", "warning", "bad"]


class Request(Struct, frozen=True, kw_only=True):
    """What is to be done. ``entry`` is ``package.module:function`` of this package, an ``Effect`` (``run.py``)."""

    entry: str
    kind: str
    """What it is in one word, for lists: ``backup``, ``restore``, ``drill``."""
    title: str
    """In the language of the one who asks."""
    key: str
    """What it acts on (``backup lilfox``); of two jobs with the same key the second does not begin."""
    wanted: dict[str, Any]
    """The effect's own arguments, as JSON; paths are absolute. Secrets are references here, never values."""


class Progress(Struct, frozen=True):
    """How far one part is. Rate in bytes a second over the last seconds; what is not known is None."""

    part: str
    done_bytes: int
    total_bytes: int | None = None
    rate: float | None = None
    remaining_s: float | None = None


class Began(Struct, frozen=True, tag="began", tag_field="event"):
    """The process runs. ``started`` is the kernel's start time of it (clock ticks since boot) and ``boot`` the kernel's
    id of that boot, by which a reused pid is told from it."""

    at: datetime
    pid: int
    started: int
    boot: str
    host: str
    user: str


class Intent(Struct, frozen=True, tag="intent", tag_field="event"):
    """On the disk before the effect is: what is about to be changed."""

    at: datetime
    text: str


class Done(Struct, frozen=True, tag="done", tag_field="event"):
    """The last intent has ended: it came true, or ``worked`` is false and ``text`` says why it did not."""

    at: datetime
    text: str
    worked: bool = True


class Moved(Struct, frozen=True, tag="moved", tag_field="event"):
    """Progress, a few times a second at most."""

    at: datetime
    progress: Progress


class Said(Struct, frozen=True, tag="said", tag_field="event"):
    """A line for the one who watches; untrusted text."""

    at: datetime
    text: str
    level: Level = "note"


class Fact(Struct, frozen=True, tag="fact", tag_field="event"):
    """What an effect tells in words of its own kind: who knows that kind reads it, everybody else passes over it."""

    at: datetime
    name: str
    value: dict[str, Any]


class Ended(Struct, frozen=True, tag="ended", tag_field="event"):
    """The last line: how it ended, in a sentence, and what to do now."""

    at: datetime
    state: JobState
    message: str
    hint: str = ""
    exit_code: int = 0
    result: dict[str, Any] = {}
    """The effect's own result, as JSON."""


Event: TypeAlias = Began | Intent | Done | Moved | Said | Fact | Ended


class Job(Struct, frozen=True, kw_only=True):
    """A job as its folder tells it now."""

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
    """The newest of each part, in the order in which they began."""
    result: dict[str, Any] = {}
    checked: bool = False
    """Of an unknown one: somebody looked what it left (``lilfox jobs checked ID``)."""
