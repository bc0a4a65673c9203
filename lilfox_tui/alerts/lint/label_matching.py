"""Binary operators whose sides have no labels in common that could be equal, as far as the expression tells."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct

from lilfox_tui.alerts.lint.model import Remark, name_of, walk
from lilfox_tui.alerts.rules import Rule
from lilfox_tui.i18n import Message, tr
from lilfox_tui.promql.tree import (
    Aggregation,
    BinaryOperation,
    FunctionApplication,
    Negation,
    Node,
    Selector,
    Subquery,
    value_kind,
)
from lilfox_tui.scrape.labels import NAME

_CHANGE_LABELS = frozenset({"label_replace", "label_join", "absent", "absent_over_time", "info", "vector"})
_PICK = frozenset({"topk", "bottomk", "limitk", "limit_ratio"})
_OF_A_SCRAPE = frozenset({"instance", "job"})


class KnownLabels(Struct, frozen=True):
    """What is known of the labels of a vector: ``exactly`` the names it can have at most (None: any), ``has`` those
    that it surely has, ``fixed`` those with one value."""

    exactly: frozenset[str] | None = None
    has: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = {}

    def only(self, names: Collection[str]) -> KnownLabels:
        """With no labels but ``names``."""
        kept = frozenset(names) if self.exactly is None else self.exactly & frozenset(names)
        fixed = {name: value for name, value in self.fixed.items() if name in kept}
        return KnownLabels(kept, self.has & kept, fixed)

    def without(self, names: Collection[str]) -> KnownLabels:
        """With none of ``names``."""
        gone = frozenset(names)
        fixed = {name: value for name, value in self.fixed.items() if name not in gone}
        return KnownLabels(None if self.exactly is None else self.exactly - gone, self.has - gone, fixed)


def matching_remarks(rule: Rule, recorded: Collection[str]) -> Iterator[Remark]:
    """Operators of a rule's expression that give nothing whatever the series. Names in ``recorded`` are made by rules
    and need not have the labels of a scrape."""
    for node in walk(rule.query.tree):
        if (
            isinstance(node, BinaryOperation)
            and node.op != "or"
            and value_kind(node.left) == value_kind(node.right) == "vector"
        ):
            reason = _why_not(node, recorded)
            if reason is not None:
                what, hint = reason
                yield Remark(rule.place.expression, "cannot-match", what, hint)


def _why_not(node: BinaryOperation, recorded: Collection[str]) -> tuple[Message, Message] | None:
    left, right = known_labels(node.left, recorded), known_labels(node.right, recorded)
    names = node.matching.names
    left, right = (each.only(names) if node.matching.on else each.without(names) for each in (left, right))
    for name in sorted(left.fixed.keys() & right.fixed.keys()):
        if left.fixed[name] != right.fixed[name]:
            what = tr(
                "the sides of {op} never match: {label} is {left} to the left and {right} to the right",
                op=node.op,
                label=name,
                left=f'"{left.fixed[name]}"',
                right=f'"{right.fixed[name]}"',
            )
            return what, tr("write {op} ignoring({label})", op=node.op, label=name)
    for one, other, place in ((left, right, tr("left")), (right, left, tr("right"))):
        lacking = sorted(other.has - one.exactly) if one.exactly is not None else []
        if lacking:
            what = tr(
                "the sides of {op} never match: the {side} one has no label {label}, the other one has",
                op=node.op,
                side=place,
                label=lacking[0],
            )
            many = "group_right" if one is left else "group_left"
            common = ", ".join(sorted(one.exactly or ()))
            return what, tr("write {op} on({labels}) {many}", op=node.op, labels=common, many=many)
    return None


def known_labels(node: Node, recorded: Collection[str]) -> KnownLabels:
    """What an expression tells of the labels of its result, ``__name__`` left away."""
    if isinstance(node, Selector):
        return _of_selector(node, recorded)
    if isinstance(node, Negation | Subquery):
        return known_labels(node.inner, recorded)
    if isinstance(node, Aggregation):
        inner = known_labels(node.inner, recorded)
        if node.op in _PICK:
            return inner
        if node.op == "count_values":
            return KnownLabels()
        return inner.without(node.grouping.names) if node.grouping.without else inner.only(node.grouping.names)
    if isinstance(node, FunctionApplication):
        return _of_function(node, recorded)
    if isinstance(node, BinaryOperation):
        return _of_operation(node, recorded)
    return KnownLabels()


def _of_operation(node: BinaryOperation, recorded: Collection[str]) -> KnownLabels:
    vectors = [each for each in (node.left, node.right) if value_kind(each) == "vector"]
    if len(vectors) == 1 or node.op in ("and", "unless"):
        return known_labels(vectors[0], recorded)
    if node.op == "or" or node.matching.many or not vectors:
        return KnownLabels()
    left, names = known_labels(node.left, recorded), node.matching.names
    return left.only(names) if node.matching.on else left.without(names)


def _of_selector(node: Selector, recorded: Collection[str]) -> KnownLabels:
    fixed = {each.name: each.value for each in node.matchers if each.op == "=" and each.value and each.name != NAME}
    name = name_of(node.matchers)
    is_scraped = bool(name) and ":" not in name and name not in recorded and not name.startswith("ALERTS")
    empty = {each.name for each in node.matchers if each.op == "=" and not each.value}
    return KnownLabels(None, (_OF_A_SCRAPE if is_scraped else frozenset()) - empty | fixed.keys(), fixed)


def _of_function(node: FunctionApplication, recorded: Collection[str]) -> KnownLabels:
    vectors = [each for each in node.arguments if value_kind(each) in ("vector", "matrix")]
    if len(vectors) != 1 or node.function.name in _CHANGE_LABELS:
        return KnownLabels()
    inner = known_labels(vectors[0], recorded)
    return inner.without(("le",)) if node.function.name.startswith("histogram_") else inner
