"""The page of the incident at work: wrapped lines, what a click selects, and what leads from it to the run."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, Alerts, AlertState
from lilfox_tui.app.evidence import LoggedError
from lilfox_tui.app.panes.runbook.pane import RunbookPane
from lilfox_tui.app.panes.runbook.state import LIST, STEPS
from lilfox_tui.app.panes.runbook.waiting import error_rows
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.incident.incidents import open_incident as open_new
from lilfox_tui.incident.model import AlertChanged, Closed, JobBegan, Marked, Noted, StepBegan
from lilfox_tui.incident.reducer import fold
from lilfox_tui.jobs.model import Ended
from lilfox_tui.monitor.model import IncidentView
from lilfox_tui.runbook.run.protocol import RunFact
from tests.app.alerts_made import RULES, alert
from tests.app.overviews import NOW, mixed
from tests.app.runbook_console import console, home, told
from tests.app.runs_made import failed, job, long_incident, looked, open_incident, run, view
from tests.app.still import screen_text
from tests.app.test_runbook_screens import showing

__all__ = ["home"]


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
        assert "Restart the web service waits for you: decide after the failure of" in text
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


@pytest.mark.parametrize(("size", "rows"), [((80, 24), 1), ((120, 40), 4), ((200, 55), 8)])
async def test_the_newest_errors_of_what_the_incident_is_about_are_its_evidence(
    size: tuple[int, int], rows: int
) -> None:
    app = showing(view(None), None, open_incident())
    found = [LoggedError(NOW - timedelta(seconds=each), "web", f"error {each}", 41 - each) for each in range(5)]
    app.metrics.home.errors.found = (LoggedError(NOW, "shop", "of another service"), *found)
    async with app.run_test(size=size) as pilot:
        await pilot.press("4")
        app.pane.show_incident()
        await pilot.pause()
        text = screen_text(pilot)
        assert " errors     03:12:44 ✖ web  ×41  error 0" in text
        assert text.count("✖ web  ×") == {1: 1, 4: 3, 8: 5}[rows]
        assert ("2 more: press l" in text) is (rows == 4)
        assert "of another service" not in text
        await pilot.press("left_square_bracket")
        await pilot.pause()
        assert "✖ web  ×" not in screen_text(pilot), "of the past it is not known"


async def test_errors_of_one_minute_do_not_change_places() -> None:
    app = showing(view(None), None, open_incident())
    ages = {"seldom": -1, "often": 1, "before": 90}  # one is newer than the numbers of the screen
    times = {"seldom": 3, "often": 40, "before": 900}
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        app.pane.show_incident()
        app.metrics.home.errors.found = tuple(
            LoggedError(NOW - timedelta(seconds=age), "web", text, times[text]) for text, age in ages.items()
        )
        app.pane.repaint()
        await pilot.pause()
        text = screen_text(pilot)
        assert text.index("×40  often") < text.index("×3  seldom") < text.index("×900  before")


async def test_an_error_that_is_long_has_a_second_line_where_there_is_room() -> None:
    said = "request failed: " + " ".join(f"word-{each}" for each in range(40))
    for size, lines in (((80, 24), 1), ((120, 40), 2)):
        app = showing(view(None), None, open_incident())
        app.metrics.home.errors.found = (LoggedError(NOW, "web", said, 3),)
        async with app.run_test(size=size) as pilot:
            await pilot.press("4")
            app.pane.show_incident()
            await pilot.pause()
            rows = [line for line in screen_text(pilot).split("\n") if "word-" in line]
            assert len(rows) == lines
            assert "…" in rows[-1]


async def test_a_acknowledges_the_alerts_of_the_incident_once(monkeypatch: pytest.MonkeyPatch) -> None:
    app = showing(view(None), None, open_incident())
    firing = alert(RULES[0], AlertState.FIRING, 0.94, 3, {"job": "web"})
    other = alert(RULES[1], AlertState.FIRING, 9, 3, {"job": "shop"})
    app.monitor.overview.publish(replace(mixed(), alerts=Ready(Alerts(NOW, RULES, (firing, other)))))
    told: list[tuple[str, str]] = []

    async def acknowledge(each: Alert, _by: str, note: str) -> None:
        told.append((each.name, note))

    monkeypatch.setattr(app.monitor.alerting, "acknowledge", acknowledge)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        app.pane.show_incident()
        await pilot.pause()
        assert "A acknowledge" in screen_text(pilot).rstrip("\n").split("\n")[-1]
        await pilot.press("A")
        await pilot.pause()
        assert told == [("HighErrorRate", "")], "not the alert that the incident knows nothing of"
        assert "acknowledged: HighErrorRate" in app.note[0]
        await pilot.press("A")
        await pilot.pause()
        assert len(told) == 1
        assert app.note[0] == "the incident is already acknowledged"


async def test_an_acknowledgement_that_failed_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = showing(view(None), None, open_incident())
    firing = alert(RULES[0], AlertState.FIRING, 0.94, 3, {"job": "web"})
    app.monitor.overview.publish(replace(mixed(), alerts=Ready(Alerts(NOW, RULES, (firing,)))))
    tried: list[str] = []

    async def refused(each: Alert, _by: str, _note: str) -> None:
        tried.append(each.name)
        raise LilFoxError(tr("the state cannot be written"))

    monkeypatch.setattr(app.monitor.alerting, "acknowledge", refused)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        app.pane.show_incident()
        for _time in range(2):
            await pilot.press("A")
            await pilot.pause()
            assert "the state cannot be written" in app.note[0]
    assert tried == ["HighErrorRate"] * 2


def test_the_key_that_shows_more_errors_is_one_that_works() -> None:
    """Without a service or host that an alert names, all logs are shown, and ``l`` opens none."""
    errors = [LoggedError(NOW - timedelta(minutes=at), "web", f"error {at}") for at in range(4)]
    for key in ("l", "E"):
        last = error_rows(errors, NOW, UNICODE, 80, 2, key=key)[-1]
        assert "".join(piece.text for piece in last) == f"3 more: press {key}"


async def test_without_a_firing_alert_a_marks_the_incident_and_x_closes_it(home: Path) -> None:
    incident = open_new("the shop is down", "SEV-2")
    async with console(home) as made:
        await made.until(incident.id)
        await made.keys("I")
        await made.until("acknowledge it (A)")
        await made.keys("A")
        text = await made.until("is marked as acknowledged")
        await made.until(lambda text: "acknowledge it (A)" not in text)
        assert [each.moment for each in told(Marked)] == ["acknowledged"]
        assert "X close the incident" in text.rstrip("\n").split("\n")[-1]
        await made.keys("X")
        await made.until(f"Close {incident.id}")
        await made.keys(*"mended", "down", "enter")  # other services fail
        await made.until(f"{incident.id} is closed")
        assert [each.summary for each in told(Closed)] == ["mended"]
        await made.until("─ Runbooks ─")
        assert "no incident is open" not in made.text, "its page is left"


async def test_l_leads_to_the_logs_of_what_the_incident_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    app = showing(view(None), None, open_incident())
    asked: list[tuple[str, str, object]] = []
    app.go_to_logs = lambda kind, name, at: asked.append((kind, name, at))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        app.pane.show_incident()
        await pilot.press("l")
        await pilot.pause()
        assert asked == [("service", "web", None)]


@pytest.mark.parametrize("facts", [looked, failed])
async def test_a_run_that_waits_says_so_in_the_header_and_in_the_steps(
    facts: Callable[[Path], list[RunFact]], tmp_path: Path
) -> None:
    seen = open_incident()
    began = JobBegan(job=job().id, kind="runbook", title="Restart the web service")
    entries = (*seen.entries, replace(seen.entries[-1], number=7, at=NOW, what=began))
    app = showing(view(), run(tmp_path, facts(tmp_path)), replace(seen, entries=entries))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        lines = text.rstrip("\n").split("\n")
        mark = "✖" if facts is failed else "◐"
        assert f"run 2/4 {mark} waits for you: Restart it once" in lines[1]
        assert re.search(rf"│ {mark}  2\. Restart it once  waits for you +│", text), "in the steps"
        assert re.search(rf"│      {mark} (restart|systemctl) ", text)
        assert lines[-2].startswith(f" {mark} waits for you  ")
        assert "Restart the web service  starts" in text, "in the timeline, what was true at that time"
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert "waits fo…" not in screen_text(pilot), "in the steps it is whole, or the mark alone"
        log = app.runs[job().id]
        assert log.reducer is not None
        log.ended = Ended(NOW, "ok", "")
        app.pane.repaint()
        app.repaint_frame()
        await pilot.pause()
        assert "waits for you" not in screen_text(pilot)


async def test_a_run_that_waits_for_a_value_names_it(tmp_path: Path) -> None:
    app = showing(view(), run(tmp_path, []), open_incident())
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        assert "◐ waits for you  step 1 on web-1, web-2 needs the value of <unit>: enter asks" in screen_text(pilot)
        app.pane.show_incident()
        await pilot.pause()
        assert "waits for you: type the value of <unit> for step 1" in screen_text(pilot)


async def test_a_resolved_alert_is_no_longer_acknowledged() -> None:
    seen = open_incident()
    fired = seen.entries[1]
    assert isinstance(fired.what, AlertChanged)
    over = replace(fired, number=7, at=NOW, what=replace(fired.what, state="resolved", since=NOW))
    entries = (*seen.entries, over)
    app = showing(view(None), None, IncidentView(NOW, fold(entries, Path("/state/INC-7")), entries))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        app.pane.show_incident()
        await pilot.press("A")
        await pilot.pause()
        assert app.note[0] == "nothing to acknowledge: the alert is over"
        assert "(A)" not in screen_text(pilot)
