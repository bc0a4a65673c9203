"""PostgreSQL 12 and newer by pg_dump: one or several databases, each with what is in it, and the cluster's globals."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from hashlib import sha256

import msgspec

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.errors import BrokenSet
from lilfox_tui.backup.model import FoundPart
from lilfox_tui.backup.phases import phase
from lilfox_tui.backup.postgresql.access import Access, opened
from lilfox_tui.backup.postgresql.checks import about_database, about_server
from lilfox_tui.backup.postgresql.connection import Connection, read_url
from lilfox_tui.backup.postgresql.describe import described_database
from lilfox_tui.backup.postgresql.detail import GlobalsDetail, as_detail
from lilfox_tui.backup.postgresql.dump import dump_database, dump_globals
from lilfox_tui.backup.postgresql.executing import Executed
from lilfox_tui.backup.postgresql.forgetting import (
    forget_databases,
    forget_left_databases,
    forget_table,
    kept_databases,
    kept_table,
    left_databases,
)
from lilfox_tui.backup.postgresql.judging import judged
from lilfox_tui.backup.postgresql.one_table import (
    TableTarget,
    finish_table,
    settle_table,
    standing_of_table,
    undo_table,
)
from lilfox_tui.backup.postgresql.psql import Psql
from lilfox_tui.backup.postgresql.server import databases_of, server_of
from lilfox_tui.backup.postgresql.settling import (
    finish_databases,
    settle_databases,
    standing_of_databases,
    undo_databases,
)
from lilfox_tui.backup.postgresql.target import DatabaseTarget, Way
from lilfox_tui.backup.source import Content, Goal, Into, Kept, Settled, Standing, Swap
from lilfox_tui.backup.sources.postgresql import Options
from lilfox_tui.errors import LilFoxError, UsageError
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import listed, tr
from lilfox_tui.text import clean


def open_source(name: str, options: Options, host: Host) -> PostgreSql:
    """The databases of ``options`` through ``host``; nothing is asked yet. Raises UsageError for a wrong URL."""
    connection = connection_of(options)
    return PostgreSql(name, options, host, connection)


async def read_content(part: FoundPart, blocks: AsyncIterator[bytes]) -> Content:
    """See ``backup/source.py``."""
    try:
        executed: list[Executed] = []
        detail = await judged(part.kind, part.said, blocks, executed)
        return Content(detail=detail, executes=tuple(each.what for each in executed))
    except BrokenSet as error:
        return Content(trouble=error.message)


def open_target(_name: str, options: Options, host: Host, goal: Goal) -> DatabaseTarget:
    """Where the databases of a set go: those of ``options``, or the one of the URL ``goal.place``.

    Raises UsageError.
    """
    if goal.place:
        options = msgspec.structs.replace(options, url=goal.place, databases=())
    way = _way(options, host)
    databases = options.databases or (way.connection.database,)
    return (TableTarget if goal.only else DatabaseTarget)(way, goal, databases)


async def undo(swap: Swap, host: Host) -> None:
    """See ``source.py``."""
    await (undo_table if swap.within else undo_databases)(_way(_options_of(swap), host), swap)


async def settle(swap: Swap, host: Host) -> Settled:
    """See ``source.py``."""
    return await (settle_table if swap.within else settle_databases)(_way(_options_of(swap), host), swap)


async def standing(swap: Swap, host: Host) -> list[Standing]:
    """See ``source.py``."""
    return await (standing_of_table if swap.within else standing_of_databases)(_way(_options_of(swap), host), swap)


async def finish(swap: Swap, host: Host) -> None:
    """See ``source.py``."""
    await (finish_table if swap.within else finish_databases)(_way(_options_of(swap), host), swap)


async def kept(swap: Swap, host: Host) -> list[Kept]:
    """See ``source.py``."""
    return await (kept_table if swap.within else kept_databases)(_way(_options_of(swap), host), swap)


async def forget(swap: Swap, host: Host) -> None:
    """See ``source.py``."""
    await (forget_table if swap.within else forget_databases)(_way(_options_of(swap), host), swap)


async def left(options: Options, host: Host) -> list[Kept]:
    """See ``source.py``."""
    return await left_databases(_way(options, host), _names(options))


async def forget_left(options: Options, host: Host) -> list[str]:
    """See ``source.py``."""
    return await forget_left_databases(_way(options, host), _names(options))


def _names(options: Options) -> tuple[str, ...]:
    return options.databases or (connection_of(options).database,)


def _way(options: Options, host: Host) -> Way:
    return Way(
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


class PostgreSql:
    """See :class:`~lilfox_tui.backup.source.Source`."""

    def __init__(self, name: str, options: Options, host: Host, connection: Connection) -> None:
        self.name = name
        self.databases = options.databases or (connection.database,)
        self._options, self._host, self._connection = options, host, connection

    @property
    def where(self) -> str:
        """``database lilfox on db-1``"""
        return str(tr("database {names} on {host}", names=clean(listed(self.databases)), host=self._host.name))

    async def checks(self) -> list[Check]:
        """See :meth:`Source.checks`."""
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
        """See :meth:`Source.size_bytes`: of the databases on the server's disk, indexes included."""
        async with self._opened() as access:
            known = await databases_of(Psql(access))
        return sum(known[name].size_bytes for name in self.databases if name in known)

    async def dump(self, into: Into) -> None:
        """See :meth:`Source.dump`."""
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

    def _opened(self) -> AbstractAsyncContextManager[Access]:
        return opened(self._host, self._connection, binaries=self._options.binaries)
