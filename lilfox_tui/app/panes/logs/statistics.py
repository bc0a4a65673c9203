"""Statistics and patterns of the Logs pane, and the strip of errors per minute below its list."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.dialogs.prompt import Choice, Chooser
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.logs.feed import LogFeed
from lilfox_tui.app.panes.logs.rows import severity_piece
from lilfox_tui.app.panes.logs.state import LogsState
from lilfox_tui.app.rendering.chart import spark
from lilfox_tui.app.rendering.columns import EXACT
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.app.widgets import Lines
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, language, listed, ngettext, tr
from lilfox_tui.core.text import cell_width, fit, human_duration
from lilfox_tui.logs.files.log_file import HasLocalFiles
from lilfox_tui.logs.filter.model import (
    EVERYTHING,
    NOTHING,
    And,
    AtLeast,
    FieldMatch,
    Filter,
    RegexMatch,
    field_values,
    text_of,
)
from lilfox_tui.logs.filter.model import of_source as filter_of_source
from lilfox_tui.logs.filter.syntax import narrowed, to_text
from lilfox_tui.logs.merge import MergedLogs
from lilfox_tui.logs.record import EPOCH, LogRecord, Severity, headline
from lilfox_tui.logs.source import LogSource
from lilfox_tui.logs.statistics import (
    ResponseTimes,
    Slice,
    Statistics,
    StatisticsGroup,
    errors_of_module,
    errors_of_type,
    of_slice,
    of_source,
    slower_than,
    template_of,
)
from lilfox_tui.logs.window import WindowItem

if TYPE_CHECKING:
    from lilfox_tui.logs.analyze import RecentPatterns
    from lilfox_tui.logs.statistics import PatternChange


# The strip below the list: errors per minute over a span of time, and how much of everything is shown; it has all
# counted behind the keys where that is cheap.


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


def records_told(shown: str, count: int, *, narrowed: bool) -> str:
    """What is counted, in the same words on the strip and in the dialogs: ``12 matching records``."""
    if narrowed:
        return ngettext("{shown} matching record", "{shown} matching records", count, shown=shown)
    return ngettext("{shown} record", "{shown} records", count, shown=shown)


def grouped(count: int) -> str:
    """A count with commas between thousands."""
    return f"{count:,}"


def _clock(minute: int, errors: ErrorRates, zone: tzinfo) -> str:
    """A minute, with its date if the span covers more than one day."""
    of_days = errors.end - errors.first > MINUTES_OF_DAY
    at = (EPOCH + timedelta(minutes=minute)).astimezone(zone)
    return at.strftime("%m-%d %H:%M" if of_days else "%H:%M")


def _spread(left: list[Piece], right: list[Piece], width: int) -> Row:
    space = width - sum(cell_width(piece.text) for piece in (*left, *right))
    return (*left, Piece(" " * space), *right) if space >= 1 else (Piece(" "), *right)


class ErrorStrip:
    """Draws the strip. While nothing else runs and counting is cheap, counts all matching records, so that the strip
    covers all of them."""

    def __init__(self, context: PaneContext[LogsState]) -> None:
        self._context, self._state, self._app = context, context.state, context.app
        self._made: tuple[object, Row] | None = None
        self._looks_again = False

    def paint(self, lines: Lines) -> None:
        """Draws the strip if there is room."""
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
            if counted is not None and (overall := counted_errors(counted.by_slice, datetime.now(UTC))) is not None:
                errors = joined(overall, errors)
            self._made = (made_from, strip_row(errors, parts))
        return self._made[1]

    def _parts(self, merged: MergedLogs, counted: int | None) -> StripParts:
        """The parts of the strip; ``counted`` is the number of matching records if known."""
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
            narrowed=merged.where != EVERYTHING,
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
        if self._context.is_displayed and not self._app.leaving:
            self._context.repaint()

    def _count_if_quiet(self, leaps: int) -> None:
        merged = self._state.merged
        if not self._context.is_displayed or self._state.busy or merged is None or merged.leaps != leaps:
            return
        if not self._state.is_counted(merged):
            self._state.begin_count(merged)
            self._context.run(partial(self._count, merged, merged.where), group="count-behind", exclusive=True)

    async def _count(self, merged: MergedLogs, where: Filter) -> None:
        from lilfox_tui.logs.analyze import analyze

        try:
            if not await _is_cheap(
                [each for each in self._state.shown_sources if filter_of_source(where, each.name) != NOTHING]
            ):
                return
            answer = await analyze(self._state.shown_sources, where, processes=1)
        except LilFoxError:
            return  # the strip goes on to tell of what is loaded
        if self._state.is_count_of(merged, where) and not answer.failed:
            self._state.counted = answer.statistics
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


Offer = list[tuple[Choice, Filter | None]]
MakesRow = Callable[[str, str, str, float | None], Row]
ROWS_OF_A_KIND = 12
MESSAGES = 3
KIND, NAME, COUNT, LEAST, BAR = 14, 38, 22, 6, 12
"""Cells of a row's parts, of a name or a count at least, and of the bar of a share of 1."""
_PLACEHOLDER = re.compile(r"<(?:num|hex|uuid|str|path|url|addr)>")


class StatisticsActions(ActionGroup):
    """Actions that count the matching records and offer the results as filters. The counting code is imported on first
    use, as it would delay the first records."""

    TASK = tr("Analyze")

    def __init__(self, context: PaneContext[LogsState], feed: LogFeed) -> None:
        self._context, self._state, self._app, self._feed = context, context.state, context.app, feed

    @action(
        "statistics", "S", tr("statistics"),
        tr("errors by type and module, response times; select a row to filter by it"), footer=8,
    )  # fmt: skip
    def show_statistics(self) -> None:
        self._context.run(self._count, group="count", exclusive=True)

    async def _count(self) -> None:
        from lilfox_tui.logs.analyze import analyze, report_progress

        def progress(done: int, total: int) -> None:
            self._tell_work(_("counting {share}%", share=100 * done // total if total else 0))

        def tell(source: str, share: int) -> None:
            self._tell_work(_("counting {source}: {share}%", source=source, share=share))

        state, merged, where = self._state, self._state.merged, self._state.where
        came, leaps = (0, 0) if merged is None else (merged.came, merged.leaps)
        self._tell_work(_("counting"))
        try:
            answer = await analyze(await report_progress(state.shown_sources, tell), where, progress=progress)
        finally:
            self._tell_work("")
        if merged is not None and not answer.failed:
            state.take_count(merged, where, answer.statistics, came=came, leaps=leaps)
        self._tell_failed(answer.failed)
        loaded = [] if merged is None else [each.item for each in merged.shown if isinstance(each.item, LogRecord)]
        room = self._app.size.width - 2
        rows = statistics_choices(
            answer.statistics, state.zone, room, self._app.glyphs, loaded, narrowed=where != EVERYTHING
        )
        self._offer(_("Statistics"), rows + _not_read(answer.failed))

    @action(
        "patterns", "P", tr("patterns"), tr("new messages in the last 10 minutes, compared with the hour before"),
        footer=8,
    )  # fmt: skip
    def show_patterns(self) -> None:
        self._context.run(self._count_patterns, group="count", exclusive=True)

    async def _count_patterns(self) -> None:
        from lilfox_tui.logs.analyze import recent_patterns

        state, record, where = self._state, self._state.selected_record, self._state.where
        until_us = None if record is None or state.at_end else record.entry.time_us
        self._tell_work(_("counting"))
        try:
            recent = await recent_patterns(state.shown_sources, where, until_us=until_us)
        finally:
            self._tell_work("")
        self._tell_failed(recent.failed)
        rows = pattern_choices(recent, state.zone, self._app.glyphs, narrowed=where != EVERYTHING)
        self._offer(_("Patterns"), rows)

    def _tell_work(self, what: str) -> None:
        self._state.working = what
        self._context.repaint()

    def _tell_failed(self, failed: Mapping[str, LilFoxError]) -> None:
        for name, error in failed.items():
            self._app.tell(tr("{source}: {reason}", source=name, reason=error))

    def _offer(self, title: str, rows: Offer) -> None:
        """Offers rows that stand for filters; the chosen one is added to the current filter."""
        filters = {choice.id: where for choice, where in rows}

        def take(chosen: str | None) -> None:
            where = filters.get(chosen or "")
            if where is not None:
                self._state.only_matching = True
                self._feed.set_filter(to_text(narrowed(self._state.filter, where)))

        does = _("filters by the selected row")
        choices = [choice for choice, _where in rows]
        self._app.push_screen(Chooser(title, choices, wide=True, tall=True, does=does), take)


def statistics_choices(
    found: Statistics,
    zone: tzinfo,
    room: int,
    glyphs: Glyphs,
    loaded: Sequence[LogRecord] = (),
    *,
    narrowed: bool = False,
) -> Offer:
    """Errors by type, by module and by time, response times, and sources, in rows of ``room`` cells; of the ``loaded``
    records, HTTP responses and the most frequent errors. Rows without a filter are titles. ``narrowed``: only what
    matches the filter was counted."""
    records = records_told(grouped(found.records), found.records, narrowed=narrowed)
    told = ngettext("{shown} error", "{shown} errors", found.errors, shown=grouped(found.errors))
    errors = _("{errors} in {records}", errors=told, records=records)
    rows: Offer = [_offered("errors", (Piece(errors, "strong"),), AtLeast(Severity.ERROR) if found.errors else None)]
    if found.unread:
        unread = records_told(grouped(found.unread), found.unread, narrowed=narrowed)
        text = _("not in the format of the log, and not counted: {records}", records=unread)
        rows.append(_offered("unread", (Piece(text, "degraded"),), None))
    row = partial(_row, room, glyphs)
    rows += _responses(row, loaded, all_of_them=len(loaded) == found.records)
    rows += _counted(row, _("type"), found.errors_by_type, errors_of_type, found.errors)
    rows += _counted(row, _("module"), found.errors_by_module, errors_of_module, found.errors)
    rows += _messages(row, loaded)
    if found.response_times is not None:
        rows += _times(row, found.response_times)
    rows += [_grouped(row, each) for each in found.by_source[:ROWS_OF_A_KIND] if len(found.by_source) > 1]
    most = max((each.errors for each in found.by_slice), default=0)
    for each in found.by_slice:
        if each.errors:
            precise = "%m-%d %H:%M:%S" if each.until_us - each.since_us < MINUTE_US else "%m-%d %H:%M"
            at = (EPOCH + timedelta(microseconds=each.since_us)).astimezone(zone).strftime(precise)
            slice_row = row(_("errors from"), at, grouped(each.errors), each.errors / most)
            rows.append(_offered(f"slice {each.since_us}", slice_row, of_slice(each)))
    return rows


def pattern_choices(recent: RecentPatterns, zone: tzinfo, glyphs: Glyphs, *, narrowed: bool = False) -> Offer:
    """What was counted, and the changed patterns, new ones first; the template of each is its filter. ``narrowed``:
    only what matches the filter was counted."""
    if recent.since_us is None or recent.until_us is None:
        text = _("no record has a time: there are no last 10 minutes to compare")
        return _not_read(recent.failed) or [_offered("no times", (Piece(text, "degraded"),), None)]
    times = ((EPOCH + timedelta(microseconds=at)).astimezone(zone) for at in (recent.since_us, recent.until_us))
    since, until = (at.strftime("%m-%d %H:%M") for at in times)
    records = records_told(grouped(recent.recent), recent.recent, narrowed=narrowed)
    text = _("{records} from {since} to {until}", records=records, since=since, until=until[6:])
    if recent.before or not recent.unknown:
        text = _("{counted}, {before} in the hour before", counted=text, before=grouped(recent.before))
    rows: Offer = [_offered("counted", (Piece(text, "strong"),), None)]
    if recent.unknown:
        text = _("not compared: no records before {since} in {names}", since=since, names=listed(recent.unknown))
        rows.append(_offered("unknown", (Piece(text, "muted"),), None))
    for number, change in enumerate(recent.changes):
        pattern = change.pattern
        counted = f"{grouped(change.recent):>7} {EXACT.share(100 * change.recent / max(1, recent.recent)):>6}  "
        grown = _growth(change) if any(each.compared for each in recent.changes) else ()
        row = (severity_piece(pattern.severity, glyphs), Piece(counted, "strong"), *grown, Piece(pattern.template))
        example = f"{pattern.example.source}: {pattern.example.message}"
        rows.append(_offered(f"pattern {number}", row, filter_of(pattern.template), more=example))
    return rows + _not_read((*recent.cut, *recent.failed))


def _not_read(names: Iterable[str]) -> Offer:
    """Which sources are missing in the counts, in whole or in part."""
    if not (told := list(dict.fromkeys(names))):
        return []
    return [_offered("cut", (Piece(_("not fully read: {names}", names=listed(told)), "degraded"),), None)]


def filter_of(template: str) -> Filter:
    """Return a filter for records that contain the words of a template in that order, with anything in place of its
    placeholders."""
    pieces = [piece for piece in _PLACEHOLDER.split(template) if piece]
    return RegexMatch(".*".join(re.escape(piece).replace(r"\ ", " ") for piece in pieces) or ".")


def _growth(change: PatternChange) -> Row:
    if change.growth is None:
        return (Piece(fit(_("new") if change.compared else "", 9), "accent"),)
    return (Piece(fit(f"×{change.growth:.1f}", 9), "accent" if change.growth >= 2 else "muted"),)


def _responses(row: MakesRow, records: Iterable[LogRecord], *, all_of_them: bool) -> Offer:
    """How many responses had which class of HTTP status, the worst first; the failed ones in any case."""
    codes = [int(text) for record in records if len(text := _status_of(record)) == 3 and text.isdecimal()]
    classes = Counter(code // 100 for code in codes if 100 <= code < 600)
    if not (total := classes.total()):
        return []
    kind = _("responses")
    told = ngettext("{shown} response", "{shown} responses", total, shown=grouped(total))
    told = told if all_of_them else _("{responses} in the loaded records", responses=told)
    rows: Offer = [_offered("responses", row(kind, told, "", None), None, told)]
    for class_ in sorted({5, *classes}, reverse=True):
        where = And((FieldMatch("status", ">=", f"{class_}00"), FieldMatch("status", "<", f"{class_ + 1}00")))
        text = _("{count} of {total}", count=grouped(classes[class_]), total=grouped(total))
        rows.append(_offered(f"{class_}xx", row(kind, f"{class_}xx", text, classes[class_] / total), where))
    return rows


def _status_of(record: LogRecord) -> str:
    values = field_values(record, "status")
    return text_of(values[0]) if values else ""


def _messages(row: MakesRow, records: Iterable[LogRecord]) -> Offer:
    """What errors say most frequently."""
    errors = [each for each in records if each.entry.severity >= Severity.ERROR]
    said = Counter(template_of(each.entry.message) for each in errors)
    if not said:
        return []
    kind, example = _("message"), {template_of(each.entry.message): headline(each) for each in errors}
    loaded = ngettext(
        "in {shown} loaded error; P shows patterns", "in {shown} loaded errors; P shows patterns", said.total(),
        shown=grouped(said.total()),
    )  # fmt: skip
    title: Row = (Piece(fit(kind, KIND), "muted"), Piece(loaded, "muted"))
    rows: Offer = [_offered("messages", title, None)]
    for template, count in said.most_common(MESSAGES):
        where = And((AtLeast(Severity.ERROR), filter_of(template)))
        text = row(kind, template, grouped(count), count / said.total())
        rows.append(_offered(f"message {template}", text, where, more=example[template]))
    return rows


def _counted(row: MakesRow, kind: str, counts: Mapping[str, int], filter_of_name: object, total: int) -> Offer:
    assert callable(filter_of_name)
    return [
        _offered(f"{kind} {name}", row(kind, name, grouped(count), count / max(1, total)), filter_of_name(name), name)
        for name, count in list(counts.items())[:ROWS_OF_A_KIND]
    ]


def _times(row: MakesRow, times: ResponseTimes) -> Offer:
    kind = _("response time")
    told = _("{count} values, mean {mean}", count=grouped(times.count), mean=human_duration(times.mean_s))
    rows: Offer = [_offered("times", row(kind, told, "", None), None, told)]
    for name, seconds in (("p50", times.p50_s), ("p95", times.p95_s), ("p99", times.p99_s)):
        rows.append(_offered(name, row(kind, name, human_duration(seconds), None), slower_than(seconds)))
    return rows


def _grouped(row: MakesRow, group: StatisticsGroup) -> tuple[Choice, Filter | None]:
    errors = ngettext("{shown} error", "{shown} errors", group.errors, shown=grouped(group.errors))
    text = _("{errors} of {records}", errors=errors, records=grouped(group.records))
    share = group.errors / max(1, group.records)
    return _offered(
        f"source {group.name}", row(_("source"), group.name, text, share), of_source(group.name), group.name
    )


def _row(room: int, glyphs: Glyphs, kind: str, name: str, count: str, share: float | None) -> Row:
    """A row whose count stays whole on a small screen, where the name is cut instead; without a count the name has all
    of its room. A bar of the ``share`` follows if there is room."""
    if not count:
        text = fit(name, min(cell_width(name), max(LEAST, room - 1 - KIND)))
        return (Piece(fit(kind, KIND), "muted"), Piece(text, "strong"))
    counted = COUNT if room > KIND + NAME + COUNT else max(cell_width(count), LEAST)
    named = min(NAME, max(LEAST, room - 1 - KIND - counted))
    row = (Piece(fit(kind, KIND), "muted"), Piece(fit(name, named), "strong"), Piece(fit(count, counted, right=True)))
    if not share or room < KIND + NAME + COUNT + BAR + 4:
        return row
    return (*row, Piece("  " + glyphs.full * max(1, round(share * BAR)), "accent"))


def _offered(
    id_: str, row: Row, where: Filter | None, name: str = "", *, more: str = ""
) -> tuple[Choice, Filter | None]:
    """A choice with its filter. Below the list stands ``more``, or ``name`` in full if its row cuts it."""
    words = " ".join(piece.text for piece in row)
    below = more or (name if name and name not in words else "")
    return Choice(id_, row, f"{words} {below}", where is not None, title=where is None, more=below), where
