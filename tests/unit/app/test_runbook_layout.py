"""Where the parts of the Runbook pane are, on screens of all sizes."""

from __future__ import annotations

import pytest

from lilfox_tui.app.panes.runbook.layout import Wants, arrange_parts
from lilfox_tui.app.panes.runbook.state import COMMAND, INCIDENT, LIST, STEPS
from lilfox_tui.app.rendering.panels import PanelArea

FULL = Wants(column=STEPS, beside=2, titles=40, steps=28, command=9, output=True, facts=6, timeline=12)


def wants(column: int, beside: int, *, output: bool = True, timeline: int = 12, zoomed: bool = False) -> Wants:
    return Wants(
        column=column, beside=beside, titles=40, steps=28, command=9, output=output, zoomed=zoomed, facts=6,
        timeline=timeline,
    )  # fmt: skip


def inside(area: PanelArea) -> set[tuple[int, int]]:
    return {
        (x, y)
        for x in range(area.left + 1, area.left + area.width - 1)
        for y in range(area.top + 1, area.top + area.height - 1)
    }


@pytest.mark.parametrize("size", [(40, 6), (40, 40), (60, 12), (79, 20), (80, 20), (120, 36), (200, 51)])
@pytest.mark.parametrize(
    "wanted",
    [wants(LIST, 3), wants(LIST, 2), wants(STEPS, 2), wants(COMMAND, 2, output=False), wants(INCIDENT, 2),
     wants(LIST, 1), wants(STEPS, 1), wants(COMMAND, 1, timeline=0), wants(COMMAND, 1, zoomed=True)],
)  # fmt: skip
def test_parts_are_on_the_screen_and_apart(size: tuple[int, int], wanted: Wants) -> None:
    width, height = size
    areas = arrange_parts(width, height, wanted)
    seen: set[tuple[int, int]] = set()
    for name, area in areas.items():
        cells = inside(area)
        if height >= 12:
            assert cells, name
        assert not cells & seen, name
        seen |= cells
    assert all(0 <= x < width and 0 <= y < height for x, y in seen)


def test_the_steps_have_30_cells_or_what_they_need_where_there_is_room() -> None:
    for width, steps, got in ((80, 28, 30), (80, 60, 32), (200, 28, 30), (200, 50, 52), (120, 90, 48)):
        found = arrange_parts(width, 36, Wants(column=STEPS, beside=2, steps=steps, command=5, output=True))
        assert found["steps"].width == got, (width, steps)


@pytest.mark.parametrize("height", [20, 36, 51])
def test_the_output_has_60_percent_of_the_height(height: int) -> None:
    found = arrange_parts(120, height, Wants(column=STEPS, beside=2, command=99, output=True))
    command, output = found["command"].inner_height, found["output"].inner_height
    assert output >= (command + output) * 0.6
    short = arrange_parts(120, height, Wants(column=STEPS, beside=2, command=2, output=True))
    assert short["command"].inner_height == 2, "no more than it needs"


def test_the_list_folds_away_when_a_runbook_is_open() -> None:
    assert "list" in arrange_parts(200, 50, wants(LIST, 3))
    assert set(arrange_parts(200, 50, wants(STEPS, 2))) == {"steps", "command", "output", "timeline"}


def test_an_entry_of_the_incident_stands_beside_the_timeline_where_there_is_room() -> None:
    found = arrange_parts(160, 36, wants(INCIDENT, 2))
    assert found["facts"].left == found["entry"].left == found["timeline"].width - 1
    assert found["timeline"].height == 36


def test_below_the_timeline_the_entry_has_what_that_leaves_free() -> None:
    found = arrange_parts(120, 36, wants(INCIDENT, 2, timeline=4))
    assert {area.width for area in found.values()} == {120}
    assert found["timeline"].inner_height == 4, "no row of it is empty"
    assert found["entry"].top + found["entry"].height == 36
    full = arrange_parts(120, 36, wants(INCIDENT, 2, timeline=99))
    assert full["timeline"].inner_height > full["entry"].inner_height > 6
    assert "entry" not in arrange_parts(80, 20, wants(INCIDENT, 2))


def test_a_small_screen_has_no_borders() -> None:
    assert [arrange_parts(*size, FULL)["command"].left < 0 for size in ((59, 40), (60, 11), (60, 12))] == [
        True,
        True,
        False,
    ]
    assert arrange_parts(40, 8, FULL)["command"].inner_width == 40


def test_the_facts_of_an_incident_have_the_rows_that_a_short_timeline_leaves_free() -> None:
    few = Wants(column=INCIDENT, beside=1, facts=12, timeline=4)
    assert arrange_parts(80, 21, few)["facts"].inner_height == 12
    many = Wants(column=INCIDENT, beside=1, facts=12, timeline=40)
    assert arrange_parts(80, 21, many)["facts"].inner_height == 9


def test_the_list_has_room_for_whole_titles_before_whole_steps() -> None:
    for width, titles, got in ((80, 43, 45), (80, 60, 48), (80, 10, 28), (60, 43, 28), (120, 60, 48)):
        found = arrange_parts(width, 24, Wants(column=LIST, beside=2, titles=titles, steps=28))
        assert found["list"].width == got, (width, titles)
        assert found["steps"].width >= 32
