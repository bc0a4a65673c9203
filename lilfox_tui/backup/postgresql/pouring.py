"""A dump's bytes into a staging database: by pg_restore with several sessions where the host has room for the archive,
else by one that reads its stdin; by psql where the dump is a script.

What runs on the host ends with who asks for it: each program's own stdin, or that of the shell that watches it, ends
when this process is gone, however that happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

from lilfox_tui.backup.errors import BackupError
from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.clients import Programs
from lilfox_tui.hosts.base import Completed
from lilfox_tui.i18n import Message, tr
from lilfox_tui.redact import redact
from lilfox_tui.text import clean

Moved = Callable[[int], None]
STAGING_ONLY = tr("Nothing but the staging database was written.")

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
    """What the sessions that restore are set to. Nothing waits for the disk at each statement (a crash of the server
    makes the staging database worthless anyway), indexes are built in memory, and no limit of the role ends them."""
    settings = {
        "statement_timeout": "0",
        "lock_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "synchronous_commit": "off",
        "maintenance_work_mem": f"{max(64, 512 // jobs)}MB",
        "max_parallel_maintenance_workers": "2" if jobs == 1 else "0",
        "default_transaction_read_only": "off",
    }
    if version_num >= 140000:
        settings |= {"idle_session_timeout": "0", "client_connection_check_interval": "2s"}
    if version_num >= 170000:
        settings["transaction_timeout"] = "0"
    return settings


class Folder:
    """A folder of mode 0700 on the host, which goes with this process. Made by :func:`folder_on`."""

    def __init__(self, path: str, free_bytes: int | None) -> None:
        self.path = path
        self.free_bytes = free_bytes

    def holds(self, size_bytes: int | None) -> bool:
        """Whether an archive of that size may be put there."""
        return size_bytes is not None and self.free_bytes is not None and self.free_bytes > size_bytes + MARGIN_BYTES


@asynccontextmanager
async def folder_on(access: Access) -> AsyncIterator[Folder]:
    """Makes the folder; raises HostError."""
    async with access.host.loop(access.script(_FOLDER), sudo=access.sudo) as holder:
        answer = (await holder.ask("where", timeout_s=_FOLDER_TIMEOUT_S)).decode("utf-8", "replace").splitlines()
        free = int(answer[1]) * 1024 if len(answer) > 1 and answer[1].isdigit() else None
        yield Folder(answer[0], free)


async def keep_archive(access: Access, folder: Folder, blocks: AsyncGenerator[bytes, None], moved: Moved) -> str:
    """Puts what ``blocks`` gives into a file of the folder; its path. Raises BackupError, HostError, what ``blocks``
    raises."""
    path = f"{folder.path}/archive"
    argv = access.argv("/bin/sh", "-c", _KEEP, "sh", path)
    _refuse_failed(access, "cat", await _poured(access, argv, blocks, moved))
    return path


class Head:
    """The first bytes of an archive, kept while all of it goes by."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._size = 0
        self._whole = asyncio.Event()

    async def of(self, blocks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        """Passes ``blocks`` on."""
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
        """What is kept, once it has gone by; it is then let go."""
        await self._whole.wait()
        blocks, self._blocks = self._blocks, []
        for block in blocks:
            yield block


async def has_contents(access: Access, programs: Programs, path: str) -> bool:
    """Whether all of the table of contents is in the beginning of an archive that lies there. Raises HostError."""
    argv = access.argv(programs.path("pg_restore"), "-l", "-f", "/dev/null", path)
    return (await access.host.run(argv, sudo=access.sudo)).ok


async def restore_archive(
    access: Access, programs: Programs, path: str, database: str, version_num: int, words: Sequence[str], jobs: int
) -> None:
    """Restores an archive on the host with ``jobs`` sessions at once. Raises BackupError, HostError."""
    restore = _pg_restore(access, programs, database, version_num, ["-j", str(jobs), *words], jobs)
    argv = access.argv("/bin/sh", "-c", _WATCHED, "sh", *restore, path)
    async with aclosing(_nothing()) as nothing:
        _refuse_failed(access, "pg_restore", await access.host.pour(argv, nothing, sudo=access.sudo))


async def restore_stream(
    access: Access,
    programs: Programs,
    blocks: AsyncGenerator[bytes, None],
    database: str,
    version_num: int,
    words: Sequence[str],
    moved: Moved,
) -> None:
    """Restores an archive while it comes, with one session. Raises BackupError, HostError, what ``blocks`` raises."""
    argv = access.argv(*_pg_restore(access, programs, database, version_num, words, 1))
    _refuse_failed(access, "pg_restore", await _poured(access, argv, blocks, moved))


async def run_script(
    access: Access, blocks: AsyncGenerator[bytes, None], database: str, settings: dict[str, str], hint: Message
) -> None:
    """Gives a script (which has been made safe) to psql, which ends at the first error. Raises BackupError (with
    ``hint``), HostError, what ``blocks`` raises."""
    psql = access.clients.newest.path("psql")
    words = ["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-o", "/dev/null"]
    argv = access.argv(psql, *words, "-d", access.conninfo(database, settings))
    async with aclosing(blocks):
        done = await access.host.pour(argv, blocks, sudo=access.sudo)
    _refuse_failed(access, "psql", done, hint)


def _pg_restore(
    access: Access, programs: Programs, database: str, version_num: int, words: Sequence[str], jobs: int
) -> list[str]:
    conninfo = access.conninfo(database, settings_of(version_num, jobs=jobs))
    return [programs.path("pg_restore"), "--exit-on-error", "--no-password", *words, "-d", conninfo]


async def _poured(access: Access, argv: list[str], blocks: AsyncGenerator[bytes, None], moved: Moved) -> Completed:
    """Pours all of it; ``blocks`` is read to its end, so that its digest is judged, also where the command has had
    enough."""

    async def told() -> AsyncGenerator[bytes, None]:
        done = 0
        async for block in blocks:
            done += len(block)
            moved(done)
            yield block

    async with aclosing(blocks):
        async with aclosing(told()) as counted:
            done = await access.host.pour(argv, counted, sudo=access.sudo)
        if done.ok:
            async for _block in blocks:
                """What the command did not ask for counts for the digest."""
    return done


async def _nothing() -> AsyncGenerator[bytes, None]:
    """A stdin that stays open and empty until the command ends."""
    await asyncio.Event().wait()
    yield b""


def _refuse_failed(access: Access, program: str, done: Completed, hint: Message = STAGING_ONLY) -> None:
    """Raises BackupError with the line that names the error."""
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
