"""Which series of a Prometheus are a host's: matched by the whole of ``instance``."""

from __future__ import annotations

import re

import pytest
import re2

from lilfox_tui.config.model import HostConfig
from lilfox_tui.metrics.model import Series
from lilfox_tui.monitor.remote_history import chart_query, host_scope, own_names, pattern, row_queries
from lilfox_tui.promql.query import parse


@pytest.mark.parametrize(
    ("instance", "fits"),
    [
        ("web-1", True),
        ("web-1:9100", True),
        ("10.0.0.7:9100", True),
        ("10.0.0.7", True),
        ("web-10:9100", False),
        ("my-web-1:9100", False),
        ("web-1:9100:1", False),
        ("web-1:http", False),
        ("10x0.0.7:9100", False),
        ("", False),
    ],
)
def test_name_or_address_with_any_port(instance: str, fits: bool) -> None:
    text = pattern(own_names("web-1", HostConfig(address="10.0.0.7")))
    assert bool(re.fullmatch(text, instance)) is fits
    assert bool(re2.fullmatch(text, instance)) is fits, "a Prometheus has RE2"


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    text = pattern(("fe80::1",))
    assert re2.fullmatch(text, "[fe80::1]:9100")
    assert not re2.fullmatch(text, "[fe80::2]:9100")


def test_what_the_config_says_goes_first_and_is_quoted() -> None:
    config = HostConfig(address="10.0.0.7", series={"instance": 'a"b\\c', "job": "node"})
    assert host_scope("web-1", config) == r'instance="a\"b\\c", job="node"'


def test_all_questions_are_promql() -> None:
    scope = host_scope("web-1", HostConfig(address="fe80::1"))
    for question in row_queries(scope, 60):
        assert parse(question.text).kind == "vector"
        assert "[300000ms]" in question.text or "rate(" not in question.text, "five minutes at least"
    load = chart_query(Series("load1"), scope, 60)
    assert load is not None
    busy = chart_query(Series("cpu_usage_percent"), scope, 900)
    assert busy is not None
    assert "[900000ms]" in busy.text
    assert chart_query(Series("failed_units"), scope, 60) is None
