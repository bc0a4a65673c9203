"""PostgreSQL's ``jsonlog`` (version 15 and later), keys as in table 19.4 of its documentation."""

from __future__ import annotations

from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, Severity
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.structured import POSTGRESQL_LEVELS, object_in, postgresql_duration_s, postgresql_words

__all__ = ["LEVEL_WORDS", "begins", "parse"]

LEVEL_WORDS = {
    severity: tuple(b'"' + word + b'"' for word in postgresql_words(severity))
    for severity in dict.fromkeys(POSTGRESQL_LEVELS.values())
}


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one message; None for an object without ``error_severity``."""
    if b'"error_severity"' not in raw:
        return None
    fields = object_in(raw)
    if fields is None or not isinstance(level := fields.get("error_severity"), str):
        return None
    message, database = fields.get("message"), fields.get("dbname")
    message = message if isinstance(message, str) else ""
    return LogEntry(
        message=message,
        time_us=times.from_value(fields.get("timestamp"), zone),
        severity=POSTGRESQL_LEVELS.get(level, Severity.UNKNOWN),
        logger=database if isinstance(database, str) else "",
        response_time_s=postgresql_duration_s(message),
        fields=fields,
    )
