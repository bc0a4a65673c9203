"""A job in the timeline of the incident that was the current one when it began: written by the job itself, so that
those that nobody watches (cron's) are in it, too.

What must be on the disk before an effect is made are the job's own events. An incident that cannot be written to is
told there and stops nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _
from lilfox_tui.incident.places import NAMED_BY, incidents_in, own_path
from lilfox_tui.jobs.model import Request
from lilfox_tui.jobs.recorded import Recorded
from lilfox_tui.jobs.run import Outcome

if TYPE_CHECKING:
    from lilfox_tui.incident.model import What


class InIncident:
    """Tells the incident, where one is open, that the job began."""

    def __init__(self, run: Recorded, request: Request) -> None:
        self._run = run
        self._kind = request.kind
        self._folder: Path | None = None
        if not _may_be_open():
            return
        from lilfox_tui.incident.incidents import current_folder
        from lilfox_tui.incident.model import JobBegan

        try:
            self._folder = current_folder(own=True)
        except LilFoxError as error:
            self._warn(error)
        self._tell(JobBegan(job=run.id, kind=request.kind, title=request.title))

    def ended(self, outcome: Outcome) -> None:
        """Tells the same incident how it ended, whether that is still open or not."""
        if self._folder is not None:
            from lilfox_tui.incident.model import JobEnded

            what = JobEnded(job=self._run.id, kind=self._kind, state=outcome.state, message=str(outcome.message))
            self._tell(what)

    def _tell(self, what: What) -> None:
        if self._folder is None:
            return
        from lilfox_tui.incident.incidents import append_in

        try:
            append_in(self._folder, what)
        except LilFoxError as error:
            self._warn(error)

    def _warn(self, error: LilFoxError) -> None:
        self._run.say(_("not in the incident's timeline: {reason}", reason=error.message), "warning")


def _may_be_open() -> bool:
    """Without reading one: most jobs have none to tell."""
    if os.environ.get(NAMED_BY):
        return True
    place = own_path()
    return place is not None and bool(incidents_in(place))
