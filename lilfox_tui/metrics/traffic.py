"""A service's recent requests: how many, their status, their latency, and how many are in flight."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from lilfox_tui.core.i18n import Message
from lilfox_tui.metrics.model import Series

LEAST_WINDOW_S = 30.0
WINDOW_SCRAPES = 4
"""Rates are of so many scrapes at least, so that one that fails makes no gap."""
QUANTILES = (0.5, 0.95, 0.99)
REQUESTS = Series("service_requests_per_second")
IN_FLIGHT = Series("service_requests_in_flight")
CLIENT_ERRORS = Series("service_errors_percent", (("class", "4xx"),))
SERVER_ERRORS = Series("service_errors_percent", (("class", "5xx"),))
AVERAGE = Series("service_latency_average_seconds")
MAXIMUM = Series("service_latency_max_seconds")
WINDOW = Series("service_traffic_window_seconds")


def latency_series(quantile: float) -> Series:
    """Return the history series of one quantile."""
    return Series("service_latency_seconds", (("quantile", f"{quantile:g}"),))


def at_most_series(quantile: float) -> Series:
    """Return the history series of the upper bound of a quantile, where that is all that is certain; infinite beyond
    the last bucket."""
    return Series("service_latency_at_most_seconds", (("quantile", f"{quantile:g}"),))


def traffic_window_s(every_s: float) -> float:
    """Return the window for rates, if the metrics endpoint is scraped every ``every_s`` seconds."""
    return max(LEAST_WINDOW_S, WINDOW_SCRAPES * every_s)


Bound = Literal["", "<=", ">"]
_FAR_APART = 2.0
"""Times the lower bound of a bucket its upper one is: where in between a quantile lies is a guess."""


def bound_of_guess(value: float, bounds: Sequence[float]) -> tuple[Bound, float]:
    """Return what is certain of a quantile that was interpolated in buckets with those finite bounds (ascending): the
    value itself in a narrow bucket; in a wide one, or the last, its upper bound; beyond them the last bound."""
    above = bisect_left(bounds, value)
    if above >= len(bounds) - 1:
        return (">" if value >= bounds[-1] else "<="), bounds[-1]
    lower, upper = bounds[above - 1] if above else 0.0, bounds[above]
    return ("<=", upper) if upper >= _FAR_APART * lower else ("", value)


class Quantile(Struct, frozen=True):
    """A quantile of the response times. ``bound`` is set if ``seconds`` is only a bound, the last finite one of the
    buckets: ``<=`` if the quantile lies in the last finite bucket, which is wide; ``>`` if it lies above."""

    seconds: float
    bound: Bound = ""
    at_most_s: float | None = None
    """The upper bound of a bucket so wide that ``seconds``, interpolated in it, is a guess."""

    @property
    def told(self) -> tuple[Bound, float]:
        """What is certain of it: a time, and whether that is a bound."""
        return (self.bound, self.seconds) if self.at_most_s is None else ("<=", self.at_most_s)


class Traffic(Struct, frozen=True):
    """Requests of the ``window_s`` seconds before ``at`` (aware UTC). None is unknown; ``missing`` says why, by the
    names ``requests``, ``status``, ``latency`` and ``in_flight``.

    ``requests_s`` is per second, errors are percent of all requests. ``average_s`` and ``maximum_s`` are there where
    the target has no buckets. ``taken`` names the metrics: what they tell → their name.
    """

    at: datetime
    window_s: float
    requests_s: float | None = None
    p50: Quantile | None = None
    p95: Quantile | None = None
    p99: Quantile | None = None
    average_s: float | None = None
    maximum_s: float | None = None
    client_errors: float | None = None
    server_errors: float | None = None
    in_flight: float | None = None
    missing: Mapping[str, Message] = {}
    taken: Mapping[str, str] = {}
    bounds: tuple[float, ...] = ()
    """The finite bounds of the buckets, ascending, in seconds."""

    def quantiles(self) -> Iterator[tuple[float, Quantile | None]]:
        """Return each quantile with its value."""
        return zip(QUANTILES, (self.p50, self.p95, self.p99), strict=True)


class TrafficPart(Struct, frozen=True):
    """The requests of one route, or of one status; ``share`` is the percentage of all. Otherwise like
    :class:`Traffic`."""

    name: str
    """Untrusted text."""
    requests_s: float
    share: float | None = None
    p50: Quantile | None = None
    p95: Quantile | None = None
    p99: Quantile | None = None
    average_s: float | None = None
    client_errors: float | None = None
    server_errors: float | None = None


def series_of_traffic(traffic: Traffic) -> dict[Series, float]:
    """Return the values that history keeps; unknown ones are absent."""
    values = {
        REQUESTS: traffic.requests_s,
        IN_FLIGHT: traffic.in_flight,
        CLIENT_ERRORS: traffic.client_errors,
        SERVER_ERRORS: traffic.server_errors,
        AVERAGE: traffic.average_s,
        MAXIMUM: traffic.maximum_s,
        WINDOW: traffic.window_s,
        **{latency_series(each): None if found is None else found.seconds for each, found in traffic.quantiles()},
        **{at_most_series(each): _at_most(found) for each, found in traffic.quantiles()},
    }
    return {series: value for series, value in values.items() if value is not None}


def _quantile_of(values: Mapping[Series, float], quantile: float) -> Quantile | None:
    seconds, at_most_s = values.get(latency_series(quantile)), values.get(at_most_series(quantile))
    if seconds is None:
        return None
    return Quantile(seconds, ">") if at_most_s == math.inf else Quantile(seconds, at_most_s=at_most_s)


def _at_most(found: Quantile | None) -> float | None:
    if found is None:
        return None
    bound, seconds = found.told
    return {"<=": seconds, ">": math.inf}.get(bound)


def traffic_of(values: Mapping[Series, float], at: datetime) -> Traffic | None:
    """Return the traffic as recorded in ``values``; None if none was recorded."""
    window_s = values.get(WINDOW)
    if window_s is None:
        return None
    p50, p95, p99 = (_quantile_of(values, each) for each in QUANTILES)
    return Traffic(
        at,
        window_s,
        values.get(REQUESTS),
        p50,
        p95,
        p99,
        values.get(AVERAGE),
        values.get(MAXIMUM),
        values.get(CLIENT_ERRORS),
        values.get(SERVER_ERRORS),
        values.get(IN_FLIGHT),
    )
