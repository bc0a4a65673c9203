"""What an async iterator gives, read by a thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType

BLOCK = 1024 * 1024
HELD = 2 * BLOCK
"""So much is asked for ahead of the thread."""


class Inlet:
    """``blocks`` as a file that a thread reads, while this is used as an async context manager. Each block is shown to
    ``saw`` by the thread, before it is given. What ``blocks`` raises is raised by ``read``."""

    def __init__(self, blocks: AsyncIterator[bytes], saw: Callable[[bytes], None]) -> None:
        self._blocks = blocks
        self._saw = saw
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._changed = asyncio.Event()
        self._freed = asyncio.Event()
        self._ended = False
        self._left = False
        self._error: BaseException | None = None
        self._rest = memoryview(b"")

    async def __aenter__(self) -> Inlet:
        self._loop = asyncio.get_running_loop()
        self._feeding = asyncio.create_task(self._feed())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leaves ``blocks`` for good; a thread that waits in ``read`` gets CancelledError."""
        self._feeding.cancel()
        await asyncio.wait([self._feeding])
        self._error = self._error or asyncio.CancelledError()
        self._left = True
        self._held.clear()
        self._changed.set()

    async def _feed(self) -> None:
        try:
            async for block in self._blocks:
                self._held.append(block)
                self._held_bytes += len(block)
                self._changed.set()
                while self._held_bytes >= HELD:
                    self._freed.clear()
                    await self._freed.wait()
        except BaseException as error:
            self._error = error
        self._ended = True
        self._changed.set()

    async def _take(self) -> bytes:
        """Some of what is held, at least a byte of it; empty at the end."""
        while not self._held and not self._ended and self._error is None:
            self._changed.clear()
            await self._changed.wait()
        taken: list[bytes] = []
        size = 0
        while self._held and (not taken or size + len(self._held[0]) <= BLOCK):
            taken.append(self._held.popleft())
            size += len(taken[-1])
        self._held_bytes -= size
        self._freed.set()
        if not taken and self._error is not None:
            raise self._error
        if taken and not size:
            return await self._take()
        return taken[0] if len(taken) == 1 else b"".join(taken)

    def read(self, size: int = -1, /) -> bytes:
        """In a thread: up to ``size`` bytes, but not more than come together; empty at the end."""
        if not self._rest:
            if self._left:
                raise asyncio.CancelledError
            block = asyncio.run_coroutine_threadsafe(self._take(), self._loop).result()
            self._saw(block)
            if size < 0 or len(block) <= size:
                return block
            self._rest = memoryview(block)
        part, self._rest = self._rest[:size], self._rest[size:]
        return bytes(part)
