"""Which elements of two vectors belong together (https://prometheus.io/docs/prometheus/latest/querying/operators/).

It depends on labels alone, so the plan is made once for two lists and kept with the left one.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.i18n import tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.labelling import recent
from lilfox_tui.promql.tree import Matching
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet

Places: TypeAlias = NDArray[np.intp]
NOWHERE = -1


class Pairs(NamedTuple):
    """Places in the left and the right vector that belong together, and the labels of what comes out. NOWHERE stands
    for a value that ``fill`` gives."""

    left: Places
    right: Places
    labels: LabelList


def pairs(left: LabelList, right: LabelList, matching: Matching, *, keep_name: bool) -> Pairs:
    """Of one to one, or many to one. ``keep_name`` where the operator leaves a metric what it is. Raises QueryError
    where an element would have several partners."""
    key = (right, matching, keep_name)
    return recent(left, pairs, key, lambda: _pairs(left, right, matching, keep_name))


def keys(labels: LabelList, matching: Matching) -> list[LabelSet]:
    """What each element is matched by."""
    return labels.derived((keys, matching.on, matching.names), lambda _: [_key(one, matching) for one in labels])


def _key(labels: LabelSet, matching: Matching) -> LabelSet:
    return labels.only(matching.names) if matching.on else labels.without((*matching.names, NAME))


def _pairs(left: LabelList, right: LabelList, matching: Matching, keep_name: bool) -> Pairs:
    swapped = matching.many == "right"
    many, one = (right, left) if swapped else (left, right)
    partner = _partners(one, matching)
    found: list[tuple[int, int]] = []
    results: list[LabelSet] = []
    seen: set[object] = set()

    def pair(many_at: int, one_at: int, key: LabelSet) -> None:
        result = _result(
            many[many_at] if many_at >= 0 else key, one[one_at] if one_at >= 0 else key, matching, keep_name
        )
        _refuse_second((key, result) if matching.many else key, seen, matching)
        found.append((many_at, one_at))
        results.append(result)

    for place, key in enumerate(keys(many, matching)):
        if key in partner:
            pair(place, partner[key], key)
        elif matching.fill_one is not None:
            pair(place, NOWHERE, key)
    if matching.fill_many is not None:
        taken = set(keys(many, matching))
        for key, place in partner.items():
            if key not in taken:
                pair(NOWHERE, place, key)
    columns = np.asarray(found, np.intp).reshape(-1, 2)
    many_places, one_places = columns[:, 0], columns[:, 1]
    if swapped:
        many_places, one_places = one_places, many_places
    return Pairs(many_places, one_places, _list_of(results, many))


def _list_of(results: list[LabelSet], like: LabelList) -> LabelList:
    return like if tuple(results) == like.sets else LabelList(results)


def _partners(one: LabelList, matching: Matching) -> dict[LabelSet, int]:
    partner: dict[LabelSet, int] = {}
    for place, key in enumerate(keys(one, matching)):
        if key in partner:
            side = "left" if matching.many == "right" else "right"
            raise QueryError(
                tr(
                    "found duplicate series for the match group {group} on the {side} hand-side of the operation: "
                    "[{first}, {second}]; many-to-many matching not allowed: matching labels must be unique on one "
                    "side",
                    group=key,
                    side=side,
                    first=one[place],
                    second=one[partner[key]],
                )
            )
        partner[key] = place
    return partner


def _refuse_second(key: object, seen: set[object], matching: Matching) -> None:
    if key in seen:
        if matching.many:
            raise QueryError(tr("multiple matches for labels: grouping labels must ensure unique matches"))
        raise QueryError(
            tr("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)")
        )
    seen.add(key)


def _result(many: LabelSet, one: LabelSet, matching: Matching, keep_name: bool) -> LabelSet:
    result = many if keep_name else many.without((NAME,))
    if not matching.many:
        result = result.only(matching.names) if matching.on else result.without(matching.names)
    if matching.include:
        result = result.replaced({name: one.get(name) for name in matching.include})
    return result


def members(left: LabelList, right: LabelList, matching: Matching) -> NDArray[np.bool_]:
    """Which elements of ``left`` have one of the same key in ``right`` (for ``and``, ``or``, ``unless``)."""
    return recent(left, members, (right, matching), lambda: _members(left, right, matching))


def _members(left: LabelList, right: LabelList, matching: Matching) -> NDArray[np.bool_]:
    there = set(keys(right, matching))
    return np.fromiter((key in there for key in keys(left, matching)), np.bool_, len(left))
