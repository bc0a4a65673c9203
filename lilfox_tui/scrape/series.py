"""The contract of whoever keeps series, and how gaps look in their numbers."""

from __future__ import annotations

import struct
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.scrape.labels import LabelList, Matcher

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
"""Milliseconds since 1970 (UTC), as in Prometheus."""

STALE_BITS = 0x7FF0000000000002
"""Prometheus' own stale marker: the series ends here (model/value/value.go)."""
ABSENT_BITS = 0x7FF0000000000003
"""The series has no sample in this row; older ones still count within the lookback."""
STALE: float = struct.unpack("<d", struct.pack("<Q", STALE_BITS))[0]
ABSENT: float = struct.unpack("<d", struct.pack("<Q", ABSENT_BITS))[0]
# Arrays must be filled through their integer view: a float passed through Python arithmetic may lose the pattern.


class SelectedSeries(NamedTuple):
    """Series that share their times (those of one target that a selector picks).

    ``labels`` is the same object from call to call while the selection is the same. ``values`` has one row a time and
    one column a label set; STALE and ABSENT stand where there is no sample. Both arrays are read only and stay as
    they are while the target goes on.
    """

    labels: LabelList
    times: Times
    values: Floats


class SeriesSource(Protocol):
    """Whoever keeps series: the store of what was scraped, or a rule test's input."""

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[SelectedSeries]:
        """All series that every matcher takes, with their rows of ``start_ms <= time <= end_ms``. Series with no row
        in there may be left out."""
        ...


class CombinedSource(SeriesSource):
    """All series of both."""

    def __init__(self, one: SeriesSource, other: SeriesSource) -> None:
        self._one, self._other = one, other

    def select(self, matchers: tuple[Matcher, ...], start_ms: int, end_ms: int) -> list[SelectedSeries]:
        """As :meth:`SeriesSource.select`."""
        return [*self._one.select(matchers, start_ms, end_ms), *self._other.select(matchers, start_ms, end_ms)]
