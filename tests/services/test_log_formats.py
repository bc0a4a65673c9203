"""What real programs write is recognised and read whole: PostgreSQL's three logs, nginx's two, the journal's export."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lilfox_tui.logs.record import LogEntry, Severity, load_format, recognise, split_records
from tests.services.nginx import Nginx
from tests.services.postgres import Postgres
from tests.services.redis_server import RedisServer
from tests.waiting import wait_for

PREFIXES = {"debian": "%m [%p] %q%u@%d ", "pgbadger": "%t [%p]: [%l-1] user=%u,db=%d,app=%a,client=%h ", "short": "%t "}
COLLECTOR = """
logging_collector = on
log_directory = '..'
log_filename = 'collected.log'
log_destination = 'stderr,csvlog{jsonlog}'
log_line_prefix = '{prefix}'
"""


def read(log: Path) -> tuple[str, list[LogEntry]]:
    """The kind of ``log``, and its records, all of which must be of it."""
    block = log.read_bytes()
    kind = recognise(block)
    format_ = load_format(kind)
    entries = [(raw, format_.parse(raw, UTC)) for _, raw in split_records(block, format_)]
    assert [raw for raw, entry in entries if entry is None] == []
    found = [entry for _, entry in entries if entry is not None]
    now_us = time.time() * 1_000_000
    assert all(entry.time_us is not None and abs(now_us - entry.time_us) < 300_000_000 for entry in found)
    return kind, found


@pytest.mark.parametrize("prefix", PREFIXES.values(), ids=PREFIXES)
def test_postgresql(prefix: str) -> None:
    with Postgres() as probe:
        version = int(probe.query("SHOW server_version_num").stdout.split()[2])
    jsonlog = ",jsonlog" if version >= 150000 else ""
    with Postgres(COLLECTOR.format(prefix=prefix, jsonlog=jsonlog)) as server:
        server.query("SELECT * FROM nosuch\nWHERE x = 'ERROR:  y'")
        server.query("DO $$ BEGIN RAISE EXCEPTION E'a\\nb' USING DETAIL = 'd', HINT = 'h'; END $$")
        server.query("SELECT 42")
        logs = [server.folder / f"collected.{end}" for end in ("log", "csv", *(["json"] if jsonlog else []))]
        wait_for(lambda: all(b"SELECT 42" in log.read_bytes() for log in logs), what="all is logged")
        read_logs = dict(read(log) for log in logs)
    assert list(read_logs) == ["postgresql", "postgresql_csv", "postgresql_json"][: len(logs)]
    for kind, entries in read_logs.items():
        nosuch, raised = (entry for entry in entries if entry.severity is Severity.ERROR)
        assert nosuch.message.startswith('relation "nosuch" does not exist')
        assert nosuch.fields["statement"] == "SELECT * FROM nosuch\nWHERE x = 'ERROR:  y'"
        assert (raised.message, raised.fields["detail"], raised.fields["hint"]) == ("a\nb", "d", "h")
        timed = [entry.response_time_s for entry in entries if "SELECT 42" in entry.message]
        assert len(timed) == 1, kind
        assert timed[0] is not None
        assert 0 < timed[0] < 60


def test_nginx(tmp_path: Path) -> None:
    with Nginx(tmp_path / "nginx") as server:
        assert [server.get(path) for path in ("/?a=1", "/broken/42")] == [200, 503]
        assert server.get("/files/none") in (403, 404)  # by whom the tests are run
        wait_for(lambda: server.access_log.read_bytes().count(b"\n") == 3, what="all is logged")
        kind, requests = read(server.access_log)
        assert kind == "access"
        assert [request.module for request in requests] == ["/", "/broken/{id}", "/files/none"]
        assert [request.severity for request in requests] == [Severity.INFO, Severity.ERROR, Severity.WARNING]
        assert all(request.response_time_s is not None for request in requests)
        kind, faults = read(server.error_log)
    assert kind == "nginx_error"
    (missing,) = (fault for fault in faults if fault.severity is Severity.ERROR)
    assert missing.message.startswith("open() ")
    assert missing.fields["request"] == "GET /files/none HTTP/1.1"


def test_redis(tmp_path: Path) -> None:
    log = tmp_path / "redis.log"
    with RedisServer("--logfile", str(log), "--loglevel", "debug", "--enable-debug-command", "local") as server:
        server.cli("DEBUG", "LOG", "it works")
        server.cli("BGSAVE")
        wait_for(lambda: b"terminated with success" in log.read_bytes(), what="all is logged")
        kind, entries = read(log)
    assert kind == "redis"
    assert {entry.fields["role"] for entry in entries} == {"C", "M"}
    assert {entry.severity for entry in entries} >= {Severity.NOTICE, Severity.INFO}
    assert any("it works" in entry.message for entry in entries)


LAYOUTS = (
    "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
    "%(asctime)s %(levelname)s %(name)s: %(message)s",
    "%(asctime)s [%(levelname)s] %(name)s: %(message)s",
    "%(asctime)s %(levelname)-8s [%(name)s] %(message)s",
    "[%(asctime)s] %(levelname)s in %(name)s: %(message)s",
    "%(asctime)s | %(levelname)s | %(name)s | %(message)s",
    "%(levelname)s:%(name)s:%(message)s",
)


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    made = logging.Logger("lilfox.users")
    yield made
    for handler in made.handlers:
        handler.close()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pythons_logging(logger: logging.Logger, layout: str, tmp_path: Path) -> None:
    handler = logging.FileHandler(tmp_path / "log", encoding="utf-8")
    handler.setFormatter(logging.Formatter(layout))
    logger.addHandler(handler)
    logger.info("started: all is well")
    try:
        os.environ["LILFOX_NO_SUCH_NAME"]
    except KeyError:
        logger.exception("it failed")
    block = (tmp_path / "log").read_bytes()
    kind = recognise(block)
    assert kind == "console"
    format_ = load_format(kind)
    entries = [format_.parse(raw, UTC) for _, raw in split_records(block, format_)]
    assert [entry and (entry.severity, entry.logger) for entry in entries] == [
        (Severity.INFO, "lilfox.users"),
        (Severity.ERROR, "lilfox.users"),
    ]
    started, failed = entries
    assert started is not None
    assert started.message == "started: all is well"
    assert failed is not None
    assert failed.fault is not None
    assert failed.fault.type == "KeyError"
    assert failed.fault.text.startswith("Traceback")


@pytest.mark.parametrize("layout", ["--rfc3164", "--rfc5424"])
def test_syslog_of_logger(layout: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        argv = ["logger", "--udp", "--server", "127.0.0.1", "--port", str(receiver.getsockname()[1]), layout]
        subprocess.run([*argv, "--priority", "user.err", "--tag", "lilfox", "it failed"], check=True, timeout=60)
        raw = receiver.recv(65536)
    assert recognise(raw + b"\n") == "syslog"
    entry = load_format("syslog").parse(raw, datetime.now().astimezone().tzinfo or UTC)
    assert entry is not None
    assert (entry.message, entry.severity, entry.logger) == ("it failed", Severity.ERROR, "lilfox")
    assert entry.time_us is not None
    assert abs(time.time() - entry.time_us / 1_000_000) < 300
