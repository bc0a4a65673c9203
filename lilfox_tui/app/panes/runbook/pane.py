"""The Runbook pane: runbooks, their steps, the command over its output, and the incident."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult

from lilfox_tui.app.console import Console
from lilfox_tui.app.dialogs.reader import Reader
from lilfox_tui.app.evidence import Cause, text_of_rows
from lilfox_tui.app.pane import Pane, PaneContext
from lilfox_tui.app.panes.runbook.actions import ColumnActions, RunActions, RunStarter, WaitingSteps
from lilfox_tui.app.panes.runbook.drawing import Drawing, RunbookScreen
from lilfox_tui.app.panes.runbook.incident_actions import CourseActions, IncidentActions
from lilfox_tui.app.panes.runbook.orders import Permission, RunOrders, ValuePrompts
from lilfox_tui.app.panes.runbook.state import COMMAND, INCIDENT, LIST, STEPS, RunbookState, key_of, newest_of
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rows.incidents import item_rows
from lilfox_tui.app.shared_actions import ErrorActions, ListActions, StateList
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.monitor.model import RunbooksView

if TYPE_CHECKING:
    from lilfox_tui.incident.model import Incident
    from lilfox_tui.runbook.model import Runbook

PAINT_S, SLOW_PAINT_S = 0.15, 1.0
"""Between two drawings of what runs, and over a slow link."""


class RunbookFeeds:
    """Follows the monitor's runbooks and incident; ``changed`` is called after each state."""

    def __init__(self, context: PaneContext[RunbookState], changed: Callable[[], None]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._changed = changed
        self._opened = datetime.now(UTC)
        self._state.timeline.view = self._app.monitor.incidents.feed.value  # the palette asks before it is mounted

    def start(self) -> None:
        """Takes the current states, and follows the later ones."""
        monitor = self._app.monitor
        monitor.runbooks.show()
        self._state.view = monitor.runbooks.feed.value
        self._state.timeline.view = monitor.incidents.feed.value
        self._context.run(self._follow_runbooks, group="runbooks", exclusive=True)
        self._context.run(self._follow_incident, group="timeline", exclusive=True)

    async def _follow_runbooks(self) -> None:
        async with aclosing(self._app.monitor.runbooks.feed.watch()) as states:
            async for state in states:
                if isinstance(state, Ready):
                    self._state.take_runbooks(state.value)
                    self._attach_to(state.value)
                self._changed()

    def _attach_to(self, view: RunbooksView) -> None:
        """Attaches to runs that are in progress, and to those that anybody has started since the pane was opened; they
        stay after they have ended."""
        last_run = self._state.last_run
        for key, job in newest_of(view.runs).items():
            ours = self._app.runs.get(last_run.get(key, ""))
            if ours is not None and ours.ended is None and ours.job_id != job.id:
                continue  # begun here since: it is not listed yet
            if job.state == "running" or job.started >= self._opened:
                self._app.attach(job.id)
                last_run[key] = job.id

    async def _follow_incident(self) -> None:
        async with aclosing(self._app.monitor.incidents.feed.watch()) as states:
            async for state in states:
                if isinstance(state, Ready):
                    before, self._state.timeline.view = self._state.open_incident, state.value
                    self._tell_other(before)
                self._changed()

    def _tell_other(self, before: Incident | None) -> None:
        """Reports that the current incident is no longer ``before``, unless it was changed from here."""
        now = self._state.open_incident
        if before is not None and now is not None and now.id != before.id != self._app.closed_incident:
            self._app.announce(tr("{id} is now the current incident: {title}", id=now.id, title=now.title))


class RunbookLists(StateList[RunbookState]):
    """The lists of the Runbook pane. ``read`` scrolls the output of the command; ``scroll_document`` the document, by a
    page, and returns whether there is one to scroll."""

    def __init__(
        self,
        context: PaneContext[RunbookState],
        permission: Permission,
        starter: RunStarter,
        read: Callable[[int], None],
        scroll_document: Callable[[int], bool],
    ) -> None:
        super().__init__(context)
        self._permission, self._starter, self._read = permission, starter, read
        self._scroll_document = scroll_document

    def move(self, step: int) -> None:
        """Moves ``step`` rows down or up: in the runbooks, the steps, the command's output, or the timeline."""
        if self._state.column == COMMAND:
            self._read(step)
        else:
            self._state.move(step)
        self._context.repaint_all()

    def move_page(self, direction: int) -> None:
        """Goes a page down or up; beside a list of runbooks that is in sight as a whole, in the document."""
        if not self._scroll_document(direction):
            super().move_page(direction)

    def open_selected(self) -> None:
        """Opens the selected row of a list. In the steps or the command, starts a run or performs the step that it
        waits for; of a run that has ended, shows the result."""
        state = self._state
        if state.column == INCIDENT:
            self._open_entry()
        elif self._permission.enter_opens():
            state.go_column(state.column + 1)
            self._context.repaint_all()
        elif state.finished:
            self._starter.open_result()
        else:
            self._context.run(self._starter.begin_or_go_on, group="order", exclusive=True)

    def _open_entry(self) -> None:
        """Shows the selected entry of the incident in full."""
        state, app = self._state, self._context.app
        found, item = state.timeline.then, state.timeline.selected
        if found is None or item is None:
            return
        title = Piece(f" {found[0].id}", "title")
        app.push_screen(Reader([(title,), BLANK, *item_rows(item, app.glyphs)], self.copy_selected))

    def why_not_open(self) -> Message | None:
        return self._permission.why_not_open()

    def why_not_filter(self) -> Message | None:
        return self._permission.why_not_here()

    def why_not_match(self) -> Message | None:
        return self._permission.why_not_here() or super().why_not_match()

    def back(self) -> None:
        self._state.back()
        self._context.repaint_all()

    def copy_selected(self) -> None:
        if (text := self._text_to_copy()) is not None:
            self._context.app.copy_text(text)

    def _text_to_copy(self) -> str | None:
        """On the page of the incident the selected entry in full, else what the state has."""
        state = self._state
        if state.column != INCIDENT:
            return state.text_to_copy()
        item = state.timeline.selected
        return None if item is None else text_of_rows(item_rows(item, self._context.app.glyphs))

    def why_not_copy(self) -> Message | None:
        return None if self._text_to_copy() is not None else tr("no command is selected")


class RunbookPane(Pane):
    """The pane: as many columns as fit side by side, or the page of the incident."""

    GROUPS = (ListActions, ColumnActions, RunActions, IncidentActions, CourseActions, ErrorActions)
    """Enter does more here than open a row: what RunActions says of it stands for what ListActions does."""
    ID = "runbook"

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.state = RunbookState(lilfox.runs, lambda: lilfox.shown)
        self.context = context = PaneContext(self, self.state)
        self._feeds = RunbookFeeds(context, self.runs_changed)
        permission = Permission(context)
        values = ValuePrompts(context)
        orders = RunOrders(context, values)
        waiting = WaitingSteps(context, values, orders)
        starter = RunStarter(context, waiting)
        lists = RunbookLists(context, permission, starter, self._read, self._scroll_document)
        self.groups = (
            ListActions(lilfox, lists),
            ColumnActions(context, permission),
            RunActions(context, lists, permission, orders, waiting, starter),
            IncidentActions(context, permission),
            CourseActions(context, permission),
            ErrorActions(lilfox),
        )
        self._drawing: Drawing | None = None
        self._screen = RunbookScreen()
        self._due = False
        self._possible: object = None

    def compose(self) -> ComposeResult:
        yield Lines(id="runbook-screen")

    def on_mount(self) -> None:
        self._drawing = Drawing(self.context)
        self._feeds.start()

    # ---- what changes without a key ------------------------------------------------------------------------------

    def runs_changed(self) -> None:
        """Draws what changed, within the rate limit."""
        if not self._due and self.is_mounted and not self.lilfox.leaving:
            self._due = True
            self.set_timer(SLOW_PAINT_S if self.lilfox.slow_link else PAINT_S, self._paint_what_changed)

    def _paint_what_changed(self) -> None:
        self._due = False
        if not self.lilfox.leaving:
            self.repaint()

    def clock_moved(self) -> None:
        if self.display and not self.lilfox.leaving:
            self.repaint()

    def rewind(self, at: datetime | None) -> None:
        """Redraws with the timeline as it was at that time."""
        self.state.timeline.until = at
        self.repaint()

    # ---- what leads here -----------------------------------------------------------------------------------------

    def look_for(self, cause: Cause) -> None:
        """Puts the runbooks for an alert first, and selects the first one. Where one column fits, that is the command,
        so that the next enter starts the run."""
        state = self.state
        state.look_for(cause)
        if state.column == STEPS and state.shows_less(self.lilfox.room.width):
            state.go_column(COMMAND)
        self.repaint()

    def show_runbook(self, runbook: Runbook, cause: Cause) -> None:
        """Selects a runbook for something that is no alert, which gives it values."""
        self.state.cause = cause
        self.state.set_filter("")
        self.state.choose_item(key_of(runbook))
        self.state.column = STEPS
        self.repaint()

    def status(self) -> Row:
        """The filter, where the list that it is for has folded away."""
        words = self.state.filter if self.state.column != LIST else ""
        return (Piece(f"/{words}", "accent"),) if words else ()

    def select_run(self, key: str) -> None:
        if key:
            self.state.choose_item(key)
            self.state.column = STEPS
        else:
            self.state.leave_page()
        self.repaint()

    def show_incident(self) -> None:
        self.state.open_page()
        self.repaint()

    def cause(self) -> Cause | None:
        return self.state.cause

    # ---- what the command printed, and the mouse -----------------------------------------------------------------

    def _read(self, step: int) -> None:
        """Scrolls the output, or the command above it while the output is at its start."""
        state, screen = self.state, self._screen
        at_start = screen.output_top == 0 if screen.has("output") else True
        below = screen.command_last - state.command_top
        if not screen.has("output") or (step < 0 and at_start) or (step > 0 and below > 0):
            state.command_top = max(0, min(screen.command_last, state.command_top + step))
        else:
            state.output_top = screen.scrolled_output(step)

    def _scroll_document(self, direction: int) -> bool:
        """Scrolls the document by a page if it is longer than its part, and no runbook is out of sight."""
        screen = self._screen
        area = next((part.area for part in screen.parts if part.name == "document"), None)
        if area is None or not screen.command_last or len(self.state.items) > area.inner_height:
            return False
        step = direction * max(1, area.inner_height - 1)
        self.state.command_top = max(0, min(screen.command_last, self.state.command_top + step))
        self.repaint()
        return True

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        state, hit = self.state, self._screen.at(event.x, event.index)
        if hit is None:
            return
        part, row = hit
        if part == "list" and row < len(state.items):
            state.column = LIST
            state.choose_item(state.items[row].key)
        elif part == "steps" and row < len(state.places):
            state.column = STEPS
            state.choose_place(state.places[row])
        elif part in ("command", "output"):
            state.column = COMMAND
        elif part == "timeline" and row < len(state.timeline.items):
            state.open_page()
            state.timeline.choose(row)
        self.repaint()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        hit = self._screen.at(event.x, event.y)
        part = "" if hit is None else hit[0]
        if part == "output":
            self.state.output_top = self._screen.scrolled_output(event.delta)
        elif part in ("command", "document"):
            self.state.command_top = max(0, min(self._screen.command_last, self.state.command_top + event.delta))
        elif part in ("list", "steps") or self.state.column == INCIDENT:
            self.state.column = {"list": LIST, "steps": STEPS}.get(part, INCIDENT)
            self.state.move(1 if event.delta > 0 else -1)
        self.repaint()

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.repaint)

    def repaint(self) -> None:
        drawing = self._drawing
        if drawing is None or not self.display or not self.children or self.lilfox.room.width == 0:
            return
        self._screen = drawing.draw()
        self.query_one("#runbook-screen", Lines).show(self._screen.rows, follow=False)
        self._tell_what_can_be_done()

    def _tell_what_can_be_done(self) -> None:
        """Redraws the footer if the enabled keys have changed."""
        run, item, incident = self.state.run, self.state.item, self.state.open_incident
        state = None if run is None else run.state
        possible = (None if item is None else item.key, None if state is None else state.waiting, self.state.busy,
                    self.state.column, None if incident is None else incident.id, self.state.finished)  # fmt: skip
        if possible != self._possible:
            self._possible = possible
            self.lilfox.repaint_frame()
