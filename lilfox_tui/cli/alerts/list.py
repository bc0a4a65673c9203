"""``lilfox alerts list``: pending, firing and just resolved alerts, worst first."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from lilfox_tui.cli.alerts.kept import alerts_now, kept, labels_text
from lilfox_tui.cli.output import Cell, print_json, print_line, print_table
from lilfox_tui.cli.schemas import print_schema
from lilfox_tui.i18n import _, ngettext, tr
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export_alerts import alert_document
from lilfox_tui.text import short_age

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert, Alerts
    from lilfox_tui.alerts.storage import AlertStorage

_LEVELS = {"FIRING": Level.FAILING, "PENDING": Level.DEGRADED, "RESOLVED": Level.GOOD}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Says what ``alerts list`` accepts."""
    parser.add_argument("--json", action="store_true", help=str(tr("one JSON document")))
    parser.add_argument("--json-schema", action="store_true", help=str(tr("the schema of that document")))


def run(args: argparse.Namespace) -> int:
    """Prints them; 1 where one fires that is not silenced, and where one may be missing or not be told."""
    if args.json_schema:
        print_schema("alerts-list")
        return 0
    with kept(args) as saved:
        alerts, not_told = alerts_now(saved), _not_told(saved)
    if args.json:
        found = [alert_document(alert) for alert in alerts.alerts]
        troubles = [str(each) for each in alerts.troubles]
        print_json({"alerts": found, "failing_rules": _failing(alerts), "not_told": not_told, "troubles": troubles})
    else:
        _print(alerts)
        for one in not_told:
            print_line(_not_told_text(**one))
    fires = any(one.state.name == "FIRING" and not one.silenced_by for one in alerts.alerts)
    return 1 if fires or alerts.blind or not_told else 0


def _print(alerts: Alerts) -> None:
    from lilfox_tui.alerts.notifier import summary

    if not alerts.alerts:
        print_line(tr("no alerts") if not alerts.blind else tr("no alerts are known, and some may be missing:"))
    rows = []
    for alert in alerts.alerts:
        since = alert.resolved_at or alert.fired_at or alert.active_at
        rows.append(
            [
                Cell(_STATES[alert.state.name](), _LEVELS[alert.state.name]),
                Cell(alert.name),
                Cell(short_age((alerts.at - since).total_seconds()), right=True),
                Cell(_value(alert), right=True),
                Cell(_said(alert)),
                Cell(labels_text(alert)),
                Cell(summary(alert)),
            ]
        )
    print_table(rows)
    for rule in _failing(alerts):
        print_line(tr("rule {name} ({group}) fails: {error}", **rule))
    for trouble in alerts.troubles:
        print_line(trouble.text)


_STATES = {"FIRING": lambda: _("firing"), "PENDING": lambda: _("pending"), "RESOLVED": lambda: _("resolved")}


def _value(alert: Alert) -> str:
    value = f"{alert.value:g}"
    return _("was {value}", value=value) if alert.state.name == "RESOLVED" else value


def _said(alert: Alert) -> str:
    if alert.silenced_by:
        return _("silenced")
    return "" if alert.acknowledged is None else _("acknowledged by {name}", name=alert.acknowledged.by)


def _not_told(saved: AlertStorage) -> list[dict[str, Any]]:
    """Who did not take a message yet that was sent."""
    from lilfox_tui.alerts.storage import Outbox

    outbox = Outbox(saved.database)
    found: list[dict[str, Any]] = []
    for name in outbox.receivers():
        first = outbox.first_of_groups(name)
        if any(one.tries for one in first):
            since = datetime.fromtimestamp(min(one.made_ms for one in first) / 1000, UTC)
            told = {"notifier": name, "messages": outbox.count(name), "since": since.isoformat(timespec="seconds")}
            found.append(told)
    return found


def _not_told_text(notifier: str, messages: int, since: str) -> str:
    text = ngettext(
        "{notifier} was not told: {count} message waits since {since}",
        "{notifier} was not told: {count} messages wait since {since}",
        messages, notifier=notifier, since=since,
    )  # fmt: skip
    return _("{said}; lilfox alerts notify-test {notifier} tries it", said=text, notifier=notifier)


def _failing(alerts: Alerts) -> list[dict[str, str]]:
    return [
        {"name": rule.name, "group": rule.group, "error": str(rule.error)}
        for rule in alerts.rules
        if rule.error is not None
    ]
