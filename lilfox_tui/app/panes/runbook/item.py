"""A row of the list of runbooks: only its shape, so that nothing of runbook/ and of jobs/ is imported for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lilfox_tui.jobs.model import Job
    from lilfox_tui.runbook.model import Problem, Runbook


class Item(NamedTuple):
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
