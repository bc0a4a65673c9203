"""Dumps a database with pg_dump: the preliminary checks, the stream and content of one snapshot, and the cause of a
failure."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from signal import Signals

from msgspec import structs

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.postgresql.connect import ClientPrograms, ServerAccess
from lilfox_tui.backup.postgresql.content import TEXT_FORM, DatabaseSnapshot, schema_digest, take_snapshot
from lilfox_tui.backup.postgresql.psql import (
    DatabaseContent,
    DatabaseDetail,
    Psql,
    SqlRefused,
    refusal_hint,
)
from lilfox_tui.backup.postgresql.row_digest import ArchiveRows, digested
from lilfox_tui.backup.postgresql.server import (
    Blocker,
    DatabaseFacts,
    ServerFacts,
    blockers_in,
    databases_of,
    extensions_of,
    server_of,
)
from lilfox_tui.backup.sets.model import PartKind
from lilfox_tui.backup.source import DumpCommand, PartSink, RemotePart, StoredPart
from lilfox_tui.backup.store import LINK, BackupError
from lilfox_tui.core.crash import phase
from lilfox_tui.core.errors import CommandFailed, LilFoxError
from lilfox_tui.core.i18n import Message, _, listed, ntr, tr
from lilfox_tui.core.text import clean, human_bytes, human_duration
from lilfox_tui.hosts.process import failed

# Why pg_dump failed and what to do, from what it said and from what the server knows now.
#
# The server's words come in its own language; where they are not English the words themselves are told.


_LOCKING = "LOCK TABLE"
_NO_RIGHT = re.compile(r"permission denied for (.+)")
_HINTS = (
    ("row-level security", tr("Dump as the tables' owner, or as a role with BYPASSRLS.")),
    ("server version mismatch", tr("pg_dump must not be older than the server; set binaries: to the folder of a "
                                   "newer one.")),
    ("conflict with recovery",
     tr("The standby canceled the dump because it conflicted with WAL replay. On the standby, raise "
        "max_standby_streaming_delay or set hot_standby_feedback = on; or dump from the primary.")),
    ("recovery is in progress", tr("A standby cannot do this; dump from the primary.")),
    ("invalid memory alloc", tr("A value is larger than a dump can hold (1 GB as text): pg_dump can never dump it.")),
    ("out of memory", tr("A value is too large for a dump (1 GB as text), or the server has too little memory.")),
    ("server closed the connection", tr("The server closed the connection during the dump: check its log.")),
    ("terminating connection", tr("The session was terminated, or the server is shutting down.")),
    ("out of shared memory", tr("Raise max_locks_per_transaction: a dump locks every table at once.")),
)  # fmt: skip


async def why_failed(access: ServerAccess, database: str, error: CommandFailed) -> BackupError:
    """Return the error for a failed dump: its cause and what to do. If a lock is the cause, queries the server for the
    blocking session."""
    where = f"{access.host.name}: {database}"
    if isinstance(error.outcome, str):
        return BackupError(
            tr("{where}: pg_dump was killed by signal {signal}", where=where, signal=error.outcome),
            tr("A user or the kernel (out of memory?) killed it. Nothing of this dump was kept."),
        )
    said = _said(error.stderr)
    server_words, locking, _query = error.stderr.partition(_LOCKING)  # a table in the query may have any name
    if no_right := _NO_RIGHT.search(server_words):
        message = tr("{where}: no permission to read {what}", where=where, what=clean(no_right[1]).strip())
        return BackupError(message, tr("Grant pg_read_all_data to the role that runs the dump, or dump as the owner."))
    hint = next((hint for words, hint in _HINTS if words in server_words), None)
    if locking and hint is None and "permission denied" not in server_words:
        return await _blocked(access, database, where, said)
    return BackupError(
        tr("{where}: pg_dump failed: {reason}", where=where, reason=said), hint or refusal_hint(error.stderr)
    )


def _said(stderr: str) -> str:
    """Return the line with the error, without the program's name."""
    lines = [line for line in stderr.splitlines() if line.strip()]
    line = next((line for line in lines if "error:" in line), lines[-1] if lines else "")
    return clean(line.partition("error:")[2].strip() or line)[:400]


async def _blocked(access: ServerAccess, database: str, where: str, said: str) -> BackupError:
    try:
        blockers = await blockers_in(Psql(access), database=database)
    except LilFoxError:
        blockers = []
    if not blockers:
        return BackupError(
            tr("{where}: a table stayed locked: {reason}", where=where, reason=said),
            tr(
                "The blocking session has ended or could not be found. Try again, or raise lock_timeout: for the "
                "source."
            ),
        )
    return BackupError(
        tr("{where}: a table stayed locked: {blocker}", where=where, blocker=blocked_by(blockers[0])),
        tr(
            "Wait for it to end, or terminate it: SELECT pg_terminate_backend({pid}). Or raise lock_timeout: for "
            "the source.",
            pid=blockers[0].pid,
        ),
    )


def blocked_by(blocker: Blocker) -> Message:
    """Return the session that blocks a dump: pid, role, application, state, table, and the age of its transaction."""
    who = listed(word for word in (_("role {role}", role=blocker.role), blocker.application, blocker.state) if word)
    return tr(
        "pid {pid} ({who}) blocks reads of {table}; its transaction has been open for {time}",
        pid=blocker.pid, who=clean(who), table=clean(blocker.table), time=human_duration(blocker.since_s),
    )  # fmt: skip


# Everything that can be known to fail a dump before it begins.


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


# What the manifest tells of a database besides its content: where it came from, and what restoring it will need.


_SETTINGS = """
SELECT CASE WHEN s.setrole = 0 THEN '' ELSE pg_get_userbyid(s.setrole) || ': ' END || c AS setting
FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c
WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY 1
"""
_TABLESPACES = """
SELECT DISTINCT t.spcname AS name FROM pg_class c JOIN pg_tablespace t ON t.oid = c.reltablespace
WHERE t.spcname <> 'pg_global' ORDER BY 1
"""
_ROLES = """
SELECT DISTINCT r.rolname AS name FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid
WHERE d.refclassid = 'pg_authid'::regclass
    AND (d.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
        OR (d.classid = 'pg_database'::regclass
            AND d.objid = (SELECT oid FROM pg_database WHERE datname = current_database())))
ORDER BY 1
"""
_OF_ITSELF = """
SELECT datacl::text AS acl, shobj_description(oid, 'pg_database') AS comment
FROM pg_database WHERE datname = current_database()
"""


async def described_database(
    psql: Psql,
    server: ServerFacts,
    programs: ClientPrograms,
    name: str,
    content: DatabaseContent | None,
    schema_sha256: str | None,
) -> DatabaseDetail:
    """Return the detail of the database ``name`` of ``server``, dumped by ``programs``. Raises BackupError,
    HostError."""
    found = (await databases_of(psql, database=name))[name]
    settings, tablespaces, roles, [itself] = await psql.ask(_SETTINGS, _TABLESPACES, _ROLES, _OF_ITSELF, database=name)
    extensions = await extensions_of(psql, database=name)
    return DatabaseDetail(
        database=name,
        server_version_num=server.version_num,
        dumped_by=programs.text,
        system_identifier=server.system_identifier,
        standby=server.standby,
        owner=found.owner,
        encoding=found.encoding,
        collate=found.collate,
        ctype=found.ctype,
        locale_provider=found.locale_provider,
        icu_locale=found.icu_locale,
        size_bytes=found.size_bytes,
        settings=tuple(row["setting"] for row in settings),
        acl=itself["acl"],
        connection_limit=found.connection_limit,
        comment=itself["comment"],
        extensions={row["name"]: row["version"] for row in extensions},
        tablespaces=tuple(row["name"] for row in tablespaces),
        roles=tuple(sorted({found.owner, *(row["name"] for row in roles)})),
        content=content,
        schema_sha256=schema_sha256,
    )


# One database out of its server: pg_dump's stream, and what is in it, from the same snapshot (pg_dump(1)).


TRAILER = b"-- PostgreSQL database dump complete"
GLOBALS_TRAILER = b"-- PostgreSQL database cluster dump complete"
_END_BYTES = 512
_FORMS: dict[bool, tuple[str, PartKind, bytes]] = {
    True: (".sql", "postgresql-plain", TRAILER),
    False: (".dump", "postgresql-custom", b""),
}
"""The manual's format or not → what comes after the stem, the part's kind, what a whole one ends with."""
_TEXT_OF_DUMP = ("TimeZone", "bytea_output")
"""Of what the text of a value depends on, these are not set by pg_dump itself; with any value of theirs, the same is
restored."""
_SHARE_OF_DISK = 1.0
"""The raw dump is about as large as the tables without indexes on the server's disk."""


async def dump_database(
    access: ServerAccess,
    server: ServerFacts,
    programs: ClientPrograms,
    database: str,
    into: PartSink,
    stem: str,
    *,
    lock_timeout_s: float,
) -> tuple[StoredPart, DatabaseContent | None, str | None]:
    """Dump the database into a part; return the part, the content and the schema digest. The latter two are None if
    they could not be read, which is noted: when the store's host makes the dump, the counting session may be lost with
    the connection.

    Raises BackupError with the cause where pg_dump fails, HostError; then nothing of the part stays.
    """
    async with take_snapshot(access, database, version_num=server.version_num) as snapshot:
        await snapshot.read_sequences()
        began, rows = asyncio.Event(), ArchiveRows()
        known = began if into.manual else asyncio.Event()
        counting = asyncio.ensure_future(_count(snapshot, known, rows))
        reading = asyncio.ensure_future(_schema(access, programs, database, snapshot, into, began))
        try:
            argv = _pg_dump(access, server, programs, database, snapshot, into.manual, lock_timeout_s)
            phase("dump")
            stored = await _put_there(access, database, into, stem, argv, began, snapshot)
            if stored is not None:
                began.set()
                known.set()
                return stored, await _counted(counting, into, database, LINK), await _read(reading, into, database)
            guess = round(snapshot.tables_bytes * _SHARE_OF_DISK)
            async with aclosing(_whole(access, argv, _FORMS[into.manual][2], began)) as dumped:
                blocks = dumped if into.manual else digested(dumped, rows, known)
                stored = await _put(access, database, into, stem, blocks, guess)
            content = await _counted(counting, into, database)
            if content is not None:
                content = await _with_rows(content, snapshot, rows, access)
            return stored, content, await reading
        finally:
            counting.cancel()
            reading.cancel()
            await asyncio.gather(counting, reading, return_exceptions=True)


async def _put_there(
    access: ServerAccess,
    database: str,
    into: PartSink,
    stem: str,
    argv: list[str],
    began: asyncio.Event,
    snapshot: DatabaseSnapshot,
) -> StoredPart | None:
    """Let the store's own host make the part; return None if that is another host, or if it cannot."""
    suffix, kind, end = _FORMS[into.manual]
    made = await into.put_there(
        stem, suffix, kind, DumpCommand(access.host, tuple(argv), access.sudo), began=began.set
    )  # fmt: skip
    if made is None:
        return None
    if made.status:
        await snapshot.read_sequences()  # lost before pg_dump had it: then it is begun again
        raise await why_failed(access, database, _failed(access, argv, made))
    if end not in made.end or not made.end:
        raise _no_end(access)
    return made.part


def _failed(access: ServerAccess, argv: list[str], made: RemotePart) -> CommandFailed:
    """Return the failure in the form that a stream reports; a shell reports a signal as 128 plus its number."""
    signal = made.status - 128
    name = Signals(signal).name.removeprefix("SIG") if signal in set(Signals) else ""
    return failed(access.host.name, argv[0], name or made.status, made.said)


async def _put(
    access: ServerAccess, database: str, into: PartSink, stem: str, blocks: AsyncGenerator[bytes, None], guess: int
) -> StoredPart:
    suffix, kind, _end = _FORMS[into.manual]
    try:
        async with aclosing(blocks):
            return await into.put(stem, suffix, kind, blocks, total_bytes=guess)
    except CommandFailed as error:
        raise await why_failed(access, database, error) from None


async def _with_rows(
    content: DatabaseContent, snapshot: DatabaseSnapshot, rows: ArchiveRows, access: ServerAccess
) -> DatabaseContent:
    """Return ``content`` with the digests of the rows that passed; where there are none, the server computes them.
    Raises BackupError where the server counted another number of rows in the same snapshot, HostError."""
    finished = rows.finish()
    passed = {name: finished[key] for name, key in snapshot.named(finished).items()}
    tables = dict(content.tables)
    for name, counted in content.tables.items():
        if counted.digest is not None or name not in snapshot.copied:
            continue
        found = passed.get(name)
        if found is None:
            del tables[name]
        elif counted.rows in (None, found.rows):
            tables[name] = found
        else:
            raise BackupError(
                tr("{host}: pg_dump wrote {found} rows of {table}, but the server counted {counted}",
                   host=access.host.name, found=found.rows, table=clean(name), counted=counted.rows),
                tr("The server's data may be damaged: check its log, and run pg_amcheck."),
            )  # fmt: skip
    if len(tables) < len(content.tables):
        return await snapshot.count(tables)
    return structs.replace(content, tables=tables)


async def dump_globals(
    access: ServerAccess, programs: ClientPrograms, into: PartSink, *, passwords: bool
) -> StoredPart:
    """Store roles, their memberships and settings, and tablespaces. Raises BackupError, HostError."""
    words = ["--globals-only", "--no-password", "-d", access.conninfo()]
    if not passwords:
        words.append("--no-role-passwords")
    argv = access.argv(programs.path("pg_dumpall"), *words)
    try:
        async with aclosing(_whole(access, argv, GLOBALS_TRAILER, asyncio.Event())) as blocks:
            return await into.put("globals", ".sql", "postgresql-globals", blocks)
    except CommandFailed as error:
        raise await why_failed(access, access.connection.database, error) from None


def _pg_dump(
    access: ServerAccess,
    server: ServerFacts,
    programs: ClientPrograms,
    database: str,
    snapshot: DatabaseSnapshot,
    plain: bool,
    lock_timeout_s: float,
) -> list[str]:
    words = ["-Fp"] if plain else ["-Fc", "-Z0"]
    words += ["--snapshot", snapshot.name, "--lock-wait-timeout", str(round(lock_timeout_s * 1000)), "--no-password"]
    if server.standby:
        words.append("--no-unlogged-table-data")  # a standby has none of it
    settings = {"client_connection_check_interval": "2s"} if server.version_num >= 140000 else {}
    settings |= {name: TEXT_FORM[name] for name in _TEXT_OF_DUMP}
    return access.argv(programs.path("pg_dump"), *words, "-d", access.conninfo(database, settings))


async def _whole(
    access: ServerAccess, argv: Sequence[str], end: bytes, began: asyncio.Event
) -> AsyncGenerator[bytes, None]:
    """Yield the program's output; raise BackupError if it ends without ``end``, although the program succeeded."""
    last = b""
    async with aclosing(access.host.stream(argv, sudo=access.sudo)) as blocks:
        async for block in blocks:
            began.set()
            last = (last + block)[-_END_BYTES:] if len(block) < _END_BYTES else block[-_END_BYTES:]
            yield block
    if end not in last or not last:
        raise _no_end(access)


def _no_end(access: ServerAccess) -> BackupError:
    return BackupError(tr("{host}: pg_dump succeeded, but its dump is truncated", host=access.host.name))


async def _count(snapshot: DatabaseSnapshot, known: asyncio.Event, rows: ArchiveRows) -> DatabaseContent:
    await known.wait()
    return await snapshot.count(rows_only=snapshot.named(rows.tables or ()))


async def _schema(
    access: ServerAccess,
    programs: ClientPrograms,
    database: str,
    snapshot: DatabaseSnapshot,
    into: PartSink,
    began: asyncio.Event,
) -> str | None:
    await began.wait()
    try:
        return await schema_digest(access, programs, database, snapshot=snapshot.name)
    except CommandFailed as error:
        into.note(_no_schema(database, error))
        return None


async def _counted(
    counting: asyncio.Future[DatabaseContent], into: PartSink, database: str, also: tuple[type[LilFoxError], ...] = ()
) -> DatabaseContent | None:
    told: tuple[type[LilFoxError], ...] = (BackupError, *also)
    try:
        return await counting
    except told as error:
        into.note(
            tr("the rows of {database} were not counted, so a restore cannot be compared with the backup: "
               "{reason}",
               database=database, reason=error.message)
        )  # fmt: skip
        return None


async def _read(reading: asyncio.Future[str | None], into: PartSink, database: str) -> str | None:
    try:
        return await reading
    except LINK as error:
        into.note(_no_schema(database, error))
        return None


def _no_schema(database: str, error: LilFoxError) -> Message:
    return tr(
        "the schema of {database} was not read, so a restore cannot be compared with it: {reason}",
        database=database,
        reason=error.message,
    )
