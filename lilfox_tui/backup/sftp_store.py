"""A folder of an SSH host, by SFTP alone: the account needs no shell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import TypeVar

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.names import UNFINISHED
from lilfox_tui.backup.phases import phase
from lilfox_tui.backup.remote_folder import RemoteFolder
from lilfox_tui.backup.remote_lock import remote_lock
from lilfox_tui.backup.store import Entry, Store
from lilfox_tui.backup.store_checks import SMALL_BYTES, Room, room_checks
from lilfox_tui.backup.store_names import refused
from lilfox_tui.backup.stores.sftp import Options
from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.remote_files import RemoteFile
from lilfox_tui.i18n import tr

T = TypeVar("T")
BLOCK = 4 * 1024 * 1024
"""Asked for and sent at once, as many requests: less would wait for the link's round trip too often."""
AT_ONCE = 32
CLEANING_S = 20.0
"""So long a failed write may try to take its part away: the link may be what failed."""


def open_store(name: str, options: Options, host: Host) -> Store:
    """The store; nothing is looked at yet."""
    return SftpStore(name, options, host)


class SftpStore:
    """See :class:`lilfox_tui.backup.store.Store`."""

    def __init__(self, name: str, options: Options, host: Host) -> None:
        self.name = name
        mount = options.require_mount
        self._folder = RemoteFolder(host, options.path, options.path if mount is True else mount or None)
        self.where = self._folder.where

    async def checks(self, needed_bytes: int | None, *, write: bool = True) -> list[Check]:
        """See :meth:`Store.checks`."""
        about = tr("store {where}", where=self.where)
        try:
            with self._said("."):
                filesystem, facts = await self._folder.room(make=write)
                writable = not write or await self._can_write()
        except LilFoxError as error:
            return [Check(about, "bad", error.message, error.hint)]
        room = Room(
            free_bytes=None if filesystem is None else filesystem.free_bytes,
            free_files=None if filesystem is None else filesystem.free_files,
            read_only=filesystem is not None and filesystem.read_only,
            writable=writable,
            mode=facts.mode,
        )
        return room_checks(self.where, room, needed_bytes, write=write)

    async def _can_write(self) -> bool:
        """By trying: SFTP does not tell whose a right is."""
        try:
            file = await self._folder.create(_TRIAL)
        except FileExistsError:
            return True
        except OSError:
            return False
        await file.close()
        await self._folder.remove(_TRIAL)
        return True

    def lock(self, who: str, *, shared: bool = False) -> AbstractAsyncContextManager[None]:
        """See :meth:`Store.lock` and ``remote_lock.py``, which says who sees it."""
        return remote_lock(self._folder, who, shared=shared)

    def keep_there(self, kept: bool) -> None:
        """Whether a command on the host itself keeps the lock meanwhile: then it outlasts the link."""
        self._folder.kept = kept

    async def entries(self) -> Sequence[Entry]:
        """See :meth:`Store.entries`."""
        with self._said("."):
            return await self._folder.entries()

    async def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """See :meth:`Store.read`. Whether the server's disk answers or its cache is the server's affair."""
        with self._said(name):
            file = await self._folder.open(name)
            reading: asyncio.Task[bytes] | None = None
            try:
                at = 0
                reading = asyncio.create_task(file.read(at, BLOCK))
                while block := await reading:
                    at += len(block)
                    reading = asyncio.create_task(file.read(at, BLOCK))
                    yield block
            finally:
                await _end(reading)
                await file.close()

    async def look(self, endings: tuple[str, ...]) -> tuple[dict[str, bytes], Sequence[Entry]]:
        """See :meth:`Store.look`."""
        entries = await self.entries()
        names = [entry.name for entry in entries if entry.name.endswith(endings)]
        turns = asyncio.Semaphore(AT_ONCE)

        async def read(name: str) -> bytes | None:
            async with turns:
                return await self._folder.small(name, SMALL_BYTES)

        found = await asyncio.gather(*(read(name) for name in names))
        texts = {name: data for name, data in zip(names, found, strict=True) if data is not None}
        return texts, [entry for entry in entries if entry.name not in texts]

    async def write(self, name: str, blocks: AsyncIterator[bytes]) -> int:
        """See :meth:`Store.write`."""
        part = name + UNFINISHED
        with self._said(part):
            file = await self._folder.create(part)
        try:
            size = await self._write_all(part, file, blocks)
            phase("fsync")
            with self._said(part):
                await file.sync()
        except BaseException:
            await _to_end(self._give_up(part, file))
            raise
        await file.close()
        return size

    async def _write_all(self, part: str, file: RemoteFile, blocks: AsyncIterator[bytes]) -> int:
        """While some is on its way the next is waited for."""
        writing: asyncio.Task[None] | None = None
        at = 0
        held = bytearray()
        try:
            async for block in blocks:
                held += block
                if len(held) >= BLOCK:
                    await self._told(part, writing)
                    writing = asyncio.create_task(file.write(at, bytes(held)))
                    at += len(held)
                    held.clear()
            await self._told(part, writing)
            if held:
                await self._told(part, asyncio.create_task(file.write(at, bytes(held))))
            return at + len(held)
        finally:
            await _end(writing)

    async def _told(self, name: str, work: asyncio.Task[None] | None) -> None:
        if work is not None:
            with self._said(name):
                await work

    async def _give_up(self, part: str, file: RemoteFile) -> None:
        with suppress(OSError, LilFoxError, TimeoutError):
            async with asyncio.timeout(CLEANING_S):
                await file.close()
                await self._folder.remove(part)

    async def publish(self, names: Sequence[str]) -> None:
        """See :meth:`Store.publish`. When it raises, no name was given, as far as the store still answers."""
        given: list[str] = []
        try:
            for name in names:
                with self._said(name):
                    await _to_end(self._give_name(name, given))
            for name in {name.rpartition("/")[0]: name for name in names}.values():
                with self._said(name):
                    await self._folder.sync(name)
        except BaseException:
            await _to_end(self._unpublish(given))
            raise

    async def _give_name(self, name: str, given: list[str]) -> None:
        await self._folder.rename(name + UNFINISHED, name)
        given.append(name)

    async def _unpublish(self, names: list[str]) -> None:
        with suppress(OSError, LilFoxError, TimeoutError):
            async with asyncio.timeout(CLEANING_S):
                for name in names:
                    await self._folder.rename(name, name + UNFINISHED)

    async def put_small(self, name: str, data: bytes) -> None:
        """See :meth:`Store.put_small`."""
        with self._said(name):
            await _to_end(self._put_small(name, data))

    async def _put_small(self, name: str, data: bytes) -> None:
        part = name + UNFINISHED
        await self._folder.remove(part)
        file = await self._folder.create(part)
        try:
            await file.write(0, data)
            await file.sync()
            await file.close()
            await self._folder.rename(part, name, over=True)
        except BaseException:
            await self._give_up(part, file)
            raise
        await self._folder.sync(name)

    async def remove(self, names: Sequence[str]) -> None:
        """See :meth:`Store.remove`."""
        for name in names:
            with self._said(name):
                await _to_end(self._folder.remove(name))

    async def free_bytes(self) -> int | None:
        """See :meth:`Store.free_bytes`."""
        with self._said("."):
            filesystem, _ = await self._folder.room(make=False)
        return None if filesystem is None else filesystem.free_bytes

    async def close(self) -> None:
        """Ends the SFTP session."""
        await self._folder.close()

    @contextmanager
    def _said(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise refused(self.where, name, error) from None


_TRIAL = "lilfox-may-write" + UNFINISHED


async def _to_end(work: Awaitable[T]) -> T:
    """What ``work`` gives; when this is cancelled meanwhile, ``work`` comes to its end first."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        task.exception()
        raise


async def _end(task: asyncio.Task[T] | None) -> None:
    """Ends a task whose result nobody wants any more."""
    if task is not None:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()
