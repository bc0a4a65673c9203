"""Measures hosts and services before and after a changing command while an incident is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Generic, Literal, TypeVar

import msgspec
from msgspec import Struct

from lilfox_tui.config.model import Config
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, listed
from lilfox_tui.core.text import human_bytes, human_duration
from lilfox_tui.incident import incidents
from lilfox_tui.metrics.health import HealthProbe
from lilfox_tui.metrics.model import Health, HealthCheck, HostSummary
from lilfox_tui.metrics.sampler import Sampler
from lilfox_tui.metrics.summary import summarize
from lilfox_tui.runbook.run.gate import Hosts, PreparedCommand
from lilfox_tui.runbook.run.output import masked
from lilfox_tui.runbook.run.persistence import RunRecorder
from lilfox_tui.runbook.run.state import Turn

# How hosts and services were at one moment of a run: what a file of evidence holds, and the same in a few lines.


Moment = Literal["before", "after"]
_MOST_DEVICES = 20
_MOST_LINES = 20
_MOST_UNITS = 50


class MeasuredFilesystem(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A mounted filesystem; shares in percent."""

    mountpoint: str
    used_percent: float
    available_bytes: int
    inode_percent: float | None = None
    read_only: bool = False


class DeviceLoad(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A block device; utilisation in percent of the time, rates in bytes per second."""

    device: str
    utilisation_percent: float | None = None
    read_bytes_s: float | None = None
    write_bytes_s: float | None = None


class HostMeasured(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A host's measurement. Unknown values are absent; ``error`` says why there are none, ``problems`` why a part is
    missing."""

    at: datetime | None = None
    """When it was read (aware UTC)."""
    cpu_percent: dict[str, float] = {}
    """By mode; they add up to 100 with ``idle``."""
    memory_percent: float | None = None
    memory_available_bytes: int | None = None
    memory_total_bytes: int | None = None
    swap_percent: float | None = None
    load: tuple[float, float, float] | None = None
    filesystems: tuple[MeasuredFilesystem, ...] = ()
    disks: tuple[DeviceLoad, ...] = ()
    pressure_percent: dict[str, float] = {}
    failed_units: tuple[str, ...] | None = None
    problems: dict[str, str] = {}
    error: str = ""


class ServiceMeasured(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The response of a service's health URL; ``error`` says why it is not healthy, or why it is unknown."""

    at: datetime | None = None
    health: str = ""
    """``healthy``, ``unhealthy`` or ``error``; empty where nothing is known."""
    status: int | None = None
    response_s: float | None = None
    error: str = ""


class Measurement(Struct, frozen=True, kw_only=True):
    """A measurement of all hosts and services."""

    moment: Moment
    runbook: str
    step: int
    title: str
    at: datetime
    hosts: dict[str, HostMeasured]
    services: dict[str, ServiceMeasured] = {}


def host_measured(summary: HostSummary) -> HostMeasured:
    """Return the recorded part of a reading."""
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
            MeasuredFilesystem(
                mountpoint=each.mountpoint,
                used_percent=round(each.used_percent, 1),
                available_bytes=int(each.available_bytes),
                inode_percent=_rounded(each.inode_percent),
                read_only=each.read_only,
            )
            for each in fullest
        ),
        disks=tuple(
            DeviceLoad(
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
    """Return the recorded part of a response."""
    error = "" if check.health is Health.HEALTHY else str(check.error or check.detail)
    seconds = None if check.response_time_s is None else round(check.response_time_s, 4)
    return ServiceMeasured(
        at=check.at, health=check.health.name.lower(), status=check.status_code, response_s=seconds, error=error
    )


def as_file(measured: Measurement) -> bytes:
    """Encode the measurement as readable JSON."""
    return msgspec.json.format(msgspec.json.encode(measured), indent=1) + b"\n"


def as_text(measured: Measurement) -> str:
    """Return a title line, and one line for each host and each service."""
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
        yield _("no metrics: {reason}", reason=host.error)
        return
    if host.cpu_percent:
        yield _("CPU {percent:.0f}%", percent=100 - host.cpu_percent["idle"] - host.cpu_percent["iowait"])
        yield _("I/O wait {percent:.0f}%", percent=host.cpu_percent["iowait"])
    if host.memory_percent is not None:
        yield _("memory {percent:.0f}%", percent=host.memory_percent)
    if host.load is not None:
        yield _("load {load}", load=" ".join(f"{each:.2f}" for each in host.load))
    for disk in host.filesystems[:1]:
        free = human_bytes(disk.available_bytes)
        yield _("{disk} {percent:.0f}% full, {free} free", disk=disk.mountpoint, percent=disk.used_percent, free=free)
    if host.pressure_percent:
        yield _(
            "pressure {each}", each=" ".join(f"{name} {value:.0f}" for name, value in host.pressure_percent.items())
        )
    if host.failed_units:
        yield _("failed units: {units}", units=" ".join(host.failed_units))


def _of_service(service: ServiceMeasured) -> str:
    if not service.health:  # that is no state of the service: the reading is missing, and why is known
        return service.error or _("not measured")
    words = {"healthy": _("healthy"), "unhealthy": _("unhealthy"), "error": _("no answer")}
    status = "" if service.status is None else str(service.status)
    took = "" if service.response_s is None else human_duration(service.response_s)
    said = " ".join(filter(None, (words.get(service.health, service.health), status, took)))
    return f"{said}: {service.error}" if service.error else said


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


# While an incident is open: how the hosts of a changing command and the services are before it and after it.
#
# It is read over the run's own connections, by the collectors that read nothing but /proc and states. A command waits
# for it at most ``MOST_S``, and not at all where what was read a moment ago is still true enough; it never fails by it.
# While somebody looks at the change that comes next, it is read beside, so that what is ordered then need not wait.


MOST_S = 2.0
SERVICES_S = 0.5
"""So long a command waits for services that do not answer, where its hosts have: one that hangs is why it is run."""
FRESH_S = 10.0
"""What was read so short a time ago is what was before the next command."""
_WRITTEN_S = 1.0
"""So long after it was read, a file of evidence is waited for; it takes a few milliseconds."""
_GIVEN_UP_S = 10.0
_LOOK_S = 1.0
AHEAD_S, AHEAD_FOR_S = 6.0, 300.0
"""Between two readings while a change waits to be ordered, and for how long: nobody looks at it for an hour."""
T = TypeVar("T")


class MeasurementTaker:
    """Takes the measurements of one run."""

    def __init__(self, config: Config, hosts: Hosts, record: RunRecorder) -> None:
        self._config, self._hosts, self._record = config, hosts, record
        self._of_hosts: dict[str, _Readings[HostMeasured]] = {}
        self._of_services: dict[str, _Readings[ServiceMeasured]] = {}
        self._probes: dict[str, HealthProbe] = {}
        self._after: set[asyncio.Task[None]] = set()
        self._changed_s = 0.0
        """When the last command had ended, by the loop's clock."""
        self._ahead = asyncio.create_task(self._read_ahead())

    async def before(self, ready: PreparedCommand, by: str) -> bool:
        """Record the state before ``ready`` runs; return whether an incident is open that needs it as evidence."""
        began_s = asyncio.get_running_loop().time()
        if await self._incident() is None:
            return False
        if self._after:  # what was after the command before is what is before this one
            await asyncio.wait(self._after, timeout=MOST_S + _WRITTEN_S)
        since_s = max(self._changed_s, asyncio.get_running_loop().time() - FRESH_S)
        await self._keep("before", ready, by, since_s, began_s)
        return True

    def after(self, ready: PreparedCommand, by: str) -> None:
        """Record the state now, in the background."""
        self._changed_s = asyncio.get_running_loop().time()
        task = asyncio.create_task(self._keep("after", ready, by, self._changed_s, self._changed_s))
        self._after.add(task)
        task.add_done_callback(self._after.discard)

    async def close(self) -> None:
        """Wait for measurements in progress, and end the readings that are still running."""
        self._ahead.cancel()
        await asyncio.wait([self._ahead])
        if self._after:
            await asyncio.wait(self._after, timeout=MOST_S + _WRITTEN_S)
        await asyncio.gather(*(each.close() for each in self._of_hosts.values()))
        await asyncio.gather(*(each.close() for each in self._of_services.values()))
        for probe in self._probes.values():
            await probe.close()

    async def _read_ahead(self) -> None:
        loop, at, since_s = asyncio.get_running_loop(), None, 0.0
        while True:
            turn = self._next_change()
            if turn != at:
                at, since_s = turn, loop.time()
            if turn is not None and loop.time() - since_s < AHEAD_FOR_S and await self._incident() is not None:
                fresh_s = max(self._changed_s, loop.time() - AHEAD_S)
                waits = [self._host_readings(name).since(fresh_s) for name in turn.hosts]
                waits += [self._service_readings(name).since(fresh_s) for name in self._config.services]
                await _until(loop.time() + MOST_S, [asyncio.create_task(each) for each in waits])
            await asyncio.sleep(_LOOK_S)

    def _next_change(self) -> Turn | None:
        """Return the change that is the next command to be started; None if nothing waits, or only a reading
        command."""
        waiting = self._record.reducer.waiting()
        turn = waiting.turn if waiting.what in ("value", "confirm", "order") else None
        return turn if turn is not None and self._record.reducer.command(turn).kind == "change" else None

    async def _incident(self) -> str | None:
        with suppress(LilFoxError):
            folder = await asyncio.to_thread(incidents.current_folder, own=True)
            return None if folder is None else folder.name
        return None

    async def _keep(self, moment: Moment, ready: PreparedCommand, by: str, since_s: float, began_s: float) -> None:
        """Record what was read since ``since_s``, or is read within two seconds of ``began_s``."""
        try:
            measured = await self._measured(moment, ready, since_s, began_s)
            data, text = as_file(measured), masked(as_text(measured), self._record.secrets)
            name = f"{self._record.run_id}-step-{measured.step}-{moment}.json"
            incident = await self._incident()
            if incident is not None:
                await asyncio.to_thread(incidents.keep_evidence, incident, name, data, text, by=by)
        except LilFoxError as error:
            self._record.say(_("no metrics were saved as evidence: {reason}", reason=error.message), "warning")
        except Exception as error:  # a fault of our own here must not be one of the command
            self._record.say(_("no metrics were saved as evidence: {reason}", reason=fault_of(error)), "warning")

    async def _measured(self, moment: Moment, ready: PreparedCommand, since_s: float, began_s: float) -> Measurement:
        names = ready.turn.hosts
        of_hosts = [self._host_readings(name) for name in names]
        of_services = [self._service_readings(name) for name in self._config.services]
        hosts = [asyncio.create_task(each.since(since_s)) for each in of_hosts]
        services = [asyncio.create_task(each.since(since_s)) for each in of_services]
        await _until(began_s + MOST_S, hosts)
        await _until(began_s + (SERVICES_S if moment == "before" else MOST_S), services)
        late = _("no answer within {seconds:.1f} s", seconds=asyncio.get_running_loop().time() - began_s)
        return Measurement(
            moment=moment,
            runbook=self._record.reducer.runbook.title,
            step=ready.turn.step + 1,
            title=ready.title,
            at=datetime.now(UTC),
            hosts={name: each.value(since_s) or _no_host(late) for name, each in zip(names, of_hosts, strict=True)},
            services={
                name: each.value(since_s) or _no_service(late)
                for name, each in zip(self._config.services, of_services, strict=True)
            },
        )  # fmt: skip

    def _host_readings(self, name: str) -> _Readings[HostMeasured]:
        if name not in self._of_hosts:
            self._of_hosts[name] = _Readings(lambda: self._read_host(name), _no_host)
        return self._of_hosts[name]

    def _service_readings(self, name: str) -> _Readings[ServiceMeasured]:
        if name not in self._of_services:
            self._of_services[name] = _Readings(lambda: self._read_service(name), _no_service)
        return self._of_services[name]

    async def _read_host(self, name: str) -> HostMeasured:
        # a sampler that was used before would leave out what it has read within the last half minute
        sampler = Sampler(self._hosts[name], self._config.collectors, MOST_S)
        return host_measured(summarize(await sampler.sample_once()))

    async def _read_service(self, name: str) -> ServiceMeasured:
        if name not in self._probes:
            service = self._config.services[name]
            here = service.from_ is None or self._config.hosts[service.from_].local
            asking = None if here or service.from_ is None else self._hosts[service.from_]
            self._probes[name] = HealthProbe(name, service, asking, period_s=MOST_S)
        return service_measured(await self._probes[name].check_once())


async def _until(at_s: float, waits: Sequence[asyncio.Task[None]]) -> None:
    """Wait for readings until ``at_s``, by the loop's clock. Later ones continue, and count next time."""
    try:
        if waits:
            await asyncio.wait(waits, timeout=max(0.0, at_s - asyncio.get_running_loop().time()))
    finally:
        for each in waits:
            each.cancel()


class _Readings(Generic[T]):
    """The newest reading of one thing; only one runs at a time. ``failed`` turns an error into a reading."""

    def __init__(self, read: Callable[[], Coroutine[object, object, T]], failed: Callable[[str], T]) -> None:
        self._read, self._failed = read, failed
        self._value: T | None = None
        self._began_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def value(self, since_s: float) -> T | None:
        """Return the newest reading if it started at ``since_s`` (the loop's clock) or later; otherwise None."""
        return self._value if self._began_s >= since_s else None

    async def since(self, since_s: float) -> None:
        """Wait for a reading that started at ``since_s`` or later. A cancellation does not stop the reading."""
        while self.value(since_s) is None:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._once())
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """End the reading that is still running, if any."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=MOST_S)

    async def _once(self) -> None:
        began_s = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(_GIVEN_UP_S):
                value = await self._read()
        except LilFoxError as error:
            value = self._failed(str(error.message))
        except TimeoutError:
            value = self._failed(_("no answer within {seconds:.1f} s", seconds=_GIVEN_UP_S))
        except Exception as error:
            value = self._failed(str(fault_of(error)))
        self._value, self._began_s = value, began_s


def _no_host(why: str) -> HostMeasured:
    return HostMeasured(error=why)


def _no_service(why: str) -> ServiceMeasured:
    return ServiceMeasured(error=why)
