"""Watches alerts: evaluates the configured rules over the scraped series, or reads from a Prometheus or another LilFox.

The engine, and all that it imports (numpy, sqlite3, the parser of PromQL), comes after the first frame, and only where
the config names rules.
"""

from __future__ import annotations

import asyncio
import importlib
from bisect import bisect_right
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec.structs import replace

from lilfox_tui.clusters import RULES as CLUSTER_RULES
from lilfox_tui.config.model import Config
from lilfox_tui.config.values import Seconds
from lilfox_tui.containers import RULES as CONTAINER_RULES
from lilfox_tui.core.aio import CancelSafeTaskGroup, Feed, Pending, Ready, State
from lilfox_tui.core.crash import fault_of
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.monitor.watchers import scrape
from lilfox_tui.recovery import RULES

if TYPE_CHECKING:
    from lilfox_tui.alerts.engine import AlertEngine
    from lilfox_tui.alerts.external import ExternalAlerts
    from lilfox_tui.alerts.model import Alert, Alerts, Event, Silence, SilenceMatcher
    from lilfox_tui.alerts.notifier import Notification
    from lilfox_tui.metrics.model import Labels
    from lilfox_tui.monitor.alert_explain import Explanation, RuleLimits
    from lilfox_tui.promql.query import QueryEngine
    from lilfox_tui.scrape.store import SeriesStore


# The alerts as they were, for a screen that is turned back: a state is kept where something in it changed.


KEPT = 2000
ALERTS_KEPT = 50_000
"""In all states together: some 20 MB."""


_VALUES_HOLD = timedelta(seconds=3)
"""So long values count as those of the time shown."""


class PastAlerts:
    """The newest KEPT distinct states of the alerts; fewer if they hold many alerts."""

    def __init__(self) -> None:
        self._times: list[datetime] = []
        self._states: list[Alerts] = []

    def keep(self, alerts: Alerts) -> None:
        """Record a new state."""
        if self._states and signature(self._states[-1]) == signature(alerts):
            return
        if self._times and alerts.at < self._times[-1]:  # the clock was set back
            place = bisect_right(self._times, alerts.at)
            del self._times[place:], self._states[place:]
        self._times.append(alerts.at)
        self._states.append(alerts)
        first, count = max(0, len(self._states) - KEPT), sum(len(each.alerts) for each in self._states)
        while count > ALERTS_KEPT and first < len(self._states) - 1:
            count -= len(self._states[first].alerts)
            first += 1
        del self._times[:first], self._states[:first]

    def at(self, at: datetime) -> Alerts | None:
        """Return the state at that time (aware UTC), with the values of its first moment; None before the first."""
        place = bisect_right(self._times, at)
        return self._states[place - 1] if place else None


def with_time_of_values(then: Alerts, at: datetime) -> Alerts:
    """Return the state of the alerts at ``at`` (aware UTC) whose values may be of a moment before, with that time."""
    if at - then.at < _VALUES_HOLD:
        return then
    alerts = (each if each.is_resolved else replace(each, as_of=then.at) for each in then.alerts)
    return replace(then, alerts=tuple(alerts))


def signature(alerts: Alerts) -> object:
    """Return what distinguishes two states: the alerts, their acknowledgements and silences, and the health of the
    rules, but not the values."""
    found = tuple(
        (one.rule, one.labels, one.state, one.active_at, one.acknowledged, one.silenced_by) for one in alerts.alerts
    )
    silences = tuple((one.id, one.ends_at) for one in alerts.silences)
    return found, silences, tuple((one.key, one.health) for one in alerts.rules), tuple(map(str, alerts.troubles))


AGAIN_S = 10.0
"""Before an engine that could not begin, or that ended by a fault of our own, is tried again."""
EVENTS_READ = 5000


class AlertWatch:
    """The alerts of ``config``'s rules over ``store``. ``config_file`` is the file of the config: alerts are stored
    separately for each, or in the folder ``state``. ``changed`` is called when an alert or a rule has changed.

    ``ring`` is the bell of the terminal, for the notifier of that kind, and ``limit`` is given the limits that the
    rules set when these have changed; both are to be set before :meth:`run`.
    """

    def __init__(
        self,
        config: Config,
        config_file: Path | None,
        store: Feed[SeriesStore],
        host_of: Callable[[str | None], Host | None],
        changed: Callable[[], None],
        *,
        state: Path | None = None,
    ) -> None:
        self.feed: Feed[Alerts] = Feed()
        self.ring: Callable[[Notification], None] | None = None
        self.limit: Callable[[RuleLimits], None] | None = None
        self.results: SeriesStore | None = None
        """Where the results of rules are stored; a new store if it is None."""
        self._config, self._config_file, self._store, self._changed = config, config_file, store, changed
        self._folder = state
        self._host_of = host_of
        self._named = bool(
            config.rules
            or config.prometheus_config
            or config.recovery
            or config.prometheus is not None
            or config.alertmanager is not None
        )
        self._source: AlertEngine | ExternalAlerts | None = None
        self._own: AlertEngine | None = None
        self._queries: QueryEngine | None = None
        self._past = PastAlerts()
        self._limited_by: object = None

    @property
    def state(self) -> State[Alerts] | None:
        """The newest alerts; None where the config names no rules."""
        return self.feed.state if self._named else None

    def state_at(self, at: datetime) -> State[Alerts] | None:
        """Return the alerts as they were ``at`` (aware UTC); pending if that is unknown."""
        if not self._named:
            return None
        then = self._past.at(at)
        return Pending() if then is None else Ready(with_time_of_values(then, at), then.at)

    async def run(self) -> None:
        """Evaluate rules, or show the alerts of another LilFox, a Prometheus or an Alertmanager, until cancelled.
        Problems are published on ``feed``."""
        await asyncio.sleep(scrape.AFTER_FIRST_FRAME_S if self._named else 0.0)
        while self._named:
            try:
                await self._watch()
            except LilFoxError as error:
                self._fail(error)
            except Exception as error:
                self._fail(LilFoxError(fault_of(error)))
            await asyncio.sleep(AGAIN_S if self._named else 0.0)

    async def look_once(self) -> None:
        """Read the alerts once from elsewhere: from the LilFox that evaluates the rules, or from a Prometheus and an
        Alertmanager."""
        if not self._named:
            return
        from lilfox_tui.alerts.external import kept_alerts, open_others

        try:
            config = await asyncio.to_thread(with_rules_of_prometheus, self._config)
            if config.rules:
                kept = await asyncio.to_thread(kept_alerts, self._folder, self._config_file, config.rules)
                if isinstance(kept, Ready):
                    await self._limit(kept.value)
                    self.feed.publish(kept.value, kept.at)
                else:
                    self.feed.fail(kept.error, since=kept.since)
            elif config.prometheus is not None or config.alertmanager is not None:
                others, _prometheus = open_others(config, self._host_of)
                try:
                    alerts = await others.read()
                    await self._limit(alerts)
                    self.feed.publish(alerts)
                finally:
                    await others.close()
            else:
                self._named = False
        except LilFoxError as error:
            self.feed.fail(error)

    async def acknowledge(self, alert: Alert, by: str, note: str) -> None:
        """Acknowledge the alert as ``by``; holds until it resolves. Raises LilFoxError."""
        await self._running().acknowledge(alert, by, note)

    async def unacknowledge(self, alert: Alert, by: str) -> None:
        """Withdraw an acknowledgement. Raises LilFoxError."""
        await self._running().unacknowledge(alert, by)

    async def silence(self, matchers: Sequence[SilenceMatcher], for_s: float | None, by: str, comment: str) -> Silence:
        """Silence the alerts that ``matchers`` select for that long; None means until none matches any more. Raises
        LilFoxError."""
        return await self._running().silence(matchers, for_s, by, comment)

    async def expire(self, silence: str, by: str) -> None:
        """Expire the silence with that id. Raises LilFoxError."""
        await self._running().expire(silence, by)

    def preview(self, matchers: Sequence[SilenceMatcher]) -> tuple[Alert, ...]:
        """Return the alerts that a silence would silence now. Raises UsageError."""
        return self._running().preview(matchers)

    async def events(self, labels: Labels, limit: int = 50) -> tuple[Event, ...]:
        """Return the history of the alert with these labels, newest first; empty if it is not stored here."""
        if self._own is None:
            return ()
        return tuple(each for each in await self._own.history(EVENTS_READ) if each.labels == labels)[:limit]

    def past(self) -> tuple[Event, ...]:
        """Return the newest past events of all alerts, newest first; none if they are not stored here. Blocks."""
        return () if self._own is None else self._own.past(EVENTS_READ)

    @property
    def queries(self) -> QueryEngine | None:
        """The PromQL engine, including the results of rules; None while there is none."""
        return self._queries

    @property
    def unasked(self) -> Message | None:
        """Why configured external alerts are not shown: LilFox evaluates its own rules. None if all are shown."""
        others = {"prometheus": self._config.prometheus, "alertmanager": self._config.alertmanager}
        named = [key for key, api in others.items() if api is not None]
        if self._own is None or not named:
            return None
        return tr("LilFox evaluates its own rules; alerts from {others} are not shown", others=listed(named))

    async def why(self, expression: str, start: datetime, end: datetime, columns: int) -> Explanation:
        """Explain the value of ``expression``: its left-hand side at ``end`` and in ``columns`` steps since ``start``
        (aware UTC). Raises LilFoxError, also while nothing can be queried."""
        if self._queries is None:
            raise LilFoxError(tr("the rules are not being evaluated"))
        from lilfox_tui.monitor.alert_explain import explain

        return await explain(self._queries, expression, start, end, columns)

    async def _watch(self) -> None:
        config = await asyncio.to_thread(with_rules_of_prometheus, self._config)
        if config.rules:
            await self._evaluate(config)
        elif config.prometheus is not None or config.alertmanager is not None:
            await self._follow_others(config)
        else:
            self._named = False
            self._changed()

    async def _evaluate(self, config: Config) -> None:
        """Evaluate our own rules."""
        store = await self._scraped()
        await asyncio.to_thread(importlib.import_module, "lilfox_tui.alerts.engine")
        from lilfox_tui.alerts.engine import open_engine

        engine, queries = await asyncio.to_thread(
            open_engine, config, store, self._config_file, self._folder, self.ring, self.results
        )
        self._source = self._own = engine
        self._queries = queries
        await self._run_and_follow(engine)

    async def _follow_others(self, config: Config) -> None:
        """Follow the rules and alerts of a Prometheus, and the alerts and silences of an Alertmanager."""
        await asyncio.to_thread(importlib.import_module, "lilfox_tui.alerts.external")
        from lilfox_tui.alerts.external import open_others

        others, prometheus = open_others(config, self._host_of)
        self._source, self._queries = others, prometheus
        try:
            await self._run_and_follow(others)
        finally:
            self._source = self._queries = None
            await others.close()

    async def _scraped(self) -> SeriesStore:
        async with aclosing(self._store.watch()) as states:
            async for state in states:
                if isinstance(state, Ready):
                    return state.value
        raise AssertionError("a feed does not end")

    async def _run_and_follow(self, source: AlertEngine | ExternalAlerts) -> None:
        try:
            async with CancelSafeTaskGroup() as group:
                group.create_task(source.run())
                group.create_task(self._follow(source.feed))
        except ExceptionGroup as faults:
            raise faults.exceptions[0] from None

    async def _follow(self, feed: Feed[Alerts]) -> None:
        before: object = None
        async with aclosing(feed.watch()) as states:
            async for state in states:
                if isinstance(state, Ready):
                    self._past.keep(state.value)
                    await self._limit(state.value)
                    self.feed.publish(state.value, state.at)
                    if before != (before := signature(state.value)):
                        self._changed()
                elif not isinstance(state, Pending):
                    self.feed.fail(state.error, since=state.since, next_try=state.next_try)
                    self._changed()

    async def _limit(self, alerts: Alerts) -> None:
        """Tell of the limits that the rules set, if other rules can be evaluated than before."""
        by = tuple((one.name, one.expression, one.labels.get("severity"), one.error is None) for one in alerts.rules)
        if self.limit is None or by == self._limited_by:
            return
        self._limited_by = by
        await asyncio.to_thread(importlib.import_module, "lilfox_tui.monitor.alert_explain")
        from lilfox_tui.monitor.alert_explain import RuleLimits

        self.limit(await asyncio.to_thread(RuleLimits, alerts.rules))  # each rule is parsed

    def _fail(self, error: LilFoxError) -> None:
        self._source = self._own = self._queries = None
        self.feed.fail(error, next_try=datetime.now(UTC) + timedelta(seconds=AGAIN_S))
        self._changed()

    def _running(self) -> AlertEngine | ExternalAlerts:
        if self._source is None:
            raise UsageError(
                tr("the rules are not being evaluated"), tr("add rule files to the configuration: rules: [...]")
            )
        return self._source


def with_rules_of_prometheus(config: Config) -> Config:
    """Return ``config`` with the rules of its prometheus.yml, and with that file's external labels and period unless
    ``config`` sets them. Blocks. Raises ConfigError."""
    if config.prometheus_config is None:
        return _with_own_rules(config)
    from lilfox_tui.scrape.prometheus_config import read_prometheus

    file = read_prometheus(Path(config.prometheus_config))
    labels = {**file.external_labels, **config.alerts.external_labels}
    every = config.alerts.every or Seconds(file.evaluation_interval_s)
    alerts = replace(config.alerts, external_labels=labels, every=every)
    return _with_own_rules(replace(config, rules=(*config.rules, *file.rule_files), alerts=alerts))


_CERTIFICATE_RULES = Path(__file__).parent.with_name("rules.yml")
PROBE_RULES = Path(__file__).parent.with_name("probe_rules.yml")
LOG_LINE_RULES = Path(__file__).parent.with_name("log_line_rules.yml")
DEADLINE_RULES = Path(__file__).parent.with_name("deadline_rules.yml")
HOST_RULES = Path(__file__).parents[2] / "alerts" / "host_rules.yml"


def _with_own_rules(config: Config) -> Config:
    """Add the rules for recovered units, unless rules are evaluated elsewhere: those use the gauge on our own
    /metrics. Where there are rules then, add those for certificates, ports, hosts, jobs and log lines, those for hosts
    on which something stands, and those for clusters and for containers of hosts that name their engine: elsewhere
    they would be rules without data."""
    elsewhere = not config.rules and (config.prometheus is not None or config.alertmanager is not None)
    rules = (*config.rules, str(RULES)) if config.recovery and not elsewhere else config.rules
    schemes = {each.url.partition(":")[0] for each in config.services.values()}
    if rules and schemes & {"https", "certificate"}:
        rules = (*rules, str(_CERTIFICATE_RULES))
    if rules and schemes & {"tcp", "icmp"}:
        rules = (*rules, str(PROBE_RULES))
    if rules and "deadline" in schemes:
        rules = (*rules, str(DEADLINE_RULES))
    if config.rules and any(each.containers for each in config.hosts.values()):
        rules = (*rules, str(CONTAINER_RULES))
    if config.rules and config.clusters:
        rules = (*rules, str(CLUSTER_RULES))
    if rules and "lines" in schemes:
        rules = (*rules, str(LOG_LINE_RULES))
    if rules and _hosts_matter(config):
        rules = (*rules, str(HOST_RULES))
    return replace(config, rules=rules)


def _hosts_matter(config: Config) -> bool:
    """Whether something in the configuration stands on a host that may be down (alerts/dependencies.py)."""
    remote = {name: each.address or name for name, each in config.hosts.items() if not each.local}
    services, scrapes = config.services.values(), config.scrape.values()
    asking = [each.from_ for each in services]
    asking += [each.from_ for each in scrapes]
    asking += [each.from_ for each in config.clusters.values()]
    below = [each.host for each in (*config.backends.values(), *config.logs.values())]
    needed = [*(each.depends_on for each in services), *(each.depends_on for each in config.hosts.values())]
    if not remote.keys().isdisjoint((*asking, *below, *(name for names in needed for name in names))):
        return True
    places = [each.url for each in services]
    places += [f"//{place}" for each in scrapes for place in each.targets]
    return not {urlsplit(place).hostname for place in places}.isdisjoint(remote.values())
