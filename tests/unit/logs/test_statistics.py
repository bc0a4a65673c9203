"""Each row of the statistics is a filter: it matches as many records as the row says."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest

from lilfox_tui.logs.filter.model import Filter
from lilfox_tui.logs.filter.syntax import parse_filter, to_text
from lilfox_tui.logs.record import EPOCH, LogRecord, load_format, split_records
from lilfox_tui.logs.statistics import (
    Statistics,
    Tally,
    errors_of_module,
    errors_of_type,
    of_slice,
    of_source,
    slower_than,
    statistics_of,
)
from tests.bench import logs_made

ODD = b'{"route": "/a", "module": "api"}\n{"route": "", "module": "api"}\n{"module": "/a"}\n'
WITHOUT_MODULE = ODD + b'{"timestamp": "2026-03-01T00:00:01", "level": "ERROR", "message": "a"}\n{"level": "FATAL"}\n'


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[LogRecord]:
    found: list[LogRecord] = []
    for source, kind, name in (("app", "json", "json_lines"), ("web", "nginx", "access")):
        file = tmp_path_factory.mktemp("made") / f"{kind}.log"
        logs_made.make(file, 6000, kind)
        found += read(source, file, name)
    return found


def read(source: str, file: Path, name: str) -> list[LogRecord]:
    format_ = load_format(name)
    found = []
    for place, raw in split_records(file.read_bytes() + (WITHOUT_MODULE if name == "json_lines" else b""), format_):
        entry = format_.parse(raw, UTC)
        assert entry is not None
        found.append(LogRecord(source=source, place=str(place), entry=entry, raw=raw, size_bytes=len(raw)))
    return found


@pytest.fixture(scope="module")
def statistics(records: list[LogRecord]) -> Statistics:
    tally = Tally()
    for record in records:
        tally.add(record.source, record.entry)
    return statistics_of(tally)


def matching(records: list[LogRecord], where: Filter) -> int:
    again = parse_filter(to_text(where), now=EPOCH, zone=UTC)
    assert again == where, "a row's filter can be written into the filter line"
    return sum(where.matches(record) for record in records)


def test_errors_by_type_and_module(records: list[LogRecord], statistics: Statistics) -> None:
    assert {"Unknown", "TimeoutError"} <= set(statistics.errors_by_type)
    assert {"unknown", "orders", "/health"} <= set(statistics.errors_by_module)
    by_type = {name: matching(records, errors_of_type(name)) for name in statistics.errors_by_type}
    by_module = {name: matching(records, errors_of_module(name)) for name in statistics.errors_by_module}
    assert (by_type, by_module) == (statistics.errors_by_type, statistics.errors_by_module)
    assert sum(by_type.values()) == sum(by_module.values()) == statistics.errors


def test_sources_routes_and_slices(records: list[LogRecord], statistics: Statistics) -> None:
    assert [matching(records, of_source(row.name)) for row in statistics.by_source] == [
        row.records for row in statistics.by_source
    ]
    assert {"/a", "api", "", "orders"} <= {row.name for row in statistics.by_route}
    assert [matching(records, of_slice(row)) for row in statistics.by_slice] == [
        row.records for row in statistics.by_slice
    ]
    assert sum(row.records for row in statistics.by_slice) + statistics.timeless == statistics.records == len(records)
    assert statistics.timeless == 4


def test_slower_than_a_percentile(records: list[LogRecord], statistics: Statistics) -> None:
    taken = statistics.response_times
    assert taken is not None
    for limit, most in ((taken.p50_s, 0.5), (taken.p95_s, 0.05), (taken.p99_s, 0.01)):
        assert 0 < matching(records, slower_than(limit)) <= most * taken.count
