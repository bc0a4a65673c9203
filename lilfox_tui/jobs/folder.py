"""Where jobs are kept: ``jobs`` in the places that ``paths.py`` knows."""

from __future__ import annotations

import re
from pathlib import Path

from lilfox_tui import paths
from lilfox_tui.i18n import tr
from lilfox_tui.jobs.errors import JobError

REQUEST, EVENTS, OUTPUT, CHECKED, RESERVE = "request.json", "events.jsonl", "output.log", "checked", "reserve"
_JOBS = "jobs"
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}", re.ASCII)


def own_folder() -> Path:
    """Where this process's jobs are kept; made where it is not there. Raises JobError."""
    try:
        return paths.own_folder(_JOBS)
    except paths.FolderRefused as refused:
        raise JobError(tr("{problem}; nothing was begun", problem=refused.message), refused.hint) from None


def all_folders() -> list[Path]:
    """Where jobs are looked for: the user's folder first. They need not be there."""
    return paths.all_folders(_JOBS)


def is_id(name: str) -> bool:
    """Whether ``name`` is a job's: ``20231230-020000-3f9a``, the local time at which it was begun and what tells it
    from others of that second."""
    return _ID.fullmatch(name) is not None
