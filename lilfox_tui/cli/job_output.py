"""Jobs on the command line: as table rows, as JSON, and followed while they run; and interrupted restores."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from lilfox_tui.cli.output import INTERRUPTED, Cell, print_json, print_line, shape, show_passing, warn
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import human_bytes, human_duration
from lilfox_tui.jobs.listing import find_job, follow_events, request_end, unsettled
from lilfox_tui.jobs.model import (
    Began,
    Ended,
    Event,
    Intent,
    Job,
    JobState,
    MessageLogged,
    Progress,
    ProgressMade,
    StepDone,
    state_text,
)
from lilfox_tui.metrics.model import Level

if TYPE_CHECKING:
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore
    from lilfox_tui.config.model import Config


LEVELS: dict[JobState, Level] = {
    "running": Level.UNKNOWN,
    "ok": Level.GOOD,
    "partly": Level.DEGRADED,
    "failed": Level.FAILING,
    "cancelled": Level.DEGRADED,
    "unknown": Level.FAILING,
}


def job_rows(jobs: Sequence[Job], now: datetime) -> Iterator[list[Cell]]:
    """The table rows of jobs: id, title, state, start time, and progress or result; a hint below if action is needed.
    ``now`` is aware."""
    asked_for = {job.id for job in unsettled(jobs)}
    if jobs:
        yield [Cell(""), Cell(_("id")), Cell(_("job title")), Cell(_("state")), Cell(_("since")), Cell("")]
    for job in jobs:
        level = Level.DEGRADED if job.state == "unknown" and job.id not in asked_for else LEVELS[job.state]
        since = f"{job.started.astimezone():%Y-%m-%d %H:%M:%S}"
        yield [
            shape(level), Cell(job.id), Cell(job.title), Cell(state_text(job.state), level), Cell(since),
            Cell(_how(job, now)),
        ]  # fmt: skip
        if job.hint and (job.state == "running" or job.id in asked_for):
            yield [Cell(""), Cell(""), Cell(job.hint)]


def check_rows(jobs: Sequence[Job]) -> Iterator[tuple[Level, list[list[Cell]]]]:
    """The rows of ``lilfox check`` for jobs whose result is unknown."""
    for job in unsettled(jobs):
        first = [shape(Level.FAILING), Cell(_("job")), Cell(job.title), Cell(f"{job.id}: {job.message}")]
        yield Level.FAILING, [first, [Cell(""), Cell(""), Cell(""), Cell(job.hint)]]


def progress_text(progress: Progress) -> str:
    """The progress as text: ``lilfox 1.2G of 4.0G 31% 84M/s 34 s left``, as far as it is known."""
    done = human_bytes(progress.done_bytes)
    if progress.total_bytes:
        percent = min(100, progress.done_bytes * 100 // progress.total_bytes)
        done = _("{done} of {total} {percent}%", done=done, total=human_bytes(progress.total_bytes), percent=percent)
    parts = [f"{progress.part} {done}"]
    if progress.rate is not None:
        parts.append(_("{bytes}/s", bytes=human_bytes(progress.rate)))
    if progress.remaining_s is not None:
        parts.append(_("{time} left", time=human_duration(round(progress.remaining_s))))
    return "  ".join(parts)


def job_document(job: Job) -> dict[str, Any]:
    """The job in the format of the schema ``jobs.json``."""
    return {
        "id": job.id,
        "kind": job.kind,
        "title": job.title,
        "key": job.key,
        "state": job.state,
        "checked": job.checked,
        "started": job.started.isoformat(),
        "ended": None if job.ended is None else job.ended.isoformat(),
        "host": job.host or None,
        "user": job.user or None,
        "pid": job.pid,
        "exit_code": job.exit_code,
        "message": job.message,
        "hint": job.hint,
        "progress": [
            {
                "part": each.part,
                "done_bytes": each.done_bytes,
                "total_bytes": each.total_bytes,
                "bytes_per_s": each.rate,
                "remaining_s": each.remaining_s,
            }
            for each in job.progress
        ],
        "result": job.result,
        "folder": job.folder,
    }


def _how(job: Job, now: datetime) -> str:
    if job.state != "running":
        return job.message
    age = human_duration(round((now - job.started).total_seconds()))
    return "  ".join((age, *(progress_text(each) for each in job.progress[-1:])))


# Restores that were interrupted, for commands that show something of backups or jobs.


def interrupted_now(config: Config) -> list[InterruptedRestore]:
    """All interrupted restores, with what is in place now."""
    from lilfox_tui.backup.context import BackupContext
    from lilfox_tui.backup.restores.interrupted import interrupted_restores

    async def look() -> list[InterruptedRestore]:
        async with BackupContext(config) as context:
            return await interrupted_restores(context)

    return asyncio.run(look())


def warn_interrupted(found: list[InterruptedRestore]) -> None:
    """Warns about each interrupted restore on stderr and says how to settle it."""
    for half in found:
        warn(_("lilfox: {message}", message=half.message))
        warn(_("hint: {hint}", hint=half.hint))


_MARKS = {"note": " ", "good": "+", "warning": "!", "bad": "x"}


def follow_job(job_id: str, *, quiet: bool = False) -> int:
    """Shows the job on stderr until it ends; returns its exit code. Nothing is written to stdout: the job's result is
    ``find_job(job_id).result``.

    ctrl-c (or SIGTERM) cancels the job and waits for its clean-up; a second one stops waiting and leaves the clean-up
    to the job. ``quiet``: only warnings, what is bad, and how it ended when that was not good."""
    return _follow(job_id, JobPrinter(warn, quiet=quiet), cancels=True)


def attach_job(job_id: str, *, as_json: bool = False) -> int:
    """Replays the job's events, then follows it until it ends; returns its exit code. ctrl-c stops following, not the
    job. ``as_json``: each event is a line of JSON."""
    return _follow(job_id, _AsJson() if as_json else JobPrinter(print_line), cancels=False)


def _follow(job_id: str, shown: JobPrinter | _AsJson, *, cancels: bool) -> int:
    job = find_job(job_id)
    shown.job(job)
    return asyncio.run(_until_end(job, shown, cancels=cancels))


async def _until_end(job: Job, shown: JobPrinter | _AsJson, *, cancels: bool) -> int:
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
        shown.aside(_("cancelling; waiting for the clean-up. Interrupt again to stop waiting"))
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
        said = _("the clean-up continues") if cancels else _("the job continues")
        shown.aside(_("{what}; watch it: lilfox attach {id}", what=said, id=job.id))
        return INTERRUPTED
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    return 1


class JobPrinter:
    """Prints a job for humans: a line per event, and on a terminal a transient line for progress."""

    def __init__(self, line: Callable[[str], None], *, quiet: bool = False) -> None:
        self._line = line
        self._quiet = quiet
        self._passing = sys.stderr.isatty()
        self._progress: dict[str, Progress] = {}
        self._folder = Path()

    def job(self, job: Job) -> None:
        """Prints the job's id and title."""
        self._folder = Path(job.folder)
        if not self._quiet:
            self._line(_("job {id}: {title}", id=job.id, title=job.title))

    def aside(self, text: str) -> None:
        """Prints a message of this process, which follows the job, not of the job itself."""
        self._clear()
        warn(text)

    def event(self, event: Event) -> None:
        """Shows an event. Before an event about a part, prints the last progress of that part."""
        if not isinstance(event, ProgressMade):
            self._finish_progress(event)
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
                began = _(
                    "started on {host} by {user} (process {pid})", host=event.host, user=event.user, pid=event.pid
                )
                self._say(event.at, " ", began)
            case Ended():
                self._ended(event)

    def _ended(self, event: Ended) -> None:
        if self._quiet and event.state == "ok":
            self._clear()
            return
        mark = {"ok": "+", "partly": "!", "cancelled": "!"}.get(event.state, "x")
        self._say(event.at, mark, f"{state_text(event.state)}: {event.message}")
        if event.hint:
            self._line(_("hint: {hint}", hint=event.hint))
        output = self._folder / "output.log"
        with suppress(OSError):
            if event.state != "ok" and output.stat().st_size:
                self._line(_("program output: {path}", path=output))

    def _finish_progress(self, event: Event) -> None:
        """Prints the parts that are complete; at the end of the job, all."""
        for part, progress in tuple(self._progress.items()):
            complete = progress.total_bytes is not None and progress.done_bytes >= progress.total_bytes
            if complete or isinstance(event, Ended):
                del self._progress[part]
                if not self._quiet:
                    self._say(event.at, " ", progress_text(progress.current(ended=True)))

    def _moved(self, progress: Progress) -> None:
        self._progress[progress.part] = progress
        if self._passing:
            show_passing(progress_text(progress.current(ended=False)))

    def _say(self, at: datetime, mark: str, text: str) -> None:
        self._clear()
        for line in text.splitlines() or [""]:
            self._line(f"{at.astimezone():%H:%M:%S} {mark} {line}")

    def _clear(self) -> None:
        if self._passing:
            show_passing("")


class _AsJson:
    """Prints a job for programs: each event as JSON, as it is stored in the job's folder."""

    def job(self, job: Job) -> None:
        """Prints nothing: the events identify the job."""

    def aside(self, text: str) -> None:
        """Prints a message of this process, which follows the job, not of the job itself."""
        warn(text)

    def event(self, event: Event) -> None:
        """Prints an event."""
        document: dict[str, Any] = msgspec.to_builtins(event)
        print_json(document, lines=True)
