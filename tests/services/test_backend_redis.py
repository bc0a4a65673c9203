"""Redis, and the queues and breakers in it: what is shown equals what redis-cli says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lilfox_tui.backends.kinds import arq, celery, pybreaker, redis, rq
from lilfox_tui.backends.model import BackendError, BackendReading, Cell
from lilfox_tui.config.model import Threshold
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.core.errors import HostError
from lilfox_tui.hosts.open import open_host
from lilfox_tui.metrics.model import Level, Series
from tests.ports import free_port
from tests.services.http_servers import own_certificate
from tests.services.redis_server import PASSWORD, RedisServer
from tests.services.sshd import SshdLab, sshd_lab

SECRET = SecretRef("env:LILFOX_TEST_REDIS")


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILFOX_TEST_REDIS", PASSWORD)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with RedisServer() as running:
        yield running


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


def rows(reading: BackendReading, key: str) -> list[dict[str, Cell]]:
    found = next(each for each in reading.tables if each.key == key)
    return [dict(zip((column.key for column in found.columns), row, strict=True)) for row in found.rows]


def facts(reading: BackendReading) -> dict[str, Cell]:
    return {fact.key: fact.value for fact in reading.facts}


async def test_numbers_are_those_of_redis_cli(server: RedisServer) -> None:
    backend = redis.open_backend("cache", redis.Options(port=server.port, password=SECRET), None)
    first = await backend.read()
    assert Series("redis_hit_percent") not in first.values
    server.cli("set", "a", "1")
    for key in ("a", "a", "a", "missing"):
        server.cli("get", key)
    reading = await backend.read()
    assert reading.values[Series("redis_hit_percent")] == 75
    for field, series in {
        "keyspace_hits": "redis_keyspace_hits_total",
        "keyspace_misses": "redis_keyspace_misses_total",
        "maxclients": "redis_max_clients",
        "maxmemory": "redis_max_memory_bytes",
        "evicted_keys": "redis_evicted_keys_total",
        "rdb_changes_since_last_save": "redis_changes_since_last_save",
    }.items():
        assert reading.values[Series(series)] == float(server.info(field)), field
    shown = facts(reading)
    assert shown["version"] == server.info("redis_version")
    assert (shown["role"], shown["maxmemory_policy"]) == ("master", server.info("maxmemory_policy"))
    commands = {row["command"]: row for row in rows(reading, "commands")}
    assert commands["get"]["calls"] == 4
    p50, p99, p999 = (part.partition("=")[2] for part in server.info("latency_percentiles_usec_get").split(","))
    assert [commands["get"][name] for name in ("p50_s", "p99_s", "p999_s")] == [
        pytest.approx(float(micro) / 1e6) for micro in (p50, p99, p999)
    ]
    assert rows(reading, "keyspace") == [{"db": "db0", "keys": 1, "expires": 0}]
    server.cli("get", "a")
    again = await backend.read()
    assert again.values[Series("redis_hit_percent")] == 100
    rate = {row["command"]: row["calls_s"] for row in rows(again, "commands")}["get"]
    assert isinstance(rate, float)
    assert rate > 0
    assert Series("redis_hit_percent") not in (await backend.read()).values
    await backend.close()


async def test_what_is_wrong_is_found(server: RedisServer) -> None:
    options = redis.Options(port=server.port, password=SECRET, clients_percent=Threshold(warn=0.001))
    backend = redis.open_backend("cache", options, None)
    server.cli("config", "set", "maxmemory", "100mb")
    reading = await backend.read()
    assert [str(each.text) for each in reading.findings] == ["1 of 10000 connections are in use"]
    used = int(server.info("used_memory"))
    server.cli("config", "set", "maxmemory", str(round(used * 1.02)))
    reading = await backend.read()
    assert reading.findings[0].level is Level.FAILING
    assert str(reading.findings[0].text).startswith("memory ")
    server.cli("replicaof", "127.0.0.1", "1")
    assert "has lost the connection to its master 127.0.0.1:1" in " ".join(
        str(each.text) for each in (await backend.read()).findings
    )
    await backend.close()


async def test_our_connection_is_one_and_has_a_name(server: RedisServer) -> None:
    backend = redis.open_backend("cache", redis.Options(port=server.port, password=SECRET), None)
    for _time in range(3):
        await backend.read()
    ours = [line for line in server.cli("client", "list").splitlines() if "name=lilfox" in line]
    assert len(ours) == 1
    await backend.close()
    assert "name=lilfox" not in server.cli("client", "list")


async def test_outage_wrong_password_and_missing_right_are_told(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = redis.open_backend("cache", redis.Options(port=server.port, password=SECRET), None)
    await backend.read()
    server.stop()
    for _time in range(2):
        with pytest.raises(BackendError):
            await backend.read()
    with pytest.raises(BackendError, match=f"127.0.0.1:{server.port}: nothing is listening at this address"):
        await backend.read()
    server.start()
    await backend.read()
    await backend.close()
    monkeypatch.setenv("WRONG", "guessed-secret")
    wrong = redis.open_backend("cache", redis.Options(port=server.port, password=SecretRef("env:WRONG")), None)
    with pytest.raises(BackendError, match="invalid username-password pair") as refused:
        await wrong.read()
    assert "guessed" not in f"{refused.value} {refused.value.hint} {refused.value!r}"
    assert "+info" in str(refused.value.hint)
    server.cli("acl", "setuser", "few", "on", ">few-secret", "+ping", "+client")
    monkeypatch.setenv("FEW", "few-secret")
    few = redis.open_backend("c", redis.Options(port=server.port, user="few", password=SecretRef("env:FEW")), None)
    with pytest.raises(BackendError, match="no permissions") as refused:
        await few.read()
    assert "+info" in str(refused.value.hint)
    await few.close()


async def test_a_server_that_hangs_is_given_up_in_time(server: RedisServer) -> None:
    options = redis.Options(port=server.port, password=SECRET, timeout=Seconds(0.5))
    backend = redis.open_backend("cache", options, None)
    await backend.read()
    server.freeze()
    try:
        with pytest.raises(BackendError, match=r"within 0\.5 s"):
            await backend.read()
    finally:
        server.thaw()
    await backend.read()
    await backend.close()


async def test_its_certificate_is_judged(tmp_path: Path) -> None:
    own_certificate(tmp_path)
    files = str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")
    with RedisServer("--tls-cert-file", files[0], "--tls-key-file", files[1], "--tls-auth-clients", "no") as server:
        port = free_port()
        server.cli("config", "set", "tls-port", str(port))
        at = {"address": "localhost", "port": port, "password": SECRET, "tls": True}
        good = redis.open_backend("cache", redis.Options(**at, ca_file=files[0]), None)  # type: ignore[arg-type]
        assert facts(await good.read())["version"] == server.info("redis_version")
        await good.close()
        for changes in ({}, {"ca_file": files[0], "address": "127.0.0.1"}):
            options = redis.Options(**(at | changes))  # type: ignore[arg-type]
            with pytest.raises(BackendError, match="certificate verify failed"):
                await redis.open_backend("cache", options, None).read()


async def test_over_ssh(server: RedisServer, lab: SshdLab) -> None:
    host = open_host("web-1", lab.host(lab.sshd()), lab.ssh())
    try:
        backend = redis.open_backend("cache", redis.Options(port=server.port, password=SECRET), host)
        reading = await backend.read()
        assert facts(reading)["version"] == server.info("redis_version")
        await backend.close()
    finally:
        await host.close()


async def test_over_an_ssh_link_that_is_cut_and_comes_back(server: RedisServer, lab: SshdLab) -> None:
    sshd = lab.sshd()
    host = open_host("web-1", lab.host(sshd), lab.ssh())
    try:
        backend = redis.open_backend("cache", redis.Options(port=server.port, password=SECRET), host)
        await backend.read()
        sshd.kill()
        for _time in range(2):
            with pytest.raises((BackendError, HostError)):
                await backend.read()
        with pytest.raises(HostError, match="refuses the connection"):
            await backend.read()
        sshd.start()
        assert facts(await backend.read())["version"] == server.info("redis_version")
        await backend.close()
    finally:
        await host.close()


CELERY = """
import sys
from celery import Celery
app = Celery("tests", broker=sys.argv[1])
app.conf.broker_transport_options = {"queue_order_strategy": "priority"}
for priority, count in ((0, 3), (3, 2), (9, 1)):
    for _each in range(count):
        app.send_task("a.task", priority=priority)
for _each in range(4):
    app.send_task("a.task", queue="mails")
"""
RQ = """
import sys
from redis import Redis
from rq import Queue
from rq.registry import DeferredJobRegistry, FailedJobRegistry, ScheduledJobRegistry
connection = Redis.from_url(sys.argv[1])
for name, count in (("default", 3), ("slow", 2)):
    queue = Queue(name, connection=connection)
    for _each in range(count):
        job = queue.enqueue("time.sleep", 1)
job = queue.enqueue_call("time.sleep", (1,))
queue.remove(job)
FailedJobRegistry("slow", connection=connection).add(job, -1)
DeferredJobRegistry("slow", connection=connection).add(job, -1)
for name in "abc":
    connection.zadd(ScheduledJobRegistry("slow", connection=connection).key, {name: 4e9})
"""


def run(script: str, server: RedisServer) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script, server.url],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


async def test_celery_with_priorities_enqueued_by_celery_itself(server: RedisServer) -> None:
    run(CELERY, server)
    for exchange, queue in (("celery.pidbox", "celery@h.celery.pidbox"), ("celeryev", "celeryev.7f3")):
        server.cli("sadd", f"_kombu.binding.{exchange}", f"\x06\x16\x06\x16{queue}")  # as workers bind theirs
    backend = celery.open_backend("queue", celery.Options(port=server.port, password=SECRET), None)
    reading = await backend.read()
    queues = {row["name"]: row["waiting"] for row in rows(reading, "queues")}
    assert queues == {"celery": 6, "mails": 4, "unacked": 0}
    lists = ["celery", "celery\x06\x163", "celery\x06\x166", "celery\x06\x169"]
    assert sum(int(server.cli("llen", key)) for key in lists) == queues["celery"]
    assert reading.values[Series("queue_messages")] == 10
    server.cli("del", "mails")
    later = await backend.read()
    assert later.values[Series("queue_messages")] == 6
    assert later.values[Series("queue_growth_per_second")] < 0
    assert "empty in" in " ".join(str(each.text) for each in celery.headline(later.values))
    await backend.close()


async def test_rq_enqueued_by_rq_itself(server: RedisServer) -> None:
    run(RQ, server)
    backend = rq.open_backend("queue", rq.Options(port=server.port, password=SECRET, length=Threshold(warn=2)), None)
    reading = await backend.read()
    found = {row["name"]: (row["waiting"], row["later"], row["failed"], row["consumers"])
             for row in rows(reading, "queues")}  # fmt: skip
    assert found == {"default": (3, 0, 0, 0), "slow": (2, 4, 1, 0)}
    assert int(server.cli("llen", "rq:queue:default")) == 3
    assert int(server.cli("zcard", "rq:failed:slow")) == 1
    texts = [str(each.text) for each in reading.findings]
    assert "queue default: 3 queued" in texts
    assert "queue slow: 2 queued and no consumers" in texts
    await backend.close()


async def test_arq_by_its_documented_keys(server: RedisServer) -> None:
    """arq itself wants an older redis-py than this project's, so its keys are written as it writes them."""
    now_ms = int(server.cli("time").split()[0]) * 1000
    for job, due_ms in (("a", now_ms - 1000), ("b", now_ms - 1), ("c", now_ms + 3_600_000)):
        server.cli("zadd", "arq:queue", str(due_ms), job)
    backend = arq.open_backend("queue", arq.Options(port=server.port, password=SECRET), None)
    row = rows(await backend.read(), "queues")[0]
    assert (row["waiting"], row["later"]) == (2, 1)
    assert int(server.cli("zcard", "arq:queue")) == 3
    await backend.close()


async def test_pybreaker_by_its_documented_keys(server: RedisServer) -> None:
    server.cli("set", "model:pybreaker:state", "closed")
    server.cli("set", "pybreaker:state", "closed")
    backend = pybreaker.open_backend("breakers", pybreaker.Options(port=server.port, password=SECRET), None)
    reading = await backend.read()
    assert [str(each.text) for each in pybreaker.headline(reading.values)] == ["2 closed"]
    for state in ("open", "half-open", "open", "half-open"):
        server.cli("set", "model:pybreaker:state", state)
        server.cli("set", "model:pybreaker:fail_counter", "5")
        reading = await backend.read()
    line = [str(each.text) for each in pybreaker.headline(reading.values)]
    assert line == ["model half-open (2 trips in 10 min)", "1 closed"]
    assert [each.level for each in reading.findings] == [Level.DEGRADED]
    assert rows(reading, "breakers")[0]["detail"] == "fail_counter 5"
    await backend.close()
