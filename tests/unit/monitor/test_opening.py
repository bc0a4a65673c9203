"""An alert that the configuration names opens an incident: one, once for each time that it fires."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import Acknowledgement, Alert, Alerts, AlertState
from lilfox_tui.config.model import AlertsConfig, Config
from lilfox_tui.core.aio import Ready
from lilfox_tui.incident.incidents import close, current, entries, list_incidents, open_incident
from lilfox_tui.incident.model import AlertChanged, IncidentOpened
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.watchers.incident import IncidentWatch

FIRED = datetime.now(UTC) - timedelta(minutes=3)
ALERT = Alert(
    labels=(("alertname", "DatabaseDown"), ("job", "postgres"), ("severity", "Critical")),
    annotations=(),
    state=AlertState.FIRING,
    active_at=FIRED - timedelta(minutes=5),
    value=0.0,
    fired_at=FIRED,
)


@pytest.fixture(autouse=True)
def _own_incidents(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.core.paths._SYSTEM", str(own_folders / "system"))
    monkeypatch.delenv("LILFOX_INCIDENT", raising=False)


def look(*alerts: Alert, words: Sequence[str] = ("critical",)) -> None:
    """One look of a LilFox that has just begun."""
    now = datetime.now(UTC)
    state = Ready(Alerts(now, (), alerts, ()), now)
    IncidentWatch(lambda: state, tuple, lambda: None, words).look()


def test_a_critical_alert_opens_one_with_its_name_and_is_in_it() -> None:
    look(ALERT)
    incident = current()
    assert incident is not None
    assert (incident.title, incident.severity, incident.leader) == ("DatabaseDown: postgres", "SEV-2", "lilfox monitor")
    opened, fired = (each.what for each in entries(incident.id))
    assert isinstance(opened, IncidentOpened)
    assert opened.cause == "DatabaseDown"
    assert isinstance(fired, AlertChanged)
    assert (fired.name, fired.state) == ("DatabaseDown", "firing")


def test_while_one_is_open_no_other_is_opened() -> None:
    mine = open_incident("by hand").id
    look(ALERT)
    look(ALERT)
    assert [each.id for each in list_incidents()] == [mine]


def test_closed_while_it_fires_it_stays_closed_until_it_fires_anew() -> None:
    look(ALERT)
    (first,) = list_incidents()
    close(Path(first.folder), "known")
    look(ALERT)
    look(replace(ALERT, fired_at=FIRED + timedelta(seconds=2)))
    assert current() is None
    look(replace(ALERT, fired_at=FIRED + timedelta(minutes=2)))
    again = current()
    assert again is not None
    assert again.id != first.id


@pytest.mark.parametrize("alert", [
    replace(ALERT, state=AlertState.PENDING, fired_at=None),
    replace(ALERT, state=AlertState.RESOLVED, resolved_at=FIRED),
    replace(ALERT, silenced_by=("somebody",)),
    replace(ALERT, acknowledged=Acknowledgement("kim", FIRED)),
    replace(ALERT, labels=(("alertname", "DatabaseDown"), ("severity", "warning"))),
    replace(ALERT, labels=(("alertname", "DatabaseDown"),)),
])  # fmt: skip
def test_what_opens_none(alert: Alert) -> None:
    look(alert)
    assert current() is None


def test_alerts_are_named_too_and_by_default_none_is() -> None:
    look(replace(ALERT, labels=(("alertname", "DatabaseDown"),)), words=["DatabaseDown"])
    incident = current()
    assert incident is not None
    assert (incident.title, incident.severity) == ("DatabaseDown", "SEV-3")
    close(Path(incident.folder), "over")
    look(replace(ALERT, fired_at=datetime.now(UTC)), words=())
    assert current() is None


@pytest.mark.parametrize(("acts", "read_only", "opens"), [
    (True, False, ("critical",)), (False, False, ()), (True, True, ()),
])  # fmt: skip
async def test_only_the_monitor_without_a_screen_opens_them(
    acts: bool, read_only: bool, opens: tuple[str, ...]
) -> None:
    config = Config(alerts=AlertsConfig(incident_on=("critical",)), read_only=read_only)
    assert Monitor(config, at_once=False, acts=acts).incidents.opened_by == opens
