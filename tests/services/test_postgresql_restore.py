"""Restoring databases and tables, with PostgreSQL 15 and 17: staged, compared, swapped, undone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator

import pytest
from msgspec.structs import replace

from lilfox_tui.backup.options import PostgresqlOptions
from lilfox_tui.backup.postgresql import compare
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.backup.source import Comparison, RestoreChange, RestoreTask
from lilfox_tui.backup.sources import postgresql
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.errors import UsageError
from lilfox_tui.hosts.open import open_host
from tests.services.database_sets import (
    DatabaseSet,
    bad,
    databases,
    dumped,
    options_for,
    restored,
    target,
    without_others,
)
from tests.services.kept_parts import KeptParts
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_backups import fresh, local, no_session_is_left, script, source
from tests.services.sshd import sshd_lab

SHOP = """
CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, boss bigint REFERENCES users,
    loud text GENERATED ALWAYS AS (upper(name)) STORED);
INSERT INTO users (name, boss) SELECT '用户 ' || g, 1 FROM generate_series(1, 1000) g;
CREATE TABLE orders (id serial PRIMARY KEY, u bigint REFERENCES users ON DELETE CASCADE);
COMMENT ON CONSTRAINT orders_u_fkey ON orders IS 'of whom';
INSERT INTO orders (u) SELECT 1 + g % 1000 FROM generate_series(1, 500) g;
CREATE TABLE log (what text);
CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES (tg_op); RETURN new; END';
CREATE TRIGGER one AFTER INSERT OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION told();
CREATE TRIGGER whole AFTER TRUNCATE ON users EXECUTE FUNCTION told();
ALTER TABLE users ENABLE ALWAYS TRIGGER one;
CREATE VIEW how_many AS SELECT count(*) FROM users;
TRUNCATE log;
"""
OF_ITSELF = """
SELECT pg_get_userbyid(datdba), datacl, datconnlimit, shobj_description(d.oid, 'pg_database'),
    (SELECT array_agg((setrole, setconfig) ORDER BY setrole) FROM pg_db_role_setting WHERE setdatabase = d.oid)
FROM pg_database d WHERE datname = 'shop'
"""
COUNTS = "SELECT (SELECT count(*) FROM users), (SELECT max(name) FROM users), (SELECT count(*) FROM orders)"
DAMAGE = "DELETE FROM users WHERE id > 100; INSERT INTO users (name) VALUES ('new')"


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with Postgres(version=request.param) as running:
        running.csv("CREATE ROLE app LOGIN; CREATE ROLE reader LOGIN")
        yield running


@pytest.fixture
def shop(server: Postgres) -> Iterator[PostgresqlOptions]:
    """The database ``shop`` and the source that it is; all others are gone afterwards."""
    fresh(server, SHOP, "shop")
    yield options_for(server)
    no_session_is_left(server)
    without_others(server)


async def test_a_database_comes_back_whole_and_what_was_there_is_kept_until_it_is_undone(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    kept = await dumped(shop)
    before = server.csv(COUNTS, database="shop")
    script(server, DAMAGE, "shop")
    into = await restored(shop, kept.task())

    assert server.csv(COUNTS, database="shop") == before
    [then, now] = databases(server)
    assert (then, now) == ("shop", "shop" + now[4:])
    assert now.startswith("shop_before_")
    assert server.csv(COUNTS, database=now)[0][0] == "101"

    plan = into.swap_plan()
    assert await postgresql.settle(plan, local()) == "finished"
    await postgresql.undo(plan, local())
    assert server.csv(COUNTS, database="shop")[0][0] == "101"
    assert server.csv(COUNTS, database=plan.staged) == before
    await postgresql.undo(plan, local())  # once more changes nothing
    assert databases(server) == ["shop", plan.staged]
    assert await postgresql.settle(plan, local()) == "undone"


@pytest.mark.parametrize(("manual", "told"), [(True, True), (True, False)], ids=["script", "script of the manual's"])
async def test_a_script_comes_back_as_an_archive_does(
    server: Postgres, shop: PostgresqlOptions, manual: bool, told: bool
) -> None:
    kept = await dumped(shop, manual=manual, told=told)
    before = server.csv(COUNTS, database="shop")
    script(server, DAMAGE, "shop")
    await restored(shop, kept.task())
    assert server.csv(COUNTS, database="shop") == before


async def test_a_database_that_is_gone_is_made_as_the_set_has_it(server: Postgres, shop: PostgresqlOptions) -> None:
    server.csv("""
        ALTER DATABASE shop OWNER TO app; ALTER DATABASE shop SET work_mem = '5MB';
        ALTER DATABASE shop SET search_path = "$user", public, "a, b"; ALTER DATABASE shop SET "my.word" = 'it''s';
        ALTER ROLE reader IN DATABASE shop SET statement_timeout = '9s'; GRANT CREATE ON DATABASE shop TO reader;
        REVOKE TEMPORARY ON DATABASE shop FROM PUBLIC; COMMENT ON DATABASE shop IS 'the ''shop''';
        ALTER DATABASE shop CONNECTION LIMIT 55
    """)
    before, kept = server.csv(OF_ITSELF), await dumped(shop)
    server.csv("DROP DATABASE shop")
    into = await restored(shop, kept.task())

    assert [sorted(row) for row in _settings(server.csv(OF_ITSELF))] == [sorted(row) for row in _settings(before)]
    plan = into.swap_plan()
    assert plan.before == ""
    await postgresql.undo(plan, local())
    assert databases(server) == [plan.staged]


def _settings(rows: list[list[str]]) -> list[list[str]]:
    """The settings of a database have no order of their own."""
    return [[*row[:-1], "".join(sorted(row[-1]))] for row in rows]


async def test_a_drill_leaves_nothing_and_touches_nothing(server: Postgres, shop: PostgresqlOptions) -> None:
    kept = await dumped(shop)
    script(server, DAMAGE, "shop")
    seen: list[list[str]] = []
    into = target(shop, kept.task(scratch=True))
    assert bad(await into.checks()) == []
    await into.stage(lambda _done: seen.append(databases(server)))
    assert any(name.startswith("lilfox_drill_shop_") for names in seen for name in names)
    comparison = await into.compare()
    await into.discard()
    assert comparison.differences == ()
    assert comparison.compared == "tables: 3, rows and content, sequences: 2, schema"
    assert databases(server) == ["shop"]
    assert server.csv(COUNTS, database="shop")[0][0] == "101"


@pytest.mark.parametrize(("only", "named"), [("", "shop"), ("public.users", "public.users")])
async def test_a_set_that_does_not_record_its_content_is_not_compared(
    server: Postgres, shop: PostgresqlOptions, only: str, named: str
) -> None:
    kept = (await dumped(shop)).saying(content=None)
    into = target(shop, kept.task(only=only))
    await into.stage(lambda _done: None)
    comparison = await into.compare()
    await into.discard()
    assert comparison == Comparison((), "", (named,))


async def test_it_comes_back_to_another_place_when_one_is_named(server: Postgres, shop: PostgresqlOptions) -> None:
    kept = await dumped(shop)
    into = await restored(shop, kept.task(place=options_for(server, "other shop").url))
    assert databases(server) == ["other shop", "shop"]
    assert into.swap_plan().target == "other shop"
    assert server.csv(COUNTS, database="other shop") == server.csv(COUNTS, database="shop")


async def two_changed(server: Postgres) -> DatabaseSet:
    """A set of the databases ``one`` and ``two``, whose table ``t`` was changed afterwards."""
    for name in ("one", "two"):
        fresh(server, f"CREATE TABLE t AS SELECT '{name}' AS x", name)
    into_memory = KeptParts()
    await source(server, databases=["one", "two"]).dump(into_memory)
    kept = DatabaseSet(into_memory.raw, into_memory.details)
    for name in ("one", "two"):
        script(server, "UPDATE t SET x = 'changed'", name)
    return kept


async def test_several_databases_are_swapped_together_or_not_at_all(server: Postgres) -> None:
    kept = await two_changed(server)
    options = options_for(server, "", databases=["one", "two"])
    into = await restored(options, kept.task())
    assert server.csv("SELECT x FROM t", database="one") == [["one"]]
    assert server.csv("SELECT x FROM t", database="two") == [["two"]]
    await postgresql.undo(into.swap_plan(), local())
    assert server.csv("SELECT x FROM t", database="one") == [["changed"]]
    assert server.csv("SELECT x FROM t", database="two") == [["changed"]]
    without_others(server)
    with pytest.raises(UsageError, match="not among the target databases: one"):
        target(options_for(server, "one"), kept.task())


async def test_a_table_of_several_databases_is_restored_from_the_one_that_is_named(server: Postgres) -> None:
    kept = await two_changed(server)
    with pytest.raises(UsageError, match="t is in several databases of the set: one, two") as refused:
        await target(options_for(server, "", databases=["one", "two"]), kept.task(only="public.t")).changes()
    assert "--database postgresql://USER@HOST/DATABASE" in str(refused.value.hint)
    await restored(options_for(server, "two"), kept.task(only="public.t"))
    assert server.csv("SELECT x FROM t", database="one") == [["changed"]]
    assert server.csv("SELECT x FROM t", database="two") == [["two"]]
    without_others(server)


async def test_what_would_change_is_told_by_table(server: Postgres, shop: PostgresqlOptions) -> None:
    kept = await dumped(shop)
    script(server, "DELETE FROM users WHERE id = 400; INSERT INTO log VALUES ('x'); UPDATE orders SET u = 1", "shop")
    script(server, "CREATE TABLE later (x int); INSERT INTO later VALUES (1)", "shop")
    changes = await target(shop, kept.task()).changes()
    assert set(changes) == {
        RestoreChange("public.users", "999 rows", "1,000 rows", uncounted=True),
        RestoreChange("public.orders", "499 rows", "500 rows", uncounted=True),
        RestoreChange("public.log", "2 rows", "0 rows", lost_rows=2),
        RestoreChange("public.later", "1 row", "absent", lost_rows=1),
    }
    server.csv("DROP DATABASE shop")
    assert await target(shop, kept.task()).changes() == [RestoreChange("shop", "-", "3 tables")]


@pytest.mark.parametrize("small", [True, False])
async def test_for_a_preview_a_large_database_does_not_cross_the_link(
    server: Postgres, shop: PostgresqlOptions, small: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not small:
        monkeypatch.setattr(compare, "COPIED_UP_TO_BYTES", 0)
    kept = await dumped(shop)
    script(server, "UPDATE users SET name = 'other' WHERE id = 7; INSERT INTO orders (u) VALUES (1)", "shop")
    more = RestoreChange("public.orders", "501 rows", "500 rows", lost_rows=1)
    other = RestoreChange("public.users", "1,000 rows", "1,000 rows, different content", uncounted=True)
    unknown = RestoreChange("public.users", "same number of rows", "content not compared", uncounted=True)
    with sshd_lab() as lab:
        host = open_host("far", lab.host(lab.sshd()), lab.ssh())
        try:
            assert await target(shop, kept.task(), host).changes() == [more, other if small else unknown]
        finally:
            await host.close()
    assert await target(shop, kept.task()).changes() == [more, other]


async def test_where_the_host_has_no_room_the_archive_is_restored_as_it_comes(
    server: Postgres, shop: PostgresqlOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await dumped(shop)
    monkeypatch.setattr("lilfox_tui.backup.postgresql.load.MARGIN_BYTES", 1 << 60)
    done: list[int] = []
    into = target(shop, kept.task(scratch=True))
    await into.stage(done.append)
    assert (await into.compare()).differences == ()
    await into.discard()
    assert done[-1] == len(kept.bytes_of_database)


async def test_nothing_more_is_decoded_for_a_database_that_cannot_be_made(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    kept = await dumped(shop)
    asked, ended = [0], [False]

    async def blocks(_part: FoundPart) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                asked[0] += 1
                yield kept.bytes_of_database[:1024]
                await asyncio.Event().wait()
        finally:
            ended[0] = True

    into = target(options_for(server, user="reader"), replace(kept.task(), blocks=blocks))
    with pytest.raises(BackupError, match="permission denied to create database"):
        await asyncio.wait_for(into.stage(lambda _done: None), 60)
    await into.discard()
    assert asked[0] <= 1
    assert ended[0] == bool(asked[0])
    assert databases(server) == ["shop"]


def one_table(kept: DatabaseSet, only: str = "users") -> RestoreTask:
    return kept.task(only=only)


@pytest.mark.parametrize("manual", [False, True], ids=["archive", "script"])
async def test_one_table_gets_its_rows_back_and_all_else_stays(
    server: Postgres, shop: PostgresqlOptions, manual: bool
) -> None:
    kept = await dumped(shop, manual=manual)
    oid = server.csv("SELECT 'users'::regclass::oid", database="shop")
    script(server, "DELETE FROM orders WHERE u > 900; DELETE FROM users WHERE id > 900; TRUNCATE log", "shop")
    script(server, "INSERT INTO users (name) VALUES ('new'); TRUNCATE log; INSERT INTO orders (u) VALUES (1)", "shop")
    orders = server.csv("SELECT count(*) FROM orders", database="shop")
    into = await restored(shop, one_table(kept))

    assert into.where == "table public.users of shop on here"
    assert server.csv("SELECT count(*), min(loud) = upper(min(name)) FROM users", database="shop") == [["1000", "t"]]
    assert server.csv("SELECT * FROM how_many", database="shop") == [["1000"]]
    assert server.csv("SELECT 'users'::regclass::oid", database="shop") == oid
    assert server.csv("SELECT count(*) FROM orders", database="shop") == orders
    assert server.csv("SELECT count(*) FROM log", database="shop") == [["0"]], "no trigger ran"
    triggers = (
        "SELECT string_agg(tgname || tgenabled::text, ' ' ORDER BY tgname) FROM pg_trigger WHERE tgname ~ '^[ow]'"
    )
    assert server.csv(triggers, database="shop") == [["oneA wholeO"]]
    said = "SELECT obj_description(oid), convalidated FROM pg_constraint WHERE conname = 'orders_u_fkey'"
    assert server.csv(said, database="shop") == [["of whom", "t"]]
    script(server, "INSERT INTO users (name) VALUES ('next')", "shop")
    assert server.csv("SELECT id FROM users WHERE name = 'next'", database="shop") == [["1002"]]
    assert databases(server) == ["shop"]

    plan = into.swap_plan()
    assert (plan.target, plan.within) == ("public.users", "shop")
    assert server.csv(f"SELECT count(*) FROM {plan.before}", database="shop") == [["901"]]
    assert await postgresql.settle(plan, local()) == "finished"
    await postgresql.undo(plan, local())
    assert server.csv("SELECT count(*) FROM users", database="shop") == [["901"]]
    assert await postgresql.settle(plan, local()) == "undone"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("INSERT INTO users (name) VALUES ('x'); INSERT INTO orders (u) VALUES (1001)", "orders_u_fkey"),
        ("ALTER TABLE users ADD CONSTRAINT c CHECK (id < 500) NOT VALID", "violates check constraint"),
    ],
)
async def test_one_table_that_cannot_take_its_rows_stays_as_it_is(
    server: Postgres, shop: PostgresqlOptions, change: str, why: str
) -> None:
    kept = await dumped(shop)
    script(server, change, "shop")
    before = server.csv(COUNTS, database="shop")
    into = target(shop, one_table(kept, "public.users"))
    assert bad(await into.checks()) == []
    await into.stage(lambda _done: None)
    with pytest.raises(Exception, match=why):
        await into.swap()
    await into.discard()
    assert server.csv(COUNTS, database="shop") == before
    assert databases(server) == ["shop"]
    kept_rows = "SELECT count(*) FROM pg_class WHERE relname LIKE 'users_before%'"
    assert server.csv(kept_rows, database="shop") == [["0"]]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("DROP TABLE users CASCADE", "shop does not contain this table"),
        ("DROP TABLE users CASCADE; CREATE VIEW users AS SELECT 1 AS id", "it is a view"),
        ("DROP TABLE users CASCADE; CREATE TABLE users (id int) PARTITION BY LIST (id)", "it is partitioned"),
    ],
)
async def test_one_table_that_is_none_now_is_refused_before(
    server: Postgres, shop: PostgresqlOptions, change: str, why: str
) -> None:
    kept = await dumped(shop)
    script(server, change, "shop")
    [said] = bad(await target(shop, one_table(kept)).checks())
    assert why in said


async def test_one_table_with_other_columns_now_is_refused(server: Postgres, shop: PostgresqlOptions) -> None:
    kept = await dumped(shop)
    script(server, "ALTER TABLE users ADD COLUMN age int", "shop")
    into = target(shop, one_table(kept))
    with pytest.raises(Exception, match=r"the columns of .* have changed: \+age integer"):
        await into.stage(lambda _done: None)
    await into.discard()
    assert databases(server) == ["shop"]


async def test_a_table_that_the_set_does_not_have_is_told(server: Postgres, shop: PostgresqlOptions) -> None:
    kept = await dumped(shop)
    [said] = bad(await target(shop, one_table(kept, "no.such")).checks())
    assert "shop_20231230_020000 has no table no.such" in said
    assert SUPERUSER not in said
