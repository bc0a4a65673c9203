"""The journal as ``journalctl -o json`` prints it: one object per line (systemd's Journal Export Formats).

The level is the priority that the journal has. What a program prints has priority 6 whatever it says, so there its
words count (``ERROR``, ``[warn]``) where they tell a level. A message with colours or invalid UTF-8 comes as numbers:
a search in the raw bytes of a file, which is what filters of files begin with, does not find its text.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured
from lilfox_tui.logs.record import LogEntry, Severity
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.structured import SYSLOG, level_words, object_in, spoken
from lilfox_tui.logs.times import from_number

__all__ = ["LEVEL_WORDS", "begins", "parse"]

LEVEL_WORDS = {
    severity: words
    + tuple(
        b'"PRIORITY"%b"%d"' % (colon, number)
        for number, of in enumerate(SYSLOG)
        if of is severity
        for colon in (b":", b": ", b" : ")
    )
    for severity, words in level_words(b"%b").items()
}
_PRINTED = "6"
_TIME = "__REALTIME_TIMESTAMP"


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  the journal's times are UTC
    """Parse one record of the journal; None for a line without its time."""
    if b"__REALTIME_TIMESTAMP" not in raw:
        return None
    fields = object_in(raw)
    if fields is None or _TIME not in fields:
        return None
    time, message = fields[_TIME], _text(fields.get("MESSAGE"))
    return LogEntry(
        message=message,
        time_us=from_number(int(time)) if isinstance(time, str) and time.isdecimal() and len(time) < 20 else None,
        severity=_severity(fields.get("PRIORITY"), fields.get("MESSAGE")),
        logger=_who(fields),
        module=_text(fields.get("_SYSTEMD_UNIT")),
        fault=structured.in_text(message),
        fields=fields,
    )


def _text(value: object) -> str:
    """Return a value as text: the journal writes non-UTF-8 data as a list of bytes, and a repeated field as a list of
    texts."""
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        return ""
    if all(isinstance(one, int) and 0 <= one < 256 for one in value):
        return bytes(value).decode("utf-8", "replace")
    return "\n".join(_text(one) for one in value if isinstance(one, str))


def _severity(priority: object, message: object) -> Severity:
    if priority == _PRINTED and isinstance(message, str):
        return spoken(message) or Severity.INFO
    known = isinstance(priority, str) and len(priority) == 1 and priority in "01234567"
    return SYSLOG[int(str(priority))] if known else Severity.UNKNOWN


def _who(fields: Mapping[str, object]) -> str:
    return next(
        (name for key in ("SYSLOG_IDENTIFIER", "_COMM", "_SYSTEMD_UNIT") if (name := _text(fields.get(key)))), ""
    )
