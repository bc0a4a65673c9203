"""Records as rows: what stands in which cells, what is folded, wrapped and counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lilfox_tui.app.open_logs import host_of
from lilfox_tui.app.panes.logs.columns import ValueColumn
from lilfox_tui.app.panes.logs.histogram import (
    ErrorRates,
    Span,
    StripParts,
    counted_errors,
    joined,
    loaded_errors,
    strip_row,
)
from lilfox_tui.app.panes.logs.patterns import filter_of
from lilfox_tui.app.panes.logs.record_page import MOST_OF_REQUEST, Neighbours, detail_rows, same_request, similar_to
from lilfox_tui.app.panes.logs.rows import LogList, LogStyle, Place, cut_into, log_row, wrapped_rows
from lilfox_tui.app.panes.logs.view import error_rows, trouble_rows, when
from lilfox_tui.app.rendering.columns import cells
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Piece, Row
from lilfox_tui.config.model import Config, HostConfig, LogConfig
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import cell_width, clean
from lilfox_tui.hosts.open import this_machine
from lilfox_tui.logs.record import LoggedException, Severity, headline, template_of
from lilfox_tui.logs.source import SourceNotice
from lilfox_tui.logs.statistics import Slice
from lilfox_tui.logs.window import MergeKey, WindowItem
from tests.unit.logs.memory_source import record

AT_US = 1_774_753_964_250_000  # 2026-03-29 03:12:44.250 UTC
STYLE = LogStyle(width=100, glyphs=UNICODE, source_width=8, logger_width=8)
texts = st.text(st.characters(exclude_categories=[]), max_size=300)


def shown(number: int, message: str, *, after_s: float = 0, **more: object) -> WindowItem:
    time_us = AT_US + int(after_s * 1e6)
    return WindowItem(MergeKey(time_us, 0, number), record("backend", number, time_us, message, **more))


def text_of(row: Row) -> str:
    return "".join(piece.text for piece in row)


def roles_of(row: Row) -> dict[str, str]:
    return {piece.text.strip(): piece.role for piece in row}


def test_a_record_on_one_line() -> None:
    row = log_row(shown(1, "connection refused", severity=Severity.ERROR, logger="app.db"), STYLE)
    assert text_of(row) == " 03:12:44.250 ✖ ERROR backend  app.db   connection refused"
    assert roles_of(row)["✖"] == "failing"


@pytest.mark.parametrize("address", ["127.0.0.1:5432", "db-1.internal:5432"])
def test_an_address_at_the_end_of_a_long_line_stays(address: str) -> None:
    text = "request failed  ConnectionError: connection to the database was refused by " + address
    style = replace(STYLE, values=(ValueColumn("request_id", 8),))
    item = shown(1, text, fields={"request_id": "ad74e939"})
    row = text_of(log_row(item, style))
    assert row.endswith(f"… {address}  ad74e939")
    assert cell_width(row) == style.width
    longer = text_of(log_row(shown(1, text + " and so on", fields={"request_id": "ad74e939"}), style))
    assert longer.endswith("…  ad74e939"), "else the beginning says the most"
    assert cell_width(longer) == style.width


@pytest.mark.parametrize(
    ("message", "fields", "sign"),
    [
        ("GET /api/chat 503 in 0.2 s", {}, ("✖", "failing")),
        ("served", {"status": 500}, ("✖", "failing")),
        ("GET /api/chat 404 in 0.2 s", {}, ("·", "good")),
        ("served 503 files", {"status": 200}, ("·", "good")),
        ("took 512 ms", {}, ("·", "good")),
    ],
)
def test_a_response_that_failed_has_the_sign_of_an_error_and_its_own_level(
    message: str, fields: dict[str, object], sign: tuple[str, str]
) -> None:
    item = shown(1, message, severity=Severity.INFO, fields=fields)
    row = log_row(item, STYLE)
    assert " INFO " in text_of(row)
    assert roles_of(row)[sign[0]] == roles_of(row)["INFO"] == sign[1]
    assert error_rows(LogList([item], STYLE, folded=False)) == (), "errors are counted by their level"
    page = detail_rows(item, item.item, Neighbours(), STYLE)  # type: ignore[arg-type]
    assert page[0].row[1].text.strip() == sign[0], "its page has the same sign"


@pytest.mark.parametrize(
    ("logger", "drawn"),
    [
        ("lilfox.app.db", "…app.db "),
        ("lilfox.mailing", "…mailing"),
        ("averylongname", "averylo…"),
        ("日志.网关", "…网关   "),
    ],
)
def test_of_a_long_logger_the_last_parts_stay(logger: str, drawn: str) -> None:
    assert f"backend  {drawn} m" in text_of(log_row(shown(1, "m", logger=logger), STYLE))


@pytest.mark.parametrize(
    ("severity", "shape", "ascii_shape", "role"),
    [
        (Severity.CRITICAL, "✖", "x", "failing"),
        (Severity.ERROR, "✖", "x", "failing"),
        (Severity.WARNING, "◐", "~", "degraded"),
        (Severity.NOTICE, "·", "-", "good"),
        (Severity.INFO, "·", "-", "good"),
        (Severity.DEBUG, "·", "-", "muted"),
    ],
)
def test_a_level_is_a_shape_and_a_colour(severity: Severity, shape: str, ascii_shape: str, role: str) -> None:
    one = shown(1, "text", severity=severity)
    assert roles_of(log_row(one, STYLE))[shape] == role
    assert roles_of(log_row(one, replace(STYLE, glyphs=ASCII)))[ascii_shape] == role


TRACEBACK = "Traceback (most recent call last):\n  raise TimeoutError('x')"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (LoggedException("TimeoutError", f"{TRACEBACK}\na.TimeoutError: no answer"), "a.TimeoutError: no answer"),
        (LoggedException("E", "E: first\n\tat a.b(C.java:1)\n\tat E.f(E.java:2)"), "E: first"),
        (LoggedException("KeyError", ""), "KeyError"),
        (LoggedException("", "something"), ""),
    ],
)  # fmt: skip
def test_the_exception_is_in_the_row(fault: LoggedException, said: str) -> None:
    failed = record("s", 0, 0, "request failed", severity=Severity.ERROR)
    failed = replace(failed, entry=replace(failed.entry, fault=fault))
    assert headline(failed) == f"request failed  {said}".rstrip()


def test_an_exception_that_the_message_names_is_not_named_twice() -> None:
    failed = record("s", 0, 0, "KeyError: 'a'")
    assert (
        headline(replace(failed, entry=replace(failed.entry, fault=LoggedException("KeyError", "KeyError: 'a'"))))
        == "KeyError: 'a'"
    )


def test_times_in_another_zone_with_dates_and_where_there_is_no_time() -> None:
    shanghai = replace(STYLE, zone=timezone(timedelta(hours=8)), dates=True)
    assert text_of(log_row(shown(1, "x"), shanghai)).startswith(" 03-29 11:12:44.250 ")
    assert text_of(log_row(shown(1, "x"), replace(STYLE, width=40))).startswith(" 03:12:44 ")
    timeless = WindowItem(MergeKey(0, 0, 1), record("backend", 1, None, "x"))
    assert text_of(log_row(timeless, STYLE)).startswith("              · INFO  backend")


@given(texts, st.integers(20, 200), st.integers(1, 50))
def test_a_folded_row_with_a_request_fits_whatever_the_message_is(message: str, width: int, times: int) -> None:
    style = replace(STYLE, width=width, source_width=8 if width > 60 else 0, logger_width=0)
    one = shown(1, message, fields={"request_id": "0123456789"})
    row = log_row(one, style, times=times, until_us=AT_US + 5_000_000)
    tail = [piece for piece in row[4:] if piece.role == "accent"] if times > 1 else []
    if times > 1 and width >= 60:
        assert cell_width(clean(text_of(row))) <= width
        assert tail


@given(st.integers(1, 120), st.integers(60, 200), st.booleans())
def test_a_folded_row_is_cut_only_where_no_cell_is_free(long: int, width: int, has_request: bool) -> None:
    """Its message has the cells of the columns beside it that are empty, and those of when the last one was."""
    values = (ValueColumn("response_time", 6), ValueColumn("request_id", 8))
    style = replace(STYLE, width=width, logger_width=0, values=values)
    fields = {"request_id": "01234567"} if has_request else {}
    row = text_of(log_row(shown(1, "x" * long, fields=fields), style, times=2, until_us=AT_US + 5_000_000))
    assert "(×2 in 5 s" in row
    assert cells((Piece(row.rstrip()),)) <= width
    if "…" in row:
        assert "until" not in row
        assert "    " not in row.partition("…")[2].rstrip(), "no column is empty behind it"
        assert cells((Piece(row.rstrip()),)) == width
    else:
        assert "x" * long in row


@given(texts, st.integers(1, 80))
def test_wrapping_loses_only_blanks_and_no_line_is_too_wide(text: str, width: int) -> None:
    pieces = cut_into(text, max(2, width))
    assert "".join(pieces).replace(" ", "") == clean(text).replace(" ", "")
    assert all(cell_width(piece) <= max(2, width) for piece in pieces)


@given(st.lists(st.text("abc日", min_size=1, max_size=8), min_size=1, max_size=40), st.integers(16, 60))
def test_lines_end_between_words_that_fit(words: list[str], width: int) -> None:
    if any(not word.isascii() for word in words):
        return  # a line may also end beside a wide character
    assert [word for line in cut_into(" ".join(words), width) for word in line.split()] == words


def test_all_of_a_long_line_is_wrapped_in_good_time() -> None:
    assert len(cut_into("日志 " * 20_000, 80)) > 1000
    assert len(cut_into("x" * 1_000_000, 80, 40)) == 41


def test_wrapped_lines_stand_below_the_message() -> None:
    rows = wrapped_rows(shown(1, "a" * 100 + "\nsecond"), STYLE)
    assert [text_of(row).strip()[-5:] for row in rows] == ["aaaaa", "aaaaa", "econd"]
    assert text_of(rows[1]).startswith(" " * STYLE.prefix_width + "a")


def test_repetitions_are_folded_requests_that_went_well_are_not() -> None:
    errors = [shown(at, "refused", after_s=at, severity=Severity.ERROR, fields={"request_id": at}) for at in range(5)]
    good = [shown(at, "GET /", after_s=at, fields={"request_id": at}) for at in range(5, 8)]
    same = [shown(at, "tick", after_s=at) for at in range(8, 10)]
    rows = LogList([*errors, *good, *same], STYLE, folded=True)
    assert len(rows) == 1 + 3 + 1
    assert "(×5 in 4 s, until 03:12:48.250)" in text_of(rows[0])
    assert "(×2 in 1 s, until 03:12:53.250)" in text_of(rows[4])
    narrow = LogList([*errors, *good, *same], replace(STYLE, width=99), folded=True)
    assert "(×5 in 4 s)" in text_of(narrow[0])
    assert [rows.group_of(index) for index in (0, 4, 5, 9)] == [0, 0, 1, 4]
    assert rows.first_of(4) is same[0]
    assert rows.last_of(4) is same[1]
    assert len(LogList([*errors, *good, *same], STYLE, folded=False)) == 10


def test_what_is_folded_gives_way_to_empty_rows() -> None:
    errors = [shown(at, "refused", after_s=at / 4, severity=Severity.ERROR) for at in range(40)]
    assert [len(LogList(errors, STYLE, folded=True, room=room)) for room in (1, 2, 11, 12, 100)] == [1, 11, 11, 40, 40]
    by_second = LogList(errors, STYLE, folded=True, room=11)
    assert "(×3 in 500 ms, until 03:12:44.750)" in text_of(by_second[0])
    assert "(×4 in 750 ms, until 03:12:45.750)" in text_of(by_second[1])
    assert len(LogList([*errors, shown(99, "x", after_s=99)], STYLE, folded=True, room=2)) == 2


def test_a_notice_is_a_row_of_its_own_and_folds_nothing() -> None:
    said = SourceNotice(source="backend", time_us=AT_US, text=tr("connection lost"))
    notices = [WindowItem(MergeKey(AT_US, 0, at), said) for at in range(2)]
    rows = LogList([shown(1, "tick"), *notices, shown(2, "tick")], STYLE, folded=True)
    assert len(rows) == 4
    assert text_of(rows[1]).endswith("backend: connection lost")


def test_rows_of_wrapped_records_are_found_again() -> None:
    style = replace(STYLE, wrapped=True)
    rows = LogList([shown(1, "a" * 100), shown(2, "short"), shown(3, "b" * 300)], style, folded=True)
    assert len(rows) == 2 + 1 + 5
    assert [rows.group_at(row) for row in range(8)] == [0, 0, 1, 2, 2, 2, 2, 2]
    assert [rows.row_of(group) for group in range(3)] == [0, 2, 3]
    assert rows.place_of_row(4) == Place(MergeKey(AT_US, 0, 3), 1)
    assert rows.row_of_place(Place(MergeKey(AT_US, 0, 3), 1), 2) == 4
    assert rows.row_of_place(Place(MergeKey(AT_US, 0, 3), 9), 2) == 7, "no further than the record goes"


DAY_S = 86400


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_day_begins_with_its_date(wrapped: bool) -> None:
    """A record every hour from 03:12 on, then 60 within a minute. In Shanghai another day begins elsewhere."""
    times = [3600 * at for at in range(30)] + [2 * DAY_S + at for at in range(60)]
    records = [shown(number, f"tick {number}", after_s=after) for number, after in enumerate(times)]
    style = replace(STYLE, dates=True, wrapped=wrapped)
    rows = LogList(records, style, folded=True)
    lines = [text_of(rows[at]) for at in range(len(rows))]
    dates = {at: line.split()[1] for at, line in enumerate(lines) if line.startswith(" ──")}
    assert dates == {21: "2026-03-30", 31: "2026-03-31"}
    assert all(cell_width(lines[at]) == style.width for at in dates)
    assert len(rows) == len(records) + 2
    assert "tick 21" in lines[22]
    assert [rows.row_of(group) for group in (20, 21, 29, 30)] == [20, 22, 30, 32]
    assert [rows.group_at(row) for row in (20, 21, 22, 31, 32)] == [20, 21, 21, 30, 30]
    assert all(lines[rows.row_of(group)].rstrip().endswith(f"tick {group}") for group in range(rows.groups))
    for row in range(len(rows)):
        place = rows.place_of_row(row)
        assert place is not None
        assert rows.row_of_place(place, rows.shown.index(rows.first_of(rows.group_at(row)))) == row
    assert rows.overhang(range(15, 40)) <= 0
    assert rows.groups_within(range(21, 25)) == range(21, 24)
    shanghai = LogList(records, replace(style, zone=timezone(timedelta(hours=8))), folded=True)
    assert [at for at in range(len(shanghai)) if text_of(shanghai[at]).startswith(" ──")] == [13, 31]


def test_dates_take_no_row_where_there_are_few_records_a_day_or_only_one_day() -> None:
    style = replace(STYLE, dates=True)
    rare = [shown(number, "x", after_s=3600 * 12 * number) for number in range(60)]
    assert len(LogList(rare, style, folded=False)) == 60
    one = [shown(number, "x", after_s=number) for number in range(60)]
    assert len(LogList(one, style, folded=False)) == 60
    timeless = [WindowItem(MergeKey(0, 0, at), record("a", at, None)) for at in range(3)]
    assert len(LogList(timeless, style, folded=False)) == 3
    assert len(LogList([], style, folded=False)) == 0


def test_errors_are_counted_by_minute() -> None:
    records = [shown(at, "x", after_s=at * 20, severity=Severity.ERROR if at % 2 else Severity.INFO) for at in range(9)]
    rates = loaded_errors(records)
    assert rates is not None
    assert rates.end - rates.first == 4
    assert sum(span.errors for span in rates.spans) == 4
    assert loaded_errors([WindowItem(MergeKey(0, 0, 0), record("a", 0, None))]) is None


def test_the_strip_shows_a_spike_of_one_minute_however_long_the_span_is() -> None:
    parts = StripParts(shown=7, more=True, total=1_204_331, zone=UTC, width=100, glyphs=UNICODE)
    row = strip_row(ErrorRates((Span(600, 601, 90),), 0, 1000), parts)
    assert text_of(row).count("▆") == 1
    assert text_of(row).endswith("7+ of 1,204,331 records ")
    assert text_of(strip_row(None, replace(parts, total=None))).endswith("7+ records ")
    same = replace(parts, total=7, more_in_all=True)
    assert text_of(strip_row(None, same)).strip() == "7+ records", "not 7+ of 7+"
    assert "0" not in text_of(strip_row(None, replace(parts, shown=0, total=None))), "not read yet is not none"


def test_what_was_counted_and_what_has_come_since_are_one_strip() -> None:
    minute_us = 60_000_000
    slices = [
        Slice(minute_us * at, minute_us * (at + 5), 100, 0, errors, None) for at, errors in ((0, 10), (5, 0), (10, 5))
    ]
    counted = counted_errors(slices, NOW)
    assert counted is not None
    assert [span.errors for span in counted.spans] == [2, 0, 1]
    loaded = ErrorRates((Span(3, 4, 9), Span(16, 17, 4)), 3, 17)
    both = joined(counted, loaded)
    assert (both.first, both.end) == (0, 17)
    assert [span.errors for span in both.spans] == [2, 0, 1, 4], "what was counted is not counted again"
    assert joined(counted, None) == counted
    assert counted_errors([], NOW) is None


def test_errors_counted_by_the_second_are_told_by_the_minute() -> None:
    slices = [
        Slice(30_000_000 * at, 30_000_000 * (at + 1), 9, 0, errors, None) for at, errors in ((0, 1), (1, 2), (3, 4))
    ]
    counted = counted_errors(slices, NOW)
    assert counted is not None
    assert counted.spans == (Span(0, 1, 3.0), Span(1, 2, 4.0))


@pytest.mark.parametrize(("begun", "end"), [(-5, 1), (-20, 0), (5, 6)])
def test_the_strip_does_not_end_in_the_future(begun: int, end: int) -> None:
    """Unless its records are of the future."""
    now = int(NOW.timestamp()) // 60
    since = now + begun
    counted = counted_errors([Slice(since * 60_000_000, (since + 20) * 60_000_000, 1, 0, 0, None)], NOW)
    assert counted is not None
    assert counted.end - now == end


def test_a_records_page_has_its_fields_by_the_names_that_filters_know() -> None:
    one = shown(
        1,
        "refused",
        severity=Severity.ERROR,
        fault=LoggedException("OperationalError", "Traceback\n  line 1\nOperationalError: refused"),
        fields={"user": {"id": 7, "name": "li"}, "tags": ["a", "b"], "empty": None},
    )
    rows = detail_rows(one, one.item, Neighbours((), (shown(2, "next"),)), STYLE)  # type: ignore[arg-type]
    fields = {each.field.name: each.field.value for each in rows if each.field is not None}
    assert fields == {
        "source": "backend",
        "level": "ERROR",
        "type": "OperationalError",
        "user.id": "7",
        "user.name": "li",
        "tags": '["a","b"]',
    }
    page = [text_of(each.row).strip() for each in rows]
    assert "OperationalError: refused" in page
    assert page[-1].endswith("next")


@given(
    st.sampled_from(
        ["retry 2/3 backend:8000", "GET /api/chat 200 in 12 ms", "user 'li' (7) [x] *", "连接 10.0.0.7 失败"]
    )
)
def test_the_filter_of_a_template_finds_the_messages_it_was_made_of(message: str) -> None:
    where = filter_of(template_of(message))
    assert where.matches(record("a", 1, AT_US, message))
    assert not where.matches(record("a", 1, AT_US, "something else"))


# Sources that cannot be read: what is wrong, since when, what is next, what to do.


NOW = datetime(2026, 3, 29, 3, 12, 44, tzinfo=UTC)
HINT = "The host is up, but no SSH server listens on that port: check port and sshd."


def trouble(next_try_s: float | None = 4) -> Unavailable:
    next_try = None if next_try_s is None else NOW + timedelta(seconds=next_try_s)
    return Unavailable(LilFoxError(tr("it refuses the connection"), HINT), NOW - timedelta(seconds=14), next_try)


def texts_of(*, width: int = 80, roomy: bool = True, **troubles: Unavailable) -> list[str]:
    rows = trouble_rows(troubles, UNICODE, now=NOW, zone=UTC, width=width, roomy=roomy)
    if roomy and len(troubles) == 1:
        assert all(cells(row) <= width for row in rows)
    return ["".join(piece.text for piece in row) for row in rows]


def test_one_trouble_is_told_in_full() -> None:
    assert texts_of(api=trouble()) == [
        " ✖ api: it refuses the connection  since 03:12:30, next try in 4 s",
        "   The host is up, but no SSH server listens on that port: check port and sshd.",
    ]


def test_of_a_long_reason_the_times_stay_and_all_of_it_is_below() -> None:
    reason = "/home/ops/.ssh/keys/production/id_ed25519 cannot be read: No such file or directory"
    long = Unavailable(LilFoxError(tr("{reason}", reason=reason), "Name another."), NOW, NOW + timedelta(seconds=4))
    rows = texts_of(api=long)
    assert rows[0].startswith(" ✖ api: /home/ops/.ssh/keys/")
    assert rows[0].endswith("…  since 03:12:44, next try in 4 s")
    assert " ".join(row.strip() for row in rows[1:]) == f"api: {reason}  Name another."


def test_where_there_is_room_it_takes_one_row() -> None:
    assert texts_of(width=160, api=trouble()) == [
        f" ✖ api: it refuses the connection  since 03:12:30, next try in 4 s  {HINT}"
    ]


@pytest.mark.parametrize("roomy", [True, False])
def test_several_take_a_row_each_and_those_not_shown_are_counted(roomy: bool) -> None:
    rows = texts_of(roomy=roomy, a=trouble(), b=trouble(), c=trouble(), d=trouble(), e=trouble())
    assert [row.split()[1] for row in rows[:3]] == ["a:", "b:", "c:"]
    assert rows[3].strip() == "2 more cannot be read; press o for details"
    assert len(rows) == 4


def test_a_low_screen_gives_one_row() -> None:
    assert len(texts_of(roomy=False, api=trouble())) == 1


@pytest.mark.parametrize(
    ("next_try_s", "words"), [(None, "R retries"), (4, "next try in 4 s"), (0, "trying now"), (-9, "trying now")]
)
def test_what_comes_next(next_try_s: float | None, words: str) -> None:
    assert when(trouble(next_try_s), NOW, UTC) == f"since 03:12:30, {words}"


def test_a_row_is_plain_pieces() -> None:
    row: Row = trouble_rows({"a": trouble()}, UNICODE, now=NOW, zone=UTC, width=300, roomy=True)[0]
    assert [piece.role for piece in row] == ["failing", "failing", "muted", "muted"]


# Which logs tell of a host or a service.


@pytest.mark.parametrize(
    ("log", "config", "name"),
    [
        (LogConfig(host="web-1"), Config(hosts={"web-1": HostConfig()}), "web-1"),
        (LogConfig(), Config(hosts={"web-1": HostConfig(), "here": HostConfig(local=True)}), "here"),
        (LogConfig(), Config(hosts={"web-1": HostConfig()}), None),
        (LogConfig(), Config(), this_machine()),
    ],
)
def test_the_host_where_a_log_is_read(log: LogConfig, config: Config, name: str | None) -> None:
    assert host_of(log, config) == name


def test_fields_that_tell_of_the_record_alone_come_first() -> None:
    fields = {"timestamp": "2026", "level": "INFO", "message": "x", "module": "m", "line": 7, "user": "li",
              "request": {"id": "a"}}  # fmt: skip
    one = shown(1, "x", fields=fields)
    rows = detail_rows(one, one.item, Neighbours(), STYLE)  # type: ignore[arg-type]
    names = [each.field.name for each in rows if each.field is not None]
    assert names == ["user", "request.id", "module", "line", "source", "timestamp", "level", "message"]


def test_records_that_say_the_same_and_the_raw_line_stand_beside_the_fields_where_there_is_room() -> None:
    loaded = [shown(number, f"GET /a/{number} 500", after_s=number) for number in range(30)]
    loaded += [shown(99, "GET /a/7 200", after_s=40), shown(100, "other", after_s=59)]
    one = loaded[3]
    assert not isinstance(one.item, SourceNotice)
    record = replace(one.item, raw=b'{"message": "GET /a/3 500", "odd": 1}')
    similar = similar_to(record, [WindowItem(one.key, record), *loaded[:3], *loaded[4:]])
    assert (similar.pattern, similar.count, similar.of) == ("GET /a/{id} 500", 30, 32)
    assert sum(similar.by_time) == 30
    assert not any(similar.by_time[-8:]), "not in the last of the time that is loaded"
    one = WindowItem(one.key, record)
    for width, side_by_side in ((80, False), (100, True), (120, True), (200, True)):
        style = replace(STYLE, width=width)
        rows = detail_rows(one, record, Neighbours(), style, (), similar)
        page = [text_of(each.row) for each in rows]
        assert any("30 of 32 loaded records (94%)" in row for row in page)
        assert any('"odd": 1}' in row for row in page)
        (fields,) = [row for row in page if row.startswith(" Fields")]
        assert ("Same pattern" in fields) is side_by_side
        assert all(cells(each.row) <= width for each in rows)
        assert not any("…" in row for row in page), "the course takes the room that there is"
        if side_by_side:
            (source,) = [each.row for each in rows if each.field is not None and each.field.name == "source"]
            assert {piece.ground for piece in source if piece.ground} == {"background"}, "not in the selection"
            assert cells(source) == width
    plain = detail_rows(loaded[4], loaded[4].item, Neighbours(), STYLE)  # type: ignore[arg-type]
    assert not any("Raw" in text_of(each.row) for each in plain), "the message is all of it"


def test_a_traceback_is_not_repeated_among_the_fields() -> None:
    fault = LoggedException("E", "Traceback\n  line 1\nE: refused")
    one = shown(1, "failed", severity=Severity.ERROR, fault=fault, fields={"exception": fault.text, "user": "li"})
    page = [text_of(each.row).strip() for each in detail_rows(one, one.item, Neighbours(), STYLE)]  # type: ignore[arg-type]
    assert page.count("line 1") == 1
    assert not any(row.startswith("exception") for row in page)
    assert any(row.startswith("user") for row in page)


def test_a_duration_has_its_unit_beside_it() -> None:
    fields = {"latency": 0.0004580840000016906, "elapsed_ms": 12.5, "took": "30 ms", "size": 12.5}
    one = shown(1, "done", fields=fields)
    rows = detail_rows(one, one.item, Neighbours(), STYLE)  # type: ignore[arg-type]
    page = {each.field.name: text_of(each.row).split(None, 1)[1].strip() for each in rows if each.field is not None}
    assert page["latency"] == "0.0004580840000016906   0.46 ms"
    assert page["elapsed_ms"] == "12.5   12.5 ms"
    assert page["took"] == "30 ms"
    assert page["size"] == "12.5"


def test_the_records_of_a_request_stand_before_the_neighbours() -> None:
    def traced(number: int, name: str, id_: str) -> WindowItem:
        made = shown(number, f"{name} says", after_s=number, fields={"request_id": id_})
        assert not isinstance(made.item, SourceNotice)
        return WindowItem(made.key, replace(made.item, source=name, raw=f"x {id_}".encode()))

    loaded = [traced(1, "gateway", "aa"), traced(2, "backend", "aa"), traced(3, "worker", "aab")]
    one = loaded[1]
    together = same_request(one.item, loaded)  # type: ignore[arg-type]
    assert together == tuple(loaded[:2])
    assert same_request(loaded[2].item, loaded) == ()  # type: ignore[arg-type]
    page = [text_of(each.row) for each in detail_rows(one, one.item, Neighbours(), STYLE, together)]  # type: ignore[arg-type]
    at = page.index(" Same request")
    assert "gateway says" in page[at + 1]
    assert "backend says" in page[at + 2]
    assert at + 4 == page.index(" Neighbours")
    many = [traced(number, "gateway", "aa") for number in range(99)]
    near = same_request(many[70].item, many)  # type: ignore[arg-type]
    assert len(near) == MOST_OF_REQUEST
    assert many[70] in near


def test_neighbours_have_the_margin_of_the_list() -> None:
    one, style = shown(1, "x" * 300), replace(STYLE, values=(ValueColumn("status", 6),))
    rows = detail_rows(one, one.item, Neighbours((), (shown(2, "y" * 300, fields={"status": 200}),)), style)  # type: ignore[arg-type]
    assert text_of(rows[-1].row).endswith("200")
    assert cells(rows[-1].row) == STYLE.width - 2
