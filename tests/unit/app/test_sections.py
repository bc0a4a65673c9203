"""Pages of sections: boxes in every width, charts side by side, one line a thing where there is little room."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.app.panes.metrics.sections import (
    PageChart,
    PageCurve,
    SectionStyle,
    beside_each_other,
    chart_bands,
    draw_sections,
    fill_page,
    last_of,
    text_section,
)
from lilfox_tui.app.rendering.chart import AXIS_WIDTH, Axes, Curve, Values, chart, resampled
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Glyphs, Piece, Row
from lilfox_tui.core.text import cell_width
from tests.app.overviews import NOW
from tests.unit.app.test_tables_and_charts import drawn_roles, make, texts

WINDOW = timedelta(minutes=5)


def text_of(row: Row) -> str:
    return "".join(piece.text for piece in row)


def rising(count: int) -> Values:
    return [float(place) for place in range(count)]


def chart_of(*names: str, asked: list[int] | None = None) -> PageChart:
    def values(count: int) -> Values:
        if asked is not None:
            asked.append(count)
        return rising(count)

    return PageChart(
        "Latency",
        [PageCurve(name, values, "12 ms") for name in names],
        lambda value: f"{value:.3g}",
        NOW - WINDOW,
        NOW,
        now="12 ms" if len(names) == 1 else "",
        notes=("limit 5%",),
        mark=50.0,
    )


@pytest.mark.parametrize(
    ("kept", "ends"),
    [
        ([1.0, 9.0, 3.0, 3.0], [1.0, 9.0, 3.0, 7.0]),
        ([None] * 20, [None] * 19 + [7.0]),
        ([5.0] * 19 + [None], [5.0] * 18 + [7.0, None]),
        ([5.0] * 10 + [None] * 10, [5.0] * 10 + [None] * 9 + [7.0]),
        ([], []),
    ],
)
def test_a_course_ends_with_the_value_that_is_told_of_it(kept: list[float | None], ends: list[float | None]) -> None:
    """History has the mean of each column: beside it the newest value would be another one."""
    curve = PageCurve("", lambda _count: kept, "7", newest=7.0)
    assert curve.course(len(kept)) == ends


def test_the_last_point_of_fewer_columns_is_the_newest_and_no_peak() -> None:
    assert resampled([1.0, 9.0, 2.0, 8.0, 3.0, None], 3) == [9.0, 8.0, 3.0]
    assert resampled([1.0, 2.0], 4) == [1.0, 1.0, 2.0, 2.0]
    assert resampled([], 2) == [None, None]


@given(st.integers(8, 260), st.integers(0, 6), st.integers(0, 4), st.booleans())
def test_no_row_is_wider_than_the_page(width: int, charts: int, texts: int, ascii_only: bool) -> None:
    style = SectionStyle(width, ASCII if ascii_only else UNICODE, 3)
    sections = [text_section(f"Title {n}", [(Piece(" word" * 30),)], note=(Piece("12"),)) for n in range(texts)]
    bands = [
        *chart_bands([chart_of("p50", "p95")] * charts, style),
        *beside_each_other(sections, width, 58),
    ]
    rows = draw_sections(bands, style)
    assert all(cell_width(text_of(row)) <= width for row in rows)
    text = " ".join(text_of(row) for row in rows)
    if width >= 60:
        assert text.count("Latency") == charts
        assert text.count("Title") == texts


@pytest.mark.parametrize(("count", "width", "shape"), [
    (3, 40, [1, 1, 1]), (3, 80, [1, 2]), (4, 80, [2, 2]), (5, 120, [2, 3]), (4, 200, [4]), (0, 80, []),
])  # fmt: skip
def test_as_many_stand_side_by_side_as_have_room(count: int, width: int, shape: list[int]) -> None:
    sections = [text_section(str(place), []) for place in range(count)]
    assert [len(band) for band in beside_each_other(sections, width, 38)] == shape


def test_a_series_is_asked_for_the_same_values_however_wide_its_charts_are() -> None:
    asked: list[int] = []
    for width in (81, 120, 163):
        asked.clear()
        style = SectionStyle(width, UNICODE, 3)
        draw_sections(chart_bands([chart_of("", asked=asked)] * 3, style), style)
        assert len(set(asked)) == 1, "another number would be another query to a Prometheus"


def test_below_sixty_columns_a_curve_is_one_line_and_all_have_one_scale() -> None:
    style = SectionStyle(40, UNICODE)
    low = PageCurve("low", lambda count: [1.0] * count, "1")
    shown = replace(chart_of("p50", "p95"), curves=[low, PageCurve("high", lambda count: [100.0] * count, "100")])
    title, first, second = (text_of(row) for row in draw_sections(chart_bands([shown], style), style))
    assert title.split() == ["Latency", "limit", "5%"]
    assert (first.count("▁"), second.count("▆")) == (28, 28)
    assert first.endswith("  1")
    assert second.endswith("  100")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(20, "last 20 s of 5 min"), (101, "last 1 min 41 s of 5 min"), (240, "last 4 min of 5 min"), (300, "last 5 min")],
)
def test_a_span_has_the_units_of_every_other_one(seconds: int, told: str) -> None:
    assert last_of(timedelta(seconds=seconds), timedelta(minutes=5)) == told


def test_over_a_slow_link_nothing_moves_but_the_numbers() -> None:
    style = SectionStyle(120, UNICODE, slow_link=True)
    rows = [text_of(row) for row in draw_sections(chart_bands([chart_of("p50", "p95")], style), style)]
    assert [row.split() for row in rows] == [["Latency", "limit", "5%"], ["p50", "12", "ms"], ["p95", "12", "ms"]]


def test_a_cursor_tells_the_values_at_its_moment_and_stands_on_their_column() -> None:
    style = SectionStyle(80, UNICODE, 4, cursor=NOW - WINDOW / 2)
    many, single = chart_of("p50", "p95"), replace(chart_of(""), top=200.0)
    for shown, told, rows_high in ((many, "━ p50 73  ━ p95 73", 4), (single, "─ 73  limit 5% ─", 5)):
        rows = draw_sections(chart_bands([shown], style), style)
        text = "\n".join(map(text_of, rows))
        assert told in text, "half of what rises to 145"
        assert "12 ms" not in text, "the newest value is told no longer"
        marked = [piece for row in rows for piece in row if piece.ground == "cursor"]
        assert [cell_width(piece.text) for piece in marked] == [1] * rows_high
    gone, none = replace(style, cursor=NOW - 2 * WINDOW), replace(style, cursor=None)
    assert draw_sections(chart_bands([many], gone), gone) == draw_sections(chart_bands([many], none), none)


def test_sections_without_rows_leave_no_trace() -> None:
    style = SectionStyle(80, UNICODE)
    assert draw_sections([[text_section("Nothing", [])]], style) == []


@pytest.mark.parametrize(("height", "plot"), [(0, 3), (10, 4), (20, 9), (200, 32)])
def test_charts_grow_until_the_page_is_full(height: int, plot: int) -> None:
    drawn = fill_page(lambda style: [()] * (2 * style.chart_height + 2), SectionStyle(80, UNICODE, 3), height, 2)
    assert len(drawn) == 2 * plot + 2


def test_a_limit_is_seen_beside_the_curves_that_run_through_its_row() -> None:
    flat = PageCurve("p50", lambda count: [0.0] * count)
    shown = replace(chart_of("p50", "p95"), curves=[flat, flat], top=100.0, mark=20.0)
    drawn = draw_sections(chart_bands([shown], SectionStyle(80, UNICODE, 4)), SectionStyle(80, UNICODE, 4))
    assert "⣂⣂⣂" in text_of(drawn[-3])
    late = PageCurve("p50", lambda count: [None] * (count // 2) + [0.0] * (count - count // 2))
    drawn = draw_sections(
        chart_bands([replace(shown, curves=[late, late])], SectionStyle(80, UNICODE, 4)), SectionStyle(80, UNICODE, 4)
    )
    assert "╌ 20" in text_of(drawn[-3]), "it is seen before the curves begin"
    assert "⣀⣀⣀" in text_of(drawn[-3]), "and has not their colour"
    far = replace(shown, mark=90.0)
    drawn = draw_sections(chart_bands([far], SectionStyle(80, UNICODE, 4)), SectionStyle(80, UNICODE, 4))
    assert "⣀⣀⣀" in text_of(drawn[-3])
    assert "╌╌╌╌ 90" in text_of(drawn[2])


def test_all_charts_mark_when_the_alert_fired_but_one_that_marks_a_moment_of_its_own() -> None:
    style = SectionStyle(120, UNICODE, 4, fired=NOW - timedelta(minutes=2))
    own = replace(chart_of("p50", "p95"), moment=NOW - timedelta(minutes=3))
    times = text_of(draw_sections(chart_bands([chart_of("p50"), own], style), style)[-2])
    assert (times.count(" ▲ 03:10:44 "), times.count(" 03:09:44 "), times.count("▲")) == (1, 1, 1)
    narrow = text_of(chart("", [Curve([1.0, 2.0])], Axes(str, NOW - WINDOW, NOW, moment=NOW - WINDOW / 2, sign="▲"),
                           width=AXIS_WIDTH + 30, height=4, glyphs=UNICODE)[-1])  # fmt: skip
    assert "▲" not in narrow, "the time is told before its sign"


def test_the_moment_is_a_line_with_its_time_below_it() -> None:
    style = SectionStyle(80, UNICODE, 4)
    shown = replace(chart_of("p50", "p95"), moment=NOW - timedelta(minutes=2))
    rows = [text_of(row) for row in draw_sections(chart_bands([shown], style), style)]
    assert " 03:10:44 " in rows[-2]
    column = rows[-2].index("03:10:44") + 4
    assert "│" in {row[place] for row in rows[2:-2] for place in range(column - 1, column + 2)}
    assert "03:10:44" not in text_of(
        draw_sections(chart_bands([replace(shown, moment=NOW - WINDOW * 2)], style), style)[-2]
    )


# ---- curves that run through the same cells ----------------------------------------------------------------------


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_curves_that_run_through_the_same_cells_have_them_by_turns(glyphs: Glyphs) -> None:
    """Dashes, as colours that change from dot to dot would look like a curve of its own."""

    def turns(*values: Sequence[float | None]) -> str:
        return "".join(role[-1] for role in drawn_roles(make(*values, glyphs=glyphs)))

    assert turns([50.0] * 66, [51.0] * 66, [50.5] * 66) == ("111122223333" * 3)[:33]
    parting = [50.0] * 60 + [90.0] * 6
    assert ("11112222" * 4)[:28] in turns([50.0] * 66, parting), "where they part in the end, too"
    crossing = [float(min(100, max(0, (place - 15) * 8))) for place in range(66)]
    assert "1" * 33 in turns([50.0] * 66, crossing), "what they share at a crossing is the first one's"


def test_a_dash_has_the_dots_of_its_own_curve_alone() -> None:
    rows = make([50.0] * 66, [58.0] * 66)
    dots = {piece.role: set(piece.text) for row in rows[1:-1] for piece in row if piece.role.startswith("series")}
    assert dots == {"series1": {"⠤"}, "series2": {"⠒"}}


def test_a_line_that_rises_from_shared_cells_is_whole() -> None:
    rows = texts(make([10.0] * 30 + [90.0] * 36, [10.0] * 66))[1:-1]
    column = [row[22] for row in rows]
    assert column == ["⣀", "⡇", "⡇", "⡇", "⠧"], "no gap where it leaves them"


def test_the_legend_says_which_curves_are_equal() -> None:
    assert "web-0 7%  ━ web-1 7% = web-0  50%" in texts(make([20.0] * 9, [20.0] * 9, width=90))[0]
    assert "= web" not in texts(make([20.0] * 9, [21.0] * 9, width=90))[0]
    assert "= web" not in texts(make([0.0] * 9, [0.0] * 9, width=90))[0], "what is zero says so itself"
