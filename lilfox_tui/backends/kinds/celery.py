"""Celery's queues in Redis: one list each, and separate lists for priorities (kombu's Redis transport)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from lilfox_tui.backends.model import BackendChart, BackendReading, Figure
from lilfox_tui.backends.redis_transport import RedisOptions, RedisTransport, text_of
from lilfox_tui.backends.tables import LENGTH, QUEUE_CHARTS, Backlog, Queue
from lilfox_tui.backends.tables import queue_headline as headline_of_queues
from lilfox_tui.config.model import Threshold
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.model import Series

SEPARATOR = "\x06\x16"
"""Between a queue's name and a priority, and in bindings (kombu ``sep``)."""
LOOKED_FOR_EVERY_S = 60.0
"""Going through the names of all keys costs the server; queues seldom come and go."""
_KEYS_AT_ONCE = 1000

TREND: Series | None = LENGTH
CHARTS: tuple[BackendChart, ...] = QUEUE_CHARTS


class Options(RedisOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The broker. ``prefix`` is kombu's ``global_keyprefix``."""

    kind: str = "celery"
    length: Threshold = Threshold(warn=1000)
    """Of one queue, in messages that wait."""
    queues: tuple[str, ...] = ()
    """Names; those that kombu has bound when not given."""
    priority_steps: tuple[int, ...] = (0, 3, 6, 9)
    """As in ``broker_transport_options``."""
    prefix: str = ""


def headline(values: Mapping[Series, float]) -> tuple[Figure, ...]:
    """See :func:`lilfox_tui.backends.tables.headline`."""
    return headline_of_queues(values)


def open_backend(_name: str, options: Options, host: Host | None) -> Celery:
    """Return the backend for the broker, without connecting yet."""
    return Celery(options, RedisTransport(options, host))


class Celery:
    """See :class:`~lilfox_tui.backends.model.Backend`."""

    def __init__(self, options: Options, transport: RedisTransport) -> None:
        self._options, self._transport = options, transport
        self._backlog = Backlog(options.length)
        self._names: tuple[str, ...] = options.queues
        self._due = 0.0

    async def read(self) -> BackendReading:
        """See :meth:`Backend.read`."""
        return self._backlog.reading(await self._transport.ask(self._look))

    async def close(self) -> None:
        """See :meth:`Backend.close`."""
        await self._transport.close()

    async def _look(self, client: Any) -> list[Queue]:
        prefix, now = self._options.prefix, time.monotonic()
        if not self._options.queues and now >= self._due:
            self._names = await _bound(client, prefix)
            self._due = now + LOOKED_FOR_EVERY_S
        lists = [[f"{prefix}{key}" for key in keys_of(name, self._options.priority_steps)] for name in self._names]
        pipeline = client.pipeline(transaction=False)
        for key in (key for keys in lists for key in keys):
            pipeline.llen(key)
        pipeline.hlen(f"{prefix}unacked")
        *lengths, taken = await pipeline.execute()
        queues, at = [], 0
        for name, keys in zip(self._names, lists, strict=True):
            queues.append(Queue(name, sum(lengths[at : at + len(keys)])))
            at += len(keys)
        if queues:  # kombu keeps what workers have taken in one hash for all queues
            queues.append(Queue("unacked", 0, taken=taken))
        return queues


def keys_of(queue: str, priority_steps: tuple[int, ...]) -> list[str]:
    """Return the keys of a queue's lists, one per priority; for priority 0 it is just the queue's name."""
    return [queue if step == 0 else f"{queue}{SEPARATOR}{step}" for step in priority_steps]


async def _bound(client: Any, prefix: str) -> tuple[str, ...]:
    """Return the queues that are bound to an exchange, read from the sets ``_kombu.binding.*``, whose members are
    routing key, pattern and queue. Without the queues for remote control and events."""
    names = set()
    async for key in client.scan_iter(match=f"{prefix}_kombu.binding.*", count=_KEYS_AT_ONCE):
        for member in await client.smembers(key):
            names.add(text_of(member).split(SEPARATOR)[-1])
    return tuple(sorted(name for name in names if name and not name.endswith(".pidbox") and "celeryev" not in name))
