"""Golden screens of services' requests: the table at each width, and a service's page."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Glyphs
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.traffic import TrafficPart, series_of_traffic
from tests.app.overviews import NOW
from tests.app.still import screen_text, still_app
from tests.app.test_screens import check
from tests.app.traffic_overviews import BACKEND, KEPT, ROUTES, STATUSES, TARGET, busy


def app_of(monkeypatch: pytest.MonkeyPatch, *, language: str = "en", glyphs: Glyphs = UNICODE) -> LilFoxApp:
    app = still_app(busy(), language=language, glyphs=glyphs)
    scraping = app.monitor.scraping

    def parts(found: list[TrafficPart], name: str, _at: datetime) -> list[TrafficPart]:
        return found if name == "backend" else []

    monkeypatch.setattr(scraping, "by_route", lambda name, at: parts(ROUTES, name, at))
    monkeypatch.setattr(scraping, "by_status", lambda name, at: parts(STATUSES, name, at))
    monkeypatch.setattr(scraping, "targets", lambda name: (TARGET,) if name == "backend" else ())
    monkeypatch.setattr(scraping, "kept", lambda: KEPT)
    for age in range(120, 0, -5):
        app.monitor.history.add("traffic/backend", NOW - timedelta(seconds=age), series_of_traffic(BACKEND))
    return app


@pytest.mark.parametrize(
    ("size", "language"),
    [((40, 10), "en"), ((80, 24), "en"), ((80, 24), "zh_CN"), ((120, 40), "en"), ((160, 48), "en")],
)
async def test_the_table(size: tuple[int, int], language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_of(monkeypatch, language=language)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        text = screen_text(pilot)
        check(f"traffic-{size[0]}x{size[1]}-{language}", text)
        assert all(cell_width(line) <= size[0] for line in text.splitlines())


@pytest.mark.parametrize(
    ("name", "size", "language"),
    [
        ("backend", (80, 60), "en"),
        ("backend", (120, 40), "zh_CN"),
        ("proxy", (80, 40), "en"),
        ("model", (80, 30), "en"),
    ],
)
async def test_a_page(name: str, size: tuple[int, int], language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_of(monkeypatch, language=language)
    async with app.run_test(size=size) as pilot:
        app.metrics.open_page(("service", name))
        await pilot.pause()
        check(f"traffic-{name}-{size[0]}x{size[1]}-{language}", screen_text(pilot))


async def alone(app: LilFoxApp, pilot: Pilot[None]) -> None:
    """Shows the list of services alone, so that all of its columns have room."""
    app.metrics.state.choose(("service", "gateway"))
    await pilot.press("z")
    await pilot.pause()


async def test_over_a_slow_link_there_are_the_same_digits_and_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for slow_link in (False, True):
        app = app_of(monkeypatch)
        app.slow_link = slow_link
        async with app.run_test(size=(120, 40)) as pilot:
            await alone(app, pilot)
            row = next(line for line in screen_text(pilot).splitlines() if " gateway " in line)
            found.append([word for word in row.strip("│").split() if not set(word) & set(UNICODE.bars)])
    assert found[0] == found[1]


async def test_all_times_of_a_row_have_one_form(monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_of(monkeypatch)
    async with app.run_test(size=(120, 40)) as pilot:
        await alone(app, pilot)
        row = next(line for line in screen_text(pilot).splitlines() if " gateway " in line)
        assert "ms" not in row.split(), "no blank before the unit of some of them"
        assert len(re.findall(r" \d+(?:\.\d)?ms", row)) == 4, "of the health check, and three quantiles"


async def test_an_ascii_terminal_has_marks_for_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_of(monkeypatch, glyphs=ASCII)
    async with app.run_test(size=(120, 40)) as pilot:
        await alone(app, pilot)
        row = next(line for line in screen_text(pilot).splitlines() if " backend " in line)
        assert "<7.5s" in row
        assert ">10s" in row
