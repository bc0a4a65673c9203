"""Several logs merged by time: the cuts between records, a cursor over them, and the order of appended records."""

from __future__ import annotations

import asyncio
import heapq
import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from lilfox_tui.core.errors import LilFoxError, PlaceGone
from lilfox_tui.logs.files.log_file import RecordPosition
from lilfox_tui.logs.files.one_log import OneLog
from lilfox_tui.logs.files.pages import SEARCH_S
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import UNREADABLE, AtBeginning, AtEnd, AtPlace, AtTime, SkippedRecords, SourceNotice, Start

# A place in the list by time of several logs: where each of them is parted into what is older and what is newer.


NEVER_US = -(2**62)
"""The time of records that have none, nor any before them in their log."""
FOREVER_US = 2**62
FIRST = "^"
LAST = "$"
_TIME = "="


class MergeCut(Struct, frozen=True):
    """A cut through the records of several logs, at ``time_us``. ``edges`` holds for each log FIRST, LAST, a time
    (:func:`edge_at`) or the place of a byte: records that begin before it are older. A log without an edge appeared
    later: all of it is newer."""

    time_us: int
    edges: Mapping[str, str]

    @property
    def word(self) -> str:
        """The place of the cut, for :class:`AtPlace`."""
        return json.dumps([self.time_us, dict(self.edges)])

    def start(self, log: str, *, older: bool) -> Start | None:
        """Return where to continue reading ``log`` from the cut; None if nothing is left in that direction."""
        edge = self.edges.get(log, FIRST)
        if edge == FIRST:
            return None if older else AtBeginning()
        if edge == LAST:
            return AtEnd() if older else None
        if edge.startswith(_TIME):
            return AtTime(int(edge.removeprefix(_TIME)))
        place = RecordPosition(edge)
        return AtPlace(edge if older else place.at(place.offset - 1))


def is_cut(words: str) -> bool:
    """Return whether ``words`` are the place of a cut rather than of a record."""
    return words.startswith("[")


def read_cut(words: str) -> MergeCut:
    """Parse the place of a cut."""
    time_us, edges = json.loads(words)
    return MergeCut(time_us, edges)


def edge_at(time_us: int) -> str:
    """Return the edge at ``time_us``: earlier records are before it."""
    return f"{_TIME}{time_us}"


def edge_before(record: LogRecord) -> str:
    """The edge before a record."""
    return record.place


def edge_behind(record: LogRecord) -> str:
    """The edge after a record, at the end of its last line."""
    place = RecordPosition(record.place)
    return place.at(place.offset + max(1, record.size_bytes))


def edge_going(start: Start | None, *, older: bool) -> str | None:
    """Return the edge at which reading a log continues; None if ``start`` is not at a byte."""
    if not isinstance(start, AtPlace):
        return None
    place = RecordPosition(start.place)
    return start.place if older else place.at(place.offset + 1)


# Going through several logs in one direction, record by record in the order of time.
#
# As everywhere, a log's times never go back: a record without a time has that of the one before it in its log. Of the
# same time, those of the first log come first.


_FEWEST = 16
_AHEAD_MOST = 1000
_ALL_AHEAD_MOST = 8000
"""So many records of one log, and of all, are read ahead; it begins with few, and takes twice as many each time."""
_HELD_AT_MOST = 1000
"""Records without a time that wait, going older, for the one before them that has one."""


class LogCursor:
    """A cursor over one log from ``cut`` on. ``waiting`` are its next records and their times; ``newest`` is the edge
    after the newest record, if it began at the end."""

    def __init__(self, log: OneLog, cut: MergeCut, where: Filter, *, older: bool) -> None:
        self.waiting: deque[tuple[int, LogRecord]] = deque()
        self.newest = FIRST
        self._log = log
        self._where = where
        self._older = older
        self._began = cut.edges.get(log.path, FIRST)
        self._more = cut.start(log.path, older=older)
        self._time_us = cut.time_us
        self._given: LogRecord | None = None
        self._held: list[LogRecord] = []
        self._ahead = 0

    @property
    def path(self) -> str:
        """The path of the log."""
        return self._log.path

    @property
    def is_behind(self) -> bool:
        """Whether its next record must still be read."""
        return not self.waiting and self._more is not None

    @property
    def is_over(self) -> bool:
        """Whether there are no more records."""
        return not self.waiting and self._more is None

    async def fill(self, few: int, most: int) -> None:
        """Read its next records, ``few`` at first, later up to ``most``. Raises LilFoxError."""
        assert self._more is not None
        self._ahead = max(few, min(2 * self._ahead, most))
        at_end = isinstance(self._more, AtEnd)
        if at_end and self._where != EVERYTHING:
            self.newest = await self._log.end() or FIRST
        try:
            page = await self._log.page(self._more, older=self._older, limit=self._ahead, where=self._where)
        except PlaceGone:  # rotated away: what is left is all newer
            self._more = None if self._older else AtBeginning()
            return
        self._more = page.more
        if at_end and page.records:
            self.newest = edge_behind(page.records[-1])
        if self._older:
            self._take_older([*page.records, *self._held])
        else:
            self._take_newer(page.records)

    def refuse(self) -> None:
        """Stop reading the log."""
        self._more = None
        self.newest = LAST

    def _take_newer(self, records: Sequence[LogRecord]) -> None:
        for record in records:
            self._time_us = max(self._time_us, _time_of(record))
            self.waiting.append((self._time_us, record))

    def _take_older(self, records: list[LogRecord]) -> None:
        timed = next((at for at, record in enumerate(records) if record.entry.time_us is not None), len(records))
        self._held = records[:timed] if self._more is not None and timed <= _HELD_AT_MOST else []
        carried, limit_us, placed = NEVER_US, self._time_us, []
        for record in records[len(self._held) :]:
            carried = max(carried, _time_of(record))
            self._time_us = min(carried, limit_us)
            placed.append((self._time_us, record))
        if placed:
            self._time_us = placed[0][0]
        self.waiting.extend(reversed(placed))

    def take(self) -> tuple[int, LogRecord]:
        """Return its next record and that record's time."""
        time_us, self._given = self.waiting.popleft()
        return time_us, self._given

    @property
    def edge(self) -> str:
        """The edge that it has reached."""
        if self._older and self.is_over:
            return FIRST
        edge = edge_going(self._more, older=self._older) if not self.waiting and not self._held else None
        if edge is not None:
            return edge
        if self._given is None:
            return self._began
        return edge_before(self._given) if self._older else edge_behind(self._given)


class MergeCursor:
    """A cursor over several logs, merged by time. ``page`` returns the next records. ``refused`` is called for each log
    that was read, with the error or None."""

    def __init__(
        self,
        logs: Mapping[str, OneLog],
        cut: MergeCut,
        where: Filter,
        *,
        older: bool,
        refused: Callable[[str, LilFoxError | None], None],
    ) -> None:
        self._cursors = [LogCursor(log, cut, where, older=older) for _path, log in sorted(logs.items())]
        self._turns = {cursor.path: turn for turn, cursor in enumerate(self._cursors)}
        self._older = older
        self._refused = refused
        self._time_us = cut.time_us
        self._newest_us: int | None = None

    async def page(self, limit: int) -> list[LogRecord]:
        """Return up to ``limit`` records in reading order, or fewer if the search takes long. Raises LilFoxError."""
        until_s = time.monotonic() + SEARCH_S
        found: list[LogRecord] = []
        while len(found) < limit:
            await self._fill(limit)
            if any(cursor.is_behind for cursor in self._cursors):
                if time.monotonic() > until_s:
                    break
                continue
            ready = [(self._rank(cursor), cursor) for cursor in self._cursors if cursor.waiting]
            if not ready:
                break
            heapq.heapify(ready)
            while len(found) < limit:
                _rank, cursor = ready[0]
                found.append(self._take(cursor))
                if not cursor.waiting:
                    break
                heapq.heapreplace(ready, (self._rank(cursor), cursor))
        return found

    def _rank(self, cursor: LogCursor) -> tuple[int, int]:
        """Return the key that sorts the logs by their next records; it is different for every log."""
        time_us, turn = cursor.waiting[0][0], self._turns[cursor.path]
        return (-time_us, -turn) if self._older else (time_us, turn)

    def _take(self, cursor: LogCursor) -> LogRecord:
        self._time_us, record = cursor.take()
        if self._newest_us is None:
            self._newest_us = self._time_us
        return record

    async def _fill(self, limit: int) -> None:
        behind = [cursor for cursor in self._cursors if cursor.is_behind]
        if not behind:
            return
        few = min(limit, 2 * limit // len(self._cursors) + _FEWEST)
        most = min(_AHEAD_MOST, _ALL_AHEAD_MOST // len(self._cursors)) if len(self._cursors) > 1 else limit
        tasks = [asyncio.ensure_future(cursor.fill(few, most)) for cursor in behind]
        try:
            errors = await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for task in tasks:
                task.cancel()
        for cursor, error in zip(behind, errors, strict=True):
            if isinstance(error, UNREADABLE):
                cursor.refuse()
                self._refused(cursor.path, error)
            elif error is not None:
                raise error
            else:
                self._refused(cursor.path, None)

    @property
    def is_over(self) -> bool:
        """Whether there are no more records."""
        return all(cursor.is_over for cursor in self._cursors)

    @property
    def cut(self) -> MergeCut:
        """The edge that it has reached."""
        return MergeCut(self._time_us, {cursor.path: cursor.edge for cursor in self._cursors})

    @property
    def end(self) -> MergeCut:
        """The cut at the end of all that existed, if read from the end."""
        newest_us = NEVER_US if self._newest_us is None else self._newest_us
        return MergeCut(newest_us, {cursor.path: cursor.newest for cursor in self._cursors})


def _time_of(record: LogRecord) -> int:
    return NEVER_US if record.entry.time_us is None else record.entry.time_us


# What several logs tell at about the same time, put into the order of time.


MOST = 10_000
"""So many items wait for others; more are given at once."""


class _Waiting(NamedTuple):
    time_us: int
    number: int
    came_s: float
    log: str
    item: LogRecord | SourceNotice


class TimeOrderBuffer:
    """Holds items of several logs (by path) until they can be sorted by time; items of one log keep their order.
    ``cut`` is where the released items end in each log."""

    def __init__(self, cut: MergeCut) -> None:
        self._begin_us = cut.time_us
        self._time_us = cut.time_us
        self._edges = dict(cut.edges)
        self._times: dict[str, int] = {}
        self._waiting: list[_Waiting] = []
        self._numbers = 0
        self._passed = 0

    @property
    def cut(self) -> MergeCut:
        """The cut where the released items end."""
        return MergeCut(self._time_us, dict(self._edges))

    def put(self, log: str, batch: list[LogRecord | SourceNotice | SkippedRecords], now_s: float) -> None:
        """Add items of a log. If that log has skipped records, earlier records of all logs are skipped too."""
        gap = False
        for item in batch:
            if isinstance(item, SkippedRecords):
                self._passed += item.count
                self._pass_over(log=log)
                gap = True
                continue
            known = item.entry.time_us if isinstance(item, LogRecord) else None
            time_us = max(self._times.get(log, self._begin_us), self._begin_us if known is None else known)
            self._times[log] = time_us
            if gap and isinstance(item, LogRecord):
                self._pass_over(before_us=time_us)
                gap = False
            heapq.heappush(self._waiting, _Waiting(time_us, self._numbers, now_s, log, item))
            self._numbers += 1

    def _pass_over(self, *, log: str = "", before_us: int = FOREVER_US) -> None:
        """Drop the waiting records of one log or of all that are older than ``before_us``, and count them as
        skipped."""
        kept = [
            each
            for each in self._waiting
            if isinstance(each.item, SourceNotice) or each.time_us >= before_us or log not in ("", each.log)
        ]
        self._passed += len(self._waiting) - len(kept)
        heapq.heapify(kept)
        self._waiting = kept

    @property
    def waits(self) -> bool:
        """Whether any item is waiting."""
        return bool(self._waiting)

    def ready(self, until_s: float) -> list[LogRecord | SourceNotice | SkippedRecords]:
        """Return the items that arrived up to ``until_s``, and all items whose time is earlier than the latest of
        those."""
        found: list[LogRecord | SourceNotice | SkippedRecords] = [SkippedRecords(self._passed)] if self._passed else []
        self._passed = 0
        if len(self._waiting) > MOST:
            until_s = float("inf")
        latest_us = max((each.time_us for each in self._waiting if each.came_s <= until_s), default=None)
        while latest_us is not None and self._waiting and self._waiting[0].time_us <= latest_us:
            each = heapq.heappop(self._waiting)
            found.append(each.item)
        return found

    def gave(self, batch: Sequence[LogRecord | SourceNotice | SkippedRecords]) -> str | None:
        """Record that ``batch`` was released; return the place of the last record in it."""
        records = [each for each in batch if isinstance(each, LogRecord)]
        for record in records:
            self._edges[record.log] = edge_behind(record)
            self._time_us = max(self._time_us, record.entry.time_us or self._begin_us)
        return records[-1].place if records else None
