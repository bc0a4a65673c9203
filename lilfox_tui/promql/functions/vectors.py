"""Functions of whole vectors: presence, labels, order, conversion to and from scalars, times."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from functools import cmp_to_key, lru_cache, partial
from typing import Final

import numpy as np

from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.tree import Function, FunctionCall
from lilfox_tui.promql.value import BARE, NOTHING, RangeVector, Semantics, Vector, nameless, recent
from lilfox_tui.scrape.labels import (
    LABEL_NAME,
    NAME,
    LabelList,
    LabelSet,
    Matcher,
    anchored_pattern,
    expand_groups,
    matches,
)

# Between vectors and scalars: what is absent, the one value of a vector, times of evaluation and of samples.


def absent(call: FunctionCall, vector: Vector) -> Vector:
    """``absent``: 1 if the vector is empty, with the labels that the selector requires."""
    return NOTHING if len(vector.labels) else Vector(certain(call.matchers or ()), np.ones(1))


def absent_over_time(call: FunctionCall, samples: RangeVector) -> Vector:
    """``absent_over_time``: 1 if there are no samples, with the labels that the selector requires."""
    return NOTHING if samples.blocks else Vector(certain(call.matchers or ()), np.ones(1))


@lru_cache(maxsize=256)
def certain(matchers: tuple[Matcher, ...]) -> LabelList:
    """Return the labels that a selector requires by ``=``, exactly once. Matchers that exclude values are considered
    last, because Prometheus' storage moves them there before ``absent`` is evaluated."""
    labels: dict[str, str] = {}
    equal: set[str] = set()
    for name, op, value in sorted(matchers, key=_excludes):
        if name == NAME:
            continue
        if op == "=" and name not in equal:
            equal.add(name)
            labels[name] = value
        else:
            labels.pop(name, None)
    return LabelList((LabelSet.of(labels),))


def _excludes(matcher: Matcher) -> bool:
    return matcher.op in ("!=", "!~") and matches(matcher, "")


def scalar(_: FunctionCall, vector: Vector) -> float:
    """``scalar``: the only value, or NaN."""
    return float(vector.values[0]) if len(vector.labels) == 1 else math.nan


def vector(_: FunctionCall, value: float) -> Vector:
    """``vector``: one value without labels."""
    return Vector(BARE, np.array([value]))


def time(call: FunctionCall) -> float:
    """``time``: the evaluation time, seconds since 1970."""
    return call.at_ms / 1000


def timestamp(call: FunctionCall, vector: Vector) -> Vector:
    """``timestamp``: the time of samples from a selector, else the evaluation time; seconds since 1970."""
    times = np.full(len(vector.labels), call.at_ms) if call.sample_times is None else call.sample_times
    return Vector(nameless(vector.labels), times / 1000)


def pi(_: FunctionCall) -> float:
    """``pi``."""
    return math.pi


VECTOR_FUNCTIONS = (
    Function("absent", ("vector",), "vector", "whole", absent),
    Function("absent_over_time", ("matrix",), "vector", "whole", absent_over_time),
    Function("scalar", ("vector",), "scalar", "whole", scalar),
    Function("vector", ("scalar",), "vector", "whole", vector),
    Function("time", (), "scalar", "whole", time),
    Function("timestamp", ("vector",), "vector", "whole", timestamp),
    Function("pi", (), "scalar", "whole", pi),
)


# Functions that change the labels of a vector and leave its values: ``label_replace``, ``label_join``.


def label_replace(
    call: FunctionCall, vector: Vector, target: str, replacement: str, source: str, pattern: str
) -> Vector:
    """Set the label ``target`` to ``replacement``, with groups (``$1``, ``${name}``), if ``pattern`` (RE2, anchored)
    matches the label ``source``. Raises QueryError for an invalid pattern or name."""
    _check_name(target, call.semantics)

    def make() -> LabelList:
        fits = _pattern(pattern, call.semantics)
        return LabelList(
            [_replaced(one, fits.fullmatch(one.get(source)), target, replacement) for one in vector.labels]
        )

    key = (target, replacement, source, pattern, call.semantics.dot_takes_newline)
    return Vector(recent(vector.labels, label_replace, key, make), vector.values)


def _pattern(pattern: str, semantics: Semantics) -> re.Pattern[str]:
    try:
        compiled = anchored_pattern(pattern)
        return compiled if semantics.dot_takes_newline else anchored_pattern(f"(?-s:{pattern})")
    except UsageError as error:
        raise QueryError(tr("label_replace: {reason}", reason=error.message)) from None


def _replaced(one: LabelSet, match: re.Match[str] | None, target: str, replacement: str) -> LabelSet:
    return one if match is None else one.replaced({target: expand_groups(replacement, match)})


def label_join(call: FunctionCall, vector: Vector, target: str, separator: str, *sources: str) -> Vector:
    """Set the label ``target`` to the values of ``sources`` joined by ``separator``. Raises QueryError for an invalid
    name."""
    for name in (*sources, target):
        _check_name(name, call.semantics)

    def make() -> LabelList:
        return LabelList([one.replaced({target: separator.join(map(one.get, sources))}) for one in vector.labels])

    return Vector(recent(vector.labels, label_join, (target, separator, sources), make), vector.values)


def _check_name(name: str, semantics: Semantics) -> None:
    valid: Callable[[str], object] = bool if semantics.any_label_name else LABEL_NAME.fullmatch
    if not valid(name):
        raise QueryError(tr("“{name}” is not a valid label name", name=name))


LABEL_FUNCTIONS = (
    Function("label_replace", ("vector", "string", "string", "string", "string"), "vector", "whole", label_replace),
    Function("label_join", ("vector", "string", "string", "string"), "vector", "whole", label_join, variadic=-1),
)


# Orders of a vector: by value and by labels.


_CHUNK: Final = re.compile(r"[0-9]+|[^0-9]+")
_LARGEST_INT64: Final = 2**63 - 1


def by_value(_: FunctionCall, vector: Vector, *, falling: bool) -> Vector:
    """``sort`` and ``sort_desc``: NaN comes last in both."""
    return _ordered(vector, np.argsort(-vector.values if falling else vector.values, kind="stable").tolist())


def by_label(_: FunctionCall, vector: Vector, *names: str, falling: bool) -> Vector:
    """``sort_by_label`` and ``sort_by_label_desc``: by the values of ``names``, in natural order; then by all
    labels."""

    def compare(left: int, right: int) -> int:
        one, other = vector.labels[left], vector.labels[right]
        for name in names:
            if one.get(name) != other.get(name):
                return -1 if precedes(one.get(name), other.get(name)) else 1
        return (one.pairs > other.pairs) - (one.pairs < other.pairs)

    return _ordered(vector, sorted(range(len(vector.labels)), key=cmp_to_key(compare), reverse=falling))


def precedes(left: str, right: str) -> bool:
    """Whether ``left`` sorts before ``right`` in natural order, with runs of digits as numbers (like Prometheus'
    natsort)."""
    chunks, others = _CHUNK.findall(left), _CHUNK.findall(right)
    for place, (chunk, other) in enumerate(zip(chunks, others, strict=False)):
        number, other_number = _number(chunk), _number(other)
        if number is not None and other_number is not None:
            if number != other_number:
                return number < other_number
        elif chunk != other:
            return bool(chunk < other)
        if place == len(chunks) - 1:
            return True
    return False


def _number(chunk: str) -> int | None:
    number = int(chunk) if "0" <= chunk[0] <= "9" and len(chunk) < 100 else None
    return number if number is not None and number <= _LARGEST_INT64 else None


def _ordered(vector: Vector, order: Sequence[int]) -> Vector:
    key = tuple(order)
    labels = recent(vector.labels, _ordered, key, lambda: LabelList([vector.labels.sets[place] for place in order]))
    return Vector(labels, vector.values[list(order)])


SORTING_FUNCTIONS = (
    Function("sort", ("vector",), "vector", "whole", partial(by_value, falling=False)),
    Function("sort_desc", ("vector",), "vector", "whole", partial(by_value, falling=True)),
    Function("sort_by_label", ("vector", "string"), "vector", "whole", partial(by_label, falling=False), variadic=-1),
    Function(
        "sort_by_label_desc", ("vector", "string"), "vector", "whole", partial(by_label, falling=True), variadic=-1
    ),
)

FUNCTIONS = (*VECTOR_FUNCTIONS, *LABEL_FUNCTIONS, *SORTING_FUNCTIONS)
