"""PostgreSQL 15 and 17, primary and standby: what is shown equals what psql says."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest

from lilfox_tui.backends.backend import BackendError
from lilfox_tui.backends.kinds import postgresql
from lilfox_tui.backends.kinds.postgresql import Options, PostgreSql
from lilfox_tui.backends.model import Cell, Reading
from lilfox_tui.backends.postgresql.session import Refused, Step
from lilfox_tui.config.model import HostConfig, Seconds, SecretRef, SshConfig, Threshold
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from lilfox_tui.metrics.model import Level, Series
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.sshd import SshdLab, sshd_lab
from tests.waiting import wait_for

PRELOADED = "shared_preload_libraries = 'pg_stat_statements'\nwal_level = replica\n"
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
_backends: list[PostgreSql] = []


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    if not Path(f"/usr/lib/postgresql/{request.param}/bin").exists():
        pytest.skip(f"PostgreSQL {request.param} is not installed: tests/install_packages")
    with Postgres(PRELOADED, version=request.param) as running:
        running.csv("CREATE EXTENSION pg_stat_statements")
        running.csv(TABLES)
        yield running


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    """No session is left for the next test, also when one fails."""
    yield
    while _backends:
        await _backends.pop().close()


@pytest.fixture
def lab() -> Iterator[SshdLab]:
    with sshd_lab() as made:
        yield made


def opened(server: Postgres, host: Host | None = None, **changes: object) -> PostgreSql:
    settings: dict[str, object] = {"port": server.port, "user": SUPERUSER, "tls": "disable", "timeout": Seconds(10)}
    backend = postgresql.open_backend("db", Options(**(settings | changes)), host)  # type: ignore[arg-type]
    _backends.append(backend)
    return backend


def by_psql(server: Postgres, host: Host) -> PostgreSql:
    return opened(server, host, by="psql", socket=str(server.folder), run_as="postgres" if os.geteuid() == 0 else "")


async def one_look(backend: PostgreSql) -> Reading:
    try:
        return await backend.read()
    finally:
        await backend.close()


def table(reading: Reading, key: str) -> list[dict[str, Cell]]:
    found = next((each for each in reading.tables if each.key == key), None)
    if found is None:
        return []
    return [dict(zip((column.key for column in found.columns), row, strict=True)) for row in found.rows]


def note(reading: Reading, key: str) -> str:
    return next(str(each.note) for each in reading.tables if each.key == key)


def connect(server: Postgres, application: str) -> psycopg.Connection:
    return psycopg.connect(
        host="127.0.0.1", port=server.port, user=SUPERUSER, dbname="postgres", application_name=application,
        sslmode="disable",
    )  # fmt: skip


def states(reading: Reading) -> dict[str, float]:
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


@contextlib.contextmanager
def blocked_sessions(server: Postgres) -> Iterator[list[int]]:
    """Three sessions, each waiting for the one before; their pids, the holder first."""
    sessions = [connect(server, f"blocked-{place}") for place in range(3)]
    waiting = []
    try:
        sessions[0].execute("UPDATE orders SET note = note WHERE id = 1")
        for session in sessions[1:]:
            thread = threading.Thread(target=_update, args=(session,))
            thread.start()
            waiting.append(thread)
            wait_for(partial(_waits, server, len(waiting)), what="the session waits")
        yield [session.info.backend_pid for session in sessions]
    finally:
        for session in sessions:
            session.cancel()
        for thread in waiting:
            thread.join()
        for session in sessions:
            session.close()


def _waits(server: Postgres, count: int) -> bool:
    return len(server.csv("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'")) == count


def _update(session: psycopg.Connection) -> None:
    with contextlib.suppress(psycopg.Error):
        session.execute("UPDATE orders SET note = note WHERE id = 1")


async def test_the_pool_and_who_blocks_whom_are_as_psql_says(server: Postgres) -> None:
    idle = [connect(server, "idle") for _each in range(2)]
    for session in idle:
        session.autocommit = True
        session.execute("SELECT 1")
    try:
        with blocked_sessions(server) as pids:
            reading = await one_look(opened(server, blocked_s=Threshold(warn=0.0)))
            assert states(reading) == states_by_psql(server) == {"idle": 2, "active": 2, "idle in transaction": 1}
            tree = [(str(row["pid"]), str(row["blocked_by"])) for row in table(reading, "blocking")]
            blockers = dict(server.csv("SELECT pid, array_to_string(pg_blocking_pids(pid), ' ') FROM pg_stat_activity"))
            assert tree == [(f"{'  ' * depth}{pid}", blockers[str(pid)]) for depth, pid in enumerate(pids)]
    finally:
        for session in idle:
            session.close()
    assert reading.values[Series("postgresql_connections_waiting")] == 2
    assert reading.values[Series("postgresql_connections_max")] == 100
    assert reading.values[Series("postgresql_connections_used")] == 6
    assert {each.level for each in reading.findings} == {Level.DEGRADED}
    assert f"waits for a lock of {pids[0]}" in " ".join(str(each.text) for each in reading.findings)
    line = "  ".join(str(each.text) for each in postgresql.headline(reading.values))
    assert line.startswith("2 active  2 idle  1 idle in transaction  2 waiting  6/100")


async def test_slow_statements_are_those_of_psql_and_their_plan_is_made_without_running_them(server: Postgres) -> None:
    server.csv("SELECT pg_stat_statements_reset()")
    for customer in range(3):
        server.csv(f"SELECT count(*) FROM orders WHERE customer = {customer} AND note <> 'x'")
    backend = opened(server)
    reading = await backend.read()
    slow = next(row for row in table(reading, "slow_statements") if "FROM orders" in str(row["statement"]))
    asked = server.csv(
        "SELECT queryid, calls, total_exec_time / 1000, mean_exec_time / 1000, max_exec_time / 1000, rows"
        " FROM pg_stat_statements WHERE query LIKE '%FROM orders%'"
    )
    names = ("id", "calls", "total_s", "mean_s", "max_s", "rows")
    assert slow["id"] == asked[0][0]
    assert [slow[name] for name in names[1:]] == [pytest.approx(float(value)) for value in asked[0][1:]]
    plan = await backend.explain(str(slow["id"]))
    assert plan.generic
    assert "customer = $1" in plan.statement
    assert "orders" in "\n".join(plan.lines)
    assert "$1" in "\n".join(plan.lines)
    assert server.csv("SELECT calls FROM pg_stat_statements WHERE query LIKE 'SELECT count(*) FROM orders%'") == [["3"]]
    statements = [str(row["statement"]) for row in table(await backend.read(), "slow_statements")]
    assert any("count(*) FROM orders" in statement for statement in statements)
    assert not any("lilfox" in statement or "EXPLAIN" in statement for statement in statements)
    with pytest.raises(BackendError, match="no longer among"):
        await backend.explain("12345")
    await backend.close()


async def test_a_statement_that_cannot_be_planned_says_why_and_leaves_the_session_in_order(server: Postgres) -> None:
    server.csv("SELECT pg_stat_statements_reset()")
    server.csv("CREATE TABLE gone (a int)")
    server.csv("INSERT INTO gone VALUES (1)")
    server.csv("DROP TABLE gone")
    backend = opened(server)
    reading = await backend.read()
    slow = next(row for row in table(reading, "slow_statements") if "INSERT INTO gone" in str(row["statement"]))
    for _time in range(2):
        with pytest.raises(BackendError, match='relation "gone" does not exist'):
            await backend.explain(str(slow["id"]))
    assert (await backend.read()).incomplete is None
    await backend.close()


async def test_a_password_in_a_statement_is_not_shown(server: Postgres) -> None:
    server.csv("SELECT pg_stat_statements_reset()")
    server.csv("ALTER ROLE plain PASSWORD 'a-word-of-plain'")
    kept = server.csv("SELECT query FROM pg_stat_statements WHERE query LIKE 'ALTER ROLE%'")[0][0]
    shown = [str(row["statement"]) for row in table(await one_look(opened(server)), "slow_statements")]
    assert "a-word" in kept or "$1" in kept
    assert any(text.startswith("ALTER ROLE plain PASSWORD ") for text in shown)
    assert "a-word" not in " ".join(shown)


async def test_indexes_unused_duplicate_and_missing(server: Postgres) -> None:
    for _time in range(60):
        server.csv("SELECT count(*) FROM orders WHERE md5(note) = 'x'")
    server.csv("SELECT pg_stat_force_next_flush()")
    wait_for(
        lambda: int(server.csv("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'orders'")[0][0]) > 50,
        what="the scans are counted",
    )
    reading = await one_look(opened(server))
    unused = server.csv(
        "SELECT indexrelname FROM pg_stat_user_indexes WHERE idx_scan = 0 AND indexrelname <> 'orders_pkey' ORDER BY 1"
    )
    assert sorted(str(row["name"]) for row in table(reading, "unused_indexes")) == [name for (name,) in unused]
    assert ["orders_note"] in unused
    assert [row["names"] for row in table(reading, "duplicate_indexes")] == ["orders_customer orders_customer_again"]
    missing = table(reading, "missing_indexes")
    asked = server.csv("SELECT seq_scan, seq_tup_read, n_live_tup FROM pg_stat_user_tables WHERE relname = 'orders'")
    assert [(row["table"], row["scans"], row["rows_read"], row["rows"]) for row in missing] == [
        ("orders", *map(int, asked[0]))
    ]


async def test_cache_hits_are_those_between_two_looks(server: Postgres) -> None:
    backend = opened(server)
    assert Series("postgresql_cache_hit_percent") not in (await backend.read()).values

    def counted() -> tuple[int, int]:
        row = server.csv("SELECT sum(blks_hit), sum(blks_read) FROM pg_stat_database")[0]
        return int(row[0]), int(row[1])

    server.csv("SELECT count(*) FROM orders")
    reading = await backend.read()
    hit = reading.values[Series("postgresql_cache_hit_percent")]
    totals = counted()
    assert 50 < hit <= 100
    assert hit != pytest.approx(100 * totals[0] / sum(totals), abs=1e-9)
    await backend.close()


async def test_a_role_that_may_not_see_others_is_told_to_be_incomplete(server: Postgres) -> None:
    other = connect(server, "other")
    other.execute("SELECT 1")
    try:
        plain = await one_look(opened(server, user="plain"))
        watcher = await one_look(opened(server, user="watcher"))
        by_psql_states = states_by_psql(server)
    finally:
        other.close()
    assert str(plain.incomplete) == (
        "incomplete: plain may not see the sessions and statements of others; GRANT pg_monitor TO plain"
    )
    assert states(plain) == {}
    assert plain.values[Series("postgresql_connections_used")] >= 2
    assert "active" not in " ".join(str(each.text) for each in postgresql.headline(plain.values))
    assert watcher.incomplete is None
    assert states(watcher) == by_psql_states == {"idle in transaction": 1}


async def test_extension_and_library_are_told_apart(server: Postgres) -> None:
    server.csv("CREATE DATABASE bare")
    try:
        bare = await one_look(opened(server, database="bare"))
    finally:
        server.csv("DROP DATABASE bare WITH (FORCE)")
    assert note(bare, "slow_statements") == (
        "not counted in this database: run CREATE EXTENSION pg_stat_statements in bare"
    )
    assert bare.incomplete is None


async def test_without_the_library_the_extension_alone_counts_nothing() -> None:
    with Postgres() as without:
        before = await one_look(opened(without))
        without.csv("CREATE EXTENSION pg_stat_statements")
        after = await one_look(opened(without))
    assert note(before, "slow_statements").startswith("not counted: set shared_preload_libraries")
    assert note(after, "slow_statements").startswith("not counted: the extension is there, its library is not loaded")


async def test_our_session_changes_nothing_waits_for_nobody_and_has_a_name(server: Postgres) -> None:
    backend = opened(server, timeout=Seconds(3))
    steps = [
        Step("SELECT current_setting('application_name')"),
        Step("SELECT current_setting('statement_timeout')"),
        Step("CREATE TABLE ours (a int)"),
        Step("SELECT 'still there'"),
    ]
    name, timeout, made, after = await backend._session.run(steps)
    assert (name, timeout, after) == (("lilfox",), ("3s",), ("still there",))
    assert isinstance(made, Refused)
    assert made.sqlstate == "25006"
    assert server.csv("SELECT to_regclass('ours') IS NULL") == [["t"]]
    await backend.close()


async def test_psql_on_the_host_gives_the_same_as_the_driver(server: Postgres) -> None:
    here = open_host("here", HostConfig(local=True), SshConfig())
    try:
        with blocked_sessions(server) as pids:
            over_psql = by_psql(server, here)
            reading = await over_psql.read()
            direct = await one_look(opened(server))
            assert states(reading) == states(direct) == {"active": 2, "idle in transaction": 1}
            assert [str(row["pid"]).strip() for row in table(reading, "blocking")] == [str(pid) for pid in pids]
        assert [(fact.key, fact.value) for fact in reading.facts if fact.key in ("version", "user")] == [
            ("version", server.csv("SHOW server_version")[0][0]),
            ("user", SUPERUSER),
        ]
        server.csv("SELECT pg_stat_statements_reset()")
        server.csv("SELECT note FROM orders WHERE id = 7")
        slow = next(
            row for row in table(await over_psql.read(), "slow_statements") if "id = $1" in str(row["statement"])
        )
        plan = await over_psql.explain(str(slow["id"]))
        assert plan.generic
        assert "Index Scan using orders_pkey on orders" in plan.lines[0]
    finally:
        await here.close()


async def test_what_a_statement_holds_is_never_run_by_psql(server: Postgres, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    server.csv("SELECT pg_stat_statements_reset()")
    server.csv(f"SELECT 1 /* ;\n\\! touch {mark}\n@@LILFOX-END@@ 0 00000 */, 'a,\"b\"'")
    here = open_host("here", HostConfig(local=True), SshConfig())
    try:
        backend = by_psql(server, here)
        rows = table(await backend.read(), "slow_statements")
        slow = next(row for row in rows if "LILFOX-END" in str(row["statement"]))
        with pytest.raises(BackendError, match="holds a ;"):
            await backend.explain(str(slow["id"]))
    finally:
        await here.close()
    assert not mark.exists()


@pytest.mark.parametrize("way", ["driver", "psql"])
async def test_over_ssh(lab: SshdLab, way: str) -> None:
    with Postgres(PRELOADED) as remote:
        host = open_host("db-1", lab.host(lab.sshd(), sudo=True), lab.ssh())
        try:
            backend = opened(remote, host) if way == "driver" else by_psql(remote, host)
            reading = await one_look(backend)
            assert reading.values[Series("postgresql_connections_max")] == 100
            assert states(reading) == states_by_psql(remote) == {}
        finally:
            await host.close()


async def test_a_standby_its_primary_and_the_slot_between_them(server: Postgres) -> None:
    server.csv("SELECT pg_create_physical_replication_slot('spare', true)")
    version = int(server.csv("SHOW server_version_num")[0][0]) // 10000
    try:
        with Postgres(version=version, standby_of=server) as standby:
            wait_for(lambda: server.csv("SELECT state FROM pg_stat_replication") == [["streaming"]], what="it streams")
            server.csv("UPDATE orders SET note = note WHERE id = 2")
            caught_up = "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()"
            wait_for(lambda: standby.csv(caught_up) == [["t"]], what="it has replayed all")
            primary, follower = await one_look(opened(server)), await one_look(opened(standby))
            sender = server.csv("SELECT application_name, state, sync_state FROM pg_stat_replication")[0]
        facts = {fact.key: fact.value for fact in follower.facts}
        assert str(facts["role"]) == "standby"
        assert (facts["receiver"], facts["lag_s"]) == ("streaming", 0)
        assert follower.values[Series("postgresql_replication_lag_seconds")] == 0
        assert follower.findings == ()
        row = table(primary, "standbys")[0]
        assert [row["name"], row["state"], row["sync_state"]] == sender
        slot = table(primary, "slots")[0]
        assert (slot["name"], slot["active"]) == ("spare", False)
        assert isinstance(slot["retained_bytes"], int | float)
    finally:
        server.csv("SELECT pg_drop_replication_slot('spare')")


async def test_a_standby_that_lost_its_primary_says_so() -> None:
    with Postgres() as primary, Postgres(standby_of=primary) as standby:
        primary.stop()
        wait_for(lambda: standby.csv("SELECT count(*) FROM pg_stat_wal_receiver") == [["0"]], what="it is cut off")
        reading = await one_look(opened(standby))
    assert "this standby receives nothing" in str(reading.findings[0].text)


async def test_an_outage_is_told_and_the_next_look_connects_anew() -> None:
    with Postgres() as running:
        backend = opened(running)
        await backend.read()
        running.stop()
        with pytest.raises(BackendError):
            await backend.read()
        with pytest.raises(BackendError, match=f"127.0.0.1:{running.port}: Connection refused") as refused:
            await backend.read()
        assert str(refused.value.hint) == "Nothing listens there: is the server running?"
        running.start()
        assert (await backend.read()).values[Series("postgresql_connections_used")] == 1
        await backend.close()


async def test_a_wrong_password_is_told_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with Postgres() as running:
        running.csv(TABLES)
        hba = running.folder / "data" / "pg_hba.conf"
        hba.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        if os.geteuid() == 0:
            shutil.chown(hba, "postgres", "postgres")
        running.csv("SELECT pg_reload_conf()")
        monkeypatch.setenv("RIGHT", "watcher-secret")
        monkeypatch.setenv("WRONG", "guessed-secret")
        good = await one_look(opened(running, user="watcher", password=SecretRef("env:RIGHT")))
        assert good.incomplete is None
        with pytest.raises(BackendError, match="password authentication failed") as refused:
            await one_look(opened(running, user="watcher", password=SecretRef("env:WRONG")))
        told = f"{refused.value} {refused.value.hint} {refused.value!r}"
        assert "guessed" not in told
        assert "pg_hba.conf" in told


async def test_a_server_that_does_not_answer_is_given_up_in_time() -> None:
    with Postgres() as running:
        backend = opened(running, timeout=Seconds(0.5))
        await backend.read()
        with pytest.raises(BackendError, match=r"no answer from 127.0.0.1:\d+ within 0.5 s"):
            await backend._session.run([Step("SET statement_timeout = 0"), Step("SELECT pg_sleep(30)")])
        assert (await backend.read()).incomplete is None
        await backend.close()
