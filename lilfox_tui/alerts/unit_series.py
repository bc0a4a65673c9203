"""The series of one test: what it puts in, and what the rules make of it."""

from __future__ import annotations

import numpy as np

from lilfox_tui.i18n import Message, tr
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.matcher import Matcher
from lilfox_tui.scrape.matching import matches
from lilfox_tui.scrape.series import ABSENT_BITS, STALE, Floats, Selected, Times


class _Series:
    """One series; times ascend."""

    def __init__(self, labels: LabelSet) -> None:
        self.labels = labels
        self.list = LabelList((labels,))
        self.times: Times = np.empty(16, np.int64)
        self.values: Floats = np.empty((16, 1))
        self.count = 0

    def append(self, at_ms: int, value: Floats) -> Message | None:
        """One sample (an array of one, so that STALE stays STALE); gives what Prometheus would refuse it for."""
        if self.count:
            last_ms = self.times[self.count - 1]
            if at_ms < last_ms:
                return tr("out of order sample: {series}", series=self.labels)
            if at_ms == last_ms:
                same = self.values[self.count - 1].view(np.int64)[0] == value.view(np.int64)[0]
                return None if same else tr("duplicate sample for timestamp: {series}", series=self.labels)
        if self.count == len(self.times):
            self.times = np.concatenate([self.times, np.empty_like(self.times)])
            self.values = np.concatenate([self.values, np.empty_like(self.values)])
        self.times[self.count] = at_ms
        self.values[self.count] = value
        self.count += 1
        return None


class UnitSeries:
    """A source of series and a place for results (:class:`.group_results.Results`) at once, in which a series is one,
    whoever writes it, with the refusals of Prometheus' storage: an older sample, another value at the same time."""

    def __init__(self) -> None:
        self._series: dict[LabelSet, _Series] = {}
        self._chosen: dict[tuple[Matcher, ...], tuple[int, list[_Series]]] = {}
        self._given: dict[str, list[LabelSet]] = {}
        self._inputs: dict[LabelSet, tuple[Times, Floats]] = {}

    def put(self, labels: LabelSet, start_ms: int, interval_ms: int, values: Floats) -> None:
        """A series that a test gives; the last one with the same labels counts. It is seen as far as :meth:`advance`
        has come."""
        present = values.view(np.int64) != ABSENT_BITS
        times = start_ms + np.arange(len(values), dtype=np.int64) * interval_ms
        self._inputs[labels] = (times[present], values[present])

    def advance(self, until_ms: int) -> Message | None:
        """Lets the inputs be seen up to ``until_ms``; gives what could not be kept."""
        wrong: Message | None = None
        for labels, (times, values) in self._inputs.items():
            until = int(times.searchsorted(until_ms, "right"))
            for place in range(until):
                wrong = self._append(labels, int(times[place]), values[place : place + 1]) or wrong
            if until:
                self._inputs[labels] = (times[until:], values[until:])
        return wrong

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[Selected]:
        """As :meth:`.SeriesSource.select`."""
        seen, chosen = self._chosen.get(matchers, (0, []))
        every = list(self._series.values()) if seen < len(self._series) else []
        chosen += [
            one for one in every[seen:] if all(matches(matcher, one.labels.get(matcher.name)) for matcher in matchers)
        ]
        self._chosen[matchers] = (len(self._series), chosen)
        found = []
        for one in chosen:
            times = one.times[: one.count]
            start, end = times.searchsorted(start_ms), times.searchsorted(end_ms, "right")
            if start < end:
                found.append(Selected(one.list, times[start:end], one.values[start:end]))
        return found

    def write(self, rule: str, at_ms: int, labels: LabelList, values: Floats) -> Message | None:
        """As in :class:`.group_results.Results`."""
        wrong: Message | None = None
        given = []
        for place, one in enumerate(labels):
            refused = self._append(one, at_ms, values[place : place + 1])
            if refused is None:
                given.append(one)
            wrong = refused or wrong
        self._end(set(self._given.get(rule, ())) - set(given), at_ms)
        self._given[rule] = given
        return wrong

    def end(self, rule: str, at_ms: int) -> None:
        """As in :class:`.group_results.Results`."""
        self._end(set(self._given.pop(rule, ())), at_ms)

    def _end(self, gone: set[LabelSet], at_ms: int) -> None:
        for one in gone:
            self._append(one, at_ms, _STALE)

    def _append(self, labels: LabelSet, at_ms: int, value: Floats) -> Message | None:
        if not labels.pairs:
            return tr("a series without any label")
        if labels not in self._series:
            self._series[labels] = _Series(labels)
        return self._series[labels].append(at_ms, value)


_STALE: Floats = np.array([STALE])
