"""The cells of a chart's plot: a filled curve or several lines in braille, over a faint grid, with limits and a moment.
Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.core.text import cell_width, fit
from lilfox_tui.core.units import LABEL_CELLS

_ROW_LINE, _COLUMN_LINE, _CROSSING = "┈┊┊"
"""Lines of the grid, and where they cross."""
_DOT = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""The dots of the left and the right half of a braille cell, from the bottom up."""
DOTS_HIGH = 4
_DASH = 4
"""Columns of each of several curves that run through the same cells."""


class Ink(NamedTuple):
    """What tells a curve from others: its place among them, its role, its point where there are no dots, and whether it
    is in front of them."""

    place: int
    role: str
    marker: str
    in_front: bool = False


_Cell = tuple[int, int]
"""A column, and a level from the bottom up."""


class LimitLine(NamedTuple):
    """A limit of the plot: its row and its dot, from the bottom, its value as text, and its role."""

    level: int
    dot: int
    label: str
    role: str


class Plot(NamedTuple):
    """What is seen of the values in the cells of a plot. It stays the same for many samples, as they differ by little,
    so what is drawn of it is kept."""

    columns: int
    height: int
    bars: Sequence[tuple[int, str] | None]
    """Of a filled curve, by column: its height in steps of a block, and its role."""
    traces: Sequence[tuple[Ink, Sequence[int | None]]]
    """Of lines: the dot or, where there are none, the row of each value, from the bottom."""
    limits: Sequence[LimitLine]
    moment: int | None
    cursor: int | None
    """Columns."""
    levels: Sequence[int] = ()
    times: Sequence[int] = ()
    """The rows and the columns of the grid."""
    note: tuple[str, str] = ("", "")
    """What is said in the top row where the curves leave room, and its role."""
    dim: int = 0
    """So many columns of the curves, from the oldest on, are dim."""


@lru_cache(maxsize=64)
def plotted(plot: Plot, glyphs: Glyphs) -> tuple[Sequence[Row], Mapping[int, Piece]]:
    """The rows of a plot from the bottom up, and the labels of limits that had no room in it, by row."""
    grid = _Grid(plot.columns, plot.height)
    _fill(grid, plot.bars, glyphs)
    for ink, places in plot.traces:
        _trace(grid, places, ink, glyphs)
    grid.share_cells([ink for ink, _places in plot.traces])
    _dim(grid, plot.dim)
    at_axis = _draw_limits(grid, plot.limits, glyphs)
    _draw_note(grid, *plot.note)
    _draw_moment(grid, plot.moment, glyphs)
    _draw_grid(grid, plot.levels, plot.times)
    return [grid.row(level, plot.cursor) for level in range(plot.height)], at_axis


class _Grid:
    """The cells of a plot: for each level, from the bottom up, a character and its role by column."""

    def __init__(self, columns: int, height: int) -> None:
        self.columns, self.height = columns, height
        self.text = [[" "] * columns for _level in range(height)]
        self.role = [["text"] * columns for _level in range(height)]
        self.bits = [[0] * columns for _level in range(height)]
        self._passing: dict[_Cell, dict[int, int]] = {}
        """The places of the curves in a cell, each with its dots there."""

    def put(self, column: int, level: int, char: str, role: str) -> None:
        """Draw a character."""
        self.text[level][column], self.role[level][column] = char, role

    def dot(self, x: int, y: int, role: str) -> None:
        """Draw the dot ``x`` from the left and ``y`` from the bottom."""
        column, level = x // 2, y // DOTS_HIGH
        self.bits[level][column] |= _DOT[x % 2][y % DOTS_HIGH]
        self.put(column, level, chr(0x2800 + self.bits[level][column]), role)

    def passes(self, column: int, level: int, ink: Ink, bit: int = 0) -> None:
        """Record that a curve runs through a cell, with that dot."""
        here = self._passing.setdefault((column, level), {})
        here[ink.place] = here.get(ink.place, 0) | bit

    def share_cells(self, inks: Sequence[Ink]) -> None:
        """Give the cells that several curves pass to the one in front, else to the first of them: colours that change
        from dot to dot would look like a curve of its own. Where curves run through the same cells for longer, each is
        a dashed line, with its own dots alone. A curve that would be seen nowhere gets a cell of those that others can
        spare."""
        front = next((ink.place for ink in inks if ink.in_front), None)
        passing = {cell: [front] if front in places else sorted(places) for cell, places in self._passing.items()}
        owners = {cell: places[0] for cell, places in passing.items()}
        dashed = _by_turns(passing, owners)
        owners |= dashed
        seen = set(owners.values())
        if any(place not in seen for places in passing.values() for place in places):
            owners |= {cell: place for place, cell in _one_cell_each(passing).items()}
        for cell, place in owners.items():
            (column, level), ink = cell, inks[place]
            if cell in dashed and self.bits[level][column]:
                self.bits[level][column] = self._passing[cell][place]
                self.text[level][column] = chr(0x2800 + self.bits[level][column])
            dotted = self.bits[level][column]
            self.put(column, level, self.text[level][column] if dotted else ink.marker, ink.role)

    def row(self, level: int, cursor: int | None) -> Row:
        """The cells of a level as pieces; the column of the cursor stands on a ground of its own."""
        text, roles = self.text[level], self.role[level]
        if cursor is None and roles.count(roles[0]) == self.columns:  # most are blank
            return (Piece("".join(text), roles[0]),)
        pieces: list[Piece] = []
        for (role, marked), run in groupby(range(self.columns), key=lambda x: (roles[x], x == cursor)):
            pieces.append(Piece("".join(text[x] for x in run), role, "cursor" if marked else ""))
        return tuple(pieces)


def _by_turns(passing: Mapping[_Cell, Sequence[int]], owners: Mapping[_Cell, int]) -> dict[_Cell, int]:
    """The cells of stretches in which a curve would be hidden by others for more columns than a dash has: the curves
    have them by turns. Where one of them rises or falls, its line stays whole."""
    shared = {cell: places for cell, places in passing.items() if len(places) > 1}
    columns: dict[int, set[int]] = {}
    for (column, _level), places in shared.items():
        for place in places[1:]:
            columns.setdefault(place, set()).add(column)
    if all(len(each) <= _DASH for each in columns.values()):
        return {}
    seen = {(column, owners[column, level]) for column, level in passing}
    hidden = {
        place: _long_runs(sorted(column for column in each if (column, place) not in seen))
        for place, each in columns.items()
    }
    cells = Counter((column, place) for (column, _level), places in passing.items() for place in places)
    found: dict[_Cell, int] = {}
    for (column, level), places in shared.items():
        turns = [places[0], *(place for place in places[1:] if column in hidden[place])]
        if len(turns) > 1 and all(cells[column, place] == 1 for place in places):
            found[column, level] = turns[column // _DASH % len(turns)]
    return found


def _long_runs(columns: Sequence[int]) -> set[int]:
    """Those of the columns that stand in a row of more than a dash."""
    found: set[int] = set()
    for _start, run in groupby(enumerate(columns), key=lambda each: each[1] - each[0]):
        row = [column for _place, column in run]
        found.update(row if len(row) > _DASH else ())
    return found


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


def _fill(grid: _Grid, bars: Sequence[tuple[int, str] | None], glyphs: Glyphs) -> None:
    """Draw a filled curve. A known zero is seen as a line; an unknown value is not."""
    steps = len(glyphs.bars) - 1
    for column, bar in enumerate(bars):
        if bar is None:
            continue
        filled, role = max(1, bar[0]), bar[1]
        for level in range(min(grid.height, -(-filled // steps))):
            grid.put(column, level, glyphs.bars[min(steps, filled - level * steps)], role)


def _trace(grid: _Grid, places: Sequence[int | None], ink: Ink, glyphs: Glyphs) -> None:
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
                grid.passes(x // 2, each // DOTS_HIGH, ink, _DOT[x % 2][each % DOTS_HIGH])
            before = y


def _draw_limits(grid: _Grid, limits: Sequence[LimitLine], glyphs: Glyphs) -> dict[int, Piece]:
    """Draw each limit as a dashed line, with its value in the colour of its level as far right as there is room; return
    the values that have no room, for the axis, by row. Through a filled curve the line is thin, and below the curve's
    top, which is left alone; beside a line in the same cell it has the line's colour, and so is drawn there only where
    the line has the whole row."""
    at_axis: dict[int, Piece] = {}
    for level, dot, text, role in limits:  # from the bottom up: the cells above are still the curve's
        free = [_takes_limit(grid, column, level, glyphs) for column in range(grid.columns)]
        blank = [char == " " for char in grid.text[level]]  # a label over a filled curve would be a hole in it
        at = _label_column(blank, label := f" {text} ")
        if at is None:
            at_axis[level] = Piece(fit(text, LABEL_CELLS, right=True), role)
        for column in range(grid.columns):
            if free[column] and glyphs.dots and grid.text[level][column] == glyphs.bars[-1]:
                grid.put(column, level, glyphs.bars[-2], grid.role[level][column])  # a thin line through it
            elif free[column]:
                grid.put(column, level, glyphs.limit, role)
            elif grid.bits[level][column] and not any(free):
                y = min(max(dot, level * DOTS_HIGH), (level + 1) * DOTS_HIGH - 1)
                grid.dot(2 * column, y, grid.role[level][column])
        for offset, char in enumerate(label[: grid.columns - at] if at is not None else ""):
            grid.put((at or 0) + offset, level, char, role)
    return at_axis


def _dim(grid: _Grid, columns: int) -> None:
    """Take the colours of the curves in so many columns away."""
    for text, roles in zip(grid.text, grid.role, strict=True):
        for column in range(columns):
            if text[column] != " ":
                roles[column] = "rule"


def _takes_limit(grid: _Grid, column: int, level: int, glyphs: Glyphs) -> bool:
    """Whether a limit may be drawn in a cell: it is blank, or within a filled curve that goes on above it."""
    char = grid.text[level][column]
    return char == " " or (
        char == glyphs.bars[-1] and level + 1 < grid.height and grid.text[level + 1][column] in glyphs.bars[1:]
    )


def _label_column(free: Sequence[bool], label: str, *, part: int = 3) -> int | None:
    """Where a label stands in a row with those free cells: at the right end, or as far right as there is room for it;
    None if there is none, or if it takes more than one ``part`` of the row. Its last blank needs no room at the end of
    the row."""
    columns, least = len(free), cell_width(label) - 1
    if columns <= part * least:
        return None
    if all(free[columns - least :]):
        return columns - least
    return next((at for at in range(columns - least - 1, -1, -1) if all(free[at : at + least + 1])), None)


def _draw_moment(grid: _Grid, column: int | None, glyphs: Glyphs) -> None:
    """Draw the moment as a line where nothing else is."""
    for level in range(grid.height if column is not None else 0):
        if column is not None and grid.text[level][column] in (" ", glyphs.limit):
            grid.put(column, level, glyphs.axis, "accent")


def _draw_note(grid: _Grid, note: str, role: str) -> None:
    """Write the note as far right in the top row as there is room for it; nothing if there is none."""
    top, cells = grid.height - 1, cell_width(note) + 2
    at = _label_column([char == " " for char in grid.text[top]], f" {note} ", part=1) if note else None
    if at is not None:
        wide = min(cells, grid.columns - at)
        for column in range(at, at + wide):
            grid.put(column, top, "", role)
        grid.put(at, top, fit(f" {note}", wide), role)


def _draw_grid(grid: _Grid, levels: Sequence[int], times: Sequence[int]) -> None:
    """Draw the lines of the grid where nothing else is."""
    for level, (text, roles) in enumerate(zip(grid.text, grid.role, strict=True)):
        for column in range(grid.columns) if level in levels else times:
            if text[column] == " " and roles[column] == "text":
                char = _CROSSING if column in times and level in levels else _ROW_LINE
                grid.put(column, level, char if level in levels else _COLUMN_LINE, "rule")
