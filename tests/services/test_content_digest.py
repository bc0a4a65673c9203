"""The digest of a table's content: the same in two majors of PostgreSQL and after a dump, another for each change."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from msgspec import structs

from lilfox_tui.backup.postgresql import row_digest
from lilfox_tui.backup.postgresql.compare import content_of, differing
from lilfox_tui.backup.postgresql.connect import open_server_access, read_url
from lilfox_tui.backup.postgresql.psql import DatabaseContent, DatabaseDetail, TableContent, database_detail
from lilfox_tui.backup.store import BackupError, BrokenSet
from tests.services.kept_parts import KeptParts
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_backups import fresh, local, program, script, source

TABLE = r"""
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN short AS text;
CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
CREATE TABLE every (a bigint, b bigint, i int, s smallint, o oid, yes boolean, t text, v varchar(20), c char(5),
    loose text COLLATE loose, dom short, raw bytea, u uuid, day date, hour time, at timestamp, atz timestamptz,
    zone timetz, span interval, n numeric, f float8, r real, j jsonb, js json, arr text[], nums numeric[], m mood,
    p pair, during tstzrange, net inet, bits bit varying, money money, "Na""me" name, one "char", x xml);
INSERT INTO every SELECT g, -g, g, g, g + 3000000000, g % 2 = 0, 'text ' || g, 'v' || g, 'c' || g % 9, 'Ä' || g,
    'd' || g, decode(md5(g::text), 'hex'), md5(g::text)::uuid, date '2024-02-28' + g, time '00:00' + g * interval '1 s',
    timestamp '2024-01-01' + g * interval '1 us', timestamptz '2024-01-01 00:00Z' - g * interval '400 d',
    timetz '04:05+08' + g * interval '1 s', g * interval '1 mon 3 d', g / 7.0, g / 7.0::float8, g / 7.0::real,
    jsonb_build_object('a', g / 7.0), json_build_object('b', g), ARRAY['x', NULL, g::text], ARRAY[g / 3.0], 'ok',
    ROW(g, NULL)::pair, tstzrange('2024-01-01Z', NULL), '10.0.0.0'::inet + g, g::bit(9)::varbit, g, 'n' || g, 'z',
    '<a/>' FROM generate_series(1, 40) g;
INSERT INTO every (a, f, r, n, at, atz, day) VALUES
    (9223372036854775807, 'NaN', '-0', 'NaN', 'infinity', '-infinity', 'infinity'),
    (-9223372036854775808, '-0', 'Infinity', '-0.000', '4713-01-01 BC', '1900-01-01 00:00+08:05:43', '0044-03-15 BC'),
    (0, sqrt(2) * '-1e-310', 1e-45, 1.10, NULL, NULL, NULL);
UPDATE every SET f = 'Infinity'::float8 - 'Infinity'::float8 WHERE a = 1;
UPDATE every SET raw = decode(repeat(md5(a::text), 4000), 'hex'), t = repeat(t, 9000) WHERE a BETWEEN 2 AND 5;
"""
CHANGES = {
    "a bigint by its upper half": "UPDATE every SET a = a + 4294967296 WHERE a = 7",
    "two rows change a value with each other": "UPDATE every SET b = -15 - b WHERE b IN (-7, -8)",
    "two columns change values": "UPDATE every SET a = b, b = a WHERE a = 9",
    "a digit of a numeric behind the last": "UPDATE every SET n = 1.1 WHERE a = 0",
    "a digit of a numeric in jsonb": "UPDATE every SET j = '{\"a\": 1.10}' WHERE a = 0",
    "the sign of a zero": "UPDATE every SET r = 0 WHERE r = 0",
    "a microsecond": "UPDATE every SET atz = atz + interval '1 us' WHERE a = 3",
    "a month that becomes 30 days": "UPDATE every SET span = span - interval '1 mon' + interval '30 d' WHERE a = 3",
    "null that becomes empty": "UPDATE every SET t = '' WHERE a = 0",
    "a null that moves on": "UPDATE every SET v = t, t = NULL WHERE a = 11",
    "within a composite that holds a null": "UPDATE every SET p = ROW((p).a + 1, NULL) WHERE a = 11",
    "a composite of nulls": "UPDATE every SET p = ROW(NULL, NULL) WHERE a = 0",
    "the bound of an array": "UPDATE every SET arr = '[0:2]={x,NULL,7}' WHERE a = 7",
    "case that a collation overlooks": "UPDATE every SET loose = lower(loose) WHERE a = 7",
    "a blank at an end": "UPDATE every SET v = v || ' ' WHERE a = 7",
    "an enum": "UPDATE every SET m = 'sad' WHERE a = 7",
    "a bit of a bytea": "UPDATE every SET raw = set_byte(raw, 63000, 1) WHERE a = 4",
    "a row twice for another": "UPDATE every SET (a, t) = (SELECT a, t FROM every WHERE a = 8) WHERE a = 7",
}  # fmt: skip


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Postgres, Postgres]]:
    with Postgres(version=15) as old, Postgres(version=17) as new:
        yield old, new


async def digest(server: Postgres) -> str:
    """Of ``every`` in ``lilfox``."""
    version = int(server.csv("SHOW server_version_num")[0][0])
    async with open_server_access(
        local(), read_url(f"postgresql://{SUPERUSER}@127.0.0.1:{server.port}/lilfox")
    ) as access:
        table = (await content_of(access, "lilfox", version, None)).tables["public.every"]
    assert (table.rows, table.way, table.note) == (43, "values", "")
    assert table.digest is not None
    return table.digest


async def test_it_is_the_same_in_another_major_after_a_restore(servers: tuple[Postgres, Postgres]) -> None:
    old, new = servers
    fresh(old, TABLE)
    fresh(new)
    dump = program(new, "pg_dump", "-Fc", "-p", str(old.port), "-h", str(old.folder), "-d", "lilfox").stdout
    script(new, "CREATE TYPE took_an_oid AS ENUM ('x')")
    program(new, "pg_restore", "--exit-on-error", "-d", "lilfox", input=dump)
    assert await digest(new) == await digest(old)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_change_is_seen(servers: tuple[Postgres, Postgres], change: str) -> None:
    _old, new = servers
    fresh(new, TABLE)
    before = await digest(new)
    script(new, change)
    assert await digest(new) != before


# ---- rows that passed through here, hashed as COPY writes them ------------------------------------------------------

COPIED = (
    TABLE.replace(", money money", "")
    .replace(" g::bit(9)::varbit, g,", " g::bit(9)::varbit,")
    .replace("\n    p pair,", "")
    .replace("'ok',\n    ROW(g, NULL)::pair, ", "'ok',\n    ")
    + r"""
ALTER TABLE every DROP COLUMN s, ADD COLUMN twice bigint GENERATED ALWAYS AS (a / 2) STORED, ADD COLUMN last text;
UPDATE every SET last = repeat(E'tab\tnew\nline\\\r', 200000) WHERE a = 12;
CREATE SCHEMA "Other ""s";
CREATE TABLE "Other ""s"."select" ("from" int, "Ünï" text);
INSERT INTO "Other ""s"."select" SELECT g, 'x' FROM generate_series(1, 5000) g;
CREATE TABLE none (x int);
CREATE TABLE days (day date, what text) PARTITION BY RANGE (day);
CREATE TABLE first_days PARTITION OF days FOR VALUES FROM (MINVALUE) TO ('2024-06-01');
CREATE TABLE other_days PARTITION OF days DEFAULT;
INSERT INTO days SELECT date '2024-01-01' + g, g FROM generate_series(1, 300) g;
CREATE TABLE price (amount money);
INSERT INTO price VALUES (1), (2);
CREATE TABLE above (x int);
CREATE TABLE below (y int) INHERITS (above);
INSERT INTO below VALUES (1, 2);
SELECT lo_from_bytea(0, decode(repeat(md5('x'), 20000), 'hex'));
"""
)
SQL_ALONE = {"public.price", "public.below"}
ONE = {name: change for name, change in CHANGES.items() if "composite" not in name}


async def dumped(server: Postgres) -> tuple[bytes, DatabaseDetail]:
    into = KeptParts()
    await source(server, globals=False).dump(into)
    return into.raw["lilfox.dump"], database_detail(into.details["lilfox.dump"])


async def found(server: Postgres, said: DatabaseContent) -> DatabaseContent:
    version = int(server.csv("SHOW server_version_num")[0][0])
    url = read_url(f"postgresql://{SUPERUSER}@127.0.0.1:{server.port}/lilfox")
    async with open_server_access(local(), url) as access:
        return await content_of(access, "lilfox", version, said)


async def test_what_passed_is_what_another_major_has_after_a_restore(servers: tuple[Postgres, Postgres]) -> None:
    old, new = servers
    fresh(old, COPIED)
    for name, value in (("timezone", "Asia/Kathmandu"), ("bytea_output", "escape")):
        old.csv(f"ALTER DATABASE lilfox SET {name} = '{value}'")
    raw, detail = await dumped(old)
    assert detail.content is not None
    assert {name for name, table in detail.content.tables.items() if table.way != "copy"} == SQL_ALONE
    assert detail.content.tables['"Other ""s"."select"'].rows == 5000
    fresh(new)
    program(new, "pg_restore", "--exit-on-error", "-d", "lilfox", input=raw)
    assert list(differing(detail.content, await found(new, detail.content))) == []


@pytest.mark.parametrize("change", ONE.values(), ids=ONE)
async def test_a_change_of_what_passed_is_seen(servers: tuple[Postgres, Postgres], change: str) -> None:
    _old, new = servers
    fresh(new, COPIED)
    _raw, detail = await dumped(new)
    assert detail.content is not None
    script(new, change)
    [told] = differing(detail.content, await found(new, detail.content))
    assert str(told) == "public.every: same number of rows, but the content differs from the dump"


async def test_a_table_that_cannot_be_copied_is_named_and_blames_no_other(servers: tuple[Postgres, Postgres]) -> None:
    _old, new = servers
    fresh(new, COPIED)
    _raw, detail = await dumped(new)
    assert detail.content is not None
    with psycopg.connect(f"postgresql://{SUPERUSER}@127.0.0.1:{new.port}/lilfox") as other:
        other.execute("LOCK TABLE first_days")
        [told] = differing(detail.content, await found(new, detail.content))
    assert str(told) == "public.first_days: cannot be read: canceling statement due to lock timeout"


@pytest.mark.parametrize("fails", ["at its head", "in its midst"])
async def test_of_an_archive_that_is_not_known_the_server_hashes_the_rows(
    servers: tuple[Postgres, Postgres], fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fails == "at its head":
        monkeypatch.setattr(row_digest, "KNOWN_FORM", (1, 0))
    else:
        monkeypatch.setattr(row_digest.ArchiveRows, "_read_whole", _refuse)
    _old, new = servers
    fresh(new, COPIED)
    _raw, detail = await dumped(new)
    assert detail.content is not None
    assert {table.way for table in detail.content.tables.values()} == {"values"}
    assert detail.content.tables["public.every"].digest is not None


def _refuse(_rows: row_digest.ArchiveRows, _digest: row_digest.RowDigest) -> None:
    raise BrokenSet("a chunk that is none")


async def test_a_dump_with_other_rows_than_the_server_counts_fails(
    servers: tuple[Postgres, Postgres], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = row_digest.RowDigest.content

    def one_less(digest: row_digest.RowDigest) -> TableContent:
        whole = content(digest)
        return structs.replace(whole, rows=whole.rows - 1) if whole.rows == 5000 else whole

    monkeypatch.setattr(row_digest.RowDigest, "content", one_less)
    _old, new = servers
    fresh(new, COPIED)
    with pytest.raises(BackupError, match=r'wrote 4999 rows of "Other ""s"\."select", but the server counted 5000'):
        await dumped(new)
