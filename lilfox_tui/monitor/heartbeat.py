"""A call to an address of somebody who notices when it stops coming (a dead man's switch)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lilfox_tui.i18n import Message, ntr, tr

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S = 10.0


class Heartbeat:
    """GET ``url`` each ``every_s`` seconds. ``failures`` counts the calls in a row that did not arrive.

    The address is a secret (whoever has it can call it): only its host is ever said.
    """

    def __init__(self, url: str, every_s: float, warn: Callable[[Message], None]) -> None:
        self._url = url
        self._every_s = every_s
        self._warn = warn
        self.failures = 0

    async def run(self) -> None:
        """Calls until cancelled; ``warn`` is told of the first failure in a row and of the end of it."""
        client_class = await asyncio.to_thread(_client_class)
        where = urlsplit(self._url).hostname or "?"
        async with client_class(timeout=_TIMEOUT_S) as client:
            while True:
                why = await self._call(client)
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

    async def _call(self, client: httpx.AsyncClient) -> str:
        """Nothing when it arrived, else why not: without the error's text, which may hold the address."""
        import httpx

        try:
            answer = await client.get(self._url)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            return type(error).__name__
        return "" if answer.is_success else f"HTTP {answer.status_code}"


def _client_class() -> type[httpx.AsyncClient]:
    """Imported in a thread: it takes a tenth of a second."""
    import logging

    import httpx

    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs whole addresses
    return httpx.AsyncClient
