"""Watches units and restarts unhealthy ones according to the policy, each restart as a job; opens an incident for a
unit that it gives up on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack, aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Config, RecoveryConfig, allows_no_change
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import _, ngettext, tr
from lilfox_tui.core.maintenance import covers, windows
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.incident.incidents import append, open_incident
from lilfox_tui.incident.model import Noted
from lilfox_tui.jobs import listing
from lilfox_tui.jobs.model import Ended, JobRequest, Outcome, Run
from lilfox_tui.jobs.start import start
from lilfox_tui.metrics.health import HealthProbe
from lilfox_tui.metrics.model import Health, HealthCheck
from lilfox_tui.operations.job import NotProved, make_change, opened_host
from lilfox_tui.operations.model import Operation, Unit, prove_unit, read_unit, stopped_by_order, unit_operation
from lilfox_tui.recovery.containers import find_container, judge_container, passes_its_check
from lilfox_tui.recovery.history import RecoveryHistory, UnitRecord, UnitState

# The job of one restart by recovery: restarts the unit, proves that it stays up, and checks its health.


_LOOKS = 5
"""A second apart, after the time to settle: a service may need a moment more."""


class RestartRequest(Struct, frozen=True):
    """``JobRequest.arguments``. ``config``: the configuration's path; ``name``: the unit's name in its
    ``recovery:``."""

    config: str
    name: str


def request_of(name: str, operation: Operation, config_file: str | None) -> JobRequest:
    """Return the request for a job that restarts the unit ``name`` by ``operation``."""
    return JobRequest(
        entry=f"{__name__}:restart",
        kind="recover",
        title=_("recover {name}: {title}", name=name, title=operation.title),
        key=operation.key,
        arguments={"config": config_file or "", "name": name},
    )


async def restart(run: Run, arguments: dict[str, Any]) -> Outcome:
    """Restart the unit, or the container, and report its state afterwards."""
    asked = msgspec.convert(arguments, RestartRequest)
    config = load(Path(asked.config) if asked.config else None).config
    found = config.recovery.get(asked.name)
    if found is None:
        raise UsageError(tr("{name} is no longer configured under recovery:", name=asked.name))
    host = opened_host(config, found.host)
    try:
        sudo = config.hosts[found.host].sudo
        if found.container:
            return await _restart_container(run, config, found, host)
        if await stopped_by_order(host, await read_unit(host, found.unit), sudo=sudo):
            said = _("{unit} was stopped on purpose in the meantime, so it was not restarted", unit=found.unit)
            return Outcome("failed", said, exit_code=1)
        operation = unit_operation("restart", found.host, found.unit, sudo=sudo)
        try:
            now = await make_change(run, host, operation, found.settle)
        except NotProved as error:
            return error.outcome
        return await _healthy(config, found, host, operation, now)
    finally:
        await host.close()


async def _restart_container(run: Run, config: Config, recovery: RecoveryConfig, host: Host) -> Outcome:
    at = config.hosts[recovery.host]
    found = await find_container(host, at.containers, recovery.container, sudo=at.sudo)
    if judge_container(found.container)[0] == "left alone":
        said = _("{unit} was stopped on purpose in the meantime, so it was not restarted", unit=recovery.subject)
        return Outcome("failed", said, exit_code=1)
    operation = found.restart(host, sudo=at.sudo)
    try:
        now = await make_change(run, host, operation, recovery.settle)
    except NotProved as error:
        return error.outcome
    state, why = judge_container(await passes_its_check(host, found, sudo=at.sudo))
    if state != "well":
        return Outcome("failed", _("{state}, but {reason}", state=now, reason=why), exit_code=1)
    return await _healthy(config, recovery, host, operation, now)


async def _healthy(config: Config, unit: RecoveryConfig, host: Host, operation: Operation, now: str) -> Outcome:
    """Check whether the service of a running unit answers. Raises CommandFailed if the unit is down again."""
    if unit.service is None:
        return Outcome("ok", now)
    service = config.services[unit.service]
    elsewhere = service.from_ is not None and service.from_ != unit.host and not config.hosts[service.from_].local
    asking = opened_host(config, service.from_) if elsewhere and service.from_ is not None else None
    here = service.from_ is None or config.hosts[service.from_].local
    probe = HealthProbe(unit.service, service, asking or (None if here else host), period_s=1.0)
    try:
        check = await _asked(probe)
    finally:
        await probe.close()
        if asking is not None:
            await asking.close()
    if check.health is Health.HEALTHY:
        return Outcome("ok", _("{state}; {service} is healthy", state=now, service=unit.service))
    said = check.error or check.detail or _("it returns status {status}", status=check.status_code)
    if not unit.container:
        await prove_unit(host, operation, 0)  # it may have gone down meanwhile, which says more
    return Outcome("failed", _("{state}, but {service} is unhealthy: {reason}",
                               state=now, service=unit.service, reason=said),
                   exit_code=1)  # fmt: skip


async def _asked(probe: HealthProbe) -> HealthCheck:
    check = await probe.check_once()
    for _look in range(_LOOKS - 1):
        if check.health is Health.HEALTHY:
            break
        await asyncio.sleep(1.0)
        check = await probe.check_once()
    return check


# The recovery policy: when an unhealthy unit is restarted or given up. Pure rules over its history.


Step = Literal["nothing", "restart", "give up"]


def observe(record: UnitRecord | None, state: UnitState, why: str, now: datetime, config: RecoveryConfig) -> UnitRecord:
    """Return the record after a check that found ``state``: ``well``, ``unhealthy`` or ``left alone``. A given-up unit
    stays so until it is well."""
    before = record or UnitRecord(state=state, since=now, looked=now)
    # a clock that was put back since would otherwise keep the unit down for as much as that
    restarts = (min(each, now) for each in before.restarts)
    recent = tuple(each for each in restarts if now - each < timedelta(seconds=config.within))
    if state == "unhealthy":
        kept: UnitState = before.state if before.state in ("given up", "waiting", "restarting") else state
        looks = before.unhealthy_looks + 1
        since = before.since if kept == before.state else now
        return replace(before, state=kept, since=since, looked=now, why=why, unhealthy_looks=looks, restarts=recent)
    since = before.since if state == before.state else now
    return replace(
        before, state=state, since=since, looked=now, why=why, unhealthy_looks=0, restarts=recent, told=False
    )


def next_step(record: UnitRecord, now: datetime, config: RecoveryConfig) -> Step:
    """Return what to do with a unit that is in the state of ``record``."""
    if record.unhealthy_looks < config.failures or record.state == "given up":
        return "nothing"
    if len(record.restarts) >= config.limit:
        return "give up"
    due = next_at(record, config)
    return "restart" if due is None or now >= due else "nothing"


def next_at(record: UnitRecord, config: RecoveryConfig) -> datetime | None:
    """Return the earliest time of its next restart; None if it was not restarted."""
    if not record.restarts:
        return None
    pause = config.back_off * 2 ** (len(record.restarts) - 1)
    return record.restarts[-1] + timedelta(seconds=min(pause, config.within))


# What follows when a unit was restarted in vain too often: an incident, once.


def report_give_up(name: str, config: RecoveryConfig, record: UnitRecord) -> None:
    """Open an incident for a given-up unit, or record it in the open incident. Blocks. Raises LilFoxError."""
    text = ngettext(
        "{unit} on {host} is still unhealthy after {count} restart; recovery gave up: {why}",
        "{unit} on {host} is still unhealthy after {count} restarts; recovery gave up: {why}",
        len(record.restarts), unit=config.subject, host=config.host, why=record.why,
    )  # fmt: skip
    incident = open_incident(
        _("{unit} on {host} failed to recover", unit=config.subject, host=config.host),
        "SEV-2", f"recovery {name}", "lilfox recover", unless_open=True,
    )  # fmt: skip
    append(incident.id, Noted(text=text), by="lilfox recover")


# One unit, looked at again and again, and restarted as the policy above says.


_ON = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated", "transient", "linked", "")
"""Of UnitFileState: what may run. Not ``disabled`` and ``masked``: somebody does not want it."""


class UnitWatch:
    """Watches the unit ``name`` of ``recovery:`` on its opened ``host``; ``asking`` is the host that probes its
    service, None for this machine. ``config_file`` is for the jobs that restart it."""

    def __init__(
        self, name: str, config: Config, host: Host, asking: Host | None, book: RecoveryHistory, config_file: str | None
    ) -> None:
        self.name = name
        self.config: RecoveryConfig = config.recovery[name]
        self.key = f"{self.config.host}/{self.config.subject}"
        self._host, self._book, self._config_file = host, book, config_file
        self._sudo = config.hosts[self.config.host].sudo
        self._sockets = config.hosts[self.config.host].containers
        self._operation: Operation | None = None
        """What restarts a container, known since the last look."""
        self._protected = allows_no_change(config, self.config.host)
        self.job = ""
        """Of the last restart by this watch; empty before the first."""
        service = self.config.service
        self._probe = (
            None
            if service is None
            else HealthProbe(service, config.services[service], asking, period_s=self.config.every)
        )

    async def run(self) -> None:
        """Check every ``every`` seconds and restart, until cancelled. On an unreachable host nothing is restarted: the
        state of its units is unknown, and the outage itself is reported elsewhere."""
        while True:
            with suppress(LilFoxError):
                await self.look()
            await asyncio.sleep(self.config.every)

    async def look(self, *, restarts: bool = True) -> UnitRecord:
        """Check once; restart if due, and return when its health is known. On a protected host nothing is restarted, so
        nothing counts towards the limit either. Raises LilFoxError."""
        state, why = await self.judge()
        if self._protected and state == "unhealthy":
            why = _("{why}; not restarted, because changes on {host} are not allowed", why=why, host=self.config.host)
        record = await asyncio.to_thread(self._note, state, why, restarts and not self._protected)
        if record.state == "restarting" and restarts:
            record = await self._restart()
        if record.state == "given up" and not record.told and restarts:
            await asyncio.to_thread(self._tell, record)
        return record

    async def close(self) -> None:
        """Close the connection to the service."""
        if self._probe is not None:
            await self._probe.close()

    async def judge(self) -> tuple[UnitState, str]:
        """Return the unit's state, and why. Raises HostError, UsageError."""
        window = covers(
            await asyncio.to_thread(windows, datetime.now(UTC)),
            *(self.name, self.config.host, self.config.unit or self.config.container, self.config.service or self.name),
        )
        if window is not None:
            return "left alone", _(
                "in maintenance until {time:%H:%M} UTC, set by {who}", time=window.until, who=window.by
            )
        if self.config.container:
            sudo = self._sudo
            found = await find_container(self._host, self._sockets, self.config.container, sudo=sudo)
            self._operation = found.restart(self._host, sudo=sudo)
            state, why = judge_container(found.container)
            return (state, why) if state != "well" else await self._service()
        unit = await read_unit(self._host, self.config.unit)
        if unit.enabled not in _ON:
            return "left alone", _("{unit} is {enabled}", unit=unit.name, enabled=unit.enabled)
        if not unit.running:
            return await self._down(unit)
        return await self._service()

    async def _service(self) -> tuple[UnitState, str]:
        if self._probe is not None:
            check = await self._probe.check_once()
            if check.health is not Health.HEALTHY:
                said = check.error or check.detail or _("it returns status {status}", status=check.status_code)
                return "unhealthy", _("{service}: {reason}", service=self._probe.name, reason=said)
        return "well", ""

    async def _down(self, unit: Unit) -> tuple[UnitState, str]:
        if await stopped_by_order(self._host, unit, sudo=self._sudo):
            return "left alone", _("{unit} was stopped on purpose", unit=unit.name)
        return "unhealthy", _("{unit} is {active} ({result})", unit=unit.name, active=unit.active, result=unit.result)

    def _note(self, state: UnitState, why: str, restarts: bool) -> UnitRecord:
        """Record the check and the next step before it is taken. Blocks."""
        now = datetime.now(UTC)
        with self._book.changing(self.key) as change:
            record = observe(change.record, state, why, now, self.config)
            todo = next_step(record, now, self.config)
            if todo == "give up":
                record = replace(record, state="given up", since=now)
            elif todo == "restart" and restarts:
                record = replace(record, state="restarting", since=now, restarts=(*record.restarts, now))
            elif record.state == "restarting":  # another LilFox restarts it, or ended while it did
                record = replace(record, state="waiting", since=now)
            change.record = record
        return record

    def unknown(self, error: LilFoxError) -> UnitRecord:
        """Return the last record with the reason why the state is unknown. Blocks; nothing is written."""
        now = datetime.now(UTC)
        found = self._book.read().get(self.key) or UnitRecord(state="unknown", since=now, looked=now)
        return replace(found, state="unknown", why=str(error.message))

    async def _restart(self) -> UnitRecord:
        operation = self._operation or unit_operation("restart", self.config.host, self.config.unit, sudo=self._sudo)
        self.job = job = await asyncio.to_thread(start, request_of(self.name, operation, self._config_file))
        ended: Ended | None = None
        async with aclosing(listing.follow_events(job)) as lists:
            async for some in lists:
                ended = next((each for each in some if isinstance(each, Ended)), ended)
        good = ended is not None and ended.state == "ok"
        return await asyncio.to_thread(self._settle, job, good, "" if ended is None else ended.message)

    def _settle(self, job: str, good: bool, message: str) -> UnitRecord:
        now = datetime.now(UTC)
        with self._book.changing(self.key) as change:
            record = change.record or UnitRecord(state="waiting", since=now, looked=now)
            state: UnitState = "well" if good else "waiting"
            looks = 0 if good else self.config.failures
            record = replace(
                record, state=state, since=now, looked=now, why="" if good else message, unhealthy_looks=looks, job=job
            )
            if not good and len(record.restarts) >= self.config.limit:
                record = replace(record, state="given up")
            change.record = record
        return record

    def _tell(self, record: UnitRecord) -> None:
        report_give_up(self.name, self.config, record)
        with self._book.changing(self.key) as change:
            if change.record is not None:
                change.record = replace(change.record, told=True)


# The units of a configuration, their hosts opened once each.


async def open_units(
    stack: AsyncExitStack, config: Config, config_file: Path | None, names: Iterable[str], book: RecoveryHistory
) -> list[UnitWatch]:
    """Return a watch for each of ``names``; ``stack`` closes them and their hosts."""
    hosts: dict[str, Host] = {}

    def host(name: str) -> Host:
        if name not in hosts:
            hosts[name] = open_host(name, config.hosts[name], config.ssh)
            stack.push_async_callback(hosts[name].close)
        return hosts[name]

    return watches(stack, config, config_file, names, book, host)


def watches(
    stack: AsyncExitStack,
    config: Config,
    config_file: Path | None,
    names: Iterable[str],
    book: RecoveryHistory,
    host: Callable[[str], Host],
) -> list[UnitWatch]:
    """Like ``open_units``, on hosts that the caller opens and closes."""
    path = None if config_file is None else str(config_file.absolute())
    made = []
    for name in names:
        unit = config.recovery[name]
        asks = None if unit.service is None else config.services[unit.service].from_
        asking = None if asks is None or config.hosts[asks].local else host(asks)
        watch = UnitWatch(name, config, host(unit.host), asking, book, path)
        stack.push_async_callback(watch.close)
        made.append(watch)
    return made
