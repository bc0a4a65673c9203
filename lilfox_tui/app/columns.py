"""Tables that fit any width: columns leave by priority until the rest fits; widths never depend on numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from lilfox_tui.app.draw import Piece, Row
from lilfox_tui.text import cell_width, clean, fit

T = TypeVar("T")
GAP = 2


class Column(Struct, Generic[T], frozen=True):
    """One column. ``cell`` gives a value's pieces; ``priority`` 0 stays longest; ``grow`` takes what is left."""

    title: Callable[[], str]
    width: int
    cell: Callable[[T], Row]
    priority: int = 0
    right: bool = False
    grow: int = 0


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


def heading(chosen: Sequence[tuple[Column[T], int]], indent: int) -> Row:
    """The line of column titles."""
    cells = [fit(column.title(), width, right=column.right) for column, width in chosen]
    return (Piece(" " * indent + (" " * GAP).join(cells), "muted"),)


def line(chosen: Sequence[tuple[Column[T], int]], value: T) -> list[Piece]:
    """One value's cells, each in exactly its width."""
    pieces: list[Piece] = []
    for index, (column, width) in enumerate(chosen):
        if index:
            pieces.append(Piece(" " * GAP))
        pieces.extend(_in_width(column.cell(value), width, right=column.right))
    return pieces


def _in_width(cell: Row, width: int, *, right: bool) -> list[Piece]:
    """A cell's pieces cut and padded to ``width``; the last piece bears the cut."""
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
