"""While an incident is open: how the hosts of a changing command and the services are before it and after it.

It is read over the run's own connections, by the collectors that read nothing but /proc and states. A command waits
for it at most ``MOST_S``, and not at all where what was read a moment ago is still true enough; it never fails by it.
While somebody looks at the change that comes next, it is read beside, so that what is ordered then need not wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Generic, TypeVar

from lilfox_tui.config.model import Config
from lilfox_tui.crash import fault_of
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _
from lilfox_tui.incident import incidents
from lilfox_tui.metrics.health import HealthProbe
from lilfox_tui.metrics.sampler import Sampler
from lilfox_tui.metrics.summary import summarize
from lilfox_tui.runbook.measured import (
    HostMeasured,
    Measured,
    Moment,
    ServiceMeasured,
    as_file,
    as_text,
    host_measured,
    service_measured,
)
from lilfox_tui.runbook.output import masked
from lilfox_tui.runbook.preparing import Ready
from lilfox_tui.runbook.recording import Record
from lilfox_tui.runbook.targets import Hosts
from lilfox_tui.runbook.turns import Turn

MOST_S = 2.0
SERVICES_S = 0.5
"""So long a command waits for services that do not answer, where its hosts have: one that hangs is why it is run."""
FRESH_S = 10.0
"""What was read so short a time ago is what was before the next command."""
_GIVEN_UP_S = 10.0
_LOOK_S = 1.0
AHEAD_S, AHEAD_FOR_S = 6.0, 300.0
"""Between two readings while a change waits to be ordered, and for how long: nobody looks at it for an hour."""
T = TypeVar("T")


class Measuring:
    """Of one run."""

    def __init__(self, config: Config, hosts: Hosts, record: Record) -> None:
        self._config, self._hosts, self._record = config, hosts, record
        self._of_hosts: dict[str, _Readings[HostMeasured]] = {}
        self._of_services: dict[str, _Readings[ServiceMeasured]] = {}
        self._probes: dict[str, HealthProbe] = {}
        self._after: set[asyncio.Task[None]] = set()
        self._changed_s = 0.0
        """When the last command had ended, by the loop's clock."""
        self._ahead = asyncio.create_task(self._read_ahead())

    async def before(self, ready: Ready, by: str) -> bool:
        """Keeps how it is before ``ready`` runs; whether an incident is open that it is evidence of."""
        if await self._incident() is None:
            return False
        if self._after:  # what was after the command before is what is before this one
            await asyncio.wait(self._after, timeout=MOST_S)
        since_s = max(self._changed_s, asyncio.get_running_loop().time() - FRESH_S)
        await self._keep("before", ready, by, since_s, SERVICES_S)
        return True

    def after(self, ready: Ready, by: str) -> None:
        """Keeps how it is now, without being waited for."""
        self._changed_s = asyncio.get_running_loop().time()
        task = asyncio.create_task(self._keep("after", ready, by, self._changed_s, MOST_S))
        self._after.add(task)
        task.add_done_callback(self._after.discard)

    async def close(self) -> None:
        """Waits for what is being kept, and ends what still reads."""
        self._ahead.cancel()
        await asyncio.wait([self._ahead])
        if self._after:
            await asyncio.wait(self._after, timeout=MOST_S + 1.0)
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
                await _within(MOST_S, [asyncio.create_task(each) for each in waits])
            await asyncio.sleep(_LOOK_S)

    def _next_change(self) -> Turn | None:
        """The change that waits to be ordered; None where nothing waits, or what only reads does."""
        waiting = self._record.folding.waiting()
        turn = waiting.turn if waiting.what in ("value", "confirm", "order") else None
        return turn if turn is not None and self._record.folding.command(turn).kind == "change" else None

    async def _incident(self) -> str | None:
        with suppress(LilFoxError):
            folder = await asyncio.to_thread(incidents.current_folder, own=True)
            return None if folder is None else folder.name
        return None

    async def _keep(self, moment: Moment, ready: Ready, by: str, since_s: float, services_s: float) -> None:
        """What was read since then, or is read within two seconds."""
        try:
            measured = await self._measured(moment, ready, since_s, services_s)
            data, text = as_file(measured), masked(as_text(measured), self._record.secrets)
            name = f"{self._record.run_id}-step-{measured.step}-{moment}.json"
            incident = await self._incident()
            if incident is not None:
                await asyncio.to_thread(incidents.keep_evidence, incident, name, data, text, by=by)
        except LilFoxError as error:
            self._record.say(_("no metrics were kept as evidence: {reason}", reason=error.message), "warning")
        except Exception as error:  # a fault of our own here must not be one of the command
            self._record.say(_("no metrics were kept as evidence: {reason}", reason=fault_of(error)), "warning")

    async def _measured(self, moment: Moment, ready: Ready, since_s: float, services_s: float) -> Measured:
        names = ready.turn.hosts
        of_hosts = [self._host_readings(name) for name in names]
        of_services = [self._service_readings(name) for name in self._config.services]
        hosts = [asyncio.create_task(each.since(since_s)) for each in of_hosts]
        services = [asyncio.create_task(each.since(since_s)) for each in of_services]
        start = asyncio.get_running_loop().time()
        await _within(MOST_S, hosts)
        await _within(max(0.0, services_s - (asyncio.get_running_loop().time() - start)), services)
        waited = asyncio.get_running_loop().time() - start
        late = _("no answer within {seconds:.1f} s", seconds=waited)
        return Measured(
            moment=moment,
            runbook=self._record.folding.runbook.title,
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


async def _within(seconds: float, waits: Sequence[asyncio.Task[None]]) -> None:
    """Waits for readings, and no longer. Those that come later go on, and are what is known next time."""
    try:
        if waits:
            await asyncio.wait(waits, timeout=seconds)
    finally:
        for each in waits:
            each.cancel()


class _Readings(Generic[T]):
    """The newest reading of one thing; no two go on at the same time. ``failed`` makes one of why there is none."""

    def __init__(self, read: Callable[[], Coroutine[object, object, T]], failed: Callable[[str], T]) -> None:
        self._read, self._failed = read, failed
        self._value: T | None = None
        self._began_s = 0.0
        self._task: asyncio.Task[None] | None = None

    def value(self, since_s: float) -> T | None:
        """The newest one, where it began since then (the loop's clock)."""
        return self._value if self._began_s >= since_s else None

    async def since(self, since_s: float) -> None:
        """Returns when there is one that began since then. Cancelled, what reads goes on."""
        while self.value(since_s) is None:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._once())
            await asyncio.wait([self._task])

    async def close(self) -> None:
        """Ends what still reads."""
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
