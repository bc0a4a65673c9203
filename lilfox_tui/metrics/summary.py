"""Turns a snapshot into the summary in a host's row, within the limits of its control groups."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from msgspec.structs import replace

from lilfox_tui.metrics.collectors.limits import HOST, OWN
from lilfox_tui.metrics.model import (
    CpuSplit,
    DiskActivity,
    FilesystemUsage,
    HostSnapshot,
    HostSummary,
    InterfaceActivity,
    Limit,
    Memory,
    MemoryParts,
    Pressure,
    Series,
    Threads,
)

# What a control group leaves of a machine: the limits that count, and the memory that a host has within them. Pure.


GAUGES = ("cgroup_memory_limit_bytes", "cgroup_memory_used_bytes", "cgroup_cpu_limit_cores")
CPU = "cgroup_cpu_seconds_total"
CPU_PERCENT = "cgroup_cpu_percent"
"""Of one core: the rate of CPU as a series of history."""


def limit_of(snapshot: HostSnapshot, scope: str) -> Limit | None:
    """Return the limits of that scope (``host``, ``own``) that are below the machine's capacity; None without any."""
    found = {
        series.name: (series.label("cgroup"), value)
        for values in (snapshot.gauges, snapshot.rates)
        for series, value in values.items()
        if series.name.startswith("cgroup_") and series.label("scope") == scope
    }
    most, used = found.get("cgroup_memory_limit_bytes"), found.get("cgroup_memory_used_bytes")
    total, available = snapshot.gauge("memory_total_bytes"), snapshot.gauge("memory_available_bytes")
    memory = None
    if most is not None and used is not None and (total is None or most[1] < total):
        left = max(0.0, most[1] - used[1])
        memory = Memory(most[1], left if available is None else min(left, available))
    cores, rate, count = found.get("cgroup_cpu_limit_cores"), found.get(CPU), snapshot.gauge("cpu_count")
    if cores is not None and (not cores[1] or (count is not None and cores[1] >= count)):
        cores = None
    if memory is None and cores is None:
        return None
    percent = None if cores is None or rate is None else min(100.0, 100 * rate[1] / cores[1])
    group = most[0] if memory is not None and most is not None else cores[0] if cores is not None else ""
    return Limit(group, memory, None if cores is None else cores[1], percent)


def series_of_limits(summary: HostSummary) -> Iterator[tuple[Series, float | None]]:
    """Yield the limits as series for history, from which ``limit_of`` restores them."""
    for scope, limit in ((HOST, summary.limit), (OWN, summary.own_limit)):
        if limit is None:
            continue
        labels = (("cgroup", limit.cgroup), ("scope", scope))
        if limit.memory is not None:
            yield Series("cgroup_memory_limit_bytes", labels), limit.memory.total
            yield Series("cgroup_memory_used_bytes", labels), limit.memory.total - limit.memory.available
        yield Series("cgroup_cpu_limit_cores", labels), limit.cores
        if limit.cores is not None and limit.cpu_percent is not None:
            yield Series(CPU_PERCENT, labels), limit.cpu_percent * limit.cores


def machine_memory(summary: HostSummary) -> Mapping[str, float | None]:
    """Return the machine's memory by series name, even if the host is limited to less."""
    if summary.machine is not None:
        return {"memory_total_bytes": summary.machine.total, "memory_available_bytes": summary.machine.available}
    return {"memory_total_bytes": summary.memory_total, "memory_available_bytes": summary.memory_available}


# From a snapshot to what a host's row shows.
#
# Sums over devices leave out what is stacked on other devices (a bond over its ports, LVM over its disks), so that
# nothing is counted twice.


MODES = ("user", "system", "iowait", "steal", "idle")
_STACKED_DISKS = ("dm-", "md", "bcache", "drbd", "zd")
_STACKED_INTERFACES = ("bond", "team", "br", "tun", "tap", "wg", "vlan", "dummy", "virbr")

ByDevice = dict[str, dict[str, float]]
T = TypeVar("T")


def summarize(snapshot: HostSnapshot) -> HostSummary:
    """Return the summary of ``snapshot`` that a row, ``check`` and ``monitor`` show; pure."""
    gauges, rates = _by_name(snapshot.gauges), _by_name(snapshot.rates)
    cpu, cores = _cpu(rates)
    limit = limit_of(snapshot, HOST)
    total, available, machine = _memory(snapshot, limit)
    swap_total, swap_free = snapshot.gauge("swap_total_bytes"), snapshot.gauge("swap_free_bytes")
    swap_used = None if swap_total is None or swap_free is None else max(0.0, swap_total - swap_free)
    disks = _disks(snapshot, rates)
    interfaces = _interfaces(snapshot, rates)
    filesystems = _filesystems(gauges)
    uptime, cpu_count = snapshot.gauge("uptime_seconds"), snapshot.gauge("cpu_count")
    physical_disks = _unstacked(disks, lambda disk: disk.device.startswith(_STACKED_DISKS))
    physical_ports = _unstacked(interfaces, _is_stacked_interface)
    return HostSummary(
        host=snapshot.host,
        at=snapshot.at,
        cpu=cpu,
        cores=cores,
        cpu_count=None if cpu_count is None else int(cpu_count),
        memory_total=total,
        memory_available=available,
        memory_percent=_share(None if total is None or available is None else total - available, total),
        swap_total=swap_total,
        swap_used=swap_used,
        swap_percent=0.0 if swap_total == 0 else _share(swap_used, swap_total),
        load=_load(snapshot),
        disks=disks,
        interfaces=interfaces,
        filesystems=filesystems,
        fullest=max(filesystems, key=lambda one: one.used_percent, default=None),
        pressure=_pressure(gauges),
        uptime_s=uptime,
        booted_at=_booted_at(snapshot.at, uptime, snapshot.gauge("boot_time_seconds")),
        failed_units=_failed_units(snapshot, gauges),
        clock_offset_s=snapshot.gauge("clock_offset_seconds"),
        clock_error_s=snapshot.gauge("clock_error_seconds"),
        disk_read_s=_sum(disk.read_bytes_s for disk in physical_disks),
        disk_write_s=_sum(disk.write_bytes_s for disk in physical_disks),
        network_in_s=_sum(port.receive_bytes_s for port in physical_ports),
        network_out_s=_sum(port.transmit_bytes_s for port in physical_ports),
        kernel=next((series.label("kernel") for series, _ in gauges.get("host_info", ())), ""),
        boot_id=next((series.label("boot_id") for series, _ in gauges.get("boot_info", ())), ""),
        problems=snapshot.problems,
        limit=limit,
        own_limit=limit_of(snapshot, OWN),
        machine=machine,
        memory_parts=_memory_parts(snapshot),
        threads=_threads(snapshot),
    )


def _memory(snapshot: HostSnapshot, limit: Limit | None) -> tuple[float | None, float | None, Memory | None]:
    """Return the host's total and available memory; also the machine's, if the host has a limit."""
    total, available = snapshot.gauge("memory_total_bytes"), snapshot.gauge("memory_available_bytes")
    if limit is None or limit.memory is None:
        return total, available, None
    machine = None if total is None or available is None else Memory(total, available)
    return limit.memory.total, limit.memory.available, machine


def _memory_parts(snapshot: HostSnapshot) -> MemoryParts | None:
    names = ("memory_free_bytes", "memory_buffers_bytes", "memory_cached_bytes")
    free, buffers, cached = (snapshot.gauge(name) for name in names)
    if free is None or buffers is None or cached is None:
        return None
    return MemoryParts(free, buffers, cached + (snapshot.gauge("memory_reclaimable_bytes") or 0.0))


def _threads(snapshot: HostSnapshot) -> Threads | None:
    found = [snapshot.gauge(name) for name in ("threads", "processes_running", "processes_blocked")]
    known = [round(value) for value in found if value is not None]
    return Threads(*known) if len(known) == len(found) else None


Named = dict[str, list[tuple[Series, float]]]


def _by_name(values: Mapping[Series, float]) -> Named:
    named: Named = {}
    for series, value in values.items():
        named.setdefault(series.name, []).append((series, value))
    return named


def split_of(shares: Mapping[str, float]) -> CpuSplit | None:
    """Normalise amounts by mode to 100 percent; None unless all five modes are present and time has passed."""
    if any(mode not in shares for mode in MODES):
        return None
    whole = sum(shares.values())
    if whole <= 0:
        return None
    user, system, iowait, steal, idle = (100 * shares[mode] / whole for mode in MODES)
    return CpuSplit(user, system, iowait, steal, idle)


def core_order(core: str) -> tuple[int, str]:
    """Sort key that puts ``2`` before ``10``."""
    return (int(core), core) if core.isdecimal() else (1 << 30, core)


def _cpu(rates: Named) -> tuple[CpuSplit | None, tuple[tuple[str, CpuSplit], ...]]:
    shares: ByDevice = {}
    for series, value in rates.get("cpu_seconds_total", ()):
        labels = dict(series.labels)
        shares.setdefault(labels.get("cpu", ""), {})[labels.get("mode", "")] = value
    whole = split_of(shares.pop("", {}))
    cores = ((core, split_of(shares[core])) for core in sorted(shares, key=core_order))
    return whole, tuple((core, split) for core, split in cores if split is not None)


def _share(part: float | None, whole: float | None) -> float | None:
    """Return a percentage between 0 and 100; None if a value is unknown or the whole is 0."""
    if part is None or not whole:
        return None
    return min(100.0, max(0.0, 100 * part / whole))


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _load(snapshot: HostSnapshot) -> tuple[float, float, float] | None:
    one, five, fifteen = snapshot.gauge("load1"), snapshot.gauge("load5"), snapshot.gauge("load15")
    return None if one is None or five is None or fifteen is None else (one, five, fifteen)


def _devices(snapshot: HostSnapshot, rates: Named, names: Mapping[str, str]) -> ByDevice:
    """Return each device's rates under the names of the summary's fields; a device without a rate yet has an empty
    mapping."""
    found: ByDevice = {series.label("device"): {} for series in snapshot.counters if series.name in names}
    for name, field in names.items():
        for series, value in rates.get(name, ()):
            found.setdefault(series.label("device"), {})[field] = value
    return dict(sorted(found.items()))


_DISK_FIELDS = {
    "disk_read_bytes_total": "read_bytes_s",
    "disk_written_bytes_total": "write_bytes_s",
    "disk_reads_completed_total": "reads_s",
    "disk_writes_completed_total": "writes_s",
    "disk_io_time_seconds_total": "busy",
}
_INTERFACE_FIELDS = {
    "network_receive_bytes_total": "receive_bytes_s",
    "network_transmit_bytes_total": "transmit_bytes_s",
    "network_receive_errors_total": "receive_errors_s",
    "network_transmit_errors_total": "transmit_errors_s",
    "network_receive_dropped_total": "receive_drops_s",
    "network_transmit_dropped_total": "transmit_drops_s",
}


def _disks(snapshot: HostSnapshot, rates: Named) -> tuple[DiskActivity, ...]:
    return tuple(
        DiskActivity(
            device=device,
            read_bytes_s=values.get("read_bytes_s"),
            write_bytes_s=values.get("write_bytes_s"),
            reads_s=values.get("reads_s"),
            writes_s=values.get("writes_s"),
            utilisation_percent=_share(values.get("busy"), 1.0),
        )
        for device, values in _devices(snapshot, rates, _DISK_FIELDS).items()
    )


def _interfaces(snapshot: HostSnapshot, rates: Named) -> tuple[InterfaceActivity, ...]:
    return tuple(
        InterfaceActivity(
            device=device,
            receive_bytes_s=values.get("receive_bytes_s"),
            transmit_bytes_s=values.get("transmit_bytes_s"),
            receive_errors_s=values.get("receive_errors_s"),
            transmit_errors_s=values.get("transmit_errors_s"),
            receive_drops_s=values.get("receive_drops_s"),
            transmit_drops_s=values.get("transmit_drops_s"),
        )
        for device, values in _devices(snapshot, rates, _INTERFACE_FIELDS).items()
    )


def _is_stacked_interface(port: InterfaceActivity) -> bool:
    return port.device.startswith(_STACKED_INTERFACES) or "." in port.device


def _unstacked(devices: tuple[T, ...], stacked: Callable[[T], bool]) -> tuple[T, ...]:
    """Return the devices that are not stacked on others; all of them if there is nothing else (a container's only
    interface)."""
    return tuple(device for device in devices if not stacked(device)) or devices


_FILESYSTEM_FIELDS = {
    "filesystem_size_bytes": "size_bytes",
    "filesystem_used_bytes": "used_bytes",
    "filesystem_available_bytes": "available_bytes",
    "filesystem_inodes_used_percent": "inode_percent",
    "filesystem_read_only": "read_only",
}


def _filesystems(gauges: Named) -> tuple[FilesystemUsage, ...]:
    found: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for name, field in _FILESYSTEM_FIELDS.items():
        for series, value in gauges.get(name, ()):
            found.setdefault(series.labels, {})[field] = value
    filesystems = (filesystem_of(dict(labels), values) for labels, values in found.items())
    return tuple(sorted((one for one in filesystems if one is not None), key=lambda one: one.mountpoint))


def filesystem_of(labels: Mapping[str, str], values: Mapping[str, float]) -> FilesystemUsage | None:
    """Return a filesystem from its known values; None unless size, used and available are known."""
    size, used, available = (values.get(key) for key in ("size_bytes", "used_bytes", "available_bytes"))
    if size is None or used is None or available is None:
        return None
    return FilesystemUsage(
        mountpoint=labels.get("mountpoint", ""),
        device=labels.get("device", ""),
        kind=labels.get("fstype", ""),
        size_bytes=size,
        used_bytes=used,
        available_bytes=available,
        used_percent=_share(used, used + available) or 0.0,
        inode_percent=values.get("inode_percent"),
        read_only=values.get("read_only") == 1.0,
    )


def _pressure(gauges: Named) -> Pressure | None:
    some = {
        series.label("resource"): value
        for series, value in gauges.get("pressure_percent", ())
        if series.label("kind") == "some"
    }
    return Pressure(some.get("cpu"), some.get("memory"), some.get("io")) if some else None


def _booted_at(at: datetime, uptime_s: float | None, boot_time: float | None) -> datetime | None:
    """Return the boot time by our clock, to the second, if the host's uptime is known: the host's own clock may be
    wrong."""
    if uptime_s is not None:
        try:
            return datetime.fromtimestamp(round((at - timedelta(seconds=uptime_s)).timestamp()), UTC)
        except (OverflowError, ValueError, OSError):
            return None
    try:
        return None if boot_time is None else datetime.fromtimestamp(boot_time, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _failed_units(snapshot: HostSnapshot, gauges: Named) -> tuple[str, ...] | None:
    if snapshot.gauge("failed_units") is None:
        return None
    return tuple(sorted(series.label("unit") for series, _ in gauges.get("failed_unit", ())))


_AS_READ = (
    "cpu_count", "memory_total_bytes", "memory_available_bytes", "swap_total_bytes", "load1", "load5", "load15",
    "uptime_seconds", "boot_time_seconds", "clock_offset_seconds", "clock_error_seconds", "pressure_percent",
    *_FILESYSTEM_FIELDS, *GAUGES,
)  # fmt: skip
"""Derived series that are gauges of a snapshot, under the same name."""
_FROM_RATES = {
    "cpu_percent": ("cpu_seconds_total", 100.0),
    "cpu_core_percent": ("cpu_seconds_total", 100.0),
    CPU_PERCENT: (CPU, 100.0),
    "disk_read_bytes_per_second": ("disk_read_bytes_total", 1.0),
    "disk_written_bytes_per_second": ("disk_written_bytes_total", 1.0),
    "disk_reads_per_second": ("disk_reads_completed_total", 1.0),
    "disk_writes_per_second": ("disk_writes_completed_total", 1.0),
    "disk_io_utilisation_percent": ("disk_io_time_seconds_total", 100.0),
    "network_receive_bytes_per_second": ("network_receive_bytes_total", 1.0),
    "network_transmit_bytes_per_second": ("network_transmit_bytes_total", 1.0),
    "network_receive_errors_per_second": ("network_receive_errors_total", 1.0),
    "network_transmit_errors_per_second": ("network_transmit_errors_total", 1.0),
}
"""Derived series that are rates of a snapshot, the counter's name, and what one per second is in their unit."""


def series_of(summary: HostSummary) -> dict[Series, float]:
    """Return the numbers of ``summary`` as series for history, ``/metrics`` and rules. Unknown ones are absent."""
    found: dict[Series, float | None] = {}
    for core, split in (("", summary.cpu), *summary.cores):
        for mode in MODES if split is not None else ():
            labels = (("cpu", core), ("mode", mode)) if core else (("mode", mode),)
            found[Series("cpu_core_percent" if core else "cpu_percent", labels)] = getattr(split, mode)
    load = summary.load or (None, None, None)
    boot = None if summary.booted_at is None else summary.booted_at.timestamp()
    plain: dict[str, float | None] = {
        "cpu_usage_percent": summary.cpu_percent,
        "cpu_count": summary.cpu_count,
        **machine_memory(summary),
        "memory_usage_percent": summary.memory_percent,
        "swap_total_bytes": summary.swap_total,
        "swap_used_bytes": summary.swap_used,
        "swap_usage_percent": summary.swap_percent,
        "load1": load[0],
        "load5": load[1],
        "load15": load[2],
        "uptime_seconds": summary.uptime_s,
        "boot_time_seconds": boot,
        "clock_offset_seconds": summary.clock_offset_s,
        "clock_error_seconds": summary.clock_error_s,
        "failed_units": None if summary.failed_units is None else len(summary.failed_units),
        "all_disks_read_bytes_per_second": summary.disk_read_s,
        "all_disks_written_bytes_per_second": summary.disk_write_s,
        "all_interfaces_receive_bytes_per_second": summary.network_in_s,
        "all_interfaces_transmit_bytes_per_second": summary.network_out_s,
    }
    found.update((Series(name), value) for name, value in plain.items())
    for resource in ("cpu", "memory", "io"):
        value = None if summary.pressure is None else getattr(summary.pressure, resource)
        found[Series("pressure_percent", (("kind", "some"), ("resource", resource)))] = value
    found.update(series_of_limits(summary))
    _add_devices(found, summary)
    return {series: float(value) for series, value in found.items() if value is not None}


def _add_devices(found: dict[Series, float | None], summary: HostSummary) -> None:
    fields = {**_DISK_FIELDS, **_INTERFACE_FIELDS, "disk_io_time_seconds_total": "utilisation_percent"}
    for name, (counter, _) in _FROM_RATES.items():
        devices = summary.disks if counter in _DISK_FIELDS else summary.interfaces
        for device in devices if counter in fields else ():
            found[Series(name, (("device", device.device),))] = getattr(device, fields[counter])
    for one in summary.filesystems:
        labels = (("device", one.device), ("fstype", one.kind), ("mountpoint", one.mountpoint))
        for name, field in _FILESYSTEM_FIELDS.items():
            found[Series(name, labels)] = getattr(one, field)
        found[Series("disk_usage_percent", (("mountpoint", one.mountpoint),))] = one.used_percent


def summary_at(host: str, at: datetime, values: Mapping[Series, float]) -> HostSummary:
    """Return the summary of ``host`` at ``at`` (aware UTC) from ``values``, which ``series_of`` made.

    Lost: problems, the kernel, the boot, names of failed units (each is ``?``), and devices of which no rate was known.
    """
    gauges = {series: value for series, value in values.items() if series.name in _AS_READ}
    used, total = values.get(Series("swap_used_bytes")), values.get(Series("swap_total_bytes"))
    if used is not None and total is not None:
        gauges[Series("swap_free_bytes")] = total - used
    rates = {
        Series(_FROM_RATES[series.name][0], series.labels): value / _FROM_RATES[series.name][1]
        for series, value in values.items()
        if series.name in _FROM_RATES
    }
    summary = summarize(HostSnapshot(host=host, at=at, interval_s=None, gauges=gauges, rates=rates))
    failed = values.get(Series("failed_units"))
    return summary if failed is None else replace(summary, failed_units=("?",) * round(failed))
