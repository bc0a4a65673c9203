"""How far into the past an expression looks: so long after a start it does not know all that it knew before."""

from __future__ import annotations

from lilfox_tui.promql.tree import Node, Selector, Subquery, children


def window_ms(node: Node) -> int:
    """The longest way back through ranges, subqueries and offsets (those of plain selectors too)."""
    match node:
        case Selector():
            return (node.range_ms or 0) + max(0, node.shift.offset_ms)
        case Subquery():
            return node.range_ms + max(0, node.shift.offset_ms) + window_ms(node.inner)
        case _:
            return max(map(window_ms, children(node)), default=0)
