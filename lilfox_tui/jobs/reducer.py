"""Reduces the events of a job to what is known of it: a ``Job``."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lilfox_tui.i18n import _
from lilfox_tui.jobs.model import Began, Ended, Event, Intent, Job, JobRequest, Progress, ProgressMade, StepDone
from lilfox_tui.jobs.reader import REQUEST
from lilfox_tui.trusted_file import open_regular

_MOST_REQUEST_BYTES = 8 << 20


class JobReducer:
    """Takes events in their order; ``began`` and ``ended`` are the ones that came. ``owner`` asked for it, as far as is
    known before it began."""

    def __init__(self, folder: Path, request: JobRequest, asked: datetime, owner: str) -> None:
        self._folder = folder
        self._request = request
        self._asked = asked
        self._owner = owner
        self._progress: dict[str, Progress] = {}
        self._intended = ""
        self.began: Began | None = None
        self.ended: Ended | None = None

    def take(self, events: Iterable[Event]) -> None:
        """The next events."""
        for event in events:
            match event:
                case ProgressMade():
                    self._progress[event.progress.part] = event.progress
                case Intent():
                    self._intended = event.text
                case StepDone():
                    self._intended = ""
                case Began() if self.began is None:
                    self.began = event
                case Ended() if self.ended is None:
                    self.ended = event

    def lost(self, at: datetime) -> Ended:
        """The end of a job whose process is gone at ``at`` and left no result. One that never began did nothing."""
        if self.began is None:
            return Ended(at, "failed", _("its process ended before it began; nothing was done"), _("begin anew"), 1)
        message = _("its process is gone and left no result")
        if self._intended:
            message = _("its process is gone and left no result; it was about to: {intent}", intent=self._intended)
        hint = _("look what it left, then say so: lilfox jobs checked {id}", id=self._folder.name)
        return Ended(at, "unknown", message, hint, 1)

    def job(self, *, running: bool, checked: bool = False) -> Job:
        """The job now. ``running``: its process is there."""
        began, ended = self.began, self.ended
        if ended is None and not running:
            ended = self.lost(self._asked if began is None else began.at)
        return Job(
            id=self._folder.name,
            kind=self._request.kind,
            title=self._request.title,
            key=self._request.key,
            folder=str(self._folder),
            state="running" if ended is None else ended.state,
            started=self._asked if began is None else began.at,
            ended=None if self.ended is None else self.ended.at,
            pid=None if began is None else began.pid,
            host="" if began is None else began.host,
            user=self._owner if began is None else began.user,
            message="" if ended is None else ended.message,
            hint="" if ended is None else ended.hint,
            exit_code=None if ended is None else ended.exit_code,
            progress=tuple(self._progress.values()),
            result={} if ended is None else ended.result,
            checked=checked,
        )


def new_reducer(folder: Path) -> JobReducer:
    """A job of which only the request is known. Raises OSError, msgspec.DecodeError, UnicodeDecodeError."""
    with os.fdopen(open_regular(folder / REQUEST), "rb") as file:
        facts = os.fstat(file.fileno())
        request = msgspec.json.decode(file.read(_MOST_REQUEST_BYTES), type=JobRequest)
    return JobReducer(folder, request, datetime.fromtimestamp(facts.st_mtime, UTC), _name(facts.st_uid))


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
