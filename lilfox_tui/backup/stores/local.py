"""The local store: a folder of this machine, and its lock."""

from __future__ import annotations

import asyncio
import fcntl
import os
import platform
import stat
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec

from lilfox_tui.backup.checks import SMALL_BYTES, Check, StoreRoom, room_checks
from lilfox_tui.backup.local_folder import LocalFolder, new_file, old_file, rename_new, write_all
from lilfox_tui.backup.options import LocalOptions
from lilfox_tui.backup.packing import BLOCK
from lilfox_tui.backup.sets.names import UNFINISHED, store_error
from lilfox_tui.backup.store import BackupStore, StoreEntry, StoreError, StoreLockHolder
from lilfox_tui.backup.store_lock import LOCK, MARK_BYTES, PREFIX, SHARED, Mark, held_by, mark_of, marked, refuse_others
from lilfox_tui.core.crash import phase
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host

# A store's lock on the machine where its folder is, or has it mounted.
#
# It is an flock(2) of ``.lilfox.flock``, which ends with its holder at once, however that ends; and, for those who come
# by SFTP, a mark (``store_lock.py``). Who has the flock knows that marks of this machine are left from dead runs; those
# of SFTP and of other machines are respected until they are five minutes old. The other way round, who comes by SFTP
# takes a local run that was killed for alive until then. Where the filesystem has no flock, or keeps it to one machine
# (some NFS mounts), the marks alone hold. On a full disk, from which sets are restored or let go to make room, the
# flock alone does: nobody who comes by SFTP can put a mark down either.


FLOCK = ".lilfox.flock"


@asynccontextmanager
async def local_lock(folder: LocalFolder, where: str, who: str, *, shared: bool) -> AsyncIterator[None]:
    """See :meth:`lilfox_tui.backup.store.BackupStore.lock`. A folder that is not writable is shared without a mark,
    because this process could not remove one; only a flock is held, if its file exists."""
    machine = _machine()
    try:
        writable, descriptor = _opened(folder, shared=shared)
    except OSError as error:
        raise store_error(where, FLOCK, error) from None
    try:
        has_flock = descriptor is not None and _take(folder, where, descriptor, shared=shared)
        if not writable:
            yield
            return

        def dead(mark: Mark) -> bool:
            return has_flock and bool(machine) and mark.machine == machine

        marks = _LocalMarks(folder, where)
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(marked(marks, where, mark_of(who, machine), shared=shared, dead=dead))
            except StoreError as error:
                if not (error.full and has_flock):
                    raise
                await refuse_others(marks, where, shared=shared, dead=dead)
            yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _opened(folder: LocalFolder, *, shared: bool) -> tuple[bool, int | None]:
    """Return whether files can be created in the folder, and a descriptor of the lock file, None if there is none."""
    with folder.root(make=not shared) as root:
        writable = os.access(".", os.W_OK | os.X_OK, dir_fd=root) and not os.fstatvfs(root).f_flag & os.ST_RDONLY
        flags = os.O_RDWR | os.O_CREAT if writable or not shared else os.O_RDONLY
        try:
            return writable, os.open(FLOCK, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=root)
        except FileNotFoundError:
            return writable, None


def _take(folder: LocalFolder, where: str, descriptor: int, *, shared: bool) -> bool:
    """Take the flock; False if the filesystem does not support it. Raises StoreHeld."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise held_by(where, _holder(folder)) from None
    except OSError:
        return False
    return True


def _holder(folder: LocalFolder) -> StoreLockHolder:
    """Return the lock's holder according to the marks: that of the exclusive one, else one that shares it."""
    with suppress(OSError), folder.root() as root:
        shared = sorted(name for name in os.listdir(root) if name.startswith(SHARED))  # noqa: PTH208 - a descriptor
        for name in (LOCK, *shared):
            with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
                return _mark_in(root, name).holder
    return StoreLockHolder(str(tr("a run that is reading it")))


def _mark_in(root: int, name: str) -> Mark:
    descriptor, _ = old_file(root, name)
    try:
        return msgspec.json.decode(os.read(descriptor, MARK_BYTES), type=Mark)
    finally:
        os.close(descriptor)


class _LocalMarks:
    """See :class:`lilfox_tui.backup.store_lock.MarkFiles`. Marks are a few hundred bytes, so no thread is needed."""

    kept = False

    def __init__(self, folder: LocalFolder, where: str) -> None:
        self._folder = folder
        self._where = where

    @contextmanager
    def _root(self, name: str) -> Iterator[int]:
        try:
            with self._folder.root() as root:
                yield root
        except OSError as error:
            raise store_error(self._where, name, error) from None

    async def create(self, name: str, data: bytes) -> bool:
        with self._root(name) as root:
            try:
                descriptor = new_file(root, name)
            except FileExistsError:
                return False
            try:
                write_all(descriptor, data)
            except BaseException:
                os.unlink(name, dir_fd=root)
                raise
            finally:
                os.close(descriptor)
        return True

    async def read(self, name: str) -> tuple[bytes, datetime] | None:
        with self._root(name) as root:
            try:
                descriptor, facts = old_file(root, name)
            except FileNotFoundError:
                return None
            try:
                return os.read(descriptor, MARK_BYTES), datetime.fromtimestamp(facts.st_mtime, UTC)
            finally:
                os.close(descriptor)

    async def touch(self, name: str) -> None:
        with self._root(name) as root, suppress(FileNotFoundError):
            os.utime(name, dir_fd=root, follow_symlinks=False)

    async def rename_new(self, old: str, new: str) -> bool:
        with self._root(old) as root:
            try:
                rename_new(root, old, new)
            except (FileExistsError, FileNotFoundError):
                return False
        return True

    async def remove(self, names: list[str]) -> None:
        for name in names:
            with self._root(name) as root, suppress(FileNotFoundError):
                os.unlink(name, dir_fd=root)

    async def names(self) -> list[str]:
        with self._root(".") as root:
            return [name for name in os.listdir(root) if name.startswith(PREFIX)]  # noqa: PTH208 - a descriptor

    async def now(self) -> datetime:
        return datetime.now(UTC)


def _machine() -> str:
    """Return an identity that tells this machine from others that may have the folder mounted."""
    with suppress(OSError):
        return f"{platform.node()} {Path('/etc/machine-id').read_text().strip()}"
    return platform.node()


# A folder of this machine.


T = TypeVar("T")


def open_store(name: str, options: LocalOptions, host: Host) -> BackupStore:  # noqa: ARG001 - every kind takes a host
    """Return the store; nothing is read yet."""
    return LocalStore(name, options)


class LocalStore:
    """See :class:`lilfox_tui.backup.store.BackupStore`."""

    def __init__(self, name: str, options: LocalOptions) -> None:
        self.name = name
        self.where = options.path
        mount = options.require_mount
        self._folder = LocalFolder(options.path, options.path if mount is True else mount or None)

    async def checks(self, needed_bytes: int | None, *, write: bool = True) -> list[Check]:
        """See :meth:`BackupStore.checks`."""
        return await asyncio.to_thread(self._checks, needed_bytes, write)

    def _checks(self, needed_bytes: int | None, write: bool) -> list[Check]:
        try:
            with self._folder.root(make=write) as root:
                facts, room = os.fstat(root), os.fstatvfs(root)
                writable = os.access(".", os.W_OK | os.X_OK, dir_fd=root)
        except (OSError, StoreError) as error:
            found = error if isinstance(error, StoreError) else store_error(self.where, ".", error)
            return [Check(tr("store {where}", where=self.where), "bad", found.message, found.hint)]
        return room_checks(
            self.where,
            StoreRoom(
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
        """See :meth:`BackupStore.lock` and ``local_lock``."""
        return local_lock(self._folder, self.where, who, shared=shared)

    async def entries(self) -> Sequence[StoreEntry]:
        """See :meth:`BackupStore.entries`."""
        return await self._call(".", self._folder.entries)

    async def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """See :meth:`BackupStore.read`. Drops the data from the page cache, as after a write, so that the next read
        comes from the disk and the machine's services keep the cache."""
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

    async def look(self, endings: tuple[str, ...]) -> tuple[dict[str, bytes], Sequence[StoreEntry]]:
        """See :meth:`BackupStore.look`."""
        texts: dict[str, bytes] = {}
        return texts, await self._call(".", lambda: self._folder.entries(endings, SMALL_BYTES, texts))

    async def write(self, name: str, blocks: AsyncIterator[bytes]) -> int:
        """See :meth:`BackupStore.write`."""
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
        """See :meth:`BackupStore.publish`. When it raises, no file was renamed."""
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
        """See :meth:`BackupStore.put_small`."""
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

    async def remove(self, names: Sequence[str]) -> bool:
        """See :meth:`BackupStore.remove`."""
        for name in names:
            await self._call(name, lambda name=name: self._folder.remove(name))  # type: ignore[misc]
        return False

    async def object_lock(self, names: Sequence[str]) -> Message | None:  # noqa: ARG002 - a folder has none
        """See :meth:`BackupStore.object_lock`."""
        return None

    async def free_bytes(self) -> int | None:
        """See :meth:`BackupStore.free_bytes`."""

        def free() -> int:
            with self._folder.root() as root:
                room = os.fstatvfs(root)
            return room.f_bavail * room.f_frsize

        return await self._call(".", free)

    async def close(self) -> None:
        """Do nothing: nothing is kept open."""

    async def _call(self, name: str, function: Callable[[], T]) -> T:
        """Run ``function`` in a thread, to its end even if cancelled meanwhile."""
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
            raise store_error(self.where, name, error) from None


class _NewFile:
    """A file being written; used by one thread only."""

    def __init__(self, descriptor: int) -> None:
        self.size_bytes = 0
        self._descriptor = descriptor
        self._open = True

    def write(self, block: bytes) -> None:
        """Write all of ``block``."""
        write_all(self._descriptor, block)
        self.size_bytes += len(block)

    def finish(self) -> None:
        """Sync the file to disk and drop it from the page cache, so that reading it back reads the disk."""
        os.fsync(self._descriptor)
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        self.close()

    def close(self) -> None:
        """Close the file, once."""
        if self._open:
            self._open = False
            os.close(self._descriptor)


def _drop_and_close(descriptor: int, size: int) -> None:
    with suppress(OSError):
        os.posix_fadvise(descriptor, 0, size, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
