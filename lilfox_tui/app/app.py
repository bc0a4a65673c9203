"""The app: the frame around the panes, one screen. ``shell.py`` is its state, ``app_keys.py`` what its keys do."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Sequence
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Horizontal

from lilfox_tui.app.actions import Action, actions_of, bound_actions, rebound
from lilfox_tui.app.app_keys import AppKeys
from lilfox_tui.app.frame import HeaderState, fitting, footer, header, job_pieces, tabs, worst_plan
from lilfox_tui.app.glyphs import Glyphs
from lilfox_tui.app.incident_line import incident_pieces
from lilfox_tui.app.job_words import is_ours, user
from lilfox_tui.app.overview_feed import OverviewFeed
from lilfox_tui.app.pane import Pane
from lilfox_tui.app.shell import TABS_FROM
from lilfox_tui.app.tabs import BACKUP, LOGS, METRICS, RUNBOOK, TABS
from lilfox_tui.app.terminal import Departure
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.app.widgets.text_field import TextField
from lilfox_tui.config.model import Config
from lilfox_tui.config.themes import Theme
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Ready
from lilfox_tui.i18n import tr
from lilfox_tui.monitor.backup_view import Backups
from lilfox_tui.monitor.monitor import Monitor

if TYPE_CHECKING:
    from lilfox_tui.app.evidence import Selection
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.demo.stack import Stack
    from lilfox_tui.jobs.model import Job
    from lilfox_tui.monitor.incident_view import IncidentView
    from lilfox_tui.monitor.model import Overview

SETTLED_S = 3.0
"""After so long everything is imported and every host has been opened once."""
JOBS_S, SLOW_JOBS_S = 0.5, 5.0
"""Between two drawings of what runs, and over a slow link."""
RUNS_KEPT = 32
"""Runs that are held, the newest; one that goes on is held in any case."""
RUN = "runbook"
"""The kind of a job that walks a runbook."""
MONITOR_AFTER_S = 0.25
"""With files, before this machine is looked at: their first screen shows none of it, and does not wait for it."""


class LilFoxApp(AppKeys):
    """One screen: header, tabs, a pane, footer. The monitor runs inside; panes only watch it. With ``files`` it opens
    on their logs.

    Raises ConfigError where the config's keys cannot be used.
    """

    def __init__(
        self,
        monitor: Monitor,
        config: Config,
        *,
        theme: Theme,
        glyphs: Glyphs,
        slow_link: bool = False,
        demo: Stack | None = None,
        files: Sequence[str] = (),
    ) -> None:
        super().__init__(monitor, config, theme=theme, glyphs=glyphs, slow_link=slow_link, demo=demo, files=files)
        self.current = LOGS if files else METRICS
        self.panes = {self.current: TABS[self.current].load()(self)}
        self._overviews = OverviewFeed(slow_link=slow_link)
        self.all_actions = self._actions(self.pane)
        self._departure = Departure(self.exit)
        self._landed = False

    def compose(self) -> ComposeResult:
        yield Lines(ground="bar", id="header")
        yield Lines(id="tabs")
        yield from self.panes.values()
        yield Lines(ground="bar", id="footer")
        with Horizontal(id="line-row") as row:
            row.display = False
            yield Lines(ground="bar", id="line-label")
            line = TextField(id="line", select_on_focus=False)
            line.display = False
            yield line

    def on_mount(self) -> None:
        self._started_s = time.monotonic()
        self._bind_keys()
        if not self.is_headless:
            self._departure.watch(asyncio.get_running_loop())
        if self.files:
            self.set_timer(MONITOR_AFTER_S, self._look_at_hosts)
        else:
            self._look_at_hosts()
        self.call_after_refresh(self.repaint_frame)
        self.set_timer(SETTLED_S, self._settle)
        self._follow_jobs()
        self._follow_incident()

    @work(exclusive=True, group="acting")
    async def _follow_incident(self) -> None:
        """Tells, whichever pane is open, that somebody took the incident over."""
        async with aclosing(self.monitor.incidents.feed.watch()) as states:
            async for state in states:
                if isinstance(state, Ready) and (said := self.acting.look(state.value)) is not None:
                    self.tell(said)
                    self._run_changed()

    @work(exclusive=True, group="jobs")
    async def _follow_jobs(self) -> None:
        """Tells in the frame what runs; the feed has the newest, however long drawing rests."""
        async with aclosing(self.monitor.backups.feed.watch()) as states:
            async for state in states:
                if isinstance(state, Ready) and not self._exit:
                    self._land(state.value)
                    for job in state.value.running:
                        if job.kind == RUN:
                            self.attach(job.id)
                    self.repaint_frame()
                    await asyncio.sleep(SLOW_JOBS_S if self.slow_link else JOBS_S)

    def selected_logs(self) -> Selection | None:
        from lilfox_tui.app.evidence_keys import EvidenceKeys

        pane = self.panes.get(LOGS)
        return pane.evidence() if isinstance(pane, EvidenceKeys) else None

    def attach(self, job: str) -> RunLog:
        if job not in self.runs:
            from lilfox_tui.app.run_log import RunLog

            ended = [name for name, run in self.runs.items() if run.ended is not None]
            for name in ended[: max(0, len(self.runs) - RUNS_KEPT + 1)]:  # asked for again, it is read again
                del self.runs[name]
            self.runs[job] = RunLog(job)
            self._follow_run(self.runs[job])
        return self.runs[job]

    @work(group="runs")
    async def _follow_run(self, run: RunLog) -> None:
        with suppress(LilFoxError):  # its folder is gone or may not be read: the listing tells what is known
            await run.follow(partial(self._run_changed, run))

    def _run_changed(self, run: RunLog | None = None) -> None:
        if not self._exit:
            if run is not None and run.taken_by:
                self.tell(tr("{who} took over this run: you follow now; O in pane 4 takes it back", who=run.taken_by))
                run.taken_by = ""
            for pane in self.panes.values():
                pane.runs_changed()
            self.repaint_frame()

    def _land(self, backups: Backups) -> None:
        """Opens on the progress of a restore of ours that runs, or on a run of a runbook that is left of the incident,
        unless somebody has begun to do something else."""
        if self._landed or backups.jobs is None:
            return
        self._landed = True
        if any(is_ours(job, user()) and job.kind in ("restore", "undo") for job in backups.running):
            self._land_at(BACKUP)
        elif runs := [job for job in backups.jobs if job.kind == RUN and job.user == user()]:
            self._land_on_run(runs)

    def _land_at(self, place: int) -> None:
        if not self.touched and not self.files and len(self.screen_stack) == 1:
            self.open_pane(place)

    @work(group="land")
    async def _land_on_run(self, runs: Sequence[Job]) -> None:
        """Offers to go on with the newest run that is not at its end, or whose job was killed, in an open incident."""
        from lilfox_tui.app.panes.runbook.items import left_over
        from lilfox_tui.incident.incidents import current_folder

        left = next(iter(left_over(runs).values()), None)
        if left is None:
            return
        with suppress(LilFoxError):  # it is told where the incident is shown
            folder = await asyncio.to_thread(current_folder)
            if folder is None:
                return
            self._land_at(RUNBOOK)
            if self.current == RUNBOOK and not self.touched:
                self.pane.select_run(left.key)
            self.tell(
                tr("{incident} is open, and {title} has not ended: pane 4 shows what waits",
                   incident=folder.name, title=left.title)
            )  # fmt: skip

    def _actions(self, pane: Pane) -> tuple[Action, ...]:
        """What can be done in a pane, by the config's keys. Only where there are any, all panes are looked at."""
        own = (*pane.actions(), *bound_actions(self))
        elsewhere = [each.id for tab in TABS for each in actions_of(tab.load())] if self.config.keys else ()
        return rebound(own, self.config.keys, elsewhere)

    def _bind_keys(self) -> None:
        """Binds what is not bound yet: Textual keeps all that a key was ever bound to, and looks through it."""
        for key in {key for each in self.all_actions for key in each.keys} - self._bindings.key_to_bindings.keys():
            self.bind(key, f"press('{key}')", show=False)

    def open_pane(self, place: int) -> None:
        if place == self.current:
            return
        self.pane.display = False
        self.current = place
        self.pane_at(place).display = True
        self.all_actions = self._actions(self.pane)
        self._bind_keys()
        self.pane.rewind(self.rewound)
        self.pane.repaint()
        self.repaint_frame()

    def pane_at(self, place: int) -> Pane:
        if place not in self.panes:
            self.panes[place] = TABS[place].load()(self)
            self.panes[place].display = False
            self.screen_stack[0].mount(self.panes[place], before="#footer")
        return self.panes[place]

    def _settle(self) -> None:
        """What is there by now stays: no collection walks it. From here on there are collections (see __main__)."""
        gc.freeze()
        gc.enable()

    def _look_at_hosts(self) -> None:
        if self.screen_stack:  # else it has been left by now
            self._follow_overview()
            self._run_monitor()

    @work(exclusive=True, group="overview")
    async def _follow_overview(self) -> None:
        async with aclosing(self.monitor.overview.watch()) as states:
            async for state in states:
                if isinstance(state, Ready) and not self._exit:  # leaving: parts of the screen may be gone
                    self._take(state.value)

    def _take(self, overview: Overview) -> None:
        """Makes ``overview`` the newest there is, and draws it unless the screen is paused or turned back."""
        if overview is self._overviews.newest:
            return
        if firing := self._overviews.firing(overview):
            self.tell(tr("firing now: {names}; ! goes there", names=firing))
            if self.config.alerts.bell and not any(each.kind == "bell" for each in self.config.notifiers.values()):
                self.bell()
        shown = self._overviews.is_shown(overview, self.shown, paused=self.paused, rewound=self.rewound is not None)
        for pane in self.panes.values():
            pane.take(overview)
            if shown:
                pane.show(overview)
        if shown:
            self.frame(overview)

    @work(exclusive=True, group="monitor", exit_on_error=True)
    async def _run_monitor(self) -> None:
        self.monitor.alerting.ring = lambda _notice: self.bell()
        await self.monitor.run()

    def frame(self, overview: Overview) -> None:
        super().frame(overview)
        self.pane.clock_moved()

    def repaint_frame(self) -> None:
        """Draws header, tabs and footer; only what has changed reaches the terminal."""
        if not self.is_attached or not self.screen_stack:
            return
        width = self.size.width
        screen = self.screen_stack[0]
        if not screen.query("#header"):  # leaving: parts of the screen are gone
            return
        jobs = job_pieces(self.monitor.backups.backups, self.glyphs)
        told = incident_pieces(
            self._incident_shown(), self.runs.values(), self.clock, self.glyphs, seconds=not self.slow_link,
        )  # fmt: skip
        state = HeaderState(
            name=self.config.name,
            now=self.clock,
            rewound_by_s=None if self.rewound is None else (datetime.now(UTC) - self.rewound).total_seconds(),
            paused=self.paused,
            read_only=self.config.read_only,
            seconds=not self.slow_link,
            jobs=() if self.tabs_fit else (*told[-2], *jobs),
        )
        screen.query_one("#header", Lines).show([header(self.shown, state, width, self.glyphs)])
        titles = [str(tab.title) for tab in TABS]
        marks = {BACKUP: worst_plan(self.shown, self.glyphs)}
        status = fitting(titles, marks, told, (*self.pane.status(), *jobs), width)
        screen.query_one("#tabs", Lines).show([tabs(titles, marks, self.current, status, width)])
        ordered = sorted((each for each in self.all_actions if each.footer), key=lambda each: each.footer)
        can = [(each, each.why_not() is None) for each in ordered]
        screen.query_one("#footer", Lines).show([footer(can, width, *self.note)])

    def _incident_shown(self) -> IncidentView | None:
        """The open incident; on a screen that is turned back nothing of one that was not open yet."""
        view = self.monitor.incidents.feed.value
        incident = None if view is None else view.incident
        early = incident is not None and self.rewound is not None and incident.opened > self.rewound
        return None if early else view

    def on_resize(self, event: events.Resize) -> None:
        """``size`` is still the one before: Textual takes the new one over after this."""
        screen = self.screen_stack[0]
        screen.query_one("#tabs", Lines).display = event.size.height >= TABS_FROM
        self.call_after_refresh(self.repaint_frame)
