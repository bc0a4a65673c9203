"""What a control group leaves of a machine: the limits that count, and the memory that a host has within them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lilfox_tui.metrics.collectors.limits import HOST, OWN
from lilfox_tui.metrics.model import HostSummary, Limit, Memory, Series, Snapshot

GAUGES = ("cgroup_memory_limit_bytes", "cgroup_memory_used_bytes", "cgroup_cpu_limit_cores")
CPU = "cgroup_cpu_seconds_total"
CPU_PERCENT = "cgroup_cpu_percent"
"""Of one core: the rate of CPU as a series of history."""


def limit_of(snapshot: Snapshot, scope: str) -> Limit | None:
    """The limits of that scope (``host``, ``own``) which are less than what the machine has; None without any."""
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
    """The limits as series of history, from which ``limit_of`` makes them again."""
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
    """The machine's memory as series are named, also where the host has less."""
    if summary.machine is not None:
        return {"memory_total_bytes": summary.machine.total, "memory_available_bytes": summary.machine.available}
    return {"memory_total_bytes": summary.memory_total, "memory_available_bytes": summary.memory_available}
