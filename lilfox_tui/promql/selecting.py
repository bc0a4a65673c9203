"""What a selector picks at one instant, out of the rows of one target."""

from __future__ import annotations

import numpy as np

from lilfox_tui.promql.labelling import taken
from lilfox_tui.promql.samples import Block, block
from lilfox_tui.scrape.labels import LabelList
from lilfox_tui.scrape.series import ABSENT_BITS, STALE_BITS, Floats, Selected, Times


def window(times: Times, start_ms: int, end_ms: int, *, left_open: bool) -> slice:
    """The rows of ``start_ms < time <= end_ms``, or those at ``start_ms`` too."""
    first = times.searchsorted(start_ms, "right" if left_open else "left")
    return slice(int(first), int(times.searchsorted(end_ms, "right")))


def instant(rows: Selected, start_ms: int, end_ms: int, *, left_open: bool) -> tuple[LabelList, Floats, Times] | None:
    """The newest sample of each series in the window, and when it was taken; series that are stale or have none are
    left out. None where nothing is left."""
    at = window(rows.times, start_ms, end_ms, left_open=left_open)
    if at.start >= at.stop:
        return None
    newest = rows.values[at.stop - 1]
    if not np.isnan(newest).any():
        return rows.labels, newest, np.broadcast_to(rows.times[at.stop - 1], newest.shape)
    bits = newest.view(np.int64).copy()
    sampled = np.full(len(bits), rows.times[at.stop - 1], np.int64)
    missing = np.flatnonzero(bits == ABSENT_BITS)
    for row in range(at.stop - 2, at.start - 1, -1):
        if not len(missing):
            break
        older = rows.values[row, missing].view(np.int64)
        found = older != ABSENT_BITS
        bits[missing[found]] = older[found]
        sampled[missing[found]] = rows.times[row]
        missing = missing[~found]
    keep = (bits != ABSENT_BITS) & (bits != STALE_BITS)
    if not keep.any():
        return None
    return taken(rows.labels, keep), bits[keep].view(np.float64), sampled[keep]


def ranged(rows: Selected, start_ms: int, end_ms: int, *, left_open: bool) -> Block | None:
    """All samples in the window, None where there are none."""
    at = window(rows.times, start_ms, end_ms, left_open=left_open)
    return block(rows.labels, rows.times[at], rows.values[at])
