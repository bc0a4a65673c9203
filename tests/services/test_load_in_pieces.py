"""A restore whose large tables are loaded by several sessions: what is there afterwards, and what it refuses."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lilfox_tui.backup.options import PostgresqlOptions
from lilfox_tui.backup.postgresql import content, load, load_pieces, parallel
from lilfox_tui.backup.postgresql.connect import ServerAccess
from lilfox_tui.backup.postgresql.custom import read_contents
from lilfox_tui.backup.postgresql.row_digest import ROWS_END
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.backup.store import BackupError, BrokenSet
from tests.faults.test_dump_content_faults import EVERYTHING
from tests.services.database_sets import DatabaseSet, databases, dumped, options_for, restored, target, without_others
from tests.services.postgres import Postgres
from tests.services.postgres_backups import fresh, no_session_is_left
from tests.services.test_dump_in_pieces import ODD

MANY = """
CREATE TABLE many AS SELECT g AS id, repeat(md5(g::text), 1 + g * 7 % 90) AS word FROM generate_series(1, 3000) g;
CREATE UNIQUE INDEX ON many (word); ALTER TABLE many ADD PRIMARY KEY (id);
CREATE TABLE few (id int); INSERT INTO few SELECT g FROM generate_series(1, 500) g;
CREATE TABLE ends (t text); INSERT INTO ends VALUES (E'\\\\.'), (E'a\\n\\\\.\\nb'), (E'\\\\'), (repeat('x', 3));
REFRESH MATERIALIZED VIEW mv;
"""


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with Postgres("wal_level = logical\n", version=request.param) as running:
        yield running


@pytest.fixture
def shop(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresqlOptions]:
    """Each table is a large one, each page a piece."""
    monkeypatch.setattr(content, "_LARGE_BYTES", 0)
    monkeypatch.setattr(parallel, "PIECE_BYTES", 20000)
    monkeypatch.setattr(load, "HEAD_BYTES", 1000)
    monkeypatch.setattr(load_pieces, "_SHARED_BYTES", 20000)
    fresh(server, EVERYTHING.replace("DATABASE lilfox", "DATABASE shop") + ODD + MANY, "shop")
    yield options_for(server)
    no_session_is_left(server)
    without_others(server)


class CountedSet:
    """Counts how often the archive of ``kept`` is read, and cuts it into blocks of ``size`` bytes."""

    def __init__(self, kept: DatabaseSet, monkeypatch: pytest.MonkeyPatch, size: int = 70000) -> None:
        self.reads = 0
        blocks = kept.blocks

        async def counted(part: FoundPart) -> AsyncGenerator[bytes, None]:
            self.reads += not part.name.startswith("globals")
            async for block in blocks(part):
                for at in range(0, len(block), size):
                    yield block[at : at + size]

        monkeypatch.setattr(kept, "blocks", counted)


@pytest.mark.parametrize("size", [70000, 61])
async def test_everything_comes_back_and_the_archive_is_not_read_once_more_to_compare(
    server: Postgres, shop: PostgresqlOptions, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    kept = await dumped(shop)
    counted = CountedSet(kept, monkeypatch, size)
    loaded: list[str] = []
    load_table = load_pieces.LargeLoad._load

    async def noted(self: Any, table: load_pieces.LoadedTable, *words: Any) -> None:
        loaded.append(table.name)
        await load_table(self, table, *words)

    monkeypatch.setattr(load_pieces.LargeLoad, "_load", noted)
    told: list[int] = []
    into = target(shop, kept.task(scratch=True))
    await into.stage(told.append)
    comparison = await into.compare()
    await into.discard()
    assert comparison.differences == ()
    assert "rows and content" in comparison.compared
    assert {"public.many", "public.few", "public.ends", "public.parts_1", "public.base"} <= {*loaded}
    assert any("odd)" in name for name in loaded)
    assert "public.users" not in loaded  # it has a column of type money
    assert len(loaded) == len({*loaded})
    assert counted.reads == 2
    assert told == sorted(told)
    assert told[-1] == len(kept.bytes_of_database)
    if size > 61:
        await restored(shop, kept.task())


async def test_a_row_that_differs_is_told(server: Postgres, shop: PostgresqlOptions) -> None:
    kept = await dumped(shop)
    raw = kept.bytes_of_database
    for one in (raw.replace(b"\t8f14e45fceea167a5a36dedd4bea2543", b"\t8f14e45fceea167a5a36dedd4bea2544", 1),
                raw.replace(b"\n7\t8f14e", b"\n9\t8f14e", 1).replace(b"\n9\t45c48", b"\n7\t45c48", 1)):  # fmt: skip
        assert one != raw
        into = target(shop, kept.with_bytes(one).task(scratch=True))
        await into.stage(lambda _done: None)
        assert (await into.compare()).differences == (
            "public.many: same number of rows, but the content differs from the dump",
        )
        await into.discard()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables that are read from a database to be compared."""
    orders: list[str] = []
    copy = content.CopiedRows._copy

    async def noted(self: Any, some: Sequence[Any], snapshot: str) -> Any:
        orders.extend(order.copy for order in some)
        return await copy(self, some, snapshot)

    monkeypatch.setattr(content.CopiedRows, "_copy", noted)
    return orders


@pytest.mark.parametrize("read_back", [True, False])
async def test_without_read_back_only_tables_that_were_not_compared_on_the_way_are_read(
    server: Postgres, shop: PostgresqlOptions, read: list[str], read_back: bool
) -> None:
    kept = await dumped(shop)
    read.clear()
    into = target(shop, kept.task(scratch=True, read_back=read_back))
    await into.stage(lambda _done: None)
    comparison = await into.compare()
    await into.discard()
    assert comparison.differences == ()
    names = {name for name in ("many", "few", "ends", "parts_1", "users") if any(f".{name} " in each for each in read)}
    if read_back:
        assert {"many", "few", "ends", "parts_1"} <= names
        assert "while" not in comparison.compared
    else:
        assert not names
        assert re.search(r"\d+ tables compared while they were loaded and not read back", comparison.compared)


def archives_that_differ(raw: bytes) -> dict[str, tuple[bytes, str]]:
    """The archive with other rows of one table, none of which PostgreSQL refuses; and the difference that is told."""
    content = "public.many: same number of rows, but the content differs from the dump"
    seven, nine = b"\n7\t8f14e", b"\n9\t45c48"
    begin = raw.index(b"1\tc4ca4238a0b923820dcc509a6f75849b")  # the first line of a chunk, behind its length
    end = raw.index(b"\n", begin) + 1
    row, size = raw[begin:end], int.from_bytes(raw[begin - 4 : begin], "little")
    before = raw[: begin - 4]

    def length(change: int) -> bytes:
        return (size + change * len(row)).to_bytes(4, "little")

    return {
        "flipped": (raw.replace(b"dd4bea2543", b"dd4bea2544", 1), content),
        "reordered": (raw.replace(seven, b"\n9\t8f14e", 1).replace(nine, b"\n7\t45c48", 1), content),
        "missing": (before + length(-1) + raw[end:], "public.many: 3,000 rows in the dump, 2,999 restored"),
        "additional": (before + length(1) + row.replace(b"1\tc4c", b"0\td4c", 1) + raw[begin:],
                       "public.many: 3,000 rows in the dump, 3,001 restored"),
    }  # fmt: skip


@pytest.mark.parametrize("what", ["flipped", "reordered", "missing", "additional"])
@pytest.mark.fault("1.74")
async def test_without_read_back_a_row_that_differs_is_told(
    server: Postgres, shop: PostgresqlOptions, what: str
) -> None:
    kept = await dumped(shop)
    raw, told = archives_that_differ(kept.bytes_of_database)[what]
    assert raw != kept.bytes_of_database
    into = target(shop, kept.with_bytes(raw).task(scratch=True, read_back=False))
    await into.stage(lambda _done: None)
    comparison = await into.compare()
    await into.discard()
    assert comparison.differences == (told,)


@pytest.mark.fault("1.74")
async def test_without_read_back_a_row_that_the_server_does_not_store_is_told(
    server: Postgres, shop: PostgresqlOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await dumped(shop)
    psql = ServerAccess.psql

    def leaves_one(self: ServerAccess, database: str, settings: dict[str, str], *words: str, **more: Any) -> list[str]:
        """The session that loads the table stores one row less than it is sent."""
        orders = (re.sub(r"(\\copy public\.many .*)", r"\1 where id <> 12", word) for word in words)
        return psql(self, database, settings, *orders, **more)

    monkeypatch.setattr(ServerAccess, "psql", leaves_one)
    into = target(shop, kept.task(scratch=True, read_back=False))
    await into.stage(lambda _done: None)
    comparison = await into.compare()
    await into.discard()
    assert comparison.differences == ("public.many: 3,000 rows in the dump, 2,999 restored",)


@pytest.mark.parametrize("read_back", [True, False])
async def test_nothing_behind_what_looks_like_the_end_of_rows_is_a_command(
    server: Postgres, shop: PostgresqlOptions, tmp_path: Path, read_back: bool
) -> None:
    kept = await dumped(shop)
    raw, canary = kept.bytes_of_database, tmp_path / "canary"
    row = b"\n12\t"
    at = raw.index(row, raw.index(b"\n11\t6512bd43d9caa6e02c990b0a82652dca")) + 1
    evil = b"\\.\n\\! touch " + str(canary).encode() + b"\nDROP TABLE few;\n"
    changed = raw[:at] + evil + raw[at + len(evil) :]
    into = target(shop, kept.with_bytes(changed).task(scratch=True, read_back=read_back))
    await into.stage(lambda _done: None)
    [difference] = (await into.compare()).differences
    stored = "11" if read_back else r"[\d,]+"  # the other session goes on
    assert re.match(rf"public\.many: 3,000 rows in the dump, {stored} restored", difference)
    await into.discard()
    assert not canary.exists()


def broken(raw: bytes) -> dict[str, tuple[bytes, str]]:
    """Archives that are not what they say, and what is said of them."""
    end = read_contents(raw).end
    last = raw.rindex(ROWS_END)
    begin = raw.index(ROWS_END, end) + len(ROWS_END) + 5
    return {
        "it ends within rows": (raw[: end + 2000], "truncated"),
        "a table is missing": (raw[:end] + raw[begin:], "missing"),
        "the first table comes last": (raw[:end] + raw[begin:last] + raw[end:begin], "missing"),
        "rows have no end": (raw[: begin - 10] + b"\0\0\0\0\0" + raw[begin:], "no end|missing|truncated"),
    }


@pytest.mark.parametrize("what", [
    "it ends within rows", "a table is missing", "the first table comes last", "rows have no end"])  # fmt: skip
@pytest.mark.parametrize("read_back", [True, False])
async def test_a_broken_archive_is_refused_and_nothing_of_it_stays(
    server: Postgres, shop: PostgresqlOptions, what: str, read_back: bool
) -> None:
    kept = await dumped(shop)
    raw, said = broken(kept.bytes_of_database)[what]
    into = target(shop, kept.with_bytes(raw).task(scratch=True, read_back=read_back))
    with pytest.raises((BrokenSet, BackupError), match=said):
        await into.stage(lambda _done: None)
    await into.discard()
    assert databases(server) == ["shop"]


@pytest.mark.parametrize("read_back", [True, False])
async def test_a_session_that_ends_fails_the_restore_and_nothing_of_it_stays(
    server: Postgres, shop: PostgresqlOptions, monkeypatch: pytest.MonkeyPatch, read_back: bool
) -> None:
    kept = await dumped(shop)
    load_table = load_pieces.LargeLoad._load

    async def ended(self: Any, table: load_pieces.LoadedTable, rows: Any, moved: Any) -> None:
        async def parts() -> AsyncGenerator[bytes, None]:
            async for part in rows:
                yield part
                server.csv("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^COPY +public.many'")

        await load_table(self, table, parts() if table.name == "public.many" else rows, moved)

    monkeypatch.setattr(load_pieces.LargeLoad, "_load", ended)
    into = target(shop, kept.task(scratch=True, read_back=read_back))
    with pytest.raises(BackupError, match=r"the rows of public\.many could not be loaded: "):
        await into.stage(lambda _done: None)
    await into.discard()
    assert databases(server) == ["shop"]


async def test_where_a_statement_is_not_as_expected_pg_restore_loads_all(
    server: Postgres, shop: PostgresqlOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await dumped(shop)
    raw = kept.bytes_of_database
    other = raw.replace(b"COPY public.ends (t) FROM stdin;\n", b"COPY public.ends(t)  FROM stdin;\n", 1)
    assert other != raw
    monkeypatch.setattr(load_pieces.LargeLoad, "_load", None)
    await restored(shop, kept.with_bytes(other).task())


async def test_without_read_back_several_sessions_load_one_table(
    server: Postgres, shop: PostgresqlOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await dumped(shop)
    rows = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM many t"
    before = server.csv(rows, database="shop")
    copied = load_pieces.LargeLoad._copied
    stored: list[bytes | None] = []

    async def noted(self: Any, table: load_pieces.LoadedTable, *words: Any, **more: Any) -> bytes | None:
        done = await copied(self, table, *words, **more)
        stored.extend([done] if table.name == "public.many" else [])
        return done

    monkeypatch.setattr(load_pieces.LargeLoad, "_copied", noted)
    await restored(shop, kept.task(read_back=False, jobs=3))
    assert sum(int(each or b"0") for each in stored) == 3000
    assert len(stored) == 3
    assert server.csv(rows, database="shop") == before
