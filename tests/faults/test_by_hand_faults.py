"""What somebody has done by hand while a restore was unsettled, or since it was made, is not lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lilfox_tui.backup.options import PostgresqlOptions
from lilfox_tui.backup.postgresql.swap import MARK
from lilfox_tui.backup.source import Swap
from lilfox_tui.backup.sources import postgresql
from lilfox_tui.backup.store import BackupError
from tests.services.database_sets import bad, databases, dumped, options_for, restored, target, without_others
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_backups import fresh, local, no_session_is_left, script

ROWS = "CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users SELECT generate_series(1, 100)"
COUNT = "SELECT count(*) FROM users"


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with Postgres("wal_level = logical\n", version=request.param) as running:
        yield running


@pytest.fixture
def shop(server: Postgres) -> Iterator[PostgresqlOptions]:
    """The database ``shop`` and the source that it is; all others are gone afterwards."""
    fresh(server, ROWS, "shop")
    yield options_for(server)
    no_session_is_left(server)
    without_others(server)


async def test_what_a_crash_left_and_somebody_renamed_is_never_dropped(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    """A restore was killed, and an operator put what it had staged in place by hand."""
    kept = await dumped(shop)
    server.csv(f"COMMENT ON DATABASE shop IS '{MARK}shop'")
    script(server, "INSERT INTO users VALUES (101)", "shop")
    assert bad(await target(shop, kept.task()).checks(), "warning") == []
    assert await postgresql.left(shop, local()) == []
    plan = (await restored(shop, kept.task())).swap_plan()
    assert databases(server) == ["shop", plan.before]
    assert server.csv(COUNT, database=plan.before) == [["101"]]


async def test_a_database_that_somebody_made_before_it_was_settled_is_not_taken_for_the_restored(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    """A restore to a database that was not there died before the renames; the application has made it meanwhile."""
    kept = await dumped(shop)
    into = target(options_for(server, "new"), kept.task())
    await into.stage(lambda _done: None)
    plan = into.swap_plan()
    await into.leave()
    fresh(server, "", "new")
    with pytest.raises(BackupError, match="new did not exist before the restore"):
        await postgresql.settle(plan, local())
    assert databases(server) == ["new", plan.staged, "shop"]
    server.csv("DROP DATABASE new")
    assert await postgresql.settle(plan, local()) == "undone"
    assert databases(server) == ["shop"]


async def one_table_restored(server: Postgres, shop: PostgresqlOptions) -> Swap:
    """Of 100 rows 90 were deleted and came back; then one was written."""
    kept = await dumped(shop)
    script(server, "DELETE FROM users WHERE id > 10", "shop")
    plan = (await restored(shop, kept.task(only="users"))).swap_plan()
    script(server, "INSERT INTO users VALUES (500)", "shop")
    return plan


async def test_rows_written_since_a_table_was_restored_are_kept_when_that_is_undone(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    plan = await one_table_restored(server, shop)
    await postgresql.undo(plan, local())
    assert server.csv(COUNT, database="shop") == [["10"]]
    (found,) = await postgresql.kept(plan, local())
    assert (found.target, str(found.why_not)) == ("public.users", "")
    assert server.csv(f"SELECT count(*), max(id) FROM {found.name}", database="shop") == [["101", "500"]]
    await postgresql.forget(plan, local())
    assert await postgresql.kept(plan, local()) == []
    assert server.csv(COUNT, database="shop") == [["10"]]


async def test_rows_that_are_kept_can_be_read_by_nobody_else(server: Postgres, shop: PostgresqlOptions) -> None:
    """Default privileges are for new tables; these rows are of one that may let in fewer."""
    server.csv('CREATE ROLE "Other"')
    script(server, "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC; "
           'ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO "Other"', "shop")  # fmt: skip
    plan = await one_table_restored(server, shop)
    rights = "SELECT DISTINCT grantee FROM information_schema.role_table_grants WHERE table_name ~ 'users_'"
    assert server.csv(rights, database="shop") == [[SUPERUSER]]
    await postgresql.undo(plan, local())
    assert server.csv(rights, database="shop") == [[SUPERUSER]]
    server.csv("DROP DATABASE shop")
    server.csv('DROP ROLE "Other"')


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("CREATE RULE none AS ON INSERT TO users DO INSTEAD NOTHING", "a rule changed them"),
        ("ALTER TABLE users ADD COLUMN age int", "the columns of .* have changed: age"),
        ("ALTER TABLE users ADD COLUMN age int; ALTER TABLE users DROP COLUMN id", "the columns of .* have changed"),
    ],
    ids=["rule", "column more", "another column"],
)
async def test_a_table_that_cannot_take_what_was_kept_is_not_undone(
    server: Postgres, shop: PostgresqlOptions, change: str, why: str
) -> None:
    plan = await one_table_restored(server, shop)
    script(server, change, "shop")
    with pytest.raises(BackupError, match=why):
        await postgresql.undo(plan, local())
    assert server.csv(COUNT, database="shop") == [["101"]]
    assert server.csv(f"SELECT count(*) FROM {plan.before}", database="shop") == [["10"]]


async def test_a_database_with_a_subscription_is_drilled_and_restored(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    """What is staged has the name of the publisher's slot, too: that stays with the database which is in place."""
    server.csv("CREATE DATABASE publisher")
    script(server, "CREATE PUBLICATION p; SELECT pg_create_logical_replication_slot('s', 'pgoutput')", "publisher")
    where = f"host={server.folder} port={server.port} dbname=publisher"
    script(server, f"CREATE SUBSCRIPTION s CONNECTION '{where}' PUBLICATION p WITH (connect = false)", "shop")
    kept = await dumped(shop)
    await restored(shop, kept.task(scratch=True))
    assert databases(server) == ["publisher", "shop"]
    script(server, "ALTER SUBSCRIPTION s ENABLE", "shop")
    [said] = bad(await target(shop, kept.task()).checks())
    assert "subscriptions continue in the existing database: s" in said
    await restored(shop, kept.task(end_sessions=True))
    assert server.csv("SELECT slot_name FROM pg_replication_slots") == [["s"]]
    for name in ("shop", next(name for name in databases(server) if name.startswith("shop_before"))):
        script(server, "ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s",
               name)  # fmt: skip
    script(server, "SELECT pg_drop_replication_slot('s')", "publisher")
