"""Panels are drawn whole, side by side, whatever is in them, and show their selected row; the layout of the home screen
fits every terminal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lilfox_tui.app.panes.metrics.layout import CLUSTERS_LOWEST, LISTS, LISTS_LOWEST, PanelId, Placed, arrange
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Glyphs, Piece, Row
from lilfox_tui.app.rendering.panels import (
    NARROWEST,
    PanelArea,
    PanelHit,
    PanelScreen,
    ScreenPanel,
    bordered,
    draw_panels,
    fit_row,
    highlighted,
    in_sight,
    row_hits,
    row_width,
)
from lilfox_tui.core.text import cell_width

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


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_borders_are_blank_over_a_slow_link(glyphs: Glyphs) -> None:
    panels = [ScreenPanel(area, (Piece("CPU"),), [(Piece("vm"),)]) for area in TWO]
    drawn = draw_panels(panels, 21, 6, glyphs, slow_link=True)
    assert [line.rstrip() for line in text(drawn)] == ["   CPU        CPU", " vm         vm", "", "   CPU", " vm", ""]


def test_where_there_are_borders() -> None:
    assert [bordered(*size) for size in ((59, 40), (60, 11), (60, 12))] == [False, False, True]
    assert bordered(60)
    assert not bordered(60, slow_link=True)
    assert not bordered(60, 14, lowest=15)


# ---- the rows in sight ----------------------------------------------------------------------------------------------


@given(st.data(), st.integers(0, 200), st.integers(-2, 60), st.integers(0, 250))
def test_the_selected_row_is_in_sight_and_no_line_is_free_while_rows_are_hidden(
    data: st.DataObject, count: int, room: int, before: int
) -> None:
    selected = data.draw(st.none() | st.integers(0, count - 1)) if count else None
    top = in_sight(before, count, room, selected)
    shown = range(top, min(count, top + max(1, room)))
    assert selected is None or selected in shown
    assert top >= 0
    assert len(shown) == min(count, max(1, room)), "no row is hidden while there is room"
    if before <= count - max(1, room) and (selected is None or before <= selected < before + room):
        assert top == before, "nothing moves without need"
    assert in_sight(top, count, room, selected) == top


@given(st.data(), st.integers(1, 60), st.integers(0, 9), st.integers(1, 40), st.integers(0, 70))
def test_what_belongs_to_the_selected_row_is_seen_with_it_where_both_have_room(
    data: st.DataObject, count: int, more: int, room: int, before: int
) -> None:
    selected = data.draw(st.integers(0, count - 1))
    last = selected + more
    top = in_sight(before, count + more, room, selected, last)
    assert top <= selected < top + room
    assert last < top + room or last - selected >= room


@st.composite
def areas(draw: st.DrawFn, width: int, height: int) -> PanelArea:
    left, top = draw(st.integers(0, width - 2)), draw(st.integers(0, height - 2))
    return PanelArea(left, top, draw(st.integers(2, width - left)), draw(st.integers(2, height - top)))


@given(st.data(), st.integers(2, 90), st.integers(2, 40), st.booleans())
def test_a_panel_never_exceeds_its_room(data: st.DataObject, width: int, height: int, slow_link: bool) -> None:
    area = data.draw(areas(width, height))
    count = data.draw(st.integers(0, 60))
    selected = data.draw(st.integers(0, count - 1)) if count else None
    top = in_sight(data.draw(st.integers(0, 60)), count, area.inner_height, selected)
    rows = [(Piece(f"{index:>3} 中文 and more {'x' * index}"),) for index in range(count)]
    panel = ScreenPanel(area, (Piece("a title that is long"),), rows[top:], (Piece("a note"),), "more below")
    drawn = draw_panels([panel], width, height, UNICODE, slow_link=slow_link)
    assert len(drawn) == height
    assert all(row_width(row) <= width for row in drawn)
    screen = ["".join(in_cells(line)).ljust(width) for line in text(drawn)]
    outside = [
        char
        for y, line in enumerate(screen)
        for x, char in enumerate(line)
        if not (area.left <= x < area.left + area.width and area.top <= y < area.top + area.height)
    ]
    assert not "".join(outside).strip()
    if selected is not None and area.inner_height and area.inner_width > 3:
        seen = [line[area.left + 1 : area.left + 4] for line in screen[area.top + 1 : area.top + area.height - 1]]
        assert f"{selected:>3}" in seen


def in_cells(line: str) -> Iterator[str]:
    """The characters of a line, each with a stand-in for its second cell."""
    for char in line:
        yield char
        yield from "~" * (cell_width(char) - 1)


@given(st.integers(3, 60), st.integers(3, 30), st.integers(0, 3), st.integers(0, 40))
def test_a_click_selects_the_row_that_is_drawn_there(width: int, height: int, heads: int, count: int) -> None:
    area = PanelArea(4, 2, width, height)
    seen = range(7, 7 + min(count, max(0, area.inner_height - heads)))
    hits = row_hits(area, heads, "hosts", seen)
    screen = PanelScreen([], [PanelHit(0, 0, 9, "problems", 99), *hits])
    for y in range(area.top + area.height + 1):
        for x in (area.left, area.left + 1, area.left + width - 2, area.left + width - 1):
            hit = screen.at(x, y)
            index = y - area.top - 1 - heads
            inside = 0 <= index < len(seen) and area.left < x < area.left + width - 1
            assert (None if hit is None else hit.row) == (seen[index] if inside else 99 if y == 0 and x < 9 else None)


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
        "containers": st.integers(0, 40).map(lambda rows: rows and rows + 1),
        "clusters": st.integers(0, 12).map(lambda rows: rows and rows + 1),
        "processes": st.integers(0, 41),
        "changes": st.integers(0, 100),
        "next": st.integers(0, 5),
    }
)


SIX_LISTS_AND_NEXT: dict[PanelId, int] = {
    "problems": 1, "hosts": 2, "services": 2, "backends": 2, "containers": 2, "clusters": 2, "processes": 0,
    "changes": 0, "next": 1,
}  # fmt: skip


@example(width=60, height=18, wants=SIX_LISTS_AND_NEXT, charts=0)  # what comes next gives way to the lists
@given(st.integers(20, 260), st.integers(4, 90), WANTS, st.integers(0, 6))
def test_panels_fill_the_screen_and_do_not_overlap(
    width: int, height: int, wants: dict[PanelId, int], charts: int
) -> None:
    placed = arrange(width, height, wants, charts)
    lowest = CLUSTERS_LOWEST if wants["clusters"] else LISTS_LOWEST
    assert bool(placed) is (width >= NARROWEST and height >= lowest)
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
        heads = {"hosts", "services", "containers", "clusters"}
        assert all(place.inner_height >= 1 + (name in heads) for name, place in placed if name in wanted)
        assert {0, width - 1} <= {x for _n, p in placed for x in (p.left, p.left + p.width - 1)}
        assert {0, height - 1} <= {y for _n, p in placed for y in (p.top, p.top + p.height - 1)}
        assert len({name for name, _place in placed}) == len(placed)


def names(placed: list[Placed]) -> set[PanelId]:
    return {name for name, _place in placed}


@pytest.mark.parametrize("hosts", [1, 3, 25, 100])
@pytest.mark.parametrize("size", [(80, 21), (120, 37), (200, 52)])
def test_what_can_be_selected_has_a_panel(hosts: int, size: tuple[int, int]) -> None:
    wants: dict[PanelId, int] = {"problems": 3, "hosts": hosts + 1, "services": 5, "backends": 2, "containers": 4,
                                 "clusters": 3, "processes": 41, "changes": 9}  # fmt: skip
    placed = arrange(*size, wants, 4)
    assert set(LISTS) <= names(placed)
    for name, place in placed:
        assert place.inner_height >= min(wants.get(name, 1), 2)


def test_room_that_is_left_shows_charts_and_processes() -> None:
    wants: dict[PanelId, int] = {"problems": 1, "hosts": 2, "processes": 41, "changes": 1}
    for size in ((120, 37), (200, 52), (100, 30)):
        assert {"charts", "processes", "changes"} <= names(arrange(*size, wants, 4)), size
    assert "charts" in names(arrange(80, 21, wants, 4))


def test_errors_and_changes_have_as_much_room_as_commands() -> None:
    wants: dict[PanelId, int] = {"problems": 1, "hosts": 2, "services": 4, "processes": 41, "changes": 5}
    placed = dict(arrange(120, 37, wants, 4))
    assert placed["changes"].width >= placed["processes"].width > 55
    wide = dict(arrange(200, 50, wants, 4))
    assert wide["changes"].width >= 60
    assert placed["processes"].left + placed["processes"].width - 1 == placed["changes"].left
    assert abs(placed["hosts"].width - placed["services"].width) <= 1
