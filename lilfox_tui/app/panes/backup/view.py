"""What the Backup pane draws: its lists, the page of a set, the selection in words, and the job that runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.backup.page import nothing_configured, set_page
from lilfox_tui.app.panes.backup.rows import (
    BackupStyle,
    plan_detail,
    plan_heading,
    plan_row,
    set_detail,
    set_heading,
    set_row,
    warning_rows,
    why_no_sets,
)  # fmt: skip
from lilfox_tui.app.panes.backup.state import BackupState
from lilfox_tui.app.rendering.columns import Digits
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.widgets.lines import Lines, RowsOnDemand, more_below
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _

if TYPE_CHECKING:
    from lilfox_tui.app.rows.jobs import JobLog
    from lilfox_tui.backup.sets.model import BackupSet
    from lilfox_tui.jobs.model import Job

BESIDE = 80
"""Columns from which plans and sets stand side by side; below, the list that the keys move in."""
LOW = 12
"""Rows below which there are no column titles and no blank lines."""
_MOST_PARTS, _MOST_LINES = 4, 4
_LEFT = (34, 64)


class BackupView:
    """Draws what is above and below the job: from the state alone."""

    def __init__(self, context: PaneContext[BackupState]) -> None:
        self._state, self._app = context.state, context.app

    @property
    def now(self) -> datetime:
        """The time that ages are told at (aware UTC): the frame's, which stands still while the screen is held."""
        shown = self._app.shown
        return shown.at if shown is not None and not shown.rewound else datetime.now(UTC)

    def _style(self, width: int, *, marked: bool = False) -> BackupStyle:
        return BackupStyle(width, self._app.glyphs, self.now, self._state.zone, marked)

    def warnings(self) -> list[Row]:
        """What is to be known before anything else."""
        return warning_rows(self._state.half_done, self._app.rewound, self._style(self._app.room.width))

    def page(self) -> list[Row] | None:
        """What takes the place of the lists: a set's page, or what to do where there is nothing."""
        state, style, plan = self._state, self._style(self._app.room.width), self._state.selected_plan
        if state.page is not None and plan is not None:
            if (found := state.selected_set) is not None:
                return set_page(found, plan, style)
            return [(Piece(f" {state.page}", "strong"), Piece("  " + _("is gone"), "failing"))]
        if not state.plans and not self._app.monitor.backups.configured:
            return nothing_configured(style, looked=state.backups is not None)
        return None

    def detail(self) -> list[Row]:
        """What is selected in words, on as many rows as the screen leaves for it."""
        state, plan = self._state, self._state.selected_plan
        if state.page is not None or plan is None:
            return []
        style, height = self._style(self._app.room.width), self._app.room.height
        most = 2 if height >= 16 else 1 if height >= 9 else 0
        if height >= LOW and plan.outage is not None:
            most = height // 3  # what to do is said too
        if state.focus == "sets" and (found := state.selected_set) is not None:
            return set_detail(found, style)[:most]
        return plan_detail(plan, len(state.restores_of(plan)), style)[:most]

    # ---- the lists -----------------------------------------------------------------------------------------------

    def split(self) -> tuple[int, int]:
        """Cells of the two lists; none for the one that is not shown."""
        width = self._app.room.width
        if width >= BESIDE:
            left = max(_LEFT[0], min(_LEFT[1], width * 2 // 5))
            return left, width - left
        return (width, 0) if self._state.focus == "plans" else (0, width)

    def paint_plans(self, lines: Lines, width: int) -> None:
        """Shows the plans in ``width`` cells."""
        state, plans, selected = self._state, self._state.plans, self._state.selected_plan
        here, style = state.focus == "plans", self._style(width)
        at = next(
            (place for place, each in enumerate(plans) if selected is not None and each.key == selected.key), None
        )
        head = [_title(_("PLANS"), len(plans), lines), plan_heading(style)][: lines.sticky]

        def row(place: int) -> Row:
            marked = self._style(width, marked=place == at and not here)
            return plan_row(plans[place], state.running(plans[place]), marked)

        rows = RowsOnDemand(head, len(plans), row)
        lines.show(rows, selected=None if at is None or not here else at + len(head))

    def paint_sets(self, lines: Lines, width: int) -> None:
        """Shows the sets of the selected plan in ``width`` cells."""
        state, style, plan = self._state, self._style(width), self._state.selected_plan
        sets = state.sets
        for _time in range(2):
            head = [_title(self._sets_title(), len(sets), lines), set_heading(style)][: lines.sticky]
            if not sets:
                why = why_no_sets(plan, filtered=bool(state.filter))
                rows: Sequence[Row] = [*head, (Piece("   " + why, "muted"),)]
            else:
                rows = RowsOnDemand(head, len(sets), partial(self._set_row, sets, width))
            before = lines.hidden_below
            lines.show(rows, selected=state.place + len(head) if sets and state.focus == "sets" else None)
            if lines.hidden_below == before:
                return

    def _sets_title(self) -> str:
        state, plan = self._state, self._state.selected_plan
        title = _("SETS") if plan is None else _("SETS of {plan}", plan=plan.name)
        if not state.filter:
            return title
        return f"{title}  /{state.filter}" + ("" if state.only_matching else " " + _("(marked)"))

    def _set_row(self, sets: Sequence[BackupSet], width: int, place: int) -> Row:
        return set_row(sets[place], self._style(width, marked=self._state.is_marked(sets[place])))


class JobSection:
    """Draws the job that runs: its parts with bars, and its last lines. ``changed`` is called when more is known."""

    def __init__(self, context: PaneContext[BackupState], changed: Callable[[], None]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._changed = changed
        self.log: JobLog | None = None
        """What the job said that was followed last."""

    def follow(self) -> None:
        """Follows the events of the job that is drawn; of another one when another is."""
        job = self._state.shown_job
        if job is None or (self.log is not None and self.log.job_id == job.id):
            return
        from lilfox_tui.app.rows.jobs import JobLog  # jobs/: not for the first frame

        self.log = JobLog(job.id)
        self._context.run(self._follow(self.log), group="job", exclusive=True)

    async def _follow(self, log: JobLog) -> None:
        with suppress(LilFoxError):  # its folder is gone or may not be read: the listing tells what is known
            await log.follow(self._changed)

    def rows(self, now: datetime) -> list[Row]:
        """The section; empty where no job runs."""
        job = self._state.shown_job
        return [] if job is None else self._rows(job, now)

    def _rows(self, job: Job, now: datetime) -> list[Row]:
        from lilfox_tui.app.rows.jobs import event_rows, job_title, progress_rows  # jobs/: not for the first frame

        glyphs, room = self._app.glyphs, self._app.room
        most = max(1, room.height // 3)
        rows: list[Row] = [BLANK] if room.height >= LOW else []
        rows.append(job_title(job, now, glyphs))
        log = self.log if self.log is not None and self.log.job_id == job.id else None
        parts = log.progress if log is not None and log.progress else job.progress
        bars = min(_MOST_PARTS, most - len(rows))
        rows += progress_rows(parts, bars, room.width, glyphs, Digits(few=self._app.slow_link))
        room_left = min(_MOST_LINES, most - len(rows))
        if log is not None and room_left > 0:
            newest = list(log.events)[-room_left:]
            rows += [row for event in newest for row in event_rows(event, self._state.zone, glyphs)][-room_left:]
        return rows


def _title(text: str, count: int, lines: Lines) -> Row:
    return (Piece(" " + text, "title"), Piece(f"  {count}  {more_below(lines.hidden_below)}", "muted"))
