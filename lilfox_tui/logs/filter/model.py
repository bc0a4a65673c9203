"""Filters: expressions that log records are matched against."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Protocol, TypeAlias, cast

import msgspec
from msgspec import Struct

from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import tr
from lilfox_tui.logs.record import LONGEST, LogRecord, Severity, status_span

# Regular expressions that cannot hang: RE2, whose time grows with the length of the text and nothing else.
#
# Its syntax: https://github.com/google/re2/wiki/Syntax. It knows no look-around and no backreferences. ``^`` and ``$``
# are the ends of each line of a record; ``.`` is no newline.


Search: TypeAlias = Callable[[bytes], object | None]


@lru_cache(maxsize=64)
def search(pattern: str) -> Search:
    """Return a function that searches UTF-8 bytes for ``pattern`` and returns None if it is not found. Raises
    UsageError with RE2's message."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    try:
        return cast("Search", re2.compile(b"(?m)" + pattern.encode(), options).search)
    except UnicodeEncodeError:
        raise UsageError(tr("regular expression: incomplete character (lone surrogate)")) from None
    except re2.error as error:
        reason = error.args[0] if error.args else ""
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise UsageError(
            tr("regular expression {pattern}: {reason}", pattern=pattern, reason=reason),
            hint=tr("RE2 syntax: no look-around or backreferences, so that no pattern can hang"),
        ) from None


# Fields of a record by name, and how their values compare.
#
# Names: ``level``, ``logger``, ``module``, ``message``, ``source``, ``log`` (the file, where a source is several),
# ``response_time`` (seconds), ``status`` (HTTP) and ``type`` (class of the exception) are what every format has in
# common; every other name, and these where the record does not have them, is one of its own fields, nested ones by
# dotted path (``exception.type``).


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
    """The severity of a word such as ``warn``, ``ERROR`` or ``fatal``; None for any other word."""
    return _SEVERITIES.get(word.lower())


@lru_cache(maxsize=256)
def number(text: str) -> Number | None:
    """Parse a number; None if ``text`` is not one (``nan`` and ``inf`` are not)."""
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if _WHOLE.fullmatch(text) else float(text)


@lru_cache(maxsize=256)
def duration_s(text: str) -> float | None:
    """Parse ``250ms``, ``1.5s``, ``2m`` to seconds; None if it is not a duration."""
    found = _DURATION.fullmatch(text)
    return float(found[1]) * DURATION_S[found[2]] if found else None


def field_values(record: LogRecord, name: str) -> tuple[object, ...]:
    """The values of the field; none where the record has no such field or it is empty (null). A list has several."""
    value = _common(record, name)
    if value is None or value == "":
        value = _own(record.entry.fields, name)
    if value is None and name == "status":
        for one in STATUS_NAMES:
            if (value := _own(record.entry.fields, one)) is not None:
                break
    if value is None and name in FAULT_TYPE_NAMES and record.entry.fault is not None:
        value = record.entry.fault.type
    if value is None:
        return ()
    return tuple(item for item in value if item is not None) if isinstance(value, list | tuple) else (value,)


def http_status(record: LogRecord) -> tuple[str, bool]:
    """The status of the HTTP response that a record tells, and whether it stands only in its message; "" if none."""
    values = field_values(record, "status") if record.entry.fields else ()
    if values:
        code = text_of(values[0])
        return (code if len(code) == 3 and code.isdecimal() and code[0] in "12345" else "", False)
    message = record.entry.message[:LONGEST].partition("\n")[0]
    span = status_span(message)
    return ("", False) if span is None else (message[slice(*span)], True)


def is_failed_response(record: LogRecord) -> bool:
    """Whether a record tells an HTTP status of 5xx, whatever its level."""
    return http_status(record)[0].startswith("5")


def _common(record: LogRecord, name: str) -> object:
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
        if deeper is None or not isinstance(deeper, Mapping):
            return None
        fields = deeper


def text_of(value: object) -> str:
    """Return a value in the form in which it is compared and shown: text unchanged, everything else as JSON."""
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
    """Return a function that tells whether one value of the field ``name`` satisfies ``op`` and ``wanted``. Raises
    UsageError for an invalid regular expression, ValueError for an ``op`` that is not in OPS."""
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


# A filter as a tree of nodes, and whether a record matches it.


class Filter(Protocol):
    """A node in the tree of a filter. Frozen; two equal trees compare equal."""

    def matches(self, record: LogRecord) -> bool:
        """Whether the record matches the filter."""
        ...


class And(Struct, frozen=True):
    """All parts match; true without parts."""

    parts: tuple[Filter, ...]

    def matches(self, record: LogRecord) -> bool:
        for part in self.parts:  # noqa: SIM110 - a generator would double the cost of each record
            if not part.matches(record):
                return False
        return True


EVERYTHING = And(())


class Or(Struct, frozen=True):
    """At least one part matches; false without parts."""

    parts: tuple[Filter, ...]

    def matches(self, record: LogRecord) -> bool:
        for part in self.parts:  # noqa: SIM110
            if part.matches(record):
                return True
        return False


class Not(Struct, frozen=True):
    """The part does not match."""

    part: Filter

    def matches(self, record: LogRecord) -> bool:
        return not self.part.matches(record)


class AtLeast(Struct, frozen=True):
    """At least as severe as ``severity``. A record without a severity matches only UNKNOWN."""

    severity: Severity

    def matches(self, record: LogRecord) -> bool:
        return record.entry.severity >= self.severity


class TextMatch(Struct, frozen=True):
    """The text is contained literally in the message, in the exception's text or in the raw record (as UTF-8).

    Smart case: with an upper-case letter in it, case counts. Otherwise a text of ASCII is found whatever the case of
    its ASCII letters, another one whatever the case (``str.lower``).
    """

    text: str

    def matches(self, record: LogRecord) -> bool:
        holds, holds_raw = _finders(self.text)
        entry = record.entry
        if holds_raw(record.raw) or holds(entry.message):
            return True
        return entry.fault is not None and holds(entry.fault.text)


def literal_texts(where: Filter) -> tuple[str, ...]:
    """The texts that a filter looks for literally, for showing them where they are found; not what it excludes."""
    match where:
        case TextMatch():
            return (where.text,) if where.text else ()
        case And() | Or():
            return tuple(text for part in where.parts for text in literal_texts(part))
    return ()


COMMON_FIELDS = ("message", "source", "log", "module", "logger", "response_time", "type", "level", "status")
"""Names that :func:`field_values` knows for records of any format."""


def fields_named(where: Filter) -> tuple[str, ...]:
    """The names of fields that a filter compares, in its order."""
    match where:
        case FieldMatch():
            return (where.name,)
        case Not():
            return fields_named(where.part)
        case And() | Or():
            return tuple(name for part in where.parts for name in fields_named(part))
    return ()


class RegexMatch(Struct, frozen=True):
    """The pattern (RE2 syntax) is found in the message, the exception's text or the raw record; case-sensitive unless
    it starts with ``(?i)``. ``matches`` raises UsageError for a pattern that RE2 rejects."""

    pattern: str

    def matches(self, record: LogRecord) -> bool:
        find = search(self.pattern)
        entry = record.entry
        if find(record.raw) is not None or find(_utf8(entry.message)) is not None:
            return True
        return entry.fault is not None and find(_utf8(entry.fault.text)) is not None


class FieldMatch(Struct, frozen=True):
    """The value of field ``name`` (see :func:`field_values`) satisfies the comparison ``op``, one of OPS, with
    ``value`` as written.

    Two numbers are compared as numbers, two durations and the response time as durations, everything else as text,
    case counts; the level by its gravity. What is no number has no order. A record without the field does not match,
    whatever ``op`` is: ``status!=200`` is every other status, ``not status=200`` also every record without one. Of
    a list one item is enough.
    """

    name: str
    op: str
    value: str

    def matches(self, record: LogRecord) -> bool:
        values = field_values(record, self.name)
        if not values:
            return False
        fits = comparison(self.name, self.op, self.value)
        return any(map(fits, values))


class Within(Struct, frozen=True):
    """The time is ``since_us`` or later, and before ``until_us`` (microseconds since 1970, UTC; None is no bound). A
    record without a time does not match."""

    since_us: int | None
    until_us: int | None

    def matches(self, record: LogRecord) -> bool:
        at = record.entry.time_us
        if at is None:
            return False
        return (self.since_us is None or at >= self.since_us) and (self.until_us is None or at < self.until_us)


def ignores_case(text: str) -> bool:
    """Whether a search for ``text`` ignores case: if it has letters that have a case, and all of them are in lower
    case."""
    return text == text.lower() != text.upper()


@lru_cache(maxsize=256)
def _finders(text: str) -> tuple[Callable[[str], bool], Callable[[bytes], bool]]:
    needle = _utf8(text)
    if not ignores_case(text):
        return (lambda held: text in held), (lambda held: needle in held)
    if text.isascii():
        return (
            lambda held: text in held.lower() if held.isascii() else needle in _utf8(held).lower(),
            lambda held: needle in held.lower(),
        )
    return (lambda held: text in held.lower()), (lambda held: text in held.decode("utf-8", "replace").lower())


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


# The bounds of time that every match of a filter lies in.


Span: TypeAlias = tuple[int | None, int | None]
"""Not before the first, and before the second, microseconds since 1970 UTC; None is no bound."""

NO_TIME: Span = (0, 0)


def span(where: Filter) -> Span:
    """Return the time bounds of all matches; for a filter that cannot match (``1h and ..2h``) the end is not after the
    start. With a bound, records without a time do not match."""
    match where:
        case Within(since_us, until_us):
            return since_us, until_us
        case And(parts):
            spans = [span(part) for part in parts]
            since = [start for start, _ in spans if start is not None]
            until = [end for _, end in spans if end is not None]
            return max(since, default=None), min(until, default=None)
        case Or(parts):
            return _around([bounds for bounds in map(span, parts) if not _empty(bounds)])
    return None, None


def _empty(bounds: Span) -> bool:
    start, end = bounds
    return start is not None and end is not None and end <= start


def _around(spans: list[Span]) -> Span:
    if not spans:
        return NO_TIME
    since = [start for start, _ in spans if start is not None]
    until = [end for _, end in spans if end is not None]
    return min(since) if len(since) == len(spans) else None, max(until) if len(until) == len(spans) else None


# The severities that matches of a filter can have.


ALL = frozenset(Severity)


def severities(where: Filter) -> frozenset[Severity]:
    """Return the severities that a match can have; UNKNOWN is included if a match need not have any."""
    match where:
        case And(parts):
            return ALL.intersection(*map(severities, parts))
        case Or(parts):
            return frozenset().union(*map(severities, parts))
        case Not(AtLeast() | FieldMatch("level") as part):
            return ALL - severities(part)
        case Not(Not(part)):
            return severities(part)
        case AtLeast(severity):
            return frozenset(one for one in Severity if one >= severity)
        case FieldMatch("level", op, value):
            fits = comparison("level", op, value)
            return frozenset(one for one in Severity if fits(one.name))
    return ALL


# A filter as it is for the records of one source: what it says of ``source`` is answered before any record is read.


NOTHING = Or(())


def of_source(where: Filter, name: str) -> Filter:
    """Simplify ``where`` for records whose source is ``name``, without changing which of them match. NOTHING if none of
    them can match, EVERYTHING if all do. Raises UsageError for an invalid regular expression."""
    match where:
        case FieldMatch("source", op, value):
            return EVERYTHING if comparison("source", op, value)(name) else NOTHING
        case Not(part):
            inner = of_source(part, name)
            return NOTHING if inner == EVERYTHING else EVERYTHING if inner == NOTHING else Not(inner)
        case And(parts):
            kept = [each for each in (of_source(part, name) for part in parts) if each != EVERYTHING]
            return NOTHING if NOTHING in kept else kept[0] if len(kept) == 1 else And(tuple(kept))
        case Or(parts):
            kept = [each for each in (of_source(part, name) for part in parts) if each != NOTHING]
            return EVERYTHING if EVERYTHING in kept else kept[0] if len(kept) == 1 else Or(tuple(kept))
    return where
