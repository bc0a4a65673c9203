"""Two thousand keys and resizes in each pane: nothing raises, and the selected row is on the screen."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.navigation import BACKUP, LOGS, METRICS, RUNBOOK, TABS
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from tests.app.backups_made import broken
from tests.app.log_files import logs_app
from tests.app.overviews import mixed
from tests.app.restore_stand_in import StandIn
from tests.app.runs_made import failed, open_incident, run, view
from tests.app.still import screen_text, still_app
from tests.app.test_backup_screens import showing as showing_backups
from tests.app.test_runbook_screens import showing as showing_runbooks

KEYS = 2000
ROUND = 40
"""After so many keys it goes back to the pane and looks at the selection."""
SIZES = [(40, 10), (60, 15), (80, 24), (100, 30), (120, 40), (160, 48), (200, 55)]
LEAVES = {"q", "ctrl+c", "ctrl+z", "x"}
"""Keys that end or suspend the console."""
TYPED = ["1", "0", "a", "r", "-", "5", "m", "backspace", "tab", "escape", "enter", "home", "end", "delete"]


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the keys ask for is shown, confirmed, and then refused: nothing is run, and exports go to ``tmp_path``."""

    def refuse(*_words: object, **_more: object) -> object:
        raise LilFoxError(tr("not in this test"))

    monkeypatch.chdir(tmp_path)
    StandIn(monkeypatch)
    monkeypatch.setattr("lilfox_tui.jobs.start._make_folder", refuse)
    monkeypatch.setattr("lilfox_tui.jobs.start.start", refuse)


def metrics(_folder: Path) -> LilFoxApp:
    return still_app(mixed())


def runbooks(folder: Path) -> LilFoxApp:
    return showing_runbooks(view(), run(folder, failed(folder)), open_incident())


PANES: dict[int, Callable[[Path], LilFoxApp]] = {
    METRICS: metrics,
    LOGS: logs_app,
    BACKUP: lambda _folder: showing_backups(broken()),
    RUNBOOK: runbooks,
}


def shows_selection(app: LilFoxApp) -> bool:
    """Whether a cell of the screen has the ground of the selection."""
    ground = app.palette.style("text", "selection").bgcolor
    note = app.query_one("#note")  # a message stands on the same ground
    covered = range(note.region.y, note.region.bottom) if note.display else ()
    strips = [strip for y, strip in enumerate(app.screen._compositor.render_strips()) if y not in covered]
    return any(segment.style is not None and segment.style.bgcolor == ground for strip in strips for segment in strip)


async def back(app: LilFoxApp, pilot: Pilot[None], pane: int) -> None:
    """To the list of the pane, whatever is open."""
    for _press in range(12):
        await pilot.press("escape")
    assert len(app.screen_stack) == 1, "esc closes every dialog"
    await pilot.press(str(pane + 1), *["escape"] * 4)
    await pilot.pause()


@pytest.mark.parametrize("pane", PANES, ids=lambda pane: str(TABS[pane].title))
async def test_random_keys(pane: int, tmp_path: Path) -> None:
    app, dice = PANES[pane](tmp_path), random.Random(pane)
    pressed: list[str] = []
    async with app.run_test(size=(120, 40)) as pilot:
        await back(app, pilot, pane)
        for number in range(1, KEYS + 1):
            if dice.random() < 0.03:
                size = dice.choice(SIZES)
                pressed.append(f"{size[0]}x{size[1]}")
                await pilot.resize_terminal(*size)
            keys = [key for each in app.all_actions for key in each.keys if key not in LEAVES]
            key = dice.choice(keys if dice.random() < 0.75 else TYPED)
            pressed.append(key)
            await pilot.press(key)
            if number % ROUND == 0:
                await back(app, pilot, pane)
                assert shows_selection(app), (pressed, screen_text(pilot))
                pressed.clear()
        assert app.return_value is None
