"""The unit of a query's values, as the names of its metrics and its functions tell."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.core.units import ValueUnit
from lilfox_tui.promql.units import unit_of

SHARE = 'sum by (job) (rate(http_requests_total{status=~"5.."}[5m])) / sum by (job) (rate(http_requests_total[5m]))'
QUANTILE = "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))"


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("node_memory_MemFree_bytes", "bytes"),
        ('{__name__="free_bytes",job="x"}', "bytes"),
        ("disk_used_ratio", "ratio"),
        ("memory_usage_percent", "percent"),
        ("process_start_time_seconds", "time"),
        ("last_backup_timestamp_seconds", "time"),
        ("node_time_seconds", "time"),
        ("response_time_seconds", "seconds"),
        ("took_seconds_sum", "seconds"),
        ("took_seconds_count", ""),
        ("took_seconds_bucket", ""),
        ("up", ""),
        ("1 + 1", ""),
        ("sum(", ""),
        ("", ""),
    ],
)
def test_the_unit_follows_from_the_name_of_a_metric(text: str, unit: ValueUnit) -> None:
    assert unit_of(text) == unit


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("rate(node_network_receive_bytes_total[5m])", "bytes per second"),
        ("sum by (job) (rate(http_requests_total[5m]))", "per second"),
        ("rate(took_seconds_bucket[5m])", "per second"),
        ("rate(took_seconds_count[5m])", "per second"),
        ('rate(node_cpu_seconds_total{mode="user"}[5m])', "ratio"),
        ("rate(disk_used_ratio[5m])", ""),
        ("increase(sent_bytes_total[1h])", "bytes"),
        ("delta(backup_timestamp_seconds[1h])", "seconds"),
        (QUANTILE, "seconds"),
        ("histogram_quantile(0.5, response_size_bytes_bucket)", "bytes"),
        ("quantile_over_time(0.9, took_seconds[1h])", "seconds"),
        ("predict_linear(free_bytes[1h], 3600)", "bytes"),
        ('label_replace(free_bytes, "a", "$1", "b", "(.*)")', "bytes"),
        ("topk(3, -max_over_time(free_bytes[1h:1m]))", "bytes"),
        ("count(node_memory_MemFree_bytes)", ""),
        ("stdvar(free_bytes)", ""),
        ("avg(process_start_time_seconds)", "time"),
        ("sum(process_start_time_seconds)", ""),
        ("changes(free_bytes[1h])", ""),
        ("time()", "time"),
    ],
)
def test_functions_and_aggregations_keep_or_change_a_unit(text: str, unit: ValueUnit) -> None:
    assert unit_of(text) == unit


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("a_bytes - b_bytes", "bytes"),
        ("a_bytes or b_seconds", ""),
        ("a_bytes or vector(0)", "bytes"),
        ("a_bytes > 3 or absent(a_bytes)", "bytes"),
        ("a_bytes / b_bytes", "ratio"),
        ("100 * (1 - node_filesystem_avail_bytes / node_filesystem_size_bytes)", "percent"),
        ("memory_usage_percent / 100", "ratio"),
        ("a_bytes / 1024", ""),
        ("a_bytes * 8", ""),
        ("a_bytes / b_seconds", ""),
        ("rate(took_seconds_sum[5m]) / rate(took_seconds_count[5m])", "seconds"),
        ("time() - backup_timestamp_seconds", "seconds"),
        ("time() - kube_pod_created", "seconds"),
        ("time() - 3600", "time"),
        ("process_start_time_seconds + 60", "time"),
        (SHARE, "ratio"),
        (f"({SHARE}) * 100", "percent"),
    ],
)
def test_arithmetic_keeps_or_changes_a_unit(text: str, unit: ValueUnit) -> None:
    assert unit_of(text) == unit


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        (f"{SHARE} > 0.05", "ratio"),
        (f"{SHARE} > 1.5", ""),
        (f"{SHARE} > -1", ""),
        (f"0.05 < {SHARE}", "ratio"),
        (f"2 < {SHARE}", ""),
        ("queue_length / workers > 5", ""),
        ("(queue_length / workers > 0.5) * 100", "percent"),
        ("memory_usage_percent > 85 and up == 1", "percent"),
        ("time() - backup_timestamp_seconds > 86400", "seconds"),
        ('1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])) > 0.9', "ratio"),
        ("clamp_max(heap_bytes, 100) > 5", "bytes"),
        ("rate(sent_bytes_total[1m]) > 1e6", "bytes per second"),
        ("a_bytes > b_bytes", "bytes"),
        ("a_bytes > quota", "bytes"),
        ("a_bytes > bool 3", ""),
        ("count(up_seconds) > 5", ""),
        ("absent(up)", ""),
    ],
)
def test_a_comparison_has_the_unit_of_its_left_side(text: str, unit: ValueUnit) -> None:
    assert unit_of(text) == unit


PIECES = ["up", "(", ")", "/", "*", "100", "> 0.5", "rate(", "a_seconds_total[5m]", "sum by (job)", "{code='5'}", "-",
          "and", "time()", "histogram_quantile(0.9,", "[1h:]", "'x'", "or", "offset 5m", "scalar("]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=10).map(" ".join) | st.text(max_size=40))
def test_no_text_is_too_odd_to_have_a_unit_or_none(text: str) -> None:
    assert unit_of(text) in get_args(ValueUnit)
