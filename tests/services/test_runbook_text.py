"""The Runbook pane where a text is not what was seen: a file that nobody chose, one that is changed in mid-run; and
runs that others began."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from lilfox_tui.config.loader import load
from lilfox_tui.jobs.listing import find_job, list_jobs
from lilfox_tui.runbook.control import begin
from lilfox_tui.runbook.library import allow, first_run
from lilfox_tui.runbook.model import Runbook
from lilfox_tui.runbook.parse.document import read
from lilfox_tui.runbook.run.protocol import RunAll, send
from tests.app.runbook_console import Console, console, home
from tests.waiting import until

__all__ = ["home"]
PLAIN = (
    '# {title}\n\n1. Look\n\n   ```bash {{"risk": "change"}}\n'
    "   echo seen by {title}; while [ ! -e {go} ]; do sleep 0.1; done\n   ```\n"
)


async def _changed_in_mid_run(home: Path, shown: Console) -> None:
    """A run waits at its second step, its file says something else, and enter was pressed."""
    path = home / "runbooks/made.md"
    await shown.keys("enter", "enter", "w")
    await shown.until_waits("value", 2)
    path.write_text(path.read_text().replace("touch ", "touch -c "))
    await shown.keys("enter")
    await shown.until("unchanged commands: 4 of 5")


async def _run_step_two(shown: Console) -> str:
    """Gives its value and confirms it; what was confirmed."""
    await shown.keys("enter")
    await shown.until("one of one, two")
    await shown.keys("down", "enter")
    text = await shown.until("u undoes it")
    await shown.keys("enter")
    await shown.until_waits("hand", 3)
    return text


@pytest.mark.fault("S29")
async def test_a_file_that_is_changed_in_mid_run_is_gone_on_with_as_it_says_now_once_that_was_seen(home: Path) -> None:
    async with console(home) as shown:
        await _changed_in_mid_run(home, shown)
        await shown.keys("n")
        await shown.until("now using the current version of the file")
        await until(lambda: shown.state.run is not None and "touch -c" in shown.text, what="what it says now is shown")
        assert not (home / "changed-one").exists(), "nothing ran by that"
        assert "touch -c" in await _run_step_two(shown)
        assert not (home / "changed-two").exists()


@pytest.mark.fault("S29")
async def test_a_file_that_is_changed_in_mid_run_is_gone_on_with_as_it_was(home: Path) -> None:
    async with console(home) as shown:
        await _changed_in_mid_run(home, shown)
        await shown.keys("o")
        await shown.until("one of one, two")
        await shown.keys("escape")
        (home / "runbooks/made.md").unlink()
        assert "touch -c" not in await _run_step_two(shown)
        assert (home / "changed-two").exists()


@pytest.mark.fault("S29")
async def test_a_run_whose_file_is_broken_now_can_be_ended(home: Path) -> None:
    path = home / "runbooks/made.md"
    async with console(home) as shown:
        await shown.keys("enter", "enter", "w")
        run = await shown.until_waits("value", 2)
        path.write_text(path.read_text().replace('{"name": "change"}', '{"name": '))
        await shown.keys("enter")
        await shown.until("its current text cannot be run")
        assert "continue with the current version of the file" not in shown.text
        await shown.keys("X")
        await shown.until("Nothing was changed.")
        await shown.keys("enter")
        await until(lambda: run.ended is not None, what="it has ended")
    assert not (home / "changed-one").exists()


def _runbook(folder: Path, title: str) -> Runbook:
    path = folder / f"{title.lower()}.md"
    path.write_text(PLAIN.format(title=title, go=folder / "go"))
    return read(path).runbooks[0]


async def _begun_elsewhere(home: Path, made: Runbook) -> str:
    """A run that somebody else began, all of which goes on alone; its job."""
    loaded = load(home / "config.yaml")
    job = await asyncio.to_thread(begin, made, loaded.config, home / "config.yaml")
    await send(Path(find_job(job).folder), RunAll(sha256=made.sha256))
    return job


@pytest.mark.fault("S30")
async def test_a_run_of_a_file_that_nobody_chose_is_gone_on_with_once_that_is_allowed(home: Path) -> None:
    made = _runbook(home, "Foreign")
    first = first_run(made, load(home / "config.yaml").config.runbooks)
    assert first is not None
    allow(first)
    job = await _begun_elsewhere(home, made)
    pid = find_job(job).pid
    assert pid is not None
    os.killpg(pid, signal.SIGKILL)
    await until(lambda: find_job(job).state != "running", what="it is killed")
    (home / "state/lilfox/runbooks/allowed.json").unlink()
    async with console(home) as shown:
        await shown.until("interrupted")
        for key in ("escape", "y"):
            await shown.keys("g", "enter", "enter")
            await shown.until("resume where it stopped")
            await shown.keys("enter")
            await shown.until("Approve this runbook")
            assert "1 makes changes" in " ".join(shown.text.replace("│", " ").split())
            assert len(list_jobs()) == 1
            await shown.keys(key)
            await shown.pilot.pause()
            await shown.keys("escape")
        await until(lambda: len(list_jobs()) == 2, what="it is gone on with")
    assert first_run(made, load(home / "config.yaml").config.runbooks) is None
    (home / "go").touch()


@pytest.mark.parametrize("listed", [True, False])
async def test_a_run_that_somebody_else_began_stays_as_the_last_one(home: Path, listed: bool) -> None:
    made = _runbook(home / "runbooks" if listed else home, "Another")
    if (first := first_run(made, load(home / "config.yaml").config.runbooks)) is not None:
        allow(first)
    async with console(home) as shown:
        job = await _begun_elsewhere(home, made)
        await until(
            lambda: any(item.job is not None and item.job.id == job for item in shown.state.items), what="it runs"
        )
        await shown.keys("g")
        await shown.until("seen by Another")
        ((home / "runbooks" if listed else home) / "go").touch()
        await until(
            lambda: shown.state.view is not None and shown.state.view.runs[0].state == "ok",
            what="it has ended",
        )
        text = await shown.until("last run, by ")
        assert "ago: the command is done" in text
        assert "seen by Another" in text
        await shown.keys("g")
        await shown.until("Another")
        assert any(item.last is not None and item.last.id == job for item in shown.state.items)


async def test_how_the_last_run_ended_is_told_where_it_ended_before_somebody_looked(home: Path) -> None:
    made = _runbook(home / "runbooks", "Another")
    (home / "runbooks/go").touch()
    job = await _begun_elsewhere(home, made)
    await until(lambda: find_job(job).state == "ok", what="it has ended")
    async with console(home) as shown:
        await shown.keys("g")
        await shown.until("last run, by ")
        assert "seen by Another; while" in shown.text, "the command, and no output"
