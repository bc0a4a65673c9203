"""The ALERTS section as rows. Pure: alerts in, rows out. Imported only where there are rules (it imports numpy)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from lilfox_tui.alerts.model import Alert, Alerts, AlertState, RuleHealth, RuleView
from lilfox_tui.alerts.notifier import summary
from lilfox_tui.app.rendering.columns import Column, choose, line
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.i18n import _, listed, ngettext
from lilfox_tui.metrics.model import Labels, Level
from lilfox_tui.monitor.alert_explain import compared
from lilfox_tui.text import human_count, human_duration

INDENT = 3
_PLAIN_BELOW = 1000.0
_WIDE = 96
_TIGHT = 72
_FIRST = ("service", "job", "host", "instance")
"""Labels that tell where it is, in the order in which they are shown."""
_TOLD_ELSEWHERE = ("alertname", "severity")


class AlertItem(Struct, frozen=True):
    """A row of the section: an alert with its rule, or a rule that does not go as it should. ``subject`` is what it is
    to the pane: ``("alert", …)`` or ``("rule", …)``."""

    subject: tuple[str, str]
    rule: RuleView | None
    alert: Alert | None = None

    @classmethod
    def of_alert(cls, alert: Alert, rule: RuleView | None) -> AlertItem:
        """An alert and its rule, where that is known."""
        return cls(("alert", f"{alert.rule}{alert.labels}"), rule, alert)

    @classmethod
    def of_rule(cls, rule: RuleView) -> AlertItem:
        """A rule that does not go as it should."""
        return cls(("rule", rule.key), rule)

    @property
    def name(self) -> str:
        """The alert's or the rule's."""
        return self.alert.name if self.alert is not None else "" if self.rule is None else self.rule.name

    @property
    def expression(self) -> str:
        """That of its rule; empty where that is not known."""
        return "" if self.rule is None else self.rule.expression

    @property
    def level(self) -> Level:
        """How bad it is; silenced is not bad."""
        if self.alert is None:
            return Level.FAILING if self.rule is not None and self.rule.health is RuleHealth.FAILED else Level.UNKNOWN
        if self.alert.silenced_by or self.alert.state is AlertState.RESOLVED:
            return Level.GOOD
        return Level.FAILING if self.alert.state is AlertState.FIRING else Level.DEGRADED

    @property
    def words(self) -> str:
        """What a filter looks for words in."""
        labels = () if self.alert is None else (*self.alert.labels, *self.alert.annotations)
        return " ".join((self.name, *(value for _name, value in labels))).lower()


def items_of(alerts: Alerts) -> list[AlertItem]:
    """The rows: what fires and is pending, each worst first, what is silenced, what has resolved, then rules that
    failed and those without data."""
    rules = {rule.key: rule for rule in alerts.rules}
    shown = sorted(alerts.alerts, key=lambda alert: (alert.resolved_at is not None, bool(alert.silenced_by)))
    active = {alert.rule for alert in alerts.alerts if alert.resolved_at is None}
    ill = [rule for rule in alerts.rules if rule.health is RuleHealth.FAILED]
    ill += [rule for rule in alerts.rules if rule.health is RuleHealth.NO_DATA and rule.key not in active]
    return [*(AlertItem.of_alert(each, rules.get(each.rule)) for each in shown), *map(AlertItem.of_rule, ill)]


def where(labels: Labels) -> str:
    """The labels that tell where it is, as their values: service and host first."""
    known = dict(labels)
    first = dict.fromkeys(known[name] for name in _FIRST if name in known)
    rest = [f"{name}={value}" for name, value in labels if name not in (*_FIRST, *_TOLD_ELSEWHERE, "__name__")]
    return " ".join((*first, *rest))


def number(value: float | None) -> str:
    """A value of which the unit is not known, in a few cells."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    return f"{value:.3g}" if abs(value) < _PLAIN_BELOW else human_count(value)


def against(alert: Alert, expression: str) -> str:
    """An alert's value and what it is compared with: ``0.31 > 0.05``; of one that is over, what it was."""
    sides, value = compared(expression), number(alert.value)
    if alert.state is AlertState.RESOLVED:
        return _("was {value}", value=value)
    return f"{value} {sides.op} {sides.right if sides.limit is None else number(sides.limit)}" if sides.op else value


def state_text(alert: Alert, rule: RuleView | None, now: datetime) -> str:
    """Its state and since when: ``firing 6 min``, ``pending 40 s of 5 min``."""
    since = alert.resolved_at or alert.fired_at or alert.active_at
    age = human_duration(max(1, round((now - since).total_seconds())))
    if alert.state is AlertState.RESOLVED:
        return _("resolved {age} ago", age=age)
    if alert.state is AlertState.FIRING:
        return _("firing {age}", age=age)
    if rule is None or not rule.for_s:
        return _("pending {age}", age=age)
    return _("pending {age} of {for_time}", age=age, for_time=human_duration(rule.for_s))


def marks(alert: Alert) -> str:
    """Who has seen it, and whether it is silenced; nothing where neither."""
    found = []
    if alert.silenced_by:
        found.append(_("silenced"))
    if alert.acknowledged is not None:
        found.append(_("acknowledged by {name}", name=alert.acknowledged.by))
    if alert.keep_firing_since is not None:
        found.append(_("kept firing"))
    return listed(found)


def shape(item: AlertItem, glyphs: Glyphs) -> Piece:
    """The sign of a row in its colour."""
    if item.alert is None:
        failed = item.rule is not None and item.rule.health is RuleHealth.FAILED
        return Piece(glyphs.failing if failed else glyphs.unknown, "failing" if failed else "unknown")
    signs = {AlertState.FIRING: glyphs.alert, AlertState.PENDING: glyphs.degraded, AlertState.RESOLVED: glyphs.good}
    return Piece(signs[item.alert.state], role(item.alert))


def role(alert: Alert) -> str:
    """The colour of an alert."""
    if alert.silenced_by:
        return "muted"
    return {AlertState.FIRING: "failing", AlertState.PENDING: "degraded"}.get(alert.state, "good")


class _AlertCells(Struct, frozen=True):
    item: AlertItem
    alert: Alert
    now: datetime


def _note(value: _AlertCells) -> Row:
    marked = marks(value.alert)
    return (Piece(marked + "  " if marked else "", "accent"), Piece(summary(value.alert), "muted"))


_COLUMNS: tuple[Column[_AlertCells], ...] = (
    Column(lambda: "", 18, lambda v: (Piece(v.item.name, "strong"),), grow=2),
    Column(lambda: "", 14, lambda v: (Piece(where(v.alert.labels)),), priority=2, grow=8),
    Column(lambda: "", 13, lambda v: (Piece(against(v.alert, v.item.expression), role(v.alert)),), priority=3),
    Column(lambda: "", 23, lambda v: (Piece(state_text(v.alert, v.item.rule, v.now), role(v.alert)),), priority=1),
    Column(lambda: "", 20, _note, priority=4, grow=200),
)
_TIGHT_COLUMNS: tuple[Column[_AlertCells], ...] = (
    Column(lambda: "", 18, lambda v: (Piece(v.item.name, "strong"),)),
    Column(lambda: "", 14, lambda v: (Piece(where(v.alert.labels)),), priority=2, grow=200),
    Column(lambda: "", 13, lambda v: (Piece(against(v.alert, v.item.expression), role(v.alert)),), priority=3),
    Column(lambda: "", 18, lambda v: (Piece(state_text(v.alert, None, v.now), role(v.alert)),), priority=1),
)
"""Without what a pending alert waits for, so that those of several instances can be told apart."""
_NARROW_COLUMNS: tuple[Column[_AlertCells], ...] = (
    Column(lambda: "", 14, lambda v: (Piece(v.item.name, "strong"),), grow=12),
    Column(lambda: "", 16, lambda v: (Piece(state_text(v.alert, None, v.now), role(v.alert)),), priority=1),
)


def alert_row(item: AlertItem, now: datetime, width: int, glyphs: Glyphs) -> Row:
    """One row of the section."""
    mark = (Piece(" "), shape(item, glyphs), Piece(" "))
    if item.alert is None:
        return (*mark, Piece(item.name, "strong"), Piece("  "), Piece(rule_trouble(item.rule, now), mark[1].role))
    columns = _COLUMNS if width >= _WIDE else _TIGHT_COLUMNS if width >= _TIGHT else _NARROW_COLUMNS
    return (*mark, *line(choose(columns, width - INDENT - 1), _AlertCells(item, item.alert, now)))


def rule_trouble(rule: RuleView | None, now: datetime) -> str:
    """What is the matter with a rule; nothing where all is well."""
    if rule is None or rule.health is RuleHealth.GOOD:
        return ""
    if rule.health is RuleHealth.NO_DATA:
        return _("no data: its expression selects no series")
    if rule.health is RuleHealth.UNKNOWN:
        return _("not evaluated yet")
    why = rule.error or _("unknown")
    if rule.failing_since is None:
        return _("cannot be evaluated: {why}", why=why)
    age = human_duration(max(1, round((now - rule.failing_since).total_seconds())))
    return _("cannot be evaluated for {age}: {why}", age=age, why=why)


def summary_pieces(alerts: Alerts, below: str) -> list[Piece]:
    """What stands behind the section's title; ``below`` tells of rows past the lower edge."""
    pieces = []
    for state, text in ((AlertState.FIRING, _("firing")), (AlertState.PENDING, _("pending"))):
        if count := alerts.count(state):
            role_ = "failing" if state is AlertState.FIRING else "degraded"
            pieces.append(Piece(f"  {count} {text}", role_))
    if silenced := sum(bool(alert.silenced_by) for alert in alerts.alerts):
        pieces.append(Piece("  " + _("{count} silenced", count=silenced), "muted"))
    if not pieces:
        pieces.append(Piece("  " + _("none"), "muted" if alerts.troubles or alerts.blind else "good"))
    if below:
        pieces.append(Piece("   " + below, "muted"))
    pieces.append(Piece("   " + _rules_text(alerts.rules), "muted"))
    if alerts.told_by:
        pieces.append(Piece("   " + _("told by {where}", where=alerts.told_by), "muted"))
    elif not alerts.evaluated_here:
        pieces.append(Piece("   " + _("evaluated by another LilFox"), "muted"))
    return pieces


def _rules_text(rules: Sequence[RuleView]) -> str:
    told = [ngettext("{count} rule", "{count} rules", len(rules))]
    for health, text in ((RuleHealth.FAILED, _("failed")), (RuleHealth.NO_DATA, _("without data"))):
        if count := sum(rule.health is health for rule in rules):
            told.append(f"{count} {text}")
    return listed(told)
