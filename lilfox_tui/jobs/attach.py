"""Watching a job from its first event on, whenever one comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from lilfox_tui.i18n import tr
from lilfox_tui.jobs.errors import JobError
from lilfox_tui.jobs.listing import find_folder
from lilfox_tui.jobs.model import Ended, Event
from lilfox_tui.jobs.reading import EventReader, is_held
from lilfox_tui.jobs.telling import Told, untold

_LOOK_S = 0.1


async def events(job_id: str) -> AsyncGenerator[list[Event], None]:
    """All events from the first on, then those that come, in lists; ends after Ended. Use inside ``aclosing``.

    Where the process is gone and left no result the last one is an Ended of our own, ``unknown``. Raises NoSuchJob,
    and JobError where the job may not be read, or its folder is taken away."""
    folder = await asyncio.to_thread(find_folder, job_id)
    reader = EventReader(folder)
    try:
        told = untold(folder)
        while told.ended is None:
            new = await asyncio.to_thread(_look, folder, reader, told)
            if new:
                yield new
            if told.ended is None:
                await asyncio.sleep(_LOOK_S)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise JobError(tr("{folder}: cannot be read: {reason}", folder=folder, reason=reason)) from None


def _look(folder: Path, reader: EventReader, told: Told) -> list[Event]:
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
