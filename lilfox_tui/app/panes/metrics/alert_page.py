"""The page of an alert, or of a rule, as rows. Pure: what is known in, rows out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from lilfox_tui.alerts.model import Alert, Event, RuleView, Silence
from lilfox_tui.alerts.notifier import summary
from lilfox_tui.alerts.silences import window_of
from lilfox_tui.app.panes.metrics.alert_rows import (
    AlertItem,
    against,
    number,
    role,
    rule_trouble,
    shape,
    state_text,
    where,
)
from lilfox_tui.app.rendering.chart import AXIS_WIDTH, chart, spark
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.app.rendering.wrap import wrapped
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _
from lilfox_tui.metrics.model import Labels
from lilfox_tui.monitor.alert_explain import ComparisonSide, Explanation
from lilfox_tui.text import fit, human_duration

SIDES_SHOWN = 12
CHART_COLUMNS = 120
_SPARK = 16
_NAME = 14


class AlertPage(Struct, frozen=True):
    """What the page needs. ``why`` is None while it is being asked, an error where it cannot be told. ``events`` are
    the newest first."""

    item: AlertItem
    now: datetime
    window: timedelta
    glyphs: Glyphs
    width: int
    chart_height: int
    why: Explanation | LilFoxError | None
    events: Sequence[Event] = ()
    silences: Sequence[Silence] = ()


def chart_columns(width: int) -> int:
    """How many columns the chart of a page that wide has."""
    return max(1, min(width - 2, CHART_COLUMNS + AXIS_WIDTH + 1) - AXIS_WIDTH - 1)


def alert_page(page: AlertPage) -> list[Row]:
    """All rows; the first two are the title."""
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
            (*head, Piece("  " + _("a rule"), "muted")),
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
    """Who has seen it and what silences it."""
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
            (Piece("   " + _("in maintenance; end it: lilfox maintenance off {name}", name=name), "accent"),)
            for name in worked_on
        ),
        *((Piece("   " + silence_text(each, page.now), "accent"), Piece("  " + each.comment)) for each in by),
    ]


def silence_text(silence: Silence, now: datetime) -> str:
    """Until when it silences, and by whom."""
    if silence.until_resolved:
        return _("silenced by {name} until it has resolved", name=silence.created_by)
    return _("silenced by {name} until {time}", name=silence.created_by, time=_time(silence.ends_at, now))


def _why(page: AlertPage) -> list[Row]:
    rows: list[Row] = [BLANK, (Piece(" " + _("WHY"), "title"),)]
    why = page.why
    if not isinstance(why, Explanation):
        text = _("being asked") if why is None else str(why)
        return [*rows, (Piece("   " + text, "muted" if why is None else "degraded"),)]
    sides = why.compared
    rows.append((Piece("   "), Piece(f"{sides.left} {sides.op} {sides.right}".rstrip())))
    if not why.sides:
        return [*rows, (Piece("   " + _("no series now, nor in this window"), "degraded"),)]
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
        Piece("  " + (where(side.labels) or _("all together")), colour),
    )


def _fewer(values: Sequence[float | None], count: int) -> list[float | None]:
    """The highest of each of ``count`` equal parts; None where nothing in it is known."""
    parts = [values[place * len(values) // count : (place + 1) * len(values) // count] for place in range(count)]
    return [max((value for value in part if value is not None), default=None) for part in parts]


def _scale(why: Explanation) -> float | None:
    """The same for all series, so that they can be compared; None where nothing is above zero."""
    return max((value for side in why.sides for value in side.values if value is not None and value > 0), default=None)


def _chart(why: Explanation, page: AlertPage) -> list[Row]:
    """The series that the alert is about over the window, with the limit as a line."""
    side = _own_side(why, page.item.alert)
    columns = chart_columns(page.width)
    limit = None if side.limit is None or not why.compared.op else side.limit
    known = [value for value in side.values if value is not None]
    return chart(
        where(side.labels) or why.compared.left,
        side.values,
        width=columns + AXIS_WIDTH + 1,
        height=page.chart_height,
        unit=number,
        start=page.now - page.window,
        end=page.now,
        glyphs=page.glyphs,
        top=None if not known or limit is None else _top([*known, limit]),
        now_text="" if limit is None else _("limit {limit}", limit=number(limit)),
        limit=limit,
    )


def _top(values: Sequence[float]) -> float | None:
    """The upper end of the scale, so that the limit is in sight too; None where nothing is above zero."""
    return max(values) * 1.1 if max(values) > 0 else None


def _own_side(why: Explanation, alert: Alert | None) -> ComparisonSide:
    """The series whose labels the alert has; the first where none is."""
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
        return [*rows, (Piece("   " + _("it is not in the rule files any more"), "muted"),)]
    file, _semicolon, _rest = rule.key.partition(";")
    facts = [
        (_("file"), file),
        (_("group"), rule.group),
        (_("expression"), " ".join(rule.expression.split())),
        (_("for"), human_duration(rule.for_s) if rule.for_s else _("fires at once")),
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
    "unacknowledged": lambda: _("acknowledgement taken back"),
    "silenced": lambda: _("silenced"),
    "expired": lambda: _("silence ended"),
    "told": lambda: _("told"),
    "not told": lambda: _("not told"),
}


def _time(at: datetime, now: datetime) -> str:
    return at.strftime("%H:%M:%S" if at.date() == now.date() else "%m-%d %H:%M:%S")
