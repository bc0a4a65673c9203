"""Of a line only the cells that differ are sent, and what stands on the screen afterwards is the new line."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.console import Console
from rich.style import Style
from textual._compositor import ChopsUpdate

from lilfox_tui.app.rendering.draw import Palette, Piece, Row
from lilfox_tui.app.textual_internals import ChangedCells, Pen, changed_spans
from lilfox_tui.config.themes import FOX_DARK

WIDTH = 30
PALETTE = Palette(FOX_DARK, ascii_only=False)
CONSOLE = Console(color_system="truecolor", force_terminal=True)


@pytest.mark.parametrize(
    ("old", "new", "spans"),
    [
        ((Piece("ab"), Piece("12"), Piece("z")), (Piece("ab"), Piece("34"), Piece("z")), [(2, 4)]),
        ((Piece("12:00:07"),), (Piece("12:00:08"),), [(7, 8)]),
        ((Piece("ab"), Piece("1")), (Piece("ab"), Piece("345")), [(2, 5)]),
        ((Piece("ab"),), (Piece("ab", "good"),), [(0, 2)]),
        ((Piece("中"), Piece("1"), Piece("x")), (Piece("中"), Piece("2"), Piece("x")), [(2, 3)]),
        ((Piece("中文1"),), (Piece("中文2"),), [(4, 5)]),
        ((Piece("a"), Piece("a")), (Piece("a"), Piece("a"), Piece("a")), [(2, 3)]),
        ((Piece("a" + " " * 20), Piece("x")), (Piece("b" + " " * 20), Piece("y")), [(0, 1), (21, 22)]),
        ((Piece("a" + " " * 5), Piece("x")), (Piece("b" + " " * 5), Piece("y")), [(0, 7)]),
        ((Piece("x" * 40),), (Piece("x" * 29 + "y" * 11),), [(29, 30)]),
    ],
)
def test_spans_are_exact_and_near_ones_are_one(old: Row, new: Row, spans: list[tuple[int, int]]) -> None:
    assert changed_spans(old, new, WIDTH) == spans


PIECES = st.builds(Piece, st.text("ab 中1é▁▂", max_size=9), st.sampled_from(("text", "good", "strong")))
ROWS = st.lists(PIECES, max_size=6).map(tuple)


@given(ROWS, ROWS)
def test_the_screen_shows_the_new_line_whole(old: Row, new: Row) -> None:
    changed = _screen(old)
    spans = [(0, left, right) for left, right in changed_spans(old, new, WIDTH)]
    if spans:
        update = ChopsUpdate([{0: PALETTE.strip(new, WIDTH)}], spans, [[WIDTH]])
        pyte.Stream(changed).feed(ChangedCells(update).render_segments(CONSOLE))
    assert _seen(changed) == _seen(_screen(new))


@given(ROWS, st.lists(st.tuples(st.integers(0, WIDTH - 1), st.integers(1, WIDTH)), max_size=4))
def test_a_span_that_cuts_a_wide_character_leaves_it_whole(row: Row, spans: list[tuple[int, int]]) -> None:
    """What changes behind a dialog begins and ends anywhere in the dialog's lines."""
    seen = _screen(row)
    update = ChopsUpdate([{0: PALETTE.strip(row, WIDTH)}], [(0, *span) for span in spans], [[WIDTH]])
    pyte.Stream(seen).feed(ChangedCells(update).render_segments(CONSOLE))
    assert _seen(seen) == _seen(_screen(row))


def _seen(screen: pyte.Screen) -> list[tuple[object, ...]]:
    """What can be seen of each cell: of a blank not its ink."""
    cells = (screen.buffer[0][x] for x in range(WIDTH))
    return [(cell.data, cell.bg) if cell.data == " " else (cell.data, cell.bg, cell.fg, cell.bold) for cell in cells]


def _screen(row: Row) -> pyte.Screen:
    screen = pyte.Screen(WIDTH, 1)
    CONSOLE._color_system = ColorSystem.TRUECOLOR
    pyte.Stream(screen).feed("\x1b[1;1H" + PALETTE.strip(row, WIDTH).render(CONSOLE))
    return screen


# Runs of text in few bytes look as they would, each told whole.


COLOURS = st.sampled_from([None, "default", "red", "bright_blue", "#ff9a52", "#15171c", "color(200)"])
STYLES = st.builds(
    Style,
    color=COLOURS,
    bgcolor=COLOURS,
    bold=st.booleans(),
    italic=st.booleans(),
    underline=st.booleans(),
    reverse=st.booleans(),
)
SYSTEMS = st.sampled_from([ColorSystem.STANDARD, ColorSystem.EIGHT_BIT, ColorSystem.TRUECOLOR])


def screen_of(text: str) -> list[object]:
    screen = pyte.Screen(40, 1)
    pyte.Stream(screen).feed(text + ".")
    return [screen.buffer[0][x] for x in range(40)]


@given(st.lists(st.tuples(st.text("abc ", min_size=1, max_size=4), st.none() | STYLES), max_size=8), SYSTEMS)
def test_it_looks_the_same(runs: list[tuple[str, Style | None]], system: ColorSystem) -> None:
    pen = Pen(system)
    few = "".join(pen.write(text, style) for text, style in runs) + pen.lift()
    whole = "".join(text if style is None else style.render(text, color_system=system) for text, style in runs)
    assert screen_of(few) == screen_of(whole)
    assert len(few) <= len(whole)


def test_only_the_ink_is_told_where_only_the_ink_changes() -> None:
    pen = Pen(ColorSystem.TRUECOLOR)
    first = pen.write("a", Style(color="#ff0000", bgcolor="#101010"))
    assert first == "\x1b[38;2;255;0;0;48;2;16;16;16ma"
    assert pen.write("b", Style(color="#00ff00", bgcolor="#101010")) == "\x1b[38;2;0;255;0mb"
    assert pen.write("c", Style(color="#00ff00", bgcolor="#101010")) == "c"
    assert pen.lift() == "\x1b[0m"
