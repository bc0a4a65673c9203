"""Hundreds of queries over the same samples: a live Prometheus (2.53 in Debian) and the evaluator must answer alike."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
import pytest

from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import PROMETHEUS_2, PROMETHEUS_3, Line, Matrix, Value, Vector
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.store import ABSENT_BITS, Floats, SeriesStore
from tests.services.prometheus_server import PrometheusServer, prometheus
from tests.services.promql_queries import RANGES, REFUSED, queries
from tests.services.scripted_targets import scripted_targets
from tests.waiting import wait_for

ROUNDS = 75
SEMANTICS = msgspec.structs.replace(PROMETHEUS_2, lookback_ms=2000, subquery_step_ms=250)
SETTINGS = """
global: {{scrape_interval: 120ms, scrape_timeout: 110ms, evaluation_interval: 250ms}}
scrape_configs:
  - job_name: app
    static_configs: [{{targets: [{targets}]}}]
"""
Samples = dict[LabelSet, dict[int, float]]
Answer = dict[LabelSet, list[tuple[int, float]]] | str


class Recorded:
    """A Prometheus that has scraped for a while and scrapes no more, and a store with the samples it recorded."""

    def __init__(self, server: PrometheusServer, store: SeriesStore, times: Sequence[int]) -> None:
        self.server, self.store, self.times = server, store, times

    @property
    def instants(self) -> list[int]:
        """Eight, in the middle of things and at their edges: on a scrape's millisecond, beside it, at both ends."""
        first, last = self.times[0], self.times[-1]
        third, middle = (self.times[len(self.times) // part] for part in (3, 2))
        return [first + 150, first + 1003, third, third + 50, middle, middle + 1, last, last + 1500]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("prometheus")
    with scripted_targets(3) as targets:
        settings = SETTINGS.format(targets=", ".join(targets.addresses))
        with prometheus(folder, settings=settings):
            wait_for(lambda: min(targets.rounds) >= ROUNDS, timeout_s=60, what="Prometheus scrapes")
    # Ended and started again without targets, it holds what it holds, and writes no end of the series.
    still = "global: {evaluation_interval: 250ms}\n"
    with prometheus(folder, "--query.lookback-delta=2s", settings=still) as server:
        samples = _samples(server, round(time.time() * 1000))
        yield Recorded(server, _filled(samples), sorted({at for one in samples.values() for at in one}))


def _samples(server: PrometheusServer, now_ms: int) -> Samples:
    answer = server.instant('{__name__=~".+"}[5m]', now_ms)
    return {
        LabelSet.of(one["metric"]): {round(at * 1000): float(value) for at, value in one["values"]}
        for one in answer["result"]
    }


def _filled(samples: Samples) -> SeriesStore:
    """The store that scraping gives: a row a scrape, in which what is there no more ends; what came with times of its
    own goes on without an end."""
    store = SeriesStore(keep_s=3600, limit_bytes=100_000_000)
    stamped = {labels: values for labels, values in samples.items() if labels.get(NAME) == "stamped"}
    lists: dict[tuple[LabelSet, ...], LabelList] = {}
    for instance in {labels.get("instance") for labels in samples}:
        scraped = {one: values for one, values in samples.items() if one.get("instance") == instance}
        for one in stamped:
            scraped.pop(one, None)
        for at in sorted(next(values for one, values in scraped.items() if one.get(NAME) == "up")):
            present = tuple(one for one, values in scraped.items() if at in values)
            labels = lists.setdefault(present, LabelList(present))
            store.target(instance).append(at, labels, np.array([scraped[one][at] for one in labels]))
    every = LabelList(list(stamped))
    for at in sorted({at for values in stamped.values() for at in values}):
        row: Floats = np.empty(len(every))
        for place, one in enumerate(every):
            if at in stamped[one]:
                row[place] = stamped[one][at]
            else:
                row.view(np.int64)[place] = ABSENT_BITS
        store.target("stamped").append(at, every, row)
    return store


def _asked(recorded: Recorded, text: str, at_ms: int) -> Answer:
    """Prometheus' answer: the samples of each series, or the reason why there is none."""
    data = recorded.server.instant(text, at_ms)
    if "error" in data:
        return "error"
    return _of_json(data["resultType"], data["result"])


def _of_json(kind: str, result: Any) -> Answer:
    if kind == "string":
        return f"text {result[1]}"
    if kind == "scalar":
        return {LabelSet(()): [(round(result[0] * 1000), float(result[1]))]}
    return {
        LabelSet.of(one["metric"]): [
            (round(at * 1000), float(value)) for at, value in (one["values"] if kind == "matrix" else [one["value"]])
        ]
        for one in result
    }


def _evaluated(recorded: Recorded, text: str, at_ms: int) -> Answer:
    try:
        return _of_value(parse(text, SEMANTICS).at(recorded.store, at_ms), at_ms)
    except QueryError:
        return "error"


def _of_value(value: Value, at_ms: int) -> Answer:
    match value:
        case Vector():
            return {one: [(at_ms, number)] for one, number in zip(value.labels, value.values.tolist(), strict=True)}
        case Matrix():
            return _of_lines(value.lines)
        case str():
            return f"text {value}"
    return {LabelSet(()): [(at_ms, value)]}


def _of_lines(lines: list[Line]) -> Answer:
    return {one.labels: list(zip(one.times.tolist(), one.values.tolist(), strict=True)) for one in lines}


def _difference(text: str, ours: Answer, theirs: Answer) -> str:
    """What is not equal, empty where all is. Of elements with one value any may be picked: only values count there."""
    if isinstance(ours, str) or isinstance(theirs, str):
        return "" if ours == theirs else f"{ours!r} and {theirs!r}"
    if text.startswith(("topk", "bottomk")):
        both = [sorted(number for samples in one.values() for _, number in samples) for one in (ours, theirs)]
        return "" if len(both[0]) == len(both[1]) and all(map(_equal, *both)) else f"{both[0]} and {both[1]}"
    if ours.keys() != theirs.keys():
        return f"only ours: {ours.keys() - theirs.keys()}, only theirs: {theirs.keys() - ours.keys()}"
    for labels, samples in ours.items():
        if [at for at, _ in samples] != [at for at, _ in theirs[labels]]:
            return f"{labels}: other times: {samples} and {theirs[labels]}"
        if not all(_equal(our, their) for (_, our), (_, their) in zip(samples, theirs[labels], strict=True)):
            return f"{labels}: {samples} and {theirs[labels]}"
    return ""


def _equal(ours: float, theirs: float) -> bool:
    return ours == theirs or (math.isnan(ours) and math.isnan(theirs)) or math.isclose(ours, theirs, rel_tol=1e-12)


def test_answers_as_prometheus_does(recorded: Recorded) -> None:
    instants = recorded.instants
    every = queries(instants[1] / 1000, instants[4] / 1000)
    assert len(every) >= 500
    different, answered, failed = [], 0, 0
    for text in every:
        for at_ms in instants:
            ours, theirs = _evaluated(recorded, text, at_ms), _asked(recorded, text, at_ms)
            answered += bool(theirs) and theirs != "error"
            failed += theirs == "error"
            if difference := _difference(text, ours, theirs):
                different.append(f"{text} at {at_ms}: {difference}")
    assert not different, f"{len(different)} of {len(every) * len(instants)}:\n" + "\n".join(different[:20])
    assert answered > 3000  # the answers are more than nothing
    assert failed > 50  # and both refuse the same


def test_answers_as_prometheus_does_over_time(recorded: Recorded) -> None:
    start_ms, end_ms = recorded.times[0] - 500, recorded.times[-1] + 1000
    different = []
    for text in RANGES:
        for step_ms in (130, 1000):
            query = parse(text, SEMANTICS)
            ours = _of_lines(query.over(recorded.store, start_ms, end_ms, step_ms))
            data = recorded.server.over(text, start_ms, end_ms, step_ms)
            if difference := _difference(text, ours, _of_json(data["resultType"], data["result"])):
                different.append(f"{text} step {step_ms}: {difference}")
    assert not different, f"{len(different)}:\n" + "\n".join(different[:20])


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_supported_is_refused_by_name(text: str) -> None:
    for semantics in (PROMETHEUS_2, PROMETHEUS_3):
        with pytest.raises(QueryError, match=REFUSED[text]):
            parse(text, semantics)
