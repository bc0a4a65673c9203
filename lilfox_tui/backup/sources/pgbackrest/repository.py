"""The sets of a plan of pgBackRest: its backups, each with what LilFox has proven of it.

The repository is pgBackRest's own: LilFox writes nothing into it. A proof lies in the state folder of the machine that
made it, one file for each backup.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from lilfox_tui.backup import foreign
from lilfox_tui.backup.sets.model import BackupSet, FoundPart, Level, Proof, Status, state_of
from lilfox_tui.backup.sources.pgbackrest.command import PgBackRest
from lilfox_tui.backup.sources.pgbackrest.info import Archive, ListedBackup, StanzaInfo, read_archive
from lilfox_tui.config.foreign import PgbackrestPlanConfig
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.core.text import clean
from lilfox_tui.hosts.base import Host


class StanzaSets(Struct, frozen=True):
    """The sets of a stanza, newest first, with what pgBackRest lists of each, and the archive of each repository."""

    sets: tuple[BackupSet, ...]
    listed: Mapping[str, ListedBackup]
    archives: Mapping[int, Archive]
    info: StanzaInfo


class PgBackRestRepository:
    """A stanza of pgBackRest, as the list of sets reads it. Only its sets can be read."""

    def __init__(self, plan: str, config: PgbackrestPlanConfig, host: Host) -> None:
        self._plan = plan
        self.program = PgBackRest(config, host)
        self.name = self.where = config.place

    async def free_bytes(self) -> int | None:
        """Not asked: pgBackRest does not tell."""
        return None

    async def close(self) -> None:
        """Nothing is open: the host is closed by who opened it."""

    async def sets(self) -> list[BackupSet]:
        """Return its sets, newest first. Raises HostError, BackupError."""
        return list((await self.read()).sets)

    async def read(self) -> StanzaSets:
        """Return its sets with everything that is known of them. Raises HostError, BackupError."""
        info = await self.program.info()
        archives: dict[int, Archive] = {}
        if info.backups:
            for repo in info.repos:
                words = ("--recurse", "--output=json", f"--repo={repo}", f"archive/{info.name}")
                text = await self.program.run("repo-ls", *words)
                archives[repo] = read_archive(text.encode(), self.program.config.wal_segment_mb)
        identities = {each.label: _identity(each) for each in info.backups}
        proofs = await asyncio.to_thread(foreign.read_proofs, _PROOFS, identities)
        sets = tuple(sets_of(info.backups, archives, proofs, self._plan))
        return StanzaSets(sets, {each.label: each for each in info.backups}, archives, info)


def sets_of(
    backups: Sequence[ListedBackup], archives: Mapping[int, Archive], proofs: Mapping[str, Proof], plan: str
) -> Iterator[BackupSet]:
    """Yield the sets, newest first, of what pgBackRest lists, newest first, and what LilFox has proven, by label."""
    faults: dict[str, Message | str] = {}
    made: list[BackupSet] = []
    for each in reversed(backups):  # what others need comes before them
        backup = archives.get(each.backup.repo, Archive()).reach(each)
        proof = proofs.get(each.label)
        fault = _fault(each, backup.until is None and bool(backup.gap), backup.gap, faults)
        status = state_of(fault=fault, untrusted=False, missing=False, proven=None if proof is None else proof.level)
        reason = fault or ("" if proof is None else clean(proof.reason))
        faults[each.label] = reason if status is Status.BROKEN else ""
        part = FoundPart(
            name=each.label, source=backup.type, source_kind="pgbackrest", kind=backup.type, size_bytes=each.repo_bytes,
        )  # fmt: skip
        made.append(
            BackupSet(
                id=each.label,
                created=each.started,
                status=status,
                reason=reason,
                fault=fault,
                plan=plan,
                parts=(part,),
                proof=proof,
                physical=backup,
            )
        )
    return reversed(made)


def _fault(each: ListedBackup, lacks_wal: bool, gap: str, faults: Mapping[str, Message | str]) -> Message | str:
    """Why the backup cannot be restored, whatever a proof says; empty where nothing speaks against it."""
    if each.damaged:
        return tr("pgBackRest found damaged pages in it")
    if lacks_wal:
        return tr("WAL segment {segment}, which it needs, is not in the archive", segment=gap)
    for needed in each.backup.references:
        if needed not in faults:
            return tr("{set}, which it needs, is not in the repository", set=needed)
        if faults[needed]:
            return tr("{set}, which it needs, is broken: {reason}", set=needed, reason=faults[needed])
    return ""


# Proofs. A backup of pgBackRest never changes: a proof is bound to its label, its WAL and its sizes.


_PROOFS = "pgbackrest"


def _identity(each: ListedBackup) -> str:
    backup = each.backup
    words = [each.system, each.archive, each.label, backup.repo, backup.wal_start, backup.wal_stop]
    words += [each.started.timestamp(), backup.finished.timestamp(), each.repo_bytes, backup.database_bytes]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()


async def put_proof(
    each: ListedBackup, level: Level, *, reason: str = "", before: Proof | None, **more: object
) -> Proof:
    """Write what was found of a backup, and return it. See :func:`foreign.put_proof`. Raises BackupError."""
    now = max(datetime.now(UTC), each.backup.finished)
    made = Proof(set=each.label, level=level, at=now, reason=reason, manifest=_identity(each), sha256={})
    return await foreign.put_proof(_PROOFS, msgspec.structs.replace(made, **more), before)


# Which set a time is recovered from.


_RESOLUTION = timedelta(seconds=1)
"""Times of files are told in whole seconds, rounded down."""


def reaching(sets: Sequence[BackupSet], at: datetime) -> BackupSet:
    """Return the newest set from which the cluster can be recovered to ``at`` (aware UTC). Raises UsageError, which
    tells the times that are possible, and the missing segment."""
    before = [each for each in sets if each.physical is not None and each.physical.finished <= at and not each.refused]
    for each in before:
        backup = each.physical
        if backup is None or backup.until is None:
            continue
        if at <= backup.until or (not backup.gap and at < backup.until + _RESOLUTION):
            return each
    possible = tr("possible: {times}", times="; ".join(reach_lines(sets)) or tr("nothing"))
    shown = at.isoformat(" ", "seconds")
    if not before:
        raise UsageError(tr("no set was complete at {time}", time=shown), possible)
    newest = before[0].physical
    if newest is not None and newest.gap:
        raise UsageError(
            tr("{time} cannot be reached: WAL segment {segment} is missing from the archive", time=shown,
               segment=newest.gap), possible,
        )  # fmt: skip
    raise UsageError(
        tr("the archive does not reach {time} yet", time=shown),
        tr("{possible}; to archive the current segment: SELECT pg_switch_wal()", possible=possible),
    )


def reach_lines(sets: Sequence[BackupSet], shown: Callable[[datetime], str] | None = None) -> list[str]:
    """Return the spans of time that the cluster can be recovered to, newest first, as texts; overlapping ones of the
    same timeline and WAL are one. ``shown`` formats a time; ISO 8601 in UTC if not given."""
    format_time = shown or (lambda at: at.isoformat(" ", "seconds"))
    spans: dict[tuple[int, int, str], tuple[datetime, datetime]] = {}
    for each in sets:
        backup = each.physical
        if backup is None or backup.until is None or each.refused:
            continue
        key = backup.repo, backup.timeline, backup.last_wal
        start = min(backup.finished, spans[key][0]) if key in spans else backup.finished
        spans[key] = start, backup.until
    return [
        str(tr("{start} to {end} (timeline {timeline})",
               start=format_time(start), end=format_time(end), timeline=timeline))
        for (_repo, timeline, _last), (start, end) in spans.items()
    ]  # fmt: skip
