"""A folder of this machine."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from typing import TypeVar

from lilfox_tui.backup.check import Check
from lilfox_tui.backup.errors import StoreError
from lilfox_tui.backup.inlet import BLOCK
from lilfox_tui.backup.local_folder import LocalFolder, write_all
from lilfox_tui.backup.local_lock import local_lock
from lilfox_tui.backup.names import UNFINISHED
from lilfox_tui.backup.phases import phase
from lilfox_tui.backup.store import Entry, Store
from lilfox_tui.backup.store_checks import SMALL_BYTES, Room, room_checks
from lilfox_tui.backup.store_names import refused
from lilfox_tui.backup.stores.local import Options
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import tr

T = TypeVar("T")


def open_store(name: str, options: Options, host: Host) -> Store:  # noqa: ARG001 - every kind takes a host
    """The store; nothing is looked at yet."""
    return LocalStore(name, options)


class LocalStore:
    """See :class:`lilfox_tui.backup.store.Store`."""

    def __init__(self, name: str, options: Options) -> None:
        self.name = name
        self.where = options.path
        mount = options.require_mount
        self._folder = LocalFolder(options.path, options.path if mount is True else mount or None)

    async def checks(self, needed_bytes: int | None, *, write: bool = True) -> list[Check]:
        """See :meth:`Store.checks`."""
        return await asyncio.to_thread(self._checks, needed_bytes, write)

    def _checks(self, needed_bytes: int | None, write: bool) -> list[Check]:
        try:
            with self._folder.root(make=write) as root:
                facts, room = os.fstat(root), os.fstatvfs(root)
                writable = os.access(".", os.W_OK | os.X_OK, dir_fd=root)
        except (OSError, StoreError) as error:
            found = error if isinstance(error, StoreError) else refused(self.where, ".", error)
            return [Check(tr("store {where}", where=self.where), "bad", found.message, found.hint)]
        return room_checks(
            self.where,
            Room(
                free_bytes=room.f_bavail * room.f_frsize,
                free_files=room.f_favail if room.f_files else None,
                read_only=bool(room.f_flag & os.ST_RDONLY),
                writable=writable,
                mode=stat.S_IMODE(facts.st_mode),
            ),
            needed_bytes,
            write=write,
        )

    def lock(self, who: str, *, shared: bool = False) -> AbstractAsyncContextManager[None]:
        """See :meth:`Store.lock` and ``local_lock.py``, which says who sees it."""
        return local_lock(self._folder, self.where, who, shared=shared)

    async def entries(self) -> Sequence[Entry]:
        """See :meth:`Store.entries`."""
        return await self._call(".", self._folder.entries)

    async def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """See :meth:`Store.read`. What was read is dropped from the page cache, as what was written was: so the disk
        answers, and who serves from this machine keeps the cache."""
        descriptor, facts = await self._call(name, lambda: self._folder.open(name))
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, "lilfox-read")
        try:
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_SEQUENTIAL)
            reading = loop.run_in_executor(thread, os.read, descriptor, BLOCK)
            with self._said(name):
                while block := await reading:
                    reading = loop.run_in_executor(thread, os.read, descriptor, BLOCK)
                    yield block
        finally:
            reading.cancel()
            thread.submit(_drop_and_close, descriptor, facts.st_size)
            thread.shutdown(wait=False)

    async def look(self, endings: tuple[str, ...]) -> tuple[dict[str, bytes], Sequence[Entry]]:
        """See :meth:`Store.look`."""
        texts: dict[str, bytes] = {}
        return texts, await self._call(".", lambda: self._folder.entries(endings, SMALL_BYTES, texts))

    async def write(self, name: str, blocks: AsyncIterator[bytes]) -> int:
        """See :meth:`Store.write`."""
        part = name + UNFINISHED
        loop = asyncio.get_running_loop()
        thread = ThreadPoolExecutor(1, "lilfox-write")  # one thread: what follows a block waits until that is written
        new = _NewFile(await self._call(part, lambda: self._folder.create(part)))
        try:
            writing = loop.run_in_executor(thread, new.write, b"")
            async for block in blocks:
                await self._told(part, writing)
                writing = loop.run_in_executor(thread, new.write, block)
            await self._told(part, writing)
            phase("fsync")
            await self._told(part, loop.run_in_executor(thread, new.finish))
        except BaseException:
            await asyncio.shield(loop.run_in_executor(thread, self._give_up, part, new))
            raise
        finally:
            thread.shutdown(wait=False)
        return new.size_bytes

    async def _told(self, name: str, work: asyncio.Future[None]) -> None:
        with self._said(name):
            await work

    def _give_up(self, part: str, new: _NewFile) -> None:
        with suppress(OSError):
            new.close()
        with suppress(OSError, StoreError):
            self._folder.remove(part)

    async def publish(self, names: Sequence[str]) -> None:
        """See :meth:`Store.publish`. When it raises, no name was given."""
        work = asyncio.ensure_future(asyncio.to_thread(self._publish, list(names)))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            if work.exception() is None:
                await asyncio.to_thread(self._unpublish, list(names))
            raise

    def _publish(self, names: list[str]) -> None:
        given: list[str] = []
        try:
            for name in names:
                with self._said(name):
                    self._folder.rename(name + UNFINISHED, name)
                given.append(name)
            for name in {name.rpartition("/")[0]: name for name in names}.values():
                with self._said(name):
                    self._folder.sync(name)
        except BaseException:
            self._unpublish(given)
            raise

    def _unpublish(self, names: list[str]) -> None:
        for name in names:
            with suppress(OSError, StoreError):
                self._folder.rename(name, name + UNFINISHED)

    async def put_small(self, name: str, data: bytes) -> None:
        """See :meth:`Store.put_small`."""
        await self._call(name, lambda: self._put_small(name, data))

    def _put_small(self, name: str, data: bytes) -> None:
        part = name + UNFINISHED
        self._folder.remove(part)
        descriptor = self._folder.create(part)
        try:
            try:
                write_all(descriptor, data)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            self._folder.rename(part, name, over=True)
        except BaseException:
            with suppress(OSError, StoreError):
                self._folder.remove(part)
            raise
        self._folder.sync(name)

    async def remove(self, names: Sequence[str]) -> None:
        """See :meth:`Store.remove`."""
        for name in names:
            await self._call(name, lambda name=name: self._folder.remove(name))  # type: ignore[misc]

    async def free_bytes(self) -> int | None:
        """See :meth:`Store.free_bytes`."""

        def free() -> int:
            with self._folder.root() as root:
                room = os.fstatvfs(root)
            return room.f_bavail * room.f_frsize

        return await self._call(".", free)

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _call(self, name: str, function: Callable[[], T]) -> T:
        """In a thread, to its end also when cancelled meanwhile."""
        work = asyncio.ensure_future(asyncio.to_thread(function))
        with self._said(name):
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                await asyncio.wait([work])
                work.exception()
                raise

    @contextmanager
    def _said(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise refused(self.where, name, error) from None


class _NewFile:
    """A file that is written; used by one thread alone."""

    def __init__(self, descriptor: int) -> None:
        self.size_bytes = 0
        self._descriptor = descriptor
        self._open = True

    def write(self, block: bytes) -> None:
        """Writes all of it."""
        write_all(self._descriptor, block)
        self.size_bytes += len(block)

    def finish(self) -> None:
        """Puts it on the disk and out of the page cache, so that who reads it back asks the disk."""
        os.fsync(self._descriptor)
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        self.close()

    def close(self) -> None:
        """Once."""
        if self._open:
            self._open = False
            os.close(self._descriptor)


def _drop_and_close(descriptor: int, size: int) -> None:
    with suppress(OSError):
        os.posix_fadvise(descriptor, 0, size, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
