"""Staging databases, and how they are swapped with the databases in use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Container, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta, tzinfo
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from lilfox_tui.backup.checks import ServerSession
from lilfox_tui.backup.postgresql.connect import ServerAccess
from lilfox_tui.backup.postgresql.psql import (
    DatabaseDetail,
    DatabaseTarget,
    PersistentPsql,
    Psql,
    Row,
    SqlRefused,
    open_session,
    variable,
)
from lilfox_tui.backup.postgresql.server import MEETING, DatabaseFacts, ServerFacts, sessions_in
from lilfox_tui.backup.sets.names import stamp_of
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.crash import phase
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, _, clauses, listed, tr
from lilfox_tui.core.text import clean, human_duration

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
    """One setting of a database or of a role in it; ``values`` has several items if the setting is a list of names."""

    role: str
    """Empty: for all."""
    name: str
    values: tuple[str, ...]


class PreservedSettings(Struct, frozen=True, kw_only=True):
    """The settings of a database that a restore preserves. ``acl`` is an array of aclitem as text; None stands for the
    server's default."""

    owner: str | None = None
    acl: str | None = None
    limit: int = -1
    comment: str | None = None
    settings: tuple[DatabaseSetting, ...] = ()


async def current_settings(session: PersistentPsql, name: str) -> PreservedSettings | None:
    """Return the current settings of the database ``name``; None if it does not exist. ``session``: in any database of
    its server. Raises BackupError, HostError."""
    await session.tell(variable("name", name))
    rows = await session.ask(_READ)
    if not rows:
        return None
    row: dict[str, Any] = rows[0]
    settings = tuple(_setting(each["role"], each["setting"]) for each in row.pop("settings"))
    return PreservedSettings(**row, settings=settings)


def recorded_settings(detail: DatabaseDetail) -> PreservedSettings:
    """Return the settings from the manifest."""
    return PreservedSettings(
        owner=detail.owner,
        acl=detail.acl,
        limit=-1 if detail.connection_limit is None else detail.connection_limit,
        comment=detail.comment,
        settings=tuple(_told(text) for text in detail.settings),
    )


async def apply_settings(session: PersistentPsql, carried: PreservedSettings) -> None:
    """Apply the settings to the database that the session's variable ``staged`` names. Raises SqlRefused, BackupError,
    HostError."""
    await session.tell(variable("carried", json.dumps(msgspec.to_builtins(carried))))
    await session.tell(_GIVE)


def _told(text: str) -> DatabaseSetting:
    """Parse ``work_mem=64MB`` or ``role: work_mem=64MB``."""
    left, _, value = text.partition("=")
    role, _, name = left.rpartition(": ")
    return _setting(role, f"{name}={value}")


def _setting(role: str, setting: str) -> DatabaseSetting:
    name, _, value = setting.partition("=")
    values = _names(value) if name.lower() in _OF_QUOTED_NAMES else (value,)
    return DatabaseSetting(role, name, values)


def _names(text: str) -> tuple[str, ...]:
    """Parse the names of a list, without their quotes; an empty list gives one empty name."""
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
    """A database to rename, and the settings that it gets first."""

    name: str
    becomes: str
    given: PreservedSettings | None = None
    ours: bool = False
    """Nobody but us has anything to do in it."""


async def rename(
    access: ServerAccess, server: ServerFacts, lock: PersistentPsql, steps: Sequence[RenameStep], *, end_sessions: bool
) -> None:
    """Rename all databases, or none. ``lock`` is the session that holds the restore locks; it also terminates blocking
    sessions, if ``end_sessions``.

    Raises BackupError where somebody is in the way or the server refuses: then everything is as it was.
    """
    busy = [step.name for step in steps if not step.ours]
    ours = [step.name for step in steps if step.ours]
    if not end_sessions:
        await refuse_sessions(Psql(access), busy)
    settings = {"idle_session_timeout": "0"} if server.version_num >= 140000 else {}
    async with (
        open_session(access, MEETING, version_num=server.version_num, settings=settings) as session,
        _ended(lock, [*ours, *busy] if end_sessions else ours),
    ):
        try:
            await _in_one_transaction(session, steps, PATIENCE[end_sessions])
        except SqlRefused as error:
            with suppress(LilFoxError):
                await session.tell("ROLLBACK;")
            hint = _hint_still_there() if end_sessions else hint_to_end()
            raise await _refused(Psql(access), busy, error, hint) from None
    phase("swap-second")


async def refuse_sessions(psql: Psql, names: Sequence[str]) -> None:
    """Raise BackupError if there are sessions in the databases, and name them. Raises HostError."""
    for name in names:
        if sessions := await sessions_in(psql, name, database=MEETING):
            raise BackupError(in_the_way(name, sessions), hint_to_end())


def in_the_way(name: str, sessions: Sequence[ServerSession]) -> Message:
    """Return ``lilfox is in use: pid 4711 (role app, psql, local, idle for 3m 20s); …``"""
    told = [_("pid {pid} ({who})", pid=each.pid, who=_who(each)) for each in sessions[:_SOME]]
    more = f" … (+{len(sessions) - _SOME})" if len(sessions) > _SOME else ""
    return tr("{name} is in use: {sessions}", name=clean(name), sessions=clean(clauses(told)) + more)


def _who(session: ServerSession) -> str:
    words = filter(None, (session.role, session.application, session.client, session.state))
    return listed([*words, human_duration(session.since_s)])


def hint_to_end() -> Message:
    """Return the hint for sessions that block a swap."""
    return tr("stop the applications that use it, or allow terminating these sessions during the swap (--end-sessions)")


def _hint_still_there() -> Message:
    """Return the hint for sessions that still block a swap after LilFox has tried to terminate them."""
    return tr(
        "stop the applications that use it: they reconnect at once, or this role is not allowed to terminate "
        "their sessions"
    )


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
async def _ended(lock: PersistentPsql, names: Sequence[str]) -> AsyncIterator[None]:
    """Keep terminating the sessions in ``names`` while the context is open."""
    if not names:
        yield
        return
    ended = asyncio.Event()

    async def end() -> None:
        while not ended.is_set():
            for name in names:
                await lock.tell(variable("ended", name))
                await lock.ask(_END)
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


async def _refused(psql: Psql, names: Sequence[str], error: SqlRefused, hint: Message) -> BackupError:
    """Return the error for a refused rename; ``hint`` is for sessions that block it."""
    if error.sqlstate in (IN_USE, "57014"):
        for name in names:
            if sessions := await sessions_in(psql, name, database=MEETING):
                return BackupError(in_the_way(name, sessions), hint)
    return BackupError(tr("the databases could not be swapped: {reason}", reason=error.message), error.hint)


# Staging databases of restores: their names and marks, created, found again, dropped.


# Names of databases that a restore makes: beside the one it restores, and never longer than the server keeps.


LONGEST_BYTES = 63
"""Of a name (NAMEDATALEN - 1); the server cuts longer ones in silence."""
DRILL = "lilfox_drill_"
_HASH_DIGITS = 8
_STAMP_LENGTH = len("20231230_020000")


def restored_name(name: str, stamp: str) -> str:
    """Return the name of a database that is restored but not yet in place: ``lilfox_restore_20231230_020000``."""
    return _fitted(name, f"_restore_{stamp}")


def before_name(name: str, stamp: str) -> str:
    """Return the name under which a restore retains the earlier database: ``lilfox_before_20231230_020000``."""
    return _fitted(name, f"_before_{stamp}")


def drill_name(name: str, stamp: str) -> str:
    """Return the name of a database restored by a drill, to be compared and dropped:
    ``lilfox_drill_lilfox_20231230_020000``."""
    return _fitted(DRILL + name, f"_{stamp}")


def is_staged(name: str, target: str) -> bool:
    """Return whether ``name`` is a name under which a restore or a drill of ``target`` stages it."""
    stamp = name[-_STAMP_LENGTH:]
    return name in (restored_name(target, stamp), drill_name(target, stamp))


def free_stamp(at: datetime, zone: tzinfo, names: list[str], taken: Container[str]) -> str:
    """Return the stamp of the local time ``at``, or of the next second for which none of the names of a restore of
    ``names`` is ``taken``."""
    while True:
        stamp = stamp_of(at, zone)
        made = [make(name, stamp) for name in names for make in (restored_name, before_name, drill_name)]
        if not any(name in taken for name in made):
            return stamp
        at += timedelta(seconds=1)


def _fitted(name: str, end: str) -> str:
    """Return ``name`` + ``end``; if that is too long, shorten ``name`` and add a hash of it to keep it unique."""
    if len((name + end).encode()) <= LONGEST_BYTES:
        return name + end
    end = f"_{sha256(name.encode()).hexdigest()[:_HASH_DIGITS]}{end}"
    return name.encode()[: LONGEST_BYTES - len(end)].decode(errors="ignore") + end


# Databases that restores are staged in: made, marked as such, found again, taken away.
#
# The mark is the database's comment; who works on one holds its claim. A marked one that nobody claims is what a crash
# left, as long as it has the name that it was made with: one that somebody has renamed is somebody's.


MARK = "lilfox: staged to restore "
"""Begins the comment; the name of the database that it is for follows."""
LONG_S = 600.0
"""For CREATE and DROP DATABASE, which wait for a checkpoint."""
LEAVE_S = 30.0
"""So long sessions may take to leave that were ended, or have ended by themselves: a busy machine is slow at it, and
the server gives up after 5 s at each try."""
_STAGING_AGAIN_S = 0.2
LEFT = f"""
SELECT d.datname AS name, substr(shobj_description(d.oid, 'pg_database'), {len(MARK) + 1}) AS "for"
FROM pg_database d WHERE shobj_description(d.oid, 'pg_database') LIKE '{MARK}%' AND NOT EXISTS (
    SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND ((l.classid::int8 << 32) | l.objid::int8) = hashtextextended('lilfox restore ' || d.datname, 0))
ORDER BY 1
"""  # noqa: S608 - constants of ours
_END_SESSIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :'name' AND pid <> pg_backend_pid()"
)
_SUBSCRIPTIONS = """
SELECT s.subname AS name FROM pg_subscription s JOIN pg_database d ON d.oid = s.subdbid WHERE d.datname = :'name'
"""


class Leftover(Struct, frozen=True):
    """A database that an unfinished restore left behind."""

    name: str
    target: str
    """The database that it was to become."""


class DatabaseTemplate(Struct, frozen=True, kw_only=True):
    """The settings for creating a database; None stands for the server's default."""

    owner: str | None = None
    encoding: str | None = None
    collate: str | None = None
    ctype: str | None = None
    provider: str = "c"
    locale: str | None = None
    """Of ICU, or of the builtin provider."""
    tablespace: str | None = None


def form_of(target: DatabaseTarget, live: DatabaseFacts | None) -> DatabaseTemplate:
    """Return the settings for the new database: encoding and locale from the set, or from the live database if the set
    has none; tablespace and owner from the live database (without one, the owner from the set)."""
    detail = target.detail
    tablespace = live.tablespace if live is not None and live.tablespace != "pg_default" else None
    owner = live.owner if live is not None else detail.owner
    if detail.collate is not None:  # of a script the encoding of its text alone is known
        return DatabaseTemplate(
            owner=owner,
            encoding=detail.encoding,
            collate=detail.collate,
            ctype=detail.ctype,
            provider=detail.locale_provider or "c",
            locale=detail.icu_locale,
            tablespace=tablespace,
        )
    if live is None:
        return DatabaseTemplate(owner=owner)
    return DatabaseTemplate(
        owner=owner,
        encoding=live.encoding,
        collate=live.collate,
        ctype=live.ctype,
        provider=live.locale_provider,
        locale=live.icu_locale,
        tablespace=tablespace,
    )


async def create(psql: Psql, name: str, target: str, form: DatabaseTemplate) -> None:
    """Create an empty database that PUBLIC may not connect to. Raises BackupError, HostError."""
    words, variables = ['CREATE DATABASE :"name" TEMPLATE template0'], {"name": name, "mark": MARK + target}
    given = (
        ('OWNER :"owner"', form.owner),
        ("ENCODING :'encoding'", form.encoding),
        ("LC_COLLATE :'collate'", form.collate),
        ("LC_CTYPE :'ctype'", form.ctype),
        ('TABLESPACE :"tablespace"', form.tablespace),
    )
    for clause, value in given:
        if value is not None:
            words.append(clause)
            variables[clause.split(":")[1].strip("'\"")] = value
    if form.locale is not None and form.provider in ("i", "b"):
        provider, clause = ("icu", "ICU_LOCALE") if form.provider == "i" else ("builtin", "BUILTIN_LOCALE")
        words.append(f"LOCALE_PROVIDER {provider} {clause} :'locale'")
        variables["locale"] = form.locale
    await once_left(
        psql,
        "template0",
        " ".join(words),
        "COMMENT ON DATABASE :\"name\" IS :'mark'",
        'REVOKE ALL ON DATABASE :"name" FROM PUBLIC',
        variables=variables,
    )


async def drop(psql: Psql, server: ServerFacts, name: str) -> None:
    """Drop a database, even with sessions in it; do nothing if it does not exist. Raises BackupError, HostError."""
    await _drop_subscriptions(psql, name)
    force = " WITH (FORCE)" if server.version_num >= 130000 else ""
    ends = () if force else (_END_SESSIONS + " \\g /dev/null",)
    await once_left(psql, name, *ends, f'DROP DATABASE IF EXISTS :"name"{force}', variables={"name": name})


async def once_left(psql: Psql, name: str, *statements: str, variables: Mapping[str, str]) -> None:
    """Run statements as soon as nobody is connected to the database ``name``; the first statement checks that. Raises
    BackupError, which names the sessions, after ``LEAVE_S``; HostError."""
    clock = asyncio.get_running_loop().time
    ends_s = clock() + LEAVE_S
    while True:
        try:
            return await psql.execute(
                *statements, database=MEETING, variables=variables, timeout_s=LONG_S, together=False
            )
        except SqlRefused as error:
            if error.sqlstate != IN_USE:
                raise
            if clock() >= ends_s:
                sessions = await sessions_in(psql, name, database=MEETING)
                if not sessions:
                    raise
                hint = tr("stop the applications that use it; the next run tries again")
                raise BackupError(in_the_way(name, sessions), hint) from None
        await asyncio.sleep(_STAGING_AGAIN_S)


async def _drop_subscriptions(psql: Psql, name: str) -> None:
    """Drop the subscriptions of a database, which otherwise cannot be dropped. Each is first detached from its slot,
    which belongs to the dumped database and stays with its publisher."""
    [rows] = await psql.ask(_SUBSCRIPTIONS, database=MEETING, variables={"name": name})
    for row in rows:
        await psql.execute(
            'ALTER SUBSCRIPTION :"name" DISABLE',
            'ALTER SUBSCRIPTION :"name" SET (slot_name = NONE)',
            'DROP SUBSCRIPTION :"name"',
            database=name,
            variables={"name": row["name"]},
            timeout_s=LONG_S,
        )


async def leftovers(psql: Psql) -> Sequence[Leftover]:
    """Return the databases that unfinished restores left on the server. Raises BackupError, HostError."""
    [rows] = await psql.ask(LEFT, database=MEETING)
    return leftovers_from(rows)


def leftovers_from(rows: Sequence[Row]) -> Sequence[Leftover]:
    """Convert the rows of ``LEFT``."""
    return [Leftover(row["name"], row["for"]) for row in rows if is_staged(row["name"], row["for"])]
