"""MongoDB's structured log (version 4.4 and later): one object a line with ``t``, ``s``, ``c``, ``id``, ``ctx``,
``msg`` and ``attr``. The duration of a slow operation (``durationMillis``) is the response time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, tzinfo

from lilfox_tui.logs import times
from lilfox_tui.logs.record import LogEntry, LoggedException, Severity
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.structured import object_in

__all__ = ["LEVEL_WORDS", "begins", "parse"]

_SEVERITIES = {
    "F": Severity.CRITICAL,
    "E": Severity.ERROR,
    "W": Severity.WARNING,
    "I": Severity.INFO,
    "D": Severity.DEBUG,
    **{f"D{number}": Severity.DEBUG for number in range(1, 6)},
}
LEVEL_WORDS = {severity: (f'"{letter[0]}'.encode(),) for letter, severity in _SEVERITIES.items()}


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have offsets
    """Parse one message; None for an object without ``t.$date``, ``s`` and ``c``."""
    if b'"$date"' not in raw:
        return None
    fields = object_in(raw)
    if fields is None or not isinstance(time := fields.get("t"), Mapping) or "$date" not in time:
        return None
    level, component, message = fields.get("s"), fields.get("c"), fields.get("msg")
    if not isinstance(level, str) or not isinstance(component, str) or not isinstance(message, str):
        return None
    attributes = fields.get("attr")
    attributes = attributes if isinstance(attributes, Mapping) else {}
    return LogEntry(
        message=message or component,
        time_us=times.from_value(time["$date"], zone),
        severity=_SEVERITIES.get(level, Severity.UNKNOWN),
        logger=component,
        module=component,
        fault=_fault(attributes.get("error")),
        response_time_s=_seconds(attributes.get("durationMillis")),
        fields=fields,
    )


def _seconds(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) / 1000 if is_number and 0 <= value < 1e15 else None  # type: ignore[arg-type,operator]


def _fault(error: object) -> LoggedException | None:
    """Return the error of a command: an object with ``codeName`` and ``errmsg``."""
    if not isinstance(error, Mapping) or not isinstance(name := error.get("codeName"), str) or not name:
        return None
    text = error.get("errmsg")
    return LoggedException(name[:200], text if isinstance(text, str) else "")
