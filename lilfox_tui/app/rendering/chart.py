"""Text charts: filled columns with a scaled axis and a time line. Pure: points in, rows out."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from itertools import groupby, pairwise

from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.core.text import cell_width, fit
from lilfox_tui.metrics.history import Point

AXIS_WIDTH = 6
CHART_COLUMNS = 120
"""More are hard to tell apart."""
_NEXT_TO_NOTHING, _BEYOND_ALL = 1e-300, 1e300
Values = Sequence[float | None]
"""One value a column, oldest first; None where nothing is known."""


def chart_columns(width: int) -> int:
    """The number of columns in the chart of a page of that width."""
    return max(1, min(width - 2, CHART_COLUMNS + AXIS_WIDTH + 1) - AXIS_WIDTH - 1)


def in_columns(points: Sequence[Point], start: datetime, end: datetime, columns: int) -> Values:
    """Return ``columns`` values from ``start`` to ``end`` (aware), with each of ``points`` in the column of its time;
    None in a gap.

    Values of long ago lie further apart than columns do: one holds until the next, as far as nine of ten lie apart.
    """
    step = (end - start).total_seconds() / columns
    places = {math.floor(point.at.timestamp() / step + 0.5): point.mean for point in points}
    order = sorted(places)
    apart = sorted(later - earlier for earlier, later in pairwise(order))
    hold = apart[int(0.9 * (len(apart) - 1))] if apart else 1
    newest = math.floor(end.timestamp() / step)
    values: list[float | None] = []
    for place in range(newest - columns + 1, newest + 1):
        at = bisect_right(order, place) - 1
        values.append(places[order[at]] if at >= 0 and place - order[at] <= hold else None)
    return values


def spark(values: Values, width: int, glyphs: Glyphs, *, top: float | None = None) -> str:
    """The newest ``width`` values as one line of bars, blank where unknown."""
    recent = _drawable(list(values)[-width:])
    high = _finite(top) or max((value for value in recent if value is not None), default=0) or 1
    steps = len(glyphs.bars) - 1
    bars = []
    for value in recent:
        share = -1.0 if value is None else min(1.0, max(0.0, value / high))
        bars.append(" " if share < 0 else glyphs.bars[max(1, round(share * steps))])
    return "".join(bars).rjust(width)


def _finite(value: float | None) -> float | None:
    return value if value is not None and abs(value) <= _BEYOND_ALL else None


def _drawable(values: Values) -> Values:
    """Values fit for drawing: NaN becomes None, infinite ones are clamped to the range of the others."""
    rest = [value for value in values if value is not None and abs(value) <= _BEYOND_ALL]
    low, high = min(rest, default=0.0), max(rest, default=1.0)
    return [None if value is None or math.isnan(value) else min(max(value, low), high) for value in values]


def nice_ceiling(value: float, *, binary: bool = False) -> float:
    """Return the next round number at or above ``value``: 1, 2 or 5 times a power of ten; with ``binary``, times a
    power of 1024, and at least 1024."""
    if not value > _NEXT_TO_NOTHING or (binary and value <= 1024):
        return 1024.0 if binary else 1.0
    value = min(value, _BEYOND_ALL)
    scale = 1.0
    if binary:
        while value / scale >= 1024:
            scale *= 1024
    power = 10.0 ** math.floor(math.log10(value / scale)) * scale
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value * (1 - 1e-9))


def chart(
    title: str,
    values: Values,
    *,
    width: int,
    height: int,
    unit: Callable[[float], str],
    start: datetime,
    end: datetime,
    glyphs: Glyphs,
    top: float | None = None,
    binary: bool = False,
    now_text: str = "",
    role: str = "chart",
    limit: float | None = None,
) -> list[Row]:
    """``height + 2`` rows of ``width`` cells: title with the newest value, the plot, and the times below it.

    ``values`` has ``width - AXIS_WIDTH - 1`` columns from ``start`` to ``end`` (aware). ``top`` fixes the scale.
    At ``limit`` is a line, where no bar stands.
    """
    columns = max(1, width - AXIS_WIDTH - 1)
    shown = _drawable([None] * max(0, columns - len(values)) + list(values)[-columns:])
    highest = max((value for value in shown if value is not None), default=0)
    ceiling = _finite(top) or nice_ceiling(highest, binary=binary)
    share = (_finite(limit) or 0.0) / ceiling
    marked = math.floor(share * height) if limit is not None and 0 <= share <= 1 else None
    rows: list[Row] = [_title(title, now_text, width)]
    for level in range(height - 1, -1, -1):
        label = unit(ceiling) if level == height - 1 else unit(ceiling / 2) if level * 2 == height - 1 else ""
        bars = "".join(_bar(value, ceiling, level, height, glyphs) for value in shown)
        axis = (Piece(fit(label, AXIS_WIDTH, right=True), "muted"), Piece(glyphs.axis, "rule"))
        if level == marked:
            rows.append((*axis, *_with_limit(bars, role, glyphs)))
        else:
            rows.append((*axis, Piece(bars, role)))
    rows.append(_times(columns, start, end, glyphs))
    return rows


def _with_limit(bars: str, role: str, glyphs: Glyphs) -> Row:
    """A line of the plot with the limit drawn between its bars."""
    runs = (list(run) for _blank, run in groupby(bars, key=str.isspace))
    return tuple(
        Piece(glyphs.rule * len(run), "degraded") if run[0] == " " else Piece("".join(run), role) for run in runs
    )


def _title(title: str, now_text: str, width: int) -> Row:
    space = max(1, width - cell_width(title) - cell_width(now_text) - AXIS_WIDTH - 1)
    return (Piece(" " * (AXIS_WIDTH + 1)), Piece(title, "strong"), Piece(" " * space), Piece(now_text, "text"))


def _bar(value: float | None, ceiling: float, level: int, height: int, glyphs: Glyphs) -> str:
    if value is None:
        return " "
    steps = len(glyphs.bars) - 1
    filled = min(1.0, max(0.0, value / ceiling)) * height * steps - level * steps
    if level == 0:
        filled = max(filled, 1)  # a known zero is seen as a line; an unknown value is not
    return glyphs.bars[max(0, min(steps, round(filled)))]


def _times(columns: int, start: datetime, end: datetime, glyphs: Glyphs) -> Row:
    form = "%H:%M:%S" if end - start <= timedelta(minutes=10) else "%H:%M"
    if end - start > timedelta(hours=24):
        form = "%m-%d %H:%M"
    first, last = start.strftime(form), end.strftime(form)
    fill = columns - len(first) - len(last) - 2
    if fill < 1:
        return (Piece(" " * AXIS_WIDTH), Piece(glyphs.corner, "rule"), Piece(fit(last, columns, right=True), "muted"))
    return (
        Piece(fit("0", AXIS_WIDTH, right=True), "muted"),
        Piece(glyphs.corner, "rule"),
        Piece(first + " ", "muted"),
        Piece(glyphs.rule * fill, "rule"),
        Piece(" " + last, "muted"),
    )


def beside(left: Sequence[Row], right: Sequence[Row], width: int) -> list[Row]:
    """Two blocks of rows side by side, the right one from cell ``width`` on."""
    rows: list[Row] = []
    for index in range(max(len(left), len(right))):
        first = left[index] if index < len(left) else ()
        used = sum(cell_width(piece.text) for piece in first)
        rows.append((*first, Piece(" " * max(0, width - used)), *(right[index] if index < len(right) else ())))
    return rows
