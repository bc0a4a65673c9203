"""The monitor over a real SSH server that goes away and comes back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.config.types import Seconds
from lilfox_tui.feed import Unavailable
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.monitor import Monitor
from tests.services.sshd import SshdLab, sshd_lab
from tests.services.test_monitor import LIMITS, seen, watching
from tests.waiting import until


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


def _age_of(monitor: Monitor, name: str) -> float:
    overview = seen(monitor)
    summary = overview.hosts[name].summary
    return float("inf") if summary is None else (overview.at - summary.at).total_seconds()


async def test_a_killed_server_is_failing_and_then_back_by_itself(lab: SshdLab) -> None:
    server = lab.sshd()
    hosts = {"here": HostConfig(local=True), "web": lab.host(server)}
    config = Config(refresh=Seconds(0.5), hosts=hosts, thresholds=LIMITS, ssh=lab.ssh())
    monitor = Monitor(config)
    monitor.prime()
    async with watching(monitor):
        await until(lambda: seen(monitor).hosts["web"].level is Level.GOOD, what="good over SSH")
        server.kill()
        await until(lambda: seen(monitor).hosts["web"].level is Level.FAILING, what="failing")
        view = seen(monitor).hosts["web"]
        assert isinstance(view.link, Unavailable)
        assert str(view.reasons[0]).startswith("no sample for ")
        assert view.summary is not None, "the last numbers stay"
        assert _age_of(monitor, "here") < 1.5, "the other host is not late"
        server.start()
        await until(lambda: seen(monitor).hosts["web"].level is Level.GOOD, what="good again")
    told = [str(each.what) for each in monitor.changes.all() if each.subject == "host/web"]
    lost = next(index for index, what in enumerate(told) if what.startswith("lost: "))
    assert "reached again" in told[lost:]
