"""The logs of databases, of Kafka, name servers, PHP and the audit system."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from lilfox_tui.logs.formats import auditd, mysql_slow, redis
from lilfox_tui.logs.record import LogEntry, Severity, load_format, microseconds, recognise, split_records
from tests.unit.logs.formats.examples import EXAMPLES

NOON_US = microseconds(datetime(2026, 1, 1, 12, 34, 56, tzinfo=UTC))


def entries(kind: str) -> list[LogEntry]:
    found = [load_format(kind).parse(raw, UTC, datetime(2026, 12, 31, tzinfo=UTC)) for raw in EXAMPLES[kind]]
    return [entry for entry in found if entry is not None]


@pytest.mark.parametrize(
    ("kind", "severities"),
    [
        ("redis", "NOTICE WARNING DEBUG INFO WARNING NOTICE"),
        ("mongodb", "INFO INFO CRITICAL DEBUG"),
        ("mysql", "INFO WARNING NOTICE ERROR WARNING ERROR WARNING UNKNOWN UNKNOWN"),
        ("auditd", "WARNING INFO WARNING WARNING INFO"),
        ("unbound", "INFO INFO INFO ERROR NOTICE WARNING INFO"),
        ("clickhouse", "INFO ERROR DEBUG WARNING TRACE"),
        ("cassandra", "INFO WARNING ERROR INFO DEBUG"),
        ("kafka", "INFO WARNING ERROR INFO CRITICAL"),
        ("php", "CRITICAL WARNING NOTICE WARNING NOTICE UNKNOWN"),
    ],
)
def test_levels(kind: str, severities: str) -> None:
    assert [entry.severity.name for entry in entries(kind)] == severities.split()
    assert all(entry.time_us is not None for entry in entries(kind))


def test_redis_times_have_the_zone_of_the_source() -> None:
    entry = redis.parse(b"1:M 01 Jan 2026 20:34:56.500 * Ready", ZoneInfo("Asia/Shanghai"))
    assert entry is not None
    assert (entry.time_us, entry.message, entry.fields["role"]) == (NOON_US + 500_000, "Ready", "M")


def test_an_old_redis_tells_no_year() -> None:
    entry = entries("redis")[4]
    assert entry.time_us == microseconds(datetime(2026, 12, 1, 12, 0, 0, 123_000, tzinfo=UTC))


def test_mongodb_slow_and_failed() -> None:
    accepted, slow, failed, _debug = entries("mongodb")
    assert accepted.time_us == NOON_US + 789_000
    assert (slow.response_time_s, slow.logger, slow.message) == (1.25, "COMMAND", "Slow query")
    assert failed.fault is not None
    assert failed.fault.type == "FileNotOpen"


def test_mysql_of_each_version() -> None:
    first, _ca, _ready, _abort, mariadb, innodb, old, query, quit_ = entries("mysql")
    assert (first.logger, first.fields["code"], first.message) == ("InnoDB", "MY-012487", "DDL log recovery : begin")
    assert mariadb.time_us == microseconds(datetime(2026, 1, 1, 5, 13, 12, tzinfo=UTC))
    assert old.time_us == microseconds(datetime(2026, 1, 1, 0, 4, tzinfo=UTC))
    assert innodb.fields["thread"] == 0x7F8B3C
    assert (query.message, query.fields["command"]) == ("SELECT *\nFROM orders", "Query")
    assert quit_.message == "Quit"


SLOW = b"""/usr/sbin/mysqld, Version: 8.0.43 ((Ubuntu)). started with:
Tcp port: 3306  Unix socket: /run/mysqld.sock
Time                 Id Command    Argument
# Time: 2026-01-01T12:34:56.000001Z
# User@Host: shop[shop] @ localhost []  Id:     2
# Query_time: 2.011853  Lock_time: 0.011542 Rows_sent: 268  Rows_examined: 90268
SET timestamp=1767270896;
SELECT 1;
# Time: 2026-01-01T12:34:58.000001Z
# User@Host: root[root] @  [::1]  Id:     3
# Query_time: 0.500000  Lock_time: 0.000000 Rows_sent: 1  Rows_examined: 7
SET timestamp=1767270898;
SELECT 2
FROM t;
"""


def test_a_slow_query_is_one_record() -> None:
    assert recognise(SLOW) == "mysql_slow"
    _head, first, second = (mysql_slow.parse(raw, UTC) for _, raw in split_records(SLOW, load_format("mysql_slow")))
    assert first is not None
    assert second is not None
    assert (first.time_us, first.response_time_s, first.message) == (NOON_US, 2.011853, "SELECT 1;")
    assert (first.fields["Rows_examined"], first.fields["Query_time"], first.fields["user"]) == (
        90268,
        2.011853,
        "shop",
    )
    assert (second.message, second.fields["client"]) == ("SELECT 2\nFROM t;\n".rstrip(), "::1")


def test_slow_queries_of_mariadb() -> None:
    _mysql, mariadb = entries("mysql_slow")
    assert (mariadb.module, mariadb.message) == ("shop", "select count(*) from t;")
    assert (mariadb.fields["Bytes_sent"], mariadb.fields["Thread_id"]) == (64, 36)


def test_audit_records_of_one_event_are_found_by_it() -> None:
    syscall, path, login, denied, _end = entries("auditd")
    assert syscall.fields["event"] == path.fields["event"] == 24287
    assert syscall.time_us == 1_364_481_363_243_000
    assert (syscall.logger, syscall.fields["exe"], syscall.fields["key"]) == ("SYSCALL", "/bin/cat", "sshd_config")
    assert (login.fields["node"], login.fields["acct"], login.fields["res"]) == ("web-1", "tech", "failed")
    assert denied.fields["comm"] == "nginx"


def test_what_is_no_field_of_the_audit_log_is_none() -> None:
    entry = auditd.parse(b"type=X msg=audit(1364481363.243:1): a=1 b c=", UTC)
    assert entry is not None
    assert entry.fields == {"type": "X", "event": 1, "a": "1", "c": ""}


def test_clickhouse_errors_and_durations() -> None:
    _start, failed, read, *_ = entries("clickhouse")
    assert failed.fault is not None
    assert failed.fault.type == "UNKNOWN_TABLE"
    assert (failed.logger, failed.fields["code"]) == ("executeQuery", 60)
    assert (read.response_time_s, read.fields["query_id"]) == (0.125, "q-1")


@pytest.mark.parametrize(
    ("kind", "at", "logger", "fault"),
    [
        ("cassandra", 2, "CassandraDaemon", "OutOfMemoryError"),
        ("kafka", 1, "kafka.controller.RequestSendThread", "IOException"),
        ("kafka", 2, "kafka.server.LogDirFailureChannel", "FileNotFoundException"),
        ("php", 0, "PHP", "RuntimeException"),
    ],
)
def test_a_stack_trace_is_the_records(kind: str, at: int, logger: str, fault: str) -> None:
    entry = entries(kind)[at]
    assert entry.logger == logger
    assert entry.fault is not None
    assert entry.fault.type == fault


def test_kafka_has_its_class_at_the_end_of_a_line() -> None:
    started, *_, values, fatal = entries("kafka")
    assert started.message == "[KafkaServer id=0] started"
    assert started.fields["context"] == "KafkaServer id=0"
    assert values.logger == "kafka.server.KafkaConfig"
    assert fatal.logger == "kafka.server.KafkaServer"


def test_unbound_tells_what_was_asked_and_how_long_it_took() -> None:
    _start, query, reply, *_ = entries("unbound")
    assert (query.fields["client"], query.fields["name"], query.response_time_s) == (
        "203.0.113.9",
        "example.com.",
        None,
    )
    assert (reply.fields["rcode"], reply.response_time_s) == ("NOERROR", 0.012345)


def test_php_tells_where() -> None:
    fatal, warning, _deprecated, pool, *_ = entries("php")
    assert (fatal.fields["file"], fatal.fields["line"]) == ("/srv/www/db.php", 12)
    assert (warning.time_us, warning.module) == (NOON_US - 3_600_000_000 + 1_000_000, "/srv/www/a.php")
    assert pool.fields["pool"] == "www"


def test_laravel_is_read_with_its_stack_trace() -> None:
    block = (
        b'[2026-01-01 12:34:56] local.ERROR: No class {"exception":"[object] (App\\\\Refused(code: 0): no at /a:3)\n'
        b"[stacktrace]\n#0 /srv/a.php(795): Container->build('x')\n#1 {main}\n\"}\n"
        b"[2026-01-01 12:34:57] production.INFO: ok\n"
    )
    kind = recognise(block)
    entries_ = [load_format(kind).parse(raw, UTC) for _, raw in split_records(block, load_format(kind))]
    assert [entry and (entry.time_us, entry.severity, entry.logger) for entry in entries_] == [
        (NOON_US, Severity.ERROR, "local"),
        (NOON_US + 1_000_000, Severity.INFO, "production"),
    ]
    assert entries_[0] is not None
    assert entries_[0].fault is not None
    assert entries_[0].fault.type == "Refused"


def test_mariadb_tells_the_time_of_its_general_log_once_a_second() -> None:
    block = (
        b"Time\t\t    Id Command\tArgument\n261201 21:32:53\t     3 Connect\troot@localhost on  using Socket\n"
        b"\t\t     3 Query\tselect *\nfrom t\n\t\t     3 Quit\t\n"
    )
    log = load_format("mysql")
    head, *others = (log.parse(raw, UTC) for _, raw in split_records(block, log))
    assert head is None
    assert [other and (other.fields["command"], other.message, other.time_us is None) for other in others] == [
        ("Connect", "root@localhost on  using Socket", False),
        ("Query", "select *\nfrom t", True),
        ("Quit", "Quit", True),
    ]


def test_an_empty_value_of_a_slow_query_is_none() -> None:
    raw = (
        b"# User@Host: [root] @ localhost []\n# Thread_id: 3  Schema:   QC_hit: No\n"
        b"# Query_time: 0.000234  Lock_time: 0.000000  Rows_sent: 0  Rows_examined: 0\n"
        b"# Rows_affected: 1  Bytes_sent: 11\nSET timestamp=1767270896;\ncreate database shop;"
    )
    entry = mysql_slow.parse(raw, UTC)
    assert entry is not None
    assert (entry.fields.get("Schema"), entry.fields["QC_hit"], entry.module) == (None, "No", "")
    assert (entry.time_us, entry.message) == (NOON_US, "create database shop;")
