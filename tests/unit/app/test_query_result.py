"""What a query's result is made of: order, labels in columns, where an error points, the list at the cursor."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers
from hypothesis.strategies import text as st_text
from msgspec.structs import replace

from lilfox_tui.app.panes.metrics.alert_series import query_pieces, query_rows
from lilfox_tui.app.panes.metrics.query.box import _answered
from lilfox_tui.app.panes.metrics.query.names import BetterQuery, FilledRange, better_query
from lilfox_tui.app.panes.metrics.query.offer import QueryLine, QueryOffer
from lilfox_tui.app.panes.metrics.query.result import (
    MOST_SERIES,
    WINDOWS,
    QueryAnswer,
    QueryState,
    ResultSeries,
    as_text,
    count_series,
    series_of,
    split_labels,
)
from lilfox_tui.app.panes.metrics.query.view import QueryPage, QueryScreen, caret_rows, query_screen
from lilfox_tui.app.rendering.chart import Axes, Curve, chart
from lilfox_tui.app.rendering.columns import cells
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Row
from lilfox_tui.promql.completion import KnownNames, NameIndex
from lilfox_tui.promql.query import EmbeddedEngine
from lilfox_tui.promql.value import Line, Vector
from lilfox_tui.scrape.exposition import Family
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.store import SeriesStore

AT = datetime(2026, 3, 29, 3, 0, tzinfo=UTC)
MS = round(AT.timestamp() * 1000)


def answer(values: dict[str, float], past: dict[str, list[float]] | None = None) -> QueryAnswer:
    """Series of the metric ``x`` by their label ``a``; the past in steps of 15 s up to now."""
    sets = [LabelSet.of({NAME: "x", "a": each}) for each in values]
    lines = [
        Line(
            LabelSet.of({NAME: "x", "a": each}),
            np.array([MS - 15_000 * (len(old) - 1 - place) for place in range(len(old))], np.int64),
            np.array(old),
        )
        for each, old in (past or {}).items()
    ]
    value = Vector(LabelList(sets), np.array(list(values.values())))
    return QueryAnswer("x", AT, timedelta(minutes=5), 15.0, value, lines)


def names(series: list[ResultSeries]) -> str:
    return "".join(each.labels.get("a") for each in series)


def test_series_stand_in_their_order_and_those_without_a_value_last() -> None:
    made = answer({"b": 1.0, "a": 1.0, "c": 3.0, "n": math.nan}, {"z": [1.0, 2.0]})
    assert names(series_of(made, "highest")) == "cabnz"
    assert names(series_of(made, "lowest")) == "abcnz"
    assert names(series_of(made, "labels")) == "abcnz"
    assert series_of(made)[-1].value is None


def test_values_of_the_past_stand_in_the_columns_of_their_times() -> None:
    (series,) = series_of(answer({"a": 3.0}, {"a": [1.0, math.inf, 3.0]}))
    assert list(series.values[-3:]) == [1.0, None, 3.0]
    assert set(series.values[:-3]) == {None}
    assert answer({}).time_of(19) == AT
    assert answer({}).time_of(17) == AT - timedelta(seconds=30)


def test_of_very_many_series_the_first_ones_are_shown_and_all_are_counted() -> None:
    many = answer({str(number): float(number) for number in range(MOST_SERIES + 100)})
    shown = series_of(many, "highest")
    assert (len(shown), shown[0].value, count_series(many)) == (MOST_SERIES, MOST_SERIES + 99.0, MOST_SERIES + 100)
    assert (series_of(None), count_series(None)) == ([], 0)


def test_a_chart_of_young_data_begins_with_it() -> None:
    state = QueryState(None, timedelta(minutes=5))
    state.take(answer({"a": 1.0}, {"a": [1.0] * 4, "b": [1.0] * 6}))
    assert state.first == 14
    state.move_cursor(-50, 60)
    assert state.cursor == 14


def test_the_time_cursor_begins_where_values_end() -> None:
    state = QueryState(None, timedelta(minutes=5))
    steps = answer({"a": 1.0}, {"a": [1.0] * 18})
    before = [Line(line.labels, line.times - 45_000, line.values) for line in steps.lines]
    state.take(replace(steps, lines=before))
    assert [value is None for value in state.series[0].values[-5:]] == [False, False, True, True, True]
    state.move_cursor(-1, 20)
    assert state.cursor == 15
    state.move_cursor(9, 20)
    assert state.cursor == 16


async def test_the_value_of_a_rate_is_the_last_one_of_its_chart() -> None:
    store = SeriesStore(keep_s=86_400, limit_bytes=10_000_000)
    target, labels = store.target("t"), LabelList([LabelSet.of({NAME: "x_total"})])
    for place in range(41):  # it slows down: what is extrapolated beyond the newest sample would be more than any value
        target.append(MS - 15_000 * (40 - place), labels, np.array([100.0 * place]))
    found = await _answered(EmbeddedEngine(store), QueryAnswer("rate(x_total[20s])", AT + timedelta(seconds=9),
                                                            timedelta(minutes=5), 1.5))  # fmt: skip
    assert found.at == AT, "the newest sample"
    (series,) = series_of(found)
    assert series.value is not None
    assert series.value == series.values[-1]
    text = "".join(text_of([*query_screen(QueryPage(found, 140, 40, UNICODE, [series], 1)).rows]))
    now, highest = (float(re.search(rf"{name} +([0-9.]+)/s", text)[1]) for name in ("now", "highest"))  # type: ignore[index]
    assert now <= highest


def test_labels_that_all_have_are_told_once() -> None:
    sets = [{NAME: "x", "job": "a", "host": "1"}, {NAME: "x", "job": "a", "host": "2", "more": "y"}]
    common, others = split_labels([ResultSeries(LabelSet.of(each), 1.0, ()) for each in sets])
    assert (str(common), others) == ('x{job="a"}', ["host", "more"])
    alone = [ResultSeries(LabelSet.of(sets[0]), 1.0, ())]
    assert split_labels(alone) == (LabelSet(()), [NAME, "host", "job"])
    assert split_labels([]) == (LabelSet(()), [])


@pytest.mark.parametrize(
    ("width", "pod", "titles"),
    [
        (90, 30, ["area", "pod", "zone"]),
        (76, 30, ["pod", "zone", "+1"]),
        (60, 42, ["pod", "+2"]),
        (60, 30, ["area", "pod", "+1"]),
    ],
)
def test_where_not_all_labels_have_room_the_most_telling_ones_have(width: int, pod: int, titles: list[str]) -> None:
    areas, zones = ["eu-east", "eu-west"], ["zone-a", "zone-b", "zone-c" + "-" * 20]
    series = [
        ResultSeries(
            LabelSet.of({"area": areas[place % 2], "pod": f"{place}".ljust(pod, "x"), "zone": zones[place % 3]}),
            1.0,
            (),
        )
        for place in range(6)
    ]
    page = QueryPage(answer({}), width, 20, UNICODE, series, 6, order="lowest")
    top, heading, *rows = text_of([*query_screen(page).rows])
    assert heading.strip("│").split()[2:] == titles
    assert all(f"  {place}xxxxx" in row for place, row in enumerate(rows[:6]))
    assert {len(row) for row in (top, heading, *rows)} == {width}


def test_a_copy_has_the_exact_values() -> None:
    series = series_of(answer({"a": 0.1234567891, "b": 1e7 + 0.5, "c": 2.0, "n": math.nan}, {"z": [1.0]}))
    assert as_text(series, None).splitlines() == [
        'x{a="a"} 0.1234567891', 'x{a="b"} 10000000.5', 'x{a="c"} 2', 'x{a="n"} NaN', 'x{a="z"} -',
    ]  # fmt: skip


def text_of(rows: list[Row]) -> list[str]:
    return ["".join(piece.text for piece in row) for row in rows]


def test_the_caret_stands_below_its_place_also_in_a_line_that_is_too_long() -> None:
    query = 'sum(rate(http_requests_total{job="x", status=~"5.."}[5m])) / sum(rate(x{y=}[5m]))'
    for width in (20, 40, 200):
        line, caret = text_of(caret_rows(query, query.index("}[5m]))", 60), width))
        assert line[caret.index("^")] == "}"
        assert len(line) <= width
    line, caret = text_of(caret_rows("漢字 )", 3, 40))
    assert (cells(caret_rows("漢字 )", 3, 40)[1]), line) == (3 + 5 + 1, "   漢字 )")
    assert caret.index("^") == 8


@given(st_text(max_size=60), integers(0, 60), integers(8, 80))
def test_no_text_is_too_odd_to_point_into(text: str, position: int, width: int) -> None:
    for row in caret_rows(text, position, width):
        assert cells(row) <= width + 4
    assert "".join(piece.text for piece in query_pieces(text)) == text


@given(st_text("lo{}()[]\"'`=~!,|5m _:", max_size=30), integers(0, 30), integers(1, 100), integers(0, 12))
def test_whatever_is_typed_something_or_nothing_is_offered(text: str, cursor: int, width: int, height: int) -> None:
    offer = QueryOffer()
    offer.known = KnownNames(
        NameIndex(["load", "log_lines"]), {}, {"load": NameIndex(["l", "o"])}, {("load", "l"): NameIndex(["lo", '"'])}
    )
    line = QueryLine(text, min(cursor, len(text)))
    offer.update(line)
    rows = offer.rows(width, height, ASCII)
    assert len(rows) <= height
    assert all(cells(row) <= width for row in rows)
    if offer.choices:
        taken = offer.take()
        assert taken.text[: offer.start] == text[: offer.start]
        assert 0 <= taken.cursor <= len(taken.text)


def marked(offer: QueryOffer) -> int | None:
    return offer.marked


def test_nothing_is_marked_until_an_arrow_marks_it_and_above_the_first_nothing_is() -> None:
    offer = QueryOffer()
    offer.known = KnownNames(NameIndex(["load1", "load5"]))
    offer.update(QueryLine("loa", 3))
    assert [each.text for each in offer.choices] == ["load1", "load5"]
    assert marked(offer) is None
    assert offer.move(1)
    assert offer.move(1)
    assert offer.move(1)
    assert marked(offer) == 1
    offer.move(-2)
    assert marked(offer) is None
    offer.close(QueryLine("loa", 3))
    offer.update(QueryLine("loa", 3))
    assert not offer.move(1), "a list that was closed stays closed"
    offer.update(QueryLine("load", 4))
    assert offer.choices


def seen(state: QueryState) -> tuple[int | None, str]:
    return state.cursor, state.focus


def test_the_same_query_keeps_its_selection_and_another_one_begins_anew() -> None:
    state = QueryState(None, timedelta(minutes=5))
    state.take(answer({"a": 1.0, "b": 2.0}))
    state.choose(1)
    state.move_cursor(-1, 10)
    assert seen(state) == (17, "result")
    state.take(answer({"a": 3.0, "b": 2.0}))
    assert (names([state.series[state.chosen]]), seen(state)) == ("a", (None, "result"))
    state.move(-5)
    assert (state.chosen, seen(state)) == (0, (None, "query"))


def test_a_series_keeps_its_colour_as_others_pass_it_by_in_the_legend_the_table_and_the_chart() -> None:
    state = QueryState(None, WINDOWS[0])

    def seen(values: dict[str, float]) -> dict[str, int]:
        state.take(answer(values, {each: [value] * 9 for each, value in values.items()}))
        colours = state.colours()
        told = {str(state.series[place].labels.get("a")): slot for place, slot in colours.items()}
        assert len(set(told.values())) == len(told), "no two have the same"
        page = QueryPage(state.answer, 120, 30, UNICODE, state.series, state.count, colours=colours)  # type: ignore[arg-type]
        drawn = query_screen(page).rows
        marks = [
            (piece.text.removeprefix("a="), row[at - 1].role)
            for row in drawn
            for at, piece in enumerate(row)
            if at and row[at - 1].role.startswith("series") and piece.text.removeprefix("a=") in told
        ]
        assert {(name, f"series{slot + 1}") for name, slot in told.items()} == set(marks)
        return told

    first = seen({"p": 9.0, "q": 8.0, "r": 7.0})
    assert first == {"p": 0, "q": 1, "r": 2}
    assert seen({"p": 1.0, "q": 8.0, "r": 9.0}) == first
    many = seen({"n": 20.0, "p": 1.0, "q": 8.0, "r": 9.0})
    assert many == {**first, "n": 3}
    crowd = seen({**{f"c{place}": 30.0 + place for place in range(5)}, "q": 31.5, "p": 1.0, "r": 0.5})
    assert crowd["q"] == first["q"]
    state.take(replace(answer({"r": 1.0}), text="y"))
    assert state.colours() == {0: 0}, "another query begins anew"


def test_ranges_follow_each_other_from_whatever_the_pane_has() -> None:
    state = QueryState(None, timedelta(days=7))
    found = []
    for _each in WINDOWS:
        state.next_window()
        found.append(state.window)
    assert found == list(WINDOWS)


def test_values_below_zero_are_drawn_below_it() -> None:
    values = [-20.0, 0.0, 20.0]
    axes = Axes(unit=lambda value: f"{value:.0f}", start=AT, end=AT + timedelta(minutes=5), below_zero=True)
    rows = text_of(chart("x", [Curve(values)], axes, width=40, height=3, glyphs=UNICODE))
    assert [row.split("│")[0].strip() for row in rows[1:4]] == ["20", "0", ""]
    assert rows[4].split("└")[0].strip() == "-20"
    flat = text_of(chart("x", [Curve([-20.0, -20.0])], axes, width=10, height=3, glyphs=ASCII))
    assert flat[1].split("|")[0].strip() == "0", "the scale ends at zero where all is below"


def beside(query: str, width: int, height: int = 40, **more: Any) -> QueryScreen:
    """What a result of three series looks like, the second one selected."""
    made = replace(
        answer({"b": 2.0, "a": 1.0, "c": 3.0}, {"a": [5.0, 1.0], "b": [2.0] * 9, "c": [3.0] * 9}), text=query
    )
    known = KnownNames(families={"x": Family("gauge", "Things that are\nthere.")})
    series = series_of(made, "highest")
    history = [query, "first", "sum by (job) (rate(a_long_name_total[5m]))"]
    return query_screen(
        QueryPage(made, width, height, UNICODE, series, 3, chosen=1, known=known, history=history, **more)
    )


def test_the_selected_series_stands_whole_beside_the_table_with_its_metric_and_earlier_queries() -> None:
    drawn = beside("sum(x)", 120)
    side = "\n".join(row[drawn.right :].strip("│ ") for row in text_of([*drawn.rows]))
    for told in (
        "Selected series", "a  b", "now      2", "lowest   2  02:58:00", "average  2", "Metric", "x  gauge",
        "Things that are", "Earlier queries", "first", "sum by (job)", "a_long_name_total",
    ):  # fmt: skip
        assert told in side, told
    assert "sum(x)" not in side, "what is asked now is no earlier query"
    assert "…" not in side
    assert "Selected series" not in "\n".join(text_of([*beside("x", 119).rows]))
    for y, query in drawn.queries.items():
        assert text_of([*drawn.rows])[y][drawn.right :].strip("│ ") in query
    assert set(drawn.queries.values()) == {"first", "sum by (job) (rate(a_long_name_total[5m]))"}


def test_lowest_average_and_highest_stand_in_the_table_where_all_labels_have_room() -> None:
    wide = text_of([*beside("x", 119).rows])[1:5]
    assert wide[0].strip("│ ").split() == ["value", "↓", "a", "lowest", "average", "highest"]
    assert re.search(r"1  a +1 +3 +5  ", wide[3])
    for title, value in zip(("lowest", "average", "highest"), ("1", "3", "5"), strict=True):
        end = wide[0].index(title) + len(title)
        assert wide[3][:end].endswith("  " + value), "right-aligned below its title"
    assert "lowest" not in "".join(text_of([*beside("x", 60).rows])[1])


def test_the_value_at_the_time_cursor_stands_with_the_others() -> None:
    side = "\n".join(row[81:] for row in text_of([*beside("x", 120, cursor=14).rows]))
    assert re.search(r"cursor +2  02:58:45\b", side)
    assert "cursor" not in "\n".join(text_of([*beside("x", 120).rows]))


def test_where_there_is_little_room_beside_the_table_the_selected_series_is_told_first() -> None:
    drawn = beside("x", 120, 12)
    assert len(drawn.rows) == 12
    assert "Selected series" in text_of([*drawn.rows])[0]
    assert drawn.queries == {}


def test_what_all_series_have_is_told_once_with_the_name_of_the_metric() -> None:
    upper, _heading, *rows = text_of([*beside("x", 80).rows])
    assert "3 series ─" in upper
    assert " x ─" in upper
    assert not any(" x" in row for row in rows[:3])


@pytest.mark.parametrize(
    ("asked", "better"),
    [
        ("asked_total", "rate(asked_total[1m])"),
        (' asked_total{job=~"a|{b}"} ', ' rate(asked_total{job=~"a|{b}"}[1m]) '),
        ("sum by (job) (asked_total)", "sum by (job) (rate(asked_total[1m]))"),
        ("topk(3, load_count)", "topk(3, rate(load_count[1m]))"),
        ("took_bucket", "histogram_quantile(0.95, sum by (job, le) (rate(took_bucket[1m])))"),
        ("sum by (le) (took_bucket)", "sum by (le) (rate(took_bucket[1m]))"),
        ("took_sum", "rate(took_sum[1m])"),
        ("unknown_total", "rate(unknown_total[1m])"),
        ("size_total", None),
        ("load", None),
        ("rate(asked_total[5m])", None),
        ("asked_total[5m]", None),
        ("asked_total offset 1h", None),
        ("asked_total + asked_total", None),
        ("count(asked_total)", None),
        ('{__name__="asked_total"}', None),
        ("asked_total # asked_total", None),
        ("asked_total{", None),
    ],
)
def test_a_better_query_for_a_counter_is_its_rate(asked: str, better: str | None) -> None:
    families = {"asked_total": Family("counter"), "took": Family("histogram"), "load_count": Family("counter"),
                "size_total": Family("gauge"), "load": Family("gauge")}  # fmt: skip
    found = better_query(asked, KnownNames(families=families), remote=False)
    assert (None if found is None else found.text) == better
    if found is not None:
        of_remote = better_query(asked, KnownNames(families=families), remote=True)
        assert of_remote is not None
        assert of_remote.text == found.text.replace("[1m]", "[5m]"), "a Prometheus scrapes less often"
        assert better_query(found.text, KnownNames(families=families), remote=False) is None


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_result_of_a_counter_says_what_shows_its_rate(width: int) -> None:
    told = "".join(text_of([*beside("x", width, better=BetterQuery("rate(x[1m])")).rows]))
    assert "a counter; ctrl-t shows it per second: rate(x[1m])" in told
    assert "ctrl-t" not in "".join(text_of([*beside("x", width).rows]))


def test_the_series_that_is_told_beside_the_table_is_marked_in_it() -> None:
    def marked(width: int, **more: Any) -> list[str]:
        return [line for line in text_of([*beside("x", width, **more).rows]) if UNICODE.chosen in line]

    (row,) = marked(120)
    assert " b " in row
    assert marked(120, focused=True) == [], "it is highlighted"
    assert marked(80) == []


def test_a_legend_has_no_labels_that_say_the_same_and_the_axis_its_unit() -> None:
    sets = [LabelSet.of({NAME: "x", "instance": f"10.0.0.{at}:9100", "job": job, "route": route})
            for at, job, route in ((1, "web", "/a"), (1, "web", "/b"), (2, "api", "/a"))]  # fmt: skip
    lines = [Line(labels, np.array([MS - 15_000, MS], np.int64), np.array([1.0, 2.0])) for labels in sets]
    now = Vector(LabelList(sets), np.array([1.0, 2, 3]))
    told = QueryAnswer("rate(x[1m])", AT, timedelta(minutes=5), 15.0, now, lines)
    page = QueryPage(told, 120, 40, UNICODE, series_of(told), 3)
    drawn = text_of([*query_screen(page).rows])
    (legend,) = [line for line in drawn if line.count("━") == 3]
    assert all(name in legend for name in ("web /a", "web /b", "api /a"))
    assert "10.0.0" not in legend
    assert any("per second" in line for line in drawn)
    assert any("10.0.0.2:9100" in line for line in drawn), "the table has them all"


def test_the_selected_series_is_seen_before_the_others_while_the_keys_move_it() -> None:
    def seen(**more: Any) -> set[str]:
        rows = [row for row in beside("x", 120, **more).rows if any(char > "⠀" for piece in row for char in piece.text)]
        return {piece.role for row in rows for piece in row if any("⠀" < char <= "⣿" for char in piece.text)}

    assert seen() == {"series1", "series2", "series3"}
    assert seen(focused=True) == {"series2", "muted"}


def many(**tops: float) -> QueryAnswer:
    return answer(tops, {name: [top / 2, top] for name, top in tops.items()})


@pytest.mark.parametrize("tops", [{"a": 20.0, "b": 0.5, "c": 0.4}, {"a": 20.0, "b": 0.0, "c": 0.0}, {}])
def test_a_scale_is_linear_until_the_other_one_is_asked_for(tops: dict[str, float]) -> None:
    state = QueryState(None, timedelta(minutes=5))
    state.take(many(**tops))
    scales = [state.is_log]
    state.switch_scale()
    scales.append(state.is_log)
    state.take(many(**tops))
    assert [*scales, state.is_log] == [False, True, True], "and it stays so"


def test_on_a_logarithmic_scale_each_course_in_the_table_has_a_scale_of_its_own() -> None:
    series = series_of(many(a=20.0, b=0.5, c=0.4), "highest")
    rows = {is_log: text_of([*query_screen(QueryPage(many(), 100, 30, UNICODE, series, 3, is_log=is_log)).rows])[2:5]
            for is_log in (False, True)}  # fmt: skip
    assert [{"▆" in row or "▇" in row for row in found} for found in rows.values()] == [{True, False}, {True}]


def test_a_logarithmic_scale_has_powers_of_ten_and_zero_at_its_end() -> None:
    axes = Axes(unit=lambda value: f"{value:g}", start=AT, end=AT + timedelta(minutes=5), log=True)

    def labels(*values: float | None) -> list[str]:
        rows = text_of(chart("", [Curve(values, "a"), Curve(values, "b")], axes, width=40, height=12, glyphs=UNICODE))
        return [found for row in rows[1:] if (found := re.split("[│└]", row)[0].strip())]

    assert labels(0.5, 20.0) == ["100", "10", "1", "0.1"]
    assert labels(1.0, 100.0) == ["100", "10", "1"]
    assert labels(0.0, 5.0, 10.0) == ["10", "1", "0"]
    assert labels(math.nan, None, math.inf, 5.0) == ["10", "1"]
    assert labels(0.0, 0.0)[-1] == "0"


def test_values_of_a_window_that_is_not_full_are_dim_and_not_counted() -> None:
    made = answer({"a": 9.0}, {"a": [float(place) for place in range(20)]})
    cut = replace(made, filled=FilledRange(AT - timedelta(seconds=150), timedelta(minutes=5)))
    (series,) = series_of(cut)
    assert [value for value in cut.whole(series.values) if value is not None] == [float(x) for x in range(9, 20)]
    assert made.whole(series.values) == series.values
    late = replace(made, filled=FilledRange(AT + timedelta(seconds=1), timedelta(minutes=5)))
    assert late.whole(series.values) == series.values, "none is full: all are told"
    rows = query_screen(QueryPage(cut, 90, 30, UNICODE, [series], 1)).rows
    assert re.search(r" 9 +14 +19 ", text_of([*rows])[3]), "lowest, average and highest"
    assert "before 02:57:30 the 5 min window is not full: values cover less time" in "".join(text_of([*rows]))
    assert "  dim: window not full" in "".join(text_of([*rows]))
    none = query_screen(QueryPage(late, 90, 30, UNICODE, [series], 1)).rows
    assert "  window not full" in "".join(text_of([*none]))
    two = AT + timedelta(minutes=2)
    axes = Axes(unit=str, start=AT, end=AT + timedelta(minutes=5), full=two, moment=two, line=True)
    drawn = chart("", [Curve([1.0] * 60)], axes, width=37, height=4, glyphs=UNICODE)
    dots = [(piece.text, piece.role) for row in drawn[1:-1] for piece in row if "⠀" < piece.text[:1] <= "⣿"]
    assert [(len(text), role) for text, role in dots] == [(12, "rule"), (18, "series1")]
    assert " 03:02:00 " in text_of(drawn)[-1]
    never = replace(axes, full=axes.end + timedelta(minutes=1), moment=None)
    rows = chart("", [Curve([1.0] * 60)], never, width=37, height=4, glyphs=UNICODE)[1:-1]
    assert {piece.role for row in rows for piece in row if "⠀" < piece.text[:1] <= "⣿"} == {"series1"}, "none is full"


@pytest.mark.parametrize("width", [30, 60, 87, 100, 200])
def test_a_query_is_broken_between_words_where_the_fewest_brackets_are_open(width: int) -> None:
    asked = "histogram_quantile(0.95, sum by (job, le) (rate(http_request_duration_seconds_bucket[5m])))"
    rows = text_of(query_rows(asked, width, " "))
    assert all(len(row) <= width for row in rows)
    assert "".join("".join(rows).split()) == "".join(asked.split())
    if width == 87:
        assert [row.strip() for row in rows] == [asked[:41], asked[42:]]
    if width >= 60:
        assert not any(row.rstrip().endswith("(") or row.strip()[0] in ")]" for row in rows)


def test_a_query_is_best_broken_before_an_operator() -> None:
    rows = text_of(query_rows("sum by (job) (rate(errors_total[5m])) / sum by (job) (rate(requests_total[5m]))", 60))
    assert rows == ["sum by (job) (rate(errors_total[5m])) ", "  / sum by (job) (rate(requests_total[5m]))"]


def test_a_curve_in_front_takes_the_cells_that_it_shares() -> None:
    axes = Axes(unit=str, start=AT, end=AT + timedelta(minutes=5))
    curves = [Curve([5.0] * 60, "a"), Curve([5.0] * 60, "b", in_front=True)]
    rows = chart("", curves, axes, width=37, height=3, glyphs=UNICODE)
    assert {piece.role for row in rows[1:-1] for piece in row if "⠀" < piece.text[:1] <= "⣿"} == {"series2"}
