"""Decides which status changes go into an incident's timeline, which of them another LilFox has already recorded, and
which alerts open an incident.

Whoever watches notices the same at a slightly other time, in other words and with another reason. So an entry of
another LilFox about the same, near in time, stands for one change of ours, and for one only: what went and came back
twice is told twice. What is so already by the last entry about it is not told again, however late one looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from lilfox_tui.alerts.model import Alert, Alerts, AlertState, Event, worst_first
from lilfox_tui.core.aio import Feed, Ready, State, Unavailable
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.paths import PolledFolders
from lilfox_tui.incident.incidents import append_in, current_folder, open_incident, read_timeline
from lilfox_tui.incident.model import (
    AlertChanged,
    AlertPast,
    Closed,
    IncidentError,
    Noticed,
    PastEvent,
    SeverityLevel,
    TimelineEntry,
    alert_title,
    all_folders,
    incidents_in,
    own_path,
)
from lilfox_tui.incident.reducer import fold
from lilfox_tui.incident.timeline import TimelineReader
from lilfox_tui.metrics.model import Labels, Level
from lilfox_tui.monitor.changes import lost_text
from lilfox_tui.monitor.export import Failures
from lilfox_tui.monitor.model import HostView, IncidentView, Overview, StatusChange, View

SAME_WITHIN = timedelta(seconds=60)
"""Two who watch notice the same within so long: they ask at other times and wait for as many failures each."""
_LEVELS: dict[Level, Literal["good", "degraded", "failing"]] = {
    Level.GOOD: "good",
    Level.DEGRADED: "degraded",
    Level.UNKNOWN: "degraded",
    Level.FAILING: "failing",
}
_LINK = ("lost", "back")
_TOLD_AT_ONCE = timedelta(seconds=10)
"""Within so long, what an alert says is what it said when it fired, and the same of what fails."""


class EventDedup:
    """Deduplicates status changes while one incident is open."""

    def __init__(self) -> None:
        self._seen: set[tuple[datetime, str, str, Level]] = set()
        self._claimed: set[int] = set()
        """Numbers of the entries that stand for changes of ours."""
        self._failing: set[str] = set()
        self._looked: Overview | None = None

    def missing(
        self,
        overview: Overview | None,
        changes: Sequence[StatusChange],
        opened: datetime,
        entries: Sequence[TimelineEntry],
    ) -> Iterator[tuple[str, StatusChange]]:
        """Yield how everything that is bad came to be so and is not in the timeline, with a key that is the same for
        every LilFox: the first and the last change since it was good, before the incident was ``opened``; without
        these, since when it is as it is. A level that only an alert or a client gives is no state of its own: the
        alert is in the timeline, and no change would tell the end of that level."""
        if overview is None or overview is self._looked:
            return
        noted = {what.subject for _number, what in _noticed(entries)}
        for subject, view in _bad(overview.measured):
            if subject in noted:
                continue
            since_good = _since_good(changes, subject)
            found = [each for each in since_good if each.at < opened and self._matters(each)]
            if not since_good and (view.since < opened or overview.at - view.since > _TOLD_AT_ONCE):
                found = [each for each in (_seen(subject, view, overview.at),) if self._matters(each)]
            for number, change in enumerate(found[:1] + found[1:][-1:]):
                yield f"noticed {subject} bad {number}", change
                if change.kind == "level" and change.level is Level.FAILING:
                    self._failing.add(subject)
        self._looked = overview

    def new(self, changes: Iterable[StatusChange], opened: datetime) -> Iterator[StatusChange]:
        """Yield the ``changes`` to record since ``opened``, when the incident was opened. A change counts as recorded
        once the caller requests the next one."""
        for change in changes:
            key = (change.at, change.subject, change.kind, change.level)
            if change.at < opened or key in self._seen:
                continue
            if self._matters(change):
                yield change
            self._seen.add(key)
            if change.kind == "level":
                (self._failing.add if change.level is Level.FAILING else self._failing.discard)(change.subject)

    def told(self, change: StatusChange, entries: Sequence[TimelineEntry]) -> bool:
        """Return whether another LilFox has already recorded the change; the entry found is not matched with any other
        change."""
        about = [(number, what) for number, what in _noticed(entries) if _topic(what) == _topic(event_of(change))]
        if about and change.kind != "restarted" and _way(about[-1][1]) == _way(event_of(change)):
            self._claimed.add(about[-1][0])
            return True
        for number, what in about:
            near = abs(what.since - change.at) <= SAME_WITHIN
            if near and number not in self._claimed and _way(what) == _way(event_of(change)):
                self._claimed.add(number)
                return True
        return False

    def claim(self, entry: TimelineEntry) -> None:
        """Mark ``entry`` as the record of one of our changes."""
        self._claimed.add(entry.number)

    def _matters(self, change: StatusChange) -> bool:
        """Return whether a change belongs in the timeline. Excluded are level changes of hosts other than failures and
        recoveries from them (the load can be seen in the metrics), mounts, disks and interfaces (they come and go with
        every container), and backup plans (their jobs record themselves)."""
        kind = change.subject.partition("/")[0]
        if kind == "plan" or change.kind.startswith(("mount ", "disk ", "interface ")):
            return False
        if kind != "host" or change.kind != "level":
            return True
        return change.level is Level.FAILING or change.subject in self._failing


def event_of(change: StatusChange) -> Noticed:
    """Return the change as a timeline event."""
    return Noticed(
        subject=change.subject, kind=change.kind, level=_LEVELS[change.level], text=str(change.what), since=change.at
    )


def once_of(change: StatusChange, entries: Sequence[TimelineEntry]) -> str:
    """Return a key that is the same for every LilFox that is about to record this change now."""
    event = event_of(change)
    before = sum(_topic(what) == _topic(event) for _number, what in _noticed(entries))
    return f"noticed {change.subject} {change.kind} {_way(event)} {before}"


def _bad(overview: Overview) -> Iterator[tuple[str, View]]:
    """Yield the hosts, services and backends that are failing or degraded, as the subjects of changes."""
    of_kind: dict[str, Mapping[str, View]] = {
        "host": overview.hosts, "service": overview.services, "backend": overview.backends
    }  # fmt: skip
    for kind, views in of_kind.items():
        for name, view in views.items():
            if view.level in (Level.FAILING, Level.DEGRADED):
                yield f"{kind}/{name}", view


def _since_good(changes: Iterable[StatusChange], subject: str) -> list[StatusChange]:
    """Return the changes of a subject since it was good or reachable again."""
    found: list[StatusChange] = []
    for change in changes:
        if change.subject == subject and change.kind in ("level", *_LINK):
            found = [] if change.level is Level.GOOD or change.kind == "back" else [*found, change]
    return found


def _seen(subject: str, view: View, now: datetime) -> StatusChange:
    """Return how something is that was never seen to become so; with the time of what it says, if that is later."""
    if isinstance(view, HostView) and isinstance(view.link, Unavailable):
        return StatusChange(min(view.link.since, now), subject, lost_text(view, view.link.error), Level.FAILING, "lost")
    why: Message | str = view.reasons[0] if view.reasons else ""
    if now - view.since > _TOLD_AT_ONCE:
        why = tr("{what} (at {time})", what=why, time=f"{now:%H:%M:%S}")
    text = tr("failing: {why}", why=why) if view.level is Level.FAILING else tr("degraded: {why}", why=why)
    return StatusChange(min(view.since, now), subject, text, view.level, "level")


def _noticed(entries: Iterable[TimelineEntry]) -> Iterator[tuple[int, Noticed]]:
    return ((entry.number, entry.what) for entry in entries if isinstance(entry.what, Noticed))


def _topic(what: Noticed) -> tuple[str, str]:
    """Return the topic of an event: the newest event of a topic describes its current state."""
    return what.subject, "link" if what.kind in _LINK else what.kind


def _way(what: Noticed) -> str:
    return what.kind if what.kind in _LINK else what.level


# An incident that is opened by an alert, where the configuration says which: once for each time that it fires.


BY = "lilfox monitor"
_SAME_FIRING_WITHIN = timedelta(seconds=60)
"""A time of firing that differs by less is the same: it may have been asked for elsewhere."""
_LOOKED_AT = 50
"""The newest incidents, in which it may be told already."""
_CRITICAL = 3


def alerts_that_open(alerts: Iterable[Alert], words: Sequence[str]) -> Iterator[Alert]:
    """Yield alerts that fire, are neither acknowledged nor silenced, and whose severity or name is one of ``words``;
    worst first."""
    wanted = {word.lower() for word in words}
    for alert in worst_first(alerts):
        if alert.state is not AlertState.FIRING or alert.silenced_by or alert.acknowledged is not None:
            continue
        if alert.name in words or alert.severity.lower() in wanted - {""}:
            yield alert


def already_recorded(alert: Alert) -> bool:
    """Return whether a recent incident on this machine already records this firing of the alert: whoever closed that
    incident knew of it. Blocks."""
    place = own_path()
    labels = {name: value for name, value in alert.labels if name != "alertname"}
    for folder in [] if place is None else incidents_in(place)[:_LOOKED_AT]:
        with suppress(IncidentError):
            for entry in read_timeline(folder).entries:
                what = entry.what
                if isinstance(what, AlertChanged) and what.state == "firing" and _same_alert(what, alert, labels):
                    return True
    return False


def open_for_alert(alert: Alert) -> Path:
    """Open an incident for the alert and return its folder, or that of an incident opened just before. Blocks. Raises
    NotRecorded."""
    title = alert_title(alert.name, dict(alert.labels))
    severity: SeverityLevel = "SEV-2" if alert.urgency == _CRITICAL else "SEV-3"
    return Path(open_incident(title, severity, title, BY, unless_open=True).folder)


def _same_alert(told: AlertChanged, alert: Alert, labels: dict[str, str]) -> bool:
    since = alert.fired_at or alert.active_at
    return told.name == alert.name and told.labels == labels and abs(told.since - since) <= _SAME_FIRING_WITHIN


# What is written into the incident that is open, and what is shown of it.


WRITTEN_BY = "lilfox"
_PAST = 20
"""Events of an alert that an incident keeps from before it."""


class IncidentFollower:
    """Records changes of alerts and of monitored hosts and services in the current incident, and publishes the incident
    in ``feed``. The arguments are those of ``watchers.incident.IncidentWatch``."""

    def __init__(
        self,
        feed: Feed[IncidentView],
        alerts: Callable[[], State[Alerts] | None],
        changed: Callable[[], None],
        opened_by: Sequence[str],
        overview: Callable[[], Overview | None] = lambda: None,
        past: Callable[[], Sequence[Event]] = tuple,
    ) -> None:
        self._feed, self._alerts, self._changed, self._opened_by = feed, alerts, changed, opened_by
        self._overview, self._past = overview, past
        self.folder: Path | None = None
        """That of the current incident."""
        self._places = PolledFolders(all_folders)
        self._closed: set[tuple[Labels, datetime | None]] = set()
        """Alerts, with when they fired, whose incident somebody has closed."""
        self._reader: TimelineReader | None = None
        self._entries: tuple[TimelineEntry, ...] = ()
        self._noticing: EventDedup | None = None
        self._told: set[str] = set()
        """What was written of alerts already; whoever else watches writes each once, too."""

    def look(self, happened: Sequence[StatusChange] = ()) -> None:
        """Run once: record changes of alerts and those in ``happened``, read new entries, and publish changes.
        Blocks."""
        folder = current_folder(places=self._places.now()) or self._opened()
        if folder != self.folder or self._feed.value is None:
            self.folder, self._entries, self._told = folder, (), set()
            self._reader, self._noticing = None if folder is None else TimelineReader(folder), EventDedup()
            if folder is None or self._feed.value is None:
                self._feed.publish(IncidentView(datetime.now(UTC)))
            self._changed()
        if folder is None or self._reader is None:
            return
        self._record(folder)
        if self._reader.grown() and (new := self._reader.read()):
            self._entries = (*self._entries, *new)
            incident = fold(self._entries, folder)
            self._feed.publish(IncidentView(datetime.now(UTC), incident, self._entries))
        self._notice(folder, happened)  # with what others wrote until now

    def _opened(self) -> Path | None:
        """Open an incident for the first firing alert that opens one and is not recorded yet; return its folder."""
        state = self._alerts() if self._opened_by else None
        if not isinstance(state, Ready):
            return None
        for alert in alerts_that_open(state.value.alerts, self._opened_by):
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
        opened = self._entries[0].at if self._entries else None
        for once, what in _changes(state.value):
            if once in self._told:
                continue
            over = what.state != "firing" and (opened is None or what.since < opened)
            if not over:  # what was over before it was opened is none of it
                append_in(folder, what, by=WRITTEN_BY, once=once)
                self._recall(folder, what)
            self._told.add(once)

    def _recall(self, folder: Path, what: AlertChanged) -> None:
        """Record what happened to an alert before it fired this time."""
        if what.state != "firing":
            return
        labels = tuple(sorted({**what.labels, "alertname": what.name}.items()))
        before = [each for each in self._past() if each.labels == labels and each.at < what.since]
        if before:
            events = tuple(PastEvent(each.at, each.kind, each.lasted_s, each.by, each.note) for each in before[:_PAST])
            past = AlertPast(name=what.name, labels=what.labels, events=events[::-1])
            append_in(folder, past, by=WRITTEN_BY, once=f"alert history {labels}")

    def _notice(self, folder: Path, happened: Sequence[StatusChange]) -> None:
        if self._noticing is None or not self._entries:
            return
        entries, opened = list(self._entries), self._entries[0].at
        for once, change in self._noticing.missing(self._overview(), happened, opened, entries):
            entries.append(append_in(folder, event_of(change), by=WRITTEN_BY, once=once))
            self._noticing.claim(entries[-1])
        for change in self._noticing.new(happened, opened):
            if not self._noticing.told(change, entries):
                entries.append(append_in(folder, event_of(change), by=WRITTEN_BY, once=once_of(change, entries)))
                self._noticing.claim(entries[-1])


def _changes(alerts: Alerts) -> Iterator[tuple[str, AlertChanged]]:
    """Yield the state of each alert, with a key that stays the same as long as the state does. The operator's actions
    are recorded where they are made (``alerts/silences.py``)."""
    now = alerts.at
    for alert in alerts.alerts:
        if alert.fired_at is None:
            continue
        over: Literal["resolved", "no data"] = "resolved" if alert.no_data_since is None else "no data"
        state = over if alert.is_resolved else "firing"
        since = alert.fired_at if alert.resolved_at is None else alert.resolved_at
        labels = {name: value for name, value in alert.labels if name != "alertname"}
        summary = dict(alert.annotations).get("summary", "")
        later = state == "firing" and summary and now - since > _TOLD_AT_ONCE
        what = AlertChanged(
            name=alert.name, labels=labels, state=state, since=since, summary=summary, as_of=now if later else None
        )
        yield f"alert {alert.labels} {state} {since.isoformat()}", what


# What an incident keeps when it is closed.


def closed_with(found: Failures, follow_up: str = "") -> Closed:
    """What the timeline keeps of ``found``."""
    now = found.at or datetime.now(UTC)
    lines = tuple(each.line(now) for each in found.failing)
    return Closed(summary="", failing=lines, not_known=found.unknown, checked=found.at, follow_up=follow_up)
