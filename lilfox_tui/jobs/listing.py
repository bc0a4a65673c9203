"""All jobs: of this user, and of what root and service users run on this machine."""

from __future__ import annotations

from lilfox_tui.feed import Feed
from lilfox_tui.jobs.model import Job


def list_jobs() -> list[Job]:
    """All jobs that can be read, the newest first. Blocks; what cannot be read is left out."""
    raise NotImplementedError


def find_job(job_id: str) -> Job:
    """The job with this id, or the only one whose id ends in it. Blocks. Raises NoSuchJob."""
    raise NotImplementedError


class Jobs:
    """All jobs as they change: looks once a second, publishes when something changed."""

    def __init__(self) -> None:
        self.feed: Feed[tuple[Job, ...]] = Feed()

    async def run(self) -> None:
        """Looks until it is cancelled."""
        raise NotImplementedError
