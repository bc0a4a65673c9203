"""Which cells of the terminal differ from what it shows, and those alone sent to it, in few bytes.

Relies on Textual's private API, as ``textual_internals`` does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import compress, groupby, repeat
from operator import itemgetter, ne
from typing import NamedTuple

from rich.color import Color, ColorSystem
from rich.console import Console
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

from lilfox_tui.app.rendering.draw import Row, cut, joined
from lilfox_tui.core.text import cell_width, clean

# Text in the terminal's colours, in few bytes: between two runs only what differs is told (ECMA-48 8.3.117, SGR).


_ATTRIBUTES = {"bold": "1", "dim": "2", "italic": "3", "underline": "4", "blink": "5", "reverse": "7", "strike": "9"}


class _Codes(NamedTuple):
    """The SGR parameters of a style."""

    attributes: str
    ink: str
    ground: str


_PLAIN = _Codes("", "39", "49")


class Pen:
    """Writes runs of styled text one after another. Starts and ends with the terminal's default colours."""

    def __init__(self, system: ColorSystem) -> None:
        self._system = system
        self._held = _PLAIN

    def write(self, text: str, style: Style | None) -> str:
        """Return ``text``, preceded by the escape sequence for its style if the style changes. Of blanks only the
        ground is seen."""
        codes = _codes(style or Style.null(), self._system)
        has_no_ink = text.isspace() and codes.attributes == self._held.attributes == ""
        if has_no_ink and (codes.ground == self._held.ground or codes != _PLAIN):  # else plain is told in fewer bytes
            codes = codes._replace(ink=self._held.ink)
        return self._take(codes) + text

    def lift(self) -> str:
        """The sequence that restores the terminal's default colours."""
        return self._take(_PLAIN)

    def _take(self, wanted: _Codes) -> str:
        held, self._held = self._held, wanted
        if wanted == held:
            return ""
        if wanted == _PLAIN:
            return "\x1b[0m"
        if wanted.attributes != held.attributes:  # none of them can be told off alone by every terminal
            reset = "" if held == _PLAIN else "0"
            told = [reset, wanted.attributes, *(code for code in wanted[1:] if code not in _PLAIN)]
        else:
            told = [code for code, before in zip(wanted[1:], held[1:], strict=True) if code != before]
        return f"\x1b[{';'.join(code for code in told if code)}m"


@lru_cache(maxsize=1024)
def _codes(style: Style, system: ColorSystem) -> _Codes:
    attributes = ";".join(code for name, code in _ATTRIBUTES.items() if getattr(style, name))
    return _Codes(attributes, _colour(style.color, system, ink=True), _colour(style.bgcolor, system, ink=False))


def _colour(colour: Color | None, system: ColorSystem, *, ink: bool) -> str:
    if colour is None:
        return _PLAIN.ink if ink else _PLAIN.ground
    return ";".join(colour.downgrade(system).get_ansi_codes(foreground=ink))


# Which cells of a line differ from what stands there, and sending those alone to the terminal.


MERGED_GAP = 8
"""Cells between two changes that are sent again: moving the cursor costs no fewer bytes."""

Span = tuple[int, int]
"""First cell and the one after the last."""


_ShownCell = tuple[str, Style | None]
"""A character and its style; the second cell of a wide one has no character."""


class ShownCells:
    """What stands in each cell of the terminal, as far as it was sent from here."""

    def __init__(self) -> None:
        self._rows: dict[int, list[_ShownCell | None]] = {}

    def forget(self) -> None:
        """The terminal was cleared, resized or written to by somebody else: everything is sent anew."""
        self._rows.clear()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of the terminal."""
        return not self._rows

    def whole(self, y: int, first: int, end: int) -> Span:
        """The span, widened so that it leaves no half of a wide character that stands there."""
        row = self._rows.get(y, [])
        halves = [at < len(row) and (cell := row[at]) is not None and not cell[0] for at in (first, end)]
        return first - halves[0], end + halves[1]

    def take(self, y: int, x: int, strip: Strip) -> Iterator[tuple[int, list[_ShownCell]]]:
        """Puts ``strip`` at ``x`` of line ``y``; yields the runs of cells that do not stand there yet, each with its
        first column."""
        new = _shown_cells(strip)
        row = self._rows.setdefault(y, [])
        end = x + len(new)
        row.extend([None] * (end - len(row)))
        old = row[x:end]
        if old == new:
            return
        row[x:end] = new
        spans: list[Span] = []
        for at in compress(range(len(new)), map(ne, old, new)):
            start = spans.pop()[0] if spans and at - spans[-1][1] < MERGED_GAP else at
            spans.append((start, at + 1))
        for start, stop in spans:  # no half of a wide character
            first = start - (not new[start][0])
            yield x + first, new[first : stop + (stop < len(new) and not new[stop][0])]


def _shown_cells(strip: Strip) -> list[_ShownCell]:
    cells: list[_ShownCell] = []
    for text, style, _control in strip:
        if cells_of(text) == len(text):
            cells.extend(zip(text, repeat(style)))
            continue
        for char in text:
            wide = cell_width(char)
            if wide == 0 and cells:
                cells[-1] = (cells[-1][0] + char, cells[-1][1])
            cells += [(char, style), ("", style)][:wide]
    return cells


class ChangedCells(CompositorUpdate):
    """Textual's update of the screen or of parts of lines, reduced to the cells that the terminal does not show yet:
    Textual sends a line from its start to the last change, and the whole screen whenever a dialog opens or closes."""

    def __init__(self, update: ChopsUpdate | LayoutUpdate, shown: ShownCells) -> None:
        self._update = update
        self._shown = shown

    def render_segments(self, console: Console) -> str:
        """The terminal output for the changed cells."""
        parts: list[str] = []
        pen = Pen(console._color_system or ColorSystem.TRUECOLOR)
        for y, x, strip in self._strips():
            for left, cells in self._shown.take(y, x, strip):
                parts.append(f"\x1b[{y + 1};{left + 1}H")
                for style, run in groupby(cells, itemgetter(1)):
                    parts.append(pen.write("".join([text for text, _style in run]), style))
        return "".join((*parts, pen.lift()))

    def _strips(self) -> Iterator[tuple[int, int, Strip]]:
        """Line, first cell and content of each part of the update."""
        if isinstance(self._update, LayoutUpdate):
            region = self._update.region
            yield from ((y, region.x, joined(line)) for y, line in enumerate(self._update.strips, region.y))
            return
        for y, first, end in self._update.spans:
            for strip_end, (x, strip) in zip(self._update.chop_ends[y], self._update.chops[y].items(), strict=False):
                left, right = max(first, x), min(end, strip_end)
                if strip is None or left >= right:
                    continue
                if (left, right) == (x, x + strip.cell_length):
                    yield y, x, strip
                    continue
                first_cell, end_cell = _whole(strip, left - x, right - x)
                left, right = self._shown.whole(y, x + first_cell, x + end_cell)
                first_cell, end_cell = _whole(strip, max(0, left - x), min(strip.cell_length, right - x))
                yield y, x + first_cell, strip.crop(first_cell, end_cell)


def _whole(strip: Strip, first: int, end: int) -> Span:
    """Return the span, widened so that it does not cut a wide character in half, which would be drawn as a blank.
    Changes behind a dialog may cut one."""
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
    """The spans of cells, left to right, in which two lines of ``width`` cells differ; near ones are merged."""
    before, after = _cells(old, width), _cells(new, width)
    if before is None or after is None:
        return [(0, width)]
    changed = before ^ after
    changed |= changed >> width * _BITS
    changed &= (1 << width * _BITS) - 1
    found = _CHANGED.finditer(changed.to_bytes(width * _BYTES, "little"))
    return [(each.start() // _BYTES, -(-each.end() // _BYTES)) for each in found]


_BYTES = 4
_BITS = 8 * _BYTES
_CHANGED = re.compile(rb"[^\0](?:\0{0,%d}[^\0])*" % (MERGED_GAP * _BYTES), re.DOTALL)
_LOOKS: dict[tuple[str, str], str] = {}
"""A character for each role and ground."""


@lru_cache(maxsize=256)  # what a line was drawn as is asked again when the next one takes its place
def _cells(row: Row, width: int) -> int | None:
    """A line as one number, 32 bits for the character of each cell and as many for its look, which are compared far
    faster than one by one; None where a cell has more than one character."""
    texts, looks = [], []
    left = width
    for piece in row:
        if left <= 0:
            break
        text = clean(piece.text)
        cells = cell_width(text)
        if cells > left:
            text, cells = cut(text, left), left  # as it is drawn: its end may be a mark
        left -= cells
        if cells != len(text):
            if any(cell_width(char) == 0 for char in text):
                return None
            text = "".join(char if cell_width(char) == 1 else f"{char}\0" for char in text)
        texts.append(text)
        looks.append(_LOOKS.setdefault(piece[1:], chr(len(_LOOKS) + 1)) * cells)
    plain = _LOOKS.setdefault(("text", ""), chr(len(_LOOKS) + 1))
    line = "".join(texts)[:width].ljust(width) + "".join(looks)[:width].ljust(width, plain)
    return int.from_bytes(line.encode("utf-32-le"), "little")


@lru_cache(maxsize=4096)
def cells_of(text: str) -> int:
    """The width of ``text``, cleaned, in cells."""
    return cell_width(clean(text))
