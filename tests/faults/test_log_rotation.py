"""Following a log while it is written and rotated: no line is lost, none comes twice."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.record import Record
from lilfox_tui.logs.source import End, LogSource, Notice, Setting, Start
from lilfox_tui.logs.sources.file import Options, open_source
from tests.waiting import until

NUMBER = re.compile(rb"n=(\d+)$")


class Heard:
    """What following has brought so far."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.places: set[str] = set()
        self.notices: list[str] = []
        self.batches: list[int] = []

    async def listen(self, source: LogSource, start: Start) -> None:
        async with aclosing(source.follow(start, EVERYTHING)) as batches:
            async for batch in batches:
                self.batches.append(len(batch))
                for one in batch:
                    if isinstance(one, Notice):
                        self.notices.append(str(one.text))
                    else:
                        self.hear(one)

    def hear(self, record: Record) -> None:
        found = NUMBER.search(record.raw)
        assert found is not None, record.raw
        assert record.raw.count(b"\n") == 0
        self.numbers.append(int(found[1]))
        self.places.add(record.place)


def local_source(path: Path | str, *, rotated: bool = True) -> LogSource:
    setting = Setting(LocalHost("here", HostConfig(local=True)), UTC)
    return open_source("app", Options(path=str(path), rotated=rotated), setting)


@asynccontextmanager
async def listening(source: LogSource, start: Start) -> AsyncIterator[Heard]:
    heard = Heard()
    task = asyncio.create_task(heard.listen(source, start))
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])
        await source.close()
    if not task.cancelled():
        task.result()


async def write(path: Path, kind: str, lines: int, per_s: int, every: int) -> None:
    words = (str(path), kind, *map(str, (lines, per_s, every)))
    writer = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.faults.log_writer", *words)
    assert await writer.wait() == 0


@pytest.mark.parametrize("kind", ["rename", "copytruncate", "date", "none"])
async def test_ten_thousand_lines_a_second_through_rotations(tmp_path: Path, kind: str) -> None:
    path = tmp_path / ("app-2026-11-01.log" if kind == "date" else "app.log")
    path.touch()
    lines = 25_000
    source = local_source(tmp_path / "app-*.log" if kind == "date" else path)
    async with listening(source, End()) as heard:
        await until(lambda: source.status.value is not None)
        await write(path, kind, lines, 10_000, 4_000)
        await until(lambda: len(heard.numbers) >= lines, what=f"{len(heard.numbers)} of {lines} {heard.notices}")
        assert sorted(heard.numbers) == list(range(lines))
        assert len(heard.places) == lines
        assert max(heard.batches) <= 500
        assert len(heard.notices) == (6 if kind == "copytruncate" else 0)
