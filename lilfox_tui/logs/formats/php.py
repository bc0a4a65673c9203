"""PHP's error log and that of PHP-FPM: ``[01-Dec-2026 12:00:00 UTC] PHP Fatal error:  Uncaught …`` with its stack
trace, ``[01-Dec-2026 12:00:00] WARNING: [pool www] child 5 exited …``."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, Severity, text_of
from lilfox_tui.logs.structured import severity_of, spoken

_LEVELS = {
    "Fatal error": Severity.CRITICAL, "Parse error": Severity.CRITICAL, "Core error": Severity.CRITICAL,
    "Compile error": Severity.CRITICAL, "Recoverable fatal error": Severity.ERROR,
    "Catchable fatal error": Severity.ERROR, "Core warning": Severity.WARNING, "Compile warning": Severity.WARNING,
    "Warning": Severity.WARNING, "Notice": Severity.NOTICE, "Deprecated": Severity.NOTICE,
    "Strict Standards": Severity.NOTICE,
}  # fmt: skip
"""As main/main.c of PHP names them."""
LEVEL_WORDS = None
_TIME = r"\[(?P<time>\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d(?:\.\d{1,6})?(?: [A-Za-z][A-Za-z_/+-]{1,40})?)\] "
_BEGINS = re.compile(
    _TIME.encode() + rb"(?!PHP (?:Stack trace:| {1,9}\d{1,4}\. ))"  # Xdebug's
)
_HEAD = re.compile(_TIME)
_LEVEL = re.compile(
    rf"PHP (?P<php>{'|'.join(_LEVELS)}): {{1,2}}|"
    r"(?P<fpm>DEBUG|NOTICE|WARNING|ERROR|ALERT): (?:\[pool (?P<pool>[^\]\n]{1,100})\] )?"
)
_LINE = re.compile(r"(?: on line |:)(\d{1,9})$", re.MULTILINE)
_FILE = re.compile(r" in (?=/|[A-Za-z]:\\)")
_LONGEST_PATH = 1000
_LONGEST = 4000


def begins(line: bytes) -> bool:
    """Whether the line has PHP's time, and is no line of a stack trace."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one message with its stack trace; None for any other line."""
    text = text_of(raw)
    head = _HEAD.match(text)
    if head is None:
        return None
    us, _end = times.leading(text, zone)
    level = _LEVEL.match(text, head.end())
    message = text[level.end() if level else head.end() :]
    fields: dict[str, object] = {}
    if level is None:
        severity = spoken(message)
    else:
        fields["level"] = level["php"] or level["fpm"]
        severity = _LEVELS[level["php"]] if level["php"] else severity_of(level["fpm"])
        if level["pool"]:
            fields["pool"] = level["pool"]
    if level and level["php"]:
        fields.update(_place(message[:_LONGEST]))
    return LogEntry(
        message=message or text,
        time_us=us,
        severity=severity,
        logger="PHP" if level and level["php"] else "",
        module=str(fields.get("file", fields.get("pool", ""))),
        fault=structured.in_text(text),
        fields=fields,
    )


def _place(message: str) -> dict[str, object]:
    """The file and the line that a line of the message ends with."""
    for line in _LINE.finditer(message):
        begun = _FILE.search(message, message.rfind("\n", 0, line.start()) + 1, line.start())
        if begun is not None and 1 < line.start() - begun.end() <= _LONGEST_PATH:
            return {"file": message[begun.end() : line.start()], "line": int(line[1])}
    return {}
