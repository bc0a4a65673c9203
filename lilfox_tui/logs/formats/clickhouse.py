"""ClickHouse's server log: ``2026.12.01 12:00:00.123456 [ 42 ] {query-id} <Error> executeQuery: Code: 62. …``, with the
stack trace that follows."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, LoggedException, Severity, text_of

_SEVERITIES = {
    "Fatal": Severity.CRITICAL, "Critical": Severity.CRITICAL, "Error": Severity.ERROR, "Warning": Severity.WARNING,
    "Notice": Severity.NOTICE, "Information": Severity.INFO, "Debug": Severity.DEBUG, "Trace": Severity.TRACE,
    "Test": Severity.TRACE,
}  # fmt: skip
LEVEL_WORDS = {
    severity: tuple(f"<{word}>".encode() for word, of in _SEVERITIES.items() if of is severity)
    for severity in dict.fromkeys(_SEVERITIES.values())
}
_SHAPE = (
    r"(?P<time>\d{4}\.\d\d\.\d\d \d\d:\d\d:\d\d\.\d{1,9}) \[ (?P<thread>\d{1,20}) \] \{(?P<query_id>[^}\s]{0,200})\} "
    rf"<(?P<level>{'|'.join(_SEVERITIES)})> "
)
_HEAD, _BEGINS = re.compile(_SHAPE), re.compile(_SHAPE.encode())
_LOGGER = re.compile(r"(?P<logger>[^\n:]{1,200}): ")
_CODE = re.compile(r"\bCode: (\d{1,5})\b")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]{2,80})\)")
_SPENT = re.compile(r"\bin (\d{1,9}(?:\.\d{1,9})?) sec\.,")
_LONGEST = 100_000


def begins(line: bytes) -> bool:
    """Whether the line has ClickHouse's time, thread and level."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one message; None for any other line."""
    text = text_of(raw)
    head = _HEAD.match(text)
    if head is None:
        return None
    named = _LOGGER.match(text, head.end())
    logger = named["logger"] if named else ""
    message = text[named.end() if named else head.end() :] or logger
    fields: dict[str, object] = {"level": head["level"], "thread": int(head["thread"])}
    if head["query_id"]:
        fields["query_id"] = head["query_id"]
    spent = _SPENT.search(message, 0, _LONGEST)
    fault = None
    if head["level"] in ("Error", "Fatal") and (code := _CODE.search(message, 0, _LONGEST)):
        name = _NAME.search(message, code.end(), _LONGEST)
        fault = LoggedException(name[1] if name else code[1], message[code.start() :])
        fields["code"] = int(code[1])
    return LogEntry(
        message=message,
        time_us=times.from_text(head["time"].replace(".", "-", 2), zone),
        severity=_SEVERITIES[head["level"]],
        logger=logger,
        module=logger,
        fault=fault,
        response_time_s=float(spent[1]) if spent else None,
        fields=fields,
    )
