"""A service that gives no response: its charts on the home screen, its row and its page."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.metrics.service_page import ServicePage, service_page, service_row, unanswered_since, units_of
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.app.rows.hosts import TableStyle
from lilfox_tui.config.model import RecoveryConfig
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.model import Level
from lilfox_tui.metrics.traffic import series_of_traffic
from lilfox_tui.monitor.model import HostView, Overview, ServiceView
from lilfox_tui.monitor.watchers.service import RESPONSE_SECONDS, UP
from tests.app.overviews import NOW, fleet, host, service, summary
from tests.app.pages_made import routes, traffic
from tests.app.still import screen_text, still_app


def silent(*, hosts: int = 1, since_s: float = 60) -> Overview:
    """A service that has given no response for so long, and is not scraped either, beside hosts."""
    gone = Unavailable(HostUnreachable("backend", tr("refused")), NOW - timedelta(seconds=since_s))
    view = service("backend", Level.FAILING, None, None, tr("connection refused"))
    assert view.state is not None
    state = replace(view.state, since=NOW - timedelta(seconds=since_s))
    still = fleet(hosts)
    return replace(still, services={"backend": replace(view, state=state, traffic=gone)}, backends={}, alerts=None)


def remember(app: LilFoxApp, *, until_s: float, from_s: float = 120) -> None:
    """The past of that service: good answers and requests until so long ago, and failed checks since."""
    history = app.monitor.history
    history._pasts.pop("service/backend", None)
    for age in range(round(from_s), 0, -2):
        at, well = NOW - timedelta(seconds=age), age > until_s
        history.add("service/backend", at, {UP: float(well), **({RESPONSE_SECONDS: 0.02} if well else {})})
        if well:
            requests = replace(traffic(0.0, ill=False), average_s=0.03)
            history.add("traffic/backend", at, series_of_traffic(requests))


@pytest.mark.parametrize("size", [(120, 40), (200, 55)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_charts_of_a_service_without_response_show_what_was_before_and_since_when(
    size: tuple[int, int],
) -> None:
    app = still_app(silent())
    async with app.run_test(size=size) as pilot:
        remember(app, until_s=60)
        app.metrics.state.choose(("service", "backend"))
        app.metrics.repaint()
        await pilot.pause()
        charts, overview = app.metrics.home.charts, app.metrics.state.overview
        assert overview is not None
        wanted = charts.wanted(overview)
        assert [each.title for each in wanted] == ["Health check", "Failed checks", "Requests/s", "Latency", "Errors"]
        state = overview.services["backend"].state
        assert state is not None
        assert {each.moment for each in wanted} == {state.since}
        assert wanted[1].now == "100%"
        assert list(wanted[1].notes) == [f"{state.failures} in a row"]
        text = screen_text(pilot)
        assert "unknown" not in text.partition("─ backend ─")[2].partition("Processes")[0]
        assert f"{state.since:%H:%M:%S}" in text, "the moment is marked"
        assert (f"no response since {state.since:%H:%M:%S}" in text) is (size[0] == 200)
        for each in wanted:
            rows = charts._chart(each, 60, 6, overview, timedelta(minutes=2))
            dots = {cell for row in rows[1:-1] for piece in row[2:] for cell in piece.text if cell.strip(" ╌│┊")}
            assert dots, (each.title, "is empty")
        _title, top, *_rows, bottom, _times = charts._chart(wanted[1], 60, 6, overview, timedelta(minutes=2))
        assert "".join(piece.text for piece in top)[-1] != " ", "all fail now"
        assert "".join(piece.text for piece in bottom)[10] != " ", "none did then"


@pytest.mark.parametrize("hosts", [1, 3])
async def test_of_a_service_that_never_responded_failed_checks_are_shown_and_its_host(hosts: int) -> None:
    app = still_app(silent(hosts=hosts))
    async with app.run_test(size=(120, 40)) as pilot:
        remember(app, until_s=999)
        app.metrics.state.choose(("service", "backend"))
        app.metrics.repaint()
        await pilot.pause()
        overview = app.metrics.state.overview
        assert overview is not None
        titles = [each.title for each in app.metrics.home.charts.wanted(overview)]
        beside = [f"{chart} of node-1" for chart in ("CPU", "Memory", "Network", "Disk", "Load, 1 min")]
        assert titles == ["Failed checks", *(beside if hosts == 1 else [])], "of several it is not known which"
        name = "node-2"
        view = overview.services["backend"]
        asked = replace(view, config=replace(view.config, from_=name))
        app.metrics.state.overview = then = replace(overview, services={"backend": asked})
        if hosts > 1:
            assert f"CPU of {name}" in [each.title for each in app.metrics.home.charts.wanted(then)]


async def test_a_service_that_failed_in_another_way_before_has_no_moment_without_response() -> None:
    app = still_app(silent())
    async with app.run_test(size=(120, 40)):
        remember(app, until_s=60)
        view = app.metrics.state.overview.services["backend"] if app.metrics.state.overview else None
        assert view is not None
        assert unanswered_since(view, app.monitor.history, NOW) == NOW - timedelta(seconds=60)
        app.monitor.history.add("service/backend", NOW - timedelta(seconds=0.5), {UP: 0.0, RESPONSE_SECONDS: 0.01})
        assert unanswered_since(view, app.monitor.history, NOW) is None, "it answered, with an error"
        well = service("backend", Level.GOOD, 200, 0.01)
        assert unanswered_since(well, app.monitor.history, NOW) is None


async def test_the_charts_of_a_service_reach_back_to_its_last_response() -> None:
    app = still_app(silent(since_s=1800))
    async with app.run_test(size=(120, 40)) as pilot:
        remember(app, until_s=1800, from_s=4000)
        app.metrics.state.choose(("service", "backend"))
        app.metrics.repaint()
        await pilot.pause()
        assert "last 1 h ─" in screen_text(pilot)
        assert "Health check" in screen_text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert "last 1 h" in screen_text(pilot).splitlines()[1]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 55)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_page_of_a_service_without_response_shows_what_was_before_and_no_rates_of_now(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = still_app(silent())
    async with app.run_test(size=size) as pilot:
        remember(app, until_s=60)
        monkeypatch.setattr(app.monitor.scraping, "by_route", lambda _name, _at: routes(ill=False))
        app.metrics.open_page(("service", "backend"))
        await pilot.pause()
        overview, room = app.metrics.state.overview, app.room
        assert overview is not None
        view = overview.services["backend"]
        assert view.state is not None
        text = "\n".join("".join(piece.text for piece in row) for row in app.metrics.pages._rows_of(view, NOW))
        titles = ("Health check", "Failed health checks", "Requests per second", "Errors", "Latency")
        places = [re.search(rf"─ {title} ─", text) for title in titles]
        assert all(places)
        assert [each.start() for each in places if each] == sorted(each.start() for each in places if each)
        assert "Latency, average" not in text, "quantiles tell more"
        assert "/api/messages" not in text, "rates go on falling while nothing is scraped"
        assert text.count("not scraped ─") == 3
        assert f"─ {view.state.failures} in a row ─" in text
        shown = screen_text(pilot)
        assert f"no response since {view.state.since:%H:%M:%S}" in shown
        if room.height > 24:
            blank = [line for line in shown.splitlines()[2:-1] if not line.strip()]
            assert len(blank) <= 3, "the page is full"


async def test_the_page_of_a_service_that_never_responded_has_the_charts_of_its_host() -> None:
    app = still_app(silent())
    async with app.run_test(size=(120, 40)) as pilot:
        remember(app, until_s=999)
        app.metrics.open_page(("service", "backend"))
        await pilot.pause()
        text = screen_text(pilot)
        for title in ("Failed health checks", "CPU of node-1", "Memory of node-1"):
            assert f"─ {title} ─" in text
        assert "─ Health check ─" not in text, "the mark says it"
        assert "Requests per second" not in text


def test_the_state_of_a_services_unit_is_told_as_far_as_its_host_says_it() -> None:
    units = {"backend": RecoveryConfig(host="node-1", unit="backend.service", service="backend"),
             "other": RecoveryConfig(host="node-1", unit="other.service", service="gateway")}  # fmt: skip
    numbers = summary("node-1", 20, 30, 40)

    def told(view: HostView) -> list[tuple[str, str]]:
        return units_of("backend", units, replace(fleet(1), hosts={"node-1": view}))

    up = host("node-1", Level.GOOD, numbers)
    assert told(up) == [("backend.service", "not failed on node-1")]
    down = replace(numbers, failed_units=("backend.service",))
    assert told(replace(up, summary=down)) == [("backend.service", "failed on node-1")]
    assert told(replace(up, summary=replace(numbers, failed_units=None))) == [], "there is no systemd"
    gone = Unavailable(HostUnreachable("node-1", tr("no route")), NOW)
    assert told(replace(up, summary=down, link=gone)) == [], "that was before"
    assert units_of("backend", units, None) == []
    view = silent().services["backend"]
    shown = ServicePage(view, (), lambda _series, columns: [None] * columns, NOW, timedelta(hours=1), UNICODE, 120,
                        height=40, units=told(replace(up, summary=down)))  # fmt: skip
    assert "backend.service failed on node-1" in "\n".join("".join(p.text for p in row) for row in service_page(shown))


async def test_of_the_past_no_number_of_failures_in_a_row_and_no_moment_is_told() -> None:
    app = still_app(silent())
    async with app.run_test(size=(120, 40)) as pilot:
        remember(app, until_s=60)
        app.metrics.state.choose(("service", "backend"))
        app.navigation.rewind(NOW - timedelta(seconds=30))
        await pilot.pause()
        assert "Failed checks" in screen_text(pilot)
        assert "in a row" not in screen_text(pilot)
        app.metrics.open_page(("service", "backend"))
        await pilot.pause()
        text = screen_text(pilot)
        assert "─ Failed health checks ─" in text
        assert "in a row" not in text, "it is not recorded"
        assert "no response since" not in text, "nor is since when"


def test_a_service_that_fails_shows_its_reason_in_the_table_where_most_of_it_has_room() -> None:
    why = "10.0.0.9:8443 refuses the connection: nothing is listening on that port"
    view = service("model", Level.FAILING, None, None, tr("{why}", why=why))
    style = TableStyle(78, UNICODE, 2.0)
    told = "".join(piece.text for piece in service_row(view, NOW, style))
    assert "10.0.0.9:8443 refuses the connection" in told
    assert told.rstrip().endswith("…  6m")
    assert cell_width(told) <= 78
    narrow = "".join(piece.text for piece in service_row(view, NOW, style.for_width(60)))
    assert narrow.split() == ["✖", "model", "error", "for", "6", "min"], "it is among the problems"


def test_one_refusal_is_told_once_on_the_page() -> None:
    """The health check, the scrape and the last answer have all met it."""
    why = tr("127.0.0.1:8000 refuses the connection")
    gone = Unavailable(HostUnreachable("backend", why), NOW - timedelta(seconds=30))
    view = silent().services["backend"]
    assert view.state is not None
    last = replace(view.state.last, error=why)
    view = replace(view, reasons=(why,), traffic=gone, state=replace(view.state, last=last))

    def drawn(shown: ServiceView) -> str:
        page = ServicePage(shown, (), lambda _series, count: [None] * count, NOW, timedelta(minutes=5), UNICODE, 120)
        return "\n".join("".join(piece.text for piece in row) for row in service_page(page))

    text = drawn(view)
    assert text.count("refuses the connection") == 1
    assert "never scraped, failing for 30 s: same error" in text
    assert "error as above" in text
    other = drawn(replace(view, reasons=(tr("no response"),)))
    assert other.count("refuses the connection") == 2, "of which neither stands above"
