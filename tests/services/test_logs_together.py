"""What the demo, nginx and PostgreSQL really write, and a packed file of last week, as one list by time."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.demo.stack import Stack
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.filter.syntax import parse_filter
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import LogRecord, Severity, microseconds
from lilfox_tui.logs.source import AtBeginning, LogSource, open_log
from lilfox_tui.logs.sources.file import Options
from lilfox_tui.runbook.run.gate import let_argv_through
from tests.services.nginx import Nginx
from tests.services.postgres import Postgres
from tests.waiting import until

LAST_WEEK = datetime.now(UTC) - timedelta(days=7)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("old") / "batch.log.gz"
    lines = [
        json.dumps(
            {"timestamp": (LAST_WEEK + timedelta(seconds=at)).isoformat(), "level": "INFO", "message": f"old {at}"}
        )
        for at in range(500)
    ]
    file.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    return file


@pytest.fixture
async def sources(tmp_path: Path, packed: Path) -> AsyncIterator[list[LogSource]]:
    """Open sources over logs that real programs have just written."""
    here = LocalHost("here", HostConfig(local=True))
    async with AsyncExitStack() as running:
        stack = await running.enter_async_context(Stack(port_base=0, rate=40))
        await stack.fault("backend", "errors")
        nginx = running.enter_context(await asyncio.to_thread(Nginx, tmp_path / "nginx"))
        postgres = running.enter_context(await asyncio.to_thread(Postgres))
        for path in ("/", "/broken", "/files/x"):
            await asyncio.to_thread(nginx.get, path)
        await asyncio.to_thread(postgres.query, "select *\nfrom nowhere")
        await until(lambda: b'"ERROR"' in stack.logs["backend"].read_bytes(), what="errors in the backend's log")
        await stack.fault("backend", "none")
        paths = {**stack.logs, "access": nginx.access_log, "error": nginx.error_log}
        paths |= {"postgres": postgres.log, "batch": packed}
        opened = [
            open_log(Config(), name, Options(path=str(path), zone="UTC"), lambda _: here, let_argv_through)
            for name, path in paths.items()
        ]
        try:
            yield opened
        finally:
            for source in opened:
                await source.close()
            await here.close()


async def read(sources: list[LogSource], where: Filter) -> list[LogRecord]:
    async with MergedLogs(sources, where, at_most=100_000) as merged:
        await merged.go(AtBeginning())
        while not merged.at_newest:
            await merged.newer(1000)
        assert not merged.troubles
        return [row.item for row in merged.shown if isinstance(row.item, LogRecord)]


async def test_every_source_is_in_one_list_by_time(sources: list[LogSource]) -> None:
    records = await read(sources, EVERYTHING)
    assert {record.source for record in records} == {source.name for source in sources}
    times = [record.entry.time_us for record in records]
    assert all(time is not None for time in times)
    assert times == sorted(times, key=lambda time: time or 0)
    assert sum(record.source == "batch" for record in records) == 500
    week = microseconds(datetime.now(UTC) - timedelta(days=1))
    assert all((record.source == "batch") == ((record.entry.time_us or 0) < week) for record in records)


async def test_one_filter_finds_what_is_wrong_in_each_of_them(sources: list[LogSource]) -> None:
    errors = await read(sources, parse_filter("level>=error", now=datetime.now(UTC), zone=UTC))
    assert {"backend", "access", "error", "postgres"} <= {record.source for record in errors}
    assert all(record.entry.severity >= Severity.ERROR for record in errors)
    of = {record.source: record for record in errors}
    assert of["access"].entry.fields["status"] == 503
    assert b"from nowhere" in of["postgres"].raw
    assert of["backend"].entry.fault is not None
    assert of["backend"].entry.fault.type == "ConnectionError"


async def test_a_request_is_followed_from_gateway_to_backend_to_model(sources: list[LogSource]) -> None:
    done = await read(sources, parse_filter('source=gateway "200"', now=datetime.now(UTC), zone=UTC))
    request_id = str(done[0].entry.fields["request_id"])
    followed = await read(sources, parse_filter(f"request_id={request_id}", now=datetime.now(UTC), zone=UTC))
    assert sorted(record.source for record in followed) == ["backend", "gateway", "model"]
    assert {record.entry.fields["request_id"] for record in followed} == {request_id}
