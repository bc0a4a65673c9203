"""Follows what the app shows: the overview, and jobs and runbook runs in progress."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import TYPE_CHECKING

from lilfox_tui.app.console import Console
from lilfox_tui.app.navigation import BACKUP, RUNBOOK, Navigation
from lilfox_tui.app.rows.job_words import is_ours, user
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import listed, tr
from lilfox_tui.monitor.model import Backups, Overview

if TYPE_CHECKING:
    from lilfox_tui.alerts.model import Alert, Alerts
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.jobs.model import Job


JOBS_S, SLOW_JOBS_S = 0.5, 5.0
"""Between two drawings of what runs, and over a slow link."""
RUNS_KEPT = 32
"""Runs that are held, the newest; one that goes on is held in any case."""
RUN = "runbook"
"""The kind of a job that walks a runbook."""


class RunFollower:
    """Follows jobs and runs in the background."""

    def __init__(self, app: Console, navigation: Navigation) -> None:
        self._app, self._navigation = app, navigation
        self.landed = False
        """Whether it was looked where the console opens."""

    async def follow_jobs(self) -> None:
        """Shows the running jobs in the frame. Pausing between drawings loses nothing, because the feed always has the
        newest state."""
        async with aclosing(self._app.monitor.backups.feed.watch()) as states:
            async for state in states:
                if isinstance(state, Ready) and not self._app.leaving:
                    self._land(state.value)
                    for job in state.value.running:
                        if job.kind == RUN:
                            self.attach(job.id)
                    self._app.repaint_frame()
                    await asyncio.sleep(SLOW_JOBS_S if self._app.slow_link else JOBS_S)

    async def follow_incident(self) -> None:
        """Reports in any pane that somebody has taken the incident over."""
        async with aclosing(self._app.monitor.incidents.feed.watch()) as states:
            async for state in states:
                if isinstance(state, Ready) and (said := self._app.acting.look(state.value)) is not None:
                    self._app.announce(said)
                    self._run_changed()

    def attach(self, job: str) -> RunLog:
        """The log of a runbook run, which follows its job from the first event on."""
        runs = self._app.runs
        if job not in runs:
            from lilfox_tui.app.run_log import RunLog

            ended = [name for name, run in runs.items() if run.ended is not None]
            for name in ended[: max(0, len(runs) - RUNS_KEPT + 1)]:  # asked for again, it is read again
                del runs[name]
            runs[job] = RunLog(job)
            self._app.run_worker(self._follow_run(runs[job]), group="runs")
        return runs[job]

    async def _follow_run(self, run: RunLog) -> None:
        with suppress(LilFoxError):  # its folder is gone or may not be read: the listing tells what is known
            await run.follow(partial(self._run_changed, run))

    def _run_changed(self, run: RunLog | None = None) -> None:
        if self._app.leaving:
            return
        if run is not None and run.taken_by:
            self._app.announce(
                tr(
                    "{who} took over this run: you are now following; press a in pane 4 to take it back",
                    who=run.taken_by,
                )
            )
            run.taken_by = ""
        for pane in self._navigation.panes.values():
            pane.runs_changed()
        self._app.repaint_frame()

    # ---- where the console opens ---------------------------------------------------------------------------------

    def _land(self, backups: Backups) -> None:
        """Opens the pane of the user's running restore, else of an unfinished runbook run of the open incident, unless
        the user has already pressed a key."""
        if self.landed or backups.jobs is None:
            return
        self.landed = True
        if any(is_ours(job, user()) and job.kind in ("restore", "undo") for job in backups.running):
            self._land_at(BACKUP)
        elif runs := [job for job in backups.jobs if job.kind == RUN and job.user == user()]:
            self._app.run_worker(self._land_on_run(runs), group="land")

    def _land_at(self, place: int) -> None:
        if not self._app.touched and not self._app.files and len(self._app.screen_stack) == 1:
            self._navigation.open(place)

    async def _land_on_run(self, runs: Sequence[Job]) -> None:
        """Opens the Runbook pane on the newest run that has not finished or whose job was killed, if an incident is
        open."""
        from lilfox_tui.app.panes.runbook.state import left_over
        from lilfox_tui.incident.incidents import current_folder

        left = next(iter(left_over(runs).values()), None)
        if left is None:
            return
        with suppress(LilFoxError):  # it is told where the incident is shown
            folder = await asyncio.to_thread(current_folder)
            if folder is None:
                return
            self._land_at(RUNBOOK)
            if self._navigation.current == RUNBOOK and not self._app.touched:
                self._navigation.pane.select_run(left.key)
            self._app.announce(
                tr("{incident} is open and {title} has not ended; see pane 4",
                   incident=folder.name, title=left.title)
            )  # fmt: skip


# Which overview is on the screen: the newest, unless the screen is paused or rewound, or the link is slow.


class NewlyFiring:
    """Detects newly firing alerts. Those that already fire at the first look do not count: the user sees them when the
    screen opens."""

    def __init__(self) -> None:
        self._known: set[object] | None = None

    def take(self, alerts: Alerts) -> tuple[Alert, ...]:
        """The newly firing alerts that are neither acknowledged nor silenced."""
        firing = [alert for alert in alerts.alerts if alert.fired_at is not None and alert.resolved_at is None]
        known, self._known = self._known, {(alert.labels, alert.fired_at) for alert in firing}
        if known is None:
            return ()
        return tuple(
            alert
            for alert in firing
            if (alert.labels, alert.fired_at) not in known and alert.acknowledged is None and not alert.silenced_by
        )


SLOW_REFRESH_S = 4.9
"""Between two drawings over a slow link; a little less than five seconds, for a clock that is not exact."""


class OverviewFeed:
    """Takes the monitor's overviews and decides which to draw. A change of a level is drawn even while paused."""

    def __init__(self) -> None:
        self.newest: Overview | None = None
        self._newly_firing = NewlyFiring()

    def firing(self, overview: Overview) -> str:
        """The names of the alerts that began to fire since the last overview; empty if none did."""
        alerts = overview.alerts.value if isinstance(overview.alerts, Ready) else None
        new = () if alerts is None else self._newly_firing.take(alerts)
        return str(listed(sorted({alert.name for alert in new}))) if new else ""

    def is_shown(
        self, overview: Overview, shown: Overview | None, *, paused: bool, rewound: bool, slow_link: bool
    ) -> bool:
        """Takes ``overview`` as the newest one; returns whether to draw it now, while ``shown`` is on the screen."""
        self.newest = overview
        if rewound or shown is None:
            return not rewound
        soon = slow_link and (overview.at - shown.at).total_seconds() < SLOW_REFRESH_S
        return not (paused or soon) or _levels(overview) != _levels(shown)


def _levels(overview: Overview) -> list[object]:
    alerts = overview.alerts.value.alerts if isinstance(overview.alerts, Ready) else ()
    return [*(view.level for view in overview.views), *((each.labels, each.state) for each in alerts)]
