"""Counts and quantiles of records by any of their fields and by time, and how response times are spread.

Exact: each number is kept in eight bytes, and counts of several passes are joined in any order to the same result.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain, product, repeat

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


# How response times are spread: of a large log there are millions, which mostly have few different values.


_SAMPLE = 1024
_BLOCK = 64 * _SAMPLE
_DIFFERENT_MOST = 50_000
"""So many different values are counted together at most, in 6 MB."""


class ResponseTimes(Struct, frozen=True):
    """Response times in seconds. Percentiles are the nearest rank: of n sorted values, that at index ceil(p·n) - 1,
    counted from 0."""

    count: int
    mean_s: float
    p50_s: float
    p95_s: float
    p99_s: float


def counted_together(values: array[float]) -> dict[float, int] | None:
    """Return how often each value is there; None if they are too different, or too few, to gain by that, and if zeros
    have two signs, which are the same key."""
    sample = values[: 4 * _SAMPLE]
    if len(sample) < 4 * _SAMPLE or len(set(sample)) > 2 * _SAMPLE:
        return None
    counts: Counter[float] = Counter()
    for start in range(0, len(values), _BLOCK):
        counts.update(values[start : start + _BLOCK])
        if len(counts) > _DIFFERENT_MOST:
            return None
    if 0.0 in counts and any(math.copysign(1.0, value) < 0 for value in values if not value):
        return None
    return dict(counts)


def response_times_of(
    sorted_s: Sequence[array[float]], repeated_s: Sequence[Mapping[float, int]]
) -> ResponseTimes | None:
    """Return how all of these times, in seconds, are spread: of sorted arrays, and of counts by value; None if there
    are none."""
    counts: Counter[float] = Counter()
    for each in repeated_s:
        counts.update(each)
    arrays = [each for each in sorted_s if each]
    if counts and not arrays:
        return _spread_of_counts(counts)
    if counts:
        arrays.append(array("d", _expanded(counts, sorted(counts))))
    count = sum(map(len, arrays))
    if not count:
        return None
    ranks = _ranks(count)
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


def _ranks(count: int) -> list[int]:
    return [-(-percent * count // 100) - 1 for percent in (50, 95, 99)]


def _expanded(counts: Mapping[float, int], ordered: Sequence[float]) -> Iterator[float]:
    return chain.from_iterable(map(repeat, ordered, map(counts.__getitem__, ordered)))


def _spread_of_counts(counts: Mapping[float, int]) -> ResponseTimes:
    ordered = sorted(counts)
    ends = list(accumulate(map(counts.__getitem__, ordered)))
    count = ends[-1]
    # one after the other, not multiplied: so the sum is that of the ops manual to the last bit
    return ResponseTimes(
        count,
        sum(_expanded(counts, ordered)) / count,
        *(ordered[bisect_right(ends, rank)] for rank in _ranks(count)),
    )


def _in_order(arrays: Sequence[array[float]]) -> Iterator[list[float]]:
    """Yield all values of sorted arrays in order, some ten thousand at a time, so that the numbers of a large log are
    never all unpacked at once. The sum, taken in this order, equals that of the ops manual to the last bit."""
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
