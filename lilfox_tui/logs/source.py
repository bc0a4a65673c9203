"""What a source of logs is: pages of records in both directions, and what is new.

``sources/`` holds one file a kind. A kind has ``Options`` (a frozen ``config.model.LogConfig`` with its own keys added)
and ``open_source(name, options, setting) -> LogSource``; it knows no other kind.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import tzinfo
from typing import Protocol, TypeAlias, runtime_checkable

from msgspec import Struct

from lilfox_tui.errors import LilFoxError, NotAllowed
from lilfox_tui.feed import Feed
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import Message, tr
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.record import Record


class Beginning(Struct, frozen=True):
    """The oldest record there is."""


class End(Struct, frozen=True):
    """Past the newest record there is."""


class AtTime(Struct, frozen=True):
    """A moment: going newer, records of that time and later; going older, those before it."""

    time_us: int


class AtPlace(Struct, frozen=True):
    """A record by its ``place``: it is not itself in the page, in either direction."""

    place: str


Start: TypeAlias = Beginning | End | AtTime | AtPlace


class Page(Struct, frozen=True):
    """Neighbouring records that match, oldest first in either direction.

    ``more`` is where to go on in the same direction; None when there is nothing further. A page may have fewer records
    than asked for, or none, and still go on: a long search comes back after a while so that it can be shown and ended.
    """

    records: tuple[Record, ...]
    more: Start | None


class Notice(Struct, frozen=True):
    """Something about the source itself that a reader must know at this point: what may be missing, and why."""

    source: str
    time_us: int
    text: Message


class Passed(Struct, frozen=True):
    """So many records that match stand between what was given before and what is next; nobody would have read them."""

    count: int


class SourceStatus(Struct, frozen=True):
    """How a source is doing. Sizes in bytes; None is not known.

    ``zone`` says how times without an offset are read. ``searched_bytes`` is of the search that runs, None when none
    does. ``records`` are all that it holds, or with ``more_records`` those that could be counted without reading all of
    it. ``missed`` counts records that a full queue has dropped.
    """

    description: str
    format: str = ""
    zone: str = ""
    size_bytes: int | None = None
    indexed_bytes: int | None = None
    records: int | None = None
    more_records: bool = False
    searched_bytes: int | None = None
    missed: int = 0


def no_command(argv: Sequence[str]) -> None:
    """For sources that run nothing of their configuration. Raises NotAllowed."""
    raise NotAllowed(tr("{program}: nobody says that it may be run here", program=argv[0]))


class Setting(Struct, frozen=True):
    """What every kind gets: the host it reads on, how naive times are read, a format named by the user ("" to
    recognise it), whether the host's configuration lets commands that need it use sudo, and what refuses a command of
    the configuration by raising NotAllowed."""

    host: Host
    zone: tzinfo
    format: str = ""
    sudo: bool = False
    refuse: Callable[[Sequence[str]], None] = no_command


class LogSource(Protocol):
    """One source that is open. Every call may be cancelled; nothing here blocks the event loop."""

    name: str

    @property
    def status(self) -> Feed[SourceStatus]:
        """How it is doing; Unavailable with the reason, since when and the next try while it cannot be read."""
        ...

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> Page:
        """Up to ``limit`` records from ``start`` in one direction that match. Raises LilFoxError."""
        ...

    def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[Record | Notice], None]:
        """What matches from ``start`` on, then what is new, in batches; never ends by itself while the source may go
        on. Nothing twice, and nothing left out that the source still holds; where something may be missing, a
        Notice says so. Use inside ``contextlib.aclosing``. Raises LilFoxError when it cannot go on."""
        ...

    async def close(self) -> None:
        """Ends what was started for it."""
        ...


@runtime_checkable
class OnHost(Protocol):
    """A source that is read on a host, or through it: when the way there is back it can be read again."""

    @property
    def host(self) -> Host:
        """That host."""
        ...


@runtime_checkable
class Hurried(Protocol):
    """A source that keeps up with more than anyone reads: it counts records instead of reading each."""

    def follow_newest(
        self, start: Start, where: Filter, keep: Callable[[], int | None]
    ) -> AsyncGenerator[list[Record | Notice | Passed], None]:
        """As :meth:`LogSource.follow`; where more comes at once than ``keep`` tells (None: all is wanted), only so many
        of the newest are given, after a Passed. ``keep`` is called in a thread."""
        ...


@runtime_checkable
class OfSeveral(Protocol):
    """A source that is several logs, and goes on without those that cannot be read."""

    @property
    def refused(self) -> Mapping[str, LilFoxError]:
        """Why logs cannot be read, by their names."""
        ...


@runtime_checkable
class Scaled(Protocol):
    """A source that is one file, so that places in it have a share and a line number. Each raises LilFoxError."""

    async def at_share(self, share: float) -> Start:
        """Where ``share`` (0 to 1) of the newest file lies before."""
        ...

    async def at_line(self, number: int) -> Start | None:
        """In front of that line (from 1) of the newest file; None while it is not indexed so far."""
        ...

    async def line_of(self, place: str) -> int | None:
        """The line of a record's ``place``; None where it is not of the newest file, or not indexed so far."""
        ...
