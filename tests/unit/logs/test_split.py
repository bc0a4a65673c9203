from __future__ import annotations

import pytest

from lilfox_tui.logs.record import load_format, split_records

CONSOLE = b"2026-01-01 12:00:00,000 - a - ERROR - it failed\n"
TRACEBACK = b"Traceback (most recent call last):\n  File\n\nKeyError: 1\n"


@pytest.mark.parametrize(
    ("block", "records"),
    [
        (b"", []),
        (b"\n", []),
        (b"\r\n\n", []),
        (b"a\nb\n", [(0, b"a"), (2, b"b")]),
        (b"a\r\n\r\nb\r\n", [(0, b"a"), (5, b"b")]),
        (b"a\n\nb", [(0, b"a"), (3, b"b")]),
        (b"\ra\r\r\n", [(0, b"\ra\r")]),
    ],
)
def test_where_each_line_is_a_record(block: bytes, records: list[tuple[int, bytes]]) -> None:
    for kind in ("json_lines", "access", "logfmt", "journald", "postgresql_json"):
        assert split_records(block, load_format(kind)) == records


@pytest.mark.parametrize(
    ("block", "records"),
    [
        (b"", []),
        (CONSOLE, [(0, CONSOLE[:-1])]),
        (CONSOLE[:-1], [(0, CONSOLE[:-1])]),
        (CONSOLE + TRACEBACK, [(0, (CONSOLE + TRACEBACK)[:-1])]),
        (CONSOLE + TRACEBACK + CONSOLE, [(0, (CONSOLE + TRACEBACK)[:-1]), (len(CONSOLE + TRACEBACK), CONSOLE[:-1])]),
        (TRACEBACK + CONSOLE, [(0, TRACEBACK[:-1]), (len(TRACEBACK), CONSOLE[:-1])]),
        (b"\n" + CONSOLE, [(0, b""), (1, CONSOLE[:-1])]),
        (CONSOLE + b"\n\n", [(0, CONSOLE + b"\n")]),
        (b"a\r\nb\r\n", [(0, b"a\r\nb")]),
    ],
)
def test_further_lines_are_of_the_record_before(block: bytes, records: list[tuple[int, bytes]]) -> None:
    assert split_records(block, load_format("console")) == records
