"""Sums, means and quantiles, bit for bit as Prometheus calculates them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from lilfox_tui.scrape.store import Floats

# Sums and means of many numbers, as exact as Prometheus' compensated ones (Neumaier's).


def total(values: Sequence[float]) -> float:
    """Return the sum. It is rounded once, like a compensated sum in all but its worst cases; if it overflows, values
    are added one by one as in Prometheus."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # over the largest number on the way, or infinities of both signs
        sum_, compensation = 0.0, 0.0
        for value in values:
            sum_, compensation = added(value, sum_, compensation)
        return sum_ + compensation


def plain_total(values: Sequence[float]) -> float:
    """Return the sum as in Prometheus 2, rounded at each step."""
    sum_ = values[0]
    for value in values[1:]:
        sum_ += value
    return sum_


def added(value: float, sum_: float, compensation: float) -> tuple[float, float]:
    """Do one step of Neumaier's sum (promql/functions.go, kahanSumInc); return the new sum and compensation."""
    new = sum_ + value
    if math.isinf(new):
        return new, 0.0
    if abs(sum_) >= abs(value):
        return new, compensation + ((sum_ - new) + value)
    return new, compensation + ((value - new) + sum_)


def mean(values: Sequence[float]) -> float:
    """Return the mean of at least one value; computed step by step only if the sum would overflow."""
    try:
        sum_ = math.fsum(values)
    except (OverflowError, ValueError):
        return _mean_by_steps(values)
    return sum_ / len(values)


def _mean_by_steps(values: Sequence[float]) -> float:
    sum_, compensation, running, stepwise = values[0], 0.0, values[0], False
    for count, value in enumerate(values[1:], 2):
        if not stepwise:
            new, new_compensation = added(value, sum_, compensation)
            if not math.isinf(new):
                sum_, compensation = new, new_compensation
                continue
            stepwise = True
            running, compensation = sum_ / (count - 1), compensation / (count - 1)
        part = (count - 1) / count
        running, compensation = added(value / count, part * running, part * compensation)
    return running + compensation if stepwise else sum_ / len(values) + compensation / len(values)


def running_mean(values: Sequence[float]) -> float:
    """Return the mean as in Prometheus 2, updated with each value (promql/engine.go of 2.53)."""
    mean_ = values[0]
    for count, value in enumerate(values[1:], 2):
        if math.isinf(mean_):
            if math.isinf(value) and (mean_ > 0) == (value > 0):
                continue
            if not math.isinf(value) and not math.isnan(value):
                continue
        mean_ += value / count - mean_ / count
    return mean_


def variance(values: Sequence[float]) -> float:
    """Return the population variance, by Welford's steps as in Prometheus; NaN if the first value is not finite."""
    return plain_variance(values) if math.isfinite(values[0]) else math.nan


def plain_variance(values: Sequence[float]) -> float:
    """Return the variance as in Prometheus 2, where one value never differs from itself."""
    squares, mean_ = 0.0, values[0]
    for count, value in enumerate(values[1:], 2):
        delta = value - mean_
        mean_ += delta / count
        squares += delta * (value - mean_)
    return squares / len(values)


# Sums that lose nothing to rounding, bit for bit as Prometheus makes them (Kahan's, with Neumaier's improvement).
#
# What rounding takes from ``sum + term`` is itself a float, whichever of the two is larger, so Knuth's way without a
# branch finds the same one: https://en.wikipedia.org/wiki/2Sum.


_WIDE: Final = 256
"""Columns from which adding row by row is faster than working on the whole matrix at once (measured)."""


def column_sums(terms: Floats) -> tuple[Floats, Floats]:
    """Return the sum of each column and the rounding error: added together they are the compensated sum.

    ``terms`` has at least one row. Where a sum is not finite, what was lost is without meaning.
    """
    return _by_rows(terms) if terms.shape[1] > _WIDE else _at_once(terms)


def column_totals(terms: Floats) -> Floats:
    """Return the compensated sum of each column; an infinite one stays infinite."""
    total, lost = column_sums(terms)
    return np.where(np.isinf(total), total, total + lost)


def increased(total: Floats, lost: Floats, term: Floats) -> tuple[Floats, Floats]:
    """Do one step of the sum, ``total + term``, for a next term that depends on it; an infinite sum has no rounding
    error."""
    after = total + term
    grown = after - total
    lost = lost + ((total - (after - grown)) + (term - grown))
    return after, np.where(np.isinf(after), 0.0, lost)


def _by_rows(terms: Floats) -> tuple[Floats, Floats]:
    total = terms[0].copy()
    lost, after, grown, error = np.zeros((4, len(total)))
    for row in terms[1:]:
        np.add(total, row, out=after)
        np.subtract(after, total, out=grown)
        np.subtract(after, grown, out=error)
        np.subtract(total, error, out=error)
        np.subtract(row, grown, out=grown)
        error += grown
        lost += error
        total, after = after, total
    return total, lost


def _at_once(terms: Floats) -> tuple[Floats, Floats]:
    reached = np.add.accumulate(terms, axis=0)
    if len(terms) == 1:
        return reached[0], np.zeros(terms.shape[1])
    before, after, added = reached[:-1], reached[1:], terms[1:]
    grown = after - before
    lost = (before - (after - grown)) + (added - grown)
    return reached[-1], np.add.accumulate(lost, axis=0)[-1]


# Quantiles of values, as Prometheus takes them (promql/quantile.go).


def out_of_range(q: float) -> float | None:
    """Return the value of any quantile if ``q`` is not between 0 and 1: -Inf below, +Inf above, NaN for NaN."""
    if math.isnan(q):
        return math.nan
    return -math.inf if q < 0 else math.inf if q > 1 else None


def quantile(q: float, values: Floats) -> Floats:
    """Return the ``q``-quantile of each column, interpolated between two values. NaN counts as the smallest value. NaN
    without rows."""
    count, width = values.shape
    fixed = out_of_range(q)
    if fixed is not None or not count:
        return np.full(width, math.nan if not count else fixed)
    unknown = np.count_nonzero(np.isnan(values), axis=0)
    values = np.sort(values, axis=0)
    rank = q * (count - 1)
    lower = math.floor(rank)
    weight = rank - lower
    low, high = (_ranked(values, unknown, place) for place in (lower, min(lower + 1, count - 1)))
    result: Floats = low * (1 - weight) + high * weight
    return result


def _ranked(values: Floats, unknown: np.ndarray[tuple[int], np.dtype[np.intp]], place: int) -> Floats:
    """Return the values at one rank of columns that numpy sorted: it puts NaN (``unknown`` of them) last, not first."""
    if not unknown.any():
        ranked: Floats = values[place]
        return ranked
    picked = np.take_along_axis(values, np.maximum(place - unknown, 0)[None], axis=0)[0]
    return np.where(place < unknown, np.nan, picked)
