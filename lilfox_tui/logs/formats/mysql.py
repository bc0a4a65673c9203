"""The error log of MySQL and MariaDB, of each version, and their general log:
``2026-12-01T12:00:00.123456Z 0 [Warning] [MY-010068] [Server] message``, ``2026-12-01 12:00:00 8 [Note] message``,
``261201 12:00:00 [ERROR] message``,
``2026-12-01T12:00:00.123456Z     9 Query	SELECT 1``.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, Severity, text_of

_COMMANDS = (
    "Query", "Connect", "Quit", "Init DB", "Prepare", "Execute", "Close stmt", "Reset stmt", "Field List", "Statistics",
    "Ping", "Change user", "Binlog Dump", "Binlog Dump GTID", "Shutdown", "Refresh", "Kill", "Debug", "Fetch",
    "Long Data", "Set option", "Create DB", "Drop DB", "Processlist", "Reset Connection",
)  # fmt: skip
"""Of ``sql/parse_file``'s names of server commands; what a statement says follows a tab."""
_SEVERITIES = {
    "Note": Severity.INFO, "Info": Severity.INFO, "System": Severity.NOTICE, "Warning": Severity.WARNING,
    "ERROR": Severity.ERROR, "Error": Severity.ERROR,
}  # fmt: skip
LEVEL_WORDS = {
    severity: tuple(f"[{word}]".encode() for word, of in _SEVERITIES.items() if of is severity)
    for severity in dict.fromkeys(_SEVERITIES.values())
}
_TIME = (
    r"(?:(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d))|"
    r"(?P<century>\d\d)?(?P<year>\d\d)-?(?P<month>\d\d)-?(?P<day>\d\d) {1,2}(?P<clock>\d{1,2}:\d\d:\d\d))"
)
_ERROR = (
    _TIME + rf" {{1,8}}(?:(?P<thread>\d{{1,20}}|0x[0-9a-f]{{1,20}}) )?\[(?P<level>{'|'.join(_SEVERITIES)})\]"
    r" ?(?:\[(?P<code>MY-\d{1,6})\] \[(?P<subsystem>\w{1,40})\] )?"
)
_GENERAL = rf"(?:{_TIME}|\t)[ \t]{{1,24}}(?P<thread>\d{{1,20}}) (?P<command>{'|'.join(_COMMANDS)})(?:[ \t]{{1,8}}|$)"
_MESSAGE, _STATEMENT = re.compile(_ERROR), re.compile(_GENERAL, re.MULTILINE)
_ERROR_BYTES, _GENERAL_BYTES = re.compile(_ERROR.encode()), re.compile(_GENERAL.encode())


def begins(line: bytes) -> bool:
    """Whether the line has a time with a level, or with a command."""
    return _ERROR_BYTES.match(line) is not None or _GENERAL_BYTES.match(line.rstrip(b"\r")) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse one message or one statement, with all its lines; None for any other line."""
    text = text_of(raw)
    head = _MESSAGE.match(text) or _STATEMENT.match(text)
    if head is None:
        return None
    named = head.groupdict()
    fields: dict[str, object] = {
        name: named[name] for name in ("level", "code", "subsystem", "command") if named.get(name)
    }
    if named["thread"]:
        fields["thread"] = int(named["thread"], 0) if named["thread"].startswith("0x") else int(named["thread"])
    subsystem = named.get("subsystem") or ""
    return LogEntry(
        message=text[head.end() :] or named.get("command") or text,
        time_us=times.from_text(_time(named), zone) if named["time"] or named["clock"] else None,
        severity=_SEVERITIES.get(named.get("level") or "", Severity.UNKNOWN),
        logger=subsystem,
        module=subsystem,
        fields=fields,
    )


def _time(named: dict[str, str | None]) -> str:
    if named["time"]:
        return named["time"]
    clock = (named["clock"] or "").rjust(8, "0")
    return f"{named['century'] or 20}{named['year']}-{named['month']}-{named['day']} {clock}"
