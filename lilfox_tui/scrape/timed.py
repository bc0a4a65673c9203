"""Samples that tell their own time, such as those of cAdvisor: rows of the store, though each may have another time.

Series that change together share a matrix. They never end with STALE, as in Prometheus: their time tells their age.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from lilfox_tui.scrape.exposition import Timed
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.series import ABSENT_BITS
from lilfox_tui.scrape.store import Store

_OLDEST_MS = 3_600_000
_NEWEST_MS = 600_000
"""Prometheus takes nothing that is more than 10 minutes ahead, and nothing that is older than its newest block."""
_MOST_GROUPS = 500
"""Series past these share the last group, where a sample may come too late for it."""
_SERIES_SPARE = 1000
"""When so many more are remembered than a page has, most of them are gone: it is begun anew."""


class Refused(Struct):
    """How many samples were dropped: too old or not after the last one of their series, too far in the future."""

    old: int = 0
    future: int = 0


class _Group:
    def __init__(self) -> None:
        self.places: dict[LabelSet, int] = {}
        self.labels = LabelList(())


class TimedSeries:
    """Those of one target; ``key`` is the target's in the store."""

    def __init__(self, store: Store, key: str) -> None:
        self._store, self._key = store, key
        self._groups: list[_Group] = []
        self._group_of: dict[LabelSet, int] = {}
        self._newest: dict[LabelSet, int] = {}

    def append(self, samples: Sequence[Timed], now_ms: int) -> Refused:
        """Keeps ``samples``; a sample that was there at the last scrape too is not counted as refused."""
        refused = Refused()
        rows: dict[int, dict[int, list[Timed]]] = {}
        group_at: dict[int, int] = {}
        for sample in sorted(samples, key=lambda one: one.at_ms):
            if self._is_new(sample, now_ms, refused):
                number = self._number(sample, group_at)
                group_at.setdefault(sample.at_ms, number)
                rows.setdefault(number, {}).setdefault(sample.at_ms, []).append(sample)
        for number, times in rows.items():
            group = self._groups[number]
            if len(group.labels) < len(group.places):
                group.labels = LabelList(tuple(group.places))
            for at_ms, row in times.items():
                self._write(number, at_ms, row, refused)
        if len(self._newest) > 2 * len(samples) + _SERIES_SPARE:
            self._groups, self._group_of, self._newest = [], {}, {}
        return refused

    def _is_new(self, sample: Timed, now_ms: int, refused: Refused) -> bool:
        newest = self._newest.get(sample.labels)
        if sample.at_ms > now_ms + _NEWEST_MS:
            refused.future += 1
            return False
        if sample.at_ms < now_ms - _OLDEST_MS or (newest is not None and sample.at_ms < newest):
            refused.old += 1
            return False
        self._newest[sample.labels] = sample.at_ms
        return sample.at_ms != newest

    def _number(self, sample: Timed, group_at: dict[int, int]) -> int:
        number = self._group_of.get(sample.labels)
        if number is None:
            number = group_at.get(sample.at_ms)
            if number is None:
                number = min(len(self._groups), _MOST_GROUPS - 1)
                if number == len(self._groups):
                    self._groups.append(_Group())
            self._group_of[sample.labels] = number
            places = self._groups[number].places
            places[sample.labels] = len(places)
        return number

    def _write(self, number: int, at_ms: int, row: Sequence[Timed], refused: Refused) -> None:
        group = self._groups[number]
        values = np.empty(len(group.labels))
        values.view(np.int64).fill(ABSENT_BITS)
        values[[group.places[one.labels] for one in row]] = [one.value for one in row]
        if not self._store.target(f"{self._key}#{number}").append(at_ms, group.labels, values):
            refused.old += len(row)
