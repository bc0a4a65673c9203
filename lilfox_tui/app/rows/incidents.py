"""An incident as rows: its line in the frame, its timeline, and the dialogs that open and close it. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from lilfox_tui.app.rendering.columns import cells
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.core.i18n import _, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, human_duration
from lilfox_tui.incident.model import (
    AlertChanged,
    Closed,
    Decided,
    EvidenceKept,
    Incident,
    JobEnded,
    Noted,
    Noticed,
    StepBegan,
    StepEnded,
    TimelineEntry,
)
from lilfox_tui.incident.reducer import begun_steps, event_text, fold, still_in_force

_BY = 14
_TITLE = 8
"""Cells of an incident's title at least."""


def title_row(incident: Incident, now: datetime, before: str, width: int) -> Row:
    """The head of the timeline; if it is too long, the incident's title is cut."""
    role = "failing" if incident.severity in ("SEV-1", "SEV-2") else "degraded"
    age = human_duration(max(0, int((now - incident.opened).total_seconds())))  # whole, as in the line of tabs
    in_force = len(still_in_force(incident, now))
    pieces = [
        Piece(f" {incident.id} ", "title"),
        Piece(incident.severity, role),
        Piece(f"  {incident.title}", "strong"),
        Piece("  " + _("{age}, lead: {who}", age=age, who=_who(incident.leader)), "muted"),
    ]
    if in_force:
        count = ngettext("{count} change in force", "{count} changes in force", in_force)
        pieces.append(Piece(f"  {count}", "degraded"))
    pieces.append(Piece(f"  {before}", "muted"))
    if (over := cells(pieces) - width) > 0:
        title = clean(incident.title)
        pieces[2] = Piece(f"  {fit(title, max(_TITLE, cell_width(title) - over))}", "strong")
    return tuple(pieces)


def timeline_rows(
    incident: Incident, entries: Sequence[TimelineEntry], now: datetime, rows: int, width: int
) -> list[Row]:
    """The head, and as many of the newest ``entries`` as fit, in chronological order."""
    shown = entries[len(entries) - min(rows - 1, len(entries)) :]
    left, steps = len(entries) - len(shown), begun_steps(entries)
    before = _("{count} earlier not shown", count=left) if left else ""
    return [title_row(incident, now, before, width), *(entry_row(each, width, steps) for each in shown)]


def as_it_was(
    incident: Incident, entries: Sequence[TimelineEntry], until: datetime
) -> tuple[Incident, Sequence[TimelineEntry]] | None:
    """Return the incident and its timeline as they were at ``until``; None if it was not open yet."""
    known = [each for each in entries if each.at <= until]
    return (fold(known, Path(incident.folder)), known) if known else None


def entry_row(entry: TimelineEntry, width: int, steps: Mapping[str, StepBegan]) -> Row:
    """An entry on one line; longer ones are shown in full by the handover and the export. ``steps`` are the commands
    that have started."""
    text = event_text(entry.what, steps).strip().split("\n", 1)[0]
    by = fit(_name(entry.by), _BY) if width >= 70 else ""
    return (
        Piece(f" {entry.at:%H:%M:%S}  ", "muted"),
        *((Piece(by + "  ", "muted"),) if by else ()),
        Piece(text, _role(entry)),
    )


def _role(entry: TimelineEntry) -> str:
    what = entry.what
    if isinstance(what, Noted | Decided):
        return "strong"
    if isinstance(what, StepEnded | JobEnded) and what.state in ("failed", "unknown"):
        return "failing"
    if isinstance(what, StepEnded) and what.state == "done":
        return "good"
    if isinstance(what, AlertChanged):
        return {"firing": "failing", "resolved": "good"}.get(what.state, "degraded")
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
            first = change.text.strip().split("\n", 1)[0]
            rows.append((Piece("    "), Piece(first, "strong")))
            if change.undo:
                undo = change.undo.strip().split("\n", 1)[0]
                rows.append((Piece("      " + _("to undo it: {undo}", undo=undo), "muted"),))
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
        command = step.command.strip().split("\n", 1)[0]
        text = _("outcome unknown: {host}: {command}", host=step.host, command=command)
        rows.append((Piece("  "), Piece(text, "failing")))
    return [*rows, BLANK, (Piece("  "), Piece(_("What was wrong and how it ended:"), "muted"))]


def handover_rows(lines: Sequence[str]) -> list[Row]:
    """The handover text under its head."""
    head: Row = (Piece(" " + _("Handover"), "title"), Piece("   " + _("y copies it, esc closes"), "muted"))
    return [head, BLANK, *((Piece(" "), Piece(line)) for line in lines)]
