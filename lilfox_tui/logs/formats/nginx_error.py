"""nginx's error log: ``2026/01/01 12:00:00 [error] 123#456: *789 message, client: …, request: "…", upstream: "…"``.

Lines of PHP or a module that follow without a time belong to the record before.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, Severity, text_of
from lilfox_tui.logs.structured import severity_of

LEVEL_WORDS = {
    Severity.DEBUG: (b"[debug]",),
    Severity.INFO: (b"[info]",),
    Severity.NOTICE: (b"[notice]",),
    Severity.WARNING: (b"[warn]",),
    Severity.ERROR: (b"[error]",),
    Severity.CRITICAL: (b"[crit]", b"[alert]", b"[emerg]"),
}
_BEGINS = re.compile(rb"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[")
_LINE = re.compile(
    r"(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(debug|info|notice|warn|error|crit|alert|emerg)\] "
    r"(\d{1,10})#(\d{1,20}): (?:\*(\d{1,20}) )?(.*+)",
    re.DOTALL,
)
_CONTEXT = re.compile(r', (client|server|request|subrequest|upstream|host|referrer): ("[^"\n]*+"|[^,\n]*+)')


def begins(line: bytes) -> bool:
    """Whether the line has nginx's time and a level."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse a record; the message is the text before ``client``, the rest are fields."""
    match = _LINE.fullmatch(text_of(raw))
    if match is None:
        return None
    time, level, pid, tid, connection, rest = match.groups()
    fields: dict[str, object] = {"pid": int(pid), "tid": int(tid)}
    if connection:
        fields["connection"] = int(connection)
    said = _CONTEXT.search(rest)
    fields.update((found[1], found[2].strip('"')) for found in _CONTEXT.finditer(rest))
    return LogEntry(
        message=rest[: said.start()] if said else rest,
        time_us=times.from_text(time, zone),
        severity=severity_of(level),
        fields=fields,
    )
