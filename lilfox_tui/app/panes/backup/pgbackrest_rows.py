"""What the Backup pane shows of plans and sets of pgBackRest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from lilfox_tui.app.panes.backup.rows import BackupStyle, fact_row
from lilfox_tui.app.rendering.draw import Row
from lilfox_tui.core.i18n import _, listed
from lilfox_tui.core.text import human_bytes, human_duration

if TYPE_CHECKING:
    from lilfox_tui.backup.sets.model import PhysicalBackup, Proof
    from lilfox_tui.config.foreign import PgbackrestPlanConfig


def physical_facts(backup: PhysicalBackup, zone: tzinfo) -> Iterator[tuple[str, str, str]]:
    """Yield what pgBackRest records of a set, and until when the cluster can be recovered with it: label, text and
    role."""

    def time(at: datetime) -> str:
        return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")

    yield _("finished"), time(backup.finished), "text"
    whole = human_bytes(backup.database_bytes)
    told = _("{type} in repository {repo}; cluster of {bytes}, PostgreSQL {version}", type=backup.type,
             repo=backup.repo, bytes=whole, version=backup.postgresql)  # fmt: skip
    yield _("type"), told, "text"
    if backup.references:
        yield _("needs"), listed(backup.references), "text"
    yield _("WAL"), _("{start} to {stop}", start=backup.wal_start, stop=backup.wal_stop), "text"
    if backup.until is not None:
        until = _("to any time until {end}, timeline {timeline}", end=time(backup.until), timeline=backup.timeline)
        yield _("recover"), until, "text"
    if backup.gap:
        yield _("WAL"), _("{segment} is missing from the archive", segment=backup.gap), "failing"


def physical_proof(proof: Proof, style: BackupStyle) -> str:
    """What was proven of a set that is not broken: what ``pgbackrest verify`` tells, or what a drill has checked, which
    is less than a comparison with the rows that were backed up."""
    at = (proof.tested or proof.at).astimezone(style.zone).strftime("%Y-%m-%d %H:%M")
    if proof.level == "restored":
        return _(
            "restore-tested on {at}: recovered by a scratch server in {time}; rows counted, no corruption found by "
            "pg_amcheck; then removed",
            at=at,
            time=human_duration(proof.took_s),
        )
    return _("checksums verified on {at}: its files and WAL have the checksums that pgBackRest recorded", at=at)


def pgbackrest_question(name: str, config: PgbackrestPlanConfig) -> list[Row]:
    """What a run of a pgBackRest plan will do."""
    then = [_("pgbackrest verify reads the set back")] if config.verify else []
    then += [_("restores it into a scratch server and checks it (drill)")] if config.drill else []
    rows = [fact_row(_("plan"), name), fact_row(_("stanza"), config.stanza)]
    rows += [fact_row(_("full"), _("when the newest full backup is {age} old", age=human_duration(config.full_every)))]
    return [*rows, fact_row(_("then"), listed(then) or _("nothing"), "text")]
