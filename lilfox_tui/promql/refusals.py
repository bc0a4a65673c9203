"""What is refused before the parser sees it, because it would misread it, and what the parser's own words mean."""

from __future__ import annotations

import re
from itertools import pairwise
from math import isinf
from typing import Final

from lilfox_tui.i18n import Message, tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.promql.scan import Token, place_of, tokens, trouble
from lilfox_tui.promql.semantics import Semantics

_QUOTED: Final = re.compile(r"'([^']*)'")
_WORDS: Final = ("and", "or", "unless", "atan2")
_NO_LEVEL: Final = (",", ":", "@")
_SINCE_3: Final = ("limitk", "limit_ratio", "fill", "fill_left", "fill_right")
_GROUPING: Final = ("by", "without", "on", "ignoring", "group_left", "group_right")
_LONGEST_S: Final = 2**63 / 1e9
"""What Go's ``time.Duration`` holds."""
_MOST_OPEN: Final = 100
_MOST_OPERATORS: Final = 200
_VALUE_ENDS: Final = ("word", "number", "string", "close")


def refuse(text: str, semantics: Semantics) -> None:
    """Raises QueryError for what is not supported."""
    if not text.strip():
        raise QueryError(tr("the query is empty"))
    words = list(tokens(text))
    _refuse_depth(words, text)
    for before, token in pairwise([Token("sign", "", 0), *words]):
        reason = _unsupported(before, token)
        if reason is not None:
            raise QueryError(reason, text=text, position=token.position)
    _refuse_durations(words, text)
    if not semantics.any_label_name:
        _refuse_newer(words, text)
    _refuse_functions(words, text, 3 if semantics.any_label_name else 2)


def _refuse_depth(words: list[Token], text: str) -> None:
    """The parser goes as deep as the query does, and ends the process where its stack ends."""
    opened = braces = operators = 0
    for token in words:
        opened += {"open": 1, "close": -1}.get(token.sort, 0)
        braces += {"{": 1, "}": -1}.get(token.text, 0)
        operators += not braces and (token.sort == "sign" or token.text in _WORDS) and token.text not in _NO_LEVEL
        if opened > _MOST_OPEN or operators > _MOST_OPERATORS:
            raise too_deep(text, token.position)


def too_deep(text: str, position: int | None = None) -> QueryError:
    """What is said of a query with too many levels."""
    return QueryError(tr("the query is nested too deeply"), text=text, position=position)


def _unsupported(before: Token, token: Token) -> Message | None:
    if token.text in ("</", ">/"):
        return tr("the trim operators </ and >/ need native histograms, which are not supported")
    if token.text in ("anchored", "smoothed") and before.sort in _VALUE_ENDS and before.text not in ("by", "without"):
        return tr("the modifier {name} (extended range selectors) is not supported", name=token.text)
    if before.text.lower() == "offset" and token.text == "(":
        return tr("arithmetic with durations after offset is not supported")
    if before.text == "@" and token.text == "-":
        return tr("a time before 1970 after @ is not supported")
    if token.sort == "number" and not token.is_duration and "x" not in token.text.lower() and isinf(float(token.text)):
        return tr("the number is out of range")
    return None


def _refuse_durations(words: list[Token], text: str) -> None:
    """The parser breaks off at durations that are too long for it, or takes a part of them; below 1 ms is nothing."""
    for place, token in enumerate(words):
        if token.sort != "number" and token.text.lower() not in ("nan", "inf"):
            continue
        seconds = token.seconds if token.is_duration or _wants_duration(words, place) else 1.0
        if not 0.001 <= seconds <= _LONGEST_S and seconds != 0:
            raise QueryError(tr("the duration is out of range"), text=text, position=token.position)


def _refuse_newer(words: list[Token], text: str) -> None:
    """In Prometheus 2 a duration is no number, a number no duration, and the names to group by stand without quotes."""
    for place, token in enumerate(words):
        if token.sort == "number" and _wants_duration(words, place) != token.is_duration:
            reason = tr("Prometheus 2 takes no number for a duration, and no duration for a number")
            raise QueryError(reason, text=text, position=token.position)
    grouping = False
    for before, token in pairwise(words):
        grouping = (grouping and before.text != ")") or (before.text.lower() in _GROUPING and token.text == "(")
        if grouping and token.sort == "string":
            raise QueryError(tr("Prometheus 2 takes no text for a label"), text=text, position=token.position)


def _wants_duration(words: list[Token], place: int) -> bool:
    """Whether the number at ``place`` stands in brackets, or after ``offset``."""
    before = words[max(0, place - 3) : place]
    if before and before[-1].text in ("[", ":"):
        return True
    if len(before) > 1 and before[-1].text in ("-", "+"):
        before.pop()
    if len(before) < 2 or before[-1].text.lower() != "offset":
        return False
    return before[-2].sort in _VALUE_ENDS and before[-2].text.lower() not in _WORDS


def _refuse_functions(words: list[Token], text: str, version: int) -> None:
    """Functions, aggregations and modifiers came or were renamed between the versions."""
    for token, after in pairwise(words):
        function = FUNCTIONS.get(token.text) if after.text == "(" else None
        newer = token.text.lower() in _SINCE_3 and after.text.lower() in ("(", "by", "without")
        if (newer and version < 3) or (function is not None and function.only not in (None, version)):
            raise QueryError(
                tr("Prometheus {version} has no function {name}", version=version, name=token.text),
                text=text,
                position=token.position,
            )


def explained(text: str, reason: str) -> QueryError:
    """The parser's refusal, with the place where it shows."""
    position = trouble(text)
    if position is None:
        quoted = _QUOTED.search(reason)
        position = place_of(text, quoted[1]) if quoted else None
    return QueryError(tr("parse error: {reason}", reason=reason), text=text, position=position)
