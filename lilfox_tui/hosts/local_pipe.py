"""What a process writes, read from its pipe with one copy; asyncio's StreamReader makes three of it."""

from __future__ import annotations

import asyncio
import fcntl
import os
from contextlib import suppress

BLOCK = 1024 * 1024


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


def widen(pipe: int) -> None:
    """Makes a pipe as wide as a block, so that a dump takes a sixteenth of the turns (fcntl(2), F_SETPIPE_SZ). Who has
    too many wide ones gets no more (pipe-user-pages-soft)."""
    with suppress(OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, BLOCK)
