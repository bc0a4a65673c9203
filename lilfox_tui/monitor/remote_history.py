"""Reads the time before LilFox started from the configured Prometheus."""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.config.model import HostConfig, MetricNames, ServiceConfig
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import listed, tr
from lilfox_tui.core.text import time_at
from lilfox_tui.metrics.history import Point
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.metrics.traffic import (
    AVERAGE,
    CLIENT_ERRORS,
    IN_FLIGHT,
    MAXIMUM,
    QUANTILES,
    REQUESTS,
    SERVER_ERRORS,
    WINDOW,
    latency_series,
    traffic_of,
)
from lilfox_tui.monitor.model import HostView, Overview, ServiceView
from lilfox_tui.monitor.watchers.host import past_host
from lilfox_tui.promql.query import QueryEngine
from lilfox_tui.promql.value import NOTHING, Vector
from lilfox_tui.scrape.application import Application, Latency, recognise
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet, Matcher, quoted

# PromQL queries for the history of hosts and services in a Prometheus, under the names that history has. Pure.
#
# Names and labels of a host's series: node_exporter 1.x. Sums leave out what ``metrics/summary.py`` and the collectors
# leave out: the loopback, what is stacked on other devices, filesystems in memory. A service's queries mean what
# ``traffic_queries.py`` asks here: sums of rates, and quantiles of the sums of buckets.


RATE_S = 300.0
"""Rates are of so much at least: four scrapes of a Prometheus that asks once a minute, and one that fails."""


class HistoryQuery(Struct, frozen=True):
    """A query, ``text``, for the values of ``series``; the labels named by ``by`` are copied to it from the answer."""

    series: Series
    text: str
    by: tuple[str, ...] = ()


def matchers(labels: Mapping[str, str]) -> str:
    """Return labels as the matchers inside a selector's braces."""
    return ", ".join(f"{name}={quoted(value)}" for name, value in labels.items())


def span_text(seconds: float) -> str:
    """Return a duration in PromQL, at least :data:`RATE_S`."""
    return f"{round(max(seconds, RATE_S) * 1000)}ms"


_BY = "by (instance, job)"
_MODES = {"user": "user|nice", "system": "system|irq|softirq", "iowait": "iowait", "steal": "steal", "idle": "idle"}
_DISKS = 'device!~"(dm-|md|bcache|drbd|zd|loop|ram|zram|fd|sr).*"'
_PORTS = 'device!~"lo|(bond|team|br|tun|tap|wg|vlan|dummy|virbr|veth|docker|cali|flannel|cni|vnet|ifb).*|.*[.].*"'
_IN_MEMORY = 'fstype!~"tmpfs|devtmpfs|ramfs|overlay|squashfs|iso9660|nsfs|autofs|fuse[.].*"'
_FILESYSTEM = ("device", "fstype", "mountpoint")


def host_scope(name: str, config: HostConfig) -> str:
    """Return matchers for one host's series: the configured ones, else ``instance`` with its name or address and any
    port."""
    return matchers(config.series) if config.series else host_instances(own_names(name, config))


def own_names(name: str, config: HostConfig) -> tuple[str, ...]:
    """Return the values that ``instance`` may have for a host, without the port."""
    return tuple(dict.fromkeys((name, config.address or name)))


def host_instances(names: Iterable[str]) -> str:
    """Return a matcher for ``instance``: any of ``names``, with or without a port."""
    return f"instance=~{quoted(pattern(names))}"


def pattern(names: Iterable[str]) -> str:
    """Return a pattern, valid in RE2 and Python, for the whole of ``instance``."""
    each = "|".join(rf"\[?{re.escape(name)}\]?" if ":" in name else re.escape(name) for name in names)
    return rf"(?:{each})(?::[0-9]+)?"


def chart_query(series: Series, scope: str, window_s: float) -> HistoryQuery | None:
    """Return the query for a chart on a host's page; None if node_exporter has no such ``series``."""
    return next((each for each in _chart_queries(scope, window_s) if each.series == series), None)


def _chart_queries(scope: str, window_s: float) -> list[HistoryQuery]:
    total, available = (f"node_memory_{name}_bytes{{{scope}}}" for name in ("MemTotal", "MemAvailable"))
    rates: Mapping[str, tuple[str, str]] = {
        "all_disks_read_bytes_per_second": ("node_disk_read_bytes_total", _DISKS),
        "all_disks_written_bytes_per_second": ("node_disk_written_bytes_total", _DISKS),
        "all_interfaces_receive_bytes_per_second": ("node_network_receive_bytes_total", _PORTS),
        "all_interfaces_transmit_bytes_per_second": ("node_network_transmit_bytes_total", _PORTS),
    }
    return [
        HistoryQuery(Series("cpu_usage_percent"), _cpu("user|nice|system|irq|softirq|steal", scope, window_s)),
        HistoryQuery(Series("cpu_percent", (("mode", "iowait"),)), _cpu("iowait", scope, window_s)),
        HistoryQuery(Series("memory_usage_percent"), f"100 * (1 - {available} / {total})"),
        HistoryQuery(Series("load1"), f"node_load1{{{scope}}}"),
        *(
            HistoryQuery(Series(name), f"sum {_BY} ({_rate(metric, f'{scope}, {which}', window_s)})")
            for name, (metric, which) in rates.items()
        ),
    ]


def row_queries(scope: str, window_s: float) -> list[HistoryQuery]:
    """Return the queries for a host's row and page at one time; together the input of ``summary_at``."""
    gauges = {
        "memory_total_bytes": f"node_memory_MemTotal_bytes{{{scope}}}",
        "memory_available_bytes": f"node_memory_MemAvailable_bytes{{{scope}}}",
        "swap_total_bytes": f"node_memory_SwapTotal_bytes{{{scope}}}",
        "swap_used_bytes": f"node_memory_SwapTotal_bytes{{{scope}}} - node_memory_SwapFree_bytes{{{scope}}}",
        "load1": f"node_load1{{{scope}}}",
        "load5": f"node_load5{{{scope}}}",
        "load15": f"node_load15{{{scope}}}",
        "boot_time_seconds": f"node_boot_time_seconds{{{scope}}}",
        "uptime_seconds": f"time() - node_boot_time_seconds{{{scope}}}",
        "cpu_count": f'count {_BY} (node_cpu_seconds_total{{{scope}, mode="idle"}})',
    }
    on_disk = f"{scope}, {_IN_MEMORY}"
    filesystems = {
        "filesystem_size_bytes": f"node_filesystem_size_bytes{{{on_disk}}}",
        "filesystem_used_bytes": f"node_filesystem_size_bytes{{{on_disk}}} - node_filesystem_free_bytes{{{on_disk}}}",
        "filesystem_available_bytes": f"node_filesystem_avail_bytes{{{on_disk}}}",
    }
    devices = {
        "disk_read_bytes_per_second": f"node_disk_read_bytes_total{{{scope}}}",
        "disk_written_bytes_per_second": f"node_disk_written_bytes_total{{{scope}}}",
        "network_receive_bytes_per_second": f'node_network_receive_bytes_total{{{scope}, device!="lo"}}',
        "network_transmit_bytes_per_second": f'node_network_transmit_bytes_total{{{scope}, device!="lo"}}',
    }
    return [
        *(HistoryQuery(Series("cpu_percent", (("mode", mode),)), _cpu(which, scope, window_s))
          for mode, which in _MODES.items()),
        *(HistoryQuery(Series(name), text) for name, text in gauges.items()),
        *(HistoryQuery(Series(name), text, _FILESYSTEM) for name, text in filesystems.items()),
        *(HistoryQuery(Series(name), f"rate({text}[{span_text(window_s)}])", ("device",))
          for name, text in devices.items()),
    ]  # fmt: skip


def _cpu(modes: str, scope: str, window_s: float) -> str:
    """Return a query for the percentage of time that all cores spent in ``modes``."""
    some, whole = (f'{scope}, mode=~"{modes}"', scope)
    metric = "node_cpu_seconds_total"
    return f"100 * sum {_BY} ({_rate(metric, some, window_s)}) / sum {_BY} ({_rate(metric, whole, window_s)})"


def _rate(metric: str, scope: str, window_s: float) -> str:
    return f"rate({metric}{{{scope}}}[{span_text(window_s)}])"


_MAY_TELL = ".*(http|request|rq|nginx_connections_active).*"
_CLASSES = ((CLIENT_ERRORS, "4.*|CLIENT_ERROR"), (SERVER_ERRORS, "5.*|SERVER_ERROR"))


def service_scopes(name: str, config: ServiceConfig) -> list[dict[str, str]]:
    """Return possible labels of a service's series, most likely first: the configured ones, else its name as ``job``,
    or its address as ``instance``."""
    if config.series:
        return [dict(config.series)]
    return [{"job": name}, {"instance": urlsplit(config.url).netloc.rpartition("@")[2]}]


def recognition_queries(scope: dict[str, str], names: MetricNames) -> tuple[Matcher, ...]:
    """Return matchers for the series that may describe requests, and those that the config names."""
    named = [each for each in (names.requests, names.latency, names.inflight) if each]
    patterns = "|".join((_MAY_TELL, *(re.escape(each) + ".*" for each in named)))
    return (*(Matcher(label, "=", value) for label, value in scope.items()), Matcher(NAME, "=~", patterns))


def service_queries(application: Application, labels: dict[str, str], window_s: float) -> list[HistoryQuery]:
    """Return all queries that ``application`` allows for the series with ``labels``, over windows of ``window_s``."""
    scope, window = matchers(labels), span_text(window_s)
    found = []
    if (counter := application.requests) is not None:
        total = f"sum(rate({_selector(counter.metric, scope)}[{window}]))"
        found.append(HistoryQuery(REQUESTS, total))
        for series, statuses in _CLASSES if counter.status else ():
            some = _selector(counter.metric, f"{scope}, {counter.status}=~{quoted(statuses)}")
            # without a series of that class there was none of it, as long as requests are counted
            found.append(HistoryQuery(series, f"100 * (sum(rate({some}[{window}])) or 0 * {total}) / {total}"))
    if application.latency is not None:
        found += _times(application.latency, scope, window)
    if application.in_flight:
        found.append(HistoryQuery(IN_FLIGHT, f"sum({_selector(application.in_flight, scope)})"))
    return found


def _times(latency: Latency, scope: str, window: str) -> list[HistoryQuery]:
    unit = f"{latency.unit_s:g} * "
    if latency.bounds:
        buckets = f"sum by (le) (rate({_selector(latency.metric + '_bucket', scope)}[{window}]))"
        return [
            HistoryQuery(latency_series(each), f"{unit}histogram_quantile({each:g}, {buckets})") for each in QUANTILES
        ]
    total, count = (f"sum(rate({_selector(latency.metric + end, scope)}[{window}]))" for end in ("_sum", "_count"))
    found = [HistoryQuery(AVERAGE, f"{unit}{total} / {count}")]
    if latency.maximum:
        found.append(HistoryQuery(MAXIMUM, f"{unit}max({_selector(latency.maximum, scope)})"))
    return found


def _selector(name: str, scope: str) -> str:
    return f"{{{NAME}={quoted(name)}, {scope}}}"


_TAG = "lilfox_question"
_TOGETHER_CHARS = 6000
"""Questions are put together into one query up to this length: it stands in the address of a GET."""
_AT_ONCE = 4
_SEARCHED = timedelta(hours=1)
"""How far around a moment series of requests are looked for."""
_EXPORTER = ("instance", "job")


class _QueryAnswer(NamedTuple):
    question: HistoryQuery
    labels: LabelSet
    value: float


class FarChart(Struct, frozen=True):
    """The data of a chart: values with their times, oldest first, and the series used, as PromQL writes them."""

    points: tuple[Point, ...]
    taken: str


class RemoteHistory:
    """Queries hosts and services at times that history does not cover. ``engine`` returns the query engine. Every
    method raises LilFoxError. Use from one event loop."""

    def __init__(self, engine: Callable[[], QueryEngine | None]) -> None:
        self._engine = engine
        self._few = asyncio.Semaphore(_AT_ONCE)
        self._applications: dict[str, tuple[tuple[int, int], Application, dict[str, str]]] = {}

    async def chart(
        self, view: HostView | ServiceView, series: Series, start: datetime, end: datetime, step_s: float
    ) -> FarChart | None:
        """Return the values of ``series`` at each whole multiple of ``step_s`` from ``start`` to before ``end``
        (aware). None if Prometheus is not queried for that series."""
        if isinstance(view, HostView):
            question = chart_query(series, host_scope(view.name, view.config), step_s)
            said = ""
        else:
            application, labels = await self._application(view, start, end)
            asked = service_queries(application, labels, step_s)
            question = next((each for each in asked if each.series == series), None)
            said = "{" + matchers(labels) + "}"
        if question is None:
            return None
        first, last = math.ceil(start.timestamp() / step_s), math.ceil(end.timestamp() / step_s) - 1
        if first > last:
            return FarChart((), said)
        async with self._few:
            lines = await self._engine_here().range(question.text, _time(first * step_s), _time(last * step_s), step_s)
        if isinstance(view, HostView):
            said = (
                _one_exporter(view.name, (line.labels for line in lines))
                or "{" + host_scope(view.name, view.config) + "}"
            )
        if not lines:
            raise LilFoxError(
                tr("the server has no series for {scope} at that time", scope=said),
                tr("in the configuration, set series: of the host or service to the labels to match"),
            )
        points = [
            Point(at_ms / 1000, value, value, value)
            for line in lines
            for at_ms, value in zip(line.times.tolist(), line.values.tolist(), strict=True)
            if math.isfinite(value)
        ]
        return FarChart(tuple(points), said)

    async def overview(self, overview: Overview, hosts: Sequence[str], services: Sequence[str]) -> Overview:
        """Return ``overview`` completed with what Prometheus knows of these hosts and services at that time."""
        views = {name: overview.hosts[name] for name in hosts}
        values, asked = await asyncio.gather(
            self._hosts_at(views, overview.at),
            asyncio.gather(*(self._service_at(overview.services[name], overview.at) for name in services)),
        )
        changed = {name: self._host_then(view, values.get(name, {}), overview.at) for name, view in views.items()}
        return replace(
            overview,
            hosts={**overview.hosts, **changed},
            services={**overview.services, **{view.name: view for view in asked}},
        )

    def _host_then(self, view: HostView, values: Mapping[Series, float] | LilFoxError, at: datetime) -> HostView:
        if isinstance(values, LilFoxError):
            return replace(view, level=Level.UNKNOWN, reasons=(values.message,))
        return past_host(view.name, view.config, view.thresholds, values, at)

    async def _hosts_at(
        self, views: Mapping[str, HostView], at: datetime
    ) -> dict[str, Mapping[Series, float] | LilFoxError]:
        """Return the values of each host, or an error if several exporters match."""
        alike = {name: view for name, view in views.items() if not view.config.series}
        own = {name: own_names(name, view.config) for name, view in alike.items()}
        asked = [self._host_at(view, at) for name, view in views.items() if name not in alike]
        found: dict[str, Mapping[Series, float] | LilFoxError] = {}
        if alike:
            scope = host_instances(each for names in own.values() for each in names)
            by_instance: dict[str, list[_QueryAnswer]] = {}
            for answer in await self._at(row_queries(scope, RATE_S), at):
                by_instance.setdefault(answer.labels.get("instance"), []).append(answer)
            for name, names in own.items():
                fits = re.compile(pattern(names))
                of_host = (answers for instance, answers in by_instance.items() if fits.fullmatch(instance))
                found[name] = _values(name, [each for answers in of_host for each in answers])
        return found | dict(await asyncio.gather(*asked))

    async def _host_at(self, view: HostView, at: datetime) -> tuple[str, Mapping[Series, float] | LilFoxError]:
        answers = await self._at(row_queries(host_scope(view.name, view.config), RATE_S), at)
        return view.name, _values(view.name, answers)

    async def _service_at(self, view: ServiceView, at: datetime) -> ServiceView:
        try:
            application, labels = await self._application(view, at - _SEARCHED, at)
        except _NoRequests:
            return view
        answers = await self._at(service_queries(application, labels, RATE_S), at)
        if not answers:
            return view
        values = {question.series: value for question, _labels, value in answers}
        traffic = traffic_of({**values, WINDOW: RATE_S}, at)
        return view if traffic is None else replace(view, traffic=Ready(traffic, at))

    async def _application(
        self, view: ServiceView, start: datetime, end: datetime
    ) -> tuple[Application, dict[str, str]]:
        """Return which series describe a service's requests, and the labels that select its own."""
        searched = int(start.timestamp() // 3600), int(end.timestamp() // 3600)
        known = self._applications.get(view.name)
        if known is not None and known[0] == searched:
            return known[1:]
        for labels in (scopes := service_scopes(view.name, view.config)):
            async with self._few:
                found = await self._engine_here().series(recognition_queries(labels, view.config), start, end)
            application = recognise({}, LabelList(found), view.config)
            if application.requests is not None or application.latency is not None:
                self._applications[view.name] = searched, application, labels
                return application, labels
        tried = ", ".join("{" + matchers(labels) + "}" for labels in scopes)
        raise _NoRequests(
            tr("the server has no request series for {scope} at that time", scope=tried),
            tr("in the configuration, set series: of the host or service to the labels to match"),
        )

    async def _at(self, asked: Sequence[HistoryQuery], at: datetime) -> list[_QueryAnswer]:
        """Run the queries, several combined into one; return each answer that is a number."""
        by_tag = {str(place): each for place, each in enumerate(asked)}
        texts = [f'label_replace({each.text}, "{_TAG}", "{tag}", "", "")' for tag, each in by_tag.items()]
        together: list[str] = []
        for text in texts:
            if together and len(together[-1]) + len(text) < _TOGETHER_CHARS:
                together[-1] += f" or {text}"
            else:
                together.append(text)
        found = []
        for value in await asyncio.gather(*(self._instant(text, at) for text in together)):
            for labels, number in zip(value.labels, value.values.tolist(), strict=True):
                question = by_tag.get(labels.get(_TAG))
                if question is not None and math.isfinite(number):
                    found.append(_QueryAnswer(question, labels, number))
        return found

    async def _instant(self, text: str, at: datetime) -> Vector:
        async with self._few:
            value = await self._engine_here().instant(text, at)
        return value if isinstance(value, Vector) else NOTHING

    def _engine_here(self) -> QueryEngine:
        engine = self._engine()
        assert engine is not None
        return engine


class _NoRequests(LilFoxError):
    """Prometheus has no data for a service."""


def _values(name: str, answers: Sequence[_QueryAnswer]) -> Mapping[Series, float] | LilFoxError:
    try:
        _one_exporter(name, (labels for _question, labels, _value in answers))
    except LilFoxError as error:
        return error
    found = {}
    for question, labels, value in answers:
        series = question.series
        own = (*series.labels, *((label, labels.get(label)) for label in question.by))
        found[Series(series.name, own)] = value
    return found


def _one_exporter(name: str, found: Iterable[LabelSet]) -> str:
    """Return the instance and job of a host's exporter as a selector; empty if there is none. Raises LilFoxError if
    there are several: their sum would describe no host."""
    exporters = sorted({str(labels.only(_EXPORTER)) for labels in found})
    if len(exporters) > 1:
        raise LilFoxError(
            tr("{count} exporters match {name}: {which}", count=len(exporters), name=name, which=listed(exporters)),
            tr("in the configuration, set series: of the host or service to the labels to match"),
        )
    return exporters[0] if exporters else ""


def _time(seconds: float) -> datetime:
    return time_at(seconds)
