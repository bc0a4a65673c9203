"""Rows that are longer than the screen is wide, on several lines. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.text import break_line, cell_width, clean

NARROWEST = 24
"""Cells that what is too long has at least beside the others; else it goes below them."""
INDENT = 6


def wrapped(rows: Iterable[Row], width: int) -> list[Row]:
    """``rows`` with each piece that would not fit on as many lines as it takes, under where the first of them begins;
    what comes after it follows."""
    return [line for row in rows for line in _wrapped(row, width)]


def cells(row: Iterable[Piece]) -> int:
    """How wide a row is."""
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
            indent = min(INDENT, width // 4) if below else used
        if below:
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


def _first_word(text: str) -> int:
    """Cells of the word that ``text`` begins with: an address, say, that is better not broken."""
    word = text.lstrip(" ").partition(" ")[0]
    return len(word) if word.isascii() else 0


def _lines(text: str, first: int, width: int) -> list[str]:
    """``text`` in lines of ``width`` cells, the first of ``first``; spaces at its start are kept on that."""
    lines: list[str] = []
    rest = text
    while rest:
        line, rest = break_line(rest, width if lines else first)
        if not line:  # not even one character fits
            return [*lines, rest]
        lines.append(line)
    return lines or [""]
