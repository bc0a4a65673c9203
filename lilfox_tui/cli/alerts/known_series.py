"""The series that a linter knows: of the targets of the configuration, else of the Prometheus that it names."""

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
from lilfox_tui.i18n import Message
from lilfox_tui.monitor.one_look import look
from lilfox_tui.promql.semantics import PROMETHEUS_3
from lilfox_tui.scrape.labels import NAME, LabelList, Matcher
from lilfox_tui.scrape.store import SeriesStore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lilfox_tui.alerts.rules import RuleFile

_LIMIT_BYTES = 256 * 1024 * 1024


async def ask(
    config: Config, config_file: Path | None, files: Iterable[RuleFile]
) -> tuple[KnownSeries | None, list[Message]]:
    """What is there for the rules of ``files``, None where nobody is named or answers, and of whom there is nothing.
    Raises LilFoxError where a Prometheus does not answer."""
    if not (config.services or config.scrape or config.prometheus_config):
        return None if config.prometheus is None else await _of_prometheus(config, config.prometheus, files), []
    async with look(config, config_file, for_s=0, every_s=1, hosts=False) as seen:
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
