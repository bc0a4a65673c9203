"""Tables that several backend kinds share: queues with their workers, and circuit breakers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import IntEnum

from msgspec import Struct

from lilfox_tui.backends.model import (
    BackendChart,
    BackendCurve,
    BackendFact,
    BackendReading,
    Figure,
    Finding,
    Table,
    TableColumn,
    above,
    worst_first,
)
from lilfox_tui.config.model import Threshold
from lilfox_tui.core.i18n import Message, ntr, tr
from lilfox_tui.core.text import human_count, human_duration
from lilfox_tui.metrics.model import Level, Series

TREND_S = 300.0
"""The trend is over so much of the past at most."""
MOST_SERIES = 50
"""Queues with series of their own, the longest first; the others count in the sum."""
LENGTH = Series("queue_messages")
_SLOPE = Series("queue_growth_per_second")
_FAILED = Series("queue_failed")
_CONSUMERS = Series("queue_consumers")
QUEUE_CHARTS: tuple[BackendChart, ...] = (
    BackendChart(
        tr("Messages"),
        (
            BackendCurve(LENGTH, tr("queued")),
            BackendCurve(Series("queue_taken"), tr("in progress")),
            BackendCurve(Series("queue_later"), tr("later")),
            BackendCurve(_FAILED, tr("failed")),
        ),
    ),
    BackendChart(tr("Workers"), (BackendCurve(_CONSUMERS, tr("workers")),)),
)
"""Of every kind of queues."""


class Queue(Struct, frozen=True):
    """One queue. ``waiting`` messages are not taken yet, ``taken`` ones are in progress, ``later`` ones are not due
    yet, ``failed`` ones are kept after a failure; None means unknown."""

    name: str
    waiting: int
    taken: int | None = None
    later: int | None = None
    failed: int | None = None
    consumers: int | None = None


class Backlog:
    """Turns the queues of one backend into readings, and keeps their total length for the trend. ``length`` is the
    limit for each queue."""

    def __init__(self, length: Threshold) -> None:
        self._length = length
        self._sums: deque[tuple[float, int]] = deque()

    def reading(
        self, queues: Sequence[Queue], *, facts: tuple[BackendFact, ...] = (), findings: Sequence[Finding] = ()
    ) -> BackendReading:
        """Return the queues as one reading."""
        total = sum(queue.waiting for queue in queues)
        now = time.monotonic()
        self._sums.append((now, total))
        while self._sums[0][0] < now - TREND_S:
            self._sums.popleft()
        slope = slope_of(self._sums)
        found = (*findings, *(each for queue in queues for each in self._findings(queue)))
        return BackendReading(
            at=datetime.now(UTC),
            values=dict(_values(queues, total, slope)),
            findings=worst_first(iter(found)),
            facts=(*_facts(total, slope), *facts),
            tables=(_table(queues),),
            checked=(tr("length of queues"), tr("consumers")),
        )

    def _findings(self, queue: Queue) -> Iterator[Finding]:
        text = tr("queue {name}: {count} queued", name=queue.name, count=human_count(queue.waiting))
        yield from above(queue.waiting, self._length, text)
        if queue.waiting and queue.consumers == 0:
            text = tr("queue {name}: {count} queued and no consumers", name=queue.name,
                      count=human_count(queue.waiting))  # fmt: skip
            yield Finding(Level.DEGRADED, text)


def slope_of(points: Sequence[tuple[float, int]]) -> float | None:
    """Return the slope in messages per second, by least squares over ``(second, length)``; None if the points span no
    time."""
    if len(points) < 2:
        return None
    mean_x = sum(x for x, _y in points) / len(points)
    mean_y = sum(y for _x, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _y in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread > 0 else None


def queue_headline(values: Mapping[Series, float]) -> tuple[Figure, ...]:
    """Return the figures of the summary line: ``1204 queued``, then ``growing 3.2/s`` or ``empty in 4 min``, and the
    number of workers and of failed messages."""
    total = values.get(LENGTH)
    if total is None:
        return ()
    figures = [Figure(tr("{count} queued", count=human_count(round(total))))]
    slope = values.get(_SLOPE)
    if slope is not None and slope > 0.005:
        figures.append(Figure(tr("growing {rate:.2g}/s", rate=slope), Level.DEGRADED))
    elif slope is not None and slope < -0.005 and total >= 1:
        figures.append(Figure(tr("empty in {time}", time=human_duration(total / -slope))))
    if (consumers := values.get(_CONSUMERS)) is not None:
        workers = ntr("{shown} worker", "{shown} workers", round(consumers), shown=human_count(round(consumers)))
        figures.append(Figure(workers))
    if failed := values.get(_FAILED):
        figures.append(Figure(tr("{count} failed", count=human_count(round(failed))), Level.DEGRADED))
    return tuple(figures)


def _values(queues: Sequence[Queue], total: int, slope: float | None) -> Iterator[tuple[Series, float]]:
    yield LENGTH, float(total)
    if slope is not None:
        yield _SLOPE, slope
    for queue in sorted(queues, key=lambda each: -each.waiting)[:MOST_SERIES]:
        yield Series("queue_length", (("queue", queue.name),)), float(queue.waiting)
    for series, known in (
        (_FAILED, [queue.failed for queue in queues if queue.failed is not None]),
        (_CONSUMERS, [queue.consumers for queue in queues if queue.consumers is not None]),
        (Series("queue_taken"), [queue.taken for queue in queues if queue.taken is not None]),
        (Series("queue_later"), [queue.later for queue in queues if queue.later is not None]),
    ):
        if known:
            yield series, float(sum(known))


def _facts(total: int, slope: float | None) -> tuple[BackendFact, ...]:
    drained_s = total / -slope if slope is not None and slope < 0 and total else None
    return (
        BackendFact("messages", tr("queued in all queues"), float(total), "count"),
        BackendFact("growth", tr("growth per second"), None if slope is None else f"{slope:+.2f}"),
        BackendFact("empty_in_s", tr("empty in"), drained_s, "seconds"),
    )


def _table(queues: Sequence[Queue]) -> Table:
    columns = (
        TableColumn("name", tr("queue")), TableColumn("waiting", tr("queued"), "count"),
        TableColumn("taken", tr("in progress"), "count"),
        TableColumn("later", tr("later"), "count"), TableColumn("failed", tr("failed"), "count"),
        TableColumn("consumers", tr("workers"), "count"),
    )  # fmt: skip
    rows = tuple(
        (each.name, each.waiting, each.taken, each.later, each.failed, each.consumers)
        for each in sorted(queues, key=lambda each: (-each.waiting, each.name))
    )
    return Table("queues", tr("Queues"), columns, rows, None if rows else tr("no queues"))


# Circuit breakers of whichever library: their states, and how often they tripped lately.


TRIPS_FOR_S = 600.0
"""Trips are counted over so much of the past."""
NOT_CLOSED = Series("breakers_not_closed")
BREAKER_CHARTS: tuple[BackendChart, ...] = (
    BackendChart(tr("Breakers that are not closed"), (BackendCurve(NOT_CLOSED, tr("not closed")),)),
)
"""Of every kind of breakers."""
_STATE = "breaker_state"
_TRIPS = "breaker_trips"
_MOST_NAMED = 4


class BreakerState(IntEnum):
    """The state of a breaker; the numbers are those of the metric ``breaker_state``."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2
    DISABLED = 3


_LEVELS = {BreakerState.CLOSED: Level.GOOD, BreakerState.HALF_OPEN: Level.DEGRADED, BreakerState.OPEN: Level.FAILING}
_WORDS = {
    BreakerState.CLOSED: tr("closed"),
    BreakerState.HALF_OPEN: tr("half-open"),
    BreakerState.OPEN: tr("open"),
    BreakerState.DISABLED: tr("disabled"),
}


class Breaker(Struct, frozen=True):
    """One breaker; ``state`` is None if unknown. ``detail`` is additional information from its library."""

    name: str
    state: BreakerState | None
    detail: Message | str = ""


class TripCounter:
    """Turns the breakers of one backend into readings, and counts how often each has tripped."""

    def __init__(self) -> None:
        self._before: dict[str, BreakerState | None] = {}
        self._tripped: dict[str, deque[float]] = {}

    def reading(self, breakers: Sequence[Breaker], *, incomplete: Message | None = None) -> BackendReading:
        """Return the breakers as one reading, with how often each tripped."""
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
            values=dict(_breakers_values(breakers, trips)),
            findings=worst_first(_findings(breakers, trips)),
            facts=(BackendFact("breakers", tr("breakers"), len(breakers), "count"),),
            tables=(_breakers_table(breakers, trips),),
            incomplete=incomplete,
            checked=(tr("state of breakers"),),
        )


def breaker_headline(values: Mapping[Series, float]) -> tuple[Figure, ...]:
    """Return the figures of the summary line, such as ``model half-open (2 trips in 10 min)`` and ``11 closed``."""
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
    if more := [_LEVELS[states[name]] for name in ill[_MOST_NAMED:]]:
        figures.append(Figure(tr("{count} more", count=len(more)), max(more)))
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


def _breakers_values(breakers: Sequence[Breaker], trips: Mapping[str, int]) -> Iterator[tuple[Series, float]]:
    for breaker in breakers:
        labels = (("breaker", breaker.name),)
        if breaker.state is not None:
            yield Series(_STATE, labels), float(breaker.state)
        yield Series(_TRIPS, labels), float(trips[breaker.name])
    known = [breaker.state for breaker in breakers if breaker.state is not None]
    if known:
        yield NOT_CLOSED, float(sum(state in (BreakerState.HALF_OPEN, BreakerState.OPEN) for state in known))


def _breakers_table(breakers: Sequence[Breaker], trips: Mapping[str, int]) -> Table:
    columns = (
        TableColumn("name", tr("breaker")), TableColumn("state", tr("state")),
        TableColumn("trips", tr("trips"), "count"), TableColumn("detail", tr("detail")),
    )  # fmt: skip
    rows = tuple(
        (each.name, tr("unknown") if each.state is None else _WORDS[each.state], trips[each.name], each.detail)
        for each in sorted(breakers, key=lambda each: (-(each.state or 0), each.name))
    )
    return Table("breakers", tr("Circuit breakers"), columns, rows, None if rows else tr("no circuit breakers"))
