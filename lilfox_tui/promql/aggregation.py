"""Aggregations over the elements of a vector."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

import numpy as np

from lilfox_tui.i18n import tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.functions.quantiles import quantile
from lilfox_tui.promql.groups import Groups, group_of, groups
from lilfox_tui.promql.labelling import recent
from lilfox_tui.promql.picking import PICKING
from lilfox_tui.promql.semantics import Semantics
from lilfox_tui.promql.sums import mean, plain_total, plain_variance, running_mean, total, variance
from lilfox_tui.promql.tree import Aggregation, Grouping
from lilfox_tui.promql.value import NOTHING, Vector
from lilfox_tui.scrape.labels import LABEL_NAME, LabelList, LabelSet
from lilfox_tui.scrape.series import Floats

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
