"""Jobs as rows of tables and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from lilfox_tui.cli.output import Cell, shape
from lilfox_tui.i18n import _
from lilfox_tui.jobs.listing import unsettled
from lilfox_tui.jobs.model import Job, JobState, Progress, state_text
from lilfox_tui.metrics.model import Level
from lilfox_tui.text import human_bytes, human_duration

LEVELS: dict[JobState, Level] = {
    "running": Level.UNKNOWN,
    "ok": Level.GOOD,
    "partly": Level.DEGRADED,
    "failed": Level.FAILING,
    "cancelled": Level.DEGRADED,
    "unknown": Level.FAILING,
}


def rows(jobs: Sequence[Job], now: datetime) -> Iterator[list[Cell]]:
    """A table of jobs: id, what, state, since, and how far it is or how it ended; a hint below where somebody is to
    act. ``now`` is aware."""
    asked_for = {job.id for job in unsettled(jobs)}
    if jobs:
        yield [Cell(""), Cell(_("id")), Cell(_("what")), Cell(_("state")), Cell(_("since")), Cell("")]
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
    """The rows of ``lilfox check``: jobs of which nobody knows how they ended."""
    for job in unsettled(jobs):
        first = [shape(Level.FAILING), Cell(_("job")), Cell(job.title), Cell(f"{job.id}: {job.message}")]
        yield Level.FAILING, [first, [Cell(""), Cell(""), Cell(""), Cell(job.hint)]]


def progress_text(progress: Progress) -> str:
    """``lilfox 1.2G of 4.0G 31%  84M/s  34 s left``, as far as it is known."""
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


def document(job: Job) -> dict[str, Any]:
    """The job as ``jobs.json`` of the schemas says."""
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
