"""The process of a job: runs its effect, and records its messages and its result."""

from __future__ import annotations

import importlib
import os
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec.structs import replace

from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import ConfigError, LilFoxError
from lilfox_tui.core.i18n import _, set_language, tr
from lilfox_tui.core.paths import modes, user_name
from lilfox_tui.incident.model import NAMED_BY, incidents_in, own_path
from lilfox_tui.jobs.model import (
    Began,
    Effect,
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
from lilfox_tui.jobs.reader import OUTPUT, REQUEST, RESERVE, this_process
from lilfox_tui.jobs.writer import EventLog, OutputLog, fit_result, fit_text

if TYPE_CHECKING:
    from lilfox_tui.incident.model import What


# Records what an effect reports: events, progress, and entries in the open incident.


# How far a part is, how fast, and how long it will take.


_WINDOW_S = 5.0
_SAMPLES_S = 0.25
SHORTEST_S = 0.25
_LINES = 2000
"""The longer a part takes, the less often it is told of: about so many lines, and as many again each time its
duration grows by a factor of e. Ten hours: 18 s apart, 2 MB."""


class ProgressMeter:
    """The progress of one part. ``now`` is in seconds of a monotonic clock."""

    def __init__(self, part: str, now: float) -> None:
        self._part = part
        self._began = now
        self._samples: deque[tuple[float, int]] = deque()
        self._done = 0
        self._total: int | None = None
        self._told_at: float | None = None
        self._told_done = -1

    def moved(self, now: float, done: int, total: int | None) -> bool:
        """Takes a progress step; returns whether the progress should be reported now."""
        self._done, self._total = done, total
        if not self._samples or now - self._samples[-1][0] >= _SAMPLES_S:
            self._samples.append((now, done))
            while now - self._samples[0][0] > _WINDOW_S and len(self._samples) > 2:
                self._samples.popleft()
        if self._told_at is None or (done == total and done != self._told_done):
            return True
        return now - self._told_at >= max(SHORTEST_S, (now - self._began) / _LINES)

    def tell(self, now: float) -> Progress:
        """The current progress, which then counts as reported."""
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
        """Writes the intended change to disk. Raises JobError if that fails."""
        try:
            self._log.write(Intent(_now(), fit_text(text)), sync=sync)
        except OSError as error:
            raise JobError(
                tr(
                    "the change was not made because it cannot be recorded in {folder} ({reason}): {what}",
                    folder=self.folder,
                    what=fit_text(text),
                    reason=error.strerror or error,
                ),
                tr("free up space on that disk, or check who may write to this path, then start again"),
            ) from None
        self.intended = fit_text(text)

    def done(self, text: str, *, worked: bool = True, sync: bool = True) -> None:
        """Records whether the intent succeeded. A failed write is ignored here: the next intent will fail."""
        self.intended = ""
        with suppress(OSError):
            self._log.write(StepDone(_now(), fit_text(text), worked), sync=sync)

    def say(self, text: str, level: Level = "note") -> None:
        """Logs a line for the user; lost if it cannot be written."""
        with suppress(OSError):
            self._log.write(MessageLogged(_now(), fit_text(text), level))

    def fact(self, name: str, value: dict[str, Any], *, sync: bool = False) -> None:
        """Records a fact of the effect's own kind. Raises JobError if it cannot be written."""
        try:
            self._log.write(JobFact(_now(), name, fit_result(value)), sync=sync)
        except OSError as error:
            raise JobError(
                tr("the last action cannot be recorded in {folder} ({reason}), so nothing more is done",
                   folder=self.folder, reason=error.strerror or error),
                tr("free up space on that disk, or check who may write to this path, then continue"),
            ) from None  # fmt: skip

    def moved(self, part: str, done_bytes: int, total_bytes: int | None = None) -> None:
        """Takes the progress of ``part``; only a few of the calls are written."""
        now = time.monotonic()
        with self._lock:
            moving = self._parts.get(part)
            if moving is None:
                if len(self._parts) >= _MOST_PARTS:
                    return
                moving = self._parts[part] = ProgressMeter(fit_text(part), now)
            if moving.moved(now, done_bytes, total_bytes):
                self._tell(moving, now)

    def end(self, outcome: Outcome, at: datetime) -> bool:
        """Writes the last progress of every part and then the result of ``at``; returns whether it is on disk."""
        now = time.monotonic()
        with self._lock:
            for moving in self._parts.values():
                self._tell(moving, now)
        message, hint = fit_text(outcome.message), fit_text(outcome.hint)
        result = fit_result(outcome.result)
        return self._log.end(Ended(at, outcome.state, message, hint, outcome.exit_code, result))

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
    """Records in the open incident, if any, that the job began."""

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

    def ended(self, outcome: Outcome, took_s: float) -> None:
        """Records the job's result in the same incident, even if that was closed meanwhile."""
        if self._folder is not None:
            from lilfox_tui.incident.model import JobEnded

            self._tell(
                JobEnded(
                    job=self._run.id,
                    kind=self._kind,
                    state=outcome.state,
                    message=str(outcome.message),
                    took_s=took_s,
                )
            )

    def _tell(self, what: What) -> None:
        if self._folder is None:
            return
        from lilfox_tui.incident.incidents import append_in

        try:
            append_in(self._folder, what)
        except LilFoxError as error:
            self._warn(error)

    def _warn(self, error: LilFoxError) -> None:
        self._run.say(_("not recorded in the incident's timeline: {reason}", reason=error.message), "warning")


def _may_be_open() -> bool:
    """Whether an incident may be open, without reading one: most jobs have none."""
    if os.environ.get(NAMED_BY):
        return True
    place = own_path()
    return place is not None and bool(incidents_in(place))


PACKAGE = "lilfox_tui"
RUNS = b"+"
"""What is said on the pipe once the job has begun; anything else is the reason why it has not."""
CANCELLED = 130
"""The exit code of a job that was cancelled, as a shell has it for SIGINT."""


def main(argv: Sequence[str], *, package: str = PACKAGE) -> int:
    """Runs the job; ``argv`` is FOLDER EVENTS KEY WAITING LANGUAGE. Allows only entries of ``package``."""
    folder = Path(argv[0])
    events, key, waiting = map(int, argv[1:4])
    for handle in (events, key, waiting):
        os.set_inheritable(handle, False)
    os.umask(0o077)
    asked = _EndSignal()
    set_language(argv[4])
    try:
        log = EventLog(events, folder / RESERVE)
        request = msgspec.json.decode((folder / REQUEST).read_bytes(), type=JobRequest)
        began = _began()
        log.write(began, sync=True)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        _say(waiting, fit_text(getattr(error, "strerror", None) or error).encode())
        return 1
    _say(waiting, RUNS)
    output = OutputLog(folder / OUTPUT, modes(folder.parent)[1])
    run = RecordedRun(folder, log)
    incident = IncidentRecorder(run, request)
    outcome = _asking_for_a_look(_outcome(request, run, asked, package), run.id)
    ended_at = _now()  # for the incident and for the job: it has one duration
    incident.ended(outcome, max(0.0, (ended_at - began.at).total_seconds()))
    _forget_old(folder.parent)
    output.close()
    os.close(key)  # who follows and begins anew at once is not refused
    return outcome.exit_code if run.end(outcome, ended_at) else max(1, outcome.exit_code)


def _say(waiting: int, word: bytes) -> None:
    with suppress(BrokenPipeError):  # who started it is gone
        os.write(waiting, word)
    os.close(waiting)


class _EndSignal:
    """Records from the start of the job whether SIGTERM or SIGINT asked it to end. Only the first signal counts, so
    that a second one does not interrupt the clean-up. SIGHUP does nothing. Handlers, unlike ignored signals, are not
    inherited by child processes."""

    def __init__(self) -> None:
        self.to_end = False
        self.cancel: Callable[[], object] | None = None
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)
        for number in (signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, lambda _number, _frame: None)

    def _ask(self, _number: int = 0, _frame: FrameType | None = None) -> None:
        if not self.to_end:
            self.to_end = True
            if self.cancel is not None:
                self.cancel()


def _began() -> Began:
    me = this_process()
    return Began(datetime.now(UTC), me.pid, me.started, me.boot, socket.gethostname(), user_name())


def _outcome(request: JobRequest, run: RecordedRun, asked: _EndSignal, package: str) -> Outcome:
    """Runs the effect and returns its outcome; reports any exception."""
    import asyncio

    try:
        effect = _effect(request.entry, package)
        return asyncio.run(_until_end(effect, request, run, asked))
    except BaseException as error:  # a job tells how it ended, whatever that was
        if isinstance(error, asyncio.CancelledError) and asked.to_end:
            message = _("cancelled")
            if run.intended:
                message = _("cancelled; it was about to: {intent}", intent=run.intended)
            return Outcome("cancelled", message, "", CANCELLED)
        return _failed(error, run)


def _failed(error: BaseException, run: RecordedRun) -> Outcome:
    while isinstance(error, BaseExceptionGroup):  # of tasks that ended together the first tells
        error = error.exceptions[0]
    if isinstance(error, LilFoxError):
        if isinstance(error, ConfigError):
            for problem in error.problems:
                run.say(problem, "bad")
        return Outcome("failed", str(error.message), str(error.hint), error.exit_code)
    return Outcome("failed", str(fault_of(error)), "", 1)


def _asking_for_a_look(outcome: Outcome, job: str) -> Outcome:
    """Adds to the hint of an unknown outcome how to settle it."""
    if outcome.state != "unknown":
        return outcome
    look = _("check what the job left behind, then mark it as checked: lilfox jobs checked {id}", id=job)
    return replace(outcome, hint=f"{outcome.hint}; {look}" if outcome.hint else look)


async def _until_end(effect: Effect, request: JobRequest, run: RecordedRun, asked: _EndSignal) -> Outcome:
    import asyncio

    task = asyncio.ensure_future(effect(run, request.arguments))
    loop = asyncio.get_running_loop()

    def cancel() -> None:
        run.say(_("cancellation requested; cleaning up"), "warning")
        task.cancel()

    asked.cancel = lambda: loop.call_soon_threadsafe(cancel)
    if asked.to_end:
        cancel()
    return await task


def _effect(entry: str, package: str) -> Effect:
    """The function that ``entry`` names; only from ``package``, whatever the request says."""
    module, _colon, name = entry.partition(":")
    if not module.startswith(f"{package}."):
        raise LilFoxError(_("{entry} is not part of LilFox", entry=entry))
    return cast("Effect", getattr(importlib.import_module(module), name))


def _forget_old(jobs: Path) -> None:
    from lilfox_tui.jobs.listing import forget_old

    with suppress(OSError):
        forget_old(jobs, datetime.now(UTC))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
