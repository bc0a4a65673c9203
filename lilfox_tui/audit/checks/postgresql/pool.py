"""The connections of applications: how many, how many of them idle, and which were forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct, convert

from lilfox_tui.audit.checks.postgresql.settings import PERFORMANCE, SERVER, SETTINGS, ServerSettings, psql
from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.backends.postgresql.session import APPLICATION
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import human_duration

FULL_PERCENT = 80
IDLE_PERCENT = 50
POOLER_FROM = 200
LEAKED_S = 600.0
"""How long a transaction may wait for its client."""
STALE_S = 86400.0
STALE = 20
"""How many connections of one client are forgotten that nobody has used for :data:`STALE_S`."""

_CLIENTS = f"""
SELECT coalesce(usename, '-') AS role, coalesce(datname, '-') AS database, count(*) AS count,
       coalesce(mode() WITHIN GROUP (ORDER BY application_name), '') AS application,
       count(DISTINCT client_addr) AS addresses, count(*) FILTER (WHERE state = 'idle') AS idle,
       coalesce(array_agg(extract(epoch FROM clock_timestamp() - state_change)::int) FILTER (WHERE state = 'idle'),
                '{{}}') AS idle_s,
       coalesce(array_agg(extract(epoch FROM clock_timestamp() - state_change)::int)
                  FILTER (WHERE state LIKE 'idle in transaction%'), '{{}}') AS transaction_s
  FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> '{APPLICATION}'
 GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
"""  # noqa: S608  # our own name


class PoolOf(Struct, frozen=True):
    """The connections of a role to a database: of the idle ones, and of those in a transaction that waits for its
    client, how long ago each did something. ``application`` is the name that most of them have."""

    role: str
    database: str
    count: int
    application: str
    addresses: int
    idle: int
    idle_s: tuple[int, ...]
    transaction_s: tuple[int, ...]

    @property
    def name(self) -> str:
        """``role@database``."""
        return f"{self.role}@{self.database}"


def parse_clients(rows: list[Any]) -> list[PoolOf]:
    """The clients, that with the most connections first."""
    return convert(rows, list[PoolOf])


CLIENTS = Fact("clients", _CLIENTS, parse_clients)


def _clients(facts: Facts) -> list[PoolOf]:
    if not facts[SERVER].sees_all:
        raise NotKnown(tr("the role may not see the sessions of others: GRANT pg_monitor TO it"))
    return facts[CLIENTS]


def _usable(settings: ServerSettings) -> int:
    """The connections that are not reserved for superusers."""
    reserved = [
        "superuser_reserved_connections",
        *(["reserved_connections"] if "reserved_connections" in settings else []),
    ]
    return int(settings["max_connections"].value) - sum(int(settings[name].value) for name in reserved)


def judge_size(facts: Facts) -> Iterator[AuditFinding]:
    """Connections that are nearly used up, and clients whose idle ones are more than half of all there can be."""
    usable, clients = _usable(facts[SETTINGS]), _clients(facts)
    used = sum(each.count for each in clients)
    if 100 * used > FULL_PERCENT * usable:
        most = clients[0]
        evidence = tr(
            "{used} of {usable} connections are in use; {client} has {count} ({application})",
            used=used, usable=usable, client=most.name, count=most.count, application=most.application or "-",
        )  # fmt: skip
        text = tr("Lower the pools of the applications (pool_size + max_overflow, times processes), or add a pooler.")
        yield AuditFinding("max_connections", evidence, Fix(text, commands=(_listing(),)))
    for each in clients:
        if 100 * each.idle > IDLE_PERCENT * usable:
            evidence = tr(
                "{client} has {count} of {usable} connections, {idle} idle; client addresses: {addresses} "
                "({application})",
                client=each.name, count=each.count, usable=usable, idle=each.idle, addresses=each.addresses,
                application=each.application or "-",
            )  # fmt: skip
            text = tr("Lower pool_size of the application: nobody else can use its idle connections.")
            yield AuditFinding(each.name, evidence, Fix(text, commands=(_listing(),)))


def _listing() -> str:
    return psql(
        "SELECT usename, datname, application_name, client_addr, state, count(*) FROM pg_stat_activity "
        "WHERE backend_type = 'client backend' GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC"
    )


def judge_leaks(facts: Facts) -> Iterator[AuditFinding]:
    """Connections that a client has forgotten."""
    for each in _clients(facts):
        waiting = [age for age in each.transaction_s if age >= LEAKED_S]
        stale = [age for age in each.idle_s if age >= STALE_S]
        if not waiting and len(stale) < STALE:
            continue
        told = {"client": each.name, "application": each.application or "-"}
        if waiting:
            evidence = tr("{client}: {count} idle in transaction, the oldest for {time} ({application})",
                          count=len(waiting), time=human_duration(max(waiting)), **told)  # fmt: skip
            text = tr("End them, and make the application close each transaction (with a context manager).")
            condition = f"state LIKE 'idle in transaction%' AND state_change < now() - interval '{LEAKED_S:.0f} s'"
        else:
            evidence = tr("{client}: {count} connections unused for at least {time} ({application})",
                          count=len(stale), time=human_duration(min(stale)), **told)  # fmt: skip
            text = tr("End them, and make the pool close idle connections (pool_recycle, idle_timeout).")
            condition = f"state = 'idle' AND state_change < now() - interval '{STALE_S:.0f} s'"
        who = f"usename = {_literal(each.role)} AND datname = {_literal(each.database)}"
        statement = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {who} AND {condition}"  # noqa: S608
        yield AuditFinding(each.name, evidence, Fix(text, commands=(psql(statement),)))


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def judge_pooler(facts: Facts) -> Iterator[AuditFinding]:
    """More connections than a server works on well without a pooler in front."""
    used = sum(each.count for each in _clients(facts))
    if used <= POOLER_FROM:
        return
    evidence = tr("{used} client connections; max_connections = {most}", used=used,
                  most=facts[SETTINGS]["max_connections"].value)  # fmt: skip
    port = facts[SETTINGS]["port"].value
    fix = Fix(
        tr("Run PgBouncer in front of the server, and connect the applications to its port 6432."),
        "/etc/pgbouncer/pgbouncer.ini",
        (
            "[databases]",
            f"* = host=127.0.0.1 port={port}",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            "listen_port = 6432",
            "auth_type = scram-sha-256",
            "auth_file = /etc/pgbouncer/userlist.txt",
            "pool_mode = transaction",
            "default_pool_size = 20",
            "max_client_conn = 2000",
        ),
        ("systemctl restart pgbouncer",),
    )
    yield AuditFinding("connections", evidence, fix)


def _check(name: str, title: Any, why: Any, judge: Any, page: str) -> AuditCheck:
    reference = page if page.startswith("https://") else f"https://www.postgresql.org/docs/current/{page}"
    facts = (SETTINGS, SERVER, CLIENTS)
    return AuditCheck(name, AuditSeverity.MEDIUM, title, why, facts, judge, reference, PERFORMANCE)


CHECKS = (
    _check(
        "postgresql-pool-size",
        tr("connection pools use up the connections"),
        tr("When all connections are in use, new clients are refused."),
        judge_size,
        "runtime-config-connection.html#GUC-MAX-CONNECTIONS",
    ),
    _check(
        "postgresql-connection-leak",
        tr("an application leaks connections"),
        tr("They hold memory and, in a transaction, locks; VACUUM cannot remove rows that died since."),
        judge_leaks,
        "monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW",
    ),
    _check(
        "postgresql-no-pooler",
        tr("more client connections than the server handles well"),
        tr("Each connection is a process with its own memory, and every snapshot gets slower."),
        judge_pooler,
        "https://www.pgbouncer.org/config.html",
    ),
)
