"""Watches one host: its numbers, its level and when the level began; also past rows of hosts and services."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from lilfox_tui.backends.model import load
from lilfox_tui.config.model import BackendConfig, HostConfig, ServiceConfig, Thresholds
from lilfox_tui.core.aio import Feed, Pending, Ready, State, Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.hosts.base import Host, Link
from lilfox_tui.metrics.history import History
from lilfox_tui.metrics.model import (
    Health,
    HealthCheck,
    HostSnapshot,
    HostSummary,
    Level,
    Series,
    ServiceState,
    late_after_s,
    silent_after_s,
)
from lilfox_tui.metrics.sampler import Sampler
from lilfox_tui.metrics.summary import summarize, summary_at
from lilfox_tui.metrics.traffic import REQUESTS, Traffic, traffic_of
from lilfox_tui.monitor.levels import (
    Judgement,
    Streaks,
    error_streak,
    judge,
    judge_errors,
    judge_service,
    judge_values,
    streaks,
)
from lilfox_tui.monitor.model import BackendView, HostView, ServiceLimits, ServiceView
from lilfox_tui.monitor.watchers.service import RESPONSE_SECONDS, STATUS_CODE, UP


class HostWatch:
    """The state of one host. ``host`` and ``sampler`` are None until the host is opened, which happens later for hosts
    reached over SSH.

    ``hold`` is how many samples in a row above a limit count.
    """

    def __init__(self, name: str, config: HostConfig, thresholds: Thresholds, *, period_s: float) -> None:
        self.name = name
        self.config = config
        self.hold = thresholds.hold
        self.host: Host | None = None
        self.sampler: Sampler | None = None
        self.snapshots: Feed[HostSnapshot] = Feed()
        self.thresholds = thresholds
        """Those in force."""
        self._period_s = period_s
        self._summary: HostSummary | None = None
        self._held: Streaks = {}
        self._samples = 0
        self._judgement = Judgement(Level.UNKNOWN)
        self._since = datetime.now(UTC)
        self._failure: Unavailable | None = None
        self._failed_at = self._since
        """When it failed last; ``_failure`` has since when."""

    @property
    def level(self) -> Level:
        """The most recently judged level."""
        return self._judgement.level

    @property
    def settled(self) -> bool:
        """Whether there were enough samples for a meaningful level."""
        return self._samples >= self.hold

    def once(self, within_s: float) -> None:
        """Make one sample enough for a level, and keep samples from counting as late during one pass of ``within_s``
        seconds."""
        self.hold = 1
        self._period_s = max(self._period_s, within_s)

    def take(self, snapshot: HostSnapshot) -> HostSummary:
        """Take in a new reading; return its summary."""
        self._summary = summarize(snapshot)
        self._held = streaks(self._summary, self.thresholds, self._held)
        self._samples += 1
        self._failure = None
        self.snapshots.publish(snapshot, snapshot.at)
        return self._summary

    def take_thresholds(self, thresholds: Thresholds) -> None:
        """Take in the thresholds with the limits of the alert rules. A value counts anew against a limit that is
        another one."""
        before, self.thresholds = self.thresholds, thresholds
        if self._summary is None or before == thresholds:
            return
        anew = streaks(self._summary, thresholds, {})
        self._held = {
            key: count if getattr(before, field) != getattr(thresholds, field) else self._held.get(key, count)
            for key, count in anew.items()
            for field in (key.partition(" ")[0],)
        }

    def fail(
        self, error: LilFoxError, now: datetime, next_try: datetime | None = None, since: datetime | None = None
    ) -> None:
        """Record why there is no new reading, and ``since`` when (now if not given); ``next_try`` is the time of the
        next automatic attempt."""
        since = self._failure.since if self._failure is not None else since or now
        self.snapshots.fail(error, since=since, next_try=next_try)
        self._failure, self._failed_at = Unavailable(error, since, next_try), now

    def judge(self, now: datetime) -> bool:
        """Judge again at ``now`` (aware UTC); return whether the level has changed."""
        judgement = judge(
            self._summary,
            self._link(now),
            self.thresholds,
            self._held,
            now=now,
            period_s=self._period_s,
            hold=self.hold,
            why="" if self._failure is None else self._failure.error.message,
        )
        changed = judgement.level is not self._judgement.level
        if changed:
            self._since = now
        self._judgement = judgement
        return changed

    def view(self, now: datetime) -> HostView:
        """Return the host's row at ``now`` (aware UTC)."""
        self.judge(now)
        return HostView(
            name=self.name,
            config=self.config,
            level=self._judgement.level,
            since=self._since,
            reasons=self._judgement.reasons,
            summary=self._summary,
            link=self._link(now),
            lost=() if self.host is None else tuple(self.host.lost),
            lesser=self._judgement.lesser,
            thresholds=self.thresholds,
        )

    def turns_in_s(self, now: datetime) -> float:
        """Return the seconds until the age of the last sample alone changes the level; infinite if it will not."""
        if self._summary is None:
            return math.inf
        age_s = (now - self._summary.at).total_seconds()
        turns = (late_after_s(self._period_s), silent_after_s(self._period_s))
        return min((at - age_s for at in turns if at > age_s), default=math.inf)

    def _link(self, now: datetime) -> State[Link]:
        """Return the link's state. If it is up but nothing answers over it, or no reading has arrived since, return why
        and since when."""
        link: State[Link] = Pending() if self.host is None else self.host.link.state
        if self._failure is None:
            return link
        if isinstance(link, Unavailable):
            return replace(link, since=min(link.since, self._failure.since))
        answered = self._summary is not None
        if self._summary is not None:
            answered = (now - self._summary.at).total_seconds() <= silent_after_s(self._period_s)
        newer = isinstance(link, Pending) or link.value.since < self._failed_at
        return self._failure if newer and not answered else link


# Rows as they were: levels judged anew from the values that history kept.


CPU_PERCENT = Series("cpu_usage_percent")
MEMORY_PERCENT = Series("memory_usage_percent")
LEVEL = Series("lilfox_level")
"""The level itself in history, as the number of :class:`Level`."""

Values = Mapping[Series, float]


def past_host(name: str, config: HostConfig, thresholds: Thresholds, values: Values, at: datetime) -> HostView:
    """Return a host at ``at`` (aware UTC). The level is the recorded one; the reasons are derived from its values
    alone."""
    if not values:
        return HostView(name, config, Level.UNKNOWN, at, _nothing_recorded(), thresholds=thresholds)
    summary = summary_at(name, at, values)
    level = _recorded_level(values, Level.FAILING)  # a value above the limit of a worse level had not counted yet
    found = judge_values(summary, thresholds, streaks(summary, thresholds, {}), hold=1, at_most=level)
    level = _recorded_level(values, found.level)
    if level is Level.GOOD:
        return HostView(name, config, level, at, (), summary, thresholds=thresholds)
    return HostView(name, config, level, at, found.reasons, summary, lesser=found.lesser, thresholds=thresholds)


def past_service(
    name: str, config: ServiceConfig, limits: ServiceLimits, history: History, at: datetime
) -> ServiceView:
    """Return a service at ``at`` (aware UTC); why it did not answer is not recorded. ``limits`` apply to its
    requests."""
    values = history.values_at(f"service/{name}", at)
    traffic = _past_traffic(name, history, at)
    up = values.get(UP)
    if up is None:
        return ServiceView(name, config, Level.UNKNOWN, at, _nothing_recorded(), None, traffic, limits=limits)
    status = values.get(STATUS_CODE)
    good = up > 0.5
    health = Health.HEALTHY if good else Health.ERROR if status is None else Health.UNHEALTHY
    answer = HealthCheck(at, health, None if status is None else round(status), values.get(RESPONSE_SECONDS))
    level = _recorded_level(values, Level.GOOD if good else Level.FAILING)
    errors = Judgement(Level.GOOD)
    if good and isinstance(traffic, Ready):
        streak = error_streak(traffic.value, limits.errors, (0, 0))
        found = judge_errors(traffic.value, limits.errors, streak, hold=1)
        if found.level is Level.FAILING:  # the level was recorded with the answer, which came before these requests
            level = max(level, Level.DEGRADED)
        if level is not Level.GOOD:
            errors = found
    state = ServiceState(name, config.url, Level.GOOD if errors.reasons else level, at, answer, 0 if good else 1)
    reasons = (*errors.reasons, *judge_service(state).reasons)
    return ServiceView(name, config, level, at, reasons, state, traffic, limits=limits)


def _past_traffic(name: str, history: History, at: datetime) -> State[Traffic]:
    recorded = traffic_of(history.values_at(f"traffic/{name}", at), at)
    if recorded is None:
        return Unavailable(LilFoxError(_nothing_recorded()[0]), at)
    return Ready(recorded, at)


def past_backend(name: str, config: BackendConfig, values: Values, at: datetime) -> BackendView:
    """Return a backend at ``at`` (aware UTC): its level and its headline; its tables and reasons are not kept."""
    if LEVEL not in values:
        return BackendView(name, config, Level.UNKNOWN, at, _nothing_recorded())
    return BackendView(
        name, config, _recorded_level(values, Level.UNKNOWN), at, figures=load(config.kind).headline(values)
    )


def recent_before(
    history: History,
    hosts: Iterable[str],
    services: Iterable[str],
    at: datetime,
    *,
    step: timedelta,
    count: int,
    backends: Mapping[str, BackendConfig] | None = None,
) -> dict[str, list[float | None]]:
    """Return the ``count`` values up to ``at`` (aware UTC), ``step`` apart, oldest first, None where nothing was
    recorded.

    CPU and memory percents by ``NAME/cpu`` and ``NAME/memory``, requests a second by ``traffic/NAME``,
    the series ``TREND`` of a backend's kind by ``backend/NAME``.
    """
    moments = [at - step * back for back in reversed(range(count))]
    recent: dict[str, list[float | None]] = {}
    for name in hosts:
        rows = [history.values_at(f"host/{name}", moment) for moment in moments]
        recent[f"{name}/cpu"] = [row.get(CPU_PERCENT) for row in rows]
        recent[f"{name}/memory"] = [row.get(MEMORY_PERCENT) for row in rows]
    for name in services:
        rows = [history.values_at(f"traffic/{name}", moment) for moment in moments]
        recent[f"traffic/{name}"] = [row.get(REQUESTS) for row in rows]
    for name, config in (backends or {}).items():
        trend = load(config.kind).TREND
        rows = [history.values_at(f"backend/{name}", moment) for moment in moments]
        recent[f"backend/{name}"] = [None if trend is None else row.get(trend) for row in rows]
    return recent


def _nothing_recorded() -> tuple[Message, ...]:
    return (tr("nothing recorded at that time"),)


def _recorded_level(values: Values, otherwise: Level) -> Level:
    """Return the recorded level; for a down-sampled mean, the worse of the two adjacent levels."""
    recorded = values.get(LEVEL)
    return otherwise if recorded is None else Level(min(Level.FAILING, -int(-recorded // 1)))
