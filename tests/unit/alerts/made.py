"""Alerts and notices for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from lilfox_tui.alerts.model import Alert, AlertState
from lilfox_tui.alerts.notifier import Notification, Reason

T0 = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So long after T0."""
    return T0 + timedelta(seconds=seconds)


def alert(
    name: str = "Slow",
    state: AlertState = AlertState.FIRING,
    *,
    fired: float | None = None,
    resolved: float | None = None,
    annotations: dict[str, str] | None = None,
    value: float = 3.5,
    **labels: str,
) -> Alert:
    """An alert that began at T0; ``fired`` and ``resolved`` are seconds after it."""
    if fired is None and state is not AlertState.PENDING:
        fired = 0.0
    if resolved is None and state is AlertState.RESOLVED:
        resolved = 60.0
    pairs = tuple(sorted({"alertname": name, **labels}.items()))
    return Alert(
        pairs,
        tuple(sorted((annotations or {}).items())),
        state,
        T0,
        value,
        None if fired is None else at(fired),
        None if resolved is None else at(resolved),
        rule="r.yml;g;0",
    )


def notice(reason: Reason = "firing", **more: Any) -> Notification:
    """A notice of one alert that fires, unless told otherwise."""
    given: dict[str, Any] = {"firing": (alert(),), "group": (("alertname", "Slow"),)} | more
    return Notification("id-1", "thread-1", T0, "them", reason, **given)
