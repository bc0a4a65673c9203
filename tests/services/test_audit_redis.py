"""The checks of Redis on real servers: found, mended by their own fixes, and gone. What takes days or much memory in an
ordinary life is shortened by the checks' own limits."""

from __future__ import annotations

import asyncio
import os
import random
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.checks.redis import load, memory
from lilfox_tui.audit.checks.redis.access import parse_users
from lilfox_tui.audit.model import AuditFinding, AuditSeverity, Fix, Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.audit.targets import redis as redis_facts
from lilfox_tui.backends.kinds import arq, celery, postgresql, redis, rq
from lilfox_tui.config.model import BackendConfig, Config, ServiceConfig
from lilfox_tui.config.values import SecretRef
from tests.services.redis_server import PASSWORD, RedisServer
from tests.waiting import wait_for

SECRET = SecretRef("env:LILFOX_TEST_REDIS")
NOTHING: dict[str, BackendConfig] = {}
APPLICATION = "ACL SETUSER app on >application ~* &* +@all -@admin -@dangerous"


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILFOX_TEST_REDIS", PASSWORD)


async def audited(
    server: RedisServer,
    *checks: str,
    queues: tuple[Any, ...] = (),
    others: dict[str, BackendConfig] = NOTHING,
    **more: Any,
) -> Report:
    """The report on a server that the configuration knows as a cache, and as the broker of these kinds of queues."""
    options = {"port": server.port, "password": SECRET, **more}
    backends: dict[str, Any] = {"cache": redis.Options(**options), **others}
    backends |= {kind.__name__.rpartition(".")[2]: kind.Options(**options) for kind in queues}
    config = Config(backends=backends)
    return await Audit(config, timeout_s=60).run(chosen(checks), targets_of(config))


def found_by(report: Report) -> dict[str, AuditFinding]:
    """The findings by their subjects; everything could be checked."""
    assert unknown(report) == {}
    return {each.finding.subject: each.finding for each in report.found}


def unknown(report: Report) -> dict[str, str]:
    return {each.check.id: str(each.reason) for each in report.not_checked}


def mend(fix: Fix, server: RedisServer) -> str:
    """What a fix says, done by somebody on the server's host who has the password in REDISCLI_AUTH; what it prints."""
    if fix.file:
        assert fix.file == str(server.file)
        with server.file.open("a") as file:
            file.write("\n".join(fix.lines) + "\n")
    printed = ""
    for command in fix.commands:
        words = ["sh", "-ec", command]
        environment = {**os.environ, "REDISCLI_AUTH": PASSWORD}
        done = subprocess.run(words, env=environment, cwd="/", capture_output=True, timeout=60, check=True)
        printed += done.stdout.decode()
    return printed


async def mended(fix: Fix, server: RedisServer, *checks: str, **more: Any) -> None:
    """The fix is done, and the checks find nothing; after a restart of the server neither."""
    await asyncio.to_thread(mend, fix, server)
    for again in range(2):
        assert found_by(await audited(server, *checks, **more)) == {}, again
        if not server.file.exists():
            break
        server.stop()
        server.start()


@contextmanager
def cache(*options: str) -> Iterator[RedisServer]:
    """A cache that is set up well, with a user for the application."""
    with RedisServer("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru", *options) as server:
        server.cli(*APPLICATION.split())
        yield server


async def test_nothing_is_found_on_a_cache_and_a_queue_that_are_set_up_well() -> None:
    with cache() as server:
        report = await audited(server, "redis")
        assert [(each.check.id, str(each.finding.evidence)) for each in report.found] == []
        passed = {each.check.id for each in report.passed}
    assert unknown(report) == {}
    of_queues = {"redis-queue-evicted", "redis-queue-not-persistent"}
    assert passed == {each.id for each in chosen(["redis"])} - of_queues
    with RedisServer("--appendonly", "yes", "--maxmemory-policy", "noeviction") as server:
        server.cli(*APPLICATION.split())
        server.cli("lpush", "celery", "a task")
        report = await audited(server, "redis", queues=(celery, rq, arq))
        assert [(each.check.id, str(each.finding.evidence)) for each in report.found] == []
    assert unknown(report) == {}
    assert {each.check.id for each in report.passed} == {each.id for each in chosen(["redis"])} - {"redis-hit-rate"}


async def test_the_rights_that_an_audit_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs/audit.md").read_text()
    command = re.findall(r"^redis-cli (ACL SETUSER lilfox .*(?:\n    .*)*)", text, re.MULTILINE)[0]
    with cache() as server:
        server.cli("eval", "for i = 1, 300 do redis.call('set', 'page:' .. i, 'x') end", "0")
        server.cli(*shlex.split(command.replace("\\\n", " ")))
        monkeypatch.setenv("LILFOX_TEST_REDIS", "PASSWORD")
        report = await audited(server, "redis", user="lilfox")
        assert (report.found, unknown(report)) == ((), {})
        monkeypatch.setenv("LILFOX_TEST_REDIS", "application")
        server.cli("ACL", "SETUSER", "app", "+info")
        report = await audited(server, "redis", user="app")
        assert report.found == ()
        assert {each.check.id for each in report.passed} == {
            "redis-no-maxmemory", "redis-fragmentation", "redis-hit-rate", "redis-evictions", "redis-big-keys"
        }  # fmt: skip
        assert all("refused" in reason for reason in unknown(report).values())


@pytest.mark.provokes("redis-no-maxmemory")
async def test_a_cache_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    check = "redis-no-maxmemory"
    with RedisServer("--maxmemory-policy", "allkeys-lfu", file=True) as server:
        found = found_by(await audited(server, check))
        assert re.match("maxmemory 0, maxmemory-policy allkeys-lfu; used ", str(found["maxmemory"].evidence))
        await mended(found["maxmemory"].fix, server, check)
        assert server.info("maxmemory_policy") == "allkeys-lfu"
    monkeypatch.setattr(memory, "CACHE_KEYS", 10)
    with RedisServer(file=True) as server:
        server.cli("eval", "for i = 1, 8 do redis.call('set', 'page:' .. i, '', 'EX', 900) end", "0")
        assert found_by(await audited(server, check)) == {}
        server.cli("eval", "for i = 1, 18 do redis.call('set', 'page:' .. i, '', 'EX', 900) end", "0")
        found = found_by(await audited(server, check))
        assert str(found["maxmemory"].evidence).endswith("; 18 of 18 keys expire")
        await mended(found["maxmemory"].fix, server, check)
        assert server.info("maxmemory_policy") == "volatile-lru"


@pytest.mark.provokes("redis-no-maxmemory")
async def test_a_server_without_a_limit_beside_a_database() -> None:
    check = "redis-no-maxmemory"
    others: dict[str, BackendConfig] = {"db": postgresql.Options(), "far": postgresql.Options(address="10.0.0.9")}
    with RedisServer(file=True) as server:
        assert found_by(await audited(server, check, queues=(rq,))) == {}
        report = await audited(server, check, queues=(rq,), others=others)
        assert [each.severity for each in report.found] == [AuditSeverity.MEDIUM]
        found = found_by(report)
        assert str(found["maxmemory"].evidence).endswith("; on the same host: db")
        await mended(found["maxmemory"].fix, server, check, queues=(rq,), others=others)
        assert server.info("maxmemory_policy") == "noeviction"


@pytest.mark.provokes("redis-queue-evicted")
@pytest.mark.parametrize(
    ("policy", "queues", "bad"),
    [
        ("allkeys-lru", (celery,), True),
        ("allkeys-random", (rq,), True),
        ("volatile-lru", (celery, rq), False),
        ("volatile-lru", (arq,), True),  # whose tasks expire
        ("allkeys-lru", (), False),
    ],
)
async def test_a_queue_whose_tasks_are_evicted(policy: str, queues: tuple[Any, ...], bad: bool) -> None:
    check = "redis-queue-evicted"
    with RedisServer("--maxmemory", "10mb", "--maxmemory-policy", policy, file=True) as server:
        found = found_by(await audited(server, check, queues=queues))
        assert list(found) == ["maxmemory-policy"] * bad
        if bad:
            assert f"maxmemory-policy {policy}, maxmemory 10M" in str(found["maxmemory-policy"].evidence)
            await mended(found["maxmemory-policy"].fix, server, check, queues=queues)


@pytest.mark.provokes("redis-queue-not-persistent")
async def test_a_queue_that_is_only_in_memory() -> None:
    check = "redis-queue-not-persistent"
    with RedisServer("--save", "900 1") as server:
        assert found_by(await audited(server, check, queues=(rq,))) == {}
    with RedisServer(file=True) as server:
        server.cli("lpush", "celery", "a task")
        found = found_by(await audited(server, check, queues=(celery,)))
        assert str(found["appendonly"].evidence) == 'appendonly no, save ""; queues: celery'
        await asyncio.to_thread(mend, found["appendonly"].fix, server)
        wait_for(lambda: server.info("aof_rewrite_in_progress") == "0", what="Redis has written what it has")
        server.stop()
        server.start()
        assert found_by(await audited(server, check, queues=(celery,))) == {}
        wait_for(lambda: server.cli("llen", "celery") == "1", what="Redis has loaded its data")


async def test_the_server_of_a_queue_is_checked_once() -> None:
    with RedisServer() as server:
        options: dict[str, Any] = {"port": server.port, "password": SECRET}
        config = Config(backends={"tasks": celery.Options(**options), "jobs": rq.Options(address="::1", **options)})
        assert [each.name for each in targets_of(config)["redis"]] == ["tasks"]
        report = await Audit(config, timeout_s=60).run(chosen(["redis-queue-not-persistent"]), targets_of(config))
    assert [str(each.finding.evidence) for each in report.found] == ['appendonly no, save ""; queues: celery, rq']
    services = {"shop": ServiceConfig(url="http://127.0.0.1:8000")}
    config = Config(backends={"cache": redis.Options(port=1), "tasks": rq.Options(port=1)}, services=services)
    assert [each.name for each in targets_of(config)["redis"]] == ["cache"]


COMMANDS = "redis-dangerous-commands"


@pytest.mark.provokes(COMMANDS)
async def test_a_default_user_who_may_do_everything() -> None:
    with RedisServer(file=True) as server:
        server.cli("keys", "*")
        found = found_by(await audited(server, COMMANDS))
        assert str(found["default"].evidence) == (
            "user default may run CONFIG, FLUSHALL, FLUSHDB, KEYS; calls of all users since the start: KEYS 1"
        )
        printed = await asyncio.to_thread(mend, found["default"].fix, server)
        admin = re.search("^admin: ([0-9a-f]{64})$", printed, re.MULTILINE)
        assert admin
        os.environ["LILFOX_TEST_REDIS"] = admin[1]
        server.stop()
        server.start()
        assert found_by(await audited(server, COMMANDS, user="admin")) == {}
        assert server.cli("set", "a", "1") == "OK"
        for words in (("keys", "*"), ("flushall",), ("config", "set", "maxmemory", "1"), ("acl", "list")):
            assert server.cli(*words).startswith("NOPERM")


@pytest.mark.provokes(COMMANDS)
async def test_users_who_may_do_too_much() -> None:
    with RedisServer(file=True) as server:
        for words in (
            "app on >application ~* &* +@all",
            "reader on >reading ~* +@read -keys",
            "reports on >reporting ~* +@read",
            "admin on >administration ~* &* +@all",
            "old off >forgotten ~* &* +@all",
            "locked on ~* &* +@all",
            "careful on >careful ~* &* +@all -@dangerous (+flushdb ~tmp:*)",
        ):
            server.cli("ACL", "SETUSER", *re.findall(r"\([^)]*\)|\S+", words))
        report = await audited(server, COMMANDS)
        severities = {each.finding.subject: each.severity for each in report.found}
        assert severities == {
            "app": AuditSeverity.HIGH, "reports": AuditSeverity.MEDIUM, "careful": AuditSeverity.HIGH
        }  # fmt: skip
        for finding in found_by(report).values():
            if finding.subject != "careful":
                mend(finding.fix, server)
        assert list(found_by(await audited(server, COMMANDS))) == ["careful"]
        server.stop()
        server.start()
        assert list(found_by(await audited(server, COMMANDS))) == ["careful"]


async def test_a_default_user_beside_others_is_for_people_until_a_library_is_connected() -> None:
    with cache() as server:
        assert found_by(await audited(server, COMMANDS)) == {}
        with Redis(port=server.port, password=PASSWORD) as application:
            application.ping()
            assert list(found_by(await audited(server, COMMANDS))) == ["default"]


RULES = (
    *(
        "+@all",
        "-@all",
        "+@read",
        "+@write",
        "+@keyspace",
        "+@admin",
        "-@admin",
        "-@dangerous",
        "-@slow",
        "allcommands",
    ),
    *("nocommands", "+keys", "-keys", "-flushall", "+config", "-config", "+config|get", "+config|set", "+module|load"),
    *("+debug", "(~tmp:* +flushdb)"),
)
TRIED = {
    "keys": ("keys", "*"), "flushall": ("flushall",), "flushdb": ("flushdb",), "debug": ("debug", "jmap"),
    "config|set": ("config", "set", "save", ""), "module|load": ("module", "load", "/x"),
}  # fmt: skip


async def test_the_server_itself_allows_the_same() -> None:
    chance = random.Random(7)
    with RedisServer() as server, Redis(port=server.port, password=PASSWORD, decode_responses=True) as client:
        for _turn in range(150):
            rules = chance.sample(RULES, chance.randint(1, 6))
            client.execute_command("ACL", "SETUSER", "app", "reset", "on", ">pw", "~*", *rules)
            lines = client.execute_command("ACL", "LIST")
            (user,) = (each for each in parse_users(lines) if each.name == "app")
            for command, words in TRIED.items():
                allowed = client.execute_command("ACL", "DRYRUN", "app", *words) == "OK"
                assert user.may(command) is allowed, (rules, command)


async def test_a_user_that_lilfox_shares_with_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    with RedisServer() as server:
        server.cli("ACL", "SETUSER", "shop", "on", ">shared", "~*", "&*", "+@all")
        server.cli("ACL", "SETUSER", "default", "-@dangerous", "+acl|setuser")
        monkeypatch.setenv("LILFOX_TEST_REDIS", "shared")
        assert found_by(await audited(server, COMMANDS, user="shop")) == {}
        with Redis(port=server.port, username="shop", password="shared") as application:
            application.ping()
            found = found_by(await audited(server, COMMANDS, user="shop"))
            assert list(found) == ["shop"]


async def test_commands_that_are_renamed_are_closed() -> None:
    names = ("KEYS", "FLUSHALL", "FLUSHDB")
    renamed = [word for name in names for word in ("--rename-command", name, f"x{name}")]
    with RedisServer(*renamed) as server:
        found = found_by(await audited(server, COMMANDS))
        assert str(found["default"].evidence) == "user default may run CONFIG"


@pytest.mark.provokes("redis-hit-rate", "redis-evictions")
async def test_a_cache_that_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    checks = ("redis-hit-rate", "redis-evictions")
    monkeypatch.setattr(load, "ENOUGH_EVICTIONS", 1000)
    monkeypatch.setattr(load, "ENOUGH_LOOKUPS", 1000)
    fill = "for i = 1, 6000 do redis.call('set', 'page:' .. i, string.rep('x', 2000)) end"
    with RedisServer("--maxmemory", "10mb", "--maxmemory-policy", "allkeys-lru", file=True) as server:
        server.cli("eval", "for i = 1, 999 do redis.call('get', 'page:' .. i) end", "0")
        assert found_by(await audited(server, *checks)) == {}  # too few to say
        server.cli("eval", fill, "0")
        server.cli("eval", "for i = 1, 2000 do redis.call('get', 'page:' .. i) end", "0")
        found = found_by(await audited(server, *checks))
        assert list(found) == ["hit rate", "evicted keys"]
        assert re.match(
            r"[0-9]+% of 3.0k lookups were hits since the start .*; evicted keys [0-9.]+k",
            str(found["hit rate"].evidence),
        )
        assert "maxmemory 20mb" in found["hit rate"].fix.lines
        await mended(found["evicted keys"].fix, server, *checks)
        server.cli("eval", f"{fill} for i = 1, 2000 do redis.call('get', 'page:' .. i) end", "0")
        assert found_by(await audited(server, *checks)) == {}


@pytest.mark.provokes("redis-hit-rate")
async def test_a_cache_of_what_nobody_asks_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "ENOUGH_LOOKUPS", 1000)
    with cache() as server:
        server.cli("eval", "for i = 1, 2000 do redis.call('get', 'page:' .. i) end", "0")
        found = found_by(await audited(server, "redis-hit-rate"))
        assert found["hit rate"].fix.lines == ()
        await mended(found["hit rate"].fix, server, "redis-hit-rate")


@pytest.mark.provokes("redis-evictions")
async def test_writes_that_are_refused() -> None:
    with RedisServer("--maxmemory", "3mb", "--maxmemory-policy", "noeviction", file=True) as server:
        script = "for i = 1, 1000 do redis.pcall('set', 'key:' .. i, string.rep('x', 4000)) end"
        server.cli("eval", script, "0")
        assert server.cli("set", "a", "1").startswith("OOM")
        report = await audited(server, "redis-evictions")
        assert [each.severity for each in report.found] == [AuditSeverity.HIGH]
        await mended(found_by(report)["refused writes"].fix, server, "redis-evictions")


@pytest.mark.provokes("redis-fragmentation")
async def test_memory_that_no_data_use(monkeypatch: pytest.MonkeyPatch) -> None:
    check = "redis-fragmentation"
    with RedisServer("--enable-debug-command", "yes") as server:
        server.cli("debug", "populate", "600000", "key", "200")
        server.cli("eval", "for i = 0, 599999 do if i % 4 > 0 then redis.call('del', 'key:' .. i) end end", "0")
        assert found_by(await audited(server, check)) == {}  # too little to matter
        monkeypatch.setattr(memory, "FRAGMENTED_FROM_BYTES", 20 << 20)
        found = found_by(await audited(server, check))
        assert re.match(r"mem_fragmentation_ratio [0-9.]+: resident ", str(found["memory"].evidence))
        mend(found["memory"].fix, server)
        server.cli("save")
        server.stop()
        server.start()
        wait_for(lambda: server.cli("dbsize") == "150000", what="Redis has loaded its data")
        assert found_by(await audited(server, check)) == {}


@pytest.mark.provokes("redis-big-keys")
async def test_keys_that_are_very_large(monkeypatch: pytest.MonkeyPatch) -> None:
    check = "redis-big-keys"
    with cache() as server:
        server.cli("eval", "for i = 1, 3000 do redis.call('set', 'page:' .. i, 'x') end", "0")
        server.cli("-n", "3", "eval", "redis.call('setrange', 'export:17', 30000000, 'x')", "0")
        server.cli("-n", "3", "eval", "redis.call('setrange', 'export:18', 11000000, 'x')", "0")
        server.cli("eval", "for i = 1, 200000 do redis.call('hset', 'carts', i, string.rep('x', 60)) end", "0")
        server.cli("set", "session:" + "s3cret" * 5, "value-of-nobody")
        found = found_by(await audited(server, check))
        assert sorted(found) == ["db0 carts", "db3 export:*"]
        told = str(found["db3 export:*"].evidence)
        assert re.fullmatch(r"db3 export:\*: string, \d+M the largest, 2 such keys among 3004 of 3\.0k", told)
        assert "value-of-nobody" not in repr(found)
        printed = mend(found["db3 export:*"].fix, server)
        assert "export:17" in printed
        server.cli("-n", "3", "unlink", "export:17", "export:18")
        server.cli("unlink", "carts")
        assert found_by(await audited(server, check)) == {}
        monkeypatch.setattr(redis_facts, "SAMPLED_KEYS", 400)
        config = Config(backends={"cache": redis.Options(port=server.port, password=SECRET)})
        seen = server.info("cmdstat_memory|usage")
        await Audit(config, timeout_s=60).run(chosen([check]), targets_of(config))
        calls = [int(re.findall(r"calls=(\d+)", each)[0]) for each in (seen, server.info("cmdstat_memory|usage"))]
        assert 400 <= calls[1] - calls[0] <= 1000  # SCAN may give more than it is asked for


@pytest.mark.provokes("redis-slow-commands")
async def test_commands_that_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    check = "redis-slow-commands"
    monkeypatch.setattr(load, "SLOW_US", 1000)
    monkeypatch.setattr(load, "VERY_SLOW_US", 60_000_000)
    with cache("--enable-debug-command", "yes", "--slowlog-log-slower-than", "100") as server:
        server.cli("debug", "populate", "100000", "key", "10")
        server.cli("eval", "for i = 1, 40000 do redis.call('hset', 'cart:4711', i, 'Geheim' .. i) end", "0")
        server.cli("slowlog", "reset")
        server.cli("keys", "Geheim*")
        assert found_by(await audited(server, check)) == {}  # seldom
        for _turn in range(3):
            server.cli("keys", "Geheim*")
            server.cli("hgetall", "cart:4711")
        found = found_by(await audited(server, check))
        assert sorted(found) == ["HGETALL cart:*", "KEYS"]
        assert re.fullmatch(r"slow log: KEYS 4 times within a day, \d+ ms the slowest", str(found["KEYS"].evidence))
        assert "Geheim" not in repr(found)
        await mended(found["KEYS"].fix, server, check)
        server.cli("config", "set", "slowlog-log-slower-than", "-1")
        assert unknown(await audited(server, check)).keys() == {check}


@pytest.mark.provokes("redis-latency")
async def test_forks_that_take_long(monkeypatch: pytest.MonkeyPatch) -> None:
    check = "redis-latency"
    monkeypatch.setattr(load, "FORK_US", 50)
    monkeypatch.setattr(load, "SPIKE_MS", 1)
    with cache("--enable-debug-command", "yes", "--latency-monitor-threshold", "1") as server:
        assert found_by(await audited(server, check)) == {}
        server.cli("debug", "populate", "300000", "key", "100")
        server.cli("bgrewriteaof")
        found = found_by(await audited(server, check))
        assert re.fullmatch(r"latest_fork_usec \d+ ms, used memory [0-9.]+M", str(found["fork"].evidence))
        mend(found["fork"].fix, server)
        found = found_by(await audited(server, check))  # by the latency monitor, which counts by itself
        assert re.fullmatch(r"latency monitor: fork \d+ ms at most, \d+ ms the last time", str(found["fork"].evidence))
        await mended(found["fork"].fix, server, check)
