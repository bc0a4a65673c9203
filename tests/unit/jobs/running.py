"""Waiting for jobs, and ending those that a test leaves."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.jobs.listing import find_job, list_jobs
from lilfox_tui.jobs.model import Event, Job
from lilfox_tui.jobs.reader import EVENTS, EventReader, ProcessIdentity, is_held, start_of, this_process
from tests.waiting import wait_for


def ended(job_id: str, timeout_s: float = 30.0) -> Job:
    """The job, once its process is gone."""
    wait_for(lambda: find_job(job_id).state != "running", timeout_s=timeout_s, what=f"{job_id} has ended")
    job = find_job(job_id)
    wait_for(lambda: not is_held(Path(job.folder)), what=f"the process of {job_id} is gone")
    return job


def said(job_id: str) -> list[str]:
    """The texts of its events so far."""
    return [text for event in all_events(job_id) if (text := getattr(event, "text", ""))]


def all_events(job_id: str) -> list[Event]:
    """Its events so far."""
    return EventReader(Path(find_job(job_id).folder)).read()


def lines(job_id: str) -> bytes:
    """Its events as they stand on the disk."""
    return (Path(find_job(job_id).folder) / EVENTS).read_bytes()


def kill(job: Job) -> None:
    """Ends its process without a word."""
    assert job.pid is not None
    started = start_of(job.pid)
    if started is not None:
        ProcessIdentity(job.pid, started, this_process().boot).signal(signal.SIGKILL)


@pytest.fixture
def jobs(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the test's jobs, of which none runs afterwards; the system's own jobs are not seen."""
    monkeypatch.setattr("lilfox_tui.core.paths._SYSTEM", str(own_folders / "system"))
    yield own_folders / "state" / "lilfox" / "jobs"
    for job in list_jobs():
        if job.state == "running":
            kill(job)
            ended(job.id)
