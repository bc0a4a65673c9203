"""Following a log while it is written and rotated: no line is lost, none comes twice."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.hosts.open import open_host
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtEnd, LogSource, SourceNotice, SourceSettings, Start
from lilfox_tui.logs.sources.file import Options, open_source
from tests.faults.relay import Relay
from tests.services.sshd import SshdLab, busybox_only, sshd_lab
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
                    if isinstance(one, SourceNotice):
                        self.notices.append(str(one.text))
                    else:
                        self.hear(one)

    def hear(self, record: LogRecord) -> None:
        found = NUMBER.search(record.raw)
        assert found is not None, record.raw
        assert record.raw.count(b"\n") == 0
        self.numbers.append(int(found[1]))
        self.places.add(record.place)


def local_source(path: Path | str, *, rotated: bool = True) -> LogSource:
    setting = SourceSettings(LocalHost("here", HostConfig(local=True)), UTC)
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
    async with listening(source, AtEnd()) as heard:
        await until(lambda: source.status.value is not None)
        await write(path, kind, lines, 10_000, 4_000)
        await until(lambda: len(heard.numbers) >= lines, what=f"{len(heard.numbers)} of {lines} {heard.notices}")
        assert sorted(heard.numbers) == list(range(lines))
        assert len(heard.places) == lines
        assert max(heard.batches) <= 500
        assert len(heard.notices) == (6 if kind == "copytruncate" else 0)


@pytest.mark.parametrize("kind", ["rename", "copytruncate"])
async def test_parallel_logs_that_are_rotated_lose_and_double_nothing(tmp_path: Path, kind: str) -> None:
    paths = [tmp_path / f"svc{number}.log" for number in range(3)]
    for path in paths[:2]:
        path.touch()
    lines = 12_000
    source = local_source(tmp_path / "svc*.log")
    async with listening(source, AtEnd()) as heard:
        await until(lambda: source.status.value is not None)
        await asyncio.gather(*(write(path, kind, lines, 4_000, 5_000) for path in paths))
        await until(lambda: len(heard.numbers) >= 3 * lines, what=f"{len(heard.numbers)} of {3 * lines}")
        assert sorted(heard.numbers) == sorted([*range(lines)] * 3)
        assert len(heard.places) == 3 * lines
        assert max(heard.batches) <= 500
        assert len(heard.notices) == (6 if kind == "copytruncate" else 0)


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


@pytest.mark.parametrize("programs", ["all", "busybox"])
@pytest.mark.parametrize("kind", ["rename", "copytruncate"])
async def test_an_ssh_hosts_log_through_rotations(tmp_path: Path, lab: SshdLab, kind: str, programs: str) -> None:
    path = tmp_path / "app.log"
    path.touch()
    lines = 15_000
    options = [busybox_only(lab)] if programs == "busybox" else []
    host = open_host("web", lab.host(lab.sshd(*options)), lab.ssh())
    source = open_source("app", Options(path=str(path)), SourceSettings(host, UTC))
    async with listening(source, AtEnd()) as heard:
        await until(lambda: source.status.value is not None)
        await write(path, kind, lines, 5_000, 4_000)
        await until(lambda: len(heard.numbers) >= lines, what=f"{len(heard.numbers)} of {lines} {heard.notices}")
        assert sorted(heard.numbers) == list(range(lines))
        assert len(heard.places) == lines
    await host.close()


@pytest.mark.parametrize("logs", [1, 2])
async def test_a_link_that_is_cut_in_the_middle_loses_and_doubles_nothing(
    tmp_path: Path, lab: SshdLab, logs: int
) -> None:
    paths = [tmp_path / f"app{number}.log" for number in range(logs)]
    for path in paths:
        path.touch()
    each = 20_000 // logs
    lines = each * logs
    server = lab.sshd()
    async with Relay(server) as relay:
        with lab.known_hosts.open("a") as known:
            known.write(relay.known_line())
        config = lab.host(server, address=relay.address, port=relay.port)
        host = open_host("web", config, lab.ssh(keepalive=0.2, connect_timeout=1))
        source = open_source(
            "app", Options(path=str(tmp_path / "app*.log" if logs > 1 else paths[0])), SourceSettings(host, UTC)
        )
        async with listening(source, AtEnd()) as heard:
            await until(lambda: source.status.value is not None)
            writing = asyncio.gather(*(write(path, "rename", each, 5_000 // logs, 6_000 // logs) for path in paths))
            await until(lambda: len(heard.numbers) > 3_000)
            relay.cut()
            await until(lambda: isinstance(source.status.state, Unavailable), what="the cut is noticed")
            state = source.status.state
            assert isinstance(state, Unavailable)
            assert state.next_try is not None
            await writing
            before = len(heard.numbers)
            assert before < lines
            relay.mend()
            await until(lambda: len(heard.numbers) >= lines, what="all has come")
            assert sorted(heard.numbers) == sorted([*range(each)] * logs)
            assert len(heard.places) == lines
            assert isinstance(source.status.state, Ready)
        await host.close()


async def test_a_frozen_host_is_told_and_goes_on_when_it_wakes(tmp_path: Path, lab: SshdLab) -> None:
    path = tmp_path / "app.log"
    path.touch()
    lines = 6_000
    server = lab.sshd()
    host = open_host("web", lab.host(server), lab.ssh(keepalive=0.3, connect_timeout=1))
    source = open_source("app", Options(path=str(path)), SourceSettings(host, UTC))
    async with listening(source, AtEnd()) as heard:
        await until(lambda: source.status.value is not None)
        writing = asyncio.create_task(write(path, "none", lines, 5_000, lines))
        await until(lambda: len(heard.numbers) > 1_000)
        server.freeze()
        await until(lambda: isinstance(source.status.state, Unavailable), what="the freeze is noticed")
        await writing
        server.thaw()
        await until(lambda: len(heard.numbers) >= lines, what="all has come")
        assert sorted(heard.numbers) == list(range(lines))
        assert len(heard.places) == lines
    await host.close()
