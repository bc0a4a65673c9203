"""A store's lock: files beside the sets, visible to everybody who can reach the folder, by whatever route.

``.lilfox.lock`` is there while one run has the store for itself, ``.lilfox.shared.TOKEN`` for each that shares it. A
mark says who holds it and is touched every half minute; one that nobody has touched for five minutes, by the clock of
the machine where it lies, belongs to a run that is dead and is moved to ``.lilfox.gone.DIGEST``: that name is given
once, so of two that find the same dead mark one alone takes it away. Who wants the store for itself puts its mark down
and then looks for others; who shares it does the same: of the two at least one sees the other."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec
from msgspec import Struct

from lilfox_tui.backup.store import StoreError, StoreHeld, StoreLockHolder
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import clean

LOCK, SHARED, GONE = ".lilfox.lock", ".lilfox.shared.", ".lilfox.gone."
PREFIX = ".lilfox."
BEAT_S = 30.0
SETTLE_S = 1.0
STALE = timedelta(minutes=5)
OLD = timedelta(days=1)
MARK_BYTES = 4096


class Mark(Struct):
    """The content of a mark; untrusted."""

    who: str = ""
    since: datetime | None = None
    machine: str = ""
    """Of a run on the machine where the folder is, or has it mounted; empty when it came by SFTP."""
    token: str = ""

    @property
    def holder(self) -> StoreLockHolder:
        """For display."""
        return StoreLockHolder(clean(self.who)[:200] or "?", self.since)


class HeldMarks(Protocol):
    """The files of marks that somebody holds, by name in the store. Raises StoreError, HostError."""

    @property
    def kept(self) -> bool:
        """Whether a process on the folder's own machine refreshes the marks, so that they last while this side cannot
        reach them."""
        ...

    async def read(self, name: str) -> tuple[bytes, datetime] | None:
        """Return up to MARK_BYTES of a file and its mtime; None if it does not exist."""
        ...

    async def touch(self, name: str) -> None:
        """Set the file's mtime to now, by the clock of the folder's machine."""
        ...

    async def remove(self, names: list[str]) -> None:
        """Remove files; missing ones are ignored."""
        ...


class MarkFiles(HeldMarks, Protocol):
    """The files that hold marks, by name in the store's folder. Raises StoreError, HostError."""

    async def create(self, name: str, data: bytes) -> bool:
        """Create a new file; False if it exists."""
        ...

    async def rename_new(self, old: str, new: str) -> bool:
        """Rename a file; False if ``old`` is missing or ``new`` exists."""
        ...

    async def names(self) -> list[str]:
        """Return the names of files that begin with PREFIX."""
        ...

    async def now(self) -> datetime:
        """Return the time by the clock of the folder's machine; aware UTC."""
        ...


@asynccontextmanager
async def marked(
    files: MarkFiles, where: str, mark: Mark, *, shared: bool, dead: Callable[[Mark], bool]
) -> AsyncIterator[None]:
    """Hold the lock of the store at ``where``. ``dead`` returns whether a mark's run has certainly ended. Raises
    StoreHeld, and StoreError like :func:`held`."""
    mark.token = os.urandom(8).hex()
    data = msgspec.json.encode(mark)
    marks = _Marks(files, where, dead)
    try:
        name = await (marks.share(data, mark.token) if shared else marks.take(data))
    except BaseException:
        await _leave(files, [LOCK, SHARED + mark.token], data)
        raise
    async with held(files, where, name, data):
        yield


@asynccontextmanager
async def held(files: HeldMarks, where: str, name: str, data: bytes) -> AsyncIterator[None]:
    """Keep the mark ``name``, which holds ``data``, fresh, and remove it at the end. If it is removed meanwhile, or is
    stale because it could not be refreshed, cancels the body and raises StoreError."""
    body = asyncio.current_task()
    assert body is not None
    beat = asyncio.create_task(_beat(files, where, name, data))
    beat.add_done_callback(lambda task: None if task.cancelled() else body.cancel())
    try:
        yield
    except asyncio.CancelledError:
        if beat.done() and not beat.cancelled():
            body.uncancel()
            raise beat.result() from None
        raise
    finally:
        beat.cancel()
        await asyncio.wait([beat])
        await _leave(files, [name], data)


async def _leave(files: HeldMarks, names: list[str], data: bytes) -> None:
    with suppress(LilFoxError):  # then it is stale in five minutes
        for name in names:
            if await _is_ours(files, name, data):
                await files.remove([name])


async def _is_ours(files: HeldMarks, name: str, data: bytes) -> bool:
    read = await files.read(name)
    return read is not None and read[0] == data


async def _beat(files: HeldMarks, where: str, name: str, data: bytes) -> StoreError:
    """Refresh the mark until the lock is lost; return the error that says why."""
    loop = asyncio.get_running_loop()
    good = loop.time()
    while True:
        await asyncio.sleep(BEAT_S)
        try:
            if not await _is_ours(files, name, data):
                return StoreError(
                    tr("the lock on {where} was taken by another run", where=where),
                    tr(
                        "This machine was suspended, or its connection was down for minutes. The existing data is "
                        "untouched."
                    ),
                )
            await files.touch(name)
            good = loop.time()
        except LilFoxError as error:
            if not files.kept and loop.time() - good > STALE.total_seconds() - 2 * BEAT_S:
                return StoreError(
                    tr("cannot renew the lock on {where}: {reason}", where=where, reason=error), error.hint
                )  # fmt: skip


async def refuse_others(files: MarkFiles, where: str, *, shared: bool, dead: Callable[[Mark], bool]) -> None:
    """Raise StoreHeld if another run's mark conflicts, for a caller that cannot create a mark itself."""
    await _Marks(files, where, dead).refuse_others(shared=shared)


class _Marks:
    def __init__(self, files: MarkFiles, where: str, dead: Callable[[Mark], bool]) -> None:
        self._files = files
        self._where = where
        self._dead = dead

    async def take(self, data: bytes) -> str:
        """Create the exclusive mark; return its name."""
        for _ in range(3):
            if await self._files.create(LOCK, data):
                break
            if (holder := await self._holder(LOCK)) is not None:
                raise held_by(self._where, holder)
        else:
            raise held_by(self._where, StoreLockHolder("?"))
        await self._refuse_sharers()
        return LOCK

    async def refuse_others(self, *, shared: bool) -> None:
        """Raise StoreHeld if another run holds the lock."""
        if (holder := await self._holder(LOCK)) is not None:
            raise held_by(self._where, holder)
        if not shared:
            await self._refuse_sharers()

    async def _refuse_sharers(self) -> None:
        names = await self._files.names()
        for name in names:
            if name.startswith(SHARED) and (holder := await self._holder(name)) is not None:
                raise held_by(self._where, holder)
        now = await self._files.now() if any(name.startswith(GONE) for name in names) else None
        for name in names:
            if now is not None and name.startswith(GONE):
                read = await self._files.read(name)
                if read is not None and now - read[1] > OLD:
                    await self._files.remove([name])

    async def share(self, data: bytes, token: str) -> str:
        """Create a shared mark; return its name."""
        name = SHARED + token
        await self._files.create(name, data)
        if (holder := await self._holder(LOCK)) is not None:
            raise held_by(self._where, holder)
        return name

    async def _holder(self, name: str) -> StoreLockHolder | None:
        """Return the holder of a mark; None if the mark does not exist or its run is dead, and then the mark is
        removed."""
        read = await self._files.read(name)
        if read is None:
            return None
        try:
            mark = msgspec.json.decode(read[0], type=Mark)
        except (msgspec.DecodeError, UnicodeDecodeError):
            mark = Mark()
        if not self._dead(mark) and await self._files.now() - read[1] <= STALE:
            return mark.holder
        await self._files.touch(name)  # its new name must be kept for as long as another may still want to give it
        if not await self._files.rename_new(name, GONE + hashlib.sha256(read[0]).hexdigest()[:32]):
            await self._finish(name, read[0])
        return None

    async def _finish(self, name: str, data: bytes) -> None:
        """Finish a rename that was interrupted halfway: renaming without overwriting is a link and an unlink, so both
        names may exist."""
        await asyncio.sleep(SETTLE_S)
        read = await self._files.read(name)
        if read is not None and read[0] == data:
            await self._files.remove([name])


def held_by(where: str, holder: StoreLockHolder) -> StoreHeld:
    """Return the error that names the holder."""
    since = "?" if holder.since is None else holder.since.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return StoreHeld(
        tr("{where} has been in use by {who} since {since}", where=where, who=holder.who, since=since),
        tr("Wait for it to end. The lock of a run that died expires by itself, after {minutes} minutes at most.",
           minutes=int(STALE.total_seconds() // 60)),
        holder=holder,
    )  # fmt: skip


def mark_of(who: str, machine: str) -> Mark:
    """Return a mark that starts now."""
    return Mark(who=who[:500], since=datetime.now(UTC), machine=machine)
