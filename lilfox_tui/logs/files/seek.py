"""Where in a file a time is: by halving it, for records are about in the order of time."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from lilfox_tui.logs.files.blocks import BLOCK, Piece, beginning_after, newer
from lilfox_tui.logs.files.log_file import LogFile
from lilfox_tui.logs.split import split_records

SLACK_BYTES = 64 * 1024
"""Records of several threads stand a little out of order: so far around a time they are looked at one by one."""
_PROBE_BYTES = 64 * 1024
_KNOWN_TIMES = 16


async def time_offset(log: LogFile, time_us: int, end: int) -> int:
    """Where the first record of that time or later begins; ``end`` when there is none. Records without a time are
    passed over."""
    if (known := log.times.get(time_us)) is not None:
        return known
    low, high = 0, end
    while high - low > 2 * SLACK_BYTES:
        middle = (low + high) // 2
        later = await _later(log, middle, high, time_us)
        if later is None or later[1]:
            high = middle
        else:
            low = max(low + 1, later[0])
    start = low and await beginning_after(log.file, log.format, max(0, low - SLACK_BYTES), end)
    async with aclosing(newer(log.file, log.format, start, end)) as batches:
        async for pieces in batches:
            found = await asyncio.to_thread(_first_since, log, pieces, time_us)
            if found is not None:
                log.times = {**log.times, time_us: found} if len(log.times) < _KNOWN_TIMES else {time_us: found}
                return found
    return end


async def _later(log: LogFile, start: int, end: int, time_us: int) -> tuple[int, bool] | None:
    """The first record after ``start`` that tells a time: where it begins, and whether that is ``time_us`` or later."""
    begins_at = await beginning_after(log.file, log.format, start, end)
    stop = min(end, begins_at + 64 * BLOCK)
    while begins_at < stop:
        block = await log.file.read(begins_at, min(_PROBE_BYTES, end - begins_at))
        found = await asyncio.to_thread(_first_timed, log, begins_at, block)
        if found is not None:
            return found[0], found[1] >= time_us
        begins_at = await beginning_after(log.file, log.format, begins_at + len(block) - 1, end)
    return None


def _first_timed(log: LogFile, base: int, block: bytes) -> tuple[int, int] | None:
    for at, raw in split_records(block, log.format):
        time_us = log.time_us((base + at, raw, len(raw)))
        if time_us is not None:
            return base + at, time_us
    return None


def _first_since(log: LogFile, pieces: list[Piece], time_us: int) -> int | None:
    for piece in pieces:
        at = log.time_us(piece)
        if at is not None and at >= time_us:
            return piece[0]
    return None
