"""The SFTP store: a folder of an SSH host whose account needs no shell, and its lock."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from datetime import datetime
from pathlib import PurePosixPath

from lilfox_tui.backup.checks import SMALL_BYTES, Check, StoreRoom, room_checks
from lilfox_tui.backup.options import SftpOptions
from lilfox_tui.backup.sets.names import FOLDERS, UNFINISHED, is_name, parted, store_error
from lilfox_tui.backup.store import BackupStore, StoreEntry, StoreError
from lilfox_tui.backup.store_lock import MARK_BYTES, PREFIX, mark_of, marked
from lilfox_tui.core.aio import end_task, to_end
from lilfox_tui.core.crash import phase
from lilfox_tui.core.errors import LilFoxError, NotAllowed, UsageError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import HasSftp, Host, RemoteFileHandle, RemoteFiles, RemoteFilesystem, RemotePathFacts

# A folder of an SSH host, by SFTP, in which nothing but its own regular files is touched.
#
# SFTP has no O_NOFOLLOW: each step is looked at before it is gone, and the folder (0700) is ours alone, so that nobody
# else can put a link there in between.


class RemoteFolder:
    """A folder on an SSH host. ``mount``: where a filesystem must be mounted, or None. Raises StoreError if it is not,
    or if the folder is on another filesystem than before; OSError and HostError as in RemoteFiles."""

    def __init__(self, host: Host, path: str, mount: str | None = None) -> None:
        self.path = path
        self.host_name = host.name
        self.where = f"{host.name}:{path}"
        self.kept = False
        """A command on the host itself keeps the lock's mark fresh."""
        self._host = host
        self._mount = mount
        self._files: RemoteFiles | None = None
        self._filesystem: int | None = None

    async def files(self) -> RemoteFiles:
        """Return the session, opening it if needed. Raises HostError, UsageError for a host without SFTP."""
        if self._files is None or not self._files.alive:
            if not isinstance(self._host, HasSftp):
                raise UsageError(
                    tr("{host} is not reached over SSH, so it has no SFTP", host=self._host.name),
                    tr("For a folder on this machine, use a store of kind local."),
                )
            await self.close()
            self._files = await self._host.open_sftp()
        return self._files

    async def close(self) -> None:
        """Close the session."""
        files, self._files = self._files, None
        if files is not None:
            await files.close()

    async def look(self, *, make: bool = False) -> RemoteFiles:
        """Check that the folder is still the same and mounted, and return the session; ``make`` creates the folder."""
        files = await self.files()
        if self._mount is not None and not await self._is_mounted(files, self._mount):
            raise StoreError(
                tr("nothing is mounted at {mount}: {folder} is not used", mount=self._mount, folder=self.where),
                tr("Mount it; otherwise the backup would be written to the disk underneath."),
            )
        try:
            now = await files.filesystem(self.path)
        except FileNotFoundError:
            if not make:
                raise
            await files.make_folder(self.path)
            now = await files.filesystem(self.path)
        if now is not None and self._filesystem not in (None, now.id):
            raise StoreError(
                tr("the filesystem of {folder} has changed since LilFox opened it", folder=self.where),
                tr("Its file system may have been unmounted: check mount and dmesg."),
            )
        self._filesystem = None if now is None else now.id
        return files

    async def _is_mounted(self, files: RemoteFiles, mount: str) -> bool:
        """Return whether ``mount`` is on another filesystem than its parent: a bind mount of the same filesystem is not
        detected."""
        with suppress(FileNotFoundError):
            real = await files.real(mount)
            here, above = await files.filesystem(real), await files.filesystem(str(PurePosixPath(real).parent))
            return here is not None and above is not None and here.id != above.id
        return False

    async def room(self, *, make: bool) -> tuple[RemoteFilesystem | None, RemotePathFacts]:
        """Return the facts of the folder's filesystem, None if the server reports none, and of the folder itself."""
        files = await self.look(make=make)
        return await files.filesystem(self.path), await files.facts(await files.real(self.path))

    def at(self, name: str) -> str:
        """Return the path of one of LilFox's own files in the folder."""
        return f"{self.path}/{name}"

    async def _path(self, files: RemoteFiles, name: str, *, make: bool = False) -> str:
        """Return the path where ``name`` is or will be; raises NotADirectoryError if its sub-folder is a link or a
        file."""
        folder, base = parted(name)
        if not folder:
            return self.at(base)
        within = self.at(folder)
        try:
            kind = (await files.facts(within)).kind
        except FileNotFoundError:
            if not make:
                raise
            await files.make_folder(within)
            kind = "folder"
        if kind != "folder":
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), within)
        return f"{within}/{base}"

    async def create(self, name: str) -> RemoteFileHandle:
        """Create a new file."""
        files = await self.look(make=True)
        return await files.create(await self._path(files, name, make=True))

    async def open(self, name: str) -> RemoteFileHandle:
        """Open a regular file for reading."""
        files = await self.files()
        return await self._open(files, await self._path(files, name))

    async def _open(self, files: RemoteFiles, path: str) -> RemoteFileHandle:
        if (await files.facts(path)).kind != "file":
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        return await files.open(path)

    async def small(self, name: str, listed_bytes: int, limit_bytes: int) -> bytes | None:
        """Return the content of a file that was listed with that size; None if it is missing, larger than the limit, or
        not a regular file."""
        if listed_bytes > limit_bytes:
            return None
        try:
            file = await self.open(name)
        except OSError:
            return None
        try:
            # As much as it had: up to the limit would be many requests at once, which nearly all find its end.
            read = await file.read(0, listed_bytes + 1)
            if len(read) != listed_bytes:
                read = await file.read(0, limit_bytes + 1)
        finally:
            await file.close()
        return read if len(read) <= limit_bytes else None

    async def rename(self, old: str, new: str, *, over: bool = False) -> None:
        """Rename a file within its folder; never to a taken name unless ``over``."""
        files = await self.look()
        here, there = await self._path(files, old), await self._path(files, new)
        await (files.replace(here, there) if over else files.rename_new(here, there))

    async def sync(self, name: str) -> None:
        """Sync the folder that contains ``name`` to disk."""
        files = await self.files()
        await files.sync_folder(str(PurePosixPath(await self._path(files, name)).parent))

    async def remove(self, name: str) -> None:
        """Remove a regular file; do nothing if it does not exist or is not a regular file."""
        files = await self.files()
        with suppress(FileNotFoundError):
            path = await self._path(files, name)
            if (await files.facts(path)).kind == "file":
                await files.remove(path)

    async def entries(self) -> Sequence[StoreEntry]:
        """Return all regular files, including those of the known sub-folders."""
        files = await self.files()
        listed = await files.listing(self.path)
        found = _entries(listed, "")
        for name, facts in listed:
            if name in FOLDERS and facts.kind == "folder":
                found += _entries(await files.listing(self.at(name)), f"{name}/")
        return found


def _entries(listed: Sequence[tuple[str, RemotePathFacts]], prefix: str) -> list[StoreEntry]:
    return [
        StoreEntry(prefix + name, facts.size_bytes, facts.modified)
        for name, facts in listed
        if facts.kind == "file" and is_name(name)
    ]


# A store's lock by SFTP: marks alone (``store_lock.py``), judged by the clock of the server.
#
# It is seen by who comes by SFTP, from anywhere, and by who has the folder on its own machine. SFTP knows no lock that
# ends with its holder: of a run that was killed, or that has lost its link for good, it ends after five minutes.


CLOCK = ".lilfox.clock."


@asynccontextmanager
async def remote_lock(folder: RemoteFolder, who: str, *, shared: bool) -> AsyncIterator[None]:
    """See :meth:`lilfox_tui.backup.store.BackupStore.lock`. A folder that this account cannot write to is shared
    without a mark."""
    marks = _RemoteMarks(folder)
    if shared and not await marks.can_be_made():
        yield
        return
    async with marked(marks, folder.where, mark_of(who, ""), shared=shared, dead=lambda mark: False):  # noqa: ARG005
        yield


class _RemoteMarks:
    """See :class:`lilfox_tui.backup.store_lock.MarkFiles`."""

    def __init__(self, folder: RemoteFolder) -> None:
        self._folder = folder

    @property
    def kept(self) -> bool:
        return self._folder.kept

    @contextmanager
    def _said(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise store_error(self._folder.where, name, error) from None

    async def can_be_made(self) -> bool:
        """Whether marks can be created. Raises StoreError if the folder does not exist."""
        with self._said("."):
            await self._folder.look()
        try:
            await self.now()
        except (StoreError, NotAllowed):
            return False
        return True

    async def create(self, name: str, data: bytes) -> bool:
        with self._said(name):
            files = await self._folder.look(make=True)
            try:
                file = await files.create(self._folder.at(name))
            except FileExistsError:
                return False
            try:
                await file.write(0, data)
            except BaseException:
                with suppress(OSError):
                    await files.remove(self._folder.at(name))
                raise
            finally:
                await file.close()
        return True

    async def read(self, name: str) -> tuple[bytes, datetime] | None:
        with self._said(name):
            files = await self._folder.files()
            try:
                if (await files.facts(self._folder.at(name))).kind != "file":
                    return None
                file = await files.open(self._folder.at(name))
            except FileNotFoundError:
                return None
            try:
                return await file.read(0, MARK_BYTES), (await file.facts()).modified
            finally:
                await file.close()

    async def touch(self, name: str) -> None:
        """Rewrite the mark's first byte, so that the server sets the mtime by its own clock."""
        with self._said(name), suppress(FileNotFoundError):
            file = await (await self._folder.files()).open(self._folder.at(name), write=True)
            try:
                await file.write(0, b"{")
            finally:
                await file.close()

    async def rename_new(self, old: str, new: str) -> bool:
        with self._said(old):
            try:
                await (await self._folder.files()).rename_new(self._folder.at(old), self._folder.at(new))
            except (FileExistsError, FileNotFoundError):
                return False
        return True

    async def remove(self, names: list[str]) -> None:
        files = await self._folder.files()
        for name in names:
            with self._said(name), suppress(FileNotFoundError):
                await files.remove(self._folder.at(name))

    async def names(self) -> list[str]:
        with self._said("."):
            listed = await (await self._folder.files()).listing(self._folder.path)
        return [name for name, _ in listed if name.startswith(PREFIX)]

    async def now(self) -> datetime:
        """Return the server's time: the mtime of a file that is created for this."""
        path = self._folder.at(CLOCK + os.urandom(8).hex())
        with self._said(CLOCK):
            files = await self._folder.look()
            file = await files.create(path)
            try:
                await file.write(0, b"{")
                return (await file.facts()).modified
            finally:
                await file.close()
                await files.remove(path)


# A folder of an SSH host, by SFTP alone: the account needs no shell.


BLOCK = 4 * 1024 * 1024
"""Asked for and sent at once, as many requests: less would wait for the link's round trip too often."""
AT_ONCE = 32
CLEANING_S = 20.0
"""So long a failed write may try to take its part away: the link may be what failed."""


def open_store(name: str, options: SftpOptions, host: Host) -> BackupStore:
    """Return the store; nothing is read yet."""
    return SftpStore(name, options, host)


class SftpStore:
    """See :class:`lilfox_tui.backup.store.BackupStore`."""

    def __init__(self, name: str, options: SftpOptions, host: Host) -> None:
        self.name = name
        mount = options.require_mount
        self._folder = RemoteFolder(host, options.path, options.path if mount is True else mount or None)
        self.where = self._folder.where

    async def checks(self, needed_bytes: int | None, *, write: bool = True) -> list[Check]:
        """See :meth:`BackupStore.checks`."""
        about = tr("store {where}", where=self.where)
        try:
            with self._said("."):
                filesystem, facts = await self._folder.room(make=write)
                writable = not write or await self._can_write()
        except LilFoxError as error:
            return [Check(about, "bad", error.message, error.hint)]
        room = StoreRoom(
            free_bytes=None if filesystem is None else filesystem.free_bytes,
            free_files=None if filesystem is None else filesystem.free_files,
            read_only=filesystem is not None and filesystem.read_only,
            writable=writable,
            mode=facts.mode,
        )
        return room_checks(self._folder.path, room, needed_bytes, write=write, host=self._folder.host_name)

    async def _can_write(self) -> bool:
        """Return whether the folder is writable, by creating a file: SFTP does not report which permissions apply to
        the account."""
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
        """See :meth:`BackupStore.lock` and ``remote_lock``."""
        return remote_lock(self._folder, who, shared=shared)

    def keep_there(self, kept: bool) -> None:
        """Set whether a command on the host itself refreshes the lock: then it survives a lost connection."""
        self._folder.kept = kept

    async def entries(self) -> Sequence[StoreEntry]:
        """See :meth:`BackupStore.entries`."""
        with self._said("."):
            return await self._folder.entries()

    async def read(self, name: str) -> AsyncGenerator[bytes, None]:
        """See :meth:`BackupStore.read`. It depends on the server whether the data comes from its disk or its cache."""
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
                await end_task(reading)
                await file.close()

    async def look(self, endings: tuple[str, ...]) -> tuple[dict[str, bytes], Sequence[StoreEntry]]:
        """See :meth:`BackupStore.look`."""
        entries = await self.entries()
        waiting = iter([entry for entry in entries if entry.name.endswith(endings)])
        texts: dict[str, bytes] = {}

        async def read() -> None:
            for entry in waiting:
                data = await self._folder.small(entry.name, entry.size_bytes, SMALL_BYTES)
                if data is not None:
                    texts[entry.name] = data

        await asyncio.gather(*(read() for _reader in range(AT_ONCE)))
        return texts, [entry for entry in entries if entry.name not in texts]

    async def write(self, name: str, blocks: AsyncIterator[bytes]) -> int:
        """See :meth:`BackupStore.write`."""
        part = name + UNFINISHED
        with self._said(part):
            file = await self._folder.create(part)
        try:
            size = await self._write_all(part, file, blocks)
            phase("fsync")
            with self._said(part):
                await file.sync()
        except BaseException:
            await to_end(self._give_up(part, file))
            raise
        await file.close()
        return size

    async def _write_all(self, part: str, file: RemoteFileHandle, blocks: AsyncIterator[bytes]) -> int:
        """Write all blocks; the next one is read while the last is being sent."""
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
            await end_task(writing)

    async def _told(self, name: str, work: asyncio.Task[None] | None) -> None:
        if work is not None:
            with self._said(name):
                await work

    async def _give_up(self, part: str, file: RemoteFileHandle) -> None:
        with suppress(OSError, LilFoxError, TimeoutError):
            async with asyncio.timeout(CLEANING_S):
                await file.close()
                await self._folder.remove(part)

    async def publish(self, names: Sequence[str]) -> None:
        """See :meth:`BackupStore.publish`. When it raises, no file was renamed, as far as the store still responds."""
        given: list[str] = []
        try:
            for name in names:
                with self._said(name):
                    await to_end(self._give_name(name, given))
            for name in {name.rpartition("/")[0]: name for name in names}.values():
                with self._said(name):
                    await self._folder.sync(name)
        except BaseException:
            await to_end(self._unpublish(given))
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
        """See :meth:`BackupStore.put_small`."""
        with self._said(name):
            await to_end(self._put_small(name, data))

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

    async def remove(self, names: Sequence[str]) -> bool:
        """See :meth:`BackupStore.remove`."""
        for name in names:
            with self._said(name):
                await to_end(self._folder.remove(name))
        return False

    async def object_lock(self, names: Sequence[str]) -> Message | None:  # noqa: ARG002 - a folder has none
        """See :meth:`BackupStore.object_lock`."""
        return None

    async def free_bytes(self) -> int | None:
        """See :meth:`BackupStore.free_bytes`."""
        with self._said("."):
            filesystem, _ = await self._folder.room(make=False)
        return None if filesystem is None else filesystem.free_bytes

    async def close(self) -> None:
        """Close the SFTP session."""
        await self._folder.close()

    @contextmanager
    def _said(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise store_error(self.where, name, error) from None


_TRIAL = "lilfox-may-write" + UNFINISHED
