"""Connections over which HTTP is spoken: none is left open when whoever waits for it is cancelled."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest

from lilfox_tui.hosts.http import HttpConnection, HttpTransport
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
