"""Which column of a target's matrix holds which series, and which columns a selector picks."""

from __future__ import annotations

from collections.abc import Sequence
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


class Columns:
    """The columns of one matrix. Never changed: more columns make a new object, which takes over what still holds."""

    def __init__(self, sets: Sequence[LabelSet], before: Columns | None = None) -> None:
        self.sets = tuple(sets)
        self.place_of = {labels: place for place, labels in enumerate(self.sets)}
        self._by_name: dict[str, list[int]] = {}
        for place, labels in enumerate(self.sets):
            self._by_name.setdefault(labels.get(NAME), []).append(place)
        self._choices: dict[tuple[Matcher, ...], Choice | None] = {}
        self._before = before._choices if before is not None else {}

    def __len__(self) -> int:
        return len(self.sets)

    def choose(self, matchers: tuple[Matcher, ...]) -> Choice | None:
        """What all ``matchers`` take, None where that is nothing. ``labels`` of a choice is the same object as long as
        the choice is the same, also over a change of columns. Raises UsageError for a pattern that RE2 refuses."""
        try:
            return self._choices[matchers]
        except KeyError:
            pass
        if len(self._choices) >= _CHOICES_KEPT:
            self._choices.clear()
        choice = self._choices[matchers] = self._chosen(matchers)
        return choice

    def _chosen(self, matchers: tuple[Matcher, ...]) -> Choice | None:
        name = next((matcher.value for matcher in matchers if matcher.name == NAME and matcher.op == "="), None)
        places: Sequence[int] = range(len(self.sets)) if name is None else self._by_name.get(name, ())
        for matcher in matchers:
            fits = condition(matcher.op, matcher.value)
            places = [place for place in places if fits(self.sets[place].get(matcher.name))]
        if not places:
            return None
        sets = tuple(self.sets[place] for place in places)
        old = self._before.get(matchers)
        labels = old.labels if old is not None and old.labels.sets == sets else LabelList(sets)
        return Choice(labels, together(places))


def together(places: Sequence[int]) -> Places:
    """``places`` as a slice where they follow each other, as an index otherwise."""
    first, last = places[0], places[-1]
    if last - first + 1 == len(places) and all(b == a + 1 for a, b in pairwise(places)):
        return slice(first, last + 1)
    return np.asarray(places, np.intp)
