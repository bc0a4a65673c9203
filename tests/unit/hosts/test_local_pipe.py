"""The pipe that a local command writes into."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import aclosing

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.hosts.local_pipe import BLOCK, Pipe
from tests.waiting import until


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
