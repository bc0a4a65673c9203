"""Incidents and their entries as rows of tables and as JSON (``cli/schemas/incident-*.json``)."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from lilfox_tui.cli.output import Cell, print_json, print_line, shape, warn
from lilfox_tui.config.loader import load
from lilfox_tui.core.i18n import _, listed, ngettext
from lilfox_tui.core.text import human_duration
from lilfox_tui.incident.export import IntegrityReport
from lilfox_tui.incident.incidents import removed_incidents
from lilfox_tui.incident.model import Incident, SeverityLevel, StepBegan, StepEnded, TimelineEntry
from lilfox_tui.incident.reducer import event_text, happened_at, still_in_force
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.export import Failures, failures, utc_time


def day_of(text: str) -> date:
    """Return a day of the calendar. Raises ArgumentTypeError."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(_("{given}: expected a day, such as 2023-12-30", given=text)) from None


def tell_removed() -> None:
    """Warn of incidents that were opened and are no longer there."""
    for name, opened in removed_incidents():
        warn(_("{id}, opened on {day}, was removed", id=name, day=f"{opened:%Y-%m-%d}"))


async def check_failures(config_file: str | None) -> Failures:
    """Check everything that the configuration names once, as ``lilfox check`` does, and return what fails. This machine
    and the services found on it do not count where it does not name them: the sample is of the moment in which the
    command starts. Raises ConfigError."""
    from lilfox_tui.monitor.monitor import Monitor

    loaded = load(None if config_file is None else Path(config_file))
    overview = await Monitor(loaded.config, config_file=loaded.path).check_once()
    services = {name: each for name, each in overview.services.items() if not each.found}
    overview = replace(overview, services=services, hosts=overview.hosts if loaded.config.hosts else {})
    if not overview.views and overview.alerts is None and not loaded.config.backup.plans:
        return Failures(unknown=(_("the configuration names nothing to check"),))
    return failures(overview, has_plans=bool(loaded.config.backup.plans))


def failures_lines(found: Failures) -> Iterator[str]:
    """What fails and what nobody knows; that nothing fails is said only where all of it is known."""
    now = found.at or datetime.now(UTC)
    if found.failing:
        yield _("still failing at {time}:", time=utc_time(now, now))
        yield from (f"  {each.line(now)}" for each in found.failing)
    elif not found.unknown:
        yield _("nothing fails at {time}", time=utc_time(now, now))
    yield from (_("not known: {what}", what=text) for text in found.unknown)
    if found.degraded:
        yield _("degraded: {names}", names=listed(found.degraded))


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


def print_verdict(verdict: IntegrityReport) -> None:
    """Print what was found altered, or that nothing was."""
    for problem in verdict.problems:
        where = problem.file if problem.line is None else f"{problem.file}:{problem.line}"
        print_line(f"{where}: {problem.text}")
    for note in verdict.notes:
        print_line(_("note: {said}", said=note))
    if verdict.problems:
        print_line(_("{id}: altered", id=verdict.id))
        return
    print_line(
        _("{id}: intact, {entries}; SHA-256 of the last entry: {number}:{sha256}",
          id=verdict.id, entries=ngettext("{count} entry", "{count} entries", verdict.entries),
          number=verdict.entries, sha256=verdict.sha256)
    )  # fmt: skip


def verdict_document(verdict: IntegrityReport) -> dict[str, object]:
    """The same as a JSON document."""
    return {
        "id": verdict.id,
        "intact": not verdict.problems,
        "entries": verdict.entries,
        "sha256": verdict.sha256,
        "problems": [{"file": each.file, "line": each.line, "text": str(each.text)} for each in verdict.problems],
        "notes": [str(note) for note in verdict.notes],
    }


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
