"""A notice as JSON: the document that Alertmanager sends to webhooks (its template.Data, version 4)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from lilfox_tui.alerts.model import Alert, AlertState
from lilfox_tui.alerts.notifier import Notification
from lilfox_tui.metrics.model import Labels
from lilfox_tui.scrape.labels import quoted

MOST_ALERTS = 500
"""More of one notice are counted in ``truncatedAlerts``."""
_NEVER = "0001-01-01T00:00:00Z"
_FNV_OFFSET, _FNV_PRIME, _WORD = 0xCBF29CE484222325, 0x100000001B3, 2**64 - 1


def webhook_payload(notice: Notification) -> dict[str, Any]:
    """The whole document. ``id`` and ``reason`` are ours: the id is the same each time the notice is sent."""
    alerts = (*notice.firing, *notice.resolved)
    return {
        "version": "4",
        "groupKey": group_key(notice.group),
        "truncatedAlerts": max(0, len(alerts) - MOST_ALERTS),
        "status": "firing" if notice.firing else "resolved",
        "receiver": notice.receiver,
        "groupLabels": dict(notice.group),
        "commonLabels": _common(alert.labels for alert in alerts),
        "commonAnnotations": _common(alert.annotations for alert in alerts),
        "externalURL": notice.external_url,
        "alerts": [_alert(alert, notice) for alert in alerts[:MOST_ALERTS]],
        "id": notice.id,
        "reason": notice.reason,
    }


def group_key(group: Labels) -> str:
    """A group's name as Alertmanager writes it for its topmost route: ``{}:{alertname="X"}``."""
    inner = ", ".join(f"{name}={quoted(value)}" for name, value in group)
    return f"{{}}:{{{inner}}}"


def fingerprint(labels: Labels) -> str:
    """Alertmanager's name for a label set: 64 bits of FNV-1a over sorted names and values (common/model)."""
    found = _FNV_OFFSET
    for byte in b"".join(f"{name}\0{value}\0".encode("utf-8", "surrogatepass") for name, value in labels):
        found = ((found ^ (byte or 0xFF)) * _FNV_PRIME) & _WORD
    return f"{found:016x}"


def rfc3339(at: datetime) -> str:
    """An aware time as Alertmanager reads it: UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _alert(alert: Alert, notice: Notification) -> dict[str, Any]:
    firing = alert.state is AlertState.FIRING
    return {
        "status": "firing" if firing else "resolved",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": rfc3339(alert.fired_at or alert.active_at),
        "endsAt": _NEVER if firing else rfc3339(alert.resolved_at or notice.at),
        "generatorURL": notice.external_url,
        "fingerprint": fingerprint(alert.labels),
    }


def _common(every: Iterable[Labels]) -> dict[str, str]:
    first, *others = [dict(labels) for labels in every] or [{}]
    return {name: value for name, value in first.items() if all(other.get(name) == value for other in others)}
