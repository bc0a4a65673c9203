"""A record as ``lilfox logs`` prints it: for people, or as a line of JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from lilfox_tui.cli.output import Cell, print_json, print_line, print_table
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.source import SourceNotice
from lilfox_tui.metrics.model import Level

_LEVELS = {Severity.WARNING: Level.DEGRADED, Severity.ERROR: Level.FAILING, Severity.CRITICAL: Level.FAILING}
_DEEPEST = 50


class Printed:
    """How records are printed. ``zone`` is that of the times shown; ``with_source`` where there are several sources."""

    def __init__(self, zone: tzinfo, *, as_json: bool, with_source: bool) -> None:
        self._zone = zone
        self._as_json = as_json
        self._with_source = with_source

    def record(self, record: LogRecord) -> None:
        """Prints a record: its lines after the first are indented."""
        if self._as_json:
            print_json(document(record), lines=True)
            return
        first, *more = _lines(record)
        level = _LEVELS.get(record.entry.severity)
        cells = [Cell(self._time(record.at)), Cell(f"{_name(record.entry.severity) or '-':<8}", level)]
        if self._with_source:
            cells.append(Cell(record.source))
        logger = record.entry.logger
        print_table([[*cells, Cell(f"{logger}: {first}" if logger else first)]])
        for line in more:
            print_line(f"    {line}")

    def notice(self, notice: SourceNotice) -> str:
        """What a source says of itself, as one line."""
        return f"{notice.source}: {notice.text}"

    def _time(self, at: datetime | None) -> str:
        return " " * 23 if at is None else at.astimezone(self._zone).isoformat(" ", "milliseconds")[:23]


def document(record: LogRecord) -> dict[str, Any]:
    """The record as ``logs.json`` of the schemas says."""
    entry, at = record.entry, record.at
    return {
        "time": None if at is None else at.isoformat(),
        "source": record.source,
        "log": record.log or None,
        "level": _name(entry.severity),
        "logger": entry.logger or None,
        "module": entry.module or None,
        "message": entry.message,
        "exception": None if entry.fault is None else {"type": entry.fault.type, "text": entry.fault.text},
        "response_time": entry.response_time_s,
        "fields": _plain(entry.fields),
        "raw": record.raw.decode("utf-8", "replace"),
    }


def _name(severity: Severity) -> str | None:
    return severity.name if severity else None


def _lines(record: LogRecord) -> Iterator[str]:
    """The message, and the exception's text where that is not part of it."""
    entry = record.entry
    yield from entry.message.splitlines() or [""]
    if entry.fault is not None and entry.fault.text not in entry.message:
        yield from entry.fault.text.splitlines()


def _plain(value: object, depth: int = 0) -> Any:
    """What JSON can hold: no NaN, no other types, not endlessly deep."""
    if depth > _DEEPEST:
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, depth + 1) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
