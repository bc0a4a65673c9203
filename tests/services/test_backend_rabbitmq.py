"""RabbitMQ by both of its plug-ins: what is shown equals what rabbitmqctl lists."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from lilfox_tui.backends.kinds import rabbitmq
from lilfox_tui.backends.model import BackendError, BackendReading
from lilfox_tui.config.model import Threshold
from lilfox_tui.config.values import Seconds, SecretRef
from lilfox_tui.metrics.model import Series
from tests.services.rabbitmq_server import RabbitMqServer
from tests.waiting import pause

pytestmark = pytest.mark.xdist_group("rabbitmq")  # one worker: the server takes longer than the tests

GUEST = SecretRef("env:LILFOX_TEST_RABBIT")
WHAT_IS_THERE = [("bills", 2, 0, 0), ("mails", 5, 0, 0)]


@pytest.fixture(scope="module")
def server() -> Iterator[RabbitMqServer]:
    with RabbitMqServer() as running:
        for name, count, _unacked, _consumers in WHAT_IS_THERE:
            running.api("PUT", f"queues/%2F/{name}", {"durable": False})
            for _each in range(count):
                message = {"properties": {}, "routing_key": name, "payload": "x", "payload_encoding": "string"}
                running.api("POST", "exchanges/%2F/amq.default/publish", message)
        yield running


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILFOX_TEST_RABBIT", "guest")


def queues(reading: BackendReading) -> list[tuple[object, ...]]:
    table = next(each for each in reading.tables if each.key == "queues")
    return sorted((name, waiting, taken, consumers) for name, waiting, taken, _later, _failed, consumers in table.rows)


async def until_it_is_as_listed(server: RabbitMqServer, backend: rabbitmq.RabbitMq) -> BackendReading:
    """The management plug-in's numbers are seconds old."""
    listed = server.queues()
    async with asyncio.timeout(60):
        while queues(reading := await backend.read()) != listed:
            await pause(0.1)
    return reading


async def test_the_management_plugin(server: RabbitMqServer) -> None:
    options = rabbitmq.Options(
        url=f"http://127.0.0.1:{server.management}", user="guest", password=GUEST, length=Threshold(warn=4)
    )
    backend = rabbitmq.open_backend("queue", options, None)
    reading = await until_it_is_as_listed(server, backend)
    assert queues(reading) == WHAT_IS_THERE
    assert reading.values[Series("queue_messages")] == 7
    assert {str(each.text) for each in reading.findings} == {
        "queue mails: 5 queued",
        "queue mails: 5 queued and no consumers",
        "queue bills: 2 queued and no consumers",
    }
    facts = {fact.key: fact.value for fact in reading.facts}
    assert facts["version"] == server.api("GET", "overview")["rabbitmq_version"]
    assert facts["nodes"] == 1
    assert (facts["connections"], facts["channels"]) == (0, 0)
    (said,) = server.api("GET", "nodes")
    nodes = next(each for each in reading.tables if each.key == "nodes")
    (node,) = (dict(zip((column.key for column in nodes.columns), row, strict=True)) for row in nodes.rows)
    assert (node["name"], node["running"]) == (said["name"], True)
    for ours, theirs in (("mem_limit", "mem_limit"), ("disk_free_limit", "disk_free_limit"), ("fd_total", "fd_total")):
        assert node[ours] == said[theirs], ours
    assert 0 < float(str(node["mem_used"])) < float(str(node["mem_limit"]))
    assert float(str(node["up_s"])) < 3600
    await backend.close()


async def test_the_prometheus_plugin(server: RabbitMqServer) -> None:
    options = rabbitmq.Options(url=f"http://127.0.0.1:{server.prometheus}", api="prometheus")
    backend = rabbitmq.open_backend("queue", options, None)
    assert queues(await until_it_is_as_listed(server, backend)) == WHAT_IS_THERE
    await backend.close()
    path = "/metrics/detailed?family=queue_coarse_metrics&family=queue_consumer_count"
    detailed = rabbitmq.Options(url=f"http://127.0.0.1:{server.prometheus}{path}", api="prometheus")
    backend = rabbitmq.open_backend("queue", detailed, None)
    assert queues(await backend.read()) == WHAT_IS_THERE
    await backend.close()


async def test_what_is_not_the_api_is_told(server: RabbitMqServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRONG", "guessed-secret")
    at = f"http://127.0.0.1:{server.management}"
    wrong = rabbitmq.open_backend("q", rabbitmq.Options(url=at, user="guest", password=SecretRef("env:WRONG")), None)
    with pytest.raises(BackendError, match="returns 401 for /api/queues") as refused:
        await wrong.read()
    assert "guessed" not in f"{refused.value} {refused.value.hint} {refused.value!r}"
    other = rabbitmq.Options(url=f"http://127.0.0.1:{server.prometheus}", user="guest", password=GUEST)
    backend = rabbitmq.open_backend("q", other, None)
    with pytest.raises(BackendError, match="404 for /api/queues"):
        await backend.read()
    amqp = rabbitmq.Options(url=f"http://127.0.0.1:{server.amqp}", user="guest", password=GUEST, timeout=Seconds(2))
    with pytest.raises(BackendError):
        await rabbitmq.open_backend("q", amqp, None).read()
