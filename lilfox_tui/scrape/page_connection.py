"""GET over a kept HTTP/1.1 connection, as light as it gets: a scrape a second of many targets is mostly this.

On asyncio's streams and h11, the parser that httpx uses too; a request through httpx costs several times as much.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lilfox_tui.hosts.base import CONNECT_AT_LEAST_S, Host
from lilfox_tui.hosts.http_way import Tls, tls_context

if TYPE_CHECKING:
    import ssl

    import h11

_BLOCK = 256 * 1024
_HEAD_LIMIT = 64 * 1024


class Answer:
    """The head of an answer; names in ``headers`` are in lower case. The body is read by :meth:`blocks`."""

    def __init__(self, connection: PageConnection, status: int, headers: Mapping[str, str]) -> None:
        self.status, self.headers = status, headers
        self._connection = connection

    async def blocks(self) -> AsyncIterator[bytes]:
        """The body as it is sent, block by block. Raises OSError, h11.RemoteProtocolError."""
        import h11

        while isinstance(event := await self._connection.event(), h11.Data):
            yield bytes(event.data)


class PageConnection:
    """To ``scheme://host:port`` of ``url``, through the port that ``host`` forwards, or from here. One request at a
    time."""

    def __init__(self, url: str, host: Host | None, *, timeout_s: float, tls: Tls) -> None:
        parts = urlsplit(url)
        self.netloc = parts.netloc.rpartition("@")[2]
        self._https, self._address = parts.scheme == "https", parts.hostname or ""
        self._port = parts.port or (443 if self._https else 80)
        self._host, self._timeout_s, self._tls = host, timeout_s, tls
        self._forwarded = AsyncExitStack()
        self._place: tuple[str, int] | None = None
        self._context: ssl.SSLContext | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._state: h11.Connection | None = None
        self._used = False

    @property
    def where(self) -> str:
        """``address:port``, as errors name it."""
        return f"[{self._address}]:{self._port}" if ":" in self._address else f"{self._address}:{self._port}"

    async def connect(self) -> None:
        """Opens the way if it is not open. Raises HostError, TimeoutError, OSError, LilFoxError."""
        if self._writer is not None:
            return
        async with asyncio.timeout(max(self._timeout_s, CONNECT_AT_LEAST_S)):
            if self._place is None:
                self._place = (self._address, self._port)
                if self._host is not None:
                    forwarding = self._host.forward(self._port, self._address)
                    self._place = await self._forwarded.enter_async_context(forwarding)
            if self._https and self._context is None:
                self._context = await asyncio.to_thread(tls_context, self._tls)
            name = (self._tls.server_name or self._address) if self._https else None
            self._reader, self._writer = await asyncio.open_connection(
                *self._place, ssl=self._context, server_hostname=name, limit=2 * _BLOCK
            )
        import h11

        self._used = False
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)

    @asynccontextmanager
    async def get(self, path: str, headers: Mapping[str, str]) -> AsyncIterator[Answer]:
        """The answer to a GET of ``path``; a kept connection that the server has closed meanwhile is opened anew.
        Raises what :meth:`connect` does, and h11.ProtocolError."""
        import h11

        try:
            answer = await self._asked(path, headers)
        except (OSError, h11.RemoteProtocolError):
            if not self._used:
                raise
            await self.hang_up()
            answer = await self._asked(path, headers)
        try:
            yield answer
        finally:
            await self._next()

    async def event(self) -> object:
        """The next event of h11. Raises OSError (also where the server hangs up too early), h11.RemoteProtocolError."""
        import h11

        assert self._state is not None
        assert self._reader is not None
        data = b"?"
        try:
            while (event := self._state.next_event()) is h11.NEED_DATA:
                data = await self._reader.read(_BLOCK)
                self._state.receive_data(data)
        except h11.RemoteProtocolError:
            if not data:
                raise ConnectionResetError(errno.ECONNRESET, "cut") from None
            raise
        return event

    async def hang_up(self) -> None:
        """Ends the connection; the forwarded port stays."""
        writer, self._writer, self._state = self._writer, None, None
        if writer is not None:
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def close(self) -> None:
        """Ends the connection and the forwarded port; the next request opens them again, with its certificates anew."""
        await self.hang_up()
        self._place = self._context = None
        opened, self._forwarded = self._forwarded, AsyncExitStack()
        await opened.aclose()

    async def _asked(self, path: str, headers: Mapping[str, str]) -> Answer:
        import h11

        await self.connect()
        assert self._writer is not None
        assert self._state is not None
        netloc = self.netloc if self.netloc.isascii() else self.netloc.encode("idna").decode()
        request = h11.Request(method="GET", target=path, headers=[("Host", netloc), *headers.items()])
        self._writer.write((self._state.send(request) or b"") + (self._state.send(h11.EndOfMessage()) or b""))
        while isinstance(event := await self.event(), h11.InformationalResponse):
            pass
        if not isinstance(event, h11.Response):
            raise ConnectionResetError(errno.ECONNRESET, "cut")
        return Answer(
            self, event.status_code, {name.decode(): value.decode("latin-1") for name, value in event.headers}
        )

    async def _next(self) -> None:
        """Keeps the connection where the answer was read to its end and the server keeps it too."""
        import h11

        state = self._state
        if state is None or state.our_state is not h11.DONE or state.their_state is not h11.DONE:
            await self.hang_up()
        else:
            state.start_next_cycle()
            self._used = True
