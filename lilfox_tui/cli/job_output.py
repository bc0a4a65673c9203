"""What the command line shows while a job runs."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import aclosing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from lilfox_tui.cli.job_rows import progress_text
from lilfox_tui.cli.outcome import INTERRUPTED
from lilfox_tui.cli.output import print_json, print_line, show_passing, warn
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _
from lilfox_tui.jobs.control import follow_events, request_end
from lilfox_tui.jobs.listing import find_job
from lilfox_tui.jobs.model import (
    Began,
    Ended,
    Event,
    Intent,
    Job,
    MessageLogged,
    Progress,
    ProgressMade,
    StepDone,
    state_text,
)

_MARKS = {"note": " ", "good": "+", "warning": "!", "bad": "x"}


def follow_job(job_id: str, *, quiet: bool = False) -> int:
    """Shows the job on stderr until it has ended; gives its exit code. stdout stays free: the job's result is
    ``find_job(job_id).result``.

    ctrl-c (or SIGTERM) cancels the job and waits for its clean-up; a second one stops waiting and leaves the clean-up
    to the job. ``quiet``: only warnings, what is bad, and how it ended when that was not good."""
    return _follow(job_id, Shown(warn, quiet=quiet), cancels=True)


def attach_job(job_id: str, *, as_json: bool = False) -> int:
    """Prints the job from its first event on until it has ended; gives its exit code. ctrl-c stops watching: the job
    goes on. ``as_json``: each event is a line of JSON."""
    return _follow(job_id, _AsJson() if as_json else Shown(print_line), cancels=False)


def _follow(job_id: str, shown: Shown | _AsJson, *, cancels: bool) -> int:
    job = find_job(job_id)
    shown.job(job)
    return asyncio.run(_until_end(job, shown, cancels=cancels))


async def _until_end(job: Job, shown: Shown | _AsJson, *, cancels: bool) -> int:
    watching = asyncio.current_task()
    assert watching is not None
    loop = asyncio.get_running_loop()
    asked = 0

    def interrupted() -> None:
        nonlocal asked
        asked += 1
        if not cancels or asked > 1:
            watching.cancel()
            return
        shown.aside(_("cancelling; waiting for its clean-up. Once more: stop waiting"))
        try:
            request_end(job)
        except LilFoxError as error:
            shown.aside(f"{error.message} {error.hint}")

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    try:
        async with aclosing(follow_events(job.id)) as lists:
            async for some in lists:
                for event in some:
                    shown.event(event)
                    if isinstance(event, Ended):
                        return event.exit_code
    except asyncio.CancelledError:
        if not asked:
            raise
        said = _("its clean-up goes on") if cancels else _("the job goes on")
        shown.aside(_("{what}; watch it: lilfox attach {id}", what=said, id=job.id))
        return INTERRUPTED
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return 1


class Shown:
    """For people: a line for what happens, and on a terminal one that passes for progress."""

    def __init__(self, line: Callable[[str], None], *, quiet: bool = False) -> None:
        self._line = line
        self._quiet = quiet
        self._passing = sys.stderr.isatty()
        self._progress: dict[str, Progress] = {}
        self._folder = Path()

    def job(self, job: Job) -> None:
        """Says which job it is."""
        self._folder = Path(job.folder)
        if not self._quiet:
            self._line(_("job {id}: {title}", id=job.id, title=job.title))

    def aside(self, text: str) -> None:
        """What is not of the job, but of who watches it."""
        self._clear()
        warn(text)

    def event(self, event: Event) -> None:
        """Shows an event."""
        match event:
            case ProgressMade():
                self._moved(event.progress)
            case MessageLogged():
                if not self._quiet or event.level in ("warning", "bad"):
                    self._say(event.at, _MARKS[event.level], event.text)
            case Intent() if not self._quiet:
                self._say(event.at, "→", event.text)
            case StepDone() if not self._quiet or not event.worked:
                self._say(event.at, "✓" if event.worked else "x", event.text)
            case Began() if not self._quiet:
                began = _("began on {host} by {user} (process {pid})", host=event.host, user=event.user, pid=event.pid)
                self._say(event.at, " ", began)
            case Ended():
                self._ended(event)

    def _ended(self, event: Ended) -> None:
        if self._quiet and event.state == "ok":
            self._clear()
            return
        for progress in () if self._quiet else self._progress.values():
            self._say(event.at, " ", progress_text(progress))
        mark = {"ok": "+", "partly": "!", "cancelled": "!"}.get(event.state, "x")
        self._say(event.at, mark, f"{state_text(event.state)}: {event.message}")
        if event.hint:
            self._line(_("hint: {hint}", hint=event.hint))
        output = self._folder / "output.log"
        with suppress(OSError):
            if event.state != "ok" and output.stat().st_size:
                self._line(_("what its programs said: {path}", path=output))

    def _moved(self, progress: Progress) -> None:
        self._progress[progress.part] = progress
        if self._passing:
            show_passing(progress_text(progress))

    def _say(self, at: datetime, mark: str, text: str) -> None:
        self._clear()
        for line in text.splitlines() or [""]:
            self._line(f"{at.astimezone():%H:%M:%S} {mark} {line}")

    def _clear(self) -> None:
        if self._passing:
            show_passing("")


class _AsJson:
    """For programs: each event as it stands in the job's folder."""

    def job(self, job: Job) -> None:
        """The events say it."""

    def aside(self, text: str) -> None:
        """What is not of the job, but of who watches it."""
        warn(text)

    def event(self, event: Event) -> None:
        """Prints an event."""
        document: dict[str, Any] = msgspec.to_builtins(event)
        print_json(document, lines=True)
