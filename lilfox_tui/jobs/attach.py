"""Watching a job from its first event on, whenever one comes."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from lilfox_tui.jobs.model import Event


def events(job_id: str) -> AsyncGenerator[list[Event], None]:
    """All events from the first on, then those that come, in lists; ends after Ended. Use inside ``aclosing``.

    Where the process is gone and left no result the last one is an Ended of our own, ``unknown``. Raises NoSuchJob."""
    raise NotImplementedError
