"""What a job has said from its first event on, kept while it is watched."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing

from lilfox_tui.jobs.control import follow_events
from lilfox_tui.jobs.model import Ended, Event, Progress, ProgressMade

MOST_EVENTS = 5000


class JobLog:
    """The newest events of one job, and how far each part is."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self.dropped = 0
        self.ended: Ended | None = None
        self._progress: dict[str, Progress] = {}

    @property
    def progress(self) -> Sequence[Progress]:
        """The newest of each part, in the order in which they began."""
        return tuple(self._progress.values())

    async def follow(self, changed: Callable[[], None]) -> None:
        """Takes what is there and what comes; ``changed`` is called after each list of events. Ends with the job.
        Raises JobError."""
        async with aclosing(follow_events(self.job_id)) as lists:
            async for some in lists:
                self.take(some)
                changed()

    def take(self, some: Sequence[Event]) -> None:
        """The next events."""
        for event in some:
            if isinstance(event, ProgressMade):
                self._progress[event.progress.part] = event.progress
                continue
            self.dropped += len(self.events) == MOST_EVENTS
            self.events.append(event)
            if isinstance(event, Ended):
                self.ended = event
