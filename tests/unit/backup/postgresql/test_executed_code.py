"""What a dump executes is named: hostile statements, and those that pg_dump writes every night."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilfox_tui.backup.postgresql.executed_code import tokens_of
from lilfox_tui.backup.postgresql.plain import HEADER, TRAILER, PlainReader
from lilfox_tui.backup.store import BrokenSet

F = "CREATE FUNCTION public.f() RETURNS int LANGUAGE plpgsql AS $$ BEGIN COPY (SELECT 1) TO PROGRAM 'id'; END $$;"
G = "CREATE FUNCTION public.g(x public.t) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN END $$;"
T = "CREATE TABLE public.t (a int);"
HOSTILE = [
    "DO $$ BEGIN COPY (SELECT 1) TO PROGRAM 'id'; END $$;",
    "do language plpgsql 'begin end';",
    "/* x */ DO $$BEGIN END$$;",
    "SELECT pg_catalog.pg_read_file('/etc/passwd');",
    "SELECT 1;",
    "select public.f();",
    "SELECT pg_catalog.set_config('search_path', public.f()::text, false);",
    "SELECT pg_catalog.set_config('session_replication_role', 'replica', false);",
    "SELECT pg_catalog.setval('public.s', public.f(), true);",
    "SELECT pg_catalog.lo_export(1, '/tmp/x');",
    "SELECT pg_catalog.lo_import('/etc/passwd');",
    "CALL public.p();",
    "WITH x AS (SELECT public.f()) INSERT INTO public.t SELECT 1;",
    "VALUES (public.f());",
    "PREPARE x AS SELECT 1;",
    "EXPLAIN ANALYZE SELECT public.f();",
    "UPDATE public.t SET a = 1;",
    "DELETE FROM public.t;",
    "MERGE INTO public.t USING public.t s ON true WHEN MATCHED THEN DO NOTHING;",
    "INSERT INTO public.t SELECT 1;",
    "INSERT INTO public.t VALUES (pg_catalog.pg_sleep(9)::text::int);",
    f"{F} INSERT INTO public.t VALUES (public.f());",
    f"{F} CREATE TABLE public.x (a int, b int GENERATED ALWAYS AS (public.f()) STORED);",
    f"{F} CREATE TABLE public.x (a int DEFAULT public.f());",
    f"{F} CREATE TABLE public.x (a int DEFAULT public . f /* c */ ());",
    f"{F} CREATE TABLE public.x (a int DEFAULT f());",
    f"{F} CREATE TABLE public.x (a int, CONSTRAINT c CHECK ((public.f() > 0)));",
    f"{F} CREATE TABLE public.x (a text DEFAULT '--' || public.f());",
    f'{F} CREATE TABLE public.x (a text DEFAULT "public"."f"());',
    f'{F} CREATE TABLE public.x (a text DEFAULT U&"\\0066"());',
    f"{G} ALTER TABLE public.t ADD CONSTRAINT c CHECK (t.g);",
    f"{F} ALTER TABLE ONLY public.t ADD CONSTRAINT c CHECK ((public.f() > 0));",
    f"{F} ALTER TABLE ONLY public.t ALTER COLUMN a SET DEFAULT public.f();",
    "ALTER TABLE public.t ALTER COLUMN a TYPE int USING length(a);",
    f"{F} CREATE DOMAIN public.d AS int CHECK (public.f() > VALUE);",
    f"{F} CREATE INDEX i ON public.t USING btree (public.f());",
    f"{F} CREATE UNIQUE INDEX i ON public.t (public.f()) WHERE public.f() > 0;",
    f"{F} CREATE MATERIALIZED VIEW public.m AS SELECT public.f() WITH NO DATA; REFRESH MATERIALIZED VIEW public.m;",
    f"{F} CREATE VIEW public.v AS SELECT public.f(); CREATE MATERIALIZED VIEW public.m AS SELECT * FROM public.v;",
    "CREATE TABLE public.x AS SELECT 1;",
    "CREATE TABLE public.x (a xml DEFAULT query_to_xml('copy t to program ''id''', true, true, ''));",
    "CREATE FUNCTION public.c() RETURNS int LANGUAGE c AS '/tmp/evil.so', 'f';",
    "CREATE FUNCTION public.c() RETURNS int LANGUAGE 'C' AS '/tmp/evil.so';",
    "CREATE FUNCTION public.c() RETURNS int AS 'pg_read_file' LANGUAGE internal;",
    "CREATE FUNCTION public.c() RETURNS int LANGUAGE plpython3u AS $$import os$$;",
    "CREATE OR REPLACE PROCEDURE public.c() LANGUAGE plperlu AS $$`id`$$;",
    "CREATE EXTENSION file_fdw;",
    "CREATE EXTENSION IF NOT EXISTS dblink WITH SCHEMA public;",
    "CREATE EXTENSION plpython3u;",
    "CREATE LANGUAGE plpython3u;",
    "CREATE TRUSTED LANGUAGE evil HANDLER public.h;",
    "CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION public.f();",
    "CREATE SUBSCRIPTION s CONNECTION 'host=evil' PUBLICATION p;",
    "CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'evil');",
    "CREATE USER MAPPING FOR public SERVER s;",
    "CREATE FOREIGN TABLE public.x (a text) SERVER s OPTIONS (program 'id');",
    "CREATE FOREIGN DATA WRAPPER w HANDLER public.h;",
    "IMPORT FOREIGN SCHEMA public FROM SERVER s INTO public;",
    "CREATE OPERATOR public.=== (FUNCTION = public.f, LEFTARG = int, RIGHTARG = int);",
    "CREATE CAST (text AS int) WITH FUNCTION public.f(text) AS IMPLICIT;",
    "CREATE OPERATOR CLASS public.o DEFAULT FOR TYPE public.ty USING btree AS FUNCTION 1 public.f(int, int);",
    "CREATE ACCESS METHOD am TYPE TABLE HANDLER public.h;",
    "CREATE CONVERSION public.c FOR 'UTF8' TO 'LATIN1' FROM public.f;",
    "CREATE TYPE public.ty (INPUT = public.i, OUTPUT = public.o);",
    "CREATE TYPE public.r AS RANGE (SUBTYPE = int, SUBTYPE_DIFF = public.f);",
    "ALTER SYSTEM SET archive_command = 'id';",
    "ALTER ROLE postgres SUPERUSER;",
    "CREATE ROLE evil SUPERUSER LOGIN;",
    "CREATE USER evil SUPERUSER;",
    "GRANT pg_execute_server_program TO app;",
    "GRANT SET ON PARAMETER session_preload_libraries TO app;",
    "DROP ROLE app;",
    "LOAD '/tmp/evil.so';",
    "SET session_preload_libraries = '/tmp/evil';",
    "SET ROLE postgres;",
    "SET SESSION AUTHORIZATION postgres;",
    "RESET SESSION AUTHORIZATION;",
    "RESET ROLE;",
    "NOTIFY x;",
    "SECURITY LABEL ON TABLE public.t IS 'x';",
    "ALTER SUBSCRIPTION s ENABLE;",
    "ALTER EXTENSION file_fdw UPDATE;",
    f"{T} CREATE TRIGGER g BEFORE INSERT ON public.t EXECUTE FUNCTION public.f(); INSERT INTO public.t VALUES (1);",
    f"{T} CREATE RULE r AS ON INSERT TO public.t DO ALSO SELECT public.f(); INSERT INTO public.t VALUES (1);",
    "CREATE SCHEMA x CREATE TABLE y (a int DEFAULT public.f()) CREATE VIEW v AS SELECT 1;",
]
NIGHTLY = [
    "SET statement_timeout = 0;",
    "SET client_encoding = 'UTF8';",
    "SET standard_conforming_strings = on;",
    "SELECT pg_catalog.set_config('search_path', '', false);",
    "CREATE SCHEMA shop;",
    "ALTER SCHEMA shop OWNER TO app;",
    "CREATE TYPE public.mood AS ENUM ('sad', 'ok');",
    """CREATE TABLE public.users (id integer NOT NULL, name character varying(20) DEFAULT ''::character varying,
        at timestamp(3) without time zone DEFAULT now(), price numeric(10,2), place public.geometry(Point,4326),
        code uuid DEFAULT public.uuid_generate_v4(), CONSTRAINT c CHECK ((length((name)::text) > 2)));""",
    "ALTER TABLE public.users OWNER TO app;",
    "CREATE SEQUENCE public.users_id_seq START WITH 1 INCREMENT BY 1;",
    "ALTER TABLE ONLY public.users ALTER COLUMN id SET DEFAULT nextval('public.users_id_seq'::regclass);",
    "INSERT INTO public.users VALUES (1, 'it''s; DO $$ nothing $$', NULL);",
    "INSERT INTO public.users (id, name) VALUES (1, E'a\\\\nb');",
    "SELECT pg_catalog.setval('public.users_id_seq', 12, true);",
    "ALTER TABLE ONLY public.users ADD CONSTRAINT users_pkey PRIMARY KEY (id);",
    "CREATE INDEX users_lower ON public.users USING btree (lower((name)::text));",
    "ALTER TABLE ONLY public.orders ADD CONSTRAINT o FOREIGN KEY (user_id) REFERENCES public.users(id);",
    "CREATE VIEW public.v AS SELECT users.id FROM public.users;",
    "CREATE MATERIALIZED VIEW public.m AS SELECT count(*) AS n FROM public.users WITH NO DATA;",
    "REFRESH MATERIALIZED VIEW public.m;",
    "CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; RETURN NEW; END $$;",
    "CREATE TRIGGER touched BEFORE UPDATE ON public.users FOR EACH ROW EXECUTE FUNCTION public.touch();",
    "COMMENT ON TABLE public.users IS 'DO $$ nothing $$';",
    "GRANT SELECT ON TABLE public.users TO reader;",
    "REVOKE ALL ON SCHEMA public FROM PUBLIC;",
    "ALTER DEFAULT PRIVILEGES FOR ROLE app IN SCHEMA public GRANT SELECT ON TABLES TO reader;",
    "CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;",
    "CREATE EXTENSION IF NOT EXISTS postgis WITH SCHEMA public;",
    "CREATE POLICY p ON public.users USING ((id = 1));",
    "ALTER TABLE public.users ENABLE ROW LEVEL SECURITY;",
    "ALTER TABLE ONLY public.parts ATTACH PARTITION public.p1 FOR VALUES FROM (1) TO (9);",
    "CREATE PUBLICATION p FOR ALL TABLES;",
    "CREATE SUBSCRIPTION s CONNECTION 'host=db' PUBLICATION p WITH (connect = false, slot_name = 's');",
    "CREATE AGGREGATE public.total(integer) (SFUNC = int4pl, STYPE = integer);",
]


def script(*statements: str) -> bytes:
    body = "\n".join(statements).encode()
    return HEADER + b"\n\n" + body + b"\n\n" + TRAILER + b"\n"


def asking(*statements: str) -> list[str]:
    reader = PlainReader()
    reader.feed(script(*statements))
    return [str(each.what) for each in reader.finish()[1].executed if each.asks]


@pytest.mark.fault("4.39")
@pytest.mark.parametrize("statement", HOSTILE)
def test_what_executes_code_or_reaches_out_of_the_database_is_named(statement: str) -> None:
    try:
        assert asking(statement), statement
    except BrokenSet:
        return  # refused is better than named
    assert asking(statement.replace(" ", "\n\t")), "however it is spaced"


@pytest.mark.fault("4.39")
def test_what_pg_dump_writes_every_night_asks_nobody() -> None:
    for statement in NIGHTLY:
        assert asking(statement) == [], statement
    assert asking(*NIGHTLY) == []


def test_what_runs_later_or_is_the_servers_own_is_named_and_asks_nobody() -> None:
    reader = PlainReader()
    reader.feed(script(*NIGHTLY, "CREATE FUNCTION public.d() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1';"))
    told = "\n".join(str(each.what) for each in reader.finish()[1].executed)
    for words in (
        "extension scripts: pg_trgm",
        "triggers and rules, which run later",
        "their owner's privileges: public.d",
    ):
        assert words in told


QUOTES = [
    "SET standard_conforming_strings TO off;",
    "SET standard_conforming_strings=off;",
    "SET LOCAL standard_conforming_strings = off;",
    "set Standard_Conforming_Strings = 'off';",
    'SET "standard_conforming_strings" = off;',
    'SET U&"standard\\005fconforming\\005fstrings" = off;',
    "SET/**/standard_conforming_strings/**/=/**/off;",
    "SET standard_conforming_strings = DEFAULT;",
    "RESET standard_conforming_strings;",
    "RESET ALL;",
    "DISCARD ALL;",
    "SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false);",
    "ALTER ROLE app SET standard_conforming_strings = off;",
    "SET backslash_quote = on;",
    "SET NAMES 'SJIS';",
    "SET SESSION NAMES 'SJIS';",
    "SET client_encoding TO 'SJIS';",
    "SET client_encoding = 'sjis';",
    "SET client_encoding = 'ShiftJIS';",
    "SET client_encoding = 'win950';",
    "SET client_encoding = 'GBK';",
    "SET client_encoding = 'BIG5';",
    "SET client_encoding = 'gb18030';",
    "SET client_encoding = 'JOHAB';",
    "SET client_encoding = 'utf8' ;",
    "UPDATE pg_catalog.pg_settings SET setting = 'off' WHERE name = 'standard_conforming_strings';",
]


@pytest.mark.fault("4.41")
@pytest.mark.parametrize("statement", QUOTES)
def test_what_changes_what_is_in_quotes_is_followed_or_refused(statement: str) -> None:
    with pytest.raises(BrokenSet):
        asking(statement, "COMMENT ON SCHEMA a IS '\\'; DO $$ BEGIN END $$; --';")


@pytest.mark.fault("4.41")
def test_the_setting_of_pg_dump_is_followed() -> None:
    hidden = "COMMENT ON SCHEMA a IS '\\'; DO $$BEGIN END$$; --';"
    assert asking("SET standard_conforming_strings = off;", hidden) == []
    assert asking("SET standard_conforming_strings = on;", "COMMENT ON SCHEMA a IS '\\'; DO $$BEGIN END$$; --\n") != []


@pytest.mark.fault("4.41")
@pytest.mark.parametrize("comment", ["-- x\rDO $$BEGIN END$$;\n", "SELECT 1 -- x\r; DO $$BEGIN END$$;\n"])
def test_a_carriage_return_ends_a_comment(comment: str) -> None:
    with pytest.raises(BrokenSet, match="carriage return"):
        asking(comment)
    with pytest.raises(BrokenSet, match="carriage return"):
        fed_byte_by_byte(script(comment))
    assert asking("-- of Windows\r\nCREATE SCHEMA a;\r\n") == []


def fed_byte_by_byte(text: bytes) -> None:
    reader = PlainReader()
    for at in range(len(text)):
        reader.feed(text[at : at + 1])


@pytest.mark.fault("4.39")
@given(st.lists(st.sampled_from(NIGHTLY), max_size=6), st.sampled_from(HOSTILE), st.lists(st.sampled_from(NIGHTLY)))
def test_it_is_named_wherever_it_stands(before: list[str], hostile: str, after: list[str]) -> None:
    try:
        assert asking(*before, hostile, *after)
    except BrokenSet:
        return


def test_tokens_of_quotes_hold_nothing() -> None:
    text = b"CREATE x 'DO' E'\\'DO' $a$ DO $a$ \"DO\" -- DO\n /* /* DO */ DO */ y"
    assert [token.text for token in tokens_of(text) if token.kind == "word"] == ["CREATE", "X", "Y"]
