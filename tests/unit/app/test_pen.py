"""Runs of text in few bytes look as they would, each told whole."""

from __future__ import annotations

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.color import ColorSystem
from rich.style import Style

from lilfox_tui.app.textual_internals import Pen

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
