"""The pages of services, backends and alerts as a person sees them: golden screens in four sizes, well and ill."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.evidence import LoggedError
from lilfox_tui.app.panes.metrics.service_page import service_page
from lilfox_tui.app.panes.metrics.state import Subject
from lilfox_tui.app.rendering.draw import ASCII
from lilfox_tui.core.text import cell_width
from tests.app.alerts_made import alerting
from tests.app.overviews import NOW, mixed
from tests.app.pages_made import CACHE, DATABASE, GATEWAY, alert_subject, pages_app
from tests.app.still import screen_text, still_app
from tests.app.test_screens import check
from tests.waiting import until

SIZES = [(40, 10), (80, 24), (120, 40), (200, 55)]
PAGES: dict[str, tuple[Subject, bool]] = {
    "service-well": (GATEWAY, False),
    "service-ill": (GATEWAY, True),
    "database-well": (DATABASE, False),
    "database-ill": (DATABASE, True),
    "cache": (CACHE, False),
    "alert": (alert_subject(), True),
}
each_size = pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")


async def open_page(app: LilFoxApp, pilot: Pilot[None], subject: Subject) -> str:
    """Opens the page and waits until nothing on it is asked for any more."""
    app.metrics.open_page(subject)
    await until(lambda: subject[0] != "alert" or "querying" not in screen_text(pilot), what="the page has its data")
    await pilot.pause()
    return screen_text(pilot)


def page_of(app: LilFoxApp) -> Subject | None:
    return app.metrics.state.page


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@each_size
@pytest.mark.parametrize("page", PAGES)
async def test_a_page(page: str, size: tuple[int, int], language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    subject, ill = PAGES[page]
    app = pages_app(monkeypatch, ill=ill, language=language)
    async with app.run_test(size=size) as pilot:
        text = await open_page(app, pilot, subject)
        check(f"page-{page}-{size[0]}x{size[1]}-{language}", text)
        assert all(cell_width(line) <= size[0] for line in text.splitlines())


async def test_the_cursor_reads_the_charts_and_goes_to_the_logs_of_its_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    app = pages_app(monkeypatch, ill=True)
    went: list[object] = []
    monkeypatch.setattr(app, "go_to_logs", lambda *asked: went.append(asked))
    async with app.run_test(size=(120, 40)) as pilot:
        newest = await open_page(app, pilot, GATEWAY)
        await pilot.press(*["left"] * 45)
        await pilot.pause()
        text = screen_text(pilot)
        check("page-cursor-120x40-en", text)
        assert "values at 03-29 03:08:59" in text
        assert "━ 5xx 0.5%" in text, "before it broke"
        await pilot.press("l")
        assert went == [("service", "gateway", NOW - timedelta(seconds=225))]
        await pilot.press(*["right"] * 45)
        await pilot.pause()
        assert screen_text(pilot) == newest, "past the newest value there is no cursor"
        await pilot.press("left", "escape")
        assert page_of(app) == GATEWAY, "the cursor goes first"
        assert screen_text(pilot) == newest
        await pilot.press("left", "escape", "escape")
        assert page_of(app) is None
        await pilot.press("left")
        assert "open a page first" in screen_text(pilot)


@pytest.mark.parametrize("page", ["service-ill", "database-ill", "alert"])
async def test_a_page_in_ascii(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    subject, ill = PAGES[page]
    app = pages_app(monkeypatch, ill=ill, theme="mono", glyphs=ASCII)
    async with app.run_test(size=(100, 60)) as pilot:
        text = await open_page(app, pilot, subject)
        assert text.replace("\x1b", "").isascii()
        check(f"page-{page}-ascii-100x60-en", text)


async def test_a_services_page_shows_the_newest_errors_of_its_logs_and_its_check_in_few_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = pages_app(monkeypatch, ill=True)
    async with app.run_test(size=(160, 48)) as pilot:
        others = LoggedError(NOW, "orders", "no stock left")
        own = [LoggedError(NOW - timedelta(seconds=age), "gateway", f"upstream {age} timed out", 3) for age in range(9)]
        app.metrics.home.errors.found = (others, *own)
        app.metrics.open_page(GATEWAY)
        await pilot.pause()
        text = screen_text(pilot)
        assert "─ Newest errors ─" in text
        assert "gateway  ×3  upstream 0 timed out" in text
        assert len(re.findall(r"upstream \d timed out", text)) == 5
        assert "no stock left" not in text
        checked = next(line for line in text.splitlines() if "last response" in line)
        assert "status code 503   failures in a row 9" in checked
        assert "last check" not in text
        places = [text.index(title) for title in ("worst route", "─ Newest errors ─", "─ Requests per second")]
        assert places == sorted(places), "the cause stands above its effects"


async def test_a_service_that_did_not_respond_has_no_last_response() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(120, 40)) as pilot:
        [silent, *_more] = [name for name, view in mixed().services.items() if view.state and view.state.last.error]
        app.metrics.open_page(("service", silent))
        await pilot.pause()
        text = screen_text(pilot)
        assert "last check" in text
        assert "last response" not in text


async def test_the_charts_of_a_service_mark_when_its_alert_fired() -> None:
    app = still_app(alerting())
    async with app.run_test(size=(120, 40)):
        overview = app.metrics.state.overview
        assert overview is not None
        pages = {name: app.metrics.pages.service_page(view, NOW) for name, view in overview.services.items()}
        assert pages["backend"].fired == NOW - timedelta(minutes=6)
        assert pages["gateway"].fired is None, "no alert about it fires"
        rows = service_page(replace(pages["backend"], window=timedelta(minutes=15)))
        assert "▲ 03:06:44" in "".join(piece.text for row in rows for piece in row)
