"""The open incident as the Runbook pane shows it: its lines, the selected one, and how it was at an earlier time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lilfox_tui.app.rows.incidents import as_it_was
from lilfox_tui.incident.model import AlertChanged, Incident, TimelineEntry, alert_subject
from lilfox_tui.incident.reducer import TimelineItem, timeline_items
from lilfox_tui.monitor.model import IncidentView


class IncidentTimeline:
    """The timeline of the current incident."""

    def __init__(self) -> None:
        self.view: IncidentView | None = None
        """The newest one of the monitor."""
        self.until: datetime | None = None
        """The time of a rewound screen."""
        self.entry: int | None = None
        """The number of the selected entry; None for the newest."""
        self._then: tuple[object, tuple[Incident, Sequence[TimelineEntry]] | None] = (None, None)
        self._items: tuple[TimelineItem, ...] = ()

    @property
    def then(self) -> tuple[Incident, Sequence[TimelineEntry]] | None:
        """The incident and its entries, as they were ``until``; None if there was none. The same object while nothing
        changes."""
        view, until = self.view, self.until
        if self._then[0] != (view, until):
            found = None
            if view is not None and view.incident is not None:
                known = view.incident, view.entries
                found = known if until is None else as_it_was(*known, until)
            self._then = (view, until), found
            self._items = () if found is None else timeline_items(found[1])
        return self._then[1]

    @property
    def items(self) -> tuple[TimelineItem, ...]:
        """The lines, those of one command together."""
        return () if self.then is None else self._items

    @property
    def alerts(self) -> set[str]:
        """The names of the alerts of the incident."""
        entries = () if self.then is None else self.then[1]
        return {each.what.name for each in entries if isinstance(each.what, AlertChanged)}

    @property
    def subjects(self) -> tuple[str, ...]:
        """The services and hosts that the alerts of the incident are about, in the order in which they came."""
        entries = () if self.then is None else self.then[1]
        found = (alert_subject(each.what.labels) for each in entries if isinstance(each.what, AlertChanged))
        return tuple(dict.fromkeys(filter(None, found)))

    @property
    def entry_at(self) -> int:
        """The index of the selected line; -1 if there is none."""
        items = self.items
        return next((at for at, each in enumerate(items) if each.number == self.entry), len(items) - 1)

    @property
    def selected(self) -> TimelineItem | None:
        """The selected line."""
        return self.items[self.entry_at] if self.items else None

    def choose(self, at: int) -> None:
        """Selects a line by its index; the last one goes along with what is written."""
        if items := self.items:
            at = max(0, min(len(items) - 1, at))
            self.entry = None if at == len(items) - 1 else items[at].number
