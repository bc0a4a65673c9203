"""One part into its staging database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress

from lilfox_tui.backup.errors import BackupError, BrokenSet
from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.aim import Aim
from lilfox_tui.backup.postgresql.ground import Ground
from lilfox_tui.backup.postgresql.kept_session import KeptSession
from lilfox_tui.backup.postgresql.needs import missing_tablespaces
from lilfox_tui.backup.postgresql.plain import PlainDump, PlainReader, safe_script
from lilfox_tui.backup.postgresql.pouring import (
    STAGING_ONLY,
    Moved,
    folder_on,
    keep_archive,
    restore_archive,
    restore_stream,
    run_script,
    settings_of,
)
from lilfox_tui.backup.postgresql.restore_checks import fitting
from lilfox_tui.backup.postgresql.variables import variable
from lilfox_tui.backup.source import Goal
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr

_LOOK_EVERY_S = 1.0
_SHARE_OF_DECODING = 0.1
"""Of the time that restoring an archive takes."""


async def restore_part(
    access: Access,
    ground: Ground,
    claim: KeptSession,
    aim: Aim,
    staged: str,
    goal: Goal,
    moved: Moved,
    make: Callable[[], Awaitable[None]],
    passes: Sequence[Sequence[str]] = ((),),
) -> PlainDump | None:
    """Restores the part into the database ``staged``, which ``make`` makes; what its script says, where it is one.
    ``passes``: of an archive words of pg_restore, for each time that it is run.

    Raises BackupError, BrokenSet, HostError.
    """
    if aim.plain:
        await make()
        return await _restore_script(access, ground, aim, staged, goal, moved)
    programs = fitting(access.clients, ground.server, aim)
    if programs is None:
        raise BackupError(tr("no pg_restore on {host} fits {part}", host=access.host.name, part=aim.part.name))
    common = ["--no-tablespaces"] if missing_tablespaces(ground, aim) else []
    version = ground.server.version_num
    raw_bytes = aim.part.said.raw_bytes if aim.part.said is not None else None
    async with folder_on(access) as folder:
        path = ""
        if goal.jobs > 1 and raw_bytes is not None and folder.holds(raw_bytes):
            decoded = goal.blocks(aim.part)
            keeping = asyncio.ensure_future(
                keep_archive(access, folder, decoded, lambda done: moved(round(done * _SHARE_OF_DECODING)))
            )
            try:
                await make()
                path = await keeping
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
        else:
            await make()
        for words in passes:
            if path:
                async with _growing(claim, staged, aim, raw_bytes or 0, moved):
                    await restore_archive(access, programs, path, staged, version, [*common, *words], goal.jobs)
            else:
                blocks = goal.blocks(aim.part)
                await restore_stream(access, programs, blocks, staged, version, [*common, *words], moved)
    return None


async def _restore_script(access: Access, ground: Ground, aim: Aim, staged: str, goal: Goal, moved: Moved) -> PlainDump:
    found: list[PlainDump] = []
    async with aclosing(goal.blocks(aim.part)) as blocks:
        script = safe_script(_counted(blocks, moved), PlainReader(), found)
        await run_script(access, script, staged, settings_of(ground.server.version_num), STAGING_ONLY)
    if not found:
        raise BrokenSet(tr("{part}: psql ended before the script did", part=aim.part.name))
    return found[0]


async def _counted(blocks: AsyncGenerator[bytes, None], moved: Moved) -> AsyncIterator[bytes]:
    done = 0
    async for block in blocks:
        done += len(block)
        moved(done)
        yield block


@asynccontextmanager
async def _growing(claim: KeptSession, staged: str, aim: Aim, raw_bytes: int, moved: Moved) -> AsyncIterator[None]:
    """Tells progress by the size that the database has come to."""
    whole = aim.detail.size_bytes
    ended = asyncio.Event()

    async def look() -> None:
        await claim.tell(variable("growing", staged))
        while whole and not ended.is_set():
            [row] = await claim.ask("SELECT pg_database_size(:'growing') AS bytes")
            done = _SHARE_OF_DECODING + (1 - _SHARE_OF_DECODING) * min(1.0, row["bytes"] / whole)
            moved(round(raw_bytes * done))
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), _LOOK_EVERY_S)

    looking = asyncio.ensure_future(look())
    try:
        yield
        moved(raw_bytes)
    finally:
        ended.set()
        with suppress(LilFoxError):  # a lost claim is told by who needs it next
            await looking
