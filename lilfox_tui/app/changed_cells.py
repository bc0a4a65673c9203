"""Which cells of a line differ from what stands there, and sending those alone to the terminal."""

from __future__ import annotations

from functools import lru_cache

from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from textual._compositor import ChopsUpdate, CompositorUpdate
from textual.strip import Strip

from lilfox_tui.app.draw import Piece, Row
from lilfox_tui.app.pen import Pen
from lilfox_tui.text import cell_width, clean

MERGED_GAP = 16
"""Cells between two changes that are sent again: moving the cursor and setting a colour twice costs more bytes."""

Span = tuple[int, int]
"""First cell and the one after the last."""


class ChangedCells(CompositorUpdate):
    """Textual's update of parts of lines, cut on the left too: it sends a line from its start to the last change."""

    def __init__(self, update: ChopsUpdate) -> None:
        self._update = update

    def render_segments(self, console: Console) -> str:
        """The terminal's bytes for the spans that changed."""
        parts: list[str] = []
        pen = Pen(console._color_system or ColorSystem.TRUECOLOR)
        for y, first, end in self._update.spans:
            for strip_end, (x, strip) in zip(self._update.chop_ends[y], self._update.chops[y].items(), strict=False):
                left, right = max(first, x), min(end, strip_end)
                if strip is None or left >= right:
                    continue
                first_cell, end_cell = _whole(strip, left - x, right - x)
                parts.append(Control.move_to(x + first_cell, y).segment.text)
                parts += [pen.write(text, style) for text, style, _control in strip.crop(first_cell, end_cell)]
        return "".join((*parts, pen.lift()))


def _whole(strip: Strip, first: int, end: int) -> Span:
    """These cells and the other half of a wide character that they cut, as what changes behind a dialog does: half of
    one is a blank on the screen."""
    left, right, x = first, end, 0
    for segment in strip:
        after = x + cells_of(segment.text)
        if not segment.text.isascii() and (x < first < after or x < end < after):
            for char in segment.text:
                width = cell_width(char)
                left = x if x < first < x + width else left
                right = x + width if x < end < x + width else right
                x += width
        x = after
    return left, right


def changed_spans(old: Row, new: Row, width: int) -> list[Span]:
    """The cells, left to right, in which two lines of ``width`` cells differ; near ones as one."""
    spans: list[Span] = []
    x = 0
    for index, (before, after) in enumerate(zip(old, new, strict=False)):
        cells = cells_of(after.text)
        if before != after:
            if cells != cells_of(before.text):
                spans.append((x, _end_of_change(old[index:], new[index:], x, width)))
                break
            spans.append(_within(before, after, x, cells))
        x += cells
    else:
        if len(old) != len(new):
            spans.append((x, _end_of_change(old[len(new) :], new[len(old) :], x, width)))
    return _merged(spans, width)


def _within(old: Piece, new: Piece, x: int, cells: int) -> Span:
    """The cells in which two pieces of the same width differ."""
    if old.role != new.role:
        return x, x + cells
    before, after = clean(old.text), clean(new.text)
    same = _alike(before, after)
    alike_at_end = _alike(before[same:][::-1], after[same:][::-1])
    left = x + cell_width(after[:same])
    right = x + cells - cell_width(after[len(after) - alike_at_end :])
    return left, max(left + 1, right)


def _alike(one: str, other: str) -> int:
    """How many characters two texts have in common at their start."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _end_of_change(old: Row, new: Row, x: int, width: int) -> int:
    """Where two lines that are alike before ``x`` become alike again, if they end in the same cell."""
    before, after = (x + sum(cells_of(piece.text) for piece in row) for row in (old, new))
    end = max(before, after)
    if before == after:
        for one, other in zip(reversed(old), reversed(new), strict=False):
            if one != other:
                break
            end -= cells_of(one.text)
    return min(max(end, x + 1), width)


def _merged(spans: list[Span], width: int) -> list[Span]:
    merged: list[Span] = []
    for left, right in spans:
        if left >= width:
            break
        start = merged.pop()[0] if merged and left - merged[-1][1] < MERGED_GAP else left
        merged.append((start, min(right, width)))
    return merged


@lru_cache(maxsize=4096)
def cells_of(text: str) -> int:
    """How many cells ``text``, cleaned, takes."""
    return cell_width(clean(text))
