"""Compares databases: a restored one with the set's record, and the current content with the set."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from msgspec import structs

from lilfox_tui.backup.postgresql.connect import ClientPrograms, HostClients, ServerAccess
from lilfox_tui.backup.postgresql.content import (
    ALONE,
    COPIED,
    TEXT_FORM,
    TOGETHER,
    CopiedRows,
    counting,
    loaded_tables,
    schema_digest,
    take_snapshot,
)
from lilfox_tui.backup.postgresql.psql import (
    DatabaseContent,
    DatabaseDetail,
    DatabaseTarget,
    PersistentPsql,
    Psql,
    SequenceValue,
    SqlRefused,
    TableContent,
    open_session,
)
from lilfox_tui.backup.postgresql.row_digest import sums_of
from lilfox_tui.backup.postgresql.server import ServerFacts
from lilfox_tui.backup.postgresql.server_info import ServerInfo
from lilfox_tui.backup.source import Comparison, RestoreChange
from lilfox_tui.core.errors import CommandFailed, LilFoxError
from lilfox_tui.core.i18n import Message, _, listed, ngettext, ntr, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.local import LocalHost

# Tables of a staging database that are counted as soon as they are loaded, while others still are and while indexes
# are built: the cores that a restore leaves idle do what the comparison would do after it.
#
# A table is taken for loaded when it has bytes and nobody holds a lock to write it. That is a guess: a count proves
# something where it is what the set says, rows and digest; every other table is counted again when all is there.


_LOOK_EVERY_S = 0.1
_SHARE_OF_LOOKING = 0.05
"""Of the time, at most: a database may have very many tables."""


class EarlyCounter:
    """Counts tables of ``database`` while it is being loaded, and keeps those that are equal to ``said``. Ignores
    errors, because the comparison counts the other tables."""

    def __init__(self, access: ServerAccess, database: str, version_num: int, said: DatabaseContent) -> None:
        self._access, self._database, self._version_num = access, database, version_num
        self._rows = CopiedRows(access, database)
        self._wanted = {name: table for name, table in said.tables.items() if table.rows and table.compares}
        self._found: dict[str, TableContent] = {}
        self.on_the_way: Mapping[str, TableContent] = {}
        """Tables whose rows were equal while they were loaded, and are not read."""
        self._loaded = asyncio.Event()
        self._counting: asyncio.Future[None] | None = None

    def begin(self, without: Iterable[str] = ()) -> None:
        """Start counting: the database exists and is being loaded. Tables ``without`` are compared by who loads them,
        and those that are not equal by who compares the rest."""
        for name in without:
            self._wanted.pop(name, None)
        self._counting = asyncio.ensure_future(self._count())

    def loaded(self) -> None:
        """Report that all rows are loaded, so the rest may be counted on all cores."""
        self._loaded.set()

    async def finish(self) -> dict[str, TableContent]:
        """Finish counting and return the tables that are equal."""
        if self._counting is not None:
            await self._counting
        return {**self._found, **self.on_the_way}

    async def leave(self) -> None:
        """Stop counting."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)

    async def _count(self) -> None:
        with suppress(LilFoxError):
            async with open_session(
                self._access, self._database, version_num=self._version_num, settings=TEXT_FORM
            ) as session:
                for name, value in ALONE.items():
                    await session.tell(f"SET {name} = '{value}';")
                await self._count_loaded(session)

    async def _count_loaded(self, session: PersistentPsql) -> None:
        seen: set[int] = set()
        together = False
        while len(self._found) < len(self._wanted):
            if self._loaded.is_set() and not together:
                together = True
                for name, value in TOGETHER.items():
                    await session.tell(f"SET {name} = '{value}';")
                await session.tell("RESET max_parallel_workers_per_gather;")
            began = monotonic()
            some = await self._loaded_tables(session, seen)
            seen |= {row["oid"] for row in some}
            wanted = {row["oid"]: row["name"] for row in some if row["name"] in self._wanted}
            await self._copy(session, {oid: name for oid, name in wanted.items() if self._wanted[name].way in COPIED})
            for oid, name in wanted.items():
                if self._wanted[name].way not in COPIED:
                    await self._count_one(session, oid, name, self._wanted[name])
            if not some:
                if together:
                    return
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(_LOOK_EVERY_S, (monotonic() - began) / _SHARE_OF_LOOKING)):
                        await self._loaded.wait()

    async def _loaded_tables(self, session: PersistentPsql, seen: set[int]) -> list[dict[str, Any]]:
        try:
            return await session.ask(loaded_tables(sorted(seen)))
        except SqlRefused:  # one got a lock between two looks at it
            return []

    async def _copy(self, session: PersistentPsql, tables: Mapping[int, str]) -> None:
        streams = 2 if self._loaded.is_set() else 1  # others want their core
        said = {oid: self._wanted[name] for oid, name in tables.items()}
        for oid, content in (await self._rows.read(session, said, streams=streams)).items():
            if content == self._wanted[tables[oid]]:
                self._found[tables[oid]] = content

    async def _count_one(self, session: PersistentPsql, oid: int, name: str, said: TableContent) -> None:
        for row in await session.ask_each(counting([oid], said.way)):
            if (row["rows"], row["digest"]) == (said.rows, said.digest):
                self._found[name] = said


# What was restored, held against what the set says: rows and digests of all tables, sequences, large objects, schema;
# where only rows were counted, these.


async def content_of(
    access: ServerAccess,
    database: str,
    version_num: int,
    said: DatabaseContent | None,
    counted: Mapping[str, TableContent] | None = None,
    *,
    archive: Callable[[], AsyncGenerator[bytes, None]] | None = None,
    copies: bool = True,
) -> DatabaseContent:
    """Return the current content of ``database``, with the digest methods of ``said``; tables in ``counted`` are not
    counted again. Where the same rows may be in another order, ``archive`` is read again: a table of which it shows
    that is returned as ``said``. Without ``copies``, only the rows are counted of tables that would have to be copied
    to this machine. Raises BackupError, HostError, what ``archive`` raises."""
    tables = {} if said is None else said.tables
    async with take_snapshot(access, database, version_num=version_num, said=tables) as snapshot:
        await snapshot.read_sequences()
        rows_only = () if copies else [name for name, table in tables.items() if table.way in COPIED]
        found = await snapshot.count(counted, rows_only)
        doubtful = [name for name, table in tables.items() if table.may_be_reordered(found.tables.get(name, table))]
        if not doubtful or archive is None:
            return found
        keys = snapshot.keys(doubtful)
        sums = await sums_of(archive(), {key: tables[name] for name, key in keys.items()})
        there = await snapshot.sums(keys)
        same = [name for name, key in keys.items() if key in sums and sums[key] == there.get(name)]
        return structs.replace(found, tables=found.tables | {name: tables[name] for name in same})


async def compare_database(
    access: ServerAccess,
    server: ServerFacts,
    database: str,
    detail: DatabaseDetail,
    archive: Callable[[], AsyncGenerator[bytes, None]],
    ahead: EarlyCounter | None = None,
) -> Comparison:
    """Compare ``database`` with ``detail``, unless that does not record the content; ``ahead`` is already counting it.
    ``archive``: see :func:`content_of`. Raises BackupError, HostError if it cannot be queried."""
    said = detail.content
    if said is None:
        return Comparison((), "")
    programs = _same_programs(detail, server, access.clients) if detail.schema_sha256 is not None else None
    schema = asyncio.ensure_future(_differing_schema(access, programs, database, detail.schema_sha256))
    try:
        counted = {} if ahead is None else await ahead.finish()
        found = await content_of(access, database, server.version_num, said, counted, archive=archive)
        differences = [*map(str, differing(said, found)), *await schema]
    finally:
        schema.cancel()
        await asyncio.gather(schema, return_exceptions=True)
    compared = [_("tables: {count}", count=len(said.tables)), *_ways(said)]
    if ahead is not None and (unread := len(ahead.on_the_way)):
        compared.append(
            ngettext(
                "{count} table compared while it was loaded and not read back",
                "{count} tables compared while they were loaded and not read back",
                unread,
            )
        )
    if detail.schema_sha256 is None:
        compared.append(_("the set does not record its schema"))
    elif programs is None:
        compared.append(_("schema not compared: dumped by {by}, restored into {now}",
                          by=detail.dumped_by, now=server.version))  # fmt: skip
    else:
        compared.append(_("schema"))
    return Comparison(tuple(differences), listed(compared))


def differing(said: DatabaseContent, found: DatabaseContent) -> Iterator[Message]:
    """Yield a sentence for each difference."""
    yield from _differing_tables(said.tables, found.tables)
    for name, value in said.sequences.items():
        if not _same_value(value, found.sequences.get(name)):
            there = found.sequences.get(name)
            yield tr("sequence {name}: {then} in the dump, {now} restored",
                     name=clean(name), then=value.last, now="-" if there is None else there.last)  # fmt: skip
    if said.large_objects is not None and said.large_objects != found.large_objects:
        yield tr("large objects: {then} in the dump, {now} restored", then=said.large_objects, now=found.large_objects)
    elif said.large_objects_digest is not None and said.large_objects_digest != found.large_objects_digest:
        yield tr("large objects: content differs from the dump")


def _differing_tables(said: Mapping[str, TableContent], found: Mapping[str, TableContent]) -> Iterator[Message]:
    for name, table in said.items():
        there = found.get(name)
        if there is None:
            yield tr("{table}: missing", table=clean(name))
        elif there.note:
            yield tr("{table}: cannot be read: {reason}", table=clean(name), reason=clean(there.note))
        elif table.rows is not None and table.rows != there.rows:
            yield tr("{table}: {rows} in the dump, {now} restored",
                     table=clean(name), rows=_rows(table.rows), now=f"{there.rows:,}")  # fmt: skip
        elif table.compares and not table.is_as(there):
            yield tr("{table}: same number of rows, but the content differs from the dump", table=clean(name))
    for name, table in found.items():
        if name not in said and table.rows:
            yield tr("{table} has {rows} but is not in the dump", table=clean(name), rows=_rows(table.rows))


def _rows(count: int) -> Message:
    return ntr("{count} row", "{count} rows", count)


def _same_value(said: SequenceValue, found: SequenceValue | None) -> bool:
    """Return whether a sequence's value lies between the values read before and after the dump."""
    if found is None:
        return False
    if said.last_after is None:
        return (found.last, found.called) == (said.last, said.called)
    return min(said.last, said.last_after) <= found.last <= max(said.last, said.last_after)


def _ways(said: DatabaseContent) -> list[str]:
    rows_only = sum(1 for table in said.tables.values() if not table.compares and table.rows)
    words = [_("rows and content")] if rows_only < len(said.tables) or not said.tables else [_("rows")]
    if 0 < rows_only < len(said.tables):
        words.append(ngettext("{count} table by row count only", "{count} tables by row count only", rows_only))
    if said.sequences:
        words.append(_("sequences: {count}", count=len(said.sequences)))
    if said.large_objects:
        words.append(_("large objects: {count}", count=said.large_objects))
    return words


def _same_programs(detail: DatabaseDetail, server: ServerFacts, clients: HostClients) -> ClientPrograms | None:
    """Return the client programs whose schema dump can be compared with the recorded one: those of the major version
    that made it. None if there are none, or if the server has another major version."""
    if (detail.server_version_num or 0) // 10000 != server.major:
        return None
    by = detail.dumped_by.partition(".")[0]
    return next((each for each in clients.programs if str(each.major) == by), None)


async def _differing_schema(
    access: ServerAccess, programs: ClientPrograms | None, database: str, said: str | None
) -> list[str]:
    if programs is None:
        return []
    try:
        found = await schema_digest(access, programs, database)
    except CommandFailed as error:
        return [str(error)]
    return [] if found == said else [_("the schema differs from the dump")]


# What a restore would change in a database: rows per table, as they are now and as they were.


COUNTED_UP_TO_BYTES = 1024 * 1024 * 1024
"""Of a database: larger ones are not read for a preview, and what the planner thinks is told."""
COPIED_UP_TO_BYTES = 64 * 1024 * 1024
"""Of a database on another host: the rows of larger ones do not cross the link for a preview, and are counted only."""
_ESTIMATES = """
SELECT c.oid::regclass::text AS name, CASE WHEN c.reltuples < 0 THEN NULL ELSE c.reltuples::int8 END AS rows
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""


async def changes_of(
    access: ServerAccess,
    info: ServerInfo,
    target: DatabaseTarget,
    archive: Callable[[], AsyncGenerator[bytes, None]],
    *,
    table: str = "",
) -> list[RestoreChange]:
    """Return a change for each table that a restore would change (only ``table``, if given), those with most rows
    first. ``archive``: see :func:`content_of`.

    Raises BackupError, HostError.
    """
    live = info.databases.get(target.database)
    said = target.detail.content
    if live is None:
        tables = None if said is None else ntr("{count} table", "{count} tables", len(said.tables))
        return [RestoreChange(clean(target.database), "-", str(tables or tr("the set does not record its content")))]
    if said is None:
        return [
            RestoreChange(
                clean(target.database),
                str(tr("will be replaced")),
                str(tr("the set does not record its content")),
                uncounted=True,
            )
        ]
    about = live.size_bytes > COUNTED_UP_TO_BYTES
    if about:
        [rows] = await Psql(access).ask(_ESTIMATES, database=target.database)
        now = {row["name"]: TableContent(row["rows"]) for row in rows}
    else:
        copies = isinstance(access.host, LocalHost) or live.size_bytes <= COPIED_UP_TO_BYTES
        found = await content_of(access, target.database, info.server.version_num, said, archive=archive, copies=copies)
        now = dict(found.tables)
    names = [table] if table else [*said.tables, *(name for name in now if name not in said.tables)]
    changes = [change for name in names for change in _change(name, now.get(name), said.tables.get(name), about=about)]
    changes += _not_compared([name for name in names if _has_as_many(now.get(name), said.tables.get(name))])
    return sorted(changes, key=lambda change: not change.newer)


def _change(name: str, now: TableContent | None, then: TableContent | None, *, about: bool) -> Iterator[RestoreChange]:
    more = ((now.rows if now else 0) or 0) - ((then.rows if then else 0) or 0)
    shown = (_changes_rows(now, about=about), _changes_rows(then, about=False))
    emptied = now is None or now.rows == 0
    if shown[0] != shown[1]:
        yield RestoreChange(clean(name), *shown, lost_rows=max(0, more), uncounted=about or (more <= 0 and not emptied))
    elif now and then and now.compares and then.compares and not now.is_as(then):
        yield RestoreChange(clean(name), shown[0], _("{rows}, different content", rows=shown[1]), uncounted=True)


def _has_as_many(now: TableContent | None, then: TableContent | None) -> bool:
    """Whether a table has as many rows as the set says, and nothing else is known of them."""
    return now is not None and then is not None and now.rows == then.rows and then.compares and not now.compares


def _not_compared(names: Sequence[str]) -> Iterator[RestoreChange]:
    """One line for all: a list of tables in which nothing may have changed would hide those that did."""
    if names:
        what = clean(names[0]) if len(names) == 1 else _("tables: {count}", count=len(names))
        yield RestoreChange(what, _("same number of rows"), _("content not compared"), uncounted=True)


def _changes_rows(content: TableContent | None, *, about: bool) -> str:
    if content is None:
        return _("absent")
    if content.rows is None:
        return _("rows not counted")
    rows = ngettext("{count} row", "{count} rows", content.rows)
    return _("about {rows}", rows=rows) if about else rows
