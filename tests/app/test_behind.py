"""What the terminal is sent while a dialog is open: what changes behind it, once, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace
from rich.console import RenderableType
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.pilot import Pilot
from textual.screen import Screen

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.dialogs.messages import Dialog
from lilfox_tui.app.rendering.draw import Piece
from lilfox_tui.app.textual_internals import paint_now
from lilfox_tui.app.widgets import Lines
from tests.app.log_files import logs_app, settled
from tests.app.overviews import NOW, mixed
from tests.app.still import StillMonitor, screen_text, still_app
from tests.waiting import until

SIZE = (120, 40)
MOST_CELLS = 400
"""Of an update: the clock, figures, and what has held for how long; the screen has 4,800."""


def clock_says(pilot: Pilot[None], text: str) -> bool:
    return text in screen_text(pilot).split("\n")[0]


@pytest.mark.parametrize("key", ["question_mark", "colon", "at", "T"])
async def test_what_changes_behind_a_dialog_is_painted_alone(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app, painted = still_app(mixed()), list[int]()
    send = LilFoxApp._display

    def count(self: LilFoxApp, screen: Screen[object], update: RenderableType | None) -> None:
        if isinstance(update, LayoutUpdate):
            painted.append(SIZE[0] * SIZE[1])
        elif isinstance(update, ChopsUpdate):
            painted.append(sum(end - first for _y, first, end in update.spans))
        send(self, screen, update)

    monkeypatch.setattr(LilFoxApp, "_display", count)
    async with app.run_test(size=SIZE) as pilot:
        assert isinstance(app.monitor, StillMonitor)
        await pilot.press(key)
        await until(lambda: len(app.screen_stack) > 1, what="the dialog is there")
        for second in range(1, 6):  # before the last one the dialog is drawn whole
            painted.clear()
            app.monitor.show(replace(mixed(), at=NOW + timedelta(seconds=second)))
            await until(partial(clock_says, pilot, f"12:{44 + second} UTC"), what="the clock goes on")
            await until(lambda: painted, what="that is painted")
            await pilot.pause()
        assert sum(painted) <= MOST_CELLS, painted


@pytest.mark.parametrize("key", ["question_mark", "colon", "at", "T"])
async def test_a_dialog_that_can_be_read_can_be_answered(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is sent before keys count: an enter in between would be lost."""
    app, answerable = still_app(mixed()), list[bool]()
    send = LilFoxApp._display

    def note(self: LilFoxApp, screen: Screen[object], update: RenderableType | None) -> None:
        send(self, screen, update)
        if isinstance(screen, Dialog):
            answerable.append(screen.painted_s is not None)

    monkeypatch.setattr(LilFoxApp, "_display", note)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.press(key)
        await until(
            lambda: isinstance(app.screen, Dialog) and app.screen.painted_s is not None, what="the dialog is there"
        )
    assert answerable
    assert all(answerable)


async def test_painting_some_lines_at_once_forgets_no_other_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """The footer and the list of the logs stayed as they were before the first records came."""
    app, painted = still_app(mixed()), list[int]()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()

        def note(self: LilFoxApp, screen: Screen[object], update: RenderableType | None) -> None:
            if isinstance(update, ChopsUpdate):
                painted.extend(y for y, _first, _end in update.spans)
            send(self, screen, update)

        send = LilFoxApp._display
        monkeypatch.setattr(LilFoxApp, "_display", note)
        header, footer = (app.screen.query_one(id_, Lines) for id_ in ("#header", "#footer"))
        for lines in (header, footer):
            lines.show([(Piece("changed"),)])
        app.screen._dirty_widgets.add(footer)  # what Textual does a moment later
        paint_now(app.screen, [header])
        assert set(painted) == {0, SIZE[1] - 1}


async def test_a_pane_that_paints_at_once_paints_its_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands beside its scrollbar, not among the pane's own children."""
    app, painted = logs_app(tmp_path), list[int]()
    async with app.run_test(size=SIZE) as pilot:
        pane = await settled(app, pilot)

        def note(_self: LilFoxApp, _screen: Screen[object], update: RenderableType | None) -> None:
            if isinstance(update, ChopsUpdate):
                painted.extend(y for y, _first, _end in update.spans)

        monkeypatch.setattr(LilFoxApp, "_display", note)
        lines = pane.query_one("#log-list", Lines)
        lines.show([(Piece("changed"),)])
        pane.paint_now()
        assert lines.region.y in painted


async def test_what_has_moved_is_painted_though_its_place_was_asked_before() -> None:
    """After a change of what is not shown, Textual lays out anew when it is asked for a place, and would paint nothing
    of what has moved: the histogram of the logs stood over its own rows of before."""
    app = still_app(mixed())
    async with app.run_test(size=SIZE) as pilot:
        header, tabs, hidden = (app.screen.query_one(id_, Lines) for id_ in ("#header", "#tabs", "#note"))
        header.styles.height = 3
        await until(lambda: tabs.region.y == 3, what="it is laid out")
        await pilot.pause()
        header.styles.height = 2
        app.screen._clear_arrangement_cache()  # what Textual does a moment later
        compositor = app.screen._compositor
        compositor.update_widgets({hidden})
        compositor._dirty_regions.clear()
        assert tabs.region.y == 2, "as it will be"
        assert {tabs.region, tabs.region.translate((0, 1))} <= compositor._dirty_regions
