"""How hosts and services were at one moment of a run: what a file of evidence holds, and the same in a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec
from msgspec import Struct

from lilfox_tui.i18n import _, listed
from lilfox_tui.metrics.model import Health, HealthCheck, HostSummary
from lilfox_tui.text import human_bytes

Moment = Literal["before", "after"]
_MOST_DEVICES = 20
_MOST_LINES = 20
_MOST_UNITS = 50


class Full(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A mounted filesystem; percent."""

    mountpoint: str
    used_percent: float
    available_bytes: int
    inode_percent: float | None = None
    read_only: bool = False


class Busy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A block device; percent of the time, bytes per second."""

    device: str
    utilisation_percent: float | None = None
    read_bytes_s: float | None = None
    write_bytes_s: float | None = None


class HostMeasured(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A host. What is not known is absent; ``error`` says why nothing is, ``problems`` why a part is not."""

    at: datetime | None = None
    """When it was read (aware UTC)."""
    cpu_percent: dict[str, float] = {}
    """By mode; they add up to 100 with ``idle``."""
    memory_percent: float | None = None
    memory_available_bytes: int | None = None
    memory_total_bytes: int | None = None
    swap_percent: float | None = None
    load: tuple[float, float, float] | None = None
    filesystems: tuple[Full, ...] = ()
    disks: tuple[Busy, ...] = ()
    pressure_percent: dict[str, float] = {}
    failed_units: tuple[str, ...] | None = None
    problems: dict[str, str] = {}
    error: str = ""


class ServiceMeasured(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a service's health address answered; ``error`` says why it is not healthy, or why nothing is known."""

    at: datetime | None = None
    health: str = ""
    """``healthy``, ``unhealthy`` or ``error``; empty where nothing is known."""
    status: int | None = None
    response_s: float | None = None
    error: str = ""


class Measured(Struct, frozen=True, kw_only=True):
    """All of it."""

    moment: Moment
    runbook: str
    step: int
    title: str
    at: datetime
    hosts: dict[str, HostMeasured]
    services: dict[str, ServiceMeasured] = {}


def host_measured(summary: HostSummary) -> HostMeasured:
    """What is kept of a reading."""
    cpu, pressure = summary.cpu, summary.pressure
    shares = {} if cpu is None else {name: round(getattr(cpu, name), 1) for name in cpu.__struct_fields__}
    waits = {} if pressure is None else {name: getattr(pressure, name) for name in pressure.__struct_fields__}
    fullest = sorted(summary.filesystems, key=lambda each: -each.used_percent)[:_MOST_DEVICES]
    busiest = sorted(summary.disks, key=lambda each: -(each.utilisation_percent or 0.0))[:_MOST_DEVICES]
    return HostMeasured(
        at=summary.at,
        cpu_percent=shares,
        memory_percent=_rounded(summary.memory_percent),
        memory_available_bytes=None if summary.memory_available is None else int(summary.memory_available),
        memory_total_bytes=None if summary.memory_total is None else int(summary.memory_total),
        swap_percent=_rounded(summary.swap_percent),
        load=summary.load,
        filesystems=tuple(
            Full(
                mountpoint=each.mountpoint,
                used_percent=round(each.used_percent, 1),
                available_bytes=int(each.available_bytes),
                inode_percent=_rounded(each.inode_percent),
                read_only=each.read_only,
            )
            for each in fullest
        ),
        disks=tuple(
            Busy(
                device=each.device,
                utilisation_percent=_rounded(each.utilisation_percent),
                read_bytes_s=_rounded(each.read_bytes_s),
                write_bytes_s=_rounded(each.write_bytes_s),
            )
            for each in busiest
        ),
        pressure_percent={name: value for name, value in waits.items() if value is not None},
        failed_units=None if summary.failed_units is None else summary.failed_units[:_MOST_UNITS],
        problems={kind: str(problem) for kind, problem in summary.problems.items()},
    )


def service_measured(check: HealthCheck) -> ServiceMeasured:
    """What is kept of an answer."""
    error = "" if check.health is Health.HEALTHY else str(check.error or check.detail)
    seconds = None if check.response_time_s is None else round(check.response_time_s, 4)
    return ServiceMeasured(
        at=check.at, health=check.health.name.lower(), status=check.status_code, response_s=seconds, error=error
    )


def as_file(measured: Measured) -> bytes:
    """JSON that people read, too."""
    return msgspec.json.format(msgspec.json.encode(measured), indent=1) + b"\n"


def as_text(measured: Measured) -> str:
    """A line for what it is, one for each host and each service."""
    values = {"step": measured.step, "title": measured.title}
    head = _("before step {step}, {title}", **values)
    if measured.moment == "after":
        head = _("after step {step}, {title}", **values)
    lines = [f"{name}: {listed(_of_host(host))}" for name, host in measured.hosts.items()]
    lines += [f"{name}: {_of_service(service)}" for name, service in measured.services.items()]
    if len(lines) > _MOST_LINES:
        more = _("and {count} more", count=len(lines) - _MOST_LINES + 1)
        lines = [*lines[: _MOST_LINES - 1], more]
    return "\n".join([head, *lines])


def _of_host(host: HostMeasured) -> Iterator[str]:
    if host.error:
        yield _("not read: {reason}", reason=host.error)
        return
    if host.cpu_percent:
        yield _("CPU {percent:.0f} %", percent=100 - host.cpu_percent["idle"] - host.cpu_percent["iowait"])
        yield _("waiting for disks {percent:.0f} %", percent=host.cpu_percent["iowait"])
    if host.memory_percent is not None:
        yield _("memory {percent:.0f} %", percent=host.memory_percent)
    if host.load is not None:
        yield _("load {load}", load=" ".join(f"{each:.2f}" for each in host.load))
    for disk in host.filesystems[:1]:
        free = human_bytes(disk.available_bytes)
        yield _("{disk} {percent:.0f} % full, {free} free", disk=disk.mountpoint, percent=disk.used_percent, free=free)
    if host.pressure_percent:
        yield _(
            "pressure {each}", each=" ".join(f"{name} {value:.0f}" for name, value in host.pressure_percent.items())
        )
    if host.failed_units:
        yield _("failed units: {units}", units=" ".join(host.failed_units))


def _of_service(service: ServiceMeasured) -> str:
    words = {"healthy": _("healthy"), "unhealthy": _("unhealthy"), "error": _("no answer")}
    status = "" if service.status is None else str(service.status)
    took = "" if service.response_s is None else f"{service.response_s * 1000:.0f} ms"
    said = " ".join(filter(None, (words.get(service.health, _("not known")), status, took)))
    return f"{said}: {service.error}" if service.error else said


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
