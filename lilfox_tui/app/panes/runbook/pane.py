"""The Runbook pane: runbooks, their steps, the command with its output, and the incident's timeline below."""

from __future__ import annotations

from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from lilfox_tui.app.cause import Cause
from lilfox_tui.app.console import Console
from lilfox_tui.app.panes.runbook.incident_course_keys import IncidentCourseKeys
from lilfox_tui.app.panes.runbook.keys import LIST, STEPS
from lilfox_tui.app.rendering.draw import Row
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.feed import Ready

if TYPE_CHECKING:
    from lilfox_tui.app.panes.runbook.drawing import Drawing
    from lilfox_tui.monitor.model import RunbooksView

PAINT_S, SLOW_PAINT_S = 0.15, 1.0
"""Between two drawings of what runs, and over a slow link."""


class RunbookPane(IncidentCourseKeys):
    """Three columns where there is room, two or one where there is not."""

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self._drawing: Drawing | None = None
        self._due = False
        self._widths: tuple[int, int, int] | None = None
        self._heights: tuple[int, ...] = ()
        self._possible: object = None
        self._opened = datetime.now(UTC)
        self._looks_for = False
        """An alert led here before the runbooks were read."""

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
        from lilfox_tui.app.panes.runbook.drawing import Drawing

        self._drawing = Drawing(self)
        self.lilfox.monitor.runbooks.show()
        self.view = self.lilfox.monitor.runbooks.feed.value
        self.incident = self.lilfox.monitor.incidents.feed.value
        self._follow_runbooks()
        self._follow_incident()

    @work(exclusive=True, group="runbooks")
    async def _follow_runbooks(self) -> None:
        async with aclosing(self.lilfox.monitor.runbooks.feed.watch()) as states:
            async for state in states:
                if isinstance(state, Ready):
                    self.view = state.value
                    if self._looks_for:
                        self._select_for_cause()
                    self._attach_to(state.value)
                self.runs_changed()

    def _attach_to(self, view: RunbooksView) -> None:
        """Watches what goes on, and what was begun since somebody looks here: whoever began it, it stays once it has
        ended."""
        from lilfox_tui.app.panes.runbook.items import newest_of

        for key, job in newest_of(view.runs).items():
            ours = self.lilfox.runs.get(self.last_run.get(key, ""))
            if ours is not None and ours.ended is None and ours.job_id != job.id:
                continue  # begun here since: it is not listed yet
            if job.state == "running" or job.started >= self._opened:
                self.lilfox.attach(job.id)
                self.last_run[key] = job.id

    @work(exclusive=True, group="timeline")
    async def _follow_incident(self) -> None:
        async with aclosing(self.lilfox.monitor.incidents.feed.watch()) as states:
            async for state in states:
                if isinstance(state, Ready):
                    before, self.incident = self.open_one, state.value
                    self.tell_other(before)
                self.runs_changed()

    def runs_changed(self) -> None:
        """Draws what changed, but not more often than it may."""
        if not self._due and self.is_mounted and not self.lilfox._exit:
            self._due = True
            self.set_timer(SLOW_PAINT_S if self.lilfox.slow_link else PAINT_S, self._paint_what_changed)

    def _paint_what_changed(self) -> None:
        self._due = False
        if not self.lilfox._exit:
            self.repaint()

    def clock_moved(self) -> None:
        if self.display and not self.lilfox._exit:
            self.repaint()

    def look_for(self, cause: Cause) -> None:
        """Shows first what is for an alert, and selects it."""
        self.cause, self.filter, self.chosen = cause, "", ""
        self.choose_place(None)
        self._select_for_cause()
        self.repaint()

    def select_run(self, key: str) -> None:
        self.choose_item(key)
        self.column = STEPS
        self.repaint()

    def _select_for_cause(self) -> None:
        """Once runbooks are there."""
        self._looks_for = self.view is None or self.view.documents is None
        first = next((each for each in self.items if self.cause is not None and each.alert == self.cause.alert), None)
        if first is not None:
            self.choose_item(first.key)
        self.column = STEPS if first is not None else LIST

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.repaint)

    def repaint(self) -> None:
        drawing = self._drawing
        if drawing is None or not self.display or not self.children or self.lilfox.room.width == 0:
            return
        results = self.results()
        widths = drawing.widths()
        self._arrange(drawing, widths, bool(results))
        left, middle, right = widths
        if left:
            lines = self.query_one("#runbooks", Lines)
            rows, at = drawing.list_rows(lines, left)
            lines.show(rows, selected=at)
        if middle:
            lines = self.query_one("#steps", Lines)
            rows, at = drawing.step_rows(lines, middle)
            lines.show(rows, selected=at, follow=True)
        if right:
            self._paint_command(drawing, right)
        waits, timeline = drawing.heights()
        if waits:
            self.query_one("#run-waits", Lines).show(drawing.waiting_rows())
        self.query_one("#timeline", Lines).show(drawing.timeline_rows(timeline, self.lilfox.room.width))
        self._tell_what_can_be_done()

    def _paint_command(self, drawing: Drawing, width: int) -> None:
        command = self.query_one("#run-command", Lines)
        command.show(drawing.command_rows(width), follow=False)
        results = self.results()
        if results:
            output = self.query_one("#run-output", Lines)
            rows, sticky = drawing.output_rows(results, width, self.output_top, output.size.height)
            output.show(rows, top=len(rows) if self.output_top is None else self.output_top, sticky=sticky)

    def _arrange(self, drawing: Drawing, widths: tuple[int, int, int], has_results: bool) -> None:
        """Gives each part its place; the rows are made anew once that is laid out."""
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
        """The footer is drawn anew where other keys can be pressed than before."""
        run, item = self.run, self.item
        state = None if run is None else run.state
        possible = (None if item is None else item.key, None if state is None else state.waiting, self.busy,
                    self.column, None if self.open_one is None else self.open_one.id)  # fmt: skip
        if possible != self._possible:
            self._possible = possible
            self.lilfox.repaint_frame()

    def status(self) -> Row:
        return ()
