"""As much HTTP/1.1 (RFC 9112) as the stand-in services need, over asyncio streams: small, bounded, loopback only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from msgspec import Struct, field

_HEAD_LIMIT = 16 * 1024
_BODY_LIMIT = 64 * 1024
_IDLE_S = 75.0


class DemoRequest(Struct, frozen=True):
    """What a client asked; header names are in small letters."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class DemoResponse(Struct, frozen=True):
    """What is answered."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    request_id: str = ""


Answer = Callable[[DemoRequest], Awaitable[DemoResponse]]


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    """Answers the requests of one connection until the client closes it, is idle for long, or sends what is no HTTP."""
    try:
        while True:
            async with asyncio.timeout(_IDLE_S):
                request = await _read_request(reader)
            response = await answer(request)
            keep = request.headers.get("connection", "").lower() != "close"
            writer.write(_encode(response, keep=keep))
            await writer.drain()
            if not keep:
                return
    except ValueError:
        writer.write(_encode(DemoResponse(400), keep=False))
    except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return
    finally:
        writer.close()


async def _read_request(reader: asyncio.StreamReader) -> DemoRequest:
    first, headers = await _read_head(reader)
    method, target, version = first.split(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError(version)
    return DemoRequest(method, target.partition("?")[0], headers, await _read_body(reader, headers))


async def _read_head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    head = await reader.readuntil(b"\r\n\r\n")
    if len(head) > _HEAD_LIMIT:
        raise ValueError(len(head))
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return first, {name.strip().lower(): value.strip() for name, _colon, value in pairs}


async def _read_body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    length = int(headers.get("content-length", "0"))
    if not 0 <= length <= _BODY_LIMIT:
        raise ValueError(length)
    return await reader.readexactly(length)


def _encode(response: DemoResponse, *, keep: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        f"Connection: {'keep-alive' if keep else 'close'}",
    ]
    if response.request_id:
        lines.append(f"X-Request-ID: {response.request_id}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + response.body


async def ask(
    where: int | str, method: str, path: str, *, body: bytes = b"", request_id: str = "", timeout_s: float = 5.0
) -> DemoResponse:
    """One request to a port on loopback or to a UNIX socket. Raises OSError, TimeoutError, ValueError (no HTTP)."""
    async with asyncio.timeout(timeout_s):
        if isinstance(where, int):
            reader, writer = await asyncio.open_connection("127.0.0.1", where)
        else:
            reader, writer = await asyncio.open_unix_connection(where)
        try:
            lines = [
                f"{method} {path} HTTP/1.1",
                "Host: localhost",
                f"Content-Length: {len(body)}",
                "Connection: close",
            ]
            if request_id:
                lines.append(f"X-Request-ID: {request_id}")
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
            await writer.drain()
            first, headers = await _read_head(reader)
            return DemoResponse(int(first.split(" ")[1]), await _read_body(reader, headers))
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError("closed without a whole answer") from error
        finally:
            writer.close()
