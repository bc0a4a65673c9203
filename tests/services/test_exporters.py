"""Redis, RabbitMQ, nginx and a host beside the exporters that tell of them: what redis-cli, rabbitmqctl, nginx and
/proc say, the page as LilFox scrapes and asks it, and LilFox' own look are the same numbers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from kombu.connection import Connection

from lilfox_tui.backends.kinds import rabbitmq, redis
from lilfox_tui.backends.model import BackendReading
from lilfox_tui.config.model import Config, HostConfig, ServiceConfig
from lilfox_tui.config.values import SecretRef
from lilfox_tui.metrics.model import Health, HostSummary, Series
from lilfox_tui.monitor.monitor import Monitor
from tests.services.exporters import Scraped, at_a_standstill, exporter, of_nginx, of_redis, scraped
from tests.services.nginx import Nginx
from tests.services.postgres_looks import table
from tests.services.rabbitmq_server import RabbitMqServer
from tests.services.redis_server import PASSWORD, RedisServer
from tests.services.test_monitor import LIMITS, seen
from tests.waiting import pause, until, wait_for

KIB = 1024.0
CONNECTION_BYTES = 256 * KIB
"""Redis counts what it holds for each connection; those of the exporter, of redis-cli and of LilFox are no larger."""


@pytest.fixture(autouse=True)
def passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILFOX_TEST_REDIS", PASSWORD)
    monkeypatch.setenv("LILFOX_TEST_RABBIT", "guest")


@pytest.fixture
def cache() -> Iterator[RedisServer]:
    """A Redis that was asked for things that are there and that are not, and that threw some away."""
    with RedisServer("--databases", "2") as server:
        server.cli("set", "large", "x" * 100_000)
        server.cli("setrange", "larger", str(8 * 1024 * 1024), "x")
        server.cli("set", "short", "1", "px", "1")
        wait_for(lambda: server.info("expired_keys") == "1", what="a key has expired")
        server.cli("set", "thrown", "1", "ex", "9999")
        server.cli("config", "set", "maxmemory-policy", "volatile-ttl", "maxmemory", "1")
        wait_for(lambda: server.info("evicted_keys") == "1", what="a key is thrown away")
        server.cli("config", "set", "maxmemory", "1gb")
        server.cli("set", "long", "1", "ex", "9999")
        server.cli("-n", "1", "set", "other", "1")
        for key in ("larger", "long", "large", "missing"):
            server.cli("strlen", key)
        yield server


@pytest.fixture(scope="module")
def broker() -> Iterator[RabbitMqServer]:
    """A RabbitMQ with two queues, one of which somebody takes from."""
    with RabbitMqServer() as server, Connection(f"amqp://127.0.0.1:{server.amqp}//") as link:  # type: ignore[no-untyped-call]
        for name, count in (("bills", 2), ("mails", 5)):
            queue = link.SimpleQueue(name, queue_opts={"durable": False})
            for number in range(count):
                queue.put(number)
            if name == "mails":
                queue.consumer.qos(prefetch_count=2)
                for _each in range(2):
                    queue.get(timeout=60)
        wait_for(lambda: server.queues() == [("bills", 2, 0, 0), ("mails", 3, 2, 1)], what="two messages are taken")
        yield server


REDIS = {
    "redis_keyspace_hits_total": ("keyspace_hits", "redis_keyspace_hits_total"),
    "redis_keyspace_misses_total": ("keyspace_misses", "redis_keyspace_misses_total"),
    "redis_evicted_keys_total": ("evicted_keys", "redis_evicted_keys_total"),
    "redis_expired_keys_total": ("expired_keys", "redis_expired_keys_total"),
    "redis_rejected_connections_total": ("rejected_connections", "redis_rejected_connections_total"),
    "redis_blocked_clients": ("blocked_clients", "redis_blocked_clients"),
    "redis_max_clients": ("maxclients", "redis_max_clients"),
    "redis_memory_max_bytes": ("maxmemory", "redis_max_memory_bytes"),
    "redis_connected_slaves": ("connected_slaves", "redis_connected_replicas"),
    "redis_rdb_changes_since_last_save": ("rdb_changes_since_last_save", "redis_changes_since_last_save"),
}
"""The exporter's name, that of INFO and ours, of what those who look do not change."""


async def test_redis(cache: RedisServer) -> None:
    options = redis.Options(port=cache.port, password=SecretRef("env:LILFOX_TEST_REDIS"))
    backend = redis.open_backend("cache", options, None)
    with of_redis(cache) as address:
        async with scraped(address) as page:
            readings = []

            async def look() -> None:
                await page.again()
                await asyncio.to_thread(until_alone, cache)
                readings.append(await backend.read())

            said = await at_a_standstill(lambda: {field: cache.info(field) for field, _ours in REDIS.values()}, look)
            ours = readings[-1]
            for exported, (field, series) in REDIS.items():
                assert page.one(exported) == float(said[field]) == ours.values[Series(series)], exported
            assert min(float(said[field]) for field in ("keyspace_misses", "expired_keys", "evicted_keys")) > 0
            await clients_and_memory(cache, page, ours)
            keys = {row["db"]: (row["keys"], row["expires"]) for row in table(ours, "keyspace")}
            assert keys == {"db0": (3, 1), "db1": (1, 0)}
            assert page.by("redis_db_keys", "db") == {"db0": 3, "db1": 1}
            assert page.by("redis_db_keys_expiring", "db") == {"db0": 1, "db1": 0}
            assert [cache.cli("-n", str(number), "dbsize") for number in (0, 1)] == ["3", "1"]
            times_of_a_command(cache, page, ours)
            assert page.by("redis_instance_info", "redis_version") == {cache.info("redis_version"): 1}
    await backend.close()


def until_alone(cache: RedisServer) -> None:
    """LilFox and redis-cli itself at most: Redis notices a moment later that the exporter has gone."""
    wait_for(lambda: int(cache.info("connected_clients")) <= 2, what="the exporter has gone")


async def clients_and_memory(cache: RedisServer, page: Scraped, ours: BackendReading) -> None:
    """Each of them is a client itself: the exporter saw LilFox and itself, as redis-cli does; LilFox saw itself."""
    await page.again()
    await asyncio.to_thread(until_alone, cache)
    assert page.one("redis_connected_clients") == float(cache.info("connected_clients")) == 2
    assert ours.values[Series("redis_connected_clients")] == 1
    said = float(cache.info("used_memory"))
    assert said > 8 * KIB * KIB
    for used in (page.one("redis_memory_used_bytes"), ours.values[Series("redis_used_memory_bytes")]):
        assert abs(used - said) < CONNECTION_BYTES


def times_of_a_command(cache: RedisServer, page: Scraped, ours: BackendReading) -> None:
    """Of one that nobody calls while it is looked at."""
    row = next(row for row in table(ours, "commands") if row["command"] == "strlen")
    assert cache.info("cmdstat_strlen").startswith("calls=4,")
    assert row["calls"] == page.one('redis_commands_total{cmd="strlen"}') == 4
    exported = page.by('redis_latency_percentiles_usec{cmd="strlen"}', "quantile")
    said = dict(part.split("=") for part in cache.info("latency_percentiles_usec_strlen").split(","))
    assert {f"p{quantile.removesuffix('.0')}": micro for quantile, micro in exported.items()} == {
        name: float(micro) for name, micro in said.items()
    }
    assert [row[name] for name in ("p50_s", "p99_s", "p999_s")] == [
        pytest.approx(float(said[name]) / 1e6) for name in ("p50", "p99", "p99.9")
    ]


async def test_redis_hits_between_two_looks(cache: RedisServer) -> None:
    options = redis.Options(port=cache.port, password=SecretRef("env:LILFOX_TEST_REDIS"))
    backend = redis.open_backend("cache", options, None)
    with of_redis(cache) as address:
        async with scraped(address) as page:
            await backend.read()
            for key in ("large", "long", "large", "missing"):
                cache.cli("strlen", key)
            await page.again()
            hits, misses = (f"delta(redis_keyspace_{what}_total[1h])" for what in ("hits", "misses"))
            assert page.one(f"100 * {hits} / ({hits} + {misses})") == pytest.approx(75, rel=1e-12)
            assert (await backend.read()).values[Series("redis_hit_percent")] == 75
    await backend.close()


async def test_rabbitmq(broker: RabbitMqServer) -> None:
    """The management plug-in's numbers, and the Prometheus plug-in's with them, are seconds old."""
    listed = broker.queues()
    readings = {
        api: rabbitmq.open_backend("queue", rabbitmq.Options(url=f"http://127.0.0.1:{port}", user="guest",
                                   password=SecretRef("env:LILFOX_TEST_RABBIT"), api=api), None)  # type: ignore[arg-type]
        for api, port in (("management", broker.management), ("prometheus", broker.prometheus))
    }  # fmt: skip
    whole = {"messages_ready": 5.0, "messages_unacked": 2.0, "consumers": 1.0}
    address = f"127.0.0.1:{broker.prometheus}"
    async with scraped(address) as page, scraped(address, "/metrics/per-object") as objects, asyncio.timeout(60):
        while {name: page.one(f"rabbitmq_queue_{name}") for name in whole} != whole:
            await page.again()
        await objects.again()
        exported = [objects.by(f'rabbitmq_queue_{name}{{vhost="/"}}', "queue") for name in whole]
        assert [(name, *(each[name] for each in exported)) for name in sorted(exported[0])] == listed
        assert page.one("rabbitmq_queues") == len(listed)
        for backend in readings.values():
            while queues_of(reading := await backend.read()) != listed:
                await pause(0.1)
            shown = [reading.values[Series(name)] for name in ("queue_messages", "queue_taken", "queue_consumers")]
            assert shown == list(whole.values())
            lengths = objects.by("rabbitmq_queue_messages_ready", "queue")
            for queue, length in lengths.items():
                assert reading.values[Series("queue_length", (("queue", queue),))] == length
            await backend.close()


def queues_of(reading: BackendReading) -> list[tuple[object, ...]]:
    return sorted(
        tuple(row[name] for name in ("name", "waiting", "taken", "consumers")) for row in table(reading, "queues")
    )


def memory_of_proc() -> dict[str, float]:
    """Bytes by name."""
    lines = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    return {words[0].removesuffix(":"): float(words[1]) * KIB for words in lines}


async def test_a_host() -> None:
    """What /proc says, node_exporter and LilFox: load too, while it is the same before and after."""
    with exporter("prometheus-node-exporter") as address:
        async with scraped(address) as page:
            summaries: list[HostSummary] = []

            async def look() -> None:
                await page.again()
                monitor = Monitor(Config(hosts={"here": HostConfig(local=True)}, thresholds=LIMITS))
                monitor.prime()
                summary = seen(monitor).hosts["here"].summary
                assert summary is not None
                summaries.append(summary)

            load = await at_a_standstill(lambda: Path("/proc/loadavg").read_text().split()[:3], look)
            ours = summaries[-1]
            assert ours.load == tuple(map(float, load)) == tuple(page.one(f"node_load{each}") for each in (1, 5, 15))
            memory = memory_of_proc()
            assert ours.memory_total == page.one("node_memory_MemTotal_bytes") == memory["MemTotal"]
            assert ours.swap_total == page.one("node_memory_SwapTotal_bytes") == memory["SwapTotal"]
            assert ours.cpu_count == page.one("count(count by (cpu) (node_cpu_seconds_total))")
            assert ours.booted_at is not None
            assert ours.booted_at.timestamp() == pytest.approx(page.one("node_boot_time_seconds"), abs=1)
            sizes = page.by("max by (mountpoint) (node_filesystem_size_bytes)", "mountpoint")
            both = {each.mountpoint: each.size_bytes for each in ours.filesystems if each.mountpoint in sizes}
            assert both == {mountpoint: sizes[mountpoint] for mountpoint in both}


async def test_nginx(tmp_path: Path) -> None:
    """Each question to stub_status is a request and a connection of its own; the exporter keeps one connection."""
    with Nginx(tmp_path / "nginx") as web, of_nginx(web) as address:
        async with scraped(address) as page:
            _active, accepted, handled, requests, *_rest = web.stub_status()
            for path in ("/", "/broken", "/"):
                web.get(path)
            await page.again()
            assert page.one("nginx_http_requests_total") == requests + 3 + 1
            assert page.one("nginx_connections_accepted") == accepted + 3
            assert page.one("nginx_connections_handled") == handled + 3
            assert page.one("nginx_connections_active") == 1
            # It writes a request down once it has answered.
            await until(lambda: page.one("nginx_http_requests_total") == web.requests_logged(), what="all are logged")


async def test_a_prober(tmp_path: Path) -> None:
    """blackbox_exporter and LilFox ask the same addresses."""
    module = tmp_path / "blackbox.yml"
    module.write_text("modules: {http_2xx: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}}")
    with (
        Nginx(tmp_path / "nginx") as web,
        exporter("prometheus-blackbox-exporter", f"--config.file={module}") as address,
    ):
        paths = {"good": "/", "bad": "/broken"}
        services = {name: ServiceConfig(url=web.url, health=path, metrics=None) for name, path in paths.items()}
        overview = await Monitor(Config(hosts={"here": HostConfig(local=True)}, services=services)).check_once()
        for name, path in paths.items():
            state = overview.services[name].state
            assert state is not None
            asked = f"/probe?module=http_2xx&target={quote(web.url + path, safe='')}"
            async with scraped(address, asked) as page:
                assert page.one("probe_success") == (state.last.health is Health.HEALTHY) == (name == "good")
                assert page.one("probe_http_status_code") == state.last.status_code == web.get(path)
