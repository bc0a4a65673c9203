"""Backups made by hand, for screens that must look the same every time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec.structs import replace

from lilfox_tui.backup.plan import LatePlan
from lilfox_tui.backup.sets import model as manifests
from lilfox_tui.backup.sets.model import (
    BackupSet,
    FoundPart,
    Manifest,
    ManifestPart,
    Proof,
    Status,
    detail_json,
    state_of,
)
from lilfox_tui.config.model import KeepConfig, PlanConfig
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import HostUnreachable
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.jobs.model import Job, Progress
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Backups, PlanView

NOW = datetime(2026, 3, 29, 3, 12, 44, tzinfo=UTC)
MIB = 1 << 20
PLAN = PlanConfig(
    sources={"database": None, "uploads": None}, store="disk", schedule="0 2 * * *", keep=KeepConfig(last=7)
)


def found_part(name: str, source: str, kind: str, size: int, **detail: Any) -> FoundPart:
    """A part of a described set."""
    source_kind = "postgresql" if kind.startswith("postgresql") else "files"
    said = ManifestPart(
        name=name,
        source=source,
        source_kind=source_kind,
        kind=kind,  # type: ignore[arg-type]
        packing="zstd",
        size_bytes=size,
        sha256="3f" * 32,
        raw_bytes=size * 3,
        raw_sha256="4a" * 32,
        detail_json=detail_json(detail),
    )
    return FoundPart(
        name=name, source=source, source_kind=source_kind, kind=kind, size_bytes=size, sha256="3f" * 32, said=said
    )


def made_set(
    age: timedelta,
    status: manifests.Level | Literal["unverified"],
    *,
    plan: str = "lilfox",
    reason: Message | str = "",
    took_s: float | None = None,
    missing: dict[str, str] | None = None,
    notes: tuple[str, ...] = (),
) -> BackupSet:
    """A set of a plan that was begun ``age`` before NOW, ``status`` what its proof says."""
    begun = NOW - age
    stamp = begun.strftime("%Y%m%d_%H%M%S")
    tables = {"public.users": {"rows": 1204}, "public.orders": {"rows": 88210}, "public.sessions": {"rows": None}}
    parts = (
        found_part(f"lilfox_{stamp}.dump.zst", "database", "postgresql-custom", 412 * MIB, database="lilfox",
                   dumped_by="17.5", content={"tables": tables}),
        found_part(f"globals_{stamp}.sql.zst", "database", "postgresql-globals", 2100),
        found_part(f"uploads_{stamp}.tar.zst", "uploads", "files", 1730 * MIB),
    )  # fmt: skip
    manifest = Manifest(
        id=f"{plan}_{stamp}",
        run="20260329-020000-3f9a",
        plan=plan,
        created=begun,
        offset_s=0,
        finished=begun + timedelta(seconds=94),
        host="web-1",
        tool="lilfox 0.4.0",
        sources={**dict.fromkeys(missing or {}, ()), **{part.source: (part.name,) for part in parts}},
        parts=tuple(part.said for part in parts if part.said is not None),
        missing=missing or {},
        notes=notes,
    )
    proof = None
    if status != "unverified":
        proof = Proof(
            set=manifest.id,
            level=status,
            at=begun + timedelta(minutes=3),
            tested=None if took_s is None else begun + timedelta(minutes=3),
            reason=str(reason),
            sha256={part.name: part.sha256 or "" for part in parts},
            took_s=took_s,
            where="database: a scratch database on db-1; uploads: a scratch folder beside /srv/lilfox/public/uploads",
        )
    return BackupSet(
        id=manifest.id,
        created=begun,
        status=state_of(
            fault="", untrusted=False, missing=bool(missing), proven=None if status == "unverified" else status
        ),
        reason=reason,
        parts=parts,
        plan=plan,
        manifest=manifest,
        proof=proof,
        missing=tuple(missing or {}),
    )


def old_set(age: timedelta) -> BackupSet:
    """A set as the manual's scripts leave it."""
    begun = NOW - age
    stamp = begun.strftime("%Y%m%d_%H%M%S")
    part = FoundPart(
        name=f"postgresql/lilfox_{stamp}.sql.gz",
        source="database",
        source_kind="postgresql",
        kind="postgresql-plain",
        size_bytes=388 * MIB,
    )
    return BackupSet(
        id=f"lilfox_{stamp}", created=begun, status=Status.UNVERIFIED, parts=(part,), old=True, spread_s=4.0
    )


def nights(count: int) -> tuple[BackupSet, ...]:
    """One good set a night, newest first, the newest restored; and before those one of the scripts'."""
    day, first = timedelta(days=1), timedelta(hours=1, minutes=12, seconds=44)
    newest = made_set(first, "restored", took_s=41.0)
    others = [made_set(first + night * day, "intact") for night in range(1, count)]
    return (newest, *others, old_set(first + (count + 3) * day))


def plan(name: str, sets: tuple[BackupSet, ...] | None, **changes: Any) -> PlanView:
    """A plan that is well, but for ``changes``."""
    view = PlanView(
        name=name,
        store="disk",
        where="/backup",
        config=PLAN,
        level=Level.GOOD,
        since=NOW - timedelta(days=3),
        sets=sets,
        read_at=NOW,
        next_run=NOW.replace(hour=2, minute=0, second=0) + timedelta(days=1),
        rto_s=41.0,
    )
    return replace(view, **changes)


def job(**changes: Any) -> Job:
    """A backup that runs since a minute and a half."""
    running = Job(
        id="20260329-031110-3f9a",
        kind="backup",
        title="backup lilfox",
        key="backup lilfox",
        folder="/var/lib/lilfox/jobs/20260329-031110-3f9a",
        state="running",
        started=NOW - timedelta(seconds=94),
        pid=4711,
        host="web-1",
        user="root",
        progress=(
            Progress("lilfox_20260329_031110.dump.zst", 412 * MIB, 1330 * MIB, 84.0 * MIB, 11.0),
            Progress("uploads_20260329_031110.tar.zst", 12 * MIB, None, 31.5 * MIB, None),
        ),
    )
    return replace(running, **changes)


def healthy() -> Backups:
    """Two plans in one store, the first of them copied to another."""
    own = nights(9)
    weekly = (made_set(timedelta(days=2, hours=3), "intact", plan="archive"),)
    copy = plan("lilfox", own[1:4], store="nas", where="nas-1:/srv/backup", copy=True, next_run=None, rto_s=None)
    views = [plan("lilfox", own), copy, plan("archive", weekly, rto_s=None)]
    return Backups({view.key: view for view in views}, jobs=())


def one_fault() -> Backups:
    """As ``healthy``, but the newest set of the first plan lacks its database."""
    hour = timedelta(hours=1, minutes=12, seconds=44)
    partial = made_set(hour, "intact", missing={"database": "connection refused"})
    uploads = tuple(part for part in partial.parts if part.source == "uploads")
    reason = tr("incomplete; not backed up: {missing}", missing="database: connection refused")
    partial = replace(partial, parts=uploads, reason=reason)
    reasons = (tr("the newest set is partial: {sources} could not be backed up", sources="database"),)
    well = healthy()
    own = well.plans["lilfox", "disk"].sets or ()
    ill = plan("lilfox", (partial, *own[1:]), level=Level.DEGRADED, since=NOW - hour, reasons=reasons)
    return replace(well, plans={**well.plans, ill.key: ill})


def broken() -> Backups:
    """A plan that is late and whose newest set is broken, one that was never run, and one whose store is gone."""
    bad = tr("uploads_20260328_020000.tar.zst: 17 bytes are missing")
    sets = (
        made_set(timedelta(days=1, hours=1, minutes=12, seconds=44), "broken", reason=bad),
        made_set(timedelta(days=2, hours=1, minutes=12, seconds=44), "intact", missing={"uploads": "no such folder"}),
        made_set(timedelta(days=3, hours=1, minutes=12, seconds=44), "unverified"),
        made_set(timedelta(days=4, hours=1, minutes=12, seconds=44), "intact"),
        old_set(timedelta(days=9, hours=1, minutes=12, seconds=44)),
    )
    late = LatePlan(NOW - timedelta(hours=25), sets[3].created)
    reasons = (
        tr("late: due {age} ago; the newest good set is {old} old", age="25 h", old="4 d 1 h"),
        tr("the newest set is broken: {reason}", reason=bad),
    )
    gone = HostUnreachable("nas-1", tr("no route to host"), tr("look whether it runs, and at the network between"))
    views = [
        plan("lilfox", sets, level=Level.FAILING, since=late.due, late=late, reasons=reasons),
        plan("archive", (), level=Level.DEGRADED, reasons=(tr("there is no backup yet"),), rto_s=None),
        plan("copies", None, store="nas", where="nas-1:/srv/backup", level=Level.FAILING, read_at=None, rto_s=None,
             reasons=(tr("its store cannot be read: {error}", error=gone),),
             outage=Unavailable(gone, NOW - timedelta(seconds=70), NOW + timedelta(seconds=20))),
    ]  # fmt: skip
    return Backups({view.key: view for view in views}, jobs=())


def hostile() -> Backups:
    """What others wrote, and would like to be more than text."""
    nasty = "\x1b[2J\x1b]0;owned\x07[red]bold[/red]\u202e\r\n" + "x" * 300
    found = made_set(timedelta(hours=2), "broken", reason=nasty, notes=(nasty,), missing={nasty: nasty})
    part = found_part(
        nasty, nasty, "files", -1, **{nasty: nasty, "content": {"tables": {nasty: nasty, "a": {"rows": "x"}}}}
    )
    found = replace(found, id=nasty, parts=(part,))
    running = job(title=nasty, user=nasty, progress=(Progress(nasty, 1, 0, -1.0, -5.0),), key=f"backup {nasty}")
    view = plan(nasty, (found,), where=nasty, reasons=(tr("{reason}", reason=nasty),), level=Level.FAILING)
    return Backups({view.key: view}, jobs=(running,))
