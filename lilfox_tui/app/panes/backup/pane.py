"""The Backup pane: plans, their sets, and the running job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime

from textual import events, work
from textual.app import ComposeResult

from lilfox_tui.app.console import Console
from lilfox_tui.app.pane import Pane, PaneContext
from lilfox_tui.app.panes.backup.actions import (
    JobActions,
    JobStarter,
    PlanActions,
    PlanListActions,
    RestoreActions,
    SetActions,
)
from lilfox_tui.app.panes.backup.state import BackupState
from lilfox_tui.app.panes.backup.view import BackupScreen, BackupView, JobSection
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.shared_actions import ErrorActions, ListActions, StateList
from lilfox_tui.app.widgets import Lines, more_below
from lilfox_tui.backup.restores import interrupted
from lilfox_tui.backup.sets.names import local_zone
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.monitor.model import Backups

PAINT_S, SLOW_PAINT_S = 0.5, 2.0
"""Between two drawings of progress, and over a slow link."""
_ALL = 10**6


class BackupLists(StateList[BackupState]):
    """The two lists of the Backup pane. ``scroll_page`` scrolls the open page."""

    def __init__(
        self,
        context: PaneContext[BackupState],
        open_page: Callable[[str | None], None],
        scroll_page: Callable[[int], None],
    ) -> None:
        super().__init__(context)
        self._open_page, self._scroll_page = open_page, scroll_page

    def move(self, step: int) -> None:
        """Moves ``step`` rows down (or up, if negative) in the list or on the open page."""
        if self._state.page is not None:
            self._scroll_page(step)
        else:
            self._state.move(step)
            self._context.repaint()

    def open_selected(self) -> None:
        """Opens the sets of the selected plan, or the details of the selected set."""
        if self._state.focus == "plans":
            self._state.choose_set(None)
            self._context.repaint()
        elif (found := self._state.selected_set) is not None:
            self._open_page(found.id)

    def why_not_open(self) -> Message | None:
        return self._state.why_not_open()

    def why_not_filter(self) -> Message | None:
        return None if self._state.plans else tr("there is no set to filter")

    def back(self) -> None:
        """Goes back one level: closes the page, else clears the filter, else returns to the plans."""
        if self._state.page is not None:
            self._open_page(None)
        elif self._state.filter:
            self.set_filter("")
        else:
            self._state.focus = "plans"
            self._context.repaint()

    def copy_selected(self) -> None:
        """Copies the id of the set."""
        if (found := self._state.selected_set) is not None:
            self._context.app.copy_text(found.id)

    def why_not_copy(self) -> Message | None:
        return self._state.why_no_set()


class BackupPane(Pane):
    """The pane: plans on the left, the sets of the selected one on the right, running jobs and problems below."""

    GROUPS = (ListActions, PlanListActions, JobActions, PlanActions, SetActions, RestoreActions, ErrorActions)

    ID = "backup"

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.state = BackupState(lilfox.config)
        context = PaneContext(self, self.state)
        self.job = JobSection(context, self._repaint_soon)
        self.view = BackupView(context, self.job)
        self._starter = starter = JobStarter(context)
        restores = RestoreActions(context, starter)
        self.groups = (
            ListActions(lilfox, BackupLists(context, self.open_page, self._scroll_page)),
            PlanListActions(context),
            JobActions(context),
            PlanActions(context, starter),
            SetActions(context, starter, restores.undo_of),
            restores,
            ErrorActions(lilfox),
        )
        self._paint_due = False
        self._screen = BackupScreen()
        self._possible: object = None

    def compose(self) -> ComposeResult:
        yield Lines(id="backups")

    def on_mount(self) -> None:
        self.state.zone = local_zone()
        self.lilfox.monitor.backups.show()
        self.state.rewind(self.lilfox.rewound)
        self.state.take(self.lilfox.monitor.backups.backups)
        self._read_restores()
        self._follow_backups()

    # ---- what there is ------------------------------------------------------------------------------------------

    @work(exclusive=True, group="backups")
    async def _follow_backups(self) -> None:
        state = self.state
        async with aclosing(self.lilfox.monitor.backups.feed.watch()) as states:
            async for newest in states:
                if isinstance(newest, Ready) and not self.lilfox.leaving and newest.value is not state.present:
                    ended = _ended(state.present)
                    state.take(newest.value)
                    if _ended(newest.value) != ended:
                        self._read_restores()
                    self._starter.tell_ended(newest.value)
                    self._follow_job()
                    self._repaint_soon()

    def _follow_job(self) -> None:
        if self.display:  # nobody follows what nobody sees
            self.job.follow()

    @work(exclusive=True, group="restores", exit_on_error=False)
    async def _read_restores(self) -> None:
        """Reads the restore records again."""
        known = await asyncio.to_thread(interrupted.read_all)
        self.state.restores = [each for each in known if each.stage in interrupted.RETAINING]
        self.repaint()

    def rewind(self, at: datetime | None) -> None:
        """Shows the sets that there were ``at`` (aware UTC), as far as that is known, or those of now."""
        self.state.rewind(at)
        self.repaint()

    # ---- the page of a set, and the mouse ------------------------------------------------------------------------

    def open_page(self, set_id: str | None) -> None:
        """Opens the page of a set; None shows the lists."""
        self.state.open(set_id)
        self.view.scroll_page(-_ALL)
        self.repaint()
        self.lilfox.repaint_frame()

    def _scroll_page(self, step: int) -> None:
        self.view.scroll_page(step)
        self.repaint()

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        state, hit = self.state, self._screen.at(event.x, event.index)
        if hit is None:
            return
        if hit.panel == "plans":
            state.focus = "plans"
            state.choose_plan(state.plans[hit.row].key)
        else:
            found = state.sets[hit.row]
            again = state.focus == "sets" and state.selected_set is found
            state.choose_set(found.id)
            if again:
                self.open_page(found.id)
        self.repaint()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        if self.state.page is not None:
            self._scroll_page(event.delta)
        else:
            self.state.move(1 if event.delta > 0 else -1)
            self.repaint()

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.repaint)

    def _repaint_soon(self) -> None:
        """Draws what changed, within the rate limit."""
        if not self._paint_due:
            self._paint_due = True
            self.set_timer(SLOW_PAINT_S if self.lilfox.slow_link else PAINT_S, self._repaint_what_changed)

    def _repaint_what_changed(self) -> None:
        self._paint_due = False
        if not self.lilfox.leaving:
            self.repaint()

    def clock_moved(self) -> None:
        if self.display and not self.lilfox.leaving:
            self.repaint()

    def repaint(self) -> None:
        if not self.display or not self.is_mounted or self.lilfox.room.width == 0:
            return
        self._follow_job()
        self._screen = self.view.draw()
        self.query_one("#backups", Lines).show(self._screen.rows)
        self.tell_below(self._screen.below)
        self._tell_what_can_be_done()

    def _tell_what_can_be_done(self) -> None:
        """Redraws the footer if the enabled keys have changed."""
        state, job, found = self.state, self.state.shown_job, self.state.selected_set
        possible = (state.page, state.busy, None if job is None else job.id, None if found is None else found.id,
                    state.backups is None or state.backups.running, len(state.interrupted_restores),
                    len(state.undoable))  # fmt: skip
        if possible != self._possible:
            self._possible = possible
            self.lilfox.repaint_frame()

    def status(self) -> Row:
        return (Piece(more_below(self.rows_below), "muted"),) if self.state.page is not None else ()


def _ended(backups: Backups | None) -> set[str]:
    """The ids of the jobs that have ended. If there are new ones, the items that restores retain may have changed."""
    return {job.id for job in (() if backups is None else backups.jobs or ()) if job.state != "running"}
