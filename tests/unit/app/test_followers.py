"""Which alerts have begun to fire since the last look."""

from __future__ import annotations

from msgspec.structs import replace

from lilfox_tui.alerts.model import Acknowledgement, Alert, Alerts, AlertState
from lilfox_tui.app.followers import NewlyFiring
from tests.unit.alerts.made import T0, alert, at


def state(*alerts: Alert) -> Alerts:
    return Alerts(T0, (), alerts)


def test_what_fires_at_the_first_look_is_not_new_and_the_next_is_once() -> None:
    newly = NewlyFiring()
    old, new = alert("Old"), alert("New", fired=30)
    assert newly.take(state(old)) == ()
    assert newly.take(state(old, new)) == (new,)
    assert newly.take(state(old, new)) == ()


def test_an_alert_that_fires_anew_is_new() -> None:
    newly = NewlyFiring()
    newly.take(state(alert(fired=10)))
    assert newly.take(state(alert(state=AlertState.RESOLVED, fired=10, resolved=20))) == ()
    again = alert(fired=40)
    assert newly.take(state(again)) == (again,)


def test_pending_acknowledged_and_silenced_ones_are_not_told() -> None:
    newly = NewlyFiring()
    newly.take(state())
    seen = replace(alert("Seen"), acknowledged=Acknowledgement("ada", at(5)))
    silenced = replace(alert("Silenced"), silenced_by=("1",))
    assert newly.take(state(alert("Pending", AlertState.PENDING), seen, silenced)) == ()
    assert newly.take(state(replace(seen, acknowledged=None), replace(silenced, silenced_by=()))) == (), "nor later"
