"""Small servers on loopback that answer as bad services do. Each is one function over a raw connection."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from tests.waiting import turn

ACCEPTED_AFTER = 5
"""Turns of the loop after which a connection that was accepted in the last moment is given to who serves it."""
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on a port of its own; every connection is given to ``talk`` and ended with the block."""
    tasks: set[asyncio.Task[None]] = set()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            await _closed(writer)
            tasks.discard(task)

    server = await asyncio.start_server(connection, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        await stop_accepting(server)
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def stop_accepting(server: asyncio.Server) -> None:
    """Closes the server. A connection that was accepted in the last moment is given to who serves it: where the server
    is closed before that, CPython 3.11 leaves it open."""
    loop = asyncio.get_running_loop()
    for listening in server.sockets:
        loop.remove_reader(listening)
    for _turn in range(ACCEPTED_AFTER):
        await turn()
    server.close()


async def _closed(writer: asyncio.StreamWriter) -> None:
    """Returns when the connection is gone, so that it does not outlive its loop; at the block's end it is cut."""
    writer.close()
    try:
        await writer.wait_closed()
    except (OSError, asyncio.CancelledError):
        writer.transport.abort()
        gone = asyncio.Event()
        asyncio.get_running_loop().call_soon(gone.set)
        await gone.wait()


def says(answer: bytes) -> Talk:
    """Reads a request's head, sends ``answer`` as it is and closes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    return talk


def page(body: bytes, *, status: str = "200 OK", head: str = "") -> Talk:
    """One answer with a length, then the end of the connection."""
    return says(f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)


async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes the connection and stays silent."""
    await asyncio.Event().wait()


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers 200 and sends one byte of the body every 50 ms, for ever."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    loop = asyncio.get_running_loop()
    while True:
        writer.write(b"x")
        await writer.drain()
        pause = asyncio.Event()
        loop.call_later(0.05, pause.set)
        await pause.wait()


class Flood:
    """Promises a body of 1 GB and sends it; ``sent`` counts the bytes that were taken."""

    def __init__(self) -> None:
        self.sent = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n")
        while self.sent < 2**30:
            writer.write(b"x" * 65536)
            await writer.drain()
            self.sent += 65536


class Keeping:
    """Answers any number of requests on a connection, and keeps what it was asked."""

    def __init__(self, requests_a_connection: int = 1000) -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self._limit = requests_a_connection

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        for _ in range(self._limit):
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            await writer.drain()


def own_certificate(folder: Path) -> ssl.SSLContext:
    """TLS with a certificate that nobody has signed."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
