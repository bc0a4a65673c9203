"""Settings of PostgreSQL that lose committed data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from lilfox_tui.audit.facts import Fact, Facts, NotKnown
from lilfox_tui.audit.model import AuditCheck, AuditFinding, AuditSeverity, Fix
from lilfox_tui.core.i18n import tr


class Setting(Struct, frozen=True):
    """A row of pg_settings. ``source`` is where its value is from, ``pending`` whether it waits for a restart."""

    value: str
    unit: str
    source: str
    pending: bool


_SETTINGS = "SELECT name, setting, coalesce(unit, '') AS unit, source, pending_restart FROM pg_settings"


def parse_settings(rows: list[Any]) -> Mapping[str, Setting]:
    """The settings by name; raises NotKnown if the answer has none."""
    found = {row["name"]: Setting(row["setting"], row["unit"], row["source"], row["pending_restart"]) for row in rows}
    if not found:
        raise NotKnown(tr("the server shows no settings"))
    return found


SETTINGS = Fact("settings", _SETTINGS, parse_settings)


def judge(facts: Facts) -> Iterator[AuditFinding]:
    """``fsync`` and ``full_page_writes`` that are off."""
    settings = facts[SETTINGS]
    for name in ("fsync", "full_page_writes"):
        if settings[name].value == "off":
            yield AuditFinding(
                name,
                tr("{name} = off ({source})", name=name, source=settings[name].source),
                Fix(
                    tr("Turn it on; the server reads it at a reload."),
                    commands=(f'psql -c "ALTER SYSTEM SET {name} = on" -c "SELECT pg_reload_conf()"',),
                ),
            )


CHECKS = (
    AuditCheck(
        "postgresql-durability",
        AuditSeverity.CRITICAL,
        tr("a crash of the host can destroy the database"),
        tr("Without fsync or full_page_writes, pages are torn when the host loses power, and no recovery mends them."),
        (SETTINGS,),
        judge,
        "https://www.postgresql.org/docs/current/runtime-config-wal.html#GUC-FSYNC",
    ),
)
