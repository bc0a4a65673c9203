"""pybreaker's circuit breakers whose state is in Redis (``CircuitRedisStorage``): plain keys with text."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from lilfox_tui.backends.model import BackendChart, BackendReading, Figure
from lilfox_tui.backends.redis_transport import RedisOptions, RedisTransport, text_of
from lilfox_tui.backends.tables import BREAKER_CHARTS, NOT_CLOSED, Breaker, BreakerState, TripCounter
from lilfox_tui.backends.tables import breaker_headline as headline_of_breakers
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.model import Series

TREND: Series | None = NOT_CLOSED
CHARTS: tuple[BackendChart, ...] = BREAKER_CHARTS
_KEY = "pybreaker"
_STATES = {"closed": BreakerState.CLOSED, "half-open": BreakerState.HALF_OPEN, "open": BreakerState.OPEN}
_LOOKED_FOR_EVERY_S = 60.0
"""Going through the names of all keys costs the server; breakers seldom come and go."""
_KEYS_AT_ONCE = 1000


class Options(RedisOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The Redis that holds the breakers."""

    kind: str = "pybreaker"
    namespaces: tuple[str, ...] = ()
    """Of the breakers; those whose keys are found when not given."""


def headline(values: Mapping[Series, float]) -> tuple[Figure, ...]:
    """See :func:`lilfox_tui.backends.tables.headline`."""
    return headline_of_breakers(values)


def open_backend(_name: str, options: Options, host: Host | None) -> Pybreaker:
    """Return the backend for the breakers, without connecting yet."""
    return Pybreaker(options, RedisTransport(options, host))


class Pybreaker:
    """See :class:`~lilfox_tui.backends.model.Backend`."""

    def __init__(self, options: Options, transport: RedisTransport) -> None:
        self._given, self._transport = options.namespaces, transport
        self._names = options.namespaces
        self._due = 0.0
        self._trips = TripCounter()

    async def read(self) -> BackendReading:
        """See :meth:`Backend.read`."""
        return self._trips.reading(await self._transport.ask(self._look))

    async def close(self) -> None:
        """See :meth:`Backend.close`."""
        await self._transport.close()

    async def _look(self, client: Any) -> list[Breaker]:
        now = time.monotonic()
        if not self._given and now >= self._due:
            self._names, self._due = await _found(client), now + _LOOKED_FOR_EVERY_S
        pipeline = client.pipeline(transaction=False)
        for name in self._names:
            prefix = f"{name}:{_KEY}" if name else _KEY
            pipeline.mget(f"{prefix}:state", f"{prefix}:fail_counter")
        made = []
        for name, (state, failures) in zip(self._names, await pipeline.execute(), strict=True):
            word = "" if state is None else text_of(state)
            detail = "" if failures is None else f"fail_counter {text_of(failures)}"
            made.append(Breaker(name or _KEY, _STATES.get(word), detail))
        return made


async def _found(client: Any) -> tuple[str, ...]:
    """Return the namespaces of all breakers; the empty name stands for breakers without a namespace."""
    names = []
    async for key in client.scan_iter(match=f"*{_KEY}:state", count=_KEYS_AT_ONCE):
        name = text_of(key).removesuffix(f"{_KEY}:state").removesuffix(":")
        names.append(name)
    return tuple(sorted(names))
