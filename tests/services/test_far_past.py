"""Charts and rows of before LilFox began, from a real Prometheus that has two days; what is said while, and where, it
does not answer."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.config.model import ApiConfig
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.model import Level
from lilfox_tui.metrics.traffic import series_of_traffic
from lilfox_tui.monitor.model import Overview
from tests.app.conftest import _utc_and_english
from tests.app.overviews import NOW, host, service, summary
from tests.app.still import screen_text, still_app
from tests.app.test_screens import check
from tests.app.traffic_overviews import BACKEND, having
from tests.services.prometheus_server import PrometheusServer, prometheus
from tests.services.two_days import fill
from tests.waiting import until

__all__ = ["_utc_and_english"]

YESTERDAY = NOW - timedelta(hours=24)


def app_of(server: PrometheusServer, *, language: str = "en") -> LilFoxApp:
    """A host, a service and a host that the Prometheus does not know, all watched for two minutes."""
    hosts = [host("web-1", Level.GOOD, summary("web-1", 23, 61, 71)), host("db", Level.GOOD, summary("db", 12, 40, 30))]
    shop = having(service("shop", Level.GOOD, 200, 0.012), Ready(BACKEND, NOW))
    overview = Overview(NOW, {each.name: each for each in hosts}, {"shop": shop})
    api = ApiConfig(url=f"http://127.0.0.1:{server.port}")
    app = still_app(overview, language=language, prometheus=api)
    for age in range(120, 0, -5):
        app.monitor.history.add("traffic/shop", NOW - timedelta(seconds=age), series_of_traffic(BACKEND))
    return app


@asynccontextmanager
async def run(app: LilFoxApp, size: tuple[int, int]) -> AsyncIterator[Pilot[None]]:
    """The app at work; its connections are ended, which a monitor that watches does itself."""
    try:
        async with app.run_test(size=size) as pilot:
            yield pilot
    finally:
        await app.monitor.queries.close()


async def shown(pilot: Pilot[None], server: PrometheusServer, *words: str) -> str:
    """The screen once all ``words`` stand on it, without what is another each time: port, and how long ago NOW was."""
    await until(lambda: all(word in screen_text(pilot) for word in words), what=f"{words}")
    await pilot.pause()  # how much is below is told after it is drawn
    text = screen_text(pilot).replace(f"127.0.0.1:{server.port}", "127.0.0.1:9090")
    return re.sub(r" *◀ .* ago", " ◀ long ago", text)


@pytest.mark.parametrize(
    ("kind", "name", "presses", "size", "language"),
    [
        ("host", "web-1", 2, (80, 34), "en"),
        ("host", "web-1", 4, (120, 40), "zh_CN"),
        ("service", "shop", 3, (120, 40), "en"),
        ("service", "shop", 4, (80, 40), "en"),
    ],
)
async def test_charts_that_reach_further_back(
    kind: str, name: str, presses: int, size: tuple[int, int], language: str, tmp_path: Path
) -> None:
    with prometheus(tmp_path) as server:
        fill(server, NOW)
        app = app_of(server, language=language)
        async with run(app, size) as pilot:
            app.metrics.open_page((kind, name))
            assert "9090" not in screen_text(pilot)
            await pilot.press(*"t" * presses)
            told = "03-29 03:10 之前：来自" if language == "zh_CN" else "before 03-29 03:10: from"
            text = await shown(pilot, server, told)
            check(f"far-{name}-{presses}-{size[0]}x{size[1]}-{language}", text)
            assert all(cell_width(line) <= size[0] for line in text.splitlines())


async def test_a_week_is_offered_only_with_a_prometheus(tmp_path: Path) -> None:
    overview = Overview(NOW, {"web-1": host("web-1", Level.GOOD, summary("web-1", 23, 61, 71))}, {})
    app = still_app(overview)
    async with run(app, (80, 30)) as pilot:
        app.metrics.open_page(("host", "web-1"))
        await pilot.press(*"tttt")
        assert app.metrics.state.chosen_window == timedelta(minutes=5)
    with prometheus(tmp_path) as server:
        app = app_of(server)
        async with run(app, (80, 30)) as pilot:
            await pilot.press(*"tttt")
            assert app.metrics.state.chosen_window == timedelta(days=7)
            await pilot.press("t")
            assert app.metrics.state.chosen_window == timedelta(minutes=5)


async def test_the_screen_of_yesterday(tmp_path: Path) -> None:
    with prometheus(tmp_path) as server:
        fill(server, NOW)
        app = app_of(server)
        async with run(app, (120, 30)) as pilot:
            app.navigation.rewind(YESTERDAY)
            assert "querying 127.0.0.1" in str(app.metrics.far.title())
            text = await shown(pilot, server, "from 127.0.0.1")
            row = next(line for line in text.splitlines() if " web-1 " in line)
            at_ms = round(YESTERDAY.timestamp() * 1000)
            query = 'sum(rate(node_cpu_seconds_total{mode!~"idle|iowait"}[5m])) / sum(rate(node_cpu_seconds_total[5m]))'
            busy = float(server.instant(query, at_ms)["result"][0]["value"][1])
            assert f"{100 * busy:.0f}%" in row
            rate = float(server.instant("sum(rate(http_requests_total[5m]))", at_ms)["result"][0]["value"][1])
            row = next(line for line in text.splitlines() if " shop " in line)
            assert f" {rate:.0f} " in row
            row = next(line for line in text.splitlines() if " db " in line).split("│")[1]
            assert "%" not in row, "unknown is no zero"
            check("far-yesterday-120x30-en", text)
            app.metrics.open_page(("host", "web-1"))
            text = await shown(pilot, server, 'job="node"')
            check("far-yesterday-web-1-120x30-en", text)
            await pilot.press("grave_accent")
            await until(lambda: "from 127.0.0.1" not in screen_text(pilot), what="it is now again")


async def test_what_history_has_stays_first(tmp_path: Path) -> None:
    with prometheus(tmp_path) as server:
        fill(server, NOW)
        app = app_of(server)
        async with run(app, (120, 30)) as pilot:
            app.navigation.rewind(NOW - timedelta(seconds=60))
            await pilot.pause()
            text = screen_text(pilot)
            assert "127.0.0.1" not in text
            assert " 23%" in next(line for line in text.splitlines() if " web-1 " in line)


async def test_an_outage_is_said_and_the_charts_stay_empty(tmp_path: Path) -> None:
    with prometheus(tmp_path) as server:
        app = app_of(server)
    async with run(app, (120, 30)) as pilot:
        app.metrics.open_page(("host", "web-1"))
        await pilot.press(*"tt")
        text = await shown(pilot, server, "data before 03-29 03:10 is unavailable: ")
        check("far-outage-120x30-en", text)
        app.metrics.open_page(None)
        app.navigation.rewind(YESTERDAY)
        text = await shown(pilot, server, "unknown: ")
        assert "%" not in next(line for line in text.splitlines() if " web-1 " in line)
        await pilot.press("grave_accent")
