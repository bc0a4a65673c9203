"""Every format of logs keeps the contract of ``logs/record.py``."""

from __future__ import annotations

import time
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.core import plugins
from lilfox_tui.logs.filter.model import AtLeast, FieldMatch, Filter, TextMatch, field_values
from lilfox_tui.logs.filter.needles import needles
from lilfox_tui.logs.record import FORMATS, RAW_LIMIT, LogEntry, LogRecord, Severity, load_format, split_records
from tests.unit.logs.formats.examples import EXAMPLES

KINDS = plugins.kinds(FORMATS)
SHANGHAI = ZoneInfo("Asia/Shanghai")
PIECES = [line for lines in EXAMPLES.values() for example in lines for line in example.splitlines()]
ODD = [
    *(b"{", b'"', b"\\", b"=", b"[", b"]", b" ", b"\n", b"\r\n", b"\t", b"\0", b"\xff", b"<11>", b"NaN", b"1e400"),
    *(b"9" * 400, b"99999-01-01T00:00:00", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-14:00"),
    *(b'{"time":1e308,"level":50}', b'{"time":-1,"level":true}', b'{"ts":"2026-13-45T99:99:99Z"}', b'{"exception":{}}'),
    *(b'{"exception":[[1]]}', b'{"err":{"type":7}}', b'{"message":null}', b'{"a":"\\ud800"}', b'{"a":NaN}'),
    *(b"Traceback (most recent", b" call last):\n", b"\tat x", b"Caused by: "),
]
WORDS = st.sampled_from([*PIECES, *ODD])
RAW = st.one_of(st.binary(max_size=300), st.lists(WORDS, max_size=8).map(b"".join))
SLOWEST = (  # of one byte, and shapes that make a careless pattern go back over what it has read
    *(bytes([byte]) for byte in b'a \t\n="\\[]:.-0,<{(\xff\0'),
    *(
        b"a=",
        b'a="',
        b'""',
        b'\\"',
        b"a.",
        b"a:",
        b"a::",
        b"[a] ",
        b" - ",
        b" [",
        b"0 ",
        b'{"a":',
        b"[[",
        b', client: "',
    ),
    *(b",,", b"ERROR ", b"ERROR: ", b"Caused by: ", b"at ", b"\tat \n", b"\n ", b"A.", b"\r\n", b"rt=", b" 1.", b"| "),
)


def all_examples() -> list[tuple[str, bytes]]:
    return [(kind, example) for kind, examples in EXAMPLES.items() for example in examples]


def test_every_kind_has_examples() -> None:
    assert sorted(EXAMPLES) == sorted(KINDS)


@pytest.mark.parametrize(("kind", "raw"), all_examples())
def test_an_example_is_one_record_of_its_kind(kind: str, raw: bytes) -> None:
    format_ = load_format(kind)
    assert split_records(raw + b"\n", format_) == [(0, raw)]
    assert split_records(raw.replace(b"\n", b"\r\n") + b"\r\n", format_) == [(0, raw.replace(b"\n", b"\r\n"))]
    entry = format_.parse(raw, UTC)
    assert entry is not None
    assert entry.message
    assert format_.parse(raw.replace(b"\n", b"\r\n"), UTC) == entry


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=300, deadline=None)
@given(raw=RAW)
def test_whatever_the_bytes_are_nothing_is_raised(kind: str, raw: bytes) -> None:
    format_ = load_format(kind)
    assert format_.begins(raw.split(b"\n")[0]) in (True, False)
    for zone in (UTC, SHANGHAI):
        entry = format_.parse(raw, zone)
        if entry is not None:
            check(kind, raw, entry)


def check(kind: str, raw: bytes, entry: LogEntry) -> None:
    assert isinstance(entry.message, str)
    assert isinstance(entry.logger, str)
    assert isinstance(entry.module, str)
    assert (
        LogRecord(source="", place="", entry=entry, raw=raw, size_bytes=len(raw)).at is None
        or entry.time_us is not None
    )
    assert entry.response_time_s is None or 0 <= entry.response_time_s < float("inf")
    assert entry.fault is None or entry.fault.type
    assert all(isinstance(name, str) for name in entry.fields)
    words = load_format(kind).LEVEL_WORDS
    if words is not None and entry.severity is not Severity.UNKNOWN:
        assert any(word.lower() in raw.lower() for word in words[entry.severity]), (entry.severity, raw)


@pytest.mark.parametrize(("kind", "raw"), all_examples())
def test_a_level_is_found_by_its_words(kind: str, raw: bytes) -> None:
    entry = load_format(kind).parse(raw, UTC)
    assert entry is not None
    check(kind, raw, entry)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=30)), max_size=12))
def test_records_are_the_lines_of_a_block_and_begin_where_they_say(kind: str, pieces: list[bytes]) -> None:
    format_ = load_format(kind)
    block = b"".join(piece + b"\n" for piece in pieces)
    records = split_records(block, format_)
    assert [block[start : start + len(raw)] for start, raw in records] == [raw for _, raw in records]
    for start, raw in records:
        first, *others = raw.split(b"\n")
        assert start == 0 or block[start - 1 : start] == b"\n"
        assert start == 0 or format_.begins(first)
        assert not any(format_.begins(line) for line in others)
    kept = b"".join(raw for _, raw in records)
    assert kept.translate(None, b"\r\n") == block.translate(None, b"\r\n")


@pytest.mark.parametrize("kind", KINDS)
def test_no_line_of_100_kb_is_slow(kind: str) -> None:
    """Patterns that go back over what they have read need minutes for one of these."""
    format_ = load_format(kind)
    heads = (b"", *(example.splitlines()[0][:60] for example in EXAMPLES[kind]), EXAMPLES[kind][0])
    for unit in SLOWEST:
        for head in heads:
            raw = head + unit * (100_000 // len(unit))
            began = time.process_time()
            format_.begins(raw)
            format_.parse(raw, UTC)
            assert time.process_time() - began < 1.0, (unit, head)


@pytest.mark.parametrize(("kind", "raw"), all_examples())
def test_a_record_that_was_cut_is_no_trouble(kind: str, raw: bytes) -> None:
    format_ = load_format(kind)
    format_.parse((raw + b"x" * RAW_LIMIT)[:RAW_LIMIT], UTC)
    for end in range(len(raw)):
        format_.parse(raw[:end], SHANGHAI)


@pytest.mark.parametrize(("kind", "raw"), all_examples())
def test_a_filter_by_what_a_record_says_finds_it_by_a_native_search(kind: str, raw: bytes) -> None:
    """What the needles of a filter rely on: what is read stands in the raw bytes as it was written."""
    if b'"MESSAGE":[' in raw:
        return  # the journal's bytes as numbers: journald.py names the limit
    format_ = load_format(kind)
    entry = format_.parse(raw, UTC)
    assert entry is not None
    record = LogRecord(source="s", place="1", entry=entry, raw=raw, size_bytes=len(raw))
    names = (
        "logger",
        "module",
        "type",
        *(name for name, value in entry.fields.items() if isinstance(value, str | int)),
    )
    filters: list[Filter] = [AtLeast(entry.severity), *(TextMatch(word) for word in entry.message.split())]
    filters += [FieldMatch(name, "=", str(value)) for name in names for value in field_values(record, name)]
    for where in filters:
        found = needles(where, format_.LEVEL_WORDS)
        if found is None or not where.matches(record):
            continue
        text = raw.lower() if found.ignore_case else raw
        assert any((one.lower() if found.ignore_case else one) in text for one in found.any_of), where
