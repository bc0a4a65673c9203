"""Splits a query into tokens, for errors with a position and for completion at the cursor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, NamedTuple, TypeAlias, cast

from msgspec import Struct

from lilfox_tui.core.i18n import tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.scrape.labels import NAME, LabelSet

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
        if before is not None and _cannot_follow(before, token):
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


def position_of(text: str, word: str) -> int | None:
    """Return the position of ``word`` in ``text`` outside strings and comments, or None."""
    return next((token.position for token in tokens(text) if token.text == word), None)


# What may stand at the cursor of a query that is being written: metrics, labels, their values, functions. Pure.


AGGREGATIONS = (
    "sum", "avg", "min", "max", "count", "topk", "bottomk", "quantile", "count_values", "group", "stddev", "stdvar",
    "limitk", "limit_ratio",
)  # fmt: skip
WORDS = ("by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "and", "or", "unless")
DURATIONS = ("1m", "5m", "15m", "30m", "1h", "6h", "1d")
MOST = 50
_LISTS_OF_LABELS = frozenset(("by", "without", "on", "ignoring", "group_left", "group_right"))
_QUOTES = frozenset("\"'`")


class KnownNames(Struct, frozen=True):
    """The known names: metrics, and for some of them labels with values."""

    metrics: tuple[str, ...] = ()
    labels: Mapping[str, Mapping[str, tuple[str, ...]]] = {}

    def with_series(self, metric: str, series: Iterable[LabelSet]) -> KnownNames:
        """Return the names with the labels of ``series``, which are all series of ``metric``."""
        found: dict[str, set[str]] = {}
        for one in series:
            for name, value in one:
                if name != NAME:
                    found.setdefault(name, set()).add(value)
        own = {name: tuple(sorted(values)) for name, values in sorted(found.items())}
        return KnownNames(self.metrics, {**self.labels, metric: own})


class Completion(NamedTuple):
    """``choices`` for the text from ``start`` to the cursor. ``metric`` is the metric whose labels are needed, empty if
    none are: there are no choices until it is in ``KnownNames.labels``."""

    start: int
    choices: tuple[str, ...] = ()
    metric: str = ""


class _Place(NamedTuple):
    """The position of the cursor: in the innermost bracket ``open``, preceded by ``before``; ``inside`` are the tokens
    since, without the word or string being typed, which begins at ``start``."""

    open: str
    before: str
    inside: Sequence[QueryToken]
    start: int
    string: bool


def complete(text: str, cursor: int, known: KnownNames) -> Completion:
    """Return the completions at ``cursor``, best first, at most MOST."""
    place = _place(text[:cursor])
    typed = text[place.start : cursor]
    if place.open == "{":
        return _in_braces(place, typed, known)
    if place.string:
        return Completion(cursor)
    if place.open == "[":
        durations = DURATIONS if not any(token.sort == "number" for token in place.inside) else ()
        return Completion(place.start, _fitting(typed, durations))
    if place.open == "(" and place.before in _LISTS_OF_LABELS:
        every = {label for labels in known.labels.values() for label in labels}
        return Completion(place.start, _fitting(typed, sorted(every)), _last_metric(text, known))
    if not typed:
        return Completion(cursor)
    words = (
        *known.metrics,
        *(f"{name}(" for name in (*AGGREGATIONS, *FUNCTIONS)),
        *WORDS,
    )
    return Completion(place.start, _fitting(typed, words))


def _place(text: str) -> _Place:
    stack: list[tuple[str, str, int]] = [("", "", 0)]
    found = list(tokens(text))
    string_at: int | None = None
    for index, token in enumerate(found):
        if token.sort == "wrong" and token.text[0] in _QUOTES:
            string_at, found = index, found[:index]
            start = token.position + 1
            break
        if token.sort == "open":
            before = found[index - 1].text if index else ""
            stack.append((token.text, before, index + 1))
        elif token.sort == "close" and len(stack) > 1:
            stack.pop()
    open_, before, first = stack[-1]
    if string_at is not None:
        return _Place(open_, before, found[first:], start, string=True)
    written = ("word", "number") if open_ == "[" else ("word",)
    if found and found[-1].sort in written and found[-1].position + len(found[-1].text) == len(text):
        return _Place(open_, before, found[first:-1], found[-1].position, string=False)
    return _Place(open_, before, found[first:], len(text), string=False)


def _in_braces(place: _Place, typed: str, known: KnownNames) -> Completion:
    metric = place.before if place.before in known.metrics else _named(place.inside)
    labels = known.labels.get(metric, {})
    if place.string:
        if len(place.inside) < 2 or place.inside[-1].sort != "sign":
            return Completion(place.start)
        label = place.inside[-2].text
        values = known.metrics if label == NAME else labels.get(label, ())
        return Completion(place.start, _fitting(typed, values), metric)
    if place.inside and place.inside[-1].text != ",":
        return Completion(place.start)
    return Completion(place.start, _fitting(typed, tuple(labels)), metric)


def _named(inside: Sequence[QueryToken]) -> str:
    """Return the metric that ``__name__="…"`` names in these braces; empty without one."""
    for name, op, value in zip(inside, inside[1:], inside[2:], strict=False):
        if name.text == NAME and op.text == "=" and value.sort == "string":
            return value.text[1:-1]
    return ""


def _last_metric(text: str, known: KnownNames) -> str:
    """Return the first metric in the text whose labels are not known yet, else the first metric at all."""
    metrics = set(known.metrics)
    named = [token.text for token in tokens(text) if token.sort == "word" and token.text in metrics]
    unknown = [name for name in named if name not in known.labels]
    return next(iter((*unknown, *named)), "")


def _fitting(typed: str, words: Iterable[str]) -> tuple[str, ...]:
    """Return the words that begin with what was typed, then those that contain it; ignoring case. The typed word itself
    is left out."""
    low = typed.lower()
    begin, hold = [], []
    for word in words:
        if word == typed:
            continue
        at = word.lower().find(low)
        if at == 0:
            begin.append(word)
        elif at > 0:
            hold.append(word)
    return tuple((begin + hold)[:MOST])
