"""Checks on rules beside their expressions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lilfox_tui.alerts.lint.known import name_of
from lilfox_tui.alerts.lint.query_checks import threshold
from lilfox_tui.alerts.lint.warning import Remark
from lilfox_tui.alerts.model import SAYING
from lilfox_tui.alerts.rule import Rule
from lilfox_tui.i18n import tr
from lilfox_tui.promql.operators import SETS
from lilfox_tui.promql.tree import Node, Operation, Selector

_VALUE = re.compile(r"\{\{[^{}]*(?:\$value\b|(?<![\w)])\.Value\b)")
_FOR = "5m"
_ONE_LOOK = re.compile(r"up|\w+_up|probe_success")


def remarks(rule: Rule) -> Iterator[Remark]:
    """What is to be said of an alert; nothing of a recording rule."""
    if rule.kind != "alert":
        return
    for label, text in rule.labels.items():
        if _VALUE.search(text):
            what = tr("label {label} follows the value: each change makes a new alert and starts for anew", label=label)
            hint = tr("put the value into an annotation; make one rule for each severity")
            yield Remark(rule.place.labels[label], "value-in-label", what, hint)
    if not rule.place.wait and _is_one_look(rule.query.tree):
        what = tr("without for, one bad look is enough for it to fire")
        yield Remark(rule.line, "no-for", what, tr("add for: {duration}", duration=_FOR))
    if not any(rule.labels.values()):  # with others it is one that silences, or that a program takes
        what = tr("no label severity: it cannot be sorted by how bad it is, nor be told to somebody else")
        yield Remark(rule.line, "no-severity", what, tr("add {labels}", labels="labels: {severity: page}"))
    if not any(rule.annotations.get(name) for name in SAYING):
        what = tr("no annotation summary: who is told reads only its name")
        hint = tr("add {labels}", labels="annotations: {summary: '… {{ $labels.instance }}: {{ $value }}'}")
        yield Remark(rule.line, "no-summary", what, hint)


def _is_one_look(node: Node) -> bool:
    """Whether one scrape or one probe that fails decides."""
    if isinstance(node, Operation) and node.op in SETS:
        return _is_one_look(node.left)
    found = threshold(node)
    if found is None or not isinstance(found.left, Selector) or not _ONE_LOOK.fullmatch(name_of(found.left.matchers)):
        return False
    return (found.op, found.number.value) in (("==", 0.0), ("<", 1.0), ("!=", 1.0))


def twice(rules: Iterable[Rule]) -> Iterator[tuple[Rule, Remark]]:
    """Rules that have the name and the labels of one before, as ``promtool check rules`` finds them."""
    seen: dict[tuple[str, tuple[tuple[str, str], ...]], Rule] = {}
    for rule in rules:
        key = rule.name, tuple(sorted(rule.labels.items()))
        first = seen.setdefault(key, rule)
        if first is not rule:
            what = tr("the rule in line {line} has the same name and labels", line=first.line)
            yield rule, Remark(rule.line, "twice", what, tr("give it another name, or a label that tells them apart"))
