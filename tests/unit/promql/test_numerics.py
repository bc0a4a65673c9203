"""Compensated sums: the same bits as the algorithm gives one number after the other, in both of our ways."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.promql import numerics

FINITE = st.floats(-1e200, 1e200)


def one_by_one(terms: list[float]) -> tuple[float, float]:
    """Neumaier's sum, as it is written down everywhere."""
    total, lost = terms[0], 0.0
    for term in terms[1:]:
        after = total + term
        lost += (total - after) + term if abs(total) >= abs(term) else (term - after) + total
        total = after
    return total, lost


@pytest.mark.parametrize("columns", [1, 300])
@given(terms=st.lists(FINITE, min_size=1, max_size=12))
def test_sums_have_the_bits_of_the_textbook(columns: int, terms: list[float]) -> None:
    total, lost = numerics.column_sums(np.tile(np.array(terms)[:, None], (1, columns)))
    assert [(*pair,) for pair in zip(total.tolist(), lost.tolist(), strict=True)] == [one_by_one(terms)] * columns


def test_what_a_plain_sum_loses_is_kept() -> None:
    terms = np.array([[5e307, 1.0], [1.0, 1e100], [1.0, 1.0], [-5e307, -1e100]])
    assert numerics.column_totals(terms).tolist() == [2.0, 2.0]
    assert terms.sum(axis=0).tolist() != [2.0, 2.0]


@pytest.mark.parametrize(
    ("terms", "total"),
    [([math.inf, 1.0], math.inf), ([1.0, -math.inf, 2.0], -math.inf), ([1.7e308, 1.7e308], math.inf), ([-0.0], 0.0)],
)
@pytest.mark.parametrize("columns", [1, 300])
def test_infinite_sums_stay_infinite(terms: list[float], total: float, columns: int) -> None:
    with np.errstate(all="ignore"):
        result = numerics.column_totals(np.tile(np.array(terms)[:, None], (1, columns)))
    assert result.tolist() == [total] * columns


@given(terms=st.lists(FINITE, min_size=1, max_size=12))
def test_a_step_is_that_of_the_whole_sum(terms: list[float]) -> None:
    total, lost = np.array([terms[0]]), np.zeros(1)
    for term in terms[1:]:
        total, lost = numerics.increased(total, lost, np.array([term]))
    assert (float(total[0]), float(lost[0])) == one_by_one(terms)
