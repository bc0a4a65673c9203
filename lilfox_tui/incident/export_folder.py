"""An incident's Markdown and its evidence in a new folder, to be given to a colleague."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import tr
from lilfox_tui.incident.errors import IncidentError
from lilfox_tui.incident.export import export_markdown
from lilfox_tui.incident.places import EVIDENCE, find


def export_to(incident_id: str, language: str, target: Path) -> Path:
    """Makes the folder ``target``, for this user alone, and gives the path of the Markdown in it. Blocks. Raises
    UsageError where the folder is there already, NoSuchIncident, IncidentError."""
    place = find(incident_id)
    text = export_markdown(incident_id, language)
    try:
        target.mkdir(mode=0o700)
        file = target / f"{place.name}.md"
        file.touch(0o600)
        file.write_text(text, "utf-8")
        _copy_evidence(place / EVIDENCE, target / EVIDENCE)
    except FileExistsError:
        raise UsageError(tr("{folder} is there already", folder=target), tr("name a new folder")) from None
    except OSError as error:
        raise IncidentError(
            tr("{folder}: cannot be written: {reason}", folder=target, reason=error.strerror or error)
        ) from None
    return file


def _copy_evidence(source: Path, target: Path) -> None:
    """Regular files alone, each for this user alone."""
    if not source.is_dir():
        return
    target.mkdir(mode=0o700)
    for file in sorted(source.iterdir()):
        if file.is_file() and not file.is_symlink() and not file.name.startswith("."):
            handle = os.open(target / file.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with file.open("rb") as opened, os.fdopen(handle, "wb") as copy:
                shutil.copyfileobj(opened, copy)
