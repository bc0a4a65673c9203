"""Statistics over sources, with progress: local files in separate processes, the rest page by page."""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, aclosing
from datetime import UTC
from functools import partial
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.core.aio import Feed
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.logs.count_pool import CountPool, Progress
from lilfox_tui.logs.count_process import CountRange
from lilfox_tui.logs.field_statistics import FieldQuestion, FieldTally
from lilfox_tui.logs.files.local import LocalFile
from lilfox_tui.logs.files.log_file import HasLocalFiles, LogFile
from lilfox_tui.logs.files.pages import within_times
from lilfox_tui.logs.filter.model import EVERYTHING, NOTHING, Filter, http_status, of_source, span
from lilfox_tui.logs.record import LogRecord, format_names, formats_without_module, load_format
from lilfox_tui.logs.source import (
    AtBeginning,
    AtEnd,
    AtTime,
    LogSource,
    RecordPage,
    SourceNotice,
    SourceStatus,
    Start,
    page_of,
)
from lilfox_tui.logs.statistics import (
    SECOND_US,
    SLICE_US,
    SLICES,
    PatternChange,
    Patterns,
    Statistics,
    Tally,
    statistics_of,
)

# How far a count has come in sources that are read page by page: by the time of what was read, for bytes of packed and
# rotated files, of a journal or a server, are not known before they are read.


Tell = Callable[[str, int], None]
"""Is told a source's name, and how many percent of its time are read."""


async def report_progress(sources: Sequence[LogSource], tell: Tell) -> list[LogSource]:
    """Return ``sources`` with the remote ones wrapped, so that they report to ``tell`` how far they have been read."""
    return [source if await _lies_here(source) else _ProgressSource(source, tell) for source in sources]


async def _lies_here(source: LogSource) -> bool:

    try:
        return isinstance(source, HasLocalFiles) and await source.local_files() is not None
    except LilFoxError:
        return True  # who counts is told the same


class _ProgressSource:
    """See :class:`LogSource`."""

    def __init__(self, source: LogSource, tell: Tell) -> None:
        self.name = source.name
        self._source = source
        self._tell = tell
        self._bounds_us: tuple[int, int] | None = None

    @property
    def status(self) -> Feed[SourceStatus]:
        """Delegates to the wrapped source."""
        return self._source.status

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> RecordPage:
        """Return the source's page and report progress."""
        page = await self._source.page(start, older=older, limit=limit, where=where)
        times = [record.entry.time_us for record in page.records if record.entry.time_us is not None]
        if times and page.more is not None:
            first_us, last_us = self._bounds_us = self._bounds_us or (times[0], await self._last_us(where))
            if last_us > first_us:
                self._tell(self.name, min(max(100 * (times[-1] - first_us) // (last_us - first_us), 0), 100))
        return page

    async def _last_us(self, where: Filter) -> int:
        """Return the time of the newest record, or the time up to which records can match; 0 if no record has a
        time."""
        newest = await self._source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
        time_us = next((record.entry.time_us for record in newest.records), None) or 0
        until_us = span(where)[1]
        return time_us if until_us is None else min(time_us, until_us)

    def follow(self, start: Start, where: Filter) -> AsyncGenerator[list[LogRecord | SourceNotice], None]:
        """Delegates to the wrapped source."""
        return self._source.follow(start, where)

    async def close(self) -> None:
        """Delegates to the wrapped source."""
        await self._source.close()


# Statistics over sources: files of this machine in processes of their own, everything else page by page.


RANGE_BYTES = 16 * 1024 * 1024
"""So much of a file is given to a process at once: enough to be worth it, little enough to deal evenly."""
_PROCESSES_MOST = 8
_PAGE = 2000
_FINE_BYTES = 2 << 20
"""Files of so little are counted by the second, as a young log has few minutes. Of JSON lines that takes 1.7 times as
long: 0.29 s for 3.4 MiB."""


class SourceResponses(NamedTuple):
    """The HTTP responses of a source, and those of them that failed (5xx)."""

    responses: int
    failed: int


class Responses(Struct, frozen=True):
    """The HTTP responses that the newest ``records`` tell, by source; ``are_all``: there are no other records. Levels
    do not tell them: many programs log a failed request at INFO."""

    records: int
    are_all: bool
    by_source: Mapping[str, SourceResponses]

    @property
    def total(self) -> SourceResponses:
        """Those of all sources together."""
        found = self.by_source.values()
        return SourceResponses(sum(each.responses for each in found), sum(each.failed for each in found))


def count_responses(newest: Sequence[LogRecord], *, are_all: bool) -> Responses:
    """Count the HTTP responses among the newest records."""
    told = ((record.source, http_status(record)[0]) for record in newest)
    codes = [(source, code) for source, code in told if code]
    count, failed = Counter(source for source, _code in codes), Counter(each for each, code in codes if code[0] == "5")
    by_source = {source: SourceResponses(count[source], failed[source]) for source in sorted(count)}
    return Responses(len(newest), are_all, by_source)


class Analysis(Struct, frozen=True):
    """The statistics, and the errors of sources that could not be read to their end, by name."""

    statistics: Statistics
    failed: dict[str, LilFoxError]


async def analyze(
    sources: Sequence[LogSource],
    where: Filter,
    *,
    progress: Progress | None = None,
    processes: int | None = None,
    slices: bool = True,
) -> Analysis:
    """Count the records of ``sources`` that match ``where``. Without ``slices`` there are no statistics by time, which
    saves a tenth of the work. ``processes`` is the number of counting processes, by default one per CPU. If cancelled,
    waits until they have ended. Raises LilFoxError if a counting process has died."""
    tally = Tally(slice_us=SECOND_US)
    with ExitStack() as opened:
        take = partial(_count_pages, tally=tally)
        ranges, failed = await _ranges_of_all(sources, where, opened, take, slices=slices)
        if not slices:
            tally.by_slice.clear()
        if sum(each.end - each.start for each in ranges) <= _FINE_BYTES:
            ranges = deque(replace(each, slice_us=SECOND_US) for each in ranges)
        if not ranges:
            return Analysis(await asyncio.to_thread(statistics_of, tally), failed)
        count = min(len(ranges), processes or min(os.cpu_count() or 1, _PROCESSES_MOST))
        counting = CountPool(ranges, progress)
        statistics = await counting.run(count, tally)
    return Analysis(statistics, failed | counting.failed)


async def analyze_stream(source: LogSource, where: Filter) -> tuple[Analysis, Responses]:
    """Count a source that ends by itself, such as standard input, until its end."""
    tally, newest, count = Tally(), deque[LogRecord](maxlen=NEWEST_MOST), 0
    failed: dict[str, LilFoxError] = {}
    try:
        async with aclosing(source.follow(AtBeginning(), where)) as batches:
            async for batch in batches:
                records = [item for item in batch if isinstance(item, LogRecord)]
                _count(source, records, tally)
                newest.extend(records)
                count += len(records)
    except LilFoxError as error:
        failed[source.name] = error
    return Analysis(statistics_of(tally), failed), count_responses(newest, are_all=count == len(newest))


class FieldAnalysis(Struct, frozen=True):
    """The counts by fields, and the errors of sources that could not be read to their end, by name."""

    tally: FieldTally
    failed: dict[str, LilFoxError]


async def analyze_fields(
    sources: Sequence[LogSource],
    where: Filter,
    *,
    by: tuple[str, ...],
    of: str,
    over_us: int = 0,
    is_stream: bool = False,
    progress: Progress | None = None,
) -> FieldAnalysis:
    """Count the records of ``sources`` that match ``where`` by their fields: see :class:`FieldQuestion`. A stream, such
    as standard input, is counted until its end. Raises LilFoxError if a counting process has died."""
    question = FieldQuestion(by, of, over_us)
    tally = FieldTally(question)

    async def take(source: LogSource, its_where: Filter) -> None:
        async with aclosing((_streamed if is_stream else _stored)(source, its_where)) as records:
            async for record in records:
                tally.add(record)

    with ExitStack() as opened:
        found, failed = await _ranges_of_all(sources, where, opened, take, slices=False, is_stream=is_stream)
        ranges = deque(replace(each, fields=question) for each in found)
        if ranges:
            counting = CountPool(ranges, progress)
            await counting.run_by_fields(min(len(ranges), os.cpu_count() or 1, _PROCESSES_MOST), tally)
            failed |= counting.failed
    return FieldAnalysis(tally, failed)


async def _streamed(source: LogSource, where: Filter) -> AsyncGenerator[LogRecord, None]:
    async with aclosing(source.follow(AtBeginning(), where)) as batches:
        async for batch in batches:
            for item in batch:
                if isinstance(item, LogRecord):
                    yield item


async def _stored(source: LogSource, where: Filter) -> AsyncGenerator[LogRecord, None]:
    async for page in _pages(source, where):
        for record in page.records:
            yield record


NEWEST_MOST = 20_000
"""Records that are read of all sources together where each one is looked at as a whole, in about a second."""


async def newest_records(sources: Sequence[LogSource], where: Filter) -> tuple[list[LogRecord], bool]:
    """The newest records that match, of each source as many as of the others, oldest first, and whether these are all
    there are. Sources that cannot be read have none."""
    found: list[LogRecord] = []
    are_all = True
    start: Start | None
    for source in sources:
        its_where = of_source(where, source.name)
        its: list[LogRecord] = []
        left, start = NEWEST_MOST // len(sources), None if its_where == NOTHING else AtEnd()
        try:
            while start is not None and left > 0:
                page = await source.page(start, older=True, limit=min(left, _PAGE), where=its_where)
                its = [*page.records, *its]
                left, start = left - len(page.records), page.more
        except LilFoxError:
            are_all = False
        found += its
        are_all = are_all and start is None
    return found, are_all


async def newest_responses(sources: Sequence[LogSource], where: Filter) -> tuple[Sequence[LogRecord], Responses]:
    """Return the newest records of :func:`newest_records`, and the HTTP responses among them."""
    newest, are_all = await newest_records(sources, where)
    return newest, await asyncio.to_thread(count_responses, newest, are_all=are_all)


def counted_ones(read: Sequence[LogRecord], counted: Statistics) -> list[LogRecord]:
    """Of all records, those of each source oldest first, the ones that were there when they were counted: else there
    would be more errors in a part of the statistics than in all."""
    if counted.unread:
        return list(read)  # they are of no source there
    left = {each.name: each.records for each in counted.by_source}
    found = []
    for record in read:
        if left.get(record.source, 0) > 0:
            left[record.source] -= 1
            found.append(record)
    return found


Take = Callable[[LogSource, Filter], Awaitable[None]]
"""Counts a source that does not lie in files of this machine."""


async def _ranges_of_all(
    sources: Sequence[LogSource], where: Filter, opened: ExitStack, take: Take, *, slices: bool, is_stream: bool = False
) -> tuple[deque[CountRange], dict[str, LilFoxError]]:
    """The ranges of the sources' local files, while ``opened`` is open, and the errors of sources by name; the others
    are counted by ``take`` when this returns."""
    failed: dict[str, LilFoxError] = {}
    ranges: deque[CountRange] = deque()
    for source in sources:
        its_where = of_source(where, source.name)
        if its_where == NOTHING:
            continue
        try:
            files = await source.local_files() if isinstance(source, HasLocalFiles) and not is_stream else None
            if files is None:
                await take(source, its_where)
            for file in files or ():
                ranges += await _ranges(file, source.name, its_where, opened, slices=slices)
        except LilFoxError as error:
            failed[source.name] = error
    return ranges, failed


async def _count_pages(source: LogSource, where: Filter, tally: Tally) -> None:
    async for page in _pages(source, where):
        _count(source, page.records, tally)


async def _pages(source: LogSource, where: Filter) -> AsyncIterator[RecordPage]:
    more: Start | None = AtBeginning()
    while more is not None:
        page = await source.page(more, older=False, limit=_PAGE, where=where)
        yield page
        more = page.more


def _count(source: LogSource, records: Iterable[LogRecord], tally: Tally) -> None:
    status = source.status.value
    format_ = load_format(status.format) if status is not None and status.format in format_names() else None
    for record in records:
        # what is not of the source's format was read as plain text, and that has no fields
        if format_ is not None and not record.entry.fields and format_.parse(record.raw, UTC) is None:
            tally.unread += 1
        else:
            tally.add(record.source, record.entry)


async def _ranges(log: LogFile, source: str, where: Filter, opened: ExitStack, *, slices: bool) -> list[CountRange]:
    """Split the part of the file that covers the filter's times into ranges; the descriptor stays open until ``opened``
    is closed."""
    assert isinstance(log.file, LocalFile)
    descriptor = os.dup(log.file.descriptor)
    opened.callback(os.close, descriptor)
    first, last = await within_times(log, 0, await log.file.size(), where)
    starts = sorted({*range(first, last, RANGE_BYTES), *(end for end, _ in log.years if first < end < last)})
    if not starts:  # nothing is in it
        return []
    return [
        CountRange(
            path=f"/dev/fd/{descriptor}",
            source=source,
            format=log.format_name,
            own=formats_without_module(log.format_name, log.format),
            zone=log.zone,
            where=where,
            start=start,
            end=end,
            slices=slices,
            latest=log.latest_at(start),
        )
        for start, end in zip(starts, [*starts[1:], last], strict=True)
    ]


# What was said lately that was not said before: templates of the last minutes against the time before them.


RECENT_US = 10 * 60_000_000
BEFORE_US = 60 * 60_000_000
AT_MOST = 300_000
"""Records that are read of one source, the oldest of that time first."""


class RecentPatterns(Struct, frozen=True):
    """The patterns from ``since_us`` up to ``until_us`` (microseconds since 1970, UTC), new ones first, of ``recent``
    records, compared with the ``before`` records of the BEFORE_US before them. ``unknown`` names sources that have no
    records from before ``since_us`` to compare with, and says when their first one was written; ``cut`` those that were
    too large to read completely; ``failed`` says which could not be read."""

    changes: tuple[PatternChange, ...]
    since_us: int | None
    until_us: int | None
    cut: tuple[str, ...] = ()
    failed: Mapping[str, LilFoxError] = {}
    recent: int = 0
    before: int = 0
    unknown: Mapping[str, int] = {}
    known_from_us: int | None = None
    """The beginning of the time of which the records of all sources that are compared are known."""
    comparable_from_us: int | None = None
    """The earliest ``until_us`` with which all sources in ``unknown`` would have older records to compare with."""
    slice_us: int = SLICE_US
    """The width of the slices of ``changes``."""


async def recent_patterns(sources: Sequence[LogSource], where: Filter, *, until_us: int | None) -> RecentPatterns:
    """Count matches in the ten minutes up to ``until_us`` (the newest record if None), and in the hour before."""
    failed: dict[str, LilFoxError] = {}
    until_us = await _newest(sources, failed) if until_us is None else until_us
    if until_us is None:
        return RecentPatterns((), None, None, failed=failed)
    recent_from_us = (until_us - RECENT_US) // SLICE_US * SLICE_US
    oldest_us = recent_from_us - BEFORE_US
    known_from_us, begun_us = dict[str, int](), dict[str, int]()
    for source in sources:
        if of_source(where, source.name) == NOTHING:
            continue
        try:
            known_us = await _known_from(source, oldest_us)
        except LilFoxError as error:
            failed[source.name] = error
            continue
        known_from_us[source.name] = until_us if known_us is None else known_us
        if known_us is not None and recent_from_us <= known_us <= until_us:
            begun_us[source.name] = known_us
    begun_at_us = min(known_from_us.values(), default=oldest_us)
    slice_us = _slice_of(until_us - begun_at_us) if begun_at_us >= recent_from_us else SLICE_US
    patterns, cut = Patterns(slice_us), []
    for source in (each for each in sources if each.name in known_from_us):
        try:
            if not await _add(patterns, source, where, until_us):
                cut.append(source.name)
        except LilFoxError as error:
            failed[source.name] = error
    return RecentPatterns(
        tuple(patterns.new_since(recent_from_us, BEFORE_US, known_from_us)),
        recent_from_us,
        until_us,
        tuple(cut),
        failed,
        patterns.count(recent_from_us, until_us + SLICE_US),
        patterns.count(oldest_us, recent_from_us),
        begun_us,
        max((since_us for since_us in known_from_us.values() if since_us < recent_from_us), default=None),
        max(begun_us.values()) // SLICE_US * SLICE_US + SLICE_US + RECENT_US if begun_us else None,
        slice_us,
    )


def _slice_of(span_us: int) -> int:
    """The width of the slices in which patterns of logs that have just begun are counted."""
    widths = (SECOND_US * seconds for seconds in (1, 2, 5, 10, 15, 30))
    return next((width for width in widths if span_us < (SLICES - 2) * width), SLICE_US)


async def _known_from(source: LogSource, since_us: int) -> int | None:
    """The time of the oldest record from ``since_us`` on, or ``since_us`` if there are older ones; None if no record
    has a time. What was not written by then is not known: the log may begin later than its program."""
    if await _time_beside(source, since_us, older=True) is not None:
        return since_us
    return await _time_beside(source, since_us, older=False)


async def _time_beside(source: LogSource, at_us: int, *, older: bool) -> int | None:
    """The time of the record before ``at_us``, or of the one from then on; None if there is none, or it has none."""
    page = await source.page(AtTime(at_us), older=older, limit=1, where=EVERYTHING)
    return page.records[0].entry.time_us if page.records else None


async def _newest(sources: Sequence[LogSource], failed: dict[str, LilFoxError]) -> int | None:
    times = []
    for source in sources:
        try:
            page = await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
        except LilFoxError as error:
            failed[source.name] = error
            continue
        times += [each.entry.time_us for each in page.records if each.entry.time_us is not None]
    return max(times, default=None)


async def _add(patterns: Patterns, source: LogSource, where: Filter, until_us: int) -> bool:
    """Count a source's records; return whether all records of the time range were counted."""
    start: Start | None = AtTime(until_us - RECENT_US - BEFORE_US)
    count = 0
    while start is not None:
        page = await page_of(source, start, older=False, limit=_PAGE, where=where)
        for record in page.records:
            time_us = record.entry.time_us
            if time_us is not None and time_us > until_us:
                return True
            patterns.add(record)
        count += len(page.records)
        if count >= AT_MOST:
            return False
        start = page.more
    return True
