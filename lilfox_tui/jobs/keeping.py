"""Old jobs are forgotten: a hundred are kept, of the last thirty days."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

from lilfox_tui.jobs.listing import Listing, unsettled

KEPT = 100
KEPT_FOR = timedelta(days=30)
_GONE = ".gone-"


def forget_old(jobs: Path, now: datetime) -> None:
    """Takes away what is too old in the folder ``jobs``; never what runs, nor what is unknown and asks for a look.
    What cannot be taken away stays."""
    found = Listing([jobs]).look()
    asked_for = {job.id for job in unsettled(found)}
    for number, job in enumerate(found):
        if job.state == "running" or job.id in asked_for:
            continue
        if number >= KEPT or now - job.started > KEPT_FOR:
            _remove(Path(job.folder))
    for left in jobs.glob(f"{_GONE}*"):
        shutil.rmtree(left, ignore_errors=True)


def _remove(folder: Path) -> None:
    """At once for those who look: half of a job is none."""
    gone = folder.with_name(_GONE + folder.name)
    try:
        folder.rename(gone)
    except OSError:
        return
    shutil.rmtree(gone, ignore_errors=True)
