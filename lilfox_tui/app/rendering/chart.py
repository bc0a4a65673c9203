"""Text charts: a filled curve or several lines in braille, with scaled axes, limits and a cursor. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import groupby, pairwise
from typing import NamedTuple

from msgspec import Struct

from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import cell_width, fit, human_duration
from lilfox_tui.core.units import LABEL_CELLS
from lilfox_tui.metrics.history import Point

AXIS_WIDTH = LABEL_CELLS
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
    places = {math.floor(point.at_s / step + 0.5): point.mean for point in points}
    order = sorted(places)
    apart = sorted(later - earlier for earlier, later in pairwise(order))
    hold = apart[int(0.9 * (len(apart) - 1))] if apart else 1
    newest = math.floor(end.timestamp() / step)
    values: list[float | None] = []
    for place in range(newest - columns + 1, newest + 1):
        at = bisect_right(order, place) - 1
        values.append(places[order[at]] if at >= 0 and place - order[at] <= hold else None)
    return values


def first_known(courses: Sequence[Values]) -> int:
    """The column from which a chart of curves with the same columns begins: that of the oldest value if all values are
    of the newer half of the window, else 0."""
    columns = len(courses[0]) if courses else 0
    known = (next((place for place, value in enumerate(each) if value is not None), columns) for each in courses)
    oldest = min(known, default=0)
    return oldest if columns / 2 < oldest < columns - 1 else 0


def spark(values: Values, width: int, glyphs: Glyphs, *, top: float | None = None) -> str:
    """The newest ``width`` values as one line of bars, blank where unknown; none is as high as its line, so that rows
    below each other do not fuse."""
    recent = _drawable(list(values)[-width:])
    high = _finite(top) or max((value for value in recent if value is not None), default=0) or 1
    steps = len(glyphs.bars) - 2
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


FINE_STEPS = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)


def nice_ceiling(value: float, *, binary: bool = False, steps: Sequence[float] = (1, 2, 5, 10)) -> float:
    """Return the next round number at or above ``value``: one of ``steps`` times a power of ten; with ``binary``, times
    a power of 1024, and at least 1024."""
    if not value > _NEXT_TO_NOTHING or (binary and value <= 1024):
        return 1024.0 if binary else 1.0
    value = min(value, _BEYOND_ALL)
    scale = 1.0
    if binary:
        while value / scale >= 1024:
            scale *= 1024
    power = 10.0 ** math.floor(math.log10(value / scale)) * scale
    return next(step * power for step in steps if step * power >= value * (1 - 1e-9))


class Curve(Struct, frozen=True):
    """One series of a chart. ``values`` cover its time from the oldest on, None where nothing is known; best as many as
    :func:`plot_points` says."""

    values: Values
    name: str = ""
    """In the legend; empty where the title says it."""
    now: str = ""
    """Its newest value as text, for the legend."""
    role: str = ""
    """Its colour role; by its place among the others if empty."""
    marker: str = ""
    """Its point where there are no dots; by its place among the others if empty."""
    in_front: bool = False
    """Whether it takes the cells that it shares with others."""


class Axes(Struct, frozen=True):
    """The scales of a chart. ``unit`` labels a value in at most ``AXIS_WIDTH`` cells; ``top`` fixes the highest one,
    ``binary`` rounds it to a power of 1024. ``start`` and ``end`` are aware."""

    unit: Callable[[float], str]
    start: datetime
    end: datetime
    top: float | None = None
    binary: bool = False
    warn: float | None = None
    fail: float | None = None
    """Limits: each is drawn as a dashed line, and what is above it in its colour."""
    mark: float | None = None
    """A value drawn as a line that colours nothing."""
    ago: bool = False
    """Whether the times are told from now, which does not change as time goes on."""
    cursor: float | None = None
    """Where the time cursor stands, from 0 (``start``) to 1 (``end``)."""
    below_zero: bool = False
    """Whether the scale begins below zero if values do; curves are lines then."""
    moment: datetime | None = None
    """When something happened (aware): a line, with its time below it; nothing if it lies outside."""
    line: bool = False
    """Whether a single curve is drawn as a line too."""


def plot_points(width: int) -> int:
    """How many values a chart of ``width`` cells shows, axis included: a braille cell has two."""
    return 2 * max(1, width - AXIS_WIDTH - 1)


def resampled(values: Values, count: int) -> Values:
    """``count`` values over the same time: the highest of each part, as it is the peaks that matter."""
    if len(values) == count or not values:
        return values or [None] * count
    parts = (
        values[place * len(values) // count : max(place * len(values) // count + 1, (place + 1) * len(values) // count)]
        for place in range(count)
    )
    return [max((value for value in part if value is not None), default=None) for part in parts]


def chart(
    title: str, curves: Sequence[Curve], axes: Axes, *, width: int, height: int, glyphs: Glyphs, now_text: str = ""
) -> list[Row]:
    """``height + 2`` rows of ``width`` cells: title with the newest value or the legend, the plot, and the times below
    it. A single curve is filled; several are lines, whose colours alternate where they share cells."""
    columns = max(1, width - AXIS_WIDTH - 1)
    negative = axes.below_zero and any(value is not None and value < 0 for each in curves for value in each.values)
    filled = len(curves) == 1 and not axes.line and not negative
    count = columns if filled or not glyphs.dots else plot_points(width)
    shown = [_drawable(resampled(each.values, count)) for each in curves]
    highest = max((value for values in shown for value in values if value is not None), default=0.0)
    limits = [limit for limit in (axes.warn, axes.fail, axes.mark) if limit is not None]
    ceiling = _finite(axes.top) or nice_ceiling(max([highest, *limits]) if highest else highest, binary=axes.binary)
    floor = min((value for values in shown for value in values if value is not None), default=0.0)
    floor = -nice_ceiling(-floor, binary=axes.binary) if axes.below_zero and floor < 0 else 0.0
    if floor:
        ceiling = ceiling if highest > 0 else 0.0
        shown = [[None if value is None else value - floor for value in values] for values in shown]
    plot = _Plot(
        columns, height,
        bars=_bars(shown[0][:columns], ceiling, axes, curves[0].role or "chart", height, glyphs) if filled else (),
        traces=() if filled else tuple(
            (_ink(each, place, glyphs), _places(values, ceiling - floor, columns, height, glyphs))
            for place, (each, values) in enumerate(zip(curves, shown, strict=True))
        ),
        limits=() if floor else _limits(ceiling, axes, height, dotted=bool(glyphs.dots) and not filled),
        moment=_moment_column(columns, axes),
        cursor=None if axes.cursor is None else min(columns - 1, max(0, int(axes.cursor * columns))),
    )  # fmt: skip
    plotted, at_axis = _plotted(plot, glyphs)
    rows: list[Row] = [_title(title, curves, now_text, width, glyphs)]
    for level in range(height - 1, -1, -1):
        middle = axes.unit((ceiling + floor) / 2) if level * 2 == height - 1 else ""
        label = axes.unit(ceiling) if level == height - 1 else middle
        scale = at_axis.get(level) or Piece(fit(label, AXIS_WIDTH, right=True), "muted")
        axis = (scale, Piece(glyphs.axis, "rule"))
        rows.append((*axis, *plotted[level]))
    rows.append(_times(columns, axes, glyphs, axes.unit(floor) if floor else "0"))
    return rows


def series_marker(place: int, glyphs: Glyphs) -> str:
    """The point of the series at that place in a chart without dots; they repeat after the last."""
    return glyphs.markers[place % len(glyphs.markers)]


def series_role(place: int) -> str:
    """The colour role of the series at that place; they repeat after the last."""
    return f"series{place % SERIES_COLOURS + 1}"


SERIES_COLOURS = 6
_DOT = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""The dots of the left and the right half of a braille cell, from the bottom up."""
_DOTS_HIGH = 4
_ABOVE_LABEL = 2
"""Dots from that of a label in the top row to the upper edge, its own included."""


class _Ink(NamedTuple):
    """What tells a curve from others: its place among them, its role, its point where there are no dots, and whether it
    is in front of them."""

    place: int
    role: str
    marker: str
    in_front: bool = False


def _ink(curve: Curve, place: int, glyphs: Glyphs) -> _Ink:
    role, marker = curve.role or series_role(place), curve.marker or series_marker(place, glyphs)
    return _Ink(place, role, marker, curve.in_front)


_Cell = tuple[int, int]
"""A column, and a level from the bottom up."""


class _Limit(NamedTuple):
    """A limit of the plot: its row and its dot, from the bottom, its value as text, and its role."""

    level: int
    dot: int
    label: str
    role: str


class _Plot(NamedTuple):
    """What is seen of the values in the cells of a plot. It stays the same for many samples, as they differ by little,
    so what is drawn of it is kept."""

    columns: int
    height: int
    bars: Sequence[tuple[int, str] | None]
    """Of a filled curve, by column: its height in steps of a block, and its role."""
    traces: Sequence[tuple[_Ink, Sequence[int | None]]]
    """Of lines: the dot or, where there are none, the row of each value, from the bottom."""
    limits: Sequence[_Limit]
    moment: int | None
    cursor: int | None
    """Columns."""


@lru_cache(maxsize=64)
def _plotted(plot: _Plot, glyphs: Glyphs) -> tuple[Sequence[Row], Mapping[int, Piece]]:
    """The rows of a plot from the bottom up, and the labels of limits that had no room in it, by row."""
    grid = _Grid(plot.columns, plot.height)
    _fill(grid, plot.bars, glyphs)
    for ink, places in plot.traces:
        _trace(grid, places, ink, glyphs)
    grid.share_cells([ink for ink, _places in plot.traces])
    at_axis = _draw_limits(grid, plot.limits, glyphs)
    _draw_moment(grid, plot.moment, glyphs)
    return [grid.row(level, plot.cursor) for level in range(plot.height)], at_axis


class _Grid:
    """The cells of a plot: for each level, from the bottom up, a character and its role by column."""

    def __init__(self, columns: int, height: int) -> None:
        self.columns, self.height = columns, height
        self.text = [[" "] * columns for _level in range(height)]
        self.role = [["text"] * columns for _level in range(height)]
        self.bits = [[0] * columns for _level in range(height)]
        self._passing: dict[_Cell, list[int]] = {}
        """The places of the curves in a cell."""

    def put(self, column: int, level: int, char: str, role: str) -> None:
        """Draw a character."""
        self.text[level][column], self.role[level][column] = char, role

    def dot(self, x: int, y: int, role: str) -> None:
        """Draw the dot ``x`` from the left and ``y`` from the bottom."""
        column, level = x // 2, y // _DOTS_HIGH
        self.bits[level][column] |= _DOT[x % 2][y % _DOTS_HIGH]
        self.put(column, level, chr(0x2800 + self.bits[level][column]), role)

    def passes(self, column: int, level: int, ink: _Ink) -> None:
        """Record that a curve runs through a cell."""
        here = self._passing.setdefault((column, level), [])
        if ink.place not in here:
            here.append(ink.place)

    def share_cells(self, inks: Sequence[_Ink]) -> None:
        """Give the cells that several curves pass to the one in front, or to one after the other along the chart, so
        that none hides another; a curve that would be seen nowhere gets a cell of those that others can spare."""
        front = next((ink.place for ink in inks if ink.in_front), None)
        passing = {cell: [front] if front in places else places for cell, places in self._passing.items()}
        owners = {cell: places[cell[0] % len(places)] for cell, places in passing.items()}
        seen = set(owners.values())
        if any(place not in seen for places in passing.values() for place in places):
            owners |= {cell: place for place, cell in _one_cell_each(passing).items()}
        for (column, level), place in owners.items():
            ink, dotted = inks[place], self.bits[level][column]
            self.put(column, level, self.text[level][column] if dotted else ink.marker, ink.role)

    def row(self, level: int, cursor: int | None) -> Row:
        """The cells of a level as pieces; the column of the cursor stands on a ground of its own."""
        text, roles = self.text[level], self.role[level]
        pieces: list[Piece] = []
        for (role, marked), run in groupby(range(self.columns), key=lambda x: (roles[x], x == cursor)):
            pieces.append(Piece("".join(text[x] for x in run), role, "cursor" if marked else ""))
        return tuple(pieces)


def _one_cell_each(passing: Mapping[_Cell, Sequence[int]]) -> dict[int, _Cell]:
    """A cell for each curve that no other one gets, for as many curves as there can be: a bipartite matching by
    augmenting paths. Cells with few curves come first, so that those of one curve stay its own."""
    cells: dict[int, list[_Cell]] = {}
    for cell in sorted(passing, key=lambda each: (len(passing[each]), each)):
        for place in passing[cell]:
            cells.setdefault(place, []).append(cell)
    holder: dict[_Cell, int] = {}

    def find(place: int, tried: set[_Cell]) -> bool:
        for cell in cells[place]:
            if cell not in tried:
                tried.add(cell)
                if cell not in holder or find(holder[cell], tried):
                    holder[cell] = place
                    return True
        return False

    for place in cells:
        find(place, set())
    return {place: cell for cell, place in holder.items()}


def _limit_role(value: float, axes: Axes, role: str) -> str:
    if axes.fail is not None and value > axes.fail:
        return "failing"
    return "degraded" if axes.warn is not None and value > axes.warn else role


def _bars(
    values: Values, ceiling: float, axes: Axes, role: str, height: int, glyphs: Glyphs
) -> tuple[tuple[int, str] | None, ...]:
    """The bars of a filled curve, each in the colour of the limit that its value exceeds."""
    steps = len(glyphs.bars) - 1
    return tuple(
        None
        if value is None
        else (round(min(1.0, max(0.0, value / ceiling)) * height * steps), _limit_role(value, axes, role))
        for value in values
    )


def _fill(grid: _Grid, bars: Sequence[tuple[int, str] | None], glyphs: Glyphs) -> None:
    """Draw a filled curve. A known zero is seen as a line; an unknown value is not."""
    steps = len(glyphs.bars) - 1
    for column, bar in enumerate(bars):
        if bar is None:
            continue
        filled, role = max(1, bar[0]), bar[1]
        for level in range(min(grid.height, -(-filled // steps))):
            grid.put(column, level, glyphs.bars[min(steps, filled - level * steps)], role)


def _dot_of(value: float, ceiling: float, height: int) -> int:
    """The dot, from the bottom, at which a line has a value. The ceiling is where its label stands, in the middle of
    the top row: what is less, however little, is below it."""
    return math.floor(min(1.0, max(0.0, value / ceiling)) * (height * _DOTS_HIGH - _ABOVE_LABEL))


def _places(values: Values, ceiling: float, columns: int, height: int, glyphs: Glyphs) -> tuple[int | None, ...]:
    """Where a line has its values: its dots, or its rows where there are none."""
    if glyphs.dots:
        return tuple(None if value is None else _dot_of(value, ceiling, height) for value in values)
    return tuple(
        None if value is None else min(height - 1, int(min(1.0, max(0.0, value / ceiling)) * height))
        for value in values[:columns]
    )


def _trace(grid: _Grid, places: Sequence[int | None], ink: _Ink, glyphs: Glyphs) -> None:
    """Draw a curve as a line of dots, or of its marker where there are none."""
    before: int | None = None
    for x, y in enumerate(places):
        if y is None:
            before = None
        elif not glyphs.dots:
            grid.passes(x, y, ink)
        else:
            low, high = (y, y) if before is None else (min(y, before + 1), max(y, before - 1))
            for each in range(min(low, y), max(high, y) + 1):
                grid.dot(x, each, ink.role)
                grid.passes(x // 2, each // _DOTS_HIGH, ink)
            before = y


def _limits(ceiling: float, axes: Axes, height: int, *, dotted: bool) -> tuple[_Limit, ...]:
    """The limits within the scale, from the bottom up, in the row in which ``dotted`` curves have that value, or
    others; of those in the same row the most severe one."""
    rows: dict[int, _Limit] = {}
    for limit, role in ((axes.mark, "degraded"), (axes.warn, "degraded"), (axes.fail, "failing")):
        share = (_finite(limit) or 0.0) / ceiling
        if limit is not None and 0 <= share <= 1:
            dot = _dot_of(limit, ceiling, height)
            level = min(height - 1, dot // _DOTS_HIGH if dotted else int(share * height))
            rows[level] = _Limit(level, dot, axes.unit(limit).strip(), role)
    return tuple(rows[level] for level in sorted(rows))


def _draw_limits(grid: _Grid, limits: Sequence[_Limit], glyphs: Glyphs) -> dict[int, Piece]:
    """Draw each limit as a dashed line, with its value in the colour of its level as far right as there is room; return
    the values that have no room, for the axis, by row. Through a filled curve the line is thin, and below the curve's
    top, which is left alone."""
    at_axis: dict[int, Piece] = {}
    for level, dot, text, role in limits:  # from the bottom up: the cells above are still the curve's
        free = [_takes_limit(grid, column, level, glyphs) for column in range(grid.columns)]
        at = _label_column(free, label := f" {text} ")
        if at is None:
            at_axis[level] = Piece(fit(text, AXIS_WIDTH, right=True), role)
        for column in range(grid.columns):
            if free[column] and glyphs.dots and grid.text[level][column] == glyphs.bars[-1]:
                grid.put(column, level, glyphs.bars[-2], grid.role[level][column])  # a thin line through it
            elif free[column]:
                grid.put(column, level, glyphs.limit, role if at is None else "muted")
            elif grid.bits[level][column]:  # seen beside the curve that runs through the same cell
                y = min(max(dot, level * _DOTS_HIGH), (level + 1) * _DOTS_HIGH - 1)
                grid.dot(2 * column, y, grid.role[level][column])
        for offset, char in enumerate(label[: grid.columns - at] if at is not None else ""):
            grid.put((at or 0) + offset, level, char, role)
    return at_axis


def _takes_limit(grid: _Grid, column: int, level: int, glyphs: Glyphs) -> bool:
    """Whether a limit may be drawn in a cell: it is blank, or within a filled curve that goes on above it."""
    char = grid.text[level][column]
    return char == " " or (
        char == glyphs.bars[-1] and level + 1 < grid.height and grid.text[level + 1][column] in glyphs.bars[1:]
    )


def _label_column(free: Sequence[bool], label: str) -> int | None:
    """Where a label stands in a row with those free cells: at the right end, or as far right as there is room for it;
    None if there is none. Its last blank needs no room at the end of the row."""
    columns, least = len(free), len(label) - 1
    if columns <= 3 * least:
        return None
    if all(free[columns - least :]):
        return columns - least
    return next((at for at in range(columns - len(label), -1, -1) if all(free[at : at + len(label)])), None)


def _moment_column(columns: int, axes: Axes) -> int | None:
    if axes.moment is None or not axes.start <= axes.moment <= axes.end or axes.end <= axes.start:
        return None
    return min(columns - 1, int((axes.moment - axes.start) / (axes.end - axes.start) * columns))


def _draw_moment(grid: _Grid, column: int | None, glyphs: Glyphs) -> None:
    """Draw the moment as a line where nothing else is."""
    for level in range(grid.height if column is not None else 0):
        if column is not None and grid.text[level][column] in (" ", glyphs.limit):
            grid.put(column, level, glyphs.axis, "accent")


def _title(title: str, curves: Sequence[Curve], now_text: str, width: int, glyphs: Glyphs) -> Row:
    """The title with the newest value at the right, or with as many names of the curves as fit; the rest is counted."""
    head = (Piece(" " * (AXIS_WIDTH + 1)), Piece(title, "strong"))
    if not any(each.name for each in curves):
        space = max(1, width - cell_width(title) - cell_width(now_text) - AXIS_WIDTH - 1)
        return (*head, Piece(" " * space), Piece(now_text, "text"))
    room = width - AXIS_WIDTH - 1 - cell_width(title) - (cell_width(now_text) + 2 if now_text else 0)
    entries = _legend(curves, room, glyphs)
    return (*head, *entries, *((Piece("  " + now_text),) if now_text else ()))


def _legend(curves: Sequence[Curve], room: int, glyphs: Glyphs) -> Row:
    """The names of the curves with their newest values if all fit, or the names alone, or as many of them close
    together as fit and a count of the rest. Each name has the swatch of its curve."""
    for make in (_valued_entry, _entry, _short_entry):
        entries = [make(each, place, glyphs) for place, each in enumerate(curves)]
        pieces = [piece for entry in entries for piece in entry]
        if sum(cell_width(piece.text) for piece in pieces) <= room:
            return tuple(pieces)
    kept: list[Piece] = []
    for place, entry in enumerate(entries):
        more = f" +{len(curves) - place}"
        size = sum(cell_width(piece.text) for piece in entry)
        if size + cell_width(more) > room:
            return (*kept, *((Piece(more, "muted"),) if cell_width(more) <= room else ()))
        kept += entry
        room -= size
    return tuple(kept)


def _swatch(ink: _Ink, glyphs: Glyphs) -> str:
    return glyphs.full if glyphs.dots else ink.marker


def _entry(curve: Curve, place: int, glyphs: Glyphs) -> Row:
    ink = _ink(curve, place, glyphs)
    return (Piece(f"  {_swatch(ink, glyphs)} ", ink.role), Piece(curve.name))


def _valued_entry(curve: Curve, place: int, glyphs: Glyphs) -> Row:
    value = (Piece(f" {curve.now}", "muted"),) if curve.now else ()
    return (*_entry(curve, place, glyphs), *value)


def _short_entry(curve: Curve, place: int, glyphs: Glyphs) -> Row:
    ink = _ink(curve, place, glyphs)
    gap = "  " if " " in curve.name and not glyphs.dots else " "  # markers can be read as text
    return (Piece(f"{gap}{_swatch(ink, glyphs)}{curve.name}", ink.role),)


def _times(columns: int, axes: Axes, glyphs: Glyphs, lowest: str) -> Row:
    start, end = axes.start, axes.end
    form = "%H:%M:%S" if end - start <= timedelta(minutes=10) else "%H:%M"
    if _of_days(axes):
        form = "%m-%d %H:%M"
    first, last = start.strftime(form), end.strftime(form)
    if axes.ago:
        first, last = _("{time} ago", time=human_duration((end - start).total_seconds())), _("now")
    fill = columns - cell_width(first) - cell_width(last) - 2
    if fill < 1:
        return (Piece(" " * AXIS_WIDTH), Piece(glyphs.corner, "rule"), Piece(fit(last, columns, right=True), "muted"))
    return (
        Piece(fit(lowest, AXIS_WIDTH, right=True), "muted"),
        Piece(glyphs.corner, "rule"),
        Piece(first + " ", "muted"),
        *_time_line(fill, _moment_column(columns, axes), cell_width(first) + 1, axes, glyphs),
        Piece(" " + last, "muted"),
    )


def _of_days(axes: Axes) -> bool:
    """Whether a time of day alone could be of two days."""
    return axes.end - axes.start >= timedelta(hours=24)


def _time_line(fill: int, column: int | None, before: int, axes: Axes, glyphs: Glyphs) -> Row:
    """The line between the times, with that of the moment below it where it has room."""
    text = "" if axes.moment is None else f" {axes.moment:{'%m-%d %H:%M' if _of_days(axes) else '%H:%M:%S'}} "
    at = -1 if column is None else column - before - len(text) // 2
    if not text or column is None or not -len(text) < at < fill:
        return (Piece(glyphs.rule * fill, "rule"),)
    at = min(max(0, at), fill - len(text))
    if at < 0:
        return (Piece(glyphs.rule * fill, "rule"),)
    return (
        Piece(glyphs.rule * at, "rule"), Piece(text, "accent"), Piece(glyphs.rule * (fill - at - len(text)), "rule"),
    )  # fmt: skip


def beside(left: Sequence[Row], right: Sequence[Row], width: int) -> list[Row]:
    """Two blocks of rows side by side, the right one from cell ``width`` on."""
    rows: list[Row] = []
    for index in range(max(len(left), len(right))):
        first = left[index] if index < len(left) else ()
        used = sum(cell_width(piece.text) for piece in first)
        rows.append((*first, Piece(" " * max(0, width - used)), *(right[index] if index < len(right) else ())))
    return rows
