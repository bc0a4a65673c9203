"""What PostgreSQL's counters say about its work: sequential scans, the cache, and temporary files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct, convert

from lilfox_tui.audit.checks.postgresql.memory import BY_HOST, BY_SERVER, available_memory
from lilfox_tui.audit.checks.postgresql.settings import PERFORMANCE, RELOAD, SERVER, SETTINGS, psql, with_tables
from lilfox_tui.audit.checks.postgresql.statements import EXTENSION
from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import human_bytes, human_count, human_duration

SCANNED_ROWS = 10_000
SCANS = 100
SCANS_A_DAY = 50
"""More than dumps and reports make."""
ENOUGH_BLOCKS = 1_000_000
HIT_PERCENT = 99.0
TEMP_BYTES_A_DAY = 1 << 30
_DAY_S = 86400.0
_RESET = ("SELECT pg_stat_reset()", "ANALYZE")
"""Autovacuum needs the counts of rows, which ANALYZE makes anew."""

_SCANS = f"""
SELECT format('%I.%I', schemaname, relname) AS name, n_live_tup AS rows, seq_scan AS scans, seq_tup_read AS read,
       coalesce(idx_scan, 0) AS index_scans, relid::bigint AS id
  FROM pg_stat_user_tables
 WHERE n_live_tup >= {SCANNED_ROWS} AND seq_scan >= {SCANS} ORDER BY seq_tup_read DESC LIMIT 50
"""  # noqa: S608  # our own words
_DATABASE = """
SELECT blks_hit AS hit, blks_read AS read, temp_files, temp_bytes FROM pg_stat_database
 WHERE datname = current_database()
"""


class ScannedTable(Struct, frozen=True):
    """A large table that was read sequentially often."""

    name: str
    rows: int
    scans: int
    read: int
    index_scans: int
    id: int


class DatabaseLoad(Struct, frozen=True):
    """The counters of the database."""

    hit: int
    read: int
    temp_files: int
    temp_bytes: int


def parse_scans(rows: list[Any]) -> list[ScannedTable]:
    """The tables."""
    return convert(rows, list[ScannedTable])


def parse_database(rows: list[Any]) -> DatabaseLoad:
    """The one row."""
    (row,) = rows
    return convert(row, DatabaseLoad)


SCANNED = Fact("scanned-tables", _SCANS, parse_scans)
DATABASE = Fact("database-load", _DATABASE, parse_database)


def judge_scans(facts: Facts) -> Iterator[AuditFinding]:
    """Large tables that more than one in ten scans reads to a half at least."""
    server = with_tables(facts)
    days = max(1.0, (server.counted_s or 0) / _DAY_S)
    for each in facts[SCANNED]:
        often = each.scans >= SCANS_A_DAY * days and each.scans * 9 >= each.index_scans
        if not often or each.read < each.scans * each.rows / 2:
            continue
        evidence = tr(
            "{table}: {scans} sequential scans of {rows} rows, {index_scans} index scans, counted for {time}",
            table=each.name, scans=human_count(each.scans), rows=human_count(each.rows),
            index_scans=human_count(each.index_scans), time=human_duration(server.counted_s),
        )  # fmt: skip
        text = tr("Find the statements (postgresql-slow-statement names the most expensive ones), and create an "
                  "index on the columns of their WHERE. Then reset the counters.")  # fmt: skip
        name = each.name.rpartition(".")[2].strip('"').replace("'", "''")
        find = (
            "SELECT calls, total_exec_time, query FROM pg_stat_statements "  # noqa: S608  # to be read by people
            f"WHERE query ILIKE '%{name}%' ORDER BY 2 DESC LIMIT 5"
        )
        anew = f"SELECT pg_stat_reset_single_table_counters({each.id})"
        commands = (*_asking(facts, find), psql(anew, f"ANALYZE {each.name}", database=server.database))
        yield AuditFinding(each.name, evidence, Fix(text, commands=commands))


def _asking(facts: Facts, query: str) -> list[str]:
    """The command that asks pg_stat_statements, where the database has it."""
    extension = facts[EXTENSION]
    return [psql(query, database=facts[SERVER].database)] if extension.loaded and extension.installed else []


def judge_cache(facts: Facts) -> Iterator[AuditFinding]:
    """A cache that has less than 99 of 100 blocks."""
    server, load = facts[SERVER], facts[DATABASE]
    blocks = load.hit + load.read
    if blocks < ENOUGH_BLOCKS or 100 * load.hit >= HIT_PERCENT * blocks:
        return
    buffers = facts[SETTINGS]["shared_buffers"].bytes
    evidence = tr(
        "{database}: {percent}% of {blocks} blocks were in the cache, counted for {time}; shared_buffers = {buffers}",
        database=server.database, percent=f"{100 * load.hit / blocks:.1f}", blocks=human_count(blocks),
        time=human_duration(server.counted_s), buffers=human_bytes(buffers),
    )  # fmt: skip
    anew = psql(*_RESET, database=server.database)
    quarter = _quarter(facts)
    if quarter is not None and buffers < quarter:
        text = tr("Raise shared_buffers to a quarter of the memory, which requires a restart. Then reset the counters.")
        change = psql(f"ALTER SYSTEM SET shared_buffers = '{quarter >> 20}MB'")
        fix = Fix(text, commands=(change, "systemctl restart postgresql", anew))
    else:
        text = tr("Find the statements that read most and add indexes; otherwise the host needs more memory. "
                  "Then reset the counters.")  # fmt: skip
        find = "SELECT shared_blks_read, calls, query FROM pg_stat_statements ORDER BY 1 DESC LIMIT 10"
        fix = Fix(text, commands=(*_asking(facts, find), anew))
    yield AuditFinding("shared_buffers", evidence, fix)


def _quarter(facts: Facts) -> int | None:
    try:
        return available_memory(facts) // 4
    except NotKnown:
        return None


def judge_temp_files(facts: Facts) -> Iterator[AuditFinding]:
    """Sorts and hashes that do not fit into work_mem, more than a little a day."""
    server, load = facts[SERVER], facts[DATABASE]
    days = max(1.0, (server.counted_s or 0) / _DAY_S)
    if not load.temp_files or load.temp_bytes < TEMP_BYTES_A_DAY * days:
        return
    work, each = facts[SETTINGS]["work_mem"].bytes, load.temp_bytes // load.temp_files
    evidence = tr(
        "{database}: temporary files {files}, {size}, {each} each, counted for {time}; work_mem = {work}",
        database=server.database, files=human_count(load.temp_files), size=human_bytes(load.temp_bytes),
        time=human_duration(server.counted_s), each=human_bytes(each), work=human_bytes(work),
    )  # fmt: skip
    needed = (work + 4 * each >> 20) + 1  # rows in memory are larger than those in a file
    connections = int(facts[SETTINGS]["max_connections"].value)
    quarter = _quarter(facts)
    text = tr("Log the statements that create them, raise work_mem for their role, and reset the counters.")
    commands = [psql("ALTER SYSTEM SET log_temp_files = '1MB'", RELOAD)]
    if quarter is not None and connections * needed << 20 <= quarter:
        text = tr("Raise work_mem: the memory suffices for all connections. Then reset the counters.")
        commands = [psql(f"ALTER SYSTEM SET work_mem = '{needed}MB'", RELOAD)]
    anew = psql(*_RESET, database=server.database)
    yield AuditFinding("work_mem", evidence, Fix(text, commands=(*commands, anew)))


CHECKS = (
    AuditCheck(
        "postgresql-sequential-scans",
        AuditSeverity.MEDIUM,
        tr("frequent sequential scans of a large table"),
        tr("An index finds a few rows without reading the whole table."),
        (SERVER, SCANNED, EXTENSION),
        judge_scans,
        "https://www.postgresql.org/docs/current/indexes-intro.html",
        PERFORMANCE,
    ),
    AuditCheck(
        "postgresql-cache-hits",
        AuditSeverity.MEDIUM,
        tr("the cache hit ratio is below 99%"),
        tr("A block that is not in shared_buffers is read from the kernel's cache or from the disk."),
        (SERVER, SETTINGS, DATABASE, EXTENSION, BY_HOST, BY_SERVER),
        judge_cache,
        "https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-DATABASE-VIEW",
        PERFORMANCE,
    ),
    AuditCheck(
        "postgresql-temp-files",
        AuditSeverity.MEDIUM,
        tr("sorts and hashes spill to temporary files"),
        tr("What does not fit into work_mem is written to disk and read back."),
        (SERVER, SETTINGS, DATABASE, BY_HOST, BY_SERVER),
        judge_temp_files,
        "https://www.postgresql.org/docs/current/runtime-config-resource.html#GUC-WORK-MEM",
        PERFORMANCE,
    ),
)
