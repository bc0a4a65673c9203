"""Looks at a private PostgreSQL, by LilFox and by psql, and sessions that wait for each other."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from lilfox_tui.backends.kinds import postgresql
from lilfox_tui.backends.kinds.postgresql import Options, PostgresBackend
from lilfox_tui.backends.model import BackendReading, Cell
from lilfox_tui.config.values import Seconds
from lilfox_tui.hosts.base import Host
from tests.services.postgres import SUPERUSER, Postgres
from tests.waiting import wait_for

PRELOADED = "shared_preload_libraries = 'pg_stat_statements'\nwal_level = replica\nautovacuum = off\n"
"""Nobody but a test counts anything up."""
TABLES = """
CREATE TABLE orders (id int PRIMARY KEY, customer int, note text);
INSERT INTO orders SELECT i, i % 100, md5(i::text) FROM generate_series(1, 20000) i;
CREATE INDEX orders_customer ON orders (customer);
CREATE INDEX orders_customer_again ON orders (customer);
CREATE INDEX orders_note ON orders (note);
ANALYZE orders;
CREATE ROLE plain LOGIN;
CREATE ROLE watcher LOGIN PASSWORD 'watcher-secret' IN ROLE pg_monitor;
"""
VERSIONS = [15, 17]
_backends: list[PostgresBackend] = []


@contextlib.contextmanager
def of_version(version: int) -> Iterator[Postgres]:
    """A server with pg_stat_statements and :data:`TABLES`; skips the test where it is not installed."""
    if not Path(f"/usr/lib/postgresql/{version}/bin").exists():
        pytest.skip(f"PostgreSQL {version} is not installed: tests/install_packages")
    with Postgres(PRELOADED, version=version) as running:
        running.csv("CREATE EXTENSION pg_stat_statements")
        running.csv(TABLES)
        yield running


async def close_all() -> None:
    """Ends the sessions of all that :func:`opened` gave, also of tests that failed."""
    while _backends:
        await _backends.pop().close()


def opened(server: Postgres, host: Host | None = None, **changes: object) -> PostgresBackend:
    settings: dict[str, object] = {"port": server.port, "user": SUPERUSER, "tls": "disable", "timeout": Seconds(10)}
    backend = postgresql.open_backend("db", Options(**(settings | changes)), host)  # type: ignore[arg-type]
    _backends.append(backend)
    return backend


def by_psql(server: Postgres, host: Host) -> PostgresBackend:
    return opened(server, host, by="psql", socket=str(server.folder), run_as="postgres" if os.geteuid() == 0 else "")


async def one_look(backend: PostgresBackend) -> BackendReading:
    try:
        return await backend.read()
    finally:
        await backend.close()


def table(reading: BackendReading, key: str) -> list[dict[str, Cell]]:
    found = next((each for each in reading.tables if each.key == key), None)
    if found is None:
        return []
    return [dict(zip((column.key for column in found.columns), row, strict=True)) for row in found.rows]


def note(reading: BackendReading, key: str) -> str:
    return next(str(each.note) for each in reading.tables if each.key == key)


def connect(server: Postgres, application: str) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1", port=server.port, user=SUPERUSER, dbname="postgres", application_name=application,
        sslmode="disable",
    )  # fmt: skip


def states(reading: BackendReading) -> dict[str, float]:
    return {
        series.label("state"): value
        for series, value in reading.values.items()
        if series.name == "postgresql_connections" and value
    }


def states_by_psql(server: Postgres) -> dict[str, float]:
    rows = server.csv(
        "SELECT state, count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        " AND application_name NOT IN ('psql', 'lilfox') GROUP BY 1"
    )
    return {state: float(count) for state, count in rows}


def until_quiet(server: Postgres) -> None:
    """Waits until the server has let go of the sessions of tests before: it notices a moment later."""
    wait_for(lambda: not states_by_psql(server), what="the sessions of other tests are gone")


@contextlib.contextmanager
def blocked_sessions(server: Postgres) -> Iterator[list[int]]:
    """Three sessions, each waiting for the one before; their pids, the holder first."""
    sessions = [connect(server, f"blocked-{place}") for place in range(3)]
    waiting = []
    try:
        sessions[0].execute("UPDATE orders SET note = note WHERE id = 1")
        for session in sessions[1:]:
            thread = threading.Thread(target=update, args=(session, 1))
            thread.start()
            waiting.append(thread)
            wait_for(partial(waits, server, len(waiting)), what="the session waits")
        yield [session.info.backend_pid for session in sessions]
    finally:
        for session in sessions:
            session.cancel()
        for thread in waiting:
            thread.join()
        for session in sessions:
            session.close()


@contextlib.contextmanager
def caught_up_standby(primary: Postgres) -> Iterator[Postgres]:
    """A streaming standby that has replayed all of ``primary``, with one order's update among it."""
    version = int(primary.csv("SHOW server_version_num")[0][0]) // 10000
    with Postgres(version=version, standby_of=primary) as standby:
        sends = "SELECT state FROM pg_stat_replication"
        wait_for(lambda: primary.csv(sends) == [["streaming"]], what="it streams")
        primary.csv("UPDATE orders SET note = note WHERE id = 2")
        caught_up = "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()"
        wait_for(lambda: standby.csv(caught_up) == [["t"]], what="it has replayed all")
        yield standby


def wait_for_each_other(server: Postgres, first: psycopg.Connection, second: psycopg.Connection) -> None:
    """Makes a deadlock, which ends one of the two transactions: ``first`` must hold order 1 and ``second`` order 2."""
    waiting = threading.Thread(target=update, args=(first, 2))
    waiting.start()
    wait_for(partial(waits, server, 1), what="the first waits for the second")
    update(second, 1)
    waiting.join()


def waits(server: Postgres, count: int) -> bool:
    return len(server.csv("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")) == count


def update(session: psycopg.Connection, order: int) -> None:
    """Changes nothing of an order, but waits for whoever holds it; whatever comes of it."""
    with contextlib.suppress(psycopg.Error):
        session.execute("UPDATE orders SET note = note WHERE id = %s", (order,))
