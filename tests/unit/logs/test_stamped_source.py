"""What every source of stamped lines keeps: each line once, whatever ends the reading."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.errors import HostError, HostUnreachable
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.record import LogRecord
from lilfox_tui.logs.source import AtBeginning, SourceNotice, SourceSettings
from lilfox_tui.logs.stamped_source import FollowedLines, StampedLine, StampedLines, StampedOrigin, StampedSource


class Interrupted(StampedSource):
    """Reads two more lines each time, which have the same stamp, from the first on; then the link is lost."""

    errors = (HostError,)

    def __init__(self, setting: SourceSettings) -> None:
        super().__init__("it", setting, "test")
        self.followed = FollowedLines()
        self.times = 0

    async def _read_on(self) -> None:
        self.times += 1
        self._caught_up()
        groups = {1: StampedLines("it", StampedOrigin("one", "one", "one", {"pod": "one"}), self._setting)}
        async with aclosing(self.followed.new(self._lines())) as lines:
            await self._take(groups, lines)

    async def _lines(self) -> AsyncIterator[StampedLine | None]:
        for number in range(self.times * 2):
            yield StampedLine(10**9 * (number // 2), 1, f"line {number}".encode())
        raise HostUnreachable("here", "cut")


async def test_what_was_read_before_a_cut_is_kept_and_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.logs.stamped_source.AGAIN_S", (0.01,))
    host = LocalHost("here", HostConfig(local=True))
    source = Interrupted(SourceSettings(host, UTC, format="plain"))
    seen: list[str] = []
    notices: list[str] = []
    try:
        async with aclosing(source.follow(AtBeginning(), EVERYTHING)) as batches:
            async for batch in batches:
                seen += [each.entry.message for each in batch if isinstance(each, LogRecord)]
                notices += [str(each.text) for each in batch if isinstance(each, SourceNotice)]
                if len(seen) >= 20:
                    break
    finally:
        await source.close()
        await host.close()
    assert seen == [f"line {number}" for number in range(len(seen))]
    assert set(notices) == {"cut"}


class Away(Interrupted):
    """Is there once, then fails with one reason for a while and with another one after that."""

    async def _read_on(self) -> None:
        if not self.times:
            await super()._read_on()
        self.times += 1
        raise HostUnreachable("here", "cut" if self.times < 10 else "refused")


async def test_a_reason_is_shown_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.logs.stamped_source.AGAIN_S", (0.01,))
    host = LocalHost("here", HostConfig(local=True))
    source = Away(SourceSettings(host, UTC, format="plain"))
    notices: list[str] = []
    try:
        async with aclosing(source.follow(AtBeginning(), EVERYTHING)) as batches:
            async for batch in batches:
                notices += [str(each.text) for each in batch if isinstance(each, SourceNotice)]
                if "refused" in notices:
                    break
    finally:
        await source.close()
        await host.close()
    assert notices == ["cut", "refused"]


def lines_of(*stamps: int) -> list[StampedLine]:
    return [StampedLine(stamp, 1, f"line {number}".encode()) for number, stamp in enumerate(stamps)]


async def given(lines: list[StampedLine]) -> AsyncIterator[StampedLine | None]:
    for line in lines:
        yield line


async def test_lines_of_one_stamp_come_once_wherever_the_reading_is_cut() -> None:
    lines = lines_of(1, 2, 2, 3, 3)
    for cut in range(len(lines) + 1):
        followed = FollowedLines()
        found = [each async for each in followed.new(given(lines[:cut]))]
        found += [each async for each in followed.new(given(lines))]
        assert found == lines


async def test_lines_that_changed_places_double_none() -> None:
    followed = FollowedLines()
    assert len([each async for each in followed.new(given(lines_of(1, 3, 3, 2)))]) == 4
    assert [each async for each in followed.new(given(lines_of(1, 3, 3, 2)))] == []


def test_what_comes_without_a_pause_is_shown_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lilfox_tui.logs.stamped_source._SAMPLE_S", -1.0)
    host = LocalHost("here", HostConfig(local=True))
    lines = StampedLines("it", StampedOrigin("one", "one", "one", {}), SourceSettings(host, UTC))
    found = [record for line in lines_of(1, 2, 3) for record in lines.take(line)]
    assert [each.entry.message for each in found] == ["line 0", "line 1"]


def test_a_line_that_is_a_record_waits_for_no_pause() -> None:
    host = LocalHost("here", HostConfig(local=True))
    setting = SourceSettings(host, UTC, format="json_lines")
    lines = StampedLines("it", StampedOrigin("one", "one", "one", {}), setting)
    assert [len(lines.take(line)) for line in lines_of(1, 2, 3)] == [1, 1, 1]
    assert lines.settle() == []
