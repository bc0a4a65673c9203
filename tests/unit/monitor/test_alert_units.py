"""The unit of what a rule compares, and the limits that rules set for a service's 5xx responses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.monitor.alert_units import server_error_limit, unit_of

SHARE = 'sum by (job) (rate(http_requests_total{status=~"5.."}[5m])) / sum by (job) (rate(http_requests_total[5m]))'


@pytest.mark.parametrize(
    ("expression", "unit"),
    [
        (f"{SHARE} > 0.05", "ratio"),
        (f"({SHARE}) * 100 > 5", "percent"),
        ("100 * (1 - node_filesystem_avail_bytes / node_filesystem_size_bytes) > 90", "percent"),
        ("memory_usage_percent > 85", "percent"),
        ("memory_usage_percent > 85 and up == 1", "percent"),
        ("histogram_quantile(0.95, sum by (le) (rate(took_seconds_bucket[5m]))) > 1", "seconds"),
        ("rate(took_seconds_sum[5m]) / rate(took_seconds_count[5m]) > 0.5", "seconds"),
        ("time() - backup_timestamp_seconds > 86400", "seconds"),
        ('1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])) > 0.9', "ratio"),
        ("clamp_max(heap_bytes, 100) > 5", "bytes"),
        ("rate(sent_bytes_total[1m]) > 1e6", "bytes_per_second"),
        ("a_bytes > b_bytes", "bytes"),
        ("a_bytes > b_seconds", ""),
        ("queue_length / workers > 5", ""),
        ("count(up_seconds) > 5", ""),
        ("up == 0", ""),
        ("absent(up)", ""),
        ("rate(", ""),
    ],
)
def test_the_unit_follows_from_the_names_of_the_metrics(expression: str, unit: str) -> None:
    assert unit_of(expression) == unit


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
def test_no_expression_has_no_answer(expression: str) -> None:
    unit_of(expression)
    assert server_error_limit(expression, "shop") is None or ">" in expression
