"""Alerts of a time that is past."""

from __future__ import annotations

from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, Alerts, AlertState
from lilfox_tui.monitor.watchers.alert import ALERTS_KEPT, KEPT, PastAlerts
from tests.unit.alerts.made import alert, at


def state(seconds: float, *alerts: Alert) -> Alerts:
    return Alerts(at(seconds), (), alerts)


def test_the_state_of_then_is_the_last_one_before() -> None:
    past = PastAlerts()
    past.keep(state(0))
    past.keep(state(10, alert(state=AlertState.PENDING)))
    past.keep(state(20, alert()))
    assert past.at(at(-1)) is None, "unknown is not none"
    assert past.at(at(0)) == state(0)
    assert past.at(at(19.9)) == state(10, alert(state=AlertState.PENDING))
    assert past.at(at(999)) == state(20, alert())


def test_values_alone_are_no_new_state() -> None:
    past = PastAlerts()
    past.keep(state(0, alert(value=1.0)))
    past.keep(state(10, alert(value=2.0)))
    assert past.at(at(10)) == state(0, alert(value=1.0))
    past.keep(state(20, replace(alert(), silenced_by=("x",))))
    found = past.at(at(20))
    assert found is not None
    assert found.alerts[0].silenced_by == ("x",)


def test_it_is_bounded_and_a_clock_that_is_set_back_forgets_what_is_later() -> None:
    past = PastAlerts()
    for second in range(KEPT + 50):
        past.keep(state(second, *([alert()] if second % 2 else [])))
    assert past.at(at(49)) is None
    assert past.at(at(50)) is not None
    past.keep(state(100, alert("Other")))
    found = past.at(at(KEPT))
    assert found is not None
    assert [one.name for one in found.alerts] == ["Other"]


def test_many_alerts_leave_room_for_fewer_states() -> None:
    past = PastAlerts()
    many = [alert(f"Slow{number}") for number in range(ALERTS_KEPT // 4)]
    for second in range(10):
        past.keep(state(second, *many[second:]))
    assert past.at(at(4)) is None
    assert past.at(at(9)) is not None
    past.keep(state(10, *many, *many, *many, *many, *many))
    assert past.at(at(10)) is not None, "the newest is there, however large"
