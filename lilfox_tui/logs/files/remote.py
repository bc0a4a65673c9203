"""Log files of an SSH host: asked for by blocks through one kept ``sh``; searched there, so that hits alone cross."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from weakref import WeakKeyDictionary

from lilfox_tui.errors import CommandTimeout, LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.refusals import not_read
from lilfox_tui.logs.files import remote_count, remote_search
from lilfox_tui.logs.files.disk import Found, Seen
from lilfox_tui.logs.files.local_search import by_block
from lilfox_tui.logs.files.refusals import NotReadable, file_moved, no_right, not_regular, nothing_there
from lilfox_tui.logs.files.remote_shell import DATA, MOVED, RemoteShell, enter, escaped, leave
from lilfox_tui.logs.filter.needles import Needles

_PAGE = 4096
COUNTED_MOST_BYTES = 2 * 1024 * 1024 * 1024
"""Lines are counted up to there: all of it is read there, from its disk."""
_COUNTING: WeakKeyDictionary[Host, asyncio.Lock] = WeakKeyDictionary()


class RemoteDisk:
    """The files of an SSH host. See :class:`lilfox_tui.logs.files.disk.Disk`. With ``sudo`` they are read as root from
    the first on that this account may not read."""

    def __init__(self, host: Host, *, sudo: bool = False, following: bool = False) -> None:
        self.host = host
        self.is_root = False
        self._may_be_root = sudo
        self._following = following
        self._apart = False
        self._entered: RemoteShell | None = None
        self._paths: dict[tuple[int, int], str] = {}

    async def ask(self, *words: str) -> bytes:
        """The answer about these files. Raises HostError."""
        return await self._asked(lambda shell: shell.ask(*words))

    async def ask_about(self, key: tuple[int, int], path: str, *words: str | int) -> bytes:
        """See :meth:`RemoteShell.ask_about`."""
        return await self._asked(lambda shell: shell.ask_about(key, path, *words))

    async def _asked(self, ask: Callable[[RemoteShell], Awaitable[bytes]]) -> bytes:
        if self._entered is None:
            self._entered = enter(self.host, following=self._following, as_root=self.is_root, apart=self._apart)
        shell = self._entered
        shell.users += 1  # it is not ended below this question
        try:
            answer = await ask(shell)
            if shell is self._entered:
                await self._set_apart(False)
            return answer
        except CommandTimeout:
            if shell is self._entered:
                await self._set_apart(True)
            raise
        finally:
            await leave(self.host, shell)

    async def _set_apart(self, apart: bool) -> None:
        """Has those who wait for their answers wait for these files no more, or again."""
        if apart is not self._apart:
            self._apart = apart
            await self.close()

    async def _become_root(self) -> None:
        await self.close()
        self.is_root = True

    async def look(self, patterns: Sequence[str]) -> list[Seen]:
        """See :meth:`Disk.look`."""
        found = await self._look(patterns)
        if not found and self._could_be_root and await self._barred(patterns):
            await self._become_root()
            found = await self._look(patterns)
        self._paths |= {one.key: one.path for one in found}
        return found

    async def _look(self, patterns: Sequence[str]) -> list[Seen]:
        answer = await self.ask("look", *map(escaped, patterns))
        now, _, lines = answer.partition(b"\n")
        found: dict[tuple[int, int], Seen] = {}
        for line in lines.splitlines():
            one = _seen(line, int(now))
            if one is not None:
                found.setdefault(one.key, one)
        return list(found.values())

    @property
    def _could_be_root(self) -> bool:
        return self._may_be_root and not self.is_root

    async def _barred(self, patterns: Sequence[str]) -> bool:
        """Whether one is in a folder that this account may not look into."""
        return any([await self.ask("barred", escaped(pattern)) == b"yes\n" for pattern in patterns])

    async def why_not(self, path: str) -> LilFoxError:
        """See :meth:`Disk.why_not`."""
        readable, _, rest = (await self.ask("why", escaped(path))).partition(b" ")
        facts = rest.split(b" ", 5)
        if len(facts) == 6 and facts[0].isdigit():
            refused = not_regular(self.host.name, path, int(facts[4], 16))
            if refused is not None:
                return refused
            return file_moved(self.host.name, path) if readable == b"yes" else self._no_right(path)
        if b"ermission denied" in rest:
            return self._no_right(path)
        return nothing_there(self.host.name, path)

    def _no_right(self, path: str) -> LilFoxError:
        return no_right(self.host.name, path, unless_root=not self._may_be_root)

    async def open(self, seen: Seen) -> RemoteFile:
        """See :meth:`Disk.open`."""
        if await self.ask_about(seen.key, seen.path) != MOVED:
            return RemoteFile(self, seen)
        error = await self.why_not(seen.path)
        if not isinstance(error, NotReadable):
            raise file_moved(self.host.name, seen.path)  # it was there a moment ago
        if not self._could_be_root:
            raise error
        await self._become_root()
        return await self.open(seen)

    def path(self, key: tuple[int, int]) -> str:
        """The name that the file had when it was last looked."""
        if key not in self._paths:
            raise file_moved(self.host.name, "")
        return self._paths[key]

    async def close(self) -> None:
        """See :meth:`Disk.close`."""
        entered, self._entered = self._entered, None
        if entered is not None:
            await leave(self.host, entered)


class RemoteFile:
    """A file of an SSH host by device and inode. See :class:`lilfox_tui.logs.files.disk.ByteFile`."""

    COUNT_BYTES = 64 * 1024 * 1024  # it costs a process there
    NEAR_BYTES = 0  # what is read crosses the wire, what is searched does not
    STEP_BYTES = 8 * 1024 * 1024

    def __init__(self, disk: RemoteDisk, seen: Seen) -> None:
        self._disk = disk
        self._key = seen.key
        self._path = seen.path

    async def _ask(self, *words: str | int) -> bytes:
        """The answer about this file, which is opened anew if it is not held any more. Raises FileMoved."""
        for _ in range(3):
            answer = await self._disk.ask_about(self._key, self._disk.path(self._key), *words)
            if answer != MOVED:
                return answer
        raise file_moved(self._disk.host.name, self._path)

    async def size(self) -> int:
        """See :meth:`ByteFile.size`."""
        return int(await self._ask("size"))

    async def read(self, offset: int, length: int) -> bytes:
        """See :meth:`ByteFile.read`."""
        if length <= 0:
            return b""
        first = offset // _PAGE
        pages = (offset + length - 1) // _PAGE - first + 1
        answer = await self._ask("part", first, pages)
        if not answer.startswith(DATA):
            raise not_read(self._disk.host.name, self._path, answer.decode("utf-8", "replace"))
        start = len(DATA) + offset - first * _PAGE
        return answer[start : start + length]

    async def find(self, wanted: Needles, start: int, end: int, *, following: bool) -> AsyncGenerator[Found, None]:
        """See :meth:`ByteFile.find`. Where the host has no program for it, all of the part crosses the wire."""
        path = self._disk.path(self._key)
        searched = remote_search.find(
            self._disk.host,
            path,
            self._key,
            wanted,
            (start, end),
            following=following,
            sudo=self._disk.is_root,
        )
        try:
            async with aclosing(searched) as batches:
                async for found in batches:
                    yield found
        except remote_search.CannotSearch:
            async with aclosing(by_block(self.read, wanted, start, end)) as read:
                async for offsets in read:
                    yield Found(offsets, {})

    async def count_lines(self, start: int, length: int) -> int | None:
        """See :meth:`ByteFile.count_lines`. It is counted there, for one file of the host at a time."""
        if start + length > COUNTED_MOST_BYTES:
            return None
        path, host = self._disk.path(self._key), self._disk.host
        async with _COUNTING.setdefault(host, asyncio.Lock()):
            return await remote_count.count_lines(host, path, self._key, start, length, sudo=self._disk.is_root)

    async def close(self) -> None:
        """Its descriptor goes to another file when it is needed, or ends with the shell."""


def _seen(line: bytes, now: int) -> Seen | None:
    facts = line.split(b" ", 5)
    if len(facts) < 6 or not all(fact.isdigit() for fact in facts[:4]):
        return None
    device, inode, size, modified = map(int, facts[:4])
    if not stat.S_ISREG(int(facts[4], 16)):
        return None
    path = facts[5].decode("utf-8", "surrogateescape")
    return Seen(path, device, inode, size, float(modified), float(now - modified))
