from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lilfox_tui.logs.formats import access
from lilfox_tui.logs.record import LogEntry, Severity, microseconds
from lilfox_tui.logs.requests import route_of

COMMON = b'203.0.113.9 - fox [01/Jan/2026:20:00:00 +0800] "GET /api/users/42?page=2 HTTP/1.1" %d 157'
COMBINED = COMMON % 200 + b' "https://a.example/" "curl/8.5 (x; \\"y\\")"'


def read(raw: bytes) -> LogEntry:
    entry = access.parse(raw, UTC)
    assert entry is not None
    return entry


def test_a_request() -> None:
    entry = read(COMBINED + b" 0.125")
    assert entry.time_us == microseconds(datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert entry.message == "GET /api/users/42?page=2 HTTP/1.1 200"
    assert (entry.module, entry.response_time_s, entry.fault) == ("/api/users/{id}", 0.125, None)
    assert entry.fields == {
        "client": "203.0.113.9",
        "user": "fox",
        "method": "GET",
        "path": "/api/users/42?page=2",
        "protocol": "HTTP/1.1",
        "status": 200,
        "bytes": 157,
        "referer": "https://a.example/",
        "agent": 'curl/8.5 (x; \\"y\\")',
        "request_time": 0.125,
    }


@pytest.mark.parametrize(
    ("status", "severity"),
    [
        *((status, Severity.INFO) for status in (101, 200, 304)),
        *((status, Severity.WARNING) for status in (400, 404, 499)),
        *((status, Severity.ERROR) for status in (500, 503, 999)),
    ],
)
def test_the_status_tells_how_grave_it_is(status: int, severity: Severity) -> None:
    raw = COMMON % status
    assert read(raw).severity is severity
    assert [of for of, words in access.LEVEL_WORDS.items() if any(word in raw for word in words)] == [severity]


@pytest.mark.parametrize(
    ("rest", "seconds"),
    [
        (b"", None),
        (b" 0.125", 0.125),
        (b' "-" 0.125 0.120 .', 0.125),
        (b' "0.125"', 0.125),
        (b" rt=0.125 uct=0.001", 0.125),
        (b' uct="0.001" request_time="0.125"', 0.125),
        (b" rt=2", 2.0),
        (b" 125000", None),  # milliseconds or microseconds, nobody knows
        (b' "203.0.113.7"', None),
        (b" HTTP/1.1", None),
    ],
)
def test_how_long_it_took(rest: bytes, seconds: float | None) -> None:
    assert read(COMBINED + rest).response_time_s == seconds
    assert read(COMMON % 200 + rest).response_time_s == seconds


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/", "/"),
        ("/api/users/42", "/api/users/{id}"),
        ("/api/users/42/posts/7?x=1#y", "/api/users/{id}/posts/{id}"),
        ("/a/3f2504e0-4f89-11d3-9a0c-0305e82c3301/b", "/a/{id}/b"),
        ("/a/507f1f77bcf86cd799439011", "/a/{id}"),
        ("/v1/facade/deadbeefdeadbeefdeadbeef", "/v1/facade/deadbeefdeadbeefdeadbeef"),
        ("/v2", "/v2"),
        ("", ""),
    ],
)
def test_a_route(path: str, route: str) -> None:
    assert route_of(path) == route


def test_a_request_that_is_none() -> None:
    for request in (b"-", b"\\x16\\x03\\x01", b""):
        entry = read(b'::1 - - [01/Jan/2026:12:00:00 +0000] "' + request + b'" 400 0')
        assert (entry.module, entry.fields["method"], entry.severity) == ("", "", Severity.WARNING)


def test_a_host_in_front() -> None:
    entry = read(b'a.example:443 ::1 - fox [01/Jan/2026:12:00:00 +0000] "GET / HTTP/2.0" 200 - "-" "-"')
    assert (entry.fields["client"], entry.fields["user"], entry.fields["bytes"]) == ("::1", "fox", None)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"-",
        COMMON % 200 + b"x",
        b'{"a":1}',
        b'::1 - - [01/Jan/2026:12:00:00 +0000] "GET / HTTP/1.1" 000 0',
    ],
)
def test_another_line_is_none(raw: bytes) -> None:
    assert access.parse(raw, UTC) is None
