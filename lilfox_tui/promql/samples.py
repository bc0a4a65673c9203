"""Range vectors: the samples that a function over time works on."""

from __future__ import annotations

from typing import NamedTuple

from lilfox_tui.promql.semantics import Semantics
from lilfox_tui.scrape.labels import LabelList
from lilfox_tui.scrape.series import Floats, Times


class Block(NamedTuple):
    """Series that have their samples at the same times, without any gap: ``values`` has one row a time (``T`` rows, at
    least one) and one column a label set. STALE and ABSENT never occur. Read only."""

    labels: LabelList
    times: Times
    values: Floats


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
