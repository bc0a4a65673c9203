"""The process of a job: it says that it runs, makes the effect, and says how that ended.

Started by ``start.py`` with the job's folder and three descriptors: the events (locked), the key's lock, and the pipe
on which the one who starts it waits for a word."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import cast

import msgspec
from msgspec.structs import replace

from lilfox_tui.errors import ConfigError, LilFoxError
from lilfox_tui.i18n import _, set_language
from lilfox_tui.jobs.model import Began, Effect, JobRequest, Outcome
from lilfox_tui.jobs.reader import OUTPUT, REQUEST, RESERVE, this_process
from lilfox_tui.jobs.recorder import IncidentRecorder, RecordedRun
from lilfox_tui.jobs.writer import EventLog, OutputLog, fit_text
from lilfox_tui.paths import modes, user_name

PACKAGE = "lilfox_tui"
RUNS = b"+"
"""What is said on the pipe once the job has begun; anything else is the reason why it has not."""
CANCELLED = 130
"""The exit code of a job that was cancelled, as a shell has it for SIGINT."""


def main(argv: Sequence[str], *, package: str = PACKAGE) -> int:
    """Runs the job; ``argv`` is FOLDER EVENTS KEY WAITING LANGUAGE. Entries are of ``package`` alone."""
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
        log.write(_began(), sync=True)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        _say(waiting, fit_text(getattr(error, "strerror", None) or error).encode())
        return 1
    _say(waiting, RUNS)
    output = OutputLog(folder / OUTPUT, modes(folder.parent)[1])
    run = RecordedRun(folder, log)
    incident = IncidentRecorder(run, request)
    outcome = _asking_for_a_look(_outcome(request, run, asked, package), run.id)
    incident.ended(outcome)
    _forget_old(folder.parent)
    output.close()
    os.close(key)  # who follows and begins anew at once is not refused
    return outcome.exit_code if run.end(outcome) else max(1, outcome.exit_code)


def _say(waiting: int, word: bytes) -> None:
    with suppress(BrokenPipeError):  # who started it is gone
        os.write(waiting, word)
    os.close(waiting)


class _EndSignal:
    """Whether the job was asked to end: SIGTERM or SIGINT, from the first moment on. Only the first counts, so that
    a second one does not cut its clean-up. SIGHUP is nothing to it. Handlers, unlike what is ignored, are not
    inherited by the programs that it runs."""

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
    """How the effect ended; whatever it raises is told."""
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
    from lilfox_tui.crash import fault_of

    return Outcome("failed", str(fault_of(error)), "", 1)


def _asking_for_a_look(outcome: Outcome, job: str) -> Outcome:
    """Of one of which nobody knows how it ended it is said what settles it."""
    if outcome.state != "unknown":
        return outcome
    look = _("look what it left, then say so: lilfox jobs checked {id}", id=job)
    return replace(outcome, hint=f"{outcome.hint}; {look}" if outcome.hint else look)


async def _until_end(effect: Effect, request: JobRequest, run: RecordedRun, asked: _EndSignal) -> Outcome:
    import asyncio

    task = asyncio.ensure_future(effect(run, request.wanted))
    loop = asyncio.get_running_loop()

    def cancel() -> None:
        run.say(_("told to end; cleaning up"), "warning")
        task.cancel()

    asked.cancel = lambda: loop.call_soon_threadsafe(cancel)
    if asked.to_end:
        cancel()
    return await task


def _effect(entry: str, package: str) -> Effect:
    """The function that ``entry`` names; of ``package`` alone, whatever stands on the disk."""
    import importlib

    module, _colon, name = entry.partition(":")
    if not module.startswith(f"{package}."):
        raise LilFoxError(_("{entry}: no effect of LilFox", entry=entry))
    return cast("Effect", getattr(importlib.import_module(module), name))


def _forget_old(jobs: Path) -> None:
    from lilfox_tui.jobs.listing import forget_old

    with suppress(OSError):
        forget_old(jobs, datetime.now(UTC))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
