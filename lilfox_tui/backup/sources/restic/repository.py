"""The sets of a plan of restic: its snapshots in the repository, each with what LilFox has proven of it.

A snapshot of the plan has the tag ``lilfox:PLAN``. While it is made it also has ``lilfox:incomplete``, which is taken
away once restic has read every file: so a snapshot that lacks files is told by the repository itself, on each machine,
also if LilFox or the link was gone when restic ended.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from lilfox_tui.backup import foreign
from lilfox_tui.backup.sets.model import BackupSet, FileSnapshot, FoundPart, Level, Proof, Status, state_of
from lilfox_tui.backup.sources.restic.command import Restic, Snapshot
from lilfox_tui.backup.store import BrokenSet
from lilfox_tui.config.foreign import ResticPlanConfig
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Host

INCOMPLETE = "lilfox:incomplete"
_PROOFS = "restic"
_ID_DIGITS = 12
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""Of a snapshot whose time cannot be read."""


class ResticRepository:
    """The snapshots of one plan, as the list of sets reads them."""

    def __init__(self, plan: str, config: ResticPlanConfig, host: Host) -> None:
        self.plan = plan
        self.program = Restic(config, host)
        self.name = self.where = config.place

    @property
    def tag(self) -> str:
        """The tag of the plan's snapshots."""
        return f"lilfox:{self.plan}"

    async def free_bytes(self) -> int | None:
        """Not asked: restic does not tell."""
        return None

    async def close(self) -> None:
        """Nothing is open: the host is closed by who opened it."""

    async def sets(self) -> list[BackupSet]:
        """Return its sets, newest first. Raises HostError, BackupError."""
        named = await self.program.host.run(["uname", "-n"])  # as restic names the host in a snapshot
        hostname = named.stdout.decode("utf-8", "replace").strip()
        snapshots, unread = await self.program.snapshots("--tag", self.tag, "--host", hostname)
        identities = {set_id(each): self._identity(each.id) for each in snapshots}
        proofs = await asyncio.to_thread(foreign.read_proofs, _PROOFS, identities)
        found = list(sets_of(reversed(snapshots), proofs, self.plan, self.program.config.paths))
        return [*found, *(unreadable(name, why, self.plan) for name, why in unread.items())]

    def _identity(self, snapshot: str) -> str:
        """What a proof is bound to: restic names a snapshot by a digest, and a copy of the repository may be damaged
        where this one is not."""
        config = self.program.config
        words = [config.host, config.repository, config.repository_file, snapshot]
        return hashlib.sha256(json.dumps(words).encode()).hexdigest()

    async def put_proof(self, found: BackupSet, level: Level, *, reason: str = "", **more: Any) -> Proof:
        """Write what was found of a set, and return it. See :func:`foreign.put_proof`. Raises BackupError."""
        snapshot = snapshot_of(found)
        now = max(datetime.now(UTC), snapshot.finished)
        identity = self._identity(snapshot.id)
        made = Proof(set=found.id, level=level, at=now, reason=reason, manifest=identity, sha256={})
        return await foreign.put_proof(_PROOFS, msgspec.structs.replace(made, **more), found.proof)


def unreadable(snapshot: str, why: str, plan: str) -> BackupSet:
    """The set of a snapshot that restic cannot read: it may be the plan's or another's, and of any time."""
    reason = tr("restic cannot read this snapshot: {why}", why=why)
    part = FoundPart(name=snapshot[:_ID_DIGITS], source="restic", source_kind="snapshot", kind="snapshot", size_bytes=0)
    return BackupSet(
        id=snapshot[:_ID_DIGITS], created=_NO_TIME, status=Status.BROKEN, reason=reason, fault=reason, plan=plan,
        parts=(part,),
    )  # fmt: skip


def set_id(each: Snapshot) -> str:
    """The id of a snapshot's set: what restic takes for its name, short enough for a list."""
    return each.id[:_ID_DIGITS]


def sets_of(
    newest_first: Iterator[Snapshot], proofs: Mapping[str, Proof], plan: str, paths: Sequence[str]
) -> Iterator[BackupSet]:
    """Yield the sets of snapshots. One that lacks a file or a path of the plan is partial."""
    for each in newest_first:
        missing = [path for path in paths if path not in each.paths]
        reason: Message | str = ""
        if missing:
            reason = tr("not there when it was made: {paths}", paths=listed([clean(path) for path in missing]))
        elif INCOMPLETE in (each.tags or ()):
            missing = [str(tr("unreadable files"))]
            reason = tr("restic could not read some files, or LilFox did not see its end")
        proof = proofs.get(set_id(each))
        status = state_of(
            fault="", untrusted=False, missing=bool(missing), proven=None if proof is None else proof.level
        )
        summary = each.summary
        added = summary.data_added if summary.data_added_packed is None else summary.data_added_packed
        if proof is not None and proof.level == "broken":
            reason = clean(proof.reason)
        yield BackupSet(
            id=set_id(each),
            created=each.time.astimezone(UTC),
            status=status,
            reason=reason,
            plan=plan,
            parts=(FoundPart(name=set_id(each), source="restic", source_kind="snapshot", kind="snapshot",
                             size_bytes=added),),
            proof=proof,
            missing=tuple(missing),
            snapshot=FileSnapshot(
                id=each.id,
                finished=(summary.backup_end or each.time).astimezone(UTC),
                paths=each.paths,
                hostname=each.hostname,
                files=summary.total_files_processed,
                total_bytes=summary.total_bytes_processed,
                added_bytes=added,
            ),
        )  # fmt: skip


def snapshot_of(found: BackupSet) -> FileSnapshot:
    """Return what restic records of a set. Raises BrokenSet if it cannot be read."""
    if found.snapshot is None:
        raise BrokenSet(tr("{set} is broken: {reason}", set=found.id, reason=found.reason))
    return found.snapshot
