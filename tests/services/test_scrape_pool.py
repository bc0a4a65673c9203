"""Targets that come and go, scraped from here and through a host's connection."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from lilfox_tui.core.aio import Ready
from lilfox_tui.scrape import scraper as pool_module
from lilfox_tui.scrape.discovery import Discovery
from lilfox_tui.scrape.labels import Matcher
from lilfox_tui.scrape.prometheus_config import from_text
from lilfox_tui.scrape.scraper import ScraperPool
from lilfox_tui.scrape.store import ABSENT_BITS, STALE_BITS, SeriesStore
from lilfox_tui.scrape.target import ScrapeTarget
from tests.services.http_servers import page, serving
from tests.waiting import until


def jobs_up(store: SeriesStore) -> set[str]:
    up = set()
    for one in store.select((Matcher("__name__", "=", "up"),), 0, 1 << 60):
        bits = one.values[-1:].copy().view("i8")[0]
        up |= {
            labels.get("job")
            for labels, last in zip(one.labels, bits, strict=True)
            if last not in (ABSENT_BITS, STALE_BITS)
        }
    return up


async def test_keeps_a_scraper_for_each_target_while_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_module, "LOOK_AGAIN_S", 0.05)
    store = SeriesStore(keep_s=3600, limit_bytes=1 << 30)
    file = tmp_path / "sd.json"
    async with serving(page(b"a 1\n")) as port:
        address = f"127.0.0.1:{port}"
        fixed = ScrapeTarget(f"http://{address}/metrics", (("instance", address), ("job", "fixed")), interval_s=0.1)
        file.write_text(json.dumps([{"targets": [address], "labels": {"job": "one"}}]))
        text = "scrape_configs: [{job_name: x, scrape_interval: 100ms, file_sd_configs: [{files: [sd.json]}]}]"
        pool = ScraperPool(store, lambda _name: None)
        running = asyncio.create_task(pool.run([fixed], Discovery(from_text(text, tmp_path / "p.yml").jobs)))
        try:
            await until(lambda: jobs_up(store) == {"fixed", "one"})
            file.write_text(json.dumps([{"targets": [address, address], "labels": {"job": "two"}}]))
            await until(lambda: jobs_up(store) == {"fixed", "two"})
            file.write_text("[")
            await until(lambda: pool.problems)
            assert jobs_up(store) == {"fixed", "two"}
            states = [scraper.feed.state for scraper in (pool.scrapers.value or {}).values()]
            assert len(states) == 2
            assert all(isinstance(state, Ready) for state in states)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert jobs_up(store) == set()
    assert pool.scrapers.value == {}


async def test_of_targets_with_the_same_labels_one_is_scraped_and_the_other_said(tmp_path: Path) -> None:
    store = SeriesStore(keep_s=3600, limit_bytes=1 << 30)

    def target(job: str, path: str) -> ScrapeTarget:
        return ScrapeTarget(f"http://127.0.0.1:{port}{path}", (("instance", "a"), ("job", job)), interval_s=0.1)

    async with serving(page(b"a 1\n")) as port:
        pool = ScraperPool(store, lambda _name: None, [target("service", "/metrics")])
        others = [
            target("service", "/metrics"),
            target("service", "/other"),
            target("node", "/a"),
            target("node", "/b"),
        ]
        running = asyncio.create_task(pool.run([*others, target("node", "/a")]))
        try:
            await until(lambda: jobs_up(store) == {"node"})
            scraped = pool.scrapers.value or {}
            assert [scraper.target.url for scraper in scraped.values()] == [f"http://127.0.0.1:{port}/a"]
            said = [each.partition(";")[0].replace(f"http://127.0.0.1:{port}", "") for each in pool.problems]
            assert said == [
                "/other is not scraped: /metrics has the same labels",
                "/b is not scraped: /a has the same labels",
            ]
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
