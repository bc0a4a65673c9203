"""The PostgreSQL source: dumps, restores, and the data that restores retain."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from hashlib import sha256
from typing import Any

import msgspec

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.options import PostgresqlOptions
from lilfox_tui.backup.postgresql.connect import (
    Connection,
    ServerAccess,
    find_clients,
    open_server_access,
    read_url,
    url_of,
)
from lilfox_tui.backup.postgresql.custom import decode_custom, looked_through, read_custom
from lilfox_tui.backup.postgresql.dump import (
    described_database,
    dump_database,
    dump_globals,
)
from lilfox_tui.backup.postgresql.dump_checks import about_database, about_server
from lilfox_tui.backup.postgresql.executed_code import ExecutedCode
from lilfox_tui.backup.postgresql.plain import PlainDump, read_plain
from lilfox_tui.backup.postgresql.psql import DatabaseDetail, GlobalsDetail, Psql, as_detail, database_detail
from lilfox_tui.backup.postgresql.restore import (
    DatabaseRestore,
    ServerRoute,
    finish_databases,
    settle_databases,
    standing_of_databases,
    undo_databases,
)
from lilfox_tui.backup.postgresql.server import (
    MEETING,
    DatabaseFacts,
    databases_of,
    restore_lock,
    server_of,
    sessions_in,
)
from lilfox_tui.backup.postgresql.swap import LONG_S, before_name, drop, in_the_way, leftovers, once_left, restored_name
from lilfox_tui.backup.postgresql.table_restore import (
    TableRestore,
    beside,
    finish_table,
    settle_table,
    shape_of,
    standing_of_table,
    undo_table,
)
from lilfox_tui.backup.sets.model import FoundPart, ManifestPart
from lilfox_tui.backup.source import (
    PartContent,
    PartSink,
    Renames,
    RestoreTask,
    RetainedItem,
    Settled,
    Standing,
    Swap,
)
from lilfox_tui.backup.store import BackupError, BrokenSet
from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.crash import phase
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, listed, ntr, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost

# What a restore of databases or of a table keeps beside what is in place, and how that is let go.
#
# Nothing is dropped by what the journal says alone: the names must be those that a restore of that target makes, what
# is in place must be there, and nobody may be connected to what goes (it is never dropped with FORCE).


_STAMP = re.compile(r"_restore_(\d{8}_\d{6})$", re.ASCII)
_DROP = 'DROP DATABASE IF EXISTS :"name"'
_TABLE = """
SELECT c.oid::regclass::text AS name, pg_total_relation_size(c.oid) AS size_bytes FROM pg_class c
WHERE c.oid = to_regclass(:'only')
"""


async def kept_databases(route: ServerRoute, swap: Swap) -> list[RetainedItem]:
    """See ``backup/source.py``. Raises BackupError, HostError."""
    async with route.opened() as access:
        return await _databases(access, swap)


async def forget_databases(route: ServerRoute, swap: Swap) -> None:
    """See ``backup/source.py``. Raises BackupError, HostError."""
    async with route.opened() as access:
        psql = Psql(access)
        names = [name for pair in swap.renames for name in (pair.target, pair.staged, pair.before) if name]
        async with restore_lock(access, (await server_of(psql, database=MEETING)).version_num, names):
            found = await _databases(access, swap)
            _refuse(found)
            for each in found:
                await once_left(psql, each.name, _DROP, variables={"name": each.name})


async def left_databases(route: ServerRoute, names: Collection[str]) -> list[RetainedItem]:
    """Return the databases that are marked as staged for one of ``names`` and that no restore is working on. Raises
    BackupError, HostError."""
    async with route.opened() as access:
        return await _left(Psql(access), names)


async def forget_left_databases(route: ServerRoute, names: Collection[str]) -> list[str]:
    """Drop the databases that :func:`left_databases` returns. Raises BackupError, HostError."""
    async with route.opened() as access:
        psql = Psql(access)
        found = [each.name for each in await _left(psql, names)]
        server = await server_of(psql, database=MEETING)
        async with restore_lock(access, server.version_num, found):
            for name in found:
                await drop(psql, server, name)
        return found


async def _left(psql: Psql, names: Collection[str]) -> list[RetainedItem]:
    known = await databases_of(psql, database=MEETING)
    return [
        RetainedItem(target=each.target, name=each.name, size_bytes=known[each.name].size_bytes or None)
        for each in await leftovers(psql)
        if each.target in names and each.name in known
    ]


async def kept_table(route: ServerRoute, swap: Swap) -> list[RetainedItem]:
    """See ``backup/source.py``. Raises BackupError, HostError."""
    async with route.opened() as access:
        found, _name = await _table(Psql(access), swap)
        return found


async def forget_table(route: ServerRoute, swap: Swap) -> None:
    """See ``backup/source.py``. Raises BackupError, HostError."""
    async with route.opened() as access:
        psql = Psql(access)
        async with restore_lock(access, (await server_of(psql, database=MEETING)).version_num, [swap.within]):
            found, name = await _table(psql, swap)
            _refuse(found)
            if found:
                await psql.execute(f"DROP TABLE {name}", database=swap.within, timeout_s=LONG_S)


async def _databases(access: ServerAccess, swap: Swap) -> list[RetainedItem]:
    psql = Psql(access)
    known = await databases_of(psql, database=MEETING)
    found = []
    for pair in swap.renames:
        names = [name for name in (pair.before, pair.staged) if name in known]
        for name in names:
            why_not = _why_not(pair, names, known) or await _in_use(psql, name)
            found.append(
                RetainedItem(target=pair.target, name=name, size_bytes=known[name].size_bytes or None, why_not=why_not)
            )
    return found


def _why_not(pair: Renames, there: list[str], known: Mapping[str, DatabaseFacts]) -> Message | str:
    stamped = _STAMP.search(pair.staged)
    ours = stamped is not None and (
        pair.staged == restored_name(pair.target, stamped[1])
        and pair.before in ("", before_name(pair.target, stamped[1]))
    )
    if not ours:
        return tr("a restore of {target} would not use this name", target=clean(pair.target))
    if len(there) > 1:
        return tr("the restore did not finish")
    if pair.before and pair.target not in known:
        return tr("{target} does not exist: this may be the only copy left", target=clean(pair.target))
    return ""


async def _in_use(psql: Psql, name: str) -> Message | str:
    sessions = await sessions_in(psql, name, database=MEETING)
    return in_the_way(name, sessions) if sessions else ""


async def _table(psql: Psql, swap: Swap) -> tuple[list[RetainedItem], str]:
    """Return the retained table, or the one that an undo set aside, and its name in SQL."""
    if swap.within not in await databases_of(psql, database=MEETING):
        return [], ""
    live = await shape_of(psql, swap.within, swap.target)
    stamped = _STAMP.search(swap.staged)
    only, kept = swap.before, await shape_of(psql, swap.within, swap.before)
    if kept is None and live is not None and stamped is not None:
        only = beside(live, restored_name(live.table, stamped[1]))
        kept = await shape_of(psql, swap.within, only)
    [rows] = await psql.ask(_TABLE, database=swap.within, variables={"only": only})
    if not rows or kept is None:
        return [], ""
    why_not: Message | str = ""
    if live is None:
        why_not = tr("{target} does not exist: this may be the only copy left", target=clean(swap.target))
    elif (
        stamped is None
        or swap.staged != restored_name(swap.within, stamped[1])
        or kept.kind != "r"
        or kept.schema != live.schema
        or kept.table not in (before_name(live.table, stamped[1]), restored_name(live.table, stamped[1]))
    ):
        why_not = tr("a restore of {target} would not use this name", target=clean(swap.target))
    found = RetainedItem(target=swap.target, name=only, size_bytes=rows[0]["size_bytes"], why_not=why_not)
    return [found], kept.name


def _refuse(found: list[RetainedItem]) -> None:
    for each in found:
        if str(each.why_not):
            raise BackupError(tr("{name} cannot be deleted: {reason}", name=clean(each.name), reason=each.why_not))


# Judging a stored part of a database by its raw bytes alone: whole, and what it was said to be.


async def judge_part(
    kind: str, said: ManifestPart | None, blocks: AsyncIterator[bytes], executed: list[ExecutedCode] | None = None
) -> dict[str, Any]:
    """Read the whole part of ``kind`` and return its detail; without a manifest entry (``said``), counted from the
    data. Fills ``executed`` with the code that a restore of the part executes.

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
    """Return the detail of an archive without a manifest, decoded by this machine's pg_restore."""
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
                    tr("{table} has {rows} in the dump, but {counted} were counted at backup time",
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
        tr(
            "it is a dump of database {found}; its manifest says {expected}",
            found=clean(found),
            expected=clean(expected),
        )
    )


# PostgreSQL 12 and newer by pg_dump: one or several databases, each with what is in it, and the cluster's globals.


def open_source(name: str, options: PostgresqlOptions, host: Host) -> PostgreSqlSource:
    """Return the source of the databases in ``options``, reached through ``host``; no query is sent yet. Raises
    UsageError for an invalid URL."""
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


def open_target(options: PostgresqlOptions, host: Host, task: RestoreTask) -> DatabaseRestore:
    """Return the restore target: the databases of ``options``, or the one of the URL ``task.place``.

    Raises UsageError.
    """
    if task.place:
        options = msgspec.structs.replace(options, url=task.place, databases=())
    route = _route(options, host)
    databases = options.databases or (route.connection.database,)
    return (TableRestore if task.spec.only else DatabaseRestore)(route, task, databases)


async def undo(swap: Swap, host: Host) -> None:
    """See ``backup/source.py``."""
    await (undo_table if swap.within else undo_databases)(_route(_options_of(swap), host), swap)


async def settle(swap: Swap, host: Host) -> Settled:
    """See ``backup/source.py``."""
    return await (settle_table if swap.within else settle_databases)(_route(_options_of(swap), host), swap)


async def standing(swap: Swap, host: Host) -> list[Standing]:
    """See ``backup/source.py``."""
    return await (standing_of_table if swap.within else standing_of_databases)(_route(_options_of(swap), host), swap)


async def finish(swap: Swap, host: Host) -> None:
    """See ``backup/source.py``."""
    await (finish_table if swap.within else finish_databases)(_route(_options_of(swap), host), swap)


async def kept(swap: Swap, host: Host) -> list[RetainedItem]:
    """See ``backup/source.py``."""
    return await (kept_table if swap.within else kept_databases)(_route(_options_of(swap), host), swap)


async def forget(swap: Swap, host: Host) -> None:
    """See ``backup/source.py``."""
    await (forget_table if swap.within else forget_databases)(_route(_options_of(swap), host), swap)


async def left(options: PostgresqlOptions, host: Host) -> list[RetainedItem]:
    """See ``backup/source.py``."""
    return await left_databases(_route(options, host), _names(options))


async def forget_left(options: PostgresqlOptions, host: Host) -> list[str]:
    """See ``backup/source.py``."""
    return await forget_left_databases(_route(options, host), _names(options))


async def other_places(options: PostgresqlOptions, host: Host) -> list[str]:
    """See ``backup/source.py``. Raises UsageError, BackupError, HostError."""
    route = _route(options, host)
    async with route.opened() as access:
        known = await databases_of(Psql(access), database=MEETING)
    own = (*_names(options), MEETING)
    return [
        url_of(route.connection, name)
        for name, facts in sorted(known.items())
        if facts.allows_connections and not facts.is_template and name not in own
    ]


def _names(options: PostgresqlOptions) -> tuple[str, ...]:
    return options.databases or (connection_of(options).database,)


def _route(options: PostgresqlOptions, host: Host) -> ServerRoute:
    return ServerRoute(
        host=host,
        host_name=options.host or "",
        connection=connection_of(options),
        restorer=_restorer(options),
        run_code=options.run_code,
        binaries=options.binaries,
        options=msgspec.to_builtins(options, enc_hook=_plain),
    )


def _restorer(options: PostgresqlOptions) -> Connection | None:
    if not options.restore_role:
        return None
    return msgspec.structs.replace(
        connection_of(options), user=options.restore_role, password=options.restore_password or options.password
    )


def _plain(value: object) -> object:
    """Convert durations and secret references to types that JSON has."""
    return float(value) if isinstance(value, float) else str(value)


def _options_of(swap: Swap) -> PostgresqlOptions:
    return msgspec.convert(swap.options, PostgresqlOptions, dec_hook=lambda kind, value: kind(value))


def connection_of(options: PostgresqlOptions) -> Connection:
    """Return the connection in ``options``. Raises UsageError."""
    url = options.url or "postgresql://"
    connection = read_url(url, run_as=options.as_, password=options.password)
    if connection.database:
        return connection
    if not options.databases:
        raise UsageError(tr("no database is specified"), tr("Append one to url:, or list one or more under databases:"))
    return msgspec.structs.replace(connection, database=options.databases[0])


def stem_of(database: str) -> str:
    """Return the database's name as a file stem; different names have different stems."""
    safe = re.sub(r"[^A-Za-z0-9._-]|^[.-]", "_", database)
    return safe if safe == database else f"{safe[:40]}-{sha256(database.encode()).hexdigest()[:8]}"


class PostgreSqlSource:
    """See :class:`~lilfox_tui.backup.source.BackupSource`."""

    def __init__(self, name: str, options: PostgresqlOptions, host: Host, connection: Connection) -> None:
        self.name = name
        self.databases = options.databases or (connection.database,)
        self._options, self._host, self._connection = options, host, connection

    @property
    def where(self) -> str:
        """The databases, for display: ``database lilfox on db-1``"""
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
        """See :meth:`BackupSource.size_bytes`: the size of the databases on the server's disk, indexes included."""
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
                    access, server, programs, database, into, stem,
                    lock_timeout_s=self._options.lock_timeout, sessions=self._options.sessions,
                )  # fmt: skip
            async with self._opened() as access:  # a password's file goes with the link, which the dump may outlive
                described = await described_database(Psql(access), server, programs, database, content, schema)
            into.describe(stored, as_detail(described))

    def _opened(self) -> AbstractAsyncContextManager[ServerAccess]:
        return open_server_access(self._host, self._connection, binaries=self._options.binaries)
