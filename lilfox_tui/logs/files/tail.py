"""One file read onward: the records that are whole, each once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

from lilfox_tui.logs.files.blocks import BLOCK, Piece, beginning_after, cut_whole, read_piece
from lilfox_tui.logs.files.log_file import LogFile
from lilfox_tui.logs.record import RAW_LIMIT

READ_BYTES = 4 * BLOCK


class Emptied(Exception):
    """The file does not begin any more as it did. ``block`` is what was read last: of the file before or after."""

    def __init__(self, block: bytes) -> None:
        super().__init__()
        self.block = block


class Tail:
    """``offset`` is where the first record begins that was not given yet, ``seen_bytes`` how far the file was read.
    Records that begin at ``after`` or before are not given: reading may begin within one."""

    def __init__(self, log: LogFile, offset: int, *, after: int = -1) -> None:
        self.log = log
        self.path = log.path
        """Its name when reading began."""
        self.offset = offset
        self.after = after
        self.seen_bytes = offset
        self.settled = False
        """Whether everything whole was given."""
        self.grown_s = time.monotonic()
        """When there was last more to read."""
        self.modified_s = log.modified_s
        """When its host last says that it was written to, as it was last looked at."""
        self._scanned = 0

    def grown(self, log: LogFile) -> None:
        """Goes on with what is known of the file by now. Raises Emptied when it begins otherwise."""
        if not log.start.startswith(self.log.start):
            raise Emptied(b"")
        self.log = log

    async def read(self, *, settled: bool, ended: bool = False) -> AsyncGenerator[list[Piece], None]:
        """The whole records that there are. The last may go on in the next line: it is given when it is ``settled``, a
        line without its end when the file has ``ended``. Raises Emptied, LilFoxError."""
        full = True
        while full:
            block = await self.log.file.read(self.offset, READ_BYTES)
            await self._check(block)
            if self.offset + len(block) > self.seen_bytes:
                self.seen_bytes, self.grown_s = self.offset + len(block), time.monotonic()
            full = len(block) == READ_BYTES
            if full or not (settled or ended):
                text, half = block, b""
            else:
                whole = len(block) if ended else block.rfind(b"\n") + 1
                text, half = block[:whole], block[whole:]
            close = not full and (settled or ended)
            pieces, rest = await asyncio.to_thread(cut_whole, text, self.offset, self.log.format, ended=close)
            if full and not pieces:
                piece = await self._long(settled=settled, ended=ended)
                full = piece is not None
                pieces = [] if piece is None else [piece]
            else:
                self.offset += len(block) - len(rest) - len(half)
            self.settled = close or self.offset == self.seen_bytes
            yield [piece for piece in pieces if piece[0] > self.after]

    async def _check(self, block: bytes) -> None:
        if await self.log.file.read(0, len(self.log.start)) != self.log.start:
            raise Emptied(block)

    async def _long(self, *, settled: bool, ended: bool) -> Piece | None:
        """The record at ``offset``, which is longer than a block, if it is whole."""
        file, size = self.log.file, await self.log.file.size()
        self.seen_bytes = max(self.seen_bytes, size)
        next_at = await beginning_after(file, self.log.format, max(self.offset, self._scanned), size)
        self._scanned = max(self.offset, size - RAW_LIMIT)
        if next_at == size and not ended and not (settled and await file.read(size - 1, 1) == b"\n"):
            return None
        piece = await read_piece(file, self.offset, next_at)
        self.offset = next_at
        return piece
