"""Panels are drawn whole, side by side, whatever is in them, and the layout of the home screen fits every terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.app.panes.metrics.layout import LISTS, LOWEST, NARROWEST, PanelId, Placed, arrange
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Piece, Row
from lilfox_tui.app.rendering.panels import PanelArea, ScreenPanel, draw_panels, fit_row, highlighted, row_width

TWO = [PanelArea(0, 0, 12, 4), PanelArea(11, 0, 10, 4), PanelArea(0, 3, 21, 3)]


def text(rows: list[Row]) -> list[str]:
    return ["".join(piece.text for piece in row) for row in rows]


def test_neighbours_share_their_border() -> None:
    titles = ("one", "two", "three")
    drawn = draw_panels(
        [
            ScreenPanel(area, (Piece(title),), [(Piece("中文 and more"),)])
            for area, title in zip(TWO, titles, strict=True)
        ],
        21,
        6,
        UNICODE,
    )
    assert text(drawn) == [
        "┌─ one ────┬─ two ──┐",
        "│中文 and …│中文 an…│",
        "│          │        │",
        "├─ three ──┴────────┤",
        "│中文 and more      │",
        "└───────────────────┘",
    ]


@pytest.mark.parametrize(
    "border",
    [
        "┌─ hosts ─────── 2 firing  1 pending  25 more below ─┐",
        "┌─ hosts ─── 2 firing  25 more below ─┐",
        "┌─ hosts ─── 25 more below ─┐",
        "┌─ hosts ─── 2 firing ─┐",
        "┌─ hosts ────┐",
    ],
)
def test_a_note_leaves_out_what_has_no_room_but_says_what_is_below(border: str) -> None:
    place, note = PanelArea(0, 0, len(border), 3), (Piece("2 firing"), Piece("1 pending"))
    panel = ScreenPanel(place, (Piece("hosts"),), (), note, "25 more below")
    assert text(draw_panels([panel], len(border), 3, UNICODE))[0] == border


def test_a_note_of_one_long_piece_is_cut() -> None:
    panel = ScreenPanel(
        PanelArea(0, 0, 30, 3), (Piece("hosts"),), (), (Piece("unknown: no answer within 5 s"), Piece("4"))
    )
    assert text(draw_panels([panel], 30, 3, UNICODE))[0] == "┌─ hosts ─ unknown: no ans… ─┐"


def test_ascii_has_borders_too_and_a_note_gives_way_to_the_title() -> None:
    panel = ScreenPanel(TWO[0], (Piece("hosts"),), (), (Piece("25 more"),))
    assert text(draw_panels([panel], 12, 4, ASCII)) == ["+- hosts --+", "|          |", "|          |", "+----------+"]
    wide = ScreenPanel(PanelArea(0, 0, 24, 3), (Piece("hosts"),), (), (Piece("25 more"),))
    assert text(draw_panels([wide], 24, 3, ASCII))[0] == "+- hosts ---- 25 more -+"


PIECES = st.lists(st.builds(Piece, st.text("ab 中é\x1b▁", max_size=9)), max_size=5).map(tuple)


@given(PIECES, st.integers(0, 30))
def test_a_row_fits_its_width(row: Row, width: int) -> None:
    assert row_width(fit_row(row, width)) == width
    assert {piece.ground for piece in highlighted(row, width)} <= {"selection"}


WANTS = st.fixed_dictionaries(
    {
        "problems": st.integers(1, 40),
        "hosts": st.integers(2, 101),
        "services": st.integers(0, 40).map(lambda rows: rows and rows + 1),
        "backends": st.integers(0, 12),
        "processes": st.integers(0, 41),
        "changes": st.integers(0, 100),
        "next": st.integers(0, 5),
    }
)


@given(st.integers(20, 260), st.integers(4, 90), WANTS, st.integers(0, 6))
def test_panels_fill_the_screen_and_do_not_overlap(
    width: int, height: int, wants: dict[PanelId, int], charts: int
) -> None:
    placed = arrange(width, height, wants, charts)
    assert bool(placed) is (width >= NARROWEST and height >= LOWEST)
    seen = [[0] * width for _y in range(height)]
    for _name, place in placed:
        assert place.left >= 0
        assert place.top >= 0
        assert place.left + place.width <= width
        assert place.top + place.height <= height
        assert place.inner_height >= 1
        for y in range(place.top + 1, place.top + place.height - 1):
            for x in range(place.left + 1, place.left + place.width - 1):
                seen[y][x] += 1
    assert max(max(line) for line in seen) <= 1
    if placed:
        wanted = {name for name in LISTS if wants[name]}
        assert wanted <= {name for name, _place in placed}, "each list that has rows shows one"
        heads = {"hosts", "services"}
        assert all(place.inner_height >= 1 + (name in heads) for name, place in placed if name in wanted)
        assert {0, width - 1} <= {x for _n, p in placed for x in (p.left, p.left + p.width - 1)}
        assert {0, height - 1} <= {y for _n, p in placed for y in (p.top, p.top + p.height - 1)}
        assert len({name for name, _place in placed}) == len(placed)


def names(placed: list[Placed]) -> set[PanelId]:
    return {name for name, _place in placed}


@pytest.mark.parametrize("hosts", [1, 3, 25, 100])
@pytest.mark.parametrize("size", [(80, 21), (120, 37), (200, 52)])
def test_what_can_be_selected_has_a_panel(hosts: int, size: tuple[int, int]) -> None:
    wants: dict[PanelId, int] = {"problems": 3, "hosts": hosts + 1, "services": 5, "backends": 2, "processes": 41,
                                 "changes": 9}  # fmt: skip
    placed = arrange(*size, wants, 4)
    assert set(LISTS) <= names(placed)
    for name, place in placed:
        assert place.inner_height >= min(wants.get(name, 1), 2)


def test_room_that_is_left_shows_charts_and_processes() -> None:
    wants: dict[PanelId, int] = {"problems": 1, "hosts": 2, "processes": 41, "changes": 1}
    for size in ((120, 37), (200, 52), (100, 30)):
        assert {"charts", "processes", "changes"} <= names(arrange(*size, wants, 4)), size
    assert "charts" in names(arrange(80, 21, wants, 4))
