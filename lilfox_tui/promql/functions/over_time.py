"""Aggregations of each series over a range."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.promql import numerics
from lilfox_tui.promql.numerics import quantile
from lilfox_tui.promql.tree import Function
from lilfox_tui.promql.value import EvaluationRange
from lilfox_tui.scrape.store import Floats, Times


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
    """The mean where the plain sum leaves the floats: from there on means of what came so far."""
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
    """The mean of Prometheus 2: each value moves it by its share. Infinity stays, unless its opposite or NaN comes."""
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
    """``min_over_time``: NaN only where there is nothing else."""
    least: Floats = np.fmin.reduce(values, axis=0)
    return least


def largest(_: EvaluationRange, __: Times, values: Floats) -> Floats:
    """``max_over_time``: NaN only where there is nothing else."""
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
    """``stdvar_over_time``: of the values themselves, not of a sample of more (Welford's, compensated)."""
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
    """The ``q``-quantile."""
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
    """``ts_of_min_over_time``: when the smallest value was last there, seconds since 1970."""
    return _last_time(times, values == smallest(span, times, values))


def time_of_largest(span: EvaluationRange, times: Times, values: Floats) -> Floats:
    """``ts_of_max_over_time``: when the largest value was last there, seconds since 1970."""
    return _last_time(times, values == largest(span, times, values))


def _last_time(times: Times, there: NDArray[np.bool_]) -> Floats:
    """Of the last row that is true, column by column; of the last row where none is (all are NaN)."""
    seconds: Floats = times[::-1][np.argmax(there[::-1], axis=0)] / 1000
    return seconds


FUNCTIONS = (
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
