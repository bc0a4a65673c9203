"""Load balancers, proxies and application servers tell of requests in the fields of access logs."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lilfox_tui.logs.formats import elb, envoy, haproxy, rails, squid, uwsgi, w3c
from lilfox_tui.logs.record import LogEntry, Severity, load_format, microseconds, split_records
from tests.unit.logs.formats.examples import EXAMPLES

NOON_US = microseconds(datetime(2026, 1, 1, 12, 34, 56, tzinfo=UTC))


def entries(kind: str) -> list[LogEntry]:
    found = [load_format(kind).parse(raw, UTC) for raw in EXAMPLES[kind]]
    assert None not in found
    return [entry for entry in found if entry is not None]


@pytest.mark.parametrize(
    ("kind", "at", "route", "status", "size", "client", "seconds"),
    [
        ("squid", 0, "/items/{id}", 200, 10182, "203.0.113.9", 0.045),
        ("elb", 0, "/items/{id}", 200, 366, "192.168.131.39", 0.001),
        ("elb", 1, "/a", 502, 167, "192.168.131.39", None),
        ("elb", 2, "/none", 404, 29, "192.168.131.39", 0.001178),
        ("haproxy", 0, "/items/{id}", 200, 2750, "10.0.1.2", 0.109),
        ("haproxy", 2, "/x", 503, 739, "117.136.40.129", 5.0),
        ("envoy", 0, "/api/v1/locations/{id}", 204, 0, "10.0.35.28", 0.226),
        ("envoy", 1, "/status/{id}", 418, 135, "10.44.1.23", 0.003),
        ("envoy", 2, "/a", 503, 91, "-", 3.012),
        ("uwsgi", 0, "/items/{id}", 200, 47, "127.0.0.1", 0.129),
        ("uwsgi", 1, "/a", 504, 0, "::1", 0.000068),
        ("w3c", 1, "/items/{id}", 200, None, "203.0.113.9", 0.125),
        ("w3c", 2, "/api/orders", 500, None, "203.0.113.9", 0.031),
    ],
)
def test_a_request_has_the_fields_of_the_access_format(
    kind: str, at: int, route: str, status: int, size: int | None, client: str, seconds: float | None
) -> None:
    entry = entries(kind)[at]
    fields = entry.fields
    assert (entry.module, fields["status"], fields.get("bytes"), fields["client"], entry.response_time_s) == (
        route, status, size, client, seconds,
    )  # fmt: skip
    assert fields.get("request_time") == seconds
    assert entry.severity is (Severity.ERROR if status >= 500 else Severity.WARNING if status >= 400 else Severity.INFO)
    assert entry.time_us is not None


@pytest.mark.parametrize(("kind", "at"), [("squid", 0), ("elb", 0), ("uwsgi", 0), ("w3c", 1), ("rails", 0)])
def test_the_time_is_that_of_the_request(kind: str, at: int) -> None:
    time_us = entries(kind)[at].time_us
    assert time_us is not None
    assert time_us // 1_000_000 == NOON_US // 1_000_000


def test_further_fields_of_balancers() -> None:
    first, second, *_ = entries("elb")
    assert first.fields["actions_executed"] == "forward"
    assert first.fields["target"] == "10.0.0.1:80"
    assert second.fields["error_reason"] == "TargetConnectionError"
    assert second.fields["domain_name"] == "api.example.com"
    last = entries("elb")[3]  # of TCP
    assert (last.fields["status"], last.severity, last.time_us is None) == (None, Severity.UNKNOWN, False)


def test_what_haproxy_says_besides_requests() -> None:
    http, tcp, refused, handshake, started, down = entries("haproxy")
    assert http.time_us == microseconds(datetime(2026, 2, 6, 12, 14, 14, 655_000, tzinfo=UTC))
    assert (http.fields["backend"], http.fields["server"], http.fields["captured"]) == ("static", "srv1", "{1wt.eu} {}")
    assert (tcp.module, tcp.fields["bytes"], tcp.response_time_s) == ("bck", 212, 5.007)
    assert refused.fields["termination"] == "SC--"
    assert (handshake.severity, handshake.module) == (Severity.WARNING, "frontend")
    assert started.message == "Proxy prod_http_in started."
    assert (down.severity, down.time_us) == (
        Severity.WARNING,
        microseconds(datetime(2026, 2, 25, 15, 19, 38, tzinfo=UTC)),
    )


def test_what_envoy_says_of_itself() -> None:
    warning, critical = entries("envoy")[3:]
    assert (warning.severity, warning.logger) == (Severity.WARNING, "config")
    assert warning.message.startswith("StreamAggregatedResources gRPC")
    assert (critical.severity, critical.message) == (Severity.CRITICAL, "std::bad_alloc")


def test_rails_requests() -> None:
    started, failed, lograge, completed = entries("rails")
    assert (started.module, started.fields["client"]) == ("/items/{id}", "203.0.113.9")
    assert started.fields["tags"] == "[8a5c1d2e-3a5c-4b61-9d3b-0c1d2e3f4a5b]"
    assert (failed.fields["status"], failed.severity, failed.response_time_s) == (500, Severity.ERROR, 0.125)
    assert (lograge.module, lograge.fields["status"], lograge.response_time_s) == ("/orders", 422, 0.05833)
    assert lograge.fields["controller"] == "OrdersController"
    assert (completed.severity, completed.response_time_s) == (Severity.INFO, 0.007)


HEAD = b"#Software: Microsoft Internet Information Services 10.0\n#Version: 1.0\n#Date: 2026-01-01 12:00:00\n"
FIRST = b"#Fields: date time c-ip cs-method cs-uri-stem sc-status time-taken\n"
SECOND = b"#Fields: date time cs-method cs-uri-stem sc-status c-ip sc-bytes time-taken\n"


def test_fields_decides_the_columns_also_further_down() -> None:
    block = (
        HEAD + FIRST + b"2026-01-01 12:34:56 203.0.113.9 GET /a 404 12\n"
        + SECOND + b"2026-01-01 12:34:57 POST /b 503 ::1 77 1500\n"
    )  # fmt: skip
    log = load_format("w3c", block)
    found = [log.parse(raw, ZoneInfo("Asia/Shanghai")) for _, raw in split_records(block, log)]
    assert len(found) == 7
    first, second = found[4], found[6]
    assert first is not None
    assert second is not None
    assert (first.message, first.time_us, first.response_time_s) == ("GET /a 404", NOON_US, 0.012)
    assert (second.message, second.fields["bytes"], second.response_time_s) == ("POST /b 503", 77, 1.5)


def test_columns_that_are_named_after_the_beginning_are_learnt() -> None:
    log = load_format("w3c", HEAD + FIRST)
    row = b"2026-01-01 12:34:57 POST /b 503 ::1 77 1500"
    assert log.parse(row, UTC) is None
    assert log.parse(SECOND, UTC) is not None
    entry = log.parse(row, UTC)
    assert entry is not None
    assert entry.fields["client"] == "::1"
    assert load_format("w3c", HEAD + FIRST).parse(row, UTC) is None  # of another log


def test_w3c_with_quotes_tabs_and_local_times() -> None:
    head = b"#Fields: date-local\ttime-local\tcs-uri\tsc-status\tcs(User-Agent)\ttime-taken\n"
    entry = load_format("w3c", head).parse(
        b'2026-01-01\t20:34:56\t/a\t200\t"Mozilla/5.0 ""x"" (X11)"\t0.125', ZoneInfo("Asia/Shanghai")
    )
    assert entry is not None
    assert (entry.time_us, entry.fields["agent"], entry.response_time_s) == (NOON_US, 'Mozilla/5.0 "x" (X11)', 0.125)


@pytest.mark.parametrize("format_", [elb, envoy, haproxy, rails, squid, uwsgi, w3c])
def test_another_line_is_none_of_theirs(format_: object) -> None:
    for raw in (b"", b"2026-01-01 12:00:00 INFO it works", b'{"a":1}', b"Jan  1 12:00:00 web-1 sshd[1]: x"):
        assert format_.parse(raw, UTC) is None  # type: ignore[attr-defined]


def test_the_day_is_that_of_the_header_where_no_column_tells_it() -> None:
    head = b"#Version: 1.0\n#Date: 2026-01-01 12:00:00\n#Fields: time c-ip cs-method cs-uri-stem sc-status\n"
    log = load_format("w3c", head)
    entry = log.parse(b"12:34:56 ::1 [2]USER anonymous 331", UTC)
    assert entry is not None
    assert (entry.time_us, entry.fields["status"]) == (NOON_US, 331)
    later = log.parse(b"#Date: 2026-01-02 00:00:00", UTC)
    assert later is not None
    entry = log.parse(b"12:34:56 ::1 [2]QUIT - 226", UTC)
    assert entry is not None
    assert entry.time_us == NOON_US + 86_400_000_000


def test_an_empty_value_in_quotes_fits() -> None:
    head = b"#Fields: date time c-ip cs-uri sc-status time-taken\n"
    entry = load_format("w3c", head).parse(b'"2026-01-01" "12:34:56" "::1" "/a" "" ""', UTC)
    assert entry is not None
    assert (entry.time_us, entry.fields["path"], "status" in entry.fields) == (NOON_US, "/a", False)
