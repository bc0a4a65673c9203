"""Parallel logs that a pattern fits: one list by time, each with its rotated files, and followed."""

from __future__ import annotations

import asyncio
import gzip
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest

from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import FileRefused, UsageError
from lilfox_tui.logs.files import many_logs
from lilfox_tui.logs.files.many_logs import ManyLogs
from lilfox_tui.logs.filter.model import EVERYTHING, AtLeast, Filter, TextMatch
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import LogRecord, Severity, microseconds
from lilfox_tui.logs.source import (
    AtBeginning,
    AtEnd,
    AtPlace,
    AtTime,
    LogSource,
    SkippedRecords,
    SourceNotice,
    Start,
    SupportsSeek,
)
from tests.unit.logs.files.written import START, console_log, local_logs, local_source, read_all
from tests.waiting import until

LOGS = ("svc-1.log", "svc-2.log", "svc-3.log")


def write_logs(folder: Path) -> None:
    """Three parallel logs of the same hours, of which one was rotated twice; they share times."""
    (folder / "svc-1.log.2.gz").write_bytes(gzip.compress(console_log(1, 150)))
    (folder / "svc-1.log.1").write_bytes(console_log(2, 150, first=150))
    (folder / "svc-1.log").write_bytes(console_log(3, 150, first=300))
    (folder / "svc-2.log").write_bytes(console_log(4, 400, first=100))
    (folder / "svc-3.log").write_bytes(console_log(5, 40, first=220))
    (folder / "other.log").write_bytes(console_log(6, 40))


async def each_alone(folder: Path, where: Filter = EVERYTHING) -> list[bytes]:
    """What is read of each log by itself, by time; of the same time in the order of their names."""
    found: list[tuple[int, str, bytes]] = []
    for name in LOGS:
        source = local_source(folder / name)
        read = await read_all(source, AtBeginning(), where, older=False)
        found += [(record.entry.time_us or 0, name, record.raw) for record in read]
        await source.close()
    return [raw for _time, _name, raw in sorted(found, key=lambda each: each[:2])]


def line(number: int, *, at: int | None = None, word: str = "n") -> str:
    moment = START + timedelta(seconds=number if at is None else at)
    return f"{moment:%Y-%m-%d %H:%M:%S},000 - app - INFO - {word} {number}\n"


def append(path: Path, text: str) -> None:
    with path.open("a") as opened:
        opened.write(text)


@pytest.mark.parametrize("limit", [7, 100])
@pytest.mark.parametrize("where", [EVERYTHING, AtLeast(Severity.ERROR), TextMatch("token49"), TextMatch("nowhere")])
async def test_all_are_one_list_by_time_in_both_directions(tmp_path: Path, where: Filter, limit: int) -> None:
    write_logs(tmp_path)
    expected = await each_alone(tmp_path, where)
    source = local_logs(tmp_path / "svc*.log")
    for start, older in ((AtBeginning(), False), (AtEnd(), True)):
        found = await read_all(source, start, where, older=older, limit=limit)
        assert [record.raw for record in found] == expected
        assert {record.source for record in found} <= {"app"}
        assert len({record.place for record in found}) == len(found)
    await source.close()


async def test_each_record_says_which_log_it_is_of(tmp_path: Path) -> None:
    write_logs(tmp_path)
    source = local_logs(tmp_path / "svc*.log")
    found = await read_all(source, AtBeginning(), EVERYTHING, older=False)
    for name, count in zip(LOGS, (450, 400, 40), strict=True):
        assert len([record for record in found if record.log == str(tmp_path / name)]) == count
    await source.close()


async def test_places_and_times_part_the_list(tmp_path: Path) -> None:
    write_logs(tmp_path)
    source = local_logs(tmp_path / "svc*.log")
    everything = await read_all(source, AtBeginning(), EVERYTHING, older=False)
    again = local_logs(tmp_path / "svc*.log")  # as after a restart: nothing is remembered
    for at in (0, 1, 99, 230, 231, 232, 233, len(everything) - 1):
        place = AtPlace(everything[at].place)
        assert await read_all(again, place, EVERYTHING, older=True) == everything[:at]
        assert await read_all(again, place, EVERYTHING, older=False) == everything[at + 1 :]
    for second in (-1, 0, 120, 230, 1000):
        moment = AtTime(microseconds(START + timedelta(seconds=second)))
        older = await read_all(again, moment, EVERYTHING, older=True)
        assert older + await read_all(again, moment, EVERYTHING, older=False) == everything
        assert all((record.entry.time_us or 0) < moment.time_us for record in older)
    await source.close()
    await again.close()


async def test_without_rotated_files_only_what_the_pattern_fits_is_read(tmp_path: Path) -> None:
    write_logs(tmp_path)
    for pattern, count in (("svc-1.log", 150), ("svc-1*", 450), ("svc-1.log.*", 300)):
        source = local_logs(tmp_path / pattern.replace("-", "[-]"), rotated=False)
        assert len(await read_all(source, AtBeginning(), EVERYTHING, older=False)) == count
        await source.close()


async def test_records_without_a_time_stay_behind_the_one_before_them(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("".join(f'{{"message": "a {number}"}}\n' for number in range(300)))
    (tmp_path / "b.log").write_text("".join(line(number) for number in range(100)))
    (tmp_path / "c.log").write_text("".join(f"plain {number}\n" for number in range(1500)))
    source = local_logs(tmp_path / "*.log")
    newer = await read_all(source, AtBeginning(), EVERYTHING, older=False)
    assert len(newer) == 1900
    for name in ("a.log", "b.log", "c.log"):
        one = local_source(tmp_path / name)
        own = [record.raw for record in await read_all(one, AtBeginning(), EVERYTHING, older=False)]
        await one.close()
        for found in (newer, await read_all(source, AtEnd(), EVERYTHING, older=True)):
            assert [record.raw for record in found if record.log.endswith(name)] == own
    await source.close()


class Heard:
    """What was followed."""

    def __init__(self) -> None:
        self.records: list[LogRecord] = []
        self.notices: list[str] = []
        self.passed = 0

    @property
    def words(self) -> list[str]:
        return [record.entry.message for record in self.records]


@asynccontextmanager
async def following(source: ManyLogs, start: Start, *, keep: int | None = None) -> AsyncIterator[Heard]:
    heard = Heard()

    async def listen() -> None:
        async with aclosing(source.follow_newest(start, EVERYTHING, lambda: keep)) as batches:
            async for batch in batches:
                heard.passed += sum(each.count for each in batch if isinstance(each, SkippedRecords))
                heard.records += [each for each in batch if isinstance(each, LogRecord)]
                heard.notices += [str(each.text) for each in batch if isinstance(each, SourceNotice)]

    task = asyncio.create_task(listen())
    try:
        yield heard
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()


async def test_two_logs_that_are_written_alternately_are_followed_in_the_order_of_time(tmp_path: Path) -> None:
    paths = [tmp_path / "a.log", tmp_path / "b.log"]
    for path in paths:
        path.touch()
    source = local_logs(tmp_path / "*.log")
    async with following(source, AtEnd()) as heard:
        await until(lambda: source.status.value)
        for number in range(60):
            append(paths[number % 2], line(number))
            if number % 10 == 9:
                await until(lambda end=number: len(heard.records) > end)  # type: ignore[misc]
        assert heard.words == [f"n {number}" for number in range(60)]
        assert not heard.notices
    await source.close()


async def test_a_log_that_comes_later_is_taken_up_and_one_that_is_rotated_goes_on(tmp_path: Path) -> None:
    first, later = tmp_path / "svc1.log", tmp_path / "svc2.log"
    append(first, line(0))
    source = local_logs(tmp_path / "svc*.log")
    last = (await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)).records[0]
    async with following(source, AtPlace(last.place)) as heard:
        append(first, line(1))
        await until(lambda: len(heard.records) == 1)
        append(later, line(2) + line(3))
        await until(lambda: len(heard.records) == 3, what="the log that has come")
        append(first, line(4))
        first.rename(tmp_path / "svc1.log.1")
        append(first, line(5))
        append(later, line(6))
        await until(lambda: len(heard.records) == 6, what="what is in both files")
        append(tmp_path / "svc1.log.1", line(7))  # its writer has not noticed yet
        append(first, line(8))
        await until(lambda: len(heard.records) == 8)
        assert sorted(heard.words) == [f"n {number}" for number in range(1, 9)]
        assert len({record.place for record in heard.records}) == 8
        assert not heard.notices
    again = await read_all(source, AtBeginning(), EVERYTHING, older=False)
    assert sorted(record.entry.message for record in again) == [f"n {number}" for number in range(9)]
    assert {record.place for record in heard.records} < {record.place for record in again}
    await source.close()


async def test_a_log_that_was_removed_is_let_go_and_taken_up_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_logs, "GONE_S", 0.5)
    append(tmp_path / "a.log", line(0))
    append(tmp_path / "b.log", line(1))
    source = local_logs(tmp_path / "*.log")
    async with following(source, AtBeginning()) as heard:
        await until(lambda: len(heard.records) == 2)
        append(tmp_path / "b.log", line(2))
        await until(lambda: len(heard.records) == 3)
        assert open_files(tmp_path / "b.log")
        (tmp_path / "b.log").unlink()
        await until(lambda: not open_files(tmp_path / "b.log"), what="the removed file is closed")
        append(tmp_path / "b.log", line(3))
        append(tmp_path / "a.log", line(4))
        await until(lambda: len(heard.records) == 5)
        assert sorted(heard.words) == [f"n {number}" for number in range(5)]
    await source.close()


def open_files(path: Path) -> list[str]:
    """What this process has open of that name, removed or not."""
    links = []
    for each in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            links.append(str(each.readlink()))
    return [link for link in links if link.removesuffix(" (deleted)") == str(path)]


async def test_what_is_written_late_is_not_left_out(tmp_path: Path) -> None:
    """One log's last record is newer than what another writes next."""
    early, late = tmp_path / "a.log", tmp_path / "b.log"
    append(early, line(100))
    append(late, line(1))
    source = local_logs(tmp_path / "*.log")
    page = await source.page(AtEnd(), older=True, limit=10, where=EVERYTHING)
    append(late, line(2))
    place = AtPlace(page.records[-1].place)
    newer = await source.page(place, older=False, limit=10, where=EVERYTHING)
    assert [record.entry.message for record in newer.records] == ["n 2"]
    append(late, line(3))
    async with following(source, AtPlace(newer.records[-1].place)) as heard:
        append(late, line(4))
        await until(lambda: len(heard.records) == 2)
        append(late, line(5))
        await until(lambda: len(heard.records) == 3)
    assert heard.words == ["n 3", "n 4", "n 5"]
    append(late, line(6))
    async with following(source, AtPlace(heard.records[-1].place)) as heard:
        await until(lambda: heard.words == ["n 6"])
    await source.close()


async def test_of_what_comes_at_once_only_the_newest_are_read(tmp_path: Path) -> None:
    burst, quiet = tmp_path / "a.log", tmp_path / "b.log"
    append(burst, line(0))
    append(quiet, line(1))
    source = local_logs(tmp_path / "*.log")
    last = (await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)).records[0]
    async with following(source, AtPlace(last.place), keep=10) as heard:
        append(burst, "".join(line(number) for number in range(2, 20_002)))
        append(quiet, line(20_002))
        await until(lambda: heard.passed + len(heard.records) == 20_001)
        assert len(heard.records) < 2000
        newest = [record.entry.message for record in heard.records[-10:]]
        assert "n 20001" in newest
    await source.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any account may look into."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


async def test_one_that_may_not_be_read_is_named_and_the_others_go_on(open_folder: Path) -> None:
    append(open_folder / "a.log", line(1))
    append(open_folder / "b.log", line(2))
    (open_folder / "b.log").chmod(0)
    source = local_logs(open_folder / "*.log")
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        page = await source.page(AtEnd(), older=True, limit=9, where=EVERYTHING)
        assert [record.entry.message for record in page.records] == ["n 1"]
        assert "b.log on here is not readable" in str(source.refused[str(open_folder / "b.log")])
        assert source.status.value is not None
        assert "is not readable" in source.status.value.description
        async with following(source, AtEnd()) as heard:
            await until(lambda: heard.notices)
            append_as(user, open_folder / "a.log", line(3))
            await until(lambda: heard.words == ["n 3"])
        assert ["b.log" in notice for notice in heard.notices] == [True]
        os.seteuid(user)
        (open_folder / "a.log").unlink()
        os.seteuid(65534 if user == 0 else user)
        with pytest.raises(FileRefused, match="is not readable"):
            await source.page(AtEnd(), older=True, limit=9, where=EVERYTHING)
        assert isinstance(source.status.state, Unavailable)
    finally:
        os.seteuid(user)
    await source.close()


def append_as(user: int, path: Path, text: str) -> None:
    before = os.geteuid()
    os.seteuid(user)
    append(path, text)
    os.seteuid(before)


async def test_a_merged_list_of_them_is_complete_goes_on_and_stays_in_order(tmp_path: Path) -> None:
    write_logs(tmp_path)
    source, other = local_logs(tmp_path / "svc*.log"), local_source(tmp_path / "other.log")
    async with MergedLogs([source, other], EVERYTHING, at_most=100_000) as merged:
        await merged.go(AtEnd())
        merged.follow()
        for number in range(1000, 1030):
            append(tmp_path / f"svc-{1 + number % 3}.log", line(number))
        while not merged.at_oldest:
            await merged.older(200)
        await until(lambda: len(merged.shown) == 890 + 40 + 30, what="what is new")
        records = [row.item for row in merged.shown if isinstance(row.item, LogRecord)]
        times = [record.entry.time_us or 0 for record in records]
        assert times == sorted(times)
        assert [record.entry.message for record in records[-30:]] == [f"n {number}" for number in range(1000, 1030)]
        assert len({record.place for record in records}) == len(records) == 960
        key = await merged.set_where(AtLeast(Severity.ERROR), around=merged.shown[400])
        assert key is not None
        assert not merged.troubles
    await source.close()
    await other.close()


async def test_lines_and_shares_are_of_one_log_if_there_is_but_one(tmp_path: Path) -> None:
    append(tmp_path / "app-2026-11-24.log", "".join(line(number) for number in range(100)))
    source = local_logs(tmp_path / "app-*.log")
    assert isinstance(source, SupportsSeek)
    await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
    await until(lambda: source.status.value and source.status.value.indexed_bytes)
    start = await source.at_line(50)
    assert start is not None
    record = (await source.page(start, older=False, limit=1, where=EVERYTHING)).records[0]
    assert record.entry.message == "n 49"
    assert await source.line_of(record.place) == 50
    append(tmp_path / "app-errors.log", "".join(line(number) for number in range(100, 201)))
    with pytest.raises(UsageError, match="matches 2 logs"):
        await source.at_line(50)
    middle = (await source.page(await source.at_share(0.5), older=False, limit=1, where=EVERYTHING)).records[0]
    assert middle.entry.message == "n 100"
    assert await source.at_share(1.0) == AtEnd()
    await source.close()


async def test_all_files_are_given_to_who_reads_them_whole(tmp_path: Path) -> None:
    write_logs(tmp_path)
    source = local_logs(tmp_path / "svc*.log")
    files = await source.local_files()
    assert files is not None
    assert sorted(Path(file.path).name for file in files) == sorted([*LOGS, "svc-1.log.1", "svc-1.log.2.gz"])
    await source.close()


async def test_none_is_said_in_words(tmp_path: Path) -> None:
    source: LogSource = local_logs(tmp_path / "no*.log")
    with pytest.raises(FileRefused, match=r"no\*\.log on here: no such file"):
        await source.page(AtEnd(), older=True, limit=9, where=EVERYTHING)
    assert isinstance(source.status.state, Unavailable)
    await source.close()
