"""Envoy's access log in its default format and Istio's, as text, and its own log:
``[2016-04-15T20:17:00.310Z] "POST /a HTTP/2" 204 - 154 0 226 100 "10.0.35.28" …``,
``[2026-12-01 12:00:00.000][1][warning][config] [source/server.cc:249] message``.

The duration is in milliseconds; a status of 0 means that the client has closed the connection.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, text_of
from lilfox_tui.logs.requests import STATUS_WORDS, request_entry
from lilfox_tui.logs.structured import level_words, severity_of

LEVEL_WORDS = {severity: (*words, *STATUS_WORDS.get(severity, ())) for severity, words in level_words(b"[%b").items()}
_TIME = r"\[(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?Z?)\]"
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_ACCESS = re.compile(
    rf'{_TIME} "(?P<request>(?:[^"\\]|\\.)*+)" (?P<status>\d{{1,3}}) (?P<flags>[A-Z,a-z-]{{1,80}})'
    rf"(?P<details> [\w:.{{}}|-]{{1,300}} \S{{1,300}} {_QUOTED})? "
    r"(?P<received>\d{1,18}) (?P<sent>\d{1,18}) (?P<ms>\d{1,12}|-) (?P<service>\d{1,12}|-) "
    rf'"(?P<forwarded>[^"]*+)" "(?P<agent>(?:[^"\\]|\\.)*+)" "(?P<id>[^"]*+)" "(?P<authority>[^"]*+)" '
    r'"(?P<upstream>[^"]*+)"(?: (?P<rest>.*+))?',
    re.DOTALL,
)
_OWN = re.compile(
    rf"{_TIME}\[(?P<thread>\d{{1,10}})\]\[(?P<level>trace|debug|info|warning|warn|error|critical)\]"
    r"\[(?P<logger>[^\]\n]{1,60})\] (?:\[(?P<file>[^\]\s]{1,300}):(?P<line>\d{1,9})\] )?(?P<message>.*+)",
    re.DOTALL,
)
_BEGINS = re.compile(rb'\[\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?Z?\](?: "|\[\d)')
_REST = ("upstream_cluster", "upstream_local", "downstream_local", "downstream_remote", "sni", "route")


def begins(line: bytes) -> bool:
    """Whether the line has Envoy's time and a request, or a thread."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one request or message; None for any other line."""
    text = text_of(raw)
    own = _OWN.fullmatch(text)
    if own is not None:
        found = own.groupdict()
        message = own["message"]
        return LogEntry(
            message=message,
            time_us=times.from_text(own["time"], zone),
            severity=severity_of(own["level"]),
            logger=own["logger"],
            module=own["file"] or own["logger"],
            fault=structured.in_text(message),
            fields={name: found[name] for name in ("level", "thread", "file", "line") if found[name]},
        )
    match = _ACCESS.fullmatch(text)
    if match is None:
        return None
    named = {
        "flags": match["flags"], "received_bytes": match["received"], "forwarded_for": match["forwarded"],
        "agent": match["agent"], "request_id": match["id"], "authority": match["authority"],
        "upstream": match["upstream"],
    }  # fmt: skip
    further = dict(zip(_REST, (match["rest"] or "").split(), strict=False))
    client = further.get("downstream_remote", "").rpartition(":")[0] or match["forwarded"].partition(",")[0]
    return request_entry(
        match["request"],
        match["status"],
        client=client,
        size=match["sent"],
        time_us=times.from_text(match["time"], zone),
        seconds=int(match["ms"]) / 1000 if match["ms"] != "-" else None,
        more={name: value for name, value in {**named, **further}.items() if value not in ("", "-")},
    )
