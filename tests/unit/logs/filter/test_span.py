from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.logs.filter.model import EVERYTHING, And, Filter, Not, Or, Span, TextMatch, Within, span
from tests.unit.logs.filter.records import DAY_US, FILTERS, record, thorough


@pytest.mark.parametrize(
    ("where", "bounds"),
    [
        (EVERYTHING, (None, None)),
        (TextMatch("a"), (None, None)),
        (Within(1, 5), (1, 5)),
        (And((Within(1, None), TextMatch("a"), Within(3, 9))), (3, 9)),
        (Or((Within(1, 2), Within(8, 9))), (1, 9)),
        (Or((Within(1, 2), TextMatch("a"))), (None, None)),
        (Or((Within(1, None), Within(None, 9))), (None, None)),
        (Not(Within(1, 2)), (None, None)),
        (Or((Within(1, 2), And((Within(5, None), Within(None, 4))))), (1, 2)),
        (Or(()), (0, 0)),
    ],
)
def test_bounds(where: Filter, bounds: Span) -> None:
    assert span(where) == bounds


@thorough
@given(FILTERS, st.none() | st.integers(0, 20_000 * DAY_US))
def test_every_match_lies_within_the_bounds(where: Filter, time_us: int | None) -> None:
    if where.matches(record("a db Error", time_us=time_us)):
        since, until = span(where)
        if time_us is None:
            assert (since, until) == (None, None)
        else:
            assert since is None or time_us >= since
            assert until is None or time_us < until
