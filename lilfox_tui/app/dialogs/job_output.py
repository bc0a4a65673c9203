"""The dialog with a job's output: replays the events so far, then follows the job until it ends, with progress bars."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from msgspec.structs import replace
from textual import events, work
from textual.app import ComposeResult
from textual.containers import Vertical

from lilfox_tui.app.dialogs.messages import Dialog
from lilfox_tui.app.rendering.columns import wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rows.jobs import JobLog, event_rows, job_title, progress_rows
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _
from lilfox_tui.core.text import cell_width
from lilfox_tui.jobs.model import Job

PAINT_S, SLOW_PAINT_S = 0.5, 2.0
"""Between two drawings of progress, and over a slow link."""
_MOST_PARTS = 8
_MARGIN = 3


class JobOutput(Dialog[None]):
    """A dialog that follows the output of a job. It scrolls with new lines unless the user has scrolled up. Closing it
    does not end the job."""

    def __init__(self, job: Job, *, glyphs: Glyphs, zone: tzinfo, slow: bool) -> None:
        super().__init__()
        self._job, self._glyphs, self._zone, self._slow = job, glyphs, zone, slow
        self._log = JobLog(job.id)
        self._rows: list[Row] = []
        self._made_of = 0
        self._at_end = True
        self._due = False

    def compose(self) -> ComposeResult:
        with Vertical(id="job"):
            yield Lines(ground="bar", id="job-head")
            yield Lines(id="job-text")

    def on_mount(self) -> None:
        self._show()
        self._follow()

    def on_resize(self) -> None:
        self._rows, self._made_of = [], 0
        self.call_after_refresh(self._show)

    @work(exclusive=True)
    async def _follow(self) -> None:
        try:
            await self._log.follow(self._changed)
        except LilFoxError as error:
            self._rows.append((Piece("   "), Piece(f"{error} {error.hint}", "failing")))
        self._show()

    def _changed(self) -> None:
        if not self._due:
            self._due = True
            self.set_timer(SLOW_PAINT_S if self._slow else PAINT_S, self._show)

    def _show(self) -> None:
        self._due = False
        if not self.is_mounted:
            return
        head, text = self.query_one("#job-head", Lines), self.query_one("#job-text", Lines)
        rows = self._head()
        if head.styles.height is None or head.size.height != len(rows):
            head.styles.height = len(rows)
        head.show(rows)
        self._take_lines()
        text.show(self._rows, top=len(self._rows) if self._at_end else None)

    def _take_lines(self) -> None:
        """Appends rows for the events since the last drawing."""
        made, there = self._made_of - self._log.dropped, list(self._log.events)
        rows = list(self._rows)  # those that are shown stay as they are: the difference is painted
        for event in there[max(0, made) :]:
            rows += wrapped(event_rows(event, self._zone, self._glyphs), self._width - 1)
        self._rows = rows
        self._made_of = self._log.dropped + len(there)

    @property
    def _width(self) -> int:
        """The cells of a line inside the border."""
        return self.app.size.width - 2 * self._frame()

    def _head(self) -> list[Row]:
        ended, job = self._log.ended, self._job
        if ended is not None:
            job = replace(job, state=ended.state, message=ended.message, hint=ended.hint, ended=ended.at)
        width = self._width
        parts = self._log.progress or job.progress
        most = min(_MOST_PARTS, max(0, self.app.size.height // 3))
        keys = _("esc closes, the job keeps running; j and k scroll, G follows") if ended is None else _("esc closes")
        if cell_width(keys) + _MARGIN > width:
            keys = _("esc closes")
        return [
            *wrapped([job_title(job, datetime.now(UTC), self._glyphs)], width),
            *progress_rows(parts, most, width, self._glyphs),
            (Piece(" " * _MARGIN + keys, "muted"),),
            BLANK,
        ]

    def _scroll(self, delta: int) -> None:
        text = self.query_one("#job-text", Lines)
        text.scroll_rows(delta)
        self._at_end = delta > 0 and text.hidden_below == 0
        self._show()

    def on_key(self, event: events.Key) -> None:
        event.stop()
        steps = {"j": 1, "down": 1, "k": -1, "up": -1, "pagedown": 10, "space": 10, "pageup": -10}
        steps |= {"g": -(10**6), "home": -(10**6), "G": 10**6, "end": 10**6}
        if event.key in steps:
            self._scroll(steps[event.key])
        elif event.key in ("escape", "q", "l", "enter"):
            self.close(None)

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        self._scroll(event.delta)
