"""The Backup pane: plans, their sets, and the running job."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Horizontal

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
from lilfox_tui.app.panes.backup.view import LOW, BackupView, JobSection
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.shared_actions import ErrorActions, ListActions, StateList
from lilfox_tui.app.widgets import Lines, more_below
from lilfox_tui.backup.restores import interrupted
from lilfox_tui.backup.sets.names import local_zone
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import Message
from lilfox_tui.monitor.model import Backups

PAINT_S, SLOW_PAINT_S = 0.5, 2.0
"""Between two drawings of progress, and over a slow link."""
AGES_S = 5.0
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
        self.view = BackupView(context)
        self.job = JobSection(context, self._repaint_soon)
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
        self._heights: dict[str, int] = {}
        self._widths: tuple[int, int] | None = None
        self._possible: object = None

    def compose(self) -> ComposeResult:
        yield Lines(id="backup-warnings")
        with Horizontal(id="backup-lists"):
            yield Lines(sticky=2, id="plans")
            yield Lines(sticky=2, id="sets")
        yield Lines(id="backup-preview")
        yield Lines(sticky=1, id="backup-page")
        yield Lines(id="backup-job")
        yield Lines(id="backup-detail")

    def on_mount(self) -> None:
        self.state.zone = local_zone()
        self.lilfox.monitor.backups.show()
        self.state.backups = self.lilfox.monitor.backups.backups
        self.set_interval(AGES_S, self._repaint_ages)
        self._read_restores()
        self._follow_backups()

    # ---- what there is ------------------------------------------------------------------------------------------

    @work(exclusive=True, group="backups")
    async def _follow_backups(self) -> None:
        state = self.state
        async with aclosing(self.lilfox.monitor.backups.feed.watch()) as states:
            async for newest in states:
                if isinstance(newest, Ready) and not self.lilfox.leaving and newest.value is not state.backups:
                    ended = _ended(state.backups)
                    state.backups = newest.value
                    if _ended(state.backups) != ended:
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

    def rewind(self, _at: datetime | None) -> None:
        """Redraws. Past states of backups are not recorded, so a rewound screen shows the present and says so."""
        self.repaint()

    # ---- the page of a set, and the mouse ------------------------------------------------------------------------

    def open_page(self, set_id: str | None) -> None:
        """Opens the page of a set; None shows the lists."""
        self.state.open(set_id)
        self.query_one("#backup-page", Lines).scroll_rows(-_ALL)
        self.repaint()
        self.lilfox.repaint_frame()

    def _scroll_page(self, step: int) -> None:
        lines = self.query_one("#backup-page", Lines)
        lines.scroll_rows(step)
        self.look_below(lines)

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        state, place = self.state, event.index - event.lines.sticky
        if place < 0 or state.page is not None:
            return
        if event.lines.id == "plans" and place < len(state.plans):
            state.focus = "plans"
            state.choose_plan(state.plans[place].key)
        elif event.lines.id == "sets" and place < len(state.sets):
            found = state.sets[place]
            again = state.focus == "sets" and state.selected_set is found
            state.choose_set(found.id)
            if again:
                self.open_page(found.id)
        self.repaint()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)
        if self.state.page is not None:
            self.look_below(event.lines)

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.repaint)

    def _repaint_ages(self) -> None:
        if self.display and not self.lilfox.leaving:
            self.repaint()

    def _repaint_soon(self) -> None:
        """Draws what changed, within the rate limit."""
        if not self._paint_due:
            self._paint_due = True
            self.set_timer(SLOW_PAINT_S if self.lilfox.slow_link else PAINT_S, self._repaint_what_changed)

    def _repaint_what_changed(self) -> None:
        self._paint_due = False
        if not self.lilfox.leaving:
            self.repaint()

    def repaint(self) -> None:
        if not self.display or not self.is_mounted or self.lilfox.room.width == 0:
            return
        self._follow_job()
        page, warnings = self.view.page(), self.view.warnings()
        below, detail = self.job.rows(self.view.now), self.view.detail()
        heights = {"warnings": len(warnings), "job": len(below), "detail": len(detail)}
        preview = self.view.preview(sum(heights.values()))
        self._arrange(page is not None, heights | {"preview": len(preview)})
        if page is not None:
            lines = self.query_one("#backup-page", Lines)
            lines.show(page, follow=False)
            self.call_after_refresh(self.look_below, lines)
        else:
            self._paint_lists()
        self.query_one("#backup-warnings", Lines).show(warnings)
        self.query_one("#backup-preview", Lines).show(preview)
        self.query_one("#backup-job", Lines).show(below)
        self.query_one("#backup-detail", Lines).show(detail)
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

    def _arrange(self, is_page: bool, heights: dict[str, int]) -> None:
        """Sets the height of each part and the widths of the lists; a page takes the place of both lists."""
        for name, rows in heights.items():
            if self._heights.get(name) != rows:
                self._heights[name] = rows
                part = self.query_one(f"#backup-{name}", Lines)
                part.display = rows > 0
                part.styles.height = rows
                self.call_after_refresh(self.repaint)  # what is below is known once that is laid out
        lists, page = self.query_one("#backup-lists", Horizontal), self.query_one("#backup-page", Lines)
        if page.display is not is_page:
            page.display, lists.display = is_page, not is_page
            self.call_after_refresh(self.repaint)
        if (widths := self.view.split()) != self._widths:
            self._widths = widths
            for name, width in zip(("plans", "sets"), widths, strict=True):
                part = self.query_one(f"#{name}", Lines)
                part.display, part.styles.width = width > 0, width
            self.call_after_refresh(self.repaint)
        for name in ("plans", "sets"):
            self.query_one(f"#{name}", Lines).sticky = 2 if self.lilfox.room.height >= LOW else 1

    def _paint_lists(self) -> None:
        left, right = self.view.split()
        if left:
            self.view.paint_plans(self.query_one("#plans", Lines), left)
        if right:
            self.view.paint_sets(self.query_one("#sets", Lines), right)


def _ended(backups: Backups | None) -> set[str]:
    """The ids of the jobs that have ended. If there are new ones, the items that restores retain may have changed."""
    return {job.id for job in (() if backups is None else backups.jobs or ()) if job.state != "running"}
