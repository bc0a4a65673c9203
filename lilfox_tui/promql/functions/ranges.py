"""Functions of ranges: rates of counters, slopes of gauges, and aggregations of each series over time."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.core.i18n import tr
from lilfox_tui.promql import numerics
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.numerics import quantile
from lilfox_tui.promql.tree import Function
from lilfox_tui.promql.value import EvaluationRange
from lilfox_tui.scrape.store import Floats, Times

# How fast series change: rates of counters, slopes of gauges, resets and changes.


def extrapolated(
    span: EvaluationRange, times: Times, values: Floats, *, counter: bool, per_second: bool
) -> Floats | None:
    """``rate``, ``increase`` and ``delta``: the increase of the samples, extrapolated to the ends of the range.

    An end that is within 1.1 average gaps of its sample is reached, else half a gap is added; a counter is not drawn
    out to where it would have been negative. None for less than two samples.
    """
    if len(times) < 2:
        return None
    gained: Floats = values[-1] - values[0]
    if counter:
        gained = _with_resets(values, gained)
    sampled = int(times[-1] - times[0]) / 1000
    gap = sampled / (len(times) - 1)
    to_start = int(times[0] - span.start_ms) / 1000
    to_end = int(span.end_ms - times[-1]) / 1000
    near, half = gap * 1.1, gap / 2
    reached = to_start if to_start < near else half
    before = _not_below_zero(values[0], gained, sampled, reached) if counter else reached
    factor = (sampled + before + (to_end if to_end < near else half)) / sampled
    return gained * (factor / _seconds(span) if per_second else factor)


def _seconds(span: EvaluationRange) -> float:
    """Return the range's length, divided like Go's ``Duration.Seconds``, so that it is the same float."""
    seconds, rest = divmod(span.end_ms - span.start_ms, 1000)
    return seconds + rest * 1e6 / 1e9


def _with_resets(values: Floats, gained: Floats) -> Floats:
    """Return the increase of a counter, including its value before each reset; added in time order."""
    fell = values[1:] < values[:-1]
    if not fell.any():
        return gained
    gained = gained.copy()
    for row in np.flatnonzero(fell.any(axis=1)):
        columns = fell[row]
        gained[columns] += values[row, columns]
    return gained


def _not_below_zero(first: Floats, gained: Floats, sampled: float, to_start: float) -> Floats:
    """Return how far before its first sample a counter is extrapolated: not beyond the time at which it was zero."""
    to_zero = np.where((gained > 0) & (first >= 0), sampled * (first / gained), to_start)
    return np.where(to_zero < to_start, to_zero, to_start)


def last_step(_: EvaluationRange, times: Times, values: Floats, *, counter: bool) -> Floats | None:
    """``irate`` and ``idelta``: from the last two samples; None for fewer."""
    if len(times) < 2:
        return None
    before, last = values[-2], values[-1]
    gained: Floats = last - before
    return np.where(last < before, last, gained) / (int(times[-1] - times[-2]) / 1000) if counter else gained


def regression(times: Times, values: Floats, at_ms: int) -> tuple[Floats, Floats]:
    """Return the least-squares line through at least two samples: its slope per second, and its value at ``at_ms``."""
    count = float(len(times))
    x = ((times - at_ms) / 1e3)[:, None]
    of_x, of_xx = (float((total + lost)[0]) for total, lost in (numerics.column_sums(x), numerics.column_sums(x * x)))
    of_y, of_xy = numerics.column_totals(values), numerics.column_totals(x * values)
    slope = (of_xy - of_x * of_y / count) / (of_xx - of_x * of_x / count)
    value = of_y / count - slope * of_x / count
    level = (values == values[0]).all(axis=0)
    if level.any():
        flat = np.where(np.isinf(values[0]), np.nan, values[0])
        slope, value = np.where(level, flat - flat, slope), np.where(level, flat, value)
    return slope, value


def slope(_: EvaluationRange, times: Times, values: Floats) -> Floats | None:
    """``deriv``: the slope per second, by linear regression; None for fewer than two samples."""
    return regression(times, values, int(times[0]))[0] if len(times) > 1 else None


def predicted(span: EvaluationRange, times: Times, values: Floats, ahead_s: float) -> Floats | None:
    """``predict_linear``: the value ``ahead_s`` seconds after the evaluation time; None for fewer than two samples."""
    if len(times) < 2:
        return None
    slope, now = regression(times, values, span.at_ms)
    return slope * ahead_s + now


def resets(_: EvaluationRange, __: Times, values: Floats) -> Floats:
    """``resets``: how often a counter fell."""
    return _how_often(values[1:] < values[:-1])


def changes(_: EvaluationRange, __: Times, values: Floats) -> Floats:
    """``changes``: how often a value differed from the previous one; NaN after NaN is no change."""
    before, after = values[:-1], values[1:]
    return _how_often((before != after) & ~(np.isnan(before) & np.isnan(after)))


def _how_often(there: NDArray[np.bool_]) -> Floats:
    times: Floats = there.sum(axis=0, dtype=np.float64)
    return times


def smoothed(_: EvaluationRange, times: Times, values: Floats, smoothing: float, trend: float) -> Floats | None:
    """``double_exponential_smoothing`` (``holt_winters`` in 2.x). Raises QueryError where a factor is not between 0
    and 1."""
    if smoothing <= 0 or smoothing >= 1:
        raise QueryError(tr("the smoothing factor must be between 0 and 1, not {x}", x=smoothing))
    if trend <= 0 or trend >= 1:
        raise QueryError(tr("the trend factor must be between 0 and 1, not {x}", x=trend))
    if len(times) < 2:
        return None
    level: Floats = values[0]
    before, rise = level, values[1] - level
    for row, value in enumerate(values[1:]):
        if row:
            rise = trend * (level - before) + (1 - trend) * rise
        before, level = level, smoothing * value + (1 - smoothing) * (level + rise)
    return level


RATES = (
    Function("rate", ("matrix",), "vector", "over_time", partial(extrapolated, counter=True, per_second=True)),
    Function("increase", ("matrix",), "vector", "over_time", partial(extrapolated, counter=True, per_second=False)),
    Function("delta", ("matrix",), "vector", "over_time", partial(extrapolated, counter=False, per_second=False)),
    Function("irate", ("matrix",), "vector", "over_time", partial(last_step, counter=True)),
    Function("idelta", ("matrix",), "vector", "over_time", partial(last_step, counter=False)),
    Function("deriv", ("matrix",), "vector", "over_time", slope),
    Function("predict_linear", ("matrix", "scalar"), "vector", "over_time", predicted),
    Function("resets", ("matrix",), "vector", "over_time", resets),
    Function("changes", ("matrix",), "vector", "over_time", changes),
    Function("double_exponential_smoothing", ("matrix", "scalar", "scalar"), "vector", "over_time", smoothed, only=3),
    Function("holt_winters", ("matrix", "scalar", "scalar"), "vector", "over_time", smoothed, only=2),
)


# Aggregations of each series over a range.


def mean(span: EvaluationRange, _: Times, values: Floats) -> Floats:
    """``avg_over_time``: a compensated sum divided once, or running means (see Semantics.plain_mean)."""
    if not span.semantics.plain_mean:
        return _running_mean(values)
    total, lost = numerics.column_sums(values)
    count = len(values)
    average: Floats = total / count + lost / count
    if np.isfinite(total).all():
        return average
    overflown = np.isinf(np.add.accumulate(values, axis=0)[1:]).any(axis=0)
    if overflown.any():
        average[overflown] = _mean_past_overflow(values[:, overflown])
    return average


def _mean_past_overflow(values: Floats) -> Floats:
    """Return the mean when the plain sum overflows: a running mean from the overflow on."""
    average: Floats = values[0].copy()
    lost = np.zeros(len(average))
    running = np.zeros(len(average), bool)
    for count, value in enumerate(values[1:], 2):
        total, more = numerics.increased(average, lost, value)
        stopped = ~running & np.isinf(total)
        average = np.where(stopped, average / (count - 1), average)
        lost = np.where(stopped, lost / (count - 1), lost)
        running |= stopped
        share = (count - 1) / count
        means, errors = numerics.increased(share * average, share * lost, value / count)
        average = np.where(running, means, total)
        lost = np.where(running, errors, more)
    count = len(values)
    return np.where(running, average + lost, average / count + lost / count)


def _running_mean(values: Floats) -> Floats:
    """Return the mean as in Prometheus 2: each value moves it by its share. Infinity stays, unless its opposite or NaN
    follows."""
    average = np.zeros(values.shape[1])
    lost = np.zeros(values.shape[1])
    for count, value in enumerate(values, 1):
        stays = np.isinf(average) & ((value == average) | np.isfinite(value))
        after, more = numerics.increased(average, lost, value / count - average / count)
        average, lost = np.where(stays, average, after), np.where(stays, lost, more)
    return np.where(np.isinf(average), average, average + lost)


def total(_: EvaluationRange, __: Times, values: Floats) -> Floats:
    """``sum_over_time``."""
    return numerics.column_totals(values)


def smallest(_: EvaluationRange, __: Times, values: Floats) -> Floats:
    """``min_over_time``: NaN only if all values are NaN."""
    least: Floats = np.fmin.reduce(values, axis=0)
    return least


def largest(_: EvaluationRange, __: Times, values: Floats) -> Floats:
    """``max_over_time``: NaN only if all values are NaN."""
    most: Floats = np.fmax.reduce(values, axis=0)
    return most


def count(_: EvaluationRange, __: Times, values: Floats) -> Floats:
    """``count_over_time``."""
    return np.full(values.shape[1], float(len(values)))


def present(_: EvaluationRange, __: Times, values: Floats) -> Floats:
    """``present_over_time``: 1."""
    return np.ones(values.shape[1])


def first(_: EvaluationRange, __: Times, values: Floats) -> Floats:
    """``first_over_time``."""
    value: Floats = values[0]
    return value


def last(_: EvaluationRange, __: Times, values: Floats) -> Floats:
    """``last_over_time``."""
    value: Floats = values[-1]
    return value


def variance(span: EvaluationRange, _: Times, values: Floats) -> Floats:
    """``stdvar_over_time``: the population variance (Welford's algorithm, compensated)."""
    average, average_lost, squares, squares_lost = np.zeros((4, values.shape[1]))
    for number, value in enumerate(values, 1):
        off = value - (average + average_lost)
        average, average_lost = numerics.increased(average, average_lost, off / number)
        squares, squares_lost = numerics.increased(squares, squares_lost, off * (value - (average + average_lost)))
    if not span.semantics.exact_sums:  # Prometheus 2 takes infinity from infinity where the squares run over
        squares = np.where(np.isinf(squares), np.nan, squares)
    return (squares + squares_lost) / len(values)


def deviation(span: EvaluationRange, times: Times, values: Floats) -> Floats:
    """``stddev_over_time``."""
    return np.sqrt(variance(span, times, values))


def quantile_over_time(_: EvaluationRange, __: Times, values: Floats, q: float) -> Floats:
    """``quantile_over_time``: the ``q``-quantile."""
    return quantile(q, values)


def median_distance(span: EvaluationRange, _: Times, values: Floats) -> Floats:
    """``mad_over_time``: the median of the distances from the median."""
    found = quantile(0.5, np.abs(values - quantile(0.5, values)))
    if not span.semantics.unknown_deviation:
        return found
    return np.where(np.isnan(values).any(axis=0), np.nan, found)


def time_of_first(_: EvaluationRange, times: Times, values: Floats) -> Floats:
    """``ts_of_first_over_time``: seconds since 1970."""
    return np.full(values.shape[1], int(times[0]) / 1000)


def time_of_last(_: EvaluationRange, times: Times, values: Floats) -> Floats:
    """``ts_of_last_over_time``: seconds since 1970."""
    return np.full(values.shape[1], int(times[-1]) / 1000)


def time_of_smallest(span: EvaluationRange, times: Times, values: Floats) -> Floats:
    """``ts_of_min_over_time``: the last time of the smallest value, seconds since 1970."""
    return _last_time(times, values == smallest(span, times, values))


def time_of_largest(span: EvaluationRange, times: Times, values: Floats) -> Floats:
    """``ts_of_max_over_time``: the last time of the largest value, seconds since 1970."""
    return _last_time(times, values == largest(span, times, values))


def _last_time(times: Times, there: NDArray[np.bool_]) -> Floats:
    """Return the time of the last true row, column by column; of the last row if none is true (all are NaN)."""
    seconds: Floats = times[::-1][np.argmax(there[::-1], axis=0)] / 1000
    return seconds


AGGREGATIONS = (
    Function("avg_over_time", ("matrix",), "vector", "over_time", mean),
    Function("sum_over_time", ("matrix",), "vector", "over_time", total),
    Function("min_over_time", ("matrix",), "vector", "over_time", smallest),
    Function("max_over_time", ("matrix",), "vector", "over_time", largest),
    Function("count_over_time", ("matrix",), "vector", "over_time", count),
    Function("present_over_time", ("matrix",), "vector", "over_time", present),
    Function("first_over_time", ("matrix",), "vector", "over_time", first, keeps_name=True, only=3),
    Function("last_over_time", ("matrix",), "vector", "over_time", last, keeps_name=True),
    Function("stdvar_over_time", ("matrix",), "vector", "over_time", variance),
    Function("stddev_over_time", ("matrix",), "vector", "over_time", deviation),
    Function("quantile_over_time", ("scalar", "matrix"), "vector", "over_time", quantile_over_time),
    Function("ts_of_first_over_time", ("matrix",), "vector", "over_time", time_of_first, only=3),
    Function("ts_of_last_over_time", ("matrix",), "vector", "over_time", time_of_last, only=3),
    Function("ts_of_min_over_time", ("matrix",), "vector", "over_time", time_of_smallest, only=3),
    Function("ts_of_max_over_time", ("matrix",), "vector", "over_time", time_of_largest, only=3),
    Function("mad_over_time", ("matrix",), "vector", "over_time", median_distance),
)
