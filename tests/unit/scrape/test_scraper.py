"""Samples that tell their own time."""

from __future__ import annotations

import numpy as np

from lilfox_tui.scrape.exposition import TimedSample
from lilfox_tui.scrape.labels import LabelSet, Matcher
from lilfox_tui.scrape.scraper import RejectedSamples, TimedSeries
from lilfox_tui.scrape.store import ABSENT_BITS, STALE_BITS, SeriesStore

NOW = 10_000_000


def sample(name: str, at: int, value: float) -> TimedSample:
    return TimedSample(LabelSet.of({"__name__": name}), NOW + at, value)


def held(store: SeriesStore) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for one in store.select((Matcher("__name__", "=~", ".+"),), 0, 2 * NOW):
        for column, labels in enumerate(one.labels):
            values = np.ascontiguousarray(one.values[:, column])
            there = ~np.isin(values.view(np.int64), (ABSENT_BITS, STALE_BITS))
            found[str(labels)] = [
                (int(at) - NOW, float(value)) for at, value in zip(one.times[there], values[there], strict=True)
            ]
    return found


def test_keeps_each_series_at_its_own_times() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=1 << 30)
    timed = TimedSeries(store, "t")
    assert timed.append([sample("a", -5, 1), sample("b", -9, 2), sample("c", -5, 3)], NOW) == RejectedSamples()
    assert timed.append([sample("b", -2, 4), sample("a", -1, 5), sample("c", 3, 6)], NOW) == RejectedSamples()
    assert timed.append([sample("c", 5, 7), sample("d", 5, 8)], NOW) == RejectedSamples()
    assert held(store) == {
        "a": [(-5, 1), (-1, 5)],
        "b": [(-9, 2), (-2, 4)],
        "c": [(-5, 3), (3, 6), (5, 7)],
        "d": [(5, 8)],
    }


def test_takes_several_samples_of_a_series_on_one_page() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=1 << 30)
    assert TimedSeries(store, "t").append([sample("a", 2, 2), sample("a", 1, 1)], NOW) == RejectedSamples()
    assert held(store) == {"a": [(1, 1), (2, 2)]}


def test_does_not_count_what_was_there_before() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=1 << 30)
    timed = TimedSeries(store, "t")
    for _time in range(2):
        assert timed.append([sample("a", 0, 1)], NOW) == RejectedSamples()
    assert held(store) == {"a": [(0, 1)]}


def test_refuses_times_that_go_back_are_old_or_ahead() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=1 << 30)
    timed = TimedSeries(store, "t")
    timed.append([sample("a", 0, 1)], NOW)
    late = [sample("a", -1, 1), sample("old", -3_600_001, 1), sample("ahead", 600_001, 1), sample("near", 600_000, 1)]
    assert timed.append(late, NOW) == RejectedSamples(old=2, future=1)
    assert held(store) == {"a": [(0, 1)], "near": [(600_000, 1)]}


def test_series_that_come_and_go_do_not_gather() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=1 << 30)
    timed = TimedSeries(store, "t")
    for at in range(1500):
        timed.append([sample("stays", at, at), sample(f"request_{at}", at, 1)], NOW)
    assert len(timed._newest) < 1100
    assert held(store)["stays"] == [(at, at) for at in range(1500)]
