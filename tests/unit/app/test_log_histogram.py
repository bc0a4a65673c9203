"""The histogram of the Logs pane: what a bar stands for, what is seen of it, and the times below."""

from __future__ import annotations

import re
from datetime import UTC, timedelta, timezone
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.app.panes.logs.histogram import (
    HIGH,
    Bar,
    Bars,
    axis_row,
    bar_rows,
    bars_of,
    counts_beside,
    counts_by_source,
    notes_of,
)
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Row
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import EPOCH, Severity
from lilfox_tui.logs.statistics import Slice, Tally, statistics_of
from lilfox_tui.logs.window import MergeKey, WindowItem
from tests.unit.logs.memory_source import record

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
AT_US = 1_774_753_920 * SECOND_US  # 2026-03-29 03:12:00 UTC


def item(time_us: int | None, severity: Severity = Severity.INFO) -> WindowItem:
    return WindowItem(MergeKey(time_us or 0, 0, 0), record("api", 0, time_us, "x", severity=severity))


def text_of(row: Row) -> str:
    return "".join(piece.text for piece in row)


def test_loaded_records_are_counted_by_their_level() -> None:
    severities = (Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL, Severity.DEBUG)
    bars = bars_of((), [item(AT_US + 3 * SECOND_US, each) for each in severities], 100, newest=True)
    assert bars is not None
    assert (bars.since_us, bars.width_us) == (AT_US + 3 * SECOND_US, SECOND_US)
    assert bars.bars == (Bar(5, 1, 2),)


def counted(*counts: tuple[int, int, int]) -> list[Slice]:
    return [
        Slice(AT_US + at * MINUTE_US, AT_US + (at + 1) * MINUTE_US, *count, None) for at, count in enumerate(counts)
    ]


def test_the_newest_records_are_those_that_are_loaded() -> None:
    """The last slice was counted before its minute was over."""
    slices = counted(*[(100, 20, 10)] * 13, (3, 0, 0))
    loaded = [item(AT_US + at * MINUTE_US + SECOND_US, each) for at, each in ((12, Severity.INFO), (13, Severity.INFO),
              (13, Severity.ERROR), (13, Severity.WARNING), (13, Severity.INFO), (14, Severity.ERROR))]  # fmt: skip
    bars = bars_of(slices, [*loaded, item(None)], 100, newest=True)
    assert bars is not None
    assert (bars.since_us, bars.width_us) == (AT_US, MINUTE_US)
    assert bars.bars == (*[Bar(100, 20, 10)] * 13, Bar(4, 1, 1), Bar(1, 0, 1))


def test_older_records_that_are_loaded_hide_nothing_newer() -> None:
    slices = counted(*[(100, 20, 10)] * 14)
    bars = bars_of(slices, [item(AT_US + SECOND_US)], 100, newest=False)
    assert bars is not None
    assert bars.bars == (Bar(100, 20, 10),) * 14


def test_minutes_that_are_too_few_give_way_to_seconds() -> None:
    bars = bars_of(counted((100, 0, 0), (100, 0, 0)), [item(AT_US), item(AT_US + 9 * SECOND_US)], 100, newest=True)
    assert bars is not None
    assert (bars.width_us, len(bars.bars)) == (SECOND_US, 10)


def test_no_bar_claims_a_finer_time_than_was_counted() -> None:
    """When in its minute an error was logged is not known: it is in one bar, as wide as the minute."""
    slices = counted((120, 60, 0), (120, 0, 7), (50, 0, 0))
    loaded = [item(AT_US + 90 * SECOND_US, Severity.ERROR), item(AT_US + 130 * SECOND_US)]
    bars = bars_of(slices, loaded, 200, newest=True)
    assert bars is not None
    assert (bars.since_us, bars.width_us) == (AT_US, MINUTE_US)
    assert bars.bars == (Bar(120, 60, 0), Bar(120, 0, 7), Bar(1, 0, 0))
    assert bars.until_us == AT_US + 130 * SECOND_US, "not past the newest record"


def test_what_came_after_the_count_is_added_to_the_minute_that_was_counted() -> None:
    loaded = [item(AT_US + at * SECOND_US) for at in (30, 40, 50)]
    bars = bars_of(counted((120, 0, 0)), loaded, 200, newest=True, came=2)
    assert bars is not None
    assert bars.bars == (Bar(122, 0, 0),)


def test_few_minutes_are_seen_while_older_records_are_loaded() -> None:
    bars = bars_of(counted((120, 0, 0), (60, 0, 0)), [item(AT_US)], 200, newest=False, now_us=AT_US + 90 * SECOND_US)
    assert bars is not None
    assert (bars.since_us, bars.bars) == (AT_US, (Bar(120), Bar(60)))
    assert bars.until_us == AT_US + 90 * SECOND_US, "not past the present"


def test_each_bar_holds_whole_slices() -> None:
    """Four hours do not fit into bars of six, nor ten minutes into bars of a quarter of an hour."""
    for hours, columns, width in ((4.0, 100, 4.0), (4.0, 20, 8.0), (1 / 6, 20, 1 / 2), (400.0, 20, 800.0)):
        slice_us = round(hours * 3600) * SECOND_US
        since = AT_US - AT_US % slice_us
        slices = [Slice(since + at * slice_us, since + (at + 1) * slice_us, 1, 0, 0, None) for at in range(32)]
        bars = bars_of(slices, [], columns, newest=False)
        assert bars is not None
        assert bars.width_us == round(width * 3600) * SECOND_US
        assert bars.since_us % slice_us == 0
        assert sum(bar.records for bar in bars.bars) == 32


def test_the_axis_ends_with_what_is_known() -> None:
    last = AT_US + 14 * MINUTE_US + 20 * SECOND_US
    bars = bars_of(counted(*[(9, 0, 0)] * 15), [item(AT_US)], 100, newest=False, now_us=last)
    assert bars is not None
    assert bars.until_us == last
    bars = bars_of(counted(*[(9, 0, 0)] * 14), [item(last)], 100, newest=True, now_us=last + SECOND_US)
    assert bars is not None
    assert bars.until_us == last
    assert "03:26 " in text_of(axis_row(bars, None, UTC, UNICODE)) + " "
    whole = bars_of(counted(*[(9, 0, 0)] * 15), [item(AT_US)], 100, newest=False)
    assert whole is not None
    assert whole.until_us == AT_US + 15 * MINUTE_US


def test_without_a_time_there_is_no_histogram() -> None:
    assert bars_of((), [item(None)], 100, newest=True) is None
    assert bars_of((), [], 100, newest=True) is None


@given(
    st.lists(st.integers(0, 40 * 366 * 24 * 3600 * SECOND_US), min_size=1, max_size=60),
    st.lists(st.integers(0, 3000), max_size=30, unique=True),
    st.integers(1, 200),
    st.booleans(),
)
def test_bars_fit_and_hold_no_record_twice(times: list[int], minutes: list[int], columns: int, newest: bool) -> None:
    slices = [Slice(at * MINUTE_US, (at + 1) * MINUTE_US, 7, 2, 1, None) for at in sorted(minutes)]
    bars = bars_of(slices, [item(each) for each in times], columns, newest=newest)
    assert bars is not None
    held = sum(bar.records for bar in bars.bars)
    assert held >= (7 * len(slices) if slices and not newest else 1)
    assert held <= 7 * len(slices) + len(times)
    assert len(bars.bars) <= max(2, columns)


def test_a_single_error_among_thousands_is_seen() -> None:
    rows = bar_rows(Bars(AT_US, SECOND_US, (Bar(100_000, 0, 1), Bar(100_000, 1, 0), Bar(10, 0, 0), Bar())), UNICODE)
    assert len(rows) == HIGH
    lowest = [piece.role for piece in rows[-1] for _cell in piece.text][1:]
    assert lowest == ["failing", "degraded", "muted", "text"]


def drawn(bar: Bar, most: int) -> list[tuple[str, str, str]]:
    """The cells of a bar from below, beside one of that many records."""
    rows = bar_rows(Bars(AT_US, SECOND_US, (bar, Bar(most))), UNICODE)
    cells = ([(char, *piece[1:]) for piece in row for char in piece.text][1] for row in reversed(rows))
    return [(char, role, ground) for char, role, ground in cells if char != " "]


def test_errors_are_not_drawn_larger_than_their_share() -> None:
    full, other = "█", ("█", "muted", "")
    assert drawn(Bar(24, 0, 1), 24) == [("▁", "failing", "muted"), other, other], "the least mark, not a whole cell"
    assert drawn(Bar(24, 0, 12), 24) == [(full, "failing", ""), ("▄", "failing", "muted"), other]
    assert drawn(Bar(24, 0, 24), 24) == [(full, "failing", "")] * 3
    assert drawn(Bar(24, 16, 4), 24) == [
        ("▄", "failing", "degraded"),
        (full, "degraded", ""),
        ("▄", "degraded", "muted"),
    ]
    assert drawn(Bar(24, 2, 2), 24)[0] == ("▂", "failing", "muted"), "a cell has two colours"
    assert drawn(Bar(6, 0, 1), 24) == [("▁", "failing", "muted")], "rounded up to the cell"
    assert drawn(Bar(3, 0, 1), 24) == [("▁", "failing", "")], "or down to its errors"
    assert drawn(Bar(1, 0, 1), 24) == [("▁", "failing", "")]
    assert drawn(Bar(12, 0, 0), 24) == [other, ("▄", "muted", "")]


@given(st.integers(1, 500), st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_each_part_is_seen_and_none_is_larger_than_it_is(records: int, warnings: int, errors: int, more: int) -> None:
    errors = min(errors, records)
    warnings = min(warnings, records - errors)
    cells, most = drawn(Bar(records, warnings, errors), records + more), records + more
    eighths = sum(UNICODE.bars.index(char) for char, role, _ground in cells if role == "failing")
    assert bool(eighths) == bool(errors)
    assert eighths <= max(1, errors * HIGH * 8 / most + 1.5)
    highest = 8 * (len(cells) - 1) + (8 if cells[-1][2] else UNICODE.bars.index(cells[-1][0]))
    assert abs(highest - records * HIGH * 8 / most) <= 5


def test_without_eighths_errors_are_as_many_cells_as_their_share() -> None:
    for bar, text in ((Bar(100, 0, 1), "#::"), (Bar(100, 0, 50), "##:"), (Bar(100, 1, 1), "#+:"), (Bar(9, 0, 9), "#")):
        rows = bar_rows(Bars(AT_US, SECOND_US, (bar, Bar(100))), ASCII)
        assert "".join(text_of(row)[1] for row in reversed(rows)).rstrip() == text


def test_bars_are_as_high_as_their_share() -> None:
    rows = bar_rows(Bars(AT_US, SECOND_US, (Bar(24), Bar(12), Bar(1), Bar())), UNICODE)
    assert [text_of(row) for row in rows] == [" █   ", " █▄  ", " ██▁ "]


def test_few_bars_are_wider_and_the_mark_is_in_the_middle_of_its_bar() -> None:
    bars = Bars(AT_US, SECOND_US, (Bar(24), Bar(12), Bar(), Bar(24)), columns=12)
    assert text_of(bar_rows(bars, UNICODE)[0]) == " ███      ███"
    row = text_of(axis_row(bars, AT_US + SECOND_US, UTC, UNICODE))
    assert row.index(UNICODE.logo) == 1 + 3 + 1


@pytest.mark.parametrize("count", range(9, 71))
def test_any_number_of_bars_fills_the_same_cells(count: int) -> None:
    """While records come, bars become narrower a cell at a time; where they end does not jump."""
    bars = bars_of([], [item(at * SECOND_US) for at in range(count)], 70, newest=True)
    assert bars is not None
    widths = {bars.begin(place + 1) - bars.begin(place) for place in range(len(bars.bars))}
    assert max(widths) - min(widths) <= 1
    assert min(widths) >= 1
    assert {len(text_of(row).rstrip()) for row in bar_rows(bars, UNICODE)} == {1 + 70}


def test_where_there_are_no_colours_the_level_is_a_shape() -> None:
    rows = bar_rows(Bars(AT_US, SECOND_US, (Bar(3, 1, 1),)), ASCII)
    assert [text_of(row) for row in rows] == [" :", " +", " #"]


def test_the_selected_record_is_marked_below_its_bar() -> None:
    bars = Bars(AT_US, MINUTE_US, tuple(Bar(1) for _minute in range(30)))
    row = text_of(axis_row(bars, AT_US + 12 * MINUTE_US, UTC, UNICODE))
    assert row == " 03:12 ──────▲───────────────── 03:42"
    assert row.index(UNICODE.logo) == 1 + 12
    assert text_of(axis_row(bars, AT_US - 1, UTC, UNICODE)) == " 03:12 ──────────────────────── 03:42"
    assert text_of(axis_row(bars, None, timezone(timedelta(hours=8)), ASCII)) == " 11:12 ------------------------ 11:42"


def test_the_time_beside_a_mark_near_the_start_is_its_own() -> None:
    bars = Bars(AT_US, MINUTE_US, tuple(Bar(1) for _minute in range(30)))
    assert text_of(axis_row(bars, AT_US, UTC, UNICODE)) == " ▲ 03:12 ────────────────────── 03:42"
    assert text_of(axis_row(bars, AT_US + 3 * MINUTE_US, UTC, UNICODE)) == " ───▲ 03:15 ─────────────────── 03:42"
    assert text_of(axis_row(bars, AT_US + 29 * MINUTE_US, UTC, UNICODE)) == " 03:12 ───────────────────────▲ 03:42"


@given(st.integers(1, 80), st.integers(0, 79))
def test_the_mark_is_between_whole_times(count: int, at: int) -> None:
    """Nothing is marked right of the end; a time left of the mark is the first one, one right of it its own or the
    last."""
    bars, marked = Bars(AT_US, MINUTE_US, tuple(Bar(1) for _minute in range(count))), min(at, count - 1)
    row = text_of(axis_row(bars, AT_US + marked * MINUTE_US, UTC, UNICODE))
    assert row.index(UNICODE.logo) == 1 + marked
    before, after = (re.findall(r"\d\d:\d\d", part) for part in row.split(UNICODE.logo))
    own = f"{(EPOCH + timedelta(microseconds=AT_US + marked * MINUTE_US)):%H:%M}"
    end = f"{(EPOCH + timedelta(microseconds=bars.until_us)):%H:%M}"
    assert (before, after) in ((["03:12"], [end]), ([], [own, end]))


def test_more_than_a_day_has_dates_and_less_than_minutes_has_seconds() -> None:
    days = Bars(AT_US, 3600 * SECOND_US, tuple(Bar(1) for _hour in range(30)))
    seconds = Bars(AT_US, SECOND_US, tuple(Bar(1) for _second in range(30)))
    assert text_of(axis_row(days, None, UTC, UNICODE)).split()[:2] == ["03-29", "03:12"]
    assert text_of(axis_row(seconds, None, UTC, UNICODE)).split()[0] == "03:12:00"


def test_beside_the_bars_stands_how_many_records_they_hold() -> None:
    bars = Bars(AT_US, MINUTE_US, (Bar(5000, 1200, 371), Bar(1600, 4, 41), Bar()))
    for glyphs in (UNICODE, ASCII):
        roomy, full, short, bare = counts_beside(bars, glyphs)
        assert [text_of(row).split()[1:] for row in full] == [
            ["412", "level", "≥" if glyphs is UNICODE else ">=", "ERROR", "6%"],
            ["1,204", "level", "WARNING", "18%"],
            ["4,984", "other", "records", "76%"],
        ]
        assert [text_of(row).split()[-1] for row in bare] == ["412", "1,204", "4,984"]
        for rows, before in zip((roomy, full, short, bare), counts_beside(None, glyphs), strict=True):
            assert {len(text_of(row)) for row in (*rows, *before)} == {len(text_of(rows[0]))}, "it never jumps"
    assert [text_of(row).strip() for row in notes_of(bars, UTC)] == ["each bar 1 min", "peak 371 errors at 03:12"]
    assert [text_of(row).strip() for row in notes_of(Bars(AT_US, MINUTE_US, (Bar(3),)), UTC)] == ["each bar 1 min"]
    part = Bars(AT_US, MINUTE_US, (Bar(3, 0, 1),), loaded_only=True)
    assert [text_of(row).strip() for row in notes_of(part, UTC)] == [
        "3 loaded records, each bar 1 min", "peak 1 error at 03:12"
    ]  # fmt: skip
    missing = Bars(AT_US, MINUTE_US, (Bar(3),), missing=2)
    assert [text_of(row).strip() for row in notes_of(missing, UTC)] == ["2 without a time or format"]
    millions = counts_beside(Bars(AT_US, MINUTE_US, (Bar(31_000_000),)), UNICODE)[1]
    assert text_of(millions[2]).split()[1] == "31M"
    assert len(text_of(millions[2])) == len(text_of(millions[0]))


def test_of_a_source_that_has_been_silent_the_newest_record_is_earlier_than_what_is_loaded() -> None:
    tally = Tally()
    older = [record(name, 0, AT_US + MINUTE_US, "x") for name in ("api", "silent")]
    for each in older:
        tally.add(each.source, each.entry)
    loaded = [item(AT_US + 2 * MINUTE_US), item(AT_US + 3 * MINUTE_US)]
    merged = cast("MergedLogs", SimpleNamespace(at_oldest=False, at_newest=True, shown=loaded))
    now = EPOCH + timedelta(microseconds=AT_US + 4 * MINUTE_US)
    counts, _are_all = counts_by_source(merged, statistics_of(tally), came=2)
    assert [counts[name].newest(UTC, now) for name in ("api", "silent")] == ["03:15:00", "<03:14:00"]
    timeless = record("silent", 1, None, "x")
    tally.add(timeless.source, timeless.entry)
    counts, _are_all = counts_by_source(merged, statistics_of(tally), came=2)
    assert counts["silent"].newest(UTC, now) == "", "where records have no time, nothing is claimed"
