"""The strip below the list: errors per minute over a span of time, and how much of everything is shown; it has all
counted behind the keys where that is cheap."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta, tzinfo
from functools import partial
from typing import NamedTuple

from msgspec import Struct

from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.logs.state import LogsState
from lilfox_tui.app.rendering.chart import spark
from lilfox_tui.app.rendering.draw import Piece, Row
from lilfox_tui.app.rendering.glyphs import Glyphs
from lilfox_tui.app.widgets.lines import Lines
from lilfox_tui.errors import LilFoxError
from lilfox_tui.i18n import _, language, ngettext
from lilfox_tui.logs.filter.model import EVERYTHING, Filter
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import EPOCH, LogRecord, Severity
from lilfox_tui.logs.source import LogSource
from lilfox_tui.logs.statistics import Slice
from lilfox_tui.logs.window import WindowItem
from lilfox_tui.text import cell_width

MINUTE_US = 60_000_000
CHART_AT_MOST = 60
MINUTES_OF_DAY = 24 * 60
LEAST_HEIGHT = 9
"""Rows of the pane at which the strip is there."""
QUIET_S = 1.0
"""After the last change, before all is counted."""
CHEAP_BYTES = 256 * 1024 * 1024
"""So much is counted unasked, in half a second of one CPU."""


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


class ErrorStrip:
    """Draws the strip. While nothing else goes on it has all that matches counted, if that is cheap: the strip then
    tells of everything."""

    def __init__(self, context: PaneContext[LogsState]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._made: tuple[object, Row] | None = None
        self._looks_again = False

    def paint(self, lines: Lines) -> None:
        """Shows it where there is room."""
        state, merged = self._state, self._state.merged
        lines.display = self._app.room.height >= LEAST_HEIGHT
        if merged is None or not lines.display:
            return
        lines.show([self._row(merged)])
        if not state.busy and not state.is_counted(merged):
            self._context.after(QUIET_S, partial(self._count_if_quiet, merged.leaps))
        statuses = [source.status.value for source in state.shown_sources]
        behind = any(each is not None and each.indexed_bytes not in (None, each.size_bytes) for each in statuses)
        if behind and not self._looks_again:
            self._looks_again = True
            self._context.after(QUIET_S, self._look_again)

    def _row(self, merged: MergedLogs) -> Row:
        counted = self._state.counted if self._state.is_count_of(merged, merged.where) else None
        parts = self._parts(merged, None if counted is None else counted.records)
        made_from = (merged, merged.edition, parts, counted is not None, language())
        if self._made is None or self._made[0] != made_from:
            errors = loaded_errors(merged.shown)
            if counted is not None and (overall := counted_errors(counted.by_slice)) is not None:
                errors = joined(overall, errors)
            self._made = (made_from, strip_row(errors, parts))
        return self._made[1]

    def _parts(self, merged: MergedLogs, counted: int | None) -> StripParts:
        """``counted`` records match, where that is known."""
        total, more_in_all = self._all_records()
        loaded, more = len(merged.shown), not (merged.at_oldest and merged.at_newest)
        if merged.where == EVERYTHING and total is not None and more:
            loaded, more = total, more_in_all
        elif counted is not None and more:
            loaded, more = max(loaded, counted), merged.came != self._state.came_before
        return StripParts(
            shown=loaded,
            more=more,
            total=None if total is None else max(total, loaded),
            more_in_all=more_in_all,
            zone=self._state.zone,
            width=self._app.room.width,
            glyphs=self._app.glyphs,
            sparklines=not self._app.slow_link,
        )

    def _all_records(self) -> tuple[int | None, bool]:
        """How many records all sources that are shown hold, None where one cannot tell; and whether there are more."""
        statuses = [source.status.value for source in self._state.shown_sources]
        counts = [None if status is None else status.records for status in statuses]
        if None in counts:
            return None, False
        more = any(status is not None and status.more_records for status in statuses)
        return sum(count or 0 for count in counts), more

    def _look_again(self) -> None:
        """Shows the count that was behind what is written."""
        self._looks_again = False
        if self._context.is_displayed and not self._app._exit:
            self._context.repaint()

    def _count_if_quiet(self, leaps: int) -> None:
        merged = self._state.merged
        if not self._context.is_displayed or self._state.busy or merged is None or merged.leaps != leaps:
            return
        if not self._state.is_counted(merged):
            self._state.begin_count(merged)
            self._context.run(partial(self._count, merged, merged.where), group="count-behind", exclusive=True)

    async def _count(self, merged: MergedLogs, where: Filter) -> None:
        from lilfox_tui.logs.analyze import analyze  # what counts is not on the way to the first records
        from lilfox_tui.logs.filter.model import NOTHING, of_source

        try:
            if not await _is_cheap(
                [each for each in self._state.shown_sources if of_source(where, each.name) != NOTHING]
            ):
                return
            answer = await analyze(self._state.shown_sources, where, processes=1)
        except LilFoxError:
            return  # the strip goes on to tell of what is loaded
        if self._state.is_count_of(merged, where) and not answer.failed:
            self._state.counted = answer.statistics
            self._context.repaint()


async def _is_cheap(sources: Sequence[LogSource]) -> bool:
    """Whether all of it lies in files of this machine that are soon read. Raises LilFoxError."""
    from lilfox_tui.logs.analyze import HasLocalFiles

    size = 0
    for source in sources:
        files = await source.local_files() if isinstance(source, HasLocalFiles) else None
        if files is None:
            return False
        size += sum([await each.file.size() for each in files])
    return size <= CHEAP_BYTES
