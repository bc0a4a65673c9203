"""Log records as rows: one record, and a list with similar neighbours folded. Pure."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence, Set
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import accumulate, islice
from typing import NamedTuple, overload

from msgspec import Struct

from lilfox_tui.app.panes.logs.columns import ValueColumn, heading_cells, trace_of, value_cells
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.rendering.highlight import coloured
from lilfox_tui.core.i18n import _, ngettext
from lilfox_tui.core.text import break_line, cell_width, clean, fit, human_duration
from lilfox_tui.logs.filter.model import is_failed_response
from lilfox_tui.logs.record import EPOCH, LogRecord, Severity, headline, microseconds
from lilfox_tui.logs.source import SourceNotice
from lilfox_tui.logs.window import BY_KEY, MergeKey, WindowItem

LINES_AT_MOST = 40
"""Of one record, when lines are wrapped."""
LEVEL_WIDTH = 5
_ADDRESS_AT_END = re.compile(r" (?:[\w-]+\.)*[\w-]{1,24}:\d{1,5}$", re.ASCII)
LEVEL_NAMED = 100
"""Cells of the list from which levels have their names beside their signs."""
_LEVEL_NAMES = {Severity.UNKNOWN: "", Severity.WARNING: "WARN", Severity.NOTICE: "NOTE", Severity.CRITICAL: "CRIT"}
"""Where they differ from those of the levels, to fit."""


class LogStyle(Struct, frozen=True):
    """How rows are drawn: the width, the time zone, and the columns' widths (0: no such column)."""

    width: int
    glyphs: Glyphs
    zone: tzinfo = UTC
    dates: bool = False
    source_width: int = 0
    logger_width: int = 0
    wrapped: bool = False
    shifted: int = 0
    """Cells of each message that are left of where it begins on the screen."""
    marks: Set[tuple[str, str]] = frozenset()
    """Sources and places of the marked records."""
    matches: Callable[[LogRecord], bool] | None = None
    """Marks the records that match, where the others are shown too."""
    hits: tuple[str, ...] = ()
    """Texts that the filter looks for: they stand out where they are found."""
    values: tuple[ValueColumn, ...] = ()
    """Columns of values at the right of the messages."""

    @property
    def prefix_width(self) -> int:
        """Cells before the message."""
        columns = sum(width + 1 for width in (self.level_width, self.source_width, self.logger_width) if width)
        return 1 + self.time_width + 1 + 2 + columns

    @property
    def message_width(self) -> int:
        """The cells for the message; a minimum even on a narrow screen."""
        return max(8, self.width - self.prefix_width - sum(2 + each.width for each in self.values))

    @property
    def level_width(self) -> int:
        """The cells for the level's name; 0 where only its sign is shown."""
        return LEVEL_WIDTH if self.width >= LEVEL_NAMED else 0

    @property
    def time_width(self) -> int:
        """The cells of a time."""
        return (6 if self.dates else 0) + (12 if self.width >= 80 else 8)

    def time(self, time_us: int | None) -> str:
        """A time in a fixed width; blank if a record has none."""
        if time_us is None:
            return " " * self.time_width
        at = (EPOCH + timedelta(microseconds=time_us)).astimezone(self.zone)
        text = at.strftime("%m-%d %H:%M:%S" if self.dates else "%H:%M:%S")
        return f"{text}.{at.microsecond // 1000:03}" if self.width >= 80 else text


def at_least(level: Severity, glyphs: Glyphs) -> str:
    """That level and those above it: ``level ≥ ERROR``."""
    return _("level {sign} {level}", sign=">=" if glyphs.ascii_only else "≥", level=level.name)


def severity_piece(severity: Severity, glyphs: Glyphs) -> Piece:
    """A level as symbol and colour, in two cells."""
    if severity >= Severity.ERROR:
        return Piece(glyphs.failing + " ", "failing")
    if severity >= Severity.WARNING:
        return Piece(glyphs.degraded + " ", "degraded")
    if severity >= Severity.INFO:
        return Piece(glyphs.separator + " ", "good")
    return Piece("  " if severity is Severity.UNKNOWN else glyphs.separator + " ", "muted")


def sign_of(record: LogRecord, glyphs: Glyphs) -> Piece:
    """The sign of a record: that of its level, or of an error if it tells of a response that failed (5xx), which many
    programs log at INFO. Its level, by which errors are counted, is what the program says."""
    severity = record.entry.severity
    if severity < Severity.ERROR and is_failed_response(record):
        severity = Severity.ERROR
    return severity_piece(severity, glyphs)


def log_row(shown: WindowItem, style: LogStyle, *, times: int = 1, until_us: int | None = None) -> Row:
    """One record on one line. ``times`` similar ones, the last at ``until_us``, are folded into it."""
    item = shown.item
    if isinstance(item, SourceNotice):
        return _notice_row(item, style)
    tail, room = _tail(item, style, times, until_us)
    text = moved(headline(item, style.shifted), style.shifted)
    if any(piece.text.strip() for piece in tail):
        text = _cut(text, room)
    elif style.values:
        text, tail = _cut(text, room).rstrip(" "), ()
    return (*_prefix(item, style), *coloured(text, style.hits, role=message_role(item, style)), *tail)


def _cut(text: str, room: int) -> str:
    """The line in exactly ``room`` cells. An address at its end stays, as in ``connection refused: db-1:5432``: which
    server it was is what one looks for."""
    end = _ADDRESS_AT_END.search(text) if len(text) > room else None
    if end is None or 2 * len(end[0]) > room:
        return fit(text, room)
    return fit(text[: end.start()], room - len(end[0])) + end[0]


def heading_row(style: LogStyle) -> Row:
    """The headings of the columns."""
    left = " " + fit(_("time"), style.time_width) + " "
    left += fit(_("level"), 2 + style.level_width) + " " if style.level_width else "  "
    for title, width in ((_("source"), style.source_width), (_("logger"), style.logger_width)):
        left += fit(title, width) + " " if width else ""
    return (Piece(left + fit(_("message"), style.message_width) + heading_cells(style.values), "muted"),)


def overhang(shown: WindowItem, style: LogStyle, *, times: int = 1, until_us: int | None = None) -> int:
    """By how many cells a record's line, not shifted, is too wide for :func:`log_row`; at most 0 if it fits."""
    item = shown.item
    if isinstance(item, SourceNotice):
        return 0
    _pieces, room = _tail(item, style, times, until_us)
    return cell_width(clean(headline(item, style.shifted))) - room


def moved(text: str, cells: int) -> str:
    """Return ``text``, without control sequences, from that cell on; a mark shows that something is cut off on the
    left."""
    if not cells or not text:
        return text
    text = clean(text)
    if text.isascii():
        return "…" + text[cells + 1 :]
    used = 0
    for at, char in enumerate(text):
        if used > cells:  # the cell of the mark, or half a wide character more
            return "…" + " " * (used - cells - 1) + text[at:]
        used += cell_width(char)
    return "…"


def wrapped_rows(shown: WindowItem, style: LogStyle) -> list[Row]:
    """One record on as many lines as its message takes."""
    item = shown.item
    if isinstance(item, SourceNotice):
        return [_notice_row(item, style)]
    role = message_role(item, style)
    first, *more = wrapped_text(item, style.message_width)
    indent = Piece(" " * style.prefix_width)
    return [
        (*_prefix(item, style), *coloured(first, style.hits, role=role)),
        *((indent, *coloured(line, style.hits, role=role)) for line in more),
    ]


def wrapped_text(item: LogRecord | SourceNotice, width: int) -> list[str]:
    """The lines of a record's message in ``width`` cells, at least one."""
    if isinstance(item, SourceNotice):
        return [str(item.text)]
    found: list[str] = []
    for line in (item.entry.message or headline(item)).splitlines() or [""]:
        found += cut_into(line, width, LINES_AT_MOST)
        if len(found) > LINES_AT_MOST:
            return [*found[: LINES_AT_MOST - 1], "…"]
    return found


def cut_into(text: str, width: int, most: int | None = None) -> list[str]:
    """``text``, cleaned, in lines of at most ``width`` cells that end between words; a longer word is cut. Stops once
    there are more than ``most`` lines."""
    text = clean(text)
    if text.isascii():
        return list(islice(_ascii_lines(text, width), None if most is None else most + 1))
    lines: list[str] = []
    while most is None or len(lines) <= most:
        near = text[: 4 * width]  # that much of a long text: break_line measures all that it is given
        line, rest = break_line(near, width)
        lines.append(line)
        text = text[len(near) - len(rest) :]
        if not text:
            break
    return lines


def _ascii_lines(text: str, width: int) -> Iterator[str]:
    """Like :func:`break_line`, a tenth of its time: all loaded records are cut into lines to know their heights."""
    start, length = 0, len(text)
    while length - start > width:
        end = text.rfind(" ", start + 1, start + width + 1)
        if end < 0 or text[start:end].isspace():
            end = start + width
        yield text[start:end]
        start = end
        while start < length and text[start] == " ":
            start += 1
    if start < length or not length:
        yield text[start:]


def message_role(record: LogRecord, style: LogStyle) -> str:
    """Return the colour role of a message: matches and critical records are highlighted, records below info are
    muted."""
    if style.matches is not None and not style.hits and style.matches(record):
        return "accent"
    severity = record.entry.severity
    if severity >= Severity.CRITICAL:
        return "failing"
    return "muted" if Severity.UNKNOWN < severity < Severity.INFO else "text"


def clock_zone() -> tzinfo:
    """This machine's time zone, for users who prefer local time to UTC."""
    return datetime.now().astimezone().tzinfo or UTC


def _last_parts(logger: str, width: int) -> str:
    """A logger's name without its first parts if it is too long: the last ones say more (``app.db.pool``)."""
    text = logger
    while cell_width(text) > width and "." in text.lstrip("…"):
        text = "…" + text.lstrip("…").partition(".")[2]
    return text if cell_width(text) <= width else logger


def _prefix(record: LogRecord, style: LogStyle) -> list[Piece]:
    marked = (record.source, record.place) in style.marks
    pieces = [
        Piece(style.glyphs.logo if marked else " ", "accent"),
        Piece(style.time(record.entry.time_us) + " ", "muted"),
        sign_of(record, style.glyphs),
    ]
    if style.level_width:
        name = _LEVEL_NAMES.get(record.entry.severity, record.entry.severity.name)
        pieces.append(Piece(fit(name, style.level_width) + " ", pieces[-1].role if name else "muted"))
    if style.source_width:
        pieces.append(Piece(fit(record.source, style.source_width) + " ", "muted"))
    if style.logger_width:
        pieces.append(
            Piece(fit(_last_parts(record.entry.logger, style.logger_width), style.logger_width) + " ", "muted")
        )
    return pieces


def _notice_row(notice: SourceNotice, style: LogStyle) -> Row:
    text = f"{notice.source}: {notice.text}"
    return (
        Piece(" " + style.time(notice.time_us) + " ", "muted"),
        Piece(style.glyphs.dash + " ", "accent"),
        Piece(text, "accent"),
    )


def _tail(record: LogRecord, style: LogStyle, times: int, until_us: int | None) -> tuple[Row, int]:
    """What stands at the right of the message, and the cells left for it: with those of the columns beside it that are
    empty in this row. Where that is too few, when the last of the folded records was is left out."""
    values = value_cells(record, style.values)
    filled = next((at for at, piece in enumerate(values) if piece.text.strip()), len(values))
    empty = values[: filled - filled % 2]  # a value and the blanks before it are two pieces
    room = style.message_width + _cells(empty)
    if times > 1:
        folded, wide = _folded(record, style, times, until_us), cell_width(clean(headline(record, style.shifted)))
        if wide <= style.message_width - _cells(folded):  # below each other, where there is room
            return (*folded, *values), max(4, style.message_width - _cells(folded))
        if wide > room - _cells(folded):
            folded = _folded(record, style, times, until_us, short=True)
        return (*folded, *values[len(empty) :]), max(4, room - _cells(folded))
    return values[len(empty) :], max(4, room)


def _cells(pieces: Row) -> int:
    return sum(cell_width(piece.text) for piece in pieces)


def _folded(record: LogRecord, style: LogStyle, times: int, until_us: int | None, *, short: bool = False) -> Row:
    since_us = record.entry.time_us
    if since_us is None or until_us is None:
        return (Piece("  " + _("(×{count})", count=times), "accent"),)
    span = human_duration(abs(until_us - since_us) / 1e6)
    if style.width >= LEVEL_NAMED and until_us > since_us and not short:
        until = style.time(until_us).strip()
        return (Piece("  " + _("(×{count} in {time}, until {until})", count=times, time=span, until=until), "accent"),)
    return (Piece("  " + _("(×{count} in {time})", count=times, time=span), "accent"),)


# The loaded records as the rows of a list: alike neighbours folded into one, long ones on several lines.
#
# Rows are made when they are looked at; what is worked out for all of them is cheap (5000 in a few milliseconds).


_DAY_US = 86_400_000_000
_RECORDS_A_DAY = 20
"""So many rows at least between two dates that have a row of their own."""


def _date(time_us: int, zone: tzinfo) -> date:
    return (EPOCH + timedelta(microseconds=time_us)).astimezone(zone).date()


def day_row(day: date, style: LogStyle) -> Row:
    """The row above the first record of a day."""
    begin = f" {style.glyphs.rule * 2} {day:%Y-%m-%d} "
    return (Piece(begin + style.glyphs.rule * max(0, style.width - len(begin)), "muted"),)


class Place(NamedTuple):
    """The position of a row that stays valid while records are added and removed: the first record of its group, and
    the row within it."""

    key: MergeKey
    below: int


class LogList(Sequence[Row]):
    """The rows of ``shown`` in one style. A group is what is selected as one: a record, or several similar ones folded
    into one row, which shows the first of them. ``room`` rows are filled if there are as many records."""

    def __init__(self, shown: Sequence[WindowItem], style: LogStyle, *, folded: bool, room: int = 0) -> None:
        self.shown = shown
        self.style = style
        self._firsts = _groups(shown, room) if folded and not style.wrapped else list(range(len(shown)))
        self._days = self._day_changes() if style.dates else {}
        self._starts: list[int] | None = None
        """The first row of each group, that of its date included; None where each group has one row."""
        self._made: dict[int, list[Row]] = {}
        if style.wrapped or self._days:
            heights = (self._height(at) + (group in self._days) for group, at in enumerate(self._firsts))
            self._starts = [0, *accumulate(heights)]

    def _height(self, at: int) -> int:
        return len(wrapped_text(self.shown[at].item, self.style.message_width)) if self.style.wrapped else 1

    def _day_changes(self) -> dict[int, date]:
        """The groups before which a day ends, unless that is so often that the dates in the rows tell it as well."""
        ends = [each.key.time_us for each in (*self.shown[:1], *self.shown[-1:])]
        if not ends or not 0 < ends[-1] - ends[0] < len(self._firsts) * _DAY_US:
            return {}
        first, last = (_date(at, self.style.zone) for at in ends)
        days: dict[int, date] = {}
        while (first := first + timedelta(days=1)) <= last:
            midnight_us = microseconds(datetime.combine(first, time(), self.style.zone))
            index = bisect_left(self.shown, midnight_us, key=lambda each: each.key.time_us)
            group = bisect_left(self._firsts, index)
            if group < len(self._firsts):
                days[group] = _date(self.shown[self._firsts[group]].key.time_us, self.style.zone)
        return days if len(days) * _RECORDS_A_DAY <= len(self._firsts) else {}

    @property
    def groups(self) -> int:
        """The number of groups."""
        return len(self._firsts)

    def group_of(self, index: int) -> int:
        """The group that holds record ``index``."""
        return max(0, bisect_right(self._firsts, index) - 1)

    def group_at(self, row: int) -> int:
        """The group that a row belongs to."""
        return row if self._starts is None else max(0, bisect_right(self._starts, row) - 1)

    def group_of_key(self, key: MergeKey) -> int:
        """The group that holds the record of ``key``, or the one before it."""
        return self.group_of(bisect_right(self.shown, key, key=BY_KEY) - 1)

    def row_of(self, group: int) -> int:
        """The first row of a group, below that of its date."""
        return group if self._starts is None else self._starts[group] + (group in self._days)

    def first_of(self, group: int) -> WindowItem:
        """The first record of a group."""
        return self.shown[self._firsts[group]]

    def last_of(self, group: int) -> WindowItem:
        """The last record of a group."""
        return self.shown[self._end(group) - 1]

    def _end(self, group: int) -> int:
        return self._firsts[group + 1] if group + 1 < len(self._firsts) else len(self.shown)

    def place_of_row(self, row: int) -> Place | None:
        """The stable position of a row."""
        if not 0 <= row < len(self):
            return None
        group = self.group_at(row)
        return Place(self.first_of(group).key, row - self.row_of(group))

    def row_of_place(self, place: Place, index: int) -> int:
        """Return the row of a stable position whose record is now at ``index``; at most the last row of its group."""
        group = self.group_of(index)
        end = len(self) if group + 1 == self.groups else self.row_of(group + 1)
        return min(self.row_of(group) + place.below, end - 1)

    def groups_within(self, rows: range) -> range:
        """The groups that begin on one of those rows; the next group if none does."""
        first = self.group_at(rows.start)
        if self.row_of(first) < rows.start:
            first = min(first + 1, self.groups - 1)
        last = self.group_at(min(rows.stop, len(self)) - 1)
        return range(first, max(first, last) + 1)

    def __len__(self) -> int:
        return len(self._firsts) if self._starts is None else self._starts[-1]

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        group = self.group_at(index)
        rows = self._made.get(group)
        if rows is None:
            rows = self._made[group] = self._rows(group)
        return rows[index - (group if self._starts is None else self._starts[group])]

    def _rows(self, group: int) -> list[Row]:
        first = self.first_of(group)
        above = [day_row(self._days[group], self.style)] if group in self._days else []
        if self.style.wrapped:
            return above + wrapped_rows(first, self.style)
        times, until_us = self._folded(group)
        return [*above, log_row(first, self.style, times=times, until_us=until_us)]

    def _folded(self, group: int) -> tuple[int, int | None]:
        """The number of records in a group, and the time of the last."""
        last = self.last_of(group).item
        return self._end(group) - self._firsts[group], last.entry.time_us if isinstance(last, LogRecord) else None

    def overhang(self, rows: range) -> int:
        """By how many cells the longest of those rows, unwrapped and not shifted, goes past the right edge."""
        longest = 0
        for group in sorted({self.group_at(row) for row in rows if row < len(self)}):
            times, until_us = self._folded(group)
            longest = max(longest, overhang(self.first_of(group), self.style, times=times, until_us=until_us))
        return longest


def _groups(shown: Sequence[WindowItem], room: int) -> list[int]:
    """The first index of each group, if similar records are folded: those of a second if that leaves fewer than
    ``room`` groups, and none if that is still so."""
    firsts = _firsts(shown)
    if len(firsts) >= min(room, len(shown)):
        return firsts
    starts, seconds = set(firsts), [each.key.time_us // 1_000_000 for each in shown]
    firsts = [at for at in range(len(shown)) if at in starts or seconds[at] != seconds[at - 1]]
    return firsts if len(firsts) >= room else list(range(len(shown)))


def _firsts(shown: Sequence[WindowItem]) -> list[int]:
    """The first index of each run of similar records."""
    firsts: list[int] = []
    before: LogRecord | None = None
    for index, each in enumerate(shown):
        record = each.item if isinstance(each.item, LogRecord) else None
        if record is None or before is None or not _alike(before, record):
            firsts.append(index)
        before = record
    return firsts


def _alike(one: LogRecord, other: LogRecord) -> bool:
    """Whether two records say the same. Different requests that all succeeded are not repetitions."""
    a, b = one.entry, other.entry
    if a.message != b.message or a.severity != b.severity or a.logger != b.logger or one.source != other.source:
        return False
    return a.severity >= Severity.WARNING or trace_of(one) == trace_of(other)


def percent(part: int, whole: int) -> str:
    """A share in at most four cells; only nothing is ``0%``, and only everything ``100%``."""
    share = round(100 * part / whole) if whole else 0
    if part and not share:
        return "<1%"
    return ">99%" if part < whole and share == 100 else f"{share}%"


def grouped(count: int) -> str:
    """A count with commas between thousands."""
    return f"{count:,}"


def records_told(shown: str, count: int, *, narrowed: bool) -> str:
    """What is counted, in the same words on the strip and in the dialogs: ``12 matching records``."""
    if narrowed:
        return ngettext("{shown} matching record", "{shown} matching records", count, shown=shown)
    return ngettext("{shown} record", "{shown} records", count, shown=shown)
