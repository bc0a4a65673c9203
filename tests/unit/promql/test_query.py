"""Which samples a selector sees: lookback, ends of series, ranges, offset and @."""

from __future__ import annotations

import math

import msgspec
import pytest

from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2, PROMETHEUS_3, Matrix, Semantics
from tests.unit.promql.written import Written, at, lines

RISING = Written({"x": "0 1 2 3 4 5 6 7 8 9"})
GAPS = Written({'x{a="1"}': "0 1 _ _ 4 5", 'x{a="2"}': "10 stale _ 13 _ _", 'x{a="3"}': "_ _ 22 _ _ NaN"})


@pytest.mark.parametrize(("semantics", "found"), [(PROMETHEUS_3, {}), (PROMETHEUS_2, {"x": 9.0})])
def test_a_sample_just_as_old_as_the_lookback_counts_in_prometheus_2_only(
    semantics: Semantics, found: dict[str, float]
) -> None:
    short = msgspec.structs.replace(semantics, lookback_ms=20_000)
    assert at(RISING, "x", 110, short) == found
    assert at(RISING, "x", 109.999, short) == {"x": 9.0}


def test_looks_past_gaps_but_not_past_an_end() -> None:
    assert at(GAPS, "x", 15) == {'x{a="1"}': 1.0}
    assert at(GAPS, "x", 25) == {'x{a="1"}': 1.0, 'x{a="3"}': 22.0}
    assert at(GAPS, "x", 35) == {'x{a="1"}': 1.0, 'x{a="2"}': 13.0, 'x{a="3"}': 22.0}
    latest = at(GAPS, "x", 55)
    assert (latest['x{a="1"}'], latest['x{a="2"}']) == (5.0, 13.0)
    assert math.isnan(latest['x{a="3"}'])


@pytest.mark.parametrize(
    ("text", "value"),
    [("x", 5.0), ("x offset 20s", 3.0), ("x offset -20s", 7.0), ("x @ 10", 1.0), ("x @ 10 offset -10s", 2.0),
     ("x offset 10s @ 90", 8.0), ("x @ start()", 5.0), ("x @ end() offset 10s", 4.0), ("x @ 19.999", 1.0)],
)  # fmt: skip
def test_looks_at_another_time_where_it_is_told(text: str, value: float) -> None:
    assert at(RISING, text, 50) == {"x": value}


def test_a_time_before_the_first_sample_has_none() -> None:
    assert at(RISING, "x offset 1m", 50) == {}
    assert at(RISING, "y", 50) == {}


@pytest.mark.parametrize(("semantics", "values"), [(PROMETHEUS_3, [4, 5]), (PROMETHEUS_2, [3, 4, 5])])
def test_a_range_is_open_on_its_left_in_prometheus_3(semantics: Semantics, values: list[float]) -> None:
    value = parse("x[20s]", semantics).at(RISING, 50_000)
    assert isinstance(value, Matrix)
    assert [number for _, number in lines(value.lines)["x"]] == values


def test_a_range_holds_samples_alone() -> None:
    value = parse("x[1m]").at(GAPS, 50_000)
    assert isinstance(value, Matrix)
    found = lines(value.lines)
    assert found['x{a="1"}'] == [(0, 0), (10, 1), (40, 4), (50, 5)]
    assert found['x{a="2"}'] == [(0, 10), (30, 13)]
    assert [second for second, _ in found['x{a="3"}']] == [20, 50]


def test_functions_over_time_keep_series_of_all_patterns_apart() -> None:
    assert at(GAPS, "count_over_time(x[1m])", 50) == {'{a="1"}': 4.0, '{a="2"}': 2.0, '{a="3"}': 2.0}
    assert at(GAPS, "rate(x[25s])", 50) == {'{a="1"}': pytest.approx(0.06)}
    assert at(GAPS, "last_over_time(x[30s])", 40) == {'x{a="1"}': 4.0, 'x{a="2"}': 13.0, 'x{a="3"}': 22.0}


def test_timestamp_is_that_of_the_sample_of_a_bare_selector() -> None:
    assert at(RISING, "timestamp((x))", 57) == {"{}": 50.0}
    assert at(RISING, "timestamp(x offset 20s)", 57) == {"{}": 30.0}
    assert at(RISING, "timestamp(x + 0)", 57) == {"{}": 57.0}
    assert at(GAPS, "timestamp(x)", 35) == {'{a="1"}': 10.0, '{a="2"}': 30.0, '{a="3"}': 20.0}
