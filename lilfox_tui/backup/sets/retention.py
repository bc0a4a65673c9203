"""Decides which sets retention keeps and which it removes, each with the reason. Removes nothing itself.

What somebody has tagged stays as long as its tag does, and changes nothing for the others.

Of the others only sets that are whole and at least intact are counted, by the time at which they were begun, never by
their names or by when a file was written. What is not good goes when it is older than every good set that stays; so
what was never verified does not pile up, and as long as no good set stays nothing goes at all. What is not trusted
stays: somebody must look at it, and a key that is missing here must not remove what others can still judge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

import msgspec
from msgspec import Struct

from lilfox_tui.backup.sets.model import BackupSet, Status, newest_of_each
from lilfox_tui.backup.sets.names import local_zone, manifest_name
from lilfox_tui.backup.store import BackupStore, StoreError
from lilfox_tui.config.model import KeepConfig
from lilfox_tui.core.errors import UsageError
from lilfox_tui.core.i18n import Message, listed, ntr, tr

CLOCKS_APART = timedelta(minutes=5)
"""So far may the clock of the machine that made a set be ahead of ours."""


class RetentionVerdict(Struct, frozen=True):
    """Whether retention removes a set, and why (as a sentence)."""

    set: BackupSet
    goes: bool
    why: Message
    locked: bool = False
    """Whether it stays only because its store does not let it go yet."""

    @property
    def stays(self) -> Message:
        """What is said of a set that is locked."""
        return tr("{set} stays: {why}", set=self.set.id, why=self.why)


def judge(
    sets: Sequence[BackupSet], keep: KeepConfig | None, *, now: datetime, zone: tzinfo, just_made: str = ""
) -> list[RetentionVerdict]:
    """Return a verdict for each of ``sets`` (of one plan), newest first. Days, weeks and months are those of ``zone``;
    without a policy everything stays. ``just_made`` is the id of the run's own set, which stays even if the clock
    changed meanwhile.

    Raises UsageError for a policy that asks for nothing.
    """
    every = sorted(sets, key=lambda found: (found.created, found.id), reverse=True)
    if keep is None:
        return [RetentionVerdict(found, False, tr("the plan has no retention policy")) for found in every]
    _refuse_empty(keep)
    tagged = {found.id: tag for tag, found in list(newest_of_each(every).items())[: keep.tagged]}
    others = iter(_judged([found for found in every if found.id not in tagged], keep, now, zone, just_made))
    return [
        RetentionVerdict(found, False, tr("tagged {tag}", tag=tagged[found.id])) if found.id in tagged else next(others)
        for found in every
    ]


async def judge_in_store(
    store: BackupStore, sets: Sequence[BackupSet], keep: KeepConfig | None, *, just_made: str = ""
) -> list[RetentionVerdict]:
    """Return :func:`judge`'s verdicts on a plan's sets in ``store`` now; a set under an object lock stays. Raises
    UsageError, StoreError, HostError."""
    verdicts = judge(sets, keep, now=datetime.now(UTC), zone=local_zone(), just_made=just_made)
    return await unless_locked(store, verdicts)


async def unless_locked(
    store: BackupStore, verdicts: Sequence[RetentionVerdict], *, answer_s: float | None = None
) -> list[RetentionVerdict]:
    """Return ``verdicts`` with each set that would go but is under an object lock of ``store`` as one that stays.
    Raises HostError, and StoreError also if the store takes longer than ``answer_s`` (seconds) to answer for a set."""
    return [await _unless_locked(store, verdict, answer_s) if verdict.goes else verdict for verdict in verdicts]


async def _unless_locked(store: BackupStore, verdict: RetentionVerdict, answer_s: float | None) -> RetentionVerdict:
    found = verdict.set
    try:
        async with asyncio.timeout(answer_s):
            why = await store.object_lock([manifest_name(found.id), *(part.name for part in found.parts)])
    except TimeoutError:
        raise StoreError(
            tr("{where} did not answer within {seconds:g} s", where=store.where, seconds=answer_s),
            tr("nothing was removed; check that the store is reachable, then try again"),
        ) from None
    return verdict if why is None else RetentionVerdict(found, goes=False, why=why, locked=True)


def _judged(
    ordered: Sequence[BackupSet], keep: KeepConfig, now: datetime, zone: tzinfo, just_made: str
) -> list[RetentionVerdict]:
    future = now + CLOCKS_APART
    counted = [found for found in ordered if found.good and found.created <= future]
    kept = dict(_kept(counted, keep, now, zone))
    oldest = min((counted[at].created for at in kept), default=None)
    place = {id(found): at for at, found in enumerate(counted)}
    return [
        RetentionVerdict(found, False, tr("just made"))
        if found.id == just_made
        else _verdict(found, kept, place.get(id(found)), oldest, future)
        for found in ordered
    ]


def _refuse_empty(keep: KeepConfig) -> None:
    numbers = msgspec.structs.asdict(keep)
    wrong = [name for name, count in numbers.items() if count is not None and count < 1]
    if wrong or all(count is None for name, count in numbers.items() if name != "tagged"):
        raise UsageError(
            tr("the retention policy is invalid; check these keys: {names}", names=listed(wrong or numbers)),
            tr("keep at least 1, for example last: 7; nothing was removed"),
        )


def _kept(counted: Sequence[BackupSet], keep: KeepConfig, now: datetime, zone: tzinfo) -> Iterator[tuple[int, Message]]:
    """Yield the position in ``counted`` and the reason for each set that the policy keeps; of several reasons for one
    set, the last counts."""
    if keep.days is not None:
        since = now - timedelta(days=keep.days)
        why = ntr("younger than {count} day", "younger than {count} days", keep.days)
        yield from ((at, why) for at, found in enumerate(counted) if found.created >= since)
    local = [found.created.astimezone(zone) for found in counted]
    if keep.monthly is not None:
        of_month = _newest_of_each(local, lambda at: (at.year, at.month), keep.monthly)
        yield from ((at, tr("the newest of {month:%Y-%m}", month=local[at])) for at in of_month)
    if keep.weekly is not None:
        of_week = _newest_of_each(local, lambda at: at.isocalendar()[:2], keep.weekly)
        yield from ((at, tr("the newest of week {week:%G-W%V}", week=local[at])) for at in of_week)
    if keep.daily is not None:
        of_day = _newest_of_each(local, lambda at: (at.year, at.month, at.day), keep.daily)
        yield from ((at, tr("the newest of {day:%Y-%m-%d}", day=local[at])) for at in of_day)
    if keep.last is not None:
        why = ntr("the last one", "one of the last {count}", keep.last)
        yield from ((at, why) for at in range(min(keep.last, len(counted))))
    if counted:
        yield 0, tr("the newest good set")


def _newest_of_each(times: Sequence[datetime], part: Callable[[datetime], tuple[int, ...]], count: int) -> list[int]:
    """Return the position of the newest time in each of the ``count`` newest periods that occur in ``times`` (newest
    first)."""
    first: dict[tuple[int, ...], int] = {}
    for at, time in enumerate(times):
        first.setdefault(part(time), at)
    return list(first.values())[:count]


def _verdict(
    found: BackupSet, kept: dict[int, Message], place: int | None, oldest: datetime | None, future: datetime
) -> RetentionVerdict:
    if found.created > future:
        return RetentionVerdict(found, False, tr("dated in the future, so not counted: check the clocks"))
    if found.status == Status.UNTRUSTED:
        return RetentionVerdict(found, False, tr("not trusted, and not counted: {reason}", reason=found.reason))
    if place is not None:
        why = kept.get(place)
        return (
            RetentionVerdict(found, True, tr("no rule of the plan keeps it"))
            if why is None
            else RetentionVerdict(found, False, why)
        )
    if oldest is None:
        return RetentionVerdict(found, False, tr("there is no good set, so nothing is removed"))
    if found.created < oldest:
        return RetentionVerdict(
            found,
            True,
            tr(
                "{status}, so it does not count as a backup; older than every good set that is kept",
                status=_uncounted(found),
            ),
        )
    return RetentionVerdict(
        found,
        False,
        tr("{status}, so it does not count as a backup; an older good set is kept", status=_uncounted(found)),
    )


def _uncounted(found: BackupSet) -> Message:
    if found.status == Status.BROKEN:
        return tr("broken")
    return tr("partial") if found.status == Status.PARTIAL else tr("not verified")
