"""The alerts as they were, for a screen that is turned back: a state is kept where something in it changed."""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alerts

KEPT = 2000
ALERTS_KEPT = 50_000
"""In all states together: some 20 MB."""


class PastAlerts:
    """The newest KEPT states that differ, and fewer where they hold many alerts."""

    def __init__(self) -> None:
        self._times: list[datetime] = []
        self._states: list[Alerts] = []

    def keep(self, alerts: Alerts) -> None:
        """Takes a new state in."""
        if self._states and signature(self._states[-1]) == signature(alerts):
            return
        if self._times and alerts.at < self._times[-1]:  # the clock was set back
            place = bisect_right(self._times, alerts.at)
            del self._times[place:], self._states[place:]
        self._times.append(alerts.at)
        self._states.append(alerts)
        first, count = max(0, len(self._states) - KEPT), sum(len(each.alerts) for each in self._states)
        while count > ALERTS_KEPT and first < len(self._states) - 1:
            count -= len(self._states[first].alerts)
            first += 1
        del self._times[:first], self._states[:first]

    def at(self, at: datetime) -> Alerts | None:
        """The state at that time (aware UTC); None before the first."""
        place = bisect_right(self._times, at)
        return self._states[place - 1] if place else None


def signature(alerts: Alerts) -> object:
    """What makes a state another one: which alerts, who has seen them, what silences them, how the rules do. Not their
    values."""
    found = tuple(
        (one.rule, one.labels, one.state, one.active_at, one.acknowledged, one.silenced_by) for one in alerts.alerts
    )
    silences = tuple((one.id, one.ends_at) for one in alerts.silences)
    return found, silences, tuple((one.key, one.health) for one in alerts.rules), tuple(map(str, alerts.troubles))
