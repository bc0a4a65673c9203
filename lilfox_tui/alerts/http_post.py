"""JSON sent to a server by POST: bounded, never led to another address, nothing secret in its errors."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from lilfox_tui.config.model import NotifierConfig, SecretRef, TextOrSecret
from lilfox_tui.config.secrets import revealed_text
from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.http import HttpFault, HttpTransport, Tls, authorization, basic, revealed
from lilfox_tui.i18n import tr
from lilfox_tui.redact import MASK, redact, redacted_start

_REASON_BYTES = 16 * 1024
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


class JsonPost:
    """One server."""

    def __init__(self, options: PostOptions) -> None:
        self._options = options
        self._way: HttpTransport | None = None

    async def send(self, path: str, document: Callable[[], Any], headers: Mapping[str, str]) -> None:
        """POSTs what ``document()`` gives (it is called in a thread) to ``path`` under the configured address. Raises
        LilFoxError unless it answers 2xx."""
        url = await revealed_text(self._options.url)
        where = _where(url)
        lines = await self._headers()
        secrets = [*_parts(url), *(lines[name] for name in self._options.headers)]
        lines = {**_login(url), **lines, **headers}
        if self._way is None:
            options = self._options
            tls = tls_of(options.ca, verify=options.verify_tls)
            self._way = HttpTransport(where, None, timeout_s=options.timeout, tls=tls)
        target = urlsplit(url.rstrip("/") + path if path else url)
        asked = (target.path or "/") + (f"?{target.query}" if target.query else "")
        body = await asyncio.to_thread(lambda: msgspec.json.encode(document()))
        try:
            async with self._way.stream("POST", asked, headers=lines, content=body) as answer:
                if not 200 <= answer.status < 300:
                    said, _more = await answer.start(_REASON_BYTES)
                    raise _refused(where, answer.status, _without(secrets, said))
        except TimeoutError:
            raise LilFoxError(
                tr("{where} did not answer within {seconds:g} s", where=where, seconds=self._options.timeout),
                tr("Does it run, and is the address right?"),
            ) from None
        except (HttpFault, OSError, UnicodeError) as error:
            reason = redact(str(error)) or type(error).__name__
            raise LilFoxError(
                tr("{where} cannot be asked: {reason}", where=where, reason=reason),
                tr("Does it run, and is the address right?"),
            ) from None

    async def close(self) -> None:
        """Ends the connection."""
        way, self._way = self._way, None
        if way is not None:
            await way.close()

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


def tls_of(ca: str | None, *, verify: bool = True) -> Tls:
    """TLS whose certificates are checked with those of the file ``ca``; with the system's when not given."""
    return Tls(verify=verify, ca_file="" if ca is None else str(Path(ca).expanduser()))


def _login(url: str) -> dict[str, str]:
    """The header for a user that the address itself names."""
    parts = urlsplit(url)
    if parts.username is None:
        return {}
    return basic(unquote(parts.username), unquote(parts.password or ""))


def _parts(url: str) -> tuple[str, ...]:
    """What of an address may be a secret: all but the server."""
    parts = urlsplit(url)
    return parts.query, parts.path, *(word for word in parts.path.split("/") if len(word) >= _LONG_WORD)


def _without(secrets: Iterable[str], body: bytes) -> str:
    """What the server says, without what it was told: servers that refuse often repeat the request."""
    said = body.decode("utf-8", "replace").strip()
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            said = said.replace(secret, MASK)
    return redacted_start(said, _REASON_CHARS)


def _refused(where: str, status: int, reason: str) -> LilFoxError:
    hint = tr("Is that the right address?")
    if status in (401, 403):
        hint = tr("Check headers, user and password of this notifier.")
    elif 300 <= status < 400:
        hint = tr("It points elsewhere, which is not followed; write the address that is meant into url.")
    return LilFoxError(tr("{where} answers {status}: {reason}", where=where, status=status, reason=reason), hint)
