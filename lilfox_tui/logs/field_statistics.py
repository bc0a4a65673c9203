"""Counts and quantiles of records by any of their fields and by time.

Exact: each number is kept in eight bytes, and counts of several passes are joined in any order to the same result.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator
from itertools import product

from msgspec import Struct, field

from lilfox_tui.logs.filter.model import duration_s, field_values, number, text_of
from lilfox_tui.logs.record import LogRecord, Severity

RESPONSE_TIME = "response_time"
GROUPS_MOST = 20_000
"""So many groups in slices of time are told apart; records of more are counted in :data:`OTHERS`."""
OTHERS = "…"
_VALUE_CHARS = 200
_TIMELESS: int | None = None


class FieldQuestion(Struct, frozen=True):
    """Count by the values of the fields ``by``, in slices of ``over_us`` (0: over all time), with the quantiles of the
    number in the field ``of``."""

    by: tuple[str, ...] = ()
    of: str = RESPONSE_TIME
    over_us: int = 0


class Spread(Struct, frozen=True):
    """How numbers are spread. Percentiles are the nearest rank, as those of response times."""

    count: int
    total: float
    least: float
    p50: float
    p95: float
    p99: float
    greatest: float

    @property
    def mean(self) -> float:
        """Their mean."""
        return self.total / self.count


class FieldCell(Struct):
    """Counts of one group, and the numbers of its records."""

    records: int = 0
    errors: int = 0
    numbers: array[float] = field(default_factory=lambda: array("d"))


class FieldGroup(Struct, frozen=True):
    """A row of the answer. ``values`` are those of the fields, in their order, "" for a record without the field;
    ``since_us`` is the beginning of its slice, None over all time and for records without a time."""

    since_us: int | None
    values: tuple[str, ...]
    records: int
    errors: int
    numbers: Spread | None
    """None where no record of the group has the number."""


class FieldTally(Struct):
    """What is counted so far. A record with several values in a field (a list) is counted in the group of each."""

    question: FieldQuestion
    records: int = 0
    cells: dict[tuple[int | None, tuple[str, ...]], FieldCell] = {}

    def add(self, record: LogRecord) -> None:
        """Count one record."""
        question, time_us = self.question, record.entry.time_us
        since = time_us - time_us % question.over_us if question.over_us and time_us is not None else _TIMELESS
        is_error = record.entry.severity >= Severity.ERROR
        found = number_of(record, question.of)
        self.records += 1
        for values in product(*(_texts(record, name) for name in question.by)):
            cell = self._cell(since, values)
            cell.records += 1
            cell.errors += is_error
            if found is not None:
                cell.numbers.append(found)

    def join(self, other: FieldTally) -> None:
        """Add the counts of ``other``, which must not be used afterwards."""
        self.records += other.records
        for (since, values), cell in other.cells.items():
            mine = self._cell(since, values)
            mine.records += cell.records
            mine.errors += cell.errors
            mine.numbers.extend(cell.numbers)

    def groups(self) -> Iterator[FieldGroup]:
        """Yield the groups by time, and the ones with the most records first."""
        order = sorted(self.cells, key=lambda key: (key[0] is None, key[0] or 0, -self.cells[key].records, key[1]))
        for key in order:
            cell = self.cells[key]
            yield FieldGroup(*key, cell.records, cell.errors, spread_of(cell.numbers))

    def _cell(self, since: int | None, values: tuple[str, ...]) -> FieldCell:
        cell = self.cells.get((since, values))
        if cell is None:
            if len(self.cells) >= GROUPS_MOST:
                values = (OTHERS,) * len(self.question.by)
            cell = self.cells.setdefault((since, values), FieldCell())
        return cell


def spread_of(numbers: array[float]) -> Spread | None:
    """How the numbers are spread; None if there are none."""
    if not numbers:
        return None
    ordered, count = sorted(numbers), len(numbers)
    p50, p95, p99 = (ordered[-(-percent * count // 100) - 1] for percent in (50, 95, 99))
    return Spread(count, math.fsum(ordered), ordered[0], p50, p95, p99, ordered[-1])


def number_of(record: LogRecord, name: str) -> float | None:
    """The number in a field of a record: as such, as text, or a duration (``12ms``) in seconds; None without one."""
    found = (_number(value) for value in field_values(record, name))
    return next((each for each in found if each is not None), None)


def _number(value: object) -> float | None:
    if isinstance(value, str):
        text = value.strip()
        value = duration_s(text) if (plain := number(text)) is None else plain
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def _texts(record: LogRecord, name: str) -> Iterable[str]:
    found = {text_of(value)[:_VALUE_CHARS]: None for value in field_values(record, name)}
    return found or ("",)
