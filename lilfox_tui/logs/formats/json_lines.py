"""JSON lines, one object per record, as written by the ops manual's JSONFormatter and other loggers
(``logs/structured.py``)."""

from __future__ import annotations

from datetime import datetime, tzinfo

from lilfox_tui.logs.record import LogEntry
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.structured import entry_of, json_level_words, object_in

__all__ = ["LEVEL_WORDS", "begins", "parse"]


LEVEL_WORDS = json_level_words()


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse the object's fields; None for a line that is not an object."""
    fields = object_in(raw)
    return entry_of(fields, raw, zone) if fields is not None else None
