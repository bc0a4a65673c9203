"""Judging a stored part of a database by its raw bytes alone: whole, and what it was said to be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec

from lilfox_tui.backup.errors import BackupError, BrokenSet
from lilfox_tui.backup.manifest import Part
from lilfox_tui.backup.postgresql.clients import find_clients
from lilfox_tui.backup.postgresql.contents import looked_through
from lilfox_tui.backup.postgresql.custom import decode_custom, read_custom
from lilfox_tui.backup.postgresql.detail import DatabaseDetail, GlobalsDetail, as_detail, database_detail
from lilfox_tui.backup.postgresql.executing import Executed
from lilfox_tui.backup.postgresql.plain import PlainDump, read_plain
from lilfox_tui.i18n import ntr, tr
from lilfox_tui.text import clean


async def judged(
    kind: str, said: Part | None, blocks: AsyncIterator[bytes], executed: list[Executed] | None = None
) -> dict[str, Any]:
    """Reads all of a part of ``kind``; gives its detail, counted where there is no manifest (``said``). ``executed`` is
    filled with what it executes when it is restored.

    Raises BrokenSet for what is not whole, holds commands, or is of another database than the manifest says.
    """
    executed = [] if executed is None else executed
    if kind == "postgresql-globals":
        await read_plain(blocks, cluster=True)
        return as_detail(GlobalsDetail()) if said is None else said.detail
    if kind == "postgresql-plain":
        dump = await read_plain(blocks)
        executed += dump.executed
        return _of_plain(dump, said)
    async with aclosing(looked_through(blocks, lambda executing: executed.extend(executing.found))) as passed:
        return as_detail(await _decoded(passed)) if said is None else await _of_archive(passed, said)


async def _of_archive(blocks: AsyncIterator[bytes], said: Part) -> dict[str, Any]:
    head = await read_custom(blocks)
    expected = _detail(said)
    if head.database != expected.database:
        raise _other_database(head.database, expected.database)
    return said.detail


async def _decoded(blocks: AsyncIterator[bytes]) -> DatabaseDetail:
    """An archive without a manifest, decoded by this machine's pg_restore."""
    from lilfox_tui.config.model import HostConfig
    from lilfox_tui.hosts.local import LocalHost

    host = LocalHost("localhost", HostConfig(local=True))
    try:
        head = await decode_custom(host, await find_clients(host), blocks)
    finally:
        await host.close()
    return DatabaseDetail(database=head.database, dumped_by=head.dumped_by)


def _of_plain(dump: PlainDump, said: Part | None) -> dict[str, Any]:
    if said is None:
        return as_detail(dump.detail())
    expected = _detail(said)
    if dump.database not in (None, expected.database):
        raise _other_database(dump.database or "", expected.database)
    content = expected.content
    if content is not None:
        for name, rows in dump.tables.items():
            counted = content.tables.get(name)
            if counted is not None and counted.rows not in (None, rows):
                raise BrokenSet(
                    tr("{table} has {rows} in the dump; {counted} were counted",
                       table=clean(name), rows=ntr("{count} row", "{count} rows", rows), counted=counted.rows)
                )  # fmt: skip
    return said.detail


def _detail(said: Part) -> DatabaseDetail:
    try:
        return database_detail(said.detail)
    except msgspec.ValidationError as error:
        raise BrokenSet(tr("its manifest cannot be read: {reason}", reason=str(error))) from None


def _other_database(found: str, expected: str) -> BackupError:
    return BrokenSet(
        tr("it is of the database {found}; its manifest says {expected}", found=clean(found), expected=clean(expected))
    )
