"""When a plan is due, and whether it is late."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo

from msgspec import Struct

from lilfox_tui.backup.model import BackupSet
from lilfox_tui.config.model import PlanConfig


class Late(Struct, frozen=True):
    """A plan is late: ``due`` is when a run should have begun that gave no good set; ``newest`` when the newest good
    set was begun. Aware UTC."""

    due: datetime
    newest: datetime | None


def next_due(schedule: str, after: datetime, zone: tzinfo) -> datetime:
    """The first time after ``after`` at which cron begins it, aware UTC. Raises UsageError for what cron refuses."""
    raise NotImplementedError(schedule, after, zone)


def last_due(schedule: str, until: datetime, zone: tzinfo) -> datetime:
    """The last time up to ``until`` at which cron began it, aware UTC. Raises UsageError for what cron refuses."""
    raise NotImplementedError(schedule, until, zone)


def late(plan: PlanConfig, sets: Sequence[BackupSet], now: datetime, zone: tzinfo) -> Late | None:
    """Whether the plan is late; ``sets`` are its own. None without a schedule."""
    raise NotImplementedError(plan, sets, now, zone)
