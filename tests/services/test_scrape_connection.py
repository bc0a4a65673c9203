"""The way to a target's page: kept connections, pages in pieces, and through a host's SSH connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest

from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.scrape.scraper import NoPage, PageRequest
from lilfox_tui.scrape.target import ScrapeTarget
from tests.services.http_servers import page, serving
from tests.services.sshd import SshdLab, sshd_lab
from tests.waiting import pause


@contextlib.asynccontextmanager
async def asking(port: int, host: Host | None = None) -> AsyncIterator[PageRequest]:
    request = PageRequest(ScrapeTarget(f"http://127.0.0.1:{port}/metrics", (("job", "j"),), timeout_s=5), host)
    try:
        yield request
    finally:
        await request.close()


class Server:
    """Answers any number of requests on a connection, each with the next of ``answers``, and sends ``unasked`` behind
    the first one; ``drops``: then hangs up."""

    def __init__(self, *answers: bytes, drops: bool = False, unasked: bytes = b"") -> None:
        self.answers, self.connections, self._drops, self._unasked = list(answers), 0, drops, unasked
        self.ended = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while self.answers:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answers.pop(0))
            await writer.drain()
            if self._unasked:
                await pause()
                writer.write(self._unasked)
                await writer.drain()
                self._unasked = b""
                self.ended.set()
            if self._drops:
                break
        writer.close()
        self.ended.set()


PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n"
PIECES = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na \r\n2\r\n2\n\r\n0\r\n\r\n"
UNTIL_END = b"HTTP/1.0 200 OK\r\n\r\na 3\n"


async def test_a_connection_is_kept_over_pages_in_one_or_many_pieces() -> None:
    server = Server(PLAIN, PIECES, b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN)
    async with serving(server) as port, asking(port) as request:
        contents = [(await request.fetch()).content for _time in range(3)]
    assert contents == [b"a 1\n", b"a 2\n", b"a 1\n"]
    assert server.connections == 1


async def test_a_kept_connection_that_was_closed_meanwhile_is_opened_anew() -> None:
    server = Server(PLAIN, PLAIN, UNTIL_END, drops=True)
    async with serving(server) as port, asking(port) as request:
        contents = []
        for _time in range(3):
            contents.append((await request.fetch()).content)
            await asyncio.wait_for(server.ended.wait(), 60)
            server.ended.clear()
    assert contents == [b"a 1\n", b"a 1\n", b"a 3\n"]
    assert server.connections == 3


LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.fault("4.99")
async def test_an_answer_that_nobody_asked_for_answers_nothing() -> None:
    server = Server(PLAIN, PLAIN, PIECES, unasked=LATE)
    async with serving(server) as port, asking(port) as request:
        first = await request.fetch()
        await server.ended.wait()
        second = await request.fetch()
    assert (first.content, second.content) == (b"a 1\n", b"a 1\n")
    assert server.connections == 2


@pytest.mark.fault("4.99")
async def test_an_answer_behind_an_answer_is_none() -> None:
    server = Server(PLAIN + LATE, PIECES)
    async with serving(server) as port, asking(port) as request:
        contents = [(await request.fetch()).content for _time in range(2)]
    assert contents == [b"a 1\n", b"a 2\n"]
    assert server.connections == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\na 1\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 4\r\n\r\na 1\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
async def test_what_is_no_http_is_refused(answer: bytes) -> None:
    async with serving(Server(answer)) as port, asking(port) as request:
        with pytest.raises(NoPage, match="does not speak HTTP"):
            await request.fetch()


async def test_nobody_there_is_said_so_and_tried_again() -> None:
    async with serving(page(b"a 1\n")) as port:
        pass
    async with asking(port) as request:
        for _time in range(2):
            with pytest.raises(NoPage, match="refuses the connection"):
                await request.fetch()


async def asked(request: PageRequest) -> bytes | None:
    try:
        return (await request.fetch()).content
    except NoPage:
        return None


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


async def test_is_asked_through_a_host_also_after_its_link_was_lost(lab: SshdLab) -> None:
    sshd = lab.sshd()
    host = open_host("web", lab.host(sshd), lab.ssh())
    try:
        async with serving(page(b"a 1\n")) as port, asking(port, host) as request:
            assert (await request.fetch()).content == b"a 1\n"
            sshd.kill()
            with pytest.raises(
                NoPage,
                match=r"cannot send the request from web|refuses|closed the connection|connection is broken"
                r"|no complete response",
            ):
                await request.fetch()
            sshd.start()
            async with asyncio.timeout(60):
                while (content := await asked(request)) is None:
                    pass
            assert content == b"a 1\n"
    finally:
        await host.close()
