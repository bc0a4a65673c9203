"""Restores one table into a database that is in use."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial

from msgspec import Struct, convert, structs

from lilfox_tui.backup.checks import Check
from lilfox_tui.backup.postgresql.compare import changes_of, content_of, differing
from lilfox_tui.backup.postgresql.connect import ServerAccess
from lilfox_tui.backup.postgresql.content import TEXT_FORM, counting
from lilfox_tui.backup.postgresql.load import restore_part, run_script
from lilfox_tui.backup.postgresql.plain import PlainDump
from lilfox_tui.backup.postgresql.psql import LONGEST_S, DatabaseContent, DatabaseTarget, Psql, SqlRefused
from lilfox_tui.backup.postgresql.restore import DatabaseRestore, ServerRoute, StagedDatabases
from lilfox_tui.backup.postgresql.restore_checks import barring
from lilfox_tui.backup.postgresql.server import restore_lock
from lilfox_tui.backup.postgresql.server_info import ServerInfo, read_server_info
from lilfox_tui.backup.postgresql.swap import before_name, drop, restored_name
from lilfox_tui.backup.source import Comparison, RestoreChange, RestoreTask, Settled, Standing, Swap
from lilfox_tui.backup.store import BackupError
from lilfox_tui.core.crash import phase
from lilfox_tui.core.errors import LilFoxError, UsageError
from lilfox_tui.core.i18n import Message, _, listed, tr
from lilfox_tui.core.text import clean

# The statements that put other rows into a table that is in use: made by the server, names quoted by it.
#
# The table stays the same object: what refers to it (views, foreign keys, functions, rights, publications) goes on to.
# A rename would leave all of that with the old rows (docs/adr/0016-restored-databases.md).


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


class TableShape(Struct, frozen=True, kw_only=True):
    """A table of one database, as its catalog describes it: kind, columns, children and foreign keys."""

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


async def shape_of(psql: Psql, database: str, only: str) -> TableShape | None:
    """Return the shape of the table ``only`` in ``database``; None if it does not exist. Raises BackupError,
    HostError."""
    [rows] = await psql.ask(_SHAPE, database=database, variables={"only": only})
    return convert(rows[0], TableShape) if rows else None


def beside(live: TableShape, table: str) -> str:
    """Return ``table`` with the schema of ``live``, quoted for to_regclass."""
    return f"{_quoted(live.schema)}.{_quoted(table)}"


def _quoted(name: str) -> str:
    if _SIMPLE.fullmatch(name):
        return name
    return '"' + name.replace('"', '""') + '"'


async def steps_of(psql: Psql, database: str, only: str, *, before: str, aside: str) -> list[tuple[int, str]]:
    """Return the numbered statements that replace the table's rows with those of the table ``before`` and keep the
    current ones in the table ``aside``, both in the same schema. Raises BackupError, HostError."""
    [rows] = await psql.ask(_PUT, database=database, variables={"only": only, "before": before, "aside": aside})
    return [(row["n"], row["sql"]) for row in rows]


async def taking(psql: Psql, database: str, only: str, columns: Sequence[str]) -> str:
    """Return the COPY statement that reads the table's rows, its columns in the order of ``columns``. Raises
    BackupError, HostError."""
    quoted = ",".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in columns)
    [[row]] = await psql.ask(_TAKE, database=database, variables={"only": only, "columns": "{" + quoted + "}"})
    sql: str = row["sql"]
    return sql


async def sequences_of(psql: Psql, database: str, only: str) -> dict[str, str]:
    """Map each column that owns a sequence to that sequence's name in SQL. Raises BackupError, HostError."""
    [rows] = await psql.ask(_SEQUENCES, database=database, variables={"only": only})
    return {row["column"]: row["sequence"] for row in rows}


async def digesting(psql: Psql, database: str, oid: int) -> str:
    """Return the statement that counts and digests a table's rows as one JSON row (``rows``, ``digest``); the order of
    columns does not affect the digest. Raises BackupError, HostError."""
    query = f"SELECT s AS sql FROM ({counting([oid], 'columns')}) q (s)"  # noqa: S608 - an oid
    [[row]] = await psql.ask(query, database=database)
    sql: str = row["sql"]
    return sql


async def digest_of(access: ServerAccess, database: str, statement: str) -> tuple[int, str | None]:
    """Run the statement of :func:`digesting`; return the row count and the digest. Raises BackupError, HostError."""
    psql = Psql(access, settings=TEXT_FORM)
    query = f"SELECT j FROM ({statement}) q (j)"  # noqa: S608 - made by the server
    [[row]] = await psql.ask(query, database=database, timeout_s=LONGEST_S)
    return row["j"]["rows"], row["j"]["digest"]


# One table of a database on its way back: staged with what it needs, compared, then put into the live table in one
# transaction, its rows of now kept beside it.


_KINDS = {
    "p": tr("it is partitioned: restore its partitions one by one"),
    "v": tr("it is a view and has no rows of its own"),
    "m": tr("it is a materialized view: use REFRESH MATERIALIZED VIEW"),
    "f": tr("it is a foreign table: its rows are stored outside this database"),
    "S": tr("it is a sequence"),
}
_AS_IT_WAS = tr("The transaction was rolled back: the table is unchanged.")
_OTHER_ROWS, _OTHER_ROWS_STATE = "division by zero", "22012"
"""What the last statement says when the table did not get the rows that were staged."""


class TableRestore(DatabaseRestore):
    """A :class:`~lilfox_tui.backup.source.RestoreTarget` for one table, ``task.spec.only``, of one database."""

    def __init__(self, route: ServerRoute, task: RestoreTask, databases: Sequence[str]) -> None:
        super().__init__(route, task, databases)
        self._table = task.spec.only
        self._relation = self._before = ""

    @property
    def where(self) -> str:
        """The table, for display: ``table public.users of lilfox on db-1``"""
        names = clean(listed(target.database for target in self._targets))
        return str(tr("table {table} of {name} on {host}", table=clean(self._table), name=names,
                      host=self._route.host.name))  # fmt: skip

    async def changes(self) -> list[RestoreChange]:
        """See :meth:`RestoreTarget.changes`."""
        async with self._route.opened() as access:
            await self._read_untold()
            [target] = self._find_table()
            info = await read_server_info(Psql(access))
            archive = partial(self._task.blocks, target.part)
            return await changes_of(access, info, target, archive, table=self._table)

    async def stage(self, moved: Callable[[int], None]) -> None:
        """See :meth:`RestoreTarget.stage`."""
        self._targets = self._find_table()
        await super().stage(moved)

    async def compare(self) -> Comparison:
        """See :meth:`RestoreTarget.compare`."""
        staging, [target] = self._begun(), self._find_table()
        said = target.detail.content
        if said is None or self._table not in said.tables:
            return Comparison((), "", (clean(self._table),))
        found = await content_of(
            staging.access, self._staged(target, staging.stamp), staging.info.server.version_num, said,
            archive=partial(self._task.blocks, target.part),
        )  # fmt: skip
        one = [DatabaseContent(tables={name: table for name, table in each.tables.items() if name == self._table})
               for each in (said, found)]  # fmt: skip
        words = _("rows and content") if said.tables[self._table].compares else _("rows")
        return Comparison(tuple(str(each) for each in differing(*one)), f"{clean(self._table)}: {words}")

    def swap_plan(self) -> Swap:
        """See :meth:`RestoreTarget.swap_plan`."""
        [target] = self._targets
        plan = super().swap_plan()
        return structs.replace(plan, target=self._table, before=self._before, within=target.database)

    async def swap(self) -> None:
        """See :meth:`RestoreTarget.swap`."""
        staging, [target] = self._begun(), self._targets
        staged = self._staged(target, staging.stamp)
        script = _putting(staging, target, staged, self._table, self._relation)
        settings = {**TEXT_FORM, "lock_timeout": "10s"}
        try:
            await run_script(staging.access, script, target.database, settings, _AS_IT_WAS)
        except BackupError as error:
            if _OTHER_ROWS in str(error):
                message = tr("{table}: its rows differ from the set; a rule or generated column changed them",
                             table=clean(self._table))  # fmt: skip
                raise BackupError(message, _AS_IT_WAS) from None
            raise
        phase("swap-second")
        with suppress(LilFoxError):  # what is left is listed by the next restore
            await self._drop_made(staging.info)
        await self._stack.aclose()

    async def _checks_of(self, access: ServerAccess, info: ServerInfo, target: DatabaseTarget) -> list[Check]:
        checks = await super()._checks_of(access, info, target)
        about = tr("table {table}", table=clean(self._table))
        if target.database not in info.databases:
            return [*checks, Check(about, "bad", tr("database {name} does not exist", name=clean(target.database)),
                                   tr("Restore the whole database."))]  # fmt: skip
        live = await shape_of(Psql(access), target.database, self._table)
        if live is None:
            return [*checks, Check(about, "bad", tr("{name} does not contain this table",
                                                      name=clean(target.database)),
                                   tr("Create the table with its previous definition, or restore the whole "
                                      "database."))]  # fmt: skip
        why_not = _not_whole(live)
        return [*checks, Check(about, "bad", why_not) if why_not else Check(about, "good", tr("exists"))]

    async def _restore(
        self,
        staging: StagedDatabases,
        target: DatabaseTarget,
        name: str,
        moved: Callable[[int], None],
        make: Callable[[], Awaitable[None]],
    ) -> PlainDump | None:
        psql = Psql(staging.access)
        live = await shape_of(psql, target.database, self._table)
        if live is None:
            raise BackupError(tr("{table} no longer exists", table=clean(self._table)))
        self._relation = before_name(live.table, staging.stamp)
        passes = (["--section=pre-data"], ["--data-only", "-n", live.schema, "-t", live.table])
        dump = await restore_part(
            staging.restoring,
            staging.info,
            staging.lock,
            target,
            name,
            self._task,
            moved,
            make,
            passes,
            heard=barring(target.part.name, staging.powers, allowed=self._allowed),
        )
        there = await shape_of(psql, name, self._table)
        if there is None:
            raise BackupError(tr("{table} is not in the set", table=clean(self._table)))
        if there.kind != live.kind:  # a view would run its query, with our rights
            raise BackupError(tr("{table} is not a table in the set", table=clean(self._table)))
        if set(there.columns) != set(live.columns):
            raise BackupError(
                tr("the columns of {table} have changed: {names}", table=clean(self._table),
                   names=_apart(there, live)),
                tr("Revert the columns, or restore the whole database under another name and copy what you need."),
            )  # fmt: skip
        self._before = beside(live, self._relation)
        return dump

    async def _read_untold(self) -> None:
        await super()._read_untold()
        self._targets = self._find_table()

    def _find_table(self) -> tuple[DatabaseTarget]:
        """Return the database that contains the table, and adopt the table's name as the set has it. Raises
        UsageError."""
        wanted = (self._table, f"public.{self._table}")
        untold = [target for target in self._targets if target.detail.content is None]
        found = [
            (target, name)
            for target in self._targets
            for name in (target.detail.content.tables if target.detail.content is not None else ())
            if name in wanted
        ]
        if len(found) == 1:
            [(target, self._table)] = found
            return (target,)
        if not found and len(untold) == 1 == len(self._targets):
            return (untold[0],)
        if found:
            names = clean(listed(dict.fromkeys(target.database for target, _name in found)))
            raise UsageError(
                tr("{table} is in several databases of the set: {names}", table=clean(self._table), names=names),
                tr("Specify one: --store DIR --database postgresql://USER@HOST/DATABASE"),
            )
        raise UsageError(
            tr("{set} has no table {table}", set=self._task.set.id, table=clean(self._table)),
            tr("Specify the table as in SQL, with its schema: public.users"),
        )


async def undo_table(route: ServerRoute, swap: Swap) -> None:
    """Put the retained rows back into the table and set the current ones aside. Raises BackupError and then changes
    nothing; HostError."""
    async with route.opened() as access:
        psql = Psql(access)
        info = await read_server_info(psql)
        async with restore_lock(access, info.server.version_num, [swap.within]):
            kept = await shape_of(psql, swap.within, swap.before)
            if kept is None and swap.staged in info.databases:  # it never came to the swap
                await drop(psql, info.server, swap.staged)
                return
            if kept is None:
                raise BackupError(tr("the restore cannot be undone; missing: {names}",
                                     names=clean(swap.before)))  # fmt: skip
            live = await shape_of(psql, swap.within, swap.target)
            if live is None:
                raise BackupError(tr("{table} no longer exists", table=clean(swap.target)))
            if apart := {column[0] for column in kept.columns} ^ {column[0] for column in live.columns}:
                raise BackupError(
                    tr("the columns of {table} have changed: {names}", table=clean(swap.target),
                       names=clean(listed(sorted(apart)))),
                    tr("Revert the columns, or copy what you need from {before}.", before=clean(swap.before)),
                )  # fmt: skip
            aside = aside_name(live.table, swap)
            steps = await steps_of(psql, swap.within, swap.target, before=kept.table, aside=aside)
            try:
                await psql.execute(
                    *(sql for number, sql in steps if number != COPY), database=swap.within, timeout_s=LONGEST_S
                )
            except SqlRefused as error:
                if error.sqlstate != _OTHER_ROWS_STATE:
                    raise
                raise BackupError(
                    tr(
                        "{table}: its rows differ from the retained rows; a rule changed them",
                        table=clean(swap.target),
                    ),
                    _AS_IT_WAS,
                ) from None


def aside_name(table: str, swap: Swap) -> str:
    """Return the name of the table in which undoing ``swap`` keeps the rows that it replaces in ``table``."""
    return restored_name(table, swap.staged[-len("20231230_020000") :])


async def settle_table(route: ServerRoute, swap: Swap) -> Settled:
    """Settle an interrupted swap, which is one transaction. Returns ``finished`` if it was committed, after dropping
    the staging database, else ``undone``; ``undo_table`` then removes what was staged. Raises BackupError,
    HostError."""
    async with route.opened() as access:
        psql = Psql(access)
        info = await read_server_info(psql)
        async with restore_lock(access, info.server.version_num, [swap.within]):
            if await shape_of(psql, swap.within, swap.before) is None:
                return "undone"
            if swap.staged in info.databases:
                await drop(psql, info.server, swap.staged)
            return "finished"


async def standing_of_table(route: ServerRoute, swap: Swap) -> list[Standing]:
    """Return whether the table has the set's rows or its previous ones; the transaction that inserts the set's rows
    also creates the table with the previous ones. Raises BackupError, HostError."""
    async with route.opened() as access:
        psql = Psql(access)
        if await shape_of(psql, swap.within, swap.target) is None:
            return ["neither"]
        return ["before" if await shape_of(psql, swap.within, swap.before) is None else "restored"]


async def finish_table(route: ServerRoute, swap: Swap) -> None:
    """Finish an interrupted swap. Raises BackupError if the set's rows were not inserted, because inserting them
    requires the set; HostError."""
    if await standing_of_table(route, swap) != ["restored"]:
        raise BackupError(
            tr("{table} still has its previous rows; no rows from the set were inserted", table=clean(swap.target)),
            tr("revert the restore (--take-back), then restore the table again"),
        )
    await settle_table(route, swap)


async def _putting(
    staging: StagedDatabases, target: DatabaseTarget, staged: str, table: str, relation: str
) -> AsyncGenerator[bytes, None]:
    """Yield the SQL script of the swap: one transaction, including the staged rows."""
    access, psql = staging.access, Psql(staging.access)
    live, there = await shape_of(psql, target.database, table), await shape_of(psql, staged, table)
    if live is None or there is None:
        raise BackupError(tr("{table} no longer exists", table=clean(table)), _AS_IT_WAS)
    made = await steps_of(psql, target.database, table, before=relation, aside=relation)
    steps = [step for step in made if step[0] not in (INSERT, SAME, DROP)]
    rows, digest = await digest_of(access, staged, await digesting(psql, staged, there.oid))
    head = "".join(f"{sql};\n" for number, sql in steps if number <= COPY)
    yield f"BEGIN;\nSET LOCAL standard_conforming_strings = on;\n{head}".encode()
    phase("swap-first")
    columns = [name for name, _type, generated in live.columns if not generated]
    copy = await taking(psql, staged, table, columns)
    argv = access.argv(*access.psql(staged, TEXT_FORM, "-c", copy, stops=True))
    async with aclosing(access.host.stream(argv, sudo=access.sudo)) as blocks:
        async for block in blocks:
            yield block
    same = f"q.j ->> 'rows' = '{rows}' AND coalesce(q.j ->> 'digest', '') = '{digest or ''}'"
    check = f"SELECT 1 / ({same})::int FROM ({await digesting(psql, target.database, live.oid)}) AS q (j)"  # noqa: S608
    tail = [*await _sequences(psql, target, staged, table), *(sql for number, sql in steps if number > COPY), check]
    yield ("\\.\n" + "".join(f"{sql};\n" for sql in tail) + "COMMIT;\n").encode()


async def _sequences(psql: Psql, target: DatabaseTarget, staged: str, table: str) -> list[str]:
    """Return statements that set each sequence of the table to the higher of its value and the set's, so that its next
    value does not exist yet."""
    live, there = await sequences_of(psql, target.database, table), await sequences_of(psql, staged, table)
    said = target.detail.content.sequences if target.detail.content is not None else {}
    return [
        f"SELECT setval({_literal(name)}, greatest(last_value, {said[there[column]].last})) FROM {name}"  # noqa: S608
        for column, name in live.items()
        if column in there and there[column] in said
    ]


def _not_whole(live: TableShape) -> Message | None:
    """Return why the table's rows cannot all be replaced; None if they can."""
    if live.kind != "r":
        return _KINDS.get(live.kind, tr("it is not a table"))
    if not live.ours:
        return tr("it belongs to another role")
    if live.hides_rows:
        return tr("row-level security hides some of its rows from this role")
    if live.others:
        return tr("tables owned by other roles reference it: {names}", names=clean(listed(live.others)))
    return None


def _apart(there: TableShape, live: TableShape) -> str:
    """Return the columns that differ: ``-`` marks those of the set only, ``+`` those of the live table only."""
    then = [f"-{name} {kind}" for name, kind, _ in set(there.columns) - set(live.columns)]
    now = [f"+{name} {kind}" for name, kind, _ in set(live.columns) - set(there.columns)]
    return clean(listed(sorted([*then, *now])))


def _literal(text: str) -> str:
    """Return ``text`` as an SQL literal; the script must set standard_conforming_strings."""
    return "'" + text.replace("'", "''") + "'"
