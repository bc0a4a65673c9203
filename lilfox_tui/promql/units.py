"""The unit of a query's values, as far as the names of its metrics and its functions tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.units import ValueUnit
from lilfox_tui.promql.operators import COMPARISONS
from lilfox_tui.promql.query import cached_parse
from lilfox_tui.promql.tree import (
    Aggregation,
    BinaryOperation,
    FunctionApplication,
    Negation,
    Node,
    NumberLiteral,
    Selector,
    StringLiteral,
    Subquery,
    children,
)
from lilfox_tui.scrape.labels import NAME

_ENDINGS: Final = (
    ("_percent", "percent"), ("_percentage", "percent"), ("_ratio", "ratio"), ("_seconds", "seconds"),
    ("_bytes", "bytes"),
)  # fmt: skip
_TIME: Final = re.compile(
    r"(?:^node_time|(?:^|_)(?:timestamp|mtime|(?:access|boot|change|completion|creation|expiration|start)_time))_seconds$"
)
"""Names of times; other ``_time_seconds`` are how long something took."""
_RATES: Final = frozenset(("deriv", "irate", "rate"))
_SPANS: Final = frozenset(
    ("delta", "idelta", "increase", "mad_over_time", "stddev", "stddev_over_time")
)  # fmt: skip
"""Functions and aggregations whose value is a difference of values: between times, seconds."""
_KEEPING: Final = frozenset(
    ("abs", "avg_over_time", "ceil", "clamp", "clamp_max", "clamp_min", "double_exponential_smoothing",
     "first_over_time", "floor", "holt_winters", "label_join", "label_replace", "last_over_time", "max_over_time",
     "min_over_time", "predict_linear", "quantile_over_time", "round", "scalar", "sort", "sort_by_label",
     "sort_by_label_desc", "sort_desc", "sum_over_time", "vector")
)  # fmt: skip
"""Functions whose value has the unit of their argument."""
_TIMES: Final = frozenset(
    ("time", "timestamp", "ts_of_first_over_time", "ts_of_last_over_time", "ts_of_max_over_time", "ts_of_min_over_time")
)  # fmt: skip
_COUNTING: Final = frozenset(("count", "count_values", "group", "stdvar"))
_STANDING_IN: Final = frozenset(("absent", "absent_over_time"))
"""Functions whose 1 stands in for a value of any unit."""


class _Dimension(NamedTuple):
    """A base unit (empty for a count), divided by that many powers of a second."""

    base: str = ""
    rate: int = 0


_UNITS: Final[dict[_Dimension, ValueUnit]] = {
    _Dimension("ratio"): "ratio", _Dimension("seconds", 1): "ratio", _Dimension("percent"): "percent",
    _Dimension("seconds"): "seconds", _Dimension("time"): "time", _Dimension("", 1): "per second",
    _Dimension("bytes"): "bytes", _Dimension("bytes", 1): "bytes per second",
}  # fmt: skip
_SHARES: Final = (_Dimension("ratio"), _Dimension("seconds", 1))


@lru_cache(maxsize=512)
def unit_of(expression: str) -> ValueUnit:
    """The unit of the values of ``expression``; empty for a plain number, if it is not known, and if it cannot be
    parsed."""
    try:
        found = _dimension(cached_parse(expression).tree)
    except LilFoxError:
        return ""
    return "" if found is None else _UNITS.get(found, "")


def _dimension(node: Node) -> _Dimension | None:
    """The dimension of a part of an expression; None for a number, which has that of its partner."""
    match node:
        case NumberLiteral() | StringLiteral():
            return None
        case Selector():
            return _of_name(_name(node))
        case Negation() | Subquery():
            return _dimension(node.inner)
        case Aggregation():
            return _of_aggregation(node.op, _dimension(node.inner))
        case FunctionApplication():
            return _of_function(node.function.name, node.arguments)
        case BinaryOperation():
            return _of_comparison(node) if node.op in COMPARISONS else _of_operation(node)


def _name(node: Selector) -> str:
    return next((each.value for each in node.matchers if each.name == NAME and each.op == "="), "")


def _of_name(name: str) -> _Dimension:
    """What a metric's name ends with; ``_bucket`` and ``_count`` of a histogram are counts."""
    if _TIME.search(name):
        return _Dimension("time")
    name = name.removesuffix("_total").removesuffix("_sum")
    return _Dimension(next((unit for ending, unit in _ENDINGS if name.endswith(ending)), ""))


def _of_aggregation(op: str, inner: _Dimension | None) -> _Dimension | None:
    if op in _COUNTING or (op == "sum" and inner == _Dimension("time")):
        return _Dimension()
    return _span(inner) if op in _SPANS else inner


def _of_function(name: str, arguments: tuple[Node, ...]) -> _Dimension | None:
    if name in _TIMES:
        return _Dimension("time")
    if name in _STANDING_IN:
        return None
    if name == "histogram_quantile":
        found = next((_name(each) for each in _selectors(arguments[-1])), "")
        return _of_name(found.removesuffix("_bucket"))
    if name not in _RATES and name not in _SPANS and name not in _KEEPING:
        return _Dimension()
    inner = next((each for each in map(_dimension, arguments) if each is not None), None)
    if name in _KEEPING or inner is None:
        return inner
    return _span(inner) if name in _SPANS else inner._replace(rate=inner.rate + 1)


def _span(inner: _Dimension | None) -> _Dimension | None:
    return _Dimension("seconds") if inner == _Dimension("time") else inner


def _selectors(node: Node) -> Iterator[Selector]:
    if isinstance(node, Selector):
        yield node
    for each in children(node):
        yield from _selectors(each)


def _of_comparison(node: BinaryOperation) -> _Dimension | None:
    """The dimension of the left side, whose values are kept; a ratio that is compared with more than 1 is a factor."""
    if node.as_bool:
        return _Dimension()
    found, limit = _dimension(node.left), _number_of(node.right)
    if found is None:
        found, limit = _dimension(node.right), _number_of(node.left)
    is_factor = found in _SHARES and limit is not None and not 0 <= limit <= 1
    return _Dimension() if is_factor else found


def _number_of(node: Node) -> float | None:
    """The value of a number, with its sign; None for anything else."""
    if isinstance(node, Negation):
        inner = _number_of(node.inner)
        return None if inner is None else -inner
    return node.value if isinstance(node, NumberLiteral) else None


def _of_operation(node: BinaryOperation) -> _Dimension | None:
    left, right, op = _dimension(node.left), _dimension(node.right), node.op
    if op in ("and", "unless"):
        return left
    if op in ("+", "-", "or"):
        return _of_sum(op, left, right)
    if left is None and right is None:
        return None
    number = _number_of(node.right) if right is None else _number_of(node.left)
    if op == "*" and number == 100 and (left or right) in _SHARES:
        return _Dimension("percent")
    if op == "/" and left is not None:
        if right is not None:
            return _divided(left, right)
        if number == 100 and left == _Dimension("percent"):
            return _Dimension("ratio")
    return _Dimension()


def _of_sum(op: str, left: _Dimension | None, right: _Dimension | None) -> _Dimension | None:
    time = _Dimension("time")
    if left is None or right is None:
        return left or right
    if op == "-" and left == time:  # what is taken from a time by name is a time too, however it is called
        return _Dimension("seconds")
    if op == "+" and (left == time) != (right == time):
        return time
    return left if left == right else _Dimension()


def _divided(left: _Dimension, right: _Dimension) -> _Dimension:
    rate = left.rate - right.rate
    if left.base == right.base:
        return _Dimension("ratio" if rate == 0 else "", rate)
    return _Dimension(left.base, rate) if not right.base else _Dimension()
