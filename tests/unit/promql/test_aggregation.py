"""Aggregations: groups, NaN and infinity, exact sums, and those that pick elements."""

from __future__ import annotations

import math

import pytest

from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2, PROMETHEUS_3, Semantics
from tests.unit.promql.written import Written, at

SOURCE = Written(
    {
        'x{a="1",b="1"}': "3", 'x{a="1",b="2"}': "5", 'x{a="2",b="1"}': "NaN", 'x{a="2",b="2"}': "7",
        'exact{i="1"}': "1", 'exact{i="2"}': "1e100", 'exact{i="3"}': "1", 'exact{i="4"}': "-1e100",
        'big{i="1"}': "1e308", 'big{i="2"}': "1e308", 'big{i="3"}': "-1e308",
        'ends{i="1"}': "Inf", 'ends{i="2"}': "-Inf",
        'same{i="1"}': "1.33", 'same{i="2"}': "1.33", 'same{i="3"}': "1.33",
    }
)  # fmt: skip


def given(text: str) -> dict[str, float]:
    return at(SOURCE, text, 1)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sum by (b) (x)", {'{b="1"}': math.nan, '{b="2"}': 12.0}),
        ("sum without (b) (x)", {'{a="1"}': 8.0, '{a="2"}': math.nan}),
        ("count(x)", {"{}": 4.0}),
        ("group by (a) (x)", {'{a="1"}': 1.0, '{a="2"}': 1.0}),
        ("min(x)", {"{}": 3.0}),
        ("max by (a) (x)", {'{a="1"}': 5.0, '{a="2"}': 7.0}),
        ("max(x{b=\"1\",a=\"2\"})", {"{}": math.nan}),
        ("avg by (b) (x)", {'{b="1"}': math.nan, '{b="2"}': 6.0}),
        ("sum by (nothing) (x{a=\"1\"})", {"{}": 8.0}),
        ("sum by (__name__) (x{a=\"1\"})", {"x": 8.0}),
        ("quantile(0.5, x)", {"{}": 4.0}),
        ("quantile(0, x)", {"{}": math.nan}),
        ("quantile(-1, x)", {"{}": -math.inf}),
        ("quantile(2, x)", {"{}": math.inf}),
        ("stddev(x{a=\"1\"})", {"{}": 1.0}),
        ("stdvar(same)", {"{}": 0.0}),
        ("sum(nothing)", {}),
    ],
)  # fmt: skip
def test_one_value_a_group(text: str, found: dict[str, float]) -> None:
    assert given(text) == pytest.approx(found, nan_ok=True)


def test_sums_lose_nothing_to_rounding() -> None:
    assert given("sum(exact)") == {"{}": 2.0}
    assert given("avg(exact)") == {"{}": 0.5}
    assert at(SOURCE, "sum(exact)", 1, PROMETHEUS_2) == {"{}": 0.0}


def test_sums_that_run_over() -> None:
    assert given("sum(big)") == {"{}": math.inf}
    assert given("avg(big)") == {"{}": pytest.approx(1e308 / 3)}
    assert math.isnan(given("sum(ends)")["{}"])
    assert math.isnan(given("avg(ends)")["{}"])


@pytest.mark.parametrize(("semantics", "value"), [(PROMETHEUS_2, 0.0), (PROMETHEUS_3, math.nan)])
def test_the_spread_of_one_infinity(semantics: Semantics, value: float) -> None:
    found = at(SOURCE, 'stddev(ends{i="1"})', 1, semantics)
    assert found == pytest.approx({"{}": value}, nan_ok=True)


def test_the_largest_and_smallest_come_in_their_order_and_nan_last() -> None:
    assert list(given("topk(2, x)").values()) == [7.0, 5.0]
    assert list(given("bottomk(2, x)").values()) == [3.0, 5.0]
    assert math.isnan(list(given("topk(9, x)").values())[-1])
    assert math.isnan(list(given("bottomk(9, x)").values())[-1])
    assert given("topk by (a) (1, x)") == {'x{a="1", b="2"}': 5.0, 'x{a="2", b="2"}': 7.0}
    assert given("topk(0, x)") == given("topk(-3, x)") == {}


@pytest.mark.parametrize("text", ["topk(NaN, x)", "topk(NaN, nothing)", "bottomk(1e30, x)", "limit_ratio(NaN, x)"])
def test_a_number_of_elements_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(QueryError):
        given(text)


def test_values_are_counted_by_how_they_are_written() -> None:
    source = Written({'v{i="1"}': "6", 'v{i="2"}': "6", 'v{i="3"}': "1e21", 'v{i="4"}': "0.1", 'v{i="5"}': "-Inf"})
    assert at(source, 'count_values("n", v)', 1) == {
        '{n="6"}': 2.0, '{n="1000000000000000000000"}': 1.0, '{n="0.1"}': 1.0, '{n="-Inf"}': 1.0,
    }  # fmt: skip
    assert at(source, 'count_values without (i) ("n", v)', 1)['{n="6"}'] == 2.0
    assert at(source, 'count_values without (i) ("i", v)', 1) == {"{}": 5.0}
    with pytest.raises(QueryError, match="invalid label name"):
        at(source, 'count_values("a b", v)', 1, PROMETHEUS_2)


def test_limits_take_a_part_and_always_the_same() -> None:
    every = Written({f'y{{i="{number}"}}': str(number) for number in range(100)})
    assert len(at(every, "limitk(7, y)", 1)) == 7
    some, rest = at(every, "limit_ratio(0.3, y)", 1), at(every, "limit_ratio(-0.7, y)", 1)
    assert 15 < len(some) < 45
    assert not some.keys() & rest.keys()
    assert len(some) + len(rest) == 100
    assert len(at(every, "limit_ratio(5, y)", 1)) == 100
    assert at(every, "limit_ratio(0, y)", 1) == {}


def test_a_query_is_kept_whole_between_evaluations() -> None:
    query = parse("sum by (a) (x)")
    assert query.at(SOURCE, 1000)[0] is query.at(SOURCE, 2000)[0]  # type: ignore[index]
