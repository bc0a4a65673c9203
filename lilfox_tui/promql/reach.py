"""How far back a query looks; and the same query with a shorter sight."""

from __future__ import annotations

from msgspec.structs import replace

from lilfox_tui.promql.query import Query
from lilfox_tui.promql.tree import (
    Aggregation,
    Applied,
    Negative,
    Node,
    Number,
    Operation,
    Selector,
    Subquery,
    Text,
    children,
)

_FEWEST_STEPS = 5
"""Of a subquery that is made shorter."""


def window_ms(node: Node) -> int:
    """The longest way back through ranges, subqueries and offsets (those of plain selectors too): so long after a start
    an expression does not know all that it looks at."""
    match node:
        case Selector():
            return (node.range_ms or 0) + max(0, node.shift.offset_ms)
        case Subquery():
            return node.range_ms + max(0, node.shift.offset_ms) + window_ms(node.inner)
        case _:
            return max(map(window_ms, children(node)), default=0)


def ranges_ms(query: Query) -> tuple[int, ...]:
    """The ranges in it, shortest first, without what ``offset`` and ``@`` add: what needs more than one sample. Empty
    where the newest is enough."""
    return tuple(sorted(_ranges(query.tree)))


def looks_elsewhere(query: Query) -> bool:
    """Whether ``offset`` or ``@`` makes it look at another time than the asked one."""
    return _elsewhere(query.tree)


def within(query: Query, longest_ms: int) -> Query:
    """The same query with no range longer than ``longest_ms``, so that a rate over a young store is no part of one."""
    return Query(query.text, _shortened(query.tree, longest_ms), query.semantics)


def _shortened(node: Node, longest_ms: int) -> Node:
    match node:
        case Number() | Text():
            return node
        case Selector():
            return node if node.range_ms is None else replace(node, range_ms=min(node.range_ms, longest_ms))
        case Subquery():
            step_ms = node.step_ms
            if node.range_ms > longest_ms:
                step_ms = max(1, min(step_ms or longest_ms, longest_ms // _FEWEST_STEPS))
            inner = _shortened(node.inner, longest_ms)
            return replace(node, inner=inner, range_ms=min(node.range_ms, longest_ms), step_ms=step_ms)
        case Negative():
            return replace(node, inner=_shortened(node.inner, longest_ms))
        case Applied():
            return replace(node, arguments=tuple(_shortened(one, longest_ms) for one in node.arguments))
        case Aggregation():
            parameter = None if node.parameter is None else _shortened(node.parameter, longest_ms)
            return replace(node, inner=_shortened(node.inner, longest_ms), parameter=parameter)
        case Operation():
            return replace(node, left=_shortened(node.left, longest_ms), right=_shortened(node.right, longest_ms))


def _ranges(node: Node) -> list[int]:
    found = [one for child in children(node) for one in _ranges(child)]
    if isinstance(node, Selector | Subquery) and node.range_ms is not None:
        found.append(node.range_ms)
    return found


def _elsewhere(node: Node) -> bool:
    if isinstance(node, Selector | Subquery) and (node.shift.offset_ms or node.shift.at is not None):
        return True
    return any(_elsewhere(child) for child in children(node))
