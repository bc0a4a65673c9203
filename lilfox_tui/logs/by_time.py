"""Paging and following through a store that is asked by time and gives a number of entries (Loki, Elasticsearch).

Such stores cut an answer anywhere, also in the middle of one timestamp. Here a timestamp is taken whole or not at all,
so that going on at the next loses and doubles nothing, whatever was stored meanwhile. A place is a timestamp in
nanoseconds and a word for the entry within it; without the word it is the edge before that timestamp.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol

from msgspec import Struct

from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.filter.span import span
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import AtPlace, AtTime, Beginning, End, Page, Start

SEARCH_S = 2.0
"""A page that finds little comes back after so long, to be shown and gone on with."""
_BATCH = 1000
_POLLED = 5000
_SKEW_NS = 60 * 10**9
"""A clock that stamps entries may be so much behind this one's."""
_FEWEST = 100
"""Entries asked for at least: small questions cost as much as these."""


class Stamped(Struct, frozen=True):
    """An entry of the store as a record, and its time there in nanoseconds since 1970."""

    stamp: int
    record: Record


class Stretch(Struct, frozen=True):
    """Entries oldest first, each timestamp whole. ``edge``: nothing between it and where the question began is
    missing, and there may be more beyond it (going newer: from it on; going older: before it); None: that was all."""

    entries: Sequence[Stamped]
    edge: int | None


class Store(Protocol):
    """What a kind has to know: one question."""

    async def stretch(self, low: int | None, high: int | None, *, older: bool, size: int, where: Filter) -> Stretch:
        """About ``size`` entries with low ≤ time < high (ns) that may match, from the newest down when ``older``.

        More than ``size`` where they share a timestamp. Raises LilFoxError."""
        ...


class ByTime:
    """Pages and polls over a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def page(self, start: Start, *, older: bool, limit: int, where: Filter) -> Page:
        """See :meth:`LogSource.page`."""
        if isinstance(start, Beginning if older else End):
            return Page((), None)
        low, high, left_out = await self.bounds(start, older=older, where=where)
        found: list[Stamped] = []
        deadline = time.monotonic() + SEARCH_S
        while True:
            size = max(limit + 1, _FEWEST)
            stretch = await self._store.stretch(low, high, older=older, size=size, where=where)
            for entry in reversed(stretch.entries) if older else stretch.entries:
                if entry.record.place in left_out or not where.matches(entry.record):
                    continue
                if len(found) == limit:
                    return _page(found, older, AtPlace(found[-1].record.place))
                found.append(entry)
            edge = stretch.edge
            if (
                edge is None
                or (older and low is not None and edge <= low)
                or (not older and high is not None and edge >= high)
            ):
                return _page(found, older, None)
            if len(found) == limit or time.monotonic() > deadline:
                return _page(found, older, AtPlace(place_of(edge)))
            low, high = (low, edge) if older else (edge, high)

    def poll(self, start: Start, where: Filter, *, late_ns: int) -> Poll:
        """What matches from ``start`` on, asked for over and over."""
        return Poll(self, start, where, late_ns)

    async def newer(self, low: int | None, where: Filter) -> AsyncGenerator[Stamped, None]:
        """All from ``low`` on that may match, oldest first."""
        edge: int | None = low
        while True:
            stretch = await self._store.stretch(edge, None, older=False, size=_POLLED, where=where)
            for entry in stretch.entries:
                yield entry
            if stretch.edge is None:
                return
            edge = stretch.edge

    async def bounds(
        self, start: Start, *, older: bool, where: Filter
    ) -> tuple[int | None, int | None, frozenset[str]]:
        """Low and high (ns), and places at the start that are on its other side."""
        first, last = span(where)
        low = None if first is None else first * 1000
        high = None if last is None else last * 1000
        if isinstance(start, Beginning | End):
            return low, high, frozenset()
        left_out: frozenset[str] = frozenset()
        if isinstance(start, AtTime):
            edge = start.time_us * 1000
        else:
            edge, word = stamp_of(start.place)
            if word:
                left_out = await self._other_side(edge, start.place, older=older)
                edge += older
        if older:
            return low, edge if high is None else min(edge, high), left_out
        return edge if low is None else max(edge, low), high, left_out

    async def _other_side(self, stamp: int, place: str, *, older: bool) -> frozenset[str]:
        """Places of that timestamp up to ``place`` (going newer) or from it on (going older), itself among them. Asked
        without a filter, for the record may not match the one in force now."""
        stretch = await self._store.stretch(stamp, stamp + 1, older=older, size=_FEWEST, where=EVERYTHING)
        places = [entry.record.place for entry in stretch.entries]
        if place not in places:
            return frozenset({place})
        at = places.index(place)
        return frozenset(places[at:] if older else places[: at + 1])


class Poll:
    """Remembers what it has handed on, so that an outage in between neither loses nor doubles.

    Each time it looks ``late_ns`` back behind the newest it has seen, for entries that arrive late.
    """

    def __init__(self, by_time: ByTime, start: Start, where: Filter, late_ns: int) -> None:
        self._by_time, self._start, self._where, self._late_ns = by_time, start, where, late_ns
        self._seen: dict[str, int] = {}
        self._floor: int | None = None
        self._low: int | None = None
        self._begun = False

    async def new(self) -> AsyncGenerator[list[Record], None]:
        """What has come since the last time, in batches. Raises LilFoxError; what it has handed on by then counts."""
        if not self._begun:
            await self._begin()
        asked_at = time.time_ns()
        taken: list[Stamped] = []
        async with aclosing(self._by_time.newer(self._low, self._where)) as entries:
            async for entry in entries:
                if entry.record.place not in self._seen:
                    taken.append(entry)
                if len(taken) >= _BATCH:
                    yield self._hand_on(taken)
                    taken = []
        yield self._hand_on(taken)
        self._look_from(asked_at - _SKEW_NS)
        self._seen = {place: stamp for place, stamp in self._seen.items() if stamp >= (self._low or 0)}

    def _hand_on(self, taken: list[Stamped]) -> list[Record]:
        self._seen.update((entry.record.place, entry.stamp) for entry in taken)
        if taken:
            self._look_from(min(taken[-1].stamp, time.time_ns()))
        return [entry.record for entry in taken if self._where.matches(entry.record)]

    def _look_from(self, known_ns: int) -> None:
        """What is late by ``late_ns`` behind ``known_ns`` is not looked for any more."""
        self._low = max(known_ns - self._late_ns, self._low or 0, self._floor or 0)

    async def _begin(self) -> None:
        if isinstance(self._start, End):
            now = time.time_ns()
            self._low = self._floor = now - self._late_ns
            async with aclosing(self._by_time.newer(self._floor, self._where)) as entries:
                self._seen = {entry.record.place: entry.stamp async for entry in entries}
        else:
            self._floor, _high, left_out = await self._by_time.bounds(self._start, older=False, where=EVERYTHING)
            self._seen = dict.fromkeys(left_out, self._floor or 0)
            self._low = self._floor
        self._begun = True


def place_of(stamp: int, word: str = "") -> str:
    """The place of an entry, or of the edge before ``stamp``."""
    return f"{stamp}:{word}"


def stamp_of(place: str) -> tuple[int, str]:
    """The two parts of a place."""
    stamp, _colon, word = place.partition(":")
    return int(stamp), word


def whole_stamps(entries: list[Stamped], *, older: bool) -> tuple[list[Stamped], int] | None:
    """Entries (oldest first) of an answer that was cut, without the timestamp where it was cut, and the edge to go on
    at; None where all are of one timestamp."""
    cut = entries[0].stamp if older else entries[-1].stamp
    kept = [entry for entry in entries if entry.stamp != cut]
    return (kept, cut + 1 if older else cut) if kept else None


def _page(found: list[Stamped], older: bool, more: Start | None) -> Page:
    records = [entry.record for entry in found]
    return Page(tuple(reversed(records)) if older else tuple(records), more)
