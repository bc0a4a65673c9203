"""Matchers of labels: the four operators, whole values, RE2's limits; and groups filled into a replacement."""

from __future__ import annotations

import gc
import math
import re
from operator import eq, ne

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.core.errors import UsageError
from lilfox_tui.scrape.labels import (
    Comparison,
    LabelSet,
    Matcher,
    duration_text,
    expand_groups,
    matches,
    openmetrics_number,
    parse_duration,
)


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


# Durations are read as Prometheus reads them.


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("1ms", 1),
        ("90s", 90_000),
        ("1h30m", 5_400_000),
        ("1w2d", 777_600_000),
        ("1y", 31_536_000_000),
        ("00s", 0),
    ],
)
def test_a_duration_is_read(text: str, milliseconds: int) -> None:
    assert parse_duration(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty duration string"),
        ("90", 'not a valid duration string: "90"'),
        ("30m1h", 'not a valid duration string: "30m1h"'),
        ("1.5h", 'unknown unit "." in duration "1.5h"'),
        ("1h 30m", 'unknown unit "h " in duration "1h 30m"'),
        ("5\n", r'unknown unit "\n" in duration "5\n"'),
        ("293y", "duration out of range"),
        ("٣s", 'not a valid duration string: "٣s"'),
    ],
)
def test_what_is_none_is_refused_in_the_words_of_prometheus(text: str, reason: str) -> None:
    with pytest.raises(ValueError) as raised:
        parse_duration(text)
    assert str(raised.value) == reason


@pytest.mark.parametrize(
    ("milliseconds", "text", "without_days"),
    [(0, "0s", "0s"), (1, "1ms", "1ms"), (90_000, "1m30s", "1m30s"), (90_061_001, "1d1h1m1s1ms", "25h1m1s1ms")],
)
def test_writes_what_it_reads(milliseconds: int, text: str, without_days: str) -> None:
    assert (duration_text(milliseconds), duration_text(milliseconds, days=False)) == (text, without_days)
    assert parse_duration(text) == parse_duration(without_days) == milliseconds


# Numbers as Go writes them; the expected texts are Go's.


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1.0"),
        (0, "0.0"),
        (-1, "-1.0"),
        (0.005, "0.005"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (2.5, "2.5"),
        (10, "10.0"),
        (100000, "100000.0"),
        (1000000, "1e+06"),
        (1234567, "1.234567e+06"),
        (123456.5, "123456.5"),
        (1e21, "1e+21"),
        (1e-300, "1e-300"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (math.nan, "NaN"),
    ],
)
def test_writes_bounds_as_prometheus_3_does(value: float, text: str) -> None:
    assert openmetrics_number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_loses_nothing(value: float) -> None:
    assert float(openmetrics_number(value)) == value


# Label sets: equal by what they hold, whatever object they are, and nothing that a collection of garbage walks.


def test_equal_sets_are_equal_in_each_way_of_asking() -> None:
    one, same = LabelSet.of({"b": "2", "a": "1"}), LabelSet.of([("a", "1"), ("b", "2"), ("c", "")])
    other = LabelSet.of({"a": "1"})
    assert one == same
    assert ne(one, same) is False
    assert one != other
    assert eq(one, other) is False
    assert one != "a text"
    assert len({one, same, other}) == 2
    assert one.without({"b"}) == other


def test_no_collection_of_garbage_walks_them() -> None:
    assert not gc.is_tracked(LabelSet.of({"a": "1"}))


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        ({"__name__": "up", "job": "n"}, 'up{job="n"}'),
        ({"__name__": "up"}, "up"),
        ({}, "{}"),
        ({"a": 'x"\\\n'}, '{a="x\\"\\\\\\n"}'),
    ],
)
def test_is_written_as_promql_has_it(labels: dict[str, str], text: str) -> None:
    assert str(LabelSet.of(labels)) == text
