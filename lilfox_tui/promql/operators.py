"""Binary operators and aggregations over vectors."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.core.i18n import tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.numerics import mean, plain_total, plain_variance, quantile, running_mean, total, variance
from lilfox_tui.promql.tree import Aggregation, BinaryOperation, Grouping, Matching
from lilfox_tui.promql.value import NOTHING, Semantics, Vector, joined, nameless, recent, taken
from lilfox_tui.scrape.labels import LABEL_NAME, NAME, LabelList, LabelSet
from lilfox_tui.scrape.store import Floats

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
    """Return the result for two scalars; a comparison gives 1 or 0."""
    if op in COMPARISONS:
        return float(COMPARISONS[op](left, right))
    return float(ARITHMETIC[op](np.float64(left), np.float64(right)))


def negated(value: float) -> float:
    """Return ``-value``; NaN stays NaN."""
    return value if math.isnan(value) else -value


# Which elements of two vectors belong together (https://prometheus.io/docs/prometheus/latest/querying/operators/).
#
# It depends on labels alone, so the plan is made once for two lists and kept with the left one.


Places: TypeAlias = NDArray[np.intp]
Naming: TypeAlias = Literal["keep", "drop", "drop last"]
"""What becomes of the metric's name: a comparison keeps it, arithmetic drops it, ``bool`` drops it at the end."""
NOWHERE = -1


class MatchedPairs(NamedTuple):
    """Positions of matching elements in the left and the right vector, and the labels of the results. NOWHERE stands
    for a value from ``fill``."""

    left: Places
    right: Places
    labels: LabelList
    partners: Places
    """A number for each pair; two of the same number are two partners of one element, which is an error."""
    crowded: bool
    """Whether a number is there twice."""


def pairs(left: LabelList, right: LabelList, matching: Matching, naming: Naming) -> MatchedPairs:
    """Return the pairs of one-to-one or many-to-one matching. Raises QueryError if several elements on the "one" side
    have the same key."""
    return recent(left, pairs, (right, matching, naming), lambda: _pairs(left, right, matching, naming))


def refuse_crowds(found: MatchedPairs, matching: Matching, kept: NDArray[np.bool_] | None = None) -> None:
    """Raise QueryError if an element has several partners, among all pairs or those ``kept``."""
    if not found.crowded:
        return
    partners = found.partners if kept is None else found.partners[kept]
    if len(np.unique(partners)) == len(partners):
        return
    if matching.many:
        raise QueryError(tr("multiple matches for labels: grouping labels must ensure unique matches"))
    raise QueryError(tr("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"))


def keys(labels: LabelList, matching: Matching) -> list[LabelSet]:
    """Return the key by which each element is matched."""
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
    """Yield the positions on the "many" and the "one" side, and their common key."""
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
    """Return the labels of a result, like resultMetric in promql/engine.go: an included label ``__name__`` is kept,
    except with ``bool``."""
    result = many.without((NAME,)) if naming == "drop" else many
    if not matching.many:
        result = result.only(matching.names) if matching.on else result.without(matching.names)
    if matching.include:
        result = result.replaced({name: one.get(name) for name in matching.include})
    return result.without((NAME,)) if naming == "drop last" else result


def members(left: LabelList, right: LabelList, matching: Matching) -> NDArray[np.bool_]:
    """Return which elements of ``left`` have an element with the same key in ``right`` (for ``and``, ``or``,
    ``unless``)."""
    return recent(left, members, (right, matching), lambda: _members(left, right, matching))


def _members(left: LabelList, right: LabelList, matching: Matching) -> NDArray[np.bool_]:
    there = set(keys(right, matching))
    return np.fromiter((key in there for key in keys(left, matching)), np.bool_, len(left))


def operate(node: BinaryOperation, left: Vector | float, right: Vector | float, semantics: Semantics) -> Vector | float:
    """Return the result of a binary operation. Raises QueryError if elements do not match one to one (or to many, if
    requested)."""
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
    """Apply an operator with a scalar on one side. A comparison keeps the vector's values, on whichever side it is."""
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


# XXH64 (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md): Prometheus' hash of labels.


_MASK: Final = 2**64 - 1
_PRIME_1: Final = 0x9E3779B185EBCA87
_PRIME_2: Final = 0xC2B2AE3D27D4EB4F
_PRIME_3: Final = 0x165667B19E3779F9
_PRIME_4: Final = 0x85EBCA77C2B2AE63
_PRIME_5: Final = 0x27D4EB2F165667C5


def label_hash(labels: LabelSet) -> int:
    """Return the hash of a label set as in Prometheus 3: over lengths and texts in a row (labels_stringlabels.go)."""
    parts = []
    for pair in labels:
        for text in pair:
            encoded = text.encode("utf-8", "surrogatepass")
            parts += [_length(len(encoded)), encoded]
    return xxhash64(b"".join(parts))


def _length(size: int) -> bytes:
    return bytes([size]) if size < 255 else b"\xff" + size.to_bytes(3, "little")


def xxhash64(text: bytes) -> int:
    """Return the 64-bit xxHash with seed 0."""
    tail = len(text) // 32 * 32
    if tail:
        lanes = [(_PRIME_1 + _PRIME_2) & _MASK, _PRIME_2, 0, -_PRIME_1 & _MASK]
        for words in struct.iter_unpack("<4Q", text[:tail]):
            lanes = [_round(lane, word) for lane, word in zip(lanes, words, strict=True)]
        result = sum(_turned(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & _MASK
        for lane in lanes:
            result = ((result ^ _round(0, lane)) * _PRIME_1 + _PRIME_4) & _MASK
    else:
        result = _PRIME_5
    return _mixed(_with_tail((result + len(text)) & _MASK, text[tail:]))


def _with_tail(result: int, rest: bytes) -> int:
    words = len(rest) // 8 * 8
    for (word,) in struct.iter_unpack("<Q", rest[:words]):
        result = (_turned(result ^ _round(0, word), 27) * _PRIME_1 + _PRIME_4) & _MASK
    rest = rest[words:]
    if len(rest) >= 4:
        half = int.from_bytes(rest[:4], "little")
        result = (_turned(result ^ (half * _PRIME_1 & _MASK), 23) * _PRIME_2 + _PRIME_3) & _MASK
        rest = rest[4:]
    for byte in rest:
        result = _turned(result ^ (byte * _PRIME_5 & _MASK), 11) * _PRIME_1 & _MASK
    return result


def _mixed(result: int) -> int:
    result = (result ^ result >> 33) * _PRIME_2 & _MASK
    result = (result ^ result >> 29) * _PRIME_3 & _MASK
    return result ^ result >> 32


def _round(lane: int, word: int) -> int:
    return _turned((lane + word * _PRIME_2) & _MASK, 31) * _PRIME_1 & _MASK


def _turned(value: int, by: int) -> int:
    return (value << by | value >> (64 - by)) & _MASK


# Aggregations over the elements of a vector: ``sum``, ``topk``, ``count_values`` and the like.


# The groups of an aggregation: made once for a list of labels, and kept with it.


class Groups(NamedTuple):
    """A vector's elements by group: ``order`` lists the elements group by group, ``starts`` where each group begins in
    it, and ``labels`` the labels of each group."""

    labels: LabelList
    order: NDArray[np.intp]
    starts: NDArray[np.intp]

    def split(self, values: Floats) -> list[list[float]]:
        """Return the values of each group, in the order of the elements."""
        flat = values[self.order].tolist()
        bounds = [*self.starts.tolist(), len(flat)]
        return [flat[bounds[i] : bounds[i + 1]] for i in range(len(bounds) - 1)]

    def places(self) -> Sequence[NDArray[np.intp]]:
        """Return the positions of each group's elements."""
        return np.split(self.order, self.starts[1:])


def groups(labels: LabelList, grouping: Grouping) -> Groups:
    """Return the groups of ``labels``, in order of first appearance."""
    return labels.derived((groups, grouping), lambda _: _groups(labels, grouping))


def group_of(labels: LabelSet, grouping: Grouping) -> LabelSet:
    """Return the labels of the group that a series belongs to."""
    return labels.without((*grouping.names, NAME)) if grouping.without else labels.only(grouping.names)


def _groups(labels: LabelList, grouping: Grouping) -> Groups:
    number: dict[LabelSet, int] = {}
    ids = np.fromiter((number.setdefault(group_of(one, grouping), len(number)) for one in labels), np.intp, len(labels))
    order = np.argsort(ids, kind="stable")
    starts = np.searchsorted(ids[order], np.arange(len(number)))
    return Groups(LabelList(list(number)), order, starts.astype(np.intp))


# Aggregations that pick some of the elements of each group: topk, bottomk, limitk, limit_ratio.


def _largest(values: Floats, k: int) -> NDArray[np.intp]:
    """Return the positions of the ``k`` largest values, largest first, NaN last; of equal ones the first."""
    return np.lexsort((-values, np.isnan(values)))[:k]


def _smallest(values: Floats, k: int) -> NDArray[np.intp]:
    return np.lexsort((values, np.isnan(values)))[:k]


def _by_value(pick: Callable[[Floats, int], NDArray[np.intp]]) -> Callable[[Vector, object, Grouping], Vector]:
    def picked(vector: Vector, k: object, grouping: Grouping) -> Vector:
        count = int(k) if isinstance(k, float) else 0
        if count < 1 or not len(vector.labels):
            return NOTHING
        parts = groups(vector.labels, grouping).places()
        return _at(vector, np.concatenate([places[pick(vector.values[places], count)] for places in parts]))

    return picked


def _first(values: Floats, k: int) -> NDArray[np.intp]:
    return np.arange(min(k, len(values)))


def _ratio(vector: Vector, ratio: object, grouping: Grouping) -> Vector:
    """Select a share of all elements by the hash of their labels, so that the same ones are selected each time, and
    ``-r`` selects what ``1-r`` leaves."""
    share = min(1.0, max(-1.0, ratio)) if isinstance(ratio, float) else 0.0
    if share == 0 or not len(vector.labels):
        return NOTHING
    hashes = vector.labels.derived(label_hash, lambda labels: np.array([label_hash(one) / 2**64 for one in labels]))
    keep = hashes < share if share > 0 else hashes >= 1 + share
    order = groups(vector.labels, grouping).order
    return _at(vector, order[keep[order]])


def _at(vector: Vector, places: NDArray[np.intp]) -> Vector:
    names = recent(
        vector.labels, _at, places.tobytes(), lambda: LabelList([vector.labels.sets[place] for place in places])
    )
    return Vector(names, vector.values[places])


PICKING: Final[dict[str, Callable[[Vector, object, Grouping], Vector]]] = {
    "topk": _by_value(_largest),
    "bottomk": _by_value(_smallest),
    "limitk": _by_value(_first),
    "limit_ratio": _ratio,
}


_CALCULATING: Final = ("sum", "avg", "min", "max", "count", "group", "stdvar", "stddev", "quantile", "count_values")
OPERATORS: Final = frozenset((*PICKING, *_CALCULATING))


def aggregate(node: Aggregation, vector: Vector, parameter: float | str | None, semantics: Semantics) -> Vector:
    """Aggregate a vector: one value per group, or (``topk`` and the like) some of its elements. Raises QueryError for
    an invalid parameter."""
    if node.op in PICKING:
        return PICKING[node.op](vector, parameter, node.grouping)
    if node.op == "count_values":
        label = str(parameter)
        if not (label if semantics.any_label_name else LABEL_NAME.fullmatch(label)):
            raise QueryError(tr("invalid label name {name}", name=repr(label)))
        return _count_values(node, vector, label)
    if not len(vector.labels):
        return NOTHING
    grouped = groups(vector.labels, node.grouping)
    if node.op == "quantile" and isinstance(parameter, float):
        values = [quantile(parameter, vector.values[places, np.newaxis]) for places in grouped.places()]
        return Vector(grouped.labels, np.concatenate(values))
    return Vector(grouped.labels, _aggregation_values(node.op, grouped, vector.values, semantics))


def _aggregation_values(op: str, grouped: Groups, values: Floats, semantics: Semantics) -> Floats:
    match op:
        case "count":
            return np.diff(grouped.starts, append=len(values)).astype(np.float64)
        case "group":
            return np.ones(len(grouped.starts))
        case "min":  # NaN only where there is nothing else
            return np.fmin.reduceat(values[grouped.order], grouped.starts)
        case "max":
            return np.fmax.reduceat(values[grouped.order], grouped.starts)
        case "sum":
            return _each(grouped, values, total if semantics.exact_sums else plain_total)
        case "avg":
            return _each(grouped, values, mean if semantics.plain_mean else running_mean)
        case _:
            spread = _each(grouped, values, variance if semantics.unknown_spread else plain_variance)
            return spread if op == "stdvar" else np.sqrt(spread)


def _each(grouped: Groups, values: Floats, take: Callable[[Sequence[float]], float]) -> Floats:
    return np.asarray([take(one) for one in grouped.split(values)])


def _count_values(node: Aggregation, vector: Vector, label: str) -> Vector:
    counts: dict[LabelSet, int] = {}
    grouping = node.grouping if node.grouping.without else Grouping(False, (*node.grouping.names, label))
    for labels, value in zip(vector.labels, vector.values.tolist(), strict=True):
        group = group_of(labels.replaced({label: _decimal(value)}), grouping)
        counts[group] = counts.get(group, 0) + 1
    names = recent(vector.labels, (_count_values, label), tuple(counts), lambda: LabelList(list(counts)))
    return Vector(names, np.asarray(list(counts.values()), np.float64))


def _decimal(value: float) -> str:
    """Format like Go's ``strconv.FormatFloat(value, 'f', -1, 64)``: the shortest text that parses back, never with an
    exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")


def check_parameter(op: str, value: float) -> None:
    """Raise QueryError if the number given to topk, limitk and the like is invalid."""
    if op in ("topk", "bottomk", "limitk") and not abs(value) < 2**63:
        raise QueryError(
            tr("{op}: {value} is not a valid number of elements: it must fit into a 64-bit integer", op=op, value=value)
        )
    if op == "limit_ratio" and math.isnan(value):
        raise QueryError(tr("limit_ratio: the ratio is NaN"))
