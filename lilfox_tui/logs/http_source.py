"""Questions to a server of logs over HTTP: bounded, with back-off, never led to another address with a secret."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Struct

from lilfox_tui.config.model import LogConfig
from lilfox_tui.config.types import Seconds, SecretRef, TextOrSecret
from lilfox_tui.errors import HostError, LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.http_answer import HttpFault, HungUp, TooMuch
from lilfox_tui.hosts.http_way import HttpWay, Tls, authorization, revealed
from lilfox_tui.hosts.json_body import VALUES_AT_MOST, decoded
from lilfox_tui.i18n import Message, tr
from lilfox_tui.redact import redact, redacted_start

BODY_LIMIT = 64 * 1024 * 1024
"""Bytes of one answer, unpacked, past which it is given up."""
RETRY_S = (0.5, 1.0, 2.0)
"""Waits before a question is asked again that met 429, a 5xx or a broken connection."""
_LONGEST_WAIT_S = 30.0
_REASON_CHARS = 300


class HttpOptions(LogConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every source over HTTP has. ``host`` of the frame asks; it sees the address."""

    url: str
    headers: dict[str, TextOrSecret] = msgspec.field(default_factory=dict)
    user: str | None = None
    password: SecretRef | None = None
    timeout: Seconds = Seconds(20)
    verify_tls: bool = True


class ServerError(LilFoxError):
    """The server could not be asked or did not do it. ``status`` is None where there was no answer; ``passing`` tells
    that the same question may be answered later, ``wait_s`` how long the server asks to wait before."""

    def __init__(
        self, message: Message, hint: Message | str = "", *, status: int | None, passing: bool, wait_s: float = 0.0
    ) -> None:
        super().__init__(message, hint)
        self.status, self.passing, self.wait_s = status, passing, wait_s


class _Answer(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Server:
    """One server. ``ask`` may be called by several at once; the connection is made at the first question."""

    def __init__(self, options: HttpOptions, host: Host) -> None:
        parts = urlsplit(options.url)
        self._options, self._scheme, self._path = options, parts.scheme, parts.path.rstrip("/")
        self._way = HttpWay(options.url, host, timeout_s=options.timeout, tls=Tls(verify=options.verify_tls))

    @property
    def where(self) -> str:
        """The server as errors and the status name it: no path, no secret."""
        return f"{self._scheme}://{self._way.netloc}"

    async def ask(self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: object = None) -> Any:
        """The JSON of the answer to ``path`` under the configured address. Raises LilFoxError."""
        for pause_s in RETRY_S:
            try:
                return await self._answered(method, path, params or {}, body)
            except ServerError as error:
                if not error.passing:
                    raise
                await asyncio.sleep(max(pause_s, error.wait_s))
        return await self._answered(method, path, params or {}, body)

    async def close(self) -> None:
        """Ends connections and the forwarded port."""
        await self._way.close()

    async def _answered(self, method: str, path: str, params: Mapping[str, str], body: object) -> Any:
        answer = await self._once(method, path, params, body)
        if answer.status >= 300:
            raise self._refused(answer)
        return await asyncio.to_thread(self._decoded, answer)

    async def _once(self, method: str, path: str, params: Mapping[str, str], body: object) -> _Answer:
        headers = await self._headers()
        query = f"?{urlencode(params)}" if params else ""
        content = b"" if body is None else msgspec.json.encode(body)
        try:
            async with asyncio.timeout(self._options.timeout):
                await self._way.connect()
                async with self._way.stream(method, self._path + path + query, headers=headers, content=content) as got:
                    return _Answer(got.status, got.headers, await got.body(BODY_LIMIT, values=VALUES_AT_MOST))
        except TooMuch as error:
            raise ServerError(error.message, tr("Narrow the time or the filter."), status=None, passing=False) from None
        except TimeoutError:
            raise ServerError(
                tr("{where} did not answer within {seconds:g} s", where=self.where, seconds=self._options.timeout),
                tr("Narrow the time or the filter, or give the source a longer timeout."),
                status=None, passing=False,
            ) from None  # fmt: skip
        except (HttpFault, OSError, UnicodeError) as error:
            if isinstance(error, OSError):
                await self.close()  # a port that a host has forwarded is gone with the link
            reason = str(error) or type(error).__name__
            raise ServerError(
                tr("{where} cannot be asked: {reason}", where=self.where, reason=redact(reason)),
                tr("Does it run, and is the address right? A host of `host:` asks from there."),
                status=None, passing=isinstance(error, HungUp | OSError),
            ) from None  # fmt: skip
        except HostError:
            await self.close()
            raise

    async def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        options = self._options
        headers |= await authorization(options.user, options.password or "")
        return headers | await revealed(options.headers)

    def _decoded(self, answer: _Answer) -> Any:
        try:
            return decoded(answer.body) if answer.body else None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise ServerError(
                tr("{where} answers something that is no JSON: {start}", where=self.where, start=_start(answer.body)),
                tr("Is that the right address?"), status=answer.status, passing=False,
            ) from None  # fmt: skip

    def _refused(self, answer: _Answer) -> ServerError:
        status = answer.status
        hint: Message | str = ""
        if 300 <= status < 400:
            target = urlsplit(answer.headers.get("location", ""))
            what = tr("{where} points to {target}, which is not followed, for secrets would go there",
                      where=self.where, target=f"{target.scheme}://{target.hostname}{target.path}")  # fmt: skip
            hint = tr("Write the address that is meant into url.")
        else:
            what = tr("{where} answers {status}: {reason}",
                      where=self.where, status=status, reason=_reason(answer.body))  # fmt: skip
        if status in (401, 403):
            hint = tr("Check headers, user and password of this source.")
        elif status == 404:
            hint = tr("Is that the right address, and does what is asked for exist there?")
        wait_s = _asked_to_wait(answer)
        return ServerError(what, hint, status=status, passing=_passing(status), wait_s=wait_s)


def _passing(status: int) -> bool:
    return status == 429 or status >= 500


def _asked_to_wait(answer: _Answer) -> float:
    """Retry-After in seconds (RFC 9110 10.2.3), bounded; its form as a date is not heeded."""
    asked = answer.headers.get("retry-after", "")
    return min(float(asked), _LONGEST_WAIT_S) if asked.isascii() and asked.isdigit() else 0.0


def _reason(body: bytes) -> str:
    """What the server says: Elasticsearch's ``error``, Loki's JSON ``message`` or its plain text."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return _start(body)
    said = document.get("error", document.get("message")) if isinstance(document, dict) else None
    if isinstance(said, dict):
        causes = said.get("root_cause") or [said]
        first = causes[0] if isinstance(causes, list) and isinstance(causes[0], dict) else said
        said = f"{first.get('type', '')}: {first.get('reason', '')}"
    return redacted_start(str(said), _REASON_CHARS) if said else _start(body)


def _start(body: bytes) -> str:
    return redacted_start(body, _REASON_CHARS)
