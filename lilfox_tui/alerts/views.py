"""Alerts as people see them: with who acknowledged them and what silences them, worst first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec.structs import replace

from lilfox_tui.alerts.model import Acknowledgement, Alert, Alerts, AlertState, RuleView, Silence, worst_first
from lilfox_tui.alerts.rule_group import alert_view
from lilfox_tui.alerts.silences import is_active, matches_all, silences_of_windows
from lilfox_tui.alerts.storage import AlertStorage
from lilfox_tui.maintenance import windows
from lilfox_tui.metrics.model import Labels


def annotated(
    alerts: Iterable[Alert],
    acknowledged: Mapping[Labels, Acknowledgement],
    silences: Iterable[Silence],
    now: datetime,
) -> tuple[Alert, ...]:
    """``alerts`` in their order, with what is said of them at ``now``. Blocks: windows of maintenance are read."""
    active = [one for one in (*silences, *silences_of_windows(windows(now))) if is_active(one, now)]
    found = []
    for alert in alerts:
        by = tuple(dict.fromkeys(one.id for one in active if matches_all(one.matchers, alert.labels)))
        seen = acknowledged.get(alert.labels) if alert.state is not AlertState.RESOLVED else None
        found.append(replace(alert, acknowledged=seen, silenced_by=by) if by or seen else alert)
    return worst_first(found)


def alerts_from_storage(saved: AlertStorage, now: datetime) -> Alerts:
    """What the LilFox that evaluates has kept last. Blocks. Raises LilFoxError."""
    rules: list[RuleView] = []
    alerts: list[Alert] = []
    for name, group in saved.groups().items():
        rules += group.views
        for identity, found in saved.alerts(name).items():
            alerts += [alert_view(group.keys.get(identity, identity), alert) for alert in found]
    silences = saved.silences()
    shown = annotated(alerts, saved.acknowledgements(), silences, now)
    return Alerts(now, tuple(rules), shown, silences, evaluated_here=False, troubles=saved.troubles())
