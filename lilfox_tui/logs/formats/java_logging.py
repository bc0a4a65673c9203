"""Java's own logging (``java.util.logging``, its SimpleFormatter): the time, the class and the method on one line, the
level and the message on the next: ``Jan 31, 2026 12:00:00 PM org.acme.Main run`` / ``INFO: started``."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, Severity, text_of

_SEVERITIES = {
    "FINEST": Severity.TRACE, "FINER": Severity.TRACE, "FINE": Severity.DEBUG, "CONFIG": Severity.DEBUG,
    "INFO": Severity.INFO, "WARNING": Severity.WARNING, "SEVERE": Severity.ERROR,
}  # fmt: skip
LEVEL_WORDS = {
    severity: tuple(f"{word}:".encode() for word, of in _SEVERITIES.items() if of is severity)
    for severity in dict.fromkeys(_SEVERITIES.values())
}
_TIME = r"[A-Z][a-z]{2} \d{1,2}, \d{4},? \d{1,2}:\d\d:\d\d [AP]M"
_BEGINS = re.compile(rf"{_TIME} \S".encode())
_RECORD = re.compile(
    rf"(?P<time>{_TIME}) (?P<class>[^\s()]{{1,300}})(?: (?P<method>[^\n]{{1,200}}))?\n"
    rf"(?P<level>{'|'.join(_SEVERITIES)}): ?(?P<message>.*+)",
    re.DOTALL,
)


def begins(line: bytes) -> bool:
    """Whether the line has the time and a class."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one record of two lines or more; None for anything else."""
    match = _RECORD.fullmatch(text_of(raw))
    if match is None:
        return None
    message = match["message"]
    return LogEntry(
        message=message or match["class"],
        time_us=times.leading(match["time"], zone)[0],
        severity=_SEVERITIES[match["level"]],
        logger=match["class"],
        module=match["class"],
        fault=structured.in_text(message),
        fields={name: value for name, value in match.groupdict().items() if value and name not in ("time", "message")},
    )
