"""Completion of a query at the cursor: metrics, functions, labels, their values and durations. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct

from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.promql.lexer import QueryToken, tokens
from lilfox_tui.scrape.exposition import Family
from lilfox_tui.scrape.labels import LABEL_NAME, NAME, quoted

AGGREGATIONS: Final = (
    "sum", "avg", "min", "max", "count", "topk", "bottomk", "quantile", "count_values", "group", "stddev", "stdvar",
    "limitk", "limit_ratio",
)  # fmt: skip
WORDS: Final = ("by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "and", "or", "unless")
DURATIONS: Final = ("1m", "5m", "15m", "30m", "1h", "6h", "1d")
MOST: Final = 50
_FIRST_METRICS: Final = 5
"""Metrics before the functions that begin with the same letters; the others come after these."""
_LONGEST_VALUE: Final = 200
_LISTS_OF_LABELS: Final = frozenset(("by", "without", "on", "ignoring", "group_left", "group_right"))
_QUOTES: Final = frozenset("\"'`")
_REST_OF_WORD: Final = re.compile(r"[a-zA-Z0-9_:]*")
_REST_OF_VALUE: Final = re.compile(r"[^\"'`,{}()|]*(?=[\"'`|])|")
_PATTERN_SIGNS: Final = re.compile(r"[\\+*?()|\[\]{}^$]")
_PARTS_OF_FAMILY: Final = re.compile(r"_(?:bucket|count|sum|total|created|info)$")

Kind: TypeAlias = Literal["metric", "function", "aggregation", "keyword", "label", "value", "duration"]


class NameIndex(Collection[str]):
    """Sorted names, to be searched while a word is typed. Making one of 30,000 names takes some 30 ms, a search less
    than 1 ms."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._names = tuple(sorted(set(names)))
        self._known = frozenset(self._names)
        low = [name.lower() for name in self._names]
        self._low = "\n" + "".join(f"{name}\n" for name in low)
        self._starts = [*accumulate((len(name) + 1 for name in low), initial=1)]

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def search(self, typed: str, most: int = MOST) -> list[str]:
        """Return at most ``most`` names that hold ``typed`` in any case, without ``typed`` itself: first those that
        begin with it, then those with a part that does, then the others."""
        if not typed:
            return list(self._names[:most])
        low = typed.lower()
        found: dict[int, None] = {}
        for before in ("\n", "_", ":", ""):
            at = self._low.find(before + low)
            while 0 <= at < len(self._low) - 1 and len(found) < most:
                place = bisect_right(self._starts, at + len(before)) - 1
                if self._names[place] != typed:
                    found[place] = None
                at = self._low.find(before + low, self._starts[place + 1] - 1)
        return [self._names[place] for place in found]


_WELL_KNOWN: Final = {
    "up": Family("gauge", "Whether the last scrape of the target succeeded: 1 or 0."),
    "scrape_duration_seconds": Family("gauge", "Duration of the last scrape of the target."),
    "scrape_samples_scraped": Family("gauge", "Samples that the target exposed at its last scrape."),
    "ALERTS": Family("gauge", "1 for each alert that is pending or firing."),
    "ALERTS_FOR_STATE": Family("gauge", "Since when the alert is pending or firing, as a Unix timestamp in seconds."),
}
"""What Prometheus and LilFox write themselves, and no target exposes."""


class KnownNames(Struct, frozen=True):
    """The known names: metrics and their families, the labels of metrics, and the values of labels by metric and
    label. The metric ``""`` stands for all series."""

    metrics: NameIndex = NameIndex()
    families: Mapping[str, Family] = {}
    labels: Mapping[str, NameIndex] = {}
    values: Mapping[tuple[str, str], NameIndex] = {}

    def family(self, metric: str) -> Family | None:
        """Return type and help of a metric, also of the parts of a histogram or summary; None if they are unknown."""
        found = self.families.get(metric) or self.families.get(_PARTS_OF_FAMILY.sub("", metric))
        return found or _WELL_KNOWN.get(metric)


class Candidate(NamedTuple):
    """What may be inserted: ``text`` is the name, ``insert`` replaces what was typed."""

    text: str
    insert: str
    kind: Kind
    type: str = ""
    """The type of a metric, or the types of a function's arguments and result."""
    help: str = ""


class Completion(NamedTuple):
    """``choices`` for the text from ``start`` to ``end``. ``wants`` is the metric and the label whose names are needed
    and not known: the labels of the metric if the label is empty."""

    start: int
    end: int
    choices: tuple[Candidate, ...] = ()
    wants: tuple[str, str] | None = None


class _Place(NamedTuple):
    """The position of the cursor: in the innermost bracket ``open``, preceded by ``before``; ``inside`` are the tokens
    since, without the word or string being typed, which begins at ``start``. ``quote`` is that of the string."""

    open: str
    before: str
    inside: Sequence[QueryToken]
    start: int
    quote: str


def complete(text: str, cursor: int, known: KnownNames, *, unasked: bool = True) -> Completion:
    """Return the completions at ``cursor``, best first, at most MOST. Unless ``unasked``, all metrics are offered where
    nothing is typed and an operand may stand."""
    place = _place(text[:cursor])
    if place.open == "{":
        return _in_braces(place, text, cursor, known)
    if place.quote:
        return Completion(cursor, cursor)
    typed = text[place.start : cursor]
    end = _end(_REST_OF_WORD, text, cursor)
    last = place.inside[-1].text.lower() if place.inside else ""
    if place.open == "[" or last == "offset":
        durations = DURATIONS if last == "offset" or not any(each.sort == "number" for each in place.inside) else ()
        return Completion(
            place.start, end, tuple(Candidate(each, each, "duration") for each in _fitting(typed, durations))
        )
    if place.open == "(" and place.before.lower() in _LISTS_OF_LABELS:
        return _in_label_list(place, typed, end, text, known)
    if typed:
        return Completion(place.start, end, _words(typed, text[end:], known))
    if unasked or not _operand_may_stand(place):
        return Completion(cursor, cursor)
    return Completion(cursor, cursor, tuple(_metric(name, known) for name in known.metrics.search("", MOST)))


def _place(text: str) -> _Place:
    stack: list[tuple[str, str, int]] = [("", "", 0)]
    found = list(tokens(text))
    quote, start = "", len(text)
    for index, token in enumerate(found):
        if token.sort == "wrong" and token.text[0] in _QUOTES:
            quote, start, found = token.text[0], token.position + 1, found[:index]
            break
        if token.sort == "open":
            before = found[index - 1].text if index else ""
            stack.append((token.text, before, index + 1))
        elif token.sort == "close" and len(stack) > 1:
            stack.pop()
    open_, before, first = stack[-1]
    if quote:
        return _Place(open_, before, found[first:], start, quote)
    begun = found[-1] if found and found[-1].position + len(found[-1].text) == len(text) else None
    after_offset = len(found) > 1 and found[-2].text.lower() == "offset"
    written = ("word", "number") if open_ == "[" or after_offset else ("word",)
    if begun is not None and begun.sort in written:
        return _Place(open_, before, found[first:-1], begun.position, "")
    return _Place(open_, before, found[first:], len(text), "")


def _end(rest: re.Pattern[str], text: str, cursor: int) -> int:
    found = rest.match(text, cursor)
    return cursor if found is None else found.end()


def _operand_may_stand(place: _Place) -> bool:
    before = place.inside[-1] if place.inside else None
    return before is None or before.sort == "sign" or before.text.lower() in ("and", "or", "unless", "bool")


# ---- outside braces ------------------------------------------------------------------------------------------------


def _words(typed: str, after: str, known: KnownNames) -> tuple[Candidate, ...]:
    low = typed.lower()
    metrics = [_metric(name, known) for name in known.metrics.search(typed)]
    begins = [each for each in metrics if each.text.lower().startswith(low)]
    others = [each for each in _language(after) if each.text != typed or each.insert != typed]
    found = [
        *begins[:_FIRST_METRICS],
        *(each for each in others if each.text.startswith(low)),
        *begins[_FIRST_METRICS:],
        *metrics[len(begins) :],
        *(each for each in others if low in each.text[1:] and not each.text.startswith(low)),
    ]
    return tuple(found[:MOST])


def _metric(name: str, known: KnownNames) -> Candidate:
    family = known.family(name)
    if family is None:
        return Candidate(name, name, "metric")
    return Candidate(name, name, "metric", "" if family.type == "unknown" else family.type, family.help)


def _language(after: str) -> Iterator[Candidate]:
    """The aggregations, functions and keywords of PromQL; ``after`` is the text behind the cursor."""
    bracket = "" if after.startswith("(") else "("
    for name in AGGREGATIONS:
        yield Candidate(name, name + bracket, "aggregation", "instant vector → instant vector")
    for name, function in FUNCTIONS.items():
        takes = ", ".join(_KINDS[kind] for kind in function.takes)
        yield Candidate(name, name + bracket, "function", f"{takes} → {_KINDS[function.gives]}".lstrip())
    for name in WORDS:
        yield Candidate(name, name, "keyword")


_KINDS: Final = {"vector": "instant vector", "matrix": "range vector", "scalar": "scalar", "string": "string"}


def _fitting(typed: str, words: Iterable[str]) -> list[str]:
    """Return the words that begin with what was typed, then those that contain it, without the typed word itself."""
    fitting = [word for word in words if typed in word and word != typed]
    return sorted(fitting, key=lambda word: not word.startswith(typed))


def _in_label_list(place: _Place, typed: str, end: int, text: str, known: KnownNames) -> Completion:
    """The labels of the metrics of the query, without those that are listed already."""
    named = list(
        dict.fromkeys(each.text for each in tokens(text) if each.sort == "word" and each.text in known.metrics)
    )
    missing = [name for name in named or [""] if name not in known.labels]
    of = [name for name in named if name in known.labels] or ([""] if "" in known.labels else list(known.labels))
    listed = {each.text for each in place.inside}
    names = sorted({label for name in of for label in known.labels[name]} - listed - {NAME})
    choices = tuple(Candidate(name, _label(name), "label") for name in NameIndex(names).search(typed))
    return Completion(place.start, end, choices, (missing[0], "") if missing else None)


def _label(name: str) -> str:
    return name if LABEL_NAME.fullmatch(name) else quoted(name)


# ---- inside braces -------------------------------------------------------------------------------------------------


def _in_braces(place: _Place, text: str, cursor: int, known: KnownNames) -> Completion:
    metric = place.before if place.before in known.metrics else _named(place.inside)
    if place.quote:
        return _value(place, text, cursor, metric, known)
    if place.inside and place.inside[-1].text != ",":
        return Completion(place.start, cursor)
    end = _end(_REST_OF_WORD, text, cursor)
    sign = "" if text[end:].lstrip()[:1] in ("=", "!") else '="'
    matched = {each.text for each in place.inside}
    names = [each for each in known.labels.get(metric, ()) if each != NAME and each not in matched]
    found = NameIndex(names).search(text[place.start : cursor])
    choices = tuple(Candidate(name, _label(name) + sign, "label") for name in found)
    return Completion(place.start, end, choices, None if metric in known.labels else (metric, ""))


def _value(place: _Place, text: str, cursor: int, metric: str, known: KnownNames) -> Completion:
    """The values of the label whose string is being typed; in a pattern after each ``|`` again."""
    if len(place.inside) < 2 or place.inside[-1].sort != "sign":
        return Completion(place.start, cursor)
    label, is_pattern = place.inside[-2].text.strip("\"'`"), "~" in place.inside[-1].text
    start = place.start
    if is_pattern:
        start = max(start, text.rfind("|", start, cursor) + 1)
    end = _end(_REST_OF_VALUE, text, cursor)
    close = "" if text[end : end + 1] in (place.quote, "|") and end < len(text) else place.quote
    values = known.metrics if label == NAME else known.values.get((metric, label))
    found = () if values is None else values.search(text[start:cursor])
    choices = tuple(
        Candidate(each, _in_string(each, place.quote, is_pattern) + close, "metric" if label == NAME else "value")
        for each in found
        if len(each) <= _LONGEST_VALUE and not (place.quote == "`" and "`" in each)
    )
    return Completion(start, end, choices, (metric, label) if values is None else None)


def _in_string(value: str, quote: str, is_pattern: bool) -> str:
    """A value as it is written between quotes; in a pattern its signs are escaped, but for the dot, which takes one
    too."""
    written = _PATTERN_SIGNS.sub(lambda found: "\\" + found[0], value) if is_pattern else value
    if quote == "`":
        return written
    escaped = quoted(written)[1:-1]
    return escaped.replace('\\"', '"').replace("'", "\\'") if quote == "'" else escaped


def _named(inside: Sequence[QueryToken]) -> str:
    """Return the metric that ``__name__="…"`` or a quoted name stands for in these braces; empty without one."""
    for name, op, value in zip(inside, inside[1:], inside[2:], strict=False):
        if name.text == NAME and op.text == "=" and value.sort == "string":
            return value.text[1:-1]
    if inside and inside[0].sort == "string" and (len(inside) == 1 or inside[1].text == ","):
        return inside[0].text[1:-1]
    return ""


# ---- names that are not known --------------------------------------------------------------------------------------


_LEAST_ALIKE: Final = 0.4
_LIKE_MOST: Final = 3


def near_names(word: str, names: Iterable[str], most: int = _LIKE_MOST) -> list[str]:
    """Return the names that look most like ``word``, the nearest first: the share of pairs of letters that they have in
    common (Dice). Takes some 0.1 s for 30,000 names."""
    wanted = _pairs(word)
    rated = []
    for name in names:
        if name == word or not len(word) / 2 <= len(name) <= len(word) * 2:
            continue
        pairs = _pairs(name)
        alike = 2 * len(wanted & pairs) / (len(wanted) + len(pairs))
        if alike >= _LEAST_ALIKE:
            rated.append((-alike, name))
    return [name for _alike, name in sorted(rated)[:most]]


def _pairs(word: str) -> set[str]:
    low = f" {word.lower()} "
    return set(map("".join, pairwise(low)))
