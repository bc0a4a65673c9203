"""Pipes to and from a process, with one copy each; asyncio's streams make three of what is read, and two of what is
written."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import suppress

BLOCK = 1024 * 1024
_MOMENT_S, _LONGER_S = 0.001, 0.005
"""Until a full pipe is looked at again: one of which something was just read, and one of which nothing was."""


class Pipe:
    """A pipe whose ``writing`` end a process is given. Nothing is read that nobody asks for. One reader at a time."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe2(os.O_CLOEXEC)
        self._waiting: asyncio.Future[None] | None = None
        os.set_blocking(self._reading, False)
        widen(self._reading)

    def given(self) -> None:
        """The process has its end: this one's copy of it is closed, so that the pipe ends with the process."""
        os.close(self.writing)
        self.writing = -1

    async def read(self, size: int = BLOCK) -> bytes:
        """What is in the pipe, up to ``size`` bytes; empty at its end. Others have their turn before each block."""
        await asyncio.sleep(0)
        while self._reading >= 0:
            try:
                return os.read(self._reading, size)
            except BlockingIOError:
                await self._filled()
        return b""

    async def _filled(self) -> None:
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        loop.add_reader(self._reading, self._wake)
        try:
            await self._waiting
        finally:
            self._wake()

    def _wake(self) -> None:
        """Ends the waiting for more, if anybody waits."""
        if self._waiting is not None:
            self._waiting.get_loop().remove_reader(self._reading)
            if not self._waiting.done():
                self._waiting.set_result(None)
            self._waiting = None

    def close(self) -> None:
        """Both ends; who still reads has come to the end."""
        self._wake()
        for end in (self._reading, self.writing):
            if end >= 0:
                os.close(end)
        self._reading = self.writing = -1


class Outlet:
    """A process's stdin, for much at once. A pipe that is full can be written again as soon as a page of it was read,
    and who is woken then writes a page and waits again, which takes a core at 100 MB/s: so it is looked after a moment
    how much was read of it. Where the pipe can be no wider a moment is too long, and asyncio writes."""

    def __init__(self, stdin: asyncio.StreamWriter) -> None:
        self._stdin = stdin
        self._wide = False
        with suppress(ValueError):  # it has ended already, and its pipe is closed
            self._wide = widen(stdin.get_extra_info("pipe").fileno())

    async def write(self, block: bytes) -> None:
        """Writes all of it. Raises BrokenPipeError, ConnectionResetError where nobody reads any more."""
        rest = memoryview(block)
        while rest and self._wide and not self._stdin.transport.is_closing():
            written = self._write(rest)
            rest = rest[written:]
            if rest:
                await asyncio.sleep(_MOMENT_S if written else _LONGER_S)
        if rest:
            self._stdin.write(rest)
            await self._stdin.drain()

    def _write(self, rest: memoryview) -> int:
        """What fits into the pipe, once it has taken what asyncio holds for it."""
        if self._stdin.transport.get_write_buffer_size():
            return 0
        try:
            return os.write(self._stdin.get_extra_info("pipe").fileno(), rest)
        except BlockingIOError:
            return 0


def widen(pipe: int) -> bool:
    """Makes a pipe as wide as a block, so that a dump takes a sixteenth of the turns (fcntl(2), F_SETPIPE_SZ); whether
    it is. Who has too many wide ones gets no more (pipe-user-pages-soft)."""
    try:
        return fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, BLOCK) >= BLOCK
    except OSError:
        return False
