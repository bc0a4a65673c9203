"""Evaluates a query's tree at one instant after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from lilfox_tui.i18n import tr
from lilfox_tui.promql.aggregation import aggregate, check_parameter
from lilfox_tui.promql.binary import NOTHING, operate
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.function import Call, Function
from lilfox_tui.promql.labelling import duplicate, joined, nameless, taken
from lilfox_tui.promql.operators import SETS, negated
from lilfox_tui.promql.samples import Block, RangeVector, Span
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
from lilfox_tui.promql.value import Vector
from lilfox_tui.scrape.labels import LabelList
from lilfox_tui.scrape.series import Floats, Selected, SeriesSource, Times

Result = Vector | RangeVector | float | str
_MOST_STEPS = 100_000
"""Of one subquery; more is a mistake in its step."""


class Evaluation:
    """One query over one source, at instants from ``first_ms`` to ``last_ms`` (what ``@ start()`` and ``@ end()``
    mean). Raises QueryError where the query has no answer."""

    def __init__(self, source: SeriesSource, semantics: Semantics, first_ms: int, last_ms: int) -> None:
        self._source, self._semantics = source, semantics
        self._first_ms, self._last_ms = first_ms, last_ms
        self._selected: dict[tuple[int, int], tuple[int, int, list[Selected]]] = {}

    def at(self, node: Node, at_ms: int, until_ms: int) -> Result:
        """The value at ``at_ms``; ``until_ms`` is the last instant that will be asked for in this row."""
        match node:
            case Number() | Text():
                return node.value
            case Selector():
                if node.range_ms is not None:
                    return self._range(node, node.range_ms, at_ms, until_ms)
                return self._instant(node, at_ms, until_ms)[0]
            case Applied():
                return self._applied(node, at_ms, until_ms)
            case Aggregation():
                return self._aggregation(node, at_ms, until_ms)
            case Operation():
                return self._operation(node, at_ms, until_ms)
            case Negative():
                return self._negative(node, at_ms, until_ms)
            case Subquery():
                return self._subquery(node, at_ms)

    def vector(self, node: Node, at_ms: int, until_ms: int) -> Vector:
        """The value of a node that is a vector."""
        value = self.at(node, at_ms, until_ms)
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

    def _window(self, node: Selector, length_ms: int, at_ms: int, until_ms: int) -> tuple[int, int, list[Selected]]:
        end_ms = self._looked_at(node.shift, at_ms)
        start_ms = end_ms - length_ms
        return start_ms, end_ms, self._rows(node, start_ms, end_ms, self._looked_at(node.shift, until_ms))

    def _instant(self, node: Selector, at_ms: int, until_ms: int) -> tuple[Vector, Times]:
        start_ms, end_ms, rows = self._window(node, self._semantics.lookback_ms, at_ms, until_ms)
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

    def _range(self, node: Selector, range_ms: int, at_ms: int, until_ms: int) -> RangeVector:
        start_ms, end_ms, rows = self._window(node, range_ms, at_ms, until_ms)
        left_open = self._semantics.left_open
        blocks = [part for one in rows if (part := ranged(one, start_ms, end_ms, left_open=left_open))]
        return RangeVector(tuple(blocks), Span(start_ms, end_ms, at_ms, self._semantics))

    def _subquery(self, node: Subquery, at_ms: int) -> RangeVector:
        """Its steps are multiples of the step, whatever the evaluation's time is."""
        end_ms = self._looked_at(node.shift, at_ms)
        start_ms = end_ms - node.range_ms
        step_ms = node.step_ms or self._semantics.subquery_step_ms
        first = start_ms // step_ms * step_ms
        if first < start_ms or (self._semantics.left_open and first == start_ms):
            first += step_ms
        if (end_ms - first) // step_ms >= _MOST_STEPS:
            raise QueryError(tr("subquery: more than {count} steps; make its step longer", count=_MOST_STEPS))
        steps = Steps()
        for step in range(first, end_ms + 1, step_ms):
            steps.add(step, self.vector(node.inner, step, end_ms))
        found = steps.block()
        return RangeVector((found,) if found else (), Span(start_ms, end_ms, at_ms, self._semantics))

    def _applied(self, node: Applied, at_ms: int, until_ms: int) -> Vector | float:
        function = node.function
        selector = next((one for one in node.arguments[:1] if isinstance(one, Selector)), None)
        sample_times: Times | None = None
        arguments: list[Result] = []
        for argument in node.arguments:
            if argument is selector and selector.range_ms is None:
                value, sample_times = self._instant(selector, at_ms, until_ms)
                arguments.append(value)
            else:
                arguments.append(self.at(argument, at_ms, until_ms))
        if function.shape == "each":
            return _unique(_each(function, arguments))
        if function.shape == "over_time":
            return _unique(_over_time(function, arguments))
        call = Call(at_ms, self._semantics, selector.matchers if selector else None, sample_times)
        result = function.kernel(call, *arguments)
        return _unique(result) if isinstance(result, Vector) else float(result)  # type: ignore[arg-type]

    def _aggregation(self, node: Aggregation, at_ms: int, until_ms: int) -> Vector:
        parameter: Result | None = None
        if node.parameter is not None:
            parameter = self.at(node.parameter, at_ms, until_ms)
            if isinstance(parameter, float):
                check_parameter(node.op, parameter)
        if isinstance(parameter, Vector | RangeVector):
            raise TypeError("the parameter of an aggregation is a number or a text")
        return aggregate(node, self.vector(node.inner, at_ms, until_ms), parameter, self._semantics)

    def _operation(self, node: Operation, at_ms: int, until_ms: int) -> Vector | float:
        left, right = self.at(node.left, at_ms, until_ms), self.at(node.right, at_ms, until_ms)
        if not isinstance(left, Vector | float) or not isinstance(right, Vector | float):
            raise TypeError("operands are vectors and scalars")
        value = operate(node, left, right, self._semantics)
        return value if isinstance(value, float) or node.op in SETS - {"or"} else _unique(value)

    def _negative(self, node: Negative, at_ms: int, until_ms: int) -> Vector | float:
        value = self.at(node.inner, at_ms, until_ms)
        if isinstance(value, Vector):
            return _unique(Vector(nameless(value.labels), np.negative(value.values)))
        if not isinstance(value, float):
            raise TypeError("only numbers have a sign")
        return negated(value)


def _unique(vector: Vector) -> Vector:
    twice = duplicate(vector.labels)
    if twice is not None:
        raise QueryError(tr("vector cannot contain metrics with the same labelset: {labels}", labels=twice))
    return vector


def _each(function: Function, arguments: Iterable[Result]) -> Vector:
    vector, *scalars = sorted(arguments, key=lambda argument: not isinstance(argument, Vector))
    if not isinstance(vector, Vector):
        raise TypeError(f"{function.name} takes a vector")
    values = function.kernel(vector.values, *scalars)
    labels = vector.labels if function.keeps_name else nameless(vector.labels)
    return Vector(labels, np.asarray(values))


def _over_time(function: Function, arguments: list[Result]) -> Vector:
    samples = next(argument for argument in arguments if isinstance(argument, RangeVector))
    scalars = [argument for argument in arguments if not isinstance(argument, RangeVector)]
    found: list[tuple[LabelList, Floats]] = []
    for one in samples.blocks:
        labels, values = _of_block(function, samples.span, one, scalars)
        if len(labels):
            found.append((labels if function.keeps_name else nameless(labels), values))
    if len(found) == 1:
        return Vector(*found[0])
    if not found:
        return NOTHING
    return Vector(joined(labels for labels, _ in found), np.concatenate([values for _, values in found]))


def _of_block(function: Function, span: Span, one: Block, scalars: Sequence[Result]) -> tuple[LabelList, Floats]:
    """The function's value of each series that has one."""
    values = np.empty(len(one.labels))
    there = np.zeros(len(one.labels), np.bool_)
    for part in one.parts:
        result = function.kernel(span, part.times, part.values, *scalars)
        if result is None:
            continue
        if part.columns is None:
            return one.labels, np.asarray(result)
        values[part.columns] = np.asarray(result)
        there[part.columns] = True
    return taken(one.labels, there), values[there]
