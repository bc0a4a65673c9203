"""Containers as metric families, with the names that cAdvisor gives them, for rules, queries and ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from lilfox_tui.containers.model import ContainerView, EngineView
from lilfox_tui.metrics.model import Labels
from lilfox_tui.monitor.export_sections import Family, Line

_HEALTH = {"healthy": 1.0, "unhealthy": 0.0}
_PERIOD_US = 100_000.0
"""Of the CPU quota: the kernel's default."""
_Value = Callable[[ContainerView], float | None]
_FAMILIES: tuple[tuple[str, str, str, _Value], ...] = (
    ("container_cpu_usage_seconds_total", "counter", "CPU time used since the container was started.",
     lambda view: view.usage.cpu_s),
    ("container_memory_working_set_bytes", "gauge", "Memory used without inactive files.",
     lambda view: view.usage.memory),
    ("container_spec_memory_limit_bytes", "gauge", "Limit of the memory, 0 for none.",
     lambda view: view.container.memory_limit or 0.0),
    ("container_spec_cpu_quota", "gauge", "CPU time that may be used in each period, in microseconds.",
     lambda view: None if view.container.cpu_limit is None else view.container.cpu_limit * _PERIOD_US),
    ("container_spec_cpu_period", "gauge", "Period of the CPU quota in microseconds.",
     lambda view: None if view.container.cpu_limit is None else _PERIOD_US),
    ("container_network_receive_bytes_total", "counter", "Bytes received since the container was started.",
     lambda view: view.usage.receive_bytes),
    ("container_network_transmit_bytes_total", "counter", "Bytes sent since the container was started.",
     lambda view: view.usage.transmit_bytes),
    ("container_fs_reads_bytes_total", "counter", "Bytes read from disks since the container was started.",
     lambda view: view.usage.read_bytes),
    ("container_fs_writes_bytes_total", "counter", "Bytes written to disks since the container was started.",
     lambda view: view.usage.written_bytes),
    ("container_start_time_seconds", "gauge", "Time of the last start.",
     lambda view: None if view.container.started is None else view.container.started.timestamp()),
    ("container_oom_events_total", "counter", "Kills for lack of memory that LilFox has seen.",
     lambda view: float(view.oom_events)),
    ("container_health_state", "gauge", "Result of the health check: 1 healthy, 0 unhealthy, -1 starting or none.",
     lambda view: _HEALTH.get(view.container.health, -1.0) if view.container.running else None),
    ("lilfox_container_restarts_total", "counter", "Restarts by the engine after the container had ended by itself.",
     lambda view: float(view.container.restarts)),
    ("lilfox_container_running", "gauge", "Whether the container runs.",
     lambda view: float(view.container.running)),
    ("lilfox_container_level", "gauge", "State of the container: 0 good, 1 unknown, 2 degraded, 3 failing.",
     lambda view: float(view.level)),
)  # fmt: skip


def container_families(engines: Mapping[str, tuple[EngineView, ...]], now: datetime) -> Iterator[Family]:
    """Yield the metrics of all containers, with the labels ``host``, ``id``, ``image``, ``name`` and those of Compose;
    and whether each engine answers. Those of an engine that does not are absent."""
    views = [
        (labels_of(view), view)
        for found in engines.values()
        for engine in found
        if engine.error is None
        for view in engine.containers
    ]
    for name, kind, text, value_of in _FAMILIES:
        lines: list[Line] = [(labels, value) for labels, view in views if (value := value_of(view)) is not None]
        yield name, kind, text, lines
    seen = [(labels, float(int(now.timestamp()))) for labels, view in views if view.container.running]
    yield "container_last_seen", "gauge", "When the container was seen running last.", seen
    up: list[Line] = [
        ((("engine", engine.place), ("host", engine.host)), float(engine.error is None))
        for found in engines.values()
        for engine in found
    ]
    yield "lilfox_container_engine_up", "gauge", "Whether the container engine answers.", up


def labels_of(view: ContainerView) -> Labels:
    """Return the labels of a container's series, as cAdvisor gives them, and ``host``."""
    container = view.container
    compose = {
        "container_label_com_docker_compose_project": container.project,
        "container_label_com_docker_compose_service": container.service,
    }
    labels = {"host": view.host, "id": container.id, "image": container.image, "name": container.name}
    return tuple(sorted((labels | {name: value for name, value in compose.items() if value}).items()))
