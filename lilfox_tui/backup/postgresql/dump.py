"""Dumps a database with pg_dump: the preliminary checks, the stream and content of one snapshot, and the cause of a
failure."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from signal import Signals
from typing import NamedTuple

from msgspec import structs

from lilfox_tui.backup.postgresql.connect import ClientPrograms, ServerAccess
from lilfox_tui.backup.postgresql.content import (
    TEXT_FORM,
    DatabaseSnapshot,
    PiecewiseTable,
    schema_digest,
    take_snapshot,
)
from lilfox_tui.backup.postgresql.custom import beginning_of
from lilfox_tui.backup.postgresql.parallel import ParallelCopy, merged
from lilfox_tui.backup.postgresql.psql import (
    DatabaseContent,
    DatabaseDetail,
    Psql,
    TableContent,
    refusal,
    refusal_hint,
)
from lilfox_tui.backup.postgresql.row_digest import ArchiveRows, digested
from lilfox_tui.backup.postgresql.server import (
    Blocker,
    ServerFacts,
    blockers_in,
    databases_of,
    extensions_of,
)
from lilfox_tui.backup.sets.model import PartKind
from lilfox_tui.backup.source import DumpCommand, PartSink, RemotePart, StoredPart
from lilfox_tui.backup.store import LINK, BackupError
from lilfox_tui.core.crash import phase
from lilfox_tui.core.errors import CommandFailed, LilFoxError
from lilfox_tui.core.i18n import Message, _, listed, tr
from lilfox_tui.core.text import clean, human_duration
from lilfox_tui.hosts.process import failed

# Why pg_dump failed and what to do, from what it said and from what the server knows now.
#
# The server's words come in its own language; where they are not English the words themselves are told.


_LOCKING, _LOCKED = "LOCK TABLE", "55P03"
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
    sqlstate, refused = refusal(error.stderr)
    if sqlstate:
        return BackupError(
            tr("{where}: rows could not be copied: {reason}", where=where, reason=refused), _hint_of(refused)
        )
    said = _said(error.stderr)
    server_words, locking, _query = error.stderr.partition(_LOCKING)  # a table in the query may have any name
    if no_right := _NO_RIGHT.search(server_words):
        message = tr("{where}: no permission to read {what}", where=where, what=clean(no_right[1]).strip())
        return BackupError(message, tr("Grant pg_read_all_data to the role that runs the dump, or dump as the owner."))
    hint = _hint_of(server_words)
    if locking and not hint and "permission denied" not in server_words:
        return await _blocked(access, database, where, said)
    return BackupError(
        tr("{where}: pg_dump failed: {reason}", where=where, reason=said), hint or refusal_hint(error.stderr)
    )


def _hint_of(said: str) -> Message | str:
    return next((hint for words, hint in _HINTS if words in said), "")


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
_IN_PIECES_SINCE = 140000
"""Older servers read a whole table to find a range of ctid."""
_NEWEST_KNOWN = 18
"""The newest pg_dump to whose archives rows can be added."""
_QUEUE_S = 2.0
"""So long pg_dump waits for a lock where large tables are locked already: who is before it waits for these."""
_SHARE_OF_DISK = 1.0
"""The raw dump is about as large as the tables without indexes on the server's disk."""


class _LockQueued(Exception):
    """Somebody waits for a lock of a table, so that nobody else gets one."""


async def dump_database(
    access: ServerAccess,
    server: ServerFacts,
    programs: ClientPrograms,
    database: str,
    into: PartSink,
    stem: str,
    *,
    lock_timeout_s: float,
    sessions: int,
) -> tuple[StoredPart, DatabaseContent | None, str | None]:
    """Dump the database into a part, large tables with so many ``sessions``; return the part, the content and the
    schema digest. The latter two are None if they could not be read, which is noted: when the store's host makes the
    dump, the counting session may be lost with the connection.

    Raises BackupError with the cause where pg_dump fails, HostError; then nothing of the part stays.
    """
    task = _DumpTask(access, server, programs, database, into, stem, lock_timeout_s)
    with suppress(_LockQueued):
        return await _dump(task, sessions)
    return await _dump(task, 1)  # by a snapshot that has no locks yet: who queues for one gets it before pg_dump


class _DumpTask(NamedTuple):
    """See :func:`dump_database`."""

    access: ServerAccess
    server: ServerFacts
    programs: ClientPrograms
    database: str
    into: PartSink
    stem: str
    lock_timeout_s: float


async def _dump(task: _DumpTask, sessions: int) -> tuple[StoredPart, DatabaseContent | None, str | None]:
    access, server, programs, database, into, stem, lock_timeout_s = task
    async with take_snapshot(access, database, version_num=server.version_num) as snapshot:
        await snapshot.read_sequences()
        began, rows = asyncio.Event(), ArchiveRows()
        known = began if into.manual else asyncio.Event()
        large: list[PiecewiseTable] = []
        counting = asyncio.ensure_future(_count(snapshot, known, rows, large))
        reading = asyncio.ensure_future(_schema(access, programs, database, snapshot, into, began))
        try:
            argv = _pg_dump(access, server, programs, database, snapshot, into.manual, lock_timeout_s)
            phase("dump")
            stored = await _put_there(access, database, into, stem, argv, began, snapshot)
            if stored is not None:
                began.set()
                known.set()
                return stored, await _counted(counting, into, database, LINK), await _read(reading, into, database)
            in_pieces = server.version_num >= _IN_PIECES_SINCE and programs.major <= _NEWEST_KNOWN
            if sessions > 1 and in_pieces and not into.manual:
                large += await snapshot.lock_large_tables()
            guess = round(snapshot.tables_bytes * _SHARE_OF_DISK)
            if large:
                wait_s = min(lock_timeout_s, _QUEUE_S)
                argv = _pg_dump(access, server, programs, database, snapshot, False, wait_s, large)
            async with aclosing(_whole(access, argv, _FORMS[into.manual][2], began)) as dumped:
                blocks = dumped if into.manual else digested(dumped, rows, known)
                copied: dict[str, TableContent] = {}
                if not large:
                    stored = await _put(access, database, into, stem, blocks, guess)
                else:
                    copy = ParallelCopy(access, database, snapshot.name, large, server.version_num, sessions)
                    stored, copied = await _put_pieces(access, database, into, stem, blocks, copy, guess)
            content = await _counted(counting, into, database)
            if content is not None:
                content = structs.replace(content, tables=content.tables | copied)
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


async def _put_pieces(
    access: ServerAccess,
    database: str,
    into: PartSink,
    stem: str,
    blocks: AsyncGenerator[bytes, None],
    copy: ParallelCopy,
    guess: int,
) -> tuple[StoredPart, dict[str, TableContent]]:
    """Store the archive with the tables of ``copy``; return also the content of these. Raises _LockQueued before
    anything is stored."""
    suffix, kind, _end = _FORMS[False]
    begun = False
    try:
        async with aclosing(blocks), copy:
            beginning = await beginning_of(blocks)
            await copy.begin()
            begun = True
            async with aclosing(merged(beginning, blocks, copy)) as both:
                stored = await into.put_compressed(stem, suffix, kind, both, total_bytes=guess)
            return stored, copy.contents()
    except CommandFailed as error:
        if not begun and (_LOCKING in error.stderr or refusal(error.stderr)[0] == _LOCKED):
            raise _LockQueued from None
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
        if counted.way == "pieces" or counted.digest is not None or name not in snapshot.copied:
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
    without: Sequence[PiecewiseTable] = (),
) -> list[str]:
    """Return the argv of a pg_dump that leaves out the rows of the tables ``without``."""
    words = ["-Fp"] if plain else ["-Fc", "-Z0"]
    words += [table.excluded for table in without]
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


async def _count(
    snapshot: DatabaseSnapshot, known: asyncio.Event, rows: ArchiveRows, large: Sequence[PiecewiseTable]
) -> DatabaseContent:
    await known.wait()
    copied = {table.name: TableContent(None) for table in large}
    return await snapshot.count(copied, rows_only=snapshot.named(rows.tables or ()))


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
