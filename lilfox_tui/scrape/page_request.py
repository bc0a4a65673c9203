"""A target's page, asked over HTTP: bounded in time and bytes, judged by status and type."""

from __future__ import annotations

import asyncio
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from lilfox_tui.errors import HostError, LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.http import HttpFault, HttpTransport, TooMuch, authorization, revealed
from lilfox_tui.i18n import Message, tr
from lilfox_tui.metrics.health import reason_of
from lilfox_tui.scrape.target import ScrapeTarget

_ACCEPT = (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""As Prometheus asks."""
_REDIRECTS = 5
_TEXT_TYPES = frozenset({"", "text/plain", "application/octet-stream"})
"""Prometheus 3 takes text/plain only; the other two say nothing against it."""


class Body(NamedTuple):
    """A page as it came, unpacked."""

    content: bytes
    openmetrics: bool


class NoPage(LilFoxError):
    """There is no page: no answer, another status, too large, or something that is no page of metrics."""


class NotMetrics(NoPage):
    """Something answers, and it has no page of metrics there: a status of 4xx, or another type."""


class PageRequest:
    """Asks one target. ``fetch`` may be called again after any error."""

    def __init__(self, target: ScrapeTarget, host: Host | None) -> None:
        parts = urlsplit(target.url)
        self._target = target
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._way = HttpTransport(target.url, host, timeout_s=target.timeout_s, tls=target.access.tls)

    async def close(self) -> None:
        """Ends the connection and the forwarded port."""
        await self._way.close()

    async def fetch(self) -> Body:
        """The page. Raises NoPage, or the LilFoxError of a secret."""
        where = self._way.where
        try:
            await self._way.connect()
            async with asyncio.timeout(self._target.timeout_s):
                return await self._followed(await self._headers())
        except TimeoutError:
            await self.close()
            raise NoPage(
                tr("no whole page from {where} within {seconds:g} s", where=where, seconds=self._target.timeout_s),
                tr("Does it hang, or is the way to it cut? A slow exporter needs a longer timeout."),
            ) from None
        except HostError as error:
            await self.close()
            raise NoPage(tr("cannot ask from {host}: {reason}", host=error.host, reason=error.message)) from None
        except TooMuch as error:
            raise NoPage(error.message, tr("Raise body_limit if the page is meant to be that large.")) from None
        except (HttpFault, OSError, UnicodeError) as error:
            await self.close()
            raise NoPage(reason_of(error, where)) from None

    async def _headers(self) -> dict[str, str]:
        access = self._target.access
        return {
            "Accept": _ACCEPT,
            "X-Prometheus-Scrape-Timeout-Seconds": f"{self._target.timeout_s:g}",
            **await revealed(access.headers),
            **await authorization(access.user, access.password, access.bearer, access.bearer_type),
        }

    async def _followed(self, headers: dict[str, str]) -> Body:
        path = self._path
        for _hop in range(_REDIRECTS):
            async with self._way.stream("GET", path, headers=headers) as got:
                target = got.headers.get("location", "") if got.status in (301, 302, 303, 307, 308) else ""
                if not target:
                    self._judge_status(got.status)
                    content = await got.body(self._target.limits.body_bytes or None)
                    return Body(content, self._is_openmetrics(got.headers.get("content-type", ""), content))
                path = self._same_place(path, target)
        raise NoPage(tr("{where} points from one address to the next for ever", where=self._way.where))

    def _same_place(self, path: str, target: str) -> str:
        """The path that a redirect leads to. Another address is not followed: secrets would go there."""
        base = f"{urlsplit(self._target.url).scheme}://{self._way.netloc}"
        try:
            parts = urlsplit(urljoin(base + path, target))
        except ValueError:
            raise NoPage(
                tr("{where} points to {target}, which is no address", where=self._way.where, target=target[:100])
            ) from None
        if f"{parts.scheme}://{parts.netloc}" != base:
            raise NoPage(
                tr("{where} points to {target}, which is not followed, for secrets would go there",
                   where=self._way.where, target=f"{parts.scheme}://{parts.hostname}{parts.path}"),
                tr("Write the address that is meant as the target."),
            )  # fmt: skip
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _judge_status(self, status: int) -> None:
        if status == 200:
            return
        hint: Message | str = tr("See the service's log.")
        if status in (401, 403):
            hint = tr("Check user, password and headers of this target.")
        elif status == 404:
            hint = tr("Is the path right? Many programs have it at /metrics, Spring at /actuator/prometheus.")
        kind = NotMetrics if 400 <= status < 500 else NoPage
        raise kind(tr("{where} answers {status}", where=self._way.where, status=status), hint)

    def _is_openmetrics(self, content_type: str, content: bytes) -> bool:
        kind = content_type.partition(";")[0].strip().lower()
        if "html" in kind or content[:15].lstrip().lower().startswith((b"<!doctype html", b"<html")):
            raise NotMetrics(
                tr("{where} sends a page for people (HTML), no metrics", where=self._way.where),
                tr("Is the path right, or does it ask for a login?"),
            )
        if kind == "application/openmetrics-text":
            return True
        if kind in _TEXT_TYPES:
            return False
        raise NotMetrics(
            tr("{where} sends {type}, no metrics", where=self._way.where, type=kind[:60]),
            tr("Text (text/plain) and OpenMetrics are read."),
        )
