"""A call to an address of somebody who notices when it stops coming (a dead man's switch)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from lilfox_tui.errors import LilFoxError
from lilfox_tui.hosts.http_way import HttpWay
from lilfox_tui.i18n import Message, ntr, tr

_TIMEOUT_S = 10.0


class Heartbeat:
    """GET ``url`` each ``every_s`` seconds. ``failures`` counts the calls in a row that did not arrive.

    The address is a secret (whoever has it can call it): only its host is ever said.
    """

    def __init__(
        self, url: str, every_s: float, warn: Callable[[Message], None], *, timeout_s: float = _TIMEOUT_S
    ) -> None:
        self._url = url
        self._every_s = every_s
        self._warn, self._timeout_s = warn, timeout_s
        self.failures = 0

    async def run(self) -> None:
        """Calls until cancelled; ``warn`` is told of the first failure in a row and of the end of it."""
        parts = urlsplit(self._url)
        where, path = parts.hostname or "?", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        way = HttpWay(self._url, None, timeout_s=self._timeout_s)
        try:
            while True:
                why = await self._call(way, path)
                if why:
                    self.failures += 1
                    if self.failures == 1:
                        self._warn(tr("the heartbeat did not reach {where}: {why}", where=where, why=why))
                elif self.failures:
                    count, self.failures = self.failures, 0
                    self._warn(
                        ntr(
                            "the heartbeat reaches {where} again after {count} failure",
                            "the heartbeat reaches {where} again after {count} failures",
                            count,
                            where=where,
                        )
                    )
                await asyncio.sleep(self._every_s)
        finally:
            await way.close()

    async def _call(self, way: HttpWay, path: str) -> str:
        """Nothing when it arrived, else why not: without the error's text, which may hold the address."""
        try:
            async with way.stream("GET", path, headers={}) as answer:
                return "" if 200 <= answer.status < 300 else f"HTTP {answer.status}"
        except (LilFoxError, OSError, UnicodeError) as error:
            return type(error).__name__
