"""The server that a database is to be restored to: its roles, extensions, tablespaces and databases."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from msgspec import Struct

from lilfox_tui.backup.postgresql.psql import Psql
from lilfox_tui.backup.postgresql.server import (
    DATABASES,
    MEETING,
    SERVER,
    DatabaseFacts,
    ServerFacts,
    databases_from,
    identifier_of,
    server_from,
)
from lilfox_tui.backup.postgresql.swap import LEFT, Leftover, leftovers_from

_ROLES = "SELECT rolname AS name, pg_has_role(current_user, oid, 'MEMBER') AS member FROM pg_roles"
_EXTENSIONS = """
SELECT v.name, json_agg(v.version) AS versions, bool_or(v.superuser) AS superuser,
    bool_or(coalesce((to_jsonb(v) ->> 'trusted')::bool, false)) AS trusted
FROM pg_available_extension_versions v GROUP BY v.name
"""
_TABLESPACES = """
SELECT spcname AS name, pg_tablespace_location(oid) AS location, has_tablespace_privilege(oid, 'CREATE') AS allowed
FROM pg_tablespace
"""
_ITSELF = """
SELECT pg_size_bytes(current_setting('max_wal_size'))::int8 AS max_wal_bytes,
    (SELECT r.rolsuper OR pg_has_role(current_user, s.oid, 'MEMBER') FROM pg_roles r, pg_roles s
        WHERE r.rolname = current_user AND s.rolname = 'pg_signal_backend') AS may_end
"""


POWERS = """
SELECT r.rolname AS name FROM pg_roles r, pg_roles me WHERE me.rolname = {role} AND pg_has_role(me.oid, r.oid, 'MEMBER')
    AND (r.rolsuper OR r.rolcreaterole OR r.rolname IN ('pg_execute_server_program', 'pg_read_server_files',
        'pg_write_server_files')) ORDER BY NOT r.rolsuper, 1
"""
"""Roles that ``role`` is, or can become, whose rights reach beyond one database: it could run programs, read files, or
give itself that right. A superuser is all of them."""
_OUR_POWERS = POWERS.format(role="current_user")


class Extension(Struct, frozen=True):
    """An extension that the server could install."""

    name: str
    versions: tuple[str, ...]
    superuser: bool
    """Only a superuser may install it, unless it is ``trusted``."""
    trusted: bool


class Tablespace(Struct, frozen=True):
    """A tablespace. ``location`` is a folder of the server; empty for those within its data directory."""

    name: str
    location: str
    allowed: bool


class ServerInfo(Struct, frozen=True, kw_only=True):
    """A PostgreSQL server, with its roles, extensions, tablespaces and databases."""

    server: ServerFacts
    databases: Mapping[str, DatabaseFacts]
    roles: Mapping[str, bool]
    """Name → whether we are a member of it, and so may give things to it."""
    extensions: Mapping[str, Extension]
    tablespaces: Mapping[str, Tablespace]
    leftovers: Sequence[Leftover]
    max_wal_bytes: int
    powers: tuple[str, ...] = ()
    """Roles that we are, or can become, whose rights reach beyond one database."""
    may_end: bool
    """We may end sessions of other roles (those of superusers only as one)."""


async def read_server_info(psql: Psql) -> ServerInfo:
    """Query the server, everything in one snapshot. Raises BackupError, HostError."""
    identifier = asyncio.ensure_future(identifier_of(psql, database=MEETING))
    try:
        [server], databases, left, roles, extensions, tablespaces, [itself], powers = await psql.ask(
            SERVER, DATABASES, LEFT, _ROLES, _EXTENSIONS, _TABLESPACES, _ITSELF, _OUR_POWERS, database=MEETING
        )
        known = server_from(server, await identifier)
    finally:
        identifier.cancel()
        await asyncio.gather(identifier, return_exceptions=True)
    return ServerInfo(
        server=known,
        databases=databases_from(databases),
        roles={row["name"]: row["member"] for row in roles},
        extensions={row["name"]: Extension(**{**row, "versions": tuple(row["versions"])}) for row in extensions},
        tablespaces={row["name"]: Tablespace(**row) for row in tablespaces},
        leftovers=leftovers_from(left),
        max_wal_bytes=itself["max_wal_bytes"],
        powers=tuple(row["name"] for row in powers),
        may_end=itself["may_end"],
    )
