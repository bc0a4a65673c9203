"""Lists of labels made from others: each is made once and kept with the list it comes from, so that the next evaluation
of the same series finds the same object, with all that was derived from it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from typing import Final, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet

T = TypeVar("T")
_MISSING: Final = object()
_KEPT: Final = 16
"""How many things of one kind are kept with one list where their keys change with the values (``x > 1``)."""

EMPTY: Final = LabelList(())
BARE: Final = LabelList((LabelSet(()),))
"""One series without labels: what ``vector(1)`` and ``sum(x)`` have."""


def nameless(labels: LabelList) -> LabelList:
    """The same without ``__name__``."""
    return labels.derived(nameless, _without_name)


def _without_name(labels: LabelList) -> LabelList:
    if not any(one.get(NAME) for one in labels):
        return labels
    return LabelList([one.without((NAME,)) for one in labels])


def duplicate(labels: LabelList) -> LabelSet | None:
    """A label set that is there twice, or None."""
    return labels.derived(duplicate, _duplicate)


def _duplicate(labels: LabelList) -> LabelSet | None:
    seen: set[LabelSet] = set()
    for one in labels:
        if one in seen:
            return one
        seen.add(one)
    return None


def taken(labels: LabelList, mask: NDArray[np.bool_]) -> LabelList:
    """Those where ``mask`` is true."""
    if mask.all():
        return labels
    return recent(labels, taken, mask.tobytes(), lambda: LabelList([labels.sets[i] for i in np.flatnonzero(mask)]))


def joined(lists: Iterable[LabelList]) -> LabelList:
    """All in one, in their order."""
    every = tuple(one for one in lists if len(one))
    if not every:
        return EMPTY
    if len(every) == 1:
        return every[0]
    return recent(every[0], joined, every[1:], lambda: LabelList([one for labels in every for one in labels]))


def recent(labels: LabelList, kind: Hashable, key: Hashable, make: Callable[[], T]) -> T:
    """``make()``, kept with ``labels`` while ``key`` is among the last ones of its ``kind``; for several threads."""
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
