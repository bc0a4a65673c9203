"""Alerts as rows of ``lilfox check``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lilfox_tui.cli.output import Cell, shape
from lilfox_tui.feed import Ready, State, Unavailable
from lilfox_tui.i18n import _, ngettext
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export_alerts import alerts_level
from lilfox_tui.text import human_duration

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert, Alerts

Ranked = tuple[Level, list[list[Cell]]]


def alert_rows(state: State[Alerts] | None) -> Iterator[Ranked]:
    """What fires and is pending, rules that fail, and what else is wrong, each with how bad it is; one row where all is
    well or nothing is known."""
    if state is None:
        return
    if not isinstance(state, Ready):
        why = str(state.error) if isinstance(state, Unavailable) else _("not known")
        level = alerts_level(state)
        rows = [_row(level, _("alerts"), why)]
        if isinstance(state, Unavailable) and str(state.error.hint):
            rows.append([Cell(""), Cell(""), Cell(""), Cell(str(state.error.hint))])
        yield level, rows
        return
    alerts = state.value
    live = [alert for alert in alerts.alerts if alert.resolved_at is None]
    yield from (_alert(each, alerts) for each in live)
    for rule in alerts.rules:
        if rule.error is not None:
            text = _("cannot be evaluated: {why}", why=rule.error)
            yield Level.FAILING, [_row(Level.FAILING, rule.name, text)]
    for trouble in alerts.troubles:
        level = Level.FAILING if trouble.blind else Level.DEGRADED
        yield level, [_row(level, _("alerts"), str(trouble))]
    if not live and not alerts.blind:
        yield (
            Level.GOOD,
            [
                _row(
                    Level.GOOD,
                    _("alerts"),
                    ngettext("{count} rule, none fires", "{count} rules, none fires", len(alerts.rules)),
                )
            ],
        )


def _alert(alert: Alert, alerts: Alerts) -> Ranked:
    level = Level.DEGRADED if alert.fired_at is None else Level.FAILING
    age = human_duration(round((alerts.at - (alert.fired_at or alert.active_at)).total_seconds()))
    said = [_("pending {age}", age=age) if alert.fired_at is None else _("firing {age}", age=age)]
    if alert.silenced_by:
        level = Level.GOOD
        said.append(_("silenced"))
    if alert.acknowledged is not None:
        said.append(_("acknowledged by {name}", name=alert.acknowledged.by))
    said += [f"{name}={value}" for name, value in alert.labels if name != "alertname"]
    rows = [_row(level, alert.name, "  ".join(said))]
    if alert.summary:
        rows.append([Cell(""), Cell(""), Cell(""), Cell(alert.summary)])
    return level, rows


def _row(level: Level, name: str, text: str) -> list[Cell]:
    return [shape(level), Cell(_("alert")), Cell(name), Cell(text)]
