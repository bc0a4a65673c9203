"""What following gives, step by step: half lines, records of many lines, files that go, come back, or are emptied."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import pytest

from lilfox_tui.core.errors import FileRefused
from lilfox_tui.logs.files import follow, one_log
from lilfox_tui.logs.files.local import LocalDisk
from lilfox_tui.logs.files.log_file import FileStat
from lilfox_tui.logs.files.log_file_set import RecordCounter, literal
from lilfox_tui.logs.filter.model import EVERYTHING, AtLeast, Filter
from lilfox_tui.logs.record import RAW_LIMIT, Severity, microseconds
from lilfox_tui.logs.source import AtBeginning, AtEnd, AtPlace, AtTime, Start
from tests.unit.logs.files.following import append, copy_and_empty, followed, opened, path, put
from tests.unit.logs.files.written import START, console_log, local_source, raws
from tests.waiting import until

__all__ = ["path"]


async def test_half_a_line_waits_for_its_end(path: Path) -> None:
    async with followed(path) as log:
        append(path, b"2026-11-24 11:00:00,000 - app - INFO - one\n2026-11-24 11:00:01,000 - app - IN")
        await until(lambda: log.raws == [b"2026-11-24 11:00:00,000 - app - INFO - one"])
        await log.several_looks()
        assert len(log.records) == 1
        append(path, b"FO - two\n")
        await until(lambda: len(log.records) == 2)
        assert log.raws[1] == b"2026-11-24 11:00:01,000 - app - INFO - two"


async def test_a_file_that_ends_within_a_line_when_following_begins(path: Path) -> None:
    append(path, b"2026-11-24 11:00:00,000 - app - INFO - be")
    async with followed(path) as log:
        append(path, b"gun\n")
        await until(lambda: log.raws == [b"2026-11-24 11:00:00,000 - app - INFO - begun"])


async def test_a_traceback_that_comes_line_by_line_is_one_record(path: Path) -> None:
    async with followed(path) as log:
        lines = console_log(2, 1, first=7).splitlines(keepends=True)
        with opened(path) as file:
            for line in lines:
                file.write(line)
        await until(lambda: log.records)
        assert log.raws == [b"".join(lines)[:-1]]
        assert log.records[0].entry.fault is not None


@pytest.mark.parametrize("where", [EVERYTHING, AtLeast(Severity.ERROR)], ids=str)
async def test_it_begins_where_it_is_told(path: Path, where: Filter) -> None:
    put(path.with_name("app.log.1"), console_log(3, 10))
    put(path, console_log(3, 20, first=10))
    source = local_source(path)
    page = await source.page(AtBeginning(), older=False, limit=100, where=EVERYTHING)
    expected = [one for one in page.records if where.matches(one)]
    await source.close()
    starts: list[tuple[Start, int]] = [
        (AtBeginning(), 0),
        (AtPlace(page.records[4].place), 5),
        (AtPlace(page.records[12].place), 13),
        (AtTime(microseconds(START + timedelta(seconds=17))), 17),
        (AtPlace(page.records[-1].place), 30),
        (AtEnd(), 30),
    ]
    for start, first in starts:
        async with followed(path, start, where) as log:
            append(path, console_log(4, 1, first=77))
            wanted = [one for one in expected if one in page.records[first:]]
            await until(lambda log=log, wanted=wanted: len(log.records) > len(wanted))  # type: ignore[misc]
            assert log.records[: len(wanted)] == wanted
            assert [one.entry.message.split()[1] for one in log.records[len(wanted) :]] == ["n=77"]
            assert log.notices == []
        put(path, console_log(3, 20, first=10))


async def test_it_goes_through_packed_files_to_the_one_that_is_written(path: Path) -> None:
    put(path.with_name("app.log.2.gz"), gzip.compress(console_log(3, 200)))
    put(path.with_name("app.log.1.gz"), gzip.compress(console_log(4, 200, first=200)))
    put(path, console_log(5, 20, first=400))
    expected = raws(console_log(3, 200)) + raws(console_log(4, 200, first=200)) + raws(console_log(5, 20, first=400))
    async with followed(path, AtBeginning()) as log:
        await until(lambda: len(log.records) == 420)
        await log.several_looks()
        assert log.raws == expected
        assert log.notices == []


async def test_a_file_that_is_packed_while_it_is_away_goes_on_there(path: Path) -> None:
    async with followed(path) as log:
        append(path, console_log(4, 30, first=200))
        os.rename(path, path.with_name("app.log.1"))
        put(path.with_name("app.log.2.gz"), gzip.compress(path.with_name("app.log.1").read_bytes()))
        os.unlink(path.with_name("app.log.1"))
        put(path.with_name("app.log.1"), console_log(5, 30, first=300))
        put(path, console_log(6, 30, first=400))
        await until(lambda: len(log.records) == 90)
        assert log.raws == [raw for seed in (4, 5, 6) for raw in raws(console_log(seed, 30, first=100 * seed - 200))]
        assert log.notices == []


async def test_a_file_that_goes_is_told_and_comes_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "AWAY_S", 0.2)
    monkeypatch.setattr(follow, "LOOK_ALL_S", 0.1)
    async with followed(path) as log:
        os.unlink(path)
        await until(lambda: log.notices)
        assert log.notices == [f"{path} no longer exists; waiting for it to reappear"]
        put(path, console_log(5, 9, first=300))
        await until(lambda: len(log.records) == 9)
        assert log.raws == raws(console_log(5, 9, first=300))
        await log.several_looks()
        assert len(log.notices) == 1


async def test_who_polls_seldom_does_not_look_at_all_files_with_every_poll(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time after which all are looked at follows the polls where these are further apart."""
    monkeypatch.setattr(follow, "LOOK_ALL_S", 0.0)
    async with followed(path):
        alone, look = 0, LocalDisk.look

        async def counted(disk: LocalDisk, patterns: Sequence[str]) -> list[FileStat]:
            nonlocal alone
            alone += list(patterns) == [literal(str(path))]
            return await look(disk, patterns)

        monkeypatch.setattr(LocalDisk, "look", counted)
        await until(lambda: alone > 2)


async def test_what_is_written_to_a_renamed_file_still_comes(path: Path) -> None:
    writer = opened(path)
    async with followed(path) as log:
        os.rename(path, path.with_name("app.log.1"))
        put(path, console_log(6, 5, first=500))
        await until(lambda: len(log.records) == 5)
        writer.write(console_log(7, 3, first=100))  # has not reopened its file yet
        append(path, console_log(6, 1, first=505))
        await until(lambda: len(log.records) == 9)
        written = console_log(6, 5, first=500) + console_log(6, 1, first=505) + console_log(7, 3, first=100)
        assert sorted(log.raws) == sorted(raws(written))
    writer.close()


async def test_several_rotations_between_two_looks_lose_nothing(path: Path) -> None:
    async with followed(path) as log:
        for number in range(5):  # no other task runs meanwhile
            append(path, console_log(8, 10, first=100 * number + 100))
            for old in range(number, 0, -1):
                os.rename(path.with_name(f"app.log.{old}"), path.with_name(f"app.log.{old + 1}"))
            os.rename(path, path.with_name("app.log.1"))
            put(path, b"")
        expected = [raw for number in range(5) for raw in raws(console_log(8, 10, first=100 * number + 100))]
        await until(lambda: len(log.records) == 50)
        assert log.raws == expected
        assert log.notices == []


async def test_a_file_that_is_emptied_without_a_copy_says_what_may_be_missing(path: Path) -> None:
    async with followed(path) as log:
        os.truncate(path, 0)
        append(path, console_log(9, 2, first=900))
        await until(lambda: len(log.records) == 2)
        assert log.notices == [f"{path} was truncated: data that was written but not yet read is lost"]


async def test_a_file_that_is_emptied_and_at_once_longer_than_before_is_noticed(path: Path) -> None:
    async with followed(path) as log:
        append(path, console_log(9, 3, first=100))
        shutil.copyfile(path, path.with_name("app.log.1"))
        os.truncate(path, 0)
        append(path, console_log(9, 60, first=200))
        await until(lambda: len(log.records) == 63)
        assert log.raws == raws(console_log(9, 3, first=100)) + raws(console_log(9, 60, first=200))
        assert len(log.notices) == 1
        assert "its copy was read to the end" in log.notices[0]


@pytest.mark.parametrize("begins_empty", [False, True])
async def test_several_copies_between_two_looks_lose_nothing(path: Path, begins_empty: bool) -> None:
    if begins_empty:
        put(path, b"")
    async with followed(path) as log:
        for number in range(4):  # no other task runs meanwhile
            append(path, console_log(8, 10, first=100 * number + 100))
            copy_and_empty(path, number)
        await until(lambda: len(log.records) == 40)
        assert len(log.notices) == 4
        for number in range(4, 7):
            append(path, console_log(8, 10, first=100 * number + 100))
            copy_and_empty(path, number)
        append(path, console_log(8, 10, first=800))
        await until(lambda: len(log.records) == 80)
        assert log.raws == [raw for number in range(8) for raw in raws(console_log(8, 10, first=100 * number + 100))]
        assert len(log.notices) == 7


async def test_a_writer_that_goes_on_at_its_old_place_in_an_emptied_file(path: Path) -> None:
    with opened(path, "r+b") as writer:  # not O_APPEND
        writer.seek(0, os.SEEK_END)
        async with followed(path) as log:
            os.truncate(path, 0)
            writer.write(console_log(9, 4, first=400))
            await until(lambda: len(log.records) == 4)
            assert log.raws == raws(console_log(9, 4, first=400))


async def test_a_very_long_line_comes_when_it_is_whole(path: Path) -> None:
    async with followed(path) as log:
        head = b"2026-11-24 11:00:00,000 - app - INFO - "
        append(path, head + b"x" * 3_000_000)
        await log.several_looks()
        assert log.records == []
        append(path, b"y" * 3_000_000 + b"\n")
        await until(lambda: log.records)
        append(path, console_log(9, 1, first=500))
        await until(lambda: len(log.records) == 2)
        assert log.records[0].size_bytes == len(head) + 6_000_000
        assert len(log.records[0].raw) == RAW_LIMIT


async def test_a_slow_reader_gets_everything_later(path: Path) -> None:
    source = local_source(path)
    got, again = 0, False
    async with aclosing(source.follow(AtEnd(), EVERYTHING)) as batches:
        first = asyncio.ensure_future(anext(batches))
        await until(lambda: source.status.value)
        line = b"2026-11-24 11:00:00,000 - app - INFO - a line of a burst\n"
        append(path, line * 50_000)
        got += len(await first)
        async for batch in batches:
            assert len(batch) <= 500
            got += len(batch)
            if got >= 25_000 and not again:
                again = True
                append(path, line * 50_000)
            if got >= 100_000:
                break
    assert got == 100_000
    await source.close()


async def test_an_empty_file_gets_its_format_from_what_comes(path: Path) -> None:
    put(path, b"")
    async with followed(path) as log:
        append(path, b'{"timestamp": "2026-11-24T10:00:00", "level": "ERROR", "message": "first"}\n' * 3)
        await until(lambda: len(log.records) == 3)
        assert {one.entry.severity for one in log.records} == {Severity.ERROR}


async def test_what_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    source = local_source(tmp_path / "none.log")
    with pytest.raises(FileRefused, match="no such file"):
        await anext(source.follow(AtEnd(), EVERYTHING))
    await source.close()


# Following through rotation: nothing that was written before it is lost, nothing that comes after it is missed.


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
