"""From the parser's tree to ours (:mod:`lilfox_tui.promql.tree`), with what Prometheus checks and the parser not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import promql_parser
from msgspec.structs import replace

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import ntr, tr
from lilfox_tui.promql.aggregation import OPERATORS
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.function import Function
from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.promql.operators import SETS
from lilfox_tui.promql.semantics import Semantics
from lilfox_tui.promql.tree import (
    Aggregation,
    Applied,
    Bound,
    Grouping,
    Many,
    Matching,
    Negative,
    Node,
    Number,
    Operation,
    Selector,
    Shift,
    Subquery,
    Text,
    kind,
)
from lilfox_tui.scrape.labels import LABEL_NAME, NAME
from lilfox_tui.scrape.matcher import Comparison, Matcher
from lilfox_tui.scrape.matching import condition

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BOUNDS: Final[dict[str, Bound]] = {"Start": "start", "End": "end"}
_MANY: Final[dict[str, Many]] = {"ManyToOne": "left", "OneToMany": "right"}


def build(parsed: Any, semantics: Semantics) -> Node:
    """The tree of ``parsed`` (a ``promql_parser.Expr``). Raises QueryError for what is not supported and for what
    Prometheus refuses."""
    node = _BUILDERS[type(parsed).__name__](parsed, lambda inner: build(inner, semantics))
    if not semantics.any_label_name:
        _refuse_new_names(node)
    if isinstance(node, Selector) and not semantics.dot_takes_newline:
        return replace(node, matchers=tuple(map(_without_newlines, node.matchers)))
    return node


def _without_newlines(matcher: Matcher) -> Matcher:
    """Whose ``.`` takes none."""
    if "~" not in matcher.op or "." not in matcher.value:
        return matcher
    return matcher._replace(value=f"(?-s:{matcher.value})")


Inner = Callable[[Any], Node]


def _selector(parsed: Any, range_ms: int | None) -> Selector:
    if parsed.matchers.or_matchers:
        raise QueryError(tr("'or' between label matchers is VictoriaMetrics' and not supported"), word="or")
    matchers = tuple(Matcher(one.name, _COMPARISONS[_last_word(one.op)], one.value) for one in parsed.matchers.matchers)
    if parsed.name is not None:
        matchers = (Matcher(NAME, "=", parsed.name), *matchers)
    _check_matchers(matchers)
    return Selector(matchers, _shift(parsed), range_ms)


def _check_matchers(matchers: tuple[Matcher, ...]) -> None:
    try:
        empty = all(condition(matcher.op, matcher.value)("") for matcher in matchers)
    except UsageError as error:
        raise QueryError(error.message, error.hint) from None
    if empty:
        raise QueryError(tr("vector selector must contain at least one non-empty matcher"))


def _shift(parsed: Any) -> Shift:
    at: int | Bound | None = None
    if parsed.at is not None:
        which = _last_word(parsed.at.type)
        at = _BOUNDS.get(which) or _time(parsed.at)
    return Shift(0 if parsed.offset is None else _ms(parsed.offset), at)


def _time(at: Any) -> int:
    try:
        return _ms(at.at - _EPOCH)
    except (OverflowError, ValueError):
        raise QueryError(tr("the time after @ is out of range"), word="@") from None


def _ms(length: timedelta) -> int:
    return (
        length // timedelta(milliseconds=1)
        if not length.microseconds % 1000
        else round(length / timedelta(milliseconds=1))
    )


def _subquery(parsed: Any, inner: Inner) -> Subquery:
    step = None if parsed.step is None else _ms(parsed.step)
    return Subquery(inner(parsed.expr), _ms(parsed.range), step, _shift(parsed))


def _call(parsed: Any, inner: Inner) -> Applied:
    function = FUNCTIONS.get(parsed.func.name)
    if function is None:
        raise QueryError(tr("function {name} is not supported", name=parsed.func.name), word=parsed.func.name)
    arguments = tuple(inner(argument) for argument in parsed.args)
    _check_arguments(function, arguments)
    return Applied(function, arguments)


def _check_arguments(function: Function, arguments: tuple[Node, ...]) -> None:
    """As Prometheus' parser does (promql/parser/parse.go, checkAST)."""
    least = len(function.takes) - (1 if function.variadic else 0)
    most = {0: len(function.takes), -1: len(arguments)}.get(function.variadic, least + function.variadic)
    if not least <= len(arguments) <= most:
        raise QueryError(
            ntr(
                "{name}: {count} argument is given, it takes {least}",
                "{name}: {count} arguments are given, it takes {least}",
                len(arguments),
                name=function.name,
                least=least,
            )
            if least == most
            else ntr(
                "{name}: {count} argument is given",
                "{name}: {count} arguments are given",
                len(arguments),
                name=function.name,
            )
        )
    for place, argument in enumerate(arguments):
        wanted = function.takes[min(place, len(function.takes) - 1)]
        if kind(argument) != wanted:
            _refuse_kind(function.name, argument, wanted)


def _refuse_kind(where: str, node: Node, wanted: str) -> None:
    raise QueryError(
        tr("expected type {wanted} in call to function {where}, got {got}", wanted=wanted, where=where, got=kind(node))
    )


def _aggregation(parsed: Any, inner: Inner) -> Aggregation:
    op = str(parsed.op)
    if op not in OPERATORS:
        raise QueryError(tr("aggregation {name} is not supported", name=op), word=op)
    without, names = False, ()
    if parsed.modifier is not None:
        without, names = _last_word(parsed.modifier.type) == "Without", tuple(parsed.modifier.labels)
    parameter = None if parsed.param is None else inner(parsed.param)
    return Aggregation(op, inner(parsed.expr), parameter, Grouping(without, names))


def _binary(parsed: Any, inner: Inner) -> Operation:
    as_bool, matching = False, Matching(on=False, names=())
    if parsed.modifier is not None:
        as_bool, matching = bool(parsed.modifier.return_bool), _matching(parsed.modifier)
    operation = Operation(str(parsed.op), inner(parsed.lhs), inner(parsed.rhs), as_bool, matching)
    if matching.fill_many is not None or matching.fill_one is not None:
        both = kind(operation.left) == kind(operation.right) == "vector"
        if not both or operation.op in SETS:
            raise QueryError(tr("fill: only between instant vectors, and not with set operators"), word="fill")
    return operation


def _matching(modifier: Any) -> Matching:
    on, names = False, ()
    if modifier.matching is not None:
        on, names = _last_word(modifier.matching.type) == "Include", tuple(modifier.matching.labels)
    fill = modifier.fill_values
    return Matching(
        on,
        names,
        _MANY.get(_last_word(modifier.card), ""),
        tuple(modifier.group_labels or ()),
        None if fill is None else fill.lhs,
        None if fill is None else fill.rhs,
    )


def _last_word(value: object) -> str:
    """The name of an enumeration's member, which shows as ``MatchOp.Equal``."""
    return str(value).rpartition(".")[2]


_COMPARISONS: Final[dict[str, Comparison]] = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_BUILDERS: Final[dict[str, Callable[[Any, Inner], Node]]] = {
    "NumberLiteral": lambda parsed, _: Number(parsed.val),
    "StringLiteral": lambda parsed, _: Text(parsed.val),
    "ParenExpr": lambda parsed, inner: inner(parsed.expr),
    "UnaryExpr": lambda parsed, inner: Negative(inner(parsed.expr)),
    "VectorSelector": lambda parsed, _: _selector(parsed, None),
    "MatrixSelector": lambda parsed, _: _selector(parsed.vector_selector, _ms(parsed.range)),
    "SubqueryExpr": _subquery,
    "Call": _call,
    "AggregateExpr": _aggregation,
    "BinaryExpr": _binary,
}


def _refuse_new_names(node: Node) -> None:
    names: Iterable[str] = ()
    match node:
        case Aggregation():
            names = node.grouping.names
        case Operation():
            names = (*node.matching.names, *node.matching.include)
    for name in names:
        if not LABEL_NAME.fullmatch(name):
            raise QueryError(tr("invalid label name {name}", name=repr(name)), word=name)


def register_old_functions() -> None:
    """Tells the parser of the functions that it does not know and Prometheus 2 has."""
    types = promql_parser.ValueType
    promql_parser.register_extra_functions(
        [promql_parser.Function("holt_winters", [types.Matrix, types.Scalar, types.Scalar], types.Vector)]
    )


register_old_functions()
