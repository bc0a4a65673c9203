"""PostgreSQL 12 and newer: sessions, blocking, replication, cache, slow statements, indexes, wraparound.

Over TCP with the driver, from here or through ``host``'s SSH; with ``by: psql`` by the host's psql on the server's
socket, as ``run_as``, without any password."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Literal

from lilfox_tui.backends.model import (
    BackendChart,
    BackendCurve,
    BackendReading,
    ClientSession,
    CounterDeltas,
    Ending,
    Figure,
    Finding,
    StatementPlan,
    above,
    share_percent,
    whole_or_tenths,
    worst_first,
)
from lilfox_tui.backends.postgresql import queries
from lilfox_tui.backends.postgresql.inspect import (
    IndexStats,
    Inspection,
    explain,
    facts,
    inspect,
    tables,
)
from lilfox_tui.backends.postgresql.session import (
    DriverSession,
    Login,
    PostgresSession,
    PsqlSession,
    SslMode,
)
from lilfox_tui.config.model import BackendConfig, Threshold
from lilfox_tui.config.values import Port, SecretRef
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import Message, ntr, tr
from lilfox_tui.core.text import human_bytes, human_count, human_duration
from lilfox_tui.hosts.base import Host
from lilfox_tui.metrics.model import Level, Series

INDEXES_EVERY_S = 60.0
"""Statistics of indexes change slowly and cost the most to read."""
DEADLOCKS_FOR_S = 600.0
"""How long deadlocks are told of."""


class Options(BackendConfig, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``user`` needs the role pg_monitor (``GRANT pg_monitor TO lilfox``); without it numbers are incomplete."""

    kind: str = "postgresql"
    by: Literal["driver", "psql"] = "driver"
    address: str = "127.0.0.1"
    """As ``host`` sees it, where one is given."""
    port: Port = 5432
    database: str = "postgres"
    """Whose statements and indexes are told of."""
    user: str = ""
    password: SecretRef | None = None
    tls: SslMode = "prefer"
    ca_file: str = ""
    socket: str = ""
    """Folder of the server's socket on the host, for ``by: psql``; psql's own when not given."""
    run_as: str = ""
    """The host's user that runs psql (``postgres``): naming one permits sudo for it, without the host's ``sudo``."""
    connections_percent: Threshold = Threshold(warn=80, fail=95)
    blocked_s: Threshold = Threshold(warn=10, fail=60)
    """How long a session may wait for a lock."""
    idle_in_transaction_s: Threshold = Threshold(warn=300)
    lag_s: Threshold = Threshold(warn=30, fail=300)
    slot_bytes: Threshold = Threshold(warn=5 * 1024.0**3, fail=50 * 1024.0**3)
    """WAL that is kept for one replication slot."""
    wraparound_age: Threshold = Threshold(warn=1e9, fail=1.6e9)
    """In transactions; at 2.1e9 the server stops."""


TREND: Series | None = Series("postgresql_connections", (("state", "active"),))
_MAX = Series("postgresql_connections_max")
_USED = Series("postgresql_connections_used")
_WAITING = Series("postgresql_connections_waiting")
_HIT = Series("postgresql_cache_hit_percent")
_LAG = Series("postgresql_replication_lag_seconds")


def _connections(state: str) -> Series:
    return Series("postgresql_connections", (("state", state),))


CHARTS: tuple[BackendChart, ...] = (
    BackendChart(
        tr("Connections"),
        (
            BackendCurve(_connections("active"), tr("active")),
            BackendCurve(_USED, tr("in use")),
            BackendCurve(_connections("idle in transaction"), tr("idle in tx"), quiet=tr("idle in transaction")),
        ),
        limit=_MAX,
    ),
    BackendChart(
        tr("Sessions waiting for locks"), (BackendCurve(_WAITING, tr("waiting"), quiet=tr("waiting for locks")),)
    ),
    BackendChart(
        tr("Transactions per second"),
        (
            BackendCurve(Series("postgresql_commits_total"), tr("commits"), per_second=True),
            BackendCurve(Series("postgresql_rollbacks_total"), tr("rollbacks"), per_second=True, quiet=tr("rollbacks")),
        ),
    ),
    BackendChart(tr("Cache hits"), (BackendCurve(_HIT, tr("hits")),), "percent"),
    BackendChart(
        tr("WAL per second"),
        (BackendCurve(Series("postgresql_wal_bytes_total"), tr("WAL"), per_second=True, quiet=tr("WAL")),),
        "bytes",
    ),
    BackendChart(tr("Replication lag"), (BackendCurve(_LAG, tr("lag"), quiet=tr("replication lag")),), "seconds"),
    BackendChart(
        tr("Deadlocks and conflicts per second"),
        (
            BackendCurve(Series("postgresql_deadlocks_total"), tr("deadlocks"), per_second=True, quiet=tr("deadlocks")),
            BackendCurve(Series("postgresql_conflicts_total"), tr("conflicts"), per_second=True, quiet=tr("conflicts")),
        ),
    ),
    BackendChart(
        tr("Temporary files per second"),
        (
            BackendCurve(
                Series("postgresql_temp_bytes_total"),
                tr("temporary files"),
                per_second=True,
                quiet=tr("temporary files"),
            ),
        ),
        "bytes",
    ),
)


def headline(values: Mapping[Series, float]) -> tuple[Figure, ...]:
    """Return the figures of the summary line, such as ``18 active``, ``12 idle``, ``6 waiting`` and ``30 of 100
    connections``; LilFox's own is in none of them."""
    figures = []
    for state, text in (
        ("active", tr("{count} active")),
        ("idle", tr("{count} idle")),
        ("idle in transaction", tr("{count} idle in transaction")),
    ):
        count = values.get(Series("postgresql_connections", (("state", state),)))
        if count is not None and (count or state != "idle in transaction"):
            figures.append(Figure(Message(text.text, {"count": human_count(round(count))})))
    waiting = values.get(_WAITING)
    if waiting is not None:
        level = Level.DEGRADED if waiting else Level.GOOD
        figures.append(Figure(tr("{count} waiting", count=human_count(round(waiting))), level))
    if (most := values.get(_MAX)) is not None:
        used = values.get(_USED)
        told = {"used": human_count(used and round(used)), "most": human_count(most)}
        figures.append(Figure(tr("{used} of {most} connections", **told)))
    if (hit := values.get(_HIT)) is not None:
        figures.append(Figure(tr("hit {percent}%", percent=whole_or_tenths(hit))))
    if (lag := values.get(_LAG)) is not None:
        figures.append(Figure(tr("lag {time}", time=human_duration(lag))))
    return tuple(figures)


def open_backend(name: str, options: Options, host: Host | None) -> PostgresBackend:
    """Return the backend, without connecting yet. Raises UsageError if psql has no host to run on."""
    return PostgresBackend(options, open_session(name, options, host))


def open_session(name: str, options: Options, host: Host | None) -> PostgresSession:
    """Return a session on the server, without connecting yet. Raises UsageError if psql has no host to run on."""
    if options.by == "psql":
        if host is None:
            raise UsageError(
                tr("{name}: “by: psql” requires “host”, the host that runs the server", name=name),
                tr("For this machine, add it under hosts: with local: true."),
            )
        return PsqlSession(
            host, socket=options.socket, port=options.port, database=options.database, user=options.user,
            run_as=options.run_as, timeout_s=options.timeout,
        )  # fmt: skip
    login = Login(
        options.address, options.port, options.database, options.user, options.password, options.tls, options.ca_file
    )
    return DriverSession(login, host, timeout_s=options.timeout)


class PostgresBackend:
    """See :class:`~lilfox_tui.backends.model.Backend`, :class:`~lilfox_tui.backends.model.Explains` and
    :class:`~lilfox_tui.backends.model.EndsSessions`."""

    def __init__(self, options: Options, session: PostgresSession) -> None:
        self._options, self._session = options, session
        self._rises = CounterDeltas()
        self._indexes: IndexStats | None = None
        self._indexes_due = 0.0
        self._deadlocks: tuple[float, float] | None = None

    async def read(self) -> BackendReading:
        """See :meth:`Backend.read`."""
        now = time.monotonic()
        with_indexes = now >= self._indexes_due
        found = await inspect(self._session, with_indexes=with_indexes)
        if with_indexes:
            self._indexes, self._indexes_due = found.indexes, now + INDEXES_EVERY_S
        rises = self._rises.take(_counters(found))
        if deadlocks := _rise(rises, "deadlocks"):
            self._deadlocks = (now, deadlocks)
        values = dict(_values(found, rises))
        return BackendReading(
            at=datetime.now(UTC),
            values=values,
            findings=worst_first(self._findings(found, values, now)),
            facts=facts(found),
            tables=tables(found, self._indexes),
            incomplete=_incomplete(found),
            checked=tuple(_checked(found, values, self._options.blocked_s)),
        )

    async def explain(self, statement_id: str) -> StatementPlan:
        """See :meth:`Explains.explain`. Also raises BackendError if the server cannot plan the statement."""
        return await explain(self._session, int(statement_id))

    async def sessions(self, pid: int | None = None) -> tuple[ClientSession, ...]:
        """See :meth:`EndsSessions.sessions`."""
        return await queries.client_sessions(self._session, pid)

    def ending(self, session: ClientSession, how: Ending) -> str:
        """See :meth:`EndsSessions.ending`."""
        return queries.end_statement(session, how)

    async def end(self, statement: str) -> bool:
        """See :meth:`EndsSessions.end`."""
        return await queries.end_session(self._session, statement)

    async def close(self) -> None:
        """See :meth:`Backend.close`."""
        await self._session.close()

    def _findings(self, found: Inspection, values: Mapping[Series, float], now: float) -> Iterator[Finding]:
        options = self._options
        used, most = values.get(_USED), found.server.max_connections - found.server.reserved
        if used is not None and most > 0:
            if used + 1 >= most:  # with ours
                yield Finding(
                    Level.FAILING, tr("all {most} connections are in use: new clients are refused", most=most)
                )
            else:
                text = tr("{used:.0f} of {most} connections are in use", used=used + 1, most=most)
                yield from above(100 * (used + 1) / most, options.connections_percent, text)
        for row in found.sessions or ():
            if row.blocked_by:
                text = tr("{pid} has waited {time} for a lock held by {holders}", pid=row.pid,
                          holders=" ".join(map(str, row.blocked_by)), time=human_duration(row.in_state_s))  # fmt: skip
                yield from above(row.in_state_s, options.blocked_s, text)
            elif row.state == "idle in transaction":
                text = tr("{pid} ({role}) has been idle in transaction for {time}", pid=row.pid, role=row.role,
                          time=human_duration(row.in_state_s))  # fmt: skip
                yield from above(row.in_state_s, options.idle_in_transaction_s, text)
        if self._deadlocks is not None and now - self._deadlocks[0] < DEADLOCKS_FOR_S:
            ago, count = human_duration(now - self._deadlocks[0]), self._deadlocks[1]
            yield Finding(
                Level.DEGRADED, ntr("{count} deadlock {ago} ago", "{count} deadlocks {ago} ago", round(count), ago=ago)
            )
        yield from self._of_replication(found)
        if found.receiver is not None and (failed_s := found.receiver.archive_failed_s) is not None:
            text = tr("WAL archiving fails: last failure {age} ago; WAL is retained until it works",
                      age=human_duration(failed_s))  # fmt: skip
            yield Finding(Level.DEGRADED, text)
        for database in found.databases or ():
            age = human_count(database.age)
            text = tr("{name}: its oldest transaction ID is {age} transactions old; the server refuses writes at "
                      "2.1 G",
                      name=database.name, age=age)  # fmt: skip
            yield from above(database.age, options.wraparound_age, text)
            yield from _refusing(database)

    def _of_replication(self, found: Inspection) -> Iterator[Finding]:
        for sender in found.senders or ():
            text = tr("standby {name} is {time} behind", name=sender.name, time=human_duration(sender.lag_s))
            yield from above(sender.lag_s, self._options.lag_s, text)
        if found.server.standby and found.receiver is not None:
            text = tr("replay is {time} behind", time=human_duration(found.receiver.lag_s))
            yield from above(found.receiver.lag_s, self._options.lag_s, text)
            if found.receiver.status is None and found.server.sees_all:
                yield Finding(Level.DEGRADED, tr("this standby receives nothing: no WAL receiver is running"))
        for slot in found.slots or ():
            text = tr("slot {name} retains {size} of WAL", name=slot.name, size=human_bytes(slot.retained_bytes))
            yield from above(slot.retained_bytes, self._options.slot_bytes, text)


def _refusing(database: queries.DatabaseStats) -> Iterator[Finding]:
    """Yield why a database refuses clients, if it has no connection left. One that takes none at all was told so."""
    limit = database.connection_limit
    if database.open and 0 < limit <= database.connections:
        text = tr(
            "{name}: all {most} connections that it may have are in use: new clients are refused",
            name=database.name,
            most=limit,
        )
        yield Finding(Level.FAILING, text)


def _checked(found: Inspection, values: Mapping[Series, float], blocked_s: Threshold) -> Iterator[Message]:
    """Yield what was looked at for findings, as far as LilFox's role could see it."""
    if found.pool is not None:
        yield tr("connections")
    if found.sessions is not None and found.server.sees_all:
        yield from _checked_waits(found.sessions, blocked_s)
        yield tr("idle transactions")
    if found.databases is not None:
        yield tr("deadlocks")
        yield tr("age of transaction IDs")
    if _LAG in values:
        yield tr("replication lag")
    if found.slots:
        yield tr("WAL retained by slots")
    if found.receiver is not None and found.receiver.archives:
        yield tr("WAL archiving")


def _checked_waits(sessions: Iterable[queries.SessionRow], blocked_s: Threshold) -> Iterator[Message]:
    """Yield what was looked at of the waits for locks: with sessions that wait, no more than that they wait no longer
    than is allowed."""
    waits = [row.in_state_s for row in sessions if row.blocked_by]
    limit = blocked_s.lowest
    if not waits:
        yield tr("waits for locks")
    elif limit is not None and all(wait is not None and wait <= limit for wait in waits):
        yield tr("waits for locks (none longer than {time})", time=human_duration(limit))


def _incomplete(found: Inspection) -> Message | None:
    if not found.server.sees_all:
        return tr("incomplete: {role} cannot see other roles' sessions and statements; run GRANT pg_monitor TO "
                  "{role}",
                  role=found.server.role)  # fmt: skip
    for name, reason in found.refused.items():
        return tr("incomplete: {part}: {reason}", part=name, reason=reason)
    return None


def _counters(found: Inspection) -> dict[str, float]:
    """Return counters per database, so that the reset of one does not distort the total."""
    counters = {}
    for each in found.databases or ():
        counters[f"hit {each.name}"] = float(each.blocks_hit)
        counters[f"read {each.name}"] = float(each.blocks_read)
        counters[f"deadlocks {each.name}"] = float(each.deadlocks)
    return counters


def _rise(rises: Mapping[str, float], what: str) -> float | None:
    """Return the increase summed over all databases; None after the first read."""
    found = [rise for name, rise in rises.items() if name.startswith(f"{what} ")]
    return sum(found) if found else None


def _values(found: Inspection, rises: Mapping[str, float]) -> Iterator[tuple[Series, float]]:
    yield _MAX, float(found.server.max_connections)
    if found.receiver is not None and found.receiver.wal_bytes is not None:
        yield Series("postgresql_wal_bytes_total"), found.receiver.wal_bytes
    if found.pool is not None:
        yield _USED, float(sum(row.count for row in found.pool))
        if found.server.sees_all:
            by_state = {"active": 0, "idle": 0, "idle in transaction": 0} | {row.state: row.count for row in found.pool}
            for state, count in by_state.items():
                yield Series("postgresql_connections", (("state", state),)), float(count)
            yield _WAITING, float(sum(row.waiting for row in found.pool))
            oldest = [row.oldest_s for row in found.pool if row.state.startswith("idle in") and row.oldest_s]
            yield Series("postgresql_idle_in_transaction_seconds"), max(oldest, default=0.0)
    if found.sessions is not None and found.server.sees_all:
        yield Series("postgresql_blocked_sessions"), float(sum(bool(row.blocked_by) for row in found.sessions))
    hit = share_percent(_rise(rises, "hit"), _rise(rises, "read"))
    if hit is not None:
        yield _HIT, hit
    lags = [each.lag_s for each in found.senders or () if each.lag_s is not None]
    if found.receiver is not None and found.receiver.lag_s is not None:
        lags.append(found.receiver.lag_s)
    if lags:
        yield _LAG, max(lags)
    retained = [each.retained_bytes for each in found.slots or () if each.retained_bytes is not None]
    if retained:
        yield Series("postgresql_slot_retained_bytes"), max(retained)
    if found.databases:
        yield Series("postgresql_deadlocks_total"), float(sum(each.deadlocks for each in found.databases))
        yield Series("postgresql_commits_total"), float(sum(each.commits for each in found.databases))
        yield Series("postgresql_rollbacks_total"), float(sum(each.rollbacks for each in found.databases))
        yield Series("postgresql_conflicts_total"), float(sum(each.conflicts for each in found.databases))
        yield Series("postgresql_temp_bytes_total"), float(sum(each.temp_bytes for each in found.databases))
        yield Series("postgresql_oldest_transaction_age"), float(max(each.age for each in found.databases))
