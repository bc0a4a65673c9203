"""What was restored, held against what the set says: rows and digests of all tables, sequences, large objects, schema;
where only rows were counted, these."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.ahead import Ahead
from lilfox_tui.backup.postgresql.clients import Clients, Programs
from lilfox_tui.backup.postgresql.detail import Content, DatabaseDetail, SequenceValue, TableContent
from lilfox_tui.backup.postgresql.schema import schema_digest
from lilfox_tui.backup.postgresql.server import Server
from lilfox_tui.backup.postgresql.snapshot import taken
from lilfox_tui.backup.source import Comparison
from lilfox_tui.errors import CommandFailed
from lilfox_tui.i18n import Message, _, listed, ngettext, ntr, tr
from lilfox_tui.text import clean


async def content_of(
    access: Access,
    database: str,
    version_num: int,
    said: Content | None,
    counted: Mapping[str, TableContent] | None = None,
) -> Content:
    """What is in ``database`` now, counted in the ways of ``said``, but for tables that are ``counted`` already. Raises
    BackupError, HostError."""
    ways = {} if said is None else {name: table.way for name, table in said.tables.items()}
    async with taken(access, database, version_num=version_num, ways=ways) as snapshot:
        await snapshot.read_sequences()
        return await snapshot.count(counted or {})


async def compare_database(
    access: Access, server: Server, database: str, detail: DatabaseDetail, ahead: Ahead | None = None
) -> Comparison:
    """Holds ``database`` against ``detail``; ``ahead`` counts it already. Raises BackupError, HostError where it cannot
    be asked."""
    said = detail.content
    if said is None:
        return Comparison((), _("restored without an error; the set does not tell what was in it"))
    programs = _same_programs(detail, server, access.clients) if detail.schema_sha256 is not None else None
    schema = asyncio.ensure_future(_differing_schema(access, programs, database, detail.schema_sha256))
    try:
        counted = {} if ahead is None else await ahead.finish()
        found = await content_of(access, database, server.version_num, said, counted)
        differences = [*map(str, differing(said, found)), *await schema]
    finally:
        schema.cancel()
        await asyncio.gather(schema, return_exceptions=True)
    compared = [_("tables: {count}", count=len(said.tables)), *_ways(said)]
    if detail.schema_sha256 is None:
        compared.append(_("the set does not tell its schema"))
    elif programs is None:
        compared.append(_("schema not compared: dumped by {by}, restored into {now}",
                          by=detail.dumped_by, now=server.version))  # fmt: skip
    else:
        compared.append(_("schema"))
    return Comparison(tuple(differences), listed(compared))


def differing(said: Content, found: Content) -> Iterator[Message]:
    """A sentence for each difference."""
    yield from _differing_tables(said.tables, found.tables)
    for name, value in said.sequences.items():
        if not _same_value(value, found.sequences.get(name)):
            there = found.sequences.get(name)
            yield tr("sequence {name}: {then} in the dump, {now} restored",
                     name=clean(name), then=value.last, now="-" if there is None else there.last)  # fmt: skip
    if said.large_objects is not None and said.large_objects != found.large_objects:
        yield tr("large objects: {then} in the dump, {now} restored", then=said.large_objects, now=found.large_objects)
    elif said.large_objects_digest is not None and said.large_objects_digest != found.large_objects_digest:
        yield tr("large objects: other content than in the dump")


def _differing_tables(said: Mapping[str, TableContent], found: Mapping[str, TableContent]) -> Iterator[Message]:
    for name, table in said.items():
        there = found.get(name)
        if there is None:
            yield tr("{table}: is not there", table=clean(name))
        elif table.rows is not None and table.rows != there.rows:
            yield tr("{table}: {rows} in the dump, {now} restored",
                     table=clean(name), rows=_rows(table.rows), now=there.rows)  # fmt: skip
        elif table.digest is not None and table.digest != there.digest:
            yield tr("{table}: as many rows, but other content than in the dump", table=clean(name))
    for name, table in found.items():
        if name not in said and table.rows:
            yield tr("{table}: has {rows} and is not in the dump", table=clean(name), rows=_rows(table.rows))


def _rows(count: int) -> Message:
    return ntr("{count} row", "{count} rows", count)


def _same_value(said: SequenceValue, found: SequenceValue | None) -> bool:
    """A sequence's value was read some time between two looks at it."""
    if found is None:
        return False
    if said.last_after is None:
        return (found.last, found.called) == (said.last, said.called)
    return min(said.last, said.last_after) <= found.last <= max(said.last, said.last_after)


def _ways(said: Content) -> list[str]:
    rows_only = sum(1 for table in said.tables.values() if table.digest is None and table.rows)
    words = [_("rows and content")] if rows_only < len(said.tables) or not said.tables else [_("rows")]
    if 0 < rows_only < len(said.tables):
        words.append(ngettext("of {count} table the rows only", "of {count} tables the rows only", rows_only))
    if said.sequences:
        words.append(_("sequences: {count}", count=len(said.sequences)))
    if said.large_objects:
        words.append(_("large objects: {count}", count=said.large_objects))
    return words


def _same_programs(detail: DatabaseDetail, server: Server, clients: Clients) -> Programs | None:
    """Those that write the schema of an equal database as it was written when it was dumped."""
    if (detail.server_version_num or 0) // 10000 != server.major:
        return None
    by = detail.dumped_by.partition(".")[0]
    return next((each for each in clients.programs if str(each.major) == by), None)


async def _differing_schema(access: Access, programs: Programs | None, database: str, said: str | None) -> list[str]:
    if programs is None:
        return []
    try:
        found = await schema_digest(access, programs, database)
    except CommandFailed as error:
        return [str(error)]
    return [] if found == said else [_("the schema is another than that of the dump")]
