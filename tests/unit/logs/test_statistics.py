"""Each row of the statistics is a filter: it matches as many records as the row says."""

from __future__ import annotations

import time
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.app.panes.logs.patterns import errors_of_module, errors_of_type, of_slice, of_source, slower_than
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.logs import analyze as analyze_module
from lilfox_tui.logs import statistics as statistics_module
from lilfox_tui.logs.analyze import newest_records, recent_patterns
from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.filter.syntax import parse_filter, to_text
from lilfox_tui.logs.record import EPOCH, LONGEST, LogRecord, Severity, load_format, split_records, template_of
from lilfox_tui.logs.statistics import (
    GROWN,
    ROUTES,
    SLICE_US,
    SLICES,
    TEMPLATES,
    Patterns,
    Statistics,
    Tally,
    kind_of,
    statistics_of,
)
from tests.bench import logs_made
from tests.unit.logs.filter.records import record as parsed_record
from tests.unit.logs.filter.records import thorough
from tests.unit.logs.memory_source import Every, Holding, MemorySource, record

ODD = b'{"route": "/a", "module": "api"}\n{"route": "", "module": "api"}\n{"module": "/a"}\n'
WITHOUT_MODULE = ODD + b'{"timestamp": "2026-03-01T00:00:01", "level": "ERROR", "message": "a"}\n{"level": "FATAL"}\n'


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[LogRecord]:
    found: list[LogRecord] = []
    for source, kind, name in (("app", "json", "json_lines"), ("web", "nginx", "access")):
        file = tmp_path_factory.mktemp("made") / f"{kind}.log"
        logs_made.make(file, 6000, kind)
        found += read(source, file, name)
    return found


def read(source: str, file: Path, name: str) -> list[LogRecord]:
    format_ = load_format(name)
    found = []
    for place, raw in split_records(file.read_bytes() + (WITHOUT_MODULE if name == "json_lines" else b""), format_):
        entry = format_.parse(raw, UTC)
        assert entry is not None
        found.append(LogRecord(source=source, place=str(place), entry=entry, raw=raw, size_bytes=len(raw)))
    return found


@pytest.fixture(scope="module")
def statistics(records: list[LogRecord]) -> Statistics:
    tally = Tally()
    for each in records:
        tally.add(each.source, each.entry)
    return statistics_of(tally)


def matching(records: list[LogRecord], where: Filter) -> int:
    again = parse_filter(to_text(where), now=EPOCH, zone=UTC)
    assert again == where, "a row's filter can be written into the filter line"
    return sum(where.matches(record) for record in records)


def test_errors_by_type_and_module(records: list[LogRecord], statistics: Statistics) -> None:
    assert {"Unknown", "TimeoutError"} <= set(statistics.errors_by_type)
    assert {"unknown", "orders", "/health"} <= set(statistics.errors_by_module)
    by_type = {name: matching(records, errors_of_type(name)) for name in statistics.errors_by_type}
    by_module = {name: matching(records, errors_of_module(name)) for name in statistics.errors_by_module}
    assert (by_type, by_module) == (statistics.errors_by_type, statistics.errors_by_module)
    assert sum(by_type.values()) == sum(by_module.values()) == statistics.errors


def test_sources_routes_and_slices(records: list[LogRecord], statistics: Statistics) -> None:
    assert [matching(records, of_source(row.name)) for row in statistics.by_source] == [
        row.records for row in statistics.by_source
    ]
    assert {"/a", "api", "", "orders"} <= {row.name for row in statistics.by_route}
    assert [matching(records, of_slice(row)) for row in statistics.by_slice] == [
        row.records for row in statistics.by_slice
    ]
    assert sum(row.records for row in statistics.by_slice) + statistics.timeless == statistics.records == len(records)
    assert statistics.timeless == 4


def test_slower_than_a_percentile(records: list[LogRecord], statistics: Statistics) -> None:
    taken = statistics.response_times
    assert taken is not None
    for limit, most in ((taken.p50_s, 0.5), (taken.p95_s, 0.05), (taken.p99_s, 0.01)):
        assert 0 < matching(records, slower_than(limit)) <= most * taken.count


# What is new in the last ten minutes against the hour before.


MINUTE_US = 60_000_000
NOW_US = 30_000_000 * MINUTE_US


def said(*told: tuple[int, str]) -> MemorySource:
    """Messages by how many minutes ago they were written, oldest first."""
    return MemorySource(
        "app", [record("app", at, NOW_US - ago * MINUTE_US, text) for at, (ago, text) in enumerate(told)], scan=3
    )


async def test_what_was_said_before_is_known_and_what_was_not_is_new() -> None:
    source = said((200, "refused 9"), (40, "tick 1"), (20, "tick 2"), (5, "tick 3"), (3, "refused 1"), (0, "refused 2"))
    found = await recent_patterns([source], Every(), until_us=None)
    told = {change.pattern.kind.template: (change.recent, change.before, change.growth) for change in found.changes}
    assert told["refused <num>"] == (2, 0, None), "what was said longer ago than that does not count"
    assert told["tick <num>"][:2] == (1, 2)
    assert found.changes[0].pattern.kind.template == "refused <num>"
    assert found.until_us == NOW_US


async def test_it_can_be_asked_of_another_moment_and_through_a_filter() -> None:
    source = said((40, "tick 1"), (35, "refused 1"), (5, "tick 3"))
    found = await recent_patterns([source], Every(), until_us=NOW_US - 34 * MINUTE_US)
    assert {change.pattern.kind.template for change in found.changes} == {"tick <num>", "refused <num>"}
    assert sum(change.recent for change in found.changes) == 2
    found = await recent_patterns([source], Holding("tick"), until_us=NOW_US - 34 * MINUTE_US)
    assert [change.pattern.kind.template for change in found.changes] == ["tick <num>"]


async def test_what_is_too_much_is_said_and_nothing_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await recent_patterns([said()], Every(), until_us=None)).changes == ()
    monkeypatch.setattr(analyze_module, "AT_MOST", 2)
    found = await recent_patterns([said((3, "a"), (2, "b"), (1, "c"), (0, "d"))], Every(), until_us=None)
    assert found.cut == ("app",)


async def test_a_source_that_fails_is_named_and_the_others_are_counted() -> None:
    bad, good = said((1, "a")), said((1, "b"))
    bad.name, bad.error = "bad", LilFoxError(tr("connection lost"))
    for until_us in (None, NOW_US):
        found = await recent_patterns([bad, good], Every(), until_us=until_us)
        assert [change.pattern.kind.template for change in found.changes] == ["b"]
        assert found.failed == {"bad": bad.error}


async def test_nothing_is_new_where_there_is_nothing_to_compare_with() -> None:
    """The log begins with the minutes that are asked about; a few seconds are too short to compare its parts."""
    few = MemorySource("app", [record("app", at, NOW_US + at * 1_000_000, f"said {at}" * at) for at in range(6)])
    found = await recent_patterns([few], Every(), until_us=None)
    assert (len(found.changes), any(change.compared for change in found.changes)) == (6, False)
    found = await recent_patterns([said((8, "tick 1"), (3, "refused 1"), (0, "tick 2"))], Every(), until_us=None)
    assert (found.recent, found.before, tuple(found.unknown)) == (3, 0, ("app",))
    assert [change.growth for change in found.changes] == [pytest.approx(3.5, abs=1), 0.0], "none is said to be new"


@pytest.mark.parametrize("seconds", [12, 50, 240, 540])
async def test_a_log_that_has_just_begun_is_compared_with_itself(seconds: int) -> None:
    """What is first said in its last quarter is new, at any age of the log; what is said all along is not."""
    times = range(NOW_US - seconds * 1_000_000, NOW_US + 1, 500_000)
    late_us = NOW_US - seconds * 100_000
    told = [(at, "tick") for at in times] + [(at, "refused 1") for at in times if at >= late_us]
    told += [(at, "more") for at in times if at >= late_us or at % 4_000_000 == 0]
    lines = [record("app", at, time_us, text) for at, (time_us, text) in enumerate(sorted(told))]
    found = await recent_patterns([MemorySource("app", lines, scan=50)], Every(), until_us=None)
    changes = {change.pattern.kind.template: change for change in found.changes}
    assert {change.compared for change in found.changes} == {True}
    assert changes["refused <num>"].growth is None
    assert changes["tick"].growth == pytest.approx(1.0, abs=0.35)
    assert (changes["more"].growth or 0) >= GROWN
    late = changes["tick"].within_us
    assert late is not None
    assert NOW_US - seconds * 300_000 - found.slice_us <= late <= late_us
    assert sum(each or 0 for each in changes["tick"].by_slice) == len(times)


async def test_it_is_told_from_when_on_there_is_something_to_compare_with() -> None:
    """Not a minute earlier, not later; a source without records until then is nothing that is missing."""
    told = tuple((ago, f"tick {ago}") for ago in range(8, -15, -1))
    empty, late = MemorySource("empty", []), MemorySource("late", [record("late", 0, NOW_US + 20 * MINUTE_US, "began")])
    then_us = (await recent_patterns([said(*told), empty, late], Every(), until_us=NOW_US)).comparable_from_us
    assert then_us == NOW_US + 3 * MINUTE_US
    early = await recent_patterns([said(*told), empty, late], Every(), until_us=then_us - 1)
    assert (tuple(early.unknown), early.comparable_from_us) == (("app",), then_us)
    found = await recent_patterns([said(*told), empty, late], Every(), until_us=then_us)
    assert (found.unknown, found.comparable_from_us) == ({}, None)
    assert all(change.compared for change in found.changes)


async def test_what_is_known_of_the_time_before_differs_by_source() -> None:
    old = said((300, "began 1"), (5, "refused 1"), (4, "shared 1"))
    young = MemorySource("young", [record("young", at, NOW_US - ago * MINUTE_US, text) for at, (ago, text) in
                                   enumerate(((4, "shared 2"), (2, "began at last")))])  # fmt: skip
    found = await recent_patterns([old, young], Every(), until_us=NOW_US)
    told = {change.pattern.kind.template: change.compared for change in found.changes}
    assert told == {"refused <num>": True, "shared <num>": False, "began at last": False}
    assert (found.unknown, found.since_us) == ({"young": NOW_US - 4 * MINUTE_US}, NOW_US - 10 * MINUTE_US)
    assert found.known_from_us == NOW_US - 70 * MINUTE_US, "young is not compared"
    younger = said((25, "began 2"), (5, "refused 2"))
    younger.name = "younger"
    found = await recent_patterns([old, young, younger], Every(), until_us=NOW_US)
    assert found.known_from_us == NOW_US - 25 * MINUTE_US, "what is new is not claimed of a time that nobody knows"
    assert found.changes[0].pattern.kind.template == "refused <num>"


async def test_a_rate_is_that_of_the_minutes_of_which_there_are_records() -> None:
    """One a minute all along, in a log that is 21 minutes old."""
    source = said(*((ago, f"tick {ago}") for ago in range(20, -1, -1)))
    (change,) = (await recent_patterns([source], Every(), until_us=None)).changes
    assert (change.recent, change.before, change.growth) == (11, 10, 1.0)


async def test_a_filter_does_not_make_a_log_younger() -> None:
    source = said((40, "tick 1"), (5, "refused 1"))
    found = await recent_patterns([source], Holding("refused"), until_us=None)
    assert [(change.growth, change.compared) for change in found.changes] == [(None, True)]
    assert (found.recent, found.before, found.unknown) == (1, 0, {})


async def test_the_newest_records_are_read_of_each_source_and_it_is_told_whether_these_are_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chatty, quiet = said(*((ago, f"tick {ago}") for ago in range(9, -1, -1))), said((3, "slow"), (0, "slower"))
    chatty.name, quiet.name = "chatty", "quiet"
    found, are_all = await newest_records([chatty, quiet], Every())
    assert [each.entry.message for each in found] == [*(f"tick {ago}" for ago in range(9, -1, -1)), "slow", "slower"]
    assert are_all
    found, are_all = await newest_records([chatty, quiet], Holding("slow"))
    assert (sorted(each.entry.message for each in found), are_all) == (["slow", "slower"], True)
    monkeypatch.setattr(analyze_module, "NEWEST_MOST", 8)
    found, are_all = await newest_records([chatty, quiet], Every())
    assert sorted(each.entry.message for each in found) == ["slow", "slower", "tick 0", "tick 1", "tick 2", "tick 3"]
    assert not are_all
    quiet.error = LilFoxError(tr("connection lost"))
    monkeypatch.setattr(analyze_module, "NEWEST_MOST", 800)
    assert [len((await newest_records([chatty, quiet], Every()))[0]), (await newest_records([quiet], Every()))[1]] == [
        10,
        False,
    ]


MINUTE = SLICE_US
NOW = 1_764_000_000_000_000 // MINUTE * MINUTE


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("took 35ms, 0.5 s", "took <num>ms, <num> s"),
        ("worker-12 v1.2.3 done", "worker-<num> v<num> done"),
        ("user 0b7e7dee-87b3-4d3b-8b0a-00000000000f in", "user <uuid> in"),
        ("commit deadbeef12 at 0x7fff and facade", "commit <hex> at <hex> and facade"),
        ("from 10.0.0.1:5432 to fe80::1 or 2001:db8:0:0:0:0:0:1", "from <addr> to <addr> or <addr>"),
        ("at 03:00:07 std::bad 1.2.3.4.5", "at <num>:<num>:<num> std::bad <num>"),
        ("key \"a b\" or 'c d' isn't `x`", "key <str> or <str> isn't <str>"),
        ("GET /api/users/42?x=1 and/or ~/x/y.log", "GET <path> and/or <path>"),
        ("open https://a.example:80/x?y=1 now", "open <url> now"),
        ("连接 10.0.0.1 超时 /var/log/x", "连接 <addr> 超时 <path>"),
        ("first 1\nsecond 2", "first <num>"),
        ("GET /items/42 502 in 0.004 s", "GET <path> 502 in <num> s"),
        (
            '10.0.0.1:55 - "GET /x HTTP/1.1" 500 Internal Server Error',
            '<addr> - "GET <path> HTTP/1.1" 500 Internal Server Error',
        ),
        ("GET /x 200 ms", "GET <path> <num> ms"),
        ("slow, 3.251 s: POST /a 503", "slow, <num> s: POST <path> 503"),
        ("upstream status=504 after 30 s", "upstream status=504 after <num> s"),
        ('"status": "500", id 7', '<str>: "500", id <num>'),
        ("service returned 503.", "service returned 503."),
        ("copied 404 files", "copied <num> files"),
        ("", ""),
    ],
)
def test_templates(message: str, template: str) -> None:
    assert template_of(message) == template


@thorough
@given(st.integers(0, 10**12), st.integers(0, 10**12), st.uuids(), st.ip_addresses(v=4), st.floats(0, 1e6))
def test_what_differs_in_values_alone_has_one_template(
    one: int, two: int, name: object, address: object, took: float
) -> None:
    assert template_of(f"job {one} of {name} at {address} in {took:.3f}s") == "job <num> of <uuid> at <addr> in <num>s"
    assert template_of(f"job {one}") == template_of(f"job {two}")


@thorough
@given(st.text(max_size=80) | st.text("ab01/:.-'\"~x", max_size=80))
def test_any_message_has_a_template_that_does_not_grow_without_bound(message: str) -> None:
    assert len(template_of(message)) <= 6 * LONGEST


@thorough
@given(*[st.lists(st.sampled_from(["disk", "full", "job", "refused", "by", "peer"]), min_size=1, max_size=5)] * 2)
def test_lines_of_other_words_never_share_a_template(one: list[str], other: list[str]) -> None:
    templates = [template_of(f"7 {' '.join(words)} 10.0.0.1:80 in 3.5 s") for words in (one, other)]
    assert (templates[0] == templates[1]) is (one == other)


requests = st.tuples(
    st.sampled_from(["GET", "POST", "DELETE"]),
    st.lists(st.sampled_from(["api", "v1", "chat", "users.json"]), min_size=1, max_size=3).map("/".join),
    st.sampled_from([200, 404, 500, 503]),
)


@thorough
@given(requests, requests, st.sampled_from(["{} /{} {} in 3 ms", '"{} /{} HTTP/1.1" {} 512', "done: {} /{}?x=1 {}"]))
def test_requests_share_a_kind_if_method_path_and_status_are_the_same(
    one: tuple[str, str, int], other: tuple[str, str, int], shape: str
) -> None:
    kinds = [kind_of(parsed_record(shape.format(*each))) for each in (one, other)]
    assert (kinds[0] == kinds[1]) is (one == other)


@pytest.mark.parametrize(
    "part", ["a", "1", "/", "/a", "a:", ":", "f", "0x", '"', "'", "1.", "a-", "ab://", "~", "1.2.3.4", "GET /a"]
)
def test_no_message_takes_long(part: str) -> None:
    message = part * LONGEST
    began = time.process_time()
    for number in range(200):
        template_of(f"{number}{message}")
        template_of(f"{message}{number}")
    assert time.process_time() - began < 2


def add(patterns: Patterns, message: str, minutes: int, times: int = 1, severity: Severity = Severity.INFO) -> None:
    for _ in range(times):
        patterns.add(parsed_record(message, time_us=NOW + minutes * MINUTE, severity=severity))


def test_counts_gravity_and_an_example() -> None:
    patterns = Patterns()
    add(patterns, "retry 1", 0)
    add(patterns, "retry 2", 1, severity=Severity.ERROR)
    add(patterns, "done", 1)
    first, second = patterns.patterns()
    assert (first.kind.template, first.count, first.severity) == ("retry <num>", 2, Severity.ERROR)
    assert (first.example.message, first.example.source, first.example.time_us) == ("retry 2", "app", NOW + MINUTE)
    assert second.kind.template == "done"


def test_what_is_new_comes_first_then_what_has_grown() -> None:
    patterns = Patterns()
    add(patterns, "steady", -30, 60)
    add(patterns, "steady", -5, 10)
    add(patterns, "grown 1", -30, 6)
    add(patterns, "grown 2", -5, 5)
    add(patterns, "gone", -30)
    add(patterns, "new here", -5, 3)
    add(patterns, "new and grave", 0, 1, Severity.ERROR)
    changes = patterns.new_since(NOW - 9 * MINUTE, 60 * MINUTE)
    assert [(change.pattern.kind.template, change.recent, change.before, change.growth) for change in changes] == [
        ("new and grave", 1, 0, None),
        ("new here", 3, 0, None),
        ("grown <num>", 5, 6, 5.0),
        ("steady", 10, 60, 1.0),
    ]


def test_only_the_time_that_is_asked_for_counts() -> None:
    patterns = Patterns()
    add(patterns, "old", -70)
    add(patterns, "old", 0)
    patterns.add(parsed_record("timeless"))
    (change,) = patterns.new_since(NOW - 9 * MINUTE, 60 * MINUTE)
    assert (change.pattern.kind.template, change.before, change.pattern.count) == ("old", 0, 2)
    assert Patterns().new_since(NOW, MINUTE) == []


def test_memory_is_bounded() -> None:
    patterns = Patterns()
    for minute in range(2 * SLICES):
        add(patterns, "same", minute)
    add(patterns, "late", 0)
    assert [change.pattern.kind.template for change in patterns.new_since(NOW, 0)] == ["same"]
    assert patterns.new_since(NOW, 0)[0].recent == SLICES
    for number in range(TEMPLATES + 50):
        add(patterns, "".join(chr(ord("g") + int(digit)) for digit in str(number)), 2 * SLICES)
    assert len(patterns.patterns()) == TEMPLATES
    assert patterns.forgotten == 2 * SLICES + 1 + 50
    assert len(patterns.new_since(NOW, 0)) == TEMPLATES


@thorough
@given(st.lists(st.tuples(st.sampled_from(["a 1", "a 2", "b", "c"]), st.integers(-80, 0)), max_size=30))
def test_the_order_of_adding_does_not_matter(said: list[tuple[str, int]]) -> None:
    forwards, otherwise = Patterns(), Patterns()
    for message, minute in said:
        add(forwards, message, minute)
    for message, minute in sorted(said, key=str):
        add(otherwise, message, minute)

    def counts(patterns: Patterns) -> list[tuple[str, int, int]]:
        changes = patterns.new_since(NOW - 9 * MINUTE, 60 * MINUTE)
        return [(one.pattern.kind.template, one.recent, one.before) for one in changes]

    assert counts(forwards) == counts(otherwise)


@thorough
@given(
    st.permutations([f"GET /{first}/{at} 200" for first in "abc" for at in ("x", "y", "z")] + ["GET /a 200", "other"]),
    st.sampled_from([2, 4, 12]),
)
def test_paths_are_widened_alike_in_any_order(said: list[str], most: int) -> None:
    """All of a template, also those counted before: so the filter of a row finds as many as it counts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(statistics_module, "ROUTES", most)
        patterns = Patterns()
        for message in said:
            add(patterns, message, 0)
    counts = {pattern.kind.path: pattern.count for pattern in patterns.patterns() if pattern.kind.template != "other"}
    changes = patterns.new_since(NOW, 0)
    if most == 2:
        assert counts == {"": 10}
    elif most == 4:
        assert counts == {"/a": 1, "/a/<path>": 3, "/b/<path>": 3, "/c/<path>": 3}
    else:
        assert len(counts) == 10
    assert sum(change.recent for change in changes) == len(said)


def test_what_was_told_apart_of_a_forgotten_template_is_forgotten_too() -> None:
    patterns = Patterns()
    for number in range(TEMPLATES + 50):
        word = "".join(chr(ord("g") + int(digit)) for digit in str(number))
        add(patterns, f"{word} GET /cart 200", 0)
    assert len(patterns.patterns()) == TEMPLATES
    assert len(patterns._paths) == len(patterns._apart) == TEMPLATES


def test_very_many_paths_do_not_push_other_patterns_out() -> None:
    patterns = Patterns()
    add(patterns, "refused", 0, severity=Severity.ERROR)
    for at in range(TEMPLATES + ROUTES):
        add(patterns, f"GET /scan/page{at}.php 404", 0)
    assert patterns.forgotten == 0
    assert [(each.kind.path, each.count) for each in patterns.patterns()] == [
        ("/scan/<path>", TEMPLATES + ROUTES), ("", 1)
    ]  # fmt: skip
