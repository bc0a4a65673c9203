"""What is to go on when the state of alerts cannot be kept, or its keeper stands still."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from lilfox_tui.alerts.external import kept_alerts
from lilfox_tui.alerts.silences import parse_matchers
from lilfox_tui.alerts.storage import SILENT_S, AlertDatabase, EvaluationLock
from lilfox_tui.core.aio import Ready
from tests.services.alert_lab import Lab
from tests.unit.alerts.running import Clock, Run
from tests.waiting import until


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    made = Lab(tmp_path)
    yield made
    made.end()


@pytest.mark.fault("4.59")
async def test_one_that_evaluates_and_stands_still_is_told_of(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab.configure("{}")
    lab.values(a=0)
    first = lab.start()
    await until(lambda: first.alerts() == {"a": "firing"}, what="it fires")
    folder = Path(str(lab.saved().database.path)).parent
    lock = EvaluationLock(folder)
    assert lock.frozen(datetime.now(UTC)) is None
    os.kill(first.process.pid, signal.SIGSTOP)
    try:
        later = datetime.now(UTC) + timedelta(seconds=SILENT_S + 1)
        said = str(lock.frozen(later))
        assert f"(PID {first.process.pid}) has not responded since" in said
        assert not lock.take()
        monkeypatch.setattr("lilfox_tui.alerts.storage.SILENT_S", 0.0)
        kept = kept_alerts(folder)
        assert isinstance(kept, Ready)
        assert kept.value.blind
        assert "has not responded" in str(kept.value.troubles[-1])
        clock = Clock()
        clock.seconds = (later - clock.now()).total_seconds()
        second = Run(folder, clock)
        task = asyncio.create_task(second.engine.run())
        await until(lambda: second.engine.feed.value is not None, what="the second shows it")
        assert [one.name for one in second.alerts()] == ["Down"]
        assert "has not responded" in second.troubles()[0]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    finally:
        os.kill(first.process.pid, signal.SIGCONT)
    await until(lambda: lock.frozen(datetime.now(UTC) + timedelta(seconds=-1)) is None, what="it goes on")
    first.kill()


async def test_a_file_that_is_held_at_the_start_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.alerts.storage.BUSY_S", 0.01)
    AlertDatabase(tmp_path / "alerts.db").close()
    with closing(sqlite3.connect(tmp_path / "alerts.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        run = Run(tmp_path)
        task = asyncio.create_task(run.engine.run())
        await until(lambda: run.engine.feed.value is not None and bool(run.troubles()), what="it says so")
        assert "locked" in run.troubles()[0]
        other.execute("ROLLBACK")
    run.clock.go_on(60)
    await until(lambda: "locked" not in " ".join(run.troubles()), what="it is kept again")
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", place]).returncode:
        pytest.skip("only root can mount")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)


def fill(disk: Path) -> None:
    with (disk / "rest").open("wb", buffering=0) as rest, suppress(OSError):
        while True:
            rest.write(b"x" * 4096)


async def test_on_a_disk_that_is_read_only_rules_go_on_and_silences_are_known(small_disk: Path) -> None:
    before = Run(small_disk)
    await before.start()
    await before.engine.silence(parse_matchers('alertname="Busy"'), 3600, "me")
    before.engine._saved.database.close()
    before.kill()
    make_read_only(small_disk)
    after = Run(small_disk, clock=before.clock, rules=None)
    task = asyncio.create_task(after.engine.run())
    await until(lambda: after.engine.feed.value is not None, what="it evaluates")
    after.clock.go_on(15)
    after.scrape({"a": 9.0}, "busy")
    await until(lambda: after.engine.feed.value is not None and bool(after.alerts()), what="it fires")
    assert len(after.alerts()[0].silenced_by) == 1
    assert "Read-only file system; until LilFox exits, changes are kept in memory only" in after.troubles()[0]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_on_a_disk_that_becomes_full_rules_and_telling_go_on(small_disk: Path) -> None:
    run = Run(small_disk)
    await run.start()
    await run.go(15, {"a": 1.0})
    fill(small_disk)
    values = {f"{number:0500}": 9.0 for number in range(200)}
    assert len(await run.go(30, values, "busy")) >= 200
    assert "full" in run.troubles()[0]
    run.engine._saved.database.close()
    run.kill()
