"""What a firing alert, or a client, says of a thing gives it at least that level."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, Alerts, AlertState
from lilfox_tui.app.evidence import LoggedError
from lilfox_tui.app.panes.metrics.problems import problem_row, problem_widths
from lilfox_tui.app.panes.metrics.state import Fault, MetricsState
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.app.rows.hosts import reasons_told
from lilfox_tui.config.model import Config
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export import prometheus, report
from lilfox_tui.monitor.model import Overview, ServiceView
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.raised_levels import caller_reports, raised, without_alerts
from lilfox_tui.monitor.watchers.host import LEVEL
from lilfox_tui.monitor.watchers.service import UP
from tests.app.alerts_made import RULES, alert
from tests.app.overviews import NOW, service

GOOD = service("web", Level.GOOD, 200, 0.01)


def firing(severity: str, *, state: AlertState = AlertState.FIRING, **labels: str) -> Alert:
    return alert(RULES[1], state, 2.0, 3, {"job": "web", "severity": severity, **labels}, "web: p95 is 2 s")


def overview(view: ServiceView, *alerts: Alert) -> Overview:
    return Overview(NOW, {}, {view.name: view}, alerts=Ready(Alerts(NOW, RULES, alerts)))


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (firing("warning"), Level.DEGRADED),
        (firing("critical"), Level.FAILING),
        (firing("info"), Level.GOOD),
        (firing("critical", state=AlertState.PENDING), Level.GOOD),
        (replace(firing("critical"), silenced_by=("x",)), Level.GOOD),
        (firing("critical", job="other"), Level.GOOD),
    ],
)
def test_what_a_firing_alert_is_about_is_as_ill_as_it_says(found: Alert, level: Level) -> None:
    before = overview(GOOD, found)
    after = raised(before)
    view = after.services["web"]
    assert view.level is level
    assert (after is before) is (not found.is_firing or not found.urgency or bool(found.silenced_by))
    assert after.count(level) == 1, "as in the header"
    if level is not Level.GOOD:
        assert view.since == found.fired_at
        assert [str(each) for each in view.reasons] == ["alert HighLatency is firing: p95 is 2 s"]


def test_a_rule_about_a_level_does_not_keep_itself_firing() -> None:
    """Its alert gives the level that it is about."""
    after = raised(overview(GOOD, firing("critical")))
    assert report(after)["services"]["web"]["level"] == "failing"
    assert 'lilfox_service_level{service="web"} 0.0\n' in prometheus(after, {})
    assert raised(overview(GOOD)).unraised is None


async def test_a_level_of_the_past_did_not_begin_with_an_alert_of_now() -> None:
    """Only the alert, which fired before that moment, makes it degraded now: what is measured is good."""
    monitor = Monitor(Config(services={"web": GOOD.config}))
    then = NOW - timedelta(minutes=1)
    monitor.history.add("service/web", then, {UP: 1.0, LEVEL: float(Level.DEGRADED)})
    monitor.overview.publish(raised(overview(GOOD, firing("warning"))))
    assert monitor.overview.value is not None
    assert monitor.overview.value.services["web"].since < then
    past = monitor.overview_at(then).services["web"]
    assert (past.level, past.since) == (Level.DEGRADED, then)


def test_the_past_has_a_level_that_only_its_clients_gave() -> None:
    """What they logged is not kept: the change is."""
    monitor, began = Monitor(Config(services={"web": GOOD.config})), NOW - timedelta(minutes=3)
    ill = replace(GOOD, level=Level.DEGRADED, reasons=(tr("its client reports errors"),), since=began)
    monitor.changes.observe(replace(overview(ill), at=began, unraised=overview(replace(GOOD, since=began))))
    for minutes in (4, 2):
        then = NOW - timedelta(minutes=minutes)
        monitor.history.add("service/web", then, {UP: 1.0, LEVEL: float(Level.GOOD)})
    for minutes, level in ((2, Level.DEGRADED), (4, Level.GOOD)):
        assert monitor.overview_at(NOW - timedelta(minutes=minutes)).services["web"].level is level


@pytest.mark.parametrize(
    ("own", "severity", "told"),
    [
        (Level.DEGRADED, "critical", [("alert", "failing"), ("slow", "degraded")]),
        (Level.DEGRADED, "warning", [("slow", "degraded"), ("alert", "degraded")]),
        (Level.FAILING, "critical", [("slow", "failing"), ("alert", "failing")]),
        (Level.FAILING, "warning", [("slow", "failing"), ("alert", "degraded")]),
    ],
)
def test_each_reason_has_the_level_that_it_gives(own: Level, severity: str, told: list[tuple[str, str]]) -> None:
    ill = replace(GOOD, level=own, reasons=(tr("slow"),))
    view = raised(overview(ill, firing(severity))).services["web"]
    assert view.level is max(own, Level.FAILING if severity == "critical" else Level.DEGRADED)
    assert [(text.split()[0], role) for text, role in reasons_told(view)] == told
    assert without_alerts(view).reasons == ill.reasons


def test_an_alert_that_alone_makes_a_thing_ill_is_told_once_among_the_problems() -> None:
    state = MetricsState()
    state.overview = raised(overview(GOOD, firing("warning")))
    [subject] = [each for each in state.problems(state.overview) if each[0] != "rule"]
    fault = state.faults(state.overview)[subject]
    assert isinstance(fault, Fault)
    row = problem_row(fault, problem_widths([fault], NOW, 118), NOW, UNICODE, 118)
    text = "".join(piece.text for piece in row)
    assert text.count("p95 is 2 s") == 1
    assert "is firing" not in text
    assert text.startswith(" ▲ web ")
    assert "firing 3 min" in text


@pytest.mark.parametrize(
    ("url", "text", "told"),
    [
        ("http://127.0.0.1:8000", "Connect call failed ('127.0.0.1', 8000): connection refused", True),
        ("http://localhost:8000", "connect to 127.0.0.1:8000: connection refused", True),
        ("http://127.0.0.1:8000", "connect to [::1]:8000: connection refused", True),
        ("http://127.0.0.1:8000", "connect to 127.0.0.1:80001: connection refused", False),
        ("http://10.0.0.5", "dial tcp 10.0.0.5:80: connect: connection refused", True),
        ("http://10.0.0.5", "dial tcp 110.0.0.5:80: connect: connection refused", False),
        ("http://10.0.0.5", "web is unavailable", True),
        ("http://10.0.0.5", "web-2 is unavailable", False),
        ("http://127.0.0.1:8000", "GET http://127.0.0.1:8000/ 200", False),
    ],
)
def test_who_does_not_reach_a_service_depends_on_it(url: str, text: str, told: bool) -> None:
    view = replace(GOOD, config=replace(GOOD.config, url=url))
    errors = [LoggedError(NOW - timedelta(seconds=9), "gateway", text, 3), LoggedError(NOW, "other", "refused")]
    found = caller_reports(view, errors, NOW)
    assert [(each.who, each.times) for each in found] == ([("gateway", 3)] if told else [])
    assert caller_reports(view, errors, NOW + timedelta(minutes=6)) == [], "it may be over"
