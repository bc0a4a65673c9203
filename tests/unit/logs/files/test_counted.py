"""How many records a log is said to hold: its rotated files too, packed ones as "more"; what is followed as well."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import aclosing
from pathlib import Path

import pytest

from lilfox_tui.logs.files.one_log import OneLog
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtEnd, AtPlace, SkippedRecords
from tests.unit.logs.files.written import console_log, local_source
from tests.waiting import until


def lines(count: int, *, first: int = 0) -> bytes:
    return b"".join(b'{"message": "n %d"}\n' % number for number in range(first, first + count))


def told(source: OneLog) -> tuple[int | None, bool]:
    status = source.status.value
    return (None, False) if status is None else (status.records, status.more_records)


@pytest.mark.parametrize(("packed", "expected"), [(False, (60, False)), (True, (60, True))])
async def test_plain_rotated_files_are_counted_and_packed_ones_are_more(
    tmp_path: Path, packed: bool, expected: tuple[int, bool]
) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(lines(10))
    (tmp_path / "app.log.1").write_bytes(lines(20))
    (tmp_path / "app.log.2").write_bytes(lines(30))
    if packed:
        (tmp_path / "app.log.3.gz").write_bytes(gzip.compress(lines(40)))
    source = local_source(path)
    await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
    await until(lambda: told(source) == expected)
    await source.close()


async def test_records_of_several_lines_are_not_counted_by_lines(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(console_log(1, 100))
    source = local_source(path)
    await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
    await until(lambda: source.status.value and source.status.value.indexed_bytes == path.stat().st_size)
    assert told(source)[0] is None
    await source.close()


@pytest.mark.parametrize("keep", [0, 7])
async def test_of_what_comes_at_once_the_newest_are_read_and_all_are_counted(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(lines(10))
    source = local_source(path)
    page = await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
    passed = 0
    records: list[str] = []
    async with aclosing(source.follow_newest(AtPlace(page.records[0].place), EVERYTHING, lambda: keep)) as batches:
        with path.open("ab") as file:
            file.write(lines(20_000, first=10))
        async with asyncio.timeout(60):
            while passed + len(records) < 20_000:
                batch = await anext(batches)
                passed += sum(each.count for each in batch if isinstance(each, SkippedRecords))
                records += [each.entry.message for each in batch if isinstance(each, LogRecord)]
        looking_on = asyncio.ensure_future(anext(batches))
        await until(lambda: told(source) == (20_010, False))
        looking_on.cancel()
        await asyncio.wait([looking_on])
    assert passed + len(records) == 20_000
    assert records[len(records) - keep :] == [f"n {number}" for number in range(20_010 - keep, 20_010)]
    await source.close()
