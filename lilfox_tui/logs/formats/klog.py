"""Logs of Kubernetes components, with the headers of klog and glog: ``I0101 12:00:00.123456 1 server.go:10] started``.

Also behind the time that a container's runtime puts before each line. Their own time tells no year.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, Severity, text_of

_SEVERITIES = {"I": Severity.INFO, "W": Severity.WARNING, "E": Severity.ERROR, "F": Severity.CRITICAL}
LEVEL_WORDS = {
    severity: tuple(f"{letter}{digit}".encode() for digit in "012") for letter, severity in _SEVERITIES.items()
}
_RUNTIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d) (?:std(?:out|err) [FP] )?"
_OWN = r"[IWEF](?:20\d\d)?[01]\d[0-3]\d \d\d:\d\d:\d\d\.\d{1,9} {1,8}\d{1,10} [^\s\]]{1,200}:\d{1,9}\]"
_BEGINS = re.compile(rf"(?:{_RUNTIME}|{_OWN})".encode())
_HEAD = re.compile(
    rf"(?P<runtime>{_RUNTIME})?(?P<level>[IWEF])(?P<year>20\d\d)?(?P<month>\d\d)(?P<day>\d\d) "
    r"(?P<clock>\d\d:\d\d:\d\d\.\d{1,9}) {1,8}"
    r"(?P<thread>\d{1,10}) (?P<file>[^\s\]]{1,200}):(?P<line>\d{1,9})\] ?"
)
_MONTHS = " JanFebMarAprMayJunJulAugSepOctNovDec"


def begins(line: bytes) -> bool:
    """Whether the line begins with klog's header, or with the time that the container runtime adds."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:
    """Parse one message; None for any other line."""
    text = text_of(raw)
    head = _HEAD.match(text)
    if head is None or not 1 <= int(head["month"]) <= 12:
        return None
    month = int(head["month"])
    own = f"{_MONTHS[3 * month - 2 : 3 * month + 1]} {int(head['day'])} {head['clock']}"
    if head["year"]:  # glog since 0.7
        own = f"{head['year']}-{head['month']}-{head['day']} {head['clock']}"
    stamp = head["runtime"].split(" ", 1)[0] if head["runtime"] else own
    message = text[head.end() :]
    return LogEntry(
        message=message,
        time_us=times.from_text(stamp, zone, latest),
        severity=_SEVERITIES[head["level"]],
        module=head["file"],
        fault=structured.in_text(message),
        fields={"level": head["level"], "thread": int(head["thread"]), "file": head["file"], "line": int(head["line"])},
    )
