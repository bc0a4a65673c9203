"""Alerts and rules as rows of a list and as pages. Pure. Imported only if there are rules (it imports numpy)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, Alerts, AlertState, Event, RuleHealth, RuleView, Silence
from lilfox_tui.alerts.notifier import summary
from lilfox_tui.alerts.silences import window_of
from lilfox_tui.app.panes.metrics.alert_series import (
    SIDES_SHOWN,
    SeriesPage,
    against,
    against_over,
    age_text,
    clock,
    course,
    extreme,
    gauge,
    query_rows,
    said_of,
    series_chart,
    series_note,
    series_rows,
    value_and_summary,
    value_told,
    values_told,
    was_text,
    where,
)
from lilfox_tui.app.panes.metrics.sections import (
    Band,
    Section,
    SectionStyle,
    beside_each_other,
    chart_section,
    draw_sections,
    drawn_section,
    fill_page,
    first_steps,
    pairs_section,
    runbook_rows,
    text_section,
)
from lilfox_tui.app.rendering.columns import Column, choose, line, wrapped
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import cut_row, row_width
from lilfox_tui.app.rows.hosts import firing_role
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, listed, ngettext
from lilfox_tui.core.text import fit, human_duration
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.alert_explain import Explanation, compared, level_given, reasons_telling
from lilfox_tui.monitor.model import BackendView, View

# The ALERTS section as rows. Pure: alerts in, rows out. Imported only where there are rules (it imports numpy).


OneView = TypeVar("OneView", View, None)
INDENT = 3
_WIDE = 96
_TIGHT = 72
_WARNING = 1
"""The urgency of a warning; 0 only informs."""


Histograms = Mapping[str, tuple[float, ...]]
"""The bounds of the buckets of histograms, in seconds, by name."""


class AlertItem(Struct, frozen=True):
    """A row of the section: an alert with its rule, or a rule with a problem. ``subject`` is its key in the pane:
    ``("alert", …)`` or ``("rule", …)``."""

    subject: tuple[str, str]
    rule: RuleView | None
    alert: Alert | None = None
    bounds: tuple[float, ...] = ()
    """Those of the buckets of the histogram that its expression is about, if known."""

    @classmethod
    def of_alert(cls, alert: Alert, rule: RuleView | None, histograms: Histograms | None = None) -> AlertItem:
        """A row for an alert, with its rule if known."""
        bounds = histograms.get(compared(rule.expression).histogram, ()) if histograms and rule is not None else ()
        return cls(("alert", f"{alert.rule}{alert.labels}"), rule, alert, bounds)

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

    def tells_reason(self, view: View) -> bool:
        """Whether the state of what it names has a reason that the alert tells too."""
        return bool(self.expression) and bool(reasons_telling(view, self.expression))

    @property
    def level(self) -> Level:
        """The level of the row by its state and severity; silenced and resolved alerts count as good, and one that only
        informs comes after all that is wrong."""
        if self.alert is None:
            return Level.FAILING if self.rule is not None and self.rule.health is RuleHealth.FAILED else Level.UNKNOWN
        if self.alert.silenced_by or self.alert.state is AlertState.RESOLVED:
            return Level.GOOD
        if not self.alert.urgency:
            return Level.UNKNOWN
        is_worst = self.alert.state is AlertState.FIRING and self.alert.urgency > _WARNING
        return Level.FAILING if is_worst else Level.DEGRADED

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


def items_of(alerts: Alerts, histograms: Histograms | None = None) -> list[AlertItem]:
    """The rows: firing and pending alerts, each worst first, then silenced ones, resolved ones, failed rules, and rules
    without data."""
    rules = {rule.key: rule for rule in alerts.rules}
    shown = sorted(alerts.alerts, key=lambda alert: (alert.resolved_at is not None, bool(alert.silenced_by)))
    active = {alert.rule for alert in alerts.alerts if alert.resolved_at is None}
    ill = [rule for rule in alerts.rules if rule.health is RuleHealth.FAILED]
    ill += [rule for rule in alerts.rules if rule.health is RuleHealth.NO_DATA and rule.key not in active]
    return [
        *(AlertItem.of_alert(each, rules.get(each.rule), histograms) for each in shown),
        *map(AlertItem.of_rule, ill),
    ]


def rule_queries(alerts: Alerts, glyphs: Glyphs) -> list[tuple[str, Row]]:
    """The expressions of rules whose alerts are pending or fire, worst first, each once with a row that tells the first
    of them."""
    found: dict[str, Row] = {}
    for item in items_of(alerts):
        if item.alert is not None and item.alert.state is not AlertState.RESOLVED and item.expression:
            state = state_text(item.alert, item.rule, alerts.at)
            row = (
                Piece(" "),
                shape(item, glyphs),
                Piece(f" {item.name}", "strong"),
                Piece(f"  {state}", role(item.alert)),
            )
            found.setdefault(item.expression, row)
    return list(found.items())


def alert_beside(item: AlertItem, view: OneView, now: datetime, glyphs: Glyphs, *, named: bool) -> tuple[OneView, Row]:
    """A state, and the alert beside it in one line: its sign, and what the state does not tell already; without a state
    its value and limit, and what it says. Where the alert gives a worse level than the reason that tells the same, it
    is told in place of that: one limit is told, that which gives the level."""
    mark, alert = shape(item, glyphs), item.alert
    if alert is None:
        return view, (mark, Piece(rule_trouble(item.rule, now), mark.role))
    whole = value_and_summary(alert, item.expression, now, item.bounds)
    if view is None:
        return view, _words(item, alert, whole, mark, named=named)
    telling = reasons_telling(view, item.expression)
    if not telling:
        value = against(alert, item.expression, item.bounds)
        value = value if named or not value else _("alert: {told}", told=value)  # the limit is not that of the state
        return view, _words(item, alert, (said_of(alert) or value,), mark, named=named)
    if isinstance(view, BackendView) or item.level <= max(level_given(view, each) for each in telling):
        return view, _words(item, alert, (), mark, named=named)
    lesser = len(view.reasons) - view.lesser
    kept = [place for place in range(len(view.reasons)) if place not in telling]
    reasons, left = tuple(view.reasons[place] for place in kept), sum(place >= lesser for place in kept)
    return replace(view, reasons=reasons, lesser=left), _words(item, alert, whole, mark, named=named)


def _words(item: AlertItem, alert: Alert, what: Sequence[str], mark: Piece, *, named: bool) -> Row:
    told = "  ".join(filter(None, (item.name if named else "", *what[:1], marks(alert), *what[1:])))
    told = with_time(told, alert) if any(what) else told
    colour = "muted" if alert.acknowledged is not None else role(alert)
    return Piece(mark.text, colour), Piece(told, colour)


def with_time(told: str, alert: Alert) -> str:
    """What an alert says, with the time at which it said so if that is not the time shown."""
    if alert.as_of is None:
        return told
    return _("{what} (at {time})", what=told, time=f"{alert.as_of:%H:%M:%S}")


def state_since(alert: Alert) -> datetime:
    """When the alert came into its state."""
    return alert.resolved_at or alert.fired_at or alert.active_at


def state_text(alert: Alert, rule: RuleView | None, now: datetime) -> str:
    """The alert's state and since when: ``firing 6 min``, ``pending 40 s of 5 min``."""
    age = age_text(state_since(alert), now)
    if alert.state is AlertState.RESOLVED:
        return _("resolved {age} ago", age=age)
    if alert.state is AlertState.FIRING:
        return _("firing {age}", age=age)
    if rule is None or not rule.for_s:
        return _("pending {age}", age=age)
    age = age_text(alert.active_at, min(now, alert.active_at + timedelta(seconds=rule.for_s)))  # fires at the next look
    return _("pending {age} of {for_time}", age=age, for_time=human_duration(rule.for_s))


def marks(alert: Alert) -> str:
    """Return who acknowledged the alert, and whether it is silenced or kept firing; empty if none of these applies."""
    found = []
    if alert.silenced_by:
        found.append(alert.suppression or _("silenced"))
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
    ended = glyphs.good if item.alert.no_data_since is None else glyphs.unknown
    signs = {AlertState.FIRING: glyphs.alert, AlertState.PENDING: glyphs.degraded, AlertState.RESOLVED: ended}
    return Piece(signs[item.alert.state], role(item.alert))


def role(alert: Alert) -> str:
    """The colour of an alert, by its state and severity; that of one that ended for lack of data is not good."""
    if alert.silenced_by:
        return "muted"
    if alert.state is AlertState.RESOLVED:
        return "good" if alert.no_data_since is None else "unknown"
    if alert.state is AlertState.FIRING:
        return firing_role(alert.urgency)
    return "degraded" if alert.urgency else "muted"


class _AlertCells(Struct, frozen=True):
    item: AlertItem
    alert: Alert
    now: datetime


def _note(value: _AlertCells) -> Row:
    marked = marks(value.alert)
    alert, item = value.alert, value.item
    said = was_text(alert, item.expression, value.now) if alert.is_resolved else summary(alert)
    return (Piece(marked + "  " if marked else "", "accent"), Piece(said, "muted"))


def _against(value: _AlertCells) -> Row:
    return (Piece(against(value.alert, value.item.expression, value.item.bounds), role(value.alert)),)


_COLUMNS: tuple[Column[_AlertCells], ...] = (
    Column(lambda: "", 18, lambda v: (Piece(v.item.name, "strong"),), grow=2),
    Column(lambda: "", 14, lambda v: (Piece(where(v.alert.labels)),), priority=2, grow=8),
    Column(lambda: "", 13, _against, priority=3),
    Column(lambda: "", 23, lambda v: (Piece(state_text(v.alert, v.item.rule, v.now), role(v.alert)),), priority=1),
    Column(lambda: "", 20, _note, priority=4, grow=200),
)
_TIGHT_COLUMNS: tuple[Column[_AlertCells], ...] = (
    Column(lambda: "", 18, lambda v: (Piece(v.item.name, "strong"),)),
    Column(lambda: "", 14, lambda v: (Piece(where(v.alert.labels)),), priority=2, grow=200),
    Column(lambda: "", 13, _against, priority=3),
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
    return _("evaluation failing for {age}: {why}", age=age_text(rule.failing_since, now), why=why)


def summary_pieces(alerts: Alerts) -> list[Piece]:
    """How many alerts are in each state, how many others are acknowledged or silenced, who evaluates them if it is not
    this LilFox, and how many rules there are."""
    pieces = []
    if alerts.new_firing:
        pieces.append(Piece(_("{count} firing", count=alerts.new_firing), firing_role(alerts.new_firing_urgency)))
    if alerts.new_pending:
        pieces.append(Piece(_("{count} pending", count=alerts.new_pending), "degraded"))
    if alerts.acknowledged:
        pieces.append(Piece(_("{count} acknowledged", count=alerts.acknowledged), "muted"))
    if silenced := sum(bool(alert.silenced_by) for alert in alerts.alerts):
        pieces.append(Piece(_("{count} silenced", count=silenced), "muted"))
    if not pieces:
        if alerts.blind:  # some may be missing
            pieces.append(Piece(_("no known alerts"), "degraded"))
        else:
            pieces.append(Piece(_("no alerts"), "muted" if alerts.troubles else "good"))
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


_NAME = 12
_SIDE_BY_SIDE, _TEXT_BESIDE = 140, 58
"""Cells from which the series stand beside their chart, and of a section of text beside another one."""
_CHART_SHARE, _SERIES_SHARE = 3, 2
"""Parts of the width of the chart and of what stands beside it."""
_AROUND_PLOT, _BORDERS = 2, 2
"""Rows of a chart besides its plot (the legend or one more row, and the times), and cells besides a section's text."""
_ERRORS_SHOWN, _OTHERS_SHOWN = 4, 5
_WHOLE = 1.1


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
    runbooks: Sequence[str] = ()
    """The titles of those that are for the alert."""
    steps: Sequence[Sequence[Row]] = ()
    """The steps of the first runbook, each with its commands."""
    errors: Sequence[Row] = ()
    """The newest errors in the logs of its service."""
    others: Sequence[AlertItem] = ()
    """Other alerts that are pending or fire where it does."""
    whole: Explanation | None = None
    """Its series since the alert became active, where the window begins later."""
    slow_link: bool = False
    height: int = 0
    """Rows of the screen; 0 if it does not matter."""
    cursor: datetime | None = None
    """The moment whose values the charts tell, instead of the newest ones."""
    alerts: Sequence[Alert] = ()
    """All of its rule."""


def alert_page(page: AlertPage) -> list[Row]:
    """The rows of an alert's page; the first two are the title."""
    style = SectionStyle(page.width, page.glyphs, page.chart_height, slow_link=page.slow_link, cursor=page.cursor)
    head = wrapped([*_title(page), *_said(page)], page.width)
    beside, facts = page.width >= _SIDE_BY_SIDE and not style.compact, _facts(page)
    if beside and isinstance(page.why, Explanation) and page.why.sides:
        width = (page.width - 1) * _SERIES_SHARE // (_CHART_SHARE + _SERIES_SHARE) - 1
        facts = [drawn_section(each, width) for each in facts]
        high = sum(len(each.rows(width)) + 1 for each in facts) + min(SIDES_SHOWN, len(page.why.sides))
        style = replace(style, chart_height=max(style.chart_height, high - _AROUND_PLOT))

    def draw(style: SectionStyle) -> list[Row]:
        bands, below = _why(page, style), facts
        if len(bands[-1]) > 1:  # the series beside their chart, and the facts below them
            chart, table = bands[-1]
            bands, below = [*bands[:-1], [chart, replace(table, below=facts)]], []
        return head + draw_sections([*bands, *_about(page, below)], style)

    return fill_page(draw, style, page.height, 1 if isinstance(page.why, Explanation) and page.why.sides else 0)


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
        *((Piece("  " + value, role(alert)),) if (value := against_over(alert, item.expression, item.bounds)) else ()),
    ]
    if alert.severity:
        head.append(Piece("  " + alert.severity, "muted"))
    said = was_text(alert, item.expression, page.now) if alert.is_resolved else alert.summary
    return [tuple(head), (Piece("   " + (said or where(alert.labels))),)]


def _said(page: AlertPage) -> list[Row]:
    """Who acknowledged the alert, what silences it, and the runbook for it."""
    alert = page.item.alert
    if alert is None:
        return []
    rows = runbook_rows(page.runbooks)
    if (seen := alert.acknowledged) is not None:
        text = _("acknowledged by {name} at {time}", name=seen.by, time=clock(seen.at, page.now))
        rows.append((Piece("   " + text, "accent"), Piece("  " + seen.note)))
    by = (each for each in page.silences if each.id in alert.silenced_by)
    worked_on = [name for each in alert.silenced_by if (name := window_of(each)) is not None]
    if alert.suppression:
        rows.append((Piece("   " + alert.suppression, "accent"),))
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
    return _("silenced by {name} until {time}", name=silence.created_by, time=clock(silence.ends_at, now))


def _why(page: AlertPage, style: SectionStyle) -> list[Band]:
    """The expression, when its value crossed the limit, and the series that it selects."""
    item, why = page.item, page.why
    rows, highest, bar = list[Row](), peak(page), None
    if item.alert is not None:
        if bar := gauge(item.alert, item.expression, highest, page.now, style, item.bounds):
            rows.append(bar)
        rows.append((Piece(" "), Piece(course(item.alert, item.rule, page.now), role(item.alert))))
    place = len(rows)
    if item.expression:
        rows += query_rows(" ".join(item.expression.split()), page.width - _BORDERS - 1, " ")
    if not isinstance(why, Explanation):
        if why is not None:
            rows.append((Piece(" " + str(why), "degraded"),))
        elif item.expression:
            rows.append((Piece(" " + _("querying"), "muted"),))
        return [[text_section(_("Why"), rows)]]
    series = SeriesPage(why, item.expression, item.alert, page.now, page.window, style, item.bounds, page.alerts)
    told_beside_bar = bool(bar) and item.alert is not None and item.alert.resolved_at is not None
    if told := values_told(series, None if told_beside_bar else highest):
        together = (*rows[place - 1], Piece("  " + told))
        if item.alert is not None and row_width(together) < page.width - _BORDERS:
            rows[place - 1] = together
        else:
            rows.insert(place, (Piece(" "), Piece(told)))
    bands: list[Band] = [[text_section(_("Why"), rows)]]
    title = _("Series at {time}", time=clock(series.end, page.now))
    table = Section(title, lambda width: series_rows(series, width), series_note(series), share=_SERIES_SHARE)
    if not why.sides:
        return [*bands, [table]]
    drawn = replace(chart_section(series_chart(series), style), share=_CHART_SHARE, plain=lambda _width: ())
    return [*bands, [drawn, table]] if page.width >= _SIDE_BY_SIDE else [*bands, [drawn], [table]]


def peak(page: AlertPage) -> tuple[float, datetime] | None:
    """The value furthest beyond the limit while the alert's expression held, and when; None if it is not known."""
    found = page.whole or page.why
    if not isinstance(found, Explanation):
        return None
    window = page.window if page.whole is None or page.item.alert is None else whole_window(page.item.alert, page.now)
    style = SectionStyle(page.width, page.glyphs)
    return extreme(SeriesPage(found, page.item.expression, page.item.alert, page.now, window, style), _fired_with(page))


def whole_window(alert: Alert, now: datetime) -> timedelta:
    """The time that the alert was active, with a little of the time before."""
    return ((alert.resolved_at or now) - alert.active_at) * _WHOLE


def _fired_with(page: AlertPage) -> float | None:
    """The value with which the alert fired this time."""
    at = None if page.item.alert is None else page.item.alert.fired_at
    return next((each.value for each in page.events if each.kind == "fired" and each.at == at), None)


def _about(page: AlertPage, facts: Sequence[Section]) -> list[Band]:
    """The newest errors, what else is wrong, what to do, and the ``facts`` that stand nowhere else."""
    found = []
    if page.others:
        title = _("Also firing or pending here")
        found.append(Section(title, lambda width: [
            cut_row(alert_row(each, page.now, width, page.glyphs), width - 1) for each in page.others[:_OTHERS_SHOWN]
        ]))  # fmt: skip
    if page.steps:
        found.append(first_steps(page.steps))
    bands = beside_each_other([*found, *facts], page.width, _TEXT_BESIDE)
    errors = page.errors[:_ERRORS_SHOWN]
    newest = Section(_("Newest errors"), lambda width: [cut_row(row, width - 1) for row in errors])
    return [[newest], *bands] if errors else bands


def _facts(page: AlertPage) -> list[Section]:
    """Labels, annotations, the rule, and what happened."""
    alert, found = page.item.alert, []
    if alert is not None and alert.labels:
        found.append(pairs_section(_("Labels"), alert.labels))
    if alert is not None and alert.is_resolved and alert.annotations:  # in the present tense, with the last values
        found.append(pairs_section(_("Annotations while it fired"), alert.annotations))
    elif alert is not None and (others := [each for each in alert.annotations if each[1] != alert.summary]):
        found.append(pairs_section(_("Annotations"), others))  # the summary is below the title
    found.append(text_section(_("Rule"), _rule(page.item.rule, page)))
    if alert is not None:
        found.append(text_section(_("History"), _history(page)))
    return found


def _rule(rule: RuleView | None, page: AlertPage) -> list[Row]:
    if rule is None:
        return [(Piece(" " + _("no longer in the rule files"), "muted"),)]
    file, _semicolon, _rest = rule.key.partition(";")
    facts = [
        (_("file"), file),
        (_("group"), rule.group),
        (_("for"), human_duration(rule.for_s) if rule.for_s else _("fires immediately")),
    ]
    if trouble := rule_trouble(rule, page.now):
        facts.append((_("state"), trouble))
    if rule.evaluated_at is not None and (page.item.alert is None or page.item.alert.as_of is None):
        took = "" if rule.took_s is None else human_duration(rule.took_s)
        facts.append((_("evaluated"), _("{time}, took {took}", time=clock(rule.evaluated_at, page.now), took=took)))
    return [(Piece(" " + fit(name, _NAME), "muted"), Piece(value)) for name, value in facts]


def _history(page: AlertPage) -> list[Row]:
    if not page.events:
        return [(Piece(" " + _("nothing yet"), "muted"),)]
    return [_event(each, page.item) for each in page.events]


def _event(event: Event, item: AlertItem) -> Row:
    fired = "failing" if item.alert is None else firing_role(item.alert.urgency)
    colours = {"fired": fired, "resolved": "good", "not told": "degraded"}
    told = [_KINDS[event.kind]()]
    if event.lasted_s is not None:
        told.append(_("after {time}", time=human_duration(event.lasted_s)))
    elif event.kind == "fired" and event.value is not None:
        told.append(_("at {value}", value=value_told(event.value, item.expression, item.bounds)))
    if event.by:
        told.append(_("by {name}", name=event.by))
    at = Piece(" " + event.at.strftime("%m-%d %H:%M:%S  "), "muted")
    note = (Piece("  " + event.note),) if event.note else ()
    return (at, Piece(" ".join(told), colours.get(event.kind, "text")), *note)


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
