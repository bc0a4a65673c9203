"""PostgreSQL's ``csvlog``: 23 to 26 columns in the order of its documentation; a field may span several lines."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, text_of
from lilfox_tui.logs.structured import POSTGRESQL_LEVELS, postgresql_duration_s, postgresql_words

LEVEL_WORDS = {
    severity: tuple(b"," + word for word in postgresql_words(severity))
    for severity in dict.fromkeys(POSTGRESQL_LEVELS.values())
}
_COLUMNS = (
    "timestamp", "user", "dbname", "pid", "remote", "session_id", "line_num", "ps", "session_start", "vxid", "txid",
    "error_severity", "state_code", "message", "detail", "hint", "internal_query", "internal_position", "context",
    "statement", "cursor_position", "func", "application_name", "backend_type", "leader_pid", "query_id",
)  # fmt: skip
_LEAST_COLUMNS = 14
_BEGINS = re.compile(rb'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} [^,\s]{1,10},(?:"|,)')
_FIELD = re.compile(r'"((?:[^"]|"")*+)"?(?:,|$)|([^,"\n]*+)(?:,|$)')


def begins(line: bytes) -> bool:
    """Whether the line has PostgreSQL's time and the next column, which is a quoted name or empty."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one message; empty columns are not fields. None if there are too few."""
    text = text_of(raw)
    if not _BEGINS.match(raw):
        return None
    values: list[str] = []
    place = 0
    while place < len(text) and len(values) < len(_COLUMNS) and (field := _FIELD.match(text, place)):
        values.append(field[2] if field[1] is None else field[1].replace('""', '"'))
        place = field.end()
    if len(values) < _LEAST_COLUMNS or values[11] not in POSTGRESQL_LEVELS:
        return None
    fields: dict[str, object] = {name: value for name, value in zip(_COLUMNS, values, strict=False) if value}
    return LogEntry(
        message=values[13],
        time_us=times.from_text(values[0], zone),
        severity=POSTGRESQL_LEVELS[values[11]],
        logger=values[2],
        response_time_s=postgresql_duration_s(values[13]),
        fields=fields,
    )
