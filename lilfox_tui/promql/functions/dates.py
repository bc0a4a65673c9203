"""Parts of dates, always in UTC. Without an argument they tell of the evaluation's time.

Seconds are counted as Go does, unsigned and from a first of March far in the past, so that what no date can be (NaN,
infinity) gives the same odd numbers too. The rest is Howard Hinnant's ``civil_from_days``:
https://howardhinnant.github.io/date_algorithms.html
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.promql.tree import Function, FunctionCall
from lilfox_tui.promql.value import BARE, Vector, nameless
from lilfox_tui.scrape.store import Floats

Integers = NDArray[np.int64]
_DAY_S: Final = 86_400
_ERA: Final = 146_097
"""Days of 400 years."""
_ZERO_YEAR: Final = -292_277_022_400
_BEFORE_1970_S: Final = (719_468 - _ZERO_YEAR // 400 * _ERA) * _DAY_S
"""From the first of March of the zero year to 1970."""


class Dates(NamedTuple):
    """Dates and times of day in UTC, a number for each value."""

    year: Integers
    month: Integers
    day: Integers
    day_of_march_year: Integers
    """From 0, the first of March."""
    weekday: Integers
    """From 0, Sunday."""
    second: Integers
    """Of the day."""


def dates(seconds: Floats) -> Dates:
    """Of seconds since 1970; fractions are cut off."""
    since_zero = seconds.astype(np.int64).astype(np.uint64) + np.uint64(_BEFORE_1970_S)
    days = (since_zero // np.uint64(_DAY_S)).astype(np.int64)
    second = (since_zero % np.uint64(_DAY_S)).astype(np.int64)
    era, of_era = days // _ERA, days % _ERA
    year = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    from_march = (5 * of_year + 2) // 153
    month = np.where(from_march < 10, from_march + 3, from_march - 9)
    return Dates(
        year=year + era * 400 + (month <= 2) + _ZERO_YEAR,
        month=month,
        day=of_year - (153 * from_march + 2) // 5 + 1,
        day_of_march_year=of_year,
        weekday=(days + 3) % 7,
        second=second,
    )


def _leap(date: Dates) -> NDArray[np.bool_]:
    leap: NDArray[np.bool_] = (date.year % 4 == 0) & ((date.year % 100 != 0) | (date.year % 400 == 0))
    return leap


def _day_of_year(date: Dates) -> Integers:
    since_january = np.where(date.month <= 2, date.day_of_march_year - 306, date.day_of_march_year + 59 + _leap(date))
    return since_january + 1


def _days_in_month(date: Dates) -> Integers:
    days: Integers = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])[date.month - 1]
    longer: Integers = days + (_leap(date) & (date.month == 2))
    return longer


def part(call: FunctionCall, vector: Vector | None = None, *, of: Callable[[Dates], Integers]) -> Vector:
    """One part of the dates that ``vector`` holds (seconds since 1970), or of the evaluation's."""
    if vector is None:
        return Vector(BARE, of(dates(np.array([call.at_ms / 1000]))).astype(np.float64))
    return Vector(nameless(vector.labels), of(dates(vector.values)).astype(np.float64))


_PARTS: Final[dict[str, Callable[[Dates], Integers]]] = {
    "minute": lambda date: date.second % 3600 // 60,
    "hour": lambda date: date.second // 3600,
    "day_of_week": lambda date: date.weekday,
    "day_of_month": lambda date: date.day,
    "day_of_year": _day_of_year,
    "days_in_month": _days_in_month,
    "month": lambda date: date.month,
    "year": lambda date: date.year,
}
FUNCTIONS = tuple(
    Function(name, ("vector",), "vector", "whole", partial(part, of=of), variadic=1) for name, of in _PARTS.items()
)
