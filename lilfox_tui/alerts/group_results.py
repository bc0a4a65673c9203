"""Where rules put their results, so that later rules and queries find them as series."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from lilfox_tui.i18n import Message, tr
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.series import Floats
from lilfox_tui.scrape.store import Store

ALERTS = "ALERTS"
FOR_STATE = "ALERTS_FOR_STATE"
"""The series that alerts make of themselves, as in Prometheus."""


class Results(Protocol):
    """Keeps the series of rules. ``rule`` is the rule's identity (:attr:`.group_rule.RunningRule.identity`)."""

    def write(self, rule: str, at_ms: int, labels: LabelList, values: Floats) -> Message | None:
        """All that a rule gave at ``at_ms``; its series that are not among ``labels`` any more end there. Gives what
        was wrong with a part that could not be kept."""
        ...

    def end(self, rule: str, at_ms: int) -> None:
        """The rule is no more: its series end."""
        ...


class StoreResults:
    """Results in the store of what was scraped, a target a rule.

    A series belongs to the rule that writes it first, until that rule gives it no more; another rule that gives it too
    is told so, and its value is dropped (Prometheus would mix both in one series). Only one thread may write.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._given: dict[str, LabelList] = {}
        self._kept: dict[str, tuple[LabelList, list[int]]] = {}
        self._owner: dict[LabelSet, str] = {}

    def write(self, rule: str, at_ms: int, labels: LabelList, values: Floats) -> Message | None:
        """As in :class:`Results`."""
        if self._given.get(rule) is not labels or self._kept[rule][0] is not labels:
            self._given[rule] = labels
            self._kept[rule] = self._own(rule, labels)
        kept, places = self._kept[rule]
        self._append(rule, at_ms, kept, values if kept is labels else values[places])
        lost = () if kept is labels else set(labels) - set(kept)
        other = next((one for one in lost if one.get(NAME) not in (ALERTS, FOR_STATE)), None)
        if other is None:
            return None
        return tr("another rule records {series} too; give one of them another name or a label", series=other)

    def end(self, rule: str, at_ms: int) -> None:
        """As in :class:`Results`."""
        self._own(rule, LabelList(()))
        self._given.pop(rule, None)
        if self._kept.pop(rule, None) is not None:
            self._store.target(rule).end(at_ms)

    def _own(self, rule: str, labels: LabelList) -> tuple[LabelList, list[int]]:
        """What of ``labels`` is this rule's, and at which places it stands."""
        for one in self._kept[rule][0] if rule in self._kept else ():
            del self._owner[one]
        places = [place for place, one in enumerate(labels) if self._owner.setdefault(one, rule) == rule]
        return (labels if len(places) == len(labels) else LabelList([labels[place] for place in places])), places

    def _append(self, rule: str, at_ms: int, labels: LabelList, values: Floats) -> None:
        target = self._store.target(rule)
        if at_ms < (target.newest_ms or 0):
            # the clock was set back: rows would be refused until it is where it was
            self._store.drop(rule)
            target = self._store.target(rule)
        if len(labels) or target.series_count:
            target.append(at_ms, labels, np.ascontiguousarray(values))
