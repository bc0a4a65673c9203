"""Texts of which every match of a regular expression holds at least one, where that is surely so.

Only what stands outside all parentheses and brackets and is not repeated or optional counts. What is not surely
understood (https://github.com/google/re2/wiki/Syntax) gives nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from msgspec import Struct

_FLAGS = re.compile(r"\(\?([a-zA-Z]+)\)")
_FLAGS_LATER = re.compile(r"\(\?[a-zA-Z-]+\)")
_REPEATED = re.compile(r"[*?]|\{\d+(?:,\d*)?\}")
_GAP = "\\"
"""Anything that no text goes across."""
_ONE_OF_A_CLASS = frozenset("dDwWsSbBAzntrfva")


class Literals(Struct, frozen=True):
    """For each alternative its texts, each of which stands in every match of it."""

    alternatives: tuple[tuple[str, ...], ...]
    ignore_case: bool


def required_literals(pattern: str) -> Literals | None:
    """Those of a pattern that RE2 takes; None where there is an alternative with no such text."""
    flags = _FLAGS.match(pattern)
    rest = pattern[flags.end() :] if flags else pattern
    if "\\Q" in rest or _FLAGS_LATER.search(rest):
        return None
    alternatives: list[list[str]] = [[""]]
    for mark in _marks(rest):
        texts = alternatives[-1]
        if mark is None:
            return None
        if mark == "|":
            alternatives.append([""])
        elif mark == _GAP:
            texts.append("")
        elif _REPEATED.fullmatch(mark):
            texts[-1:] = [texts[-1][:-1], ""]
        else:
            texts[-1] += mark[-1]
    found = tuple(tuple(text for text in texts if text) for texts in alternatives)
    return Literals(found, flags is not None and "i" in flags[1]) if all(found) else None


def _marks(pattern: str) -> Iterator[str | None]:
    r"""What stands outside all parentheses: a literal as itself or ``\`` and itself, a repetition, ``|``, a gap; None
    is something not understood."""
    at = depth = 0
    while at < len(pattern):
        char = pattern[at]
        end = at + 1
        mark: str | None = _GAP
        if char == "\\":
            end = at + 2
            mark = _escaped(pattern[at:end])
        elif char == "[":
            end = _end_of_class(pattern, at)
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif repeated := _REPEATED.match(pattern, at):
            mark, end = repeated[0], repeated.end()
        elif char not in "+.^${":
            mark = char
        if depth == 0 or mark is None:
            yield mark
        at = end


def _escaped(pair: str) -> str | None:
    char = pair[1:]
    if char in _ONE_OF_A_CLASS:
        return _GAP
    return pair if char and char.isascii() and not char.isalnum() else None


def _end_of_class(pattern: str, at: int) -> int:
    at += 1
    at += pattern.startswith("^", at)
    at += pattern.startswith("]", at)
    while at < len(pattern) and pattern[at] != "]":
        if pattern.startswith("[:", at) and ":]" in pattern[at:]:
            at = pattern.index(":]", at) + 2
        else:
            at += 2 if pattern[at] == "\\" else 1
    return at + 1
