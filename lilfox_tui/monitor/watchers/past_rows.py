"""Rows as they were: levels judged anew from the values that history kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from lilfox_tui.backends.backend import load
from lilfox_tui.config.model import BackendConfig, HostConfig, ServiceConfig, Threshold, Thresholds
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Ready, State, Unavailable
from lilfox_tui.i18n import Message, tr
from lilfox_tui.metrics.history import History
from lilfox_tui.metrics.model import Health, HealthCheck, Level, Series, ServiceState
from lilfox_tui.metrics.summary import summary_at
from lilfox_tui.metrics.traffic import REQUESTS, Traffic, traffic_of
from lilfox_tui.monitor.levels import Judgement, error_streak, judge_errors, judge_service, judge_values, streaks
from lilfox_tui.monitor.model import BackendView, HostView, ServiceView
from lilfox_tui.monitor.watchers.service import RESPONSE_SECONDS, STATUS_CODE, UP

CPU_PERCENT = Series("cpu_usage_percent")
MEMORY_PERCENT = Series("memory_usage_percent")
LEVEL = Series("lilfox_level")
"""The level itself in history, as the number of :class:`Level`."""

Values = Mapping[Series, float]


def past_host(name: str, config: HostConfig, thresholds: Thresholds, values: Values, at: datetime) -> HostView:
    """A host at ``at`` (aware UTC). The recorded level counts; the reasons are what its values give by themselves."""
    if not values:
        return HostView(name, config, Level.UNKNOWN, at, _nothing_recorded())
    summary = summary_at(name, at, values)
    found = judge_values(summary, thresholds, streaks(summary, thresholds, {}), hold=1)
    level = _recorded_level(values, found.level)
    return HostView(name, config, level, at, () if level is Level.GOOD else found.reasons, summary)


def past_service(name: str, config: ServiceConfig, limits: Threshold, history: History, at: datetime) -> ServiceView:
    """A service at ``at`` (aware UTC); why it did not answer is not kept. ``limits`` are of the share of its requests
    that fail, where ``config`` has none."""
    values = history.values_at(f"service/{name}", at)
    traffic = _past_traffic(name, history, at)
    up = values.get(UP)
    if up is None:
        return ServiceView(name, config, Level.UNKNOWN, at, _nothing_recorded(), None, traffic)
    status = values.get(STATUS_CODE)
    good = up > 0.5
    health = Health.HEALTHY if good else Health.ERROR if status is None else Health.UNHEALTHY
    answer = HealthCheck(at, health, None if status is None else round(status), values.get(RESPONSE_SECONDS))
    level = _recorded_level(values, Level.GOOD if good else Level.FAILING)
    errors = Judgement(Level.GOOD)
    if good and level is not Level.GOOD and isinstance(traffic, Ready):
        limits = config.server_errors_percent or limits
        errors = judge_errors(traffic.value, limits, error_streak(traffic.value, limits, (0, 0)), hold=1)
    state = ServiceState(name, config.url, Level.GOOD if errors.reasons else level, at, answer, 0 if good else 1)
    return ServiceView(name, config, level, at, (*errors.reasons, *judge_service(state).reasons), state, traffic)


def _past_traffic(name: str, history: History, at: datetime) -> State[Traffic]:
    recorded = traffic_of(history.values_at(f"traffic/{name}", at), at)
    if recorded is None:
        return Unavailable(LilFoxError(_nothing_recorded()[0]), at)
    return Ready(recorded, at)


def past_backend(name: str, config: BackendConfig, values: Values, at: datetime) -> BackendView:
    """A backend at ``at`` (aware UTC): its level and its line; its tables and reasons are not kept."""
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
    """The ``count`` values up to ``at`` (aware UTC), ``step`` apart, oldest first, None where nothing was recorded.

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
    """The recorded level; of a mean over a while (down-sampled) the worse of its two neighbours."""
    recorded = values.get(LEVEL)
    return otherwise if recorded is None else Level(min(Level.FAILING, -int(-recorded // 1)))
