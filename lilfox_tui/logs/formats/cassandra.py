"""Cassandra's log: ``INFO  [main] 2026-12-01 12:00:00,123 CassandraDaemon.java:650 - message``, and that of version 2.0
and before, ``(line 650)``. A stack trace in the lines that follow is the record's."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, text_of
from lilfox_tui.logs.structured import level_words, severity_of

LEVEL_WORDS = level_words(b"%b")
_START = r" ?(?P<level>TRACE|DEBUG|INFO|WARN|ERROR) {1,3}\[(?P<thread>[^\]\n]{1,200})\] "
_TIME = r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) "
_BEGINS = re.compile((_START + _TIME).encode())
_HEAD = re.compile(
    _START + _TIME + r"(?P<file>[\w$.-]{1,200})(?::(?P<line>\d{1,9}) - | \(line (?P<old>\d{1,9})\) )(?P<message>.*+)",
    re.DOTALL,
)


def begins(line: bytes) -> bool:
    """Whether the line has a level, a thread and a time."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one message; None for any other line."""
    match = _HEAD.fullmatch(text_of(raw))
    if match is None:
        return None
    message = match["message"]
    return LogEntry(
        message=message or match["file"],
        time_us=times.from_text(match["time"], zone),
        severity=severity_of(match["level"]),
        logger=match["file"].removesuffix(".java"),
        module=match["file"].removesuffix(".java"),
        fault=structured.in_text(message),
        fields={
            "level": match["level"],
            "thread": match["thread"],
            "file": match["file"],
            "line": int(match["line"] or match["old"]),
        },
    )
