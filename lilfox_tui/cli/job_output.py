"""What the command line shows while a job runs."""

from __future__ import annotations


def follow_job(job_id: str, *, quiet: bool = False) -> int:
    """Shows the job on stderr until it has ended; gives its exit code. stdout stays free: the job's result is
    ``find_job(job_id).result``.

    ctrl-c (or SIGTERM) cancels the job and waits for its clean-up; a second one stops waiting and leaves the clean-up
    to the job. ``quiet``: only warnings, what is bad, and how it ended when that was not good."""
    raise NotImplementedError
