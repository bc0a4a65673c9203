"""Exceptions as logs tell of them: the text of tracebacks and stack traces, and objects.

The class is that of the exception which came out last: after the last traceback of Python, before the first frames of
Java and JavaScript, and else on the last line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from lilfox_tui.logs.record import LoggedException

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
    """The exception's class in its text, without module or package; UNKNOWN_TYPE where it names none."""
    place = text.rfind(_TRACEBACK)
    if place >= 0:
        return _after_traceback(text, text.find(_TRACEBACK) if _GROUP in text else place)
    if frame := _FRAME.search(text):
        before = text[: frame.start()].splitlines()[-1:-6:-1]
        return next((name for line in before if (name := class_of(line))), UNKNOWN_TYPE)
    lines = text.strip().splitlines() or [""]
    return class_of(lines[-1]) or class_of(lines[0]) or UNKNOWN_TYPE


def class_of(line: str) -> str:
    """The class that a line such as ``psycopg.OperationalError: refused`` begins with, its last name; "" for none."""
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
    """``OperationalError`` of ``psycopg.OperationalError``; also of what ``::`` parts."""
    return dotted.replace("::", ".").rpartition(".")[2]


def names_exception(line: str) -> bool:
    """Whether a line with nothing before it tells the outcome of a traceback: ``ValueError: x``, ``a.b.Refused``."""
    name = class_of(line)
    if name in ("Error", "Warning", "Fault", "Timeout", "Exit"):  # rather what a message begins with
        return False
    return name.endswith(_ENDINGS) or (name[:1].isupper() and "." in line.partition(":")[0])


def in_text(text: str) -> LoggedException | None:
    """The exception in the lines after the first of a record, if there is one."""
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
    """The exception that a field such as ``exception`` holds: text, an object, or the first of a list of them."""
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
    """Of a field such as ``error``, which holds an exception only where it is an object or its text names a class."""
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
