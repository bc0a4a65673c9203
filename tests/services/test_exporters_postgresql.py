"""PostgreSQL 15 and 17 beside prometheus-postgres-exporter: psql, the exporter's page as LilFox scrapes and asks it,
and LilFox' own look give the same numbers.

The exporter keeps one session, and has a second one while it is scraped: its own page counts both as active. They bear
its application_name, so that they are told apart and not guessed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import pytest

from lilfox_tui.backends.model import BackendReading
from lilfox_tui.metrics.model import Series
from tests.services.exporters import OF_POSTGRES, Scraped, at_a_standstill, of_postgres, scraped
from tests.services.postgres import Postgres
from tests.services.postgres_looks import (
    blocked_sessions,
    caught_up_standby,
    connect,
    one_look,
    opened,
    states,
    states_by_psql,
    table,
    until_quiet,
    wait_for_each_other,
)
from tests.waiting import wait_for

pytestmark = pytest.mark.usefixtures("looks_end")
Rows: TypeAlias = list[list[str]]
OTHERS = f'pg_stat_activity_count{{backend_type="client backend", application_name!="{OF_POSTGRES}"}}'


@pytest.fixture
def exporter(postgres: Postgres) -> Iterator[str]:
    until_quiet(postgres)
    with of_postgres(postgres) as address:
        yield address
    until_quiet(postgres)


@pytest.fixture
def shop(postgres: Postgres) -> Iterator[str]:
    """A database that nobody is in but when a test works there: not even those that look."""
    postgres.csv("CREATE DATABASE shop")
    yield "shop"
    postgres.csv("DROP DATABASE shop WITH (FORCE)")


def until_left(server: Postgres, database: str) -> None:
    """Sessions have told what they counted before they are gone."""
    sessions = f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'"
    wait_for(lambda: server.csv(sessions) == [["0"]], what="nobody is in the database")


def until_the_exporter_rests(server: Postgres) -> None:
    rests = f"SELECT state FROM pg_stat_activity WHERE application_name = '{OF_POSTGRES}'"
    wait_for(lambda: server.csv(rests) == [["idle"]], what="the exporter has the session alone that it keeps")


async def test_sessions_by_state(postgres: Postgres, exporter: str) -> None:
    idle = [connect(postgres, "idle") for _each in range(2)]
    try:
        for session in idle:
            session.autocommit = True
            session.execute("SELECT 1")
        with blocked_sessions(postgres):
            async with scraped(exporter) as page:
                there = {"idle": 2, "active": 2, "idle in transaction": 1}
                assert page.by(f"sum by (state) ({OTHERS})", "state") == there
                assert page.one(f'sum({OTHERS[:-1]}, wait_event_type="Lock"}})') == 2
                until_the_exporter_rests(postgres)
                reading = await one_look(opened(postgres))
                with_the_exporters = {**there, "idle": 2 + 1}
                assert states(reading) == states_by_psql(postgres) == with_the_exporters
                assert reading.values[Series("postgresql_connections_waiting")] == 2
                assert reading.values[Series("postgresql_connections_used")] == sum(with_the_exporters.values())
                most = page.one("pg_settings_max_connections")
                assert reading.values[Series("postgresql_connections_max")] == most
                assert postgres.csv("SHOW max_connections") == [[f"{most:g}"]]
                assert page.one("pg_up") == 1
    finally:
        for session in idle:
            session.close()


async def looked_at(server: Postgres, asks: Sequence[str], *pages: Scraped) -> tuple[list[Rows], BackendReading]:
    """The rows that psql gives both before and after the pages were scraped and LilFox looked, and what it saw."""
    readings = []

    async def look() -> None:
        for page in pages:
            await page.again()
        readings.append(await one_look(opened(server)))

    return await at_a_standstill(lambda: [server.csv(ask) for ask in asks], look), readings[-1]


COUNTED = """
    SELECT numbackends, xact_commit, xact_rollback, deadlocks, temp_bytes, blks_hit, blks_read, tup_inserted
      FROM pg_stat_database WHERE datname = 'shop'
"""
COUNTERS = ("numbackends", "xact_commit", "xact_rollback", "deadlocks", "temp_bytes", "blks_hit", "blks_read",
            "tup_inserted")  # fmt: skip
OLDEST = "SELECT datname, greatest(age(datfrozenxid), mxid_age(datminmxid)) FROM pg_database ORDER BY 1"


async def test_what_a_database_has_counted(postgres: Postgres, shop: str, exporter: str) -> None:
    postgres.csv("CREATE TABLE t AS SELECT i, md5(i::text) AS note FROM generate_series(1, 20000) i", database=shop)
    postgres.csv("SET work_mem = '64kB'; SELECT count(*) FROM (SELECT note FROM t ORDER BY note) s", database=shop)
    for _time in range(3):
        postgres.csv("BEGIN; DELETE FROM t; ROLLBACK", database=shop)
    until_left(postgres, shop)
    async with scraped(exporter) as page:
        asked, reading = await looked_at(postgres, (COUNTED, OLDEST), page)
        said = dict(zip(COUNTERS, map(float, asked[0][0]), strict=True))
        exported = {name: page.one(f'pg_stat_database_{name}{{datname="{shop}"}}') for name in COUNTERS}
        row = next(row for row in table(reading, "databases") if row["name"] == shop)
        assert exported == said
        assert said["xact_rollback"] == 3
        assert min(said["xact_commit"], said["temp_bytes"], said["blks_hit"], said["tup_inserted"]) > 0
        shown = [row[name] for name in ("connections", "commits", "rollbacks", "deadlocks", "temp_bytes")]
        assert shown == [said[name] for name in COUNTERS[:5]]
        ages = {name: float(age) for name, age in asked[1]}
        of_each = 'max by (datname) ({__name__=~"pg_database_wraparound_age_dat(frozenxid|minmxid)_seconds"})'
        that_can_be_entered = {name: age for name, age in ages.items() if name != "template0"}
        assert page.by(of_each, "datname") == that_can_be_entered, "the exporter tells of no others"
        of_databases = {name: age for name, age in ages.items() if not name.startswith("template")}
        assert {row["name"]: row["age"] for row in table(reading, "databases")} == of_databases
        assert reading.values[Series("postgresql_oldest_transaction_age")] == max(ages.values())
        size = postgres.csv(f"SELECT pg_database_size('{shop}')")
        assert page.one(f'pg_database_size_bytes{{datname="{shop}"}}') == float(size[0][0])


async def test_what_all_databases_have_counted_together(postgres: Postgres, exporter: str) -> None:
    first, second = connect(postgres, "first"), connect(postgres, "second")
    try:
        for order, session in enumerate((first, second), 1):
            session.execute("UPDATE orders SET note = note WHERE id = %s", (order,))
        before = int(postgres.csv("SELECT sum(deadlocks) FROM pg_stat_database")[0][0])
        wait_for_each_other(postgres, first, second)
    finally:
        first.close()
        second.close()
    for _file in range(2):
        postgres.csv("SET work_mem = '64kB'; SELECT count(*) FROM (SELECT note FROM orders ORDER BY md5(note)) s")
    counted = "SELECT sum(deadlocks), sum(temp_bytes) FROM pg_stat_database"
    wait_for(lambda: int(postgres.csv(counted)[0][0]) == before + 1, what="the deadlock is counted")
    async with scraped(exporter) as page:
        ((totals,),), reading = await looked_at(postgres, (counted,), page)
        for name, said in zip(("deadlocks", "temp_bytes"), map(float, totals), strict=True):
            assert page.one(f"sum(pg_stat_database_{name})") == said > 0
            assert reading.values[Series(f"postgresql_{name}_total")] == said


async def test_commits_that_those_who_look_make_too(postgres: Postgres, exporter: str) -> None:
    """Each look commits, so none sees what the next one does; but counters never fall."""
    backend = opened(postgres)
    async with scraped(exporter) as page:
        for counter, ours in (("xact_commit", "commits"), ("xact_rollback", "rollbacks")):
            await page.again()
            least = page.one(f"sum(pg_stat_database_{counter})")
            shown = (await backend.read()).values[Series(f"postgresql_{ours}_total")]
            await page.again()
            assert least <= shown <= page.one(f"sum(pg_stat_database_{counter})")
    await backend.close()


async def test_cache_hits_between_two_looks(postgres: Postgres, shop: str, exporter: str) -> None:
    """Exactly those of the database that nobody looks from; of all together at least those between the inner scrapes
    and at most those between the outer ones."""
    blocks = "SELECT blks_hit, blks_read FROM pg_stat_database WHERE datname = 'shop'"
    postgres.csv("CREATE TABLE t AS SELECT i, md5(i::text) AS note FROM generate_series(1, 50000) i", database=shop)
    until_left(postgres, shop)
    backend = opened(postgres)

    async with scraped(exporter) as page:

        def of_all() -> tuple[float, float]:
            return page.one("sum(pg_stat_database_blks_hit)"), page.one("sum(pg_stat_database_blks_read)")

        outer = of_all()
        await backend.read()
        await page.again()
        inner, before = of_all(), [int(count) for count in postgres.csv(blocks)[0]]
        postgres.csv("SELECT sum(length(a.note)) FROM t a, generate_series(1, 5)", database=shop)
        until_left(postgres, shop)
        await page.again()
        inner_end, after = of_all(), [int(count) for count in postgres.csv(blocks)[0]]
        ours = (await backend.read()).values[Series("postgresql_cache_hit_percent")]
        await page.again()
        outer_end = of_all()
        hits, reads = (end - start for start, end in zip(before, after, strict=True))
        delta = 'delta(pg_stat_database_blks_{}{{datname="shop"}}[1h])'
        hit, read = delta.format("hit"), delta.format("read")
        assert page.one(f"100 * {hit} / ({hit} + {read})") == pytest.approx(100 * hits / (hits + reads), rel=1e-12)
    least = [end - start for start, end in zip(inner, inner_end, strict=True)]
    most = [end - start for start, end in zip(outer, outer_end, strict=True)]
    assert 100 * least[0] / (least[0] + most[1]) <= ours <= 100 * most[0] / (most[0] + least[1])
    assert hits > 300
    await backend.close()


async def test_what_statements_and_tables_cost(postgres: Postgres, exporter: str) -> None:
    postgres.csv("SELECT pg_stat_statements_reset()")
    session = connect(postgres, "buyer")
    session.autocommit = True
    for number in range(60):
        session.execute("SELECT count(*) FROM orders WHERE md5(note) = %s", (str(number),))
    session.close()
    until_quiet(postgres)
    of_it = "FROM pg_stat_statements WHERE query LIKE '%md5(note) = %'"
    cost = f"SELECT queryid, calls, total_exec_time / 1000, rows {of_it}"
    scans = "SELECT seq_scan, seq_tup_read, n_live_tup, idx_scan FROM pg_stat_user_tables WHERE relname = 'orders'"
    async with scraped(exporter) as page:
        ((statement,), (in_full,)), reading = await looked_at(postgres, (cost, scans), page)
        queryid, *numbers = statement
        slow = next(row for row in table(reading, "slow_statements") if row["id"] == queryid)
        said = [pytest.approx(float(number), rel=1e-9) for number in numbers]
        of_statement = [
            f'pg_stat_statements_{name}_total{{queryid="{queryid}"}}' for name in ("calls", "seconds", "rows")
        ]
        assert [page.one(query) for query in of_statement] == said
        assert [slow[name] for name in ("calls", "total_s", "rows")] == said
        assert numbers[0] == "60"
        names = ("seq_scan", "seq_tup_read", "n_live_tup", "idx_scan")
        assert [page.one(f'pg_stat_user_tables_{name}{{relname="orders"}}') for name in names] == [*map(float, in_full)]
        (missing,) = table(reading, "missing_indexes")
        assert [missing[name] for name in ("scans", "rows_read", "rows", "index_scans")] == [*map(float, in_full)]


async def test_a_standby_and_a_slot(postgres: Postgres, exporter: str) -> None:
    postgres.csv("SELECT pg_create_physical_replication_slot('spare', true)")
    sent = """
        SELECT (SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) FROM pg_stat_replication),
               (SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) FROM pg_replication_slots)
    """
    try:
        with caught_up_standby(postgres) as standby, of_postgres(standby) as beside_it:
            async with scraped(exporter) as page, scraped(beside_it) as follower:
                (((behind, retained),),), reading = await looked_at(postgres, (sent,), page, follower)
                assert page.one("pg_stat_replication_pg_wal_lsn_diff") == float(behind)
                assert table(reading, "standbys")[0]["behind_bytes"] == float(behind)
                assert page.one('pg_replication_slots_pg_wal_lsn_diff{slot_name="spare"}') == float(retained) > 0
                assert reading.values[Series("postgresql_slot_retained_bytes")] == float(retained)
                assert (page.one("pg_replication_is_replica"), follower.one("pg_replication_is_replica")) == (0, 1)
                for _ in range(100):  # what the primary writes by itself has to be replayed first
                    await follower.again()
                    lag = (await one_look(opened(standby))).values[Series("postgresql_replication_lag_seconds")]
                    if lag == follower.one("pg_replication_lag_seconds"):
                        break
                assert lag == follower.one("pg_replication_lag_seconds") == 0
    finally:
        postgres.csv("SELECT pg_drop_replication_slot('spare')")
