"""Apache's error log, of 2.4 and of 2.2: ``[Thu Jan 01 12:00:00.000000 2026] [core:error] [pid 7:tid 8] [client
192.0.2.1:50000] AH00128: message``. Lines that follow without a time belong to the record before."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, Severity, text_of
from lilfox_tui.logs.structured import severity_of

_LEVELS = "trace[1-8]|debug|info|notice|warn|error|crit|alert|emerg"
LEVEL_WORDS = {
    Severity.TRACE: (b"trace",),
    Severity.DEBUG: (b"debug]",),
    Severity.INFO: (b"info]",),
    Severity.NOTICE: (b"notice]",),
    Severity.WARNING: (b"warn]",),
    Severity.ERROR: (b"error]",),
    Severity.CRITICAL: (b"crit]", b"alert]", b"emerg]"),
}
_TIME = r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d(?:\.\d{1,6})? \d{4}\]"
_BEGINS = re.compile(rf"{_TIME} \[(?:[\w-]{{0,60}}:)?(?:{_LEVELS})\]".encode())
_LINE = re.compile(
    rf"(?P<time>{_TIME}) \[(?:(?P<module>[\w-]{{1,60}}):|:)?(?P<level>{_LEVELS})\]"
    r"(?: \[pid (?P<pid>\d{1,10})(?::tid (?P<tid>\d{1,20}))?\])?(?: [\w.]{1,60}\(\d{1,6}\):)?"
    r"(?: \(\d{1,6}\)[^:\n]{1,200}:)?"
    r"(?: \[client (?P<client>[^\]\s]{1,100})\])?"
    r" ?(?:(?P<code>AH\d{5}): )?(?P<message>.*+)",
    re.DOTALL,
)


def begins(line: bytes) -> bool:
    """Whether the line has Apache's time and a level."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one record; the module that says it is the record's."""
    match = _LINE.fullmatch(text_of(raw))
    if match is None:
        return None
    named = {name: value for name, value in match.groupdict().items() if value}
    message = named.pop("message", "")
    fields: dict[str, object] = {name: value for name, value in named.items() if name != "time"}
    fields.update((name, int(named[name])) for name in ("pid", "tid") if name in named)
    return LogEntry(
        message=message or named.get("code", named["level"]),
        time_us=times.leading(match["time"], zone)[0],
        severity=Severity.TRACE if named["level"].startswith("trace") else severity_of(named["level"]),
        module=named.get("module", ""),
        fault=structured.in_text(message),
        fields=fields,
    )
