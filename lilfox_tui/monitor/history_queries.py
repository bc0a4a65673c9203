"""PromQL queries for the history of hosts and services in a Prometheus, under the names that history has. Pure.

Names and labels of a host's series: node_exporter 1.x. Sums leave out what ``metrics/summary.py`` and the collectors
leave out: the loopback, what is stacked on other devices, filesystems in memory. A service's queries mean what
``traffic_queries.py`` asks here: sums of rates, and quantiles of the sums of buckets.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from msgspec import Struct

from lilfox_tui.config.model import HostConfig, MetricNames, ServiceConfig
from lilfox_tui.metrics.model import Series
from lilfox_tui.metrics.traffic import (
    AVERAGE,
    CLIENT_ERRORS,
    IN_FLIGHT,
    MAXIMUM,
    QUANTILES,
    REQUESTS,
    SERVER_ERRORS,
    latency_series,
)
from lilfox_tui.scrape.application import Application, Latency
from lilfox_tui.scrape.labels import NAME, Matcher, quoted

RATE_S = 300.0
"""Rates are of so much at least: four scrapes of a Prometheus that asks once a minute, and one that fails."""


class HistoryQuery(Struct, frozen=True):
    """``text`` gives the values of ``series``; where it names ``by``, those labels of the answer are put onto it."""

    series: Series
    text: str
    by: tuple[str, ...] = ()


def matchers(labels: Mapping[str, str]) -> str:
    """Labels as what stands in the braces of a selector."""
    return ", ".join(f"{name}={quoted(value)}" for name, value in labels.items())


def span_text(seconds: float) -> str:
    """A duration as PromQL has it, :data:`RATE_S` at least."""
    return f"{round(max(seconds, RATE_S) * 1000)}ms"


_BY = "by (instance, job)"
_MODES = {"user": "user|nice", "system": "system|irq|softirq", "iowait": "iowait", "steal": "steal", "idle": "idle"}
_DISKS = 'device!~"(dm-|md|bcache|drbd|zd|loop|ram|zram|fd|sr).*"'
_PORTS = 'device!~"lo|(bond|team|br|tun|tap|wg|vlan|dummy|virbr|veth|docker|cali|flannel|cni|vnet|ifb).*|.*[.].*"'
_IN_MEMORY = 'fstype!~"tmpfs|devtmpfs|ramfs|overlay|squashfs|iso9660|nsfs|autofs|fuse[.].*"'
_FILESYSTEM = ("device", "fstype", "mountpoint")


def host_scope(name: str, config: HostConfig) -> str:
    """Matchers of one host's series: what the config says, else ``instance``, its name or address with any port."""
    return matchers(config.series) if config.series else host_instances(own_names(name, config))


def own_names(name: str, config: HostConfig) -> tuple[str, ...]:
    """What ``instance`` may say of a host, without the port."""
    return tuple(dict.fromkeys((name, config.address or name)))


def host_instances(names: Iterable[str]) -> str:
    """A matcher for ``instance``: any of ``names``, with or without a port."""
    return f"instance=~{quoted(pattern(names))}"


def pattern(names: Iterable[str]) -> str:
    """A pattern of RE2 and Python for the whole of ``instance``."""
    each = "|".join(rf"\[?{re.escape(name)}\]?" if ":" in name else re.escape(name) for name in names)
    return rf"(?:{each})(?::[0-9]+)?"


def chart_query(series: Series, scope: str, window_s: float) -> HistoryQuery | None:
    """What a chart of a host's page asks; None where node_exporter does not tell of ``series``."""
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
    """What a host's row and page tell of one moment; together what ``summary_at`` makes a summary of."""
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
    """Percent of the time of all cores that was spent in ``modes``."""
    some, whole = (f'{scope}, mode=~"{modes}"', scope)
    metric = "node_cpu_seconds_total"
    return f"100 * sum {_BY} ({_rate(metric, some, window_s)}) / sum {_BY} ({_rate(metric, whole, window_s)})"


def _rate(metric: str, scope: str, window_s: float) -> str:
    return f"rate({metric}{{{scope}}}[{span_text(window_s)}])"


_MAY_TELL = ".*(http|request|rq|nginx_connections_active).*"
_CLASSES = ((CLIENT_ERRORS, "4.*|CLIENT_ERROR"), (SERVER_ERRORS, "5.*|SERVER_ERROR"))


def service_scopes(name: str, config: ServiceConfig) -> list[dict[str, str]]:
    """Labels of a service's series, the likeliest first: what the config says, else its name as ``job``, or its
    address as ``instance``."""
    if config.series:
        return [dict(config.series)]
    return [{"job": name}, {"instance": urlsplit(config.url).netloc.rpartition("@")[2]}]


def recognition_queries(scope: dict[str, str], names: MetricNames) -> tuple[Matcher, ...]:
    """Takes the series that may tell of requests, and those that the config names."""
    named = [each for each in (names.requests, names.latency, names.inflight) if each]
    patterns = "|".join((_MAY_TELL, *(re.escape(each) + ".*" for each in named)))
    return (*(Matcher(label, "=", value) for label, value in scope.items()), Matcher(NAME, "=~", patterns))


def service_queries(application: Application, labels: dict[str, str], window_s: float) -> list[HistoryQuery]:
    """All that ``application`` lets ask of the series with ``labels``, over windows of ``window_s``."""
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
