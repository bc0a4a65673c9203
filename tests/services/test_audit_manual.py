"""What an operations manual shows, set up on real servers as it stands there, and what the audit finds of each snippet.
``tests/lab/test_audit_manual.py`` has the snippets that need a host of their own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.model import Report
from lilfox_tui.audit.run import Audit, targets_of
from lilfox_tui.config.loader import load
from lilfox_tui.config.model import ServiceConfig
from tests.services.audit_site import NAME, Authority, Site, audited, resolving, told
from tests.services.manual_snippets import PROMETHEUS, ManualApp, write_sources
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_audit import connect
from tests.services.redis_server import RedisServer
from tests.unit.alerts.manual_rules import MANUAL

SECRET = "Lilfox#2024"
"""Good enough for the manual's rules about passwords, which are all that it says about secrets."""
PROCESSES, POOL_SIZE, OVERFLOW = 3, 10, 20
"""The replicas of the manual's deployment, each with a pool of its own."""
UPLOADS = "/srv/lilfox/public/uploads"
PASSWORD_RULES = "local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n"
"""pg_hba.conf as Debian installs it."""


class Row(NamedTuple):
    """What is found of a snippet, as (target, check, subject), and which checks of it find nothing, and why."""

    found: set[tuple[str, str, str]]
    passed: frozenset[tuple[str, str]] | set[tuple[str, str]] = frozenset()
    why: str = ""


TABLE = {
    "app.get('/api/data'): gzip.compress": Row({("data", "http-compression", "always: application/json")}),
    "FastAPI as it is, on its own port": Row(
        {
            ("shop", "open-api-docs", "/docs"),
            ("shop", "http-no-redirect", "http:PORT"),
            ("data", "http-no-redirect", "http:PORT"),
        },
        why="the manual has no TLS anywhere",
    ),
    "metrics_path: '/metrics'": Row(
        {("shop", "open-metrics", "/metrics")}, {("demo", "scrape-target-down"), ("demo", "service-without-rule")}
    ),
    "JWT_CONFIG": Row(
        {("shop", "jwt-weak-secret", "secret")},
        {
            ("shop", "jwt-lifetime"),
            ("shop", "jwt-none-accepted"),
            ("shop", "jwt-changed-accepted"),
            ("shop", "jwt-expired-accepted"),
        },
        why="30 minutes, and PyJWT is given the algorithm; but nothing says how long SECRET_KEY must be",
    ),
    "validate_password": Row({("shop", "weak-passwords", "/api/sign-up")}),
    "CORSMiddleware": Row(
        set(),
        {("shop", "cors-any-origin"), ("data", "cors-any-origin")},
        why="one origin is named; allow_headers=['*'] gives nothing to other sites. See below for '*' as the origin",
    ),
    "RATE_LIMIT_CONFIG": Row(
        {("shop", "no-rate-limit", "/api/me")}, why="it is a dictionary, which no code of the manual reads"
    ),
    "Fernet(os.getenv('ENCRYPTION_KEY'))": Row(set(), why="a key in the environment is found where it lies: in .env"),
    "text('SELECT … WHERE email = :email')": Row(set(), {("src", "sql-from-strings")}, why="a bound parameter"),
    "server.login('alert@lilfox.com', 'password')": Row(
        set(), {("src", "sql-from-strings")}, why="a placeholder; of source code, only SQL is judged"
    ),
    "QueuePool: pool_size=10, max_overflow=20": Row(
        {("database", "postgresql-pool-size", "max_connections")},
        {("database", "postgresql-connection-leak"), ("database", "postgresql-no-pooler")},
        why="pre_ping and recycle are right, but three processes use 90 of 97 connections",
    ),
    "create_engine(DATABASE_URL) on a server as it is installed": Row(
        {
            ("database", "postgresql-timeouts", "idle_in_transaction_session_timeout"),
            ("database", "postgresql-timeouts", "lock_timeout"),
            ("database", "postgresql-timeouts", "statement_timeout"),
        },
        {("database", "postgresql-durability"), ("database", "postgresql-hba-trust")},
        why="the manual sets nothing in postgresql.conf",
    ),
    "redis.Redis(host='localhost'), cache_result": Row(
        {("cache", "redis-no-maxmemory", "maxmemory"), ("cache", "redis-dangerous-commands", "default")},
        {("cache", "redis-no-password"), ("cache", "redis-evictions")},
        why="without a password, but on loopback only; nothing limits the cache or what the application may run",
    ),
    "lilfox_alerts": Row(
        {
            ("demo", "alert-without-runbook", "HighCPUUsage"),
            ("demo", "backend-without-rule", "cache"),
            ("demo", "backend-without-rule", "database"),
            ("demo", "no-dead-mans-switch", "heartbeat"),
        },
        {("demo", "rule-without-series"), ("demo", "host-without-rule")},
        why="LilFox gives cpu_usage_percent and memory_usage_percent, which no exporter does",
    ),
    "backup_db.sh, backup.sh": Row(
        {("demo", "data-without-backup", "database"), ("demo", "data-without-backup", UPLOADS)},
        why="the scripts are no plan: nothing proves what they made, and it is on the disk of the data",
    ),
}


@pytest.fixture(autouse=True)
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with resolving(NAME):
        yield


@pytest.fixture
async def app() -> AsyncIterator[ManualApp]:
    made = ManualApp(SECRET)
    async with made.running():
        yield made


@pytest.fixture
def database() -> Iterator[Postgres]:
    """With the sessions of the applications: those that a pool keeps, and those under way."""
    with Postgres("fsync = on\n") as server, ExitStack() as opened:
        server.csv(f"CREATE ROLE lilfox LOGIN PASSWORD '{SECRET}'")
        server.csv(f"ALTER ROLE {SUPERUSER} PASSWORD '{SECRET}'")
        server.csv("CREATE DATABASE lilfox OWNER lilfox")
        for number in range(PROCESSES * (POOL_SIZE + OVERFLOW)):
            session = opened.enter_context(connect(server, user="lilfox", dbname="lilfox"))
            session.autocommit = number < PROCESSES * POOL_SIZE
            session.execute("SELECT 1")
        (server.folder / "data/pg_hba.conf").write_text(PASSWORD_RULES)
        server.reload()
        yield server


@pytest.fixture
def cache() -> Iterator[RedisServer]:
    with RedisServer("--requirepass", "") as server:
        yield server


@pytest.fixture
def config(
    tmp_path: Path, app: ManualApp, database: Postgres, cache: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A configuration of all that was set up."""
    address = app.url.removeprefix("http://127.0.0.1")
    for name, value in {"TOKEN": app.token(), "SECRET": SECRET}.items():
        monkeypatch.setenv(f"LILFOX_TEST_{name}", value)
    write_sources(tmp_path / "src")
    (tmp_path / "rules.yml").write_text(MANUAL)
    ports = {":8080": address, ":8000": address, ":8001": address}
    scraped = PROMETHEUS
    for port, here in ports.items():
        scraped = scraped.replace(port, here)
    (tmp_path / "prometheus.yml").write_text(scraped)
    postgresql = {"kind": "postgresql", "port": database.port, "user": SUPERUSER, "database": "lilfox"}
    account = {"token": "env:LILFOX_TEST_TOKEN", "secret": "env:LILFOX_TEST_SECRET", "route": "/api/me", "limit": 60}
    document = {
        "name": "demo",
        "hosts": {"here": {"local": True}},
        "services": {
            "shop": {"url": f"http://{NAME}{address}", "timeout": "10s"},
            "data": {"url": f"http://{NAME}{address}/api/data", "health": "/", "metrics": None, "timeout": "10s"},
        },
        "backends": {
            "database": {**postgresql, "password": "env:LILFOX_TEST_SECRET"},
            "cache": {"kind": "redis", "port": cache.port},
        },
        "prometheus_config": "prometheus.yml",
        "rules": ["rules.yml"],
        "audit": {
            "source": "src",
            "folders": [UPLOADS],
            "services": {"shop": {**account, "sign_up": {"path": "/api/sign-up"}}},
        },
    }
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(document))
    file.chmod(0o600)
    return file


async def everything(file: Path) -> Report:
    """The report of all checks, without those on hosts: the only one is the machine that the test runs on."""
    config = load(file).config
    targets = {kind: named for kind, named in targets_of(config).items() if kind != "host"}
    return await Audit(config, file, timeout_s=60, active=True).run(chosen([]), targets)


async def test_each_snippet_is_found_for_what_it_is(config: Path, app: ManualApp) -> None:
    report = await everything(config)
    assert [(each.check.id, str(each.reason)) for each in report.not_checked] == []
    port = app.url.rpartition(":")[2]
    found = {(each.target.name, each.check.id, each.finding.subject.replace(port, "PORT")) for each in report.found}
    assert found == set().union(*(row.found for row in TABLE.values()))
    passed = {(each.target.name, each.check.id) for each in report.passed}
    assert {name: row.passed - passed for name, row in TABLE.items() if not row.passed <= passed} == {}
    evidence = "".join(str(each.finding.evidence) for each in report.found)
    assert SECRET not in evidence


async def test_an_origin_of_the_manual_that_is_replaced_by_an_asterisk(app: ManualApp) -> None:
    """As answers on the web say when a browser complains: with allow_credentials, any site reads the answers."""
    app.code.app.cors["allow_origins"] = ["*"]
    found = told(await audited(ServiceConfig(url=app.url), "cors-any-origin"))
    assert list(found) == [("cors-any-origin", "any")]


async def test_nginx_with_gzip_before_the_route_compresses_nothing_twice(app: ManualApp, tmp_path: Path) -> None:
    """It leaves alone what has a Content-Encoding; what is wrong with the route stays, and its fix mends it."""
    site = Site(tmp_path / "site", Authority(tmp_path / "authority"), tls=False)
    site.locations["/"] = f"proxy_pass {app.url}/api/data;"
    with site.running():
        found = told(await site.audited("http-compression"))
    assert list(found) == [("http-compression", "always: application/json")]
    site.apply(found["http-compression", "always: application/json"].fix)
    with site.running():
        after = await site.audited("http-compression")
    assert (told(after), after.not_checked) == ({}, ())
