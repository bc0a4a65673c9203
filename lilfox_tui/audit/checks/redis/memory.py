"""Redis' memory: its limit, and how much of it is wasted."""

from __future__ import annotations

from collections.abc import Iterator

from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Facts, Fix
from lilfox_tui.audit.targets.redis import (
    INFO,
    PERFORMANCE,
    USE,
    RedisInfo,
    RedisUse,
    primary,
    redis_cli,
    redis_settings,
)
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import human_bytes, human_count

CACHE_KEYS = 1000
CACHE_PERCENT = 90
"""A server with so many keys, of which so many expire, is a cache."""
MUCH_PERCENT = 10
"""Of the host's memory."""
LEAST_LIMIT = 64 << 20
FRAGMENTED_FROM_BYTES = 100 << 20
"""A small instance always looks fragmented."""
FRAGMENTED = 1.5
_REFERENCE = "https://redis.io/docs/latest/operate/oss_and_stack/management/optimization/memory-optimization/"


def judge_limit(facts: Facts) -> Iterator[AuditFinding]:
    """A cache, or a server on a shared host, that may take all memory."""
    info, use = primary(facts), facts[USE]
    if info.maxmemory:
        return
    reason = _cache(info, use)
    if reason is None and not use.neighbours:
        return
    evidence = tr(
        "maxmemory 0, maxmemory-policy {policy}; used {used}, peak {peak}, memory of the host {memory}; {reason}",
        policy=info.maxmemory_policy, used=human_bytes(info.used_memory), peak=human_bytes(info.used_memory_peak),
        memory=human_bytes(info.total_system_memory),
        reason=reason or tr("on the same host: {names}", names=listed(use.neighbours)),
    )  # fmt: skip
    share = info.total_system_memory // (4 if use.neighbours else 2)
    settings = {"maxmemory": f"{max(share, 2 * info.used_memory_peak, LEAST_LIMIT) >> 20}mb"}
    if reason is None or use.queues:
        text = tr("Set a limit that leaves memory for the rest of the host. At the limit, writes are refused.")
    else:
        text = tr("Set a limit. At the limit, keys are evicted by the policy.")
        evicts = info.maxmemory_policy != "noeviction"
        settings["maxmemory-policy"] = info.maxmemory_policy if evicts else "volatile-lru"
    much = 100 * info.used_memory_peak >= MUCH_PERCENT * info.total_system_memory
    severity = None if reason is not None or much else AuditSeverity.MEDIUM
    yield AuditFinding("maxmemory", evidence, redis_settings(info, text, settings), severity)


def expires(info: RedisInfo) -> bool:
    """Whether a server holds hardly anything but keys that expire."""
    return info.keys >= CACHE_KEYS and 100 * info.expires >= CACHE_PERCENT * info.keys


def _cache(info: RedisInfo, use: RedisUse) -> Message | None:
    """Why the server is a cache; None if nothing says so."""
    if info.maxmemory_policy != "noeviction":
        return tr("the policy has no effect without maxmemory")
    if not use.queues and expires(info):
        return tr("{count} of {keys} keys expire", count=human_count(info.expires), keys=human_count(info.keys))
    return None


def judge_fragmentation(facts: Facts) -> Iterator[AuditFinding]:
    """A server that holds much more memory than its data need."""
    info = facts[INFO]
    if info.used_memory < FRAGMENTED_FROM_BYTES or info.mem_fragmentation_ratio <= FRAGMENTED:
        return
    evidence = tr(
        "mem_fragmentation_ratio {ratio}: resident {resident}, used {used}, peak {peak}",
        ratio=f"{info.mem_fragmentation_ratio:.2f}",
        resident=human_bytes(info.mem_fragmentation_ratio * info.used_memory), used=human_bytes(info.used_memory),
        peak=human_bytes(info.used_memory_peak),
    )  # fmt: skip
    commands = (
        f"{redis_cli(info, '-e CONFIG SET activedefrag yes')} || {redis_cli(info, 'MEMORY PURGE')}",
        redis_cli(info, "INFO memory"),
    )
    text = tr(
        "Turn on active defragmentation. Builds without it, such as Debian's, can only release free pages: if the "
        "ratio stays high, save the data and restart the server in a maintenance window."
    )
    yield AuditFinding("memory", evidence, Fix(text, commands=commands))


CHECKS = (
    AuditCheck(
        "redis-no-maxmemory",
        AuditSeverity.HIGH,
        tr("Redis has no memory limit"),
        tr("It grows until the kernel kills it, or another process on the same host."),
        (INFO, USE),
        judge_limit,
        "https://redis.io/docs/latest/develop/reference/eviction/",
        PERFORMANCE,
    ),
    AuditCheck(
        "redis-fragmentation",
        AuditSeverity.MEDIUM,
        tr("the memory of Redis is fragmented"),
        tr("The process holds memory that its data do not use and that the host cannot reclaim."),
        (INFO,),
        judge_fragmentation,
        _REFERENCE,
        PERFORMANCE,
    ),
)
