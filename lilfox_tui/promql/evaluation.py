"""Evaluates a query's tree at one instant after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from lilfox_tui.i18n import tr
from lilfox_tui.promql.aggregation import aggregate, check_parameter
from lilfox_tui.promql.binary import operate
from lilfox_tui.promql.calling import Result, each, over_time, put_together
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.function import Call
from lilfox_tui.promql.labelling import duplicate, joined, nameless
from lilfox_tui.promql.operators import SETS, negated
from lilfox_tui.promql.samples import RangeVector, Span
from lilfox_tui.promql.selecting import instant, ranged
from lilfox_tui.promql.semantics import Semantics
from lilfox_tui.promql.steps import Steps
from lilfox_tui.promql.tree import (
    Aggregation,
    Applied,
    Negative,
    Node,
    Number,
    Operation,
    Selector,
    Shift,
    Subquery,
    Text,
)
from lilfox_tui.promql.value import NOTHING, Vector
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.series import Selected, SeriesSource, Times

_MOST_STEPS = 100_000
"""Of one subquery; more is a mistake in its step."""


class Row(NamedTuple):
    """Instants that are evaluated one after the other: those of the query, or of a subquery in it."""

    last_ms: int
    subquery: bool = False


class Evaluation:
    """One query over one source, at instants from ``first_ms`` to ``last_ms`` (what ``@ start()`` and ``@ end()``
    mean). Raises QueryError where the query has no answer."""

    def __init__(self, source: SeriesSource, semantics: Semantics, first_ms: int, last_ms: int) -> None:
        self._source, self._semantics = source, semantics
        self._first_ms, self._last_ms = first_ms, last_ms
        self._selected: dict[tuple[int, int], tuple[int, int, list[Selected]]] = {}
        self._steps: dict[int, dict[int, Vector]] = {}
        self._named: dict[int, tuple[dict[LabelSet, LabelSet], dict[int, LabelList]]] = {}

    def at(self, node: Node, at_ms: int, row: Row) -> Result:
        """The value at one instant of a row of them."""
        match node:
            case Number() | Text():
                return node.value
            case Selector():
                if node.range_ms is not None:
                    return self._range(node, node.range_ms, at_ms, row)
                return self._instant(node, at_ms, row)[0]
            case Applied():
                return self._applied(node, at_ms, row)
            case Aggregation():
                return self._aggregation(node, at_ms, row)
            case Operation():
                return self._operation(node, at_ms, row)
            case Negative():
                return self._negative(node, at_ms, row)
            case Subquery():
                return self._subquery(node, at_ms, row)

    def vector(self, node: Node, at_ms: int, row: Row) -> Vector:
        """The value of a node that is a vector."""
        value = self.at(node, at_ms, row)
        if not isinstance(value, Vector):
            raise TypeError(f"{type(node).__name__} gave no vector")
        return value

    def _looked_at(self, shift: Shift, at_ms: int) -> int:
        bounds = {None: at_ms, "start": self._first_ms, "end": self._last_ms}
        base = shift.at if isinstance(shift.at, int) else bounds[shift.at]
        return base - shift.offset_ms

    def _rows(self, node: Selector, start_ms: int, end_ms: int, ahead_ms: int) -> list[Selected]:
        """Rows of the window and more; taken of the source once for all instants of a row."""
        key = (id(node), ahead_ms)
        kept = self._selected.get(key)
        if kept is None or not (kept[0] <= start_ms and end_ms <= kept[1]):
            last_ms = max(end_ms, ahead_ms) if node.shift.at is None else end_ms
            kept = (start_ms, last_ms, self._source.select(node.matchers, start_ms, last_ms))
            self._selected[key] = kept
        return kept[2]

    def _window(self, node: Selector, length_ms: int, at_ms: int, row: Row) -> tuple[int, int, list[Selected]]:
        end_ms = self._looked_at(node.shift, at_ms)
        start_ms = end_ms - length_ms
        return start_ms, end_ms, self._rows(node, start_ms, end_ms, self._looked_at(node.shift, row.last_ms))

    def _instant(self, node: Selector, at_ms: int, row: Row) -> tuple[Vector, Times]:
        start_ms, end_ms, rows = self._window(node, self._semantics.lookback_ms, at_ms, row)
        left_open = self._semantics.left_open
        found = [part for one in rows if (part := instant(one, start_ms, end_ms, left_open=left_open))]
        if not found:
            return NOTHING, np.empty(0, np.int64)
        if len(found) == 1:
            labels, values, times = found[0]
        else:
            labels = joined(part[0] for part in found)
            values, times = (np.concatenate([part[place] for part in found]) for place in (1, 2))
        return _unique(Vector(labels, values)), times

    def _range(self, node: Selector, range_ms: int, at_ms: int, row: Row) -> RangeVector:
        start_ms, end_ms, rows = self._window(node, range_ms, at_ms, row)
        left_open = self._semantics.left_open
        blocks = [part for one in rows if (part := ranged(one, start_ms, end_ms, left_open=left_open))]
        return RangeVector(tuple(blocks), Span(start_ms, end_ms, at_ms, self._semantics))

    def _subquery(self, node: Subquery, at_ms: int, row: Row) -> RangeVector:
        """Its steps are multiples of the step, whatever the evaluation's time is, so those of the last instant serve
        again where they overlap."""
        end_ms = self._looked_at(node.shift, at_ms)
        start_ms = end_ms - node.range_ms
        step_ms = node.step_ms or self._semantics.subquery_step_ms
        first = start_ms // step_ms * step_ms
        if first < start_ms or (self._semantics.left_open and first == start_ms):
            first += step_ms
        if (end_ms - first) // step_ms >= _MOST_STEPS:
            raise QueryError(tr("subquery: more than {count} steps; make its step longer", count=_MOST_STEPS))
        inner = Row(self._looked_at(node.shift, row.last_ms), subquery=True)
        before, kept = self._steps.get(id(node), {}), {}
        steps = Steps()
        for step in range(first, end_ms + 1, step_ms):
            kept[step] = before[step] if step in before else self.vector(node.inner, step, inner)
            steps.add(step, kept[step])
        self._steps[id(node)] = kept
        found = steps.block()
        return RangeVector((found,) if found else (), Span(start_ms, end_ms, at_ms, self._semantics))

    def _applied(self, node: Applied, at_ms: int, row: Row) -> Vector | float:
        function = node.function
        selector = next((one for one in node.arguments[:1] if isinstance(one, Selector)), None)
        sample_times: Times | None = None
        arguments: list[Result] = []
        for argument in node.arguments:
            if argument is selector and selector.range_ms is None:
                value, sample_times = self._instant(selector, at_ms, row)
                arguments.append(value)
            else:
                arguments.append(self.at(argument, at_ms, row))
        if function.shape == "each":
            return _unique(each(function, arguments))
        if function.shape == "over_time":
            found = over_time(function, arguments)
            if not function.keeps_name:
                self._refuse_merging(node, [labels for labels, _ in found], row)
            return _unique(put_together(function, found))
        call = Call(at_ms, self._semantics, selector.matchers if selector else None, sample_times)
        result = function.kernel(call, *arguments)
        if not isinstance(result, Vector | float):
            raise TypeError(f"{function.name} gave neither a vector nor a number")
        return result if isinstance(result, float) else _unique(result)

    def _refuse_merging(self, node: Node, lists: Iterable[LabelList], row: Row) -> None:
        """Raises QueryError where, at different instants of the query, two series have values that only the names of
        their metrics tell apart: without the names they would be one line."""
        if row.subquery or self._first_ms == self._last_ms:
            return
        series, seen = self._named.setdefault(id(node), ({}, {}))
        for labels in lists:
            if id(labels) not in seen:
                seen[id(labels)] = labels
                for named, bare in zip(labels, nameless(labels), strict=True):
                    if series.setdefault(bare, named) != named:
                        raise _twice(bare)

    def _aggregation(self, node: Aggregation, at_ms: int, row: Row) -> Vector:
        parameter: Result | None = None
        if node.parameter is not None:
            parameter = self.at(node.parameter, at_ms, row)
            if isinstance(parameter, float):
                check_parameter(node.op, parameter)
        if isinstance(parameter, Vector | RangeVector):
            raise TypeError("the parameter of an aggregation is a number or a text")
        return aggregate(node, self.vector(node.inner, at_ms, row), parameter, self._semantics)

    def _operation(self, node: Operation, at_ms: int, row: Row) -> Vector | float:
        left, right = self.at(node.left, at_ms, row), self.at(node.right, at_ms, row)
        if not isinstance(left, Vector | float) or not isinstance(right, Vector | float):
            raise TypeError("operands are vectors and scalars")
        value = operate(node, left, right, self._semantics)
        return value if isinstance(value, float) or node.op in SETS - {"or"} else _unique(value)

    def _negative(self, node: Negative, at_ms: int, row: Row) -> Vector | float:
        value = self.at(node.inner, at_ms, row)
        if isinstance(value, Vector):
            self._refuse_merging(node, (value.labels,), row)
            return _unique(Vector(nameless(value.labels), np.negative(value.values)))
        if not isinstance(value, float):
            raise TypeError("only numbers have a sign")
        return negated(value)


def _unique(vector: Vector) -> Vector:
    twice = duplicate(vector.labels)
    if twice is not None:
        raise _twice(twice)
    return vector


def _twice(labels: LabelSet) -> QueryError:
    return QueryError(tr("vector cannot contain metrics with the same labelset: {labels}", labels=labels))
