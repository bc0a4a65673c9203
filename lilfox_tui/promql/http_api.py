"""Questions to an HTTP API of Prometheus' kind: bounded in time and bytes, never led to another address.

What a server answers in its own words (a query that is wrong, a silence that is refused) is given to the caller;
everything else that is not an answer is an error here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec
from msgspec import Meta

from lilfox_tui.config.model import ApiConfig
from lilfox_tui.errors import HostError, LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.http import VALUES_AT_MOST, HttpFault, HttpTransport, Tls, TooMuch, authorization, revealed
from lilfox_tui.i18n import Message, tr
from lilfox_tui.metrics.health import reason_of
from lilfox_tui.redact import redacted_start

BODY_LIMIT = 64 * 1024 * 1024
"""Bytes of one answer, unpacked, past which it is given up."""
RETRY_S = (0.5, 1.0)
"""Waits before a question is asked again that a gateway or an overloaded server did not take."""
_PASSING = frozenset({429, 502, 504})
_LONGEST_PATH = 2000
"""A longer question is sent in the body: servers and the gateways before them limit the first line."""
_FORM = "application/x-www-form-urlencoded"
_REASON_CHARS = 300

Moment = Annotated[datetime, Meta(tz=True)]
"""A time in an answer; one without a zone is refused."""
Pairs = Sequence[tuple[str, str]]


class Reply(NamedTuple):
    """``status`` is 2xx, or 4xx and 5xx with words of the API itself (JSON)."""

    status: int
    body: bytes


class NotAnswered(LilFoxError):
    """The server could not be asked, or what answers is not such a server."""


class HttpApi:
    """One server. May be asked by several tasks at once; ``host`` is the one that asks, None for this machine."""

    def __init__(self, config: ApiConfig, host: Host | None) -> None:
        self._config = config
        self._prefix = urlsplit(config.url).path.rstrip("/")
        tls = Tls(verify=config.verify_tls, ca_file=config.ca_file)
        self._way = HttpTransport(config.url, host, timeout_s=config.timeout, tls=tls)

    @property
    def where(self) -> str:
        """The server as errors name it: no secret."""
        return f"{urlsplit(self._config.url).scheme}://{self._way.netloc}{self._prefix}"

    async def get(self, path: str, params: Pairs = ()) -> Reply:
        """The answer to a question that changes nothing; a long one is POSTed. Raises LilFoxError."""
        query = urlencode(params)
        if len(path) + len(query) <= _LONGEST_PATH:
            return await self._patient("GET", f"{path}?{query}" if query else path, None)
        return await self._patient("POST", path, query.encode(), _FORM)

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
        where = self.where
        try:
            return await self._asked(method, path, body, kind, again=again)
        except TimeoutError:
            raise NotAnswered(
                tr("{where} did not answer within {seconds:g} s", where=where, seconds=self._config.timeout),
                tr("Ask for less time or fewer series, or raise timeout."),
            ) from None
        except HostError as error:
            await self.close()
            raise NotAnswered(tr("cannot ask from {host}: {reason}", host=error.host, reason=error.message)) from None
        except TooMuch as error:
            hint = tr("Ask for less time, a longer step or fewer series.")
            raise NotAnswered(error.message, hint) from None
        except (HttpFault, OSError, UnicodeError) as error:
            await self.close()
            raise NotAnswered(
                reason_of(error, self._way.where), tr("Does it run, and is the address right? from: asks from a host.")
            ) from None

    async def _asked(self, method: str, path: str, body: bytes | None, kind: str, *, again: bool) -> Reply:
        headers = await self._headers(kind if body is not None else "")
        changes_nothing = method == "GET" or kind == _FORM
        async with self._way.stream(
            method, self._prefix + path, headers=headers, content=body or b"", repeatable=changes_nothing
        ) as got:
            reply = Reply(got.status, await got.body(BODY_LIMIT, values=VALUES_AT_MOST))
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
        reason = redacted_start(reply.body, _REASON_CHARS)
        raise NotAnswered(
            tr("{where} answers {status}: {reason}", where=self.where, status=status, reason=reason), hint
        )
