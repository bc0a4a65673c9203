"""A wire between a client and one sshd that can be cut without either end being told, and mended."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Literal

from tests.services.http_servers import stop_accepting
from tests.services.sshd import Sshd

BLOCK = 64 * 1024
Way = Literal["both", "there", "back"]
"""``there``: from the client to the server."""


class Relay:
    """Passes bytes on in both directions while it is not cut; ``greeting`` is what it sends first.

    While it is cut, nothing is read, nothing is sent and nothing is closed, as when a cable is pulled; new
    connections get no answer either. Once mended, what was under way arrives.
    """

    def __init__(self, server: Sshd, *, greeting: bytes = b"") -> None:
        self.address = "127.0.0.1"
        self.port = 0
        self.carried_bytes = 0
        """Both ways together."""
        self._server = server
        self._greeting = greeting
        self._there, self._back = asyncio.Event(), asyncio.Event()
        self.mend()
        self._wires: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None

    def known_line(self) -> str:
        """The line of known_hosts for the server behind it."""
        _, words = self._server.known_line().split(" ", 1)
        return f"[{self.address}]:{self.port} {words}"

    def cut(self, way: Way = "both") -> None:
        """From now on nothing passes, or nothing that goes that way."""
        if way != "back":
            self._there.clear()
        if way != "there":
            self._back.clear()

    def mend(self) -> None:
        """Lets everything pass again."""
        self._there.set()
        self._back.set()

    async def __aenter__(self) -> Relay:
        self._listener = await asyncio.start_server(self._connected, self.address, 0)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._listener is not None
        await stop_accepting(self._listener)
        for wire in list(self._wires):
            wire.cancel()
        await asyncio.gather(*self._wires, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._wires.add(task)
        far_writer: asyncio.StreamWriter | None = None
        try:
            await self._there.wait()
            far_reader, far_writer = await asyncio.open_connection(self._server.address, self._server.port)
            writer.write(self._greeting)
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._pass_on(reader, far_writer, self._there))
                ways.create_task(self._pass_on(far_reader, writer, self._back))
        except* (OSError, asyncio.CancelledError):
            pass  # an end went away, or the test is over
        finally:
            for end in (writer, far_writer):
                if end is not None:
                    end.close()
            self._wires.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, whole: asyncio.Event) -> None:
        while block := await reader.read(BLOCK):
            await whole.wait()
            self.carried_bytes += len(block)
            writer.write(block)
            await writer.drain()
        await whole.wait()
        with suppress(OSError):
            writer.close()
