"""Counts by fields: of each value, of lists, of what has none, of slices of time; joined in any order."""

from __future__ import annotations

import math
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.logs import field_statistics
from lilfox_tui.logs.field_statistics import OTHERS, FieldQuestion, FieldTally, number_of
from lilfox_tui.logs.record import LogEntry, LogRecord, Severity, load_format

MINUTE_US = 60_000_000


def record(time_us: int | None = 0, severity: Severity = Severity.INFO, **fields: Any) -> LogRecord:
    entry = LogEntry(message="", time_us=time_us, severity=severity, fields=fields)
    return LogRecord(source="app", place="", entry=entry, raw=b"", size_bytes=0)


def counted(question: FieldQuestion, *records: LogRecord) -> dict[Any, tuple[int, int]]:
    tally = FieldTally(question)
    for each in records:
        tally.add(each)
    assert tally.records == len(records)
    return {(group.since_us, *group.values): (group.records, group.errors) for group in tally.groups()}


def test_records_are_counted_by_every_value_of_their_fields() -> None:
    found = counted(
        FieldQuestion(("path", "status")),
        record(path="/a", status=200),
        record(path="/a", status="200"),
        record(path=["/a", "/b", "/a"], status=500, severity=Severity.ERROR),
        record(status=None),
    )
    assert found == {
        (None, "/a", "200"): (2, 0),
        (None, "/a", "500"): (1, 1),
        (None, "/b", "500"): (1, 1),
        (None, "", ""): (1, 0),
    }


def test_slices_begin_at_multiples_of_their_width_and_stand_in_their_order() -> None:
    question = FieldQuestion(("host",), over_us=5 * MINUTE_US)
    times = [11 * MINUTE_US, 4 * MINUTE_US, 5 * MINUTE_US, None, -1]
    found = counted(question, *(record(time_us, host="a") for time_us in times))
    assert list(found) == [(-5 * MINUTE_US, "a"), (0, "a"), (5 * MINUTE_US, "a"), (10 * MINUTE_US, "a"), (None, "a")]


def test_more_groups_than_are_told_apart_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field_statistics, "GROUPS_MOST", 3)
    found = counted(FieldQuestion(("user",)), *(record(user=f"u{number % 5}") for number in range(10)))
    assert found == {(None, "u0"): (2, 0), (None, "u1"): (2, 0), (None, "u2"): (2, 0), (None, OTHERS): (4, 0)}


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (12, 12.0), (1.5, 1.5), ("12", 12.0), (" 1e3 ", 1000.0), ("250ms", 0.25), ([None, "x", 3], 3.0),
        (True, None), ("", None), ("12 apples", None), (math.inf, None), (math.nan, None), (10**400, None), ({}, None),
    ],
)  # fmt: skip
def test_a_number_in_a_field(value: object, number: float | None) -> None:
    assert number_of(record(took=value), "took") == number


def test_the_response_time_is_in_seconds_whatever_the_log_has() -> None:
    entry = load_format("json_lines").parse(b'{"message": "x", "duration_ms": 1200}', UTC)
    assert entry is not None
    made = LogRecord(source="app", place="", entry=entry, raw=b"", size_bytes=0)
    assert number_of(made, "response_time") == 1.2


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1e6), st.integers(0, 600)), max_size=60), st.integers(1, 4)
)
def test_parts_joined_in_any_order_are_the_whole(rows: list[tuple[str, float, int]], parts: int) -> None:
    question = FieldQuestion(("host",), "took", 5 * MINUTE_US)
    records = [record(second * 1_000_000, host=host, took=took) for host, took, second in rows]
    whole, joined = FieldTally(question), FieldTally(question)
    for each in records:
        whole.add(each)
    for part in reversed(range(parts)):
        one = FieldTally(question)
        for each in records[part::parts]:
            one.add(each)
        joined.join(one)
    assert list(joined.groups()) == list(whole.groups())
    for group in whole.groups():
        took = sorted(
            t
            for host, t, second in rows
            if (host, second // 300 * 300 * 1_000_000) == (group.values[0], group.since_us)
        )
        assert group.numbers is not None
        assert (group.records, group.numbers.least, group.numbers.greatest) == (len(took), took[0], took[-1])
        assert group.numbers.p95 == took[math.ceil(0.95 * len(took)) - 1]
        assert group.numbers.mean == pytest.approx(math.fsum(took) / len(took))
