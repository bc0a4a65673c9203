"""Rates and slopes. Values are calculated by hand from the rules that Prometheus documents."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.promql.value import EvaluationRange
from lilfox_tui.scrape.store import Floats, Times
from tests.unit.promql.functions.windows import column, every, span

COUNTS = st.floats(0, 1e9)


def call(name: str, within: EvaluationRange, samples: tuple[Times, Floats], *scalars: float) -> Sequence[object]:
    result = calculated(name, within, samples, *scalars)
    assert result is not None
    values: list[object] = np.asarray(result).tolist()
    return values


def calculated(name: str, within: EvaluationRange, samples: tuple[Times, Floats], *scalars: float) -> object:
    with np.errstate(all="ignore"):
        return FUNCTIONS[name].kernel(within, *samples, *scalars)


def test_a_steady_counter_is_drawn_out_to_both_ends_of_the_range() -> None:
    samples = every(300, column(*range(10, 101, 10)), first_s=300)
    assert call("increase", span(0, 3000), samples) == [100.0]
    assert call("rate", span(0, 3000), samples) == [pytest.approx(100 / 3000, rel=1e-15)]


def test_a_range_that_reaches_far_beyond_the_samples_gets_half_a_gap_at_each_end() -> None:
    samples = every(10, column(100, 110, 120), first_s=100)
    assert call("increase", span(0, 220), samples) == [20 * (20 + 5 + 5) / 20]


@pytest.mark.parametrize(("ends_s", "beyond_s"), [(130.9, 10.9), (131.0, 5.0), (131.1, 5.0)])
def test_an_end_is_reached_within_eleven_tenths_of_a_gap(ends_s: float, beyond_s: float) -> None:
    samples = every(10, column(100, 110, 120), first_s=100)
    result = call("delta", span(100, ends_s), samples)
    assert result == [pytest.approx(20 * (20 + beyond_s) / 20, rel=1e-15)]


def test_a_counter_is_not_drawn_out_below_zero_but_a_gauge_is() -> None:
    samples = every(10, column(2, 12, 22), first_s=10)
    assert call("increase", span(0, 30), samples) == [20 * (20 + 2) / 20]
    assert call("delta", span(0, 30), samples) == [20 * (20 + 10) / 20]


def test_half_a_gap_is_cut_to_where_the_counter_was_zero() -> None:
    samples = every(10, column(4, 14, 24), first_s=100)
    assert call("increase", span(0, 120), samples) == [20 * (20 + 4) / 20]


def test_what_a_counter_had_before_each_reset_is_added() -> None:
    samples = every(10, [[0, 5, 0], [10, 1, 0], [3, 4, 0], [6, 2, 0]], first_s=0)
    assert call("increase", span(0, 30), samples) == [16.0, 6.0, 0.0]
    assert call("resets", span(0, 30), samples) == [1.0, 2.0, 0.0]


def test_one_sample_has_no_rate() -> None:
    one = every(10, column(5))
    for name in ("rate", "increase", "delta", "irate", "idelta", "deriv"):
        assert calculated(name, span(0, 30), one) is None
    assert calculated("predict_linear", span(0, 30), one, 60) is None
    assert calculated("double_exponential_smoothing", span(0, 30), one, 0.5, 0.5) is None
    assert call("resets", span(0, 30), one) == [0.0]
    assert call("changes", span(0, 30), one) == [0.0]


def test_nan_in_a_counter_is_no_reset_and_at_an_end_leaves_nothing_known() -> None:
    samples = every(10, [[1, math.nan], [math.nan, 2], [3, 3]])
    assert call("increase", span(0, 20), samples) == [2.0, pytest.approx(math.nan, nan_ok=True)]
    assert call("resets", span(0, 20), samples) == [0.0, 0.0]


def test_irate_and_idelta_see_the_last_two_samples_only() -> None:
    samples = every(15, [[0, 9], [50, 9], [80, 3]])
    assert call("irate", span(0, 300), samples) == [2.0, 3 / 15]
    assert call("idelta", span(0, 300), samples) == [30.0, -6.0]


def test_changes_count_differences_but_not_from_nan_to_nan() -> None:
    samples = every(1, column(1, 1, 2, math.nan, math.nan, 2, 3, 3))
    assert call("changes", span(0, 10), samples) == [4.0]


def test_slope_and_forecast_of_a_straight_line() -> None:
    samples = every(10, [[1, 7], [3, 7], [5, 7]], first_s=100)
    assert call("deriv", span(0, 120), samples) == [pytest.approx(0.2), 0.0]
    assert call("predict_linear", span(0, 130), samples, 50) == [pytest.approx(7 + 10), 7.0]


def test_a_level_line_has_no_slope_at_all() -> None:
    samples = np.array([2_091, 8_649, 30_707, 45_307, 57_025], np.int64), np.full((5, 1), 0.42)
    assert call("deriv", span(0, 60), samples) == [0.0]
    assert call("predict_linear", span(0, 60), samples, 1e9) == [0.42]


def test_a_level_line_at_infinity_has_no_slope() -> None:
    samples = every(10, [[math.inf], [math.inf]])
    assert call("deriv", span(0, 20), samples) == [pytest.approx(math.nan, nan_ok=True)]


def test_the_slope_is_exact_far_from_1970() -> None:
    samples = every(30, column(*(3.0 * row for row in range(100))), first_s=1_700_000_000)
    assert call("deriv", span(1_700_000_000, 1_700_003_000), samples) == [0.1]


def test_double_exponential_smoothing_follows_the_trend() -> None:
    samples = every(10, column(10, 20, 30, 40, 50))
    assert call("double_exponential_smoothing", span(0, 40), samples, 0.01, 0.1) == [pytest.approx(50)]
    # from 8, rising 4 a step: the second level is (12 + 8 + 4) / 2, the rise is still 4, the third (10 + 12 + 4) / 2
    samples = every(10, column(8, 12, 10))
    assert call("holt_winters", span(0, 20), samples, 0.5, 0.5) == [13.0]


@pytest.mark.parametrize(("smoothing", "trend"), [(0, 0.5), (1, 0.5), (0.5, 0), (0.5, 1.5)])
def test_factors_that_are_no_fractions_are_refused(smoothing: float, trend: float) -> None:
    with pytest.raises(QueryError, match="between 0 and 1"):
        call("double_exponential_smoothing", span(0, 20), every(10, column(1, 2)), smoothing, trend)


@pytest.mark.parametrize(("range_s", "divisor"), [(0.3, 0.3), (1.1, 1.1), (90.001, 90.001), (3600, 3600)])
def test_the_rate_is_the_increase_a_second(range_s: float, divisor: float) -> None:
    samples = every(range_s / 2, column(1000, 1001, 1003))
    (gained,) = call("increase", span(0, range_s), samples)
    assert isinstance(gained, float)
    assert call("rate", span(0, range_s), samples) == [pytest.approx(gained / divisor, rel=1e-15)]


@given(columns=st.lists(st.lists(COUNTS, min_size=5, max_size=5), min_size=1, max_size=6))
def test_each_series_is_calculated_as_if_it_were_alone(columns: list[list[float]]) -> None:
    rows = [list(row) for row in zip(*columns, strict=True)]
    for name, scalars in (("rate", ()), ("delta", ()), ("irate", ()), ("deriv", ()), ("predict_linear", (30.0,))):
        together = call(name, span(-3, 45), every(10, rows), *scalars)
        alone = [call(name, span(-3, 45), every(10, column(*one)), *scalars) for one in columns]
        assert [[value] for value in together] == alone


@given(steps=st.lists(st.integers(0, 10**6), min_size=2, max_size=20))
def test_between_its_samples_a_counter_gains_what_it_counted(steps: list[int]) -> None:
    samples = every(10, column(*np.cumsum(steps).tolist()))
    assert call("increase", span(0, 10 * (len(steps) - 1)), samples) == [float(sum(steps[1:]))]


@given(values=st.lists(COUNTS, min_size=2, max_size=20))
def test_a_counter_never_loses(values: list[float]) -> None:
    (result,) = call("increase", span(-7, 10 * len(values)), every(10, column(*values)))
    assert isinstance(result, float)
    assert result >= -1e-6
