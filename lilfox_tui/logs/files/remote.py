"""Log files of an SSH host: asked for by blocks through one kept ``sh``; searched there, so that hits alone cross."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.refusals import not_read
from lilfox_tui.logs.files import remote_search
from lilfox_tui.logs.files.disk import Found, Seen
from lilfox_tui.logs.files.local_search import by_block
from lilfox_tui.logs.files.refusals import FileMoved, NotReadable, file_moved, no_right, not_regular, nothing_there
from lilfox_tui.logs.files.remote_shell import DATA, MOVED, SLOTS, RemoteShell, escaped
from lilfox_tui.logs.filter.needles import Needles

_PAGE = 4096


class RemoteDisk:
    """The files of an SSH host. See :class:`lilfox_tui.logs.files.disk.Disk`. With ``sudo`` they are read as root from
    the first on that this account may not read."""

    def __init__(self, host: Host, *, sudo: bool = False) -> None:
        self.host = host
        self._may_be_root = sudo
        self.shell = RemoteShell(host)
        self._paths: dict[tuple[int, int], str] = {}
        self._holding = asyncio.Lock()
        self._held: dict[int, tuple[int, int, int]] = {}
        """What is open there: the slot's start of the shell, device and inode."""

    async def look(self, patterns: Sequence[str]) -> list[Seen]:
        """See :meth:`Disk.look`."""
        found = await self._look(patterns)
        if not found and self._could_be_root and await self._barred(patterns):
            await self.shell.become_root()
            found = await self._look(patterns)
        self._paths |= {one.key: one.path for one in found}
        return found

    async def _look(self, patterns: Sequence[str]) -> list[Seen]:
        answer = await self.shell.ask("look", *map(escaped, patterns))
        now, _, lines = answer.partition(b"\n")
        found: dict[tuple[int, int], Seen] = {}
        for line in lines.splitlines():
            one = _seen(line, int(now))
            if one is not None:
                found.setdefault(one.key, one)
        return list(found.values())

    @property
    def _could_be_root(self) -> bool:
        return self._may_be_root and not self.shell.is_root

    async def _barred(self, patterns: Sequence[str]) -> bool:
        """Whether one is in a folder that this account may not look into."""
        return any([await self.shell.ask("barred", escaped(pattern)) == b"yes\n" for pattern in patterns])

    async def why_not(self, path: str) -> LilFoxError:
        """See :meth:`Disk.why_not`."""
        readable, _, rest = (await self.shell.ask("why", escaped(path))).partition(b" ")
        facts = rest.split(b" ", 5)
        if len(facts) == 6 and facts[0].isdigit():
            refused = not_regular(self.host.name, path, int(facts[4], 16))
            if refused is not None:
                return refused
            return file_moved(self.host.name, path) if readable == b"yes" else no_right(self.host.name, path)
        if b"ermission denied" in rest:
            return no_right(self.host.name, path)
        return nothing_there(self.host.name, path)

    async def open(self, seen: Seen) -> RemoteFile:
        """See :meth:`Disk.open`."""
        file = RemoteFile(self, seen)
        try:
            await self.slot(seen.key)
        except FileMoved:
            error = await self.why_not(seen.path)
            if not isinstance(error, NotReadable) or not self._could_be_root:
                raise error from None
            await self.shell.become_root()
            return await self.open(seen)
        return file

    def path(self, key: tuple[int, int]) -> str:
        """The name that the file had when it was last looked."""
        if key not in self._paths:
            raise file_moved(self.host.name, "")
        return self._paths[key]

    async def slot(self, key: tuple[int, int]) -> int:
        """Where the file is held open, opened if need be. Raises FileMoved."""
        async with self._holding:
            for slot, held in self._held.items():
                if held == (self.shell.started, *key):
                    self._held[slot] = self._held.pop(slot)
                    return slot
            free = [slot for slot in SLOTS if slot not in self._held]
            slot = free[0] if free else next(iter(self._held))
            self._held.pop(slot, None)
            path = self.path(key)
            if await self.shell.ask("hold", slot, *key, escaped(path)) == MOVED:
                raise file_moved(self.host.name, path)
            self._held[slot] = (self.shell.started, *key)
            return slot

    def forget(self, slot: int) -> None:
        """What was held there is another file, or none, by now."""
        self._held.pop(slot, None)

    async def close(self) -> None:
        """See :meth:`Disk.close`."""
        await self.shell.close()


class RemoteFile:
    """A file of an SSH host by device and inode. See :class:`lilfox_tui.logs.files.disk.ByteFile`."""

    NEAR_BYTES = 0  # what is read crosses the wire, what is searched does not
    STEP_BYTES = 8 * 1024 * 1024

    def __init__(self, disk: RemoteDisk, seen: Seen) -> None:
        self._disk = disk
        self._key = seen.key
        self._path = seen.path

    async def _ask(self, *words: str | int) -> bytes:
        """The answer about this file, which is opened anew if its slot has gone to another meanwhile."""
        for _ in range(3):
            slot = await self._disk.slot(self._key)
            answer = await self._disk.shell.ask(words[0], slot, *self._key, *words[1:])
            if answer != MOVED:
                return answer
            self._disk.forget(slot)
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
            sudo=self._disk.shell.is_root,
        )
        try:
            async with aclosing(searched) as batches:
                async for found in batches:
                    yield found
        except remote_search.CannotSearch:
            async with aclosing(by_block(self.read, wanted, start, end)) as read:
                async for offsets in read:
                    yield Found(offsets, {})

    async def count_lines(self, start: int, length: int) -> int | None:  # noqa: ARG002  the contract's
        """None: it would read the whole file there."""
        return None

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
