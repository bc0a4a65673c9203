"""Panels: boxes with a title and rows, placed on the screen so that neighbours share their border; where they have
borders, which of their rows are in sight, and what a click on them selects. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Generic, TypeVar

from msgspec import Struct

from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.core.text import cell_width, clean, fit

NARROWEST, LOWEST = 60, 12
"""Below this many cells or rows nothing has borders: one line a thing, or one part below the other."""
_UP, _RIGHT, _DOWN, _LEFT = 1, 2, 4, 8
_NOTE_LEAST = 8
"""Cells of a note that is cut."""


PanelT = TypeVar("PanelT", bound=str)
RowT = TypeVar("RowT")


def bordered(width: int, height: int | None = None, *, slow_link: bool = False, lowest: int = LOWEST) -> bool:
    """Whether what is drawn in that room has borders. A page that scrolls has no ``height``; ``lowest`` is for panels
    that need more rows than others."""
    return width >= NARROWEST and (height is None or height >= lowest) and not slow_link


def in_sight(top: int, count: int, room: int, selected: int | None = None, last: int | None = None) -> int:
    """The first of ``count`` rows to draw in ``room`` lines: ``top``, which was the first one before, unless the
    ``selected`` row would be out of sight or lines would be free while rows are hidden. ``last`` is the last row that
    belongs to the selected one, and is seen with it where both have room."""
    room = max(1, room)
    if selected is not None:
        end = selected if last is None else last
        top = min(max(top, end - room + 1), selected)
    return max(0, min(top, count - room))


class PanelArea(Struct, frozen=True):
    """Where a panel is, its border included; neighbours overlap by the border that they share."""

    left: int
    top: int
    width: int
    height: int

    @property
    def inner_width(self) -> int:
        """Cells of a row inside the border."""
        return max(0, self.width - 2)

    @property
    def inner_height(self) -> int:
        """Rows inside the border."""
        return max(0, self.height - 2)


class ScreenPanel(Struct, frozen=True):
    """A box on the screen. ``rows`` past its lower edge are not drawn. ``title`` stands in the upper border, and at the
    right of it ``note``, of which the pieces that have no room are left out, and ``more``."""

    area: PanelArea
    title: Row = ()
    rows: Sequence[Row] = ()
    note: Row = ()
    more: str = ""


class PanelHit(Struct, Generic[PanelT, RowT], frozen=True):
    """Cells of the screen that a click selects: a row of a panel."""

    y: int
    left: int
    right: int
    panel: PanelT
    row: RowT


class PanelScreen(Struct, Generic[PanelT, RowT], frozen=True):
    """The drawn screen, what is where on it, and how many rows are past its lower edge where no panel tells it."""

    rows: Sequence[Row] = ()
    hits: Sequence[PanelHit[PanelT, RowT]] = ()
    below: int = 0

    def at(self, x: int, y: int) -> PanelHit[PanelT, RowT] | None:
        """What is at those cells."""
        return next((hit for hit in self.hits if hit.y == y and hit.left <= x < hit.right), None)


def row_hits(area: PanelArea, heads: int, panel: PanelT, rows: Iterable[RowT]) -> list[PanelHit[PanelT, RowT]]:
    """Where the visible ``rows`` of a panel are, below so many column titles."""
    first, left = area.top + 1 + heads, area.left + 1
    return [PanelHit(first + y, left, left + area.inner_width, panel, row) for y, row in enumerate(rows)]


def draw_panels(
    panels: Sequence[ScreenPanel], width: int, height: int, glyphs: Glyphs, *, slow_link: bool = False
) -> list[Row]:
    """``height`` rows of at most ``width`` cells with all panels on them; over a slow link their borders are blank."""
    boxes = " " * len(glyphs.boxes) if slow_link else glyphs.boxes
    borders = _borders(tuple(panel.area for panel in panels), width, height, boxes)
    lines: list[list[_Part]] = [[] for _y in range(height)]
    for panel in panels:
        area = panel.area
        if 0 <= area.top < height:
            lines[area.top] += _titles(area, tuple(panel.title), tuple(panel.note), panel.more)
        for offset in range(area.inner_height):
            row = panel.rows[offset] if offset < len(panel.rows) else BLANK
            lines[area.top + 1 + offset].append((area.left + 1, area.inner_width, fit_row(row, area.inner_width)))
    return [_line(border, tuple(parts)) for border, parts in zip(borders, lines, strict=True)]


_TITLE_LEAST = 12
"""Cells of a title that is cut for what stands beside it."""
_Part = tuple[int, int, Row]
"""The cell where a part of a line begins, its width, and its pieces."""


@lru_cache(maxsize=128)  # they stay for long
def _titles(area: PanelArea, title: Row, note: Row, more: str) -> list[_Part]:
    """The title, and what has room beside it."""
    parts: list[_Part] = []
    room = area.width - 4
    if title and room > 0:
        least = row_width((Piece(more),)) + 3 if more else 0
        title = cut_row(title, room - 2 - (least if room - 2 - least >= _TITLE_LEAST else 0))
        size = row_width(title) + 2
        room -= size
        parts.append((area.left + 2, size, (Piece(" "), *title, Piece(" "))))
    if noted := _noted(note, more, room - 3):
        size = row_width(noted) + 2
        parts.append((area.left + area.width - 2 - size, size, (Piece(" "), *noted, Piece(" "))))
    return parts


def _noted(note: Row, more: str, room: int) -> Row:
    """The pieces of the note that have room beside ``more``, two blanks apart; the first one is cut if it is longer."""
    last = (Piece(more, "muted"),) if more and row_width((Piece(more),)) <= room else ()
    room -= row_width(last) + 2 * len(last)
    kept: list[Piece] = []
    for piece in note:
        size = row_width((piece,))
        if size > room and (kept or room < _NOTE_LEAST):
            break
        kept += [Piece("  "), *cut_row((piece,), room)]
        room -= size + 2
    return (*kept, *((Piece("  "), *last) if last else ()))[1:]


@lru_cache(maxsize=512)  # most lines are as they were a second ago
def _line(border: str, parts: tuple[_Part, ...]) -> Row:
    pieces: list[Piece] = []
    x = 0
    for left, width, row in sorted(parts, key=lambda part: part[0]):
        if border[x:left]:
            pieces.append(Piece(border[x:left], "rule"))
        pieces += row
        x = left + width
    if border[x:].strip():
        pieces.append(Piece(border[x:], "rule"))
    return tuple(pieces)


@lru_cache(maxsize=16)
def _borders(areas: tuple[PanelArea, ...], width: int, height: int, boxes: str) -> list[str]:
    """The borders of all areas as lines of ``width`` characters; what is inside is blank."""
    directions = [[0] * width for _y in range(height)]
    for area in areas:
        right, bottom = area.left + area.width - 1, area.top + area.height - 1
        for y in (area.top, bottom):
            if 0 <= y < height:
                for x in range(area.left, min(right, width - 1) + 1):
                    directions[y][x] |= (_RIGHT if x < right else 0) | (_LEFT if x > area.left else 0)
        for x in (area.left, right):
            if 0 <= x < width:
                for y in range(area.top, min(bottom, height - 1) + 1):
                    directions[y][x] |= (_DOWN if y < bottom else 0) | (_UP if y > area.top else 0)
    return ["".join(boxes[each] for each in line) for line in directions]


def row_width(row: Iterable[Piece]) -> int:
    """The cells of a row."""
    return sum(cell_width(clean(piece.text)) for piece in row)


def cut_row(row: Row, width: int) -> Row:
    """The row in at most ``width`` cells, with a mark where text was cut off."""
    return tuple(_within(row, width)[0])


def squeezed(row: Row, width: int) -> Row:
    """The row; where it is wider than so many cells, without the blanks that fill its columns up."""
    if row_width(row) <= width:
        return row
    pieces: list[Piece] = []
    for piece, after in zip(row, (*row[1:], Piece("")), strict=True):
        bare = piece.text.rstrip(" ")
        keep = 0 if after.text.startswith(" ") and bare else 2
        blanks = min(len(piece.text) - len(bare), keep)
        pieces.append(Piece(bare + " " * blanks, piece.role, piece.ground))
    return tuple(pieces)


@lru_cache(maxsize=512)  # most rows are as they were a second ago
def fit_row(row: Row, width: int) -> Row:
    """The row in exactly ``width`` cells."""
    pieces, left = _within(row, width)
    if left > 0:
        pieces.append(Piece(" " * left, "text", pieces[-1].ground if pieces else ""))
    return tuple(pieces)


def _within(row: Row, width: int) -> tuple[list[Piece], int]:
    """The pieces that fit into ``width`` cells, the last one cut, and the cells that are left."""
    left = width
    pieces: list[Piece] = []
    for piece in row:
        if left <= 0:
            break
        text = clean(piece.text)
        size = cell_width(text)
        if size > left:
            text, size = fit(text, left), left
        pieces.append(piece if text is piece.text else Piece(text, piece.role, piece.ground))
        left -= size
    return pieces, left


def highlighted(row: Row, width: int) -> Row:
    """The row in exactly ``width`` cells on the ground of the selection."""
    return tuple(Piece(piece.text, piece.role, "selection") for piece in fit_row(row, width))
