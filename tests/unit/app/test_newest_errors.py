"""Errors of logs as the home screen shows them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

from lilfox_tui.app.evidence import LoggedError, each_once, error_row
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.metrics.errors import ErrorRuns, NewestErrors
from lilfox_tui.app.panes.metrics.state import MetricsState
from lilfox_tui.app.rendering.draw import UNICODE
from lilfox_tui.logs.record import LogEntry, LoggedException, LogRecord, Severity, microseconds

NOW = datetime(2026, 3, 29, 3, 12, 44, tzinfo=UTC)


def error(after_s: float, message: str, source: str = "api", fault: LoggedException | None = None) -> LogRecord:
    at = microseconds(NOW + timedelta(seconds=after_s))
    entry = LogEntry(time_us=at, severity=Severity.ERROR, message=message, fault=fault)
    return LogRecord(source=source, place=str(after_s), raw=message.encode(), size_bytes=len(message), entry=entry)


def grouped(*windows: list[LogRecord]) -> tuple[LoggedError, ...]:
    runs = ErrorRuns()
    for window in windows:
        runs.take(window)
    return runs.found()


def test_the_newest_is_first_and_the_same_in_a_row_is_counted() -> None:
    found = grouped([error(0, "a"), error(1, "b"), error(2, "b\nat line 7"), error(3, "b"), error(4, "b", "web")])
    assert [(each.source, each.text, each.times) for each in found] == [
        ("web", "b", 1),
        ("api", "b", 3),
        ("api", "a", 1),
    ]
    assert found[1].at == NOW + timedelta(seconds=3)


def test_what_has_left_the_window_stays_counted() -> None:
    records = [error(each, "b") for each in range(40)]
    [run] = grouped(*(records[at : at + 10] for at in range(31)))
    assert (run.times, run.at, run.at_least) == (40, NOW + timedelta(seconds=39), False)


def test_one_that_comes_late_stands_at_its_time() -> None:
    late = error(1, "a", "web")
    first = [error(0, "b"), error(2, "c")]
    assert [each.text for each in grouped(first, [first[0], late, first[1]])] == ["c", "a", "b"]


def test_a_count_that_is_too_low_says_so() -> None:
    runs = ErrorRuns()
    runs.take([error(0, "a"), error(1, "b")], cut=True)
    runs.take([error(2, "b")], came=1)
    assert [(each.times, each.at_least) for each in runs.found()] == [(2, False), (1, True)]
    runs.take([error(9, "b")], came=7)
    assert [(each.times, each.at_least) for each in runs.found()] == [(3, True), (1, True)]
    said = ["".join(piece.text for piece in error_row(each, NOW, UNICODE)) for each in runs.found()]
    assert said == [" 03:12:53 ✖ api  ≥3  b", " 03:12:44 ✖ api  ≥1  a"]


def test_the_cause_is_told() -> None:
    fault = LoggedException(type="ConnectionError", text="ConnectionError: connection to the database refused: db-1")
    [run] = grouped([error(0, "request failed", fault=fault)])
    assert run.text == "request failed  ConnectionError: connection to the database refused: db-1"


def test_without_a_time_an_error_has_no_place() -> None:
    record = error(0, "a")
    entry = LogEntry(severity=Severity.ERROR, message="x")
    timeless = LogRecord(source="api", place="1", raw=b"x", size_bytes=1, entry=entry)
    assert [each.text for each in grouped([record, timeless])] == ["a"]


def test_of_errors_that_went_on_the_first_is_known_of_before() -> None:
    [run] = grouped([error(0, "a"), error(1, "a"), error(9, "a")])
    at = [NOW + timedelta(seconds=seconds) for seconds in (-1, 0, 5, 9)]
    known = [run.until(each) for each in at]
    first = LoggedError(NOW, "api", "a", at_least=True)
    assert known == [None, first, first, run]


def test_errors_of_two_logs_that_alternate_are_two_rows() -> None:
    found = grouped([error(each, "refused", ("gateway", "backend")[each % 2]) for each in range(9)])
    assert len(found) == 9
    assert [(each.source, each.times, each.at, each.first) for each in each_once(found)] == [
        ("gateway", 5, NOW + timedelta(seconds=8), NOW),
        ("backend", 4, NOW + timedelta(seconds=7), NOW + timedelta(seconds=1)),
    ]
    counted_in_part = [LoggedError(NOW, "api", "a", 3), LoggedError(NOW, "api", "a", 2, at_least=True)]
    assert [(each.times, each.at_least) for each in each_once(counted_in_part)] == [(5, True)]


class _Logs:
    """The context of a pane, of which only what these errors ask for."""

    def __init__(self) -> None:
        self.app = SimpleNamespace(
            rewound=None, leaving=True, config=SimpleNamespace(hosts={"web-1": object(), "web-2": object()})
        )

    def after(self, _seconds: float, _start: Callable[[], None]) -> None:
        """Nothing is followed here."""


def test_errors_about_services_and_hosts_are_those_of_their_logs() -> None:
    context = _Logs()
    newest = NewestErrors(cast("PaneContext[MetricsState]", context))
    newest.found = (
        LoggedError(NOW, "gateway", "refused", 3),
        LoggedError(NOW, "web-1.nginx", "bad gateway"),
        LoggedError(NOW, "backend", "timeout"),
        LoggedError(NOW - timedelta(seconds=9), "gateway", "refused", 4),
    )
    newest._logs_on = {"web-1": ["web-1.nginx"], "web-2": []}.__getitem__
    assert [(each.text, each.times) for each in newest.about(["gateway"])] == [("refused", 7)], "counted as one"
    assert newest.about(["gateway"]) is newest.about(["gateway"]), "made once"
    assert [each.source for each in newest.about(["backend", "web-1"])] == ["web-1.nginx", "backend"]
    assert newest.about(["web-2"]) == []
    assert len(newest.about(())) == 3, "all, where it is not known what it is about"
    context.app.rewound = NOW
    assert newest.about(["gateway"]) == ()
