"""Incidents and their entries as rows of tables and as JSON (``cli/schemas/incident-*.json``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from lilfox_tui.cli.output import Cell, print_json, print_line, shape
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import human_duration
from lilfox_tui.incident.model import Incident, SeverityLevel, StepBegan, StepEnded, TimelineEntry
from lilfox_tui.incident.reducer import event_text, happened_at, still_in_force
from lilfox_tui.metrics.model import Level


def incident_document(incident: Incident) -> dict[str, Any]:
    """The incident's current state as a JSON document."""
    return {
        "id": incident.id,
        "title": incident.title,
        "severity": incident.severity,
        "opened": incident.opened.isoformat(),
        "closed": None if incident.closed is None else incident.closed.isoformat(),
        "changed": incident.changed.isoformat(),
        "leader": incident.leader,
        "roles": incident.roles,
        "moments": {moment: when.isoformat() for moment, when in incident.moments.items()},
        "in_force": [
            {
                "change": change.change,
                "text": change.text,
                "undo": change.undo,
                "ends": None if change.ends is None else change.ends.isoformat(),
            }
            for change in still_in_force(incident, datetime.now(UTC))
        ],
        "jobs": list(incident.jobs),
        "steps": list(incident.steps),
        "entries": incident.entries,
        "folder": incident.folder,
    }


def entry_document(entry: TimelineEntry) -> dict[str, Any]:
    """The entry as a JSON document, as it is stored in the timeline."""
    made: dict[str, Any] = msgspec.to_builtins(entry)
    return made


LEVELS: dict[SeverityLevel, Level] = {
    "SEV-1": Level.FAILING,
    "SEV-2": Level.FAILING,
    "SEV-3": Level.DEGRADED,
    "SEV-4": Level.DEGRADED,
}


def incident_rows(incidents: Iterable[Incident], now: datetime, current: Path | None) -> Iterator[list[Cell]]:
    """The table rows of incidents. ``now`` is aware; ``current`` is the folder of the current one."""
    found = list(incidents)
    if found:
        names = (_("id"), _("state"), _("severity"), _("opened"), _("for"), _("handled by"))
        yield [Cell(""), *map(Cell, names), Cell("")]
    for incident in found:
        level = LEVELS[incident.severity] if incident.closed is None else Level.GOOD
        lasted = (incident.closed or now) - incident.opened
        yield [
            shape(level),
            Cell(incident.id),
            Cell(_incident_state(incident, current)),
            Cell(incident.severity, level),
            Cell(f"{incident.opened.astimezone():%Y-%m-%d %H:%M:%S}"),
            Cell(human_duration(round(lasted.total_seconds())), right=True),
            Cell(incident.leader),
            Cell(incident.title),
        ]


def _incident_state(incident: Incident, current: Path | None) -> str:
    if incident.closed is not None:
        return _("ended")
    return _("current") if incident.folder == str(current) else _("also open")


def entry_rows(entries: Iterable[TimelineEntry], steps: Mapping[str, StepBegan]) -> Iterator[list[Cell]]:
    """The timeline as table rows, in local time; a command is followed by the last lines of its output. ``steps`` are
    the commands that began."""
    for entry in entries:
        first, *more = event_text(entry.what, steps).splitlines() or [""]
        when = f"{happened_at(entry).astimezone():%Y-%m-%d %H:%M:%S}"
        yield [Cell(str(entry.number), right=True), Cell(when), Cell(entry.by), Cell(first)]
        if isinstance(entry.what, StepEnded):
            more += entry.what.output.splitlines()[-_OUTPUT_LINES:]
        for line in more:
            yield [Cell(""), Cell(""), Cell(""), Cell(f"  {line}")]


def print_entry(entry: TimelineEntry, steps: Mapping[str, StepBegan], *, as_json: bool) -> None:
    """Print an entry as it arrives: one line, and below it the rest of its text and its output; or one line of JSON."""
    if as_json:
        print_json(entry_document(entry), lines=True)
        return
    first, *more = event_text(entry.what, steps).splitlines() or [""]
    print_line(f"{happened_at(entry).astimezone():%Y-%m-%d %H:%M:%S} {entry.by}: {first}")
    for line in chain(more, getattr(entry.what, "output", "").splitlines()):
        print_line(f"    {line}")


_OUTPUT_LINES = 5
