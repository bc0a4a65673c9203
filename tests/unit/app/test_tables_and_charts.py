"""Columns and charts keep their widths whatever is in them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import combinations_with_replacement, pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.app.rendering.chart import (
    AXIS_WIDTH,
    Axes,
    Curve,
    _level_of,
    _ticks,
    chart,
    first_known,
    in_columns,
    nice_ceiling,
    round_ceiling,
    spark,
)
from lilfox_tui.app.rendering.columns import Column, choose, line, quantile_text, share_text, short_time_text
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Glyphs, Piece, Row, glyphs_for_terminal
from lilfox_tui.app.widgets import RowsOnDemand
from lilfox_tui.config.themes import load_theme
from lilfox_tui.core.text import cell_width, human_bytes, human_count, human_duration
from lilfox_tui.metrics.history import History, Point
from lilfox_tui.metrics.model import Series
from lilfox_tui.metrics.traffic import Quantile

NOW = datetime(2026, 3, 29, 3, 12, 44, tzinfo=UTC)


def width_of(row: Row) -> int:
    return sum(cell_width(piece.text) for piece in row)


def columns(*cells: Row) -> list[Column[int]]:
    return [Column(lambda: "t", 8, lambda _v, cell=cell: cell, priority=index) for index, cell in enumerate(cells)]  # type: ignore[misc]


@given(st.text(), st.text(), st.integers(min_value=8, max_value=60))
def test_a_line_is_as_wide_as_its_columns(one: str, two: str, width: int) -> None:
    chosen = choose(columns((Piece(one),), (Piece(two), Piece("x"))), width)
    assert width_of(tuple(line(chosen, 1))) == sum(each for _column, each in chosen) + 2 * (len(chosen) - 1)


def test_columns_leave_by_priority() -> None:
    three = columns((Piece("a"),), (Piece("b"),), (Piece("c"),))
    assert len(choose(three, 28)) == 3
    assert [column.priority for column, _width in choose(three, 27)] == [0, 1]
    assert [column.priority for column, _width in choose(three, 1)] == [0]


def test_a_spark_leaves_unknown_blank_and_shows_zero() -> None:
    assert spark([None, 0.0, 50.0, 100.0], 6, UNICODE, top=100) == "   ▁▄▇", "rows below each other do not fuse"
    assert spark([None, 0.0, 50.0, 100.0], 6, ASCII, top=100) == "   .=#"
    assert spark([20.0] * 4, 4, UNICODE) == "▆▆▆▆", "what does not change is no bar"


@pytest.mark.parametrize(("value", "ceiling"), [(0, 1), (1, 1), (3, 5), (51, 100), (0.02, 0.02), (1200, 2000)])
def test_ceilings_are_round(value: float, ceiling: float) -> None:
    assert nice_ceiling(value) == pytest.approx(ceiling)


def test_binary_ceilings_are_round_in_their_unit() -> None:
    assert nice_ceiling(3 * 1024**2, binary=True) == 5 * 1024**2
    assert [nice_ceiling(value, binary=True) for value in (0, 3, 1024)] == [1024] * 3  # half of a byte is no label


def test_what_nears_the_next_binary_unit_is_scaled_to_it() -> None:
    assert nice_ceiling(600 * 1024, binary=True) == 1024**2, "1,000 KiB would be 0.98 MiB"


@pytest.mark.parametrize(
    ("value", "height", "binary", "ceiling"),
    [
        (118, 16, False, 120),
        (60, 33, False, 60),
        (97, 8, False, 100),
        (0.118, 16, False, 0.12),
        (3 * 1024**2, 10, True, 3 * 1024**2),
        (700 * 1024, 10, True, 800 * 1024),
        (2.2, 10, True, 3),
        (0, 10, False, 1),
        (math.inf, 10, False, 1e300),
    ],
)
def test_a_scale_that_may_change_ends_at_the_next_label(
    value: float, height: int, binary: bool, ceiling: float
) -> None:
    assert round_ceiling(value, height, binary=binary) == pytest.approx(ceiling)


def axes(**more: Any) -> Axes:
    start = NOW - timedelta(minutes=5)
    known: dict[str, Any] = {"unit": lambda value: f"{value:.0f}%", "start": start, "end": NOW, "top": 100}
    return Axes(**(known | more))


def make(
    *values: Sequence[float | None], width: int = 40, height: int = 5, glyphs: Glyphs = UNICODE, **more: Any
) -> list[Row]:
    """A chart of one curve, or of several that have names."""
    names = [""] if len(values) == 1 else [f"web-{number}" for number in range(len(values))]
    curves = [Curve(each, name, "7%") for each, name in zip(values, names, strict=True)]
    return chart("CPU", curves, axes(**more), width=width, height=height, glyphs=glyphs, now_text="50%")


def texts(rows: Sequence[Row]) -> list[str]:
    return ["".join(piece.text for piece in row) for row in rows]


def roles(row: Row, text: str) -> set[str]:
    """The roles of the pieces with one of those characters."""
    return {piece.role for piece in row if set(piece.text) & set(text)}


def test_a_chart_has_a_title_a_scale_and_times() -> None:
    text = texts(make([50.0] * 33))
    assert len(text) == 7
    assert "CPU" in text[0]
    assert "50%" in text[0]
    assert text[1].startswith("  100%│")
    assert text[3].startswith("   50%│")
    assert "03:07:44" in text[-1]
    assert "03:12:44" in text[-1]


@pytest.mark.parametrize(
    ("width", "begins", "ends"), [(40, "     0└03:07:44 ", " 03:12:44"), (23, "     0└-5 min ", " 03:12:44"),
                                  (18, "     0└ ", "03:12:44")]
)  # fmt: skip
def test_a_narrow_chart_has_its_lowest_label_and_tells_how_long_it_is(width: int, begins: str, ends: str) -> None:
    last = texts(make([50.0] * 33, width=width))[-1]
    assert last.startswith(begins)
    assert last.endswith(ends)
    assert cell_width(last) <= width


def test_times_from_now_do_not_change_as_time_goes_on() -> None:
    before, after = (make([50.0] * 33, ago=True, end=NOW + timedelta(seconds=s), start=NOW + timedelta(seconds=s - 300))
                     for s in (0, 7))  # fmt: skip
    assert before == after
    assert "5 min ago" in texts(before)[-1]


def labels(rows: Sequence[Row]) -> list[str]:
    """What stands at the axis, from the top down."""
    return [row[0].text.strip() for row in rows[1:-1] if row[0].text.strip()]


def test_the_axis_has_round_labels_with_room_between_them() -> None:
    found = {height: labels(make([10.0] * 33, height=height)) for height in (3, 4, 5, 6, 12, 20, 30)}
    assert found[3] == ["100%", "50%"]
    assert found[4] == ["100%"], "there is no row in the middle"
    assert found[5] == found[6] == ["100%", "50%"]
    assert found[12] == ["100%", "75%", "50%", "25%"], "three rows each"
    assert found[20] == ["100%", "80%", "60%", "40%", "20%"], "four rows each"
    assert found[30] == found[20], "no ladder"
    size: dict[str, Any] = {"unit": human_bytes, "top": 2 * 1024**2, "binary": True}
    assert labels(make([10.0], height=9, **size)) == ["2.0M", "1.5M", "1.0M", "512K"]


@pytest.mark.parametrize("line", [False, True])
@pytest.mark.parametrize("height", [6, 8, 10, 12, 15, 16, 20])
def test_labels_are_as_far_apart_as_from_both_ends_of_the_scale(height: int, line: bool) -> None:
    rows = make([10.0] * 33, height=height, line=line)
    at = [place for place, row in enumerate(rows[1:]) if row[0].text.strip()]
    assert len({later - earlier for earlier, later in pairwise(at)}) == 1, texts(rows)
    same = make([10.0] * 33, height=15, warn=80.0, line=line)
    assert [text.count("80%") for text in texts(same) if "80%" in text] == [1], "a limit is told once"


@given(st.floats(1e-12, 1e12), st.integers(1, 40), st.booleans(), st.booleans())
def test_labels_stand_where_lines_have_their_values(top: float, height: int, binary: bool, line: bool) -> None:
    rows = make([top] * 66, top=top, height=height, binary=binary, line=line, unit=lambda value: f"{value / top:.3f}")
    assert labels(rows)[0] == "1.000"
    for label in labels(rows)[1:]:
        share = float(label)
        level = next(place for place, row in enumerate(rows[-2:0:-1]) if row[0].text.strip() == label)
        assert abs(level - share * height) <= 1.5


def test_a_faint_grid_runs_behind_the_curve_where_it_costs_nothing() -> None:
    rows = make([10.0] * 33, height=10)
    [line] = [row for row in rows[1:-1] if "┈" in texts([row])[0]]
    assert (line[0].text.strip(), roles(line, "┈")) == ("50%", {"rule"})
    covered = texts(make([90.0] * 16 + [10.0] * 17, height=10))
    assert next(text for text in covered if "┈" in text)[AXIS_WIDTH + 1 :] == "█" * 16 + "┈" * 17
    for more in ({"ago": True}, {"glyphs": ASCII}, {"glyphs": UNICODE.for_theme(load_theme("mono"))}):
        assert "┈" not in "".join(texts(make([10.0] * 33, height=10, **more))), more
    assert labels(make([10.0] * 33, height=10, ago=True)) == ["100%", "50%"]


def test_round_times_are_marked_in_a_chart_that_stays_as_it_is() -> None:
    rows = texts(make([10.0] * 66, height=4, width=90, still=True))
    assert re.findall(r" \d\d:\d\d ", rows[-1]) == [" 03:09 ", " 03:10 ", " 03:11 ", " 03:12 "]
    assert all(rows[1][rows[-1].index(each) + 2] == "┊" for each in ("03:10", "03:11"))
    assert "┊" not in "".join(texts(make([10.0] * 66, height=4, width=90)))
    long = texts(make([10.0] * 66, width=90, still=True, start=NOW - timedelta(days=7)))[-1]
    assert " 03-24 " in long
    marked = texts(make([10.0] * 66, width=90, still=True, moment=NOW - timedelta(seconds=160)))[-1]
    assert " 03:10:04 " in marked
    assert " 03:10 " not in marked, "the moment comes first"


VALUES = st.lists(st.none() | st.floats(min_value=0, max_value=1e12), max_size=80)


@given(
    st.lists(VALUES, min_size=1, max_size=4), st.integers(8, 90), st.integers(1, 9), st.sampled_from((UNICODE, ASCII))
)
def test_a_chart_is_never_wider_than_asked(
    values: list[list[float | None]], width: int, height: int, glyphs: Glyphs
) -> None:
    rows = make(*values, width=width, height=height, glyphs=glyphs, warn=50.0, fail=90.0, cursor=0.5)
    assert len(rows) == height + 2
    for row in rows[1:]:
        assert width_of(row) <= max(width, AXIS_WIDTH + 2)


def test_what_is_above_a_limit_has_its_colour_and_the_limits_are_lines() -> None:
    rows = make([10.0] * 11 + [85.0] * 11 + [99.0] * 11, height=10, warn=80.0, fail=95.0)
    assert roles(rows[10], "█") == {"chart", "degraded", "failing"}
    assert roles(rows[2], "█▄") == {"failing", "degraded"}
    lines = [row for row in rows[1:-1] if "╌" in texts([row])[0]]
    assert [roles(row, "╌") for row in lines] == [{"failing"}, {"degraded"}]
    assert [roles(row, "5%"[at:]) - {"muted"} for at, row in enumerate(lines)] == [{"failing"}, {"degraded"}]
    labelled = make([10.0] * 33, height=10, warn=80.0, fail=95.0)
    assert [text.rstrip().rpartition(" ")[2] for text in texts(labelled) if "╌ " in text] == ["95%", "80%"]
    assert all(text.startswith("      │╌╌") for text in texts(labelled) if "╌ " in text and "100%" not in text)


def test_of_limits_on_the_same_row_the_failing_one_is_drawn() -> None:
    rows = make([10.0] * 33, height=4, warn=85.0, fail=95.0)
    [line] = [row for row in rows[1:-1] if "╌" in texts([row])[0]]
    assert texts([line])[0].endswith("╌ 95%")
    assert {piece.role for piece in line[2:]} == {"failing"}


def test_a_limit_runs_behind_curves_and_tells_its_value_where_there_is_room() -> None:
    rows = make([10.0] * 40 + [81.0] * 26, [10.0] * 66, height=10, warn=80.0)
    [line] = [row for row in rows[1:-1] if "╌" in texts([row])[0]]
    assert " 80% " in texts([line])[0]
    assert roles(line, "8") == {"degraded"}


@pytest.mark.parametrize("height", [1, 2, 5, 6, 10, 24])
@pytest.mark.parametrize("value", [90.5, 99.4, 99.95, 99.999])
def test_a_line_below_the_highest_value_of_the_scale_is_below_its_label(value: float, height: int) -> None:
    """The label stands in the middle of the top row."""
    upper = [
        sum(
            bool(ord(char) - 0x2800 & 0x1B)
            for char in texts(make([each] * 66, height=height, line=True))[1]
            if char > "⠀"
        )
        for each in (value, 100.0)
    ]
    assert upper == [0, 33], "cells with dots in the upper half"


@pytest.mark.parametrize("height", [1, 2, 3, 4, 5, 10])
def test_a_line_is_in_the_row_of_a_limit_that_it_has(height: int) -> None:
    for limit in range(1, 101):
        rows = texts(make([float(limit)] * 32 + [None] * 34, height=height, line=True, fail=float(limit)))[1:-1]
        assert [any(char > "⠀" for char in row) for row in rows] == ["╌" in row for row in rows], limit


def test_a_line_is_coloured_where_it_exceeds_a_limit_and_stays_whole() -> None:
    rows = make([10.0] * 33 + [90.0] * 33, height=10, line=True, warn=50.0)
    dots = [(piece.role, char) for row in rows[1:-1] for piece in row for char in piece.text if char > "⠀"]
    assert {role for role, _char in dots} == {"chart", "degraded"}
    riser = [row for row in texts(rows)[1:-1] if any(char > "⠀" for char in row)]
    assert len(riser) == 9, "from 10 to 90 of 100, in ten rows"
    two = make([10.0] * 66, [90.0] * 66, height=10, warn=50.0)
    assert {"series1", "series2"} <= {piece.role for row in two[1:-1] for piece in row}, "of several each has its own"


@pytest.mark.parametrize("dotted", [True, False])
@pytest.mark.parametrize("height", range(3, 31))
def test_a_limit_is_in_the_row_of_that_value_of_the_scale(height: int, dotted: bool) -> None:
    for row, value in _ticks(0.0, 100.0, height, binary=False, dotted=dotted).items():
        if value != 50.0 or height % 2 == 0:  # where it is only the middle of an odd number of rows
            assert _level_of(value, 100.0, height, dotted=dotted) == row, value


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
def test_a_limit_crosses_a_filled_curve_below_its_top(glyphs: Glyphs) -> None:
    """Data and limit are both readable: the dashes run through what is filled, and leave the top of the curve alone."""
    rows = make([10.0] * 33 + [90.0] * 33, height=10, warn=50.0, glyphs=glyphs)
    texts_of = texts(rows[1:])
    line = next(text for text in texts_of if "50%" in text)
    plot = line[AXIS_WIDTH + 1 :]
    through = "▇" if glyphs is UNICODE else glyphs.limit
    assert re.fullmatch(f"{glyphs.limit}+ 50% {through}+", plot.strip("│| ")), (
        "a line through the curve, without a hole"
    )
    assert glyphs.bars[-1] in texts_of[texts_of.index(line) + 1], "the curve goes on below the limit"
    assert glyphs.bars[-1] in texts_of[texts_of.index(line) - 1], "the curve goes on above the limit"
    assert glyphs.bars[-1] in texts_of[1], "the top of the curve is the curve's"


def test_the_scale_reaches_up_to_a_limit_that_leaves_the_curve_its_shape() -> None:
    near = make([2.6] * 33, height=10, top=None, fail=5.0)
    assert labels(near)[0] == "5%"
    assert any("╌" in text for text in texts(near))
    far = make([2.0] * 33, height=10, top=None, fail=9.0, warn=8.5)
    assert labels(far)[0] == "2%"
    assert not any("╌" in text for text in texts(far))
    assert not any("↑" in text for text in texts(near))
    above = make([1.0] * 33, height=10, top=2.0, fail=9.0, warn=8.0)
    assert texts(above)[1].rstrip().endswith(" limit 8% ↑")
    assert roles(above[1], "limit") == {"muted"}
    assert labels(make([0.0] * 33, height=10, top=None, fail=9.0))[0] == "10%", "a flat curve has no shape to lose"
    reached = make([0.2] * 33, height=10, top=None, fail=9.0, warn=5.0, reach=5.0)
    assert labels(reached)[0] == "5%", "one failed request in five hundred is far below the limit"


def test_milliseconds_below_a_limit_of_seconds_are_no_flat_line() -> None:
    rows = make([0.08, 0.06] * 16, height=8, top=None, warn=5.0, unit=lambda value: f"{value:g}s")
    assert labels(rows)[0] == "0.1s"
    assert any(" limit 5s ↑" in text for text in texts(rows)), "what is out of the range is said"
    ascii_rows = make([0.08, 0.06] * 16, height=8, top=None, warn=5.0, glyphs=ASCII, unit=lambda value: f"{value:g}s")
    assert any(" limit 5s ^" in text for text in texts(ascii_rows))


def test_a_limit_without_room_in_the_plot_stands_at_the_axis() -> None:
    rows = make([97.0] * 66, height=4, warn=80.0, fail=95.0)
    assert texts(rows)[1].startswith("   95%│▇"), "the value of the limit, and the curve"
    assert rows[1][0].role == "failing"


def test_several_curves_are_lines_of_their_own_colours_with_a_legend() -> None:
    rows = make([20.0] * 66, [60.0] * 66, [95.0] * 66, width=60, height=5)
    assert [piece.text.strip() for piece in rows[0] if piece.role == "text" and piece.text.strip()] == [
        "web-0", "web-1", "web-2", "50%",
    ]  # fmt: skip
    drawn = {piece.role for row in rows[1:-1] for piece in row if piece.role.startswith("series")}
    assert drawn == {"series1", "series2", "series3"}


def drawn_roles(rows: Sequence[Row]) -> list[str]:
    """The role of each cell with dots or a marker, row by row."""
    return [
        piece.role
        for row in rows[1:-1]
        for piece in row
        for char in piece.text
        if piece.role.startswith("series") and char != " "
    ]


@given(st.lists(st.lists(st.floats(min_value=0, max_value=100), min_size=8, max_size=66), min_size=2, max_size=4),
       st.integers(1, 9), st.sampled_from((UNICODE, ASCII)))  # fmt: skip
def test_each_curve_is_seen(values: list[list[float]], height: int, glyphs: Glyphs) -> None:
    found = drawn_roles(make(*values, width=60, height=height, glyphs=glyphs, warn=50.0, fail=90.0))
    assert set(found) == {f"series{place + 1}" for place in range(len(values))}


def test_a_short_curve_behind_others_is_seen() -> None:
    for at in range(66):
        short = [50.0 if place == at else None for place in range(66)]
        assert set(drawn_roles(make([50.0] * 66, short))) == {"series1", "series2"}, at


def test_a_legend_leaves_the_time_out_of_rates_that_have_no_room() -> None:
    curves = [Curve([1.0], name, now) for name, now in (("read", "117K/s"), ("write", "2.3M/s"))]
    axes = Axes(human_bytes, NOW, NOW + timedelta(minutes=5))
    rows = [chart("Disk", curves, axes, width=width, height=5, glyphs=UNICODE) for width in (44, 34, 28, 26)]
    assert [texts(each)[0].rstrip() for each in rows] == [
        "       Disk  ━ read 117K/s  ━ write 2.3M/s",
        "       Disk ━read 117K ━write 2.3M",
        " Disk ━read 117K ━write 2.3M",
        "       Disk ━read ━write",
    ]


def test_a_title_stands_apart_from_the_legend_of_the_chart_on_its_left() -> None:
    curves = [Curve([1.0], name, now) for name, now in (("read", "117K/s"), ("write", "2.3M/s"))]
    axes = Axes(human_bytes, NOW, NOW + timedelta(minutes=5))
    for width in range(28, 60):
        title = texts(chart("Disk", curves, axes, width=width, height=5, glyphs=UNICODE))[0]
        assert "━write 2.3M" in title or title.startswith("  "), width


def test_a_single_title_is_not_cut_for_the_sake_of_its_indent() -> None:
    curve, axes = [Curve([1.0])], Axes(human_duration, NOW, NOW + timedelta(minutes=5))
    rows = {
        width: texts(chart("Health check", curve, axes, width=width, height=5, glyphs=UNICODE, now_text="1 ms"))[0]
        for width in (40, 23)
    }
    assert rows[40].startswith("       Health check  ")
    assert rows[23] == "     Health check  1 ms"


def test_a_legend_without_room_gives_names_then_short_ones_then_counts() -> None:
    curves = [[20.0] * 9] * 4
    assert "web-3 7%" in texts(make(*curves, width=90))[0]
    valued = "CPU ━web-0 7% ━web-1 7% ━web-2 7% ━web-3 7%  50%"
    assert [texts(make(*curves, width=width))[0] for width in (54, 50, 48)] == [
        " " * left + valued for left in (6, 2, 0)
    ], "further left than the plot, rather than without values"
    assert "web-3" in (narrower := texts(make(*curves, width=47))[0])
    assert "7%" not in narrower
    assert texts(make(*curves, width=44))[0].rstrip().endswith("CPU ━web-0 ━web-1 ━web-2 ━web-3  50%")
    named = "CPU ━web-0 ━web-1 ━web-2 ━web-3  50%"
    assert [texts(make(*curves, width=width))[0].rstrip() for width in (42, 36)] == ["      " + named, named], (
        "further left than the plot, rather than without a name"
    )
    assert texts(make(*curves, width=35))[0].rstrip().endswith("CPU ━web-0 ━web-1 +2  50%")
    assert {piece.role for piece in make(*curves, width=44)[0] if "━" in piece.text} == {
        "series1", "series2", "series3", "series4",
    }  # fmt: skip


def test_without_colours_each_curve_has_its_marker() -> None:
    rows = texts(make([20.0] * 40, [60.0] * 40, width=60, glyphs=ASCII))
    assert "*" in rows[4]
    assert "o" in rows[2]
    assert "* web-0" in rows[0]
    mono = texts(make([20.0] * 40, [60.0] * 40, width=60, glyphs=UNICODE.for_theme(load_theme("mono"))))
    assert "○" in mono[2]


def test_the_cursor_stands_on_a_ground_of_its_own() -> None:
    for row in make([50.0] * 33, cursor=1.0)[1:-1]:
        assert [(piece.text, piece.ground) for piece in row][-1][1] == "cursor"


def test_a_peak_is_seen_however_narrow_the_chart_is() -> None:
    values = [1.0] * 66
    values[31] = 100.0
    assert "█" in texts(make(values))[1]


def points(*ages_s: float) -> list[Point]:
    return [Point(NOW.timestamp() - age, age, age, age) for age in sorted(ages_s, reverse=True)]


def test_a_gap_stays_where_it_was() -> None:
    before, after = range(200, 300, 10), range(10, 100, 10)
    values = in_columns(points(*before, *after), NOW - timedelta(seconds=300), NOW, 30)
    assert [value is None for value in values] == [False] * 11 + [True] * 9 + [False] * 10
    assert values[-2] == 10


def test_values_that_lie_further_apart_than_columns_leave_no_stripes() -> None:
    assert None not in in_columns(points(*range(0, 7200, 120)), NOW - timedelta(seconds=300), NOW, 70)
    assert in_columns([], NOW - timedelta(seconds=300), NOW, 5) == [None] * 5


def test_a_chart_begins_with_data_that_is_younger_than_half_of_it() -> None:
    none = [None] * 20
    assert first_known([[*none[4:], 1, 1, 1, 1], [*none[6:], 1, 1, None, 1, 1, 1], none]) == 14
    assert first_known([[*none[12:], *[1.0] * 12]]) == 0
    assert first_known([[*none[1:], 1.0]]) == 0, "one value is no chart"
    assert first_known([none]) == first_known([[]]) == first_known([]) == 0


def test_half_of_the_scale_is_half_of_the_height() -> None:
    full = [text.count("█") for text in texts(make([50.0] * 33, height=4))[1:5]]
    assert full == [0, 0, 33, 33]


def test_unknown_is_blank_and_zero_is_a_line() -> None:
    bottom = texts(make([None] * 16 + [0.0] * 17))[5]
    assert bottom.count("▁") == 17


@pytest.mark.parametrize(
    ("environ", "ascii_only"),
    [
        ({"TERM": "xterm-256color", "LANG": "C.UTF-8"}, False),
        ({"TERM": "xterm-256color", "LANG": "zh_CN.utf8"}, False),
        ({"TERM": "linux", "LANG": "C.UTF-8"}, True),
        ({"TERM": "xterm", "LANG": "C"}, True),
        ({"TERM": "xterm", "LANG": "en_US.ISO-8859-1"}, True),
        ({"TERM": "xterm", "LC_ALL": "POSIX", "LANG": "C.UTF-8"}, True),
        ({"TERM": "xterm"}, True),
    ],
)
def test_shapes_fit_the_terminal(environ: dict[str, str], ascii_only: bool) -> None:
    assert glyphs_for_terminal(environ).ascii_only is ascii_only


@pytest.mark.parametrize(
    ("started_with", "ascii_only"),
    [
        ({"LANG": "C"}, True),
        ({"LANG": "POSIX"}, True),
        ({"LANG": "en_US.ISO-8859-1"}, True),
        ({"LC_CTYPE": "C", "LANG": "en_US.UTF-8"}, True),
        ({"LC_CTYPE": "C.UTF-8", "LANG": "C"}, False),
        ({"LC_CTYPE": "UTF-8"}, False),
        ({"LANG": "xx_XX.UTF-8"}, False),
        ({}, False),
        (None, False),
    ],
)
def test_the_locale_is_what_was_set_and_not_what_python_makes_of_it(
    started_with: dict[str, str] | None, ascii_only: bool, tmp_path: Path
) -> None:
    environ = tmp_path / "environ"
    if started_with is not None:
        environ.write_bytes(b"".join(f"{name}={value}\0".encode() for name, value in started_with.items()))
    found = glyphs_for_terminal({"TERM": "xterm", **(started_with or {}), "LC_CTYPE": "C.UTF-8"}, str(environ))
    assert found.ascii_only is ascii_only


def test_rows_are_made_when_looked_at_and_once() -> None:
    made: list[int] = []

    def make(index: int) -> Row:
        made.append(index)
        return (Piece(str(index)),)

    rows = RowsOnDemand([(Piece("head"),)], 100, make)
    assert len(rows) == 101
    assert rows[0] == (Piece("head"),)
    assert [rows[5], rows[5]] == [(Piece("4"),)] * 2
    assert made == [4]
    with pytest.raises(IndexError):
        rows[101]


# Whatever number a target tells, it is drawn and written, and never an error.


NUMBERS = (None, math.nan, math.inf, -math.inf, 1e308, 1.7e308, -1e308, 5e-324, -5e-324, 0.0, -0.0, 2.5, -3.0, 1e-9)
ODD_NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.mark.parametrize("binary", [False, True])
def test_any_numbers_make_a_chart(binary: bool) -> None:
    for values in combinations_with_replacement(NUMBERS, 3):
        assert len(spark(values, 5, UNICODE, top=values[0])) == 5
        for top, limit in ((None, None), (values[0], values[1])):
            for several in (1, 2):
                rows = make(
                    *[values] * several, unit=human_count, top=top, binary=binary, warn=limit, fail=limit, mark=limit
                )
                assert len(rows) == 7


def test_an_endless_number_leaves_the_others_their_height() -> None:
    assert spark((1.0, math.inf, math.nan, 2.0), 4, UNICODE) == spark((1.0, 2.0, None, 2.0), 4, UNICODE)


@pytest.mark.parametrize("value", NUMBERS)
def test_any_number_is_written(value: float | None) -> None:
    written = [human_count(value), human_duration(value), share_text(value), human_bytes(value)]
    if value is not None:
        written += [short_time_text(value), quantile_text(Quantile(value, ">"))]
    assert all(isinstance(each, str) for each in written)
    if value is None or math.isnan(value):
        assert [human_bytes(value), human_count(value), human_duration(value)] == ["-", "-", "-"]


@pytest.mark.parametrize("minutes", [1, 5, 60, 24 * 60])
@pytest.mark.parametrize("newest", [12.0, 97.0])
def test_the_newest_bar_is_the_newest_value_that_the_title_tells(minutes: int, newest: float) -> None:
    history, cpu, start = History(), Series("cpu_usage_percent"), NOW - timedelta(minutes=minutes)
    for second in range(0, 240, 2):
        value = newest if second == 238 else 97.0 if second % 20 < 12 else 12.0
        history.add("host/a", NOW - timedelta(seconds=239 - second), {cpu: value})
    for width in (36, 61):
        count = 2 * (width - AXIS_WIDTH - 1)
        values = in_columns(history.window("host/a", cpu, start, NOW, count), start, NOW, count)
        axes = Axes(unit=lambda value: f"{value:.0f}%", start=start, end=NOW, top=100.0, fail=95.0)
        rows = chart("CPU", [Curve(values)], axes, width=width, height=10, glyphs=UNICODE, now_text=f"{newest:.0f}%")
        bar = "".join(text[-1] for text in texts(rows)[1:11])
        filled = sum(each != " " and each in UNICODE.bars for each in bar)
        assert filled in ((9, 10) if newest > 95 else (1, 2)), bar
    assert values[-1] == pytest.approx(newest)


def test_peaks_stay_in_all_columns_but_the_newest() -> None:
    values = [1.0] * 4 + [9.0, 1.0] + [9.0, 1.0]
    axes = Axes(unit=str, start=NOW - timedelta(minutes=1), end=NOW, top=10.0)
    rows = chart("", [Curve(values)], axes, width=AXIS_WIDTH + 1 + 4, height=5, glyphs=UNICODE)
    assert [text[-2:] for text in texts(rows)[1:3]] == ["▄ ", "█ "]
