"""The statements that put other rows into a table that is in use: made by the server, names quoted by it.

The table stays the same object: what refers to it (views, foreign keys, functions, rights, publications) goes on to. A
rename would leave all of that with the old rows (docs/adr/0016-restored-databases.md).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from msgspec import Struct, convert

from lilfox_tui.backup.postgresql.access import Access
from lilfox_tui.backup.postgresql.content import TEXT_FORM, counting
from lilfox_tui.backup.postgresql.kept_session import LONGEST_S
from lilfox_tui.backup.postgresql.psql import Psql

_SHAPE = """
SELECT c.oid::int8 AS oid, c.relkind AS kind, c.oid::regclass::text AS name, n.nspname AS schema, c.relname AS "table",
    row_security_active(c.oid) AS hides_rows, pg_has_role(current_user, c.relowner, 'USAGE') AS ours,
    (SELECT coalesce(json_agg(json_build_array(a.attname, format_type(a.atttypid, a.atttypmod), a.attgenerated <> '')
        ORDER BY a.attnum), '[]') FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
    (SELECT coalesce(json_agg(i.inhrelid::regclass::text ORDER BY 1), '[]') FROM pg_inherits i
        WHERE i.inhparent = c.oid) AS children,
    (SELECT coalesce(json_agg(k.conrelid::regclass::text), '[]') FROM pg_constraint k JOIN pg_class o ON o.oid =
        k.conrelid WHERE k.confrelid = c.oid AND k.contype = 'f' AND NOT pg_has_role(current_user, o.relowner, 'USAGE')
        ) AS others
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(:'only')
"""
_PUT = """
WITH t AS (SELECT c.oid, c.oid::regclass AS live, format('%I.%I', n.nspname, :'before') AS before,
    format('%I.%I', n.nspname, :'aside') AS aside, c.relowner
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(:'only')),
fk AS (SELECT k.oid, k.conname, k.conrelid::regclass AS child, pg_get_constraintdef(k.oid) AS def,
    obj_description(k.oid, 'pg_constraint') AS said FROM pg_constraint k, t
    WHERE k.confrelid = t.oid AND k.conrelid <> t.oid AND k.contype = 'f' AND k.conparentid = 0),
tg AS (SELECT g.tgname, g.tgenabled FROM pg_trigger g, t
    WHERE g.tgrelid = t.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D'),
gr AS (SELECT string_agg(DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
    ', ') AS names FROM pg_default_acl d, aclexplode(d.defaclacl) a, t
    WHERE d.defaclobjtype = 'r' AND a.grantee <> t.relowner),
ct AS (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) AS columns FROM pg_attribute a, t
    WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')
SELECT 0 AS n, format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', live) AS sql FROM t
UNION ALL SELECT 1, format('CREATE TABLE %s AS SELECT * FROM ONLY %s', aside, live) FROM t
UNION ALL SELECT 2, format('ALTER TABLE %s OWNER TO %I', aside, pg_get_userbyid(relowner)) FROM t
UNION ALL SELECT 3, format('REVOKE ALL ON %s FROM %s', aside, names) FROM t, gr WHERE names IS NOT NULL
UNION ALL SELECT 4, format('ALTER TABLE %s DISABLE TRIGGER %I', live, tgname) FROM t, tg
UNION ALL SELECT 5, format('ALTER TABLE %s DROP CONSTRAINT %I', child, conname) FROM fk
UNION ALL SELECT 6, format('TRUNCATE ONLY %s', live) FROM t
UNION ALL SELECT 7, format('COPY %s (%s) FROM stdin', live, columns) FROM t, ct
UNION ALL SELECT 8, format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM ONLY %s',
    live, columns, columns, before) FROM t, ct
UNION ALL SELECT 9, format('SELECT 1 / ((SELECT count(*) FROM ONLY %s) = (SELECT count(*) FROM ONLY %s))::int',
    live, before) FROM t
UNION ALL SELECT 10, format('ALTER TABLE %s ADD CONSTRAINT %I %s', child, conname, def) FROM fk
UNION ALL SELECT 11, format('COMMENT ON CONSTRAINT %I ON %s IS %L', conname, child, said) FROM fk WHERE said IS NOT NULL
UNION ALL SELECT 12, format('ALTER TABLE %s ENABLE %s TRIGGER %I', live,
    CASE tgenabled WHEN 'R' THEN 'REPLICA' WHEN 'A' THEN 'ALWAYS' ELSE '' END, tgname) FROM t, tg
UNION ALL SELECT 13, format('DROP TABLE %s', before) FROM t
ORDER BY 1
"""
"""What default privileges (``gr``) would give of rows that are kept is taken away: the table that they are from may let
in fewer, or hide rows by policies."""
_TAKE = """
SELECT format('COPY %s (%s) TO STDOUT', c.oid::regclass, string_agg(quote_ident(a.attname), ', ' ORDER BY
    array_position(:'columns'::text[], a.attname::text))) AS sql
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.oid = to_regclass(:'only') AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' GROUP BY c.oid
"""
_SEQUENCES = """
SELECT a.attname AS column, pg_get_serial_sequence(c.oid::regclass::text, a.attname) AS sequence
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid = to_regclass(:'only') AND pg_get_serial_sequence(c.oid::regclass::text, a.attname) IS NOT NULL
"""
COPY, INSERT, SAME, DROP = 7, 8, 9, 13
"""Steps that belong to one of putting (the first) and undoing (the others) only."""
_SIMPLE = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII)


class Shape(Struct, frozen=True, kw_only=True):
    """A table as it is in one database."""

    oid: int
    kind: str
    """``r`` a table, ``p`` a partitioned one, ``v`` a view, … (pg_class.relkind)."""
    name: str
    schema: str
    table: str
    hides_rows: bool
    ours: bool
    columns: tuple[tuple[str, str, bool], ...]
    """Name, type, whether it is generated."""
    children: tuple[str, ...]
    others: tuple[str, ...]
    """Tables of other owners whose foreign keys refer to it."""


async def shape_of(psql: Psql, database: str, only: str) -> Shape | None:
    """The table that ``only`` names in ``database``; None where there is none. Raises BackupError, HostError."""
    [rows] = await psql.ask(_SHAPE, database=database, variables={"only": only})
    return convert(rows[0], Shape) if rows else None


def beside(live: Shape, table: str) -> str:
    """A table of the same schema, as to_regclass reads it."""
    return f"{_quoted(live.schema)}.{_quoted(table)}"


def _quoted(name: str) -> str:
    if _SIMPLE.fullmatch(name):
        return name
    return '"' + name.replace('"', '""') + '"'


async def steps_of(psql: Psql, database: str, only: str, *, before: str, aside: str) -> list[tuple[int, str]]:
    """The statements by their order: ``before`` is the table beside it whose rows are put back, ``aside`` the one that
    keeps those of now. Raises BackupError, HostError."""
    [rows] = await psql.ask(_PUT, database=database, variables={"only": only, "before": before, "aside": aside})
    return [(row["n"], row["sql"]) for row in rows]


async def taking(psql: Psql, database: str, only: str, columns: Sequence[str]) -> str:
    """The statement that gives the table's rows, in the order of ``columns``. Raises BackupError, HostError."""
    quoted = ",".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in columns)
    [[row]] = await psql.ask(_TAKE, database=database, variables={"only": only, "columns": "{" + quoted + "}"})
    sql: str = row["sql"]
    return sql


async def sequences_of(psql: Psql, database: str, only: str) -> dict[str, str]:
    """Column → the sequence that it owns, as SQL writes it. Raises BackupError, HostError."""
    [rows] = await psql.ask(_SEQUENCES, database=database, variables={"only": only})
    return {row["column"]: row["sequence"] for row in rows}


async def digesting(psql: Psql, database: str, oid: int) -> str:
    """The statement that gives one row of JSON: ``rows``, and ``digest``, which is the same whatever the order of the
    columns. Raises BackupError, HostError."""
    query = f"SELECT s AS sql FROM ({counting([oid], 'columns')}) q (s)"  # noqa: S608 - an oid
    [[row]] = await psql.ask(query, database=database)
    sql: str = row["sql"]
    return sql


async def digest_of(access: Access, database: str, statement: str) -> tuple[int, str | None]:
    """Rows and digest that :func:`digesting`'s statement gives. Raises BackupError, HostError."""
    psql = Psql(access, settings=TEXT_FORM)
    query = f"SELECT j FROM ({statement}) q (j)"  # noqa: S608 - made by the server
    [[row]] = await psql.ask(query, database=database, timeout_s=LONGEST_S)
    return row["j"]["rows"], row["j"]["digest"]
