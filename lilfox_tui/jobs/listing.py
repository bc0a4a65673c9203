"""Lists the jobs of this machine, and cancels them."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from lilfox_tui.core.aio import Feed, to_next_beat_s
from lilfox_tui.core.i18n import language, listed, tr
from lilfox_tui.core.paths import PolledFolders, modes, user_name
from lilfox_tui.jobs.model import Ended, Event, Job, JobError, NoSuchJob
from lilfox_tui.jobs.reader import (
    CHECKED,
    EventReader,
    JobReducer,
    ProcessIdentity,
    all_folders,
    is_held,
    is_id,
    new_reducer,
)

# All jobs: of this user, and of what root and service users run on this machine.


LOOK_S = 1.0


def list_jobs() -> list[Job]:
    """All readable jobs, newest first. Blocks; unreadable ones are left out."""
    return Listing().look()


def find_job(job_id: str) -> Job:
    """The job with this id, or the only one whose id ends in it. Blocks. Raises NoSuchJob."""
    folder = find_folder(job_id)
    job = _OneJob(folder).look()
    if job is None:
        raise _no_such(job_id)
    return job


def find_folder(job_id: str) -> Path:
    """The folder of the job. Raises NoSuchJob."""
    found = [folder / name for folder in all_folders() for name in _ids(folder) if name.endswith(job_id or "\0")]
    if len(found) > 1 and (exact := [each for each in found if each.name == job_id]):
        found = exact[:1]
    if len(found) == 1:
        return found[0]
    if found:
        names = listed(sorted(each.name for each in found)[:10])
        raise NoSuchJob(
            tr("{id} is ambiguous: several job IDs end with it", id=job_id), tr("one of: {names}", names=names)
        )
    raise _no_such(job_id)


def unsettled(jobs: Sequence[Job]) -> list[Job]:
    """Jobs with an unknown outcome that need attention: nobody has marked them as checked, and no later job with the
    same key succeeded."""
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
    """Lists jobs repeatedly without reading ended ones again. ``folders``: the folders to read instead of all."""

    def __init__(self, folders: Iterable[Path] | None = None) -> None:
        given = None if folders is None else list(folders)
        self._folders = PolledFolders(all_folders if given is None else lambda: given)
        self._known: dict[Path, _OneJob] = {}

    def look(self) -> list[Job]:
        """All jobs now, the newest first. Blocks."""
        there = {folder / name for folder in self._folders.now() for name in _ids(folder)}
        for gone in self._known.keys() - there:
            del self._known[gone]
        for new in there - self._known.keys():
            self._known[new] = _OneJob(new)
        jobs = [job for each in self._known.values() if (job := each.look()) is not None]
        return sorted(jobs, key=lambda job: (job.started, job.id), reverse=True)


class Jobs:
    """A feed of all jobs: looks once a second while one runs, else each two, and publishes when something changed."""

    def __init__(self) -> None:
        self.feed: Feed[tuple[Job, ...]] = Feed()

    async def run(self) -> None:
        """Checks the jobs until it is cancelled."""
        listing = Listing()
        while True:
            jobs = tuple(await asyncio.to_thread(listing.look))
            if jobs != self.feed.value:
                self.feed.publish(jobs)
            await asyncio.sleep(to_next_beat_s(LOOK_S if any(job.state == "running" for job in jobs) else 2 * LOOK_S))


class _OneJob:
    """A job's folder and the state that was read from it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._events = EventReader(folder)
        self._reducer: JobReducer | None = None
        self._job: Job | None = None
        self._language = ""

    def look(self) -> Job | None:
        """The job now; None if it cannot be read, or is just being created."""
        if self._job is not None and self._job.ended is not None and self._job.state != "unknown":
            return self._job
        try:
            return self._look()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return self._job

    def _look(self) -> Job | None:
        first = self._reducer is None
        if self._reducer is None:
            self._reducer = new_reducer(self._folder)
        reducer = self._reducer
        gone = self._job is not None and self._job.state != "running"
        held = not gone and is_held(self._folder, reducer.began)  # before reading: what it wrote before its end is read
        if first and not held and (ends := self._events.ends()) is not None:
            reducer.take([ends[0], *ends[1]])
        elif self._events.grown():
            reducer.take(self._events.read())
        elif self._job is not None and held and self._job.state == "running":
            return self._job
        unknown = not held if reducer.ended is None else reducer.ended.state == "unknown"
        checked = unknown and (self._folder / CHECKED).exists()
        job = self._job
        if job is None or job.state == "running" or checked != job.checked or self._language != language():
            self._job, self._language = reducer.job(running=held, checked=checked), language()
        return self._job


def _ids(folder: Path) -> list[str]:
    """The ids of the jobs in ``folder``; none if it is missing or unreadable."""
    try:
        return [name for name in os.listdir(folder) if is_id(name)]  # noqa: PTH208  a thousand names, no objects
    except OSError:
        return []


def _no_such(job_id: str) -> NoSuchJob:
    return NoSuchJob(tr("{id}: no such job", id=job_id), tr("list all jobs: lilfox jobs --all"))


# Old jobs are forgotten: a hundred are kept, of the last thirty days.


MOST_RETAINED = 100
RETAINED_FOR = timedelta(days=30)
_GONE = ".gone-"


def forget_old(jobs: Path, now: datetime) -> None:
    """Removes expired jobs from the folder ``jobs``, but no running ones, and no unknown ones that need attention. Jobs
    that cannot be removed stay."""
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
    """Removes the job's folder in one step: readers see either all of it or nothing."""
    gone = folder.with_name(_GONE + folder.name)
    try:
        folder.rename(gone)
    except OSError:
        return
    shutil.rmtree(gone, ignore_errors=True)


# Follows a job from its first event on, cancels it, and marks it as checked.


# Watching a job from its first event on, whenever one comes.


_LOOK_S = 0.1


async def follow_events(job_id: str) -> AsyncGenerator[list[Event], None]:
    """Yields all events from the first on, then new ones, in batches; ends after Ended. Use inside ``aclosing``.

    Where the process is gone and left no result the last one is an Ended of our own, ``unknown``. Raises NoSuchJob,
    and JobError where the job may not be read, or its folder is taken away."""
    folder = await asyncio.to_thread(find_folder, job_id)
    reader = EventReader(folder)
    try:
        reducer = new_reducer(folder)
        while reducer.ended is None:
            new = await asyncio.to_thread(_look, folder, reader, reducer)
            if new:
                yield new
            if reducer.ended is None:
                await asyncio.sleep(_LOOK_S)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise JobError(tr("{folder}: cannot be read: {reason}", folder=folder, reason=reason)) from None


def _look(folder: Path, reader: EventReader, reducer: JobReducer) -> list[Event]:
    """The new events, up to the end. Whether the process exists is checked before they are read, so that its last
    events are not missed."""
    held = is_held(folder, reducer.began)
    new: list[Event] = reader.read() if reader.grown() else []
    for number, event in enumerate(new):
        if isinstance(event, Ended):
            new = new[: number + 1]
            break
    reducer.take(new)
    if reducer.ended is None and not held:
        lost = reducer.lost(datetime.now(UTC))
        reducer.take([lost])
        new.append(lost)
    return new


# Cancelling a job, and saying that somebody looked after one of which nobody knows how it ended.


async def cancel(job_id: str, *, wait_s: float = 60.0) -> Job:
    """Asks the job to end (SIGTERM) and returns it once its clean-up has finished, or at once if it has already ended.
    Raises NoSuchJob; JobError if there is no permission, if the job is on another machine, or if it is still cleaning
    up after ``wait_s`` (the clean-up continues)."""
    job = await asyncio.to_thread(find_job, job_id)
    if job.state == "running":
        await asyncio.to_thread(request_end, job)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    while job.state == "running":
        if loop.time() > deadline:
            raise JobError(
                tr("job {id} is being cancelled and is still cleaning up (process {pid} on {host})",
                   id=job.id, pid=job.pid, host=job.host),
                tr("watch it: lilfox attach {id}", id=job.id),
            )  # fmt: skip
        await asyncio.sleep(_LOOK_S)
        job = await asyncio.to_thread(find_job, job.id)
    return job


def request_end(job: Job) -> None:
    """Sends SIGTERM to the job's process, but never to another process that now has its pid. Raises JobError."""
    folder = Path(job.folder)
    try:
        reducer = new_reducer(folder)
        reducer.take(EventReader(folder).read())
    except OSError as error:
        raise JobError(tr("{folder}: cannot be read: {reason}", folder=folder, reason=error.strerror)) from None
    began = reducer.began
    if began is None:
        raise JobError(tr("job {id} has not started yet", id=job.id), tr("retry"))
    process = ProcessIdentity(began.pid, began.started, began.boot)
    if began.host != socket.gethostname():
        raise JobError(
            tr("job {id} is running on {host} and cannot be cancelled from here", id=job.id, host=began.host),
            tr("run on that host: lilfox jobs cancel {id}", id=job.id),
        )
    try:
        if not process.signal(signal.SIGTERM) and find_job(job.id).state == "running":
            raise JobError(
                tr("job {id} is running, but its process {pid} is not visible from here", id=job.id, pid=began.pid),
                tr("run in its container: lilfox jobs cancel {id}", id=job.id),
            )
    except PermissionError:
        raise JobError(
            tr("job {id} belongs to {user}: no permission to cancel it", id=job.id, user=began.user),
            tr("run as that user or root: lilfox jobs cancel {id}", id=job.id),
        ) from None


def mark_checked(job_id: str) -> Job:
    """Records that somebody has checked what a job with an unknown outcome left behind. Blocks. Raises NoSuchJob,
    JobError."""
    folder = find_folder(job_id)
    job = find_job(folder.name)
    if job.state != "unknown":
        raise JobError(
            tr(
                "job {id} is in state {state}; only a job in state unknown can be marked as checked",
                id=job.id,
                state=job.state,
            )
        )
    try:
        handle = os.open(folder / CHECKED, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(handle, modes(folder.parent)[1])
            os.write(handle, f"{user_name()}\n".encode())
        finally:
            os.close(handle)
    except OSError as error:
        reason = error.strerror or error
        raise JobError(tr("{folder}: cannot be written: {reason}", folder=folder, reason=reason)) from None
    return find_job(folder.name)
