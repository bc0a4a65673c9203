"""What is in an archive, on the disk, and in the place of it, side by side: in a file, since there may be millions.

It is a temporary database of SQLite without a name, which is gone with its connection; only it grows with the number of
files, not the memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.backup.errors import BrokenSet
from lilfox_tui.backup.tar_scan import Member
from lilfox_tui.backup.tree.safe import refused
from lilfox_tui.i18n import tr

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


class Entry(Struct, frozen=True):
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

    def add(self, side: Side, member: Member, digest: bytes) -> None:
        """Raises BrokenSet for a name that is there twice, and for another name of nothing."""
        attributes = b"".join(b"%s=%s\0" % pair for pair in member.attributes)
        user, group = member.user or b"%d" % member.uid, member.group or b"%d" % member.gid
        entry = Entry(
            member.name, member.kind, member.mode, member.size, member.mtime_ns, user, group, member.target, attributes,
            digest,
        )  # fmt: skip
        if member.kind == "hard link":
            entry = self._same_file(side, member)
        self.put(side, entry)

    def put(self, side: Side, entry: Entry) -> None:
        """As ``add``."""
        self._rows.append(
            (
                side, entry.name, entry.kind, entry.mode, entry.size, _held(entry.mtime_ns), entry.user, entry.group,
                entry.target, entry.attributes, entry.digest,
            )
        )  # fmt: skip
        if len(self._rows) >= _BATCH:
            self._flush()

    def get(self, side: Side, name: bytes) -> Entry | None:
        """The entry of that name."""
        return next(self._entries("side = ? AND name = ?", side, name), None)

    def within(self, side: Side, name: bytes) -> Iterator[Entry]:
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

    def unequal(self, one: Side, other: Side, where: str) -> Iterator[tuple[Entry, Entry]]:
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

    def only(self, one: Side, other: Side) -> Iterator[Entry]:
        """Entries of one side whose name the other has not."""
        return self._entries("side = ? AND name NOT IN (SELECT name FROM entry WHERE side = ?)", one, other)

    def _same_file(self, side: Side, member: Member) -> Entry:
        file = self.get(side, member.target)
        if file is None or file.kind != "file":
            raise refused(member, tr("it is another name of something that is not in the archive"))
        return replace(file, name=member.name, target=file.target or file.name)

    def _entries(self, where: str, *values: object) -> Iterator[Entry]:
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


def _entry(row: tuple[object, ...]) -> Entry:
    return Entry(*row)  # type: ignore[arg-type]
