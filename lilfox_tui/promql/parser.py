"""Parses a query: first rejects what is not supported, then converts the parser library's tree to ours with Prometheus'
checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from itertools import pairwise
from math import isinf
from typing import Any, Final

import promql_parser
from msgspec.structs import replace

from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import Message, listed, ntr, tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.promql.lexer import QueryToken, error_position, expected, position_of, tokens
from lilfox_tui.promql.operators import OPERATORS, SETS
from lilfox_tui.promql.tree import (
    Aggregation,
    BinaryOperation,
    Bound,
    Function,
    FunctionApplication,
    Grouping,
    Many,
    Matching,
    Negation,
    Node,
    NumberLiteral,
    Selector,
    Shift,
    StringLiteral,
    Subquery,
    value_kind,
)
from lilfox_tui.promql.value import Semantics
from lilfox_tui.scrape.labels import LABEL_NAME, NAME, Comparison, Matcher, label_condition

# What is refused before the parser sees it, because it would misread it, and what the parser's own words mean.


_QUOTED: Final = re.compile(r"'([^']*)'")
_UNSPECIFIC: Final = "invalid promql query"
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
    """Raise QueryError if the query is empty or contains anything that is not supported."""
    if not text.strip():
        raise QueryError(tr("the query is empty"))
    words = list(tokens(text))
    _refuse_depth(words, text)
    for before, token in pairwise([QueryToken("sign", "", 0), *words]):
        reason = _unsupported(before, token)
        if reason is not None:
            raise QueryError(reason, text=text, position=token.position)
    _refuse_durations(words, text)
    if not semantics.any_label_name:
        _refuse_newer(words, text)
    _refuse_functions(words, text, 3 if semantics.any_label_name else 2)


def _refuse_depth(words: list[QueryToken], text: str) -> None:
    """Refuse deep nesting: the parser recurses as deeply as the query, and kills the process if its stack overflows."""
    opened = braces = operators = 0
    for token in words:
        opened += {"open": 1, "close": -1}.get(token.sort, 0)
        braces += {"{": 1, "}": -1}.get(token.text, 0)
        operators += not braces and (token.sort == "sign" or token.text in _WORDS) and token.text not in _NO_LEVEL
        if opened > _MOST_OPEN or operators > _MOST_OPERATORS:
            raise too_deep(text, token.position)


def too_deep(text: str, position: int | None = None) -> QueryError:
    """Return the error for a query with too many levels."""
    return QueryError(tr("the query is nested too deeply"), text=text, position=position)


def _unsupported(before: QueryToken, token: QueryToken) -> Message | None:
    if token.text in ("</", ">/"):
        return tr("the trim operators </ and >/ need native histograms, which are not supported")
    if token.text in ("anchored", "smoothed") and before.sort in _VALUE_ENDS and before.text not in ("by", "without"):
        return tr("the modifier {name} (extended range selectors) is not supported", name=token.text)
    if before.text.lower() == "offset" and token.text == "(":
        return tr("arithmetic with durations after offset is not supported")
    if before.text == "@" and token.text == "-":
        return tr("times before 1970 are not supported after @")
    if token.sort == "number" and not token.is_duration and "x" not in token.text.lower() and isinf(float(token.text)):
        return tr("the number is out of range")
    return None


def _refuse_durations(words: list[QueryToken], text: str) -> None:
    """Refuse durations so long that the parser aborts or reads only part of them, and durations below 1 ms, which would
    count as nothing."""
    for place, token in enumerate(words):
        if token.sort != "number" and token.text.lower() not in ("nan", "inf"):
            continue
        seconds = token.seconds if token.is_duration or _wants_duration(words, place) else 1.0
        if not 0.001 <= seconds <= _LONGEST_S and seconds != 0:
            raise QueryError(tr("the duration is out of range"), text=text, position=token.position)


def _refuse_newer(words: list[QueryToken], text: str) -> None:
    """Refuse syntax of Prometheus 3: in Prometheus 2 a duration is not a number, a number is not a duration, and
    grouping labels are not quoted."""
    for place, token in enumerate(words):
        if token.sort == "number" and _wants_duration(words, place) != token.is_duration:
            reason = tr("Prometheus 2 accepts neither a number as a duration nor a duration as a number")
            raise QueryError(reason, text=text, position=token.position)
    grouping = False
    for before, token in pairwise(words):
        grouping = (grouping and before.text != ")") or (before.text.lower() in _GROUPING and token.text == "(")
        if grouping and token.sort == "string":
            raise QueryError(tr("Prometheus 2 accepts no quoted label here"), text=text, position=token.position)


def _wants_duration(words: list[QueryToken], place: int) -> bool:
    """Return whether a duration is expected at ``place``: in brackets, or after ``offset``."""
    before = words[max(0, place - 3) : place]
    if before and before[-1].text in ("[", ":"):
        return True
    if len(before) > 1 and before[-1].text in ("-", "+"):
        before.pop()
    if len(before) < 2 or before[-1].text.lower() != "offset":
        return False
    return before[-2].sort in _VALUE_ENDS and before[-2].text.lower() not in _WORDS


def _refuse_functions(words: list[QueryToken], text: str, version: int) -> None:
    """Refuse functions, aggregations and modifiers that this version lacks: some were added or renamed between
    versions."""
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
    """Return the parser's error, with its position if that can be found, and what was expected there."""
    said, hint = tr("parse error: {reason}", reason=reason), _advice(reason)
    position = error_position(text)
    if position is None:
        quoted = _QUOTED.search(reason)
        position = position_of(text, quoted[1]) if quoted else None
        return QueryError(said, hint, text=text, position=position)
    if (what := expected(text, position)) is not None:
        hint = what
    if reason == _UNSPECIFIC:
        token = next((each.text for each in tokens(text) if each.position == position), "")
        said = (
            tr("parse error: unexpected {token}", token=token) if token else tr("parse error: the query is incomplete")
        )
    return QueryError(said, hint, text=text, position=position)


def _advice(reason: str) -> Message | str:
    """What to do about an error that has no position of its own."""
    if reason.startswith("unknown function") and (quoted := _QUOTED.search(reason)):
        near = get_close_matches(quoted[1], [*FUNCTIONS, *OPERATORS], n=3)
        return tr("Similar functions: {names}.", names=listed(near)) if near else ""
    if reason.startswith("expected type matrix"):
        return tr("Add a range to the selector, such as {example}.", example="[5m]")
    return ""


# From the parser's tree to ours (:mod:`lilfox_tui.promql.tree`), with what Prometheus checks and the parser not.


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BOUNDS: Final[dict[str, Bound]] = {"Start": "start", "End": "end"}
_MANY: Final[dict[str, Many]] = {"ManyToOne": "left", "OneToMany": "right"}


def build_tree(parsed: Any, semantics: Semantics) -> Node:
    """Convert ``parsed`` (a ``promql_parser.Expr``) to our tree. Raises QueryError for what is not supported and for
    what Prometheus refuses."""
    node = _BUILDERS[type(parsed).__name__](parsed, lambda inner: build_tree(inner, semantics))
    if not semantics.any_label_name:
        _refuse_new_names(node)
    if isinstance(node, Selector) and not semantics.dot_takes_newline:
        return replace(node, matchers=tuple(map(_without_newlines, node.matchers)))
    return node


def _without_newlines(matcher: Matcher) -> Matcher:
    """Return the matcher changed so that a ``.`` in its pattern does not match newlines."""
    if "~" not in matcher.op or "." not in matcher.value:
        return matcher
    return matcher._replace(value=f"(?-s:{matcher.value})")


Inner = Callable[[Any], Node]


def _selector(parsed: Any, range_ms: int | None) -> Selector:
    if parsed.matchers.or_matchers:
        raise QueryError(
            tr("'or' between label matchers is a VictoriaMetrics extension and is not supported"), word="or"
        )
    matchers = tuple(Matcher(one.name, _COMPARISONS[_last_word(one.op)], one.value) for one in parsed.matchers.matchers)
    if parsed.name is not None:
        matchers = (Matcher(NAME, "=", parsed.name), *matchers)
    _check_matchers(matchers)
    return Selector(matchers, _shift(parsed), range_ms)


def _check_matchers(matchers: tuple[Matcher, ...]) -> None:
    try:
        conditions = [label_condition(matcher.op, matcher.value) for matcher in matchers]
    except UsageError as error:
        raise QueryError(error.message, error.hint) from None
    if all(condition("") for condition in conditions):
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


def _call(parsed: Any, inner: Inner) -> FunctionApplication:
    function = FUNCTIONS.get(parsed.func.name)
    if function is None:
        raise QueryError(tr("function {name} is not supported", name=parsed.func.name), word=parsed.func.name)
    arguments = tuple(inner(argument) for argument in parsed.args)
    _check_arguments(function, arguments)
    return FunctionApplication(function, arguments)


def _check_arguments(function: Function, arguments: tuple[Node, ...]) -> None:
    """Check arguments like Prometheus' parser (promql/parser/parse.go, checkAST)."""
    least = len(function.takes) - (1 if function.variadic else 0)
    most = {0: len(function.takes), -1: len(arguments)}.get(function.variadic, least + function.variadic)
    if not least <= len(arguments) <= most:
        raise QueryError(
            ntr(
                "{name}: {count} argument given, expected {least}",
                "{name}: {count} arguments given, expected {least}",
                len(arguments),
                name=function.name,
                least=least,
            )
            if least == most
            else ntr(
                "{name}: wrong number of arguments: {count}",
                "{name}: wrong number of arguments: {count}",
                len(arguments),
                name=function.name,
            )
        )
    for place, argument in enumerate(arguments):
        wanted = function.takes[min(place, len(function.takes) - 1)]
        if value_kind(argument) != wanted:
            _refuse_kind(function.name, argument, wanted)


def _refuse_kind(where: str, node: Node, wanted: str) -> None:
    raise QueryError(
        tr(
            "expected type {wanted} in call to function {where}, got {got}",
            wanted=wanted,
            where=where,
            got=value_kind(node),
        )
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


def _binary(parsed: Any, inner: Inner) -> BinaryOperation:
    as_bool, matching = False, Matching(on=False, names=())
    if parsed.modifier is not None:
        as_bool, matching = bool(parsed.modifier.return_bool), _matching(parsed.modifier)
    operation = BinaryOperation(str(parsed.op), inner(parsed.lhs), inner(parsed.rhs), as_bool, matching)
    if matching.fill_many is not None or matching.fill_one is not None:
        both = value_kind(operation.left) == value_kind(operation.right) == "vector"
        if not both or operation.op in SETS:
            raise QueryError(tr("fill works only between instant vectors, and not with set operators"), word="fill")
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
    """Return the name of an enumeration member such as ``MatchOp.Equal``."""
    return str(value).rpartition(".")[2]


_COMPARISONS: Final[dict[str, Comparison]] = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_BUILDERS: Final[dict[str, Callable[[Any, Inner], Node]]] = {
    "NumberLiteral": lambda parsed, _: NumberLiteral(parsed.val),
    "StringLiteral": lambda parsed, _: StringLiteral(parsed.val),
    "ParenExpr": lambda parsed, inner: inner(parsed.expr),
    "UnaryExpr": lambda parsed, inner: Negation(inner(parsed.expr)),
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
        case BinaryOperation():
            names = (*node.matching.names, *node.matching.include)
    for name in names:
        if not LABEL_NAME.fullmatch(name):
            raise QueryError(tr("invalid label name {name}", name=repr(name)), word=name)


def register_old_functions() -> None:
    """Register functions of Prometheus 2 that the parser does not know."""
    types = promql_parser.ValueType
    promql_parser.register_extra_functions(
        [promql_parser.Function("holt_winters", [types.Matrix, types.Scalar, types.Scalar], types.Vector)]
    )


register_old_functions()
