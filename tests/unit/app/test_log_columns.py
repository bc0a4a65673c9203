"""Columns of values beside the messages: which, how wide, and what stands in them; the headings; the scrollbar."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.app.panes.logs.columns import (
    AUTOMATIC,
    ChosenColumns,
    ValueColumn,
    fields_in,
    fitted,
    value_cells,
    value_piece,
    widths_of,
)
from lilfox_tui.app.panes.logs.rows import LogList, LogStyle, heading_row, log_row
from lilfox_tui.app.panes.logs.view import Unseen, error_rows, scrollbar
from lilfox_tui.app.rendering.columns import cells
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Row
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.logs.record import LogRecord, Severity
from lilfox_tui.logs.window import MergeKey, WindowItem
from tests.unit.logs.memory_source import record

WIDE = LogStyle(width=140, glyphs=UNICODE, source_width=8)
REQUEST_ID = "3674800dffff"


def request(number: int, status: int = 200, seconds: float | None = 0.126, **fields: object) -> LogRecord:
    made = record("api", number, number * 1_000_000, "GET /api/chat", severity=Severity.INFO)
    fields = {"status": status, "path": "/api/chat", "request_id": REQUEST_ID, **fields}
    return replace(made, entry=replace(made.entry, response_time_s=seconds, fields=fields))


def plain(number: int, message: str = "started", severity: Severity = Severity.INFO) -> LogRecord:
    return record("api", number, number * 1_000_000, message, severity=severity)


def item(one: LogRecord) -> WindowItem:
    return WindowItem(MergeKey(one.entry.time_us or 0, 0, int(one.place)), one)


def text_of(row: Row) -> str:
    return "".join(piece.text for piece in row)


def style_for(records: list[LogRecord], names: tuple[str, ...] = AUTOMATIC, width: int = 140) -> LogStyle:
    return replace(WIDE, width=width, values=fitted(names, widths_of(records, names), width))


def test_values_stand_in_columns_below_their_headings() -> None:
    records = [request(1), request(2, 502, 30.0)]
    style = style_for(records)
    heading = text_of(heading_row(style))
    rows = [text_of(log_row(item(each), style)) for each in records]
    assert heading.split() == ["time", "level", "source", "message", "status", "took", "request"]
    assert [row.split()[-4:] for row in rows] == [["200", "126", "ms", "3674800d"], ["502", "30", "s", "3674800d"]]
    assert rows[0].index("INFO") == heading.index("level") + 2
    assert rows[0].index("GET") == heading.index("message")
    assert rows[0].index("3674800d") == heading.index("request")
    assert heading.index("took") + len("took") == rows[0].index(" ms") + 3
    assert rows[0].index("200") + 3 == heading.index("status") + len("status")
    assert len({len(row) for row in (heading, *rows)}) == 1


@pytest.mark.parametrize("width", [60, 80, 99, 100, 160])
def test_the_headings_stand_above_their_columns(width: int) -> None:
    style = replace(WIDE, width=width, logger_width=9)
    one = plain(1)
    one = replace(one, entry=replace(one.entry, logger="app"))
    row, heading = text_of(log_row(item(one), style)), text_of(heading_row(style))
    assert heading.index("source") == row.index("api")
    assert heading.index("logger") == row.index("app")
    assert heading.index("message") == row.index("started") == style.prefix_width


def test_a_status_has_the_colour_of_its_class() -> None:
    assert [value_piece(request(1, code), "status").role for code in (200, 302, 404, 503)] == [
        "good", "text", "degraded", "failing",
    ]  # fmt: skip
    assert value_piece(request(1, status="open"), "status").role == "text"  # type: ignore[arg-type]


def test_a_message_runs_on_where_the_columns_beside_it_are_empty() -> None:
    style = style_for([request(1)])
    long = "connect to 10.0.0.7:5432 refused " * 9
    traced = plain(2, long)
    traced = replace(traced, entry=replace(traced.entry, fields={"request_id": REQUEST_ID}))
    whole, to_request = (text_of(log_row(item(each), style)) for each in (plain(2, long), traced))
    assert to_request.endswith("…  3674800d")
    assert len(whole) == len(to_request) == 140
    short = text_of(log_row(item(replace(traced, entry=replace(traced.entry, message="x"))), style))
    assert short.index("3674800d") == to_request.index("3674800d")
    assert text_of(log_row(item(request(3)), style)).index("200") < to_request.index("…")


def test_a_record_without_values_ends_with_its_message() -> None:
    style = style_for([request(1)])
    assert text_of(log_row(item(plain(2)), style)).endswith("started")


def test_there_are_no_columns_without_values_or_room() -> None:
    assert style_for([plain(1)]).values == ()
    assert style_for([request(1)], width=99).values == ()
    assert [each.name for each in style_for([request(1, seconds=None)]).values] == ["status", "request"]


def test_the_first_columns_stay_where_there_is_no_room_for_all() -> None:
    names = ("path", *(f"field{number}" for number in range(9)))
    values: dict[str, Any] = dict.fromkeys(names[1:], "x" * 30)
    records = [request(1, **values)]
    shown = [each.name for each in style_for(records, names, 120).values]
    assert shown == list(names[: len(shown)])
    assert 1 < len(shown) < len(names)


@given(st.text(st.characters(exclude_categories=[]), max_size=60), st.integers(100, 220))
def test_a_row_is_never_wider_than_the_screen(value: str, width: int) -> None:
    one = request(1, path=value)
    style = style_for([one], ("path", *AUTOMATIC), width)
    assert cells(log_row(item(one), style)) <= width
    assert cells(heading_row(style)) == width


def test_values_are_never_escapes() -> None:
    one = request(1, path="/\x1b[2Jx")
    assert "\x1b" not in text_of(value_cells(one, (ValueColumn("path", 12),)))


def test_fields_that_most_records_have_are_offered_first() -> None:
    records = [request(1, user="kim", nested={"zone": "a", "deep": {"er": 1}}), request(2), plain(3)]
    names = fields_in(records)
    assert names[:3] == list(AUTOMATIC)
    assert names[3:] == ["path", "request_id", "nested.zone", "user"]


def test_a_choice_is_kept_for_its_format(tmp_path: Path) -> None:
    path = tmp_path / "log-columns.json"
    columns = ChosenColumns(path)
    assert columns.of("access") == AUTOMATIC
    columns.toggle("access", "path")
    columns.toggle("access", "status")
    again = ChosenColumns(path)
    assert again.of("access") == ("response_time", "request", "path")
    assert again.of("json") == AUTOMATIC
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b'{"access": 3}'])
def test_a_broken_file_of_choices_is_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "log-columns.json"
    path.write_bytes(content)
    assert ChosenColumns(path).of("access") == AUTOMATIC
    assert ChosenColumns(tmp_path / "none" / "x").of("access") == AUTOMATIC


def test_a_choice_that_cannot_be_saved_says_so_and_holds(tmp_path: Path) -> None:
    columns = ChosenColumns(tmp_path / "gone" / "log-columns.json")
    with pytest.raises(LilFoxError, match="cannot save the columns: No such file"):
        columns.toggle("access", "path")
    assert columns.of("access")[-1] == "path"


# ---- the scrollbar ------------------------------------------------------------------------------------------------


def bar(count: int, top: int, height: int, errors: tuple[int, ...] = ()) -> str:
    return "".join(text_of(row)[1:] or " " for row in scrollbar(count, top, height, errors, UNICODE))


def test_the_scrollbar_shows_what_is_seen_and_where_the_errors_are() -> None:
    assert bar(100, 0, 10) == "┃         "
    assert bar(100, 90, 10) == "         ┃"
    assert bar(20, 0, 10) == "┃┃┃┃┃     "
    assert bar(100, 90, 10, (5, 50, 95)) == "╸    ╸   ┫"
    assert bar(10, 0, 10, (5,)) == ""
    assert text_of(scrollbar(100, 0, 10, (99,), ASCII)[9]) == " -"


@given(st.integers(1, 400), st.integers(0, 400), st.integers(1, 60))
def test_the_scrollbar_always_shows_a_part_and_reaches_its_ends(count: int, top: int, height: int) -> None:
    top = min(top, max(0, count - height))
    seen = bar(count, top, height)
    if count <= height:
        assert seen == ""
        return
    assert len(seen) == height
    assert "┃" in seen
    assert (seen[0] == "┃") >= (top == 0)
    assert (seen[-1] == "┃") >= (top + height == count)


def test_errors_of_a_list_are_found_by_their_rows() -> None:
    records = [plain(1), plain(2, "failed", Severity.ERROR), plain(3), plain(4, "died", Severity.CRITICAL)]
    shown = [item(each) for each in records]
    assert error_rows(LogList(shown, WIDE, folded=True)) == (1, 3)


def test_each_record_is_new_once_as_long_as_it_is_in_the_list() -> None:
    one, two, three = (record("web", number, number) for number in range(3))
    unseen = Unseen()
    assert unseen.of([one, two]) == [one, two]
    assert unseen.of([one, two, three]) == [three]
    assert unseen.of([three]) == []
    assert unseen.of([one, three]) == [one], "it has left the list and come back"
