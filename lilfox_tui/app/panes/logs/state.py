"""What the Logs pane shows: the sources, their records, the cursor, the open record, and what was counted. No
screen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from msgspec import Struct

from lilfox_tui.app.panes.logs.columns import ChosenColumns, chosen_file, trace_of
from lilfox_tui.app.panes.logs.record_page import DetailRow, FieldValue, Neighbours, SimilarRecords, first_field
from lilfox_tui.app.panes.logs.rows import LogList, Place
from lilfox_tui.core.aio import Unavailable
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import Message, tr
from lilfox_tui.logs.filter.model import EVERYTHING, And, AtLeast, FieldMatch, Filter, Or, Within, fields_named
from lilfox_tui.logs.filter.syntax import parse_filter
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import EPOCH, LogRecord, Severity, microseconds
from lilfox_tui.logs.source import AtEnd, AtTime, LogSource
from lilfox_tui.logs.window import MergeKey, WindowItem

if TYPE_CHECKING:
    from lilfox_tui.app.open_logs import OpenLogs
    from lilfox_tui.logs.statistics import Statistics


LEVELS = (
    Severity.UNKNOWN,
    Severity.DEBUG,
    Severity.INFO,
    Severity.WARNING,
    Severity.ERROR,
    Severity.CRITICAL,
)
Mark = tuple[str, str]
"""The source and the place of a marked record."""


class OpenRecord:
    """A record that is open over the list."""

    def __init__(self, shown: WindowItem) -> None:
        self.shown = shown
        self.neighbours: Neighbours | None = None
        """None while they are read."""
        self.together: tuple[WindowItem, ...] = ()
        """The loaded records of its request."""
        self.similar: SimilarRecords | None = None
        """The loaded records that say the same."""
        self.followed = False
        """Whether the list followed new records when the first of the records that were opened in a row was opened."""
        self.rows: list[DetailRow] = []
        """As they were drawn last."""
        self._row: int | None = None

    @property
    def record(self) -> LogRecord | None:
        """The record; None for a notice, which has no page."""
        return self.shown.item if isinstance(self.shown.item, LogRecord) else None

    @property
    def row(self) -> int:
        """The selected row; if none was chosen, the first one with a field."""
        return first_field(self.rows) if self._row is None else self._row

    @property
    def field(self) -> FieldValue | None:
        """The field of the selected row."""
        return self.rows[min(self.row, len(self.rows) - 1)].field if self.rows else None

    def select(self, row: int) -> None:
        """Selects a row; the number is limited to the existing rows."""
        if self.rows:
            self._row = max(0, min(len(self.rows) - 1, row))

    def move(self, step: int) -> None:
        """Selects the row ``step`` rows down, or up."""
        self.select(self.row + step)


class BeforeTrace(Struct, frozen=True):
    """What was shown before a trace: the level and the hidden sources. ``filter_text`` is the filter of the trace."""

    filter_text: str
    level: Severity
    hidden: frozenset[str]


class MatchCount:
    """What was counted of all records of a list, loaded or not."""

    def __init__(self) -> None:
        self.counted: Statistics | None = None
        """All that matches, where it was counted."""
        self.came_before = self._leaps_before = 0
        """Records that had come while following when it was counted; what came since is beyond that."""
        self._counted_for: tuple[MergedLogs, Filter] | None = None
        self._begun = (0, 0)
        """What had come, and how often the list had leaped, when the last count began, which may not have ended."""
        self._still: tuple[MergedLogs, Filter] | None = None

    def is_done(self, merged: MergedLogs) -> bool:
        """Return whether everything is counted or being counted. Records that arrived later do not matter, as long as
        they are loaded."""
        came, leaps = self._begun
        are_loaded = not merged.at_newest or merged.came - came <= len(merged.shown)
        return self.is_of(merged, merged.where) and leaps == merged.leaps and are_loaded

    def is_up_to_date(self, merged: MergedLogs) -> bool:
        """Return whether the finished count and what is loaded are all records that there are."""
        if self.counted is None or not self.is_of(merged, merged.where) or self._leaps_before != merged.leaps:
            return False
        since = merged.came - self.came_before
        return since <= len(merged.shown) if merged.at_newest else not since

    def is_of(self, merged: MergedLogs, where: Filter) -> bool:
        """Return whether the current count, finished or not, is of this list with this filter."""
        return self._counted_for == (merged, where)

    def is_still(self, merged: MergedLogs) -> bool:
        """Whether the list is the one that was shown when the screen was paused: of that nothing more is counted."""
        return self._still == (merged, merged.where)

    def begin(self, merged: MergedLogs) -> None:
        """Marks a count of all of ``merged`` as started; a finished count of the same stays until the new one is
        done."""
        if not self.is_of(merged, merged.where):
            self._counted_for, self.counted = (merged, merged.where), None
        self._begun = (merged.came, merged.leaps)

    def hold(self, merged: MergedLogs, before: Filter, *, paused: bool) -> None:
        """Goes on with the count of ``merged``, whose filter was ``before``, when the screen is paused or no longer:
        the filter has another bound, but the records are the same. What was not counted by then is counted after the
        pause."""
        self._still = (merged, merged.where) if paused else None
        if self.is_of(merged, before):
            self._counted_for = (merged, merged.where)
            if self.counted is None or not merged.at_newest:
                self._begun, self._leaps_before = (-1, -1), -1

    def take(self, merged: MergedLogs, where: Filter, counted: Statistics, *, came: int, leaps: int) -> None:
        """Stores the count. ``came`` and ``leaps`` are the values when counting began."""
        self._counted_for, self.counted = (merged, where), counted
        self.came_before, self._leaps_before = self._begun = came, leaps


class LogsState:
    """The pane's state."""

    def __init__(self) -> None:
        self.opened: OpenLogs | None = None
        self.merged: MergedLogs | None = None
        """The list of the sources that are shown; None until it is begun."""
        self.failure: LilFoxError | None = None
        """Why nothing is open."""
        self.unreachable: tuple[str, Unavailable, bool] | None = None
        """The host whose logs were to be shown, why they cannot be looked for, and whether it is not reached."""
        self.hidden: frozenset[str] = frozenset()
        self.before_trace: BeforeTrace | None = None
        """What esc restores after a trace."""
        self.follows = True
        self.rewound: datetime | None = None
        """The time that is looked at (aware UTC); None for now."""
        self.held: datetime | None = None
        """The time at which the screen was paused (aware UTC); None while it is not."""
        self.timeless: tuple[str, ...] = ()
        """Sources whose records have no times, when the screen was paused or rewound: of these nothing is left out."""
        self.working = ""
        """What is being counted or saved, for the line of messages."""
        self.finding: MergedLogs | None = None
        """Where a match is looked for, past what is loaded."""
        self.level = Severity.UNKNOWN
        self.filter_text, self.filter_error = "", ""
        self.filter: Filter = EVERYTHING
        self.filter_in_force = ""
        """The text of the last filter that was valid."""
        self.only_matching = True
        self.cursor: MergeKey | None = None
        """Where the reader stands; None for the newest row that is loaded."""
        self._at_end = True
        self._stood_on: WindowItem | None = None
        self.marks: dict[Mark, int] = {}  # with their times
        self.page: OpenRecord | None = None
        """None where the list is shown."""
        self.zone: tzinfo = UTC
        """Of the times that are shown, and of those that are typed."""
        self.wrapped, self.folded = False, True
        self.columns = ChosenColumns(chosen_file())
        self.valued: tuple[str, ...] = ()
        """Those of the chosen columns that had values about where the list was drawn last."""
        self.fields: set[str] = set()
        """Names of fields that records had so far."""
        self.shifted = 0
        """Cells of messages that are left of the screen."""
        self.list: LogList | None = None
        """The rows as they were drawn last."""
        self.top: Place | None = None
        """What stands on the first row that is seen."""
        self.count = MatchCount()

    # ---- sources -------------------------------------------------------------------------------------------------

    @property
    def sources(self) -> Sequence[LogSource]:
        """The open sources."""
        return () if self.opened is None else self.opened.sources

    @property
    def shown_sources(self) -> list[LogSource]:
        """The shown sources."""
        return [each for each in self.sources if each.name not in self.hidden]

    def source(self, name: str) -> LogSource | None:
        """The source of that name."""
        return next((each for each in self.sources if each.name == name), None)

    def show_only(self, names: Iterable[str]) -> None:
        """Shows only the sources with those names."""
        self.before_trace = self.unreachable = None
        self.hidden = frozenset(each.name for each in self.sources) - frozenset(names)

    @property
    def formats(self) -> str:
        """The formats of the shown sources, by which columns are chosen."""
        statuses = [source.status.value for source in self.shown_sources]
        return " ".join(sorted({each.format for each in statuses if each is not None}))

    @property
    def chosen_columns(self) -> tuple[str, ...]:
        """The columns of values that are shown where records have them."""
        return self.columns.of(self.formats)

    @property
    def busy(self) -> bool:
        """Whether something is running that can be cancelled."""
        return (
            bool(self.working) or self.finding is not None or (self.merged is not None and bool(self.merged.searching))
        )

    def why_not_retry(self) -> Message | None:
        """Why nothing can be retried."""
        if (
            self.failure is not None
            or self.unreachable is not None
            or (self.merged is not None and self.merged.troubles)
        ):
            return None
        return tr("all sources are responding")

    # ---- the filter ----------------------------------------------------------------------------------------------

    @property
    def until(self) -> datetime | None:
        """The time that a rewound or paused screen shows (aware UTC): later records are not there; None for now."""
        return self.rewound or self.held

    @property
    def bound(self) -> Filter:
        """The filter of the records that were there at the time shown."""
        if self.until is None:
            return EVERYTHING
        then = Within(None, microseconds(self.until) + 1)
        if not self.timeless:
            return then
        return Or((then, *(FieldMatch("source", "=", name) for name in self.timeless)))

    @property
    def where(self) -> Filter:
        """The filter that decides which records are in the list, of those that were there at the time shown."""
        chosen, bound = self.chosen, self.bound
        return bound if chosen == EVERYTHING else chosen if bound == EVERYTHING else And((chosen, bound))

    def narrows(self, where: Filter) -> bool:
        """Whether ``where``, of a list, leaves out more than what was written after the time shown."""
        return where not in (EVERYTHING, self.bound)

    @property
    def chosen(self) -> Filter:
        """The level and the filter, where that leaves records out."""
        parts: list[Filter] = [AtLeast(self.level)] if self.level > Severity.UNKNOWN else []
        if self.only_matching and self.filter != EVERYTHING:
            parts.append(self.filter)
        return EVERYTHING if not parts else parts[0] if len(parts) == 1 else And(tuple(parts))

    @property
    def match(self) -> Filter:
        """The filter that decides which records match, whether or not other records are shown."""
        return And((AtLeast(self.level), self.filter)) if self.level else self.filter

    @property
    def is_narrowed(self) -> bool:
        """Whether a level or a filter excludes records."""
        return bool(self.filter_text) or self.level > Severity.UNKNOWN

    def unknown_field(self) -> str | None:
        """A field that the filter names and no record has had so far; None if there is none, or no record was seen."""
        names = fields_named(self.filter)
        return next((name for name in names if self.fields and name not in self.fields), None)

    def set_filter(self, text: str) -> bool:
        """Sets the filter from ``text``; returns whether it changed. If ``text`` is invalid, stores the error for
        display and keeps the old filter."""
        self.filter_text = text
        try:
            found = parse_filter(text, now=self.clock, zone=self.zone)
        except LilFoxError as error:
            self.filter_error = f"{error}  {error.hint}".strip()
            return False
        self.filter_error, self.filter_in_force = "", text
        if found == self.filter:
            return False
        self.filter = found
        self._stood_on = self._stood_on or self.selected
        return True

    def step_level(self, step: int) -> None:
        """Changes the lowest level shown by ``step`` levels, wrapping around."""
        self.level = LEVELS[(LEVELS.index(self.level) + step) % len(LEVELS)]

    @property
    def newest(self) -> datetime | None:
        """The time of the newest record that is loaded (aware UTC); None if none has one."""
        shown = () if self.merged is None else self.merged.shown
        time_us = shown[-1].key.time_us if shown else 0
        return EPOCH + timedelta(microseconds=time_us) if time_us > 0 else None

    # ---- where the reader stands ---------------------------------------------------------------------------------

    @property
    def clock(self) -> datetime:
        """The time shown (aware UTC)."""
        return self.until or datetime.now(UTC)

    @property
    def at_end(self) -> bool:
        """Whether the cursor is on the newest record and follows new ones."""
        return self._at_end

    @at_end.setter
    def at_end(self, is_so: bool) -> None:
        self._at_end = is_so
        if self.merged is not None:
            self.merged.sticks = is_so and self.merged.following

    @property
    def is_following(self) -> bool:
        """Whether the reader goes along with new records: at the end, and where there is nothing to be moved from."""
        return self.merged is not None and self.merged.following and (self.at_end or not self.merged.shown)

    @property
    def under_cursor(self) -> WindowItem | None:
        """The item of the list under the cursor: of a folded row, any of its records."""
        if self.merged is None or not self.merged.shown:
            return None
        at = len(self.merged.shown) - 1 if self.cursor is None else self.merged.index(self.cursor)
        return self.merged.shown[at]

    @property
    def selected(self) -> WindowItem | None:
        """The item that the row under the cursor shows, which actions apply to."""
        here = self.under_cursor
        if here is None or self.list is None or self.merged is None:
            return here
        if self.page is not None and self.list.shown is not self.merged.shown:
            return here  # the page covers the list, which was not drawn since
        drawn = self.list.first_of(self.list.group_of_key(here.key))
        at = self.merged.index(drawn.key)
        return self.merged.shown[at] if self.merged.shown[at].key == drawn.key else here

    def edge_of_row(self, *, older: bool) -> int:
        """The index of the first or the last record of the row under the cursor. Requires an item under it."""
        here, rows = self.under_cursor, self.list
        assert here is not None
        assert self.merged is not None
        if rows is not None and rows.shown is self.merged.shown:
            group = rows.group_of_key(here.key)
            here = rows.first_of(group) if older else rows.last_of(group)
        return self.merged.index(here.key)

    @property
    def selected_record(self) -> LogRecord | None:
        """The selected record, unless it is a notice."""
        shown = self.selected
        return shown.item if shown is not None and isinstance(shown.item, LogRecord) else None

    def why_no_record(self) -> Message | None:
        """Why there is no record to act on."""
        return None if self.selected_record is not None else tr("there is no record here")

    @property
    def start(self) -> AtEnd | AtTime:
        """The position at which a new list starts: at the cursor of the current one, or at the rewound time."""
        if self.rewound is not None:
            return AtTime(microseconds(self.rewound))
        here = self.selected
        if self.at_end or here is None or not isinstance(here.item, LogRecord) or here.item.entry.time_us is None:
            return AtEnd()
        return AtTime(here.item.entry.time_us)

    @property
    def stood_on(self) -> WindowItem | None:
        """The item under the cursor when the user began to type a filter, so that each letter searches from there. None
        once the user has moved."""
        return self._stood_on

    def merge(self, merged: MergedLogs) -> None:
        """Replaces the list by a new one."""
        self.merged, self.list, self.cursor, self._stood_on = merged, None, None, None

    def stand_on(self, key: MergeKey | None) -> None:
        """Moves the cursor to ``key``; None means the newest loaded row."""
        if self.merged is not None and self.merged.shown:
            self._stood_on = None
            self.cursor = self.merged.reader = self.merged.shown[-1].key if key is None else key
            self.at_end = self.merged.at_newest and self.cursor == self.merged.shown[-1].key

    def arrive(self, key: MergeKey | None, *, by_filter: bool = False) -> None:
        """Sets the cursor to ``key`` after the list has moved there."""
        self.cursor = key
        if not by_filter:
            self._stood_on = None
        if self.merged is not None and self.merged.shown:
            self.at_end = self.merged.at_newest and key == self.merged.shown[-1].key

    def step(self, step: int) -> tuple[MergeKey, bool] | None:
        """Return the key of the row ``step`` rows away, and whether the cursor is in that row already; None if there
        are no rows."""
        if self.list is None or not self.list.groups or self.merged is None:
            return None
        at = 0 if self.cursor is None else self.list.group_of(self.merged.index(self.cursor))
        to = max(0, min(self.list.groups - 1, at + step))
        return (self.list.last_of(to) if step > 0 else self.list.first_of(to)).key, to == at

    # ---- marks ---------------------------------------------------------------------------------------------------

    def toggle_mark(self) -> None:
        """Marks the selected record, or unmarks it."""
        shown = self.selected
        if shown is not None and isinstance(shown.item, LogRecord):
            mark = (shown.item.source, shown.item.place)
            if mark in self.marks:
                del self.marks[mark]
            else:
                self.marks[mark] = shown.key.time_us

    def next_mark(self) -> tuple[Mark, int]:
        """The next marked record after the selected one, else the oldest, with its time. Requires a mark."""
        shown = self.selected
        here: tuple[int, str, str] = (0, "", "")
        if shown is not None and isinstance(shown.item, LogRecord):
            here = (shown.key.time_us, shown.item.source, shown.item.place)
        ordered = sorted((time_us, source, place) for (source, place), time_us in self.marks.items())
        time_us, source, place = next((mark for mark in ordered if mark > here), ordered[0])
        return (source, place), time_us

    # ---- the record that is open -----------------------------------------------------------------------------------

    def open_page(self, page: OpenRecord) -> None:
        """Opens a record; the list stays at it, whatever comes."""
        page.followed = self.at_end if self.page is None else self.page.followed
        self.page, self.cursor = page, page.shown.key
        if self.merged is not None:
            self.merged.reader = page.shown.key
        self.at_end = False

    def close_page(self) -> bool:
        """Closes the record that is open; returns whether the list followed before it was opened."""
        page, self.page = self.page, None
        return page is not None and page.followed

    def why_none_comes(self) -> Message | None:
        """Why there is no record to act on, not even one that is being read."""
        return None if self.merged is not None and self.merged.searching else self.why_no_record()

    def why_not_open(self) -> Message | None:
        """Why there is no record to open."""
        return self.why_none_comes() if self.page is None else tr("this page is already open")

    def why_not_sideways(self) -> Message | None:
        """Why messages cannot be moved sideways."""
        if self.page is not None:
            return tr("long values of a record are already wrapped")
        return tr("long messages are already wrapped; w cuts them off") if self.wrapped else None

    def why_not_back(self) -> Message | None:
        """Why the pane cannot go back."""
        if self.page is not None or self.busy or self.is_narrowed:
            return None
        return tr("nothing to close or clear here; q quits")

    @property
    def field(self) -> FieldValue | None:
        """The field that is selected on the page."""
        return None if self.page is None else self.page.field

    @property
    def traced(self) -> FieldValue | None:
        """The value to search for in all sources: that of the selected field, or the request's ID in the selected
        record."""
        if self.page is not None:
            return self.field
        record = self.selected_record
        found = None if record is None else trace_of(record)
        return None if found is None else FieldValue(*found)
