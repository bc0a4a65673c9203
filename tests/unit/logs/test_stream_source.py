"""Records kept in memory, and bytes that arrive in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.logs.record import RAW_LIMIT
from lilfox_tui.logs.stream_source import SAMPLE_BYTES, RecordSplitter, RetainedRecords

CONSOLE = b"2026-01-02 03:04:0%d,123 - app - ERROR - number %d\nTraceback (most recent call last):\nValueError: no\n"


def test_the_oldest_fall_out_and_are_counted() -> None:
    kept = RetainedRecords(limit_bytes=100_000)
    for number in range(20_000):
        kept.add(b"%05d" % number, 5)
        if number % 32 == 0:
            kept.mark(number, number)
    assert kept.bytes <= 100_000
    assert kept.end == 20_000
    assert kept.first == 20_000 - 100_000 // 69
    numbers = list(kept.numbers(0, older=False))
    assert numbers == list(range(kept.first, 20_000))
    assert [kept.at(number)[0] for number in numbers] == [b"%05d" % number for number in numbers]
    assert list(kept.numbers(kept.end, older=True)) == numbers[::-1]
    assert next(kept.numbers(19_990, older=True)) == 19_989
    assert list(kept.numbers(50_000, older=False)) == []
    asked: list[int] = []

    def time_of(number: int) -> int:
        asked.append(number)
        return number

    assert [kept.first_at(time_us, time_of) for time_us in (0, kept.first, 19_000, 19_001, 30_000)] == [
        kept.first, kept.first, 19_000, 19_001, 20_000,
    ]  # fmt: skip
    assert len(asked) < 5 * 34
    assert min(asked) >= kept.first


def test_one_record_larger_than_the_limit_is_kept_alone() -> None:
    kept = RetainedRecords(limit_bytes=100)
    kept.add(b"a", 1)
    kept.add(b"b" * 1000, 1000)
    assert list(kept.numbers(0, older=False)) == [1]


def test_times_that_go_back_or_are_missing_do_not_disturb_the_search() -> None:
    kept = RetainedRecords()
    times = (10, None, 30, 20, None, 40)
    for number, time_us in enumerate(times):
        kept.add(b"x", 1)
        if number in (0, 3):
            kept.mark(number, time_us or 0)
    found = [kept.first_at(time_us, times.__getitem__) for time_us in (5, 10, 11, 30, 31, 40, 41)]
    assert found == [0, 0, 2, 5, 5, 5, 6], "30 stands before 20: what lies between two marks goes with the later one"


def taken(pieces: list[bytes], form: str = "console") -> list[tuple[bytes, int]]:
    arriving = RecordSplitter(form)
    found = [record for piece in pieces for record in arriving.take(piece)]
    return found + arriving.settle(ended=True)


@given(st.lists(st.integers(1, 200), max_size=30))
def test_however_it_is_cut_the_records_are_the_same(cuts: list[int]) -> None:
    text = b"".join(CONSOLE % (number, number) for number in range(9))
    pieces, rest = [], text
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]
    records = [(CONSOLE % (number, number)).rstrip(b"\n") for number in range(9)]
    assert taken([*pieces, rest]) == [(raw, len(raw)) for raw in records]


def test_a_pause_ends_a_record_but_no_half_line() -> None:
    arriving = RecordSplitter("plain")
    assert arriving.take(b"one\ntwo\nhal") == [(b"one", 3)]
    assert arriving.settle(ended=False) == [(b"two", 3)]
    assert arriving.settle(ended=False) == []
    assert arriving.take(b"f\n") == []
    assert arriving.settle(ended=False) == [(b"half", 4)]
    assert arriving.take(b"end") == []
    assert arriving.settle(ended=True) == [(b"end", 3)]
    assert arriving.settle(ended=True) == []


def test_a_line_that_is_a_record_waits_for_no_pause() -> None:
    arriving = RecordSplitter("json_lines")
    assert arriving.take(b'{"a": 1}\n{"a"') == [(b'{"a": 1}', 8)]
    assert arriving.take(b": 2}\n\n") == [(b'{"a": 2}', 8)]
    assert arriving.settle(ended=True) == []
    arriving.take(b"x" * RAW_LIMIT * 3)
    assert arriving.take(b"x\n{}\n") == [(b"x" * RAW_LIMIT, RAW_LIMIT * 3 + 1), (b"{}", 2)]


def test_the_format_is_found_in_what_comes_first() -> None:
    arriving = RecordSplitter("")
    assert arriving.take(b'{"level": "INFO", "message": "a"}\n' * 10) == []
    assert len(arriving.settle(ended=False)) == 10
    assert arriving.format_name == "json_lines"
    arriving = RecordSplitter("")
    line = b"level=info msg=hello n=1\n"
    found = arriving.take(line * (SAMPLE_BYTES // len(line) + 2))
    assert (arriving.format_name, len(found)) == ("logfmt", SAMPLE_BYTES // len(line) + 2)


@pytest.mark.parametrize("size", [RAW_LIMIT - 1, RAW_LIMIT, RAW_LIMIT + 1, 10 * RAW_LIMIT])
def test_of_a_long_line_the_start_is_kept_and_the_rest_counted(size: int) -> None:
    arriving = RecordSplitter("plain")
    most = 0
    found = []
    text = b"a\n" + b"x" * size + b"\nb\n"
    for at in range(0, len(text), 60_000):
        found += arriving.take(text[at : at + 60_000])
        most = max(most, len(arriving._pending))
    found += arriving.settle(ended=True)
    assert found == [(b"a", 1), (b"x" * min(size, RAW_LIMIT), size), (b"b", 1)]
    assert most <= 3 * RAW_LIMIT
