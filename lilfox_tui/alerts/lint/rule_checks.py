"""Checks on rules beside their expressions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lilfox_tui.alerts.lint.warning import Remark
from lilfox_tui.alerts.rule import Rule
from lilfox_tui.i18n import tr

_VALUE = re.compile(r"\{\{[^{}]*(?:\$value\b|(?<![\w)])\.Value\b)")
_FOR = "5m"


def remarks(rule: Rule) -> Iterator[Remark]:
    """What is to be said of an alert; nothing of a recording rule."""
    if rule.kind != "alert":
        return
    for label, text in rule.labels.items():
        if _VALUE.search(text):
            what = tr("label {label} follows the value: each change makes a new alert and starts for anew", label=label)
            hint = tr("put the value into an annotation; make one rule for each severity")
            yield Remark(rule.place.labels[label], "value-in-label", what, hint)
    if not rule.for_s:
        what = tr("without for, one bad look is enough for it to fire")
        yield Remark(rule.line, "no-for", what, tr("add for: {duration}", duration=_FOR))
    if not rule.labels.get("severity"):
        what = tr("no label severity: it cannot be sorted by how bad it is, nor be told to somebody else")
        yield Remark(rule.line, "no-severity", what, tr("add {labels}", labels="labels: {severity: page}"))
    if not rule.annotations.get("summary"):
        what = tr("no annotation summary: who is told reads only its name")
        hint = tr("add {labels}", labels="annotations: {summary: '… {{ $labels.instance }}: {{ $value }}'}")
        yield Remark(rule.line, "no-summary", what, hint)


def twice(rules: Iterable[Rule]) -> Iterator[tuple[Rule, Remark]]:
    """Rules that have the name and the labels of one before, as ``promtool check rules`` finds them."""
    seen: dict[tuple[str, tuple[tuple[str, str], ...]], Rule] = {}
    for rule in rules:
        key = rule.name, tuple(sorted(rule.labels.items()))
        first = seen.setdefault(key, rule)
        if first is not rule:
            what = tr("the rule in line {line} has the same name and labels", line=first.line)
            yield rule, Remark(rule.line, "twice", what, tr("give it another name, or a label that tells them apart"))
