"""Logs in the W3C's extended format: IIS, Exchange, CloudFront and others. ``#Fields:`` names the columns.

A log may name others further down, after the server was started again. A record is read with the columns that its log
has named and that fit it: as many, with a date, a time, an address and a status where they belong.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from functools import lru_cache

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, Severity, text_of
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.requests import number_in, route_of, severity_of_status

__all__ = ["LEVEL_WORDS", "begins", "for_log", "parse"]

LEVEL_WORDS = {
    severity: tuple(b"%b%d" % (before, digit) for before in (b" ", b"\t", b'"') for digit in digits)
    for severity, digits in (
        (Severity.INFO, (1, 2, 3)), (Severity.WARNING, (4,)), (Severity.ERROR, (5, 6, 7, 8, 9)),
    )
}  # fmt: skip
MARK = b"#Fields:"
_VALUE = re.compile(r'"((?:[^"]|"")*+)"(?=\s|$)|(\S++)')
_SHAPES = {
    "date": re.compile(r"\d{4}-\d\d-\d\d"),
    "time": re.compile(r"\d\d:\d\d:\d\d(?:\.\d{1,6})?"),
    "sc-status": re.compile(r"\d{1,3}|-"),
    "cs-method": re.compile(r"\S{1,40}"),
    "c-ip": re.compile(r"[0-9a-fA-F.:]{3,45}(?:%\w{1,20})?|-"),
    "time-taken": re.compile(r"\d{1,12}(?:\.\d{1,6})?|-"),
}
_SAME = {
    "date-local": "date",
    "time-local": "time",
    "x-edge-location": "",
    "timetakenms": "time-taken",
    "bytes": "sc-bytes",
}
_COMMON = {"c-ip": "client", "cs-username": "user", "cs-method": "method", "sc-status": "status", "sc-bytes": "bytes",
           "cs-version": "protocol", "cs(user-agent)": "agent", "cs(referer)": "referer",
           "cs(referrer)": "referer"}  # fmt: skip
"""What the format of access logs calls them."""
_NONE = ("-", "")
_DATES = ("Date", "Start-Date")
"""What tells the day where the columns have none."""
_MOST_COLUMNS = 200
_MOST_KNOWN = 64
_USUAL = (
    "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) sc-status "
    "sc-substatus sc-win32-status time-taken"
)
"""What IIS logs unless told otherwise."""


class W3cLog:
    """The format of one log, with the columns that it has named so far."""

    LEVEL_WORDS: Mapping[Severity, tuple[bytes, ...]] | None = LEVEL_WORDS

    def __init__(self, columns: Iterable[str] = (), date: str = "") -> None:
        self._date = date
        self.begins = begins
        self._named = list(dict.fromkeys(columns))[:_MOST_KNOWN]

    def parse(self, raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG002  its times have years
        """Parse one request, or one of the lines that begin with ``#``; None for any other line."""
        text = text_of(raw)
        if text.startswith("#"):
            return self._directive(text)
        values = _values(text)
        known = [*reversed(self._named), *(() if self._named else (_USUAL,))]
        names = next((names for one in known if _fits(names := _names(one), values)), None)
        return None if names is None else _entry(text, dict(zip(names, values, strict=True)), zone, self._date)

    def _directive(self, text: str) -> LogEntry | None:
        name, colon, value = text[1:].partition(":")
        if not colon or not re.fullmatch(r"[A-Z][A-Za-z-]{2,30}", name):
            return None
        if name == "Fields" and value.strip() and value.strip() not in self._named and len(self._named) < _MOST_KNOWN:
            self._named.append(value.strip())
        if name in _DATES:
            self._date = value.strip()[:10]
        us = times.from_text(value.strip(), UTC) if name in _DATES else None
        return LogEntry(message=text, time_us=us)


def for_log(sample: bytes) -> W3cLog:
    """Return the format of a log that begins with ``sample``."""
    lines = sample.split(b"\n") if MARK in sample else []
    dates = [line.partition(b":")[2].strip()[:10] for line in lines if line.startswith((b"#Date:", b"#Start-Date:"))]
    columns = (text_of(line[len(MARK) :]).strip() for line in lines if line.startswith(MARK))
    return W3cLog(columns, text_of(dates[0]) if dates else "")


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:
    """Parse a line of a log that names no columns, as IIS writes it unless told otherwise."""
    return W3cLog().parse(raw, zone, latest)


@lru_cache(maxsize=256)
def _names(columns: str) -> tuple[str, ...]:
    return tuple(columns.split()[:_MOST_COLUMNS])


def _values(text: str) -> list[str]:
    return [bare or quoted.replace('""', '"') for quoted, bare in _VALUE.findall(text)]


def _role(name: str) -> str:
    return _SAME.get(name.lower(), name.lower())


def _fits(names: tuple[str, ...], values: list[str]) -> bool:
    if len(names) != len(values) or not names:
        return False
    told = ((_SHAPES.get(_role(name)), value) for name, value in zip(names, values, strict=True))
    return all(shape is None or value in _NONE or shape.fullmatch(value) for shape, value in told)


def _entry(text: str, named: dict[str, str], zone: tzinfo, day: str) -> LogEntry:
    by_role = {_role(name): value for name, value in reversed(named.items())}
    fields: dict[str, object] = {name: value for name, value in named.items() if value not in _NONE}
    for role, common in _COMMON.items():
        if (value := by_role.get(role, "-")) not in _NONE:
            fields[common] = value if common not in ("status", "bytes") else number_in(value)
    local = "date-local" in named or "time-local" in named
    date, clock = by_role.get("date", day), by_role.get("time")
    status, path = fields.get("status"), _path(by_role)
    seconds = _seconds(by_role.get("time-taken", "-"), is_ms="." not in by_role.get("time-taken", "-"))
    if path:
        fields["path"] = path
    if seconds is not None:
        fields["request_time"] = seconds
    request = f"{fields.get('method', '')} {path}".strip()
    said = request if status is None else f"{request} {status}"
    return LogEntry(
        message=said if request and request in text else text,
        time_us=times.from_iso(f"{date} {clock}", zone if local else UTC) if date and clock else None,
        severity=severity_of_status(status) if isinstance(status, int) else Severity.UNKNOWN,
        module=route_of(path),
        response_time_s=seconds,
        fields=fields,
    )


def _path(by_role: dict[str, str]) -> str:
    stem = by_role.get("cs-uri-stem", by_role.get("cs-uri", ""))
    return "" if stem in _NONE else stem


def _seconds(text: str, *, is_ms: bool) -> float | None:
    """IIS writes milliseconds as a whole number, others seconds with a point."""
    return None if text in _NONE else float(text) / 1000 if is_ms else float(text)
