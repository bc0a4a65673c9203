"""What the Logs pane draws: the lines above the list, the list of records, and the strip below it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial

from lilfox_tui.app.actions import suggestion
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.logs.columns import fitted, names_of, value_piece, widths_of
from lilfox_tui.app.panes.logs.histogram import (
    Histogram,
    StripParts,
    counted_errors,
    joined,
    loaded_errors,
    strip_row,
)
from lilfox_tui.app.panes.logs.rows import LogList, LogStyle, at_least, grouped, heading_row
from lilfox_tui.app.panes.logs.state import LogsState
from lilfox_tui.app.rendering.columns import cells, wrapped
from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, language, listed, ngettext
from lilfox_tui.core.text import cell_width, fit, human_duration
from lilfox_tui.logs.files.log_file import HasLocalFiles
from lilfox_tui.logs.filter.model import COMMON_FIELDS, EVERYTHING, NOTHING, Filter, literal_texts
from lilfox_tui.logs.filter.model import of_source as filter_of_source
from lilfox_tui.logs.filter.syntax import text_like_field
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import EPOCH, LogRecord, Severity
from lilfox_tui.logs.source import LogSource
from lilfox_tui.logs.window import WindowItem

ROOMY = 16
"""Rows of the pane at which what is wrong may take more than one."""
TROUBLES_SHOWN = 3
LEAST_OF_REASON = 20
"""Cells of it on any screen."""


class LogHead:
    """Draws the lines above the list."""

    def __init__(self, context: PaneContext[LogsState]) -> None:
        self._state, self._app = context.state, context.app
        self._height = 1
        self._timeless: tuple[object, tuple[str, ...]] = (None, ())

    def paint(self, lines: Lines) -> None:
        """Draws the sources and the messages, and sets the height to their number of rows."""
        rows = [self._sources_row(), *self._message_rows()]
        if len(rows) != self._height:
            self._height = len(rows)
            lines.styles.height = len(rows)
        lines.show(rows)

    def _sources_row(self) -> Row:
        right = self._right_of_sources()
        width = self._app.room.width - sum(cell_width(piece.text) for piece in right) - 2
        names = self._names()
        count = ""
        if len(names) != len(self._state.sources) and self._state.unreachable is None:
            count = _("({shown} of {all} sources)", shown=len(names), all=len(self._state.sources))
        left = [Piece(" "), Piece("  ".join(names), "strong"), Piece("  " + count, "muted")]
        if sum(cell_width(piece.text) for piece in left) > width:
            short = _("{shown} of {all} sources", shown=len(names), all=len(self._state.sources))
            left = [Piece(" "), Piece(short, "strong")]
        space = self._app.room.width - sum(cell_width(piece.text) for piece in (*left, *right))
        return (*left, Piece(" " * max(1, space)), *right)

    def _names(self) -> list[str]:
        """The names of the shown sources, with a note after those whose records have no times and cannot be sorted by
        time."""
        names = [each.name for each in self._state.shown_sources]
        if self._state.unreachable is not None:
            return [self._state.unreachable[0]]
        if self._state.merged is None or len(names) == 1:
            return names
        if self._timeless[0] != (seen_now := (self._state.merged, self._state.merged.edition)):
            self._timeless = (seen_now, self._state.merged.timeless)
        word = _("(no timestamps)")
        return [f"{name} {word}" if name in self._timeless[1] else name for name in names]

    def _right_of_sources(self) -> list[Piece]:
        state, merged = self._state, self._state.merged
        parts: list[Piece] = []
        if state.level > Severity.UNKNOWN:
            parts.append(Piece(at_least(state.level, self._app.glyphs) + "   ", "accent"))
        if state.filter_text:
            marked = "" if state.only_matching else " " + _("(matches marked)")
            text = state.filter_in_force if state.filter_error else state.filter_text
            parts.append(Piece(f"{text[:40]}{marked}   " if text else "", "accent"))
        if state.shifted and not state.wrapped and state.page is None:
            parts.append(Piece(_("from column {count}", count=state.shifted + 1) + "   ", "accent"))
        if state.zone is not UTC:
            parts.append(Piece(_("local time") + "   ", "muted"))
        if merged is not None and merged.waiting and not state.at_end:
            parts.append(Piece(_("{count} new", count=grouped(merged.waiting)) + "   ", "accent"))
        if merged is not None and state.shown_sources:
            parts.append(self._following(merged))
        return parts

    def _following(self, merged: MergedLogs) -> Piece:
        """Whether new records are followed: a word where they are not, for no shape of a state means that."""
        if (until := self._state.until) is not None:
            return Piece(_("until {time}", time=f"{until.astimezone(self._state.zone):%H:%M:%S}") + " ", "muted")
        if self._state.is_following:
            return Piece(_("follow") + f" {self._app.glyphs.good} ", "good")
        return Piece((_("follow paused") if merged.following else _("follow off")) + " ", "muted")

    def _message_rows(self) -> list[Row]:
        """The messages above the records: errors of the filter, the search in progress, unreadable sources."""
        state, merged, room = self._state, self._state.merged, self._app.room
        rows: list[Row] = []
        if state.failure is not None:
            rows.append((Piece(f" {state.failure}  {state.failure.hint}", "failing"),))
        if state.filter_error:
            told, in_force = Piece(" " + state.filter_error, "failing"), Piece("   " + self._in_force(), "text")
            fits = cells((told, in_force)) <= room.width
            rows += [(told, in_force)] if fits else [*wrapped([(told,)], room.width), (in_force,)]
        if merged is None:
            return rows
        if state.working:
            rows.append((Piece(" " + state.working, "accent"), Piece("   " + _("esc stops it"), "muted")))
        searching = merged.searching or (() if state.finding is None else state.finding.searching)
        if searching:
            rows.append((Piece(" " + self._progress(searching), "accent"), Piece("   " + _("esc stops it"), "muted")))
        return rows + trouble_rows(
            merged.troubles,
            self._app.glyphs,
            now=datetime.now(UTC),
            zone=state.zone,
            width=room.width,
            roomy=room.height >= ROOMY,
        )

    def _in_force(self) -> str:
        """Which filter the list has while the one that is typed is invalid."""
        if not (text := self._state.filter_in_force):
            return _("not applied; no filter is in force")
        return _("not applied; still in force: {filter}", filter=text)

    def _progress(self, names: tuple[str, ...]) -> str:
        searched = size = 0
        for source in self._state.shown_sources:
            status = source.status.value
            if source.name in names and status is not None and status.searched_bytes is not None and status.size_bytes:
                searched, size = searched + status.searched_bytes, size + status.size_bytes
        share = f"  {100 * searched // size}%" if size else ""
        return _("searching {names}", names=listed(names)) + share


def trouble_rows(
    troubles: Mapping[str, Unavailable], glyphs: Glyphs, *, now: datetime, zone: tzinfo, width: int, roomy: bool
) -> list[Row]:
    """A row for each of the first unreadable sources. If there is only one, and the screen is ``roomy``, the text cut
    off in its row continues below it. ``now`` is the wall clock (aware)."""
    rows: list[Row] = []
    for name, trouble in list(troubles.items())[:TROUBLES_SHOWN]:
        more = len(troubles) == 1 and roomy
        rows += _rows(
            f"{name}: {trouble.error}", str(trouble.error.hint), when(trouble, now, zone), glyphs, width, more
        )
    if (left := len(troubles) - TROUBLES_SHOWN) > 0:
        text = _("{count} more cannot be read; press o for details", count=left)
        rows.append((Piece(f"   {text}", "muted"),))
    return rows


def _rows(what: str, hint: str, times: str, glyphs: Glyphs, width: int, more: bool) -> list[Row]:
    """A source's error. A long reason is cut; the start of the failure and the next try always stay."""
    mark, at = Piece(f" {glyphs.failing} ", "failing"), Piece(f"  {times}", "muted")
    room = max(LEAST_OF_REASON, width - cells((mark, at)))
    cut = cells((Piece(what),)) > room
    row = (mark, Piece(fit(what, room) if cut else what, "failing"), at)
    whole = (*row, Piece(f"  {hint}" if hint else "", "muted"))
    if not more or (not cut and cells(whole) <= width):
        return [whole]
    below = "  ".join(part for part in (what if cut else "", hint) if part)
    return [row, *wrapped([(Piece("   "), Piece(below, "muted"))], width)]


def when(trouble: Unavailable, now: datetime, zone: tzinfo) -> str:
    """Return since when a source cannot be read, and when the next try is."""
    since = trouble.since.astimezone(zone).strftime("%H:%M:%S")
    then = _("R retries")
    if trouble.next_try is not None:
        wait = round((trouble.next_try - now).total_seconds())
        then = _("next try in {time}", time=human_duration(wait)) if wait > 0 else _("trying now")
    return _("since {time}, {then}", time=since, then=then)


# The list of records on the screen: in which columns, from which row on, or why it is empty.


WIDEST_SOURCE = 16
BESIDE = 160
"""Cells of the screen from which an open record stands beside the list."""
_SCROLLBAR = 2
"""Cells at the right of the list, a blank one included."""
_SHARE_OF_RECORD = 0.42
SAMPLED = 200
"""Of the loaded records, the oldest and the newest in which values are looked for, to know the columns' widths."""
_MOST_FIELDS = 1000
"""Names of fields that are remembered."""
HEADED = 12
"""Rows of the pane from which the columns have headings."""


class LogTable:
    """Draws the list in columns of stable width, and its scrollbar."""

    def __init__(self, context: PaneContext[LogsState]) -> None:
        self._state, self._app = context.state, context.app
        self._logger_width = 0
        self._value_widths: dict[str, int] = {}
        self._values_of: object = None
        """The columns whose widths those are, and the list."""
        self._seen: object = None
        self._loaded, self._sampled = Unseen(), Unseen()
        self._drawn_from: object = None
        self._errors: tuple[object, tuple[int, ...]] = (None, ())

    def paint(self, lines: Lines) -> None:
        """Shows the list, or why there is none."""
        state, merged = self._state, self._state.merged
        if merged is None or not merged.shown:
            state.list = None
            why = (Piece("  "), Piece(self._why_empty(), "muted"))
            lines.show(wrapped([why], self.width))
            return
        style = self.style(merged)
        room = self._app.room.height  # not the list's: that changes with the lines above it
        drawn_from = (merged, merged.edition, style, state.folded, room, language())
        if state.list is None or drawn_from != self._drawn_from:
            state.list, self._drawn_from = LogList(merged.shown, style, folded=state.folded, room=room), drawn_from
        rows = state.list
        at = len(merged.shown) - 1 if state.cursor is None else merged.index(state.cursor)
        top = None if state.top is None else rows.row_of_place(state.top, merged.index(state.top.key))
        lines.show(rows, selected=rows.row_of(rows.group_of(at)), top=top)
        state.top = rows.place_of_row(lines.top)

    @property
    def width(self) -> int:
        """The cells of a row of the list."""
        room = self._app.room.width - _SCROLLBAR
        return room - self.record_width if self._state.page is not None and self.is_beside else room

    @property
    def is_beside(self) -> bool:
        """Whether an open record stands beside the list, not in its place."""
        return self._app.room.width >= BESIDE

    @property
    def record_width(self) -> int:
        """The cells of an open record that stands beside the list, with the line between them."""
        return int(self._app.room.width * _SHARE_OF_RECORD)

    def paint_heading(self, lines: Lines) -> None:
        """Draws the headings of the columns if there is room, also before there is a list: what is shown later moves
        the rows, and that costs a layout more."""
        merged = self._state.merged
        lines.display = (self._state.page is None or self.is_beside) and self._app.room.height >= HEADED
        if lines.display:
            lines.show(() if merged is None or not merged.shown else [heading_row(self.style(merged))])

    def paint_scrollbar(self, lines: Lines, of_list: Lines) -> None:
        """Draws which part of the loaded rows is seen, and where among them the errors are."""
        rows, height = self._state.list, of_list.room
        if rows is None or not height or self._app.slow_link:
            lines.show(())
            return
        if self._errors[0] is not rows:
            self._errors = (rows, error_rows(rows))
        lines.show(scrollbar(len(rows), of_list.top, height, self._errors[1], self._app.glyphs))

    def _why_empty(self) -> str:
        state, merged = self._state, self._state.merged
        if state.failure is not None:
            return ""
        if state.opened is None:
            return _("opening the logs")
        if state.unreachable is not None:
            host, trouble, is_away = state.unreachable
            since = trouble.since.astimezone(state.zone).strftime("%H:%M:%S")
            if not is_away:
                return _("the search for logs on {host} failed at {time}: {reason}; R retries",
                         host=host, time=since, reason=trouble.error)  # fmt: skip
            return _("{host} has been unreachable since {time}: {reason}; R retries",
                     host=host, time=since, reason=trouble.error)  # fmt: skip
        if not state.sources and not state.opened.is_here:
            return _("no logs are configured; l on a host in pane 1 looks for its logs")
        if not state.sources:
            return _("no logs found: specify files on the command line, or sources in the configuration")
        if merged is None or merged.searching:
            return _("reading")
        if merged.troubles:
            return _("no source can be read now")
        if state.chosen == EVERYTHING:
            return self._why_no_records()
        if (like := text_like_field(state.filter, {*COMMON_FIELDS, *state.fields})) is not None:
            word, name, meant = like
            return _("nothing matches: {word} is searched as text; {filter} filters by {name}",
                     word=word, filter=meant, name=name)  # fmt: skip
        unknown = state.unknown_field()
        if unknown is None:
            told = bool(state.filter_error and state.filter_in_force)
            return _("nothing matches {filter}", filter=state.filter_in_force) if told else _("nothing matches")
        return _("nothing matches: no record read so far has a field {name}; {rather}",
                 name=unknown, rather=suggestion(unknown, state.fields))  # fmt: skip

    def _why_no_records(self) -> str:
        """Why the list is empty without a filter."""
        state = self._state
        if state.until is not None:
            return _("no records before {time}", time=f"{state.until.astimezone(state.zone):%H:%M:%S}")
        statuses = [each.status.value for each in state.shown_sources]
        if statuses and all(each is not None and each.size_bytes == 0 for each in statuses):
            return ngettext("no records: the log is empty", "no records: all {count} logs are empty", len(statuses))
        return _("no records")

    def style(self, merged: MergedLogs, width: int | None = None) -> LogStyle:
        """The current style of rows of ``width`` cells; None: of the list's."""
        state, width = self._state, self.width if width is None else width
        names = [each.name for each in state.shown_sources]
        widest = WIDEST_SOURCE if width >= 120 else 12 if width >= 100 else 10
        source_width = min(widest, max(map(cell_width, names))) if len(names) > 1 and width >= 60 else 0
        self._look_for_widths(merged)
        columns = () if state.wrapped else self._columns(merged)
        state.valued = tuple(name for name in columns if name in self._value_widths)
        return LogStyle(
            width=width,
            glyphs=self._app.glyphs,
            zone=state.zone,
            dates=self._needs_dates(merged),
            source_width=source_width,
            logger_width=min(self._logger_width, max(10, width // 10)) if width >= 80 else 0,
            wrapped=state.wrapped,
            shifted=0 if state.wrapped or state.page is not None else state.shifted,
            marks=frozenset(state.marks),
            matches=None if state.only_matching or not state.filter_text else state.filter.matches,
            hits=literal_texts(state.filter),
            values=fitted(columns, self._value_widths, width),
        )

    def _columns(self, merged: MergedLogs) -> tuple[str, ...]:
        """The columns that were chosen, else those that are not empty about here: messages need the room more."""
        state, names = self._state, self._state.chosen_columns
        if state.columns.are_chosen(state.formats):
            return names
        near = [each.item for each in self._near(merged) if isinstance(each.item, LogRecord)]
        return tuple(
            name for name in names if name in self._value_widths and any(value_piece(each, name).text for each in near)
        )

    def _near(self, merged: MergedLogs) -> Sequence[WindowItem]:
        """The records of the rows that are seen, and of some on either side: else columns would come and go with each
        row that scrolls."""
        if not merged.shown:
            return ()
        far, rows = 2 * self._app.room.height, self._state.list
        at = len(merged.shown) - 1 if self._state.cursor is None else merged.index(self._state.cursor)
        first, last = at - far, at + far
        if rows is not None and rows.groups:  # folded, a row stands for many
            group = rows.group_of_key(merged.shown[at].key)
            first = min(first, merged.index(rows.first_of(max(0, group - far)).key))
            last = max(last, merged.index(rows.last_of(min(rows.groups - 1, group + far)).key))
        return merged.shown[max(0, first) : last + 1]

    def _needs_dates(self, merged: MergedLogs) -> bool:
        """Whether some loaded records are not from today."""
        days = {self._day(each) for each in (*merged.shown[:1], *merged.shown[-1:])} - {None}
        shown = self._app.shown
        now = self._state.clock if shown is None else shown.at
        return bool(days - {now.astimezone(self._state.zone).date()})

    def _day(self, shown: WindowItem) -> object:
        if not isinstance(shown.item, LogRecord) or shown.item.entry.time_us is None:
            return None
        return (EPOCH + timedelta(microseconds=shown.item.entry.time_us)).astimezone(self._state.zone).date()

    def _look_for_widths(self, merged: MergedLogs) -> None:
        """Widens the columns to the values seen so far, so that they do not jump. Loggers that repeat the name of their
        source (``lilfox-backend`` of ``backend``) need no column."""
        names = self._state.chosen_columns
        if self._values_of != (names, merged):
            self._values_of, self._value_widths, self._seen = (names, merged), {}, None
            self._loaded, self._sampled = Unseen(), Unseen()
        if self._seen == merged.edition:
            return
        self._seen = merged.edition
        records = [each.item for each in merged.shown if isinstance(each.item, LogRecord)]
        entries = ((each.entry.logger, each.source) for each in self._loaded.of(records))
        loggers = (len(logger) for logger, source in entries if not logger.endswith(source))
        self._logger_width = max(self._logger_width, max(loggers, default=0))
        fresh = self._sampled.of(sampled(records))
        if len(self._state.fields) < _MOST_FIELDS:
            self._state.fields.update(COMMON_FIELDS, *(names_of(each.entry.fields) for each in fresh))
        for name, width in widths_of(fresh, names).items():
            self._value_widths[name] = max(self._value_widths.get(name, 0), width)


class Unseen:
    """Tells which records of a list are new in it."""

    def __init__(self) -> None:
        self._before: Sequence[LogRecord] = ()  # holds them: another one could get the id of one that is gone
        self._ids: set[int] = set()

    def of(self, records: Sequence[LogRecord]) -> list[LogRecord]:
        """The records that were not among those of the last call."""
        found = [each for each in records if id(each) not in self._ids]
        self._before, self._ids = records, set(map(id, records))
        return found


def sampled(records: Sequence[LogRecord]) -> Sequence[LogRecord]:
    """The oldest and the newest of the records."""
    return records if len(records) <= 2 * SAMPLED else [*records[:SAMPLED], *records[-SAMPLED:]]


def error_rows(rows: LogList) -> tuple[int, ...]:
    """The rows where records at ERROR or above begin."""
    found = []
    for group in range(rows.groups):
        item = rows.first_of(group).item
        if isinstance(item, LogRecord) and item.entry.severity >= Severity.ERROR:
            found.append(rows.row_of(group))
    return tuple(found)


def scrollbar(count: int, top: int, height: int, errors: Iterable[int], glyphs: Glyphs) -> list[Row]:
    """``height`` cells: those that stand for the rows that are seen, and those where errors are. Blank if all rows are
    seen."""
    if count <= height:
        return []
    first = top * height // count
    last = max(first, min(height - 1, (top + height) * height // count - (top + height < count)))
    marked = {row * height // count for row in errors}
    cells: list[Row] = []
    for y in range(height):
        shape = (first <= y <= last) + 2 * (y in marked)
        role = "failing" if y in marked else "muted"
        cells.append((Piece(" "), Piece(glyphs.scroll[shape - 1], role)) if shape else BLANK)
    return cells


# The strip below the list; it has all counted behind the keys where that is cheap.


LEAST_HEIGHT = 9
"""Rows of the pane at which the strip is there."""
QUIET_S = 1.0
"""After the last change, before all is counted."""
CHEAP_BYTES = 256 * 1024 * 1024
"""So much is counted unasked, in half a second of one CPU."""


class ErrorStrip:
    """Draws the strip. While nothing else runs and counting is cheap, counts all matching records, so that the strip
    covers all of them."""

    def __init__(self, context: PaneContext[LogsState], histogram: Histogram) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._histogram = histogram
        self._made: tuple[object, Row] | None = None
        self._looks_again = False
        self._totals: tuple[int | None, bool] = (None, False)

    def paint(self, lines: Lines) -> None:
        """Draws the strip if there is room."""
        state, merged = self._state, self._state.merged
        lines.display = self._app.room.height >= LEAST_HEIGHT
        if merged is None or not lines.display:
            return
        if not state.shown_sources:
            lines.show(())
            return
        lines.show([self._row(merged)])
        if not state.busy and not state.count.is_done(merged) and not state.count.is_still(merged):
            self._context.after(QUIET_S, partial(self._count_if_quiet, merged.leaps))
        statuses = [source.status.value for source in state.shown_sources]
        behind = any(each is not None and each.indexed_bytes not in (None, each.size_bytes) for each in statuses)
        if behind and not self._looks_again and state.held is None:
            self._looks_again = True
            self._context.after(QUIET_S, self._look_again)

    def _row(self, merged: MergedLogs) -> Row:
        counted = self._state.count.counted if self._state.count.is_of(merged, merged.where) else None
        parts = self._parts(merged, None if counted is None else counted.records)
        made_from = (merged, merged.edition, parts, counted is not None, language())
        if self._made is None or self._made[0] != made_from:
            errors = loaded_errors(merged.shown)
            if counted is not None and (overall := counted_errors(counted.by_slice, self._state.clock)) is not None:
                errors = joined(overall, errors)
            self._made = (made_from, strip_row(errors, parts))
        return self._made[1]

    def _parts(self, merged: MergedLogs, counted: int | None) -> StripParts:
        """The parts of the strip; ``counted`` is the number of matching records if known. The strip counts what the
        histogram does, also where there is no room for that."""
        if self._state.until is None:
            self._totals = self._all_records()
        elif not self._state.count.is_still(merged):
            self._totals = (None, False)  # how many of all there were then is not known
        total, more_in_all = self._totals
        narrowed = self._state.narrows(merged.where)
        loaded, more = len(merged.shown), not (merged.at_oldest and merged.at_newest)
        bars = self._histogram.drawn
        if bars is None and counted is not None and not self._app.slow_link:
            bars = self._histogram.bars(merged)
            if bars is not None and bars.total.records + bars.missing < counted:
                bars = None  # times out of order: some records are in no bar
        if bars is not None and not bars.loaded_only:
            loaded, more = bars.total.records + bars.missing, more and not self._state.count.is_up_to_date(merged)
            if not narrowed and total is not None:
                total, more_in_all = loaded, more
        elif not narrowed and total is not None and more:
            loaded = max(total, loaded, counted or 0)
            more = more_in_all = more_in_all or loaded > total
        elif counted is not None and more:
            loaded, more = max(loaded, counted), merged.came != self._state.count.came_before
        return StripParts(
            shown=loaded,
            more=more,
            total=None if total is None else max(total, loaded),
            more_in_all=more_in_all,
            narrowed=narrowed,
            zone=self._state.zone,
            width=self._app.room.width,
            glyphs=self._app.glyphs,
            sparklines=not self._app.slow_link,
        )

    def _all_records(self) -> tuple[int | None, bool]:
        """The number of records in all shown sources (None if a source does not know it), and whether there are
        more."""
        statuses = [source.status.value for source in self._state.shown_sources]
        counts = [None if status is None else status.records for status in statuses]
        if None in counts:
            return None, False
        more = any(status is not None and status.more_records for status in statuses)
        return sum(count or 0 for count in counts), more

    def _look_again(self) -> None:
        """Redraws the strip, whose count was behind because a source is still indexing its log."""
        self._looks_again = False
        if self._context.is_displayed and not self._app.leaving and not self._app.paused:
            self._context.repaint()

    def _count_if_quiet(self, leaps: int) -> None:
        merged = self._state.merged
        if not self._context.is_displayed or self._state.busy or merged is None or merged.leaps != leaps:
            return
        if not self._state.count.is_done(merged) and not self._state.count.is_still(merged):
            self._state.count.begin(merged)
            self._context.run(partial(self._count, merged, merged.where), group="count-behind", exclusive=True)

    async def _count(self, merged: MergedLogs, where: Filter) -> None:
        from lilfox_tui.logs.analyze import analyze

        try:
            if not await _is_cheap(
                [each for each in self._state.shown_sources if filter_of_source(where, each.name) != NOTHING]
            ):
                return
            came, leaps = merged.came, merged.leaps
            answer = await analyze(self._state.shown_sources, where, processes=1)
        except LilFoxError:
            return  # the strip goes on to tell of what is loaded
        if self._state.count.is_of(merged, where) and not answer.failed:
            self._state.count.take(merged, where, answer.statistics, came=came, leaps=leaps)
            self._context.repaint()


async def _is_cheap(sources: Sequence[LogSource]) -> bool:
    """Return whether all sources are files on this machine that are small enough to count at once. Raises
    LilFoxError."""
    size = 0
    for source in sources:
        files = await source.local_files() if isinstance(source, HasLocalFiles) else None
        if files is None:
            return False
        size += sum([await each.file.size() for each in files])
    return size <= CHEAP_BYTES
