"""Log records as rows: one record, a list with similar neighbours folded, and one record as a page. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import accumulate
from typing import NamedTuple, overload

from msgspec import Struct

from lilfox_tui.app.rendering.draw import BLANK, Glyphs, Piece, Row
from lilfox_tui.app.rendering.highlight import coloured
from lilfox_tui.core.i18n import _, ngettext
from lilfox_tui.core.text import cell_width, clean, fit, human_bytes, human_duration
from lilfox_tui.logs.filter.model import text_of
from lilfox_tui.logs.record import EPOCH, LoggedException, LogRecord, Severity
from lilfox_tui.logs.source import SourceNotice
from lilfox_tui.logs.window import MergeKey, WindowItem

TRACE_FIELDS = ("request_id", "req_id", "requestId", "trace_id", "traceId", "correlation_id")
"""Names under which a request is followed over services."""
TRACE_SHOWN = 8
OUTCOME_WITHIN = 4000
"""Characters at the start and the end of an exception in which the line that names it is looked for."""
HEADLINE_AT_MOST = 2000
"""Characters of a message's first line that are looked at, where it is not moved sideways."""
LINES_AT_MOST = 40
"""Of one record, when lines are wrapped."""


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

    @property
    def prefix_width(self) -> int:
        """Cells before the message."""
        columns = sum(width + 1 for width in (self.source_width, self.logger_width) if width)
        return 1 + self._time_width + 1 + 2 + columns

    @property
    def message_width(self) -> int:
        """The cells for the message; a minimum even on a narrow screen."""
        return max(8, self.width - self.prefix_width)

    @property
    def _time_width(self) -> int:
        return (6 if self.dates else 0) + (12 if self.width >= 80 else 8)

    def time(self, time_us: int | None) -> str:
        """A time in a fixed width; blank if a record has none."""
        if time_us is None:
            return " " * self._time_width
        at = (EPOCH + timedelta(microseconds=time_us)).astimezone(self.zone)
        text = at.strftime("%m-%d %H:%M:%S" if self.dates else "%H:%M:%S")
        return f"{text}.{at.microsecond // 1000:03}" if self.width >= 80 else text


def severity_piece(severity: Severity, glyphs: Glyphs) -> Piece:
    """A level as symbol and colour, in two cells."""
    if severity >= Severity.ERROR:
        return Piece(glyphs.failing + " ", "failing")
    if severity >= Severity.WARNING:
        return Piece(glyphs.degraded + " ", "degraded")
    if severity >= Severity.INFO:
        return Piece(glyphs.separator + " ", "good")
    return Piece("  " if severity is Severity.UNKNOWN else glyphs.separator + " ", "muted")


def log_row(shown: WindowItem, style: LogStyle, *, times: int = 1, until_us: int | None = None) -> Row:
    """One record on one line. ``times`` similar ones, the last at ``until_us``, are folded into it."""
    item = shown.item
    if isinstance(item, SourceNotice):
        return _notice_row(item, style)
    tail, room = _tail(item, style, times, until_us)
    text = moved(headline(item, style.shifted), style.shifted)
    if tail:
        text = fit(text, room)
    return (*_prefix(item, style), *coloured(text, style.hits, role=message_role(item, style)), *tail)


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
        found += cut_into(line, width)
        if len(found) > LINES_AT_MOST:
            return [*found[: LINES_AT_MOST - 1], "…"]
    return found


def cut_into(text: str, width: int) -> list[str]:
    """``text``, cleaned, in pieces of at most ``width`` cells."""
    text = clean(text)
    if text.isascii():
        return [text[at : at + width] for at in range(0, len(text), width)] or [""]
    pieces, start, used = [], 0, 0
    for at, char in enumerate(text):
        size = cell_width(char)
        if used + size > width:
            pieces.append(text[start:at])
            start, used = at, 0
        used += size
    return [*pieces, text[start:]]


def headline(record: LogRecord, further: int = 0) -> str:
    """A record in one line: the first line of its message or raw text, then the outcome of its exception. ``further``
    allows that many more characters of a long line."""
    most = HEADLINE_AT_MOST + further
    text = record.entry.message or record.raw[:most].decode("utf-8", "replace")
    first = text.partition("\n")[0][:most]
    fault = record.entry.fault
    if fault is None or not fault.type or fault.type in first:
        return first
    return f"{first}  {outcome(fault)}"


def outcome(fault: LoggedException) -> str:
    """The line of an exception's text that names its class; the class alone if no line does."""
    ends = fault.text[:OUTCOME_WITHIN], fault.text[-OUTCOME_WITHIN:]
    lines = [line.strip() for end in ends for line in end.splitlines() if fault.type in line]
    said = (line for line in reversed(lines) if ":" in line and not line.startswith(("raise ", "File ", "at ")))
    return next(said, fault.type)[:300]


def message_role(record: LogRecord, style: LogStyle) -> str:
    """Return the colour role of a message: matches and critical records are highlighted, records below info are
    muted."""
    if style.matches is not None and not style.hits and style.matches(record):
        return "accent"
    severity = record.entry.severity
    if severity >= Severity.CRITICAL:
        return "failing"
    return "muted" if Severity.UNKNOWN < severity < Severity.INFO else "text"


def trace_of(record: LogRecord) -> tuple[str, str] | None:
    """The field that identifies this request in all sources, and its value."""
    for name in TRACE_FIELDS:
        value = record.entry.fields.get(name)
        if isinstance(value, str | int) and value != "":
            return name, text_of(value)
    return None


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
        severity_piece(record.entry.severity, style.glyphs),
    ]
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
    """The text at the right edge, and the cells left for the message."""
    tail = _folded(record, times, until_us) + _trace(record, style)
    return tail, max(4, style.message_width - sum(cell_width(piece.text) for piece in tail))


def _folded(record: LogRecord, times: int, until_us: int | None) -> tuple[Piece, ...]:
    if times < 2:
        return ()
    since_us = record.entry.time_us
    if since_us is None or until_us is None:
        return (Piece("  " + _("(×{count})", count=times), "accent"),)
    span = human_duration(abs(until_us - since_us) / 1e6)
    return (Piece("  " + _("(×{count} in {time})", count=times, time=span), "accent"),)


def _trace(record: LogRecord, style: LogStyle) -> tuple[Piece, ...]:
    """The request's id at the right edge, shortened: enough to see which lines belong together."""
    if style.width < 100:
        return ()
    found = trace_of(record)
    if found is None:
        return ()
    return (Piece("  " + fit("req=" + found[1][:TRACE_SHOWN], TRACE_SHOWN + 4), "muted"),)


# The loaded records as the rows of a list: alike neighbours folded into one, long ones on several lines.
#
# Rows are made when they are looked at; what is worked out for all of them is cheap (5000 in a few milliseconds).


class Place(NamedTuple):
    """The position of a row that stays valid while records are added and removed: the first record of its group, and
    the row within it."""

    key: MergeKey
    below: int


class LogList(Sequence[Row]):
    """The rows of ``shown`` in one style. A group is what is selected as one: a record, or several similar ones folded
    into one row."""

    def __init__(self, shown: Sequence[WindowItem], style: LogStyle, *, folded: bool) -> None:
        self.shown = shown
        self.style = style
        self._firsts = _firsts(shown) if folded and not style.wrapped else list(range(len(shown)))
        self._starts: list[int] | None = None
        self._made: dict[int, list[Row]] = {}
        if style.wrapped:
            heights = (len(wrapped_text(shown[at].item, style.message_width)) for at in self._firsts)
            self._starts = [0, *accumulate(heights)]

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

    def row_of(self, group: int) -> int:
        """The first row of a group."""
        return group if self._starts is None else self._starts[group]

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
        return rows[index - self.row_of(group)]

    def _rows(self, group: int) -> list[Row]:
        first = self.first_of(group)
        if self.style.wrapped:
            return wrapped_rows(first, self.style)
        times, until_us = self._folded(group)
        return [log_row(first, self.style, times=times, until_us=until_us)]

    def _folded(self, group: int) -> tuple[int, int | None]:
        """The number of records in a group, and the time of the last."""
        last = self.last_of(group).item
        return self._end(group) - self._firsts[group], last.entry.time_us if isinstance(last, LogRecord) else None

    def overhang(self, rows: range) -> int:
        """By how many cells the longest of those rows, unwrapped and not shifted, goes past the right edge."""
        longest = 0
        for group in rows[: max(0, self.groups - rows.start)]:
            times, until_us = self._folded(group)
            longest = max(longest, overhang(self.first_of(group), self.style, times=times, until_us=until_us))
        return longest


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


# One record as a page: its message, its fields as a tree, its traceback, and its neighbours. Pure.


NAME_WIDTH = 24
LINES_OF_VALUE = 8
DEEPEST = 6
LINES_BEFORE_FIELDS = 8
"""Of a traceback: its end, which says what went wrong, is seen first; all of a longer one follows the fields."""


class FieldValue(Struct, frozen=True):
    """A field of a record: its name and its value, both as filters write them."""

    name: str
    value: str


class DetailRow(Struct, frozen=True):
    """A row of the page, and the field that it shows, if any."""

    row: Row
    field: FieldValue | None = None


class _Page(Struct, frozen=True):
    """How the fields of a record are drawn: ``width`` is that of the name column."""

    style: LogStyle
    width: int
    record: LogRecord


class Neighbours(Struct, frozen=True):
    """The records before and after in the same source, regardless of the filter; oldest first."""

    before: tuple[WindowItem, ...] = ()
    after: tuple[WindowItem, ...] = ()


def detail_rows(
    shown: WindowItem, record: LogRecord, neighbours: Neighbours | None, style: LogStyle
) -> list[DetailRow]:
    """The rows of the page. ``neighbours`` is None while they are read."""
    traceback = [] if record.entry.fault is None else [*_text(record.entry.fault.text, style, "text")]
    rows = [_plain(row) for row in _head(record, style)]
    rows += _traceback(traceback[-LINES_BEFORE_FIELDS:], left_out=len(traceback) - LINES_BEFORE_FIELDS)
    rows += _fields(record, style)
    if len(traceback) > LINES_BEFORE_FIELDS:
        rows += [_plain(BLANK), *_traceback(traceback, left_out=0)[:-1]]
    rows += [_plain(BLANK), _title(_("NEIGHBOURS"))]
    if neighbours is None:
        return [*rows, _plain((Piece("   " + _("reading"), "muted"),))]
    rows += [_plain(log_row(each, style)) for each in neighbours.before]
    rows.append(_plain(tuple(Piece(piece.text, "strong") for piece in log_row(shown, style))))
    return rows + [_plain(log_row(each, style)) for each in neighbours.after]


def _traceback(lines: Sequence[Row], *, left_out: int) -> list[DetailRow]:
    """The rows of a traceback; none for no lines."""
    if not lines:
        return []
    rows = [_title(_("TRACEBACK"))]
    if left_out > 0:
        before = ngettext("{count} earlier line, see below", "{count} earlier lines, see below", left_out)
        rows.append(_plain((Piece("   " + before, "muted"),)))
    return [*rows, *(_plain(line) for line in lines), _plain(BLANK)]


def _plain(row: Row) -> DetailRow:
    return DetailRow(row)


def _title(text: str) -> DetailRow:
    return DetailRow((Piece(" " + text, "title"),))


def _head(record: LogRecord, style: LogStyle) -> list[Row]:
    entry = record.entry
    level = entry.severity.name if entry.severity is not Severity.UNKNOWN else _("no level")
    at = _("no time")
    if entry.time_us is not None:
        moment = (EPOCH + timedelta(microseconds=entry.time_us)).astimezone(style.zone)
        at = moment.strftime("%Y-%m-%d %H:%M:%S.%f %Z")
    size = "  " + human_bytes(record.size_bytes)
    if record.size_bytes > len(record.raw):
        size += " " + _("(showing the first {size})", size=human_bytes(len(record.raw)))
    first: Row = (
        Piece(" "),
        severity_piece(entry.severity, style.glyphs),
        Piece(level, "strong"),
        Piece(f"  {record.source}  {entry.logger}  {at}{size}", "muted"),
    )
    return [first, *_text(entry.message or headline(record), style, "text"), BLANK]


def _text(text: str, style: LogStyle, role: str) -> list[Row]:
    """``text`` on as many lines as it takes."""
    return [
        (Piece("   "), *coloured(line, style.hits, role=role))
        for part in text.splitlines()
        for line in cut_into(part.replace("\t", "    "), max(10, style.width - 4))
    ]


def _fields(record: LogRecord, style: LogStyle) -> list[DetailRow]:
    rows = [_title(_("FIELDS"))]
    common = list(_common(record))
    names = [*(name for name, _value in common), *_names(record.entry.fields, 0)]
    page = _Page(style, min(NAME_WIDTH, style.width // 3, max(map(cell_width, names), default=0) + 1), record)
    for name, value in common:
        rows += _field(FieldValue(name, value), name, 0, page)
    rows += list(_tree(record.entry.fields, "", 0, page))
    return rows


def _names(fields: Mapping[str, object], depth: int) -> Iterator[str]:
    """The names of all fields, indented by depth."""
    for name, value in fields.items():
        yield "  " * depth + str(name)
        if isinstance(value, Mapping) and depth < DEEPEST:
            yield from _names(value, depth + 1)


def _common(record: LogRecord) -> Iterator[tuple[str, str]]:
    """The values common to all formats, where the record has no field of that name."""
    entry = record.entry
    fault = entry.fault.type if entry.fault is not None else ""
    level = entry.severity.name if entry.severity is not Severity.UNKNOWN else ""
    for name, value in (
        ("source", record.source),
        ("log", record.log),
        ("level", level),
        ("logger", entry.logger),
        ("module", entry.module),
        ("type", fault),
    ):
        if value and name not in entry.fields:
            yield name, value


def _tree(fields: Mapping[str, object], above: str, depth: int, page: _Page) -> Iterator[DetailRow]:
    for name, value in fields.items():
        if isinstance(value, Mapping) and value and depth < DEEPEST:
            yield DetailRow((Piece("   " + "  " * depth + str(name), "strong"),))
            yield from _tree(value, f"{above}{name}.", depth + 1, page)
        elif value is not None:
            yield from _field(FieldValue(f"{above}{name}", text_of(value)), str(name), depth, page)


def _field(field: FieldValue, name: str, depth: int, page: _Page) -> list[DetailRow]:
    indent = "   " + "  " * depth
    width = max(8, page.width - 2 * depth)
    label = fit(name, width) if cell_width(name) > width else name + " " * (width - cell_width(name))
    room = max(10, page.style.width - len(indent) - width - 2)
    lines = [line for part in (field.value.splitlines() or [""]) for line in cut_into(part, room)]
    fault = page.record.entry.fault
    most = 1 if fault is not None and field.value == fault.text else LINES_OF_VALUE  # the traceback stands above
    if len(lines) > most:
        lines = [*lines[:most], ngettext("{count} more line", "{count} more lines", len(lines) - most)]
    first = DetailRow((Piece(indent + label + " ", "muted"), *coloured(lines[0], page.style.hits)), field)
    blank = Piece(indent + " " * (width + 1))
    return [first, *(DetailRow((blank, *coloured(line, page.style.hits)), field) for line in lines[1:])]


def first_field(rows: Sequence[DetailRow]) -> int:
    """Return the index of the first row with a field, which is selected at first."""
    return next((at for at, each in enumerate(rows) if each.field is not None), 0)
