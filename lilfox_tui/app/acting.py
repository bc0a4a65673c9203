"""Whether we act in the open incident, or somebody else does who took it over since."""

from __future__ import annotations

import os

from lilfox_tui.i18n import Message, tr
from lilfox_tui.monitor.model import IncidentView


class Acting:
    """Looks at each new state of the incident. Who takes it over before we first see it, takes nothing from us."""

    def __init__(self) -> None:
        self._who = ""
        self._process = 0, 0
        """In which they did so, where it stays: its pid, and when it started."""
        self._incident = ""
        self._seen = 0

    @property
    def taken_by(self) -> str:
        """Who took it over; empty while we may act, as when who took it over is gone."""
        pid, started = self._process
        if not pid:
            return self._who
        from lilfox_tui.jobs.reader import start_of

        return "" if start_of(pid) != started else self._who

    def look(self, view: IncidentView) -> Message | None:
        """What is to be told now that it is so."""
        incident = view.incident
        seen = self._seen if incident is not None and incident.id == self._incident else len(view.entries)
        if incident is None or incident.id != self._incident:
            self._who = ""
        self._incident, self._seen = ("" if incident is None else incident.id), len(view.entries)
        if incident is None or seen == len(view.entries):
            return None
        from lilfox_tui.incident.model import TookOver
        from lilfox_tui.jobs.reader import start_of

        taken = [entry for entry in view.entries[seen:] if isinstance(entry.what, TookOver)]
        if not taken:
            return None
        last = taken[-1]
        assert isinstance(last.what, TookOver)
        self._who = "" if last.what.process == os.getpid() else last.what.who or last.by
        self._process = last.what.process, start_of(last.what.process) or 0
        if not self._who:
            return None
        return tr("{who} took over {id}: you follow now; O in pane 4 takes it back", who=self._who, id=incident.id)
