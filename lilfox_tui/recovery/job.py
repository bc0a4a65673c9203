"""The job of one restart by recovery: restarts the unit, proves that it stays up, and checks its health."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from lilfox_tui.config.loader import load
from lilfox_tui.config.model import Config, RecoveryConfig
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.jobs.model import JobRequest, Outcome, Run
from lilfox_tui.metrics.health import HealthProbe
from lilfox_tui.metrics.model import Health, HealthCheck
from lilfox_tui.operations.job import NotProved, make_change, opened_host
from lilfox_tui.operations.model import Operation, prove_unit, read_unit, stopped_by_order, unit_operation

_LOOKS = 5
"""A second apart, after the time to settle: a service may need a moment more."""


class RestartRequest(Struct, frozen=True):
    """``JobRequest.wanted``. ``config``: the path of the configuration; ``name``: of the unit in its ``recovery:``."""

    config: str
    name: str


def request_of(name: str, config: RecoveryConfig, sudo: bool, config_file: str | None) -> JobRequest:
    """The job that restarts ``name``."""
    operation = unit_operation("restart", config.host, config.unit, sudo=sudo)
    return JobRequest(
        entry=f"{__name__}:restart",
        kind="recover",
        title=_("recover {name}: {title}", name=name, title=operation.title),
        key=operation.key,
        wanted={"config": config_file or "", "name": name},
    )


async def restart(run: Run, wanted: dict[str, Any]) -> Outcome:
    """Restarts the unit and says how it is then."""
    asked = msgspec.convert(wanted, RestartRequest)
    config = load(Path(asked.config) if asked.config else None).config
    found = config.recovery.get(asked.name)
    if found is None:
        raise UsageError(tr("there is no {name} under recovery: any more", name=asked.name))
    host = opened_host(config, found.host)
    try:
        sudo = config.hosts[found.host].sudo
        if await stopped_by_order(host, await read_unit(host, found.unit), sudo=sudo):
            said = _("{unit} was stopped by order meanwhile: it is not restarted", unit=found.unit)
            return Outcome("failed", said, exit_code=1)
        operation = unit_operation("restart", found.host, found.unit, sudo=sudo)
        try:
            now = await make_change(run, host, operation, found.settle)
        except NotProved as error:
            return error.outcome
        return await _healthy(config, found, host, operation, now)
    finally:
        await host.close()


async def _healthy(config: Config, unit: RecoveryConfig, host: Host, operation: Operation, now: str) -> Outcome:
    """Whether its service answers, of a unit that is proved to be up. Raises CommandFailed where it is down again."""
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
    said = check.error or check.detail or _("it answers {status}", status=check.status_code)
    await prove_unit(host, operation, 0)  # it may have gone down meanwhile, which says more
    return Outcome("failed", _("{state}, but {service} is not: {reason}", state=now, service=unit.service, reason=said),
                   exit_code=1)  # fmt: skip


async def _asked(probe: HealthProbe) -> HealthCheck:
    check = await probe.check_once()
    for _look in range(_LOOKS - 1):
        if check.health is Health.HEALTHY:
            break
        await asyncio.sleep(1.0)
        check = await probe.check_once()
    return check
