"""Numbers as Go writes them; the expected texts are Go's."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.scrape.labels import openmetrics_number


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
