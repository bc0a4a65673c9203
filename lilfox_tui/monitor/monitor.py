"""Combines watchers, samplers, history and changes into one overview for all readers.

The way of a number: ``Sampler.feed`` → :class:`HostWatch` → history, and once a period (at once when a level
changes) → :class:`Overview` → panes, ``check``, ``monitor``. Nothing heavy is imported before :meth:`Monitor.run`.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lilfox_tui.config.model import Config
from lilfox_tui.core.aio import Feed, Pending, Ready, Unavailable
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import HostError, HostUnreachable, LilFoxError
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host, trust
from lilfox_tui.hosts.ssh.openssh import shell_argv
from lilfox_tui.metrics.history import History
from lilfox_tui.metrics.model import Health, HealthCheck, HostSnapshot, Level, ServiceState
from lilfox_tui.metrics.sampler import Sampler
from lilfox_tui.metrics.summary import series_of
from lilfox_tui.monitor.changes import ChangeLog, as_changes_tell
from lilfox_tui.monitor.levels import with_containers
from lilfox_tui.monitor.model import Overview, names_services, watched_hosts, watched_services
from lilfox_tui.monitor.raised_levels import ClientError, raised
from lilfox_tui.monitor.watchers.alert import AlertWatch
from lilfox_tui.monitor.watchers.audit import AuditWatch
from lilfox_tui.monitor.watchers.backend import WatchedBackends
from lilfox_tui.monitor.watchers.backup import BackupWatch
from lilfox_tui.monitor.watchers.host import LEVEL, HostWatch, past_host, past_service
from lilfox_tui.monitor.watchers.incident import IncidentWatch
from lilfox_tui.monitor.watchers.recovery import RecoveryWatch
from lilfox_tui.monitor.watchers.runbook import RunbookWatch
from lilfox_tui.monitor.watchers.scrape import ScrapeWatch
from lilfox_tui.monitor.watchers.service import ServiceWatch
from lilfox_tui.monitor.watchers.service import series_of as series_of_service

if TYPE_CHECKING:
    from lilfox_tui.metrics.health import ServiceProbe
    from lilfox_tui.monitor.alert_explain import RuleLimits
    from lilfox_tui.monitor.watchers.cluster import WatchedClusters
    from lilfox_tui.monitor.watchers.container import WatchedContainers
    from lilfox_tui.promql.query import QueryEngine
    from lilfox_tui.promql.remote import RemoteEngine
    from lilfox_tui.scrape.exposition import Family


class Queries:
    """Provides the query engine. ``host_of`` returns the host that sends queries, None for this machine. The engine is
    imported at the first query."""

    def __init__(
        self, config: Config, host_of: Callable[[str | None], Host | None], scraping: ScrapeWatch, alerting: AlertWatch
    ) -> None:
        self._config, self._host_of, self._scraping, self._alerting = config, host_of, scraping, alerting
        self._remote: RemoteEngine | None = None

    def engine(self) -> QueryEngine | None:
        """Return the engine, or None while there is nothing to query."""
        if (prometheus := self._config.prometheus) is not None:
            from lilfox_tui.promql.remote import RemoteEngine

            self._remote = self._remote or RemoteEngine(prometheus, self._host_of(prometheus.from_))
            return self._remote
        store, found = self._scraping.store.value, self._scraping.found_store
        if self._alerting.queries is not None or store is None:
            return self._alerting.queries
        from lilfox_tui.promql.query import EmbeddedEngine
        from lilfox_tui.scrape.store import CombinedSource

        return EmbeddedEngine(store if found is None else CombinedSource(store, found))

    @property
    def has_nothing(self) -> bool:
        """Whether there is nothing to query, and will be nothing: the configuration names nothing to scrape."""
        return self.engine() is None and not self._scraping.keeps_series

    async def families(self) -> Mapping[str, Family]:
        """Return type and help of metrics by name, as far as they are known. Raises LilFoxError."""
        return self._scraping.families() if self._remote is None else await self._remote.families()

    async def close(self) -> None:
        """Close the connections."""
        if self._remote is not None:
            await self._remote.close()


AFTER_FAULT_S = 5.0
"""Before work that ended by a fault of our own is started again."""
PUBLISH_AT_MOST_S = 0.25
TURNED_S = 0.02
"""After a level has changed by the clock alone: not a moment before."""
CLOSE_S = 1.5
"""How long the hosts have to close at the end."""
CONTAINERS_SHARE = 4
"""The history of containers may take so much less memory than that of everything else."""
HOLDS_PERIODS = 2
"""How many periods a recorded value counts as what was known, where none came after it."""


class Monitor:
    """Watches what ``config`` names; if it names nothing, this machine and the services found on it.

    ``hosts`` stands in for opened hosts (tests). ``changes`` is where events are remembered: in memory only when
    not given. ``config_file`` is where ``config`` comes from, None for the usual place: alerts are kept for each file
    apart, or in the folder ``alert_state``. With ``acts`` units of ``recovery:`` are restarted, and alerts open the
    incidents that they are to open. Unless ``at_once`` this machine is not looked at before :meth:`run` or
    :meth:`prime`. Use from one event loop; only :meth:`prime` is called before it runs.
    """

    _looked = False

    def __init__(
        self,
        config: Config,
        *,
        hosts: Mapping[str, Host] | None = None,
        changes: ChangeLog | None = None,
        at_once: bool = True,
        config_file: Path | None = None,
        alert_state: Path | None = None,
        acts: bool = False,
    ) -> None:
        self.config = config
        self.overview: Feed[Overview] = Feed()
        self.client_errors: Callable[[], Iterable[ClientError]] = tuple
        """The newest errors of logs, newest first, in which services may say that a backend fails them."""
        self.history = History(config.history.hours, config.history.memory_mb)
        self.container_history = History(config.history.hours, config.history.memory_mb / CONTAINERS_SHARE)
        """What each container uses: apart, so that many of them cost other charts nothing."""
        self.changes = changes or ChangeLog()
        self._given = hosts or {}
        self._hosts = {
            name: HostWatch(name, each, config.thresholds, period_s=config.refresh)
            for name, each in watched_hosts(config).items()
        }
        self._services: dict[str, ServiceWatch] = {}
        self.scraping = ScrapeWatch(config, self._services, self.history, self._asking_host)
        self._dials: asyncio.Semaphore | None = None
        self._focused: str | None = None
        self._at_once = asyncio.Event()
        """Set when something has changed that must not wait for the next overview."""
        self.backends = WatchedBackends(config, self.history, self._host_or_here, self._at_once.set)
        self.alerting = AlertWatch(
            config, config_file, self.scraping.store, self._asking_host, self._at_once.set, state=alert_state
        )
        self.alerting.limit = self._limit
        self.backups = BackupWatch(config, config_file, self._host_or_here, self._at_once.set)
        self.audit = AuditWatch(config, config_file, self.host, self._at_once.set, alert_state)
        self.recovery = RecoveryWatch(config, config_file, self.host, self.scraping.store, acts=acts)
        self.incidents = IncidentWatch(
            lambda: self.alerting.state, self.changes.measured, self._at_once.set,
            config.alerts.incident_on if acts and not config.read_only else (), lambda: self.overview.value,
            self.alerting.past,
        )  # fmt: skip
        self.runbooks = RunbookWatch(config)
        self.containers: WatchedContainers | None = None
        self.clusters: WatchedClusters | None = None
        """Both are None before :meth:`run` and :meth:`check_once`: they import what the first frame does not need."""
        self.queries = Queries(config, self._asking_host, self.scraping, self.alerting)
        if at_once:
            self._look()

    def _look(self) -> None:
        """Discover the services and open this machine; only the first call does anything."""
        if self._looked:
            return
        self._looked = True
        found = not names_services(self.config)
        services = watched_services(self.config).items()
        limits = self.config.thresholds
        self._services |= {name: ServiceWatch(name, each, limits, found=found) for name, each in services}
        for service in self._services.values():
            service.whole = self.config
        for name, watch in self._hosts.items():
            if watch.config.local or name in self._given:
                self._open(watch)
            if watch.config.local and watch.sampler is not None:
                watch.sampler.read_now()  # the first of two: the share of the CPU is between readings

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names, in the order of the config."""
        return tuple(self._hosts)

    @property
    def services(self) -> tuple[str, ...]:
        """Service names, in the order of the config."""
        return tuple(self._services)

    def snapshot(self, name: str) -> Feed[HostSnapshot]:
        """Return the feed of one host's snapshots. Raises KeyError."""
        return self._hosts[name].snapshots

    def host(self, name: str) -> Host:
        """Return the host, opening it if necessary. Raises KeyError."""
        return self._open(self._hosts[name])[0]

    def focus(self, name: str | None) -> None:
        """Set which host is viewed, if any: only its processes are read."""
        self._focused = name
        for watch in self._hosts.values():
            if watch.sampler is not None:
                watch.sampler.focused = watch.name == name

    def retry(self, name: str) -> None:
        """End the wait before the next connection attempt. Raises KeyError."""
        self.host(name).retry_now()

    async def trust(self, name: str, fingerprint: str) -> None:
        """Trust the key that a host presents, if it still has this fingerprint. Raises KeyError, HostError."""
        await trust(name, self._hosts[name].config, self.config.ssh, fingerprint)

    def shell_argv(self, name: str) -> list[str]:
        """Return the argv of an interactive shell on a host. Raises KeyError."""
        return shell_argv(name, self._hosts[name].config, self.config.ssh)

    def prime(self) -> None:
        """Read this machine and publish the first overview, before anything runs."""
        self._look()
        for watch in self._hosts.values():
            if watch.config.local and watch.sampler is not None:
                self._take(watch, watch.sampler.read_now())
        self._publish()

    def overview_at(self, at: datetime) -> Overview:
        """Return the overview at ``at`` (aware UTC) from history; empty if there is none."""
        hosts = {
            name: past_host(name, watch.config, watch.thresholds, self.history.values_at(f"host/{name}", at), at)
            for name, watch in self._hosts.items()
        }
        services = {
            name: past_service(name, watch.config, watch.limits, self.history, at)
            for name, watch in self._services.items()
        }
        then = Overview(
            at, hosts, services, self.backends.views_at(at), True, self.alerting.state_at(at),
            backups=self.backups.backups_at(at),
        )  # fmt: skip
        present = self.overview.value and self.overview.value.measured
        measured = as_changes_tell(then, self.changes.measured(), present or then)
        return as_changes_tell(raised(measured), self.changes.levels())  # what clients reported is only a change

    async def run(self) -> None:
        """Watch until cancelled, then close all hosts. A problem with one host delays no other."""
        self._look()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._publish_each_period())
                group.create_task(self.changes.save_each_minute())
                opened = [watch for watch in self._hosts.values() if watch.host is not None]
                self._start_hosts(group, opened)
                later = [watch for watch in self._hosts.values() if watch.host is None]
                if later:
                    await asyncio.to_thread(importlib.import_module, "lilfox_tui.hosts.ssh.host")
                    self._start_hosts(group, later)
                for service in self._services.values():
                    probe = service.probe(self._asking_host(service.config.from_), self.config.refresh)
                    group.create_task(probe.run())
                    group.create_task(self._follow_service(service, probe))
                group.create_task(self.scraping.run())
                group.create_task(self.backends.run())
                group.create_task(self.alerting.run())
                group.create_task(self.backups.run())
                group.create_task(self.recovery.run())
                group.create_task(self.incidents.run())
                group.create_task(self.runbooks.run())
                group.create_task(self.audit.run())
                group.create_task((await self._watched_containers()).run())
                if self.config.clusters:
                    group.create_task((await self._watched_clusters()).run())
        finally:
            await self._close()

    async def check_once(self, timeout_s: float = 15.0, *, audit: bool = False) -> Overview:
        """Check everything once, concurrently, and return what is known after at most ``timeout_s``; with ``audit``
        also how everything is set up.

        One sample, one answer is enough for a level. Closes all hosts.
        """
        try:
            questions = [asyncio.create_task(self._check_host(watch, timeout_s)) for watch in self._hosts.values()]
            questions += [asyncio.create_task(self._check_service(watch)) for watch in self._services.values()]
            questions += map(asyncio.create_task, (*self.scraping.checks(), *self.backends.checks()))
            questions += map(asyncio.create_task, (self.alerting.look_once(), self.backups.look_once()))
            questions += map(asyncio.create_task, (await self._watched_containers()).checks())
            if self.config.clusters:
                questions += map(asyncio.create_task, (await self._watched_clusters()).checks())
            if audit:
                questions.append(asyncio.create_task(self.audit.look_once(timeout_s)))
            if questions:
                await asyncio.wait(questions, timeout=timeout_s)
            self._give_up(timeout_s)
            self._publish()
            for question in questions:
                question.cancel()
            for outcome in await asyncio.gather(*questions, return_exceptions=True):
                if isinstance(outcome, Exception):
                    raise outcome
        finally:
            await self._close()
        return raised(self._overview(datetime.now(UTC)))

    def _open(self, watch: HostWatch) -> tuple[Host, Sampler]:
        if watch.host is None or watch.sampler is None:
            if self._dials is None:
                self._dials = asyncio.Semaphore(self.config.ssh.dial_at_once)
            watch.host = self._given.get(watch.name) or open_host(
                watch.name, watch.config, self.config.ssh, read_only=self.config.read_only, dials=self._dials
            )
            watch.sampler = Sampler(watch.host, self.config.collectors, self.config.refresh)
            watch.sampler.focused = watch.name == self._focused
        return watch.host, watch.sampler

    async def _watched_containers(self) -> WatchedContainers:
        module = await asyncio.to_thread(importlib.import_module, "lilfox_tui.monitor.watchers.container")
        configs = {name: watch.config for name, watch in self._hosts.items()}
        changed, history = self._at_once.set, self.container_history
        self.containers = watched = module.WatchedContainers(configs, self.host, changed, history)
        return cast("WatchedContainers", watched)

    async def _watched_clusters(self) -> WatchedClusters:
        module = await asyncio.to_thread(importlib.import_module, "lilfox_tui.monitor.watchers.cluster")
        self.clusters = watched = module.WatchedClusters(self.config.clusters, self._host_or_here, self._at_once.set)
        return cast("WatchedClusters", watched)

    def _start_hosts(self, group: asyncio.TaskGroup, watches: Iterable[HostWatch]) -> None:
        for watch in watches:
            host, sampler = self._open(watch)
            group.create_task(self._kept_up(watch, host.keep_connected))
            group.create_task(self._kept_up(watch, sampler.run))
            group.create_task(self._kept_up(watch, partial(self._follow_samples, watch, sampler)))
            group.create_task(self._kept_up(watch, partial(self._follow_link, watch, host)))

    async def _kept_up(self, watch: HostWatch, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a host's ``work``. An internal error affects only that host's row; then the work restarts."""
        while True:
            try:
                return await work()
            except Exception as error:
                now = datetime.now(UTC)
                watch.fail(HostError(watch.name, fault_of(error)), now, now + timedelta(seconds=AFTER_FAULT_S))
                self._judge(watch)
            await asyncio.sleep(AFTER_FAULT_S)

    async def _follow_samples(self, watch: HostWatch, sampler: Sampler) -> None:
        async with aclosing(sampler.feed.watch()) as states:
            async for state in states:
                if isinstance(state, Ready):
                    self._take(watch, state.value)
                elif isinstance(state, Unavailable):
                    watch.fail(state.error, datetime.now(UTC), state.next_try, state.since)
                    self._judge(watch)

    async def _follow_link(self, watch: HostWatch, host: Host) -> None:
        async with aclosing(host.link.watch()) as states:
            async for _state in states:
                self._judge(watch)

    async def _follow_service(self, watch: ServiceWatch, probe: ServiceProbe) -> None:
        async with aclosing(probe.feed.watch()) as states:
            async for state in states:
                if not isinstance(state, Ready):
                    continue
                if watch.take(state.value):
                    self._at_once.set()
                values = series_of_service(state.value) | {LEVEL: float(watch.level)}
                holds_s = HOLDS_PERIODS * watch.period_s(self.config.refresh)
                self.history.add(f"service/{watch.name}", state.at, values, holds_s=holds_s)

    def _take(self, watch: HostWatch, snapshot: HostSnapshot) -> None:
        if watch.snapshots.value is not None and watch.snapshots.value.at == snapshot.at:
            return
        summary = watch.take(snapshot)
        self._judge(watch)
        if self._has_one_host:
            self._at_once.set()
        if self.containers is not None:
            self.containers.take(snapshot)
        self.scraping.take_host(watch, snapshot)
        values = series_of(summary) | {LEVEL: float(watch.level)}
        self.history.add(f"host/{watch.name}", snapshot.at, values, holds_s=HOLDS_PERIODS * self.config.refresh)

    def _limit(self, rules: RuleLimits) -> None:
        """Judge by the limits of the alert rules, which have changed, where they set any."""
        for watch in self._hosts.values():
            watch.take_thresholds(rules.of_host(watch.name, watch.config.address or "", self.config.thresholds))
            watch.judge(datetime.now(UTC))
        for service in self._services.values():
            service.take_limits(rules.of_service(service.name, service.configured))
        self._at_once.set()

    def _judge(self, watch: HostWatch) -> None:
        if watch.judge(datetime.now(UTC)):
            self._at_once.set()

    async def _publish_each_period(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._publish()
            published_at = loop.time()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(published_at + self._next_turn_s()):
                    await self._at_once.wait()
            soon_s = published_at + min(PUBLISH_AT_MOST_S, self.config.refresh) - loop.time()
            if soon_s > 0:
                await asyncio.sleep(soon_s)

    def _next_turn_s(self) -> float:
        """Return the seconds until the next overview: a period, or less if a host becomes late or silent before. A
        single host's sample is published when it arrives: this leaves it time to."""
        now = datetime.now(UTC)
        grace_s = PUBLISH_AT_MOST_S if self._has_one_host else 0.0
        return min(
            [self.config.refresh + grace_s, *(watch.turns_in_s(now) + TURNED_S for watch in self._hosts.values())]
        )

    @property
    def _has_one_host(self) -> bool:
        return len(self._hosts) == 1

    def _publish(self) -> None:
        self._at_once.clear()
        overview = raised(self._overview(datetime.now(UTC)), self.client_errors())
        self._observe(overview)
        self.scraping.take_lost(overview)
        self.scraping.take_audit(overview)
        self.scraping.take_certificates(overview)
        self.scraping.take_containers(overview)
        self.scraping.take_clusters(overview)
        self.overview.publish(overview, overview.at)

    def _observe(self, overview: Overview) -> None:
        unsettled = {f"host/{watch.name}" for watch in self._hosts.values() if not watch.settled}
        self.changes.observe(overview, unsettled=unsettled)

    def _overview(self, now: datetime) -> Overview:
        containers = {} if self.containers is None else self.containers.views(now)
        hosts = {
            name: with_containers(watch.view(now), containers.get(name, ())) for name, watch in self._hosts.items()
        }
        services = {name: watch.view() for name, watch in self._services.items()}
        return Overview(
            now, hosts, services, self.backends.views(),
            alerts=self.alerting.state, targets=self.scraping.all_targets(), backups=self.backups.backups,
            audit=self.audit.view, containers=containers,
            clusters={} if self.clusters is None else self.clusters.views(now),
        )  # fmt: skip

    def _asking_host(self, name: str | None) -> Host | None:
        """Return the host that queries a service or a target; None for this machine."""
        if name is None or self._hosts[name].config.local:
            return None
        return self.host(name)

    def _host_or_here(self, name: str | None) -> Host | None:
        """Return the host through which a backend is reached; None if none is named."""
        return None if name is None else self.host(name)

    async def _check_host(self, watch: HostWatch, timeout_s: float) -> None:
        watch.once(timeout_s)
        try:
            host, sampler = self._open(watch)
            await host.connect()
            self._take(watch, await sampler.sample_once())
        except LilFoxError as error:
            watch.fail(error, datetime.now(UTC))

    async def _check_service(self, watch: ServiceWatch) -> None:
        await watch.look(self._asking_host(watch.config.from_), self.config.refresh)

    def _give_up(self, timeout_s: float) -> None:
        """Mark hosts and services that did not answer in time as failed."""
        now, text = datetime.now(UTC), tr("no answer within {timeout_s:g} s", timeout_s=timeout_s)
        for watch in self._hosts.values():
            if isinstance(watch.snapshots.state, Pending):
                why = watch.view(now).reasons[0]
                told = tr("no answer within {timeout_s:g} s: {why}", timeout_s=timeout_s, why=why)
                watch.fail(HostUnreachable(watch.name, told), now)
        for service in self._services.values():
            if service.state is None:
                answer = HealthCheck(now, Health.ERROR, None, None, text)
                service.take(ServiceState(service.name, service.config.url, Level.FAILING, now, answer, 1))
        self.backends.give_up(timeout_s)
        self.backups.give_up(timeout_s)
        if self.clusters is not None:
            self.clusters.give_up(timeout_s)

    async def _close(self) -> None:
        await self.queries.close()
        self._observe(raised(self._overview(datetime.now(UTC)), self.client_errors()))
        self.changes.save()
        closing = [asyncio.create_task(watch.host.close()) for watch in self._hosts.values() if watch.host is not None]
        if self.clusters is not None:
            closing.append(asyncio.create_task(self.clusters.close()))
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_S)
