"""The checks of Redis, and of passwords in PostgreSQL, on answers that were captured once, and on what no test can make
a server answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from lilfox_tui.audit.catalogue import chosen, groups
from lilfox_tui.audit.checks.redis.access import parse_clients, parse_users
from lilfox_tui.audit.checks.redis.load import key_pattern, parse_slow
from lilfox_tui.audit.model import AuditCheck, AuditSeverity, Found, NotChecked, NotKnown, Target
from lilfox_tui.audit.run import judged, use_of
from lilfox_tui.audit.targets.hosts import Printed
from lilfox_tui.audit.targets.redis import AskUse, KeySample, LargeKey, RedisUse
from lilfox_tui.backends.kinds import celery, postgresql, redis
from lilfox_tui.config.model import Config, HostConfig, ServiceConfig

CHECKS = {check.id: check for check in groups()["redis"]}
INFO = {
    "redis_version": "8.0.2", "role": "master", "config_file": "/etc/redis/redis.conf", "tcp_port": 6379,
    "uptime_in_seconds": 864000, "used_memory": 200 << 20, "used_memory_peak": 210 << 20,
    "total_system_memory": 16 << 30, "maxmemory": 1 << 30, "maxmemory_policy": "allkeys-lru",
    "mem_fragmentation_ratio": 1.1, "keyspace_hits": 900_000, "keyspace_misses": 100_000, "evicted_keys": 0,
    "latest_fork_usec": 2000, "aof_enabled": 0, "db0": {"keys": 50, "expires": 5, "avg_ttl": 0},
}  # fmt: skip
USE = RedisUse("")


def judge(check: str, **answers: Any) -> list[Any]:
    """The outcomes of a check on a usual server, of which ``info`` and the answers differ."""
    given = {"info": {**INFO, **answers.pop("info", {})}, "use": USE, "now": [1_800_000_000, 5]}
    given |= {name.replace("_", "-"): value for name, value in answers.items()}
    return list(judged(Target("backend", "cache"), [CHECKS[check]], given))


def outcomes(check: str, **answers: Any) -> list[str]:
    """Subjects of findings, ``?`` with the reason, or ``good``; nothing if the check is absent."""
    told = []
    for each in judge(check, **answers):
        if isinstance(each, Found):
            told.append(each.finding.subject)
        else:
            told.append(f"? {each.reason}" if isinstance(each, NotChecked) else "good")
    return told


@pytest.mark.parametrize("check", [*CHECKS.values(), *chosen(["password-hashes"])], ids=lambda check: check.id)
@pytest.mark.parametrize("reply", [[{"x": 1}], ["x"], [None], None, "x", {}, {"role": "master"}, 5, b"x"])
def test_replies_that_are_not_understood_are_never_a_pass(check: AuditCheck, reply: Any) -> None:
    answers = {fact.name: USE if isinstance(fact.question, AskUse) else reply for fact in check.facts}
    told = list(judged(Target("backend", "cache"), [check], answers))
    assert [type(each) for each in told] == [NotChecked], told


MEMORY = 16 << 30


@pytest.mark.parametrize(
    ("info", "use", "told"),
    [
        ({}, USE, ["good"]),
        ({"maxmemory": 0}, USE, ["maxmemory"]),
        ({"maxmemory": 0, "maxmemory_policy": "noeviction"}, USE, ["good"]),
        ({"maxmemory": 0, "maxmemory_policy": "noeviction"}, RedisUse("", (), ("db",)), ["maxmemory"]),
        ({"maxmemory": 0, "role": "slave"}, USE, []),
        (
            {"maxmemory": 0, "maxmemory_policy": "noeviction", "db0": {"keys": 5000, "expires": 4600}},
            USE,
            ["maxmemory"],
        ),
        ({"maxmemory": 0, "maxmemory_policy": "noeviction", "db0": {"keys": 5000, "expires": 4000}}, USE, ["good"]),
        (
            {"maxmemory": 0, "maxmemory_policy": "noeviction", "db0": {"keys": 5000, "expires": 5000}},
            RedisUse("", ("celery",)),
            ["good"],
        ),
    ],
)
def test_servers_that_need_a_limit(info: dict[str, Any], use: RedisUse, told: list[str]) -> None:
    assert outcomes("redis-no-maxmemory", info=info, use=use) == told


@pytest.mark.parametrize(
    ("peak", "severity"), [(MEMORY // 100, AuditSeverity.MEDIUM), (MEMORY // 5, AuditSeverity.HIGH)]
)
def test_little_memory_on_a_shared_host_is_less_urgent(peak: int, severity: AuditSeverity) -> None:
    info = {"maxmemory": 0, "maxmemory_policy": "noeviction", "used_memory_peak": peak}
    (found,) = judge("redis-no-maxmemory", info=info, use=RedisUse("", ("rq",), ("db",)))
    assert found.severity is severity
    assert found.finding.fix.file == "/etc/redis/redis.conf"
    assert found.finding.fix.lines == (f"maxmemory {max(MEMORY // 4, 2 * peak) >> 20}mb",)
    assert found.finding.fix.commands == (f"redis-cli CONFIG SET {found.finding.fix.lines[0]}",)


@pytest.mark.parametrize(
    ("check", "info", "told"),
    [
        ("redis-fragmentation", {"mem_fragmentation_ratio": 1.5}, ["good"]),
        ("redis-fragmentation", {"mem_fragmentation_ratio": 1.51}, ["memory"]),
        ("redis-fragmentation", {"mem_fragmentation_ratio": 9.8, "used_memory": 2 << 20}, ["good"]),
        ("redis-hit-rate", {"keyspace_hits": 800_000, "keyspace_misses": 200_000}, ["good"]),
        ("redis-hit-rate", {"keyspace_hits": 790_000, "keyspace_misses": 210_000}, ["hit rate"]),
        ("redis-hit-rate", {"keyspace_hits": 0, "keyspace_misses": 99_999}, ["good"]),
        ("redis-evictions", {"evicted_keys": 80_000}, ["good"]),  # a full cache that is of use
        ("redis-evictions", {"evicted_keys": 100_000}, ["evicted keys"]),
        ("redis-evictions", {"evicted_keys": 9_999, "keyspace_hits": 1}, ["good"]),
        ("redis-evictions", {"errorstat_OOM": {"count": 3}}, ["refused writes"]),
    ],
)
def test_figures_and_what_they_mean(check: str, info: dict[str, Any], told: list[str]) -> None:
    assert outcomes(check, info=info) == told


def test_misses_of_workers_and_locks_are_no_fault() -> None:
    info = {"keyspace_hits": 5, "keyspace_misses": 9_000_000}
    assert outcomes("redis-hit-rate", info=info, use=RedisUse("", ("celery",))) == []
    assert outcomes("redis-hit-rate", info={**info, "maxmemory_policy": "noeviction"}) == []


THP = [
    ({"disable-thp": "yes"}, NotKnown(CHECKS["redis-huge-pages"].title), ["good"]),
    ({"disable-thp": "no"}, Printed("[always] madvise never\n"), ["huge pages"]),
    ({}, Printed("[always] madvise never\n"), ["huge pages"]),
    ({}, Printed("always [madvise] never\n"), ["good"]),
    ({"disable-thp": "no"}, Printed("always madvise [never]\n"), ["good"]),
    (NotKnown(CHECKS["redis-huge-pages"].title), Printed("always madvise [never]\n"), ["good"]),
    ({}, Printed("", 1), ["? the command failed with status 1"]),
]


@pytest.mark.parametrize(("own", "printed", "told"), THP)
def test_huge_pages_of_the_kernel_and_of_redis(own: Any, printed: Any, told: list[str]) -> None:
    found = outcomes("redis-huge-pages", disable_thp=own, huge_pages=printed)
    assert [each[:2] for each in found] == [each[:2] for each in told]


def test_the_way_to_turn_huge_pages_off() -> None:
    (found,) = judge(
        "redis-huge-pages", disable_thp={"disable-thp": "no"}, huge_pages=Printed("[always] madvise never")
    )
    fix = found.finding.fix
    assert (fix.file, fix.lines) == ("/etc/redis/redis.conf", ("disable-thp yes",))
    (found,) = judge("redis-huge-pages", disable_thp={}, huge_pages=Printed("[always] madvise never"))
    assert found.finding.fix.commands[0] == "echo madvise >/sys/kernel/mm/transparent_hugepage/enabled"


def _slow(us: int, *words: str, age_s: int = 60) -> list[Any]:
    return [1, 1_800_000_000 - age_s, us, list(words), "127.0.0.1:5", ""]


LIMIT = {"slowlog-log-slower-than": "10000", "slowlog-max-len": "128"}


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([], ["good"]),
        ([_slow(60_000, "HGETALL", "cart:5")] * 2, ["good"]),
        ([_slow(60_000, "HGETALL", "cart:5"), *[_slow(50_000, "hgetall", "cart:77")] * 2], ["HGETALL cart:*"]),
        ([_slow(600_000, "KEYS", "secret*")], ["KEYS"]),
        ([_slow(600_000, "KEYS", "*", age_s=90_000)], ["good"]),
        ([_slow(600_000, "CONFIG", "REWRITE"), _slow(900_000, "FLUSHALL"), _slow(900_000, "SAVE")], ["good"]),
        ([_slow(40_000, "LRANGE", "jobs", "0", "-1")] * 99, ["good"]),
    ],
)
def test_commands_that_take_long(entries: list[Any], told: list[str]) -> None:
    assert outcomes("redis-slow-commands", slow_log=entries, slow_log_limit=LIMIT) == told


@pytest.mark.parametrize("limit", [{**LIMIT, "slowlog-log-slower-than": "-1"}, {**LIMIT, "slowlog-max-len": "0"},
                                   {**LIMIT, "slowlog-log-slower-than": "1000000"}])  # fmt: skip
def test_a_slow_log_that_is_off_is_no_pass(limit: Mapping[str, str]) -> None:
    assert outcomes("redis-slow-commands", slow_log=[], slow_log_limit=limit)[0].startswith("? the slow log is off")


def test_of_the_slow_log_no_value_is_kept() -> None:
    words = [
        ["SET", "user:17:name", "Alice Secret"], ["EVAL", "return 'Alice Secret'", "1", "key"],
        ["KEYS", "Alice Secret*"], ["AUTH", "Alice Secret"], ["CONFIG", "SET", "requirepass", "Alice Secret"],
        ["XREAD", "COUNT", "2", "STREAMS", "Alice Secret", "0"], ["ACL", "SETUSER", "x", ">Alice Secret"],
        ["GET", "session:" + "aB3xAlice9Secret" * 2], ["Alice Secret"],
    ]  # fmt: skip
    found = parse_slow([_slow(5, *each) for each in words[:-1]])
    assert "Alice" not in repr(found)
    assert [each.shown for each in found] == [
        "SET user:*:name", "EVAL", "KEYS", "AUTH", "CONFIG SET", "XREAD", "ACL SETUSER", "GET session:*"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("cart:4711", "cart:*"),
        ("rq:job:0b1f3c52-8d7e-4a51-9d1b-7e1f0f6b2d11", "rq:job:*"),
        ("celery-task-meta-0b1f3c52-8d7e-4a51-9d1b-7e1f0f6b2d11", "*"),
        (":1:views.decorators.cache.cache_page", ":*:views.decorators.cache.cache_page"),
        ("shop.products", "shop.products"),
        ("a\x1b[31m\n", "a*[*m*"),
    ],
)
def test_keys_without_what_varies(name: str, pattern: str) -> None:
    assert key_pattern(name) == pattern


def test_large_keys_are_told_by_their_pattern() -> None:
    large = tuple(LargeKey(0, f"page:{number}", "string", 20 << 20) for number in range(5))
    (found,) = judge("redis-big-keys", key_sample=KeySample(9000, 5000, large))
    assert str(found.finding.evidence) == "db0 page:*: string, 20M the largest, 5 such keys among 5000 of 9k"


@pytest.mark.parametrize(
    ("rules", "keys", "config"),
    [
        ("+@all", True, True),
        ("+@all -@dangerous", False, False),
        ("-@all +@read", True, False),
        ("-@all +@read -keys", False, False),
        ("-@all +config|get", False, False),
        ("-@all +config", False, True),
        ("+@all -config|set", True, False),
        ("+@all -@admin", True, False),
        ("allcommands nocommands", False, False),
        ("nocommands +KEYS", True, False),
        ("-@all (~tmp:* &* -@all +keys)", True, False),
        ("", False, False),
    ],
)
def test_what_an_acl_allows(rules: str, keys: bool, config: bool) -> None:
    (user,) = parse_users([f"user app on #{'0' * 64} ~* &* {rules}"])
    assert (user.may("keys"), user.may("config|set"), user.can_log_in) == (keys, config, True)


def test_clients_of_old_servers_name_no_library() -> None:
    (found,) = parse_clients("id=3 addr=127.0.0.1:5 name= age=0 db=0 cmd=client user=default\n")
    assert (found.user, found.library) == ("default", "")


def test_what_the_configuration_says_of_a_server() -> None:
    config = Config(
        hosts={"db-1": HostConfig(address="10.0.0.5")},
        backends={
            "cache": redis.Options(host="db-1", user="watcher"), "tasks": celery.Options(host="db-1", db=1),
            "db": postgresql.Options(host="db-1"), "other": redis.Options(host="db-1", port=6380),
            "here": postgresql.Options(), "remote": redis.Options(address="10.0.0.9"),
        },
        services={
            "shop": ServiceConfig(url="http://localhost:8000", from_="db-1"),
            "site": ServiceConfig(url="https://shop.example.com", from_="db-1"),
        },
    )  # fmt: skip
    assert use_of(config, "cache") == RedisUse("watcher", ("celery",), ("db", "other", "shop"))
    assert use_of(config, "remote") == RedisUse("", (), ())
