"""The monitor over a real SSH server that goes away and comes back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from lilfox_tui.app.rows.reasons import why_no_numbers
from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.metrics.model import HostSnapshot, Level
from lilfox_tui.monitor.export import prometheus
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
    assert "reachable again" in told[lost:]


@pytest.mark.fault("4.90")
async def test_a_frozen_host_is_late_then_unreachable_within_six_seconds_and_one_that_is_slow_is_not(
    lab: SshdLab,
) -> None:
    server = lab.sshd()
    monitor = Monitor(Config(hosts={"web": lab.host(server)}, thresholds=LIMITS, ssh=lab.ssh(keepalive=Seconds(5))))
    monitor.prime()
    async with watching(monitor):
        await until(lambda: seen(monitor).hosts["web"].level is Level.GOOD, what="good over SSH")
        for _ in range(2):  # what answers within 3 s is well, or late at most
            before = monitor.snapshot("web").value
            server.freeze()
            asyncio.get_running_loop().call_later(3, server.thaw)
            await until(partial(_is_newer, monitor, before), what="an answer")
            await until(lambda: seen(monitor).hosts["web"].level is Level.GOOD, what="good after 3 s")
        assert not _told(monitor, "failing"), "a slow host is not called unreachable"
        server.freeze()
        await until(lambda: seen(monitor).hosts["web"].level is Level.FAILING, what="failing")
        view, now = seen(monitor).hosts["web"], seen(monitor).at
        assert view.summary is not None
        last = view.summary.at
        assert (view.since - last).total_seconds() < 6
        assert isinstance(view.link, Unavailable)
        assert view.link.since == last, "silent since its last sample"
        assert str(view.reasons[0]).endswith("web does not answer")
        assert 'lilfox_host_up{host="web"} 0' in prometheus(seen(monitor), {})
        assert why_no_numbers(view, now).startswith(f"no sample for {int((now - last).total_seconds())} s, ")
        assert _told(monitor, "degraded: no sample for "), "late before that"
        await until(lambda: "keepalive" in _why(monitor), what="the link counts as lost")
        view, now = seen(monitor).hosts["web"], seen(monitor).at
        assert view.link.since == last, "still since the same moment"  # type: ignore[union-attr]
        assert why_no_numbers(view, now).startswith(f"no sample for {int((now - last).total_seconds())} s, ")
        server.thaw()
        await until(lambda: seen(monitor).hosts["web"].level is Level.GOOD, what="good again")
    back = next(each for each in monitor.changes.all() if str(each.what) == "reachable again")
    assert back.at > last + timedelta(seconds=6)


@pytest.mark.fault("4.90")
async def test_a_host_that_goes_on_after_a_moment_of_silence_is_back_since_then(lab: SshdLab) -> None:
    server = lab.sshd()
    config = Config(refresh=Seconds(0.5), hosts={"web": lab.host(server)}, thresholds=LIMITS, ssh=lab.ssh(keepalive=60))
    monitor = Monitor(config)
    monitor.prime()
    async with watching(monitor):
        await until(lambda: seen(monitor).hosts["web"].level is Level.GOOD, what="good over SSH")
        server.freeze()
        await until(lambda: seen(monitor).hosts["web"].level is Level.FAILING, what="failing")
        thawed = datetime.now(UTC)
        server.thaw()
        await until(lambda: seen(monitor).hosts["web"].level is Level.GOOD, what="good again")
    back = next(each for each in monitor.changes.all() if str(each.what) == "reachable again")
    assert back.at >= thawed, "its link is as old as before, its answer is not"


def _is_newer(monitor: Monitor, before: HostSnapshot | None) -> bool:
    return monitor.snapshot("web").value is not before


def _told(monitor: Monitor, start: str) -> list[str]:
    return [str(each.what) for each in monitor.changes.all() if str(each.what).startswith(start)]


def _why(monitor: Monitor) -> str:
    link = seen(monitor).hosts["web"].link
    return str(link.error) if isinstance(link, Unavailable) else ""
