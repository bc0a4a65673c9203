"""OpenTelemetry's OTLP in JSON, as the Collector's file exporter writes it: one export request a line.

A line may hold several log records; it is one record here, with the worst severity, the first time and all bodies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from lilfox_tui.logs.record import LogEntry, LoggedException, Severity, text_of
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.structured import numbers_of, object_in, severity_of

__all__ = ["LEVEL_WORDS", "begins", "parse"]

_NUMBERS = numbers_of("severitynumber", ())
LEVEL_WORDS = {severity: (b'"severity',) for severity in Severity if severity}
"""The level is a number or a word of another field: a record that has one has such a field."""
_RECORDS_MOST = 1000
_DEEPEST = 10


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have offsets
    """Parse one request; None for what holds no log record."""
    if b'"resourceLogs"' not in raw:
        return None
    request = object_in(raw)
    records = [] if request is None else list(_records(request))
    if not records:
        return None
    entries = [_entry(record, about, raw) for record, about in records[:_RECORDS_MOST]]
    first = entries[0]
    if len(entries) == 1:
        return first
    times = [entry.time_us for entry in entries if entry.time_us is not None]
    shared = {name: value for name, value in first.fields.items()
              if all(entry.fields.get(name) == value for entry in entries)}  # fmt: skip
    return LogEntry(
        message="\n".join(dict.fromkeys(entry.message for entry in entries)),
        time_us=min(times, default=None),
        severity=max(entry.severity for entry in entries),
        logger=first.logger if all(entry.logger == first.logger for entry in entries) else "",
        fault=next((entry.fault for entry in entries if entry.fault is not None), None),
        fields=shared,
    )


def _records(request: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], dict[str, object]]]:
    """The log records of a request, each with the attributes of its resource and scope."""
    for resource in _objects(request.get("resourceLogs")):
        about = _attributes(_object(resource.get("resource")).get("attributes"))
        for scoped in _objects(resource.get("scopeLogs")):
            scope = _object(scoped.get("scope"))
            named = {"scope": scope["name"]} if isinstance(scope.get("name"), str) and scope["name"] else {}
            for record in _objects(scoped.get("logRecords")):
                yield record, {**about, **named}


def _entry(record: Mapping[str, Any], about: Mapping[str, object], raw: bytes) -> LogEntry:
    attributes = _attributes(record.get("attributes"))
    ids = {name: record[key] for name, key in (("trace_id", "traceId"), ("span_id", "spanId")) if record.get(key)}
    number, word = record.get("severityNumber"), record.get("severityText")
    severity = _NUMBERS.get(number, Severity.UNKNOWN) if isinstance(number, int) else Severity.UNKNOWN
    if not severity and isinstance(word, str):
        severity = severity_of(word)
    body = _value(record.get("body"))
    name = about.get("scope") or about.get("service.name")
    return LogEntry(
        message=body if isinstance(body, str) else text_of(raw),
        time_us=_time(record.get("timeUnixNano")) or _time(record.get("observedTimeUnixNano")),
        severity=severity,
        logger=name if isinstance(name, str) else "",
        fault=_fault(attributes),
        fields={**about, **attributes, **ids},
    )


def _fault(attributes: Mapping[str, object]) -> LoggedException | None:
    kind = attributes.get("exception.type")
    if not isinstance(kind, str) or not kind:
        return None
    parts = (attributes.get("exception.message"), attributes.get("exception.stacktrace"))
    return LoggedException(kind[:200], "\n".join(part for part in parts if isinstance(part, str) and part))


def _time(value: object) -> int | None:
    """Microseconds of nanoseconds, which JSON has as text."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= 19:
        value = int(value)
    return value // 1000 if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**63 else None


def _attributes(value: object) -> dict[str, object]:
    found = {}
    for each in _objects(value):
        if isinstance(key := each.get("key"), str):
            found[key] = _value(each.get("value"))
    return found


def _value(value: object, depth: int = 0) -> Any:
    """An AnyValue without its wrapping; integers are text in JSON."""
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        return None
    if "arrayValue" in value:
        return [_value(each, depth + 1) for each in _objects(_object(value["arrayValue"]).get("values"))]
    if "kvlistValue" in value:
        pairs = _objects(_object(value["kvlistValue"]).get("values"))
        return {str(each.get("key")): _value(each.get("value"), depth + 1) for each in pairs}
    kind, held = next(iter(value.items()), ("", None))
    if kind == "intValue" and isinstance(held, str) and held.lstrip("-").isdecimal() and len(held) < 20:
        return int(held)
    return held


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
