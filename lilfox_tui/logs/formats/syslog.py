"""Syslog as daemons write and send it: RFC 3164 (also with ISO times, as in rsyslog) and RFC 5424.

The level is that of ``<PRI>``; without one, what the message says near its start. RFC 3164 has no year; some write one
before the clock or behind it. Also what ``journalctl -o short-full``, ``short-unix`` and their like print.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, text_of
from lilfox_tui.logs.structured import SYSLOG, level_words, spoken

_FACILITIES = 24  # RFC 5424, table 1
LEVEL_WORDS = {
    severity: words
    + tuple(
        b"<%d>" % (facility * 8 + number)
        for number, of in enumerate(SYSLOG)
        if of is severity
        for facility in range(_FACILITIES)
    )
    for severity, words in level_words(b"%b").items()
}
_BEGINS = re.compile(
    rb"<\d{1,3}>|[A-Z][a-z]{2} (?:[ \d]\d|\d) (?:\d{4} )?\d\d:\d\d:\d\d[., ]|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.Z+-]|"
    rb"[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? [A-Z+-]|1\d{9}\.\d{6} [^\s:]{1,255} [^\s:]{1,200}: |"
    rb"-- (?:Journal begins|Logs begin|Boot|Reboot|No entries)"
)
_PRIORITY = re.compile(r"<(\d{1,3})>")
_HOST = r"(?P<host>[^\s:\[\]]{1,255})"
_APP = r"(?P<app>(?!\d+:)[^\s:\[\]]{1,128})(?:\[(?P<pid>[^\]\s]{1,128})\])?: ?"
_3164 = re.compile(
    r"(?P<time>[A-Z][a-z]{2} {1,2}\d{1,2}(?: \d{4})? \d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: (?:19|20)\d\d)?) "
    rf"{_HOST} (?:{_APP})?(?P<message>.*+)",
    re.DOTALL,
)
_ISO = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)) "
    rf"(?!(?:TRACE|DEBUG|INFO|WARN|WARNING|ERROR|FATAL) ){_HOST} {_APP}(?P<message>.*+)",
    re.DOTALL,
)
_SHORT = re.compile(
    r"(?:[A-Z][a-z]{2} (?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? (?:[A-Z]{1,5}|[+-]\d\d:?\d{0,2}))|"
    rf"(?P<epoch>1\d{{9}}\.\d{{6}})) {_HOST} {_APP}(?P<message>.*+)",
    re.DOTALL,
)
"""The journal's ``short-full`` and ``with-unit``, and ``short-unix``."""
_5424 = re.compile(
    r"1 (?P<time>-|\d{4}-\d\d-\d\dT\S{8,30}) (?P<host>\S{1,255}) (?P<app>\S{1,48}) (?P<pid>\S{1,128}) "
    r"(?P<msgid>\S{1,32}) ",
)
_ELEMENT = re.compile(r"\[[^\s\]=\"]{1,64}")
_PARAMETER = re.compile(r' ([^\s=\]"]{1,64})="((?:[^"\\]|\\.)*+)"', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\\]])')


def begins(line: bytes) -> bool:
    """Whether the line has a syslog priority or time."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:
    """Parse one message of either RFC; None for any other line."""
    text = text_of(raw)
    priority = _PRIORITY.match(text)
    number = int(priority[1]) if priority else None
    if number is not None and number >= _FACILITIES * 8:
        return None
    start = priority.end() if priority else 0
    fields: dict[str, object] = {}
    match = _5424.match(text, start) if priority else None
    if match is not None:
        message, parameters = _structured(text, match.end())
        fields.update(parameters)
    elif (match := _3164.match(text, start) or _ISO.match(text, start) or _SHORT.match(text, start)) is not None:
        message = match["message"]
    else:
        return None
    named = match.groupdict()
    fields.update((name, named[name]) for name in ("host", "app", "pid", "msgid") if named.get(name) not in (None, "-"))
    return LogEntry(
        message=message,
        time_us=times.from_text(named["time"] or named["epoch"], zone, latest),
        severity=spoken(message) if number is None else SYSLOG[number % 8],
        logger=str(fields.get("app", "")),
        module=str(fields.get("app", "")),
        fault=structured.in_text(message),
        fields=fields,
    )


def _structured(text: str, place: int) -> tuple[str, dict[str, object]]:
    """Return the message after the structured data at ``place``, and the data's parameters by name."""
    found: dict[str, object] = {}
    if text.startswith("-", place):
        place += 1
    while element := _ELEMENT.match(text, place):
        place = element.end()
        while parameter := _PARAMETER.match(text, place):
            found[parameter[1]] = _ESCAPE.sub(r"\1", parameter[2])
            place = parameter.end()
        if not text.startswith("]", place):
            break
        place += 1
    return text[place:].removeprefix(" ").removeprefix("\ufeff"), found
