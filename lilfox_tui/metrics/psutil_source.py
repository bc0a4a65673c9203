"""Samples this machine with psutil where it has no /proc (macOS, BSD), in the form of the collectors."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator

import psutil

from lilfox_tui.metrics.model import Labels, Sample


class PsutilSource:
    """Reads CPU, memory, load, disks, interfaces, filesystems and uptime with psutil; what a system lacks is absent."""

    def read(self) -> dict[str, list[Sample]]:
        """Return samples by the kind of the collector that they replace."""
        return {
            "cpu": list(_cpu()),
            "memory": _memory(),
            "load": [
                Sample(name, load) for name, load in zip(("load1", "load5", "load15"), os.getloadavg(), strict=True)
            ],
            "disk": list(_disks()),
            "network": list(_interfaces()),
            "filesystems": list(_filesystems()),
            "uptime": _uptime(),
            "clock": [Sample("clock_offset_seconds", 0.0), Sample("clock_error_seconds", 0.0)],
        }


def _cpu() -> Iterator[Sample]:
    cores = psutil.cpu_times(percpu=True)
    for core, times in [("", psutil.cpu_times()), *((str(number), one) for number, one in enumerate(cores))]:
        read = times._asdict()
        values = {
            "user": read.get("user", 0.0) + read.get("nice", 0.0),
            "system": read.get("system", 0.0) + read.get("irq", 0.0) + read.get("softirq", 0.0),
            # a system without these two kinds of time has none of it
            "iowait": read.get("iowait", 0.0),
            "steal": read.get("steal", 0.0),
            "idle": read["idle"],
        }
        for mode, value in values.items():
            labels: Labels = (("cpu", core), ("mode", mode)) if core else (("mode", mode),)
            yield Sample("cpu_seconds_total", value, labels)
    yield Sample("cpu_count", float(len(cores)))
    yield Sample("boot_time_seconds", psutil.boot_time())


def _memory() -> list[Sample]:
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    return [
        Sample("memory_total_bytes", float(memory.total)),
        Sample("memory_free_bytes", float(memory.free)),
        Sample("memory_available_bytes", float(memory.available)),
        Sample("swap_total_bytes", float(swap.total)),
        Sample("swap_free_bytes", float(swap.free)),
    ]


def _disks() -> Iterator[Sample]:
    for name, disk in (psutil.disk_io_counters(perdisk=True) or {}).items():
        labels: Labels = (("device", name),)
        yield Sample("disk_read_bytes_total", float(disk.read_bytes), labels)
        yield Sample("disk_written_bytes_total", float(disk.write_bytes), labels)
        yield Sample("disk_reads_completed_total", float(disk.read_count), labels)
        yield Sample("disk_writes_completed_total", float(disk.write_count), labels)
        if (busy := getattr(disk, "busy_time", None)) is not None:
            yield Sample("disk_io_time_seconds_total", busy / 1000, labels)


def _interfaces() -> Iterator[Sample]:
    for name, port in psutil.net_io_counters(pernic=True).items():
        if name in ("lo", "lo0"):
            continue
        labels: Labels = (("device", name),)
        yield Sample("network_receive_bytes_total", float(port.bytes_recv), labels)
        yield Sample("network_transmit_bytes_total", float(port.bytes_sent), labels)
        yield Sample("network_receive_errors_total", float(port.errin), labels)
        yield Sample("network_transmit_errors_total", float(port.errout), labels)


def _filesystems() -> Iterator[Sample]:
    for mount in psutil.disk_partitions(all=False):
        try:
            usage = psutil.disk_usage(mount.mountpoint)
        except OSError:
            continue
        labels: Labels = (("device", mount.device), ("fstype", mount.fstype), ("mountpoint", mount.mountpoint))
        yield Sample("filesystem_size_bytes", float(usage.total), labels)
        yield Sample("filesystem_used_bytes", float(usage.used), labels)
        yield Sample("filesystem_available_bytes", float(usage.free), labels)
        yield Sample("filesystem_read_only", float("ro" in mount.opts.split(",")), labels)


def _uptime() -> list[Sample]:
    return [
        Sample("uptime_seconds", max(0.0, time.time() - psutil.boot_time())),
        Sample("host_info", 1.0, (("kernel", platform.release()),)),
    ]
