"""What alerts do while an incident is open is in its timeline, once, whoever watches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import Acknowledgement, Alert, Alerts, AlertState, Event
from lilfox_tui.core.aio import Ready
from lilfox_tui.incident.incidents import close, entries, open_incident
from lilfox_tui.incident.model import AlertChanged, AlertPast, PastEvent
from lilfox_tui.monitor.watchers.incident import IncidentWatch

FIRED = datetime.now(UTC) - timedelta(minutes=3)
ALERT = Alert(
    labels=(("alertname", "HighErrorRate"), ("job", "backend")),
    annotations=(("summary", "31 % of all requests fail"),),
    state=AlertState.FIRING,
    active_at=FIRED - timedelta(minutes=5),
    value=0.31,
    fired_at=FIRED,
)


class Watched:
    """A watch, and the alerts that it is told."""

    def __init__(self) -> None:
        self.alerts: tuple[Alert, ...] = ()
        self.changes = 0
        self.past: tuple[Event, ...] = ()
        self.watch = IncidentWatch(self._state, tuple, self._changed, past=lambda: self.past)

    def look(self, *alerts: Alert) -> None:
        """One look while these are there."""
        self.alerts = alerts
        self.watch.look()

    def _state(self) -> Ready[Alerts]:
        now = datetime.now(UTC)
        return Ready(Alerts(now, (), self.alerts, ()), now)

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return Watched()


def told(incident: str) -> Sequence[str]:
    """What is said of alerts in the timeline."""
    return [f"{one.what.name} {one.what.state}" for one in entries(incident) if isinstance(one.what, AlertChanged)]


def test_while_no_incident_is_open_nothing_is_written_and_that_is_told(watched: Watched) -> None:
    watched.look(ALERT)
    assert watched.watch.feed.value is not None
    assert watched.watch.feed.value.incident is None


def test_what_an_alert_does_is_written_once_however_many_watch(watched: Watched) -> None:
    incident = open_incident("errors").id
    other = Watched()
    acknowledged = replace(ALERT, acknowledged=Acknowledgement("kim", FIRED + timedelta(minutes=1)))
    gone = replace(ALERT, state=AlertState.RESOLVED, resolved_at=datetime.now(UTC))
    for alert in (ALERT, ALERT, acknowledged, gone):
        watched.look(alert)
        other.look(alert)
    assert told(incident) == ["HighErrorRate firing", "HighErrorRate resolved"]
    found = watched.watch.feed.value
    assert found is not None
    assert found.incident is not None
    assert (found.incident.id, len(found.entries)) == (incident, 3)


def test_what_was_over_before_it_was_opened_is_none_of_it(watched: Watched) -> None:
    incident = open_incident("errors").id
    pending = replace(ALERT, state=AlertState.PENDING, fired_at=None)
    watched.look()
    watched.look(replace(ALERT, state=AlertState.RESOLVED, resolved_at=FIRED + timedelta(minutes=1)), pending)
    assert told(incident) == []


def test_when_it_is_closed_another_one_begins_anew(watched: Watched) -> None:
    first = open_incident("errors")
    watched.look(ALERT)
    close(Path(first.folder), "a restart helped")
    watched.look(ALERT)
    assert watched.watch.feed.value is not None
    assert watched.watch.feed.value.incident is None
    second = open_incident("again").id
    watched.look(ALERT)
    assert told(second) == ["HighErrorRate firing"]
    assert watched.changes == 3


def test_what_happened_to_an_alert_before_it_fired_this_time_is_kept_once(watched: Watched) -> None:
    """Oldest first; neither this firing, nor what happened to other alerts."""
    incident = open_incident("errors").id
    before = FIRED - timedelta(hours=1)
    watched.past = (
        Event(FIRED + timedelta(minutes=1), "acknowledged", ALERT.labels, by="ann"),
        Event(FIRED, "fired", ALERT.labels),
        Event(before + timedelta(minutes=5), "resolved", ALERT.labels, lasted_s=300.0),
        Event(before, "fired", (("alertname", "HighErrorRate"), ("job", "other"))),
        Event(before, "fired", ALERT.labels),
    )
    for _time in range(3):
        watched.look(ALERT)

    (past,) = [one.what for one in entries(incident) if isinstance(one.what, AlertPast)]
    assert (past.name, past.labels) == ("HighErrorRate", {"job": "backend"})
    assert past.events == (PastEvent(before, "fired"), PastEvent(before + timedelta(minutes=5), "resolved", 300.0))


def test_an_alert_without_a_history_leaves_none(watched: Watched) -> None:
    incident = open_incident("errors").id
    watched.past = (Event(FIRED, "fired", ALERT.labels),)
    watched.look(ALERT)

    assert [one.what for one in entries(incident) if isinstance(one.what, AlertPast)] == []
