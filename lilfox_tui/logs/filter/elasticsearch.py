"""The part of a filter that an Elasticsearch or OpenSearch can search by itself, as its query DSL.

What a query finds depends on how each field is mapped: only what the mapping is known for is pushed. No match is lost:

- Time is asked for in whole milliseconds, rounded outwards.
- A level is one of the words or numbers that ``named_fields.py`` reads as it, in the fields that it reads.
- ``field=value`` is a term of a keyword, a phrase of a text, a range of whole numbers around a number. A document with
  a value that the index has left out (``ignore_above``, ``ignore_malformed``) has ``_ignored``; all of those come too.
- A text is cut into words: each run of ASCII letters and digits stands inside one token of the standard analyzer, as
  UAX #29 does not part them, each ideograph in one, so ``*run*`` on every field of texts finds it. It is not pushed
  where it could also stand in a field's name, a number, a date or an address. An analyzer that stems or drops words,
  and fields that are kept but not mapped (``enabled: false``, ``dynamic: false``), are not seen from here: see
  ``Mapping.whole``.
- Negations, patterns and everything else are not pushed.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import abc
from typing import Any

from msgspec import Struct

from lilfox_tui.logs.filter.fields import STATUS_NAMES, number
from lilfox_tui.logs.filter.model import And, AtLeast, Field, Filter, Not, Or, Text, Within
from lilfox_tui.logs.filter.severities import severities
from lilfox_tui.logs.levels import ENDINGS, WORDS, possible_numbers
from lilfox_tui.logs.record import Severity

Query = dict[str, Any]

LEVEL_NAMES = (
    "level", "levelname", "severity", "lvl", "log.level", "loglevel", "log_level", "@l", "severitytext",
    "severity_text", "priority", "error_severity", "level_name", "levelno", "severitynumber", "severity_number",
)  # fmt: skip
"""The fields that ``named_fields.py`` reads a level from, letter case aside."""
_DERIVED = ("level", "logger", "module", "message", "source", "response_time", "type", "exception.type")
_KEYWORD = ("keyword", "constant_keyword", "wildcard")
_TEXT = ("text", "match_only_text")
_WHOLE = ("long", "integer", "short", "byte")
_NUMBER = (*_WHOLE, "double")
_HOLD_NO_WORD = (
    *_NUMBER,
    "float",
    "half_float",
    "scaled_float",
    "unsigned_long",
    "boolean",
    "date",
    "date_nanos",
    "ip",
    "object",
)
_IGNORED: Query = {"exists": {"field": "_ignored"}}
_LARGEST_PLAIN = 1_000_000
_MOST_FIELDS = 60
_MOST_WORDS = 3
_RUN = re.compile(r"[A-Za-z0-9]{2,}", re.ASCII)
_IN_NUMBER_OR_ADDRESS = re.compile(r"[0-9a-f]{1,4}|[0-9e]+|[0-9]++[xb]?[0-9a-f]*+")
_ESCAPED_START = re.compile(r"(?:^|(?<=\\))(?:u?[0-9a-f]{1,4}|[nrtu])")
"""What may be the rest of an escape, such as ``\\n``, of the raw document; it is in no token."""
_CALENDAR = (
    "january february march april may june july august september october november december "
    "monday tuesday wednesday thursday friday saturday sunday am pm utc gmt z t true false null"
)


class Mapping(Struct, frozen=True):
    """How an index pattern's fields are mapped: of each full name the type, as ``_field_caps`` gives it; ``""`` of one
    that has several types or cannot be searched everywhere, none of metadata. ``whole``: nothing else is in the
    documents, and texts are analyzed word by word, so that texts may be pushed. ``plain``: records are read from the
    documents' own fields, not from lines of another format in them."""

    types: abc.Mapping[str, str] = {}
    whole: bool = False
    plain: bool = True


def to_query(where: Filter, time_field: str, mapping: Mapping) -> Query:
    """A query that finds every document whose record matches ``where``, and others; ``match_all`` where nothing can be
    pushed."""
    return _Pushed(time_field, mapping).of(where) or {"match_all": {}}


class _Pushed:
    def __init__(self, time_field: str, mapping: Mapping) -> None:
        self._time_field = time_field
        self._types = mapping.types
        self._mapping = mapping

    def of(self, where: Filter) -> Query | None:
        """None: everything."""
        match where:
            case And(parts):
                pushed = [query for part in parts if (query := self.of(part)) is not None]
                return {"bool": {"filter": pushed}} if pushed else None
            case Or(parts):
                each = [self.of(part) for part in parts]
                return _one_of([query for query in each if query is not None]) if parts and all(each) else None
            case Not(Not(part)):
                return self.of(part)
            case Within(since_us, until_us):
                return self._within(since_us, until_us)
            case Text(text):
                return self._text(text) if self._mapping.whole else None
            case AtLeast() | Field("level"):
                return self._levels(severities(where)) if self._mapping.plain else None
            case Field(name, op, value):
                return self._field(name, op, value) if self._mapping.plain else None
        return None

    def _within(self, since_us: int | None, until_us: int | None) -> Query:
        bounds: Query = {"format": "epoch_millis"}
        if since_us is not None:
            bounds["gte"] = since_us // 1000
        if until_us is not None:
            bounds["lte"] = -(-until_us // 1000)
        return {"range": {self._time_field: bounds}} if len(bounds) > 1 else {"exists": {"field": self._time_field}}

    def _levels(self, wanted: frozenset[Severity]) -> Query | None:
        names = [name for name in self._types if name.lower() in LEVEL_NAMES]
        if Severity.UNKNOWN in wanted or not names:
            return None
        words = [word for word, severity in WORDS.items() if severity in wanted]
        numbers = sorted({value for end in ENDINGS for severity in wanted for value in possible_numbers(end, severity)})
        found: list[Query] = []
        for name in names:
            if self._types[name] in (*_KEYWORD, *_TEXT):
                found += [_term(name, word) for word in (*words, *map(str, numbers))]
            elif self._types[name] in _NUMBER:
                found.append({"terms": {name: numbers}})
            else:
                return None
        return _one_of([*found, _IGNORED])

    def _field(self, name: str, op: str, value: str) -> Query | None:
        if name in _DERIVED:
            return None
        names = [one for one in (STATUS_NAMES if name == "status" else (name,)) if one in self._types]
        each = [self._compared(self._types[one], one, op, value) for one in names]
        found = [query for query in each if query is not None]
        return _one_of([*found, _IGNORED]) if found and len(found) == len(each) else None

    def _compared(self, kind: str, name: str, op: str, value: str) -> Query | None:
        amount = number(value)
        if kind in _NUMBER and amount is not None and math.isfinite(amount) and abs(amount) < 1e15:
            low, high = math.floor(amount), math.ceil(amount)
            bounds = {
                "=": {"gte": low, "lte": high},
                ">": {"gte": low},
                ">=": {"gte": low},
                "<": {"lte": high},
                "<=": {"lte": high},
            }
            return {"range": {name: bounds[op]}} if op in bounds else None
        if op != "=" or not value:
            return None
        if amount is not None:
            plain = isinstance(amount, int) and 0 <= amount < _LARGEST_PLAIN and str(amount) == value
            if not plain or kind not in _KEYWORD:
                return None
            return _one_of([{"term": {name: {"value": value}}}, {"prefix": {name: {"value": f"{value}."}}}])
        if kind in _KEYWORD and value[:1] not in ("{", "["):
            return {"term": {name: {"value": value}}}
        return {"match_phrase": {name: {"query": value, "zero_terms_query": "all"}}} if kind in _TEXT else None

    def _text(self, text: str) -> Query | None:
        strings = [name for name, kind in self._types.items() if kind in (*_KEYWORD, *_TEXT)]
        others = set(self._types.values()).difference(_KEYWORD, _TEXT, _HOLD_NO_WORD)
        if others or not 0 < len(strings) <= _MOST_FIELDS:
            return None
        names = " ".join(self._types).lower()
        words = [word for word in _words(text, runs_only=not self._mapping.plain) if word not in names]
        pushed = [_one_of([*(_holds(name, word) for name in strings), _IGNORED]) for word in words[:_MOST_WORDS]]
        return {"bool": {"filter": pushed}} if pushed else None


def _words(text: str, *, runs_only: bool) -> list[str]:
    """What stands inside one token each, the longest first, and in nothing but a text."""
    runs = [
        run
        for run in _RUN.findall(_ESCAPED_START.sub("", text.lower()))
        if not _IN_NUMBER_OR_ADDRESS.fullmatch(run) and not _in_date(run)
    ]
    signs = [] if runs_only else [char for char in text if _is_ideograph(char)]
    return sorted(dict.fromkeys(runs), key=len, reverse=True) + list(dict.fromkeys(signs))


def _in_date(run: str) -> bool:
    return all(letters in _CALENDAR for letters in re.split(r"[0-9]+", run))


def _is_ideograph(char: str) -> bool:
    return unicodedata.name(char, "").startswith("CJK UNIFIED")


def _holds(name: str, word: str) -> Query:
    """``word`` has no character that a wildcard knows."""
    return {"wildcard": {name: {"value": f"*{word}*", "case_insensitive": True}}}


def _term(name: str, word: str) -> Query:
    return {"term": {name: {"value": word, "case_insensitive": True}}}


def _one_of(queries: list[Query]) -> Query:
    return {"bool": {"should": queries, "minimum_should_match": 1}}
