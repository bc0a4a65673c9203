"""An index of files: those in an archive, on the disk, and in the place of it, side by side."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import aclosing, closing
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.backup.errors import BrokenSet
from lilfox_tui.backup.files.safe_members import refused
from lilfox_tui.backup.files.tar import TarMember
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr
from lilfox_tui.untrusted_numbers import whole

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
    """A file, folder or link. Another name of a file (a hard link) has what the file has, and as ``target`` the name
    under which that stands in the archive. ``digest`` is SHA-256 of a file's content, empty where it was not read."""

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
    """How much one side has."""

    files: int
    folders: int
    links: int
    bytes: int


def _held(time_ns: int) -> int:
    """``time_ns``, or the nearest that a column can hold: that of the year 1677 or 2262."""
    return min(max(time_ns, -(2**63)), 2**63 - 1)


class Index:
    """Entries by side and name. ``close`` it."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA cache_size = -8000")
        self._database.execute(_TABLE)
        self._rows: list[tuple[object, ...]] = []
        self._database.execute("BEGIN")

    def close(self) -> None:
        """Everything is gone."""
        self._database.close()

    def clear(self, side: Side) -> None:
        """Forgets a side."""
        self._flush()
        self._database.execute("DELETE FROM entry WHERE side = ?", (side,))

    def add(self, side: Side, member: TarMember, digest: bytes) -> None:
        """Raises BrokenSet for a name that is there twice, and for another name of nothing."""
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
        """As ``add``."""
        self._rows.append(
            (
                side, entry.name, entry.kind, entry.mode, entry.size, _held(entry.mtime_ns), entry.user, entry.group,
                entry.target, entry.attributes, entry.digest,
            )
        )  # fmt: skip
        if len(self._rows) >= _BATCH:
            self._flush()

    def get(self, side: Side, name: bytes) -> IndexEntry | None:
        """The entry of that name."""
        return next(self._entries("side = ? AND name = ?", side, name), None)

    def within(self, side: Side, name: bytes) -> Iterator[IndexEntry]:
        """``name`` and all below it; all when it is empty. In the order of their names."""
        if not name:
            return self._entries("side = ?", side)
        return self._entries("side = ? AND (name = ? OR (name > ? AND name < ?))", side, name, name + b"/", name + b"0")

    def totals(self, side: Side) -> Totals:
        """Counted."""
        self._flush()
        with closing(self._database.execute(
            "SELECT coalesce(sum(kind = 'file'), 0), coalesce(sum(kind = 'folder'), 0),"
            " coalesce(sum(kind = 'link'), 0), coalesce(sum(size), 0) FROM entry WHERE side = ?",
            (side,),
        )) as found:  # fmt: skip
            return Totals(*next(found))

    def owners(self, side: Side) -> Iterator[tuple[bytes, bytes, int]]:
        """User, group, and how many files and folders are theirs; the most first."""
        self._flush()
        yield from self._database.execute(
            "SELECT user, grp, count(*) FROM entry WHERE side = ? GROUP BY user, grp ORDER BY 3 DESC", (side,)
        )

    def unequal(self, one: Side, other: Side, where: str) -> Iterator[tuple[IndexEntry, IndexEntry]]:
        """Pairs of the same name of which the condition is true; its columns are those of ``o`` and ``p``."""
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
        """Entries of one side whose name the other has not."""
        return self._entries("side = ? AND name NOT IN (SELECT name FROM entry WHERE side = ?)", one, other)

    def _same_file(self, side: Side, member: TarMember) -> IndexEntry:
        file = self.get(side, member.target)
        if file is None or file.kind != "file":
            raise refused(member, tr("it is another name of something that is not in the archive"))
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
                tr("the archive holds a name twice"), tr("nothing was changed; choose another set")
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
    """Puts what is in ``folder`` into ``index`` as what is there, anew. Raises HostError."""
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
