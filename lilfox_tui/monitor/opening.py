"""An incident that is opened by an alert, where the configuration says which: once for each time that it fires."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from lilfox_tui.alerts.model import Alert, AlertState, worst_first
from lilfox_tui.incident.folder import IncidentError, incidents_in, own_path
from lilfox_tui.incident.incidents import open_incident, read_timeline
from lilfox_tui.incident.model import AlertChanged, SeverityLevel

BY = "lilfox monitor"
_SAME_WITHIN = timedelta(seconds=60)
"""A time of firing that differs by less is the same: it may have been asked for elsewhere."""
_LOOKED_AT = 50
"""The newest incidents, in which it may be told already."""
_CRITICAL = 3


def that_open(alerts: Iterable[Alert], words: Sequence[str]) -> Iterator[Alert]:
    """Those that fire, that nobody has acknowledged or silenced, and whose severity or name is one of ``words``; the
    worst first."""
    wanted = {word.lower() for word in words}
    for alert in worst_first(alerts):
        if alert.state is not AlertState.FIRING or alert.silenced_by or alert.acknowledged is not None:
            continue
        if alert.name in words or alert.severity.lower() in wanted - {""}:
            yield alert


def told_before(alert: Alert) -> bool:
    """Whether an incident of this place was open while it fired already: somebody has closed it, and knows. Blocks."""
    place = own_path()
    labels = {name: value for name, value in alert.labels if name != "alertname"}
    for folder in [] if place is None else incidents_in(place)[:_LOOKED_AT]:
        with suppress(IncidentError):
            for entry in read_timeline(folder).entries:
                what = entry.what
                if isinstance(what, AlertChanged) and what.state == "firing" and _same(what, alert, labels):
                    return True
    return False


def open_for(alert: Alert) -> Path:
    """The folder of the incident that is opened for it; of one that somebody else has just opened. Blocks. Raises
    NotRecorded."""
    subject = next(filter(None, map(alert.label, ("service", "job", "host", "instance"))), "")
    title = f"{alert.name}: {subject}" if subject else alert.name
    severity: SeverityLevel = "SEV-2" if alert.urgency == _CRITICAL else "SEV-3"
    return Path(open_incident(title, severity, alert.name, BY, unless_open=True).folder)


def _same(told: AlertChanged, alert: Alert, labels: dict[str, str]) -> bool:
    since = alert.fired_at or alert.active_at
    return told.name == alert.name and told.labels == labels and abs(told.since - since) <= _SAME_WITHIN
