"""A pgBackRest backup recovered by the keys of the Backup pane alone, on a real server."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.backup.recovery_wizard import RecoveryWizard
from lilfox_tui.app.panes.backup.restore_state import CHECKS, CONFIRM, RESULT, WHAT, WHERE
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.config.loader import load
from lilfox_tui.config.themes import load_theme
from lilfox_tui.monitor.monitor import Monitor
from tests.app.still import screen_text
from tests.services.test_pgbackrest import Plan, jobs, plan, stanza
from tests.waiting import until

__all__ = ["jobs", "plan", "stanza"]
pytestmark = pytest.mark.usefixtures("jobs")


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Pilot[None], RecoveryWizard]]:
    """The wizard on the newest set of the plan, in the console as it starts."""
    file = Path(os.environ["XDG_CONFIG_HOME"]) / "lilfox/config.yaml"
    config = load(file).config
    app = LilFoxApp(Monitor(config, config_file=file), config, theme=load_theme("fox-dark"), glyphs=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        await until(lambda: "to any time until" in screen_text(pilot), what="the newest set is shown")
        await pilot.press("B")
        await until(lambda: isinstance(app.screen, RecoveryWizard) and app.screen.is_mounted, what="the wizard")
        assert isinstance(app.screen, RecoveryWizard)
        yield pilot, app.screen


async def checked(wizard: RecoveryWizard) -> None:
    await until(
        lambda: wizard.state.looked is not None and (wizard.state.looked.checked or wizard.state.looked.error),
        what="the checks have ended",
    )


def _said(pilot: Pilot[None]) -> str:
    return " ".join(screen_text(pilot).split())


async def test_a_cluster_is_recovered_to_a_time(plan: Plan) -> None:
    server = plan.stanza.server
    made = plan.backed_up()
    [[before]] = server.csv("SELECT count(*) FROM shop")
    target = plan.stanza.now()
    server.csv("INSERT INTO shop SELECT n, 'z' FROM generate_series(1, 700) n")
    plan.stanza.archive()
    into = plan.scratch / "new"
    async with opened() as (pilot, wizard):
        state = wizard.state
        assert (state.step, state.set_id) == (WHAT, made)
        assert "the end of the archived WAL" in _said(pilot)
        await pilot.press("down", "enter")
        line = wizard.query_one("#wizard-input")
        assert line.display
        await pilot.press("ctrl+u", *"yesterday", "enter")
        assert "not a time with its offset from UTC: yesterday" in _said(pilot)
        assert state.step == WHAT
        await pilot.press("enter", "ctrl+u", *target, "enter")
        assert (state.goal, state.time, state.step) == ("time", target, WHERE)
        await pilot.press(*"there", "enter")
        assert "not a plain absolute path: there" in _said(pilot)
        await pilot.press("ctrl+u", *str(into), "enter")
        assert state.step == CHECKS
        await checked(wizard)
        await pilot.pause()
        assert "No check blocks the restore" in _said(pilot)
        assert not into.exists()
        await pilot.press("enter")
        assert state.step == CONFIRM
        assert f"{made} is restored into {into}" in _said(pilot)
        assert "on timeline 1" in _said(pilot)
        await pilot.press(*"no", "enter")
        assert not into.exists()
        await pilot.press("ctrl+u", *"new", "enter")
        await until(lambda: state.step == RESULT, what="the job has ended")
        await pilot.pause()
        assert f"{made} is restored in {into} and recovered to" in _said(pilot)
        assert not state.failed
    assert plan.rows(into) == int(before)


async def test_an_existing_directory_and_an_early_time_block_it(plan: Plan) -> None:
    plan.backed_up("--type", "full")
    into = plan.scratch / "there"
    into.mkdir()
    async with opened() as (pilot, wizard):
        state = wizard.state
        await pilot.press("enter", *str(into), "enter")
        await checked(wizard)
        await pilot.pause()
        assert "it exists already" in _said(pilot)
        await pilot.press("enter")
        assert state.step == CHECKS
        assert "blocked by the failed checks" in _said(pilot)
        await pilot.press("down")
        assert "next page" not in _said(pilot)
        await pilot.press("escape")
        assert state.step == WHERE
        await pilot.press("escape", "down", "enter", "ctrl+u", *"2001-01-01 00:00:00+00", "enter")
        assert state.step == WHERE
        state.into = str(plan.scratch / "new")
        await pilot.press("enter")
        assert state.step == CHECKS
        await checked(wizard)
        await pilot.pause()
        assert state.looked is not None
        assert state.looked.error is not None
        await pilot.press("enter")
        assert state.step == CHECKS
    assert list(into.iterdir()) == []
