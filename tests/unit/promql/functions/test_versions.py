"""Functions that only one version of Prometheus has."""

from __future__ import annotations

import pytest

from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2, PROMETHEUS_3, Semantics


@pytest.mark.parametrize(
    ("query", "known", "unknown"),
    [
        ("holt_winters(x[5m], 0.5, 0.5)", PROMETHEUS_2, PROMETHEUS_3),
        ("double_exponential_smoothing(x[5m], 0.5, 0.5)", PROMETHEUS_3, PROMETHEUS_2),
        ("first_over_time(x[5m])", PROMETHEUS_3, PROMETHEUS_2),
        ("ts_of_max_over_time(x[5m])", PROMETHEUS_3, PROMETHEUS_2),
    ],
)
def test_a_function_of_the_other_version_is_refused_by_name(query: str, known: Semantics, unknown: Semantics) -> None:
    assert parse(query, known).kind == "vector"
    with pytest.raises(QueryError, match="has no function " + query.partition("(")[0]):
        parse(f"1 + {query}", unknown)


def test_a_series_may_have_the_name_of_a_function() -> None:
    assert parse("holt_winters", PROMETHEUS_3).kind == "vector"
