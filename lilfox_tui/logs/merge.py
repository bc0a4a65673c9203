"""Merges several sources by time: into a list that can be scrolled both ways, in one pass for printing, and into a
file."""

from __future__ import annotations

import asyncio
import errno
import heapq
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import BinaryIO

from lilfox_tui.core.aio import open_in_thread
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.logs.filter.model import EVERYTHING, NOTHING, Filter, of_source, span
from lilfox_tui.logs.record import LogRecord, microseconds
from lilfox_tui.logs.source import (
    AtBeginning,
    AtEnd,
    AtPlace,
    AtTime,
    LogSource,
    OnHost,
    SkippedRecords,
    SourceNotice,
    Start,
    SupportsFollowNewest,
    page_of,
)
from lilfox_tui.logs.window import (
    AT_MOST,
    HIGHEST,
    LOWEST,
    OLDEST_US,
    WINDOW_PAGE,
    LogWindow,
    MergeKey,
    SourceBuffer,
    WindowItem,
)

# The records of several sources as one list by time: a window that moves over all of them.


KEEP = 300
"""Records of a source that are read of all that come at once while the reader goes along: more than a screen has."""


class MergedLogs(LogWindow):
    """A window over several sources, merged by time: ``async with MergedLogs(sources, where) as merged``. See
    :class:`LogWindow` for the rows that it shows.

    A source that fails is in ``troubles`` and is tried again; the others go on.
    """

    def __init__(self, sources: Sequence[LogSource], where: Filter, *, at_most: int = AT_MOST) -> None:
        super().__init__(sources, where, at_most=at_most)
        self._went_us = OLDEST_US

    # ---- moving -------------------------------------------------------------------------------------------------

    async def go(self, start: Start, count: int = WINDOW_PAGE) -> MergeKey | None:
        """Move the window to ``start``; return the key of the row to select (for a time, the first record from then
        on), None without rows. AtPlace is for a single source, and may raise LilFoxError."""
        if isinstance(start, AtPlace):
            return await self._go_past(start, count)
        self._halt()
        until_us = span(self.where)[1]  # what was written after that is read if the bound is lifted
        now_us = microseconds(datetime.now(UTC))
        self._went_us = now_us if until_us is None else min(now_us, until_us)
        for buffer in self._buffers:
            _begin(buffer, start)
        self._low = self._high = {AtBeginning: LOWEST, AtEnd: HIGHEST}.get(type(start), LOWEST)
        if isinstance(start, AtTime):
            self._low = self._high = MergeKey(start.time_us, -1, 0)
        here = self._low
        self._restart_following()
        await self._extend_from(start, count)
        if self.shown:
            self.reader = self.shown[self.index(here)].key
        return self.reader if self.shown else None

    async def _extend_from(self, start: Start, count: int) -> None:
        self._publish()
        async with asyncio.TaskGroup() as both:
            if not isinstance(start, AtBeginning):
                both.create_task(self._extend(count, older=True))
            if not isinstance(start, AtEnd):
                both.create_task(self._extend(count, older=False))
        while not self.shown and self.searching:  # there must be something to stand on
            await self._progress.wait()

    async def set_where(
        self, where: Filter, count: int = WINDOW_PAGE, *, around: WindowItem | None = None
    ) -> MergeKey | None:
        """Show what matches ``where``, around the row ``around`` or the reader's position; return the key of the
        nearest row."""
        self.where = where
        here = around or self._reader_row()
        if here is None or not isinstance(here.item, LogRecord):
            return await self.go(AtEnd(), count)
        return await self._go_around(here.key, here.item, count)

    async def _go_past(self, place: AtPlace, count: int) -> MergeKey | None:
        """Move to the first match after a place; only for a window with a single source."""
        page = await page_of(self._buffers[0].source, place, older=False, limit=1, where=self.where)
        if not page.records:
            return await self.go(AtEnd(), count)
        record = page.records[0]
        return await self._go_around(MergeKey(record.entry.time_us or 0, 0, 0), record, count)

    async def _go_around(self, key: MergeKey, record: LogRecord, count: int) -> MergeKey | None:
        """Move to ``record``, whose source and time are those of ``key``."""
        self._halt()
        for buffer in self._buffers:
            if buffer.index != key.source:
                _begin(buffer, _moment(key.time_us))
                continue
            place = AtPlace(record.place)
            buffer.begin(place, place, key.time_us)
            if self.where.matches(record):
                buffer.put(record, key.time_us)
        self._low = self._high = key = MergeKey(key.time_us, key.source, 0)
        self._restart_following()
        await self._extend_from(AtTime(key.time_us), count)
        if self.shown:
            self.reader = self.shown[self.index(key)].key
        return self.reader if self.shown else None

    def _reader_row(self) -> WindowItem | None:
        if self.reader is None or not self.shown:
            return None
        return self.shown[self.index(self.reader)]

    async def older(self, count: int = WINDOW_PAGE) -> None:
        """Load up to ``count`` more older rows; if a source is slow, return early, and its rows follow later."""
        await self._extend(count, older=True)

    async def newer(self, count: int = WINDOW_PAGE) -> None:
        """Load up to ``count`` more newer rows; at the newest end, check whether new ones have arrived."""
        for buffer in self._buffers if self.at_newest else ():
            if buffer.follower is None or buffer.follower.done():
                buffer.newer.start = buffer.newer.start or AtTime(self._went_us)
                buffer.newer.done = False
        await self._extend(count, older=False)

    def stop(self) -> None:
        """Stop the running search; the rows that are shown stay."""
        self._wanted = {True: 0, False: 0}
        for buffer in self._buffers:
            for edge in buffer.edges.values():
                if edge.task is not None:
                    edge.task.cancel()
                    edge.task = None
        self._publish()

    def retry(self) -> None:
        """Retry the failed sources and their hosts now."""
        for buffer in self._buffers:
            if buffer.source.name in self.troubles and isinstance(buffer.source, OnHost):
                buffer.source.host.retry_now()
            if buffer.trouble is None:
                continue
            for older, edge in buffer.edges.items():
                if edge.task is not None:
                    edge.task.cancel()
                    edge.task = self._begin(self._load(buffer, older=older))
            if buffer.follower is not None:
                buffer.follower.cancel()
                buffer.follower = self._begin(self._follow(buffer))

    # ---- following ----------------------------------------------------------------------------------------------

    def follow(self, on: bool = True) -> None:
        """Append new records from now on, or stop doing so. The window does not move."""
        self.following = on
        self._restart_following()

    def _restart_following(self) -> None:
        self.waiting = 0
        for buffer in self._buffers:
            if buffer.follower is not None:
                buffer.follower.cancel()
                buffer.follower = None
            if self.following and of_source(self.where, buffer.source.name) != NOTHING:
                buffer.follower = self._begin(self._follow(buffer))

    async def _follow(self, buffer: SourceBuffer) -> None:
        while True:
            while buffer.newer.goes_on_from() is not None or not (
                buffer.items or buffer.older.done or buffer.older.late
            ):
                await self._progress.wait()
            place = buffer.last_place
            start: Start = AtTime(self._went_us) if place is None else AtPlace(place)
            try:
                async with aclosing(self._new_in(buffer, start)) as batches:
                    async for batch in batches:
                        buffer.trouble, buffer.failures = None, 0
                        self._take_new(buffer, batch)
                return
            except LilFoxError as error:
                await self._wait_to_retry(buffer, error)

    def _new_in(
        self, buffer: SourceBuffer, start: Start
    ) -> AsyncGenerator[list[LogRecord | SourceNotice | SkippedRecords], None]:
        """Yield new records of a source; if the source can count records, yield only as many of the newest as the
        window can use now."""
        source, where = buffer.source, of_source(self.where, buffer.source.name)
        if isinstance(source, SupportsFollowNewest):
            return source.follow_newest(start, where, lambda: self._of_use(buffer))
        return source.follow(start, where)  # type: ignore[return-value]  # never a SkippedRecords

    def _of_use(self, buffer: SourceBuffer) -> int | None:
        if buffer.newer.goes_on_from() is not None:
            return 0
        return KEEP if self.sticks else None

    def _take_new(self, buffer: SourceBuffer, batch: Sequence[LogRecord | SourceNotice | SkippedRecords]) -> None:
        passed = sum(each.count for each in batch if isinstance(each, SkippedRecords))
        items = [each for each in batch if not isinstance(each, SkippedRecords)]
        self.came += passed + len(items)
        if buffer.newer.goes_on_from() is not None:  # the reader is far back: this cannot be joined to what is loaded
            buffer.skipped += passed + len(items)
            self.waiting += passed + len(items)
            self._tell()
        elif passed and self.sticks and items:
            self._leap(buffer, items)
        elif passed:  # the reader has turned round meanwhile: it is read page by page
            buffer.newer.start = buffer.newer.start or AtTime(self._went_us)
            buffer.newer.done = False
            buffer.skipped += passed + len(items)
            self.waiting += passed + len(items)
            self._settle()
        else:
            buffer.take_newer(items, microseconds(datetime.now(UTC)))
            buffer.took_newer()
            self._publish()


def _begin(buffer: SourceBuffer, start: Start) -> None:
    older = None if isinstance(start, AtBeginning) else start
    newer = None if isinstance(start, AtEnd) else start
    buffer.begin(older, newer, start.time_us if isinstance(start, AtTime) else OLDEST_US)


def _moment(time_us: int) -> AtBeginning | AtTime:
    return AtBeginning() if time_us <= OLDEST_US else AtTime(time_us)


# Records of several sources in the order of their times, once through: for who prints them.
#
# A record without a time has that of the record before it in its source, and one that is out of order stands where its
# source has it.


STREAM_PAGE = 1000
_WAITING_MOST = 64
"""So many batches wait for the printer; who follows waits then too."""


class MergedStream:
    """Reads several sources once and merges them. ``failed`` maps the name of each source that can no longer be read to
    its error; the others continue without it."""

    def __init__(self, sources: Sequence[LogSource], where: Filter) -> None:
        self.failed: dict[str, LilFoxError] = {}
        self._sources = sources
        self._where = where
        self._follow_from: dict[str, Start] = {}

    async def oldest_first(self) -> AsyncGenerator[LogRecord, None]:
        """Yield all matching records. Use inside ``contextlib.aclosing``."""
        waiting: list[tuple[int, int, LogRecord, AsyncGenerator[tuple[int, LogRecord], None]]] = []
        for turn, source in enumerate(self._sources):
            pages = self._from_oldest(source)
            if (first := await anext(pages, None)) is not None:
                heapq.heappush(waiting, (first[0], turn, first[1], pages))
        try:
            while waiting:
                _, turn, record, pages = waiting[0]
                yield record
                if (following := await anext(pages, None)) is None:
                    heapq.heappop(waiting)
                else:
                    heapq.heapreplace(waiting, (following[0], turn, following[1], pages))
        finally:
            for *_, pages in waiting:
                await pages.aclose()

    async def last(self, count: int) -> list[LogRecord]:
        """Return the newest ``count`` matches, oldest first."""
        found = await asyncio.gather(*(self._newest(source, count) for source in self._sources))
        placed = [
            (time_us, turn, number, record)
            for turn, records in enumerate(found)
            for number, (time_us, record) in enumerate(_placed(records))
        ]
        placed.sort(key=lambda each: each[:3])
        return [record for *_, record in placed[len(placed) - min(count, len(placed)) :]]

    async def note_newest(self) -> None:
        """Remember the current end of each source, from which ``follow`` continues if nothing has matched."""
        for source in self._sources:
            try:
                page = await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
            except LilFoxError as error:
                self.failed[source.name] = error
                continue
            self._follow_from[source.name] = AtPlace(page.records[-1].place) if page.records else AtBeginning()

    async def follow(self) -> AsyncGenerator[list[LogRecord | SourceNotice], None]:
        """Yield new records, after those already read, as each source delivers them; end when all sources have ended.
        Use inside ``contextlib.aclosing``."""
        batches: asyncio.Queue[list[LogRecord | SourceNotice] | None] = asyncio.Queue(_WAITING_MOST)
        sources = [source for source in self._sources if source.name not in self.failed]
        tasks = [asyncio.create_task(self._follow_one(source, batches)) for source in sources]
        try:
            running = len(tasks)
            while running:
                batch = await batches.get()
                if batch is None:
                    running -= 1
                else:
                    yield batch
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow_one(
        self, source: LogSource, batches: asyncio.Queue[list[LogRecord | SourceNotice] | None]
    ) -> None:
        try:
            start = self._follow_from.get(source.name, AtBeginning())
            async with aclosing(source.follow(start, self._where)) as found:
                async for batch in found:
                    await batches.put(batch)
        except LilFoxError as error:
            self.failed[source.name] = error
        await batches.put(None)

    async def _from_oldest(self, source: LogSource) -> AsyncGenerator[tuple[int, LogRecord], None]:
        more: Start | None = AtBeginning()
        time_us = _NEVER_US
        while more is not None:
            try:
                page = await page_of(source, more, older=False, limit=STREAM_PAGE, where=self._where)
            except LilFoxError as error:
                self.failed[source.name] = error
                return
            for placed_us, record in _placed(page.records, time_us):
                time_us = placed_us
                yield placed_us, record
            self._note(source, page.records)
            more = page.more

    async def _newest(self, source: LogSource, count: int) -> list[LogRecord]:
        found: list[LogRecord] = []
        more: Start | None = AtEnd()
        while more is not None and len(found) < count:
            try:
                page = await page_of(source, more, older=True, limit=count - len(found), where=self._where)
            except LilFoxError as error:
                self.failed[source.name] = error
                break
            found[:0] = page.records
            more = page.more
        self._note(source, found)
        return found

    def _note(self, source: LogSource, records: Sequence[LogRecord]) -> None:
        if records:
            self._follow_from[source.name] = AtPlace(records[-1].place)


_NEVER_US = -(2**62)


def _placed(records: Iterable[LogRecord], time_us: int = _NEVER_US) -> Iterator[tuple[int, LogRecord]]:
    """Yield records in their source's order, with times that never decrease."""
    for record in records:
        time_us = time_us if record.entry.time_us is None else max(time_us, record.entry.time_us)
        yield time_us, record


# All that matches of several sources, merged by time, into a new file: page by page, whatever its size.


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
    """Write the raw lines of the records to ``path``, which must not exist, with mode 0600; return the number of
    records. Records later than ``until_us`` (microseconds since 1970, UTC) are left out, so that a growing log has an
    end. ``progress`` gets the number written so far. Until the file is complete, and after a failure or cancellation,
    it has the name that ``unfinished`` returns. Raises OSError, FileExistsError, LilFoxError."""
    part = unfinished(path)
    if await asyncio.to_thread(os.path.lexists, path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    count = 0
    with await open_in_thread(partial(_new_file, part), _close) as file:
        async with aclosing(_merged(sources, where, until_us)) as batches:
            async for batch in batches:
                await asyncio.to_thread(file.writelines, batch)
                count += len(batch)
                progress(count)
        await asyncio.to_thread(file.flush)
    await asyncio.to_thread(_name_finally, part, path)
    return count


def unfinished(path: Path) -> Path:
    """Return the name that the file at ``path`` has until it is complete."""
    return path.with_name(path.name + ".part")


def _new_file(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")


def _close(file: BinaryIO) -> None:
    file.close()


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
    start: Start | None = AtBeginning()
    time_us, number = OLDEST_US, 0
    while start is not None:
        page = await page_of(source, start, older=False, limit=STREAM_PAGE, where=where)
        for record in page.records:
            time_us = max(time_us, record.entry.time_us or OLDEST_US)
            if time_us > until_us:
                return
            yield (time_us, index, number), record.raw
            number += 1
        start = page.more
