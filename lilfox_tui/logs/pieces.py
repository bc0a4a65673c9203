"""Blocks of bytes in pieces that are read without holding up the keyboard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

_PIECE = 64 * 1024
"""About 300 records of JSON: some 2 ms."""


async def in_pieces(blocks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """The same bytes; others get a turn after each piece. ``blocks`` is closed with it."""
    async with aclosing(blocks):
        async for block in blocks:
            for at in range(0, len(block), _PIECE):
                yield block[at : at + _PIECE]
                await asyncio.sleep(0)
