"""Redis and compatible servers (Valkey, KeyDB): INFO, and what changed between two reads."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from lilfox_tui.backends.model import (
    BackendChart,
    BackendCurve,
    BackendFact,
    BackendReading,
    CounterDeltas,
    Figure,
    Finding,
    Table,
    TableColumn,
    above,
    share_percent,
    whole_or_tenths,
    worst_first,
)
from lilfox_tui.backends.redis_transport import RedisOptions, RedisTransport
from lilfox_tui.config.model import Threshold
from lilfox_tui.core.i18n import Message, ntr, tr
from lilfox_tui.core.text import human_bytes, human_count
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.model import Level, Series

FRAGMENTED_FROM_BYTES = 100 * 1024.0**2
"""A small instance always looks fragmented."""
MOST_COMMANDS = 15


class Options(RedisOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The user needs permission to run INFO."""

    kind: str = "redis"
    memory_percent: Threshold = Threshold(warn=85, fail=95)
    """Of ``maxmemory``, where the server has one and evicts nothing."""
    clients_percent: Threshold = Threshold(warn=80, fail=95)
    fragmentation: Threshold = Threshold(warn=1.8)
    """``mem_fragmentation_ratio``, from 100 MiB on."""


Info = Mapping[str, Any]
"""Fields of INFO by name, those with parts as mappings (redis.io/docs/latest/commands/info); values are untrusted."""

TREND: Series | None = Series("redis_operations_per_second")
_HIT = Series("redis_hit_percent")
_MEMORY = Series("redis_used_memory_bytes")
_MAX_MEMORY = Series("redis_max_memory_bytes")
_CLIENTS = Series("redis_connected_clients")

CHARTS: tuple[BackendChart, ...] = (
    BackendChart(
        tr("Operations per second"),
        (BackendCurve(Series("redis_operations_per_second"), tr("operations")),),
    ),
    BackendChart(tr("Memory"), (BackendCurve(_MEMORY, tr("used")),), "bytes", limit=_MAX_MEMORY),
    BackendChart(tr("Hit rate"), (BackendCurve(_HIT, tr("hits")),), "percent"),
    BackendChart(
        tr("Clients"),
        (BackendCurve(_CLIENTS, tr("connected")), BackendCurve(Series("redis_blocked_clients"), tr("blocked"))),
        limit=Series("redis_max_clients"),
    ),
    BackendChart(
        tr("Keys removed per second"),
        (
            BackendCurve(Series("redis_evicted_keys_total"), tr("evicted"), per_second=True, quiet=tr("evicted keys")),
            BackendCurve(Series("redis_expired_keys_total"), tr("expired"), per_second=True, quiet=tr("expired keys")),
        ),
    ),
)


def headline(values: Mapping[Series, float]) -> tuple[Figure, ...]:
    """Return the figures of the summary line, such as ``hit 97.2%``, ``1.1G``, ``18 clients`` and ``412/s``."""
    figures = []
    if (hit := values.get(_HIT)) is not None:
        figures.append(Figure(tr("hit {percent}%", percent=whole_or_tenths(hit))))
    if (used := values.get(_MEMORY)) is not None:
        most = values.get(_MAX_MEMORY)
        of = f"/{human_bytes(most)}" if most else ""
        figures.append(Figure(tr("{size}", size=human_bytes(used) + of)))
    if (clients := values.get(_CLIENTS)) is not None:
        told = ntr("{shown} client", "{shown} clients", round(clients), shown=human_count(round(clients)))
        figures.append(Figure(told))
    if TREND is not None and (rate := values.get(TREND)) is not None:
        figures.append(Figure(tr("{count}/s", count=human_count(round(rate)))))
    return tuple(figures)


def open_backend(_name: str, options: Options, host: Host | None) -> RedisServer:
    """Return the backend for the server, without connecting yet."""
    return RedisServer(options, RedisTransport(options, host))


class RedisServer:
    """See :class:`~lilfox_tui.backends.model.Backend`."""

    def __init__(self, options: Options, transport: RedisTransport) -> None:
        self._options, self._transport = options, transport
        self._rises = CounterDeltas()
        self._read_at: float | None = None

    async def read(self) -> BackendReading:
        """See :meth:`Backend.read`."""
        at = datetime.now(UTC)
        info = await self._transport.ask(lambda client: client.info("all"))
        rises = self._rises.take(dict(_counted(info)))
        before, self._read_at = self._read_at, time.monotonic()
        passed_s = None if before is None else self._read_at - before
        values = dict(_values(info, rises))
        return BackendReading(
            at=at,
            values=values,
            findings=worst_first(self._findings(info, rises)),
            facts=tuple(_facts(info, values)),
            tables=tuple(_tables(info, rises, passed_s)),
            checked=tuple(_checked(info)),
        )

    async def close(self) -> None:
        """See :meth:`Backend.close`."""
        await self._transport.close()

    def _findings(self, info: Info, rises: Mapping[str, float]) -> Iterator[Finding]:
        options = self._options
        used, most = _number(info, "used_memory"), _number(info, "maxmemory")
        if used is not None and most and info.get("maxmemory_policy") == "noeviction":
            text = tr("memory {used} of {most} with noeviction: writes fail when it is full",
                      used=human_bytes(used), most=human_bytes(most))  # fmt: skip
            yield from above(100 * used / most, options.memory_percent, text)
        clients, limit = _number(info, "connected_clients"), _number(info, "maxclients")
        if clients is not None and limit:
            text = tr("{used:.0f} of {most:.0f} connections are in use", used=clients, most=limit)
            yield from above(100 * clients / limit, options.clients_percent, text)
        if (used or 0) >= FRAGMENTED_FROM_BYTES:
            ratio = _number(info, "mem_fragmentation_ratio")
            text = tr("memory is fragmented: RSS is {ratio:.2f} times the memory used", ratio=ratio)
            yield from above(ratio, options.fragmentation, text)
        if rises.get("rejected_connections", 0) > 0:
            yield Finding(Level.FAILING, tr("connections rejected: {count:.0f} since the last poll",
                                            count=rises["rejected_connections"]))  # fmt: skip
        yield from _of_persistence(info)


def _checked(info: Info) -> Iterator[Message]:
    """Yield what was looked at for findings."""
    if _number(info, "maxmemory") and info.get("maxmemory_policy") == "noeviction":
        yield tr("memory")
    yield tr("connections")
    yield tr("rejected connections")
    yield tr("persistence")
    if info.get("role") == "slave":
        yield tr("replication")


def _of_persistence(info: Info) -> Iterator[Finding]:
    if info.get("loading") == 1:
        yield Finding(Level.DEGRADED, tr("still loading its data from disk"))
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        yield Finding(Level.FAILING, tr("the last save to disk (RDB) failed: see the server's log"))
    if info.get("aof_enabled") == 1 and info.get("aof_last_write_status", "ok") != "ok":
        yield Finding(Level.FAILING, tr("the last write to the append-only file failed: see the server's log"))
    if info.get("role") == "slave" and info.get("master_link_status") == "down":
        yield Finding(Level.FAILING, tr("this replica has lost the connection to its master {master}:{port}",
                                        master=info.get("master_host"), port=info.get("master_port")))  # fmt: skip


_COUNTERS = {
    "keyspace_hits": "redis_keyspace_hits_total",
    "keyspace_misses": "redis_keyspace_misses_total",
    "evicted_keys": "redis_evicted_keys_total",
    "expired_keys": "redis_expired_keys_total",
    "rejected_connections": "redis_rejected_connections_total",
}
_GAUGES = {
    "connected_clients": "redis_connected_clients",
    "maxclients": "redis_max_clients",
    "blocked_clients": "redis_blocked_clients",
    "used_memory": "redis_used_memory_bytes",
    "maxmemory": "redis_max_memory_bytes",
    "mem_fragmentation_ratio": "redis_memory_fragmentation_ratio",
    "instantaneous_ops_per_sec": "redis_operations_per_second",
    "connected_slaves": "redis_connected_replicas",
    "rdb_changes_since_last_save": "redis_changes_since_last_save",
}


def _commands(info: Info) -> dict[str, Info]:
    """Return the statistics of each command."""
    return {
        name.removeprefix("cmdstat_"): parts
        for name, parts in info.items()
        if name.startswith("cmdstat_") and isinstance(parts, dict)
    }


def _counted(info: Info) -> Iterator[tuple[str, float]]:
    """Yield the counters whose increase is told, those of commands as ``calls get``."""
    for name in _COUNTERS:
        if (number := _number(info, name)) is not None:
            yield name, number
    for command, parts in _commands(info).items():
        if (number := _number(parts, "calls")) is not None:
            yield f"calls {command}", number


def _number(info: Info, name: str) -> float | None:
    value = info.get(name)
    return float(value) if isinstance(value, int | float) else None


def _text(info: Info, name: str) -> str | None:
    return None if name not in info else str(info[name])


def _values(info: Info, rises: Mapping[str, float]) -> Iterator[tuple[Series, float]]:
    for field, name in (_COUNTERS | _GAUGES).items():
        if (number := _number(info, field)) is not None:
            yield Series(name), number
    hit = share_percent(rises.get("keyspace_hits"), rises.get("keyspace_misses"))
    if hit is not None:
        yield _HIT, hit


def _facts(info: Info, values: Mapping[Series, float]) -> Iterator[BackendFact]:
    most = _number(info, "maxmemory")
    yield BackendFact("version", tr("version"), _text(info, "redis_version"))
    yield BackendFact("role", tr("role"), _text(info, "role"))
    yield BackendFact("up_s", tr("uptime"), _number(info, "uptime_in_seconds"), "seconds")
    yield BackendFact("hit_percent", tr("hit rate since the last poll"), values.get(_HIT), "percent")
    yield BackendFact("keyspace_hits", tr("hits"), _number(info, "keyspace_hits"), "count")
    yield BackendFact("keyspace_misses", tr("misses"), _number(info, "keyspace_misses"), "count")
    yield BackendFact("connected_clients", tr("clients"), _number(info, "connected_clients"), "count")
    yield BackendFact("blocked_clients", tr("blocked clients"), _number(info, "blocked_clients"), "count")
    yield BackendFact(
        "rejected_connections", tr("rejected connections"), _number(info, "rejected_connections"), "count"
    )
    yield BackendFact("used_memory", tr("memory used"), _number(info, "used_memory"), "bytes")
    yield BackendFact("maxmemory", tr("max memory"), tr("no limit") if most == 0 else most, "bytes")
    yield BackendFact("maxmemory_policy", tr("eviction policy"), _text(info, "maxmemory_policy"))
    yield BackendFact("mem_fragmentation_ratio", tr("fragmentation"), _text(info, "mem_fragmentation_ratio"))
    yield BackendFact("evicted_keys", tr("evicted keys"), _number(info, "evicted_keys"), "count")
    yield BackendFact("expired_keys", tr("expired keys"), _number(info, "expired_keys"), "count")
    yield BackendFact("connected_slaves", tr("replicas"), _number(info, "connected_slaves"), "count")
    yield BackendFact("master_repl_offset", tr("replication offset"), _text(info, "master_repl_offset"))
    yield BackendFact("rdb_last_bgsave_status", tr("last save"), _text(info, "rdb_last_bgsave_status"))
    yield BackendFact(
        "rdb_changes_since_last_save", tr("changes since last save"), _text(info, "rdb_changes_since_last_save")
    )
    yield BackendFact(
        "aof_enabled", tr("append-only file"), {0: tr("off"), 1: tr("on")}.get(info.get("aof_enabled", -1))
    )


def _tables(info: Info, rises: Mapping[str, float], passed_s: float | None) -> Iterator[Table]:
    """Yield the tables: the commands, most called first, the errors, and the contents of each database. ``rises`` are
    of the ``passed_s`` since the last read."""
    yield _command_table(info, rises, passed_s)
    errors = {
        name.removeprefix("errorstat_"): _number(parts, "count")
        for name, parts in info.items()
        if name.startswith("errorstat_") and isinstance(parts, dict)
    }
    columns = (TableColumn("error", tr("error")), TableColumn("count", tr("count"), "count"))
    yield Table("errors", tr("Errors since the start"), columns, tuple(
        sorted(errors.items(), key=lambda each: -(each[1] or 0))[:MOST_COMMANDS]
    ))  # fmt: skip
    columns_of_db = (TableColumn("db", tr("database")), TableColumn("keys", tr("keys"), "count"),
                     TableColumn("expires", tr("with expiry"), "count"))  # fmt: skip
    spaces = {name: parts for name, parts in info.items()
              if name.startswith("db") and name[2:].isdigit() and isinstance(parts, dict)}  # fmt: skip
    yield Table("keyspace", tr("Databases"), columns_of_db, tuple(
        (name, _number(space, "keys"), _number(space, "expires")) for name, space in spaces.items()
    ))  # fmt: skip


def _command_table(info: Info, rises: Mapping[str, float], passed_s: float | None) -> Table:
    """Return what each command costs: how often it is called now, and since the start its share of the time."""
    calls = _commands(info)
    columns = (
        TableColumn("command", tr("command")), TableColumn("share_percent", tr("share of time"), "percent"),
        TableColumn("calls_s", tr("calls/s"), "count"), TableColumn("mean_s", tr("mean"), "seconds"),
        TableColumn("p50_s", tr("p50"), "seconds"), TableColumn("p99_s", tr("p99"), "seconds"),
        TableColumn("p999_s", tr("p99.9"), "seconds"), TableColumn("failed", tr("failed"), "count"),
        TableColumn("calls", tr("calls"), "count"),
    )  # fmt: skip
    rows = []
    whole = sum(_number(stats, "usec") or 0 for stats in calls.values())
    for command, stats in sorted(calls.items(), key=lambda each: -(_number(each[1], "calls") or 0))[:MOST_COMMANDS]:
        times = info.get(f"latency_percentiles_usec_{command}", {})
        micro = [_number(stats, "usec_per_call"), *(_number(times, name) for name in ("p50", "p99", "p99.9"))]
        spent, rise = _number(stats, "usec"), rises.get(f"calls {command}")
        share = None if spent is None or not whole else 100 * spent / whole
        rate = None if rise is None or not passed_s else rise / passed_s
        refused = [_number(stats, name) for name in ("failed_calls", "rejected_calls")]
        failed = sum(each or 0 for each in refused) if any(each is not None for each in refused) else None
        seconds = [None if each is None else each / 1e6 for each in micro]
        rows.append((command, share, rate, *seconds, failed, _number(stats, "calls")))
    return Table("commands", tr("Commands"), columns, tuple(rows))
