"""Settings of PostgreSQL: durability, and time limits. Also what other files of this group need: all settings, the
server, and the commands of a fix."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, convert

from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix, NotKnown
from lilfox_tui.audit.targets.postgresql import Composed
from lilfox_tui.core.i18n import listed, tr

_UNITS = {"": 1, "B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
_SHELL_SPECIAL = re.compile(r'["$`\\!]')
RELOAD = "SELECT pg_reload_conf()"
PERFORMANCE = ("performance",)


class Setting(Struct, frozen=True):
    """A row of pg_settings. ``source`` is where its value is from, ``pending`` whether it waits for a restart."""

    value: str
    unit: str
    source: str
    pending: bool

    @property
    def bytes(self) -> int:
        """The value of a setting that is a size."""
        count, unit = re.fullmatch(r"(\d*)([^\W\d]\w*|)", self.unit).groups()  # type: ignore[union-attr]  # 8kB
        return int(self.value) * int(count or 1) * _UNITS[unit]


class ServerSettings:
    """The settings by name."""

    def __init__(self, settings: Mapping[str, Setting]) -> None:
        self._settings = settings

    def __getitem__(self, name: str) -> Setting:
        """Raises NotKnown for a setting that the role may not see."""
        if name not in self._settings:
            raise NotKnown(tr("the role may not see {setting}: GRANT pg_monitor TO it", setting=name))
        return self._settings[name]

    def __contains__(self, name: object) -> bool:
        return name in self._settings


_SETTINGS = "SELECT name, setting, coalesce(unit, '') AS unit, source, pending_restart FROM pg_settings"


def parse_settings(rows: list[Any]) -> ServerSettings:
    """The settings; raises NotKnown if the answer has none."""
    found = {row["name"]: Setting(row["setting"], row["unit"], row["source"], row["pending_restart"]) for row in rows}
    if not found:
        raise NotKnown(tr("the server shows no settings"))
    return ServerSettings(found)


SETTINGS = Fact("settings", _SETTINGS, parse_settings)


class AuditedServer(Struct, frozen=True):
    """The server, and the database that the session is connected to: how many ``tables`` of users it has, and for how
    long its statistics have been counted at least. ``others`` are the other databases of applications, ``standbys``
    how many servers copy this one."""

    version: int
    standby: bool
    sees_all: bool
    role: str
    database: str
    tables: int
    others: tuple[str, ...]
    standbys: int
    counted_s: float | None


_SERVER = """
SELECT current_setting('server_version_num')::int AS version, pg_is_in_recovery() AS standby,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS sees_all, current_user AS role,
       current_database() AS database, (SELECT count(*) FROM pg_stat_user_tables) AS tables,
       ARRAY(SELECT datname FROM pg_database
              WHERE datallowconn AND NOT datistemplate AND datname NOT IN (current_database(), 'postgres')
              ORDER BY 1) AS others,
       greatest((SELECT count(*) FROM pg_stat_replication),
                (SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'physical')) AS standbys,
       extract(epoch FROM clock_timestamp() - greatest(
         (SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()),
         least((SELECT stats_reset FROM pg_stat_bgwriter), (SELECT stats_reset FROM pg_stat_archiver)))) AS counted_s
"""
"""After a crash all statistics begin anew; since version 15 only those of the whole server say when."""


def parse_server(rows: list[Any]) -> AuditedServer:
    """The one row."""
    (row,) = rows
    return convert(row, AuditedServer)


SERVER = Fact("server", _SERVER, parse_server)


def with_application(facts: Facts) -> AuditedServer:
    """The server, whose database is that of an application or the only one: raises NotKnown for a database without
    tables beside others."""
    server = facts[SERVER]
    if not server.tables and server.others:
        reason = tr(
            "{database} has no tables: name the application's database as database: of this backend ({others})",
            database=server.database, others=listed(server.others),
        )  # fmt: skip
        raise NotKnown(reason)
    return server


def with_tables(facts: Facts) -> AuditedServer:
    """The server, if its database has tables to judge: raises Absent for a standby and for a server without databases
    of applications, NotKnown as :func:`with_application`."""
    if facts[SERVER].standby:
        raise Absent  # what is written, and its statistics, are the primary's
    server = with_application(facts)
    if not server.tables:
        raise Absent
    return server


def psql(*statements: str, database: str = "") -> str:
    """The command that runs ``statements`` as the superuser does on the server's host."""
    words = ["psql", *(["-d", shlex.quote(database)] if database else [])]
    for each in statements:
        words += ["-c", shlex.quote(each) if _SHELL_SPECIAL.search(each) else f'"{each}"']
    return " ".join(words)


def switched_off(facts: Facts, *names: str) -> Iterator[AuditFinding]:
    """Those of the settings that are off and should be on."""
    settings = facts[SETTINGS]
    for name in names:
        if settings[name].value == "off":
            yield AuditFinding(
                name,
                tr("{name} = off ({source})", name=name, source=settings[name].source),
                Fix(
                    tr("Turn it on; the server reads it at a reload."),
                    commands=(psql(f"ALTER SYSTEM SET {name} = on", RELOAD),),
                ),
            )


def judge_durability(facts: Facts) -> Iterator[AuditFinding]:
    """``fsync`` and ``full_page_writes`` that are off."""
    yield from switched_off(facts, "fsync", "full_page_writes")


# Time limits. What pg_settings shows of them is what LilFox's own session has set for itself.


_LIMITS = {
    "idle_in_transaction_session_timeout": ("5min", AuditSeverity.MEDIUM),
    "lock_timeout": ("10s", AuditSeverity.LOW),
    "statement_timeout": ("60s", AuditSeverity.LOW),
}
_NAMES = ", ".join(f"'{name}'" for name in (*_LIMITS, "transaction_timeout"))
_TIME_LIMITS = Composed(
    f"""
    SELECT CASE WHEN has_table_privilege('pg_file_settings', 'SELECT')
                 AND has_function_privilege('pg_show_all_file_settings()', 'EXECUTE')
                THEN $q$ SELECT (SELECT coalesce(json_object_agg(name, setting), '{{}}') FROM pg_file_settings
                                  WHERE applied AND name IN ({_NAMES})) AS files, $q$
                ELSE 'SELECT NULL AS files, ' END || $q$
           quote_ident(current_database()) AS database,
           (SELECT json_agg(json_build_object('role', coalesce(quote_ident(rolname), ''), 'config', ARRAY(
                     SELECT unnest(setconfig) FROM pg_db_role_setting
                      WHERE setrole IN (0, r.oid)
                        AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
                      ORDER BY (setrole <> 0)::int * 2 + (setdatabase <> 0)::int)))
              FROM (SELECT oid, rolname FROM pg_roles
                     WHERE rolcanlogin AND NOT rolsuper AND NOT rolreplication AND rolname <> current_user
                       AND has_database_privilege(oid, current_database(), 'CONNECT')
                    UNION ALL SELECT 0, NULL ORDER BY 2) AS r) AS roles $q$
    """  # noqa: S608  # our own names
)


class TimeLimits(Struct, frozen=True):
    """The limits that the configuration files set, and for each role that can log in what else sets them for it; the
    empty role stands for every other. The names are quoted as SQL needs it."""

    database: str
    files: Mapping[str, str]
    roles: Mapping[str, Mapping[str, str]]

    def without(self, *names: str) -> list[str]:
        """The roles for which none of these limits is set; the empty one only where there are no others."""
        unlimited = [
            role
            for role, own in self.roles.items()
            if all(re.fullmatch(r"0+ *[a-z]*", {**self.files, **own}.get(name, "0")) for name in names)
        ]
        return [role for role in unlimited if role] if any(self.roles) else unlimited


def parse_limits(rows: list[Any]) -> TimeLimits:
    """The one row; raises NotKnown if the role may not see the configuration files."""
    (row,) = rows
    if row["files"] is None:
        raise NotKnown(
            tr("the role may not read the view {view}: grant it SELECT, and EXECUTE of {function}",
               view="pg_file_settings", function="pg_show_all_file_settings()")
        )  # fmt: skip
    roles = {each["role"]: dict(text.split("=", 1) for text in each["config"]) for each in row["roles"]}
    return TimeLimits(row["database"], row["files"], roles)


TIME_LIMITS = Fact("time-limits", _TIME_LIMITS, parse_limits)


def judge_limits(facts: Facts) -> Iterator[AuditFinding]:
    """Limits that are not set for every role of an application."""
    limits = facts[TIME_LIMITS]
    for name, (value, severity) in _LIMITS.items():
        of_transactions = name == "idle_in_transaction_session_timeout"
        roles = limits.without(name, "transaction_timeout") if of_transactions else limits.without(name)
        if not roles:
            continue
        if any(roles):
            evidence = tr("{name} = 0 for {roles}", name=name, roles=listed(roles))
        else:
            evidence = tr("{name} = 0", name=name)
        if of_transactions:
            text = tr("Set it for all sessions: no application needs to keep an idle transaction open.")
            fix = Fix(text, commands=(psql(f"ALTER SYSTEM SET {name} = '{value}'", RELOAD),))
        else:
            text = tr("Set it for the application only: backups take longer. It applies to new sessions.")
            whose = [f"ROLE {role}" for role in roles if role] or [f"DATABASE {limits.database}"]
            fix = Fix(text, commands=tuple(psql(f"ALTER {each} SET {name} = '{value}'") for each in whose))
        yield AuditFinding(name, evidence, fix, severity)


CHECKS = (
    AuditCheck(
        "postgresql-durability",
        AuditSeverity.CRITICAL,
        tr("a crash of the host can destroy the database"),
        tr("Without fsync or full_page_writes, pages are torn when the host loses power, and no recovery mends them."),
        (SETTINGS,),
        judge_durability,
        "https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-FSYNC",
    ),
    AuditCheck(
        "postgresql-timeouts",
        AuditSeverity.MEDIUM,
        tr("no timeouts for idle transactions, locks or statements"),
        tr("One forgotten transaction holds its locks and keeps VACUUM from removing dead rows."),
        (TIME_LIMITS,),
        judge_limits,
        "https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-IDLE-IN-TRANSACTION-SESSION-TIMEOUT",
    ),
)
