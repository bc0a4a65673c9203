"""Who is told what and when, on a clock that the test moves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import Acknowledgement, Alert, AlertState
from lilfox_tui.alerts.notification_plan import NotificationPlan, NotificationPlanner, plan_resend, receiver
from lilfox_tui.alerts.notifier import Notification, body, subject, summary
from lilfox_tui.alerts.storage import NotifiedAlert
from lilfox_tui.config.model import AlertsConfig, NotifierConfig
from lilfox_tui.config.values import Seconds, Wait
from lilfox_tui.core.errors import UsageError
from lilfox_tui.incident.model import AlertChanged
from lilfox_tui.incident.reducer import event_text
from lilfox_tui.metrics.model import Labels
from tests.unit.alerts.made import alert, at, notice

RESOLVED, PENDING = AlertState.RESOLVED, AlertState.PENDING
CONFIG = AlertsConfig(group_wait=Wait(10), group_interval=Seconds(300), remind=Seconds(3600), resend=Seconds(60))


class Listener:
    """A receiver that takes everything at once, and what it was told."""

    def __init__(self, config: AlertsConfig = CONFIG, *, only: Sequence[str] = (), resolved: bool = True) -> None:
        numbers = itertools.count(1)
        self.config = config
        self.to = receiver("them", NotifierConfig(kind="webhook", only=tuple(only), resolved=resolved))
        self._telling = NotificationPlanner(self.to, config, lambda: f"id-{next(numbers)}")
        self.told: dict[Labels, NotifiedAlert] = {}
        self.heard: list[Notification] = []
        self.look_at: datetime | None = None

    def at(self, seconds: float, *alerts: Alert, **more: Any) -> list[str]:
        """What it is told then, as ``reason: firing / resolved``."""
        return self._take(self._telling.plan(alerts, self.told, at(seconds), **more))

    def all_at(self, seconds: float, *alerts: Alert) -> list[str]:
        """The same for one who is told everything."""
        return self._take(plan_resend(self.to, self.config, alerts, self.told, at(seconds), interval_s=15))

    def _take(self, plan: NotificationPlan) -> list[str]:
        for labels in plan.over:
            del self.told[labels]
        self.told |= {one.alert.labels: one for one in plan.told}
        self.heard += plan.notices
        self.look_at = plan.look_at
        return [f"{one.reason}: {names(one.firing)} / {names(one.resolved)}" for one in plan.notices]


def names(alerts: Sequence[Alert]) -> str:
    return " ".join(each.label("instance") or each.name for each in alerts)


def muted(one: Alert) -> Alert:
    return replace(one, silenced_by=("s",))


def acknowledged(one: Alert) -> Alert:
    return replace(one, acknowledged=Acknowledgement("kim", at(1)))


A, B = alert(instance="a"), alert(instance="b", fired=5)
A_OVER, B_OVER = alert(instance="a", state=RESOLVED), alert(instance="b", fired=5, state=RESOLVED, resolved=70)


def test_a_group_is_told_once_and_its_end_once() -> None:
    them = Listener()
    assert them.at(0, A) == []
    assert them.look_at == at(10)
    assert them.at(10, A, B) == ["firing: a b / "]
    for seconds in range(11, 300, 15):
        assert them.at(seconds, A, B) == []
    assert them.at(400, A_OVER, B_OVER) == ["resolved:  / a b"]
    assert [them.at(seconds, A_OVER, B_OVER) for seconds in (401, 500, 9999)] == [[], [], []]
    assert len({one.thread for one in them.heard}) == 1
    assert len({one.id for one in them.heard}) == 2
    assert them.told == {}


@pytest.mark.fault("4.67")
def test_without_a_wait_it_is_told_in_the_moment_in_which_it_fires() -> None:
    listener = Listener(replace(CONFIG, group_wait=Wait(0)))
    assert listener.at(0, alert(instance="a")) == ["firing: a / "]


def test_groups_are_by_labels() -> None:
    other = alert("Other")
    them = Listener()
    assert sorted(them.at(10, A, B, other)) == ["firing: Other / ", "firing: a b / "]
    assert {one.group for one in them.heard} == {(("alertname", "Slow"),), (("alertname", "Other"),)}
    everything = Listener(AlertsConfig(group_by=()))
    assert everything.at(10, A, other) == ["firing: a Other / "]


def test_what_joins_or_leaves_a_group_waits_for_the_interval() -> None:
    them = Listener()
    assert them.at(10, A) == ["firing: a / "]
    assert them.at(20, A, B) == []
    assert them.look_at == at(310)
    assert them.at(310, A, B) == ["firing: a b / "]
    assert them.at(400, A_OVER, B) == []
    assert them.at(610, A_OVER, B) == ["resolved: b / a"]
    assert them.at(620, A_OVER, B_OVER) == ["resolved:  / b"]


def test_what_is_over_before_it_was_told_is_not_told() -> None:
    them = Listener()
    assert [them.at(seconds, one) for seconds, one in ((0, A), (5, A_OVER), (60, A_OVER))] == [[], [], []]


def test_pending_alerts_are_not_told() -> None:
    them = Listener()
    assert them.at(60, alert(state=PENDING)) == []
    assert them.look_at is None


def test_what_fires_again_is_told_again() -> None:
    them = Listener()
    assert them.at(10, A) == ["firing: a / "]
    assert them.at(60, A_OVER) == ["resolved:  / a"]
    again = alert(instance="a", fired=100)
    assert them.at(105, again) == []
    assert them.at(110, again) == ["firing: a / "]
    assert len({one.thread for one in them.heard}) == 2
    between = alert(instance="a", fired=400)
    assert them.at(500, between) == ["firing: a / "], "its end was not seen"
    assert them.at(600, alert(instance="a", state=PENDING)) == ["resolved:  / a"]


def test_reminders_come_until_somebody_acknowledges() -> None:
    them = Listener()
    them.at(10, A)
    assert them.at(3609, A) == ["reminder: a / "], "a second early is in time"
    assert them.at(3620, A) == []
    assert them.look_at == at(3609 + 3600)
    assert them.at(7300, acknowledged(A)) == []
    assert them.at(7300, A) == ["reminder: a / "]
    assert Listener(AlertsConfig(remind=None)).at(10, A) == ["firing: a / "]
    never = Listener(AlertsConfig(remind=None))
    never.at(10, A)
    assert never.at(10**7, A) == []


def test_nobody_is_reminded_of_what_was_not_taken_yet() -> None:
    them = Listener()
    them.at(10, A)
    assert them.at(4000, A, waiting={A.labels[:1]}) == []
    assert them.at(4001, A_OVER, waiting={A.labels[:1]}) == ["resolved:  / a"]


@pytest.mark.parametrize("quiet", [muted, acknowledged])
def test_silenced_and_acknowledged_alerts_are_not_told_but_their_end_is(quiet: Any) -> None:
    them = Listener()
    assert them.at(10, quiet(A)) == []
    assert them.at(500, quiet(A), B) == ["firing: b / "]
    assert them.at(1000, A, B) == ["firing: a b / "], "the silence is over"
    assert them.at(1400, quiet(A), B) == []
    assert them.at(2000, A_OVER, quiet(B)) == ["resolved:  / a"]
    assert them.at(2010, A_OVER, B_OVER) == ["resolved:  / b"]


def test_a_receiver_may_want_some_alerts_and_no_ends() -> None:
    them = Listener(only=['instance=~"a|c"'], resolved=False)
    assert them.at(10, A, B) == ["firing: a / "]
    assert them.at(60, A_OVER, B) == []
    assert them.told == {}
    with pytest.raises(UsageError, match="option only of notifier them"):
        Listener(only=["instance"])


def test_an_alert_that_is_no_more_has_ended_now() -> None:
    them = Listener()
    them.at(10, A)
    assert them.at(60) == ["resolved:  / a"]
    assert them.heard[-1].resolved[0].resolved_at == at(60)


def test_two_rules_with_the_same_alert_are_one_to_a_receiver() -> None:
    them = Listener()
    assert them.at(10, replace(A_OVER, rule="other"), A) == ["firing: a / "]
    assert them.at(70, A_OVER, replace(A, rule="other")) == []


def test_external_labels_go_out_and_own_labels_stay() -> None:
    them = Listener(AlertsConfig(external_labels={"site": "eu", "instance": "no"}, external_url="https://fox"))
    them.at(10, A)
    assert dict(them.heard[0].firing[0].labels) == {"alertname": "Slow", "instance": "a", "site": "eu"}
    assert them.heard[0].external_url == "https://fox"
    assert them.at(60, A_OVER) == ["resolved:  / a"]


def test_a_clock_that_is_set_back_delays_little() -> None:
    them = Listener()
    late = alert(instance="a", fired=7200)
    assert them.at(3600, late) == ["firing: a / "]
    assert them.at(3600, alert(instance="a", fired=7200, state=RESOLVED)) == ["resolved:  / a"]


def test_ten_thousand_alerts_are_planned_in_a_moment() -> None:
    them = Listener()
    many = [alert(instance=str(number)) for number in range(10_000)]
    begun = datetime.now(UTC)
    them.at(10, *many)
    them.at(60, *(replace(one, state=RESOLVED, resolved_at=at(50)) for one in many))
    assert [len(one.firing) + len(one.resolved) for one in them.heard] == [10_000, 10_000]
    assert datetime.now(UTC) - begun < timedelta(seconds=5)


def test_who_is_told_all_is_told_again_and_again_until_the_end() -> None:
    am = Listener()
    assert am.all_at(0) == []
    assert am.all_at(1, A) == ["firing: a / "]
    assert am.heard[-1].valid_until == at(1 + 240)
    assert am.all_at(15, A) == []
    assert am.look_at == at(61)
    assert am.all_at(30, A, B) == ["firing: a b / "], "what is new is told at once"
    assert am.all_at(90, A, B) == ["firing: a b / "]
    assert am.all_at(105, A_OVER, B) == ["firing: b / a"]
    assert am.all_at(120, A_OVER, B) == []
    assert am.all_at(121, A_OVER, B_OVER) == ["resolved:  / b"]
    assert am.all_at(200, A_OVER, B_OVER) == []


def test_who_is_told_all_does_not_take_a_silence_for_an_end() -> None:
    am = Listener()
    assert am.all_at(1, A, muted(B)) == ["firing: a / "]
    assert am.all_at(70, muted(A), muted(B)) == ["firing: a / "]
    assert am.all_at(80, A_OVER, B) == ["firing: b / a"]


def test_the_subject_says_what_a_message_is_about() -> None:
    told = notice("resolved", firing=(A,), resolved=(B_OVER, B_OVER))
    assert subject(told) == "[RESOLVED 2, STILL FIRING 1] Slow"
    assert subject(notice("reminder", firing=(A,), group=())) == "[STILL FIRING 1] Slow"
    assert len(subject(notice(firing=(alert("x" * 500),), group=(("alertname", "x" * 500),)))) <= 150
    text = body(
        notice(firing=tuple(alert(f"A{number}", annotations={"a": "1\n2\r\n3\x1b[2J"}) for number in range(60)))
    )
    assert text.count("FIRING") == 50
    assert "    2\n    3␛[2J" in text
    assert text.endswith("and 10 more\n")


@pytest.mark.fault("4.74")
def test_what_a_resolved_alert_says_is_in_the_past() -> None:
    text = {"summary": "a: 94% of all requests fail"}
    assert summary(alert(annotations=text)) == "a: 94% of all requests fail"
    assert summary(alert(state=RESOLVED, annotations=text)) == "was: a: 94% of all requests fail"
    assert summary(alert(state=RESOLVED)) == ""
    changed = AlertChanged(name="Slow", labels={}, state="resolved", since=at(0), summary=text["summary"])
    assert event_text(changed) == "alert Slow resolved  was: a: 94% of all requests fail"
    assert "was:" not in event_text(replace(changed, state="firing"))
