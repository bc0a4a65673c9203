"""HTTP of a stand-in server: requests in, answers out, and what goes wrong on the way as a test wants it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Callable
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct, field

from tests.services.http_servers import serving


class Request(Struct, frozen=True):
    """What was asked; header names in lower case."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """The body's object; {} where there is none."""
        return dict(json.loads(self.body)) if self.body else {}


class Reply(Struct, frozen=True):
    """What is answered; a dict goes as JSON."""

    status: int
    body: object = ""
    headers: dict[str, str] = field(default_factory=dict)

    def raw(self, *, packed: bool) -> bytes:
        """As bytes of HTTP/1.1."""
        body = self.body if isinstance(self.body, bytes) else self._text().encode("utf-8", "surrogatepass")
        headers = dict(self.headers)
        if packed and "Content-Encoding" not in headers:
            body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
        headers["Content-Length"] = str(len(body))
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} X\r\n{lines}\r\n".encode() + body

    def _text(self) -> str:
        return self.body if isinstance(self.body, str) else json.dumps(self.body)


class StandIn:
    """Answers with ``answer``. ``first`` holds replies that are given before (None: the connection is cut);
    ``silent`` makes it take requests and say nothing; ``wanted`` are headers without which the answer is 401."""

    def __init__(self, answer: Callable[[Request], Reply]) -> None:
        self._answer = answer
        self.requests: list[Request] = []
        self.first: list[Reply | None] = []
        self.silent = False
        self.wanted: dict[str, str] = {}
        self.url = ""

    @contextlib.asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """Serves on a port of its own; ``url`` says where."""
        async with serving(self._talk, tls) as port:
            self.url = f"http{'s' if tls else ''}://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
            yield

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await _read(reader)
            self.requests.append(request)
            if self.silent:
                await asyncio.Event().wait()
            reply = self.first.pop(0) if self.first else self._guarded(request)
            if reply is None:
                return
            writer.write(reply.raw(packed="gzip" in request.headers.get("accept-encoding", "")))
            await writer.drain()

    def _guarded(self, request: Request) -> Reply:
        if any(request.headers.get(name.lower()) != value for name, value in self.wanted.items()):
            return Reply(401, "no credentials")
        return self._answer(request)


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.rstrip("\r\n").split("\r\n")
    method, target, _version = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    parts = urlsplit(target)
    params = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    return Request(method, parts.path, params, headers, body)
