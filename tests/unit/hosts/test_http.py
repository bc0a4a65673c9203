"""Connections over which HTTP is spoken: none is left open when whoever waits for it is cancelled, and what has arrived
of an answer comes at once."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import cast
from unittest.mock import AsyncMock, Mock

import pytest

from lilfox_tui.hosts.http import HttpConnection, HttpFault, HttpTransport
from tests.pages import served


async def ask(transport: HttpTransport) -> bytes:
    async with transport.stream("GET", "/", headers={}) as answer:
        return await answer.body(1024)


async def test_a_kept_connection_is_closed_when_the_next_request_is_cancelled_while_it_is_checked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checked = asyncio.Event()

    async def forever(_connection: HttpConnection) -> bool:
        checked.set()
        await asyncio.Event().wait()
        return True

    with served([lambda: (200, b"ok")]) as (address,):
        transport = HttpTransport(f"http://{address}", None, timeout_s=60.0, keep_idle_s=60.0)
        assert await ask(transport) == b"ok"
        monkeypatch.setattr(HttpConnection, "is_idle", forever)
        asking = asyncio.create_task(ask(transport))
        await checked.wait()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await transport.close()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            del asking
            gc.collect()
        assert [str(each.message) for each in told if each.category is ResourceWarning] == []


HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def blocks_of(*arriving: bytes) -> list[bytes]:
    """The blocks of an answer that arrives in these parts; each once what came before is read."""
    reader, parts = asyncio.StreamReader(), iter(arriving)
    reader.feed_data(HEAD + next(parts))
    writer = Mock(drain=AsyncMock())
    connection = HttpConnection("it", reader, cast("asyncio.StreamWriter", writer))
    answer = await connection.ask("GET", "/", {"host": "it"}, b"")
    found: list[bytes] = []
    try:
        async for block in answer.blocks():
            found.append(block)
            reader.feed_data(next(parts, b""))
    except HttpFault:
        found.append(b"fault")
    else:
        assert connection.finish(), "another request can be sent"
    return found


async def test_chunks_that_have_arrived_are_one_block() -> None:
    one, end = b"4\r\none\n\r\n", b"0\r\n\r\n"
    assert await blocks_of(one * 3, one + one[:3], one[3:], end) == [b"one\n" * 3, b"one\n", b"one\n"]
    assert await blocks_of(one + end) == [b"one\n"]
    assert b"".join(await blocks_of(one * 1000, end)) == b"one\n" * 1000
    assert await blocks_of(one * 2 + b"no chunk\r\n") == [b"one\n" * 2, b"fault"]
