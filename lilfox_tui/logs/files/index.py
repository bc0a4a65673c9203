"""Line numbers of a file of any size: newlines counted by the block, in the background; little memory a GiB."""

from __future__ import annotations

from array import array
from collections.abc import Callable

from lilfox_tui.logs.files.disk import ByteFile

_AT_ONCE = 16
"""Blocks that are counted between two words to the reader."""
_READ_BYTES = 256 * 1024
"""A line is looked for by halving until so much is left to be read."""


class LineIndex:
    """Newlines of each block of ``file``; ``indexed_bytes`` is how far it has come, ``lines`` their number.
    ``given_up``: to count on would cost the file's host too much."""

    def __init__(self, file: ByteFile) -> None:
        self.file = file
        self.indexed_bytes = 0
        self.lines = 0
        self.given_up = False
        self._block = file.COUNT_BYTES
        self._counts = array("I")

    async def build(self, told: Callable[[], None]) -> None:
        """Counts on to the file's end as it is now; calls ``told`` on the way. Raises LilFoxError."""
        size = await self.file.size()
        while self.indexed_bytes < size and not self.given_up:
            for length in self._next_lengths(size):
                found = await self.file.count_lines(self.indexed_bytes, length)
                if found is None:
                    self.given_up = True
                    break
                if self.indexed_bytes % self._block:
                    self._counts[-1] += found
                else:
                    self._counts.append(found)
                self.lines += found
                self.indexed_bytes += length
            told()

    def _next_lengths(self, size: int) -> list[int]:
        """The next parts: to the end of the block that was begun, then whole ones."""
        start, block = self.indexed_bytes, self._block
        ends = range(start - start % block + block, size + block, block)[:_AT_ONCE]
        return [min(end, size) - begin for begin, end in zip((start, *ends), ends, strict=False)]

    async def line_at(self, offset: int) -> int | None:
        """The number (from 1) of the line that holds the byte at ``offset``; None where it is not indexed. Raises
        LilFoxError."""
        if offset >= self.indexed_bytes:
            return None
        block, within = divmod(offset, self._block)
        before = await self.file.count_lines(block * self._block, within) if within else 0
        return None if before is None else sum(self._counts[:block]) + before + 1

    async def offset_of(self, line: int) -> int | None:
        """Where the line of that number (from 1) begins; None where it is not indexed. Raises LilFoxError."""
        if line <= 1:
            return 0
        newline = line - 1
        for block, count in enumerate(self._counts):
            if newline <= count:
                return await self._behind(newline, block * self._block)
            newline -= count
        return None

    async def _behind(self, newline: int, start: int) -> int | None:
        """Just behind that newline (from 1) of the block that begins at ``start``."""
        length = min(self._block, self.indexed_bytes - start)
        while length > _READ_BYTES:
            found = await self.file.count_lines(start, length // 2)
            if found is None:
                return None
            if newline <= found:
                length //= 2
            else:
                newline, start, length = newline - found, start + length // 2, length - length // 2
        text, at = await self.file.read(start, length), -1
        for _ in range(newline):
            at = text.find(b"\n", at + 1)
        return start + at + 1
