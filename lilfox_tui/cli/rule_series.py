"""The series that the linter of rules knows: scraped, asked of a Prometheus, or read from saved pages."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lilfox_tui.alerts.lint import KnownSeries
from lilfox_tui.cli.query_engine import opened
from lilfox_tui.config.model import ApiConfig, Config
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import Message, tr
from lilfox_tui.monitor.scrape_once import scrape_once
from lilfox_tui.promql.semantics import PROMETHEUS_3
from lilfox_tui.scrape.exposition import BadPage, Exposition
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet, Matcher
from lilfox_tui.scrape.series import SelectedSeries
from lilfox_tui.scrape.store import SeriesStore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lilfox_tui.alerts.rules import RuleFile


# The series that a linter knows: of the targets of the configuration, else of the Prometheus that it names.


_LIMIT_BYTES = 256 * 1024 * 1024


async def known_series(
    config: Config, config_file: Path | None, files: Iterable[RuleFile]
) -> tuple[KnownSeries | None, list[Message]]:
    """What is there for the rules of ``files``, None where nobody is named or answers, and of whom there is nothing.
    Raises LilFoxError where a Prometheus does not answer."""
    if not (config.services or config.scrape or config.prometheus_config):
        return None if config.prometheus is None else await _of_prometheus(config, config.prometheus, files), []
    async with scrape_once(config, config_file, for_s=0, every_s=1, hosts=False) as seen:
        if len(seen.troubles) == seen.asked:
            return None, list(seen.troubles)
        types = {name: each.type for scraper in seen.scrapers for name, each in scraper.exposition.families.items()}
        return KnownSeries(seen.store, round(seen.at.timestamp() * 1000), types, scraped=True), list(seen.troubles)


async def _of_prometheus(config: Config, api: ApiConfig, files: Iterable[RuleFile]) -> KnownSeries:
    """Each selector of the rules is asked for, and each of its metrics' names."""
    now = datetime.now(UTC)
    at_ms = round(now.timestamp() * 1000)
    found = SeriesStore(keep_s=PROMETHEUS_3.lookback_ms / 1000, limit_bytes=_LIMIT_BYTES)
    wanted = {matchers for file in files for group in file.groups for rule in group.rules
              for matchers in rule.query.selectors}  # fmt: skip
    types: dict[str, str] = {}
    engine, host = opened(config, api, lambda _sentence: None)
    try:
        for matchers in sorted(wanted, key=str):
            for each in (matchers, _name_alone(matchers)):
                sets = await engine.series(each, now - timedelta(milliseconds=PROMETHEUS_3.lookback_ms), now)
                labels = LabelList(tuple(dict.fromkeys(sets)))
                if labels:
                    found.target(str(each)).append(at_ms, labels, np.zeros(len(labels)))
        with suppress(LilFoxError):  # not all that answer PromQL have it
            types = await engine.types()
    finally:
        await engine.close()
        if host is not None:
            await host.close()
    return KnownSeries(found, at_ms, types, scraped=True)


def _name_alone(matchers: tuple[Matcher, ...]) -> tuple[Matcher, ...]:
    return tuple(each for each in matchers if each.name == NAME and each.op == "=") or matchers


# Pages of metrics that were saved, as series at one instant.


_OF_A_TARGET = ("job", "instance")
_END_OF_OPENMETRICS = b"# EOF"


class SavedPages:
    """A source of the series of pages. The labels that a scrape adds are not on them, so they fit everything."""

    AT_MS = 0

    def __init__(self) -> None:
        self.types: dict[str, str] = {}
        self._store = SeriesStore(keep_s=1, limit_bytes=1 << 30)

    def add(self, path: Path, body: bytes) -> None:
        """Takes the series of one page. Raises LilFoxError where it is none."""
        page_reader = Exposition(LabelSet.of, honor_timestamps=False)
        try:
            page = page_reader.read(body, openmetrics=body.rstrip().endswith(_END_OF_OPENMETRICS))
        except BadPage as error:
            raise LilFoxError(tr("{path}: {reason}", path=path, reason=error.message), error.hint) from None
        self._store.target(str(path)).append(self.AT_MS, page.labels, page.values)
        self.types |= {name: family.type for name, family in page_reader.families.items()}

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[SelectedSeries]:
        """As a SeriesSource gives them."""
        on_the_page = tuple(matcher for matcher in matchers if matcher.name not in _OF_A_TARGET)
        return self._store.select(on_the_page, start_ms, end_ms)
