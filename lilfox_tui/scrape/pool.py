"""One scraper for each target that there should be, while targets come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from lilfox_tui.crash import fault_of
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Feed
from lilfox_tui.hosts.base import Host
from lilfox_tui.i18n import _
from lilfox_tui.scrape.discovery import DiscoveredTargets, Discovery
from lilfox_tui.scrape.scraper import Scraper
from lilfox_tui.scrape.store import SeriesStore
from lilfox_tui.scrape.target import ScrapeTarget
from lilfox_tui.text import clean

LOOK_AGAIN_S = 5.0
"""How often files of targets are looked at; only those that have changed are read."""
_AFTER_FAULT_S = 5.0


class ScraperPool:
    """Scrapes into ``store``. ``host_of`` gives the host that a target names, None for this machine. ``elsewhere`` are
    targets that others scrape into the same store.

    ``scrapers`` are those of now, by their target's key; each new mapping is published. ``problems`` are sentences
    about targets that cannot be.
    """

    def __init__(
        self, store: SeriesStore, host_of: Callable[[str | None], Host | None], elsewhere: Iterable[ScrapeTarget] = ()
    ) -> None:
        self.scrapers: Feed[Mapping[str, Scraper]] = Feed()
        self.problems: tuple[str, ...] = ()
        self._store, self._host_of, self._elsewhere = store, host_of, tuple(elsewhere)
        self._running: dict[str, tuple[Scraper, asyncio.Task[None]]] = {}

    async def run(self, fixed: Iterable[ScrapeTarget], discovery: Discovery | None = None) -> None:
        """Scrapes ``fixed`` targets, and those that ``discovery`` finds, until cancelled."""
        always = tuple(fixed)
        try:
            await self._keep(self._told_apart(always, ()))
            while discovery is not None:
                found = await asyncio.to_thread(discovery.targets)
                await self._keep(self._told_apart((*always, *found.targets), found.problems))
                await asyncio.sleep(LOOK_AGAIN_S)
            await asyncio.Event().wait()
        finally:
            await self._keep({})

    async def look_once(self, fixed: Iterable[ScrapeTarget], discovery: Discovery | None = None) -> None:
        """Scrapes each of them once; ``scrapers`` tell how it went."""
        found = DiscoveredTargets(()) if discovery is None else await asyncio.to_thread(discovery.targets)
        wanted = self._told_apart((*fixed, *found.targets), found.problems)
        scrapers = {key: Scraper(each, self._store, self._host_of(each.host)) for key, each in wanted.items()}
        self.scrapers.publish(scrapers)
        try:
            await asyncio.gather(*(scraper.scrape_once() for scraper in scrapers.values()))
        finally:
            for scraper in scrapers.values():
                await scraper.close()

    def _told_apart(self, targets: Iterable[ScrapeTarget], problems: tuple[str, ...]) -> dict[str, ScrapeTarget]:
        """By key; of those that have the same labels the first alone, for nothing could tell their series apart."""
        first = {target.labels: target for target in self._elsewhere}
        wanted: dict[str, ScrapeTarget] = {}
        clashes = []
        for target in targets:
            other = first.setdefault(target.labels, target)
            if other is target:
                wanted[target.key] = target
            elif other.key != target.key:
                what = _(
                    "{url} has the same labels as {other}, which is scraped; give its job another name",
                    url=clean(target.url), other=clean(other.url),
                )  # fmt: skip
                clashes.append(what)
        self.problems = (*problems, *clashes)
        return wanted

    async def _keep(self, wanted: Mapping[str, ScrapeTarget]) -> None:
        running = self._running
        gone = [key for key, (scraper, _task) in running.items() if wanted.get(key) != scraper.target]
        ended = [running.pop(key)[1] for key in gone]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        new = [target for key, target in wanted.items() if key not in running]
        for target in new:
            scraper = Scraper(target, self._store, self._host_of(target.host))
            running[target.key] = scraper, asyncio.create_task(_kept_up(scraper))
        if gone or new:
            self.scrapers.publish({key: scraper for key, (scraper, _task) in running.items()})


async def _kept_up(scraper: Scraper) -> None:
    """Scrapes until cancelled. A fault of our own in it is that target's, not everybody's end."""
    while True:
        try:
            await scraper.run()
        except Exception as error:
            scraper.feed.fail(LilFoxError(fault_of(error)))
            await asyncio.sleep(_AFTER_FAULT_S)
