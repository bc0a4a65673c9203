"""When a plan is due, and whether it is late.

As cron has it (Debian's cron(8)): a job with a fixed hour and minute runs once on a day on which a clock is put forward
over it, right after that, and once where a clock is put back behind it; others follow the clock's hands."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from msgspec import Struct

from lilfox_tui.backup.sets.model import BackupSet
from lilfox_tui.config.cron import Cron, read_cron
from lilfox_tui.config.model import PlanConfig
from lilfox_tui.errors import UsageError
from lilfox_tui.i18n import tr

LATE_AFTER_S = 3600.0
"""Unless the plan says other."""
CLOCKS_APART = timedelta(minutes=1)
"""Cron's clock and that of the machine that makes the set are not further apart."""
_DAY = timedelta(days=1)
_LONGEST_DAYS = 41 * 366
"""29 February that is a Monday comes each 28 years, or 40 over 2100."""


class LatePlan(Struct, frozen=True):
    """A plan is late: ``due`` is when a run should have begun that gave no good set; ``newest`` when the newest good
    set was begun. Aware UTC."""

    due: datetime
    newest: datetime | None


def next_due(schedule: str, after: datetime, zone: tzinfo) -> datetime:
    """The first time after ``after`` at which cron begins it, aware UTC. Raises UsageError for what cron refuses."""
    cron = read_cron(schedule)
    first = after.astimezone(zone).date() - _DAY
    for days in range(_LONGEST_DAYS):
        day = first + days * _DAY
        if cron.on(day):
            found = next((at for at in _due_on(cron, day, zone) if at > after), None)
            if found is not None:
                return found
    raise _never(schedule)


def last_due(schedule: str, until: datetime, zone: tzinfo) -> datetime:
    """The last time up to ``until`` at which cron began it, aware UTC. Raises UsageError for what cron refuses."""
    cron = read_cron(schedule)
    last = until.astimezone(zone).date() + _DAY
    for days in range(_LONGEST_DAYS):
        day = last - days * _DAY
        if cron.on(day):
            found = next((at for at in reversed(_due_on(cron, day, zone)) if at <= until), None)
            if found is not None:
                return found
    raise _never(schedule)


def late(plan: PlanConfig, sets: Sequence[BackupSet], now: datetime, zone: tzinfo) -> LatePlan | None:
    """Whether the plan is late; ``sets`` are its own. None without a schedule."""
    if plan.schedule is None:
        return None
    grace = timedelta(seconds=LATE_AFTER_S if plan.late_after is None else plan.late_after)
    due = last_due(plan.schedule, now - grace, zone)
    begun = [found.created for found in sets if found.good and found.created <= now + CLOCKS_APART]
    newest = max(begun, default=None)
    return LatePlan(due, newest) if newest is None or newest < due - CLOCKS_APART else None


def _due_on(cron: Cron, day: date, zone: tzinfo) -> list[datetime]:
    """When it begins on a local day, in order."""
    found: set[datetime] = set()
    for hour in cron.hours:
        for minute in cron.minutes:
            found.update(_moments(datetime.combine(day, time(hour, minute)), zone, fixed=cron.fixed))
    return sorted(found)


def _moments(local: datetime, zone: tzinfo, *, fixed: bool) -> tuple[datetime, ...]:
    """The moments at which a clock of the zone shows ``local``, as far as cron heeds them."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return (first,)
    if first < second:
        return (first,) if fixed else (first, second)
    return (_put_forward(second, first, zone),) if fixed else ()


def _put_forward(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The moment between the two, at most a day apart, at which the zone's clock is put forward: the first minute with
    the later offset."""
    offset = after.astimezone(zone).utcoffset()
    minutes = range(int((after - before).total_seconds()) // 60)
    there = bisect_left(
        minutes, True, key=lambda minute: (before + timedelta(minutes=minute)).astimezone(zone).utcoffset() == offset
    )
    return before + timedelta(minutes=there)


def _never(schedule: str) -> UsageError:
    return UsageError(tr("{schedule} never comes", schedule=schedule), tr("write a day that there is"))
