"""The list of records on the screen: in which columns, from which row on, or why it is empty."""

from __future__ import annotations

from datetime import timedelta

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.logs.list import LogList
from lilfox_tui.app.panes.logs.rows import LogStyle
from lilfox_tui.app.panes.logs.state import LogsState
from lilfox_tui.app.rendering.draw import Piece
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.i18n import _, language
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import EPOCH, LogRecord
from lilfox_tui.logs.window import WindowItem
from lilfox_tui.text import cell_width

WIDEST_SOURCE = 16


class LogTable:
    """Draws the list, in columns that do not jump."""

    def __init__(self, context: PaneContext[LogsState]) -> None:
        self._state, self._app = context.state, context.app
        self._logger_width = 0
        self._seen_loggers: object = None
        self._drawn_from: object = None

    def paint(self, lines: Lines) -> None:
        """Shows the list, or why there is none."""
        state, merged = self._state, self._state.merged
        if merged is None or not merged.shown:
            state.list = None
            lines.show([(Piece("  " + self._why_empty(), "muted"),)])
            return
        style = self.style(merged)
        drawn_from = (merged, merged.edition, style, state.folded, language())
        if state.list is None or drawn_from != self._drawn_from:
            state.list, self._drawn_from = LogList(merged.shown, style, folded=state.folded), drawn_from
        rows = state.list
        at = len(merged.shown) - 1 if state.cursor is None else merged.index(state.cursor)
        top = None if state.top is None else rows.row_of_place(state.top, merged.index(state.top.key))
        lines.show(rows, selected=rows.row_of(rows.group_of(at)), top=top)
        state.top = rows.place_of_row(lines.top)

    def _why_empty(self) -> str:
        state, merged = self._state, self._state.merged
        if state.failure is not None:
            return ""
        if state.opened is None:
            return _("opening the logs")
        if not state.sources:
            return _("no log was found here: name files on the command line, or sources in the configuration")
        if merged is None or merged.searching:
            return _("reading")
        if merged.troubles:
            return _("nothing can be read now")
        return _("nothing matches") if merged.where.matches is not None and state.is_narrowed else _("no records")

    def style(self, merged: MergedLogs) -> LogStyle:
        """How rows are written now."""
        state, width = self._state, self._app.room.width
        names = [each.name for each in state.shown_sources]
        widest = WIDEST_SOURCE if width >= 120 else 12 if width >= 100 else 10
        source_width = min(widest, max(map(cell_width, names))) if len(names) > 1 and width >= 60 else 0
        return LogStyle(
            width=width,
            glyphs=self._app.glyphs,
            zone=state.zone,
            dates=self._needs_dates(merged),
            source_width=source_width,
            logger_width=self._width_of_loggers(merged, width),
            wrapped=state.wrapped,
            shifted=0 if state.wrapped or state.page is not None else state.shifted,
            marks=frozenset(state.marks),
            matches=None if state.only_matching or not state.filter_text else state.filter.matches,
        )

    def _needs_dates(self, merged: MergedLogs) -> bool:
        """Whether what is loaded is not all of today."""
        days = {self._day(each) for each in (*merged.shown[:1], *merged.shown[-1:])} - {None}
        shown = self._app.shown
        now = self._state.clock if shown is None else shown.at
        return bool(days - {now.astimezone(self._state.zone).date()})

    def _day(self, shown: WindowItem) -> object:
        if not isinstance(shown.item, LogRecord) or shown.item.entry.time_us is None:
            return None
        return (EPOCH + timedelta(microseconds=shown.item.entry.time_us)).astimezone(self._state.zone).date()

    def _width_of_loggers(self, merged: MergedLogs, width: int) -> int:
        """As wide as the widest that was seen, so that columns do not jump; at most a tenth of the screen. One that
        repeats its source's name (``lilfox-backend`` of ``backend``) needs no column."""
        if width < 80:
            return 0
        if self._seen_loggers != (seen_now := (merged, merged.edition)):
            self._seen_loggers = seen_now
            records = (each.item for each in merged.shown if isinstance(each.item, LogRecord))
            seen = (len(each.entry.logger) for each in records if not each.entry.logger.endswith(each.source))
            self._logger_width = max(self._logger_width, max(seen, default=0))
        return min(self._logger_width, max(10, width // 10))
