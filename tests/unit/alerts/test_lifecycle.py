"""The life of alerts: what Prometheus' rules/alerting.go does, and what happens over a restart."""

from __future__ import annotations

import pytest

from lilfox_tui.alerts.lifecycle import (
    DATA_AWAITED_MS,
    LOOKS_BEFORE_GONE,
    RESOLVED_KEPT_MS,
    AlertChange,
    AlertChangeKind,
    AlertSample,
    EvaluationGap,
    LiveAlert,
    RuleAlerts,
)
from lilfox_tui.alerts.model import AlertState
from lilfox_tui.scrape.labels import LabelSet

MINUTE = 60_000
WEB = LabelSet.of({"alertname": "Down", "instance": "web:80"})
DB = LabelSet.of({"alertname": "Down", "instance": "db:5432"})
ON = {WEB: AlertSample(1.0)}


def kinds(changes: list[AlertChange]) -> list[AlertChangeKind]:
    return [change.kind for change in changes]


def only(state: RuleAlerts) -> LiveAlert:
    (alert,) = state.alerts
    return alert


def test_fires_when_it_has_been_pending_for_exactly_for() -> None:
    state = RuleAlerts(for_ms=5 * MINUTE)
    assert kinds(state.take(ON, 0)) == [AlertChangeKind.STARTED]
    assert state.take(ON, 5 * MINUTE - 1) == []
    assert only(state).state is AlertState.PENDING
    assert kinds(state.take(ON, 5 * MINUTE)) == [AlertChangeKind.FIRED]
    assert only(state).fired_at_ms == 5 * MINUTE
    assert only(state).active_at_ms == 0


def test_without_for_it_fires_at_once() -> None:
    state = RuleAlerts(for_ms=0)
    assert kinds(state.take(ON, 7)) == [AlertChangeKind.STARTED, AlertChangeKind.FIRED]


def test_a_pending_alert_that_ends_is_dropped_and_begins_anew() -> None:
    state = RuleAlerts(for_ms=5 * MINUTE)
    state.take(ON, 0)
    assert kinds(state.take({}, MINUTE)) == [AlertChangeKind.DROPPED]
    assert state.alerts == ()
    state.take(ON, 2 * MINUTE)
    assert state.take(ON, 6 * MINUTE) == []
    assert kinds(state.take(ON, 7 * MINUTE)) == [AlertChangeKind.FIRED]


def test_a_resolved_alert_is_kept_for_15_minutes_and_not_a_moment_longer_than_needed() -> None:
    state = RuleAlerts(for_ms=0)
    state.take(ON, 0)
    assert kinds(state.take({}, MINUTE)) == [AlertChangeKind.RESOLVED]
    assert state.active == ()
    state.take({}, MINUTE + RESOLVED_KEPT_MS)
    assert only(state).resolved_at_ms == MINUTE
    state.take({}, MINUTE + RESOLVED_KEPT_MS + 1)
    assert state.alerts == ()


def test_a_resolved_alert_that_comes_back_is_a_new_one() -> None:
    state = RuleAlerts(for_ms=MINUTE)
    state.take(ON, 0)
    state.take(ON, MINUTE)
    state.take({}, 2 * MINUTE)
    assert kinds(state.take(ON, 3 * MINUTE)) == [AlertChangeKind.STARTED]
    assert only(state).state is AlertState.PENDING
    assert only(state).active_at_ms == 3 * MINUTE
    assert only(state).resolved_at_ms is None


def test_value_and_annotations_are_those_of_the_last_evaluation() -> None:
    state = RuleAlerts(for_ms=0)
    state.take({WEB: AlertSample(1.0, (("summary", "one"),))}, 0)
    state.take({WEB: AlertSample(2.0, (("summary", "two"),))}, 1)
    assert (only(state).value, only(state).annotations) == (2.0, (("summary", "two"),))


def test_alerts_of_one_rule_live_by_themselves() -> None:
    state = RuleAlerts(for_ms=MINUTE)
    state.take(ON, 0)
    state.take({WEB: AlertSample(1.0), DB: AlertSample(1.0)}, MINUTE)
    assert [(labels, alert.state) for labels, alert in state.active] == [
        (WEB, AlertState.FIRING),
        (DB, AlertState.PENDING),
    ]


def test_keep_firing_for_holds_it_and_a_return_makes_that_begin_anew() -> None:
    state = RuleAlerts(for_ms=0, keep_firing_ms=5 * MINUTE)
    state.take(ON, 0)
    state.take({}, MINUTE)
    assert only(state).keep_firing_since_ms == MINUTE
    state.take(ON, 2 * MINUTE)
    assert only(state).keep_firing_since_ms is None
    state.take({}, 3 * MINUTE)
    assert state.take({}, 8 * MINUTE - 1) == []
    assert kinds(state.take({}, 8 * MINUTE)) == [AlertChangeKind.RESOLVED]


def test_count_after_counts_what_is_kept_firing_too() -> None:
    state = RuleAlerts(for_ms=0, keep_firing_ms=MINUTE)
    state.take({WEB: AlertSample(1.0), DB: AlertSample(1.0)}, 0)
    assert state.count_after([WEB], 1) == 2
    assert state.count_after([], 1) == 2
    assert RuleAlerts(for_ms=0).count_after([WEB], 1) == 1


def test_a_clock_that_is_set_back_delays_nothing() -> None:
    hour = 60 * MINUTE
    state = RuleAlerts(for_ms=5 * MINUTE)
    state.take(ON, hour)
    state.take(ON, 0)
    assert kinds(state.take(ON, 5 * MINUTE)) == [AlertChangeKind.FIRED]
    state.take({}, hour)
    state.take({}, 0)
    state.take({}, RESOLVED_KEPT_MS + 1)
    assert state.alerts == ()


def before(for_ms: int, *, until_ms: int) -> tuple[LiveAlert, ...]:
    """An alert that is active from 0 on, as it was saved at ``until_ms``."""
    state = RuleAlerts(for_ms)
    state.take(ON, 0)
    state.take(ON, until_ms)
    return state.alerts


def fires_after_ms(state: RuleAlerts, start_ms: int) -> int:
    for at_ms in range(start_ms, start_ms + 120 * MINUTE, MINUTE // 2):
        if AlertChangeKind.FIRED in kinds(state.take(ON, at_ms)):
            return at_ms - start_ms
    raise AssertionError("it never fires")


@pytest.mark.parametrize(
    ("for_min", "pending_min", "outage", "fires_after_min"),
    [
        pytest.param(60, 30, EvaluationGap(30 * MINUTE, 50 * MINUTE), 30, id="time down is not counted"),
        pytest.param(60, 55, EvaluationGap(55 * MINUTE, 60 * MINUTE), 10, id="not before the grace period"),
        pytest.param(60, 30, EvaluationGap(30 * MINUTE, 91 * MINUTE), 60, id="too long an outage: anew"),
        pytest.param(5, 3, EvaluationGap(3 * MINUTE, 4 * MINUTE), 5, id="for shorter than the grace period: anew"),
        pytest.param(5, 3, EvaluationGap(3 * MINUTE, 4 * MINUTE, grace_ms=0), 2, id="no grace: what is left"),
    ],
)
def test_pending_time_over_a_restart(
    for_min: int, pending_min: int, outage: EvaluationGap, fires_after_min: int
) -> None:
    state = RuleAlerts(for_min * MINUTE)
    state.restore(before(for_min * MINUTE, until_ms=pending_min * MINUTE), outage)
    assert fires_after_ms(state, outage.to_ms) == fires_after_min * MINUTE


def test_a_firing_alert_goes_on_firing_after_a_restart_and_is_not_told_anew() -> None:
    state = RuleAlerts(5 * MINUTE)
    state.restore(before(5 * MINUTE, until_ms=6 * MINUTE), EvaluationGap(6 * MINUTE, 600 * MINUTE))
    assert state.take(ON, 600 * MINUTE) == []
    assert only(state).state is AlertState.FIRING


def test_an_alert_that_ended_during_the_outage_is_resolved_once_data_was_seen() -> None:
    state = RuleAlerts(0)
    state.restore(before(0, until_ms=MINUTE), EvaluationGap(MINUTE, 2 * MINUTE))
    for look in range(1, LOOKS_BEFORE_GONE):
        assert state.take({}, 2 * MINUTE, no_data=True) == []
        assert state.take({}, 2 * MINUTE + look) == []
    assert kinds(state.take({}, 3 * MINUTE)) == [AlertChangeKind.RESOLVED]
    assert state.take({}, 4 * MINUTE) == []


def test_without_any_data_a_restored_alert_ends_after_a_while() -> None:
    state = RuleAlerts(0)
    state.restore(before(0, until_ms=MINUTE), EvaluationGap(MINUTE, 2 * MINUTE))
    until_ms = 2 * MINUTE + DATA_AWAITED_MS
    assert state.take({}, until_ms - 1, no_data=True) == []
    ends = [
        change.kind for look in range(LOOKS_BEFORE_GONE) for change in state.take({}, until_ms + look, no_data=True)
    ]
    assert ends == [AlertChangeKind.RESOLVED]


def test_while_its_window_begins_before_the_outage_a_rule_ends_nothing() -> None:
    state = RuleAlerts(0)
    state.restore(before(0, until_ms=MINUTE), EvaluationGap(MINUTE, 2 * MINUTE, blind_ms=5 * MINUTE))
    assert [state.take({}, 2 * MINUTE + look) for look in range(10)] == [[]] * 10
    assert state.take({}, 7 * MINUTE - 1) == []
    assert kinds(state.take({}, 7 * MINUTE)) == [AlertChangeKind.RESOLVED]


def test_a_restored_alert_that_was_found_again_is_an_ordinary_one() -> None:
    state = RuleAlerts(0, keep_firing_ms=0)
    state.restore(before(0, until_ms=MINUTE), EvaluationGap(MINUTE, 2 * MINUTE))
    state.take(ON, 2 * MINUTE)
    assert kinds(state.take({}, 3 * MINUTE)) == [AlertChangeKind.RESOLVED]


def test_a_rule_that_was_read_again_goes_on_where_the_old_one_was() -> None:
    old = RuleAlerts(5 * MINUTE)
    old.take(ON, 0)
    new = RuleAlerts(3 * MINUTE)
    new.continue_from(old)
    assert kinds(new.take(ON, 3 * MINUTE)) == [AlertChangeKind.FIRED]
