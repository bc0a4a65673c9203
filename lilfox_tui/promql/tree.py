"""The syntax tree of a query: checked, with its functions and times resolved, without parentheses."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from msgspec import Struct

from lilfox_tui.promql.function import Function, ValueKind
from lilfox_tui.scrape.labels import Matcher

Bound: TypeAlias = Literal["start", "end"]
Many: TypeAlias = Literal["", "left", "right"]


class Shift(NamedTuple):
    """``offset`` and ``@``: the time that a selector looks at, in milliseconds."""

    offset_ms: int
    at: int | Bound | None


class NumberLiteral(Struct, frozen=True):
    value: float


class StringLiteral(Struct, frozen=True):
    value: str


class Selector(Struct, frozen=True):
    """Of an instant, or of a range where ``range_ms`` is there."""

    matchers: tuple[Matcher, ...]
    shift: Shift
    range_ms: int | None


class Subquery(Struct, frozen=True):
    """``step_ms`` is None where the query leaves it to the semantics."""

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
    """``op`` is the operator's name; ``parameter`` that of topk, quantile and the like."""

    op: str
    inner: Node
    parameter: Node | None
    grouping: Grouping


class Matching(NamedTuple):
    """Which pairs of two vectors' elements belong together."""

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
    """A binary operator. ``as_bool``: a comparison gives 0 and 1 and takes nothing away."""

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
    """What a node's value is."""
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
    """The nodes right below, in the order of the text."""
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
