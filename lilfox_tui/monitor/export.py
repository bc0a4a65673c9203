"""Exports the overview for other programs: the document of the ops manual's monitor.py, and Prometheus' text format
0.0.4."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from lilfox_tui import __version__
from lilfox_tui.core.aio import Pending, Ready, Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import _, clauses
from lilfox_tui.metrics.model import (
    FilesystemUsage,
    Health,
    HostSnapshot,
    HostSummary,
    Labels,
    Level,
    Limit,
    Memory,
    MemoryParts,
)
from lilfox_tui.monitor.cluster_export import cluster_families, clusters_document
from lilfox_tui.monitor.container_export import container_families
from lilfox_tui.monitor.export_sections import (
    Family,
    Line,
    alerts_document,
    alerts_families,
    alerts_level,
    audit_families,
    backups_document,
    backups_families,
    backups_level,
    certificate_document,
    certificate_families,
    deadline_families,
    interrupted_document,
    iso,
    lines_families,
    probe_families,
    targets_document,
    traffic_document,
    traffic_families,
)
from lilfox_tui.monitor.model import BackendView, HostView, Overview, PlanView, ServiceView
from lilfox_tui.monitor.raised_levels import without_alerts


def level_name(level: Level) -> str:
    """Return the name of a level, the same in every language: ``good``, ``unknown``, ``degraded`` or ``failing``."""
    return level.name.lower()


def worst(overview: Overview) -> Level:
    """Return the worst level of everything watched, including alerts, backup plans and clusters; targets that are down
    count as degraded. GOOD if nothing is watched."""
    down = Level.DEGRADED if any(target.down for target in overview.targets) else Level.GOOD
    levels = [view.level for view in (*overview.views, *overview.clusters.values())]
    return max((*levels, alerts_level(overview.alerts), backups_level(overview.backups), down))


class Failure(Struct, frozen=True):
    """Something that fails: ``kind`` and ``name`` say what, in the reader's language, ``text`` why. ``since`` is aware,
    None where it is not known."""

    kind: str
    name: str
    text: str
    since: datetime | None = None

    def line(self, now: datetime) -> str:
        """It in one line, with its time, and its date unless that is today's."""
        named = " ".join(filter(None, (self.kind, self.name)))
        parts = [_("{name}: {what}", name=named, what=self.text) if self.text else named]
        if self.since is not None:
            parts.append(_("since {time}", time=utc_time(self.since, now)))
        return ", ".join(parts)


class Failures(Struct, frozen=True):
    """What fails at ``at`` (aware UTC; None: nothing was looked at), what is only degraded, by its name, and what
    nobody knows the state of, with the reason. ``evaluated`` is when the rules of the alerts were evaluated last."""

    at: datetime | None = None
    failing: tuple[Failure, ...] = ()
    degraded: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    evaluated: datetime | None = None


def utc_time(at: datetime, now: datetime) -> str:
    """A time of today, or with its date; in UTC."""
    at = at.astimezone(UTC)
    return f"{at:%H:%M:%S} UTC" if at.date() == now.astimezone(UTC).date() else f"{at:%Y-%m-%d %H:%M:%S} UTC"


def failures(overview: Overview | None, *, has_plans: bool = False) -> Failures:
    """Return what fails, by the levels that ``check`` tells too: hosts, services, backends, backup plans, interrupted
    restores, clusters, and firing alerts, also the silenced ones. ``has_plans``: the configuration names backup
    plans."""
    if overview is None:
        return Failures(unknown=(_("nothing has been checked yet"),))
    backups = overview.backups
    plans = [] if backups is None else [each for each in backups.plans.values() if each.config is not None]
    kinds = {HostView: _("host"), ServiceView: _("service"), BackendView: _("backend"), PlanView: _("backup plan")}
    failing: list[Failure] = []
    degraded: list[str] = []
    unknown: list[str] = []
    for view in (*overview.views, *plans):
        told = view if isinstance(view, PlanView) else without_alerts(view)  # they are listed by themselves
        kind, why = kinds[type(view)], clauses(map(str, told.reasons))
        name = f"{view.name} ({view.store})" if isinstance(view, PlanView) and view.copy else view.name
        if view.level is Level.FAILING:
            failing.append(Failure(kind, name, why, view.since))
        elif view.level is Level.DEGRADED:
            degraded.append(name)
        elif view.level is Level.UNKNOWN:
            unknown.append(_("{name}: {what}", name=f"{kind} {name}", what=why or _("no answer yet")))
    for cluster in overview.clusters.values():
        kind, why = _("cluster"), clauses(map(str, cluster.reasons))
        if cluster.level is Level.FAILING:
            failing.append(Failure(kind, cluster.name, why, cluster.since))
        elif cluster.level is Level.DEGRADED:
            degraded.append(cluster.name)
        elif cluster.level is Level.UNKNOWN:
            unknown.append(_("{name}: {what}", name=f"{kind} {cluster.name}", what=why))
    halves = () if backups is None else backups.interrupted_restores
    failing += [Failure(_("restore"), each.restored.set, str(each.message)) for each in halves]
    if backups is None and has_plans:
        unknown.append(_("the backup plans: their stores have not been read yet"))
    alerts, evaluated, blind = _firing(overview)
    return Failures(overview.at, (*failing, *alerts), tuple(degraded), (*unknown, *blind), evaluated)


def _firing(overview: Overview) -> tuple[list[Failure], datetime | None, list[str]]:
    """The alerts that fire, when the rules were evaluated last, and why alerts may be missing."""
    state = overview.alerts
    if state is None:
        return [], None, []
    if not isinstance(state, Ready):
        why = str(state.error) if isinstance(state, Unavailable) else _("not evaluated yet")
        return [], None, [_("the alerts: {why}", why=why)]
    alerts = state.value
    found = []
    for each in alerts.alerts:
        if each.is_firing:
            silenced = _("silenced") if each.silenced_by else ""
            text = ", ".join(filter(None, (each.summary, silenced)))
            found.append(Failure(_("alert"), each.name, text, each.fired_at or each.active_at))
    blind = [_("the alerts: {why}", why=each) for each in alerts.troubles if each.blind]
    for each in alerts.alerts:
        if each.no_data_since is not None and not each.is_firing:
            why = _("it ended without data, since {time}", time=utc_time(each.no_data_since, overview.at))
            blind.append(_("the alert {name}: {why}", name=each.name, why=why))
    broken = [each for each in alerts.rules if each.error is not None]
    blind += [_("the alert {name}: {why}", name=each.name, why=each.error) for each in broken]
    times = [each.evaluated_at for each in alerts.rules if each.evaluated_at is not None]
    return found, max(times, default=None), blind


def report(overview: Overview, local: HostSnapshot | None = None) -> dict[str, Any]:
    """Return the document of the ops manual's monitor.py, extended by ``level`` and ``hosts``.

    ``local`` is this machine's newest reading, for ``system.network``. Sizes are bytes, times seconds, instants ISO
    8601 with their offset; null is not known.
    """
    here = next((view for view in overview.hosts.values() if view.config.local), None)
    return {
        "timestamp": iso(overview.at),
        "level": level_name(worst(overview)),
        "services": {name: _service(view, overview.at) for name, view in overview.services.items()},
        "system": _system(None if here is None else here.summary, local),
        "hosts": {name: _host(view) for name, view in overview.hosts.items()},
        "backends": {name: _backend(view) for name, view in overview.backends.items()},
        "alerts": alerts_document(overview.alerts),
        "targets": targets_document(overview.targets),
        "backups": backups_document(overview.backups),
        "clusters": clusters_document(overview.clusters),
        "interrupted_restores": interrupted_document(overview.backups),
    }


def _service(view: ServiceView, now: datetime) -> dict[str, Any]:
    document: dict[str, Any] = {
        "status": "unknown",
        "level": level_name(view.level),
        "since": iso(view.since),
        "reasons": [str(reason) for reason in view.reasons],
        "found": view.found,
        "traffic": traffic_document(view),
    }
    if view.state is None:
        return document
    last = view.state.last
    document["status"] = last.health.name.lower()
    document["certificate"] = certificate_document(view.state.certificate, now)
    if last.health is Health.ERROR:
        document["error"] = str(last.error or "")
    else:
        document["status_code"] = last.status_code
        document["response_time"] = last.response_time_s
    return document


def _backend(view: BackendView) -> dict[str, Any]:
    """Return one backend for JSON, with its values by series in Prometheus notation; the tables of its page are left
    out."""
    reading, outage = view.reading, view.outage
    values = {} if reading is None or outage is not None else reading.values
    return {
        "kind": view.config.kind,
        "level": level_name(view.level),
        "since": iso(view.since),
        "reasons": [str(reason) for reason in view.reasons],
        "read_at": None if reading is None else iso(reading.at),
        "incomplete": None if reading is None or reading.incomplete is None else str(reading.incomplete),
        "next_try": None if outage is None or outage.next_try is None else iso(outage.next_try),
        "values": {series.name + _labels(series.labels): value for series, value in values.items()},
    }


def _system(summary: HostSummary | None, local: HostSnapshot | None) -> dict[str, Any]:
    root = None if summary is None else next((each for each in summary.filesystems if each.mountpoint == "/"), None)
    return {
        "cpu_percent": None if summary is None else summary.cpu_percent,
        "memory": _memory(summary),
        "disk": {
            "total": None if root is None else _whole(root.size_bytes),
            "used": None if root is None else _whole(root.used_bytes),
            "percent": None if root is None else root.used_percent,
        },
        "network": {
            "bytes_sent": _counted(local, "network_transmit_bytes_total"),
            "bytes_recv": _counted(local, "network_receive_bytes_total"),
        },
    }


def _memory(summary: HostSummary | None) -> dict[str, float | None]:
    return {
        "total": None if summary is None else _whole(summary.memory_total),
        "available": None if summary is None else _whole(summary.memory_available),
        "percent": None if summary is None else summary.memory_percent,
    }


def _bytes(memory: Memory | None) -> dict[str, float | None] | None:
    if memory is None:
        return None
    return {"total": _whole(memory.total), "available": _whole(memory.available), "percent": memory.percent}


def _memory_parts(parts: MemoryParts | None) -> dict[str, int | None] | None:
    if parts is None:
        return None
    return {"free": _whole(parts.free), "buffers": _whole(parts.buffers), "cached": _whole(parts.cached)}


def _limit(limit: Limit | None) -> dict[str, Any] | None:
    """Return a control group's limits for JSON: those of the host, if it is a container, or of LilFox's unit."""
    if limit is None:
        return None
    return {
        "cgroup": limit.cgroup,
        "memory": _bytes(limit.memory),
        "cpu": None if limit.cores is None else {"cores": limit.cores, "percent": limit.cpu_percent},
    }


def _whole(size_bytes: float | None) -> int | None:
    """Round bytes to whole numbers, as in the ops manual's document."""
    return None if size_bytes is None else round(size_bytes)


def _counted(snapshot: HostSnapshot | None, name: str) -> int | None:
    """Return a counter summed over its devices; None if no device has a value."""
    if snapshot is None:
        return None
    values = [value for series, value in snapshot.counters.items() if series.name == name]
    return round(sum(values)) if values else None


def _host(view: HostView) -> dict[str, Any]:
    summary = view.summary
    document: dict[str, Any] = {
        "level": level_name(view.level),
        "since": iso(view.since),
        "reasons": [str(reason) for reason in view.reasons],
        "link": _link(view),
        "sampled_at": None if summary is None else iso(summary.at),
        "lost_commands": [{"argv": list(each.argv), "pid": each.pid, "since": iso(each.since)} for each in view.lost],
    }
    return document if summary is None else document | _numbers(summary)


def _numbers(summary: HostSummary) -> dict[str, Any]:
    cpu, pressure = summary.cpu, summary.pressure
    return {
        "cpu": None if cpu is None else {
            "percent": summary.cpu_percent,
            "user": cpu.user, "system": cpu.system, "iowait": cpu.iowait, "steal": cpu.steal,
        },
        "cpu_count": summary.cpu_count,
        "memory": _memory(summary),
        "machine_memory": _bytes(summary.machine),
        "memory_parts": _memory_parts(summary.memory_parts),
        "limit": _limit(summary.limit),
        "own_limit": _limit(summary.own_limit),
        "swap": {
            "total": _whole(summary.swap_total), "used": _whole(summary.swap_used), "percent": summary.swap_percent,
        },
        "load": None if summary.load is None else list(summary.load),
        "threads": None if summary.threads is None else {
            "count": summary.threads.count, "running": summary.threads.running, "blocked": summary.threads.blocked,
        },
        "filesystems": [_filesystem(each) for each in summary.filesystems],
        "disk_io": {"read_bytes_s": summary.disk_read_s, "write_bytes_s": summary.disk_write_s},
        "network_io": {"receive_bytes_s": summary.network_in_s, "transmit_bytes_s": summary.network_out_s},
        "pressure": None if pressure is None else {
            "cpu": pressure.cpu, "memory": pressure.memory, "io": pressure.io,
        },
        "uptime_s": summary.uptime_s,
        "failed_units": None if summary.failed_units is None else list(summary.failed_units),
        "clock_offset_s": summary.clock_offset_s,
        "problems": {kind: str(message) for kind, message in summary.problems.items()},
    }  # fmt: skip


def _filesystem(mount: FilesystemUsage) -> dict[str, Any]:
    return {
        "mountpoint": mount.mountpoint,
        "total": _whole(mount.size_bytes),
        "used": _whole(mount.used_bytes),
        "available": _whole(mount.available_bytes),
        "percent": mount.used_percent,
        "inode_percent": mount.inode_percent,
        "read_only": mount.read_only,
    }


def _link(view: HostView) -> dict[str, Any]:
    match view.link:
        case Ready(value=link):
            return {"state": "up", "since": iso(link.since)}
        case Unavailable(error=error, since=since, next_try=next_try):
            tried = None if next_try is None else iso(next_try)
            document = {"state": "down", "since": iso(since), "next_try": tried, "error": str(error)}
            return document | {"hint": str(error.hint)}
        case Pending():
            return {"state": "pending"}


def prometheus(overview: Overview, snapshots: Mapping[str, HostSnapshot], more: Iterable[Family] = ()) -> str:
    """Return the text that ``/metrics`` serves, with ``more`` at its end. An unknown series is absent; every host
    series has the label ``host``. Levels are those without alerts: a rule about them would keep itself firing."""
    families = [*_own_families(overview.measured), *read_families(snapshots), *more]
    return "".join(_family(*family) for family in families)


def _own_families(overview: Overview) -> Iterator[Family]:
    yield "lilfox_build_info", "gauge", "Which LilFox this is.", [((("version", __version__),), 1.0)]
    yield from host_families(overview.hosts.values())
    yield from usage_families(overview.hosts.values())
    named = [view for view in overview.services.values() if not view.found]  # rules elsewhere are about these alone
    yield from _service_families([((("service", view.name),), view) for view in named])
    yield from certificate_families(named)
    yield from probe_families(named)
    yield from deadline_families(named)
    yield from lines_families(named)
    yield from traffic_families(named)
    yield from backend_families(overview.backends.values())
    yield from alerts_families(overview.alerts)
    yield from backups_families(overview.backups, overview.at)
    yield from audit_families(overview.audit)
    if overview.containers:
        yield from container_families(overview.containers, overview.at)
    if overview.clusters:
        yield from cluster_families(overview.clusters)


def host_families(views: Iterable[HostView]) -> Iterator[Family]:
    """Yield the metrics of hosts that no collector reads, such as connection and level, with the label ``host``."""
    hosts: list[tuple[Labels, HostView]] = [((("host", view.name),), view) for view in views]
    up = [(labels, float(isinstance(view.link, Ready))) for labels, view in hosts]
    yield "lilfox_host_up", "gauge", "Whether the host is connected.", up
    answers: list[Line] = [
        (labels, float(not isinstance(view.link, Unavailable) or not isinstance(view.link.error, HostUnreachable)))
        for labels, view in hosts
        if not isinstance(view.link, Pending)
    ]
    yield "lilfox_host_reachable", "gauge", "Whether the host answers, also where it refuses the login.", answers
    levels = [(labels, float(view.level)) for labels, view in hosts]
    yield "lilfox_host_level", "gauge", "State of the host: 0 good, 1 unknown, 2 degraded, 3 failing.", levels
    cpu: list[Line] = [
        ((*labels, ("mode", mode)), getattr(view.summary.cpu, mode) / 100)
        for labels, view in hosts
        if view.summary is not None and view.summary.cpu is not None
        for mode in ("user", "system", "iowait", "steal", "idle")
    ]
    yield "lilfox_host_cpu_ratio", "gauge", "Share of the time of all cores by mode.", cpu


def usage_families(views: Iterable[HostView]) -> Iterator[Family]:
    """Yield two per-host gauges, CPU and memory, under the names that common alerting rules expect."""
    cpu: list[Line] = []
    memory: list[Line] = []
    for view in views:
        if view.summary is None or not isinstance(view.link, Ready):
            continue
        for lines, value in ((cpu, view.summary.cpu_percent), (memory, view.summary.memory_percent)):
            if value is not None:
                lines.append(((("host", view.name),), value))
    about_cpu = "CPU time neither idle nor waiting for I/O, of all cores or of the CPU limit."
    yield "cpu_usage_percent", "gauge", about_cpu, cpu
    yield "memory_usage_percent", "gauge", "Share of memory that is not available.", memory


def _service_families(services: list[tuple[Labels, ServiceView]]) -> Iterator[Family]:
    levels = [(labels, float(view.level)) for labels, view in services]
    yield "lilfox_service_level", "gauge", "State of the service: 0 good, 1 unknown, 2 degraded, 3 failing.", levels
    answers = [(labels, view.state.last) for labels, view in services if view.state is not None]
    healthy = [(labels, float(last.health is Health.HEALTHY)) for labels, last in answers]
    yield "lilfox_service_up", "gauge", "Whether the last answer of the service was healthy.", healthy
    times = [(labels, last.response_time_s) for labels, last in answers if last.response_time_s is not None]
    yield "lilfox_service_response_seconds", "gauge", "Time to the head of the last answer.", times
    codes = [(labels, float(last.status_code)) for labels, last in answers if last.status_code is not None]
    yield "lilfox_service_status_code", "gauge", "HTTP status of the last answer.", codes


_HELP = {
    "backend_up": "Whether the backend answered the last poll.",
    "backend_level": "State of the backend: 0 good, 1 unknown, 2 degraded, 3 failing.",
    # Hosts, as their collectors read them.
    "boot_time_seconds": "Boot time of the host, as a Unix timestamp in seconds.",
    "boot_info": "ID of the current boot of the host, in the label boot_id; the value is always 1.",
    "host_info": "Kernel release of the host, in the label kernel; the value is always 1.",
    "uptime_seconds": "Time since the host was booted, in seconds.",
    "clock_seconds": "Clock of the host, as a Unix timestamp in seconds.",
    "clock_resolution_seconds": "Longest time by which the host may report its clock too low, in seconds.",
    "clock_offset_seconds": "Clock of the host minus the clock of LilFox, in seconds.",
    "clock_error_seconds": "Largest error of the measured clock offset, in seconds.",
    "cpus": "Number of online CPUs.",
    "cpu_seconds_total": "CPU time since boot by mode, in seconds; with the label cpu, of that CPU alone.",
    "processes_running": "Number of processes and threads that are running or ready to run.",
    "processes_blocked": "Number of processes and threads that wait for I/O.",
    "load1": "Load average over 1 minute.",
    "load5": "Load average over 5 minutes.",
    "load15": "Load average over 15 minutes.",
    "threads": "Number of threads, those of the kernel included.",
    "memory_total_bytes": "Usable memory of the host, in bytes.",
    "memory_free_bytes": "Memory that is not used at all, in bytes.",
    "memory_available_bytes": "Memory that new processes could use without swapping, in bytes.",
    "memory_buffers_bytes": "Memory used for buffers of block devices, in bytes.",
    "memory_cached_bytes": "Memory used for the page cache, in bytes.",
    "memory_dirty_bytes": "Memory that has to be written back to disk, in bytes.",
    "memory_shared_bytes": "Memory used for shared memory and tmpfs, in bytes.",
    "memory_reclaimable_bytes": "Kernel memory (slab) that can be reclaimed, in bytes.",
    "swap_total_bytes": "Swap space, in bytes.",
    "swap_free_bytes": "Swap space that is not used, in bytes.",
    "cgroup_memory_limit_bytes": "Memory limit of the control group, in bytes.",
    "cgroup_memory_used_bytes": "Memory used by the control group without its inactive page cache, in bytes.",
    "cgroup_cpu_limit_cores": "CPU limit of the control group, in cores.",
    "cgroup_cpu_seconds_total": "CPU time used by the control group, in seconds.",
    "disk_read_bytes_total": "Bytes read from the disk since boot.",
    "disk_written_bytes_total": "Bytes written to the disk since boot.",
    "disk_reads_completed_total": "Reads from the disk completed since boot.",
    "disk_writes_completed_total": "Writes to the disk completed since boot.",
    "disk_io_time_seconds_total": "Time since boot during which the disk was busy with I/O, in seconds.",
    "filesystem_size_bytes": "Size of the filesystem, in bytes.",
    "filesystem_used_bytes": "Space used on the filesystem, in bytes.",
    "filesystem_available_bytes": "Space on the filesystem that users other than root can use, in bytes.",
    "filesystem_inodes_used_percent": "Share of the inodes of the filesystem that are used, in percent.",
    "filesystem_read_only": "Whether the filesystem is mounted read-only.",
    "network_receive_bytes_total": "Bytes received by the interface since boot.",
    "network_receive_packets_total": "Packets received by the interface since boot.",
    "network_receive_errors_total": "Receive errors of the interface since boot.",
    "network_receive_dropped_total": "Received packets that were dropped since boot.",
    "network_transmit_bytes_total": "Bytes sent by the interface since boot.",
    "network_transmit_packets_total": "Packets sent by the interface since boot.",
    "network_transmit_errors_total": "Transmit errors of the interface since boot.",
    "network_transmit_dropped_total": "Packets to send that were dropped since boot.",
    "pressure_percent": "Share of the last 10 s in which some or all tasks waited for the resource, in percent.",
    "pressure_waiting_seconds_total": "Time since boot in which tasks waited for the resource, in seconds.",
    "process_cpu_seconds_total": "CPU time used by the process, in seconds.",
    "process_io_bytes_total": "Bytes that the process has read from storage and written to it, in total.",
    "process_resident_memory_bytes": "Resident memory of the process, in bytes.",
    "process_command_line": "Command line of the process, in the label command_line; the value is always 1.",
    "failed_units": "Number of systemd units that have failed.",
    "failed_unit": "systemd unit that has failed, in the label unit; the value is always 1.",
    # Backends, as they report themselves.
    "postgresql_connections": "Number of client sessions by state, without that of LilFox.",
    "postgresql_connections_used": "Number of client sessions in all states, without that of LilFox.",
    "postgresql_connections_max": "Largest number of connections that the server allows (max_connections).",
    "postgresql_connections_waiting": "Number of client sessions that wait for a lock.",
    "postgresql_blocked_sessions": "Number of sessions that another session blocks.",
    "postgresql_idle_in_transaction_seconds": "Age of the oldest transaction that is idle, in seconds.",
    "postgresql_cache_hit_percent": "Share of blocks found in shared buffers since the last poll, in percent.",
    "postgresql_commits_total": "Committed transactions of all databases.",
    "postgresql_rollbacks_total": "Rolled back transactions of all databases.",
    "postgresql_deadlocks_total": "Deadlocks detected in all databases.",
    "postgresql_conflicts_total": "Queries cancelled on this standby because of conflicts with recovery.",
    "postgresql_temp_bytes_total": "Bytes written to temporary files by queries of all databases.",
    "postgresql_wal_bytes_total": "Position in the WAL: written or, on a standby, replayed so far, in bytes.",
    "postgresql_oldest_transaction_age": "Age of the oldest transaction ID of all databases, in transactions.",
    "postgresql_replication_lag_seconds": "Largest replication lag of all standbys or of this standby, in seconds.",
    "postgresql_slot_retained_bytes": "Most WAL that one replication slot retains, in bytes.",
    "redis_connected_clients": "Number of connected clients, without replicas.",
    "redis_blocked_clients": "Number of clients that wait in a blocking command.",
    "redis_max_clients": "Largest number of clients that the server allows (maxclients).",
    "redis_used_memory_bytes": "Memory allocated by the server, in bytes.",
    "redis_max_memory_bytes": "Memory limit of the server (maxmemory), in bytes; 0 is no limit.",
    "redis_memory_fragmentation_ratio": "Resident memory divided by the memory allocated by the server.",
    "redis_operations_per_second": "Commands processed per second, as the server measures it.",
    "redis_hit_percent": "Share of key lookups since the last poll that found the key, in percent.",
    "redis_keyspace_hits_total": "Key lookups that found the key.",
    "redis_keyspace_misses_total": "Key lookups that did not find the key.",
    "redis_evicted_keys_total": "Keys evicted because of the memory limit.",
    "redis_expired_keys_total": "Keys that have expired.",
    "redis_rejected_connections_total": "Connections rejected because of the limit of clients.",
    "redis_connected_replicas": "Number of connected replicas.",
    "redis_changes_since_last_save": "Changes since the data was last saved to disk.",
    "queue_messages": "Number of queued messages of all queues.",
    "queue_length": "Number of queued messages of the queue.",
    "queue_growth_per_second": "Growth of all queues together over the last 5 minutes, in messages per second.",
    "queue_taken": "Number of messages that workers have taken and not finished.",
    "queue_later": "Number of messages that are due later.",
    "queue_failed": "Number of failed messages that are kept.",
    "queue_consumers": "Number of consumers of all queues.",
    "breaker_state": "State of the circuit breaker: 0 closed, 1 half-open, 2 open, 3 disabled.",
    "breaker_trips": "Number of times that the circuit breaker opened in the last 10 minutes.",
    "breakers_not_closed": "Number of circuit breakers that are open or half-open.",
}
"""The help of a series of hosts and backends by its name: what is measured, and in which unit."""


def backend_families(views: Iterable[BackendView]) -> Iterator[Family]:
    """Yield the metrics of backends, with the labels ``backend`` and ``kind``; for one that does not answer, no values
    but only ``backend_up`` and its level."""
    families: dict[str, list[Line]] = {"backend_up": [], "backend_level": []}
    for view in views:
        own: Labels = (("backend", view.name), ("kind", view.config.kind))
        families["backend_up"].append((own, float(view.reading is not None and view.outage is None)))
        families["backend_level"].append((own, float(view.level)))
        for series, value in view.reading.values.items() if view.reading and view.outage is None else ():
            families.setdefault(series.name, []).append(((*own, *series.labels), value))
    for name, lines in families.items():
        kind = "counter" if name.endswith("_total") else "gauge"
        yield f"lilfox_{name}", kind, _HELP.get(name, "Value that the backend reports."), lines


def read_families(snapshots: Mapping[str, HostSnapshot]) -> Iterator[Family]:
    """Yield every gauge and counter as its collector read it, with the label ``host``."""
    families: dict[str, list[Line]] = {}
    renamed = {"cpu_count": "cpus"}  # the suffix belongs to histograms
    for host, snapshot in snapshots.items():
        for series, value in (*snapshot.gauges.items(), *snapshot.counters.items()):
            if series.name.startswith("container"):  # told with the name of the container by ``container_families``
                continue
            labels = (("host", host), *((key, text) for key, text in series.labels if key != "host"))
            families.setdefault(renamed.get(series.name, series.name), []).append((labels, value))
    for name, lines in sorted(families.items()):
        kind = "counter" if name.endswith("_total") else "gauge"
        yield f"lilfox_{name}", kind, _HELP.get(name, "Value that was read from the host."), lines


def _family(name: str, kind: str, text: str, lines: Iterable[Line]) -> str:
    found = [f"{name}{_labels(labels)} {_number(value)}\n" for labels, value in lines]
    return f"# HELP {name} {text}\n# TYPE {name} {kind}\n{''.join(found)}" if found else ""


def _labels(labels: Labels) -> str:
    return "{" + ",".join(f'{key}="{_escaped(value)}"' for key, value in labels) + "}" if labels else ""


def _escaped(value: str) -> str:
    """Escape a label value for the text format; characters that UTF-8 cannot encode become U+FFFD."""
    value = value.encode("utf-8", "replace").decode()
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)
