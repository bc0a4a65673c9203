"""The checks of how PostgreSQL works, on real servers: indexes, scans, the cache and statements. What takes days
in an ordinary life is shortened by the checks' own limits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from lilfox_tui.audit.catalogue import chosen
from lilfox_tui.audit.checks.postgresql import indexes, load
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_audit import VERSIONS, audited, connect, found_by, is_mended, mend, severities, unknown

SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers, note text);
INSERT INTO customers SELECT i, 'customer ' || i FROM generate_series(1, 1000) i;
INSERT INTO orders SELECT i, i % 1000 + 1, md5(i::text) FROM generate_series(1, 20000) i;
ANALYZE;
"""
COUNTED = "shared_preload_libraries = 'pg_stat_statements'\nautovacuum = off\n"


@contextmanager
def shop(version: int, settings: str = COUNTED) -> Iterator[Postgres]:
    """A server with :data:`SHOP`, whose foreign key has an index."""
    with Postgres(settings, version=version) as server:
        server.csv(SHOP)
        server.csv(
            "CREATE EXTENSION IF NOT EXISTS pg_stat_statements; CREATE INDEX orders_customer ON orders (customer)"
        )
        yield server


INDEXES = ("postgresql-index-invalid", "postgresql-index-duplicate", "postgresql-foreign-key-index")


@pytest.mark.provokes(*INDEXES)
@pytest.mark.parametrize("version", VERSIONS)
async def test_indexes_that_are_broken_double_or_missing(version: int) -> None:
    with shop(version) as server:
        await is_mended(server, *INDEXES)
        server.csv("DROP INDEX orders_customer; INSERT INTO customers VALUES (0, '')")
        server.csv("DELETE FROM customers WHERE id = 0")
        server.csv("CREATE UNIQUE INDEX orders_id ON orders (id); CREATE INDEX orders_note ON orders (note)")
        server.csv("CREATE INDEX again ON orders (note); CREATE INDEX other ON orders (note) WHERE id > 5")
        server.csv("CREATE INDEX included ON orders (note) INCLUDE (id); CREATE INDEX reverse ON orders (note DESC)")
        with connect(server) as other, connect(server, options="-c statement_timeout=200", autocommit=True) as builder:
            other.execute("LOCK TABLE orders IN ROW EXCLUSIVE MODE")
            with pytest.raises(psycopg.errors.QueryCanceled):
                builder.execute('CREATE INDEX CONCURRENTLY "By Hash" ON orders USING hash (note)')
        report = await audited(server, *INDEXES)
        assert severities(report) == dict.fromkeys(
            ('public."By Hash"', "public.again", "public.orders_id", "public.orders: orders_customer_fkey"), "medium"
        )
        found = found_by(report)
        assert "orders_pkey does the same" in str(found["public.orders_id"].fix.text)
        server.csv("DELETE FROM customers WHERE id > 5000; SELECT pg_stat_reset()")
        assert severities(await audited(server, INDEXES[2])) == {"public.orders: orders_customer_fkey": "low"}
        mend((each.fix for each in found.values()), server)
        await is_mended(server, *INDEXES)


async def test_indexes_of_partitioned_tables_are_judged_as_one() -> None:
    parts = """
    CREATE TABLE event (id int, at int, customer int REFERENCES customers) PARTITION BY RANGE (at);
    CREATE TABLE event_1 PARTITION OF event FOR VALUES FROM (0) TO (10);
    CREATE TABLE event_2 PARTITION OF event FOR VALUES FROM (10) TO (20);
    CREATE INDEX event_a ON event (customer); CREATE INDEX event_b ON event (customer);
    CREATE TABLE visit (at int, customer int REFERENCES customers) PARTITION BY RANGE (at);
    CREATE TABLE visit_1 PARTITION OF visit FOR VALUES FROM (0) TO (100000);
    INSERT INTO visit SELECT i, 1 FROM generate_series(1, 20000) i;
    ANALYZE visit_1;
    """
    with shop(17) as server:
        server.csv(parts)
        found = found_by(await audited(server, *INDEXES))
        assert list(found) == ["public.event_b", "public.visit: visit_customer_fkey"]
        mend((each.fix for each in found.values()), server)
        await is_mended(server, *INDEXES)


@pytest.mark.provokes("postgresql-index-unused")
@pytest.mark.parametrize("version", VERSIONS)
async def test_an_index_that_nobody_uses(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    check = "postgresql-index-unused"
    with shop(version) as server:
        server.csv("CREATE INDEX orders_note ON orders (note)")
        await is_mended(server, check)  # so small that it costs nothing
        monkeypatch.setattr(indexes, "UNUSED_FROM_BYTES", 1 << 20)
        told = unknown(await audited(server, check))
        assert re.fullmatch(r"statistics are .* old; unused indexes are known after 30 d", told[check])
        monkeypatch.setattr(indexes, "UNUSED_FROM_S", 0.0)
        found = found_by(await audited(server, check))
        assert list(found) == ["public.orders_note"]  # not orders_customer, which the foreign key needs
        mend([found["public.orders_note"].fix], server)
        await is_mended(server, check)


@pytest.mark.provokes("postgresql-sequential-scans", "postgresql-slow-statement")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_statement_that_reads_a_whole_table(version: int) -> None:
    scans, slow = "postgresql-sequential-scans", "postgresql-slow-statement"
    with shop(version) as server:
        with connect(server, autocommit=True) as application:
            for number in range(120):
                application.execute(f"SELECT id FROM orders WHERE note = 'x{number}' AND length(note) > 0")
                application.execute(f"SELECT customer FROM orders WHERE note = 'secret {number}'")
                application.execute(f"SELECT name FROM customers WHERE id = {number}")
                application.execute("SELECT sum(id) FROM orders")
        report = await audited(server, scans, slow)
        tables = {each.finding.subject: each.finding for each in report.found if each.check.id == scans}
        statements = [each.finding for each in report.found if each.check.id == slow]
        assert re.match(r"public.orders: 36. sequential scans of 20k rows", str(tables["public.orders"].evidence))
        told = [str(each.evidence) for each in statements]
        assert len(told) == 2
        assert all("plan: Seq Scan on public.orders, 1 of 20k rows, Filter: (" in each for each in told)
        assert any("SELECT customer FROM orders WHERE note = $1" in each for each in told)
        by_note = [each for each in statements if each.fix.commands]
        assert [each.fix.commands[0] for each in by_note] == [
            'psql -d postgres -c "CREATE INDEX CONCURRENTLY ON public.orders (note)"'
        ]
        mend((each.fix for each in (*by_note, *tables.values())), server)
        await is_mended(server, scans, slow)


@pytest.mark.provokes("postgresql-statements-missing")
@pytest.mark.parametrize("version", VERSIONS)
async def test_statements_that_nobody_counts(version: int) -> None:
    check = "postgresql-statements-missing"
    with Postgres("shared_preload_libraries = 'auto_explain'\n", version=version) as server:
        server.csv(SHOP)
        found = found_by(await audited(server, check))
        mend([found["pg_stat_statements"].fix], server)
        assert server.csv("SHOW shared_preload_libraries") == [["auto_explain, pg_stat_statements"]]
        await is_mended(server, check)
        server.csv("DROP EXTENSION pg_stat_statements")
        found = found_by(await audited(server, check))
        assert str(found["pg_stat_statements"].evidence) == "no extension pg_stat_statements in postgres"
        mend([found["pg_stat_statements"].fix], server)
        await is_mended(server, check)


@pytest.mark.provokes("postgresql-cache-hits", "postgresql-temp-files")
@pytest.mark.parametrize("version", VERSIONS)
async def test_memory_that_does_not_suffice(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "ENOUGH_BLOCKS", 1000)
    monkeypatch.setattr(load, "TEMP_BYTES_A_DAY", 1 << 20)
    checks = ("postgresql-cache-hits", "postgresql-temp-files")
    with shop(version, "shared_buffers = '1MB'\nwork_mem = '64kB'\nmax_connections = 20\n") as server:
        server.csv("SELECT pg_stat_reset()")
        server.csv(";".join(["SELECT count(*) FROM orders"] * 10))
        server.csv("SELECT count(*) FROM generate_series(1, 500000)")
        found = found_by(await audited(server, *checks))
        assert list(found) == ["shared_buffers", "work_mem"]
        assert "; shared_buffers = 1.0M" in str(found["shared_buffers"].evidence)
        assert "temporary files 1, 6.7M" in str(found["work_mem"].evidence)
        mend((each.fix for each in found.values()), server)
        server.csv("SELECT count(*) FROM orders")
        server.csv("SELECT pg_stat_reset()")
        server.csv(";".join(["SELECT count(*) FROM orders"] * 10))
        server.csv("SELECT count(*) FROM generate_series(1, 500000)")
        await is_mended(server, *checks)


@pytest.mark.parametrize("version", VERSIONS)
async def test_nothing_is_found_on_a_server_that_is_set_up_well(version: int) -> None:
    settings = """
    fsync = on
    shared_preload_libraries = 'pg_stat_statements'
    shared_buffers = '256MB'
    idle_in_transaction_session_timeout = '5min'
    lock_timeout = '10s'
    statement_timeout = '60s'
    """
    with shop(version, settings) as server:
        hba = Path(server.csv("SHOW hba_file")[0][0])
        rules = "local all all peer\nhost all all 127.0.0.1/32 scram-sha-256\n"
        await asyncio.to_thread(hba.write_text, rules)
        server.csv(f"SELECT count(*) FROM orders; ALTER ROLE {SUPERUSER} PASSWORD 'pw'")
        report = await audited(server, "postgresql")
        assert [(each.check.id, str(each.finding.evidence)) for each in report.found] == []
        assert unknown(report) == {}
        made = {each.check.id for each in report.passed}
        absent = {"postgresql-archiver", "postgresql-repeated-statement"}  # it archives nothing, and serves no service
        assert made == {each.id for each in chosen(["postgresql"])} - absent


def test_performance_is_a_tag() -> None:
    ids = {each.id for each in chosen(["performance"])}
    assert {"postgresql-slow-statement", "postgresql-index-unused", "postgresql-pool-size"} < ids
    assert "postgresql-hba-trust" not in ids
