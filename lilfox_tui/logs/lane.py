"""One source's part of a merged window: what is loaded of it, in its own order, and where to go on at either end.

A lane's times never go back: a record without a time takes that of the record before, and one that is out of order
stands where its source has it. So each lane is sorted, and merging is sorting.
"""

from __future__ import annotations

from asyncio import Task
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lilfox_tui.feed import Unavailable
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import AtPlace, LogSource, Notice, Page, Start

OLDEST_US = -(2**62)
"""The time of records that have none, nor any before them."""
HELD_AT_MOST = 1000
"""Records without a time that wait for an older one with a time; more take that of the record after them."""


class Key(NamedTuple):
    """Where a record stands among all: by time, then by its source's turn, then as its source has it."""

    time_us: int
    lane: int
    sequence: int


LOWEST = Key(OLDEST_US - 1, -1, 0)
HIGHEST = Key(2**62, 0, 0)


class Shown(NamedTuple):
    """A record, or a notice of its source, at its place in the list."""

    key: Key
    item: Record | Notice


class Edge:
    """One end of what is loaded. ``start`` is where to go on; ``done``: nothing is further, as of the last answer.

    ``late``: others are not kept waiting for it; what it brings is inserted.
    """

    def __init__(self, start: Start | None) -> None:
        self.start = start
        self.done = start is None
        self.late = False
        self.task: Task[None] | None = None

    def goes_on_from(self) -> Start | None:
        """Where the next page begins; None when nothing is further."""
        return None if self.done else self.start

    @property
    def loading(self) -> bool:
        """Whether an answer is awaited."""
        return self.task is not None and not self.task.done()


class Lane:
    """What is loaded of one source, sorted, without a gap."""

    def __init__(self, index: int, source: LogSource, *, alone: bool) -> None:
        self.index = index
        self._alone = alone
        self.source = source
        self.trouble: Unavailable | None = None
        self.failures = 0
        self.begin(None, None, OLDEST_US)

    def begin(self, older: Start | None, newer: Start | None, time_us: int) -> None:
        """Forgets what is loaded and starts anew, going on from ``older`` and ``newer`` (None: that end is reached)."""
        self.items: list[Shown] = []
        self.edges = {True: Edge(older), False: Edge(newer)}
        self.follower: Task[None] | None = None
        self.skipped = 0
        self._time_us = time_us
        self._held: tuple[Record, ...] = ()
        self._places: set[str] = set()
        self._first = self._last = 0

    def put(self, record: Record, time_us: int) -> None:
        """Begins with ``record``, which no page of either end will have."""
        self.take_newer([record], time_us)

    @property
    def outage(self) -> Unavailable | None:
        """Why what is new does not come now, where the source waits for it by itself."""
        state = self.source.status.state
        return state if self.follower is not None and isinstance(state, Unavailable) else None

    @property
    def older(self) -> Edge:
        """The end towards the past."""
        return self.edges[True]

    @property
    def newer(self) -> Edge:
        """The end towards now."""
        return self.edges[False]

    def reaches(self, key: Key, *, older: bool) -> bool:
        """Whether everything between what is loaded and ``key`` is loaded too."""
        if self.edges[older].done:
            return True
        return bool(self.items) and (self.items[0].key <= key if older else self.items[-1].key >= key)

    def take(self, page: Page, *, older: bool) -> int:
        """Adds a page at one end; returns how many records of it can be placed by now."""
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

    def _take_older(self, records: Sequence[Record]) -> None:
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
            placed.append(Shown(Key(min(carried, limit), self.index, self._first + offset), record))
            self._places.add(record.place)
        self.items[:0] = placed

    def _time_after(self, fresh: Sequence[Record], first_timed: int) -> int:
        """The time that records get which follow none that is known: that of the one after them."""
        if first_timed < len(fresh) and (time_us := fresh[first_timed].entry.time_us) is not None:
            return time_us
        return self.items[0].key.time_us if self.items else OLDEST_US

    def take_newer(self, items: Iterable[Record | Notice], now_us: int | None = None) -> None:
        """Adds at the newer end. ``now_us`` is the time of what has none and follows nothing that has one."""
        carried = self.items[-1].key.time_us if self.items else self._time_us
        for item in items:
            if isinstance(item, Record):
                if item.place in self._places:
                    continue
                self._places.add(item.place)
                time_us = item.entry.time_us
            else:
                time_us = item.time_us
            if time_us is None and carried == OLDEST_US and now_us is not None:
                time_us = now_us
            carried = carried if time_us is None else max(carried, time_us)
            self.items.append(Shown(Key(carried, self.index, self._last), item))
            self._last += 1

    def _go_on_from_last(self) -> None:
        """Once the newer end is reached, what comes later is after the last record."""
        if self.newer.done and (last := self._outermost(older=False)) is not None:
            self.newer.start = AtPlace(last.place)

    def took_newer(self) -> None:
        """To be called after records were added that were followed: the next ones come after them."""
        self._go_on_from_last()

    def leap(self, items: Sequence[Record | Notice]) -> None:
        """Has ``items`` in the place of what is loaded: so much has come that what is between is not loaded."""
        first = next((each for each in items if isinstance(each, Record)), None)
        if self.items:
            self._time_us = self.items[-1].key.time_us
        self.items, self._places, self._held = [], set(), ()
        if self.older.task is not None:
            self.older.task.cancel()
        self.edges[True] = Edge(None if first is None else AtPlace(first.place))
        self.take_newer(items)
        self._go_on_from_last()

    def drop(self, beyond: Key, *, older: bool) -> None:
        """Forgets what is past ``beyond`` at one end, but for one record, from which that end goes on."""
        keep = [shown for shown in self.items if (shown.key >= beyond if older else shown.key <= beyond)]
        if len(keep) == len(self.items):
            return
        if not any(isinstance(shown.item, Record) for shown in keep):
            spare = [shown for shown in self.items if isinstance(shown.item, Record)]
            keep = spare[-1:] if older else spare[:1]
        self.items = keep
        self._places = {shown.item.place for shown in keep if isinstance(shown.item, Record)}
        outermost, edge = self._outermost(older=older), self.edges[older]
        if outermost is not None:
            self.edges[older] = Edge(AtPlace(outermost.place))
            if edge.task is not None:
                edge.task.cancel()  # what it brings does not join what is left
        if older:
            self._held = ()

    def _outermost(self, *, older: bool) -> Record | None:
        items = self.items if older else reversed(self.items)
        return next((shown.item for shown in items if isinstance(shown.item, Record)), None)

    @property
    def tells_no_time(self) -> bool:
        """Whether nothing that is loaded has a time: it then stands where it cannot be compared, at the oldest end."""
        records = [*self._held, *(each.item for each in self.items if isinstance(each.item, Record))]
        return bool(records) and all(each.entry.time_us is None for each in records)

    @property
    def last_place(self) -> str | None:
        """The place of the newest record that is loaded."""
        last = self._outermost(older=False)
        return None if last is None else last.place
