"""The jobs of a plan of pgBackRest: back up, verify, drill, expire, and restore to a time."""

from __future__ import annotations

import asyncio
import platform
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec import Struct

from lilfox_tui.backup.checks import Check, duration_check
from lilfox_tui.backup.foreign import EngineRestore, drill_after_run, made_outcome
from lilfox_tui.backup.plan import BackupRequest
from lilfox_tui.backup.selection import choose
from lilfox_tui.backup.sets.model import BackupSet, PhysicalBackup, Proof, outcome_of
from lilfox_tui.backup.sets.names import local_zone
from lilfox_tui.backup.sources.pgbackrest import recovery
from lilfox_tui.backup.sources.pgbackrest.command import PgBackRestError
from lilfox_tui.backup.sources.pgbackrest.info import Verified, read_verify
from lilfox_tui.backup.sources.pgbackrest.recovery import RecoveryGoal, look_at_place, owned_directory, stopwatch
from lilfox_tui.backup.sources.pgbackrest.repository import (
    PgBackRestRepository,
    StanzaSets,
    put_proof,
    reaching,
)
from lilfox_tui.backup.store import BackupError, BrokenSet, NotReady
from lilfox_tui.config.foreign import PgbackrestPlanConfig
from lilfox_tui.core.aio import end_task
from lilfox_tui.core.crash import phase
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import clauses, ntr, tr
from lilfox_tui.core.text import clean, human_bytes
from lilfox_tui.jobs.model import Outcome, Run

BackupType = Literal["full", "diff", "incr"]
EARLY = timedelta(hours=1)
"""A run at the same time of the day makes a full backup though the last one took a moment longer to begin."""
_VERIFY_S = 7 * 24 * 3600.0
_EXPIRE_S = 3600.0
_EXPIRED = re.compile(r"remove expired backup (\S+)")
_MEASURED = 5
"""Earlier backups of the same type whose durations count for an estimate."""


def next_type(config: PgbackrestPlanConfig, sets: Sequence[BackupSet], now: datetime) -> BackupType:
    """Return what the plan's rule makes at ``now`` (aware UTC): full if the newest full backup is as old as
    ``full_every``, else diff by the same rule, else incr. A damaged backup does not count."""

    def due(types: tuple[str, ...], every: float) -> bool:
        begun = [each.created for each in sets if each.physical and each.physical.type in types and not each.refused]
        return not begun or max(begun) <= now - max(timedelta(seconds=every) - EARLY, timedelta(seconds=every / 2))

    if due(("full",), config.full_every):
        return "full"
    return "diff" if config.diff_every is not None and due(("full", "diff"), config.diff_every) else "incr"


def expected_s(sets: Sequence[BackupSet], wanted: BackupType) -> tuple[float, str] | None:
    """Return how long a backup of that type will take, and from which sets that was measured: a full one at the
    slowest rate of the newest ones for the cluster's present size, another as long as the longest of the newest ones.
    None if none was made yet."""
    alike = [(each, each.physical) for each in sets if each.physical is not None and each.physical.type == wanted]
    alike = alike[:_MEASURED]
    if not alike:
        return None
    took = [max((backup.finished - each.created).total_seconds(), 1.0) for each, backup in alike]
    if wanted != "full":
        return max(took), alike[took.index(max(took))][0].id
    rates = [backup.copied_bytes / seconds for (_set, backup), seconds in zip(alike, took, strict=True)]
    slowest = min(rates)
    newest = next(each.physical for each in sets if each.physical is not None)
    return (newest.database_bytes / slowest if slowest else max(took)), alike[rates.index(slowest)][0].id


class PgBackRestPreflight(Struct, frozen=True):
    """The checks of a plan before a run, and what the run makes."""

    checks: list[Check]
    type: BackupType


async def preflight(repository: PgBackRestRepository, request: BackupRequest) -> PgBackRestPreflight:
    """Check the stanza and its archiving as ``pgbackrest check`` does, which has the server archive one WAL segment,
    and estimate how long the run takes. Raises HostError."""
    program = repository.program
    config = program.config
    about = tr("stanza {stanza}", stanza=config.stanza)
    try:
        read = await repository.read()
    except BackupError as error:
        return PgBackRestPreflight([Check(about, "bad", error.message, error.hint)], request.backup_type or "full")
    wanted: BackupType = request.backup_type or next_type(config, read.sets, datetime.now(UTC))
    sets = len(read.sets)
    checks = [Check(about, "good", ntr("{count} backup; the next one is {type}", "{count} backups; the next one is "
                                       "{type}", sets, type=wanted))]  # fmt: skip
    checks += [
        Check(tr("repository {number}", number=number), "bad", clean(why)) for number, why in read.info.troubles.items()
    ]
    archiving = tr("WAL archiving")
    try:
        await program.run("check")
        checks.append(Check(archiving, "good", tr("the server archived a segment for the check")))
    except PgBackRestError as error:
        checks.append(Check(archiving, "bad", error.message, error.hint))
    if (expected := expected_s(read.sets, wanted)) is not None:
        hint = tr("raise process-max, use block incremental backups, or make full backups less often (full_every)")
        checks.append(duration_check(expected[0], expected[1], config.window, hint))
    return PgBackRestPreflight(checks, wanted)


async def back_up(run: Run, repository: PgBackRestRepository, request: BackupRequest) -> Outcome:
    """Make one backup, have it verified, and drilled if the plan says so. Raises BackupError, HostError."""
    phase("connect")
    program, config = repository.program, repository.program.config
    before = await repository.read()
    wanted: BackupType = request.backup_type or next_type(config, before.sets, datetime.now(UTC))
    size = before.sets[0].physical.database_bytes if before.sets and before.sets[0].physical else 0
    run.intent(str(tr("pgBackRest makes a backup of stanza {stanza}: {type}", stanza=config.stanza, type=wanted)))
    phase("dump")

    def heard(level: str, text: str) -> None:
        if level == "WARN":
            run.say(clean(text), "warning")

    words = (f"--type={wanted}", *_repo(config))
    await program.follow(
        "backup", *words, heard=heard,
        share=lambda part: run.moved(config.stanza, int(part * size), size) if size else None,
    )  # fmt: skip
    after = await repository.read()
    made = next((each for each in after.sets if each.id not in before.listed), None)
    if made is None:
        raise BackupError(tr("pgbackrest ended without an error, but lists no new backup of {stanza}",
                             stanza=config.stanza), tr("look into its log on the host"))  # fmt: skip
    run.done(str(tr("{set} was written: {bytes}", set=made.id, bytes=human_bytes(made.size_bytes))))
    proof = made.proof
    failures: list[str] = []
    if config.verify:
        proof = await _verify(run, repository, after, made)
        if proof.level == "broken":
            raise BrokenSet(
                tr("{set} was written, but the data read back differs: {reason}", set=made.id, reason=proof.reason),
                tr("the earlier sets were not touched; check the store's disk"),
            )
    if config.drill:
        proof = await drill_after_run(run, _drill(run, repository, after, _goal(made, "")), failures) or proof
    return made_outcome(made, proof, failures)


async def verify(run: Run, repository: PgBackRestRepository, request: BackupRequest) -> Outcome:
    """Have pgbackrest verify read a set: all of its files, those of earlier sets that it needs, and its WAL."""
    read = await repository.read()
    found = _chosen(read.sets, request)
    proof = await _verify(run, repository, read, found)
    return outcome_of(found, proof, str(tr("{set}: checksums verified", set=found.id)))


async def _verify(run: Run, repository: PgBackRestRepository, read: StanzaSets, found: BackupSet) -> Proof:
    phase("verify")
    backup = _physical(found)
    words = (f"--set={found.id}", f"--repo={backup.repo}", "--output=text", "--verbose")
    run.say(str(tr("pgbackrest verify reads {set}", set=found.id)))
    said = await repository.program.run("verify", *words, timeout_s=_VERIFY_S)
    result: Verified = read_verify(said, found.id)
    level: Literal["intact", "broken"] = "broken" if result.trouble else "intact"
    if result.trouble:
        run.say(clean(result.trouble), "bad")
    else:
        told = tr("{set}: checked files: {files}, WAL segments: {segments}; all have the size and the checksum that "
                  "pgBackRest recorded", files=result.files, segments=result.segments, set=found.id)  # fmt: skip
        run.say(str(told), "good")
    return await put_proof(read.listed[found.id], level, reason=clean(result.trouble), before=found.proof)


async def drill(run: Run, repository: PgBackRestRepository, request: BackupRequest) -> Outcome:
    """Restore a set into a scratch directory, recover it with a server there, check the result, and remove it."""
    read = await repository.read()
    goal = goal_of(read.sets, request)
    proof = await _drill(run, repository, read, goal)
    if proof.level == "intact":
        told = tr("{set} was restored and recovered, but not all of it could be checked; took {seconds} s",
                  set=goal.found.id, seconds=proof.took_s)  # fmt: skip
        outcome = outcome_of(goal.found, proof, str(told))
        return Outcome("partly", outcome.message, outcome.hint, 3, outcome.result)
    good = tr("{set} was restored and recovered to {goal}; took {seconds} s",
              set=goal.found.id, goal=goal.text, seconds=proof.took_s)  # fmt: skip
    return outcome_of(goal.found, proof, str(good))


async def _drill(run: Run, repository: PgBackRestRepository, read: StanzaSets, goal: RecoveryGoal) -> Proof:
    program = repository.program
    facts = await look_at_place(program, f"{program.config.scratch.rstrip('/')}/lilfox_drill_new")
    needed = goal.backup.database_bytes
    if facts.trouble or (facts.free_bytes is not None and facts.free_bytes < needed):
        about = tr("scratch folder {path}", path=program.config.scratch)
        found = facts.trouble or recovery.room_text(needed, facts.free_bytes)
        raise NotReady(tr("{about}: {found}; nothing was written", about=about, found=found),
                       tr("set scratch: of the plan to a folder with enough room"))  # fmt: skip
    async with owned_directory(run, program, goal.backup) as cluster:
        took = stopwatch()
        await _recovered(run, cluster, goal)
        took_s = round(took(), 3)
        trouble, complete, detail = await _checked(run, cluster)
    level: Literal["broken", "intact", "restored"] = "broken" if trouble else "restored" if complete else "intact"
    return await put_proof(
        read.listed[goal.found.id], level, reason=trouble, before=None, tested=datetime.now(UTC), took_s=took_s,
        host=platform.node(), where=f"{program.host.name}:{program.config.scratch}", detail=detail,
    )  # fmt: skip


async def _recovered(run: Run, cluster: recovery.RecoveredCluster, goal: RecoveryGoal) -> None:
    phase("stage")
    run.intent(str(tr("restoring {set} into {path}", set=goal.found.id, path=cluster.data)))
    await cluster.restore(run, goal)
    run.done(str(tr("{set} was restored into {path}", set=goal.found.id, path=cluster.data)))
    run.say(str(tr("recovering to {goal}", goal=goal.text)))
    run.say(await cluster.recover(run, goal), "good")


async def _checked(run: Run, cluster: recovery.RecoveredCluster) -> tuple[str, bool, dict[str, Any]]:
    """Return what is wrong with the recovered cluster, whether all was checked, and what was counted: nothing in a
    corrupt one. Rows are counted beside pg_amcheck, which reads a large table with one session only."""
    phase("compare")
    complete = cluster.programs.amcheck
    databases = await cluster.databases()
    counting = asyncio.ensure_future(cluster.counts(databases))
    try:
        if not complete:
            run.say(str(tr("not checked: pg_amcheck is not installed with that server")), "warning")
        elif trouble := await cluster.amcheck(run, databases):
            return trouble, complete, {}
        else:
            run.say(str(tr("pg_amcheck found no corruption in the tables and B-tree indexes of any database")), "good")
        counts = await counting
    finally:
        await end_task(counting)
    run.say(str(recovery.counted_text(counts)), "good")
    counted = {name: {"tables": tables, "rows": rows} for name, (tables, rows) in counts.items()}
    return "", complete, {"databases": counted}


async def expire(run: Run, repository: PgBackRestRepository, request: BackupRequest) -> Outcome:  # noqa: ARG001
    """Have pgBackRest remove what its retention no longer keeps."""
    before = await repository.read()
    run.intent(str(tr("pgBackRest removes what its retention no longer keeps")))
    await repository.program.run("expire", *_repo(repository.program.config), timeout_s=_EXPIRE_S)
    after = {each.id for each in (await repository.read()).sets}
    gone = [each.id for each in before.sets if each.id not in after]
    run.done(str(ntr("{count} set removed", "{count} sets removed", len(gone))))
    return Outcome("ok", str(ntr("{count} set removed", "{count} sets removed", len(gone))), result={"removed": gone})


async def would_expire(repository: PgBackRestRepository) -> list[str]:
    """Return the labels that expire would remove. Raises PgBackRestError, HostError."""
    words = ("--dry-run", *_repo(repository.program.config))
    said = await repository.program.run("expire", *words, timeout_s=_EXPIRE_S, logs=True)
    return list(dict.fromkeys(_EXPIRED.findall(said)))


# Restore into a new data directory.


class PgBackRestRestore(EngineRestore, frozen=True, kw_only=True):
    """A restore into a new data directory, recovered to a goal."""

    goal: RecoveryGoal


async def look(repository: PgBackRestRepository, request: BackupRequest) -> PgBackRestRestore:
    """Return what a restore would do. Raises UsageError if no set reaches the target, or no directory was named;
    BackupError, HostError."""
    into = request.restore.into
    if not into:
        raise UsageError(
            tr("a restore of a pgBackRest plan needs a new data directory"),
            tr("for example: --into /var/lib/postgresql/17/restored; the running server's directory is never touched"),
        )
    read = await repository.read()
    goal = goal_of(read.sets, request)
    program, backup = repository.program, goal.backup
    facts = await look_at_place(program, into)
    programs = await recovery.find_programs(program, backup.postgresql)
    place = tr("data directory {path}", path=into)
    checks = [
        Check(tr("set {set}", set=goal.found.id), "good" if goal.found.good else "warning",
              tr("finished {time}, PostgreSQL {version}", time=backup.finished.isoformat(" ", "seconds"),
                 version=backup.postgresql),
              "" if goal.found.good else tr("verify it first: lilfox backup verify {set}", set=goal.found.id)),
        Check(tr("recovery target"), "good", goal.text),
        Check(place, "bad" if facts.trouble else "good", facts.trouble or tr("it will be created"),
              tr("name a directory that does not exist yet") if facts.trouble else ""),
        _room(place, backup.database_bytes, facts.free_bytes),
        Check(tr("server programs"), "good", programs.folder),
    ]  # fmt: skip
    if backup.gap and goal.to_end:
        gap = tr("segment {segment} is missing: recovery ends before it", segment=backup.gap)
        checks.append(Check(tr("WAL archive"), "warning", gap))
    return PgBackRestRestore(goal=goal, into=into, checks=checks)


def _room(place: object, needed: int, free: int | None) -> Check:
    enough = free is None or free >= needed
    hint = "" if enough else tr("Free up space, or restore to another filesystem.")
    return Check(str(place), "good" if enough else "bad", recovery.room_text(needed, free), hint)


async def restore(run: Run, repository: PgBackRestRepository, request: BackupRequest) -> Outcome:
    """Restore into a new data directory, recover it to the target, check it, and leave it stopped."""
    looked = await look(repository, request)
    looked.begin(run)
    goal = looked.goal
    async with owned_directory(run, repository.program, goal.backup, into=looked.into) as cluster:
        took = stopwatch()
        await _recovered(run, cluster, goal)
        trouble, complete, _detail = await _checked(run, cluster)
        if trouble:
            raise BrokenSet(
                tr("{set} was restored, but is corrupt: {reason}; the new directory was removed",
                   set=goal.found.id, reason=trouble),
                tr("choose another set or an earlier time"),
            )  # fmt: skip
        await cluster.stop()
        await cluster.keep()
    seconds = round(took())
    done = tr("{set} is restored in {path} and recovered to {goal}; took {seconds} s",
              set=goal.found.id, path=looked.into, goal=goal.text, seconds=seconds)  # fmt: skip
    unchecked = "" if complete else str(tr("not checked: pg_amcheck is not installed with that server"))
    hint = tr("Its server is stopped. Stop the old server, start one with data_directory = '{path}' and your own "
              "configuration, and make a full backup at once: the restored cluster is on a new timeline.",
              path=looked.into)  # fmt: skip
    result = {"set": goal.found.id, "kept": [], "into": looked.into, "target": str(goal.text)}
    return Outcome("ok" if complete else "partly", clauses(filter(None, [str(done), unchecked])), str(hint),
                   0 if complete else 3, result)  # fmt: skip


def goal_of(sets: Sequence[BackupSet], request: BackupRequest) -> RecoveryGoal:
    """Return which set is recovered, and to when. Raises UsageError if the time is not one, or no set reaches it."""
    target = request.restore.target
    if target and target != recovery.END and not request.set:
        return _goal(reaching(sets, read_time(target)), target)
    return _goal(_chosen(sets, request), target)


def _goal(found: BackupSet, target: str) -> RecoveryGoal:
    backup = _physical(found)
    if found.refused:
        raise BrokenSet(tr("{set} is broken: {reason}", set=found.id, reason=found.reason),
                        tr("choose another set: lilfox backup list"))  # fmt: skip
    if not target:
        return RecoveryGoal(found, backup)
    if target == recovery.END:
        return RecoveryGoal(found, backup, to_end=True)
    at = read_time(target)
    reaching([found], at)
    return RecoveryGoal(found, backup, at)


def read_time(text: str) -> datetime:
    """Return a recovery target as aware UTC. Raises UsageError for what is no time, or has no offset: the server's and
    the operator's zone may differ."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        at = datetime.now()  # noqa: DTZ005  refused below: without an offset
    if at.tzinfo is None:
        raise UsageError(
            tr("--target {value}: not a time with its offset from UTC", value=clean(text)),
            tr("for example: --target '2026-12-02 20:15:00+00', or {end} for everything that is archived",
               end=recovery.END),
        )  # fmt: skip
    return at.astimezone(UTC)


def _chosen(sets: Sequence[BackupSet], request: BackupRequest) -> BackupSet:
    return choose(request.set or "latest", sets, now=datetime.now(UTC), zone=local_zone(), plan=request.plan)


def _physical(found: BackupSet) -> PhysicalBackup:
    if found.physical is None:
        raise BackupError(tr("{set} is not a backup of pgBackRest", set=found.id))
    return found.physical


def _repo(config: PgbackrestPlanConfig) -> tuple[str, ...]:
    return () if config.repo is None else (f"--repo={config.repo}",)


_Effect = Callable[[Run, PgBackRestRepository, BackupRequest], Awaitable[Outcome]]
_EFFECTS: dict[str, _Effect] = {
    "backup": back_up, "verify": verify, "drill": drill, "prune": expire, "restore": restore,
}  # fmt: skip
"""By the kind of the request."""


class PgBackRestEngine:
    """pgBackRest as :class:`lilfox_tui.backup.foreign.BackupEngine`."""

    def __init__(self, repository: PgBackRestRepository) -> None:
        self.repository = repository

    async def preflight(self, request: BackupRequest) -> list[Check]:
        """See :func:`preflight`."""
        return (await preflight(self.repository, request)).checks

    async def look(self, request: BackupRequest) -> PgBackRestRestore:
        """See :func:`look`."""
        return await look(self.repository, request)

    async def would_remove(self, _request: BackupRequest) -> list[str]:
        """See :func:`would_expire`."""
        return await would_expire(self.repository)

    async def act(self, kind: str, run: Run, request: BackupRequest) -> Outcome:
        """Run the effect of that kind."""
        return await _EFFECTS[kind](run, self.repository, request)
