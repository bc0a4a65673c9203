"""Servers whose answer costs more than it says, asked by everything here that speaks HTTP: each ends with a sentence,
after a bounded number of bytes, while everybody else goes on."""

from __future__ import annotations

import asyncio
import gzip
import resource
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import zstandard

from lilfox_tui.alerts.external import AlertmanagerApi
from lilfox_tui.alerts.notifier import JsonPost
from lilfox_tui.alerts.notifiers.webhook import Options as WebhookOptions
from lilfox_tui.backends.http_probe import HttpBackendOptions as LookOptions
from lilfox_tui.backends.http_probe import HttpProbe
from lilfox_tui.config.model import ApiConfig, HostConfig, ServiceConfig
from lilfox_tui.config.values import Seconds
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.hosts.local import LocalHost
from lilfox_tui.logs.http_source import HttpSourceOptions, LogServer
from lilfox_tui.metrics.health import HealthProbe
from lilfox_tui.monitor.daemon import Heartbeat
from lilfox_tui.promql.remote import RemoteEngine
from lilfox_tui.scrape.scraper import PageRequest
from lilfox_tui.scrape.target import ScrapeTarget
from tests.services.http_servers import Talk, serving
from tests.waiting import turn

MIB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SENT_AT_MOST = 90 * MIB
"""The largest limit of a body, 64 MiB, with what stands in the buffers of two sockets."""
Ask = Callable[[str, float], Awaitable[str]]


async def logs(url: str, timeout_s: float) -> str:
    server = LogServer(
        HttpSourceOptions(url=url, kind="loki", timeout=Seconds(timeout_s)), LocalHost("here", HostConfig())
    )
    return await refusal(server.ask("GET", "/x"), server.close)


async def prometheus(url: str, timeout_s: float) -> str:
    remote = RemoteEngine(ApiConfig(url=url, timeout=Seconds(timeout_s)))
    return await refusal(remote.rules(), remote.close)


async def alertmanager(url: str, timeout_s: float) -> str:
    api = AlertmanagerApi(ApiConfig(url=url, timeout=Seconds(timeout_s)))
    return await refusal(api.alerts(), api.close)


async def backend(url: str, timeout_s: float) -> str:
    look = HttpProbe(LookOptions(url=url, kind="rabbitmq", timeout=Seconds(timeout_s)), None)
    return await refusal(look.get("/api"), look.close)


async def target(url: str, timeout_s: float) -> str:
    request = PageRequest(ScrapeTarget(f"{url}/metrics", (("job", "j"),), timeout_s=timeout_s), None)
    return await refusal(request.fetch(), request.close)


async def notifier(url: str, timeout_s: float) -> str:
    post = JsonPost(WebhookOptions(url=url, timeout=Seconds(timeout_s)))
    return await refusal(post.send("/x", dict, {}), post.close)


async def heartbeat(url: str, timeout_s: float) -> str:
    said: list[str] = []
    told = asyncio.Event()

    def warn(message: object) -> None:
        said.append(str(message))
        told.set()

    beat = Heartbeat(url, 3600, warn, timeout_s=timeout_s)
    running = asyncio.create_task(beat.run())
    called = asyncio.create_task(told.wait())
    await asyncio.wait([called, running], timeout=2 * timeout_s + 1, return_when=asyncio.FIRST_COMPLETED)
    for task in (running, called):
        task.cancel()
    await asyncio.gather(running, called, return_exceptions=True)
    return "".join(said)


async def service(url: str, timeout_s: float) -> str:
    probe = HealthProbe("s", ServiceConfig(url=url, timeout=Seconds(timeout_s)), None, period_s=60)
    check = await probe.check_once()
    await probe.close()
    return str(check.error or check.detail)


async def refusal(asking: Awaitable[object], close: Callable[[], Awaitable[None]]) -> str:
    try:
        await asking
    except LilFoxError as error:
        return str(error)
    finally:
        await close()
    return ""


READERS = (logs, prometheus, alertmanager, backend, target)
"""They take a whole body; the rest takes its first bytes."""
ALL = (*READERS, service, notifier, heartbeat)


class Sender:
    """Sends a head and then the pieces, as fast as they are taken; ``sent`` counts their bytes."""

    def __init__(self, head: bytes, pieces: Callable[[], Iterator[bytes]]) -> None:
        self.head, self.pieces, self.sent = head, pieces, 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self.head)
        for piece in self.pieces():
            writer.write(piece)
            await writer.drain()
            self.sent += len(piece)
            await turn()


def endless(piece: bytes) -> Callable[[], Iterator[bytes]]:
    def pieces() -> Iterator[bytes]:
        while True:
            yield piece

    return pieces


def once(piece: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: iter([piece[at : at + 65536] for at in range(0, len(piece), 65536)])


def packed(encoding: bytes, body: bytes) -> Sender:
    return Sender(OK + b"Content-Encoding: " + encoding + b"\r\nContent-Length: %d\r\n\r\n" % len(body), once(body))


@asynccontextmanager
async def going_on() -> AsyncIterator[list[float]]:
    """Times between two turns of a task that only waits its turn."""
    gaps: list[float] = []
    clock = asyncio.get_running_loop().time

    async def tick() -> None:
        before = clock()
        while True:
            await turn()
            now = clock()
            gaps.append(now - before)
            before = now

    ticking = asyncio.create_task(tick())
    try:
        yield gaps
    finally:
        ticking.cancel()


def squeezed(pack: Any) -> bytes:
    """200 MiB of blanks, packed MiB by MiB."""
    return b"".join([*(pack.compress(b" " * MIB) for _each in range(200)), pack.flush()])


GZIP_BOMB = squeezed(zlib.compressobj(wbits=16 + zlib.MAX_WBITS))
STACKED = gzip.compress(GZIP_BOMB)


BODIES = {
    "gzip": (packed(b"gzip", GZIP_BOMB), "sent more than"),
    "x-gzip": (packed(b"x-gzip", GZIP_BOMB), "sent more than"),
    "stacked": (packed(b"gzip, gzip", STACKED), "which was not requested"),
    "two-headers": (packed(b"gzip\r\nContent-Encoding: gzip", STACKED), "which was not requested"),
    "zstd": (packed(b"zstd", squeezed(zstandard.ZstdCompressor().compressobj())), "which was not requested"),
    "deflate": (packed(b"deflate", zlib.compress(b" " * (20 * MIB))), "which was not requested"),
    "br": (packed(b"br", b"\x1b" * 500), "which was not requested"),
    "members": (packed(b"gzip", gzip.compress(b"") * 200_000), "corrupt or truncated"),
    "chunks": (
        Sender(OK + b"Transfer-Encoding: chunked\r\n\r\n", endless(b"10000\r\n" + b" " * 65536 + b"\r\n")),
        "more",
    ),
    "chunk-line": (
        Sender(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", endless(b"z" * 65536)),
        "does not speak HTTP",
    ),
    "length": (Sender(OK + b"Content-Length: 99999999999999\r\n\r\n", endless(b" " * 65536)), "sent more than"),
}
HEADS = {
    "continue": (Sender(b"", endless(b"HTTP/1.1 100 Continue\r\n\r\n" * 500)), "interim"),
    "hints": (Sender(b"", endless(b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n")), "interim"),
    "headers": (Sender(OK, endless(b"X-Y: " + b"z" * 1000 + b"\r\n")), "does not speak HTTP"),
    "header": (Sender(OK + b"X-Y: ", endless(b"z" * 65536)), "does not speak HTTP"),
}


@pytest.mark.fault("4.22")
@pytest.mark.parametrize("ask", READERS)
@pytest.mark.parametrize(("talk", "words"), BODIES.values(), ids=list(BODIES))
async def test_a_body_that_grows_is_given_up_with_a_sentence(ask: Ask, talk: Sender, words: str) -> None:
    talk.sent = 0
    async with serving(talk) as port, going_on() as gaps:
        said = await ask(f"http://127.0.0.1:{port}", 60)
    assert words in said
    assert talk.sent <= SENT_AT_MOST
    assert len(gaps) > 1
    assert max(gaps) < 2  # 20 ms without another load


@pytest.mark.fault("4.23")
@pytest.mark.parametrize("ask", ALL)
@pytest.mark.parametrize(("talk", "words"), HEADS.values(), ids=list(HEADS))
async def test_a_head_without_an_end_is_given_up_with_a_sentence(ask: Ask, talk: Sender, words: str) -> None:
    talk.sent = 0
    async with serving(talk) as port:
        said = await ask(f"http://127.0.0.1:{port}", 60)
    assert words in said or (ask is heartbeat and "HttpFault" in said)
    assert talk.sent <= 8 * MIB  # what stands in the buffers of two sockets


@pytest.mark.fault("4.24")
@pytest.mark.parametrize("ask", [*READERS, service, notifier])
async def test_a_body_that_drips_ends_with_the_time_that_is_given(ask: Ask) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        status = b"503 Busy" if ask is notifier else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1\r\nx\r\n")
            await writer.drain()
            tick = asyncio.Event()
            asyncio.get_running_loop().call_later(0.02, tick.set)
            await tick.wait()

    async with serving(drip) as port, asyncio.timeout(60):
        said = await ask(f"http://127.0.0.1:{port}", 0.3)
    assert "within 0.3 s" in said


@pytest.mark.fault("4.27")
@pytest.mark.parametrize("ask", [notifier, heartbeat])
async def test_what_is_taken_is_taken_however_the_body_goes_on(ask: Ask) -> None:
    """Told again, it would ring twice."""
    talk = Sender(OK + b"Transfer-Encoding: chunked\r\n\r\n1;", endless(b"z" * 65536))
    async with serving(talk) as port:
        assert await ask(f"http://127.0.0.1:{port}", 0.1) == ""
    assert talk.sent <= 8 * MIB


@pytest.mark.fault("4.25")
@pytest.mark.parametrize("ask", ALL)
async def test_nothing_is_led_to_another_server(ask: Ask) -> None:
    came: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(await reader.readuntil(b"\r\n\r\n"))

    async with serving(elsewhere) as other:
        head = b"HTTP/1.1 307 Go\r\nLocation: http://127.0.0.1:%d/\r\nContent-Length: 0\r\n\r\n" % other
        async with serving(Sender(head, once(b""))) as port:
            said = await ask(f"http://127.0.0.1:{port}", 60)
    assert said
    assert came == []


ANSWERS = {
    "objects": b'{"status":"success","data":{"groups":[' + b"{}," * 4_000_000 + b"{}]}}",
    "numbers": b'{"status":"success","data":[' + b"1," * 8_000_000 + b"1]}",
}


@pytest.mark.fault("4.26")
@pytest.mark.parametrize("ask", [logs, prometheus, alertmanager])
@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_of_millions_of_values_is_given_up_before_it_is_made(ask: Ask, answer: str) -> None:
    talk = Sender(OK + b"Content-Length: %d\r\n\r\n" % len(ANSWERS[answer]), once(ANSWERS[answer]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with serving(talk) as port:
        said = await ask(f"http://127.0.0.1:{port}", 60)
    assert "values at once" in said
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def rules(count: int) -> bytes:
    one = b'{"type":"recording","name":"a:b","query":"sum(up)","labels":{"a":"' + b"x" * 100 + b'"}},'
    return b'{"status":"success","data":{"groups":[{"name":"g","rules":[' + (one * count)[:-1] + b"]}]}}"


@pytest.mark.fault("4.26")
async def test_a_large_answer_is_decoded_in_turns_with_everybody_else() -> None:
    """Turns of the loop while it is decoded: a decoder that has it all at once lets nobody else run."""
    body = rules(100_000)
    talk: Talk = Sender(OK + b"Content-Length: %d\r\n\r\n" % len(body), once(body))
    async with serving(talk) as port:
        remote = RemoteEngine(ApiConfig(url=f"http://127.0.0.1:{port}", timeout=Seconds(60)))
        async with going_on() as gaps:
            groups = await remote.rules()
        await remote.close()
    assert len(groups[0].rules) == 100_000
    assert max(gaps) < 2  # 60 ms without another load; 600 at one go
