"""The strip below the list: errors per minute over a span of time, and how much of everything is shown. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta, tzinfo
from typing import NamedTuple

from msgspec import Struct

from lilfox_tui.app.rendering.chart import spark
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.i18n import _, ngettext
from lilfox_tui.logs.record import EPOCH, LogRecord, Severity
from lilfox_tui.logs.statistics import Slice
from lilfox_tui.logs.window import WindowItem
from lilfox_tui.text import cell_width

MINUTE_US = 60_000_000
CHART_AT_MOST = 60
MINUTES_OF_DAY = 24 * 60


class Span(NamedTuple):
    """Minutes (since 1970, UTC) from ``first`` to before ``end``, and how many errors came in each of them."""

    first: int
    end: int
    errors: float


class ErrorRates(Struct, frozen=True):
    """Errors per minute from the minute ``first`` to before ``end``; what no span tells of had none."""

    spans: tuple[Span, ...]
    first: int
    end: int


def loaded_errors(shown: Iterable[WindowItem]) -> ErrorRates | None:
    """The errors of what is loaded, minute by minute; None where nothing there tells a time."""
    by_minute: Counter[int] = Counter()
    minutes: set[int] = set()
    for each in shown:
        if not isinstance(each.item, LogRecord) or (time_us := each.item.entry.time_us) is None:
            continue
        minutes.add(time_us // MINUTE_US)
        if each.item.entry.severity >= Severity.ERROR:
            by_minute[time_us // MINUTE_US] += 1
    if not minutes:
        return None
    spans = tuple(Span(minute, minute + 1, count) for minute, count in by_minute.items())
    return ErrorRates(spans, min(minutes), max(minutes) + 1)


def counted_errors(slices: Sequence[Slice]) -> ErrorRates | None:
    """The errors of everything, as they were counted in slices; None where there is none that tells a time."""
    spans = [Span(each.since_us // MINUTE_US, each.until_us // MINUTE_US, 0.0) for each in slices]
    if not spans:
        return None
    rated = tuple(
        span._replace(errors=each.errors / max(1, span.end - span.first))
        for span, each in zip(spans, slices, strict=True)
    )
    return ErrorRates(rated, rated[0].first, rated[-1].end)


def joined(counted: ErrorRates, loaded: ErrorRates | None) -> ErrorRates:
    """What was counted, and what has come since; it ends where the newest that is loaded ends its slice early."""
    if loaded is None:
        return counted
    if loaded.end <= counted.end:
        *_before, last = counted.spans
        return ErrorRates(counted.spans, counted.first, loaded.end if loaded.end > last.first else counted.end)
    later = tuple(span for span in loaded.spans if span.first >= counted.end)
    return ErrorRates((*counted.spans, *later), counted.first, loaded.end)


class StripParts(Struct, frozen=True):
    """What the strip shows beside the errors: records shown, more of them not loaded, all there are (None: unknown), or
    ``more_in_all``."""

    shown: int
    more: bool
    total: int | None
    zone: tzinfo
    width: int
    glyphs: Glyphs
    more_in_all: bool = False
    sparklines: bool = True


def strip_row(errors: ErrorRates | None, parts: StripParts) -> Row:
    """``errors/min ▁▁▂▇ 02:40 ── 03:12      12 480 of 1 204 331 records``."""
    right = _counts(parts)
    if errors is None:
        return _spread([], right, parts.width)
    left = [Piece(" " + _("errors/min") + " ", "muted")]
    since, until = (_clock(minute, errors, parts.zone) for minute in (errors.first, errors.end - 1))
    span = Piece(f" {since} {parts.glyphs.rule * 2} {until}", "muted")
    room = parts.width - sum(cell_width(piece.text) for piece in (*left, span, *right)) - 2
    columns = max(0, min(CHART_AT_MOST, room, errors.end - errors.first))
    if columns and parts.sparklines:
        worst = max((span.errors for span in errors.spans), default=0)
        left.append(Piece(spark(_rates(errors, columns), columns, parts.glyphs), "failing" if worst else "muted"))
    return _spread([*left, span], right, parts.width)


def _rates(errors: ErrorRates, columns: int) -> list[float]:
    """The greatest errors a minute of each column's minutes: a spike of one minute is not made small."""
    minutes = errors.end - errors.first
    rates = [0.0] * columns
    for span in errors.spans:
        first = (span.first - errors.first) * columns // minutes
        last = (span.end - 1 - errors.first) * columns // minutes
        for column in range(max(0, first), min(columns - 1, last) + 1):
            rates[column] = max(rates[column], float(span.errors))
    return rates


def _counts(parts: StripParts) -> list[Piece]:
    if parts.more and not parts.shown:
        return []  # nothing was read yet: that is no count
    shown = f"{grouped(parts.shown)}{'+' if parts.more else ''}"
    if parts.total is None:
        text = ngettext("{shown} record", "{shown} records", parts.shown + parts.more, shown=shown)
    else:
        total = f"{grouped(parts.total)}{'+' if parts.more_in_all else ''}"
        every = parts.total + parts.more_in_all
        text = ngettext("{shown} of {total} record", "{shown} of {total} records", every, shown=shown, total=total)
    return [Piece(text + " ", "muted")]


def grouped(count: int) -> str:
    """A count with a space between thousands."""
    return f"{count:,}".replace(",", " ")


def _clock(minute: int, errors: ErrorRates, zone: tzinfo) -> str:
    """A minute, with its day where the span is of more than one."""
    of_days = errors.end - errors.first > MINUTES_OF_DAY
    at = (EPOCH + timedelta(minutes=minute)).astimezone(zone)
    return at.strftime("%m-%d %H:%M" if of_days else "%H:%M")


def _spread(left: list[Piece], right: list[Piece], width: int) -> Row:
    space = width - sum(cell_width(piece.text) for piece in (*left, *right))
    return (*left, Piece(" " * space), *right) if space >= 1 else (Piece(" "), *right)
