"""The limits that rules set for a service's 5xx responses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.monitor.alert_explain import server_error_limit

SHARE = 'sum by (job) (rate(http_requests_total{status=~"5.."}[5m])) / sum by (job) (rate(http_requests_total[5m]))'


@pytest.mark.parametrize(
    ("expression", "limit"),
    [
        (f"{SHARE} > 0.05", 5.0),
        (f"({SHARE}) * 100 >= 2", 2.0),
        ('service_errors_percent{class="5xx"} > 3', 3.0),
        ('sum(rate(r_total{job="shop",code="500"}[5m])) / sum(rate(r_total{job="shop"}[5m])) > 0.01', 1.0),
        ('sum(rate(r_total{job="other",code="500"}[5m])) / sum(rate(r_total[5m])) > 0.01', None),
        ('sum(rate(r_total{job=~"shop|other",code=~"5.."}[5m])) / sum(rate(r_total[5m])) > 0.01', 1.0),
        ('sum(rate(r_total{job!="shop",code=~"5.."}[5m])) / sum(rate(r_total[5m])) > 0.01', None),
        ('sum(rate(r_total{code=~"4.."}[5m])) / sum(rate(r_total[5m])) > 0.01', None),
        (f"{SHARE} < 0.05", None),
        (f"{SHARE} > scalar(limit)", None),
        ('rate(r_total{code="500"}[5m]) > 3', None),
        ("up == 0", None),
    ],
)
def test_the_limit_of_5xx_responses_is_a_percentage_of_the_services_own(expression: str, limit: float | None) -> None:
    found = server_error_limit(expression, "shop")
    assert found == (None if limit is None else pytest.approx(limit))


PIECES = [
    "up",
    "(",
    ")",
    "/",
    "*",
    "100",
    "> 0.5",
    "rate(",
    "a_seconds_total[5m]",
    "sum by (job)",
    "{code='5'}",
    "-",
    "and",
]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join))
def test_an_expression_without_a_comparison_sets_no_limit(expression: str) -> None:
    assert server_error_limit(expression, "shop") is None or ">" in expression
