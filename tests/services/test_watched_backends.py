"""Backends in the monitor: their rows, outages, history, and what other programs get."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import jsonschema
import pytest

from lilfox_tui.backends.kinds import redis
from lilfox_tui.config.model import Config
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.monitor.export import prometheus, report
from lilfox_tui.monitor.model import BackendView
from lilfox_tui.monitor.monitor import Monitor
from tests.lifetime import running
from tests.services.redis_server import PASSWORD, RedisServer
from tests.waiting import until


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILFOX_TEST_REDIS", PASSWORD)


def config_for(server: RedisServer, **changes: object) -> Config:
    options = {"port": server.port, "password": SecretRef("env:LILFOX_TEST_REDIS"), "every": Seconds(0.1)}
    cache = redis.Options(**(options | changes))  # type: ignore[arg-type]
    return Config(backends={"cache": cache}, refresh=Seconds(0.1))


def cache(monitor: Monitor) -> BackendView:
    overview = monitor.overview.value
    assert overview is not None
    return overview.backends["cache"]


async def test_an_outage_says_what_since_when_and_when_it_is_tried_again() -> None:
    with RedisServer() as server:
        async with running(Monitor(config_for(server))) as monitor:
            await until(lambda: monitor.overview.value and cache(monitor).level is Level.GOOD, what="it is good")
            seen_good = datetime.now(UTC)
            server.stop()
            await until(lambda: cache(monitor).level is Level.FAILING, what="it is down")
            view = cache(monitor)
            assert isinstance(view.outage, Unavailable)
            assert seen_good < view.outage.since <= datetime.now(UTC)
            assert view.outage.next_try is not None
            assert view.reading is not None  # the last numbers stay, and are old
            assert view.figures
            await until(lambda: "nothing is listening at this address" in str(cache(monitor).reasons[0]), what="why")
            waits = cache(monitor).outage
            assert waits is not None
            assert waits.since == view.outage.since
            server.start()
            await until(lambda: cache(monitor).level is Level.GOOD, what="it is good again")
            assert cache(monitor).outage is None
            changes = [str(each.what) for each in monitor.changes.all() if each.subject == "backend/cache"]
            assert any(text.startswith("good again") for text in changes)


async def test_a_backend_that_is_still_being_started_is_not_checked_and_no_outage() -> None:
    with RedisServer() as server:
        server.stop()
        monitor = Monitor(config_for(server))
        is_up = monitor.backends.hold("cache")
        task, seen = asyncio.create_task(monitor.run()), set[datetime]()

        def some_periods() -> bool:
            if monitor.overview.value is not None:
                seen.add(monitor.overview.value.at)
            return len(seen) > 3

        try:
            await until(some_periods)
            assert (cache(monitor).level, str(cache(monitor).reasons[0])) == (Level.UNKNOWN, "not checked yet")
            server.start()
            is_up()
            await until(lambda: cache(monitor).level is Level.GOOD, what="it is good")
            assert [each for each in monitor.changes.all() if each.subject == "backend/cache"] == []
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def test_the_past_has_its_line() -> None:
    with RedisServer() as server:
        async with running(Monitor(config_for(server))) as monitor:
            series = Series("redis_used_memory_bytes")
            await until(lambda: series in monitor.history.series("backend/cache"), what="it is recorded")
            now = datetime.now(UTC)
            then = monitor.overview_at(now).backends["cache"]
            assert "1 client" in " ".join(str(figure.text) for figure in then.figures)
            assert then.level is Level.GOOD
            before = monitor.overview_at(now - timedelta(hours=1)).backends["cache"]
            assert (before.level, before.figures) == (Level.UNKNOWN, ())


async def test_one_look_is_enough_for_check_and_for_other_programs() -> None:
    with RedisServer() as server:
        server.cli("set", "a", "1")
        monitor = Monitor(config_for(server))
        overview = await monitor.check_once()
        view = overview.backends["cache"]
        assert view.level is Level.GOOD
        document = json.loads(json.dumps(report(overview)))
        schema = json.loads((files("lilfox_tui.cli.schemas") / "check.json").read_text())
        jsonschema.validate(document, schema)
        assert document["backends"]["cache"]["values"]["redis_max_clients"] == float(server.info("maxclients"))
        text = prometheus(overview, {})
        assert 'lilfox_backend_up{backend="cache",kind="redis"} 1.0\n' in text
        assert 'lilfox_redis_max_clients{backend="cache",kind="redis"} 10000.0\n' in text
        assert "name=lilfox" not in server.cli("client", "list")


async def test_a_backend_that_is_away_fails_the_check_at_once_and_gives_no_numbers() -> None:
    with RedisServer() as server:
        config = config_for(server)
    overview = await Monitor(config).check_once()
    view = overview.backends["cache"]
    assert view.level is Level.FAILING
    assert overview.count(Level.FAILING) == sum(each.level is Level.FAILING for each in overview.hosts.values()) + 1
    document = report(overview)["backends"]["cache"]
    assert (document["values"], document["next_try"]) == ({}, None)
    assert 'lilfox_backend_up{backend="cache",kind="redis"} 0.0\n' in prometheus(overview, {})


async def test_a_fault_of_ours_is_that_backends_row_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with RedisServer() as server:
        monkeypatch.setattr(redis, "_values", lambda *_arguments: 1 / 0)
        overview = await Monitor(config_for(server)).check_once()
    assert "internal error in LilFox: ZeroDivisionError" in str(overview.backends["cache"].reasons[0])
