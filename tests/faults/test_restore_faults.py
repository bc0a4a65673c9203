"""Restoring a database when something is wrong: FAULTS section 1, by number, with PostgreSQL 15 and 17."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from lilfox_tui.backup.options import PostgresqlOptions
from tests.faults.restored_shop import ROWS, SUM, failing, other, server, shop, untouched
from tests.faults.test_dump_content_faults import EVERYTHING
from tests.services.database_sets import (
    bad,
    dumped,
    options_for,
    restored,
    target,
    without_others,
)
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_backups import fresh, program, script

__all__ = ["other", "server", "shop"]

COLUMN_THAT_CHANGES_PLACES = "ALTER TABLE base ADD COLUMN late text DEFAULT 'l';"
"""In the child of ``base``; all of its content stays, yet its text is another."""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that every account may write to."""
    folder = Path(tempfile.mkdtemp(prefix="lilfox-open-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.parametrize("manual", [False, True], ids=["archive", "script"])
async def test_27_a_cut_part_restores_nothing(server: Postgres, shop: PostgresqlOptions, manual: bool) -> None:
    kept = await dumped(shop, manual=manual)
    said = await failing(server, shop, kept.with_bytes(kept.bytes_of_database[: len(kept.bytes_of_database) // 2]))
    assert "is truncated" in said if manual else "pg_restore failed" in said


async def test_27b_an_error_after_large_objects_restores_nothing(server: Postgres, shop: PostgresqlOptions) -> None:
    script(server, "SELECT lo_from_bytea(0, 'large')", "shop")
    kept = await dumped(shop, manual=True)
    end = b"--\n-- PostgreSQL database dump complete"
    said = await failing(server, shop, kept.with_bytes(kept.bytes_of_database.replace(end, b"SELECT 1/0;\n" + end)))
    assert "division by zero" in said


async def test_28_a_script_cut_between_two_statements_restores_nothing(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    kept = await dumped(shop, manual=True)
    raw = kept.bytes_of_database
    said = await failing(server, shop, kept.with_bytes(raw[: raw.index(b"\n\\.\n") + 4]))
    assert "is truncated" in said


@pytest.mark.parametrize("raw", [b"", b"<html><body>404 Not Found</body></html>\n", b"PGDMP\x01\x0e\x00 not"])
async def test_30_what_is_no_dump_is_found_before_anything_is_written(
    server: Postgres, shop: PostgresqlOptions, raw: bytes
) -> None:
    kept = await dumped(shop, manual=True, told=False)
    with untouched(server):
        [said] = bad(await target(shop, kept.with_bytes(raw, told=False).task()).checks())
    assert "empty" in said or "not a pg_dump script" in said or "custom format" in said


async def test_30_another_databases_dump_is_not_equal(server: Postgres, shop: PostgresqlOptions) -> None:
    kept = await dumped(shop)
    fresh(server, "CREATE TABLE users (id int); INSERT INTO users VALUES (1)", "alien")
    foreign = await dumped(options_for(server, "alien"))
    into = target(shop, kept.with_bytes(foreign.bytes_of_database).task())
    await into.stage(lambda _done: None)
    differences = (await into.compare()).differences
    await into.discard()
    assert differences == (
        "public.users: 6,000 rows in the dump, 1 restored",
        "the schema differs from the dump",
    )


async def test_32_a_pg_restore_that_does_not_fit_is_told_before(server: Postgres, shop: PostgresqlOptions) -> None:
    kept = await dumped(shop)
    if server.csv("SHOW server_version")[0][0].startswith("17"):
        options = msgspec.structs.replace(shop, binaries="/usr/lib/postgresql/15/bin")
        [said] = bad(await target(options, kept.task()).checks())
        assert "it needs pg_restore 17 to 17; here has 15." in said
    else:
        options = msgspec.structs.replace(shop, binaries="/usr/lib/postgresql/17/bin")
        [said] = bad(await target(options, kept.task()).checks())
        assert "it needs pg_restore 15 to 15; here has 17." in said


@pytest.mark.parametrize("manual", [False, True], ids=["archive", "script"])
async def test_33_a_dump_of_a_newer_server_is_told_before_and_an_older_one_restored(manual: bool) -> None:
    with Postgres(version=15) as older, Postgres(version=17) as newer:
        fresh(older, ROWS, "shop")
        fresh(newer, ROWS, "shop")
        new, old = await dumped(options_for(newer), manual=manual), await dumped(options_for(older), manual=manual)
        said = bad(await target(options_for(older), new.task(other_server=True)).checks())
        assert any("dumped from PostgreSQL 17 by pg_dump 17" in each for each in said), said
        assert any("PostgreSQL 17 or newer" in each for each in said)
        into = target(options_for(newer), old.task(other_server=True))
        assert bad(await into.checks()) == []
        await into.stage(lambda _done: None)
        comparison = await into.compare()
        await into.swap()
        assert comparison.differences == ()
        assert "schema not compared: dumped by 15." in comparison.compared
        assert newer.csv(SUM, database="shop") == older.csv(SUM, database="shop")


async def test_34_a_psql_that_cannot_be_guarded_runs_no_script(
    server: Postgres, shop: PostgresqlOptions, tmp_path: Path
) -> None:
    kept = await dumped(shop, manual=True)
    newest = "/usr/lib/postgresql/17/bin"
    for name in ("psql", "pg_dump", "pg_restore"):
        stub = tmp_path / name
        stub.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "{name} (PostgreSQL) 15.13" && exit\n'
                        f'exec {newest}/{name} "$@"\n')  # fmt: skip
        stub.chmod(0o755)
    options = msgspec.structs.replace(shop, binaries=str(tmp_path))
    said = bad(await target(options, kept.task()).checks())
    assert any("psql 15.13 can be tricked into running commands hidden in a script" in each for each in said), said


@pytest.mark.parametrize(
    "evil",
    [rb"\! touch CANARY", rb"\copy users from program 'touch CANARY'", rb"\i /etc/passwd", rb"\o CANARY"],
)
async def test_35_a_tampered_script_runs_nothing(
    server: Postgres, shop: PostgresqlOptions, evil: bytes, open_folder: Path
) -> None:
    kept = await dumped(shop, manual=True)
    canary = open_folder / "canary"
    line = evil.replace(b"CANARY", str(canary).encode())
    where = b"\n--\n-- PostgreSQL database dump complete"
    said = await failing(
        server, shop, kept.with_bytes(kept.bytes_of_database.replace(where, b"\n" + line + b"\n" + where))
    )
    assert os.listdir(open_folder) == []
    assert "command" in said


async def test_36_roles_that_are_missing_are_named_with_the_part_that_holds_them(
    server: Postgres, shop: PostgresqlOptions, other: Postgres
) -> None:
    server.csv("ALTER DATABASE shop OWNER TO app")
    script(server, "ALTER TABLE users OWNER TO app; GRANT SELECT ON users TO creator", "shop")
    kept = await dumped(shop)
    into = target(options_for(other), kept.task(other_server=True))
    [said] = bad(await into.checks())
    assert "the server lacks app, creator" in said
    assert "CREATE ROLE statements in globals.sql" in said
    other.csv("CREATE ROLE app; CREATE ROLE creator")
    await restored(options_for(other), kept.task(other_server=True))
    owners = """
        SELECT pg_get_userbyid(datdba), (SELECT relowner::regrole FROM pg_class WHERE relname = 'users')
        FROM pg_database WHERE datname = 'shop'
    """
    assert other.csv(owners, database="shop") == [["app", "app"]]
    without_others(other)
    other.csv("DROP ROLE app; DROP ROLE creator")


async def test_36_a_role_that_may_not_give_things_to_others_is_told(server: Postgres, shop: PostgresqlOptions) -> None:
    script(server, "ALTER TABLE users OWNER TO app", "shop")
    kept = await dumped(shop)
    said = bad(await target(options_for(server, user="creator"), kept.task()).checks())
    assert any("creator is not a member of app, postgres" in each for each in said), said
    assert any(f"belongs to {SUPERUSER}; creator cannot rename it" in each for each in said)
    said = bad(await target(options_for(server, user="app"), kept.task()).checks())
    assert any("app cannot create databases" in each for each in said)


async def test_37_extensions_that_are_missing_or_need_a_superuser_are_told(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    kept = await dumped(shop)
    said = bad(await target(shop, kept.saying(extensions={"no_such": "1.0"}).task()).checks())
    assert said == ["extensions for shop: the server does not have no_such (Install its package on the server's host.)"]
    kept = kept.saying(extensions={"pg_stat_statements": "1.0"}, roles=["creator"], owner="creator")
    said = bad(await target(options_for(server, "new", user="creator"), kept.task()).checks())
    assert said == ["extensions for new: only a superuser may install pg_stat_statements (Restore as a superuser.)"]


def with_tablespace(server: Postgres, name: str) -> Path:
    """Make a tablespace and the table ``hot`` in it; its folder."""
    folder = server.folder / name
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, SUPERUSER, SUPERUSER)
    server.csv(f"CREATE TABLESPACE {name} LOCATION '{folder}'")
    script(server, f"CREATE TABLE hot TABLESPACE {name} AS SELECT 1 AS x", "shop")
    return folder


async def test_38_tables_of_a_missing_tablespace_go_into_the_default_one(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    folder = with_tablespace(server, "fast")
    kept, as_script = await dumped(shop), await dumped(shop, manual=True)
    script(server, "DROP TABLE hot", "shop")
    server.csv("DROP TABLESPACE fast")
    folder.rmdir()
    assert any("the server lacks fast" in each for each in bad(await target(shop, as_script.task()).checks()))
    [said] = [each for each in bad(await target(shop, kept.task()).checks(), "warning") if "tablespaces" in each]
    assert "the server lacks fast" in said
    assert "--no-tablespaces" in said
    await restored(shop, kept.task())
    assert server.csv("SELECT x FROM hot", database="shop") == [["1"]]


async def test_a_tablespace_that_is_there_but_not_for_us_is_not_called_missing(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    folder = with_tablespace(server, "shut")
    kept, as_script = await dumped(shop), await dumped(shop, manual=True)
    ours = options_for(server, "new", user="creator")
    for found in (
        bad(await target(ours, as_script.task()).checks()),
        bad(await target(ours, kept.task()).checks(), "warning"),
    ):
        [said] = [each for each in found if "tablespaces" in each]
        assert "creator may not create objects in shut" in said
        assert "GRANT CREATE ON TABLESPACE" in said
        assert "create the tablespaces" not in said
    script(server, "DROP TABLE hot", "shop")
    server.csv("DROP TABLESPACE shut")
    folder.rmdir()


async def test_39_the_encoding_is_that_of_the_set_and_a_change_is_told(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    kept = await dumped(shop)
    before = server.csv(SUM, database="shop")
    server.csv("DROP DATABASE shop")
    server.csv("CREATE DATABASE shop TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'")
    [said] = bad(await target(shop, kept.task()).checks(), "warning")
    assert "UTF8, C.UTF-8 in the set, SQL_ASCII, C in the existing database" in said
    await restored(shop, kept.task())
    assert server.csv(SUM, database="shop") == before
    shown = "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = 'shop'"
    assert server.csv(shown) == [["UTF8", "C.UTF-8"]]


async def test_39_a_locale_that_the_server_does_not_have_is_told_before(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    kept = (await dumped(shop)).saying(collate="xx_XX.utf8")
    [said] = bad(await target(shop, kept.task()).checks())
    assert "xx_XX.utf8" in said
    assert "Generate the locale" in said


def _text(server: Postgres, name: str) -> list[bytes]:
    """All that pg_dump writes of a database, without the key that differs each time."""
    text = program(server, "pg_dump", "-d", name).stdout
    return [line for line in text.splitlines() if not line.startswith((b"\\restrict", b"\\unrestrict"))]


@pytest.mark.parametrize("manual", [False, True], ids=["archive", "script"])
async def test_40_everything_that_a_database_can_hold_comes_back(server: Postgres, manual: bool) -> None:
    without_others(server)
    fresh(server, EVERYTHING.replace(COLUMN_THAT_CHANGES_PLACES, "").replace("(1, 2, 'three')", "(1, 2)"), "lilfox")
    options = options_for(server, "lilfox")
    before, kept = _text(server, "lilfox"), await dumped(options, manual=manual)
    into = await restored(options, kept.task())
    assert _text(server, "lilfox") == before
    assert _text(server, into.swap_plan().before) == before
    without_others(server)


async def test_41_what_belongs_to_the_database_and_is_in_no_dump_is_carried_over(
    server: Postgres, shop: PostgresqlOptions
) -> None:
    server.csv("""
        ALTER DATABASE shop OWNER TO app; ALTER DATABASE shop SET search_path = "$user", "a, b", public;
        ALTER DATABASE shop SET work_mem = '5MB'; ALTER ROLE creator IN DATABASE shop SET statement_timeout = '9s';
        GRANT CREATE ON DATABASE shop TO creator WITH GRANT OPTION; REVOKE ALL ON DATABASE shop FROM PUBLIC;
        COMMENT ON DATABASE shop IS E'the ''shop''\n2'; ALTER DATABASE shop CONNECTION LIMIT 55
    """)
    asked = """
        SELECT pg_get_userbyid(datdba), (SELECT array_agg(a::text ORDER BY a::text) FROM unnest(datacl) a),
            datconnlimit, datallowconn, shobj_description(d.oid, 'pg_database'),
            (SELECT array_agg((setrole, (SELECT array_agg(c ORDER BY c) FROM unnest(setconfig) c)) ORDER BY setrole)
                FROM pg_db_role_setting WHERE setdatabase = d.oid)
        FROM pg_database d WHERE datname = 'shop'
    """
    before = server.csv(asked)
    await restored(shop, (await dumped(shop)).task())
    assert server.csv(asked) == before
