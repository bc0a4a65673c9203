"""The mouse on the frame, and text that is selected with it. Never needed: each has a key."""

from __future__ import annotations

import pytest
from rich.segment import Segment
from textual import events
from textual.pilot import Pilot
from textual.strip import Strip

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.dialogs.reader import Reader
from lilfox_tui.app.navigation import BACKUP, LOGS, METRICS
from lilfox_tui.app.widgets import Drag, Lines, panel_around
from tests.app.overviews import mixed
from tests.app.still import screen_text, still_app
from tests.waiting import until

LINES = ["│ one two │ three │", "│ four    │ five  │", "│ 六 six  │ seven │"]


def line(y: int) -> Strip:
    return Strip([Segment(LINES[y])])


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ((0, 2), (0, 4), "one"),
        ((0, 6), (1, 5), "two\n four"),
        ((1, 5), (0, 6), "two\n four"),
        ((0, 12), (2, 99), "three\n five\n seven"),
        ((2, 2), (2, 3), "六"),
        ((0, 2), (9, 9), "one two\n four\n 六 six"),
    ],
)
def test_text_flows_within_its_panel(start: tuple[int, int], end: tuple[int, int], text: str) -> None:
    drag = Drag(start, *panel_around(LINES[start[0]], start[1]))
    drag.move(end)
    assert drag.text(line, len(LINES)) == text
    marked = "".join(segment.text for segment in drag.marked(line(start[0]), start[0]) if segment.style)
    assert marked.strip() in LINES[start[0]]
    assert marked.strip()


def test_a_drag_that_has_not_moved_marks_nothing() -> None:
    drag = Drag((0, 3), 1, 9)
    assert not drag.moved
    assert drag.marked(line(0), 0) == line(0)


async def drag(pilot: Pilot[None], start: tuple[int, int], end: tuple[int, int]) -> None:
    """From one cell (column, row) of the screen to another one."""
    await pilot._post_mouse_events([events.MouseDown], offset=start, button=1)
    await pilot._post_mouse_events([events.MouseMove], offset=end, button=1)
    await pilot._post_mouse_events([events.MouseUp], offset=end, button=1)
    await pilot.pause()


def place_of(pilot: Pilot[None], text: str) -> tuple[int, int]:
    """Where ``text`` stands on the screen (column, row)."""
    return next((row.index(text), y) for y, row in enumerate(screen_text(pilot).split("\n")) if text in row)


async def test_what_is_dragged_over_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    app = still_app(mixed())
    monkeypatch.setattr(LilFoxApp, "copy_to_clipboard", lambda _app, text: copied.append(text))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        x, y = place_of(pilot, "web-1")
        before = app.metrics.state.selected
        await drag(pilot, (x, y), (x + 4, y))
        assert copied == ["web-1"]
        assert app.metrics.state.selected == before, "a drag selects no row"
        assert app.metrics.query_one(Lines)._drag is None
        assert "copied" in app.note[0]


async def test_tabs_and_footer_can_be_clicked() -> None:
    app = still_app(mixed())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        for title, pane in (("3 Backup", BACKUP), ("2 Logs", LOGS), ("1 Metrics", METRICS)):
            await pilot.click(offset=place_of(pilot, title))
            await pilot.pause()
            assert app.navigation.current == pane
        await pilot.click(offset=place_of(pilot, "? help"))
        await until(lambda: isinstance(app.screen, Reader))
        await pilot.press("escape")
        await pilot.click(offset=place_of(pilot, "p pause"))
        await until(lambda: app.paused)
