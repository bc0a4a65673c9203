"""Alerts made by hand, for screens that must look the same every time."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from lilfox_tui.alerts.model import (
    Acknowledgement,
    Alert,
    Alerts,
    AlertState,
    RuleHealth,
    RuleView,
    Silence,
    SilenceMatcher,
    Trouble,
)
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import tr
from lilfox_tui.monitor.model import Overview
from tests.app.overviews import NOW, mixed

FILE = "/etc/lilfox/rules.yml"
ERRORS = (
    'sum by (job) (rate(http_requests_total{status=~"5.."}[5m])) / sum by (job) (rate(http_requests_total[5m])) > 0.05'
)


def rule(place: int, name: str, expression: str, health: RuleHealth = RuleHealth.GOOD, for_s: float = 300) -> RuleView:
    """One of the rules of a file."""
    return RuleView(
        key=f"{FILE};lilfox_alerts;{place}",
        kind="alert",
        name=name,
        group="lilfox_alerts",
        expression=expression,
        for_s=for_s,
        health=health,
        evaluated_at=NOW - timedelta(seconds=3),
        took_s=0.0012,
    )


RULES = (
    rule(0, "HighErrorRate", ERRORS),
    rule(1, "HighLatency", "histogram_quantile(0.95, sum by (job, le) (rate(latency_bucket[5m]))) > 1"),
    rule(2, "HighMemoryUsage", "memory_usage_percent > 85", for_s=600),
    replace(
        rule(3, "Joined", "a * b > 1", RuleHealth.FAILED),
        error=tr("several elements belong together"),
        failing_since=NOW - timedelta(minutes=4),
    ),
    rule(4, "OldName", "no_such_metric > 1", RuleHealth.NO_DATA),
)


def alert(
    of: RuleView, state: AlertState, value: float, minutes: float, labels: dict[str, str], summary: str = ""
) -> Alert:
    """An alert whose state has held for so long."""
    since = NOW - timedelta(minutes=minutes)
    pending = state is AlertState.PENDING
    return Alert(
        labels=tuple(sorted({"alertname": of.name, **labels}.items())),
        annotations=(("summary", summary),) if summary else (),
        state=state,
        active_at=since if pending else since - timedelta(seconds=of.for_s),
        value=value,
        fired_at=None if pending else since,
        rule=of.key,
    )


def some() -> Alerts:
    """One of each: firing and seen, firing, pending, silenced, resolved; rules that failed and without data."""
    url = (("runbook_url", "https://runbooks.example/errors"), ("summary", "backend: 31% of all requests fail"))
    first = alert(RULES[0], AlertState.FIRING, 0.31, 6, {"job": "backend", "severity": "critical"})
    seen = alert(RULES[1], AlertState.FIRING, 4.2, 3, {"job": "backend", "severity": "warning"}, "backend is slow")
    pending = alert(RULES[2], AlertState.PENDING, 91.2, 2, {"host": "db-1", "severity": "warning"}, "db-1: 91 % used")
    other = alert(RULES[0], AlertState.FIRING, 0.12, 20, {"job": "model", "severity": "critical"})
    over = alert(RULES[1], AlertState.RESOLVED, 1.3, 30, {"job": "gateway", "severity": "warning"})
    silence = Silence(
        "5f0c",
        (SilenceMatcher("job", "model"),),
        NOW - timedelta(minutes=10),
        NOW + timedelta(minutes=50),
        "ada",
        "new disk",
    )
    return Alerts(
        NOW - timedelta(seconds=3),
        RULES,
        (
            replace(other, silenced_by=("5f0c",)),
            replace(first, annotations=url),
            replace(seen, acknowledged=Acknowledgement("ada", NOW - timedelta(minutes=2), "looking at it")),
            pending,
            replace(over, resolved_at=NOW - timedelta(minutes=5)),
        ),
        (silence,),
        troubles=(
            Trouble("rules", tr("rules: no file matches {pattern}", pattern="/etc/lilfox/more/*.yml"), blind=True),
        ),
    )


def alerting() -> Overview:
    """The mixed overview with :func:`some` alerts."""
    return replace(mixed(), alerts=Ready(some(), NOW))
