"""Databases dumped here and over SSH, as a service's account and with a password, and restored equal."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import xxhash

from lilfox_tui.backup.postgresql.psql import database_detail
from lilfox_tui.backup.sets.model import FoundPart
from lilfox_tui.backup.sources.postgresql import read_content
from lilfox_tui.config.values import SecretRef
from lilfox_tui.hosts.base import Host
from lilfox_tui.hosts.open import open_host
from tests.services.kept_parts import KeptParts
from tests.services.postgres import Postgres
from tests.services.postgres_backups import fresh, local, no_session_is_left, password_files, program, script, source
from tests.services.sshd import sshd_lab

ROWS = """
CREATE TABLE users AS SELECT g AS id, 'user ' || g AS name FROM generate_series(1, 20000) g;
CREATE TABLE orders AS SELECT g AS id, g % 20000 AS "user", repeat('x', 100) AS note FROM generate_series(1, 50000) g;
"""


def rows_and_digest(server: Postgres, table: str, database: str) -> tuple[int, str]:
    """How many rows the table holds, and the sum of the hashes of their lines."""
    lines = program(server, "psql", "-X", "-q", "-d", database, "-c", f"COPY {table} TO STDOUT").stdout.splitlines()
    return len(lines), f"{sum(map(xxhash.xxh3_128_intdigest, lines)) % 2**128:032x}"


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with Postgres(version=request.param) as running:
        fresh(running, ROWS)
        yield running


@pytest.fixture(params=["local", "ssh"])
async def host(request: pytest.FixtureRequest) -> AsyncIterator[Host]:
    if request.param == "local":
        yield local()
        return
    with sshd_lab() as lab:
        host = open_host("db-1", lab.host(lab.sshd()), lab.ssh())
        yield host
        await host.close()


async def blocks(data: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(data), 1 << 16):
        yield data[at : at + (1 << 16)]


async def test_a_database_is_dumped_with_its_globals_and_counted(server: Postgres, host: Host) -> None:
    of = source(server, host=host)
    assert {check.state for check in await of.checks()} == {"good"}
    assert (await of.size_bytes() or 0) > 5_000_000
    into = KeptParts()
    await of.dump(into)
    assert into.kinds == {"globals.sql": "postgresql-globals", "lilfox.dump": "postgresql-custom"}
    detail = database_detail(into.details["lilfox.dump"])
    assert detail.content is not None
    assert {name: table.rows for name, table in detail.content.tables.items()} == {
        "public.users": 20000, "public.orders": 50000,
    }  # fmt: skip
    assert detail.schema_sha256 is not None
    assert into.notes == []
    no_session_is_left(server)

    fresh(server, name="again")
    program(server, "pg_restore", "--exit-on-error", "-d", "again", input=into.raw["lilfox.dump"])
    assert rows_and_digest(server, "users", "again") == (20000, detail.content.tables["public.users"].digest)


@pytest.mark.skipif(os.geteuid() != 0, reason="another account can be taken on by root only")
async def test_as_the_services_account_through_its_socket_no_password_is_needed(server: Postgres, host: Host) -> None:
    hba = server._data / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text("local all postgres peer\nlocal all all reject\nhost all all all reject\n")
    server.reload()
    try:
        url = f"postgresql:///lilfox?host={server.folder}&port={server.port}"
        refused = source(server, host=host, url=url + "&user=postgres", databases=())
        assert "Peer authentication failed" in " ".join(str(check.found) for check in await refused.checks())
        into = KeptParts()
        await source(server, host=host, url=url, databases=(), as_="postgres").dump(into)
    finally:
        hba.write_text(before)
        server.reload()
    assert database_detail(into.details["lilfox.dump"]).content is not None


async def test_a_password_is_taken_from_where_the_config_says(server: Postgres, host: Host, tmp_path: Path) -> None:
    mine = os.urandom(4).hex()
    server.csv(f"DROP ROLE IF EXISTS app; CREATE ROLE app LOGIN SUPERUSER PASSWORD E'{mine}:b\\\\c ''\"$x '")
    hba = server._data / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text("host all app 127.0.0.1/32 scram-sha-256\n" + before)
    server.reload()
    secret = tmp_path / "secret"
    secret.write_text(f"{mine}:b\\c '\"$x \n")
    secret.chmod(0o600)
    try:
        into = KeptParts()
        await source(server, user="app", host=host, password=SecretRef(f"file:{secret}")).dump(into)
    finally:
        hba.write_text(before)
        server.reload()
        server.csv("DROP ROLE app")
    assert into.raw["lilfox.dump"].startswith(b"PGDMP")
    assert password_files(mine) == []


async def test_several_databases_are_one_part_each(server: Postgres) -> None:
    fresh(server, "CREATE TABLE t (x int)", name="second")
    into = KeptParts()
    await source(server, databases=("lilfox", "second"), globals=False).dump(into)
    assert {name: detail["database"] for name, detail in into.details.items()} == {
        "lilfox.dump": "lilfox", "second.dump": "second",
    }  # fmt: skip


async def test_the_manuals_format_is_a_script_that_its_restore_reads(server: Postgres) -> None:
    into = KeptParts(manual=True)
    await source(server, globals=False).dump(into)
    [(name, raw)] = into.raw.items()
    assert (name, into.kinds[name]) == ("lilfox.sql", "postgresql-plain")
    fresh(server, name="again")
    script(server, raw.decode(), "again")
    assert server.csv("SELECT count(*) FROM orders", database="again") == [["50000"]]


@pytest.mark.parametrize("manual", [False, True])
async def test_what_was_dumped_reads_as_whole_and_half_of_a_script_does_not(server: Postgres, manual: bool) -> None:
    into = KeptParts(manual=manual)
    await source(server).dump(into)
    for name, raw in into.raw.items():
        part = FoundPart(name=name, source="db", source_kind="postgresql", kind=into.kinds[name], size_bytes=len(raw))
        assert (await read_content(part, blocks(raw))).trouble == ""
        assert str((await read_content(part, blocks(raw[: len(raw) // 2]))).trouble)


async def test_while_writers_write_the_count_is_that_of_the_dump(server: Postgres) -> None:
    fresh(server, ROWS, name="busy")

    def write(_block: bytes) -> None:
        server.csv("INSERT INTO users VALUES (0, 'late')", database="busy")
        server.csv("DELETE FROM orders WHERE id % 100 = 7", database="busy")

    into = KeptParts(on_block=write)
    await source(server, databases=("busy",), globals=False).dump(into)
    detail = database_detail(into.details["busy.dump"])
    assert detail.content is not None
    fresh(server, name="again")
    program(server, "pg_restore", "--exit-on-error", "-d", "again", input=into.raw["busy.dump"])
    for table in ("users", "orders"):
        counted = detail.content.tables[f"public.{table}"]
        assert rows_and_digest(server, table, "again") == (counted.rows, counted.digest)
        assert rows_and_digest(server, table, "busy") != (counted.rows, counted.digest)
