"""Watches the open incident: publishes its new entries, and records changes of alerts, hosts and services in it.

Nothing of incident/ is imported before the first frame."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from lilfox_tui.core.aio import Feed, State, to_next_beat_s
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.monitor.model import IncidentView
from lilfox_tui.monitor.watchers import scrape

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alerts, Event
    from lilfox_tui.monitor.incident_events import IncidentFollower
    from lilfox_tui.monitor.model import Overview, StatusChange


EVERY_S = 0.5
"""Between two looks; whoever writes the timeline, it is seen so soon."""
NONE_OPEN_EVERY_S = 2.0
BY = "lilfox"


class IncidentWatch:
    """The current incident. ``alerts`` returns the newest alerts (None without rules), ``happened`` the latest status
    changes; ``changed`` is called when another incident is open, or none. ``opened_by`` are severities and names of
    alerts that open one. ``overview`` returns what is known now, ``past`` past events of alerts, newest first
    (blocks)."""

    def __init__(
        self,
        alerts: Callable[[], State[Alerts] | None],
        happened: Callable[[], Sequence[StatusChange]],
        changed: Callable[[], None],
        opened_by: Sequence[str] = (),
        overview: Callable[[], Overview | None] = lambda: None,
        past: Callable[[], Sequence[Event]] = tuple,
    ) -> None:
        self._past = past
        self.feed: Feed[IncidentView] = Feed()
        self._alerts, self._happened, self._changed, self._overview = alerts, happened, changed, overview
        self.opened_by = tuple(opened_by)
        self._recorder: IncidentFollower | None = None
        self._wake = asyncio.Event()

    def look_again(self) -> None:
        """End the wait before the next read: something was just written."""
        self._wake.set()

    async def run(self) -> None:
        """Watch until cancelled. Problems are published on ``feed``."""
        await asyncio.sleep(scrape.AFTER_FIRST_FRAME_S)
        while True:
            try:
                await asyncio.to_thread(self.look, self._happened())
            except LilFoxError as error:
                self.feed.fail(error)
            except Exception as error:
                self.feed.fail(LilFoxError(fault_of(error)))
            self._wake.clear()
            with suppress(TimeoutError):
                is_open = self._recorder is not None and self._recorder.folder
                async with asyncio.timeout(to_next_beat_s(EVERY_S if is_open else NONE_OPEN_EVERY_S)):
                    await self._wake.wait()

    def look(self, happened: Sequence[StatusChange] = ()) -> None:
        """Run once: record changes of alerts and those in ``happened``, read new entries, and publish changes.
        Blocks."""
        from lilfox_tui.monitor.incident_events import IncidentFollower

        if self._recorder is None:
            self._recorder = IncidentFollower(
                self.feed, self._alerts, self._changed, self.opened_by, self._overview, self._past
            )
        self._recorder.look(happened)
