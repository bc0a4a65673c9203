"""Following a log through whatever a program and its rotation do to it, in any order: each whole line comes once."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.hosts.open import open_host
from lilfox_tui.logs.source import AtEnd, SourceSettings
from lilfox_tui.logs.sources.file import Options, open_source
from tests.faults.test_log_rotation import listening
from tests.services.sshd import SshdLab, sshd_lab
from tests.waiting import until

STAYS = ("rename", "late", "copytruncate", "pack", "dated", "burst", "burst", "halves")
"""What leaves every line in a file of the log."""
GOES = ("olddir", "remove", "link")
"""What takes a file away: who has not looked yet has never seen it, so that these come first of their round."""
ROUNDS = 6
PATIENCE_S = 30.0


class Written:
    """A writer in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def do(self, words: list[str]) -> int:
        """All of it; gives the number of lines that there are then."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(words).encode() + b"\n")
        await self._process.stdin.drain()
        answer = await self._process.stdout.readline()
        assert answer, f"the writer died in {words}"
        return int(answer)


@asynccontextmanager
async def writing(path: Path, seed: int) -> AsyncIterator[Written]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.ordered_log_writer", str(path), str(seed)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Written(process)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


def empty_log(folder: Path) -> Path:
    folder.mkdir()
    path = folder / "app.log"
    path.touch()
    return path


async def follow_whatever(path: Path, host: Host, seed: int, *, rotated: bool) -> None:
    made = random.Random(seed)
    source = open_source("app", Options(path=str(path), rotated=rotated), SourceSettings(host, UTC))
    done: list[str] = []
    async with listening(source, AtEnd()) as heard, writing(path, seed) as writer:
        await until(lambda: source.status.value is not None)
        lines = await writer.do(["burst"])
        await until(lambda: len(heard.numbers) >= lines, what="the first lines")
        for _ in range(ROUNDS):
            words = [made.choice((*GOES, "burst")), *made.choices(STAYS, k=made.randrange(1, 6)), "burst"]
            done.append(" ".join(words))
            lines = await writer.do(words)
            try:
                await until(lambda: len(set(heard.numbers)) >= lines, timeout_s=PATIENCE_S)  # noqa: B023
            except AssertionError:
                missing = sorted(set(range(1, lines + 1)) - set(heard.numbers))
                text = f"seed {seed}, rotated={rotated}: {missing[:3]}..{missing[-3:]} missing after {done}"
                raise AssertionError(f"{text}, told: {heard.notices}") from None
            twice = [number for number, count in Counter(heard.numbers).items() if count > 1]
            assert not twice, f"seed {seed}, rotated={rotated}: {twice[:9]} came twice after {done}"


@pytest.mark.fault("4.80")
async def test_each_line_comes_once_here(tmp_path: Path) -> None:
    host = LocalHost("here", HostConfig(local=True))
    async with asyncio.TaskGroup() as group:
        for seed in range(12):
            path = empty_log(tmp_path / str(seed))
            group.create_task(follow_whatever(path, host, seed, rotated=seed % 2 == 0))


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


@pytest.mark.fault("4.80")
@pytest.mark.parametrize("seed", [100, 101, 102])
async def test_each_line_comes_once_from_an_ssh_host(tmp_path: Path, lab: SshdLab, seed: int) -> None:
    host = open_host("web", lab.host(lab.sshd()), lab.ssh())
    await follow_whatever(empty_log(tmp_path / "logs"), host, seed, rotated=seed % 2 == 0)
    await host.close()
