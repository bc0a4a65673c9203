"""Counting a database's content in one snapshot, which pg_dump may share (``pg_export_snapshot``).

Counting begins when pg_dump has its locks: what it then waits for is nothing that waits for it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct, structs

from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.content import (
    ALONE,
    COLUMNS_FROM_BYTES,
    LARGE_OBJECTS,
    LARGE_OBJECTS_DIGEST,
    SEQUENCES,
    TABLES,
    TEXT_FORM,
    TOGETHER,
    counting,
    reading_sequences,
    sizes,
)
from lilfox_tui.backup.postgresql.detail import Content, DigestWay, SequenceValue, TableContent
from lilfox_tui.backup.postgresql.kept_session import KeptSession, kept
from lilfox_tui.backup.postgresql.psql import SqlRefused

_TOGETHER_BYTES = 8 * 1024 * 1024
_TOGETHER = 200
"""Small tables are counted by one round trip."""


class _Table(Struct, frozen=True):
    oid: int
    name: str
    toast: int
    way: DigestWay
    size_bytes: int = 0


class Snapshot:
    """What a database holds at one moment. Made by :func:`taken`."""

    def __init__(self, session: KeptSession, name: str, tables: list[_Table], sequences: dict[int, str]) -> None:
        self.name = name
        """For ``pg_dump --snapshot``."""
        self._session, self._tables, self._sequences = session, tables, sequences
        self._first: dict[int, SequenceValue] = {}

    @property
    def tables_bytes(self) -> int:
        """Of all tables on the server's disk, without indexes."""
        return sum(table.size_bytes for table in self._tables)

    async def read_sequences(self) -> None:
        """To be called before pg_dump begins. Raises BackupError, HostError."""
        self._first = await self._read_sequences()

    async def count(self, counted: Mapping[str, TableContent] | None = None) -> Content:
        """Rows and digests of all tables but those that are ``counted`` already, large objects. A table that cannot be
        counted says why.

        Raises BackupError where the session ended, HostError.
        """
        found = dict(counted or {})
        for some in _portions([table for table in self._tables if table.name not in found]):
            found |= await self._count_some(some)
        names = {table.name: found[table.name] for table in self._tables}
        objects, digest = await self._large_objects()
        last = await self._read_sequences()
        return Content(
            tables=names,
            sequences={self._sequences[oid]: _between(value, last.get(oid)) for oid, value in self._first.items()},
            large_objects=objects,
            large_objects_digest=digest,
        )

    async def _count_some(self, some: Sequence[_Table]) -> dict[str, TableContent]:
        way = some[0].way
        rows = await self._session.ask_each(counting([table.oid for table in some], way))
        answers = {row["oid"]: row for row in rows}
        found = {}
        for table in some:
            if (row := answers.get(table.oid)) is not None:
                found[table.name] = TableContent(row["rows"], row["digest"], way)
            elif len(some) > 1 or way == "rows":
                again = table if len(some) > 1 else structs.replace(table, way="columns")
                found |= await self._count_some([again])
            else:
                found[table.name] = TableContent(None, None, "none", await self._why_not(table))
        return found

    async def _why_not(self, table: _Table) -> str:
        """Counts it once more for the sake of the reason."""
        await self._session.ask_each(counting([table.oid], table.way))
        [said] = await self._session.tell("SELECT :'LAST_ERROR_SQLSTATE' || ': ' || :'LAST_ERROR_MESSAGE';")
        return said

    async def _read_sequences(self) -> dict[int, SequenceValue]:
        if not self._sequences:
            return {}
        rows = await self._session.ask_each(reading_sequences(list(self._sequences)))
        return {row["oid"]: SequenceValue(row["last"], row["called"]) for row in rows}

    async def _large_objects(self) -> tuple[int | None, str | None]:
        [counted] = await self._session.ask(LARGE_OBJECTS)
        if not counted["count"]:
            return 0, None
        try:
            [row] = await self._session.ask(LARGE_OBJECTS_DIGEST)
        except SqlRefused:  # no right on one, or one that is larger than a value can be
            return counted["count"], None
        return counted["count"], row["digest"]


@asynccontextmanager
async def taken(
    access: Access, database: str, *, version_num: int, ways: Mapping[str, DigestWay] | None = None
) -> AsyncIterator[Snapshot]:
    """A snapshot of ``database`` that stands as long as the context. ``ways``: table → how its digest is made, as a
    manifest has it, where this content is to be held against that.

    Raises BackupError, HostError.
    """
    settings = {**TEXT_FORM, **(ALONE if ways is None else TOGETHER)}
    async with kept(access, database, version_num=version_num, settings=settings) as session:
        await session.tell("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;")
        [exported] = await session.ask("SELECT pg_export_snapshot() AS name")
        await session.tell("\\set ON_ERROR_ROLLBACK on")
        tables = [_Table(**row) for row in await session.ask(TABLES)]
        sequences = {row["oid"]: row["name"] for row in await session.ask(SEQUENCES)}
        tables = [_with_way(table, ways) for table in await _with_sizes(session, tables)]
        yield Snapshot(session, exported["name"], tables, sequences)


async def _with_sizes(session: KeptSession, tables: list[_Table]) -> list[_Table]:
    try:
        rows = await session.ask(sizes([oid for table in tables for oid in (table.oid, table.toast) if oid]))
    except SqlRefused:  # somebody holds a lock: pg_dump will wait for it, and tell
        return tables
    found = {row["oid"]: row["bytes"] or 0 for row in rows}
    return [
        structs.replace(
            table,
            size_bytes=found.get(table.oid, 0) + found.get(table.toast, 0),
            way="columns"
            if table.way == "rows" and found.get(table.toast, 0) >= COLUMNS_FROM_BYTES
            else table.way,
        )
        for table in tables
    ]  # fmt: skip


def _with_way(table: _Table, ways: Mapping[str, DigestWay] | None) -> _Table:
    return structs.replace(table, way=ways.get(table.name, table.way)) if ways else table


def _portions(tables: Sequence[_Table]) -> list[list[_Table]]:
    """Small tables of the same way together, each large one alone."""
    portions: list[list[_Table]] = []
    room = 0
    for table in sorted(tables, key=lambda table: (table.way, table.size_bytes)):
        fits = portions and portions[-1][0].way == table.way and len(portions[-1]) < _TOGETHER
        if not fits or table.size_bytes > room:
            portions.append([])
            room = _TOGETHER_BYTES
        portions[-1].append(table)
        room -= table.size_bytes
    return portions


def _between(first: SequenceValue, last: SequenceValue | None) -> SequenceValue:
    if last is None or (last.last, last.called) == (first.last, first.called):
        return first
    return structs.replace(first, last_after=last.last)
