"""One service whose page of metrics is scraped, and what its series tell of its requests. Imports numpy."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime

import numpy as np

from lilfox_tui.config.model import MetricNames
from lilfox_tui.feed import Feed, Ready, Unavailable
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.traffic import Traffic, TrafficPart
from lilfox_tui.monitor.target_view import TargetView
from lilfox_tui.monitor.traffic_questions import OneTarget, TrafficQuestions
from lilfox_tui.scrape.application import Application, recognise
from lilfox_tui.scrape.labels import NAME, LabelList
from lilfox_tui.scrape.matcher import Matcher
from lilfox_tui.scrape.page_request import NotMetrics
from lilfox_tui.scrape.scraper import Scrape, Scraper
from lilfox_tui.scrape.store import Store
from lilfox_tui.scrape.target import Target

_UP = (Matcher(NAME, "=", "up"),)
_WINDOW_STEP_MS = 100
_WINDOWS_KEPT = 8


class ScrapedService:
    """Scrapes ``target`` through ``host``; rates are of ``window_s`` seconds, or of those since it was last down.
    ``names`` goes before what is recognised."""

    def __init__(self, target: Target, store: Store, host: Host | None, names: MetricNames, window_s: float) -> None:
        self._scraper = Scraper(target, store, host)
        self._store = store
        self._series = store.target(target.key)
        self._source = OneTarget(self._series)
        self._names, self._window_ms = names, round(window_s * 1000)
        self._labels = LabelList(())
        self._application = Application()
        self._questions: OrderedDict[int, TrafficQuestions] = OrderedDict()

    @property
    def scrapes(self) -> Feed[Scrape]:
        """How the last scrape went."""
        return self._scraper.feed

    def view(self) -> TargetView:
        """How scraping goes."""
        target = self._scraper.target
        return TargetView(target.url, target.interval_s, self.scrapes.state, self._series.series_count)

    async def run(self) -> None:
        """Scrapes until cancelled. Raises NotMetrics where the service turns out to have no page: nothing of it stays
        in the store then, and it is done for."""
        try:
            there = await self.scrape_once()
            while not there:
                await asyncio.sleep(self._scraper.target.interval_s)
                there = await self.scrape_once()
            await self._scraper.run()
        finally:
            await self._scraper.close()

    async def scrape_once(self) -> bool:
        """Scrapes and tells whether there was a page. Raises NotMetrics where the service has none."""
        await self._scraper.scrape_once()
        state = self.scrapes.state
        if isinstance(state, Unavailable) and isinstance(state.error, NotMetrics):
            self._store.drop(self._scraper.target.key)
            raise state.error
        return isinstance(state, Ready)

    async def close(self) -> None:
        """Ends the connection and the forwarded port."""
        await self._scraper.close()

    def traffic(self, at: datetime) -> Traffic:
        """All requests before the last scrape at or before ``at`` (aware UTC)."""
        at_ms, window_ms = self._window(_ms(at))
        self._recognise(at_ms)
        return self._asked(window_ms).whole(self._source, at_ms)

    def by_route(self, at: datetime) -> list[TrafficPart]:
        """The same by route, the busiest first."""
        at_ms, window_ms = self._window(_ms(at))
        return self._asked(window_ms).by_route(self._source, at_ms)

    def by_status(self, at: datetime) -> list[TrafficPart]:
        """The same by status."""
        at_ms, window_ms = self._window(_ms(at))
        return self._asked(window_ms).by_status(self._source, at_ms)

    def _window(self, at_ms: int) -> tuple[int, int]:
        """The last scrape at or before ``at_ms``, and from there back to the first one of the window: so that a rate
        divides by the time in which its requests were counted, also just after the start or an outage."""
        found = self._series.select(_UP, at_ms - self._window_ms, at_ms)
        if found is None:
            return at_ms, self._window_ms
        down = np.flatnonzero(~(found.values[:, 0] > 0))
        first = int(down[-1]) + 1 if len(down) else 0
        if first == len(found.times):
            return at_ms, _WINDOW_STEP_MS
        newest = int(found.times[-1])
        spans = newest - int(found.times[first])
        return newest, min(self._window_ms, (spans // _WINDOW_STEP_MS + 1) * _WINDOW_STEP_MS)

    def _asked(self, window_ms: int) -> TrafficQuestions:
        questions = self._questions.get(window_ms)
        if questions is None:
            questions = self._questions[window_ms] = TrafficQuestions(self._application, window_ms)
            if len(self._questions) > _WINDOWS_KEPT:
                self._questions.popitem(last=False)
        return questions

    def _recognise(self, at_ms: int) -> None:
        """Looks anew at what the page has when its series are others than before."""
        found = self._series.select((), at_ms, at_ms)
        if found is None or found.labels is self._labels:
            return
        self._labels = found.labels
        application = recognise(self._scraper.exposition.families, found.labels, self._names)
        if application != self._application:
            self._application = application
            self._questions.clear()


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)
