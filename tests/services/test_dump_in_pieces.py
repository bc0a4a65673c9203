"""A dump whose tables are copied in pieces by several sessions: what is in it, and what is found of a change."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest

from lilfox_tui.backup.postgresql import content, parallel
from lilfox_tui.backup.postgresql.compare import content_of, differing
from lilfox_tui.backup.postgresql.connect import open_server_access, read_url
from lilfox_tui.backup.postgresql.custom import read_contents
from lilfox_tui.backup.postgresql.parallel import ParallelCopy
from lilfox_tui.backup.postgresql.psql import DatabaseContent, DatabaseDetail, database_detail
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.errors import HostError
from lilfox_tui.hosts.open import open_host
from tests.faults.test_dump_content_faults import EVERYTHING, restored, schema
from tests.services.kept_parts import KeptParts
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_backups import fresh, holding, local, no_session_is_left, program, script, source
from tests.services.sshd import sshd_lab
from tests.waiting import wait_for

ODD = r"""
CREATE TABLE "odd) ""(; \ 'q' :v $$ -- /*" ("c) ""( \g" int, ":'x'" text, "select" text, "\o |cat" text DEFAULT 'd');
INSERT INTO "odd) ""(; \ 'q' :v $$ -- /*" SELECT g, E'\\.\n', NULL, '' FROM generate_series(1, 300) g;
"""
"""What looks like commands of psql, in names."""
MANY = (
    "CREATE TABLE many (id int PRIMARY KEY, t text); "
    "INSERT INTO many SELECT g, repeat(md5(g::text), g % 5) FROM generate_series(1, 9000) g; "
)


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with Postgres(version=request.param) as running:
        yield running


@pytest.fixture(autouse=True)
def each_table_is_large_and_each_page_a_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "_LARGE_BYTES", 0)
    monkeypatch.setattr(parallel, "PIECE_BYTES", 20000)


async def dumped(server: Postgres, **options: Any) -> tuple[bytes, DatabaseDetail]:
    into = KeptParts()
    await source(server, globals=False, **options).dump(into)
    assert into.notes == []
    return into.raw["lilfox.dump"], database_detail(into.details["lilfox.dump"])


async def found(
    server: Postgres, said: DatabaseContent, database: str = "again", archive: bytes | None = None
) -> list[str]:
    """How ``database`` differs from ``said``."""

    async def blocks() -> AsyncGenerator[bytes, None]:
        assert archive is not None
        for at in range(0, len(archive), 70000):
            yield archive[at : at + 70000]

    version = int(server.csv("SHOW server_version_num")[0][0])
    url = read_url(f"postgresql://{SUPERUSER}@127.0.0.1:{server.port}/{database}")
    async with open_server_access(local(), url) as access:
        there = await content_of(access, database, version, said, archive=None if archive is None else blocks)
        return [str(each) for each in differing(said, there)]


def listed(server: Postgres, archive: bytes) -> list[str]:
    """The entries of an archive as pg_restore lists them, without their numbers."""
    lines = program(server, "pg_restore", "-l", input=archive).stdout.decode().splitlines()
    return sorted(line.partition(" ")[2] for line in lines if not line.startswith(";"))


async def test_everything_comes_back_and_is_what_pg_dump_alone_would_have_dumped(server: Postgres) -> None:
    fresh(server, EVERYTHING + ODD + MANY)
    raw, detail = await dumped(server)
    alone, counted = await dumped(server, sessions=1)
    assert detail.content is not None
    assert counted.content is not None
    ways = {name: table.way for name, table in detail.content.tables.items()}
    assert {way for name, way in ways.items() if 'we""ird' not in name} == {"pieces", "values"}
    assert len(detail.content.tables["public.many"].pieces) > 30
    assert all(table.way != "pieces" for table in counted.content.tables.values())
    assert {name: table.rows for name, table in detail.content.tables.items()} == {
        name: table.rows for name, table in counted.content.tables.items()
    }
    assert listed(server, raw) == listed(server, alone)
    restored(server, raw)
    assert schema(server, "again") == schema(server, "lilfox")
    assert await found(server, counted.content) == []
    assert await found(server, detail.content, archive=raw) == []


async def test_an_entry_is_as_pg_dump_writes_it_but_for_its_number(server: Postgres) -> None:
    fresh(server, EVERYTHING)
    (raw, _detail), (alone, _counted) = await dumped(server), await dumped(server, sessions=1)

    def entries(archive: bytes) -> dict[tuple[str, str], tuple[object, ...]]:
        rows = (each for each in read_contents(archive).entries if each.kind == "TABLE DATA")
        return {(each.schema, each.tag): (each.oid, each.section, each.copied, each.owner, each.has_rows, each.defined)
                for each in rows}  # fmt: skip

    assert entries(raw) == entries(alone)
    assert len(entries(raw)) > 8


CHANGES: dict[str, str] = {
    "a flipped bit": "UPDATE many SET t = overlay(t placing 'X' from 40) WHERE id = 4444",
    "a row that is missing": "DELETE FROM many WHERE id = 4444",
    "a row that is there twice": "ALTER TABLE many DROP CONSTRAINT many_pkey; INSERT INTO many TABLE many LIMIT 1",
    "a row twice instead of another": (
        "ALTER TABLE many DROP CONSTRAINT many_pkey; DELETE FROM many WHERE id = 9; "
        "INSERT INTO many SELECT * FROM many WHERE id = 4"
    ),
    "two rows that changed a value with each other": (
        "UPDATE many SET t = (SELECT t FROM many o WHERE o.id = CASE many.id WHEN 3 THEN 8 ELSE 3 END) "
        "WHERE id IN (3, 8); UPDATE many SET t = t || '' WHERE id IN (13, 18)"
    ),
    "an empty table": "TRUNCATE many",
}


@pytest.mark.parametrize("what", CHANGES)
async def test_each_change_of_a_restored_table_is_found(server: Postgres, what: str) -> None:
    fresh(server, MANY + "UPDATE many SET t = repeat('a', 50) WHERE id = 3; UPDATE many SET t = 'b' WHERE id = 8")
    raw, detail = await dumped(server)
    assert detail.content is not None
    restored(server, raw)
    script(server, CHANGES[what], "again")
    [difference] = await found(server, detail.content, archive=raw)
    assert difference.startswith("public.many: ")


async def test_the_same_rows_in_another_order_are_the_same_once_the_archive_is_read_again(server: Postgres) -> None:
    fresh(server, MANY)
    raw, detail = await dumped(server)
    assert detail.content is not None
    restored(server, raw)
    script(server, "DELETE FROM many WHERE id < 50; INSERT INTO many SELECT g, repeat(md5(g::text), g % 5) "
                   "FROM generate_series(1, 49) g", "again")  # fmt: skip
    assert await found(server, detail.content, archive=raw) == []
    [difference] = await found(server, detail.content)
    assert difference == "public.many: same number of rows, but the content differs from the dump"


async def test_over_ssh_it_is_the_same_and_a_link_that_goes_leaves_no_session(server: Postgres) -> None:
    more = "INSERT INTO many SELECT g, repeat(md5(g::text), 20) FROM generate_series(10001, 60000) g"
    fresh(server, MANY + more)
    with sshd_lab() as lab:
        sshd = lab.sshd()
        host = open_host("db-1", lab.host(sshd), lab.ssh())
        raw, detail = await dumped(server, host=host)
        here, said = await dumped(server)
        begin = ParallelCopy.begin

        async def begin_and_cut(copy: Any) -> None:
            await begin(copy)
            sshd.kill()

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ParallelCopy, "begin", begin_and_cut)
            with pytest.raises((HostError, BackupError)):
                await dumped(server, host=host)
        no_session_is_left(server)
        await host.close()
    assert detail.content == said.content
    assert listed(server, raw) == listed(server, here)
    restored(server, raw)
    assert said.content is not None
    assert await found(server, said.content, archive=raw) == []


async def test_rows_that_do_not_arrive_fail_the_dump(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh(server, MANY)
    add = parallel._Packer._add

    def lose(packer: Any, data: memoryview, made: list[Any]) -> None:
        add(packer, data[: bytes(data).rfind(b"\n", 0, -1) + 1], made)

    monkeypatch.setattr(parallel._Packer, "_add", lose)
    with pytest.raises(BackupError, match=r"rows of public\.many arrived, but the server sent"):
        await dumped(server)
    no_session_is_left(server)


@pytest.mark.parametrize("first", ["the sessions", "pg_dump"])
async def test_who_queues_for_a_table_gets_it_and_the_dump_comes_after(
    server: Postgres, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    fresh(server, MANY)
    lock = content.DatabaseSnapshot.lock_large_tables
    queued: list[asyncio.subprocess.Process] = []

    async def queue() -> None:
        argv = ["-h", str(server.folder), "-p", str(server.port), "-U", SUPERUSER, "-d", "lilfox", "-c",
                "ALTER TABLE many ADD COLUMN late int"]  # fmt: skip
        queued.append(await asyncio.create_subprocess_exec(str(server._bin / "psql"), *argv, stdout=subprocess.DEVNULL))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        await asyncio.to_thread(wait_for, lambda: server.csv(waiting) == [["1"]], what="the ALTER queues")

    async def lock_and_queue(snapshot: Any) -> Any:
        tables = await lock(snapshot)
        if first == "pg_dump":
            await queue()
        return tables

    async def queue_and_begin(self: Any) -> ParallelCopy:
        if first == "the sessions":
            await queue()
        return await enter(self)

    enter = ParallelCopy.__aenter__
    monkeypatch.setattr(content.DatabaseSnapshot, "lock_large_tables", lock_and_queue)
    monkeypatch.setattr(ParallelCopy, "__aenter__", queue_and_begin)
    raw, detail = await dumped(server)
    assert await queued[0].wait() == 0
    assert detail.content is not None
    assert detail.content.tables["public.many"].way == "copy"
    assert b"COPY public.many (id, t, late) FROM stdin" in raw
    no_session_is_left(server)


async def test_a_table_that_is_locked_is_waited_for_by_pg_dump(server: Postgres) -> None:
    fresh(server, MANY)
    with holding(server, "LOCK TABLE many") as pid, pytest.raises(BackupError, match=f"pid {pid} "):
        await dumped(server, lock_timeout=1.0)
    no_session_is_left(server)


async def test_a_session_that_is_ended_fails_the_dump(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    more = "INSERT INTO many SELECT g, repeat(md5(g::text), 20) FROM generate_series(10001, 40000) g"
    fresh(server, MANY + more)
    begin = ParallelCopy.begin

    async def begin_and_end(copy: Any) -> None:
        await begin(copy)
        server.csv("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'ctid' "
                   "AND pid <> pg_backend_pid()")  # fmt: skip

    monkeypatch.setattr(parallel, "HELD_BYTES", 1)
    monkeypatch.setattr(ParallelCopy, "begin", begin_and_end)
    with pytest.raises(BackupError):
        await dumped(server)
    no_session_is_left(server)
