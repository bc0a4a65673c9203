"""Facts of the configuration itself: its rules, the pages that it scrapes, and whom LilFox told of alerts. A fact's
question is one of :data:`RULES_QUESTION` and its like."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from msgspec import Struct

from lilfox_tui.alerts.rules import Rule, RuleFiles, read_rule_files
from lilfox_tui.alerts.state_folder import state_folder
from lilfox_tui.alerts.storage import DATABASE, EVENTS_KEPT, AlertDatabase, AlertStorage, Outbox
from lilfox_tui.audit.model import Fact, NotKnown
from lilfox_tui.audit.targets.postgresql import Composed
from lilfox_tui.config.model import Config, MetricNames
from lilfox_tui.core import paths
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.model import Labels
from lilfox_tui.promql.remote import RemoteEngine
from lilfox_tui.promql.value import NOTHING, Vector
from lilfox_tui.runbook.library import catalogue
from lilfox_tui.scrape.application import recognise
from lilfox_tui.scrape.discovery import Discovery, configured_targets, prometheus_file, service_target
from lilfox_tui.scrape.exposition import BadPage
from lilfox_tui.scrape.labels import NAME, LabelSet
from lilfox_tui.scrape.scraper import NoPage, NotMetrics, NotSent, Scraper
from lilfox_tui.scrape.store import SeriesStore
from lilfox_tui.scrape.target import ScrapeTarget

T = TypeVar("T")
RULES_QUESTION = "the rule files and runbooks of the configuration"
PAGES_QUESTION = "one scrape of each target of the configuration"
DELIVERIES_QUESTION = "the deliveries and tests of notifiers that LilFox has recorded"
STANDBYS_QUESTION = "SELECT pg_is_in_recovery() of each PostgreSQL backend"
CALLS_QUESTION = "the requests of services and the calls of statements in the backends that they depend on, twice"
FREE_QUESTION = (
    "the free space of all file systems in the Prometheus of the configuration, now and on the last two days"
)
WINDOW_S = 3.0
"""Between the two times that requests and calls are counted."""
_KEEP_S, _LIMIT_BYTES = 3600.0, 256 * 1024 * 1024
_SUFFIXES = ("", "_total", "_bucket", "_count", "_sum", "_created", "_info", "_max")
"""Of the samples that a metric's family may have."""


class RulesAnswer(Struct, frozen=True):
    """The configuration of ``file``, and its ``rules`` with those of its prometheus.yml; not those that LilFox has of
    itself. ``unread`` says why there may be more. ``runbooks`` are the alerts that a runbook names."""

    config: Config
    file: Path
    rules: RuleFiles
    unread: Message | None = None
    runbooks: frozenset[str] = frozenset()

    @property
    def elsewhere(self) -> bool:
        """Whether a Prometheus or Alertmanager has the rules, and LilFox evaluates none."""
        named = self.config.rules or self.unread is not None or self.rules.files
        return not named and (self.config.prometheus is not None or self.config.alertmanager is not None)

    def alerts(self) -> Iterator[tuple[str, Rule]]:
        """Each alerting rule that is evaluated, with the name of its file."""
        return ((file, rule) for file, rule in self._usable() if rule.kind == "alert")

    def records(self) -> Iterator[Rule]:
        """Each recording rule that is evaluated."""
        return (rule for _file, rule in self._usable() if rule.kind == "record")

    def _usable(self) -> Iterator[tuple[str, Rule]]:
        for file in self.rules.files:
            yield from ((file.name, rule) for group in file.groups for rule in group.rules if not rule.problem)

    def refuse_unread(self) -> None:
        """Raises NotKnown if rules are elsewhere, or may be in what cannot be read."""
        if self.elsewhere:
            raise NotKnown(
                tr("the rules are in a Prometheus or Alertmanager; the audit reads only the files under rules:")
            )
        if self.unread is not None:
            raise NotKnown(self.unread)
        if troubles := self.rules.troubles:
            raise NotKnown(troubles[0].text)
        refused = [text for file in self.rules.files for text in file.refused.values()]
        if refused:
            raise NotKnown(tr("rules: {reason}", reason=refused[0]))


class Page(Struct, frozen=True):
    """What one target exposed. ``labels`` are those of the target; ``series`` are those of its page and of the scrape
    itself, ``empty`` the names of metrics that the page tells of and that have no series yet. ``problem`` says why the
    page could not be read. ``host`` is the host that asks, None for this machine."""

    url: str
    labels: Labels
    host: str | None = None
    series: tuple[LabelSet, ...] = ()
    empty: frozenset[str] = frozenset()
    problem: Message | None = None
    service: str = ""
    """The service whose own page it is."""
    asked: bool = True
    """Whether the target itself was asked: the host that asks was reached, secrets and certificates could be read."""
    honors_labels: bool = False

    def __str__(self) -> str:
        return str(LabelSet(self.labels))


class PagesAnswer(Struct, frozen=True):
    """The pages of all targets. ``missing`` are services without a page; ``problems`` say which targets of a
    prometheus.yml are not scraped."""

    pages: tuple[Page, ...]
    missing: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()


class DeliveriesAnswer(Struct, frozen=True):
    """When each notifier last took a notification or a test (aware UTC), at the time ``at``; ``folder`` has the
    records. Records are kept for 90 days."""

    at: datetime
    folder: Path
    delivered: Mapping[str, datetime]


class StandbysAnswer(Struct, frozen=True):
    """Whether each PostgreSQL backend is a standby of another server; NotKnown where it does not answer."""

    standbys: Mapping[str, bool | NotKnown]


class FreeSpace(Struct, frozen=True):
    """The free bytes of a file system: now, a day ago and two days ago."""

    instance: str
    device: str
    mount: str
    bytes: tuple[float, float, float]


class FreeAnswer(Struct, frozen=True):
    """The file systems that a Prometheus knows for two days, those in memory apart; none without a Prometheus."""

    known: tuple[FreeSpace, ...] = ()


class CalledStatement(Struct, frozen=True):
    """How often a statement was called in the window."""

    id: str
    text: str
    calls: int


class DatabaseCalls(Struct, frozen=True):
    """What the services that depend on a backend did in the window. ``requests`` is None where one of them has no
    counter of requests."""

    backend: str
    services: tuple[str, ...]
    requests: float | None = None
    statements: tuple[CalledStatement, ...] = ()


class CallsAnswer(Struct, frozen=True):
    """The calls in each PostgreSQL backend that services depend on; NotKnown where it does not tell them."""

    databases: tuple[DatabaseCalls | NotKnown, ...]


def _itself(answer: T) -> T:
    return answer


RULES: Fact[RulesAnswer] = Fact("rules", RULES_QUESTION, _itself)
DELIVERIES: Fact[DeliveriesAnswer] = Fact("deliveries", DELIVERIES_QUESTION, _itself)
STANDBYS: Fact[StandbysAnswer] = Fact("standbys", STANDBYS_QUESTION, _itself)
FREE: Fact[FreeAnswer] = Fact("free-space", FREE_QUESTION, _itself)
_FREE = (
    'node_filesystem_avail_bytes{fstype!~"tmpfs|devtmpfs|ramfs|overlay|squashfs|iso9660|nsfs|autofs|fuse[.].*",'
    'mountpoint!~"/(run|boot|snap|var/lib/(docker|containerd|kubelet))(/.*)?"}'
)
CALLS: Fact[CallsAnswer] = Fact("calls", CALLS_QUESTION, _itself)
_STATEMENTS: Fact[Any] = Fact(
    "called-statements",
    Composed(
        """
        SELECT CASE WHEN s.schema IS NULL OR NOT s.loaded THEN 'SELECT WHERE false' ELSE replace($q$
          SELECT CASE WHEN query <> '<insufficient privilege>' THEN queryid::text END AS id,
                 sum(calls)::bigint AS calls, min(left(query, 1000)) AS text
            FROM @schema.pg_stat_statements
           WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND (query ~* '^\\s*select' OR query = '<insufficient privilege>')
           GROUP BY 1 ORDER BY 2 DESC LIMIT 1000
        $q$, '@schema', s.schema) END
          FROM (SELECT (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                         WHERE e.extname = 'pg_stat_statements') AS schema,
                       EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max') AS loaded) AS s
        """
    ),
    _itself,
)
_STANDBY: Fact[Any] = Fact("standby", "SELECT pg_is_in_recovery() AS standby", _itself)
Gather = Callable[[Sequence[Fact[Any]]], Awaitable[Mapping[str, Any]]]


async def gather(
    config: Config,
    config_file: Path | None,
    host_of: Callable[[str], Host],
    databases: Mapping[str, Gather],
    facts: Sequence[Fact[Any]],
) -> dict[str, Any]:
    """The answers to the questions of ``facts``, which are all asked at the same time. ``databases`` ask the PostgreSQL
    backends."""

    async def answer(question: str) -> Any:
        try:
            if question == RULES_QUESTION:
                return await asyncio.to_thread(_rules, config, config_file)
            if question == PAGES_QUESTION:
                return await _pages(config, config_file, host_of)
            if question == FREE_QUESTION:
                return await _free(config, host_of)
            if question == CALLS_QUESTION:
                return await _calls(config, host_of, databases)
            if question == STANDBYS_QUESTION:
                return StandbysAnswer(dict(zip(databases, await _standbys(databases), strict=True)))
            return await asyncio.to_thread(_deliveries, config, config_file)
        except LilFoxError as error:
            return NotKnown(error.message)

    questions = list(dict.fromkeys(fact.question for fact in facts))
    answers = dict(zip(questions, await asyncio.gather(*map(answer, questions)), strict=True))
    return {fact.name: answers[fact.question] for fact in facts}


def _rules(config: Config, config_file: Path | None) -> RulesAnswer:
    patterns, unread = config.rules, None
    try:
        file = prometheus_file(config, config_file)
    except LilFoxError as error:
        unread = error.message
    else:
        patterns = patterns if file is None else (*patterns, *file.rule_files)
    named = frozenset(
        alert for document in catalogue(config.runbooks) for book in document.runbooks for alert in book.on_alert
    )
    return RulesAnswer(config, config_file or paths.config_file(), read_rule_files(patterns, Path()), unread, named)


async def _pages(config: Config, config_file: Path | None, host_of: Callable[[str], Host]) -> PagesAnswer:
    own = {
        service_target(name, each).key: name
        for name, each in config.services.items()
        if each.metrics is not None and name not in config.scrape  # a section of that name replaces its page
    }
    targets, problems = await asyncio.to_thread(_targets, config, config_file)
    store = SeriesStore(keep_s=_KEEP_S, limit_bytes=_LIMIT_BYTES)
    scrapers = [Scraper(target, store, _asking(config, target.host, host_of)) for target in targets]
    try:
        await asyncio.gather(*(scraper.scrape_once() for scraper in scrapers))
        pages = [_page(scraper, store, own.get(scraper.target.key, "")) for scraper in scrapers]
    finally:
        await asyncio.gather(*(scraper.close() for scraper in scrapers))
    without = {name for name, each in config.services.items() if each.metrics is None and name not in config.scrape}
    without |= {own[scraper.target.key] for scraper, page in zip(scrapers, pages, strict=True) if page is None}
    return PagesAnswer(tuple(page for page in pages if page is not None), frozenset(without), problems)


def _targets(config: Config, config_file: Path | None) -> tuple[list[ScrapeTarget], tuple[str, ...]]:
    """All targets of the configuration, and why others are not scraped."""
    found = {
        target.key: target
        for name, each in config.services.items()
        if each.metrics is not None and name not in config.scrape
        for target in (service_target(name, each),)
    }
    found |= {target.key: target for target in configured_targets(config)}
    file = prometheus_file(config, config_file)
    if file is None:
        return list(found.values()), ()
    discovered = Discovery(file.jobs).targets()
    found |= {target.key: target for target in discovered.targets}
    return list(found.values()), (*file.unsupported, *discovered.problems)


def _asking(config: Config, name: str | None, host_of: Callable[[str], Host]) -> Host | None:
    return None if name is None or config.hosts[name].local else host_of(name)


def _page(scraper: Scraper, store: SeriesStore, service: str) -> Page | None:
    """The page of a target; None for that of a service that has none."""
    target, state = scraper.target, scraper.feed.state
    problem: Message | None = None
    asked = True
    if isinstance(state, Unavailable):
        error = state.error
        asked = isinstance(error, NoPage | BadPage) and not isinstance(error, NotSent)
        if service and (isinstance(error, NotMetrics) or (isinstance(error, BadPage) and error.samples == 0)):
            return None
        problem = error.message
    selected = store.target(target.key).select((), 0, 1 << 62)
    series = () if selected is None else tuple(selected.labels)
    there = {one.get(NAME) for one in series}
    names = [{family.removesuffix("_total") + suffix for suffix in _SUFFIXES} for family in scraper.exposition.families]
    empty = frozenset(name for family in names if not family & there for name in family)
    return Page(target.url, target.labels, target.host, series, empty, problem, service, asked, target.honor_labels)


async def _standbys(databases: Mapping[str, Gather]) -> list[bool | NotKnown]:
    async def asked(ask: Gather) -> bool | NotKnown:
        try:
            rows = (await ask([_STANDBY]))[_STANDBY.name]
        except LilFoxError as error:
            return NotKnown(error.message)
        return rows if isinstance(rows, NotKnown) else bool(rows[0]["standby"])

    return await asyncio.gather(*map(asked, databases.values()))


async def _free(config: Config, host_of: Callable[[str], Host]) -> FreeAnswer:
    if config.prometheus is None:
        return FreeAnswer()
    engine = RemoteEngine(config.prometheus, _asking(config, config.prometheus.from_, host_of))
    try:
        days = await asyncio.gather(*(engine.instant(_FREE + when) for when in ("", " offset 1d", " offset 2d")))
    finally:
        await engine.close()
    free: list[dict[tuple[str, str, str], float]] = []
    for day in days:
        vector = day if isinstance(day, Vector) else NOTHING
        places = (tuple(map(each.get, ("instance", "device", "mountpoint"))) for each in vector.labels)
        free.append(dict(zip(places, vector.values.tolist(), strict=True)))  # type: ignore[arg-type]  # three names
    now, one, two = free
    return FreeAnswer(
        tuple(FreeSpace(*each, (now[each], one[each], two[each])) for each in now if each in one and each in two)
    )


async def _calls(config: Config, host_of: Callable[[str], Host], databases: Mapping[str, Gather]) -> CallsAnswer:
    users = {
        backend: tuple(name for name, each in config.services.items() if backend in each.depends_on)
        for backend in databases
    }
    asked = [_calls_in(config, host_of, name, users[name], ask) for name, ask in databases.items() if users[name]]
    return CallsAnswer(tuple(await asyncio.gather(*asked)))


async def _calls_in(
    config: Config, host_of: Callable[[str], Host], backend: str, services: tuple[str, ...], ask: Gather
) -> DatabaseCalls | NotKnown:
    store = SeriesStore(keep_s=_KEEP_S, limit_bytes=_LIMIT_BYTES)
    named = {name: config.services[name] for name in services}
    targets = [service_target(name, each) for name, each in named.items() if each.metrics and name not in config.scrape]
    if len(targets) < len(services):
        return DatabaseCalls(backend, services)
    scrapers = [Scraper(target, store, _asking(config, target.host, host_of)) for target in targets]
    try:
        if not await _statements(ask):
            return DatabaseCalls(backend, services)
        await asyncio.gather(*(scraper.scrape_once() for scraper in scrapers))
        before = await _statements(ask)
        await asyncio.sleep(WINDOW_S)
        after = await _statements(ask)
        await asyncio.gather(*(scraper.scrape_once() for scraper in scrapers))
        counts = [_requests(scraper, store, each) for scraper, each in zip(scrapers, named.values(), strict=True)]
    except LilFoxError as error:
        return NotKnown(tr("{name}: {reason}", name=backend, reason=error.message))
    finally:
        await asyncio.gather(*(scraper.close() for scraper in scrapers))
    made = [
        CalledStatement(each, row["text"], row["calls"] - before[each]["calls"])
        for each, row in after.items()
        if each in before and row["calls"] > before[each]["calls"]
    ]
    requests = None if None in counts else sum(filter(None, counts))
    return DatabaseCalls(backend, services, requests, tuple(made))


async def _statements(ask: Gather) -> dict[str, Any]:
    """The statements by their ids; none where they are not counted. Raises LilFoxError."""
    rows = (await ask([_STATEMENTS]))[_STATEMENTS.name]
    if isinstance(rows, NotKnown):
        raise LilFoxError(rows.reason)
    if any(row["id"] is None for row in rows):
        raise LilFoxError(tr("the role may not see the statements of others: GRANT pg_monitor TO it"))
    return {row["id"]: row for row in rows}


def _requests(scraper: Scraper, store: SeriesStore, names: MetricNames) -> float | None:
    """How many requests a service counted between its two pages; None where it does not count them."""
    selected = store.target(scraper.target.key).select((), 0, 1 << 62)
    if selected is None or len(selected.times) < 2:
        return None
    counter = recognise(scraper.exposition.families, selected.labels, names).requests
    if counter is None:
        return None
    places = [place for place, each in enumerate(selected.labels) if each.get(NAME) == counter.metric]
    first, last = (np.nan_to_num(selected.values[row, places]) for row in (0, -1))
    return float(np.maximum(last - first, 0).sum())


def _deliveries(config: Config, config_file: Path | None) -> DeliveriesAnswer | NotKnown:
    folder = state_folder(config_file)
    if folder is None or not (folder / DATABASE).exists():
        return NotKnown(
            tr(
                "no LilFox of this user has evaluated the rules or tested a notifier on this machine; run the audit as "
                "the user and on the machine of lilfox monitor, or send a test: lilfox alerts notify-test"
            )
        )
    database = AlertDatabase(folder / DATABASE)
    try:
        delivered: dict[str, datetime] = {}
        for event in AlertStorage(database).events(EVENTS_KEPT):
            if event.kind == "told":
                delivered[event.by] = max(event.at, delivered.get(event.by, event.at))
        for name, options in config.notifiers.items():
            if options.kind == "alertmanager":  # no event is recorded of what it is told, only what it knows now
                times = [one.at for one in Outbox(database).told(name).values()]
                delivered |= {name: max([*times, *filter(None, [delivered.get(name)])])} if times else {}
    finally:
        database.close()
    return DeliveriesAnswer(datetime.now(UTC), folder, delivered)
