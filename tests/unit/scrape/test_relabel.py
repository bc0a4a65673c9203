"""Relabelling rules: each action, and what Prometheus refuses."""

from __future__ import annotations

import pytest

from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.scrape.target import RelabelRule, relabelled

LABELS = {"__name__": "m", "a": "foo", "b": "bar", "c": "baz", "empty_b": "bar"}


def _replace(sources: tuple[str, ...], regex: str, target: str, replacement: str) -> RelabelRule:
    return RelabelRule(source_labels=sources, regex=regex, target_label=target, replacement=replacement)


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        (_replace(("a",), "f(.*)", "d", "ch${1}-ch$1"), {"d": "choo-choo"}),
        (_replace(("a", "b"), "f(.*);(.*)r", "a", "b${1}${2}m"), {"a": "boobam"}),
        (_replace(("a",), "f(o)o", "d", "$1x|"), {"d": "|"}),
        (_replace(("a",), "(?P<x>f)oo", "d", "$x$$ $nosuch.$9"), {"d": "f$ ."}),
        (_replace(("a",), "f(o)o", "d", "<$01$²>"), {"d": "<>"}),  # a number does not begin with 0, nor is ² one
        (RelabelRule(source_labels=("a",), regex="no", target_label="a", replacement="x"), {}),
        (RelabelRule(source_labels=("a",), regex="fo", target_label="a", replacement="x"), {}),
        (RelabelRule(target_label="d", replacement="fixed"), {"d": "fixed"}),
        (RelabelRule(source_labels=("nosuch",), target_label="a"), {"a": None}),
        (RelabelRule(source_labels=("a",), regex="(f).*", target_label="x_$1", replacement="y"), {"x_f": "y"}),
        (RelabelRule(source_labels=("a",), target_label="${1}-bad"), {}),
        (RelabelRule(source_labels=("a", "b"), separator="", target_label="d"), {"d": "foobar"}),
        (RelabelRule("labelmap", regex="(b|c)", replacement="new_$1"), {"new_b": "bar", "new_c": "baz"}),
        (RelabelRule("labeldrop", regex="b|c"), {"b": None, "c": None}),
        (RelabelRule("labelkeep", regex="__name__|a"), {"b": None, "c": None, "empty_b": None}),
        (RelabelRule("lowercase", source_labels=("a",), target_label="d"), {"d": "foo"}),
        (RelabelRule("uppercase", source_labels=("a",), target_label="d"), {"d": "FOO"}),
        (RelabelRule("hashmod", source_labels=("c",), separator=";", modulus=1000, target_label="d"), {"d": "976"}),
    ],
)  # fmt: skip
def test_changes_labels(rule: RelabelRule, changed: dict[str, str | None]) -> None:
    if "-bad" not in rule.target_label:
        rule.check()
    expected = {**LABELS, **{name: value for name, value in changed.items() if value is not None}}
    for name, value in changed.items():
        if value is None:
            del expected[name]
    assert relabelled([rule], dict(LABELS)) == expected


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (RelabelRule("keep", source_labels=("a",), regex="f.*"), True),
        (RelabelRule("keep", source_labels=("a",), regex="f"), False),
        (RelabelRule("drop", source_labels=("a",), regex="f.*"), False),
        (RelabelRule("drop", source_labels=("a",), regex="o"), True),
        (RelabelRule("keepequal", source_labels=("b",), target_label="empty_b"), True),
        (RelabelRule("keepequal", source_labels=("b",), target_label="a"), False),
        (RelabelRule("dropequal", source_labels=("b",), target_label="empty_b"), False),
        (RelabelRule("dropequal", source_labels=("b",), target_label="a"), True),
    ],
)
def test_chooses_label_sets(rule: RelabelRule, kept: bool) -> None:
    rule.check()
    assert (relabelled([rule], dict(LABELS)) is not None) is kept


def test_applies_rules_in_their_order_and_stops_at_a_drop() -> None:
    labels = {"a": "foo"}
    rules = [
        RelabelRule(target_label="b", replacement="x"),
        RelabelRule("drop", source_labels=("b",), regex="x"),
        RelabelRule(target_label="c", replacement="y"),
    ]
    assert relabelled(rules, labels) is None
    assert "c" not in labels


@pytest.mark.parametrize(
    "rule",
    [
        RelabelRule(regex="("),
        RelabelRule(),
        RelabelRule("hashmod", target_label="d"),
        RelabelRule("lowercase", source_labels=("a",)),
        RelabelRule("uppercase", source_labels=("a",), target_label="${1}"),
        RelabelRule(target_label="a-b"),
        RelabelRule("labelmap", replacement="-"),
        RelabelRule("labeldrop", source_labels=("a",), regex="b"),
        RelabelRule("labelkeep", regex="b", target_label="c"),
        RelabelRule("keepequal", source_labels=("a",), target_label="b", regex="x"),
        RelabelRule("dropequal", source_labels=("a",)),
    ],
)
def test_refuses_what_prometheus_refuses(rule: RelabelRule) -> None:
    with pytest.raises(LilFoxError):
        rule.check()
