"""JSON objects over several lines, as ``jq`` and pretty printers write them: each begins with ``{`` alone on a
line that is not indented."""

from __future__ import annotations

from datetime import datetime, tzinfo

from lilfox_tui.logs.record import LogEntry
from lilfox_tui.logs.structured import entry_of, json_level_words, object_in

LEVEL_WORDS = json_level_words()


def begins(line: bytes) -> bool:
    """Whether the line opens an object and says nothing else."""
    return line.startswith(b"{") and line.rstrip() == b"{"


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse the object, of more than one line; None for anything else."""
    if not begins(raw.partition(b"\n")[0]) or b"\n" not in raw:
        return None
    fields = object_in(raw.rstrip(b", \t\r\n"))
    return entry_of(fields, raw, zone) if fields else None
