"""What may stand at the cursor of a query that is being written: metrics, labels, their values, functions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.promql.lexer import QueryToken, tokens
from lilfox_tui.scrape.labels import NAME, LabelSet

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
    """What there is: names of metrics, and of those that were looked at their labels with values."""

    metrics: tuple[str, ...] = ()
    labels: Mapping[str, Mapping[str, tuple[str, ...]]] = {}

    def with_series(self, metric: str, series: Iterable[LabelSet]) -> KnownNames:
        """With the labels of ``series``, which are all of ``metric``."""
        found: dict[str, set[str]] = {}
        for one in series:
            for name, value in one:
                if name != NAME:
                    found.setdefault(name, set()).add(value)
        own = {name: tuple(sorted(values)) for name, values in sorted(found.items())}
        return KnownNames(self.metrics, {**self.labels, metric: own})


class Completion(NamedTuple):
    """``choices`` for the part of the text from ``start`` to the cursor. ``metric`` is the one whose labels are wanted,
    empty where none is: it must be in ``Known.labels`` before there are choices."""

    start: int
    choices: tuple[str, ...] = ()
    metric: str = ""


class _Place(NamedTuple):
    """Where the cursor stands: in the innermost bracket ``open`` with ``before`` in front of it; ``inside`` are the
    tokens since, without the word or string that is being written, which begins at ``start``."""

    open: str
    before: str
    inside: Sequence[QueryToken]
    start: int
    string: bool


def complete(text: str, cursor: int, known: KnownNames) -> Completion:
    """What fits at ``cursor``; best first, at most MOST."""
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
    """The metric that ``__name__="…"`` names in these braces."""
    for name, op, value in zip(inside, inside[1:], inside[2:], strict=False):
        if name.text == NAME and op.text == "=" and value.sort == "string":
            return value.text[1:-1]
    return ""


def _last_metric(text: str, known: KnownNames) -> str:
    """A metric of the text whose labels are not known yet, else one whose are."""
    metrics = set(known.metrics)
    named = [token.text for token in tokens(text) if token.sort == "word" and token.text in metrics]
    unknown = [name for name in named if name not in known.labels]
    return next(iter((*unknown, *named)), "")


def _fitting(typed: str, words: Iterable[str]) -> tuple[str, ...]:
    """Those that begin with what was typed, then those that hold it; in whatever case. Not what is there already."""
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
