"""A page of one file: the records of a part of it that match, going newer or older.

A filter with literal bytes to look for is searched natively (``search.py``) unless the page fills near where it begins;
what is found there is then read and judged. Where a page ends is a place: the next one goes on from there.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from msgspec import Struct

from lilfox_tui.logs.files import blocks
from lilfox_tui.logs.files.blocks import Piece
from lilfox_tui.logs.files.log_file import LogFile
from lilfox_tui.logs.files.search import Batch, found_pieces, holds
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.filter.needles import Needles
from lilfox_tui.logs.record import RAW_LIMIT, Record

SEARCH_S = 0.5
"""After so long a page comes back with what it has."""
MAX_NEAR = 4
"""A file is read on record by record if the page seems to fill within so many times ``NEAR_BYTES``."""


class Query(Struct):
    """What a page is to hold, and until when (monotonic) it may take. ``searched`` is told bytes gone over."""

    where: Filter
    limit: int
    older: bool
    until_s: float
    searched: Callable[[int], None]

    @property
    def over(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() > self.until_s


class Part(Struct):
    """The records of a file that match, in the order of going; ``at`` is how far it was gone: newer, records that begin
    after it are still to come, older, those before it. ``done`` tells that there are none."""

    records: list[Record]
    at: int
    done: bool


async def read_part(log: LogFile, start: int, end: int, query: Query, wanted: Needles | None) -> Part:
    """What matches of the records that begin at ``start`` (where one does) or later and before ``end``."""
    part = Part([], end if query.older else start - 1, done=False)
    while True:
        if wanted is None or end - start <= log.file.NEAR_BYTES:
            return await _gather(log, _one_by_one(log, start, end, query), part, query, wanted)
        searched = log.searched is not None and log.searched.covers(wanted, start, end, older=query.older)
        if searched or not log.file.NEAR_BYTES:
            break
        had = len(part.records)
        near = await _near(log, start, end, older=query.older)
        first = (near, end) if query.older else (start, near)
        start, end = (start, near) if query.older else (near, end)
        await _gather(log, _one_by_one(log, *first, query), part, query, wanted)
        if not part.done or start >= end:
            return part
        if (query.limit - len(part.records)) > MAX_NEAR * (len(part.records) - had):
            break
    return await _gather(log, found_pieces(log, wanted, start, end, older=query.older), part, query, None)


async def _near(log: LogFile, start: int, end: int, *, older: bool) -> int:
    """Where a record begins about ``NEAR_BYTES`` from the side from which it is gone."""
    near = end - log.file.NEAR_BYTES if older else start + log.file.NEAR_BYTES
    return await blocks.beginning_after(log.file, log.format, near, end)


async def _gather(
    log: LogFile, batches: AsyncGenerator[Batch, None], part: Part, query: Query, wanted: Needles | None
) -> Part:
    """``part`` with what matches of the batches, until it is full or the time is over."""
    part.done = False
    async with aclosing(batches):
        async for batch in batches:
            room = query.limit - len(part.records)
            records, at = await asyncio.to_thread(_judge, log, batch.pieces, query.where, wanted, room)
            part.records += records
            part.at = batch.at if at is None else at
            query.searched(batch.passed)
            if at is not None or query.over:
                return part
    part.done = True
    return part


def _judge(
    log: LogFile, pieces: Sequence[Piece], where: Filter, wanted: Needles | None, room: int
) -> tuple[list[Record], int | None]:
    """The records that match, and where the last stands if there is no room for more."""
    found: list[Record] = []
    for piece in pieces:
        if wanted is not None and not holds(piece[1], wanted) and piece[2] <= RAW_LIMIT:
            continue
        record = log.record(piece)
        if where.matches(record):
            found.append(record)
            if len(found) >= room:
                return found, piece[0]
    return found, None


async def _one_by_one(log: LogFile, start: int, end: int, query: Query) -> AsyncGenerator[Batch, None]:
    cut = blocks.older if query.older else blocks.newer
    at = end if query.older else start - 1
    async with aclosing(cut(log.file, log.format, start, end)) as batches:
        async for pieces in batches:
            before = at
            if pieces:
                at = pieces[0][0] if query.older else pieces[-1][0]
            yield Batch(pieces[::-1] if query.older else pieces, at, abs(at - before))
