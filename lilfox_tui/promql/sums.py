"""Sums and means of many numbers, as exact as Prometheus' compensated ones (Neumaier's)."""

from __future__ import annotations

import math
from collections.abc import Sequence


def total(values: Sequence[float]) -> float:
    """The sum. Rounded once, as that of a compensated sum in all but its worst cases; where it runs over, added up one
    after the other as Prometheus does."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # over the largest number on the way, or infinities of both signs
        sum_, compensation = 0.0, 0.0
        for value in values:
            sum_, compensation = added(value, sum_, compensation)
        return sum_ + compensation


def plain_total(values: Sequence[float]) -> float:
    """The sum as Prometheus 2 takes it, rounded at each step."""
    sum_ = values[0]
    for value in values[1:]:
        sum_ += value
    return sum_


def added(value: float, sum_: float, compensation: float) -> tuple[float, float]:
    """One step of Neumaier's sum (promql/functions.go, kahanSumInc): the new sum and compensation."""
    new = sum_ + value
    if math.isinf(new):
        return new, 0.0
    if abs(sum_) >= abs(value):
        return new, compensation + ((sum_ - new) + value)
    return new, compensation + ((value - new) + sum_)


def mean(values: Sequence[float]) -> float:
    """The mean, of one value at least; taken step by step only where the sum would run over."""
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
    """The mean as Prometheus 2 takes it: each value moves it (promql/engine.go of 2.53)."""
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
    """Of the whole population, by Welford's steps as Prometheus takes it; NaN where the first is no finite number."""
    return plain_variance(values) if math.isfinite(values[0]) else math.nan


def plain_variance(values: Sequence[float]) -> float:
    """The same of Prometheus 2, where one value never differs from itself."""
    squares, mean_ = 0.0, values[0]
    for count, value in enumerate(values[1:], 2):
        delta = value - mean_
        mean_ += delta / count
        squares += delta * (value - mean_)
    return squares / len(values)
