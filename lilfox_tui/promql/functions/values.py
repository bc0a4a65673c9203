"""Functions of each value on its own: rounding, limits, logarithms, angles, and parts of dates."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.promql.tree import Function, FunctionCall
from lilfox_tui.promql.value import BARE, NOTHING, Vector, nameless
from lilfox_tui.scrape.store import Floats

_LN2_HIGH: Final = 6.93147180369123816490e-01
_LN2_LOW: Final = 1.90821492927058770002e-10
_EVEN: Final = (3.999999999940941908e-01, 2.222219843214978396e-01, 1.531383769920937332e-01)
_ODD: Final = (6.666666666666735130e-01, 2.857142874366239149e-01, 1.818357216161805012e-01, 1.479819860511658591e-01)


def natural_logarithm(values: Floats) -> Floats:
    """``ln``, by the polynomial that Go uses (fdlibm's e_log.c), so that even the last bit is the same."""
    part, power = np.frexp(values)
    small = part < math.sqrt(2) / 2
    f = np.where(small, part * 2, part) - 1
    k = np.where(small, power - 1, power).astype(np.float64)
    s = f / (2 + f)
    s2 = s * s
    s4 = s2 * s2
    odd = s2 * (_ODD[0] + s4 * (_ODD[1] + s4 * (_ODD[2] + s4 * _ODD[3])))
    even = s4 * (_EVEN[0] + s4 * (_EVEN[1] + s4 * _EVEN[2]))
    half = 0.5 * f * f
    result = k * _LN2_HIGH - ((half - (s * (half + (odd + even)) + k * _LN2_LOW)) - f)
    special = ~((values > 0) & np.isfinite(values))
    return np.where(special, np.log(values), result)


def binary_logarithm(values: Floats) -> Floats:
    """``log2``: exact for powers of two, as in Go."""
    part, power = np.frexp(values)
    return np.where(part == 0.5, power - 1.0, natural_logarithm(part) * (1 / math.log(2)) + power)


def decimal_logarithm(values: Floats) -> Floats:
    """``log10``: the natural logarithm times a constant, as in Go (for 0.1 it is slightly more than -1)."""
    return natural_logarithm(values) * math.log10(math.e)


def rounded(values: Floats, nearest: float = 1.0) -> Floats:
    """``round``: to multiples of ``nearest``, halves up."""
    inverse = np.float64(1.0) / nearest
    return np.floor(values * inverse + 0.5) / inverse


def sign(values: Floats) -> Floats:
    """``sgn``: 1, -1, or the value itself where it is zero or NaN."""
    return np.where(values < 0, -1.0, np.where(values > 0, 1.0, values))


def radians(values: Floats) -> Floats:
    """``rad``: from degrees."""
    return values * math.pi / 180


def degrees(values: Floats) -> Floats:
    """``deg``: from radians."""
    return values * 180 / math.pi


def at_least(values: Floats, least: float) -> Floats:
    """``clamp_min``. As in Go, infinity is larger than NaN too."""
    if least == math.inf:
        return np.full_like(values, least)
    return np.where(np.isposinf(values), values, np.maximum(values, least))


def at_most(values: Floats, most: float) -> Floats:
    """``clamp_max``. As in Go, minus infinity is less than NaN too."""
    if most == -math.inf:
        return np.full_like(values, most)
    return np.where(np.isneginf(values), values, np.minimum(values, most))


def clamped(_: FunctionCall, vector: Vector, least: float, most: float) -> Vector:
    """``clamp``: no result if the limits are reversed."""
    if most < least:
        return NOTHING
    return Vector(nameless(vector.labels), at_least(at_most(vector.values, most), least))


ARITHMETIC = (
    Function("abs", ("vector",), "vector", "each", np.abs),
    Function("ceil", ("vector",), "vector", "each", np.ceil),
    Function("floor", ("vector",), "vector", "each", np.floor),
    Function("round", ("vector", "scalar"), "vector", "each", rounded, variadic=1),
    Function("sgn", ("vector",), "vector", "each", sign),
    Function("clamp", ("vector", "scalar", "scalar"), "vector", "whole", clamped),
    Function("clamp_min", ("vector", "scalar"), "vector", "each", at_least),
    Function("clamp_max", ("vector", "scalar"), "vector", "each", at_most),
    Function("sqrt", ("vector",), "vector", "each", np.sqrt),
    Function("exp", ("vector",), "vector", "each", np.exp),
    Function("ln", ("vector",), "vector", "each", natural_logarithm),
    Function("log2", ("vector",), "vector", "each", binary_logarithm),
    Function("log10", ("vector",), "vector", "each", decimal_logarithm),
    Function("sin", ("vector",), "vector", "each", np.sin),
    Function("cos", ("vector",), "vector", "each", np.cos),
    Function("tan", ("vector",), "vector", "each", np.tan),
    Function("asin", ("vector",), "vector", "each", np.arcsin),
    Function("acos", ("vector",), "vector", "each", np.arccos),
    Function("atan", ("vector",), "vector", "each", np.arctan),
    Function("sinh", ("vector",), "vector", "each", np.sinh),
    Function("cosh", ("vector",), "vector", "each", np.cosh),
    Function("tanh", ("vector",), "vector", "each", np.tanh),
    Function("asinh", ("vector",), "vector", "each", np.arcsinh),
    Function("acosh", ("vector",), "vector", "each", np.arccosh),
    Function("atanh", ("vector",), "vector", "each", np.arctanh),
    Function("rad", ("vector",), "vector", "each", radians),
    Function("deg", ("vector",), "vector", "each", degrees),
)


# Parts of dates, always in UTC. Without an argument they tell of the evaluation's time.
#
# Seconds are counted as Go does, unsigned and from a first of March far in the past, so that what no date can be (NaN,
# infinity) gives the same odd numbers too. The rest is Howard Hinnant's ``civil_from_days``:
# https://howardhinnant.github.io/date_algorithms.html


Integers = NDArray[np.int64]
_DAY_S: Final = 86_400
_ERA: Final = 146_097
"""Days of 400 years."""
_ZERO_YEAR: Final = -292_277_022_400
_BEFORE_1970_S: Final = (719_468 - _ZERO_YEAR // 400 * _ERA) * _DAY_S
"""From the first of March of the zero year to 1970."""


class Dates(NamedTuple):
    """Dates and times of day in UTC, one number per value."""

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
    """Return the dates of seconds since 1970; fractions are cut off."""
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
    """Return one part of the dates in ``vector`` (seconds since 1970), or of the evaluation time."""
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
DATE_FUNCTIONS = tuple(
    Function(name, ("vector",), "vector", "whole", partial(part, of=of), variadic=1) for name, of in _PARTS.items()
)
