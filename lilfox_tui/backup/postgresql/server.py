"""Facts about a server and its databases before an operation, and the lock that a restore holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct, convert

from lilfox_tui.backup.checks import ServerSession
from lilfox_tui.backup.postgresql.connect import ServerAccess
from lilfox_tui.backup.postgresql.psql import PersistentPsql, Psql, Row, SqlRefused, open_session, variable
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import clean, human_duration

# What is known of a server and of one database before anything is done with it.


class ServerFacts(Struct, frozen=True, kw_only=True):
    """A server, and LilFox's role on it. Times in seconds since 1970."""

    version_num: int
    """170012 of 17.12."""
    version: str
    system_identifier: str | None
    """Of the cluster, made by initdb and copied to its standbys; None where the role may not ask."""
    standby: bool
    read_only: bool
    """``default_transaction_read_only`` is on."""
    role: str
    superuser: bool
    can_create_db: bool
    clock: float
    data_directory: str | None
    """Told to superusers and pg_read_all_settings only."""
    max_locks: int
    """Objects that all sessions together can lock."""

    @property
    def major(self) -> int:
        """The major version: 17 of 17.12."""
        return self.version_num // 10000


class DatabaseFacts(Struct, frozen=True, kw_only=True):
    """One database as its server describes it."""

    name: str
    owner: str
    encoding: str
    collate: str
    ctype: str
    locale_provider: str
    """``c`` (libc), ``i`` (ICU), ``b`` (builtin, from 17 on)."""
    icu_locale: str | None
    tablespace: str
    size_bytes: int
    is_template: bool
    allows_connections: bool
    connection_limit: int


class Blocker(Struct, frozen=True, kw_only=True):
    """A session that holds or waits for a lock that blocks even readers of a table."""

    pid: int
    role: str
    application: str
    state: str
    table: str
    since_s: float | None
    granted: bool


SERVER = """
SELECT current_setting('server_version_num')::int AS version_num, current_setting('server_version') AS version,
    pg_is_in_recovery() AS standby, current_setting('default_transaction_read_only')::bool AS read_only,
    current_user AS role, r.rolsuper AS superuser,
    (r.rolcreatedb OR r.rolsuper) AS can_create_db, extract(epoch FROM clock_timestamp())::float8 AS clock,
    (SELECT s.setting FROM pg_settings s WHERE s.name = 'data_directory') AS data_directory,
    current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int
        + current_setting('max_prepared_transactions')::int) AS max_locks
FROM pg_roles r WHERE r.rolname = current_user
"""
_IDENTIFIER = "SELECT system_identifier::text AS system_identifier FROM pg_control_system()"
DATABASES = """
SELECT d.datname AS name, pg_get_userbyid(d.datdba) AS owner, pg_encoding_to_char(d.encoding) AS encoding,
    d.datcollate AS collate, d.datctype AS ctype, t.spcname AS tablespace, d.datistemplate AS is_template,
    d.datallowconn AS allows_connections, d.datconnlimit AS connection_limit,
    coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS locale_provider,
    coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS icu_locale,
    CASE WHEN has_database_privilege(d.oid, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'USAGE')
        THEN pg_database_size(d.oid) ELSE 0 END AS size_bytes
FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace
"""
SESSIONS = """
SELECT pid, coalesce(usename, '') AS role, application_name AS application,
    coalesce(host(client_addr), client_hostname, 'local') AS client, coalesce(state, '') AS state,
    extract(epoch FROM clock_timestamp() - state_change)::float8 AS since_s, left(coalesce(query, ''), 300) AS query
FROM pg_stat_activity WHERE datname = :'name' AND pid <> pg_backend_pid() AND backend_type = 'client backend'
ORDER BY pid
"""
_BLOCKERS = """
SELECT l.pid, coalesce(a.usename, '') AS role, coalesce(a.application_name, '') AS application,
    coalesce(a.state, 'prepared transaction') AS state, l.relation::regclass::text AS "table", l.granted,
    extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.state_change))::float8 AS since_s
FROM pg_locks l JOIN pg_class c ON c.oid = l.relation LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND c.relkind IN ('r', 'p', 'S', 'v', 'm', 'f')
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.pid IS DISTINCT FROM pg_backend_pid()
ORDER BY l.granted DESC, since_s DESC NULLS LAST LIMIT 20
"""


async def server_of(psql: Psql, *, database: str = "") -> ServerFacts:
    """Query the server facts, in ``database`` (default: that of the connection). Raises SqlRefused, NoConnection,
    HostError."""
    identifier = asyncio.ensure_future(identifier_of(psql, database=database))
    try:
        [[row]] = await psql.ask(SERVER, database=database)
        return server_from(row, await identifier)
    finally:
        identifier.cancel()
        await asyncio.gather(identifier, return_exceptions=True)


async def identifier_of(psql: Psql, *, database: str = "") -> str | None:
    """Return the cluster's system identifier; None if the role may not read it. Uses a separate session, because the
    server may refuse the query. Raises like :func:`server_of`."""
    try:
        [[row]] = await psql.ask(_IDENTIFIER, database=database)
    except SqlRefused:
        return None
    return str(row["system_identifier"])


def server_from(row: Row, identifier: str | None) -> ServerFacts:
    """Convert the row of ``SERVER``."""
    return convert({**row, "system_identifier": identifier}, ServerFacts)


async def databases_of(psql: Psql, *, database: str = "") -> dict[str, DatabaseFacts]:
    """Return all databases by name. Raises as :func:`server_of`."""
    [rows] = await psql.ask(DATABASES, database=database)
    return databases_from(rows)


def databases_from(rows: Sequence[Row]) -> dict[str, DatabaseFacts]:
    """Convert the rows of ``DATABASES``, by name."""
    return {row["name"]: convert(row, DatabaseFacts) for row in rows}


async def sessions_in(psql: Psql, name: str, *, database: str = "") -> list[ServerSession]:
    """Return the sessions in the database ``name``, without LilFox's own. Raises like :func:`server_of`."""
    [rows] = await psql.ask(SESSIONS, database=database, variables={"name": name})
    return sessions_from(rows)


def sessions_from(rows: Sequence[Row]) -> list[ServerSession]:
    """Convert the rows of ``SESSIONS``."""
    return [convert(row, ServerSession) for row in rows]


async def blockers_in(psql: Psql, *, database: str = "") -> list[Blocker]:
    """Return the sessions that block readers of tables in ``database``, lock holders first. Raises like
    :func:`server_of`."""
    [rows] = await psql.ask(_BLOCKERS, database=database)
    return [convert(row, Blocker) for row in rows]


async def extensions_of(psql: Psql, *, database: str = "") -> list[Row]:
    """Return ``name`` and ``version`` of the extensions in ``database``. Raises like :func:`server_of`."""
    [rows] = await psql.ask(
        "SELECT extname AS name, extversion AS version FROM pg_extension ORDER BY 1", database=database
    )
    return rows


# Who restores into a database holds an advisory lock for it in the database ``postgres`` of its server, so that two
# machines meet there. It is held by a kept session and goes with it, however the holder ends.


MEETING = "postgres"
"""The database of every server in which those who restore meet."""
HOLDER = """
SELECT a.pid, a.usename AS role, coalesce(host(a.client_addr), 'local') AS client,
    extract(epoch FROM clock_timestamp() - a.backend_start)::float8 AS since_s
FROM pg_stat_activity a JOIN pg_locks l USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ((l.classid::int8 << 32) | l.objid::int8) = hashtextextended('lilfox restore ' || :'name', 0)
"""
_TRY = "SELECT pg_try_advisory_lock(hashtextextended('lilfox restore ' || :'name', 0)) AS taken"


@asynccontextmanager
async def restore_lock(access: ServerAccess, version_num: int, names: Sequence[str]) -> AsyncIterator[PersistentPsql]:
    """Hold the restore locks of ``names`` in a session in the database ``postgres``, which may also run other queries.

    Raises BackupError where somebody else restores into one of them, HostError.
    """
    settings = {"idle_session_timeout": "0"} if version_num >= 140000 else {}
    async with open_session(access, MEETING, version_num=version_num, settings=settings) as session:
        await session.tell("SET client_min_messages = 'error';")
        for name in names:
            await session.tell(variable("name", name))
            [row] = await session.ask(_TRY)
            if not row["taken"]:
                holder = await holder_of(Psql(access), name)
                raise BackupError(
                    holder or tr("another restore into {name} is running", name=clean(name)),
                    tr("Wait for it to end; lilfox jobs lists the jobs on this machine."),
                )
        yield session


async def holder_of(psql: Psql, name: str) -> Message | None:
    """Return a message about the restore into ``name`` that is running now; None if there is none. Raises BackupError,
    HostError."""
    [rows] = await psql.ask(HOLDER, database=MEETING, variables={"name": name})
    return holder_from(rows, name)


def holder_from(rows: Sequence[Row], name: str) -> Message | None:
    """Convert the row that the query ``HOLDER`` returns to a message; None if there is no row."""
    if not rows:
        return None
    row = rows[0]
    return tr(
        "another restore into {name} is running: server pid {pid}, role {role}, from {client}, for {time}",
        name=clean(name),
        pid=row["pid"],
        role=clean(row["role"] or ""),
        client=row["client"],
        time=human_duration(row["since_s"]),
    )
