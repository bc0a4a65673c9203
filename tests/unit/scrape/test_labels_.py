"""Matchers of labels: the four operators, whole values, RE2's limits; and groups filled into a replacement."""

from __future__ import annotations

import re

import pytest

from lilfox_tui.core.errors import UsageError
from lilfox_tui.scrape.labels import Comparison, Matcher, expand_groups, matches


@pytest.mark.parametrize(
    ("op", "wanted", "value", "fits"),
    [
        ("=", "a", "a", True),
        ("=", "a", "ab", False),
        ("=", "", "", True),
        ("!=", "a", "", True),
        ("!=", "a", "a", False),
        ("=~", "a|b", "b", True),
        ("=~", "a|b", "ab", False),
        ("=~", "a|", "", True),
        ("=~", "5..", "503", True),
        ("=~", "5..", "5030", False),
        ("=~", ".*", "", True),
        ("=~", ".+", "", False),
        ("=~", "a.b", "a\nb", True),
        ("=~", "x(?i)ab", "xAB", True),
        ("=~", "a|ab", "ab", True),
        ("=~", r"\d+\.\d", "12.5", True),
        ("=~", "é+", "éé", True),
        ("!~", "5..", "200", True),
        ("!~", "5..", "503", False),
    ],
)
def test_matches_as_prometheus_does(op: Comparison, wanted: str, value: str, fits: bool) -> None:
    assert matches(Matcher("x", op, wanted), value) is fits


@pytest.mark.parametrize("pattern", ["(", "a(?=b)", "(a)\\1", "\ud800+"])
def test_names_what_re2_does_not_take(pattern: str) -> None:
    with pytest.raises(UsageError, match="regular expression"):
        matches(Matcher("x", "=~", pattern), "a")


def test_ends_at_once_on_a_pattern_that_makes_others_hang() -> None:
    assert not matches(Matcher("x", "=~", "(a*)*b|(a|aa)+c"), "a" * 5000)


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("$1-$2", "a-b"), ("${1}x", "ax"), ("$1x", ""), ("$name", "b"), ("$$1", "$1"), ("$", "$"), ("${", "${"),
        ("$3", ""), ("$01", ""), ("$0", "ab"), ("$-1", "$-1"), ("${no}", ""), ("$1$", "a$"), ("$999999999999", ""),
        ("$²", ""),
    ],
)  # fmt: skip
def test_references_in_a_replacement(template: str, result: str) -> None:
    match = re.fullmatch("(a)(?P<name>b)", "ab")
    assert match
    assert expand_groups(template, match) == result


def test_a_group_that_took_no_part_is_empty() -> None:
    match = re.fullmatch("(a)?b", "b")
    assert match
    assert expand_groups("<$1>", match) == "<>"
