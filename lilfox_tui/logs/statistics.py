"""Statistics over log records: errors, response times, and patterns of their messages."""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from msgspec import Struct, field

from lilfox_tui.logs.field_statistics import ResponseTimes, counted_together, response_times_of
from lilfox_tui.logs.filter.model import field_values, text_of
from lilfox_tui.logs.record import (
    LONGEST,
    LogEntry,
    LogRecord,
    Severity,
    headline,
    status_span,
    template_and_path,
    without_ids,
)

# What is counted over records, while it is counted: exact, and in 16 bytes for each response time.
#
# Counts of several passes, each over other records, are joined in any order and give the same.


UNKNOWN_TYPE, UNKNOWN_MODULE = "Unknown", "unknown"
"""What an error without an exception, and one without a module, are counted as: the manual's words."""
Key = TypeVar("Key", bound=Hashable)
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
_SLICE_LIMIT = 50_000
_WIDER = 60


def is_warning(severity: Severity) -> bool:
    """Whether records of that severity are counted as warnings."""
    return Severity.WARNING <= severity < Severity.ERROR


class TallyCell(Struct):
    """Counts of a group of records, and their response times."""

    records: int = 0
    warnings: int = 0
    """Those at WARNING that are no errors."""
    errors: int = 0
    response_times_s: array[float] = field(default_factory=lambda: array("d"))
    repeated_s: dict[float, int] = {}
    """More response times, in seconds: by how many records each was told."""

    def join(self, other: TallyCell) -> None:
        """Add the counts of ``other``."""
        self.records += other.records
        self.warnings += other.warnings
        self.errors += other.errors
        self.response_times_s.extend(other.response_times_s)
        for value, records in other.repeated_s.items():
            self.repeated_s[value] = self.repeated_s.get(value, 0) + records

    def put_in_order(self) -> None:
        """Count the response times that are equal together if few differ, else sort them."""
        counts = counted_together(self.response_times_s)
        if counts is None:
            self.response_times_s = array("d", sorted(self.response_times_s))
        else:
            self.join(TallyCell(repeated_s=counts))
            self.response_times_s = array("d")


def cell_of(records: int, severity: Severity, response_times_s: array[float]) -> TallyCell:
    """The counts of that many records of one severity."""
    return TallyCell(
        records,
        records if is_warning(severity) else 0,
        records if severity >= Severity.ERROR else 0,
        response_times_s,
    )


class Tally(Struct):
    """Counts of records by exception type, module, route and time slice.

    Errors are records at ERROR or above. ``by_route`` is keyed by source and route. ``by_slice`` is keyed by the
    start of the slice (``time_us``), ``slice_us`` wide, which grows when there would be too many.
    """

    unread: int = 0
    """Records that are not of the source's format; counted nowhere else."""
    timeless: int = 0
    errors_by_type: dict[str, int] = {}
    errors_by_module: dict[str, int] = {}
    by_route: dict[tuple[str, str], TallyCell] = {}
    by_slice: dict[int, TallyCell] = {}
    slice_us: int = MINUTE_US

    def add(self, source: str, entry: LogEntry) -> None:
        """Count one record."""
        is_error = entry.severity >= Severity.ERROR
        warns = is_warning(entry.severity)
        taken_s = response_time(entry.response_time_s)
        for cell in (self.route(source, route_of(entry.fields, entry.module)), self.slice(entry.time_us)):
            cell.records += 1
            cell.warnings += warns
            cell.errors += is_error
            if taken_s is not None:
                cell.response_times_s.append(taken_s)
        if is_error:
            self.add_error(entry.fault.type if entry.fault is not None else "", entry.module)

    def add_error(self, fault_type: str, module: str, count: int = 1) -> None:
        """Count errors by their exception's type and their module; "" if they have none."""
        fault_type, module = fault_type or UNKNOWN_TYPE, module or UNKNOWN_MODULE
        self.errors_by_type[fault_type] = self.errors_by_type.get(fault_type, 0) + count
        self.errors_by_module[module] = self.errors_by_module.get(module, 0) + count

    def route(self, source: str, route: str) -> TallyCell:
        """Return the cell for records of that source and route."""
        return _cell(self.by_route, (source, route))

    def slice(self, time_us: int | None) -> TallyCell:
        """Return the cell for records of that time; valid until the next call. None: a record without a time."""
        if time_us is None:
            self.timeless += 1
            return TallyCell()
        if len(self.by_slice) > _SLICE_LIMIT:
            self.widen(self.slice_us * _WIDER)
        return _cell(self.by_slice, time_us - time_us % self.slice_us)

    def begin(self, slice_us: int) -> None:
        """Set the width of the slices if nothing is counted by time yet."""
        if not self.by_slice:
            self.slice_us = slice_us

    def widen(self, slice_us: int) -> None:
        """Widen the slices to ``slice_us``, a multiple of their width."""
        narrow, self.by_slice, self.slice_us = self.by_slice, {}, slice_us
        for begins, cell in narrow.items():
            _cell(self.by_slice, begins - begins % slice_us).join(cell)

    def put_in_order(self) -> None:
        """Put the response times of each cell in order; joining such parts later takes a fraction of the time."""
        for cell in (*self.by_route.values(), *self.by_slice.values()):
            cell.put_in_order()

    def join(self, other: Tally) -> None:
        """Add the counts of ``other``, which must not be used afterwards."""
        self.unread += other.unread
        self.timeless += other.timeless
        for mine, others in (
            (self.errors_by_type, other.errors_by_type),
            (self.errors_by_module, other.errors_by_module),
        ):
            for name, count in others.items():
                mine[name] = mine.get(name, 0) + count
        for key, cell in other.by_route.items():
            _cell(self.by_route, key).join(cell)
        widest = max(self.slice_us, other.slice_us)
        for each in (self, other):
            if each.slice_us < widest:
                each.widen(widest)
        for begins, cell in other.by_slice.items():
            _cell(self.by_slice, begins).join(cell)


def response_time(value: float | None) -> float | None:
    """Return ``value`` if it can be a response time: a finite number of seconds, 0 or more."""
    return value if value is not None and 0 <= value < math.inf else None


def route_of(fields: Mapping[str, object], module: str) -> str:
    """Return the key that groups response times: the field ``route``, else the module."""
    route = fields.get("route")
    return route if isinstance(route, str) and route else module


def _cell(cells: dict[Key, TallyCell], key: Key) -> TallyCell:
    cell = cells.get(key)
    if cell is None:
        cell = cells[key] = TallyCell()
    return cell


SLICES_MOST = 32
_MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440, 2880, 10080)
_WIDTHS_US = tuple(SECOND_US * seconds for seconds in (1, 2, 5, 10, 15, 30, *(60 * each for each in _MINUTES)))


class StatisticsGroup(Struct, frozen=True):
    """Records that share ``name`` (a source, a route); ``response_times`` is None if there are none."""

    name: str
    records: int
    errors: int
    response_times: ResponseTimes | None


class Slice(Struct, frozen=True):
    """Records of a time span, its end excluded (microseconds since 1970, UTC)."""

    since_us: int
    until_us: int
    records: int
    warnings: int
    """Those at WARNING that are no errors."""
    errors: int
    response_times: ResponseTimes | None


class Statistics(Struct, frozen=True):
    """The complete statistics. Groups and counts are sorted largest first (errors, then records), slices oldest first.

    ``unread`` are records that are not of their source's format, ``timeless`` those in no slice; the former are
    counted nowhere else.
    """

    records: int
    unread: int
    timeless: int
    errors: int
    errors_by_type: Mapping[str, int]
    errors_by_module: Mapping[str, int]
    response_times: ResponseTimes | None
    by_source: tuple[StatisticsGroup, ...]
    by_route: tuple[StatisticsGroup, ...]
    by_slice: tuple[Slice, ...]
    warnings: int = 0
    """Those at WARNING that are no errors."""


def statistics_of(tally: Tally) -> Statistics:
    """Return the statistics of ``tally``. Widens its slices, and sorts its response times."""
    _widen(tally)
    tally.put_in_order()
    cells = tally.by_route
    everything = list(cells.values())
    response_times = _response_times(everything)
    return Statistics(
        records=sum(cell.records for cell in everything),
        unread=tally.unread,
        timeless=tally.timeless,
        errors=sum(cell.errors for cell in everything),
        errors_by_type=_greatest_first(tally.errors_by_type),
        errors_by_module=_greatest_first(tally.errors_by_module),
        response_times=response_times,
        by_source=_groups(((source, cell) for (source, _route), cell in cells.items()), response_times),
        by_route=_groups((route, cell) for (_source, route), cell in cells.items()),
        by_slice=_slices(tally),
        warnings=sum(cell.warnings for cell in everything),
    )


def _greatest_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _groups(named: Iterable[tuple[str, TallyCell]], of_all: ResponseTimes | None = None) -> tuple[StatisticsGroup, ...]:
    """Return the statistics of each group. ``of_all`` are the response times of all records, if already known; they are
    reused if one group contains all records."""
    cells: dict[str, list[TallyCell]] = {}
    for name, cell in named:
        cells.setdefault(name, []).append(cell)
    groups = [
        StatisticsGroup(
            name,
            sum(cell.records for cell in each),
            sum(cell.errors for cell in each),
            of_all if of_all is not None and len(cells) == 1 else _response_times(each),
        )
        for name, each in cells.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-group.errors, -group.records, group.name)))


def _widen(tally: Tally) -> None:
    """Widen the slices so that there are at most about SLICES_MOST."""
    if not tally.by_slice:
        return
    span_us = max(tally.by_slice) - min(tally.by_slice)
    fitting = (width for width in _WIDTHS_US if width % tally.slice_us == 0 and span_us < width * SLICES_MOST)
    tally.widen(next(fitting, tally.slice_us * (1 + span_us // (tally.slice_us * SLICES_MOST))))


def _slices(tally: Tally) -> tuple[Slice, ...]:
    return tuple(
        Slice(since_us, since_us + tally.slice_us, cell.records, cell.warnings, cell.errors, _response_times([cell]))
        for since_us, cell in sorted(tally.by_slice.items(), key=lambda item: item[0])
    )


def _response_times(cells: Sequence[TallyCell]) -> ResponseTimes | None:
    """Return the response times of cells that are in order."""
    return response_times_of([cell.response_times_s for cell in cells], [cell.repeated_s for cell in cells])


# Templates of messages: what is said, whatever the numbers, names and addresses in it, how often, and what is new.


TEMPLATES = 5000
"""So many are told apart; of those above, the ones not seen for longest are forgotten."""
ROUTES = 40
"""So many paths of one template are told apart; of more only their first parts, or nothing."""
SLICE_US = 60_000_000
SLICES = 90
"""So many slices, the newest, are counted one by one."""
LEAST_SLICES = 8
"""So many slices of a log that has no time before are enough to compare its last quarter with the rest."""


class Example(Struct, frozen=True):
    """A record of a template: where to find it, and the start of its message, with the outcome of its exception."""

    source: str
    place: str
    time_us: int | None
    message: str


class Kind(NamedTuple):
    """What a pattern is told apart by: its template, and what of its records the template does not tell: the HTTP
    ``status``, the class of the exception (``fault``), the ``path`` of the request, with ``{id}`` for what varies and
    ``<path>`` for all below its first part, and the field that it is of; "" if it stands in the message."""

    template: str
    status: str = ""
    fault: str = ""
    path: str = ""
    field: str = ""


class Pattern(Struct, frozen=True):
    """A kind of records, their number, their highest severity, and the last added record."""

    kind: Kind
    count: int
    severity: Severity
    example: Example
    first_us: int | None = None
    last_us: int | None = None
    sources: tuple[str, ...] = ()

    @property
    def is_failure(self) -> bool:
        """Whether its records are errors, or tell an HTTP status of 5xx."""
        template = self.kind.template
        status = self.kind.status or template[slice(*(status_span(template) or (0, 0)))]
        return self.severity >= Severity.ERROR or status.startswith("5")


class PatternChange(Struct, frozen=True):
    """The change in a pattern's frequency: how often it occurred recently, and before that. ``growth`` is the factor by
    which its rate has grown; None for one that did not occur before. That is new, unless nothing is known of the time
    before: then it is not ``compared``. ``within_us``: nothing is known of that time, and the records from then on are
    compared with those before in the log. ``by_slice`` are its records of each slice, oldest first; None where that
    slice of its source is not known."""

    pattern: Pattern
    recent: int
    before: int
    growth: float | None
    compared: bool = True
    by_slice: tuple[int | None, ...] = ()
    within_us: int | None = None


class _Tally:
    __slots__ = ("count", "first_us", "last_us", "latest", "severity", "sources")

    def __init__(self) -> None:
        self.count = 0
        self.severity = Severity.UNKNOWN
        self.latest: tuple[str, str, int | None, str] = ("", "", None, "")
        self.first_us: int | None = None
        self.last_us: int | None = None
        self.sources: set[str] = set()

    def pattern(self, kind: Kind) -> Pattern:
        seen = self.first_us, self.last_us, tuple(sorted(self.sources))
        return Pattern(kind, self.count, self.severity, Example(*self.latest), *seen)

    def join(self, later: _Tally) -> None:
        """Add what was counted later, of another kind."""
        self.count += later.count
        self.severity = max(self.severity, later.severity)
        self.latest = later.latest
        self.sources |= later.sources
        for time_us in (later.first_us, later.last_us):
            if time_us is not None:
                self.seen_at(time_us)

    def seen_at(self, time_us: int) -> None:
        self.first_us = time_us if self.first_us is None else min(self.first_us, time_us)
        self.last_us = time_us if self.last_us is None else max(self.last_us, time_us)


def kind_of(record: LogRecord) -> Kind:
    """Return what the pattern of a record is told apart by."""
    start = record.entry.message[:LONGEST]
    fault = "" if record.entry.fault is None or record.entry.fault.type in start else record.entry.fault.type
    values = field_values(record, "status") if record.entry.fields else ()
    status = text_of(values[0]) if values else ""
    is_code = len(status) == 3 and status.isdecimal() and status not in start
    (template, path), name = template_and_path(start), ""
    if not path and (is_code or "method" in record.entry.fields):
        told = ((each, record.entry.fields.get(each)) for each in ("route", "path"))
        name, value = next(((each, value) for each, value in told if isinstance(value, str) and value), ("", ""))
        path = without_ids(value[:LONGEST].partition("?")[0])
    return Kind(template, status if is_code else "", fault, path, name)


class _Paths:
    """The paths of the requests of one template: all, only first parts, or none, so that they are at most ROUTES."""

    __slots__ = ("known", "level")

    def __init__(self) -> None:
        self.level = 0
        self.known: set[str] = set()

    def name(self, path: str) -> str:
        """What of the path is told apart."""
        first, more, _below = path[1:].partition("/")
        if self.level == 0 or (self.level == 1 and path == f"/{first}"):
            return path
        return f"/{first}/<path>" if self.level == 1 and more and path[0] == "/" else ""


class Patterns:
    """Counts the templates of records as they are added, in any order, in bounded memory."""

    def __init__(self, slice_us: int = SLICE_US) -> None:
        self._tallies: OrderedDict[Kind, _Tally] = OrderedDict()
        self._slices: dict[int, dict[Kind, int]] = {}
        self._paths: dict[Kind, _Paths] = {}
        self._apart: set[Kind] = set()
        self._newest = 0
        self.slice_us = slice_us
        self.forgotten = 0
        """Records whose templates are no longer told apart, since there were more than TEMPLATES."""

    def add(self, record: LogRecord) -> None:
        """Count the record."""
        entry = record.entry
        kind = kind_of(record)
        if kind.path and kind not in self._apart:
            kind = self._told_apart(kind)
        tally = self._tallies.get(kind)
        if tally is None:
            tally = self._tallies[kind] = _Tally()
            if len(self._tallies) > TEMPLATES:
                self._forget()
        else:
            self._tallies.move_to_end(kind)
        tally.count += 1
        tally.sources.add(record.source)
        if entry.severity > tally.severity:
            tally.severity = entry.severity
        said = (entry.message if entry.fault is None else headline(record))[:LONGEST]
        tally.latest = (record.source, record.place, entry.time_us, said)
        if entry.time_us is not None:
            tally.seen_at(entry.time_us)
            self._count_at(entry.time_us // self.slice_us, kind)

    def _told_apart(self, kind: Kind) -> Kind:
        """The kind with what of its path is told apart. With one path too many all of its template are widened, those
        counted before too: so it does not matter in which order they come."""
        without = kind._replace(path="")
        paths = self._paths.setdefault(without, _Paths())
        paths.known.add(paths.name(kind.path))
        while len(paths.known) > ROUTES and paths.level < 2:
            paths.level += 1
            self._apart.clear()
            paths.known = {paths.name(path) for path in paths.known}
            for old in [each for each in self._tallies if each.path and each._replace(path="") == without]:
                self._rename(old, old._replace(path=paths.name(old.path)))
        if paths.level == 0:
            self._apart.add(kind)
        return kind._replace(path=paths.name(kind.path))

    def _rename(self, old: Kind, new: Kind) -> None:
        tally = self._tallies.pop(old)
        self._tallies.setdefault(new, _Tally()).join(tally)
        self._tallies.move_to_end(new)
        for counts in self._slices.values():
            if moved := counts.pop(old, 0):
                counts[new] = counts.get(new, 0) + moved

    def _count_at(self, number: int, kind: Kind) -> None:
        counts = self._slices.get(number)
        if counts is None:
            if self._slices and number <= self._newest - SLICES:
                return
            counts = self._slices[number] = {}
            self._newest = max(self._slices)
            for old in [one for one in self._slices if one <= self._newest - SLICES]:
                del self._slices[old]
        counts[kind] = counts.get(kind, 0) + 1

    def _forget(self) -> None:
        kind, tally = self._tallies.popitem(last=False)
        self.forgotten += tally.count
        without = kind._replace(path="")
        if (paths := self._paths.get(without)) is not None:
            self._apart.discard(kind)
            paths.known.discard(kind.path)
            if not paths.known:
                del self._paths[without]
        for counts in self._slices.values():
            counts.pop(kind, None)

    def patterns(self) -> list[Pattern]:
        """Return all distinct patterns, most frequent first."""
        found = [tally.pattern(kind) for kind, tally in self._tallies.items()]
        return sorted(found, key=lambda one: (-one.count, one.kind))

    def new_since(
        self, recent_from_us: int, before_us: int, known_from_us: Mapping[str, int] | None = None
    ) -> list[PatternChange]:
        """Compare records from ``recent_from_us`` on (microseconds since 1970, UTC; counted from the start of its
        slice) with those of the ``before_us`` microseconds before it: new patterns first, by severity and count, then
        those that are not compared, then those that have grown to GROWN times their rate at least, then the others.
        Only the newest SLICES slices are known, of a source in ``known_from_us`` those since then; records without a
        time do not count. What has no time before is compared within the log: its last quarter with the rest."""
        width, end = self.slice_us, self._newest + 1
        cut, oldest = recent_from_us // width, (recent_from_us - before_us) // width
        before = self._sum(oldest, cut)
        changes = []
        for kind, count in self._sum(cut, end).items():
            pattern = self._tallies[kind].pattern(kind)
            known_from = max(oldest, (known_from_us or {}).get(pattern.example.source, 0) // width)
            known, growth, within = cut - known_from, None, None
            counts = [self._slices.get(number, {}).get(kind, 0) for number in range(oldest, end)]
            if kind in before:  # in another source at least, if its own is not known
                longer = (known if known > 0 else cut - oldest) / max(1, end - cut)
                growth = count * longer / before[kind]
            elif known <= 0 and end - known_from >= LEAST_SLICES:
                within = end - (end - known_from) // 4
                there = sum(counts[known_from - oldest : within - oldest])
                late = sum(counts[within - oldest :]) / (end - within)
                growth = late * (within - known_from) / there if there else None
            compared = known > 0 or growth is not None or within is not None
            by_slice = tuple(each if each or oldest + at >= known_from else None for at, each in enumerate(counts))
            within_us = None if within is None else within * width
            changes.append(PatternChange(pattern, count, before.get(kind, 0), growth, compared, by_slice, within_us))
        return sorted(changes, key=_by_news)

    def count(self, from_us: int, until_us: int) -> int:
        """Return how many records are of that time, in whole slices, its end excluded."""
        return sum(self._sum(from_us // self.slice_us, until_us // self.slice_us).values())

    def _sum(self, first: int, end: int) -> dict[Kind, int]:
        total: dict[Kind, int] = {}
        for number, counts in self._slices.items():
            if first <= number < end:
                for kind, count in counts.items():
                    total[kind] = total.get(kind, 0) + count
        return total


GROWN = 2.0
"""The factor from which a pattern counts as more frequent."""


def _by_news(change: PatternChange) -> tuple[int, int, int, Kind]:
    rank = 1 if not change.compared else 0 if change.growth is None else 2 if change.growth >= GROWN else 3
    severity = max(change.pattern.severity, Severity.ERROR) if change.pattern.is_failure else change.pattern.severity
    return rank, -severity, -change.recent, change.pattern.kind
