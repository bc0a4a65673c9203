"""What restores of databases and tables keep is shown, and let go only where that harms nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from lilfox_tui.backup.options import PostgresqlOptions
from lilfox_tui.backup.postgresql.swap import MARK
from lilfox_tui.backup.source import Swap
from lilfox_tui.backup.sources import postgresql
from lilfox_tui.backup.store import BackupError
from tests.services.database_sets import DatabaseSet, databases, dumped, options_for, restored, without_others
from tests.services.kept_parts import KeptParts
from tests.services.postgres import Postgres
from tests.services.postgres_backups import fresh, holding, local, no_session_is_left, script, source

ROWS = "CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users SELECT generate_series(1, 100)"
COUNT = "SELECT count(*) FROM users"


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with Postgres(version=request.param) as running:
        yield running


@pytest.fixture
def shop(server: Postgres) -> Iterator[PostgresqlOptions]:
    """The database ``shop`` and the source that it is; all others are gone afterwards."""
    fresh(server, ROWS, "shop")
    yield options_for(server)
    no_session_is_left(server)
    without_others(server)


async def swapped(server: Postgres, shop: PostgresqlOptions, only: str = "") -> Swap:
    kept = await dumped(shop)
    script(server, "DELETE FROM users WHERE id > 10", "shop")
    return (await restored(shop, kept.task(only=only))).swap_plan()


async def why_not(server: Postgres, swap: Swap) -> str:
    """Why what is kept stays; it is told and refused alike, and nothing is gone."""
    was = databases(server)
    (found,) = await postgresql.kept(swap, local())
    with pytest.raises(BackupError, match="cannot be deleted: "):
        await postgresql.forget(swap, local())
    assert databases(server) == was
    return str(found.why_not)


@pytest.mark.parametrize("undone", [False, True])
async def test_a_database_is_let_go_and_the_one_in_place_is_not_touched(
    server: Postgres, shop: PostgresqlOptions, undone: bool
) -> None:
    swap = await swapped(server, shop)
    if undone:
        await postgresql.undo(swap, local())
    rows = server.csv(COUNT, database="shop")
    (found,) = await postgresql.kept(swap, local())
    assert (found.target, found.name, str(found.why_not)) == ("shop", swap.staged if undone else swap.before, "")
    assert found.size_bytes is not None
    assert found.size_bytes > 1_000_000
    await postgresql.forget(swap, local())
    assert databases(server) == ["shop"]
    assert server.csv(COUNT, database="shop") == rows == [["10" if undone else "100"]]
    assert await postgresql.kept(swap, local()) == []
    await postgresql.forget(swap, local())


async def test_several_databases_are_let_go_together_or_not_at_all(server: Postgres) -> None:
    for name in ("one", "two"):
        fresh(server, ROWS, name)
    into = KeptParts()
    await source(server, databases=["one", "two"]).dump(into)

    options = options_for(server, "", databases=["one", "two"])
    swap = (await restored(options, DatabaseSet(into.raw, into.details).task())).swap_plan()
    (renames,) = swap.also
    with holding(server, COUNT, renames.before), pytest.raises(BackupError, match=f"{renames.before} is in use: pid"):
        await postgresql.forget(swap, local())
    assert databases(server) == ["one", swap.before, "two", renames.before]
    await postgresql.forget(swap, local())
    assert databases(server) == ["one", "two"]
    without_others(server)


async def test_who_is_connected_is_told_and_never_ended(server: Postgres, shop: PostgresqlOptions) -> None:
    swap = replace(await swapped(server, shop), end_sessions=True)
    with holding(server, "SET LOCAL work_mem = '1MB'", swap.before) as pid:
        assert f"{swap.before} is in use: pid {pid} (" in await why_not(server, swap)
        assert server.csv(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}") == [["1"]]


async def test_the_only_one_left_stays(server: Postgres, shop: PostgresqlOptions) -> None:
    swap = await swapped(server, shop)
    server.csv("DROP DATABASE shop")
    assert await why_not(server, swap) == "shop does not exist: this may be the only copy left"


async def test_what_the_server_refuses_to_drop_is_told(server: Postgres, shop: PostgresqlOptions) -> None:
    swap = await swapped(server, shop)
    server.csv(f"ALTER DATABASE {swap.before} IS_TEMPLATE true")
    with pytest.raises(BackupError, match="cannot drop a template database"):
        await postgresql.forget(swap, local())
    assert databases(server) == ["shop", swap.before]


@pytest.mark.parametrize("changes", [{"before": "dear"}, {"staged": "dear"}, {"target": "other"}])
async def test_other_names_than_a_restore_gives_are_never_dropped(
    server: Postgres, shop: PostgresqlOptions, changes: dict[str, str]
) -> None:
    """Whoever can write to the journal cannot have anything dropped by that."""
    swap = replace(await swapped(server, shop), **changes)
    for name in ("dear", "other"):
        fresh(server, "", name)
    was = databases(server)
    with pytest.raises(BackupError, match=r"a restore of .* would not use this name"):
        await postgresql.forget(swap, local())
    assert databases(server) == was


async def test_the_rows_kept_of_a_table_are_let_go(server: Postgres, shop: PostgresqlOptions) -> None:
    swap = await swapped(server, shop, only="users")
    (found,) = await postgresql.kept(swap, local())
    assert (found.target, found.name, str(found.why_not)) == ("public.users", swap.before, "")
    with pytest.raises(BackupError, match=r"a restore of .* would not use this name"):
        await postgresql.forget(replace(swap, before="public.users"), local())
    script(server, f"CREATE VIEW old AS SELECT * FROM {swap.before}", "shop")
    with pytest.raises(BackupError, match="other objects depend on it"):
        await postgresql.forget(swap, local())
    script(server, "DROP VIEW old", "shop")
    await postgresql.forget(swap, local())
    assert server.csv("SELECT relname FROM pg_class WHERE relname LIKE 'users\\_before%'", database="shop") == []
    assert server.csv(COUNT, database="shop") == [["100"]]
    assert await postgresql.kept(swap, local()) == []


async def test_what_a_drill_left_is_let_go_and_nothing_that_is_worked_on(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    (dead, alive, other) = (f"lilfox_drill_shop_2023123{n}_020000" for n in range(3))
    for name, target in ((dead, "shop"), (alive, "shop"), (other, "another")):
        server.csv(f"CREATE DATABASE {name}")
        server.csv(f"COMMENT ON DATABASE {name} IS '{MARK}{target}'")
    lock = f"DO $$ BEGIN PERFORM pg_advisory_lock(hashtextextended('lilfox restore {alive}', 0)); END $$"
    with holding(server, lock, "postgres"):
        (found,) = await postgresql.left(shop, local())
        assert (found.target, found.name) == ("shop", dead)
        assert await postgresql.forget_left(shop, local()) == [dead]
    assert databases(server) == [alive, other, "shop"]
