"""Incidents and their entries as JSON (``cli/schemas/incident-*.json``)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from lilfox_tui.incident.model import Incident, TimelineEntry
from lilfox_tui.incident.reducer import still_in_force


def document(incident: Incident) -> dict[str, Any]:
    """The incident as it is now."""
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
    """The entry as it stands in the timeline."""
    made: dict[str, Any] = msgspec.to_builtins(entry)
    return made
