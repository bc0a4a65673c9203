"""Swaps databases: renames all of a restore in one transaction, and gives each the settings of the one it replaces."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
from msgspec import Struct

from lilfox_tui.backup.crash_points import phase
from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.postgresql.connect import ServerAccess
from lilfox_tui.backup.postgresql.detail import DatabaseDetail
from lilfox_tui.backup.postgresql.psql import PersistentPsql, Psql, SqlRefused, open_session, variable
from lilfox_tui.backup.postgresql.server import MEETING, ServerFacts, ServerSession, sessions_in
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, _, clauses, listed, tr
from lilfox_tui.text import clean, human_duration

# What belongs to a database and not to what is in it, and so is in no dump of it: owner, rights, limit of connections,
# comment, and the settings of ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET.
#
# What is there now wins; of a database that is gone the manifest tells. Values go through no argv: they may be secrets.


_OF_QUOTED_NAMES = frozenset(
    ("search_path", "temp_tablespaces", "session_preload_libraries", "shared_preload_libraries",
     "local_preload_libraries", "unix_socket_directories")
)  # fmt: skip
"""Settings whose value is a list of quoted names (GUC_LIST_QUOTE in the server; pg_dump knows the same list)."""
_READ = (
    'SELECT pg_get_userbyid(d.datdba) AS owner, d.datacl::text AS acl, d.datconnlimit AS "limit", '
    "shobj_description(d.oid, 'pg_database') AS comment, "
    "(SELECT coalesce(json_agg(json_build_object('role', CASE WHEN s.setrole = 0 THEN '' ELSE "
    "pg_get_userbyid(s.setrole) END, 'setting', c) ORDER BY s.setrole, n), '[]') "
    "FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) WITH ORDINALITY AS u (c, n) "
    "WHERE s.setdatabase = d.oid) AS settings FROM pg_database d WHERE d.datname = :'name'"
)
_GIVE = (
    "WITH c AS (SELECT :'carried'::json AS c) "
    "SELECT s FROM (SELECT 1 AS n, 0::int8 AS m, "
    "format('ALTER DATABASE %I OWNER TO %I', :'staged', c ->> 'owner') AS s FROM c WHERE c ->> 'owner' IS NOT NULL "
    "UNION ALL SELECT 2, 0, format('ALTER DATABASE %I CONNECTION LIMIT %s', :'staged', (c ->> 'limit')::int) FROM c "
    "UNION ALL SELECT 3, 0, format('COMMENT ON DATABASE %I IS %L', :'staged', c ->> 'comment') FROM c "
    "UNION ALL SELECT 4, m, CASE WHEN e ->> 'role' = '' THEN format('ALTER DATABASE %I', :'staged') "
    "ELSE format('ALTER ROLE %I IN DATABASE %I', e ->> 'role', :'staged') END || format(' SET %I TO ', e ->> 'name') "
    "|| (SELECT string_agg(quote_literal(v), ', ') FROM json_array_elements_text(e -> 'values') v) "
    "FROM c, json_array_elements(c -> 'settings') WITH ORDINALITY AS l (e, m) "
    "UNION ALL SELECT 5, 0, format('REVOKE ALL ON DATABASE %I FROM PUBLIC, %I', :'staged', c ->> 'owner') FROM c "
    "WHERE c ->> 'owner' IS NOT NULL "
    "UNION ALL SELECT 6, 0, format('GRANT %s ON DATABASE %I TO %s', a.privilege_type, :'staged', "
    "CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END) "
    "|| CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END FROM c, pg_roles r, "
    "aclexplode(coalesce((c ->> 'acl')::aclitem[], acldefault('d', r.oid))) a WHERE r.rolname = c ->> 'owner' "
    ") q ORDER BY n, m \\gexec"
)


class DatabaseSetting(Struct, frozen=True):
    """One setting; ``values`` are several where it is a list of names."""

    role: str
    """Empty: for all."""
    name: str
    values: tuple[str, ...]


class PreservedSettings(Struct, frozen=True, kw_only=True):
    """What a database is given. ``acl`` is an array of aclitem as text; None: the server's default."""

    owner: str | None = None
    acl: str | None = None
    limit: int = -1
    comment: str | None = None
    settings: tuple[DatabaseSetting, ...] = ()


async def current_settings(session: PersistentPsql, name: str) -> PreservedSettings | None:
    """What the database ``name`` has now; None where there is none. ``session``: of any database of its server. Raises
    BackupError, HostError."""
    await session.tell(variable("name", name))
    rows = await session.ask(_READ)
    if not rows:
        return None
    row: dict[str, Any] = rows[0]
    settings = tuple(_setting(each["role"], each["setting"]) for each in row.pop("settings"))
    return PreservedSettings(**row, settings=settings)


def recorded_settings(detail: DatabaseDetail) -> PreservedSettings:
    """What the manifest tells."""
    return PreservedSettings(
        owner=detail.owner,
        acl=detail.acl,
        limit=-1 if detail.connection_limit is None else detail.connection_limit,
        comment=detail.comment,
        settings=tuple(_told(text) for text in detail.settings),
    )


async def apply_settings(session: PersistentPsql, carried: PreservedSettings) -> None:
    """Gives it to the database that the variable ``staged`` of the session names. Raises SqlRefused, BackupError,
    HostError."""
    await session.tell(variable("carried", json.dumps(msgspec.to_builtins(carried))))
    await session.tell(_GIVE)


def _told(text: str) -> DatabaseSetting:
    """``work_mem=64MB`` or ``role: work_mem=64MB``."""
    left, _, value = text.partition("=")
    role, _, name = left.rpartition(": ")
    return _setting(role, f"{name}={value}")


def _setting(role: str, setting: str) -> DatabaseSetting:
    name, _, value = setting.partition("=")
    values = _names(value) if name.lower() in _OF_QUOTED_NAMES else (value,)
    return DatabaseSetting(role, name, values)


def _names(text: str) -> tuple[str, ...]:
    """The names of a list, each as it is without its quotes; one empty name for an empty list."""
    names, within = [""], False
    for position, character in enumerate(text):
        if character == '"':
            if not within and names[-1] and text[position - 1] == '"':
                names[-1] += '"'
            within = not within
        elif within or character not in ", ":
            names[-1] += character
        elif character == ",":
            names.append("")
    return tuple(names)


# Databases put in each other's place: all renames of a restore are one transaction, so that a crash leaves all of them
# or none.
#
# While it runs, PostgreSQL holds who connects to a database that is being renamed in the queue for its lock; who is in
# it already must leave before. So nobody gets in between, and nothing has to be forbidden that a crash would leave
# forbidden.


IN_USE = "55006"
"""object_in_use (PostgreSQL, appendix A)."""
PATIENCE = {True: "3s", False: "500ms"}
"""So long a rename may wait for sessions to leave: those that are being ended, or those that must not be there."""
_AGAIN_S = 0.05
_END = (
    "SELECT count(pg_terminate_backend(pid)) AS ended FROM pg_stat_activity WHERE datname = :'ended' "
    "AND pid <> pg_backend_pid()"
)
_SOME = 5


class RenameStep(Struct, frozen=True):
    """A database that gets another name, and what it is given before."""

    name: str
    becomes: str
    given: PreservedSettings | None = None
    ours: bool = False
    """Nobody but us has anything to do in it."""


async def rename(
    access: ServerAccess, server: ServerFacts, claim: PersistentPsql, steps: Sequence[RenameStep], *, end_sessions: bool
) -> None:
    """Makes all steps, or none. ``claim`` is the session that holds the claims; it ends who is in the way.

    Raises BackupError where somebody is in the way or the server refuses: then everything is as it was.
    """
    busy = [step.name for step in steps if not step.ours]
    ours = [step.name for step in steps if step.ours]
    if not end_sessions:
        await refuse_sessions(Psql(access), busy)
    settings = {"idle_session_timeout": "0"} if server.version_num >= 140000 else {}
    async with (
        open_session(access, MEETING, version_num=server.version_num, settings=settings) as session,
        _ended(claim, [*ours, *busy] if end_sessions else ours),
    ):
        try:
            await _in_one_transaction(session, steps, PATIENCE[end_sessions])
        except SqlRefused as error:
            with suppress(LilFoxError):
                await session.tell("ROLLBACK;")
            raise await _refused(Psql(access), busy, error) from None
    phase("swap-second")


async def refuse_sessions(psql: Psql, names: Sequence[str]) -> None:
    """Raises BackupError that names who is in the databases; HostError."""
    for name in names:
        if sessions := await sessions_in(psql, name, database=MEETING):
            raise BackupError(in_the_way(name, sessions), hint_to_end())


def in_the_way(name: str, sessions: Sequence[ServerSession]) -> Message:
    """``lilfox is in use: pid 4711 (role app, psql, local, idle for 3m 20s); …``"""
    told = [_("pid {pid} ({who})", pid=each.pid, who=_who(each)) for each in sessions[:_SOME]]
    more = f" … (+{len(sessions) - _SOME})" if len(sessions) > _SOME else ""
    return tr("{name} is in use: {sessions}", name=clean(name), sessions=clean(clauses(told)) + more)


def _who(session: ServerSession) -> str:
    words = filter(None, (session.role, session.application, session.client, session.state))
    return listed([*words, human_duration(session.since_s)])


def hint_to_end() -> Message:
    """What to do about sessions."""
    return tr("stop what uses it, or allow that these sessions are ended at the swap (--end-sessions)")


async def _in_one_transaction(session: PersistentPsql, steps: Sequence[RenameStep], patience: str) -> None:
    await session.tell(f"BEGIN; SET LOCAL statement_timeout = '{patience}'; SET LOCAL lock_timeout = '2s';")
    for step in steps:
        if step.given is not None:
            await session.tell(variable("staged", step.name))
            await apply_settings(session, step.given)
    for number, step in enumerate(steps):
        await session.tell(variable("name", step.name))
        await session.tell(variable("becomes", step.becomes))
        await session.tell('ALTER DATABASE :"name" RENAME TO :"becomes";')
        if number == 0:
            phase("swap-first")
    await session.tell("COMMIT;")


@asynccontextmanager
async def _ended(claim: PersistentPsql, names: Sequence[str]) -> AsyncIterator[None]:
    """Ends the sessions of ``names`` over and over, as long as the context stands."""
    if not names:
        yield
        return
    ended = asyncio.Event()

    async def end() -> None:
        while not ended.is_set():
            for name in names:
                await claim.tell(variable("ended", name))
                await claim.ask(_END)
            with suppress(TimeoutError):
                async with asyncio.timeout(_AGAIN_S):
                    await ended.wait()

    ending = asyncio.ensure_future(end())
    try:
        yield
    finally:
        ended.set()
        with suppress(LilFoxError):  # who may not end a session is told by the rename that waited for it
            await ending


async def _refused(psql: Psql, names: Sequence[str], error: SqlRefused) -> BackupError:
    if error.sqlstate in (IN_USE, "57014"):
        for name in names:
            if sessions := await sessions_in(psql, name, database=MEETING):
                return BackupError(in_the_way(name, sessions), hint_to_end())
    return BackupError(tr("the databases could not be swapped: {reason}", reason=error.message), error.hint)
