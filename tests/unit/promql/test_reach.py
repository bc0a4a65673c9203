"""How far queries look back, and the same with a shorter sight."""

from __future__ import annotations

import numpy as np
import pytest

from lilfox_tui.promql.query import looks_elsewhere, parse, ranges_ms, window_ms, within
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore

MINUTE = 60_000


@pytest.mark.parametrize(
    ("expression", "minutes"),
    [
        ("up == 0", 0),
        ("rate(errors[5m]) / rate(requests[10m]) > 0.1", 10),
        ("sum by (job) (increase(errors[30m])) > 100", 30),
        ("errors - errors offset 60m > 3", 60),
        ("max_over_time(rate(errors[5m])[30m:1m]) > 1", 35),
        ("rate(errors[5m] offset 10m)", 15),
        ("rate(errors[5m] offset -10m)", 5),
        ("vector(1)", 0),
    ],
)
def test_the_longest_way_back_counts(expression: str, minutes: int) -> None:
    assert window_ms(parse(expression).tree) == minutes * MINUTE


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("up", ()),
        ("1", ()),
        ("rate(x[5m])", (300_000,)),
        ("-sum(rate(x[1m])) / on() topk(2, increase(y[30s]))", (30_000, 60_000)),
        ("max_over_time(rate(x[1m])[10m:30s])", (60_000, 600_000)),
    ],
)
def test_the_ranges_of_a_query_shortest_first(text: str, ranges: tuple[int, ...]) -> None:
    assert ranges_ms(parse(text)) == ranges


@pytest.mark.parametrize(
    ("text", "elsewhere"),
    [
        ("up", False),
        ("sum(up offset 5m)", True),
        ("rate(x[5m] @ 10)", True),
        ("max_over_time(x[1h:1m] offset 1m)", True),
    ],
)
def test_offset_and_at_are_noticed(text: str, elsewhere: bool) -> None:
    assert looks_elsewhere(parse(text)) is elsewhere


def test_a_rate_over_a_young_store_is_whole_when_the_range_is_that_of_the_store() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=1_000_000)
    labels = LabelList([LabelSet.of({NAME: "x"})])
    for second in range(6):
        store.target("t").append(1_000_000 + second * 1000, labels, np.array([100 + second * 10.0]))
    query = parse("sum(rate(x[5m])) + 0 * quantile(0.5, -rate(x[5m]))")
    low, whole = query.at(store, 1_005_000), within(query, 5500).at(store, 1_005_000)
    assert isinstance(low, Vector)
    assert isinstance(whole, Vector)
    assert low.values[0] < 0.2
    assert whole.values[0] == pytest.approx(10.0)


def test_what_is_shorter_already_and_what_has_no_range_stay_as_they_are() -> None:
    for text in ("up == 1", "rate(x[5s])", 'label_replace(up, "a", "b", "c", "d")', "max_over_time(x[5s:1s])"):
        assert within(parse(text), 5500).tree == parse(text).tree


def test_a_subquery_that_is_made_shorter_keeps_some_steps() -> None:
    assert within(parse("max_over_time(x[1h:1m])"), 5000).tree == parse("max_over_time(x[5s:1s])").tree
