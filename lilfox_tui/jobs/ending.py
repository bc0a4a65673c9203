"""Cancelling a job."""

from __future__ import annotations

from lilfox_tui.jobs.model import Job


async def cancel(job_id: str, *, wait_s: float = 60.0) -> Job:
    """Asks the job to end (SIGTERM) and gives it once its clean-up has ended; at once where it has ended already.
    Raises NoSuchJob, JobError: no right, on another machine, or still cleaning up after ``wait_s`` (it goes on)."""
    raise NotImplementedError
