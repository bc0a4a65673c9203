"""Splits a query into tokens, and finds where it cannot be one and what was expected there."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias, cast

from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.promql.errors import QueryError

Sort: TypeAlias = Literal["word", "number", "string", "sign", "open", "close", "wrong"]

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*+"|'(?:[^'\\\n]|\\.)*+'|`[^`]*+`)
    |(?P<number>0[xX][0-9a-fA-F]+|(?:\d+(?:ms|[smhdwy]))+|\d*\.?\d+(?:[eE][+-]?\d+)?|\d+\.)
    |(?P<word>[a-zA-Z_:][a-zA-Z0-9_:]*)
    |(?P<sign></|>/|==|=~|!~|!=|>=|<=|[-+*/%^<>=@,:])
    |(?P<open>[(\[{])
    |(?P<close>[)\]}])
    |(?P<wrong>"(?:[^"\\\n]|\\.)*+|'(?:[^'\\\n]|\\.)*+|`[^`]*+|.)""",
    re.VERBOSE | re.DOTALL,
)
_IN_RANGE: Final = re.compile(
    _TOKEN.pattern.replace("[a-zA-Z_:][a-zA-Z0-9_:]*", "[a-zA-Z_][a-zA-Z0-9_]*"), _TOKEN.flags
)
"""In brackets a colon stands before the step, and in no name."""
_BYTES: Final = re.compile(r"((?:\\x[0-9a-fA-F]{2}|\\[0-7]{3})+)|\\.", re.DOTALL)
_DURATION: Final = re.compile(r"(?<!\d)(\d++)(ms|[smhdwy])")
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_PAIRS: Final = {")": "(", "]": "[", "}": "{"}
_BETWEEN: Final = frozenset(
    ("and", "or", "unless", "atan2", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset")
) | {"fill", "fill_left", "fill_right"}
_MATCHES: Final = ("=", "!=", "=~", "!~")
_WITH_NAMES: Final = ("by", "without", "on", "ignoring")
"""Names in round brackets come after these."""


class QueryToken(NamedTuple):
    """One token of a query, with its position."""

    sort: Sort
    text: str
    position: int

    @property
    def seconds(self) -> float:
        """The value of a number or a duration in seconds."""
        if self.is_duration:
            return sum(float(count) * _UNITS[unit] for count, unit in _DURATION.findall(self.text))
        return float(int(self.text, 16)) if self.text.lower().startswith("0x") else float(self.text)

    @property
    def is_duration(self) -> bool:
        """Whether it is a number with time units (``1h30m``)."""
        return self.sort == "number" and self.text[-1].isalpha() and not self.text.lower().startswith("0x")


def tokens(text: str) -> Iterator[QueryToken]:
    """Yield the tokens of ``text``, without spaces and comments. Text that begins no token has the sort ``wrong``."""
    place, in_range = 0, False
    while found := (_IN_RANGE if in_range else _TOKEN).match(text, place):
        sort, place = found.lastgroup, found.end()
        if sort and sort != "space":
            in_range = found.group() == "[" or (in_range and found.group() != "]")
            yield QueryToken(cast("Sort", sort), found.group(), found.start())  # they are the names of the groups above


def without_raw_strings(text: str) -> str:
    """Return the query with backticked strings in double quotes, because the parser does not know that nothing between
    backticks is an escape."""
    if "`" not in text:
        return text
    return _TOKEN.sub(lambda found: _in_quotes(found.group()) if found.group()[0] == "`" else found.group(), text)


def with_whole_characters(text: str) -> str:
    """Return the query with ``\\xNN`` and ``\\NNN`` in its strings replaced by characters: they are bytes of UTF-8, but
    the parser takes each for a character. Raises QueryError if they are invalid."""
    if "\\" not in text:
        return text
    parts, end = [], 0
    for token in tokens(text):
        if token.sort == "string" and token.text[0] != "`":
            try:
                spelled = _BYTES.sub(_spelled, token.text)
            except UnicodeDecodeError:
                what = tr("a string contains invalid UTF-8")
                raise QueryError(what, text=text, position=token.position) from None
            parts += [text[end : token.position], spelled]
            end = token.position + len(token.text)
    return "".join((*parts, text[end:]))


def _spelled(found: re.Match[str]) -> str:
    if not found[1]:
        return found[0]
    numbers = [int(one[1:], 16) if one[0] == "x" else int(one, 8) for one in found[1].split("\\")[1:]]
    if max(numbers) < 0x80 or max(numbers) > 0xFF:
        return found[0]
    return "".join(char if char > "\x7f" else f"\\x{ord(char):02x}" for char in bytes(numbers).decode())


def with_minus(text: str) -> str:
    """Return the query with ``-`` in place of each unary ``+``."""
    result, before = list(text), None
    for token in tokens(text):
        operand = before is not None and (
            before.sort in ("number", "string", "close") or (before.sort == "word" and before.text not in _BETWEEN)
        )
        if token.text == "+" and not operand:
            result[token.position] = "-"
        before = token
    return "".join(result)


def _in_quotes(raw: str) -> str:
    if len(raw) < 2:
        return raw  # a backtick that nothing closes
    inner = raw[1:-1].replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n").replace("\r", r"\r")
    return f'"{inner}"'


def error_position(text: str) -> int | None:
    """Return the first position at which ``text`` cannot be a query, judging by its tokens alone; None if they show no
    error."""
    opened: list[QueryToken] = []
    before: QueryToken | None = None
    for token in tokens(text):
        if token.sort == "wrong":
            return token.position
        if token.sort == "open":
            opened.append(token)
        elif token.sort == "close" and (not opened or opened.pop().text != _PAIRS[token.text]):
            return token.position
        if before is not None and (_cannot_follow(before, token) or _is_no_matcher(before, token, opened)):
            return token.position
        before = token
    if opened:
        return opened[-1].position
    if before is not None and (before.sort == "sign" or before.text in _BETWEEN):
        return len(text)
    return None


def _cannot_follow(before: QueryToken, token: QueryToken) -> bool:
    """Whether the tokens are two adjacent values, or an operator where a value is required."""
    ends = before.sort in ("number", "string") or (before.sort == "word" and before.text not in _BETWEEN)
    begins = token.sort in ("number", "string") or (token.sort == "word" and token.text not in _BETWEEN)
    if begins and (ends or before.text.lower() in _WITH_NAMES):
        return True
    signs = before.sort == "sign" and before.text not in ",:" and token.sort == "sign"
    return signs and token.text not in ("-", "+")


def _is_no_matcher(before: QueryToken, token: QueryToken, opened: Sequence[QueryToken]) -> bool:
    """Whether in braces a value is missing after the sign, or a sign after the label."""
    if not opened or opened[-1].text != "{" or opened[-1] is token:
        return token.text == "}" and (before.text in _MATCHES or before.sort == "word")
    if before.sort == "sign" and before.text != ",":
        return token.sort != "string"
    if before.text in ("{", ","):
        return token.sort == "sign"
    return before.sort == "word" and token.sort == "sign" and token.text not in _MATCHES


def position_of(text: str, word: str) -> int | None:
    """Return the position of ``word`` in ``text`` outside strings and comments, or None."""
    return next((token.position for token in tokens(text) if token.text == word), None)


def expected(text: str, position: int) -> Message | None:
    """Return what might stand at ``position``, where ``text`` cannot be a query, or what is missing after it; None if
    its tokens do not show it."""
    opened: list[QueryToken] = []
    before: QueryToken | None = None
    for token in tokens(text):
        if token.position >= position:
            if token.position == position and token.sort == "wrong" and token.text[0] in "\"'`":
                return tr("A closing {sign} is missing.", sign=token.text[0])
            if token.position == position and token.sort == "open":
                return tr("A closing {sign} is missing.", sign=_CLOSING[token.text])
            break
        if token.sort == "open":
            opened.append(token)
        elif token.sort == "close" and opened:
            opened.pop()
        before = token
    return tr("Expected here: {what}.", what=_after(before, opened[-1].text if opened else ""))


def _after(before: QueryToken | None, inside: str) -> Message:
    """What may stand after a token in that bracket."""
    if before is None:
        return _operand()
    word = before.text.lower()
    if inside == "{":
        return _in_matchers(before)
    if inside == "[" or word == "offset":
        ended = before.sort == "number" and before.is_duration
        return tr("a closing {bracket}", bracket="]") if ended else tr("a duration, such as 5m")
    if word in _WITH_NAMES:
        return tr("label names in brackets, such as (job, instance)")
    if word == "@":
        return tr("a Unix time, start() or end()")
    if before.sort in ("sign", "open") or word in _BETWEEN:
        return _operand()
    return tr("an operator, a comma or )") if inside == "(" else tr("an operator or the end of the query")


_CLOSING: Final = {bracket: closing for closing, bracket in _PAIRS.items()}


def _operand() -> Message:
    return tr("a metric, a function or a number")


def _in_matchers(before: QueryToken) -> Message:
    if before.text in ("{", ","):
        return tr("a label and its value, such as {matcher}", matcher='job="api"')
    if before.sort == "sign":
        return tr("a value in quotes, such as {value}", value='"api"')
    if before.sort == "word":
        return tr("one of {signs}", signs="= != =~ !~")
    return tr("a comma or a closing {bracket}", bracket="}")
