"""arq's queues in Redis: one sorted set each, scored by each job's due time (milliseconds; arq-docs.helpmanuals.io)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lilfox_tui.backends.model import BackendChart, BackendReading, Figure
from lilfox_tui.backends.redis_transport import RedisOptions, RedisTransport
from lilfox_tui.backends.tables import LENGTH, QUEUE_CHARTS, Backlog, Queue
from lilfox_tui.backends.tables import queue_headline as headline_of_queues
from lilfox_tui.config.model import Threshold
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.model import Series

TREND: Series | None = LENGTH
CHARTS: tuple[BackendChart, ...] = QUEUE_CHARTS


class Options(RedisOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The Redis that arq uses."""

    kind: str = "arq"
    length: Threshold = Threshold(warn=1000)
    """Of one queue, in messages that wait."""
    queues: tuple[str, ...] = ("arq:queue",)
    """As ``queue_name`` has them."""


def headline(values: Mapping[Series, float]) -> tuple[Figure, ...]:
    """See :func:`lilfox_tui.backends.tables.headline`."""
    return headline_of_queues(values)


def open_backend(_name: str, options: Options, host: Host | None) -> Arq:
    """Return the backend for the queues, without connecting yet."""
    return Arq(options, RedisTransport(options, host))


class Arq:
    """See :class:`~lilfox_tui.backends.model.Backend`."""

    def __init__(self, options: Options, transport: RedisTransport) -> None:
        self._names, self._transport = options.queues, transport
        self._backlog = Backlog(options.length)

    async def read(self) -> BackendReading:
        """See :meth:`Backend.read`."""
        return self._backlog.reading(await self._transport.ask(self._look))

    async def close(self) -> None:
        """See :meth:`Backend.close`."""
        await self._transport.close()

    async def _look(self, client: Any) -> list[Queue]:
        """Return the queues. Uses the Redis server's clock to count the jobs that are due, because the workers seldom
        run on this machine."""
        seconds, micros = await client.time()
        now_ms = int(seconds) * 1000 + int(micros) // 1000
        pipeline = client.pipeline(transaction=False)
        for name in self._names:
            pipeline.zcount(name, "-inf", now_ms)
            pipeline.zcard(name)
        counts = await pipeline.execute()
        return [
            Queue(name, due, later=max(0, all_jobs - due))
            for name, due, all_jobs in zip(self._names, counts[::2], counts[1::2], strict=True)
        ]
