"""Verifies the timeline of an incident and exports it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.files import open_regular
from lilfox_tui.core.i18n import Message, _, clauses, in_language, ngettext, tr
from lilfox_tui.core.text import human_duration
from lilfox_tui.incident import timeline
from lilfox_tui.incident.incidents import read_timeline
from lilfox_tui.incident.markdown import (
    alert_past,
    follow_ups,
    md_block,
    md_code,
    md_inline,
    md_lines,
    md_link,
    that_helped,
)
from lilfox_tui.incident.model import (
    EVIDENCE,
    HEAD,
    TIMELINE,
    AlertPast,
    Called,
    Closed,
    Decided,
    EvidenceKept,
    Incident,
    IncidentError,
    IncidentOpened,
    JobEnded,
    Moment,
    Noted,
    StepBegan,
    StepEnded,
    TimelineEntry,
    find,
)
from lilfox_tui.incident.reducer import (
    Impact,
    after_detection,
    begun_steps,
    event_text,
    fold,
    happened_at,
    impact,
    moment_text,
    role_text,
    step_state_text,
    still_in_force,
)
from lilfox_tui.incident.timeline import NO_ENTRY, NOTHING_BEFORE, HeadHash, digest, entry_of, masked, stored

# Verifies that a timeline is what was written: each line's hash against the next one's, numbers without a gap, the end
# against the head hash, evidence against its hash.
#
# What it cannot see: everything rewritten, hashes and head and all, by one who may write there. Against that the hash
# of an end that is kept elsewhere helps: in syslog, in an export, in a colleague's mail (``known``).


_BLOCK = 1 << 20


class IntegrityProblem(Struct, frozen=True):
    """Something that differs from what was written. ``line`` counts from 1; None for a file."""

    file: str
    line: int | None
    text: Message


class IntegrityReport(Struct, frozen=True, kw_only=True):
    """The result of a verification: the incident is intact if there are no problems."""

    id: str
    entries: int
    """Lines that are there."""
    sha256: str
    """Of the last one."""
    problems: tuple[IntegrityProblem, ...] = ()
    """Of the timeline the first altered line alone: what follows it proves nothing."""
    notes: tuple[Message, ...] = ()
    """What is no alteration, and worth a word."""


class _Line(Struct, frozen=True):
    sha256: str
    entry: TimelineEntry | None


def verify(incident_id: str, *, known: Mapping[int, str] | None = None) -> IntegrityReport:
    """Verify the whole incident. ``known``: hashes of lines that were kept elsewhere, by line number. Blocks. Raises
    NoSuchIncident; IncidentError if the timeline cannot be read at all."""
    folder = find(incident_id)
    end = timeline.read_head_hash(folder)  # before the timeline, which may grow meanwhile
    try:
        with os.fdopen(open_regular(folder / TIMELINE), "rb") as file:
            *whole, torn = file.read().split(b"\n")
    except OSError as error:
        raise IncidentError(
            tr("{folder}: cannot be read: {reason}", folder=folder, reason=error.strerror or error)
        ) from None
    lines = [_line(text) for text in whole]
    problem = next(_altered(lines, end, known or {}), None)
    problems = [] if problem is None else [IntegrityProblem(TIMELINE, *problem)]
    kept = [line.entry.what for line in lines if line.entry is not None and isinstance(line.entry.what, EvidenceKept)]
    problems += [found for each in kept if (found := _evidence(folder, each)) is not None]
    return IntegrityReport(
        id=folder.name,
        entries=len(lines),
        sha256=lines[-1].sha256 if lines else NOTHING_BEFORE,
        problems=tuple(problems),
        notes=tuple(_notes(folder, torn, {each.file for each in kept}, lines[0] if lines else None)),
    )


def _first_hash(folder: Path) -> str | None:
    """Return the SHA-256 of the first line of a timeline; None if it is not there."""
    try:
        with os.fdopen(open_regular(folder / TIMELINE), "rb") as file:
            return digest(file.readline().rstrip(b"\n"))
    except OSError:
        return None


def _line(text: bytes) -> _Line:
    try:
        return _Line(digest(text), entry_of(text))
    except NO_ENTRY:
        return _Line(digest(text), None)


def _altered(lines: list[_Line], end: HeadHash | None, known: Mapping[int, str]) -> Iterator[tuple[int, Message]]:
    """Yield the first altered line, then possibly others."""
    before = NOTHING_BEFORE
    for number, line in enumerate(lines, 1):
        if line.entry is None:
            yield number, tr("this line is no longer a valid entry")
            return
        if line.entry.number != number:
            yield number, tr("expected entry {number}, found entry {found}", found=line.entry.number, number=number)
            return
        if line.entry.previous != before:
            yield (
                _which(lines, number, end),
                tr("this line has changed since it was written; its SHA-256 does not match"),
            )
            return
        if known.get(number, line.sha256) != line.sha256:
            yield number, tr("this line or an earlier one has changed since its SHA-256 was recorded")
            return
        before = line.sha256
    yield from _end(lines, end, known)


def _which(lines: list[_Line], number: int, end: HeadHash | None) -> int:
    """Return which line was altered if line ``number`` does not continue the one before it: ``number`` itself if the
    next line does not continue it either, else the one before it."""
    if number == 1:
        return 1
    line = lines[number - 1]
    if number < len(lines):
        following = lines[number].entry
        return number if following is not None and following.previous != line.sha256 else number - 1
    return number if end is not None and end.number == number and end.sha256 != line.sha256 else number - 1


def _end(lines: list[_Line], end: HeadHash | None, known: Mapping[int, str]) -> Iterator[tuple[int, Message]]:
    last = max([0 if end is None else end.number, *known])
    if last > len(lines):
        yield len(lines) + 1, tr("entries {first} to {last} are missing at the end", first=len(lines) + 1, last=last)
    elif end is None:
        yield (
            len(lines),
            tr("cannot confirm that this is the last entry: the file {file} is missing or invalid", file=HEAD),
        )
    elif end.number > 0 and lines[end.number - 1].sha256 != end.sha256:
        yield end.number, tr("this line has changed since it was written; its SHA-256 does not match")


def _evidence(folder: Path, kept: EvidenceKept) -> IntegrityProblem | None:
    name = f"{EVIDENCE}/{kept.file}"
    if "/" in kept.file or kept.file in ("", ".", ".."):
        return IntegrityProblem(name, None, tr("this is not a valid evidence file name"))
    found = hashlib.sha256()
    try:
        with os.fdopen(open_regular(folder / EVIDENCE / kept.file), "rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                found.update(block)
    except FileNotFoundError:
        return IntegrityProblem(name, None, tr("the file is missing"))
    except OSError as error:
        return IntegrityProblem(name, None, tr("cannot be read: {reason}", reason=error.strerror or error))
    if found.hexdigest() != kept.sha256:
        return IntegrityProblem(name, None, tr("the file has changed since it was stored; its SHA-256 does not match"))
    return None


def _notes(folder: Path, torn: bytes, kept: set[str], first: _Line | None) -> Iterator[Message]:
    what = None if first is None or first.entry is None else first.entry.what
    if isinstance(what, IncidentOpened) and what.after:
        before, _space, sha256 = what.after.partition(" ")
        if (found := _first_hash(folder.parent / before)) != sha256:
            gone = tr("{id}, the incident before it, was removed", id=before)
            yield gone if found is None else tr("{id}, the incident before it, has another first entry now", id=before)
    if torn:
        yield tr(
            "the last {size} bytes are from an interrupted write; the next entry moves them to an evidence file",
            size=len(torn),
        )
    try:
        there = sorted(os.listdir(folder / EVIDENCE))  # noqa: PTH208  names alone
    except OSError:
        return
    for name in there:
        if name not in kept and not name.startswith("."):
            yield tr("{file}: not mentioned in the timeline", file=f"{EVIDENCE}/{name}")


# An incident as Markdown, for those who were not there and for those who look back.


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
    """Format a time as in exports and handovers."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _document(
    incident: Incident, entries: Sequence[TimelineEntry], verdict: IntegrityReport, now: datetime
) -> Iterator[str]:
    yield f"# {incident.id}: {md_inline(incident.title)}"
    yield from _section(_("Overview"), _overview(incident, entries, verdict, now))
    yield from _section(_("Impact times"), _impact_times(impact(incident, entries)))
    yield from _section(_("Responders"), _responders(incident, entries))
    yield from _section(_("Decisions"), _decisions(entries))
    if past := list(alert_past(entries)):
        yield from _section(_("Before the incident (UTC)"), past)
    yield from _section(_("Timeline (UTC)"), _timeline(entries))
    yield from _section(_("Changes still in force"), _in_force(incident, now))
    yield from _section(_("What went well"), [_item(_("to be filled in"))])
    yield from _section(_("What did not go well"), _not_well(entries))
    yield from _section(_("Action items"), _action_items(incident, entries, now))


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


def _overview(
    incident: Incident, entries: Sequence[TimelineEntry], verdict: IntegrityReport, now: datetime
) -> Iterator[str]:
    first = entries[0]
    yield _field(_("Severity"), incident.severity)
    opened = _("{when} UTC by {who}", when=utc(incident.opened), who=md_inline(first.by))
    yield _field(_("Opened"), opened)
    if isinstance(first.what, IncidentOpened) and first.what.cause:
        yield _field(_("Trigger"), md_inline(first.what.cause))
    if incident.closed is None:
        yield _field(_("State"), _("open, exported at {when} UTC", when=utc(now)))
    else:
        yield _field(_("State"), _("closed at {when} UTC", when=utc(incident.closed)))
        summary = next((each.what.summary for each in reversed(entries) if isinstance(each.what, Closed)), "")
        if summary:
            yield _field(_("Summary"), md_lines(summary, 2))
    yield _field(_("Timeline"), _proof(verdict))


def _proof(verdict: IntegrityReport) -> str:
    counted = _("{entries}, SHA-256 of the last entry {number}:{sha256}",
                entries=ngettext("{count} entry", "{count} entries", verdict.entries),
                number=verdict.entries, sha256=verdict.sha256)  # fmt: skip
    if not verdict.problems:
        return _("{counted}; verified at export", counted=counted)
    first = verdict.problems[0]
    where = first.file if first.line is None else f"{first.file}:{first.line}"
    return _(
        "{counted}; **altered**: {where}: {what}",
        counted=counted,
        where=md_inline(where),
        what=md_inline(str(first.text)),
    )


def _impact_times(found: dict[Moment, Impact]) -> Iterator[str]:
    yield _row(_("moment"), "UTC", _("after detection"), _("source"))
    yield "|---|---|---|---|"
    for moment in ("detected", "acknowledged", "mitigated", "resolved"):
        if moment not in found:
            yield _row(moment_text(moment), "-", "-", _("not recorded"))
            continue
        when = found[moment].when
        after = "-" if moment == "detected" else after_detection(found[moment], found["detected"])
        yield _row(moment_text(moment), utc(when), after, md_inline(_source(moment, found[moment])))


def _source(moment: Moment, found: Impact) -> str:
    if found.told:
        return _("recorded by hand")
    if found.subject:
        if moment == "detected":
            return _("{name} was degraded or failing", name=found.subject)
        return _("{name} was good again", name=found.subject)
    if not found.alert:
        return _("the incident was opened") if moment == "detected" else _("the incident was closed")
    if moment == "detected":
        return _("alert {name} fired", name=found.alert)
    if moment == "acknowledged":
        return _("alert {name} was acknowledged", name=found.alert)
    return _("alert {name} resolved", name=found.alert)


def _responders(incident: Incident, entries: Sequence[TimelineEntry]) -> Iterator[str]:
    for role, who in incident.roles.items():
        yield f"- **{md_inline(role_text(role))}**: {md_inline(who)}"
    wrote: dict[str, int] = {}
    for entry in entries:
        wrote[entry.by] = wrote.get(entry.by, 0) + 1
    for who, count in wrote.items():
        yield _item(
            _("{who}: {entries}", who=md_inline(who), entries=ngettext("{count} entry", "{count} entries", count))
        )
    for entry in entries:
        if isinstance(entry.what, Called):
            yield f"- {utc(entry.at)} {md_lines(event_text(entry.what), 2)}"


def _decisions(entries: Sequence[TimelineEntry]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry.what, Decided):
            yield f"- {utc(entry.at)} {md_inline(entry.by)}: {md_lines(entry.what.text, 2)}"


def _timeline(entries: Sequence[TimelineEntry]) -> Iterator[str]:
    begun: dict[str, StepBegan] = {}
    for entry in sorted(entries, key=happened_at):
        what = entry.what
        before = f"- **{utc(happened_at(entry))}** {md_inline(entry.by)}: "
        match what:
            case StepBegan():
                begun[what.run] = what
                yield f"{before}{md_inline(what.runbook)}, {_step(what)}: {_code(what)}"
            case StepEnded():
                yield from _step_end(before, what, begun.get(what.run))
            case AlertPast():  # told in a section of its own
                continue
            case EvidenceKept():
                yield f"{before}{md_link(what.file, EVIDENCE)} {md_lines(what.text, 2)}".rstrip()
            case _:
                yield f"{before}{md_lines(event_text(what), 2)}"


def _step(step: StepBegan) -> str:
    return f"{step.step}. {md_inline(step.title)}, {md_inline(step.host)}"


def _code(step: StepBegan) -> str:
    return "\n\n" + md_block(step.command, 2) if "\n" in step.command else md_code(step.command)


def _step_end(before: str, what: StepEnded, begun: StepBegan | None) -> Iterator[str]:
    named = "" if begun is None else f"{_step(begun)}: "
    exit_status = "" if what.exit_status is None else _(" (exit status {status})", status=what.exit_status)
    evidence = f" {md_link(what.evidence, EVIDENCE)}" if what.evidence else ""
    yield f"{before}{named}{step_state_text(what.state)}{exit_status}: {md_lines(what.message, 2)}{evidence}"
    if what.output.strip():
        yield ""
        yield md_block(what.output.rstrip(), 2)
        yield ""


def _in_force(incident: Incident, now: datetime) -> Iterator[str]:
    for change in still_in_force(incident, now):
        ends = "" if change.ends is None else " " + _("(ends automatically at {when} UTC)", when=utc(change.ends))
        said = f"{md_lines(change.text, 2)}{ends}"
        if change.undo:
            said = _("{change}. To undo: {undo}", change=said, undo=md_code(change.undo))
        yield f"- {said}"


def _not_well(entries: Sequence[TimelineEntry]) -> Iterator[str]:
    begun = {entry.what.run: entry.what for entry in entries if isinstance(entry.what, StepBegan)}
    for entry in entries:
        what = entry.what
        if isinstance(what, StepEnded) and what.state in ("failed", "unknown"):
            step = begun.get(what.run)
            named = "" if step is None else f"{md_inline(step.host)}: {md_code(step.command)}: "
            yield f"- {utc(entry.at)} {named}{step_state_text(what.state)}: {md_lines(what.message, 2)}"
        elif isinstance(what, JobEnded) and what.state in ("failed", "unknown"):
            yield f"- {utc(entry.at)} {md_lines(event_text(what), 2)}"
    yield _item(_("to be filled in"))


def _action_items(incident: Incident, entries: Sequence[TimelineEntry], now: datetime) -> Iterator[str]:
    closed = next((each.what for each in reversed(entries) if isinstance(each.what, Closed)), None)
    for text in () if closed is None or incident.closed is None else closed.failing:
        said = _("still failed when the incident was closed: {what}", what=md_lines(text, 2))
        if closed is not None and closed.follow_up:
            said = clauses([said, _("follow-up: {id}", id=md_inline(closed.follow_up))])
        yield _item(said, to_do=True)
    moments = impact(incident, entries)
    over = moments.get("mitigated", moments.get("resolved"))
    helped = that_helped(entries, None if over is None else over.when)
    for change in still_in_force(incident, now):
        if helped is None or change.change != helped.change:
            yield _item(_("undo, or decide to keep: {said}", said=md_lines(change.text, 2)), to_do=True)
    yield from follow_ups(entries)
    for step in incident.steps.values():
        text = _("check what this command did; its outcome is unknown: {command}", command=md_code(step.command))
        yield _item(text, to_do=True)
    yield _item(_("to be filled in"), to_do=True)


# An incident's Markdown and its evidence in a new folder, to be given to a colleague.


def export_to(incident_id: str, language: str, target: Path) -> Path:
    """Export the incident to the new folder ``target``, for this user alone; return the path of the Markdown file in
    it. Blocks. Raises UsageError if the folder exists already, NoSuchIncident, IncidentError."""
    place = find(incident_id)
    text = export_markdown(incident_id, language)
    try:
        target.mkdir(mode=0o700)
        file = target / f"{place.name}.md"
        file.touch(0o600)
        file.write_text(text, "utf-8")
        _copy_evidence(place / EVIDENCE, target / EVIDENCE)
    except FileExistsError:
        raise UsageError(tr("{folder} already exists", folder=target), tr("specify a new folder")) from None
    except OSError as error:
        raise IncidentError(
            tr("{folder}: cannot be written: {reason}", folder=target, reason=error.strerror or error)
        ) from None
    return file


def _copy_evidence(source: Path, target: Path) -> None:
    """Copy regular files only, each for this user alone."""
    if not source.is_dir():
        return
    target.mkdir(mode=0o700)
    for file in sorted(source.iterdir()):
        if file.is_file() and not file.is_symlink() and not file.name.startswith("."):
            handle = os.open(target / file.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with file.open("rb") as opened, os.fdopen(handle, "wb") as copy:
                shutil.copyfileobj(opened, copy)


# What the next one must know, in a text to be read aloud or pasted.


_LAST = 10


def handover_text(incident: Incident, entries: Sequence[TimelineEntry], now: datetime) -> Iterator[str]:
    """Yield the lines of a handover; their text is raw and must be cleaned before it is shown. ``now`` is aware."""
    yield _("{id} {severity}: {title}", id=incident.id, severity=incident.severity, title=incident.title)
    yield _("opened {when} UTC, {age} ago", when=utc(incident.opened), age=_age(incident.opened, now))
    if incident.closed is not None:
        yield _("closed {when} UTC", when=utc(incident.closed))
    yield _("in charge: {who}", who=incident.leader)
    for role, who in incident.roles.items():
        yield _("{role}: {who}", role=role_text(role), who=who)
    for moment, found in impact(incident, entries).items():
        yield _("{moment}: {when:%Y-%m-%d %H:%M:%S} UTC", moment=moment_text(moment), when=found.when)
    changes = still_in_force(incident, now)
    yield from _list(_("changes in force:"), (_change(change.text, change.undo) for change in changes))
    jobs = (_("{id} {title}", id=job.job, title=job.title) for job in incident.jobs.values())
    yield from _list(_("jobs without a reported result:"), jobs)
    unknown = (_("{host}: {command}", host=step.host, command=step.command) for step in incident.steps.values())
    yield from _list(_("commands with unknown outcome:"), unknown)
    told = [each for each in entries if isinstance(each.what, Noted | Decided | Called)]
    steps = begun_steps(entries)
    yield from _list(_("notes, decisions and calls:"), (_entry(each, steps) for each in told[-_LAST:]))
    done = [each for each in entries if not isinstance(each.what, Noted | Decided | Called)]
    done.sort(key=happened_at)
    yield from _list(_("last events:"), (_entry(each, steps) for each in done[-_LAST:]))


def _age(since: datetime, now: datetime) -> str:
    return human_duration(round((now - since).total_seconds()))


def _change(text: str, undo: str) -> str:
    return _("{said} (to undo: {undo})", said=text, undo=undo) if undo else text


def _entry(entry: TimelineEntry, steps: Mapping[str, StepBegan]) -> str:
    text = event_text(entry.what, steps)
    if isinstance(entry.what, StepEnded) and entry.what.output:
        text = ngettext("{said} ({count} line of output)", "{said} ({count} lines of output)",
                        entry.what.output_lines, said=text)  # fmt: skip
    return f"{happened_at(entry):%H:%M:%S} {entry.by}: {text}"


def _list(title: str, lines: Iterator[str]) -> Iterator[str]:
    found = list(lines)
    if found:
        yield title
        yield from (f"  {line}" for line in found)
