"""The folders of incidents: where they are, what is in them, and what can go wrong."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from lilfox_tui import paths
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import tr

# What can go wrong with incidents.


class IncidentError(LilFoxError):
    """An incident could not be opened, read or changed."""


class NoSuchIncident(IncidentError):
    """No incident has this id, or none is open."""

    exit_code = 2


class NotRecorded(IncidentError):
    """It could not be written down (a full disk, a read-only one): what was to be recorded must not be done."""


class MomentRefused(IncidentError):
    """One of its four moments cannot have been at that time."""

    exit_code = 2


# Where incidents are kept: ``incidents`` in the places that ``paths.py`` knows, each a folder ``INC-N``.
#
# It holds ``timeline.jsonl``, ``head`` (the hash of its last line, beside it) and ``evidence/``.


TIMELINE, HEAD, EVIDENCE = "timeline.jsonl", "head", "evidence"
NAMED_BY = "LILFOX_INCIDENT"
"""The environment's word for another incident than the newest open one."""
_INCIDENTS = "incidents"
_ID = re.compile(r"INC-([1-9][0-9]{0,8})", re.ASCII)


def own_folder() -> Path:
    """Where this process opens incidents; made where it is not there. Raises NotRecorded."""
    try:
        return paths.own_folder(_INCIDENTS)
    except paths.FolderRefused as refused:
        raise NotRecorded(tr("{problem}; no incident was opened", problem=refused.message), refused.hint) from None


def own_path() -> Path | None:
    """As ``own_folder``, without making it; None where there is no such place."""
    try:
        return paths.own_path(_INCIDENTS)
    except (OSError, RuntimeError):
        return None


def all_folders() -> list[Path]:
    """Where incidents are looked for: where this process opens them, then the user's and the system's."""
    mine = own_path()
    return list(dict.fromkeys(folder for folder in (mine, *paths.all_folders(_INCIDENTS)) if folder is not None))


def number_of(name: str) -> int | None:
    """7 of ``INC-7``; None of what is no incident's id."""
    found = _ID.fullmatch(name)
    return None if found is None else int(found[1])


def incidents_in(folder: Path) -> list[Path]:
    """The incidents of one place, the newest first; none where it is not there or may not be read."""
    try:
        names = os.listdir(folder)  # noqa: PTH208  names alone, no objects
    except OSError:
        return []
    found = [(number, name) for name in names if (number := number_of(name)) is not None]
    return [folder / name for _number, name in sorted(found, reverse=True)]


def find(incident_id: str) -> Path:
    """The folder of the incident, of this process's own place first. Raises NoSuchIncident."""
    if number_of(incident_id) is not None:
        for folder in all_folders():
            with suppress(OSError):  # another user's may not be looked into
                (folder / incident_id / TIMELINE).lstat()
                return folder / incident_id
    raise NoSuchIncident(tr("{id}: no such incident", id=incident_id), tr("see them: lilfox incident list --all"))
