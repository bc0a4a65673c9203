"""PostgreSQL's ``jsonlog`` (version 15 and later), keys as in table 19.4 of its documentation."""

from __future__ import annotations

from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.json_objects import object_in
from lilfox_tui.logs.lines import every_line as begins
from lilfox_tui.logs.postgresql_levels import LEVELS, duration_s, words
from lilfox_tui.logs.record import Entry, Severity

__all__ = ["LEVEL_WORDS", "begins", "parse"]

LEVEL_WORDS = {
    severity: tuple(b'"' + word + b'"' for word in words(severity)) for severity in dict.fromkeys(LEVELS.values())
}


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> Entry | None:  # noqa: ARG001  its times have years
    """One message; None for an object without ``error_severity``."""
    if b'"error_severity"' not in raw:
        return None
    fields = object_in(raw)
    if fields is None or not isinstance(level := fields.get("error_severity"), str):
        return None
    message, database = fields.get("message"), fields.get("dbname")
    message = message if isinstance(message, str) else ""
    return Entry(
        message=message,
        time_us=times.from_value(fields.get("timestamp"), zone),
        severity=LEVELS.get(level, Severity.UNKNOWN),
        logger=database if isinstance(database, str) else "",
        response_time_s=duration_s(message),
        fields=fields,
    )
