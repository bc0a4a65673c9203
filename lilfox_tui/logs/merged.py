"""The records of several sources as one list by time: a window that moves over all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime

from lilfox_tui.errors import LilFoxError
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.filter.of_source import NOTHING, of_source
from lilfox_tui.logs.lane import HIGHEST, LOWEST, OLDEST_US, Key, Lane, Shown
from lilfox_tui.logs.page_of import page_of
from lilfox_tui.logs.record import Record, microseconds
from lilfox_tui.logs.source import AtPlace, AtTime, Beginning, End, Hurried, LogSource, Notice, OnHost, Passed, Start
from lilfox_tui.logs.window import AT_MOST, PAGE, Window

KEEP = 300
"""Records of a source that are read of all that come at once while the reader goes along: more than a screen has."""


class Merged(Window):
    """``async with Merged(sources, where) as merged``: see :class:`Window` for what is shown.

    A source that fails is in ``troubles`` and is tried again; the others go on.
    """

    def __init__(self, sources: Sequence[LogSource], where: Filter, *, at_most: int = AT_MOST) -> None:
        super().__init__(sources, where, at_most=at_most)
        self._went_us = OLDEST_US

    # ---- moving -------------------------------------------------------------------------------------------------

    async def go(self, start: Start, count: int = PAGE) -> Key | None:
        """Moves the window; returns the key of the row to stand on (for a time its first record), None for no row.
        A place is one of the only source's: of it LilFoxError may be raised."""
        if isinstance(start, AtPlace):
            return await self._go_past(start, count)
        self._halt()
        self._went_us = microseconds(datetime.now(UTC))
        for lane in self._lanes:
            _begin(lane, start)
        self._low = self._high = {Beginning: LOWEST, End: HIGHEST}.get(type(start), LOWEST)
        if isinstance(start, AtTime):
            self._low = self._high = Key(start.time_us, -1, 0)
        here = self._low
        self._restart_following()
        await self._extend_from(start, count)
        if self.shown:
            self.reader = self.shown[self.index(here)].key
        return self.reader if self.shown else None

    async def _extend_from(self, start: Start, count: int) -> None:
        self._publish()
        async with asyncio.TaskGroup() as both:
            if not isinstance(start, Beginning):
                both.create_task(self._extend(count, older=True))
            if not isinstance(start, End):
                both.create_task(self._extend(count, older=False))
        while not self.shown and self.searching:  # there must be something to stand on
            await self._progress.wait()

    async def set_where(self, where: Filter, count: int = PAGE, *, around: Shown | None = None) -> Key | None:
        """Shows what matches ``where``, around where the reader stands, or around a row that was shown before; returns
        the nearest row's key."""
        self.where = where
        here = around or self._reader_row()
        if here is None or not isinstance(here.item, Record):
            return await self.go(End(), count)
        return await self._go_around(here.key, here.item, count)

    async def _go_past(self, place: AtPlace, count: int) -> Key | None:
        """Moves to the first record past a place of the only source."""
        page = await page_of(self._lanes[0].source, place, older=False, limit=1, where=self.where)
        if not page.records:
            return await self.go(End(), count)
        record = page.records[0]
        return await self._go_around(Key(record.entry.time_us or 0, 0, 0), record, count)

    async def _go_around(self, key: Key, record: Record, count: int) -> Key | None:
        """Moves to a record of the lane and at the time that ``key`` tells."""
        self._halt()
        for lane in self._lanes:
            if lane.index != key.lane:
                _begin(lane, _moment(key.time_us))
                continue
            place = AtPlace(record.place)
            lane.begin(place, place, key.time_us)
            if self.where.matches(record):
                lane.put(record, key.time_us)
        self._low = self._high = key = Key(key.time_us, key.lane, 0)
        self._restart_following()
        await self._extend_from(AtTime(key.time_us), count)
        if self.shown:
            self.reader = self.shown[self.index(key)].key
        return self.reader if self.shown else None

    def _reader_row(self) -> Shown | None:
        if self.reader is None or not self.shown:
            return None
        return self.shown[self.index(self.reader)]

    async def older(self, count: int = PAGE) -> None:
        """Loads up to ``count`` more older rows; returns early where a source is slow, and they come later."""
        await self._extend(count, older=True)

    async def newer(self, count: int = PAGE) -> None:
        """Loads up to ``count`` more newer rows; at the end it asks whether there are any by now."""
        for lane in self._lanes if self.at_newest else ():
            if lane.follower is None or lane.follower.done():
                lane.newer.start = lane.newer.start or AtTime(self._went_us)
                lane.newer.done = False
        await self._extend(count, older=False)

    def stop(self) -> None:
        """Ends the search that runs; what is shown stays."""
        self._wanted = {True: 0, False: 0}
        for lane in self._lanes:
            for edge in lane.edges.values():
                if edge.task is not None:
                    edge.task.cancel()
                    edge.task = None
        self._publish()

    def retry(self) -> None:
        """Tries the sources that failed again, now, and the hosts that they are on."""
        for lane in self._lanes:
            if lane.source.name in self.troubles and isinstance(lane.source, OnHost):
                lane.source.host.retry_now()
            if lane.trouble is None:
                continue
            for older, edge in lane.edges.items():
                if edge.task is not None:
                    edge.task.cancel()
                    edge.task = self._begin(self._load(lane, older=older))
            if lane.follower is not None:
                lane.follower.cancel()
                lane.follower = self._begin(self._follow(lane))

    # ---- following ----------------------------------------------------------------------------------------------

    def follow(self, on: bool = True) -> None:
        """Appends what is new from now on, or no more. The window stays where it is."""
        self.following = on
        self._restart_following()

    def _restart_following(self) -> None:
        self.waiting = 0
        for lane in self._lanes:
            if lane.follower is not None:
                lane.follower.cancel()
                lane.follower = None
            if self.following and of_source(self.where, lane.source.name) != NOTHING:
                lane.follower = self._begin(self._follow(lane))

    async def _follow(self, lane: Lane) -> None:
        while True:
            while lane.newer.goes_on_from() is not None or not (lane.items or lane.older.done or lane.older.late):
                await self._progress.wait()
            place = lane.last_place
            start: Start = AtTime(self._went_us) if place is None else AtPlace(place)
            try:
                async with aclosing(self._new_in(lane, start)) as batches:
                    async for batch in batches:
                        lane.trouble, lane.failures = None, 0
                        self._take_new(lane, batch)
                return
            except LilFoxError as error:
                await self._wait_to_retry(lane, error)

    def _new_in(self, lane: Lane, start: Start) -> AsyncGenerator[list[Record | Notice | Passed], None]:
        """What is new in a source, at once as much as is of use now, if the source can count the rest."""
        source, where = lane.source, of_source(self.where, lane.source.name)
        if isinstance(source, Hurried):
            return source.follow_newest(start, where, lambda: self._of_use(lane))
        return source.follow(start, where)  # type: ignore[return-value]  # never a Passed

    def _of_use(self, lane: Lane) -> int | None:
        if lane.newer.goes_on_from() is not None:
            return 0
        return KEEP if self.sticks else None

    def _take_new(self, lane: Lane, batch: Sequence[Record | Notice | Passed]) -> None:
        passed = sum(each.count for each in batch if isinstance(each, Passed))
        items = [each for each in batch if not isinstance(each, Passed)]
        self.came += passed + len(items)
        if lane.newer.goes_on_from() is not None:  # the reader is far back: this cannot be joined to what is loaded
            lane.skipped += passed + len(items)
            self.waiting += passed + len(items)
            self._tell()
        elif passed and self.sticks and items:
            self._leap(lane, items)
        elif passed:  # the reader has turned round meanwhile: it is read page by page
            lane.newer.start = lane.newer.start or AtTime(self._went_us)
            lane.newer.done = False
            lane.skipped += passed + len(items)
            self.waiting += passed + len(items)
            self._settle()
        else:
            lane.take_newer(items, microseconds(datetime.now(UTC)))
            lane.took_newer()
            self._publish()


def _begin(lane: Lane, start: Start) -> None:
    older = None if isinstance(start, Beginning) else start
    newer = None if isinstance(start, End) else start
    lane.begin(older, newer, start.time_us if isinstance(start, AtTime) else OLDEST_US)


def _moment(time_us: int) -> Beginning | AtTime:
    return Beginning() if time_us <= OLDEST_US else AtTime(time_us)
