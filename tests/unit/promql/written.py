"""Series written down in a test, as a source for the evaluator."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_3, Line, Semantics, Vector
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet, Matcher, matches
from lilfox_tui.scrape.store import ABSENT_BITS, STALE_BITS, SelectedSeries

_PAIR = re.compile(r'(\w+)="([^"]*)"')


def labels(text: str) -> LabelSet:
    """``name{a="b"}`` as a label set."""
    name, _, inner = text.partition("{")
    return LabelSet.of([(NAME, name), *_PAIR.findall(inner)])


class Written:
    """One target, a row every ``step_ms`` from 0 on. Values are divided by spaces; ``_`` is none, ``stale`` the end."""

    def __init__(self, series: Mapping[str, str], *, step_ms: int = 10_000) -> None:
        self.sets = [labels(text) for text in series]
        rows = [values.split() for values in series.values()]
        longest = max(map(len, rows))
        self.times = np.arange(longest, dtype=np.int64) * step_ms
        self.values = np.empty((longest, len(rows)))
        bits = self.values.view(np.int64)
        bits.fill(ABSENT_BITS)
        for column, row in enumerate(rows):
            for place, word in enumerate(row):
                if word == "stale":
                    bits[place, column] = STALE_BITS
                elif word != "_":
                    self.values[place, column] = float(word)
        self.lists: dict[tuple[Matcher, ...], tuple[LabelList, list[int]]] = {}

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[SelectedSeries]:
        """See SeriesSource."""
        if matchers not in self.lists:
            columns = [
                place
                for place, one in enumerate(self.sets)
                if all(matches(matcher, one.get(matcher.name)) for matcher in matchers)
            ]
            self.lists[matchers] = LabelList([self.sets[place] for place in columns]), columns
        names, columns = self.lists[matchers]
        rows = slice(*np.searchsorted(self.times, [start_ms, end_ms + 1]))
        return [SelectedSeries(names, self.times[rows], self.values[rows, columns])] if columns else []


def at(source: Written, text: str, at_s: float, semantics: Semantics = PROMETHEUS_3) -> dict[str, float]:
    """The vector that a query gives: labels as text, and values, in its order."""
    value = parse(text, semantics).at(source, round(at_s * 1000))
    assert isinstance(value, Vector), value
    return {str(one): number for one, number in zip(value.labels, value.values.tolist(), strict=True)}


def lines(found: list[Line]) -> dict[str, list[tuple[float, float]]]:
    """Lines as labels and (seconds, value) pairs."""
    return {
        str(one.labels): [(ms / 1000, value) for ms, value in zip(one.times.tolist(), one.values.tolist(), strict=True)]
        for one in found
    }
