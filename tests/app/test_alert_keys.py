"""What keys do with alerts that a real engine evaluates: acknowledge, silence, expire, runbook, why, bell, the past."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from textual.widgets import Input

from lilfox_tui.alerts.model import AlertState
from lilfox_tui.alerts.notifiers.command import Options
from lilfox_tui.app.panes.metrics.dialogs import SilenceDialog
from lilfox_tui.app.panes.metrics.state import alerts_of
from lilfox_tui.app.rows.job_words import user
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from tests.app.rules_at_work import Console, console
from tests.app.still import screen_text
from tests.waiting import until


def test_nothing_of_alerts_is_imported_for_the_first_frame() -> None:
    parts = ("lilfox_tui.alerts", "lilfox_tui.promql", "lilfox_tui.scrape", "numpy", "promql_parser", "sqlite3")
    names = f"[name for name in sys.modules if name.startswith({parts!r})]"
    code = f"import sys, lilfox_tui.app.app, lilfox_tui.app.panes.metrics.pane; print({names})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def firing(shown: Console) -> None:
    """Waits for the alert and selects it."""
    await shown.until_state("web", AlertState.FIRING)
    await shown.keys("exclamation_mark")
    assert shown.app.metrics.state.selected_alert() is not None


async def test_pending_firing_resolved_and_the_bell_rings_once(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 1, "db": 1}, wait="1s") as shown:
        await until(lambda: alerts_of(shown.app.metrics.state.overview), what="a first evaluation")
        assert re.search(r"─ Problems ─+ no alerts  1 rule ─", screen_text(shown.pilot))
        shown.monitor.values = {"web": 0, "db": 1}
        await shown.until_state("web", AlertState.PENDING)
        assert "1 pending" in screen_text(shown.pilot).splitlines()[0]
        assert shown.rung == 0
        await shown.until_state("web", AlertState.FIRING)
        header = screen_text(shown.pilot).splitlines()[0]
        assert "▲ 1 firing" in header
        assert "pending" not in header
        assert "firing now: Down; press ! for alerts" in screen_text(shown.pilot)
        assert shown.rung == 1
        shown.monitor.values = {"web": 1, "db": 1}
        await shown.until_state("web", AlertState.RESOLVED)
        assert "firing" not in screen_text(shown.pilot).splitlines()[0]
        assert shown.rung == 1


async def test_the_bell_can_be_switched_off_and_a_silenced_alert_does_not_ring(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 1}, bell=False) as shown:
        await until(lambda: alerts_of(shown.app.metrics.state.overview), what="a first evaluation")
        shown.monitor.values = {"web": 0}
        await shown.until_state("web", AlertState.FIRING)
        assert shown.rung == 0
    async with console(tmp_path, {"web": 0, "db": 1}) as shown:
        await firing(shown)
        await shown.keys("s", "ctrl+u", *"job=db", "enter")
        await until(lambda: (found := alerts_of(shown.app.metrics.state.overview)) and found.silences, what="a silence")
        shown.monitor.values = {"web": 0, "db": 0}
        await shown.until_state("db", AlertState.FIRING)
        assert shown.rung == 0, "one fired before the screen was opened, one is silenced"


async def test_acknowledging_with_a_note_and_taking_it_back(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 0}) as shown:
        await firing(shown)
        await shown.keys("A")
        await until(
            lambda: (found := shown.app.metrics.state.selected_alert()) and found.acknowledged, what="acknowledged"
        )
        assert "A adds a note" in screen_text(shown.pilot)
        await shown.keys("A", *"my turn", "enter")
        await until(
            lambda: (
                (found := shown.app.metrics.state.selected_alert()) and found.acknowledged and found.acknowledged.note
            ),
            what="with a note",
        )
        alert = shown.app.metrics.state.selected_alert()
        assert alert is not None
        assert alert.acknowledged is not None
        assert (alert.acknowledged.by, alert.acknowledged.note) == (user(), "my turn")
        await shown.keys("enter")
        await until(lambda: "my turn" in screen_text(shown.pilot), what="on its page")
        await until(lambda: "acknowledged by" in screen_text(shown.pilot), what="in its history")
        await shown.keys("U")
        await until(
            lambda: (found := shown.app.metrics.state.selected_alert()) and not found.acknowledged, what="undone"
        )
        await shown.keys("A")
        await until(lambda: (found := shown.app.metrics.state.selected_alert()) and found.acknowledged, what="again")
        await shown.keys("A", "x", "escape")
        assert shown.app.metrics.state.page is not None, "esc closes the line, not the page"
        alert = shown.app.metrics.state.selected_alert()
        assert alert is not None
        assert alert.acknowledged is not None
        assert alert.acknowledged.note == "", "a note that is left is not kept"


async def test_a_second_press_asks_for_the_note_before_the_first_shows(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 0}) as shown:
        await firing(shown)
        await shown.keys("A", "A", *"mine", "enter")
        await until(
            lambda: (
                (found := shown.app.metrics.state.selected_alert())
                and found.acknowledged
                and found.acknowledged.note == "mine"
            ),
            what="with the note",
        )


async def test_the_selection_stays_on_the_alert_that_was_acknowledged(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 0, "db": 0}) as shown:
        await shown.until_state("web", AlertState.FIRING)
        await shown.until_state("db", AlertState.FIRING)
        state = shown.app.metrics.state
        assert (first := state.selected_alert()) is not None, "the worst one, which nobody has chosen"
        await shown.keys("A")
        await until(
            lambda: (found := alerts_of(state.overview)) and any(each.acknowledged for each in found.alerts),
            what="acknowledged",
        )
        await shown.keys("A", *"mine", "enter")
        await until(
            lambda: (found := state.selected_alert()) and found.acknowledged and found.acknowledged.note == "mine",
            what="with the note",
        )
        assert (now := state.selected_alert()) is not None
        assert now.labels == first.labels
        assert (found := alerts_of(state.overview)) is not None
        assert sum(each.acknowledged is not None for each in found.alerts) == 1


async def test_a_change_that_is_refused_is_told_and_the_console_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with console(tmp_path, {"web": 0}) as shown:
        await firing(shown)

        async def refuse(*words: object, **more: object) -> None:
            raise LilFoxError(tr("the Alertmanager refuses it"))

        for name in ("acknowledge", "silence"):
            monkeypatch.setattr(shown.app.monitor.alerting, name, refuse)
        for keys in (("A",), ("s", "enter")):
            await shown.keys(*keys)
            await until(lambda: "the Alertmanager refuses it" in screen_text(shown.pilot), what=f"told after {keys}")
            shown.app.tell("")
        assert shown.app.is_running


async def test_a_silence_shows_what_it_would_take_and_is_ended_from_the_list(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 0, "db": 0}) as shown:
        await firing(shown)
        await shown.until_state("db", AlertState.FIRING)
        await shown.keys("s")
        assert isinstance(shown.app.screen, SilenceDialog)
        assert "would silence 1 alert now" in screen_text(shown.pilot)
        line = shown.app.screen.query_one("#dialog-input", Input)
        line.value = 'alertname=~"Do.*"'
        await shown.pilot.pause()
        assert "would silence 2 alerts now" in screen_text(shown.pilot)
        line.value = 'alertname=~"Do('
        await shown.pilot.pause()
        assert "cannot parse" in screen_text(shown.pilot)
        await shown.keys("enter")
        assert isinstance(shown.app.screen, SilenceDialog), "what is wrong is not sent"
        line.value = 'alertname="Down"'
        await shown.keys("down", "down", "down", "tab", *"new disk", "enter")
        await until(lambda: all(one.silenced_by for one in shown.alerts()), what="both are silenced")
        await shown.pilot.pause()
        assert "2 silenced" in screen_text(shown.pilot)
        assert "firing" not in screen_text(shown.pilot).splitlines()[0]
        await shown.keys("colon", *"silences", "enter")
        await until(lambda: "until it resolves" in screen_text(shown.pilot), what="the list")
        assert "new disk" in screen_text(shown.pilot)
        await shown.keys("enter")
        await until(lambda: not any(one.silenced_by for one in shown.alerts()), what="the silence ended")


async def test_its_page_says_why_now_and_over_time(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 0, "db": 1}) as shown:
        await firing(shown)
        await shown.keys("enter")
        text = ""

        def is_whole() -> bool:
            nonlocal text
            text = screen_text(shown.pilot)
            return all(re.search(row, text) for row in ("✖ 0  true   web ", "● 1  false  db "))

        await until(is_whole, what="the values against the threshold")
        assert "─ Why ─" in text
        assert re.search(r"│ true since [0-9:]{8}, \d+ s ago", text)
        assert "│ up == 0 " in text
        assert "limit 0" in text
        await shown.keys("G")
        await until(lambda: "fired at 0" in screen_text(shown.pilot), what="its history")
        assert str(tmp_path / "rules.yml") in screen_text(shown.pilot)
        await shown.keys("y")
        assert shown.app.clipboard == "up == 0"
        await shown.keys("r")
        told = "no runbook for Down; its runbook_url is https://runbooks.example/down"
        await until(lambda: told in screen_text(shown.pilot), what="the runbook that it names")
        await shown.keys("y")
        assert shown.app.clipboard == "https://runbooks.example/down"


async def test_without_an_alert_the_keys_say_why_not(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 1}) as shown:
        await until(lambda: alerts_of(shown.app.metrics.state.overview), what="a first evaluation")
        for key, why in (
            ("exclamation_mark", "no alert is firing or pending"),
            ("A", "select an alert first"),
            ("s", "select an alert first"),
            ("r", "select an alert, or a host, service or container with a firing alert"),
        ):
            await shown.keys(key)
            assert why in screen_text(shown.pilot), key
        await shown.keys("colon", *"silences")
        assert "there are no silences" in screen_text(shown.pilot)


async def test_read_only_changes_no_alert(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 0}, read_only=True) as shown:
        await firing(shown)
        await shown.keys("s")
        assert "alerts cannot be changed in read_only mode" in screen_text(shown.pilot)


async def test_turned_back_the_screen_shows_the_alerts_of_then(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 0}) as shown:
        await firing(shown)
        fired = shown.app.metrics.state.selected_alert()
        assert fired is not None
        assert fired.fired_at is not None
        assert shown.app.metrics.state.overview is not None
        between = shown.app.metrics.state.overview.at
        shown.monitor.values = {"web": 1}
        await shown.until_state("web", AlertState.RESOLVED)
        state = shown.monitor.alerting.feed.value
        assert state is not None
        (alert,) = state.alerts
        assert alert.resolved_at is not None
        assert fired.fired_at <= between < alert.resolved_at
        then = shown.monitor.overview_at(between)
        assert [one.state for one in alerts_of(then).alerts] == [AlertState.FIRING]  # type: ignore[union-attr]
        shown.app.navigation.rewind(between)
        await shown.pilot.pause()
        assert "1 firing" in screen_text(shown.pilot).splitlines()[0]
        await shown.keys("A")
        assert "you are viewing the past" in screen_text(shown.pilot)
        shown.app.navigation.rewind(fired.active_at.replace(year=2020))
        await shown.pilot.pause()
        assert "the state at that time is unknown" in screen_text(shown.pilot)


async def test_filter_and_logs_of_an_alert(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 0, "backend": 0}) as shown:
        await shown.until_state("web", AlertState.FIRING)
        await shown.until_state("backend", AlertState.FIRING)
        shown.app.metrics.list.set_filter("down web")
        await shown.pilot.pause()
        assert [each.name for each in shown.app.metrics.state.items(shown.app.metrics.state.overview).values()] == [
            "Down"
        ]
        await shown.keys("exclamation_mark", "l")
        assert "the alert's labels match no monitored service or host" in screen_text(shown.pilot)


async def test_on_a_low_screen_the_silence_still_says_what_it_would_take(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 0}) as shown:
        await firing(shown)
        await shown.pilot.resize_terminal(40, 10)
        await shown.keys("s")
        await until(lambda: "would silence 1 alert" in screen_text(shown.pilot), what="the preview")


async def test_a_held_screen_still_shows_a_new_alert(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 1}) as shown:
        await until(lambda: alerts_of(shown.app.metrics.state.overview), what="a first evaluation")
        await shown.keys("p")
        shown.monitor.values = {"web": 0}
        await shown.until_state("web", AlertState.FIRING)
        assert "1 firing" in screen_text(shown.pilot).splitlines()[0]


async def test_a_rule_file_that_is_broken_is_said_in_the_section(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 0}) as shown:
        await shown.until_state("web", AlertState.FIRING)
        (tmp_path / "rules.yml").write_text("groups: [{name: g, rules: [{alert: Down, expr: 'up =='}]}]")
        await until(lambda: "rules.yml:1" in screen_text(shown.pilot), what="file and line")
        assert "1 firing" in screen_text(shown.pilot).splitlines()[0], "the old rules go on"


async def test_an_engine_that_cannot_begin_says_why(tmp_path: Path) -> None:
    async with console(tmp_path, {"web": 0}, notifiers={"pager": Options(argv=("true",), only=("job=~(",))}) as shown:
        unknown = re.compile(r"─ Problems ─+ alerts unknown for \d+ s ─")
        await until(lambda: unknown.search(screen_text(shown.pilot)), what="that they are unknown")
        await until(lambda: "option only of notifier pager: regular expression" in screen_text(shown.pilot), what="why")
        await until(lambda: "alerts unknown" in screen_text(shown.pilot).splitlines()[0], what="the header says so")
