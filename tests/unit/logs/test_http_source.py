"""Paging and polling over a store that cuts its answers anywhere, takes late entries and fails now and then."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.logs.filter.model import EVERYTHING, Filter, TextMatch
from lilfox_tui.logs.http_source import StampedRange, StampedRecord, StorePoll, TimePager, place_of, whole_stamps
from lilfox_tui.logs.record import LogEntry, LogRecord
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtPlace, AtTime, Start

FIRST_US = 1_760_000_000_000_000
STAMPS = st.lists(st.integers(0, 12), max_size=40)
"""Few moments, so that many entries share one."""


class Shelf:
    """A store in memory that gives ``most`` entries at a time, or fails where ``fails`` says so."""

    def __init__(self, stamps: list[int], most: int, first_us: int = FIRST_US) -> None:
        self.entries: list[StampedRecord] = []
        self.most, self.first_us = most, first_us
        self.fails: Callable[[], bool] = lambda: False
        for stamp in stamps:
            self.add(stamp)

    def add(self, stamp: int) -> None:
        number = len(self.entries)
        stamp_ns = (self.first_us + stamp) * 1000
        entry = LogEntry(message=f"n{number}", time_us=stamp_ns // 1000)
        raw = f"n{number}".encode()
        record = LogRecord(
            source="s", place=place_of(stamp_ns, f"w{number}"), entry=entry, raw=raw, size_bytes=len(raw)
        )
        self.entries.append(StampedRecord(stamp_ns, record))
        self.entries.sort(key=lambda one: (one.stamp, one.record.place))

    async def stretch(
        self, low: int | None, high: int | None, *, older: bool, size: int, where: Filter
    ) -> StampedRange:
        if self.fails():
            raise LilFoxError("down")
        found = [
            entry
            for entry in self.entries
            if (low is None or entry.stamp >= low)
            and (high is None or entry.stamp < high)
            and where.matches(entry.record)
        ]
        most = self.most
        while True:
            given_now = found[-most:] if older else found[:most]
            if len(given_now) == len(found):
                return StampedRange(found, None)
            if whole := whole_stamps(given_now, older=older):
                return StampedRange(*whole)
            most *= 2


async def paged(store: Shelf, start: Start, *, older: bool, limit: int, where: Filter = EVERYTHING) -> list[str]:
    found: list[str] = []
    more: Start | None = start
    while more is not None:
        page = await TimePager(store).page(more, older=older, limit=limit, where=where)
        names = [record.entry.message for record in page.records]
        assert len(names) <= limit
        found = [*names, *found] if older else [*found, *names]
        more = page.more
    return found


@given(
    STAMPS, st.integers(1, 12), st.integers(1, 9), st.sampled_from([EVERYTHING, TextMatch("1"), TextMatch("no such")])
)
def test_pages_in_both_directions_from_anywhere_are_the_store(
    stamps: list[int], most: int, limit: int, where: Filter
) -> None:
    async def check() -> None:
        store = Shelf(stamps, most)
        records = [entry.record for entry in store.entries]
        names = [record.entry.message for record in records if where.matches(record)]
        assert await paged(store, AtBeginning(), older=False, limit=limit, where=where) == names
        assert await paged(store, AtEnd(), older=True, limit=limit, where=where) == names
        for record in records[::7]:
            start = AtPlace(record.place)
            older = await paged(store, start, older=True, limit=limit, where=where)
            newer = await paged(store, start, older=False, limit=limit, where=where)
            own = [record.entry.message] if where.matches(record) else []
            assert older + own + newer == names
        for time_us in range(FIRST_US - 1, FIRST_US + 14, 3):
            older = await paged(store, AtTime(time_us), older=True, limit=limit, where=where)
            newer = await paged(store, AtTime(time_us), older=False, limit=limit, where=where)
            assert older + newer == names
            assert len(older) == sum(r.entry.time_us < time_us for r in records if where.matches(r))  # type: ignore[operator]

    asyncio.run(check())


@settings(max_examples=60)
@given(STAMPS, STAMPS, st.integers(1, 12), st.integers(0, 10**6), st.sampled_from(["beginning", "end", "time"]))
def test_polling_hands_each_entry_on_once_through_failures_and_late_arrivals(
    before: list[int], after: list[int], most: int, seed: int, begin: str
) -> None:
    async def check() -> None:
        dice = random.Random(seed)
        first_us = time.time_ns() // 1000 - 50
        store = Shelf(before, most, first_us)
        start: Start = {"beginning": AtBeginning(), "end": AtEnd(), "time": AtTime(first_us + 6)}[begin]  # type: ignore[assignment]
        poll = StorePoll(TimePager(store), start, EVERYTHING, late_ns=10**9)
        got: list[str] = []

        async def turn() -> None:
            try:
                async for batch in poll.new():
                    got.extend(record.entry.message for record in batch)
            except LilFoxError:
                pass

        await turn()
        store.fails = lambda: dice.random() < 0.4
        for stamp in after:
            store.add(stamp)
            if dice.random() < 0.3:
                await turn()
        store.fails = lambda: False
        await turn()
        expected = {
            entry.record.entry.message
            for entry in store.entries
            if begin == "beginning"
            or (begin == "time" and entry.stamp >= (first_us + 6) * 1000)
            or (begin == "end" and int(entry.record.entry.message[1:]) >= len(before))
        }
        assert sorted(got) == sorted(expected)

    asyncio.run(check())
