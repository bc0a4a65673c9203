"""Line numbers of a file of any size: newlines counted by the block, in the background; 4 KiB of memory a GiB."""

from __future__ import annotations

from array import array
from collections.abc import Callable

from lilfox_tui.logs.files.disk import ByteFile

BLOCK = 1024 * 1024
_AT_ONCE = 16
"""Blocks that are counted between two words to the reader."""


class LineIndex:
    """Newlines of each whole block of ``file``; ``indexed_bytes`` is how far it has come, ``lines`` their number."""

    def __init__(self, file: ByteFile) -> None:
        self.file = file
        self.indexed_bytes = 0
        self.lines = 0
        self._counts = array("I")

    async def build(self, told: Callable[[], None]) -> None:
        """Counts on to the file's end as it is now; calls ``told`` on the way. Raises LilFoxError."""
        size = await self.file.size()
        self._forget_half_block()
        while self.indexed_bytes < size:
            for length in _lengths(self.indexed_bytes, size):
                found = await self.file.count_lines(self.indexed_bytes, length)
                if found is None:
                    return
                self._counts.append(found)
                self.lines += found
                self.indexed_bytes += length
            told()

    def _forget_half_block(self) -> None:
        if self.indexed_bytes % BLOCK:
            self.lines -= self._counts.pop()
            self.indexed_bytes -= self.indexed_bytes % BLOCK

    async def line_at(self, offset: int) -> int | None:
        """The number (from 1) of the line that holds the byte at ``offset``; None where it is not indexed."""
        if offset >= self.indexed_bytes:
            return None
        block, within = divmod(offset, BLOCK)
        before = (await self.file.read(block * BLOCK, within)).count(b"\n")
        return sum(self._counts[:block]) + before + 1

    async def offset_of(self, line: int) -> int | None:
        """Where the line of that number (from 1) begins; None where it is not indexed."""
        if line <= 1:
            return 0
        passed = 0
        for block, count in enumerate(self._counts):
            if passed + count >= line - 1:
                text = await self.file.read(block * BLOCK, BLOCK)
                at = -1
                for _ in range(line - 1 - passed):
                    at = text.find(b"\n", at + 1)
                return block * BLOCK + at + 1
            passed += count
        return None


def _lengths(start: int, size: int) -> list[int]:
    """The next blocks: to the end of the one that was begun, then whole ones."""
    ends = range(start - start % BLOCK + BLOCK, size + BLOCK, BLOCK)[:_AT_ONCE]
    return [min(end, size) - begin for begin, end in zip((start, *ends), ends, strict=False)]
