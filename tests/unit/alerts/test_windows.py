"""How far into the past an expression looks."""

from __future__ import annotations

import pytest

from lilfox_tui.alerts.windows import window_ms
from lilfox_tui.promql.query import parse

MINUTE = 60_000


@pytest.mark.parametrize(
    ("expression", "minutes"),
    [
        ("up == 0", 0),
        ("rate(errors[5m]) / rate(requests[10m]) > 0.1", 10),
        ("sum by (job) (increase(errors[30m])) > 100", 30),
        ("errors - errors offset 60m > 3", 60),
        ("max_over_time(rate(errors[5m])[30m:1m]) > 1", 35),
        ("rate(errors[5m] offset 10m)", 15),
        ("rate(errors[5m] offset -10m)", 5),
        ("vector(1)", 0),
    ],
)
def test_the_longest_way_back_counts(expression: str, minutes: int) -> None:
    assert window_ms(parse(expression).tree) == minutes * MINUTE
