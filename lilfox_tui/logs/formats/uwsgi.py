"""uWSGI's requests: ``[pid: 88185|app: 0|req: 1/1] ::1 () {38 vars in 696 bytes} [Sun Mar 13 22:49:12 2016] POST /x =>
generated 47 bytes in 129 msecs (HTTP/1.1 200) 9 headers in 378 bytes (1 switches on core 3)``."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, text_of
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.requests import STATUS_WORDS, request_entry

__all__ = ["LEVEL_WORDS", "begins", "parse"]

LEVEL_WORDS = STATUS_WORDS
_LINE = re.compile(
    r"\[pid: (?P<pid>\d{1,10})\|app: (?P<app>[^|\]\s]{1,40})\|req: \S{1,40}\] (?P<client>\S{0,255}) "
    r"\((?P<user>[^)\n]{0,255})\) \{\d{1,9} vars in \d{1,12} bytes\} "
    r"\[(?P<time>[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})\] "
    r"(?P<method>[A-Z]{1,40}) (?P<path>\S*+) => generated (?P<bytes>\d{1,18}) bytes in (?P<spent>\d{1,12}) "
    r"(?P<unit>msecs|micros|secs)(?: via \S{1,40})? ?\((?P<protocol>HTTP/\d(?:\.\d)?) (?P<status>\d{3})\)(?P<rest>.*+)",
    re.DOTALL,
)
_UNITS = {"secs": 1.0, "msecs": 1e-3, "micros": 1e-6}


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one request; None for any other line."""
    match = _LINE.fullmatch(text_of(raw))
    if match is None:
        return None
    more: dict[str, object] = {"pid": int(match["pid"]), "app": match["app"], "protocol": match["protocol"]}
    if match["user"]:
        more["user"] = match["user"]
    return request_entry(
        f"{match['method']} {match['path']}",
        match["status"],
        client=match["client"],
        size=match["bytes"],
        time_us=times.from_text(match["time"], zone),
        seconds=round(int(match["spent"]) * _UNITS[match["unit"]], 9),
        more=more,
    )
