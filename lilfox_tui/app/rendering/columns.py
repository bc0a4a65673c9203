"""Columns of rows, and text wrapped to a width."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.core.text import (
    break_line,
    cell_width,
    clean,
    fit,
)
from lilfox_tui.metrics.traffic import Quantile

T = TypeVar("T")
GAP = 2


class Column(Struct, Generic[T], frozen=True):
    """One column. ``cell`` returns a value's pieces; ``priority`` 0 is dropped last; ``grow`` takes the remaining
    width."""

    title: Callable[[], str]
    width: int
    cell: Callable[[T], Row]
    priority: int = 0
    right: bool = False
    grow: int = 0
    id: str = ""
    """What a table is sorted by, where it can be sorted by this column."""


def choose(columns: Sequence[Column[T]], width: int) -> list[tuple[Column[T], int]]:
    """The columns that fit in ``width`` cells, in order, each with its width."""
    kept = list(columns)
    while len(kept) > 1 and _total(kept) > width:
        kept.remove(max(kept, key=lambda column: column.priority))
    spare = max(0, width - _total(kept))
    chosen = []
    for column in kept:
        extra = min(spare, column.grow)
        spare -= extra
        chosen.append((column, column.width + extra))
    return chosen


def _total(columns: Sequence[Column[T]]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def heading(chosen: Sequence[tuple[Column[T], int]], indent: int, sorted_by: str = "", mark: str = "") -> Row:
    """The line of column titles; that of the column ``sorted_by`` ends with ``mark``."""

    def title(column: Column[T], width: int) -> str:
        text = column.title()
        if sorted_by and column.id == sorted_by:
            text = fit(text, min(cell_width(text), width - cell_width(mark))) + mark
        return fit(text, width, right=column.right)

    cells = [title(column, width) for column, width in chosen]
    return (Piece(" " * indent + (" " * GAP).join(cells), "muted"),)


def line(chosen: Sequence[tuple[Column[T], int]], value: T) -> list[Piece]:
    """The cells of one value, each in exactly its width."""
    pieces: list[Piece] = []
    for index, (column, width) in enumerate(chosen):
        if index:
            pieces.append(Piece(" " * GAP))
        pieces.extend(_in_width(column.cell(value), width, right=column.right))
    return pieces


def _in_width(cell: Row, width: int, *, right: bool) -> list[Piece]:
    """Return a cell's pieces padded or cut to ``width``; if they are too wide, the last one that fits is cut."""
    left = width
    pieces: list[Piece] = []
    for piece in cell:
        text = clean(piece.text)
        size = cell_width(text)
        if size > left:
            text, size = fit(text, left), left
        pieces.append(Piece(text, piece.role))
        left -= size
        if left <= 0:
            break
    pad = Piece(" " * max(0, left))
    return [pad, *pieces] if right else [*pieces, pad]


_BAR_LEAST = 3
"""Cells of a bar at least; where there is less room there is none."""


class Meter(Struct, frozen=True):
    """A value as a bar: its name, its text, how many ``percent`` of the bar it fills, its colour, and what stands
    behind it."""

    name: str
    value: str
    percent: float | None
    role: str = "text"
    behind: str = ""
    also: float = 0.0
    """How many more percent are taken by what would give way: a lower bar behind the other."""


def gauge(percent: float | None, width: int, role: str, glyphs: Glyphs, also: float = 0.0) -> Row:
    """A bar of ``percent`` in the colour of its level; lower than its line, so that bars below each other do not fuse.
    A still lower one of ``also`` percent follows it. Blanks if the value is unknown."""
    if percent is None:
        return (Piece(" " * width),)
    filled, end = (round(min(100.0, max(0.0, each)) / 100 * width) for each in (percent, percent + also))
    bar = Piece(glyphs.bars[-2] * filled, "chart" if role == "text" else role)
    lower = (Piece(glyphs.bars[len(glyphs.bars) // 3] * (end - filled), "muted"),) if end > filled else ()
    return (bar, *lower, Piece(glyphs.rule * (width - end), "rule"))


def meter_rows(meters: Sequence[Meter], width: int, glyphs: Glyphs, columns: int = 1) -> list[Row]:
    """Meters in so many ``columns`` of ``width`` cells together, read from top to bottom: their names, values and bars
    stand below each other."""
    high = -(-len(meters) // columns)
    texts = [(each.name, each.value, each.behind) for each in meters]
    name, value, behind = (max(map(cell_width, column)) for column in zip(*texts, strict=True))
    taken = name + value + 3 + (behind + 1 if behind else 0) + (columns > 1)
    bar = max(0, (width - 1) // columns - taken)
    bar = bar if bar >= _BAR_LEAST else 0

    def cells_of(each: Meter) -> Iterable[Piece]:
        yield Piece(" " + fit(each.name, name) + " ")
        yield Piece(fit(each.value, value, right=True) + " ", each.role)
        yield from gauge(each.percent, bar, each.role, glyphs, each.also)
        if behind:
            yield Piece(" " + fit(each.behind, behind, right=True), "muted")
        if columns > 1:
            yield Piece(" ")

    return [tuple(piece for each in meters[row::high] for piece in cells_of(each)) for row in range(high)]


LEAST_SHARE = 0.05
"""A smaller share would be written as none."""
WHOLE_SHARE = 99.95
ONE_SECOND = 0.9995
TENTHS = 9.95
"""From here on tenths tell nothing."""
_HUNDRED = 99.95
BOUND_SIGNS = {"": "", "<=": "≤", ">": ">"}
"""Before a time that is a bound: at most, or more than it."""


# Numbers as texts. Colours never follow from these texts: they are judged by the number that was read.


def percent_text(value: float | None) -> str:
    """A percentage in 4 cells: `` 23%``, ``   -`` when unknown."""
    return "   -" if value is None else fit(f"{value:3.0f}%", 4)


def bare_percent_text(value: float | None) -> str:
    """A percentage without its sign, in 2 cells or 3."""
    return " -" if value is None else f"{value:2.0f}"


def share_text(percent: float | None) -> str:
    """A small percentage in at most 5 cells: ``0%``, ``0.4%``, ``31.0%``, ``100%``; nothing when unknown."""
    if percent is None:
        return ""
    if percent == 0:
        return "0%"
    if 0 < percent < LEAST_SHARE:
        return f"<{2 * LEAST_SHARE:g}%"
    return f"{percent:.1f}%" if percent < WHOLE_SHARE else f"{percent:.0f}%"


def quantile_text(found: Quantile | None) -> str:
    """A response time with its bound in at most 6 cells: ``18ms``, ``≤2.5s``; empty when unknown."""
    if found is None:
        return ""
    bound, seconds = found.told
    return BOUND_SIGNS[bound] + (_bound_text(seconds) if bound else short_time_text(seconds))


def _bound_text(seconds: float) -> str:
    """A bound in at most 5 cells: of a rounded one it might be untrue what is said of it."""
    if seconds < ONE_SECOND:
        return f"{seconds * 1000:.3g}ms"
    return f"{seconds:.3g}s" if seconds < _HUNDRED else f"{seconds:.0f}s"


def short_time_text(seconds: float) -> str:
    """A span of time in one unit and at most 5 cells: ``3.5ms``, ``18ms``, ``1.9s``, ``42s``."""
    if seconds < ONE_SECOND:
        return f"{seconds * 1000:.1f}ms" if seconds < TENTHS / 1000 else f"{seconds * 1000:.0f}ms"
    return f"{seconds:.1f}s" if seconds < TENTHS else f"{seconds:.0f}s"


def load_text(value: float) -> str:
    """A load average."""
    return f"{value:.2f}"


# Rows that are longer than the screen is wide, on several lines. Pure.


NARROWEST = 24
"""Cells that what is too long has at least beside the others; else it goes below them."""
INDENT = 6


def wrapped(rows: Iterable[Row], width: int) -> list[Row]:
    """``rows`` with each piece that does not fit wrapped below its first character; the pieces after it follow."""
    return [line for row in rows for line in _wrapped(row, width)]


def cells(row: Iterable[Piece]) -> int:
    """The width of a row in cells."""
    return sum(cell_width(clean(piece.text)) for piece in row)


def _wrapped(row: Row, width: int) -> list[Row]:
    if not row or cells(row) <= width:
        return [row]
    narrowest, indent = min(NARROWEST, width // 2), -1
    lines: list[Row] = []
    line: list[Piece] = []
    used = 0
    for piece in row:
        text = clean(piece.text)
        if used + cell_width(text) <= width:
            line.append(piece)
            used += cell_width(text)
            continue
        if text.isspace():
            used = width  # what comes after it begins on the next line
            continue
        below = width - used < narrowest or width - used < _first_word(text) <= width - INDENT
        if indent < 0:
            indent = min(INDENT, width // 4) if below else used + _leading(text, (width - used) // 2)
        if below:
            end = _rest_of_word(line, text)
            if end and used + cell_width(end) <= width:  # no line begins with what closes a word
                line.append(Piece(end, piece.role))
                text = text[len(end) :]
            lines.append(tuple(line))
            line, used, text = [Piece(" " * indent)], indent, text.lstrip(" ")
        first, *more = _lines(text, max(1, width - used), max(1, width - indent))
        line.append(Piece(first, piece.role))
        for each in more:
            lines.append(tuple(line))
            line, used = [Piece(" " * indent)], indent
            line.append(Piece(each, piece.role))
        used += cell_width(line[-1].text)
    return [*lines, tuple(line)]


def _rest_of_word(line: Sequence[Piece], text: str) -> str:
    """What ``text`` has of a word that the line ends with, if more follows."""
    before = line[-1].text[-1:] if line else ""
    word, space, _rest = text.partition(" ")
    return word if space and before.strip() else ""


def _leading(text: str, most: int) -> int:
    """The blanks at the start of ``text``; none if there are more than ``most``."""
    count = len(text) - len(text.lstrip(" "))
    return count if count <= most else 0


def _first_word(text: str) -> int:
    """The width in cells of the first word of ``text``, such as an address that should not be broken."""
    word = text.lstrip(" ").partition(" ")[0]
    return len(word) if word.isascii() else 0


def _lines(text: str, first: int, width: int) -> list[str]:
    """``text`` in lines of ``width`` cells, the first of ``first``; leading spaces stay on the first."""
    lines: list[str] = []
    rest = text
    while rest:
        line, rest = break_line(rest, width if lines else first)
        if not line:  # not even one character fits
            return [*lines, rest]
        lines.append(line)
    return lines or [""]


def wrap_spans(text: str, first: int, below: int) -> list[tuple[int, int]]:
    """How ``text``, cleaned, stands in rows of ``first`` cells and then ``below``: from where to where in it each goes.
    At least one row."""
    if len(text) <= first and (text.isascii() or 2 * len(text) <= first):
        return [(0, len(text))]
    spans: list[tuple[int, int]] = []
    at, room = 0, first
    while True:
        part = text[at : at + 2 * room]  # not all of the rest: a line may have hundreds of KB
        line, rest = break_line(part, room)
        spans.append((at, at + len(line)))
        at, room = at + len(part) - len(rest), below
        if at >= len(text):
            return spans


def slice_row(pieces: Iterable[Piece], start: int, end: int) -> list[Piece]:
    """What stands from the character ``start`` to ``end`` in the pieces."""
    made: list[Piece] = []
    at = 0
    for piece in pieces:
        if text := piece.text[max(0, start - at) : max(0, end - at)]:
            made.append(Piece(text, piece.role, piece.ground))
        at += len(piece.text)
    return made
