"""Aggregations over time, and quantiles."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.promql.functions import FUNCTIONS
from lilfox_tui.promql.numerics import quantile
from lilfox_tui.promql.value import PROMETHEUS_2, PROMETHEUS_3, Semantics
from tests.unit.promql.functions.windows import column, every, span

ANY = st.floats(allow_nan=True, allow_infinity=True)
USUAL = st.floats(-1e9, 1e9)
NAN = pytest.approx(math.nan, nan_ok=True)


def call(name: str, *values: float, scalars: tuple[float, ...] = (), semantics: Semantics = PROMETHEUS_3) -> float:
    with np.errstate(all="ignore"):
        result = FUNCTIONS[name].kernel(span(0, 1000, semantics), *every(10, column(*values), first_s=100), *scalars)
    return float(np.asarray(result)[0])


def averaged_one_by_one(values: list[float]) -> float:
    """The mean of Prometheus 3: a compensated sum, and from where that overflows on the means so far."""

    def step(total: float, lost: float, term: float) -> tuple[float, float]:
        after = total + term
        if math.isinf(after):
            return after, 0.0
        return after, lost + ((total - after) + term if abs(total) >= abs(term) else (term - after) + total)

    total, lost, running = values[0], 0.0, False
    for count, value in enumerate(values[1:], 2):
        if not running:
            after, more = step(total, lost, value)
            if not math.isinf(after):
                total, lost = after, more
                continue
            running, total, lost = True, total / (count - 1), lost / (count - 1)
        share = (count - 1) / count
        total, lost = step(share * total, share * lost, value / count)
    return total + lost if running else total / len(values) + lost / len(values)


@pytest.mark.parametrize(
    ("name", "values", "result"),
    [
        ("sum_over_time", (1, 2, 3.5), 6.5),
        ("sum_over_time", (1e100, 1, -1e100), 1.0),
        ("avg_over_time", (1, 2, 6), 3.0),
        ("avg_over_time", (1.7e308, 1.7e308, 1.7e308), 1.7e308),
        ("avg_over_time", (math.inf, 3), math.inf),
        ("avg_over_time", (math.inf, -math.inf), NAN),
        ("avg_over_time", (math.inf,), math.inf),
        ("min_over_time", (3, math.nan, 1, 2), 1.0),
        ("max_over_time", (math.nan, math.nan), NAN),
        ("max_over_time", (math.nan, -math.inf), -math.inf),
        ("count_over_time", (7, math.nan, 9), 3.0),
        ("present_over_time", (math.nan,), 1.0),
        ("first_over_time", (7, 8, 9), 7.0),
        ("last_over_time", (7, 8, math.nan), NAN),
        ("stdvar_over_time", (0, 8, 8, 2, 3), pytest.approx(10.56)),
        ("stddev_over_time", (0, 8, 8, 2, 3), pytest.approx(math.sqrt(10.56))),
        ("stddev_over_time", (1.5990505637277868,) * 3, 0.0),
        ("mad_over_time", (4, 6, 2, 1, 999, 1, 2), 1.0),
        ("ts_of_first_over_time", (7, 8, 9), 100.0),
        ("ts_of_last_over_time", (7, 8, 9), 120.0),
        ("ts_of_max_over_time", (7, 9, 9, 8), 120.0),
        ("ts_of_min_over_time", (7, 9, 7, 8), 120.0),
        ("ts_of_min_over_time", (math.nan, 5, math.nan), 110.0),
        ("ts_of_max_over_time", (math.nan, math.nan), 110.0),
    ],
)
def test_aggregations(name: str, values: tuple[float, ...], result: float) -> None:
    assert call(name, *values) == result


@pytest.mark.parametrize(("semantics", "result"), [(PROMETHEUS_3, math.inf), (PROMETHEUS_2, NAN)])
def test_squares_that_run_over(semantics: Semantics, result: float) -> None:
    with np.errstate(all="ignore"):
        found = FUNCTIONS["stdvar_over_time"].kernel(span(0, 20, semantics), *every(10, column(1e200, -1e200)))
    assert np.asarray(found).tolist() == [result]


@pytest.mark.parametrize("name", ["first_over_time", "last_over_time"])
def test_one_sample_of_many_keeps_the_name(name: str) -> None:
    assert FUNCTIONS[name].keeps_name
    assert not FUNCTIONS["max_over_time"].keeps_name


@given(values=st.lists(ANY, min_size=1, max_size=12))
def test_the_mean_has_the_bits_of_its_steps(values: list[float]) -> None:
    assert call("avg_over_time", *values) == pytest.approx(averaged_one_by_one(values), rel=0, abs=0, nan_ok=True)


@given(values=st.lists(st.one_of(USUAL, st.sampled_from([math.inf, -math.inf])), min_size=1, max_size=12))
def test_both_means_agree_but_for_rounding(values: list[float]) -> None:
    old = call("avg_over_time", *values, semantics=PROMETHEUS_2)
    assert old == pytest.approx(call("avg_over_time", *values), rel=1e-9, abs=1e-6, nan_ok=True)


@given(values=st.lists(USUAL, min_size=1, max_size=20))
def test_the_mean_is_between_the_smallest_and_the_largest(values: list[float]) -> None:
    slack = 1e-12 * max(abs(value) for value in values)
    assert min(values) - slack <= call("avg_over_time", *values) <= max(values) + slack


@given(values=st.lists(USUAL, min_size=1, max_size=20))
def test_the_variance_is_that_of_the_definition(values: list[float]) -> None:
    array = np.array(values)
    rounding = 1e-14 * float(np.abs(array).max()) * float(np.ptp(array))  # of the mean, which is itself a float
    assert call("stdvar_over_time", *values) == pytest.approx(float(array.var()), rel=1e-9, abs=1e-9 + rounding)


@pytest.mark.parametrize(
    ("q", "result"), [(0, 1.0), (0.5, 2.5), (0.75, 3.25), (1, 4.0), (-0.1, -math.inf), (1.1, math.inf), (math.nan, NAN)]
)
def test_a_quantile_lies_between_two_values_by_distance(q: float, result: float) -> None:
    assert call("quantile_over_time", 4, 1, 3, 2, scalars=(q,)) == result


def test_nan_counts_as_the_smallest_value() -> None:
    values = np.array([[5.0, 1.0], [math.nan, 2.0], [7.0, 3.0]])
    assert quantile(0.5, values).tolist() == [5.0, 2.0]
    assert quantile(0.0, values).tolist() == [NAN, 1.0]
    assert quantile(0.5, np.empty((0, 2))).tolist() == [NAN, NAN]


@given(values=st.lists(USUAL, min_size=1, max_size=20), first=st.floats(0, 1), second=st.floats(0, 1))
def test_quantiles_rise_with_q_from_the_smallest_to_the_largest(
    values: list[float], first: float, second: float
) -> None:
    found = [call("quantile_over_time", *values, scalars=(q,)) for q in (0, *sorted((first, second)), 1)]
    assert found[0] == min(values)
    assert found[-1] == max(values)
    assert all(lower <= upper + 1e-6 for lower, upper in pairwise(found))
