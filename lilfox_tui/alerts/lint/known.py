"""The series that there are, as far as a linter knows them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from msgspec import Struct

from lilfox_tui.promql.semantics import PROMETHEUS_3
from lilfox_tui.scrape.labels import NAME, LabelSet
from lilfox_tui.scrape.matcher import Matcher
from lilfox_tui.scrape.series import SeriesSource

MADE_BY_SCRAPES = frozenset({
    "up", "scrape_duration_seconds", "scrape_samples_scraped", "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
})  # fmt: skip
MADE_BY_ALERTS = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
OF_HOSTS = frozenset({"cpu_usage_percent", "memory_usage_percent"})
"""Gauges that LilFox gives of each host by itself; nothing else exports them."""
_OF_HOSTS_TOO = "lilfox_"


class Known(Struct, frozen=True):
    """Series of ``source`` at ``at_ms``. ``types`` are those of metrics where they are known, ``recorded`` the names
    that rules record. ``scraped`` tells that ``source`` holds what scrapes make, such as ``up``, too."""

    source: SeriesSource
    at_ms: int
    types: Mapping[str, str] = {}
    recorded: Collection[str] = ()
    scraped: bool = False

    def type_of(self, name: str) -> str:
        """The type of a metric, empty where it is not known. OpenMetrics names a counter without its ``_total``."""
        return self.types.get(name) or self.types.get(name.removesuffix("_total"), "")

    def has(self, matchers: tuple[Matcher, ...]) -> bool:
        """Whether a selector selects something, or something that is made here."""
        name = name_of(matchers)
        made = MADE_BY_ALERTS | OF_HOSTS if self.scraped else MADE_BY_ALERTS | OF_HOSTS | MADE_BY_SCRAPES
        if name in made or name in self.recorded or name.startswith(_OF_HOSTS_TOO):
            return True
        return any(True for _labels in self.series(matchers))

    def series(self, matchers: tuple[Matcher, ...]) -> Iterator[LabelSet]:
        """What a selector selects."""
        begin = self.at_ms - PROMETHEUS_3.lookback_ms
        for found in self.source.select(matchers, begin, self.at_ms):
            yield from found.labels


def name_of(matchers: tuple[Matcher, ...]) -> str:
    """The metric that a selector names, empty where it names none."""
    return next((matcher.value for matcher in matchers if matcher.name == NAME and matcher.op == "="), "")
