"""Relabelling: rules that change, choose or drop label sets, as Prometheus has them (its model/relabel/relabel.go).

https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Literal, get_args

from msgspec import Struct

from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import listed, tr
from lilfox_tui.scrape.labels import LABEL_NAME, anchored_pattern, expand_groups

Action = Literal[
    "replace", "keep", "drop", "keepequal", "dropequal", "hashmod", "labelmap", "labeldrop", "labelkeep",
    "lowercase", "uppercase",
]  # fmt: skip
ACTIONS: tuple[Action, ...] = get_args(Action)
_ANYTHING = "(.*)"
_WHOLE = "$1"
_TARGET = re.compile(r"(?:[a-zA-Z_]|\$(?:\{\w++\}|\w++))(?:\w|\$(?:\{\w++\}|\w++))*+", re.ASCII)


class RelabelRule(Struct, frozen=True):
    """One rule; the fields are Prometheus'."""

    action: Action = "replace"
    source_labels: tuple[str, ...] = ()
    separator: str = ";"
    regex: str = _ANYTHING
    modulus: int = 0
    target_label: str = ""
    replacement: str = _WHOLE

    def check(self) -> None:
        """Raises LilFoxError that says why Prometheus would refuse the rule."""
        anchored_pattern(self.regex)
        if self.action == "hashmod" and not self.modulus:
            raise LilFoxError(tr("hashmod needs a modulus"))
        if self.action in _WITH_TARGET and not self.target_label:
            raise LilFoxError(tr("{action} needs a target_label", action=self.action))
        if self.action in _WITH_TARGET:
            fits = _TARGET if self.action == "replace" else LABEL_NAME
            if not fits.fullmatch(self.target_label):
                raise LilFoxError(tr("{name} cannot be the name of a label", name=self.target_label))
        if self.action == "labelmap" and not _TARGET.fullmatch(self.replacement):
            raise LilFoxError(tr("{name} cannot be the name of a label", name=self.replacement))
        allowed = _ONLY.get(self.action)
        if allowed is not None and any(
            getattr(self, name) != getattr(RelabelRule(), name)
            for name in self.__struct_fields__
            if name not in ("action", *allowed)
        ):
            raise LilFoxError(tr("{action} takes only {fields}", action=self.action, fields=listed(allowed)))


_WITH_TARGET = frozenset({"replace", "hashmod", "lowercase", "uppercase", "keepequal", "dropequal"})
_ONLY: dict[str, tuple[str, ...]] = {
    "labeldrop": ("regex",),
    "labelkeep": ("regex",),
    "keepequal": ("source_labels", "target_label"),
    "dropequal": ("source_labels", "target_label"),
}


def relabelled(rules: Sequence[RelabelRule], labels: dict[str, str]) -> dict[str, str] | None:
    """``labels`` after all rules, in the order of these; None where one of them drops the set. ``labels`` itself is
    changed."""
    for rule in rules:
        if not _apply(rule, labels):
            return None
    return labels


def _apply(rule: RelabelRule, labels: dict[str, str]) -> bool:
    """Changes ``labels``; whether they are kept."""
    if rule.action in ("labelmap", "labeldrop", "labelkeep"):
        _by_name(rule, labels)
        return True
    value = rule.separator.join(labels.get(name, "") for name in rule.source_labels)
    if rule.action == "keepequal":
        return labels.get(rule.target_label, "") == value
    if rule.action == "dropequal":
        return labels.get(rule.target_label, "") != value
    if rule.action == "lowercase":
        _set(labels, rule.target_label, value.lower())
    elif rule.action == "uppercase":
        _set(labels, rule.target_label, value.upper())
    elif rule.action == "hashmod":
        digest = hashlib.md5(value.encode("utf-8", "surrogateescape"), usedforsecurity=False).digest()
        _set(labels, rule.target_label, str(int.from_bytes(digest[8:], "big") % rule.modulus))
    else:
        return _by_value(rule, labels, value)
    return True


def _by_value(rule: RelabelRule, labels: dict[str, str], value: str) -> bool:
    match = anchored_pattern(rule.regex).fullmatch(value)
    if rule.action == "keep":
        return match is not None
    if rule.action == "drop":
        return match is None
    if match is not None:
        target = expand_groups(rule.target_label, match)
        if LABEL_NAME.fullmatch(target):
            _set(labels, target, expand_groups(rule.replacement, match))
    return True


def _by_name(rule: RelabelRule, labels: dict[str, str]) -> None:
    pattern = anchored_pattern(rule.regex)
    for name, value in list(labels.items()):
        match = pattern.fullmatch(name)
        if rule.action == "labelmap" and match is not None:
            _set(labels, expand_groups(rule.replacement, match), value)
        elif (rule.action == "labeldrop" and match is not None) or (rule.action == "labelkeep" and match is None):
            del labels[name]


def _set(labels: dict[str, str], name: str, value: str) -> None:
    if value:
        labels[name] = value
    else:
        labels.pop(name, None)
