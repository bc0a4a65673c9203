"""The groups of an aggregation: made once for a list of labels, and kept with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.promql.tree import Grouping
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.series import Floats


class Groups(NamedTuple):
    """``order`` lists the elements group by group; a group begins in it at each of ``starts``. ``labels`` are the
    groups' own."""

    labels: LabelList
    order: NDArray[np.intp]
    starts: NDArray[np.intp]

    def split(self, values: Floats) -> list[list[float]]:
        """The values of each group, in the order of the elements."""
        flat = values[self.order].tolist()
        bounds = [*self.starts.tolist(), len(flat)]
        return [flat[bounds[i] : bounds[i + 1]] for i in range(len(bounds) - 1)]

    def places(self) -> Sequence[NDArray[np.intp]]:
        """The elements' places of each group."""
        return np.split(self.order, self.starts[1:])


def groups(labels: LabelList, grouping: Grouping) -> Groups:
    """Those of ``labels``, in the order in which they are met."""
    return labels.derived((groups, grouping), lambda _: _groups(labels, grouping))


def group_of(labels: LabelSet, grouping: Grouping) -> LabelSet:
    """The labels of the group that a series belongs to."""
    return labels.without((*grouping.names, NAME)) if grouping.without else labels.only(grouping.names)


def _groups(labels: LabelList, grouping: Grouping) -> Groups:
    number: dict[LabelSet, int] = {}
    ids = np.fromiter((number.setdefault(group_of(one, grouping), len(number)) for one in labels), np.intp, len(labels))
    order = np.argsort(ids, kind="stable")
    starts = np.searchsorted(ids[order], np.arange(len(number)))
    return Groups(LabelList(list(number)), order, starts.astype(np.intp))
