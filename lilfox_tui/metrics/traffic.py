"""A service's recent requests: how many, their status, their latency, and how many are in flight."""

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
    """Return the history series of one quantile."""
    return Series("service_latency_seconds", (("quantile", f"{quantile:g}"),))


def traffic_window_s(every_s: float) -> float:
    """Return the window for rates, if the metrics endpoint is scraped every ``every_s`` seconds."""
    return max(LEAST_WINDOW_S, WINDOW_SCRAPES * every_s)


Bound = Literal["", "<=", ">"]


class Quantile(Struct, frozen=True):
    """A quantile of the response times. ``bound`` is set if ``seconds`` is only a bound, the last finite one of the
    buckets: ``<=`` if the quantile lies in the last finite bucket, which is wide; ``>`` if it lies above."""

    seconds: float
    bound: Bound = ""


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
    """Return the values that history keeps; unknown ones are absent. Bounds of quantiles are not kept."""
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
    """Return the traffic as recorded in ``values``; None if none was recorded."""
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
