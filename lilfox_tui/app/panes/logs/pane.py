"""The Logs pane: the records of all sources in one list by time, and the page of the open one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.worker import WorkerCancelled, WorkerFailed

from lilfox_tui.app.console import Console
from lilfox_tui.app.evidence import Selection
from lilfox_tui.app.pane import Pane, PaneContext
from lilfox_tui.app.panes.logs.actions import LogEvidence, LookActions, NarrowActions, SaveActions, SourceActions
from lilfox_tui.app.panes.logs.feed import LogFeed
from lilfox_tui.app.panes.logs.find import PlaceActions, RecordFinder
from lilfox_tui.app.panes.logs.histogram import Histogram, HistogramActions
from lilfox_tui.app.panes.logs.record_page import detail_rows
from lilfox_tui.app.panes.logs.state import LogsState, OpenRecord
from lilfox_tui.app.panes.logs.statistics import StatisticsActions
from lilfox_tui.app.panes.logs.view import ErrorStrip, LogHead, LogTable
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.shared_actions import EvidenceActions, ListActions, no_filter
from lilfox_tui.app.widgets import Lines, more_below
from lilfox_tui.core.i18n import Message
from lilfox_tui.logs.record import LogRecord, Severity

if TYPE_CHECKING:
    from lilfox_tui.app.operations import Act

_ALL = 10**6


class RecordList:
    """The list of the Logs pane; see :class:`~lilfox_tui.app.shared_actions.ListView`. ``screenful`` returns the number
    of visible rows."""

    def __init__(
        self, context: PaneContext[LogsState], feed: LogFeed, finder: RecordFinder, screenful: Callable[[], int]
    ) -> None:
        self._context, self._state = context, context.state
        self._feed, self._finder, self._screenful = feed, finder, screenful

    @property
    def filter(self) -> str:
        return self._state.filter_text

    def move(self, step: int) -> None:
        """Moves ``step`` rows down (or up, if negative) in the list or on the open page."""
        if self._state.page is None:
            self._feed.move(step)
        else:
            self._state.page.move(step)
            self._context.repaint()

    def move_page(self, direction: int) -> None:
        self.move(direction * max(1, self._screenful() - 1))

    def go_to_end(self, direction: int) -> None:
        """Moves to the newest record (1) or the oldest (-1); on an open page, to its last or first row."""
        if self._state.page is None:
            self._feed.go_to_end(direction)
        else:
            self.move(direction * _ALL)

    def open_selected(self) -> None:
        self._finder.open_selected()

    def why_not_open(self) -> Message | None:
        return self._state.why_not_open()

    def lists_any(self) -> bool:
        return self._state.selected_record is not None

    def back(self) -> None:
        if self._state.page is not None:
            if self._state.close_page():
                self._feed.go_to_end(1)
        elif self._state.busy:
            self._feed.stop()
        elif self._state.filter_text:
            before = self._state.before_trace
            traced = before is not None and before.filter_text == self._state.filter_text
            if before is not None and traced:
                self._state.level, self._state.before_trace = before.level, None
            self.set_filter("")
            if before is not None and traced and before.hidden:
                self._feed.show_only(each.name for each in self._state.sources if each.name not in before.hidden)
        elif self._state.level > Severity.UNKNOWN:
            self._state.level = Severity.UNKNOWN
            self._feed.apply()
        self._context.repaint()

    def why_not_back(self) -> Message | None:
        return self._state.why_not_back()

    def set_filter(self, text: str) -> None:
        self._feed.set_filter(text)

    def toggle_only_matching(self) -> None:
        self._state.only_matching = not self._state.only_matching
        self._feed.apply()

    def select_match(self, direction: int) -> None:
        self._finder.select_match(direction)

    def why_not_filter(self) -> Message | None:
        return None

    def why_not_match(self) -> Message | None:
        return None if self._state.page is not None else no_filter(self._state.filter_text)

    def copy_selected(self) -> None:
        """Copies the original text of the record, or the value of the selected field."""
        if (field := self._state.field) is not None:
            self._context.app.copy_text(field.value)
        elif (record := self._state.selected_record) is not None:
            self._context.app.copy_text(record.raw.decode("utf-8", "replace"))

    def why_not_copy(self) -> Message | None:
        return self._state.why_no_record()


class LogsPane(Pane):
    """The pane: the lines about the sources, the list or a record's page, and the error strip."""

    GROUPS = (
        ListActions,
        NarrowActions,
        PlaceActions,
        HistogramActions,
        LookActions,
        SourceActions,
        StatisticsActions,
        SaveActions,
        EvidenceActions,
    )

    ID = "logs"

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self.state = LogsState()
        context = PaneContext(self, self.state)
        self.feed = LogFeed(context)
        self.finder = RecordFinder(context, self.feed)
        self.list = RecordList(context, self.feed, self.finder, self._screenful)
        self.histogram = Histogram(context)
        self.head = LogHead(context)
        self.table = LogTable(context)
        self.strip = ErrorStrip(context, self.histogram)
        self.log_evidence = LogEvidence(context)
        self.groups = (
            ListActions(lilfox, self.list, self.list.go_to_end),
            NarrowActions(context, self.feed),
            PlaceActions(context, self.finder),
            HistogramActions(context, self.histogram, self.feed),
            LookActions(context, self.feed, self.rows_in_sight),
            SourceActions(context, self.feed),
            StatisticsActions(context, self.feed),
            SaveActions(context),
            EvidenceActions(context, self.evidence),
        )
        self._layout: tuple[int, ...] = ()
        """The rows above the list, and which parts are shown."""
        self._possible: object = None
        """What the footer's actions depend on, beside what keys change."""

    def compose(self) -> ComposeResult:
        yield Lines(id="log-head")
        yield Lines(id="log-histogram")
        yield Lines(id="log-columns")
        with Horizontal(id="log-body"):
            yield Lines(id="log-list")
            yield Lines(id="log-scroll")
            yield Lines(id="log-border")
            yield Lines(id="log-detail", sticky=1)
        yield Lines(id="log-strip")

    def on_mount(self) -> None:
        self.feed.open()

    async def on_unmount(self) -> None:
        """Cancels the work started here and waits until it has ended, so that files, processes and hosts are closed
        only afterwards."""
        mine = [worker for worker in self.workers if worker.node is self]
        self.workers.cancel_node(self)
        for worker in mine:
            with suppress(WorkerCancelled, WorkerFailed):
                await worker.wait()

    # ---- what the app asks of it ---------------------------------------------------------------------------------

    def rewind(self, at: datetime | None) -> None:
        """Shows the records around ``at`` (aware UTC), or the newest."""
        if self.display:
            self.feed.rewind(at)

    def hold(self) -> None:
        self.feed.rewind(self.lilfox.rewound)

    def look_at(self, kind: str, name: str, at: datetime | None) -> None:
        self.feed.look_at(kind, name, at)

    def show_recent_errors(self) -> None:
        self.feed.show_recent_errors()

    def evidence(self) -> Selection | None:
        return self.log_evidence.selection()

    def acts(self) -> Sequence[Act]:
        """The operations on the addresses of the record, or of the field selected on its page."""
        from lilfox_tui.app.operations import ban_acts

        page, field, opened = self.state.page, self.state.field, self.state.opened
        record = self.state.selected_record if page is None else page.record
        if record is None or opened is None:
            return ()
        texts = ("" if field is None else field.value, record.raw.decode("utf-8", "replace"))
        return ban_acts(self.lilfox, texts, opened.host_that_wrote(record.source))

    # ---- the rows that are seen, and the mouse -------------------------------------------------------------------

    def _screenful(self) -> int:
        """The number of list rows that are visible at once."""
        return max(1, self.query_one("#log-list", Lines).room) if self.is_mounted else 1

    def rows_in_sight(self) -> range:
        """The visible rows of the list."""
        top = self.query_one("#log-list", Lines).top
        return range(top, top + self._screenful())

    def on_lines_clicked(self, event: Lines.Clicked) -> None:
        page, rows = self.state.page, self.state.list
        if event.lines.id == "log-detail" and page is not None and event.index < len(page.rows):
            page.select(event.index)
            self.repaint()
        elif event.lines.id == "log-list":
            if rows is not None and event.index < len(rows):
                self.feed.stand_on(rows.first_of(rows.group_at(event.index)).key)
            if page is not None or (event.times == 2 and self.state.why_not_open() is None):
                self.finder.open_record()

    def on_lines_wheel(self, event: Lines.Wheel) -> None:
        if event.lines.id == "log-list":
            self._scroll(event.lines, event.delta)
        else:
            self.list.move(event.delta)

    def _scroll(self, lines: Lines, delta: int) -> None:
        """Scrolls the list; the cursor stays on its record until that would leave the screen."""
        before = lines.top
        lines.scroll_rows(delta)
        here, rows, merged = self.state.under_cursor, self.state.list, self.state.merged
        if rows is None or not rows.groups or merged is None or here is None or lines.top == before:
            self.list.move(delta)
            return
        self.state.top = rows.place_of_row(lines.top)
        group = rows.group_of(merged.index(here.key))
        within = rows.groups_within(self.rows_in_sight())
        if group in within:
            self.feed.stand_on(here.key)
        else:
            self.feed.stand_on(rows.first_of(within[-1] if group > within[-1] else within[0]).key)

    # ---- drawing ------------------------------------------------------------------------------------------------

    def _fit_scrollbar(self, drawn_for: int) -> None:
        """Draws the scrollbar again if what was drawn around the list has changed its rows since."""
        of_list = self.query_one("#log-list", Lines)
        if of_list.room != drawn_for:
            self.table.paint_scrollbar(self.query_one("#log-scroll", Lines), of_list)

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.repaint)

    def repaint(self) -> None:
        if not self.display or not self.is_mounted or self.lilfox.room.width == 0:
            return
        state, page = self.state, self.state.page
        self.head.paint(self.query_one("#log-head", Lines))
        of_page, of_list = self.query_one("#log-detail", Lines), self.query_one("#log-list", Lines)
        scroll, border = self.query_one("#log-scroll", Lines), self.query_one("#log-border", Lines)
        beside = page is not None and self.table.is_beside
        if of_page.display is not (page is not None):
            of_page.display = page is not None
        for each in (of_list, scroll):
            each.display = page is None or beside
        border.display = beside
        of_page.styles.width = self.table.record_width - 1 if beside else "1fr"
        self.table.paint_heading(self.query_one("#log-columns", Lines))
        if of_list.display:
            self.table.paint(of_list)
            self.table.paint_scrollbar(scroll, of_list)
            self.call_after_refresh(self._fit_scrollbar, of_list.room)
        # after the list: which record is selected is known by its rows
        self.histogram.paint(self.query_one("#log-histogram", Lines))
        if beside:
            border.show([(Piece(self.lilfox.glyphs.axis, "rule"),)] * max(1, self.lilfox.room.height))
        if page is not None:
            self._paint_page(page, of_page)
        self.strip.paint(self.query_one("#log-strip", Lines))
        self.draw_until(state.newest)
        layout = (len(self.query_one("#log-head", Lines).rows), *(each.display for each in self.query(Lines)))
        if layout != self._layout:  # how many rows the list has is known once that is laid out
            self._layout = layout
            self.call_after_refresh(self.repaint)
        here = state.selected_record is not None
        possible = (state.busy, here, page is None, state.field is None, state.is_following)
        if possible != self._possible:
            self._possible = possible
            self.lilfox.repaint_frame()

    def _paint_page(self, page: OpenRecord, lines: Lines) -> None:
        if self.state.merged is None or not isinstance(page.shown.item, LogRecord):
            return
        width = self.table.record_width - 1 if self.table.is_beside else self.lilfox.room.width
        style = self.table.style(self.state.merged, width)
        page.rows = detail_rows(page.shown, page.shown.item, page.neighbours, style, page.together, page.similar)
        at = page.row
        lines.show([each.row for each in page.rows], selected=at, top=0 if at < lines.sticky else None)
        self.call_after_refresh(lambda: self.tell_below(lines.hidden_below))

    def status(self) -> Row:
        return () if self.state.page is None else (Piece(more_below(self.rows_below), "muted"),)
