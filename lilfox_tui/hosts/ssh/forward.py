"""A port of a host on this machine: each connection is taken here and carried through a channel of the SSH connection.

asyncssh forwards ports itself, but leaves a connection open for ever whose channel was being opened when the link went
away (forward.py of 2.24: what opens it is cancelled, and closes nothing)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncssh

from lilfox_tui.hosts.ssh.errors import LINK_ERRORS
from lilfox_tui.task_group import CancelSafeTaskGroup

_BLOCK = 256 * 1024


@asynccontextmanager
async def forwarded(
    connection: asyncssh.SSHClientConnection, lost: asyncio.Event, address: str, port: int
) -> AsyncIterator[int]:
    """A port of 127.0.0.1 that leads to ``address:port`` as the host sees it, until the connection is ``lost``. Raises
    OSError."""
    carried: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        carried.add(task)
        try:
            await _carry(connection, address, port, reader, writer)
        except (*LINK_ERRORS, OSError):
            pass  # whoever asked sees a connection that ends
        finally:
            carried.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    end = asyncio.create_task(_close_when(lost, server))
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        tasks = [end, *carried]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _close_when(lost: asyncio.Event, server: asyncio.Server) -> None:
    """Refuses from the moment on when nothing can be carried any more."""
    await lost.wait()
    server.close()


async def _carry(
    connection: asyncssh.SSHClientConnection,
    address: str,
    port: int,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    from_there, to_there = await connection.open_connection(address, port, encoding=None)
    try:
        async with CancelSafeTaskGroup() as both:
            both.create_task(_pass_on(reader, to_there))
            both.create_task(_pass_on(from_there, writer))
        with suppress(OSError):
            writer.close()
            await writer.wait_closed()
    except* (*LINK_ERRORS, OSError):
        pass
    finally:
        to_there.close()


async def _pass_on(
    source: asyncio.StreamReader | asyncssh.SSHReader[bytes], sink: asyncio.StreamWriter | asyncssh.SSHWriter[bytes]
) -> None:
    while block := await source.read(_BLOCK):
        sink.write(block)
        await sink.drain()
    sink.write_eof()
