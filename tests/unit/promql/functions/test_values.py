"""Arithmetic, dates, and what is between vectors and scalars."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.promql.functions.values import binary_logarithm
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2, PROMETHEUS_3, Semantics
from lilfox_tui.scrape.labels import Matcher
from tests.unit.promql.functions.windows import CALL, read, vector

NAN = pytest.approx(math.nan, nan_ok=True)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def each(name: str, value: float, *scalars: float) -> float:
    with np.errstate(all="ignore"):
        result = FUNCTIONS[name].kernel(np.array([value]), *scalars)
    assert isinstance(result, np.ndarray)
    return float(result[0])


@pytest.mark.parametrize(
    ("name", "arguments", "result"),
    [
        ("round", (2.5,), 3.0), ("round", (-2.5,), -2.0), ("round", (7.3, 5), 5.0), ("round", (0.26, 0.1), 0.3),
        ("round", (1, 0), NAN), ("sgn", (-3,), -1.0), ("sgn", (math.inf,), 1.0), ("sgn", (0,), 0.0),
        ("sgn", (math.nan,), NAN), ("clamp_min", (3, 5), 5.0), ("clamp_max", (7, 5), 5.0),
        ("clamp_min", (math.nan, 5), NAN), ("clamp_min", (math.nan, math.inf), math.inf),
        ("clamp_max", (3, math.nan), NAN),
        ("clamp_max", (-math.inf, math.nan), -math.inf), ("ln", (0,), -math.inf), ("ln", (-1,), NAN),
        ("ln", (math.inf,), math.inf), ("ln", (math.e,), 1.0), ("log2", (0.125,), -3.0), ("log2", (2.0**60,), 60.0),
        ("log10", (1000,), 3.0), ("log10", (0.1,), -0.9999999999999999), ("log10", (0,), -math.inf),
        ("log2", (math.nan,), NAN), ("log10", (math.inf,), math.inf),
        ("rad", (180,), math.pi), ("deg", (math.pi,), 180.0),
        ("sqrt", (-1,), NAN), ("exp", (0,), 1.0), ("acosh", (0.5,), NAN), ("atanh", (1,), math.inf),
    ],
)  # fmt: skip
def test_arithmetic(name: str, arguments: tuple[float, ...], result: float) -> None:
    assert each(name, *arguments) == result


@given(value=st.floats(1e-300, 1e300))
def test_logarithms_are_right_to_the_last_bit_or_two(value: float) -> None:
    assert each("ln", value) == pytest.approx(math.log(value), rel=5e-16)
    assert each("log2", value) == pytest.approx(math.log2(value), rel=1e-15, abs=1e-15)
    assert each("log10", value) == pytest.approx(math.log10(value), rel=1e-15)


@given(value=st.floats(allow_nan=False), least=st.floats(-100, 100), more=st.floats(0, 100))
def test_what_is_clamped_is_within_its_limits(value: float, least: float, more: float) -> None:
    element = vector(({"__name__": "x", "a": "1"}, value))
    result = read(FUNCTIONS["clamp"].kernel(CALL, element, least, least + more))
    assert result == {'{a="1"}': min(max(value, least), least + more)}


def test_limits_the_wrong_way_round_leave_nothing() -> None:
    assert read(FUNCTIONS["clamp"].kernel(CALL, vector(({}, 1.0)), 5.0, 4.0)) == {}


def part(name: str, seconds: float) -> float:
    with np.errstate(all="ignore"):
        return read(FUNCTIONS[name].kernel(CALL, vector(({"__name__": "x"}, seconds))))["{}"]


@given(st.integers(-62_135_596_800, 253_402_300_799), st.floats(0, 0.999))
def test_parts_of_dates_are_those_of_the_calendar(seconds: int, fraction: float) -> None:
    date = EPOCH + timedelta(seconds=seconds)
    value = seconds + fraction if seconds >= 0 else seconds - fraction  # fractions are cut off towards zero
    next_month = (date.replace(day=28) + timedelta(days=4)).replace(day=1) if date.year < 9999 else None
    assert {name: part(name, value) for name in ("year", "month", "day_of_month", "hour", "minute")} == {
        "year": date.year, "month": date.month, "day_of_month": date.day, "hour": date.hour, "minute": date.minute
    }  # fmt: skip
    assert part("day_of_week", value) == date.isoweekday() % 7
    assert part("day_of_year", value) == date.timetuple().tm_yday
    if next_month is not None:
        assert part("days_in_month", value) == (next_month - timedelta(days=1)).day


@pytest.mark.parametrize(
    ("day", "of_month"), [("2000-02-01", 29), ("2023-02-28", 28), ("2024-02-03", 29), ("2100-02-01", 28)]
)
def test_february_is_longer_in_leap_years(day: str, of_month: int) -> None:
    assert part("days_in_month", datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp()) == of_month


def test_binary_logarithms_of_powers_of_two_are_exact() -> None:
    powers = np.arange(-1022.0, 1024.0)
    assert (binary_logarithm(np.exp2(powers)) == powers).all()


def test_without_an_argument_dates_are_of_the_evaluation() -> None:
    assert read(FUNCTIONS["year"].kernel(CALL)) == {"{}": 2023.0}
    assert read(FUNCTIONS["hour"].kernel(CALL)) == {"{}": 22.0}


def test_scalars_and_vectors() -> None:
    assert FUNCTIONS["scalar"].kernel(CALL, vector(({"a": "1"}, 7.0))) == 7.0
    assert FUNCTIONS["scalar"].kernel(CALL, vector(({"a": "1"}, 7.0), ({"a": "2"}, 7.0))) == NAN
    assert FUNCTIONS["scalar"].kernel(CALL, vector()) == NAN
    assert read(FUNCTIONS["vector"].kernel(CALL, 3.0)) == {"{}": 3.0}
    assert FUNCTIONS["time"].kernel(CALL) == 1_700_000_000.0
    assert FUNCTIONS["pi"].kernel(CALL) == math.pi


def test_timestamps_are_of_samples_where_these_are_known() -> None:
    element = vector(({"__name__": "x", "a": "1"}, 7.0))
    assert read(FUNCTIONS["timestamp"].kernel(CALL, element)) == {'{a="1"}': 1_700_000_000.0}
    sampled = CALL._replace(sample_times=np.array([1_699_999_990_500]))
    assert read(FUNCTIONS["timestamp"].kernel(sampled, element)) == {'{a="1"}': 1_699_999_990.5}


@pytest.mark.parametrize(
    ("matchers", "labels"),
    [
        (None, "{}"),
        ((Matcher("__name__", "=", "up"),), "{}"),
        ((Matcher("job", "=", "a"), Matcher("b", "=~", "x"), Matcher("c", "!=", "y")), '{job="a"}'),
        ((Matcher("job", "=", "a"), Matcher("job", "=", "a"), Matcher("b", "=", "2")), '{b="2"}'),
        ((Matcher("job", "=", "a"), Matcher("job", "!=", "b")), "{}"),
        ((Matcher("job", "!=", "b"), Matcher("job", "=", "a")), "{}"),
        ((Matcher("job", "=~", "a|b"), Matcher("job", "=", "a")), '{job="a"}'),
    ],
)
def test_what_is_absent_has_the_labels_that_are_sure(matchers: tuple[Matcher, ...] | None, labels: str) -> None:
    call = CALL._replace(matchers=matchers)
    assert read(FUNCTIONS["absent"].kernel(call, vector())) == {labels: 1.0}
    assert read(FUNCTIONS["absent"].kernel(call, vector(({}, 0.0)))) == {}


@pytest.mark.parametrize("name", ["info", "histogram_avg", "histogram_count", "histogram_sum", "histogram_quantiles"])
def test_what_needs_native_histograms_is_not_here(name: str) -> None:
    assert name not in FUNCTIONS


# Functions that only one version of Prometheus has.


@pytest.mark.parametrize(
    ("query", "known", "unknown"),
    [
        ("holt_winters(x[5m], 0.5, 0.5)", PROMETHEUS_2, PROMETHEUS_3),
        ("double_exponential_smoothing(x[5m], 0.5, 0.5)", PROMETHEUS_3, PROMETHEUS_2),
        ("first_over_time(x[5m])", PROMETHEUS_3, PROMETHEUS_2),
        ("ts_of_max_over_time(x[5m])", PROMETHEUS_3, PROMETHEUS_2),
    ],
)
def test_a_function_of_the_other_version_is_refused_by_name(query: str, known: Semantics, unknown: Semantics) -> None:
    assert parse(query, known).kind == "vector"
    with pytest.raises(QueryError, match="has no function " + query.partition("(")[0]):
        parse(f"1 + {query}", unknown)


def test_a_series_may_have_the_name_of_a_function() -> None:
    assert parse("holt_winters", PROMETHEUS_3).kind == "vector"
