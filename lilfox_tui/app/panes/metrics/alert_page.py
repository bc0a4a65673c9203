"""Alerts and rules as rows of a list and as pages. Pure. Imported only if there are rules (it imports numpy)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from lilfox_tui.alerts.model import Alert, Alerts, AlertState, Event, RuleHealth, RuleView, Silence
from lilfox_tui.alerts.notifier import summary
from lilfox_tui.alerts.silences import format_matchers, is_active, window_of
from lilfox_tui.app.dialogs.prompt import Choice
from lilfox_tui.app.rendering.chart import AXIS_WIDTH, SERIES_COLOURS, Axes, Curve, chart, chart_columns, spark
from lilfox_tui.app.rendering.columns import Column, choose, line, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, listed, ngettext
from lilfox_tui.core.text import fit, human_count, human_duration
from lilfox_tui.metrics.model import Labels, Level
from lilfox_tui.monitor.alert_explain import ComparisonSide, Explanation, compared

# The ALERTS section as rows. Pure: alerts in, rows out. Imported only where there are rules (it imports numpy).


INDENT = 3
_PLAIN_BELOW = 1000.0
_WIDE = 96
_TIGHT = 72
_FIRST = ("service", "job", "host", "instance")
"""Labels that tell where it is, in the order in which they are shown."""
_TOLD_ELSEWHERE = ("alertname", "severity")


class AlertItem(Struct, frozen=True):
    """A row of the section: an alert with its rule, or a rule with a problem. ``subject`` is its key in the pane:
    ``("alert", …)`` or ``("rule", …)``."""

    subject: tuple[str, str]
    rule: RuleView | None
    alert: Alert | None = None

    @classmethod
    def of_alert(cls, alert: Alert, rule: RuleView | None) -> AlertItem:
        """A row for an alert, with its rule if known."""
        return cls(("alert", f"{alert.rule}{alert.labels}"), rule, alert)

    @classmethod
    def of_rule(cls, rule: RuleView) -> AlertItem:
        """A row for a rule with a problem."""
        return cls(("rule", rule.key), rule)

    @property
    def name(self) -> str:
        """The name of the alert or the rule."""
        return self.alert.name if self.alert is not None else "" if self.rule is None else self.rule.name

    @property
    def expression(self) -> str:
        """The expression of the rule; empty if the rule is unknown."""
        return "" if self.rule is None else self.rule.expression

    @property
    def level(self) -> Level:
        """The level of the row; silenced and resolved alerts count as good."""
        if self.alert is None:
            return Level.FAILING if self.rule is not None and self.rule.health is RuleHealth.FAILED else Level.UNKNOWN
        if self.alert.silenced_by or self.alert.state is AlertState.RESOLVED:
            return Level.GOOD
        return Level.FAILING if self.alert.state is AlertState.FIRING else Level.DEGRADED

    @property
    def rank(self) -> tuple[float, ...]:
        """The sort key: firing before pending, most severe first, then newest first; silenced and resolved alerts and
        rules last."""
        if self.alert is None or self.alert.silenced_by or self.alert.state is AlertState.RESOLVED:
            return (1,)
        since = self.alert.fired_at or self.alert.active_at
        return 0, -self.alert.state, -self.alert.urgency, -since.timestamp()

    @property
    def words(self) -> str:
        """The text in which a filter searches for words."""
        labels = () if self.alert is None else (*self.alert.labels, *self.alert.annotations)
        return " ".join((self.name, *(value for _name, value in labels))).lower()


def items_of(alerts: Alerts) -> list[AlertItem]:
    """The rows: firing and pending alerts, each worst first, then silenced ones, resolved ones, failed rules, and rules
    without data."""
    rules = {rule.key: rule for rule in alerts.rules}
    shown = sorted(alerts.alerts, key=lambda alert: (alert.resolved_at is not None, bool(alert.silenced_by)))
    active = {alert.rule for alert in alerts.alerts if alert.resolved_at is None}
    ill = [rule for rule in alerts.rules if rule.health is RuleHealth.FAILED]
    ill += [rule for rule in alerts.rules if rule.health is RuleHealth.NO_DATA and rule.key not in active]
    return [*(AlertItem.of_alert(each, rules.get(each.rule)) for each in shown), *map(AlertItem.of_rule, ill)]


def where(labels: Labels) -> str:
    """Return the label values that tell where the alert is, service and host first, then the other labels."""
    known = dict(labels)
    first = dict.fromkeys(known[name] for name in _FIRST if name in known)
    rest = [f"{name}={value}" for name, value in labels if name not in (*_FIRST, *_TOLD_ELSEWHERE, "__name__")]
    return " ".join((*first, *rest))


def number(value: float | None) -> str:
    """A value of unknown unit in a few cells."""
    if value is None:
        return "-"
    if not math.isfinite(value):
        return str(value)
    return f"{value:.3g}" if abs(value) < _PLAIN_BELOW else human_count(value)


def against(alert: Alert, expression: str) -> str:
    """An alert's value and what it is compared with: ``0.31 > 0.05``; for a resolved alert its last value."""
    sides, value = compared(expression), number(alert.value)
    if alert.state is AlertState.RESOLVED:
        return _("was {value}", value=value)
    return f"{value} {sides.op} {sides.right if sides.limit is None else number(sides.limit)}" if sides.op else value


def state_since(alert: Alert) -> datetime:
    """When the alert came into its state."""
    return alert.resolved_at or alert.fired_at or alert.active_at


def state_text(alert: Alert, rule: RuleView | None, now: datetime) -> str:
    """The alert's state and since when: ``firing 6 min``, ``pending 40 s of 5 min``."""
    age = human_duration(max(1, round((now - state_since(alert)).total_seconds())))
    if alert.state is AlertState.RESOLVED:
        return _("resolved {age} ago", age=age)
    if alert.state is AlertState.FIRING:
        return _("firing {age}", age=age)
    if rule is None or not rule.for_s:
        return _("pending {age}", age=age)
    return _("pending {age} of {for_time}", age=age, for_time=human_duration(rule.for_s))


def marks(alert: Alert) -> str:
    """Return who acknowledged the alert, and whether it is silenced or kept firing; empty if none of these applies."""
    found = []
    if alert.silenced_by:
        found.append(_("silenced"))
    if alert.acknowledged is not None:
        found.append(_("acknowledged by {name}", name=alert.acknowledged.by))
    if alert.keep_firing_since is not None:
        found.append(_("kept firing"))
    return listed(found)


def shape(item: AlertItem, glyphs: Glyphs) -> Piece:
    """The symbol of a row in its colour."""
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
    """What is wrong with a rule; nothing if all is well."""
    if rule is None or rule.health is RuleHealth.GOOD:
        return ""
    if rule.health is RuleHealth.NO_DATA:
        return _("no data: the expression selects no series")
    if rule.health is RuleHealth.UNKNOWN:
        return _("not evaluated yet")
    why = rule.error or _("unknown")
    if rule.failing_since is None:
        return _("cannot be evaluated: {why}", why=why)
    age = human_duration(max(1, round((now - rule.failing_since).total_seconds())))
    return _("evaluation failing for {age}: {why}", age=age, why=why)


def summary_pieces(alerts: Alerts) -> list[Piece]:
    """How many alerts are in each state, how many others are acknowledged or silenced, who evaluates them if it is not
    this LilFox, and how many rules there are."""
    pieces = []
    if alerts.new_firing:
        pieces.append(Piece(_("{count} firing", count=alerts.new_firing), "failing"))
    if alerts.new_pending:
        pieces.append(Piece(_("{count} pending", count=alerts.new_pending), "degraded"))
    if alerts.acknowledged:
        pieces.append(Piece(_("{count} acknowledged", count=alerts.acknowledged), "muted"))
    if silenced := sum(bool(alert.silenced_by) for alert in alerts.alerts):
        pieces.append(Piece(_("{count} silenced", count=silenced), "muted"))
    if not pieces:
        pieces.append(Piece(_("no alerts"), "muted" if alerts.troubles or alerts.blind else "good"))
    if alerts.told_by:
        pieces.append(Piece(_("reported by {where}", where=alerts.told_by), "muted"))
    elif not alerts.evaluated_here:
        pieces.append(Piece(_("evaluated by another LilFox"), "muted"))
    return [*pieces, Piece(_rules_text(alerts.rules), "muted")]


def _rules_text(rules: Sequence[RuleView]) -> str:
    told = [ngettext("{count} rule", "{count} rules", len(rules))]
    for health, text in ((RuleHealth.FAILED, _("failed")), (RuleHealth.NO_DATA, _("without data"))):
        if count := sum(rule.health is health for rule in rules):
            told.append(f"{count} {text}")
    return listed(told)


SIDES_SHOWN = 12
_SPARK = 16
_NAME = 14


class AlertPage(Struct, frozen=True):
    """The contents of an alert's page. ``why`` is None until the data has arrived, or an error if it could not be read.
    ``events`` are newest first."""

    item: AlertItem
    now: datetime
    window: timedelta
    glyphs: Glyphs
    width: int
    chart_height: int
    why: Explanation | LilFoxError | None
    events: Sequence[Event] = ()
    silences: Sequence[Silence] = ()


def alert_page(page: AlertPage) -> list[Row]:
    """The rows of an alert's page; the first two are the title."""
    rows = [*_title(page), *_said(page), *_why(page)]
    if (alert := page.item.alert) is not None:
        rows += _pairs(_("LABELS"), alert.labels)
        rows += _pairs(_("ANNOTATIONS"), alert.annotations)
    rows += _rule(page.item.rule, page)
    rows += _history(page)
    return wrapped(rows, page.width)


def _title(page: AlertPage) -> list[Row]:
    item, alert = page.item, page.item.alert
    head: list[Piece] = [Piece(" "), shape(item, page.glyphs), Piece(" "), Piece(item.name, "strong")]
    if alert is None:
        return [
            (*head, Piece("  " + _("rule"), "muted")),
            (Piece("   " + rule_trouble(item.rule, page.now), "degraded"),),
        ]
    head += [
        Piece("  " + state_text(alert, item.rule, page.now), role(alert)),
        Piece("  " + against(alert, item.expression), role(alert)),
    ]
    if alert.severity:
        head.append(Piece("  " + alert.severity, "muted"))
    return [tuple(head), (Piece("   " + (summary(alert) or where(alert.labels))),)]


def _said(page: AlertPage) -> list[Row]:
    """Who acknowledged the alert, and what silences it."""
    alert = page.item.alert
    if alert is None:
        return []
    rows: list[Row] = []
    if (seen := alert.acknowledged) is not None:
        text = _("acknowledged by {name} at {time}", name=seen.by, time=_time(seen.at, page.now))
        rows.append((Piece("   " + text, "accent"), Piece("  " + seen.note)))
    by = (each for each in page.silences if each.id in alert.silenced_by)
    worked_on = [name for each in alert.silenced_by if (name := window_of(each)) is not None]
    return [
        *rows,
        *(
            (Piece("   " + _("in maintenance; to end it: lilfox maintenance off {name}", name=name), "accent"),)
            for name in worked_on
        ),
        *((Piece("   " + silence_text(each, page.now), "accent"), Piece("  " + each.comment)) for each in by),
    ]


def silence_text(silence: Silence, now: datetime) -> str:
    """Until when a silence lasts, and who made it."""
    if silence.until_resolved:
        return _("silenced by {name} until it resolves", name=silence.created_by)
    return _("silenced by {name} until {time}", name=silence.created_by, time=_time(silence.ends_at, now))


def _why(page: AlertPage) -> list[Row]:
    rows: list[Row] = [BLANK, (Piece(" " + _("WHY"), "title"),)]
    why = page.why
    if not isinstance(why, Explanation):
        text = _("querying") if why is None else str(why)
        return [*rows, (Piece("   " + text, "muted" if why is None else "degraded"),)]
    sides = why.compared
    rows.append((Piece("   "), Piece(f"{sides.left} {sides.op} {sides.right}".rstrip())))
    if not why.sides:
        return [*rows, (Piece("   " + _("no series now or in this window"), "degraded"),)]
    rows += [_side(side, why, page) for side in why.sides[:SIDES_SHOWN]]
    if (more := len(why.sides) - SIDES_SHOWN + why.more) > 0:
        rows.append((Piece("   " + _("{count} more series", count=more), "muted"),))
    return [*rows, BLANK, *_chart(why, page)]


def _side(side: ComparisonSide, why: Explanation, page: AlertPage) -> Row:
    limit = f" {why.compared.op} {number(side.limit)}" if why.compared.op and side.limit is not None else ""
    colour = "failing" if side.holds else "text"
    return (
        Piece("   "),
        Piece(fit(number(side.value) + limit, _NAME), colour),
        Piece("  " + spark(_fewer(side.values, _SPARK), _SPARK, page.glyphs, top=_scale(why)), "chart"),
        Piece("  " + (where(side.labels) or _("overall")), colour),
    )


def _fewer(values: Sequence[float | None], count: int) -> list[float | None]:
    """The maximum of each of ``count`` equal parts; None for a part without known values."""
    parts = [values[place * len(values) // count : (place + 1) * len(values) // count] for place in range(count)]
    return [max((value for value in part if value is not None), default=None) for part in parts]


def _scale(why: Explanation) -> float | None:
    """The upper end of a scale that all series share, so that they can be compared; None if no value is above zero."""
    return max((value for side in why.sides for value in side.values if value is not None and value > 0), default=None)


def _chart(why: Explanation, page: AlertPage) -> list[Row]:
    """A chart of the series that the expression selects over the window, the alert's own first, with the limit as a
    line."""
    own = _own_side(why, page.item.alert)
    sides = [own, *(side for side in why.sides if side is not own)][:SERIES_COLOURS]
    columns = chart_columns(page.width)
    limit = None if own.limit is None or not why.compared.op else own.limit
    known = [value for side in sides for value in side.values if value is not None]
    single = len(sides) == 1
    return chart(
        where(own.labels) or why.compared.left if single else why.compared.left,
        [Curve(side.values, "" if single else where(side.labels), number(side.value)) for side in sides],
        Axes(
            unit=number,
            start=page.now - page.window,
            end=page.now,
            top=None if not known or limit is None else _top([*known, limit]),
            fail=limit if why.compared.op in (">", ">=") else None,
            mark=limit if why.compared.op not in (">", ">=") else None,
        ),
        width=columns + AXIS_WIDTH + 1,
        height=page.chart_height,
        glyphs=page.glyphs,
        now_text="" if limit is None else _("limit {limit}", limit=number(limit)),
    )


def _top(values: Sequence[float]) -> float | None:
    """The upper end of a scale that also leaves room for the limit; None if no value is above zero."""
    return max(values) * 1.1 if max(values) > 0 else None


def _own_side(why: Explanation, alert: Alert | None) -> ComparisonSide:
    """The series whose labels the alert has; the first if none matches."""
    labels = set() if alert is None else set(alert.labels)
    own = (side for side in why.sides if {pair for pair in side.labels if pair[0] != "__name__"} <= labels)
    return next(own, why.sides[0])


def _pairs(title: str, pairs: Labels) -> list[Row]:
    if not pairs:
        return []
    width = min(24, max(len(name) for name, _value in pairs) + 2)
    rows = [(Piece("   " + fit(name, width), "muted"), Piece(value)) for name, value in pairs]
    return [BLANK, (Piece(" " + title, "title"),), *rows]


def _rule(rule: RuleView | None, page: AlertPage) -> list[Row]:
    rows: list[Row] = [BLANK, (Piece(" " + _("RULE"), "title"),)]
    if rule is None:
        return [*rows, (Piece("   " + _("no longer in the rule files"), "muted"),)]
    file, _semicolon, _rest = rule.key.partition(";")
    facts = [
        (_("file"), file),
        (_("group"), rule.group),
        (_("expression"), " ".join(rule.expression.split())),
        (_("for"), human_duration(rule.for_s) if rule.for_s else _("fires immediately")),
    ]
    if trouble := rule_trouble(rule, page.now):
        facts.append((_("state"), trouble))
    if rule.evaluated_at is not None:
        took = "" if rule.took_s is None else human_duration(rule.took_s)
        facts.append((_("evaluated"), _("{time}, took {took}", time=_time(rule.evaluated_at, page.now), took=took)))
    return [*rows, *((Piece("   " + fit(name, _NAME), "muted"), Piece(value)) for name, value in facts)]


def _history(page: AlertPage) -> list[Row]:
    if page.item.alert is None:
        return []
    rows: list[Row] = [BLANK, (Piece(" " + _("HISTORY"), "title"),)]
    if not page.events:
        return [*rows, (Piece("   " + _("nothing yet"), "muted"),)]
    return [*rows, *(_event(each) for each in page.events)]


def _event(event: Event) -> Row:
    colours = {"fired": "failing", "resolved": "good", "not told": "degraded"}
    told = [_KINDS[event.kind]()]
    if event.lasted_s is not None:
        told.append(_("after {time}", time=human_duration(event.lasted_s)))
    elif event.kind == "fired" and event.value is not None:
        told.append(_("at {value}", value=number(event.value)))
    if event.by:
        told.append(_("by {name}", name=event.by))
    at = Piece("   " + event.at.strftime("%m-%d %H:%M:%S  "), "muted")
    return (at, Piece(" ".join(told), colours.get(event.kind, "text")), Piece("  " + event.note))


_KINDS = {
    "fired": lambda: _("fired"),
    "resolved": lambda: _("resolved"),
    "acknowledged": lambda: _("acknowledged"),
    "unacknowledged": lambda: _("acknowledgement withdrawn"),
    "silenced": lambda: _("silenced"),
    "expired": lambda: _("silence ended"),
    "told": lambda: _("notified"),
    "not told": lambda: _("not notified"),
}


def _time(at: datetime, now: datetime) -> str:
    return at.strftime("%H:%M:%S" if at.date() == now.date() else "%m-%d %H:%M:%S")


# Silences as choices: those that go on first, then those that have ended lately. Imported where there are rules.


def silence_choices(alerts: Alerts, *, can_end: bool) -> list[Choice]:
    """One choice per silence; ended silences cannot be chosen."""
    ordered = sorted(alerts.silences, key=lambda one: (not is_active(one, alerts.at), -one.ends_at.timestamp()))
    return [_choice(one, alerts, can_end=can_end) for one in ordered]


def _choice(silence: Silence, alerts: Alerts, *, can_end: bool) -> Choice:
    active = is_active(silence, alerts.at)
    matchers = format_matchers(silence.matchers)
    taken = sum(silence.id in alert.silenced_by for alert in alerts.alerts)
    state: Row
    if active:
        state = (Piece(silence_text(silence, alerts.at) + "  ", "accent"), Piece(f"{taken}  ", "strong"))
    else:
        state = (Piece(_("ended {time}", time=silence.ends_at.strftime("%m-%d %H:%M")) + "  ", "muted"),)
    text = "  ".join(each for each in (matchers, silence.comment) if each)
    return Choice(silence.id, (*state, Piece(text, "text" if active else "muted")), text, active and can_end, more=text)
