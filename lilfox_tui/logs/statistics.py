"""What a log says in numbers: errors by type and module, response times, by source, route and time."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from lilfox_tui.logs.filter.model import And, AtLeast, Field, Filter, Not, Or, Within
from lilfox_tui.logs.record import Severity
from lilfox_tui.logs.tally import MINUTE_US, UNKNOWN_MODULE, UNKNOWN_TYPE, Cell, Tally

SLICES_MOST = 32
_WIDTHS_US = tuple(MINUTE_US * minutes for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 1440, 2880, 10080))
_SAMPLE = 1024
_BLOCK = 64 * _SAMPLE


class ResponseTimes(Struct, frozen=True):
    """How long something took, in seconds. Percentiles are the nearest rank: of n values in order, that at
    ceil(p·n) - 1, counted from 0."""

    count: int
    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float


class Group(Struct, frozen=True):
    """Records that have ``name`` (a source, a route) in common; ``response_times`` is None where none is told."""

    name: str
    records: int
    errors: int
    response_times: ResponseTimes | None


class Slice(Struct, frozen=True):
    """Records of a stretch of time, its end excluded (microseconds since 1970, UTC)."""

    since_us: int
    until_us: int
    records: int
    errors: int
    response_times: ResponseTimes | None


class Statistics(Struct, frozen=True):
    """The whole answer. Groups and counts have the greatest first (errors, then records), slices the oldest.

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
    by_source: tuple[Group, ...]
    by_route: tuple[Group, ...]
    by_slice: tuple[Slice, ...]


def statistics_of(tally: Tally) -> Statistics:
    """The answer to what was counted. Makes the tally's slices wider, and puts its response times in order."""
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
    )


def errors_of_type(name: str) -> Filter:
    """The records behind a row of ``errors_by_type``."""
    return And((AtLeast(Severity.ERROR), Not(Field("type", "~", "")) if name == UNKNOWN_TYPE else _is("type", name)))


def errors_of_module(name: str) -> Filter:
    """The records behind a row of ``errors_by_module``."""
    return And(
        (AtLeast(Severity.ERROR), Not(Field("module", "~", ".")) if name == UNKNOWN_MODULE else _is("module", name))
    )


def of_source(name: str) -> Filter:
    """The records of a group of ``by_source``."""
    return _is("source", name)


def of_route(name: str) -> Filter:
    """The records of a group of ``by_route``; "" are those with neither route nor module."""
    told, without_route = Field("module", "~", "."), Not(Field("route", "~", "."))
    if not name:
        return And((Not(told), without_route))
    return Or((_is("route", name), And((without_route, _is("module", name)))))


def of_slice(row: Slice) -> Filter:
    """The records of a slice."""
    return Within(row.since_us, row.until_us)


def slower_than(seconds: float) -> Filter:
    """The records behind a percentile: those that took longer."""
    return Field("response_time", ">", repr(seconds))


def _is(name: str, value: str) -> Filter:
    return Field(name, "=", value)


def _greatest_first(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _groups(named: Iterable[tuple[str, Cell]], of_all: ResponseTimes | None = None) -> tuple[Group, ...]:
    """``of_all`` are the response times of a group that has all records, where they are known already."""
    cells: dict[str, list[Cell]] = {}
    for name, cell in named:
        cells.setdefault(name, []).append(cell)
    groups = [
        Group(
            name,
            sum(cell.records for cell in each),
            sum(cell.errors for cell in each),
            of_all if of_all is not None and len(cells) == 1 else _response_times(each),
        )
        for name, each in cells.items()
    ]
    return tuple(sorted(groups, key=lambda group: (-group.errors, -group.records, group.name)))


def _widen(tally: Tally) -> None:
    """Makes slices so wide that there are no more than SLICES_MOST or so."""
    if not tally.by_slice:
        return
    span_us = max(tally.by_slice) - min(tally.by_slice)
    fitting = (width for width in _WIDTHS_US if width % tally.slice_us == 0 and span_us < width * SLICES_MOST)
    tally.widen(next(fitting, tally.slice_us * (1 + span_us // (tally.slice_us * SLICES_MOST))))


def _slices(tally: Tally) -> tuple[Slice, ...]:
    return tuple(
        Slice(since_us, since_us + tally.slice_us, cell.records, cell.errors, _response_times([cell]))
        for since_us, cell in sorted(tally.by_slice.items(), key=lambda item: item[0])
    )


def _response_times(cells: Sequence[Cell]) -> ResponseTimes | None:
    """Of cells whose response times are in order."""
    arrays = [cell.response_times_s for cell in cells if cell.response_times_s]
    count = sum(map(len, arrays))
    if not count:
        return None
    ranks = [-(-percent * count // 100) - 1 for percent in (50, 95, 99)]
    if len(arrays) == 1:
        return ResponseTimes(count, sum(arrays[0]) / count, *(arrays[0][rank] for rank in ranks))
    found: list[float] = []
    passed, total = 0, 0.0
    for block in _in_order(arrays):
        total = sum(block, total)
        while len(found) < len(ranks) and ranks[len(found)] < passed + len(block):
            found.append(block[ranks[len(found)] - passed])
        passed += len(block)
    return ResponseTimes(count, total / count, *found)


def _in_order(arrays: Sequence[array[float]]) -> Iterator[list[float]]:
    """All values of arrays that are in order themselves, in order, some ten thousand at a time: the numbers of a large
    log are never all unpacked at once. The sum, taken in this order, is the manual's to the last bit."""
    sample = sorted(value for each in arrays for value in each[_SAMPLE - 1 :: _SAMPLE])
    starts = [0] * len(arrays)
    for upto in [*dict.fromkeys(sample[_BLOCK // _SAMPLE :: _BLOCK // _SAMPLE]), float("inf")]:
        ends = [bisect_right(each, upto, start) for each, start in zip(arrays, starts, strict=True)]
        block: list[float] = []
        for each, start, end in zip(arrays, starts, ends, strict=True):
            block += each[start:end]
        block.sort()
        yield block
        starts = ends
