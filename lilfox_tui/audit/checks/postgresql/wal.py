"""What becomes of PostgreSQL's WAL: the archiver, and replication slots."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct, convert

from lilfox_tui.audit.checks.postgresql.settings import SERVER, SETTINGS, psql
from lilfox_tui.audit.model import Absent, AuditCheck, AuditFinding, AuditSeverity, Fact, Facts, Fix
from lilfox_tui.core.i18n import tr
from lilfox_tui.core.text import human_bytes, human_duration

_ARCHIVER = """
SELECT failed_count AS failures, last_failed_wal AS file,
       extract(epoch FROM clock_timestamp() - last_failed_time) AS failed_s,
       extract(epoch FROM clock_timestamp() - last_archived_time) AS archived_s
  FROM pg_stat_archiver
"""
_SLOTS = """
SELECT slot_name AS name, slot_type AS kind, wal_status AS status, quote_literal(slot_name) AS literal,
       pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
                       restart_lsn)::bigint AS bytes
  FROM pg_replication_slots WHERE NOT active AND NOT temporary ORDER BY slot_name
"""
_KEEPS = frozenset({"extended", "unreserved", "lost"})
"""Of pg_replication_slots.wal_status: more than max_wal_size is kept, or what was kept is already being removed."""


class Archiver(Struct, frozen=True):
    """The row of pg_stat_archiver; the times are how long ago something happened, None for never."""

    failures: int
    file: str | None
    failed_s: float | None
    archived_s: float | None

    @property
    def fails(self) -> bool:
        """Whether its last attempt failed."""
        return self.failed_s is not None and (self.archived_s is None or self.archived_s > self.failed_s)


class IdleSlot(Struct, frozen=True):
    """A replication slot that nobody uses now, and the WAL that is kept for it."""

    name: str
    kind: str
    status: str | None
    literal: str
    bytes: int | None


def parse_archiver(rows: list[Any]) -> Archiver:
    """The one row."""
    (row,) = rows
    return convert(row, Archiver)


def parse_slots(rows: list[Any]) -> list[IdleSlot]:
    """The slots."""
    return convert(rows, list[IdleSlot])


ARCHIVER = Fact("archiver", _ARCHIVER, parse_archiver)
SLOTS = Fact("idle-slots", _SLOTS, parse_slots)


def judge_archiver(facts: Facts) -> Iterator[AuditFinding]:
    """An archiver whose last attempt failed, or that has no command."""
    settings, archiver = facts[SETTINGS], facts[ARCHIVER]
    if settings["archive_mode"].value == "off" or (facts[SERVER].standby and settings["archive_mode"].value == "on"):
        raise Absent
    library = settings["archive_library"].value if "archive_library" in settings else ""
    if archiver.fails:
        evidence = tr(
            "pg_stat_archiver: {file} failed {ago} ago, failures {count}; last success {success}",
            file=archiver.file, ago=human_duration(archiver.failed_s), count=archiver.failures,
            success=tr("never") if archiver.archived_s is None
            else tr("{time} ago", time=human_duration(archiver.archived_s)),
        )  # fmt: skip
        text = tr("See the error of archive_command in the server's log and correct it. The server retries by itself.")
        asking = psql("SHOW archive_command", "SELECT * FROM pg_stat_archiver")
        yield AuditFinding("archiver", evidence, Fix(text, commands=(asking,)))
    elif not library and settings["archive_command"].value in ("", "(disabled)"):
        evidence = tr("archive_mode = {mode} without archive_command", mode=settings["archive_mode"].value)
        text = tr("Set archive_command, or turn archive_mode off, which requires a restart.")
        commands = (psql("ALTER SYSTEM SET archive_mode = off"), "systemctl restart postgresql")
        yield AuditFinding("archiver", evidence, Fix(text, commands=commands))


def judge_slots(facts: Facts) -> Iterator[AuditFinding]:
    """Slots that nobody uses and that keep more than max_wal_size."""
    for slot in facts[SLOTS]:
        if slot.status not in _KEEPS:
            continue
        evidence = tr(
            "{kind} slot {name} is inactive: wal_status {status}, {size} of WAL retained",
            kind=slot.kind, name=slot.name, status=slot.status, size=human_bytes(slot.bytes),
        )  # fmt: skip
        text = tr("Start its standby or subscriber. If that no longer exists, drop the slot.")
        commands = (psql(f"SELECT pg_drop_replication_slot({slot.literal})"),)
        yield AuditFinding(slot.name, evidence, Fix(text, commands=commands))


CHECKS = (
    AuditCheck(
        "postgresql-archiver",
        AuditSeverity.HIGH,
        tr("WAL archiving fails"),
        tr("Point-in-time recovery stops there, and the WAL that is kept fills the disk."),
        (SETTINGS, SERVER, ARCHIVER),
        judge_archiver,
        "https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-ARCHIVING-WAL",
    ),
    AuditCheck(
        "postgresql-slot",
        AuditSeverity.HIGH,
        tr("an inactive replication slot retains WAL"),
        tr("WAL is retained until the disk is full, and then the server stops."),
        (SLOTS,),
        judge_slots,
        "https://www.postgresql.org/docs/current/view-pg-replication-slots.html",
    ),
)
