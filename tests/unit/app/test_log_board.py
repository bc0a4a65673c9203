"""Statistics and patterns as sections of rows: what they count, which filter a row is, and where it is on the board."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, timedelta

import pytest
from msgspec.structs import replace

from lilfox_tui.app.panes.logs.board import BoardDrawing, BoardRow, BoardSection, BoardStyle, draw_board
from lilfox_tui.app.panes.logs.histogram import StripParts, strip_row
from lilfox_tui.app.panes.logs.patterns import (
    counted_span,
    filter_of,
    halves_of,
    halves_row,
    pattern_head,
    pattern_sections,
)
from lilfox_tui.app.panes.logs.rows import percent
from lilfox_tui.app.panes.logs.sections import (
    NewestRecords,
    responses_in,
    scope_row,
    statistics_head,
    statistics_sections,
    time_span,
)
from lilfox_tui.app.rendering.draw import ASCII, UNICODE, Piece, Row
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import cell_width, clean
from lilfox_tui.logs.analyze import RecentPatterns, count_responses, counted_ones
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.filter.syntax import parse_filter, to_text
from lilfox_tui.logs.record import EPOCH, LoggedException, LogRecord, Severity
from lilfox_tui.logs.statistics import (
    ROUTES,
    Example,
    Kind,
    Pattern,
    PatternChange,
    Patterns,
    Statistics,
    Tally,
    statistics_of,
)
from tests.unit.logs.memory_source import record

AT_US = 1_774_753_964_250_000  # 2026-03-29 03:12:44.250 UTC


def text_of(row: Row) -> str:
    return clean("".join(piece.text for piece in row))


def counted(records: Sequence[LogRecord]) -> Statistics:
    tally = Tally()
    for each in records:
        tally.add(each.source, each.entry)
    return statistics_of(tally)


def board(head: Sequence[Row], sections: Sequence[BoardSection], width: int = 118, height: int = 0) -> BoardDrawing:
    return draw_board(head, sections, BoardStyle(width, UNICODE, height))


def rows_of(records: Sequence[LogRecord]) -> dict[str, BoardRow]:
    sections = statistics_sections(counted(records), NewestRecords(records, are_all=True), UTC, UNICODE)
    return {row.id: row for section in sections for row in section.rows}


def found_by(row: BoardRow, records: Sequence[LogRecord]) -> int:
    assert row.where is not None
    assert parse_filter(to_text(row.where), now=EPOCH, zone=UTC) == row.where, "it can be edited"
    return sum(row.where.matches(each) for each in records)


def test_strip_statistics_and_patterns_say_in_the_same_words_what_they_count() -> None:
    parts = StripParts(shown=12, more=False, total=6600, zone=UTC, width=100, glyphs=UNICODE, narrowed=True)
    assert text_of(strip_row(None, parts)).strip() == "12 matching records of 6,600"
    assert text_of(strip_row(None, replace(parts, narrowed=False))).strip() == "12 of 6,600 records"
    tally = Tally(unread=2)
    for at in range(12):
        tally.add("api", record("api", at, AT_US, "x", severity=Severity.ERROR).entry)
    for narrowed, what in ((True, "matching records"), (False, "records")):
        told = [
            text_of(row).strip()
            for row in statistics_head(statistics_of(tally), NewestRecords((), are_all=True), narrowed=narrowed)
        ]
        assert told == [
            f"12 errors (level ERROR or above) in 12 {what}",
            f"not in the format of the log, and not counted: 2 {what}",
        ]
        recent = RecentPatterns((), AT_US - 600_000_000, AT_US, recent=12, before=340)
        told = [text_of(row).strip() for row in pattern_head(recent, UTC, narrowed=narrowed)]
        assert told == [f"12 {what}, 340 in the hour before"]


def test_failed_responses_are_told_though_they_are_no_errors_of_the_log() -> None:
    codes = [502] * 90 + [404] * 6 + [200] * 4
    served = [record("gateway", at, AT_US + at, "served", fields={"status": code}) for at, code in enumerate(codes)]
    served += [record("db", at, AT_US, f"no answer {at}", severity=Severity.ERROR) for at in range(200, 205)]
    rows = rows_of(served)
    assert [cell.text for cell in rows["5xx"].cells] == ["90", "90%"]
    assert rows["5xx"].role == "failing"
    assert [found_by(rows[name], served) for name in ("5xx", "status 502", "4xx", "2xx")] == [90, 90, 6, 4]
    assert found_by(rows["message no answer <num>"], served) == 5
    told = text_of(statistics_head(counted(served), NewestRecords(served, are_all=True), narrowed=False)[1])
    assert told.strip() == "90 of 100 responses failed with 5xx (90%)"
    shown = {name: [cell.text for cell in rows[name].cells] for name in ("source gateway", "source db")}
    assert shown == {"source gateway": ["100", "0%", "90%"], "source db": ["5", "100%", "-"]}
    assert (rows["source gateway"].failed, rows["source db"].failed) == (0.9, 1.0), "its bar is not that of a good one"
    (slice_,) = (row for name, row in rows.items() if name.startswith("slice"))
    assert [cell.text for cell in slice_.cells] == ["105", "95", "90%"]
    assert count_responses(served, are_all=True).total == (100, 90), "lilfox logs stats tells the same"
    assert [row.id for row in rows.values() if row.id.startswith("source")] == ["source db", "source gateway"]
    part = statistics_head(counted(served), NewestRecords(served[:50], are_all=False), narrowed=False)
    told = "50 of 50 responses in the newest 50 records failed with 5xx (100%)"
    assert text_of(part[1]).strip() == told, "nothing is said of those not looked at"


def test_a_status_that_only_the_message_tells_counts_and_is_a_filter() -> None:
    said = [f"GET /api/chat {500 + at % 4} in 0.5{at % 10}3 s" for at in range(8)]
    said += ["GET /api/chat 200 in 0.503 s", "POST /login 429 in 2 ms", "GET /x took 512 ms", "read 500 rows"]
    served = [record("gateway", at, AT_US + at, text) for at, text in enumerate(said)]
    assert [each.code for each in responses_in(served)] == ["500", "501", "502", "503"] * 2 + ["200", "429"]
    rows = rows_of(served)
    assert {name: found_by(rows[name], served) for name in ("5xx", "status 502", "4xx", "2xx")} == {
        "5xx": 8, "status 502": 2, "4xx": 1, "2xx": 1
    }  # fmt: skip
    both = [*served, record("web", 99, AT_US, "served", fields={"status": 503})]
    assert found_by(rows_of(both)["5xx"], both) == 9


@pytest.mark.parametrize(
    "message", ["GET /x 200 ms", "took 404 ms", "GET /x 123.4 KB", "order 500 placed", "v500 status ok"]
)
def test_what_is_no_status_is_not_counted_as_one(message: str) -> None:
    assert responses_in([record("api", 0, AT_US, message)]) == []


def test_times_are_those_of_one_source_and_of_one_route() -> None:
    served = [
        record(source, at, AT_US + at, f"GET /items/{at} 200", response_time_s=seconds)
        for source, seconds, first in (("fast", 0.01, 0), ("slow", 2.0, 50))
        for at in range(first, first + 20)
    ]
    rows = rows_of(served)
    assert [cell.text for cell in rows["times fast"].cells][:3] == ["10 ms"] * 3
    assert [cell.text for cell in rows["times slow"].cells][:3] == ["2 s"] * 3
    routes = [row for row in rows.values() if row.id.endswith("GET /items/{id}")]
    assert [text_of(row.name) for row in routes] == ["slow GET /items/{id}", "fast GET /items/{id}"], "slowest first"
    assert [[cell.text for cell in row.cells] for row in routes] == [
        ["20", "0%", "2 s", "2 s"],
        ["20", "0%", "10 ms", "10 ms"],
    ]
    assert [found_by(row, served) for row in routes] == [20, 20]
    assert found_by(rows["times slow"], served) == 0, "none took longer than the p95"


@pytest.mark.parametrize(
    ("message", "fields", "name"),
    [
        ("done", {"route": "/a/{x}", "status": 200}, "/a/{x}"),
        ("done", {"method": "PUT", "path": "/a/7?x=1", "status": 200}, "PUT /a/{id}"),
        ('1.2.3.4 - "GET /a?b=1 HTTP/1.1" 200 OK', {}, "GET /a"),
    ],
)
def test_the_route_of_a_request(message: str, fields: dict[str, object], name: str) -> None:
    served = [record("api", 0, AT_US, message, fields=fields), record("api", 1, AT_US, "GET /ab 200")]
    assert found_by(rows_of(served)[f"api {name}"], served) == 1


def test_levels_are_parts_of_a_whole() -> None:
    severities = [Severity.CRITICAL, Severity.ERROR, Severity.WARNING, *[Severity.INFO] * 4, Severity.UNKNOWN]
    records = [record("api", at, AT_US, "x", severity=each) for at, each in enumerate(severities)]
    levels = [row for name, row in rows_of(records).items() if name.startswith("level")]
    assert [[cell.text for cell in row.cells] for row in levels] == [["2", "25%"], ["1", "12%"], ["5", "62%"]]
    assert [found_by(row, records) for row in levels] == [2, 1, 5]


def rates(*told: tuple[int, str, Severity]) -> list[LogRecord]:
    """Records by the second in which they were written."""
    return [
        record("api", at, AT_US // 1_000_000 * 1_000_000 + second * 1_000_000, text, severity=severity)
        for at, (second, text, severity) in enumerate(told)
    ]


def test_what_has_become_more_frequent_is_marked_beside_levels_and_statuses() -> None:
    told = [(second, f"GET /a {200 if second < 10 else 503}", Severity.INFO) for second in range(20)]
    told += [(second, "refused", Severity.ERROR) for second in (2, 3, 12, 13, 14, 15, 16)]
    told += [(second, "retry", Severity.WARNING) for second in (17, 18)]
    records = rates(*sorted(told))
    found, newest = Tally(slice_us=1_000_000), NewestRecords(records, are_all=True)
    for each in records:
        found.add(each.source, each.entry)
    counted_ = statistics_of(found)
    span = time_span(counted_, newest, AT_US + 60_000_000)
    halves = halves_of(counted_.by_slice, span)
    assert halves is not None
    assert text_of(halves_row(halves, UTC)).strip() == "change: 03:12:54 to 03:13:03 compared with 03:12:44 to 03:12:54"
    sections = statistics_sections(counted_, newest, UTC, UNICODE, halves)
    rows = {row.id: row for section in sections for row in section.rows}
    changes = {name: rows[name].cells[2] for name in rows if name.startswith(("level", "status")) or name[1:] == "xx"}
    assert {name: (change.text, change.role) for name, change in changes.items()} == {
        "level 40": ("×2.8", "failing"),
        "level 30": ("new", "degraded"),
        "level 20": ("×1.1", "muted"),
        "5xx": ("new", "failing"),
        "status 503": ("new", "failing"),
        "2xx": ("×0.0", "muted"),
    }
    older = [each for each in records if (each.entry.time_us or 0) < halves.middle_us]
    assert sum(each.entry.severity >= Severity.ERROR for each in older) == 2
    some = statistics_sections(counted_, NewestRecords(records[5:], are_all=False), UTC, UNICODE, halves)
    (of_newest,) = (row for section in some for row in section.rows if row.id == "5xx")
    assert len(of_newest.cells) == 2, "nothing is compared of those not looked at"
    assert halves_of(counted_.by_slice[:7], span) is None, "too short to compare"
    begun = halves_of(counted_.by_slice, (halves.middle_us - 1_000_000, span[1])) if span is not None else None
    assert begun is not None
    same = [(begun.middle_us - 1, 1), *((begun.middle_us + at * 1_000_000, 1) for at in range(9))]
    assert begun.change(same, "failing").text == "×1.0", "the older half counts from where the records begin"
    assert halves_of((), None) is None


def test_levels_and_statuses_of_the_same_records_have_changed_alike() -> None:
    """Also where the first slice began before the first record: its records are in the older half."""
    kinds = {Severity.INFO: 200, Severity.WARNING: 404, Severity.ERROR: 503}
    lines = [(second, f"GET /a {code}", level) for second in range(20) for level, code in kinds.items()]
    records = rates(*(each for each in lines if each[0] < 12 or each[0] % 2))
    late = [replace(each, entry=replace(each.entry, time_us=(each.entry.time_us or 0) + 400_000)) for each in records]
    found, newest = Tally(slice_us=1_000_000), NewestRecords(late, are_all=True)
    for each in late:
        found.add(each.source, each.entry)
    counted_ = statistics_of(found)
    span = time_span(counted_, newest, AT_US + 60_000_000)
    halves = halves_of(counted_.by_slice, span)
    assert halves is not None
    assert counted_.by_slice[0].since_us < halves.since_us
    sections = statistics_sections(counted_, newest, UTC, UNICODE, halves)
    rows = {row.id: row.cells[2].text for section in sections for row in section.rows if len(row.cells) > 2}
    levels = [rows[f"level {level}"] for level in (Severity.ERROR, Severity.WARNING, Severity.INFO)]
    assert levels == [rows["5xx"], rows["4xx"], rows["2xx"]]


def test_only_nothing_is_0_percent_and_only_everything_is_100_percent() -> None:
    assert [percent(*each) for each in ((0, 9), (1, 999), (998, 999), (999, 999), (1, 3), (0, 0))] == [
        "0%", "<1%", ">99%", "100%", "33%", "0%"
    ]  # fmt: skip


def test_a_message_of_errors_is_shown_with_its_exception_below_the_list() -> None:
    told = record("api", 0, AT_US, "cannot write 7", severity=Severity.ERROR)
    fault = LoggedException("OSError", "Traceback\nOSError: disk full")
    row = rows_of([replace(told, entry=replace(told.entry, fault=fault))])["message cannot write <num>"]
    assert row.more == "cannot write 7  OSError: disk full"
    assert "disk full" in row.words, "it is found by that"


def test_fields_that_tell_failed_records_from_others_come_first() -> None:
    records = [
        record(
            "api", at, AT_US + at, f"x {at}", severity=Severity.ERROR if at % 4 == 0 else Severity.INFO,
            fields={"zone": "b" if at % 4 == 0 else "a", "user": f"u{at % 2}", "id": f"r{at}", "took": at, "bytes": at,
                    "fixed": "same"},
        )
        for at in range(40)
    ]  # fmt: skip
    rows = {name: row for name, row in rows_of(records).items() if name.startswith("field ")}
    assert list(rows) == ["field zone=a", "field zone=b", "field user=u0", "field user=u1"], "no ids, no numbers"
    assert [[cell.text for cell in row.cells] for row in rows.values()] == [
        ["30", "0", "0%"], ["10", "10", "100%"], ["20", "10", "50%"], ["20", "0", "0%"]
    ]  # fmt: skip
    assert [found_by(row, records) for row in rows.values()] == [30, 10, 20, 20]
    assert [(row.share, row.failed) for row in rows.values()] == [(1.0, 0.0), (1 / 3, 1.0), (2 / 3, 0.5), (2 / 3, 0.0)]


def test_a_field_whose_records_are_failed_responses_is_not_called_good() -> None:
    """All that this function logs are responses with 5xx, at INFO."""
    told = [(Severity.INFO, {"function": "answer", "status": 500}), (Severity.ERROR, {"function": "broken"})]
    records = [record("api", at, AT_US + at, "x", severity=level, fields=fields)
               for at, (level, fields) in enumerate(told * 20)]  # fmt: skip
    found = statistics_sections(counted(records), NewestRecords(records, are_all=True), UTC, UNICODE)
    (section,) = (each for each in found if each.title == "Fields")
    assert section.heads == ("records", "error or 5xx", "share")
    assert [[cell.text for cell in row.cells] for row in section.rows] == [["20", "20", "100%"]] * 2


@pytest.mark.parametrize(("users", "shown"), [(10, True), (50, False)])
def test_fields_with_too_many_values_are_left_out_and_named(users: int, shown: bool) -> None:
    """An id of a request stands in three records each: it says nothing, nor do users of whom each has few."""
    records = [
        record("api", at, AT_US + at, "x", fields={"request_id": f"r{at // 3}", "user_id": f"u{at % users}",
                                                   "zone": f"z{at % 2}"})
        for at in range(600)
    ]  # fmt: skip
    found = statistics_sections(counted(records), NewestRecords(records, are_all=True), UTC, UNICODE)
    (section,) = (each for each in found if each.title == "Fields")
    names = {row.id.partition("=")[0] for row in section.rows}
    assert names == {"field zone", "field user_id"} if shown else {"field zone"}
    left = "request_id" if shown else "request_id, user_id"
    assert section.note == f"{left} left out: too many values"
    more = [
        replace(each, entry=replace(each.entry, fields={**each.entry.fields, "span": f"s{at}", "trace_id": f"t{at}"}))
        for at, each in enumerate(records)
    ]
    crowded = statistics_sections(counted(more), NewestRecords(more, are_all=True), UTC, UNICODE)
    (section,) = (each for each in crowded if each.title == "Fields")
    assert section.note == f"{3 if shown else 4} fields left out: too many values"
    part = statistics_sections(counted(records), NewestRecords(records, are_all=False), UTC, UNICODE)
    (section,) = (each for each in part if each.title == "Fields")
    assert section.note == f"the newest 600 records, {1 if shown else 2} field{'' if shown else 's'} left out"


def test_times_of_failures_are_few_enough_for_a_screen() -> None:
    for seconds, width in ((16, 1), (17, 2), (32, 2)):
        levels = [Severity.ERROR] * 3
        told = [(second, "refused", level) for second in range(seconds) for level in levels]
        records = rates(*told, *((seconds + 2 * at, "calm", Severity.INFO) for at in range(5)))
        found = Tally(slice_us=1_000_000)
        for each in records:
            found.add(each.source, each.entry)
        sections = statistics_sections(statistics_of(found), NewestRecords(records, are_all=True), UTC, UNICODE)
        (section,) = (each for each in sections if each.title == "Errors by time")
        assert section.note == f"each row {width} s"
        assert len(section.rows) == -(-seconds // width)
        assert sum(int(row.cells[1].text) for row in section.rows) == len(told)
        counts = [int(row.cells[0].text) for row in section.rows]
        assert [found_by(row, records) for row in section.rows] == counts, "each row is the filter of its time"


def test_statistics_tell_of_which_records_they_are() -> None:
    at = EPOCH + timedelta(microseconds=AT_US)
    some = [record("api", number, AT_US - (60 - number) * 1_000_000, "x") for number in range(50)]
    newest, found = NewestRecords(some, are_all=True), counted(some)
    span = time_span(found, newest, AT_US)
    assert span == (AT_US - 60_000_000, AT_US - 11_000_000), "exactly, where all records were read"
    told = text_of(scope_row(["api"], 1, EVERYTHING, at, span)).strip()
    assert told == "03:11:44 to 03:12:33 UTC (49 s) · api · no filter"
    where = parse_filter("level>=ERROR timeout", now=at, zone=UTC)
    told = text_of(scope_row(["api", "web"], 5, where, at + timedelta(days=1), span)).strip()
    assert told == ("03-29 03:11:44 to 03:12:33 UTC (49 s) · api, web (2 of 5 sources) · filter level>=ERROR timeout")
    assert text_of(scope_row(list("abcde"), 5, EVERYTHING, at)).strip() == "all 5 sources · no filter"
    whole = time_span(found, NewestRecords(some[-5:], are_all=False), AT_US)
    assert whole is not None
    assert whole[0] <= span[0] < span[1] <= whole[1] <= AT_US, "else in whole slices, but not past the present"
    assert time_span(counted([]), NewestRecords([], are_all=True), AT_US) is None


# ---- patterns ------------------------------------------------------------------------------------------------------


def test_a_message_without_a_past_is_not_called_new() -> None:
    pattern = Pattern(Kind("refused"), 3, Severity.ERROR, Example("api", "0", AT_US, "refused"))
    changes = tuple(PatternChange(pattern, 3, 0, None, compared) for compared in (True, False))
    recent = RecentPatterns(
        changes, AT_US - 600_000_000, AT_US, recent=6, unknown={"api": AT_US - 30_000_000, "web": AT_US},
        failed={"db": LilFoxError(tr("away"))}, comparable_from_us=AT_US + 60_000_000,
    )  # fmt: skip
    counted_, unknown, missing = [text_of(row).strip() for row in pattern_head(recent, UTC)]
    assert counted_ == "6 records", "not 0 in an hour of which nothing is known"
    assert counted_span(recent) == (AT_US - 30_000_000, AT_US)
    because = "not compared: no records before 03:12:14 in api, web"
    assert unknown == f"{because}; comparable from 03:13:44 on"
    assert text_of(pattern_head(replace(recent, comparable_from_us=None), UTC)[1]).strip() == because
    assert missing == "not fully read: db"
    (only,) = pattern_sections(recent, UTC, UNICODE)
    assert (only.title, only.note) == ("Failures", "2 patterns, 1 new")
    assert [row.cells[3].text for row in only.rows] == ["new", ""]


def patterns_of(records: Sequence[LogRecord], known_us: int) -> list[BoardSection]:
    patterns = Patterns()
    for each in records:
        patterns.add(each)
    recent_us = (AT_US - 600_000_000) // 60_000_000 * 60_000_000
    changes = patterns.new_since(recent_us, 3_600_000_000, {each.source: known_us for each in records})
    recent = RecentPatterns(tuple(changes), recent_us, AT_US, recent=len(records), known_from_us=known_us)
    return pattern_sections(recent, UTC, UNICODE)


def test_a_pattern_tells_its_status_its_exception_its_course_and_where_it_was_said() -> None:
    minute = 60_000_000
    records = [record("api", at, AT_US - 40 * minute + at, f"GET /a/{at} 200") for at in range(30)]
    records += [record("api", at, AT_US - 2 * minute + at, f"GET /a/{at} 503") for at in range(40, 46)]
    fault = LoggedException("ConnectionError", "Traceback\nConnectionError: connection refused: 127.0.0.1:5432")
    for at in range(50, 54):
        told = record(f"worker{at % 3}", at, AT_US - minute + at * 1_000_000, "job failed", severity=Severity.ERROR)
        records.append(replace(told, entry=replace(told.entry, fault=fault)))
    records += [record("api", at, AT_US, "served", fields={"status": 502}) for at in range(60, 62)]
    records += [record("api", 70, AT_US, "GET /a/70 200")]
    new, rest = patterns_of(records, AT_US - 45 * minute)
    assert (new.title, new.note) == ("Failures", "3 patterns, 3 new")
    assert [text_of(row.name) for row in new.rows] == [
        "GET /a/{id} 503", "job failed  ConnectionError", "served  status=502"
    ]  # fmt: skip
    assert {row.name[0].role for row in new.rows} == {"failing"}, "5xx is a failure, whatever its level"
    glyph, count, share, change, trend, seen, sources = (cell.text for cell in new.rows[1].cells)
    assert (glyph, count, share, change, seen) == ("✖", "4", "9%", "new", "03:12:34–03:12:37")
    assert sources == "worker0, worker1 +1"
    assert trend == "▁" * 11 + "▆", "from the first minute that is known"
    assert new.rows[1].more == "worker2: job failed  ConnectionError: connection refused: 127.0.0.1:5432"
    assert [found_by(row, records) for row in new.rows] == [6, 4, 2]
    assert (rest.title, [text_of(row.name) for row in rest.rows]) == ("Other messages", ["GET /a/{id} 200"])
    assert rest.rows[0].role == "muted", "what is neither new nor more frequent has no colour"
    assert found_by(rest.rows[0], records) == 31


def test_requests_are_told_apart_by_their_path_and_each_is_a_filter() -> None:
    said = ["GET /api/chat 200 in 3 ms"] * 5 + ["GET /api/chat?user=7 200 in 4 ms", "GET /api/chats 200 in 3 ms"]
    said += ["POST /api/chat 200 in 2 ms", 'took the "GET /api/chat HTTP/1.1" 200', "GET /items/7 200 in 1 ms"]
    said += ["GET /items/8 200 in 1 ms", "GET /items/8/parts 200 in 1 ms"]
    records = [record("api", at, AT_US, text) for at, text in enumerate(said)]
    fields = ({"method": "GET", "path": f"/a/{at}?x=1", "status": 200} for at in range(2))
    records += [record("api", 50 + at, AT_US, "served", fields=each) for at, each in enumerate(fields)]
    (section,) = patterns_of(records, AT_US - 20 * 60_000_000)
    assert section.title == "Messages", "others than what, where there are no failures"
    told = {text_of(row.name): int(row.cells[1].text) for row in section.rows}
    (status,) = (piece.role for piece in section.rows[0].name if piece.text == "200")
    assert status == "good", "coloured as in the list"
    assert told == {
        "GET /api/chat 200 in <num> ms": 6,
        "GET /api/chats 200 in <num> ms": 1,
        "POST /api/chat 200 in <num> ms": 1,
        'took the "GET /api/chat HTTP/1.1" 200': 1,
        "GET /items/{id} 200 in <num> ms": 2,
        "GET /items/{id}/parts 200 in <num> ms": 1,
        "served  status=200  path=/a/{id}": 2,
    }
    assert {text_of(row.name): found_by(row, records) for row in section.rows} == told


@pytest.mark.parametrize(("path", "name"), [("/static/{at}.js", "/static/<path>"), ("/{at}.php", "<path>")])
def test_of_very_many_paths_only_what_they_have_in_common_is_told_and_found(path: str, name: str) -> None:
    said = [f"GET {path.format(at=f'f{at}')} 404" for at in range(ROUTES + 1)] + ["GET /api/chat 200"]
    records = [record("api", at, AT_US, text) for at, text in enumerate(said)]
    (section,) = patterns_of(records, AT_US - 20 * 60_000_000)
    assert [text_of(row.name) for row in section.rows] == [f"GET {name} 404", "GET /api/chat 200"]
    assert [found_by(row, records) for row in section.rows] == [ROUTES + 1, 1]


def test_routes_of_a_field_that_are_no_paths_are_told_apart_until_they_are_too_many() -> None:
    for count, names in ((2, ["call  status=200  route=users.0", "call  status=200  route=users.1"]),
                         (ROUTES + 1, ["call  status=200"])):  # fmt: skip
        fields = ({"route": f"users.{at}", "status": 200} for at in range(count))
        records = [record("api", at, AT_US, "call", fields=each) for at, each in enumerate(fields)]
        (section,) = patterns_of(records, AT_US - 20 * 60_000_000)
        assert [text_of(row.name) for row in section.rows] == names
        assert sum(found_by(row, records) for row in section.rows) == count


def test_a_log_that_has_just_begun_is_compared_with_itself() -> None:
    pattern = Pattern(Kind("refused"), 3, Severity.ERROR, Example("api", "0", AT_US, "refused"))
    change = PatternChange(pattern, 3, 0, 4.0, by_slice=(None, 1, 1, 4), within_us=AT_US - 10_000_000)
    recent = RecentPatterns(
        (change,), AT_US - 600_000_000, AT_US, recent=3, unknown={"api": AT_US - 40_000_000}, slice_us=1_000_000
    )
    told = [text_of(row).strip() for row in pattern_head(recent, UTC)]
    assert told[0] == "3 records"
    assert counted_span(recent) == (AT_US - 40_000_000, AT_US), "from the first record of the log on"
    assert told[1] == "no records before 03:12:04; compared: from 03:12:34 on with the time before"
    some = replace(recent, known_from_us=AT_US - 1_200_000_000)
    assert [text_of(row).strip() for row in pattern_head(some, UTC)][1:] == [
        "new: not seen from 02:52:44 to 03:02:44",
        "api: no records before 03:12:04; from 03:12:34 on compared with the time before it",
    ]
    (section,) = pattern_sections(recent, UTC, UNICODE)
    assert (section.note, section.rows[0].cells[3].text) == ("1 pattern, 1 more frequent", "×4.0")
    assert len(section.rows[0].cells[4].text) == 3, "a trend, though it is no minute old"


def test_what_came_while_records_were_counted_is_in_no_part_of_the_statistics() -> None:
    there = [record(source, at, AT_US + at, "failed") for source in ("api", "web") for at in range(5)]
    came = [*there[:5], record("api", 9, AT_US + 9, "failed"), *there[5:], record("new", 9, AT_US + 9, "failed")]
    assert counted_ones(came, counted(there)) == there


def test_a_minute_that_is_not_over_is_no_drop() -> None:
    """44 s of the last minute are over: as many records in them as there are in whole minutes are no fewer."""
    begin = AT_US // 60_000_000 * 60_000_000 - 6 * 60_000_000
    times = [begin + at * 60_000_000 + each * 1_000_000 for at in range(7) for each in range(60)]
    records = [record("api", at, time, "tick") for at, time in enumerate(times) if time <= AT_US]
    (section,) = patterns_of(records, begin)
    assert section.rows[0].cells[4].text == "▆" * 7


def test_the_most_of_a_pattern_is_seen_on_a_small_screen() -> None:
    told = record("api", 0, AT_US, "connection to the database refused", severity=Severity.ERROR)
    sections = patterns_of([told], AT_US - 60_000_000)
    for width in (38, 78, 118):
        drawn = [text_of(row) for row in board((), sections, width).rows]
        assert any("1" in line and "connection to the data" in line for line in drawn), drawn
        assert all(cell_width(line) <= width for line in drawn)


@pytest.mark.parametrize("width", [78, 118, 198])
def test_failures_and_other_messages_have_the_same_columns(width: int) -> None:
    told = [record("api", at, AT_US, f"GET /a 200 in {at} ms") for at in range(120)]
    told += [record("api", 200 + at, AT_US - at * 60_000_000, "GET /b 500", severity=Severity.ERROR) for at in range(9)]
    sections = patterns_of(told, AT_US - 20 * 60_000_000)
    drawn = [text_of(row) for row in draw_board((), sections, BoardStyle(width, UNICODE, stacked=True)).rows]
    heads = [line for line in drawn if "records" in line]
    assert len(heads) == 2
    assert heads[0] == heads[1]
    assert "trend" in heads[0]
    assert {line.index("GET") for line in drawn if "GET" in line} == {heads[0].index("message")}


def test_patterns_of_a_log_without_times_say_that_there_is_nothing_to_compare() -> None:
    recent = RecentPatterns((), None, None)
    assert [text_of(row).strip() for row in pattern_head(recent, UTC)] == [
        "no record has a time: there are no last 10 minutes to compare"
    ]
    assert pattern_sections(recent, UTC, UNICODE) == []


# ---- the board -----------------------------------------------------------------------------------------------------


def sections_of(*heights: int) -> list[BoardSection]:
    """Sections of so many rows, the first of which cannot be chosen."""

    def row(name: str, at: int) -> BoardRow:
        return BoardRow(name, (Piece(f"row {name}"),), (Piece("7"), Piece("9%")), filter_of("x") if at else None)

    return [
        BoardSection(f"s{number}", tuple(row(f"{number}.{at}", at) for at in range(height)))
        for number, height in enumerate(heights)
    ]


@pytest.mark.parametrize(("width", "columns"), [(58, 1), (78, 1), (118, 2), (166, 3), (198, 3)])
def test_sections_stand_side_by_side_where_there_is_room(width: int, columns: int) -> None:
    drawing = board([(Piece("head"),)], sections_of(4, 3, 5, 2, 6), width, 12)
    assert len({place.left for place in drawing.places}) == columns
    assert [place.row.id for place in drawing.places] == [
        "0.1", "0.2", "0.3", "1.1", "1.2", "2.1", "2.2", "2.3", "2.4", "3.1", "4.1", "4.2", "4.3", "4.4", "4.5"
    ]  # fmt: skip
    for place in drawing.places:
        line = text_of(drawing.rows[place.y])
        assert f"row {place.row.id}" in line[place.left : place.right]
        assert line[: place.right].rstrip().endswith("9%")
    assert all(cell_width(text_of(row)) <= width for row in drawing.rows)


def test_the_selected_row_alone_is_on_another_ground() -> None:
    drawing = draw_board((), sections_of(4, 4), BoardStyle(118, UNICODE), 4)
    grounds = [(y, piece.text) for y, row in enumerate(drawing.rows) for piece in row if piece.ground]
    assert {y for y, _text in grounds} == {drawing.places[4].y}
    assert "row 1.2" in "".join(text for _y, text in grounds)
    assert "row 0.2" not in "".join(text for _y, text in grounds)


def test_one_moves_through_the_board() -> None:
    drawing = board((), sections_of(4, 3), 118)
    assert [drawing.step(at, step) for at, step in ((0, -1), (0, 1), (2, 1), (4, 10))] == [0, 1, 3, 4]
    assert [drawing.beside(at, direction) for at, direction in ((0, 1), (2, 1), (4, -1), (0, -1))] == [3, 4, 1, 0]


def test_bars_of_sections_below_each_other_begin_and_end_in_the_same_cells() -> None:
    def rows(*names: str, failed: float | None = None) -> tuple[BoardRow, ...]:
        cells = (Piece("7"), Piece("100%"))
        return tuple(BoardRow(name, (Piece(name),), cells, filter_of("x"), 1.0, failed=failed) for name in names)

    parts = BoardSection("a", rows("a", "much longer"), parts=True)
    records = BoardSection("b", rows("b", failed=0.25), heads=("records", "share"))
    for width in (58, 78):
        lines = [text_of(row) for row in board((), [parts, records], width).rows if "━" in text_of(row)]
        assert len({(line.index("━"), line.rindex("━")) for line in lines}) == 1, lines
        assert len({line.rstrip("│ ").rindex("100%") for line in lines}) == 1, lines
    (row,) = [row for row in board((), [records], 78).rows if "━" in text_of(row)]
    pieces = {piece.role: len(piece.text) for piece in row if piece.text.strip("━") == "" and piece.text}
    assert pieces["failing"] == round(0.25 * (pieces["failing"] + pieces["muted"])), "the errors among the records"
    (mono,) = [row for row in records.lines(78, ASCII) if ASCII.limit in text_of(row)]
    assert text_of(mono).count(ASCII.full) == pieces["failing"], "told by their shape where there is no colour"


def test_a_part_of_a_whole_is_drawn_on_the_line_of_the_whole() -> None:
    rows = tuple(
        BoardRow(str(share), (Piece("x"),), (Piece("7"), Piece("1%")), None, share) for share in (0.0, 0.5, 1.0)
    )
    lines = [text_of(row) for row in BoardSection("a", rows, parts=True).lines(78, UNICODE)]
    assert len({line.count("━") + line.count("─") for line in lines}) == 1
    assert [line.count("━") // 5 for line in lines] == [0, 6, 12]


def test_numbers_stand_below_each_other_and_a_bar_is_as_long_as_its_share() -> None:
    rows = [
        BoardRow(name, (Piece(name),), (Piece(count), Piece("x")), filter_of("x"), share)
        for name, count, share in (("a", "1", 0.0), ("bb", "1,000", 1.0), ("c", "20", 0.5))
    ]
    for glyphs in (UNICODE, ASCII):
        lines = [text_of(row) for row in BoardSection("s", tuple(rows)).lines(80, glyphs)]
        assert [line.count(glyphs.full) for line in lines] == [0, 60, 30]
        assert {line.rstrip().rindex("x") for line in lines} == {78}
        assert len({line.rstrip()[:-1].rstrip().__len__() for line in lines}) == 1
