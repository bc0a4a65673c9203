"""The Backup pane: plans, their sets, and the job that runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from textual import events, work
from textual.app import ComposeResult
from textual.containers import Horizontal

from lilfox_tui.app.console import Console
from lilfox_tui.app.panes.backup.page import nothing_configured, set_page
from lilfox_tui.app.panes.backup.rows import (
    SET_ROLES,
    BackupStyle,
    newest_of,
    outage_rows,
    plan_heading,
    plan_row,
    set_heading,
    set_row,
    when,
)  # fmt: skip
from lilfox_tui.app.panes.backup.settling_keys import BackupSettlingKeys
from lilfox_tui.app.rendering.columns import Digits
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.wrap import cells
from lilfox_tui.app.rows.hosts import ROLES
from lilfox_tui.app.widgets.lines import Lines, RowsOnDemand, more_below
from lilfox_tui.backup.labels import labelled, status_text
from lilfox_tui.errors import LilFoxError
from lilfox_tui.feed import Ready
from lilfox_tui.i18n import _, clauses, listed
from lilfox_tui.metrics.model import Level
from lilfox_tui.monitor.model import PlanView
from lilfox_tui.text import break_line, cell_width, fit_middle, human_duration

if TYPE_CHECKING:
    from lilfox_tui.app.rows.jobs import JobLog
    from lilfox_tui.backup.sets.model import BackupSet

BESIDE = 80
"""Columns from which plans and sets stand side by side; below, the list that the keys move in."""
LOW = 12
PAINT_S, SLOW_PAINT_S = 0.5, 2.0
"""Between two drawings of progress, and over a slow link."""
AGES_S = 5.0
_MOST_PARTS, _MOST_LINES = 4, 4
_LEAST_PLACE = 16
"""Cells of a store's place, however little room what else is told leaves."""
_LEFT = (34, 64)


class BackupPane(BackupSettlingKeys):
    """Left the plans, right the sets of the chosen one, below what runs and what is wrong."""

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self._log: JobLog | None = None
        self._paint_due = False
        self._heights: dict[str, int] = {}
        self._widths: tuple[int, int] | None = None
        self._possible: object = None

    def compose(self) -> ComposeResult:
        yield Lines(id="backup-warnings")
        with Horizontal(id="backup-lists"):
            yield Lines(sticky=2, id="plans")
            yield Lines(sticky=2, id="sets")
        yield Lines(sticky=1, id="backup-page")
        yield Lines(id="backup-job")
        yield Lines(id="backup-detail")

    def on_mount(self) -> None:
        from lilfox_tui.backup.sets.names import local_zone

        self._zone = local_zone()
        self.lilfox.monitor.backups.show()
        self.backups = self.lilfox.monitor.backups.backups
        self.set_interval(AGES_S, self._ages)
        self.read_restores()
        self._follow()

    @work(exclusive=True, group="backups")
    async def _follow(self) -> None:
        async with aclosing(self.lilfox.monitor.backups.feed.watch()) as states:
            async for state in states:
                if isinstance(state, Ready) and not self.lilfox._exit and state.value is not self.backups:
                    ran = () if self.backups is None else self.backups.running
                    self.backups = state.value
                    if len(self.backups.running) != len(ran):
                        self.read_restores()
                    self._watch_job()
                    self._changed()

    def _ages(self) -> None:
        if self.display and not self.lilfox._exit:
            self.repaint()

    # ---- the job that runs -----------------------------------------------------------------------------------------

    def _watch_job(self) -> None:
        """Follows the events of the job that is drawn; of another one when another is."""
        job = self.shown_job if self.display else None
        if job is None or (self._log is not None and self._log.job_id == job.id):
            return
        from lilfox_tui.app.rows.jobs import JobLog

        self._log = JobLog(job.id)
        self._follow_job(self._log)

    @work(exclusive=True, group="job")
    async def _follow_job(self, log: JobLog) -> None:
        with suppress(LilFoxError):  # its folder is gone or may not be read: the listing tells what is known
            await log.follow(self._changed)

    def _changed(self) -> None:
        """Draws what changed, but not more often than it may."""
        if not self._paint_due:
            self._paint_due = True
            self.set_timer(SLOW_PAINT_S if self.lilfox.slow_link else PAINT_S, self._paint_what_changed)

    def _paint_what_changed(self) -> None:
        self._paint_due = False
        if not self.lilfox._exit:
            self.repaint()

    # ---- drawing ---------------------------------------------------------------------------------------------------

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.repaint)

    def repaint(self) -> None:
        if not self.display or not self.is_mounted or self.lilfox.room.width == 0:
            return
        self._watch_job()
        view = self.view
        page = self._page(view)
        below = self._job_rows()
        detail = self._detail(view)[: self._detail_height(view)]
        warnings = self.warnings(self.lilfox.room.width)
        self._give("backup-warnings", len(warnings))
        self._arrange(page is not None, len(below), len(detail))
        if page is not None:
            lines = self.query_one("#backup-page", Lines)
            lines.show(page, follow=False)
            self.call_after_refresh(self.look_below, lines)
        else:
            self._paint_lists(view)
        self.query_one("#backup-warnings", Lines).show(warnings)
        self.query_one("#backup-job", Lines).show(below)
        self.query_one("#backup-detail", Lines).show(detail)
        self._tell_what_can_be_done()

    def _tell_what_can_be_done(self) -> None:
        """The footer is drawn anew where another key can be pressed than before."""
        job, found = self.shown_job, self.chosen_set
        possible = (self.page, self.busy, None if job is None else job.id, None if found is None else found.id,
                    self.backups is None or self.backups.running, len(self.half_done))  # fmt: skip
        if possible != self._possible:
            self._possible = possible
            self.lilfox.repaint_frame()

    def rewind(self, _at: datetime | None) -> None:
        """What backups were is not known: it is said that this is now."""
        self.repaint()

    def status(self) -> Row:
        return (Piece(more_below(self.rows_below), "muted"),) if self.page is not None else ()

    def _detail_height(self, view: PlanView | None) -> int:
        height = self.lilfox.room.height
        if height >= LOW and view is not None and view.outage is not None:
            return height // 3  # what to do is said too
        return 2 if height >= 16 else 1 if height >= 9 else 0

    def _page(self, view: PlanView | None) -> list[Row] | None:
        """What takes the place of the lists: a set's page, or what to do where there is nothing."""
        style = self._style(self.lilfox.room.width)
        if self.page is not None and view is not None:
            found = self.chosen_set
            if found is not None:
                return set_page(found, view, style)
            return [(Piece(f" {self.page}", "strong"), Piece("  " + _("is gone"), "failing"))]
        if not self.plans and not self.lilfox.monitor.backups.configured:
            return nothing_configured(style, looked=self.backups is not None)
        return None

    def _style(self, width: int, *, marked: bool = False) -> BackupStyle:
        return BackupStyle(width, self.lilfox.glyphs, self.now, self._zone, marked)

    def _split(self) -> tuple[int, int]:
        """Cells of the two lists; none for the one that is not shown."""
        width = self.lilfox.room.width
        if width >= BESIDE:
            left = max(_LEFT[0], min(_LEFT[1], width * 2 // 5))
            return left, width - left
        return (width, 0) if self.focus_on == "plans" else (0, width)

    def _arrange(self, is_page: bool, job_rows: int, detail_rows: int) -> None:
        self._give("backup-job", job_rows)
        self._give("backup-detail", detail_rows)
        lists, page = self.query_one("#backup-lists", Horizontal), self.query_one("#backup-page", Lines)
        if page.display is not is_page:
            page.display, lists.display = is_page, not is_page
            self.call_after_refresh(self.repaint)
        if (widths := self._split()) != self._widths:
            self._widths = widths
            for name, width in zip(("plans", "sets"), widths, strict=True):
                part = self.query_one(f"#{name}", Lines)
                part.display, part.styles.width = width > 0, width
            self.call_after_refresh(self.repaint)
        for name in ("plans", "sets"):
            self.query_one(f"#{name}", Lines).sticky = 2 if self.lilfox.room.height >= LOW else 1

    def _give(self, name: str, rows: int) -> None:
        if self._heights.get(name) != rows:
            self._heights[name] = rows
            part = self.query_one(f"#{name}", Lines)
            part.display = rows > 0
            part.styles.height = rows
            self.call_after_refresh(self.repaint)  # what is below is known once that is laid out

    def _paint_lists(self, view: PlanView | None) -> None:
        left, right = self._split()
        plans, sets = self.query_one("#plans", Lines), self.query_one("#sets", Lines)
        if left:
            self._paint_plans(plans, view, left)
        if right:
            self._paint_sets(sets, view, right)

    def _paint_plans(self, lines: Lines, view: PlanView | None, width: int) -> None:
        views, here = self.plans, self.focus_on == "plans"
        style = self._style(width)
        at = next((place for place, each in enumerate(views) if view is not None and each.key == view.key), None)
        head: list[Row] = [_title(_("PLANS"), len(views), lines), plan_heading(style)]
        head = head[: lines.sticky]

        def make(place: int) -> Row:
            marked = self._style(width, marked=place == at and not here)
            return plan_row(views[place], self.running(views[place]), marked)

        rows = RowsOnDemand(head, len(views), make)
        lines.show(rows, selected=None if at is None or not here else at + len(head))

    def _paint_sets(self, lines: Lines, view: PlanView | None, width: int) -> None:
        style, found = self._style(width), self.sets
        title = _("SETS") if view is None else _("SETS of {plan}", plan=view.name)
        if self.filter:
            title = f"{title}  /{self.filter}"
        for _time in range(2):
            head = [_title(title, len(found), lines), set_heading(style)][: lines.sticky]
            if not found:
                rows: Sequence[Row] = [*head, (Piece("   " + self._why_no_sets(view), "muted"),)]
            else:
                rows = RowsOnDemand(head, len(found), partial(self._set_row, found, style))
            chosen = self.place + len(head) if found and self.focus_on == "sets" else None
            before = lines.hidden_below
            lines.show(rows, selected=chosen)
            if lines.hidden_below == before:
                return

    def _set_row(self, found: Sequence[BackupSet], style: BackupStyle, place: int) -> Row:
        return set_row(found[place], style)

    def _why_no_sets(self, view: PlanView | None) -> str:
        if view is None:
            return _("no plan and no store yet")
        if view.outage is not None:
            return _("its store cannot be read")
        if view.sets is None:
            return _("being read")
        return _("no set has these words") if self.filter else _("no set yet: b backs up now")

    # ---- below the lists --------------------------------------------------------------------------------------------

    def _job_rows(self) -> list[Row]:
        """The job that runs: its parts with bars, and its last lines."""
        job, room, width = self.shown_job, self.lilfox.room.height, self.lilfox.room.width
        if job is None:
            return []
        from lilfox_tui.app.rows.jobs import event_rows, job_title, progress_rows

        glyphs, most = self.lilfox.glyphs, max(1, room // 3)
        rows: list[Row] = [BLANK] if room >= LOW else []
        rows.append(job_title(job, self.now, glyphs))
        log = self._log if self._log is not None and self._log.job_id == job.id else None
        parts = log.progress if log is not None and log.progress else job.progress
        rows += progress_rows(
            parts, min(_MOST_PARTS, most - len(rows)), width, glyphs, Digits(few=self.lilfox.slow_link)
        )
        room_left = min(_MOST_LINES, most - len(rows))
        if log is not None and room_left > 0:
            said = [row for event in list(log.events)[-room_left:] for row in event_rows(event, self._zone, glyphs)]
            rows += said[-room_left:]
        return rows

    def _detail(self, view: PlanView | None) -> list[Row]:
        """What is chosen in words: what is wrong and since when, and what is known else."""
        found = self.chosen_set
        if self.page is not None or view is None:
            return []
        if self.focus_on == "sets" and found is not None:
            return self._set_detail(found)
        if view.outage is not None:
            return outage_rows(view, view.outage, self._style(self.lilfox.room.width))
        now = self.now
        mark = Piece(f" {self.lilfox.glyphs.level(view.level)} ", ROLES[view.level])
        since = ""
        if view.level not in (Level.GOOD, Level.UNKNOWN):
            since = _("for {time}", time=human_duration(max(0, round((now - view.since).total_seconds()))))
        head = (mark, Piece(view.name, "strong"), Piece(f"  {since}  " if since else "  ", "muted"))
        why = clauses(map(str, view.reasons)) or self._well(view)
        first, rest = break_line(why, max(20, self.lilfox.room.width - cells(head)))
        facts = (Piece("   "), Piece(rest, ROLES[view.level])) if rest else self._facts(view)
        return [(*head, Piece(first, ROLES[view.level])), facts]

    def _well(self, view: PlanView) -> str:
        newest = newest_of(view)
        if newest is None:
            return ""
        age = human_duration((self.now - newest.created).total_seconds())
        return _("the newest set is {age} old and {status}", age=age, status=status_text(newest.status))

    def _facts(self, view: PlanView) -> Row:
        separator = f" {self.lilfox.glyphs.separator} "
        parts: list[str] = []
        if view.config is not None and view.config.schedule:
            style = self._style(0)
            parts.append(
                _("next run {time} ({schedule})", time=when(view.next_run, style), schedule=view.config.schedule)
            )
        elif view.config is not None and not view.copy:
            parts.append(_("no schedule"))
        if kept := self.kept_text(view):
            parts.append(kept)
        if view.rto_s is not None:
            parts.append(_("a drill restored it in {time}", time=human_duration(view.rto_s)))
        elif view.config is not None:
            parts.append(_("never drilled: D"))
        room = self.lilfox.room.width - 3 - cell_width(separator.join(["", *parts]))
        where = fit_middle(view.where or view.store, max(_LEAST_PLACE, room))
        return (Piece("   "), Piece(separator.join([where, *parts]), "muted"))

    def _set_detail(self, found: BackupSet) -> list[Row]:
        begun = found.created.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")
        text = status_text(found.status)
        if found.reason:
            text = labelled(text, found.reason)
        head = (Piece(f" {found.id}", "strong"), Piece(f"  {begun}  ", "muted"))
        first, rest = break_line(text, max(20, self.lilfox.room.width - cells(head)))
        holds = listed(dict.fromkeys(part.source for part in found.parts))
        below = (Piece("   "), Piece(rest or holds, SET_ROLES[found.status] if rest else "muted"))
        return [(*head, Piece(first, SET_ROLES[found.status])), below]


def _title(text: str, count: int, lines: Lines) -> Row:
    return (Piece(" " + text, "title"), Piece(f"  {count}  {more_below(lines.hidden_below)}", "muted"))
