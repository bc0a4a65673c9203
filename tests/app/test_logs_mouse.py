"""The mouse in the list of records: what keys do, and no more."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from textual import events
from textual.pilot import Pilot

from lilfox_tui.app.widgets import Lines
from tests.app.log_files import has_neighbours, line, logs_app, pane_of, selected, settled
from tests.app.overviews import NOW, mixed
from tests.app.still import screen_text, still_app
from tests.waiting import until

SIZE = (100, 30)


async def wheel(pilot: Pilot[None], *, down: bool) -> None:
    """One notch of the wheel over the list."""
    event = events.MouseScrollDown if down else events.MouseScrollUp
    await pilot._post_mouse_events([event], "#log-list", (5, 5))
    await pilot.pause()


async def test_a_click_selects_and_a_double_click_opens(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        lines = pane.query_one("#log-list", Lines)
        wanted = lines.top + 3
        await pilot.click("#log-list", offset=(30, 3))
        await pilot.pause()
        assert lines.selected == wanted
        assert pane.state.page is None
        assert not pane.state.at_end
        chosen = pane.state.selected
        await pilot.click("#log-list", offset=(30, 3), times=2)
        await until(lambda: has_neighbours(pane))
        await pilot.pause()
        page = pane_of(app).state.page
        assert page is not None
        assert page.shown == chosen
        assert "Fields" in screen_text(pilot)


async def test_clicks_and_the_wheel_go_over_the_page_of_a_record(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=(80, 14)) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("k", "enter")
        await until(lambda: has_neighbours(pane))
        await pilot.pause()
        rows = screen_text(pilot).splitlines()
        place = next(at for at, row in enumerate(rows) if row.strip().startswith("module"))
        await pilot.click(offset=(10, place))
        await pilot.pause()
        assert pane.state.field is not None
        assert pane.state.field.name == "module"
        assert pane.state.page is not None
        at = pane.state.page.row
        await pilot._post_mouse_events([events.MouseScrollDown], "#log-detail", (5, 5))
        await pilot.pause()
        assert pane.state.page.row == at + 3


async def test_a_double_click_past_the_records_opens_nothing(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text(line(NOW, "INFO", "http", "alone") + "\n")
    app = still_app(mixed(), files=[str(log)])
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        await pilot.click("#log-list", offset=(5, 9), times=2)
        await pilot.pause()
        assert pane.state.page is None


async def test_the_wheel_scrolls_the_list_at_once_and_back_to_the_end(tmp_path: Path) -> None:
    app = logs_app(tmp_path)
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)
        lines = pane.query_one("#log-list", Lines)
        top = lines.top
        await wheel(pilot, down=False)
        assert lines.top == top - 3
        assert lines.selected == top - 3 + lines.room - 1, "the reader stands on the last row that is seen"
        assert selected(pane) != "数据库不可用，停止接受请求"
        await wheel(pilot, down=True)
        assert lines.top == top
        await wheel(pilot, down=True)
        assert selected(pane) == "数据库不可用，停止接受请求"
        await until(lambda: pane.state.at_end)
        for _time in range(50):
            await wheel(pilot, down=False)
        assert lines.top == 0
        assert lines.selected == 0


async def test_the_wheel_goes_through_records_of_many_lines(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    text = "\n".join(f"line {number}" for number in range(12))
    lines = [line(NOW - timedelta(seconds=9 - number), "INFO", "http", f"{number}: {text}") for number in range(9)]
    log.write_text("\n".join(lines) + "\n")
    app = still_app(mixed(), files=[str(log)])
    async with app.run_test(size=(80, 24)) as pilot:
        pane = await settled(app, pilot)
        await pilot.press("w", "g")
        await until(lambda: not pane.state.busy)
        await pilot.pause()
        shown = pane.query_one("#log-list", Lines)
        assert shown.top == 0
        for notch in range(1, 9):
            await wheel(pilot, down=True)
            assert shown.top == 3 * notch
        for notch in range(7, -1, -1):
            await wheel(pilot, down=False)
            assert shown.top == 3 * notch
