"""Collects series in one store: scrapes each service's metrics endpoint, and adds the numbers of hosts.

What a service's series tell of its requests goes to its row and to history.

A service is a target by itself; one without such a page is no error. What this imports (numpy, the parser of PromQL) is
imported when it is needed, and never before the first frame."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from lilfox_tui.config.model import Config
from lilfox_tui.config.probes import speaks_http
from lilfox_tui.core.aio import Feed, Ready, Unavailable
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.history import History
from lilfox_tui.metrics.model import HostSnapshot
from lilfox_tui.metrics.traffic import TrafficPart, series_of_traffic, traffic_window_s
from lilfox_tui.monitor.model import Overview, StoreUsage, TargetView, target_view
from lilfox_tui.monitor.watchers.host import HostWatch
from lilfox_tui.monitor.watchers.service import ServiceWatch

if TYPE_CHECKING:
    from lilfox_tui.monitor.series import MonitorSeries
    from lilfox_tui.monitor.watchers.scraped_service import OtherTargets, ScrapedService
    from lilfox_tui.scrape.exposition import Family
    from lilfox_tui.scrape.scraper import Scrape, ScraperPool
    from lilfox_tui.scrape.store import SeriesStore


AFTER_FIRST_FRAME_S = 1.0
"""Importing numpy would hold up the first frame."""
NO_PAGE_AGAIN_S = 60.0
"""A service that never had a page of metrics is asked for one so seldom."""
AFTER_FAULT_S = 5.0
CHECK_APART_S = 1.0
HOLDS_SCRAPES = 2
_IMPORTED_IN_THREAD = (
    "lilfox_tui.monitor.watchers.scraped_service", "lilfox_tui.monitor.series", "lilfox_tui.scrape.discovery",
    "lilfox_tui.scrape.scraper", "h11",
)  # fmt: skip
"""Together they take a tenth of a second, in which the event loop goes on."""


class ScrapeWatch:
    """Scrapes the services in ``services`` and the targets that ``config`` names. ``host_of`` returns the scraping host
    by its name; None for this machine.

    ``store`` is published once there is one: with a service that has metrics, with targets, or with rules. Rules select
    from it, so it has what ``config`` names; of services that were found here the series are in ``found_store``.
    """

    def __init__(
        self,
        config: Config,
        services: Mapping[str, ServiceWatch],
        history: History,
        host_of: Callable[[str | None], Host | None],
    ) -> None:
        self.store: Feed[SeriesStore] = Feed()
        self.found_store: SeriesStore | None = None
        self.prepare: Callable[[SeriesStore], None] | None = None
        """Is called in a thread with the store before anybody has it."""
        self._config, self._services, self._history, self._host_of = config, services, history, host_of
        self._limit_bytes = config.history.memory_mb * 1024 * 1024
        self._scraped: dict[str, ScrapedService] = {}
        self._series: MonitorSeries | None = None
        self._pool: ScraperPool | None = None
        self._file_problems: tuple[str, ...] = ()

    async def run(self) -> None:
        """Scrape until cancelled."""
        asked = self._asked()
        named = self._names_others()
        if not self.keeps_series:
            return
        await asyncio.sleep(AFTER_FIRST_FRAME_S)
        store = await self._opened()
        async with asyncio.TaskGroup() as group:
            for watch in asked:
                group.create_task(self._kept_up(watch))
            if named:
                others = await self._others(store)
                group.create_task(others.pool.run(others.targets, others.discovery))

    @property
    def keeps_series(self) -> bool:
        """Whether there is a store, or will be one: something is to be scraped, clusters are watched, or rules select
        from it."""
        named = self._config.rules or self._config.recovery or self._config.clusters
        return bool(self._asked() or self._names_others() or named)

    def checks(self) -> list[Coroutine[Any, Any, None]]:
        """Return the checks for :meth:`Monitor.check_once`: two scrapes of each service that has metrics, because rates
        need two, and one of the other targets."""
        others = [self._check_others()] if self._names_others() else []
        return [*(self._check(watch) for watch in self._asked()), *others]

    def _names_others(self) -> bool:
        return bool(self._config.scrape or self._config.prometheus_config)

    def _asked(self) -> list[ServiceWatch]:
        """Return the services that have a metrics endpoint, configured in the service itself or as targets with its
        name in ``scrape``."""
        return [
            watch
            for name, watch in self._services.items()
            if watch.config.metrics is not None or name in self._config.scrape
        ]

    async def _check(self, watch: ServiceWatch) -> None:
        await self._opened()
        watch.hold = 1  # one look is all there is
        scraped = self._scraped_service(watch)
        try:
            if await scraped.scrape_once():
                await asyncio.sleep(CHECK_APART_S)
                await scraped.scrape_once()
            await self._take_state(watch, scraped)
        except LilFoxError as error:
            watch.traffic.fail(error)
        finally:
            await scraped.close()

    @property
    def problems(self) -> tuple[str, ...]:
        """The reasons why configured targets are not scraped, as sentences."""
        return (*self._file_problems, *(self._pool.problems if self._pool is not None else ()))

    async def _check_others(self) -> None:
        others = await self._others(await self._opened())
        await others.pool.look_once(others.targets, others.discovery)

    async def _others(self, store: SeriesStore) -> OtherTargets:
        """Return the scrapers of targets that are not services: those of the section ``scrape`` and of the jobs of a
        prometheus.yml."""
        from lilfox_tui.monitor.watchers.scraped_service import others_of

        asked = [watch for watch in self._asked() if not self._is_found(watch)]
        others = await others_of(self._config, store, self._host_of, asked)
        self._pool, self._file_problems = others.pool, others.problems
        return others

    def _is_found(self, watch: ServiceWatch) -> bool:
        """Whether the service was discovered and is not in the config; a section of ``scrape`` with its name counts as
        configured."""
        return watch.found and watch.name not in self._config.scrape

    def take_host(self, watch: HostWatch, snapshot: HostSnapshot) -> None:
        """Add a new reading of a host to its series."""
        if self.store.value is not None:
            self._written(self.store.value).of_host(watch.name).take(watch.view(datetime.now(UTC)), snapshot)

    def take_lost(self, overview: Overview) -> None:
        """End the series of unreachable hosts."""
        if self.store.value is None:
            return
        for name, view in overview.hosts.items():
            if isinstance(view.link, Unavailable):
                self._written(self.store.value).of_host(name).lost(view, round(overview.at.timestamp() * 1000))

    def take_audit(self, overview: Overview) -> None:
        """Add the findings of the newest audit to their series."""
        if self.store.value is not None and overview.audit is not None:
            self._written(self.store.value).take_audit(overview.audit, overview.at)

    def take_certificates(self, overview: Overview) -> None:
        """Add the times of the certificates of configured services to their series."""
        named = [view for view in overview.services.values() if not view.found and view.state is not None]
        if self.store.value is not None and any(view.state and view.state.certificate for view in named):
            self._written(self.store.value).take_certificates(named, overview.at)
        probed = [view for view in named if not speaks_http(view.config)]
        if self.store.value is not None and probed:
            self._written(self.store.value).take_probes(probed, overview.at)

    def take_containers(self, overview: Overview) -> None:
        """Add the containers of all hosts to their series."""
        if self.store.value is not None and overview.containers:
            self._written(self.store.value).take_containers(overview.containers, overview.at)

    def take_clusters(self, overview: Overview) -> None:
        """Add the Kubernetes clusters to their series."""
        if self.store.value is not None and overview.clusters:
            self._written(self.store.value).take_clusters(overview.clusters, overview.at)

    def _written(self, store: SeriesStore) -> MonitorSeries:
        from lilfox_tui.monitor.series import MonitorSeries

        if self._series is None:
            self._series = MonitorSeries(store)
        return self._series

    def by_route(self, name: str, at: datetime) -> list[TrafficPart]:
        """Return a service's requests by route at ``at`` (aware UTC); empty if unknown."""
        scraped = self._scraped.get(name)
        return [] if scraped is None else scraped.by_route(at)

    def route_rates(
        self, name: str, start: datetime, end: datetime, count: int
    ) -> Mapping[str, Sequence[float | None]]:
        """Return ``count`` rates of each route of a service from ``start`` to ``end`` (aware UTC), oldest first; empty
        if unknown."""
        scraped = self._scraped.get(name)
        return {} if scraped is None else scraped.route_rates(start, end, count)

    def by_status(self, name: str, at: datetime) -> list[TrafficPart]:
        """Return a service's requests by status at ``at`` (aware UTC); empty if unknown."""
        scraped = self._scraped.get(name)
        return [] if scraped is None else scraped.by_status(at)

    def targets(self, name: str) -> tuple[TargetView, ...]:
        """Return the scrape state of a service's targets; empty if it is not scraped."""
        scraped = self._scraped.get(name)
        return () if scraped is None else scraped.views()

    def all_targets(self) -> tuple[TargetView, ...]:
        """Return the scrape state of each target: first those of services with a metrics endpoint, then the others."""
        return (*(view for name in self._scraped for view in self.targets(name)), *self._other_targets())

    def _other_targets(self) -> tuple[TargetView, ...]:
        store, scrapers = self.store.value, None if self._pool is None else self._pool.scrapers.value
        if store is None or scrapers is None:
            return ()
        return tuple(target_view(each, store.target(key).series_count) for key, each in scrapers.items())

    def families(self) -> dict[str, Family]:
        """Return type and help of the metrics that are scraped or read from hosts, by name."""
        found: dict[str, Family] = {} if self._series is None else self._series.families()
        scrapers = None if self._pool is None else self._pool.scrapers.value
        for scraper in (scrapers or {}).values():
            found |= scraper.exposition.families
        for service in self._scraped.values():
            found |= service.families()
        return found

    def kept(self) -> StoreUsage | None:
        """Return the usage of all series together; None without a store."""
        store = self.store.value
        if store is None:
            return None
        stores = (store,) if self.found_store is None else (store, self.found_store)
        size_bytes, samples = sum(each.size_bytes for each in stores), sum(each.sample_count for each in stores)
        oldest = min((each.oldest_ms for each in stores if each.oldest_ms is not None), default=None)
        return StoreUsage(
            sum(each.series_count for each in stores),
            size_bytes,
            self._limit_bytes,
            size_bytes / samples if samples else None,
            None if oldest is None else datetime.fromtimestamp(oldest / 1000, UTC),
            self.problems,
        )

    async def _opened(self) -> SeriesStore:
        """Return the store; the first call creates it, with the imports in a thread."""
        if (store := self.store.value) is not None:
            return store
        for module in _IMPORTED_IN_THREAD:
            await asyncio.to_thread(importlib.import_module, module)
        if (store := self.store.value) is not None:  # another has made it meanwhile
            return store
        store = self._new_store()
        if self.prepare is not None:
            await asyncio.to_thread(self.prepare, store)
        self.store.publish(store)
        return store

    def _new_store(self) -> SeriesStore:
        from lilfox_tui.scrape.store import SeriesStore

        return SeriesStore(keep_s=self._config.history.hours * 3600, limit_bytes=self._limit_bytes)

    def _store_of(self, watch: ServiceWatch) -> SeriesStore:
        """Return the store for a service's series, once the store is open."""
        if self._is_found(watch):
            if self.found_store is None:
                self.found_store = self._new_store()
            return self.found_store
        assert self.store.value is not None
        return self.store.value

    async def _kept_up(self, watch: ServiceWatch) -> None:
        """Scrape one service. An internal error affects only that service's page."""
        while True:
            try:
                await self._scrape(watch)
            except Exception as error:
                watch.traffic.fail(LilFoxError(fault_of(error)))
                await asyncio.sleep(AFTER_FAULT_S)

    async def _scrape(self, watch: ServiceWatch) -> None:
        """Scrape a service until it turns out to have no metrics endpoint."""
        from lilfox_tui.scrape.scraper import NotMetrics

        scraped = self._scraped_service(watch)
        following = [asyncio.create_task(self._follow(watch, scraped, feed)) for feed in scraped.feeds]
        try:
            await scraped.run()
        except NotMetrics as error:
            watch.traffic.fail(error, next_try=datetime.now(UTC) + timedelta(seconds=NO_PAGE_AGAIN_S))
            await asyncio.sleep(NO_PAGE_AGAIN_S)
        finally:
            for each in following:
                each.cancel()

    def _scraped_service(self, watch: ServiceWatch) -> ScrapedService:
        """Return the scraper of a service; a section of ``scrape`` with its name gives the address of its metrics
        endpoint."""
        from lilfox_tui.monitor.watchers.scraped_service import scraped_service

        window_s = traffic_window_s(self._every_s(watch))
        scraped = scraped_service(watch, self._config, self._store_of(watch), self._host_of, window_s)
        self._scraped[watch.name] = scraped
        return scraped

    def _every_s(self, watch: ServiceWatch) -> float:
        named = self._config.scrape.get(watch.name)
        return watch.config.metrics_every if named is None else named.every

    async def _follow(self, watch: ServiceWatch, scraped: ScrapedService, feed: Feed[Scrape]) -> None:
        async with aclosing(feed.watch()) as states:
            async for _state in states:
                await self._take_state(watch, scraped)

    async def _take_state(self, watch: ServiceWatch, scraped: ScrapedService) -> None:
        state = scraped.state
        if isinstance(state, Unavailable):
            watch.traffic.fail(state.error, since=state.since, next_try=state.next_try)
        elif isinstance(state, Ready):
            await self._take(watch, scraped, state.at)

    async def _take(self, watch: ServiceWatch, scraped: ScrapedService, at: datetime) -> None:
        traffic = await scraped.traffic(at)
        watch.take_traffic(traffic, at)
        holds_s = HOLDS_SCRAPES * self._every_s(watch)
        self._history.add(f"traffic/{watch.name}", at, series_of_traffic(traffic), holds_s=holds_s)
