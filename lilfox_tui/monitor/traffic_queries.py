"""A service's traffic as PromQL queries over its target's series. Imports numpy."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.metrics.traffic import QUANTILES, Quantile, Traffic, TrafficPart, bound_of_guess
from lilfox_tui.promql.query import Query, parse
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.application import Application, Counter, Latency
from lilfox_tui.scrape.labels import NAME, LabelSet, Matcher, quoted, time_of
from lilfox_tui.scrape.store import ABSENT_BITS, STALE_BITS, SelectedSeries, SeriesSource, TargetSeries

_PLAIN_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")
_BEYOND_REASON = 1e100
"""No number of requests and no time is so large, and what is kept and summed up would become infinite."""
_CLASSES = {"CLIENT_ERROR": "4", "SERVER_ERROR": "5"}
"""Micrometer's ``outcome``."""


class TargetsOfService(SeriesSource):
    """The series of a service's targets, as a source for evaluation.

    A counter that was not on the page of the scrape before began at 0 since then, which Prometheus does not assume: the
    first errors of a service are new series, and would else not be counted.
    """

    def __init__(self, targets: Sequence[TargetSeries]) -> None:
        self._targets = tuple(targets)

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[SelectedSeries]:
        """As :meth:`SeriesSource.select`."""
        found = ((target, target.select(matchers, start_ms, end_ms)) for target in self._targets)
        return [_from_zero(target, matchers, start_ms, selected) for target, selected in found if selected is not None]


def _from_zero(
    target: TargetSeries, matchers: tuple[Matcher, ...], start_ms: int, found: SelectedSeries
) -> SelectedSeries:
    absent = found.values.view(np.int64) == ABSENT_BITS
    if not absent[0].any():
        return found
    first = np.argmin(absent, axis=0)
    new = (first > 0) & (found.values.view(np.int64)[first, np.arange(len(first))] != STALE_BITS)
    new &= ~_was_there(target, matchers, start_ms, found)
    values = found.values.copy()
    values[first[new] - 1, np.flatnonzero(new)] = 0.0
    return SelectedSeries(found.labels, found.times, values)


def _was_there(
    target: TargetSeries, matchers: tuple[Matcher, ...], before_ms: int, found: SelectedSeries
) -> NDArray[np.bool_]:
    """Return which of the series have an earlier sample."""
    earlier = target.select(matchers, 0, before_ms - 1)
    if earlier is None:
        return np.zeros(len(found.labels), np.bool_)
    bits = earlier.values.view(np.int64)
    there: NDArray[np.bool_] = ((bits != ABSENT_BITS) & (bits != STALE_BITS)).any(axis=0)
    return there


class _Times:
    """Quantiles of a histogram, or the average where it has no buckets, for each value of ``route``."""

    def __init__(self, latency: Latency, window: str, route: str) -> None:
        self._unit_s, self._route = latency.unit_s, route
        self._bounds = latency.bounds
        self._last = latency.bounds[-1] if latency.bounds else None
        self._last_but_one = latency.bounds[-2] if len(latency.bounds) > 1 else 0.0
        by, by_bucket = f"by ({route})", f"by ({route}{', ' if route else ''}le)"
        buckets = f"sum {by_bucket} (rate({_selector(latency.metric + '_bucket')}[{window}]))"
        self._quantiles = [parse(f"histogram_quantile({each}, {buckets})") for each in QUANTILES]
        self._buckets = parse(buckets)
        total, count = (f"sum {by} (rate({_selector(latency.metric + end)}[{window}]))" for end in ("_sum", "_count"))
        self._average = parse(f"{total} / {count}")
        self._maximum = parse(f"max({_selector(latency.maximum)})") if latency.maximum else None

    @property
    def bounds_s(self) -> tuple[float, ...]:
        """The finite bounds of the buckets in seconds."""
        return tuple(each * self._unit_s for each in self._bounds)

    def quantiles(self, source: SeriesSource, at_ms: int) -> dict[str, list[Quantile | None]]:
        """Return P50, P95 and P99 by route; nothing without buckets."""
        if self._last is None:
            return {}
        found = [_by_label(query, source, at_ms, self._route) for query in self._quantiles]
        beyond: dict[str, float] | None = None
        by_route: dict[str, list[Quantile | None]] = {}
        for route in dict.fromkeys(name for values in found for name in values):
            values = [each.get(route) for each in found]
            if beyond is None and any(value is not None and value >= self._last for value in values):
                beyond = self._share_within(source, at_ms)
            within = 1.0 if beyond is None else beyond.get(route, 1.0)
            by_route[route] = [
                None if value is None else self._quantile(value, each, within)
                for each, value in zip(QUANTILES, values, strict=True)
            ]
        return by_route

    def averages(self, source: SeriesSource, at_ms: int) -> dict[str, float]:
        """Return the average in seconds by route."""
        found = _by_label(self._average, source, at_ms, self._route)
        return {route: value * self._unit_s for route, value in found.items()}

    def maximum(self, source: SeriesSource, at_ms: int) -> float | None:
        """Return the maximum that the target reports."""
        value = None if self._maximum is None else _single(self._maximum, source, at_ms)
        return None if value is None else value * self._unit_s

    def _quantile(self, value: float, quantile: float, within: float) -> Quantile:
        assert self._last is not None
        if value <= self._last_but_one:
            bound, upper = bound_of_guess(value, self._bounds)
            return Quantile(value * self._unit_s, at_most_s=upper * self._unit_s if bound else None)
        return Quantile(self._last * self._unit_s, ">" if value >= self._last and within < quantile else "<=")

    def _share_within(self, source: SeriesSource, at_ms: int) -> dict[str, float]:
        """Return the share of answers within the last finite bucket, by route."""
        within: dict[str, float] = {}
        whole: dict[str, float] = {}
        for labels, value in _elements(self._buckets, source, at_ms):
            bound = _number(labels.get("le"))
            if bound in (self._last, math.inf):
                (whole if bound == math.inf else within)[labels.get(self._route)] = value
        return {route: within.get(route, 0.0) / total for route, total in whole.items() if total > 0}


class TrafficQueries:
    """Queries the metrics of ``application`` over the ``window_ms`` before an instant (milliseconds UTC)."""

    def __init__(self, application: Application, window_ms: int) -> None:
        self._application, self._window_s = application, window_ms / 1000
        window = f"{window_ms}ms"
        requests, by_route = application.requests, application.requests_by_route
        self._counts = None if requests is None else parse(_counted(requests, "", window))
        self._counts_by_route = None if by_route is None else parse(_counted(by_route, by_route.route, window))
        self._in_flight = parse(f"sum({_selector(application.in_flight)})") if application.in_flight else None
        self._times = None if application.latency is None else _Times(application.latency, window, "")
        latency = application.latency_by_route
        self._times_by_route = None if latency is None else _Times(latency, window, latency.route)

    def whole(self, source: SeriesSource, at_ms: int) -> Traffic:
        """Return the traffic of all requests together."""
        missing = dict(self._application.missing)
        statuses = self._statuses(source, at_ms)
        total = sum(statuses.values()) if statuses else None
        if total is None and "requests" not in missing:
            missing["requests"] = tr("a rate needs two scrapes")
        has_status = self._application.requests is not None and bool(self._application.requests.status)
        quantiles, average, maximum = self._latency(source, at_ms, total, missing)
        if has_status and not total and "requests" not in missing:
            missing["status"] = self._none_asked()
        p50, p95, p99 = quantiles
        return Traffic(
            at=time_of(at_ms),
            window_s=self._window_s,
            requests_s=total,
            p50=p50,
            p95=p95,
            p99=p99,
            average_s=average,
            maximum_s=maximum,
            client_errors=_share(statuses, "4") if has_status else None,
            server_errors=_share(statuses, "5") if has_status else None,
            in_flight=None if self._in_flight is None else _single(self._in_flight, source, at_ms),
            missing=missing,
            taken=self._taken(),
            bounds=() if self._times is None else self._times.bounds_s,
        )

    def by_status(self, source: SeriesSource, at_ms: int) -> list[TrafficPart]:
        """Return the requests of each status, in status order; nothing if the status is unknown."""
        requests = self._application.requests
        if requests is None or not requests.status:
            return []
        statuses = self._statuses(source, at_ms)
        total = sum(statuses.values())
        return [
            TrafficPart(status, rate, 100 * rate / total if total else None)
            for status, rate in sorted(statuses.items())
        ]

    def by_route(self, source: SeriesSource, at_ms: int) -> list[TrafficPart]:
        """Return the requests of each route, busiest first; nothing if routes are unknown."""
        counter = self._application.requests_by_route
        if self._counts_by_route is None or counter is None:
            return []
        routes: dict[str, dict[str, float]] = {}
        for labels, rate in _elements(self._counts_by_route, source, at_ms):
            statuses = routes.setdefault(labels.get(counter.route), {})
            status = labels.get(counter.status) if counter.status else ""
            statuses[status] = statuses.get(status, 0.0) + rate
        times = self._times_by_route
        quantiles = {} if times is None else times.quantiles(source, at_ms)
        averages = {} if times is None or quantiles else times.averages(source, at_ms)
        total = sum(sum(statuses.values()) for statuses in routes.values())
        parts = []
        for route, statuses in routes.items():
            rate = sum(statuses.values())
            p50, p95, p99 = quantiles.get(route, [None, None, None])
            shares = (_share(statuses, "4"), _share(statuses, "5")) if counter.status else (None, None)
            share = 100 * rate / total if total else None
            parts.append(TrafficPart(route, rate, share, p50, p95, p99, averages.get(route), *shares))
        return sorted(parts, key=lambda part: (-part.requests_s, part.name))

    def route_rates(
        self, source: SeriesSource, start_ms: int, end_ms: int, count: int
    ) -> dict[str, list[float | None]]:
        """Return ``count`` rates of each route from ``start_ms`` to ``end_ms``, oldest first; nothing if routes are
        unknown. A rate whose window was scraped in part only is not known: it would be too low."""
        counter = self._application.requests_by_route
        step_ms = (end_ms - start_ms) // count
        if self._counts_by_route is None or counter is None or step_ms <= 0:
            return {}
        first_ms = end_ms - (count - 1) * step_ms
        whole = _scraped_throughout(source, counter, [first_ms + place * step_ms for place in range(count)],
                                    round(self._window_s * 1000))  # fmt: skip
        rates: dict[str, list[float | None]] = {}
        for line in self._counts_by_route.over(source, first_ms, end_ms, step_ms):
            values = rates.setdefault(line.labels.get(counter.route), [None] * count)
            for at_ms, rate in zip(line.times.tolist(), line.values.tolist(), strict=True):
                place = (at_ms - first_ms) // step_ms
                if abs(rate) < _BEYOND_REASON and whole[place]:
                    values[place] = (values[place] or 0.0) + rate
        return rates

    def _statuses(self, source: SeriesSource, at_ms: int) -> dict[str, float]:
        """Return requests per second by status; of all under ``""`` if the status is unknown."""
        counter = self._application.requests
        if self._counts is None or counter is None:
            return {}
        return _by_label(self._counts, source, at_ms, counter.status)

    def _latency(
        self, source: SeriesSource, at_ms: int, total: float | None, missing: dict[str, Message]
    ) -> tuple[list[Quantile | None], float | None, float | None]:
        unknown: list[Quantile | None] = [None, None, None]
        times = self._times
        if times is None:
            return unknown, None, None
        found = times.quantiles(source, at_ms).get("", unknown)
        if self._application.latency is not None and not self._application.latency.bounds:
            missing["latency"] = tr("{metric} has no buckets", metric=self._application.latency.metric)
        elif found == unknown:
            missing["latency"] = tr("a rate needs two scrapes") if total is None else self._none_asked()
        average = times.averages(source, at_ms).get("")
        return found, average, times.maximum(source, at_ms)

    def _none_asked(self) -> Message:
        return tr("no request in the last {seconds:.0f} s", seconds=self._window_s)

    def _taken(self) -> Mapping[str, str]:
        application = self._application
        taken = {
            "requests": "" if application.requests is None else application.requests.metric,
            "status": "" if application.requests is None else application.requests.status,
            "latency": "" if application.latency is None else application.latency.metric,
            "in_flight": application.in_flight,
        }
        return {what: name for what, name in taken.items() if name}


def _scraped_throughout(source: SeriesSource, counter: Counter, ends_ms: Sequence[int], window_ms: int) -> list[bool]:
    """Return for each window, by its end, whether the counter was scraped from its begin to its end. The newest one has
    been chosen to begin with the first scrape."""
    known: set[int] = set()
    for found in source.select((Matcher(NAME, "=", counter.metric),), ends_ms[0] - 2 * window_ms, ends_ms[-1]):
        bits = found.values.view(np.int64)
        known.update(found.times[((bits != ABSENT_BITS) & (bits != STALE_BITS)).any(axis=1)].tolist())
    times = np.array(sorted(known), np.int64)
    if len(times) < 2:
        return [False] * len(ends_ms)
    apart_ms = _APART_AT_MOST * float(np.median(np.diff(times)))

    def was_scraped(at_ms: int) -> bool:
        before = int(np.searchsorted(times, at_ms, "right")) - 1
        return before >= 0 and at_ms - int(times[before]) <= apart_ms

    begins = [was_scraped(end_ms - window_ms) for end_ms in ends_ms[:-1]]
    return [begin and was_scraped(end_ms) for begin, end_ms in zip([*begins, True], ends_ms, strict=True)]


_APART_AT_MOST = 1.5
"""Intervals between scrapes: they are not quite regular."""


def _counted(counter: Counter, route: str, window: str) -> str:
    by = ", ".join(label for label in (route, counter.status) if label)
    return f"sum by ({by}) (rate({_selector(counter.metric)}[{window}]))"


def _selector(name: str) -> str:
    if _PLAIN_NAME.fullmatch(name):
        return name
    return f"{{{NAME}={quoted(name)}}}"


def _elements(query: Query, source: SeriesSource, at_ms: int) -> list[tuple[LabelSet, float]]:
    """Return the elements whose values are actual numbers, with their labels."""
    value = query.at(source, at_ms)
    assert isinstance(value, Vector)
    pairs = zip(value.labels, value.values.tolist(), strict=True)
    return [(labels, number) for labels, number in pairs if abs(number) < _BEYOND_REASON]


def _by_label(query: Query, source: SeriesSource, at_ms: int, label: str) -> dict[str, float]:
    return {labels.get(label) if label else "": value for labels, value in _elements(query, source, at_ms)}


def _single(query: Query, source: SeriesSource, at_ms: int) -> float | None:
    return next((value for _labels, value in _elements(query, source, at_ms)), None)


def _share(statuses: Mapping[str, float], first: str) -> float | None:
    """Return the percentage of requests with a status of that class (``5xx`` and ``503`` alike); None without
    requests."""
    total = sum(statuses.values())
    if total <= 0:
        return None
    return 100 * sum(rate for status, rate in statuses.items() if _CLASSES.get(status, status[:1]) == first) / total


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
