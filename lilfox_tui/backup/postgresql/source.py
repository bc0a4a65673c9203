"""The postgresql source: pg_dump of databases (PostgreSQL 12 and newer) and globals; and judging of stored parts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing
from hashlib import sha256
from typing import Any

import msgspec

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.crash_points import phase
from lilfox_tui.backup.errors import BackupError, BrokenSet
from lilfox_tui.backup.postgresql.connect import Connection, ServerAccess, find_clients, open_server_access, read_url
from lilfox_tui.backup.postgresql.custom import decode_custom, looked_through, read_custom
from lilfox_tui.backup.postgresql.detail import DatabaseDetail, GlobalsDetail, as_detail, database_detail
from lilfox_tui.backup.postgresql.dump import (
    about_database,
    about_server,
    described_database,
    dump_database,
    dump_globals,
)
from lilfox_tui.backup.postgresql.executed_code import ExecutedCode
from lilfox_tui.backup.postgresql.plain import PlainDump, read_plain
from lilfox_tui.backup.postgresql.psql import Psql
from lilfox_tui.backup.postgresql.restore import (
    DatabaseRestore,
    ServerRoute,
    finish_databases,
    settle_databases,
    standing_of_databases,
    undo_databases,
)
from lilfox_tui.backup.postgresql.retained import (
    forget_databases,
    forget_left_databases,
    forget_table,
    kept_databases,
    kept_table,
    left_databases,
)
from lilfox_tui.backup.postgresql.server import databases_of, server_of
from lilfox_tui.backup.postgresql.table_restore import (
    TableRestore,
    finish_table,
    settle_table,
    standing_of_table,
    undo_table,
)
from lilfox_tui.backup.sets.manifest import ManifestPart
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.backup.source import PartContent, PartSink, RetainedItem, Settled, SourceRestoreSpec, Standing, Swap
from lilfox_tui.backup.sources.postgresql import Options
from lilfox_tui.errors import LilFoxError, UsageError
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import listed, ntr, tr
from lilfox_tui.text import clean

# Judging a stored part of a database by its raw bytes alone: whole, and what it was said to be.


async def judge_part(
    kind: str, said: ManifestPart | None, blocks: AsyncIterator[bytes], executed: list[ExecutedCode] | None = None
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


async def _of_archive(blocks: AsyncIterator[bytes], said: ManifestPart) -> dict[str, Any]:
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


def _of_plain(dump: PlainDump, said: ManifestPart | None) -> dict[str, Any]:
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


def _detail(said: ManifestPart) -> DatabaseDetail:
    try:
        return database_detail(said.detail)
    except msgspec.ValidationError as error:
        raise BrokenSet(tr("its manifest cannot be read: {reason}", reason=str(error))) from None


def _other_database(found: str, expected: str) -> BackupError:
    return BrokenSet(
        tr("it is of the database {found}; its manifest says {expected}", found=clean(found), expected=clean(expected))
    )


# PostgreSQL 12 and newer by pg_dump: one or several databases, each with what is in it, and the cluster's globals.


def open_source(name: str, options: Options, host: Host) -> PostgreSqlSource:
    """The databases of ``options`` through ``host``; nothing is asked yet. Raises UsageError for a wrong URL."""
    connection = connection_of(options)
    return PostgreSqlSource(name, options, host, connection)


async def read_content(part: FoundPart, blocks: AsyncIterator[bytes]) -> PartContent:
    """See ``backup/source.py``."""
    try:
        executed: list[ExecutedCode] = []
        detail = await judge_part(part.kind, part.said, blocks, executed)
        return PartContent(detail=detail, executes=tuple(each.what for each in executed))
    except BrokenSet as error:
        return PartContent(trouble=error.message)


def open_target(_name: str, options: Options, host: Host, goal: SourceRestoreSpec) -> DatabaseRestore:
    """Where the databases of a set go: those of ``options``, or the one of the URL ``goal.place``.

    Raises UsageError.
    """
    if goal.place:
        options = msgspec.structs.replace(options, url=goal.place, databases=())
    way = _way(options, host)
    databases = options.databases or (way.connection.database,)
    return (TableRestore if goal.only else DatabaseRestore)(way, goal, databases)


async def undo(swap: Swap, host: Host) -> None:
    """See ``backup/source.py``."""
    await (undo_table if swap.within else undo_databases)(_way(_options_of(swap), host), swap)


async def settle(swap: Swap, host: Host) -> Settled:
    """See ``backup/source.py``."""
    return await (settle_table if swap.within else settle_databases)(_way(_options_of(swap), host), swap)


async def standing(swap: Swap, host: Host) -> list[Standing]:
    """See ``backup/source.py``."""
    return await (standing_of_table if swap.within else standing_of_databases)(_way(_options_of(swap), host), swap)


async def finish(swap: Swap, host: Host) -> None:
    """See ``backup/source.py``."""
    await (finish_table if swap.within else finish_databases)(_way(_options_of(swap), host), swap)


async def kept(swap: Swap, host: Host) -> list[RetainedItem]:
    """See ``backup/source.py``."""
    return await (kept_table if swap.within else kept_databases)(_way(_options_of(swap), host), swap)


async def forget(swap: Swap, host: Host) -> None:
    """See ``backup/source.py``."""
    await (forget_table if swap.within else forget_databases)(_way(_options_of(swap), host), swap)


async def left(options: Options, host: Host) -> list[RetainedItem]:
    """See ``backup/source.py``."""
    return await left_databases(_way(options, host), _names(options))


async def forget_left(options: Options, host: Host) -> list[str]:
    """See ``backup/source.py``."""
    return await forget_left_databases(_way(options, host), _names(options))


def _names(options: Options) -> tuple[str, ...]:
    return options.databases or (connection_of(options).database,)


def _way(options: Options, host: Host) -> ServerRoute:
    return ServerRoute(
        host=host,
        host_name=options.host or "",
        connection=connection_of(options),
        restorer=_restorer(options),
        run_code=options.run_code,
        binaries=options.binaries,
        options=msgspec.to_builtins(options, enc_hook=_plain),
    )


def _restorer(options: Options) -> Connection | None:
    if not options.restore_role:
        return None
    return msgspec.structs.replace(
        connection_of(options), user=options.restore_role, password=options.restore_password or options.password
    )


def _plain(value: object) -> object:
    """Seconds and references to secrets as JSON has them."""
    return float(value) if isinstance(value, float) else str(value)


def _options_of(swap: Swap) -> Options:
    return msgspec.convert(swap.options, Options, dec_hook=lambda kind, value: kind(value))


def connection_of(options: Options) -> Connection:
    """The connection that ``options`` name. Raises UsageError."""
    url = options.url or "postgresql://"
    connection = read_url(url, run_as=options.as_, password=options.password)
    if connection.database:
        return connection
    if not options.databases:
        raise UsageError(
            tr("no database is named"), tr("Write it at the end of url:, or one or several under databases:")
        )
    return msgspec.structs.replace(connection, database=options.databases[0])


def stem_of(database: str) -> str:
    """The database's name as the beginning of a file's; another name's stem is another."""
    safe = re.sub(r"[^A-Za-z0-9._-]|^[.-]", "_", database)
    return safe if safe == database else f"{safe[:40]}-{sha256(database.encode()).hexdigest()[:8]}"


class PostgreSqlSource:
    """See :class:`~lilfox_tui.backup.source.BackupSource`."""

    def __init__(self, name: str, options: Options, host: Host, connection: Connection) -> None:
        self.name = name
        self.databases = options.databases or (connection.database,)
        self._options, self._host, self._connection = options, host, connection

    @property
    def where(self) -> str:
        """``database lilfox on db-1``"""
        return str(tr("database {names} on {host}", names=clean(listed(self.databases)), host=self._host.name))

    async def checks(self) -> list[Check]:
        """See :meth:`BackupSource.checks`."""
        about = tr("database server {server}", server=self._connection.server)
        try:
            async with self._opened() as access:
                checks, server = await about_server(access, globals_too=self._options.globals)
                if server is not None:
                    for database in self.databases:
                        checks += await about_database(access, server, database)
                return checks
        except LilFoxError as error:
            return [Check(about, "bad", error.message, error.hint)]

    async def size_bytes(self) -> int | None:
        """See :meth:`BackupSource.size_bytes`: of the databases on the server's disk, indexes included."""
        async with self._opened() as access:
            known = await databases_of(Psql(access))
        return sum(known[name].size_bytes for name in self.databases if name in known)

    async def dump(self, into: PartSink) -> None:
        """See :meth:`BackupSource.dump`."""
        phase("connect")
        async with self._opened() as access:
            psql = Psql(access)
            server = await server_of(psql)
            programs = access.clients.for_server(server.major)
            if self._options.globals:
                stored = await dump_globals(access, programs, into, passwords=server.superuser)
                detail = GlobalsDetail(
                    server_version_num=server.version_num,
                    system_identifier=server.system_identifier,
                    passwords=server.superuser,
                )
                into.describe(stored, as_detail(detail))
        for database in self.databases:
            stem = stem_of(database)
            async with self._opened() as access:
                stored, content, schema = await dump_database(
                    access, server, programs, database, into, stem, lock_timeout_s=self._options.lock_timeout
                )
            async with self._opened() as access:  # a password's file goes with the link, which the dump may outlive
                described = await described_database(Psql(access), server, programs, database, content, schema)
            into.describe(stored, as_detail(described))

    def _opened(self) -> AbstractAsyncContextManager[ServerAccess]:
        return open_server_access(self._host, self._connection, binaries=self._options.binaries)
