"""Which column of a target's matrix holds which series, and which columns a selector picks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.matcher import Matcher
from lilfox_tui.scrape.matching import condition

Places = slice | NDArray[np.intp]
_CHOICES_KEPT = 512
"""Selectors whose choice is remembered for one target; more are of somebody who types queries."""


class Choice(NamedTuple):
    """The series that a selector picks, and their columns; a slice where they stand together, which costs no copy."""

    labels: LabelList
    places: Places


class _Chosen(NamedTuple):
    """What a selector picks among the first ``width`` columns."""

    width: int
    places: list[int]
    choice: Choice | None


class _Known:
    """What all widths of one set of columns share; only ever added to, by the one that writes."""

    def __init__(self, before: dict[tuple[Matcher, ...], _Chosen]) -> None:
        self.sets: list[LabelSet] = []
        self.place_of: dict[LabelSet, int] = {}
        self.by_name: dict[str, list[int]] = {}
        self.chosen: dict[tuple[Matcher, ...], _Chosen] = {}
        self.before = before

    def add(self, sets: Iterable[LabelSet]) -> None:
        for labels in sets:
            self.by_name.setdefault(labels.get(NAME), []).append(len(self.sets))
            self.place_of[labels] = len(self.sets)
            self.sets.append(labels)


class Columns:
    """The first ``count`` columns of one matrix; more columns make another object, and this one stays as it is."""

    def __init__(self, known: _Known, count: int) -> None:
        self._known, self.count = known, count

    @classmethod
    def of(cls, sets: Sequence[LabelSet], before: Columns | None = None) -> Columns:
        """New columns in that order; what selectors picked ``before`` keeps its label lists where it is the same."""
        known = _Known({} if before is None else before._known.chosen)
        known.add(sets)
        return cls(known, len(sets))

    def widened(self, added: Sequence[LabelSet]) -> Columns:
        """With ``added`` behind these. Only for the newest columns, by the one that writes."""
        self._known.add(added)
        return Columns(self._known, self.count + len(added))

    def place_of(self, labels: LabelSet) -> int | None:
        """The column of a series, None where it has none."""
        place = self._known.place_of.get(labels)
        return place if place is not None and place < self.count else None

    def places_of(self, labels: Iterable[LabelSet]) -> list[int]:
        """The columns of series that all have one."""
        return [self._known.place_of[one] for one in labels]

    def sets(self, places: Iterable[int]) -> list[LabelSet]:
        """The series of these columns."""
        return [self._known.sets[place] for place in places]

    def choose(self, matchers: tuple[Matcher, ...]) -> Choice | None:
        """What all ``matchers`` take, None where that is nothing. ``labels`` of a choice is the same object as long as
        the choice is the same, also over a change of columns. Raises UsageError for a pattern that RE2 refuses."""
        known = self._known
        found = known.chosen.get(matchers)
        if found is not None and found.width == self.count:
            return found.choice
        if found is not None and found.width > self.count:
            return _choice(known, self._fitting(matchers, 0), None)
        places, old = ([], known.before.get(matchers)) if found is None else (found.places, found)
        more = self._fitting(matchers, 0 if found is None else found.width)
        if more or found is None:
            places = places + more
            choice = _choice(known, places, old.choice if old is not None else None)
        else:
            choice = found.choice
        if len(known.chosen) >= _CHOICES_KEPT:
            known.chosen.clear()
        known.chosen[matchers] = _Chosen(self.count, places, choice)
        return choice

    def _fitting(self, matchers: tuple[Matcher, ...], first: int) -> list[int]:
        """Columns from ``first`` on that all ``matchers`` take."""
        name = next((matcher.value for matcher in matchers if matcher.name == NAME and matcher.op == "="), None)
        if name is None:
            places = list(range(first, self.count))
        else:
            places = [place for place in self._known.by_name.get(name, ()) if first <= place < self.count]
        for matcher in matchers:
            fits = condition(matcher.op, matcher.value)
            places = [place for place in places if fits(self._known.sets[place].get(matcher.name))]
        return places


def _choice(known: _Known, places: Sequence[int], old: Choice | None) -> Choice | None:
    if not places:
        return None
    sets = tuple(known.sets[place] for place in places)
    labels = old.labels if old is not None and old.labels.sets == sets else LabelList(sets)
    return Choice(labels, together(places))


def together(places: Sequence[int]) -> Places:
    """``places`` as a slice where they follow each other, as an index otherwise."""
    if not places:
        return slice(0, 0)
    first, last = places[0], places[-1]
    if last - first + 1 == len(places) and all(b == a + 1 for a, b in pairwise(places)):
        return slice(first, last + 1)
    return np.asarray(places, np.intp)
