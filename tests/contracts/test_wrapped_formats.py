"""Wrapped formats (``logs/unwrap.py``) keep the contract of formats, whatever the bytes are."""

from __future__ import annotations

import time
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilfox_tui.core.errors import UsageError
from lilfox_tui.logs.record import load_format, recognise, split_records
from tests.unit.logs.formats.examples import EXAMPLES

NAMES = [
    "docker+json_lines+console",
    "cri+json_lines",
    "colours+compose+stamp+access+nginx_error+postgresql",
    "kubectl+plain",
    "tail+console",
    "syslog+json_lines",
    "journald+klog",
    "file+grep+logfmt",
    "gb18030+cri+console",
]
HEADS = [
    b'{"log":"', b'{"log":"x\\n","stream":"stderr","time":"2026-01-01T12:00:00Z"}', b"2026-01-01T12:00:00.1Z stdout P ",
    b"2026-01-01T12:00:00Z stderr F ", b"2026-01-01T12:00:00Z ", b"9999-99-99T99:99:99Z stdout F ", b"web-1  | ",
    b"[pod/a/b] ", b"==> x <==", b"app.log:17:", b"/var/log/x:", b"x.log.1 ", b"\x1b[31m", b"\x1b[", b"#033[0m",
    b"Jan  1 12:00:00 web1 app[7]: ", b'{"log":"\\ud800","time":1}', b'{"log":7,"time":null}',
]  # fmt: skip
LINES = [line for lines in EXAMPLES.values() for one in lines for line in one.splitlines()]
PIECE = st.one_of(st.sampled_from(HEADS), st.sampled_from(LINES), st.binary(max_size=30))
LINE = st.lists(PIECE, max_size=5).map(b"".join)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(lines=st.lists(LINE, max_size=8))
def test_each_byte_is_of_one_record_and_nothing_is_raised(name: str, lines: list[bytes]) -> None:
    form = load_format(name)
    block = b"".join(line + b"\n" for line in lines)
    records = split_records(block, form)
    kept = b"".join(raw for _, raw in records)
    assert kept.translate(None, b"\r\n") == block.translate(None, b"\r\n")
    for start, raw in records:
        first, *others = raw.split(b"\n")
        assert start == 0 or form.begins(first)
        assert not any(map(form.begins, others))
        for zone in (UTC, ZoneInfo("Asia/Shanghai")):
            entry = form.parse(raw, zone)
            assert entry is None or isinstance(entry.message, str)


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(LINE, max_size=8))
def test_whatever_begins_a_log_has_a_format_that_can_be_loaded(lines: list[bytes]) -> None:
    load_format(recognise(b"".join(line + b"\n" for line in lines)))


@pytest.mark.parametrize("name", NAMES)
def test_no_line_of_100_kb_is_slow(name: str) -> None:
    form = load_format(name)
    units = (
        b"a",
        b" ",
        b"\x1b[",
        b"\x1b[0m",
        b".",
        b"a.",
        b"a:",
        b"0",
        b"[",
        b"| ",
        b"\\",
        b'{"log":"',
        b"x.log ",
        b"-",
    )
    for unit in units:
        for head in (b"", *HEADS):
            raw = head + unit * (100_000 // len(unit))
            began = time.process_time()
            form.begins(raw)
            form.parse(raw, UTC)
            assert time.process_time() - began < 1.0, (unit, head)


def test_recognition_of_long_lines_is_not_slow() -> None:
    for head in HEADS:
        for unit in (b"a", b"a.", b"\x1b[0m", b" |", b"x.log "):
            began = time.process_time()
            recognise(head + unit * (64_000 // len(unit)) + b"\n")
            assert time.process_time() - began < 2.0, (unit, head)


@pytest.mark.parametrize("name", ["cri+nothing", "nothing+console", "cri+"])
def test_what_does_not_exist_is_named(name: str) -> None:
    with pytest.raises(UsageError):
        load_format(name)
