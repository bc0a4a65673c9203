"""Every function over series it can get wrong: a live Prometheus (2.53 in Debian) and the evaluator answer alike."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest

from lilfox_tui.metrics.model import Labels
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2, Vector
from tests.services.prometheus_server import PrometheusServer, prometheus
from tests.services.promql_function_queries import BY_KIND, NEARLY, ORDERED
from tests.services.tricky_series import START_MS, KeptSeries, tricky_series

INSTANTS = [START_MS + after for after in (0, 20_000, 450_000, 910_000, 1_500_001, 1_830_000, 2_212_345, 3_100_000)]
ERROR = "refused"
Answer = list[tuple[Labels, float]] | str


@pytest.fixture(scope="module")
def series() -> KeptSeries:
    return tricky_series()


@pytest.fixture(scope="module")
def server(series: KeptSeries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrometheusServer]:
    folder = tmp_path_factory.mktemp("prometheus")
    with prometheus(folder, "--enable-feature=promql-experimental-functions") as running:
        series.write_to(running)
        yield running


def ours(query: str, series: KeptSeries, at_ms: int) -> Answer:
    try:
        value = parse(query, PROMETHEUS_2).at(series, at_ms)
    except QueryError:
        return ERROR
    if isinstance(value, float):
        return [((), value)]
    assert isinstance(value, Vector)
    return list(zip((labels.pairs for labels in value.labels), value.values.tolist(), strict=True))


def theirs(query: str, server: PrometheusServer, at_ms: int) -> Answer:
    data = server.instant(query, at_ms)
    if "error" in data:
        return ERROR
    if data["resultType"] == "scalar":
        return [((), float(data["result"][1]))]
    return [(tuple(sorted(one["metric"].items())), float(one["value"][1])) for one in data["result"]]


def alike(left: Answer, right: Answer, *, relative: float = 0.0) -> bool:
    if isinstance(left, str) or isinstance(right, str):
        return left == right
    return len(left) == len(right) and all(
        labels == others and (math.isclose(value, other, rel_tol=relative) or (math.isnan(value) and math.isnan(other)))
        for (labels, value), (others, other) in zip(left, right, strict=True)
    )


def arranged(answer: Answer) -> Answer:
    return answer if isinstance(answer, str) else sorted(answer, key=lambda one: one[0])


@pytest.mark.parametrize("kind", list(BY_KIND))
def test_answers_are_those_of_prometheus_to_the_last_bit(
    kind: str, series: KeptSeries, server: PrometheusServer
) -> None:
    different, answered = [], 0
    for query in BY_KIND[kind]:
        for at_ms in INSTANTS:
            here, there = arranged(ours(query, series, at_ms)), arranged(theirs(query, server, at_ms))
            answered += there != [] and there != ERROR
            if not alike(here, there):
                different.append((query, at_ms - START_MS, here, there))
    assert not different, f"{len(different)} differ, first {different[0]}"
    assert answered, "nothing was compared"


def test_transcendental_functions_are_alike_but_for_the_last_bits(series: KeptSeries, server: PrometheusServer) -> None:
    for query in NEARLY:
        for at_ms in INSTANTS[:4]:
            here, there = arranged(ours(query, series, at_ms)), arranged(theirs(query, server, at_ms))
            assert there
            assert there != ERROR
            assert alike(here, there, relative=2e-15), (query, at_ms - START_MS, here, there)


@pytest.mark.parametrize("query", ORDERED)
def test_orders_are_those_of_prometheus(query: str, series: KeptSeries, server: PrometheusServer) -> None:
    here, there = ours(query, series, INSTANTS[3]), theirs(query, server, INSTANTS[3])
    if "label" in query:
        assert alike(here, there), (here, there)
    else:  # values that are there twice may come in any order
        assert not isinstance(here, str)
        assert not isinstance(there, str)
        assert [repr(value) for _, value in here] == [repr(value) for _, value in there]


def test_there_are_many_queries() -> None:
    assert sum(map(len, BY_KIND.values())) > 700
