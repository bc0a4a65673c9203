"""Records what an effect reports: events, progress, and entries in the open incident."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, tr
from lilfox_tui.incident.folder import NAMED_BY, incidents_in, own_path
from lilfox_tui.jobs.model import (
    Ended,
    Intent,
    JobError,
    JobFact,
    JobRequest,
    Level,
    MessageLogged,
    Outcome,
    Progress,
    ProgressMade,
    StepDone,
)
from lilfox_tui.jobs.writer import EventLog, fit_result, fit_text

if TYPE_CHECKING:
    from lilfox_tui.incident.model import What


# How far a part is, how fast, and how long it will take.


_WINDOW_S = 5.0
_SAMPLES_S = 0.25
SHORTEST_S = 0.25
_LINES = 2000
"""The longer a part takes, the less often it is told of: about so many lines, and as many again each time its
duration grows by a factor of e. Ten hours: 18 s apart, 2 MB."""


class ProgressMeter:
    """One part that moves. ``now`` is seconds of a monotonic clock."""

    def __init__(self, part: str, now: float) -> None:
        self._part = part
        self._began = now
        self._samples: deque[tuple[float, int]] = deque()
        self._done = 0
        self._total: int | None = None
        self._told_at: float | None = None
        self._told_done = -1

    def moved(self, now: float, done: int, total: int | None) -> bool:
        """Takes a step in; whether it is time to tell of it."""
        self._done, self._total = done, total
        if not self._samples or now - self._samples[-1][0] >= _SAMPLES_S:
            self._samples.append((now, done))
            while now - self._samples[0][0] > _WINDOW_S and len(self._samples) > 2:
                self._samples.popleft()
        if self._told_at is None or (done == total and done != self._told_done):
            return True
        return now - self._told_at >= max(SHORTEST_S, (now - self._began) / _LINES)

    def tell(self, now: float) -> Progress:
        """How far it is now."""
        self._told_at, self._told_done = now, self._done
        rate = self._rate(now)
        left = None if self._total is None else self._total - self._done
        remaining = left / rate if rate and left is not None and left >= 0 else None
        return Progress(self._part, self._done, self._total, rate, remaining)

    def _rate(self, now: float) -> float | None:
        if not self._samples or now - self._samples[0][0] < _SAMPLES_S:
            return None
        at, done = self._samples[0]
        return max(0.0, (self._done - done) / (now - at))


# A job as its effect has it: everything that it says becomes an event on the disk.


_MOST_PARTS = 1000


class RecordedRun:
    """A ``Run`` that writes to ``log``; its methods may be called from several threads."""

    def __init__(self, folder: Path, log: EventLog) -> None:
        self.id = folder.name
        self.folder = folder
        self._log = log
        self._parts: dict[str, ProgressMeter] = {}
        self._lock = threading.Lock()
        self.intended = ""
        """What was intended last and is not done."""

    def intent(self, text: str, *, sync: bool = True) -> None:
        """Puts what is about to be changed on the disk. Raises JobError where that cannot be."""
        try:
            self._log.write(Intent(_now(), fit_text(text)), sync=sync)
        except OSError as error:
            raise JobError(
                tr(
                    "{folder}: {reason}: what was to be done next cannot be written down, so it is not done: {what}",
                    folder=self.folder,
                    what=fit_text(text),
                    reason=error.strerror or error,
                ),
                tr("make room on that disk, then begin anew"),
            ) from None
        self.intended = fit_text(text)

    def done(self, text: str, *, worked: bool = True, sync: bool = True) -> None:
        """Tells that it came true, or has ended otherwise. Where that cannot be written, it is so all the same: the
        next intent will fail."""
        self.intended = ""
        with suppress(OSError):
            self._log.write(StepDone(_now(), fit_text(text), worked), sync=sync)

    def say(self, text: str, level: Level = "note") -> None:
        """A line for the one who watches; lost where it cannot be written."""
        with suppress(OSError):
            self._log.write(MessageLogged(_now(), fit_text(text), level))

    def fact(self, name: str, value: dict[str, Any], *, sync: bool = False) -> None:
        """Tells what is of the effect's own kind. Raises JobError where it cannot be written."""
        try:
            self._log.write(JobFact(_now(), name, fit_result(value)), sync=sync)
        except OSError as error:
            raise JobError(
                tr("{folder}: {reason}: what was done cannot be written down, so nothing more is done",
                   folder=self.folder, reason=error.strerror or error),
                tr("make room on that disk, then go on"),
            ) from None  # fmt: skip

    def moved(self, part: str, done_bytes: int, total_bytes: int | None = None) -> None:
        """How far ``part`` is; few of the calls are written."""
        now = time.monotonic()
        with self._lock:
            moving = self._parts.get(part)
            if moving is None:
                if len(self._parts) >= _MOST_PARTS:
                    return
                moving = self._parts[part] = ProgressMeter(fit_text(part), now)
            if moving.moved(now, done_bytes, total_bytes):
                self._tell(moving, now)

    def end(self, outcome: Outcome) -> bool:
        """Writes how it ended, after the newest of every part; whether that is on the disk."""
        now = time.monotonic()
        with self._lock:
            for moving in self._parts.values():
                self._tell(moving, now)
        message, hint = fit_text(outcome.message), fit_text(outcome.hint)
        result = fit_result(outcome.result)
        return self._log.end(Ended(_now(), outcome.state, message, hint, outcome.exit_code, result))

    def _tell(self, moving: ProgressMeter, now: float) -> None:
        with suppress(OSError):
            self._log.write(ProgressMade(_now(), moving.tell(now)))


def _now() -> datetime:
    return datetime.now(UTC)


# A job in the timeline of the incident that was the current one when it began: written by the job itself, so that
# those that nobody watches (cron's) are in it, too.
#
# What must be on the disk before an effect is made are the job's own events. An incident that cannot be written to is
# told there and stops nothing.


class IncidentRecorder:
    """Tells the incident, where one is open, that the job began."""

    def __init__(self, run: RecordedRun, request: JobRequest) -> None:
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
