"""The logs of Unbound and NSD: ``[1387288694] unbound[7745:0] info: start of service``, also with readable times."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, text_of
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.structured import level_words, severity_of

__all__ = ["LEVEL_WORDS", "begins", "parse"]

LEVEL_WORDS = level_words(b" %b")
_HEAD = re.compile(
    r"(?:\[(?P<time>\d{9,11}|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)\]|"
    r"(?P<named>[A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:?\d\d))) "
    r"(?P<program>unbound(?:-\w{1,20})?|nsd)\[(?P<pid>\d{1,10})(?::(?P<thread>[0-9a-f]{1,10}))?\]:? "
    r"(?P<level>debug|info|notice|warning|error|fatal error): ?",
)
_QUERY = re.compile(
    r"(?P<client>[0-9a-fA-F.:]{2,45}) (?P<name>\S{1,255}\.) (?P<rrtype>[A-Z0-9]{1,16}) (?P<rrclass>IN|CH|HS)"
    r"(?: (?P<rcode>[A-Z]{2,12}) (?P<took>\d{1,9}\.\d{1,9}) (?P<cached>[01]) (?P<bytes>\d{1,9}))?\Z"
)
"""What ``log-queries`` and ``log-replies`` write."""


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:
    """Parse one message; None for any other line."""
    text = text_of(raw)
    head = _HEAD.match(text)
    if head is None:
        return None
    message = text[head.end() :]
    query = _QUERY.match(message)
    fields: dict[str, object] = {"level": head["level"], "pid": int(head["pid"])}
    if head["thread"]:
        fields["thread"] = head["thread"]
    if query is not None:
        fields.update((name, value) for name, value in query.groupdict().items() if value is not None)
    return LogEntry(
        message=message or head["level"],
        time_us=times.from_text(head["time"] or head["named"], zone, latest),
        severity=severity_of(head["level"].partition(" ")[0]),
        logger=head["program"],
        module=head["program"],
        response_time_s=float(query["took"]) if query is not None and query["took"] else None,
        fields=fields,
    )
