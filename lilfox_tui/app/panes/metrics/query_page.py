"""What a query gives as rows: the series with their values, and a chart of the chosen one. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from msgspec import Struct

from lilfox_tui.app.panes.metrics.alert_rows import number
from lilfox_tui.app.rendering.chart import AXIS_WIDTH, Values, chart, spark
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.app.rendering.wrap import wrapped
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, ngettext
from lilfox_tui.promql.value import Line, Matrix, Value, Vector
from lilfox_tui.scrape.labels import LabelSet
from lilfox_tui.text import human_duration

MOST_COLUMNS = 120
"""Of a chart: so many values are asked for at most."""
MOST_ROWS = 500
_CHART_ROWS = 9
_PLOT_ROWS = _CHART_ROWS - 3
_TITLE_ROWS = 3
"""Of the chart at most, where labels are long."""
_SPARK = 16
_VALUE = 10
_WITH_SPARKS = 60
"""From this width on; below, the labels need the room."""


class QueryAnswer(Struct, frozen=True):
    """What came of a query ``text`` at ``at`` (aware UTC): the ``value``, and ``lines`` over the time before in steps
    of ``step_s``; or an ``error``."""

    text: str
    at: datetime
    window: timedelta
    step_s: float
    value: Value | None = None
    lines: Sequence[Line] = ()
    error: LilFoxError | None = None


class QueryPage(Struct, frozen=True):
    """What the page is made of; ``chosen`` counts the rows of series. ``answer`` is None while nothing was asked."""

    answer: QueryAnswer | None
    chosen: int
    width: int
    height: int
    glyphs: Glyphs
    where: str = ""
    """The Prometheus that is asked; empty where it is answered here."""


def columns_of(width: int) -> int:
    """How many columns the chart of a page that wide has."""
    return max(1, min(width - 2, MOST_COLUMNS + AXIS_WIDTH + 1) - AXIS_WIDTH - 1)


def series_of(answer: QueryAnswer | None) -> list[tuple[LabelSet, float | None, Values]]:
    """Each series with its value now (None where it has none) and its values by column."""
    if answer is None:
        return []
    columns = round(answer.window.total_seconds() / answer.step_s)
    past = {line.labels: _in_columns(line, answer, columns) for line in answer.lines}
    match answer.value:
        case Vector():
            now = dict(zip(answer.value.labels, answer.value.values.tolist(), strict=True))
        case Matrix():
            lines = answer.value.lines
            now = {line.labels: float(line.values[-1]) for line in lines if len(line.values)}
            past = {line.labels: _in_columns(line, answer, columns) for line in lines}
        case float():
            now = {LabelSet(()): answer.value}
        case _:
            now = {}
    unknown: Values = [None] * columns
    gone = [(labels, None, values) for labels, values in past.items() if labels not in now]
    return [*((labels, value, past.get(labels, unknown)) for labels, value in now.items()), *gone]


def query_page(page: QueryPage) -> tuple[list[Row], int | None]:
    """All rows, and which of them is the chosen one; the first two stay on the screen."""
    answer = page.answer
    if answer is None:
        return [(Piece(" " + _("write an expression; enter asks, tab completes, esc leaves"), "muted"),), BLANK], None
    rows: list[Row] = [_told(page, answer), BLANK]
    if answer.error is not None:
        return [*rows, *_error_rows(answer.error, page.width)], None
    if isinstance(answer.value, str):
        return [*rows, (Piece("   " + answer.value),)], None
    found = series_of(answer)
    if not found:
        return [*rows, (Piece("   " + _("no series now, nor in this window"), "degraded"),)], None
    chosen = min(page.chosen, len(found) - 1)
    labels, value, values = found[chosen]
    if page.height >= 2 * _CHART_ROWS:
        rows = [rows[0], *_chart(page, answer, labels, value, values), BLANK]
    top = _top(found)
    first = len(rows)
    rows += [_series_row(each, page, top) for each in found[:MOST_ROWS]]
    if len(found) > MOST_ROWS:
        rows.append((Piece("   " + _("{count} more series", count=len(found) - MOST_ROWS), "muted"),))
    return rows, first + chosen if chosen < MOST_ROWS else None


def head_rows(page: QueryPage) -> int:
    """How many of the first rows stay: the title, and the chart where there is room."""
    has_chart = page.answer is not None and page.height >= 2 * _CHART_ROWS and bool(series_of(page.answer))
    return _CHART_ROWS + 1 if has_chart and page.answer is not None and page.answer.error is None else 2


def _told(page: QueryPage, answer: QueryAnswer) -> Row:
    count = len(series_of(answer))
    told = ngettext("{count} series", "{count} series", count) if answer.error is None else ""
    at = answer.at.strftime("%Y-%m-%d %H:%M:%S UTC")
    of = _("of {where}", where=page.where) if page.where else _("of what is scraped here")
    return (Piece(f" {told}  ", "title"), Piece(f"{at}  {of}  " + _("esc leaves"), "muted"))


def _error_rows(error: LilFoxError, width: int) -> list[Row]:
    """Several lines are as they are: the caret stands below what it means."""
    rows: list[Row] = [(Piece("   "), Piece(line, "failing")) for line in str(error).splitlines()]
    hint: list[Row] = [(Piece("   "), Piece(str(error.hint), "muted"))] if str(error.hint) else []
    return [*(rows if len(rows) > 1 else wrapped(rows, width)), *wrapped(hint, width)]


def _series_row(one: tuple[LabelSet, float | None, Values], page: QueryPage, top: float | None) -> Row:
    labels, value, values = one
    shown, wide = "-" if value is None else number(value), page.width >= _WITH_SPARKS
    return (
        Piece("   "),
        Piece(shown.rjust(_VALUE), "muted" if value is None else "strong"),
        *((Piece("  " + spark(_fewer(values, _SPARK), _SPARK, page.glyphs, top=top), "chart"),) if wide else ()),
        Piece("  " + str(labels), "muted" if value is None else "text"),
    )


def _chart(page: QueryPage, answer: QueryAnswer, labels: LabelSet, value: float | None, values: Values) -> list[Row]:
    window = human_duration(answer.window.total_seconds())
    drawn = partial(
        chart,
        str(labels),
        values,
        width=len(values) + AXIS_WIDTH + 1,
        unit=number,
        start=answer.at - answer.window,
        end=answer.at,
        glyphs=page.glyphs,
        now_text="" if value is None else f"{number(value)}  ({window})",
    )
    rows = drawn(height=_PLOT_ROWS)
    titles = wrapped(rows[:1], page.width)[:_TITLE_ROWS]
    if (more := len(titles) - 1) > 0:
        rows = drawn(height=_PLOT_ROWS - more)  # what is below stays where it is
    return [*titles, *rows[1:]]


def _in_columns(line: Line, answer: QueryAnswer, columns: int) -> Values:
    """A value a step, the last one that of now; None where there is none that can be drawn."""
    values: list[float | None] = [None] * columns
    end_s = answer.at.timestamp()
    for at_ms, value in zip(line.times.tolist(), line.values.tolist(), strict=True):
        place = columns - 1 - round((end_s - at_ms / 1000) / answer.step_s)
        if 0 <= place < columns:
            values[place] = value if math.isfinite(value) else None
    return values


def _fewer(values: Values, count: int) -> list[float | None]:
    """The highest of each of ``count`` equal parts; None where nothing in it is known."""
    parts = [values[place * len(values) // count : (place + 1) * len(values) // count] for place in range(count)]
    return [max((value for value in part if value is not None), default=None) for part in parts]


def _top(found: Sequence[tuple[LabelSet, float | None, Values]]) -> float | None:
    """The same scale for all sparklines; None where nothing is above zero."""
    return max((value for *_rest, values in found for value in values if value is not None and value > 0), default=None)
