"""The rows of the list of runbooks.

Nothing of runbook/ and jobs/ is imported before there are some: with keys of its own a configuration has this imported
before the first frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lilfox_tui.monitor.model import RunbooksView

if TYPE_CHECKING:
    from lilfox_tui.jobs.model import Job
    from lilfox_tui.runbook.model import Problem, Runbook


class RunbookItem(NamedTuple):
    """A row of the list: a runbook, a run of one that is not listed, or a file that cannot be used."""

    key: str
    """That of a run's job."""
    title: str
    runbook: Runbook | None = None
    job: Job | None = None
    """A run of it that goes on, or whose job was killed."""
    alert: str = ""
    """A firing alert that it is for."""
    problems: tuple[Problem, ...] = ()
    last: Job | None = None
    """Its newest run, where that has ended."""
    origin: str = ""
    """Where it is from, if another row has its title."""


def items_of(view: RunbooksView, firing: Sequence[str], seen: Collection[str] = ()) -> list[RunbookItem]:
    """Those first of which a run goes on or was cut off, then those for what fires, then all others; files that cannot
    be used at the end. Of a runbook that is not listed the last run stays where it is one of those ``seen`` (keys)."""
    from lilfox_tui.runbook.library import ordered

    live = left_over(view.runs)
    ended = {key: job for key, job in newest_of(view.runs).items() if key not in live}
    problems = {each.path: _errors(each.problems) for each in view.documents or ()}
    found = [
        RunbookItem(
            key_of(each), each.title, each, live.get(key_of(each)),
            next((name for name in firing if name in each.on_alert), ""), problems.get(each.path, ()),
            ended.get(key_of(each)),
        )
        for each in ordered(view.runbooks, firing)
    ]  # fmt: skip
    known = {each.key for each in found}
    found = [RunbookItem(key, job.title, job=job) for key, job in live.items() if key not in known] + found
    found += [RunbookItem(key, job.title, last=job) for key, job in ended.items() if key not in known and key in seen]
    broken = [each for each in view.documents or () if not each.runbooks and _errors(each.problems)]
    found += [RunbookItem(each.path, each.path, problems=_errors(each.problems)) for each in broken]
    return sorted(_told_apart(found), key=lambda item: item.job is None)


def _told_apart(items: Sequence[RunbookItem]) -> list[RunbookItem]:
    """Those of one title with where each is from: the manual's own beside the one that LilFox brings."""
    titles = Counter(item.title for item in items)
    return [
        item._replace(origin=_origin(item.runbook.path))
        if item.runbook is not None and titles[item.title] > 1
        else item
        for item in items
    ]


def _origin(path: str) -> str:
    from lilfox_tui.runbook.model import BUNDLED

    return "LilFox" if path.startswith(BUNDLED) else Path(path).name


def key_of(runbook: Runbook) -> str:
    """The key of a run's job, as ``runbook.wish`` makes it."""
    return f"runbook {runbook.path}#{runbook.id}"


def _errors(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    return tuple(each for each in problems if each.severity == "error")


def newest_of(runs: Sequence[Job]) -> dict[str, Job]:
    """By its key each run after which none began."""
    newest: dict[str, Job] = {}
    for job in runs:  # newest first
        newest.setdefault(job.key, job)
    return newest


def left_over(runs: Sequence[Job]) -> dict[str, Job]:
    """By its key each run that goes on or was killed, where none began after it."""
    return {key: job for key, job in newest_of(runs).items() if job.state == "running" or _was_killed(job)}


def _was_killed(job: Job) -> bool:
    """Without an end that the run itself told."""
    return job.state in ("unknown", "cancelled") and not job.result and not job.checked
