"""PostgreSQL 15 and 17, primary and standby: what is shown equals what psql says."""

from __future__ import annotations

import pytest

from lilfox_tui.backends.kinds import postgresql
from lilfox_tui.backends.model import BackendError
from lilfox_tui.backends.postgresql.queries import MOST_ROWS
from lilfox_tui.backup.postgresql.content import reading_sequences
from lilfox_tui.config.model import Threshold
from lilfox_tui.metrics.model import Level, Series
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_looks import (
    blocked_sessions,
    caught_up_standby,
    connect,
    note,
    one_look,
    opened,
    states,
    states_by_psql,
    table,
    until_quiet,
    wait_for_each_other,
)
from tests.waiting import wait_for

LAG = Series("postgresql_replication_lag_seconds")
LOOKS = 20

pytestmark = pytest.mark.usefixtures("looks_end")


async def test_the_pool_and_who_blocks_whom_are_as_psql_says(postgres: Postgres) -> None:
    until_quiet(postgres)
    idle = [connect(postgres, "idle") for _each in range(2)]
    for session in idle:
        session.autocommit = True
        session.execute("SELECT 1")
    try:
        with blocked_sessions(postgres) as pids:
            reading = await one_look(opened(postgres, blocked_s=Threshold(warn=0.0)))
            assert states(reading) == states_by_psql(postgres) == {"idle": 2, "active": 2, "idle in transaction": 1}
            tree = [(str(row["pid"]), str(row["blocked_by"])) for row in table(reading, "blocking")]
            blockers = dict(
                postgres.csv("SELECT pid, array_to_string(pg_blocking_pids(pid), ' ') FROM pg_stat_activity")
            )
            assert tree == [(f"{'  ' * depth}{pid}", blockers[str(pid)]) for depth, pid in enumerate(pids)]
            locks = [row["lock"] for row in table(reading, "blocking")]
            waited_for = dict(postgres.csv("SELECT pid, mode FROM pg_locks WHERE NOT granted"))
            assert locks[0] is None, "it holds what the others wait for"
            assert [str(lock).split()[0] for lock in locks[1:]] == [waited_for[str(pid)] for pid in pids[1:]]
            assert all(len(str(lock).split()) == 2 for lock in locks[1:])
    finally:
        for session in idle:
            session.close()
    assert reading.values[Series("postgresql_connections_waiting")] == 2
    assert reading.values[Series("postgresql_connections_max")] == 100
    assert reading.values[Series("postgresql_connections_used")] == 5, "without its own"
    assert sum(int(str(row["connections"])) for row in table(reading, "databases")) == 5, "also here"
    assert [str(fact.value) for fact in reading.facts if fact.key == "own_session"] == ["not counted"]
    assert {each.level for each in reading.findings} == {Level.DEGRADED}
    assert f"for a lock held by {pids[0]}" in " ".join(str(each.text) for each in reading.findings)
    line = "  ".join(str(each.text) for each in postgresql.headline(reading.values))
    assert line.startswith("2 active  2 idle  1 idle in transaction  2 waiting  5 of 100 connections")


async def test_slow_statements_are_those_of_psql_and_are_planned_without_being_run(
    postgres: Postgres,
) -> None:
    postgres.csv("SELECT pg_stat_statements_reset()")
    for customer in range(3):
        postgres.csv(f"SELECT count(*) FROM orders WHERE customer = {customer} AND note <> 'x'")
    for own in (f"SELECT coalesce(json_agg(lilfox), '[]') FROM ({reading_sequences([])}) AS lilfox",
                "SELECT json_build_object('oid', 1, 'rows', count(*)) AS lilfox FROM ONLY orders AS t"):  # fmt: skip
        postgres.csv(own)  # as a backup asks
    backend = opened(postgres)
    reading = await backend.read()
    slow = next(row for row in table(reading, "slow_statements") if "FROM orders" in str(row["statement"]))
    asked = postgres.csv(
        "SELECT queryid, calls, total_exec_time / 1000, mean_exec_time / 1000, max_exec_time / 1000, rows"
        " FROM pg_stat_statements WHERE query LIKE '%FROM orders%'"
    )
    names = ("id", "calls", "total_s", "mean_s", "max_s", "rows")
    assert slow["id"] == asked[0][0]
    assert [slow[name] for name in names[1:]] == [pytest.approx(float(value)) for value in asked[0][1:]]
    rows = table(reading, "slow_statements")
    shares = [share for row in rows if isinstance(share := row["share_percent"], int | float)]
    assert len(shares) == len(rows)
    if len(rows) < MOST_ROWS:
        assert sum(shares) == pytest.approx(100), "the share is of all statements of the database"
    assert shares == sorted(shares, reverse=True)
    plan = await backend.explain(str(slow["id"]))
    assert plan.generic
    assert "customer = $1" in plan.statement
    assert "orders" in "\n".join(plan.lines)
    assert "$1" in "\n".join(plan.lines)
    assert postgres.csv("SELECT calls FROM pg_stat_statements WHERE query LIKE 'SELECT count(*) FROM orders%'") == [
        ["3"]
    ]
    statements = [str(row["statement"]) for row in table(await backend.read(), "slow_statements")]
    assert any("count(*) FROM orders" in statement for statement in statements)
    assert not any("lilfox" in statement or "EXPLAIN" in statement for statement in statements)
    with pytest.raises(BackendError, match="no longer in the statistics"):
        await backend.explain("12345")
    await backend.close()


async def test_connections_by_client_are_those_of_psql_and_unknown_states_are_not_none(postgres: Postgres) -> None:
    until_quiet(postgres)
    first, second = connect(postgres, "shop"), connect(postgres, "shop")
    first.execute("SELECT 1")  # and its transaction stays open
    try:
        reading = await one_look(opened(postgres, user="watcher"))
        watcher, states_of = table(reading, "clients"), table(reading, "session_states")
        plain = table(await one_look(opened(postgres, user="plain")), "clients")
    finally:
        first.close()
        second.close()
    shop = next(row for row in watcher if row["application"] == "shop")
    names = ("connections", "active", "idle", "idle_in_transaction", "waiting")
    assert [shop[name] for name in names] == [2, 0, 1, 1, 0]
    assert isinstance(shop["oldest_s"], float), "of the transaction that is open"
    states = {str(row["state"]): row for row in states_of}
    assert (states["idle in transaction"]["sessions"], states["active"]["sessions"]) == (1, 0)
    assert isinstance(states["idle in transaction"]["oldest_s"], float)
    assert not any("lilfox" in str(row["application"]) for row in watcher), "without its own"
    hidden = [row for row in plain if str(row["who"]).startswith(SUPERUSER)]
    assert hidden
    assert all([row[name] for name in names[1:]] == [None] * 4 for row in hidden)


async def test_sessions_that_wait_for_nothing_are_those_of_psql(postgres: Postgres) -> None:
    until_quiet(postgres)
    session = connect(postgres, "shop")
    session.autocommit = True
    session.execute("SELECT 42")
    try:
        rows = table(await one_look(opened(postgres)), "sessions")
        pid = str(session.info.backend_pid)
    finally:
        session.close()
    (row,) = (each for each in rows if each["application"] == "shop")
    assert (row["pid"], row["state"], row["address"], row["statement"]) == (pid, "idle", "127.0.0.1", "SELECT 42")
    assert row["wait"] is None, "for its client"
    assert not any("lilfox" in str(each["application"]) for each in rows), "without its own"


async def test_a_statement_that_cannot_be_planned_says_why_and_leaves_the_session_in_order(postgres: Postgres) -> None:
    postgres.csv("SELECT pg_stat_statements_reset()")
    postgres.csv("CREATE TABLE gone (a int)")
    postgres.csv("INSERT INTO gone VALUES (1)")
    postgres.csv("DROP TABLE gone")
    backend = opened(postgres)
    reading = await backend.read()
    slow = next(row for row in table(reading, "slow_statements") if "INSERT INTO gone" in str(row["statement"]))
    for _time in range(2):
        with pytest.raises(BackendError, match='relation "gone" does not exist'):
            await backend.explain(str(slow["id"]))
    assert (await backend.read()).incomplete is None
    await backend.close()


async def test_a_password_in_a_statement_is_not_shown(postgres: Postgres) -> None:
    postgres.csv("SELECT pg_stat_statements_reset()")
    postgres.csv("ALTER ROLE plain PASSWORD 'a-word-of-plain'")
    kept = postgres.csv("SELECT query FROM pg_stat_statements WHERE query LIKE 'ALTER ROLE%'")[0][0]
    shown = [str(row["statement"]) for row in table(await one_look(opened(postgres)), "slow_statements")]
    assert "a-word" in kept or "$1" in kept
    assert any(text.startswith("ALTER ROLE plain PASSWORD ") for text in shown)
    assert "a-word" not in " ".join(shown)


async def test_indexes_unused_duplicate_and_missing(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    for _time in range(60):
        postgres.csv("SELECT count(*) FROM orders WHERE md5(note) = 'x'")
    postgres.csv("SELECT pg_stat_force_next_flush()")
    wait_for(
        lambda: int(postgres.csv("SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'orders'")[0][0]) > 50,
        what="the scans are counted",
    )
    reading = await one_look(opened(postgres))
    unused = postgres.csv(
        "SELECT indexrelname FROM pg_stat_user_indexes WHERE idx_scan = 0 AND indexrelname <> 'orders_pkey' ORDER BY 1"
    )
    assert "too young to tell" in note(reading, "unused_indexes")
    assert table(reading, "unused_indexes") == []
    monkeypatch.setattr("lilfox_tui.backends.postgresql.inspect.STATISTICS_FROM_S", 0.0)
    reading = await one_look(opened(postgres))
    assert sorted(str(row["name"]) for row in table(reading, "unused_indexes")) == [name for (name,) in unused]
    assert ["orders_note"] in unused
    assert [row["names"] for row in table(reading, "duplicate_indexes")] == ["orders_customer orders_customer_again"]
    missing = table(reading, "missing_indexes")
    asked = postgres.csv("SELECT seq_scan, seq_tup_read, n_live_tup FROM pg_stat_user_tables WHERE relname = 'orders'")
    assert [(row["table"], row["scans"], row["rows_read"], row["rows"]) for row in missing] == [
        ("orders", *map(int, asked[0]))
    ]


async def test_cache_hits_are_those_between_two_looks(postgres: Postgres) -> None:
    backend = opened(postgres)
    assert Series("postgresql_cache_hit_percent") not in (await backend.read()).values

    def counted() -> tuple[int, int]:
        row = postgres.csv("SELECT sum(blks_hit), sum(blks_read) FROM pg_stat_database")[0]
        return int(row[0]), int(row[1])

    postgres.csv("SELECT count(*) FROM orders")
    reading = await backend.read()
    hit = reading.values[Series("postgresql_cache_hit_percent")]
    totals = counted()
    assert 50 < hit <= 100
    assert hit != pytest.approx(100 * totals[0] / sum(totals), abs=1e-9)
    await backend.close()


async def test_a_deadlock_and_an_idle_transaction_are_told(postgres: Postgres) -> None:
    backend = opened(postgres, idle_in_transaction_s=Threshold(warn=0.0))
    counted = "SELECT sum(deadlocks) FROM pg_stat_database"
    before = int(postgres.csv(counted)[0][0])
    await backend.read()
    first, second = connect(postgres, "first"), connect(postgres, "second")
    try:
        first.execute("UPDATE orders SET note = note WHERE id = 1")
        second.execute("UPDATE orders SET note = note WHERE id = 2")
        reading = await backend.read()
        idle = [str(each.text) for each in reading.findings]
        assert len(idle) == 2
        assert f"{first.info.backend_pid} ({SUPERUSER}) has been idle in transaction for" in " ".join(idle)
        wait_for_each_other(postgres, first, second)
    finally:
        first.close()
        second.close()
    wait_for(lambda: int(postgres.csv(counted)[0][0]) == before + 1, what="the deadlock is counted")
    told = [str(each.text) for each in (await backend.read()).findings]
    assert len(told) == 1
    assert told[0].startswith("1 deadlock ")


async def test_a_role_that_may_not_see_others_is_told_to_be_incomplete(postgres: Postgres) -> None:
    until_quiet(postgres)
    other = connect(postgres, "other")
    other.execute("SELECT 1")
    try:
        plain = await one_look(opened(postgres, user="plain"))
        wait_for(lambda: states_by_psql(postgres) == {"idle in transaction": 1}, what="its session is gone")
        for _ in range(100):  # psql itself is seen until its session is gone
            watcher = await one_look(opened(postgres, user="watcher"))
            by_psql_states = states_by_psql(postgres)
            if states(watcher) == by_psql_states:
                break
    finally:
        other.close()
    assert str(plain.incomplete) == (
        "incomplete: plain cannot see other roles' sessions and statements; run GRANT pg_monitor TO plain"
    )
    assert states(plain) == {}
    assert plain.values[Series("postgresql_connections_used")] >= 1
    assert "active" not in " ".join(str(each.text) for each in postgresql.headline(plain.values))
    assert watcher.incomplete is None
    assert states(watcher) == by_psql_states == {"idle in transaction": 1}


async def test_sizes_are_those_of_psql_as_far_as_the_role_may_ask(postgres: Postgres) -> None:
    postgres.csv("CREATE DATABASE closed")
    postgres.csv("REVOKE CONNECT ON DATABASE closed FROM public")
    try:
        watcher = await one_look(opened(postgres, user="watcher"))
        plain = await one_look(opened(postgres, user="plain"))
        (((size,),), ((whole, indexes),)) = (
            postgres.csv("SELECT pg_database_size('closed')"),
            postgres.csv("SELECT pg_table_size('orders') - pg_relation_size('orders', 'fsm')"
                         " - pg_relation_size('orders', 'vm') + pg_indexes_size('orders'), pg_indexes_size('orders')"),
        )  # fmt: skip
    finally:
        postgres.csv("DROP DATABASE closed WITH (FORCE)")
    sizes = [{row["name"]: row["size_bytes"] for row in table(each, "databases")} for each in (watcher, plain)]
    assert sizes[0]["closed"] == float(size)
    assert sizes[1]["closed"] is None, "not 0"
    assert sizes[1]["postgres"] == sizes[0]["postgres"]
    assert plain.incomplete is not None
    assert watcher.incomplete is None
    row = table(watcher, "largest_tables")[0]
    assert (row["name"], row["rows"]) == ("orders", 20_000)
    assert row["size_bytes"] == pytest.approx(float(whole), rel=0.02), "as the planner knows it"
    assert row["index_bytes"] == pytest.approx(float(indexes), rel=0.02)


async def test_extension_and_library_are_told_apart(postgres: Postgres) -> None:
    postgres.csv("CREATE DATABASE bare")
    try:
        bare = await one_look(opened(postgres, database="bare"))
    finally:
        postgres.csv("DROP DATABASE bare WITH (FORCE)")
    assert note(bare, "slow_statements") == (
        "no statement statistics in this database: run CREATE EXTENSION pg_stat_statements in bare"
    )
    assert bare.incomplete is None


async def test_without_the_library_the_extension_alone_counts_nothing() -> None:
    with Postgres() as without:
        before = await one_look(opened(without))
        without.csv("CREATE EXTENSION pg_stat_statements")
        after = await one_look(opened(without))
    assert note(before, "slow_statements").startswith("no statement statistics: set shared_preload_libraries")
    assert note(after, "slow_statements").startswith(
        "no statement statistics: the extension is installed, but its library is not loaded"
    )


async def test_a_standby_its_primary_and_the_slot_between_them(postgres: Postgres) -> None:
    postgres.csv("SELECT pg_create_physical_replication_slot('spare', true)")
    try:
        with caught_up_standby(postgres) as standby:
            primary, follower = await one_look(opened(postgres)), await one_look(opened(standby))
            for _again in range(LOOKS):  # whatever the primary does next is replayed a moment later
                if follower.values[LAG] == 0:
                    break
                follower = await one_look(opened(standby))
            sender = postgres.csv("SELECT application_name, state, sync_state FROM pg_stat_replication")[0]
        facts = {fact.key: fact.value for fact in follower.facts}
        assert str(facts["role"]) == "standby"
        assert (facts["receiver"], facts["lag_s"]) == ("streaming", 0)
        assert follower.values[LAG] == 0
        assert follower.findings == ()
        row = table(primary, "standbys")[0]
        assert [row["name"], row["state"], row["sync_state"]] == sender
        slot = table(primary, "slots")[0]
        assert (slot["name"], slot["active"]) == ("spare", False)
        assert isinstance(slot["retained_bytes"], int | float)
    finally:
        postgres.csv("SELECT pg_drop_replication_slot('spare')")


async def test_a_standby_that_lost_its_primary_says_so() -> None:
    with Postgres() as primary, Postgres(standby_of=primary) as standby:
        primary.stop()
        wait_for(lambda: standby.csv("SELECT count(*) FROM pg_stat_wal_receiver") == [["0"]], what="it is cut off")
        reading = await one_look(opened(standby))
    assert "this standby receives nothing" in str(reading.findings[0].text)
