"""Binary operators between vectors and scalars, and which elements of two vectors match."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.i18n import tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.label_lists import joined, nameless, recent, taken
from lilfox_tui.promql.semantics import Semantics
from lilfox_tui.promql.tree import BinaryOperation, Matching
from lilfox_tui.promql.value import NOTHING, Vector
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet
from lilfox_tui.scrape.series import Floats

# Arithmetic and comparisons of numbers, as Go calculates them.


Operand: TypeAlias = Floats | float

ARITHMETIC: Final[dict[str, Callable[..., Floats]]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.float_power,  # np.power takes a square root of its own where the exponent is 0.5
    "atan2": np.arctan2,
}
COMPARISONS: Final[dict[str, Callable[..., NDArray[np.bool_]]]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
SETS: Final = frozenset({"and", "or", "unless"})


def of_numbers(op: str, left: float, right: float) -> float:
    """Of two scalars; a comparison gives 1 or 0."""
    if op in COMPARISONS:
        return float(COMPARISONS[op](left, right))
    return float(ARITHMETIC[op](np.float64(left), np.float64(right)))


def negated(value: float) -> float:
    """``-value``; of NaN a NaN."""
    return value if math.isnan(value) else -value


# Which elements of two vectors belong together (https://prometheus.io/docs/prometheus/latest/querying/operators/).
#
# It depends on labels alone, so the plan is made once for two lists and kept with the left one.


Places: TypeAlias = NDArray[np.intp]
Naming: TypeAlias = Literal["keep", "drop", "drop last"]
"""What becomes of the metric's name: a comparison keeps it, arithmetic drops it, ``bool`` drops it at the end."""
NOWHERE = -1


class MatchedPairs(NamedTuple):
    """Places in the left and the right vector that belong together, and the labels of what comes out. NOWHERE stands
    for a value that ``fill`` gives."""

    left: Places
    right: Places
    labels: LabelList
    partners: Places
    """A number for each pair; two of the same number are two partners of one element, which is an error."""
    crowded: bool
    """Whether a number is there twice."""


def pairs(left: LabelList, right: LabelList, matching: Matching, naming: Naming) -> MatchedPairs:
    """Of one to one, or many to one. Raises QueryError where several elements of the side of one have the same key."""
    return recent(left, pairs, (right, matching, naming), lambda: _pairs(left, right, matching, naming))


def refuse_crowds(found: MatchedPairs, matching: Matching, kept: NDArray[np.bool_] | None = None) -> None:
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


def _pairs(left: LabelList, right: LabelList, matching: Matching, naming: Naming) -> MatchedPairs:
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
    return MatchedPairs(many_places, one_places, _list_of(results, many), partners, len(number) < len(found))


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


def operate(node: BinaryOperation, left: Vector | float, right: Vector | float, semantics: Semantics) -> Vector | float:
    """The operator's value. Raises QueryError where elements do not match one to one (or to many, where asked)."""
    if isinstance(left, Vector) and isinstance(right, Vector):
        if node.op in SETS:
            return _of_sets(node.op, left, right, node.matching)
        return _of_vectors(node, left, right, semantics)
    if isinstance(left, Vector):
        return _with_number(node, left.labels, left.values, left.values, right)
    if isinstance(right, Vector):
        return _with_number(node, right.labels, right.values, left, right.values)
    return of_numbers(node.op, left, right)


def _with_number(
    node: BinaryOperation,
    labels: LabelList,
    kept: Floats,
    left: Floats | float | Vector,
    right: Floats | float | Vector,
) -> Vector:
    """One side is a scalar. A comparison keeps the vector's values, whichever side it stands on."""
    if node.op in ARITHMETIC:
        return Vector(nameless(labels), ARITHMETIC[node.op](left, right))
    mask = COMPARISONS[node.op](left, right)
    if node.as_bool:
        return Vector(nameless(labels), mask.astype(np.float64))
    return _filtered(labels, kept, mask)


def _filtered(labels: LabelList, values: Floats, mask: NDArray[np.bool_]) -> Vector:
    if mask.all():
        return Vector(labels, values)
    return Vector(taken(labels, mask), values[mask]) if mask.any() else NOTHING


def _of_vectors(node: BinaryOperation, left: Vector, right: Vector, semantics: Semantics) -> Vector:
    matching = node.matching
    fills = matching.fill_many is not None or matching.fill_one is not None
    if not (len(left.labels) or len(right.labels)) or (not fills and not (len(left.labels) and len(right.labels))):
        return NOTHING
    compares = node.op in COMPARISONS
    naming: Naming = "drop" if not compares else "drop last" if node.as_bool else "keep"
    found = pairs(left.labels, right.labels, matching, naming)
    filters = compares and not node.as_bool
    if not filters or semantics.strict_partners:
        refuse_crowds(found, matching)
    ours, theirs = _values(left, right, found, matching)
    if not compares:
        return Vector(found.labels, ARITHMETIC[node.op](ours, theirs))
    mask = COMPARISONS[node.op](ours, theirs)
    if node.as_bool:
        return Vector(found.labels, mask.astype(np.float64))
    refuse_crowds(found, matching, mask)
    return _filtered(found.labels, ours, mask)


def _values(left: Vector, right: Vector, found: MatchedPairs, matching: Matching) -> tuple[Floats, Floats]:
    fill_left, fill_right = matching.fill_many, matching.fill_one
    if matching.many == "right":
        fill_left, fill_right = fill_right, fill_left
    return _picked(left.values, found.left, fill_left), _picked(right.values, found.right, fill_right)


def _picked(values: Floats, places: NDArray[np.intp], fill: float | None) -> Floats:
    if fill is None:
        return values[places]
    return np.where(places == NOWHERE, fill, np.append(values, fill)[places])


def _of_sets(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    if op == "or":
        if not len(left.labels) or not len(right.labels):
            return left if len(left.labels) else right
        new = ~members(right.labels, left.labels, matching)
        if not new.any():
            return left
        added = _filtered(right.labels, right.values, new)
        return Vector(joined((left.labels, added.labels)), np.concatenate((left.values, added.values)))
    if not len(left.labels):
        return NOTHING
    if not len(right.labels):
        return left if op == "unless" else NOTHING
    there = members(left.labels, right.labels, matching)
    return _filtered(left.labels, left.values, there if op == "and" else ~there)
