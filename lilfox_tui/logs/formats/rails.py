"""Rails' log with the times of Ruby's logger: requests that begin and end, and the single line of lograge:
``I, [2026-12-01T12:00:00.123456 #12]  INFO -- : [id] Completed 200 OK in 12ms (Views: 5.0ms | …)``.

A line that ends a request has its status and its time; one that begins it has method, path and client. Tags before the
message, such as the request's id, are the field ``tags``.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, text_of
from lilfox_tui.logs.requests import number_in, route_of, severity_of_status
from lilfox_tui.logs.structured import level_words, severity_of

LEVEL_WORDS = {
    severity: (*words, *(b"%b%d" % (before, digit) for before in (b"ompleted ", b"status=") for digit in digits))
    for severity, words in level_words(b"%b").items()
    for digits in ({"ERROR": (5, 6, 7, 8, 9), "WARNING": (4,)}.get(severity.name, ()),)
}
_SHAPE = (
    r"(?P<letter>[DIWEFAU]), \[(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}) #(?P<pid>\d{1,10})\] {1,2}"
    r"(?P<level>DEBUG|INFO|WARN|ERROR|FATAL|ANY|UNKNOWN) -- (?P<program>[^:\n]{0,200}): "
)
_HEAD, _BEGINS = re.compile(_SHAPE), re.compile(_SHAPE.encode())
_TAGS = re.compile(r"(?:\[[^\]\n]{1,200}\] ){1,8}")
_STARTED = re.compile(r'Started (?P<method>[A-Z]{3,10}) "(?P<path>[^"\n]*+)" for (?P<client>[0-9a-fA-F.:]{2,45}) at ')
_COMPLETED = re.compile(r"Completed (?P<status>\d{3})(?: [A-Za-z' -]{1,60})? in (?P<ms>\d{1,9}(?:\.\d{1,6})?)ms")
_PROCESSING = re.compile(
    r"Processing by (?P<controller>[\w:]{1,200})#(?P<action>[\w?!]{1,100}) as (?P<format>\S{1,40})"
)
_LOGRAGE = re.compile(r"method=(?P<method>[A-Z]{3,10}) path=(?P<path>\S++) (?P<rest>[^\n]*+)")
_PAIR = re.compile(r"\b([a-z_]{1,40})=([^\s'\"]{1,300})")


def begins(line: bytes) -> bool:
    """Whether the line has the head of Ruby's logger."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one message with what follows it; None for any other line."""
    text = text_of(raw)
    head = _HEAD.match(text)
    if head is None:
        return None
    tags = _TAGS.match(text, head.end())
    message = text[tags.end() if tags else head.end() :]
    fields: dict[str, object] = {"level": head["level"], "pid": int(head["pid"])}
    if tags is not None:
        fields["tags"] = tags[0].strip()
    fields.update(_request(message))
    seconds, status = fields.get("request_time"), fields.get("status")
    severity = severity_of(head["level"])
    if isinstance(status, int):
        severity = max(severity, severity_of_status(status))
    path = fields.get("path")
    return LogEntry(
        message=message or head["level"],
        time_us=times.from_text(head["time"], zone),
        severity=severity,
        logger=head["program"],
        module=route_of(path) if isinstance(path, str) else str(fields.get("controller", "")),
        fault=structured.in_text(message),
        response_time_s=seconds if isinstance(seconds, float) else None,
        fields=fields,
    )


def _request(message: str) -> dict[str, object]:
    """Return what a line tells of a request."""
    if started := _STARTED.match(message) or _PROCESSING.match(message):
        return dict(started.groupdict())
    if completed := _COMPLETED.match(message):
        return {"status": int(completed["status"]), "request_time": float(completed["ms"]) / 1000}
    lograge = _LOGRAGE.match(message)
    if lograge is None:
        return {}
    fields: dict[str, object] = {"method": lograge["method"], "path": lograge["path"]}
    for name, value in _PAIR.findall(lograge["rest"][:20_000]):
        if name == "status":
            fields[name] = number_in(value)
        elif name == "duration" and re.fullmatch(r"\d{1,9}(?:\.\d{1,6})?", value):
            fields["request_time"] = float(value) / 1000
        else:
            fields[name] = value
    return fields
