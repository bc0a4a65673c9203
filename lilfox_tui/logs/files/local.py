"""Log files of this machine. Everything that touches a disk runs in a thread: a disk may hang."""

from __future__ import annotations

import asyncio
import errno
import glob
import os
import stat
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing, suppress
from typing import ParamSpec, TypeVar

from lilfox_tui.errors import FileRefused
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.refusals import not_read
from lilfox_tui.logs.files import local_search
from lilfox_tui.logs.files.disk import Found, Seen
from lilfox_tui.logs.files.refusals import file_moved, no_right, not_regular, nothing_there
from lilfox_tui.logs.filter.needles import Needles

P = ParamSpec("P")
T = TypeVar("T")
BLOCK = 1024 * 1024


class LocalFile:
    """A file of this machine by its descriptor. See :class:`lilfox_tui.logs.files.disk.ByteFile`."""

    COUNT_BYTES = 1024 * 1024
    NEAR_BYTES = 1024 * 1024
    STEP_BYTES = 1024 * 1024 * 1024

    def __init__(self, host: Host, path: str, descriptor: int) -> None:
        self._host = host
        self._path = path
        self._descriptor = descriptor
        self._users = 0
        self._closed = False

    @property
    def descriptor(self) -> int:
        """Of the open file, for processes of our own; good until it is closed."""
        return self._descriptor

    async def size(self) -> int:
        """See :meth:`ByteFile.size`."""
        return (await self._in_thread(os.fstat, self._descriptor)).st_size

    async def read(self, offset: int, length: int) -> bytes:
        """See :meth:`ByteFile.read`."""
        return await self._in_thread(read_at, self._descriptor, offset, length)

    async def find(
        self,
        wanted: Needles,
        start: int,
        end: int,
        *,
        following: bool,  # noqa: ARG002  no texts are sent along: reading here costs nothing
    ) -> AsyncGenerator[Found, None]:
        """See :meth:`ByteFile.find`."""
        if self._closed:
            raise file_moved(self._host.name, self._path)
        self._users += 1
        try:
            async with aclosing(local_search.find(self._host, self._descriptor, wanted, start, end)) as found:
                async for hits in found:
                    yield hits
        finally:
            self._unused()

    async def count_lines(self, start: int, length: int) -> int | None:
        """See :meth:`ByteFile.count_lines`."""
        return await self._in_thread(_count_lines, self._descriptor, start, length)

    async def close(self) -> None:
        """See :meth:`ByteFile.close`."""
        if not self._closed:
            self._closed = True
            self._users += 1
            self._unused()

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``work``; the descriptor stays open until it has ended, also when nobody waits any more."""
        if self._closed:
            raise file_moved(self._host.name, self._path)
        self._users += 1
        running = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
        running.add_done_callback(self._unused)
        try:
            return await asyncio.shield(running)
        except OSError as error:
            raise not_read(self._host.name, self._path, error.strerror or str(error)) from None

    def _unused(self, done: asyncio.Future[T] | None = None) -> None:
        if done is not None and not done.cancelled():
            done.exception()
        self._users -= 1
        if self._closed and not self._users:
            os.close(self._descriptor)


class LocalDisk:
    """The files of this machine. See :class:`lilfox_tui.logs.files.disk.Disk`."""

    def __init__(self, host: Host) -> None:
        self.host = host

    async def look(self, patterns: Sequence[str]) -> list[Seen]:
        """See :meth:`Disk.look`."""
        return await asyncio.to_thread(_look, patterns)

    async def why_not(self, path: str) -> FileRefused:
        """See :meth:`Disk.why_not`."""
        return await asyncio.to_thread(_why_not, self.host.name, path)

    async def open(self, seen: Seen) -> LocalFile:
        """See :meth:`Disk.open`."""
        try:
            descriptor = await asyncio.to_thread(_open, seen)
        except FileNotFoundError:
            raise file_moved(self.host.name, seen.path) from None
        except OSError:
            raise await self.why_not(seen.path) from None
        return LocalFile(self.host, seen.path, descriptor)

    async def close(self) -> None:
        """See :meth:`Disk.close`."""


def read_at(descriptor: int, offset: int, length: int) -> bytes:
    """``length`` bytes from ``offset``, fewer only at the end."""
    block = os.pread(descriptor, length, offset)
    if not block or len(block) == length:
        return block
    blocks = [block]
    while block and (length := length - len(block)):
        offset += len(block)
        block = os.pread(descriptor, length, offset)
        blocks.append(block)
    return b"".join(blocks)


def _count_lines(descriptor: int, start: int, length: int) -> int:
    found, end = 0, start + length
    while start < end and (block := os.pread(descriptor, min(BLOCK, end - start), start)):
        found += block.count(b"\n")
        start += len(block)
    return found


def _look(patterns: Sequence[str]) -> list[Seen]:
    found: dict[tuple[int, int], Seen] = {}
    for pattern in patterns:
        for path in glob.glob(pattern, include_hidden=True) if glob.has_magic(pattern) else [pattern]:  # noqa: PTH207
            with suppress(OSError):
                facts = os.stat(path)  # noqa: PTH116
                if stat.S_ISREG(facts.st_mode):
                    age_s = time.time() - facts.st_mtime
                    one = Seen(path, facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime, age_s)
                    found.setdefault(one.key, one)
    return list(found.values())


def _open(seen: Seen) -> int:
    # a FIFO that has taken the name meanwhile must not hold the thread
    descriptor = os.open(seen.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    facts = os.fstat(descriptor)
    if (facts.st_dev, facts.st_ino) != seen.key:
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), seen.path)
    return descriptor


def _why_not(host: str, path: str) -> FileRefused:
    try:
        refused = not_regular(host, path, os.stat(path).st_mode)  # noqa: PTH116
        if refused is not None:
            return refused
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
    except FileNotFoundError:
        return nothing_there(host, path)
    except PermissionError:
        return no_right(host, path)
    except OSError as error:
        return not_read(host, path, error.strerror or str(error))
    return file_moved(host, path)
