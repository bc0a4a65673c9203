"""A service's requests on its page: rates by class of status, limits where they can be seen, tables in any width."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.app.panes.metrics.sections import PageChart, SectionStyle, chart_section, draw_sections, quiet_charts
from lilfox_tui.app.panes.metrics.service_page import service_row
from lilfox_tui.app.panes.metrics.traffic_sections import (
    TrafficPage,
    failing_route,
    quantile_role,
    traffic_charts,
    traffic_head,
    traffic_tables,
    worst_first,
)
from lilfox_tui.app.rendering.chart import Values
from lilfox_tui.app.rendering.draw import UNICODE, Row
from lilfox_tui.app.rows.hosts import TableStyle
from lilfox_tui.config.model import ServiceConfig, Threshold
from lilfox_tui.core.aio import Pending, Ready, Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import set_language
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.metrics.traffic import CLIENT_ERRORS, REQUESTS, SERVER_ERRORS, Quantile, TrafficPart
from lilfox_tui.monitor.model import LatencyLimit, ServiceLimits, ServiceView
from tests.app.overviews import NOW
from tests.app.pages_made import rates, routes, statuses, traffic
from tests.app.traffic_overviews import PROXY

RULE = ServiceLimits(Threshold(fail=5), "HighErrorRate")
PAST: dict[Series, list[float | None]] = {
    REQUESTS: [400.0, 200.0, None, 100.0],
    SERVER_ERRORS: [10.0, 50.0, 1.0, None],
    CLIENT_ERRORS: [5.0, 0.0, 1.0, 1.0],
}


def text_of(row: Row) -> str:
    return "".join(piece.text for piece in row)


def page(width: int = 120) -> TrafficPage:
    def past(series: Series, columns: int) -> Values:
        return PAST.get(series, [1.0] * 4) if columns == 4 else [1.0] * columns

    return TrafficPage(
        state=Ready(traffic(1.0, ill=True), NOW), routes=routes(ill=True), rates=rates(), statuses=statuses(ill=True),
        targets=(), kept=None, past=past, now=NOW, window=timedelta(minutes=5), slow_s=1.0,
        level=Level.FAILING, limits=RULE,
        style=SectionStyle(width, UNICODE),
    )  # fmt: skip


def charts(shown: TrafficPage) -> dict[str, PageChart]:
    set_language("en")
    return {each.title: each for each in traffic_charts(shown)}


def test_the_rates_of_the_classes_are_parts_of_the_requests_and_unknown_where_a_part_is() -> None:
    curves = {each.name: each.values(4) for each in charts(page())["Requests per second by status"].curves}
    assert curves["5xx"] == [40.0, 100.0, None, None]
    assert curves["4xx"] == [20.0, 0.0, None, 1.0]
    assert curves["2xx/3xx"] == [340.0, 100.0, None, None]


def test_without_a_status_there_is_one_curve_and_no_chart_of_errors() -> None:
    found = charts(replace(page(), state=Ready(PROXY, NOW)))
    assert list(found) == ["Requests per second"]
    assert charts(replace(page(), state=Pending())) == {}


def test_the_limit_of_a_rule_is_drawn_and_named_instead_of_the_thresholds() -> None:
    errors = charts(page())["Errors"]
    assert (errors.warn, errors.fail, errors.reach) == (None, 5.0, 5.0)
    assert errors.notes == ("alert HighErrorRate > 5%",)
    configured = charts(replace(page(), limits=ServiceLimits()))["Errors"]
    assert (configured.warn, configured.fail) == (5.0, 20.0)
    assert configured.notes == ("thresholds > 5%, 20%",)
    assert charts(replace(page(), limits=ServiceLimits(Threshold())))["Errors"].notes == ()


def test_the_chart_and_the_row_of_a_service_have_the_limit_of_the_rule() -> None:
    """With a rule of 5 %, the chart says 5 %, and 6 % are red in the row."""
    style = SectionStyle(60, UNICODE)
    six = replace(traffic(1.0, ill=True), server_errors=6.0)
    shown = replace(page(60), past=lambda _series, columns: [6.0] * columns, state=Ready(six, NOW))
    text = "\n".join(map(text_of, draw_sections([[chart_section(charts(shown)["Errors"], style)]], style)))
    assert " 5%" in text
    assert "20%" not in text
    view = ServiceView("shop", ServiceConfig(url="http://h"), Level.FAILING, NOW, traffic=Ready(six, NOW))
    for limits, role in ((RULE, "failing"), (ServiceLimits(), "degraded")):
        row = service_row(replace(view, limits=limits), NOW, TableStyle(120, UNICODE, 2.0))
        assert next(piece.role for piece in row if "6.0%" in piece.text) == role


def test_the_limit_of_latency_is_that_of_the_rule_about_its_histogram() -> None:
    rule = LatencyLimit("http_request_duration_seconds", 0.95, 0.5, "HighLatency", fails=True)
    latency = charts(replace(page(), limits=ServiceLimits(latency=(rule,))))["Latency"]
    assert (latency.warn, latency.fail, latency.notes) == (None, 0.5, ("alert HighLatency: p95 > 500 ms",))
    other = replace(rule, metric="db_query_seconds")
    latency = charts(replace(page(), limits=ServiceLimits(latency=(other,))))["Latency"]
    assert (latency.warn, latency.fail, latency.notes) == (1.0, None, ())
    assert charts(replace(page(), slow_s=None))["Latency"].warn is None


def test_a_quantile_is_coloured_by_the_limits_of_its_own() -> None:
    rule, configured = LatencyLimit("m", 0.95, 0.5, "HighLatency", fails=True), LatencyLimit("", None, 1.0)
    assert quantile_role(Quantile(0.6), 0.95, (rule,)) == "failing"
    assert quantile_role(Quantile(0.6), 0.99, (rule,)) == "text"
    assert quantile_role(Quantile(1.1), 0.99, (configured,)) == "degraded"
    assert quantile_role(None, 0.95, (rule,)) == "text"


@pytest.mark.parametrize(("level", "role"), [(Level.FAILING, "failing"), (Level.DEGRADED, "degraded")])
def test_a_quantile_is_no_redder_than_the_sign_before_it(level: Level, role: str) -> None:
    """The alert about it may be pending still."""
    slow = replace(traffic(1.0, ill=False), p95=Quantile(7.77))
    fails = ServiceLimits(latency=(LatencyLimit(slow.taken["latency"], 0.95, 0.5, "HighLatency", fails=True),))
    view = ServiceView("shop", ServiceConfig(url="http://h"), level, NOW, traffic=Ready(slow, NOW), limits=fails)
    row = service_row(view, NOW, TableStyle(120, UNICODE, 2.0))
    assert {piece.role for piece in row if "7.8s" in piece.text} == {role}
    [head] = traffic_head(replace(page(), state=Ready(slow, NOW), limits=fails, level=level))
    assert {piece.role for piece in head if "7.8s" in piece.text} == {role}


def test_routes_that_fail_come_first_then_slow_ones() -> None:
    def route(name: str, rate: float, p95_s: float | None, errors: float | None) -> TrafficPart:
        p95 = None if p95_s is None else Quantile(p95_s)
        return TrafficPart(name, rate, 1.0, p95, p95, p95, None, 0.0, errors)

    routes = [
        route("/busy", 300.0, 0.02, 0.0), route("/slow", 2.0, 4.0, 0.0), route("/fails", 40.0, 0.1, 5.0),
        route("/fails-rarely-used", 0.1, 0.1, 100.0), route("/unknown", 1.0, None, None),
    ]  # fmt: skip
    order = ["/fails", "/fails-rarely-used", "/slow", "/busy", "/unknown"]
    assert [each.name for each in worst_first(routes)] == order
    style = SectionStyle(120, UNICODE)
    rows = draw_sections(traffic_tables(replace(page(), routes=routes, style=style)), style)
    text = "\n".join(map(text_of, rows))
    assert sorted(order, key=lambda name: text.index(f" {name} ")) == order


def test_a_steady_route_is_no_solid_block() -> None:
    style = SectionStyle(120, UNICODE)
    steady = {"/api/messages": [300.0] * 10}
    rows = draw_sections(traffic_tables(replace(page(), rates=steady, style=style)), style)
    assert "▆▆▆▆▆▆▆▆▆▆" in next(text for row in rows if "/api/messages" in (text := text_of(row)))


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120, 160, 200])
def test_routes_have_room_their_errors_and_their_course_stay_longest(width: int) -> None:
    style = SectionStyle(width, UNICODE)
    rows = [text_of(row) for row in draw_sections(traffic_tables(replace(page(), style=style)), style)]
    assert max(map(cell_width, rows)) <= width
    row = next(each for each in rows if "/api/messages" in each)
    assert "41.5%" in row
    assert ("▆" in row) is (width >= 60)
    assert all(code in "".join(rows) for code in ("200", "404", "500"))


def test_how_long_nothing_was_scraped_counts_from_the_last_scrape() -> None:
    """A scrape that times out after 10 s is seen to fail 10 s later: counted from there, it would be told that nothing
    came for 7 s, and within 10 s. Where there never was a scrape, nothing is missed."""
    set_language("en")
    why, failed = LilFoxError("no complete response within 10 s"), NOW - timedelta(seconds=7)

    def told(state: Unavailable) -> str:
        return text_of(traffic_head(replace(page(), state=state))[0])

    assert "not scraped for 22 s: no complete" in told(Unavailable(why, failed, last=NOW - timedelta(seconds=22)))
    assert "never scraped, failing for 7 s: no complete" in told(Unavailable(why, failed))


def test_a_course_of_one_value_is_not_drawn() -> None:
    style = SectionStyle(120, UNICODE)
    young = {"/api/messages": [*[None] * 9, 300.0], "/health": [*[None] * 8, 10.0, 10.0]}
    rows = [text_of(row) for row in draw_sections(traffic_tables(replace(page(), rates=young, style=style)), style)]
    assert ["▆" in next(row for row in rows if name in row) for name in ("/api/messages", "/health")] == [False, True]


def test_the_route_that_hurts_most_is_told_with_what_is_beyond_its_limit() -> None:
    set_language("en")
    assert text_of(failing_route(page())) == "   worst route  /api/messages  5xx 41.5%  p95 2.4s  300/s"
    fine = replace(page(), routes=routes(ill=False))
    assert failing_route(fine) == failing_route(replace(fine, routes=())) == ()


def test_errors_that_never_were_are_a_line_and_no_chart() -> None:
    none = replace(traffic(1.0, ill=True), server_errors=0.0, client_errors=0.0)
    never = replace(page(), past=lambda series, columns: [None, *[0.0] * (columns - 1)], state=Ready(none, NOW))
    shown, told = quiet_charts(list(charts(never).values()), never.style)
    assert [each.title for each in shown] == ["Requests per second by status", "Latency"]
    assert [each.title for each in told] == ["Errors"]
    assert text_of(told[0].rows(120)[0]) == " no 5xx/4xx responses recorded in the last 5 min"
    assert quiet_charts(list(charts(page()).values()), page().style)[1] == []
    unknown = replace(page(), past=lambda series, columns: [None] * columns)
    assert quiet_charts(list(charts(unknown).values()), page().style)[1] == [], "what is not known is not zero"
    first = replace(never, state=page().state)
    assert quiet_charts(list(charts(first).values()), page().style)[1] == [], "now there are some"


def test_a_curve_that_is_zero_all_the_time_is_told_by_the_legend_alone() -> None:
    style = SectionStyle(80, UNICODE)
    past = {SERVER_ERRORS: 50.0, CLIENT_ERRORS: 0.0}
    some = replace(page(), past=lambda series, columns: [past.get(series, 1.0)] * columns)
    legend, *plot, _times = chart_section(charts(some)["Errors"], style).rows(78)
    assert "4xx 0.8%" in text_of(legend)
    assert {piece.role for row in plot for piece in row if set(piece.text) & set("⠤⠒⠉⣀")} == {"failing"}


def test_the_scale_of_requests_ends_close_above_them() -> None:
    past = {REQUESTS: 20.3, SERVER_ERRORS: 0.0, CLIENT_ERRORS: 0.0}
    now = replace(traffic(1.0, ill=True), requests_s=20.3, server_errors=0.0, client_errors=0.0)
    twenty = replace(page(), past=lambda series, columns: [past[series]] * columns, state=Ready(now, NOW))
    rows = chart_section(charts(twenty)["Requests per second by status"], SectionStyle(80, UNICODE, 6)).rows(78)
    assert text_of(rows[1]).split("│")[0].strip() == "30"


def test_over_a_slow_link_there_is_no_course() -> None:
    style = SectionStyle(120, UNICODE, slow_link=True)
    rows = draw_sections(traffic_tables(replace(page(), style=style)), style)
    assert "▆" not in "".join(map(text_of, rows))


def test_the_numbers_are_one_row_of_a_small_screen() -> None:
    set_language("en")
    for width, told in ((120, "over the last 30 s"), (80, "(30 s)")):
        (row,) = traffic_head(replace(page(), style=SectionStyle(width, UNICODE)))
        assert cell_width(text_of(row)) <= width
        assert text_of(row).endswith(told), "no share without its window"


def test_where_each_number_is_a_line_of_its_own_they_are_not_told_twice() -> None:
    assert traffic_head(replace(page(), style=SectionStyle(40, UNICODE))) == []
    assert "p95" in text_of(traffic_head(page())[0])
