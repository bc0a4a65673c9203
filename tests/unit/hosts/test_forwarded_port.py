"""A forwarded port that closes while a connection comes."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

import asyncssh
import pytest

from lilfox_tui.hosts.ssh.host import forwarded
from tests.waiting import turn, until


class Connection:
    """Counts the channels that are asked for; each waits for ever."""

    def __init__(self) -> None:
        self.asked = 0

    async def open_connection(self, *_where: object, **_options: object) -> None:
        self.asked += 1
        await asyncio.Event().wait()


@pytest.mark.parametrize("turns", range(8))
@pytest.mark.parametrize("is_lost", [False, True])
async def test_a_connection_that_comes_while_a_forwarded_port_closes_is_closed(turns: int, is_lost: bool) -> None:
    connection, lost = Connection(), asyncio.Event()
    async with forwarded(cast("asyncssh.SSHClientConnection", connection), lost, "127.0.0.1", 1) as port:
        caller = socket.create_connection(("127.0.0.1", port))
        caller.setblocking(False)
        for _turn in range(turns):
            await turn()
        if is_lost:
            lost.set()
            await turn()
    asked = connection.asked

    def is_told() -> bool:
        try:
            return caller.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionError:
            return True

    with caller:
        await until(is_told, what="the connection is closed")
    assert connection.asked == asked, "nothing is asked for once it is closed"
