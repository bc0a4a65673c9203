"""Reads structured records: fields, levels and exceptions under the names that loggers use."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import tzinfo
from functools import lru_cache

import msgspec
from msgspec import Struct

from lilfox_tui.logs import times
from lilfox_tui.logs.record import RAW_LIMIT, LogEntry, LoggedException, Severity, text_of

# The words and numbers by which logs state a severity, PostgreSQL's levels among them.


# The words and numbers by which logs say how grave a record is.


_SPELLINGS: Mapping[Severity, tuple[str, ...]] = {
    Severity.TRACE: ("trace", "verbose", "finest", "finer", "trc"),
    Severity.DEBUG: ("debug", "dbg", "fine"),
    Severity.INFO: ("info", "information", "informational", "success", "log", "inf"),
    Severity.NOTICE: ("notice",),
    Severity.WARNING: ("warning", "warn", "wrn"),
    Severity.ERROR: ("error", "err", "severe"),
    Severity.CRITICAL: ("critical", "crit", "fatal", "panic", "dpanic", "alert", "emerg", "emergency", "ftl"),
}
WORDS: Mapping[str, Severity] = {word: severity for severity, words in _SPELLINGS.items() for word in words}
"""Every spelling in small letters."""

SYSLOG = (
    Severity.CRITICAL, Severity.CRITICAL, Severity.CRITICAL, Severity.ERROR,
    Severity.WARNING, Severity.NOTICE, Severity.INFO, Severity.DEBUG,
)  # fmt: skip
"""By syslog's number (RFC 5424, table 2)."""

_SYSLOG_NUMBERS: Mapping[int, Severity] = dict(enumerate(SYSLOG))
_BUNYAN: Mapping[int, Severity] = {
    10: Severity.TRACE,
    20: Severity.DEBUG,
    30: Severity.INFO,
    40: Severity.WARNING,
    50: Severity.ERROR,
    60: Severity.CRITICAL,
}
"""Also pino's."""
_PYTHON: Mapping[int, Severity] = {
    10: Severity.DEBUG,
    20: Severity.INFO,
    30: Severity.WARNING,
    40: Severity.ERROR,
    50: Severity.CRITICAL,
}
_OPEN_TELEMETRY: Mapping[int, Severity] = {
    number: severity
    for first, severity in ((1, Severity.TRACE), (5, Severity.DEBUG), (9, Severity.INFO), (13, Severity.WARNING),
                            (17, Severity.ERROR), (21, Severity.CRITICAL))
    for number in range(first, first + 4)
}  # fmt: skip
"""SeverityNumber (OpenTelemetry, Logs Data Model)."""
_OF_SYSLOG = frozenset(("short_message", "facility", "syslog_identifier", "procid", "msgid", "appname", "app-name"))
_OF_PYTHON = frozenset(("funcname", "lineno", "msecs", "relativecreated", "threadname", "processname", "levelno"))
_NUMBERED: Mapping[str, tuple[Mapping[int, Severity], ...]] = {
    "el": (_SYSLOG_NUMBERS, _BUNYAN, _PYTHON),  # level, loglevel
    "lno": (_PYTHON,),  # levelno
    "rity": (_SYSLOG_NUMBERS,),  # priority, severity
    "mber": (_OPEN_TELEMETRY,),  # severityNumber
}
"""How the names of fields end that hold a level's number, and which numbers these may be."""


def numbers_of(name: str, keys: Collection[str]) -> Mapping[int, Severity]:
    """Return which severity each number means in the field ``name`` of a record with these ``keys``, all in lower case.
    For 0 to 7 (syslog counts down in severity, zerolog and .NET up) the other fields must decide; otherwise these
    numbers have no meaning."""
    if name in ("severitynumber", "severity_number"):
        return _OPEN_TELEMETRY
    if name == "levelno":
        return _PYTHON
    syslog = _SYSLOG_NUMBERS if not _OF_SYSLOG.isdisjoint(keys) else {}
    if name.endswith("level"):
        return {**syslog, **(_BUNYAN if _OF_PYTHON.isdisjoint(keys) else _PYTHON)}
    return syslog if name in ("priority", "severity") else {}


def possible_numbers(ending: str, severity: Severity) -> list[int]:
    """Return the numbers that may mean ``severity`` in a field whose name ends in ``ending``."""
    return sorted({number for known in _NUMBERED[ending] for number, of in known.items() if of is severity})


ENDINGS = tuple(_NUMBERED)

_SPOKEN = r"trace|debug|info|notice|warning|warn|error|err|severe|critical|crit|fatal|panic|alert|emerg"
_NEAR_START = 120
_IN_TEXT = re.compile(
    rf"\b(?:({_SPOKEN.upper()})\b|(?<=[\[<:])({_SPOKEN})(?=[\]>])|({_SPOKEN})(?=: )|"
    rf"({'|'.join(word.capitalize() for word in _SPOKEN.split('|'))})(?=[:\]]))"
)


def severity_of(word: str) -> Severity:
    """Return the severity of a level word in any case; UNKNOWN if it is not one."""
    return WORDS.get(word.lower(), Severity.UNKNOWN)


def spoken(text: str) -> Severity:
    """Return the severity that a text without a level field states near its start: ``ERROR``, ``[error]``, ``error:
    ``."""
    match = _IN_TEXT.search(text, 0, _NEAR_START)
    return severity_of(match[match.lastindex or 0]) if match else Severity.UNKNOWN


def level_words(*shapes: bytes) -> dict[Severity, tuple[bytes, ...]]:
    """Return a format's ``LEVEL_WORDS``: each spelling in each of ``shapes``, where ``%b`` stands for the word."""
    return {
        severity: tuple(shape % word.encode() for shape in shapes for word in _shortest(words))
        for severity, words in _SPELLINGS.items()
    }


def _shortest(words: tuple[str, ...]) -> list[str]:
    """Return the words of which no other is a prefix: a search for ``err`` also finds ``error``."""
    return [word for word in words if not any(word != other and word.startswith(other) for other in words)]


def _number_words(severity: Severity) -> tuple[bytes, ...]:
    """Return the search words for levels that are numbers, such as the end of ``"level":50``. A single digit includes
    the character after it, because ``"level":5`` begins other numbers; ``"severityNumber":17`` is searched with its
    first digit only. The words are short and few, because ripgrep searches up to 64 short ones several times as fast as
    more."""
    numbers = [
        (ending, f"{number}"[:1] if ending == "mber" else f"{number}")
        for ending in ENDINGS
        for number in possible_numbers(ending, severity)
    ]
    return tuple(
        f'{ending}"{colon}{number}{end}'.encode()
        for ending, number in dict.fromkeys(numbers)
        for colon in (":", ": ")
        for end in (",} " if ending == "el" and len(number) == 1 else ("",))
    )


_SPACED = (b'" :', b'"  ', b'":  ', b"\t")
"""Where other space stands around a colon, a number may be a level's."""


def json_level_words() -> dict[Severity, tuple[bytes, ...]]:
    """Return the ``LEVEL_WORDS`` of formats whose records are JSON objects."""
    return {
        severity: (*words, *numbers, *(_SPACED if numbers else ()))
        for severity, words in level_words(b'"%b').items()
        for numbers in (_number_words(severity),)
    }


# PostgreSQL's levels, and what its three formats of logs have in common.


POSTGRESQL_LEVELS: Mapping[str, Severity] = {
    "DEBUG": Severity.DEBUG,
    **{f"DEBUG{number}": Severity.DEBUG for number in range(1, 6)},
    "LOG": Severity.INFO,
    "INFO": Severity.INFO,
    "NOTICE": Severity.NOTICE,
    "WARNING": Severity.WARNING,
    "ERROR": Severity.ERROR,
    "FATAL": Severity.CRITICAL,
    "PANIC": Severity.CRITICAL,
    # as a server says them whose lc_messages is zh_CN, in its translation of version 15 and before
    "调试": Severity.DEBUG,
    "日志": Severity.INFO,
    "信息": Severity.INFO,
    "注意": Severity.NOTICE,
    "警告": Severity.WARNING,
    "错误": Severity.ERROR,
    "致命错误": Severity.CRITICAL,
    "灾难性错误": Severity.CRITICAL,
    "比致命错误还过分的错误": Severity.CRITICAL,
}
"""PostgreSQL's documentation, table 19.2: FATAL ends a session, PANIC all of them."""

_POSTGRESQL_DURATION = re.compile(r"duration: (\d{1,12}(?:\.\d{1,6})?) ms")


def postgresql_words(severity: Severity) -> tuple[bytes, ...]:
    """Return the words of a severity as they appear in the log, without those that contain another one."""
    spelt = [word for word, of in POSTGRESQL_LEVELS.items() if of is severity]
    return tuple(w.encode() for w in spelt if not any(other != w and other in w for other in spelt))


def postgresql_duration_s(message: str) -> float | None:
    """Return the duration in seconds that ``log_min_duration_statement`` logs for a statement; None if the message has
    none."""
    match = _POSTGRESQL_DURATION.match(message)
    return float(match[1]) / 1000 if match else None


# Exceptions as logs tell of them: the text of tracebacks and stack traces, and objects.
#
# The class is that of the exception which came out last: after the last traceback of Python, before the first frames of
# Java and JavaScript, and else on the last line.


UNKNOWN_TYPE = "Unknown"
"""Of an exception that does not name its class, as the manual's statistics have it."""

_TYPE_KEYS = ("type", "class", "exception_class", "exc_type", "name", "kind", "code")
_TEXT_KEYS = ("message", "msg", "exception_message", "exc_value", "value", "detail")
_STACK_KEYS = ("stacktrace", "stack_trace", "stackTrace", "stack", "traceback", "extendedStackTrace")
_TRACEBACK = "Traceback (most recent call last):"
_GROUP = "Exception Group "
_FRAME = re.compile(r"^[ \t]+at ", re.MULTILINE)
_PHP_FRAME = re.compile(r"^#0 ", re.MULTILINE)
_PHP_THROWN = re.compile(r"(?:\[object\] \(|Uncaught )([A-Za-z_][\w\\]{0,300})(?=\(code: |[:( ])")
_NAME = re.compile(r"[^\W\d][\w$.:]*+")
_LONGEST_NAME = 200
_ENDINGS = ("Error", "Exception", "Warning", "Interrupt", "Exit", "Iteration", "Fault", "Timeout", "ExceptionGroup")


def type_of(text: str) -> str:
    """Return the class of the exception in ``text``, without module or package; UNKNOWN_TYPE if the text names none."""
    place = text.rfind(_TRACEBACK)
    if place >= 0:
        return _after_traceback(text, text.find(_TRACEBACK) if _GROUP in text else place)
    if frame := _FRAME.search(text):
        before = text[: frame.start()].splitlines()[-1:-6:-1]
        return next((name for line in before if (name := class_of(line))), UNKNOWN_TYPE)
    lines = text.strip().splitlines() or [""]
    return class_of(lines[-1]) or class_of(lines[0]) or UNKNOWN_TYPE


def class_of(line: str) -> str:
    """Return the class (last part of the name) at the start of a line such as ``psycopg.OperationalError: refused``; ""
    without one."""
    line = line.strip().removeprefix("Caused by: ").removeprefix("Uncaught ")
    if line.startswith("Exception in thread"):
        line = line.rpartition('" ')[2]
    word = line[: _LONGEST_NAME + 1].partition(" ")[0]
    if word != line and not word.endswith(":"):
        return ""
    word = word.rstrip(":")
    if len(word) > _LONGEST_NAME or not _NAME.fullmatch(word):
        return ""
    return last_name(word)


def last_name(dotted: str) -> str:
    """Return ``OperationalError`` for ``psycopg.OperationalError``; also splits at ``::``."""
    return dotted.replace("::", ".").rpartition(".")[2]


def names_exception(line: str) -> bool:
    """Whether a line, on its own, is the last line of a traceback: ``ValueError: x``, ``a.b.Refused``."""
    name = class_of(line)
    if name in ("Error", "Warning", "Fault", "Timeout", "Exit"):  # rather what a message begins with
        return False
    return name.endswith(_ENDINGS) or (name[:1].isupper() and "." in line.partition(":")[0])


def in_text(text: str) -> LoggedException | None:
    """Return the exception in the text of a record: a traceback, or an exception in the lines after the first; None if
    it has none."""
    newline = text.find("\n")
    place = text.find(_TRACEBACK)
    if place >= 0:
        return LoggedException(type_of(text), text[place - len(_GROUP) * text.endswith(_GROUP, 0, place) :])
    if newline < 0:
        return None
    lines = text[newline + 1 :]
    if _PHP_FRAME.search(lines) and (thrown := _PHP_THROWN.search(text)):
        return LoggedException(thrown[1].rpartition("\\")[2][:_LONGEST_NAME], text[thrown.start() :])
    if _FRAME.search(lines) or names_exception(lines.partition("\n")[0]):
        found = type_of(text if _FRAME.match(lines) else lines)
        return LoggedException(found, lines) if found != UNKNOWN_TYPE else None
    return None


def from_value(value: object) -> LoggedException | None:
    """Return the exception in a field such as ``exception``: text, an object, or the first of a list of them."""
    if isinstance(value, str):
        return LoggedException(type_of(value), value) if value.strip() else None
    if isinstance(value, list):
        return from_value(value[0]) if value and not isinstance(value[0], list) else None
    if not isinstance(value, Mapping) or not value:
        return None
    kind = _first(value, _TYPE_KEYS)
    parts = [_first(value, _TEXT_KEYS), _first(value, _STACK_KEYS)]
    text = "\n".join(part for part in parts if part)
    return LoggedException(last_name(kind)[:_LONGEST_NAME] if kind else type_of(text), text)


def from_word(value: object) -> LoggedException | None:
    """Return the exception in a field such as ``error``, which holds one only if it is an object or its text names a
    class."""
    if not isinstance(value, str):
        return from_value(value)
    found = type_of(value)
    return LoggedException(found, value) if found[:1].isupper() and found != UNKNOWN_TYPE else None


def _after_traceback(text: str, place: int) -> str:
    margin = text[text.rfind("\n", 0, place) + 1 : place].replace(f"+ {_GROUP}", "| ")
    if margin.strip(" \t|"):
        margin = ""
    for line in text[place:].splitlines()[1:]:
        outcome = line.removeprefix(margin)
        if outcome[:1].strip() and line.startswith(margin):
            return class_of(outcome) or UNKNOWN_TYPE
    return UNKNOWN_TYPE


def _first(value: Mapping[str, object], keys: tuple[str, ...]) -> str:
    return next((found for key in keys if isinstance(found := value.get(key), str) and found), "")


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
    """Return the object in ``raw``; None if it is not one. Tolerates invalid UTF-8, lone surrogates, NaN and control
    characters in strings. If the object was cut at RAW_LIMIT, returns the fields before the cut. Skips NUL bytes before
    the object, which are the hole that copytruncate leaves."""
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
    """Return the text of a JSON string whose end is missing; undecoded if it has invalid escapes."""
    try:
        return _scan.decode(cut + '"')
    except ValueError:
        return cut[1:]


# What a record of named fields says (JSON lines, logfmt), whatever library has named them.
#
# The names are those of Python's, Go's, Java's, JavaScript's and Rust's usual loggers, of the Elastic Common Schema,
# GELF and Docker's json-file. Which of them a record has is looked up once for each set of names.


_TIME = ("timestamp", "@timestamp", "time", "ts", "@t", "datetime", "asctime", "timemillis", "date", "instant", "t",
         "time_iso8601", "time_local", "edgestarttimestamp", "started_at")  # fmt: skip
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
    """The name of the field for each role in a record; None if no field has the role."""

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
    """Return which fields have which role in a record with these keys, given in the record's order."""
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
    """Return the entry of ``fields``; if none of them is the message, the raw text is."""
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
    """Return the severity of a level that is not a known word: for a number, the severity that another field states in
    words, or the number's known meaning."""
    inner = fields.get("log")
    if names.level is None and isinstance(inner, Mapping):  # of the Elastic Common Schema, nested
        level = inner.get("level")
        return WORDS.get(level.lower(), Severity.UNKNOWN) if type(level) is str else Severity.UNKNOWN
    if type(level) is str:  # DEBUG5
        return WORDS.get(level.lower().rstrip("0123456789"), Severity.UNKNOWN)
    if type(level) is not int:
        return Severity.UNKNOWN
    words = (word.lower() for name in names.levels if type(word := fields[name]) is str)
    return next((WORDS[word] for word in words if word in WORDS), names.numbers.get(level, Severity.UNKNOWN))


def _word(value: object) -> str:
    return value if type(value) is str else ""


def _module(value: object) -> str:
    """Return the module without the line number of callers such as ``api/users.go:42``."""
    if type(value) is not str:
        return ""
    name, colon, line = value.rpartition(":")
    return name if colon and line.isdecimal() else value


def _fault(fields: Mapping[str, object], names: FieldNames) -> LoggedException | None:
    found = from_value(fields[names.fault]) if names.fault else None
    if found is None and names.error:
        found = from_word(fields[names.error])
    named = _word(fields[names.fault_type]) if names.fault_type else ""
    if not named:
        return found
    text = found.text if found else _word(fields[names.error]) if names.error else ""
    return LoggedException(last_name(named), text)


def duration_in(name: str, value: object) -> float | None:
    """The seconds in a field of that name; None unless it is one of those that hold a duration."""
    unit_s = _SECONDS.get(name.lower())
    return None if unit_s is None else _seconds(value, unit_s)


def _seconds(value: object, unit_s: float) -> float | None:
    if type(value) is str:
        if len(value) > _LONGEST_SPAN or not (match := _SPAN.fullmatch(value)):
            return None
        value, unit_s = float(match[1]), _SPAN_UNITS[match[2]] if match[2] else unit_s
    if type(value) is not float and type(value) is not int:
        return None
    return float(value) * unit_s if 0 <= value < _LONGEST_S else None
