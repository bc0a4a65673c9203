"""What the monitor tells of the open incident and of runbooks: only the shapes, so that the first frame waits for none
of the rest."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from lilfox_tui.incident.model import Incident, TimelineEntry
    from lilfox_tui.jobs.model import Job
    from lilfox_tui.runbook.model import Document, Runbook


class IncidentView(Struct, frozen=True):
    """The current incident, as of ``at`` (aware UTC); ``entries`` from its first on. None where none is open."""

    at: datetime
    incident: Incident | None = None
    entries: tuple[TimelineEntry, ...] = ()


class RunbooksView(Struct, frozen=True):
    """Every document that there is, and the runs of runbooks, newest first; ``documents`` is None before the first
    look."""

    documents: tuple[Document, ...] | None = None
    runs: tuple[Job, ...] = ()

    @property
    def runbooks(self) -> tuple[Runbook, ...]:
        """Of all documents, those of the configuration first."""
        return tuple(runbook for document in self.documents or () for runbook in document.runbooks)
