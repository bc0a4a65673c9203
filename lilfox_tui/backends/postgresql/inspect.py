"""Inspects a PostgreSQL server: runs the statistics queries and turns their rows into tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import Struct, field

from lilfox_tui.backends.model import BackendError, BackendFact, Cell, StatementPlan, Table, TableColumn
from lilfox_tui.backends.postgresql import queries
from lilfox_tui.backends.postgresql.queries import RowQuery, SessionRow, explaining, without_secrets
from lilfox_tui.backends.postgresql.session import PostgresSession, StatementAnswer, StatementRefused
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import human_count, human_duration

# One look at a PostgreSQL: what is asked, in which order, and the typed rows that came.


Row = TypeVar("Row", bound=Struct)


class IndexStats(Struct, frozen=True):
    """What changes slowly: the index statistics of one database, its largest tables, and the size of each database. A
    size is None if it could not be read."""

    unused: tuple[queries.UnusedIndex, ...]
    duplicates: tuple[queries.DuplicateIndexes, ...]
    missing: tuple[queries.MissingIndex, ...]
    largest: tuple[queries.TableSize, ...] = ()
    sizes: Mapping[str, float | None] = field(default_factory=dict)


class Inspection(Struct, frozen=True):
    """The result of one inspection. A part whose query failed is None; ``refused`` has the reason by the part's
    name."""

    server: queries.ServerStatus
    pool: tuple[queries.SessionCounts, ...] | None
    sessions: tuple[queries.SessionRow, ...] | None
    databases: tuple[queries.DatabaseStats, ...] | None
    senders: tuple[queries.WalSender, ...] | None
    receiver: queries.WalReceiver | None
    slots: tuple[queries.ReplicationSlot, ...] | None
    slow: tuple[queries.SlowStatement, ...] | None
    indexes: IndexStats | None
    refused: Mapping[str, Message] = field(default_factory=dict)
    clients: tuple[queries.ClientCounts, ...] | None = None


async def server_of(session: PostgresSession) -> queries.ServerStatus:
    """Return the server's status. Raises BackendError if the answer is unusable, and what ``Session.run`` raises."""
    first = _Answers({"server": (await session.run([queries.SERVER.step]))[0]})
    servers = first.rows("server", queries.SERVER)
    if not servers:
        hint = tr("LilFox supports PostgreSQL 12 and newer, without a connection pooler in between.")
        raise BackendError(first.refused["server"], hint)
    return servers[0]


async def explain(session: PostgresSession, statement_id: int) -> StatementPlan:
    """Return the plan of a statement of pg_stat_statements. Raises BackendError if the server cannot plan it, and what
    ``Session.run`` raises."""
    server = await server_of(session)
    if server.statements is None:
        raise BackendError(no_extension(server))
    asked = explaining(statement_id, server)
    answers = await session.run([*asked.steps, *asked.cleanup])
    text, *steps = answers[: len(asked.steps)]
    if isinstance(text, StatementRefused):
        raise BackendError(text.message)
    if not text:
        raise BackendError(
            tr("statement {id} is no longer in the statistics, or contains a semicolon", id=str(statement_id))
        )
    for step in steps:
        if isinstance(step, StatementRefused):
            hint = tr("The statement is planned with the privileges and the search_path of {role}.", role=server.role)
            raise BackendError(tr("the server cannot plan the statement: {reason}", reason=step.said), hint)
    plan = steps[-1]
    assert not isinstance(plan, StatementRefused)
    generic = re.search(r"\$\d", text[0]) is not None
    return StatementPlan(without_secrets(text[0]), tuple(map(without_secrets, plan)), generic)


async def inspect(session: PostgresSession, *, with_indexes: bool) -> Inspection:
    """Read the server's status, then run all queries that the server supports. Raises like :func:`server_of`."""
    server = await server_of(session)
    slow, slots = queries.slow(server), queries.slots(server)
    wanted: dict[str, RowQuery[Any]] = {
        "pool": queries.POOL, "sessions": queries.SESSIONS, "databases": queries.DATABASES, "senders": queries.SENDERS,
        "receiver": queries.RECEIVER, "slots": slots, "clients": queries.CLIENTS,
    }  # fmt: skip
    if slow is not None:
        wanted["slow"] = slow
    if with_indexes:
        wanted |= {
            "unused": queries.UNUSED, "duplicates": queries.DUPLICATES, "missing": queries.MISSING,
            "largest": queries.LARGEST, "sizes": queries.SIZES,
        }  # fmt: skip
    answers = await session.run([ask.step for ask in wanted.values()])
    got = _Answers(dict(zip(wanted, answers, strict=True)))
    return Inspection(
        server=server,
        pool=got.rows("pool", queries.POOL),
        sessions=got.rows("sessions", queries.SESSIONS),
        databases=got.rows("databases", queries.DATABASES),
        senders=got.rows("senders", queries.SENDERS),
        receiver=(got.rows("receiver", queries.RECEIVER) or (None,))[0],
        slots=got.rows("slots", slots),
        slow=None if slow is None else got.rows("slow", slow),
        indexes=_index_stats(got) if with_indexes else None,
        refused=got.refused,
        clients=got.rows("clients", queries.CLIENTS),
    )


def _index_stats(got: _Answers) -> IndexStats | None:
    unused, duplicates = got.rows("unused", queries.UNUSED), got.rows("duplicates", queries.DUPLICATES)
    missing = got.rows("missing", queries.MISSING)
    if unused is None or duplicates is None or missing is None:
        return None
    sizes = {each.name: each.size_bytes for each in got.rows("sizes", queries.SIZES) or ()}
    return IndexStats(unused, duplicates, missing, got.rows("largest", queries.LARGEST) or (), sizes)


class _Answers:
    """The answers, by part name."""

    def __init__(self, answers: Mapping[str, StatementAnswer]) -> None:
        self._answers = answers
        self.refused: dict[str, Message] = {}

    def rows(self, name: str, ask: RowQuery[Row]) -> tuple[Row, ...] | None:
        """Return the rows of a part; None if its query failed, with the reason in ``refused``."""
        answer = self._answers[name]
        if isinstance(answer, StatementRefused):
            self.refused[name] = answer.message
            return None
        try:
            return tuple(ask.rows(answer))
        except (msgspec.MsgspecError, IndexError) as error:
            self.refused[name] = tr("unexpected answer from the server: {reason}", reason=str(error))
            return None


# The parts of a PostgreSQL's page: its sessions, what blocks what, replication, statements and indexes.


MOST_SHOWN_SESSIONS = 15
MOST_WAITS = 8
MOST_SHOWN_CLIENTS = 10
STATISTICS_FROM_S = 86400.0
"""For how long statistics must have been counted before an index that was not used is told of."""
_TEMPLATES = frozenset(("template0", "template1"))
_AGE_TOLD = 200_000_000
"""From which a template is told of too: autovacuum should have frozen it (autovacuum_freeze_max_age)."""

_PID, _STATEMENT = TableColumn("pid", tr("pid")), TableColumn("statement", tr("statement"))
_OLDEST = TableColumn("oldest_s", tr("oldest tx"), "seconds")
_OPEN_FOR, _USER = TableColumn("transaction_s", tr("open for"), "seconds"), TableColumn("who", tr("user"))
_APPLICATION, _STATE = TableColumn("application", tr("application")), TableColumn("state", tr("state"))
_SESSION_COLUMNS = (
    _PID,
    _STATE,
    TableColumn("in_state_s", tr("for"), "seconds"),
    TableColumn("wait", tr("waits for")),
    _USER,
    _APPLICATION,
    _OPEN_FOR,
    TableColumn("address", tr("from")),
    _STATEMENT,
)
"""What matters most first: a narrow screen leaves out the last ones, but not the statement."""
_BLOCKING_COLUMNS = (
    _PID,
    TableColumn("wait_s", tr("waits"), "seconds"),
    TableColumn("blocked_by", tr("blocked by")),
    TableColumn("lock", tr("waits for")),
    _APPLICATION,
    _OPEN_FOR,
    _STATE,
    _USER,
    _STATEMENT,
)


def tables(look: Inspection, indexes: IndexStats | None) -> tuple[Table, ...]:
    """Return all non-empty tables, most urgent first."""
    made = [
        *_sessions(look), *_states(look), *_waits(look), _clients(look), _slow(look), _databases(look, indexes),
        _largest(indexes, look), *_replication(look), *_index_tables(indexes, look),
    ]  # fmt: skip
    return tuple(table for table in made if table.rows or table.note is not None)


def blocking_tree(rows: Sequence[SessionRow]) -> list[tuple[int, SessionRow]]:
    """Return the sessions that wait for a lock, each below the session that holds it and with its depth. A cycle is
    followed once."""
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


def _waiting(row: SessionRow, depth: int) -> tuple[Cell, ...]:
    """A session in the blocking tree: since when it waits, or nothing if it only holds locks."""
    return (
        "  " * depth + str(row.pid),
        row.in_state_s if row.blocked_by else None,
        " ".join(map(str, row.blocked_by)),
        row.lock,
        row.application,
        row.transaction_s,
        row.state,
        f"{row.role or '-'}@{row.database or '-'}",
        _one_line(row.statement),
    )


def _session(row: SessionRow) -> tuple[Cell, ...]:
    return (
        str(row.pid),
        row.state,
        row.in_state_s,
        row.wait,
        f"{row.role or '-'}@{row.database or '-'}",
        row.application,
        row.transaction_s,
        row.address,
        _one_line(row.statement),
    )


def _one_line(statement: str | None) -> str | None:
    """Return a statement on one line, with apparent secrets masked."""
    return None if statement is None else " ".join(without_secrets(statement).split())


def _sessions(look: Inspection) -> Iterator[Table]:
    if look.sessions is None:
        yield Table("sessions", tr("Sessions"), _SESSION_COLUMNS, (), look.refused.get("sessions"))
        return
    rows = sorted(look.sessions, key=_busiest)
    more = len(rows) - MOST_SHOWN_SESSIONS
    note = tr("{count} more, idle or younger", count=human_count(more)) if more > 0 else None
    shown = tuple(map(_session, rows[:MOST_SHOWN_SESSIONS]))
    yield Table("sessions", tr("Sessions"), _SESSION_COLUMNS, shown, note)
    tree = blocking_tree(look.sessions)
    yield Table("blocking", tr("Blocking tree"), _BLOCKING_COLUMNS, tuple(_waiting(row, depth) for depth, row in tree))


def _states(look: Inspection) -> Iterator[Table]:
    """Yield how many sessions are in each state; those that clients usually have are there without any too."""
    columns = (
        _STATE, _OLDEST, TableColumn("waiting", tr("waiting"), "count"),
        TableColumn("sessions", tr("sessions"), "count"),
    )  # fmt: skip
    found = {each.state: each for each in look.pool or ()}
    none = {state: queries.SessionCounts(state, 0, 0, None) for state in _USUAL if found and look.server.sees_all}
    shown = tuple(
        (_STATES.get(each.state, each.state), each.oldest_s, each.waiting, each.count)
        for each in (none | found).values()
    )
    yield Table("session_states", tr("Sessions by state"), columns, shown, look.refused.get("pool"))


_USUAL = ("active", "idle", "idle in transaction")
_STATES = {"hidden": tr("not visible"), "starting": tr("starting")}
"""Of sessions whose state the server does not tell."""


def _waits(look: Inspection) -> Iterator[Table]:
    """Yield what sessions wait for other than their clients, most of them first; those that run and wait for nothing
    are the last line."""
    columns = (
        TableColumn("type", tr("type")), TableColumn("event", tr("event")),
        TableColumn("running_s", tr("running for"), "seconds"), TableColumn("sessions", tr("sessions"), "count"),
    )  # fmt: skip
    found: dict[str, list[float | None]] = {}
    for row in look.sessions or ():
        if row.wait or row.state == "active":
            found.setdefault(row.wait or "", []).append(row.in_state_s if row.state == "active" else None)
    events = sorted(found.items(), key=lambda each: (not each[0], -len(each[1]), each[0]))
    if len(events) == 1 and not events[0][0]:
        events = []  # that they run stands among the states
    rows = tuple(
        (*_event(event), max((each for each in times if each is not None), default=None), len(times))
        for event, times in events[:MOST_WAITS]
    )
    note = None
    if rows and len(look.sessions or ()) >= queries.MOST_SESSION_ROWS:
        note = tr("of the {count} sessions with the oldest transactions", count=queries.MOST_SESSION_ROWS)
    yield Table("waits", tr("Wait events"), columns, rows, note)


def _event(wait: str) -> tuple[Cell, Cell]:
    kind, _blank, event = wait.partition(" ")
    return (kind, event) if wait else (tr("running"), tr("no wait"))


def _busiest(row: SessionRow) -> tuple[bool, float, float]:
    """Sort sessions that do or hold something first, by the age of their transaction; then the idle ones, those that
    were used last first."""
    idle = row.transaction_s is None and row.state not in ("active", "idle in transaction")
    return idle, -(row.transaction_s or 0.0), row.in_state_s or 0.0


def _replication(look: Inspection) -> Iterator[Table]:
    columns = (
        TableColumn("name", tr("standby")), TableColumn("address", tr("from")), TableColumn("state", tr("state")),
        TableColumn("sync_state", tr("sync")), TableColumn("behind_bytes", tr("behind"), "bytes"),
        TableColumn("lag_s", tr("lag"), "seconds"),
    )  # fmt: skip
    rows = [
        (each.name, each.address, each.state, each.sync_state, each.behind_bytes, each.lag_s)
        for each in look.senders or ()
    ]
    yield Table("standbys", tr("Standbys"), columns, tuple(rows), look.refused.get("senders"))
    slot_columns = (
        TableColumn("name", tr("slot")), TableColumn("kind", tr("kind")), TableColumn("active", tr("in use")),
        TableColumn("wal_status", tr("WAL")), TableColumn("retained_bytes", tr("WAL retained"), "bytes"),
    )  # fmt: skip
    slots = [(each.name, each.kind, each.active, each.wal_status, each.retained_bytes) for each in look.slots or ()]
    yield Table("slots", tr("Replication slots"), slot_columns, tuple(slots), look.refused.get("slots"))


def no_extension(server: queries.ServerStatus) -> Message:
    """Return the note about a database without pg_stat_statements."""
    return tr(
        "no statement statistics in this database: run CREATE EXTENSION pg_stat_statements in {database}",
        database=server.database,
    )


def _slow(look: Inspection) -> Table:
    columns = (
        TableColumn("share_percent", tr("share"), "percent"), TableColumn("calls", tr("calls"), "count"),
        TableColumn("mean_s", tr("mean"), "seconds"), TableColumn("total_s", tr("total"), "seconds"),
        TableColumn("max_s", tr("longest"), "seconds"), TableColumn("rows", tr("rows"), "count"),
        TableColumn("read_blocks", tr("blocks read"), "count"), TableColumn("id", tr("id")),
        TableColumn("statement", tr("statement")),
    )  # fmt: skip
    note = look.refused.get("slow")
    if look.server.statements is None and look.server.preloaded:
        note = no_extension(look.server)
    elif not look.server.preloaded:
        note = tr(
            "no statement statistics: set shared_preload_libraries = 'pg_stat_statements' in postgresql.conf, "
            "restart the server and run CREATE EXTENSION pg_stat_statements"
        )
        if look.server.statements is not None:
            note = tr(
                "no statement statistics: the extension is installed, but its library is not loaded; set "
                "shared_preload_libraries = 'pg_stat_statements' in postgresql.conf and restart the server"
            )
    rows = [
        (each.share_percent, each.calls, each.mean_ms / 1000, each.total_ms / 1000, each.max_ms / 1000,
         each.rows, each.blocks_read, each.id, _one_line(each.statement))
        for each in look.slow or ()
    ]  # fmt: skip
    return Table("slow_statements", tr("Statements by total time"), columns, tuple(rows), note)


def _clients(look: Inspection) -> Table:
    columns = (
        _APPLICATION, TableColumn("connections", tr("connections"), "count"), _OLDEST,
        TableColumn("waiting", tr("waiting"), "count"), TableColumn("address", tr("from")),
        TableColumn("active", tr("active"), "count"), TableColumn("idle_in_transaction", tr("idle in tx"), "count"),
        TableColumn("idle", tr("idle"), "count"), _USER,
    )  # fmt: skip
    rows = [
        (each.application, each.count, each.oldest_s, each.waiting, each.address, each.active,
         each.idle_in_transaction, each.idle, f"{each.role or '-'}@{each.database or '-'}")
        for each in look.clients or ()
    ]  # fmt: skip
    note = look.refused.get("clients")
    if len(rows) > MOST_SHOWN_CLIENTS:
        note = tr("the {count} with old transactions or the most connections", count=MOST_SHOWN_CLIENTS)
    return Table("clients", tr("Connections by client"), columns, tuple(rows[:MOST_SHOWN_CLIENTS]), note)


def _databases(look: Inspection, indexes: IndexStats | None) -> Table:
    columns = (
        TableColumn("name", tr("database")), TableColumn("size_bytes", tr("size"), "bytes"),
        TableColumn("connections", tr("sessions"), "count"),
        TableColumn("commits", tr("commits"), "count"), TableColumn("rollbacks", tr("rollbacks"), "count"),
        TableColumn("deadlocks", tr("deadlocks"), "count"), TableColumn("conflicts", tr("conflicts"), "count"),
        TableColumn("temp_bytes", tr("temporary files"), "bytes"), TableColumn("age", tr("oldest XID age"), "count"),
    )  # fmt: skip
    sizes = _known_indexes(indexes).sizes
    rows = [
        (
            each.name,
            sizes.get(each.name),
            each.connections,
            each.commits,
            each.rollbacks,
            each.deadlocks,
            each.conflicts,
            each.temp_bytes,
            each.age,
        )
        for each in look.databases or ()
        if each.name not in _TEMPLATES or each.connections or each.deadlocks or each.age > _AGE_TOLD
    ]
    return Table("databases", tr("Databases"), columns, tuple(rows), look.refused.get("databases"))


def _largest(indexes: IndexStats | None, look: Inspection) -> Table:
    columns = (
        TableColumn("name", tr("table")), TableColumn("size_bytes", tr("size"), "bytes"),
        TableColumn("index_bytes", tr("indexes"), "bytes"), TableColumn("rows", tr("rows"), "count"),
        TableColumn("dead", tr("dead"), "count"), TableColumn("inserted", tr("inserted"), "count"),
        TableColumn("updated", tr("updated"), "count"), TableColumn("deleted", tr("deleted"), "count"),
        TableColumn("seq_scans", tr("seq scans"), "count"), TableColumn("index_scans", tr("index scans"), "count"),
    )  # fmt: skip
    rows = [
        (each.name, each.size_bytes, each.index_bytes, each.rows, each.dead, each.inserted, each.updated, each.deleted,
         each.seq_scans, each.index_scans)
        for each in _known_indexes(indexes).largest
    ]  # fmt: skip
    title = tr("Largest tables of {database}", database=look.server.database)
    return Table("largest_tables", title, columns, tuple(rows), look.refused.get("largest"))


def _index_tables(indexes: IndexStats | None, look: Inspection) -> Iterator[Table]:
    refused, counted_s = look.refused, look.server.counted_s
    unused = (
        TableColumn("name", tr("index")),
        TableColumn("table", tr("table")),
        TableColumn("size_bytes", tr("size"), "bytes"),
    )
    note = tr(
        "not used on this node since statistics collection began; a standby may use indexes that its primary does not"
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (each.name, each.table, each.size_bytes) for each in _known_indexes(indexes).unused
    )
    if rows and counted_s is not None and counted_s < STATISTICS_FROM_S:
        note = tr("statistics are {age} old, too young to tell", age=human_duration(counted_s))
        yield Table("unused_indexes", tr("Unused indexes"), unused, (), note)
    else:
        yield Table("unused_indexes", tr("Unused indexes"), unused, rows, note if rows else refused.get("unused"))
    columns = (
        TableColumn("table", tr("table")),
        TableColumn("names", tr("indexes")),
        TableColumn("size_bytes", tr("size"), "bytes"),
    )
    rows = tuple((each.table, " ".join(each.names), each.size_bytes) for each in _known_indexes(indexes).duplicates)
    yield Table("duplicate_indexes", tr("Duplicate indexes"), columns, rows, refused.get("duplicates"))
    missing = (
        TableColumn("table", tr("table")), TableColumn("scans", tr("seq scans"), "count"),
        TableColumn("rows_read", tr("seq rows read"), "count"), TableColumn("rows", tr("rows"), "count"),
        TableColumn("index_scans", tr("index scans"), "count"),
    )  # fmt: skip
    rows = tuple(
        (each.table, each.scans, each.rows_read, each.rows, each.index_scans)
        for each in _known_indexes(indexes).missing
    )
    yield Table("missing_indexes", tr("Tables that may lack an index"), missing, rows, refused.get("missing"))


def _known_indexes(indexes: IndexStats | None) -> IndexStats:
    return indexes or IndexStats((), (), ())


def _archiving(wal: queries.WalReceiver) -> Message:
    """Whether WAL is archived; that nothing has failed does not prove that it works."""
    if wal.archive_failed_s is not None:
        return tr("fails")
    return tr("on") if wal.archives else tr("off")


def facts(look: Inspection) -> tuple[BackendFact, ...]:
    """Return the main facts about the server."""
    server, receiver = look.server, look.receiver
    made = [
        BackendFact("version", tr("version"), server.version_text),
        BackendFact("role", tr("role"), tr("standby") if server.standby else tr("primary")),
        BackendFact("up_s", tr("uptime"), server.up_s, "seconds"),
        BackendFact("database", tr("connected to"), server.database),
        BackendFact("user", tr("connected as"), server.role),
        BackendFact("max_connections", tr("max connections"), float(server.max_connections), "count"),
        *(() if receiver is None else [BackendFact("archiving", tr("WAL archiving"), _archiving(receiver))]),
        *(() if look.senders is None else [BackendFact("standbys", tr("standbys"), float(len(look.senders)), "count")]),
        BackendFact("own_session", tr("LilFox's session"), tr("not counted")),
    ]
    if server.standby and receiver is not None:
        made += [
            BackendFact("receives_from", tr("receives from"), receiver.sender),
            BackendFact("receiver", tr("WAL receiver"), receiver.status),
            BackendFact("behind_bytes", tr("not yet replayed"), receiver.behind_bytes, "bytes"),
            BackendFact("lag_s", tr("lag"), receiver.lag_s, "seconds"),
        ]
    return tuple(made)
