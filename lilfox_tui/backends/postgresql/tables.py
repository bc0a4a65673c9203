"""The parts of a PostgreSQL's page: its sessions, what blocks what, replication, statements and indexes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lilfox_tui.backends.model import Cell, Column, Fact, Table
from lilfox_tui.backends.postgresql.asks import SessionRow
from lilfox_tui.backends.postgresql.look import Indexes, Look
from lilfox_tui.backends.postgresql.statement import without_secrets
from lilfox_tui.i18n import Message, tr

MOST_SESSIONS = 15

_SESSION_COLUMNS = (
    Column("pid", tr("pid")),
    Column("who", tr("who")),
    Column("application", tr("application")),
    Column("state", tr("state")),
    Column("transaction_s", tr("open for"), "seconds"),
    Column("blocked_by", tr("blocked by")),
    Column("statement", tr("statement")),
)


def tables(look: Look, indexes: Indexes | None) -> tuple[Table, ...]:
    """All parts that have something to say, the most urgent first."""
    made = [*_sessions(look), *_replication(look), _slow(look), _databases(look), *_indexes(indexes, look.refused)]
    return tuple(table for table in made if table.rows or table.note is not None)


def blocking_tree(rows: Sequence[SessionRow]) -> list[tuple[int, SessionRow]]:
    """Sessions that wait for a lock below those that hold it, each with its depth; a circle is entered once."""
    by_pid = {row.pid: row for row in rows}
    waiting: dict[int, list[SessionRow]] = {}
    for row in rows:
        for holder in row.blocked_by:
            waiting.setdefault(holder, []).append(row)
    roots = [by_pid[pid] for pid in waiting if pid in by_pid and not by_pid[pid].blocked_by]
    roots = roots or [row for row in rows if row.blocked_by]
    tree: list[tuple[int, SessionRow]] = []
    seen: set[int] = set()

    def add(row: SessionRow, depth: int) -> None:
        if row.pid in seen:
            return
        seen.add(row.pid)
        tree.append((depth, row))
        for each in waiting.get(row.pid, ()):
            add(each, depth + 1)

    for root in (*roots, *(row for row in rows if row.blocked_by)):
        add(root, 0)
    return tree


def _session(row: SessionRow, depth: int = 0) -> tuple[Cell, ...]:
    return (
        "  " * depth + str(row.pid),
        f"{row.role or '-'}@{row.database or '-'}",
        row.application,
        row.state,
        row.transaction_s,
        " ".join(map(str, row.blocked_by)),
        _one_line(row.statement),
    )


def _one_line(statement: str | None) -> str | None:
    """A statement as a cell: its own line ends are no rows, and what looks like a secret is not shown."""
    return None if statement is None else " ".join(without_secrets(statement).split())


def _sessions(look: Look) -> Iterator[Table]:
    if look.sessions is None:
        yield Table("transactions", tr("Open transactions"), _SESSION_COLUMNS, (), look.refused.get("sessions"))
        return
    tree = blocking_tree(look.sessions)
    yield Table("blocking", tr("Who blocks whom"), _SESSION_COLUMNS, tuple(_session(row, depth) for depth, row in tree))
    rest = sorted(look.sessions, key=lambda row: -(row.transaction_s or 0.0))[:MOST_SESSIONS]
    yield Table("transactions", tr("Longest open transactions"), _SESSION_COLUMNS, tuple(map(_session, rest)))


def _replication(look: Look) -> Iterator[Table]:
    columns = (
        Column("name", tr("standby")), Column("address", tr("from")), Column("state", tr("state")),
        Column("sync_state", tr("sync")), Column("behind_bytes", tr("behind"), "bytes"),
        Column("lag_s", tr("lag"), "seconds"),
    )  # fmt: skip
    rows = [
        (each.name, each.address, each.state, each.sync_state, each.behind_bytes, each.lag_s)
        for each in look.senders or ()
    ]
    yield Table("standbys", tr("Standbys"), columns, tuple(rows), look.refused.get("senders"))
    slot_columns = (
        Column("name", tr("slot")), Column("kind", tr("kind")), Column("active", tr("in use")),
        Column("wal_status", tr("WAL")), Column("retained_bytes", tr("kept for it"), "bytes"),
    )  # fmt: skip
    slots = [(each.name, each.kind, each.active, each.wal_status, each.retained_bytes) for each in look.slots or ()]
    yield Table("slots", tr("Replication slots"), slot_columns, tuple(slots), look.refused.get("slots"))


def _slow(look: Look) -> Table:
    columns = (
        Column("id", tr("id")), Column("calls", tr("calls"), "count"), Column("total_s", tr("total"), "seconds"),
        Column("mean_s", tr("mean"), "seconds"), Column("max_s", tr("longest"), "seconds"),
        Column("rows", tr("rows"), "count"), Column("read_blocks", tr("blocks read"), "count"),
        Column("statement", tr("statement")),
    )  # fmt: skip
    note = look.refused.get("slow")
    if look.server.statements is None and look.server.preloaded:
        note = tr("not counted in this database: run CREATE EXTENSION pg_stat_statements in {database}",
                  database=look.server.database)  # fmt: skip
    elif not look.server.preloaded:
        note = tr(
            "not counted: set shared_preload_libraries = 'pg_stat_statements' in postgresql.conf, restart the server"
            " and run CREATE EXTENSION pg_stat_statements"
        )
        if look.server.statements is not None:
            note = tr(
                "not counted: the extension is there, its library is not loaded; set shared_preload_libraries ="
                " 'pg_stat_statements' in postgresql.conf and restart the server"
            )
    rows = [
        (each.id, each.calls, each.total_ms / 1000, each.mean_ms / 1000, each.max_ms / 1000, each.rows,
         each.blocks_read, _one_line(each.statement))
        for each in look.slow or ()
    ]  # fmt: skip
    return Table("slow_statements", tr("Statements by total time"), columns, tuple(rows), note)


def _databases(look: Look) -> Table:
    columns = (
        Column("name", tr("database")), Column("connections", tr("sessions"), "count"),
        Column("commits", tr("commits"), "count"), Column("rollbacks", tr("rollbacks"), "count"),
        Column("deadlocks", tr("deadlocks"), "count"), Column("temp_bytes", tr("temporary files"), "bytes"),
        Column("age", tr("age of oldest id"), "count"),
    )  # fmt: skip
    rows = [
        (each.name, each.connections, each.commits, each.rollbacks, each.deadlocks, each.temp_bytes, each.age)
        for each in look.databases or ()
    ]
    return Table("databases", tr("Databases"), columns, tuple(rows), look.refused.get("databases"))


def _indexes(indexes: Indexes | None, refused: Mapping[str, Message]) -> Iterator[Table]:
    unused = (Column("name", tr("index")), Column("table", tr("table")), Column("size_bytes", tr("size"), "bytes"))
    note = tr("since the statistics began, on this node alone: a standby may use what its primary does not")
    rows: tuple[tuple[Cell, ...], ...] = tuple((each.name, each.table, each.size_bytes) for each in _of(indexes).unused)
    yield Table("unused_indexes", tr("Unused indexes"), unused, rows, note if rows else refused.get("unused"))
    columns = (Column("table", tr("table")), Column("names", tr("indexes")), Column("size_bytes", tr("size"), "bytes"))
    rows = tuple((each.table, " ".join(each.names), each.size_bytes) for each in _of(indexes).duplicates)
    yield Table("duplicate_indexes", tr("Indexes that are there twice"), columns, rows, refused.get("duplicates"))
    missing = (
        Column("table", tr("table")), Column("scans", tr("read in full"), "count"),
        Column("rows_read", tr("rows read so"), "count"), Column("rows", tr("rows"), "count"),
        Column("index_scans", tr("by index"), "count"),
    )  # fmt: skip
    rows = tuple((each.table, each.scans, each.rows_read, each.rows, each.index_scans) for each in _of(indexes).missing)
    yield Table("missing_indexes", tr("Tables that may lack an index"), missing, rows, refused.get("missing"))


def _of(indexes: Indexes | None) -> Indexes:
    return indexes or Indexes((), (), ())


def facts(look: Look, cache_hit_percent: float | None) -> tuple[Fact, ...]:
    """What the server is, in a few words."""
    server, receiver = look.server, look.receiver
    made = [
        Fact("version", tr("version"), server.version_text),
        Fact("role", tr("is a"), tr("standby") if server.standby else tr("primary")),
        Fact("up_s", tr("running for"), server.up_s, "seconds"),
        Fact("database", tr("asked in"), server.database),
        Fact("user", tr("asked as"), server.role),
        Fact("max_connections", tr("connections at most"), float(server.max_connections), "count"),
        Fact("cache_hit_percent", tr("cache hits"), cache_hit_percent, "percent"),
    ]
    if server.standby and receiver is not None:
        made += [
            Fact("receives_from", tr("receives from"), receiver.sender),
            Fact("receiver", tr("receiver"), receiver.status),
            Fact("behind_bytes", tr("not yet replayed"), receiver.behind_bytes, "bytes"),
            Fact("lag_s", tr("lag"), receiver.lag_s, "seconds"),
        ]
    return tuple(made)
