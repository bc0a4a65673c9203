"""How far a count is, by the times of what was read."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilfox_tui.logs.analyze import report_progress
from lilfox_tui.logs.filter.model import EVERYTHING, Filter, Within
from lilfox_tui.logs.source import AtBeginning, LogSource, Start
from tests.unit.logs.files.written import console_log, local_source
from tests.unit.logs.memory_source import MemorySource, record


async def told_of(source: LogSource, where: Filter) -> list[int]:
    told: list[int] = []
    (wrapped,) = await report_progress([source], lambda _name, share: told.append(share))
    more: Start | None = AtBeginning()
    while more is not None:
        more = (await wrapped.page(more, older=False, limit=10, where=where)).more
    return told


@pytest.mark.parametrize(
    ("where", "shares"),
    [(EVERYTHING, [9, 19, 29, 39, 49, 59, 69, 79, 89, 99]), (Within(None, 1505), [17, 37, 57, 77, 97])],
)
async def test_the_share_is_that_of_the_time_to_the_newest_that_can_match(where: Filter, shares: list[int]) -> None:
    source = MemorySource("x", [record("x", number, 1000 + number * 10) for number in range(101)])
    assert await told_of(source, where) == shares


async def test_what_tells_no_time_tells_no_share() -> None:
    source = MemorySource("x", [record("x", number, None) for number in range(101)])
    assert await told_of(source, EVERYTHING) == []


async def test_files_of_this_machine_are_left_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "app.log").write_bytes(console_log(1, 3))
    source = local_source(tmp_path / "app.log")
    assert await report_progress([source], lambda _name, _share: None) == [source]
    await source.close()
