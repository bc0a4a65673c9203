"""Two days of a host and a service as node_exporter and an instrumented application have them, told to a Prometheus."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from tests.services.prometheus_server import PrometheusServer

EVERY_S = 60
SPAN = timedelta(days=2)
_SLICE = 30
"""Samples of a series that are told at once: half an hour."""
Labels = dict[str, str]
_Series = tuple[Labels, Callable[[float], float]]
"""Labels, and the value so many seconds after the first sample."""


def fill(server: PrometheusServer, end: datetime, *exporters: str) -> None:
    """Tells ``server`` of all series up to ``end`` (aware): of a host by each exporter (``web-1:9100``), of the job
    ``shop``."""
    hosts = exporters or ("web-1:9100",)
    series = [*(one for each in hosts for one in _host(each)), *_service("shop")]
    begin_ms = round((end - SPAN).timestamp() * 1000)
    count = int(SPAN.total_seconds()) // EVERY_S + 1
    for first in range(0, count, _SLICE):
        places = range(first, min(first + _SLICE, count))
        times = [begin_ms + place * EVERY_S * 1000 for place in places]
        server.write([
            (labels, times, [struct.pack("<d", value(place * EVERY_S)) for place in places])
            for labels, value in series
        ])  # fmt: skip


def _host(exporter: str) -> Iterator[_Series]:
    own = {"instance": exporter, "job": "node"}
    shares = {"user": 0.3, "nice": 0.01, "system": 0.1, "irq": 0.0, "softirq": 0.01, "iowait": 0.08, "steal": 0.0}
    for core in ("0", "1"):
        for mode, share in (*shares.items(), ("idle", 1 - sum(shares.values()))):
            yield own | {"__name__": "node_cpu_seconds_total", "cpu": core, "mode": mode}, _counted(share)
    gauges = {
        "MemTotal": 8e9, "MemAvailable": 5e9, "SwapTotal": 1e9, "SwapFree": 0.75e9,
    }  # fmt: skip
    for name, value in gauges.items():
        yield own | {"__name__": f"node_memory_{name}_bytes"}, _always(value)
    for minutes, base in (("1", 1.5), ("5", 1.2), ("15", 1.0)):
        yield own | {"__name__": f"node_load{minutes}"}, _waving(base)
    yield own | {"__name__": "node_boot_time_seconds"}, _always(1_700_000_000)
    for device, rate in (("sda", 4096.0), ("dm-0", 4096.0)):
        yield own | {"__name__": "node_disk_read_bytes_total", "device": device}, _counted(rate)
        yield own | {"__name__": "node_disk_written_bytes_total", "device": device}, _counted(2 * rate)
    for device, rate in (("eth0", 10_000.0), ("lo", 99_000.0), ("docker0", 500.0)):
        yield own | {"__name__": "node_network_receive_bytes_total", "device": device}, _counted(rate)
        yield own | {"__name__": "node_network_transmit_bytes_total", "device": device}, _counted(rate / 2)
    disk = own | {"device": "/dev/sda1", "fstype": "ext4", "mountpoint": "/"}
    for name, value in (("size", 100e9), ("free", 40e9), ("avail", 35e9)):
        yield disk | {"__name__": f"node_filesystem_{name}_bytes"}, _always(value)


def _service(job: str) -> Iterator[_Series]:
    own = {"instance": "10.0.0.7:8000", "job": job}
    for status, rate in (("200", 18.0), ("404", 1.5), ("503", 0.5)):
        yield own | {"__name__": "http_requests_total", "status": status, "handler": "/"}, _counted(rate)
    for bound, rate in (("0.1", 12.0), ("0.5", 18.0), ("1.0", 19.8), ("+Inf", 20.0)):
        yield own | {"__name__": "http_request_duration_seconds_bucket", "le": bound}, _counted(rate)
    yield own | {"__name__": "http_request_duration_seconds_count"}, _counted(20)
    yield own | {"__name__": "http_request_duration_seconds_sum"}, _counted(3)
    yield own | {"__name__": "http_requests_inprogress"}, _always(3)


def _always(value: float) -> Callable[[float], float]:
    return lambda _seconds: value


def _counted(rate: float) -> Callable[[float], float]:
    """A counter whose rate goes up and down by a third of it, once in six hours."""
    return lambda seconds: rate * (seconds + 6 * 3600 / (2 * math.pi) / 3 * math.sin(seconds / 6 / 3600 * 2 * math.pi))


def _waving(base: float) -> Callable[[float], float]:
    return lambda seconds: base * (1 + 0.5 * math.sin(seconds / 6 / 3600 * 2 * math.pi))
