"""One service whose metrics endpoint is scraped, and the traffic derived from its series. Imports numpy."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import numpy as np

from lilfox_tui.config.model import Config, MetricNames
from lilfox_tui.core.aio import Feed, Pending, Ready, State, Unavailable
from lilfox_tui.core.errors import ConfigError, LilFoxError
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.traffic import Traffic, TrafficPart
from lilfox_tui.monitor.model import TargetView, target_view
from lilfox_tui.monitor.traffic_queries import TargetsOfService, TrafficQueries
from lilfox_tui.monitor.watchers.service import ServiceWatch
from lilfox_tui.scrape.application import Application, recognise
from lilfox_tui.scrape.discovery import Discovery, configured_targets, prometheus_file, service_target
from lilfox_tui.scrape.exposition import BadPage, Family
from lilfox_tui.scrape.labels import NAME, LabelList, Matcher, ms_of
from lilfox_tui.scrape.scraper import NotMetrics, Scrape, Scraper, ScraperPool
from lilfox_tui.scrape.store import SeriesStore, TargetSeries
from lilfox_tui.scrape.target import ScrapeTarget

_UP = (Matcher(NAME, "=", "up"),)
_WINDOW_STEP_MS = 100
_RATE_LEAST_MS = 900
"""Between the scrapes of a rate: the first two come at once."""
_ONE_SCRAPE_MS = 1
"""A window that has the newest scrape alone."""
_WINDOWS_KEPT = 8
_ASKED_IN_THREAD = 1000
"""Series of a service from which on what is new on its page would hold up everything else while it is looked at."""


class ScrapedService:
    """Scrapes the targets of a service, usually one; rates cover ``window_s`` seconds, or the time since the targets
    were last down. ``names`` overrides the recognised metrics. ``expected``: a target without a metrics endpoint is
    down."""

    def __init__(
        self, scrapers: Sequence[Scraper], store: SeriesStore, names: MetricNames, window_s: float, *, expected: bool
    ) -> None:
        self._scrapers = tuple(scrapers)
        self._store, self._expected = store, expected
        self._series = tuple(store.target(each.target.key) for each in scrapers)
        self._source = TargetsOfService(self._series)
        self._names, self._window_ms = names, round(window_s * 1000)
        self._labels = LabelList(())
        self._application = Application()
        self._questions: OrderedDict[int, TrafficQueries] = OrderedDict()
        self._one_at_a_time = threading.Lock()
        self._parts_of: dict[str, tuple[int, list[TrafficPart]]] = {}
        self._rates: tuple[tuple[int, int, int], Mapping[str, Sequence[float | None]]] | None = None

    @property
    def feeds(self) -> tuple[Feed[Scrape], ...]:
        """The result of each target's last scrape."""
        return tuple(each.feed for each in self._scrapers)

    @property
    def state(self) -> State[Scrape]:
        """The newest scrape of any target; if all are down, the reason of the first."""
        states = [feed.state for feed in self.feeds]
        ready = [state for state in states if isinstance(state, Ready)]
        if ready:
            return max(ready, key=lambda state: state.at)
        return next((state for state in states if isinstance(state, Unavailable)), Pending())

    def families(self) -> dict[str, Family]:
        """Return type and help of the metrics, as the targets told them last."""
        return {name: family for each in self._scrapers for name, family in each.exposition.families.items()}

    def views(self) -> tuple[TargetView, ...]:
        """Return the scrape state of each target."""
        return tuple(
            target_view(each, series.series_count, optional=not self._expected)
            for each, series in zip(self._scrapers, self._series, strict=True)
        )

    async def run(self) -> None:
        """Scrape until cancelled. Raises NotMetrics if the service turns out to have no metrics endpoint: its series
        are then removed from the store, and the object is finished."""
        try:
            there = self._expected or await self.scrape_once()
            while not there:
                await asyncio.sleep(self._scrapers[0].target.interval_s)
                there = await self.scrape_once()
            async with asyncio.TaskGroup() as group:
                for each in self._scrapers:
                    group.create_task(each.run())
        finally:
            await self.close()

    async def scrape_once(self) -> bool:
        """Scrape once; return whether a target was scraped successfully. Raises NotMetrics if the service has no
        metrics endpoint."""
        await asyncio.gather(*(each.scrape_once() for each in self._scrapers))
        state = self.state
        if not self._expected and isinstance(state, Unavailable) and _is_no_page(state.error):
            for each in self._scrapers:
                self._store.drop(each.target.key)
            raise NotMetrics(state.error.message, state.error.hint)
        return isinstance(state, Ready)

    async def close(self) -> None:
        """Close the connections and the forwarded ports."""
        for each in self._scrapers:
            await each.close()

    async def traffic(self, at: datetime) -> Traffic:
        """Return the traffic of all requests in the window up to the last scrape at or before ``at`` (aware UTC)."""
        if sum(series.series_count for series in self._series) > _ASKED_IN_THREAD:
            return await asyncio.to_thread(self._traffic, ms_of(at))
        return self._traffic(ms_of(at))

    def _traffic(self, at_ms: int) -> Traffic:
        at_ms, window_ms = self._window(at_ms)
        self._recognise(at_ms)
        return self._asked(window_ms).whole(self._source, at_ms)

    def by_route(self, at: datetime) -> list[TrafficPart]:
        """Return the traffic by route, the busiest first."""
        return self._parts("route", at, lambda asked, at_ms: asked.by_route(self._source, at_ms))

    def by_status(self, at: datetime) -> list[TrafficPart]:
        """Return the traffic by status."""
        return self._parts("status", at, lambda asked, at_ms: asked.by_status(self._source, at_ms))

    def route_rates(self, start: datetime, end: datetime, count: int) -> Mapping[str, Sequence[float | None]]:
        """Return ``count`` rates of each route from ``start`` to ``end`` (aware UTC), oldest first; queried once per
        scrape and length."""
        at_ms, window_ms = self._window(ms_of(end))
        length_ms = ms_of(end) - ms_of(start)
        key = (at_ms, length_ms, count)
        if self._rates is None or self._rates[0] != key:
            asked = self._asked(window_ms)
            self._rates = key, asked.route_rates(self._source, at_ms - length_ms, at_ms, count)
        return self._rates[1]

    def _parts(
        self, by: str, at: datetime, ask: Callable[[TrafficQueries, int], list[TrafficPart]]
    ) -> list[TrafficPart]:
        """Return the parts, queried once per scrape however often they are drawn."""
        at_ms, window_ms = self._window(ms_of(at))
        known = self._parts_of.get(by)
        if known is None or known[0] != at_ms:
            known = self._parts_of[by] = at_ms, ask(self._asked(window_ms), at_ms)
        return known[1]

    def _window(self, at_ms: int) -> tuple[int, int]:
        """Return the time of the last scrape at or before ``at_ms``, and the milliseconds from the window's first
        scrape to it, so that a rate divides by the time in which its requests were counted, even just after the start
        or an outage. Scrapes that lie next to each other give no rate: of one request it would make many."""
        spans = [span for series in self._series if (span := self._up_span(series, at_ms)) is not None]
        if not spans:
            return at_ms, self._window_ms
        newest = max(last for _first, last in spans)
        length_ms = newest - min(first for first, _last in spans)
        if length_ms < _RATE_LEAST_MS:
            return newest, _ONE_SCRAPE_MS
        steps = length_ms // _WINDOW_STEP_MS + 1
        return newest, min(self._window_ms, steps * _WINDOW_STEP_MS)

    def _up_span(self, series: TargetSeries, at_ms: int) -> tuple[int, int] | None:
        """Return the times of the first and the last scrape of the window since the target was last down; None without
        one."""
        found = series.select(_UP, at_ms - self._window_ms, at_ms)
        if found is None:
            return None
        down = np.flatnonzero(~(found.values[:, 0] > 0))
        first = int(down[-1]) + 1 if len(down) else 0
        return None if first == len(found.times) else (int(found.times[first]), int(found.times[-1]))

    def _asked(self, window_ms: int) -> TrafficQueries:
        with self._one_at_a_time:
            questions = self._questions.get(window_ms)
            if questions is None:
                questions = self._questions[window_ms] = TrafficQueries(self._application, window_ms)
                if len(self._questions) > _WINDOWS_KEPT:
                    self._questions.popitem(last=False)
            return questions

    def _recognise(self, at_ms: int) -> None:
        """Recognise the metrics anew on the first target that is up, if its series have changed."""
        places = [place for place, feed in enumerate(self.feeds) if isinstance(feed.state, Ready)]
        found = self._series[places[0]].select((), at_ms - self._window_ms, at_ms) if places else None
        if found is None or found.labels is self._labels:
            return
        self._labels = found.labels
        application = recognise(self._scrapers[places[0]].exposition.families, found.labels, self._names)
        if application != self._application:
            with self._one_at_a_time:
                self._application = application
                self._questions.clear()


def _is_no_page(error: LilFoxError) -> bool:
    """Return whether the service has no metrics endpoint: it answers with something else, such as a text without a
    single sample."""
    return isinstance(error, NotMetrics) or (isinstance(error, BadPage) and error.samples == 0)


# Whom is asked: a service at its own address or at that of the targets of its name, and all other targets.


def scraped_service(
    watch: ServiceWatch,
    config: Config,
    store: SeriesStore,
    host_of: Callable[[str | None], Host | None],
    window_s: float,
) -> ScrapedService:
    """Return the scraper of a service. A section of ``scrape`` with its name gives the address of its metrics
    endpoint."""
    named = config.scrape.get(watch.name)
    targets = [each for each in configured_targets(config) if each.label("job") == watch.name]
    if named is None:
        targets = [target_of(watch)]
    scrapers = [Scraper(each, store, host_of(each.host)) for each in targets]
    return ScrapedService(scrapers, store, named or watch.config, window_s, expected=named is not None)


class OtherTargets(NamedTuple):
    """The scrapers of the targets that belong to no service."""

    pool: ScraperPool
    targets: list[ScrapeTarget]
    discovery: Discovery | None
    problems: tuple[str, ...]
    """What of a prometheus.yml cannot be used, as sentences."""


async def others_of(
    config: Config,
    store: SeriesStore,
    host_of: Callable[[str | None], Host | None],
    services: Sequence[ServiceWatch],
) -> OtherTargets:
    """Return the scrapers of the section ``scrape`` and of the jobs of a prometheus.yml, except the targets of
    ``services``."""
    own, asked = configured_targets(config), {watch.name for watch in services}
    of_services = [target_of(watch) for watch in services if watch.name not in config.scrape]
    of_services += [each for each in own if each.label("job") in asked]
    pool = ScraperPool(store, host_of, of_services)
    discovery: Discovery | None = None
    problems: tuple[str, ...] = ()
    try:
        file = await asyncio.to_thread(prometheus_file, config, None)
    except ConfigError as error:
        problems = tuple(error.problems)
    else:
        if file is not None:
            problems, discovery = file.unsupported, Discovery(file.jobs)
    return OtherTargets(pool, [each for each in own if each.label("job") not in asked], discovery, problems)


def target_of(watch: ServiceWatch) -> ScrapeTarget:
    """Return the target of a service: ``job`` is its name, ``instance`` its address."""
    return service_target(watch.name, watch.config)
