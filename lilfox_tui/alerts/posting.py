"""JSON sent to a server by POST: bounded, never led to another address, nothing secret in its errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from lilfox_tui.config.model import NotifierConfig
from lilfox_tui.config.revealing import plain
from lilfox_tui.config.types import SecretRef, TextOrSecret
from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.http_way import authorization, revealed
from lilfox_tui.i18n import tr
from lilfox_tui.redact import MASK, redact

if TYPE_CHECKING:
    import httpx

_REASON_BYTES = 1024
_REASON_CHARS = 300
_SHORTEST_SECRET, _LONG_WORD = 4, 8


class PostOptions(NotifierConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every notifier over HTTP has. The whole address may be a secret, as those of chats are."""

    url: TextOrSecret
    headers: dict[str, TextOrSecret] = msgspec.field(default_factory=dict)
    user: str | None = None
    password: SecretRef | None = None
    ca: str | None = None
    """File with the certificates that the server's is checked with; the system's when not given."""
    verify_tls: bool = True


class Post:
    """One server."""

    def __init__(self, options: PostOptions) -> None:
        self._options = options
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def send(self, path: str, document: Callable[[], Any], headers: Mapping[str, str]) -> None:
        """POSTs what ``document()`` gives (it is called in a thread) to ``path`` under the configured address. Raises
        LilFoxError unless it answers 2xx."""
        import httpx

        url = await plain(self._options.url)
        where = _where(url)
        lines = await self._headers()
        secrets = [*_parts(url), *(lines[name] for name in self._options.headers)]
        lines |= headers
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(_new_client, self._options, where)
        target = url.rstrip("/") + path if path else url
        body = await asyncio.to_thread(lambda: msgspec.json.encode(document()))
        try:
            async with self._client.stream("POST", target, content=body, headers=lines) as answer:
                if not answer.is_success:
                    raise _refused(where, answer.status_code, await _start_of(answer, secrets))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            reason = redact(str(error)) or type(error).__name__
            raise LilFoxError(
                tr("{where} cannot be asked: {reason}", where=where, reason=reason),
                tr("Does it run, and is the address right?"),
            ) from None

    async def close(self) -> None:
        """Ends the connection."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _headers(self) -> dict[str, str]:
        options = self._options
        lines = {"Content-Type": "application/json", **await authorization(options.user, options.password or "")}
        lines |= await revealed(options.headers)
        for name, value in lines.items():
            if not value.isascii() or value != value.strip():
                raise LilFoxError(tr("header {name} holds characters that HTTP does not allow", name=name))
        return lines


def _where(url: str) -> str:
    """The server as errors name it: its path may be a secret."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        raise LilFoxError(tr("the address cannot be read; write https://HOST/…")) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LilFoxError(tr("the address cannot be read; write https://HOST/…"))
    return f"{parts.scheme}://{parts.hostname}{port}"


def _new_client(options: PostOptions, where: str) -> httpx.AsyncClient:
    """Runs in a thread: importing httpx and reading the trusted certificates would hold up the event loop."""
    import httpx

    tls: Any = False
    if where.startswith("https:") and options.verify_tls:
        tls = trusted(options.ca)
    return httpx.AsyncClient(
        verify=tls, trust_env=False, follow_redirects=False, timeout=options.timeout, headers={"User-Agent": "lilfox"}
    )


def trusted(ca: str | None) -> Any:
    """An ``ssl.SSLContext`` that checks names and certificates, with those of the file ``ca`` if given. Raises
    LilFoxError."""
    import ssl

    from lilfox_tui.trusted_file import refuse

    if ca is not None:
        refuse(Path(ca).expanduser())
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(Path(ca).expanduser()))
    except OSError as error:  # ssl.SSLError among them: a file that holds no certificates
        reason = error.strerror or type(error).__name__
        raise LilFoxError(tr("certificates of {path}: cannot be read: {reason}", path=ca, reason=reason)) from None


def _parts(url: str) -> tuple[str, ...]:
    """What of an address may be a secret: all but the server."""
    parts = urlsplit(url)
    return parts.query, parts.path, *(word for word in parts.path.split("/") if len(word) >= _LONG_WORD)


async def _start_of(answer: httpx.Response, secrets: Iterable[str]) -> str:
    """What the server says, without what it was told: servers that refuse often repeat the request."""
    body = b""
    async for block in answer.aiter_bytes(_REASON_BYTES):
        body += block
        if len(body) >= _REASON_BYTES:
            break
    said = body.decode("utf-8", "replace").strip()
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            said = said.replace(secret, MASK)
    return redact(said)[:_REASON_CHARS]


def _refused(where: str, status: int, reason: str) -> LilFoxError:
    hint = tr("Is that the right address?")
    if status in (401, 403):
        hint = tr("Check headers, user and password of this notifier.")
    elif 300 <= status < 400:
        hint = tr("It points elsewhere, which is not followed; write the address that is meant into url.")
    return LilFoxError(tr("{where} answers {status}: {reason}", where=where, status=status, reason=reason), hint)
