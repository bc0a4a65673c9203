"""``/metrics`` and ``/health`` of LilFox itself: GET over HTTP/1.1 (RFC 9112), one answer a connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import tr

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_HEAD_LIMIT_BYTES = 8192
_PATIENCE_S = 5.0


@asynccontextmanager
async def serve(listen: str, metrics: Callable[[], str]) -> AsyncIterator[tuple[str, int]]:
    """Serves at ``listen`` (``ADDRESS:PORT``, port 0: any) while open; gives the address and the port.

    Raises UsageError when the address makes no sense or cannot be had.
    """
    address, port = _address(listen)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_response(head, metrics))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever asked is gone, slow or does not speak HTTP
        finally:
            writer.close()

    try:
        server = await asyncio.start_server(answer, address, port, limit=_HEAD_LIMIT_BYTES)
    except OSError as error:
        why = error.strerror or str(error)
        raise UsageError(
            tr("cannot listen on {listen}: {why}", listen=listen, why=why), tr("choose another --listen ADDRESS:PORT")
        ) from error
    async with server:
        name = server.sockets[0].getsockname()
        yield str(name[0]), int(name[1])


def _address(listen: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{listen}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None:
        raise UsageError(tr("--listen {listen}: not ADDRESS:PORT", listen=listen), tr("such as 127.0.0.1:9464"))
    return host, port


def _response(head: bytes, metrics: Callable[[], str]) -> bytes:
    method, _space, rest = head.partition(b"\r\n")[0].partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    if method not in (b"GET", b"HEAD"):
        return _message("405 Method Not Allowed", "text/plain", "GET only\n", allow="Allow: GET, HEAD\r\n")
    if path == b"/metrics":
        status, kind, text = "200 OK", METRICS_TYPE, metrics()
    elif path == b"/health":
        status, kind, text = "200 OK", "application/json", '{"status": "ok"}\n'
    else:
        status, kind, text = "404 Not Found", "text/plain", "/metrics or /health\n"
    return _message(status, kind, text, with_body=method == b"GET")


def _message(status: str, kind: str, text: str, *, allow: str = "", with_body: bool = True) -> bytes:
    body = text.encode()
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{allow}Connection: close\r\n\r\n"
    )
    return head.encode() + (body if with_body else b"")
