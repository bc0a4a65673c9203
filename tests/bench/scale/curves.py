"""Growth: the exponent between two sizes, and the size at which a cost passes a limit. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

Point = tuple[float, float]
"""Size and cost."""
STEADY = 1.05
"""What costs at most so many times as much at the largest size as at the smallest does not grow."""
SUPERLINEAR = 1.1
"""An exponent above this, in the upper half of the ladder, is growth faster than the work."""


def exponents(points: Sequence[Point]) -> list[float]:
    """The exponent from each size to the next: d log cost / d log size. 1 is linear."""
    pairs = pairwise(points)
    return [_exponent(*one, *other) for one, other in pairs]


def upper_exponent(points: Sequence[Point]) -> float | None:
    """The exponent over the upper decade of sizes, of what the cost grew by since the smallest size: so fixed costs do
    not hide a growth. None where there is no decade, or where it grew only within the last one."""
    if len(points) < 3:
        return None
    first, last = points[0], points[-1]
    if last[1] <= STEADY * first[1]:
        return 0.0
    below = [each for each in points[1:-1] if each[0] * 9.5 <= last[0]]
    low = below[-1] if below else points[1]
    if low[1] <= first[1]:
        return None
    return _exponent(low[0] - first[0], low[1] - first[1], last[0] - first[0], last[1] - first[1])


def passes(points: Sequence[Point], limit: float) -> float | None:
    """The size at which the cost passes ``limit``, on the line between the two sizes around it; None if it never does.
    The smallest size if that one is past it."""
    for (size, cost), (next_size, next_cost) in pairwise(points):
        if cost > limit:
            return size
        if next_cost > limit:
            share = (limit - cost) / (next_cost - cost)
            return size + share * (next_size - size)
    return points[-1][0] if points and points[-1][1] > limit else None


def _exponent(size: float, cost: float, next_size: float, next_cost: float) -> float:
    if min(size, cost, next_size, next_cost) <= 0 or size == next_size:
        return 0.0
    return math.log(next_cost / cost) / math.log(next_size / size)
