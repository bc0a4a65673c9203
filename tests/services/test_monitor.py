"""The monitor over this machine, a stand-in host and real HTTP services."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest

from lilfox_tui.config.model import Config, HostConfig, ServiceConfig, Threshold, Thresholds
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.paths import state_dir
from lilfox_tui.hosts.fake import FakeHost
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.metrics.model import HostSnapshot, Level, Series
from lilfox_tui.metrics.sampler import Sampler
from lilfox_tui.monitor.changes import ChangeLog, seen_file
from lilfox_tui.monitor.model import Overview
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.watchers.host import HostWatch
from tests.services.http_servers import page, serving
from tests.waiting import until

NEVER = Threshold(warn=None, fail=None)
LIMITS = Thresholds(
    hold=1, cpu_percent=NEVER, iowait_percent=NEVER, steal_percent=NEVER, load_per_cpu=NEVER, pressure_cpu=NEVER,
    pressure_memory=NEVER, pressure_io=NEVER, disk_percent=NEVER, failed_units=NEVER,
)  # fmt: skip
LATE = "web-19"
"""Its first sample is due late in the period: the link alone speaks before."""
CONFIG = Config(refresh=Seconds(0.5), hosts={"here": HostConfig(local=True)}, thresholds=LIMITS)


@contextlib.asynccontextmanager
async def watching(monitor: Monitor) -> AsyncIterator[None]:
    """The monitor runs for the block, and has ended in time after it."""
    task = asyncio.create_task(monitor.run())
    try:
        yield
    finally:
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=2)
        assert done, "still running 2 s after it was told to end"


def seen(monitor: Monitor) -> Overview:
    overview = monitor.overview.value
    assert overview is not None
    return overview


async def test_the_first_overview_is_there_before_anything_runs() -> None:
    monitor = Monitor(CONFIG)
    monitor.prime()
    view = seen(monitor).hosts["here"]
    assert view.summary is not None
    assert view.summary.memory_total
    assert view.level is Level.GOOD


async def test_unless_at_once_this_machine_is_not_looked_at_before_it_is_asked_for() -> None:
    config = msgspec.structs.replace(CONFIG, services={"web": ServiceConfig(url="http://127.0.0.1:9/")})
    monitor = Monitor(config, at_once=False)
    assert not monitor.services
    assert monitor.overview.value is None
    monitor.prime()
    assert monitor.services == ("web",)
    assert seen(monitor).hosts["here"].summary is not None


def test_priming_imports_nothing_heavy() -> None:
    heavy = {"asyncssh", "httpx", "yaml", "psutil", "textual", "numpy", "promql_parser", "re2"}
    code = (
        "import sys; from lilfox_tui.config.model import Config; from lilfox_tui.monitor.monitor import Monitor;"
        f"Monitor(Config()).prime(); print(sorted({heavy} & {{*sys.modules}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_numbers_keep_coming_and_are_kept() -> None:
    monitor = Monitor(CONFIG)
    async with watching(monitor):
        await until(lambda: monitor.overview.value is not None and _cpu(monitor) is not None, what="a share of the CPU")
        await until(lambda: len(_points(monitor)) >= 2, what="two points of the past")
        now = datetime.now(UTC)
        past = monitor.overview_at(now)
        assert past.rewound
        assert past.hosts["here"].level is Level.GOOD
        summary = past.hosts["here"].summary
        assert summary is not None
        assert summary.memory_total == _memory(monitor)
        long_ago = monitor.overview_at(now - timedelta(hours=1)).hosts["here"]
        assert (long_ago.level, long_ago.summary) == (Level.UNKNOWN, None)


async def test_a_single_host_is_shown_when_its_sample_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    due = asyncio.Semaphore(0)

    async def sample_when_due(sampler: Sampler) -> None:
        while await due.acquire():
            snapshot = sampler.read_now()
            sampler.feed.publish(snapshot, snapshot.at)

    monkeypatch.setattr(Sampler, "run", sample_when_due)
    monitor = Monitor(msgspec.structs.replace(CONFIG, refresh=Seconds(3600)))
    async with watching(monitor):
        await until(lambda: monitor.overview.value)
        for _sample in range(8):  # some overviews have other causes
            before = seen(monitor).hosts["here"].summary
            due.release()
            await until(lambda before=before: seen(monitor).hosts["here"].summary is not before)  # type: ignore[misc]


def _cpu(monitor: Monitor) -> float | None:
    summary = seen(monitor).hosts["here"].summary
    return None if summary is None else summary.cpu_percent


def _memory(monitor: Monitor) -> float | None:
    summary = seen(monitor).hosts["here"].summary
    return None if summary is None else summary.memory_total


def _points(monitor: Monitor) -> list[object]:
    now = datetime.now(UTC)
    series = Series("memory_usage_percent")
    found = monitor.history.window("host/here", series, now - timedelta(minutes=1), now + timedelta(seconds=1), 60)
    return [point for point in found if point.mean is not None]


async def test_a_lost_host_is_told_at_once_and_delays_no_other() -> None:
    hosts = {"here": HostConfig(local=True), LATE: HostConfig()}
    config = msgspec.structs.replace(CONFIG, hosts=hosts, refresh=Seconds(3600))
    web = FakeHost(LATE)
    web.go_down(HostUnreachable(LATE, tr("cable cut"), tr("plug it in")))
    monitor = Monitor(config, hosts={LATE: web, "here": LocalHost("here", hosts["here"])})
    async with watching(monitor):
        await until(lambda: monitor.overview.value is not None and seen(monitor).hosts[LATE].level is Level.FAILING)
        assert [str(reason) for reason in seen(monitor).hosts[LATE].reasons] == ["cable cut", "plug it in"]
        await until(lambda: seen(monitor).hosts["here"].summary is not None, what="the other host")
        assert isinstance(seen(monitor).hosts[LATE].link, Unavailable)
        web.come_up()
        await until(
            lambda: seen(monitor).hosts[LATE].level is not Level.FAILING, what="told long before the period ends"
        )
        monitor.retry(LATE)
        assert web.retried == 1
    assert any("cannot be reached: cable cut" in str(change.what) for change in monitor.changes.all())


async def test_a_fault_of_our_own_about_one_host_is_its_row_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.monitor.monitor.AFTER_FAULT_S", 0.3)
    config = msgspec.structs.replace(CONFIG, hosts={"here": HostConfig(local=True), "odd": HostConfig(local=True)})
    monitor = Monitor(config)
    take, broken = monitor._take, True

    def fall_over(watch: HostWatch, snapshot: HostSnapshot) -> None:
        if watch.name == "odd" and broken:
            raise ZeroDivisionError
        take(watch, snapshot)

    monkeypatch.setattr(monitor, "_take", fall_over)
    async with watching(monitor):
        await until(lambda: monitor.overview.value is not None, what="a first overview")
        await until(lambda: "ZeroDivisionError" in str(seen(monitor).hosts["odd"].reasons), what="the odd row says it")
        told = seen(monitor).at
        await until(lambda: _sampled_after(monitor, "here", told), what="the other goes on")
        assert "ZeroDivisionError" in (state_dir() / "crash.log").read_text()
        broken = False
        await until(lambda: seen(monitor).hosts["odd"].level is Level.GOOD, what="the odd host is good again")


def _sampled_after(monitor: Monitor, name: str, moment: datetime) -> bool:
    summary = seen(monitor).hosts[name].summary
    return summary is not None and summary.at > moment


async def test_a_service_that_fails_and_heals_is_remembered() -> None:
    healthy = True

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await page(b"{}", status="200 OK" if healthy else "503 No")(reader, writer)

    async with serving(talk) as port:
        service = ServiceConfig(url=f"http://127.0.0.1:{port}", every=Seconds(0.2), down_after=2, up_after=2)
        monitor = Monitor(msgspec.structs.replace(CONFIG, services={"api": service}))
        async with watching(monitor):
            await until(lambda: _level(monitor) is Level.GOOD, what="good")
            healthy = False
            await until(lambda: _level(monitor) is Level.FAILING, what="failing")
            at = _asked_at(monitor)
            healthy = True
            await until(lambda: _level(monitor) is Level.GOOD, what="good again")
            past = monitor.overview_at(at).services["api"]
            moment = datetime.now(UTC)
            now = monitor.overview_at(moment).services["api"]
            current = seen(monitor).services["api"]
    assert past.level is Level.FAILING
    failed = next(each for each in monitor.changes.all() if each.level is Level.FAILING)
    assert past.since == failed.at <= at  # a past level began when it was said to have begun, not at the moment shown
    assert now.since == (current.since if now.level is current.level else moment)
    assert past.state is not None
    assert past.state.last.status_code == 503
    assert now.level in (Level.GOOD, Level.DEGRADED)
    told = [str(change.what) for change in monitor.changes.all() if change.subject == "service/api"]
    assert any(text.startswith("failing: ") for text in told)
    assert told[-1].startswith("good again")


def _level(monitor: Monitor) -> Level | None:
    return None if monitor.overview.value is None else monitor.overview.value.services["api"].level


def _asked_at(monitor: Monitor) -> datetime:
    """When the answer was asked for that the level rests on: the next one may be under way already."""
    assert monitor.overview.value is not None
    state = monitor.overview.value.services["api"].state
    assert state is not None
    return state.last.at


async def test_a_visit_starts_where_the_last_one_ended() -> None:
    first = Monitor(CONFIG, changes=ChangeLog(seen_file()))
    async with watching(first):
        await until(lambda: first.snapshot("here").value is not None)
    full = msgspec.structs.replace(LIMITS, memory_percent=Threshold(warn=0, fail=0.01))
    strict = msgspec.structs.replace(CONFIG, thresholds=full)
    second = Monitor(strict, changes=ChangeLog(seen_file()))
    async with watching(second):
        await until(lambda: second.changes.all(), what="what changed meanwhile")
    assert str(second.changes.all()[0].what).startswith("failing: memory ")


async def test_processes_are_read_of_the_host_in_focus_only() -> None:
    monitor = Monitor(CONFIG)
    async with watching(monitor):
        await until(lambda: monitor.snapshot("here").value is not None)
        value = monitor.snapshot("here").value
        assert value is not None
        assert value.processes is None
        monitor.focus("here")
        await until(lambda: _processes(monitor), what="processes")
        monitor.focus(None)
        await until(lambda: not _processes(monitor), what="no processes")


def _processes(monitor: Monitor) -> object:
    value = monitor.snapshot("here").value
    return None if value is None else value.processes


@pytest.mark.parametrize("name", ["nobody", ""])
def test_an_unknown_host_is_a_key_error(name: str) -> None:
    with pytest.raises(KeyError):
        Monitor(CONFIG).snapshot(name)


async def test_what_changes_over_and_over_is_published_a_few_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.monitor.monitor.PUBLISH_AT_MOST_S", 0.1)
    monitor = Monitor(msgspec.structs.replace(CONFIG, refresh=Seconds(3600)))
    published: list[Overview] = []
    async with watching(monitor), contextlib.aclosing(monitor.overview.watch()) as states:
        async for state in states:
            if not isinstance(state, Ready):
                continue
            published.append(state.value)
            monitor._at_once.set()  # as a level does that turns each moment
            if len(published) == 6:
                break
    apart = [(later.at - earlier.at).total_seconds() for earlier, later in pairwise(published[1:])]
    assert min(apart) > 0.09
