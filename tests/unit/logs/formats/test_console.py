from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lilfox_tui.logs.formats import console, plain
from lilfox_tui.logs.record import Severity, microseconds

NOON_US = microseconds(datetime(2026, 1, 1, 12, tzinfo=UTC))
INFO, WARNING, ERROR = Severity.INFO, Severity.WARNING, Severity.ERROR


@pytest.mark.parametrize(
    ("line", "severity", "logger", "message"),
    [
        ("2026-01-01 12:00:00,000 - lilfox-backend - ERROR - it: failed", ERROR, "lilfox-backend", "it: failed"),
        ("2026-01-01 12:00:00 - INFO - a.b - it", INFO, "a.b", "it"),
        ("2026-01-01 12:00:00.000 | SUCCESS  | a.b:f:42 - it", INFO, "a.b", "it"),
        ("2026-01-01 12:00:00.000  INFO 12345 --- [           main] c.e.App    : it", INFO, "c.e.App", "it"),
        ("2026-01-01T12:00:00.000Z  WARN 1 --- [app] [nio-1] c.e.App : it", WARNING, "c.e.App", "it"),
        ("2026-01-01 12:00:00,000 [main] ERROR c.e.App - it", ERROR, "c.e.App", "it"),
        ("2026-01-01 12:00:00,000 ERROR [main] c.e.App: it", ERROR, "c.e.App", "it"),
        ("2026-01-01 12:00:00,000 ERROR [a.b] it: failed", ERROR, "a.b", "it: failed"),
        ("2026-01-01 12:00:00,000 [ERROR] a.b: it", ERROR, "a.b", "it"),
        ("2026-01-01 12:00:00,000 ERROR a.b: it", ERROR, "a.b", "it"),
        ("2026-01-01 12:00:00,000 ERROR    it failed", ERROR, "", "it failed"),
        ("2026-01-01 12:00:00,000 ERROR root: it", ERROR, "root", "root: it"),
        ("2026-01-01 12:00:00,000 ERROR it failed: refused", ERROR, "", "it failed: refused"),
        ("2026-01-01 12:00:00,000 ERROR a_b - it", ERROR, "a_b", "it"),
        ("2026-01-01 12:00:00,000 a.b ERROR it", ERROR, "a.b", "it"),
        ("[2026-01-01 12:00:00 +0000] [42] [INFO] it", INFO, "", "it"),
        ("[2026-01-01 12:00:00,000: INFO/MainProcess] it", INFO, "MainProcess", "it"),
        ("[2026-01-01 12:00:00,000] ERROR in app: it", ERROR, "app", "it"),
        ("[2026-01-01T12:00:00.000000+00:00] channel.ERROR: it {} []", ERROR, "channel", "it {} []"),
        ("I, [2026-01-01T12:00:00.000000 #42]  INFO -- prog: it", INFO, "prog", "it"),
        ("2026-01-01T12:00:00.000Z\tINFO\tapi\tit", INFO, "api", "it"),
        ("2026-01-01T12:00:00.000000Z  INFO tower_http::trace: it", INFO, "tower_http::trace", "it"),
        ("2026-01-01 12:00:00,000 | INFO | a.b | it", INFO, "a.b", "it"),
        ("2026-01-01 12:00:00,000 - a.b - INFO - ", INFO, "a.b", ""),
        ("2026-01-01 12:00:00,000 - WARN  [Peer[myid=1]/::1:2181:Election@7] - it", WARNING, "", "it"),
        ("[2026-01-01T12:00:00,000][WARN ][o.e.n.Node        ] [node] it", WARNING, "o.e.n.Node", "[node] it"),
        ("[2026-01-01T12:00:00Z ERROR api::users] it", ERROR, "api::users", "it"),
        ("2026-01-01 12:00:00.000 25746 INFO nova.api.server [req-1] it", INFO, "nova.api.server", "[req-1] it"),
        ("2026-01-01T12:00:00.000000Z 0 [ERROR] [MY-010119] [Server] it", ERROR, "", "[MY-010119] [Server] it"),
        ("2026-01-01 12:00:00.000000+00:00 [error] <0.2.0> it", ERROR, "", "<0.2.0> it"),
        ("2026-01-01 12:00:00.000 INFO  [nio-1] [trace=a] c.e.App - it", INFO, "c.e.App", "it"),
        ("ERROR 2026-01-01 12:00:00,000 views 42 140 it", ERROR, "", "views 42 140 it"),
        ("[INFO] 2026-01-01 12:00:00 it", INFO, "", "it"),
        ("2026-01-01 12:00:00.000 +00:00 [WRN] it", WARNING, "", "it"),
        ("01-Jan-2026 12:00:00.000 WARNING [main] o.a.c.Startup.load it", WARNING, "main", "o.a.c.Startup.load it"),
        ("[01-Jan-2026 12:00:00] WARNING: [pool www] it", WARNING, "", "[pool www] it"),
        ("26/01/01 12:00:00 WARN storage.Store: it", WARNING, "storage.Store", "it"),
        ("260101 120000 148 INFO dfs.Node$Rx: it", INFO, "dfs.Node$Rx", "it"),
        ("2026-01-01 12:00:00, Error                 CSI    it failed", ERROR, "CSI", "it failed"),
        ("2026-01-01T12:00:00Z info vpxd[45715] [Originator@6876] it", INFO, "vpxd", "[Originator@6876] it"),
        ("2026-01-01 12:00:00 error: it", ERROR, "", "it"),
        ("2026-01-01 12:00:00,000:ERROR:it", ERROR, "", "it"),
        ("20260101.120000,000:ERROR:it", ERROR, "", "it"),
        ("[I 2026-01-01 12:00:00.000 ServerApp] it", INFO, "ServerApp", "it"),
        ("[E 260101 12:00:00 web:2271] it", ERROR, "web", "it"),
        ("2026-01-01 12:00:00 [W] it", WARNING, "", "it"),
    ],
)
def test_layouts(line: str, severity: Severity, logger: str, message: str) -> None:
    assert console.begins(line.encode())
    entry = console.parse(line.encode(), UTC)
    assert entry is not None
    assert (entry.time_us, entry.severity, entry.logger, entry.message) == (NOON_US, severity, logger, message)
    assert (entry.module, entry.fault) == (logger, None)


@pytest.mark.parametrize(
    ("line", "severity", "logger", "message"),
    [
        ("WARNING:root:it", WARNING, "root", "it"),
        ('INFO:     127.0.0.1:1 - "GET / HTTP/1.1" 200 OK', INFO, "", '127.0.0.1:1 - "GET / HTTP/1.1" 200 OK'),
        ("[ERROR] it", ERROR, "", "it"),
        ("12:00:00.000 [main] INFO  c.e.App - it", INFO, "c.e.App", "it"),
    ],
)
def test_layouts_without_a_time(line: str, severity: Severity, logger: str, message: str) -> None:
    assert console.begins(line.encode())
    entry = console.parse(line.encode(), UTC)
    assert entry is not None
    assert (entry.time_us, entry.severity, entry.logger, entry.message) == (None, severity, logger, message)


def test_a_time_is_of_the_given_zone() -> None:
    entry = console.parse(b"2026-01-01 20:00:00,000 - a - INFO - it", ZoneInfo("Asia/Shanghai"))
    assert entry is not None
    assert entry.time_us == NOON_US


@pytest.mark.parametrize(
    "line",
    ["", "it", "INFORMATION it", "2026-01-01 12:00:00 it", "2026-01-01 12:00:00,000 INFORMED: it", "2026-01-01",
     "2026-13-01 12:00:00,000 - a - INFO - it", "ERRORS: 5", "2026-01-01 12:00:00 Error reading it",
     "2026-01-01 12:00:00 the error was small", "ORACLE 2026-01-01 12:00:00 it"],
)  # fmt: skip
def test_another_line_is_none(line: str) -> None:
    assert console.parse(line.encode(), UTC) is None


def test_an_exception_in_the_lines_that_follow() -> None:
    entry = console.parse(
        b"2026-01-01 12:00:00,000 - a - ERROR - it failed\nTraceback (most recent call last):\n  File\n    x()\n"
        b"psycopg.errors.UniqueViolation: duplicate key\nDETAIL:  Key (id)=(1) already exists.",
        UTC,
    )
    assert entry is not None
    assert entry.fault is not None
    assert entry.fault.type == "UniqueViolation"
    assert entry.fault.text.startswith("Traceback")
    assert entry.message.startswith("it failed\nTraceback")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"something happened", True),
        (b"2026-01-01 12:00:00 something", True),
        (b"note: it happened", True),
        (b"http://a.example: it", True),
        (b"Error", True),
        (b"Warning: odd", True),
        (b"Exception: x", False),
        (b"", False),
        (b"\r", False),
        (b"  indented", False),
        (b"\tat c.e.App", False),
        (b"Traceback (most recent call last):", False),
        (b"ValueError: x", False),
        (b"KeyboardInterrupt\r", False),
        (b"psycopg.errors.UniqueViolation: x", False),
        (b"java.lang.IllegalStateException: x", False),
        (b"Caused by: java.io.IOException: full", False),
        (b"... 3 more", False),
        (b"During handling of the above exception, another exception occurred:", False),
        (b"}", False),
    ],
)
def test_where_a_plain_record_begins(line: bytes, expected: bool) -> None:
    assert plain.begins(line) is expected


@pytest.mark.parametrize(
    ("raw", "us", "severity", "message"),
    [
        (b"it happened", None, Severity.UNKNOWN, "it happened"),
        (b"2026-01-01 12:00:00 it happened", NOON_US, Severity.UNKNOWN, "it happened"),
        (b"[2026-01-01T12:00:00Z] ERROR: it", NOON_US, ERROR, "ERROR: it"),
        (b"01/Jan/2026:12:00:00 +0000 [warn] it", NOON_US, WARNING, "[warn] it"),
        (b"error: it failed", None, ERROR, "error: it failed"),
        (b"[Thu Jan 01 12:00:00.000000 2026] [core:error] [pid 1] it", NOON_US, ERROR, "[core:error] [pid 1] it"),
        (b"Error: it failed", None, ERROR, "Error: it failed"),
        (b"the error was small", None, Severity.UNKNOWN, "the error was small"),
        (b"TERROR in the INFORMATION", None, Severity.UNKNOWN, "TERROR in the INFORMATION"),
        (b"x" * 200 + b" ERROR", None, Severity.UNKNOWN, "x" * 200 + " ERROR"),
        (b"2026-01-01 12:00:00", NOON_US, Severity.UNKNOWN, "2026-01-01 12:00:00"),
        (b"\xff\0", None, Severity.UNKNOWN, "\ufffd\0"),
        (b"", None, Severity.UNKNOWN, ""),
    ],
)
def test_what_plain_text_tells(raw: bytes, us: int | None, severity: Severity, message: str) -> None:
    entry = plain.parse(raw, UTC)
    assert (entry.time_us, entry.severity, entry.message) == (us, severity, message)
