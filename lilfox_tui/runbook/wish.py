"""What a run is asked to be, and the job that it becomes."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from lilfox_tui.i18n import tr
from lilfox_tui.jobs.model import Request
from lilfox_tui.runbook.faces import Face
from lilfox_tui.runbook.model import Runbook

KIND = "runbook"


class Wish(Struct, frozen=True, kw_only=True):
    """A run of a runbook. It holds no secret: secret values come with orders (``orders.py``)."""

    path: str
    """Of the file, as ``Runbook.path`` has it."""
    runbook: str
    """Its id in that file."""
    sha256: str
    """Of the file as the one who asks has seen it; another one is refused."""
    config: str | None = None
    """Path of the configuration; its defaults without one."""
    read_only: bool = False
    hosts: str = ""
    """Where it runs instead of where the runbook says, in its words."""
    values: dict[str, str] = {}
    resumes: str = ""
    """The job of an earlier run that it goes on with."""
    face: Face | None = None
    """Where it was asked for, and who acts then; without one the first who orders does."""


def request_of(wish: Wish, runbook: Runbook) -> Request:
    """The job. Of one runbook one run goes on at a time."""
    return Request(
        entry="lilfox_tui.runbook.effect:run",
        kind=KIND,
        title=str(tr("runbook {title}", title=runbook.title)),
        key=f"runbook {wish.path}#{wish.runbook}",
        wanted=msgspec.to_builtins(wish),
    )
