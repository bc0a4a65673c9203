"""What a dump must carry and where it may be taken from: FAULTS section 1, rows 14, 39, 40, 41, 49."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from lilfox_tui.backup.postgresql.connect import open_server_access, read_url
from lilfox_tui.backup.postgresql.content import take_snapshot
from lilfox_tui.backup.postgresql.psql import DatabaseContent, DatabaseDetail, DigestWay, database_detail
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.errors import HostError
from lilfox_tui.hosts.open import open_host
from tests.services.kept_parts import KeptParts
from tests.services.postgres import SUPERUSER, Postgres
from tests.services.postgres_backups import fresh, local, no_session_is_left, program, script, source
from tests.services.sshd import sshd_lab

EVERYTHING = r"""
CREATE SCHEMA "Some Schema";
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN positive AS int CHECK (value > 0);
CREATE TABLE users (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, n positive, m mood,
    twice int GENERATED ALWAYS AS (n * 2) STORED, at timestamptz, d interval, f float8, r real, money money, j jsonb,
    b bytea, x xml, arr text[], during tstzrange);
INSERT INTO users (name, n, m, at, d, f, r, money, j, b, x, arr, during) SELECT '用户 ' || g, g, 'ok',
    now() - g * '1 h'::interval, g * '1 day 1 min'::interval, sqrt(g), sqrt(g), g, '{"a": 1}',
    decode(md5(g::text), 'hex'), '<a/>',
    ARRAY['x', NULL, E'\\'], tstzrange(now(), NULL) FROM generate_series(1, 500) g;
CREATE TABLE "Some Schema"."we""ird
name" (x text); INSERT INTO "Some Schema"."we""ird
name" VALUES (E'a\tb\n\\.\n'), (NULL), ('');
CREATE TABLE parts (k int, v text) PARTITION BY LIST (k);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_x (v text, k int); ALTER TABLE parts ATTACH PARTITION parts_x DEFAULT;
INSERT INTO parts SELECT g % 3, g FROM generate_series(1, 90) g;
CREATE TABLE base (a int); CREATE TABLE child (own int) INHERITS (base);
ALTER TABLE base ADD COLUMN late text DEFAULT 'l';
INSERT INTO child VALUES (1, 2, 'three');
CREATE UNLOGGED TABLE unlogged (x int); INSERT INTO unlogged VALUES (1);
CREATE TABLE empty (x int); CREATE TABLE no_columns ();
CREATE SEQUENCE numbers START 5; SELECT nextval('numbers'); CREATE SEQUENCE untouched;
CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM users;
CREATE TABLE guarded (x int); INSERT INTO guarded VALUES (1); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY none ON guarded USING (false);
CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS $x$ BEGIN /*
COPY users FROM stdin;
\.
\! touch canary
*/ RETURN '\'; END $x$;
CREATE FUNCTION told() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER told ON ddl_command_end EXECUTE FUNCTION told();
CREATE PUBLICATION pub FOR TABLE users;
COMMENT ON TABLE users IS E'quote '' and \\ and $$ /* --';
SELECT lo_from_bytea(0, 'large object'), lo_from_bytea(0, decode(repeat('ab', 5000), 'hex'));
ALTER DATABASE lilfox SET work_mem = '7MB';
CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE elsewhere (x int) SERVER s;
"""


@pytest.fixture(scope="module", params=[15, 17])
def server(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    with Postgres("wal_level = logical\n", version=request.param) as running:
        yield running


async def dumped(into: KeptParts, of: Any) -> DatabaseDetail:
    await of.dump(into)
    [name] = [name for name in into.details if not name.startswith("globals")]
    return database_detail(into.details[name])


async def counted(server: Postgres, database: str, like: DatabaseContent) -> DatabaseContent:
    """The content of a database, its digests made as ``like`` has them."""
    connection = read_url(f"postgresql://{SUPERUSER}@127.0.0.1:{server.port}/{database}")
    async with open_server_access(local(), connection) as access:
        version = int(server.csv("SHOW server_version_num")[0][0])
        async with take_snapshot(access, database, version_num=version, said=like.tables) as now:
            await now.read_sequences()
            return await now.count()


def restored(server: Postgres, dump: bytes, name: str = "again") -> None:
    fresh(server, name=name)
    program(server, "pg_restore", "--exit-on-error", "-d", name, input=dump)


def schema(server: Postgres, database: str) -> list[bytes]:
    """What pg_dump gives of the schema, without the key that differs each time."""
    text = program(server, "pg_dump", "--schema-only", "-d", database).stdout
    return [line for line in text.splitlines() if not line.startswith((b"\\restrict", b"\\unrestrict"))]


async def test_40_everything_that_a_database_can_hold_comes_back_and_is_counted_equal(server: Postgres) -> None:
    fresh(server, EVERYTHING)
    into = KeptParts()
    detail = await dumped(into, source(server, globals=False))
    restored(server, into.raw["lilfox.dump"])

    assert detail.content is not None
    assert into.notes == []
    again = await counted(server, "again", detail.content)
    assert again == detail.content
    assert schema(server, "again") == schema(server, "lilfox")
    tables = detail.content.tables
    assert tables["public.users"].rows == 500
    assert tables["public.child"].way == "values", "its columns change places when restored"
    assert tables["public.guarded"].rows == 1
    assert {name for name, table in tables.items() if table.rows is None} == set()
    assert "public.mv" not in tables
    assert "public.elsewhere" not in tables
    assert detail.content.large_objects == 2
    assert detail.content.large_objects_digest is not None
    assert detail.content.sequences["public.numbers"].last == 5
    assert not detail.content.sequences["public.untouched"].called


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET name = name || ' ' WHERE id = 250",
        "UPDATE users SET f = f + 1e-15 WHERE id = 3",
        "UPDATE parts SET v = (v::int + 1)::text WHERE v = '88'",
        "UPDATE child SET own = a, a = own",
        'DELETE FROM "Some Schema"."we""ird\nname" WHERE x IS NULL',
        "SELECT lo_put(oid, 0, 'L') FROM (SELECT min(oid) AS oid FROM pg_largeobject_metadata) o",
        "SELECT nextval('numbers')",
    ],
)
async def test_40_a_value_that_differs_is_seen(server: Postgres, change: str) -> None:
    fresh(server, EVERYTHING)
    into = KeptParts()
    detail = await dumped(into, source(server, globals=False))
    assert detail.content is not None
    script(server, change)
    assert await counted(server, "lilfox", detail.content) != detail.content


@pytest.mark.parametrize("way", ["values", "rows", "columns"])
async def test_40_a_table_is_counted_equal_in_the_ways_of_older_sets_too(server: Postgres, way: DigestWay) -> None:
    values = "string_agg(md5((g * i)::text), '') AS s, decode(string_agg(md5((g + i)::text), ''), 'hex') AS b"
    fresh(server, "CREATE TYPE pair AS (a int, b text)")
    script(server, f"CREATE TABLE big AS SELECT g, {values}, NULL::int AS n, ROW(1, 'x')::pair AS p "
           "FROM generate_series(1, 50) g, generate_series(1, 400) i GROUP BY g")  # fmt: skip
    into = KeptParts()
    detail = await dumped(into, source(server, globals=False))
    restored(server, into.raw["lilfox.dump"])
    assert detail.content is not None
    table = detail.content.tables["public.big"]
    assert (table.rows, table.way) == (50, "values")
    old = structs.replace(detail.content, tables={"public.big": structs.replace(table, way=way)})
    then = await counted(server, "lilfox", old)
    assert (then.tables["public.big"].way, await counted(server, "again", old)) == (way, then)
    script(server, "UPDATE big SET g = 51 WHERE g = 50")
    assert await counted(server, "lilfox", old) != then


async def test_40_counting_calls_no_function_of_the_tables_owner(server: Postgres) -> None:
    """A cast to text may be one; it would run as who counts."""
    fresh(
        server,
        """CREATE TABLE trap (x int); INSERT INTO trap VALUES (1); CREATE TABLE ran (who text);
        CREATE FUNCTION spring(trap) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'sprung'; END $$;
        CREATE CAST (trap AS text) WITH FUNCTION spring(trap);
        CREATE TYPE word AS ENUM ('a'); CREATE TABLE words (w word); INSERT INTO words VALUES ('a');
        CREATE FUNCTION spring(word) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE 'sprung'; END $$;
        CREATE CAST (word AS text) WITH FUNCTION spring(word)""",
    )
    into = KeptParts()
    detail = await dumped(into, source(server, globals=False))
    assert detail.content is not None
    by_the_server = {name: structs.replace(table, way="values") for name, table in detail.content.tables.items()}
    there = await counted(server, "lilfox", structs.replace(detail.content, tables=by_the_server))
    for content, way in ((detail.content, "copy"), (there, "values")):
        assert {name: (table.rows, table.way, table.note) for name, table in content.tables.items()} == {
            "public.ran": (0, way, ""), "public.trap": (1, way, ""), "public.words": (1, way, ""),
        }  # fmt: skip


async def test_40_a_value_that_pg_dump_can_never_dump_is_told(server: Postgres) -> None:
    fresh(server, "CREATE TABLE big (b bytea COMPRESSION lz4)")  # the default takes ten times as long
    script(server, "INSERT INTO big SELECT decode(repeat('ab', 300000000), 'hex')")
    script(server, "UPDATE big SET b = b || b")
    with pytest.raises(BackupError) as caught:
        await source(server, globals=False).dump(KeptParts())
    assert "1 GB" in str(caught.value.hint)


@pytest.mark.parametrize("encoding", ["UTF8", "LATIN1", "SQL_ASCII"])
async def test_39_bytes_come_back_as_they_were_in_any_encoding(server: Postgres, encoding: str) -> None:
    server.csv("DROP DATABASE IF EXISTS lilfox (FORCE)")
    server.csv(f"CREATE DATABASE lilfox ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    raw = {"UTF8": "用户".encode(), "LATIN1": "é".encode("latin-1"), "SQL_ASCII": b"\xff\xfe\xe7"}[encoding]
    value = "".join(f"\\x{byte:02x}" for byte in raw)
    program(server, "psql", "-X", "-q", "-d", "lilfox", "-c", "CREATE TABLE t (x text)")
    sql = f"SET client_encoding = '{encoding}'; COPY t FROM stdin;\n{value}\n\\.\n"
    program(server, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "lilfox", input=sql.encode())
    into = KeptParts()
    detail = await dumped(into, source(server, globals=False))
    assert (detail.encoding, detail.collate) == (encoding, "C")

    server.csv("DROP DATABASE IF EXISTS again (FORCE)")
    server.csv(f"CREATE DATABASE again ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
    program(server, "pg_restore", "--exit-on-error", "-d", "again", input=into.raw["lilfox.dump"])
    assert server.csv("SELECT md5(x::bytea) FROM t", database="again") == [[hashlib.md5(raw).hexdigest()]]
    assert detail.content is not None
    assert await counted(server, "again", detail.content) == detail.content


@pytest.mark.fault("1.41", "2.15")
async def test_41_roles_their_settings_and_those_of_the_database_are_kept(server: Postgres) -> None:
    fresh(server, "CREATE TABLE t (x int)")
    server.csv(
        "DROP ROLE IF EXISTS app; CREATE ROLE app LOGIN PASSWORD 'app-secret'; ALTER ROLE app SET work_mem = '9MB'"
    )
    server.csv("ALTER DATABASE lilfox SET work_mem = '7MB'; ALTER ROLE app IN DATABASE lilfox SET work_mem = '8MB'")
    server.csv("ALTER DATABASE lilfox OWNER TO app")
    into = KeptParts()
    of = source(server)
    await of.dump(into)
    globals_sql = into.raw["globals.sql"].decode()
    detail = database_detail(into.details["lilfox.dump"])
    assert "CREATE ROLE app" in globals_sql
    assert "SCRAM-SHA-256$" in globals_sql
    assert into.details["globals.sql"]["passwords"] is True
    assert detail.settings == ("app: work_mem=8MB", "work_mem=7MB")
    assert detail.owner == "app"
    assert "app" in detail.roles

    script(server, "GRANT SELECT ON t TO app")
    plain = KeptParts()
    as_app = source(server, user="app")
    found = [str(check.found) for check in await as_app.checks() if check.state == "warning"]
    assert found == ["app is not a superuser: roles are saved without their passwords"]
    await as_app.dump(plain)
    assert "CREATE ROLE app" in plain.raw["globals.sql"].decode()
    assert "SCRAM" not in plain.raw["globals.sql"].decode()
    assert plain.details["globals.sql"]["passwords"] is False
    fresh(server)
    server.csv("DROP ROLE app")


async def test_49_a_standby_and_a_read_only_server_can_be_dumped_and_say_so() -> None:
    with Postgres("wal_level = replica\n", version=17) as primary:
        fresh(primary, "CREATE TABLE t (x int); INSERT INTO t VALUES (1); CREATE UNLOGGED TABLE u (x int)")
        primary.csv("ALTER SYSTEM SET default_transaction_read_only = on")
        primary.reload()
        with Postgres(version=17, standby_of=primary) as standby:
            of = source(standby)
            checks = {str(check.found): check.state for check in await of.checks()}
            assert any("standby" in found for found in checks)
            assert checks["1 unlogged table has no rows on a standby"] == "warning"
            into = KeptParts()
            await of.dump(into)
            detail = database_detail(into.details["lilfox.dump"])
            assert detail.standby
            assert detail.content is not None
            assert detail.content.tables["public.t"].rows == 1
        into = KeptParts()
        await source(primary).dump(into)
        assert database_detail(into.details["lilfox.dump"]).system_identifier == detail.system_identifier


async def test_14_a_link_that_is_cut_fails_the_dump_leaves_no_session_and_the_next_one_is_whole(
    server: Postgres,
) -> None:
    fresh(
        server, "CREATE TABLE big AS SELECT g AS id, repeat(md5(g::text), 8) AS text FROM generate_series(1, 20000) g"
    )
    with sshd_lab() as lab:
        sshd = lab.sshd()
        host = open_host("db-1", lab.host(sshd), lab.ssh())
        cut: list[int] = []

        def kill(_block: bytes) -> None:
            if not cut:
                cut.append(1)
                sshd.kill()

        into = KeptParts(on_block=kill)
        with pytest.raises((HostError, BackupError)):
            await source(server, host=host, globals=False).dump(into)
        assert into.raw == {}
        no_session_is_left(server)
        sshd.start()
        again = KeptParts()
        await source(server, host=host, globals=False).dump(again)
        await host.close()
    restored(server, again.raw["lilfox.dump"])
