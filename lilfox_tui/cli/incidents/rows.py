"""Incidents and their entries as rows of tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from lilfox_tui.cli.output import Cell, shape
from lilfox_tui.i18n import _
from lilfox_tui.incident.model import Incident, SeverityLevel, StepEnded, TimelineEntry
from lilfox_tui.incident.words import event_text
from lilfox_tui.metrics.model import Level
from lilfox_tui.text import human_duration

LEVELS: dict[SeverityLevel, Level] = {
    "SEV-1": Level.FAILING,
    "SEV-2": Level.FAILING,
    "SEV-3": Level.DEGRADED,
    "SEV-4": Level.DEGRADED,
}


def rows(incidents: Iterable[Incident], now: datetime, current: Path | None) -> Iterator[list[Cell]]:
    """A table of them. ``now`` is aware; ``current`` is where the current one lies."""
    found = list(incidents)
    if found:
        names = (_("id"), _("state"), _("severity"), _("opened"), _("for"), _("acts"))
        yield [Cell(""), *map(Cell, names), Cell("")]
    for incident in found:
        level = LEVELS[incident.severity] if incident.closed is None else Level.GOOD
        lasted = (incident.closed or now) - incident.opened
        yield [
            shape(level),
            Cell(incident.id),
            Cell(_state(incident, current)),
            Cell(incident.severity, level),
            Cell(f"{incident.opened.astimezone():%Y-%m-%d %H:%M:%S}"),
            Cell(human_duration(round(lasted.total_seconds())), right=True),
            Cell(incident.leader),
            Cell(incident.title),
        ]


def _state(incident: Incident, current: Path | None) -> str:
    if incident.closed is not None:
        return _("over")
    return _("current") if incident.folder == str(current) else _("also open")


def entry_rows(entries: Iterable[TimelineEntry]) -> Iterator[list[Cell]]:
    """The timeline in local time; the last lines of a command's output below it."""
    for entry in entries:
        first, *more = event_text(entry.what).splitlines() or [""]
        when = f"{entry.at.astimezone():%Y-%m-%d %H:%M:%S}"
        yield [Cell(str(entry.number), right=True), Cell(when), Cell(entry.by), Cell(first)]
        if isinstance(entry.what, StepEnded):
            more += entry.what.output.splitlines()[-_OUTPUT_LINES:]
        for line in more:
            yield [Cell(""), Cell(""), Cell(""), Cell(f"  {line}")]


_OUTPUT_LINES = 5
