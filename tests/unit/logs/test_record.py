from __future__ import annotations

import random
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.core import plugins
from lilfox_tui.logs.record import FORMATS, load_format, recognise, split_records
from tests.unit.logs.formats.examples import EXAMPLES

KINDS = plugins.kinds(FORMATS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_log_is_known_by_what_it_holds(kind: str) -> None:
    for example in EXAMPLES[kind]:
        assert recognise(example + b"\n") == kind
        assert recognise((example + b"\n") * 50) == kind
        assert recognise((example + b"\n").replace(b"\n", b"\r\n") * 5) == kind
    together = b"".join(example + b"\n" for example in EXAMPLES[kind])
    assert recognise(together * 3) == kind


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "plain"])
def test_lines_of_something_else_do_not_hide_it(kind: str) -> None:
    lines = [b"=== started ===", b"  indented"] * 5 + EXAMPLES[kind] * 8
    random.Random(7).shuffle(lines)
    assert recognise(b"\n".join(lines) + b"\n") == kind


@pytest.mark.parametrize(
    "sample",
    [
        b"",
        b"\n\n\n",
        b"x",
        b"\0" * 100 + b'\n{"level":"INFO","message":"x"}\n',
        b"\x7fELF\x02\x01\x01\0",
        b"# Title\n\nSome text: with a colon.\n- ERROR is a word\n",
        b"import os\nprint(1)\nlevel = 7\n",
        b"a,b,c\n1,2,3\n",
        b"[1]\n[2]\n",
        b"2026-01-01 12:00:00 status installed x:amd64 1.0\n" * 9,
    ],
)
def test_anything_else_is_plain(sample: bytes) -> None:
    assert recognise(sample) == "plain"


def test_the_last_line_may_be_half() -> None:
    sample = b'{"level":"INFO","message":"one"}\n{"level":"INFO","mess'
    assert recognise(sample) == "json_lines"
    assert recognise(sample[:10]) == "plain"


def test_a_first_line_that_is_longer_than_the_sample() -> None:
    assert recognise(b'{"level":"INFO","message":"' + b"x" * 100_000) == "json_lines"
    assert recognise(b"2026-01-01 12:00:00,000 - a - INFO - " + b"x" * 100_000) == "console"
    assert recognise(b"x" * 100_000) == "plain"
    assert recognise(b'{"level":"INFO","message":"' + b"x" * 60_000 + b'"}\n' + b"y" * 100_000) == "json_lines"


@given(st.binary(max_size=2000))
def test_any_bytes_are_something(sample: bytes) -> None:
    kind = recognise(sample)
    assert kind in KINDS or ("+" in kind and load_format(kind))


STACKS = {
    "syslog": "Feb {day} 10:00:00 web1 app: request failed\n",
    "Laravel": (
        '[2026-11-28 10:00:00] production.ERROR: it failed {{"exception":"[object] (App\\\\Bad(code: 0): it at /a:1)\n'
        '[stacktrace]\n#0 /var/www/a.php(3): Illuminate\\\\Y->z(Object(Closure))\n#1 {{main}}\n"}} \n'
    ),
    "PHP": (
        "[28-Nov-2026 10:00:00 Europe/Berlin] PHP Fatal error:  Uncaught PDOException: refused in /a.php:3\n"
        "Stack trace:\n#0 /a.php(10): foo()\n#1 {{main}}\n  thrown in /a.php on line 3\n"
    ),
    "Xdebug": (
        "[28-Nov-2026 10:00:00 UTC] PHP Warning:  it in /a.php on line 3\n"
        "[28-Nov-2026 10:00:00 UTC] PHP Stack trace:\n[28-Nov-2026 10:00:00 UTC] PHP   1. {{main}}() /a.php:0\n"
    ),
    "Go": (
        "2026/11/28 10:00:00 panic: index out of range\n\ngoroutine 1 [running]:\n"
        "main.(*Server).handle(0xc000012345, 0x5)\n\t/a.go:12 +0x1d\nmain.main()\n\t/a.go:20 +0x55\n"
    ),
}


@pytest.mark.fault("4.84")
@pytest.mark.parametrize("name", STACKS)
def test_a_stack_trace_is_of_the_record_before_and_no_record_is_of_another(name: str) -> None:
    one = STACKS[name]
    data = "".join(one.format(day=day) for day in range(1, 29)).encode()
    form = load_format(recognise(data))
    pieces = [raw for _, raw in split_records(data, form)]
    assert len(pieces) == 28
    for raw in pieces:
        entry = form.parse(raw, UTC)
        assert entry is not None
        assert entry.time_us is not None
        assert (entry.fault.type if entry.fault else "") == {"Laravel": "Bad", "PHP": "PDOException"}.get(name, "")


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
