"""What is loaded of several sources, and how much of it makes one list without gaps.

What is loaded of each source is a ``Lane``. The list shows what lies between two keys, ``low`` and ``high``; they move
only as far as every source is loaded, so that nothing appears in the middle of what was read, except what a slow source
brings late: nobody waits for it longer than PATIENCE_S.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from lilfox_tui.errors import CommandTimeout, CommandUnknown, FileRefused, HostUnreachable, LilFoxError
from lilfox_tui.feed import Feed, Unavailable
from lilfox_tui.hosts.way_back import wait_for_way
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.lane import HIGHEST, LOWEST, Key, Lane, Shown
from lilfox_tui.logs.page_of import page_of
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import LogSource, Notice, OnHost

AT_MOST = 5000
"""Records that are kept; what is farther from the reader goes."""
PAGE = 200
PATIENCE_S = 0.4
RETRIES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
MAY_PASS = (FileRefused, HostUnreachable, CommandTimeout, CommandUnknown)
"""What is tried again by itself, also where a source names no next try."""
BY_KEY = attrgetter("key")


class Window:
    """The lanes, and the part of them that is shown. Used as ``async with``: it ends what it has begun.

    ``shown`` is the list, oldest first; ``changes`` tells that it has changed. ``reader`` is where the reader stands:
    kept in sight of, never moved.
    """

    def __init__(self, sources: Sequence[LogSource], where: Filter, *, at_most: int = AT_MOST) -> None:
        self.where = where
        self.shown: Sequence[Shown] = ()
        self.changes: Feed[int] = Feed()
        self.reader: Key | None = None
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
        self._lanes = [Lane(index, source, alone=len(sources) == 1) for index, source in enumerate(sources)]
        self._at_most = at_most
        self._low = self._high = LOWEST
        self._wanted = {True: 0, False: 0}
        self._group = asyncio.TaskGroup()
        self._telling: list[asyncio.Task[None] | None] = []
        self._progress = asyncio.Event()
        self._version = 0

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        self._telling = [self._begin(self._tell_outages(lane)) for lane in self._lanes]
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
        """Starts ``work``; None where everything ends already (who waits for the end hears why)."""
        try:
            return self._group.create_task(work)
        except RuntimeError:
            work.close()
            return None

    def _halt(self) -> None:
        """Ends everything that was begun."""
        self._wanted = {True: 0, False: 0}
        for lane in self._lanes:
            for task in (lane.follower, *(edge.task for edge in lane.edges.values())):
                if task is not None:
                    task.cancel()
            lane.follower = None

    async def _tell_outages(self, lane: Lane) -> None:
        """Tells when a source that follows by itself through an outage is away, and when it is back."""
        was_away = False
        async with aclosing(lane.source.status.watch()) as states:
            async for state in states:
                is_away = isinstance(state, Unavailable)
                if is_away or was_away:
                    self._publish()
                was_away = is_away

    # ---- what there is ------------------------------------------------------------------------------------------

    @property
    def troubles(self) -> dict[str, Unavailable]:
        """Sources that failed at their last answer, by name: why, since when, and the next try."""
        found = {lane.source: lane.trouble or lane.outage for lane in self._lanes}
        return {source.name: _as_tried(source, trouble) for source, trouble in found.items() if trouble is not None}

    @property
    def searching(self) -> tuple[str, ...]:
        """Names of the sources whose answer is awaited."""
        return tuple(
            lane.source.name
            for lane in self._lanes
            if lane.trouble is None and any(edge.loading for edge in lane.edges.values())
        )

    @property
    def timeless(self) -> tuple[str, ...]:
        """Names of the sources of which nothing that is loaded has a time."""
        return tuple(lane.source.name for lane in self._lanes if lane.tells_no_time)

    def late(self, *, older: bool) -> bool:
        """Whether something may still come before the end of the list on that side, from a source that is slow."""
        return any(lane.edges[older].late and lane.edges[older].loading for lane in self._lanes)

    @property
    def at_oldest(self) -> bool:
        """Whether the first row is the oldest record there is."""
        return self._low == LOWEST and all(lane.older.done for lane in self._lanes)

    @property
    def at_newest(self) -> bool:
        """Whether the last row was the newest record there is, when it was asked for."""
        return self._high == HIGHEST and all(lane.newer.done for lane in self._lanes)

    def index(self, key: Key) -> int:
        """The row of ``key``, or of the next one; the last row past the end, 0 where there is none."""
        return max(0, min(bisect_left(self.shown, key, key=BY_KEY), len(self.shown) - 1))

    # ---- loading ------------------------------------------------------------------------------------------------

    async def _extend(self, count: int, *, older: bool) -> None:
        self._wanted[older] = count
        self._settle()
        loop = asyncio.get_running_loop()
        patient_until = loop.time() + PATIENCE_S
        while awaited := [lane.edges[older] for lane in self._lanes if lane.edges[older].loading]:
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
        """Asks the sources without which the list cannot grow, and those that are not as far as the list."""
        limit = self._low if older else self._high
        for lane in self._lanes:
            edge = lane.edges[older]
            if edge.loading or edge.goes_on_from() is None:
                continue
            held_up = self._wanted[older] > 0 and not edge.late and not self._ahead(lane, older=older)
            if held_up or not lane.reaches(limit, older=older):
                edge.task = self._begin(self._load(lane, older=older))

    def _ahead(self, lane: Lane, *, older: bool) -> bool:
        """Whether something of that source is loaded past the list."""
        if not lane.items:
            return False
        return lane.items[0].key < self._low if older else lane.items[-1].key > self._high

    async def _load(self, lane: Lane, *, older: bool) -> None:
        """Pages of one source, until the list does not wait for it any more."""
        edge = lane.edges[older]
        while (start := edge.goes_on_from()) is not None:
            skipped = lane.skipped
            try:
                page = await page_of(lane.source, start, older=older, limit=PAGE, where=self.where)
            except LilFoxError as error:
                if lane.edges[older] is not edge:
                    return
                edge.late = True
                await self._wait_to_retry(lane, error)
                continue
            if lane.edges[older] is not edge:
                return  # this end was cut off meanwhile: what was read does not join what is left
            lane.trouble, lane.failures = None, 0
            placed = lane.take(page, older=older)
            if not older and edge.done and lane.skipped != skipped:
                edge.done = False  # more was written meanwhile, and left out because this was not the end yet
            self._settle()
            limit = self._low if older else self._high
            if lane.reaches(limit, older=older):
                edge.late = False
                if placed and (not self._wanted[older] or self._ahead(lane, older=older)):
                    break
        edge.task = None
        self._settle()

    async def _wait_to_retry(self, lane: Lane, error: LilFoxError) -> None:
        wait_s = RETRIES_S[min(lane.failures, len(RETRIES_S) - 1)]
        lane.failures += 1
        now = datetime.now(UTC)
        since = lane.trouble.since if lane.trouble is not None else now
        state = lane.source.status.state
        may_come = isinstance(error, MAY_PASS)  # a file that is missing now may be written yet, a host come back
        if isinstance(state, Unavailable) and state.next_try is None and not may_come:
            lane.trouble = Unavailable(error, since)  # somebody must act; ``retry`` is how they say so
            self._settle()
            await _pause(lane.source, None)
            return
        lane.trouble = Unavailable(error, since, now + timedelta(seconds=wait_s))
        self._settle()
        await _pause(lane.source, wait_s)

    def _settle(self) -> None:
        """Moves the ends of the list as far as is wanted and loaded; asks for what is missing; tells."""
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
        for lane in self._lanes:
            edge = lane.edges[older]
            if edge.done or edge.late:
                continue
            end = (lane.items[0].key if older else lane.items[-1].key) if lane.items else limit
            bound = max(bound, end) if older else min(bound, end)
        span = (bound, limit) if older else (limit, bound)
        fresh = sorted(
            (key for lane in self._lanes for key in _keys_between(lane, *span) if key != limit), reverse=older
        )
        taken = fresh[: self._wanted[older]]
        self._wanted[older] -= len(taken)
        end = taken[-1] if taken else limit
        if len(taken) == len(fresh) and all(lane.edges[older].done for lane in self._lanes):
            end = LOWEST if older else HIGHEST
            self._wanted[older] = 0
        if older:
            self._low = end
        else:
            self._high = end

    def _publish(self) -> None:
        rows = sorted(
            (shown for lane in self._lanes for shown in _between(lane, self._low, self._high)),
            key=BY_KEY,
        )
        if self.sticks and rows:
            self.reader = rows[-1].key
        self.shown = rows if len(rows) <= self._at_most else self._trimmed(rows)
        self.edition += 1
        self._tell()

    def _leap(self, lane: Lane, items: Sequence[Record | Notice]) -> None:
        """Goes on with the newest of ``lane``, from there on without a gap in any lane."""
        self.leaps += 1
        lane.leap(items)
        self._low = max(self._low, lane.items[0].key)
        for each in self._lanes:
            each.drop(self._low, older=True)
        self._wanted[True] = 0
        self._publish()

    def _tell(self) -> None:
        """Wakes who waits for a change."""
        self._version += 1
        self.changes.publish(self._version)
        self._progress.set()
        self._progress = asyncio.Event()

    def _trimmed(self, rows: list[Shown]) -> list[Shown]:
        """``rows`` without what is too many, and some more so that this is not done for each record that comes; taken
        from the end that is farther from the reader."""
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
        for lane in self._lanes:
            lane.drop(end, older=drop_older)
        self._wanted[drop_older] = 0
        return kept


def _as_tried(source: LogSource, trouble: Unavailable) -> Unavailable:
    """``trouble`` with the next try of the source's host, where that is sooner: see :func:`_pause`."""
    link = source.host.link.state if isinstance(source, OnHost) else None
    if not isinstance(link, Unavailable) or link.next_try is None:
        return trouble
    if trouble.next_try is not None and trouble.next_try <= link.next_try:
        return trouble
    return replace(trouble, next_try=link.next_try)


async def _pause(source: LogSource, wait_s: float | None) -> None:
    """Waits before the next try; what lies on a host is tried at once when the host can be reached again."""
    if isinstance(source, OnHost):
        await wait_for_way(source.host, wait_s)
    elif wait_s is None:
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(wait_s)


def _between(lane: Lane, low: Key, high: Key) -> Sequence[Shown]:
    return lane.items[bisect_left(lane.items, low, key=BY_KEY) : bisect_right(lane.items, high, key=BY_KEY)]


def _keys_between(lane: Lane, low: Key, high: Key) -> list[Key]:
    return [shown.key for shown in _between(lane, low, high)]
