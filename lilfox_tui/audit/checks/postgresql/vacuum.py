"""Autovacuum, dead rows, and the end of the transaction ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct, convert

from lilfox_tui.audit.checks.postgresql.settings import (
    PERFORMANCE,
    SERVER,
    SETTINGS,
    psql,
    switched_off,
    with_tables,
)
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import human_count, human_duration

DEAD_PERCENT = 20
DEAD_ROWS = 10_000
LAST_ID = 2**31
NEAR_PERCENT = 25

_DEAD = f"""
SELECT format('%I.%I', s.schemaname, s.relname) AS name, s.n_live_tup AS live, s.n_dead_tup AS dead,
       extract(epoch FROM clock_timestamp() - greatest(s.last_vacuum, s.last_autovacuum)) AS vacuumed_s,
       coalesce('autovacuum_enabled=false' = ANY (c.reloptions) OR 'autovacuum_enabled=off' = ANY (c.reloptions), false)
         AS disabled,
       (SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity
         WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()) AS oldest_s
  FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
 WHERE s.n_dead_tup >= {DEAD_ROWS} AND NOT EXISTS (SELECT FROM pg_stat_progress_vacuum v WHERE v.relid = s.relid)
 ORDER BY s.n_dead_tup DESC LIMIT 50
"""  # noqa: S608  # our own words
_AGES = """
SELECT datname AS name, quote_ident(datname) AS quoted, age(datfrozenxid) AS ids, mxid_age(datminmxid) AS multi,
       datallowconn AS open
  FROM pg_database ORDER BY datname
"""


class DeadRows(Struct, frozen=True):
    """A table with many dead rows that nothing vacuums now. ``vacuumed_s`` is how long ago something last did,
    ``oldest_s`` the age of the oldest transaction that may still see dead rows."""

    name: str
    live: int
    dead: int
    vacuumed_s: float | None
    disabled: bool
    oldest_s: float | None


class DatabaseAge(Struct, frozen=True):
    """How many transaction ids and multixact ids were used since the oldest of a database."""

    name: str
    quoted: str
    ids: int
    multi: int
    open: bool


def parse_dead(rows: list[Any]) -> list[DeadRows]:
    """The tables."""
    return convert(rows, list[DeadRows])


def parse_ages(rows: list[Any]) -> list[DatabaseAge]:
    """The databases."""
    return convert(rows, list[DatabaseAge])


DEAD = Fact("dead-rows", _DEAD, parse_dead)
AGES = Fact("database-ages", _AGES, parse_ages)


def judge_autovacuum(facts: Facts) -> Iterator[AuditFinding]:
    """Settings without which autovacuum does not run."""
    yield from switched_off(facts, "autovacuum", "track_counts")


def judge_dead(facts: Facts) -> Iterator[AuditFinding]:
    """Tables of which more than a fifth is dead: autovacuum begins at less unless something keeps it."""
    server = with_tables(facts)
    for each in facts[DEAD]:
        if 100 * each.dead <= DEAD_PERCENT * (each.live + each.dead):
            continue
        evidence = tr(
            "{table}: {dead} of {rows} rows are dead; last vacuumed {ago}",
            table=each.name, dead=human_count(each.dead), rows=human_count(each.live + each.dead),
            ago=tr("never") if each.vacuumed_s is None else tr("{time} ago", time=human_duration(each.vacuumed_s)),
        )  # fmt: skip
        commands = [psql(f"VACUUM (ANALYZE) {each.name}", database=server.database)]
        if each.disabled:
            text = tr("Turn autovacuum on for the table again, and vacuum it now.")
            reset = psql(f"ALTER TABLE {each.name} RESET (autovacuum_enabled)", database=server.database)
            commands.insert(0, reset)
        elif each.oldest_s is not None and each.oldest_s > 300:
            text = tr("End the transaction that has been open for {time}, which keeps them, then vacuum.",
                      time=human_duration(each.oldest_s))  # fmt: skip
        else:
            text = tr("Vacuum it now, and let autovacuum start earlier for this table.")
            scale = f"ALTER TABLE {each.name} SET (autovacuum_vacuum_scale_factor = 0.05)"
            commands.append(psql(scale, database=server.database))
        yield AuditFinding(each.name, evidence, Fix(text, commands=tuple(commands)))


def judge_wraparound(facts: Facts) -> Iterator[AuditFinding]:
    """Databases with less than a quarter of the transaction ids left."""
    if facts[SERVER].standby:
        raise Absent
    for each in facts[AGES]:
        left = 100 - 100 * max(each.ids, each.multi) // LAST_ID
        if left >= NEAR_PERCENT:
            continue
        evidence = tr(
            "{name}: age of the oldest transaction ID {ids}, of the oldest multixact {multi}; writes stop at 2.1G",
            name=each.name, ids=human_count(each.ids), multi=human_count(each.multi),
        )  # fmt: skip
        freeze = psql("VACUUM (FREEZE)", database=each.name)
        commands = [freeze]
        if not each.open:
            change = f"ALTER DATABASE {each.quoted} WITH ALLOW_CONNECTIONS"
            commands = [psql(f"{change} true"), freeze, psql(f"{change} false")]
        text = tr("End old transactions, prepared transactions and unused replication slots, then freeze the database.")
        yield AuditFinding(each.name, evidence, Fix(text, commands=tuple(commands)))


CHECKS = (
    AuditCheck(
        "postgresql-autovacuum-off",
        AuditSeverity.HIGH,
        tr("autovacuum is off"),
        tr("Dead rows are never removed, planner statistics go stale, and transaction IDs run out."),
        (SETTINGS,),
        judge_autovacuum,
        "https://www.postgresql.org/docs/current/routine-vacuuming.html",
        PERFORMANCE,
    ),
    AuditCheck(
        "postgresql-dead-rows",
        AuditSeverity.HIGH,
        tr("tables have many dead rows"),
        tr("Every scan reads the dead rows too, and the table does not shrink by itself."),
        (SERVER, DEAD),
        judge_dead,
        "https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-SPACE-RECOVERY",
        PERFORMANCE,
    ),
    AuditCheck(
        "postgresql-wraparound",
        AuditSeverity.HIGH,
        tr("transaction ID wraparound is near"),
        tr("When no IDs are left, the server refuses all writes until the database is frozen, which can take hours."),
        (SERVER, AGES),
        judge_wraparound,
        "https://www.postgresql.org/docs/current/routine-vacuuming.html#VACUUM-FOR-WRAPAROUND",
    ),
)
