"""Aggregations that pick some of the elements of each group: topk, bottomk, limitk, limit_ratio."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.promql.groups import groups
from lilfox_tui.promql.labelling import recent
from lilfox_tui.promql.tree import Grouping
from lilfox_tui.promql.value import NOTHING, Vector
from lilfox_tui.promql.xxhash64 import label_hash
from lilfox_tui.scrape.labels import LabelList
from lilfox_tui.scrape.series import Floats


def _largest(values: Floats, k: int) -> NDArray[np.intp]:
    """Places of the ``k`` largest, largest first, NaN last; of equal ones the first."""
    return np.lexsort((-values, np.isnan(values)))[:k]


def _smallest(values: Floats, k: int) -> NDArray[np.intp]:
    return np.lexsort((values, np.isnan(values)))[:k]


def _by_value(pick: Callable[[Floats, int], NDArray[np.intp]]) -> Callable[[Vector, object, Grouping], Vector]:
    def picked(vector: Vector, k: object, grouping: Grouping) -> Vector:
        count = int(k) if isinstance(k, float) else 0
        if count < 1 or not len(vector.labels):
            return NOTHING
        parts = groups(vector.labels, grouping).places()
        return _at(vector, np.concatenate([places[pick(vector.values[places], count)] for places in parts]))

    return picked


def _first(values: Floats, k: int) -> NDArray[np.intp]:
    return np.arange(min(k, len(values)))


def _ratio(vector: Vector, ratio: object, grouping: Grouping) -> Vector:
    """A share of all elements by the hash of their labels, so that the same ones are taken each time, and those of
    ``-r`` are what ``1-r`` leaves."""
    share = min(1.0, max(-1.0, ratio)) if isinstance(ratio, float) else 0.0
    if share == 0 or not len(vector.labels):
        return NOTHING
    hashes = vector.labels.derived(label_hash, lambda labels: np.array([label_hash(one) / 2**64 for one in labels]))
    keep = hashes < share if share > 0 else hashes >= 1 + share
    order = groups(vector.labels, grouping).order
    return _at(vector, order[keep[order]])


def _at(vector: Vector, places: NDArray[np.intp]) -> Vector:
    names = recent(
        vector.labels, _at, places.tobytes(), lambda: LabelList([vector.labels.sets[place] for place in places])
    )
    return Vector(names, vector.values[places])


PICKING: Final[dict[str, Callable[[Vector, object, Grouping], Vector]]] = {
    "topk": _by_value(_largest),
    "bottomk": _by_value(_smallest),
    "limitk": _by_value(_first),
    "limit_ratio": _ratio,
}
