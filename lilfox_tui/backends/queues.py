"""Queues of whichever kind: how long, how fast they grow, when they will be empty, and who takes from them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from lilfox_tui.backends.model import (
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
from lilfox_tui.i18n import ntr, tr
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.text import human_count, human_duration

TREND_S = 300.0
"""The trend is over so much of the past at most."""
MOST_SERIES = 50
"""Queues with series of their own, the longest first; the others count in the sum."""
LENGTH = Series("queue_messages")
_SLOPE = Series("queue_growth_per_second")
_FAILED = Series("queue_failed")
_CONSUMERS = Series("queue_consumers")


class Queue(Struct, frozen=True):
    """One queue. ``waiting`` is what nobody has taken yet, ``taken`` what is worked on, ``later`` what is not due yet,
    ``failed`` what is kept because it failed; None is not known."""

    name: str
    waiting: int
    taken: int | None = None
    later: int | None = None
    failed: int | None = None
    consumers: int | None = None


class Backlog:
    """The looks at all queues of one backend, for their trend. ``length`` is the limit of each queue's."""

    def __init__(self, length: Threshold) -> None:
        self._length = length
        self._sums: deque[tuple[float, int]] = deque()

    def reading(
        self, queues: Sequence[Queue], *, facts: tuple[BackendFact, ...] = (), findings: Sequence[Finding] = ()
    ) -> BackendReading:
        """One look as a reading."""
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
        )

    def _findings(self, queue: Queue) -> Iterator[Finding]:
        text = tr("queue {name}: {count} wait", name=queue.name, count=human_count(queue.waiting))
        yield from above(queue.waiting, self._length, text)
        if queue.waiting and queue.consumers == 0:
            text = tr("queue {name}: {count} wait and nobody takes from it", name=queue.name,
                      count=human_count(queue.waiting))  # fmt: skip
            yield Finding(Level.DEGRADED, text)


def slope_of(points: Sequence[tuple[float, int]]) -> float | None:
    """Messages a second by least squares over ``(second, length)``; None where the points span no time."""
    if len(points) < 2:
        return None
    mean_x = sum(x for x, _y in points) / len(points)
    mean_y = sum(y for _x, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _y in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread > 0 else None


def headline(values: Mapping[Series, float]) -> tuple[Figure, ...]:
    """``1204 wait  growing 3.2/s`` or ``empty in 4 min``, and what failed."""
    total = values.get(LENGTH)
    if total is None:
        return ()
    figures = [Figure(tr("{count} wait", count=human_count(round(total))))]
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
        BackendFact("messages", tr("wait in all queues"), float(total), "count"),
        BackendFact("growth", tr("growth a second"), None if slope is None else f"{slope:+.2f}"),
        BackendFact("empty_in_s", tr("empty in"), drained_s, "seconds"),
    )


def _table(queues: Sequence[Queue]) -> Table:
    columns = (
        TableColumn("name", tr("queue")), TableColumn("waiting", tr("wait"), "count"),
        TableColumn("taken", tr("taken"), "count"),
        TableColumn("later", tr("later"), "count"), TableColumn("failed", tr("failed"), "count"),
        TableColumn("consumers", tr("workers"), "count"),
    )  # fmt: skip
    rows = tuple(
        (each.name, each.waiting, each.taken, each.later, each.failed, each.consumers)
        for each in sorted(queues, key=lambda each: (-each.waiting, each.name))
    )
    return Table("queues", tr("Queues"), columns, rows, None if rows else tr("there are no queues"))
