"""What is refused before the parser sees it, because it would misread it, and what the parser's own words mean."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

from lilfox_tui.i18n import Message, tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.scan import Token, place_of, tokens, trouble
from lilfox_tui.promql.semantics import Semantics

_QUOTED: Final = re.compile(r"'([^']*)'|name (\S+)$")
_VALUE_ENDS: Final = ("word", "number", "string", "close")


def refuse(text: str, semantics: Semantics) -> None:
    """Raises QueryError for what is not supported."""
    if not text.strip():
        raise QueryError(tr("the query is empty"))
    words = list(tokens(text))
    for before, token in pairwise(words):
        reason = _unsupported(before, token)
        if reason is not None:
            raise QueryError(reason, text=text, position=token.position)
    if not semantics.any_label_name:
        _refuse_newer(words, text)


def _unsupported(before: Token, token: Token) -> Message | None:
    if token.text in ("</", ">/"):
        return tr("the trim operators </ and >/ need native histograms, which are not supported")
    if token.text in ("anchored", "smoothed") and before.sort in _VALUE_ENDS and before.text not in ("by", "without"):
        return tr("the modifier {name} (extended range selectors) is not supported", name=token.text)
    if before.text == "@" and token.text == "-":
        return tr("a time before 1970 after @ is not supported")
    return None


def _refuse_newer(words: list[Token], text: str) -> None:
    """Prometheus 2 has no quoted names, and takes no numbers for durations."""
    for before, token in pairwise(words):
        if (before.text in ("{", ",") and token.sort == "string" and _in_braces(words, token)) or (
            before.text in ("[", "offset") and token.sort == "number" and not token.text[-1].isalpha()
        ):
            raise QueryError(tr("not known to Prometheus 2"), text=text, position=token.position)


def _in_braces(words: list[Token], wanted: Token) -> bool:
    depth = 0
    for token in words:
        if token is wanted:
            return depth > 0
        depth += {"{": 1, "}": -1}.get(token.text, 0)
    return False


def explained(text: str, reason: str) -> QueryError:
    """The parser's refusal, with the place where it shows."""
    position = trouble(text)
    if position is None:
        quoted = _QUOTED.search(reason)
        position = place_of(text, quoted[1] or quoted[2]) if quoted else None
    return QueryError(tr("parse error: {reason}", reason=reason), text=text, position=position)
