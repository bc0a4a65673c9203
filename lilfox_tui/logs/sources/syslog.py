"""Syslog over the network: listens on this machine for messages of RFC 5424 and RFC 3164 over UDP and TCP.

UDP has one message a datagram (RFC 5426). On TCP a message is preceded by its length or ends at a newline (RFC 6587);
each connection is recognised by its first byte. Nothing is forwarded or kept on a disk.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Literal

from msgspec.structs import replace

from lilfox_tui.config.model import LogConfig
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import _, tr
from lilfox_tui.logs.formats.syslog import parse
from lilfox_tui.logs.record import RAW_LIMIT
from lilfox_tui.logs.source import SourceSettings
from lilfox_tui.logs.stream_source import StreamOrigin, StreamSource

CONNECTIONS_MOST = 200
WAITING_MOST = 20_000
"""So many messages wait to be read at most; more are dropped, and a record says how many."""
IDLE_S = 3600.0
"""A connection that sends nothing for so long is closed."""


_PRIORITY = re.compile(rb"(<\d{1,3}>)")


class Options(LogConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whoever can reach the address can send messages: listen where only your hosts can."""

    kind: str = "syslog"
    listen: str = "127.0.0.1:5514"
    """``ADDRESS:PORT`` of this machine. Ports below 1024 need root."""
    protocols: tuple[Literal["udp", "tcp"], ...] = ("udp", "tcp")


def open_source(name: str, options: Options, setting: SourceSettings) -> StreamSource:
    """Return a source that listens from the first query on. Raises UsageError for an address that is none."""
    address, _colon, port = options.listen.rpartition(":")
    if not address or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(tr("log {name}: listen is not ADDRESS:PORT: {given}", name=name, given=options.listen))
    if options.host is not None:
        raise UsageError(
            tr("log {name}: syslog is received on this machine, not on {host}", name=name, host=options.host),
            tr("Remove host, and send the messages here."),
        )
    receiver = _Receiver(name, address.strip("[]"), int(port), options.protocols)
    described = f"syslog {options.listen} {' '.join(options.protocols)}"
    made = replace(setting, format=setting.format or "syslog")
    return StreamSource(name, StreamOrigin(described, receiver.blocks), made)


class _Receiver:
    """What is received, as bytes of a log with one message a line."""

    def __init__(self, name: str, address: str, port: int, protocols: tuple[str, ...]) -> None:
        self._name, self._address, self._port, self._protocols = name, address, port, protocols
        self._waiting: deque[bytes] = deque()
        self._dropped = 0
        self._connections = 0
        self._arrived = asyncio.Event()

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """Listen, and yield what has arrived. Raises LilFoxError if the address cannot be used."""
        async with AsyncExitStack() as opened:
            try:
                await self._listen(opened)
            except OSError as error:
                raise LilFoxError(
                    tr("log {name}: cannot listen on {address}: {reason}", name=self._name,
                       address=f"{self._address}:{self._port}", reason=error.strerror or str(error)),
                    tr("Choose another address or port for listen, or stop what uses it: ss -lntup"),
                ) from None  # fmt: skip
            yield b""  # it listens: nothing has to arrive before the first page
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                lines, self._waiting = self._waiting, deque()
                if self._dropped:
                    lines.append(self._notice(_("{count} messages were dropped", count=self._dropped)))
                    self._dropped = 0
                yield b"".join(lines)

    async def _listen(self, opened: AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()
        if "udp" in self._protocols:
            transport, _protocol = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self), local_addr=(self._address, self._port)
            )
            opened.callback(transport.close)
        if "tcp" in self._protocols:
            server = await asyncio.start_server(self._connected, self._address, self._port, limit=2 * RAW_LIMIT)
            opened.callback(server.close)

    def take(self, message: bytes) -> None:
        """Take in one message. A newline in it never begins a message."""
        text = message.rstrip(b"\r\n\0")[:RAW_LIMIT].replace(b"\0", b"")
        if not text:
            return
        if parse(text, UTC) is None:  # as a relay does (RFC 3164, section 4.3.3)
            priority = found[1] if (found := _PRIORITY.match(text)) else b"<13>"
            text = b"%s1 %s - - - - - %s" % (
                priority,
                datetime.now(UTC).isoformat().encode(),
                text[found.end() if found else 0 :],
            )
        if len(self._waiting) >= WAITING_MOST:
            self._dropped += 1
        else:
            self._waiting.append(text.replace(b"\n", b"\n ") + b"\n")
        self._arrived.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= CONNECTIONS_MOST:
            writer.close()
            return
        self._connections += 1
        try:
            await self._read(reader)
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            """It has ended, or what it sends is no syslog; the sender connects again."""
        finally:
            self._connections -= 1
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        first = await reader.read(1)
        counted = first in (b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9")
        while first:
            async with asyncio.timeout(IDLE_S):
                if counted:
                    length = int(first + (await reader.readuntil(b" "))[:-1])
                    self.take(await _exactly(reader, length))
                else:
                    self.take(first + await _line(reader))
            first = await reader.read(1)

    def _notice(self, text: str) -> bytes:
        return f"<44>1 {datetime.now(UTC).isoformat()} - lilfox - - - {text}\n".encode()


async def _exactly(reader: asyncio.StreamReader, length: int) -> bytes:
    """Read so many bytes, and keep what a record may have of them."""
    kept = await reader.readexactly(min(length, RAW_LIMIT))
    left = length - len(kept)
    while left > 0:
        left -= len(await reader.readexactly(min(left, RAW_LIMIT)))
    return kept


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Read to the end of the line, or of the connection."""
    try:
        return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as error:
        return error.partial


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, receiver: _Receiver) -> None:
        self._receiver = receiver

    def datagram_received(self, data: bytes, _addr: object) -> None:
        self._receiver.take(data)
