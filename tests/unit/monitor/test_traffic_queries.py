"""A service's traffic by PromQL over rows whose rates are known by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from lilfox_tui.config.model import ServiceConfig
from lilfox_tui.core.aio import Feed
from lilfox_tui.metrics.traffic import Quantile, Traffic, series_of_traffic, traffic_of
from lilfox_tui.monitor.traffic_queries import TargetsOfService, TrafficQueries
from lilfox_tui.monitor.watchers.scraped_service import ScrapedService
from lilfox_tui.scrape.application import Application, Counter, Latency
from lilfox_tui.scrape.exposition import Family
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore, TargetSeries

AT = datetime(2026, 3, 29, 3, 12, 44, tzinfo=UTC)
AT_MS = round(AT.timestamp() * 1000)
STEP_MS = 5_000
WINDOW_MS = 20_001
BOUNDS = (0.1, 0.5, 1.0)
HTTP = Application(
    requests=Counter("http_requests_total", "status", "route"),
    latency=Latency("took_seconds", 1.0, BOUNDS, "route"),
    in_flight="busy",
    requests_by_route=Counter("http_requests_total", "status", "route"),
    latency_by_route=Latency("took_seconds", 1.0, BOUNDS, "route"),
)

Series = Mapping[LabelSet, Sequence[float]]


def labels(name: str, **others: str) -> LabelSet:
    return LabelSet.of({NAME: name, **others})


def requests(status: str, route: str = "/a") -> LabelSet:
    return labels("http_requests_total", status=status, route=route)


def steady(per_second: float, rows: int = 5) -> list[float]:
    """A counter that rises so fast, at each of ``rows`` scrapes up to AT."""
    return [per_second * STEP_MS / 1000 * row for row in range(rows)]


def times(route: str, within: Sequence[float]) -> dict[LabelSet, list[float]]:
    """Buckets that rise by ``within`` a second, the last of them the one without a bound."""
    names = [*map(str, BOUNDS), "+Inf"]
    buckets = {
        labels("took_seconds_bucket", le=bound, route=route): steady(rate)
        for bound, rate in zip(names, within, strict=True)
    }
    return {
        **buckets,
        labels("took_seconds_count", route=route): steady(within[-1]),
        labels("took_seconds_sum", route=route): steady(within[-1] * 0.25),
    }


def target(series: Series) -> TargetSeries:
    kept = SeriesStore(keep_s=3600, limit_bytes=1 << 24).target("t")
    named = LabelList(tuple(series))
    rows = len(next(iter(series.values())))
    for row in range(rows):
        at_ms = AT_MS - (rows - 1 - row) * STEP_MS
        assert kept.append(at_ms, named, np.array([values[row] for values in series.values()]))
    return kept


def target_of(rows: Sequence[Mapping[LabelSet, float]]) -> TargetSeries:
    """A target whose pages have not always the same series."""
    kept = SeriesStore(keep_s=3600, limit_bytes=1 << 24).target("t")
    for place, row in enumerate(rows):
        at_ms = AT_MS - (len(rows) - 1 - place) * STEP_MS
        assert kept.append(at_ms, LabelList(tuple(row)), np.array(list(row.values())))
    return kept


def asked(application: Application, series: Series) -> tuple[TrafficQueries, TargetsOfService]:
    return TrafficQueries(application, WINDOW_MS), TargetsOfService([target(series)])


def is_about(found: Quantile | None, seconds: float, bound: str = "") -> bool:
    return found is not None and found.seconds == pytest.approx(seconds) and found.bound == bound


def test_rates_shares_and_what_is_under_way() -> None:
    questions, source = asked(
        HTTP,
        {
            requests("200"): steady(16),
            requests("404"): steady(1),
            requests("503"): steady(2),
            requests("5xx", "/b"): steady(1),
            labels("busy"): [3.0] * 5,
        },
    )
    found = questions.whole(source, AT_MS)
    assert found.at == AT
    assert found.requests_s == pytest.approx(20, rel=1e-3)
    assert found.client_errors == pytest.approx(5)
    assert found.server_errors == pytest.approx(15), "503 and 5xx are one class"
    assert found.in_flight == 3
    by_status = questions.by_status(source, AT_MS)
    assert [(part.name, round(part.requests_s)) for part in by_status] == [
        ("200", 16),
        ("404", 1),
        ("503", 2),
        ("5xx", 1),
    ]
    assert [part.share for part in by_status] == pytest.approx([80, 5, 10, 5])
    by_route = questions.by_route(source, AT_MS)
    assert [part.name for part in by_route] == ["/a", "/b"]
    assert [part.server_errors for part in by_route] == pytest.approx([200 / 19, 100])


def test_no_error_is_none_in_a_hundred_and_not_unknown() -> None:
    questions, source = asked(HTTP, {requests("200"): steady(4)})
    found = questions.whole(source, AT_MS)
    assert (found.client_errors, found.server_errors) == (0, 0)
    assert found.in_flight is None


def test_a_quantile_tells_its_bound_where_the_bucket_is_wide() -> None:
    series = {requests("200"): steady(100), **times("/a", [60, 96, 98, 100])}
    questions, source = asked(HTTP, series)
    found = questions.whole(source, AT_MS)
    assert is_about(found.p50, 0.1 * 50 / 60)
    assert is_about(found.p95, 0.1 + 0.4 * 35 / 36)
    assert found.p99 == Quantile(1.0, ">"), "two of a hundred took longer than the last bound"
    wide = asked(HTTP, {requests("200"): steady(100), **times("/a", [60, 90, 100, 100])})
    found = wide[0].whole(wide[1], AT_MS)
    assert found.p95 == found.p99 == Quantile(1.0, "<="), "what lies between 0.5 and 1 is known only to be that"
    assert found.p50 is not None
    assert found.p50.told == ("<=", 0.1), "what lies between 0 and 0.1 too"


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        ((1.0, 5.0, 10.0, 60.0), ("<=", 10.0)),
        ((5.0, 8.0, 10.0, 60.0), ("", 9.9)),
        ((5.0, 60.0), ("<=", 60.0)),
        ((1.0, 5.0), (">", 5.0)),
    ],
)
def test_a_quantile_is_not_told_more_exactly_than_its_bucket(
    bounds: tuple[float, ...], told: tuple[str, float]
) -> None:
    latency = Latency("took_seconds", 1.0, bounds)
    slow = {labels("took_seconds_bucket", le=f"{bound:g}"): steady(100 if bound > 8 else 0) for bound in bounds}
    every = {labels("took_seconds_bucket", le="+Inf"): steady(100)}
    questions, source = asked(Application(latency=latency), {**slow, **every})
    found = questions.whole(source, AT_MS).p95
    assert found is not None
    assert found.told == told
    past = traffic_of(series_of_traffic(Traffic(AT, 30.0, p95=found)), AT)
    assert past is not None
    assert past.p95 is not None
    assert past.p95.told == told, "of the past too"


def test_each_route_has_its_own_quantiles_and_the_busiest_is_first() -> None:
    series = {
        requests("200", "/fast"): steady(10),
        requests("200", "/slow"): steady(30),
        **times("/fast", [10, 10, 10, 10]),
        **times("/slow", [0, 0, 0, 30]),
    }
    questions, source = asked(HTTP, series)
    slow, fast = questions.by_route(source, AT_MS)
    assert (slow.name, slow.p50) == ("/slow", Quantile(1.0, ">"))
    assert slow.share == pytest.approx(75)
    assert fast.name == "/fast"
    assert is_about(fast.p50, 0.05)


def test_the_rates_of_each_route_over_time_are_those_at_each_moment() -> None:
    rising = [0.0, 0.0, 0.0, 0.0, 0.0, 10.0, 30.0, 70.0, 150.0]
    steady_10, steady_2 = steady(10, rows=9), steady(2, rows=9)
    series = {requests("200", "/a"): steady_10, requests("503", "/a"): steady_2, requests("200", "/b"): rising}
    questions, source = asked(HTTP, series)
    count = 3
    rates = questions.route_rates(source, AT_MS - count * STEP_MS, AT_MS, count)
    assert set(rates) == {"/a", "/b"}
    for place in range(count):
        at_ms = AT_MS - (count - 1 - place) * STEP_MS
        known = {part.name: part.requests_s for part in questions.by_route(source, at_ms)}
        assert {name: values[place] for name, values in rates.items()} == pytest.approx(known)
    assert questions.route_rates(source, AT_MS, AT_MS, count) == {}, "no time, no rates"
    plain = Application(requests=Counter("http_requests_total", "status"))
    assert asked(plain, series)[0].route_rates(source, AT_MS - STEP_MS, AT_MS, 1) == {}


def test_a_rate_over_a_window_that_was_scraped_in_part_is_not_known() -> None:
    began = {requests("200", "/a"): steady(10)}
    questions, source = asked(HTTP, began)
    rates = questions.route_rates(source, AT_MS - 3 * STEP_MS, AT_MS, 3)
    assert rates == {"/a": [None, None, pytest.approx(10, rel=1e-3)]}, "7.5 would be half a truth"
    longer = {requests("200", "/a"): steady(10, rows=9)}
    questions, source = asked(HTTP, longer)
    rates = questions.route_rates(source, AT_MS - STEP_MS, AT_MS + 2 * STEP_MS, 3)
    assert [value is None for value in rates["/a"]] == [False, False, True], "nor is one after its last scrape"


def test_without_buckets_there_are_average_and_longest_and_no_quantile() -> None:
    application = Application(
        requests=Counter("took_milliseconds_count", "outcome"),
        latency=Latency("took_milliseconds", 1e-3, (), maximum="took_milliseconds_max"),
    )
    questions, source = asked(
        application,
        {
            labels("took_milliseconds_count", outcome="SUCCESS"): steady(3),
            labels("took_milliseconds_count", outcome="SERVER_ERROR"): steady(1),
            labels("took_milliseconds_sum", outcome="SUCCESS"): steady(300),
            labels("took_milliseconds_sum", outcome="SERVER_ERROR"): steady(300),
            labels("took_milliseconds_max", outcome="SUCCESS"): [900.0] * 5,
        },
    )
    found = questions.whole(source, AT_MS)
    assert (found.p50, found.p95, found.p99) == (None, None, None)
    assert found.average_s == pytest.approx(0.15)
    assert found.maximum_s == pytest.approx(0.9)
    assert found.server_errors == pytest.approx(25)
    assert "took_milliseconds" in str(found.missing["latency"])


def test_where_nobody_asked_shares_and_times_are_unknown_and_the_rate_is_none() -> None:
    still = {requests("200"): [7.0] * 5, **{one: [7.0] * 5 for one in times("/a", [1, 1, 1, 1])}}
    questions, source = asked(HTTP, still)
    found = questions.whole(source, AT_MS)
    assert found.requests_s == 0
    assert (found.server_errors, found.p95, found.average_s) == (None, None, None)
    assert str(found.missing["latency"]) == "no request in the last 20 s"
    assert str(found.missing["status"]) == "no request in the last 20 s"


def test_one_scrape_gives_no_rate_and_says_why() -> None:
    questions, source = asked(HTTP, {requests("200"): [7.0], labels("busy"): [2.0]})
    found = questions.whole(source, AT_MS)
    assert found.requests_s is None
    assert found.in_flight == 2
    assert str(found.missing["requests"]) == "a rate needs two scrapes"


def test_a_restart_counts_from_none_again() -> None:
    questions, source = asked(HTTP, {requests("200"): [1000.0, 1050.0, 10.0, 60.0, 110.0]})
    assert questions.whole(source, AT_MS).requests_s == pytest.approx((50 + 10 + 50 + 50) / 20, rel=1e-3)


def test_the_first_errors_count_although_their_series_is_new() -> None:
    rows = [
        {requests("200"): 0.0},
        {requests("200"): 50.0},
        {requests("200"): 100.0, requests("500"): 30.0},
        {requests("200"): 150.0, requests("500"): 50.0},
    ]
    kept = target_of(rows)
    found = TrafficQueries(HTTP, 15_001).whole(TargetsOfService([kept]), AT_MS)
    assert found.requests_s == pytest.approx(200 / 15, rel=1e-3)
    assert found.server_errors == pytest.approx(25)


def test_a_series_that_was_there_before_the_window_and_comes_back_does_not_begin_anew() -> None:
    both = {requests("200"): 0.0, requests("500"): 1000.0}
    rows = [both, {requests("200"): 0.0}, {requests("200"): 0.0}, {**both, requests("500"): 1001.0}, both]
    rows[4] = {requests("200"): 0.0, requests("500"): 1002.0}
    found = TrafficQueries(HTTP, 10_001).whole(TargetsOfService([target_of(rows)]), AT_MS)
    assert found.requests_s == pytest.approx(0.15, abs=0.06), "the thousand of before is not counted again"


def test_names_that_are_no_words_are_asked_for_in_quotes() -> None:
    odd = 'http "requests"\n'
    questions, source = asked(Application(requests=Counter(odd)), {labels(odd): steady(5)})
    assert questions.whole(source, AT_MS).requests_s == pytest.approx(5, rel=1e-3)


class OneTarget:
    """A scraper of a target that is up, whose page has a counter of requests."""

    target = SimpleNamespace(key="t")
    exposition = SimpleNamespace(families={"http_requests_total": Family("counter", "")})

    def __init__(self) -> None:
        self.feed: Feed[object] = Feed()
        self.feed.publish(None, AT)


async def test_two_scrapes_in_one_instant_make_no_rate() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=1 << 24)
    named = LabelList([labels("up"), requests("200")])
    for after_ms, count in ((0, 100.0), (34, 102.0), (2_000, 140.0)):  # twenty requests a second
        assert store.target("t").append(AT_MS + after_ms, named, np.array([1.0, count]))
    scraper: Any = OneTarget()
    service = ScrapedService([scraper], store, ServiceConfig(url="http://x"), 30.0, expected=True)
    at_once = await service.traffic(AT + timedelta(milliseconds=34))
    assert at_once.requests_s is None, "two of them within 34 ms are not fifty a second"
    assert str(at_once.missing["requests"]) == "a rate needs two scrapes"
    later = await service.traffic(AT + timedelta(seconds=2))
    assert later.requests_s == pytest.approx(20, rel=0.1)
