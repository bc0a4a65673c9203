"""Servers, and the ways to them, that stand still: given up in time, told of, and nobody else waits for them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lilfox_tui.backends.kinds import postgresql, redis
from lilfox_tui.backends.model import Backend
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core.aio import Ready, Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.hosts.open import open_host
from lilfox_tui.scrape.scraper import Scraper
from lilfox_tui.scrape.store import SeriesStore
from lilfox_tui.scrape.target import ScrapeTarget
from tests.faults.test_hostile_metrics import MOST_S, longest_block_s
from tests.services.http_servers import page, serving
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.redis_server import PASSWORD, RedisServer
from tests.services.sshd import sshd_lab
from tests.waiting import until

TYPE = "Content-Type: text/plain\r\n"
IN_TIME_S = 3.0
ANEW_IN_TIME_S = 14.0
"""To connect anew may take 10 s, for it may include a login to a host."""


@contextmanager
def standing_still(server: Postgres) -> Iterator[None]:
    """Every process of the server is stopped, connections stay open."""
    first = int((server.folder / "data" / "postmaster.pid").read_text().splitlines()[0])
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    pids = [first, *map(int, children)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def refused(backend: Backend, within_s: float = IN_TIME_S) -> str:
    """What is said within the time that there is, the event loop being free all the while."""
    said: list[str] = []

    async def look() -> None:
        async with asyncio.timeout(within_s):
            try:
                await backend.read()
            except LilFoxError as error:
                said.append(str(error))

    assert await longest_block_s(look()) < MOST_S
    assert said, "it neither answered nor gave up in time"
    return said[0]


async def test_a_postgresql_that_stands_still_is_given_up_and_comes_back() -> None:
    with Postgres() as server:
        options = postgresql.Options(port=server.port, user=SUPERUSER, timeout=Seconds(1))
        backend = postgresql.open_backend("db", options, None)
        await backend.read()
        with standing_still(server):
            assert "1 s" in await refused(backend)
            assert await refused(backend, ANEW_IN_TIME_S)
        async with asyncio.timeout(ANEW_IN_TIME_S):
            await backend.read()
            await backend.close()


async def test_what_goes_through_a_frozen_host_is_given_up_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LILFOX_TEST_REDIS", PASSWORD)
    with sshd_lab() as lab, RedisServer() as cache, Postgres() as database:
        sshd = lab.sshd()
        host = open_host("web", lab.host(sshd), lab.ssh())
        store = SeriesStore(keep_s=60, limit_bytes=1 << 24)
        async with serving(page(b"a 1\n", head=TYPE)) as port:
            url = f"http://127.0.0.1:{port}/metrics"
            far, near = (
                Scraper(ScrapeTarget(url, (("instance", name),), interval_s=0.2, timeout_s=1.0), store, way)
                for name, way in (("far", host), ("near", None))
            )
            secret = SecretRef("env:LILFOX_TEST_REDIS")
            ways: list[Backend] = [
                redis.open_backend("c", redis.Options(port=cache.port, password=secret, timeout=Seconds(1)), host),
                postgresql.open_backend(
                    "p", postgresql.Options(port=database.port, user=SUPERUSER, timeout=Seconds(1)), host
                ),
            ]
            tasks = [asyncio.create_task(far.run()), asyncio.create_task(near.run())]
            try:
                await until(lambda: isinstance(far.feed.state, Ready), what="it is scraped through the host")
                for way in ways:
                    await way.read()
                sshd.freeze()
                scraped = store.target(near.target.key).sample_count
                for way in ways:
                    assert await refused(way)
                await until(lambda: isinstance(far.feed.state, Unavailable), what="the far one is told of")
                assert isinstance(near.feed.state, Ready)
                assert store.target(near.target.key).sample_count > scraped
                sshd.thaw()
                await until(lambda: isinstance(far.feed.state, Ready), timeout_s=60, what="it is scraped again")
            finally:
                sshd.thaw()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                for way in ways:
                    await way.close()
                await host.close()
