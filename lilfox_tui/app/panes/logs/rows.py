"""Records of logs as rows. Pure: a record in, a row out, in cells that do not jump."""

from __future__ import annotations

from collections.abc import Callable, Set
from datetime import UTC, datetime, timedelta, tzinfo

from msgspec import Struct

from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.i18n import _
from lilfox_tui.logs.filter.model import text_of
from lilfox_tui.logs.record import EPOCH, LoggedException, LogRecord, Severity
from lilfox_tui.logs.source import SourceNotice
from lilfox_tui.logs.window import WindowItem
from lilfox_tui.text import cell_width, clean, fit, human_duration

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
    """How rows are written: the room, the zone of times, and the columns' widths (0: no such column)."""

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

    @property
    def prefix_width(self) -> int:
        """Cells before the message."""
        columns = sum(width + 1 for width in (self.source_width, self.logger_width) if width)
        return 1 + self._time_width + 1 + 2 + columns

    @property
    def message_width(self) -> int:
        """Cells for the message; some for any width."""
        return max(8, self.width - self.prefix_width)

    @property
    def _time_width(self) -> int:
        return (6 if self.dates else 0) + (12 if self.width >= 80 else 8)

    def time(self, time_us: int | None) -> str:
        """A time in the width that it always has; blank where a record tells none."""
        if time_us is None:
            return " " * self._time_width
        at = (EPOCH + timedelta(microseconds=time_us)).astimezone(self.zone)
        text = at.strftime("%m-%d %H:%M:%S" if self.dates else "%H:%M:%S")
        return f"{text}.{at.microsecond // 1000:03}" if self.width >= 80 else text


def severity_piece(severity: Severity, glyphs: Glyphs) -> Piece:
    """A level as shape and colour, in two cells."""
    if severity >= Severity.ERROR:
        return Piece(glyphs.failing + " ", "failing")
    if severity >= Severity.WARNING:
        return Piece(glyphs.degraded + " ", "degraded")
    if severity >= Severity.INFO:
        return Piece(glyphs.separator + " ", "good")
    return Piece("  " if severity is Severity.UNKNOWN else glyphs.separator + " ", "muted")


def log_row(shown: WindowItem, style: LogStyle, *, times: int = 1, until_us: int | None = None) -> Row:
    """One record on one line. ``times`` alike ones, the last at ``until_us``, are folded into it."""
    item = shown.item
    if isinstance(item, SourceNotice):
        return _notice_row(item, style)
    tail, room = _tail(item, style, times, until_us)
    text = moved(headline(item, style.shifted), style.shifted)
    if tail:
        text = fit(text, room)
    return (*_prefix(item, style), Piece(text, message_role(item, style)), *tail)


def overhang(shown: WindowItem, style: LogStyle, *, times: int = 1, until_us: int | None = None) -> int:
    """Cells by which a record's line, not moved, is too long for :func:`log_row`; at most 0 where it is not."""
    item = shown.item
    if isinstance(item, SourceNotice):
        return 0
    _pieces, room = _tail(item, style, times, until_us)
    return cell_width(clean(headline(item, style.shifted))) - room


def moved(text: str, cells: int) -> str:
    """``text``, cleaned, from that cell on; a mark tells that some of it is to the left."""
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
    return [(*_prefix(item, style), Piece(first, role)), *((indent, Piece(line, role)) for line in more)]


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
    """A record in one line: its message's first, or the first line as it was written; then what its exception says.
    ``further`` characters more of a long line."""
    most = HEADLINE_AT_MOST + further
    text = record.entry.message or record.raw[:most].decode("utf-8", "replace")
    first = text.partition("\n")[0][:most]
    fault = record.entry.fault
    if fault is None or not fault.type or fault.type in first:
        return first
    return f"{first}  {outcome(fault)}"


def outcome(fault: LoggedException) -> str:
    """The line of an exception's text that names its class; the class alone where none does."""
    ends = fault.text[:OUTCOME_WITHIN], fault.text[-OUTCOME_WITHIN:]
    lines = [line.strip() for end in ends for line in end.splitlines() if fault.type in line]
    said = (line for line in reversed(lines) if ":" in line and not line.startswith(("raise ", "File ", "at ")))
    return next(said, fault.type)[:300]


def message_role(record: LogRecord, style: LogStyle) -> str:
    """The colour of a message: what matches, what is gravest and what is of little weight stands out."""
    if style.matches is not None and style.matches(record):
        return "accent"
    severity = record.entry.severity
    if severity >= Severity.CRITICAL:
        return "failing"
    return "muted" if Severity.UNKNOWN < severity < Severity.INFO else "text"


def trace_of(record: LogRecord) -> tuple[str, str] | None:
    """The field by which this request is followed over all sources, and its value."""
    for name in TRACE_FIELDS:
        value = record.entry.fields.get(name)
        if isinstance(value, str | int) and value != "":
            return name, text_of(value)
    return None


def clock_zone() -> tzinfo:
    """This machine's zone, for those who do not read UTC."""
    return datetime.now().astimezone().tzinfo or UTC


def _last_parts(logger: str, width: int) -> str:
    """A logger's name without so many first parts as it is too long: the last ones tell more (``app.db.pool``)."""
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
    """What stands at the right edge, and the cells that it leaves to the message."""
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
    """The request's identity at the right edge, cut: enough to see which lines belong together."""
    if style.width < 100:
        return ()
    found = trace_of(record)
    if found is None:
        return ()
    return (Piece("  " + fit("req=" + found[1][:TRACE_SHOWN], TRACE_SHOWN + 4), "muted"),)
