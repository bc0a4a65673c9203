"""Records over time: the histogram above the list by their level, with where the selected record is among them, and the
strip below the list with the errors per minute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import groupby
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.logs.feed import LogFeed
from lilfox_tui.app.panes.logs.rows import at_least, grouped, percent, records_told
from lilfox_tui.app.panes.logs.state import LogsState
from lilfox_tui.app.rendering.chart import spark
from lilfox_tui.app.rendering.columns import cells
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.i18n import Message, _, ngettext, tr
from lilfox_tui.core.text import cell_width, fit, human_count, human_duration
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import EPOCH, LogRecord, Severity, microseconds
from lilfox_tui.logs.source import AtTime
from lilfox_tui.logs.statistics import Slice, Statistics, is_warning
from lilfox_tui.logs.window import WindowItem

HIGH = 3
"""Rows of the bars."""
LEAST_ROWS, LEAST_WIDTH = 28, 60
"""Of the pane, from which there is room for the histogram."""
_SECOND_US = 1_000_000
_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 240, 360, 480, 720, 1440, 2880, 10080)
_WIDTHS_US = tuple(seconds * _SECOND_US for seconds in (1, 2, 5, 10, 15, 30, *(60 * each for each in _MINUTES)))
"""What a bar may stand for; longer ones are whole multiples of the last."""
_DAY = timedelta(days=1)
_SHARE_OF_COUNTS = 0.4
"""Of the width of the pane, at most, for what stands beside the bars."""
_NOTES_CELLS = 48
"""Of the notes below the counts."""
_COUNT_CELLS = 7
"""Of a count: those of 999,999, longer ones are rounded."""
_WIDEST = 8
"""Cells of a bar, where there are few bars."""
_END_CELLS = 12
"""Of the last time, which stands behind the axis, with a blank before it: that of a day is the longest."""
_ROLES = ("failing", "degraded", "muted")
"""Of the parts of a bar, from below."""


class Bar(Struct):
    """The records of a bar, and those of them at WARNING and at ERROR or above."""

    records: int = 0
    warnings: int = 0
    errors: int = 0

    def add(self, records: int, warnings: int, errors: int) -> None:
        """Counts more."""
        self.records += records
        self.warnings += warnings
        self.errors += errors


class Bars(Struct, frozen=True):
    """Bars of the same width, oldest first, from ``since_us`` (microseconds since 1970, UTC)."""

    since_us: int
    width_us: int
    bars: tuple[Bar, ...]
    columns: int = 0
    """The cells of all bars together, over which they are spread: of each as many as of the others, or one more. 0: one
    cell each."""
    newest_us: int | None = None
    """The end of what is known, within the last bar; None: the end of that bar."""
    missing: int = 0
    """Records that no bar holds: without a time, or not in the format of their log."""
    loaded_only: bool = False
    """Whether the bars hold only what is loaded, and there is more."""

    @property
    def total(self) -> Bar:
        """All bars as one."""
        whole = Bar()
        for bar in self.bars:
            whole.add(bar.records, bar.warnings, bar.errors)
        return whole

    @property
    def until_us(self) -> int:
        """The end of the last bar, or of what is known if that is earlier."""
        end_us = self.since_us + len(self.bars) * self.width_us
        return end_us if self.newest_us is None else min(end_us, self.newest_us)

    def begin(self, place: int) -> int:
        """The first cell of a bar."""
        return place * self.columns // len(self.bars) if self.columns else place

    def at(self, time_us: int) -> int | None:
        """The bar of that time; None outside."""
        place = (time_us - self.since_us) // self.width_us
        return place if 0 <= place < len(self.bars) else None


def bars_of(
    slices: Sequence[Slice],
    loaded: Sequence[WindowItem],
    columns: int,
    *,
    newest: bool,
    came: int = 0,
    now_us: int | None = None,
) -> Bars | None:
    """At most ``columns`` bars of the counted ``slices`` and, if the newest records are ``loaded``, of these after
    them; None if no record has a time. A bar holds whole slices: when in a slice its records were written is not known.
    The last ``came`` of ``loaded`` were written after the count. The last slice ends ``now_us`` at the latest."""
    fresh_from = len(loaded) - came
    timed = [
        (time_us, item.entry.severity, at >= fresh_from)
        for at, each in enumerate(loaded)
        if isinstance(item := each.item, LogRecord) and (time_us := item.entry.time_us) is not None
    ]
    kept = [each for each in slices if now_us is None or each.since_us < now_us]
    if timed and newest:  # these slices were perhaps not over when they were counted: what is loaded is exact
        oldest_us = min(at for at, _severity, _is_fresh in timed)
        kept = [each for each in kept if each.since_us < oldest_us]
    counted_until_us = kept[-1].until_us if kept else 0
    later = [(at, severity) for at, severity, is_fresh in timed if is_fresh or at >= counted_until_us]
    later = later if newest or not kept else []
    starts = [each.since_us for each in (*kept[:1], *kept[-1:])] + [at for at, _severity in later]
    if not starts or columns < 1:
        return None
    width = _bar_width(
        max(starts) - min(starts), max((each.until_us - each.since_us for each in kept), default=0), columns
    )
    since = min(starts) - min(starts) % width
    bars = [Bar() for _place in range((max(starts) - since) // width + 1)]
    for each in kept:
        bars[(each.since_us - since) // width].add(each.records, each.warnings, each.errors)
    for at, severity in later:
        bars[(at - since) // width].add(1, is_warning(severity), severity >= Severity.ERROR)
    if timed and newest:
        known_us = max(at for at, _severity, _is_fresh in timed)
    else:
        known_us = max(counted_until_us if now_us is None else min(counted_until_us, now_us), *starts)
    return Bars(since, width, tuple(bars), max(len(bars), min(columns, _WIDEST * len(bars))), known_us)


def _bar_width(span_us: int, slice_us: int, columns: int) -> int:
    """The narrowest bar of whole slices with which ``span_us`` and a partly filled bar at each end fit."""
    least_us = max(slice_us, -(-span_us // max(1, columns - 1)))
    fitting = (each for each in _WIDTHS_US if each >= least_us and (not slice_us or each % slice_us == 0))
    longest = slice_us or _WIDTHS_US[-1]
    return next(fitting, longest * -(-least_us // longest))


def bar_rows(bars: Bars, glyphs: Glyphs) -> list[Row]:
    """The bars as ``HIGH`` rows: errors at the bottom, above them warnings, then other records. A single error is
    seen."""
    most = max(bar.records for bar in bars.bars)
    draw = _coloured if glyphs.dots else _shaped
    rows: list[Row] = []
    for level in reversed(range(HIGH)):
        cells = [draw(bar, most, level, glyphs) for bar in bars.bars]
        wide = (
            cell._replace(text=cell.text * (bars.begin(place + 1) - bars.begin(place)))
            for place, cell in enumerate(cells)
        )
        runs = groupby(wide, lambda cell: (cell.role, cell.ground))
        rows.append((Piece(" "), *(Piece("".join(cell.text for cell in run), *look) for look, run in runs)))
    return rows


def _coloured(bar: Bar, most: int, level: int, glyphs: Glyphs) -> Piece:
    """The cell of a bar on that line from below, in eighths. A cell has two colours only: where a bar ends in one that
    would need a third, what is above its lowest part is rounded to the whole cell, or to nothing."""
    steps = len(glyphs.bars) - 1
    ends = [max(0, min(steps, end - level * steps)) for end in _ends(bar, most, steps)]
    parts = [
        (end, end - before, role)
        for before, end, role in zip((0, *ends[:2]), ends, _ROLES, strict=True)
        if end > before
    ]
    if not parts:
        return Piece(" ")
    lowest, _size, role = parts[0]
    if len(parts) == 1 or 2 * ends[-1] < steps:
        return Piece(glyphs.bars[lowest], role)
    return Piece(glyphs.bars[lowest], role, max(parts[1:], key=lambda part: part[1])[2])


def _shaped(bar: Bar, most: int, level: int, glyphs: Glyphs) -> Piece:
    """The same where colours cannot tell the parts apart: each cell is of one part, told by its shape."""
    kind = next((kind for kind, end in enumerate(_ends(bar, most, 1)) if level < end), None)
    return Piece(" ") if kind is None else Piece(glyphs.stack[kind], _ROLES[kind])


def _ends(bar: Bar, most: int, steps: int) -> tuple[int, int, int]:
    """Where errors, warnings and other records end, in steps from below: each as high as its share, but one step at
    least."""
    whole = -(-bar.records * HIGH * steps // most) if bar.records else 0
    errors = max(min(1, bar.errors), _share(whole, bar.errors, bar.records))
    warnings = max(errors + min(1, bar.warnings), _share(whole, bar.errors + bar.warnings, bar.records))
    return errors, min(whole, warnings), whole


def _share(whole: int, part: int, records: int) -> int:
    """``whole`` times the share, rounded."""
    return (2 * whole * part + records) // (2 * records) if records else 0


def axis_row(bars: Bars, selected_us: int | None, zone: tzinfo, glyphs: Glyphs) -> Row:
    """The axis below the bars from its first time to the last, which stands behind it, with a mark under the bar of the
    selected record. Where the first time is in its way, the time of the marked bar stands beside the mark instead."""
    first, last = (_time(bars, at, zone) for at in (bars.since_us, bars.until_us))
    width, begin = max(bars.begin(len(bars.bars)), 2 * len(first) + 4), 0
    place = None if selected_us is None else bars.at(selected_us)
    at = None if place is None else (bars.begin(place) + bars.begin(place + 1)) // 2
    if place is not None and at is not None and at <= len(first):
        first, begin = _time(bars, bars.since_us + place * bars.width_us, zone), at + 2
    line = list(glyphs.rule * width)
    line[begin : begin + len(first)] = first
    for blank in (begin - 1, begin + len(first)):
        if 0 <= blank != at:
            line[blank] = " "
    text = f"{''.join(line)} {last}"
    if at is None:
        return (Piece(" " + text, "muted"),)
    return (Piece(" " + text[:at], "muted"), Piece(glyphs.logo, "accent"), Piece(text[at + 1 :], "muted"))


def _time(bars: Bars, at_us: int, zone: tzinfo) -> str:
    at = (EPOCH + timedelta(microseconds=at_us)).astimezone(zone)
    if bars.until_us - bars.since_us > _DAY / timedelta(microseconds=1):
        return at.strftime("%m-%d %H:%M")
    return at.strftime("%H:%M:%S" if bars.width_us < 60 * _SECOND_US else "%H:%M")


def counts_beside(bars: Bars | None, glyphs: Glyphs) -> list[list[Row]]:
    """What the colours are and how many records the bars hold of each, in rows that stand beside them, always of the
    same width: with room for all notes below, with their share of all, without it, and without words. None: before
    anything is counted."""
    marks = glyphs.full * 3 if glyphs.dots else glyphs.stack
    words = [fit(word, max(map(cell_width, _words(glyphs)))) for word in _words(glyphs)]
    total = bars.total if bars is not None else Bar()
    parts = (total.errors, total.warnings, total.records - total.errors - total.warnings)
    full: list[Row] = []
    for mark, word, role, count in zip(marks, words, _ROLES, parts, strict=True):
        number = Piece(fit(counted(count), _COUNT_CELLS, right=True), role if count and role != "muted" else "text")
        share = Piece(f"  {percent(count, total.records):>4}", "muted")
        full.append((Piece(f"   {mark} ", role), number, Piece(f" {word}", "muted"), share))
    roomy: list[Row] = [(*row, Piece(" " * (_NOTES_CELLS - cells(row)))) for row in full]
    return [roomy, full, [row[:3] for row in full], [row[:2] for row in full]]


def counted(count: int) -> str:
    """A count with its thousands apart; a long one rounded."""
    return grouped(count) if count < 1_000_000 else human_count(count)


def _words(glyphs: Glyphs) -> tuple[str, str, str]:
    """What is counted: levels, whatever else a record tells, such as a status of 5xx."""
    warnings = _("level {level}", level=Severity.WARNING.name)
    return at_least(Severity.ERROR, glyphs), warnings, _("other records")


def notes_of(bars: Bars, zone: tzinfo) -> Iterator[Row]:
    """What a bar stands for, and which one has the most errors, in parts that may be left out from the end, but for the
    first one, where the bars do not hold all records that are told below the list."""
    width, count = human_duration(bars.width_us / 1e6), bars.total.records
    text = _("each bar {time}", time=width)
    if bars.loaded_only:
        text = ngettext("{shown} loaded record, each bar {time}", "{shown} loaded records, each bar {time}", count,
                        shown=grouped(count), time=width)  # fmt: skip
    elif bars.missing:
        text = _("{count} without a time or format", count=grouped(bars.missing))
    yield (Piece("   " + text, "muted"),)
    worst = max(bars.bars, key=lambda bar: bar.errors)
    if worst.errors:
        at = _time(bars, bars.since_us + bars.bars.index(worst) * bars.width_us, zone)
        told = ngettext("peak {shown} error at {time}", "peak {shown} errors at {time}", worst.errors,
                        shown=grouped(worst.errors), time=at)  # fmt: skip
        yield (Piece("   " + told, "failing"),)


class Histogram:
    """Draws the histogram if there is room."""

    def __init__(self, context: PaneContext[LogsState]) -> None:
        self._state, self._app = context.state, context.app
        self._made: tuple[object, Bars | None] = (None, None)
        self.drawn: Bars | None = None
        """What is on the screen."""

    @property
    def has_room(self) -> bool:
        """Whether the pane is large enough."""
        room = self._app.room
        return room.height >= LEAST_ROWS and room.width >= LEAST_WIDTH and not self._app.slow_link

    def paint(self, lines: Lines) -> None:
        """Draws the bars of all records that match, or of those that are loaded until they are counted."""
        merged = self._state.merged
        bars = self.drawn = self.bars(merged) if merged is not None and self.has_room else None
        # there from the start: what is shown later moves the rows, and that costs a layout more
        lines.display = self.has_room and (bars is not None or merged is None or not merged.shown)
        if bars is None:
            lines.show(())
            return
        record = self._state.selected_record
        zone, glyphs = self._state.zone, self._app.glyphs
        axis = axis_row(bars, None if record is None else record.entry.time_us, zone, glyphs)
        rows = bar_rows(bars, glyphs)
        edge = self._columns + 1 + _END_CELLS  # the same for any number of bars: nothing jumps
        edge = max(edge, *map(cells, (axis, *rows)))
        room = self._app.room.width - edge
        beside = next((each for each in counts_beside(bars, glyphs) if cells(each[0]) <= room), [()] * HIGH)
        if (bars.loaded_only or bars.missing) and cells(next(notes_of(bars, zone))) > room:
            beside = [()] * HIGH  # no count that is not that below the list, without a word of what it is
        rows = [(*row, Piece(" " * (edge - cells(row))), *counts) for row, counts in zip(rows, beside, strict=True)]
        axis += (Piece(" " * (edge - cells(axis))),)
        for part in notes_of(bars, zone):
            if (room := room - cells(part)) < 0:
                break
            axis += part
        lines.show([*rows, axis])

    @property
    def _columns(self) -> int:
        """The cells of the bars: what stands beside them takes its part of the width at most."""
        width = self._app.room.width
        sizes = (cells(each[0]) for each in counts_beside(None, self._app.glyphs))
        return width - 2 - _END_CELLS - next((each for each in sizes if each <= width * _SHARE_OF_COUNTS), 0)

    def bars(self, merged: MergedLogs) -> Bars | None:
        """The bars of ``merged``."""
        counted = self._state.count.counted if self._state.count.is_of(merged, merged.where) else None
        columns = self._columns
        made_from = (merged, merged.edition, columns, counted)
        if self._made[0] != made_from:
            self._made = (made_from, self._bars_of(counted, merged, columns))
        return self._made[1]

    def _bars_of(self, counted: Statistics | None, merged: MergedLogs, columns: int) -> Bars | None:
        now_us, whole = microseconds(self._state.clock), merged.at_oldest and merged.at_newest
        slices = () if counted is None or whole else counted.by_slice
        came = merged.came - self._state.count.came_before
        bars = bars_of(slices, merged.shown, columns, newest=merged.at_newest, came=came, now_us=now_us)
        if bars is None:
            return None
        since = max(0, len(merged.shown) - came) if slices else 0
        items = (each.item for each in merged.shown[since:])
        missing = sum(isinstance(item, LogRecord) and item.entry.time_us is None for item in items)
        if counted is not None and slices:
            return replace(bars, missing=missing + counted.unread + counted.timeless)
        return replace(bars, missing=missing, loaded_only=not whole)


class SourceCount(Struct):
    """The records of one source that the histogram counts too, those of them at ERROR or above, and the time of the
    newest one (microseconds since 1970, UTC); None if no loaded one has a time. ``before_us``: it is not loaded, and
    earlier than that."""

    records: int = 0
    errors: int = 0
    newest_us: int | None = None
    before_us: int | None = None

    def newest(self, zone: tzinfo, now: datetime) -> str:
        """The time of the newest record if that is of today, else its day, with ``<`` if it is earlier; empty if it has
        none."""
        known_us = self.newest_us if self.newest_us is not None else self.before_us
        if known_us is None:
            return ""
        at = (EPOCH + timedelta(microseconds=known_us)).astimezone(zone)
        text = f"{at:%H:%M:%S}" if at.date() == now.astimezone(zone).date() else f"{at:%Y-%m-%d}"
        return text if self.newest_us is not None else f"<{text}"


def counts_by_source(merged: MergedLogs, counted: Statistics | None, came: int) -> tuple[dict[str, SourceCount], bool]:
    """Return the counts of each source, and whether they are of all that matches: what was ``counted``, and of the
    ``came`` records since then those that are loaded; else only what is loaded."""
    found: dict[str, SourceCount] = {}
    whole = merged.at_oldest and merged.at_newest
    since = 0
    if counted is not None and not whole:
        found = {each.name: SourceCount(each.records, each.errors) for each in counted.by_source}
        since = max(0, len(merged.shown) - came) if merged.at_newest else len(merged.shown)
    for place, each in enumerate(merged.shown):
        if not isinstance(each.item, LogRecord):
            continue
        count, entry = found.setdefault(each.item.source, SourceCount()), each.item.entry
        if place >= since:
            count.records += 1
            count.errors += entry.severity >= Severity.ERROR
        if entry.time_us is not None and merged.at_newest:
            count.newest_us = max(count.newest_us or 0, entry.time_us)
    oldest_us = merged.shown[0].key.time_us if merged.at_newest and merged.shown else 0
    if oldest_us > 0 and not whole and counted is not None and not counted.timeless:
        for count in found.values():
            count.before_us = oldest_us if count.records else None
    return found, whole or counted is not None


class HistogramActions(ActionGroup):
    """Actions that move in time by a bar."""

    TASK = tr("Go to")

    def __init__(self, context: PaneContext[LogsState], histogram: Histogram, feed: LogFeed) -> None:
        self._state, self._histogram, self._feed = context.state, histogram, feed

    def _why_not(self) -> Message | None:
        return self._state.why_no_record()

    @action(
        "bar-before",
        "less_than_sign",
        tr("bar back"),
        tr("go to the previous bar of the histogram that has records"),
        why_not=_why_not,
    )
    def bar_before(self) -> None:
        self._move(-1)

    @action(
        "bar-after",
        "greater_than_sign",
        tr("bar forward"),
        tr("go to the next bar of the histogram that has records"),
        why_not=_why_not,
    )
    def bar_after(self) -> None:
        self._move(1)

    def _move(self, direction: int) -> None:
        merged, record = self._state.merged, self._state.selected_record
        bars = None if merged is None else self._histogram.bars(merged)
        if bars is None or record is None or record.entry.time_us is None:
            return
        at = bars.at(record.entry.time_us)
        here = at if at is not None else -1 if record.entry.time_us < bars.since_us else len(bars.bars)
        order = range(here - 1, -1, -1) if direction < 0 else range(here + 1, len(bars.bars))
        to = next((place for place in order if bars.bars[place].records), None)
        if to is not None:
            self._state.at_end = False
            self._feed.go(AtTime(bars.since_us + to * bars.width_us))
        elif direction > 0:
            self._feed.go_to_end(1)


# The strip below the list: errors per minute over a span of time, and how much of everything is shown.


MINUTE_US = 60_000_000
CHART_AT_MOST = 60
MINUTES_OF_DAY = 24 * 60


class Span(NamedTuple):
    """A run of minutes (since 1970, UTC), ``first`` inclusive and ``end`` exclusive, with the same number of errors in
    each."""

    first: int
    end: int
    errors: float


class ErrorRates(Struct, frozen=True):
    """The errors per minute between the minutes ``first`` (inclusive) and ``end`` (exclusive). Minutes outside all
    spans had no errors."""

    spans: tuple[Span, ...]
    first: int
    end: int


def loaded_errors(shown: Iterable[WindowItem]) -> ErrorRates | None:
    """The errors of the loaded records per minute; None if no loaded record has a time."""
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


def counted_errors(slices: Sequence[Slice], now: datetime) -> ErrorRates | None:
    """The errors of all records, as counted in slices; None if no record has a time. The last slice may end later than
    its records: the result ends ``now`` (aware) at the latest, if the slice has begun."""
    counts: Counter[tuple[int, int]] = Counter()
    for each in slices:  # several may be of one minute
        counts[each.since_us // MINUTE_US, -(-each.until_us // MINUTE_US)] += each.errors
    if not counts:
        return None
    rated = tuple(Span(first, end, errors / (end - first)) for (first, end), errors in sorted(counts.items()))
    last, past = rated[-1], (now - EPOCH) // timedelta(minutes=1) + 1
    return ErrorRates(rated, rated[0].first, max(last.first + 1, min(last.end, past)))


def joined(counted: ErrorRates, loaded: ErrorRates | None) -> ErrorRates:
    """The counted errors followed by those of records loaded later. If the newest loaded record is in the last slice,
    the result ends there."""
    if loaded is None:
        return counted
    if loaded.end <= counted.end:
        *_before, last = counted.spans
        return ErrorRates(counted.spans, counted.first, loaded.end if loaded.end > last.first else counted.end)
    later = tuple(span for span in loaded.spans if span.first >= counted.end)
    return ErrorRates((*counted.spans, *later), counted.first, loaded.end)


class StripParts(Struct, frozen=True):
    """What the strip shows besides the errors: the number of shown records, whether more are not loaded, the total
    (None: unknown), and whether the total is a lower bound (``more_in_all``)."""

    shown: int
    more: bool
    total: int | None
    zone: tzinfo
    width: int
    glyphs: Glyphs
    more_in_all: bool = False
    narrowed: bool = False
    """Whether a level or a filter excludes records."""
    sparklines: bool = True


def strip_row(errors: ErrorRates | None, parts: StripParts) -> Row:
    """``errors/min ▁▁▂▇ 02:40 ── 03:12      12,480 of 1,204,331 records``."""
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
    """The highest number of errors per minute within each column, so that a spike of one minute stays visible."""
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
    records = records_told(shown, parts.shown + parts.more, narrowed=parts.narrowed)
    if parts.total is None or (parts.more and parts.more_in_all and parts.total == parts.shown):
        return [Piece(records + " ", "muted")]
    total = f"{grouped(parts.total)}{'+' if parts.more_in_all else ''}"
    every = parts.total + parts.more_in_all
    if parts.narrowed:
        text = _("{records} of {total}", records=records, total=total)
    else:
        text = ngettext("{shown} of {total} record", "{shown} of {total} records", every, shown=shown, total=total)
    return [Piece(text + " ", "muted")]


def _clock(minute: int, errors: ErrorRates, zone: tzinfo) -> str:
    """A minute, with its date if the span covers more than one day."""
    of_days = errors.end - errors.first > MINUTES_OF_DAY
    at = (EPOCH + timedelta(minutes=minute)).astimezone(zone)
    return at.strftime("%m-%d %H:%M" if of_days else "%H:%M")


def _spread(left: list[Piece], right: list[Piece], width: int) -> Row:
    space = width - sum(cell_width(piece.text) for piece in (*left, *right))
    return (*left, Piece(" " * space), *right) if space >= 1 else (Piece(" "), *right)
