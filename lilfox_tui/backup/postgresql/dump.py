"""One database out of its server: pg_dump's stream, and what is in it, from the same snapshot (pg_dump(1))."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from signal import Signals

from lilfox_tui.backup.again import LINK
from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.manifest import PartKind
from lilfox_tui.backup.phases import phase
from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.clients import Programs
from lilfox_tui.backup.postgresql.detail import Content
from lilfox_tui.backup.postgresql.dump_failed import why_failed
from lilfox_tui.backup.postgresql.schema import schema_digest
from lilfox_tui.backup.postgresql.server import Server
from lilfox_tui.backup.postgresql.snapshot import Snapshot, taken
from lilfox_tui.backup.source import Command, Into, MadeThere, Stored
from lilfox_tui.errors import CommandFailed, LilFoxError
from lilfox_tui.hosts.refusals import failed
from lilfox_tui.i18n import Message, tr

TRAILER = b"-- PostgreSQL database dump complete"
GLOBALS_TRAILER = b"-- PostgreSQL database cluster dump complete"
_END_BYTES = 512
_FORMS: dict[bool, tuple[str, PartKind, bytes]] = {
    True: (".sql", "postgresql-plain", TRAILER),
    False: (".dump", "postgresql-custom", b""),
}
"""The manual's format or not → what comes after the stem, the part's kind, what a whole one ends with."""
_SHARE_OF_DISK = 1.0
"""The raw dump is about as large as the tables without indexes on the server's disk."""


async def dump_database(
    access: Access, server: Server, programs: Programs, database: str, into: Into, stem: str, *, lock_timeout_s: float
) -> tuple[Stored, Content | None, str | None]:
    """Puts the database's part; gives what is in it and the digest of its schema, None where that could not be had,
    which is noted: where the dump is made on the store's host the session that counts may be lost with the link.

    Raises BackupError with the cause where pg_dump fails, HostError; then nothing of the part stays.
    """
    async with taken(access, database, version_num=server.version_num) as snapshot:
        await snapshot.read_sequences()
        began = asyncio.Event()
        counting = asyncio.ensure_future(_count(snapshot, began))
        reading = asyncio.ensure_future(_schema(access, programs, database, snapshot, into, began))
        try:
            argv = _pg_dump(access, server, programs, database, snapshot, into.manual, lock_timeout_s)
            phase("dump")
            stored = await _put_there(access, database, into, stem, argv, began, snapshot)
            if stored is not None:
                began.set()
                return stored, await _counted(counting, into, database, LINK), await _read(reading, into, database)
            stored = await _put(
                access, database, into, stem, argv, began, round(snapshot.tables_bytes * _SHARE_OF_DISK)
            )
            return stored, await _counted(counting, into, database), await reading
        finally:
            counting.cancel()
            reading.cancel()
            await asyncio.gather(counting, reading, return_exceptions=True)


async def _put_there(
    access: Access, database: str, into: Into, stem: str, argv: list[str], began: asyncio.Event, snapshot: Snapshot
) -> Stored | None:
    """The part, made on the store's own host; None where that is another, or cannot."""
    suffix, kind, end = _FORMS[into.manual]
    made = await into.put_there(
        stem, suffix, kind, Command(access.host, tuple(argv), access.sudo), began=began.set
    )  # fmt: skip
    if made is None:
        return None
    if made.status:
        await snapshot.read_sequences()  # lost before pg_dump had it: then it is begun again
        raise await why_failed(access, database, _failed(access, argv, made))
    if end not in made.end or not made.end:
        raise _no_end(access)
    return made.part


def _failed(access: Access, argv: list[str], made: MadeThere) -> CommandFailed:
    """As a stream has it: a shell tells a signal by 128 and its number."""
    signal = made.status - 128
    name = Signals(signal).name.removeprefix("SIG") if signal in set(Signals) else ""
    return failed(access.host.name, argv[0], name or made.status, made.said)


async def _put(
    access: Access, database: str, into: Into, stem: str, argv: list[str], began: asyncio.Event, guess: int
) -> Stored:
    suffix, kind, end = _FORMS[into.manual]
    try:
        async with aclosing(_whole(access, argv, end, began)) as blocks:
            return await into.put(stem, suffix, kind, blocks, total_bytes=guess)
    except CommandFailed as error:
        raise await why_failed(access, database, error) from None


async def dump_globals(access: Access, programs: Programs, into: Into, *, passwords: bool) -> Stored:
    """Puts roles, their memberships and settings, and tablespaces. Raises BackupError, HostError."""
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
    access: Access,
    server: Server,
    programs: Programs,
    database: str,
    snapshot: Snapshot,
    plain: bool,
    lock_timeout_s: float,
) -> list[str]:
    words = ["-Fp"] if plain else ["-Fc", "-Z0"]
    words += ["--snapshot", snapshot.name, "--lock-wait-timeout", str(round(lock_timeout_s * 1000)), "--no-password"]
    if server.standby:
        words.append("--no-unlogged-table-data")  # a standby has none of it
    settings = {"client_connection_check_interval": "2s"} if server.version_num >= 140000 else {}
    return access.argv(programs.path("pg_dump"), *words, "-d", access.conninfo(database, settings))


async def _whole(access: Access, argv: Sequence[str], end: bytes, began: asyncio.Event) -> AsyncGenerator[bytes, None]:
    """What the program writes; raises BackupError where ``end`` is not in the last of it although it ended well."""
    last = b""
    async with aclosing(access.host.stream(argv, sudo=access.sudo)) as blocks:
        async for block in blocks:
            began.set()
            last = (last + block)[-_END_BYTES:] if len(block) < _END_BYTES else block[-_END_BYTES:]
            yield block
    if end not in last or not last:
        raise _no_end(access)


def _no_end(access: Access) -> BackupError:
    return BackupError(tr("{host}: pg_dump ended well, yet its dump has no end", host=access.host.name))


async def _count(snapshot: Snapshot, began: asyncio.Event) -> Content:
    await began.wait()
    return await snapshot.count()


async def _schema(
    access: Access, programs: Programs, database: str, snapshot: Snapshot, into: Into, began: asyncio.Event
) -> str | None:
    await began.wait()
    try:
        return await schema_digest(access, programs, database, snapshot=snapshot.name)
    except CommandFailed as error:
        into.note(_no_schema(database, error))
        return None


async def _counted(
    counting: asyncio.Future[Content], into: Into, database: str, also: tuple[type[LilFoxError], ...] = ()
) -> Content | None:
    told: tuple[type[LilFoxError], ...] = (BackupError, *also)
    try:
        return await counting
    except told as error:
        into.note(
            tr("{database}: its rows were not counted, so a restore cannot be compared: {reason}",
               database=database, reason=error.message)
        )  # fmt: skip
        return None


async def _read(reading: asyncio.Future[str | None], into: Into, database: str) -> str | None:
    try:
        return await reading
    except LINK as error:
        into.note(_no_schema(database, error))
        return None


def _no_schema(database: str, error: LilFoxError) -> Message:
    return tr(
        "{database}: its schema was not read, so a restore cannot be compared with it: {reason}",
        database=database,
        reason=error.message,
    )
