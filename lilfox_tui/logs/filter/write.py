"""A filter as the text that parses to it, and filters made from others: what keys and rows of statistics do."""

from __future__ import annotations

import re
from datetime import timedelta

from lilfox_tui.logs.filter.model import EVERYTHING, And, AtLeast, Field, Filter, Not, Or, Regex, Text, Within
from lilfox_tui.logs.record import EPOCH

_BARE_NAME = re.compile(r"[A-Za-z_@][A-Za-z0-9_@.]*", re.ASCII)
_BARE_VALUE = re.compile(r"[A-Za-z0-9_@.:/+,%-]+", re.ASCII)
_BARE_TEXT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_BARE_PATTERN = re.compile(r"(?:[^/\\]|\\[^/])+", re.DOTALL)
_OWN_MEANING = frozenset({"since", "until", "and", "or", "not", "AND", "OR", "NOT"})


def to_text(where: Filter) -> str:
    """The text whose ``parse_filter`` is ``where``, times as UTC; for EVERYTHING ``""``."""
    return "" if where == EVERYTHING else _written(where, _LOOSEST)


_LOOSEST, _IN_OR, _IN_AND, _IN_NOT = range(4)


def _written(where: Filter, around: int) -> str:
    """Put into parentheses where what stands ``around`` would bind closer."""
    match where:
        case And(parts) if not parts:
            return "()"
        case Or(parts) if not parts:
            return "not ()"
        case And(parts) | Or(parts) if len(parts) == 1:
            return _written(parts[0], around)
        case And(parts):
            return _grouped(" ".join(_written(part, _IN_AND) for part in parts), around >= _IN_AND)
        case Or(parts):
            return _grouped(" or ".join(_written(part, _IN_OR) for part in parts), around >= _IN_OR)
        case Not(part):
            return f"not {_written(part, _IN_NOT)}"
        case _:
            return _leaf(where)


def _grouped(text: str, needed: bool) -> str:
    return f"({text})" if needed else text


def _leaf(where: Filter) -> str:
    match where:
        case AtLeast(severity):
            return f"level>={severity.name}"
        case Text(text):
            return text if _BARE_TEXT.fullmatch(text) and text not in _OWN_MEANING else _quoted(text)
        case Regex(pattern):
            return f"/{pattern}/" if _BARE_PATTERN.fullmatch(pattern) else f"~{_quoted(pattern)}"
        case Field(name, op, value):
            name = name if _BARE_NAME.fullmatch(name) and name not in _OWN_MEANING else _quoted(name)
            return f"{name}{op}{value if _BARE_VALUE.fullmatch(value) and '~' not in op else _quoted(value)}"
        case Within(since_us, until_us):
            return f"{_moment(since_us)}..{_moment(until_us)}"
    raise TypeError(where)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _moment(time_us: int | None) -> str:
    return "" if time_us is None else (EPOCH + timedelta(microseconds=time_us)).isoformat().replace("+00:00", "Z")


def narrowed(where: Filter, part: Filter) -> Filter:
    """What matches both; ``where`` itself if it asks for ``part`` already."""
    parts = where.parts if isinstance(where, And) else (where,)
    if part in parts or part == EVERYTHING:
        return where
    return And((*parts, part)) if parts else part


def without(where: Filter, part: Filter) -> Filter:
    """``where`` no longer asking for ``part``, which is one of the parts that must all match."""
    parts = tuple(one for one in (where.parts if isinstance(where, And) else (where,)) if one != part)
    return parts[0] if len(parts) == 1 else And(parts)
