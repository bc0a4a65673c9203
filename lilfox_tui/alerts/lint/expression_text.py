"""Parts of a query as text again, for the corrected expressions of hints."""

from __future__ import annotations

from collections.abc import Iterator

from lilfox_tui.promql.tree import Aggregation, Node, Number, Selector, children
from lilfox_tui.scrape.durations import duration_text
from lilfox_tui.scrape.go_number import shortest
from lilfox_tui.scrape.labels import NAME, quoted
from lilfox_tui.scrape.matcher import Matcher


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def selector_text(selector: Selector, *, leave_out: str = "") -> str:
    """``name{label="value"}[5m]``, without the matchers of the label ``leave_out``; its shift in time is left away."""
    name = next((matcher.value for matcher in selector.matchers if _is_name(matcher)), "")
    rest = ", ".join(
        f"{matcher.name}{matcher.op}{quoted(matcher.value)}"
        for matcher in selector.matchers
        if not _is_name(matcher) and matcher.name != leave_out
    )
    span = "" if selector.range_ms is None else f"[{duration_text(selector.range_ms)}]"
    return f"{name}{{{rest}}}{span}" if rest or not name else name + span


def _is_name(matcher: Matcher) -> bool:
    return matcher.name == NAME and matcher.op == "="


def grouping_text(node: Aggregation) -> str:
    """``sum by (job)``, with a blank at its end."""
    names = ", ".join(node.grouping.names)
    if not names and not node.grouping.without:
        return f"{node.op}"
    return f"{node.op} {'without' if node.grouping.without else 'by'} ({names}) "


def number_text(node: Number) -> str:
    """As it would be written."""
    return shortest(node.value)
