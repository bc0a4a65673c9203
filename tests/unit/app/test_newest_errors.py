"""Errors of logs as the home screen shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from lilfox_tui.app.panes.metrics.errors import grouped
from lilfox_tui.logs.record import LogEntry, LogRecord, Severity, microseconds

NOW = datetime(2026, 3, 29, 3, 12, 44, tzinfo=UTC)


def error(after_s: float, message: str, source: str = "api") -> LogRecord:
    at = microseconds(NOW + timedelta(seconds=after_s))
    entry = LogEntry(time_us=at, severity=Severity.ERROR, message=message)
    return LogRecord(source=source, place=str(after_s), raw=message.encode(), size_bytes=len(message), entry=entry)


def test_the_newest_is_first_and_the_same_in_a_row_is_counted() -> None:
    found = grouped([error(0, "a"), error(1, "b"), error(2, "b\nat line 7"), error(3, "b"), error(4, "b", "web")])
    assert [(each.source, each.text, each.times) for each in found] == [
        ("web", "b", 1),
        ("api", "b", 3),
        ("api", "a", 1),
    ]
    assert found[1].at == NOW + timedelta(seconds=3)


def test_without_a_time_an_error_has_no_place() -> None:
    record = error(0, "a")
    entry = LogEntry(severity=Severity.ERROR, message="x")
    timeless = LogRecord(source="api", place="1", raw=b"x", size_bytes=1, entry=entry)
    assert [each.text for each in grouped([record, timeless])] == ["a"]
