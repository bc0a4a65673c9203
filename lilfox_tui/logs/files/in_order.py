"""What several logs tell at about the same time, put into the order of time."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from lilfox_tui.logs.files.cut import FOREVER_US, Cut, edge_behind
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import Notice, Passed

MOST = 10_000
"""So many items wait for others; more are given at once."""


class _Waiting(NamedTuple):
    time_us: int
    number: int
    came_s: float
    log: str
    item: Record | Notice


class InOrder:
    """Items of logs (by their paths) that wait; each log's own keep their order. ``cut`` is where what was given ends
    in each log."""

    def __init__(self, cut: Cut) -> None:
        self._begin_us = cut.time_us
        self._time_us = cut.time_us
        self._edges = dict(cut.edges)
        self._times: dict[str, int] = {}
        self._waiting: list[_Waiting] = []
        self._numbers = 0
        self._passed = 0

    @property
    def cut(self) -> Cut:
        """Where what was given ends."""
        return Cut(self._time_us, dict(self._edges))

    def put(self, log: str, batch: list[Record | Notice | Passed], now_s: float) -> None:
        """Takes what a log tells. Where it has passed over records, what all had before that is passed over too."""
        gap = False
        for item in batch:
            if isinstance(item, Passed):
                self._passed += item.count
                self._pass_over(log=log)
                gap = True
                continue
            known = item.entry.time_us if isinstance(item, Record) else None
            time_us = max(self._times.get(log, self._begin_us), self._begin_us if known is None else known)
            self._times[log] = time_us
            if gap and isinstance(item, Record):
                self._pass_over(before_us=time_us)
                gap = False
            heapq.heappush(self._waiting, _Waiting(time_us, self._numbers, now_s, log, item))
            self._numbers += 1

    def _pass_over(self, *, log: str = "", before_us: int = FOREVER_US) -> None:
        """Counts the records that wait, of one log or of all, from before a time, instead of giving them."""
        kept = [
            each
            for each in self._waiting
            if isinstance(each.item, Notice) or each.time_us >= before_us or log not in ("", each.log)
        ]
        self._passed += len(self._waiting) - len(kept)
        heapq.heapify(kept)
        self._waiting = kept

    @property
    def waits(self) -> bool:
        """Whether anything waits."""
        return bool(self._waiting)

    def ready(self, until_s: float) -> list[Record | Notice | Passed]:
        """What came up to then, and all that is of an earlier time."""
        found: list[Record | Notice | Passed] = [Passed(self._passed)] if self._passed else []
        self._passed = 0
        if len(self._waiting) > MOST:
            until_s = float("inf")
        latest_us = max((each.time_us for each in self._waiting if each.came_s <= until_s), default=None)
        while latest_us is not None and self._waiting and self._waiting[0].time_us <= latest_us:
            each = heapq.heappop(self._waiting)
            found.append(each.item)
        return found

    def gave(self, batch: Sequence[Record | Notice | Passed]) -> str | None:
        """Notes that these were given; returns the place of the last record of them."""
        records = [each for each in batch if isinstance(each, Record)]
        for record in records:
            self._edges[record.log] = edge_behind(record)
            self._time_us = max(self._time_us, record.entry.time_us or self._begin_us)
        return records[-1].place if records else None
