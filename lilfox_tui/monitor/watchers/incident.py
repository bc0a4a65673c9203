"""The open incident while watching: everybody sees it grow, and what alerts do and hosts and services go through
meanwhile is written into it.

Nothing of incident/ is imported before the first frame."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lilfox_tui.core.aio import Feed, Ready, State
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.monitor.model import IncidentView
from lilfox_tui.monitor.watchers import scrape

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert, Alerts
    from lilfox_tui.incident.model import AlertChanged, TimelineEntry
    from lilfox_tui.incident.timeline import TimelineReader
    from lilfox_tui.metrics.model import Labels
    from lilfox_tui.monitor.incident_events import EventDedup
    from lilfox_tui.monitor.model import StatusChange


EVERY_S = 0.5
"""Between two looks; whoever writes the timeline, it is seen so soon."""
NONE_OPEN_EVERY_S = 2.0
BY = "lilfox"


class IncidentWatch:
    """The current incident. ``alerts`` gives the newest alerts (None where there are no rules), ``happened`` what
    changed of what is watched; ``changed`` is called when another incident is open than before, or none. ``opened_by``
    are severities and names of alerts that open one."""

    def __init__(
        self,
        alerts: Callable[[], State[Alerts] | None],
        happened: Callable[[], Sequence[StatusChange]],
        changed: Callable[[], None],
        opened_by: Sequence[str] = (),
    ) -> None:
        self.feed: Feed[IncidentView] = Feed()
        self._alerts, self._happened, self._changed = alerts, happened, changed
        self.opened_by = tuple(opened_by)
        self._closed: set[tuple[Labels, datetime | None]] = set()
        """Alerts, with when they fired, whose incident somebody has closed."""
        self._folder: Path | None = None
        self._reader: TimelineReader | None = None
        self._entries: tuple[TimelineEntry, ...] = ()
        self._noticing: EventDedup | None = None
        self._told: set[str] = set()
        """What was written of alerts already; whoever else watches writes each once, too."""
        self._wake = asyncio.Event()

    def look_again(self) -> None:
        """Ends the wait before the next look: something was just written."""
        self._wake.set()

    async def run(self) -> None:
        """Watches until cancelled. What goes wrong is in ``feed``."""
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
                async with asyncio.timeout(EVERY_S if self._folder else NONE_OPEN_EVERY_S):
                    await self._wake.wait()

    def look(self, happened: Sequence[StatusChange] = ()) -> None:
        """Looks once: writes what alerts did and what ``happened``, reads what is new, publishes where something is.
        Blocks."""
        from lilfox_tui.incident.incidents import current_folder
        from lilfox_tui.incident.reducer import fold
        from lilfox_tui.incident.timeline import TimelineReader
        from lilfox_tui.monitor.incident_events import EventDedup

        folder = current_folder() or self._opened()
        if folder != self._folder or self.feed.value is None:
            self._folder, self._entries, self._told = folder, (), set()
            self._reader, self._noticing = None if folder is None else TimelineReader(folder), EventDedup()
            if folder is None or self.feed.value is None:
                self.feed.publish(IncidentView(datetime.now(UTC)))
            self._changed()
        if folder is None or self._reader is None:
            return
        self._record(folder)
        if self._reader.grown() and (new := self._reader.read()):
            self._entries = (*self._entries, *new)
            incident = fold(self._entries, folder)
            self.feed.publish(IncidentView(datetime.now(UTC), incident, self._entries))
        self._notice(folder, happened)  # with what others wrote until now

    def _opened(self) -> Path | None:
        """An incident for an alert that fires, where one is to be opened."""
        state = self._alerts() if self.opened_by else None
        if not isinstance(state, Ready):
            return None
        from lilfox_tui.monitor.incident_events import alerts_that_open, already_recorded, open_for_alert

        for alert in alerts_that_open(state.value.alerts, self.opened_by):
            key = alert.labels, alert.fired_at
            if key in self._closed:
                continue
            if not already_recorded(alert):
                return open_for_alert(alert)
            self._closed.add(key)
        return None

    def _record(self, folder: Path) -> None:
        state = self._alerts()
        if not isinstance(state, Ready):
            return
        from lilfox_tui.incident.incidents import append_in

        opened = self._entries[0].at if self._entries else None
        for once, what in _changes(state.value.alerts):
            if once in self._told:
                continue
            over = what.state == "resolved" and (opened is None or what.since < opened)
            if not over:  # what was over before it was opened is none of it
                append_in(folder, what, by=BY, once=once)
            self._told.add(once)

    def _notice(self, folder: Path, happened: Sequence[StatusChange]) -> None:
        if self._noticing is None or not self._entries:
            return
        from lilfox_tui.incident.incidents import append_in
        from lilfox_tui.monitor.incident_events import event_of, once_of

        entries = list(self._entries)
        for change in self._noticing.new(happened, entries[0].at):
            if not self._noticing.told(change, entries):
                entries.append(append_in(folder, event_of(change), by=BY, once=once_of(change, entries)))
                self._noticing.claim(entries[-1])


def _changes(alerts: Iterable[Alert]) -> Iterator[tuple[str, AlertChanged]]:
    """What each alert is now, with a key that stays the same as long as it is. What people do with it is written by
    what they do it with (``alerts/silences.py``)."""
    from lilfox_tui.alerts.model import AlertState
    from lilfox_tui.incident.model import AlertChanged

    for alert in alerts:
        if alert.fired_at is None:
            continue
        state: Literal["firing", "resolved"] = "resolved" if alert.state is AlertState.RESOLVED else "firing"
        since = alert.fired_at if alert.resolved_at is None else alert.resolved_at
        labels = {name: value for name, value in alert.labels if name != "alertname"}
        summary = dict(alert.annotations).get("summary", "")
        what = AlertChanged(name=alert.name, labels=labels, state=state, since=since, summary=summary)
        yield f"alert {alert.labels} {state} {since.isoformat()}", what
