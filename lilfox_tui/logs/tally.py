"""What is counted over records, while it is counted: exact, and in 16 bytes for each response time.

Counts of several passes, each over other records, are joined in any order and give the same.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Hashable, Mapping
from typing import TypeVar

from msgspec import Struct, field

from lilfox_tui.logs.record import Entry, Severity

UNKNOWN_TYPE = "Unknown"
UNKNOWN_MODULE = "unknown"
"""What an error without an exception, and one without a module, are counted as: the manual's words."""
Key = TypeVar("Key", bound=Hashable)
MINUTE_US = 60_000_000
_SLICE_LIMIT = 50_000
_WIDER = 60


class Cell(Struct):
    """Records that have something in common, and how long they took."""

    records: int = 0
    errors: int = 0
    response_times_s: array[float] = field(default_factory=lambda: array("d"))

    def join(self, other: Cell) -> None:
        """Counts what ``other`` has counted too."""
        self.records += other.records
        self.errors += other.errors
        self.response_times_s.extend(other.response_times_s)


class Tally(Struct):
    """Counts over some records.

    Errors are records at ERROR or above. ``by_route`` is keyed by source and route. ``by_slice`` is keyed by the
    start of the slice (``time_us``), a minute wide, or more when the log is so long that minutes would be too many.
    """

    unread: int = 0
    """Records that are not of the source's format; counted nowhere else."""
    timeless: int = 0
    errors_by_type: dict[str, int] = {}
    errors_by_module: dict[str, int] = {}
    by_route: dict[tuple[str, str], Cell] = {}
    by_slice: dict[int, Cell] = {}
    slice_us: int = MINUTE_US

    def add(self, source: str, entry: Entry) -> None:
        """Counts one record."""
        is_error = entry.severity >= Severity.ERROR
        taken_s = response_time(entry.response_time_s)
        for cell in (self.route(source, route_of(entry.fields, entry.module)), self.slice(entry.time_us)):
            cell.records += 1
            cell.errors += is_error
            if taken_s is not None:
                cell.response_times_s.append(taken_s)
        if is_error:
            self.add_error(entry.fault.type if entry.fault is not None else "", entry.module)

    def add_error(self, fault_type: str, module: str) -> None:
        """Counts an error by its exception's type and its module; "" where it has none."""
        fault_type, module = fault_type or UNKNOWN_TYPE, module or UNKNOWN_MODULE
        self.errors_by_type[fault_type] = self.errors_by_type.get(fault_type, 0) + 1
        self.errors_by_module[module] = self.errors_by_module.get(module, 0) + 1

    def route(self, source: str, route: str) -> Cell:
        """Where a record of that route is counted."""
        return _cell(self.by_route, (source, route))

    def slice(self, time_us: int | None) -> Cell:
        """Where a record of that time is counted; good until the next call. None: a record without a time."""
        if time_us is None:
            self.timeless += 1
            return Cell()
        if len(self.by_slice) > _SLICE_LIMIT:
            self.widen(self.slice_us * _WIDER)
        return _cell(self.by_slice, time_us - time_us % self.slice_us)

    def widen(self, slice_us: int) -> None:
        """Makes slices wider, a multiple of what they are."""
        narrow, self.by_slice, self.slice_us = self.by_slice, {}, slice_us
        for begins, cell in narrow.items():
            _cell(self.by_slice, begins - begins % slice_us).join(cell)

    def put_in_order(self) -> None:
        """Sorts the response times: what is sorted in parts is sorted together in a fraction of the time."""
        for cell in (*self.by_route.values(), *self.by_slice.values()):
            cell.response_times_s = array("d", sorted(cell.response_times_s))

    def join(self, other: Tally) -> None:
        """Counts what ``other``, which is used up by this, has counted too."""
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
    """``value`` where it can be the time that something took: a finite number of seconds, 0 or more."""
    return value if value is not None and 0 <= value < math.inf else None


def route_of(fields: Mapping[str, object], module: str) -> str:
    """What response times are grouped by: the field ``route``, else the module."""
    route = fields.get("route")
    return route if isinstance(route, str) and route else module


def _cell(cells: dict[Key, Cell], key: Key) -> Cell:
    cell = cells.get(key)
    if cell is None:
        cell = cells[key] = Cell()
    return cell
