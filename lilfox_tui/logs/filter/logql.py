"""The part of a filter that a Loki can search by itself, as line filters of LogQL.

Never loses a match, since each stage keeps every line whose record can match:

- A text or a pattern becomes the needles of ``needles.py``: a record that matches holds one in its raw bytes, which are
  the line. ``(?i)`` of RE2 folds more letters than we do, so it keeps more.
- ``not text`` drops the lines that hold the text as it is; such a record does not match (unless the text stands past
  RAW_LIMIT, where it is not read). Here case is ignored for ASCII
  letters alone (``[tT]``), as our texts ignore it.
- Levels, fields and times are not pushed: Loki's labels and metadata join a record's fields and may give its level.
  Time is asked for by ``start`` and ``end``.

Line filters may follow any log query: https://grafana.com/docs/loki/latest/query/log_queries/. The strings are those of
Go, the patterns RE2.
"""

from __future__ import annotations

import re

from lilfox_tui.logs.filter.model import And, Filter, Not, Or, Regex, Text, ignores_case
from lilfox_tui.logs.filter.needles import Needles, needles

_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
"""What Go's ``regexp.QuoteMeta`` escapes."""
_PRINTABLE = re.compile(r"[ !#-\[\]-~]")


def to_logql(where: Filter) -> str:
    r"""Line filters that keep every match of ``where``, for instance ``|~ "(?i)time\\.out" != "debug"``; ``""`` where
    nothing can be pushed. To be put behind a log query, after a space (a newline, should the query end in a comment).
    """
    return " ".join(dict.fromkeys(_stages(where)))


def _stages(where: Filter) -> list[str]:
    match where:
        case And(parts):
            return [stage for part in parts for stage in _stages(part)]
        case Not(Not(part)):
            return _stages(part)
        case Not(Or(parts)):
            return [stage for part in parts for stage in _stages(Not(part))]
        case Not(Text(text)):
            return _without(text)
        case Text() | Regex() | Or():
            found = needles(where, None) if _is_of_text(where) else None
            return [] if found is None else [_with(found)]
    return []


def _is_of_text(where: Filter) -> bool:
    match where:
        case Or(parts) | And(parts):
            return all(map(_is_of_text, parts))
        case Text() | Regex():
            return True
    return False


def _with(found: Needles) -> str:
    texts = [needle.decode() for needle in found.any_of]
    if len(texts) == 1 and not found.ignore_case:
        return f"|= {quoted(texts[0])}"
    pattern = "|".join(map(_literally, texts))
    return f"|~ {quoted(f'(?i){pattern}' if found.ignore_case else pattern)}"


def _without(text: str) -> list[str]:
    if not text:
        return []
    if not ignores_case(text):
        return [f"!= {quoted(text)}"] if _is_sure(text) else []
    return [f"!~ {quoted(''.join(map(_either_case, text)))}"] if text.isascii() else []


def _is_sure(text: str) -> bool:
    """Whether the line that Loki holds is as we read it: not where U+FFFD stands for what is no UTF-8."""
    return not any(char == "\ufffd" or "\ud800" <= char <= "\udfff" for char in text)


def _either_case(char: str) -> str:
    return f"[{char}{char.upper()}]" if char.isalpha() else _literally(char)


def _literally(text: str) -> str:
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", text)


def quoted(text: str) -> str:
    """``text`` (no lone surrogates) as a string of LogQL, which is one of Go: whatever stands in it stays in it."""
    return '"' + "".join(char if _PRINTABLE.fullmatch(char) else _escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in ('"', "\\"):
        return f"\\{char}"
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
