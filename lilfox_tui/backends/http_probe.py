"""Bounded HTTP GET requests to a backend, and a reader for metrics endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from lilfox_tui.backends.model import BackendError, no_answer
from lilfox_tui.config.model import BackendConfig
from lilfox_tui.config.values import SecretRef, TextOrSecret
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.http import HttpFault, HttpTransport, Tls, authorization, revealed
from lilfox_tui.metrics.health import reason_of
from lilfox_tui.metrics.model import Sample

if TYPE_CHECKING:
    from lilfox_tui.scrape.exposition import Exposition


BODY_LIMIT = 16 * 1024 * 1024


class HttpBackendOptions(BackendConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The address of the backend, as seen from ``host`` if one is given, and the credentials for it."""

    url: str
    user: str = ""
    password: SecretRef | None = None
    headers: dict[str, TextOrSecret] = msgspec.field(default_factory=dict)
    ca_file: str = ""
    verify_tls: bool = True


class HttpBody(Struct, frozen=True):
    """The body of a response with status 200."""

    content: bytes
    content_type: str


class HttpProbe:
    """Sends requests to one server over a persistent connection; after any error the next request reconnects."""

    def __init__(self, options: HttpBackendOptions, host: Host | None) -> None:
        self._options = options
        tls = Tls(verify=options.verify_tls, ca_file=options.ca_file)
        self._transport = HttpTransport(options.url, host, timeout_s=options.timeout, tls=tls)

    @property
    def where(self) -> str:
        """``address:port``, as it appears in errors."""
        return self._transport.where

    async def get(self, path: str) -> HttpBody:
        """Return the body of ``path`` (with its query). Raises BackendError, HostError, or LilFoxError if a secret
        cannot be read."""
        try:
            await self._transport.connect()
            async with asyncio.timeout(self._options.timeout):
                return await self._got(path)
        except TimeoutError:
            await self.close()
            raise no_answer(self.where, self._options.timeout) from None
        except (HttpFault, OSError, UnicodeError) as error:
            await self.close()
            raise BackendError(reason_of(error, self.where)) from None
        except LilFoxError:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection and the forwarded port."""
        await self._transport.close()

    async def _got(self, path: str) -> HttpBody:
        options = self._options
        headers = await revealed(options.headers) | await authorization(options.user or None, options.password or "")
        async with self._transport.stream("GET", path, headers=headers) as got:
            if got.status != 200:
                hint: Message | str = tr("See the service's log.")
                if got.status in (401, 403):
                    hint = tr("Check user, password and headers of this backend.")
                elif got.status == 404:
                    hint = tr("Is the path right, and is the plug-in that serves it enabled?")
                raise BackendError(
                    tr("{where} returns {status} for {path}", where=self.where, status=got.status,
                       path=path.partition("?")[0]), hint,
                )  # fmt: skip
            return HttpBody(await got.body(BODY_LIMIT), got.headers.get("content-type", ""))


def path_of(url: str, default: str) -> str:
    """Return path and query of ``url``; ``default`` replaces an empty path."""
    parts = urlsplit(url)
    return (parts.path.rstrip("/") or default) + (f"?{parts.query}" if parts.query else "")


_MOST_SAMPLES = 50_000


class MetricsPage:
    """Reads the metrics endpoints of one server, keeping only metrics whose name ``wanted`` accepts."""

    def __init__(self, where: str, wanted: Callable[[str], bool]) -> None:
        self._where, self._wanted = where, wanted
        self._reader: Exposition | None = None

    def samples(self, body: HttpBody) -> list[Sample]:
        """Return the samples in a response. Raises BackendError."""
        from lilfox_tui.scrape.exposition import BadPage, Exposition
        from lilfox_tui.scrape.labels import NAME, LabelSet

        if self._reader is None:
            self._reader = Exposition(
                lambda labels: LabelSet.of(labels) if self._wanted(labels[NAME]) else None, limit=_MOST_SAMPLES
            )
        kind = body.content_type.partition(";")[0].strip().lower()
        if "html" in kind:
            raise BackendError(
                tr("{where} returns an HTML page, not metrics", where=self._where),
                tr("Is the path right? Does it require a login?"),
            )
        try:
            page = self._reader.read(body.content, openmetrics=kind == "application/openmetrics-text")
        except BadPage as error:
            self._reader.forget()
            raise BackendError(tr("{where}: {reason}", where=self._where, reason=error.message), error.hint) from None
        made = []
        for labels, value in zip(page.labels.sets, page.values.tolist(), strict=True):
            pairs = tuple(pair for pair in labels.pairs if pair[0] != NAME)
            made.append(Sample(labels.get(NAME), value, pairs))
        return made
