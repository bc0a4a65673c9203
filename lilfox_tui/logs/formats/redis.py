"""The log of Redis and Valkey: ``1:M 01 Dec 2026 12:00:00.123 * Ready to accept connections``.

The letter is the role (X: Sentinel, C: a child that saves, S: replica, M: master), the mark the level: ``.`` debug,
``-`` verbose, ``*`` notice, ``#`` warning. Up to version 2.8 the process is in brackets, and no year is told.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, Severity, text_of

_SEVERITIES = {".": Severity.DEBUG, "-": Severity.INFO, "*": Severity.NOTICE, "#": Severity.WARNING}
LEVEL_WORDS = {severity: (f" {mark} ".encode(),) for mark, severity in _SEVERITIES.items()}
_SHAPE = (
    r"(?:(?P<pid>\d{1,10}):(?P<role>[XCSM])|\[(?P<old>\d{1,10})\]) "
    r"(?P<day>\d{1,2}) (?P<month>[A-Z][a-z]{2})(?P<year> \d{4})? (?P<clock>\d\d:\d\d:\d\d(?:\.\d{1,6})?) "
    r"(?P<mark>[.*#-]) "
)
_HEAD, _BEGINS = re.compile(_SHAPE), re.compile(_SHAPE.encode())


def begins(line: bytes) -> bool:
    """Whether the line has Redis's process, time and level."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:
    """Parse one message with what follows it, such as the report of a crash; None for any other line."""
    text = text_of(raw)
    head = _HEAD.match(text)
    if head is None:
        return None
    time = f"{head['month']} {head['day']}{head['year'] or ''} {head['clock']}"
    fields: dict[str, object] = {"pid": int(head["pid"] or head["old"]), "level": head["mark"]}
    if head["role"]:
        fields["role"] = head["role"]
    return LogEntry(
        message=text[head.end() :],
        time_us=times.from_text(time, zone, latest),
        severity=_SEVERITIES[head["mark"]],
        module=head["role"] or "",
        fields=fields,
    )
