"""The statements sent to PostgreSQL 12 and newer: statistics, EXPLAIN, and cancelling or terminating sessions."""

from __future__ import annotations

import re
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from lilfox_tui.backends.model import BackendError, BackendRefused, ClientSession, Ending
from lilfox_tui.backends.postgresql.session import APPLICATION, PostgresSession, Statement, StatementRefused
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.redact import MASK, redact

# What is asked of PostgreSQL, and the rows that answer. Right for 12 and newer; columns that changed their names with
# a version are chosen by it.
#
# Each ask becomes one text of JSON, so that both ways to the server give the same typed rows. Nothing here takes a lock
# that a table's user would notice, and sizes are the planner's (``relpages``), which need none at all.


Row = TypeVar("Row", bound=Struct)
_QUERY_CHARS = 300
MOST_ROWS = 20
MOST_TABLES = 10
MOST_SESSION_ROWS = 100
OLD_TRANSACTION_S = 5
"""From which age of its transaction a client comes first, however few connections it has."""
_EXPLAINED = "lilfox_explained"
"""What our own statements about a plan bear, so that they are known among those that are counted."""
_GENERIC = "SET plan_cache_mode = force_generic_plan"


class RowQuery(Struct, Generic[Row], frozen=True):
    """One query: its statement, and the type of a row of its answer."""

    sql: str
    row: type[Row]

    @property
    def step(self) -> Statement:
        """The statement that returns the rows as JSON."""
        return Statement(f"SELECT coalesce(json_agg(lilfox), '[]')::text FROM ({self.sql}) AS lilfox")

    def rows(self, answer: tuple[str, ...]) -> list[Row]:
        """Parse the rows of an answer. Raises msgspec.ValidationError."""
        return msgspec.json.decode(answer[0], type=list[self.row])  # type: ignore[name-defined]


class ServerStatus(Struct, frozen=True):
    """The server, and what LilFox's role may see. ``version`` is server_version_num; ``statements`` is the quoted
    schema of the extension pg_stat_statements, None if it is not installed; ``preloaded`` tells whether its library is
    loaded. ``counted_s`` is for how long statistics of this database have been counted at least."""

    version: int
    version_text: str
    standby: bool
    sees_all: bool
    role: str
    database: str
    max_connections: int
    reserved: int
    preloaded: bool
    statements: str | None
    up_s: float
    counted_s: float | None = None


SERVER = RowQuery(
    """
    SELECT current_setting('server_version_num')::int AS version, current_setting('server_version') AS version_text,
           pg_is_in_recovery() AS standby, pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all,
           current_user AS role, current_database() AS database,
           current_setting('max_connections')::int AS max_connections,
           current_setting('superuser_reserved_connections')::int
             + coalesce(current_setting('reserved_connections', true)::int, 0) AS reserved,
           EXISTS (SELECT FROM pg_settings WHERE name = 'pg_stat_statements.max') AS preloaded,
           (SELECT quote_ident(n.nspname) FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
             WHERE e.extname = 'pg_stat_statements') AS statements,
           extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) AS up_s,
           extract(epoch FROM clock_timestamp() - coalesce(
             (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()),
             pg_postmaster_start_time())) AS counted_s
    """,
    ServerStatus,
)


class SessionCounts(Struct, frozen=True):
    """The number of client sessions in one state, without LilFox's own; ``waiting`` of them wait for a lock. ``hidden``
    is the state of those that LilFox's role may not see."""

    state: str
    count: int
    waiting: int
    oldest_s: float | None


_OF_CLIENTS = """(backend_type = 'client backend' OR backend_type IS NULL AND datid IS NOT NULL)
       AND pid <> pg_backend_pid()"""
"""Which rows of pg_stat_activity are counted: the same wherever sessions are, so that all counts agree."""

POOL = RowQuery(
    f"""
    SELECT coalesce(state, CASE WHEN backend_type IS NULL THEN 'hidden' ELSE 'starting' END) AS state,
           count(*) AS count, count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting,
           max(extract(epoch FROM clock_timestamp() - xact_start)) AS oldest_s
      FROM pg_stat_activity
     WHERE {_OF_CLIENTS}
     GROUP BY 1
    """,
    SessionCounts,
)


class ClientCounts(Struct, frozen=True):
    """The connections of one client, without LilFox's own: ``count`` of them, how many are in each state, and the age
    of their oldest transaction, None if LilFox's role may not see that."""

    role: str | None
    database: str | None
    application: str | None
    address: str | None
    count: int
    active: int | None
    idle: int | None
    idle_in_transaction: int | None
    waiting: int | None
    oldest_s: float | None = None


def _in_state(condition: str, name: str) -> str:
    counted = f"count(*) FILTER (WHERE {condition})"
    return f"CASE WHEN bool_or(backend_type IS NULL) THEN NULL ELSE {counted} END AS {name}"


CLIENTS = RowQuery(
    f"""
    SELECT usename AS role, datname AS database, application_name AS application,
           CASE WHEN backend_type IS NOT NULL THEN coalesce(host(client_addr), 'local') END AS address,
           count(*) AS count, {_in_state("state = 'active'", "active")}, {_in_state("state = 'idle'", "idle")},
           {_in_state("state LIKE 'idle in transaction%'", "idle_in_transaction")},
           {_in_state("wait_event_type = 'Lock'", "waiting")},
           max(extract(epoch FROM clock_timestamp() - xact_start)) AS oldest_s
      FROM pg_stat_activity
     WHERE {_OF_CLIENTS}
     GROUP BY 1, 2, 3, 4
     ORDER BY coalesce(bool_or(xact_start < clock_timestamp() - interval '{OLD_TRANSACTION_S} s'), false) DESC,
              count(*) DESC, 1, 2, 3, 4 LIMIT {MOST_ROWS}
    """,
    ClientCounts,
)


class SessionRow(Struct, frozen=True):
    """One session of a client. ``blocked_by`` are the pids that hold the lock it waits for, ``lock`` is its mode and
    its table or kind, ``wait`` is what the session waits for other than its client."""

    pid: int
    role: str | None
    database: str | None
    application: str | None
    state: str | None
    blocked_by: tuple[int, ...]
    transaction_s: float | None
    in_state_s: float | None
    statement: str | None
    address: str | None = None
    wait: str | None = None
    lock: str | None = None


SESSIONS = RowQuery(
    f"""
    WITH waiting AS MATERIALIZED (
      SELECT pid, pg_blocking_pids(pid) AS by FROM pg_stat_activity WHERE wait_event_type = 'Lock'
    )
    SELECT a.pid, a.usename AS role, a.datname AS database, a.application_name AS application,
           a.state, coalesce(w.by, '{{}}') AS blocked_by,
           extract(epoch FROM clock_timestamp() - a.xact_start) AS transaction_s,
           extract(epoch FROM clock_timestamp() - a.state_change) AS in_state_s,
           left(a.query, {_QUERY_CHARS}) AS statement, coalesce(host(a.client_addr), 'local') AS address,
           CASE WHEN a.wait_event_type <> 'Client' THEN a.wait_event_type || ' ' || a.wait_event END AS wait,
           CASE WHEN cardinality(w.by) > 0 THEN (
             SELECT l.mode || ' ' || coalesce(c.oid::regclass::text, l.locktype)
               FROM pg_locks l LEFT JOIN pg_class c ON c.oid = l.relation
                AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
              WHERE l.pid = a.pid AND NOT l.granted ORDER BY 1 LIMIT 1) END AS lock
      FROM pg_stat_activity a LEFT JOIN waiting w USING (pid)
     WHERE a.backend_type = 'client backend' AND a.pid <> pg_backend_pid() OR a.pid IN (SELECT unnest(by) FROM waiting)
     ORDER BY cardinality(w.by) > 0 DESC NULLS LAST, a.xact_start, a.state_change DESC
     LIMIT {MOST_SESSION_ROWS}
    """,
    SessionRow,
)


class DatabaseStats(Struct, frozen=True):
    """One database's client sessions without LilFox's own, its counters since they were reset, and its oldest
    transaction id's age."""

    name: str
    connections: int
    commits: int
    rollbacks: int
    blocks_hit: int
    blocks_read: int
    deadlocks: int
    temp_bytes: int
    age: int
    conflicts: int = 0
    connection_limit: int = -1
    """Negative: none of its own."""
    open: bool = True
    """Whether it takes connections."""


DATABASES = RowQuery(
    f"""
    SELECT d.datname AS name, coalesce(a.connections, 0) AS connections, s.xact_commit AS commits,
           s.xact_rollback AS rollbacks, s.blks_hit AS blocks_hit, s.blks_read AS blocks_read,
           s.deadlocks, s.temp_bytes,
           greatest(age(d.datfrozenxid), mxid_age(d.datminmxid)) AS age, s.conflicts,
           d.datconnlimit AS connection_limit, d.datallowconn AS open
      FROM pg_database d JOIN pg_stat_database s ON s.datid = d.oid
      LEFT JOIN (SELECT datid, count(*) AS connections FROM pg_stat_activity WHERE {_OF_CLIENTS} GROUP BY 1) AS a
        ON a.datid = d.oid
     ORDER BY 2 DESC, d.datname
    """,
    DatabaseStats,
)


class DatabaseSize(Struct, frozen=True):
    """The bytes of one database's files; None where LilFox's role may not ask for them."""

    name: str
    size_bytes: float | None


SIZES = RowQuery(
    """
    SELECT datname AS name,
           CASE WHEN has_database_privilege(oid, 'CONNECT') OR pg_has_role(current_user, 'pg_read_all_stats', 'USAGE')
                THEN pg_database_size(oid)::float8 END AS size_bytes
      FROM pg_database
    """,
    DatabaseSize,
)


class TableSize(Struct, frozen=True):
    """One of the largest tables: its bytes with those of its indexes, as the planner knows them, its rows, and what was
    written and scanned since the statistics were reset. Unknown where nothing was counted yet."""

    name: str
    size_bytes: float | None
    index_bytes: float | None
    rows: int | None
    dead: int | None
    inserted: int | None
    updated: int | None
    deleted: int | None
    seq_scans: int | None
    index_scans: int | None


LARGEST = RowQuery(
    f"""
    SELECT s.relid::regclass::text AS name, nullif(c.relpages + i.pages + t.pages, 0) * b.bytes AS size_bytes,
           nullif(i.pages, 0) * b.bytes AS index_bytes, s.n_live_tup AS rows, s.n_dead_tup AS dead,
           s.n_tup_ins AS inserted, s.n_tup_upd AS updated, s.n_tup_del AS deleted, s.seq_scan AS seq_scans,
           s.idx_scan AS index_scans
      FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
     CROSS JOIN (SELECT current_setting('block_size')::float8 AS bytes) AS b
     CROSS JOIN LATERAL (SELECT coalesce(sum(x.relpages), 0)::float8 AS pages FROM pg_index n
                           JOIN pg_class x ON x.oid = n.indexrelid WHERE n.indrelid = s.relid) AS i
     CROSS JOIN LATERAL (SELECT coalesce(sum(x.relpages), 0)::float8 AS pages FROM pg_class x
                          WHERE x.oid = c.reltoastrelid) AS t
     ORDER BY 2 DESC NULLS LAST, 1 LIMIT {MOST_TABLES}
    """,
    TableSize,
)

_NOW_LSN = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END"


class WalSender(Struct, frozen=True):
    """A standby that this server streams WAL to."""

    name: str | None
    address: str | None
    state: str | None
    sync_state: str | None
    behind_bytes: float | None
    lag_s: float | None


SENDERS = RowQuery(
    f"""
    SELECT application_name AS name, coalesce(host(client_addr), 'local') AS address, state, sync_state,
           pg_wal_lsn_diff({_NOW_LSN}, replay_lsn) AS behind_bytes, extract(epoch FROM replay_lag) AS lag_s
      FROM pg_stat_replication ORDER BY application_name
    """,
    WalSender,
)


class WalReceiver(Struct, frozen=True):
    """A standby's connection to its primary, all None on a primary; and the WAL of either. ``lag_s`` is 0 if all
    received WAL has been replayed: otherwise an idle primary would look like a growing lag. ``wal_bytes`` is how far
    the WAL was written or, on a standby, replayed; ``archives`` whether it is archived here, and ``archive_failed_s``
    how long ago that failed, None if it has worked since."""

    status: str | None
    sender: str | None
    behind_bytes: float | None
    lag_s: float | None
    wal_bytes: float | None = None
    archives: bool = False
    archive_failed_s: float | None = None


_ARCHIVES = """(current_setting('archive_mode') = 'always'
              OR NOT pg_is_in_recovery() AND current_setting('archive_mode') = 'on')"""


RECEIVER = RowQuery(
    f"""
    SELECT (SELECT status FROM pg_stat_wal_receiver) AS status,
           (SELECT sender_host || ':' || sender_port FROM pg_stat_wal_receiver) AS sender,
           pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) AS behind_bytes,
           CASE WHEN NOT pg_is_in_recovery() THEN NULL
                WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
                ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END AS lag_s,
           pg_wal_lsn_diff({_NOW_LSN}, '0/0') AS wal_bytes, {_ARCHIVES} AS archives,
           (SELECT extract(epoch FROM clock_timestamp() - last_failed_time) FROM pg_stat_archiver
             WHERE {_ARCHIVES} AND last_failed_time > coalesce(last_archived_time, '-infinity')) AS archive_failed_s
    """,
    WalReceiver,
)


class ReplicationSlot(Struct, frozen=True):
    """A replication slot and how much WAL it retains."""

    name: str
    kind: str
    active: bool
    wal_status: str | None
    retained_bytes: float | None


def slots(server: ServerStatus) -> RowQuery[ReplicationSlot]:
    """Return the query for all replication slots."""
    wal_status = "wal_status" if server.version >= 130000 else "NULL::text"
    sql = f"""
    SELECT slot_name AS name, slot_type AS kind, active, {wal_status} AS wal_status,
           pg_wal_lsn_diff({_NOW_LSN}, restart_lsn) AS retained_bytes
      FROM pg_replication_slots ORDER BY slot_name
    """
    return RowQuery(sql, ReplicationSlot)


class SlowStatement(Struct, frozen=True):
    """A statement of this database and its cost since the statistics were reset; ``id`` is None if LilFox's role may
    not see it."""

    id: str | None
    calls: int
    total_ms: float
    mean_ms: float
    max_ms: float
    rows: int
    blocks_hit: int
    blocks_read: int
    statement: str | None
    share_percent: float | None = None
    """Of the time of all statements of this database."""


def slow(server: ServerStatus) -> RowQuery[SlowStatement] | None:
    """Return the query for the most expensive statements, without LilFox's own; None if pg_stat_statements is not
    installed or not loaded."""
    if server.statements is None or not server.preloaded:
        return None
    exec_time = "exec_time" if server.version >= 130000 else "time"
    sql = f"""
    SELECT queryid::text AS id, sum(calls) AS calls, sum(total_{exec_time}) AS total_ms,
           sum(total_{exec_time}) / greatest(sum(calls), 1) AS mean_ms, max(max_{exec_time}) AS max_ms,
           sum(rows) AS rows, sum(shared_blks_hit) AS blocks_hit, sum(shared_blks_read) AS blocks_read,
           min(left(query, {_QUERY_CHARS})) AS statement,
           100 * sum(total_{exec_time}) / nullif(sum(sum(total_{exec_time})) OVER (), 0) AS share_percent
      FROM {server.statements}.pg_stat_statements
     WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND query !~ ' AS lilfox($| FROM )|{_EXPLAINED}|^{_GENERIC}$'
     GROUP BY queryid ORDER BY total_ms DESC LIMIT {MOST_ROWS}
    """
    return RowQuery(sql, SlowStatement)


class UnusedIndex(Struct, frozen=True):
    """An index that this node has not used since its statistics began, and that enforces nothing."""

    name: str
    table: str
    size_bytes: float


UNUSED = RowQuery(
    f"""
    SELECT s.indexrelid::regclass::text AS name, s.relid::regclass::text AS table,
           c.relpages::float8 * current_setting('block_size')::int AS size_bytes
      FROM pg_stat_user_indexes s JOIN pg_index i USING (indexrelid) JOIN pg_class c ON c.oid = s.indexrelid
     WHERE s.idx_scan = 0 AND NOT i.indisunique AND NOT i.indisprimary
       AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = s.indexrelid)
     ORDER BY c.relpages DESC, 1 LIMIT {MOST_ROWS}
    """,
    UnusedIndex,
)


class DuplicateIndexes(Struct, frozen=True):
    """Indexes of one table over the same columns, expressions and condition."""

    table: str
    names: tuple[str, ...]
    size_bytes: float


DUPLICATES = RowQuery(
    f"""
    SELECT i.indrelid::regclass::text AS table,
           array_agg(i.indexrelid::regclass::text ORDER BY i.indexrelid) AS names,
           sum(c.relpages::float8) * current_setting('block_size')::int AS size_bytes
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
     GROUP BY i.indrelid, i.indkey::text, i.indclass::text, i.indcollation::text, i.indoption::text,
              coalesce(pg_get_expr(i.indexprs, i.indrelid), ''), coalesce(pg_get_expr(i.indpred, i.indrelid), '')
    HAVING count(*) > 1 ORDER BY 3 DESC, 1 LIMIT {MOST_ROWS}
    """,
    DuplicateIndexes,
)


class MissingIndex(Struct, frozen=True):
    """A large table that is often scanned sequentially, many rows at a time: an index may be missing."""

    table: str
    scans: int
    rows_read: int
    rows: int
    index_scans: int | None


MISSING = RowQuery(
    f"""
    SELECT relid::regclass::text AS table, seq_scan AS scans, seq_tup_read AS rows_read, n_live_tup AS rows,
           idx_scan AS index_scans
      FROM pg_stat_user_tables
     WHERE seq_scan > 50 AND n_live_tup > 10000 AND seq_tup_read / seq_scan > 1000
     ORDER BY seq_tup_read DESC LIMIT {MOST_ROWS}
    """,
    MissingIndex,
)


class ExplainSteps(Struct, frozen=True):
    """The statements that explain a statement. The first of ``steps`` returns its text, the last one its plan;
    ``cleanup`` always runs after them."""

    steps: tuple[Statement, ...]
    cleanup: tuple[Statement, ...] = ()


def explaining(statement_id: int, server: ServerStatus) -> ExplainSteps:
    """Return the steps that plan a statement of pg_stat_statements; one with parameters gets a generic plan
    (``GENERIC_PLAN`` in PostgreSQL 16, a prepared statement before). The text never passes through LilFox: the server
    selects it and runs it unchanged. A statement that contains ``;`` is not run. Every statement run is marked with
    :data:`_EXPLAINED`."""
    source = f"{server.statements}.pg_stat_statements WHERE queryid = {int(statement_id)} AND query !~ ';' LIMIT 1"
    text = Statement(f"SELECT query AS {_EXPLAINED} FROM {source}")
    if server.version >= 160000:
        option = "CASE WHEN query ~ '[$][0-9]' THEN '(GENERIC_PLAN) ' ELSE '' END"
        explain = f"SELECT 'EXPLAIN ' || {option} || '/* {_EXPLAINED} */ ' || query AS {_EXPLAINED} FROM {source}"
        return ExplainSteps((text, Statement(explain, generated=True)))
    nulls = "array_to_string(array_fill('NULL'::text, ARRAY[cardinality(parameter_types)]), ', ')"
    return ExplainSteps(
        (
            text,
            Statement(_GENERIC),
            Statement(f"SELECT 'PREPARE {_EXPLAINED} AS ' || query AS {_EXPLAINED} FROM {source}", generated=True),
            Statement(
                f"SELECT 'EXPLAIN EXECUTE {_EXPLAINED}' || CASE WHEN cardinality(parameter_types) > 0 "
                f"THEN '(' || {nulls} || ')' ELSE '' END AS {_EXPLAINED} "
                f"FROM pg_prepared_statements WHERE name = '{_EXPLAINED}'",
                generated=True,
            ),
        ),
        (Statement(f"DEALLOCATE {_EXPLAINED}"),),
    )


# Statements as they may be shown: PostgreSQL keeps the text of those that set a password as it was written.


_PASSWORD = re.compile(r"(?i)(\bpassword\s+)(?:[eun]&?)?'(?:[^']|'')*(?:'|\Z)")


def without_secrets(statement: str) -> str:
    """Return the statement with passwords masked, even one that was cut in the middle."""
    return redact(_PASSWORD.sub(rf"\1'{MASK}'", statement))


# Sessions of clients, and the statements that cancel what one of them runs or end it.
#
# pg_cancel_backend, pg_terminate_backend (PostgreSQL, System Administration Functions). Who was meant is told by pid
# and start time, of a statement by its own start too: a number that was given again, or the next statement of a pool's
# session, is left alone.


MOST_SESSIONS = 200
_MOST_CHARS = 300
_TIME = re.compile(r"[0-9]{4,6}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}\+00")
_TEXT = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')"
_FUNCTIONS: dict[Ending, str] = {"cancel": "pg_cancel_backend", "terminate": "pg_terminate_backend"}
_NO_RIGHT = "42501"


class _Signalled(Struct, frozen=True):
    told: bool


def _sessions_query(pid: int | None) -> RowQuery[ClientSession]:
    only = "" if pid is None else f"AND a.pid = {int(pid)}"
    sql = f"""
    WITH blocking AS MATERIALIZED (
      SELECT unnest(pg_blocking_pids(pid)) AS pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'
    )
    SELECT a.pid, {_TEXT.format("a.backend_start")} AS began, {_TEXT.format("a.query_start")} AS statement_began,
           a.usename AS role, a.datname AS database, a.application_name AS application,
           coalesce(host(a.client_addr), 'local') AS address, a.state,
           extract(epoch FROM clock_timestamp() - a.state_change) AS in_state_s,
           (SELECT count(*) FROM blocking b WHERE b.pid = a.pid) AS blocks, left(a.query, {_MOST_CHARS}) AS statement
      FROM pg_stat_activity a
     WHERE a.backend_type = 'client backend' AND a.backend_start IS NOT NULL AND a.pid <> pg_backend_pid()
       AND a.application_name <> '{APPLICATION}' {only}
     ORDER BY blocks DESC, a.state = 'idle', a.state_change
     LIMIT {MOST_SESSIONS}
    """
    return RowQuery(sql, ClientSession)


async def client_sessions(session: PostgresSession, pid: int | None = None) -> tuple[ClientSession, ...]:
    """See :meth:`~lilfox_tui.backends.model.EndsSessions.sessions`."""
    rows = await _rows(session, _sessions_query(pid))
    return tuple(
        msgspec.structs.replace(row, statement=None if row.statement is None else without_secrets(row.statement))
        for row in rows
    )


def end_statement(session: ClientSession, how: Ending) -> str:
    """See :meth:`~lilfox_tui.backends.model.EndsSessions.ending`."""
    where = [f"pid = {int(session.pid)}", f"backend_start = {_literal(session.began)}"]
    if how == "cancel" and session.statement_began is not None:
        where += ["state = 'active'", f"query_start = {_literal(session.statement_began)}"]
    select = f"SELECT {_FUNCTIONS[how]}(pid) AS told FROM pg_stat_activity"
    return f"{select}\nWHERE backend_type = 'client backend' AND {' AND '.join(where)}"


async def end_session(session: PostgresSession, statement: str) -> bool:
    """See :meth:`~lilfox_tui.backends.model.EndsSessions.end`."""
    return any(row.told for row in await _rows(session, RowQuery(statement, _Signalled)))


async def _rows(session: PostgresSession, ask: RowQuery[Row]) -> list[Row]:
    (answer,) = await session.run([ask.step])
    if isinstance(answer, StatementRefused):
        hint: Message | str = ""
        if answer.sqlstate == _NO_RIGHT:
            hint = tr(
                "Run GRANT pg_signal_backend TO the role that LilFox connects as; only superusers can signal a "
                "superuser's sessions."
            )
        raise BackendRefused(answer.message, hint)
    try:
        return ask.rows(answer)
    except (msgspec.MsgspecError, IndexError) as error:
        raise BackendError(tr("unexpected answer from the server: {reason}", reason=str(error))) from None


def _literal(time: str) -> str:
    """Return a time as a quoted literal. Raises ValueError for any text that is not in LilFox's time format, so that
    nothing else gets into a statement."""
    if not _TIME.fullmatch(time):
        raise ValueError(time)
    return f"'{time}'"
