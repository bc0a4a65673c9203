"""Classic histograms: quantiles and shares of buckets (as promql/quantile.go, including smallDeltaTolerance)."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.promql.numerics import out_of_range
from lilfox_tui.promql.tree import Function, FunctionCall
from lilfox_tui.promql.value import NOTHING, Vector, joined
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.store import Floats

_BOUND: Final = "le"
_TOLERANCE: Final = 1e-12
"""Counts of neighbours that differ by less than this share of their sum are taken for equal."""
_SMALLEST_NORMAL: Final = 2.0**-1022


class BucketLayout(NamedTuple):
    """Histograms with the same buckets."""

    labels: LabelList
    """Of the histograms, without ``le`` and the name."""
    bounds: Floats
    """Upper bounds, ascending, none twice."""
    places: tuple[NDArray[np.intp], ...]
    """Where the counts are in the vector, [histogram, bucket]; more than one layer where a bucket is there twice
    (``le="1"`` and ``le="1.0"``): they are added."""


def bucket_layouts(labels: LabelList) -> tuple[BucketLayout, ...]:
    """Return the histograms in a vector of buckets. Buckets whose ``le`` is not a number are left out, as in
    Prometheus."""
    return labels.derived(bucket_layouts, _bucket_layouts)


def _bucket_layouts(labels: LabelList) -> tuple[BucketLayout, ...]:
    histograms: dict[LabelSet, dict[float, list[int]]] = {}
    for place, one in enumerate(labels):
        bound = _number(one.get(_BOUND))
        if bound is not None:
            histograms.setdefault(one.without((_BOUND,)), {}).setdefault(bound, []).append(place)
    alike: dict[tuple[tuple[float, int], ...], list[tuple[LabelSet, list[list[int]]]]] = {}
    for one, buckets in histograms.items():
        bounds = sorted(buckets)
        key = tuple((bound, len(buckets[bound])) for bound in bounds)
        alike.setdefault(key, []).append((one.without((NAME,)), [buckets[bound] for bound in bounds]))
    return tuple(_bucket_layout(key, members) for key, members in alike.items())


def _bucket_layout(key: tuple[tuple[float, int], ...], members: list[tuple[LabelSet, list[list[int]]]]) -> BucketLayout:
    depth = max(times for _, times in key)
    layers = tuple(
        np.array([[bucket[layer] if layer < len(bucket) else -1 for bucket in buckets] for _, buckets in members])
        for layer in range(depth)
    )
    return BucketLayout(LabelList([one for one, _ in members]), np.array([bound for bound, _ in key]), layers)


def _number(text: str) -> float | None:
    """Parse a number like Go's ``ParseFloat``, or return None; NaN is not a valid bound."""
    if not text.isascii() or "_" in text or text != text.strip():
        return None
    try:
        number = float.fromhex(text) if "p" in text.lower() else float(text)
    except (ValueError, OverflowError):
        return None
    return None if math.isnan(number) or (math.isinf(number) and "inf" not in text.lower()) else number


def _counts(shape: BucketLayout, values: Floats) -> Floats:
    """Return the counts of all buckets, as [histogram, bucket]."""
    counts = values[shape.places[0]]
    for layer in shape.places[1:]:
        counts = np.where(layer >= 0, counts + values[layer], counts)
    return counts


def histogram_quantile(_: FunctionCall, q: float, vector: Vector) -> Vector:
    """Return the ``q``-quantile of each histogram, interpolated linearly within a bucket; in the last bucket, its lower
    bound."""
    found = bucket_layouts(vector.labels)
    if not found:
        return NOTHING
    fixed = out_of_range(q)
    values = [
        bucket_quantile(q, shape.bounds, _counts(shape, vector.values))
        if fixed is None
        else np.full(len(shape.labels), fixed)
        for shape in found
    ]
    return Vector(joined(shape.labels for shape in found), np.concatenate(values))


def bucket_quantile(q: float, bounds: Floats, counts: Floats) -> Floats:
    """Return the ``q``-quantile of each histogram in ``counts`` [histogram, bucket]; NaN without observations."""
    if not np.isposinf(bounds[-1]) or len(bounds) < 2:
        return np.full(len(counts), np.nan)
    counts = rising(counts)
    every = np.arange(len(counts))
    observed = counts[:, -1]
    rank = q * observed
    bucket = _first_reaching(counts, rank)
    start = np.where(bucket > 0, bounds[bucket - 1], 0.0)
    below = np.where(bucket > 0, counts[every, bucket - 1], 0.0)
    inside = counts[every, bucket] - below
    result = start + (bounds[bucket] - start) * ((rank - below) / inside)
    result = np.where((bucket == 0) & (bounds[0] <= 0), bounds[0], result)
    result = np.where(bucket == len(bounds) - 1, bounds[-2], result)
    return np.where(observed == 0, np.nan, result)


def _first_reaching(counts: Floats, rank: Floats) -> NDArray[np.intp]:
    """Return the first bucket whose count reaches ``rank``, the last one if none before it does. Bisects like Go's
    ``sort.Search``, for the same result if a count is NaN."""
    every = np.arange(len(counts))
    low = np.zeros(len(counts), np.intp)
    high = np.full(len(counts), counts.shape[1] - 1, np.intp)
    while (open_ := low < high).any():
        middle = (low + high) // 2
        reached = counts[every, middle] >= rank
        high = np.where(open_ & reached, middle, high)
        low = np.where(open_ & ~reached, middle + 1, low)
    return low


def rising(counts: Floats) -> Floats:
    """Return counts [histogram, bucket] that never fall from one bucket to the next, and do not rise by mere rounding
    errors."""
    before, after = counts[:, :-1], counts[:, 1:]
    if ((after == before) | (after - before > 2 * _TOLERANCE * (np.abs(before) + np.abs(after)))).all():
        return counts
    counts = counts.copy()
    reached = counts[:, 0]
    for bucket in range(1, counts.shape[1]):
        count = counts[:, bucket]
        kept = _almost_equal(reached, count) | (count < reached)
        counts[:, bucket] = reached = np.where(kept, reached, count)
    return counts


def _almost_equal(left: Floats, right: Floats) -> NDArray[np.bool_]:
    """Whether counts differ only by rounding (util/almost)."""
    total = np.abs(left) + np.abs(right)
    apart = np.abs(left - right)
    tiny = (left == 0) | (right == 0) | (total < _SMALLEST_NORMAL)
    near = np.where(
        tiny, apart < _TOLERANCE * _SMALLEST_NORMAL, apart / np.minimum(total, np.finfo(np.float64).max) < _TOLERANCE
    )
    equal: NDArray[np.bool_] = near | (left == right) | (np.isnan(left) & np.isnan(right))
    return equal


def histogram_fraction(call: FunctionCall, lower: float, upper: float, vector: Vector) -> Vector:
    """Return the share of observations between two values, interpolated linearly within a bucket. Prometheus 2 supports
    it only for native histograms, so there is no result then."""
    found = bucket_layouts(vector.labels) if call.semantics.fraction_of_buckets else ()
    if not found:
        return NOTHING
    values = [_fraction(lower, upper, shape.bounds, _counts(shape, vector.values)) for shape in found]
    return Vector(joined(shape.labels for shape in found), np.concatenate(values))


def _fraction(lower: float, upper: float, bounds: Floats, counts: Floats) -> Floats:
    observed = counts[:, -1]
    if not np.isposinf(bounds[-1]) or math.isnan(lower) or math.isnan(upper):
        return np.full(len(counts), np.nan)
    if lower >= upper:
        return np.where(observed == 0, np.nan, 0.0)
    share = (_below(upper, bounds, counts) - _below(lower, bounds, counts)) / observed
    return np.where(observed == 0, np.nan, share)


def _below(value: float, bounds: Floats, counts: Floats) -> Floats:
    """Return how many observations are below ``value``; at most all of them."""
    observed = counts[:, -1]
    bucket = int(np.searchsorted(bounds, value, side="right"))
    if bucket == len(bounds):
        return observed
    start = float(bounds[bucket - 1]) if bucket else 0.0 if bounds[0] > 0 else -math.inf
    before = counts[:, bucket - 1] if bucket else np.zeros(len(counts))
    if start >= value:
        rank = before
    elif math.isinf(start):
        rank = counts[:, bucket]
    else:
        rank = before + (counts[:, bucket] - before) * (value - start) / (float(bounds[bucket]) - start)
    return np.where(rank > observed, observed, rank)


FUNCTIONS = (
    Function("histogram_quantile", ("scalar", "vector"), "vector", "whole", histogram_quantile),
    Function("histogram_fraction", ("scalar", "scalar", "vector"), "vector", "whole", histogram_fraction),
)
