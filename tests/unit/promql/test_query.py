"""Which samples a selector sees: lookback, ends of series, ranges, offset and @."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from lilfox_tui.promql import evaluation
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.query import looks_elsewhere, parse, ranges_ms, window_ms, within
from lilfox_tui.promql.value import PROMETHEUS_2, PROMETHEUS_3, Matrix, Semantics, Vector
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore
from tests.unit.promql.written import Written, at, lines

RISING = Written({"x": "0 1 2 3 4 5 6 7 8 9"})
GAPS = Written({'x{a="1"}': "0 1 _ _ 4 5", 'x{a="2"}': "10 stale _ 13 _ _", 'x{a="3"}': "_ _ 22 _ _ NaN"})


@pytest.mark.parametrize(("semantics", "found"), [(PROMETHEUS_3, {}), (PROMETHEUS_2, {"x": 9.0})])
def test_a_sample_just_as_old_as_the_lookback_counts_in_prometheus_2_only(
    semantics: Semantics, found: dict[str, float]
) -> None:
    short = msgspec.structs.replace(semantics, lookback_ms=20_000)
    assert at(RISING, "x", 110, short) == found
    assert at(RISING, "x", 109.999, short) == {"x": 9.0}


def test_looks_past_gaps_but_not_past_an_end() -> None:
    assert at(GAPS, "x", 15) == {'x{a="1"}': 1.0}
    assert at(GAPS, "x", 25) == {'x{a="1"}': 1.0, 'x{a="3"}': 22.0}
    assert at(GAPS, "x", 35) == {'x{a="1"}': 1.0, 'x{a="2"}': 13.0, 'x{a="3"}': 22.0}
    latest = at(GAPS, "x", 55)
    assert (latest['x{a="1"}'], latest['x{a="2"}']) == (5.0, 13.0)
    assert math.isnan(latest['x{a="3"}'])


@pytest.mark.parametrize(
    ("text", "value"),
    [("x", 5.0), ("x offset 20s", 3.0), ("x offset -20s", 7.0), ("x @ 10", 1.0), ("x @ 10 offset -10s", 2.0),
     ("x offset 10s @ 90", 8.0), ("x @ start()", 5.0), ("x @ end() offset 10s", 4.0), ("x @ 19.999", 1.0)],
)  # fmt: skip
def test_looks_at_another_time_where_it_is_told(text: str, value: float) -> None:
    assert at(RISING, text, 50) == {"x": value}


def test_a_time_before_the_first_sample_has_none() -> None:
    assert at(RISING, "x offset 1m", 50) == {}
    assert at(RISING, "y", 50) == {}


@pytest.mark.parametrize(("semantics", "values"), [(PROMETHEUS_3, [4, 5]), (PROMETHEUS_2, [3, 4, 5])])
def test_a_range_is_open_on_its_left_in_prometheus_3(semantics: Semantics, values: list[float]) -> None:
    value = parse("x[20s]", semantics).at(RISING, 50_000)
    assert isinstance(value, Matrix)
    assert [number for _, number in lines(value.lines)["x"]] == values


def test_a_range_holds_samples_alone() -> None:
    value = parse("x[1m]").at(GAPS, 50_000)
    assert isinstance(value, Matrix)
    found = lines(value.lines)
    assert found['x{a="1"}'] == [(0, 0), (10, 1), (40, 4), (50, 5)]
    assert found['x{a="2"}'] == [(0, 10), (30, 13)]
    assert [second for second, _ in found['x{a="3"}']] == [20, 50]


def test_functions_over_time_keep_series_of_all_patterns_apart() -> None:
    assert at(GAPS, "count_over_time(x[1m])", 50) == {'{a="1"}': 4.0, '{a="2"}': 2.0, '{a="3"}': 2.0}
    assert at(GAPS, "rate(x[25s])", 50) == {'{a="1"}': pytest.approx(0.06)}
    assert at(GAPS, "last_over_time(x[30s])", 40) == {'x{a="1"}': 4.0, 'x{a="2"}': 13.0, 'x{a="3"}': 22.0}


def test_timestamp_is_that_of_the_sample_of_a_bare_selector() -> None:
    assert at(RISING, "timestamp((x))", 57) == {"{}": 50.0}
    assert at(RISING, "timestamp(x offset 20s)", 57) == {"{}": 30.0}
    assert at(RISING, "timestamp(x + 0)", 57) == {"{}": 57.0}
    assert at(GAPS, "timestamp(x)", 35) == {'{a="1"}': 10.0, '{a="2"}': 30.0, '{a="3"}': 20.0}


# Subqueries: aligned steps, nested ones, offsets and @.


RISING_FAST = Written({"x": " ".join(str(number) for number in range(200))})


def samples(text: str, at_s: float, semantics: Semantics = PROMETHEUS_3) -> list[tuple[float, float]]:
    value = parse(text, semantics).at(RISING_FAST, round(at_s * 1000))
    assert isinstance(value, Matrix)
    return lines(value.lines)["x"]


def test_steps_are_multiples_of_the_step() -> None:
    assert samples("x[30s:10s]", 57) == [(30, 3), (40, 4), (50, 5)]
    assert samples("x[30s:7s]", 57) == [(28, 2), (35, 3), (42, 4), (49, 4), (56, 5)]
    assert samples("x[20s:10s] offset 7s", 57) == [(40, 4), (50, 5)]
    assert samples("x[20s:10s] @ 100", 57) == [(90, 9), (100, 10)]


def test_the_left_end_is_open_in_prometheus_3() -> None:
    assert [second for second, _ in samples("x[20s:10s]", 50)] == [40, 50]
    assert [second for second, _ in samples("x[20s:10s]", 50, PROMETHEUS_2)] == [30, 40, 50]


def test_the_step_that_is_left_out_is_the_evaluation_interval() -> None:
    every = msgspec.structs.replace(PROMETHEUS_3, subquery_step_ms=15_000)
    assert [second for second, _ in samples("x[40s:]", 60, every)] == [30, 45, 60]
    assert [second for second, _ in samples("x[3m:]", 300)] == [180, 240, 300]


def test_nested_ones_take_their_own_times() -> None:
    inner = "sum_over_time(x[30s:10s])"
    assert at(RISING_FAST, f"rate({inner}[50s:10s])", 1000) == {"{}": pytest.approx(0.3)}
    assert at(RISING_FAST, f"max_over_time(({inner} @ 100)[30s:10s])".replace(" @ 100", ""), 100) == {"{}": 27.0}
    assert at(RISING_FAST, "sum_over_time(sum_over_time(x[100s] @ 100)[100s:25s] @ 50)", 100) == {"{}": 220.0}


def test_series_that_come_and_go_keep_their_own_steps() -> None:
    source = Written({'x{a="1"}': "1 2 stale _ 5", 'x{a="2"}': "_ _ 30 40 50"})
    value = parse("x[50s:10s]").at(source, 40_000)
    assert isinstance(value, Matrix)
    assert lines(value.lines) == {
        'x{a="1"}': [(0, 1), (10, 2), (40, 5)],
        'x{a="2"}': [(20, 30), (30, 40), (40, 50)],
    }


def test_more_values_than_memory_should_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "_MOST_VALUES", 50)
    assert parse("max_over_time(x[40s:1s])").at(RISING_FAST, 50_000)
    with pytest.raises(QueryError, match="more than 50 values at once"):
        parse("max_over_time(x[51s:1s])").at(RISING_FAST, 100_000)
    with pytest.raises(QueryError, match="more than 50 values at once"):
        parse("x").over(RISING_FAST, 0, 60_000, 1000)


def test_so_many_steps_are_refused() -> None:
    with pytest.raises(QueryError, match="more than 100000 steps"):
        parse("max_over_time(x[1y:1ms])").at(RISING_FAST, 50_000)


# How far queries look back, and the same with a shorter sight.


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


# Range queries: the value at each step, as lines.


SOURCE = Written({'x{a="2"}': "1 2 3 4 5 6", 'x{a="1"}': "10 _ stale 40 50 60", 'y{a="1"}': "1 1 1 1 1 1"})


def over(text: str, start_s: int, end_s: int, step_s: int) -> dict[str, list[tuple[float, float]]]:
    return lines(parse(text).over(SOURCE, start_s * 1000, end_s * 1000, step_s * 1000))


def test_lines_have_their_own_times_and_are_sorted() -> None:
    found = over("x", 0, 50, 10)
    assert list(found) == ['x{a="1"}', 'x{a="2"}']
    assert found['x{a="1"}'] == [(0, 10), (10, 10), (30, 40), (40, 50), (50, 60)]
    assert len(found['x{a="2"}']) == 6


def test_each_step_is_as_an_instant() -> None:
    for text in (
        "sum(x)",
        "x > 3",
        "rate(x[30s])",
        "x and y",
        "max_over_time(x[30s:10s])",
        "topk(1, x)",
        "absent(x > 9)",
    ):
        steps: dict[str, list[tuple[float, float]]] = {}
        for at_s in range(0, 60, 7):
            for one, number in at(SOURCE, text, at_s).items():
                steps.setdefault(one, []).append((at_s, number))
        assert over(text, 0, 59, 7) == steps, text


def test_start_and_end_are_those_of_the_whole_query() -> None:
    assert over('x{a="2"} @ end() - x{a="2"} @ start()', 10, 50, 20) == {'{a="2"}': [(10, 4), (30, 4), (50, 4)]}


def test_a_number_is_one_line_without_labels() -> None:
    assert over("time() * 2", 0, 20, 10) == {"{}": [(0, 0), (10, 20), (20, 40)]}


def test_nothing_is_no_line() -> None:
    assert over("nothing", 0, 50, 10) == {}


@pytest.mark.parametrize(
    ("text", "end_ms", "step_ms"), [("x[5m]", 10, 1), ('"text"', 10, 1), ("x", 10, 0), ("x", 11_000_000, 1)]
)
def test_what_gives_no_lines_is_refused(text: str, end_ms: int, step_ms: int) -> None:
    with pytest.raises(QueryError):
        parse(text).over(SOURCE, 0, end_ms, step_ms)


def test_two_metrics_never_become_one_line() -> None:
    source = Written({'a{i="1"}': "1 2 3 stale _ _ _ _", 'b{i="1"}': "_ _ _ _ _ 6 7 8"})
    for text in ('rate({i="1"}[20s])', '-{i="1"}'):
        with pytest.raises(QueryError, match="same labelset"):
            parse(text).over(source, 0, 70_000, 10_000)
    assert len(parse('last_over_time({i="1"}[20s])').over(source, 0, 70_000, 10_000)) == 2
    within = parse('max_over_time((-{i="1"})[80s:10s])').over(source, 70_000, 80_000, 10_000)  # one sample each step
    assert [line.values.tolist() for line in within] == [[-1, -2]]


def test_as_many_steps_as_prometheus_takes() -> None:
    query = parse("vector(1)")
    assert len(query.over(SOURCE, 0, 10_999, 1)[0].times) == 11_000
    with pytest.raises(QueryError, match="at most 11000 points per series"):
        query.over(SOURCE, 0, 11_000, 1)


def test_rows_are_taken_of_the_source_once() -> None:
    asked = []

    class Counted(Written):
        def select(self, *arguments):  # type: ignore[no-untyped-def]
            asked.append(arguments[1:])
            return super().select(*arguments)

    source = Counted({"x": "1 2 3 4 5 6"})
    found = parse("x + rate(x[20s]) + max_over_time(x[20s:5s])").over(source, 0, 50_000, 1000)
    assert len(found) == 1
    assert len(asked) == 3
    assert np.isfinite(found[0].values).all()
