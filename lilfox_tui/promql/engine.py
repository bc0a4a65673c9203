"""Whoever answers PromQL: the evaluator here over what was scraped, or a Prometheus that runs elsewhere."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Protocol

from lilfox_tui.promql.query import cached_parse
from lilfox_tui.promql.semantics import PROMETHEUS_3, Semantics
from lilfox_tui.promql.value import Line, Value
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet, Matcher
from lilfox_tui.scrape.notation import ms_of
from lilfox_tui.scrape.series import SeriesSource

_ANY_NAME = Matcher(NAME, "!=", "")


class QueryEngine(Protocol):
    """Answers queries. Times are aware datetimes. Everything raises LilFoxError: QueryError for what is wrong with the
    query, others where it cannot be asked."""

    async def instant(self, text: str, at: datetime | None = None) -> Value:
        """The value at one instant, now when not given."""
        ...

    async def range(self, text: str, start: datetime, end: datetime, step_s: float) -> list[Line]:
        """The values from ``start`` to ``end`` (inclusive) every ``step_s`` seconds."""
        ...

    async def series(self, matchers: tuple[Matcher, ...], start: datetime, end: datetime) -> list[LabelSet]:
        """The series that all ``matchers`` take and that have samples in that time."""
        ...

    async def metric_names(self, start: datetime, end: datetime) -> list[str]:
        """The names of the metrics that have samples in that time, sorted."""
        ...

    async def close(self) -> None:
        """Ends what is open."""
        ...


class EmbeddedEngine(QueryEngine):
    """Evaluates over ``source`` in a thread, so that no query holds up the event loop."""

    def __init__(self, source: SeriesSource, semantics: Semantics = PROMETHEUS_3) -> None:
        self._source, self._semantics = source, semantics

    async def instant(self, text: str, at: datetime | None = None) -> Value:
        """As :meth:`QueryEngine.instant`."""
        at_ms = ms_of(at or datetime.now(UTC))
        return await asyncio.to_thread(lambda: cached_parse(text, self._semantics).at(self._source, at_ms))

    async def range(self, text: str, start: datetime, end: datetime, step_s: float) -> list[Line]:
        """As :meth:`QueryEngine.range`."""
        times = ms_of(start), ms_of(end), round(step_s * 1000)
        return await asyncio.to_thread(lambda: cached_parse(text, self._semantics).over(self._source, *times))

    async def series(self, matchers: tuple[Matcher, ...], start: datetime, end: datetime) -> list[LabelSet]:
        """As :meth:`QueryEngine.series`."""
        found = await asyncio.to_thread(self._source.select, matchers, ms_of(start), ms_of(end))
        return [labels for one in found for labels in one.labels]

    async def metric_names(self, start: datetime, end: datetime) -> list[str]:
        """As :meth:`QueryEngine.metric_names`."""
        found = await asyncio.to_thread(self._source.select, (_ANY_NAME,), ms_of(start), ms_of(end))
        return sorted({name for one in found for name in one.labels.derived("metric names", _names)})

    async def close(self) -> None:
        """Nothing is open."""


def _names(labels: LabelList) -> frozenset[str]:
    return frozenset(one.get(NAME) for one in labels)
