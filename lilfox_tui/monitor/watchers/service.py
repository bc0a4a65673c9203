"""One monitored service: its last answer, its level, and when the level began."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from msgspec.structs import replace

from lilfox_tui.config.model import Config, ServiceConfig, Thresholds
from lilfox_tui.core.aio import Feed, Ready, Unavailable
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.model import Health, Level, Series, ServiceState
from lilfox_tui.metrics.traffic import Traffic
from lilfox_tui.monitor.levels import Judgement, error_streak, judge_errors, judge_service
from lilfox_tui.monitor.model import ServiceLimits, ServiceView

if TYPE_CHECKING:
    from lilfox_tui.metrics.health import ServiceProbe


HTTP_PROBE = ("lilfox_tui.metrics.health", "HealthProbe")
PROBES = {
    "tcp": ("lilfox_tui.metrics.socket_probes", "TcpProbe"),
    "certificate": ("lilfox_tui.metrics.certificate_probe", "CertificateProbe"),
    "lines": ("lilfox_tui.monitor.log_lines", "LogLinesProbe"),
    "deadline": ("lilfox_tui.monitor.deadlines", "DeadlineProbe"),
    "icmp": ("lilfox_tui.metrics.socket_probes", "IcmpProbe"),
}
"""Scheme of the address of a service → who asks it, imported only where there is such a service."""
LEAST_PERIOD_S = 2.0
UP = Series("service_up")
RESPONSE_SECONDS = Series("service_response_seconds")
STATUS_CODE = Series("service_status_code")


class ServiceWatch:
    """The state of one service; ``state`` is None until the first probe. ``traffic`` comes from its metrics endpoint,
    unavailable while there is none. ``found``: not in the config. ``thresholds`` limit its share of failed requests
    unless ``config`` or an alert rule does."""

    def __init__(
        self, name: str, config: ServiceConfig, thresholds: Thresholds | None = None, *, found: bool = False
    ) -> None:
        thresholds = thresholds or Thresholds()
        self.name = name
        self.config = config
        self.found = found
        self.whole: Config | None = None
        """The configuration with its log, where lines of one are counted."""
        self.hold = thresholds.hold
        self.configured = config.server_errors_percent or thresholds.server_errors_percent
        self.limits = ServiceLimits(self.configured)
        self._error_streak = (0, 0)
        self._errors = Judgement(Level.GOOD)
        self.state: ServiceState | None = None
        self.traffic: Feed[Traffic] = Feed()
        self._last_level = Level.UNKNOWN
        self._since = datetime.now(UTC)
        """Since when it has that level."""

    @property
    def level(self) -> Level:
        """The worse of the levels from its probe and from its requests."""
        probed = Level.UNKNOWN if self.state is None else self.state.level
        return max(probed, self._of_requests().level)

    def _of_requests(self) -> Judgement:
        """Return the level of its requests; GOOD while there is no metrics endpoint. Where its metrics are lost, a
        service whose requests failed is not good: nothing proves it."""
        state, found = self.traffic.state, self._errors
        if isinstance(state, Unavailable) and found.reasons:
            why = tr("{why} when its metrics were lost at {at:%H:%M:%S}", why=found.reasons[0], at=state.since)
            return Judgement(Level.DEGRADED, (why,))
        return found if isinstance(state, Ready) else Judgement(Level.GOOD)

    def period_s(self, refresh_s: float) -> float:
        """Return the probe interval, if everything is refreshed every ``refresh_s``."""
        return self.config.every or max(LEAST_PERIOD_S, refresh_s)

    def probe(self, host: Host | None, refresh_s: float, *, once: bool = False) -> ServiceProbe:
        """Return its probe, from ``host`` or from this machine; ``once``: one failure is enough."""
        config = replace(self.config, down_after=1) if once else self.config
        module, kind = PROBES.get(urlsplit(config.url).scheme, HTTP_PROBE)
        more = {} if config.lines is None else {"whole": self.whole}
        made = getattr(importlib.import_module(module), kind)(
            self.name, config, host, period_s=self.period_s(refresh_s), **more
        )
        return cast("ServiceProbe", made)

    async def look(self, host: Host | None, refresh_s: float) -> None:
        """Probe it once and take in the answer."""
        probe = self.probe(host, refresh_s, once=True)
        try:
            await probe.check_once()
            if probe.feed.value is not None:
                self.take(probe.feed.value)
        finally:
            await probe.close()

    def take(self, state: ServiceState) -> bool:
        """Take in a new answer; return whether the level has changed. The level began with the answer that decided it:
        of several failures in a row, that is not the first."""
        before, self.state = self.level, state
        self._note_level(state.since if self._last_level is Level.UNKNOWN else max(state.last.at, self._since))
        return before is not state.level

    def take_traffic(self, traffic: Traffic, at: datetime) -> None:
        """Take in the newest traffic, and judge the share of failed requests."""
        self._judge_errors(traffic, self._error_streak)
        self.traffic.publish(traffic, at)
        self._note_level(at)

    def take_limits(self, limits: ServiceLimits) -> None:
        """Take in the limits of the alert rules, and judge its requests by them."""
        before, self.limits = self.limits, limits
        if limits.errors != before.errors and (traffic := self.traffic.value) is not None:
            self._judge_errors(traffic, (0, 0))
            self._note_level(datetime.now(UTC))

    def _judge_errors(self, traffic: Traffic, streak: tuple[int, int]) -> None:
        self._error_streak = error_streak(traffic, self.limits.errors, streak)
        self._errors = judge_errors(traffic, self.limits.errors, self._error_streak, self.hold)

    def _note_level(self, at: datetime) -> None:
        """Note that its level began at ``at``, if it is another one than before."""
        if self.level is not self._last_level:
            self._last_level, self._since = self.level, at

    def view(self) -> ServiceView:
        """Return the service's row."""
        probed, errors = judge_service(self.state), self._of_requests()
        if isinstance(self.traffic.state, Unavailable):
            self._note_level(max(self.traffic.state.since, self._since))
        first, second = sorted((errors, probed), key=lambda each: -each.level)
        return ServiceView(
            self.name, self.config, first.level, self._since, (*first.reasons, *second.reasons), self.state,
            self.traffic.state, self.found, len(second.reasons) if second.level is not first.level else 0, self.limits,
        )  # fmt: skip


def series_of(state: ServiceState) -> dict[Series, float]:
    """Return the values of an answer that history keeps; unknown ones are absent."""
    last = state.last
    values = {UP: 1.0 if last.health is Health.HEALTHY else 0.0}
    if last.response_time_s is not None:
        values[RESPONSE_SECONDS] = last.response_time_s
    if last.status_code is not None:
        values[STATUS_CODE] = float(last.status_code)
    return values
