"""Indexes that are not used, not valid, there twice, or missing under a foreign key."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct, convert

from lilfox_tui.audit.checks.postgresql.settings import PERFORMANCE, SERVER, psql, with_tables
from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import human_bytes, human_count, human_duration

UNUSED_FROM_S = 30 * 86400.0
"""For how long statistics must have been counted: a report of the month's end needs its index once a month."""
UNUSED_FROM_BYTES = 10 << 20
"""Smaller ones cost nothing that anybody would notice."""
REFERENCING_ROWS = 10_000
MOST = 1000
"""Of indexes or foreign keys, the worst first: the answer has to end."""

_OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"
_INDEXES = f"""
SELECT * FROM (SELECT *, count(*) OVER (PARTITION BY definition) AS same FROM (
SELECT format('%I.%I', n.nspname, c.relname) AS name, format('%I.%I', n.nspname, t.relname) AS table,
       c.relname AS short, i.indexrelid::bigint AS id, c.relkind = 'I' AS partitioned, i.indisvalid AS valid,
       i.indisunique AS unique, i.indisreplident AS identity,
       (SELECT min(format('%I', conname)) FROM pg_constraint
         WHERE conindid = i.indexrelid AND conrelid = i.indrelid AND contype IN ('p', 'u', 'x')) AS constraint,
       concat_ws('|', i.indrelid, i.indnkeyatts, i.indkey, i.indclass, i.indcollation, i.indoption,
                 coalesce(pg_get_expr(i.indexprs, i.indrelid), '-'), coalesce(pg_get_expr(i.indpred, i.indrelid), '-')
       ) AS definition,
       c.relpages * current_setting('block_size')::bigint AS bytes, coalesce(s.idx_scan, 0) AS scans,
       EXISTS (SELECT FROM pg_constraint f
                WHERE f.contype = 'f' AND f.conrelid = i.indrelid AND i.indpred IS NULL
                  AND f.conkey::int[] @> (i.indkey::int2[])[0:cardinality(f.conkey) - 1]::int[]) AS for_foreign_key,
       EXISTS (SELECT FROM pg_stat_progress_create_index p WHERE p.index_relid = i.indexrelid) AS building
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_stat_user_indexes s ON s.indexrelid = i.indexrelid
 WHERE {_OURS} AND NOT c.relispartition
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.classid = 'pg_class'::regclass
                                              AND d.deptype = 'e')
) AS every) AS counted
 WHERE NOT valid OR same > 1 OR scans = 0 AND NOT "unique"
 ORDER BY valid AND same = 1, bytes DESC LIMIT {MOST}
"""  # noqa: S608  # our own words
"""Those that a check may find, of tables that are no extension's. An index of a partition is judged with that of the
whole table."""
_FOREIGN_KEYS = f"""
SELECT format('%I.%I', n.nspname, t.relname) AS table, f.conname AS name,
       (SELECT string_agg(format('%I', a.attname), ', ' ORDER BY k.place)
          FROM unnest(f.conkey) WITH ORDINALITY AS k(number, place)
          JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = k.number) AS columns,
       format('%I.%I', rn.nspname, r.relname) AS referenced, greatest(s.n_live_tup, t.reltuples, (
         SELECT sum(l.reltuples) FROM pg_partition_tree(t.oid) p JOIN pg_class l ON l.oid = p.relid
          WHERE t.relkind = 'p' AND p.isleaf))::bigint AS rows,
       coalesce(rs.n_tup_del, 0) AS deletes, t.relkind = 'p' AS partitioned
  FROM pg_constraint f JOIN pg_class t ON t.oid = f.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
  JOIN pg_class r ON r.oid = f.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace
  LEFT JOIN pg_stat_user_tables s ON s.relid = t.oid LEFT JOIN pg_stat_user_tables rs ON rs.relid = r.oid
 WHERE f.contype = 'f' AND f.conparentid = 0 AND {_OURS}
   AND NOT EXISTS (SELECT FROM pg_index i
                    WHERE i.indrelid = f.conrelid AND i.indisvalid AND i.indpred IS NULL
                      AND i.indnkeyatts >= cardinality(f.conkey)
                      AND f.conkey::int[] @> (i.indkey::int2[])[0:cardinality(f.conkey) - 1]::int[]
                      AND (i.indkey::int2[])[0:cardinality(f.conkey) - 1]::int[] @> f.conkey::int[])
 ORDER BY 5 DESC, 1, 2 LIMIT {MOST}
"""  # noqa: S608  # our own words


class AuditedIndex(Struct, frozen=True):
    """An index. ``definition`` is the same for all that do the same; ``constraint`` is the one that needs it;
    ``for_foreign_key``: it begins with the columns of a foreign key."""

    name: str
    table: str
    short: str
    id: int
    partitioned: bool
    valid: bool
    unique: bool
    identity: bool
    constraint: str | None
    definition: str
    bytes: int
    scans: int
    for_foreign_key: bool
    building: bool

    def drop(self) -> str:
        """The statement that removes it."""
        if self.constraint is not None:
            return f"ALTER TABLE {self.table} DROP CONSTRAINT {self.constraint}"
        return f"DROP INDEX {self.name}" if self.partitioned else f"DROP INDEX CONCURRENTLY {self.name}"


class ForeignKey(Struct, frozen=True):
    """A foreign key whose columns no index begins with. ``deletes`` were made in the referenced table."""

    table: str
    name: str
    columns: str
    referenced: str
    rows: int
    deletes: int
    partitioned: bool


def parse_indexes(rows: list[Any]) -> list[AuditedIndex]:
    """The indexes."""
    return convert(rows, list[AuditedIndex])


def parse_keys(rows: list[Any]) -> list[ForeignKey]:
    """The foreign keys."""
    return convert(rows, list[ForeignKey])


INDEXES = Fact("indexes", _INDEXES, parse_indexes)
FOREIGN_KEYS = Fact("foreign-keys", _FOREIGN_KEYS, parse_keys)


def judge_invalid(facts: Facts) -> Iterator[AuditFinding]:
    """Indexes that are not valid and that nobody builds now."""
    server = with_tables(facts)
    for each in facts[INDEXES]:
        if each.valid or each.building or each.partitioned:
            continue
        evidence = tr("{index} of {table}: indisvalid = false", index=each.name, table=each.table)
        left = each.short.rstrip("0123456789").endswith(("_ccnew", "_ccold"))
        if left:
            text = tr("Drop it: a failed REINDEX CONCURRENTLY left it behind.")
            statement = f"DROP INDEX CONCURRENTLY {each.name}"
        else:
            text = tr("Rebuild it. If that fails, the error names the rows in the way.")
            statement = f"REINDEX INDEX CONCURRENTLY {each.name}"
        yield AuditFinding(each.name, evidence, Fix(text, commands=(psql(statement, database=server.database),)))


def judge_duplicates(facts: Facts) -> Iterator[AuditFinding]:
    """Valid indexes that do what another one does; what a constraint needs is kept."""
    server = with_tables(facts)
    same: defaultdict[str, list[AuditedIndex]] = defaultdict(list)
    for each in facts[INDEXES]:
        if each.valid:
            same[each.definition].append(each)
    for members in same.values():
        kept, *others = sorted(members, key=_worth)
        for each in others:
            if each.unique and not kept.unique:
                continue
            evidence = tr("{index} ({size}) has the definition of {kept}, both of {table}",
                          index=each.name, size=human_bytes(each.bytes), kept=kept.name, table=each.table)  # fmt: skip
            text = tr("Drop it; {kept} does the same.", kept=kept.name)
            yield AuditFinding(each.name, evidence, Fix(text, commands=(psql(each.drop(), database=server.database),)))


def _worth(index: AuditedIndex) -> tuple[object, ...]:
    """What is needed most comes first."""
    return (index.constraint is None, not index.identity, not index.unique, index.id)


def judge_unused(facts: Facts) -> Iterator[AuditFinding]:
    """Large indexes that enforce nothing and that no scan has used. Raises NotKnown where that may have other
    reasons."""
    server = with_tables(facts)
    unused = [each for each in facts[INDEXES] if _unused(each)]
    if not unused:
        return
    if server.counted_s is None or server.counted_s < UNUSED_FROM_S:
        raise NotKnown(tr("statistics are {age} old; unused indexes are known after {least}",
                          age=human_duration(server.counted_s), least=human_duration(UNUSED_FROM_S)))  # fmt: skip
    if server.standbys:
        raise NotKnown(tr("its standbys may use the indexes that it does not: look at idx_scan in their "
                          "pg_stat_user_indexes"))  # fmt: skip
    for each in unused:
        evidence = tr("{index} of {table}: {size}, idx_scan = 0 in {age}", index=each.name, table=each.table,
                      size=human_bytes(each.bytes), age=human_duration(server.counted_s))  # fmt: skip
        text = tr("Drop it, unless it was created recently.")
        yield AuditFinding(each.name, evidence, Fix(text, commands=(psql(each.drop(), database=server.database),)))


def _unused(each: AuditedIndex) -> bool:
    needed = each.unique or each.identity or each.for_foreign_key or each.constraint is not None
    return each.valid and not each.partitioned and not needed and not each.scans and each.bytes >= UNUSED_FROM_BYTES


def judge_foreign_keys(facts: Facts) -> Iterator[AuditFinding]:
    """Foreign keys of large tables without an index; less urgent while nothing is deleted from what they refer to."""
    server = with_tables(facts)
    for each in facts[FOREIGN_KEYS]:
        if each.rows < REFERENCING_ROWS:
            continue
        evidence = tr(
            "{table}: {name} ({columns}) has no index; {rows} rows; {deletes} deleted from {referenced}",
            table=each.table, name=each.name, columns=each.columns, rows=human_count(each.rows),
            deletes=human_count(each.deletes), referenced=each.referenced,
        )  # fmt: skip
        how = "" if each.partitioned else "CONCURRENTLY "
        statement = f"CREATE INDEX {how}ON {each.table} ({each.columns})"
        text = tr("Create the index. CONCURRENTLY does not block writes.")
        severity = None if each.deletes else AuditSeverity.LOW
        fix = Fix(text, commands=(psql(statement, database=server.database),))
        yield AuditFinding(f"{each.table}: {each.name}", evidence, fix, severity)


def _check(name: str, title: Any, why: Any, facts: Sequence[Fact[Any]], judge: Any, page: str) -> AuditCheck:
    reference = f"https://www.postgresql.org/docs/current/{page}"
    return AuditCheck(name, AuditSeverity.MEDIUM, title, why, (SERVER, *facts), judge, reference, PERFORMANCE)


CHECKS = (
    _check(
        "postgresql-index-invalid",
        tr("an index is invalid"),
        tr("Every write maintains it, and no query uses it."),
        (INDEXES,),
        judge_invalid,
        "sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY",
    ),
    _check(
        "postgresql-index-duplicate",
        tr("an index duplicates another one"),
        tr("Every write maintains both, and both take space in the cache."),
        (INDEXES,),
        judge_duplicates,
        "indexes.html",
    ),
    _check(
        "postgresql-index-unused",
        tr("an index is never used"),
        tr("Every write maintains it, and it prevents heap-only updates."),
        (INDEXES,),
        judge_unused,
        "monitoring-stats.html#MONITORING-PG-STAT-ALL-INDEXES-VIEW",
    ),
    _check(
        "postgresql-foreign-key-index",
        tr("a foreign key has no index"),
        tr("Each delete in the referenced table scans the whole referencing table, and holds locks meanwhile."),
        (FOREIGN_KEYS,),
        judge_foreign_keys,
        "ddl-constraints.html#DDL-CONSTRAINTS-FK",
    ),
)
