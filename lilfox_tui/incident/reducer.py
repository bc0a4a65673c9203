"""Reduces the events of a timeline to an incident. An end without its beginning changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from lilfox_tui.i18n import tr
from lilfox_tui.incident.folder import IncidentError
from lilfox_tui.incident.model import (
    AlertChanged,
    Changed,
    Closed,
    Graded,
    Incident,
    IncidentOpened,
    JobBegan,
    JobEnded,
    Marked,
    Moment,
    Reopened,
    Reverted,
    RoleAssigned,
    SeverityLevel,
    StepBegan,
    StepEnded,
    TimelineEntry,
    TookOver,
)

MOMENTS: tuple[Moment, ...] = ("detected", "acknowledged", "mitigated", "resolved")


class Impact(Struct, frozen=True):
    """When one of the four moments was. ``told``: somebody said so; else it follows from alerts or from the incident's
    own opening and end."""

    when: datetime
    told: bool


def fold(entries: Sequence[TimelineEntry], folder: Path) -> Incident:
    """The incident that ``entries``, all of ``folder``'s timeline, tell of. Raises IncidentError where there are
    none."""
    if not entries:
        raise IncidentError(
            tr("{folder}: the timeline has no entry that can be read", folder=folder),
            tr("see what is there: lilfox incident verify {id}", id=folder.name),
        )
    first = entries[0]
    state = _State(first.what.title if isinstance(first.what, IncidentOpened) else "?", first)
    for entry in entries:
        state.take(entry)
    return Incident(
        id=folder.name,
        folder=str(folder),
        title=state.title,
        severity=state.severity,
        opened=first.at,
        closed=state.closed,
        roles=state.roles,
        leader=state.leader,
        moments=state.moments,
        in_force=state.in_force,
        jobs=state.jobs,
        steps=state.steps,
        entries=len(entries),
        changed=entries[-1].at,
    )


def is_open(entries: Sequence[TimelineEntry]) -> bool:
    """Whether the last of what opens and closes says so."""
    for entry in reversed(entries):
        if isinstance(entry.what, IncidentOpened | Closed | Reopened):
            return not isinstance(entry.what, Closed)
    return True


def still_in_force(incident: Incident, now: datetime) -> list[Changed]:
    """Changes that nothing reverted and that have not ended by themselves, the oldest first."""
    return [change for change in incident.in_force.values() if change.ends is None or change.ends > now]


def impact(incident: Incident, entries: Sequence[TimelineEntry]) -> dict[Moment, Impact]:
    """The moments that are known, in their order."""
    found: dict[Moment, Impact] = {moment: Impact(when, True) for moment, when in incident.moments.items()}
    alerts = [entry.what for entry in entries if isinstance(entry.what, AlertChanged)]
    firing = [alert.since for alert in alerts if alert.state == "firing"]
    seen = [
        entry.at for entry in entries if isinstance(entry.what, AlertChanged) and entry.what.state == "acknowledged"
    ]
    found.setdefault("detected", Impact(min([incident.opened, *firing]), False))
    if seen:
        found.setdefault("acknowledged", Impact(seen[0], False))
    if incident.closed is not None:
        found.setdefault("resolved", Impact(incident.closed, False))
    return {moment: found[moment] for moment in MOMENTS if moment in found}


class _State:
    """An incident while its entries are taken one by one."""

    def __init__(self, title: str, first: TimelineEntry) -> None:
        self.title = title
        self.severity: SeverityLevel = "SEV-3"
        self.closed: datetime | None = None
        self.leader = first.by
        self.roles: dict[str, str] = {}
        self.moments: dict[Moment, datetime] = {}
        self.in_force: dict[str, Changed] = {}
        self.jobs: dict[str, JobBegan] = {}
        self.steps: dict[str, StepBegan] = {}

    def take(self, entry: TimelineEntry) -> None:
        what = entry.what
        match what:
            case IncidentOpened() | Graded():
                self.severity = what.severity
            case RoleAssigned():
                self.roles[what.role] = what.who
            case Marked():
                self.moments[what.moment] = what.when
            case TookOver():
                self.leader = what.who or entry.by
            case Closed():
                self.closed = entry.at
            case Reopened():
                self.closed = None
            case _:
                self._take_what_ends(entry)

    def _take_end(self, what: JobEnded) -> None:
        """One of which nobody knows how it ended is kept until the same was done well."""
        ended = None if what.state == "unknown" else self.jobs.pop(what.job, None)
        if ended is not None and what.state == "ok":
            same = [each for each in self.jobs.values() if (each.kind, each.title) == (ended.kind, ended.title)]
            for each in same:
                del self.jobs[each.job]

    def _take_what_ends(self, entry: TimelineEntry) -> None:
        what = entry.what
        match what:
            case Changed():
                self.in_force[what.change] = what
            case Reverted():
                self.in_force.pop(what.change, None)
            case JobBegan():
                self.jobs[what.job] = what
            case JobEnded():
                self._take_end(what)
            case StepBegan():
                self.steps[what.run] = what
            case StepEnded():
                if what.state != "unknown":
                    self.steps.pop(what.run, None)
            case _:
                pass
