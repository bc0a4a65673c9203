"""OpenTelemetry's OTLP in JSON, one export request a line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lilfox_tui.logs.formats import otlp
from lilfox_tui.logs.record import LogEntry, Severity, microseconds, recognise
from tests.unit.logs.formats.examples import EXAMPLES

NOON_US = microseconds(datetime(2026, 1, 1, 12, 34, 56, 789_000, tzinfo=UTC))


def entry(raw: bytes) -> LogEntry:
    found = otlp.parse(raw, UTC)
    assert found is not None
    return found


def test_a_record_with_its_resource_scope_and_attributes() -> None:
    found = entry(EXAMPLES["otlp"][0])
    assert (found.message, found.severity, found.time_us) == ("order 12 accepted", Severity.INFO, NOON_US)
    assert found.logger == "shop.orders"
    assert found.fields == {
        "service.name": "shop", "host.name": "web-1", "scope": "shop.orders", "order": 12, "paid": True,
        "trace_id": "5b8efff798038103d269b633813fc60c", "span_id": "eee19b7ec3c1b174",
    }  # fmt: skip


def test_an_exception_of_the_semantic_conventions() -> None:
    found = entry(EXAMPLES["otlp"][1])
    assert found.severity is Severity.ERROR
    assert found.fault is not None
    assert found.fault.type == "ConnectionError"
    assert found.fault.text.startswith("timed out\nTraceback (most recent call last):\n")


def test_a_request_of_several_records_is_one_with_the_worst_severity_and_what_they_share() -> None:
    found = entry(EXAMPLES["otlp"][2])
    assert found.message == "queue is long\nqueue is full"
    assert (found.severity, found.time_us) == (Severity.CRITICAL, NOON_US + 2_000_000)
    assert found.fields == {"service.name": "shop", "host.name": "web-1", "scope": "shop.orders"}


def test_a_body_that_is_no_text_is_shown_as_it_is_written() -> None:
    found = entry(EXAMPLES["otlp"][3])
    assert found.message == EXAMPLES["otlp"][3].decode()
    assert (found.severity, found.logger, found.time_us) == (Severity.UNKNOWN, "shop", NOON_US + 3_000_000)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"resourceLogs":[]}', b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[]}]}]}', b'{"resourceLogs":{}}',
        b'{"resourceLogs":[1,{"scopeLogs":3},{"scopeLogs":[{"logRecords":[null]}]}]}', b'{"message":"x"}',
        b'{"resourceSpans":[]}', b"",
    ],
)  # fmt: skip
def test_what_holds_no_record_is_none(raw: bytes) -> None:
    assert otlp.parse(raw, UTC) is None


def test_odd_values_are_read_as_far_as_they_go() -> None:
    raw = (
        b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"x","severityNumber":"9","body":{"stringValue":"a"},'
        b'"attributes":[{"key":1},{"key":"n","value":{"intValue":"9e9"}},{"key":"l","value":{"arrayValue":{"values":'
        b'[{"intValue":"1"},{"stringValue":"b"}]}}}]}]}]}]}'
    )
    found = entry(raw)
    assert (found.message, found.severity, found.time_us) == ("a", Severity.UNKNOWN, None)
    assert found.fields == {"n": "9e9", "l": [1, "b"]}


def test_it_is_recognised() -> None:
    assert recognise(b"\n".join(EXAMPLES["otlp"]) + b"\n") == "otlp"
