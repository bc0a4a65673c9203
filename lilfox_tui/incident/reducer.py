"""Reduces the timeline of an incident to its state, and renders its entries as text."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from lilfox_tui.core.i18n import _, clauses, ngettext, tr
from lilfox_tui.core.text import human_age, human_duration
from lilfox_tui.incident import model
from lilfox_tui.incident.model import (
    AlertChanged,
    Changed,
    Closed,
    EvidenceKept,
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
    """The time of one of the four moments. ``told``: somebody recorded it; otherwise it follows from ``alert``, from
    what ``subject`` (its name) went through, or if both are empty, from the opening or closing of the incident."""

    when: datetime
    told: bool
    alert: str = ""
    subject: str = ""


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


_FIRED = ("firing", "resolved", "no data")
"""States of an alert that follow each other. Without data it does not fire, and nothing proves that it is over."""


def happened_at(entry: TimelineEntry) -> datetime:
    """Return when the event of an entry happened: an alert fires and resolves, and a host or service fails and
    recovers, before somebody writes it down. It is the time that the rest of the screen tells of the same event."""
    what = entry.what
    if isinstance(what, Noticed) or (isinstance(what, AlertChanged) and what.state in _FIRED):
        return min(what.since, entry.at)
    return entry.at


def firing_since(incident: Incident, entries: Sequence[TimelineEntry]) -> datetime | None:
    """Return since when the alert of the incident has been firing (the first one, if no cause is recorded); None if
    none of them fires now."""
    firing = [each.since for each in _own_alerts(entries) if each.state == "firing"]
    return min(firing) if firing and incident.closed is None else None


def alert_is_over(entries: Sequence[TimelineEntry]) -> bool:
    """Return whether the alert of the incident has fired and does so no more."""
    return {each.state for each in _own_alerts(entries)} == {"resolved"}


def alert_has_no_data(entries: Sequence[TimelineEntry]) -> bool:
    """Return whether an alert of the incident has fired and then ended for lack of data."""
    return any(each.state == "no data" for each in _own_alerts(entries))


def _own_alerts(entries: Sequence[TimelineEntry]) -> list[AlertChanged]:
    """The last change of each alert that the incident was opened for (of each alert, if no cause is recorded)."""
    cause = _cause(entries)
    changes = (each.what for each in entries if isinstance(each.what, AlertChanged))
    return _last_states(each for each in changes if _is_about(each, cause))


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
    was opened for (from all alerts if no cause is recorded), from what it is about, and from its opening and closing:
    it was detected when LilFox first listed any of these as bad, and mitigated when all of them were good again."""
    found: dict[Moment, Impact] = {moment: Impact(when, True) for moment, when in incident.moments.items()}
    cause = _cause(entries)
    alerts = [entry for entry in entries if isinstance(entry.what, AlertChanged) and _is_about(entry.what, cause)]
    changes = [entry.what for entry in alerts if isinstance(entry.what, AlertChanged)]
    names = names_about(entries)
    states = [each for each in _states(entries) if _name(each) in names]
    fired = [Impact(each.since, False, each.name) for each in changes if each.state == "firing"]
    failed = [Impact(each.since, False, "", _name(each)) for each in states if _is_bad(each)]
    earliest = min([*failed, *fired, Impact(incident.opened, False)], key=lambda each: each.when)
    found.setdefault("detected", earliest)
    for entry, change in zip(alerts, changes, strict=True):
        if change.state == "acknowledged":
            found.setdefault("acknowledged", Impact(entry.at, False, change.name))
    over, resolved = _over(changes, states), found.get("resolved")
    if over is not None and over.when >= found["detected"].when:
        if resolved is None or over.when <= resolved.when:
            found.setdefault("mitigated", over)
        if incident.closed is not None and ("mitigated" not in found or found["mitigated"].when <= over.when):
            found.setdefault("resolved", over)
    if incident.closed is not None:
        found.setdefault("resolved", Impact(incident.closed, False))
    return {moment: found[moment] for moment in MOMENTS if moment in found}


def after_detection(found: Impact, detected: Impact) -> str:
    """How long after the detection a moment was, in whole units, as the length of a state is told."""
    seconds = (found.when - detected.when).total_seconds()
    return human_age(seconds) if seconds >= 1 else human_duration(seconds)


def names_about(entries: Sequence[TimelineEntry]) -> set[str]:
    """Return the names of the hosts, services and backends that the incident is about: those of its alert, and those
    that its title has. If it has neither, it is about what was failing when it was opened, or else was degraded."""
    cause, first = _cause(entries), entries[0]
    about = [each.what for each in entries if isinstance(each.what, AlertChanged) and _is_about(each.what, cause)]
    subjects = {model.alert_subject(each.labels) for each in about} if cause else set()
    states = list(_states(entries))
    title = first.what.title if isinstance(first.what, IncidentOpened) else ""
    words = {word.strip("._-") for word in re.split(r"[^\w.-]+", title.lower())}
    found = (subjects - {""}) | {_name(each) for each in states if _name(each).lower().strip("._-") in words}
    if found or cause:
        return found
    before = [each for each in _last_of_subjects(each for each in states if each.since <= first.at) if _is_bad(each)]
    failing = [each for each in before if each.level == "failing"]
    return {_name(each) for each in failing or before}


def still_bad(entries: Sequence[TimelineEntry]) -> list[str]:
    """Return the names of what the timeline tells to be bad now: alerts that fire, by what they are about, what fails,
    and what is degraded if the incident is about it; first what it is about."""
    about = names_about(entries)
    alerts = _last_states(each.what for each in entries if isinstance(each.what, AlertChanged))
    found = [model.alert_subject(each.labels) or each.name for each in alerts if each.state == "firing"]
    bad = [each for each in _last_of_subjects(_states(entries)) if _is_bad(each)]
    found += [_name(each) for each in bad if each.level == "failing" or _name(each) in about]
    return sorted(dict.fromkeys(found), key=lambda each: each not in about)


def _cause(entries: Sequence[TimelineEntry]) -> str:
    first = entries[0].what if entries else None
    return first.cause if isinstance(first, IncidentOpened) else ""


def _is_about(what: AlertChanged, cause: str) -> bool:
    return cause in ("", what.name, model.alert_title(what.name, what.labels))


def _states(entries: Iterable[TimelineEntry]) -> Iterator[Noticed]:
    """The changes after which a host, service or backend is in another state; a restart or a unit is none."""
    for entry in entries:
        if isinstance(entry.what, Noticed) and entry.what.kind in ("level", "lost", "back"):
            yield entry.what


def _name(what: Noticed) -> str:
    return what.subject.partition("/")[2]


def _is_bad(what: Noticed) -> bool:
    """Whether it was bad from then on; of a host that is reachable again no later recovery is told."""
    return what.level != "good" and what.kind != "back"


def _last_of_subjects(states: Iterable[Noticed]) -> list[Noticed]:
    return list({each.subject: each for each in states}.values())


def _over(alerts: Sequence[AlertChanged], states: Sequence[Noticed]) -> Impact | None:
    """Return when the last of the alerts resolved and all was good again; None if one still fires or something is still
    bad, or if none was seen to end. An alert without data ended if what it is about was good after that."""
    last, now = _last_states(alerts), _last_of_subjects(states)
    if any(each.state == "firing" for each in last) or any(map(_is_bad, now)):
        return None
    good = {_name(each): each.since for each in now}
    for each in last:
        subject = model.alert_subject(each.labels)
        if each.state == "no data" and (subject not in good or good[subject] < each.since):
            return None
    ends = [Impact(each.since, False, "", _name(each)) for each in now]
    ends += [Impact(each.since, False, each.name) for each in last if each.state == "resolved"]
    return max(ends, key=lambda each: each.when, default=None)


def _last_states(changes: Iterable[AlertChanged]) -> list[AlertChanged]:
    """Return the last change of each alert between firing, resolved and without data."""
    last: dict[tuple[str, frozenset[tuple[str, str]]], AlertChanged] = {}
    for each in changes:
        if each.state in _FIRED:
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


# Entries as the lines of a timeline.


class TimelineItem(NamedTuple):
    """A line of the timeline: an entry; or the end of a command or job with what it changed, together with its
    beginning if nothing else happened between them."""

    entries: tuple[TimelineEntry, ...]
    begun: TimelineEntry | None = None
    """The beginning of a command or job whose end is this line, where that stands as a line of its own."""

    @property
    def first(self) -> TimelineEntry:
        """The entry by whose author it stands."""
        return self.entries[0]

    @property
    def what(self) -> What:
        """What the line names: the command or the job, also if it tells of its end."""
        return (self.begun or self.first).what

    @property
    def at(self) -> datetime:
        """When what it tells was true: a command or job that has ended stands at its end."""
        return happened_at(self.first) if self._ended is None else self._ended.at

    @property
    def number(self) -> int:
        """That of its first entry."""
        return self.first.number

    @property
    def _ended(self) -> TimelineEntry | None:
        return next((each for each in self.entries if isinstance(each.what, StepEnded | JobEnded)), None)

    @property
    def end(self) -> StepEnded | JobEnded | None:
        """How the command or job has ended; None for one that has not, and for other entries."""
        what = None if self._ended is None else self._ended.what
        return what if isinstance(what, StepEnded | JobEnded) else None


def timeline_items(entries: Iterable[TimelineEntry]) -> tuple[TimelineItem, ...]:
    """``entries`` as lines in the order of time, each with what was true then: a command or job is a line at its end,
    with the change that it made; and one at its beginning too, if something other than commands happened between."""
    items: list[TimelineItem] = []
    begun: dict[str, list[TimelineEntry]] = {}
    commands: list[datetime] = []
    others: list[datetime] = []
    """When commands began, and when anything happened that is neither a command nor evidence."""
    for entry in entries:
        what = entry.what
        key = _begun_key(what)
        if isinstance(what, StepBegan | JobBegan):
            begun[key] = [entry]
        elif key in begun:
            begun[key].append(entry)
        else:
            items.append(TimelineItem((entry,)))
        if isinstance(what, StepBegan):
            commands.append(entry.at)
        elif not isinstance(what, StepEnded | Changed | EvidenceKept):
            others.append(happened_at(entry))
    others.sort()
    everything = sorted([*others, *commands])
    for first, *rest in begun.values():
        ends = [at for at, each in enumerate(rest) if isinstance(each.what, StepEnded | JobEnded)]
        if not ends:
            items.append(TimelineItem((first, *rest)))
            continue
        between = others if isinstance(first.what, StepBegan) else everything
        alone = bisect_right(between, first.at) == bisect_left(between, rest[ends[0]].at)
        items += [] if alone else [TimelineItem((first,))]
        for number, (start, stop) in enumerate(pairwise([0, *ends[1:], len(rest)])):  # it may be told first as unknown
            told = tuple(rest[start:stop])
            items.append(TimelineItem((first, *told)) if alone and number == 0 else TimelineItem(told, first))
    return tuple(sorted(items, key=lambda each: (each.at, each.number)))


def _begun_key(what: What) -> str:
    """What an entry has in common with the beginning of its command or job; empty for others."""
    match what:
        case StepBegan() | StepEnded():
            return f"run {what.run}"
        case Changed():
            return f"run {what.change}"
        case JobBegan() | JobEnded():
            return f"job {what.job}"
        case _:
            return ""


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
            return f"{_name(what)}: {what.text}"
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


def _around(what: model.FollowUp | model.FollowUpDone | model.AlertPast) -> str:
    """What was before the incident, and what is to be done after it."""
    match what:
        case model.FollowUp():
            return _follow_up(what)
        case model.FollowUpDone():
            return _("follow-up {number} done: {said}", number=what.number, said=what.text or "-")
        case model.AlertPast():
            count = ngettext("{count} event", "{count} events", len(what.events))
            return _("alert {name} before this: {events}", name=what.name, events=count)


def _follow_up(what: model.FollowUp) -> str:
    due = "" if what.due is None else _("due {day}", day=f"{what.due:%Y-%m-%d}")
    more = clauses(filter(None, (_("owner: {who}", who=what.owner) if what.owner else "", due)))
    text = _("follow-up: {said}", said=what.text)
    return f"{text} ({more})" if more else text


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
    if summary and what.state in ("resolved", "no data"):  # it says in the present tense what is over
        summary = _("was: {what}", what=summary)
    elif summary and what.as_of is not None:
        summary = _("{what} (at {time})", what=summary, time=f"{what.as_of:%H:%M:%S}")
    return "  ".join(part for part in (text, labels, summary) if part)


def _whole(what: model.Closed | model.Reopened | model.TookOver) -> str:
    match what:
        case model.Closed():
            return clauses([_("closed: {summary}", summary=what.summary or "-"), *_left_behind(what)])
        case model.Reopened():
            return _("reopened: {reason}", reason=what.reason or "-")
        case model.TookOver():
            if what.who:
                return _("{who} took over from {before}", who=what.who, before=what.before)
            return _("took over from {who}", who=what.before)


def _left_behind(what: model.Closed) -> Iterator[str]:
    """What an incident left when it was closed: changes in force, what still failed, and what nobody knew."""
    if what.in_force:
        left = ngettext("{count} change still in force", "{count} changes still in force", len(what.in_force))
        yield _("{name}: {what}", name=left, what=clauses(what.in_force))
    if what.failing:
        yield _("still failing: {what}", what=clauses(what.failing))
    elif what.checked is not None and not what.not_known:
        yield _("nothing failed at {time:%H:%M:%S} UTC", time=what.checked)
    if what.not_known:
        yield _("not known: {what}", what=clauses(what.not_known))
    if what.follow_up:
        yield _("follow-up: {id}", id=what.follow_up)


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
        case model.FollowUp() | model.FollowUpDone() | model.AlertPast():
            return _around(what)
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
            return what.text if what.stays else _("undone: {said}", said=what.text)
        case model.EvidenceKept():
            if not what.text:
                return _("evidence: {said}", said=what.file)
            return _("evidence: {said} ({file})", said=what.text, file=what.file)
        case _:
            return str(what)
