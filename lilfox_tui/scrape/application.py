"""Recognises the metrics that describe a target's requests: how many, their status, their latency, and how many are in
flight.

Names differ by library, and their shapes do not: a counter with a status label, a histogram or summary in a unit of
time, a gauge of what is in progress (prometheus-fastapi-instrumentator, starlette_exporter, prometheus_flask_exporter,
django-prometheus, express-prom-bundle, Micrometer, OpenTelemetry, Envoy, nginx-prometheus-exporter).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from msgspec import Struct

from lilfox_tui.config.model import MetricNames
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.scrape.exposition import Family
from lilfox_tui.scrape.labels import NAME, LabelList

_REQUESTS = re.compile(r"(^|_)(http|request|requests|rq)(_|$)")
_NOT_ITS_OWN = re.compile(r"^(promhttp|prometheus|node_(disk|nfsd?|mountstats))_|(^|_)client(_|$)|_created$|_size_")
"""The page about itself, what node_exporter says of a host's disks and NFS, requests that the service sends to others,
times of creation, sizes."""
_HTTP = re.compile(r"(^|_)http(_|$)")
_NO_COUNTER = re.compile(r"exception|error|fail|retr|timeout|reject|drop|cache|_bytes|seconds")
_COUNTS_REQUESTS = re.compile(r"(requests?|rq)(_total|_xx)?$")
_IN_FLIGHT = re.compile(r"in_?progress|in_?flight|(^|_)active(_|$)")
_CONNECTIONS = "nginx_connections_active"
_STATUS = ("status", "status_code", "code", "http_status", "http_response_status_code", "outcome",
           "envoy_response_code_class")  # fmt: skip
_ROUTE = ("route", "http_route", "handler", "path", "uri", "endpoint", "view", "url_rule", "template", "url")
_UNITS = {"seconds": 1.0, "milliseconds": 1e-3, "microseconds": 1e-6}
_UNIT = re.compile(r"_(seconds|milliseconds|microseconds)(_|$)")
_ENVOY_TIME = re.compile(r"^envoy_.*_rq_time$")
"""Envoy's are milliseconds and do not say so."""


class Counter(Struct, frozen=True):
    """A counter of requests: the name of its samples, and the labels of status and route, empty where it has none."""

    metric: str
    status: str = ""
    route: str = ""


class Latency(Struct, frozen=True):
    """Response times. ``bounds`` are the finite bucket bounds in its own unit, ascending; empty if it has only sum and
    count. ``unit_s`` is that unit in seconds, ``maximum`` the name of a gauge, if there is one."""

    metric: str
    unit_s: float = 1.0
    bounds: tuple[float, ...] = ()
    route: str = ""
    maximum: str = ""


class Application(Struct, frozen=True):
    """The recognised metrics. ``missing`` says what was not found, by the name of the field, ``status`` for the
    label."""

    requests: Counter | None = None
    latency: Latency | None = None
    in_flight: str = ""
    requests_by_route: Counter | None = None
    latency_by_route: Latency | None = None
    missing: Mapping[str, Message] = {}


class _Metric(Struct):
    """One sample name on the page: its kind, its labels and, for buckets, their bounds."""

    name: str
    kind: str
    labels: set[str]
    bounds: set[str]


def recognise(families: Mapping[str, Family], series: LabelList, names: MetricNames) -> Application:
    """Return the request metrics found among the ``families`` and ``series`` of a page. ``names`` overrides the
    recognised ones. Pure."""
    latency_name = names.latency and names.latency.removesuffix("_bucket")
    metrics = _metrics(families, series, {each for each in (names.requests, latency_name, names.inflight) if each})
    latencies = _latencies(metrics, names)
    counters = _counters(metrics, latencies, names)
    missing: dict[str, Message] = {}
    requests = max(counters, key=_whole_count, default=None)
    if requests is None:
        none_yet = any(_may_count_requests(name, each.type) for name, each in families.items())
        why = tr("no request has been counted yet") if none_yet else tr("no request counter was found")
        missing["requests"] = _not_found(names.requests, why)
    elif not requests.status:
        missing["status"] = _not_found(names.status_label, tr("{metric} has no status label", metric=requests.metric))
    latency = max(latencies, key=_whole_time, default=None)
    if latency is None:
        missing["latency"] = _not_found(names.latency, tr("no histogram of response times was found"))
    in_flight = _in_flight(metrics, names)
    if not in_flight:
        missing["in_flight"] = _not_found(names.inflight, tr("no gauge of in-flight requests was found"))
    return Application(
        requests,
        latency,
        in_flight,
        max((one for one in counters if one.route), key=_whole_count, default=None),
        max((one for one in latencies if one.route), key=_whole_time, default=None),
        missing,
    )


def _not_found(named: str | None, otherwise: Message) -> Message:
    return otherwise if named is None else tr("{name}, which is set in the configuration, was not found", name=named)


def _metrics(families: Mapping[str, Family], series: LabelList, named: Iterable[str]) -> dict[str, _Metric]:
    """Return all sample names that may be about requests; those of ``named`` always."""
    wanted: dict[str, _Metric | None] = {}
    own = tuple(named)
    for one in series:
        name = one.get(NAME)
        if name not in wanted:
            taken = _is_candidate(name) or (own and name.startswith(own))
            wanted[name] = _Metric(name, _kind(families, name), set(), set()) if taken else None
        metric = wanted[name]
        if metric is not None:
            metric.labels.update(label for label, _value in one)
            if bound := one.get("le"):
                metric.bounds.add(bound)
    return {name: metric for name, metric in wanted.items() if metric is not None}


def _is_candidate(name: str) -> bool:
    return name == _CONNECTIONS or (bool(_REQUESTS.search(name)) and not _NOT_ITS_OWN.search(name))


def _may_count_requests(name: str, kind: str) -> bool:
    return _is_candidate(name) and (
        kind in ("histogram", "summary") or (kind == "counter" and not _NO_COUNTER.search(name))
    )


def _kind(families: Mapping[str, Family], name: str) -> str:
    """Return the type of samples with that name: from the page, else from their name."""
    for suffix in ("", "_total", "_bucket", "_count", "_sum", "_max", "_active_count", "_gcount"):
        family = families.get(name.removesuffix(suffix)) if name.endswith(suffix) else None
        if family is not None and family.type not in ("unknown", "untyped"):
            return family.type
    return "counter" if name.endswith("_total") else "unknown"


def _label(labels: Iterable[str], known: tuple[str, ...]) -> str:
    here = set(labels)
    return next((label for label in known if label in here), "")


# ---- how long ----------------------------------------------------------------------------------------------------


def _latencies(metrics: Mapping[str, _Metric], names: MetricNames) -> list[Latency]:
    found = []
    named = None if names.latency is None else names.latency.removesuffix("_bucket")
    for name, count in metrics.items():
        base = name.removesuffix("_count")
        if base == name or f"{base}_sum" not in metrics or (named is not None and base != named):
            continue
        unit_s = _UNITS[names.latency_unit] if names.latency_unit else _unit_s(base)
        if named is None and (unit_s is None or _IN_FLIGHT.search(base)):
            continue
        buckets = metrics.get(f"{base}_bucket")
        bounds = () if buckets is None else _bounds(buckets.bounds)
        maximum = f"{base}_max" if f"{base}_max" in metrics else ""
        found.append(Latency(base, unit_s or 1.0, bounds, _label(count.labels, _ROUTE), maximum))
    return found


def _unit_s(base: str) -> float | None:
    if _ENVOY_TIME.search(base):
        return _UNITS["milliseconds"]
    unit = _UNIT.search(base)
    return _UNITS[unit[1]] if unit else None


def _bounds(texts: Iterable[str]) -> tuple[float, ...]:
    bounds = set()
    for text in texts:
        try:
            bounds.add(float(text))
        except ValueError:
            continue
    return tuple(sorted(bound for bound in bounds if bound not in (float("inf"), float("-inf")) and bound == bound))


def _whole_time(one: Latency) -> tuple[bool, int, bool, int]:
    """Sort key: more buckets are finer; of two equal ones, the one without routes also counts requests without a
    route."""
    return bool(_HTTP.search(one.metric)), len(one.bounds), not one.route, -len(one.metric)


# ---- how many ----------------------------------------------------------------------------------------------------


def _counters(metrics: Mapping[str, _Metric], latencies: Iterable[Latency], names: MetricNames) -> list[Counter]:
    status = _STATUS if names.status_label is None else (names.status_label,)
    if names.requests is not None:
        chosen = [metrics[names.requests]] if names.requests in metrics else []
    else:
        chosen = [one for one in metrics.values() if one.kind == "counter" and not _NO_COUNTER.search(one.name)]
        chosen += [metrics[f"{one.metric}_count"] for one in latencies]
    return [Counter(one.name, _label(one.labels, status), _label(one.labels, _ROUTE)) for one in chosen]


def _whole_count(one: Counter) -> tuple[bool, bool, bool, bool, int]:
    """Sort key: metrics with a status first, then those of HTTP, then those named for requests before those named for
    their duration, then the plainest name."""
    timed = bool(_UNIT.search(one.metric))
    return (
        bool(one.status),
        bool(_HTTP.search(one.metric)),
        not timed,
        bool(_COUNTS_REQUESTS.search(one.metric)),
        -len(one.metric),
    )


# ---- under way ---------------------------------------------------------------------------------------------------


def _in_flight(metrics: Mapping[str, _Metric], names: MetricNames) -> str:
    if names.inflight is not None:
        return names.inflight if names.inflight in metrics else ""
    gauges = [one.name for one in metrics.values() if _is_in_flight(one)]
    return max(gauges, key=lambda name: (_is_of_http_requests(name), -len(name)), default="")


def _is_in_flight(one: _Metric) -> bool:
    """Return whether a metric is a gauge of requests in flight, or the count of Micrometer's long task timer."""
    if not _IN_FLIGHT.search(one.name):
        return False
    if one.kind == "gauge" or (one.kind == "unknown" and not one.name.endswith(("_total", "_count", "_sum", "_max"))):
        return True
    return one.name.endswith(("_active_count", "_gcount", "_active_seconds_count"))


def _is_of_http_requests(name: str) -> int:
    return bool(_HTTP.search(name)) + bool(re.search(r"(^|_)(requests?|rq)(_|$)", name))
