"""An alert against its limit: values in one unit, the side of each series, and when the limit was crossed."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import AlertState, Event
from lilfox_tui.app.panes.metrics.alert_page import AlertItem, AlertPage, alert_page, alert_row, items_of, role, shape
from lilfox_tui.app.panes.metrics.alert_series import (
    SeriesPage,
    against,
    against_over,
    course,
    crossed_at,
    extreme,
    gauge,
    series_chart,
    series_note,
    series_rows,
    value_and_summary,
    values_told,
    was_text,
    where,
)
from lilfox_tui.app.panes.metrics.sections import SectionStyle
from lilfox_tui.app.rendering.draw import UNICODE, Piece, Row
from lilfox_tui.app.rows.reasons import histograms_of
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import set_language
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.model import Level
from lilfox_tui.metrics.traffic import Traffic
from lilfox_tui.monitor.alert_explain import ComparisonSide, Explanation, compared
from lilfox_tui.monitor.model import Overview
from tests.app.alerts_made import RULES, alert, rule, some
from tests.app.overviews import NOW, service

HOUR = timedelta(hours=1)
DOWN = rule(5, "Down", "up == 0", for_s=60)


def text_of(row: Row) -> str:
    return "".join(piece.text for piece in row)


def page(*sides: ComparisonSide, expression: str = RULES[0].expression) -> SeriesPage:
    return SeriesPage(Explanation(compared(expression), sides), expression, some().alerts[1], NOW, HOUR,
                      SectionStyle(120, UNICODE))  # fmt: skip


def side(value: float | None, *values: float | None, holds: bool = False, limit: float | None = 0.05) -> ComparisonSide:
    return ComparisonSide((("job", "backend"),), value, limit, holds, values)


def test_a_value_and_its_limit_are_in_one_unit_and_never_look_the_same_when_they_are_not() -> None:
    firing = some().alerts[1]
    assert against(firing, RULES[0].expression) == "31% > 5%"
    assert against(replace(firing, value=0.0500001), RULES[0].expression) == "5.00001% > 5%"
    assert against(replace(firing, value=0.0500412345), RULES[0].expression) == "5.004% > 5%", "no more than it takes"
    assert against(replace(firing, value=0.05000000000001), RULES[0].expression) == "5.000000000001% > 5%"
    assert against(replace(firing, value=91.2), RULES[2].expression) == "91.2% > 85%"
    assert against(replace(firing, state=AlertState.RESOLVED), RULES[0].expression) == "", "it is no longer so"


def test_an_alert_about_a_workload_says_where_it_is_and_what_before_its_expression() -> None:
    labels = {"cluster": "shop", "deployment": "api", "namespace": "pay", "severity": "warning", "zone": "a"}
    expression = "kube_deployment_spec_replicas != kube_deployment_status_replicas_available"
    pending = replace(alert(rule(5, "Mismatch", expression), AlertState.PENDING, 0, 3, labels), value=2.0,
                      annotations=(("summary", "deployment pay/api has not the pods that it is to have"),))  # fmt: skip
    assert where(pending.labels) == "shop pay api zone=a"
    said, value = value_and_summary(pending, expression, NOW)
    assert said == "deployment pay/api has not the pods that it is to have"
    assert value == "2 != kube_deployment_status_replicas_available"


def test_a_resolved_alert_is_told_as_past_and_one_without_data_is_not_told_to_be_well() -> None:
    set_language("en")
    ended = NOW - timedelta(minutes=2)
    over = replace(some().alerts[1], state=AlertState.RESOLVED, resolved_at=ended)
    told = "was above 5% for 9 min, until 03:10:44 (measured over 5 min)"
    assert was_text(over, RULES[0].expression, NOW) == told
    assert value_and_summary(over, RULES[0].expression, NOW) == ("", told), "not what it says of itself"
    down = replace(alert(DOWN, AlertState.FIRING, 0, 3, {"job": "backend"}), resolved_at=ended)
    assert was_text(down, DOWN.expression, NOW) == "was true for 2 min, until 03:10:44"
    assert was_text(down, "free_bytes < 1000", NOW) == "was below 1.0 kB for 2 min, until 03:10:44"
    shares = "rate(bad[15s]) / rate(all[15s]) > 0.05"
    assert was_text(over, shares, NOW) == "was above 5% for 9 min, until 03:10:44 (measured over 15 s)"
    assert was_text(down, "", NOW) == "was firing for 1 min, until 03:10:44", "the rule is not known"
    gone = replace(over, no_data_since=NOW - timedelta(minutes=3))
    assert was_text(gone, RULES[0].expression, NOW) == "no data since 03:09:44; was above 5% for 8 min"
    assert course(gone, RULES[0], NOW).endswith("resolved at 03:10:44; no data since 03:09:44")
    first, second = (AlertItem.of_alert(each, RULES[0]) for each in (over, gone))
    assert [shape(each, UNICODE) for each in (first, second)] == [Piece("●", "good"), Piece("○", "unknown")]
    row = text_of(alert_row(second, NOW, 118, UNICODE))
    assert "resolved 2 min ago" in row
    assert "no data since 03:09:44; wa" in row
    assert "fail" not in row, "its own text is in the present tense"
    early = replace(gone, no_data_since=over.active_at - timedelta(minutes=1))
    assert was_text(early, RULES[0].expression, NOW).endswith("; was above 5% for 9 min")


def peak_of(page: SeriesPage, fired: float | None) -> str:
    return values_told(page, extreme(page, fired))


def test_a_value_is_named_and_the_peak_is_of_the_time_in_which_the_alert_was_active() -> None:
    set_language("en")
    firing = some().alerts[1]
    ended = NOW - timedelta(minutes=2)
    over = replace(firing, state=AlertState.RESOLVED, resolved_at=ended, value=0.06)
    minutes = [0.9, *[0.01] * 48, *[0.3] * 4, 0.44, *[0.3] * 4, 0.01, 0.01]
    of = page(side(0.01, *minutes))
    shown = replace(of, alert=over, why=replace(of.why, end=NOW))
    peak = NOW - timedelta(minutes=6)
    assert peak_of(shown, None) == (f"last value while the condition was true: 6%; peak 44% at {peak:%H:%M:%S}"), (
        "90% was before"
    )
    assert peak_of(shown, 0.5).endswith(f"peak 50% at {firing.fired_at:%H:%M:%S}"), "between two columns"
    assert peak_of(replace(shown, alert=firing), None) == f"peak 44% at {peak:%H:%M:%S}"
    short = replace(shown, window=timedelta(minutes=5))
    assert peak_of(short, None) == "last value while the condition was true: 6%", "the peak may be before it"
    other = replace(over, labels=(("alertname", "HighErrorRate"), ("job", "gateway")))
    assert "peak" not in peak_of(replace(shown, alert=other), None), "it is of another series"


def test_the_alerts_own_series_crossed_its_limit_when_the_rest_of_the_page_says() -> None:
    own = side(0.3, *[0.01] * 30, *[0.3] * 10, holds=True)
    shown = page(own)
    assert shown.alert is not None
    assert crossed_at(own, shown) == shown.alert.active_at
    other = replace(own, labels=(("job", "gateway"),))
    assert crossed_at(other, page(own, other)) == NOW - HOUR * 9 / 40
    ended = NOW - timedelta(minutes=2)
    low = side(0.01, *[0.3] * 39, 0.01)
    assert crossed_at(low, replace(page(low), alert=replace(shown.alert, resolved_at=ended))) == ended


def test_the_course_of_a_series_stands_beside_its_name() -> None:
    row = text_of(series_rows(page(side(0.3, *[0.01] * 30, *[0.3] * 10, holds=True)), 160)[0])
    assert re.search(r"backend {2,6}[▁-█]", row)
    young = text_of(series_rows(page(side(0.3, *[None] * 35, *[0.3] * 5, holds=True)), 160)[0])
    assert re.search(r"backend {2,6}[▁-█]{16} ", young), "also where little is known"


def test_the_course_of_an_alert_is_told_from_the_crossing_on_and_in_the_past_tense_once_it_is_over() -> None:
    set_language("en")
    firing = some().alerts[1]
    assert course(firing, RULES[0], NOW) == "above 5% since 03:01:44, 11 min ago; fired at 03:06:44"
    pending = some().alerts[3]
    assert course(pending, RULES[2], NOW) == "above 85% since 03:10:44, 2 min ago; fires at 03:20:44 if it stays so"
    over = replace(firing, state=AlertState.RESOLVED, resolved_at=NOW - timedelta(minutes=2))
    assert course(over, RULES[0], NOW) == "above 5% from 03:01:44; was firing for 4 min, resolved at 03:10:44"
    never = replace(over, fired_at=None)
    assert "was pending for 9 min, resolved at 03:10:44" in course(never, RULES[0], NOW)
    for told in (course(over, RULES[0], NOW), course(never, RULES[0], NOW)):
        assert "ago" not in told
    down = alert(DOWN, AlertState.FIRING, 0, 3, {"job": "backend"})
    every = replace(RULES[0], every_s=15.0)
    told = "above 5% since 03:01:44, 11 min ago; fired at 03:06:44; evaluated every 15 s"
    assert course(firing, every, NOW) == told, "the value may have crossed the limit up to 15 s before"
    assert course(over, every, NOW) == course(over, RULES[0], NOW)
    assert course(down, DOWN, NOW) == "true since 03:08:44, 4 min ago; fired at 03:09:44"
    assert course(firing, None, NOW).startswith("true since 03:01:44"), "the limit of an unknown rule is not known"


@pytest.mark.parametrize(
    ("place", "value", "told"),
    [(0, 0.31, "31% > 5% over 5 min"), (1, 9.7, "~9.7 > 1 over 5 min"), (2, 91.0, "91% > 85%")],
)
def test_a_value_has_its_window_and_one_of_a_quantile_is_about(place: int, value: float, told: str) -> None:
    set_language("en")
    assert against_over(alert(RULES[place], AlertState.FIRING, value, 3, {}), RULES[place].expression) == told


SLOW = rule(7, "Slow", "histogram_quantile(0.95, sum by (job, le) (rate(took_seconds_bucket[15s]))) > 1")
BUCKETS = (1.0, 1.5, 1.6, 5.0, 10.0, 60.0)


@pytest.mark.parametrize(
    ("value", "bounds", "told"),
    [
        (9.7, BUCKETS, "≤10 s, limit 1 s"),  # nobody may have waited more than 5.1 s
        (1.55, BUCKETS, "1.6 s > 1 s"),  # the bucket is narrow
        (30.0, BUCKETS, "≤1 min, limit 1 s"),  # the last one
        (60.0, BUCKETS, ">1 min, limit 1 s"),  # beyond it
        (9.7, (), "~9.7 s > 1 s"),  # the buckets are not known
    ],
)
def test_a_quantile_of_an_alert_is_told_no_more_exactly_than_its_bucket(
    value: float, bounds: tuple[float, ...], told: str
) -> None:
    set_language("en")
    found = alert(SLOW, AlertState.FIRING, value, 3, {"job": "web"})
    alerts = replace(some(), alerts=(found,), rules=(SLOW,))
    (item,) = items_of(alerts, {"took_seconds": bounds, "other_seconds": (1.0, 99.0)})
    assert item.bounds == bounds
    assert against(found, item.expression, item.bounds) == told
    assert against_over(found, item.expression, item.bounds) == f"{told} over 15 s"
    bar = gauge(found, item.expression, None, NOW, SectionStyle(120, UNICODE), item.bounds)
    assert text_of(bar).endswith(told)
    page = AlertPage(item, NOW, timedelta(minutes=5), UNICODE, 120, 5, None,
                     events=[Event(NOW, "fired", found.labels, value=value)])  # fmt: skip
    rows = "\n".join(map(text_of, alert_page(page)))
    assert f"fired at {told.split(',')[0].split(' >')[0]}" in rows


def test_a_histogram_is_known_where_the_value_is_one_of_its_times() -> None:
    assert compared(SLOW.expression).histogram == "took_seconds"
    assert compared("1000 * " + SLOW.expression).histogram == "", "the value is no time of a bucket"
    assert compared("took_seconds_sum > 1").histogram == compared("").histogram == ""


def test_an_alert_of_another_day_is_told_with_its_day() -> None:
    old = replace(some().alerts[1], active_at=NOW - timedelta(days=2), fired_at=NOW - timedelta(days=2))
    assert course(old, RULES[0], NOW) == "above 5% since 03-27 03:12:44, 2 d ago"


def test_when_a_series_crossed_its_limit_is_its_last_change_of_sides() -> None:
    found = page()
    step = HOUR / 6
    assert crossed_at(side(0.3, 0.01, 0.2, 0.01, 0.01, 0.3, 0.3), found) == NOW - step
    assert crossed_at(side(0.01, 0.3, 0.3, 0.01, 0.01, 0.01, 0.01), found) == NOW - 3 * step
    assert crossed_at(side(0.3, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01), found) == NOW
    assert crossed_at(side(0.3, 0.3, None, 0.3, 0.3, 0.3, 0.3), found) is None, "it was there all the time"
    assert crossed_at(side(None, 0.3, 0.01, None, None, None, None), found) is None
    assert crossed_at(side(0.3, 0.01, 0.3, limit=None), found) is None


def test_each_series_has_a_sign_and_a_word_for_its_side_of_the_limit() -> None:
    set_language("en")
    found = page(side(0.31, holds=True), side(0.2), side(0.01), side(None))
    rows = [text_of(row).split() for row in series_rows(found, 118)]
    assert [row[0] for row in rows] == ["✖", "◐", "●", "○"]
    assert rows[0][1:3] == ["31%", "above"]
    assert "but another condition is false" in text_of(series_rows(found, 118)[1])
    assert rows[2][1:3] == ["1%", "below"]
    assert series_note(found) == (Piece("2 of 4 over the limit", "failing"),)
    assert series_note(page(side(0.01))) == (Piece("0 of 1 over the limit", "good"),)


def test_a_series_over_the_limit_has_the_colour_of_the_alerts_severity() -> None:
    for severity, colour in (("critical", "failing"), ("warning", "degraded"), ("info", "degraded")):
        alert = replace(some().alerts[1], labels=(("severity", severity),))
        found = replace(page(side(0.31, holds=True), side(0.01)), alert=alert)
        marks = [row[1].role for row in series_rows(found, 120)]
        assert (marks, series_note(found)[0].role) == ([colour, "good"], colour)
        assert series_rows(found, 120)[0][1].text == {"failing": "✖", "degraded": "◐"}[colour]


def test_a_series_whose_alert_is_pending_has_the_sign_and_the_colour_of_that() -> None:
    firing = some().alerts[1]
    pending = replace(firing, state=AlertState.PENDING, fired_at=None)
    other = replace(firing, labels=(("alertname", "HighErrorRate"), ("job", "gateway"), ("severity", "critical")))
    gateway = ComparisonSide((("job", "gateway"),), 0.2, 0.05, True, ())
    found = replace(page(side(0.31, holds=True), gateway), alert=pending, alerts=(pending, other))
    marks = [row[1] for row in series_rows(found, 120)]
    assert marks == [Piece("◐", "degraded"), Piece("✖", "failing")], "each series has an alert of its own"
    assert series_note(found)[0].role == "failing"
    alone = replace(found, alerts=(pending,), why=replace(found.why, sides=found.why.sides[:1]))
    assert series_note(alone)[0].role == "degraded"
    drawn = series_chart(alone)
    assert (drawn.warn, drawn.fail) == (0.05, None), "above the limit the curve has that colour too"
    bar = gauge(pending, RULES[0].expression, None, NOW, found.style)
    assert {piece.role for piece in bar} <= {"degraded", "rule", "strong", "text"}


def test_below_the_limit_is_what_is_wrong_where_the_rule_says_so() -> None:
    set_language("en")
    expression = "free_bytes < 1000"
    found = page(side(10.0, holds=True, limit=1000.0), side(1e6, limit=1000.0), expression=expression)
    assert [text_of(row).split()[:4] for row in series_rows(found, 118)] == [
        ["✖", "10", "B", "below"],
        ["●", "977", "kB", "above"],
    ]


@pytest.mark.parametrize("width", [38, 58, 78, 118, 198])
def test_rows_of_series_have_room(width: int) -> None:
    named = ComparisonSide((("job", "x" * 90),), 0.31, 0.05, True, (0.3,) * 7)
    rows = series_rows(page(named, *[side(0.01, 0.1, None)] * 20), width)
    assert max(cell_width(text_of(row)) for row in rows) <= width
    assert "9 more series" in text_of(rows[-1])


def test_the_chart_has_the_alerts_own_series_first_and_its_limit_and_moment() -> None:
    other = ComparisonSide((("job", "gateway"),), 0.01, 0.05, False, (0.01,) * 4)
    drawn = series_chart(page(other, side(0.31, 0.01, 0.01, 0.3, 0.31, holds=True)))
    assert [curve.name for curve in drawn.curves] == ["backend", "gateway"]
    assert [curve.now for curve in drawn.curves] == ["31%", "1%"]
    assert (drawn.fail, drawn.notes) == (0.05, ("limit 5%",))
    fires = some().alerts[1]
    assert (drawn.moment, drawn.fired) == (fires.fired_at, True)
    waits = series_chart(replace(page(side(0.31, 0.3)), alert=replace(fires, fired_at=None)))
    assert (waits.moment, waits.fired) == (fires.active_at, False), "a pending one has not fired"
    alone = series_chart(page(side(0.31, 0.3, holds=True)))
    assert (alone.fail, alone.mark) == (0.05, None), "a single curve is coloured above its limit"
    mild = replace(page(side(0.31, 0.3)), alert=replace(some().alerts[1], labels=(("severity", "warning"),)))
    assert (series_chart(mild).warn, series_chart(mild).fail) == (0.05, None), "in the colour of the alert's severity"


def test_a_chart_of_young_data_begins_with_it() -> None:
    set_language("en")
    young = side(0.31, *[None] * 50, *[0.3] * 10, holds=True)
    late = replace(page(young), alert=replace(some().alerts[1], active_at=NOW - timedelta(minutes=9)))
    drawn = series_chart(late)
    assert (drawn.title, drawn.start) == ("Values, last 10 min of 1 h", NOW - HOUR / 6)
    assert drawn.curves[0].values(60) == (0.3,) * 10
    crossing = replace(late, alert=replace(some().alerts[1], active_at=NOW - timedelta(minutes=10)))
    drawn = series_chart(crossing)
    assert (drawn.title, drawn.start) == ("Values, last 11 min of 1 h", NOW - timedelta(minutes=11))
    assert drawn.curves[0].values(60) == (None, *(0.3,) * 10), "a minute before the alert is seen"
    first = series_chart(replace(late, window=timedelta(minutes=5), alert=replace(some().alerts[1], active_at=NOW)))
    assert first.title == "Values, last 1 min of 5 min"
    whole = series_chart(page(young, side(0.01, *[0.01] * 60)))
    assert (whole.title, whole.start, len(whole.curves[0].values(60))) == ("Values, last 1 h", NOW - HOUR, 60)


@pytest.mark.parametrize(
    ("severity", "firing", "pending", "level"),
    [
        ("critical", "failing", "degraded", Level.FAILING),
        ("", "failing", "degraded", Level.FAILING),
        ("warning", "degraded", "degraded", Level.DEGRADED),
        ("info", "accent", "muted", Level.UNKNOWN),
    ],
)
def test_the_colour_and_the_level_of_an_alert_are_those_of_its_severity(
    severity: str, firing: str, pending: str, level: Level
) -> None:
    fires = alert(RULES[0], AlertState.FIRING, 0.31, 6, {"job": "backend", "severity": severity})
    assert (role(fires), AlertItem.of_alert(fires, RULES[0]).level) == (firing, level)
    assert role(replace(fires, state=AlertState.PENDING)) == pending
    assert role(replace(fires, state=AlertState.RESOLVED)) == "good"
    assert role(replace(fires, silenced_by=("5f0c",))) == "muted"


@pytest.mark.parametrize(("others", "known"), [(BUCKETS, BUCKETS), ((1.0, 9.0), ())])
def test_the_buckets_of_a_histogram_are_known_only_if_all_services_have_the_same(
    others: tuple[float, ...], known: tuple[float, ...]
) -> None:
    services = {
        name: replace(service(name, Level.GOOD, 200, 0.1),
                      traffic=Ready(Traffic(NOW, 15.0, bounds=bounds, taken={"latency": "took_seconds"})))
        for name, bounds in (("web", BUCKETS), ("api", others), ("cron", BUCKETS))
    }  # fmt: skip
    assert histograms_of(Overview(NOW, {}, services)) == {"took_seconds": known}
