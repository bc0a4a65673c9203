"""A thousand keys and resizes in each pane: nothing raises, nothing is cut while there is room, and what is
selected is on the screen."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.navigation import BACKUP, CLUSTERS, LOGS, METRICS, RUNBOOK, TABS
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import cell_width
from tests.app.backups_made import broken
from tests.app.clusters_made import CONFIG, well, with_clusters
from tests.app.clusters_made import broken as broken_cluster
from tests.app.log_files import logs_app
from tests.app.overviews import mixed
from tests.app.restore_stand_in import StandIn
from tests.app.runs_made import failed, open_incident, run, view
from tests.app.still import screen_text, still_app
from tests.app.test_backup_screens import showing as showing_backups
from tests.app.test_runbook_screens import showing as showing_runbooks

KEYS = 1000
ROUND = 40
"""After so many keys it goes back to the pane and looks at the selection."""
SIZES = [(40, 10), (60, 15), (80, 24), (100, 30), (120, 40), (160, 48), (200, 55)]
LEAVES = {"q", "ctrl+c", "ctrl+z", "x"}
"""Keys that end or suspend the console."""
TYPED = ["1", "0", "a", "r", "-", "5", "m", "backspace", "tab", "escape", "enter", "home", "end", "delete"]


MARK = "⋯"
"""Stands where a text is cut, here: no data has it, so that each one on the screen was made by the drawing code."""
ROOM = 3
"""Cells in which there would be room for another word, or for the rest of this one."""
BORDERS = re.compile("[│├┤┌┐└┘┬┴┼─╭╮╰╯┃╸┫]")


@pytest.fixture(autouse=True)
def _cuts_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.core.text.CUT", MARK)
    monkeypatch.setattr("lilfox_tui.app.rendering.draw.CUT", MARK)


@pytest.fixture(autouse=True)
def _nothing_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the keys ask for is shown and confirmed, and then refused; exports go to ``tmp_path``."""

    def refuse(*_words: object, **_more: object) -> object:
        raise LilFoxError(tr("not in this test"))

    async def nothing(*_words: object) -> list[object]:
        return []

    monkeypatch.chdir(tmp_path)
    StandIn(monkeypatch)
    for kept in ("all_kept", "all_left"):
        monkeypatch.setattr(f"lilfox_tui.backup.restores.retained.{kept}", nothing)
    monkeypatch.setattr("lilfox_tui.jobs.start._make_folder", refuse)
    monkeypatch.setattr("lilfox_tui.jobs.start.start", refuse)


def metrics(_folder: Path) -> LilFoxApp:
    return still_app(mixed())


def runbooks(folder: Path) -> LilFoxApp:
    return showing_runbooks(view(), run(folder, failed(folder)), open_incident())


def clusters(_folder: Path) -> LilFoxApp:
    return still_app(with_clusters(broken_cluster(), well()), clusters=CONFIG)


PANES: dict[int, Callable[[Path], LilFoxApp]] = {
    METRICS: metrics,
    LOGS: logs_app,
    BACKUP: lambda _folder: showing_backups(broken()),
    RUNBOOK: runbooks,
    CLUSTERS: clusters,
}


def shows_selection(app: LilFoxApp) -> bool:
    """Whether a cell of the screen has the ground of the selection."""
    ground = app.palette.style("text", "selection").bgcolor
    note = app.query_one("#note")  # a message stands on the same ground
    covered = range(note.region.y, note.region.bottom) if note.display else ()
    strips = [strip for y, strip in enumerate(app.screen._compositor.render_strips()) if y not in covered]
    return any(segment.style is not None and segment.style.bgcolor == ground for strip in strips for segment in strip)


def cells_of(app: LilFoxApp) -> list[str]:
    """The screen with one character for each cell; the second cell of a wide one holds a null."""
    lines = [strip.text for strip in app.screen._compositor.render_strips()]
    return [line if cell_len(line) == len(line) else _with_nulls(line) for line in lines]


def _with_nulls(line: str) -> str:
    return "".join(char + "\0" * (cell_width(char) - 1) for char in line)


class Part(NamedTuple):
    """A row between two borders: from which cell on, and its cells."""

    left: int
    text: str

    @property
    def blank_end(self) -> int:
        """The blank cells at its end."""
        return len(self.text) - len(self.text.rstrip(" "))


def parts_of(line: str) -> list[Part]:
    ends = [-1, *(match.start() for match in BORDERS.finditer(line)), len(line)]
    return [Part(left + 1, line[left + 1 : right]) for left, right in pairwise(ends) if right > left + 1]


def panels(lines: list[str]) -> Iterator[list[Part]]:
    """The rows that stand below each other between the same borders."""
    open_: dict[tuple[int, int], list[Part]] = {}
    for line in lines:
        here = {(part.left, len(part.text)): part for part in parts_of(line)}
        for place in [place for place in open_ if place not in here]:
            yield open_.pop(place)
        for place, part in here.items():
            open_.setdefault(place, []).append(part)
    yield from open_.values()


def cut_with_room(lines: list[str]) -> list[str]:
    """The texts that are cut though the cells behind them are blank up to the border, or though no row of their panel
    has anything in these cells, or anything at the end, where a wider column would push it."""
    found: list[str] = []
    for panel in panels(lines) if any(MARK in line for line in lines) else ():
        spare = min(part.blank_end for part in panel)
        for part in panel:
            for match in re.finditer(MARK, part.text):
                at = match.end()
                behind = part.text[at:]
                room = ROOM + (part.text[: match.start()].endswith("\0"))  # a wide one may not fit into the cell left
                free = [not each.text[at : at + room].strip(" ") for each in panel]
                if len(behind) >= room and (not behind.strip(" ") or all(free) or spare >= room):
                    found.append(part.text)
    return found


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
    cut: dict[str, str] = {}
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
            for text in cut_with_room(cells_of(app)):
                cut.setdefault(text, f"{pressed}\n{screen_text(pilot)}")
            if number % ROUND == 0:
                await back(app, pilot, pane)
                assert shows_selection(app), (pressed, screen_text(pilot))
                pressed.clear()
        assert app.return_value is None
    assert not cut, "\n".join([*cut, *list(cut.values())[:1]])


def test_what_is_cut_with_room() -> None:
    """Faults are found, and a cut that has no room is none."""
    assert cut_with_room([f"a sentence that is cu{MARK}    "])
    assert cut_with_room([f"│ a sentence {MARK}   │ the next panel │"])
    assert cut_with_room(["│ name      state │", f"│ web{MARK}      good  │", "│ db-1      good  │"])
    assert cut_with_room(["│ name   state       │", f"│ web-{MARK}  good        │", "│ db-1   good        │"])
    assert not cut_with_room(
        [
            "│ name   state        │",
            f"│ web-{MARK}  good         │",
            "│ web-1  a long state │",
            "│ db-1    degraded    │",
        ]
    )
    assert not cut_with_room([f"│ web-{MARK}   good  │", "│ name    state │", "│ web-1-2 good  │"])
    assert not cut_with_room([f"│ a sentence that is cu{MARK} │", "│ a text of the user …        │"])
