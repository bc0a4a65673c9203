"""Circuit breakers read from a Prometheus metrics endpoint: resilience4j, opossum, Envoy, or a custom gauge."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from lilfox_tui.backends.http_probe import HttpBackendOptions, HttpProbe, MetricsPage, path_of
from lilfox_tui.backends.model import BackendChart, BackendReading, Figure
from lilfox_tui.backends.tables import BREAKER_CHARTS, NOT_CLOSED, Breaker, BreakerState, TripCounter
from lilfox_tui.backends.tables import breaker_headline as headline_of_breakers
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.model import Sample, Series

TREND: Series | None = NOT_CLOSED
CHARTS: tuple[BackendChart, ...] = BREAKER_CHARTS
StateName = Literal["closed", "half-open", "open", "disabled"]
_STATES: Mapping[str, BreakerState] = {
    "closed": BreakerState.CLOSED,
    "half-open": BreakerState.HALF_OPEN,
    "half_open": BreakerState.HALF_OPEN,
    "open": BreakerState.OPEN,
    "forced_open": BreakerState.OPEN,
    "disabled": BreakerState.DISABLED,
    "metrics_only": BreakerState.DISABLED,
}
_RESILIENCE = "resilience4j_circuitbreaker_state"
_FAILURE_RATE = "resilience4j_circuitbreaker_failure_rate"
_OPOSSUM = "circuit"
_ENVOY = re.compile(r"envoy_cluster_circuit_breakers_([a-z]+)_(cx|cx_pool|rq|rq_pending|rq_retry)_open")


class Options(HttpBackendOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``url`` includes the path of the metrics endpoint; the default is /metrics."""

    kind: str = "breakers"
    gauge: str = "circuit_breaker_state"
    """A gauge of one's own: one series a breaker."""
    label: str = "name"
    """Its label with the breaker's name."""
    states: dict[str, StateName] = msgspec.field(default_factory=dict)
    """What its values mean, such as ``{"0": closed, "1": half-open, "2": open}``: libraries do not agree."""


def headline(values: Mapping[Series, float]) -> tuple[Figure, ...]:
    """See :func:`lilfox_tui.backends.tables.headline`."""
    return headline_of_breakers(values)


def open_backend(_name: str, options: Options, host: Host | None) -> BreakersPage:
    """Return the backend for the metrics endpoint, without connecting yet."""
    return BreakersPage(options, HttpProbe(options, host))


class BreakersPage:
    """See :class:`~lilfox_tui.backends.model.Backend`."""

    def __init__(self, options: Options, look: HttpProbe) -> None:
        self._options, self._look = options, look
        self._path = path_of(options.url, "/metrics")
        self._page = MetricsPage(look.where, self._wanted)
        self._trips = TripCounter()
        self._opossum = Opossum()

    async def read(self) -> BackendReading:
        """See :meth:`Backend.read`."""
        samples = self._page.samples(await self._look.get(self._path))
        gauge, unread = _of_gauge(samples, self._options)
        found = [*_of_resilience4j(samples), *self._opossum.take(samples), *_of_envoy(samples), *gauge]
        return self._trips.reading(found, incomplete=unread)

    async def close(self) -> None:
        """See :meth:`Backend.close`."""
        await self._look.close()

    def _wanted(self, name: str) -> bool:
        known = (_RESILIENCE, _FAILURE_RATE, _OPOSSUM, f"{_OPOSSUM}_total", self._options.gauge)
        return name in known or _ENVOY.fullmatch(name) is not None


def _of_resilience4j(samples: Sequence[Sample]) -> list[Breaker]:
    """Return the breakers of resilience4j (its Micrometer module): one series per state, with the value 1 for the
    current state."""
    states: dict[str, BreakerState | None] = {}
    rates: dict[str, Message] = {}
    for sample in samples:
        name = sample.series.label("name")
        if sample.name == _RESILIENCE:
            states.setdefault(name, None)
            if sample.value == 1:
                states[name] = _STATES.get(sample.series.label("state"))
        elif sample.name == _FAILURE_RATE and sample.value >= 0:  # -1: too few calls yet
            rates[name] = tr("failure rate {percent:g}%", percent=sample.value)
    return [Breaker(name, state, rates.get(name, "")) for name, state in states.items()]


class Opossum:
    """Derives the states of opossum's breakers. opossum-prometheus exposes event counters but no state, so the state is
    derived from the counters that have increased."""

    def __init__(self) -> None:
        self._before: dict[str, dict[str, float]] = {}
        self._states: dict[str, BreakerState | None] = {}

    def take(self, samples: Sequence[Sample]) -> list[Breaker]:
        """Return the breakers in a response. One that has never opened is closed. The state of any other is unknown
        until its first change, and also after it has closed and opened again between two reads."""
        counts: dict[str, dict[str, float]] = {}
        for sample in samples:
            event = sample.series.label("event")
            if sample.name in (_OPOSSUM, f"{_OPOSSUM}_total") and event:
                counts.setdefault(sample.series.label("name"), {})[event] = sample.value
        for name, events in counts.items():
            self._states[name] = self._state(name, events)
        self._before = counts
        return [Breaker(name, self._states.get(name)) for name in counts]

    def _state(self, name: str, events: Mapping[str, float]) -> BreakerState | None:
        if not any(events.get(event) for event in ("open", "halfOpen")):
            return BreakerState.CLOSED
        before, was = self._before.get(name), self._states.get(name)
        if before is None:
            return None
        opened, closed, tried = (events.get(each, 0) - before.get(each, 0) for each in ("open", "close", "halfOpen"))
        if closed:
            return None if opened else BreakerState.CLOSED
        if opened == tried:  # each trial failed, or each opening was followed by a trial
            return BreakerState.HALF_OPEN if opened and was is BreakerState.CLOSED else was
        return BreakerState.OPEN if opened > tried else BreakerState.HALF_OPEN


def _of_envoy(samples: Sequence[Sample]) -> list[Breaker]:
    """Count a cluster limit that is reached as an open breaker, per priority and resource (Envoy, cluster
    statistics)."""
    made = []
    for sample in samples:
        if found := _ENVOY.fullmatch(sample.name):
            cluster = sample.series.label("envoy_cluster_name")
            state = BreakerState.OPEN if sample.value else BreakerState.CLOSED
            made.append(Breaker(f"{cluster} {found[1]} {found[2]}", state))
    return made


def _of_gauge(samples: Sequence[Sample], options: Options) -> tuple[list[Breaker], Message | None]:
    made = []
    for sample in samples:
        if sample.name == options.gauge:
            word = options.states.get(f"{sample.value:g}")
            state = None if word is None else _STATES[word]
            name = sample.series.label(options.label) or " ".join(value for _name, value in sample.labels)
            made.append(Breaker(name, state, f"{sample.value:g}"))
    if not any(each.state is None for each in made):
        return made, None
    values = listed(sorted({str(each.detail) for each in made if each.state is None}))
    return made, tr("incomplete: values {values} of {gauge} are not mapped; add them to states: of this backend",
                    gauge=options.gauge, values=values)  # fmt: skip
