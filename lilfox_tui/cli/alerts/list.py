"""``lilfox alerts list``: pending, firing and just resolved alerts, worst first."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from lilfox_tui.cli.alerts.kept import alerts_now, kept, labels_text
from lilfox_tui.cli.output import Cell, print_json, print_line, print_table
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.i18n import _, tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export_alerts import alert_document
from lilfox_tui.text import short_age

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert, Alerts

_LEVELS = {"FIRING": Level.FAILING, "PENDING": Level.DEGRADED, "RESOLVED": Level.GOOD}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``alerts list`` accepts."""
    parser.add_argument("--json", action="store_true", help=str(tr("one JSON document")))
    parser.add_argument("--json-schema", action="store_true", help=str(tr("the schema of that document")))


def run(args: argparse.Namespace) -> int:
    """Prints them; 1 where one fires that is not silenced."""
    if args.json_schema:
        print_schema("alerts-list")
        return 0
    with kept(args) as saved:
        alerts = alerts_now(saved)
    if args.json:
        print_json({"alerts": [alert_document(alert) for alert in alerts.alerts], "failing_rules": _failing(alerts)})
    else:
        _print(alerts)
    return 1 if any(one.state.name == "FIRING" and not one.silenced_by for one in alerts.alerts) else 0


def _print(alerts: Alerts) -> None:
    if not alerts.alerts:
        print_line(tr("no alerts"))
    rows = []
    for alert in alerts.alerts:
        since = alert.resolved_at or alert.fired_at or alert.active_at
        summary = next((text for name, text in alert.annotations if name in ("summary", "description")), "")
        rows.append(
            [
                Cell(_STATES[alert.state.name](), _LEVELS[alert.state.name]),
                Cell(alert.name),
                Cell(short_age((alerts.at - since).total_seconds()), right=True),
                Cell(f"{alert.value:g}", right=True),
                Cell(_said(alert)),
                Cell(labels_text(alert)),
                Cell(summary),
            ]
        )
    print_table(rows)
    for rule in _failing(alerts):
        print_line(tr("rule {name} ({group}) fails: {error}", **rule))


_STATES = {"FIRING": lambda: _("firing"), "PENDING": lambda: _("pending"), "RESOLVED": lambda: _("resolved")}


def _said(alert: Alert) -> str:
    if alert.silenced_by:
        return _("silenced")
    return "" if alert.acknowledged is None else _("acknowledged by {name}", name=alert.acknowledged.by)


def _failing(alerts: Alerts) -> list[dict[str, str]]:
    return [
        {"name": rule.name, "group": rule.group, "error": str(rule.error)}
        for rule in alerts.rules
        if rule.error is not None
    ]
