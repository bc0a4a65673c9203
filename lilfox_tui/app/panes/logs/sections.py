"""The statistics of the Logs pane: what was counted, in sections of rows that are filters. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from msgspec.structs import replace

from lilfox_tui.app.panes.logs.board import BoardRow, BoardSection
from lilfox_tui.app.panes.logs.columns import TRACE_FIELDS, names_of
from lilfox_tui.app.panes.logs.histogram import MINUTE_US
from lilfox_tui.app.panes.logs.patterns import (
    Halves,
    errors_of_module,
    errors_of_type,
    filter_of,
    moment,
    of_path,
    of_slice,
    of_source,
    slower_than,
)
from lilfox_tui.app.panes.logs.rows import grouped, percent, records_told, severity_piece
from lilfox_tui.app.rendering.draw import Glyphs, Piece, Row
from lilfox_tui.core.i18n import _, listed, ngettext
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
    http_status,
    text_of,
)
from lilfox_tui.logs.filter.syntax import to_text
from lilfox_tui.logs.record import (
    LONGEST,
    METHODS,
    LogRecord,
    Severity,
    headline,
    status_pattern,
    template_of,
    without_ids,
)
from lilfox_tui.logs.statistics import Slice, Statistics, StatisticsGroup
from lilfox_tui.logs.structured import duration_in

ROWS_OF_A_KIND = 10
SLICES_SHOWN = 16
CODES = 3
"""Statuses of failed responses that have a row of their own."""
VALUES_OF_A_FIELD, FIELDS_SHOWN = 3, 4
FEW_OF_A_VALUE = 20
"""A field is left out if its most frequent value is less than this part of its records."""
MANY_NAMED = 3
"""Fields left out that are only counted."""
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
        failed = {id(each.record) for each in self.responses if each.code[0] == "5"}
        self.failures = [id(each) in failed or each.entry.severity >= Severity.ERROR for each in records]
        """Of each record whether it is an error or a response with status 5xx, whatever its level."""

    @property
    def which(self) -> str:
        """Which records these are, if they are not all; else how many."""
        if not self.are_all:
            return _("the newest {count} records", count=grouped(len(self.records)))
        return ngettext("{shown} record", "{shown} records", len(self.records), shown=grouped(len(self.records)))

    @property
    def told(self) -> str:
        """How many responses there are, and among which records."""
        count = len(self.responses)
        told = ngettext("{shown} response", "{shown} responses", count, shown=grouped(count))
        if self.are_all:
            return told
        return _("{responses} in the newest {count} records", responses=told, count=grouped(len(self.records)))


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
    head: list[Row] = [
        (Piece(" " + _("{errors} (level ERROR or above) in {records}", errors=told, records=records), "strong"),)
    ]
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
        *_sources(found.by_source, newest),
        *_routes(newest),
        *_response_times(found.by_source),
        *_messages(newest),
        *_counted(_("Exceptions"), "type", found.errors_by_type, errors_of_type, found.errors, errors),
        *_counted(_("Modules of errors"), "module", found.errors_by_module, errors_of_module, found.errors, errors),
        *_fields(newest),
        *_by_time(found.by_slice, newest, zone),
    ]


def _part_heads(halves: Halves | None, counted: str) -> tuple[str, ...]:
    return () if halves is None else (counted, _("share"), _("change"))


def _levels(found: Statistics, halves: Halves | None, glyphs: Glyphs) -> list[BoardSection]:
    others = found.records - found.errors - found.warnings
    since_us = 0 if halves is None else halves.since_us
    parts = [
        (max(each.since_us, since_us) if each.until_us > since_us else each.since_us, each.errors, each.warnings,
         each.records)
        for each in found.by_slice  # the first records of the first slice are later than its beginning
    ]  # fmt: skip
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


def _failed_heads(newest: NewestRecords) -> tuple[str, str, str]:
    """The headings of rows that count errors and, if there are responses, those with 5xx."""
    if newest.responses:
        return _("records"), _("error or 5xx"), _("share")
    return _("records"), _("errors"), _("error %")


def _sources(groups: Sequence[StatisticsGroup], newest: NewestRecords) -> list[BoardSection]:
    """The errors of each source by their level; their share beside that of its responses with 5xx, if there are any."""
    if len(groups) < 2:
        return []
    most = max(each.records for each in groups)
    responses = Counter(each.record.source for each in newest.responses)
    failed = Counter(each.record.source for each in newest.responses if each.code[0] == "5")
    read = Counter(each.source for each in newest.records)
    failures = Counter(each.source for each, fails in zip(newest.records, newest.failures, strict=True) if fails)
    rows = []
    for each in groups:
        row = _failed_row(f"source {each.name}", (Piece(each.name, "strong"),), each.records, each.errors, most,
                          of_source(each.name))  # fmt: skip
        if responses:
            share = percent(failed[each.name], responses[each.name]) if responses[each.name] else "-"
            cell = Piece(share, "failing" if failed[each.name] else "muted")
            part = failures[each.name] / max(1, read[each.name])
            row = replace(row, cells=(row.cells[0], row.cells[2], cell), failed=part)
        rows.append(row)
    note = _("bars: records, errors and 5xx first") if responses else _("bars: records, errors first")
    heads = (_("records"), _("error %"), "5xx %") if responses else (_("records"), _("errors"), _("error %"))
    if responses and not newest.are_all:
        note = _("5xx % of {records}", records=newest.which)
    return _section(_("Sources"), rows, note, heads=heads, name=_("source"))


def _fields(newest: NewestRecords) -> list[BoardSection]:
    """The values that recur in fields, of those fields first that tell failed records from others."""
    found: dict[str, dict[str, list[int]]] = {}
    for each, fails in zip(newest.records, newest.failures, strict=True):
        for name in names_of(each.entry.fields):
            if name in _ELSEWHERE or len(values := field_values(each, name)) != 1 or not _recurs(name, values[0]):
                continue
            counts = found.setdefault(name, {}).setdefault(text_of(values[0]), [0, 0])
            counts[0] += 1
            counts[1] += fails
    ranked, many = [], []
    for name, by_value in found.items():
        known = sum(count for count, _failed in by_value.values())
        top = sorted(by_value.items(), key=lambda item: (-item[1][0], item[0]))[:VALUES_OF_A_FIELD]
        if name in TRACE_FIELDS or len(by_value) > max(2, known // 3) or top[0][1][0] * FEW_OF_A_VALUE < known:
            many.append(name)
        elif len(by_value) > 1 or known < len(newest.records):
            shares = [failed / count for _value, (count, failed) in top]
            ranked.append((min(shares) - max(shares), len(by_value), name, top))
    kept = sorted(ranked)[:FIELDS_SHOWN]
    most = max((count for *_rank, top in kept for _value, (count, _failed) in top), default=0)
    rows = [
        _failed_row(f"field {name}={value}", (Piece(f"{name} ", "muted"), Piece(value, "strong")), count, failed, most,
                    FieldMatch(name, "=", value))
        for *_rank, name, top in kept
        for value, (count, failed) in top
    ]  # fmt: skip
    note = newest.which
    if many and not newest.are_all:
        note = ngettext("{records}, {count} field left out", "{records}, {count} fields left out", len(many),
                        records=note)  # fmt: skip
    elif len(many) >= MANY_NAMED:
        note = _("{count} fields left out: too many values", count=grouped(len(many)))
    elif many:
        note = _("{names} left out: too many values", names=listed(sorted(many)))
    heads = _failed_heads(newest)
    return [BoardSection(_("Fields"), tuple(rows), note, heads, name=_("field and value"))] if rows else []


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


def _by_time(slices: Sequence[Slice], newest: NewestRecords, zone: tzinfo) -> list[BoardSection]:
    """The times with errors and, if all records were looked at, with responses with 5xx; the longest bar is that of the
    most records."""
    told = newest if newest.are_all else NewestRecords((), are_all=False)
    shown = _with_failures(slices, told)
    while sum(each.errors > 0 for each in shown) > SLICES_SHOWN:
        shown = _wider(shown)
    failed = [each for each in shown if each.errors]
    if not failed:
        return []
    width_us = failed[0].until_us - failed[0].since_us
    most = max(each.records for each in failed)
    days = {moment(each.since_us, zone).date() for each in failed}
    rows = []
    for each in failed:
        precise = "%H:%M:%S" if width_us < MINUTE_US else "%H:%M"
        name = moment(each.since_us, zone).strftime(precise if len(days) == 1 else f"%m-%d {precise}")
        row = (Piece(name, "strong"),)
        rows.append(_failed_row(f"slice {each.since_us}", row, each.records, each.errors, most, of_slice(each)))
    note = _("each row {time}", time=human_duration(width_us / 1e6))
    title = _("Failures by time") if told.responses else _("Errors by time")
    return [BoardSection(title, tuple(rows), note, _failed_heads(told), name=_("time"))]


def _with_failures(slices: Sequence[Slice], newest: NewestRecords) -> Sequence[Slice]:
    """The slices; with their failures as errors, where there are responses among the ``newest`` records."""
    if not newest.responses or not slices:
        return slices
    width_us, failures = slices[0].until_us - slices[0].since_us, Counter[int]()
    for record, fails in zip(newest.records, newest.failures, strict=True):
        if fails and record.entry.time_us is not None:
            failures[record.entry.time_us // width_us * width_us] += 1
    return [replace(each, errors=failures[each.since_us]) for each in slices]


def _wider(slices: Sequence[Slice]) -> list[Slice]:
    """The slices as ones of twice the width."""
    first_us, width_us = slices[0].since_us, 2 * (slices[0].until_us - slices[0].since_us)
    found: dict[int, Slice] = {}
    for each in slices:
        since_us = each.since_us - (each.since_us - first_us) % width_us
        before = found.get(since_us, Slice(since_us, since_us + width_us, 0, 0, 0, None))
        found[since_us] = replace(before, records=before.records + each.records, errors=before.errors + each.errors)
    return list(found.values())
