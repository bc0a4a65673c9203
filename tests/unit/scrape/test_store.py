"""The store of series: gaps, ends, new and vanishing series, retention, and what was handed out before."""

from __future__ import annotations

import math
import threading
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.scrape import store
from lilfox_tui.scrape.labels import LabelList, LabelSet, Matcher
from lilfox_tui.scrape.store import (
    ABSENT_BITS,
    STALE_BITS,
    Columns,
    Floats,
    SelectedSeries,
    SeriesStore,
    needed_bytes,
)

HUGE = 1 << 30
EVER = (0, 1 << 60)
ALL = (Matcher("__name__", "=~", ".+"),)


def named(*names: str) -> LabelList:
    return LabelList([LabelSet.of({"__name__": name, "job": "j"}) for name in names])


def floats(*values: float) -> Floats:
    return np.array(values, np.float64)


def words(selected: SelectedSeries) -> dict[str, list[str | float]]:
    """The columns by metric name, with gaps and ends as words."""
    bits = selected.values.view(np.int64) if selected.values.flags.c_contiguous else selected.values.copy().view("i8")
    special = {ABSENT_BITS: "absent", STALE_BITS: "stale"}
    return {
        labels.get("__name__"): [
            special.get(int(bits[row, column]), float(selected.values[row, column])) for row in range(len(bits))
        ]
        for column, labels in enumerate(selected.labels)
    }


def only(store: SeriesStore, name: str = "") -> SelectedSeries:
    matchers = (Matcher("__name__", "=", name),) if name else ALL
    (selected,) = store.select(matchers, *EVER)
    return selected


def test_gives_rows_within_the_time_both_ends_included() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=HUGE)
    labels = named("a", "b")
    for at in (1000, 2000, 3000, 4000):
        assert store.target("t").append(at, labels, floats(at, -at))
    (selected,) = store.select(ALL, 2000, 3000)
    assert selected.times.tolist() == [2000, 3000]
    assert selected.values.tolist() == [[2000, -2000], [3000, -3000]]
    assert store.select(ALL, 4001, 9000) == []
    assert store.select((Matcher("__name__", "=", "c"),), *EVER) == []


def test_refuses_a_row_that_is_not_newer_and_keeps_what_it_had() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=HUGE)
    target = store.target("t")
    assert target.append(2000, named("a"), floats(1))
    assert not target.append(2000, named("a", "b"), floats(8, 8))
    assert not target.append(1000, named("a"), floats(9))
    assert words(only(store)) == {"a": [1.0]}


def test_marks_the_end_of_a_series_once_and_its_return() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=HUGE)
    target = store.target("t")
    both, one = named("a", "b"), named("a")
    for at, labels in enumerate((both, one, one, both, both), 1):
        target.append(at, labels, floats(*range(at, at + len(labels))))
    assert words(only(store)) == {"a": [1, 2, 3, 4, 5], "b": [2, "stale", "absent", 5, 6]}


def test_a_new_series_has_no_past() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=HUGE)
    target = store.target("t")
    target.append(1, named("a"), floats(1))
    target.append(2, named("b", "a", "c"), floats(20, 2, 30))
    assert words(only(store)) == {"a": [1, 2], "b": ["absent", 20], "c": ["absent", 30]}


def test_a_failed_scrape_ends_every_series() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=HUGE)
    target = store.target("t")
    assert not target.end(1)
    target.append(1, named("a", "b"), floats(1, math.nan))
    assert target.end(2)
    assert not target.end(3)
    shown = words(only(store))
    assert shown["a"] == [1, "stale"]
    assert shown["b"][1] == "stale"
    assert str(shown["b"][0]) == "nan"
    assert store.series_count == 0


def test_the_labels_of_a_choice_stay_the_same_object() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=HUGE)
    target = store.target("t")
    target.append(1, named("a", "b"), floats(1, 2))
    before = only(store, "a").labels
    target.append(2, named("a", "b"), floats(1, 2))
    target.append(3, named("a", "b", "c"), floats(1, 2, 3))
    assert only(store, "a").labels is before
    assert only(store).labels.sets == named("a", "b", "c").sets


def test_series_that_stand_together_are_no_copy_and_cannot_be_changed() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=HUGE)
    target = store.target("t")
    target.append(1, named("a", "b", "c"), floats(1, 2, 3))
    selected = only(store, "b")
    assert selected.values.base is not None
    assert not selected.values.flags.writeable
    assert not selected.times.flags.writeable


def test_forgets_by_time() -> None:
    store = SeriesStore(keep_s=100, limit_bytes=HUGE)
    labels = named("a")
    for second in range(1000):
        store.target("t").append(second * 1000, labels, floats(second))
    oldest = store.oldest_ms
    assert oldest is not None
    assert 849_000 <= oldest <= 899_000
    assert only(store).times[-1] == 999_000


def test_forgets_series_that_have_nothing_left() -> None:
    store = SeriesStore(keep_s=10, limit_bytes=HUGE)
    target = store.target("t")
    for second in range(200):
        target.append(second * 1000, named("stays", f"request_{second}"), floats(1, 2))
    assert len(only(store).labels) < 60
    assert words(only(store))["stays"] == [1.0] * len(only(store).times)


def test_forgets_a_target_that_ended_long_ago_when_others_go_on() -> None:
    store = SeriesStore(keep_s=10, limit_bytes=HUGE)
    gone, goes_on = store.target("gone"), store.target("goes on")
    gone.append(0, named("a"), floats(1))
    gone.end(1000)
    for second in range(60):
        goes_on.append(second * 1000, named("b"), floats(1))
    assert gone.oldest_ms is None
    gone.append(61_000, named("a"), floats(7))
    assert words(only(store, "a")) == {"a": [7.0]}


def test_of_a_target_that_is_scraped_seldom_the_newest_row_stays() -> None:
    store = SeriesStore(keep_s=10, limit_bytes=HUGE)
    store.target("seldom").append(0, named("a"), floats(1))
    store.target("seldom").append(1000, named("a"), floats(2))
    for second in range(60):
        store.target("often").append(second * 1000, named("b"), floats(1))
    assert only(store, "a").times.tolist() == [1000]


def test_room_is_counted_without_what_a_target_has_now() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=20_000)
    labels, others = (named(*(f"{letter}{number}" for number in range(50))) for letter in "ab")
    store.target("t").append(1, labels, np.zeros(50))
    assert needed_bytes(others) <= store.room_for(store.target("t"))
    assert needed_bytes(others) > store.room_for(store.target("another"))


def test_forgets_the_oldest_of_all_targets_past_the_limit_of_bytes() -> None:
    store = SeriesStore(keep_s=1e6, limit_bytes=400_000)
    labels = named(*(f"m{number}" for number in range(50)))
    for second in range(2000):
        for key in ("x", "y"):
            store.target(key).append(second * 1000, labels, np.full(50, float(second)))
        assert store.size_bytes <= 400_000 + 2 * 50 * 8 * 4
    assert store.size_bytes > 200_000
    oldest = store.oldest_ms
    assert oldest is not None
    assert oldest > 1_000_000
    assert all(one.times[-1] == 1_999_000 and one.times[0] >= oldest for one in store.select(ALL, *EVER))


def test_it_is_known_before_when_a_row_moves_others() -> None:
    """So that a thread is taken for it."""
    store = SeriesStore(keep_s=1000, limit_bytes=200_000)
    labels = named(*(f"m{number}" for number in range(50)))
    moved = told = 0
    for second in range(2000):
        for key in ("x", "y"):
            before = store.select(ALL, *EVER)
            expected = store.makes_room(store.target(key), second * 1000)
            store.target(key).append(second * 1000, labels, np.full(50, float(second)))
            after = store.select(ALL, *EVER)
            stayed = all(np.shares_memory(old.values, new.values) for old, new in zip(before, after, strict=False))
            assert stayed or expected
            moved, told = moved + (not stayed), told + expected
    assert 0 < moved <= told < 200


def test_keeps_the_newest_row_of_each_target_whatever_the_limit() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=1)
    for second in range(5):
        store.target("x").append(second * 1000, named("a"), floats(second))
        store.target("y").append(second * 1000, named("b"), floats(second))
    assert [one.values[-1, 0] for one in store.select(ALL, *EVER)] == [4.0, 4.0]


def test_a_dropped_target_is_forgotten_with_its_past() -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=HUGE)
    store.target("t").append(1, named("a"), floats(1))
    store.drop("t")
    assert (store.select(ALL, *EVER), store.size_bytes, store.oldest_ms) == ([], 0, None)


def test_what_was_handed_out_stays_while_another_thread_appends() -> None:
    store = SeriesStore(keep_s=5, limit_bytes=HUGE)
    target = store.target("t")
    target.append(0, named("a", "b"), floats(0, 0))
    ended = threading.Event()

    def write() -> None:
        for at in range(1, 4000):
            names = ("a", "b") if at % 7 else ("a", "b", f"n{at % 35}")
            target.append(at * 10, named(*names), np.full(len(names), float(at * 10)))
        ended.set()

    thread = threading.Thread(target=write)
    thread.start()
    kept = []
    while not ended.is_set():
        selected = only(store, "a")
        kept.append((selected, selected.values.copy(), selected.times.copy()))
        assert (selected.values[:, 0] == selected.times).all()
    thread.join()
    for selected, values, times in kept:
        assert (selected.values == values).all()
        assert (selected.times == times).all()


Rows = list[tuple[int, dict[str, float]]]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 4),
            st.one_of(st.none(), st.dictionaries(st.sampled_from("abcdefgh"), st.floats(width=64), max_size=6)),
        ),
        max_size=60,
    )
)
def test_holds_what_was_put_in(steps: list[tuple[int, dict[str, float] | None]]) -> None:
    """Against the plainest model: a list of rows; None is a failed scrape."""
    store = SeriesStore(keep_s=3600, limit_bytes=HUGE)
    target = store.target("t")
    rows: Rows = []
    at = 0
    for gap, row in steps:
        at += gap
        if row is None:
            if rows and rows[-1][1]:
                assert target.end(at)
                rows.append((at, {}))
            continue
        assert target.append(at, named(*row), floats(*row.values()))
        rows.append((at, row))
    selected = store.select(ALL, *EVER)
    names = {name for _at, row in rows for name in row}
    assert {labels.get("__name__") for one in selected for labels in one.labels} == names
    if not names:
        return
    shown = words(selected[0])
    for name in names:
        expected: list[str | float] = [rows[0][1].get(name, "absent")]
        for (_a, before), (_b, row) in pairwise(rows):
            expected.append(row.get(name, "stale" if name in before else "absent"))
        assert [str(one) for one in shown[name]] == [str(one) for one in expected]
    assert selected[0].times.tolist() == [one for one, _row in rows]


# Which columns a selector picks, among the columns of then and of now.


ANY = (Matcher("__name__", "=~", ".+"),)


def sets(*names: str) -> list[LabelSet]:
    return [LabelSet.of({"__name__": name}) for name in names]


def chosen(columns: Columns) -> tuple[LabelSet, ...]:
    choice = columns.choose(ANY)
    assert choice is not None
    return choice.labels.sets


def test_columns_from_before_know_nothing_of_those_behind_them() -> None:
    before = Columns.of(sets("a"))
    after = before.widened(sets("b"))
    assert chosen(after) == tuple(sets("a", "b"))
    assert chosen(before) == tuple(sets("a"))
    assert chosen(after) == tuple(sets("a", "b"))


def test_what_is_picked_stays_the_same_object_where_other_columns_went() -> None:
    named_a = (Matcher("__name__", "=", "a"),)
    before = Columns.of(sets("gone", "a"))
    old, new = before.choose(named_a), Columns.of(sets("a"), before).choose(named_a)
    assert old is not None
    assert new is not None
    assert new.labels is old.labels
    assert (old.places, new.places) == (slice(1, 2), slice(0, 1))


def test_selectors_of_somebody_who_types_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_CHOICES_KEPT", 50)
    columns = Columns.of(sets("a"))
    for number in range(300):
        columns.choose((Matcher("typed", "=", str(number)),))
    assert 0 < len(columns._known.chosen) <= 50


def test_choices_of_many_series_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_PLACES_KEPT", 50)
    columns = Columns.of(sets(*map(str, range(10))))
    for number in range(3 * 8):
        for each in (columns, columns.widened(())):
            assert each.choose((Matcher("typed", "!=", str(number)),)) is not None
        assert sum(len(each.places) for each in columns._known.chosen.values()) == columns._known._chosen_places <= 50
    assert columns._known.chosen


def test_each_of_thousands_of_rules_has_its_choice_remembered() -> None:
    """A rule file of 5,000 selectors is not looked up anew in all series at each evaluation."""
    columns = Columns.of(sets(*map(str, range(100))))
    matchers = [(Matcher("rule", "!=", str(number)),) for number in range(5000)]
    first = [columns.choose(each) for each in matchers]
    assert all(columns.choose(each) is found for each, found in zip(matchers, first, strict=True))


_STEPS = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.one_of(st.none(), st.sets(st.sampled_from(["up", "rate", "size", "age"]))),
        st.integers(1, 5000),
    ),
    max_size=30,
)


@given(_STEPS)
@settings(max_examples=200, deadline=None)
def test_a_metric_is_found_in_every_target_that_has_it_and_sizes_add_up(
    steps: list[tuple[str, set[str] | None, int]],
) -> None:
    """``None`` drops the target; the history is short, so that series are forgotten."""
    store, at_ms = SeriesStore(keep_s=8, limit_bytes=HUGE), 0
    for key, names, passed_ms in steps:
        at_ms += passed_ms
        if names is None:
            store.drop(key)
        else:
            store.target(key).append(at_ms, named(*sorted(names)), np.zeros(len(names)))
        targets = list(store._targets.values())
        for name in ("up", "rate", "size", "age"):
            matchers = (Matcher("__name__", "=", name),)
            there = [found for each in targets if (found := each.select(matchers, *EVER)) is not None]
            assert sorted(map(repr, store.select(matchers, *EVER))) == sorted(map(repr, there))
        assert store.size_bytes == sum(each.size_bytes for each in targets)
        kept = {name for each in targets for name in each.columns.names}
        assert store._index._targets.keys() == kept


def test_a_dropped_target_is_not_found_though_its_scraper_goes_on() -> None:
    store = SeriesStore(keep_s=60, limit_bytes=HUGE)
    target = store.target("t")
    assert target.append(1000, named("up"), floats(1))
    store.drop("t")
    assert target.append(2000, named("up", "down"), floats(1, 2))
    assert store.select((Matcher("__name__", "=", "up"),), *EVER) == []
    assert store.size_bytes == 0
