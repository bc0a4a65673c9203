"""Checks everything that can be known to fail a dump before it begins."""

from __future__ import annotations

import time

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.postgresql.connect import ServerAccess
from lilfox_tui.backup.postgresql.dump import blocked_by
from lilfox_tui.backup.postgresql.psql import Psql, SqlRefused
from lilfox_tui.backup.postgresql.server import (
    DatabaseFacts,
    ServerFacts,
    blockers_in,
    databases_of,
    server_of,
)
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.i18n import Message, listed, ntr, tr
from lilfox_tui.core.text import clean, human_bytes, human_duration

CLOCK_APART_S = 30.0
_SOME = 5
_DUMPED = (
    "pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname !~ '^pg_' "
    "AND n.nspname <> 'information_schema' AND c.relpersistence <> 't' AND NOT EXISTS (SELECT FROM pg_depend d "
    "WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
)
_UNREADABLE = (
    f"SELECT c.oid::regclass::text AS name FROM {_DUMPED} AND c.relkind IN ('r', 'p', 'S') "
    "AND NOT (has_schema_privilege(n.oid, 'USAGE') AND CASE c.relkind WHEN 'S' "
    "THEN has_sequence_privilege(c.oid, 'SELECT') ELSE has_table_privilege(c.oid, 'SELECT') END) ORDER BY 1"
)
_HIDDEN_ROWS = (
    f"SELECT c.oid::regclass::text AS name FROM {_DUMPED} AND c.relkind IN ('r', 'p') "
    "AND row_security_active(c.oid) ORDER BY 1"
)
_COUNTS = (
    "SELECT count(*) AS objects, count(*) FILTER (WHERE c.relkind = 'r' AND c.relpersistence = 'u') AS unlogged "
    f"FROM {_DUMPED} AND c.relkind IN ('r', 'p')"
)
_LARGE_OBJECTS = (
    "SELECT count(*) AS count FROM pg_largeobject_metadata m WHERE NOT pg_has_role(m.lomowner, 'USAGE') AND NOT EXISTS "
    "(SELECT FROM aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT' "
    "AND (a.grantee = 0 OR pg_has_role(a.grantee, 'USAGE')))"
)
_TIMEOUTS = (
    "SELECT DISTINCT c AS setting FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c WHERE s.setrole IN "
    "(0, (SELECT oid FROM pg_roles WHERE rolname = current_user)) AND s.setdatabase IN "
    "(0, (SELECT oid FROM pg_database WHERE datname = current_database())) AND c ~ '^[a-z_]*_timeout=' ORDER BY 1"
)


async def about_server(access: ServerAccess, *, globals_too: bool) -> tuple[list[Check], ServerFacts | None]:
    """Return the checks of the server (reachable, versions, clock, standby, globals) and its facts, None if it cannot
    be dumped at all.

    Raises BackupError, HostError where it cannot be asked.
    """
    server = await server_of(Psql(access))
    about = tr("database server {server}", server=access.connection.server)
    kind = tr("standby") if server.standby else tr("primary")
    checks = [Check(about, "good", tr("PostgreSQL {version}, {kind}", version=server.version, kind=kind))]
    try:
        programs = access.clients.for_server(server.major)
    except BackupError as error:
        return [*checks, Check(tr("pg_dump"), "bad", error.message, error.hint)], None
    found = tr("{version} in {folder}", version=programs.text, folder=clean(programs.folder))
    if programs.major > server.major:
        hint = tr("Its dumps can only be restored into PostgreSQL {major} or newer.", major=programs.major)
        checks.append(Check(tr("pg_dump"), "warning", found, hint))
    else:
        checks.append(Check(tr("pg_dump"), "good", found))
    apart = abs(server.clock - time.time())
    if apart > CLOCK_APART_S:
        found = tr("the server's clock differs from this machine's clock by {time}", time=human_duration(apart))
        checks.append(
            Check(
                tr("clock"),
                "warning",
                found,
                tr("Set names use this machine's clock; synchronize both clocks with NTP."),
            )
        )
    if globals_too and not server.superuser:
        found = tr("{role} is not a superuser: roles are saved without their passwords", role=clean(server.role))
        hint = tr("After a restore to a new server, set the passwords of the roles again.")
        checks.append(Check(tr("roles"), "warning", found, hint))
    return checks, server


async def about_database(access: ServerAccess, server: ServerFacts, name: str) -> list[Check]:
    """Return the checks of a database: it exists, is fully readable and not blocked. Raises BackupError, HostError if
    it cannot be queried."""
    psql = Psql(access)
    about = tr("database {name}", name=clean(name))
    known = await databases_of(psql)
    if name not in known:
        return [Check(about, "bad", tr("does not exist"), _named(known))]
    if not known[name].allows_connections:
        hint = tr("A restore may have left it that way, or it is template0.")
        return [Check(about, "bad", tr("it does not allow connections"), hint)]
    try:
        return [*_of(about, known[name]), *await _readable(psql, server, name, about), *await _in_the_way(psql, name)]
    except SqlRefused as error:
        return [Check(about, "bad", error.message, error.hint)]


def _named(known: dict[str, DatabaseFacts]) -> Message:
    names = [clean(each) for each in sorted(known) if not known[each].is_template]
    return tr("Existing databases: {names}", names=listed(names[:20]))


def _of(about: Message, database: DatabaseFacts) -> list[Check]:
    found = tr("{size}, {encoding}, {collate}", size=human_bytes(database.size_bytes), encoding=database.encoding,
               collate=database.collate)  # fmt: skip
    if database.encoding == "SQL_ASCII":
        hint = tr("SQL_ASCII does not validate text: it can be restored into SQL_ASCII only.")
        return [Check(about, "warning", found, hint)]
    return [Check(about, "good", found)]


async def _readable(psql: Psql, server: ServerFacts, name: str, about: Message) -> list[Check]:
    unreadable, hidden, [counts], [objects], timeouts = await psql.ask(
        _UNREADABLE, _HIDDEN_ROWS, _COUNTS, _LARGE_OBJECTS, _TIMEOUTS, database=name
    )
    checks = []
    role = clean(server.role)
    grant = tr("Run GRANT pg_read_all_data TO {role}, or dump as the owner.", role=role)
    if unreadable:
        checks.append(
            Check(about, "bad", tr("{role} is not allowed to read {names}", role=role, names=_some(unreadable)), grant)
        )
    if objects["count"] and not server.superuser:
        found = ntr(
            "{role} is not allowed to read {count} large object",
            "{role} is not allowed to read {count} large objects",
            int(objects["count"]),
            role=role,
        )
        checks.append(Check(about, "bad", found, tr("Dump as their owner or as a superuser.")))
    if hidden:
        found = tr("row-level security hides rows of {names} from {role}", names=_some(hidden), role=role)
        checks.append(
            Check(about, "bad", found, tr("Run ALTER ROLE {role} BYPASSRLS, or dump as the owner.", role=role))
        )
    if counts["objects"] > server.max_locks:
        found = tr("{count} tables; the server can lock at most {most}", count=counts["objects"], most=server.max_locks)
        checks.append(
            Check(about, "bad", found, tr("Raise max_locks_per_transaction; this requires a restart of the server."))
        )
    if counts["unlogged"] and server.standby:
        found = ntr("{count} unlogged table has no rows on a standby",
                    "{count} unlogged tables have no rows on a standby", int(counts["unlogged"]))  # fmt: skip
        checks.append(
            Check(about, "warning", found, tr("Their rows are not dumped; dump from the primary to include them."))
        )
    if timeouts:
        names = clean(listed(row["setting"] for row in timeouts))
        found = tr("timeouts that apply to {role} are ignored for the dump: {names}", names=names, role=role)
        checks.append(Check(about, "good", found))
    return checks


def _some(rows: list[dict[str, str]]) -> str:
    names = [clean(row["name"]) for row in rows[:_SOME]]
    return listed(names) + (f" … (+{len(rows) - _SOME})" if len(rows) > _SOME else "")


async def _in_the_way(psql: Psql, name: str) -> list[Check]:
    hint = tr("The dump waits for this lock and fails if it is held for longer than lock_timeout: allows.")
    return [
        Check(tr("locks"), "warning", blocked_by(blocker), hint)
        for blocker in await blockers_in(psql, database=name)
        if blocker.granted
    ]
