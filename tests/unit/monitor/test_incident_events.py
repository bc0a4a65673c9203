"""What hosts and services go through while an incident is open is in its timeline, once, whoever watches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from lilfox_tui.alerts.model import Acknowledgement, Alert, Alerts, AlertState
from lilfox_tui.config.model import AlertsConfig, Config
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import tr
from lilfox_tui.incident.incidents import close, current, entries, list_incidents, open_incident, read_incident
from lilfox_tui.incident.model import AlertChanged, IncidentOpened, Noticed, NotRecorded, find
from lilfox_tui.incident.reducer import event_text, impact
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.incident_events import _changes
from lilfox_tui.monitor.model import Overview, StatusChange
from lilfox_tui.monitor.monitor import Monitor
from lilfox_tui.monitor.raised_levels import raised
from lilfox_tui.monitor.watchers.incident import IncidentWatch
from tests.app.overviews import mixed


@pytest.fixture(autouse=True)
def _own_incidents(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.core.paths._SYSTEM", str(own_folders / "system"))
    monkeypatch.delenv("LILFOX_INCIDENT", raising=False)


class Watcher:
    """One LilFox, and what it has noticed."""

    def __init__(self, late_s: float = 0.0) -> None:
        self.changes: list[StatusChange] = []
        self.late = timedelta(seconds=late_s)
        self.overview: Overview | None = None
        self.watch = IncidentWatch(lambda: None, lambda: self.changes, lambda: None, (), lambda: self.overview)

    def look(self, *kinds: str, subject: str = "host/web-1") -> None:
        """Notices these, and looks as often as it takes until all is read again."""
        for kind in kinds:
            self.changes.append(change(kind, subject, self.late))
        for _time in range(3):
            self.watch.look(self.changes)


def change(kind: str, subject: str, late: timedelta = timedelta()) -> StatusChange:
    """``lost``, ``back``, ``restarted``, ``unit nginx bad``, ``failing``, ``degraded``, ``good``; the reason is another
    one each time."""
    at = datetime.now(UTC) + late
    reason = tr("{kind}: {at}", kind=kind, at=at)
    if kind.startswith("unit"):
        level = Level.GOOD if kind.endswith("good") else Level.DEGRADED
        return StatusChange(at, subject, reason, level, kind.rpartition(" ")[0])
    levels = {"failing": Level.FAILING, "degraded": Level.DEGRADED, "good": Level.GOOD, "lost": Level.FAILING}
    return StatusChange(
        at, subject, reason, levels.get(kind, Level.UNKNOWN), "level" if kind in levels and kind != "lost" else kind
    )


def told(incident: str) -> Sequence[str]:
    """What the timeline says, by the words before the reason."""
    found = [each.what for each in entries(incident) if isinstance(each.what, Noticed)]
    return [event_text(what).split(":")[1].strip() for what in found]


def test_it_is_told_once_however_many_watch_and_when_they_notice_it() -> None:
    incident = open_incident("errors").id
    one, other = Watcher(), Watcher(late_s=20)
    for watcher in (one, other):
        watcher.look()
    for kind in ("lost", "back", "restarted", "unit nginx bad", "unit nginx good"):
        one.look(kind)
        other.look(kind)
    assert told(incident) == ["lost", "back", "restarted", "unit nginx bad", "unit nginx good"]
    assert all(each.by == "lilfox" for each in entries(incident)[1:])


def test_what_went_and_came_back_twice_is_told_twice_also_by_one_who_sees_it_later() -> None:
    incident = open_incident("errors").id
    one, other = Watcher(), Watcher(late_s=5)
    other.look()
    one.look("lost", "back", "lost", "back")
    other.look("lost", "back", "lost", "back")
    assert told(incident) == ["lost", "back", "lost", "back"]
    other.look("lost")
    one.look("lost")
    assert told(incident) == ["lost", "back", "lost", "back", "lost"]


def test_one_who_begins_to_watch_later_does_not_tell_again_what_is_so() -> None:
    incident = open_incident("errors").id
    Watcher().look("lost")
    late = Watcher(late_s=3600)
    late.look("lost")
    late.look("failing", subject="service/backend")
    Watcher(late_s=7200).look("failing", subject="service/backend")
    assert told(incident) == ["lost", "failing"]


def test_a_service_tells_each_level_and_a_host_only_that_it_fails() -> None:
    incident = open_incident("errors").id
    watcher = Watcher()
    watcher.look("degraded", "failing", "good", subject="service/backend")
    watcher.look("degraded", "good", "failing", "degraded", "good", subject="host/web-1")
    watcher.look("failing", subject="plan/nightly")
    watcher.look("interface veth1", "mount /run/x", "disk sdb")
    assert told(incident) == ["degraded", "failing", "good", "failing", "degraded"]


def test_what_was_before_it_was_opened_or_after_its_end_is_none_of_it() -> None:
    watcher = Watcher()
    watcher.look("lost")
    first = open_incident("errors")
    watcher.look("back")
    close(Path(first.folder), "a restart helped")
    watcher.look("lost")
    second = open_incident("again").id
    watcher.look("back")
    assert (told(first.id), told(second)) == (["back"], ["back"])


def test_what_could_not_be_written_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    incident = open_incident("errors").id
    watcher = Watcher()
    watcher.look()
    with monkeypatch.context() as patched:

        def full(*_args: object, **_named: object) -> None:
            raise NotRecorded(tr("the disk is full"))

        patched.setattr("lilfox_tui.monitor.incident_events.append_in", full)
        with pytest.raises(NotRecorded):
            watcher.look("lost")
    watcher.look()
    assert told(incident) == ["lost"]


# What was bad already when it was opened is in it too, from when it became so.


def now_bad(ago_s: float = 0.0, **levels: Level) -> Overview:
    """An overview of now in which the services of these names have been so for so long."""
    now = datetime.now(UTC)
    seen = mixed()
    since = now - timedelta(seconds=ago_s)
    return replace(
        seen,
        at=now,
        hosts={},
        backends={},
        services={
            name: replace(seen.services["gateway"], name=name, level=level, since=since, reasons=(tr("5xx 43% > 5%"),))
            for name, level in levels.items()
        },
    )


def since(incident: str) -> list[datetime]:
    return [each.what.since for each in entries(incident) if isinstance(each.what, Noticed)]


def test_what_was_bad_when_it_was_opened_is_in_it_from_when_it_became_so() -> None:
    watcher = Watcher()
    watcher.look("failing", "good", "degraded", "failing", "degraded", "failing", subject="service/backend")
    watcher.look("failing", "good", subject="service/model")
    before = [each.at for each in watcher.changes if each.subject == "service/backend"][2:]
    watcher.overview = now_bad(backend=Level.FAILING, model=Level.GOOD)
    incident = open_incident("errors").id
    watcher.look()
    assert told(incident) == ["degraded", "failing"], "the first and the last since it was good"
    assert since(incident) == [before[0], before[-1]]
    watcher.look("good", subject="service/backend")
    assert told(incident) == ["degraded", "failing", "good"]
    detected = impact(read_incident(find(incident)), entries(incident))["detected"]
    assert (detected.when, detected.subject) == (before[0], "backend")


def test_what_was_never_seen_to_become_bad_is_in_it_with_the_time_of_what_it_says() -> None:
    """It was so when the console began."""
    watcher = Watcher()
    watcher.overview = now_bad(90, backend=Level.FAILING, gateway=Level.DEGRADED, model=Level.UNKNOWN)
    incident = open_incident("errors").id
    watcher.look()
    texts = [event_text(each.what) for each in entries(incident)[1:]]
    at = f"(at {watcher.overview.at:%H:%M:%S})"
    assert texts == [f"backend: failing: 5xx 43% > 5% {at}", f"gateway: degraded: 5xx 43% > 5% {at}"]
    assert since(incident) == [each.since for each in list(watcher.overview.services.values())[:2]]


async def test_the_monitor_tells_what_it_shows() -> None:
    monitor = Monitor(Config(), at_once=False)
    monitor.overview.publish(now_bad(2, backend=Level.FAILING))
    incident = open_incident("errors").id
    for _time in range(2):
        monitor.incidents.look()
    assert told(incident) == ["failing"]


def test_a_level_that_only_an_alert_gives_is_not_in_it_beside_the_alert() -> None:
    """No change would ever tell that it is over: what is measured was good all the while."""
    watcher = Watcher()
    seen = now_bad(90, backend=Level.GOOD, model=Level.DEGRADED)
    fires = replace(ALERT, labels=(("alertname", "Down"), ("service", "backend"), ("severity", "critical")))
    watcher.overview = raised(replace(seen, alerts=Ready(Alerts(seen.at, (), (fires,)))))
    assert watcher.overview.services["backend"].level is Level.FAILING
    incident = open_incident("errors").id
    watcher.look()
    noticed = [each.what.subject for each in entries(incident) if isinstance(each.what, Noticed)]
    assert noticed == ["service/model"]


def test_a_lost_host_is_in_it_and_one_that_is_busy_is_not() -> None:
    watcher = Watcher()
    watcher.overview = mixed()
    incident = open_incident("errors").id
    watcher.look()
    assert watcher.overview.hosts["db-1"].level is Level.DEGRADED
    hosts = [each.what for each in entries(incident) if isinstance(each.what, Noticed) and "host/" in each.what.subject]
    assert [(each.subject, each.kind) for each in hosts] == [("host/model-1", "lost")]


def test_it_is_told_once_that_something_was_bad_however_many_watch() -> None:
    one, other = Watcher(), Watcher(late_s=1)
    one.look("degraded", "failing", subject="service/backend")
    other.look("failing", subject="service/backend")
    one.overview, other.overview = now_bad(backend=Level.FAILING), now_bad(backend=Level.FAILING)
    incident = open_incident("errors").id
    one.look()
    other.look()
    late = Watcher(late_s=3600)
    late.overview = now_bad(0, backend=Level.FAILING)
    late.look()
    assert told(incident) == ["degraded", "failing"]
    late.overview = now_bad(0, model=Level.FAILING)
    late.look()
    assert told(incident) == ["degraded", "failing"], "what has just become so is told as a change"
    assert late.overview is not None
    late.overview = replace(late.overview, at=late.overview.at + timedelta(seconds=11))
    late.look()
    assert told(incident) == ["degraded", "failing", "failing"], "it was so before this console began"


# An alert that the configuration names opens an incident: one, once for each time that it fires.


FIRED = datetime.now(UTC) - timedelta(minutes=3)
ALERT = Alert(
    labels=(("alertname", "DatabaseDown"), ("job", "postgres"), ("severity", "Critical")),
    annotations=(),
    state=AlertState.FIRING,
    active_at=FIRED - timedelta(minutes=5),
    value=0.0,
    fired_at=FIRED,
)


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
    assert opened.cause == opened.title
    assert isinstance(fired, AlertChanged)
    assert (fired.name, fired.state) == ("DatabaseDown", "firing")


@pytest.mark.parametrize(("ago_s", "is_later"), [(2, False), (180, True)])
def test_what_an_alert_says_later_is_not_told_as_if_it_had_said_so_when_it_fired(ago_s: int, is_later: bool) -> None:
    fired = datetime.now(UTC) - timedelta(seconds=ago_s)
    alert = replace(ALERT, fired_at=fired, active_at=fired, annotations=(("summary", "100% of requests fail"),))
    look(alert)
    incident = current()
    assert incident is not None
    told = entries(incident.id)[1].what
    assert isinstance(told, AlertChanged)
    assert (told.as_of is not None) == is_later
    assert told.as_of is None or told.as_of - fired > timedelta(seconds=ago_s - 1)
    assert ("100% of requests fail (at " in event_text(told)) == is_later


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


@pytest.mark.parametrize(("no_data_since", "told"), [(None, "resolved"), (FIRED, "no data")])
def test_an_alert_that_ended_for_want_of_data_is_not_told_as_resolved(
    no_data_since: datetime | None, told: str
) -> None:
    ended = replace(
        ALERT, state=AlertState.RESOLVED, resolved_at=FIRED + timedelta(minutes=1), no_data_since=no_data_since
    )
    [(_once, changed)] = _changes(Alerts(FIRED, (), (ended,)))
    assert (changed.state, changed.since) == (told, FIRED + timedelta(minutes=1))


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
