"""Following a log through whatever a program and its rotation do to it, in any order: each whole line comes once."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC
from pathlib import Path
from types import SimpleNamespace

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.hosts.open import open_host
from lilfox_tui.logs.files.local import LocalDisk
from lilfox_tui.logs.files.log_file import FileStat
from lilfox_tui.logs.source import AtEnd, SourceSettings
from lilfox_tui.logs.sources.file import Options, open_source
from tests.faults.ordered_log_writer import Writer
from tests.faults.test_log_rotation import listening
from tests.services.sshd import SshdLab, sshd_lab
from tests.waiting import until

STAYS = ("rename", "late", "pack", "burst", "burst", "halves")
"""What leaves every line in a file of the log."""
EITHER = ("copytruncate", "dated")
"""As well, but one of the two: following a log to which both are done can miss or repeat a line (docs/logging.md)."""
GOES = ("olddir", "remove", "link")
"""What takes a file away: who has not looked yet has never seen it, so that these come first of their round."""
ROUNDS = 6
WAYS = 40
"""So many ways to look in between; the fault was found in one of 6 to 37."""


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
    stays = (*STAYS, EITHER[seed // 2 % 2])
    source = open_source("app", Options(path=str(path), rotated=rotated), SourceSettings(host, UTC))
    done: list[str] = []
    async with listening(source, AtEnd()) as heard, writing(path, seed) as writer:
        await until(lambda: source.status.value is not None)
        lines = await writer.do(["burst"])
        await until(lambda: len(heard.numbers) >= lines, what="the first lines")
        for _ in range(ROUNDS):
            words = [made.choice((*GOES, "burst")), *made.choices(stays, k=made.randrange(1, 6)), "burst"]
            done.append(" ".join(words))
            lines = await writer.do(words)
            try:
                await until(lambda: len(set(heard.numbers)) >= lines)  # noqa: B023
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


class Looks:
    """How often the files of each folder were looked at; and a writer's rests, which last for a random number of
    looks, often none: so that each thing is done between any two of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._count: Counter[Path] = Counter()
        self._loop = asyncio.get_running_loop()
        look = LocalDisk.look

        async def counted(disk: LocalDisk, patterns: Sequence[str]) -> list[FileStat]:
            seen = await look(disk, patterns)
            self._count[Path(patterns[0]).parent] += 1
            return seen

        monkeypatch.setattr(LocalDisk, "look", counted)

    async def more(self, folder: Path, count: int) -> None:
        """Waits until the files were looked at that often again."""
        wanted = self._count[folder] + count
        await until(lambda: self._count[folder] >= wanted, what="the files are looked at")

    def rest(self, folder: Path, made: random.Random) -> SimpleNamespace:
        """In place of the writer's ``rest``; to be called in a thread of its own."""

        def wait(_seconds: float) -> None:
            if count := made.choice((0, 0, 1, 2, 3)):
                asyncio.run_coroutine_threadsafe(self.more(folder, count), self._loop).result()

        return SimpleNamespace(wait=wait)


@pytest.mark.fault("4.80")
@pytest.mark.parametrize("rotated", [False, True])
@pytest.mark.parametrize("words", ["olddir late pack burst", "rename late pack", "copytruncate late pack burst"])
async def test_each_line_comes_once_whenever_the_files_are_looked_at(
    words: str, rotated: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packed copy is known for one also if its original was looked at last when it had half a line."""
    looks, host = Looks(monkeypatch), LocalHost("here", HostConfig(local=True))

    async def follow(seed: int, threads: ThreadPoolExecutor) -> None:
        path = empty_log(tmp_path / str(seed))
        source = open_source("app", Options(path=str(path), rotated=rotated), SourceSettings(host, UTC))
        async with listening(source, AtEnd()) as heard:
            await until(lambda: source.status.value is not None)
            writer = Writer(path, seed)
            writer.rest = looks.rest(path.parent, random.Random(seed))  # type: ignore[assignment]
            loop = asyncio.get_running_loop()
            try:
                for word in ("burst", *words.split()):
                    await loop.run_in_executor(threads, getattr(writer, word))
                    if word == "burst":
                        await until(lambda: len(set(heard.numbers)) >= writer.lines, what=f"seed {seed}: each line")
                    else:
                        await loop.run_in_executor(threads, writer.rest.wait, 0.0)
                await until(lambda: len(set(heard.numbers)) >= writer.lines, what=f"seed {seed}: each line")
                await looks.more(path.parent, 3)
            finally:
                writer.file.close()
            twice = [number for number, count in Counter(heard.numbers).items() if count > 1]
            assert not twice, f"seed {seed}: {twice[:9]} came twice"

    with ThreadPoolExecutor(WAYS) as threads:
        ends = await asyncio.gather(*(follow(seed, threads) for seed in range(WAYS)), return_exceptions=True)
    assert not [end for end in ends if end is not None]


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
