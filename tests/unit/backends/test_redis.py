"""What INFO of a Redis means, and the keys that Celery has for its queues."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from lilfox_tui.backends.kinds.celery import keys_of
from lilfox_tui.backends.kinds.rabbitmq import _node_table, _NodeRow, _of_nodes
from lilfox_tui.backends.kinds.redis import Info, Options, RedisServer, _checked, _counted, _tables
from lilfox_tui.backends.redis_transport import RedisTransport
from lilfox_tui.core.files import NotTrusted
from lilfox_tui.core.i18n import set_language
from lilfox_tui.metrics.model import Level

MIB = 1024**2
FULL: dict[str, object] = {"used_memory": 96, "maxmemory": 100}
REPLICA: dict[str, object] = {"role": "slave", "master_host": "m", "master_port": 1}


def found(info: Info, **rises: float) -> list[tuple[Level, str]]:
    """Of a server that nobody is connected to."""
    server = RedisServer(Options(), RedisTransport(Options(), None))
    return [(one.level, str(one.text).partition(":")[0]) for one in server._findings(info, rises)]


@pytest.mark.parametrize(
    ("info", "said"),
    [
        (FULL | {"maxmemory_policy": "noeviction"}, "memory 96B of 100B with noeviction"),
        (FULL | {"maxmemory_policy": "allkeys-lru"}, ""),
        ({"used_memory": 96, "maxmemory": 0, "maxmemory_policy": "noeviction"}, ""),
        ({"used_memory": 99 * MIB, "mem_fragmentation_ratio": 3.0}, ""),
        ({"used_memory": 100 * MIB, "mem_fragmentation_ratio": 3.0}, "memory is fragmented"),
        ({"connected_clients": 96, "maxclients": 100}, "96 of 100 connections are in use"),
        ({"rdb_last_bgsave_status": "err"}, "the last save to disk (RDB) failed"),
        ({"aof_enabled": 1, "aof_last_write_status": "err"}, "the last write to the append-only file failed"),
        ({"aof_enabled": 0, "aof_last_write_status": "err"}, ""),
        (REPLICA | {"master_link_status": "down"}, "this replica has lost the connection to its master m"),
        (REPLICA | {"master_link_status": "up"}, ""),
        ({"role": "master", "master_link_status": "down"}, ""),
        ({"loading": 1}, "still loading its data from disk"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_should_be(info: Info, said: str) -> None:
    assert [text for _level, text in found(info)] == ([said] if said else [])


def test_connections_that_are_rejected_are_told_while_they_are() -> None:
    assert found({}, rejected_connections=0) == []
    assert found({}, rejected_connections=2) == [(Level.FAILING, "connections rejected")]


def test_commands_have_their_rate_their_failures_and_the_kinds_of_errors() -> None:
    get: dict[str, object] = {"calls": 90, "usec": 900, "usec_per_call": 10.0, "rejected_calls": 1, "failed_calls": 2}
    info: dict[str, object] = {
        "cmdstat_get": get, "cmdstat_ping": {"calls": 3, "usec": 100, "usec_per_call": 33.3},
        "errorstat_WRONGTYPE": {"count": 2}, "errorstat_ERR": {"count": 7}, "db0": {"keys": 5, "expires": 1},
    }  # fmt: skip
    assert dict(_counted(info)) == {"calls get": 90.0, "calls ping": 3.0}
    shown = {each.key: each for each in _tables(info, {"calls get": 20.0}, 10.0)}
    keys = [column.key for column in shown["commands"].columns]
    first, second = (dict(zip(keys, row, strict=True)) for row in shown["commands"].rows)
    assert (first["command"], first["share_percent"], first["calls_s"], first["mean_s"]) == ("get", 90.0, 2.0, 1e-5)
    assert (first["failed"], first["calls"]) == (3.0, 90.0)
    assert (second["calls_s"], second["failed"]) == (None, None), "what is not known is not zero"
    assert shown["errors"].rows == (("ERR", 7.0), ("WRONGTYPE", 2.0))
    assert [each[2] for each in next(iter(_tables(info, {}, None))).rows] == [None, None], "of the first read"


def test_what_was_looked_at_is_told() -> None:
    set_language("en")
    master: dict[str, object] = {"role": "master"}
    assert [str(each) for each in _checked(master)] == ["connections", "rejected connections", "persistence"]
    strict = REPLICA | FULL | {"maxmemory_policy": "noeviction"}
    assert [str(each) for each in _checked(strict)] == [
        "memory", "connections", "rejected connections", "persistence", "replication",
    ]  # fmt: skip


def test_a_queue_of_celery_is_a_list_for_each_priority() -> None:
    assert keys_of("q", (0, 3)) == ["q", "q\x06\x163"]


async def test_a_ca_file_that_others_can_write_is_not_believed(tmp_path: Path) -> None:
    (ca := tmp_path / "ca.pem").write_text("")
    ca.chmod(0o666)
    transport = RedisTransport(Options(address="127.0.0.1", port=1, tls=True, ca_file=str(ca)), None)
    with pytest.raises(NotTrusted, match="because others can change it"):
        await transport.ask(lambda client: client.ping())


def test_an_address_is_shown_with_its_port() -> None:
    shown = [RedisTransport(Options(address=each, port=1), None).where for each in ("redis.example", "::1")]
    assert shown == ["redis.example:1", "[::1]:1"]


def test_each_alarm_of_a_node_of_rabbitmq_is_told() -> None:
    def of(**row: bool) -> list[str]:
        return [str(one.text) for one in _of_nodes([_NodeRow("n", **row)])]

    assert of() == []
    assert of(running=False) == ["node n is not running"]
    assert of(mem_alarm=True) == ["node n: memory alarm, publishers are blocked"]
    assert of(disk_free_alarm=True) == ["node n: disk alarm, publishers are blocked"]


def test_what_a_node_of_rabbitmq_does_not_watch_is_not_known() -> None:
    said = b'[{"name": "n", "mem_used": 5, "disk_free": "disk_free_monitoring_disabled", "uptime": 90000}]'
    table = _node_table(msgspec.json.decode(said, type=list[_NodeRow]))
    (row,) = (dict(zip((column.key for column in table.columns), each, strict=True)) for each in table.rows)
    assert (row["up_s"], row["mem_used"], row["disk_free"], row["mem_limit"]) == (90.0, 5.0, None, None)
