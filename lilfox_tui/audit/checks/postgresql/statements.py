"""pg_stat_statements, and the plans of the statements that cost most."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from msgspec import Struct, convert

from lilfox_tui.audit.checks.postgresql.settings import PERFORMANCE, SERVER, SETTINGS, psql, with_tables
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.postgresql import OWN_MARK, Composed, Plans
from lilfox_tui.backends.postgresql.queries import without_secrets
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import human_count, human_duration

MOST = 10
CALLS = 20
CORE_PERCENT = 1.0
"""Of one core's time since the statistics began: 14 minutes a day."""
SHARE_PERCENT = 5.0
BIG_ROWS = 10_000
FEW = 10
"""A scan that keeps less than one row in so many would be faster with an index."""
_TEXT = 200


def _top(columns: str, condition: str = "true") -> Composed:
    """The statements of this database that took most time, without an audit's own; none where they are not counted."""
    return Composed(
        f"""
        SELECT CASE WHEN s.schema IS NULL OR NOT s.loaded THEN 'SELECT WHERE false' ELSE replace(replace(replace($q$
          SELECT {columns} FROM (
            SELECT queryid::text AS id, sum(calls)::bigint AS calls, sum(total_@time) AS total_ms,
                   min(left(query, 2000)) AS text, sum(rows)::bigint AS rows,
                   100 * sum(total_@time) / nullif(sum(sum(total_@time)) OVER (), 0) AS share_percent,
                   extract(epoch FROM clock_timestamp() - @reset) AS counted_s
              FROM @schema.pg_stat_statements
             WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
               AND strpos(query, '{OWN_MARK}') = 0 AND query !~ ' AS lilfox($| FROM )|lilfox_explained'
             GROUP BY queryid ORDER BY 3 DESC LIMIT {MOST}) AS top WHERE {condition}
        $q$, '@reset', CASE WHEN to_regclass(s.schema || '.pg_stat_statements_info') IS NULL THEN 'NULL::timestamptz'
                            ELSE '(SELECT stats_reset FROM @schema.pg_stat_statements_info)' END),
             '@time', CASE WHEN s.version >= 130000 THEN 'exec_time' ELSE 'time' END), '@schema', s.schema) END
          FROM (SELECT (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                         WHERE e.extname = 'pg_stat_statements') AS schema,
                       EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max') AS loaded,
                       current_setting('server_version_num')::int AS version) AS s
        """  # noqa: S608  # our own words
    )


_WORTH_A_PLAN = (
    f"share_percent >= {SHARE_PERCENT} AND calls >= {CALLS} AND text ~* '^\\s*(select|with|insert|update|delete|merge)'"
)
_EXTENSION = """
SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max') AS loaded,
       EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_stat_statements') AS installed,
       EXISTS (SELECT FROM pg_available_extensions WHERE name = 'pg_stat_statements') AS available
"""
_LARGE = f"""
SELECT c.relname AS name, min(format('%I.%I', n.nspname, c.relname)) AS qualified, max(c.reltuples)::bigint AS rows
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
 GROUP BY 1 HAVING count(*) = 1 AND max(c.reltuples) >= {BIG_ROWS}
"""  # noqa: S608  # our own number
"""A plan has no schemas: what is in several is not known by its name."""


class StatementsExtension(Struct, frozen=True):
    """Whether the library is loaded, the extension is in this database, and the server has it at all."""

    loaded: bool
    installed: bool
    available: bool


class CostlyStatement(Struct, frozen=True):
    """A statement and what it has cost; ``counted_s`` is for how long statements have been counted, where the server
    says so."""

    id: str
    calls: int
    total_ms: float
    text: str
    rows: int
    share_percent: float | None
    counted_s: float | None = None


class SequentialScan(Struct, frozen=True):
    """A node of a plan that reads a table as a whole: how many rows it keeps, and by which condition."""

    table: str
    rows: int
    condition: str


class LargeTable(Struct, frozen=True):
    """A large table: its name with its schema, quoted, and its rows as the planner knows them."""

    name: str
    rows: int


def parse_extension(rows: list[Any]) -> StatementsExtension:
    """The one row."""
    (row,) = rows
    return convert(row, StatementsExtension)


def parse_statements(rows: list[Any]) -> list[CostlyStatement]:
    """The statements, the costliest first."""
    return convert(rows, list[CostlyStatement])


def parse_large(rows: list[Any]) -> dict[str, LargeTable]:
    """The tables by their names without schemas."""
    return {row["name"]: LargeTable(row["qualified"], row["rows"]) for row in rows}


def parse_plans(rows: list[Any]) -> dict[str, list[str] | NotKnown]:
    """The lines of each plan, by the statement's id; NotKnown where the server does not plan it."""
    return {row["id"]: NotKnown(row["refused"]) if "refused" in row else list(row["plan"]) for row in rows}


EXTENSION = Fact("statements-extension", _EXTENSION, parse_extension)
STATEMENTS = Fact("statements", _top("*"), parse_statements)
PLANS = Fact("plans", Plans(_top("id", _WORTH_A_PLAN)), parse_plans)
LARGE = Fact("large-tables", _LARGE, parse_large)


def judge_missing(facts: Facts) -> Iterator[AuditFinding]:
    """A database whose statements are not counted."""
    server, extension = with_tables(facts), facts[EXTENSION]
    if extension.loaded and extension.installed:
        return
    commands = []
    if not extension.loaded:
        words = [word.strip() for word in facts[SETTINGS]["shared_preload_libraries"].value.split(",")]
        libraries = ", ".join(f"'{word}'" for word in [*filter(None, words), "pg_stat_statements"])
        commands += [psql(f"ALTER SYSTEM SET shared_preload_libraries = {libraries}"), "systemctl restart postgresql"]
        evidence = tr("pg_stat_statements is not in shared_preload_libraries")
    else:
        evidence = tr("no extension pg_stat_statements in {database}", database=server.database)
    if not extension.available:
        commands.insert(0, "apt-get install postgresql-contrib")
    if not extension.installed:
        commands.append(psql("CREATE EXTENSION pg_stat_statements", database=server.database))
    text = tr("Load the library, which requires a restart, and create the extension.")
    yield AuditFinding("pg_stat_statements", evidence, Fix(text, commands=tuple(commands)))


_SCAN = re.compile(
    r"^ *(?:-> *)?(?:Parallel )?Seq Scan on (?P<table>\S+)(?: \S+)? +\(cost=\S+ rows=(?P<rows>\d+) width=\d+\)$"
)
_FILTER = re.compile(r"^ +Filter: (.+)$")


def scans_of(plan: Sequence[str]) -> Iterator[SequentialScan]:
    """The sequential scans with a filter in the lines of a plan (EXPLAIN, format TEXT)."""
    for line, after in pairwise(plan):
        scan, condition = _SCAN.match(line), _FILTER.match(after)
        if scan and condition:
            table = scan["table"].rpartition(".")[2].strip('"')
            yield SequentialScan(table, int(scan["rows"]), condition[1])


_EQUAL = re.compile(r"\((?P<column>[a-z_][a-z0-9_]*) = (?:\$\d+|'[^']*'(?:::[a-z0-9_ ]+)?|-?\d+(?:\.\d+)?)\)")


def columns_of(condition: str) -> list[str]:
    """The columns of a condition that consists of equalities joined by AND; none for any other."""
    inner = condition[1:-1] if condition.startswith("((") else condition
    parts = inner.split(" AND ")
    matches = [_EQUAL.fullmatch(part) for part in parts]
    return [match["column"] for match in matches if match] if all(matches) else []


def judge_statements(facts: Facts) -> Iterator[AuditFinding]:
    """Statements that take much of the time and read a large table to keep a few rows."""
    server, extension = with_tables(facts), facts[EXTENSION]
    if not (extension.loaded and extension.installed):
        raise Absent  # postgresql-statements-missing says so
    if not server.sees_all:
        raise NotKnown(tr("the role may not see the statements of others: GRANT pg_monitor TO it"))
    large, plans = facts[LARGE], facts[PLANS]
    unplanned: NotKnown | None = None
    for each in facts[STATEMENTS]:
        if not _costly(each, server.counted_s):
            continue
        plan = plans.get(each.id, [])
        if isinstance(plan, NotKnown):
            unplanned = plan
            continue
        scans = (scan for scan in scans_of(plan) if scan.table in large and large[scan.table].rows >= FEW * scan.rows)
        if (scan := next(scans, None)) is not None:
            yield _advice(each, scan, large[scan.table], server.database)
    if unplanned is not None:
        raise unplanned


def _costly(each: CostlyStatement, database_s: float | None) -> bool:
    counted_s = database_s if each.counted_s is None else each.counted_s
    planned = re.match(r"(?i)\s*(select|with|insert|update|delete|merge)\b", each.text)
    enough = counted_s is not None and each.total_ms >= CORE_PERCENT / 100 * 1000 * counted_s
    return bool(planned) and enough and each.calls >= CALLS and (each.share_percent or 0) >= SHARE_PERCENT


def _advice(each: CostlyStatement, scan: SequentialScan, table: LargeTable, database: str) -> AuditFinding:
    text = " ".join(without_secrets(each.text).split())
    evidence = tr(
        "{share}% of all time: {calls} calls, {mean} each: {statement}; plan: Seq Scan on {table}, {kept} of {rows} "
        "rows, Filter: {condition}",
        share=f"{each.share_percent:.0f}", calls=human_count(each.calls),
        mean=human_duration(each.total_ms / each.calls / 1000), statement=text[:_TEXT], table=table.name,
        kept=human_count(scan.rows), rows=human_count(table.rows), condition=without_secrets(scan.condition),
    )  # fmt: skip
    if columns := columns_of(scan.condition):
        create = f"CREATE INDEX CONCURRENTLY ON {table.name} ({', '.join(columns)})"
        anew = f"SELECT pg_stat_statements_reset(0, 0, {int(each.id)})"
        commands = (psql(create, database=database), psql(anew, database=database))
        fix = Fix(tr("Create an index on the columns that it compares, and reset its statistics."), commands=commands)
    else:
        fix = Fix(tr("Create an index that matches the condition, such as an expression index."))
    return AuditFinding(each.id, evidence, fix)


CHECKS = (
    AuditCheck(
        "postgresql-statements-missing",
        AuditSeverity.MEDIUM,
        tr("statement statistics are not collected"),
        tr("Without pg_stat_statements there is no telling which statements make a database slow."),
        (SERVER, SETTINGS, EXTENSION),
        judge_missing,
        "https://www.postgresql.org/docs/current/pgstatstatements.html",
        PERFORMANCE,
    ),
    AuditCheck(
        "postgresql-slow-statement",
        AuditSeverity.MEDIUM,
        tr("an expensive statement reads a whole table"),
        tr("It is among the statements with the highest total time, and reads a large table to keep a few rows."),
        (SERVER, EXTENSION, STATEMENTS, PLANS, LARGE),
        judge_statements,
        "https://www.postgresql.org/docs/current/using-explain.html",
        PERFORMANCE,
    ),
)
