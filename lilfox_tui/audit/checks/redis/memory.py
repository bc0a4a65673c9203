"""Redis' memory: its limit, and how much of it is wasted."""

from __future__ import annotations

from collections.abc import Iterator

from lilfox_tui.audit.facts import Facts
from lilfox_tui.audit.fixes import redis_cli, redis_settings
from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fix
from lilfox_tui.audit.targets.redis import INFO, PERFORMANCE, USE, RedisInfo, RedisUse, primary
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import human_bytes, human_count

CACHE_KEYS = 1000
CACHE_PERCENT = 90
"""A server with so many keys, of which so many expire, is a cache."""
MUCH_PERCENT = 10
"""Of the host's memory."""
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
    settings = {"maxmemory": f"{max(share, 2 * info.used_memory_peak) >> 20}mb"}
    if reason is None or use.queues:
        text = tr("Set a limit that leaves memory for the rest of the host. When it is reached, writes are refused.")
    else:
        text = tr("Set a limit. When it is reached, the keys that were not used lately are evicted.")
        evicts = info.maxmemory_policy != "noeviction"
        settings["maxmemory-policy"] = info.maxmemory_policy if evicts else "volatile-lru"
    much = 100 * info.used_memory_peak >= MUCH_PERCENT * info.total_system_memory
    severity = None if reason is not None or much else AuditSeverity.MEDIUM
    yield AuditFinding("maxmemory", evidence, redis_settings(info, text, settings), severity)


def _cache(info: RedisInfo, use: RedisUse) -> Message | None:
    """Why the server is a cache; None if nothing says so."""
    if info.maxmemory_policy != "noeviction":
        return tr("without maxmemory the policy has no effect")
    if not use.queues and info.keys >= CACHE_KEYS and 100 * info.expires >= CACHE_PERCENT * info.keys:
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
        "Defragment while it runs. Builds that cannot, as those of Debian, only return free pages: if the ratio stays "
        "high, save the data and restart the server when its clients can do without it."
    )
    yield AuditFinding("memory", evidence, Fix(text, commands=commands))


CHECKS = (
    AuditCheck(
        "redis-no-maxmemory",
        AuditSeverity.HIGH,
        tr("Redis may take all memory of its host"),
        tr("A cache without a limit grows until the kernel kills it, or a database beside it."),
        (INFO, USE),
        judge_limit,
        "https://redis.io/docs/latest/develop/reference/eviction/",
        PERFORMANCE,
    ),
    AuditCheck(
        "redis-fragmentation",
        AuditSeverity.MEDIUM,
        tr("Redis' memory is fragmented"),
        tr("The server holds memory that no data use, and that nothing else gets."),
        (INFO,),
        judge_fragmentation,
        _REFERENCE,
        PERFORMANCE,
    ),
)
