"""A service's requests for other programs. What is not known is null in JSON and absent in Prometheus' text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from lilfox_tui.feed import Pending, Ready
from lilfox_tui.metrics.model import Labels
from lilfox_tui.metrics.traffic import Traffic
from lilfox_tui.monitor.export_forms import Family, Line, iso
from lilfox_tui.monitor.model import ServiceView


def traffic_document(view: ServiceView) -> dict[str, Any] | None:
    """``traffic`` of a service's document; None before anything is known."""
    if isinstance(view.traffic, Pending):
        return None
    if not isinstance(view.traffic, Ready):
        return {"unknown": {"page": str(view.traffic.error.message)}}
    traffic = view.traffic.value
    return {
        "at": iso(traffic.at),
        "window_s": traffic.window_s,
        "requests_s": traffic.requests_s,
        "latency_s": {
            **{f"p{quantile * 100:.0f}": found and found.seconds for quantile, found in traffic.quantiles()},
            "average": traffic.average_s,
            "maximum": traffic.maximum_s,
        },
        "latency_bounds": {
            f"p{quantile * 100:.0f}": found.bound for quantile, found in traffic.quantiles() if found and found.bound
        },
        "client_errors_percent": traffic.client_errors,
        "server_errors_percent": traffic.server_errors,
        "in_flight": traffic.in_flight,
        "metrics": dict(traffic.taken),
        "unknown": {what: str(why) for what, why in traffic.missing.items()},
    }


def traffic_families(views: Iterable[ServiceView]) -> Iterator[Family]:
    """The same as gauges, with the label ``service``."""
    rates: list[Line] = []
    times: list[Line] = []
    errors: list[Line] = []
    in_flight: list[Line] = []
    for view in views:
        if isinstance(view.traffic, Ready):
            own: Labels = (("service", view.name),)
            traffic = view.traffic.value
            rates += _line(own, traffic.requests_s)
            times += _quantiles(own, traffic)
            errors += _ratio((*own, ("class", "4xx")), traffic.client_errors)
            errors += _ratio((*own, ("class", "5xx")), traffic.server_errors)
            in_flight += _line(own, traffic.in_flight)
    yield "lilfox_service_requests_per_second", "gauge", "Requests a second over the last while.", rates
    yield "lilfox_service_latency_seconds", "gauge", "Time to an answer over the last while, by quantile.", times
    yield "lilfox_service_errors_ratio", "gauge", "Share of the requests that ended with 4xx or 5xx.", errors
    yield "lilfox_service_requests_in_flight", "gauge", "Requests under way.", in_flight


def _line(labels: Labels, value: float | None) -> list[Line]:
    return [] if value is None else [(labels, value)]


def _ratio(labels: Labels, percent: float | None) -> list[Line]:
    return [] if percent is None else [(labels, percent / 100)]


def _quantiles(own: Labels, traffic: Traffic) -> list[Line]:
    return [
        ((*own, ("quantile", f"{quantile:g}")), found.seconds)
        for quantile, found in traffic.quantiles()
        if found is not None
    ]
