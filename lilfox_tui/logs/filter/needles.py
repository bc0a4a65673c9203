"""The literals that a native search (rg, grep) looks for, so that only possible matches are read."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from lilfox_tui.logs.filter.model import (
    And,
    AtLeast,
    FieldMatch,
    Filter,
    Or,
    RegexMatch,
    TextMatch,
    comparison,
    ignores_case,
    number,
    severities,
)
from lilfox_tui.logs.record import Severity
from lilfox_tui.logs.structured import UNKNOWN_TYPE

# Texts of which every match of a regular expression holds at least one, where that is surely so.
#
# Only what stands outside all parentheses and brackets and is not repeated or optional counts. What is not surely
# understood (https://github.com/google/re2/wiki/Syntax) gives nothing.


_FLAGS = re.compile(r"\(\?([a-zA-Z]+)\)")
_FLAGS_LATER = re.compile(r"\(\?[a-zA-Z-]+\)")
_REPEATED = re.compile(r"[*?]|\{\d+(?:,\d*)?\}")
_GAP = "\\"
"""Anything that no text goes across."""
_ONE_OF_A_CLASS = frozenset("dDwWsSbBAzntrfva")


class Literals(Struct, frozen=True):
    """Literal texts of each alternative of a pattern; every match of an alternative contains all of its texts."""

    alternatives: tuple[tuple[str, ...], ...]
    ignore_case: bool


def required_literals(pattern: str) -> Literals | None:
    """Return the literals of a pattern that RE2 accepts; None if an alternative has no such text."""
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
    r"""Yield the elements outside all parentheses: a literal as itself or ``\`` and itself, a repetition, ``|``, a gap;
    None for something not understood."""
    at = depth = 0
    while at < len(pattern):
        char = pattern[at]
        end = at + 1
        mark: str | None = _GAP
        if char == "\\":
            end = at + 2
            mark = _unescaped(pattern[at:end])
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


def _unescaped(pair: str) -> str | None:
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


# What a native search (ripgrep, grep, ``bytes.find``) looks for, so that only what may match is read as records.
#
# It may find too much, never too little: a record that matches holds a needle in its raw bytes. What a message says can
# stand there in several spellings. JSON writes ``/`` also as ``\/``, a character outside ASCII also as ``\u4e2d`` (RFC
# 8259, 7), some encoders ``<`` or ``'`` as ``\u003c``, ``\u0027``; CSV doubles quotes; RFC 5424 escapes ``]``; an
# access log's message is put together. So a text is cut where its spelling is not sure, and its longest piece is looked
# for, in each spelling that is left. ASCII letters, digits and the rest of punctuation are written as themselves by
# every encoder known, though the RFC allows others.


LevelWords = Mapping[Severity, tuple[bytes, ...]]

_UNSURE_ASCII = frozenset("\"\\]<>&'=+`\x7f") | {chr(code) for code in range(0x20)}
_UNSURE_FOLDED = frozenset("kKsSiI")
"""Letters of ASCII that one outside ASCII is the other case of: U+212A, U+017F, U+0130."""
_UNSURE_BLOCKS = ((0x80, 0xA0), (0x2000, 0x20FF), (0xD800, 0xDFFF), (0xFFFD, 0xFFFD))
"""What an encoder may write as an escape and its neighbours not, and what stands for something else."""
_JOINT = re.compile(r" (?=[0-9]|$)")
"""Where an access log's message was put together of the request and the status, between which a quote stands in the raw
line: a space before a number, or before what is not known."""
_WRITTEN_ANEW = re.compile(r"[\[\]{},: ]+|(?<![^\[\]{},: ])[0-9.eE+-]+(?![^\[\]{},: ])")
"""In a field that is no text: its numbers, and what stands between its parts, may be written otherwise."""
_NOT_IN_RAW = ("log", "source", "response_time", "facility")
_GIVEN = {"type": (UNKNOWN_TYPE,), "exception.type": (UNKNOWN_TYPE,), "logger": ("nginx", "postgresql")}
"""Values that formats give by themselves. Of every field: true, as which logfmt reads a lone word."""
_PRIORITY = b'"PRIORITY"'
_BYTES_AS_NUMBERS = (b'":[', b'": [', b'" : [')
"""The journal's JSON has a list of numbers for a text that is no printable UTF-8: such a record is read anyway."""
_LARGEST_PLAIN = 1_000_000
"""Up to here no encoder writes a whole number with an exponent."""


class Needles(Struct, frozen=True):
    """Literals of a filter: every matching record contains at least one of ``any_of`` in its raw bytes, ignoring case
    if ``ignore_case``. Never empty; no needle contains a newline."""

    any_of: tuple[bytes, ...]
    ignore_case: bool = False


def needles(where: Filter, level_words: LevelWords | None) -> Needles | None:
    """Return the needles of ``where`` in a format with these ``level_words``; None if no text is certain to be
    present: in none where these are empty."""
    if level_words is not None and not level_words:
        return None
    found = _of(where, level_words)
    if found is None or not _is_of_journal(level_words):
        return found
    return Needles((*found.any_of, *_BYTES_AS_NUMBERS), found.ignore_case)


def _is_of_journal(level_words: LevelWords | None) -> bool:
    return level_words is not None and any(word.startswith(_PRIORITY) for word in level_words.get(Severity.ERROR, ()))


def _of(where: Filter, level_words: LevelWords | None) -> Needles | None:
    match where:
        case And(parts):
            found = (_of(part, level_words) for part in parts)
            return max((one for one in found if one is not None), key=_selectivity, default=None)
        case Or(parts):
            return _union([_of(part, level_words) for part in parts])
        case TextMatch(text):
            folded = ignores_case(text)
            return _of_text(text, ignore_case=folded, beyond_ascii=folded and not text.isascii())
        case RegexMatch(pattern):
            return _of_pattern(pattern)
        case AtLeast() | FieldMatch("level"):
            return _of_levels(level_words, severities(where))
        case FieldMatch(name, op, value):
            return _of_field(name, op, value)
    return None


def _selectivity(found: Needles) -> tuple[int, int]:
    return min(map(len, found.any_of)), -len(found.any_of)


def _union(found: list[Needles | None]) -> Needles | None:
    each = [one for one in found if one is not None]
    if not each or len(each) < len(found):
        return None
    any_of = dict.fromkeys(needle for one in each for needle in one.any_of)
    return Needles(tuple(any_of), any(one.ignore_case for one in each))


def _of_text(text: str, *, ignore_case: bool, beyond_ascii: bool = False) -> Needles | None:
    """Return the needles of a text. ``beyond_ascii``: the case of letters outside ASCII is ignored too."""
    pieces = (piece for part in _JOINT.split(text) for piece in _sure_pieces(part, folded=beyond_ascii))
    spelled = (_spellings(piece, ignore_case=ignore_case) for piece in pieces)
    best = max(spelled, key=lambda any_of: min(map(len, any_of)), default=None)
    return None if best is None else Needles(best, ignore_case)


def _sure_pieces(text: str, *, folded: bool) -> Iterable[str]:
    pieces = [""]
    for char in text:
        if _is_sure(char, folded=folded):
            pieces[-1] += char
        else:
            pieces.append("")
    return filter(None, pieces)


def _is_sure(char: str, *, folded: bool) -> bool:
    if char.isascii():
        return char not in _UNSURE_ASCII and not (folded and char in _UNSURE_FOLDED)
    if any(first <= ord(char) <= last for first, last in _UNSURE_BLOCKS):
        return False
    return not folded or unicodedata.category(char) == "Lo"


def _spellings(text: str, *, ignore_case: bool) -> tuple[bytes, ...]:
    small = "".join(char if char.isascii() else _json_escaped(char) for char in text)
    large = "".join(char if char.isascii() else _json_escaped(char, large=True) for char in text)
    written = (text, small) if ignore_case else (text, small, large)
    slashes = (one.replace("/", slash) for one in written for slash in ("/", "\\/"))
    return tuple(dict.fromkeys(one.encode() for one in slashes))


def _json_escaped(char: str, *, large: bool = False) -> str:
    units = char.encode("utf-16-be").hex()
    units = units.upper() if large else units
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _of_pattern(pattern: str, *, cut: re.Pattern[str] = _JOINT) -> Needles | None:
    found = required_literals(pattern)
    if found is None:
        return None
    each = ([piece for text in texts for piece in cut.split(text)] for texts in found.alternatives)
    return _union([_best_of(pieces, ignore_case=found.ignore_case) for pieces in each])


def _best_of(texts: Iterable[str], *, ignore_case: bool) -> Needles | None:
    each = (_of_text(text, ignore_case=ignore_case, beyond_ascii=ignore_case) for text in texts)
    return max((one for one in each if one is not None), key=_selectivity, default=None)


def _of_levels(level_words: LevelWords | None, wanted: frozenset[Severity]) -> Needles | None:
    if level_words is None or Severity.UNKNOWN in wanted:
        return None
    words = dict.fromkeys(word for severity in sorted(wanted) for word in level_words.get(severity, ()))
    return Needles(tuple(words), ignore_case=True) if words else None


def _of_field(name: str, op: str, value: str) -> Needles | None:
    if name in _NOT_IN_RAW or any(map(comparison(name, op, value), (*_GIVEN.get(name, ()), "true"))):
        return None
    if op == "~":
        return None if name == "module" else _of_pattern(value, cut=_WRITTEN_ANEW)
    return _of_value(name, value) if op == "=" else None


def _of_value(name: str, value: str) -> Needles | None:
    """Return the needles of a field's value; a record may contain a number in another notation than ``value``."""
    amount = number(value)
    if amount is not None:
        plain = isinstance(amount, int) and 0 <= amount < _LARGEST_PLAIN
        return Needles((str(amount).encode(),)) if plain and str(amount) == value else None
    if name == "module":
        return _best_of(value.split("{id}"), ignore_case=False)
    return None if value[:1] in ("{", "[") else _of_text(value, ignore_case=False)
