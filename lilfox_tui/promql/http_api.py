"""Questions to an HTTP API of Prometheus' kind: bounded in time and bytes, never led to another address.

What a server answers in its own words (a query that is wrong, a silence that is refused) is given to the caller;
everything else that is not an answer is an error here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Meta

from lilfox_tui.config.model import ApiConfig
from lilfox_tui.errors import HostError, LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.http_way import HttpWay, Tls, authorization, revealed, sharing
from lilfox_tui.i18n import Message, tr
from lilfox_tui.metrics.health_reason import reason_of
from lilfox_tui.redact import redact

BODY_LIMIT = 64 * 1024 * 1024
"""Bytes of one answer, unpacked, past which it is given up."""
RETRY_S = (0.5, 1.0)
"""Waits before a question is asked again that a gateway or an overloaded server did not take."""
_PASSING = frozenset({429, 502, 504})
_LONGEST_PATH = 2000
"""A longer question is sent in the body: servers and the gateways before them limit the first line."""
_REASON_CHARS = 300

T = TypeVar("T")
Moment = Annotated[datetime, Meta(tz=True)]
"""A time in an answer; one without a zone is refused."""
Pairs = Sequence[tuple[str, str]]


class Reply(NamedTuple):
    """``status`` is 2xx, or 4xx and 5xx with words of the API itself (JSON)."""

    status: int
    body: bytes


class NotAnswered(LilFoxError):
    """The server could not be asked, or what answers is not such a server."""


def items(raw: bytes | msgspec.Raw, kind: type[T]) -> list[T]:
    """The items of a JSON array, decoded one by one: what is decoded at one go holds up all threads. Raises
    msgspec.DecodeError."""
    decoder = msgspec.json.Decoder(kind)
    return [decoder.decode(one) for one in msgspec.json.decode(raw, type=list[msgspec.Raw])]


class HttpApi:
    """One server. May be asked by several tasks at once; ``host`` is the one that asks, None for this machine."""

    def __init__(self, config: ApiConfig, host: Host | None) -> None:
        self._config = config
        self._prefix = urlsplit(config.url).path.rstrip("/")
        tls = Tls(verify=config.verify_tls, ca_file=config.ca_file)
        self._way = HttpWay(config.url, host, timeout_s=config.timeout, tls=tls)

    @property
    def where(self) -> str:
        """The server as errors name it: no secret."""
        return f"{urlsplit(self._config.url).scheme}://{self._way.netloc}{self._prefix}"

    async def get(self, path: str, params: Pairs = ()) -> Reply:
        """The answer to a question that changes nothing; a long one is POSTed. Raises LilFoxError."""
        query = urlencode(params)
        if len(path) + len(query) <= _LONGEST_PATH:
            return await self._patient("GET", f"{path}?{query}" if query else path, None)
        return await self._patient("POST", path, query.encode(), "application/x-www-form-urlencoded")

    async def send(self, method: str, path: str, document: object = None) -> Reply:
        """The answer to a change, with ``document`` as JSON; sent once. Raises LilFoxError."""
        body = None if document is None else msgspec.json.encode(document)
        return await self._answered(method, path, body, "application/json")

    async def close(self) -> None:
        """Ends the connections and the forwarded port; the next question opens them again."""
        await self._way.close()

    async def _patient(self, method: str, path: str, body: bytes | None, kind: str = "") -> Reply:
        for wait_s in RETRY_S:
            reply = await self._answered(method, path, body, kind, again=True)
            if reply.status not in _PASSING:
                return reply
            await asyncio.sleep(wait_s)
        return await self._answered(method, path, body, kind)

    async def _answered(self, method: str, path: str, body: bytes | None, kind: str, *, again: bool = False) -> Reply:
        import httpx

        where = self.where
        try:
            return await self._asked_anew(method, path, body, kind, again=again)
        except TimeoutError:
            raise NotAnswered(
                tr("{where} did not answer within {seconds:g} s", where=where, seconds=self._config.timeout),
                tr("Ask for less time or fewer series, or raise timeout."),
            ) from None
        except HostError as error:
            await self.close()
            raise NotAnswered(tr("cannot ask from {host}: {reason}", host=error.host, reason=error.message)) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            await self.close()
            raise NotAnswered(
                reason_of(error, self._way.where), tr("Does it run, and is the address right? from: asks from a host.")
            ) from None

    async def _asked_anew(self, method: str, path: str, body: bytes | None, kind: str, *, again: bool) -> Reply:
        """As :meth:`_asked`; a question that changes nothing is asked once more on a new connection where the old one
        was closed meanwhile."""
        import httpx

        try:
            return await self._asked(method, path, body, kind, again=again)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            if method != "GET" and kind == "application/json":
                raise
            await self.close()
            return await self._asked(method, path, body, kind, again=again)

    async def _asked(self, method: str, path: str, body: bytes | None, kind: str, *, again: bool) -> Reply:
        headers = await self._headers(kind if body is not None else "")
        await self._way.connect()
        async with (
            asyncio.timeout(self._config.timeout),
            self._way.stream(method, self._prefix + path, headers=headers, content=body) as got,
        ):
            content = bytearray()
            async for block in sharing(got.aiter_bytes()):  # unpacked block by block: a bomb ends here
                content += block
                if len(content) > BODY_LIMIT:
                    raise self._too_large()
            reply = Reply(got.status_code, bytes(content))
            if not (again and reply.status in _PASSING):
                self._judge(reply, got.headers.get("location", ""))
            return reply

    async def _headers(self, kind: str) -> dict[str, str]:
        config = self._config
        headers = {"Accept": "application/json", **await revealed(config.headers)}
        if kind:
            headers["Content-Type"] = kind
        return {**headers, **await authorization(config.user, config.password or "", config.bearer or "")}

    def _judge(self, reply: Reply, location: str) -> None:
        """Raises NotAnswered unless the status and the form are those of such an API."""
        status = reply.status
        if 300 <= status < 400:
            parts = urlsplit(location)
            target = f"{parts.scheme}://{parts.hostname}{parts.path}" if parts.hostname else parts.path
            raise NotAnswered(
                tr("{where} points to {target}, which is not followed, for secrets would go there",
                   where=self.where, target=target),
                tr("Write the address that is meant into url."),
            )  # fmt: skip
        if status < 300 or (status not in (401, 403, 404) and reply.body.lstrip()[:1] in (b"{", b'"')):
            return
        hint: Message | str = ""
        if status in (401, 403):
            hint = tr("Check user, password, bearer and headers of this server.")
        elif status == 404:
            hint = tr(
                "Is the path right? Mimir has its API under /prometheus, a VictoriaMetrics cluster under /select/…."
            )
        reason = redact(reply.body[: 4 * _REASON_CHARS].decode("utf-8", "replace")).strip()[:_REASON_CHARS]
        raise NotAnswered(
            tr("{where} answers {status}: {reason}", where=self.where, status=status, reason=reason), hint
        )

    def _too_large(self) -> NotAnswered:
        return NotAnswered(
            tr("{where} answers more than {limit} MiB; the answer was given up",
               where=self.where, limit=BODY_LIMIT // 1024**2),
            tr("Ask for less time, a longer step or fewer series."),
        )  # fmt: skip
