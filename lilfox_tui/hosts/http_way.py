"""HTTP to one address as a host sees it: through the port that the host forwards, or from here. All HTTP goes this way.

Environment variables for proxies are not heeded and redirects not followed; the caller decides. Answers are bounded in
time here, in bytes by who reads them (:mod:`lilfox_tui.hosts.http_answer`).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from msgspec import Struct

from lilfox_tui.config.revealing import plain
from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.base import CONNECT_AT_LEAST_S, Host
from lilfox_tui.hosts.http_answer import Answer, HungUp
from lilfox_tui.hosts.http_connection import HttpConnection
from lilfox_tui.i18n import listed, tr

if TYPE_CHECKING:
    import ssl

_AS_THEY_ARE = "/?:@-._~!$&'()*+,;=%"
"""What stands in a path and a query as it is (RFC 3986 3.3, 3.4)."""


class Tls(Struct, frozen=True):
    """How the server's certificate is judged and what is shown to it. Paths are on this machine."""

    verify: bool = True
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""


class HttpWay:
    """One address, ``scheme://host:port`` of ``url``. Connected at the first request; may be used by several at once.

    A connection that is idle is kept for ``keep_idle_s``. Each answer is to have come to its end after ``timeout_s``.
    """

    def __init__(
        self, url: str, host: Host | None, *, timeout_s: float, tls: Tls | None = None, keep_idle_s: float = 5.0
    ) -> None:
        parts = urlsplit(url)
        self.netloc = parts.netloc.rpartition("@")[2]
        self._https, self._address = parts.scheme == "https", parts.hostname or ""
        self._port = parts.port or (443 if self._https else 80)
        self._host, self._timeout_s, self._keep_idle_s, self._tls = host, timeout_s, keep_idle_s, tls or Tls()
        self._forwarded = AsyncExitStack()
        self._place: tuple[str, int] | None = None
        self._context: ssl.SSLContext | None = None
        self._connecting = asyncio.Lock()
        self._idle: list[HttpConnection] = []

    @property
    def where(self) -> str:
        """``address:port``, as errors name it."""
        return f"[{self._address}]:{self._port}" if ":" in self._address else f"{self._address}:{self._port}"

    async def connect(self) -> None:
        """Opens the way if it is not open: the forwarded port, and the certificates. Raises HostError, TimeoutError,
        OSError, LilFoxError."""
        async with self._connecting, asyncio.timeout(max(self._timeout_s, CONNECT_AT_LEAST_S)):
            if self._place is not None:
                return
            place = (self._address, self._port)
            if self._https and self._context is None:
                self._context = await asyncio.to_thread(tls_context, self._tls)
            if self._host is not None:
                place = await self._forwarded.enter_async_context(self._host.forward(self._port, self._address))
            self._place = place

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, headers: Mapping[str, str], content: bytes = b"", repeatable: bool = False
    ) -> AsyncIterator[Answer]:
        """The answer, its head read and its body not. ``path`` holds the query. Where a kept connection was closed
        meanwhile, a GET and what is ``repeatable`` is asked on another one. Raises what :meth:`connect` does,
        HttpFault, OSError, and TimeoutError where the whole takes too long."""
        await self.connect()
        place = self._place
        lines = self._lines(headers, content, method)
        target = quote(path, safe=_AS_THEY_ARE)
        async with asyncio.timeout(self._timeout_s):
            connection, answer = await self._answered(
                method, target, lines, content, again=repeatable or method == "GET"
            )
            done = False
            try:
                yield answer
                done = connection.finish()
            finally:
                if done and place is self._place:
                    connection.idle_since = asyncio.get_running_loop().time()
                    self._idle.append(connection)
                else:
                    await connection.hang_up()

    async def close(self) -> None:
        """Ends the idle connections and the forwarded port, and those in use after their answer; the next request opens
        them again, with its certificates anew."""
        self._place = self._context = None
        idle, self._idle = self._idle, []
        opened, self._forwarded = self._forwarded, AsyncExitStack()
        for connection in idle:
            await connection.hang_up()
        await opened.aclose()

    def _lines(self, headers: Mapping[str, str], content: bytes, method: str) -> dict[str, str]:
        netloc = self.netloc if self.netloc.isascii() else self.netloc.encode("idna").decode()
        lines = {"Host": netloc, "User-Agent": "lilfox", "Accept": "*/*", "Accept-Encoding": "gzip"}
        if content or method not in ("GET", "DELETE"):
            lines["Content-Length"] = str(len(content))
        told = {name.lower() for name in headers}
        return {name: value for name, value in lines.items() if name.lower() not in told} | dict(headers)

    async def _answered(
        self, method: str, target: str, lines: Mapping[str, str], content: bytes, *, again: bool
    ) -> tuple[HttpConnection, Answer]:
        while True:
            connection = await self._connection()
            try:
                return connection, await connection.ask(method, target, lines, content)
            except BaseException as error:
                await connection.hang_up()
                if not (again and connection.used and isinstance(error, OSError | HungUp)):
                    raise

    async def _connection(self) -> HttpConnection:
        """A kept one that is still open, else a new one."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if now - connection.idle_since <= self._keep_idle_s and await connection.is_idle():
                return connection
            await connection.hang_up()
        await self.connect()
        assert self._place is not None
        return await HttpConnection.opened(
            self.where, self._place, self._context if self._https else None, self._tls.server_name or self._address
        )


async def revealed(headers: Mapping[str, str]) -> dict[str, str]:
    """``headers`` with references to secrets resolved. Raises LilFoxError, also for what no header may hold."""
    lines = {}
    for name, text in headers.items():
        value = await plain(text)
        if not name.isascii() or value != value.strip() or any(char < " " or char == "\x7f" for char in value):
            raise LilFoxError(tr("header {name} holds characters that HTTP does not allow", name=name))
        lines[name] = value
    return lines


async def authorization(user: str | None, password: str, bearer: str = "", kind: str = "Bearer") -> dict[str, str]:
    """The header that says who asks: ``user`` with a password (RFC 7617), else ``kind`` with ``bearer``, else none.
    ``password`` and ``bearer`` may be references to secrets. Raises as :func:`revealed`."""
    if user is not None:
        known = (await revealed({"password": password}))["password"]
        return basic(user, known)
    if not bearer:
        return {}
    return {"Authorization": f"{kind} {(await revealed({'Authorization': bearer}))['Authorization']}"}


def basic(user: str, password: str) -> dict[str, str]:
    """The header of RFC 7617."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def tls_context(tls: Tls) -> ssl.SSLContext:
    """What ``tls`` asks for; reads the trusted certificates, so call it in a thread. Raises LilFoxError."""
    import ssl

    from lilfox_tui.trusted_file import refuse

    for file in filter(None, (tls.ca_file, tls.cert_file, tls.key_file)):
        refuse(Path(file))
    try:
        context = ssl.create_default_context(cafile=tls.ca_file or None)
        if not tls.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file or None)
    except (OSError, ValueError) as error:
        names = listed(name for name in (tls.ca_file, tls.cert_file, tls.key_file) if name)
        raise LilFoxError(tr("{files}: not usable for TLS: {reason}", files=names, reason=str(error))) from None
    return context
