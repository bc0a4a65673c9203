"""Follows a job from its first event on, cancels it, and marks it as checked."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lilfox_tui.i18n import tr
from lilfox_tui.jobs.listing import find_folder, find_job
from lilfox_tui.jobs.model import Ended, Event, Job, JobError
from lilfox_tui.jobs.reader import CHECKED, EventReader, ProcessIdentity, is_held
from lilfox_tui.jobs.reducer import JobReducer, new_reducer
from lilfox_tui.paths import modes, user_name

# Watching a job from its first event on, whenever one comes.


_LOOK_S = 0.1


async def follow_events(job_id: str) -> AsyncGenerator[list[Event], None]:
    """All events from the first on, then those that come, in lists; ends after Ended. Use inside ``aclosing``.

    Where the process is gone and left no result the last one is an Ended of our own, ``unknown``. Raises NoSuchJob,
    and JobError where the job may not be read, or its folder is taken away."""
    folder = await asyncio.to_thread(find_folder, job_id)
    reader = EventReader(folder)
    try:
        told = new_reducer(folder)
        while told.ended is None:
            new = await asyncio.to_thread(_look, folder, reader, told)
            if new:
                yield new
            if told.ended is None:
                await asyncio.sleep(_LOOK_S)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise JobError(tr("{folder}: cannot be read: {reason}", folder=folder, reason=reason)) from None


def _look(folder: Path, reader: EventReader, told: JobReducer) -> list[Event]:
    """What is new, up to its end. Whether the process is there is asked first: what it wrote last is then read."""
    held = is_held(folder, told.began)
    new: list[Event] = reader.read() if reader.grown() else []
    for number, event in enumerate(new):
        if isinstance(event, Ended):
            new = new[: number + 1]
            break
    told.take(new)
    if told.ended is None and not held:
        lost = told.lost(datetime.now(UTC))
        told.take([lost])
        new.append(lost)
    return new


# Cancelling a job, and saying that somebody looked after one of which nobody knows how it ended.


async def cancel(job_id: str, *, wait_s: float = 60.0) -> Job:
    """Asks the job to end (SIGTERM) and gives it once its clean-up has ended; at once where it has ended already.
    Raises NoSuchJob, JobError: no right, on another machine, or still cleaning up after ``wait_s`` (it goes on)."""
    job = await asyncio.to_thread(find_job, job_id)
    if job.state == "running":
        await asyncio.to_thread(request_end, job)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    while job.state == "running":
        if loop.time() > deadline:
            raise JobError(
                tr("job {id} was told to end and still cleans up (process {pid} on {host})",
                   id=job.id, pid=job.pid, host=job.host),
                tr("watch it: lilfox attach {id}", id=job.id),
            )  # fmt: skip
        await asyncio.sleep(_LOOK_S)
        job = await asyncio.to_thread(find_job, job.id)
    return job


def request_end(job: Job) -> None:
    """Sends SIGTERM to the job's process, and to no other that has its pid now. Raises JobError."""
    folder = Path(job.folder)
    try:
        told = new_reducer(folder)
        told.take(EventReader(folder).read())
    except OSError as error:
        raise JobError(tr("{folder}: cannot be read: {reason}", folder=folder, reason=error.strerror)) from None
    began = told.began
    if began is None:
        raise JobError(tr("job {id} has not begun yet", id=job.id), tr("try again"))
    process = ProcessIdentity(began.pid, began.started, began.boot)
    if began.host != socket.gethostname():
        raise JobError(
            tr("job {id} runs on {host}: it cannot be ended from here", id=job.id, host=began.host),
            tr("there: lilfox jobs cancel {id}", id=job.id),
        )
    try:
        if not process.signal(signal.SIGTERM) and find_job(job.id).state == "running":
            raise JobError(
                tr("job {id} runs, and its process {pid} is not seen from here", id=job.id, pid=began.pid),
                tr("in its container: lilfox jobs cancel {id}", id=job.id),
            )
    except PermissionError:
        raise JobError(
            tr("job {id} belongs to {user}: no right to end it", id=job.id, user=began.user),
            tr("as that user or root: lilfox jobs cancel {id}", id=job.id),
        ) from None


def mark_checked(job_id: str) -> Job:
    """Notes that somebody looked what an unknown job left. Blocks. Raises NoSuchJob, JobError."""
    folder = find_folder(job_id)
    job = find_job(folder.name)
    if job.state != "unknown":
        raise JobError(tr("job {id} is not unknown: {state}", id=job.id, state=job.state))
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
