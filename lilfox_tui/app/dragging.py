"""Selecting text with the mouse: what is dragged over, within the panel where the drag began."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip

from lilfox_tui.app.rendering.draw import side_by_side
from lilfox_tui.core.text import cell_width

Cell = tuple[int, int]
"""A row and a column of a widget."""
_BORDER = "│"
_MARKED = Style(reverse=True)


def panel_around(text: str, x: int) -> tuple[int, int]:
    """The columns of the panel that cell ``x`` of a drawn line belongs to: between the nearest borders, or all."""
    left, right, at = 0, cell_width(text), 0
    for character in text:
        if character == _BORDER and at < x:
            left = at + 1
        elif character == _BORDER and at > x:
            right = at
            break
        at += cell_width(character)
    return left, right


class Drag:
    """A drag from ``start``. The text flows from its first cell to its last one through whole lines of the panel, whose
    columns are ``left`` to ``right`` (exclusive)."""

    def __init__(self, start: Cell, left: int, right: int) -> None:
        self._start = self._end = start
        self._left, self._right = left, right

    @property
    def moved(self) -> bool:
        """Whether it is more than a click."""
        return self._start != self._end

    def move(self, end: Cell) -> list[Region]:
        """Goes on to ``end``; returns what has to be drawn again."""
        before = self._regions()
        self._end = end
        return [*before, *self._regions()]

    def _span(self, y: int) -> tuple[int, int] | None:
        """The columns of line ``y`` that are dragged over (the last one exclusive)."""
        first, last = sorted((self._start, self._end))
        if not first[0] <= y <= last[0]:
            return None
        start = max(self._left, first[1]) if y == first[0] else self._left
        end = min(self._right, last[1] + 1) if y == last[0] else self._right
        return (start, end) if start < end else None

    def _spans(self) -> Iterator[tuple[int, tuple[int, int]]]:
        first, last = sorted((self._start, self._end))
        for y in range(max(0, first[0]), last[0] + 1):
            if (span := self._span(y)) is not None:
                yield y, span

    def _regions(self) -> list[Region]:
        return [Region(start, y, end - start, 1) for y, (start, end) in self._spans()]

    def marked(self, strip: Strip, y: int) -> Strip:
        """Line ``y`` as ``strip`` draws it, with what is dragged over reversed."""
        span = self._span(y) if self.moved else None
        if span is None:
            return strip
        start, end = span
        before, inside, after = strip.divide([start, end, strip.cell_length])
        return side_by_side(before, inside.apply_style(_MARKED), after)

    def text(self, line: Callable[[int], Strip], height: int) -> str:
        """What is dragged over, as ``line`` draws the lines of a widget that is ``height`` rows high."""
        rows = [line(y).crop(*span).text.rstrip() for y, span in self._spans() if y < height]
        return "\n".join(rows).strip("\n")
