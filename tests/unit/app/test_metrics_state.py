"""Which row is selected in the Metrics pane, which rows there are and in which order, without a screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import Acknowledgement, Alert, AlertState, worst_first
from lilfox_tui.app.panes.metrics.state import CURSOR_STEPS, FAR_WINDOW, WINDOWS, Fault, MetricsState, Subject, cause_of
from lilfox_tui.app.rows.hosts import sorted_hosts
from lilfox_tui.app.rows.processes import PROCESS_SORTS
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.i18n import tr
from lilfox_tui.metrics.model import HostSummary, Level
from lilfox_tui.monitor.model import AuditView, HostView, Overview, ServiceView
from tests.app.alerts_made import RULES, alert, alerting, some
from tests.app.clusters_made import broken
from tests.app.overviews import NOW, host, mixed, service


def showing(**shape: bool) -> MetricsState:
    state = MetricsState(**shape)
    state.overview = mixed()
    return state


def test_the_worst_is_selected_until_somebody_chooses() -> None:
    state = showing()
    state.choose_first()
    assert state.overview is not None
    assert state.selected is not None
    worst = max(state.level(state.overview, each) for each in state.order())
    assert state.level(state.overview, state.selected) is worst
    assert state.in_problems
    state.choose(state.order()[-1])
    state.choose_first()
    assert state.selected == state.order()[-1]


def test_a_choice_that_is_gone_gives_way_to_the_worst() -> None:
    state = showing()
    state.choose(("host", "nobody"))
    state.choose_first()
    assert state.selected in state.order()


def test_it_moves_no_farther_than_the_first_and_the_last_row() -> None:
    state = showing()
    rows = state.rows()
    in_problems, first = rows[0]
    state.choose(first, in_problems=in_problems)
    state.move(-1)
    assert (state.in_problems, state.selected) == rows[0]
    seen: list[tuple[bool, object]] = [rows[0]]
    for _row in rows[1:]:
        state.move(1)
        seen.append((state.in_problems, state.selected))
    assert seen == rows, "each row once, also of what is a problem and in a list"
    state.move(10**6)
    assert (state.in_problems, state.selected) == rows[-1]


def test_what_is_wrong_is_listed_first_and_nothing_else_there() -> None:
    state = showing()
    assert state.overview is not None
    problems = state.problems(state.overview)
    assert problems
    levels = [int(state.level(state.overview, each)) for each in problems]
    assert levels == sorted(levels, reverse=True)
    levels_of = {("host", name): view.level for name, view in state.overview.hosts.items()}
    levels_of |= {("service", name): view.level for name, view in state.overview.services.items()}
    for subject, level in levels_of.items():
        assert (subject in problems) is (level in (Level.DEGRADED, Level.FAILING))
    assert [row for row in state.rows() if row[0]] == [(True, each) for each in problems]


def test_an_alert_and_the_state_of_what_it_names_are_one_row() -> None:
    state = MetricsState()
    overview = state.overview = alerting()
    faults = {
        each.place: (subject, each) for subject, each in state.faults(overview).items() if isinstance(each, Fault)
    }
    assert set(faults) == {("service", "backend"), ("host", "db-1")}, "not where the alert is silenced"
    rows = state.problems(overview)
    assert not set(faults) & set(rows)
    assert ("service", "model") in rows
    for subject, fault in faults.values():
        assert subject in rows
        assert state.level(overview, subject) is fault.level is fault.view.level
    calm = replace(overview, alerts=Ready(replace(some(), alerts=()), NOW))
    assert set(faults) <= set(state.problems(calm))


def test_the_state_stays_selected_when_an_alert_takes_it_up() -> None:
    state = MetricsState()
    state.overview = replace(alerting(), alerts=None)
    state.choose(("service", "backend"), in_problems=True)
    state.overview = alerting()
    state.choose_first()
    [taken] = [each for each in state.problems(state.overview) if "backend" in each[1] and "HighErrorRate" in each[1]]
    assert (state.in_problems, state.selected) == (True, taken)
    state.choose(("service", "backend"))
    state.choose_first()
    assert (state.in_problems, state.selected) == (False, ("service", "backend")), "of the list it was chosen in"


def test_an_acknowledged_alert_takes_up_what_there_was_by_then_and_nothing_worse() -> None:
    """Otherwise a service that goes down later would be listed as if somebody had seen it."""

    def rows(severity: str, seen_at: datetime) -> int:
        fires = alert(RULES[0], AlertState.FIRING, 0.31, 6, {"job": "backend", "severity": severity})
        seen = replace(fires, acknowledged=Acknowledgement("ada", seen_at))
        overview = replace(alerting(), alerts=Ready(replace(some(), alerts=(seen,)), NOW))
        return sum(each[1].endswith("backend") or "backend" in each[1] for each in MetricsState().problems(overview))

    since = alerting().services["backend"].since
    assert rows("critical", since) == 1
    assert rows("critical", since - timedelta(seconds=1)) == 2
    assert rows("warning", since) == 2


def test_the_rows_of_one_thing_stand_together_worst_and_oldest_first() -> None:
    state = MetricsState()
    latency = alert(RULES[1], AlertState.FIRING, 4.2, 3, {"job": "backend", "severity": "warning"})
    errors = alert(RULES[0], AlertState.FIRING, 0.31, 6, {"job": "backend", "severity": "critical"})
    alerts = replace(some(), alerts=(errors, latency), rules=RULES[:3])
    overview = state.overview = replace(alerting(), alerts=Ready(alerts, NOW))
    names = [name for _kind, name in state.problems(overview)]
    first = next(place for place, name in enumerate(names) if "HighErrorRate" in name)
    assert "HighLatency" in names[first + 1], "although others are worse"
    since = [view.since for view in overview.views if view.level is Level.FAILING and view.name != "backend"]
    shown = [state.faults(overview)[each] for each in state.problems(overview)]
    found = [each.since for each in shown if isinstance(each, HostView | ServiceView) and each.level is Level.FAILING]
    assert found == sorted(since)


def test_alerts_about_a_cluster_stand_below_its_row() -> None:
    """One that waits comes before other things that fail as badly as the cluster, as it is about the same."""
    failing = replace(broken(), since=NOW - timedelta(minutes=30))
    waiting = alert(RULES[0], AlertState.PENDING, 2.0, 1, {"cluster": failing.name, "pod": "api-x2x9q"})
    overview = chained("web", alerts=(waiting,))
    overview = replace(overview, clusters={failing.name: failing})
    first, second, *_others = (name for _kind, name in MetricsState().problems(overview))
    assert first == failing.name
    assert "pod" in second
    elsewhere = replace(waiting, labels=(("cluster", "another"), ("pod", "api-x2x9q")))
    overview = replace(chained("web", alerts=(elsewhere,)), clusters={failing.name: failing})
    assert [name for _kind, name in MetricsState().problems(overview)][:2] == [failing.name, "web"]


def test_the_sort_key_sorts_the_processes_on_the_page_of_a_host_and_the_hosts_elsewhere() -> None:
    state = showing()
    state.open(("host", "web-1"))
    seen = [state.process_sort]
    for _press in PROCESS_SORTS:
        state.next_sort()
        seen.append(state.process_sort)
    assert seen == [*PROCESS_SORTS, PROCESS_SORTS[0]]
    assert state.sort == "worst"
    state.open(None)
    state.next_sort()
    assert (state.sort, state.process_sort) == ("cpu", "cpu")


def test_what_a_critical_alert_is_about_comes_before_what_is_as_bad_for_longer() -> None:
    """A machine that is busy all day does not hide what fires now."""
    state = MetricsState()
    busy = alert(RULES[2], AlertState.FIRING, 99.0, 50, {"host": "model-1", "severity": "warning"})
    errors = alert(RULES[0], AlertState.FIRING, 0.31, 0.1, {"job": "backend", "severity": "critical"})
    overview = replace(alerting(), alerts=Ready(replace(some(), alerts=(busy, errors), rules=RULES[:3]), NOW))
    state.overview = replace(
        overview, services={**overview.services, "backend": replace(overview.services["backend"], since=NOW)}
    )
    first, second, *_others = [name for _kind, name in state.problems(state.overview)]
    assert ("HighErrorRate" in first, "model-1" in second) == (True, True)


def test_an_alert_that_only_informs_stands_below_what_is_wrong_and_takes_up_nothing() -> None:
    state = MetricsState()
    told = [
        alert(RULES[2], AlertState.FIRING, 99.0, 50, {name: value, "severity": "info"})
        for name, value in (("job", "backend"), ("host", "db-1"), ("nobody", "x"))
    ]
    overview = state.overview = replace(
        alerting(), alerts=Ready(replace(some(), alerts=tuple(told), rules=RULES[:3]), NOW)
    )
    levels = [state.level(overview, each) for each in state.problems(overview)]
    assert levels[-len(told) :] == [Level.UNKNOWN] * len(told)
    assert Level.UNKNOWN not in levels[: -len(told)]
    assert ("service", "backend") in state.problems(overview)


def test_an_alert_that_restates_a_reason_is_one_row_with_it_although_it_only_informs_or_another_is_worse() -> None:
    state = MetricsState()
    busy = host("vm", Level.FAILING, None, tr("cpu {value}% > {limit:g}%", value=99, limit=95))
    cpu = replace(RULES[2], name="HighCPUUsage", expression="cpu_usage_percent > 80")
    disk = replace(RULES[0], name="DiskFull", expression="disk_usage_percent > 90")

    def rows(*alerts: Alert) -> list[tuple[str, bool]]:
        found = replace(some(), alerts=alerts, rules=(cpu, disk))
        overview = state.overview = Overview(NOW, {"vm": busy}, {}, {}, alerts=Ready(found, NOW))
        shown = [state.faults(overview)[each] for each in state.problems(overview)]
        assert [each.level for each in shown][:1] == [Level.FAILING]
        names = [each.item.name if isinstance(each, Fault) else getattr(each, "name", "") for each in shown]
        return [(name, isinstance(each, Fault)) for name, each in zip(names, shown, strict=True)]

    informs = alert(cpu, AlertState.FIRING, 99.0, 5, {"host": "vm", "severity": "info"})
    assert rows(informs) == [("HighCPUUsage", True)]
    full = alert(disk, AlertState.FIRING, 97.0, 5, {"host": "vm", "severity": "critical"})
    warns = alert(cpu, AlertState.FIRING, 99.0, 5, {"host": "vm", "severity": "warning"})
    assert sorted(rows(full, warns)) == [("DiskFull", False), ("HighCPUUsage", True)]
    seen = replace(informs, acknowledged=Acknowledgement("ada", NOW))
    assert rows(seen) == [("vm", False), ("HighCPUUsage", False)], "what fails is not seen to with it"


def chained(*names: str, alerts: Sequence[Alert] = (), **changes: Any) -> Overview:
    """Services that fail, each older than the one that it depends on, the one behind it."""
    services = {}
    for number, (name, below) in enumerate(zip(names, [*names[1:], ""], strict=True)):
        view = service(name, Level.FAILING, 500, 0.01, tr("{name} returns 500", name=name))
        config = replace(view.config, depends_on=(below,) if below else ())
        services[name] = replace(view, config=config, since=NOW - timedelta(minutes=9 - number))
    for name, change in changes.items():
        services[name] = replace(services[name], **change)
    return replace(alerting(), hosts={}, services=services, backends={}, backups=None,
                   alerts=Ready(replace(some(), alerts=tuple(alerts), rules=RULES[:3]), NOW))  # fmt: skip


def rows_of(overview: Overview) -> list[tuple[str, str]]:
    """What each row is about, and what makes it fail."""
    state = MetricsState()
    problems = [state.faults(overview)[each] for each in state.problems(overview)]
    shown = [each for each in problems if not isinstance(each, AuditView)]
    return [((each.view if isinstance(each, Fault) else each).name, cause_of(each, state.causes)) for each in shown]


def test_what_fails_stands_above_what_fails_because_of_it() -> None:
    names = ("gateway", "backend", "model")
    expected = [("model", ""), ("backend", "model"), ("gateway", "backend")]
    assert rows_of(chained(*names)) == expected
    firing = alert(RULES[0], AlertState.FIRING, 0.31, 6, {"job": "gateway", "severity": "critical"})
    assert rows_of(chained(*names, alerts=[firing])) == expected, "although the alert is worse"
    older = service("other", Level.FAILING, 500, 0.01)
    between = chained(*names)
    between = replace(between, services={"other": older, **between.services})
    assert [row for row in rows_of(between) if row[0] != "other"] == expected


def test_only_what_answers_fails_because_of_another() -> None:
    fine = {"level": Level.GOOD}
    assert rows_of(chained("gateway", "backend", backend=fine)) == [("gateway", "")]
    degraded = {"level": Level.DEGRADED}
    assert rows_of(chained("gateway", "backend", backend=degraded))[0] == ("gateway", "")
    gone = service("gateway", Level.FAILING, None, None).state
    assert gone is not None
    assert rows_of(chained("gateway", "backend", gateway={"state": gone})) == [("gateway", ""), ("backend", "")]


def test_things_that_depend_on_each_other_are_listed_once() -> None:
    circle = chained("gateway", "backend")
    backend = circle.services["backend"]
    backend = replace(backend, config=replace(backend.config, depends_on=("gateway",)))
    circle = replace(circle, services={**circle.services, "backend": backend})
    assert sorted(rows_of(circle)) == [("backend", "gateway"), ("gateway", "backend")]


def test_a_problem_that_is_over_leaves_its_subject_selected() -> None:
    state = showing()
    assert state.overview is not None
    good = next(("host", each.name) for each in state.overview.hosts.values() if each.level is Level.GOOD)
    state.choose(good, in_problems=True)
    state.choose_first()
    assert (state.in_problems, state.selected) == (False, good)


def with_problems(state: MetricsState, *names: str) -> None:
    """Shows an overview in which those services fail, and nothing else is wrong."""
    before = mixed()
    services = {
        name: replace(view, level=Level.FAILING if name in names else Level.GOOD)
        for name, view in before.services.items()
    }
    hosts = {"web-1": before.hosts["web-1"]}
    state.overview = replace(before, hosts=hosts, services=services)
    state.choose_first()


def selection(state: MetricsState) -> tuple[bool, Subject | None]:
    return state.in_problems, state.selected


def test_a_new_problem_is_selected_unless_the_user_has_chosen_a_row() -> None:
    for chosen in (False, True):
        state = showing()
        with_problems(state)
        assert selection(state) == (False, ("host", "web-1"))
        if chosen:
            state.move(0)
        with_problems(state, "backend")
        assert selection(state) == ((False, ("host", "web-1")) if chosen else (True, ("service", "backend")))
        assert state.rows()[0] == (True, ("service", "backend"))


def test_the_row_of_a_chosen_problem_that_is_over_gives_way_to_the_next_problem() -> None:
    state = showing()
    with_problems(state, "backend", "model")
    state.choose(("service", "backend"), in_problems=True)
    with_problems(state, "model")
    assert selection(state) == (False, ("service", "backend")), "that it is well again is seen"
    with_problems(state, "model")
    assert selection(state) == (False, ("service", "backend")), "the other one is not new"
    with_problems(state)
    assert selection(state) == (False, ("service", "backend"))
    with_problems(state, "model", "gateway")
    assert selection(state) == (True, state.problems(state.overview or mixed())[0])


def test_an_alert_that_is_gone_leaves_the_row_of_its_host_selected() -> None:
    state = showing()
    busy = alert(RULES[2], AlertState.PENDING, 91.0, 1, {"host": "web-1", "severity": "info"})
    well = replace(mixed(), alerts=Ready(replace(some(), alerts=(busy,)), NOW))
    state.overview = well
    state.choose_first()
    pending = next(subject for subject in state.problems(well) if subject[0] == "alert")
    state.choose(pending)
    state.choose_first()
    state.overview = replace(well, alerts=Ready(replace(some(), alerts=()), NOW))
    state.choose_first()
    assert selection(state) == (False, ("host", "web-1")), "not that of another problem, which a key would then open"
    state.overview = well
    state.choose_first()
    assert state.in_problems, "it is a new problem"


def test_a_row_that_the_user_goes_to_stays_selected_where_a_problem_was_over_before() -> None:
    state = showing()
    with_problems(state, "backend")
    state.choose(("service", "backend"), in_problems=True)
    with_problems(state)
    state.choose(("host", "web-1"))
    with_problems(state, "model")
    assert selection(state) == (False, ("host", "web-1"))


def test_where_there_are_no_panels_each_subject_has_one_row() -> None:
    state = showing()
    both = state.rows()
    state.each_once = True
    subjects = [subject for _problem, subject in state.rows()]
    assert subjects == list(dict.fromkeys(subject for _problem, subject in both))
    assert len(subjects) < len(both)


def test_the_subject_stays_selected_where_its_second_row_goes_or_comes_back() -> None:
    state = showing()
    assert state.overview is not None
    ill = state.problems(state.overview)[-1]
    state.choose(ill)
    state.each_once = True
    state.choose_first()
    assert (state.in_problems, state.selected) == (True, ill)
    state.each_once = False
    state.choose_first()
    assert (state.in_problems, state.selected) == (True, ill)


def test_a_problem_that_was_opened_is_still_the_selected_row_afterwards() -> None:
    state = showing()
    assert state.overview is not None
    ill = state.problems(state.overview)[1]
    for in_problems in (True, False):
        state.choose(ill, in_problems=in_problems)
        state.open(ill)
        state.open(None)
        assert (state.in_problems, state.selected) == (in_problems, ill)


def test_matches_are_gone_through_both_ways_and_around_the_ends() -> None:
    state = showing()
    state.only_matching, state.filter = False, "o"
    assert state.overview is not None
    matches = [each for each in state.order() if state.matches(state.overview, each)]
    assert 2 < len(matches) < len(state.order())
    state.choose(matches[0])
    forwards = []
    for _match in matches:
        state.select_match(1)
        forwards.append(state.selected)
    assert forwards == [*matches[1:], matches[0]]
    backwards = []
    for _match in matches:
        state.select_match(-1)
        backwards.append(state.selected)
    assert backwards == [*matches[:0:-1], matches[0]]


def test_without_a_match_the_selection_stays() -> None:
    state = showing()
    state.choose(state.order()[1])
    state.only_matching, state.filter = False, "no such row"
    state.select_match(1)
    assert state.selected == state.order()[1]


def test_the_filter_leaves_what_holds_all_of_its_words() -> None:
    state = showing()
    everything = state.order()
    state.filter = "db"
    assert set(state.order()) < set(everything)
    state.only_matching = False
    assert state.order() == everything


def test_rows_are_worst_first_or_as_they_are_configured() -> None:
    state = showing()
    assert state.overview is not None
    levels = [view.level for view in state.hosts(state.overview)]
    assert levels == sorted(levels, reverse=True)
    assert levels[0] is not Level.GOOD
    while state.sort != "configured":
        state.next_sort()
    assert [view.name for view in state.hosts(state.overview)] == list(state.overview.hosts)
    state.next_sort()
    assert state.sort == "worst"


@pytest.mark.parametrize(
    ("by", "value"),
    [
        ("cpu", lambda summary: summary.cpu_percent),
        ("memory", lambda summary: summary.memory_percent),
        ("disk", lambda summary: summary.fullest.used_percent),
        ("name", None),
    ],
)
def test_hosts_are_sorted_by_a_column_and_the_unreachable_come_first(
    by: str, value: Callable[[HostSummary], float] | None
) -> None:
    hosts = sorted_hosts(list(mixed().hosts.values()), by)
    if value is None:
        assert [view.name for view in hosts] == sorted(mixed().hosts)
        return
    links = [isinstance(view.link, Unavailable) for view in hosts]
    assert True in links
    assert links == sorted(links, reverse=True)
    values = [value(view.summary) for view in hosts if view.summary is not None and view.link is not None
              and not isinstance(view.link, Unavailable)]  # fmt: skip
    assert len(values) > 1
    assert values == sorted(values, reverse=True)


def test_what_a_key_goes_back_from() -> None:
    state = showing()
    assert "first screen" in str(state.why_not_back())
    state.open(("host", state.hosts(mixed())[0].name))
    assert state.why_not_back() is None
    assert "already open" in str(state.why_not_open())
    state.open(None)
    state.filter = "x"
    assert state.why_not_back() is None


@pytest.mark.parametrize(("far", "longest"), [(False, WINDOWS[-1]), (True, FAR_WINDOW)])
def test_charts_go_back_to_where_something_is_known_and_around(far: bool, longest: timedelta) -> None:
    state = showing(far=far)
    seen = []
    for _step in range(len(WINDOWS) + far):
        seen.append(state.window)
        state.next_window()
    assert (seen[0], seen[-1], state.window) == (WINDOWS[0], longest, WINDOWS[0])


def test_the_key_for_alerts_goes_to_the_most_severe_then_the_newest_and_steps_on_when_pressed_again() -> None:
    named = {"old": ("warning", 9), "cpu": ("info", 1), "new": ("warning", 2), "down": ("critical", 5)}
    alerts = [
        alert(RULES[1], AlertState.FIRING, 1.0, minutes, {"job": job, "severity": severity})
        for job, (severity, minutes) in named.items()
    ]
    state = MetricsState()
    state.overview = replace(mixed(), alerts=Ready(replace(some(), alerts=worst_first(alerts), rules=()), NOW))

    def went_to() -> str:
        state.next_alert()
        selected = state.selected_alert()
        return "" if selected is None else selected.label("job")

    assert [went_to() for _ in range(5)] == ["down", "new", "old", "cpu", "down"]
    state.move(1)
    assert went_to() == "down", "another key was pressed in between"
    state.open(state.selected)
    state.open(None)
    assert went_to() == "down"


def test_the_page_of_an_alert_shows_its_beginning_and_another_page_the_chosen_range_again() -> None:
    state = MetricsState()
    state.overview = alerting()
    subject = next(each for each, item in state.items(state.overview).items() if item.alert == some().alerts[1])
    assert state.window == WINDOWS[0] < NOW - some().alerts[1].active_at
    state.open(subject)
    assert state.window == WINDOWS[1] > NOW - some().alerts[1].active_at
    state.open(None)
    assert state.window == WINDOWS[0]
    state.open(subject)
    state.next_window()
    assert state.window == WINDOWS[2], "the key goes on from what is shown"
    state.open(("host", "web-1"))
    assert state.window == WINDOWS[2]


def test_the_cursor_of_the_charts_stays_in_their_range_and_goes_with_their_page() -> None:
    state = showing()
    assert state.why_no_cursor() is not None
    state.open(("host", "web-1"))
    assert state.why_no_cursor() is None
    state.move_cursor(1)
    assert state.cursor is None, "there is nothing later than the newest value"
    state.move_cursor(-3)
    assert state.cursor == NOW - 3 * WINDOWS[0] / CURSOR_STEPS
    state.move_cursor(-10 * CURSOR_STEPS)
    assert state.cursor == NOW - WINDOWS[0]
    state.move_cursor(CURSOR_STEPS)
    assert state.cursor is None
    state.move_cursor(-1)
    state.open(("host", "db-1"))
    assert state.cursor is None


def test_charts_of_young_data_show_no_more_time_than_it_fills() -> None:
    state = showing()
    state.open(("host", "web-1"))
    state.data_since = NOW - timedelta(seconds=90)
    assert (state.window, state.chosen_window) == (timedelta(minutes=2), WINDOWS[0])
    state.next_window()
    assert (state.window, state.chosen_window) == (timedelta(minutes=2), WINDOWS[1]), (
        "what is chosen holds once it is older"
    )
    state.data_since = NOW - timedelta(hours=2)
    assert state.window == WINDOWS[1]
    state.open(None)
    assert state.window == WINDOWS[1], "it is of that page alone"


def test_what_fails_at_once_stands_in_the_order_of_the_configuration() -> None:
    """Hosts are tried one after the other: which one is the first is chance."""
    hosts = [host(f"web-{number}", Level.FAILING, None) for number in (*range(1, 13),)]
    since = {view.name: NOW - timedelta(seconds=60, milliseconds=number * 700 % 2300)
             for number, view in enumerate(hosts)}  # fmt: skip
    overview = Overview(NOW, {view.name: replace(view, since=since[view.name]) for view in hosts}, {})
    assert [name for _kind, name in MetricsState().problems(overview)] == [view.name for view in hosts]
    late = {**overview.hosts, "web-12": replace(overview.hosts["web-12"], since=NOW - timedelta(seconds=90))}
    assert next(iter(MetricsState().problems(replace(overview, hosts=late)))) == ("host", "web-12"), "the oldest first"
