"""Scrapes everything that a configuration names into a temporary store, for a query without a console.

Imports numpy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from lilfox_tui.clusters.model import ClusterView
from lilfox_tui.config.model import Config, HostConfig
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.metrics.sampler import Sampler
from lilfox_tui.monitor.model import watched_hosts, watched_services
from lilfox_tui.monitor.series import HostSeries, MonitorSeries
from lilfox_tui.monitor.watchers.cluster import WatchedClusters
from lilfox_tui.monitor.watchers.host import HostWatch
from lilfox_tui.monitor.watchers.scraped_service import target_of
from lilfox_tui.monitor.watchers.service import ServiceWatch
from lilfox_tui.scrape.discovery import Discovery, configured_targets, prometheus_file
from lilfox_tui.scrape.scraper import NotMetrics, Scraper
from lilfox_tui.scrape.store import SeriesStore
from lilfox_tui.scrape.target import ScrapeTarget

LIMIT_BYTES = 256 * 1024 * 1024
KEEP_S = 3600.0


class ScrapeResult(Struct, frozen=True):
    """The result of scraping, as of ``at`` (aware UTC), over ``window_s`` from the first sample to the last.

    ``asked`` counts targets and hosts, ``troubles`` says of which there is nothing, and why.
    """

    store: SeriesStore
    at: datetime
    window_s: float
    asked: int
    troubles: tuple[Message, ...]
    scrapers: tuple[Scraper, ...] = ()


@asynccontextmanager
async def scrape_once(
    config: Config, config_file: Path | None, *, for_s: float, every_s: float, hosts: bool, clusters: bool = False
) -> AsyncIterator[ScrapeResult]:
    """Scrape each target, and again every ``every_s`` until ``for_s`` have passed; with ``hosts`` also read the numbers
    of hosts, with ``clusters`` those of Kubernetes clusters. After the block the series have ended. Raises LilFoxError
    if the configured prometheus.yml is broken."""
    store = SeriesStore(keep_s=KEEP_S, limit_bytes=LIMIT_BYTES)
    targets, optional = await asyncio.to_thread(_targets, config, config_file)
    opened: dict[str, Host] = {}
    scrapers = [Scraper(target, store, _asking(config, target.host, opened)) for target in targets]
    watches = [_watch(config, name, opened) for name in watched_hosts(config)] if hosts else []
    watched = WatchedClusters(config.clusters if clusters else {}, lambda name: _asking(config, name, opened), _ignore)
    of_clusters = MonitorSeries(store)
    series = {watch.name: HostSeries(store, watch.name, others_every_ms=0) for watch in watches}
    first_s = time.monotonic()
    try:
        while True:
            started_s = time.monotonic()
            readings = [_read(watch, series[watch.name]) for watch in watches]
            await asyncio.gather(*(scraper.scrape_once() for scraper in scrapers), *readings, *watched.checks())
            found = watched.views(datetime.now(UTC))
            of_clusters.take_clusters(found, datetime.now(UTC), at_once=True)
            if time.monotonic() + every_s / 2 > first_s + for_s:
                break
            await asyncio.sleep(max(0.0, started_s + every_s - time.monotonic()))
        troubles = (*_troubles(scrapers, optional, watches), *_of_clusters(found.values()))
        yield ScrapeResult(
            store,
            datetime.now(UTC),
            time.monotonic() - first_s,
            len(scrapers) + len(watches) + len(found),
            troubles,
            tuple(scrapers),
        )
    finally:
        for scraper in scrapers:
            await scraper.close()
        await watched.close()
        await asyncio.gather(*(host.close() for host in opened.values()))


def _targets(config: Config, config_file: Path | None) -> tuple[list[ScrapeTarget], set[str]]:
    """Return all targets, and the keys of those that need not have a metrics endpoint: services."""
    named = config.scrape or config.prometheus_config or config.rules  # then nothing else is a series of these
    watched = config.services if named else watched_services(config)
    services = [ServiceWatch(name, each) for name, each in watched.items() if each.metrics is not None]
    found = {target.key: target for target in map(target_of, services)}
    optional = set(found)
    found |= {target.key: target for target in configured_targets(config)}
    file = prometheus_file(config, config_file)
    if file is not None:
        found |= {target.key: target for target in Discovery(file.jobs).targets().targets}
    return list(found.values()), optional


def _asking(config: Config, name: str | None, opened: dict[str, Host]) -> Host | None:
    if name is None or config.hosts[name].local:
        return None
    return _opened(config, name, config.hosts[name], opened)


def _opened(config: Config, name: str, host: HostConfig, opened: dict[str, Host]) -> Host:
    if name not in opened:
        opened[name] = open_host(name, host, config.ssh, read_only=config.read_only)
    return opened[name]


def _watch(config: Config, name: str, opened: dict[str, Host]) -> HostWatch:
    host = watched_hosts(config)[name]
    watch = HostWatch(name, host, config.thresholds, period_s=config.refresh)
    watch.once(KEEP_S)
    watch.host = _opened(config, name, host, opened)
    watch.sampler = Sampler(watch.host, config.collectors, config.refresh)
    return watch


async def _read(watch: HostWatch, series: HostSeries) -> None:
    assert watch.host is not None
    assert watch.sampler is not None
    try:
        await watch.host.connect()
        snapshot = await watch.sampler.sample_once()
    except LilFoxError as error:
        watch.fail(error, datetime.now(UTC))
        return
    watch.take(snapshot)
    series.take(watch.view(datetime.now(UTC)), snapshot)


def _ignore() -> None:
    """What a cluster tells is read when all have answered."""


def _of_clusters(views: Iterable[ClusterView]) -> Iterable[Message]:
    return (tr("{what}: {reason}", what=each.name, reason=each.error) for each in views if each.error is not None)


def _troubles(scrapers: Iterable[Scraper], optional: set[str], watches: Iterable[HostWatch]) -> Iterable[Message]:
    for scraper in scrapers:
        state = scraper.feed.state
        if isinstance(state, Unavailable):
            if scraper.target.key in optional and isinstance(state.error, NotMetrics):
                continue  # a service without a page of metrics
            yield tr("{what}: {reason}", what=scraper.target.label("job"), reason=state.error)
    for watch in watches:
        read = watch.snapshots.state
        if isinstance(read, Unavailable):
            yield tr("{what}: {reason}", what=watch.name, reason=read.error)
