"""RQ's queues in Redis: a list each, and sorted sets for jobs that are started, failed or not yet due
(python-rq.org)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lilfox_tui.backends.model import BackendChart, BackendFact, BackendReading, Figure
from lilfox_tui.backends.redis_transport import RedisOptions, RedisTransport, text_of
from lilfox_tui.backends.tables import LENGTH, QUEUE_CHARTS, Backlog, Queue
from lilfox_tui.backends.tables import queue_headline as headline_of_queues
from lilfox_tui.config.model import Threshold
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.model import Series

_PREFIX = "rq:queue:"

TREND: Series | None = LENGTH
CHARTS: tuple[BackendChart, ...] = QUEUE_CHARTS


class Options(RedisOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The Redis that RQ uses."""

    kind: str = "rq"
    length: Threshold = Threshold(warn=1000)
    """Of one queue, in messages that wait."""


def headline(values: Mapping[Series, float]) -> tuple[Figure, ...]:
    """See :func:`lilfox_tui.backends.tables.headline`."""
    return headline_of_queues(values)


def open_backend(_name: str, options: Options, host: Host | None) -> Rq:
    """Return the backend for the queues, without connecting yet."""
    return Rq(options, RedisTransport(options, host))


class Rq:
    """See :class:`~lilfox_tui.backends.model.Backend`."""

    def __init__(self, options: Options, transport: RedisTransport) -> None:
        self._transport = transport
        self._backlog = Backlog(options.length)

    async def read(self) -> BackendReading:
        """See :meth:`Backend.read`."""
        queues, workers = await self._transport.ask(_look)
        return self._backlog.reading(queues, facts=(BackendFact("workers", tr("workers"), workers, "count"),))

    async def close(self) -> None:
        """See :meth:`Backend.close`."""
        await self._transport.close()


async def _look(client: Any) -> tuple[list[Queue], int]:
    names = sorted(text_of(key).removeprefix(_PREFIX) for key in await client.smembers("rq:queues"))
    pipeline = client.pipeline(transaction=False)
    for name in names:
        pipeline.llen(f"{_PREFIX}{name}")
        for registry in ("wip", "scheduled", "deferred", "failed"):
            pipeline.zcard(f"rq:{registry}:{name}")
        pipeline.scard(f"rq:workers:{name}")
    pipeline.scard("rq:workers")
    *counts, workers = await pipeline.execute()
    queues = []
    for place, name in enumerate(names):
        waiting, taken, scheduled, deferred, failed, consumers = counts[place * 6 : place * 6 + 6]
        queues.append(Queue(name, waiting, taken, scheduled + deferred, failed, consumers))
    return queues, workers
