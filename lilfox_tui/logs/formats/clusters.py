"""Logs of large clusters, as the Computer Failure Data Repository has them: an alert label, an epoch, a date and a node
before what the machine (Blue Gene's RAS events) or its syslog said; and HPC's state changes."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import structured, times
from lilfox_tui.logs.record import LogEntry, Severity, text_of
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.structured import level_words, severity_of, spoken

__all__ = ["LEVEL_WORDS", "begins", "parse"]

_SPELLED = level_words(b"%b")
LEVEL_WORDS = {**_SPELLED, Severity.ERROR: (*_SPELLED[Severity.ERROR], b"failure")}
_LABELLED = re.compile(
    r"(?P<label>-|[A-Z][A-Z0-9_-]{1,40}) (?P<epoch>\d{9,10}) (?P<date>\d{4}\.\d\d\.\d\d) (?P<node>\S{1,100}) "
    r"(?P<rest>.*+)",
    re.DOTALL,
)
_RAS = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d-\d\d\.\d\d\.\d\d\.\d{1,9}) (?P<place>\S{1,100}) (?P<type>[A-Z_]{1,20}) "
    r"(?P<component>[A-Z_]{1,20}) (?P<level>[A-Z]{1,20}) ?(?P<message>.*+)",
    re.DOTALL,
)
_SAID = re.compile(
    r"[A-Z][a-z]{2} {1,2}\d{1,2} \d\d:\d\d:\d\d (?P<host>\S{1,200}) "
    r"(?:(?P<app>(?!\d+:)[^\s:\[\]]{1,128})(?:\[(?P<pid>\d{1,10})\])?: ?)?(?P<message>.*+)",
    re.DOTALL,
)
_STATE = re.compile(
    r"(?P<id>\d{1,10}) (?P<node>\S{1,100}) (?P<component>\S{1,60}) (?P<state>\S{1,100}) (?P<epoch>1?\d{9}) "
    r"(?P<flag>-?\d) (?P<message>.*+)",
    re.DOTALL,
)


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  it has epochs
    """Parse one event; None for any other line."""
    text = text_of(raw)
    if (match := _STATE.fullmatch(text)) is not None:
        named = match.groupdict()
        return _entry(named, times.from_number(int(named.pop("epoch"))), named.pop("message"))
    if (match := _LABELLED.fullmatch(text)) is None:
        return None
    named = match.groupdict()
    us, rest = times.from_number(int(named.pop("epoch"))), named.pop("rest")
    if (event := _RAS.fullmatch(rest)) is not None:
        named |= event.groupdict()
        fraction = named.pop("time")[20:].ljust(6, "0")[:6]  # its clock is the machine's, the epoch has no zone
        us = us + int(fraction) if us is not None else None
    elif (said := _SAID.fullmatch(rest)) is not None:
        named |= {name: value for name, value in said.groupdict().items() if value is not None}
    else:
        named["message"] = rest
    return _entry(named, us, named.pop("message"))


def _entry(fields: dict[str, str], us: int | None, message: str) -> LogEntry:
    level = fields.get("level", "")
    named = Severity.ERROR if level == "FAILURE" else severity_of(level)
    who = fields.get("app") or fields.get("component", "")
    return LogEntry(
        message=message or " ".join(fields.values()),
        time_us=us,
        severity=named or (Severity.UNKNOWN if level else spoken(message)),
        logger=who,
        module=who,
        fault=structured.in_text(message),
        fields=dict(fields),
    )
