"""The unit of what a rule compares, as far as its metrics' names tell, and the limits that rules set for 5xx responses.

Imports the parser of PromQL."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

import promql_parser

from lilfox_tui.monitor.alert_explain import compared, comparison_of, number_of

ValueUnit = Literal["", "ratio", "percent", "seconds", "bytes", "bytes_per_second"]
"""Empty: a plain number, or not known. ``ratio`` is 0.05 where ``percent`` is 5."""

_ENDINGS: tuple[tuple[str, str], ...] = (
    ("_percent", "percent"), ("_percentage", "percent"), ("_ratio", "ratio"),
    ("_seconds", "seconds"), ("_bytes", "bytes"),
)  # fmt: skip
_PARTS = ("_total", "_sum", "_bucket")
_KEEPING = frozenset(
    (
        "abs", "avg_over_time", "ceil", "clamp", "clamp_max", "clamp_min", "delta", "floor", "idelta", "increase",
        "last_over_time", "max_over_time", "min_over_time", "quantile_over_time", "round", "sort", "sort_desc",
        "sum_over_time",
    )
)  # fmt: skip
"""Functions whose value has the unit of their argument."""
_RATES = frozenset(("rate", "irate", "deriv"))
_COUNTING = frozenset(("count", "count_values", "group", "stdvar"))
_SERVICE_LABELS = frozenset(("job", "service"))
_SERVER_ERROR_WORDS = ("5", "SERVER_ERROR")


class _Dimension(NamedTuple):
    """A base unit (empty for a count), divided by that many powers of a second."""

    base: str = ""
    rate: int = 0


@lru_cache(maxsize=512)
def unit_of(expression: str) -> ValueUnit:
    """Return the unit of both sides of the comparison in ``expression``; for ``a > 1 and b``, of the first one."""
    try:
        node = promql_parser.parse(expression)
    except ValueError:
        return ""
    found = comparison_of(node)
    if found is None:
        return _known(_dimension(node), None)
    limit = number_of(found.rhs)
    left = _dimension(found.lhs)
    if limit is None and _dimension(found.rhs) != left:
        return ""
    return _known(left, limit)


def _known(found: _Dimension | None, limit: float | None) -> ValueUnit:
    """The unit of a value; a ratio whose limit is above 1 is a factor, not a share."""
    if found is None:
        return ""
    names: dict[tuple[str, int], ValueUnit] = {
        ("ratio", 0): "ratio", ("seconds", 1): "ratio", ("percent", 0): "percent",
        ("seconds", 0): "seconds", ("bytes", 0): "bytes", ("bytes", 1): "bytes_per_second",
    }  # fmt: skip
    unit = names.get(found, "")
    return "" if unit == "ratio" and limit is not None and not 0 <= limit <= 1 else unit


def _dimension(node: object) -> _Dimension | None:
    """The dimension of a part of an expression; None for a number, which has that of its partner."""
    match node:
        case promql_parser.NumberLiteral():
            return None
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr() | promql_parser.SubqueryExpr():
            return _dimension(node.expr)
        case promql_parser.AggregateExpr():
            return _Dimension() if str(node.op) in _COUNTING else _dimension(node.expr)
        case promql_parser.VectorSelector():
            return _of_name(node.name or "")
        case promql_parser.MatrixSelector():
            return _of_name(node.vector_selector.name or "")
        case promql_parser.Call():
            return _of_call(node)
        case promql_parser.BinaryExpr():
            return _of_operation(node)
    return _Dimension()


def _of_name(name: str) -> _Dimension:
    for part in _PARTS:
        name = name.removesuffix(part)
    return _Dimension(next((unit for ending, unit in _ENDINGS if name.endswith(ending)), ""))


def _of_call(node: promql_parser.Call) -> _Dimension | None:
    name = node.func.name
    if name in ("time", "timestamp"):
        return _Dimension("seconds")
    if name == "histogram_quantile":
        return next((_of_name(each.name or "") for each in _selectors(node.args[1])), _Dimension())
    if not node.args or (name not in _RATES and name not in _KEEPING):
        return _Dimension()
    found = next((each for each in map(_dimension, node.args) if each is not None), None)
    return found._replace(rate=found.rate + 1) if found is not None and name in _RATES else found


def _of_operation(node: promql_parser.BinaryExpr) -> _Dimension | None:
    left, right, op = _dimension(node.lhs), _dimension(node.rhs), str(node.op)
    if op in ("+", "-", "or"):
        known = [each for each in (left, right) if each is not None]
        return (known[0] if len(set(known)) == 1 else _Dimension()) if known else None
    if op in ("and", "unless"):
        return left
    number = number_of(node.rhs) if right is None else number_of(node.lhs)
    if op == "*" and number == 100 and (left or right) in (_Dimension("ratio"), _Dimension("seconds", 1)):
        return _Dimension("percent")
    if op == "/" and left is not None and right is not None:
        return _divided(left, right)
    return _Dimension()


def _divided(left: _Dimension, right: _Dimension) -> _Dimension:
    rate = left.rate - right.rate
    if left.base == right.base:
        return _Dimension("ratio" if rate == 0 else "", rate)
    return _Dimension(left.base, rate) if not right.base else _Dimension()


def _selectors(node: object) -> Iterator[promql_parser.VectorSelector]:
    match node:
        case promql_parser.VectorSelector():
            yield node
        case promql_parser.MatrixSelector():
            yield node.vector_selector
        case promql_parser.Call():
            for each in node.args:
                yield from _selectors(each)
        case promql_parser.BinaryExpr():
            yield from _selectors(node.lhs)
            yield from _selectors(node.rhs)
        case promql_parser.ParenExpr() | promql_parser.UnaryExpr() | promql_parser.SubqueryExpr():
            yield from _selectors(node.expr)
        case promql_parser.AggregateExpr():
            yield from _selectors(node.expr)


@lru_cache(maxsize=2048)
def server_error_limit(expression: str, service: str) -> float | None:
    """Return the percentage of 5xx responses of ``service`` above which ``expression`` holds; None if it is about
    something else."""
    sides, unit = compared(expression), unit_of(expression)
    if sides.op not in (">", ">=") or sides.limit is None or unit not in ("ratio", "percent"):
        return None
    selectors = list(_selectors(promql_parser.parse(sides.left)))
    matchers = [(each.name, str(each.value), each.op) for one in selectors for each in one.matchers.matchers]
    equal = (promql_parser.MatchOp.Equal, promql_parser.MatchOp.Re)
    if not any(
        op in equal and name not in _SERVICE_LABELS and value.startswith(_SERVER_ERROR_WORDS)
        for name, value, op in matchers
    ):
        return None
    for name, value, op in matchers:
        if name in _SERVICE_LABELS and (service in value.split("|")) is not (op in equal):
            return None
    return sides.limit * 100 if unit == "ratio" else sides.limit
