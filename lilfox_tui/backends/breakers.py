"""Circuit breakers of whichever library: their states, and how often they tripped lately."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum

from msgspec import Struct

from lilfox_tui.backends.model import BackendFact, BackendReading, Figure, Finding, Table, TableColumn, worst_first
from lilfox_tui.i18n import Message, ntr, tr
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.text import human_count, human_duration

TRIPS_FOR_S = 600.0
"""Trips are counted over so much of the past."""
NOT_CLOSED = Series("breakers_not_closed")
_STATE = "breaker_state"
_TRIPS = "breaker_trips"
_MOST_NAMED = 4


class BreakerState(IntEnum):
    """What a breaker does, by the number in ``breaker_state``."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2
    DISABLED = 3


_LEVELS = {BreakerState.CLOSED: Level.GOOD, BreakerState.HALF_OPEN: Level.DEGRADED, BreakerState.OPEN: Level.FAILING}
_WORDS = {
    BreakerState.CLOSED: tr("closed"),
    BreakerState.HALF_OPEN: tr("half-open"),
    BreakerState.OPEN: tr("open"),
    BreakerState.DISABLED: tr("switched off"),
}


class Breaker(Struct, frozen=True):
    """One breaker; its ``state`` is None where it is not known. ``detail`` is what its library adds."""

    name: str
    state: BreakerState | None
    detail: str = ""


class TripCounter:
    """The looks at all breakers of one backend, for what changed between them."""

    def __init__(self) -> None:
        self._before: dict[str, BreakerState | None] = {}
        self._tripped: dict[str, deque[float]] = {}

    def reading(self, breakers: Sequence[Breaker], *, incomplete: Message | None = None) -> BackendReading:
        """One look as a reading."""
        now = time.monotonic()
        for breaker in breakers:
            before = self._before.get(breaker.name)
            if breaker.state is BreakerState.OPEN and before not in (None, BreakerState.OPEN):
                self._tripped.setdefault(breaker.name, deque()).append(now)
        self._before = {breaker.name: breaker.state for breaker in breakers}
        for times in self._tripped.values():
            while times and times[0] < now - TRIPS_FOR_S:
                times.popleft()
        trips = {breaker.name: len(self._tripped.get(breaker.name, ())) for breaker in breakers}
        return BackendReading(
            at=datetime.now(UTC),
            values=dict(_values(breakers, trips)),
            findings=worst_first(_findings(breakers, trips)),
            facts=(BackendFact("breakers", tr("breakers"), len(breakers), "count"),),
            tables=(_table(breakers, trips),),
            incomplete=incomplete,
        )


def headline(values: Mapping[Series, float]) -> tuple[Figure, ...]:
    """``model half-open (2 trips in 10 min)  11 closed``"""
    states: dict[str, BreakerState] = {}
    for series, value in values.items():
        if series.name == _STATE:
            states[series.label("breaker")] = BreakerState(
                min(BreakerState.DISABLED, max(BreakerState.CLOSED, round(value)))
            )
    figures = []
    ill = sorted((name for name, state in states.items() if _LEVELS.get(state)), key=lambda name: -states[name])
    for name in ill[:_MOST_NAMED]:
        trips = round(values.get(Series(_TRIPS, (("breaker", name),)), 0))
        figures.append(Figure(_said(name, states[name], trips), _LEVELS[states[name]]))
    if len(ill) > _MOST_NAMED:
        figures.append(Figure(tr("{count} more", count=len(ill) - _MOST_NAMED), Level.FAILING))
    if states:
        closed = sum(state is BreakerState.CLOSED for state in states.values())
        figures.append(Figure(tr("{count} closed", count=human_count(closed))))
    return tuple(figures)


def _said(name: str, state: BreakerState, trips: int) -> Message:
    if not trips:
        return tr("{name} {state}", name=name, state=_WORDS[state])
    return ntr("{name} {state} ({count} trip in {time})", "{name} {state} ({count} trips in {time})",
               trips, name=name, state=_WORDS[state], time=human_duration(TRIPS_FOR_S))  # fmt: skip


def _findings(breakers: Sequence[Breaker], trips: Mapping[str, int]) -> Iterator[Finding]:
    for breaker in breakers:
        if breaker.state is not None and (level := _LEVELS.get(breaker.state, Level.GOOD)):
            yield Finding(level, _said(breaker.name, breaker.state, trips[breaker.name]))


def _values(breakers: Sequence[Breaker], trips: Mapping[str, int]) -> Iterator[tuple[Series, float]]:
    for breaker in breakers:
        labels = (("breaker", breaker.name),)
        if breaker.state is not None:
            yield Series(_STATE, labels), float(breaker.state)
        yield Series(_TRIPS, labels), float(trips[breaker.name])
    known = [breaker.state for breaker in breakers if breaker.state is not None]
    if known:
        yield NOT_CLOSED, float(sum(state in (BreakerState.HALF_OPEN, BreakerState.OPEN) for state in known))


def _table(breakers: Sequence[Breaker], trips: Mapping[str, int]) -> Table:
    columns = (
        TableColumn("name", tr("breaker")), TableColumn("state", tr("state")),
        TableColumn("trips", tr("trips"), "count"), TableColumn("detail", tr("it says")),
    )  # fmt: skip
    rows = tuple(
        (each.name, tr("not known") if each.state is None else _WORDS[each.state], trips[each.name], each.detail)
        for each in sorted(breakers, key=lambda each: (-(each.state or 0), each.name))
    )
    return Table("breakers", tr("Circuit breakers"), columns, rows, None if rows else tr("there are no breakers"))
