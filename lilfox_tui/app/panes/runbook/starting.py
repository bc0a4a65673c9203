"""What begins a run in the Runbook pane, or goes on with one that was cut off. Runs outlive the screen: their jobs take
orders from here.

What it needs of runbook/, incident/ and jobs/ is imported when it is asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.runbook.items import RunbookItem
from lilfox_tui.app.panes.runbook.state import STEPS, RunbookState
from lilfox_tui.app.panes.runbook.waiting import WaitingSteps
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, tr

if TYPE_CHECKING:
    from lilfox_tui.runbook.model import Runbook

OPENED_S = 30.0
"""So long a job that has begun has to open its run."""


class RunStarter:
    """Begins the run of the chosen runbook, or does what waits in it."""

    def __init__(self, context: PaneContext[RunbookState], waiting: WaitingSteps) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._waiting = waiting

    async def begin_or_go_on(self) -> None:
        """Begins a run; of one that goes on shows first what waits, then does it."""
        state = self._state
        run, turn = state.run, state.turn
        if run is None:
            await self._begin()
        elif turn is not None and state.place not in (state.place_of(turn), (turn.step, None)):
            state.choose_place(None)
            self._app.tell(tr("this is what waits; enter once more runs it"))
        else:
            await self._waiting.go_on(run)
        self._context.repaint_all()

    async def _begin(self) -> None:
        item, log = self._state.item, self._state.seen
        if item is None:
            return
        if log is not None and log.ended is None:
            self._app.tell(tr("it is just beginning"))
        elif self._state.killed is not None:
            await self._resume(item)
        elif item.runbook is not None:
            await self._begin_anew(item)

    async def _begin_anew(self, item: RunbookItem) -> None:
        runbook = item.runbook
        assert runbook is not None
        if not await self._allowed(runbook):
            return
        incident = await self._incident_for(item)
        if incident is None:
            return
        from lilfox_tui.runbook.control import begin

        app, values = self._app, self._state.values_of_cause(runbook)
        path = app.monitor.backups.config_path
        await self._begin_job(item, lambda: begin(runbook, app.config, path, values=values, incident=incident))

    async def _allowed(self, runbook: Runbook) -> bool:
        """Whether a run of it may begin here: the first one of a file that nobody chose is asked."""
        from lilfox_tui.app.dialogs.options import Option, Options
        from lilfox_tui.app.panes.runbook.dialogs import first_run_rows
        from lilfox_tui.runbook.library import allow, first_run

        first = await asyncio.to_thread(first_run, runbook, self._app.config.runbooks)
        if first is None:
            return True
        ways = [Option("y", _("allow it"), "allow")]
        if await self._app.push_screen_wait(Options(_("First run here"), first_run_rows(first), ways)) != "allow":
            return False
        await asyncio.to_thread(allow, first)
        return True

    async def _incident_for(self, item: RunbookItem) -> str | None:
        """The id of the incident that the run is part of, empty for none; None where nothing is to begin."""
        from lilfox_tui.incident.incidents import current_folder

        there = await asyncio.to_thread(current_folder)  # what is shown may not have it yet
        again = self._state.seen is not None or item.last is not None
        if there is not None and not again:
            return there.name
        from lilfox_tui.app.dialogs.options import Options
        from lilfox_tui.app.panes.runbook.dialogs import again_ways, beginning_rows, beginning_ways

        runbook, cause = item.runbook, self._state.cause
        assert runbook is not None
        rows = beginning_rows(runbook, cause, self._state.values_of_cause(runbook), self._app.config)
        title = _("Run {title} once more", title=runbook.title) if again else _("Run {title}", title=runbook.title)
        incident = "" if there is None else there.name
        ways = again_ways(runbook, cause, incident) if again else beginning_ways(runbook, cause)
        chosen = await self._app.push_screen_wait(Options(title, rows, ways))
        if chosen != "with":
            return None if chosen is None else incident
        from lilfox_tui.runbook.control import open_incident_for

        told = ("", "") if cause is None else (cause.title, cause.severity)
        opened = await asyncio.to_thread(open_incident_for, runbook, cause=told[0], severity=told[1])
        self._app.monitor.incidents.look_again()
        return opened

    async def _resume(self, item: RunbookItem) -> None:
        """Goes on with a run whose job is gone, or begins a new one."""
        from lilfox_tui.app.dialogs.options import Option, Options
        from lilfox_tui.app.panes.runbook.dialogs import resuming_rows
        from lilfox_tui.runbook.control import go_on
        from lilfox_tui.runbook.run.persistence import newest_run, runbook_of

        job, app = item.job, self._app
        assert job is not None
        ways = [Option("enter", _("go on where it was"), "on")]
        if item.runbook is not None:
            ways.append(Option("n", _("begin a new run"), "anew"))
        chosen = await app.push_screen_wait(Options(_("This run was cut off"), resuming_rows(job), ways))
        if chosen == "anew":
            await self._begin_anew(item)
        elif chosen == "on" and await self._allowed(await asyncio.to_thread(lambda: runbook_of(newest_run(job.id)))):
            await self._begin_job(item, lambda: go_on(job.id, app.config, app.monitor.backups.config_path))

    async def _begin_job(self, item: RunbookItem, begin: Callable[[], str]) -> None:
        """Begins a job and watches it until its run is open; then what only reads is run at once."""
        state = self._state
        state.busy = True
        try:
            job = await asyncio.to_thread(begin)
            state.last_run[item.key] = job
            log = self._app.attach(job)
            async with asyncio.timeout(OPENED_S):
                while (log.folding is None or log.folding.taking_over) and log.ended is None:
                    await log.next_change()
        except TimeoutError:
            self._app.tell(tr("job {id} runs and has not opened its run yet", id=job))
            return
        finally:
            state.busy = False
        if log.ended is not None:
            raise LilFoxError(log.ended.message, log.ended.hint)
        state.choose_item(item.key)
        state.choose_place(None)
        state.column = max(state.column, STEPS)
        if log.state is not None and log.state.waiting.what == "order":
            await self._waiting.go_on(log)
