"""Sums that lose nothing to rounding, bit for bit as Prometheus makes them (Kahan's, with Neumaier's improvement).

What rounding takes from ``sum + term`` is itself a float, whichever of the two is larger, so Knuth's way without a
branch finds the same one: https://en.wikipedia.org/wiki/2Sum.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lilfox_tui.scrape.series import Floats

_WIDE: Final = 256
"""Columns from which adding row by row is faster than working on the whole matrix at once (measured)."""


def sums(terms: Floats) -> tuple[Floats, Floats]:
    """The sum of each column, and what rounding took from it: add it to have the compensated sum.

    ``terms`` has at least one row. Where a sum is not finite, what was lost is without meaning.
    """
    return _by_rows(terms) if terms.shape[1] > _WIDE else _at_once(terms)


def total(terms: Floats) -> Floats:
    """The compensated sum of each column; an infinite one stays infinite."""
    total, lost = sums(terms)
    return np.where(np.isinf(total), total, total + lost)


def increased(total: Floats, lost: Floats, term: Floats) -> tuple[Floats, Floats]:
    """One step of the sum, ``total + term``, where the next term depends on it; an infinite sum has lost nothing."""
    after = total + term
    grown = after - total
    lost = lost + ((total - (after - grown)) + (term - grown))
    return after, np.where(np.isinf(after), 0.0, lost)


def _by_rows(terms: Floats) -> tuple[Floats, Floats]:
    total = terms[0].copy()
    lost, after, grown, error = np.zeros((4, len(total)))
    for row in terms[1:]:
        np.add(total, row, out=after)
        np.subtract(after, total, out=grown)
        np.subtract(after, grown, out=error)
        np.subtract(total, error, out=error)
        np.subtract(row, grown, out=grown)
        error += grown
        lost += error
        total, after = after, total
    return total, lost


def _at_once(terms: Floats) -> tuple[Floats, Floats]:
    reached = np.add.accumulate(terms, axis=0)
    if len(terms) == 1:
        return reached[0], np.zeros(terms.shape[1])
    before, after, added = reached[:-1], reached[1:], terms[1:]
    grown = after - before
    lost = (before - (after - grown)) + (added - grown)
    return reached[-1], np.add.accumulate(lost, axis=0)[-1]
