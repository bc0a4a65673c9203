"""A timeline as it grows, whoever writes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from lilfox_tui.i18n import tr
from lilfox_tui.incident.errors import IncidentError
from lilfox_tui.incident.model import Entry
from lilfox_tui.incident.places import find
from lilfox_tui.incident.reading import TimelineReader

_LOOK_S = 0.2


async def follow(incident_id: str) -> AsyncGenerator[list[Entry]]:
    """All entries so far, then those that come, a few times a second; ends when nobody asks any more. Raises
    NoSuchIncident, IncidentError where it cannot be read (any more)."""
    folder = await asyncio.to_thread(find, incident_id)
    reader = TimelineReader(folder)
    try:
        while True:
            if new := await asyncio.to_thread(lambda: reader.read() if reader.grown() else []):
                yield new
            await asyncio.sleep(_LOOK_S)
    except OSError as error:
        raise IncidentError(
            tr("{folder}: cannot be read: {reason}", folder=folder, reason=error.strerror or error)
        ) from None
