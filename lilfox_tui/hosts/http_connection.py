"""One connection over which HTTP/1.1 is spoken, on asyncio's streams and h11, the parser.

h11 judges what is HTTP and bounds heads and chunk lines; the bytes of a body are bounded by who reads them, the time
by who asks.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from lilfox_tui.hosts.http_answer import Answer, HttpFault, HungUp
from lilfox_tui.i18n import tr

if TYPE_CHECKING:
    import h11

_BLOCK = 64 * 1024
_HEAD_LIMIT = 64 * 1024
_INTERIM_AT_MOST = 8
"""Answers such as ``100 Continue`` before the one that counts; nothing here asks for any."""
_NUMBER_OF_ERROR = re.compile(r"\[Errno (\d+)\]")


class HttpConnection:
    """To ``where`` (``address:port``, as errors name it). One request at a time."""

    def __init__(self, where: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        import h11

        self.used = False
        """Whether it has brought an answer before: a server may close such a one at any time."""
        self.idle_since = 0.0
        self._where, self._reader, self._writer = where, reader, writer
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEAD_LIMIT)

    @classmethod
    async def opened(
        cls, where: str, place: tuple[str, int], context: ssl.SSLContext | None, name: str
    ) -> HttpConnection:
        """A connection to ``place``; over TLS with ``context``, where the server is to be ``name``. Raises OSError."""
        try:
            reader, writer = await asyncio.open_connection(
                *place, ssl=context, server_hostname=None if context is None else name, limit=2 * _BLOCK,
                happy_eyeballs_delay=0.25,
            )  # fmt: skip
        except OSError as error:
            number = _NUMBER_OF_ERROR.search(str(error))
            if error.errno is None and number is not None:  # several addresses, each with an error of its own
                raise OSError(int(number[1]), str(error)) from None
            raise
        return cls(where, reader, writer)

    async def is_idle(self) -> bool:
        """Whether it can be asked again: still open, and nothing came unasked, as 408 does before a server hangs up.
        That would be taken for the answer to what is asked next."""
        coming = asyncio.create_task(self._reader.read(1))
        try:
            await asyncio.sleep(0)  # what has arrived is taken in
            await asyncio.sleep(0)
            return not (coming.done() or self._writer.transport.is_closing())
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)

    async def ask(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Answer:
        """The answer, its head read and its body not. Raises HttpFault, OSError."""
        import h11

        try:
            head = self._state.send(h11.Request(method=method, target=target, headers=list(headers.items())))
            data = self._state.send(h11.Data(content)) if content else b""
            end = self._state.send(h11.EndOfMessage())
        except h11.LocalProtocolError:
            raise HttpFault(
                tr("{where} cannot be asked: its path or a header holds characters that HTTP does not allow",
                   where=self._where)
            ) from None  # fmt: skip
        self._writer.write((head or b"") + (data or b"") + (end or b""))
        await self._writer.drain()
        return await self._answer()

    def finish(self) -> bool:
        """Whether it may be asked once more: the answer was read to its end, nothing stands behind it, and the server
        keeps the connection."""
        import h11

        state = self._state
        if state.our_state is not h11.DONE or state.their_state is not h11.DONE or state.trailing_data[0]:
            return False
        state.start_next_cycle()
        self.used = True
        return True

    async def hang_up(self) -> None:
        """Ends the connection."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _answer(self) -> Answer:
        import h11

        for _interim in range(_INTERIM_AT_MOST):
            event = await self._event()
            if isinstance(event, h11.Response):
                headers: dict[str, str] = {}
                for raw_name, raw_value in event.headers:
                    name, value = raw_name.decode("ascii"), raw_value.decode("latin-1")
                    headers[name] = f"{headers[name]}, {value}" if name in headers else value
                return Answer(self._where, event.status_code, headers, self._blocks())
            if not isinstance(event, h11.InformationalResponse):
                raise self._cut()
        raise HttpFault(
            tr("{where} sends one interim answer (1xx) after the other and none that counts", where=self._where),
            tr("See the service's log."),
        )

    async def _blocks(self) -> AsyncIterator[bytes]:
        import h11

        while isinstance(event := await self._event(), h11.Data):
            yield bytes(event.data)

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        import h11

        data = b"?"
        try:
            while (event := self._state.next_event()) is h11.NEED_DATA:
                data = await self._reader.read(_BLOCK)
                self._state.receive_data(data)
        except h11.RemoteProtocolError:
            if not data:
                raise self._cut() from None
            raise HttpFault(
                tr("{where} does not answer in HTTP: check the port and http or https in the url", where=self._where)
            ) from None
        return event

    def _cut(self) -> HungUp:
        return HungUp(
            tr("{where} closed the connection without a whole answer: see the service's log", where=self._where)
        )
