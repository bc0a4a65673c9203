"""Binary operators between vectors and scalars."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.promql.labelling import joined, nameless, taken
from lilfox_tui.promql.operators import ARITHMETIC, COMPARISONS, SETS, of_numbers
from lilfox_tui.promql.semantics import Semantics
from lilfox_tui.promql.tree import Matching, Operation
from lilfox_tui.promql.value import NOTHING, Vector
from lilfox_tui.promql.vector_matching import NOWHERE, Naming, Pairs, members, pairs, refuse_crowds
from lilfox_tui.scrape.labels import LabelList
from lilfox_tui.scrape.series import Floats


def operate(node: Operation, left: Vector | float, right: Vector | float, semantics: Semantics) -> Vector | float:
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
    node: Operation, labels: LabelList, kept: Floats, left: Floats | float | Vector, right: Floats | float | Vector
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


def _of_vectors(node: Operation, left: Vector, right: Vector, semantics: Semantics) -> Vector:
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


def _values(left: Vector, right: Vector, found: Pairs, matching: Matching) -> tuple[Floats, Floats]:
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
