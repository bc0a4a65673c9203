"""Counting in processes: they end when nobody waits any more, and one that dies is told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.analyze import RANGE_BYTES, analyze
from lilfox_tui.logs.count_process import CountRange
from lilfox_tui.logs.filter.model import EVERYTHING, Within
from lilfox_tui.logs.record import microseconds
from lilfox_tui.logs.source import LogSource, SourceSettings, zone_of
from lilfox_tui.logs.sources.file import Options, open_source
from tests.bench import logs_made
from tests.services.lilfox_command import running
from tests.waiting import until, wait_for


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three ranges of JSON."""
    file = tmp_path_factory.mktemp("large") / "app.log"
    logs_made.make(file, 280_000)
    return file


def source(file: Path) -> LogSource:
    setting = SourceSettings(host=LocalHost("here", HostConfig(local=True)), zone=zone_of("UTC"))
    return open_source("app", Options(path=str(file), rotated=False), setting)


def counting() -> Sequence[psutil.Process]:
    return [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and "count_process" in " ".join(child.cmdline())
    ]


async def test_the_same_is_counted_by_one_process_and_by_three(large: Path) -> None:
    told: list[tuple[int, int]] = []
    log = source(large)
    one = await analyze([log], EVERYTHING, processes=1)
    three = await analyze([log], EVERYTHING, processes=3, progress=lambda done, total: told.append((done, total)))
    assert one == three
    brief = await analyze([log], EVERYTHING, slices=False)
    assert brief.statistics == replace(one.statistics, by_slice=())
    assert len(one.statistics.by_slice) > 1
    await log.close()
    assert one.statistics.records == 280_000
    assert one.failed == {}
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] > 2 * RANGE_BYTES
    assert counting() == []


@pytest.mark.parametrize(
    ("since_s", "until_s", "records"), [(1400, 1402, 200), (2799, None, 100), (None, 1, 100), (9000, None, 0)]
)
async def test_only_the_part_of_the_times_that_are_asked_for_is_read(
    large: Path, since_s: int | None, until_s: int | None, records: int
) -> None:
    since_us, until_us = (
        each and microseconds(logs_made.BEGAN + timedelta(seconds=each)) for each in (since_s, until_s)
    )
    told: list[tuple[int, int]] = []
    log = source(large)
    found = await analyze([log], Within(since_us, until_us), progress=lambda done, total: told.append((done, total)))
    await log.close()
    assert (found.statistics.records, found.failed) == (records, {})
    assert max((total for _done, total in told), default=0) < RANGE_BYTES


async def test_a_young_log_is_counted_by_the_second(tmp_path: Path) -> None:
    file = tmp_path / "app.log"
    file.write_text("".join(f"2026-11-24 10:00:{second:02d},500 INFO served n={second}\n" for second in range(20)))
    log = source(file)
    found = (await analyze([log], EVERYTHING)).statistics
    await log.close()
    assert [(each.until_us - each.since_us, each.records) for each in found.by_slice] == [(1_000_000, 1)] * 20


@pytest.mark.parametrize("content", [b"", b"one line\n"])
async def test_a_log_with_nothing_or_hardly_anything_in_it_is_counted(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "app.log"
    file.write_bytes(content)
    log = source(file)
    counted = await analyze([log], EVERYTHING)
    await log.close()
    assert (counted.statistics.records, counted.failed) == (len(content.splitlines()), {})


async def test_when_cancelled_the_processes_have_ended(large: Path) -> None:
    log = source(large)
    begun = asyncio.Event()
    running = asyncio.create_task(analyze([log], EVERYTHING, processes=2, progress=lambda *_: begun.set()))
    await begun.wait()
    assert len(counting()) == 2
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert counting() == []
    await log.close()


async def test_a_process_that_is_killed_is_told(large: Path) -> None:
    log = source(large)
    running = asyncio.create_task(analyze([log], EVERYTHING, processes=2))
    await until(lambda: len(counting()) == 2)
    os.kill(counting()[0].pid, signal.SIGKILL)
    with pytest.raises(LilFoxError, match=r"has exited \(exit status -9\)"):
        await running
    assert counting() == []
    await log.close()


def test_processes_end_with_a_console_that_is_killed(large: Path, tmp_path: Path) -> None:
    with running(("logs", "stats", large), tmp_path / "stats") as console:
        wait_for(lambda: psutil.Process(console.pid).children(), what="processes that count")
        children = psutil.Process(console.pid).children()
        console.kill()
        gone, alive = psutil.wait_procs(children, timeout=60)
    assert (len(gone), alive) == (len(children), [])


async def test_the_loop_is_free_while_others_count(large: Path) -> None:
    log = source(large)
    loop = asyncio.get_running_loop()
    running = asyncio.create_task(analyze([log], EVERYTHING))
    beats = 0
    while not running.done():
        beat = asyncio.Event()
        loop.call_later(0.01, beat.set)
        await beat.wait()
        beats += 1
    await log.close()
    assert (await running).statistics.records == 280_000
    assert beats > 10


def test_a_filter_and_a_zone_go_to_the_process_as_they_are() -> None:
    import pickle

    asked = CountRange(
        path="x", source="s", format="plain", zone=zone_of("Europe/Berlin"), where=EVERYTHING, start=0, end=1
    )
    assert pickle.loads(pickle.dumps(asked)) == asked
