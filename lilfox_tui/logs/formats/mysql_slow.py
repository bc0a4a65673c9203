"""The slow query log of MySQL and MariaDB: one record a query, from ``# User@Host:`` to the end of the statement.

What stands after ``# `` is fields: ``Query_time`` (the response time), ``Lock_time``, ``Rows_sent``, ``Rows_examined``.
The time is that of ``SET timestamp=``, which the server writes for every query; a line ``# Time:`` is not always there.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, text_of

LEVEL_WORDS = None
OWNS_LINES = True
_BEGINS = re.compile(rb"# User@Host: ")
_WHO = re.compile(
    r"# User@Host: (?P<user>[^\[\s]{0,128})\[[^\]\n]{0,128}\] @ (?P<host>[^\[\s]{0,255}) ?"
    r"\[(?P<client>[^\]\n]{0,255})\]"
)
_PAIR = re.compile(r"\b([A-Z][A-Za-z_]{1,60}|thread_id|Id): {1,8}([^\s:]{1,200})(?=\s|$)")
_TIMESTAMP = re.compile(r"SET timestamp=(\d{1,12}(?:\.\d{1,6})?);")
_NUMBER = re.compile(r"\d{1,15}(?:\.\d{1,9})?")
_BEFORE = re.compile(r"use [^\n]{1,200};\n")
_MOST_HEADERS = 40


def begins(line: bytes) -> bool:
    """Whether the line tells who has asked, with which a query begins."""
    return _BEGINS.match(line) is not None


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times are UTC
    """Parse one query; None for anything else, such as what the server writes at its start."""
    text = text_of(raw)
    who = _WHO.match(text)
    if who is None:
        return None
    fields: dict[str, object] = {name: value for name, value in who.groupdict().items() if value}
    place, lines = 0, 0
    while text.startswith("# ", place) and lines < _MOST_HEADERS:
        newline = text.find("\n", place)
        end = newline + 1 if newline >= 0 else len(text)
        for name, value in _PAIR.findall(text[max(place, who.end()) : min(end, place + 4000)]):
            fields.setdefault(name, _value(value))
        place, lines = end, lines + 1
    us, statement = _statement(text[place:], zone)
    database = next((str(fields[name]) for name in ("Schema", "db") if name in fields), "")
    seconds = fields.get("Query_time")
    return LogEntry(
        message=statement or text,
        time_us=us,
        logger=database,
        module=database,
        response_time_s=float(seconds) if isinstance(seconds, int | float) else None,
        fields=fields,
    )


def _statement(text: str, zone: tzinfo) -> tuple[int | None, str]:
    """Return when the query was asked, and the query: without ``use`` and the time before it, and without the headers
    of the next record behind it."""
    if used := _BEFORE.match(text):
        text = text[used.end() :]
    us = None
    if told := _TIMESTAMP.match(text):
        us = times.from_text(told[1], zone)
        text = text[told.end() :].lstrip("\n")
    end = text.rfind("\n# Time: ")
    return us, text[:end] if end >= 0 and "\n" not in text[end + 1 :].rstrip("\n") else text


def _value(text: str) -> object:
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)
