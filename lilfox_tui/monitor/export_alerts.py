"""Alerts for other programs: in the reports, and as the series that Prometheus itself has of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lilfox_tui.errors import NotEvaluated
from lilfox_tui.feed import Pending, Ready, State, Unavailable
from lilfox_tui.metrics.model import Labels, Level
from lilfox_tui.monitor.export_forms import Family, Line

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert, Alerts

_NO_NAME_CHARACTER = re.compile(r"^(?=[0-9])|[^a-zA-Z0-9_]")


def alerts_level(state: State[Alerts] | None) -> Level:
    """How bad the alerts are, silenced ones not among them; GOOD where there are no rules, UNKNOWN where nobody has
    evaluated them. FAILING where one may be missing, or who knows them does not answer: nobody would hear of what goes
    wrong."""
    if state is None:
        return Level.GOOD
    if isinstance(state, Unavailable):
        return Level.UNKNOWN if isinstance(state.error, NotEvaluated) else Level.FAILING
    if isinstance(state, Pending):
        return Level.UNKNOWN
    live = [alert for alert in state.value.alerts if alert.resolved_at is None and not alert.silenced_by]
    if state.value.blind or any(alert.fired_at is not None for alert in live):
        return Level.FAILING
    return Level.DEGRADED if live or state.value.troubles else Level.GOOD


def alerts_document(state: State[Alerts] | None) -> dict[str, Any] | None:
    """What is known of alerts; None where the config names no rules. ``why`` tells why nothing is known."""
    if state is None:
        return None
    if not isinstance(state, Ready):
        return {"known": False, "why": None if isinstance(state, Pending) else str(state.error)}
    alerts = state.value
    return {
        "known": True,
        "at": alerts.at.isoformat(),
        "evaluated_here": alerts.evaluated_here,
        "alerts": [alert_document(alert) for alert in alerts.alerts],
        "rules": len(alerts.rules),
        "failing_rules": [
            {"name": rule.name, "group": rule.group, "error": str(rule.error)}
            for rule in alerts.rules
            if rule.error is not None
        ],
        "rules_without_data": [rule.name for rule in alerts.rules if rule.health.name == "NO_DATA"],
        "troubles": [str(each) for each in alerts.troubles],
    }


def alert_document(alert: Alert) -> dict[str, Any]:
    """One alert as JSON has it: times in ISO 8601, UTC; a value that JSON cannot hold is null."""
    seen = alert.acknowledged
    return {
        "state": alert.state.name.lower(),
        "name": alert.name,
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "value": alert.value if math.isfinite(alert.value) else None,
        "active_at": _time(alert.active_at),
        "fired_at": _time(alert.fired_at),
        "resolved_at": _time(alert.resolved_at),
        "rule": alert.rule,
        "acknowledged": None if seen is None else {"by": seen.by, "at": _time(seen.at), "note": seen.note},
        "silenced_by": list(alert.silenced_by),
    }


def alerts_families(state: State[Alerts] | None) -> Iterator[Family]:
    """``ALERTS`` and ``ALERTS_FOR_STATE`` as Prometheus has them, and how rules and what is told do."""
    if state is None:
        return
    known = isinstance(state, Ready)
    yield "lilfox_alerts_known", "gauge", "Whether it is known what fires.", [((), float(known))]
    if not isinstance(state, Ready):
        return
    live = [alert for alert in state.value.alerts if alert.resolved_at is None]
    shown: list[Line] = [((*_named(alert.labels), ("alertstate", alert.state.name.lower())), 1.0) for alert in live]
    since: list[Line] = [(_named(alert.labels), alert.active_at.timestamp()) for alert in live]
    yield "ALERTS", "gauge", "Alerts that are pending or firing.", shown
    yield "ALERTS_FOR_STATE", "gauge", "Since when an alert's expression has held, in seconds since 1970.", since
    silenced = sum(bool(alert.silenced_by) for alert in live)
    yield "lilfox_alerts_silenced", "gauge", "Alerts that are silenced.", [((), float(silenced))]
    failing = sum(rule.error is not None for rule in state.value.rules)
    yield "lilfox_rules_failing", "gauge", "Rules whose last evaluation failed.", [((), float(failing))]
    yield "lilfox_alert_troubles", "gauge", "What does not go as it should.", [((), float(len(state.value.troubles)))]


def _named(labels: Labels) -> Labels:
    """Labels whose names the text format can hold, each once."""
    taken, named = {"alertstate"}, {}
    for name, _value in sorted(labels, key=lambda pair: _NO_NAME_CHARACTER.search(pair[0]) is not None):
        plain = _NO_NAME_CHARACTER.sub("_", name)
        while plain in taken:
            plain += "_"
        taken.add(plain)
        named[name] = plain
    return tuple((named[name], value) for name, value in labels)


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
