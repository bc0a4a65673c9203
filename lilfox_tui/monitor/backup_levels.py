"""Derives a plan's level and its reasons from the plan's sets and runs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from msgspec.structs import replace

from lilfox_tui.backup.plan import LatePlan, late, next_due
from lilfox_tui.backup.sets.model import BackupSet, Status, state_of
from lilfox_tui.backup.sets.names import local_zone
from lilfox_tui.config.foreign import ForeignPlanConfig, WatchedPlan
from lilfox_tui.config.model import PlanConfig
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.i18n import Message, listed, tr
from lilfox_tui.core.text import human_duration
from lilfox_tui.jobs.model import Job
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import Backups, EarlierSet, PlanView

GONE_AFTER = 2
"""Looks in a row that must fail before a store that was read counts as gone."""
_BAD = ("failed", "unknown")


def plan_view(
    name: str,
    store: str,
    *,
    where: str,
    config: PlanConfig | WatchedPlan | None,
    copy: bool,
    sets: tuple[BackupSet, ...] | None,
    read_at: datetime | None,
    outage: Unavailable | None,
    failures: int,
    made: Sequence[BackupSet],
    jobs: Sequence[Job],
    now: datetime,
    zone: tzinfo,
    known_since: datetime | None,
) -> PlanView:
    """Return the view of the plan at ``now`` (aware UTC). ``sets`` are all sets in its store; ``made`` are the
    plan's sets in its main store, to compare a copy with. ``failures``: failed reads of the store in a row.
    ``known_since``: the schedule has been in force at least since then, so a run since then must have left a set.
    ``read_at``: when the look that found ``sets`` began. ``since`` is now where the start of the problem is unknown."""
    own = [found for found in sets or () if found.plan == name]
    shown = None if sets is None else tuple(found for found in sets if config is None or found.plan in (name, ""))
    last = None if config is None else _last_run(name, jobs)
    behind = outage is None and _ended_since(last, read_at)
    is_late = None if config is None or sets is None or copy else _late(config, own, known_since, now, zone)
    found = list(_unread(sets, outage, failures))
    if config is not None and sets is not None:
        if not copy and not own and is_late is None and outage is None:
            found.append(_none_yet(config, behind))
        found += _of_copy(own, made, last, behind) if copy else _of_plan(config, own, is_late, last, now, behind)
    schedule = None if config is None or copy else config.schedule
    return PlanView(
        name=name,
        store=store,
        where=where,
        config=config,
        copy=copy,
        level=max((level for level, _why in found), default=Level.GOOD),
        since=_since(is_late, outage, now),
        reasons=tuple(why for _level, why in sorted(found, key=lambda each: -each[0])),
        sets=shown,
        read_at=read_at,
        outage=outage,
        late=is_late,
        next_run=None if schedule is None else next_due(schedule, now, zone),
        last=last,
        behind=behind,
        rto_s=next((each.proof.took_s for each in own if each.proof is not None and each.proof.took_s), None),
    )


def _last_run(plan: str, jobs: Sequence[Job]) -> Job | None:
    own = (job for job in jobs if job.key == f"backup {plan}" and job.kind == "backup" and job.state != "running")
    return next(own, None)


def _late(
    config: PlanConfig | WatchedPlan,
    own: Sequence[BackupSet],
    known_since: datetime | None,
    now: datetime,
    zone: tzinfo,
) -> LatePlan | None:
    found = late(config, own, now, zone)
    if found is not None and not own and (known_since is None or found.due < known_since):
        return None  # the plan may be newer than that run
    return found


def _ended_since(last: Job | None, read_at: datetime | None) -> bool:
    return last is not None and last.ended is not None and read_at is not None and read_at < last.ended


def _since(is_late: LatePlan | None, outage: Unavailable | None, now: datetime) -> datetime:
    """Return the earliest known start of the problems."""
    return min([now, *([is_late.due] if is_late is not None else []), *([outage.since] if outage is not None else [])])


def _unread(
    sets: Sequence[BackupSet] | None, outage: Unavailable | None, failures: int
) -> Iterator[tuple[Level, Message]]:
    if outage is not None:
        gone = sets is None or failures >= GONE_AFTER
        yield Level.FAILING if gone else Level.DEGRADED, tr("its store cannot be read: {error}", error=outage.error)
    elif sets is None:
        yield Level.UNKNOWN, tr("not checked yet")


def _none_yet(config: PlanConfig | WatchedPlan, behind: bool) -> tuple[Level, Message]:
    level = Level.UNKNOWN if config.schedule is None else Level.DEGRADED
    return level, tr("the sets are being read again") if behind else tr("there is no backup yet")


def _of_plan(
    config: PlanConfig | WatchedPlan,
    own: Sequence[BackupSet],
    is_late: LatePlan | None,
    last: Job | None,
    now: datetime,
    behind: bool,
) -> Iterator[tuple[Level, Message]]:
    if is_late is not None and behind:
        # The level stays until it is known what the run has left; but that there is nothing is not said.
        yield Level.FAILING, tr("it was late; the sets are being read again")
    elif is_late is not None:
        age = human_duration((now - is_late.due).total_seconds())
        if isinstance(config, ForeignPlanConfig):
            newest = tr("there is no backup")
            if is_late.newest is not None:
                old = human_duration((now - is_late.newest).total_seconds())
                newest = tr("the newest backup is {old} old", old=old)
            yield Level.FAILING, tr("late: due {age} ago; {newest}", age=age, newest=newest)
        elif is_late.newest is None:
            yield Level.FAILING, tr("late: due {age} ago, and there is no good set", age=age)
        else:
            old = human_duration((now - is_late.newest).total_seconds())
            yield Level.FAILING, tr("late: due {age} ago; the newest good set is {old} old", age=age, old=old)
    yield from _of_newest(own)
    if last is not None and last.state in _BAD and (not own or own[0].created < last.started):
        yield Level.DEGRADED, tr("the last run failed: {reason}", reason=last.message)


def _of_newest(own: Sequence[BackupSet]) -> Iterator[tuple[Level, Message]]:
    newest = own[0] if own else None
    if newest is None or newest.on_time:
        return
    if newest.status == Status.BROKEN:
        yield Level.FAILING, tr("the newest set is broken: {reason}", reason=newest.reason)
    elif newest.status == Status.UNTRUSTED:
        yield Level.FAILING, tr("the newest set is not trusted: {reason}", reason=newest.reason)
    elif newest.status == Status.PARTIAL:
        missing = listed(newest.missing)
        yield Level.DEGRADED, tr("the newest set is partial: {sources} could not be backed up", sources=missing)
    else:
        yield Level.DEGRADED, tr("the newest set is not verified")


def _of_copy(
    own: Sequence[BackupSet], made: Sequence[BackupSet], last: Job | None, behind: bool
) -> Iterator[tuple[Level, Message]]:
    """Yield the problems of a copy, which should also have the newest good set of the main store (``made``). Where the
    copy was not read since the last run, that run's set is not missed yet."""
    yield from _of_newest(own)
    begun = last.started if behind and last is not None else None
    wanted = next((found for found in made if found.good and (begun is None or found.created < begun)), None)
    if wanted is not None and all(found.id != wanted.id for found in own):
        yield Level.DEGRADED, tr("the copy lacks the newest good set {set}", set=wanted.id)


# Backups as they were at an earlier time.


def backups_at(present: Backups, at: datetime, zone: tzinfo | None = None) -> Backups:
    """Return the plans and their sets as they were at ``at`` (aware UTC), as far as it is known: sets that were
    removed, and proofs that were replaced, before anybody looked are not. Jobs are those that had ended, interrupted
    restores those of now that had begun. Schedules are of ``zone``, of this machine's if not given."""
    jobs = tuple(job for job in present.jobs or () if job.ended is not None and job.ended <= at)
    own = {key: _sets_at(present, view, at) for key, view in present.plans.items()}
    views = {}
    for key, view in present.plans.items():
        made = () if view.config is None else own.get((view.name, view.config.store))
        views[key] = plan_view(
            view.name,
            view.store,
            where=view.where,
            config=view.config,
            copy=view.copy,
            sets=own[key],
            read_at=None,
            outage=None,
            failures=0,
            made=[found for found in made or () if found.plan == view.name],
            jobs=jobs,
            now=at,
            zone=zone or local_zone(),
            known_since=None,
        )
    interrupted = tuple(each for each in present.interrupted_restores if each.restored.at <= at)
    return Backups(views, jobs, interrupted_restores=interrupted, earlier=present.earlier)


def _sets_at(present: Backups, view: PlanView, at: datetime) -> tuple[BackupSet, ...] | None:
    if view.sets is None:
        return None
    before: dict[str, EarlierSet] = {}
    for each in present.earlier:
        mine = each.store == view.store and (view.config is None or each.set.plan in (view.name, ""))
        if mine and each.until > at and (each.set.id not in before or each.until < before[each.set.id].until):
            before[each.set.id] = each
    now = {found.id: found for found in view.sets}
    found = now | {name: each.set for name, each in before.items()}
    then = (_set_at(each, at) for each in found.values() if each.finished <= at)
    return tuple(sorted(then, key=lambda each: (each.created, each.id), reverse=True))


def _set_at(found: BackupSet, at: datetime) -> BackupSet:
    """The set without a proof that was made later; what earlier one that replaced is not known."""
    if found.proof is None or found.proof.at <= at:
        return found
    status = state_of(fault=found.fault, untrusted=found.untrusted, missing=bool(found.missing), proven=None)
    return replace(found, status=status, proof=None, reason=found.reason if status is found.status else "")
