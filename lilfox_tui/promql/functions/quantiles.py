"""Quantiles of values, as Prometheus takes them (promql/quantile.go)."""

from __future__ import annotations

import math

import numpy as np

from lilfox_tui.scrape.series import Floats


def out_of_range(q: float) -> float | None:
    """What any quantile is where ``q`` is not between 0 and 1: -Inf below, +Inf above, NaN for NaN."""
    if math.isnan(q):
        return math.nan
    return -math.inf if q < 0 else math.inf if q > 1 else None


def quantile(q: float, values: Floats) -> Floats:
    """The ``q``-quantile of each column, between two values weighted by distance. NaN counts as the smallest value.
    NaN where there are no rows."""
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
    """The values at one place of columns that numpy sorted: it puts NaN (``unknown`` of them) last, not first."""
    if not unknown.any():
        ranked: Floats = values[place]
        return ranked
    picked = np.take_along_axis(values, np.maximum(place - unknown, 0)[None], axis=0)[0]
    return np.where(place < unknown, np.nan, picked)
