"""The pipes that a local command writes into, and that it reads from."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.local import BLOCK, LocalHost, Pipe
from tests.waiting import turn, until

SLOWLY = "import hashlib, os; d = hashlib.sha256()\nwhile b := os.read(0, 4096): d.update(b)\nprint(d.hexdigest())"
"""A command that reads a page at a time."""


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    made.close()


async def test_what_was_written_comes_whole_and_in_order_then_the_end(pipe: Pipe) -> None:
    written = os.urandom(3 * BLOCK + 17)
    end = os.dup(pipe.writing)
    pipe.given()

    def write() -> None:
        with os.fdopen(end, "wb", buffering=0) as file:
            rest = memoryview(written)
            while rest:
                rest = rest[file.write(rest) :]

    writing = asyncio.create_task(asyncio.to_thread(write))
    blocks = []
    while block := await pipe.read():
        blocks.append(block)
    await writing
    assert b"".join(blocks) == written
    assert max(map(len, blocks)) <= BLOCK


async def test_no_more_is_read_than_was_asked_for(pipe: Pipe) -> None:
    os.write(pipe.writing, b"abcdef")
    assert await pipe.read(4) == b"abcd"
    assert await pipe.read(4) == b"ef"


async def test_who_waits_when_it_is_closed_has_come_to_the_end(pipe: Pipe) -> None:
    reading = asyncio.create_task(pipe.read())
    await until(lambda: pipe._waiting is not None, what="the reader waits")
    pipe.close()
    assert await reading == b""
    assert await pipe.read() == b""


async def test_who_gave_up_waiting_leaves_the_next_one_what_comes(pipe: Pipe) -> None:
    reading = asyncio.create_task(pipe.read())
    await until(lambda: pipe._waiting is not None, what="the reader waits")
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    again = asyncio.create_task(pipe.read())
    os.write(pipe.writing, b"late")
    assert await again == b"late"


async def test_a_command_that_writes_without_end_leaves_others_their_turn() -> None:
    host = LocalHost("here", HostConfig(local=True))
    read = 0

    async def follow() -> None:
        nonlocal read
        async with aclosing(host.stream(["yes"])) as blocks:
            async for block in blocks:
                read += len(block)

    following = asyncio.create_task(follow())
    await until(lambda: read > 50 * BLOCK, what="50 blocks")
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await host.close()


@pytest.mark.parametrize("wide", [True, False], ids=["wide", "as wide as it was"])
async def test_what_a_command_is_given_comes_whole_also_to_one_that_reads_page_by_page(
    wide: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not wide:  # as for an account that has too many wide ones
        monkeypatch.setattr("lilfox_tui.hosts.local.widen", lambda _pipe: False)
    given = [os.urandom(size) for size in (3 * BLOCK + 17, 1, 0, BLOCK, 70_000)]

    async def blocks() -> AsyncGenerator[bytes, None]:
        for block in given:
            yield block

    host = LocalHost("here", HostConfig(local=True))
    done = await host.stream_stdin([sys.executable, "-c", SLOWLY], blocks())
    await host.close()
    assert done.stdout.decode().strip() == hashlib.sha256(b"".join(given)).hexdigest()


async def test_who_writes_to_a_full_pipe_does_not_write_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    real = os.write

    def noted(to: int, data: bytes) -> int:
        size = real(to, data)
        written.append(size)
        return size

    async def blocks() -> AsyncGenerator[bytes, None]:
        for _ in range(20):
            yield bytes(BLOCK)

    monkeypatch.setattr(os, "write", noted)
    host = LocalHost("here", HostConfig(local=True))
    done = await host.stream_stdin([sys.executable, "-c", SLOWLY], blocks())
    await host.close()
    assert done.ok
    assert sum(written) == 20 * BLOCK
    assert len(written) < 20 * BLOCK // 4096 // 4


# A command of this machine that is cancelled before asyncio has handed it over.


async def test_a_command_that_is_cancelled_while_it_starts_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note, host = tmp_path / "pid", LocalHost("here", HostConfig(local=True))
    handed_over = asyncio.Event()
    real = asyncio.create_subprocess_exec

    async def slowly(*argv: str, **options: object) -> asyncio.subprocess.Process:
        process = await real(*argv, **options)  # type: ignore[arg-type]
        await handed_over.wait()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", slowly)
    script = f"echo $$ >{note}.new; mv {note}.new {note}; sleep 1000 & wait"
    running = asyncio.create_task(host.run(["sh", "-c", script]))
    await until(note.exists)
    running.cancel()
    asyncio.get_running_loop().call_later(0.1, handed_over.set)
    async with asyncio.timeout(60):
        with pytest.raises(asyncio.CancelledError):
            await running
    assert int(note.read_text()) not in _groups()
    assert not host.lost


async def test_a_command_that_bears_term_is_gone_also_where_its_end_is_not_waited_for(tmp_path: Path) -> None:
    """By a limit, by who leaves, and by asyncio at the end of the process."""
    pid, termed = tmp_path / "pid", tmp_path / "termed"
    host = LocalHost("here", HostConfig(local=True))
    child = "(trap '' TERM; sleep 600) &"
    script = f"{child} trap 'touch {termed}' TERM; echo $$ >{pid}.new; mv {pid}.new {pid}; while :; do sleep 0.1; done"
    running = asyncio.create_task(host.run(["sh", "-c", script]))
    await until(pid.exists)
    running.cancel()
    await until(termed.exists)
    while not running.done():
        running.cancel()
        await turn()
    assert running.cancelled()
    await until(lambda: int(pid.read_text()) not in _groups(), timeout_s=20)
    await host.close()


def _groups() -> set[int | None]:
    """The process groups that run."""
    return {_group(stat) for stat in Path("/proc").glob("[0-9]*/stat")}


def _group(stat: Path) -> int | None:
    """The process group of a process that runs (proc(5)); None for one that has ended."""
    try:
        state, _parent, group, *_ = stat.read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state == "Z" else int(group)
