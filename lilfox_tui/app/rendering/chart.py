"""Text charts: a filled curve or several lines in braille, with scaled axes, limits and a cursor. Pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise, takewhile

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.plot_grid import DOTS_HIGH, Ink, LimitLine, Plot, plotted
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import cell_width, fit, human_duration
from lilfox_tui.core.units import LABEL_CELLS
from lilfox_tui.metrics.history import Point

AXIS_WIDTH = LABEL_CELLS
CHART_COLUMNS = 120
"""More are hard to tell apart."""
_NEXT_TO_NOTHING, _BEYOND_ALL, _ALMOST_NONE = 1e-300, 1e300, 1e-6
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
    return values if values[-1] is None or points[-1].newest is None else [*values[:-1], points[-1].newest]


def first_known(courses: Sequence[Values]) -> int:
    """The column from which a chart of curves with the same columns begins: that of the oldest value if all values are
    of the newer half of the window, else 0."""
    columns = len(courses[0]) if courses else 0
    known = (next((place for place, value in enumerate(each) if value is not None), columns) for each in courses)
    oldest = min(known, default=0)
    return oldest if columns / 2 < oldest < columns - 1 else 0


HEADROOM = 1.2
"""Of a line of bars whose highest value is not known beforehand."""


def spark(values: Values, width: int, glyphs: Glyphs, *, top: float | None = None) -> str:
    """The newest ``width`` values as one line of bars, blank where unknown; none is as high as its line, so that rows
    below each other do not fuse. Without a ``top`` there is room above the highest one, so that values that do not
    change are no bar."""
    recent = _drawable(list(values)[-width:])
    high = _finite(top) or HEADROOM * max((value for value in recent if value is not None), default=0) or 1
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


_ROUND = (1, 2, 5, 10)
_TICK_ROWS, _TICK_ROWS_LEAST = 2.5, 2.1
"""Rows between two labels of an axis, and where the scale is a multiple of what lies between them."""
_LABELS_MOST = 6.5
"""More would be a ladder."""
_LIMIT_WITHIN = 2
"""So many times the highest value a limit may be for the scale to reach up to it: below a higher one, the curve would
be flat."""


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
    found = next(step * power for step in _ROUND if step * power >= value * (1 - 1e-9))
    return scale * 1024 if binary and found >= scale * 1000 else found


def round_ceiling(value: float, height: int, *, binary: bool = False) -> float:
    """Return the next number at or above ``value`` that is a multiple of what lies between two labels of an axis of so
    many rows: closer to ``value`` than :func:`nice_ceiling`, for a chart whose scale may change."""
    if not _NEXT_TO_NOTHING < value < _BEYOND_ALL:
        return nice_ceiling(value, binary=binary)
    step = next(iter(_round_steps(value * max(_TICK_ROWS / max(1, height), 1 / _LABELS_MOST), binary=binary)))
    return step * math.ceil(value / step * (1 - 1e-9))


def _round_steps(least: float, *, binary: bool) -> Iterator[float]:
    """Round numbers from ``least`` on: 1, 2 and 5 times a power of ten; with ``binary``, times a power of 1024, and
    powers of two."""
    unit = 1024.0 ** max(0, math.floor(math.log(least, 1024))) if binary and least >= 1 else 1.0
    power = 10.0 ** math.floor(math.log10(least / unit))
    while True:
        found = {step * power * unit for step in (1, 2, 5)}
        if binary:
            found = {each for each in found if each < 1000 * unit and each >= 1}
            found |= {2.0**bit * unit for bit in range(11) if power * unit <= 2.0**bit * unit < 10 * power * unit}
        yield from sorted(each for each in found if each >= least * (1 - 1e-9))
        power *= 10
        if binary and power >= 1000:
            unit, power = unit * 1024, 1.0


def _ticks(
    floor: float, ceiling: float, height: int, *, binary: bool, dotted: bool, least: float = 0.0
) -> dict[int, float]:
    """The values that are labelled between the ends of the scale, by row from the bottom: round ones some rows apart
    that divide it evenly, best by whole rows, or that in the middle; or multiples of ``least`` wherever it ends."""
    span = ceiling - floor
    if not _NEXT_TO_NOTHING < span < _BEYOND_ALL:
        return {}
    row = span / height
    fewest = max(_TICK_ROWS_LEAST * row, span / _LABELS_MOST, least)
    steps = list(takewhile(lambda step: step < span, _round_steps(fewest, binary=binary)))
    exact = [step for step in steps if least or abs(ceiling / step - round(ceiling / step)) < _ALMOST_NONE]
    found: dict[int, float] = {}
    if exact:
        quarters = not (floor or least) and math.log10(span).is_integer() and height >= 4 * _TICK_ROWS_LEAST
        steps = sorted((*exact, span / 4)) if quarters else exact
        step = next((each for each in steps if abs(each / row - round(each / row)) < _ALMOST_NONE), exact[0])
        for number in range(math.ceil(floor / step), math.floor(ceiling / step) + 1):
            value = number * step - floor
            level = _level_of(value, span, height, dotted=dotted)
            if 1 <= level <= height - 3:
                found[level] = number * step
    return found or ({height // 2: (ceiling + floor) / 2} if height % 2 and height > 1 and not least else {})


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
    equal: str = ""
    """The name of another one with the same values."""


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
    sign: str = ""
    """What stands before the time of the moment, where it has room."""
    line: bool = False
    """Whether a single curve is drawn as a line too."""
    reach: float | None = None
    """A value up to which the scale goes at least, so that what is far below a limit does not look like a lot."""
    log: bool = False
    """Whether the scale is logarithmic: what is zero lies at its lower end, and nothing is below."""
    full: datetime | None = None
    """From when on the values are of all that they are about (aware): if some are, earlier ones are dim."""
    snug: bool = False
    """Whether the scale ends close above the highest value, where it may change more often."""
    still: bool = False
    """Whether the chart stays as it is for a while: then round times are marked, which would move with each sample."""

    @property
    def limits(self) -> list[tuple[float, str]]:
        """The limits that are finite, with their roles, the most severe last."""
        found = ((_finite(self.mark), "degraded"), (_finite(self.warn), "degraded"), (_finite(self.fail), "failing"))
        return [(limit, role) for limit, role in found if limit is not None]


def plot_points(width: int) -> int:
    """How many values a chart of ``width`` cells shows, axis included: a braille cell has two."""
    return 2 * max(1, width - AXIS_WIDTH - 1)


def resampled(values: Values, count: int) -> Values:
    """``count`` values over the same time: of each part the highest, as peaks matter; of the last one the newest."""
    if len(values) == count or not values:
        return values or [None] * count
    places = pairwise(place * len(values) // count for place in range(count + 1))
    parts = (values[start : max(start + 1, end)] for start, end in places)
    *known, newest = ([value for value in part if value is not None] for part in parts)
    return [*(max(part, default=None) for part in known), newest[-1] if newest else None]


def chart(
    title: str, curves: Sequence[Curve], axes: Axes, *, width: int, height: int, glyphs: Glyphs, now_text: str = ""
) -> list[Row]:
    """``height + 2`` rows of ``width`` cells: title with the newest value or the legend, the plot, and the times below
    it. A single curve is filled; several are lines, of which the first has the cells that they share."""
    if axes.log:
        curves, axes = _logarithmic(curves, axes)
    columns = max(1, width - AXIS_WIDTH - 1)
    negative = axes.below_zero and any(value is not None and value < 0 for each in curves for value in each.values)
    filled = len(curves) == 1 and not axes.line and not negative and not axes.log
    count = columns if filled or not glyphs.dots else plot_points(width)
    shown = [_drawable(resampled(each.values, count)) for each in curves]
    highest = max((value for values in shown for value in values if value is not None), default=0.0)
    ceiling = _finite(axes.top) or _ceiling(highest, axes, height)
    floor = min((value for values in shown for value in values if value is not None), default=0.0)
    floor = -nice_ceiling(-floor, binary=axes.binary) if axes.below_zero and floor < 0 else 0.0
    if floor:
        ceiling = ceiling if highest > 0 else 0.0
        shown = [[None if value is None else value - floor for value in values] for values in shown]
    dotted = bool(glyphs.dots) and not filled
    told = {limit for limit, _role in axes.limits}  # each beside its line
    found = _ticks(floor, ceiling, height, binary=axes.binary, dotted=dotted, least=1.0 if axes.log else 0.0)
    ticks = {level: value for level, value in found.items() if value not in told}
    lines = () if floor else _limits(ceiling, axes, height, dotted=dotted)
    taken = {line.level for line in lines}
    times = _time_ticks(columns, axes)
    plot = Plot(
        columns, height,
        bars=_bars(shown[0][:columns], ceiling, axes, curves[0].role or "chart", height, glyphs) if filled else (),
        traces=() if filled else tuple(
            (_ink(each, place, glyphs), _places(values, ceiling - floor, columns, height, glyphs))
            for place, (each, values) in enumerate(_by_limit(curves, shown, axes, glyphs))
        ),
        limits=lines,
        moment=_moment_column(columns, axes), dim=_dim_columns(columns, axes),
        cursor=None if axes.cursor is None else min(columns - 1, max(0, int(axes.cursor * columns))),
        levels=tuple(level for level in ticks if level not in taken) if glyphs.dots and not axes.ago else (),
        times=tuple(column for column, _text in times) if glyphs.dots else (),
        note=_note_above(ceiling, axes, floor, glyphs),
    )  # fmt: skip
    cells, at_axis = plotted(plot, glyphs)
    rows: list[Row] = [title_row(title, _equal_told(curves, shown), now_text, width, glyphs)]
    for level in range(height - 1, -1, -1):
        at = ceiling if level == height - 1 else None if level in taken else ticks.get(level)
        label = "" if at is None else axes.unit(at)
        scale = at_axis.get(level) or Piece(fit(label, AXIS_WIDTH, right=True), "muted")
        axis = (scale, Piece(glyphs.axis, "rule"))
        rows.append((*axis, *cells[level]))
    rows.append(_times(columns, axes, glyphs, axes.unit(floor) if floor or axes.log else "0", times))
    return rows


def _ceiling(highest: float, axes: Axes, height: int) -> float:
    """The upper end of a scale for values up to the highest one, and for limits that are not far above it."""
    near = [limit for limit, _role in axes.limits if highest <= 0 or limit <= _LIMIT_WITHIN * highest]
    most = max([highest, *near, _finite(axes.reach) or 0.0])
    nice = nice_ceiling(most, binary=axes.binary)
    return min(nice, round_ceiling(most, height, binary=axes.binary)) if axes.snug else nice


def _equal_told(curves: Sequence[Curve], shown: Sequence[Values]) -> list[Curve]:
    """The curves; what has the values of an earlier one says so, unless they are zero all the time."""
    found = [(curve, values, (curve.now, values)) for curve, values in zip(curves, shown, strict=True)]
    first = [next(other.name for other, _values, same in found if same == each[2]) for each in found]
    named = zip(first, found, strict=True)
    return [replace(each, equal=name if name != each.name and any(of) else "") for name, (each, of, _same) in named]


def _logarithmic(curves: Sequence[Curve], axes: Axes) -> tuple[Sequence[Curve], Axes]:
    """The curves by the powers of ten of their values, from that below the lowest one on, and the scale for them. Where
    something is zero, a power less stands for it."""
    known = [value for each in curves for value in each.values if value is not None and abs(value) <= _BEYOND_ALL]
    above = [value for value in known if value > _NEXT_TO_NOTHING] or [1.0]
    low, high = math.floor(math.log10(min(above)) + _ALMOST_NONE), math.ceil(math.log10(max(above)) - _ALMOST_NONE)
    has_zero = any(value <= 0 for value in known)
    low -= has_zero

    def power(value: float | None) -> float | None:
        if value is None or math.isnan(value):
            return None
        return max(0.0, math.log10(min(value, _BEYOND_ALL)) - low) if value > _NEXT_TO_NOTHING else 0.0

    def label(place: float) -> str:
        return "0" if has_zero and not place else axes.unit(10.0 ** (low + place))

    scaled = [replace(each, values=[power(value) for value in each.values]) for each in curves]
    return scaled, replace(axes, unit=label, top=float(max(1, high - low)), binary=False, below_zero=False)


def _dim_columns(columns: int, axes: Axes) -> int:
    """How many columns are dim, from the oldest on."""
    if axes.full is None or not axes.start < axes.full < axes.end:
        return 0
    return min(columns, int((axes.full - axes.start) / (axes.end - axes.start) * columns))


def _note_above(ceiling: float, axes: Axes, floor: float, glyphs: Glyphs) -> tuple[str, str]:
    """What is said of the lowest limit above the scale, and its role: that nothing is near it is no warning."""
    above = [limit for limit, _role in axes.limits if limit > ceiling]
    if not above or floor:
        return "", ""
    return _("limit {limit}", limit=axes.unit(min(above)).strip()) + (" ^" if glyphs.ascii_only else " ↑"), "muted"


def series_marker(place: int, glyphs: Glyphs) -> str:
    """The point of the series at that place in a chart without dots; they repeat after the last."""
    return glyphs.markers[place % len(glyphs.markers)]


def series_role(place: int) -> str:
    """The colour role of the series at that place; they repeat after the last."""
    return f"series{place % SERIES_COLOURS + 1}"


SERIES_COLOURS = 6
_ABOVE_LABEL = 2
"""Dots from that of a label in the top row to the upper edge, its own included."""


def _ink(curve: Curve, place: int, glyphs: Glyphs) -> Ink:
    role, marker = curve.role or series_role(place), curve.marker or series_marker(place, glyphs)
    return Ink(place, role, marker, curve.in_front)


def _limit_role(value: float, axes: Axes, role: str) -> str:
    if axes.fail is not None and value > axes.fail:
        return "failing"
    return "degraded" if axes.warn is not None and value > axes.warn else role


def _by_limit(
    curves: Sequence[Curve], shown: Sequence[Values], axes: Axes, glyphs: Glyphs
) -> Iterator[tuple[Curve, Values]]:
    """The curves with their values; one that is alone as parts in the colours of the limits that it exceeds, each with
    the value before it, from which the line rises."""
    if len(curves) > 1 or (axes.warn is None and axes.fail is None) or axes.below_zero:
        yield from zip(curves, shown, strict=True)
        return
    curve, values = replace(curves[0], marker=curves[0].marker or series_marker(0, glyphs)), shown[0]
    roles = [None if value is None else _limit_role(value, axes, curve.role or "chart") for value in values]
    for role in dict.fromkeys(each for each in roles if each is not None):
        part = [
            value if role in (here, after) else None
            for value, here, after in zip(values, roles, [*roles[1:], None], strict=True)
        ]
        yield replace(curve, role=role), part


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


def _dot_of(value: float, ceiling: float, height: int) -> int:
    """The dot, from the bottom, at which a line has a value. The ceiling is where its label stands, in the middle of
    the top row: what is less, however little, is below it."""
    return math.floor(min(1.0, max(0.0, value / ceiling)) * (height * DOTS_HIGH - _ABOVE_LABEL))


def _level_of(value: float, ceiling: float, height: int, *, dotted: bool) -> int:
    """The row, from the bottom, in which ``dotted`` curves have a value; of others that which reaches up to it."""
    if dotted:
        return min(height - 1, _dot_of(value, ceiling, height) // DOTS_HIGH)
    return min(height - 1, max(0, math.ceil(value / ceiling * height - _ALMOST_NONE) - 1))


def _places(values: Values, ceiling: float, columns: int, height: int, glyphs: Glyphs) -> tuple[int | None, ...]:
    """Where a line has its values: its dots, or its rows where there are none."""
    if glyphs.dots:
        return tuple(None if value is None else _dot_of(value, ceiling, height) for value in values)
    return tuple(
        None if value is None else min(height - 1, int(min(1.0, max(0.0, value / ceiling)) * height))
        for value in values[:columns]
    )


def _limits(ceiling: float, axes: Axes, height: int, *, dotted: bool) -> tuple[LimitLine, ...]:
    """The limits within the scale, from the bottom up, in the row in which ``dotted`` curves have that value, or
    others; of those in the same row the most severe one."""
    rows: dict[int, LimitLine] = {}
    for limit, role in axes.limits:
        if 0 <= limit <= ceiling:
            dot, level = _dot_of(limit, ceiling, height), _level_of(limit, ceiling, height, dotted=dotted)
            rows[level] = LimitLine(level, dot, axes.unit(limit).strip(), role)
    return tuple(rows[level] for level in sorted(rows))


def _moment_column(columns: int, axes: Axes) -> int | None:
    if axes.moment is None or not axes.start <= axes.moment <= axes.end or axes.end <= axes.start:
        return None
    return min(columns - 1, int((axes.moment - axes.start) / (axes.end - axes.start) * columns))


def title_row(title: str, curves: Sequence[Curve], now_text: str, width: int, glyphs: Glyphs) -> Row:
    """The title with the newest value at the right, or with as many names of the curves as fit; the rest is counted.
    It stands above the plot, or further left where the newest values of all curves fit then."""
    if not any(each.name for each in curves):
        free = width - cell_width(title) - cell_width(now_text)
        indent = min(AXIS_WIDTH + 1, max(0, free - 2))
        return (*_head(title, indent), Piece(" " * max(1, free - indent)), Piece(now_text, "text"))
    shown_now = (Piece("  " + now_text),) if now_text else ()
    room = width - cell_width(title) - sum(cell_width(piece.text) for piece in shown_now)
    for make in (_valued_entry, _short_valued_entry) if any(each.now or each.equal for each in curves) else ():
        entries = tuple(piece for place, each in enumerate(curves) for piece in make(each, place, glyphs))
        left = room - sum(cell_width(piece.text) for piece in entries)
        if left >= (_HEAD_GAP if make is _valued_entry else 0):
            return (*_head(title, min(AXIS_WIDTH + 1, left)), *entries, *shown_now)
    names = sum(
        cell_width(piece.text) for place, each in enumerate(curves) for piece in _short_entry(each, place, glyphs)
    )
    indent = max(0, min(AXIS_WIDTH + 1, room - (names if names <= room else cell_width(f" +{len(curves)}"))))
    return (*_head(title, indent), *_legend(curves, room - indent, glyphs), *shown_now)


_HEAD_GAP = 2
"""Cells before a title whose legend could be shorter: it is not to be read with that of the chart on its left."""


def _head(title: str, indent: int) -> Row:
    return (Piece(" " * indent), Piece(title, "strong"))


def _legend(curves: Sequence[Curve], room: int, glyphs: Glyphs) -> Row:
    """The names of the curves if all fit, or as many of them close together as fit and a count of the rest. Each name
    has the swatch of its curve."""
    for make in (_entry, _short_entry):
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


def _swatch(ink: Ink, glyphs: Glyphs) -> str:
    return glyphs.full if glyphs.dots else ink.marker


def _entry(curve: Curve, place: int, glyphs: Glyphs) -> Row:
    ink = _ink(curve, place, glyphs)
    return (Piece(f"  {_swatch(ink, glyphs)} ", ink.role), Piece(curve.name))


def _valued_entry(curve: Curve, place: int, glyphs: Glyphs) -> Row:
    told = " ".join(filter(None, (curve.now, f"= {curve.equal}" if curve.equal else "")))
    return (*_entry(curve, place, glyphs), *((Piece(f" {told}", "muted"),) if told else ()))


def _short_valued_entry(curve: Curve, place: int, glyphs: Glyphs) -> Row:
    """Of a rate without its unit of time, which is at the axis."""
    ink, value = _ink(curve, place, glyphs), curve.now.removesuffix("/s")
    return (
        Piece(f" {_swatch(ink, glyphs)}", ink.role),
        Piece(curve.name),
        Piece(f" {value}" if value else "", "muted"),
    )


def _short_entry(curve: Curve, place: int, glyphs: Glyphs) -> Row:
    ink = _ink(curve, place, glyphs)
    gap = "  " if " " in curve.name and not glyphs.dots else " "  # markers can be read as text
    return (Piece(f"{gap}{_swatch(ink, glyphs)}{curve.name}", ink.role),)


def _times(columns: int, axes: Axes, glyphs: Glyphs, lowest: str, ticks: Sequence[tuple[int, str]]) -> Row:
    start, end = axes.start, axes.end
    clock = "%H:%M:%S" if end - start <= timedelta(minutes=10) else "%H:%M"
    form = "%m-%d %H:%M" if _of_days(axes) else clock
    first, last = start.strftime(form), end.strftime(form)
    if axes.ago:
        first, last = _("{time} ago", time=human_duration((end - start).total_seconds())), _("now")
    fill = columns - cell_width(first) - cell_width(last) - 2
    lower = (Piece(fit(lowest, AXIS_WIDTH, right=True), "muted"), Piece(glyphs.corner, "rule"))
    if fill < 1:  # how long before the end the chart begins is shorter
        first = f"-{human_duration((end - start).total_seconds())}"
        first = first if cell_width(first + last) < columns else ""
        return (*lower, Piece(first + fit(last, columns - cell_width(first), right=True), "muted"))
    return (
        *lower,
        Piece(first + " ", "muted"),
        *_time_line(fill, cell_width(first) + 1, axes, columns, glyphs, ticks),
        Piece(" " + last, "muted"),
    )


def _of_days(axes: Axes) -> bool:
    """Whether a time of day alone could be of two days."""
    return axes.end - axes.start >= timedelta(hours=24)


def _time_line(
    fill: int, before: int, axes: Axes, columns: int, glyphs: Glyphs, ticks: Sequence[tuple[int, str]]
) -> Row:
    """The line between the times, with that of the moment below it where it has room, and the round ones that do not
    touch it or each other."""
    moment = _moment_column(columns, axes)
    labels = [(column, text, "muted") for column, text in ticks]
    if axes.moment is not None and moment is not None:
        text = f"{axes.moment:{'%m-%d %H:%M' if _of_days(axes) else '%H:%M:%S'}}"
        signed = f"{axes.sign} {text}" if axes.sign else text
        labels.insert(0, (moment, signed if cell_width(signed) + 2 <= fill else text, "accent"))
    placed: list[tuple[int, str, str]] = []
    for column, label, role in labels:
        text = f" {label} "
        at = column - before - len(text) // 2
        if role == "accent" and -len(text) < at < fill:
            at = min(max(0, at), fill - len(text))
        if 0 <= at <= fill - len(text) and all(
            at + len(text) <= other or other + len(there) <= at for other, there, _role in placed
        ):
            placed.append((at, text, role))
    pieces: list[Piece] = []
    end = 0
    for at, text, role in sorted(placed):
        pieces += [Piece(glyphs.rule * (at - end), "rule"), Piece(text, role)]
        end = at + len(text)
    return (*pieces, Piece(glyphs.rule * (fill - end), "rule"))


_TIME_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)
_TIME_CELLS = 14
"""Cells from one round time to the next at least."""


def _time_ticks(columns: int, axes: Axes) -> list[tuple[int, str]]:
    """The round times of a chart that stays as it is, by column."""
    span = (axes.end - axes.start).total_seconds()
    if not axes.still or axes.ago or span <= 0:
        return []
    step = next((each for each in _TIME_STEPS if each * columns >= _TIME_CELLS * span), None)
    if step is None:
        return []
    start = axes.start.timestamp()
    form = "%m-%d" if step >= 86_400 else "%m-%d %H:%M" if _of_days(axes) and step >= 43_200 else "%H:%M"
    first = math.ceil(start / step) * step
    return [
        (
            min(columns - 1, int((at - start) / span * columns)),
            datetime.fromtimestamp(at, axes.start.tzinfo).strftime(form),
        )
        for at in range(first, math.floor(start + span) + 1, step)
    ]
