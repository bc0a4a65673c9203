"""Access logs of nginx and Apache: common and combined, optionally preceded by a host and followed by more fields.

A status of 500 or above is an error, 400 or above a warning. What errors are counted by is the route. The time a
request took is read where its unit is certain: ``rt=0.12`` and its like, or a number with a decimal point after the
known fields (nginx's ``$request_time``), in seconds. Werkzeug and Python's http.server write no offset.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from functools import lru_cache

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, Severity
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.requests import parts_of, route_of, severity_of_status

__all__ = ["LEVEL_WORDS", "begins", "parse"]

LEVEL_WORDS = {
    Severity.INFO: (b'" 1', b'" 2', b'" 3'),
    Severity.WARNING: (b'" 4',),
    Severity.ERROR: (b'" 5', b'" 6', b'" 7', b'" 8', b'" 9'),
}
_LINE = re.compile(
    r"(?P<client>[^\s<]\S*+) (?P<user>[^\[]*+)\[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}[: ]\d\d:\d\d:\d\d(?: [+-]\d{4})?)\] "
    r'"(?P<request>(?:[^"\\]|\\.)*+)" (?P<status>[1-9]\d\d) (?P<bytes>\d{1,18}|-)'
    r'(?: "(?P<referer>(?:[^"\\]|\\.)*+)" "(?P<agent>(?:[^"\\]|\\.)*+)")?(?P<rest> .*+)?',
    re.DOTALL | re.ASCII,
)
_NAMED_SECONDS = re.compile(r'\b(?:rt|request_time|response_time|upstream_response_time)[=:]"?(\d{1,9}(?:\.\d{1,9})?)')
_SECONDS = re.compile(r'(?:^|[ "])(\d{1,9}\.\d{1,9})(?=$|[ "])')
_WITHOUT_OFFSET = len("01/Jan/2026:12:00:00")


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one request; None for any other line."""
    match = _LINE.fullmatch(raw.decode("utf-8", "replace"))
    if match is None:
        return None
    client, user, time, request, status, size, referer, agent, rest = match.groups("")
    names = user.split()
    if len(names) > 2:  # Apache's vhost_combined has the host first
        client = names[0]
    method, path, protocol = parts_of(request)
    code = int(status)
    fields: dict[str, object] = {
        "client": client, "user": names[-1] if names else "", "method": method, "path": path,
        "protocol": protocol, "status": code, "bytes": None if size == "-" else int(size),
    }  # fmt: skip
    if referer or agent:
        fields["referer"], fields["agent"] = referer, agent
    seconds = _seconds(rest) if rest else None
    if seconds is not None:
        fields["request_time"] = seconds
    if rest and seconds is None:
        fields["rest"] = rest.strip()
    return LogEntry(
        message=f"{request} {status}",
        time_us=_time(time) if len(time) > _WITHOUT_OFFSET else times.from_text(time, zone),
        severity=severity_of_status(code),
        module=route_of(path),
        response_time_s=seconds,
        fields=fields,
    )


@lru_cache(maxsize=1024)
def _time(text: str) -> int | None:
    return times.from_text(text, UTC)


def _seconds(rest: str) -> float | None:
    match = _NAMED_SECONDS.search(rest) or _SECONDS.search(rest)
    return float(match[1]) if match else None
