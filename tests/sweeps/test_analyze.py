"""Counting fast is the same as reading every record; ranges share no record and leave none out."""

from __future__ import annotations

import io
import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lilfox_tui.logs.analyze import report_progress
from lilfox_tui.logs.count_process import whole_records
from lilfox_tui.logs.filter.model import EVERYTHING, Filter, Within
from lilfox_tui.logs.formats import json_lines
from lilfox_tui.logs.json_count import JsonCount
from lilfox_tui.logs.record import RAW_LIMIT, LogEntry, Severity, load_format, split_records
from lilfox_tui.logs.source import AtBeginning, LogSource, Start
from lilfox_tui.logs.statistics import MINUTE_US, Tally, statistics_of
from tests.unit.logs.files.written import console_log, local_source
from tests.unit.logs.memory_source import MemorySource, record

EAST = timezone(timedelta(hours=5, minutes=45))


def slowly(log: bytes) -> Tally:
    """Every record through the format."""
    tally = Tally()
    for _, raw in split_records(log, load_format("json_lines")):
        entry = json_lines.parse(raw[:RAW_LIMIT], EAST)
        if entry is None:
            tally.unread += 1
        else:
            tally.add("s", entry)
    return tally


def fast(log: bytes, *, timed: bool = True, blocks: int = 1) -> Tally:
    """In so many blocks of whole lines, of which one may be empty."""
    tally = Tally()
    counting = JsonCount(tally, "s", EAST, timed=timed)
    lines = log.split(b"\n")
    for part in range(blocks):
        mine = lines[len(lines) * part // blocks : len(lines) * (part + 1) // blocks]
        counting.count(b"\n".join(mine) + (b"\n" if part < blocks - 1 and mine else b""))
    counting.hand_on()
    return tally


levels: st.SearchStrategy[object] = st.sampled_from(
    ["INFO", "ERROR", "error", "Error", "CRITICAL", "WARN", "nonsense", "", 30, 50, 4, True, None, 3.0, ["ERROR"], {}]
)
times = st.sampled_from(
    [
        "2026-03-01T10:00:00.123456", "2026-03-01T10:00:59.999999", "2026-03-01 10:01:00,5", "2026-03-01T10:00:00Z",
        "2026-03-01T10:00:00+05:45", "2026-03-01T10:00:00.1+02:00", "20260301T1000+01:30", "20260301T1000+01:00",
        "2026-03-01T10:00", "2026-03-01", "2026-03-01T10:00:61", "2026-03-01T10:00:60", "yesterday", "", 1772355600,
        1772355600123, 1.7723556e9, None, True, {"epochSecond": 1772355600, "nanoOfSecond": 0}, "9999-01-01T00:00:01Z",
        "2026-03-01T10:00:00.123456789", "1969-12-30T00:00:00Z", "2026-W09-7T10:00:00",
    ]
)  # fmt: skip
response_times = st.one_of(
    st.floats(), st.integers(-3, 10**19), st.sampled_from(["0.5", "12ms", "fast", "", None, True, [1], "-1", 1e300])
)
exceptions: st.SearchStrategy[object] = st.sampled_from(
    [
        "Traceback (most recent call last):\n  File 'x', line 1\nValueError: no", "pkg.mod.OddError", "", "?", None, [],
        {"type": "KeyError", "message": "'a'"}, {"type": {"type": "deep"}}, {"class": "a.b.C"}, {}, 5, False,
    ]
)  # fmt: skip
modules = st.sampled_from(["api", "db", "api.py:12", "", None, 7, ["x"], "模块"])
texts = st.one_of(st.text(max_size=8), st.sampled_from(["a\nb", '"', "\\", "\x00", "\u2028", "\ud800"]))
records = st.fixed_dictionaries(
    {},
    optional={
        "timestamp": times, "level": levels, "message": texts, "module": modules, "response_time": response_times,
        "exception": exceptions, "Level": levels, "severity": levels, "time": times, "duration_ms": response_times,
        "error": exceptions, "error_type": texts, "route": st.sampled_from(["/a", "/b", "", None, 3]),
        "caller": modules, "log": st.just({"level": "error"}), "other": st.integers(), "RESPONSE_TIME": response_times,
    },
)  # fmt: skip
numbers_or_not: st.SearchStrategy[object] = st.one_of(
    st.integers(), st.floats(), st.sampled_from([2**64, -(10**400), 1e308, "12", None, True, [], {"n": 1}, "\ud800"])
)
usual = st.fixed_dictionaries(
    {"timestamp": times, "level": levels, "message": texts, "module": modules},
    optional={
        "response_time": response_times, "exception": exceptions, "user_id": st.integers(), "line": numbers_or_not,
        "logger": st.sampled_from(["app", "app.db", "日志", "x" * 70, "a\tb", "", None, 7, ["app"]]),
        "n": numbers_or_not,
    },
)  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line of a log: a record as some library writes it, or what is left of one."""
    record: Mapping[str, Any] = draw(st.one_of(usual, usual, records))
    text = json.dumps(
        record, ensure_ascii=draw(st.booleans()), separators=draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    )
    line = text.encode("utf-8", "surrogatepass")
    broken: Callable[[bytes], bytes] = draw(
        st.sampled_from(
            [bytes, bytes, bytes, bytes, lambda b: b[: len(b) // 2], lambda b: b + b"\r", lambda b: b" " + b,
             lambda b: b"\xef\xbb\xbf" + b, lambda b: b.replace(b"a", b"\xff"), lambda b: b + b"}", lambda _: b"",
             lambda _: b"\r", lambda _: b"Traceback (most recent call last):", lambda _: b"[1, 2]", lambda _: b"ERROR",
             lambda b: b.replace(b"{", b'{"level": "DEBUG", ', 1), lambda b: b.replace(b"{", b'{"x": 1e999, ', 1),
             lambda b: b.replace(b"{", b'{"x": "\\q", ', 1), lambda b: b + b, lambda b: b + b" " + b,
             lambda b: b.replace(b",", b",\n", 1), lambda b: b.replace(b"{", b"{\n", 1), lambda _: b" ",
             lambda _: b"\t\r", lambda b: b.replace(b"app", b"\xff\xfe"),
             lambda b: b.replace(b'"n": ', b'"n": -0.0, "n": ')]
        )
    )  # fmt: skip
    return broken(line)


ORDINARY = {"timestamp": "2026-03-01T10:00:07.5Z", "level": "INFO", "module": "m", "message": "x", "response_time": 0.5}
FAILED = ORDINARY | {"level": "ERROR", "exception": "ValueError: no"}


@st.composite
def changed_lines(draw: st.DrawFn) -> list[bytes]:
    """A log of one logger, in which a few lines differ in a field or two: what is known of the others must not count
    for these."""
    base = draw(st.sampled_from([ORDINARY, FAILED]))
    changes = draw(st.lists(st.tuples(st.sets(st.sampled_from(sorted(base)), max_size=2), records), max_size=4))
    odd = [
        {name: value for name, value in base.items() if name not in left_out}
        | {name: found[name] for name in draw(st.permutations(sorted(found)))[:2]}
        for left_out, found in changes
    ]
    return [json.dumps(each).encode() for each in [ORDINARY, FAILED, *[ORDINARY, FAILED] * 2, *odd, ORDINARY]]


LONG = b'{"level": "ERROR", "module": "m", "message": "%b", "response_time": 3}' % (b"x" * RAW_LIMIT)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(st.lists(lines(), min_size=1, max_size=30), changed_lines()), st.sampled_from([1, 30]), st.integers(1, 4)
)
@example([b'{"level": "INFO", "response_time": 1}', b'{"level": "INFO", "response_time": 1}', LONG], 1, 1)
@example([b'{"level": "INFO"}'] * 3 + [b'{"level": "INFO"}{"level": "INFO"}', b'{"level":\n"INFO"}'], 1, 1)
@example([b'{"level": "ERROR", "n": 1, "logger": "a"}', b'{"level": "ERROR", "n": "1", "logger": 5}'], 80, 2)
def test_counting_fast_is_the_same_as_reading_every_record(found: list[bytes], times_over: int, blocks: int) -> None:
    log = b"\n".join(found * times_over)  # what is learned from a line is used for the next
    quick, untimed, thorough = fast(log, blocks=blocks), fast(log, timed=False, blocks=blocks), slowly(log)
    for tally in (quick, untimed, thorough):
        tally.put_in_order()
    assert quick == thorough
    assert statistics_of(quick) == statistics_of(thorough)
    nothing = Tally()
    for tally in (untimed, thorough):
        tally.by_slice, tally.slice_us, tally.timeless = {}, nothing.slice_us, 0
    assert untimed == thorough


@pytest.mark.parametrize(
    "odd",
    [
        {"response_time": -1}, {"response_time": -0.5}, {"response_time": 2**53 + 1}, {"response_time": "0.5"},
        {"level": "WARN"}, {"level": 50}, {"severity": "ERROR"}, {"Level": "ERROR"}, {"lvl": "ERROR", "level": None},
        {"module": "other"}, {"module": "api.py:12"}, {"caller": "c"}, {"route": "/a"}, {"route": ""}, {"route": None},
        {"timestamp": "2026-03-01T10:00:59.9999999Z"}, {"timestamp": "2026-03-01T10:01:00Z"}, {"timestamp": "later"},
        {"timestamp": "2026-03-01T10:00:07.5"}, {"timestamp": "2026-03-01T15:45:07.5+05:45"}, {"timestamp": 1772359207},
        {"timestamp": "2026-03-01T09:59:59.9999999Z"}, {"time": "2026-03-02T10:00:00Z"}, {"exception": {"type": "E"}},
        {"error": "KeyError: x"}, {"error_type": "a.B"}, {"duration_ms": 7}, {"n": 1}, {"n": "1"},
        {"message": "x" * RAW_LIMIT, "level": "WARN"}, {"message": "x" * RAW_LIMIT}, {"logger": "é"},
        {"log": {"level": "error"}},
    ],
)  # fmt: skip
@pytest.mark.parametrize("left_out", [(), ("level",), ("timestamp",), ("module",), ("response_time",)])
def test_what_is_known_of_other_lines_does_not_count_for_an_odd_one(
    odd: dict[str, Any], left_out: tuple[str, ...]
) -> None:
    more = ORDINARY | {"lvl": "INFO", "caller": "c", "duration_ms": 5, "error": ""}
    known = [*[ORDINARY, FAILED] * 20, {"level": "INFO", "timestamp": ORDINARY["timestamp"]}, more, more]
    strange = [{name: value for name, value in each.items() if name not in left_out} | odd for each in known[:2]]
    log = [json.dumps(each).encode() for each in (*known * 30, *strange * 3, *known, *strange)]
    for timed in (True, False):
        quick, thorough = fast(b"\n".join(log), timed=timed, blocks=50), slowly(b"\n".join(log))
        for tally in (quick, thorough):
            tally.put_in_order()
            if not timed:
                tally.by_slice, tally.slice_us, tally.timeless = {}, 0, 0
        assert quick == thorough


def test_most_lines_of_an_ordinary_log_are_not_read_by_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    line = (
        b'{"timestamp": "2026-03-01T10:%02d:00.123456", "level": "INFO", "module": "m", "response_time": 0.5, "x": 1}'
    )
    log = b"\n".join(line % (number % 60) for number in range(2000))
    asked: list[bytes] = []

    def parse(raw: bytes, zone: timezone) -> LogEntry | None:
        asked.append(raw)
        return json_lines.parse(raw, zone)

    monkeypatch.setattr("lilfox_tui.logs.json_count.parse", parse)
    assert fast(log).route("s", "m").records == 2000
    assert len(asked) <= 61  # each minute once


CONSOLE = "".join(
    f"2026-03-01 10:00:{number % 60:02d},000 - app - ERROR - went wrong {number}\n" + "  and more\n" * (number % 4)
    for number in range(200)
).encode()
JSON = b"".join(b'{"level": "INFO", "n": %d}\n' % number for number in range(300)) + b'{"level": "ERROR"}'


@pytest.mark.parametrize(
    ("kind", "log"), [("console", b"no beginning\n" + CONSOLE), ("json_lines", JSON), ("console", b"x")]
)
@settings(max_examples=60, deadline=None)
@example(cuts=[26, 52, 78], block=26)
@example(cuts=[26, 52, 78], block=13)
@given(cuts=st.lists(st.integers(0, 10_000), max_size=6), block=st.sampled_from([7, 64, 1000, 1 << 20]))
def test_ranges_share_no_record_and_leave_none_out(kind: str, log: bytes, cuts: list[int], block: int) -> None:
    format_ = load_format(kind)
    borders = [0, *sorted({cut % (len(log) + 1) for cut in cuts} - {0}), len(log)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lilfox_tui.logs.count_process.BLOCK", block)
        found = [
            raw
            for start, end in itertools.pairwise(borders)
            for whole in whole_records(io.BytesIO(log), start, end, format_.begins)
            for _, raw in split_records(whole, format_)
        ]
    assert found == [raw for _, raw in split_records(log, format_)]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=300))
def test_percentiles_are_the_nearest_rank_and_the_mean_is_the_manuals(taken: list[float]) -> None:
    tally = Tally()
    for number, seconds in enumerate(taken):
        tally.add("s", LogEntry(message="", module=f"m{number % 3}", response_time_s=seconds))
    found = statistics_of(tally).response_times
    assert found is not None
    ordered = sorted(taken)
    assert found.count == len(ordered)
    assert found.mean_s == sum(ordered) / len(ordered)
    assert (found.p50_s, found.p95_s, found.p99_s) == tuple(
        ordered[math.ceil(p * len(ordered)) - 1] for p in (0.5, 0.95, 0.99)
    )


def test_many_response_times_are_put_in_order_without_holding_them_all() -> None:
    tally = Tally()
    ordered = [number / 1000 for number in range(300_000)]
    for seconds in ordered[::2] + ordered[1::2]:
        tally.route("s", f"m{int(seconds * 1000) % 7}").response_times_s.append(seconds)
    found = statistics_of(tally).response_times
    assert found is not None
    assert (found.p50_s, found.p95_s, found.p99_s) == (149.999, 284.999, 296.999)
    assert found.mean_s == sum(ordered) / len(ordered)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.floats(0, 1e6), st.sampled_from([0.0, -0.0, 0.1, 0.2, 0.3])), min_size=1, max_size=40),
    st.integers(1, 400),
    st.lists(st.floats(0, 1e6), max_size=5),
)
@example([0.1, 0.7], 4096, [0.2])
@example([0.1, 0.7], 4096, [])
@example([0.0, -0.0], 4096, [])
def test_equal_response_times_are_counted_together_to_the_same_result(
    values: list[float], times_over: int, others: list[float]
) -> None:
    ordered, together = values * times_over * 2 + others, Tally()
    for part, where in ((values * times_over, "a"), (values * times_over, "a"), (others, "b")):
        tally = Tally()
        tally.route("s", where).response_times_s.extend(part)
        tally.put_in_order()
        together.join(tally)
    found = statistics_of(together).response_times
    ordered.sort()
    assert found is not None
    assert (found.count, found.mean_s) == (len(ordered), sum(ordered) / len(ordered))
    ranks = [math.ceil(p * len(ordered)) - 1 for p in (0.5, 0.95, 0.99)]
    assert [str(each) for each in (found.p50_s, found.p95_s, found.p99_s)] == [str(ordered[rank]) for rank in ranks]


def test_few_different_response_times_take_little_room() -> None:
    tally = Tally()
    tally.route("s", "m").response_times_s.extend([0.001, 0.002, 0.004] * 5000)
    tally.put_in_order()
    assert tally.route("s", "m").repeated_s == {0.001: 5000, 0.002: 5000, 0.004: 5000}
    assert not tally.route("s", "m").response_times_s


def test_no_response_time_is_none_and_odd_ones_are_not_counted() -> None:
    tally = Tally()
    for value in (None, -1.0, math.nan, math.inf):
        tally.add("s", LogEntry(message="", response_time_s=value))
    assert statistics_of(tally).response_times is None
    assert statistics_of(tally).records == 4


@pytest.mark.fault("2.28")
def test_an_error_without_exception_or_module_is_counted_as_the_manual_does() -> None:
    tally = Tally()
    tally.add("s", LogEntry(message="", severity=Severity.ERROR))
    tally.add("s", LogEntry(message="", severity=Severity.WARNING))
    found = statistics_of(tally)
    assert (found.errors, found.errors_by_type, found.errors_by_module) == (1, {"Unknown": 1}, {"unknown": 1})


def test_a_log_of_years_has_wide_slices_and_loses_no_record() -> None:
    one, other = Tally(), Tally()
    for number in range(60_000):
        (one if number % 50 else other).add("s", LogEntry(message="", time_us=number * MINUTE_US * 61))
    one.join(other)
    found = statistics_of(one)
    assert sum(row.records for row in found.by_slice) == found.records == 60_000
    assert len(found.by_slice) <= 33
    assert len({row.until_us - row.since_us for row in found.by_slice}) == 1
    assert all(row.until_us <= after.since_us for row, after in itertools.pairwise(found.by_slice))


def test_zones_of_the_test_differ() -> None:
    """The naive times above are not read as UTC by mistake on both sides."""
    raw = b'{"timestamp": "2026-03-01T10:00:00"}'
    here, there = json_lines.parse(raw, EAST), json_lines.parse(raw, UTC)
    assert here is not None
    assert there is not None
    assert here.time_us != there.time_us


# How far a count is, by the times of what was read.


async def told_of(source: LogSource, where: Filter) -> list[int]:
    told: list[int] = []
    (wrapped,) = await report_progress([source], lambda _name, share: told.append(share))
    more: Start | None = AtBeginning()
    while more is not None:
        more = (await wrapped.page(more, older=False, limit=10, where=where)).more
    return told


@pytest.mark.parametrize(
    ("where", "shares"),
    [(EVERYTHING, [9, 19, 29, 39, 49, 59, 69, 79, 89, 99]), (Within(None, 1505), [17, 37, 57, 77, 97])],
)
async def test_the_share_is_that_of_the_time_to_the_newest_that_can_match(where: Filter, shares: list[int]) -> None:
    source = MemorySource("x", [record("x", number, 1000 + number * 10) for number in range(101)])
    assert await told_of(source, where) == shares


async def test_what_tells_no_time_tells_no_share() -> None:
    source = MemorySource("x", [record("x", number, None) for number in range(101)])
    assert await told_of(source, EVERYTHING) == []


async def test_files_of_this_machine_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(console_log(1, 3))
    source = local_source(tmp_path / "app.log")
    assert await report_progress([source], lambda _name, _share: None) == [source]
    await source.close()


def test_a_process_that_counts_imports_only_what_counting_needs() -> None:
    """There is one for each core: what it imports without need is memory that is taken several times."""
    code = "import sys, lilfox_tui.logs.count_process; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "msgspec" in found
    heavy = {"asyncio", "ssl", "lilfox_tui.logs.source", "lilfox_tui.hosts.base", "lilfox_tui.config.model"}
    assert not heavy.intersection(found)
