"""The strip below the list: errors per minute over a span of time, and how much of everything is shown. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta, tzinfo

from msgspec import Struct

from lilfox_tui.app.chart import spark
from lilfox_tui.app.draw import Piece, Row
from lilfox_tui.app.glyphs import Glyphs
from lilfox_tui.i18n import _
from lilfox_tui.logs.lane import Shown
from lilfox_tui.logs.record import EPOCH, Record, Severity
from lilfox_tui.text import cell_width

MINUTE_US = 60_000_000
CHART_AT_MOST = 60


class ErrorCount(Struct, frozen=True):
    """Errors by minute (minutes since 1970) from ``first`` to ``last`` minute, both known."""

    by_minute: Mapping[int, int]
    first: int
    last: int


def count_errors(shown: Iterable[Shown]) -> ErrorCount | None:
    """The errors per minute of what is loaded; None where nothing there tells a time."""
    by_minute: Counter[int] = Counter()
    first: int | None = None
    last = 0
    for each in shown:
        if not isinstance(each.item, Record) or (time_us := each.item.entry.time_us) is None:
            continue
        minute = time_us // MINUTE_US
        first = minute if first is None else min(first, minute)
        last = max(last, minute)
        if each.item.entry.severity >= Severity.ERROR:
            by_minute[minute] += 1
    return None if first is None else ErrorCount(by_minute, first, last)


class StripParts(Struct, frozen=True):
    """What the strip shows beside the errors: records shown, more of them not loaded, all there are (None: unknown)."""

    shown: int
    more: bool
    total: int | None
    zone: tzinfo
    width: int
    glyphs: Glyphs
    sparklines: bool = True


def strip_row(errors: ErrorCount | None, parts: StripParts) -> Row:
    """``errors/min ▁▁▂▇ 02:40 ── 03:12      12 480 of 1 204 331 records``."""
    right = _counts(parts)
    if errors is None:
        return _spread([], right, parts.width)
    left = [Piece(" " + _("errors/min") + " ", "muted")]
    since, until = (_clock(minute, parts.zone) for minute in (errors.first, errors.last))
    span = Piece(f" {since} {parts.glyphs.rule * 2} {until}", "muted")
    room = parts.width - sum(cell_width(piece.text) for piece in (*left, span, *right)) - 2
    minutes = errors.last - errors.first + 1
    columns = max(0, min(CHART_AT_MOST, room, minutes))
    if columns and parts.sparklines:
        worst = max(errors.by_minute.values(), default=0)
        left.append(Piece(spark(_rates(errors, columns), columns, parts.glyphs), "failing" if worst else "muted"))
    return _spread([*left, span], right, parts.width)


def _rates(errors: ErrorCount, columns: int) -> list[float]:
    """The greatest errors a minute of each column's minutes: a spike of one minute is not made small."""
    minutes = errors.last - errors.first + 1
    edges = [errors.first + minutes * column // columns for column in range(columns + 1)]
    rates = [0.0] * columns
    for minute, count in errors.by_minute.items():
        if errors.first <= minute <= errors.last:
            column = min(columns - 1, (minute - errors.first) * columns // minutes)
            while edges[column] > minute:
                column -= 1
            rates[column] = max(rates[column], float(count))
    return rates


def _counts(parts: StripParts) -> list[Piece]:
    shown = f"{grouped(parts.shown)}{'+' if parts.more else ''}"
    if parts.total is None:
        text = _("{count} records", count=shown)
    else:
        text = _("{count} of {total} records", count=shown, total=grouped(parts.total))
    return [Piece(text + " ", "muted")]


def grouped(count: int) -> str:
    """A count with a space between thousands."""
    return f"{count:,}".replace(",", " ")


def _clock(minute: int, zone: tzinfo) -> str:
    return (EPOCH + timedelta(minutes=minute)).astimezone(zone).strftime("%H:%M")


def _spread(left: list[Piece], right: list[Piece], width: int) -> Row:
    space = width - sum(cell_width(piece.text) for piece in (*left, *right))
    return (*left, Piece(" " * space), *right) if space >= 1 else (Piece(" "), *right)
