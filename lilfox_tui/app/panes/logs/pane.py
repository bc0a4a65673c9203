"""The Logs pane: the records of all sources in one list by time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

from textual import events
from textual.app import ComposeResult

from lilfox_tui.app.console import Console
from lilfox_tui.app.panes.logs.detail import detail_rows, first_field
from lilfox_tui.app.panes.logs.list import LogList
from lilfox_tui.app.panes.logs.output_keys import LogOutputKeys
from lilfox_tui.app.panes.logs.rows import LogStyle
from lilfox_tui.app.panes.logs.strip import StripParts, counted_errors, grouped, joined, loaded_errors, strip_row
from lilfox_tui.app.panes.logs.troubles import trouble_rows
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.widgets.lines import Lines, more_below
from lilfox_tui.i18n import _, language, listed
from lilfox_tui.logs.filter.model import EVERYTHING
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import EPOCH, LogRecord, Severity
from lilfox_tui.logs.window import WindowItem
from lilfox_tui.text import cell_width

WIDEST_SOURCE = 16
ROOMY = 16
"""Rows of the pane at which what is wrong may take more than one."""
QUIET_S = 1.0
"""After the last change, before all is counted."""


class LogsPane(LogOutputKeys):
    """The line of sources, the list, and the strip of errors."""

    def __init__(self, lilfox: Console) -> None:
        super().__init__(lilfox)
        self._head_height = 1
        self._logger_width = 0
        self._seen_loggers: object = None
        self._timeless: tuple[object, tuple[str, ...]] = (None, ())
        self._looks_again = False
        self._strip: tuple[object, Row] | None = None
        self._drawn_from: object = None
        self._possible: object = None
        """What the footer's actions depend on, beside what keys change."""

    def compose(self) -> ComposeResult:
        yield Lines(id="log-head")
        yield Lines(id="log-list")
        yield Lines(id="log-detail", sticky=1)
        yield Lines(id="log-strip")

    def on_resize(self, _event: events.Resize) -> None:
        self.call_after_refresh(self.repaint)

    def repaint(self) -> None:
        if not self.display or not self.is_mounted or self.lilfox.room.width == 0:
            return
        self._paint_head()
        detail, in_list = self.query_one("#log-detail", Lines), self.query_one("#log-list", Lines)
        if detail.display is not (self.detail is not None):
            detail.display, in_list.display = self.detail is not None, self.detail is None
        if self.detail is None:
            self._paint_list()
        else:
            self._paint_detail(detail)
        self._paint_strip()
        possible = (self.busy, self.selected_record is None, self.detail is None, self.field is None)
        if possible != self._possible:
            self._possible = possible
            self.lilfox.repaint_frame()

    def _paint_detail(self, lines: Lines) -> None:
        if self.detail is None or self.merged is None or not isinstance(self.detail.item, LogRecord):
            return
        self.detail_rows = detail_rows(self.detail, self.detail.item, self.neighbours, self._style(self.merged))
        at = first_field(self.detail_rows) if self.detail_at is None else self.detail_at
        lines.show([each.row for each in self.detail_rows], selected=at, top=0 if at < lines.sticky else None)
        self.call_after_refresh(self.look_below, lines)

    def status(self) -> Row:
        return () if self.detail is None else (Piece(more_below(self.rows_below), "muted"),)

    # ---- the line of sources --------------------------------------------------------------------------------------

    def _paint_head(self) -> None:
        rows = [self._sources_row(), *self._message_rows()]
        head = self.query_one("#log-head", Lines)
        if len(rows) != self._head_height:
            self._head_height = len(rows)
            head.styles.height = len(rows)
        head.show(rows)

    def _sources_row(self) -> Row:
        right = self._right_of_sources()
        width = self.lilfox.room.width - sum(cell_width(piece.text) for piece in right) - 2
        names = self._names()
        count = ""
        if len(names) != len(self.sources):
            count = _("({shown} of {all} sources)", shown=len(names), all=len(self.sources))
        left = [Piece(" "), Piece("  ".join(names), "strong"), Piece("  " + count, "muted")]
        if sum(cell_width(piece.text) for piece in left) > width:
            short = _("{shown} of {all} sources", shown=len(names), all=len(self.sources))
            left = [Piece(" "), Piece(short, "strong")]
        space = self.lilfox.room.width - sum(cell_width(piece.text) for piece in (*left, *right))
        return (*left, Piece(" " * max(1, space)), *right)

    def _names(self) -> list[str]:
        """Of the sources that are shown; with a word where records of one cannot stand among those of others."""
        names = [each.name for each in self.shown_sources]
        if self.merged is None or len(names) == 1:
            return names
        if self._timeless[0] != (seen_now := (self.merged, self.merged.edition)):
            self._timeless = (seen_now, self.merged.timeless)
        word = _("(no times)")
        return [f"{name} {word}" if name in self._timeless[1] else name for name in names]

    def _right_of_sources(self) -> list[Piece]:
        glyphs, merged = self.lilfox.glyphs, self.merged
        parts: list[Piece] = []
        if self.level > Severity.UNKNOWN:
            sign = ">=" if glyphs.ascii_only else "≥"
            parts.append(Piece(_("level {sign} {level}", sign=sign, level=self.level.name) + "   ", "accent"))
        if self.filter_text:
            marked = "" if self.only_matching else " " + _("(marked)")
            parts.append(Piece(f"{self.filter_text[:40]}{marked}   ", "failing" if self.filter_error else "accent"))
        if self.shifted and not self.wrapped and self.detail is None:
            parts.append(Piece(_("from column {count}", count=self.shifted + 1) + "   ", "accent"))
        if self.zone is not UTC:
            parts.append(Piece(_("local time") + "   ", "muted"))
        if merged is not None and merged.waiting and not self.at_end:
            parts.append(Piece(_("{count} new", count=grouped(merged.waiting)) + "   ", "accent"))
        going = merged is not None and merged.following
        mark = glyphs.good if going and self.at_end else glyphs.degraded if going else glyphs.unknown
        parts.append(Piece(_("follow") + f" {mark} ", "good" if going and self.at_end else "muted"))
        return parts

    def _message_rows(self) -> list[Row]:
        """What must be known beside the records: what is wrong in the filter, what is searched, what cannot be read."""
        rows: list[Row] = []
        if self.failure is not None:
            rows.append((Piece(f" {self.failure}  {self.failure.hint}", "failing"),))
        if self.filter_error:
            rows.append((Piece(" " + self.filter_error, "failing"),))
        if self.merged is None:
            return rows
        if self.working:
            rows.append((Piece(" " + self.working, "accent"), Piece("   " + _("esc ends it"), "muted")))
        if searching := self.merged.searching or (self.finding.searching if self.finding is not None else ()):
            rows.append((Piece(" " + self._progress(searching), "accent"), Piece("   " + _("esc ends it"), "muted")))
        room = self.lilfox.room
        return rows + trouble_rows(
            self.merged.troubles,
            self.lilfox.glyphs,
            now=datetime.now(UTC),
            zone=self.zone,
            width=room.width,
            roomy=room.height >= ROOMY,
        )

    def _progress(self, names: tuple[str, ...]) -> str:
        searched = size = 0
        for source in self.shown_sources:
            status = source.status.value
            if source.name in names and status is not None and status.searched_bytes is not None and status.size_bytes:
                searched, size = searched + status.searched_bytes, size + status.size_bytes
        share = f"  {100 * searched // size} %" if size else ""
        return _("searching {names}", names=listed(names)) + share

    # ---- the list ------------------------------------------------------------------------------------------------

    def _paint_list(self) -> None:
        lines, merged = self.query_one("#log-list", Lines), self.merged
        if merged is None or not merged.shown:
            self.list = None
            lines.show([(Piece("  " + self._why_empty(), "muted"),)])
            return
        style = self._style(merged)
        drawn_from = (merged, merged.edition, style, self.folded, language())
        if self.list is None or drawn_from != self._drawn_from:
            self.list, self._drawn_from = LogList(merged.shown, style, folded=self.folded), drawn_from
        rows = self.list
        at = len(merged.shown) - 1 if self.cursor is None else merged.index(self.cursor)
        top = None if self.top is None else rows.row_of_place(self.top, merged.index(self.top.key))
        lines.show(rows, selected=rows.row_of(rows.group_of(at)), top=top)
        self.top = rows.place_of_row(lines.top)

    def _why_empty(self) -> str:
        if self.failure is not None:
            return ""
        if self.opened is None:
            return _("opening the logs")
        if not self.sources:
            return _("no log was found here: name files on the command line, or sources in the configuration")
        if self.merged is None or self.merged.searching:
            return _("reading")
        if self.merged.troubles:
            return _("nothing can be read now")
        return _("nothing matches") if self.merged.where.matches is not None and self._narrowed else _("no records")

    @property
    def _narrowed(self) -> bool:
        return bool(self.filter_text) or self.level > Severity.UNKNOWN

    def _style(self, merged: MergedLogs) -> LogStyle:
        width = self.lilfox.room.width
        names = [each.name for each in self.shown_sources]
        widest = WIDEST_SOURCE if width >= 120 else 12 if width >= 100 else 10
        source_width = min(widest, max(map(cell_width, names))) if len(names) > 1 and width >= 60 else 0
        return LogStyle(
            width=width,
            glyphs=self.lilfox.glyphs,
            zone=self.zone,
            dates=self._needs_dates(merged),
            source_width=source_width,
            logger_width=self._width_of_loggers(merged, width),
            wrapped=self.wrapped,
            shifted=0 if self.wrapped or self.detail is not None else self.shifted,
            marks=frozenset(self.marks),
            matches=None if self.only_matching or not self.filter_text else self.filter.matches,
        )

    def _needs_dates(self, merged: MergedLogs) -> bool:
        """Whether what is loaded is not all of today."""
        days = {self._day(each) for each in (*merged.shown[:1], *merged.shown[-1:])} - {None}
        shown = self.lilfox.shown
        now = self._clock() if shown is None else shown.at
        return bool(days - {now.astimezone(self.zone).date()})

    def _day(self, shown: WindowItem) -> object:
        if not isinstance(shown.item, LogRecord) or shown.item.entry.time_us is None:
            return None
        return (EPOCH + timedelta(microseconds=shown.item.entry.time_us)).astimezone(self.zone).date()

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

    # ---- the strip -----------------------------------------------------------------------------------------------

    def _paint_strip(self) -> None:
        strip, merged = self.query_one("#log-strip", Lines), self.merged
        strip.display = self.lilfox.room.height >= 9
        if merged is None or not strip.display:
            return
        counted = self.counted if self.counted_for == (merged, merged.where) else None
        total, more_in_all = self._all_records()
        loaded, more = len(merged.shown), not (merged.at_oldest and merged.at_newest)
        if merged.where == EVERYTHING and total is not None and more:
            loaded, more = total, more_in_all
        elif counted is not None and more:
            loaded, more = max(loaded, counted.records), merged.came != self.came_before
        parts = StripParts(
            shown=loaded,
            more=more,
            total=None if total is None else max(total, loaded),
            more_in_all=more_in_all,
            zone=self.zone,
            width=self.lilfox.room.width,
            glyphs=self.lilfox.glyphs,
            sparklines=not self.lilfox.slow_link,
        )
        made_from = (merged, merged.edition, parts, counted is not None, language())
        if self._strip is None or self._strip[0] != made_from:
            errors = loaded_errors(merged.shown)
            if counted is not None and (overall := counted_errors(counted.by_slice)) is not None:
                errors = joined(overall, errors)
            self._strip = (made_from, strip_row(errors, parts))
        strip.show([self._strip[1]])
        if not self.busy and not self.is_counted(merged):
            self.set_timer(QUIET_S, partial(self._count_if_quiet, merged.leaps))

        statuses = [source.status.value for source in self.shown_sources]
        behind = any(each is not None and each.indexed_bytes not in (None, each.size_bytes) for each in statuses)
        if behind and not self._looks_again:
            self._looks_again = True
            self.set_timer(QUIET_S, self._look_again)

    def _look_again(self) -> None:
        """Shows the count that was behind what is written."""
        self._looks_again = False
        if self.display and not self.lilfox._exit:
            self.repaint()

    def _all_records(self) -> tuple[int | None, bool]:
        """How many records all sources that are shown hold, None where one cannot tell; and whether there are more."""
        statuses = [source.status.value for source in self.shown_sources]
        counts = [None if status is None else status.records for status in statuses]
        if None in counts:
            return None, False
        more = any(status is not None and status.more_records for status in statuses)
        return sum(count or 0 for count in counts), more

    def _count_if_quiet(self, leaps: int) -> None:
        if self.display and not self.busy and self.merged is not None and self.merged.leaps == leaps:
            self.count_behind()
