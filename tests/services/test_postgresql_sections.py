"""Large archives: rows are restored while they are decoded, then indexes by several sessions; tables are counted as
they come. Archives here are small, so what counts as large is made small."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec import structs

from lilfox_tui.backup.options import PostgresqlOptions
from lilfox_tui.backup.postgresql import load
from lilfox_tui.backup.postgresql.compare import EarlyCounter, content_of
from lilfox_tui.backup.postgresql.connect import open_server_access, read_url
from lilfox_tui.backup.postgresql.psql import DatabaseContent, TableContent
from lilfox_tui.backup.store import BackupError
from tests.faults.test_dump_content_faults import EVERYTHING
from tests.services.database_sets import databases, dumped, options_for, restored, target, without_others
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_backups import fresh, holding, local, no_session_is_left, script
from tests.waiting import until

MORE = """
CREATE TABLE many AS SELECT g AS id, md5(g::text) AS word FROM generate_series(1, 20000) g;
CREATE UNIQUE INDEX ON many (word); ALTER TABLE many ADD PRIMARY KEY (id);
CREATE TABLE few (id int REFERENCES many); INSERT INTO few SELECT g FROM generate_series(1, 500) g;
REFRESH MATERIALIZED VIEW mv;
"""
SECTIONS = ["--section=pre-data", "--section=data"]


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with Postgres("wal_level = logical\n", version=request.param) as running:
        yield running


@pytest.fixture
def shop(server: Postgres) -> Iterator[PostgresqlOptions]:
    fresh(server, EVERYTHING.replace("DATABASE lilfox", "DATABASE shop") + MORE, "shop")
    yield options_for(server)
    no_session_is_left(server)
    without_others(server)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """How pg_restore was run: ``kept`` with an archive that lies there, ``coming`` with one that comes; its words."""
    seen: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(load, "HEAD_BYTES", 256 * 1024)
    for how, name, at in (("kept", "restore_archive", 5), ("coming", "restore_stream", 5)):
        real = getattr(load, name)

        async def noted(*words: Any, how: str = how, at: int = at, real: Any = real) -> None:
            seen.append((how, list(words[at])))
            await real(*words)

        monkeypatch.setattr(load, name, noted)
    return seen


async def test_everything_that_a_database_can_hold_comes_back_in_sections(
    server: Postgres, shop: PostgresqlOptions, runs: list[tuple[str, list[str]]]
) -> None:
    kept = await dumped(shop)
    assert len(kept.bytes_of_database) > load.HEAD_BYTES
    told: list[int] = []
    into = target(shop, kept.task(scratch=True))
    await into.stage(told.append)
    comparison = await into.compare()
    await into.discard()
    assert comparison.differences == ()
    assert "rows and content" in comparison.compared
    assert "schema" in comparison.compared
    assert runs == [("coming", SECTIONS), ("kept", ["--section=post-data"])]
    assert told == sorted(told)
    assert told[-1] == len(kept.bytes_of_database)
    await restored(shop, kept.task())


async def test_where_the_table_of_contents_is_longer_than_what_is_kept_of_it_the_archive_comes_again(
    server: Postgres, shop: PostgresqlOptions, runs: list[tuple[str, list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "HEAD_BYTES", 1)
    monkeypatch.setattr("tests.services.database_sets._BLOCK", 1000)
    kept = await dumped(shop)
    await restored(shop, kept.task(scratch=True))
    assert runs == [("coming", SECTIONS), ("coming", ["--section=post-data"])]


async def test_an_index_that_cannot_be_made_fails_the_restore(
    server: Postgres, shop: PostgresqlOptions, runs: list[tuple[str, list[str]]]
) -> None:
    kept = await dumped(shop)
    raw = kept.bytes_of_database
    twice = raw.replace(b"19999\t", b"19998\t", 1)
    assert twice != raw
    into = target(shop, kept.with_bytes(twice).task(scratch=True))
    with pytest.raises(BackupError, match=r"could not create unique index|many_pkey"):
        await into.stage(lambda _done: None)
    await into.discard()
    assert [how for how, _words in runs] == ["coming", "kept"]
    assert databases(server) == ["shop"]


async def test_a_row_that_differs_is_told_also_of_a_table_that_was_counted_ahead(
    server: Postgres, shop: PostgresqlOptions, runs: list[tuple[str, list[str]]]
) -> None:
    kept = await dumped(shop)
    raw = kept.bytes_of_database
    one = raw.replace(b"7\t8f14e45fceea167a5a36dedd4bea2543", b"7\t8f14e45fceea167a5a36dedd4bea2544", 1)
    assert one != raw
    into = target(shop, kept.with_bytes(one).task(scratch=True))
    await into.stage(lambda _done: None)
    assert (await into.compare()).differences == (
        "public.many: same number of rows, but the content differs from the dump",
    )
    await into.discard()


@asynccontextmanager
async def counting(server: Postgres, said: DatabaseContent) -> AsyncIterator[EarlyCounter]:
    async with open_server_access(
        local(), read_url(f"postgresql://{SUPERUSER}@127.0.0.1:{server.port}/shop")
    ) as access:
        ahead = EarlyCounter(access, "shop", int(server.csv("SHOW server_version_num")[0][0]), said)
        ahead.begin()
        try:
            yield ahead
        finally:
            await ahead.leave()


async def content(server: Postgres) -> DatabaseContent:
    async with open_server_access(
        local(), read_url(f"postgresql://{SUPERUSER}@127.0.0.1:{server.port}/shop")
    ) as access:
        return await content_of(access, "shop", int(server.csv("SHOW server_version_num")[0][0]), None)


def changed(said: DatabaseContent, names: Sequence[str]) -> DatabaseContent:
    """What a set would say that has other rows in these tables."""
    other = {name: structs.replace(said.tables[name], digest="1") for name in names}
    return structs.replace(said, tables={**said.tables, **other})


async def test_what_is_counted_ahead_is_what_the_set_says_and_nothing_else(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    said = await content(server)
    async with counting(server, changed(said, ["public.few"])) as ahead:
        ahead.loaded()
        found = await ahead.finish()
    assert found.pop("public.many") == said.tables["public.many"]
    assert "public.few" not in found
    assert all(said.tables[name] == table for name, table in found.items())


async def test_a_table_that_is_written_is_not_counted_before_that_has_ended(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    script(server, "CREATE TABLE slow (x int); INSERT INTO slow VALUES (1), (2)", "shop")
    said = await content(server)
    script(server, "DELETE FROM slow WHERE x = 2", "shop")
    with holding(server, "INSERT INTO slow VALUES (2)", "shop"):
        async with counting(server, said) as ahead:
            found = ahead._found
            await until(
                lambda: {"public.many", "public.few"} <= set(found), what="those that nobody writes are counted"
            )
            assert "public.slow" not in found
    script(server, "INSERT INTO slow VALUES (2)", "shop")
    async with counting(server, said) as ahead:
        ahead.loaded()
        assert (await ahead.finish())["public.slow"] == TableContent(2, said.tables["public.slow"].digest, "values")
