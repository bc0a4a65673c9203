"""What makes a Redis server slow: misses, evictions, large keys, slow commands, and what stops it."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct, convert

from lilfox_tui.audit.checks.redis.memory import expires
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.hosts import HostQuestion, Printed
from lilfox_tui.audit.targets.redis import (
    INFO,
    PERFORMANCE,
    USE,
    KeySample,
    RedisInfo,
    RedisSettings,
    SampleKeys,
    parse_settings,
    redis_cli,
    redis_settings,
)
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import human_bytes, human_count, human_duration

HIT_PERCENT = 80
ENOUGH_LOOKUPS = 100_000
ENOUGH_EVICTIONS = 10_000
HITS_PER_EVICTION = 10
SLOW_US = 50_000
VERY_SLOW_US = 500_000
SLOW_TIMES = 3
DAY_S = 86400
FORK_US = 500_000
SPIKE_MS = 500
_ENTRIES = 128
_OF_COMMANDS = frozenset({"command", "fast-command"})
"""Events of the latency monitor that the slow log has too."""
_KEYED_WORDS = (
    "append decr decrby del expire get getdel getex getrange getset hdel hget hgetall hincrby hkeys hlen hmget "
    "hmset hscan hset hvals incr incrby lindex linsert llen lpop lpush lrange lrem lset ltrim mget mset pexpire "
    "psetex rpop rpush sadd scard sdiff set setex setnx setrange sinter sismember smembers sort spop srandmember "
    "srem sscan strlen sunion type unlink xadd xlen xrange xtrim zadd zcard zcount zincrby zrange zrangebyscore "
    "zrank zrem zremrangebyscore zrevrange zscan zscore"
)
_KEYED = frozenset(_KEYED_WORDS.split(" "))
"""Commands whose first word after the name is a key. Of all others only the name is told."""
_WITH_SUBCOMMAND = frozenset({"acl", "client", "config", "debug", "memory", "module", "object", "script", "xgroup"})
_OF_PEOPLE = frozenset({"bgsave", "bgrewriteaof", "config", "debug", "flushall", "flushdb", "info", "memory", "module",
                        "monitor", "replicaof", "save", "shutdown", "slaveof", "slowlog"})  # fmt: skip
_BETTER = {
    "keys": tr("Iterate with SCAN, or keep an index of the keys in a set."),
    "del": tr("Delete large keys with UNLINK, which frees them in the background."),
    "eval": tr("Let the script do less in one call."),
    "evalsha": tr("Let the script do less in one call."),
    "fcall": tr("Let the function do less in one call."),
    "sort": tr("Keep a sorted set, or sort in the application."),
}
_LESS = tr("Read less at once (HSCAN, SSCAN, ZSCAN, ranges), or split the key.")
_VARIES = re.compile(r"[0-9A-Fa-f]{8,}|[0-9]+")
_LONG_WORD = re.compile(r"[A-Za-z0-9_+/=-]{20,}")
_THP = HostQuestion("exec cat /sys/kernel/mm/transparent_hugepage/enabled")


class SlowCommand(Struct, frozen=True):
    """An entry of the slow log: when, how long, and the command's name with the pattern of its first key. Nothing else
    of it is kept."""

    at: int
    us: int
    name: str
    key: str

    @property
    def shown(self) -> str:
        """The name and the key."""
        return f"{self.name.upper()} {self.key}".rstrip()


class LatencyEvent(Struct, frozen=True):
    """What the latency monitor last saw of one kind of event."""

    name: str
    at: int
    latest_ms: int
    max_ms: int


def key_pattern(name: str) -> str:
    """A key without what varies in it or may be a secret: numbers, identifiers, tokens."""
    shown = "".join(character if character.isprintable() else "*" for character in name)
    words = (_LONG_WORD.sub("*", word) if _varies(word) else word for word in re.split(r"([:.|,{} ])", shown))
    return re.sub(r"\*{2,}", "*", _VARIES.sub("*", "".join(words)))[:80]


def _varies(word: str) -> bool:
    return any(character.isdigit() for character in word) or word.lower() != word


def parse_slow(reply: list[Any]) -> list[SlowCommand]:
    """The entries, without the arguments of their commands."""
    found = []
    for _id, at, us, words, *_client in reply:
        name = words[0].lower()
        if not name:
            raise ValueError(words)
        if name in _WITH_SUBCOMMAND and len(words) > 1 and words[1].isalpha():
            shown, key = f"{name} {words[1].lower()}", ""
        else:
            shown, key = name, key_pattern(words[1]) if name in _KEYED and len(words) > 1 else ""
        found.append(SlowCommand(convert(at, int), convert(us, int), shown, key))
    return found


def parse_slow_limit(reply: Mapping[str, str]) -> float:
    """From how many microseconds on the slow log has a command; infinite if it is off."""
    limit = int(reply["slowlog-log-slower-than"])
    return math.inf if limit < 0 or int(reply["slowlog-max-len"]) == 0 else limit


def parse_events(reply: list[Any]) -> list[LatencyEvent]:
    """The events; since version 8.1 more numbers follow."""
    return [LatencyEvent(*convert(each[:4], tuple[str, int, int, int])) for each in reply]


def parse_thp(printed: Printed) -> bool:
    """Whether the kernel uses huge pages for every process."""
    (line,) = printed.lines()
    if "[" not in line:
        raise ValueError(line)
    return "[always]" in line


SAMPLE: Fact[KeySample] = Fact("key-sample", SampleKeys(), lambda answer: convert(answer, KeySample))
SLOW = Fact("slow-log", ("SLOWLOG", "GET", str(_ENTRIES)), parse_slow)
SLOW_LIMIT = Fact("slow-log-limit", RedisSettings(("slowlog-log-slower-than", "slowlog-max-len")), parse_slow_limit)
NOW = Fact("now", ("TIME",), lambda reply: int(reply[0]))
EVENTS = Fact("latency-events", ("LATENCY", "LATEST"), parse_events)
OWN_THP = Fact("disable-thp", RedisSettings(("disable-thp",)), parse_settings)
HOST_THP = Fact("huge-pages", _THP, parse_thp)


def _larger(info: RedisInfo) -> Mapping[str, str]:
    return {"maxmemory": f"{2 * info.maxmemory >> 20 or 1}mb"}


def judge_hits(facts: Facts) -> Iterator[AuditFinding]:
    """A cache that seldom has what it is asked for."""
    info, use = facts[INFO], facts[USE]
    lookups = info.keyspace_hits + info.keyspace_misses
    if use.queues or (info.maxmemory_policy == "noeviction" and not expires(info)):
        raise Absent  # workers look for tasks, and locks for other locks, that are seldom there
    if lookups < ENOUGH_LOOKUPS or 100 * info.keyspace_hits >= HIT_PERCENT * lookups:
        return
    evidence = tr(
        "{percent}% of {lookups} lookups were hits since the start ({time}); evicted keys {evicted}",
        percent=100 * info.keyspace_hits // lookups, lookups=human_count(lookups),
        time=human_duration(info.uptime_in_seconds), evicted=human_count(info.evicted_keys),
    )  # fmt: skip
    if info.maxmemory and info.evicted_keys * HITS_PER_EVICTION > info.keyspace_misses:
        text = tr("Keys are evicted before they are used again: give the cache more memory, then reset the statistics.")
        fix = redis_settings(info, text, _larger(info), "CONFIG RESETSTAT")
    else:
        text = tr("Raise the TTLs, and cache empty results too. Then reset the statistics.")
        fix = Fix(text, commands=(redis_cli(info, "CONFIG RESETSTAT"),))
    yield AuditFinding("hit rate", evidence, fix)


def judge_evictions(facts: Facts) -> Iterator[AuditFinding]:
    """Memory that does not suffice: writes are refused, or keys go before they were of use."""
    info = facts[INFO]
    if info.refused_writes:
        evidence = tr(
            "errorstat_OOM {count} since the start: used {used} of maxmemory {limit}, maxmemory-policy {policy}",
            count=human_count(info.refused_writes), used=human_bytes(info.used_memory),
            limit=human_bytes(info.maxmemory), policy=info.maxmemory_policy,
        )  # fmt: skip
        text = tr("Raise the limit if the host has the memory, or find what grows. Then reset the statistics.")
        fix = redis_settings(info, text, _larger(info), "CONFIG RESETSTAT")
        yield AuditFinding("refused writes", evidence, fix, AuditSeverity.HIGH)
    if info.evicted_keys >= ENOUGH_EVICTIONS and info.evicted_keys * HITS_PER_EVICTION > info.keyspace_hits:
        evidence = tr(
            "evicted keys {evicted}, hits {hits} since the start ({time}); maxmemory {limit}, policy {policy}",
            evicted=human_count(info.evicted_keys), hits=human_count(info.keyspace_hits),
            time=human_duration(info.uptime_in_seconds), limit=human_bytes(info.maxmemory),
            policy=info.maxmemory_policy,
        )  # fmt: skip
        text = tr("Give the cache more memory, or cache only what is requested again. Then reset the statistics.")
        yield AuditFinding("evicted keys", evidence, redis_settings(info, text, _larger(info), "CONFIG RESETSTAT"))


def judge_large(facts: Facts) -> Iterator[AuditFinding]:
    """Keys above 10 MiB in a sample, by the pattern of their names."""
    info, sample = facts[INFO], facts[SAMPLE]
    groups = defaultdict(list)
    for each in sample.large:
        groups[f"db{each.db} {key_pattern(each.name)}", each.kind].append(each.bytes)
    for (name, kind), sizes in groups.items():
        evidence = tr(
            "{name}: {kind}, {size} the largest, {count} such keys among {sampled} of {keys}",
            name=name, kind=kind, size=human_bytes(max(sizes)), count=len(sizes), sampled=sample.sampled,
            keys=human_count(sample.keys),
        )  # fmt: skip
        text = tr("Find the largest, split it or let it expire, and delete it with UNLINK.")
        db = name.split(" ")[0].removeprefix("db")
        fix = Fix(text, commands=(redis_cli(info, f"-n {db} --memkeys -i 0.01"),))
        yield AuditFinding(name, evidence, fix)


def judge_slow(facts: Facts) -> Iterator[AuditFinding]:
    """Commands that stopped the server for all clients on the last day."""
    info, now = facts[INFO], facts[NOW]
    groups = defaultdict(list)
    for each in facts[SLOW]:
        if each.us >= SLOW_US and now - each.at <= DAY_S and each.name.split()[0] not in _OF_PEOPLE:
            groups[each.shown].append(each)
    for shown, entries in groups.items():
        slowest = max(each.us for each in entries)
        if len(entries) < SLOW_TIMES and slowest < VERY_SLOW_US:
            continue
        evidence = tr(
            "slow log: {command} {count} times within a day, {time} the slowest",
            command=shown, count=len(entries), time=_milliseconds(slowest),
        )  # fmt: skip
        text = tr("{advice} Then reset the slow log.", advice=_BETTER.get(entries[0].name, _LESS))
        yield AuditFinding(shown, evidence, Fix(text, commands=(redis_cli(info, "SLOWLOG RESET"),)))
    if facts[SLOW_LIMIT] > SLOW_US:
        command = "CONFIG SET slowlog-log-slower-than 10000, slowlog-max-len 128"
        raise NotKnown(tr("the slow log is off or its threshold is too high: {command}", command=command))


def _milliseconds(us: int) -> str:
    return f"{us / 1000:.0f} ms"


def judge_latency(facts: Facts) -> Iterator[AuditFinding]:
    """Forks that take long, and what the latency monitor saw on the last day where it is on."""
    info, now = facts[INFO], facts[NOW]
    if info.latest_fork_usec >= FORK_US:
        evidence = tr(
            "latest_fork_usec {time}, used memory {used}",
            time=_milliseconds(info.latest_fork_usec), used=human_bytes(info.used_memory),
        )  # fmt: skip
        text = tr(
            "Split the data over several servers, persist on a replica only, and turn off transparent huge pages. "
            "Then reset the statistics."
        )
        yield AuditFinding("fork", evidence, Fix(text, commands=(redis_cli(info, "CONFIG RESETSTAT"),)))
    forks = {"fork"} if info.latest_fork_usec >= FORK_US else set()
    for each in facts[EVENTS]:
        if each.name in _OF_COMMANDS | forks or each.max_ms < SPIKE_MS or now - each.at > DAY_S:
            continue
        evidence = tr(
            "latency monitor: {event} {max} ms at most, {latest} ms the last time",
            event=each.name, max=each.max_ms, latest=each.latest_ms,
        )  # fmt: skip
        commands = (redis_cli(info, "LATENCY DOCTOR"), redis_cli(info, f"LATENCY RESET {each.name}"))
        yield AuditFinding(
            each.name,
            evidence,
            Fix(tr("Follow the advice of LATENCY DOCTOR, then reset the event."), commands=commands),
        )


def judge_huge_pages(facts: Facts) -> Iterator[AuditFinding]:
    """Huge pages that the kernel gives to every process, and that Redis takes."""
    info = facts[INFO]
    if not _always(facts):
        return
    own = facts[OWN_THP]
    if own.get("disable-thp") == "yes" or not facts[HOST_THP]:
        return
    evidence = tr(
        "/sys/kernel/mm/transparent_hugepage/enabled: [always], disable-thp {own}", own=own.get("disable-thp", "-")
    )
    if "disable-thp" in own:
        text = tr("Let Redis turn them off for its process, which requires a restart.")
        restart = ("systemctl restart redis-server",)
        yield AuditFinding("huge pages", evidence, Fix(text, info.config_file, ("disable-thp yes",), restart))
    else:
        text = tr("Allow them only for processes that request them (madvise), and restart Redis.")
        place = "/sys/kernel/mm/transparent_hugepage/enabled"
        commands = (f"echo madvise >{place}", "systemctl restart redis-server")
        kept = (f"w {place} - - - - madvise",)
        yield AuditFinding("huge pages", evidence, Fix(text, "/etc/tmpfiles.d/huge-pages.conf", kept, commands))


def _always(facts: Facts) -> bool:
    """Whether the kernel gives them to every process, or that is not known."""
    try:
        return facts[HOST_THP]
    except NotKnown:
        return True


def _check(name: str, title: Any, why: Any, facts: Sequence[Fact[Any]], judge: Any, page: str) -> AuditCheck:
    address = f"https://redis.io/docs/latest/{page}"
    return AuditCheck(f"redis-{name}", AuditSeverity.MEDIUM, title, why, tuple(facts), judge, address, PERFORMANCE)


_LATENCY_PAGE = "operate/oss_and_stack/management/optimization/latency/"

CHECKS = (
    _check(
        "hit-rate",
        tr("the cache hit rate is low"),
        tr("Each miss costs a lookup in the cache on top of the query to the database."),
        (INFO, USE),
        judge_hits,
        "commands/info/",
    ),
    _check(
        "evictions",
        tr("Redis has too little memory for its workload"),
        tr("Keys are evicted before they are used again, or writes are refused."),
        (INFO,),
        judge_evictions,
        "develop/reference/eviction/",
    ),
    _check(
        "big-keys",
        tr("keys are very large"),
        tr("Redis runs one command at a time: all clients wait while a large key is read, written or deleted."),
        (INFO, SAMPLE),
        judge_large,
        "develop/tools/cli/#scan-for-big-keys-and-memory-usage",
    ),
    _check(
        "slow-commands",
        tr("slow commands block all clients of Redis"),
        tr("Redis runs one command at a time, and all others wait."),
        (INFO, SLOW, SLOW_LIMIT, NOW),
        judge_slow,
        "commands/slowlog-get/",
    ),
    _check(
        "latency",
        tr("Redis has latency spikes"),
        tr("A slow fork or a slow disk blocks all clients for as long as it takes."),
        (INFO, EVENTS, NOW),
        judge_latency,
        _LATENCY_PAGE,
    ),
    _check(
        "huge-pages",
        tr("Redis uses transparent huge pages"),
        tr("After a fork, each write copies a page of 2 MiB, which costs time and memory."),
        (INFO, OWN_THP, HOST_THP),
        judge_huge_pages,
        f"{_LATENCY_PAGE}#latency-induced-by-transparent-huge-pages",
    ),
)
