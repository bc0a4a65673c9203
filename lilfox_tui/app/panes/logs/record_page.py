"""One log record as a page: its message, its fields as a tree, its traceback, and its neighbours. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.panes.logs.columns import trace_of
from lilfox_tui.app.panes.logs.patterns import text_of_kind, told_of
from lilfox_tui.app.panes.logs.rows import LogStyle, cut_into, grouped, log_row, percent, sign_of
from lilfox_tui.app.rendering.chart import spark
from lilfox_tui.app.rendering.draw import BLANK, Piece, Row
from lilfox_tui.app.rendering.highlight import coloured, traceback_line
from lilfox_tui.app.rendering.panels import fit_row
from lilfox_tui.core.i18n import _, ngettext
from lilfox_tui.core.text import cell_width, exact_duration, fit, human_bytes
from lilfox_tui.logs.filter.model import text_of
from lilfox_tui.logs.record import EPOCH, LogRecord, Severity, headline
from lilfox_tui.logs.statistics import kind_of
from lilfox_tui.logs.structured import duration_in
from lilfox_tui.logs.window import WindowItem

NAME_WIDTH = 24
MARGIN = 2
"""Blank cells at the right of records, as in the list."""
MOST_OF_REQUEST = 40
"""Records of the same request."""
LINES_OF_VALUE = 8
DEEPEST = 6
LINES_OF_RAW, LINES_BESIDE = 24, 8
"""Of the line as it was read, at the end of the page, and beside the fields: the request is to be seen below."""
TWO_COLUMNS = 100
"""Cells of the page from which the records like this one, and its line as it was read, stand beside the fields."""
_BESIDE_SHARE = 0.5
_TREND_CELLS = 24
_PLACES = frozenset(
    ("module", "function", "func", "funcName", "file", "filename", "caller", "line", "lineno", "pathname")
)
"""Fields that say where in the program a record was written."""
_IN_HEAD = frozenset(
    ("source", "log", "level", "severity", "logger", "message", "msg", "time", "timestamp", "ts", "@timestamp")
)
"""Fields whose values are also in the first lines of the page."""
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


def same_request(record: LogRecord, loaded: Iterable[WindowItem]) -> tuple[WindowItem, ...]:
    """Those of the ``loaded`` records, at most ``MOST_OF_REQUEST``, that belong to the request of ``record``, which is
    one of them; none if it is the only one, or of no request."""
    found = trace_of(record)
    if found is None:
        return ()
    written = found[1].encode("utf-8", "replace")
    others: list[WindowItem] = []
    for each in loaded:
        if isinstance(each.item, LogRecord) and written in each.item.raw:
            its = trace_of(each.item)
            if its is not None and its[1] == found[1]:
                others.append(each)
    at = next((at for at, each in enumerate(others) if each.item is record), 0)
    first = max(0, min(at - MOST_OF_REQUEST // 2, len(others) - MOST_OF_REQUEST))
    return tuple(others[first : first + MOST_OF_REQUEST]) if len(others) > 1 else ()


class SimilarRecords(Struct, frozen=True):
    """How many of the ``of`` loaded records are of the same ``pattern``, from ``since_us`` to ``until_us``, and how
    many there are in each of equal parts of the time that is loaded, oldest first."""

    pattern: str
    count: int
    of: int
    since_us: int | None = None
    until_us: int | None = None
    by_time: tuple[int, ...] = ()


def similar_to(record: LogRecord, loaded: Sequence[WindowItem]) -> SimilarRecords:
    """The ``loaded`` records, of which ``record`` is one, that say the same, whatever the values in it."""
    kind = kind_of(record)
    said = max(re.split(r"<\w+>", kind.template), key=len)  # most others are told from it by that already
    records = [each.item for each in loaded if isinstance(each.item, LogRecord)]
    alike = [each for each in records if said in each.entry.message and kind_of(each) == kind]
    times = [each.entry.time_us for each in alike if each.entry.time_us is not None]
    pattern = "  ".join((text_of_kind(kind), *told_of(kind)))
    if not times:
        return SimilarRecords(pattern, len(alike), len(records))
    known = [each.entry.time_us for each in records if each.entry.time_us is not None]
    oldest, span = min(known), max(known) - min(known) + 1
    counts = [0] * _TREND_CELLS
    for at in times:
        counts[(at - oldest) * _TREND_CELLS // span] += 1
    return SimilarRecords(pattern, len(alike), len(records), min(times), max(times), tuple(counts))


def detail_rows(
    shown: WindowItem,
    record: LogRecord,
    neighbours: Neighbours | None,
    style: LogStyle,
    together: Sequence[WindowItem] = (),
    similar: SimilarRecords | None = None,
) -> list[DetailRow]:
    """The rows of the page. ``neighbours`` is None while they are read; ``together`` are the records of its request,
    ``similar`` those that say the same."""
    traceback = [] if record.entry.fault is None else _traceback_text(record.entry.fault.text, style)
    rows = [_plain(row) for row in _head(record, style)]
    rows += _traceback(traceback[-LINES_BEFORE_FIELDS:], left_out=len(traceback) - LINES_BEFORE_FIELDS)
    beside = int(style.width * _BESIDE_SHARE) if style.width >= TWO_COLUMNS else 0
    alike, raw = _similar_rows(record, similar, style, beside or style.width), _raw_rows(record, style, beside)
    rows += _beside([alike, raw], record, style, beside) if beside else _fields(record, style)
    if len(traceback) > LINES_BEFORE_FIELDS:
        rows += [_plain(BLANK), *_traceback(traceback, left_out=0)[:-1]]
    style = replace(style, width=style.width - MARGIN)
    if together:
        rows += [_plain(BLANK), _title(_("Same request"))]
        rows += [_plain(_row(each, style, strong=each.item is record)) for each in together]
    rows += [_plain(BLANK), _title(_("Neighbours"))]
    if neighbours is None:
        return [*rows, _plain((Piece("   " + _("reading"), "muted"),))]
    rows += [_plain(log_row(each, style)) for each in neighbours.before]
    rows.append(_plain(_row(shown, style, strong=True)))
    rows += [_plain(log_row(each, style)) for each in neighbours.after]
    below = [row for part in (alike, raw) if part for row in (BLANK, *part)]
    return rows if beside else [*rows, *map(_plain, below)]


def _row(shown: WindowItem, style: LogStyle, *, strong: bool) -> Row:
    row = log_row(shown, style)
    return tuple(Piece(piece.text, "strong") for piece in row) if strong else row


def _traceback(lines: Sequence[Row], *, left_out: int) -> list[DetailRow]:
    """The rows of a traceback; none for no lines."""
    if not lines:
        return []
    rows = [_title(_("Traceback"))]
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
        at = _moment(entry.time_us, style).strftime("%Y-%m-%d %H:%M:%S.%f %Z")
    size = "  " + human_bytes(record.size_bytes)
    if record.size_bytes > len(record.raw):
        size += " " + _("(showing the first {size})", size=human_bytes(len(record.raw)))
    first: Row = (
        Piece(" "),
        sign_of(record, style.glyphs),
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


def _traceback_text(text: str, style: LogStyle) -> list[Row]:
    """The lines of a traceback."""
    return [
        (Piece("   "), *traceback_line(line, style.hits))
        for part in text.splitlines()
        for line in cut_into(part.replace("\t", "    "), max(10, style.width - 4))
    ]


def _fields(record: LogRecord, style: LogStyle) -> list[DetailRow]:
    rows = [_title(_("Fields"))]
    common = list(_common(record))
    names = [*(name for name, _value in common), *_names(record.entry.fields, 0)]
    page = _Page(style, min(NAME_WIDTH, style.width // 3, max(map(cell_width, names), default=0) + 1), record)
    for rank in range(3):
        for name, value in common:
            if _rank(name) == rank:
                rows += _field(FieldValue(name, value), name, 0, page)
        own = {name: value for name, value in record.entry.fields.items() if _rank(name) == rank}
        rows += list(_tree(own, "", 0, page))
    return rows


def _rank(name: str) -> int:
    """Fields that tell of the record alone come first, then where it was written, then what stands above them too."""
    return 2 if name in _IN_HEAD else 1 if name in _PLACES else 0


def _beside(parts: Sequence[Sequence[Row]], record: LogRecord, style: LogStyle, beside: int) -> list[DetailRow]:
    """The fields, with the ``parts`` in that many cells at the right of them."""
    left = style.width - beside
    fields = _fields(record, replace(style, width=left - MARGIN))
    right = [row for part in parts if part for row in (BLANK, *part)][1:]
    return [
        DetailRow((*fit_row(each.row, left), *_on_background(fit_row(other, beside))), each.field)
        for each, other in zip(
            [*fields, *[DetailRow(BLANK)] * (len(right) - len(fields))],
            [*right, *[BLANK] * (len(fields) - len(right))],
            strict=True,
        )
    ]


def _on_background(row: Row) -> Row:
    """The row on the ground of the page, also beside the selected field."""
    return tuple(Piece(piece.text, piece.role, piece.ground or "background") for piece in row)


def _similar_rows(record: LogRecord, similar: SimilarRecords | None, style: LogStyle, width: int) -> list[Row]:
    if similar is None:
        return []
    room = max(10, width - 4)
    share = percent(similar.count, similar.of)
    told = ngettext("{shown} of {all} loaded record ({share})", "{shown} of {all} loaded records ({share})", similar.of,
                    shown=grouped(similar.count), all=grouped(similar.of), share=share)  # fmt: skip
    rows: list[Row] = [_title(_("Same pattern")).row]
    rows += [(Piece("   "), *coloured(line, style.hits)) for line in cut_into(similar.pattern, room)]
    rows.append((Piece("   "), Piece(told)))
    if similar.since_us is not None and similar.until_us is not None and similar.count > 1:
        first, last = (_moment(each, style).strftime("%m-%d %H:%M:%S") for each in (similar.since_us, similar.until_us))
        span = _("{since} to {until}", since=first, until=last[6:] if first[:5] == last[:5] else last)
        role = "failing" if record.entry.severity >= Severity.ERROR else "chart"
        counts = list(similar.by_time)
        if cell_width(span) + len(counts) > room - MARGIN:  # of twice the time each
            counts = [sum(counts[at : at + 2]) for at in range(0, len(counts), 2)]
        course = spark(counts, len(counts), style.glyphs) if cell_width(span) + len(counts) <= room - MARGIN else ""
        rows.append((Piece("   "), Piece(span, "muted"), Piece("  " + course, role)))
    return rows


def _raw_rows(record: LogRecord, style: LogStyle, beside: int) -> list[Row]:
    """The record as it was read; none where that is its message."""
    raw = record.raw.decode("utf-8", "replace")
    if raw.strip() == record.entry.message.strip():
        return []
    room = max(10, (beside or style.width) - 4)
    lines = [line for part in raw.splitlines() for line in cut_into(part.replace("\t", "    "), room)]
    rows: list[Row] = [_title(_("Raw")).row]
    most = LINES_BESIDE if beside else LINES_OF_RAW
    rows += [(Piece("   "), Piece(line, "muted")) for line in lines[:most]]
    if (left := len(lines) - most) > 0:
        rows.append((Piece("   " + ngettext("{count} more line", "{count} more lines", left), "muted"),))
    return rows


def _moment(time_us: int, style: LogStyle) -> datetime:
    return (EPOCH + timedelta(microseconds=time_us)).astimezone(style.zone)


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
        elif value is not None and not _is_fault(text := text_of(value), page.record):
            seconds = duration_in(str(name), value)
            yield from _field(FieldValue(f"{above}{name}", text), str(name), depth, page, seconds)


def _is_fault(text: str, record: LogRecord) -> bool:
    """Whether that is the traceback, which stands above."""
    return bool(text) and record.entry.fault is not None and text == record.entry.fault.text


def _field(field: FieldValue, name: str, depth: int, page: _Page, seconds: float | None = None) -> list[DetailRow]:
    """A field with its name; one that holds a duration with what its value, of whatever unit, is in ``seconds``."""
    indent = "   " + "  " * depth
    width = max(8, page.width - 2 * depth)
    label = fit(name, width) if cell_width(name) > width else name + " " * (width - cell_width(name))
    room = max(10, page.style.width - len(indent) - width - 2)
    lines = [line for part in (field.value.splitlines() or [""]) for line in cut_into(part, room)]
    if len(lines) > LINES_OF_VALUE:
        left = len(lines) - LINES_OF_VALUE
        lines = [*lines[:LINES_OF_VALUE], ngettext("{count} more line", "{count} more lines", left)]
    told = "" if seconds is None else exact_duration(seconds)
    beside = Piece(f"   {told}" if told.replace(" ", "") != field.value.replace(" ", "") and told else "", "muted")
    first = DetailRow((Piece(indent + label + " ", "muted"), *coloured(lines[0], page.style.hits), beside), field)
    blank = Piece(indent + " " * (width + 1))
    return [first, *(DetailRow((blank, *coloured(line, page.style.hits)), field) for line in lines[1:])]


def first_field(rows: Sequence[DetailRow]) -> int:
    """Return the index of the first row with a field, which is selected at first."""
    return next((at for at, each in enumerate(rows) if each.field is not None), 0)
