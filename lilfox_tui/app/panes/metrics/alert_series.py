"""What an alert's rule compares: values in their unit, the series on both sides of the limit, when it was crossed, and
the expression in colours.

Pure. Imported only where there are rules (it imports the parser of PromQL)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct

from lilfox_tui.alerts.model import Alert, AlertState, RuleView
from lilfox_tui.alerts.notifier import summary
from lilfox_tui.app.panes.metrics.sections import PageChart, PageCurve, SectionStyle, last_of
from lilfox_tui.app.rendering.chart import HEADROOM, SERIES_COLOURS, Values, first_known, nice_ceiling, resampled, spark
from lilfox_tui.app.rendering.columns import BOUND_SIGNS, GAP, Column, choose, line, slice_row, wrapped
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import NARROWEST
from lilfox_tui.core.i18n import _, clauses, ngettext
from lilfox_tui.core.text import cell_width, human_age, human_duration, in_place
from lilfox_tui.core.units import ValueUnit, axis_label, exact_text, value_text
from lilfox_tui.metrics.model import Labels
from lilfox_tui.metrics.traffic import bound_of_guess
from lilfox_tui.monitor.alert_explain import Compared, ComparisonSide, Explanation, compared
from lilfox_tui.promql.completion import AGGREGATIONS, WORDS
from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.promql.lexer import tokens

SIDES_SHOWN = 12
_BEFORE = timedelta(minutes=1)
"""So much of the time before an alert is in its chart at least."""
_SPARK, _PLACE_MOST = 16, 40
_GAUGE_LEAST, _GAUGE_MOST = 8, 50
_FIRST = (
    "service", "job", "host", "instance", "cluster", "namespace", "deployment", "statefulset", "daemonset", "pod",
    "container", "node",
)  # fmt: skip
"""Labels that tell where it is, in the order in which they are shown."""
_TOLD_ELSEWHERE = ("alertname", "severity")
_ABOVE, _BELOW = (">", ">="), ("<", "<=")
_ABOUT = "~"
"""Before a value that is interpolated."""


def where(labels: Labels) -> str:
    """Return the label values that tell where the alert is, service and host first, then the other labels."""
    known = dict(labels)
    first = dict.fromkeys(known[name] for name in _FIRST if name in known)
    rest = [f"{name}={value}" for name, value in labels if name not in (*_FIRST, *_TOLD_ELSEWHERE, "__name__")]
    return " ".join((*first, *rest))


# ---- values in their unit ----------------------------------------------------------------------------------------


def _beside_limit(value: float | None, limit: float | None, unit: ValueUnit) -> tuple[str, str]:
    """A value and its limit as texts; with as many digits as it takes where they would look the same and are not."""
    texts = value_text(value, unit), value_text(limit, unit)
    if value is None or limit is None or value == limit or texts[0] != texts[1]:
        return texts
    pairs = ((exact_text(value, unit, digits), exact_text(limit, unit, digits)) for digits in range(4, 18))
    return next((pair for pair in pairs if pair[0] != pair[1]), texts)


Bounds = Sequence[float]
"""The finite bounds of the buckets of the histogram that an expression is about, in seconds; none if not known."""


def _certain(value: float | None, text: str, sides: Compared, bounds: Bounds) -> tuple[str, bool]:
    """What is certain of a value with that ``text``, and whether it is a bound: of a quantile that is a guess."""
    if value is None or not sides.is_estimate:
        return text, False
    if not bounds:
        return _ABOUT + text, False
    bound, certain = bound_of_guess(value, bounds)
    return (BOUND_SIGNS[bound] + value_text(certain, sides.unit), True) if bound else (text, False)


def value_told(value: float, expression: str, bounds: Bounds = ()) -> str:
    """A value of an alert, or what is certain of it."""
    sides = compared(expression)
    return _certain(value, value_text(value, sides.unit), sides, bounds)[0]


def against(alert: Alert, expression: str, bounds: Bounds = ()) -> str:
    """An alert's value and what it is compared with, in one unit: ``31% > 5%``; nothing for a resolved one, of which
    :func:`was_text` tells."""
    if alert.state is AlertState.RESOLVED:
        return ""
    sides = compared(expression)
    value, limit = _beside_limit(alert.value, sides.limit, sides.unit)
    value, is_bound = _certain(alert.value, value, sides, bounds)
    return _compare(value, sides, limit, is_bound=is_bound) if sides.op else value


def _compare(value: str, sides: Compared, limit: str, *, is_bound: bool) -> str:
    limit = sides.right if sides.limit is None else limit
    return _("{value}, limit {limit}", value=value, limit=limit) if is_bound else f"{value} {sides.op} {limit}"


def against_over(alert: Alert, expression: str, bounds: Bounds = ()) -> str:
    """As :func:`against`, with the time over which the value is measured: ``31% > 5% over 5 min``."""
    told, window_s = against(alert, expression, bounds), compared(expression).window_s
    return _("{told} over {time}", told=told, time=human_duration(window_s)) if told and window_s else told


_NUMBER = re.compile(r"(?<![\w.-])\d+(?:\.\d+)?")
"""A number that is no part of a name."""


def said_of(alert: Alert) -> str:
    """What an alert says, without the name of its place, which its row begins with."""
    said = summary(alert)
    for name in _FIRST:
        if label := alert.label(name):
            said = said.removeprefix(f"{label}: ")
    return said


def value_and_summary(alert: Alert, expression: str, now: datetime, bounds: Bounds = ()) -> tuple[str, str]:
    """An alert's value with its limit, and what it says; if that has the value, what it says and the limit. Of a
    resolved one what was."""
    if alert.state is AlertState.RESOLVED:
        return "", was_text(alert, expression, now)
    said, sides = said_of(alert), compared(expression)
    if said and sides.op == "==" and sides.limit == alert.value:
        return said, ""  # "0 == 0" says nothing
    if said and sides.op and sides.limit is None:
        return said, against(alert, expression, bounds)  # two values: the text says which
    if not said or not sides.op or not _tells(said, alert.value):
        return against(alert, expression, bounds), said
    limit = sides.right if sides.limit is None else _beside_limit(alert.value, sides.limit, sides.unit)[1]
    return said, _("limit {limit}", limit=limit)


def _tells(said: str, value: float) -> bool:
    """Whether a text has the value as a number or as a percentage, rounded as it may be."""
    numbers = (found[0] for found in _NUMBER.finditer(said))
    return any(
        abs(float(each) - shown) <= 0.51 * 10.0 ** -len(each.partition(".")[2])
        for each in numbers
        for shown in (value, value * 100)
    )


def clock(at: datetime, now: datetime) -> str:
    """A time of today, or with its day."""
    return at.strftime("%H:%M:%S" if at.date() == now.date() else "%m-%d %H:%M:%S")


def age_text(since: datetime, now: datetime) -> str:
    """How long ago that was: the same whole seconds wherever one screen tells it, ``1 s`` at least."""
    return human_age(max(1.0, (now - since).total_seconds()))


def course(alert: Alert, rule: RuleView | None, now: datetime) -> str:
    """Since when the alert's value is beyond the limit and what came of it; in the past tense once it is resolved."""
    expression = "" if rule is None else rule.expression
    sides = compared(expression)
    crossed = clock(alert.active_at, now)
    limit = value_text(sides.limit, sides.unit)
    known = sides.limit is not None
    above, below = known and sides.op in _ABOVE, known and sides.op in _BELOW
    if alert.resolved_at is not None:
        first = _("true from {time}", time=crossed)
        if above:
            first = _("above {limit} from {time}", limit=limit, time=crossed)
        elif below:
            first = _("below {limit} from {time}", limit=limit, time=crossed)
        gone = alert.no_data_since
        missing = [] if gone is None else [_("no data since {time}", time=clock(gone, now))]
        return clauses([first, _was(alert, clock(alert.resolved_at, now)), *missing])
    age = age_text(alert.active_at, now)
    first = _("true since {time}, {age} ago", time=crossed, age=age)
    if above:  # what it was before is not always known
        first = _("above {limit} since {time}, {age} ago", limit=limit, time=crossed, age=age)
    elif below:
        first = _("below {limit} since {time}, {age} ago", limit=limit, time=crossed, age=age)
    told = [first]
    if alert.fired_at is not None and (fired := clock(alert.fired_at, now)) != crossed:
        told.append(_("fired at {time}", time=fired))
    elif alert.fired_at is None and rule is not None and rule.for_s:
        due = clock(alert.active_at + timedelta(seconds=rule.for_s), now)
        told.append(_("fires at {time} if it stays so", time=due))
    if rule is not None and rule.every_s is not None:  # the value may have crossed the limit that long before
        told.append(_("evaluated every {interval}", interval=human_duration(rule.every_s)))
    return clauses(told)


def _was(alert: Alert, resolved: str) -> str:
    """What a resolved alert was, and for how long."""
    assert alert.resolved_at is not None
    since = alert.fired_at or alert.active_at
    lasted = human_duration(max(1, round((alert.resolved_at - since).total_seconds())))
    if alert.fired_at is None:
        return _("was pending for {age}, resolved at {time}", age=lasted, time=resolved)
    return _("was firing for {age}, resolved at {time}", age=lasted, time=resolved)


def was_text(alert: Alert, expression: str, now: datetime) -> str:
    """What was the matter with a resolved alert, for how long and until when; its own texts are in the present tense.
    Where it ended for lack of data, it is not known whether that is over."""
    resolved, gone, sides = alert.resolved_at or now, alert.no_data_since, compared(expression)
    since = alert.active_at if expression else alert.fired_at or alert.active_at
    ended = gone if gone is not None and gone > since else resolved
    values = {"age": human_duration(max(1, round((ended - since).total_seconds())))}
    if sides.limit is not None and sides.op in (*_ABOVE, *_BELOW):
        values["limit"] = value_text(sides.limit, sides.unit)
        what = _("was above {limit} for {age}", **values)
        what = what if sides.op in _ABOVE else _("was below {limit} for {age}", **values)
    else:
        what = _("was true for {age}", **values) if expression else _("was firing for {age}", **values)
    if gone is not None:
        return clauses((_("no data since {time}", time=clock(gone, now)), what))  # the end of a row may be cut
    what = _("{what}, until {time}", what=what, time=clock(resolved, now))
    if not sides.window_s:
        return what
    return _("{what} (measured over {time})", what=what, time=human_duration(sides.window_s))  # a threshold has its own


def extreme(page: SeriesPage, fired: float | None) -> tuple[float, datetime] | None:
    """The value furthest beyond the limit while the alert's expression held, and when that was, as far as the columns
    and the value with which it ``fired`` tell; None if the window does not reach back so far."""
    alert, op = page.alert, page.why.compared.op
    side = None if alert is None else own_side(page.why, alert)
    if alert is None or side is None or op not in (*_ABOVE, *_BELOW) or not side.values:
        return None
    ended = alert.resolved_at or page.end
    step = page.window / len(side.values)
    times = [page.end - step * back for back in range(len(side.values) - 1, -1, -1)]
    if times[0] > alert.active_at:
        return None
    found = [
        (value, at)
        for value, at in zip(side.values, times, strict=True)
        if value is not None and alert.active_at <= at <= ended
    ]
    found.append((alert.value, ended))
    if fired is not None and alert.fired_at is not None:
        found.append((fired, alert.fired_at))
    return max(found, key=lambda each: each[0] if op in _ABOVE else -each[0])


def values_told(page: SeriesPage, highest: tuple[float, datetime] | None) -> str:
    """The last value of a resolved alert, and the peak of the time in which its expression held; each named."""
    alert, parts = page.alert, []
    if alert is None or not page.why.compared.op:
        return ""
    if alert.resolved_at is not None:
        value = _beside_limit(alert.value, page.why.compared.limit, page.unit)[0]
        parts.append(_("last value while the condition was true: {value}", value=value))
    if highest is not None:
        parts.append(peak_told(page.expression, highest, page.now, page.bounds))
    return clauses(parts)


def peak_told(expression: str, highest: tuple[float, datetime], now: datetime, bounds: Bounds = ()) -> str:
    """The value furthest beyond the limit, and when it was."""
    sides = compared(expression)
    value, at = value_told(highest[0], expression, bounds), clock(highest[1], now)
    if sides.op in _ABOVE:
        return _("peak {value} at {time}", value=value, time=at)
    return _("lowest {value} at {time}", value=value, time=at)


def gauge(
    alert: Alert,
    expression: str,
    highest: tuple[float, datetime] | None,
    now: datetime,
    style: SectionStyle,
    bounds: Bounds = (),
) -> Row:
    """The alert's value against its limit as a bar on which the limit is marked; of a resolved one the value that was
    furthest beyond it. Nothing if there is no such number."""
    sides, is_over_now = compared(expression), alert.resolved_at is None
    value = alert.value if is_over_now else None if highest is None else highest[0]
    if sides.limit is None or value is None or sides.op not in (*_ABOVE, *_BELOW):
        return ()
    top = _gauge_top(value, sides.limit, sides.unit)
    texts = _beside_limit(value, sides.limit, sides.unit)
    certain, is_bound = _certain(value, texts[0], sides, bounds)
    told = _compare(certain, sides, texts[1], is_bound=is_bound)
    if highest is not None and not is_over_now:
        told = clauses([peak_told(expression, highest, now, bounds), _("limit {limit}", limit=texts[1])])
    cells = min(_GAUGE_MOST, style.width - 6 - cell_width(told))
    if not math.isfinite(top) or min(value, sides.limit) < 0 or cells < _GAUGE_LEAST:
        return ()
    role, glyphs = _holding_role(alert) if is_over_now else "muted", style.glyphs
    filled, at = round(value / top * cells), min(cells - 1, int(sides.limit / top * cells))
    pieces = [Piece(" ")]
    for begin, end in ((0, at), (at + 1, cells)):
        done = max(0, min(end, filled) - begin)
        pieces += [Piece(glyphs.full * done, role), Piece(glyphs.empty * (end - begin - done), "rule")]
        if begin == 0:
            pieces.append(Piece(glyphs.axis, "strong"))
    return (*(piece for piece in pieces if piece.text), Piece("  " + told, role if is_over_now else "text"))


def _gauge_top(value: float, limit: float, unit: ValueUnit) -> float:
    """The end of a bar: all of it where the values are parts of a whole."""
    whole = {"ratio": 1.0, "percent": 100.0}.get(unit, 0.0)
    highest = max(value, limit)
    return whole if 0 < highest <= whole else nice_ceiling(highest, binary=unit.startswith("bytes"))


# ---- the series that the expression selects ----------------------------------------------------------------------


class SeriesPage(Struct, frozen=True):
    """The series of an expression on a page, at ``now`` and over the ``window`` before it."""

    why: Explanation
    expression: str
    alert: Alert | None
    now: datetime
    window: timedelta
    style: SectionStyle
    bounds: Bounds = ()
    alerts: Sequence[Alert] = ()
    """Those of its rule, each of a series of its own."""

    @property
    def end(self) -> datetime:
        """The moment of the values: that of the question, which is asked anew after each evaluation."""
        return self.why.end or self.now

    @property
    def unit(self) -> ValueUnit:
        """The unit of the values."""
        return self.why.compared.unit

    @property
    def role(self) -> str:
        """The colour of a series for which the alert's expression holds: that of the alert's state and severity."""
        return _holding_role(self.alert)

    def role_of(self, side: ComparisonSide) -> str:
        """The same of one series, by its own alert."""
        own = (each for each in self.alerts if _is_own(side, each) and each.resolved_at is None)
        return _holding_role(next(own, self.alert))


def _holding_role(alert: Alert | None) -> str:
    is_worst = alert is None or (alert.urgency > 1 and alert.state is not AlertState.PENDING)
    return "failing" if is_worst else "degraded"


class _SideCells(Struct, frozen=True):
    side: ComparisonSide
    page: SeriesPage
    top: float | None
    """The highest value, for the scale that all series share."""
    first: int = 0
    """The column before which nothing is known of any series, so that the courses begin beside the names."""


def is_over(side: ComparisonSide, op: str, value: float | None) -> bool | None:
    """Whether a value is on the alert's side of its limit; None if that is not known."""
    if value is None or side.limit is None:
        return None
    return {
        ">": value > side.limit, ">=": value >= side.limit, "<": value < side.limit, "<=": value <= side.limit,
        "==": value == side.limit, "!=": value != side.limit,
    }.get(op)  # fmt: skip


def crossed_at(side: ComparisonSide, page: SeriesPage) -> datetime | None:
    """When the series came to the side of the limit where it is now: of the alert's own as the rest of the page says,
    of others as far as the window's columns tell; None if it was there all the time, or is not known."""
    op, count = page.why.compared.op, len(side.values)
    now = is_over(side, op, side.value)
    if now is None or not count:
        return None
    alert = page.alert
    if alert is not None and now is (alert.resolved_at is None) and side is own_side(page.why, alert):
        return alert.resolved_at or alert.active_at
    for place in range(count - 1, -1, -1):
        then = is_over(side, op, side.values[place])
        if then is not None and then is not now:
            return page.end - page.window * (count - 2 - place) / count if place < count - 1 else page.end
    return None


def series_note(page: SeriesPage) -> Row:
    """How many series are on which side of the limit."""
    counts = dict.fromkeys(("failing", "degraded", "good", "unknown"), 0)
    for side in page.why.sides:
        counts[_state(side, page, page.style.glyphs)[0].role] += 1
    over, count = counts["failing"] + counts["degraded"], len(page.why.sides) + page.why.more
    if not page.why.compared.op:
        return (Piece(ngettext("{count} series", "{count} series", count), "muted"),)
    role = next((each for each in ("failing", "degraded") if counts[each]), "good")
    return (Piece(_("{over} of {count} over the limit", over=over, count=count), role),)


def series_rows(page: SeriesPage, width: int) -> list[Row]:
    """The series, those for which the alert's expression holds first: side of the limit, value, place, course."""
    sides = page.why.sides
    if not sides:
        return [(Piece(" " + _("no series now or in this window"), "degraded"),)]
    top = max((value for side in sides for value in side.values if value is not None and value > 0), default=None)
    first = first_known([side.values for side in sides[:SIDES_SHOWN]])
    values = [_SideCells(side, page, top, first) for side in sides[:SIDES_SHOWN]]
    chosen = choose(_columns(values, width - 4), width - 4)
    rows: list[Row] = [(Piece(" "), _mark(each), Piece(" "), *line(chosen, each)) for each in values]
    if (more := len(sides) - SIDES_SHOWN + page.why.more) > 0:
        rows.append((Piece("   " + _("{count} more series", count=more), "muted"),))
    return rows


def _columns(values: Sequence[_SideCells], room: int) -> list[Column[_SideCells]]:
    """The columns, as wide as what stands in them; where there is little room, the sign alone tells the side."""

    def widest(cell: Callable[[_SideCells], Row]) -> int:
        return max(sum(cell_width(piece.text) for piece in cell(each)) for each in values)

    number, narrow = widest(_value), room < NARROWEST - 4
    place = min(_PLACE_MOST, room - number - GAP, max(8, widest(_place)))
    columns = [
        Column(lambda: "", number, _value, right=True),
        Column(lambda: "", 0 if narrow else widest(_said), _said, priority=1),
        Column(lambda: "", place, _place, priority=0, grow=widest(_place) - place),
        Column(lambda: "", 0 if values[0].page.style.slow_link else _SPARK, _trend, priority=3),
        Column(lambda: "", 0 if narrow else widest(_since), _since, priority=2),
    ]
    return [column for column in columns if column.width]


def _state(side: ComparisonSide, page: SeriesPage, glyphs: Glyphs) -> tuple[Piece, str]:
    """The sign of a series, and on which side of the limit it is."""
    op = page.why.compared.op
    if side.value is None:
        return Piece(glyphs.unknown, "unknown"), _("no value now")
    over = is_over(side, op, side.value)
    if over is None:
        return (_holding_mark(side, page, glyphs), _("true")) if side.holds else (Piece(glyphs.good, "good"), "")
    words = (_("above"), _("below")) if op in _ABOVE else (_("below"), _("above"))
    if op not in (*_ABOVE, *_BELOW):
        words = (_("true"), _("false"))
    elif side.value == side.limit:
        words = (_("at the limit"), _("at the limit"))
    if not over:
        return Piece(glyphs.good, "good"), words[1]
    if side.holds:
        return _holding_mark(side, page, glyphs), words[0]
    return Piece(glyphs.degraded, "degraded"), _("{side}, but another condition is false", side=words[0])


def _holding_mark(side: ComparisonSide, page: SeriesPage, glyphs: Glyphs) -> Piece:
    """The sign of a series for which the expression holds: that of the level that its alert gives."""
    role = page.role_of(side)
    return Piece(glyphs.failing if role == "failing" else glyphs.degraded, role)


def _mark(value: _SideCells) -> Piece:
    return _state(value.side, value.page, value.page.style.glyphs)[0]


def _value(value: _SideCells) -> Row:
    text = _beside_limit(value.side.value, value.side.limit, value.page.unit)[0]
    text, _is_bound = _certain(value.side.value, text, value.page.why.compared, value.page.bounds)
    return (Piece(text, _mark(value).role if value.side.holds else "text"),)


def _said(value: _SideCells) -> Row:
    side, op = value.side, value.page.why.compared.op
    mark, said = _state(side, value.page, value.page.style.glyphs)
    limit = _beside_limit(side.value, side.limit, value.page.unit)[1]
    if value.page.why.compared.limit is None and side.limit is not None:
        said = f"{said} {op} {limit}"  # each has its own
    return (Piece(said, mark.role if side.holds else "muted"),)


def _place(value: _SideCells) -> Row:
    return (Piece(where(value.side.labels) or _("overall"), "strong" if value.side.holds else "text"),)


def _since(value: _SideCells) -> Row:
    at = crossed_at(value.side, value.page)
    return () if at is None else (Piece(_("since {time}", time=clock(at, value.page.now)), "muted"),)


def _trend(value: _SideCells) -> Row:
    recent, top = resampled(value.side.values[value.first :], _SPARK), HEADROOM * (value.top or 0.0)
    role = _mark(value).role if value.side.holds else "chart"
    return (Piece(spark(recent, _SPARK, value.page.style.glyphs, top=top or None), role),)


def series_chart(page: SeriesPage) -> PageChart:
    """A chart of the series over each other, the alert's own first, with the limit as a line and the moment at which
    the alert fired (of a pending one, became true) or ended."""
    why, alert, unit = page.why, page.alert, page.unit
    own = own_side(why, alert) or why.sides[0]
    sides = [own, *(side for side in why.sides if side is not own)][:SERIES_COLOURS]
    limit = own.limit if why.compared.op else None
    colours = len(sides) > 1 or why.compared.op in _ABOVE  # several curves have colours of their own
    warning = page.role == "degraded"
    columns = max(1, len(own.values))
    first = first_known([each.values for each in sides])
    if alert is not None:
        before = alert.active_at - _BEFORE - (page.end - page.window)
        first = min(first, max(0, int(before / page.window * columns)))
    window = page.window * (columns - first) / columns
    return PageChart(
        _("Values, {when}", when=last_of(window, page.window)),
        [
            PageCurve(
                where(each.labels) or _("overall"),
                _values(each, first),
                _certain(each.value, value_text(each.value, unit), why.compared, page.bounds)[0],
            )
            for each in sides
        ],
        partial(axis_label, unit=unit),
        page.end - window,
        page.end,
        binary=unit.startswith("bytes"),
        notes=() if limit is None else (_("limit {limit}", limit=value_text(limit, unit)),),
        line=True,
        warn=limit if colours and warning else None,
        fail=limit if colours and not warning else None,
        mark=None if colours else limit,
        moment=None if alert is None else alert.resolved_at or alert.fired_at or alert.active_at,
        fired=alert is not None and alert.resolved_at is None and alert.fired_at is not None,
        snug=True,
    )


def _values(side: ComparisonSide, first: int) -> Callable[[int], Values]:
    return lambda _count: side.values[first:]


def own_side(why: Explanation, alert: Alert | None) -> ComparisonSide | None:
    """The series whose labels the alert has; None if none matches."""
    return None if alert is None else next((side for side in why.sides if _is_own(side, alert)), None)


def _is_own(side: ComparisonSide, alert: Alert) -> bool:
    return {pair for pair in side.labels if pair[0] != "__name__"} <= set(alert.labels)


# ---- an expression in colours ----------------------------------------------------------------------------------------


def query_pieces(text: str) -> list[Piece]:
    """A query in colours."""
    pieces: list[Piece] = []
    done = 0
    for token in tokens(text):
        if token.position > done:
            pieces.append(Piece(text[done : token.position], "muted" if "#" in text[done : token.position] else "text"))
        pieces.append(Piece(token.text, token_role(token.sort, token.text)))
        done = token.position + len(token.text)
    return [*pieces, Piece(text[done:], "muted")] if done < len(text) else pieces


def query_rows(text: str, width: int, indent: str = "") -> list[Row]:
    """A query in colours in rows of that width, broken between words where the fewest brackets are open, best before
    an operator."""
    text, breaks, depth, done = in_place(text), list[tuple[int, float]](), 0, 0
    for token in tokens(text):
        if 0 < done < token.position:
            breaks.append((token.position, depth - (token.text in _JOINING) / 2))
        depth += (token.text in _OPENING) - (token.text in _CLOSING)
        done = token.position + len(token.text)
    pieces, rows, start, pad = query_pieces(text), list[Row](), 0, indent
    while cell_width(pad + text[start:]) > width:
        fitting = [each for each in breaks if each[0] > start and cell_width(pad + text[start : each[0]]) <= width + 1]
        if not fitting:
            break
        least = min(depth for _at, depth in fitting)
        end = max(at for at, depth in fitting if depth == least)
        rows.append((Piece(pad), *slice_row(pieces, start, end)))
        start, pad = end, indent + "  "
    return [*rows, *wrapped([(Piece(pad), *slice_row(pieces, start, len(text)))], width)]


_OPENING = ("(", "[", "{")
_CLOSING = (")", "]", "}")
_JOINING = frozenset(("+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<=", "and", "or", "unless"))


def token_role(sort: str, text: str) -> str:
    """The colour role of a token of a query."""
    if sort == "word":
        known = text in FUNCTIONS or text in AGGREGATIONS
        return "keyword" if text.lower() in WORDS else "name" if known else "text"
    return {"string": "string", "number": "number", "wrong": "failing", "sign": "muted"}.get(sort, "text")
