"""What begins a run in the Runbook pane, and what waits in it; each with the reason when it cannot be done.

Nothing that changes something begins on one key. What it needs of runbook/, incident/ and jobs/ is imported when it is
asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import work

from lilfox_tui.app.actions import action
from lilfox_tui.app.console import Console
from lilfox_tui.app.panes.runbook.item import Item
from lilfox_tui.app.panes.runbook.keys import LIST, STEPS
from lilfox_tui.app.panes.runbook.text_keys import RunbookTextKeys
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, tr

if TYPE_CHECKING:
    from lilfox_tui.app.run_log import RunLog
    from lilfox_tui.runbook.run.protocol import Order

OPENED_S = 30.0
"""So long a job that has begun has to open its run."""


class RunbookRunKeys(RunbookTextKeys):
    """Begins runs, which outlive the screen: their jobs take orders from here."""

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self._given: dict[str, dict[str, str]] = {}
        """Of each run, the values that were given here; secret ones too, which are nowhere else but in its job."""

    @action("run", "enter", tr("run"), tr("begin a run, or run what waits: what changes something is shown and asked "
            "first; in a list, open the row"), why_not=lambda self: self.no_enter(), footer=1)  # fmt: skip
    def enter(self) -> None:
        if self.column == LIST or self.shows_less:
            self.go_column(self.column + 1)
        else:
            self._act()

    @work(exclusive=True, group="order", exit_on_error=False)
    async def _act(self) -> None:
        run, turn = self.run, self.turn
        if run is None:
            await self._begin()
        elif turn is not None and self.place not in (self.place_of(turn), (turn.step, None)):
            self.choose_place(None)
            self.lilfox.tell(tr("this is what waits; enter once more runs it"))
        else:
            await self.go_on(run)
        self.repaint()
        self.lilfox.repaint_frame()

    async def go_on(self, run: RunLog) -> None:
        """Does what waits in a run; ``order_keys.py`` knows how."""
        raise NotImplementedError

    # ---- beginning -------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        item, log = self.item, self.seen
        if item is None:
            return
        if log is not None and log.ended is None:
            self.lilfox.tell(tr("it is just beginning"))
        elif self.killed is not None:
            await self._resume(item)
        elif item.runbook is not None:
            await self._begin_anew(item)

    async def _begin_anew(self, item: Item) -> None:
        runbook = item.runbook
        assert runbook is not None
        if not await self.allowed(runbook):
            return
        incident = await self._incident_for(item)
        if incident is None:
            return
        from lilfox_tui.runbook.control import begin

        app, values = self.lilfox, self.values_of_cause(runbook)
        path = app.monitor.backups.config_path
        await self._begin_job(item, lambda: begin(runbook, app.config, path, values=values, incident=incident))

    async def _incident_for(self, item: Item) -> str | None:
        """The id of the incident that the run is part of, empty for none; None where nothing is to begin."""
        from lilfox_tui.incident.incidents import current_folder

        there = await asyncio.to_thread(current_folder)  # what is shown may not have it yet
        again = self.seen is not None or item.last is not None
        if there is not None and not again:
            return there.name
        from lilfox_tui.app.dialogs.options import Options
        from lilfox_tui.app.panes.runbook.dialogs import again_ways, beginning_rows, beginning_ways

        runbook, cause = item.runbook, self.cause
        assert runbook is not None
        rows = beginning_rows(runbook, cause, self.values_of_cause(runbook), self.lilfox.config)
        title = _("Run {title} once more", title=runbook.title) if again else _("Run {title}", title=runbook.title)
        incident = "" if there is None else there.name
        ways = again_ways(runbook, cause, incident) if again else beginning_ways(runbook, cause)
        chosen = await self.lilfox.push_screen_wait(Options(title, rows, ways))
        if chosen != "with":
            return None if chosen is None else incident
        from lilfox_tui.runbook.control import open_incident_for

        told = ("", "") if cause is None else (cause.title, cause.severity)
        opened = await asyncio.to_thread(open_incident_for, runbook, cause=told[0], severity=told[1])
        self.lilfox.monitor.incidents.look_again()
        return opened

    async def _resume(self, item: Item) -> None:
        """Goes on with a run whose job is gone, or begins a new one."""
        from lilfox_tui.app.dialogs.options import Option, Options
        from lilfox_tui.app.panes.runbook.dialogs import resuming_rows
        from lilfox_tui.runbook.control import go_on
        from lilfox_tui.runbook.run.persistence import newest_run, runbook_of

        job, app = item.job, self.lilfox
        assert job is not None
        ways = [Option("enter", _("go on where it was"), "on")]
        if item.runbook is not None:
            ways.append(Option("n", _("begin a new run"), "anew"))
        chosen = await app.push_screen_wait(Options(_("This run was cut off"), resuming_rows(job), ways))
        if chosen == "anew":
            await self._begin_anew(item)
        elif chosen == "on" and await self.allowed(await asyncio.to_thread(lambda: runbook_of(newest_run(job.id)))):
            await self._begin_job(item, lambda: go_on(job.id, app.config, app.monitor.backups.config_path))

    async def _begin_job(self, item: Item, begin: Callable[[], str]) -> None:
        """Begins a job and watches it until its run is open; then what only reads is run at once."""
        self.busy = True
        try:
            job = await asyncio.to_thread(begin)
            self.last_run[item.key] = job
            log = self.lilfox.attach(job)
            async with asyncio.timeout(OPENED_S):
                while (log.folding is None or log.folding.taking_over) and log.ended is None:
                    await log.next_change()
        except TimeoutError:
            self.lilfox.tell(tr("job {id} runs and has not opened its run yet", id=job))
            return
        finally:
            self.busy = False
        if log.ended is not None:
            raise LilFoxError(log.ended.message, log.ended.hint)
        self.choose_item(item.key)
        self.choose_place(None)
        self.column = max(self.column, STEPS)
        if log.state is not None and log.state.waiting.what == "order":
            await self.go_on(log)

    # ---- orders ----------------------------------------------------------------------------------------------------

    async def order(self, run: RunLog, order: Order) -> bool:
        """Gives an order; whether it was taken, else why not is told."""
        from lilfox_tui.runbook.run.protocol import send

        self.busy = True
        run.trouble = ""
        try:
            await send(run.folder, order)
        except LilFoxError as error:
            run.trouble = str(error.message)
            self.lilfox.tell(error)
            return False
        finally:
            self.busy = False
        self.choose_place(None)
        return True

    def given(self, run: RunLog) -> dict[str, str]:
        """The values that were given here for a run, by name."""
        return self._given.setdefault(run.job_id, {})
