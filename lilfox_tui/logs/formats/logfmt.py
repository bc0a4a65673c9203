"""logfmt: ``time=… level=error msg="…" key=value``, as written by Go loggers, Heroku and Grafana."""

from __future__ import annotations

import re
from datetime import datetime, tzinfo

from lilfox_tui.logs.record import LogEntry, text_of
from lilfox_tui.logs.record import every_line as begins
from lilfox_tui.logs.structured import ENDINGS, entry_of, level_words, possible_numbers

__all__ = ["LEVEL_WORDS", "begins", "parse"]

LEVEL_WORDS = {
    severity: words
    + tuple(b"%b=%d" % (ending.encode(), number) for ending in ENDINGS for number in possible_numbers(ending, severity))
    for severity, words in level_words(b"=%b", b'="%b').items()
}
_PAIR = re.compile(r'[ \t]*([^\s="]{1,200})(?:=(?:"((?:[^"\\]|\\.)*+)"?|([^\s"]*+)))?(?=[ \t]|$)')
_ESCAPE = re.compile(r'\\(["\\ntr/])')
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_KNOWN = frozenset(("level", "lvl", "msg", "message", "time", "ts", "timestamp", "t", "severity"))
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,15})?")
_MOST_PAIRS = 4096
_LONGEST_FIRST_KEY = 200


def parse(raw: bytes, zone: tzinfo, latest: datetime | None = None) -> LogEntry | None:  # noqa: ARG001  its times have years
    """Parse the pairs of the line; None if part of it is not a pair, or if no pair is a time, a level or a message."""
    text = text_of(raw)
    if "=" not in text[:_LONGEST_FIRST_KEY].lstrip().partition(" ")[0]:
        return None
    fields: dict[str, object] = {}
    place, end = 0, len(text.rstrip())
    while place < end and len(fields) < _MOST_PAIRS:
        match = _PAIR.match(text, place)
        if match is None:
            break
        key, quoted, bare = match.groups()
        place = match.end()
        fields[key] = _unescaped(quoted) if quoted is not None else _value(bare)
    if place < end and len(fields) < _MOST_PAIRS:
        return None
    tells = any(fields.get(key, True) is not True for key in _KNOWN)
    return entry_of(fields, raw, zone) if tells and len(fields) > 1 else None


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text) if "\\" in text else text


def _value(text: str | None) -> object:
    """Return a number as a number, so that it compares numerically, unless it has leading zeros; a key without a value
    is true."""
    if text is None:
        return True
    if not _NUMBER.fullmatch(text):
        return text
    return float(text) if "." in text else int(text)
