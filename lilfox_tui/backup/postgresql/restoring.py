"""One part into its staging database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, suppress

from lilfox_tui.backup.errors import BackupError, BrokenSet
from lilfox_tui.backup.postgresql import pouring
from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.ahead import Ahead
from lilfox_tui.backup.postgresql.aim import Aim
from lilfox_tui.backup.postgresql.clients import Programs
from lilfox_tui.backup.postgresql.contents import looked_through
from lilfox_tui.backup.postgresql.executing import Executing
from lilfox_tui.backup.postgresql.ground import Ground
from lilfox_tui.backup.postgresql.kept_session import KeptSession
from lilfox_tui.backup.postgresql.needs import missing_tablespaces
from lilfox_tui.backup.postgresql.plain import PlainDump, PlainReader, safe_script
from lilfox_tui.backup.postgresql.pouring import (
    STAGING_ONLY,
    Folder,
    Head,
    Moved,
    folder_on,
    has_contents,
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
"""Of the time that restoring an archive takes, where all of it is decoded first."""
_SHARE_OF_ROWS = 0.7
"""Of that time, where rows are restored while they are decoded; the rest are indexes and constraints."""


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
    ahead: Ahead | None = None,
    *,
    heard: Callable[[Executing], None] = lambda _executing: None,
) -> PlainDump | None:
    """Restores the part into the database ``staged``, which ``make`` makes; what its script says, where it is one.
    ``passes``: of an archive words of pg_restore, for each time that it is run. ``ahead`` counts a large archive's
    tables as they come. ``access`` is that of who runs the dump; ``heard`` is told what it executes before that is run,
    and may raise.

    Raises BackupError, BrokenSet, HostError.
    """
    if aim.plain:
        await make()
        return await _restore_script(access, ground, aim, staged, goal, moved, heard)
    programs = fitting(access.clients, ground.server, aim)
    if programs is None:
        raise BackupError(tr("no pg_restore on {host} fits {part}", host=access.host.name, part=aim.part.name))
    common = ["--no-tablespaces"] if missing_tablespaces(ground, aim) else []
    archive = _Archive(access, programs, claim, aim, staged, goal, ground.server.version_num, common, moved, heard)
    async with folder_on(access) as folder:
        if len(passes) == 1 and archive.raw_bytes > pouring.HEAD_BYTES and folder.holds(pouring.HEAD_BYTES):
            await make()
            await archive.restore_by_sections(folder, ahead)
        elif goal.jobs > 1 and folder.holds(archive.raw_bytes or None):
            await archive.restore_kept(folder, make, passes)
        else:
            await make()
            for words in passes:
                await archive.restore_coming(words, moved)
    return None


class _Archive:
    """One archive on its way into the database ``staged``."""

    def __init__(
        self,
        access: Access,
        programs: Programs,
        claim: KeptSession,
        aim: Aim,
        staged: str,
        goal: Goal,
        version_num: int,
        common: Sequence[str],
        moved: Moved,
        heard: Callable[[Executing], None],
    ) -> None:
        self._heard = heard
        self._access, self._programs, self._claim = access, programs, claim
        self._aim, self._staged, self._goal = aim, staged, goal
        self._version_num, self._common, self._moved = version_num, common, moved
        self.raw_bytes = aim.part.said.raw_bytes if aim.part.said is not None else 0
        """0 where nobody knows."""

    async def _blocks(self) -> AsyncGenerator[bytes, None]:
        """The archive, of which nothing comes before its table of contents was looked through."""
        async with (
            aclosing(self._goal.blocks(self._aim.part)) as blocks,
            aclosing(looked_through(blocks, self._heard)) as passed,
        ):
            async for block in passed:
                yield block

    async def restore_by_sections(self, folder: Folder, ahead: Ahead | None) -> None:
        """Rows by one session, while they are decoded: decoding and the server have a core each. Then indexes and
        constraints by several, of which the archive's beginning tells all."""
        head = Head()
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

    async def _restore_rows(self, head: Head, ahead: Ahead | None) -> None:
        blocks = head.of(self._blocks())
        await self._restore_stream(blocks, ["--section=pre-data", "--section=data"], self._shared(_SHARE_OF_ROWS))
        if ahead is not None:
            ahead.loaded()

    async def _keep_contents(self, folder: Folder, head: Head) -> str | None:
        """Where the archive's beginning lies, as soon as it has gone by; None where it does not tell all."""
        path = await keep_archive(self._access, folder, head.taken(), lambda _done: None)
        return path if await has_contents(self._access, self._programs, path) else None

    async def restore_kept(
        self, folder: Folder, make: Callable[[], Awaitable[None]], passes: Sequence[Sequence[str]]
    ) -> None:
        """By several sessions, once all of it is decoded on the host, which is done while the database is made."""
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
        """By one session, while it comes."""
        await self._restore_stream(self._blocks(), words, moved)

    async def _restore_stream(self, blocks: AsyncGenerator[bytes, None], words: Sequence[str], moved: Moved) -> None:
        words = [*self._common, *words]
        await restore_stream(self._access, self._programs, blocks, self._staged, self._version_num, words, moved)

    async def _restore_kept(self, path: str, words: Sequence[str], done: float) -> None:
        """``done``: the share of the time that has passed."""
        words, jobs = [*self._common, *words], self._goal.jobs
        async with _growing(self._claim, self._staged, self._aim, self.raw_bytes, self._moved, done):
            await restore_archive(self._access, self._programs, path, self._staged, self._version_num, words, jobs)

    def _shared(self, share: float) -> Moved:
        return lambda done: self._moved(round(done * share))


async def _restore_script(
    access: Access,
    ground: Ground,
    aim: Aim,
    staged: str,
    goal: Goal,
    moved: Moved,
    heard: Callable[[Executing], None],
) -> PlainDump:
    found: list[PlainDump] = []
    async with aclosing(goal.blocks(aim.part)) as blocks:
        script = safe_script(_counted(blocks, moved), PlainReader(heard=heard), found)
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
async def _growing(
    claim: KeptSession, staged: str, aim: Aim, raw_bytes: int, moved: Moved, before: float
) -> AsyncIterator[None]:
    """Tells progress by the size that the database has come to; ``before`` is the share of what came first."""
    whole = aim.detail.size_bytes
    ended = asyncio.Event()

    async def look() -> None:
        await claim.tell(variable("growing", staged))
        while whole and not ended.is_set():
            [row] = await claim.ask("SELECT pg_database_size(:'growing') AS bytes")
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
