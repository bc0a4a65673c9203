"""Loads a part into its staging database with pg_restore (in parallel if the host has room) or psql."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress

from lilfox_tui.backup.postgresql.compare import EarlyCounter
from lilfox_tui.backup.postgresql.connect import ClientPrograms, ServerAccess
from lilfox_tui.backup.postgresql.custom import beginning_of, looked_through, without_rows
from lilfox_tui.backup.postgresql.executed_code import ExecutedCodeFinder
from lilfox_tui.backup.postgresql.load_pieces import LargeLoad, tables_in
from lilfox_tui.backup.postgresql.plain import PlainDump, PlainReader, safe_script
from lilfox_tui.backup.postgresql.psql import DatabaseTarget, PersistentPsql, TableContent, variable
from lilfox_tui.backup.postgresql.restore_checks import fitting, missing_tablespaces
from lilfox_tui.backup.postgresql.server_info import ServerInfo
from lilfox_tui.backup.source import RestoreTask
from lilfox_tui.backup.store import BackupError, BrokenSet
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Completed
from lilfox_tui.redact import redact

# A dump's bytes into a staging database: by pg_restore with several sessions where the host has room for the archive,
# else by one that reads its stdin; by psql where the dump is a script.
#
# What runs on the host ends with who asks for it: each program's own stdin, or that of the shell that watches it, ends
# when this process is gone, however that happened.


Moved = Callable[[int], None]
STAGING_ONLY = tr("Only the staging database was written.")

MARGIN_BYTES = 256 * 1024 * 1024
"""What an archive that is put on the host's disk must leave free there."""
HEAD_BYTES = 16 * 1024 * 1024
"""Of an archive, in which its table of contents lies: that of some thousand tables. Indexes and the like are in it, and
no rows."""
_FOLDER_TIMEOUT_S = 30.0
_FOLDER = r"""
umask 077
folder=$(mktemp -d "/var/tmp/lilfox-restore-XXXXXXXX" || mktemp -d "/tmp/lilfox-restore-XXXXXXXX") 2>/dev/null || exit 1
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' HUP INT TERM
while IFS= read -r line; do
    printf '%s\n' "$folder"
    df -Pk "$folder" | awk 'NR == 2 { print $4 }'
    printf '@@LILFOX-END@@ %s\n' "${line%% *}"
done
"""
_WATCHED = r"""
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
{ cat <&3; kill -TERM "$program"; } >/dev/null 2>&1 &
watch=$!
wait "$program"
status=$?
kill "$watch" 2>/dev/null
exit "$status"
"""
_KEEP = 'umask 077; exec cat >"$1"'


def settings_of(version_num: int, *, jobs: int = 1) -> dict[str, str]:
    """Return the settings of the restoring sessions. No statement waits for the disk (a server crash makes the staging
    database worthless anyway), indexes are built in memory, and no timeout of the role ends the sessions."""
    settings = {
        "statement_timeout": "0",
        "lock_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "synchronous_commit": "off",
        "maintenance_work_mem": f"{max(64, 512 // jobs)}MB",
        "max_parallel_maintenance_workers": "2",
        "default_transaction_read_only": "off",
    }
    if version_num >= 140000:
        settings |= {"idle_session_timeout": "0", "client_connection_check_interval": "2s"}
    if version_num >= 170000:
        settings["transaction_timeout"] = "0"
    return settings


class ArchiveFolder:
    """A temporary folder of mode 0700 on the host, which is removed when this process ends. Made by
    :func:`folder_on`."""

    def __init__(self, path: str, free_bytes: int | None) -> None:
        self.path = path
        self.free_bytes = free_bytes

    def holds(self, size_bytes: int | None) -> bool:
        """Whether an archive of that size fits."""
        return size_bytes is not None and self.free_bytes is not None and self.free_bytes > size_bytes + MARGIN_BYTES


@asynccontextmanager
async def folder_on(access: ServerAccess) -> AsyncIterator[ArchiveFolder]:
    """Create a temporary folder on the host for the duration of the context. Raises HostError."""
    async with access.host.loop(access.script(_FOLDER), sudo=access.sudo) as holder:
        answer = (await holder.ask("where", timeout_s=_FOLDER_TIMEOUT_S)).decode("utf-8", "replace").splitlines()
        free = int(answer[1]) * 1024 if len(answer) > 1 and answer[1].isdigit() else None
        yield ArchiveFolder(answer[0], free)


async def keep_archive(
    access: ServerAccess, folder: ArchiveFolder, blocks: AsyncGenerator[bytes, None], moved: Moved
) -> str:
    """Write ``blocks`` to a file in the folder; return its path. Raises BackupError, HostError, what ``blocks``
    raises."""
    path = f"{folder.path}/archive"
    argv = access.argv("/bin/sh", "-c", _KEEP, "sh", path)
    _refuse_failed(access, "cat", await _poured(access, argv, blocks, moved))
    return path


class ArchiveHead:
    """Keeps the beginning of an archive while the archive passes through."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._size = 0
        self._whole = asyncio.Event()

    async def of(self, blocks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Yield ``blocks`` unchanged, keeping a copy of the first ones."""
        async with aclosing(blocks):
            async for block in blocks:
                if self._size < HEAD_BYTES:
                    self._blocks.append(block)
                    self._size += len(block)
                if self._size >= HEAD_BYTES:
                    self._whole.set()
                yield block
        self._whole.set()

    async def taken(self) -> AsyncGenerator[bytes, None]:
        """Wait until the kept bytes are complete, then yield and release them."""
        await self._whole.wait()
        blocks, self._blocks = self._blocks, []
        for block in blocks:
            yield block


async def has_contents(access: ServerAccess, programs: ClientPrograms, path: str) -> bool:
    """Return whether the file, the beginning of an archive, contains the whole table of contents. Raises HostError."""
    argv = access.argv(programs.path("pg_restore"), "-l", "-f", "/dev/null", path)
    return (await access.host.run(argv, sudo=access.sudo)).ok


async def restore_archive(
    access: ServerAccess,
    programs: ClientPrograms,
    path: str,
    database: str,
    version_num: int,
    words: Sequence[str],
    jobs: int,
) -> None:
    """Restore an archive on the host with ``jobs`` parallel sessions. Raises BackupError, HostError."""
    restore = _pg_restore(access, programs, database, version_num, ["-j", str(jobs), *words], jobs)
    argv = access.argv("/bin/sh", "-c", _WATCHED, "sh", *restore, path)
    async with aclosing(_nothing()) as nothing:
        _refuse_failed(access, "pg_restore", await access.host.stream_stdin(argv, nothing, sudo=access.sudo))


async def restore_stream(
    access: ServerAccess,
    programs: ClientPrograms,
    blocks: AsyncGenerator[bytes, None],
    database: str,
    version_num: int,
    words: Sequence[str],
    moved: Moved,
) -> None:
    """Restore an archive from the stream with one session. Raises BackupError, HostError, what ``blocks`` raises."""
    argv = access.argv(*_pg_restore(access, programs, database, version_num, words, 1))
    _refuse_failed(access, "pg_restore", await _poured(access, argv, blocks, moved))


async def run_script(
    access: ServerAccess, blocks: AsyncGenerator[bytes, None], database: str, settings: dict[str, str], hint: Message
) -> None:
    """Run a script (already made safe) in psql, which stops at the first error. Raises BackupError (with ``hint``),
    HostError, what ``blocks`` raises."""
    argv = access.argv(*access.psql(database, settings, "-o", "/dev/null", stops=True))
    async with aclosing(blocks):
        done = await access.host.stream_stdin(argv, blocks, sudo=access.sudo)
    _refuse_failed(access, "psql", done, hint)


def _pg_restore(
    access: ServerAccess, programs: ClientPrograms, database: str, version_num: int, words: Sequence[str], jobs: int
) -> list[str]:
    conninfo = access.conninfo(database, settings_of(version_num, jobs=jobs))
    return [programs.path("pg_restore"), "--exit-on-error", "--no-password", *words, "-d", conninfo]


async def _poured(
    access: ServerAccess, argv: list[str], blocks: AsyncGenerator[bytes, None], moved: Moved
) -> Completed:
    """Stream ``blocks`` to a command. They are read to the end even if the command stops reading, so that their digest
    is checked."""

    async def told() -> AsyncGenerator[bytes, None]:
        done = 0
        async for block in blocks:
            done += len(block)
            moved(done)
            yield block

    async with aclosing(blocks):
        async with aclosing(told()) as counted:
            done = await access.host.stream_stdin(argv, counted, sudo=access.sudo)
        if done.ok:
            async for _block in blocks:
                """What the command did not ask for counts for the digest."""
    return done


async def _nothing() -> AsyncGenerator[bytes, None]:
    """Serve as stdin that stays open and empty until the command ends."""
    await asyncio.Event().wait()
    yield b""


def _refuse_failed(access: ServerAccess, program: str, done: Completed, hint: Message = STAGING_ONLY) -> None:
    """Raise BackupError if the program failed, with the line of its output that has the error."""
    if done.ok:
        return
    said = redact(done.stderr.decode("utf-8", "replace"))
    lines = [line for line in said.splitlines() if line.strip()]
    line = next((each for each in lines if "error:" in each or "ERROR:" in each), lines[-1] if lines else "")
    outcome = done.signal or str(done.exit_status)
    raise BackupError(
        tr("{host}: {program} failed ({outcome}): {reason}",
           host=access.host.name, program=program, outcome=outcome, reason=clean(line)[:400]),
        hint,
    )  # fmt: skip


# One part into its staging database.


_LOOK_EVERY_S = 1.0
_SHARE_OF_DECODING = 0.1
"""Of the time that restoring an archive takes, where all of it is decoded first."""
_SHARE_OF_ROWS = 0.7
"""Of that time, where rows are restored while they are decoded; the rest are indexes and constraints."""


async def restore_part(
    access: ServerAccess,
    info: ServerInfo,
    lock: PersistentPsql,
    target: DatabaseTarget,
    staged: str,
    task: RestoreTask,
    moved: Moved,
    make: Callable[[], Awaitable[None]],
    passes: Sequence[Sequence[str]] = ((),),
    ahead: EarlyCounter | None = None,
    *,
    heard: Callable[[ExecutedCodeFinder], None] = lambda _executing: None,
) -> PlainDump | None:
    """Restore a part into the database ``staged``, which ``make`` creates; for a script, return the facts in it.
    ``passes`` are the arguments of each pg_restore run, for an archive. ``ahead`` counts tables of a large archive
    while they are loaded. ``access`` is that of the role that runs the dump; ``heard`` is called with the code that the
    dump executes before it runs, and may raise.

    Raises BackupError, BrokenSet, HostError.
    """
    if target.plain:
        await make()
        return await _restore_script(access, info, target, staged, task, moved, heard)
    programs = fitting(access.clients, info.server, target)
    if programs is None:
        raise BackupError(
            tr("no pg_restore on {host} can restore {part}", host=access.host.name, part=target.part.name)
        )
    common = ["--no-tablespaces"] if missing_tablespaces(info, target) else []
    archive = _Archive(access, programs, lock, target, staged, task, info.server.version_num, common, moved, heard)
    async with folder_on(access) as folder:
        if len(passes) == 1 and archive.raw_bytes > HEAD_BYTES and folder.holds(HEAD_BYTES):
            await make()
            await archive.restore_by_sections(folder, ahead)
        elif task.jobs > 1 and folder.holds(archive.raw_bytes or None):
            await archive.restore_kept(folder, make, passes)
        else:
            await make()
            for words in passes:
                await archive.restore_coming(words, moved)
    return None


class _Archive:
    """The restore of one archive into the database ``staged``."""

    def __init__(
        self,
        access: ServerAccess,
        programs: ClientPrograms,
        lock: PersistentPsql,
        target: DatabaseTarget,
        staged: str,
        task: RestoreTask,
        version_num: int,
        common: Sequence[str],
        moved: Moved,
        heard: Callable[[ExecutedCodeFinder], None],
    ) -> None:
        self._heard = heard
        self._access, self._programs, self._lock = access, programs, lock
        self._target, self._staged, self._task = target, staged, task
        self._version_num, self._common, self._moved = version_num, common, moved
        self.raw_bytes = target.part.said.raw_bytes if target.part.said is not None else 0
        """0 where nobody knows."""

    async def _blocks(self) -> AsyncGenerator[bytes, None]:
        """Yield the archive, but nothing of it before its table of contents was inspected."""
        async with (
            aclosing(self._task.blocks(self._target.part)) as blocks,
            aclosing(looked_through(blocks, self._heard)) as passed,
        ):
            async for block in passed:
                yield block

    async def restore_by_sections(self, folder: ArchiveFolder, ahead: EarlyCounter | None) -> None:
        """Load the rows with one session while they are decoded, as decoding and the server use one core each. Then
        create indexes and constraints with several sessions, which need only the archive's beginning."""
        if pieces := self._in_pieces():
            await self._restore_in_pieces(folder, ahead, pieces)
            return
        head = ArchiveHead()
        if ahead is not None:
            ahead.begin()
        both = (
            asyncio.ensure_future(self._keep_contents(folder, head)),
            asyncio.ensure_future(self._restore_rows(head, ahead)),
        )
        try:
            path, _rows = await asyncio.gather(*both)
        finally:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)
        after = ["--section=post-data"]
        if path is not None:
            await self._restore_kept(path, after, _SHARE_OF_ROWS)
        else:
            await self.restore_coming(after, lambda _done: None)
        self._moved(self.raw_bytes)

    def _in_pieces(self) -> dict[str, TableContent]:
        """Return the tables that were copied in pieces."""
        content = self._target.detail.content
        tables = {} if content is None else content.tables
        return {name: table for name, table in tables.items() if table.way == "pieces"}

    async def _restore_in_pieces(
        self, folder: ArchiveFolder, ahead: EarlyCounter | None, pieces: Mapping[str, TableContent]
    ) -> None:
        """Create the tables, load the large ones with several sessions, each of which reads the archive, and all others
        after them; then create indexes and constraints."""
        access = self._access
        async with aclosing(self._blocks()) as blocks:
            beginning = await beginning_of(blocks)
            path = await keep_archive(access, folder, _one(beginning.head), lambda _done: None)
            words = [*self._common, "--section=pre-data"]
            await restore_archive(access, self._programs, path, self._staged, self._version_num, words, 1)
            tables = await tables_in(access, self._staged, beginning.contents, pieces)
            numbers = {table.number for table in tables}
            head = without_rows(beginning.data, beginning.contents, numbers)
            compares = not self._task.spec.read_back
            if ahead is not None:
                ahead.begin(without=[table.name for table in tables] if compares else ())

            async def others(data: AsyncGenerator[bytes, None]) -> None:
                await self._restore_stream(_together(head, data), ["--section=data"], lambda _done: None)

            sessions = self._task.jobs if compares else max(1, min(self._task.jobs, len(tables)))
            more = 0 if compares else sessions - 1
            streams = [blocks, *(self._task.blocks(self._target.part) for _stream in range(more))]
            settings = settings_of(self._version_num, jobs=sessions)
            load = LargeLoad(access, self._staged, settings, tables, compares=compares, sessions=sessions)
            await load.run(beginning, streams, others, self._shared(_SHARE_OF_ROWS))
        if ahead is not None:
            ahead.on_the_way = load.equal
            ahead.loaded()
        await self._restore_kept(path, ["--section=post-data"], _SHARE_OF_ROWS)
        self._moved(self.raw_bytes)

    async def _restore_rows(self, head: ArchiveHead, ahead: EarlyCounter | None) -> None:
        blocks = head.of(self._blocks())
        await self._restore_stream(blocks, ["--section=pre-data", "--section=data"], self._shared(_SHARE_OF_ROWS))
        if ahead is not None:
            ahead.loaded()

    async def _keep_contents(self, folder: ArchiveFolder, head: ArchiveHead) -> str | None:
        """Write the archive's beginning to a file as soon as it has arrived; return the path, or None if the table of
        contents is not complete in it."""
        path = await keep_archive(self._access, folder, head.taken(), lambda _done: None)
        return path if await has_contents(self._access, self._programs, path) else None

    async def restore_kept(
        self, folder: ArchiveFolder, make: Callable[[], Awaitable[None]], passes: Sequence[Sequence[str]]
    ) -> None:
        """Restore with several sessions after the host has decoded the archive to a file. It is decoded while the
        database is created."""
        decoded = self._blocks()
        keeping = asyncio.ensure_future(
            keep_archive(self._access, folder, decoded, self._shared(_SHARE_OF_DECODING))
        )  # fmt: skip
        try:
            await make()
            path = await keeping
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
        for words in passes:
            await self._restore_kept(path, words, _SHARE_OF_DECODING)

    async def restore_coming(self, words: Sequence[str], moved: Moved) -> None:
        """Restore from the stream with one session."""
        await self._restore_stream(self._blocks(), words, moved)

    async def _restore_stream(self, blocks: AsyncGenerator[bytes, None], words: Sequence[str], moved: Moved) -> None:
        words = [*self._common, *words]
        await restore_stream(self._access, self._programs, blocks, self._staged, self._version_num, words, moved)

    async def _restore_kept(self, path: str, words: Sequence[str], done: float) -> None:
        """Restore the archive at ``path``. ``done``: the share of the progress before this step."""
        words, jobs = [*self._common, *words], self._task.jobs
        async with _growing(self._lock, self._staged, self._target, self.raw_bytes, self._moved, done):
            await restore_archive(self._access, self._programs, path, self._staged, self._version_num, words, jobs)

    def _shared(self, share: float) -> Moved:
        return lambda done: self._moved(round(done * share))


async def _one(block: bytes) -> AsyncGenerator[bytes, None]:
    yield block


async def _together(head: bytes, blocks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield head
    async for block in blocks:
        yield block


async def _restore_script(
    access: ServerAccess,
    info: ServerInfo,
    target: DatabaseTarget,
    staged: str,
    task: RestoreTask,
    moved: Moved,
    heard: Callable[[ExecutedCodeFinder], None],
) -> PlainDump:
    found: list[PlainDump] = []
    async with aclosing(task.blocks(target.part)) as blocks:
        script = safe_script(_counted(blocks, moved), PlainReader(heard=heard), found)
        await run_script(access, script, staged, settings_of(info.server.version_num), STAGING_ONLY)
    if not found:
        raise BrokenSet(tr("{part}: psql exited before the end of the script", part=target.part.name))
    return found[0]


async def _counted(blocks: AsyncGenerator[bytes, None], moved: Moved) -> AsyncIterator[bytes]:
    done = 0
    async for block in blocks:
        done += len(block)
        moved(done)
        yield block


@asynccontextmanager
async def _growing(
    lock: PersistentPsql, staged: str, target: DatabaseTarget, raw_bytes: int, moved: Moved, before: float
) -> AsyncIterator[None]:
    """Report progress by the size of the database while the context is open; ``before`` is the share of the progress
    before this step."""
    whole = target.detail.size_bytes
    ended = asyncio.Event()

    async def look() -> None:
        await lock.tell(variable("growing", staged))
        while whole and not ended.is_set():
            [row] = await lock.ask("SELECT pg_database_size(:'growing') AS bytes")
            done = max(before, min(1.0, row["bytes"] / whole))
            moved(round(raw_bytes * done))
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await ended.wait()

    looking = asyncio.ensure_future(look())
    try:
        yield
        moved(raw_bytes)
    finally:
        ended.set()
        with suppress(LilFoxError):  # a lost claim is told by who needs it next
            await looking
