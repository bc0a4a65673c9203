"""Texts of timeline events, in the reader's language. Texts in them are data: cleaned where they are shown."""

from __future__ import annotations

from lilfox_tui.i18n import _, clauses, ngettext
from lilfox_tui.incident import model
from lilfox_tui.incident.model import Moment, What


def event_text(what: What) -> str:
    """``what`` in a line or, where somebody wrote several, in several."""
    match what:
        case model.IncidentOpened():
            text = _("opened: {title} ({severity})", title=what.title, severity=what.severity)
            return _("{said}, because of {cause}", said=text, cause=what.cause) if what.cause else text
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
    """One of the four moments of an incident."""
    return {
        "detected": _("detected"),
        "acknowledged": _("acknowledged"),
        "mitigated": _("mitigated"),
        "resolved": _("resolved"),
    }[moment]


def role_text(role: str) -> str:
    """A role by its word in the reader's language; one of the team's own as it stands."""
    return {"lead": _("lead"), "communication": _("communication"), "scribe": _("scribe")}.get(role, role)


def step_state_text(state: str) -> str:
    """How a command or a job ended; a state that is not known as it stands."""
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
            return _("job {id} began: {title}", id=what.job, title=what.title)
        case model.JobEnded():
            state = step_state_text(what.state)
            return _("job {id} {state}: {message}", id=what.job, state=state, message=what.message)
        case model.StepBegan():
            return _("{host}: {command}", host=what.host, command=what.command)
        case model.StepEnded():
            state = step_state_text(what.state)
            return _("{state}: {message}", state=state, message=what.message) if what.message else state
        case model.StepSkipped():
            values = {"number": what.step, "title": what.title, "reason": what.reason}
            return _("step {number} skipped ({title}): {reason}", **values)
        case _:
            return _things(what)


def _things(what: What) -> str:
    match what:
        case model.Changed():
            text = _("changed: {said}", said=what.text)
            if what.ends is None:
                return text
            return _("{said}, until {end:%Y-%m-%d %H:%M:%S} UTC", said=text, end=what.ends)
        case model.Reverted():
            return _("taken back: {said}", said=what.text)
        case model.EvidenceKept():
            said = what.text or "-"
            return _("evidence {file} ({size} bytes): {said}", file=what.file, size=what.size_bytes, said=said)
        case _:
            return str(what)
