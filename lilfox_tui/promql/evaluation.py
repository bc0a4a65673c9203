"""Evaluates a query's tree at successive instants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from lilfox_tui.core.i18n import tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.operators import SETS, aggregate, check_parameter, negated, operate
from lilfox_tui.promql.tree import (
    Aggregation,
    BinaryOperation,
    Function,
    FunctionApplication,
    FunctionCall,
    Negation,
    Node,
    NumberLiteral,
    Selector,
    Shift,
    StringLiteral,
    Subquery,
)
from lilfox_tui.promql.value import (
    NOTHING,
    EvaluationRange,
    Line,
    RangeVector,
    SampleBlock,
    Semantics,
    Vector,
    duplicate,
    joined,
    nameless,
    sample_block,
    taken,
)
from lilfox_tui.scrape.labels import LabelList, LabelSet
from lilfox_tui.scrape.store import ABSENT_BITS, STALE_BITS, Floats, SelectedSeries, SeriesSource, Times

# What a selector picks at one instant, out of the rows of one target.


def window(times: Times, start_ms: int, end_ms: int, *, left_open: bool) -> slice:
    """Return the slice of rows with ``start_ms < time <= end_ms``; without ``left_open`` also those at ``start_ms``."""
    first = times.searchsorted(start_ms, "right" if left_open else "left")
    return slice(int(first), int(times.searchsorted(end_ms, "right")))


def instant(
    rows: SelectedSeries, start_ms: int, end_ms: int, *, left_open: bool
) -> tuple[LabelList, Floats, Times] | None:
    """Return the newest sample of each series in the window, and its time; stale and missing series are left out. None
    if nothing is left."""
    at = window(rows.times, start_ms, end_ms, left_open=left_open)
    if at.start >= at.stop:
        return None
    newest = rows.values[at.stop - 1]
    if not np.isnan(newest).any():
        return rows.labels, newest, np.broadcast_to(rows.times[at.stop - 1], newest.shape)
    bits = newest.view(np.int64).copy()
    sampled = np.full(len(bits), rows.times[at.stop - 1], np.int64)
    missing = np.flatnonzero(bits == ABSENT_BITS)
    for row in range(at.stop - 2, at.start - 1, -1):
        if not len(missing):
            break
        older = rows.values[row, missing].view(np.int64)
        found = older != ABSENT_BITS
        bits[missing[found]] = older[found]
        sampled[missing[found]] = rows.times[row]
        missing = missing[~found]
    keep = (bits != ABSENT_BITS) & (bits != STALE_BITS)
    if not keep.any():
        return None
    return taken(rows.labels, keep), bits[keep].view(np.float64), sampled[keep]


def ranged(rows: SelectedSeries, start_ms: int, end_ms: int, *, left_open: bool) -> SampleBlock | None:
    """Return all samples in the window, None without any."""
    at = window(rows.times, start_ms, end_ms, left_open=left_open)
    return sample_block(rows.labels, rows.times[at], rows.values[at])


# Vectors of one instant after the other, put together as series over time.


_MOST_VALUES: Final = 20_000_000
"""160 MB of numbers. Prometheus' own limit is 50 million."""


class SeriesBuilder:
    """Collects the vectors of a range query or a subquery in time order."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._vectors: list[Vector] = []
        self._count = 0

    def add(self, at_ms: int, vector: Vector) -> None:
        """Add the vector at one instant, which must be after the previous ones. Raises QueryError if there are too many
        values in all."""
        self._count += len(vector.labels)
        if self._count > _MOST_VALUES:
            raise QueryError(
                tr("more than {count} values at once; query fewer series or use a longer step", count=_MOST_VALUES)
            )
        self._times.append(at_ms)
        self._vectors.append(vector)

    def block(self) -> SampleBlock | None:
        """Return all vectors as samples; None without any."""
        labels, values = self._matrix()
        return sample_block(labels, np.asarray(self._times, np.int64), values) if len(labels) else None

    def lines(self) -> list[Line]:
        """Return all vectors as lines, sorted by their labels (as in the query API)."""
        found = self.block()
        return sorted(found.lines(), key=lambda line: line.labels.pairs) if found else []

    def _matrix(self) -> tuple[LabelList, Floats]:
        lists = {id(vector.labels): vector.labels for vector in self._vectors if len(vector.labels)}
        if len(lists) == 1 and all(len(vector.labels) for vector in self._vectors):
            return self._vectors[0].labels, np.stack([vector.values for vector in self._vectors])
        column_of: dict[LabelSet, int] = {}
        places = {
            key: np.fromiter((column_of.setdefault(one, len(column_of)) for one in labels), np.intp, len(labels))
            for key, labels in lists.items()
        }
        matrix = np.empty((len(self._vectors), len(column_of)))
        matrix.view(np.int64).fill(ABSENT_BITS)
        for row, vector in enumerate(self._vectors):
            if len(vector.labels):
                matrix[row, places[id(vector.labels)]] = vector.values
        return LabelList(list(column_of)) if len(lists) > 1 else next(iter(lists.values()), LabelList(())), matrix


# Calls functions of two shapes: those of each value, and those of the samples in a range.


Result: TypeAlias = Vector | RangeVector | float | str
"""What an argument may be."""
Found: TypeAlias = list[tuple[LabelList, Floats]]
"""The values of a function over time, block by block, with the names of their metrics."""


def call_each(function: Function, arguments: Iterable[Result]) -> Vector:
    """Apply a function to a vector's values, one by one."""
    vector, *scalars = sorted(arguments, key=lambda argument: not isinstance(argument, Vector))
    if not isinstance(vector, Vector):
        raise TypeError(f"{function.name} takes a vector")
    values = function.kernel(vector.values, *scalars)
    labels = vector.labels if function.keeps_name else nameless(vector.labels)
    return Vector(labels, np.asarray(values))


def call_over_time(function: Function, arguments: Sequence[Result]) -> Found:
    """Apply a function to samples over time; a block in which no series has a value is left out."""
    samples = next(argument for argument in arguments if isinstance(argument, RangeVector))
    scalars = [argument for argument in arguments if not isinstance(argument, RangeVector)]
    found = (_of_block(function, samples.span, one, scalars) for one in samples.blocks)
    return [(labels, values) for labels, values in found if len(labels)]


def put_together(function: Function, found: Found) -> Vector:
    """Join all blocks into one vector."""
    if not found:
        return NOTHING
    names = [labels if function.keeps_name else nameless(labels) for labels, _ in found]
    if len(found) == 1:
        return Vector(names[0], found[0][1])
    return Vector(joined(names), np.concatenate([values for _, values in found]))


def _of_block(
    function: Function, span: EvaluationRange, one: SampleBlock, scalars: Sequence[Result]
) -> tuple[LabelList, Floats]:
    """Return the function's value for each series that has one."""
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


_MOST_STEPS = 100_000
"""Of one subquery; more is a mistake in its step."""


class Row(NamedTuple):
    """Instants that are evaluated in order: those of the query, or of a subquery in it."""

    last_ms: int
    subquery: bool = False


class Evaluation:
    """One query over one source, at instants from ``first_ms`` to ``last_ms`` (the meaning of ``@ start()`` and ``@
    end()``). Raises QueryError if the query has no answer."""

    def __init__(self, source: SeriesSource, semantics: Semantics, first_ms: int, last_ms: int) -> None:
        self._source, self._semantics = source, semantics
        self._first_ms, self._last_ms = first_ms, last_ms
        self._selected: dict[tuple[int, int], tuple[int, int, list[SelectedSeries]]] = {}
        self._steps: dict[int, dict[int, Vector]] = {}
        self._named: dict[int, tuple[dict[LabelSet, LabelSet], dict[int, LabelList]]] = {}

    def at(self, node: Node, at_ms: int, row: Row) -> Result:
        """Return the value at one instant of a row."""
        match node:
            case NumberLiteral() | StringLiteral():
                return node.value
            case Selector():
                if node.range_ms is not None:
                    return self._range(node, node.range_ms, at_ms, row)
                return self._instant(node, at_ms, row)[0]
            case FunctionApplication():
                return self._applied(node, at_ms, row)
            case Aggregation():
                return self._aggregation(node, at_ms, row)
            case BinaryOperation():
                return self._operation(node, at_ms, row)
            case Negation():
                return self._negative(node, at_ms, row)
            case Subquery():
                return self._subquery(node, at_ms, row)

    def vector(self, node: Node, at_ms: int, row: Row) -> Vector:
        """Return the value of a node, which must be a vector."""
        value = self.at(node, at_ms, row)
        if not isinstance(value, Vector):
            raise TypeError(f"{type(node).__name__} gave no vector")
        return value

    def _looked_at(self, shift: Shift, at_ms: int) -> int:
        bounds = {None: at_ms, "start": self._first_ms, "end": self._last_ms}
        base = shift.at if isinstance(shift.at, int) else bounds[shift.at]
        return base - shift.offset_ms

    def _rows(self, node: Selector, start_ms: int, end_ms: int, ahead_ms: int) -> list[SelectedSeries]:
        """Return rows that cover at least the window; they are read from the source once for all instants of a row."""
        key = (id(node), ahead_ms)
        kept = self._selected.get(key)
        if kept is None or not (kept[0] <= start_ms and end_ms <= kept[1]):
            last_ms = max(end_ms, ahead_ms) if node.shift.at is None else end_ms
            kept = (start_ms, last_ms, self._source.select(node.matchers, start_ms, last_ms))
            self._selected[key] = kept
        return kept[2]

    def _window(self, node: Selector, length_ms: int, at_ms: int, row: Row) -> tuple[int, int, list[SelectedSeries]]:
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
        return RangeVector(tuple(blocks), EvaluationRange(start_ms, end_ms, at_ms, self._semantics))

    def _subquery(self, node: Subquery, at_ms: int, row: Row) -> RangeVector:
        """Evaluate a subquery. Its instants are multiples of its step, whatever the evaluation time, so values from the
        previous instant are reused where they overlap."""
        end_ms = self._looked_at(node.shift, at_ms)
        start_ms = end_ms - node.range_ms
        step_ms = node.step_ms or self._semantics.subquery_step_ms
        first = start_ms // step_ms * step_ms
        if first < start_ms or (self._semantics.left_open and first == start_ms):
            first += step_ms
        if (end_ms - first) // step_ms >= _MOST_STEPS:
            raise QueryError(tr("subquery: more than {count} steps; use a longer step", count=_MOST_STEPS))
        inner = Row(self._looked_at(node.shift, row.last_ms), subquery=True)
        before, kept = self._steps.get(id(node), {}), {}
        steps = SeriesBuilder()
        for step in range(first, end_ms + 1, step_ms):
            kept[step] = before[step] if step in before else self.vector(node.inner, step, inner)
            steps.add(step, kept[step])
        self._steps[id(node)] = kept
        found = steps.block()
        return RangeVector((found,) if found else (), EvaluationRange(start_ms, end_ms, at_ms, self._semantics))

    def _applied(self, node: FunctionApplication, at_ms: int, row: Row) -> Vector | float:
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
            return _unique(call_each(function, arguments))
        if function.shape == "over_time":
            found = call_over_time(function, arguments)
            if not function.keeps_name:
                self._refuse_merging(node, [labels for labels, _ in found], row)
            return _unique(put_together(function, found))
        call = FunctionCall(at_ms, self._semantics, selector.matchers if selector else None, sample_times)
        result = function.kernel(call, *arguments)
        if not isinstance(result, Vector | float):
            raise TypeError(f"{function.name} gave neither a vector nor a number")
        return result if isinstance(result, float) else _unique(result)

    def _refuse_merging(self, node: Node, lists: Iterable[LabelList], row: Row) -> None:
        """Raise QueryError if, at different instants of the query, two series have values and differ only in their
        metric names: without the names they would be one line."""
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

    def _operation(self, node: BinaryOperation, at_ms: int, row: Row) -> Vector | float:
        left, right = self.at(node.left, at_ms, row), self.at(node.right, at_ms, row)
        if not isinstance(left, Vector | float) or not isinstance(right, Vector | float):
            raise TypeError("operands are vectors and scalars")
        value = operate(node, left, right, self._semantics)
        return value if isinstance(value, float) or node.op in SETS - {"or"} else _unique(value)

    def _negative(self, node: Negation, at_ms: int, row: Row) -> Vector | float:
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
