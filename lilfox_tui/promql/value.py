"""Values of PromQL (scalars, vectors, matrices), lists of their labels, and the differences between versions of
Prometheus."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias, TypeVar, cast

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.store import ABSENT_BITS, STALE_BITS, Floats, Times

# Lists of labels made from others: each is made once and kept with the list it comes from, so that the next evaluation
# of the same series finds the same object, with all that was derived from it.


T = TypeVar("T")
_MISSING: Final = object()
_KEPT: Final = 16
"""How many things of one kind are kept with one list where their keys change with the values (``x > 1``)."""

EMPTY: Final = LabelList(())
BARE: Final = LabelList((LabelSet(()),))
"""One series without labels: what ``vector(1)`` and ``sum(x)`` have."""


def nameless(labels: LabelList) -> LabelList:
    """Return the label sets without ``__name__``."""
    return labels.derived(nameless, _without_name)


def _without_name(labels: LabelList) -> LabelList:
    if not any(one.get(NAME) for one in labels):
        return labels
    return LabelList([one.without((NAME,)) for one in labels])


def duplicate(labels: LabelList) -> LabelSet | None:
    """Return a label set that occurs twice, or None."""
    return labels.derived(duplicate, _duplicate)


def _duplicate(labels: LabelList) -> LabelSet | None:
    seen: set[LabelSet] = set()
    for one in labels:
        if one in seen:
            return one
        seen.add(one)
    return None


def taken(labels: LabelList, mask: NDArray[np.bool_]) -> LabelList:
    """Return the label sets where ``mask`` is true."""
    if mask.all():
        return labels
    return recent(labels, taken, mask.tobytes(), lambda: LabelList([labels.sets[i] for i in np.flatnonzero(mask)]))


def joined(lists: Iterable[LabelList]) -> LabelList:
    """Return all label sets of ``lists`` as one list, in their order."""
    every = tuple(one for one in lists if len(one))
    if not every:
        return EMPTY
    if len(every) == 1:
        return every[0]
    return recent(every[0], joined, every[1:], lambda: LabelList([one for labels in every for one in labels]))


def recent(labels: LabelList, kind: Hashable, key: Hashable, make: Callable[[], T]) -> T:
    """Return ``make()``, cached with ``labels`` while ``key`` is among the most recent of its ``kind``; thread-safe."""
    kept = labels.derived(("recent", kind), lambda _: OrderedDict[Hashable, object]())
    found = kept.get(key, _MISSING)
    if found is not _MISSING:
        with suppress(KeyError):  # another thread has dropped it just now
            kept.move_to_end(key)
        return cast("T", found)
    made = kept[key] = make()
    if len(kept) > _KEPT:
        kept.popitem(last=False)
    return made


# Where the versions of Prometheus differ in what a query gives.


class Semantics(Struct, frozen=True):
    """The rules of one Prometheus version for evaluating queries. Durations are in milliseconds."""

    left_open: bool = True
    """Ranges and the lookback are ``(t-d, t]`` (3.x), else ``[t-d, t]`` (2.x)."""
    exact_sums: bool = True
    """``sum`` loses nothing to rounding (3.x), else it adds one number after the other (2.x)."""
    unknown_spread: bool = True
    """``stdvar`` and ``stddev`` of one NaN or infinity are NaN (3.x), else 0 (2.x)."""
    strict_partners: bool = True
    """A comparison fails where elements have several partners (3.x), else only where those pairs stay (2.x)."""
    plain_mean: bool = True
    """``avg`` and ``avg_over_time`` divide a compensated sum, and take running means only when that overflows (3.x),
    else they keep running means throughout."""
    dot_takes_newline: bool = True
    """``.`` in a pattern takes a newline too (3.x)."""
    any_label_name: bool = True
    """A name may be any text in quotes, and a duration a number of seconds (3.x); else names are ASCII words and
    durations have units (2.x)."""
    unknown_deviation: bool = True
    """``mad_over_time`` of samples of which one is NaN is NaN (3.x), else NaN counts as the smallest value."""
    fraction_of_buckets: bool = True
    """``histogram_fraction`` takes classic buckets too (3.x)."""
    lookback_ms: int = 300_000
    """How old a sample may be to count as the present value."""
    subquery_step_ms: int = 60_000
    """The step of ``[5m:]``: Prometheus' evaluation interval."""


PROMETHEUS_3 = Semantics()
PROMETHEUS_2 = Semantics(
    left_open=False,
    exact_sums=False,
    strict_partners=False,
    unknown_spread=False,
    plain_mean=False,
    dot_takes_newline=False,
    any_label_name=False,
    fraction_of_buckets=False,
    unknown_deviation=False,
)


# What an expression gives: a number, a text, a vector at one instant, or lines over time.


class Vector(NamedTuple):
    """One value per label set, in PromQL's order (by value after ``sort`` and ``topk``, else as found). Each label set
    occurs once."""

    labels: LabelList
    values: Floats


NOTHING: Final = Vector(EMPTY, np.empty(0))
"""No element at all."""


class Line(NamedTuple):
    """One series over time; ``times`` are ascending milliseconds. Values may be NaN, never STALE or ABSENT."""

    labels: LabelSet
    times: Times
    values: Floats


class Matrix(NamedTuple):
    """The lines of a range vector's value."""

    lines: list[Line]


Scalar: TypeAlias = float
Value: TypeAlias = Vector | Matrix | Scalar | str


# Range vectors: the samples that a function over time works on.


class AlignedSamples(NamedTuple):
    """Columns with samples at the same times, without gaps: ``values`` has one row per time (at least one) and one
    column each. STALE and ABSENT never occur. ``columns`` are their positions in the block's labels, None if these are
    all. Read-only."""

    columns: NDArray[np.intp] | None
    times: Times
    values: Floats


class SampleBlock(NamedTuple):
    """Series of one target, or of a subquery, with their samples in the range. Each label is in at most one part; those
    in none have no sample. There is at least one part."""

    labels: LabelList
    parts: tuple[AlignedSamples, ...]

    def lines(self) -> list[Line]:
        """Return each series that has samples as a line."""
        return [
            Line(self.labels[column], part.times, np.ascontiguousarray(part.values[:, place]))
            for part in self.parts
            for place, column in enumerate(range(len(self.labels)) if part.columns is None else part.columns.tolist())
        ]


class EvaluationRange(NamedTuple):
    """The range from which samples were taken, with offset and ``@`` applied (milliseconds), and the time of the
    evaluation."""

    start_ms: int
    end_ms: int
    at_ms: int
    semantics: Semantics


class RangeVector(NamedTuple):
    """All samples of a range selector or a subquery."""

    blocks: tuple[SampleBlock, ...]
    span: EvaluationRange


def sample_block(labels: LabelList, times: Times, values: Floats) -> SampleBlock | None:
    """Return the samples of a window of rows that may contain STALE and ABSENT; None if there are none."""
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
