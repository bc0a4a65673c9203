"""Aggregations over the elements of a vector: ``sum``, ``topk``, ``count_values`` and the like."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lilfox_tui.i18n import tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.label_lists import recent
from lilfox_tui.promql.numerics import mean, plain_total, plain_variance, quantile, running_mean, total, variance
from lilfox_tui.promql.semantics import Semantics
from lilfox_tui.promql.tree import Aggregation, Grouping
from lilfox_tui.promql.value import NOTHING, Vector
from lilfox_tui.promql.xxhash64 import label_hash
from lilfox_tui.scrape.labels import LABEL_NAME, NAME, LabelList, LabelSet
from lilfox_tui.scrape.series import Floats

# The groups of an aggregation: made once for a list of labels, and kept with it.


class Groups(NamedTuple):
    """``order`` lists the elements group by group; a group begins in it at each of ``starts``. ``labels`` are the
    groups' own."""

    labels: LabelList
    order: NDArray[np.intp]
    starts: NDArray[np.intp]

    def split(self, values: Floats) -> list[list[float]]:
        """The values of each group, in the order of the elements."""
        flat = values[self.order].tolist()
        bounds = [*self.starts.tolist(), len(flat)]
        return [flat[bounds[i] : bounds[i + 1]] for i in range(len(bounds) - 1)]

    def places(self) -> Sequence[NDArray[np.intp]]:
        """The elements' places of each group."""
        return np.split(self.order, self.starts[1:])


def groups(labels: LabelList, grouping: Grouping) -> Groups:
    """Those of ``labels``, in the order in which they are met."""
    return labels.derived((groups, grouping), lambda _: _groups(labels, grouping))


def group_of(labels: LabelSet, grouping: Grouping) -> LabelSet:
    """The labels of the group that a series belongs to."""
    return labels.without((*grouping.names, NAME)) if grouping.without else labels.only(grouping.names)


def _groups(labels: LabelList, grouping: Grouping) -> Groups:
    number: dict[LabelSet, int] = {}
    ids = np.fromiter((number.setdefault(group_of(one, grouping), len(number)) for one in labels), np.intp, len(labels))
    order = np.argsort(ids, kind="stable")
    starts = np.searchsorted(ids[order], np.arange(len(number)))
    return Groups(LabelList(list(number)), order, starts.astype(np.intp))


# Aggregations that pick some of the elements of each group: topk, bottomk, limitk, limit_ratio.


def _largest(values: Floats, k: int) -> NDArray[np.intp]:
    """Places of the ``k`` largest, largest first, NaN last; of equal ones the first."""
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
    """A share of all elements by the hash of their labels, so that the same ones are taken each time, and those of
    ``-r`` are what ``1-r`` leaves."""
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
    """One value a group, or some of the elements. Raises QueryError for a parameter that makes no sense."""
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
    return Vector(grouped.labels, _values(node.op, grouped, vector.values, semantics))


def _values(op: str, grouped: Groups, values: Floats, semantics: Semantics) -> Floats:
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
    """As Go's ``strconv.FormatFloat(value, 'f', -1, 64)``: the shortest that reads back, never with an exponent."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")


def check_parameter(op: str, value: float) -> None:
    """Raises QueryError where the number that topk, limitk and the like are given is none that counts."""
    if op in ("topk", "bottomk", "limitk") and not abs(value) < 2**63:
        raise QueryError(tr("{op}: the number of elements is {value}: it must be a whole number", op=op, value=value))
    if op == "limit_ratio" and math.isnan(value):
        raise QueryError(tr("limit_ratio: the ratio is not a number"))
