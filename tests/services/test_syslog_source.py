"""Syslog over UDP and TCP from a real logger(1), and from senders that misbehave."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC
from typing import NamedTuple

import pytest

from lilfox_tui.config.model import HostConfig
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.record import RAW_LIMIT, LogRecord, Severity
from lilfox_tui.logs.source import AtBeginning, SourceSettings
from lilfox_tui.logs.sources import syslog
from lilfox_tui.logs.sources.syslog import Options, open_source
from lilfox_tui.logs.stream_source import StreamSource
from tests.ports import free_port
from tests.waiting import PATIENCE_S


class Listening(NamedTuple):
    """A source that listens, and its port."""

    source: StreamSource
    port: int

    async def received(self, count: int) -> list[LogRecord]:
        """The first records, as soon as there are so many."""
        found: list[LogRecord] = []
        async with asyncio.timeout(PATIENCE_S), aclosing(self.source.follow(AtBeginning(), EVERYTHING)) as batches:
            async for batch in batches:
                found += [item for item in batch if isinstance(item, LogRecord)]
                if len(found) >= count:
                    break
        return found

    def send(self, *messages: bytes) -> None:
        """Send datagrams."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for message in messages:
                sender.sendto(message, ("127.0.0.1", self.port))

    async def stream(self, *parts: bytes) -> None:
        """Send these bytes over one connection, part by part, and close it."""
        _reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for part in parts:
            writer.write(part)
            await writer.drain()
        writer.close()
        await writer.wait_closed()


@pytest.fixture
async def net() -> AsyncIterator[Listening]:
    host, port = LocalHost("here", HostConfig(local=True)), free_port()
    source = open_source("net", Options(listen=f"127.0.0.1:{port}"), SourceSettings(host=host, zone=UTC))
    assert (await source.page(AtBeginning(), older=False, limit=1, where=EVERYTHING)).records == ()
    yield Listening(source, port)
    await source.close()
    await host.close()


@pytest.mark.parametrize(
    "words",
    [
        ("--udp", "--rfc5424"), ("--udp", "--rfc3164"), ("--tcp", "--rfc5424"), ("--tcp", "--rfc3164"),
        ("--tcp", "--rfc5424", "--octet-count"),
    ],
)  # fmt: skip
async def test_messages_of_logger(net: Listening, words: tuple[str, ...]) -> None:
    for number, priority in ((1, "local0.err"), (2, "user.notice")):
        argv = ("logger", "--server", "127.0.0.1", "--port", str(net.port), *words, "-t", "shop", "-p", priority)
        process = await asyncio.create_subprocess_exec(*argv, f"payment {number} – 失败", env={"LC_ALL": "C.UTF-8"})
        assert await process.wait() == 0
    first, second = await net.received(2)
    assert [each.entry.severity for each in (first, second)] == [Severity.ERROR, Severity.NOTICE]
    assert (first.entry.fields["app"], first.entry.message) == ("shop", "payment 1 – 失败")
    assert second.entry.message == "payment 2 – 失败"
    assert first.entry.time_us is not None


async def test_a_newline_in_a_message_begins_no_other(net: Listening) -> None:
    net.send(b"<11>1 2026-03-01T10:00:00Z web shop - - - a\n<8>1 2026-03-01T10:00:00Z root su - - - forged\n", b"\n\0")
    net.send(b"<14>1 2026-03-01T10:00:01Z web shop - - - b")
    first, second = await net.received(2)
    assert (first.entry.severity, first.entry.fields["host"]) == (Severity.ERROR, "web")
    assert second.entry.message == "b"


async def test_lengths_and_newlines_on_tcp_however_they_are_cut(net: Listening) -> None:
    one = b"<14>1 2026-03-01T10:00:00Z web shop - - - one\nwith a second line"
    await net.stream(b"%d " % len(one), one[:20], one[20:] + b"7 <14>two", b"9 <14>", b"three")
    assert [each.entry.message for each in await net.received(3)] == ["one\n with a second line", "two", "three"]


async def test_a_connection_that_ends_within_a_message_keeps_what_came(net: Listening) -> None:
    await net.stream(b"<14>1 2026-03-01T10:00:00Z web shop - - - whole\n<14>1 2026-03-01T10:00:01Z web shop - - - part")
    assert [each.entry.message for each in await net.received(2)] == ["whole", "part"]


async def test_what_is_no_syslog_harms_nothing(net: Listening) -> None:
    await net.stream(b"9" * 5000)
    await net.stream(b"999999999999 <14>endless")
    await net.stream(b"\x16\x03\x01\x00\xa5" + bytes(range(256)) * 4)
    await net.stream(b"<14>" + b"x" * (3 * RAW_LIMIT) + b"\n")
    net.send(b"", b"\0\0", b"\xff" * 2000)
    net.send(b"<14>1 2026-03-01T10:00:01Z web shop - - - after")
    found: list[LogRecord] = []
    while not any(each.entry.message == "after" for each in found):
        found = await net.received(len(found) + 1)
    assert all(len(each.raw) <= RAW_LIMIT for each in found)


async def test_more_than_can_be_read_is_dropped_and_counted(net: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "WAITING_MOST", 3)
    await net.stream(b"".join(b"<14>1 2026-03-01T10:00:00Z web shop - - - %d\n" % number for number in range(50)))
    found = await net.received(4)
    dropped = [each for each in found if each.entry.fields.get("app") == "lilfox"]
    assert dropped
    assert dropped[0].entry.severity == Severity.WARNING


async def test_more_connections_than_allowed_are_closed(net: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "CONNECTIONS_MOST", 1)
    _reader, first = await asyncio.open_connection("127.0.0.1", net.port)
    first.write(b"<14>first\n")
    await net.received(1)
    reader, second = await asyncio.open_connection("127.0.0.1", net.port)
    async with asyncio.timeout(PATIENCE_S):
        assert await reader.read() == b""
    for writer in (first, second):
        writer.close()


async def test_an_address_that_is_in_use_or_none(net: Listening) -> None:
    setting = SourceSettings(host=net.source.host, zone=UTC)
    other = open_source("other", Options(listen=f"127.0.0.1:{net.port}"), setting)
    with pytest.raises(LilFoxError, match=f"log other: cannot listen on 127.0.0.1:{net.port}: "):
        await other.page(AtBeginning(), older=False, limit=1, where=EVERYTHING)
    await other.close()
    for listen in ("5514", ":5514", "127.0.0.1:", "127.0.0.1:99999", "127.0.0.1:x"):
        with pytest.raises(UsageError, match="listen is not ADDRESS:PORT"):
            open_source("other", Options(listen=listen), setting)
    with pytest.raises(UsageError, match="received on this machine, not on web1"):
        open_source("other", Options(host="web1"), setting)
