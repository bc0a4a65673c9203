"""Statistics and patterns of the Logs pane: what is counted, in sections of rows that are filters."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from lilfox_tui.app.actions import ActionGroup, action
from lilfox_tui.app.pane import PaneContext
from lilfox_tui.app.panes.logs.board import Board, BoardRow, BoardSection
from lilfox_tui.app.panes.logs.columns import http_status, names_of
from lilfox_tui.app.panes.logs.feed import LogFeed
from lilfox_tui.app.panes.logs.histogram import MINUTE_US
from lilfox_tui.app.panes.logs.patterns import (
    Halves,
    errors_of_module,
    errors_of_type,
    filter_of,
    halves_of,
    halves_row,
    moment,
    not_read,
    of_path,
    of_slice,
    of_source,
    pattern_head,
    pattern_sections,
    slower_than,
)
from lilfox_tui.app.panes.logs.rows import grouped, percent, records_told, severity_piece
from lilfox_tui.app.panes.logs.state import LogsState
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.core.errors import LilFoxError
from lilfox_tui.core.i18n import _, listed, ngettext, tr
from lilfox_tui.core.text import human_duration
from lilfox_tui.logs.filter.model import (
    COMMON_FIELDS,
    EVERYTHING,
    STATUS_NAMES,
    And,
    AtLeast,
    FieldMatch,
    Filter,
    Not,
    Or,
    field_values,
    text_of,
)
from lilfox_tui.logs.filter.syntax import narrowed, to_text
from lilfox_tui.logs.record import (
    LONGEST,
    METHODS,
    LogRecord,
    Severity,
    headline,
    microseconds,
    status_pattern,
    template_of,
    without_ids,
)
from lilfox_tui.logs.statistics import Slice, Statistics, StatisticsGroup
from lilfox_tui.logs.structured import duration_in

ROWS_OF_A_KIND = 10
SLICES_SHOWN = 32
CODES = 3
"""Statuses of failed responses that have a row of their own."""
VALUES_OF_A_FIELD, FIELDS_SHOWN = 3, 4
LONGEST_VALUE = 60
"""Characters of a value of a field that recurs."""
SOURCES_NAMED = 4
TRIED = 2000
"""Records on which a simple filter is compared with the exact one."""
_ELSEWHERE = frozenset(
    (*COMMON_FIELDS, *STATUS_NAMES, "severity", "msg", "time", "timestamp", "ts", "@timestamp", "exception", "route",
     "path", "line", "lineno")
)  # fmt: skip
"""Fields of which another section tells, or that only say where a record was written."""
_REQUEST = re.compile(rf"\b({METHODS})\s([^\s\"'?#]{{1,200}})")


class StatisticsActions(ActionGroup):
    """Actions that count the matching records and offer the results as filters. The counting code is imported on first
    use, as it would delay the first records."""

    TASK = tr("Analyze")

    def __init__(self, context: PaneContext[LogsState], feed: LogFeed) -> None:
        self._context, self._state, self._app, self._feed = context, context.state, context.app, feed

    @action(
        "statistics", "S", tr("statistics"),
        tr("levels, HTTP status, routes, response times, errors; select a row to filter by it"), footer=8,
    )  # fmt: skip
    def show_statistics(self) -> None:
        self._context.run(self._count, group="count", exclusive=True)

    async def _count(self) -> None:
        from lilfox_tui.logs.analyze import analyze, newest_records, report_progress

        def progress(done: int, total: int) -> None:
            self._tell_work(_("counting {share}%", share=100 * done // total if total else 0))

        def tell(source: str, share: int) -> None:
            self._tell_work(_("counting {source}: {share}%", source=source, share=share))

        state, merged, where = self._state, self._state.merged, self._state.where
        came, leaps = (0, 0) if merged is None else (merged.came, merged.leaps)
        self._tell_work(_("counting"))
        at = datetime.now(UTC)
        try:
            answer = await analyze(await report_progress(state.shown_sources, tell), where, progress=progress)
            read, are_all = await newest_records(state.shown_sources, where)
            counted = answer.statistics
            read = counted_ones(read, counted) if are_all else read
            newest = await asyncio.to_thread(NewestRecords, read, are_all=are_all)
            span = time_span(counted, newest, microseconds(at))
            halves = halves_of(counted.by_slice, span)
            sections = await asyncio.to_thread(
                statistics_sections, counted, newest, state.zone, self._app.glyphs, halves
            )
        finally:
            self._tell_work("")
        if merged is not None and not answer.failed:
            state.take_count(merged, where, answer.statistics, came=came, leaps=leaps)
        self._tell_failed(answer.failed)
        first, *more = statistics_head(counted, newest, narrowed=where != EVERYTHING)
        more += [] if halves is None else [halves_row(halves, state.zone)]
        head = [first, self._scope(where, at, span), *more, *not_read(answer.failed)]
        self._offer(_("Statistics"), head, sections)

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
        at = datetime.now(UTC)
        try:
            recent = await recent_patterns(state.shown_sources, where, until_us=until_us)
        finally:
            self._tell_work("")
        self._tell_failed(recent.failed)
        first, *more = pattern_head(recent, state.zone, narrowed=where != EVERYTHING) or [()]
        head = [first, self._scope(where, at), *more]
        sections = pattern_sections(recent, state.zone, self._app.glyphs, sparklines=not self._app.slow_link)
        self._offer(_("Patterns"), head, sections, stacked=True)

    def _scope(self, where: Filter, at: datetime, span: tuple[int, int] | None = None) -> Row:
        names = [each.name for each in self._state.shown_sources]
        return scope_row(names, len(self._state.sources), where, at.astimezone(self._state.zone), span)

    def _tell_work(self, what: str) -> None:
        self._state.working = what
        self._context.repaint()

    def _tell_failed(self, failed: Mapping[str, LilFoxError]) -> None:
        for name, error in failed.items():
            self._app.tell(tr("{source}: {reason}", source=name, reason=error))

    def _offer(
        self, title: str, head: Sequence[Row], sections: Sequence[BoardSection], *, stacked: bool = False
    ) -> None:
        """Offers rows that stand for filters; the chosen one is added to the current filter."""

        def take(where: Filter | None) -> None:
            if where is not None:
                self._state.only_matching = True
                self._feed.set_filter(to_text(narrowed(self._state.filter, where)))

        board = Board(title, head, sections, self._app.glyphs, stacked=stacked, slow_link=self._app.slow_link)
        self._app.push_screen(board, take)


def _count_row(
    id_: str,
    name: Row | str,
    count: int,
    of_all: int,
    where: Filter,
    *,
    role: str = "accent",
    more: str = "",
    change: Piece | None = None,
) -> BoardRow:
    """A row of a section whose rows are parts of a whole."""
    shown = (Piece(name, "strong"),) if isinstance(name, str) else name
    cells: Row = (Piece(grouped(count), "text" if count else "muted"), Piece(percent(count, of_all), "muted"))
    cells += () if change is None else (change,)
    return BoardRow(id_, shown, cells, where, count / max(1, of_all), role, more)


def _section(title: str, rows: Sequence[BoardRow], note: str = "", **more: object) -> list[BoardSection]:
    """The section of the first rows; none without rows."""
    if len(rows) > ROWS_OF_A_KIND:
        note = _("{shown} of {all}", shown=ROWS_OF_A_KIND, all=len(rows))
    return [BoardSection(title, tuple(rows[:ROWS_OF_A_KIND]), note, **more)] if rows else []  # type: ignore[arg-type]


# The statistics: everything that matches is counted, but for what is told only by whole records: their statuses,
# routes and messages are those of the newest ones.


class NewestRecords:
    """The newest ``records``, which may be all there are, with the HTTP responses among them."""

    def __init__(self, records: Sequence[LogRecord], *, are_all: bool) -> None:
        self.records, self.are_all = records, are_all
        self.responses = responses_in(records)

    @property
    def told(self) -> str:
        """How many responses there are, and among which records."""
        count = len(self.responses)
        told = ngettext("{shown} response", "{shown} responses", count, shown=grouped(count))
        if self.are_all:
            return told
        return _("{responses} in the newest {count} records", responses=told, count=grouped(len(self.records)))


def counted_ones(read: Sequence[LogRecord], counted: Statistics) -> list[LogRecord]:
    """Of all records, those of each source oldest first, the ones that were there when they were counted: else there
    would be more errors in a part of the statistics than in all."""
    if counted.unread:
        return list(read)  # they are of no source there
    left = {each.name: each.records for each in counted.by_source}
    found = []
    for record in read:
        if left.get(record.source, 0) > 0:
            left[record.source] -= 1
            found.append(record)
    return found


def time_span(found: Statistics, newest: NewestRecords, now_us: int) -> tuple[int, int] | None:
    """The time of the oldest and of the newest record that was counted, as exactly as it is known; None if none has
    one."""
    if newest.are_all:
        times = [each.entry.time_us for each in newest.records if each.entry.time_us is not None]
        return (min(times), max(times)) if times else None
    if not found.by_slice:
        return None
    return found.by_slice[0].since_us, max(found.by_slice[0].since_us, min(found.by_slice[-1].until_us, now_us))


def scope_row(
    sources: Sequence[str], count: int, where: Filter, at: datetime, span: tuple[int, int] | None = None
) -> Row:
    """Of which records the counts are: those of the ``sources``, of all ``count`` ones, that match ``where``; ``span``
    are the times of the oldest and the newest, told in the zone of the present ``at``."""
    zone = at.tzinfo or UTC
    parts = []
    if span is not None:
        since, until = (moment(each, zone) for each in span)
        one_day = since.date() == until.date()
        first = since.strftime("%H:%M:%S" if one_day and since.date() == at.date() else "%m-%d %H:%M:%S")
        last = until.strftime("%H:%M:%S" if one_day else "%m-%d %H:%M:%S")
        took = human_duration((span[1] - span[0]) / 1e6)
        parts.append(
            _("{since} to {until} {zone} ({time})", since=first, until=last, zone=at.strftime("%Z"), time=took)
        )
    if len(sources) < count:
        parts.append(_("{names} ({shown} of {all} sources)", names=listed(sources), shown=len(sources), all=count))
    elif len(sources) > SOURCES_NAMED:
        parts.append(_("all {count} sources", count=count))
    else:
        parts.append(listed(sources))
    parts.append(_("filter {filter}", filter=to_text(where)) if where != EVERYTHING else _("no filter"))
    return (Piece(" " + " · ".join(parts)),)


def statistics_head(found: Statistics, newest: NewestRecords, *, narrowed: bool) -> list[Row]:
    """How much was counted, and how much of it failed. ``narrowed``: only what matches the filter was counted."""
    records = records_told(grouped(found.records), found.records, narrowed=narrowed)
    told = ngettext("{shown} error", "{shown} errors", found.errors, shown=grouped(found.errors))
    head: list[Row] = [(Piece(" " + _("{errors} in {records}", errors=told, records=records), "strong"),)]
    if responses := newest.responses:
        failed = sum(each.code[0] == "5" for each in responses)
        text = _("{failed} of {responses} failed with 5xx ({share})", failed=grouped(failed),
                 responses=newest.told, share=percent(failed, len(responses)))  # fmt: skip
        head.append((Piece(" " + text, "failing" if failed else "text"),))
    if found.unread:
        unread = records_told(grouped(found.unread), found.unread, narrowed=narrowed)
        text = _("not in the format of the log, and not counted: {records}", records=unread)
        head.append((Piece(" " + text, "degraded"),))
    return head


def statistics_sections(
    found: Statistics, newest: NewestRecords, zone: tzinfo, glyphs: Glyphs, halves: Halves | None = None
) -> list[BoardSection]:
    """Levels, sources, response times, and errors by type, module and time, of all records; of the newest ones HTTP
    statuses, routes, the messages of errors, and the values of fields. ``halves`` are those of the time that is
    counted."""
    errors = ngettext("{shown} error", "{shown} errors", found.errors, shown=grouped(found.errors))
    return [
        *_levels(found, halves, glyphs),
        *_statuses(newest, halves),
        *_sources(found.by_source),
        *_routes(newest),
        *_response_times(found.by_source),
        *_messages(newest),
        *_counted(_("Exceptions"), "type", found.errors_by_type, errors_of_type, found.errors, errors),
        *_counted(_("Modules of errors"), "module", found.errors_by_module, errors_of_module, found.errors, errors),
        *_fields(newest),
        *_by_time(found.by_slice, zone),
    ]


def _part_heads(halves: Halves | None, counted: str) -> tuple[str, ...]:
    return () if halves is None else (counted, _("share"), _("change"))


def _levels(found: Statistics, halves: Halves | None, glyphs: Glyphs) -> list[BoardSection]:
    others = found.records - found.errors - found.warnings
    parts = [(each.since_us, each.errors, each.warnings, each.records) for each in found.by_slice]
    kinds = (
        (Severity.ERROR, _("errors"), found.errors, AtLeast(Severity.ERROR), "failing",
         [(at, errors) for at, errors, _warnings, _records in parts]),
        (Severity.WARNING, _("warnings"), found.warnings,
         And((AtLeast(Severity.WARNING), Not(AtLeast(Severity.ERROR)))), "degraded",
         [(at, warnings) for at, _errors, warnings, _records in parts]),
        (Severity.INFO, _("other records"), others, Not(AtLeast(Severity.WARNING)), "muted",
         [(at, records - errors - warnings) for at, errors, warnings, records in parts]),
    )  # fmt: skip
    rows = [
        _count_row(f"level {severity}", (severity_piece(severity, glyphs), Piece(name, "strong")), count, found.records,
                   where, role=role, change=halves and halves.change(times, role))
        for severity, name, count, where, role, times in kinds
    ]  # fmt: skip
    told = ngettext("{shown} record", "{shown} records", found.records, shown=grouped(found.records))
    return _section(_("Levels"), rows, told, parts=True, heads=_part_heads(halves, _("records")))


class Response(NamedTuple):
    """A record of an HTTP response with its status. ``in_message``: it stands only there."""

    record: LogRecord
    code: str
    in_message: bool


def responses_in(records: Iterable[LogRecord]) -> list[Response]:
    """The records that tell an HTTP status, in a field or in their message."""
    told = ((record, *http_status(record)) for record in records)
    return [Response(*each) for each in told if each[1]]


def _statuses(newest: NewestRecords, halves: Halves | None) -> list[BoardSection]:
    """How many responses had which class of status, the worst first, with the most frequent failures; 5xx in any
    case."""
    if not (responses := newest.responses):
        return []
    classes, codes = Counter(each.code[0] for each in responses), Counter(each.code for each in responses)
    halves = halves if newest.are_all else None
    roles = {"5": "failing", "4": "degraded", "2": "good"}

    def row(id_: str, name: Piece, code: str, count: int, where: Filter) -> BoardRow:
        role = roles.get(code[0], "accent")
        times = ((each.record.entry.time_us or 0, 1) for each in responses if each.code.startswith(code))
        change = halves and halves.change(times, role if code[0] in "45" else "muted")
        where_told = _told_by(code.ljust(3, "x").replace("x", r"\d"), where, newest)
        return _count_row(id_, (name,), count, len(responses), where_told, role=role, change=change)

    rows = []
    for digit in sorted({"5", *classes}, reverse=True):
        where = And((FieldMatch("status", ">=", f"{digit}00"), FieldMatch("status", "<", f"{int(digit) + 1}00")))
        name = Piece(f"{digit}xx", roles[digit] if classes[digit] and digit in roles else "strong")
        rows.append(row(f"{digit}xx", name, digit, classes[digit], where))
        failed = [(code, count) for code, count in codes.most_common() if code[0] == digit and digit in "45"]
        rows += [
            row(f"status {code}", Piece(f"  {code}"), code, count, FieldMatch("status", "=", code))
            for code, count in failed[:CODES]
        ]
    heads = _part_heads(halves, _("responses"))
    return [BoardSection(_("HTTP status"), tuple(rows), newest.told, heads, parts=True)]


def _told_by(code: str, of_field: Filter, newest: NewestRecords) -> Filter:
    """A filter for the responses whose status is ``code``, a pattern: ``of_field``, if no message tells one. Of the
    patterns for messages the simplest one that finds the same ones among the newest records."""
    responses = newest.responses
    if not any(each.in_message for each in responses):
        return of_field
    wanted = {id(each.record) for each in responses if each.in_message and re.fullmatch(code, each.code)}
    simple = (rf"\b{code}\b", rf"[A-Z]+ \S+ {code}\b", status_pattern(code))
    filters = [FieldMatch("message", "~", pattern) for pattern in simple]
    tried = newest.records[:TRIED]
    exact = (each for each in filters if all(each.matches(one) is (id(one) in wanted) for one in tried))
    of_message = next(exact, filters[-1])
    return of_message if all(each.in_message for each in responses) else Or((of_field, of_message))


class _SourceRoute(NamedTuple):
    """A source's requests to a route, and the filter that finds them."""

    source: str
    name: str
    where: Filter


def _route_of(record: LogRecord) -> _SourceRoute | None:
    """The route of a request: its field, else the path after the method in its message, with ``{id}`` for what
    varies."""
    fields, source = record.entry.fields, record.source
    route = fields.get("route")
    if isinstance(route, str) and route:
        return _SourceRoute(source, route, FieldMatch("route", "=", route))
    found = _REQUEST.search(record.entry.message[:LONGEST])
    if found is not None:
        path = without_ids(found[2])
        return _SourceRoute(source, f"{found[1]} {path}", FieldMatch("message", "~", rf"\b{found[1]} {_of_path(path)}"))
    method, asked = fields.get("method"), fields.get("path")
    if not isinstance(asked, str) or not asked:
        return None
    path = without_ids(asked.partition("?")[0][:LONGEST])
    name = f"{method} {path}" if isinstance(method, str) and method else path
    return _SourceRoute(source, name, FieldMatch("path", "~", "^" + _of_path(path)))


def _of_path(path: str) -> str:
    """A pattern for that whole path, whatever stands in the place of what varies."""
    return of_path(path) + r"""(?:[\s?#"']|$)"""


def _routes(newest: NewestRecords) -> list[BoardSection]:
    """The routes with the slowest 95th percentile first, each of one source: times of several say nothing."""
    found: dict[tuple[str, str], tuple[_SourceRoute, list[Response]]] = {}
    for each in newest.responses:
        if (route := _route_of(each.record)) is not None:
            found.setdefault((route.source, route.name), (route, []))[1].append(each)
    several = len({source for source, _name in found}) > 1
    rows = []
    for route, its in found.values():
        times = sorted(taken for each in its if (taken := each.record.entry.response_time_s) is not None)
        failed = sum(each.code[0] == "5" for each in its)
        p50, p95 = (_quantile(times, percent_) for percent_ in (50, 95))
        cells = (
            Piece(grouped(len(its))),
            Piece(percent(failed, len(its)), "failing" if failed else "muted"),
            Piece(human_duration(p95) if times else "-", "text" if times else "muted"),
            Piece(human_duration(p50) if times else "-", "muted"),
        )
        name: Row = (Piece(f"{route.source} ", "muted"), Piece(route.name, "strong"))
        where = And((of_source(route.source), route.where))
        shown = name if several else name[1:]
        rows.append((-p95, -failed, -len(its), BoardRow(f"{route.source} {route.name}", shown, cells, where)))
    rows.sort(key=lambda each: each[:3])
    heads = (_("requests"), "5xx", "p95", "p50")
    title = _("Slowest routes") if any(order for order, *_rest in rows) else _("Routes")
    return _section(title, [row for *_order, row in rows], newest.told, heads=heads, name=_("route"), name_least=30)


def _quantile(ordered: Sequence[float], percent_: int) -> float:
    """The nearest rank; 0 of nothing."""
    return ordered[-(-percent_ * len(ordered) // 100) - 1] if ordered else 0.0


def _failed_row(id_: str, name: Row, records: int, errors: int, most: int, where: Filter) -> BoardRow:
    """A row of records with the errors among them; its bar is compared with the ``most`` records of a row."""
    role = "failing" if errors else "muted"
    cells = Piece(grouped(records)), Piece(grouped(errors), role), Piece(percent(errors, records), role)
    return BoardRow(id_, name, cells, where, records / max(1, most), failed=errors / max(1, records))


def _failed_heads() -> tuple[str, str, str]:
    return _("records"), _("errors"), _("error %")


def _sources(groups: Sequence[StatisticsGroup]) -> list[BoardSection]:
    if len(groups) < 2:
        return []
    most = max(each.records for each in groups)
    rows = [
        _failed_row(f"source {each.name}", (Piece(each.name, "strong"),), each.records, each.errors, most,
                    of_source(each.name))
        for each in groups
    ]  # fmt: skip
    return _section(_("Sources"), rows, _("bars: records, errors first"), heads=_failed_heads(), name=_("source"))


def _fields(newest: NewestRecords) -> list[BoardSection]:
    """The values that recur in fields, of those fields first that tell failed records from others."""
    found: dict[str, dict[str, list[int]]] = {}
    for each in newest.records:
        is_error = each.entry.severity >= Severity.ERROR
        for name in names_of(each.entry.fields):
            if name in _ELSEWHERE or len(values := field_values(each, name)) != 1 or not _recurs(name, values[0]):
                continue
            counts = found.setdefault(name, {}).setdefault(text_of(values[0]), [0, 0])
            counts[0] += 1
            counts[1] += is_error
    ranked = []
    for name, by_value in found.items():
        known = sum(count for count, _errors in by_value.values())
        top = sorted(by_value.items(), key=lambda item: (-item[1][0], item[0]))[:VALUES_OF_A_FIELD]
        shares = [errors / count for _value, (count, errors) in top]
        if len(by_value) > max(2, known // 3) or (len(by_value) == 1 and known == len(newest.records)):
            continue
        ranked.append((min(shares) - max(shares), len(by_value), name, top))
    kept = sorted(ranked)[:FIELDS_SHOWN]
    most = max((count for *_rank, top in kept for _value, (count, _errors) in top), default=0)
    rows = [
        _failed_row(f"field {name}={value}", (Piece(f"{name} ", "muted"), Piece(value, "strong")), count, errors, most,
                    FieldMatch(name, "=", value))
        for *_rank, name, top in kept
        for value, (count, errors) in top
    ]  # fmt: skip
    told = ngettext("{shown} record", "{shown} records", len(newest.records), shown=grouped(len(newest.records)))
    if not newest.are_all:
        told = _("the newest {count} records", count=grouped(len(newest.records)))
    return [BoardSection(_("Fields"), tuple(rows), told, _failed_heads(), name=_("field and value"))] if rows else []


def _recurs(name: str, value: object) -> bool:
    """Whether that may be a value of many records, as written: no number of what is measured, no text."""
    if isinstance(value, str):
        return 0 < len(value) <= LONGEST_VALUE and value.isprintable() and not value[0].isdecimal()
    return isinstance(value, bool | int) and duration_in(name, value) is None


def _response_times(groups: Sequence[StatisticsGroup]) -> list[BoardSection]:
    """Each source by itself, the slowest first; of a row the records that took longer than the p95."""
    timed = [(each, each.response_times) for each in groups if each.response_times is not None]
    rows = []
    for each, times in sorted(timed, key=lambda pair: -pair[1].p95_s):
        cells = (
            Piece(human_duration(times.p50_s), "muted"),
            Piece(human_duration(times.p95_s)),
            Piece(human_duration(times.p99_s), "muted"),
            Piece(human_duration(times.mean_s), "muted"),
            Piece(grouped(times.count), "muted"),
        )
        where = And((of_source(each.name), slower_than(times.p95_s)))
        more = _("enter shows what took longer than {time} in {source}",
                 time=human_duration(times.p95_s), source=each.name)  # fmt: skip
        rows.append(BoardRow(f"times {each.name}", (Piece(each.name, "strong"),), cells, where, more=more))
    heads = ("p50", "p95", "p99", _("mean"), _("values"))
    return _section(_("Response times"), rows, heads=heads, name=_("source"))


def _counted(
    title: str, kind: str, counts: Mapping[str, int], filter_of_name: Callable[[str], Filter], total: int, note: str
) -> list[BoardSection]:
    rows = [
        _count_row(f"{kind} {name}", name, count, total, filter_of_name(name), role="failing", more=name)
        for name, count in counts.items()
    ]
    return _section(title, rows, note, parts=True)


def _messages(newest: NewestRecords) -> list[BoardSection]:
    """What errors say most frequently."""
    errors = [each for each in newest.records if each.entry.severity >= Severity.ERROR]
    said = Counter(template_of(each.entry.message) for each in errors)
    example = {template_of(each.entry.message): headline(each) for each in errors}
    total = said.total()
    rows = [
        _count_row(f"message {template}", (Piece(template),), count, total,
                   And((AtLeast(Severity.ERROR), filter_of(template))), role="failing", more=example[template])
        for template, count in said.most_common()
    ]  # fmt: skip
    told = ""
    if not newest.are_all:
        told = ngettext("{shown} error", "{shown} errors", total, shown=grouped(total))
        told = _("{errors} in the newest {count} records", errors=told, count=grouped(len(newest.records)))
    return _section(_("Messages of errors"), rows, told, names_last=True, parts=True, bar_at=1)


def _by_time(slices: Sequence[Slice], zone: tzinfo) -> list[BoardSection]:
    """The times with errors; the longest bar is that of the most records."""
    failed = [each for each in slices if each.errors][-SLICES_SHOWN:]
    if not failed:
        return []
    most = max(each.records for each in failed)
    days = {moment(each.since_us, zone).date() for each in failed}
    rows = []
    for each in failed:
        precise = "%H:%M:%S" if each.until_us - each.since_us < MINUTE_US else "%H:%M"
        name = moment(each.since_us, zone).strftime(precise if len(days) == 1 else f"%m-%d {precise}")
        row = (Piece(name, "strong"),)
        rows.append(_failed_row(f"slice {each.since_us}", row, each.records, each.errors, most, of_slice(each)))
    width = human_duration((failed[0].until_us - failed[0].since_us) / 1e6)
    note = _("each row {time}", time=width)
    return [BoardSection(_("Errors by time"), tuple(rows), note, _failed_heads(), name=_("time"))]
