"""The window over several sources: one buffer of loaded records per source, merged into one list without gaps."""

from __future__ import annotations

import asyncio
from asyncio import Task
from bisect import bisect_left, bisect_right
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from types import TracebackType
from typing import NamedTuple, Self

from msgspec.structs import replace

from lilfox_tui.core.aio import Feed, Unavailable
from lilfox_tui.core.errors import CommandTimeout, CommandUnknown, HostUnreachable, LilFoxError
from lilfox_tui.hosts.base import wait_until_reconnected
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import UNREADABLE, AtPlace, LogSource, OnHost, RecordPage, SourceNotice, Start, page_of

# One source's part of a merged window: what is loaded of it, in its own order, and where to go on at either end.
#
# A lane's times never go back: a record without a time takes that of the record before, and one that is out of order
# stands where its source has it. So each lane is sorted, and merging is sorting.


OLDEST_US = -(2**62)
"""The time of records that have none, nor any before them."""
HELD_AT_MOST = 1000
"""Records without a time that wait for an older one with a time; more take that of the record after them."""


class MergeKey(NamedTuple):
    """The position of a record among all: by time, then by its source's index, then by the source's own order."""

    time_us: int
    source: int
    sequence: int


LOWEST = MergeKey(OLDEST_US - 1, -1, 0)
HIGHEST = MergeKey(2**62, 0, 0)


class WindowItem(NamedTuple):
    """A record, or a notice of its source, at its position in the list."""

    key: MergeKey
    item: LogRecord | SourceNotice


class Edge:
    """One end of the loaded records. ``start`` is where to continue; ``done``: at the last query there was nothing
    beyond.

    ``late``: others are not kept waiting for it; what it brings is inserted.
    """

    def __init__(self, start: Start | None) -> None:
        self.start = start
        self.done = start is None
        self.late = False
        self.task: Task[None] | None = None

    def goes_on_from(self) -> Start | None:
        """Return where the next page begins; None if there is nothing beyond."""
        return None if self.done else self.start

    @property
    def loading(self) -> bool:
        """Whether an answer is pending."""
        return self.task is not None and not self.task.done()


class SourceBuffer:
    """The loaded records of one source, sorted, without a gap."""

    def __init__(self, index: int, source: LogSource, *, alone: bool) -> None:
        self.index = index
        self._alone = alone
        self.source = source
        self.trouble: Unavailable | None = None
        self.failures = 0
        self.begin(None, None, OLDEST_US)

    def begin(self, older: Start | None, newer: Start | None, time_us: int) -> None:
        """Forget what is loaded and start anew, continuing from ``older`` and ``newer`` (None: that end is reached)."""
        self.items: list[WindowItem] = []
        self.edges = {True: Edge(older), False: Edge(newer)}
        self.follower: Task[None] | None = None
        self.skipped = 0
        self._time_us = time_us
        self._held: tuple[LogRecord, ...] = ()
        self._places: set[str] = set()
        self._first = self._last = 0

    def put(self, record: LogRecord, time_us: int) -> None:
        """Add the first record; no page of either end will contain it."""
        self.take_newer([record], time_us)

    @property
    def outage(self) -> Unavailable | None:
        """The outage of a source that is being followed and waits by itself until it can be read again; None if there
        is none."""
        state = self.source.status.state
        return state if self.follower is not None and isinstance(state, Unavailable) else None

    @property
    def older(self) -> Edge:
        """The end towards older records."""
        return self.edges[True]

    @property
    def newer(self) -> Edge:
        """The end towards newer records."""
        return self.edges[False]

    def reaches(self, key: MergeKey, *, older: bool) -> bool:
        """Whether everything between what is loaded and ``key`` is loaded too."""
        if self.edges[older].done:
            return True
        return bool(self.items) and (self.items[0].key <= key if older else self.items[-1].key >= key)

    def take(self, page: RecordPage, *, older: bool) -> int:
        """Add a page at one end; return how many of its records were placed (older ones without a time may have to
        wait)."""
        edge = self.edges[older]
        edge.start = page.more if page.more is not None else edge.start
        edge.done = page.more is None
        before = len(self.items)
        if older:
            self._take_older(page.records)
        else:
            self.take_newer(page.records)
        self._go_on_from_last()
        return len(self.items) - before

    def _take_older(self, records: Sequence[LogRecord]) -> None:
        fresh = [record for record in (*records, *self._held) if record.place not in self._places]
        self._held = ()
        first_timed = next((at for at, record in enumerate(fresh) if record.entry.time_us is not None), len(fresh))
        carried = OLDEST_US
        if first_timed and not self.older.done:
            if first_timed <= HELD_AT_MOST and not self._alone:
                self._held, fresh = tuple(fresh[:first_timed]), fresh[first_timed:]
            else:
                carried = self._time_after(fresh, first_timed)
        limit = self.items[0].key.time_us if self.items else HIGHEST.time_us
        placed = []
        self._first -= len(fresh)
        for offset, record in enumerate(fresh):
            time_us = record.entry.time_us
            carried = carried if time_us is None else max(carried, time_us)
            placed.append(WindowItem(MergeKey(min(carried, limit), self.index, self._first + offset), record))
            self._places.add(record.place)
        self.items[:0] = placed

    def _time_after(self, fresh: Sequence[LogRecord], first_timed: int) -> int:
        """Return the time for the first records, which have none: that of the next record with a time."""
        if first_timed < len(fresh) and (time_us := fresh[first_timed].entry.time_us) is not None:
            return time_us
        return self.items[0].key.time_us if self.items else OLDEST_US

    def take_newer(self, items: Iterable[LogRecord | SourceNotice], now_us: int | None = None) -> None:
        """Add items at the newer end. ``now_us`` is the time assigned to records that have none and follow no record
        with a time."""
        carried = self.items[-1].key.time_us if self.items else self._time_us
        for item in items:
            if isinstance(item, LogRecord):
                if item.place in self._places:
                    continue
                self._places.add(item.place)
                time_us = item.entry.time_us
            else:
                time_us = item.time_us
            if time_us is None and carried == OLDEST_US and now_us is not None:
                time_us = now_us
            carried = carried if time_us is None else max(carried, time_us)
            self.items.append(WindowItem(MergeKey(carried, self.index, self._last), item))
            self._last += 1

    def _go_on_from_last(self) -> None:
        """Continue after the last record once the newer end is reached."""
        if self.newer.done and (last := self._outermost(older=False)) is not None:
            self.newer.start = AtPlace(last.place)

    def took_newer(self) -> None:
        """Continue after the last record; call this after adding records from following."""
        self._go_on_from_last()

    def leap(self, items: Sequence[LogRecord | SourceNotice]) -> None:
        """Replace what is loaded by ``items``, the newest: too much has arrived to load the records in between."""
        first = next((each for each in items if isinstance(each, LogRecord)), None)
        if self.items:
            self._time_us = self.items[-1].key.time_us
        self.items, self._places, self._held = [], set(), ()
        if self.older.task is not None:
            self.older.task.cancel()
        self.edges[True] = Edge(None if first is None else AtPlace(first.place))
        self.take_newer(items)
        self._go_on_from_last()

    def drop(self, beyond: MergeKey, *, older: bool) -> None:
        """Unload the records past ``beyond`` at one end, but keep at least one to continue from."""
        keep = [shown for shown in self.items if (shown.key >= beyond if older else shown.key <= beyond)]
        if len(keep) == len(self.items):
            return
        if not any(isinstance(shown.item, LogRecord) for shown in keep):
            spare = [shown for shown in self.items if isinstance(shown.item, LogRecord)]
            keep = spare[-1:] if older else spare[:1]
        self.items = keep
        self._places = {shown.item.place for shown in keep if isinstance(shown.item, LogRecord)}
        outermost, edge = self._outermost(older=older), self.edges[older]
        if outermost is not None:
            self.edges[older] = Edge(AtPlace(outermost.place))
            if edge.task is not None:
                edge.task.cancel()  # what it brings does not join what is left
        if older:
            self._held = ()

    def _outermost(self, *, older: bool) -> LogRecord | None:
        items = self.items if older else reversed(self.items)
        return next((shown.item for shown in items if isinstance(shown.item, LogRecord)), None)

    @property
    def tells_no_time(self) -> bool:
        """Whether no loaded record has a time, so that the source is placed at the oldest end."""
        records = [*self._held, *(each.item for each in self.items if isinstance(each.item, LogRecord))]
        return bool(records) and all(each.entry.time_us is None for each in records)

    @property
    def last_place(self) -> str | None:
        """The place of the newest loaded record."""
        last = self._outermost(older=False)
        return None if last is None else last.place


# What is loaded of several sources, and how much of it makes one list without gaps.
#
# What is loaded of each source is a ``SourceBuffer``. The list shows what lies between two keys, ``low`` and ``high``;
# they move only as far as every source is loaded, so that nothing appears in the middle of what was read, except what a
# slow source brings late: nobody waits for it longer than PATIENCE_S.


AT_MOST = 5000
"""Records that are kept; what is farther from the reader goes."""
WINDOW_PAGE = 200
PATIENCE_S = 0.4
RETRIES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
MAY_PASS = (*UNREADABLE, HostUnreachable, CommandTimeout, CommandUnknown)
"""What is tried again by itself, also where a source names no next try."""
BY_KEY = attrgetter("key")


class LogWindow:
    """The buffers of all sources, and the part of them that is shown. Use with ``async with``, which stops its tasks at
    the end.

    ``shown`` is the list, oldest first; ``changes`` tells that it has changed. ``reader`` is where the reader stands:
    kept in sight of, never moved.
    """

    def __init__(self, sources: Sequence[LogSource], where: Filter, *, at_most: int = AT_MOST) -> None:
        self.where = where
        self.shown: Sequence[WindowItem] = ()
        self.changes: Feed[int] = Feed()
        self.reader: MergeKey | None = None
        self.sticks = False
        """Whether the reader goes along with the newest row, whatever comes."""
        self.following = False
        self.waiting = 0
        """Records that were written while following, past what is loaded."""
        self.came = 0
        """Records that were written while following, all of them."""
        self.edition = 0
        """Counts the changes of ``shown``."""
        self.leaps = 0
        """Counts how often more came than was loaded."""
        self._buffers = [SourceBuffer(index, source, alone=len(sources) == 1) for index, source in enumerate(sources)]
        self._at_most = at_most
        self._low = self._high = LOWEST
        self._wanted = {True: 0, False: 0}
        self._group = asyncio.TaskGroup()
        self._telling: list[asyncio.Task[None] | None] = []
        self._progress = asyncio.Event()
        self._version = 0

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._telling = [self._begin(self._tell_outages(buffer)) for buffer in self._buffers]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._halt()
        for task in self._telling:
            if task is not None:
                task.cancel()
        try:
            await self._group.__aexit__(kind, error, trace)
        except BaseExceptionGroup as group:
            if group.exceptions != (error,):
                raise

    def _begin(self, work: Coroutine[None, None, None]) -> asyncio.Task[None] | None:
        """Start ``work`` as a task; return None if the window is already closing."""
        try:
            return self._group.create_task(work)
        except RuntimeError:
            work.close()
            return None

    def _halt(self) -> None:
        """Cancel all loading and following."""
        self._wanted = {True: 0, False: 0}
        for buffer in self._buffers:
            for task in (buffer.follower, *(edge.task for edge in buffer.edges.values())):
                if task is not None:
                    task.cancel()
            buffer.follower = None

    async def _tell_outages(self, buffer: SourceBuffer) -> None:
        """Publish a change when a source that follows through outages by itself becomes unavailable or recovers."""
        was_away = False
        async with aclosing(buffer.source.status.watch()) as states:
            async for state in states:
                is_away = isinstance(state, Unavailable)
                if is_away or was_away:
                    self._publish()
                was_away = is_away

    # ---- what there is ------------------------------------------------------------------------------------------

    @property
    def troubles(self) -> dict[str, Unavailable]:
        """The sources whose last query failed, by name, with the reason, the start of the outage and the time of the
        next attempt."""
        found = {buffer.source: buffer.trouble or buffer.outage for buffer in self._buffers}
        return {source.name: _as_tried(source, trouble) for source, trouble in found.items() if trouble is not None}

    @property
    def searching(self) -> tuple[str, ...]:
        """Names of the sources whose answer is pending."""
        return tuple(
            buffer.source.name
            for buffer in self._buffers
            if buffer.trouble is None and any(edge.loading for edge in buffer.edges.values())
        )

    @property
    def timeless(self) -> tuple[str, ...]:
        """Names of the sources without a time in any loaded record."""
        return tuple(buffer.source.name for buffer in self._buffers if buffer.tells_no_time)

    def late(self, *, older: bool) -> bool:
        """Return whether a slow source may still insert rows before the end of the list on that side."""
        return any(buffer.edges[older].late and buffer.edges[older].loading for buffer in self._buffers)

    @property
    def at_oldest(self) -> bool:
        """Whether the first row is the oldest record."""
        return self._low == LOWEST and all(buffer.older.done for buffer in self._buffers)

    @property
    def at_newest(self) -> bool:
        """Whether the last row was the newest record at the last check."""
        return self._high == HIGHEST and all(buffer.newer.done for buffer in self._buffers)

    def index(self, key: MergeKey) -> int:
        """Return the row of ``key``, or of the next one; the last row past the end, 0 without rows."""
        return max(0, min(bisect_left(self.shown, key, key=BY_KEY), len(self.shown) - 1))

    # ---- loading ------------------------------------------------------------------------------------------------

    async def _extend(self, count: int, *, older: bool) -> None:
        self._wanted[older] = count
        self._settle()
        loop = asyncio.get_running_loop()
        patient_until = loop.time() + PATIENCE_S
        while awaited := [buffer.edges[older] for buffer in self._buffers if buffer.edges[older].loading]:
            asks_for_news = not older and self._high == HIGHEST
            if all(edge.late for edge in awaited) or not (self._wanted[older] or asks_for_news):
                return
            try:
                async with asyncio.timeout_at(patient_until):
                    await self._progress.wait()
            except TimeoutError:
                for edge in awaited:
                    edge.late = True
                self._settle()

    def _pump(self, *, older: bool) -> None:
        """Query the sources that the list needs before it can grow, and those that are behind the list."""
        limit = self._low if older else self._high
        for buffer in self._buffers:
            edge = buffer.edges[older]
            if edge.loading or edge.goes_on_from() is None:
                continue
            held_up = self._wanted[older] > 0 and not edge.late and not self._ahead(buffer, older=older)
            if held_up or not buffer.reaches(limit, older=older):
                edge.task = self._begin(self._load(buffer, older=older))

    def _ahead(self, buffer: SourceBuffer, *, older: bool) -> bool:
        """Whether records of that source are loaded beyond the list."""
        if not buffer.items:
            return False
        return buffer.items[0].key < self._low if older else buffer.items[-1].key > self._high

    async def _load(self, buffer: SourceBuffer, *, older: bool) -> None:
        """Load pages of one source, until the list no longer waits for it."""
        edge = buffer.edges[older]
        while (start := edge.goes_on_from()) is not None:
            skipped = buffer.skipped
            try:
                page = await page_of(buffer.source, start, older=older, limit=WINDOW_PAGE, where=self.where)
            except LilFoxError as error:
                if buffer.edges[older] is not edge:
                    return
                edge.late = True
                await self._wait_to_retry(buffer, error)
                continue
            if buffer.edges[older] is not edge:
                return  # this end was cut off meanwhile: what was read does not join what is left
            buffer.trouble, buffer.failures = None, 0
            placed = buffer.take(page, older=older)
            if not older and edge.done and buffer.skipped != skipped:
                edge.done = False  # more was written meanwhile, and left out because this was not the end yet
            self._settle()
            limit = self._low if older else self._high
            if buffer.reaches(limit, older=older):
                edge.late = False
                if placed and (not self._wanted[older] or self._ahead(buffer, older=older)):
                    break
        edge.task = None
        self._settle()

    async def _wait_to_retry(self, buffer: SourceBuffer, error: LilFoxError) -> None:
        wait_s = RETRIES_S[min(buffer.failures, len(RETRIES_S) - 1)]
        buffer.failures += 1
        now = datetime.now(UTC)
        since = buffer.trouble.since if buffer.trouble is not None else now
        state = buffer.source.status.state
        may_come = isinstance(error, MAY_PASS)  # a file that is missing now may be written yet, a host come back
        if isinstance(state, Unavailable) and state.next_try is None and not may_come:
            buffer.trouble = Unavailable(error, since)  # somebody must act; ``retry`` is how they say so
            self._settle()
            await _pause(buffer.source, None)
            return
        buffer.trouble = Unavailable(error, since, now + timedelta(seconds=wait_s))
        self._settle()
        await _pause(buffer.source, wait_s)

    def _settle(self) -> None:
        """Move the ends of the list as far as requested and loaded; query the records that are missing; publish the
        change."""
        for older in (True, False):
            self._move_end(older=older)
            self._pump(older=older)
        if self.at_newest:
            self.waiting = 0
        self._publish()

    def _move_end(self, *, older: bool) -> None:
        limit = self._low if older else self._high
        if limit in (LOWEST, HIGHEST) and (limit == LOWEST) is older:
            self._wanted[older] = 0
            return
        bound = LOWEST if older else HIGHEST
        for buffer in self._buffers:
            edge = buffer.edges[older]
            if edge.done or edge.late:
                continue
            end = (buffer.items[0].key if older else buffer.items[-1].key) if buffer.items else limit
            bound = max(bound, end) if older else min(bound, end)
        span = (bound, limit) if older else (limit, bound)
        fresh = sorted(
            (key for buffer in self._buffers for key in _keys_between(buffer, *span) if key != limit), reverse=older
        )
        taken = fresh[: self._wanted[older]]
        self._wanted[older] -= len(taken)
        end = taken[-1] if taken else limit
        if len(taken) == len(fresh) and all(buffer.edges[older].done for buffer in self._buffers):
            end = LOWEST if older else HIGHEST
            self._wanted[older] = 0
        if older:
            self._low = end
        else:
            self._high = end

    def _publish(self) -> None:
        rows = sorted(
            (shown for buffer in self._buffers for shown in _between(buffer, self._low, self._high)),
            key=BY_KEY,
        )
        if self.sticks and rows:
            self.reader = rows[-1].key
        self.shown = rows if len(rows) <= self._at_most else self._trimmed(rows)
        self.edition += 1
        self._tell()

    def _leap(self, buffer: SourceBuffer, items: Sequence[LogRecord | SourceNotice]) -> None:
        """Continue with the newest items of ``buffer`` and drop older ones, so that no source has a gap from there
        on."""
        self.leaps += 1
        buffer.leap(items)
        self._low = max(self._low, buffer.items[0].key)
        for each in self._buffers:
            each.drop(self._low, older=True)
        self._wanted[True] = 0
        self._publish()

    def _tell(self) -> None:
        """Wake the tasks that wait for a change."""
        self._version += 1
        self.changes.publish(self._version)
        self._progress.set()
        self._progress = asyncio.Event()

    def _trimmed(self, rows: list[WindowItem]) -> list[WindowItem]:
        """Return ``rows`` cut to 90 % of the limit, so that they need not be cut again for each new record; rows are
        dropped at the end farther from the reader."""
        most = self._at_most - self._at_most // 10
        here = len(rows) if self.reader is None else bisect_left(rows, self.reader, key=BY_KEY)
        drop_older = here > len(rows) // 2
        kept = rows[-most:] if drop_older else rows[:most]
        end = kept[0].key if drop_older else kept[-1].key
        if drop_older:
            self._low = end
        else:
            self._high = end
            self.waiting += len(rows) - len(kept) if self.following else 0
        for buffer in self._buffers:
            buffer.drop(end, older=drop_older)
        self._wanted[drop_older] = 0
        return kept


def _as_tried(source: LogSource, trouble: Unavailable) -> Unavailable:
    """Return ``trouble`` with the next attempt of the source's host, if that is sooner: see :func:`_pause`."""
    link = source.host.link.state if isinstance(source, OnHost) else None
    if not isinstance(link, Unavailable) or link.next_try is None:
        return trouble
    if trouble.next_try is not None and trouble.next_try <= link.next_try:
        return trouble
    return replace(trouble, next_try=link.next_try)


async def _pause(source: LogSource, wait_s: float | None) -> None:
    """Wait before the next attempt; a source on a host is retried as soon as the host can be reached again."""
    if isinstance(source, OnHost):
        await wait_until_reconnected(source.host, wait_s)
    elif wait_s is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(wait_s)


def _between(buffer: SourceBuffer, low: MergeKey, high: MergeKey) -> Sequence[WindowItem]:
    return buffer.items[bisect_left(buffer.items, low, key=BY_KEY) : bisect_right(buffer.items, high, key=BY_KEY)]


def _keys_between(buffer: SourceBuffer, low: MergeKey, high: MergeKey) -> list[MergeKey]:
    return [shown.key for shown in _between(buffer, low, high)]
