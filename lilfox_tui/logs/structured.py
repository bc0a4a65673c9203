"""Structured records (JSON objects, named fields): read from raw bytes, and mapped by the names that loggers use."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from functools import lru_cache

import msgspec
from msgspec import Struct

from lilfox_tui.logs import exceptions, times
from lilfox_tui.logs.levels import WORDS, numbers_of
from lilfox_tui.logs.record import RAW_LIMIT, LogEntry, LoggedException, Severity, text_of

# One JSON object from the bytes of a record, also from what is not quite JSON, and from one that was cut.


_decode = msgspec.json.Decoder().decode
_scan = json.JSONDecoder(strict=False)
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_KEY = re.compile(r'[\s,]*("(?:[^"\\]|\\.)*+)"\s*:\s*', re.DOTALL)
_TEXT = re.compile(r'"(?:[^"\\]|\\u[0-9a-fA-F]{4}|\\[^u])*+')
_LONGEST_HALF_ESCAPE = 5


def object_in(raw: bytes) -> dict[str, object] | None:
    """The object that ``raw`` is; None where it is none. Of invalid UTF-8, lone surrogates, NaN and control characters
    in strings it makes what can be made; of an object cut at RAW_LIMIT, the fields before the cut. NUL before it is the
    hole that copytruncate leaves."""
    if not raw.lstrip(b"\0 \t\r\n\xef\xbb\xbf").startswith(b"{"):
        return None
    try:
        found = _decode(raw)
    except (ValueError, RecursionError):
        return _leniently(raw)
    return found if isinstance(found, dict) else None


def _leniently(raw: bytes) -> dict[str, object] | None:
    text = raw.decode("utf-8", "replace").lstrip("\0\ufeff \t\r\n")
    text = _ESCAPE.sub(lambda match: "\\ufffd" if match[1] else match[0], text)
    try:
        found = _scan.decode(text)
    except (ValueError, RecursionError):
        return _before_cut(text) if len(raw) >= RAW_LIMIT else None
    return found if isinstance(found, dict) else None


def _before_cut(text: str) -> dict[str, object] | None:
    fields: dict[str, object] = {}
    place = 1
    while key := _KEY.match(text, place):
        name = str(_whole_text(key[1]))
        try:
            value, place = _scan.raw_decode(text, key.end())
        except (ValueError, RecursionError):
            half = _TEXT.match(text, key.end())
            if half and len(text) - half.end() <= _LONGEST_HALF_ESCAPE:
                fields[name] = _whole_text(half[0])
            break
        if place == len(text) and not isinstance(value, str):
            break  # a number may have gone on
        fields[name] = value
    return fields or None


def _whole_text(cut: str) -> object:
    """Of a text in JSON without its end; as it stands where it has escapes that there are not."""
    try:
        return _scan.decode(cut + '"')
    except ValueError:
        return cut[1:]


# What a record of named fields says (JSON lines, logfmt), whatever library has named them.
#
# The names are those of Python's, Go's, Java's, JavaScript's and Rust's usual loggers, of the Elastic Common Schema,
# GELF and Docker's json-file. Which of them a record has is looked up once for each set of names.


_TIME = ("timestamp", "@timestamp", "time", "ts", "@t", "datetime", "asctime", "timemillis", "date", "instant", "t",
         "time_iso8601", "time_local")  # fmt: skip
_LEVEL = ("level", "levelname", "severity", "lvl", "log.level", "loglevel", "log_level", "@l", "severitytext",
          "severity_text", "priority", "error_severity", "level_name", "levelno", "severitynumber",
          "severity_number")  # fmt: skip
_MESSAGE = ("message", "msg", "event", "short_message", "@m", "@mt", "text", "body", "log")
_LOGGER = ("logger", "logger_name", "loggername", "log.logger", "name", "component", "channel", "target", "category",
           "sourcecontext", "service", "service.name", "app")  # fmt: skip
_MODULE = ("module", "log.origin.file.name", "caller", "source", "file", "filename", "class")
_FAULT = ("exception", "exc_info", "stack_trace", "stacktrace", "traceback", "thrown", "@x", "error.stack_trace",
          "exception.stacktrace", "stack")  # fmt: skip
_FAULT_TYPE = ("error.type", "exception.type", "exc_type", "error_type", "exception_class")
_ERROR = ("error", "err", "error.message", "exception.message", "cause")
_DURATIONS = ("response_time", "responsetime", "duration", "latency", "elapsed", "request_time", "took",
              "processing_time", "elapsed_time")  # fmt: skip
_UNITS = {"": 1.0, "_s": 1.0, "_sec": 1.0, "_seconds": 1.0, "_ms": 1e-3, "ms": 1e-3, "_millis": 1e-3, "_us": 1e-6,
          "us": 1e-6, "_micros": 1e-6, "_ns": 1e-9, "ns": 1e-9, "_nanos": 1e-9}  # fmt: skip
_SECONDS = {
    **{name + suffix: unit for suffix, unit in _UNITS.items() for name in _DURATIONS},
    "responsetime": 1e-3,  # pino-http
    "event.duration": 1e-9,  # Elastic Common Schema
}
_SPAN = re.compile(r"(\d{1,18}(?:\.\d{1,18})?) ?(ns|us|µs|μs|ms|s|m|h)?")
_SPAN_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_LONGEST_SPAN = 40
_LONGEST_S = 1e18


class FieldNames(Struct, frozen=True):
    """Which of a record's fields says what; None: none does."""

    time: str | None
    level: str | None
    levels: tuple[str, ...]
    """All that may say it."""
    numbers: Mapping[int, Severity]
    """What a number as level means."""
    message: str | None
    logger: str | None
    module: str | None
    duration: str | None
    unit_s: float
    fault: str | None
    fault_type: str | None
    error: str | None

    @property
    def tells_fault(self) -> bool:
        return self.fault is not None or self.error is not None or self.fault_type is not None


@lru_cache(maxsize=1024)
def names_of(keys: tuple[str, ...]) -> FieldNames:
    """What the fields of a record with these keys, in its order, say."""
    by_name: dict[str, str] = {}
    for key in keys:
        by_name.setdefault(key.lower(), key)

    def first(names: Iterable[str]) -> str | None:
        return next((by_name[name] for name in names if name in by_name), None)

    duration, level = first(_SECONDS), first(_LEVEL)
    return FieldNames(
        first(_TIME),
        level,
        tuple(by_name[name] for name in _LEVEL if name in by_name),
        numbers_of(level.lower(), by_name) if level else {},
        first(_MESSAGE),
        first(_LOGGER),
        first(_MODULE),
        duration,
        _SECONDS[duration.lower()] if duration else 1.0,
        first(_FAULT),
        first(_FAULT_TYPE),
        first(_ERROR),
    )


def entry_of(fields: Mapping[str, object], raw: bytes, zone: tzinfo) -> LogEntry:
    """The record that ``fields`` make up; its message is the raw text where none of them is one."""
    names = names_of(tuple(fields))
    time = fields[names.time] if names.time else None
    level = fields[names.level] if names.level else None
    message = fields[names.message] if names.message else None
    us = times.from_iso(time, zone) if type(time) is str else None
    severity = WORDS.get(level.lower()) if type(level) is str else None
    return LogEntry(
        message=message.rstrip("\r\n") if type(message) is str else _message(message, fields, raw),
        time_us=_time(time, zone) if us is None and time is not None else us,
        severity=_severity(level, names, fields) if severity is None else severity,
        logger=_word(fields[names.logger]) if names.logger else "",
        module=_module(fields[names.module]) if names.module else "",
        fault=_fault(fields, names) if names.tells_fault else None,
        response_time_s=_seconds(fields[names.duration], names.unit_s) if names.duration else None,
        fields=fields,
    )


def _message(value: object, fields: Mapping[str, object], raw: bytes) -> str:
    inner = fields.get("fields")  # of Rust's tracing
    if value is None and isinstance(inner, Mapping):
        value = inner.get("message")
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and (text := str(value)).encode() in raw:
        return text  # as it is written, so that a search in the raw bytes finds it
    return text_of(raw)


def _time(value: object, zone: tzinfo) -> int | None:
    if isinstance(value, Mapping):  # of MongoDB, of log4j's JSON
        if "$date" in value:
            return times.from_value(value["$date"], zone)
        seconds, nanos = value.get("epochSecond"), value.get("nanoOfSecond")
        whole = times.from_number(seconds) if type(seconds) is int else None
        return whole + nanos // 1000 if whole is not None and type(nanos) is int and 0 <= nanos < 1e9 else whole
    return times.from_value(value, zone)


def _severity(level: object, names: FieldNames, fields: Mapping[str, object]) -> Severity:
    """Of a level that is no known word: of a number what another field says in words, or what it is known to mean."""
    inner = fields.get("log")
    if names.level is None and isinstance(inner, Mapping):  # of the Elastic Common Schema, nested
        level = inner.get("level")
        return WORDS.get(level.lower(), Severity.UNKNOWN) if type(level) is str else Severity.UNKNOWN
    if type(level) is not int:
        return Severity.UNKNOWN
    words = (word.lower() for name in names.levels if type(word := fields[name]) is str)
    return next((WORDS[word] for word in words if word in WORDS), names.numbers.get(level, Severity.UNKNOWN))


def _word(value: object) -> str:
    return value if type(value) is str else ""


def _module(value: object) -> str:
    """Without the line that callers are written with, as in ``api/users.go:42``."""
    if type(value) is not str:
        return ""
    name, colon, line = value.rpartition(":")
    return name if colon and line.isdecimal() else value


def _fault(fields: Mapping[str, object], names: FieldNames) -> LoggedException | None:
    found = exceptions.from_value(fields[names.fault]) if names.fault else None
    if found is None and names.error:
        found = exceptions.from_word(fields[names.error])
    named = _word(fields[names.fault_type]) if names.fault_type else ""
    if not named:
        return found
    text = found.text if found else _word(fields[names.error]) if names.error else ""
    return LoggedException(exceptions.last_name(named), text)


def _seconds(value: object, unit_s: float) -> float | None:
    if type(value) is str:
        if len(value) > _LONGEST_SPAN or not (match := _SPAN.fullmatch(value)):
            return None
        value, unit_s = float(match[1]), _SPAN_UNITS[match[2]] if match[2] else unit_s
    if type(value) is not float and type(value) is not int:
        return None
    return float(value) * unit_s if 0 <= value < _LONGEST_S else None
