"""Vectors of one instant after the other, put together as series over time."""

from __future__ import annotations

from typing import Final

import numpy as np

from lilfox_tui.i18n import tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.samples import Block, block
from lilfox_tui.promql.value import Line, Vector
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.series import ABSENT_BITS, Floats

_MOST_VALUES: Final = 20_000_000
"""160 MB of numbers. Prometheus' own limit is 50 million."""


class Steps:
    """Takes the vectors of a range query or a subquery in the order of their times."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._vectors: list[Vector] = []
        self._count = 0

    def add(self, at_ms: int, vector: Vector) -> None:
        """The vector at one instant, which must be after those before. Raises QueryError where all together would take
        too much memory."""
        self._count += len(vector.labels)
        if self._count > _MOST_VALUES:
            raise QueryError(
                tr("more than {count} values at once; ask for fewer series or longer steps", count=_MOST_VALUES)
            )
        self._times.append(at_ms)
        self._vectors.append(vector)

    def block(self) -> Block | None:
        """All of them as samples; None where there is none."""
        labels, values = self._matrix()
        return block(labels, np.asarray(self._times, np.int64), values) if len(labels) else None

    def lines(self) -> list[Line]:
        """All of them as lines, sorted by their labels (as the query API gives them)."""
        found = self.block()
        return sorted(found.lines(), key=lambda line: line.labels.pairs) if found else []

    def _matrix(self) -> tuple[LabelList, Floats]:
        lists = {id(vector.labels): vector.labels for vector in self._vectors if len(vector.labels)}
        if len(lists) == 1 and all(len(vector.labels) for vector in self._vectors):
            return self._vectors[0].labels, np.stack([vector.values for vector in self._vectors])
        column_of: dict[LabelSet, int] = {}
        places = {
            key: np.fromiter((column_of.setdefault(one, len(column_of)) for one in labels), np.intp, len(labels))
            for key, labels in lists.items()
        }
        matrix = np.empty((len(self._vectors), len(column_of)))
        matrix.view(np.int64).fill(ABSENT_BITS)
        for row, vector in enumerate(self._vectors):
            if len(vector.labels):
                matrix[row, places[id(vector.labels)]] = vector.values
        return LabelList(list(column_of)) if len(lists) > 1 else next(iter(lists.values()), LabelList(())), matrix
