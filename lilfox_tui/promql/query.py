"""A query: parsed once, evaluated any number of times, by LilFox's own engine or a remote Prometheus."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Protocol

import numpy as np
import promql_parser
from msgspec.structs import replace

from lilfox_tui.core.i18n import tr
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.evaluation import Evaluation, Row, SeriesBuilder
from lilfox_tui.promql.lexer import position_of, with_minus, with_whole_characters, without_raw_strings
from lilfox_tui.promql.parser import build_tree, explained, refuse, too_deep
from lilfox_tui.promql.tree import (
    Aggregation,
    BinaryOperation,
    FunctionApplication,
    Negation,
    Node,
    NumberLiteral,
    Selector,
    StringLiteral,
    Subquery,
    ValueKind,
    children,
    value_kind,
)
from lilfox_tui.promql.value import BARE, PROMETHEUS_3, Line, Matrix, RangeVector, Semantics, Value, Vector
from lilfox_tui.scrape.labels import NAME, LabelList, LabelSet, Matcher, ms_of
from lilfox_tui.scrape.store import SeriesSource

# The syntax is that of Prometheus (https://prometheus.io/docs/prometheus/latest/querying/basics/); what is not
# supported is refused by name when the query is parsed: native histograms and what needs them, extended range
# selectors (anchored, smoothed), the trim operators, arithmetic of durations.


MOST_STEPS = 11_000
"""Of a range query, as Prometheus has it."""


def parse(text: str, semantics: Semantics = PROMETHEUS_3) -> Query:
    """Parse the query ``text``. Raises QueryError that says what is wrong or not supported, and where."""
    refuse(text, semantics)
    parsed = _parsed(with_whole_characters(text))
    try:
        tree = build_tree(parsed, semantics)
    except QueryError as error:
        position = position_of(text, error.word) if error.word else None
        raise QueryError(error.message, error.hint, text=text, position=position) from None
    except RecursionError:
        raise too_deep(text) from None
    return Query(text, tree, semantics)


@lru_cache(maxsize=256)
def cached_parse(text: str, semantics: Semantics = PROMETHEUS_3) -> Query:
    """Parse like :func:`parse`; recent queries are not parsed again."""
    return parse(text, semantics)


def _parsed(text: str) -> promql_parser.Expr:
    try:
        parsed = promql_parser.parse(without_raw_strings(text))
        if (negative := with_minus(text)) != text:
            promql_parser.parse(without_raw_strings(negative))  # it takes a plus before what has no sign
    except ValueError as error:
        raise explained(text, str(error)) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust: the parser's own fault, and no Exception
            raise
        raise explained(text, str(error)) from None
    return parsed


class Query:
    """A parsed query; it is immutable and may be evaluated in several threads."""

    def __init__(self, text: str, tree: Node, semantics: Semantics) -> None:
        self.text, self.tree, self.semantics = text, tree, semantics
        self.kind: ValueKind = value_kind(tree)
        self.selectors: tuple[tuple[Matcher, ...], ...] = tuple(_selectors(tree))

    def at(self, source: SeriesSource, at_ms: int) -> Value:
        """Return the value at one instant. Raises QueryError if there is none (elements with several partners)."""
        with np.errstate(all="ignore"):
            value = Evaluation(source, self.semantics, at_ms, at_ms).at(self.tree, at_ms, Row(at_ms))
        return Matrix(_lines(value)) if isinstance(value, RangeVector) else value

    def over(self, source: SeriesSource, start_ms: int, end_ms: int, step_ms: int) -> list[Line]:
        """Return the values from ``start_ms`` to ``end_ms`` (inclusive) every ``step_ms``, as lines sorted by their
        labels. Raises QueryError if there is no value, and for more than MOST_STEPS steps."""
        if self.kind not in ("vector", "scalar"):
            raise QueryError(
                tr("a range query must return a vector or a scalar at each step; this one is a {kind}", kind=self.kind)
            )
        if step_ms <= 0 or (end_ms - start_ms) // step_ms >= MOST_STEPS:
            raise QueryError(
                tr("the step must be longer than 0 and yield at most {count} points per series", count=MOST_STEPS)
            )
        evaluation, steps = Evaluation(source, self.semantics, start_ms, end_ms), SeriesBuilder()
        with np.errstate(all="ignore"):
            for at_ms in range(start_ms, end_ms + 1, step_ms):
                value = evaluation.at(self.tree, at_ms, Row(end_ms))
                if isinstance(value, Vector):
                    steps.add(at_ms, value)
                elif isinstance(value, float):
                    steps.add(at_ms, Vector(BARE, np.array([value])))
        return steps.lines()

    def __repr__(self) -> str:
        return f"Query({self.text!r})"


def _selectors(node: Node) -> list[tuple[Matcher, ...]]:
    if isinstance(node, Selector):
        return [node.matchers]
    return [matchers for child in children(node) for matchers in _selectors(child)]


def _lines(samples: RangeVector) -> list[Line]:
    return [line for block in samples.blocks for line in block.lines()]


# How far back a query looks; and the same query with a shorter sight.


_FEWEST_STEPS = 5
"""Of a subquery that is made shorter."""


def window_ms(node: Node) -> int:
    """Return how far back an expression reads, in milliseconds, through ranges, subqueries and offsets (also those of
    plain selectors): for that long after a start, it lacks part of its data."""
    match node:
        case Selector():
            return (node.range_ms or 0) + max(0, node.shift.offset_ms)
        case Subquery():
            return node.range_ms + max(0, node.shift.offset_ms) + window_ms(node.inner)
        case _:
            return max(map(window_ms, children(node)), default=0)


def ranges_ms(query: Query) -> tuple[int, ...]:
    """Return the ranges in the query, shortest first, without ``offset`` and ``@``: the windows that need more than one
    sample. Empty if the newest sample is enough."""
    return tuple(sorted(_ranges(query.tree)))


def looks_elsewhere(query: Query) -> bool:
    """Whether ``offset`` or ``@`` makes the query read a time other than the requested one."""
    return _elsewhere(query.tree)


def within(query: Query, longest_ms: int) -> Query:
    """Return the query with no range longer than ``longest_ms``, so that a rate over a young store does not cover
    missing data."""
    return Query(query.text, _shortened(query.tree, longest_ms), query.semantics)


def _shortened(node: Node, longest_ms: int) -> Node:
    match node:
        case NumberLiteral() | StringLiteral():
            return node
        case Selector():
            return node if node.range_ms is None else replace(node, range_ms=min(node.range_ms, longest_ms))
        case Subquery():
            step_ms = node.step_ms
            if node.range_ms > longest_ms:
                step_ms = max(1, min(step_ms or longest_ms, longest_ms // _FEWEST_STEPS))
            inner = _shortened(node.inner, longest_ms)
            return replace(node, inner=inner, range_ms=min(node.range_ms, longest_ms), step_ms=step_ms)
        case Negation():
            return replace(node, inner=_shortened(node.inner, longest_ms))
        case FunctionApplication():
            return replace(node, arguments=tuple(_shortened(one, longest_ms) for one in node.arguments))
        case Aggregation():
            parameter = None if node.parameter is None else _shortened(node.parameter, longest_ms)
            return replace(node, inner=_shortened(node.inner, longest_ms), parameter=parameter)
        case BinaryOperation():
            return replace(node, left=_shortened(node.left, longest_ms), right=_shortened(node.right, longest_ms))


def _ranges(node: Node) -> list[int]:
    found = [one for child in children(node) for one in _ranges(child)]
    if isinstance(node, Selector | Subquery) and node.range_ms is not None:
        found.append(node.range_ms)
    return found


def _elsewhere(node: Node) -> bool:
    if isinstance(node, Selector | Subquery) and (node.shift.offset_ms or node.shift.at is not None):
        return True
    return any(_elsewhere(child) for child in children(node))


# Whoever answers PromQL: the evaluator here over what was scraped, or a Prometheus that runs elsewhere.


_ANY_NAME = Matcher(NAME, "!=", "")
MOST_NAMES = 100_000
"""Of labels, or of values of one label."""


class QueryEngine(Protocol):
    """Answers queries. Times are aware datetimes. Every method raises LilFoxError: QueryError for an invalid query,
    others if it cannot be executed."""

    async def instant(self, text: str, at: datetime | None = None) -> Value:
        """Return the value at one instant, by default now."""
        ...

    async def range(self, text: str, start: datetime, end: datetime, step_s: float) -> list[Line]:
        """Return the values from ``start`` to ``end`` (inclusive) every ``step_s`` seconds."""
        ...

    async def series(self, matchers: tuple[Matcher, ...], start: datetime, end: datetime) -> list[LabelSet]:
        """Return the series that all ``matchers`` select and that have samples between ``start`` and ``end``."""
        ...

    async def label_names(self, metric: str, start: datetime, end: datetime) -> list[str]:
        """Return the labels of the series of ``metric`` (of all series if it is empty) that have samples between
        ``start`` and ``end``, sorted."""
        ...

    async def label_values(self, metric: str, label: str, start: datetime, end: datetime) -> list[str]:
        """Return the values of ``label`` in the series of ``metric`` (in all series if it is empty) that have samples
        between ``start`` and ``end``, sorted; at most MOST_NAMES. Those of ``__name__`` are the names of metrics."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...


class EmbeddedEngine(QueryEngine):
    """Evaluates over ``source`` in a thread, so that no query blocks the event loop."""

    def __init__(self, source: SeriesSource, semantics: Semantics = PROMETHEUS_3) -> None:
        self._source, self._semantics = source, semantics

    async def instant(self, text: str, at: datetime | None = None) -> Value:
        """See :meth:`QueryEngine.instant`."""
        at_ms = ms_of(at or datetime.now(UTC))
        return await asyncio.to_thread(lambda: cached_parse(text, self._semantics).at(self._source, at_ms))

    async def range(self, text: str, start: datetime, end: datetime, step_s: float) -> list[Line]:
        """See :meth:`QueryEngine.range`."""
        times = ms_of(start), ms_of(end), round(step_s * 1000)
        return await asyncio.to_thread(lambda: cached_parse(text, self._semantics).over(self._source, *times))

    async def series(self, matchers: tuple[Matcher, ...], start: datetime, end: datetime) -> list[LabelSet]:
        """See :meth:`QueryEngine.series`."""
        found = await asyncio.to_thread(self._source.select, matchers, ms_of(start), ms_of(end))
        return [labels for one in found for labels in one.labels]

    async def label_names(self, metric: str, start: datetime, end: datetime) -> list[str]:
        """See :meth:`QueryEngine.label_names`."""
        return await asyncio.to_thread(self._label_names, metric, ms_of(start), ms_of(end))

    async def label_values(self, metric: str, label: str, start: datetime, end: datetime) -> list[str]:
        """See :meth:`QueryEngine.label_values`."""
        return await asyncio.to_thread(self._label_values, metric, label, ms_of(start), ms_of(end))

    def _label_names(self, metric: str, start_ms: int, end_ms: int) -> list[str]:
        found = self._source.select((_of(metric),), start_ms, end_ms)
        return sorted({name for one in found for name in one.labels.derived("label names", _names)})

    def _label_values(self, metric: str, label: str, start_ms: int, end_ms: int) -> list[str]:
        found = self._source.select((_of(metric),), start_ms, end_ms)
        values = {each for one in found for each in one.labels.derived(("values", label), partial(_values, label))}
        return sorted(values)[:MOST_NAMES]

    async def close(self) -> None:
        """Do nothing: no connection is open."""


def _of(metric: str) -> Matcher:
    return Matcher(NAME, "=", metric) if metric else _ANY_NAME


def _names(labels: LabelList) -> frozenset[str]:
    return frozenset(name for one in labels for name, _value in one)


def _values(label: str, labels: LabelList) -> frozenset[str]:
    return frozenset(one.get(label) for one in labels) - {""}
