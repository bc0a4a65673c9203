"""Rows of what is wrong: each fits its width, says since when, and never that all is well."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import Alerts, AlertState, RuleView
from lilfox_tui.app.panes.metrics.alert_page import items_of, state_text
from lilfox_tui.app.panes.metrics.alert_series import course
from lilfox_tui.app.panes.metrics.problems import change_row, change_runs, problem_row, problem_widths
from lilfox_tui.app.panes.metrics.service_page import ServicePage, service_page
from lilfox_tui.app.panes.metrics.state import Fault, MetricsState
from lilfox_tui.app.rendering.draw import UNICODE, Piece, Row
from lilfox_tui.app.rendering.panels import squeezed
from lilfox_tui.app.rows.hosts import TableStyle, held_for, host_row, well
from lilfox_tui.app.rows.reasons import grouped, why_no_numbers
from lilfox_tui.backends.kinds import redis
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import cell_width
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import BackendView, ClientReport, HostView, StatusChange, View
from lilfox_tui.monitor.watchers.host import LEVEL, past_backend
from tests.app.alerts_made import RULES, alert, alerting, some
from tests.app.backups_made import broken
from tests.app.overviews import NOW, fleet, host, lost, service, summary

if TYPE_CHECKING:
    from lilfox_tui.app.panes.metrics.state import Problem, Subject

WIDTHS = [40, 58, 60, 76, 96, 118, 160]


def drawn(width: int, views: Sequence[View] | None = None) -> list[str]:
    """The rows of all kinds of problems, or of ``views``."""
    problems: list[Problem] = [*(views or ())]
    if views is None:
        state = MetricsState()
        overview = state.overview = replace(fleet(3), backups=broken())
        problems = [state.faults(overview)[subject] for subject in state.problems(overview)]
    widths = problem_widths(problems, NOW, width)
    return [text(problem_row(each, widths, NOW, UNICODE, width)) for each in problems]


def text(row: Row) -> str:
    return "".join(piece.text for piece in row)


@pytest.mark.parametrize("width", range(40, 140))
def test_no_reason_is_cut_beside_free_cells(width: int) -> None:
    """A short state leaves what its column has left to the reason before it."""
    rows = drawn(width)
    cut = [row.partition("…")[2].strip() for row in rows if "…" in row]
    assert not any("   " in behind for behind in cut), rows
    assert cut or width > 100, "what has to be cut there"


@pytest.mark.parametrize("width", WIDTHS)
def test_each_fits_its_width(width: int) -> None:
    rows = drawn(width)
    assert len(rows) > 12
    assert all(cell_width(row) <= width for row in rows)
    assert not any("no limit is exceeded" in row or "healthy" in row for row in rows)


@pytest.mark.parametrize("width", [width for width in WIDTHS if width >= 60])
def test_since_when_is_never_cut(width: int) -> None:
    rows = drawn(width)
    for state in (
        "firing 6 min",
        "firing 20 min",
        "resolved 5 min ago" if width >= 96 else "5 min ago",
        "failing 14 s",
        "failing 6 min",
        "degraded 31 s",
    ):
        state = state if width >= 96 else re.sub("^(?:degraded|failing)", "for", state)
        assert any(f"  {state}  " in row or row.rstrip().endswith(state) for row in rows), state
    assert any("pending 2 min of 10 min" in row for row in rows) is (width >= 96)
    end = next(row.index("firing 6 min") for row in rows if "firing 6 min" in row) + len("firing 6 min")
    rules = [row for row in rows if row.startswith((" ✖ Joined ", " ○ OldName "))]
    assert {row[end : end + 2].strip() for row in rows} == {""}, "they end below each other"
    assert all(row[end - 1] != " " for row in rows if row not in rules)
    if width < 100:
        assert any(row[end - 14 : end].strip() for row in rules), "what has no such time has its room"


def test_one_frame_tells_one_age() -> None:
    """The row, the line below it and the narrow row cut what is less than a second."""
    began = NOW - timedelta(seconds=12.7)
    view = replace(host("web-1", Level.FAILING, None, tr("cpu")), since=began)
    assert held_for(view, NOW) == "12 s"
    assert "for 12 s" in drawn(80, [view])[0]
    assert drawn(40, [view])[0].rstrip().endswith(" 12s")
    fires = replace(some().alerts[1], active_at=began, fired_at=began)
    assert state_text(fires, None, NOW) == "firing 12 s"
    assert "12 s ago" in course(fires, None, NOW)
    seen = summary("web-1", 23, 61, 71, at=NOW)
    silent = replace(view, link=Unavailable(HostUnreachable("web-1", tr("gone")), began), summary=seen)
    assert why_no_numbers(silent, NOW).startswith("no sample for 12 s")


def test_an_alert_is_not_pending_for_longer_than_its_rule_wants() -> None:
    """It fires at the next evaluation, which may be some seconds later."""
    rule = replace(RULES[0], for_s=5.0)
    waits = replace(alert(rule, AlertState.PENDING, 0.94, 0, {"job": "web"}), active_at=NOW - timedelta(seconds=3))
    assert state_text(waits, rule, NOW) == "pending 3 s of 5 s"
    assert state_text(waits, rule, NOW + timedelta(seconds=4)) == "pending 5 s of 5 s"


def test_a_narrow_row_leaves_the_room_to_what_is_wrong() -> None:
    rows = drawn(40)
    assert any(
        row.startswith(" ✖ model") and "connection refused" in row and row.rstrip().endswith(" 6m") for row in rows
    )
    assert any(
        row.startswith(" ✖ node-3") and "connection lost" in row and row.rstrip().endswith(" 14s") for row in rows
    )


def test_what_did_not_answer_says_why_and_what_no_reason_is_known_of_says_so() -> None:
    silent = past_backend("cache", redis.Options(), {LEVEL: float(Level.FAILING)}, NOW)
    assert silent.level is Level.FAILING
    assert "the reason was not recorded" in drawn(80, [silent])[0]
    assert "connection lost" in drawn(80, [replace(lost("web-1"), reasons=())])[0]
    assert well(silent) == "the reason was not recorded"
    assert well(host("new-1", Level.UNKNOWN, None)) == "not checked yet"
    assert well(host("web-1", Level.GOOD, None)) == "no limit is exceeded"
    assert well(replace(silent, level=Level.GOOD)) == "LilFox found no problem", "of its clients nothing is proved"
    assert well(service("api", Level.GOOD, 200, 0.1)) == "healthy"


def test_one_fault_is_one_row_that_tells_both_reasons() -> None:
    [row] = [row for row in drawn(118) if " backend " in row and "HighLatency" not in row]
    assert row.startswith(" ✖ backend ")
    assert "answers 503, expected 200  31% of all requests fail" in row
    assert row.rstrip().endswith("   firing 6 min  HighErrorRate")
    [row] = [row for row in drawn(118) if " db-1 " in row]
    assert re.match(r" ◐ db-1 +91 % used  limit 85% +pending 2 min of 10 min +HighMemoryUsage", row), "told once"


@pytest.mark.parametrize("width", [76, 118])
def test_what_the_state_and_the_alert_both_say_is_said_once(width: int) -> None:
    state = MetricsState()
    overview = alerting()
    reasons = (tr("5xx {value}% > {limit:g}%", value="94.0", limit=20),)
    backend = replace(overview.services["backend"], reasons=reasons)
    overview = state.overview = replace(overview, services={**overview.services, "backend": backend})
    problems = state.faults(overview).values()
    widths = problem_widths(problems, NOW, width)
    rows = [text(problem_row(each, widths, NOW, UNICODE, width)) for each in problems]
    [row] = [row for row in rows if row.startswith(" ✖ backend ")]
    assert " 5xx 94.0% > 20% " in row
    assert "HighErrorRate" in row
    assert "of all requests fail" not in row


def fault_row(reasons: tuple[Message, ...], lesser: int, rule: RuleView, said: str) -> Row:
    """The row of a service for which the state has these reasons, and for which a critical alert fires."""
    fires = alert(rule, AlertState.FIRING, 0.31, 6, {"job": "backend", "severity": "critical"}, said)
    view = replace(service("backend", Level.FAILING, 200, 0.004), reasons=reasons, lesser=lesser)
    fault = Fault(items_of(Alerts(NOW, (rule,), (fires,)))[0], view, ("service", "backend"))
    return problem_row(fault, problem_widths([fault], NOW, 118), NOW, UNICODE, 118)


def test_of_two_limits_of_one_reason_that_is_told_which_gives_the_level() -> None:
    """The state counts a value only after some samples, so that it is degraded where the alert already fires."""
    counted = tr("5xx {value}% > {limit:g}% over 30 s in 1 of 3 samples", value="31.0", limit=20)
    other = tr("slow")
    row = fault_row((counted,), 1, RULES[0], "backend: 31% of all requests fail")
    assert re.match(r" ✖ backend +31% of all requests fail  limit 5%  ", text(row))
    assert {piece.role for piece in row if piece.text.strip() in ("✖", "31% of all requests fail  limit 5%")} == {
        "failing"
    }
    row = fault_row((counted, other), 2, RULES[0], "backend: 31% of all requests fail")
    assert re.match(r" ✖ backend +slow  31% of all requests fail  limit 5%  ", text(row))
    assert {piece.role for piece in row if piece.text == "slow"} == {"degraded"}, "it alone would give no more"
    row = fault_row((counted, other), 1, RULES[0], "backend: 31% of all requests fail")
    assert re.match(r" ✖ backend +5xx 31.0% > 20% over 30 s in 1 of 3 samples; slow  ", text(row)), "it gives the level"


def test_the_limit_of_an_alert_beside_that_of_the_state_says_whose_it_is() -> None:
    by_route = replace(RULES[0], expression=RULES[0].expression.replace("by (job)", "by (job, route)"))
    row = fault_row((tr("5xx {value}% > {limit:g}%", value="31.0", limit=20),), 0, by_route, "")
    assert re.match(r" ✖ backend +5xx 31.0% > 20%  alert: 31% > 5%  ", text(row))


@pytest.mark.parametrize(
    ("expression", "said", "shown"),
    [
        ("cpu_usage_percent > 80", "vm: CPU usage is 98.53%", "CPU usage is 98.53%  limit 80%"),
        ("cpu_usage_percent > 80", "vm: CPU usage is high", "98.5% > 80%  CPU usage is high"),
        ("cpu_usage_percent > 80", "vm98.5 is busy", "98.5% > 80%  vm98.5 is busy"),
        ("cpu_usage_percent > 80", "", "98.5% > 80%"),
        ("cpu_usage_percent", "vm: CPU usage is 98.53%", "98.5%  CPU usage is 98.53%"),
        ("up == 98.531", "vm: it does not answer", "it does not answer"),
        ("up == 98.531", "", "98.53 == 98.53"),
    ],
)
def test_an_alert_tells_its_name_and_its_value_once(expression: str, said: str, shown: str) -> None:
    busy = replace(RULES[0], expression=expression)
    found = Alerts(NOW, (busy,), (alert(busy, AlertState.FIRING, 98.531, 2, {"host": "vm"}, said),))
    [item] = items_of(found)
    row = text(problem_row(item, problem_widths([item], NOW, 118), NOW, UNICODE, 118))
    assert re.fullmatch(rf" ▲ vm +{re.escape(shown)} +firing 2 min +HighErrorRate *", row), row


@pytest.mark.parametrize(
    ("expression", "reason", "told"),
    [
        ("cpu_usage_percent > 80", tr("cpu {value}% > {limit:g}%", value=99, limit=95), "cpu 99% > 95%"),
        ("cpu_usage_percent{host=\"vm\"} >= 80", tr("cpu {value}% > {limit:g}%", value=99, limit=95), "cpu 99% > 95%"),
        ("cpu_usage_percent > 80", tr("{why} in {count} of {hold} samples", count=1, hold=3,
                                      why=tr("cpu {value}% > {limit:g}%", value=99, limit=95)),
         "cpu 99% > 95% in 1 of 3 samples"),
        ("cpu_usage_percent < 5", tr("cpu {value}% > {limit:g}%", value=99, limit=95), "cpu 99% > 95%  it says more"),
        ("memory_usage_percent > 80", tr("cpu {value}% > {limit:g}%", value=99, limit=95),
         "cpu 99% > 95%  it says more"),
        ("memory_usage_percent + cpu_usage_percent > 80", tr("cpu {value}% > {limit:g}%", value=99, limit=95),
         "cpu 99% > 95%  it says more"),
        ("up == 0", tr("lost"), "lost  it says more"),
    ],
)  # fmt: skip
def test_what_a_host_and_its_alert_say_of_one_value_is_said_once(expression: str, reason: Message, told: str) -> None:
    busy = replace(RULES[0], expression=expression)
    found = Alerts(NOW, (busy,), (alert(busy, AlertState.FIRING, 98.5, 2, {"host": "vm"}, "vm: it says more"),))
    view = host("vm", Level.FAILING, None, reason)
    fault = Fault(items_of(found)[0], view, ("host", "vm"))
    row = text(problem_row(fault, problem_widths([fault], NOW, 118), NOW, UNICODE, 118))
    assert re.fullmatch(rf" ✖ vm +{re.escape(told)} +firing 2 min +HighErrorRate *", row), row


@pytest.mark.parametrize("width", [118, 80, 58])
def test_a_cause_is_told_whole_whatever_has_to_be_cut(width: int) -> None:
    short = service("gateway", Level.FAILING, 500, 0.01, tr("5xx 95.0% > 5%"))
    long = service(
        "gateway", Level.FAILING, 500, 0.01, tr("gateway.internal:8080 returns 502, expected one of 200, 204")
    )
    for view in (short, long):
        row = text(problem_row(view, problem_widths([view], NOW, width), NOW, UNICODE, width, "backend"))
        assert "because backend fails" in row
        assert cell_width(row) <= width
        if view is short:
            assert "5xx 95.0% > 5%  because backend fails" in row


def interface(age: float, name: str, *, gone: bool = False, subject: str = "host/web-1") -> StatusChange:
    what = tr("interface {name} is gone", name=name) if gone else tr("interface {name} appeared", name=name)
    level = Level.DEGRADED if gone else Level.GOOD
    return StatusChange(NOW - timedelta(seconds=age), subject, what, level, f"interface {name}")


def told(*changes: StatusChange) -> list[str]:
    """The rows of changes, newest first; those that come after the others in brackets."""
    rows = [(run.aside, text(change_row(run, NOW, UNICODE)).strip()) for run in change_runs(changes)]
    return [f"({row})" if aside else row for aside, row in rows]


def test_interfaces_that_come_and_go_are_one_row_of_each_host() -> None:
    containers = [
        change
        for each in range(5)
        for change in (interface(2 * each, f"veth{each}", gone=True), interface(2 * each + 1, f"veth{each}"))
    ]
    other = interface(30, "veth9", subject="host/db-1")
    assert told(*containers, other) == [
        "(03:12:44 ● web-1  interfaces: 5 appeared, 5 gone: veth0, veth1, veth2, …)",
        "(03:12:14 ● db-1  interface veth9 appeared)",
    ]


def test_an_interface_that_was_there_and_is_gone_stands_with_what_is_wrong() -> None:
    back = [interface(1, "eth1"), interface(2, "eth1", gone=True)]
    assert told(*back) == ["(03:12:43 ● web-1  interfaces: 1 appeared, 1 gone: eth1)"]
    assert told(interface(5, "eth0", gone=True)) == ["03:12:39 ◐ web-1  interface eth0 is gone"]
    both = [interface(age, f"eth{age}", gone=True) for age in (3, 4)]
    assert told(*both) == ["03:12:41 ◐ web-1  2 interfaces are gone: eth3, eth4"]
    assert told(*back, interface(5, "eth0", gone=True)) == [
        "03:12:43 ◐ web-1  interfaces: 1 appeared, 2 gone: eth1, eth0"
    ]


def test_neighbours_that_say_the_same_are_counted() -> None:
    unit = [
        StatusChange(NOW - timedelta(seconds=age), "host/web-1", tr("unit {unit} failed", unit=name), Level.DEGRADED,
                     f"unit {name}")
        for age, name in ((1, "a"), (2, "a"), (3, "b"), (4, "a"))
    ]  # fmt: skip
    assert told(*unit) == [
        "03:12:43 ◐ web-1  ×2  unit a failed",
        "03:12:41 ◐ web-1  unit b failed",
        "03:12:40 ◐ web-1  unit a failed",
    ]


def text_of(row: Row) -> str:
    return "".join(piece.text for piece in row)


@pytest.mark.parametrize(
    ("width", "told"),
    [(100, "cannot be reached: 10.0.0.7 refuses the connection; next try in 4 s"),
     (66, "cannot be reached: 10.0.0.7 refuses the connection"),
     (49, "10.0.0.7 refuses the connection")],
)  # fmt: skip
def test_a_host_that_was_never_reached_says_why_and_misses_no_sample(width: int, told: str) -> None:
    view = lost("model-1")
    error = HostUnreachable("model-1", tr("10.0.0.7 refuses the connection"))
    view = replace(view, link=Unavailable(error, NOW, NOW + timedelta(seconds=4)))
    text = text_of(host_row(view, NOW, TableStyle(width, UNICODE, 2.0))).rstrip()
    assert text.endswith(" " + told)
    assert cell_width(text) < width


def test_what_would_be_cut_has_the_blanks_of_the_columns_before_it() -> None:
    row = (Piece(" ● "), Piece("web-1".ljust(12), "strong"), Piece("  "), Piece("a reason in so many words"))
    assert squeezed(row, 42) is row
    tight = text_of(squeezed(row, 41))
    assert tight == " ● web-1  a reason in so many words"


def test_a_service_that_does_not_answer_says_since_when_who_needs_it_and_what_to_do() -> None:
    view = service("backend", Level.FAILING, None, None)
    assert view.state is not None
    view = replace(view, state=replace(view.state, since=NOW - timedelta(seconds=37)))
    needed = ClientReport("gateway", "Connect call failed ('127.0.0.1', 8000)", NOW - timedelta(seconds=2), 543)
    shown = ServicePage(view, (), lambda _series, columns: [None] * columns, NOW, timedelta(hours=1), UNICODE, 120,
                        callers=[needed], runbooks=["A service is down", "Other"], height=40,
                        unanswered=view.state.since if view.state else None)  # fmt: skip
    rows = [text_of(row) for row in service_page(shown)]
    assert f"no response since {NOW - timedelta(seconds=37):%H:%M:%S}, 37 s ago" in "\n".join(rows)
    assert not any("└" in row and "03:12" in row for row in rows), "an empty chart says nothing"
    assert "   gateway depends on it: Connect call failed ('127.0.0.1', 8000) (×543)  2 s ago" in rows
    assert "   r runbook  A service is down  and 1 more" in rows
    known = replace(shown, past=lambda _series, columns: [0.2] * columns)
    assert any("└" in row and "03:12" in row for row in map(text_of, service_page(known))), "what is known is drawn"


def unreached(name: str, why: Message) -> tuple[Subject, HostView]:
    return ("host", name), replace(lost(name), link=Unavailable(HostUnreachable(name, why), NOW))


def test_hosts_are_one_problem_only_if_their_errors_differ_in_nothing_but_the_host() -> None:
    def why(number: int, reason: str) -> Message:
        return tr("{where} cannot be reached: {reason}", where=f"10.0.0.{number}", reason=reason)

    reasons = ("No route to host", "Network is unreachable")
    alike = dict(unreached(f"web-{number}", why(number, reasons[number % 2])) for number in range(8))
    assert [(len(each.views), each.why) for each in grouped(alike).values()] == [
        (4, f"… cannot be reached: {reason}") for reason in reasons
    ]
    slow = "{where} did not answer within {seconds:g} s"
    timeouts = dict(
        unreached(f"a-{number}", tr(slow, where=f"10.0.0.{number}", seconds=5.0 + number % 2)) for number in range(6)
    )
    assert grouped(timeouts) == timeouts, "of each reason there are too few"


def test_hosts_that_fail_behind_one_address_name_it() -> None:
    behind = dict(
        unreached(f"web-{number}", tr("{where} refuses the connection", where="bastion")) for number in range(4)
    )
    assert [each.why for each in grouped(behind).values()] == ["bastion refuses the connection"]


@pytest.mark.parametrize(("width", "told"), [(118, "{level} 5 min"), (90, "for 5 min"), (58, "5m")])
def test_the_time_beside_a_reason_is_that_of_the_level(width: int, told: str) -> None:
    """It may have begun with another reason: where there is room it says which level it is of."""
    for level, word in ((Level.FAILING, "failing"), (Level.DEGRADED, "degraded")):
        view = replace(host("web-1", level, None, tr("cpu 93% > 90%")), since=NOW - timedelta(minutes=5))
        [row] = drawn(width, [view])
        assert re.search(rf" {told.format(level=word)}\b", row), row


@pytest.mark.parametrize(("width", "told"), [(118, "failing 5 min"), (90, "for 30 s"), (58, "30s")])
def test_an_outage_has_its_own_age_where_there_is_no_room_to_say_of_what_it_is(width: int, told: str) -> None:
    """A host that failed by its load for minutes was not unreachable for that long."""
    error, began = HostUnreachable("web-1", tr("web-1 refuses the connection")), NOW - timedelta(minutes=5)
    link = Unavailable(error, NOW - timedelta(seconds=30))
    newest = summary("web-1", 20, 30, 40, at=NOW - timedelta(seconds=28))
    found = replace(lost("web-1"), link=link, since=began, summary=newest)
    options = redis.Options(address="127.0.0.1")
    store = BackendView("cache", options, Level.FAILING, began, (error.message,), outage=link)
    for view in (found, store):
        [row] = drawn(width, [view])
        assert re.search(rf" {told}\b", row), row


def test_where_there_is_little_room_what_is_wrong_has_that_of_the_kind_and_of_the_alerts_name() -> None:
    why = "no complete response from 127.0.0.1:8000 within 2 s"
    view = replace(
        service("backend", Level.FAILING, None, None, tr("{why}", why=why)), since=NOW - timedelta(seconds=42)
    )
    [row] = drawn(78, [view])
    assert why in row
    assert "service" not in row
    short = replace(view, reasons=(tr("connection refused"),))
    assert drawn(78, [short])[0].rstrip().endswith("service"), "where nothing is cut for it, it stays"
    caused = replace(short, reasons=(tr("5xx 94% > 5% over 30 s"),))
    assert problem_widths([caused], NOW, 78).source
    assert not problem_widths([caused], NOW, 78, {("service", "backend"): ("backend", "orders-database")}).source
    assert drawn(118, [view])[0].rstrip().endswith("service")
    state = MetricsState()
    overview = state.overview = alerting()
    [fault] = [
        each for each in state.faults(overview).values() if isinstance(each, Fault) and each.place[1] == "backend"
    ]
    named = text(problem_row(fault, problem_widths([fault], NOW, 94), NOW, UNICODE, 94))
    assert fault.item.name in named, "where it has room"
    whole = text(problem_row(fault, problem_widths([fault], NOW, 78), NOW, UNICODE, 78))
    assert "answers 503, expected 200  31% of all requests fail  firing" in whole, "no reason is cut for it"
    tight = text(problem_row(fault, problem_widths([fault], NOW, 70), NOW, UNICODE, 70, "a-database-of-some-name"))
    assert "because a-database-of-some-name fails" in tight
    assert fault.item.name[:3] not in tight, "and no part of it"


def test_how_long_an_alert_is_over_does_not_take_the_room_of_what_fails() -> None:
    rows = drawn(78)
    assert any(row.rstrip().endswith(" 5 min ago") for row in rows)
    assert not any("resolved" in row for row in rows)
    assert any("resolved 5 min ago" in row for row in drawn(118))
