"""The content of a database, counted in one snapshot: rows, digests, sequences, large objects and the schema."""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from hashlib import sha256
from typing import NamedTuple

from msgspec import Struct, structs

from lilfox_tui.backup.postgresql.connect import ClientPrograms, ServerAccess
from lilfox_tui.backup.postgresql.psql import (
    COMMAND_FAILED,
    VERBOSE,
    DatabaseContent,
    DigestWay,
    PersistentPsql,
    SequenceValue,
    SqlRefused,
    TableContent,
    open_session,
    refusal,
)
from lilfox_tui.backup.postgresql.row_digest import CopiedTables, PieceDigest, RowDigest
from lilfox_tui.core.aio import in_large_blocks
from lilfox_tui.core.errors import CommandFailed
from lilfox_tui.redact import redact

# The statements by which a database's content is counted: the same for what is dumped and for what was restored.
#
# Values are made text by their types' output functions, never by casts: a cast may be a function of the table's owner,
# and it is often a superuser who counts. Names get into them on the server only, by ``regclass`` and ``format``. They
# are single lines without comments, for they go through a kept session line by line.


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
_COPIED = (
    "NOT EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_type b ON b.oid = "
    "CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END "
    "WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
    "AND (t.typtype = 'c' OR 'money'::regtype IN (t.oid, b.oid))) "
    "AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
    "AND a.attgenerated = '')"
)
"""Whether pg_dump and another session write a row in the same way: the text of money depends on ``lc_monetary``, which
a dump must not change, and it may stand within a composite."""
COPIED_COLUMNS = (
    "(SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid "
    "AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')"
)
"""The columns that pg_dump copies of the table ``c``, in SQL."""
_INHERITS = "NOT c.relispartition AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)"

TABLES = (
    "SELECT c.oid::int8 AS oid, c.oid::regclass::text AS name, c.reltoastrelid::int8 AS toast, "
    f"CASE WHEN {_UNSTABLE} THEN 'none' "
    "WHEN current_setting('server_version_num')::int >= 140000 THEN 'values' "
    f"WHEN {_INHERITS} THEN 'columns' ELSE 'rows' END AS way, "
    f"NOT {_UNSTABLE} AND NOT ({_INHERITS}) AND {_COPIED} AS copied, n.nspname AS schema, c.relname AS relation "
    f"FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND {_OWN} ORDER BY 2"
)
"""``oid``, ``name``, ``toast`` (0 for none) and ``way`` of each table that has rows of its own, whether its rows may be
compared as COPY writes them (``copied``), and its ``schema`` and name without quotes (``relation``)."""
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
    """Return the query for ``oid`` and ``bytes`` of relations. It takes locks briefly."""
    return f"SELECT c::int8 AS oid, pg_relation_size(c::oid::regclass) AS bytes FROM unnest({_array(oids)}) AS c"


def loaded_tables(seen: Sequence[int]) -> str:
    """Return the query for ``oid`` and ``name`` of tables that have rows and that nobody is writing to, except those in
    ``seen``."""
    return _LOADED.format(seen=_array(seen))


def counting(oids: Sequence[int], way: DigestWay) -> str:
    """Return a query whose rows are statements, one for each table; each statement returns one row of JSON: ``oid``,
    ``rows``, ``digest`` (as text; null for an empty table and for ``none``)."""
    row = (
        "'SELECT json_build_object(''oid'', ' || c.oid || ', ''rows'', count(*), ''digest'', ' || {digest} || ') "
        "AS lilfox FROM ONLY ' || c.oid::regclass || ' AS t'"
    )
    digests = {
        "rows": "'sum(hashtextextended(textin(record_out(t)) COLLATE \"C\", 0))::text'",
        "none": "'NULL'",
        "columns": _COLUMNS_DIGEST,
        "values": _VALUES_DIGEST,
    }
    return f"SELECT {row.format(digest=digests[way])} FROM pg_class c WHERE c.oid = ANY ({_array(oids)}::oid[])"


def copying(oids: Sequence[int]) -> str:
    """Return the query for ``oid`` and ``copy``, the statement that copies the columns that pg_dump does."""
    return (
        f"SELECT c.oid::int8 AS oid, 'COPY ' || c.oid::regclass || ' (' || {COPIED_COLUMNS} || ') TO STDOUT' AS copy "
        "FROM pg_class c "
        f"WHERE c.oid = ANY ({_array(oids)}::oid[])"
    )


_LARGE = (
    "SELECT c.oid::int8 AS oid, c.oid::regclass::text AS name, n.nspname AS schema, c.relname AS relation, "
    f"{COPIED_COLUMNS} AS columns, "
    "pg_relation_size(c.oid) / current_setting('block_size')::int AS pages, pg_table_size(c.oid) AS size_bytes "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = c.relam "
    "WHERE m.amname = 'heap' AND getdatabaseencoding() = 'UTF8' AND c.oid = ANY ({oids}::oid[]) ORDER BY 2"
)
"""Tables that can be read by ranges of ctid, and whose names mean the same here and in an archive."""


def reading_sequences(oids: Sequence[int]) -> str:
    """Return a query whose rows are statements, one for each sequence; each returns a row of JSON: ``oid``, ``last``,
    ``called``."""
    return (
        "SELECT 'SELECT json_build_object(''oid'', ' || c.oid || ', ''last'', last_value, ''called'', is_called) '"
        " || 'AS lilfox FROM ' "
        f"|| c.oid::regclass FROM pg_class c WHERE c.oid = ANY ({_array(oids)}::oid[])"
    )


def _array(oids: Sequence[int]) -> str:
    return "'{" + ",".join(str(int(oid)) for oid in oids) + "}'::int8[]"


# A database's schema as text: what ``pg_dump --schema-only`` writes, without what differs from one run or program to
# the next (versions in comments, the key of \restrict) and without tablespaces, which restoring may leave out.
#
# It is the same for two databases only where the same major of pg_dump wrote it of the same major of server.


_DIFFERS = (b"\\restrict ", b"\\unrestrict ", b"-- Dumped from database version ", b"-- Dumped by pg_dump version ")
_WORDS = ("--schema-only", "--no-tablespaces", "--no-password", "--lock-wait-timeout", "10000")


async def schema_digest(access: ServerAccess, programs: ClientPrograms, database: str, *, snapshot: str = "") -> str:
    """Return the SHA-256 of the schema's text, in the named snapshot if given. Raises HostError (CommandFailed) if
    pg_dump fails."""
    words = [*_WORDS, "--snapshot", snapshot] if snapshot else list(_WORDS)
    settings = {"statement_timeout": "0", "idle_in_transaction_session_timeout": "0"}
    argv = access.argv(programs.path("pg_dump"), *words, "-d", access.conninfo(database, settings))
    digest, line = sha256(), b""
    async with aclosing(access.host.stream(argv, sudo=access.sudo)) as blocks:
        async for block in blocks:
            *lines, line = (line + block).split(b"\n")
            digest.update(b"".join(each + b"\n" for each in lines if not each.startswith(_DIFFERS)))
    digest.update(b"" if line.startswith(_DIFFERS) else line)
    return digest.hexdigest()


# Rows as COPY writes them, hashed here: psql copies several tables, with a mark that nobody can guess after each.


_STREAMS = 2
"""So many tables are copied at the same time."""
_AT_ONCE = 100
"""Tables that one session copies: one for each small table would cost more than its rows."""
COPY_ENCODING = "DO $$BEGIN PERFORM set_config('client_encoding', getdatabaseencoding(), false); END$$"


COPIED: tuple[DigestWay, ...] = ("pieces", "copy")
"""The ways for which rows are read."""


class _Order(NamedTuple):
    copy: str
    """The statement."""
    said: TableContent
    oid: int

    def digest(self) -> RowDigest | PieceDigest:
        sizes = [piece.size_bytes for piece in self.said.pieces]
        return PieceDigest(sizes) if self.said.way == "pieces" else RowDigest()


class CopiedRows:
    """Reads tables of ``database`` as COPY writes them."""

    def __init__(self, access: ServerAccess, database: str) -> None:
        self._access, self._database = access, database

    async def read(
        self, session: PersistentPsql, said: Mapping[int, TableContent], snapshot: str = "", streams: int = _STREAMS
    ) -> dict[int, TableContent]:
        """Return the content of each table in the way of ``said``, with a note why where it cannot be read; ``session``
        is asked for their names. In ``snapshot``, if given. Raises BackupError, HostError."""
        if not said:
            return {}
        orders = [_Order(row["copy"], said[row["oid"]], row["oid"]) for row in await session.ask(copying(list(said)))
                  if row["copy"]]  # fmt: skip
        try:
            async with asyncio.TaskGroup() as group:
                reading = [group.create_task(self._read(orders[at::streams], snapshot)) for at in range(streams)]
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return {oid: content for each in reading for oid, content in each.result().items()}

    async def _read(self, orders: list[_Order], snapshot: str) -> dict[int, TableContent]:
        found: dict[int, TableContent] = {}
        while len(found) < len(orders):
            some = orders[len(found) : len(found) + _AT_ONCE]
            whole, error = await self._copy(some, snapshot)
            if len(whole) < len(some):
                whole.append(TableContent(None, None, "none", error))
            found |= {order.oid: content for order, content in zip(some, whole, strict=False)}
        return found

    async def _copy(self, orders: Sequence[_Order], snapshot: str) -> tuple[list[TableContent], str]:
        """Return what each order copies, up to the first that fails, and why that one does."""
        mark = f"lilfox {secrets.token_hex(16)}"
        words = ["-c", VERBOSE, "-c", COPY_ENCODING, "-c", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"]
        if snapshot:
            words += ["-c", f"SET TRANSACTION SNAPSHOT '{snapshot}'"]
        for order in orders:
            words += ["-c", order.copy, "-c", f"\\echo {mark}"]
        argv = self._access.argv(*self._access.psql(self._database, TEXT_FORM, "-q", *words, stops=True))
        tables = CopiedTables(f"{mark}\n".encode(), [order.digest() for order in orders])
        loop = asyncio.get_running_loop()
        try:
            async with aclosing(self._access.host.stream(argv, sudo=self._access.sudo)) as blocks:
                async for block in in_large_blocks(blocks):
                    await loop.run_in_executor(None, tables.write, block)
        except CommandFailed as error:
            if error.outcome != COMMAND_FAILED:
                raise
            return tables.whole, refusal(redact(error.stderr))[1]
        return tables.whole, ""


# Counting a database's content in one snapshot, which pg_dump may share (``pg_export_snapshot``).
#
# Counting begins when pg_dump has its locks: what it then waits for is nothing that waits for it.


_TOGETHER_BYTES = 8 * 1024 * 1024
_TOGETHER = 200
"""Small tables are counted by one round trip."""


class _Table(Struct, frozen=True):
    oid: int
    name: str
    toast: int
    way: DigestWay
    copied: bool
    schema: str
    relation: str
    size_bytes: int = 0


class PiecewiseTable(Struct, frozen=True):
    """A table whose rows may be copied in pieces."""

    oid: int
    name: str
    """In SQL, with its schema."""
    schema: str
    relation: str
    columns: str
    """In SQL: those that pg_dump copies."""
    pages: int
    size_bytes: int

    @property
    def excluded(self) -> str:
        """The option that has pg_dump leave the rows out. Within double quotes, nothing in a pattern is special."""
        schema, relation = (name.replace('"', '""') for name in (self.schema, self.relation))
        return f'--exclude-table-data="{schema}"."{relation}"'


_LARGE_BYTES = 8 * 1024 * 1024
_MOST_LARGE = 100
"""Each is named in the command line of pg_dump."""
LINE_BREAKS = re.compile(r"[\r\n]")
"""Names with a line break do not fit into a psql command."""


class DatabaseSnapshot:
    """The content of a database at one moment. Made by :func:`take_snapshot`."""

    def __init__(
        self,
        rows: CopiedRows,
        session: PersistentPsql,
        name: str,
        tables: list[_Table],
        sequences: dict[int, str],
        said: Mapping[str, TableContent],
    ) -> None:
        self.name = name
        """For ``pg_dump --snapshot``."""
        self._rows, self._session, self._tables, self._sequences = rows, session, tables, sequences
        self._said = said
        self._first: dict[int, SequenceValue] = {}

    @property
    def tables_bytes(self) -> int:
        """Size of all tables on the server's disk in bytes, without indexes."""
        return sum(table.size_bytes for table in self._tables)

    async def read_sequences(self) -> None:
        """Read the sequences; call it before pg_dump starts. Raises BackupError, HostError."""
        self._first = await self._read_sequences()

    @property
    def copied(self) -> set[str]:
        """The names of the tables whose rows may be compared as COPY writes them."""
        return {each.name for each in self._tables if each.copied}

    async def lock_large_tables(self) -> list[PiecewiseTable]:
        """Lock the large tables for reading and return them: those whose rows may be compared as COPY writes them, and
        that another session can read in pieces. Returns none where somebody else has locked one."""
        large = [table for table in self._tables if table.copied and table.size_bytes >= _LARGE_BYTES]
        some = sorted(large, key=lambda table: -table.size_bytes)[:_MOST_LARGE]
        try:
            rows = await self._session.ask(_LARGE.format(oids=_array([table.oid for table in some]))) if some else []
            found = [PiecewiseTable(**row) for row in rows if not LINE_BREAKS.search(row["name"] + row["columns"])]
            if found:
                names = ", ".join(f"ONLY {table.name}" for table in found)
                await self._session.tell(f"LOCK TABLE {names} IN ACCESS SHARE MODE NOWAIT;")
        except SqlRefused:  # pg_dump will wait for it, and tell
            return []
        return found

    def keys(self, names: Collection[str]) -> dict[str, tuple[str, str]]:
        """Return the schema and the name of tables by their names in SQL."""
        return {each.name: (each.schema, each.relation) for each in self._tables if each.name in names}

    def named(self, tables: Collection[tuple[str, str]]) -> dict[str, tuple[str, str]]:
        """Return those of ``tables`` (schema and name) that are in ``copied``, by their names in SQL."""
        found = {each.name: (each.schema, each.relation) for each in self._tables if each.copied}
        return {name: key for name, key in found.items() if key in tables}

    async def count(
        self, counted: Mapping[str, TableContent] | None = None, rows_only: Collection[str] = ()
    ) -> DatabaseContent:
        """Count the rows and compute the digests of all tables that are not in ``counted``, and of large objects; of
        those in ``rows_only`` no digests. If a table cannot be counted, its note has the reason.

        Raises BackupError where the session ended, HostError.
        """
        found = dict(counted or {})
        tables = [table for table in self._tables if table.name not in found]
        copied = [table for table in tables if table.way in COPIED and table.name not in rows_only]
        answers = await self._rows.read(
            self._session, {table.oid: self._said[table.name] for table in copied}, self.name
        )
        found |= {table.name: answers[table.oid] for table in copied if table.oid in answers}
        rest = [
            structs.replace(table, way="none") if table.name in rows_only else table
            for table in tables
            if table.name not in found
        ]
        for some in _portions(rest):
            found |= await self._count_some(some)
        names = {table.name: found[table.name] for table in self._tables}
        objects, digest = await self._large_objects()
        last = await self._read_sequences()
        return DatabaseContent(
            tables=names,
            sequences={self._sequences[oid]: _between(value, last.get(oid)) for oid, value in self._first.items()},
            large_objects=objects,
            large_objects_digest=digest,
        )

    async def sums(self, names: Collection[str]) -> dict[str, TableContent]:
        """Return the content of tables in the way ``copy``. Raises BackupError, HostError."""
        oids = {table.oid: table.name for table in self._tables if table.name in names}
        way = TableContent(None, None, "copy")
        found = await self._rows.read(self._session, dict.fromkeys(oids, way), self.name)
        return {oids[oid]: content for oid, content in found.items()}

    async def _count_some(self, some: Sequence[_Table]) -> dict[str, TableContent]:
        way = some[0].way
        rows = await self._session.ask_each(counting([table.oid for table in some], way))
        answers = {row["oid"]: row for row in rows}
        found = {}
        for table in some:
            if (row := answers.get(table.oid)) is not None:
                found[table.name] = TableContent(row["rows"], row["digest"], way)
            elif way == "none":
                found[table.name] = TableContent(None, None, "none", await self._why_not(table))
            elif len(some) > 1 or way == "rows":
                again = table if len(some) > 1 else structs.replace(table, way="columns")
                found |= await self._count_some([again])
            else:
                found[table.name] = TableContent(None, None, "none", await self._why_not(table))
        return found

    async def _why_not(self, table: _Table) -> str:
        """Count the table once more to get the reason for the failure."""
        await self._session.ask_each(counting([table.oid], table.way))
        [said] = await self._session.tell("SELECT :'LAST_ERROR_SQLSTATE' || ': ' || :'LAST_ERROR_MESSAGE';")
        return said

    async def _read_sequences(self) -> dict[int, SequenceValue]:
        if not self._sequences:
            return {}
        rows = await self._session.ask_each(reading_sequences(list(self._sequences)))
        return {row["oid"]: SequenceValue(row["last"], row["called"]) for row in rows}

    async def _large_objects(self) -> tuple[int | None, str | None]:
        [counted] = await self._session.ask(LARGE_OBJECTS)
        if not counted["count"]:
            return 0, None
        try:
            [row] = await self._session.ask(LARGE_OBJECTS_DIGEST)
        except SqlRefused:  # no right on one, or one that is larger than a value can be
            return counted["count"], None
        return counted["count"], row["digest"]


@asynccontextmanager
async def take_snapshot(
    access: ServerAccess, database: str, *, version_num: int, said: Mapping[str, TableContent] | None = None
) -> AsyncIterator[DatabaseSnapshot]:
    """Open a snapshot of ``database`` that lasts as long as the context. ``said``: the tables in the manifest that the
    content will be compared with, whose digest methods are used.

    Raises BackupError, HostError.
    """
    settings = {**TEXT_FORM, **(ALONE if said is None else TOGETHER)}
    async with open_session(access, database, version_num=version_num, settings=settings) as session:
        await session.tell("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;")
        [exported] = await session.ask("SELECT pg_export_snapshot() AS name")
        await session.tell("\\set ON_ERROR_ROLLBACK on")
        tables = [_Table(**row) for row in await session.ask(TABLES)]
        sequences = {row["oid"]: row["name"] for row in await session.ask(SEQUENCES)}
        tables = [_with_way(table, said or {}) for table in await _with_sizes(session, tables)]
        rows = CopiedRows(access, database)
        yield DatabaseSnapshot(rows, session, exported["name"], tables, sequences, said or {})


async def _with_sizes(session: PersistentPsql, tables: list[_Table]) -> list[_Table]:
    try:
        rows = await session.ask(sizes([oid for table in tables for oid in (table.oid, table.toast) if oid]))
    except SqlRefused:  # somebody holds a lock: pg_dump will wait for it, and tell
        return tables
    found = {row["oid"]: row["bytes"] or 0 for row in rows}
    return [
        structs.replace(
            table,
            size_bytes=found.get(table.oid, 0) + found.get(table.toast, 0),
            way="columns"
            if table.way == "rows" and found.get(table.toast, 0) >= COLUMNS_FROM_BYTES
            else table.way,
        )
        for table in tables
    ]  # fmt: skip


def _with_way(table: _Table, said: Mapping[str, TableContent]) -> _Table:
    return structs.replace(table, way=said[table.name].way) if table.name in said else table


def _portions(tables: Sequence[_Table]) -> list[list[_Table]]:
    """Group small tables of the same method; keep each large one alone."""
    portions: list[list[_Table]] = []
    room = 0
    for table in sorted(tables, key=lambda table: (table.way, table.size_bytes)):
        fits = portions and portions[-1][0].way == table.way and len(portions[-1]) < _TOGETHER
        if not fits or table.size_bytes > room:
            portions.append([])
            room = _TOGETHER_BYTES
        portions[-1].append(table)
        room -= table.size_bytes
    return portions


def _between(first: SequenceValue, last: SequenceValue | None) -> SequenceValue:
    if last is None or (last.last, last.called) == (first.last, first.called):
        return first
    return structs.replace(first, last_after=last.last)
