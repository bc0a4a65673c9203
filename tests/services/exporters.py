"""Real exporters on loopback, and what LilFox' own scraper keeps of their pages, asked in its own PromQL."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import TypeVar

from lilfox_tui.core.aio import Ready
from lilfox_tui.promql.query import parse
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.scraper import Scraper
from lilfox_tui.scrape.store import SeriesStore
from lilfox_tui.scrape.target import ScrapeTarget
from tests.lifetime import ending_with_us
from tests.ports import free_port
from tests.services.nginx import Nginx
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.redis_server import PASSWORD, RedisServer
from tests.waiting import wait_for

T = TypeVar("T")
OF_POSTGRES = "exporter"
"""The application_name of the sessions of PostgreSQL's exporter."""
_TRIES = 20


@contextmanager
def exporter(program: str, *arguments: str, **environment: str) -> Iterator[str]:
    """``ADDRESS:PORT`` of the exporter that ``program`` is, which listens; it is ended then."""
    address = f"127.0.0.1:{free_port()}"
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            ending_with_us(program, f"--web.listen-address={address}", *arguments),
            env=os.environ | environment, cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        ) as process,
    ):  # fmt: skip
        try:
            wait_for(lambda: process.poll() is not None or _listens(address), what=f"{program} listens")
            log.seek(0)
            assert process.poll() is None, log.read().decode(errors="replace")
            yield address
        finally:
            process.kill()


def _listens(address: str) -> bool:
    host, _, port = address.partition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def of_postgres(server: Postgres) -> AbstractContextManager[str]:
    """PostgreSQL's exporter of ``server``, with the collectors on whose numbers LilFox has too."""
    source = f"postgresql://{SUPERUSER}@127.0.0.1:{server.port}/postgres?sslmode=disable&application_name={OF_POSTGRES}"
    more = ("--collector.stat_statements", "--collector.database_wraparound")
    return exporter("prometheus-postgres-exporter", *more, DATA_SOURCE_NAME=source)


def of_redis(server: RedisServer) -> AbstractContextManager[str]:
    """Redis' exporter of ``server``."""
    at = f"redis://127.0.0.1:{server.port}"
    return exporter("prometheus-redis-exporter", REDIS_ADDR=at, REDIS_PASSWORD=PASSWORD)


def of_nginx(server: Nginx) -> AbstractContextManager[str]:
    """nginx' exporter of ``server``."""
    return exporter("prometheus-nginx-exporter", f"--nginx.scrape-uri={server.url}/stub_status")


class Scraped:
    """What the scraper has kept of one page."""

    def __init__(self, scraper: Scraper, store: SeriesStore) -> None:
        self._scraper, self._store = scraper, store

    async def again(self) -> None:
        """One more scrape, which must succeed with nothing dropped."""
        await self._scraper.scrape_once()
        state = self._scraper.feed.state
        assert isinstance(state, Ready), state
        assert not state.value.remarks

    def by(self, query: str, label: str) -> dict[str, float]:
        """The elements of ``query`` now, by the value of one label."""
        found = self._vector(query)
        elements = dict(zip((each.get(label) for each in found.labels), found.values.tolist(), strict=True))
        assert len(elements) == len(found.labels), f"{query}: {label} does not tell them apart"
        return elements

    def one(self, query: str) -> float:
        """The only element of ``query`` now."""
        (value,) = self._vector(query).values.tolist()
        return float(value)

    def _vector(self, query: str) -> Vector:
        found = parse(query).at(self._store, time.time_ns() // 1_000_000)
        assert isinstance(found, Vector)
        return found


@asynccontextmanager
async def scraped(address: str, path: str = "/metrics") -> AsyncIterator[Scraped]:
    """One scrape of the page at ``address``; more are made when they are asked for."""
    store = SeriesStore(keep_s=3600, limit_bytes=1 << 30)
    target = ScrapeTarget(url=f"http://{address}{path}", labels=(("instance", address), ("job", "exporter")))
    scraper = Scraper(target, store, None)
    try:
        page = Scraped(scraper, store)
        await page.again()
        yield page
    finally:
        await scraper.close()


async def at_a_standstill(asked: Callable[[], T], look: Callable[[], Awaitable[None]]) -> T:
    """What ``asked`` gives both before and after ``look``, which is done again until it is the same."""
    for _time in range(_TRIES):
        before = asked()
        await look()
        if asked() == before:
            return before
    raise AssertionError(f"never the same before and after: {before}")
