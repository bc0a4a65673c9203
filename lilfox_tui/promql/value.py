"""Values of PromQL: scalars, instant vectors, range vectors and matrices."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.promql.label_lists import EMPTY
from lilfox_tui.promql.semantics import Semantics
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.series import ABSENT_BITS, STALE_BITS, Floats, Times

# What an expression gives: a number, a text, a vector at one instant, or lines over time.


class Vector(NamedTuple):
    """One value for each label set, in the order that PromQL gives (by value after ``sort`` and ``topk``, else as they
    were found). No label set is there twice."""

    labels: LabelList
    values: Floats


NOTHING: Final = Vector(EMPTY, np.empty(0))
"""No element at all."""


class Line(NamedTuple):
    """One series over time; ``times`` are milliseconds and ascend. Values may be NaN, never STALE or ABSENT."""

    labels: LabelSet
    times: Times
    values: Floats


class Matrix(NamedTuple):
    """Lines that are the value of a range vector."""

    lines: list[Line]


Scalar: TypeAlias = float
Value: TypeAlias = Vector | Matrix | Scalar | str


# Range vectors: the samples that a function over time works on.


class AlignedSamples(NamedTuple):
    """Columns that have their samples at the same times, without any gap: ``values`` has one row a time (at least one)
    and one column each. STALE and ABSENT never occur. ``columns`` are their places in the block's labels, None where
    these are all. Read only."""

    columns: NDArray[np.intp] | None
    times: Times
    values: Floats


class SampleBlock(NamedTuple):
    """Series of one target, or of a subquery, with their samples in the range. Each label is in at most one part; those
    in none have no sample. There is at least one part."""

    labels: LabelList
    parts: tuple[AlignedSamples, ...]

    def lines(self) -> list[Line]:
        """Each series that has samples as a line."""
        return [
            Line(self.labels[column], part.times, np.ascontiguousarray(part.values[:, place]))
            for part in self.parts
            for place, column in enumerate(range(len(self.labels)) if part.columns is None else part.columns.tolist())
        ]


class EvaluationRange(NamedTuple):
    """The range that samples were taken of, offset and ``@`` applied (milliseconds), and where it is evaluated."""

    start_ms: int
    end_ms: int
    at_ms: int
    semantics: Semantics


class RangeVector(NamedTuple):
    """All samples of a range selector or a subquery."""

    blocks: tuple[SampleBlock, ...]
    span: EvaluationRange


def sample_block(labels: LabelList, times: Times, values: Floats) -> SampleBlock | None:
    """Of a window of rows in which STALE and ABSENT may stand; None where it holds no sample."""
    if not len(times):
        return None
    if not np.isnan(values).any():
        return SampleBlock(labels, (AlignedSamples(None, times, values),))
    bits = values.view(np.int64)
    present = (bits != ABSENT_BITS) & (bits != STALE_BITS)
    full = present.all(axis=0)
    if full.all():
        return SampleBlock(labels, (AlignedSamples(None, times, values),))
    parts = []
    if full.any():
        columns = np.flatnonzero(full)
        parts.append(AlignedSamples(columns, times, values[:, columns]))
    patterns: dict[bytes, list[int]] = {}
    for column in np.flatnonzero(~full & present.any(axis=0)).tolist():
        patterns.setdefault(present[:, column].tobytes(), []).append(column)
    for alike in patterns.values():
        rows, columns = np.flatnonzero(present[:, alike[0]]), np.asarray(alike, np.intp)
        parts.append(AlignedSamples(columns, times[rows], values[np.ix_(rows, columns)]))
    return SampleBlock(labels, tuple(parts)) if parts else None
