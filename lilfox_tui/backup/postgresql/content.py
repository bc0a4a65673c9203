"""The statements by which a database's content is counted: the same for what is dumped and for what was restored.

Values are made text by their types' output functions, never by casts: a cast may be a function of the table's owner,
and it is often a superuser who counts. Names get into them on the server only, by ``regclass`` and ``format``. They are
single lines without comments, for they go through a kept session line by line.
"""

from __future__ import annotations

from collections.abc import Sequence

from lilfox_tui.backup.postgresql.detail import DigestWay

TEXT_FORM = {
    "search_path": "",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
    "row_security": "off",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": "2s",
    "jit": "off",
}
"""What the text of a value depends on, and what must not end the count. ``row_security=off`` refuses where rows are
hidden. Locks are waited for shortly: pg_dump has them by then, so that only who queues behind it can be in the way."""
ALONE = {"max_parallel_workers_per_gather": "0"}
"""Beside pg_dump, which takes as long with one core: others want theirs."""
TOGETHER = {"min_parallel_table_scan_size": "256kB", "parallel_setup_cost": "0", "parallel_tuple_cost": "0"}
"""Where nothing else is waited for. What the planner weighs is a table's pages: it knows neither what lies beside them
(TOAST) nor what a digest costs."""

_COLUMNS_DIGEST = (
    "'sum(hashtextextended(ARRAY[' || (SELECT coalesce(string_agg(format("
    "CASE WHEN a.atttypid = 'bytea'::regtype THEN 'hashtextextended(md5(t.%1$I), 0)' "
    "ELSE 'CASE WHEN t.%1$I IS NOT NULL THEN hashtextextended(concat(t.%1$I) COLLATE \"C\", 0) END' END, a.attname), "
    "', ' ORDER BY a.attname COLLATE \"C\"), '') "
    "FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) "
    "|| ']::bigint[]::text, 0))::text'"
)
_STORED = "boolean,bigint,smallint,integer,oid,date,time,timestamp,timestamptz,uuid"
"""Types that say the same with the same bytes, in every major and after every restore: a row's binary form has them as
they are. Not so floats (several bytes are NaN), nor what holds the oid of something, which restoring makes anew."""
_VALUES_DIGEST = (
    "'sum(hash_record_extended(ROW(record_send(ROW(' || (SELECT coalesce(string_agg(format("
    f"CASE WHEN a.atttypid = ANY ('{{{_STORED}}}'::regtype[]) THEN 't.%1$I' "
    "WHEN a.atttypid = 'bytea'::regtype THEN 'sha256(t.%1$I)' "
    "WHEN a.atttypid IN ('text'::regtype, 'varchar'::regtype) THEN 'hashtextextended(t.%1$I COLLATE \"C\", 0)' "
    "ELSE 'CASE WHEN t.%1$I IS DISTINCT FROM NULL THEN hashtextextended(concat(t.%1$I) COLLATE \"C\", 0) END' END, "
    "a.attname), ', ' ORDER BY a.attname COLLATE \"C\"), '') "
    "FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) "
    "|| '))), 0))::text'"
)
"""One hash of all bytes of a row, not a sum of its columns' hashes: two rows that changed a value with each other are
seen. Only the types named above go through their send functions; an owner's own could say anything."""
COLUMNS_FROM_BYTES = 256 * 1024 * 1024
"""Of a table's large values together (TOAST), from where on rows are not made into one text."""

_OWN = (
    "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relpersistence <> 't' AND NOT EXISTS (SELECT FROM "
    "pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')"
)
"""Tables of extensions are made by them, not by the dump."""
_UNSTABLE = (
    "EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = "
    "CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END "
    "JOIN pg_proc p ON p.oid IN (t.typoutput, b.typoutput) "
    "WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND p.provolatile = 'v')"
)
_INHERITS = "NOT c.relispartition AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)"

TABLES = (
    "SELECT c.oid::int8 AS oid, c.oid::regclass::text AS name, c.reltoastrelid::int8 AS toast, "
    f"CASE WHEN {_UNSTABLE} THEN 'none' "
    "WHEN current_setting('server_version_num')::int >= 140000 THEN 'values' "
    f"WHEN {_INHERITS} THEN 'columns' ELSE 'rows' END AS way "
    f"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND {_OWN} ORDER BY 2"
)
"""``oid``, ``name``, ``toast`` (0 for none) and ``way`` of each table that has rows of its own."""
SEQUENCES = (
    "SELECT c.oid::int8 AS oid, c.oid::regclass::text AS name FROM pg_class c "
    f"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'S' AND {_OWN} ORDER BY 2"
)
_LOADED = (
    "WITH busy AS MATERIALIZED (SELECT l.relation FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
    "WHERE d.datname = current_database() AND l.pid <> pg_backend_pid() "
    "AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'AccessExclusiveLock')) "
    "SELECT c.oid::int8 AS oid, c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n "
    f"ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND {_OWN} AND CASE WHEN c.oid = ANY ({{seen}}::oid[]) "
    "OR c.oid IN (SELECT relation FROM busy WHERE relation IS NOT NULL) THEN false ELSE pg_relation_size(c.oid) > 0 END"
)
LARGE_OBJECTS = "SELECT count(*) AS count FROM pg_largeobject_metadata"
LARGE_OBJECTS_DIGEST = (
    "SELECT sum(hashtextextended(oid::text || ' ' || md5(lo_get(oid)), 0))::text AS digest FROM pg_largeobject_metadata"
)


def sizes(oids: Sequence[int]) -> str:
    """``oid`` and ``bytes`` of relations. Takes locks for a moment."""
    return f"SELECT c::int8 AS oid, pg_relation_size(c::oid::regclass) AS bytes FROM unnest({_array(oids)}) AS c"


def loaded_tables(seen: Sequence[int]) -> str:
    """``oid`` and ``name`` of tables that have bytes and are written by nobody, but for those in ``seen``."""
    return _LOADED.format(seen=_array(seen))


def counting(oids: Sequence[int], way: DigestWay) -> str:
    """A query whose rows are statements, one a table; each of them gives one row of JSON: ``oid``, ``rows``,
    ``digest`` (as text; null in an empty table and for ``none``)."""
    row = (
        "'SELECT json_build_object(''oid'', ' || c.oid || ', ''rows'', count(*), ''digest'', ' || {digest} || ') "
        "FROM ONLY ' || c.oid::regclass || ' AS t'"
    )
    digests = {
        "rows": "'sum(hashtextextended(textin(record_out(t)) COLLATE \"C\", 0))::text'",
        "none": "'NULL'",
        "columns": _COLUMNS_DIGEST,
        "values": _VALUES_DIGEST,
    }
    return f"SELECT {row.format(digest=digests[way])} FROM pg_class c WHERE c.oid = ANY ({_array(oids)}::oid[])"


def reading_sequences(oids: Sequence[int]) -> str:
    """A query whose rows are statements, one a sequence; each gives a row of JSON: ``oid``, ``last``, ``called``."""
    return (
        "SELECT 'SELECT json_build_object(''oid'', ' || c.oid || ', ''last'', last_value, ''called'', is_called) '"
        " || 'FROM ' "
        f"|| c.oid::regclass FROM pg_class c WHERE c.oid = ANY ({_array(oids)}::oid[])"
    )


def _array(oids: Sequence[int]) -> str:
    return "'{" + ",".join(str(int(oid)) for oid in oids) + "}'::int8[]"
