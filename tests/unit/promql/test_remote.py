"""Queries answered here, and what a Prometheus elsewhere answers, read."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from lilfox_tui.config.model import ApiConfig
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import EmbeddedEngine
from lilfox_tui.promql.remote import Envelope, HttpApi, NotSupported, Pairs, RemoteEngine, Reply, value_of
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.exposition import Family
from lilfox_tui.scrape.labels import NAME, Matcher
from tests.unit.promql.written import Written

SOURCE = Written({'x{a="1"}': "1 2 3", 'x{a="2"}': "4 5 6", "y": "7 8 9"})


def second(at_s: int) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


async def test_what_is_kept_here_is_asked_at_an_instant_over_time_and_for_its_names() -> None:
    engine = EmbeddedEngine(SOURCE)
    value = await engine.instant("sum(x)", second(10))
    assert isinstance(value, Vector)
    assert value.values.tolist() == [7]
    (line,) = await engine.range("y", second(0), second(20), 10)
    assert line.values.tolist() == [7, 8, 9]
    assert await engine.label_values("", NAME, second(0), second(20)) == ["x", "y"]
    assert await engine.label_names("x", second(0), second(20)) == [NAME, "a"]
    assert await engine.label_names("y", second(0), second(20)) == [NAME]
    assert await engine.label_values("x", "a", second(0), second(20)) == ["1", "2"]
    assert await engine.label_values("y", "a", second(0), second(20)) == []
    series = await engine.series((Matcher("a", "=", "2"),), second(0), second(20))
    assert [str(one) for one in series] == ['x{a="2"}']


@pytest.mark.parametrize(
    "result",
    [
        {"resultType": "matrix", "result": [{"metric": {}, "histograms": [[1, {}]]}]},
        {"resultType": "vector", "result": [{"metric": {}, "histogram": [1, {}]}]},
    ],
)
def test_native_histograms_are_said_and_not_left_out(result: object) -> None:
    with pytest.raises(NotSupported, match="native histograms"):
        value_of(msgspec.Raw(msgspec.json.encode(result)))


async def test_each_asker_gets_the_warnings_of_its_own_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"status": "success", "data": [], "warnings": ["one store is missing"], "infos": ["not a counter"]}'

    async def get(_self: HttpApi, _path: str, _params: Pairs = ()) -> Reply:
        return Reply(200, body)

    monkeypatch.setattr(HttpApi, "get", get)
    first: list[str] = []
    second_: list[str] = []
    remote = RemoteEngine(ApiConfig(url="http://127.0.0.1:1"), warn=first.append)
    await remote.warning(second_.append).label_values("", NAME, second(0), second(1))
    assert (first, second_) == ([], ["one store is missing", "not a counter"])


async def test_names_are_asked_for_one_metric_and_no_more_than_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Pairs]] = []

    async def get(_self: HttpApi, path: str, params: Pairs = ()) -> Reply:
        asked.append((path, params))
        return Reply(200, b'{"status": "success", "data": ["b", "a"]}')

    monkeypatch.setattr(HttpApi, "get", get)
    remote = RemoteEngine(ApiConfig(url="http://127.0.0.1:1"))
    assert await remote.label_values("up", "host.name", second(0), second(1)) == ["a", "b"]
    assert await remote.label_names("", second(0), second(1)) == ["a", "b"]
    times = [("start", "0.000"), ("end", "1.000"), ("limit", "100000")]
    assert asked == [
        ("/api/v1/label/U__host_2e_name/values", [("match[]", '{__name__="up"}'), *times]),
        ("/api/v1/labels", times),
    ]


async def test_type_and_help_of_metrics_are_told_where_targets_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    async def get(_self: HttpApi, _path: str, _params: Pairs = ()) -> Reply:
        up = '{"type": "gauge", "help": "whether it is up", "unit": ""}'
        return Reply(
            200, f'{{"status": "success", "data": {{"up": [{up}], "x": [{up}, {{"type": "counter"}}]}}}}'.encode()
        )

    monkeypatch.setattr(HttpApi, "get", get)
    remote = RemoteEngine(ApiConfig(url="http://127.0.0.1:1"))
    help_ = "whether it is up"
    assert await remote.families() == {"up": Family("gauge", help_), "x": Family("unknown", help_)}
    assert await remote.types() == {"up": "gauge"}


@pytest.mark.parametrize(
    ("text", "said", "place"),
    [("up +", "1:5", 4), ('{a="é"} )', "1:10", 8), ("up\n  + )", "2:5", 7), ("up", "7:1", None)],
)
def test_a_place_is_told_as_go_counts_it(text: str, said: str, place: int | None) -> None:
    remote = RemoteEngine(ApiConfig(url="http://127.0.0.1:1"))
    refused = Envelope("error", error=f'invalid parameter "query": {said}: parse error: odd', error_type="bad_data")
    error = remote._refused(refused, text)
    assert isinstance(error, QueryError)
    assert (str(error.message), error.position) == ("odd", place)
