"""Lists all jobs of this machine, watches them, and removes old ones."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from lilfox_tui.feed import Feed
from lilfox_tui.i18n import language, listed, tr
from lilfox_tui.jobs.model import Job, NoSuchJob
from lilfox_tui.jobs.reader import CHECKED, EventReader, all_folders, is_held, is_id
from lilfox_tui.jobs.reducer import JobReducer, new_reducer

# All jobs: of this user, and of what root and service users run on this machine.


LOOK_S = 1.0


def list_jobs() -> list[Job]:
    """All jobs that can be read, the newest first. Blocks; what cannot be read is left out."""
    return Listing().look()


def find_job(job_id: str) -> Job:
    """The job with this id, or the only one whose id ends in it. Blocks. Raises NoSuchJob."""
    folder = find_folder(job_id)
    job = _OneJob(folder).look()
    if job is None:
        raise _no_such(job_id)
    return job


def find_folder(job_id: str) -> Path:
    """Where it lies. Raises NoSuchJob."""
    found = [folder / name for folder in all_folders() for name in _ids(folder) if name.endswith(job_id or "\0")]
    if len(found) > 1 and (exact := [each for each in found if each.name == job_id]):
        found = exact[:1]
    if len(found) == 1:
        return found[0]
    if found:
        names = listed(sorted(each.name for each in found)[:10])
        raise NoSuchJob(tr("{id}: the ids of several jobs end so", id=job_id), tr("one of: {names}", names=names))
    raise _no_such(job_id)


def unsettled(jobs: Sequence[Job]) -> list[Job]:
    """Jobs that are unknown and ask for a look: nobody said that it was done, and no later job with the same key came
    to a good end."""
    latest: dict[str, datetime] = {}
    for job in jobs:
        if job.state == "ok":
            latest[job.key] = max(job.started, latest.get(job.key, job.started))
    return [
        job
        for job in jobs
        if job.state == "unknown" and not job.checked and not (job.key in latest and latest[job.key] > job.started)
    ]


class Listing:
    """Looks again and again: of what has ended nothing is read twice. ``folders``: where, instead of everywhere."""

    def __init__(self, folders: Iterable[Path] | None = None) -> None:
        self._folders = None if folders is None else list(folders)
        self._known: dict[Path, _OneJob] = {}

    def look(self) -> list[Job]:
        """All jobs now, the newest first. Blocks."""
        folders = all_folders() if self._folders is None else self._folders
        there = {folder / name for folder in folders for name in _ids(folder)}
        for gone in self._known.keys() - there:
            del self._known[gone]
        for new in there - self._known.keys():
            self._known[new] = _OneJob(new)
        jobs = [job for each in self._known.values() if (job := each.look()) is not None]
        return sorted(jobs, key=lambda job: (job.started, job.id), reverse=True)


class Jobs:
    """All jobs as they change: looks once a second, publishes when something changed."""

    def __init__(self) -> None:
        self.feed: Feed[tuple[Job, ...]] = Feed()

    async def run(self) -> None:
        """Looks until it is cancelled."""
        listing = Listing()
        while True:
            jobs = tuple(await asyncio.to_thread(listing.look))
            if jobs != self.feed.value:
                self.feed.publish(jobs)
            await asyncio.sleep(LOOK_S)


class _OneJob:
    """A job's folder and what was read of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._events = EventReader(folder)
        self._told: JobReducer | None = None
        self._job: Job | None = None
        self._language = ""

    def look(self) -> Job | None:
        """The job now; None where it cannot be read, or is just being made."""
        if self._job is not None and self._job.ended is not None and self._job.state != "unknown":
            return self._job
        try:
            return self._look()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return self._job

    def _look(self) -> Job | None:
        first = self._told is None
        if self._told is None:
            self._told = new_reducer(self._folder)
        told = self._told
        gone = self._job is not None and self._job.state != "running"
        held = not gone and is_held(self._folder, told.began)  # before reading: what it wrote before its end is read
        if first and not held and (ends := self._events.ends()) is not None:
            told.take([ends[0], *ends[1]])
        elif self._events.grown():
            told.take(self._events.read())
        elif self._job is not None and held and self._job.state == "running":
            return self._job
        unknown = not held if told.ended is None else told.ended.state == "unknown"
        checked = unknown and (self._folder / CHECKED).exists()
        job = self._job
        if job is None or job.state == "running" or checked != job.checked or self._language != language():
            self._job, self._language = told.job(running=held, checked=checked), language()
        return self._job


def _ids(folder: Path) -> list[str]:
    """Names of jobs in ``folder``; none where it is not there or may not be read."""
    try:
        return [name for name in os.listdir(folder) if is_id(name)]  # noqa: PTH208  a thousand names, no objects
    except OSError:
        return []


def _no_such(job_id: str) -> NoSuchJob:
    return NoSuchJob(tr("{id}: no such job", id=job_id), tr("see them: lilfox jobs --all"))


# Old jobs are forgotten: a hundred are kept, of the last thirty days.


MOST_RETAINED = 100
RETAINED_FOR = timedelta(days=30)
_GONE = ".gone-"


def forget_old(jobs: Path, now: datetime) -> None:
    """Takes away what is too old in the folder ``jobs``; never what runs, nor what is unknown and asks for a look.
    What cannot be taken away stays."""
    found = Listing([jobs]).look()
    asked_for = {job.id for job in unsettled(found)}
    for number, job in enumerate(found):
        if job.state == "running" or job.id in asked_for:
            continue
        if number >= MOST_RETAINED or now - job.started > RETAINED_FOR:
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
