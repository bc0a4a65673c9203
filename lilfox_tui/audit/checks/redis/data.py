"""Whether a Redis server keeps the tasks of its queues."""

from __future__ import annotations

from collections.abc import Iterator

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, NotKnown
from lilfox_tui.audit.targets.redis import (
    INFO,
    USE,
    RedisInfo,
    RedisSettings,
    RedisUse,
    parse_settings,
    primary,
    redis_settings,
)
from lilfox_tui.core.i18n import listed, tr
from lilfox_tui.core.text import human_bytes

_EXPIRING = frozenset({"arq"})
"""Kinds of queues whose tasks have a time to live, so that the policies for such keys evict them too."""

SAVING = Fact("saving", RedisSettings(("save",)), parse_settings)


def _queued(facts: Facts) -> tuple[RedisInfo, RedisUse]:
    """A primary with queues; raises Absent for others."""
    info, use = primary(facts), facts[USE]
    if not use.queues:
        raise Absent
    return info, use


def judge_eviction(facts: Facts) -> Iterator[AuditFinding]:
    """A policy that removes tasks when memory is short."""
    info, use = _queued(facts)
    policy, expiring = info.maxmemory_policy, sorted(_EXPIRING.intersection(use.queues))
    if not info.maxmemory or policy == "noeviction" or (policy.startswith("volatile-") and not expiring):
        return
    evidence = tr(
        "maxmemory-policy {policy}, maxmemory {limit}, used {used}, evicted_keys {count}; queues: {names}",
        policy=policy, limit=human_bytes(info.maxmemory), used=human_bytes(info.used_memory),
        count=info.evicted_keys, names=listed(use.queues),
    )  # fmt: skip
    text = tr(
        "Evict nothing: when memory is full, writes fail, and the application notices. If this server is a cache too, "
        "move the cache to a server of its own first."
    )
    yield AuditFinding("maxmemory-policy", evidence, redis_settings(info, text, {"maxmemory-policy": "noeviction"}))


def judge_persistence(facts: Facts) -> Iterator[AuditFinding]:
    """A server that writes nothing to disk."""
    info, use = _queued(facts)
    if info.aof_enabled:
        return
    saving = facts[SAVING]
    if "save" not in saving:
        raise NotKnown(tr("CONFIG GET {name} returns nothing", name="save"))
    if saving["save"]:
        return
    evidence = tr('appendonly no, save ""; queues: {names}', names=listed(use.queues))
    text = tr(
        "Turn on the append-only file while the server runs: a restart with only the line in the file would start "
        "empty. The file is complete when aof_rewrite_in_progress is 0."
    )
    yield AuditFinding("appendonly", evidence, redis_settings(info, text, {"appendonly": "yes"}, "INFO persistence"))


CHECKS = (
    AuditCheck(
        "redis-queue-evicted",
        AuditSeverity.HIGH,
        tr("Redis may evict tasks of a queue"),
        tr("When memory is full, Redis deletes waiting tasks without an error."),
        (INFO, USE),
        judge_eviction,
        "https://redis.io/docs/latest/develop/reference/eviction/",
    ),
    AuditCheck(
        "redis-queue-not-persistent",
        AuditSeverity.HIGH,
        tr("a queue is not persisted to disk"),
        tr("A restart or crash of Redis loses all waiting tasks."),
        (INFO, USE, SAVING),
        judge_persistence,
        "https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/",
    ),
)
