"""An answer over HTTP, held to limits while it arrives: what it costs is ours to say, not the server's.

A body is taken as it is sent, or with one layer of gzip undone here, never more than a block at a time. Other encodings
and stacked ones are refused: unpackers for them give out gigabytes for kilobytes at one go.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Mapping

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, tr
from lilfox_tui.text import human_bytes

_BLOCK = 256 * 1024
_TURN_S = 0.005
"""How long the blocks of a body may hold up everybody else."""
_BEFORE_VALUES = (b",", b"[", b"{", b":")
_MEMBERS_AT_MOST = 1000
"""Parts of a gzip stream, each packed for itself: a file that was appended to has a few."""


class HttpFault(LilFoxError):
    """What answers speaks no HTTP, breaks off, or sends more or otherwise than is taken."""

    message: Message


class HungUp(HttpFault):
    """The connection ended before the answer did."""


class Packed(HttpFault):
    """The body is packed in a way that is not taken, or its packing is broken."""


class TooMuch(HttpFault):
    """The body is larger than what is taken of it."""


class Answer:
    """The head of an answer, and its body as far as it is wanted. Names in ``headers`` are in lower case; a header that
    is sent several times is one list."""

    def __init__(self, where: str, status: int, headers: Mapping[str, str], blocks: AsyncIterator[bytes]) -> None:
        self.status, self.headers = status, headers
        self._where, self._blocks = where, blocks

    async def body(self, limit: int | None, *, values: int | None = None) -> bytes:
        """All of it, unpacked; ``limit`` holds for the bytes that are sent and for those that come out, ``values`` for
        what there may be in it as JSON. Raises HttpFault, TooMuch, OSError."""
        body, found = bytearray(), 0
        async for part in self._unpacked(limit):
            body += part
            if limit is not None and len(body) > limit:
                raise self._too_much(limit)
            if values is not None:
                found += sum(map(part.count, _BEFORE_VALUES))
                if found > values:
                    raise TooMuch(
                        tr("{where} sends more than {count} values at once; nothing of it was taken",
                           where=self._where, count=values)
                    )  # fmt: skip
        return bytes(body)

    async def start(self, limit: int) -> tuple[bytes, bool]:
        """Its first ``limit`` bytes, and whether there are more; nothing where they are packed in a way that is not
        taken. Raises HttpFault, OSError."""
        body = bytearray()
        try:
            async for part in self._unpacked(limit):
                body += part
                if len(body) > limit:
                    break
        except TooMuch:
            return bytes(body[:limit]), True
        except Packed:
            return bytes(body[:limit]), False
        return bytes(body[:limit]), len(body) > limit

    async def _unpacked(self, limit: int | None) -> AsyncIterator[bytes]:
        encoding = self.headers.get("content-encoding", "").strip().lower()
        sent = _sharing(self._sent(limit))
        if encoding in ("", "identity"):
            async for block in sent:
                yield block
        elif encoding in ("gzip", "x-gzip"):
            try:
                async for block in _sharing(_gunzipped(sent)):
                    yield block
            except zlib.error:
                raise Packed(
                    tr("{where} sends a packed answer that is broken or breaks off", where=self._where)
                ) from None
        else:
            raise Packed(
                tr("{where} sends its answer as {encoding}, which was not asked for",
                   where=self._where, encoding=encoding[:20])
            )  # fmt: skip

    async def _sent(self, limit: int | None) -> AsyncIterator[bytes]:
        sent = 0
        async for block in self._blocks:
            sent += len(block)
            if limit is not None and sent > limit:
                yield block[: len(block) - (sent - limit - 1)]
                raise self._too_much(limit)
            yield block

    def _too_much(self, limit: int) -> TooMuch:
        return TooMuch(
            tr("{where} sends more than {limit}; nothing of it was taken",
               where=self._where, limit=human_bytes(limit))
        )  # fmt: skip


async def _sharing(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """``blocks`` as they come, with a turn for everybody else in between: a body that is sent byte by byte, or packed
    a thousandfold, comes in thousands of blocks that are there at once."""
    clock = asyncio.get_running_loop().time
    turn = clock() + _TURN_S
    async for block in blocks:
        yield block
        if clock() > turn:
            await asyncio.sleep(0)
            turn = clock() + _TURN_S


async def _gunzipped(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """gzip undone, in blocks of a bounded size. Raises zlib.error."""
    unpack, members, begun = zlib.decompressobj(16 + zlib.MAX_WBITS), 0, False
    async for packed in blocks:
        rest = packed
        while rest:
            begun = True
            if unpack.eof:
                if not rest.strip(b"\0"):
                    break  # padding, which gzip itself passes over, too
                members += 1
                if members > _MEMBERS_AT_MOST:
                    raise zlib.error("members without end")
                unpack = zlib.decompressobj(16 + zlib.MAX_WBITS)
            yield unpack.decompress(rest, _BLOCK)
            rest = unpack.unused_data if unpack.eof else unpack.unconsumed_tail
    while begun and not unpack.eof:
        more = unpack.decompress(unpack.unconsumed_tail, _BLOCK)
        if not more:
            raise zlib.error("incomplete")
        yield more
