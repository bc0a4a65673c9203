"""The document of a runbook beside the list, and how far and how a run has gone."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.app import frame
from lilfox_tui.app.panes.runbook import drawing
from lilfox_tui.app.panes.runbook.preview import DocumentSteps, Preview, steps_rows
from lilfox_tui.app.panes.runbook.rows import RunbookStyle
from lilfox_tui.core.aio import Ready
from tests.app.alerts_made import alerting, some
from tests.app.overviews import mixed
from tests.app.runs_made import TEXT, view
from tests.app.still import screen_text, still_app, unframed
from tests.app.test_runbook_screens import SIZES, Still, made, showing
from tests.app.test_screens import check


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "datetime", Still)


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_at_rest_the_document_of_the_selected_runbook_stands_beside_the_list(
    size: tuple[int, int], language: str
) -> None:
    app = showing(view(None), language=language)
    app.monitor.overview.publish(replace(mixed(), alerts=Ready(some())))
    async with app.run_test(size=size) as pilot:
        await pilot.press("4")
        await pilot.pause()
        text = screen_text(pilot)
        assert ("systemctl restart <unit>" in text) is (size[0] >= 100)
        check(f"runbook-rest-{size[0]}x{size[1]}-{language}", text)


async def test_a_page_down_reads_on_in_a_document_that_is_longer_than_the_screen() -> None:
    app = showing(view(None))
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.press("4")
        await pilot.pause()
        assert "rm -r /var/tmp" not in screen_text(pilot)
        await pilot.press("pagedown", "pagedown")
        await pilot.pause()
        text = screen_text(pilot)
        assert "rm -r /var/tmp" in text
        assert "A disk is full" in text
        await pilot.press("down")
        await pilot.pause()
        assert "df -h" in screen_text(pilot), "another one is shown from its start"


async def test_a_run_tells_how_far_it_is_and_where_it_failed(tmp_path: Path) -> None:
    app = made("failed", tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        assert " 2/4 " in screen_text(pilot).splitlines()[2], "it waits at the second step"
        assert "failed: check" not in screen_text(pilot), "it still waits"
    app = made("ended", tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        assert "failed: check of step 2 on web-2: Restart it once" in text


async def test_the_steps_of_a_document_are_made_once_while_the_clock_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    made_of: list[int] = []

    def counted(shown: Preview, hosts: Callable[[int, int], tuple[str, ...]], style: RunbookStyle) -> DocumentSteps:
        made_of.append(style.width)
        return steps_rows(shown, hosts, style)

    monkeypatch.setattr(drawing, "steps_rows", counted)
    app = showing(view(None))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        await pilot.pause()
        before = len(made_of)
        for _ in range(3):
            app.pane.clock_moved()
        assert len(made_of) == before
        await pilot.press("down")
        await pilot.pause()
        assert len(made_of) == before + 1


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_beside_the_steps_of_a_runbook_without_a_run_stand_all_its_commands(size: tuple[int, int]) -> None:
    app = showing(view(None))
    async with app.run_test(size=size) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        text = screen_text(pilot)
        assert "─ Preview ─" in text
        told = ["reads, at most 20 s", "systemctl status <unit>", "makes changes, sudo", "systemctl restart <unit>"]
        places = [text.index(each) for each in told]
        assert places == sorted(places)
        assert ("rm -r /var/tmp/<unit>" in text) is (size[1] == 40)
        await pilot.press("G")
        await pilot.pause()
        assert "rm -r /var/tmp/<unit>" in screen_text(pilot), "what is selected is in sight"
        await pilot.press("g", "tab", *("j" * 20))
        await pilot.pause()
        assert "rm -r /var/tmp/<unit>" in screen_text(pilot), "it scrolls"
        await pilot.press(*("k" * 20))
        await pilot.pause()
        assert "systemctl status <unit>" in screen_text(pilot)


async def test_a_run_shows_the_command_of_its_step_alone(tmp_path: Path) -> None:
    app = made("looked", tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        assert "─ Preview ─" not in screen_text(pilot)
        assert "rm -r /var/tmp" not in screen_text(pilot)


async def test_a_command_that_is_selected_in_the_steps_is_in_sight() -> None:
    long = "\n   ".join(("#!/bin/sh", *(f"echo {each}" for each in range(60))))
    app = showing(view(None, TEXT.replace("systemctl restart <unit>", long)))
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("4", "enter", "j")
        await pilot.pause()
        text = screen_text(pilot)
        assert "2. Restart it once" in text.split("Preview")[1]
        assert "systemctl is-active <unit>" not in text.split("Preview")[1].replace("<…", "")
        await pilot.press("j", "j")
        await pilot.pause()
        assert screen_text(pilot).split("Preview")[1].count("systemctl is-active <unit>") == 1, "the check of the step"
        assert "expects /active/" in screen_text(pilot)


@pytest.mark.parametrize("size", [(40, 14), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_a_rewound_runbook_tells_ages_of_that_time_and_offers_no_run(size: tuple[int, int]) -> None:
    app = showing(view(None))
    now = replace(mixed(), alerts=Ready(some()))
    app.monitor.overview.publish(now)
    then = now.at - timedelta(minutes=2)
    past = replace(now, at=then, rewound=True)
    app.monitor.overview_at = lambda at: past  # type: ignore[method-assign]
    async with app.run_test(size=size) as pilot:
        await pilot.press("4")
        await pilot.pause()
        ages = re.findall(r"firing (\d+) min", screen_text(pilot))
        app.navigation.rewind(then)
        await pilot.pause()
        text = screen_text(pilot)
        assert [int(each) for each in re.findall(r"firing (\d+) min", text)] == [int(each) - 2 for each in ages]
        assert bool(ages) is (size[0] > 100)
        for _column in range(3):
            assert not re.search(r"starts a run|runs it|enter run ", unframed(screen_text(pilot)))
            await pilot.press("enter")
            await pilot.pause()
        assert "viewing the past" in unframed(screen_text(pilot))
        app.navigation.rewind(None)
        await pilot.pause()
        assert re.search("enter starts a run|enter run ", unframed(screen_text(pilot)))


async def test_the_counts_of_an_ended_run_say_that_they_are_of_steps(tmp_path: Path) -> None:
    """The message of the run above them counts its commands."""
    app = made("ended", tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await pilot.pause()
        assert "steps: 1 done, 1 failed, 2 not run" in screen_text(pilot)


@pytest.mark.parametrize(
    ("state", "in_list", "in_steps"),
    [
        ("new", "no run of this runbook is in progress", "no run of this runbook is in progress; enter starts one"),
        ("worked", "this run has ended; to start another run, press a", None),
        ("ended", "this run has ended; to start another run, press a", None),
        ("killed", "this run was interrupted", "this run was interrupted; enter resumes it"),
        ("empty", "no runbook is selected", None),
    ],
)
async def test_what_cannot_be_done_without_a_run_says_what_enter_does_there(
    state: str, in_list: str, in_steps: str | None, tmp_path: Path
) -> None:
    app = made(state, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        await pilot.pause()
        for enter, told in (("", in_list), ("enter", in_steps or in_list)):
            await pilot.press(*filter(None, [enter]))
            await pilot.pause()
            why = {each.id: str(each.why_not()) for each in app.pane.actions()}
            assert {why[each] for each in ("terminal", "by-hand", "retry", "stop", "skip", "end-run")} == {told}
            too_late = "this run has ended: u cannot undo its changes any more; run the rollback commands yourself"
            assert why["undo"] == (too_late if state == "ended" else told)
            if state == "killed":
                assert why["run-again"] == told, "enter asks which of both"


async def test_a_runbook_that_was_not_run_says_where_enter_starts_it(tmp_path: Path) -> None:
    app = made("new", tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        told = []
        for key in ("enter", "escape", *["down"] * 2, "enter"):
            why = {each.id: str(each.why_not()) for each in app.pane.actions()}
            told.append((why["run-again"], why["stop"]))
            await pilot.press(key)
            await pilot.pause()
        none = "this runbook has not been run yet"
        assert told[0][0] == told[2][0] == none
        assert told[1][0] == f"{none}; enter starts a run"
        why = {each.id: str(each.why_not()) for each in app.pane.actions()}
        assert "enter" not in why["stop"] + why["run-again"], "a file that cannot be run"


async def test_a_runbook_for_a_firing_alert_says_which_one() -> None:
    app = still_app(alerting())
    app.monitor.runbooks.feed.publish(view(None))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        await pilot.pause()
        row = next(line for line in screen_text(pilot).splitlines() if "▲ Restart the web service" in line)
        assert row.split("│")[1].split() == ["▲", "Restart", "the", "web", "service", "HighErrorRate"]
