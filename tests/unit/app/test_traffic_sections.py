"""A service's requests on its page: rates by class of status, limits where they can be seen, tables in any width."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.app.panes.metrics.sections import PageChart, SectionStyle, draw_sections
from lilfox_tui.app.panes.metrics.traffic_sections import (
    ErrorLimit,
    TrafficPage,
    slow_limit,
    traffic_charts,
    traffic_head,
    traffic_tables,
    worst_first,
)
from lilfox_tui.app.rendering.chart import Values
from lilfox_tui.app.rendering.draw import UNICODE, Row
from lilfox_tui.config.model import Threshold
from lilfox_tui.core.aio import Pending, Ready
from lilfox_tui.core.i18n import set_language
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.model import Level, Series
from lilfox_tui.metrics.traffic import CLIENT_ERRORS, REQUESTS, SERVER_ERRORS, Quantile, TrafficPart
from tests.app.overviews import NOW
from tests.app.pages_made import rates, routes, statuses, traffic
from tests.app.traffic_overviews import PROXY

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
        targets=(), kept=None, past=past, recorded=past, now=NOW, window=timedelta(minutes=5), slow_s=1.0,
        limit=ErrorLimit(5.0, "HighErrorRate"), level=Level.FAILING, limits=Threshold(warn=5, fail=20),
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


def test_the_limit_of_a_rule_is_drawn_and_named() -> None:
    errors = charts(page())["Errors"]
    assert (errors.mark, errors.notes) == (5.0, ("alert HighErrorRate > 5%", "thresholds > 5%, 20%"))
    alone = charts(replace(page(), limit=None))["Errors"]
    assert (alone.mark, alone.notes) == (None, ("thresholds > 5%, 20%",))
    assert charts(replace(page(), limit=None, limits=Threshold()))["Errors"].notes == ()


@pytest.mark.parametrize(("slow_s", "newest_s", "mark"), [(1.0, 2.4, 1.0), (1.0, 0.02, None), (None, 2.4, None)])
def test_the_limit_of_slow_responses_is_drawn_where_they_come_near_it(
    slow_s: float | None, newest_s: float, mark: float | None
) -> None:
    assert slow_limit(slow_s, newest_s)["mark"] == mark


@pytest.mark.parametrize(
    ("highest", "lines"), [(0.5, (None, None)), (4.0, (5.0, None)), (41.0, (5.0, 20.0)), (None, (None, None))]
)
def test_a_threshold_is_drawn_if_the_axis_covers_it_also_above_all_curves(
    highest: float | None, lines: tuple[float | None, float | None]
) -> None:
    def past(_series: Series, columns: int) -> Values:
        return [highest] * columns

    errors = charts(replace(page(), limit=None, past=past, recorded=past))["Errors"]
    assert (errors.warn, errors.fail) == lines


def test_the_limit_of_slow_responses_is_drawn_if_one_was_near_it_though_the_newest_is_not() -> None:
    shown = replace(page(), slow_s=200.0)
    assert charts(shown)["Latency"].mark is None
    assert charts(replace(shown, recorded=lambda _series, columns: [None, 60.0, *[0.1] * (columns - 2)]))[
        "Latency"
    ].mark


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


def test_over_a_slow_link_there_is_no_course() -> None:
    style = SectionStyle(120, UNICODE, slow_link=True)
    rows = draw_sections(traffic_tables(replace(page(), style=style)), style)
    assert "▆" not in "".join(map(text_of, rows))


def test_where_each_number_is_a_line_of_its_own_they_are_not_told_twice() -> None:
    assert traffic_head(replace(page(), style=SectionStyle(40, UNICODE))) == []
    assert "p95" in text_of(traffic_head(page())[0])
