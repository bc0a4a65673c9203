"""The limits that alert rules set for the values of hosts and services."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.alerts.model import RuleHealth, RuleView
from lilfox_tui.config.model import Threshold, Thresholds
from lilfox_tui.core.i18n import tr
from lilfox_tui.monitor.alert_explain import RuleLimits, server_error_limit
from lilfox_tui.monitor.model import LatencyLimit, ServiceLimits

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
        (SHARE.replace("(job)", "(job, path)") + " > 0.01", None),
        (SHARE.replace("by (job)", "without (job)") + " > 0.01", None),
        (SHARE.replace("(job)", "(job, status)") + " > 0.01", 1.0),
        ('sum(rate(r_total{path="/pay",code=~"5.."}[5m])) / sum(rate(r_total{path="/pay"}[5m])) > 0.01', None),
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


def rule(expression: str, severity: str = "critical", *, kind: str = "alert", failed: bool = False) -> RuleView:
    error = tr("no such metric") if failed else None
    labels = {"severity": severity}
    return RuleView("k", kind, f"Rule {severity}", "g", expression, 0.0, RuleHealth.GOOD, error, labels=labels)


def of_host(*rules: RuleView) -> Thresholds:
    return RuleLimits(rules).of_host("web-1", "10.0.0.7", Thresholds())


def test_rules_that_compare_the_value_of_a_host_take_the_place_of_the_thresholds() -> None:
    found = of_host(rule("cpu_usage_percent > 95"), rule("(memory_usage_percent) >= 70", "warning"))
    assert found.cpu_percent == Threshold(fail=95), "no 80 beside it, which no rule has"
    assert found.memory_percent == Threshold(warn=70)
    assert found.swap_percent == Thresholds().swap_percent
    both = of_host(rule("cpu_usage_percent > 90"), rule("cpu_usage_percent > 60", "warning"))
    assert both.cpu_percent == Threshold(warn=60, fail=90)
    late = of_host(rule("cpu_usage_percent > 90"), rule("cpu_usage_percent > 95", "warning"))
    assert late.cpu_percent == Threshold(fail=90), "a warning after the failure says nothing"
    assert of_host(rule('lilfox_host_cpu_ratio{mode="iowait"} > 0.25')).iowait_percent == Threshold(fail=25)


@pytest.mark.parametrize(
    "expression",
    [
        'cpu_usage_percent{host="web-1"} > 95',
        'cpu_usage_percent{host=~"web-.*"} > 95',
        'cpu_usage_percent{host!="db"} > 95',
        'cpu_usage_percent{instance="10.0.0.7"} > 95',
    ],
)
def test_a_rule_about_some_hosts_limits_these(expression: str) -> None:
    assert of_host(rule(expression)).cpu_percent == Threshold(fail=95)
    assert RuleLimits([rule(expression)]).of_host("db", "", Thresholds()) == Thresholds()


@pytest.mark.parametrize(
    "expression",
    [
        "cpu_usage_percent < 95",
        "cpu_usage_percent > bool 95",
        "95 > cpu_usage_percent",
        "cpu_usage_percent > cpu_limit",
        "cpu_usage_percent offset 1h > 95",
        "avg_over_time(cpu_usage_percent[5m]) > 95",
        "avg(cpu_usage_percent) > 95",
        "cpu_usage_percent > 95 and on () hour() > 20",
        '{__name__=~"cpu_.*"} > 95',
        'lilfox_host_cpu_ratio{mode="user"} > 0.5',
        'cpu_usage_percent{job="node"} > 95',
        "cpu_usage_percent >",
        "up == 0",
    ],
)
def test_other_comparisons_leave_the_thresholds_of_a_host(expression: str) -> None:
    assert of_host(rule(expression)) == Thresholds()


def test_rules_that_only_inform_that_record_or_that_fail_set_no_limit() -> None:
    text = "cpu_usage_percent > 50"
    idle = (rule(text, "info"), rule(text, kind="record"), rule(text, failed=True))
    assert of_host(*idle) == Thresholds()


def test_the_limits_of_a_service_are_those_of_rules_then_the_configured_ones() -> None:
    configured = Threshold(warn=5, fail=20)
    found = RuleLimits([rule(f"{SHARE} > 0.05"), rule(f"{SHARE} > 0.02", "warning")]).of_service("shop", configured)
    assert found == ServiceLimits(Threshold(warn=2, fail=5), "Rule warning")
    assert RuleLimits([rule("up == 0")]).of_service("shop", configured) == ServiceLimits(configured)
    alone = RuleLimits([rule(f"{SHARE} > 0.1", "warning")]).of_service("shop", configured)
    assert alone.errors == Threshold(warn=10), "the configured 20 % goes as well"


LATENCY = "histogram_quantile(0.95, sum by (job, le) (rate(http_request_duration_seconds_bucket[5m])))"


@pytest.mark.parametrize(
    ("expression", "known"),
    [
        (f"{LATENCY} > 1", True),
        (LATENCY.replace("bucket[", 'bucket{job="shop"}[') + " > 1", True),
        (LATENCY.replace("bucket[", 'bucket{job="other"}[') + " > 1", False),
        (LATENCY.replace("bucket[", 'bucket{path="/login"}[') + " > 1", False),
        (LATENCY.replace("(job, le)", "(job, path, le)") + " > 1", False),
        (LATENCY.replace("seconds", "bytes") + " > 1", False),
        (f"{LATENCY} < 1", False),
        (f"{LATENCY} > 1 and up == 1", False),
    ],
)
def test_a_rule_about_the_latency_of_a_whole_service_limits_its_quantile(expression: str, known: bool) -> None:
    found = RuleLimits([rule(expression, "warning")]).of_service("shop", Threshold()).latency
    limit = LatencyLimit("http_request_duration_seconds", 0.95, 1.0, "Rule warning")
    assert found == ((limit,) if known else ())
