"""Reduces the timeline of an incident to its state, and renders its entries as text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from lilfox_tui.core.i18n import _, clauses, ngettext, tr
from lilfox_tui.incident import model
from lilfox_tui.incident.model import (
    AlertChanged,
    Changed,
    Closed,
    Graded,
    Incident,
    IncidentError,
    IncidentOpened,
    JobBegan,
    JobEnded,
    Marked,
    Moment,
    Noticed,
    Reopened,
    Reverted,
    RoleAssigned,
    SeverityLevel,
    StepBegan,
    StepEnded,
    TimelineEntry,
    TookOver,
    What,
)

MOMENTS: tuple[Moment, ...] = ("detected", "acknowledged", "mitigated", "resolved")


class Impact(Struct, frozen=True):
    """The time of one of the four moments. ``told``: somebody recorded it; otherwise it follows from ``alert`` or, if
    that is empty, from the opening or closing of the incident."""

    when: datetime
    told: bool
    alert: str = ""


def fold(entries: Sequence[TimelineEntry], folder: Path) -> Incident:
    """Reduce ``entries``, the whole timeline in ``folder``, to an incident. Raises IncidentError if there are none."""
    if not entries:
        raise IncidentError(
            tr("{folder}: the timeline has no readable entry", folder=folder),
            tr("check it: lilfox incident verify {id}", id=folder.name),
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


def happened_at(entry: TimelineEntry) -> datetime:
    """Return when the event of an entry happened: an alert fires and resolves, and a host or service fails and
    recovers, before somebody writes it down. It is the time that the rest of the screen tells of the same event."""
    what = entry.what
    if isinstance(what, Noticed) or (isinstance(what, AlertChanged) and what.state in ("firing", "resolved")):
        return min(what.since, entry.at)
    return entry.at


def firing_since(incident: Incident, entries: Sequence[TimelineEntry]) -> datetime | None:
    """Return since when the alert of the incident has been firing (the first one, if no cause is recorded); None if
    none of them fires now."""
    first = entries[0].what if entries else None
    cause = first.cause if isinstance(first, IncidentOpened) else ""
    about = [each.what for each in entries if isinstance(each.what, AlertChanged) and _is_about(each.what, cause)]
    firing = [each.since for each in _last_states(about) if each.state == "firing"]
    return min(firing) if firing and incident.closed is None else None


def is_open(entries: Sequence[TimelineEntry]) -> bool:
    """Whether the last entry about opening or closing is an opening."""
    for entry in reversed(entries):
        if isinstance(entry.what, IncidentOpened | Closed | Reopened):
            return not isinstance(entry.what, Closed)
    return True


def still_in_force(incident: Incident, now: datetime) -> list[Changed]:
    """Return changes that were not reverted and have not expired, oldest first."""
    return [change for change in incident.in_force.values() if change.ends is None or change.ends > now]


def impact(incident: Incident, entries: Sequence[TimelineEntry]) -> dict[Moment, Impact]:
    """Return the known moments, in their order. Those that nobody recorded are derived from the alert that the incident
    was opened for (from all alerts if no cause is recorded), and from its opening and closing."""
    found: dict[Moment, Impact] = {moment: Impact(when, True) for moment, when in incident.moments.items()}
    first = entries[0].what
    cause = first.cause if isinstance(first, IncidentOpened) else ""
    alerts = [entry for entry in entries if isinstance(entry.what, AlertChanged) and _is_about(entry.what, cause)]
    changes = [entry.what for entry in alerts if isinstance(entry.what, AlertChanged)]
    fired = [Impact(each.since, False, each.name) for each in changes if each.state == "firing"]
    earliest = min([Impact(incident.opened, False), *fired], key=lambda each: each.when)
    found.setdefault("detected", earliest)
    for entry, change in zip(alerts, changes, strict=True):
        if change.state == "acknowledged":
            found.setdefault("acknowledged", Impact(entry.at, False, change.name))
    over, resolved = _over(changes), found.get("resolved")
    if over is not None and over.when >= found["detected"].when:
        if resolved is None or over.when <= resolved.when:
            found.setdefault("mitigated", over)
        if incident.closed is not None and ("mitigated" not in found or found["mitigated"].when <= over.when):
            found.setdefault("resolved", over)
    if incident.closed is not None:
        found.setdefault("resolved", Impact(incident.closed, False))
    return {moment: found[moment] for moment in MOMENTS if moment in found}


def _is_about(what: AlertChanged, cause: str) -> bool:
    return cause in ("", what.name, model.alert_title(what.name, what.labels))


def _over(changes: Sequence[AlertChanged]) -> Impact | None:
    """Return when the last of the alerts resolved; None if one is still firing, or none was seen to resolve."""
    last = _last_states(changes)
    if not last or any(each.state == "firing" for each in last):
        return None
    newest = max(last, key=lambda each: each.since)
    return Impact(newest.since, False, newest.name)


def _last_states(changes: Iterable[AlertChanged]) -> list[AlertChanged]:
    """Return the last change of each alert to firing or resolved."""
    last: dict[tuple[str, frozenset[tuple[str, str]]], AlertChanged] = {}
    for each in changes:
        if each.state in ("firing", "resolved"):
            last[each.name, frozenset(each.labels.items())] = each
    return list(last.values())


class _State:
    """The state of an incident while its entries are applied one by one."""

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
        """Apply the end of a job. A job with an unknown outcome is kept until another one of its kind and title
        succeeds."""
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


# Texts of timeline events, in the reader's language. Texts in them are data: cleaned where they are shown.


def begun_steps(entries: Iterable[TimelineEntry]) -> dict[str, StepBegan]:
    """Return the commands that began, by ``run``: :func:`event_text` needs them to name the command that ended."""
    return {entry.what.run: entry.what for entry in entries if isinstance(entry.what, StepBegan)}


def event_text(what: What, steps: Mapping[str, StepBegan] | None = None) -> str:
    """Return the text of ``what``: one line, or several if its author wrote several. ``steps`` are the commands that
    began before it."""
    match what:
        case model.StepEnded():
            return _step_end(what, (steps or {}).get(what.run))
        case model.IncidentOpened():
            text = _("opened: {title} ({severity})", title=what.title, severity=what.severity)
            told = what.cause not in ("", what.title)
            return _("{said}, because of {cause}", said=text, cause=what.cause) if told else text
        case model.Noted():
            return what.text
        case model.Decided():
            return _("decision: {said}", said=what.text)
        case model.RoleAssigned():
            return _("{role}: {who}", role=role_text(what.role), who=what.who)
        case model.Graded():
            return _("severity: {severity}", severity=what.severity)
        case model.Called():
            return _("called {contact}: {outcome}", contact=what.contact, outcome=what.outcome or "-")
        case model.Marked():
            return _("{moment}: {when:%Y-%m-%d %H:%M:%S} UTC", moment=moment_text(what.moment), when=what.when)
        case model.AlertChanged():
            return _alert(what)
        case model.Noticed():
            return f"{what.subject.partition('/')[2]}: {what.text}"
        case model.Closed() | model.Reopened() | model.TookOver():
            return _whole(what)
        case _:
            return _work(what)


def moment_text(moment: Moment) -> str:
    """Return the text of one of the four moments of an incident."""
    return {
        "detected": _("detected"),
        "acknowledged": _("acknowledged"),
        "mitigated": _("mitigated"),
        "resolved": _("resolved"),
    }[moment]


def role_text(role: str) -> str:
    """Return the text of a role in the reader's language; a team's own role unchanged."""
    return {"lead": _("lead"), "communication": _("communication"), "scribe": _("scribe")}.get(role, role)


def step_state_text(state: str) -> str:
    """Return how a command or a job ended; an unknown state unchanged."""
    return {
        "running": _("running"),
        "done": _("done"),
        "ok": _("ok"),
        "partly": _("partly done"),
        "failed": _("failed"),
        "cancelled": _("cancelled"),
        "unknown": _("unknown"),
        "skipped": _("skipped"),
        "undone": _("undone"),
    }.get(state, state)


def _alert(what: model.AlertChanged) -> str:
    labels = " ".join(f"{name}={value}" for name, value in sorted(what.labels.items()) if name != "alertname")
    state = {
        "pending": _("pending"),
        "firing": _("firing"),
        "resolved": _("resolved"),
        "no data": _("no data"),
        "acknowledged": _("acknowledged"),
        "silenced": _("silenced"),
    }[what.state]
    text = _("alert {name} {state}", name=what.name, state=state)
    summary = what.summary
    if summary and what.state == "resolved":  # it says in the present tense what is over
        summary = _("was: {what}", what=summary)
    elif summary and what.as_of is not None:
        summary = _("{what} (at {time})", what=summary, time=f"{what.as_of:%H:%M:%S}")
    return "  ".join(part for part in (text, labels, summary) if part)


def _whole(what: model.Closed | model.Reopened | model.TookOver) -> str:
    match what:
        case model.Closed():
            text = _("closed: {summary}", summary=what.summary or "-")
            if not what.in_force:
                return text
            left = ngettext("{count} change still in force", "{count} changes still in force", len(what.in_force))
            return clauses([text, _("{name}: {what}", name=left, what=clauses(what.in_force))])
        case model.Reopened():
            return _("reopened: {reason}", reason=what.reason or "-")
        case model.TookOver():
            if what.who:
                return _("{who} took over from {before}", who=what.who, before=what.before)
            return _("took over from {who}", who=what.before)


def _work(what: What) -> str:
    match what:
        case model.Did():
            return what.text
        case model.JobBegan():
            return _("job {id} started: {title}", id=what.job, title=what.title)
        case model.JobEnded():
            state = step_state_text(what.state)
            return _("job {id} {state}: {message}", id=what.job, state=state, message=what.message)
        case model.StepBegan():
            return _("{host}: {command}", host=what.host, command=what.command)
        case model.StepSkipped():
            values = {"number": what.step, "title": what.title, "reason": what.reason}
            return _("step {number} skipped ({title}): {reason}", **values)
        case _:
            return _things(what)


def _step_end(what: StepEnded, begun: StepBegan | None) -> str:
    text = step_state_text(what.state)
    if begun is not None:
        text = _("step {number} {state} on {host}", number=begun.step, state=text, host=begun.host)
    return _("{state}: {message}", state=text, message=what.message) if what.message else text


def _things(what: What) -> str:
    match what:
        case model.Changed():
            text = _("changed: {said}", said=what.text)
            if what.ends is None:
                return text
            return _("{said}, until {end:%Y-%m-%d %H:%M:%S} UTC", said=text, end=what.ends)
        case model.Reverted():
            return _("undone: {said}", said=what.text)
        case model.EvidenceKept():
            if not what.text:
                return _("evidence: {said}", said=what.file)
            return _("evidence: {said} ({file})", said=what.text, file=what.file)
        case _:
            return str(what)
