"""Which metrics of the services tell of their requests, as their pages have them now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from lilfox_tui.config.model import Config, MetricNames
from lilfox_tui.i18n import Message
from lilfox_tui.monitor.one_look import Seen, look
from lilfox_tui.monitor.watched import watched_services
from lilfox_tui.scrape.application import Application, Counter, Latency, recognise
from lilfox_tui.scrape.labels import LabelList, Matcher
from lilfox_tui.scrape.notation import ms_of

USUAL = Application(
    requests=Counter("http_requests_total", "status"),
    latency=Latency("http_request_duration_seconds", 1.0, (1.0,)),
    in_flight="http_requests_in_progress",
)
"""For a service that does not answer now."""


class Found(Struct, frozen=True):
    """``applications`` by job. ``guessed`` are services that did not answer, ``troubles`` why."""

    applications: Mapping[str, Application]
    guessed: tuple[str, ...]
    troubles: tuple[Message, ...]


async def find(config: Config, config_file: Path | None) -> Found:
    """Scrapes everything once. Raises LilFoxError where a prometheus.yml that is named cannot be used."""
    names: dict[str, MetricNames] = {
        name: each for name, each in watched_services(config).items() if each.metrics is not None
    }
    async with look(config, config_file, for_s=0.0, every_s=1.0, hosts=False) as seen:
        jobs = {name: _of(seen, name, each) for name, each in (names | dict(config.scrape)).items()}
    guessed = tuple(name for name, found in jobs.items() if found is None and name in names)
    jobs |= dict.fromkeys(guessed, USUAL)
    known = {name: found for name, found in jobs.items() if found is not None and found.requests is not None}
    return Found(known, guessed, seen.troubles)


def _of(seen: Seen, job: str, names: MetricNames) -> Application | None:
    """None where no target of the job answered."""
    scrapers = [one for one in seen.scrapers if one.target.label("job") == job and one.feed.value is not None]
    if not scrapers:
        return None
    end_ms = ms_of(seen.at) + 1
    found = seen.store.select((Matcher("job", "=", job),), 0, end_ms)
    series = LabelList([labels for one in found for labels in one.labels])
    families = {name: family for one in scrapers for name, family in one.exposition.families.items()}
    return recognise(families, series, names)
