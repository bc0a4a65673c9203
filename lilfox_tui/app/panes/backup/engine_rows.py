"""What the Backup pane shows of plans and sets of pgBackRest and restic."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING

from lilfox_tui.app.panes.backup.rows import BackupStyle, fact_row
from lilfox_tui.app.rendering.draw import Row
from lilfox_tui.core.i18n import _, listed
from lilfox_tui.core.text import clean, human_bytes, human_duration

if TYPE_CHECKING:
    from lilfox_tui.backup.sets.model import BackupSet, FileSnapshot, PhysicalBackup, Proof
    from lilfox_tui.config.foreign import EnginePlan, PgbackrestPlanConfig, ResticPlanConfig


def engine_facts(found: BackupSet, zone: tzinfo) -> Iterator[tuple[str, str, str]] | None:
    """What another program records of a set, as label, text and role; None if LilFox made it."""
    if found.physical is not None:
        return physical_facts(found.physical, zone)
    return None if found.snapshot is None else _snapshot_facts(found.snapshot, zone)


def engine_proof(found: BackupSet, proof: Proof, style: BackupStyle) -> str:
    """What was proven of a set that is not broken; empty if LilFox made it."""
    if found.physical is not None:
        return _physical_proof(proof, style)
    return "" if found.snapshot is None else _snapshot_proof(proof, style)


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


def _physical_proof(proof: Proof, style: BackupStyle) -> str:
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


def _snapshot_facts(snapshot: FileSnapshot, zone: tzinfo) -> Iterator[tuple[str, str, str]]:
    """Yield what restic records of a set: label, text and role."""
    yield _("finished"), snapshot.finished.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z"), "text"
    yield _("snapshot"), _("{id} of {host}", id=snapshot.id, host=clean(snapshot.hostname)), "text"
    yield _("paths"), listed([clean(path) for path in snapshot.paths]), "text"
    if snapshot.files is not None and snapshot.total_bytes is not None:
        told = _("{files} files, {bytes}; {added} of it new", files=f"{snapshot.files:,}",
                 bytes=human_bytes(snapshot.total_bytes), added=human_bytes(snapshot.added_bytes))  # fmt: skip
        yield _("content"), told, "text"


def _snapshot_proof(proof: Proof, style: BackupStyle) -> str:
    """What was proven of a set of restic that is not broken."""
    at = (proof.tested or proof.at).astimezone(style.zone).strftime("%Y-%m-%d %H:%M")
    if proof.level == "restored":
        return _("restore-tested on {at}: restored into a scratch folder in {time}, read back by restic and equal; "
                 "then removed", at=at, time=human_duration(proof.took_s))  # fmt: skip
    return _("checksums verified on {at}: all files read from the repository; each part has its digest", at=at)


def engine_question(name: str, plan: EnginePlan) -> list[Row]:
    """What a run of a plan by another program will do."""
    if plan.kind == "restic":
        return _restic_question(name, plan)
    return _pgbackrest_question(name, plan)


def drill_text(plan: EnginePlan) -> str:
    """What a drill of a plan by another program does."""
    if plan.kind == "restic":
        return _("Restores the set into a scratch folder, where restic reads all files back and compares them, then "
                 "removes it. Live data is not touched.")  # fmt: skip
    return _("Restores the set into a scratch server that nobody else can reach, recovers and checks it, then "
             "removes it. Live data is not touched.")  # fmt: skip


def _restic_question(name: str, plan: ResticPlanConfig) -> list[Row]:
    then = [_("all files of the new set are read back")] if plan.verify else []
    then += [_("restores it into a scratch folder and compares it (drill)")] if plan.drill else []
    then += [_("removes the sets that retention no longer keeps")] if plan.keep is not None else []
    rows = [fact_row(_("plan"), name), fact_row(_("repository"), str(plan.repository or plan.repository_file))]
    rows += [fact_row(_("paths"), listed(plan.paths))]
    return [*rows, fact_row(_("then"), listed(then) or _("nothing"), "text")]


def _pgbackrest_question(name: str, config: PgbackrestPlanConfig) -> list[Row]:
    then = [_("pgbackrest verify reads the set back")] if config.verify else []
    then += [_("restores it into a scratch server and checks it (drill)")] if config.drill else []
    rows = [fact_row(_("plan"), name), fact_row(_("stanza"), config.stanza)]
    rows += [fact_row(_("full"), _("when the newest full backup is {age} old", age=human_duration(config.full_every)))]
    return [*rows, fact_row(_("then"), listed(then) or _("nothing"), "text")]
