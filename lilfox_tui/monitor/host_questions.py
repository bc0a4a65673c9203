"""What node_exporter's series tell of hosts, as questions in PromQL under the names that history has. Pure.

Names and labels of series: node_exporter 1.x. Sums leave out what ``metrics/summary.py`` and the collectors leave out:
the loopback, what is stacked on other devices, filesystems in memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from lilfox_tui.config.model import HostConfig
from lilfox_tui.metrics.model import Series
from lilfox_tui.monitor.past_question import Question, matchers, span_text
from lilfox_tui.scrape.labels import quoted

_BY = "by (instance, job)"
_MODES = {"user": "user|nice", "system": "system|irq|softirq", "iowait": "iowait", "steal": "steal", "idle": "idle"}
_DISKS = 'device!~"(dm-|md|bcache|drbd|zd|loop|ram|zram|fd|sr).*"'
_PORTS = 'device!~"lo|(bond|team|br|tun|tap|wg|vlan|dummy|virbr|veth|docker|cali|flannel|cni|vnet|ifb).*|.*[.].*"'
_IN_MEMORY = 'fstype!~"tmpfs|devtmpfs|ramfs|overlay|squashfs|iso9660|nsfs|autofs|fuse[.].*"'
_FILESYSTEM = ("device", "fstype", "mountpoint")


def scope_of(name: str, config: HostConfig) -> str:
    """Matchers of one host's series: what the config says, else ``instance``, its name or address with any port."""
    return matchers(config.series) if config.series else instances(own_names(name, config))


def own_names(name: str, config: HostConfig) -> tuple[str, ...]:
    """What ``instance`` may say of a host, without the port."""
    return tuple(dict.fromkeys((name, config.address or name)))


def instances(names: Iterable[str]) -> str:
    """A matcher for ``instance``: any of ``names``, with or without a port."""
    return f"instance=~{quoted(pattern(names))}"


def pattern(names: Iterable[str]) -> str:
    """A pattern of RE2 and Python for the whole of ``instance``."""
    each = "|".join(rf"\[?{re.escape(name)}\]?" if ":" in name else re.escape(name) for name in names)
    return rf"(?:{each})(?::[0-9]+)?"


def chart_question(series: Series, scope: str, window_s: float) -> Question | None:
    """What a chart of a host's page asks; None where node_exporter does not tell of ``series``."""
    return next((each for each in _chart_questions(scope, window_s) if each.series == series), None)


def _chart_questions(scope: str, window_s: float) -> list[Question]:
    total, available = (f"node_memory_{name}_bytes{{{scope}}}" for name in ("MemTotal", "MemAvailable"))
    rates: Mapping[str, tuple[str, str]] = {
        "all_disks_read_bytes_per_second": ("node_disk_read_bytes_total", _DISKS),
        "all_disks_written_bytes_per_second": ("node_disk_written_bytes_total", _DISKS),
        "all_interfaces_receive_bytes_per_second": ("node_network_receive_bytes_total", _PORTS),
        "all_interfaces_transmit_bytes_per_second": ("node_network_transmit_bytes_total", _PORTS),
    }
    return [
        Question(Series("cpu_usage_percent"), _cpu("user|nice|system|irq|softirq|steal", scope, window_s)),
        Question(Series("cpu_percent", (("mode", "iowait"),)), _cpu("iowait", scope, window_s)),
        Question(Series("memory_usage_percent"), f"100 * (1 - {available} / {total})"),
        Question(Series("load1"), f"node_load1{{{scope}}}"),
        *(
            Question(Series(name), f"sum {_BY} ({_rate(metric, f'{scope}, {which}', window_s)})")
            for name, (metric, which) in rates.items()
        ),
    ]


def row_questions(scope: str, window_s: float) -> list[Question]:
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
        *(Question(Series("cpu_percent", (("mode", mode),)), _cpu(which, scope, window_s))
          for mode, which in _MODES.items()),
        *(Question(Series(name), text) for name, text in gauges.items()),
        *(Question(Series(name), text, _FILESYSTEM) for name, text in filesystems.items()),
        *(Question(Series(name), f"rate({text}[{span_text(window_s)}])", ("device",))
          for name, text in devices.items()),
    ]  # fmt: skip


def _cpu(modes: str, scope: str, window_s: float) -> str:
    """Percent of the time of all cores that was spent in ``modes``."""
    some, whole = (f'{scope}, mode=~"{modes}"', scope)
    metric = "node_cpu_seconds_total"
    return f"100 * sum {_BY} ({_rate(metric, some, window_s)}) / sum {_BY} ({_rate(metric, whole, window_s)})"


def _rate(metric: str, scope: str, window_s: float) -> str:
    return f"rate({metric}{{{scope}}}[{span_text(window_s)}])"
