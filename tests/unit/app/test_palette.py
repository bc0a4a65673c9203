"""How roles become styles: search hits, selected rows and graphs, also where there are no colours; and which theme."""

from __future__ import annotations

import argparse

import pytest
from rich.segment import Segment

from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Palette, Piece, Row
from lilfox_tui.app.rendering.highlight import coloured
from lilfox_tui.app.rendering.panels import highlighted
from lilfox_tui.app.start import _theme_name
from lilfox_tui.config.model import Config
from lilfox_tui.config.themes import load_theme, theme_names

SELECTED = (Piece("db-1 "), Piece("▁▃▆", "chart"), Piece(" ⣀⣤ ", "series1"), Piece("91%", "degraded"))
BY_SHAPE = [name for name in theme_names() if load_theme(name).selection_reversed]


def drawn(theme: str, row: Row, background: str = "background") -> dict[str, Segment]:
    """The runs of a row by their text."""
    return {run.text: run for run in Palette(load_theme(theme), ascii_only=False).strip(row, 40, background)}


def is_reversed(run: Segment) -> bool:
    assert run.style is not None
    return bool(run.style.reverse)


def test_the_themes_without_a_selection_colour_reverse_the_selected_row() -> None:
    assert BY_SHAPE == ["mono", "sixteen", "terminal"]


@pytest.mark.parametrize("theme", BY_SHAPE)
@pytest.mark.parametrize("in_panel", [False, True])
def test_a_selected_row_is_reversed_but_its_graphs_are_not(theme: str, in_panel: bool) -> None:
    runs = drawn(theme, highlighted(SELECTED, 40)) if in_panel else drawn(theme, SELECTED, "selection")
    upright = [text for text, run in runs.items() if not is_reversed(run)]
    assert "".join(upright).split() == ["▁▃▆", "⣀⣤"]
    assert {run.style.color.name for text, run in runs.items() if text not in upright} == {"default"}  # type: ignore[union-attr]


@pytest.mark.parametrize("theme", [name for name in theme_names() if name not in BY_SHAPE])
def test_a_selected_row_is_otherwise_on_one_ground(theme: str) -> None:
    colours = load_theme(theme).colours
    for run in drawn(theme, SELECTED, "selection").values():
        assert run.style is not None
        assert run.style.bgcolor is not None
        assert run.style.bgcolor.name == colours["selection"]
        assert not run.style.reverse


@pytest.mark.parametrize("theme", theme_names())
@pytest.mark.parametrize("background", ["background", "selection"])
def test_a_search_hit_stands_out_of_its_row(theme: str, background: str) -> None:
    runs = drawn(theme, tuple(coloured("all is lost here", ["lost"])), background)
    hit, other = runs["lost"].style, runs["all is "].style
    assert hit is not None
    assert other is not None
    assert bool(hit.reverse) != bool(other.reverse)
    if theme in BY_SHAPE:
        assert hit.underline
        assert hit.bold


def test_the_series_of_a_chart_have_marks_where_they_have_no_colours() -> None:
    for theme in theme_names():
        assert UNICODE.for_theme(load_theme(theme)).dots == (theme != "mono")
        assert not ASCII.for_theme(load_theme(theme)).dots
    assert len(set(UNICODE.markers)) == len(set(ASCII.markers)) == 6


@pytest.mark.parametrize("theme", theme_names())
def test_the_cursor_of_a_chart_hides_and_inverts_no_bar(theme: str) -> None:
    column = [Piece("▆", "chart", "cursor"), Piece(" ", "text", "cursor"), Piece("\u28c0", "series1", "cursor")]
    for ascii_only in (False, True):
        palette = Palette(load_theme(theme), ascii_only=ascii_only)
        runs = [next(iter(palette.strip((piece,), 1))) for piece in column]
        assert not any(map(is_reversed, runs))
        if theme in BY_SHAPE:
            assert runs[1].text == ("|" if ascii_only else "│")
        else:
            assert runs[1].text == " "
            assert {run.style.bgcolor.name for run in runs} == {load_theme(theme).colours["selection"]}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("environ", "flags", "theme"),
    [
        ({"TERM": "xterm-256color"}, {}, "fox-dark"),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, {}, "fox-dark"),
        ({"TERM": "xterm"}, {}, "terminal"),
        ({"TERM": "alacritty"}, {}, "terminal"),
        ({"TERM": "screen", "COLORTERM": ""}, {}, "terminal"),
        ({"TERM": "linux"}, {}, "sixteen"),
        ({"TERM": "vt220"}, {}, "sixteen"),
        ({"TERM": "linux"}, {"theme": "fox-light"}, "fox-light"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, {"theme": "fox-light"}, "mono"),
        ({"TERM": "xterm-256color"}, {"no_color": True}, "mono"),
    ],
)
def test_the_theme_fits_the_terminal(
    environ: dict[str, str], flags: dict[str, object], theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "COLORTERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    arguments = argparse.Namespace(**{"theme": None, "no_color": False, **flags})
    assert _theme_name(Config(), arguments) == theme


def test_a_configured_theme_is_used_with_few_colours_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "linux")
    assert _theme_name(Config(theme="mono"), argparse.Namespace(theme=None, no_color=False)) == "mono"


@pytest.mark.parametrize("theme", [name for name in theme_names() if load_theme(name).tells_series_apart])
def test_a_block_and_the_part_above_it_have_their_colours(theme: str) -> None:
    """Also where text is in the terminal's own colour, which no ground can be."""
    colours = load_theme(theme).colours
    style = drawn(theme, (Piece("▁", "failing", "muted"),))["▁"].style
    assert style is not None
    assert style.reverse
    assert style.color is not None
    assert style.bgcolor is not None
    assert (style.bgcolor.name, style.color.name) == (colours["failing"], colours["muted"])
