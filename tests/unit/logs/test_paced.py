"""What comes line by line is read in turns that no reader notices, and what comes fast is never held up."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from types import SimpleNamespace

import pytest

from lilfox_tui.logs.source import PAUSE_S, paced

PIPE_BYTES = 64 * 1024
LINE_BYTES = 250


class Written:
    """A pipe on a clock of its own, to which so many lines a second are written as long as it has room: ``late_s`` has
    how long each line waited to be read."""

    def __init__(self, lines_s: float, until_s: float) -> None:
        self.now_s = 0.0
        self.late_s: list[float] = []
        self._every_s, self._until_s = 1 / lines_s, until_s
        self._next_s = self._every_s

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """All that is there, each time; waits for the next line where nothing is."""
        while self._next_s < self._until_s:
            self.now_s = max(self.now_s, self._next_s)
            count = 0
            while self._next_s <= self.now_s and count < PIPE_BYTES // LINE_BYTES:
                self.late_s.append(self.now_s - self._next_s)
                self._next_s += self._every_s
                count += 1
            if count == PIPE_BYTES // LINE_BYTES:  # its writer was held up
                self._next_s = max(self._next_s, self.now_s)
            yield b"x" * LINE_BYTES * count


async def read(written: Written, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    monkeypatch.setattr("lilfox_tui.logs.source.time", SimpleNamespace(monotonic=lambda: written.now_s))
    monkeypatch.setattr("lilfox_tui.logs.source.asyncio", SimpleNamespace(sleep=written.sleep))
    return [len(block) async for block in paced(written.blocks())]


@pytest.mark.parametrize("lines_s", [20, 100, 1000])
async def test_lines_are_gathered_and_none_waits_longer_than_a_pause(
    lines_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Written(lines_s, until_s=10)
    blocks = await read(written, monkeypatch)
    assert sum(blocks) == len(written.late_s) * LINE_BYTES >= (lines_s * 10 - 2) * LINE_BYTES
    assert len(blocks) <= lines_s * PAUSE_S + 10 / PAUSE_S, "until the first pause it is not known that they trickle"
    assert max(written.late_s) <= PAUSE_S


async def test_a_line_by_itself_is_followed_by_no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(5, until_s=10)
    assert await read(written, monkeypatch) == [LINE_BYTES] * len(written.late_s)
    assert max(written.late_s) == 0


async def test_a_writer_that_is_faster_than_a_pipe_is_soon_not_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(100_000, until_s=2)
    assert sum(await read(written, monkeypatch)) > 0.8 * 2 * 100_000 * LINE_BYTES
