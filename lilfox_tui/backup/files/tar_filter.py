"""Filters a stream of tar members, and indexes them."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from typing import Any, Literal, Protocol

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.backup.files.tar import (
    BLOCK,
    END,
    MemberContent,
    SafeMembers,
    TarMember,
    TarReader,
    header,
    leads_out,
    refused,
)
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.backup.source import PartContent as source_Content
from lilfox_tui.backup.store import BrokenSet
from lilfox_tui.core.i18n import listed, tr
from lilfox_tui.core.text import clean, human_bytes, whole
from lilfox_tui.hosts.base import Host

# An index of files: those in an archive, on the disk, and in the place of it, side by side.


# What is in an archive, on the disk, and in the place of it, side by side: in a file, since there may be millions.
#
# It is a temporary database of SQLite without a name, which is gone with its connection; only it grows with the number
# of files, not the memory.


Side = Literal["archive", "staged", "there"]
"""What the set has, what was restored beside, what is there now."""

_TABLE = """
CREATE TABLE entry (
    side TEXT, name BLOB, kind TEXT, mode INTEGER, size INTEGER, mtime INTEGER, user BLOB, grp BLOB, target BLOB,
    attributes BLOB, digest BLOB, PRIMARY KEY (side, name)
) WITHOUT ROWID
"""
_INSERT = "INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_BATCH = 1000


class IndexEntry(Struct, frozen=True):
    """A file, folder or link. A hard link has the attributes of its file, and as ``target`` the name of that file in
    the archive. ``digest`` is the SHA-256 of a file's content, empty if it was not read."""

    name: bytes
    kind: str
    mode: int
    size: int
    mtime_ns: int
    user: bytes
    group: bytes
    target: bytes = b""
    attributes: bytes = b""
    digest: bytes = b""


class Totals(Struct, frozen=True):
    """The totals of one side of an index."""

    files: int
    folders: int
    links: int
    bytes: int


def _held(time_ns: int) -> int:
    """Clamp ``time_ns`` to what a column can hold: the years 1677 to 2262."""
    return min(max(time_ns, -(2**63)), 2**63 - 1)


class Index:
    """An index of entries by name, in a temporary database, with one side each for the archive, the staged files and
    the current files. Call ``close`` at the end."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA cache_size = -8000")
        self._database.execute(_TABLE)
        self._rows: list[tuple[object, ...]] = []
        self._database.execute("BEGIN")

    def close(self) -> None:
        """Close the index and drop its contents."""
        self._database.close()

    def clear(self, side: Side) -> None:
        """Remove the entries of a side."""
        self._flush()
        self._database.execute("DELETE FROM entry WHERE side = ?", (side,))

    def add(self, side: Side, member: TarMember, digest: bytes) -> None:
        """Add a member. Raises BrokenSet for a duplicate name, and for a hard link to nothing."""
        attributes = b"".join(b"%s=%s\0" % pair for pair in member.attributes)
        user, group = member.user or b"%d" % member.uid, member.group or b"%d" % member.gid
        entry = IndexEntry(
            member.name, member.kind, member.mode, member.size, member.mtime_ns, user, group, member.target, attributes,
            digest,
        )  # fmt: skip
        if member.kind == "hard link":
            entry = self._same_file(side, member)
        self.put(side, entry)

    def put(self, side: Side, entry: IndexEntry) -> None:
        """Add an entry that is already built."""
        self._rows.append(
            (
                side, entry.name, entry.kind, entry.mode, entry.size, _held(entry.mtime_ns), entry.user, entry.group,
                entry.target, entry.attributes, entry.digest,
            )
        )  # fmt: skip
        if len(self._rows) >= _BATCH:
            self._flush()

    def get(self, side: Side, name: bytes) -> IndexEntry | None:
        """Return the entry of that name."""
        return next(self._entries("side = ? AND name = ?", side, name), None)

    def within(self, side: Side, name: bytes) -> Iterator[IndexEntry]:
        """Yield ``name`` and everything below it (if empty, all entries), sorted by name."""
        if not name:
            return self._entries("side = ?", side)
        return self._entries("side = ? AND (name = ? OR (name > ? AND name < ?))", side, name, name + b"/", name + b"0")

    def totals(self, side: Side) -> Totals:
        """Count the entries of a side."""
        self._flush()
        with closing(self._database.execute(
            "SELECT coalesce(sum(kind = 'file'), 0), coalesce(sum(kind = 'folder'), 0),"
            " coalesce(sum(kind = 'link'), 0), coalesce(sum(size), 0) FROM entry WHERE side = ?",
            (side,),
        )) as found:  # fmt: skip
            return Totals(*next(found))

    def owners(self, side: Side) -> Iterator[tuple[bytes, bytes, int]]:
        """Yield each user and group with the number of their entries, largest first."""
        self._flush()
        yield from self._database.execute(
            "SELECT user, grp, count(*) FROM entry WHERE side = ? GROUP BY user, grp ORDER BY 3 DESC", (side,)
        )

    def unequal(self, one: Side, other: Side, where: str) -> Iterator[tuple[IndexEntry, IndexEntry]]:
        """Yield the pairs of entries with the same name for which the SQL condition ``where`` is true; it refers to the
        columns of ``o`` and ``p``."""
        self._flush()
        yield from (
            (_entry(row[:10]), _entry(row[10:]))
            for row in self._database.execute(
                f"SELECT {_columns('o')}, {_columns('p')} FROM entry o JOIN entry p ON p.side = ? AND p.name = o.name"  # noqa: S608 - conditions are constants of ours
                f" WHERE o.side = ? AND ({where}) ORDER BY o.name",
                (other, one),
            )
        )

    def only(self, one: Side, other: Side) -> Iterator[IndexEntry]:
        """Return the entries of one side whose names the other does not have."""
        return self._entries("side = ? AND name NOT IN (SELECT name FROM entry WHERE side = ?)", one, other)

    def _same_file(self, side: Side, member: TarMember) -> IndexEntry:
        file = self.get(side, member.target)
        if file is None or file.kind != "file":
            raise refused(member, tr("it is a hard link to something that is not in the archive"))
        return replace(file, name=member.name, target=file.target or file.name)

    def _entries(self, where: str, *values: object) -> Iterator[IndexEntry]:
        self._flush()
        found = self._database.execute(f"SELECT {_columns('e')} FROM entry e WHERE {where} ORDER BY name", values)  # noqa: S608 - conditions are constants of ours
        return map(_entry, found)

    def _flush(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        try:
            self._database.executemany(_INSERT, rows)
        except sqlite3.IntegrityError:
            raise BrokenSet(
                tr("the archive contains a name twice"), tr("nothing was changed; choose another set")
            ) from None


def _columns(table: str) -> str:
    names = ("name", "kind", "mode", "size", "mtime", "user", "grp", "target", "attributes", "digest")
    return ", ".join(f"{table}.{name}" for name in names)


def _entry(row: tuple[object, ...]) -> IndexEntry:
    return IndexEntry(*row)  # type: ignore[arg-type]


# What is in a folder now, without reading the files: GNU find on the host.


_LIST = r"""
cd -P -- "$1" || exit 1
find . -xdev -printf '%P\0%y\0%m\0%s\0%T@\0%u\0%g\0%l\0' 2>/dev/null
exit 0
"""
_FIELDS = 8
_KINDS = {b"f": "file", b"d": "folder", b"l": "link"}


async def list_folder(host: Host, folder: str, index: Index, *, sudo: bool) -> None:
    """Replace the "there" side of ``index`` with the contents of ``folder``. Raises HostError."""
    index.clear("there")
    held = b""
    async with aclosing(host.stream(["sh", "-c", _LIST, "sh", folder], sudo=sudo)) as blocks:
        async for block in blocks:
            fields = (held + block).split(b"\0")
            whole = len(fields[:-1]) // _FIELDS * _FIELDS
            for at in range(0, whole, _FIELDS):
                index.put("there", _listing_entry(fields[at : at + _FIELDS]))
            held = b"\0".join(fields[whole:])


def _listing_entry(fields: list[bytes]) -> IndexEntry:
    name, kind, mode, size, mtime, user, group, target = fields
    seconds, _, fraction = mtime.partition(b".")
    return IndexEntry(
        name,
        _KINDS.get(kind, "other"),
        int(mode, 8),
        whole(size) if kind == b"f" else 0,
        whole(seconds) * 10**9 + int(fraction[:9].ljust(9, b"0")) * (-1 if seconds.startswith(b"-") else 1),
        user,
        group,
        target,
    )


_PAGE = 4096
_NOTHING = bytes(_PAGE)
MOST_BYTES = 2**62
"""Of all files of an archive, holes included: no more can be counted."""


class ContentDigest:
    """SHA-256 of a file's logical content, the same for written zeros and for holes: it covers the bytes of each page
    without the zeros around them, and their positions. A hole of any size costs nothing."""

    def __init__(self, member: TarMember) -> None:
        self._digest = hashlib.sha256()
        self._regions = iter(member.regions if member.sparse_map else ((0, member.size),))
        self._size = member.size
        self._at = self._left = 0
        self._page, self._held = 0, bytearray()

    def update(self, data: memoryview) -> None:
        """Add the next bytes of the archive."""
        while data:
            if not self._left:
                self._at, self._left = next(self._regions)
                continue
            inside = self._at % _PAGE
            part = data[: min(self._left, _PAGE - inside)]
            if self._at // _PAGE != self._page or len(part) == _PAGE:
                self._end_page()
                self._page = self._at // _PAGE
            self._held += _NOTHING[: inside - len(self._held)]
            self._held += part
            self._at, self._left = self._at + len(part), self._left - len(part)
            data = data[len(part) :]

    def digest(self) -> bytes:
        """Return the digest, once all data was added."""
        self._end_page()
        self._digest.update(self._size.to_bytes(8, "big"))
        return self._digest.digest()

    def _end_page(self) -> None:
        held, self._held = self._held, bytearray()
        if not held or held == _NOTHING[: len(held)]:
            return
        text = held.lstrip(b"\0") if not held[0] else held
        begins = self._page * _PAGE + len(held) - len(text)
        if not text[-1]:
            text = text.rstrip(b"\0")
        self._digest.update(begins.to_bytes(8, "big") + len(text).to_bytes(2, "big"))
        self._digest.update(text)


class MemberJudge(Protocol):
    """Decides whether a member is passed on, and in what form; raises BrokenSet for one that must not be there."""

    def judged(self, member: TarMember) -> TarMember | None: ...


class TarFilter:
    """Filters an archive block by block: returns the members that may be written.

    ``index`` gets its members under ``side`` (None: not again). ``rename`` gives a member as it is written, None for
    one that is not (None: nothing is written). More than ``most`` bytes of content raise BrokenSet, as do more than can
    be counted.
    """

    def __init__(
        self,
        judge: MemberJudge,
        *,
        index: Index | None = None,
        side: Side = "archive",
        rename: Callable[[TarMember], TarMember | None] | None = None,
        most: int | None = None,
    ) -> None:
        self._reader = TarReader()
        self._judge, self._index, self._side = judge, index, side
        self._rename, self._most = rename, MOST_BYTES if most is None else most
        self._member: TarMember | None = None
        self._passed = False
        self._digest: ContentDigest | None = None
        self._seen = hashlib.sha256() if index is not None or most is not None else None
        self.bytes = 0

    def take(self, block: bytes) -> bytes:
        """Return the part of the output archive that ``block`` completes. Raises BrokenSet."""
        if self._seen is not None:
            self._seen.update(block)
        out: list[bytes | memoryview] = []
        for piece in self._reader.feed(block):
            if isinstance(piece, MemberContent):
                self._content(piece, out)
            else:
                self._begin(piece, out)
        return b"".join(out)

    def finish(self) -> bytes:
        """Return the end of the output archive. Raises BrokenSet when the input is incomplete."""
        self._reader.finish()
        return END if self._rename is not None else b""

    def digest(self) -> bytes:
        """Return the SHA-256 of the whole input; empty unless the filter has an index or a limit."""
        return self._seen.digest() if self._seen is not None else b""

    def _begin(self, found: TarMember, out: list[bytes | memoryview]) -> None:
        self._member = member = self._judge.judged(found)
        if member is None:
            return
        self.bytes += member.size
        if self.bytes > self._most:
            raise BrokenSet(
                tr("the archive holds more than the allowed {bytes}", bytes=human_bytes(self._most)),
                tr("nothing was changed; choose another set"),
            )
        written = self._rename(member) if self._rename is not None else None
        self._passed = written is not None
        if written is not None:
            out.append(header(written))
        self._digest = ContentDigest(member) if self._index is not None and member.kind == "file" else None
        if not member.stored:
            self._end(member)

    def _content(self, piece: MemberContent, out: list[bytes | memoryview]) -> None:
        member = self._member
        if member is None:
            return
        if self._digest is not None:
            self._digest.update(piece.data)
        if self._passed:
            out.append(piece.data)
            if piece.last:
                out.append(bytes(-member.stored % BLOCK))
        if piece.last:
            self._end(member)

    def _end(self, member: TarMember) -> None:
        if self._index is not None:
            self._index.add(self._side, member, self._digest.digest() if self._digest else b"")


def put_below(member: TarMember, folder: bytes) -> TarMember:
    """Return ``member`` with its names below ``folder``, which may be empty."""
    name = b"/".join(part for part in (folder, member.name) if part) or b"."
    target = folder + b"/" + member.target if member.kind == "hard link" and folder else member.target
    return replace(member, name=name, target=target)


async def filtered(blocks: AsyncIterator[bytes], sieve: TarFilter) -> AsyncGenerator[bytes, None]:
    """Yield the archive in ``blocks``, filtered by ``sieve``. Raises BrokenSet, and what ``blocks`` raises."""
    async for block in blocks:
        if passed := sieve.take(block):
            yield passed
    yield sieve.finish()


_MOST_NAMES = 100
_MOST_FOLDERS, _FOLDERS_TOLD = 10_000, 20
"""Folders whose bytes are counted, and the largest of them, which are recorded."""


class ArchiveSummary:
    """Counts the members of an archive. Leaves out devices and pipes, which a restore could not create. ``top`` is the
    name of the archived folder."""

    def __init__(self, top: bytes) -> None:
        self._top = top
        self.counts: dict[str, int] = {"file": 0, "folder": 0, "link": 0, "hard link": 0}
        self.bytes = 0
        self.special: list[bytes] = []
        self.links_out: list[bytes] = []
        self.owners: dict[str, int] = {}
        self.attributes = 0
        self.setuid = 0
        self.newest_ns = 0
        self.folder_bytes: dict[bytes, int] = {}

    def judged(self, member: TarMember) -> TarMember | None:
        """Return ``member``, or None if it is left out."""
        if member.kind in ("device", "pipe"):
            self.special.append(member.name)
            return None
        self.counts[member.kind] += 1
        self.bytes += member.size
        folder, below, _rest = member.name[len(self._top) + 1 :].partition(b"/")
        if below and (folder in self.folder_bytes or len(self.folder_bytes) < _MOST_FOLDERS):
            self.folder_bytes[folder] = self.folder_bytes.get(folder, 0) + member.size
        self.attributes += bool(member.attributes)
        if member.kind == "file":
            self.setuid += bool(member.mode & 0o6000)
            self.newest_ns = max(self.newest_ns, member.mtime_ns)
        elif member.kind == "link" and leads_out(member.name[len(self._top) + 1 :], member.target):
            self.links_out.append(member.name)
        owner = f"{clean(member.user) or member.uid}:{clean(member.group) or member.gid}"
        if owner in self.owners or len(self.owners) < _MOST_NAMES:
            self.owners[owner] = self.owners.get(owner, 0) + 1
        return member

    def detail(self) -> dict[str, Any]:
        """Return the part's entry in the manifest: ``top``, the folder's name in the archive, the counts, and the bytes
        of the largest folders in it."""
        largest = sorted(self.folder_bytes.items(), key=lambda each: -each[1])[:_FOLDERS_TOLD]
        return {
            "top": clean(self._top),
            "files": self.counts["file"] + self.counts["hard link"],
            "folders": self.counts["folder"],
            "links": self.counts["link"],
            "bytes": self.bytes,
            "owners": self.owners,
            "with_attributes": self.attributes,
            "setuid": self.setuid,
            "links_out": [clean(name) for name in self.links_out[:_MOST_NAMES]],
            "newest_ns": self.newest_ns,
            "folder_bytes": {clean(name): size for name, size in largest},
        }


class _Judged:
    """Checks members like a restore, then counts them. Accepts links that lead out: a restore decides about them by its
    Options."""

    def __init__(self, top: bytes) -> None:
        self._safe = SafeMembers(b"", links_out=True, setuid=True)
        self.counting = ArchiveSummary(top)

    def judged(self, member: TarMember) -> TarMember | None:
        self._safe.judged(member)
        return self.counting.judged(member)


async def read_archive(part: FoundPart, blocks: AsyncIterator[bytes]) -> source_Content:
    """Check that ``blocks`` is a complete archive that may be restored, and return its contents in the form of the
    manifest."""
    said = part.said.detail if part.said is not None else {}
    judge = _Judged(os.fsencode(str(said.get("top", ""))))
    sieve = TarFilter(judge)
    try:
        async for block in blocks:
            sieve.take(block)
        sieve.finish()
    except BrokenSet as error:
        return source_Content(error.message)
    detail = judge.counting.detail()
    if not sum(judge.counting.counts.values()):
        return source_Content(tr("the archive is empty: the backup run failed"), detail)
    differing = [key for key in ("files", "folders", "links", "bytes") if key in said and said[key] != detail[key]]
    if differing:
        return source_Content(tr("its content does not match its manifest: {what}", what=listed(differing)), detail)
    return source_Content("", detail)
