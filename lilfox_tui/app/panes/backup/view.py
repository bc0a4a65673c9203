"""What the Backup pane draws: its lists, the selected plan or set, and the running job, as panels or as plain rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.backup.rows import (
    DAYS,
    BackupStyle,
    day_sizes,
    day_times,
    days_legend,
    days_row,
    finding_rows,
    plan_detail,
    plan_heading,
    plan_row,
    recent_jobs,
    set_heading,
    set_row,
    set_widths,
    size_changes,
    took_s,
    warning_rows,
    why_no_sets,
)  # fmt: skip
from lilfox_tui.app.panes.backup.set_page import (
    backup_question,
    nothing_configured,
    plan_contents,
    set_detail,
    set_page,
    set_summary,
    set_title,
    wrapped_facts,
)
from lilfox_tui.app.panes.backup.state import BackupState, is_about
from lilfox_tui.app.rendering.chart import Axes, Curve, chart
from lilfox_tui.app.rendering.columns import cells, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.panels import (
    LOWEST,
    PanelArea,
    PanelHit,
    PanelScreen,
    ScreenPanel,
    bordered,
    draw_panels,
    highlighted,
    in_sight,
    row_hits,
)
from lilfox_tui.app.rows.job_words import is_stale, last_read
from lilfox_tui.app.rows.jobs import JobLog, event_rows, job_title, progress_rows
from lilfox_tui.app.widgets import more_below
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, language
from lilfox_tui.core.text import human_bytes, human_duration

if TYPE_CHECKING:
    from lilfox_tui.backup.sets.model import BackupSet
    from lilfox_tui.jobs.model import Job
    from lilfox_tui.monitor.model import PlanView

T = TypeVar("T")

BESIDE, THREE_COLUMNS = 80, 160
"""Columns from which plans and sets stand side by side, and from which the selected set stands beside them."""
_ROOMY, _THREE_HIGH = 20, 18
"""Rows from which the text about a plan or a set may take more than two, and from which it stands beside the lists."""
_LEFT = (30, 64)
"""Cells of the plans beside their sets, and the most of them."""
_WIDE = 100
"""Columns from which the plans have more than the fewest cells."""
_MOST_PARTS, _MOST_LINES = 4, 4
_LEAST_PREVIEW = 7
"""Free rows from which the page of the selected set is shown below the lists."""
_CHART = (9, 16)
"""Rows of a chart of the history, its border included, at least and at most."""
_LEAST_COURSE = 2
"""Days with a set from which a chart tells anything."""
_TALL = 30
"""Rows from which the lists leave half of the screen to the selected set."""
_LEAST_LIST = 5
"""Rows of a list, its borders and column titles included."""

_MINUTES_FROM, _HOURS_FROM = 600.0, 36000.0
"""Seconds from which an axis is labelled in minutes, and in hours."""

ListId = Literal["plans", "sets"]


BackupHit: TypeAlias = PanelHit[ListId, int]
"""The index of a row of a list."""
BackupScreen: TypeAlias = PanelScreen[ListId, int]


class _Rows(Struct, frozen=True):
    """A list: its column titles, its rows on demand, the row that is kept in sight, and whether it is highlighted."""

    heads: Sequence[Row]
    count: int
    make: Callable[[int], Row]
    at: int | None
    active: bool
    empty: str = ""


_WITHOUT_DAYS = 2
"""Pieces of the title of the sets where the last days have no room."""


class BackupView:
    """Draws the screen from the state and the running job."""

    def __init__(self, context: PaneContext[BackupState], job: JobSection) -> None:
        self._state, self._app, self._job = context.state, context.app, job
        self._tops: dict[ListId, int] = {}
        """The first row of each list that is longer than its place."""
        self._page_top = 0
        self._kept = _Kept()

    @property
    def now(self) -> datetime:
        """The time from which ages are computed (aware UTC): that of the shown overview, which stands still while the
        screen is paused, or the time that a rewound screen shows."""
        shown = self._app.shown
        return self._state.rewound or (shown.at if shown is not None and not shown.rewound else datetime.now(UTC))

    def _style(self, width: int, *, marked: bool = False) -> BackupStyle:
        return BackupStyle(width, self._app.glyphs, self.now, self._state.zone, marked)

    def scroll_page(self, step: int) -> None:
        """Scrolls the open page by ``step`` rows; the next drawing keeps it within its rows."""
        self._page_top = max(0, self._page_top + step)

    # ---- the screen ----------------------------------------------------------------------------------------------

    def draw(self) -> BackupScreen:
        """Everything between the tabs and the footer."""
        room = self._app.room
        warnings = warning_rows(self._state.interrupted_restores, self._state.rewound, self._style(room.width))
        height = max(1, room.height - len(warnings))
        has_borders = bordered(room.width, height)
        drawn = self._panels(room.width, height) if has_borders else self._plain(room.width, height)
        hits = [replace(hit, y=hit.y + len(warnings)) for hit in drawn.hits]
        return BackupScreen([*warnings, *drawn.rows], hits, drawn.below)

    def _panels(self, width: int, height: int) -> BackupScreen:
        panels: list[ScreenPanel] = []
        hits: list[BackupHit] = []
        job = self._job.rows(self.now, width - 2, max(1, height // 3))
        main = height - (len(job) if job else 0)
        if job:  # its first row is the title
            place = PanelArea(0, main - 1, width, len(job) + 1)
            panels.append(ScreenPanel(place, (Piece(_("Job"), "title"), Piece(" "), *job[0]), job[1:]))
        below = 0
        if (page := self._page(width - 2)) is not None:
            title, rows = page
            room = main - 2
            self._page_top = in_sight(self._page_top, len(rows), room)
            below = max(0, len(rows) - self._page_top - room)
            panels.append(ScreenPanel(PanelArea(0, 0, width, main), title, rows[self._page_top :]))
        elif width >= THREE_COLUMNS and main >= _THREE_HIGH:
            self._columns(panels, hits, width, main)
        else:
            self._bands(panels, hits, width, main)
        slow_link = self._app.slow_link
        return BackupScreen(draw_panels(panels, width, height, self._app.glyphs, slow_link=slow_link), hits, below)

    def _columns(self, panels: list[ScreenPanel], hits: list[BackupHit], width: int, height: int) -> None:
        """Plans above what is known of the selected one; its sets; and the selected set."""
        left, right = max(48, width * 27 // 100), max(50, width * 31 // 100)
        plan = [*self._plan_rows(left - 2), *self._next_run(left - 2)]
        plans = max(_LEAST_LIST, min(3 + len(self._state.plans), height - 1 - len(plan)))
        self._list("plans", PanelArea(0, 0, left, plans), panels, hits)
        known = PanelArea(0, plans - 1, left, height - plans + 1)
        panels.append(ScreenPanel(known, self._plan_title(), plan))
        middle = width - left - right + 2
        lists = max(_LEAST_LIST, height - 2 * _CHART[1] + 2, min(5 + len(self._state.sets), height))
        below = PanelArea(left - 1, lists - 1, middle, height - lists + 1)
        history = self._history(below) or self._recent_jobs(below)
        lists = height if not history else lists
        self._list("sets", PanelArea(left - 1, 0, middle, lists), panels, hits)
        panels.extend(history)
        panels.append(self._set_panel(PanelArea(width - right, 0, right, height)))

    def _next_run(self, width: int) -> list[Row]:
        """What the next run of the selected plan will do, below what is known of it now."""
        plan = self._state.selected_plan
        if plan is None or plan.own_config is None or plan.sets is None:
            return []
        if plan.behind or self._state.rewound is not None:
            return []
        now = self.now.replace(second=0, microsecond=0)

        def made() -> list[Row]:
            rows = backup_question(plan, self.now, self._state.zone, contents=False)
            rows = wrapped_facts(rows[1:], width - 1)  # the plan has its name in the title, its set its contents
            return [BLANK, (Piece(" " + _("Next run"), "title"),), *rows]

        return self._kept.get("next run", plan, (width, now), made)

    def _recent_jobs(self, place: PanelArea) -> list[ScreenPanel]:
        """The newest jobs of the selected plan that have ended and are known on this machine, as many as have room."""
        plan, backups = self._state.selected_plan, self._state.backups
        if plan is None or backups is None:
            return []
        ended = (job for job in backups.jobs or () if job.state != "running" and is_about(job, plan))
        rows = recent_jobs([*islice(ended, max(0, place.inner_height))], self._style(place.inner_width))
        return [ScreenPanel(place, _title(_("Recent jobs")), rows)] if rows else []

    def _history(self, place: PanelArea) -> list[ScreenPanel]:
        """The sizes of the sets of the last days, and how long their runs took: as many charts as have room; none on a
        slow link, or of one day alone."""
        plan, style = self._state.selected_plan, self._style(place.inner_width)
        charts = min(2, (place.height - 1) // (_CHART[0] - 1))
        if plan is None or not plan.sets or self._app.slow_link or not charts:
            return []
        sets, today = plan.sets, style.now.astimezone(style.zone).date()
        return self._kept.get("history", plan, (place, today), lambda: _history(sets, style, place, charts))

    def _bands(self, panels: list[ScreenPanel], hits: list[BackupHit], width: int, height: int) -> None:
        """The lists, side by side where there is room; below them the selected plan or set, and where rows are left
        the newest set of the plan beside the history, or the next run of a plan without sets."""
        state = self._state
        in_sets = state.focus == "sets" and state.selected_set is not None
        detail = [BLANK, BLANK] if in_sets else _at_most(self._plan_rows(width - 2), self._detail_rows(height))
        contents = self._contents(width) if not in_sets else []
        if height >= _TALL:
            detail += contents
        taken = len(detail) + 1 if height >= _THREE_HIGH - 4 else 0
        most = height - taken if height < _TALL else height // 2
        legend = height >= _TALL  # of the days, below the sets
        lists = max(_LEAST_LIST, min(3 + legend + max(len(state.plans), len(state.sets)), most))
        free = height - lists - taken
        coming = [] if in_sets or state.sets or state.filter else self._next_run(width - 2)[2:]
        preview = taken and (state.selected_set is not None or coming) and free >= _LEAST_PREVIEW
        if height < _TALL and taken and not preview and len(contents) <= free:
            detail, taken, free = [*detail, *contents], taken + len(contents), free - len(contents)
        if not preview and not (in_sets and taken):
            lists, free = lists + free, 0
        if width >= BESIDE:
            left = _LEFT[0] if width < _WIDE else min(_LEFT[1], width * 2 // 5 + 2)
            self._list("plans", PanelArea(0, 0, left, lists), panels, hits)
            self._list("sets", PanelArea(left - 1, 0, width - left + 1, lists), panels, hits)
        else:
            self._list(state.focus, PanelArea(0, 0, width, lists), panels, hits)
        top = lists - 1
        if taken and not in_sets:
            panels.append(ScreenPanel(PanelArea(0, top, width, taken + 1), self._plan_title(), detail))
            top += taken
        if in_sets and taken:
            self._set_beside_history(PanelArea(0, top, width, taken + free + 1), panels)
        elif preview and coming:
            panels.append(ScreenPanel(PanelArea(0, top, width, free + 1), _title(_("Next run")), coming))
        elif preview:
            self._set_beside_history(PanelArea(0, top, width, free + 1), panels)

    def _contents(self, width: int) -> list[Row]:
        """What the selected plan backs up, leaves out and keeps, unless its next run is shown, which tells that too."""
        plan, style = self._state.selected_plan, self._style(0)
        if plan is None or plan.own_config is None:
            return []
        if plan.sets and width >= _WIDE:
            sets, today = plan.sets, style.now.astimezone(style.zone).date()
            course = self._kept.get("course", plan, today, lambda: [None] * _has_course(day_sizes(sets, style)))
            if not course or self._app.slow_link:
                return []
        elif not plan.sets and plan.outage is None:
            return []
        config = plan.own_config
        return self._kept.get("contents", plan, width, lambda: wrapped_facts(plan_contents(config), width - 3))

    def _set_beside_history(self, place: PanelArea, panels: list[ScreenPanel]) -> None:
        """The selected set, and the history of its plan beside it where there is room."""
        left = place.width * 3 // 5
        beside = PanelArea(place.left + left - 1, place.top, place.width - left + 1, place.height)
        history: list[ScreenPanel] = []
        if (
            place.width >= _WIDE
            and not (history := self._history(beside))
            and (coming := self._next_run(beside.inner_width)[2:])
        ):
            history = [ScreenPanel(beside, _title(_("Next run")), coming)]
        width = left if history else place.width
        panels += [self._set_panel(PanelArea(place.left, place.top, width, place.height)), *history]

    def _detail_rows(self, height: int) -> int:
        plan = self._state.selected_plan
        if plan is not None and plan.outage is not None:
            return height // 3  # what to do is said too
        return 4 if height >= _ROOMY else 2

    def _plain(self, width: int, height: int) -> BackupScreen:
        """One list without borders, with the job and the selected row as text below it."""
        state = self._state
        page = self._page(width)
        most = max(1, height // 3)
        job = [] if height < 4 else self._job.rows(self.now, width, most)
        detail = [] if page is not None or height < 9 else _at_most(self._detail(width), 2 if height >= LOWEST else 1)
        room = height - len(job) - len(detail)
        hits: list[BackupHit] = []
        below = 0
        if page is not None:
            title, rows = page
            self._page_top = in_sight(self._page_top, len(rows), room - 1)
            below = max(0, len(rows) - self._page_top - room + 1)
            shown: list[Row] = [(Piece(" "), *title), *rows[self._page_top :]]
        else:
            listed = self._rows_of(state.focus, width)
            heads = [*listed.heads] if height >= LOWEST else []
            body, top = self._in_sight(state.focus, listed, width, room - 1 - len(heads))
            more = more_below(listed.count - top - len(body))
            title = self._list_title(state.focus, width - 2)
            shown = [(Piece(" "), *title, Piece(f"  {more}", "muted")), *heads, *body]
            area = PanelArea(-1, 0, width + 2, room)  # its title stands where a border would
            hits = row_hits(area, len(heads), state.focus, range(top, min(listed.count, top + len(body))))
        shown = [*shown[:room], *[BLANK] * (room - len(shown))]
        return BackupScreen([*shown, *job, *detail], hits, below)

    # ---- its parts -----------------------------------------------------------------------------------------------

    def _page(self, width: int) -> tuple[Row, list[Row]] | None:
        """The title and rows shown instead of the lists: a set's page, or what to do if nothing is configured."""
        state, style, plan = self._state, self._style(width), self._state.selected_plan
        if state.page is not None and plan is not None:
            if (found := state.selected_set) is not None:
                return set_title(found, style), set_page(found, plan, style)
            return (Piece(state.page, "strong"), Piece("  " + _("no longer exists"), "failing")), []
        if not state.plans and not self._app.monitor.backups.configured:
            return nothing_configured(style, looked=state.backups is not None)
        return None

    def _set_panel(self, place: PanelArea) -> ScreenPanel:
        """The selected set: its page, or a summary in fewer rows."""
        plan, found, style = self._state.selected_plan, self._state.selected_set, self._style(place.inner_width)
        if plan is None or found is None:
            return ScreenPanel(place, _title(_("Backup set")))
        rows = set_summary(found, style)
        if place.inner_height > len(rows):
            rows = set_page(found, plan, style)
        more = more_below(len(rows) - place.inner_height)
        if more and self._state.focus == "sets":
            more = _("enter shows all of it")
        named = set_title(found, style)
        room = place.width - 6 - (cells((Piece(more),)) + 3 if more else 0)
        titles = ((*_title(_("Backup set")), Piece("  "), *named), named, named[:-1])
        return ScreenPanel(place, next((title for title in titles if cells(title) <= room), named[:2]), rows, more=more)

    def _plan_title(self) -> Row:
        plan = self._state.selected_plan
        return () if plan is None else _title(_("Plan {plan}", plan=plan.name))

    def _plan_rows(self, width: int, *, named: bool = False) -> list[Row]:
        """The selected plan as text, below a title that has its name unless it is ``named`` here."""
        plan = self._state.selected_plan
        if plan is None:
            return []
        style = self._style(width)
        rows = plan_detail(plan, self._state.restores_of(plan), style, named=named)
        shown = self._app.shown
        if shown is not None and shown.audit is not None and self._state.rewound is None:
            rows += finding_rows(shown.audit, plan, style)
        return wrapped(rows, width - 1)

    def _detail(self, width: int) -> list[Row]:
        found = self._state.selected_set
        if self._state.focus == "sets" and found is not None:
            return set_detail(found, self._style(width))
        return self._plan_rows(width, named=True)

    def _list(self, name: ListId, place: PanelArea, panels: list[ScreenPanel], hits: list[BackupHit]) -> None:
        """Adds the panel of a list, and where its rows are."""
        width = place.inner_width
        listed = self._rows_of(name, width)
        heads = listed.heads if place.inner_height > 1 else ()
        rows, top = self._in_sight(name, listed, width, place.inner_height - len(heads))
        hits += row_hits(place, len(heads), name, range(top, min(listed.count, top + len(rows))))
        more = more_below(listed.count - top - len(rows))
        title = self._list_title(name, place.width - 8 - cells((Piece(more),)))
        rows = [*heads, *rows]
        if name == "sets" and len(title) > _WITHOUT_DAYS and len(rows) < place.inner_height:
            plan = self._state.selected_plan
            legend = days_legend(() if plan is None else plan.sets or (), self._style(width))
            blank = place.inner_height - len(rows) - len(legend)
            rows += [*[BLANK] * blank, *legend] if blank >= 0 else []
        panels.append(ScreenPanel(place, title, rows, more=more))

    def _rows_of(self, name: ListId, width: int) -> _Rows:
        state, style = self._state, self._style(width)
        if name == "plans":
            plans, selected = state.plans, state.selected_plan
            at = next((y for y, each in enumerate(plans) if selected is not None and each.key == selected.key), None)
            here = state.focus == "plans"

            def plan(index: int) -> Row:
                marked = self._style(width, marked=index == at and not here)
                return plan_row(plans[index], state.running(plans[index]), marked)

            return _Rows([plan_heading(style)], len(plans), plan, at, here)
        sets = state.sets

        widths, plan_of = set_widths(sets, width), state.selected_plan
        changes = (
            {}
            if plan_of is None
            else dict(self._kept.get("changes", plan_of, None, lambda: [*size_changes(plan_of.sets or ()).items()]))
        )

        def found(index: int) -> Row:
            each = sets[index]
            return set_row(each, self._style(width, marked=state.is_marked(each)), widths, changes.get(each.id))

        job = state.running(plan_of)
        why = why_no_sets(
            plan_of, filtered=bool(state.filter), runs=job is not None and job.kind == "backup",
            refused=state.why_not_back_up() is not None,
        )  # fmt: skip
        return _Rows([set_heading(style, widths)], len(sets), found, state.place, state.focus == "sets", why)

    def _in_sight(self, name: ListId, listed: _Rows, width: int, room: int) -> tuple[list[Row], int]:
        """The rows of a list that have room, with the selected one among them, and the index of the first."""
        room = max(0, room)
        if not listed.count:
            why = wrapped([(Piece("   "), Piece(listed.empty, "muted"))], width - 1) if listed.empty else []
            return why[:room], 0
        top = self._tops[name] = in_sight(self._tops.get(name, 0), listed.count, room, listed.at)
        shown = range(top, min(listed.count, top + room))
        return [
            highlighted(listed.make(index), width) if listed.active and index == listed.at else listed.make(index)
            for index in shown
        ], top

    def _list_title(self, name: ListId, room: int) -> Row:
        """A list's name and how many rows it has; of the sets also what the last days have left, if it has room."""
        state, plan = self._state, self._state.selected_plan
        if name == "plans":
            return (Piece(_("Plans"), "title"), Piece(f"  {len(state.plans)}", "muted"))
        title = _("Sets") if plan is None else _("Sets of {plan}", plan=plan.name)
        if state.filter:
            title += f"  /{state.filter}" + ("" if state.only_matching else " " + _("(matches marked)"))
        unknown = plan is not None and (plan.sets is None or plan.behind)
        row: Row = (Piece(title, "title"), Piece("" if unknown else f"  {len(state.sets)}", "muted"))
        if plan is not None and plan.read_at is not None and is_stale(plan, self.now):  # they are as they were then
            row = (*row, Piece(f"  {last_read(plan.read_at, self.now)}", "degraded"))
        days = days_row(() if plan is None else plan.sets or (), self._style(room), room - cells(row) - 3)
        return (*row, Piece("   "), *days) if days else row


class JobSection:
    """Draws the running job: progress bars of its parts, and its last lines. Calls ``changed`` when there is something
    new."""

    def __init__(self, context: PaneContext[BackupState], changed: Callable[[], None]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._changed = changed
        self.log: JobLog | None = None
        """What the job said that was followed last."""

    def follow(self) -> None:
        """Follows the events of the job that is shown, and switches when another job is."""
        job = self._state.shown_job
        if job is None or (self.log is not None and self.log.job_id == job.id):
            return
        self.log = JobLog(job.id)
        self._context.run(self._follow(self.log), group="job", exclusive=True)

    async def _follow(self, log: JobLog) -> None:
        with suppress(LilFoxError):  # its folder is gone or may not be read: the listing tells what is known
            await log.follow(self._changed)

    def rows(self, now: datetime, width: int, most: int) -> list[Row]:
        """The title of the running job, and as many more rows as ``most`` leaves; empty if no job runs."""
        job = self._state.shown_job
        return [] if job is None else self._rows(job, now, width, most)

    def _rows(self, job: Job, now: datetime, width: int, most: int) -> list[Row]:
        glyphs = self._app.glyphs
        log = self.log if self.log is not None and self.log.job_id == job.id else None
        parts = log.progress if log is not None and log.progress else job.progress
        title = job_title(job, now, glyphs)
        rows = [title if cells(title) <= width else title[:-1]]
        rows += progress_rows(parts, min(_MOST_PARTS, most - 1), width, glyphs)
        room_left = min(_MOST_LINES, most - len(rows))
        if log is not None and room_left > 0:
            newest = list(log.events)[-room_left:]
            rows += [row for event in newest for row in event_rows(event, self._state.zone, glyphs)][-room_left:]
        return rows


class _Kept:
    """What is drawn of a plan, made again only when the plan or what else it depends on has changed."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[PlanView, object, list[Any]]] = {}

    def get(self, name: str, plan: PlanView, key: object, make: Callable[[], list[T]]) -> list[T]:
        """What was made of the same ``plan`` object and an equal ``key``, else what ``make`` returns."""
        key, kept = (key, language()), self._made.get(name)
        if kept is None or kept[0] is not plan or kept[1] != key:
            kept = self._made[name] = (plan, key, make())
        return [*kept[2]]


def _history(sets: Sequence[BackupSet], style: BackupStyle, place: PanelArea, charts: int) -> list[ScreenPanel]:
    sizes = day_sizes(sets, style)
    if not _has_course(sizes):
        return []
    newest = next((took for took in map(took_s, sets) if took is not None), None)
    made = (
        (_("Size of the sets"), _("largest set of each day"), sizes, human_bytes, human_bytes(sets[0].size_bytes)),
        (_("Duration of the runs"), _("longest run of each day"), day_times(sets, style), _seconds,
         "" if newest is None else human_duration(newest)),
    )  # fmt: skip
    panels, top = [], place.top
    for number, (name, told, values, unit, now) in enumerate(made[:charts]):
        last = number == charts - 1
        high = place.top + place.height - top if last else place.height // charts
        area = PanelArea(place.left, top, place.width, high)
        axes = Axes(unit, style.now - timedelta(days=DAYS), style.now, binary=number == 0, ago=True)
        rows = chart(told, [Curve(values)], axes, width=area.inner_width - 1, height=area.inner_height - 2,
                     glyphs=style.glyphs, now_text=now)  # fmt: skip
        panels.append(ScreenPanel(area, _title(name), rows))
        top += high - 1
    return panels


def _has_course(sizes: Sequence[float | None]) -> bool:
    return sum(size is not None for size in sizes) >= _LEAST_COURSE


def _at_most(rows: Sequence[Row], most: int) -> list[Row]:
    """The first rows, with a mark where more were left out."""
    shown = list(rows[:most])
    return [*shown[:-1], (*shown[-1], Piece(" …", "muted"))] if shown and len(rows) > most else shown


def _seconds(value: float) -> str:
    """A duration as an axis is labelled."""
    if value >= _MINUTES_FROM:
        return f"{value / 3600:.3g} h" if value >= _HOURS_FROM else f"{value / 60:.3g} m"
    return f"{value * 1000:.3g}ms" if 0 < value < 1 else f"{value:.3g} s"


def _title(text: str) -> Row:
    return (Piece(text, "title"),)
