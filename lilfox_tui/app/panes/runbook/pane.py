"""The Runbook pane: runbooks, their steps, the command with its output, and the incident's timeline below."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from lilfox_tui.app.console import Console
from lilfox_tui.app.evidence import Cause
from lilfox_tui.app.pane import Pane, PaneContext
from lilfox_tui.app.panes.runbook.actions import ColumnActions, RunActions, RunStarter, WaitingSteps
from lilfox_tui.app.panes.runbook.drawing import Drawing
from lilfox_tui.app.panes.runbook.incident_actions import CourseActions, IncidentActions
from lilfox_tui.app.panes.runbook.orders import Permission, RunOrders, ValuePrompts
from lilfox_tui.app.panes.runbook.state import COMMAND, LIST, STEPS, RunbookState, newest_of
from lilfox_tui.app.shared_actions import ErrorActions, ListActions, StateList
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.aio import Ready
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.monitor.model import RunbooksView

if TYPE_CHECKING:
    from lilfox_tui.incident.model import Incident

PAINT_S, SLOW_PAINT_S = 0.15, 1.0
"""Between two drawings of what runs, and over a slow link."""
_ALL = 10**6


class RunbookFeeds:
    """Follows the monitor's runbooks and incident; ``changed`` is called after each state."""

    def __init__(self, context: PaneContext[RunbookState], changed: Callable[[], None]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._changed = changed
        self._opened = datetime.now(UTC)

    def start(self) -> None:
        """Takes the current states, and follows the later ones."""
        monitor = self._app.monitor
        monitor.runbooks.show()
        self._state.view = monitor.runbooks.feed.value
        self._state.incident = monitor.incidents.feed.value
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
                    before, self._state.incident = self._state.open_incident, state.value
                    self._tell_other(before)
                self._changed()

    def _tell_other(self, before: Incident | None) -> None:
        """Reports that the current incident is no longer ``before``, unless it was changed from here."""
        now = self._state.open_incident
        if before is not None and now is not None and now.id != before.id != self._state.last_incident:
            self._app.announce(tr("{id} is now the current incident: {title}", id=now.id, title=now.title))


class RunbookLists(StateList[RunbookState]):
    """The lists of the Runbook pane. ``read`` scrolls the output of the command."""

    def __init__(
        self,
        context: PaneContext[RunbookState],
        permission: Permission,
        starter: RunStarter,
        read: Callable[[int], None],
    ) -> None:
        super().__init__(context)
        self._permission, self._starter, self._read = permission, starter, read

    def move(self, step: int) -> None:
        """Moves ``step`` rows down or up: in the runbooks, the steps, or the command's output."""
        if self._state.column == COMMAND:
            self._read(step)
        else:
            self._state.move(step)
        self._context.repaint_all()

    def open_selected(self) -> None:
        """Opens the selected row of a list. In the steps or the command, starts a run or performs the step that it
        waits for."""
        if self._permission.enter_opens():
            self._state.go_column(self._state.column + 1)
            self._context.repaint_all()
        else:
            self._context.run(self._starter.begin_or_go_on, group="order", exclusive=True)

    def why_not_open(self) -> Message | None:
        return self._permission.why_not_open()

    def back(self) -> None:
        self._state.back()
        self._context.repaint_all()

    def copy_selected(self) -> None:
        if (text := self._state.text_to_copy()) is not None:
            self._context.app.copy_text(text)

    def why_not_copy(self) -> Message | None:
        return None if self._state.text_to_copy() is not None else tr("no command is selected")


class RunbookPane(Pane):
    """The pane: three columns if they fit, else two or one."""

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
        lists = RunbookLists(context, permission, RunStarter(context, waiting), self._read)
        self.groups = (
            ListActions(lilfox, lists),
            ColumnActions(context),
            RunActions(context, lists, permission, orders, waiting),
            IncidentActions(context, permission),
            CourseActions(context, permission),
            ErrorActions(lilfox),
        )
        self._drawing: Drawing | None = None
        self._due = False
        self._widths: tuple[int, int, int] | None = None
        self._heights: tuple[int, ...] = ()
        self._possible: object = None
        self._selected: object = ("", None)
        """The runbook and place whose command was drawn last."""

    def compose(self) -> ComposeResult:
        with Horizontal(id="runbook-columns"):
            yield Lines(sticky=1, id="runbooks")
            yield Lines(sticky=1, id="steps")
            with Vertical(id="run-column"):
                yield Lines(id="run-command")
                yield Lines(id="run-output")
        yield Lines(ground="bar", id="run-waits")
        yield Lines(sticky=1, id="timeline")

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

    def rewind(self, _at: datetime | None) -> None:
        """Redraws with the timeline as it was at that time."""
        self.repaint()

    def look_for(self, cause: Cause) -> None:
        """Puts the runbooks for an alert first, and selects the first one."""
        self.state.look_for(cause)
        self.repaint()

    def select_run(self, key: str) -> None:
        self.state.choose_item(key)
        self.state.column = STEPS
        self.repaint()

    # ---- what the command printed, and the mouse -----------------------------------------------------------------

    def _read(self, step: int) -> None:
        """Scrolls the output, or the command above it while the output is at its start."""
        output, command = self.query_one("#run-output", Lines), self.query_one("#run-command", Lines)
        if not output.display or (step < 0 and output.top == 0) or (step > 0 and command.hidden_below):
            command.scroll_rows(step)
            return
        output.scroll_rows(step)
        self._note_top(output)

    def _note_top(self, output: Lines) -> None:
        """Keeps the scroll position; at the end the output is followed as it grows."""
        self.state.output_top = None if output.hidden_below == 0 else output.top

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        place, state = event.index - event.lines.sticky, self.state
        if place < 0:
            return
        if event.lines.id == "runbooks" and place < len(state.items):
            state.column = LIST
            state.choose_item(state.items[place].key)
        elif event.lines.id == "steps" and place < len(state.places):
            state.column = STEPS
            state.choose_place(state.places[place])
        elif event.lines.id in ("run-command", "run-output"):
            state.column = COMMAND
        self.repaint()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        event.lines.scroll_rows(event.delta)
        if event.lines.id == "run-output":
            self._note_top(event.lines)
            self.repaint()

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.repaint)

    def repaint(self) -> None:
        drawing = self._drawing
        if drawing is None or not self.display or not self.children or self.lilfox.room.width == 0:
            return
        widths = drawing.widths()
        self._arrange(drawing, widths, bool(self.state.results()))
        left, middle, right = widths
        if left:
            lines = self.query_one("#runbooks", Lines)
            rows, at = drawing.list_rows(lines, left)
            lines.show(rows, selected=at)
        if middle:
            lines = self.query_one("#steps", Lines)
            rows, at = drawing.step_rows(lines, middle)
            lines.show(rows, selected=at, follow=True)
        self._paint_command(drawing, right)
        waits, timeline = drawing.heights()
        if waits:
            self.query_one("#run-waits", Lines).show(drawing.waiting_rows())
        self.query_one("#timeline", Lines).show(drawing.timeline_rows(timeline, self.lilfox.room.width))
        self._tell_what_can_be_done()

    def _paint_command(self, drawing: Drawing, width: int) -> None:
        command = self.query_one("#run-command", Lines)
        selected = self.state.chosen, self.state.chosen_place
        if selected != self._selected:
            self._selected = selected
            command.scroll_rows(-_ALL)
        if not width:
            return
        command.show(drawing.command_rows(width), follow=False)
        if results := self.state.results():
            output, top = self.query_one("#run-output", Lines), self.state.output_top
            rows, sticky = drawing.output_rows(results, width, top, output.size.height)
            output.show(rows, top=len(rows) if top is None else top, sticky=sticky)

    def _arrange(self, drawing: Drawing, widths: tuple[int, int, int], has_results: bool) -> None:
        """Sets the size of each part; the rows are drawn again after the layout."""
        waits, timeline = drawing.heights()
        room = self.lilfox.room.height - waits - timeline
        text = len(drawing.command_rows(widths[2])) if widths[2] else 0
        command = min(text, max(3, room * 2 // 5)) if has_results else room
        if widths != self._widths:
            self._widths = widths
            for name, width in zip(("#runbooks", "#steps", "#run-column"), widths, strict=True):
                part = self.query_one(name)
                part.display, part.styles.width = width > 0, width
            self.call_after_refresh(self.repaint)
        heights = (waits, timeline, command, int(has_results))
        if heights != self._heights:
            self._heights = heights
            for name, height in (("#run-waits", waits), ("#timeline", timeline), ("#run-command", command)):
                part = self.query_one(name)
                part.display, part.styles.height = height > 0, height
            self.query_one("#run-output").display = has_results
            self.call_after_refresh(self.repaint)

    def _tell_what_can_be_done(self) -> None:
        """Redraws the footer if the enabled keys have changed."""
        run, item, incident = self.state.run, self.state.item, self.state.open_incident
        state = None if run is None else run.state
        possible = (None if item is None else item.key, None if state is None else state.waiting, self.state.busy,
                    self.state.column, None if incident is None else incident.id)  # fmt: skip
        if possible != self._possible:
            self._possible = possible
            self.lilfox.repaint_frame()
