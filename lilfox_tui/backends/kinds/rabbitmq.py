"""RabbitMQ's queues, from the management plugin's API or from the Prometheus plugin's per-object metrics.

The management plug-in's numbers are up to 5 s old (``collect_statistics_interval``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace

from lilfox_tui.backends.http_probe import HttpBackendOptions, HttpProbe, MetricsPage, path_of
from lilfox_tui.backends.model import (
    BackendChart,
    BackendError,
    BackendFact,
    BackendReading,
    Figure,
    Finding,
    Table,
    TableColumn,
)
from lilfox_tui.backends.tables import LENGTH, QUEUE_CHARTS, Backlog, Queue
from lilfox_tui.backends.tables import queue_headline as headline_of_queues
from lilfox_tui.config.model import Threshold
from lilfox_tui.core.i18n import tr
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.model import Level, Sample, Series

TREND: Series | None = LENGTH
CHARTS: tuple[BackendChart, ...] = QUEUE_CHARTS
_Shape = TypeVar("_Shape")
_COLUMNS = "name,vhost,messages_ready,messages_unacknowledged,consumers"
_READY, _UNACKED, _CONSUMERS = "queue_messages_ready", "queue_messages_unacked", "queue_consumers"
_METRICS = frozenset(
    f"rabbitmq_{detailed}{name}" for detailed in ("", "detailed_") for name in (_READY, _UNACKED, _CONSUMERS)
)
_PER_OBJECT = "/metrics/per-object"


class Options(HttpBackendOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``url`` is the address of the management plugin (port 15672) or of the Prometheus plugin (15692). The user needs
    the tag ``monitoring``."""

    kind: str = "rabbitmq"
    length: Threshold = Threshold(warn=1000)
    """Of one queue, in messages that wait."""
    api: Literal["management", "prometheus"] = "management"


def headline(values: Mapping[Series, float]) -> tuple[Figure, ...]:
    """See :func:`lilfox_tui.backends.tables.headline`."""
    return headline_of_queues(values)


def open_backend(_name: str, options: Options, host: Host | None) -> RabbitMq:
    """Return the backend for the broker, without connecting yet."""
    return RabbitMq(options, HttpProbe(options, host))


class _QueueRow(msgspec.Struct):
    name: str
    vhost: str
    messages_ready: int | None = None
    messages_unacknowledged: int | None = None
    consumers: int | None = None


class _NodeRow(msgspec.Struct):
    """A node; a number that it does not watch is a word, such as ``disk_free_monitoring_disabled``."""

    name: str
    running: bool = True
    mem_alarm: bool = False
    disk_free_alarm: bool = False

    mem_used: float | str | None = None
    mem_limit: float | str | None = None
    disk_free: float | str | None = None
    disk_free_limit: float | str | None = None
    fd_used: float | str | None = None
    fd_total: float | str | None = None
    uptime: float | None = None
    """In milliseconds."""


class _RateRow(msgspec.Struct, frozen=True):
    rate: float | None = None


class _MessageRow(msgspec.Struct, frozen=True):
    publish_details: _RateRow = _RateRow()
    deliver_get_details: _RateRow = _RateRow()


class _TotalRow(msgspec.Struct, frozen=True):
    connections: int | None = None
    channels: int | None = None


class _OverviewRow(msgspec.Struct):
    rabbitmq_version: str = ""
    cluster_name: str = ""
    object_totals: _TotalRow = _TotalRow()
    message_stats: _MessageRow = _MessageRow()


_NODE_COLUMNS = (
    "name,running,mem_alarm,disk_free_alarm,mem_used,mem_limit,disk_free,disk_free_limit,fd_used,fd_total,uptime"
)
_OVERVIEW_COLUMNS = (
    "rabbitmq_version,cluster_name,object_totals.connections,object_totals.channels,"
    "message_stats.publish_details.rate,message_stats.deliver_get_details.rate"
)


class RabbitMq:
    """See :class:`~lilfox_tui.backends.model.Backend`."""

    def __init__(self, options: Options, look: HttpProbe) -> None:
        self._options, self._look = options, look
        self._backlog = Backlog(options.length)
        self._path = path_of(options.url, "" if options.api == "management" else _PER_OBJECT)
        self._page = MetricsPage(look.where, _METRICS.__contains__)

    async def read(self) -> BackendReading:
        """See :meth:`Backend.read`."""
        if self._options.api == "prometheus":
            body = await self._look.get(self._path)
            return self._backlog.reading(queues_of(self._page.samples(body)))
        rows = await self._asked(f"queues?columns={_COLUMNS}", list[_QueueRow])
        nodes = await self._asked(f"nodes?columns={_NODE_COLUMNS}", list[_NodeRow])
        overview = await self._asked(f"overview?columns={_OVERVIEW_COLUMNS}", _OverviewRow)
        queues = [
            Queue(_shown(row.vhost, row.name), row.messages_ready, row.messages_unacknowledged, None, None,
                  row.consumers)
            for row in rows if row.messages_ready is not None  # a queue of the last seconds has no numbers yet
        ]  # fmt: skip
        facts = (
            BackendFact("version", tr("version"), overview.rabbitmq_version),
            BackendFact("cluster", tr("cluster"), overview.cluster_name),
            BackendFact("nodes", tr("nodes"), len(nodes), "count"),
            BackendFact("connections", tr("connections"), overview.object_totals.connections, "count"),
            BackendFact("channels", tr("channels"), overview.object_totals.channels, "count"),
            BackendFact("publish_s", tr("published/s"), overview.message_stats.publish_details.rate, "count"),
            BackendFact("deliver_s", tr("delivered/s"), overview.message_stats.deliver_get_details.rate, "count"),
        )
        reading = self._backlog.reading(queues, facts=facts, findings=tuple(_of_nodes(nodes)))
        return replace(reading, tables=(*reading.tables, _node_table(nodes)))

    async def close(self) -> None:
        """See :meth:`Backend.close`."""
        await self._look.close()

    async def _asked(self, what: str, shape: type[_Shape]) -> _Shape:
        body = await self._look.get(f"{self._path}/api/{what}")
        try:
            return msgspec.json.decode(body.content, type=shape)
        except msgspec.MsgspecError as error:
            raise BackendError(
                tr("{where}: not a RabbitMQ management API response: {reason}", where=self._look.where,
                   reason=str(error)),
                tr("Is this the management plug-in's port (15672)?"),
            ) from None  # fmt: skip


def _of_nodes(nodes: list[_NodeRow]) -> Iterator[Finding]:
    for node in nodes:
        if not node.running:
            yield Finding(Level.FAILING, tr("node {name} is not running", name=node.name))
        if node.mem_alarm:
            yield Finding(Level.FAILING, tr("node {name}: memory alarm, publishers are blocked", name=node.name))
        if node.disk_free_alarm:
            yield Finding(Level.FAILING, tr("node {name}: disk alarm, publishers are blocked", name=node.name))


def _node_table(nodes: list[_NodeRow]) -> Table:
    """Return the nodes with what they have of what raises alarms and refuses connections."""
    columns = (
        TableColumn("name", tr("node")), TableColumn("running", tr("running")),
        TableColumn("up_s", tr("uptime"), "seconds"), TableColumn("mem_used", tr("memory used"), "bytes"),
        TableColumn("mem_limit", tr("alarm from"), "bytes"), TableColumn("disk_free", tr("disk free"), "bytes"),
        TableColumn("disk_free_limit", tr("alarm below"), "bytes"), TableColumn("fd_used", tr("file handles"), "count"),
        TableColumn("fd_total", tr("at most"), "count"),
    )  # fmt: skip
    rows = tuple(
        (each.name, each.running, None if each.uptime is None else each.uptime / 1000,
         *(number if isinstance(number, float) else None for number in (
             each.mem_used, each.mem_limit, each.disk_free, each.disk_free_limit, each.fd_used, each.fd_total)))
        for each in nodes
    )  # fmt: skip
    return Table("nodes", tr("Nodes"), columns, rows)


def _shown(vhost: str, name: str) -> str:
    return name if vhost == "/" else f"{vhost}/{name}"


def queues_of(samples: list[Sample]) -> list[Queue]:
    """Return the queues found in per-object metrics."""
    found: dict[str, dict[str, int]] = {}
    for sample in samples:
        labels = dict(sample.labels)
        name = sample.name.removeprefix("rabbitmq_").removeprefix("detailed_")
        found.setdefault(_shown(labels.get("vhost", "/"), labels.get("queue", "")), {})[name] = int(sample.value)
    return [
        Queue(name, numbers[_READY], numbers.get(_UNACKED), None, None, numbers.get(_CONSUMERS))
        for name, numbers in found.items()
        if name and _READY in numbers
    ]
