"""Fields of a record by name, and how their values compare.

Names: ``level``, ``logger``, ``module``, ``message``, ``source``, ``log`` (the file, where a source is several),
``response_time`` (seconds), ``status`` (HTTP) and
``type`` (class of the exception) are what every format has in common; every other name, and these where the record
does not have them, is one of its own fields, nested ones by dotted path (``exception.type``).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TypeAlias

import msgspec

from lilfox_tui.logs.filter.regex import search
from lilfox_tui.logs.record import Record, Severity

Number: TypeAlias = int | float
STATUS_NAMES = ("status", "status_code", "http.status_code", "http.response.status_code")
"""Where a status is looked for: our formats', Python frameworks', OpenTelemetry's, ECS's."""
FAULT_TYPE_NAMES = ("type", "exception.type")
DURATION_S = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_NUMBER = re.compile(r"[+-]?(?:\d{1,32}(?:\.\d{0,32})?|\.\d{1,32})(?:[eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_DURATION = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)(us|µs|ms|s|m|h|d|w)", re.ASCII)
_SEVERITIES = {
    "trace": Severity.TRACE,
    "debug": Severity.DEBUG,
    "info": Severity.INFO,
    "notice": Severity.NOTICE,
    "warn": Severity.WARNING,
    "warning": Severity.WARNING,
    "err": Severity.ERROR,
    "error": Severity.ERROR,
    "crit": Severity.CRITICAL,
    "critical": Severity.CRITICAL,
    "fatal": Severity.CRITICAL,
    "unknown": Severity.UNKNOWN,
}


def severity_named(word: str) -> Severity | None:
    """``warn``, ``ERROR``, ``fatal`` as a severity; None for another word."""
    return _SEVERITIES.get(word.lower())


@lru_cache(maxsize=256)
def number(text: str) -> Number | None:
    """The number that ``text`` writes, None where it writes none (``nan`` and ``inf`` are none)."""
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if _WHOLE.fullmatch(text) else float(text)


@lru_cache(maxsize=256)
def duration_s(text: str) -> float | None:
    """``250ms``, ``1.5s``, ``2m`` in seconds; None where it is no duration."""
    found = _DURATION.fullmatch(text)
    return float(found[1]) * DURATION_S[found[2]] if found else None


def field_values(record: Record, name: str) -> tuple[object, ...]:
    """The values of the field; none where the record has no such field or it is empty (null). A list has several."""
    value = _common(record, name)
    if value is None or value == "":
        value = _own(record.entry.fields, name)
    if value is None and name == "status":
        value = next((v for v in (_own(record.entry.fields, one) for one in STATUS_NAMES) if v is not None), None)
    if value is None and name in FAULT_TYPE_NAMES and record.entry.fault is not None:
        value = record.entry.fault.type
    if value is None:
        return ()
    return tuple(item for item in value if item is not None) if isinstance(value, list | tuple) else (value,)


def _common(record: Record, name: str) -> object:
    entry = record.entry
    match name:
        case "message":
            return entry.message
        case "source":
            return record.source
        case "log":
            return record.log
        case "module":
            return entry.module
        case "logger":
            return entry.logger
        case "response_time":
            return entry.response_time_s
        case "type":
            return entry.fault.type if entry.fault else None
        case "level":
            return entry.severity.name
    return None


def _own(fields: Mapping[str, object], name: str) -> object:
    rest = name
    while True:
        if rest in fields:
            return fields[rest]
        head, dot, rest = rest.partition(".")
        deeper = fields.get(head) if dot else None
        if not isinstance(deeper, Mapping):
            return None
        fields = deeper


def text_of(value: object) -> str:
    """A value as it is compared and shown: text as it is, everything else as JSON writes it."""
    return value if isinstance(value, str) else msgspec.json.encode(value, enc_hook=str).decode()


Comparison: TypeAlias = Callable[[object], bool]
_ORDER: dict[str, Callable[[Number, Number], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
OPS = ("=", "!=", "~", "!~", *_ORDER)
"""``=`` the same, ``~`` holds a match of the regular expression, and their opposites; the others order numbers."""


@lru_cache(maxsize=256)
def comparison(name: str, op: str, wanted: str) -> Comparison:
    """Whether one value of the field ``name`` is what ``op`` and ``wanted`` ask for. Raises UsageError for a wrong
    regular expression, ValueError for an ``op`` that is not of OPS."""
    if op in ("~", "!~"):
        find = search(wanted)
        found = op == "~"
        return lambda value: (find(text_of(value).encode("utf-8", "surrogatepass")) is not None) == found
    if name == "level":
        return _level_comparison(op, wanted)
    if op in ("=", "!="):
        same = _sameness(name, wanted)
        return same if op == "=" else lambda value: not same(value)
    if op not in _ORDER:
        raise ValueError(op)
    return _ordering(name, _ORDER[op], wanted)


def _sameness(name: str, wanted: str) -> Comparison:
    in_seconds = duration_s(wanted) if name == "response_time" else None
    wanted_number = number(wanted) if in_seconds is None else in_seconds

    def same(value: object) -> bool:
        if isinstance(value, str):
            return value == wanted
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value == wanted_number
        return text_of(value) == wanted

    return same


def _ordering(name: str, order: Callable[[Number, Number], bool], wanted: str) -> Comparison:
    seconds, plain = duration_s(wanted), number(wanted)
    if name == "response_time" and plain is None:
        plain = seconds

    def ordered(value: object) -> bool:
        if isinstance(value, bool):
            return False
        if isinstance(value, str):
            if seconds is not None and (have_s := duration_s(value)) is not None:
                return order(have_s, seconds)
            value = number(value)
        return isinstance(value, int | float) and plain is not None and order(value, plain)

    return ordered


def _level_comparison(op: str, wanted: str) -> Comparison:
    severity = severity_named(wanted)
    if severity is None:
        return lambda _: False
    if op in ("=", "!="):
        return lambda value: (value == severity.name) == (op == "=")
    order = _ORDER[op]

    def ordered(value: object) -> bool:
        have = Severity[value] if isinstance(value, str) else Severity.UNKNOWN
        return have is not Severity.UNKNOWN and order(have, severity)

    return ordered
