"""An incident as rows: its line in the frame, its timeline, and the dialogs that open and close it. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.alerts.model import Alert, Silence, urgency_of
from lilfox_tui.alerts.silences import format_matchers
from lilfox_tui.app.evidence import firing_alerts
from lilfox_tui.app.rendering.columns import cells, slice_row, wrap_spans, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rendering.highlight import coloured, shell_pieces
from lilfox_tui.app.rows.hosts import ROLES, firing_role, plan_reasons, reason_pieces
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import _, listed, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, human_age, human_bytes, human_duration
from lilfox_tui.incident.model import (
    AlertChanged,
    Changed,
    Closed,
    Decided,
    EvidenceKept,
    Incident,
    IncidentOpened,
    JobBegan,
    JobEnded,
    Noted,
    Noticed,
    Reverted,
    StepBegan,
    StepEnded,
    TimelineEntry,
    alert_subject,
)
from lilfox_tui.incident.reducer import (
    MOMENTS,
    TimelineItem,
    after_detection,
    alert_has_no_data,
    alert_is_over,
    event_text,
    firing_since,
    fold,
    happened_at,
    impact,
    moment_text,
    names_about,
    role_text,
    step_state_text,
    still_bad,
    still_in_force,
)
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Overview, PlanView, View
from lilfox_tui.monitor.raised_levels import without_alerts

_AT_ONCE = timedelta(seconds=1)
"""What was recorded within so long after it happened has one time."""
_BY = 14
_LONGEST_OUTPUT = 200
"""Lines of an output that an entry shows."""


def incident_title(incident: Incident) -> Row:
    """Its id, severity and title."""
    return (
        Piece(f"{incident.id} ", "title"),
        Piece(incident.severity, _severity_role(incident)),
        Piece(f"  {incident.title}", "strong"),
    )


def incident_note(incident: Incident, entries: Sequence[TimelineEntry], now: datetime, earlier: int = 0) -> Row:
    """What stands beside the title: how long it has been open, how many changes are in force, since when its alert
    has been firing, who leads, and how many entries are not shown."""
    age = human_age((now - incident.opened).total_seconds())
    in_force = len(still_in_force(incident, now))
    pieces = [Piece(_("open for {age}", age=age), "muted")]
    if in_force:
        count = ngettext("{count} change in force", "{count} changes in force", in_force)
        pieces.append(Piece(count, "degraded"))
    if (since := firing_since(incident, entries)) is not None:
        pieces.append(Piece(_("firing since {time:%H:%M:%S}", time=since), "failing"))
    pieces.append(Piece(f"{role_text('lead')} {_who(incident.leader)}", "muted"))
    if earlier:
        pieces.append(Piece(_("{count} earlier not shown", count=earlier), "muted"))
    return tuple(pieces)


def _severity_role(incident: Incident) -> str:
    return "failing" if incident.severity in ("SEV-1", "SEV-2") else "degraded"


class Situation(Struct, frozen=True):
    """What is known beside the timeline: rows of what is wrong now and of the newest errors in the logs of what the
    incident is about, what the runs in progress wait for, the title of the runbook for the alert (empty for none), the
    silences that the incident did not begin, and the names of everything that is failing or degraded now."""

    wrong: Sequence[Row] = ()
    errors: Sequence[Row] = ()
    waits: Sequence[str] = ()
    runbook: str = ""
    silences: Sequence[str] = ()
    bad: Collection[str] = ()


def wrong_rows(overview: Overview, glyphs: Glyphs, about: str = "", most: int = 4) -> list[Row]:
    """What fails or is degraded now with the reasons and the firing alerts about it, first the subject ``about``, then
    the worst; then the other firing alerts. Those that are silenced count as well: they are wrong all the same. Backup
    plans are counted in the header, too."""
    alerts, backups = list(firing_alerts(overview)), overview.backups
    rows: list[Row] = []
    plans = [] if backups is None else [each for each in backups.plans.values() if each.config is not None]
    watched = (*overview.views, *plans)
    bad = [each for each in watched if each.level in (Level.FAILING, Level.DEGRADED)]
    for view in sorted(bad, key=lambda each: (each.name != about, each.level is not Level.FAILING)):
        of_view = [each for each in alerts if alert_subject(dict(each.labels)) == view.name]
        alerts = [each for each in alerts if each not in of_view]
        own = listed(dict.fromkeys(_named_since(each, overview.at) for each in of_view))
        mark = Piece(f"{glyphs.level(view.level)} ", ROLES[view.level])
        since = _("since {time}", time=_short_when(view.since, overview.at))
        named = (Piece(f"{since}  ", "muted"), *((Piece(f"{own}  ", "muted"),) if own else ()))
        why = plan_reasons(view) if isinstance(view, PlanView) else reason_pieces(_without_named(view, of_view))
        rows.append((mark, Piece(f"{clean(view.name)}  ", "strong"), *named, *why))
    halves = () if backups is None else backups.interrupted_restores
    rows += [(Piece(f"{glyphs.failing} ", "failing"), Piece(str(each.message), "failing")) for each in halves]
    for each in alerts:
        role = firing_role(each.urgency)
        rows.append((Piece(f"{glyphs.alert} ", role), Piece(f"{each.name}  ", "strong"), Piece(each.summary, role)))
    if len(rows) > most:
        left = [row[1].text.strip() if row[1].role == "strong" else _("restore") for row in rows[most - 1 :]]
        told = listed([*left[:_MORE_NAMED], *(["…"] if len(left) > _MORE_NAMED else [])])
        more = ngettext("{count} more: {names}; press 1", "{count} more: {names}; press 1", len(left), names=told)
        rows = [*rows[: most - 1], (Piece(more, "muted"),)]
    if not rows and isinstance(overview.alerts, Ready) and all(each.level is Level.GOOD for each in watched):
        rows.append((Piece(_("nothing fails, and no alert fires"), "good"),))
    return rows or [(Piece(_("no failure and no firing alert is known"), "muted"),)]


def _named_since(alert: Alert, now: datetime) -> str:
    """The name of an alert and since when it fires, which is later than what it is about began."""
    since = alert.fired_at or alert.active_at
    return f"{alert.name} " + _("since {time}", time=_short_when(since, now))


def _short_when(at: datetime, now: datetime) -> str:
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%m-%d %H:%M}"


_MORE_NAMED = 3
"""Names of what is wrong for which there is no line."""


def _without_named(view: View, alerts: Sequence[Alert]) -> View:
    """The view without the reason that an alert fires whose name stands beside it, if it has another one."""
    own = without_alerts(view) if alerts else view
    return own if own.reasons else view


def fact_rows(
    incident: Incident, entries: Sequence[TimelineEntry], now: datetime, beside: Situation | None = None
) -> list[Row]:
    """What is known of the incident: what is wrong and since when, what is to be done next, the changes and silences in
    force with how to undo them, commands without a result, moments, roles, and the evidence."""
    beside = beside or Situation()
    rows = [(_label(_("wrong now") if number == 0 else ""), *row) for number, row in enumerate(beside.wrong)]
    rows += [(_label(_("errors") if number == 0 else ""), *row) for number, row in enumerate(beside.errors)]
    if (since := firing_since(incident, entries)) is not None:
        lasted = human_age((now - since).total_seconds())
        rows.append(_fact(_("alert"), _("firing for {age}, since {time:%H:%M:%S}", age=lasted, time=since), "failing"))
    for number, text in enumerate(next_steps(incident, entries, now, beside)):
        rows.append(_fact(_("next step") if number == 0 else "", text, "accent"))
    rows += _force_facts(incident, entries, now, beside.silences)
    unknown = incident.steps.values()
    rows += [_fact(_("no result"), f"{step.host}: {code_line(step.command)}", "degraded") for step in unknown]
    rows.append((_label(_("moments")), *_moment_pieces(incident, entries)))
    rows += _state_facts(incident, entries, now)
    roles = {"lead": _who(incident.leader)} | {role: _name(who) for role, who in incident.roles.items()}
    rows.append(_fact(_("roles"), "  ".join(f"{role_text(role)} {who}" for role, who in roles.items())))
    return [*rows, *_evidence_facts(entries)]


def _moment_pieces(incident: Incident, entries: Sequence[TimelineEntry]) -> Iterator[Piece]:
    """The four moments, each with its time and how long after the detection it was, or that it is still to come."""
    known = impact(incident, entries)
    detected = known["detected"]
    for moment, found in known.items():
        after = f" (+{after_detection(found, detected)})" if moment != "detected" else ""
        yield Piece(f"{moment_text(moment)} {found.when:%H:%M:%S}{after}  ")
    if missing := listed(moment_text(each) for each in MOMENTS if each not in known):
        told = _("not yet: {names}", names=missing)
        yield Piece(told if incident.closed is None else _("not recorded: {names}", names=missing), "muted")


def _evidence_facts(entries: Sequence[TimelineEntry]) -> list[Row]:
    """How many files of evidence there are, and their names, the newest first; nothing for none."""
    kept = [each.what for each in entries if isinstance(each.what, EvidenceKept)]
    if not kept:
        return []
    count = ngettext("{count} file", "{count} files", len(kept))
    size = listed([count, human_bytes(sum(each.size_bytes for each in kept))])
    names = "  ".join(each.file for each in kept[::-1])
    return [(*_fact(_("evidence"), size), Piece(f"  {names}", "muted"))]


def _state_facts(incident: Incident, entries: Sequence[TimelineEntry], now: datetime) -> list[Row]:
    """Since when the incident is open, or how long it lasted; and the alert for which it was opened, unless that is its
    title."""
    age = human_age(((incident.closed or now) - incident.opened).total_seconds())
    state = _("open for {age}", age=age)
    if incident.closed is not None:
        state = _("closed after {age}", age=age)
    time = _when(incident.closed or incident.opened, now)
    rows = [_fact(_("state"), _("{state}, since {time}", state=state, time=time))]
    first = entries[0].what if entries else None
    cause = first.cause if isinstance(first, IncidentOpened) else ""
    return [*rows, _fact(_("cause"), cause)] if cause and cause != incident.title else rows


def silence_line(silence: Silence, now: datetime) -> str:
    """A silence: what it matches, until when, and who began it."""
    matchers, who = format_matchers(silence.matchers), silence.created_by
    if silence.until_resolved:
        return _("silence {matchers}, until it resolves, by {who}", matchers=matchers, who=who)
    time = _when(silence.ends_at, now)
    return _("silence {matchers}, until {time}, by {who}", matchers=matchers, time=time, who=who)


def _when(at: datetime, now: datetime) -> str:
    """A time of today, or with its date."""
    return f"{at:%H:%M:%S} UTC" if at.date() == now.date() else _time(at)


def _force_facts(
    incident: Incident, entries: Sequence[TimelineEntry], now: datetime, silences: Sequence[str]
) -> list[Row]:
    """The changes in force, each with its time and how to undo it, the silences, and how many changes were undone."""
    made = {each.what.change: each.at for each in entries if isinstance(each.what, Changed)}
    changes = still_in_force(incident, now)
    rows: list[Row] = []
    for change in changes:
        at = made.get(change.change)
        parts = ["" if at is None else f"{at:%H:%M:%S}", change_line(change.text)]
        parts += [_("until {time:%Y-%m-%d %H:%M:%S} UTC", time=change.ends)] if change.ends is not None else []
        line = "  ".join(filter(None, parts))
        rows.append(_fact(_("in force") if not rows else "", line, "degraded"))
        if change.undo:
            rows.append(_fact("", "  " + _("to undo it: {undo}", undo=code_line(change.undo)), "muted"))
    for text in silences:
        rows.append(_fact(_("in force") if not rows else "", text, "degraded"))
    if not rows:
        rows.append(_fact(_("in force"), _("no changes"), "muted"))
    if undone := sum(isinstance(each.what, Reverted) and not each.what.stays for each in entries):
        rows.append(_fact(_("undone"), ngettext("{count} change", "{count} changes", undone), "muted"))
    return rows


def next_steps(
    incident: Incident, entries: Sequence[TimelineEntry], now: datetime, beside: Situation | None = None
) -> list[str]:
    """What is to be done next: what the runs wait for and what nobody knows the end of first, then the cause, then what
    is left behind."""
    if incident.closed is not None:
        return [_("export it for the review (:export)")]
    beside = beside or Situation()
    told = list(beside.waits)
    if incident.steps and not told:
        told.append(_("find out how the commands without a result ended"))
    known = impact(incident, entries)
    bad, about = still_bad(entries), names_about(entries)
    bad += [each for each in beside.bad if each in about and each not in bad]
    if firing_since(incident, entries) is not None:
        if beside.runbook and not beside.waits:
            told.append(_("the alert still fires: run its runbook, {title} (4, then enter)", title=beside.runbook))
        elif not beside.waits:
            told.append(_("the alert still fires: run a runbook (4), or add what you know (i)"))
    elif bad and "mitigated" in known and not about.intersection(bad):
        told.append(
            ngettext(
                "{names} is not good: look at it before you close the incident (X)",
                "{names} are not good: look at them before you close the incident (X)",
                len(bad),
                names=listed(bad),
            )
        )
    elif bad and not beside.waits:
        text = ngettext("{names} is not good yet", "{names} are not good yet", len(bad), names=listed(bad))
        if alert_is_over(entries):
            told.append(_("the alert is over, but {said}: wait, or run a runbook (4)", said=text))
        else:
            told.append(_("{said}: run a runbook (4), or add what you know (i)", said=text))
    elif not bad and "mitigated" not in known and alert_has_no_data(entries):
        told.append(_("the alert has no data any more: check what it is about before you close the incident (X)"))
    elif not bad and "mitigated" in known:
        told.append(_closing_step(incident, entries, now))
    if "acknowledged" not in known and "mitigated" not in known:
        told.append(_("acknowledge it (A)"))
    return told


def _closing_step(incident: Incident, entries: Sequence[TimelineEntry], now: datetime) -> str:
    """What is to be done once nothing of the incident is bad any more."""
    changes = len(still_in_force(incident, now))
    if not alert_is_over(entries):
        if not changes:
            return _("all is good again and no change is in force: close the incident (X)")
        return ngettext(
            "all is good again: decide whether the change stays in force, then close it (X)",
            "all is good again: decide which of the {count} changes stay in force, then close it (X)",
            changes,
        )
    if not changes:
        return _("the alert is over and no change is in force: close the incident (X)")
    return ngettext(
        "the alert is over: decide whether the change stays in force, then close it (X)",
        "the alert is over: decide which of the {count} changes stay in force, then close it (X)",
        changes,
    )


def wrapped_facts(rows: Iterable[Row], width: int) -> list[Row]:
    """Facts in ``width`` cells: what does not fit goes on below its own text, not below the label."""
    found: list[Row] = []
    for label, *pieces in rows:
        row = [Piece(clean(piece.text), piece.role) for piece in pieces]
        text, indent = "".join(piece.text for piece in row), cell_width(label.text)
        for number, (start, end) in enumerate(wrap_spans(text, width - indent, width - indent - 2)):
            found.append((label if number == 0 else Piece(" " * (indent + 2)), *slice_row(row, start, end)))
    return found


def _fact(label: str, text: str, role: str = "text") -> Row:
    return (_label(label), Piece(text, role))


def _label(text: str) -> Piece:
    return Piece(" " + fit(text, 10) + " ", "muted")


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def as_it_was(
    incident: Incident, entries: Sequence[TimelineEntry], until: datetime
) -> tuple[Incident, Sequence[TimelineEntry]] | None:
    """Return the incident and its timeline as they were at ``until``; None if it was not open yet."""
    known = [each for each in entries if each.at <= until]
    return (fold(known, Path(incident.folder)), known) if known else None


def authors_width(items: Sequence[TimelineItem], width: int) -> int:
    """The cells of the authors' names in a timeline of ``width`` cells; 0 where there is no room for them."""
    longest = max((cell_width(clean(_name(each.first.by))) for each in items), default=0)
    return 0 if width < _NARROW else min(longest, _BY)


def item_row(item: TimelineItem, width: int, by: int, glyphs: Glyphs, in_force: Collection[str] = ()) -> Row:
    """A line of the timeline in ``width`` cells, ``by`` of them for its author: a command by its host and title, how it
    ended and after how long. ``in_force`` are the changes that still apply."""
    entry = item.first
    author = (Piece(fit(_name(entry.by), by) + "  ", "muted"),) if by else ()
    head = (Piece(f" {item.at:%H:%M:%S}  ", "muted"), *author)
    what = item.what
    if not isinstance(what, StepBegan | JobBegan):
        text = (_alert_line(what) if isinstance(what, AlertChanged) else event_text(what)).strip().split("\n", 1)[0]
        return (*head, Piece(f"{_mark_of(entry, glyphs)} ", _role(entry)), Piece(text, _role(entry)))
    mark, role, said = _ended(item, glyphs, in_force)
    if isinstance(what, JobBegan):
        return (*head, Piece(f"{mark} ", role), Piece(what.title), Piece(f"  {said}", role))
    told = Piece(f"  {said}", role)
    room = width - cells(head) - 2 - cells((told,)) - cell_width(clean(what.host)) - 2
    title, command = f"{what.step}. {clean(what.title)}", code_line(what.command)
    if room < cell_width(title) and item.end is not None:  # only whether it worked
        room += cells((told,))
        told = Piece(f"  {step_state_text(item.end.state)}", role)
        room -= cells((told,))
    if room < cell_width(title):  # the mark says it
        room, told = room + cells((told,)), Piece("")
    left = room - cell_width(title)
    title = fit(title, max(4, min(cell_width(title), room)))
    shown = fit(command, min(cell_width(clean(command)), left - 2)) if left >= _COMMAND else ""
    named = (Piece(f"{mark} ", role), Piece(f"{what.host}  ", "accent"), Piece(title))
    return (*head, *named, *((Piece(f"  {shown}", "muted"),) if shown else ()), told)


def item_lines(item: TimelineItem, width: int, by: int, glyphs: Glyphs, in_force: Collection[str] = ()) -> list[Row]:
    """The same as :func:`item_row` with all of its text, wrapped; of a long one the beginning."""
    row = item_row(item, _UNCUT, by, glyphs, in_force)
    entry, what = item.first, item.what
    start = cells(row[: 3 if by else 2])
    rows: list[Row] = [row]
    if isinstance(what, StepBegan) and cells(row) > width:
        *named, command, told = row
        below: Row = (Piece(" " * (start + 2)), Piece(command.text.strip(), command.role))
        rows = [(*named, told), below]
        if cells(rows[0]) > width:
            rows = [tuple(named), (below[0], Piece(told.text.strip(), told.role)), below]
    elif not isinstance(what, StepBegan | JobBegan | AlertChanged | EvidenceKept):
        more = event_text(what).strip().split("\n")[1:]
        rows += [(Piece(" " * start), Piece(line, _role(entry))) for line in more]
    lines = wrapped(rows, width)
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], (Piece(" " * start), Piece("…", "muted"))]
    return lines


def _alert_line(what: AlertChanged) -> str:
    """A change of an alert with its subject, and what it says; all of its labels are in the entry."""
    subject, text = alert_subject(what.labels), event_text(replace(what, labels={}))
    return text if not subject or subject in what.summary else f"{text}  {subject}"


_UNCUT = 10_000
"""Cells in which nothing is cut."""
_MOST_LINES = 6
"""Lines of an entry on the page of the incident."""
_NARROW = 60
"""Cells of a line from which its author is named."""
_COMMAND = 12
"""Cells of a command's text that are worth to be shown beside its title."""


def _ended(item: TimelineItem, glyphs: Glyphs, in_force: Collection[str]) -> tuple[str, str, str]:
    """The mark, the role and the words for how a command or job has ended."""
    end, last = item.end, item.entries[-1]
    if end is None:
        return glyphs.job, "accent", _("starts")
    took_s = end.took_s
    if took_s is None:
        took_s = max(0.0, (item.at - (item.begun or item.first).at).total_seconds())
    words = [step_state_text(end.state), human_duration(took_s)]
    if isinstance(end, StepEnded) and end.exit_status and end.state != "done":
        words.append(_("exit status {status}", status=end.exit_status))
    if isinstance(last.what, Changed):
        words.append(_("in force") if last.what.change in in_force else _("changed"))
    good = end.state in ("done", "ok")
    return glyphs.done if good else glyphs.failing, "good" if good else "failing", listed(words)


def code_line(command: str) -> str:
    """The first line of a command that does something: neither a ``#!`` line, nor a comment, nor a setting of the
    shell."""
    lines = [line.strip() for line in command.strip().split("\n")]
    code = [line for line in lines if line and not line.startswith(("#", "set -", "set +"))]
    return next(iter(code or lines))


def change_line(text: str) -> str:
    """A change on one line: where, and the first line of its command that does something."""
    host, colon, command = text.partition(": ")
    return f"{host}: {code_line(command)}" if colon and "\n" in command else code_line(text)


def item_rows(item: TimelineItem, glyphs: Glyphs) -> list[Row]:
    """All that the timeline has of a line: who did what, the command, its end and its output."""
    rows: list[Row] = []
    for entry in (*([item.begun] if item.begun is not None else []), *item.entries):
        rows += [BLANK] if rows else []
        when, by = happened_at(entry), entry.by
        if entry.at - when >= _AT_ONCE:
            by = _("recorded {time:%H:%M:%S} by {who}", time=entry.at, who=by)
        rows.append((Piece(f" {_time(when)}", "muted"), Piece(f"  {by}", "muted")))
        what = entry.what
        if isinstance(what, StepBegan):
            step = Piece(f"{what.step}. {what.title}", "strong")
            rows += [(Piece(f" {what.runbook} {glyphs.separator} ", "muted"), step)]
            rows += [(Piece(" "), Piece(what.host, "accent"))]
            pieces, _begins = shell_pieces(what.command.strip())
            rows += [(Piece("   "), *line) for line in lines_of(pieces)]
        elif isinstance(what, StepEnded):
            rows += _end_rows(what)
        else:
            text = event_text(what).strip()
            rows += [(Piece(" "), Piece(line, _role(entry))) for line in text.split("\n")]
    return rows


def _end_rows(end: StepEnded) -> list[Row]:
    role = "good" if end.state == "done" else "failing"
    words = [step_state_text(end.state)]
    if end.exit_status is not None:
        words.append(_("exit status {status}", status=end.exit_status))
    if end.message:
        words.append(end.message)
    rows: list[Row] = [(Piece(" "), Piece(listed(words), role))]
    lines = end.output.rstrip("\n").split("\n") if end.output.strip() else []
    rows += [(Piece("   "), *coloured(line.replace("\t", "    "))) for line in lines[-_LONGEST_OUTPUT:]]
    if end.evidence:
        rows.append((Piece(" " + _("evidence: {said}", said=end.evidence), "muted"),))
    return rows


def lines_of(pieces: Iterable[Piece]) -> list[Row]:
    """Pieces of a text with line ends as rows."""
    rows: list[list[Piece]] = [[]]
    for piece in pieces:
        for number, text in enumerate(piece.text.split("\n")):
            if number:
                rows.append([])
            if text:
                rows[-1].append(Piece(text.replace("\t", "    "), piece.role))
    return [tuple(row) for row in rows]


def _mark_of(entry: TimelineEntry, glyphs: Glyphs) -> str:
    """The shape of an entry that is neither a command nor a job."""
    what = entry.what
    if isinstance(what, AlertChanged):
        return {"firing": glyphs.alert, "resolved": glyphs.good, "no data": glyphs.unknown}.get(
            what.state, glyphs.degraded
        )
    if isinstance(what, Noticed):
        return {"good": glyphs.good, "degraded": glyphs.degraded}.get(what.level, glyphs.failing)
    if isinstance(what, Reverted):
        return glyphs.taken_back
    return {"failing": glyphs.failing, "good": glyphs.good}.get(_role(entry), glyphs.separator)


def _role(entry: TimelineEntry) -> str:
    what = entry.what
    if isinstance(what, Noted | Decided):
        return "strong"
    if isinstance(what, StepEnded | JobEnded) and what.state in ("failed", "unknown"):
        return "failing"
    if isinstance(what, StepEnded) and what.state == "done":
        return "good"
    if isinstance(what, AlertChanged):
        if what.state == "firing":
            return firing_role(urgency_of(what.labels.get("severity", "")))
        return {"resolved": "good", "no data": "unknown"}.get(what.state, "degraded")
    if isinstance(what, Noticed):
        return what.level
    if isinstance(what, Closed):
        return "accent"
    if isinstance(what, EvidenceKept):
        return "muted"
    return "text"


def _name(by: str) -> str:
    """The user name without the machine."""
    return by.partition("@")[0]


def _who(leader: str) -> str:
    """The user name, with the terminal if known: two people may share a user."""
    return f"{_name(leader)} {leader.partition('@')[2].partition(' ')[2]}".rstrip()


def closing_rows(incident: Incident, now: datetime, running: Collection[str]) -> list[Row]:
    """The text for closing an incident: what is still in force or running. ``running`` are the ids of running jobs."""
    rows: list[Row] = []
    changes = still_in_force(incident, now)
    if changes:
        text = ngettext("{count} change is still in force:", "{count} changes are still in force:", len(changes))
        rows.append((Piece("  "), Piece(text, "degraded")))
        for change in changes:
            rows.append((Piece("    "), Piece(change_line(change.text), "strong")))
            if change.undo:
                rows.append((Piece("      " + _("to undo it: {undo}", undo=code_line(change.undo)), "muted"),))
    else:
        rows.append((Piece("  "), Piece(_("No changes are in force."), "good")))
    for job in incident.jobs.values():
        if job.job in running:
            rows.append(
                (Piece("  "), Piece(_("still running: {title} ({id})", title=job.title, id=job.job), "degraded"))
            )
        else:
            text = _("outcome unknown: {title} ({id})", title=job.title, id=job.job)
            rows.append((Piece("  "), Piece(text, "failing")))
    for step in incident.steps.values():
        text = _("outcome unknown: {host}: {command}", host=step.host, command=code_line(step.command))
        rows.append((Piece("  "), Piece(text, "failing")))
    return [*rows, BLANK, (Piece("  "), Piece(_("What was wrong and how it ended:"), "muted"))]


def handover_rows(lines: Sequence[str]) -> list[Row]:
    """The handover text under its head."""
    return [(Piece(" " + _("Handover"), "title"),), BLANK, *((Piece(" "), Piece(line)) for line in lines)]
