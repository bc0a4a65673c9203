"""The syntax tree of a query, and the form of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

from lilfox_tui.promql.value import Semantics, Vector
from lilfox_tui.scrape.labels import Matcher
from lilfox_tui.scrape.store import Floats, Times

# How the functions of PromQL are written: see :class:`Function`.


ValueKind: TypeAlias = Literal["vector", "scalar", "matrix", "string"]


class FunctionCall(NamedTuple):
    """The context of a function on whole vectors, besides its arguments."""

    at_ms: int
    """The evaluation's time."""
    semantics: Semantics
    matchers: tuple[Matcher, ...] | None
    """Of the first argument where that is nothing but a selector of an instant or a range (in parentheses or not)."""
    sample_times: Times | None
    """When the first argument's samples were taken, where that is nothing but an instant selector."""


class Function(Struct, frozen=True):
    """One function of PromQL.

    ``shape`` says how ``kernel`` is called; the evaluator has checked the arguments' number and kinds before:

    ``each``       ``kernel(values: Floats, *scalars: float) -> Floats`` of the same length: one vector and scalars.
    ``over_time``  ``kernel(span: EvaluationRange, times: Times, values: Floats, *scalars: float) -> Floats | None`` for
                   each :class:`~lilfox_tui.promql.value.SampleBlock`: one value a column, or None where its number of
                   samples gives no value. ``scalars`` are the arguments beside the range vector, in their order.
    ``whole``      ``kernel(call: FunctionCall, *arguments) -> Vector | float``: all else; arguments are Vector, float,
                   str or :class:`~lilfox_tui.promql.value.RangeVector`. Optional ones that are not given are left out.

    Of ``each`` and ``over_time`` the evaluator drops ``__name__`` unless ``keeps_name``; ``whole`` sees to it itself
    (:func:`lilfox_tui.promql.value.nameless`). Labels that are there twice in a result are the evaluator's error.
    A kernel never writes into its arguments, and calculates without numpy's warnings (the evaluator has them off).
    """

    name: str
    takes: tuple[ValueKind, ...]
    gives: ValueKind
    shape: Literal["each", "over_time", "whole"]
    kernel: Callable[..., Floats | Vector | float | None]
    variadic: int = 0
    """As in Prometheus' parser: 0, all arguments of ``takes`` must be there; n > 0, from one less to n - 1 more; -1,
    from one less to any number."""
    keeps_name: bool = False
    only: Literal[2, 3] | None = None
    """The version of Prometheus that alone has it."""


Bound: TypeAlias = Literal["start", "end"]
Many: TypeAlias = Literal["", "left", "right"]


class Shift(NamedTuple):
    """``offset`` and ``@``: the time that a selector reads, in milliseconds."""

    offset_ms: int
    at: int | Bound | None


class NumberLiteral(Struct, frozen=True):
    value: float


class StringLiteral(Struct, frozen=True):
    value: str


class Selector(Struct, frozen=True):
    """An instant selector, or a range selector if ``range_ms`` is set."""

    matchers: tuple[Matcher, ...]
    shift: Shift
    range_ms: int | None


class Subquery(Struct, frozen=True):
    """A subquery; ``step_ms`` is None if the query gives no step, and the default step applies."""

    inner: Node
    range_ms: int
    step_ms: int | None
    shift: Shift


class FunctionApplication(Struct, frozen=True):
    """A function and its arguments."""

    function: Function
    arguments: tuple[Node, ...]


class Grouping(NamedTuple):
    """``by`` or ``without`` some labels."""

    without: bool
    names: tuple[str, ...]


class Aggregation(Struct, frozen=True):
    """An aggregation; ``op`` is the operator's name, ``parameter`` that of topk, quantile and the like."""

    op: str
    inner: Node
    parameter: Node | None
    grouping: Grouping


class Matching(NamedTuple):
    """How elements of two vectors are matched."""

    on: bool
    names: tuple[str, ...]
    many: Many = ""
    """The side of which several elements may belong to one of the other (``group_left``: left). Where it is none, the
    left one is taken for it."""
    include: tuple[str, ...] = ()
    """Labels that the result takes from the side of one."""
    fill_many: float | None = None
    """What stands for a missing element of the side of many (``fill_left``, with ``group_right`` too)."""
    fill_one: float | None = None
    """What stands for a missing element of the side of one (``fill_right``)."""


class BinaryOperation(Struct, frozen=True):
    """A binary operator. ``as_bool``: a comparison gives 0 and 1 and filters nothing."""

    op: str
    left: Node
    right: Node
    as_bool: bool
    matching: Matching


class Negation(Struct, frozen=True):
    inner: Node


Node: TypeAlias = (
    NumberLiteral | StringLiteral | Selector | Subquery | FunctionApplication | Aggregation | BinaryOperation | Negation
)


def value_kind(node: Node) -> ValueKind:
    """Return the type of a node's value."""
    match node:
        case NumberLiteral():
            return "scalar"
        case StringLiteral():
            return "string"
        case Selector():
            return "vector" if node.range_ms is None else "matrix"
        case Subquery():
            return "matrix"
        case FunctionApplication():
            return node.function.gives
        case Aggregation():
            return "vector"
        case BinaryOperation():
            return "scalar" if value_kind(node.left) == value_kind(node.right) == "scalar" else "vector"
        case Negation():
            return value_kind(node.inner)


def children(node: Node) -> tuple[Node, ...]:
    """Return the direct child nodes, in the order of the text."""
    match node:
        case NumberLiteral() | StringLiteral() | Selector():
            return ()
        case Subquery() | Negation():
            return (node.inner,)
        case FunctionApplication():
            return node.arguments
        case Aggregation():
            return (node.inner,) if node.parameter is None else (node.parameter, node.inner)
        case BinaryOperation():
            return (node.left, node.right)
