"""The contract of backup sources. Each kind is one file in ``sources/`` with

- ``Options``, a SourceConfig
- ``open_source(name, options, host) -> BackupSource``
- ``open_target(options, host, task) -> RestoreTarget``
- ``async read_content(part: FoundPart, blocks) -> PartContent``: all of a part's raw bytes are read and judged:
  trailer, archive, what it holds
- ``async undo(swap, host)``: what was there before is there again; what was restored is kept beside, or taken away
- ``async settle(swap, host) -> Settled``: after a crash between the two renames: finished, or as it was before
- ``async standing(swap, host) -> list[Standing]``: of each pair of renames what is in place now
- ``async finish(swap, host)``: what was staged is in place, whichever of the renames were made
- ``async kept(swap, host) -> list[RetainedItem]``: what there is under the names that the restore gave, beside what is
  in place
- ``async forget(swap, host)``: takes all of that away, or nothing where one of it must stay
- ``async left(options, host) -> list[RetainedItem]``: what drills left that did not come to their end, and of databases
  also restores
- ``async forget_left(options, host) -> list[str]``: takes away what of that need not stay, and gives the names
- of databases ``async other_places(options, host) -> list[str]``: the URLs of the others on their server

``Options`` is in the file itself; what does the work is in a module beside and imported when it is asked for
(``plugins.rest_in``).

A source dumps; a target takes one set's parts of that kind back: staged, compared, swapped. Both act on one host,
opened by who calls (``options.host``).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from typing import Any, Literal, NamedTuple, Protocol

from msgspec import Struct

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.plan import RestoreSpec
from lilfox_tui.backup.sets.model import BackupSet, FoundPart, PartKind
from lilfox_tui.core.i18n import Message, clauses, ngettext
from lilfox_tui.hosts.base import Host


class StoredPart(Struct, frozen=True):
    """A part that is stored as ``NAME.part``."""

    name: str
    size_bytes: int
    raw_bytes: int


class CompressedBlock(NamedTuple):
    """Some bytes of zstd frames, each with a checksum of its content, and how many raw bytes went into them."""

    data: bytes
    raw_bytes: int


class DumpCommand(Struct, frozen=True):
    """A program on a host that writes a part to its stdout."""

    host: Host
    argv: tuple[str, ...]
    sudo: bool = False


class RemotePart(Struct, frozen=True):
    """A part that the store's host wrote itself. The caller checks the command: ``status`` is its exit status, ``said``
    its stderr (start and end, if long), ``end`` the last 512 bytes of its output."""

    part: StoredPart
    status: int
    said: bytes
    end: bytes


class PartSink(Protocol):
    """The sink into which a source stores its parts. Their names get the set's date: ``lilfox`` + ``.dump`` →
    ``lilfox_20231230_020000.dump.zst``."""

    manual: bool
    """The manual's format is asked for: ``postgresql-plain``, ``.sql`` under gzip; ``env_DATE``; ``.tar.gz``."""

    async def put(
        self,
        stem: str,
        suffix: str,
        kind: PartKind,
        blocks: AsyncIterator[bytes],
        *,
        total_bytes: int | None = None,
        packed: bool = True,
    ) -> StoredPart:
        """Pack, encrypt, hash and write ``blocks``. ``packed=False``: not compressed. If ``blocks`` raises, the error
        is passed on and the part is removed. ``total_bytes`` is an estimate for progress."""
        ...

    async def put_compressed(
        self,
        stem: str,
        suffix: str,
        kind: PartKind,
        blocks: AsyncIterator[CompressedBlock],
        *,
        total_bytes: int | None = None,
    ) -> StoredPart:
        """Store what is compressed to zstd frames already; otherwise as ``put``. Not for the manual's format."""
        ...

    async def put_there(
        self,
        stem: str,
        suffix: str,
        kind: PartKind,
        command: DumpCommand,
        *,
        began: Callable[[], None] = lambda: None,
    ) -> RemotePart | None:
        """Store the command's output as ``put`` does, but directly on the store's host, where it continues while the
        connection is lost. Returns None if the store is not on that host or the host cannot do it: use ``put`` then.
        ``began`` is called once some of the output is stored."""
        ...

    def read_back(self, part: StoredPart) -> AsyncGenerator[bytes, None]:
        """Yield the raw bytes of a stored part, unpacked and checked. Use inside ``aclosing``. Raises BrokenSet,
        StoreError, HostError."""
        ...

    def describe(self, part: StoredPart, detail: dict[str, Any]) -> None:
        """Set the part's detail in the manifest, at any time before ``dump`` ends."""
        ...

    def note(self, text: Message | str) -> None:
        """Record an irregularity that is not a failure, in the manifest and for the user."""
        ...


class PartContent(Struct, frozen=True):
    """The content of a part. ``trouble`` says why it is incomplete or wrong; empty if it is fine."""

    trouble: Message | str = ""
    detail: dict[str, Any] = {}
    """What was counted (rows per table, files): as in the manifest, where they may be compared."""
    executes: tuple[Message | str, ...] = ()
    """What it executes when it is restored, beyond data and definitions."""


class BackupSource(Protocol):
    """Something that can be dumped."""

    name: str
    where: str
    """For people: ``database lilfox on db-1``, ``/srv/lilfox/public/uploads``."""

    async def checks(self) -> list[Check]:
        """Check everything that could make the dump fail: connection, rights, versions, row-level security, clock."""
        ...

    async def size_bytes(self) -> int | None:
        """Estimate the bytes to write, before packing, for space checks and progress; None if unknown."""
        ...

    async def dump(self, into: PartSink) -> None:
        """Dump and store all its parts. Raises BackupError, HostError; then none of them counts."""
        ...


class RestoreChange(Struct, frozen=True):
    """One line of what a restore would change: ``public.users`` 1204 → 1190 rows; ``uploads/a.png`` exists only now."""

    what: str
    now: str
    then: str
    lost_rows: int = 0
    """So many rows more are there now than in the backup: they would be only in the retained data."""
    lost_files: int = 0
    """So many files there now are newer than the backup: they would be only in the retained data."""
    uncounted: bool = False
    """What is there now differs from the backup, but how much of it is newer cannot be told."""

    @property
    def newer(self) -> bool:
        """Whether it includes data that was added after the backup and would not be in the restored data."""
        return bool(self.lost_rows or self.lost_files)


class Comparison(Struct, frozen=True):
    """The result of comparing staged data with the set; what was compared is equal if ``differences`` is empty."""

    differences: tuple[str, ...]
    compared: str
    """What was compared; empty if nothing was."""
    uncompared: tuple[str, ...] = ()
    """What was restored but not compared: databases and tables whose content the set does not record."""


class Renames(Struct, frozen=True):
    """One pair of renames; the fields are those of :class:`Swap`."""

    target: str
    staged: str
    before: str


class Swap(Struct, frozen=True, kw_only=True):
    """The renames of one target, fixed before the first is made. Contains everything that finishing or undoing them
    needs, and no secret."""

    kind: str
    """Of the source."""
    set: str
    target: str
    """The name that people know: of the database, or the folder's path."""
    staged: str
    before: str
    """What was there is kept under this name: ``lilfox_before_20231230_020000``; empty where nothing was there."""
    also: tuple[Renames, ...] = ()
    """What is swapped with it: ``config`` beside ``.env``."""
    host: str = ""
    options: dict[str, Any] = {}
    """The source's Options as JSON: secrets are references."""
    within: str = ""
    """The database that ``target`` is a table of; empty where it is a whole."""
    end_sessions: bool = False
    """Sessions in the way may be ended."""

    @property
    def renames(self) -> tuple[Renames, ...]:
        """The renames of all its targets, the first one's first."""
        return (Renames(self.target, self.staged, self.before), *self.also)


class RestoreTask(Struct, frozen=True, kw_only=True):
    """One source's share of a restore."""

    source: str
    set: BackupSet
    blocks: Callable[[FoundPart], AsyncGenerator[bytes, None]]
    """A part's raw bytes from the store: decrypted, unpacked, digests checked at the end (raises BrokenSet)."""
    spec: RestoreSpec
    """Of the whole restore."""
    scratch: bool = False
    """A drill: staged under a name of its own and compared, never swapped; what is there does not matter."""
    jobs: int = 2
    """So many processes may restore at once."""

    @property
    def parts(self) -> tuple[FoundPart, ...]:
        """The set's parts that belong to this source."""
        return tuple(part for part in self.set.parts if part.source == self.source)

    @property
    def place(self) -> str:
        """The database URL or folder to restore to instead of the source's own; empty for its own."""
        return self.spec.places.get(self.source, "")


class RetainedItem(Struct, frozen=True, kw_only=True):
    """Data that a restore retains beside ``target``: the previous data or, after an undo, the restored data."""

    target: str
    name: str
    size_bytes: int | None = None
    """None where that is not cheap to know, or may not be known."""
    why_not: Message | str = ""
    """Why it must stay; empty where it may be let go."""


Settled = Literal["nothing", "finished", "undone"]
"""What there was to settle of two renames."""
Standing = Literal["restored", "before", "neither", "unknown"]
"""What is in place of a target: what was restored, what was there before (or nothing, where nothing was), nothing
although something was there, or what cannot be told from names."""


def standing_of(one: Renames, *, target: bool, staged: bool, before: bool) -> Standing:
    """Return which data is in place after one pair of renames, derived from which of the three names exist."""
    if not target:
        return "neither" if one.before or not staged else "before"
    if staged:
        return "unknown" if before or not one.before else "before"
    return "restored" if before or not one.before else "before"


class RestoreTarget(Protocol):
    """The target to which the parts of one source are restored. Call the methods in the order below; ``discard`` at any
    time."""

    @property
    def where(self) -> str:
        """For display: ``database lilfox on db-1``."""
        ...

    @property
    def replaces(self) -> tuple[str, ...]:
        """The databases or paths that it replaces; for a table, its database."""
        ...

    async def checks(self) -> list[Check]:
        """Check everything that could make the restore fail, before the first write: versions, space, roles,
        extensions, the server's identity, blocking sessions, newer data."""
        ...

    async def changes(self) -> list[RestoreChange]:
        """What restoring would change."""
        ...

    async def stage(self, moved: Callable[[int], None]) -> None:
        """Restore into staging; the current data is not touched. ``moved`` takes the raw bytes done so far."""
        ...

    async def compare(self) -> Comparison:
        """Compare the staged data with the manifest; for an old set, with counts from the dump."""
        ...

    def swap_plan(self) -> Swap:
        """Return the renames that ``swap`` will make; they are written to disk first."""
        ...

    async def swap(self) -> None:
        """Make the renames. Raises BackupError with everything back as before, or with a message that says exactly
        which data is where."""
        ...

    async def discard(self) -> None:
        """Remove what was staged."""
        ...

    async def leave(self) -> None:
        """Close the target's sessions but remove nothing, because the staged data was swapped or ``settle`` decides
        what happens to it."""
        ...


def losses(changes: Iterable[RestoreChange]) -> list[str]:
    """Describe how many rows and files a restore takes out of use, as sentences; they would be only in the retained
    data. Rows are the fewest that they can be, or estimates: of a table, only how many it has more than the backup is
    known."""
    rows = files = uncounted = 0
    estimated = False
    for change in changes:
        rows, files = rows + change.lost_rows, files + change.lost_files
        uncounted += change.uncounted
        estimated = estimated or (change.uncounted and change.lost_rows > 0)
    told = []
    if rows:
        number = f"{rows:,}"
        told.append(
            ngettext("about {rows} row newer than the backup will be only in the retained data",
                     "about {rows} rows newer than the backup will be only in the retained data", rows, rows=number)
            if estimated
            else ngettext("at least {rows} row newer than the backup will be only in the retained data",
                          "at least {rows} rows newer than the backup will be only in the retained data",
                          rows, rows=number)
        )  # fmt: skip
    if files:
        number = f"{files:,}"
        told.append(ngettext("{files} file changed since the backup will be only in the retained data",
                             "{files} files changed since the backup will be only in the retained data",
                             files, files=number))  # fmt: skip
    if uncounted:
        number = f"{uncounted:,}"
        told.append(ngettext("{tables} item differs, its newer data is not counted: only in the retained data",
                             "{tables} items differ, their newer data is not counted: only in the retained data",
                             uncounted, tables=number))  # fmt: skip
    return told


def lost_text(changes: Iterable[RestoreChange]) -> str:
    """The :func:`losses` in one line; empty if none are known."""
    return clauses(losses(changes))
