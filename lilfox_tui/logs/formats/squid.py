"""Squid's access log in its own format:
``1386543323.000 4 ::1 TCP_DENIED/403 4099 GET http://x/y - HIER_NONE/- text/html``."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, Severity, text_of
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.requests import request_entry

__all__ = ["LEVEL_WORDS", "begins", "parse"]

LEVEL_WORDS = {
    Severity.INFO: (b"/1", b"/2", b"/3"),
    Severity.WARNING: (b"/4",),
    Severity.ERROR: (b"/5", b"/6", b"/7", b"/8", b"/9"),
}
_LINE = re.compile(
    r"(?P<time>\d{9,11}\.\d{3}) {1,12}(?P<ms>-?\d{1,12}) (?P<client>\S{1,255}) "
    r"(?P<result>(?:TCP|UDP|NONE|NAT|SSL|TAG)[A-Z_]{0,80})/(?P<status>\d{3}) (?P<bytes>-?\d{1,18}) "
    r"(?P<method>\S{1,40}) (?P<url>\S++) (?P<user>\S{1,255}) (?P<hierarchy>[A-Z_]{1,60})/(?P<peer>\S{1,255})"
    r"(?: (?P<type>\S{1,255}))?(?: (?P<rest>.*+))?",
    re.DOTALL | re.ASCII,
)


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times are UTC
    """Parse one request; None for any other line."""
    match = _LINE.fullmatch(text_of(raw))
    if match is None:
        return None
    more: dict[str, object] = {
        name: match[name]
        for name in ("result", "user", "hierarchy", "peer", "type", "rest")
        if match[name] not in (None, "", "-")
    }
    seconds = int(match["ms"]) / 1000
    return request_entry(
        f"{match['method']} {match['url']}",
        match["status"],
        client=match["client"],
        size=match["bytes"],
        time_us=times.from_text(match["time"], zone),
        seconds=seconds if seconds >= 0 else None,
        more={"url": match["url"], **more},
    )
