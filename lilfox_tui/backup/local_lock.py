"""A store's lock on the machine where its folder is, or has it mounted.

It is an flock(2) of ``.lilfox.flock``, which ends with its holder at once, however that ends; and, for those who come
by SFTP, a mark (``store_lock.py``). Who has the flock knows that marks of this machine are left from dead runs; marks
of SFTP and of other machines are respected until they are five minutes old. The other way round, who comes by SFTP
takes a local run that was killed for alive until then. Where the filesystem has no flock, or keeps it to one machine
(some NFS mounts), the marks alone hold. On a full disk, from which sets are restored or let go to make room, the flock
alone does: nobody who comes by SFTP can put a mark down either.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lilfox_tui.backup.errors import StoreError
from lilfox_tui.backup.local_folder import LocalFolder, new_file, old_file, rename_new, write_all
from lilfox_tui.backup.store import Holder
from lilfox_tui.backup.store_lock import LOCK, MARK_BYTES, PREFIX, SHARED, Mark, held_by, mark_of, marked, refuse_others
from lilfox_tui.backup.store_names import refused
from lilfox_tui.i18n import tr

FLOCK = ".lilfox.flock"


class NoRoom(StoreError):
    """A mark could not be written: the disk, or a quota, is full."""


@asynccontextmanager
async def local_lock(folder: LocalFolder, where: str, who: str, *, shared: bool) -> AsyncIterator[None]:
    """See :meth:`lilfox_tui.backup.store.Store.lock`. A folder that cannot be written is shared without a mark, and by
    the flock where its file is there: nothing can be removed from it on this way."""
    machine = _machine()
    try:
        writable, descriptor = _opened(folder, shared=shared)
    except OSError as error:
        raise refused(where, FLOCK, error) from None
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
            except NoRoom:
                if not has_flock:
                    raise
                await refuse_others(marks, where, shared=shared, dead=dead)
            yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _opened(folder: LocalFolder, *, shared: bool) -> tuple[bool, int | None]:
    """Whether files can be made in the folder, and a descriptor of the file that is locked."""
    with folder.root(make=not shared) as root:
        writable = os.access(".", os.W_OK | os.X_OK, dir_fd=root) and not os.fstatvfs(root).f_flag & os.ST_RDONLY
        flags = os.O_RDWR | os.O_CREAT if writable or not shared else os.O_RDONLY
        try:
            return writable, os.open(FLOCK, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=root)
        except FileNotFoundError:
            return writable, None


def _take(folder: LocalFolder, where: str, descriptor: int, *, shared: bool) -> bool:
    """False where the filesystem has no flock."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise held_by(where, _holder(folder)) from None
    except OSError:
        return False
    return True


def _holder(folder: LocalFolder) -> Holder:
    """Who has put a mark down: the one that holds it alone, or one of those that share it."""
    with suppress(OSError), folder.root() as root:
        shared = sorted(name for name in os.listdir(root) if name.startswith(SHARED))  # noqa: PTH208 - a descriptor
        for name in (LOCK, *shared):
            with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
                return _mark_in(root, name).holder
    return Holder(str(tr("a run that reads it")))


def _mark_in(root: int, name: str) -> Mark:
    descriptor, _ = old_file(root, name)
    try:
        return msgspec.json.decode(os.read(descriptor, MARK_BYTES), type=Mark)
    finally:
        os.close(descriptor)


class _LocalMarks:
    """See :class:`lilfox_tui.backup.store_lock.MarkFiles`. They are a few hundred bytes: no thread is needed."""

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
            raise refused(self._where, name, error) from None

    async def create(self, name: str, data: bytes) -> bool:
        with self._root(name) as root:
            try:
                descriptor = new_file(root, name)
            except FileExistsError:
                return False
            try:
                write_all(descriptor, data)
            except OSError as error:
                os.unlink(name, dir_fd=root)
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    refusal = refused(self._where, name, error)
                    raise NoRoom(refusal.message, refusal.hint) from None
                raise
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
    """What tells this machine from others that may have the folder mounted."""
    with suppress(OSError):
        return f"{platform.node()} {Path('/etc/machine-id').read_text().strip()}"
    return platform.node()
