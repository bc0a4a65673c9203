"""All that matches of several sources, merged by time, into a new file: page by page, whatever its size."""

from __future__ import annotations

import asyncio
import errno
import heapq
import os
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import BinaryIO

from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.lane import OLDEST_US
from lilfox_tui.logs.page_of import page_of
from lilfox_tui.logs.source import Beginning, LogSource, Start

PAGE = 1000
BATCH_BYTES = 1024 * 1024

Turn = tuple[int, int, int]
"""A record's place among all: its time, carried on where it has none or goes back; its source; its number in that."""


async def save_all(
    sources: Sequence[LogSource],
    where: Filter,
    path: Path,
    *,
    until_us: int,
    progress: Callable[[int], None],
) -> int:
    """Writes the records as they were (raw lines) to ``path``, which must not be there, mode 0600; returns their
    number. What is later than ``until_us`` (microseconds since 1970, UTC) is left out: a log that grows has an end.
    ``progress`` is told how many were written. While it is written, and when it is cancelled or fails, the file is
    named as ``unfinished`` tells. Raises OSError, FileExistsError, LilFoxError."""
    part = unfinished(path)
    if await asyncio.to_thread(os.path.lexists, path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    count = 0
    with await asyncio.to_thread(_new_file, part) as file:
        async with aclosing(_merged(sources, where, until_us)) as batches:
            async for batch in batches:
                await asyncio.to_thread(file.writelines, batch)
                count += len(batch)
                progress(count)
        await asyncio.to_thread(file.flush)
    await asyncio.to_thread(_name_finally, part, path)
    return count


def unfinished(path: Path) -> Path:
    """What ``path`` is called until all is in it."""
    return path.with_name(path.name + ".part")


def _new_file(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _name_finally(part: Path, path: Path) -> None:
    _new_file(path).close()  # so that nothing is replaced that has taken the name meanwhile
    part.replace(path)


async def _merged(sources: Sequence[LogSource], where: Filter, until_us: int) -> AsyncGenerator[list[bytes], None]:
    streams = [_in_turn(index, source, where, until_us) for index, source in enumerate(sources)]
    heads: list[tuple[Turn, bytes]] = []
    batch: list[bytes] = []
    size = 0
    try:
        for stream in streams:
            await _push(heads, stream)
        while heads:
            (_time, index, _number), raw = heads[0]
            heapq.heappop(heads)
            batch.append(raw + b"\n")
            size += len(raw)
            if size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
            await _push(heads, streams[index])
        yield batch
    finally:
        for stream in streams:
            await stream.aclose()


async def _push(heads: list[tuple[Turn, bytes]], stream: AsyncGenerator[tuple[Turn, bytes], None]) -> None:
    each = await anext(stream, None)
    if each is not None:
        heapq.heappush(heads, each)


async def _in_turn(
    index: int, source: LogSource, where: Filter, until_us: int
) -> AsyncGenerator[tuple[Turn, bytes], None]:
    start: Start | None = Beginning()
    time_us, number = OLDEST_US, 0
    while start is not None:
        page = await page_of(source, start, older=False, limit=PAGE, where=where)
        for record in page.records:
            time_us = max(time_us, record.entry.time_us or OLDEST_US)
            if time_us > until_us:
                return
            yield (time_us, index, number), record.raw
            number += 1
        start = page.more
