"""Started while an incident is open, the console offers to go on where a run of a runbook was left."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lilfox_tui.app.app import LilFoxApp
from lilfox_tui.app.panes.metrics.pane import MetricsPane
from lilfox_tui.app.panes.runbook.pane import RunbookPane
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.config.loader import load
from lilfox_tui.config.themes import load_theme
from lilfox_tui.incident.incidents import close, current
from lilfox_tui.jobs.listing import list_jobs
from tests.app.overviews import mixed
from tests.app.runbook_console import Console, RunbookMonitor, console, home
from tests.waiting import until

__all__ = ["home"]


@asynccontextmanager
async def started(home: Path) -> AsyncIterator[Console]:
    """The console as it starts."""
    config = load(home / "config.yaml").config
    monitor = RunbookMonitor(config, config_file=home / "config.yaml")
    monitor.overview.publish(mixed())
    app = LilFoxApp(monitor, config, theme=load_theme("fox-dark"), glyphs=UNICODE)
    async with app.run_test(size=(120, 40)) as pilot:
        yield Console(app, pilot)


async def left(home: Path) -> int:
    """Begins a run with an incident of its own and leaves it where it waits; the pid of its job."""
    async with console(home) as shown:
        await shown.keys("enter", "enter", "enter")
        await shown.until_waits("value", 2)
    (pid,) = (job.pid for job in list_jobs() if job.state == "running")
    assert pid is not None
    assert current() is not None
    return pid


@pytest.mark.parametrize("killed", [False, True])
async def test_it_opens_on_the_run_that_waits_or_was_killed(home: Path, killed: bool) -> None:
    pid = await left(home)
    if killed:
        os.killpg(pid, signal.SIGKILL)
        await until(lambda: not any(job.state == "running" for job in list_jobs()), what="its end is seen")
    async with started(home) as again:
        await until(lambda: isinstance(again.app.pane, RunbookPane), what="it is the pane that is shown")
        await again.until("INC-1 is open and ")
        await again.until("interrupted" if killed else "run 2/5")
        await again.until("Change it")
        await again.keys("enter")
        await again.until("resume where it stopped" if killed else "one of one, two")


async def test_with_the_incident_closed_it_opens_as_always(home: Path) -> None:
    await left(home)
    incident = current()
    assert incident is not None
    close(Path(incident.folder), "over")
    async with started(home) as again:
        await until(lambda: again.app.follower.landed, what="it has looked at the jobs")
        await until(lambda: not any(each.group == "land" for each in again.app.workers), what="it has decided")
        assert isinstance(again.app.pane, MetricsPane)


async def test_who_does_something_else_already_is_only_told(home: Path) -> None:
    await left(home)
    async with started(home) as again:
        await again.keys("t")
        await again.until("INC-1 is open and ")
        assert isinstance(again.app.pane, MetricsPane)
