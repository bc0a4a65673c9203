"""What the monitor tells of backups: plans with their sets, and all jobs.

Only the shapes: nothing of backup/ and of jobs/ is imported here, since the first frame waits for none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from lilfox_tui.config.model import PlanConfig
from lilfox_tui.feed import Unavailable
from lilfox_tui.i18n import Message
from lilfox_tui.metrics.model import Level

SET_LEVELS = {
    "restored": Level.GOOD,
    "intact": Level.DEGRADED,
    "partial": Level.DEGRADED,
    "unverified": Level.UNKNOWN,
    "untrusted": Level.FAILING,
    "broken": Level.FAILING,
}
"""Shapes of what is known of a set, by its ``backup/sets/model.py``: ● ◐ ○ ✖."""

if TYPE_CHECKING:
    from lilfox_tui.backup.restores.interrupted import InterruptedRestore
    from lilfox_tui.backup.schedule import LatePlan
    from lilfox_tui.backup.sets.model import BackupSet
    from lilfox_tui.jobs.model import Job


class PlanView(Struct, frozen=True, kw_only=True):
    """One plan in one of its stores, as a row shows it; or a store that no plan names.

    ``level`` has held since ``since`` (aware UTC); ``reasons`` say why, worst first, empty when good. ``sets`` are
    newest first, also when they are old: ``read_at`` tells; None before the first look. ``outage`` tells why there is
    no newer one.
    """

    name: str
    """Of the plan; of a store without one, its own."""
    store: str
    """Name in the configuration; of a store that was found, its folder."""
    where: str = ""
    """The store for people; empty before it was opened."""
    config: PlanConfig | None = None
    copy: bool = False
    """Not the store that sets are made in, but one that they are copied to."""
    level: Level = Level.UNKNOWN
    since: datetime
    reasons: tuple[Message, ...] = ()
    sets: tuple[BackupSet, ...] | None = None
    read_at: datetime | None = None
    outage: Unavailable | None = None
    late: LatePlan | None = None
    next_run: datetime | None = None
    last: Job | None = None
    """The newest run of the plan that is known on this machine and has ended."""
    rto_s: float | None = None
    """How long the newest drill took to restore."""

    @property
    def key(self) -> tuple[str, str]:
        """By which it is told from others."""
        return self.name, self.store


class Backups(Struct, frozen=True):
    """All plans, in the order of the configuration, and all jobs, newest first. ``jobs`` is None before the first look;
    ``unsettled`` are the ids of those of which nobody knows how they ended; ``half_done`` restores of which a part
    alone is in place."""

    plans: Mapping[tuple[str, str], PlanView] = {}
    jobs: tuple[Job, ...] | None = None
    unsettled: tuple[str, ...] = ()
    half_done: tuple[InterruptedRestore, ...] = ()

    @property
    def running(self) -> tuple[Job, ...]:
        """The jobs that run now, newest first."""
        return tuple(job for job in self.jobs or () if job.state == "running")

    def count(self, level: Level) -> int:
        """How many plans of the configuration are at that level; a restore that is half done is failing."""
        half = len(self.half_done) if level is Level.FAILING else 0
        return half + sum(view.level is level for view in self.plans.values() if view.config is not None)
