"""A service's requests over the last while: how many, how they ended, how long they took, how many are under way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    """The series of one quantile in history."""
    return Series("service_latency_seconds", (("quantile", f"{quantile:g}"),))


def traffic_window_s(every_s: float) -> float:
    """The span of time that rates are of, where a page is scraped each ``every_s`` seconds."""
    return max(LEAST_WINDOW_S, WINDOW_SCRAPES * every_s)


Bound = Literal["", "<=", ">"]


class Quantile(Struct, frozen=True):
    """A time to an answer. Buckets tell no more than ``bound``: ``<=``, it lies in the last finite one, which is wide;
    ``>``, it lies beyond it."""

    seconds: float
    bound: Bound = ""


class Traffic(Struct, frozen=True):
    """Requests of the ``window_s`` seconds before ``at`` (aware UTC). None is not known; ``missing`` says why, by the
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

    def quantiles(self) -> Iterator[tuple[float, Quantile | None]]:
        """Each quantile with its value."""
        return zip(QUANTILES, (self.p50, self.p95, self.p99), strict=True)


class TrafficPart(Struct, frozen=True):
    """The requests of one route, or of one status; ``share`` is percent of all. As in :class:`Traffic` otherwise."""

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
    """What history keeps of it; what is not known is absent. Bounds of quantiles are not kept."""
    values = {
        REQUESTS: traffic.requests_s,
        IN_FLIGHT: traffic.in_flight,
        CLIENT_ERRORS: traffic.client_errors,
        SERVER_ERRORS: traffic.server_errors,
        AVERAGE: traffic.average_s,
        MAXIMUM: traffic.maximum_s,
        WINDOW: traffic.window_s,
        **{latency_series(each): None if found is None else found.seconds for each, found in traffic.quantiles()},
    }
    return {series: value for series, value in values.items() if value is not None}


def traffic_of(values: Mapping[Series, float], at: datetime) -> Traffic | None:
    """As it was recorded; None where nothing was."""
    window_s = values.get(WINDOW)
    if window_s is None:
        return None
    found = [values.get(latency_series(each)) for each in QUANTILES]
    p50, p95, p99 = (None if seconds is None else Quantile(seconds) for seconds in found)
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
