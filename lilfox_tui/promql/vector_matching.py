"""Which elements of two vectors belong together (https://prometheus.io/docs/prometheus/latest/querying/operators/).

It depends on labels alone, so the plan is made once for two lists and kept with the left one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.i18n import tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.labelling import recent
from lilfox_tui.promql.tree import Matching
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet

Places: TypeAlias = NDArray[np.intp]
Naming: TypeAlias = Literal["keep", "drop", "drop last"]
"""What becomes of the metric's name: a comparison keeps it, arithmetic drops it, ``bool`` drops it at the end."""
NOWHERE = -1


class Pairs(NamedTuple):
    """Places in the left and the right vector that belong together, and the labels of what comes out. NOWHERE stands
    for a value that ``fill`` gives."""

    left: Places
    right: Places
    labels: LabelList
    partners: Places
    """A number for each pair; two of the same number are two partners of one element, which is an error."""
    crowded: bool
    """Whether a number is there twice."""


def pairs(left: LabelList, right: LabelList, matching: Matching, naming: Naming) -> Pairs:
    """Of one to one, or many to one. Raises QueryError where several elements of the side of one have the same key."""
    return recent(left, pairs, (right, matching, naming), lambda: _pairs(left, right, matching, naming))


def refuse_crowds(found: Pairs, matching: Matching, kept: NDArray[np.bool_] | None = None) -> None:
    """Raises QueryError where an element has several partners, of all pairs or of those ``kept``."""
    if not found.crowded:
        return
    partners = found.partners if kept is None else found.partners[kept]
    if len(np.unique(partners)) == len(partners):
        return
    if matching.many:
        raise QueryError(tr("multiple matches for labels: grouping labels must ensure unique matches"))
    raise QueryError(tr("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"))


def keys(labels: LabelList, matching: Matching) -> list[LabelSet]:
    """What each element is matched by."""
    return labels.derived((keys, matching.on, matching.names), lambda _: [_key(one, matching) for one in labels])


def _key(labels: LabelSet, matching: Matching) -> LabelSet:
    return labels.only(matching.names) if matching.on else labels.without((*matching.names, NAME))


def _pairs(left: LabelList, right: LabelList, matching: Matching, naming: Naming) -> Pairs:
    swapped = matching.many == "right"
    many, one = (right, left) if swapped else (left, right)
    found = list(_found(many, one, matching))
    results: list[LabelSet] = []
    number: dict[object, int] = {}
    partners = np.empty(len(found), np.intp)
    for place, (many_at, one_at, key) in enumerate(found):
        ours, theirs = many[many_at] if many_at >= 0 else key, one[one_at] if one_at >= 0 else key
        result = _result(ours, theirs, matching, naming)
        partners[place] = number.setdefault((key, result) if matching.many else key, len(number))
        results.append(result)
    many_places = np.fromiter((many_at for many_at, _, _ in found), np.intp, len(found))
    one_places = np.fromiter((one_at for _, one_at, _ in found), np.intp, len(found))
    if swapped:
        many_places, one_places = one_places, many_places
    return Pairs(many_places, one_places, _list_of(results, many), partners, len(number) < len(found))


def _found(many: LabelList, one: LabelList, matching: Matching) -> Iterator[tuple[int, int, LabelSet]]:
    """Places of the side of many and that of one, and the key that they have in common."""
    partner = _partners(one, matching)
    for place, key in enumerate(keys(many, matching)):
        if key in partner:
            yield place, partner[key], key
        elif matching.fill_one is not None:
            yield place, NOWHERE, key
    if matching.fill_many is not None:
        there = set(keys(many, matching))
        yield from ((NOWHERE, place, key) for key, place in partner.items() if key not in there)


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


def _result(many: LabelSet, one: LabelSet, matching: Matching, naming: Naming) -> LabelSet:
    """As resultMetric in promql/engine.go: a label ``__name__`` that is included stands, but for ``bool``."""
    result = many.without((NAME,)) if naming == "drop" else many
    if not matching.many:
        result = result.only(matching.names) if matching.on else result.without(matching.names)
    if matching.include:
        result = result.replaced({name: one.get(name) for name in matching.include})
    return result.without((NAME,)) if naming == "drop last" else result


def members(left: LabelList, right: LabelList, matching: Matching) -> NDArray[np.bool_]:
    """Which elements of ``left`` have one of the same key in ``right`` (for ``and``, ``or``, ``unless``)."""
    return recent(left, members, (right, matching), lambda: _members(left, right, matching))


def _members(left: LabelList, right: LabelList, matching: Matching) -> NDArray[np.bool_]:
    there = set(keys(right, matching))
    return np.fromiter((key in there for key in keys(left, matching)), np.bool_, len(left))
