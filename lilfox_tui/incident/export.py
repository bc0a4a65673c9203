"""An incident as Markdown, for those who were not there and for those who look back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from lilfox_tui.i18n import _, in_language, ngettext
from lilfox_tui.incident.folding import Impact, fold, impact, still_in_force
from lilfox_tui.incident.incidents import read_timeline
from lilfox_tui.incident.line import masked, stored
from lilfox_tui.incident.markdown import block, code, inline, lines, link
from lilfox_tui.incident.model import (
    Called,
    Closed,
    Decided,
    Entry,
    Incident,
    JobEnded,
    Kept,
    Moment,
    Opened,
    StepBegan,
    StepEnded,
)
from lilfox_tui.incident.places import EVIDENCE, find
from lilfox_tui.incident.verifying import Verdict, verify
from lilfox_tui.incident.words import event_text, moment_text, role_text, step_state_text
from lilfox_tui.text import human_duration


def export_markdown(incident_id: str, language: str) -> str:
    """The whole incident in ``language`` (a key of ``LANGUAGES``), times in UTC; evidence is linked as
    ``evidence/NAME``. Every text in it is masked and escaped. Blocks. Raises NoSuchIncident, IncidentError."""
    folder = find(incident_id)
    read = read_timeline(folder).entries  # masked again: another hand may have written there
    entries = [replace(entry, by=masked(entry.by), what=stored(entry.what)) for entry in read]
    incident, verdict = fold(entries, folder), verify(incident_id)
    with in_language(language):
        return "\n".join(_document(incident, entries, verdict, datetime.now(UTC))) + "\n"


def utc(when: datetime) -> str:
    """As every time in an export and a handover is written."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _document(incident: Incident, entries: Sequence[Entry], verdict: Verdict, now: datetime) -> Iterator[str]:
    yield f"# {incident.id}: {inline(incident.title)}"
    yield from _section(_("Overview"), _overview(incident, entries, verdict, now))
    yield from _section(_("Impact times"), _impact_times(impact(incident, entries)))
    yield from _section(_("Responders"), _responders(incident, entries))
    yield from _section(_("Decisions"), _decisions(entries))
    yield from _section(_("Timeline (UTC)"), _timeline(entries))
    yield from _section(_("Changes still in force"), _in_force(incident, now))
    yield from _section(_("What went well"), [_item(_("to be filled in"))])
    yield from _section(_("What did not go well"), _not_well(entries))
    yield from _section(_("Action items"), _action_items(incident, now))


def _field(name: str, value: str) -> str:
    return f"- **{name}**: {value}"


def _item(text: str, *, to_do: bool = False) -> str:
    return f"- [ ] {text}" if to_do else f"- {text}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _section(title: str, content: Iterator[str] | list[str]) -> Iterator[str]:
    yield ""
    yield f"## {title}"
    yield ""
    yield from list(content) or [_item(_("none"))]


def _overview(incident: Incident, entries: Sequence[Entry], verdict: Verdict, now: datetime) -> Iterator[str]:
    first = entries[0]
    yield _field(_("Severity"), incident.severity)
    opened = _("{when} UTC by {who}", when=utc(incident.opened), who=inline(first.by))
    yield _field(_("Opened"), opened)
    if isinstance(first.what, Opened) and first.what.cause:
        yield _field(_("Opened because of"), inline(first.what.cause))
    if incident.closed is None:
        yield _field(_("State"), _("open, exported at {when} UTC", when=utc(now)))
    else:
        yield _field(_("State"), _("closed at {when} UTC", when=utc(incident.closed)))
        summary = next((each.what.summary for each in reversed(entries) if isinstance(each.what, Closed)), "")
        if summary:
            yield _field(_("Summary"), lines(summary, 2))
    yield _field(_("Timeline"), _proof(verdict))


def _proof(verdict: Verdict) -> str:
    counted = _("{entries}, SHA-256 of the last one {number}:{sha256}",
                entries=ngettext("{count} entry", "{count} entries", verdict.entries),
                number=verdict.entries, sha256=verdict.sha256)  # fmt: skip
    if not verdict.problems:
        return _("{counted}; verified when this was written", counted=counted)
    first = verdict.problems[0]
    where = first.file if first.line is None else f"{first.file}:{first.line}"
    return _(
        "{counted}; **altered**: {where}: {what}", counted=counted, where=inline(where), what=inline(str(first.text))
    )


def _impact_times(found: dict[Moment, Impact]) -> Iterator[str]:
    yield _row(_("moment"), "UTC", _("after it was detected"), _("known from"))
    yield "|---|---|---|---|"
    start = found["detected"].when
    for moment in ("detected", "acknowledged", "mitigated", "resolved"):
        if moment not in found:
            yield _row(moment_text(moment), "-", "-", _("nobody said"))
            continue
        when, told = found[moment].when, found[moment].told
        after = "-" if moment == "detected" else human_duration((when - start).total_seconds())
        source = _("somebody said so") if told else _("alerts, opening and end")
        yield _row(moment_text(moment), utc(when), after, source)


def _responders(incident: Incident, entries: Sequence[Entry]) -> Iterator[str]:
    for role, who in incident.roles.items():
        yield f"- **{inline(role_text(role))}**: {inline(who)}"
    wrote: dict[str, int] = {}
    for entry in entries:
        wrote[entry.by] = wrote.get(entry.by, 0) + 1
    for who, count in wrote.items():
        yield _item(_("{who}: {entries}", who=inline(who), entries=ngettext("{count} entry", "{count} entries", count)))
    for entry in entries:
        if isinstance(entry.what, Called):
            yield f"- {utc(entry.at)} {lines(event_text(entry.what), 2)}"


def _decisions(entries: Sequence[Entry]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry.what, Decided):
            yield f"- {utc(entry.at)} {inline(entry.by)}: {lines(entry.what.text, 2)}"


def _timeline(entries: Sequence[Entry]) -> Iterator[str]:
    begun: dict[str, StepBegan] = {}
    for entry in entries:
        what = entry.what
        before = f"- **{utc(entry.at)}** {inline(entry.by)}: "
        match what:
            case StepBegan():
                begun[what.run] = what
                yield f"{before}{inline(what.runbook)}, {_step(what)}: {_code(what)}"
            case StepEnded():
                yield from _step_end(before, what, begun.get(what.run))
            case Kept():
                yield f"{before}{link(what.file, EVIDENCE)} {lines(what.text, 2)}".rstrip()
            case _:
                yield f"{before}{lines(event_text(what), 2)}"


def _step(step: StepBegan) -> str:
    return f"{step.step}. {inline(step.title)}, {inline(step.host)}"


def _code(step: StepBegan) -> str:
    return "\n\n" + block(step.command, 2) if "\n" in step.command else code(step.command)


def _step_end(before: str, what: StepEnded, begun: StepBegan | None) -> Iterator[str]:
    named = "" if begun is None else f"{_step(begun)}: "
    exit_status = "" if what.exit_status is None else _(" (exit status {status})", status=what.exit_status)
    evidence = f" {link(what.evidence, EVIDENCE)}" if what.evidence else ""
    yield f"{before}{named}{step_state_text(what.state)}{exit_status}: {lines(what.message, 2)}{evidence}"
    if what.output.strip():
        yield ""
        yield block(what.output.rstrip(), 2)
        yield ""


def _in_force(incident: Incident, now: datetime) -> Iterator[str]:
    for change in still_in_force(incident, now):
        ends = "" if change.ends is None else " " + _("(ends by itself at {when} UTC)", when=utc(change.ends))
        undo = "" if not change.undo else " " + _("To take it back: {undo}", undo=code(change.undo))
        yield f"- {lines(change.text, 2)}{ends}{undo}"


def _not_well(entries: Sequence[Entry]) -> Iterator[str]:
    begun = {entry.what.run: entry.what for entry in entries if isinstance(entry.what, StepBegan)}
    for entry in entries:
        what = entry.what
        if isinstance(what, StepEnded) and what.state in ("failed", "unknown"):
            step = begun.get(what.run)
            named = "" if step is None else f"{inline(step.host)}: {code(step.command)}: "
            yield f"- {utc(entry.at)} {named}{step_state_text(what.state)}: {lines(what.message, 2)}"
        elif isinstance(what, JobEnded) and what.state in ("failed", "unknown"):
            yield f"- {utc(entry.at)} {lines(event_text(what), 2)}"
    yield _item(_("to be filled in"))


def _action_items(incident: Incident, now: datetime) -> Iterator[str]:
    for change in still_in_force(incident, now):
        yield _item(_("take back, or keep on purpose: {said}", said=lines(change.text, 2)), to_do=True)
    for step in incident.steps.values():
        text = _("see what this left, nobody knows how it ended: {command}", command=code(step.command))
        yield _item(text, to_do=True)
    yield _item(_("to be filled in"), to_do=True)
