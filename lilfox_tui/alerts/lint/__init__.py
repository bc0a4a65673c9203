"""Warnings about valid rules that do not do what they seem to.

``promtool check rules`` says what cannot be read; :func:`lilfox_tui.alerts.rules.read_rules` says that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from lilfox_tui.alerts.lint import checks
from lilfox_tui.alerts.lint import checks as label_matching
from lilfox_tui.alerts.lint.model import KnownSeries, Remark, RuleWarning
from lilfox_tui.alerts.rules import Rule, RuleFile

__all__ = ["KnownSeries", "RuleWarning", "lint"]


def lint(files: Sequence[RuleFile], known: KnownSeries | None = None) -> list[RuleWarning]:
    """Return the warnings about the rules of ``files``, which are loaded together: file by file, in line order.

    ``known`` are the series of the targets; without them nothing is said of selectors that select nothing.
    """
    recorded = {rule.name for file in files for group in file.groups for rule in group.rules if rule.kind == "record"}
    if known is not None:
        known = replace(known, recorded=recorded.union(known.recorded))
    found: list[RuleWarning] = []
    for file in files:
        of_file = [
            RuleWarning(file.name, remark.line, group, rule.name, remark.code, remark.what, remark.hint)
            for group, rule, remark in _remarks(file, recorded, known)
        ]
        found += sorted(of_file, key=lambda warning: warning.line)
    return found


def _remarks(file: RuleFile, recorded: set[str], known: KnownSeries | None) -> Iterator[tuple[str, Rule, Remark]]:
    for group in file.groups:
        for rule in group.rules:
            for remark in checks.query_remarks(rule, known):
                yield group.name, rule, remark
            for remark in label_matching.matching_remarks(rule, recorded):
                yield group.name, rule, remark
            for remark in checks.rule_remarks(rule):
                yield group.name, rule, remark
    groups = [(group.name, rule) for group in file.groups for rule in group.rules]
    names = {id(rule): name for name, rule in groups}
    for rule, remark in checks.duplicate_remarks(rule for _name, rule in groups):
        yield names[id(rule)], rule, remark
