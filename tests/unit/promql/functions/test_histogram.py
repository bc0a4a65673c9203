"""Quantiles and fractions of classic histograms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.promql.functions.histogram import bucket_layouts, histogram_fraction, histogram_quantile, rising
from lilfox_tui.promql.value import PROMETHEUS_2, Vector
from tests.unit.promql.functions.windows import CALL, read, vector

NAN = pytest.approx(math.nan, nan_ok=True)


def buckets(counts: dict[str, float], **labels: str) -> list[tuple[dict[str, str], float]]:
    return [({"__name__": "h_bucket", "le": bound, **labels}, count) for bound, count in counts.items()]


def quantile(q: float, counts: dict[str, float]) -> float:
    with np.errstate(all="ignore"):
        return read(histogram_quantile(CALL, q, vector(*buckets(counts))))["{}"]


def fraction(lower: float, upper: float, counts: dict[str, float]) -> float:
    with np.errstate(all="ignore"):
        return read(histogram_fraction(CALL, lower, upper, vector(*buckets(counts))))["{}"]


USUAL = {"0.1": 4.0, "0.2": 10.0, "1": 18.0, "+Inf": 20.0}


@pytest.mark.parametrize(
    ("q", "result"),
    [
        (0.1, 0.05),  # rank 2 of 4, from 0 to 0.1
        (0.2, 0.1),
        (0.35, pytest.approx(0.15)),  # rank 7: half of the six between 0.1 and 0.2
        (0.7, pytest.approx(0.6)),
        (0.95, 1.0),  # in the last one: the bound below it
        (0, 0.0),
        (1, 1.0),
        (-0.1, -math.inf),
        (1.1, math.inf),
        (math.nan, NAN),
    ],
)
def test_a_quantile_is_linear_within_its_bucket(q: float, result: float) -> None:
    assert quantile(q, USUAL) == result


@pytest.mark.parametrize(
    ("counts", "result"),
    [
        ({"0.1": 4, "1": 5}, NAN),  # no +Inf
        ({"+Inf": 5}, NAN),
        ({"0.1": 0, "+Inf": 0}, NAN),
        ({"-1": 9, "1": 10, "+Inf": 10}, -1.0),  # below the lowest bound nothing is known
        ({"0": 9, "1": 10, "+Inf": 10}, 0.0),
        ({"0.1": 10, "0.2": 6, "+Inf": 10}, 0.05),  # counts do not fall
        ({"0.1": 3, "0.10": 2, "1": 10, "+Inf": 10}, 0.1),  # the same bound twice: added
        ({"1": 10, "many": 99, "": 99, "1_0": 99, "+Inf": 10}, 0.5),
        ({"0x1p-1": 10, "Inf": 10}, 0.25),
    ],
)
def test_odd_histograms(counts: dict[str, float], result: float) -> None:
    assert quantile(0.5, counts) == result


def test_each_histogram_has_its_own_quantile_and_loses_name_and_bound() -> None:
    one, other = buckets(USUAL, job="a"), buckets({"0.5": 1, "+Inf": 2}, job="b")
    mixed = vector(*one[:2], *other, *one[2:], ({"__name__": "h_sum", "job": "a"}, 5.0))
    assert read(histogram_quantile(CALL, 0.1, mixed)) == {'{job="a"}': 0.05, '{job="b"}': 0.1}


def test_a_vector_without_buckets_has_no_quantiles() -> None:
    assert read(histogram_quantile(CALL, 0.5, vector(({"__name__": "up"}, 1.0)))) == {}


def test_what_histograms_there_are_is_found_out_once() -> None:
    labels = vector(*buckets(USUAL, job="a"), *buckets(USUAL, job="b")).labels
    assert bucket_layouts(labels) is bucket_layouts(labels)
    assert len(bucket_layouts(labels)) == 1
    assert len(bucket_layouts(labels)[0].labels) == 2


def test_counts_that_differ_by_rounding_are_equal() -> None:
    counts = np.array([[1.0, 1.0 + 1e-13, 1.0 - 1e-13, 2.0], [1.0, 1.1, 1.0, 2.0], [1.0, math.nan, 0.5, 2.0]])
    assert rising(counts).tolist() == [[1, 1, 1, 2], [1, 1.1, 1.1, 2], [1, NAN, 0.5, 2]]


@pytest.mark.parametrize(
    ("lower", "upper", "result"),
    [
        (0, 0.2, 0.5),
        (-math.inf, math.inf, 1.0),
        (0.1, 0.2, 0.3),
        (0.05, 0.15, pytest.approx(0.25)),
        (1, math.inf, pytest.approx(0.1)),
        (0.6, 1e9, pytest.approx(0.2)),  # nothing is known above the highest bound
        (-5, 0, 0.0),
        (1, 0, 0.0),
        (0.2, 0.2, 0.0),
        (math.nan, 1, NAN),
    ],
)
def test_fractions(lower: float, upper: float, result: float) -> None:
    assert fraction(lower, upper, USUAL) == result


@pytest.mark.parametrize(
    ("counts", "result"),
    [
        ({"1": 4, "2": 8}, NAN),
        ({"1": 0, "+Inf": 0}, NAN),
        ({"-1": 4, "1": 8, "+Inf": 8}, 0.25),
        ({"-2": 0, "0": 20, "+Inf": 15}, 5 / 15),  # never more than all
    ],
)
def test_fractions_of_odd_histograms(counts: dict[str, float], result: float) -> None:
    assert fraction(-1, 0, counts) == result


def test_prometheus_2_knows_no_fractions_of_buckets() -> None:
    call = CALL._replace(semantics=PROMETHEUS_2)
    assert read(histogram_fraction(call, 0, 1, vector(*buckets(USUAL)))) == {}


COUNTS = st.lists(st.integers(0, 1000), min_size=2, max_size=8).filter(lambda steps: sum(steps) > 0)


def histogram(steps: list[int]) -> Vector:
    bounds = [*(str(2.0**place) for place in range(len(steps) - 1)), "+Inf"]
    return vector(*buckets(dict(zip(bounds, np.cumsum(steps).tolist(), strict=True))))


@given(steps=COUNTS, first=st.floats(0, 1), second=st.floats(0, 1))
def test_quantiles_rise_with_q(steps: list[int], first: float, second: float) -> None:
    lower, upper = sorted((first, second))
    with np.errstate(all="ignore"):
        low, high = (read(histogram_quantile(CALL, q, histogram(steps)))["{}"] for q in (lower, upper))
    assert math.isnan(low) or low <= high + 1e-9


@given(steps=COUNTS, q=st.floats(0.01, 0.99))
def test_below_a_quantile_is_that_fraction(steps: list[int], q: float) -> None:
    if q * sum(steps) > sum(steps[:-1]):
        return  # in the last bucket, where no value is known
    with np.errstate(all="ignore"):
        value = read(histogram_quantile(CALL, q, histogram(steps)))["{}"]
        below = read(histogram_fraction(CALL, -math.inf, value, histogram(steps)))["{}"]
    assert below == pytest.approx(q, abs=1e-9)
