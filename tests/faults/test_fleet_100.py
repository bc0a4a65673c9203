"""A hundred SSH hosts at once, at the rate that the console has by default."""

from __future__ import annotations

import asyncio
import resource

import pytest

from tests.faults.test_fleet import SLACK_S, Record, config_of, fleet, lab, lateness
from tests.lab.watching import watching
from tests.services.sshd import SshdLab
from tests.waiting import unhurried, until

__all__ = ["lab"]
pytestmark = pytest.mark.xdist_group("fleet100")
STEADY_S = 10.0


async def test_a_hundred_hosts_arrive_and_none_is_late(lab: SshdLab, record_property: Record) -> None:
    servers = fleet(lab, 100)
    config = config_of(lab, servers, 2)
    loop = asyncio.get_running_loop()
    async with watching(config) as watch:
        record_property("numbers_s", await watch.numbers(*servers))
        began_s, cpu_s = loop.time(), _cpu_s()
        async with lateness(watch, servers) as late:
            await until(lambda: loop.time() - began_s >= STEADY_S, what="a steady while")
        record_property("worst_age_s", max(late.worst.values()))
        record_property("cpu_percent", 100 * (_cpu_s() - cpu_s) / (loop.time() - began_s))
    assert len(late.worst) == 100
    assert late.overviews >= STEADY_S / unhurried(config.refresh) - 1
    assert max(late.worst.values()) <= unhurried(2 * config.refresh + SLACK_S)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
