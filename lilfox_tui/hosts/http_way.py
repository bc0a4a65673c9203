"""HTTP to one address as a host sees it: through the port that the host forwards, or from here.

Environment variables for proxies are not heeded and redirects not followed; the caller decides.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct

from lilfox_tui.config.revealing import plain
from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.base import CONNECT_AT_LEAST_S, Host
from lilfox_tui.i18n import listed, tr

if TYPE_CHECKING:
    import ssl

    import httpx

_TURN_S = 0.005
"""How long the blocks of a body may hold up everybody else."""


class Tls(Struct, frozen=True):
    """How the server's certificate is judged and what is shown to it. Paths are on this machine."""

    verify: bool = True
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""


class HttpWay:
    """One address, ``scheme://host:port`` of ``url``. Connected at the first request; may be used by several at once.

    A connection that is idle is kept for ``keep_idle_s``.
    """

    def __init__(
        self, url: str, host: Host | None, *, timeout_s: float, tls: Tls | None = None, keep_idle_s: float = 5.0
    ) -> None:
        parts = urlsplit(url)
        self.netloc = parts.netloc.rpartition("@")[2]
        self._scheme, self._address = parts.scheme, parts.hostname or ""
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._host, self._timeout_s, self._keep_idle_s, self._tls = host, timeout_s, keep_idle_s, tls or Tls()
        self._open = AsyncExitStack()
        self._client: httpx.AsyncClient | None = None
        self._connecting = asyncio.Lock()
        self._base = ""

    @property
    def where(self) -> str:
        """``address:port``, as errors name it."""
        return f"[{self._address}]:{self._port}" if ":" in self._address else f"{self._address}:{self._port}"

    async def connect(self) -> None:
        """Opens the way if it is not open. Raises HostError, TimeoutError, OSError, LilFoxError."""
        async with self._connecting, asyncio.timeout(max(self._timeout_s, CONNECT_AT_LEAST_S)):
            if self._client is not None:
                return
            address, port = self._address, self._port
            if self._host is not None:
                address, port = await self._open.enter_async_context(self._host.forward(port, address))
            shown = f"[{address}]" if ":" in address else address
            self._base = f"{self._scheme}://{shown}:{port}"
            tls = self._tls if self._scheme == "https" else None
            client = await asyncio.to_thread(_new_client, tls, self._timeout_s, self._keep_idle_s)
            self._client = await self._open.enter_async_context(client)

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, headers: Mapping[str, str], content: bytes | None = None
    ) -> AsyncIterator[httpx.Response]:
        """The answer, its head read and its body not. ``path`` holds the query. Raises what :meth:`connect` and httpx
        raise."""
        await self.connect()
        assert self._client is not None
        lines = [(b"Host", self.netloc.encode("ascii" if self.netloc.isascii() else "idna"))]
        lines += [(name.encode(), value.encode()) for name, value in headers.items()]
        extensions = {"sni_hostname": self._tls.server_name or self._address}
        async with self._client.stream(
            method, self._base + path, headers=lines, content=content, extensions=extensions
        ) as got:
            yield got

    async def close(self) -> None:
        """Ends the connection and the forwarded port; the next request opens them again."""
        self._client = None
        opened, self._open = self._open, AsyncExitStack()
        await opened.aclose()


async def sharing(blocks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """``blocks`` as they come, with a turn for everybody else in between: a body that is sent byte by byte, or packed
    a thousandfold, comes in thousands of blocks that are there at once."""
    clock = asyncio.get_running_loop().time
    turn = clock() + _TURN_S
    async for block in blocks:
        yield block
        if clock() > turn:
            await asyncio.sleep(0)
            turn = clock() + _TURN_S


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
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{known}".encode()).decode()}
    if not bearer:
        return {}
    return {"Authorization": f"{kind} {(await revealed({'Authorization': bearer}))['Authorization']}"}


def _new_client(tls: Tls | None, timeout_s: float, keep_idle_s: float) -> httpx.AsyncClient:
    """Runs in a thread: importing httpx and reading the trusted certificates would hold up the event loop."""
    import httpx

    return httpx.AsyncClient(
        verify=tls_context(tls) if tls is not None else False,
        trust_env=False,
        follow_redirects=False,
        timeout=timeout_s,
        limits=httpx.Limits(keepalive_expiry=keep_idle_s),
        headers={"User-Agent": "lilfox"},
    )


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
