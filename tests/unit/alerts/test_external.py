"""Alerts of a Prometheus and an Alertmanager put together: which are one, and what becomes of those that are gone."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from lilfox_tui.alerts.external import RESOLVED_SHOWN, ExternalAlerts
from lilfox_tui.alerts.model import Alert, Alerts, AlertState
from lilfox_tui.core.aio import Ready
from lilfox_tui.metrics.model import Labels, Level
from lilfox_tui.monitor.export_sections import alerts_level
from lilfox_tui.promql.remote import RemoteAlert, RemoteGroup, RemoteRule
from tests.unit.alerts.made import T0, alert


def external(*told: Alert, **state: str) -> ExternalAlerts:
    """One rule with an alert ``Slow`` in the given state, and what Alertmanager was told."""
    made = ExternalAlerts(None, None)
    own = tuple(RemoteAlert({"alertname": name}, each, T0, "2") for name, each in state.items())
    made._groups = (
        RemoteGroup("g", "r.yml", rules=(RemoteRule("alerting", "Slow", "x > 1", for_s=300.0, alerts=own),)),
    )
    made._told = told
    return made


def silenced(name: str = "Slow", more: Labels = ()) -> Alert:
    return Alert((("alertname", name), *more), (), AlertState.FIRING, T0, 0.0, silenced_by=("s",))


def test_an_alert_with_the_senders_external_labels_is_the_same_one() -> None:
    (one,) = external(silenced(more=(("monitor", "lilfox"),)), Slow="firing")._together("http://p")
    assert (one.labels, one.silenced_by, one.value) == ((("alertname", "Slow"),), ("s",), 2.0)


def test_since_when_it_fires_is_what_alertmanager_was_told_else_a_for_after_it_held() -> None:
    (one,) = external(Slow="firing")._together("http://p")
    assert (one.active_at, one.fired_at) == (T0, T0 + timedelta(minutes=5))
    told = msgspec.structs.replace(silenced(), fired_at=T0 + timedelta(minutes=6))
    (one,) = external(told, Slow="firing")._together("http://p")
    assert one.fired_at == T0 + timedelta(minutes=6)
    (one,) = external(Slow="pending")._together("http://p")
    assert one.fired_at is None


def test_an_alert_that_fires_elsewhere_is_failing() -> None:
    alerts = external(Slow="firing")._together("http://p")
    now = Ready(Alerts(T0, (), tuple(alerts), (), evaluated_here=False), T0)
    assert alerts_level(now) is Level.FAILING


def test_what_only_one_of_them_knows_is_there_too() -> None:
    found = external(silenced("Other"), Slow="firing")._together("http://p")
    assert [(one.name, one.silenced_by) for one in found] == [("Slow", ()), ("Other", ("s",))]
    pending, told = external(silenced(), Slow="pending")._together("http://p")
    assert (pending.state, pending.silenced_by, told.silenced_by) == (AlertState.PENDING, (), ("s",))


def test_what_is_gone_is_resolved_for_a_while_but_not_where_somebody_did_not_answer() -> None:
    made = ExternalAlerts(None, None)
    made._with_resolved([alert()], T0, known=True)
    (still,) = made._with_resolved([], T0, known=False)
    assert still.state is AlertState.FIRING
    (over,) = made._with_resolved([], T0, known=True)
    assert (over.state, over.resolved_at) == (AlertState.RESOLVED, T0)
    (shown,) = made._with_resolved([], T0 + RESOLVED_SHOWN - timedelta(seconds=1), known=True)
    assert shown.resolved_at == T0
    assert made._with_resolved([], T0 + RESOLVED_SHOWN, known=True) == ()
