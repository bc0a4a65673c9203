"""Following through rotation: nothing that was written before it is lost, nothing that comes after it is missed."""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lilfox_tui.logs.files import one_log
from lilfox_tui.logs.files.log_file_set import RecordCounter
from tests.unit.logs.files.following import append, copy_and_empty, followed, path, put
from tests.unit.logs.files.written import console_log, raws
from tests.waiting import until

__all__ = ["path"]


def move_beside(path: Path) -> None:
    os.rename(path, path.with_name("app.log.1"))
    put(path, b"")


def move_away(path: Path) -> None:
    path.with_name("old").mkdir()
    os.rename(path, path.with_name("old") / "app.log.1")
    put(path, b"")


def empty_copied(path: Path) -> None:
    copy_and_empty(path, 0)


def lead_elsewhere(path: Path) -> None:
    """The name is a link to another file from now on."""
    if not path.is_symlink():
        os.rename(path, path.with_name("first"))
    target = path.with_name("second")
    target.touch()
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.mark.fault("4.79")
@pytest.mark.parametrize("rotated", [False, True], ids=["named", "configured"])
@pytest.mark.parametrize("rotate", [move_beside, move_away, empty_copied, lead_elsewhere])
async def test_what_was_written_just_before_a_rotation_comes_and_what_comes_after_it(
    path: Path, rotate: Callable[[Path], None], rotated: bool
) -> None:
    async with followed(path, rotated=rotated) as log:
        append(path, console_log(8, 30, first=100))  # no other task runs meanwhile
        rotate(path)
        append(path, console_log(8, 20, first=200))
        expected = raws(console_log(8, 30, first=100)) + raws(console_log(8, 20, first=200))
        await until(lambda: len(log.records) >= 50)
        append(path, console_log(8, 5, first=300))
        await until(lambda: len(log.records) >= 55)
        await log.several_looks()
        assert log.raws == expected + raws(console_log(8, 5, first=300))
        assert len(log.notices) == (1 if rotate is empty_copied else 0)


@pytest.mark.fault("4.81")
@pytest.mark.parametrize("rotated", [False, True], ids=["named", "configured"])
async def test_a_file_with_a_date_that_is_written_to_beside_is_followed_and_older_ones_are_not_told_again(
    path: Path, rotated: bool
) -> None:
    older = path.with_name("app-20261123.log")
    put(older, console_log(3, 40, first=500))
    os.utime(older, (1_700_000_000, 1_700_000_000))
    async with followed(path, rotated=rotated) as log:
        beside = path.with_name("app-20261124.log")
        put(beside, console_log(8, 30, first=100))
        await until(lambda: len(log.records) == 30)
        append(path, console_log(8, 10, first=200))
        append(beside, console_log(8, 30, first=300))
        put(path.with_name("app-20261123.log.gz"), gzip.compress(older.read_bytes()))
        os.utime(path.with_name("app-20261123.log.gz"), (1_700_000_000, 1_700_000_000))
        os.unlink(older)
        await until(lambda: len(log.records) >= 70)
        await log.several_looks()
        written = console_log(8, 30, first=100) + console_log(8, 10, first=200) + console_log(8, 30, first=300)
        assert sorted(log.raws) == sorted(raws(written))
        assert log.notices == []


@pytest.mark.fault("4.81")
async def test_a_second_workers_log_beside_a_named_file_is_not_of_it(path: Path) -> None:
    async with followed(path, rotated=False) as log:
        put(path.with_name("app-2.log"), console_log(8, 30, first=100))
        append(path, console_log(8, 10, first=200))
        await until(lambda: len(log.records) == 10)
        await log.several_looks()
        assert log.raws == raws(console_log(8, 10, first=200))


@pytest.mark.fault("4.82")
async def test_a_file_that_grows_is_counted_at_a_pace(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = 0
    count = RecordCounter.count

    async def noted(files: RecordCounter, told: Callable[[], None]) -> None:
        nonlocal counted
        counted += 1
        await count(files, told)

    monkeypatch.setattr(RecordCounter, "count", noted)
    began_s = time.monotonic()
    async with followed(path) as log:
        for number in range(10):
            append(path, console_log(8, 10, first=100 + 10 * number))
            await until(lambda number=number: len(log.records) == 10 * (number + 1))  # type: ignore[misc]
    assert counted <= 2 + (time.monotonic() - began_s) / one_log.COUNT_S
