"""Line numbers, shares, and what building them costs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from lilfox_tui.cli.log_sources import open_sources
from lilfox_tui.config.model import Config
from lilfox_tui.logs.files import log_file_set
from lilfox_tui.logs.files.local import LocalFile
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.source import AtBeginning, AtEnd, SupportsSeek
from tests.unit.logs.files.written import local_source
from tests.waiting import until


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalFile, "COUNT_BYTES", 1000)
    monkeypatch.setattr(log_file_set, "_READ_BYTES", 100)


async def test_lines_are_numbered_in_the_background_and_on_while_the_file_grows(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    lines = [f"2026-11-24 10:00:00 line {number} {'x' * (number % 37)}" for number in range(1, 301)]
    path.write_text("\n".join(lines) + "\n")
    source = local_source(path)
    assert isinstance(source, SupportsSeek)
    assert await source.at_line(2) is None  # nothing is indexed before the first question has come back
    for count in (300, 450):
        await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
        await until(lambda: source.status.value and source.status.value.indexed_bytes == path.stat().st_size)
        for number in (1, 2, 150, count):
            start = await source.at_line(number)
            assert start is not None
            page = await source.page(start, older=False, limit=1, where=EVERYTHING)
            assert page.records[0].raw.startswith(b"2026-11-24 10:00:00 line %d " % number)
            assert await source.line_of(page.records[0].place) == number
            before = await source.page(start, older=True, limit=1, where=EVERYTHING)
            assert [one.raw.split()[3] for one in before.records] == ([b"%d" % (number - 1)] if number > 1 else [])
        more = [f"2026-11-24 10:00:00 line {number} more" for number in range(301, 451)]
        path.write_text("\n".join(lines + more) + "\n")
    assert await source.at_line(1000) is None
    await source.close()


async def test_nothing_is_counted_for_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("".join(f"2026-11-24 10:00:00 line {number:04}\n" for number in range(1000)))
    async with open_sources(Config(), [str(path)], host=None) as (source,):
        page = await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
        assert len(page.records) == 1
        assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_shares_are_of_the_newest_file(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text("".join(f"2026-11-24 10:00:00 line {number:04}\n" for number in range(1000)))
    path.with_name("app.log.1").write_text("2026-11-23 10:00:00 older\n")
    source = local_source(path)
    numbers = []
    for share in (0.0, 0.25, 0.5):
        page = await source.page(await source.at_share(share), older=False, limit=1, where=EVERYTHING)
        numbers.append(int(page.records[0].raw[-4:]))
    assert numbers == [0, 250, 500]
    assert await source.at_share(1.0) == AtEnd()
    older = (await source.page(AtBeginning(), older=False, limit=1, where=EVERYTHING)).records[0]
    assert await source.line_of(older.place) is None
    await source.close()


async def test_closing_ends_the_index(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_bytes(b"line\n" * 200_000)
    source = local_source(path)
    await source.page(AtEnd(), older=True, limit=1, where=EVERYTHING)
    await source.close()
    assert len(asyncio.all_tasks()) == 1
