"""Range vectors: the samples that a function over time works on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.promql.semantics import Semantics
from lilfox_tui.promql.value import Line
from lilfox_tui.scrape.labels import LabelList
from lilfox_tui.scrape.series import ABSENT_BITS, STALE_BITS, Floats, Times


class Part(NamedTuple):
    """Columns that have their samples at the same times, without any gap: ``values`` has one row a time (at least one)
    and one column each. STALE and ABSENT never occur. ``columns`` are their places in the block's labels, None where
    these are all. Read only."""

    columns: NDArray[np.intp] | None
    times: Times
    values: Floats


class Block(NamedTuple):
    """Series of one target, or of a subquery, with their samples in the range. Each label is in at most one part; those
    in none have no sample. There is at least one part."""

    labels: LabelList
    parts: tuple[Part, ...]

    def lines(self) -> list[Line]:
        """Each series that has samples as a line."""
        return [
            Line(self.labels[column], part.times, np.ascontiguousarray(part.values[:, place]))
            for part in self.parts
            for place, column in enumerate(range(len(self.labels)) if part.columns is None else part.columns.tolist())
        ]


class Span(NamedTuple):
    """The range that samples were taken of, offset and ``@`` applied (milliseconds), and where it is evaluated."""

    start_ms: int
    end_ms: int
    at_ms: int
    semantics: Semantics


class RangeVector(NamedTuple):
    """All samples of a range selector or a subquery."""

    blocks: tuple[Block, ...]
    span: Span


def block(labels: LabelList, times: Times, values: Floats) -> Block | None:
    """Of a window of rows in which STALE and ABSENT may stand; None where it holds no sample."""
    if not len(times):
        return None
    if not np.isnan(values).any():
        return Block(labels, (Part(None, times, values),))
    bits = values.view(np.int64)
    present = (bits != ABSENT_BITS) & (bits != STALE_BITS)
    full = present.all(axis=0)
    if full.all():
        return Block(labels, (Part(None, times, values),))
    parts = []
    if full.any():
        columns = np.flatnonzero(full)
        parts.append(Part(columns, times, values[:, columns]))
    patterns: dict[bytes, list[int]] = {}
    for column in np.flatnonzero(~full & present.any(axis=0)).tolist():
        patterns.setdefault(present[:, column].tobytes(), []).append(column)
    for alike in patterns.values():
        rows, columns = np.flatnonzero(present[:, alike[0]]), np.asarray(alike, np.intp)
        parts.append(Part(columns, times[rows], values[np.ix_(rows, columns)]))
    return Block(labels, tuple(parts)) if parts else None
