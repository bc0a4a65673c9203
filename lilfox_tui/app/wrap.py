"""Rows to read that are longer than the place they have, on several lines. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lilfox_tui.app.draw import Piece, Row
from lilfox_tui.text import break_line, cell_width, clean

NARROWEST = 24
"""Cells that the last column has at least; else it goes below the others."""
INDENT = 6


def wrapped(rows: Iterable[Row], width: int) -> list[Row]:
    """``rows`` with the last piece of each that is too long on as many lines as it takes, under where it begins."""
    return [line for row in rows for line in _wrapped(row, width)]


def cells(row: Row) -> int:
    """How wide a row is."""
    return sum(cell_width(clean(piece.text)) for piece in row)


def _wrapped(row: Row, width: int) -> list[Row]:
    if not row or cells(row) <= width:
        return [row]
    *before, last = row
    at = cells(tuple(before))
    below = width - at < min(NARROWEST, width // 2)
    indent = min(INDENT, width // 4) if below else at
    first, *more = _lines(last.text, max(1, width - indent))
    head: list[Row] = [tuple(before)] if below else [(*before, Piece(first, last.role))]
    if below:
        more.insert(0, first)
    return head + [(Piece(" " * indent), Piece(line, last.role)) for line in more]


def _lines(text: str, width: int) -> list[str]:
    """``text`` in lines of ``width`` cells; spaces at its start are kept on the first."""
    lines: list[str] = []
    rest = text
    while rest:
        line, rest = break_line(rest, width)
        if not line:  # not even one character fits
            return [*lines, rest]
        lines.append(line)
    return lines or [""]
