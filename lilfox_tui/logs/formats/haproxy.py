"""HAProxy's log, with the header of syslog or without: its HTTP and TCP formats, errors of connections, and whatever
else it says.

The time is that of the request with its milliseconds. The response time is the whole one (``Ta`` or ``Tt``), which
``+`` before it makes a lower limit. The route is that of the path, or for TCP the backend.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, Severity, text_of
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.requests import STATUS_WORDS, request_entry
from lilfox_tui.logs.structured import level_words, spoken

__all__ = ["LEVEL_WORDS", "begins", "parse"]

LEVEL_WORDS = {
    severity: (*words, *STATUS_WORDS.get(severity, ()), *((b"fail",) if severity is Severity.WARNING else ()))
    for severity, words in level_words(b"%b").items()
}
_SYSLOG = re.compile(
    r"(?:<\d{1,3}>)?"
    r"(?P<time>[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]{8,20}(?:Z|[+-]\d\d:\d\d)) "
    r"(?:(?P<host>[^\s:\[\]]{1,255}) )?haproxy(?:\[(?P<pid>\d{1,10})\])?: "
)
_FROM = (
    r"(?P<client>[^\s\[]{1,255}):(?P<port>\d{1,5}) \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3})\] "
    r"(?P<frontend>[^\s/]{1,255})"
)
_COUNTS = r"(?P<connections>\d{1,9}/\d{1,9}/\d{1,9}/\d{1,9}/\+?\d{1,9}) (?P<queues>\d{1,9}/\d{1,9})"
_HTTP = re.compile(
    _FROM + r" (?P<backend>[^\s/]{1,255})/(?P<server>\S{1,255}) (?P<timers>-?\d{1,9}(?:/-?\d{1,9}){3}/\+?\d{1,9}) "
    r"(?P<status>-?\d{1,3}) \+?(?P<bytes>\d{1,18}) (?P<request_cookie>\S{1,255}) (?P<response_cookie>\S{1,255}) "
    rf"(?P<termination>\S{{4}}) {_COUNTS}(?P<captured>(?: \{{[^{{}}]*+\}}){{0,2}}) "
    r'"(?P<request>(?:[^"\\]|\\.)*+)"?(?P<rest>.*+)',
    re.DOTALL,
)
_TCP = re.compile(
    _FROM + r" (?P<backend>[^\s/]{1,255})/(?P<server>\S{1,255}) (?P<timers>-?\d{1,9}/-?\d{1,9}/\+?\d{1,9}) "
    rf"\+?(?P<bytes>\d{{1,18}}) (?P<termination>\S{{2}}) {_COUNTS}(?P<rest>.*+)",
    re.DOTALL,
)
_CONNECTION = re.compile(_FROM + r"(?:/(?P<bind>\S{1,255}))?: (?P<message>.*+)", re.DOTALL)
_PLAIN_FIELDS = ("frontend", "backend", "server", "timers", "request_cookie", "response_cookie", "termination",
                 "connections", "queues", "captured")  # fmt: skip


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:
    """Parse one request, connection or message; None for a line that HAProxy has not written."""
    text = text_of(raw)
    syslog = _SYSLOG.match(text)
    start = syslog.end() if syslog else 0
    if (match := _HTTP.match(text, start)) is not None:
        return request_entry(
            match["request"],
            match["status"],
            client=match["client"],
            size=match["bytes"],
            time_us=times.from_text(match["time"], zone),
            seconds=_seconds(match["timers"]),
            more=_fields(match),
        )
    if (match := _TCP.match(text, start)) is not None:
        return _connection(match, zone)
    if (match := _CONNECTION.match(text, start)) is not None:
        message = match["message"]
        return LogEntry(
            message=message,
            time_us=times.from_text(match["time"], zone),
            severity=Severity.WARNING if "fail" in message else spoken(message),
            module=match["frontend"],
            fields={"client": match["client"], "frontend": match["frontend"]},
        )
    if syslog is None:
        return None
    message = text[start:]
    return LogEntry(message=message, time_us=times.from_text(syslog["time"], zone, latest), severity=spoken(message))


def _connection(match: re.Match[str], zone: tzinfo) -> LogEntry:
    seconds = _seconds(match["timers"])
    fields: dict[str, object] = {
        "client": match["client"],
        "bytes": int(match["bytes"]),
        **({"request_time": seconds} if seconds is not None else {}),
        **_fields(match),
    }
    return LogEntry(
        message=match.string[match.start("frontend") : match.end("termination")],
        time_us=times.from_text(match["time"], zone),
        module=match["backend"],
        response_time_s=seconds,
        fields=fields,
    )


def _fields(match: re.Match[str]) -> dict[str, object]:
    named = match.groupdict()
    return {name: named[name].strip() for name in _PLAIN_FIELDS if named.get(name, "") not in ("", "-", None)}


def _seconds(timers: str) -> float | None:
    """Return the last of the timers, in milliseconds."""
    last = timers.rpartition("/")[2].lstrip("+")
    return int(last) / 1000 if last.isdecimal() else None
