"""PromQL: parse a query once, evaluate it as often as wanted.

The syntax is that of Prometheus (https://prometheus.io/docs/prometheus/latest/querying/basics/); what is not supported
is refused by name when the query is parsed: native histograms and what needs them, extended range selectors (anchored,
smoothed), the trim operators, arithmetic of durations.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import promql_parser

from lilfox_tui.i18n import tr
from lilfox_tui.promql.building import build
from lilfox_tui.promql.errors import QueryError
from lilfox_tui.promql.evaluation import Evaluation, Row
from lilfox_tui.promql.function import Kind
from lilfox_tui.promql.labelling import BARE
from lilfox_tui.promql.refusals import explained, refuse, too_deep
from lilfox_tui.promql.samples import RangeVector
from lilfox_tui.promql.scan import place_of, with_minus, with_whole_characters, without_raw_strings
from lilfox_tui.promql.semantics import PROMETHEUS_3, Semantics
from lilfox_tui.promql.steps import Steps
from lilfox_tui.promql.tree import Node, Selector, children, kind
from lilfox_tui.promql.value import Line, Matrix, Value, Vector
from lilfox_tui.scrape.matcher import Matcher
from lilfox_tui.scrape.series import SeriesSource

MOST_STEPS = 11_000
"""Of a range query, as Prometheus has it."""


def parse(text: str, semantics: Semantics = PROMETHEUS_3) -> Query:
    """The query that ``text`` is. Raises QueryError that says what is wrong or not supported, and where."""
    refuse(text, semantics)
    parsed = _parsed(with_whole_characters(text))
    try:
        tree = build(parsed, semantics)
    except QueryError as error:
        position = place_of(text, error.word) if error.word else None
        raise QueryError(error.message, error.hint, text=text, position=position) from None
    except RecursionError:
        raise too_deep(text) from None
    return Query(text, tree, semantics)


@lru_cache(maxsize=256)
def remembered(text: str, semantics: Semantics = PROMETHEUS_3) -> Query:
    """As :func:`parse`; the queries that were asked last are not parsed again."""
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
    """A parsed query; it never changes and may be evaluated in several threads."""

    def __init__(self, text: str, tree: Node, semantics: Semantics) -> None:
        self.text, self.tree, self.semantics = text, tree, semantics
        self.kind: Kind = kind(tree)
        self.selectors: tuple[tuple[Matcher, ...], ...] = tuple(_selectors(tree))

    def at(self, source: SeriesSource, at_ms: int) -> Value:
        """The value at one instant. Raises QueryError where there is none (elements without a single partner)."""
        with np.errstate(all="ignore"):
            value = Evaluation(source, self.semantics, at_ms, at_ms).at(self.tree, at_ms, Row(at_ms))
        return Matrix(_lines(value)) if isinstance(value, RangeVector) else value

    def over(self, source: SeriesSource, start_ms: int, end_ms: int, step_ms: int) -> list[Line]:
        """The values from ``start_ms`` to ``end_ms`` (inclusive) every ``step_ms``, as lines sorted by their labels.
        Raises QueryError where there is no value, and for more than MOST_STEPS steps."""
        if self.kind not in ("vector", "scalar"):
            raise QueryError(
                tr("a range query gives a vector or a scalar at each step; this one is a {kind}", kind=self.kind)
            )
        if step_ms <= 0 or (end_ms - start_ms) // step_ms >= MOST_STEPS:
            raise QueryError(tr("the step must be longer than 0 and give at most {count} values", count=MOST_STEPS))
        evaluation, steps = Evaluation(source, self.semantics, start_ms, end_ms), Steps()
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
