"""Where a percentage leads among several sources."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from lilfox_tui.app.panes.logs.find import start_of_words
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import tr
from lilfox_tui.logs.source import AtTime, Start
from tests.unit.logs.memory_source import MemorySource, record

NOW = datetime(2026, 3, 29, tzinfo=UTC)


async def half_way(*sources: MemorySource) -> Start:
    return await start_of_words("50%", sources, now=NOW, zone=UTC)


def source(*times_us: int | None, fails: bool = False) -> MemorySource:
    made = MemorySource("app", [record("app", number, time_us) for number, time_us in enumerate(times_us)])
    made.error = LilFoxError(tr("web-1 is gone"), tr("connect it")) if fails else None
    return made


async def test_what_cannot_be_read_is_left_out() -> None:
    assert await half_way(source(0, 100), source(500, fails=True)) == AtTime(50)


async def test_why_there_is_no_span_is_said() -> None:
    with pytest.raises(LilFoxError) as caught:
        await half_way(source(0, fails=True), source(0, fails=True))
    assert (str(caught.value), str(caught.value.hint)) == ("no source can be read: web-1 is gone", "connect it")
    with pytest.raises(UsageError, match="no readable source has timestamps"):
        await half_way(source(None), source(0, fails=True))
