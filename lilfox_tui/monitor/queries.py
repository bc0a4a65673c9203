"""Who answers PromQL while watching: the Prometheus of the config, else what is scraped and what rules gave in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lilfox_tui.config.model import Config
from lilfox_tui.hosts.base import Host
from lilfox_tui.monitor.alert_watch import AlertWatch

if TYPE_CHECKING:
    from lilfox_tui.monitor.scrape_watch import ScrapeWatch
    from lilfox_tui.promql.engine import QueryEngine
    from lilfox_tui.promql.remote import RemoteEngine


class Queries:
    """``host_of`` gives the host that asks, None for this machine. What it imports comes with the first query."""

    def __init__(
        self, config: Config, host_of: Callable[[str | None], Host | None], scraping: ScrapeWatch, alerting: AlertWatch
    ) -> None:
        self._config, self._host_of, self._scraping, self._alerting = config, host_of, scraping, alerting
        self._remote: RemoteEngine | None = None

    def engine(self) -> QueryEngine | None:
        """None while there is nothing to ask."""
        if (prometheus := self._config.prometheus) is not None:
            from lilfox_tui.promql.remote import RemoteEngine

            self._remote = self._remote or RemoteEngine(prometheus, self._host_of(prometheus.from_))
            return self._remote
        store, found = self._scraping.store.value, self._scraping.found_store
        if self._alerting.queries is not None or store is None:
            return self._alerting.queries
        from lilfox_tui.promql.engine import EmbeddedEngine
        from lilfox_tui.scrape.series import CombinedSource

        return EmbeddedEngine(store if found is None else CombinedSource(store, found))

    async def close(self) -> None:
        """Ends the connections."""
        if self._remote is not None:
            await self._remote.close()
