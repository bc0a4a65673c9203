"""Android's log, as ``logcat`` prints it: ``01-31 12:00:00.000  1702  2395 D Tag: message`` (also ``-v year``, ``-v
time``, ``-v brief``). Its time tells no year but in ``-v year``."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, Severity, text_of

_SEVERITIES = {
    "V": Severity.TRACE, "D": Severity.DEBUG, "I": Severity.INFO, "W": Severity.WARNING, "E": Severity.ERROR,
    "F": Severity.CRITICAL, "A": Severity.CRITICAL,
}  # fmt: skip
LEVEL_WORDS = {
    severity: tuple(
        word.encode() for letter, of in _SEVERITIES.items() if of is severity for word in (f" {letter} ", f"{letter}/")
    )
    for severity in dict.fromkeys(_SEVERITIES.values())
}
_TIME = r"(?:\d{4}-)?[01]\d-[0-3]\d \d\d:\d\d:\d\d\.\d{3,9}(?: [+-]\d{4})?"
_BEGINS = re.compile(
    rf"{_TIME} +(?:\d{{1,10}} +\d{{1,10}} [VDIWEFA] |[VDIWEFA]/)|"
    r"[VDIWEFA]/[^\s(:][^(:\n]{0,80}\( *\d{1,10}\): ".encode()
)
_LINE = re.compile(
    rf"(?P<time>{_TIME}) +(?P<pid>\d{{1,10}}) +(?P<tid>\d{{1,10}}) (?P<level>[VDIWEFA]) (?P<tag>[^\n:]{{0,200}}?) *: ?"
    r"(?P<message>.*+)",
    re.DOTALL,
)
_TAGGED = re.compile(
    rf"(?:(?P<time>{_TIME}) +)?(?P<level>[VDIWEFA])/(?P<tag>[^(:\n]{{1,200}}?) *\( *(?P<pid>\d{{1,10}})\): ?"
    r"(?P<message>.*+)",
    re.DOTALL,
)


def begins(line: bytes) -> bool:
    """Whether the line has the head of one of logcat's layouts."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:
    """Parse one message; None for any other line."""
    text = text_of(raw)
    match = _LINE.fullmatch(text) or _TAGGED.fullmatch(text)
    if match is None:
        return None
    named = match.groupdict()
    us = times.leading(match["time"], zone, latest)[0] if match["time"] else None
    fields: dict[str, object] = {"level": match["level"], "tag": match["tag"], "pid": int(match["pid"])}
    if named.get("tid"):
        fields["tid"] = int(match["tid"])
    message = match["message"]
    return LogEntry(
        message=message or match["tag"],
        time_us=us,
        severity=_SEVERITIES[match["level"]],
        logger=match["tag"],
        module=match["tag"],
        fault=structured.in_text(message),
        fields=fields,
    )
