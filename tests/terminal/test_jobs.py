"""A job and the terminal that it was begun in."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from lilfox_tui.jobs.listing import list_jobs
from lilfox_tui.jobs.model import Began, Job
from tests.terminal.console import Console
from tests.unit.jobs.running import all_events, ended, jobs, said

__all__ = ["jobs"]
ROOT = Path(__file__).parents[2]
FOLLOWED = "tests.terminal.followed_job"
CTRL_C = "\x03"


@pytest.fixture
def home(jobs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ".local" / "state"))
    return tmp_path


def console(home: Path, *arguments: str, module: str = "lilfox_tui") -> Console:
    return Console(arguments, home=home, module=module, env={"PYTHONPATH": str(ROOT)})


def only_job() -> Job:
    (job,) = list_jobs()
    return job


@pytest.mark.fault("1.16")
def test_the_terminal_is_closed_and_the_job_is_found_again_from_its_first_event(home: Path) -> None:
    go = home / "go"
    with console(home, str(go), module=FOLLOWED) as first:
        first.until("waiting")
        first.hang_up()
        assert first.process.wait(60) == -signal.SIGHUP
    job = only_job()
    assert job.state == "running"
    with console(home, "jobs") as listing:
        listing.until("wait for it")
        assert listing.ended_within() == 0
        assert job.id in listing.text
        assert "running" in listing.text
    with console(home, "attach") as second:
        second.until("waiting")
        began = all_events(job.id)[0]
        assert isinstance(began, Began)
        for text in (job.id, f"process {began.pid}", "→ make a folder"):
            assert text in second.text
        go.touch()
        assert second.ended_within() == 0
        assert "ok: waited" in second.text
    assert ended(job.id).state == "ok"


@pytest.mark.fault("1.64")
def test_ctrl_c_cancels_the_job_and_waits_for_its_clean_up(home: Path) -> None:
    clean = home / "clean"
    with console(home, str(home / "never"), str(clean), module=FOLLOWED) as screen:
        screen.until("waiting")
        screen.press(CTRL_C)
        screen.until("cancellation requested; cleaning up")
        assert "cancelling" in screen.text
        assert screen.process.poll() is None
        clean.touch()
        assert screen.ended_within() == 130
        assert "cleaned up" in screen.text
        assert "cancelled; it was about to: make a folder" in screen.text
    assert ended(only_job().id).state == "cancelled"


@pytest.mark.fault("1.64")
def test_a_second_ctrl_c_stops_waiting_and_the_clean_up_goes_on(home: Path) -> None:
    clean = home / "clean"
    with console(home, str(home / "never"), str(clean), module=FOLLOWED) as screen:
        screen.until("waiting")
        screen.press(CTRL_C)
        screen.until("cancellation requested; cleaning up")
        screen.press(CTRL_C)
        assert screen.ended_within() == 130
        job = only_job()
        assert f"the clean-up continues; watch it: lilfox attach {job.id}" in screen.text
    assert job.state == "running"
    clean.touch()
    assert ended(job.id).state == "cancelled"
    assert said(job.id)[-1] == "cleaned up"


def test_whoever_attached_leaves_with_ctrl_c_and_the_job_goes_on(home: Path) -> None:
    go = home / "go"
    with console(home, str(go), module=FOLLOWED) as first:
        first.until("waiting")
        with console(home, "attach") as second:
            second.until("waiting")
            second.press(CTRL_C)
            assert second.ended_within() == 130
            assert "the job continues" in second.text
        assert only_job().state == "running"
        go.touch()
        assert first.ended_within() == 0


@pytest.mark.fault("1.64")
def test_a_small_terminal_during_a_job_is_nothing_to_it(home: Path) -> None:
    go = home / "go"
    with console(home, str(go), module=FOLLOWED) as screen:
        screen.until("waiting")
        screen.resize(20, 5)
        go.touch()
        assert screen.ended_within() == 0
    assert ended(only_job().id).state == "ok"
