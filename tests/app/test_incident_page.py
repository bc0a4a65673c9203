"""The page of the incident at work: wrapped lines, what a click selects, and what leads from it to the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.app.panes.runbook.pane import RunbookPane
from lilfox_tui.app.panes.runbook.state import LIST, STEPS
from lilfox_tui.incident.model import Noted, StepBegan
from lilfox_tui.incident.reducer import fold
from lilfox_tui.monitor.model import IncidentView
from tests.app.overviews import NOW
from tests.app.runs_made import failed, long_incident, run, view
from tests.app.still import screen_text
from tests.app.test_runbook_screens import showing


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 55)])
async def test_the_page_of_the_incident_leads_to_the_run_that_waits(size: tuple[int, int], tmp_path: Path) -> None:
    app = showing(view(), run(tmp_path, failed(tmp_path)), long_incident())
    async with app.run_test(size=size) as pilot:
        await pilot.press("4")
        app.pane.show_incident()
        pane = app.pane
        assert isinstance(pane, RunbookPane)
        pane.state._before_incident = LIST
        await pilot.pause()
        text = " ".join(screen_text(pilot).replace("│", " ").split())
        assert "Restart the web service: decide after the failure of" in text
        await pilot.press("4")
        await pilot.pause()
        assert pane.state.column == STEPS
        assert pane.state.run is not None


async def test_no_row_of_the_timeline_is_free_while_lines_are_hidden(tmp_path: Path) -> None:
    seen = long_incident()
    assert seen.incident is not None
    text = "\n".join(f"line {number}" for number in range(5))
    last = seen.entries[-1]
    entries = (
        *seen.entries,
        *(replace(last, number=90 + n, at=NOW, what=Noted(text=f"{n}: {text}")) for n in range(9)),
    )
    incident = fold(entries, Path(seen.incident.folder))
    app = showing(view(), None, IncidentView(NOW, incident, entries))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        app.pane.show_incident()
        for step in range(14):
            await pilot.press("k")
            await pilot.pause()
            lines = screen_text(pilot).split("\n")
            top = next(y for y, line in enumerate(lines) if "─ Timeline ─" in line)
            bottom = next(y for y, line in enumerate(lines) if "─ Entry ─" in line)
            assert all(line.strip("│ ") for line in lines[top + 1 : bottom]), step


async def test_the_palette_on_the_page_of_the_incident_says_what_enter_does_there(tmp_path: Path) -> None:
    app = showing(view(), run(tmp_path, failed(tmp_path)), long_incident())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        app.pane.show_incident()
        await pilot.press("colon")
        await pilot.pause()
        rows = screen_text(pilot).split("\n")
        assert [row for row in rows if "open " in row and "open the selected row" in row and row.count("enter")]
        assert not [row for row in rows if "start a run" in row]


async def test_a_click_on_a_wrapped_line_selects_its_entry(tmp_path: Path) -> None:
    app = showing(view(), run(tmp_path, failed(tmp_path)), long_incident())
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4")
        app.pane.show_incident()
        await pilot.pause()
        lines = screen_text(pilot).split("\n")
        row = next(y for y, line in enumerate(lines) if "127.0.0.1:8080/drain" in line)
        await pilot.click("#runbook-screen", offset=(30, row - 2))
        await pilot.pause()
        pane = app.pane
        assert isinstance(pane, RunbookPane)
        item = pane.state.timeline.selected
        assert item is not None
        assert isinstance(item.first.what, StepBegan)
        assert "drain" in item.first.what.command
